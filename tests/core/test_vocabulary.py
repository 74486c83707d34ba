"""The vocabulary: what each source's words become, and that nothing private can be among what is shared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core import vocabulary
from homeward.core.vocabulary import (
    ACTIONS,
    GUARDED_TYPES,
    LIFE_SAFETY_TYPES,
    MATTER,
    ROLES,
    TYPES,
    home_assistant_type,
    is_guarded,
    kind_of,
    role_of,
    shared,
    zigbee_type,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "vocabulary.md"
WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")

# What the published figures were measured with: a device that was known then is judged as it was judged then.
GUARDED_BEFORE = {"lock", "alarm", "siren", "medical", "smoke"}
TYPES_BEFORE = {
    "motion",
    "contact.door",
    "contact.window",
    "contact.cupboard",
    "contact.fridge",
    "contact.other",
    "pressure.bed",
    "pressure.chair",
    "float.toilet",
    "light",
    "switch",
    "plug",
    "lock",
    "camera",
    "doorbell",
    "meter.power",
    "meter.water",
    "meter.gas",
    "sensor.temperature",
    "sensor.humidity",
    "sensor.brightness",
    "thermostat",
    "button",
    "siren",
    "hub",
    "appliance",
    "alarm",
    "medical",
    "smoke",
    "broker",
    "residents",
    "other",
}


def test_every_type_is_a_word_with_a_role_and_a_name_in_matter_or_home_assistant() -> None:
    assert set(MATTER) == TYPES
    for type_ in TYPES:
        assert WORD.fullmatch(type_)
        assert role_of(type_) in ROLES
        assert MATTER[type_].isprintable()


def test_the_table_is_readable_in_the_documentation() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert lines == [line.rstrip() for line in table().splitlines() if line.startswith("| `")]


def table() -> str:
    """The table of types, as the page of the documentation shows it."""
    head = "| type | role | guarded | in Matter (or Home Assistant) | says |\n|---|---|---|---|---|\n"
    rows = []
    for type_ in vocabulary._TABLE:
        words = " ".join(f"`{word}`" for word in vocabulary._TABLE[type_].actions.split())
        name = f"*{MATTER[type_]}*" if MATTER[type_].islower() else MATTER[type_]
        guarded = "yes" if is_guarded(type_, role_of(type_)) else ""
        rows.append(f"| `{type_}` | {role_of(type_)} | {guarded} | {name} | {words} |\n")
    return head + "".join(rows)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_was_measured_is_judged_as_before(role: str) -> None:
    assert TYPES_BEFORE <= TYPES
    for type_ in TYPES_BEFORE:
        assert is_guarded(type_, role) == (role == "entrance" or type_ in GUARDED_BEFORE)
        assert kind_of(type_, role) in range(4)


def test_what_saves_lives_is_guarded_and_so_is_every_way_in() -> None:
    assert LIFE_SAFETY_TYPES <= GUARDED_TYPES <= TYPES
    for type_ in ("lock", "garage_door", "contact.garage", "alarm"):
        assert is_guarded(type_, role_of(type_))


@pytest.mark.parametrize(
    ("domain", "device_class", "type_"),
    [
        ("light", None, "light"),
        ("switch", "outlet", "plug"),
        ("switch", "switch", "switch"),
        ("lock", None, "lock"),
        ("cover", "garage", "garage_door"),
        ("cover", "gate", "garage_door"),
        ("cover", "door", "garage_door"),
        ("cover", "blind", "cover"),
        ("cover", "shutter", "cover"),
        ("cover", "curtain", "cover"),
        ("binary_sensor", "door", "contact.door"),
        ("binary_sensor", "garage_door", "contact.garage"),
        ("binary_sensor", "window", "contact.window"),
        ("binary_sensor", "opening", "contact.other"),
        ("binary_sensor", "motion", "motion"),
        ("binary_sensor", "occupancy", "occupancy"),
        ("binary_sensor", "presence", "occupancy"),
        ("binary_sensor", "smoke", "smoke"),
        ("binary_sensor", "carbon_monoxide", "carbon_monoxide"),
        ("binary_sensor", "gas", "gas"),
        ("binary_sensor", "moisture", "leak"),
        ("binary_sensor", "vibration", "sensor.vibration"),
        ("binary_sensor", "lock", "lock"),
        ("binary_sensor", "battery", "other"),
        ("binary_sensor", None, "other"),
        ("sensor", "power", "meter.power"),
        ("sensor", "energy", "meter.power"),
        ("sensor", "water", "meter.water"),
        ("sensor", "gas", "meter.gas"),
        ("sensor", "temperature", "sensor.temperature"),
        ("sensor", "humidity", "sensor.humidity"),
        ("sensor", "illuminance", "sensor.brightness"),
        ("sensor", "pm25", "sensor.air_quality"),
        ("sensor", "carbon_dioxide", "sensor.air_quality"),
        ("sensor", "timestamp", "other"),
        ("climate", None, "thermostat"),
        ("fan", None, "fan"),
        ("humidifier", "dehumidifier", "humidifier"),
        ("vacuum", None, "vacuum"),
        ("lawn_mower", None, "mower"),
        ("media_player", "tv", "media_player"),
        ("media_player", "speaker", "speaker"),
        ("camera", None, "camera"),
        ("alarm_control_panel", None, "alarm"),
        ("siren", None, "siren"),
        ("valve", "water", "valve"),
        ("water_heater", None, "appliance"),
        ("button", "restart", "button"),
        ("event", "doorbell", "doorbell"),
        ("remote", None, "remote"),
        ("person", None, "person"),
        ("device_tracker", None, "phone"),
        ("scene", None, "other"),
        ("sun", None, "other"),
    ],
)
def test_home_assistants_words(domain: str, device_class: str | None, type_: str) -> None:
    assert home_assistant_type(domain, device_class) == type_


@pytest.mark.parametrize(
    ("features", "type_"),
    [
        ("contact battery voltage linkquality", "contact.other"),
        ("contact vibration device_temperature", "contact.other"),
        ("occupancy illuminance temperature battery", "motion"),
        ("presence occupancy illuminance", "occupancy"),
        ("smoke battery test", "smoke"),
        ("smoke alarm melody", "smoke"),
        ("carbon_monoxide battery", "carbon_monoxide"),
        ("gas sensitivity", "gas"),
        ("water_leak battery", "leak"),
        ("vibration angle_x battery", "sensor.vibration"),
        ("state lock_state battery", "lock"),
        ("state position battery", "cover"),
        ("state brightness color_temp power_on_behavior", "light"),
        ("state brightness power energy", "light"),
        ("state power energy voltage current", "plug"),
        ("state power_on_behavior", "switch"),
        ("state_left state_right power", "plug"),
        ("state_l1 state_l2", "switch"),
        ("action battery", "button"),
        ("action action_group action_rate battery", "remote"),
        ("system_mode local_temperature position child_lock", "thermostat"),
        ("occupied_heating_setpoint local_temperature", "thermostat"),
        ("warning battery", "siren"),
        ("fan_state fan_speed pm25 air_quality", "fan"),
        ("power energy voltage", "meter.power"),
        ("temperature humidity pressure battery", "sensor.temperature"),
        ("humidity battery", "sensor.humidity"),
        ("illuminance battery", "sensor.brightness"),
        ("co2 temperature humidity", "sensor.air_quality"),
        ("battery voltage linkquality", "other"),
        ("", "other"),
    ],
)
def test_zigbee2mqtts_words(features: str, type_: str) -> None:
    assert zigbee_type(features.split()) == type_


@given(st.text(max_size=40), st.one_of(st.none(), st.text(max_size=40)))
def test_whatever_a_source_is_called_it_becomes_a_word_of_the_vocabulary(
    domain: str, device_class: str | None
) -> None:
    assert home_assistant_type(domain, device_class) in TYPES
    assert zigbee_type([domain, device_class or ""]) in TYPES
    assert role_of(domain) in ROLES


@given(st.text(max_size=40), st.text(max_size=40))
def test_only_words_of_the_vocabulary_leave_the_home(type_: str, action: str) -> None:
    told_type, told_action = shared(type_, action)
    assert told_type in TYPES
    assert told_action in {*ACTIONS, "other"}


def test_a_zone_that_a_person_named_does_not_leave_the_home() -> None:
    assert shared("person", "home") == ("person", "home")
    assert shared("person", "Anna's office") == ("person", "other")
    assert shared("Anna's phone", "away") == ("other", "away")


def test_actions_are_words_that_some_type_says() -> None:
    for action, types in ACTIONS.items():
        assert WORD.fullmatch(action)
        assert types
        assert types <= TYPES
    assert {"light", "motion"} <= ACTIONS["on"]
    assert ACTIONS["locked"] == {"lock"}
    assert {"alarm"} == ACTIONS["armed_away"]
    assert ACTIONS["flow"] == TYPES
