"""Home Assistant's MQTT discovery: entities of devices, in full or abbreviated keys, one by one or a device at once.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery

Templates are programs, and these come from the network: none is run. Understood are those that take one value out of
a JSON object (``{{ value_json.x }}``, ``{{ value_json['x'].y | float }}``); every other one is refused, and counted.
An entity is believed to be what it says. What it says of itself (``entity_category``) is no habit. Where somebody is
comes as *home* or *away*; coordinates are never read. That an entity is withdrawn changes nothing: one who may write
discovery topics must not be able to make the guard deaf.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeward.core.vocabulary import home_assistant_type
from homeward.sources.dialects import STEPS, Found, Listen, Paths, Presence, Said, is_topic, mac, table, text, texts
from homeward.sources.payloads import Meaning, Refused, read_json
from homeward.sources.topics import TopicRule

COMPONENTS: Final = 64
"""How many entities of one message are looked at."""

_KEYS: Final[Mapping[str, str]] = {
    "act_stat_t": "activity_state_topic", "act_val_tpl": "activity_value_template",
    "avty": "availability", "avty_mode": "availability_mode", "avty_t": "availability_topic",
    "avty_tpl": "availability_template", "cmd_t": "command_topic", "cmps": "components", "dev": "device",
    "dev_cla": "device_class", "ent_cat": "entity_category", "mode_cmd_t": "mode_command_topic",
    "mode_stat_t": "mode_state_topic", "mode_stat_tpl": "mode_state_template", "obj_id": "object_id",
    "p": "platform", "pl_avail": "payload_available", "pl_home": "payload_home",
    "pl_not_avail": "payload_not_available", "pl_not_home": "payload_not_home", "pl_off": "payload_off",
    "pl_on": "payload_on", "stat_clsd": "state_closed", "stat_closing": "state_closing",
    "stat_jam": "state_jammed", "stat_locked": "state_locked", "stat_locking": "state_locking",
    "stat_off": "state_off", "stat_on": "state_on", "stat_open": "state_open", "stat_opening": "state_opening",
    "stat_stopped": "state_stopped", "stat_t": "state_topic", "stat_unlocked": "state_unlocked",
    "stat_unlocking": "state_unlocking", "stat_tpl": "state_template", "stat_val_tpl": "state_value_template",
    "t": "topic", "uniq_id": "unique_id", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
    "cns": "connections", "ids": "identifiers", "mf": "manufacturer", "mdl": "model", "sa": "suggested_area",
}  # fmt: skip

_TEMPLATE: Final = re.compile(
    r"\{\{-?\s*value_json((?:\.[A-Za-z_]\w*|\[\s*'[^'\]]*'\s*\]|\[\s*\"[^\"\]]*\"\s*\])+)"
    r"(?:\s*\|\s*(?:float|int|string|is_defined|round)(?:\(\s*\d?\s*\))?)*\s*-?\}\}"
)
_WHOLE: Final = re.compile(r"\{\{-?\s*value\s*-?\}\}")
_STEP: Final = re.compile(r"\.(\w+)|\[\s*['\"]([^'\"]*)['\"]\s*\]")
_TEMPLATE_LIMIT: Final = 256

_SAYS: Final[Mapping[str, str]] = {
    # component: the key of its state topic, where it is not "state_topic"
    "climate": "mode_state_topic", "lawn_mower": "activity_state_topic",
}  # fmt: skip
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "climate": ("mode_state_template",), "lawn_mower": ("activity_value_template",),
    "light": ("state_value_template", "state_template"), "fan": ("state_value_template",),
    "humidifier": ("state_value_template",), "siren": ("state_value_template",),
}  # fmt: skip
_COMMANDS: Final = frozenset({"button"})  # something to press in Home Assistant, not in the home
_SWITCHED: Final = frozenset({"switch", "light", "fan", "siren", "humidifier"})
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    # component: states that may be spelled otherwise by a key "state_…"
    "lock": ("locked", "unlocked", "locking", "unlocking", "jammed"),
    "cover": ("open", "closed", "opening", "closing", "stopped"),
    "valve": ("open", "closed", "opening", "closing", "stopped"),
}  # fmt: skip
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    # component: states that are spelled one way
    "alarm_control_panel": (
        "disarmed", "armed_home", "armed_away", "armed_night", "armed_vacation", "armed_custom_bypass", "pending",
        "triggered", "arming", "disarming",
    ),
    "climate": ("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only"),
    "vacuum": ("cleaning", "docked", "paused", "idle", "returning", "error"),
    "lawn_mower": ("mowing", "docked", "paused", "returning", "error"),
}  # fmt: skip


class HomeAssistantDiscovery:
    """The `Dialect` of Home Assistant's discovery below ``prefix``."""

    name = "home_assistant"
    rules: tuple[TopicRule, ...] = ()
    large: frozenset[str] = frozenset()

    def __init__(self, prefix: str = "homeassistant") -> None:
        self._prefix = prefix
        self.filters: tuple[str, ...] = (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")

    def reads(self, topic: str) -> bool:
        levels = topic.split("/")
        return len(levels) in (4, 5) and levels[0] == self._prefix and levels[-1] == "config"

    def read(self, topic: str, payload: bytes) -> Iterable[Said]:
        if not payload:
            return []
        raw = read_json(payload)
        said, base = _full(raw), raw.get("~")
        _, component, *where, _ = topic.split("/")
        if component != "device":
            found = _entity(component, "/".join(where), said)
            return [] if found is None else [found]
        shared = {key: value for key, value in said.items() if key != "components"}
        parts = list(table(said.get("components")).items())[:COMPONENTS]
        entities = []
        for key, one in parts:
            about = shared | _full({"~": base, **table(one)})
            found = _entity(text(about.get("platform")), f"{'/'.join(where)}/{key}", about)
            if found is not None:
                entities.append(found)
        return entities


def _entity(component: str, where: str, said: Mapping[str, Any]) -> Found | None:
    """One entity; ``None`` for what tells nothing of a home, and for our own. Raises `Refused`."""
    if component in _COMMANDS:
        return None
    device = _full(table(said.get("device")))
    ids = texts(device.get("identifiers"))
    addresses = [address for _, address in _connections(device) if address]
    own = (ids or addresses or texts(said.get("unique_id")) or texts(f"{component}/{where}"))[:1]
    if not own or own[0].startswith("homeward_") or said.get("entity_category") in ("config", "diagnostic"):
        return None
    device_class = text(said.get("device_class")) or None
    type_ = home_assistant_type(component, device_class)
    if type_ == "other" and component != "binary_sensor":
        return None
    name = text(device.get("name")) or text(said.get("name")) or text(said.get("object_id")) or own[0]
    return Found(
        identity=f"home_assistant:{own[0]}"[:128],
        name=name,
        part=f"{component}/{where}",
        type=type_,
        room=text(device.get("suggested_area")),
        maker=text(device.get("manufacturer")),
        model=text(device.get("model")),
        address=addresses[0] if addresses else "",
        listens=_listens(component, where, type_, said),
        presence=_presence(said),
        every={"all": "all", "any": "any"}.get(text(said.get("availability_mode")), "latest"),  # type: ignore[arg-type] # one of three
        commands=[topic for key, topic in said.items() if key.endswith("command_topic") and is_topic(topic)],
    )


def _listens(component: str, where: str, type_: str, said: Mapping[str, Any]) -> list[Listen]:
    topic = said.get(_SAYS.get(component, "state_topic"))
    if topic is None:
        return []
    if not is_topic(topic):
        raise Refused("topic")
    name = where.replace("/", ".")
    meaning = _meaning(component, type_, said)
    template = next((said[key] for key in (*_TEMPLATES.get(component, ()), "value_template") if key in said), None)
    path = _path(template)
    if path is None and (component == "vacuum" or (component == "light" and said.get("schema") == "json")):
        path = ("state",)
    if component == "event":
        path = path or ("event_type",)
    if said.get("schema") == "template":
        raise Refused("template")
    steps = {name: _step(type_, said)} if meaning == "value" else {}
    if path is None:
        return [Listen(topic=topic, format="text", properties={name: meaning}, steps=steps)]
    return [Listen(topic=topic, properties={name: meaning}, unfold=Paths(((name, path),)), steps=steps)]


def _meaning(component: str, type_: str, said: Mapping[str, Any]) -> Meaning:
    if component == "binary_sensor":
        on, off = ("open", "closed") if type_.startswith("contact.") or type_ == "garage_door" else ("on", "off")
        if type_ == "lock":
            on, off = "unlocked", "locked"
        return {**_spelled(said, "payload_on", "ON", on), **_spelled(said, "payload_off", "OFF", off)}
    if component in _SWITCHED:
        return {
            **_spelled(said, "state_on" if "state_on" in said else "payload_on", "ON", "on"),
            **_spelled(said, "state_off" if "state_off" in said else "payload_off", "OFF", "off"),
        }
    if component == "device_tracker":
        return {
            **_spelled(said, "payload_home", "home", "home"),
            **_spelled(said, "payload_not_home", "not_home", "away"),
        }
    if component in _STATES:
        spelled: dict[str, str] = {}
        for state in _STATES[component]:
            spelled |= _spelled(said, f"state_{state}", state.upper() if component == "lock" else state, state)
        return spelled
    if component in _WORDS:
        return {word: word for word in _WORDS[component]}
    return "moment" if component == "event" else "value"


def _spelled(said: Mapping[str, Any], key: str, default: str, action: str) -> dict[str, str]:
    """How a state is spelled, and what it is; JSON's true is what a template makes ``True``."""
    spelled = said.get(key, default)
    if isinstance(spelled, bool) or spelled in ("True", "False"):
        return {str(spelled).lower(): action, str(spelled): action}
    if isinstance(spelled, (int, float)):
        return {repr(spelled): action}
    return {text(spelled) or default: action}


def _path(template: object) -> tuple[str, ...] | None:
    """The keys that a template follows; ``None`` for the whole payload. Raises `Refused` for every other one."""
    if template is None:
        return None
    if isinstance(template, str) and len(template) <= _TEMPLATE_LIMIT:
        if _WHOLE.fullmatch(template.strip()):
            return None
        if found := _TEMPLATE.fullmatch(template.strip()):
            return tuple(plain or quoted for plain, quoted in _STEP.findall(found[1]))
    raise Refused("template")


def _step(type_: str, said: Mapping[str, Any]) -> float:
    step = STEPS.get(type_, 0.0)
    if type_ == "meter.power":
        step = {"W": step, "kW": step / 1000, "VA": step, "kWh": 0.1, "A": 0.05}.get(
            text(said.get("unit_of_measurement")), step
        )
    return step


def _presence(said: Mapping[str, Any]) -> list[Presence]:
    rows = said.get("availability")
    listed = [_full(table(row)) for row in rows[:8]] if isinstance(rows, list) else []
    if "availability_topic" in said:
        listed.append(
            {
                **{key: said[key] for key in ("payload_available", "payload_not_available") if key in said},
                "topic": said["availability_topic"],
                "value_template": said.get("availability_template"),
            }
        )
    found = []
    for row in listed:
        if not is_topic(row.get("topic")):
            continue
        try:
            path = _path(row.get("value_template"))
        except Refused:  # the device is heard all the same
            continue
        online, offline = text(row.get("payload_available")), text(row.get("payload_not_available"))
        if path is None or len(path) == 1:
            found.append(
                Presence(
                    topic=row["topic"],
                    online=online or "online",
                    offline=offline or "offline",
                    key=path[0] if path else "state",
                )
            )
    return found


def _connections(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = device.get("connections")
    pairs = [row for row in rows[:8] if isinstance(row, list) and len(row) == 2] if isinstance(rows, list) else []
    return [(text(kind), mac(address)) for kind, address in pairs]


def _full(said: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in full, and ``~`` replaced in what are topics."""
    full = {_KEYS.get(key, key): value for key, value in said.items()}
    base = full.pop("~", None)
    if isinstance(base, str):
        for key, value in full.items():
            if key.endswith("topic") and isinstance(value, str):
                full[key] = base + value[1:] if value[:1] == "~" else _ended(value, base)
        if isinstance(full.get("availability"), list):
            full["availability"] = [{"~": base, **table(row)} for row in full["availability"][:8]]
    return full


def _ended(topic: str, base: str) -> str:
    return topic[:-1] + base if topic[-1:] == "~" else topic
