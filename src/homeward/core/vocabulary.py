"""Device types, roles and actions in the field's own words (Matter, Home Assistant), and what follows for safety.

Every source maps what it sees into these words. They are all that homes may share with each other later, so no name
of a person, a room or a network is among them: see `shared`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

ROLES: Final = frozenset({"entrance", "motion", "presence", "actuator", "meter", "use", "other"})


class _Type(NamedTuple):
    """What is known of a type: the role it has unless the owner says otherwise, its device type in Matter 1.5 (in
    Home Assistant's words, the domain, where Matter has none), and the actions it says."""

    role: str
    matter: str
    actions: str


_TABLE: Final[Mapping[str, _Type]] = {
    # somebody is there
    "motion":              _Type("motion",   "Occupancy Sensor",       "on off"),
    "occupancy":           _Type("presence", "Occupancy Sensor",       "on off"),
    "pressure.bed":        _Type("presence", "Occupancy Sensor",       "on off"),
    "pressure.chair":      _Type("presence", "Occupancy Sensor",       "on off"),
    "camera":              _Type("presence", "Camera",                 "on off motion recording streaming idle"),
    "person":              _Type("other",    "person",                 "home away"),
    "residents":           _Type("other",    "person",                 "home away holiday"),
    "phone":               _Type("other",    "device_tracker",         "home away"),
    "wearable":            _Type("other",    "device_tracker",         "home away reading"),
    # what people open, close and touch; an outside door has role entrance when its place says so
    "contact.door":        _Type("use",      "Contact Sensor",         "open closed"),
    "contact.window":      _Type("use",      "Contact Sensor",         "open closed"),
    "contact.garage":      _Type("entrance", "Contact Sensor",         "open closed"),
    "contact.cupboard":    _Type("use",      "Contact Sensor",         "open closed"),
    "contact.fridge":      _Type("use",      "Contact Sensor",         "open closed"),
    "contact.other":       _Type("use",      "Contact Sensor",         "open closed"),
    "float.toilet":        _Type("use",      "binary_sensor",          "on off"),
    "button":              _Type("use",      "Generic Switch",         "pressed single double hold release"),
    "remote":              _Type("use",      "Generic Switch",         "on off pressed single double hold release"),
    "doorbell":            _Type("other",    "Doorbell",               "ring pressed motion"),
    # ways in
    "lock":                _Type("actuator", "Door Lock",              "locked unlocked not_fully_locked locking "
                                                                       "unlocking jammed lock unlock open"),
    "garage_door":         _Type("entrance", "Closure",                "open closed opening closing stopped"),
    # what is switched or commanded
    "light":               _Type("actuator", "On/Off Light",           "on off"),
    "switch":              _Type("actuator", "Mounted On/Off Control", "on off"),
    "plug":                _Type("actuator", "On/Off Plug-in Unit",    "on off reading"),
    "cover":               _Type("actuator", "Window Covering",        "open closed opening closing stopped"),
    "valve":               _Type("actuator", "Water Valve",            "open closed opening closing on off"),
    "thermostat":          _Type("actuator", "Thermostat",             "off heat cool heat_cool auto dry fan_only "
                                                                       "set reading"),
    "fan":                 _Type("actuator", "Fan",                    "on off set"),
    "humidifier":          _Type("actuator", "humidifier",             "on off set"),
    "vacuum":              _Type("actuator", "Robotic Vacuum Cleaner", "cleaning docked returning paused idle error"),
    "mower":               _Type("actuator", "lawn_mower",             "mowing docked returning paused error"),
    "media_player":        _Type("actuator", "Basic Video Player",     "on off playing paused idle standby"),
    "speaker":             _Type("actuator", "Speaker",                "on off playing paused idle standby"),
    "appliance":           _Type("actuator", "switch",                 "on off running idle done"),
    "hub":                 _Type("actuator", "Aggregator",             "on off permit_join"),
    # alarms
    "alarm":               _Type("actuator", "alarm_control_panel",    "armed_home armed_away armed_night "
                                                                       "armed_vacation armed_custom_bypass armed "
                                                                       "arming pending disarmed disarming triggered"),
    "siren":               _Type("actuator", "siren",                  "on off"),
    "medical":             _Type("other",    "binary_sensor",          "on off pressed reading"),
    "smoke":               _Type("other",    "Smoke CO Alarm",         "smoke clear on off"),
    "carbon_monoxide":     _Type("other",    "Smoke CO Alarm",         "on off reading"),
    "gas":                 _Type("other",    "binary_sensor",          "on off reading"),
    "leak":                _Type("other",    "Water Leak Detector",    "wet dry on off"),
    # what measures
    "meter.power":         _Type("meter",    "Electrical Sensor",      "reading"),
    "meter.water":         _Type("meter",    "Flow Sensor",            "reading"),
    "meter.gas":           _Type("meter",    "sensor",                 "reading"),
    "sensor.temperature":  _Type("other",    "Temperature Sensor",     "reading"),
    "sensor.humidity":     _Type("other",    "Humidity Sensor",        "reading"),
    "sensor.brightness":   _Type("other",    "Light Sensor",           "reading on off"),
    "sensor.air_quality":  _Type("other",    "Air Quality Sensor",     "reading"),
    "sensor.vibration":    _Type("other",    "binary_sensor",          "vibration still on off"),
    # machines of the network
    "computer":            _Type("other",    "device_tracker",         "flow alert home away"),
    "printer":             _Type("other",    "device_tracker",         "flow alert printing idle stopped"),
    "router":              _Type("other",    "Network Infrastructure Manager", "flow alert home away"),
    "network":             _Type("other",    "device_tracker",         "connected disconnected"),
    "broker":              _Type("other",    "binary_sensor",          "connected disconnected refused"),
    "other":               _Type("other",    "sensor",                 ""),
}  # fmt: skip

TYPES: Final = frozenset(_TABLE)

MATTER: Final[Mapping[str, str]] = MappingProxyType({type_: row.matter for type_, row in _TABLE.items()})
"""Each type's device type in Matter 1.5; where Matter has none, the domain in Home Assistant."""

_EVERY_DEVICE: Final = frozenset({"announced", "flow", "alert"})
"""What anything may say: what it is, with whom it spoke on the network, and that a detector warned of it."""

_SAID: Final = {type_: frozenset(row.actions.split()) | _EVERY_DEVICE for type_, row in _TABLE.items()}

ACTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        action: frozenset(type_ for type_, said in _SAID.items() if action in said)
        for action in sorted(frozenset[str]().union(*_SAID.values()))
    }
)
"""Each action word, and the types that say it."""


