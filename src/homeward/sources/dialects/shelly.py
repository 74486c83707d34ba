"""Shelly: the first generation below ``shellies/``, later ones below their own id (https://shelly-api-docs.shelly.cloud).

The first announces itself on ``shellies/announce``, which is not retained: so a device is also known by any of its
states, as one of a later generation is by its notifications (``ID/events/rpc``) and status (``ID/status/switch:0``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeward.sources.dialects import STEPS, Found, Listen, Presence, Said, at, is_topic, mac, table, text
from homeward.sources.payloads import Meaning, Refused, read_json
from homeward.sources.topics import TopicRule

CHANNELS: Final = 4
"""How many relays, lights, covers and inputs of one device are read."""

COMPONENTS: Final = 32
"""How many components of one notification are looked at."""

MAKER: Final = "Shelly"

_ID: Final = re.compile(r"shelly[a-z0-9]*-[0-9a-f]{6,16}", re.IGNORECASE)
_ON_OFF: Final = {"true": "on", "false": "off", "on": "on", "off": "off", "1": "on", "0": "off"}
_PUSHES: Final = {
    "S": "single", "SS": "double", "SSS": "triple", "L": "hold",
    "single_push": "single", "double_push": "double", "triple_push": "triple", "long_push": "hold",
}  # fmt: skip

# The first generation: what follows the id, its type, and what its text means.
_FIRST: Final[Mapping[str, tuple[str, Meaning]]] = {
    "relay": ("switch", {"on": "on", "off": "off", "overpower": ""}),
    "light": ("light", {"on": "on", "off": "off"}),
    "white": ("light", {"on": "on", "off": "off"}),
    "color": ("light", {"on": "on", "off": "off"}),
    "roller": ("cover", {"open": "opening", "close": "closing", "stop": "stopped"}),
    "input": ("button", _ON_OFF),
    "sensor/state": ("contact.other", {"open": "open", "close": "closed", "unknown": ""}),
    "sensor/motion": ("motion", _ON_OFF),
    "sensor/flood": ("leak", _ON_OFF),
    "sensor/smoke": ("smoke", _ON_OFF),
    "sensor/vibration": ("sensor.vibration", {**_ON_OFF, "-1": ""}),
    "sensor/gas": ("gas", {"none": "off", "mild": "on", "heavy": "on", "test": "", "unknown": ""}),
    "sensor/temperature": ("sensor.temperature", "value"),
    "sensor/humidity": ("sensor.humidity", "value"),
    "sensor/lux": ("sensor.brightness", "value"),
    "power": ("meter.power", "value"),
}
_BELOW: Final = ("announce", "online", "relay/+", "relay/+/power", "light/+", "white/+", "color/+", "roller/+",
                 "emeter/+/power", "input/+", "input_event/+", "sensor/+")  # fmt: skip

# Later generations: what a component says, its type, and what that means.
_LATER: Final[Mapping[str, tuple[str, str, Meaning]]] = {
    "switch": ("output", "switch", _ON_OFF),
    "light": ("output", "light", _ON_OFF),
    "cover": ("state", "cover", {
        "open": "open", "closed": "closed", "opening": "opening", "closing": "closing", "stopped": "stopped",
        "calibrating": "",
    }),
    "input": ("state", "button", _ON_OFF),
    "smoke": ("alarm", "smoke", _ON_OFF),
    "flood": ("alarm", "leak", _ON_OFF),
    "temperature": ("tC", "sensor.temperature", "value"),
    "humidity": ("rh", "sensor.humidity", "value"),
    "illuminance": ("lux", "sensor.brightness", "value"),
    "pm1": ("apower", "meter.power", "value"),
    "em": ("total_act_power", "meter.power", "value"),
}  # fmt: skip
_PROPERTIES: Final[Mapping[str, Meaning]] = {
    **{f"{kind}:{n}": meaning for kind, (_, _, meaning) in _LATER.items() for n in range(CHANNELS)},
    **{f"switch:{n} power": "value" for n in range(CHANNELS)},
    **{f"input:{n} push": "moment" for n in range(CHANNELS)},
}
_STEPS: Final = {
    **{f"{kind}:{n}": STEPS.get(type_, 0.0) for kind, (_, type_, _) in _LATER.items() for n in range(CHANNELS)},
    **{f"switch:{n} power": STEPS["meter.power"] for n in range(CHANNELS)},
}


class Shelly:
    """The `Dialect` of Shelly's devices."""

    name = "shelly"
    filters = (
        "shellies/announce", *(f"shellies/+/{below}" for below in _BELOW), "+/online", "+/events/rpc", "+/status/+"
    )  # fmt: skip
    rules: tuple[TopicRule, ...] = ()
    large: frozenset[str] = frozenset()

    def reads(self, topic: str) -> bool:
        first, _, rest = topic.partition("/")
        if first == "shellies":
            return True
        return rest == "events/rpc" or (
            _ID.fullmatch(first) is not None and (rest == "online" or rest.startswith("status/"))
        )

    def read(self, topic: str, payload: bytes) -> Iterable[Said]:
        levels = topic.split("/")
        if levels[0] != "shellies":
            return self._later(levels, payload)
        if levels[-1] == "announce":
            return self._announced(read_json(payload))
        return self._first(topic, levels[1], levels[2:]) if len(levels) > 2 else ()

    def _announced(self, said: dict[str, Any]) -> list[Said]:
        name = text(said.get("id"))
        if not name or not is_topic(name) or "/" in name:
            raise Refused("device name")
        about = {"part": "announce", "model": text(said.get("model")), "address": mac(said.get("mac"))}
        return [_found(name, f"shellies/{name}/online", **about)]

    def _first(self, topic: str, name: str, below: list[str]) -> list[Said]:
        if text(name) != name or not is_topic(topic):
            raise Refused("device name")
        online = f"shellies/{name}/online"
        if below == ["online"]:
            return [_found(name, online)]
        part = " ".join(below)
        if below[0] == "input_event":
            push = Listen(topic=topic, properties={part: "moment"}, unfold=_Pushed(part))
            return [_found(name, online, part=part, type="button", listens=(push,))]
        kind = "power" if below[-1] == "power" else "/".join(below[:2]) if below[0] == "sensor" else below[0]
        if kind not in _FIRST:
            return []
        type_, meaning = _FIRST[kind]
        steps = {part: STEPS.get(type_, 0.0)} if meaning == "value" else {}
        listen = Listen(topic=topic, format="text", properties={part: meaning}, steps=steps)
        command = (f"{topic}/command",) if type_ in ("switch", "light", "cover") else ()
        return [_found(name, online, part=part, type=type_, listens=(listen,), commands=command)]

    def _later(self, levels: list[str], payload: bytes) -> list[Said]:
        prefix, rest = levels[0], "/".join(levels[1:])
        online = f"{prefix}/online"
        if rest == "online":
            return [_found(prefix, online)]
        if rest != "events/rpc":
            component = rest.removeprefix("status/")
            listen = Listen(
                topic=f"{prefix}/{rest}", properties=_of(component), unfold=_Status(component), steps=_STEPS
            )
            return _component(prefix, prefix, component, listen)
        said = read_json(payload)
        name = text(said.get("src"))
        if not _ID.fullmatch(name):
            return []
        listen = Listen(
            topic=f"{prefix}/events/rpc", properties=_PROPERTIES, unfold=_notified, happened="ts", steps=_STEPS
        )
        about = list(table(said.get("params")))[:COMPONENTS]
        found = [one for component in about for one in _component(name, prefix, component, listen)]
        return found or [_found(name, online, part="events", listens=(listen,))]


