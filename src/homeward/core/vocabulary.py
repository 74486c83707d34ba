"""Device types and roles, in the field's own words, and what follows from them for safety."""

from __future__ import annotations

from typing import Final

ROLES: Final = frozenset({"entrance", "motion", "presence", "actuator", "meter", "use", "other"})

TYPES: Final = frozenset(
    {
        "motion", "contact.door", "contact.window", "contact.cupboard", "contact.fridge", "contact.other",
        "pressure.bed", "pressure.chair", "float.toilet", "light", "switch", "plug", "lock", "camera", "doorbell",
        "meter.power", "meter.water", "meter.gas", "sensor.temperature", "sensor.humidity", "sensor.brightness",
        "thermostat", "button", "siren", "hub", "appliance", "alarm", "medical", "smoke", "broker", "residents",
        "other",
    }
)  # fmt: skip

GUARDED_TYPES: Final = frozenset({"lock", "alarm", "siren", "medical", "smoke"})
"""Types that learn a new habit from an answer only; together with every device of role ``entrance``."""

LIFE_SAFETY_TYPES: Final = frozenset({"medical", "smoke"})
"""Types that no response may ever act upon."""

ONE_SHOT: Final = frozenset({"lock", "arm"})
"""Commands that end by themselves: the state they reach is the safer one and is never taken back."""

REFUSED: Final = frozenset({"toggle", "unlock", "unlocked", "open", "opened", "disarm", "disarmed"})
"""Commands that no response may give: toggles cannot be taken back, and the guard never opens a way in."""


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