def role_of(type_: str) -> str:
    """The role of a device of this type, unless its owner or its place says otherwise; ``other`` if it is unknown."""
    return _TABLE[type_].role if type_ in _TABLE else "other"


def shared(type_: str, action: str) -> tuple[str, str]:
    """Type and action as they may leave the home: words of this vocabulary, and ``other`` for every other word.

    A zone's or a scene's name is an action to a source, and a person may have given it.
    """
    return type_ if type_ in TYPES else "other", action if action in ACTIONS else "other"


# ---------------------------------------------------------------------------------------- Home Assistant's words

_HOME_ASSISTANT: Final[Mapping[str, Mapping[str | None, str]]] = {
    "light": {None: "light"},
    "switch": {None: "switch", "outlet": "plug"},
    "input_boolean": {None: "switch"},
    "lock": {None: "lock"},
    "cover": {None: "cover", "garage": "garage_door", "gate": "garage_door", "door": "garage_door"},
    "climate": {None: "thermostat"},
    "water_heater": {None: "appliance"},
    "fan": {None: "fan"},
    "humidifier": {None: "humidifier"},
    "vacuum": {None: "vacuum"},
    "lawn_mower": {None: "mower"},
    "media_player": {None: "media_player", "speaker": "speaker"},
    "assist_satellite": {None: "speaker"},
    "camera": {None: "camera"},
    "alarm_control_panel": {None: "alarm"},
    "siren": {None: "siren"},
    "valve": {None: "valve"},
    "button": {None: "button"},
    "input_button": {None: "button"},
    "event": {None: "button", "doorbell": "doorbell", "motion": "motion"},
    "remote": {None: "remote"},
    "person": {None: "person"},
    "device_tracker": {None: "phone"},
    "air_quality": {None: "sensor.air_quality"},
    "binary_sensor": {
        "door": "contact.door", "garage_door": "contact.garage", "window": "contact.window",
        "opening": "contact.other",
        "motion": "motion", "moving": "sensor.vibration", "vibration": "sensor.vibration",
        "occupancy": "occupancy", "presence": "occupancy",
        "lock": "lock", "smoke": "smoke", "carbon_monoxide": "carbon_monoxide", "gas": "gas", "moisture": "leak",
        "heat": "sensor.temperature", "cold": "sensor.temperature", "light": "sensor.brightness",
        "running": "appliance",
    },
    "sensor": {
        "power": "meter.power", "apparent_power": "meter.power", "reactive_power": "meter.power",
        "current": "meter.power", "energy": "meter.power", "energy_storage": "meter.power",
        "water": "meter.water", "volume_flow_rate": "meter.water", "gas": "meter.gas",
        "temperature": "sensor.temperature",
        "humidity": "sensor.humidity", "absolute_humidity": "sensor.humidity", "moisture": "sensor.humidity",
        "illuminance": "sensor.brightness", "irradiance": "sensor.brightness",
        "aqi": "sensor.air_quality", "carbon_dioxide": "sensor.air_quality", "co2": "sensor.air_quality",
        "nitrogen_dioxide": "sensor.air_quality", "nitrogen_monoxide": "sensor.air_quality",
        "nitrous_oxide": "sensor.air_quality", "ozone": "sensor.air_quality", "sulphur_dioxide": "sensor.air_quality",
        "pm1": "sensor.air_quality", "pm4": "sensor.air_quality", "pm10": "sensor.air_quality",
        "pm25": "sensor.air_quality", "volatile_organic_compounds": "sensor.air_quality",
        "volatile_organic_compounds_parts": "sensor.air_quality",
        "carbon_monoxide": "carbon_monoxide", "blood_glucose_concentration": "medical",
    },
}  # fmt: skip


