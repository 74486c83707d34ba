"""What a state of Home Assistant means: states in, changed properties out. Pure: no socket, no clock.

A state is not an event. `Decoder.decode` makes one `Change` for each property that is now another than the last one
known. A first state is only noted; *unknown* and *unavailable* are no states. Of persons and trackers only the zone's
name is read, never where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from homeward.sources.home_assistant_home import Entity
from homeward.sources.payloads import Refused, clean_name, read_state, read_time
from homeward.sources.topics import Change

RESIDENTS: Final = "residents"
"""The device that says whether somebody is home, made of all persons together."""

NO_STATE: Final = frozenset({"unknown", "unavailable", ""})
READ: Final = frozenset(
    {
        "changed_by", "device_class", "device_trackers", "event_type", "friendly_name", "humidity", "options",
        "state_class", "temperature", "unit_of_measurement", "user_id",
    }
)  # fmt: skip
"""The attributes that are read. All others are dropped at once, where somebody is above all."""

END_OF_TIME: Final = 1e11
"""Times are before that: later ones have no date."""

ID_LIMIT: Final = 64
LAST_LIMIT: Final = 65_536
"""How many properties' last states are kept; others are refused and counted. The journal keeps as many."""

FRESH_SECONDS: Final = 5.0
STATE_LIMIT: Final = 255
"""The longest state that Home Assistant has, in characters."""

_ON_OFF: Final = {"on": "on", "off": "off"}
_SHUT: Final = {"on": "open", "off": "closed"}
_MOVED: Final = {"open": "open", "closed": "closed", "opening": "", "closing": "", "stopped": "stopped"}
_BINARY: Final = {
    "door": _SHUT,
    "garage_door": _SHUT,
    "window": _SHUT,
    "opening": _SHUT,
    "lock": {"on": "unlocked", "off": "locked"},
}
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    **dict.fromkeys(("light", "switch", "input_boolean", "fan", "humidifier", "siren", "remote"), _ON_OFF),
    "cover": _MOVED,
    "valve": _MOVED,
    "lock": {
        "locked": "locked", "unlocked": "unlocked", "open": "open", "jammed": "jammed",
        "locking": "", "unlocking": "", "opening": "",
    },
    "alarm_control_panel": {
        **{word: word for word in (
            "disarmed", "armed_home", "armed_away", "armed_night", "armed_vacation", "armed_custom_bypass",
            "triggered",
        )},
        "arming": "", "pending": "", "disarming": "",
    },
    "media_player": {
        **{word: word for word in ("on", "off", "playing", "paused", "idle", "standby")}, "buffering": "",
    },
    "lawn_mower": {word: word for word in ("mowing", "docked", "returning", "paused", "error")},
    "vacuum": {word: word for word in ("cleaning", "docked", "returning", "paused", "idle", "error")},
    "camera": {word: word for word in ("recording", "streaming", "idle")},
    "climate": {word: word for word in ("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only")},
}  # fmt: skip
"""A domain's states and the actions that they are; empty for what only passes by on the way to another state."""

_STEPS: Final[Mapping[str, float]] = {
    "temperature": 0.5, "humidity": 2.0, "moisture": 2.0, "illuminance": 50.0, "irradiance": 50.0, "power": 5.0,
    "apparent_power": 5.0, "current": 0.05, "energy": 0.1, "water": 0.01, "gas": 0.01, "carbon_dioxide": 100.0,
    "pm25": 10.0, "pm10": 10.0, "pm1": 10.0, "aqi": 20.0, "sound_pressure": 5.0, "weight": 0.5,
}  # fmt: skip
"""The least change of a reading that counts, in the unit after `_SCALES`; a tenth of the last one for all others."""

_SCALES: Final[Mapping[str, tuple[float, float]]] = {
    "°F": (5 / 9, -32.0), "K": (1.0, -273.15), "kW": (1e3, 0.0), "MW": (1e6, 0.0), "mW": (1e-3, 0.0),
    "kVA": (1e3, 0.0), "Wh": (1e-3, 0.0), "MWh": (1e3, 0.0), "mA": (1e-3, 0.0), "L": (1e-3, 0.0), "g": (1e-3, 0.0),
}  # fmt: skip
"""Units that are brought to °C, W, kWh, A, m³ and kg: (value + second) · first."""

_PRESENT: Final = {"home": "home", "not_home": "away"}