def _component(name: str, prefix: str, component: str, listen: Listen) -> list[Said]:
    kind, _, number = component.partition(":")
    if kind not in _LATER or not _of(component):
        return []
    about = {
        "type": _LATER[kind][1],
        "listens": (listen,),
        "commands": (f"{prefix}/rpc", f"{prefix}/command/{component}"),
    }
    return [_found(name, f"{prefix}/online", part=f"{listen.topic} {kind}:{number}", **about)]


def _found(name: str, online: str, **about: Any) -> Found:
    if about.get("type") == "switch" and "plug" in name.lower():
        about["type"] = "plug"
    return Found(
        identity=f"shelly:{name.lower()}",
        name=name,
        owned=_ID.fullmatch(name) is not None,
        maker=MAKER,
        address=about.pop("address", "") or mac(name.rpartition("-")[2]),
        presence=(Presence(topic=online, online="true", offline="false"),),
        **about,
    )


def _of(component: str) -> dict[str, Meaning]:
    """The properties that a component may have."""
    return {
        name: meaning
        for name, meaning in _PROPERTIES.items()
        if name == component or name.startswith(f"{component} ")
    }


@dataclass(frozen=True, slots=True)
class _Pushed:
    """``{"event": "S"}`` as one property."""

    name: str

    def __call__(self, said: Mapping[str, Any]) -> dict[str, Any]:
        push = _PUSHES.get(text(said.get("event")))
        return {self.name: push} if push else {}


@dataclass(frozen=True, slots=True)
class _Status:
    """A component's status as properties."""

    component: str

    def __call__(self, said: Mapping[str, Any]) -> dict[str, Any]:
        kind = self.component.partition(":")[0]
        found = {self.component: at(said, (_LATER[kind][0],))} if kind in _LATER else {}
        if kind == "switch":
            found[f"{self.component} power"] = said.get("apower")
        return found


def _notified(said: Mapping[str, Any]) -> dict[str, Any]:
    """``NotifyStatus`` and ``NotifyEvent`` as properties."""
    about = table(said.get("params"))
    found: dict[str, Any] = {"ts": about.get("ts")}
    for component, status in list(about.items())[:COMPONENTS]:
        found |= _Status(component)(table(status))
    events = about["events"] if isinstance(about.get("events"), list) else []
    for event in map(table, events[:CHANNELS]):
        if push := _PUSHES.get(text(event.get("event"))):
            found[f"{text(event.get('component'))} push"] = push
    return found