def home_assistant_type(domain: str, device_class: str | None) -> str:
    """The type of an entity of this domain and device class; ``other`` for what is no device of a home.

    Every driven way in (garage door, gate, door) is a ``garage_door``, so that it is guarded. A class that is unknown
    counts as none.
    """
    classes = _HOME_ASSISTANT.get(domain, {})
    return classes.get(device_class) or classes.get(None, "other")


# ------------------------------------------------------------------------------------------- Zigbee2MQTT's words

_ZIGBEE: Final[tuple[tuple[str, str], ...]] = (
    # what may save a life, then what lets people in, then what tells of people, then what is commanded
    ("smoke", "smoke"), ("carbon_monoxide", "carbon_monoxide"), ("gas", "gas"),
    ("lock_state", "lock"), ("lock", "lock"), ("garage_door_contact", "garage_door"),
    ("water_leak", "leak"),
    ("system_mode", "thermostat"), ("climate", "thermostat"), ("occupied_heating_setpoint", "thermostat"),
    ("occupied_cooling_setpoint", "thermostat"), ("current_heating_setpoint", "thermostat"),
    ("warning", "siren"), ("alarm melody", "siren"),
    ("contact", "contact.other"), ("presence", "occupancy"), ("occupancy", "motion"),
    ("fan_mode", "fan"), ("fan_state", "fan"), ("fan_speed", "fan"), ("fan", "fan"),
    ("valve_state", "valve"), ("flow state", "valve"),
    ("position", "cover"), ("tilt state", "cover"), ("cover", "cover"),
    ("brightness state", "light"), ("color_temp", "light"), ("color_xy", "light"), ("light", "light"),
    ("power state", "plug"), ("energy state", "plug"), ("current state", "plug"), ("state", "switch"),
    ("switch", "switch"),
    ("action action_group", "remote"), ("action action_rate", "remote"), ("action brightness", "remote"),
    ("action", "button"),
    ("vibration", "sensor.vibration"),
    ("water_consumed", "meter.water"), ("power", "meter.power"), ("energy", "meter.power"),
    ("co2", "sensor.air_quality"), ("pm25", "sensor.air_quality"), ("voc", "sensor.air_quality"),
    ("voc_index", "sensor.air_quality"), ("formaldehyd", "sensor.air_quality"), ("air_quality", "sensor.air_quality"),
    ("temperature", "sensor.temperature"), ("humidity", "sensor.humidity"), ("soil_moisture", "sensor.humidity"),
    ("illuminance", "sensor.brightness"), ("illuminance_lux", "sensor.brightness"),
)  # fmt: skip
"""Features that a device exposes together, and what it then is: the first line that fits."""