@dataclass(frozen=True, slots=True)
class State:
    """A state of an entity. ``changed`` and ``updated`` are Home Assistant's clock, in seconds since 1970: when the
    state became what it is, and when it or an attribute last did."""

    entity_id: str
    state: str
    attributes: Mapping[str, Any]
    changed: float
    updated: float
    context: Mapping[str, str]

    @classmethod
    def read(cls, said: object) -> State:
        """A state as the API tells it. Raises `Refused`."""
        if not isinstance(said, dict):
            raise Refused("malformed")
        entity_id, state, attributes = said.get("entity_id"), said.get("state"), said.get("attributes")
        if not isinstance(entity_id, str) or not isinstance(state, str) or "." not in entity_id:
            raise Refused("malformed")
        if len(state) > STATE_LIMIT or len(entity_id) > STATE_LIMIT:
            raise Refused("malformed")
        updated = read_moment(said.get("last_updated"))
        return cls(
            entity_id=entity_id,
            state=state,
            attributes=kept(attributes),
            changed=min(read_moment(said.get("last_changed")), updated),
            updated=updated,
            context=read_context(said.get("context")),
        )


def kept(attributes: object) -> Mapping[str, Any]:
    """The attributes that are read."""
    return {name: attributes[name] for name in READ & attributes.keys()} if isinstance(attributes, dict) else {}


def read_context(said: object) -> Mapping[str, str]:
    """What a context says of who acts: ``id``, ``parent_id`` and ``user_id``, as far as they are there."""
    if not isinstance(said, dict):
        return {}
    ids = ((name, said.get(name)) for name in ("id", "parent_id", "user_id"))
    return {name: text for name, text in ids if isinstance(text, str) and 0 < len(text) <= ID_LIMIT}


def read_moment(said: object) -> float:
    """Seconds since 1970. Raises `Refused`."""
    try:
        moment = read_time(said).timestamp()
    except (ValueError, OverflowError, OSError, TypeError):
        raise Refused("bad time") from None
    if not 0 <= moment < END_OF_TIME:
        raise Refused("bad time")
    return moment


class _Property(NamedTuple):
    name: str
    action: str
    value: float | None = None
    step: float = 0.0
    """The least change that counts; negative: as a share of the last value."""


