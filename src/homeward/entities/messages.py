"""What the broker is told: the guard's state as one JSON message, and how Home Assistant is to show it. Pure.

Home Assistant's MQTT discovery (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery), one message for
each entity. Not one for the whole device, which Home Assistant has known since 2024.11: 2025.4 drops the rest of such
a message while it is still busy with its first entity, and a button must not go on naming yesterday's incident.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec

from homeward import __version__
from homeward.dashboard.view import Engine, IncidentView, LeaseView, PageView
from homeward.entities.offers import CHANNEL, PERSON, answerable, undoable
from homeward.presses import Says, new_press
from homeward.sources.home_assistant_home import OWN_MAKER

TEXT_LIMIT: Final = 255
"""The longest state that Home Assistant takes, in characters."""

LISTED: Final = 20
"""How many incidents or leases are listed beside their count: Home Assistant keeps attributes up to 16 KiB."""

WEEK: Final = timedelta(days=7)

SENSORS: Final[Mapping[str, dict[str, Any]]] = {
    "state": {
        "name": "State",
        "icon": "mdi:shield-home",
        "device_class": "enum",
        "options": ["learning", "watching", "alarm", "blind"],
    },
    "incident": {"name": "Last incident", "icon": "mdi:alert-circle-outline"},
    "incidents": {"name": "Open incidents", "icon": "mdi:alert-outline", "unit_of_measurement": "incidents"},
    "leases": {"name": "Open leases", "icon": "mdi:timer-sand", "unit_of_measurement": "leases"},
    "budget": {"name": "Budget", "icon": "mdi:scale-balance", "unit_of_measurement": "alarms/week"},
    "alarms": {
        "name": "Alarms in seven days",
        "icon": "mdi:bell-outline",
        "unit_of_measurement": "alarms",
        "state_class": "measurement",
    },
}
"""The sensors by their key in the state message, and what Home Assistant is told of each."""

BUTTONS: Final[Mapping[Says, dict[str, Any]]] = {
    "yes": {"name": "That was me", "icon": "mdi:account-check"},
    "no": {"name": "Not me", "icon": "mdi:account-alert"},
    "undo": {"name": "Undo", "icon": "mdi:undo"},
}


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one place. ``prefix`` is where Home Assistant looks for discovery."""

    place: str
    prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        for what, name in (("place", self.place), ("prefix", self.prefix)):
            if not name or any(sign in name for sign in "+#\0") or name.startswith("$"):
                raise ValueError(f"{what} {name!r}: it becomes a part of a topic, so write it without '+' and '#'")
        if "/" in self.place:
            raise ValueError(f"place {self.place!r}: it is one level of a topic, so write it without '/'")

    @property
    def identifier(self) -> str:
        """What Home Assistant knows the device by: ASCII letters, digits, ``_`` and ``-``; each place has its own."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", self.place)
        if plain != self.place:
            plain = f"{plain}_{hashlib.sha256(self.place.encode()).hexdigest()[:8]}"
        return f"homeward_{plain}"

    @property
    def state(self) -> str:
        return f"homeward/{self.place}/state"

    @property
    def online(self) -> str:
        """``online`` while the state is kept up to date, else ``offline``.

        Not ``homeward/PLACE/status``: that says whether the guard hears the broker's devices, and where it does not
        this must still be able to say *blind*.
        """
        return f"homeward/{self.place}/state/status"

    @property
    def answer(self) -> str:
        """Where presses go."""
        return f"homeward/{self.place}/answer"

    @property
    def birth(self) -> str:
        """Where Home Assistant says ``online`` when it has started."""
        return f"{self.prefix}/status"

    def config(self, component: str, key: str) -> str:
        """Where an entity is described."""
        return f"{self.prefix}/{component}/{self.identifier}/{key}/config"


def messages(view: PageView, engine: Engine, topics: Topics, key: str) -> Mapping[str, bytes]:
    """Everything that is to be said, by topic, in this order, retained.

    A button's config comes before the state that shows what it is about: who reads of an incident and presses must
    not answer the one before. ``key`` is the installation's, for the tokens of presses.
    """
    told = state(view, engine, key)
    said = {topics.config("sensor", name): _sensor(name, topics) for name in SENSORS}
    said |= {topics.config("button", says): _button(says, told[says], topics) for says in BUTTONS}
    encoded = {topic: msgspec.json.encode(payload) for topic, payload in said.items()}
    return encoded | {topics.state: msgspec.json.encode(told), topics.online: b"online"}


def state(view: PageView, engine: Engine, key: str) -> dict[str, dict[str, Any]]:
    """The guard as it is now. Sensors have a ``value``, buttons are ``available``; ``about`` is what else to know."""
    told = [one for one in view.incidents if not one.noted]
    going_on = [one for one in told if one.open]
    return {
        "state": _state(view, alarmed=any(one.waits for one in going_on)),
        "incident": _last(told),
        "incidents": {
            "value": len(going_on),
            "about": {"list": [_in_short(one) for one in going_on[:LISTED]], "waiting": view.waiting},
        },
        "leases": {
            "value": len(view.leases) + view.leases_left_out,
            "about": {"list": [_lease(one) for one in view.leases[:LISTED]]},
        },
        "budget": {"value": engine.settings.budget, "about": {}},
        "alarms": {"value": alarms(view, engine), "about": {}},
        **_answers(view, key),
        "undo": _undo(view, key),
    }


def alarms(view: PageView, engine: Engine) -> int:
    """The interruptions of the last seven days. An incident's (it lasts six hours at most) count from its first."""
    return sum(one.alarms for one in engine.incidents.values() if view.now - one.opened <= WEEK)


