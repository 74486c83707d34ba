"""Tasmota: its native discovery, states, readings and last will (https://tasmota.github.io/docs/MQTT/).

``tasmota/discovery/MAC/config`` (retained) tells name, topics, relays and the words for on, off, online and offline;
``tasmota/discovery/MAC/sensors`` what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeward.core.vocabulary import home_assistant_type
from homeward.sources.dialects import STEPS, Found, Listen, Presence, Said, at, is_topic, mac, table, text
from homeward.sources.payloads import Meaning, Refused, read_json
from homeward.sources.topics import TopicRule

RELAYS: Final = 8
"""How many relays and inputs of one device are read."""

_RELAYS: Final = {1: "switch", 2: "light", 3: "cover"}
_READINGS: Final = {
    name: home_assistant_type("sensor", device_class)
    for name, device_class in {
        "Power": "power", "Temperature": "temperature", "Humidity": "humidity", "Illuminance": "illuminance",
        "CarbonDioxide": "carbon_dioxide", "PM2.5": "pm25",
    }.items()
}  # fmt: skip
_PRESSED: Final = {"SINGLE": "single", "DOUBLE": "double", "HOLD": "hold"}


class Tasmota:
    """The `Dialect` of Tasmota's native discovery."""

    name = "tasmota"
    filters = ("tasmota/discovery/+/config", "tasmota/discovery/+/sensors")
    rules: tuple[TopicRule, ...] = ()
    large: frozenset[str] = frozenset()

    def reads(self, topic: str) -> bool:
        return topic.startswith("tasmota/discovery/") and topic.endswith(("/config", "/sensors"))

    def read(self, topic: str, payload: bytes) -> Iterable[Said]:
        address = mac(topic.split("/")[2])
        if not address:
            raise Refused("device name")
        if not payload:  # the device was reset; what it was stays known
            return []
        said = read_json(payload)
        if topic.endswith("/sensors"):
            types = [_READINGS[name] for name in _leaves(table(said.get("sn")))]
            return [Found(identity=f"tasmota:{address}", name="", part="sensors", type=types[0] if types else "")]
        return [_config(address, said)]


def _config(address: str, said: Mapping[str, Any]) -> Found:
    own = text(said.get("t"))
    prefixes = [text(prefix) for prefix in said["tp"]] if isinstance(said.get("tp"), list) else []
    command, stat, tele = prefixes if len(prefixes) == 3 else ("cmnd", "stat", "tele")
    pattern = text(said.get("ft")) or "%prefix%/%topic%/"

    def below(prefix: str, name: str) -> str:
        return pattern.replace("%prefix%", prefix).replace("%topic%", own).rstrip("/") + f"/{name}"

    if not own or not is_topic(below(tele, "SENSOR")):
        raise Refused("topic")
    words = said["state"] if isinstance(said.get("state"), list) else []
    off, on = ([*map(text, words[:2])] if len(words) >= 2 else None) or ("OFF", "ON")
    listed = said["rl"][:RELAYS] if isinstance(said.get("rl"), list) else []
    relays = [kind for kind in listed if isinstance(kind, int) and kind in _RELAYS]
    powers = ["POWER"] if len(relays) == 1 else [f"POWER{number}" for number in range(1, len(relays) + 1)]
    switched: dict[str, Meaning] = {power: {on or "ON": "on", off or "OFF": "off"} for power in powers}
    name = text(said.get("dn"))
    return Found(
        identity=f"tasmota:{address}",
        name=name if name and name != "Tasmota" else own,
        part="config",
        type=_RELAYS[max(relays)] if relays else "",
        maker="Tasmota",
        model=text(said.get("md")),
        address=address,
        listens=[
            *(Listen(topic=below(stat, one), format="text", properties={one: switched[one]}) for one in powers),
            *([Listen(topic=below(tele, "STATE"), properties=switched)] if switched else []),
            Listen(topic=below(stat, "RESULT"), properties=_BUTTONS, unfold=_pressed),
            Listen(topic=below(tele, "SENSOR"), properties=_VALUES, unfold=_leaves, steps=_STEPS),
        ],
        presence=[
            Presence(
                topic=below(tele, "LWT"),
                online=text(said.get("onln")) or "Online",
                offline=text(said.get("ofln")) or "Offline",
            )
        ],
        commands=[below(command, power) for power in powers],
    )


_BUTTONS: Final[Mapping[str, Meaning]] = {f"Button{number}": "moment" for number in range(1, RELAYS + 1)}
_VALUES: Final[Mapping[str, Meaning]] = dict.fromkeys(_READINGS, "value")
_STEPS: Final = {name: STEPS.get(type_, 0.0) for name, type_ in _READINGS.items()}


def _pressed(said: Mapping[str, Any]) -> dict[str, Any]:
    """``{"Button1": {"Action": "SINGLE"}}`` as ``{"Button1": "single"}``."""
    actions = {button: at(said, (button, "Action")) for button in _BUTTONS}
    return {button: _PRESSED[action] for button, action in actions.items() if text(action) in _PRESSED}


def _leaves(said: Mapping[str, Any]) -> dict[str, Any]:
    """The first reading of each kind: a device's readings stand below the names of its sensors."""
    found: dict[str, Any] = {}
    for one in (said, *said.values()):
        for name, value in table(one).items():
            if name in _READINGS and not isinstance(value, (dict, list)):
                found.setdefault(name, value)
    return found