class Decoder:
    """Turns states into changes, and remembers the last state of every property so that a repeat is none.

    ``last`` holds states of an earlier process (`homeward.sources.topics.last_state`). ``refused`` counts by reason
    what could not be used. Memory is bounded by `LAST_LIMIT` and by how many entities `Home` lets in.
    """

    def __init__(self, last: Mapping[str, str] | None = None) -> None:
        self.refused: Counter[str] = Counter()
        self._last: dict[str, str] = dict(last or {})
        self._moments: dict[str, str] = {}
        self._persons: dict[str, str] = {}
        self._parts: dict[str, dict[str, bool]] = {}
        self._device: dict[str, str] = {}

    def decode(self, entity: Entity, state: State, *, since: float | None = None) -> list[Change]:
        """The changes that a state tells of. Never raises.

        ``since`` is until when everything is known already: a bell that rang after that is news, even if it was not
        known before. ``None`` on a first start, when nothing is.
        """
        if state.state in NO_STATE:
            return []
        try:
            if entity.domain in ("event", "button", "input_button"):
                return self._moment(entity, state, since)
            if entity.domain in ("person", "device_tracker"):
                return self._presence(entity, state)
            return list(self._changes(entity, state))
        except Refused as refusal:
            self.refused[str(refusal)] += 1
            return []

    def availability(self, entity: Entity, state: State) -> bool | None:
        """Whether the entity's device has come back, or is gone: all its entities are unavailable. Else ``None``."""
        before = self._device.get(entity.key)
        if before not in (None, entity.device):
            self.forget(entity)
        parts = self._parts.setdefault(entity.device, {})
        was = _there(parts)
        self._device[entity.key] = entity.device
        parts[entity.key] = state.state != "unavailable"
        now = _there(parts)
        return None if now == was else now

    def residents(self, at: float) -> list[Change]:
        """Whether somebody is home, if that has changed; to be asked once the states of all persons are decoded."""
        if not self._persons:
            return []
        key, now = f"presence/{RESIDENTS}", "home" if "home" in self._persons.values() else "away"
        before = self._last.get(key)
        self._last[key] = now
        if before in (None, now):
            return []
        happened = datetime.fromtimestamp(at, UTC)
        return [Change(device=RESIDENTS, action=now, happened=happened, attributes={"property": "presence"})]

    def rename(self, before: Entity, now: Entity) -> None:
        """The same entity under another device's name, or another property's: it keeps its last state."""
        old, new = (f"{each.property_name}/{each.device}" for each in (before, now))
        if old != new and old in self._last:
            self._last.setdefault(new, self._last[old])

    def forget(self, entity: Entity) -> None:
        """The entity is gone, or of another device now."""
        device = self._device.pop(entity.key, None)
        if device is not None:
            self._parts[device].pop(entity.key, None)
            if not self._parts[device]:
                del self._parts[device]
        self._persons.pop(entity.key, None)

    def _changes(self, entity: Entity, state: State) -> Iterator[Change]:
        for property_ in _read(entity, state):
            if self._changed(entity, property_):
                settled = property_.name == entity.property_name
                yield Change(
                    device=entity.device,
                    action=property_.action,
                    value=property_.value,
                    happened=datetime.fromtimestamp(state.changed if settled else state.updated, UTC),
                    attributes=_attributes(entity, property_.name),
                )

    def _changed(self, entity: Entity, property_: _Property) -> bool:
        """Whether the property is known and now another; takes note of it."""
        key = f"{property_.name}/{entity.device}"  # as in topics.last_state
        now = property_.action if property_.value is None else repr(property_.value)
        before = self._last.get(key)
        if before == now or (property_.value is not None and _near(before, property_.value, property_.step)):
            return False
        if before is None and len(self._last) >= LAST_LIMIT:
            raise Refused("too many devices")
        self._last[key] = now
        return before is not None

    def _moment(self, entity: Entity, state: State, since: float | None) -> list[Change]:
        """A bell that rang, a button that was pressed: the state is when."""
        at = read_moment(state.state)
        before = self._moments.get(entity.key)
        if before is None and len(self._moments) >= LAST_LIMIT:
            raise Refused("too many devices")
        self._moments[entity.key] = state.state
        if before == state.state:
            return []
        if before is None and (since is None or at <= since or state.updated - at > FRESH_SECONDS):
            return []  # it rang before, and its state has come back with its entity
        if entity.domain == "event":
            action = clean_name(str(state.attributes.get("event_type") or ""))
            if action is None:
                raise Refused("unknown value")
        else:
            action = "pressed"
        about = {**_attributes(entity, entity.property_name), "moment": "yes"}
        happened = datetime.fromtimestamp(at, UTC)
        return [Change(device=entity.device, action=action, happened=happened, attributes=about)]

    def _presence(self, entity: Entity, state: State) -> list[Change]:
        zone = _PRESENT.get(state.state) or clean_name(state.state)
        if zone is None:
            raise Refused("action name")
        if entity.domain == "person":
            self._persons[entity.key] = zone
        if not self._changed(entity, _Property(entity.property_name, zone)):
            return []
        return [
            Change(
                device=entity.device,
                action=zone,
                actor=f"person:{entity.device}" if entity.domain == "person" else None,
                happened=datetime.fromtimestamp(state.changed, UTC),
                attributes=_attributes(entity, entity.property_name),
            )
        ]


def _read(entity: Entity, state: State) -> Iterator[_Property]:
    """The properties that a state tells of. Raises `Refused`."""
    if entity.domain == "sensor" and entity.device_class != "enum":
        reading = read_state("value", state.state)
        if reading is not None and reading[1] is not None:
            factor, offset = _SCALES.get(entity.unit, (1.0, 0.0))
            value = round((reading[1] + offset) * factor, 6) + 0.0
            yield _Property(entity.property_name, "reading", value, _STEPS.get(entity.device_class, -0.1))
        return
    words = (
        _BINARY.get(entity.device_class, _ON_OFF) if entity.domain == "binary_sensor" else _WORDS.get(entity.domain)
    )
    said = read_state(words if words is not None else "text", state.state)
    if said is not None:
        yield _Property(entity.property_name, said[0])
    if entity.domain in ("climate", "humidifier", "water_heater"):
        target = state.attributes.get("humidity" if entity.domain == "humidifier" else "temperature")
        if isinstance(target, int | float) and not isinstance(target, bool):
            number = read_state("value", target)
            assert number is not None
            yield _Property("setpoint", "set", number[1])


def _attributes(entity: Entity, property_: str) -> dict[str, str]:
    about = {"property": property_}
    if entity.room:
        about["room"] = entity.room
    return about


def _near(before: str | None, value: float, step: float) -> bool:
    """Whether the value has moved less than a step away from the last one that counted."""
    try:
        last = float(before or "")
    except ValueError:
        return False
    return abs(last - value) < (step if step >= 0 else -step * abs(last))


def _there(parts: Mapping[str, bool]) -> bool:
    return not parts or any(parts.values())