def _state(view: PageView, *, alarmed: bool) -> dict[str, Any]:
    about = {"words": view.words, "note": view.note, "dry_run": view.dry_run, "version": view.version}
    if view.armed is not None:
        about["armed"] = view.armed
    return {"value": "alarm" if alarmed else view.state, "about": about}


def _last(told: list[IncidentView]) -> dict[str, Any]:
    """The newest incident that told or asked something."""
    if not told:
        return {"value": None, "about": {}}
    one = told[0]
    about = _in_short(one) | {
        "reason": one.reason,
        "action": one.action,
        "updated": one.updated.isoformat(timespec="seconds"),
        "open": one.open,
        "habit": one.habit,
        "events": one.events,
        "answer": one.answer,
        "answered_by": one.answered_by,
    }
    return {"value": _short(one.reason), "about": about}


def _in_short(one: IncidentView) -> dict[str, Any]:
    return {
        "id": one.id,
        "text": _short(one.reason),
        "kind": one.kind,
        "rung": one.rung,
        "device": one.device,
        "opened": one.opened.isoformat(timespec="seconds"),
        "waits": one.waits,
    }


def _lease(one: LeaseView) -> dict[str, Any]:
    return {
        "id": one.id,
        "device": one.device,
        "command": one.command,
        "status": one.status,
        "dry_run": one.dry_run,
        "ends": one.ends.isoformat(timespec="seconds") if one.ends else None,
        "why": _short(one.why),
        "error": _short(one.error),
    }


def _answers(view: PageView, key: str) -> dict[str, dict[str, Any]]:
    name = answerable(view)
    if not name:
        return {says: {"available": "offline", "about": {}} for says in ("yes", "no")}
    text = next(_short(one.reason) for one in view.incidents if one.id == name)
    says: Says
    offered: dict[str, dict[str, Any]] = {}
    for says in ("yes", "no"):
        about = {"incident": name, "text": text, "press": new_press(key, says, name, PERSON, CHANNEL).written()}
        offered[says] = {"available": "online", "about": about}
    return offered


def _undo(view: PageView, key: str) -> dict[str, Any]:
    leases = undoable(view)
    if not leases:
        return {"available": "offline", "about": {}}
    names = [f"{one.device} {one.command}" for one in leases[:LISTED]]
    about = {"leases": names, "press": new_press(key, "undo", leases[0].id, PERSON, CHANNEL).written()}
    return {"available": "online", "about": about}


def _sensor(name: str, topics: Topics) -> dict[str, Any]:
    return _entity(name, topics) | SENSORS[name] | {
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json.{name}.value }}}}",
        "availability_topic": topics.online,
    }  # fmt: skip


def _button(says: Says, offered: Mapping[str, Any], topics: Topics) -> dict[str, Any]:
    available = f"{{{{ value_json.{says}.available }}}}"
    return _entity(says, topics) | BUTTONS[says] | {
        "command_topic": topics.answer,
        "payload_press": offered["about"].get("press", "nothing is offered"),
        "availability_mode": "all",
        "availability": [{"topic": topics.online}, {"topic": topics.state, "value_template": available}],
    }  # fmt: skip


def _entity(key: str, topics: Topics) -> dict[str, Any]:
    return {
        "unique_id": f"{topics.identifier}_{key}",
        "qos": 1,
        "json_attributes_topic": topics.state,
        "json_attributes_template": f"{{{{ value_json.{key}.about | tojson }}}}",
        "device": {
            "identifiers": [topics.identifier],
            "name": "Homeward",
            "manufacturer": OWN_MAKER,  # by it the source that reads Home Assistant leaves these entities out
            "model": f"guard of {topics.place}",
            "sw_version": __version__,
        },
        "origin": {"name": "Homeward", "sw_version": __version__},
    }


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