_ENDPOINTS: Final = ("state_", "brightness_", "position_")
"""Features that Zigbee2MQTT names apart for each endpoint (``state_left``, ``state_l1``)."""


def zigbee_type(features: Collection[str]) -> str:
    """The type of a device that exposes these features to Zigbee2MQTT; ``other`` if none of them says anything.

    Features are named as it names them, with the kinds of composed ones (``light``, ``lock``, ``cover``, ``climate``,
    ``fan``, ``switch``) where the caller has them.
    """
    exposed = set(features)
    exposed |= {prefix[:-1] for prefix in _ENDPOINTS for feature in features if feature.startswith(prefix)}
    return next((type_ for needed, type_ in _ZIGBEE if exposed.issuperset(needed.split())), "other")


# -------------------------------------------------------------------------------------------- what follows for safety

GUARDED_TYPES: Final = frozenset(
    {"lock", "garage_door", "alarm", "siren", "medical", "smoke", "carbon_monoxide", "gas"}
)  # fmt: skip
"""Types that learn a new habit from an answer only; together with every device of role ``entrance``."""

LIFE_SAFETY_TYPES: Final = frozenset({"medical", "smoke", "carbon_monoxide", "gas"})
"""Types that no response may ever act upon."""

WAY_IN_TYPES: Final = frozenset(
    {"lock", "alarm", "garage_door", "phone", "wearable", "person", "residents", "router", "hub", "network", "broker"}
)
"""What people come in by, or reach their home and their guard through; the guard must not shut them out."""

ONE_SHOT: Final = frozenset({"lock", "arm"})
"""Commands that end by themselves: the state they reach is the safer one and is never taken back."""

REFUSED: Final = frozenset({"toggle", "unlock", "unlocked", "open", "opened", "disarm", "disarmed"})
"""Commands that no response may give: toggles cannot be taken back, and the guard never opens a way in."""

CLAIMS: Final = frozenset({"restrict", "quarantine"})
"""Commands to the network or the broker about a device; ``release`` takes each back."""

RELEASE: Final = "release"

MESSAGES: Final = frozenset({"notify", "ask", "escalate"})
"""Commands to a channel: tell, ask, tell another person as well."""

DIAGNOSTIC: Final = frozenset(
    {"battery", "battery_low", "comm_failure", "device_temperature", "last_seen", "linkquality", "lqi", "rssi",
     "update", "voltage"}
)  # fmt: skip
"""What a device says of itself rather than of the home (Home Assistant's entity category *diagnostic*): no habit."""

_STATES: Final = {"lock": {"locked"}, "arm": {"armed", "armed_away", "armed_home", "armed_night"}}


def obeys(action: str, command: str) -> bool:
    """Whether a device that tells this action is as the command wants it: *locked* after *lock*."""
    return action == command or action in _STATES.get(command, ())


def is_guarded(type_: str, role: str) -> bool:
    """Whether a device of this type and role must not learn from what merely came back."""
    return role == "entrance" or type_ in GUARDED_TYPES


LIVED, GUARDED, COMMANDED, MEASURED = range(4)
"""The kinds of devices that are judged apart: those by which people show, guarded ones, what is switched or
commanded, and what measures the house."""

KINDS: Final = (
    "devices that people stir", "guarded devices", "devices that are switched", "devices that measure the house"
)  # fmt: skip
"""Each kind in words."""


def kind_of(type_: str, role: str) -> int:
    """The kind of a device of this type and role."""
    if is_guarded(type_, role):
        return GUARDED
    return LIVED if role in {"motion", "presence", "use"} else COMMANDED if role == "actuator" else MEASURED
