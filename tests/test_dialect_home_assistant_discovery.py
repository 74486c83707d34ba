"""What entities tell of themselves in Home Assistant's discovery."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeward.sources.dialects import Found
from homeward.sources.dialects.home_assistant_discovery import COMPONENTS, HomeAssistantDiscovery
from homeward.sources.discovered import rule_of
from homeward.sources.payloads import Refused
from homeward.sources.topics import Decoder

DEVICE = {"identifiers": ["gate-1"], "name": "Garden gate", "manufacturer": "ACME", "model": "G1"}


def read(said: object, topic: str = "homeassistant/binary_sensor/gate/config") -> list[Found]:
    found = list(HomeAssistantDiscovery().read(topic, json.dumps(said).encode()))
    return [one for one in found if isinstance(one, Found)]


def entity(component: str, said: dict[str, Any]) -> Found:
    (found,) = read({"device": DEVICE} | said, f"homeassistant/{component}/gate/config")
    return found


def told(component: str, said: dict[str, Any], *payloads: str | bytes) -> list[str]:
    found = entity(component, said)
    (listen,) = found.listens
    rule = rule_of(found.name, [listen])
    assert rule is not None
    decoder = Decoder([rule])
    raw = (payload.encode() if isinstance(payload, str) else payload for payload in payloads)
    return [change.action for payload in raw for change in decoder.decode(listen.topic, payload)]


def test_an_entity_in_full_keys_and_in_short_ones_is_the_same() -> None:
    full = {
        "state_topic": "gate/state", "device_class": "door", "payload_on": "o", "payload_off": "c",
        "value_template": "{{ value_json.s }}", "availability_topic": "gate/up", "payload_available": "yes",
        "payload_not_available": "no", "device": DEVICE | {"suggested_area": "Garden"},
    }  # fmt: skip
    short = {
        "~": "gate", "stat_t": "~/state", "dev_cla": "door", "pl_on": "o", "pl_off": "c",
        "val_tpl": "{{ value_json.s }}", "avty_t": "~/up", "pl_avail": "yes", "pl_not_avail": "no",
        "dev": {"ids": "gate-1", "name": "Garden gate", "mf": "ACME", "mdl": "G1", "sa": "Garden"},
    }  # fmt: skip
    (one,), (other,) = read(full), read(short)
    assert one == other
    assert (one.name, one.type, one.room, one.maker, one.model) == (
        "Garden gate",
        "contact.door",
        "Garden",
        "ACME",
        "G1",
    )
    assert one.presence[0].topic == "gate/up"
    assert (one.presence[0].online, one.presence[0].offline) == ("yes", "no")


def test_a_device_may_tell_of_all_its_entities_at_once() -> None:
    said = {
        "~": "plug",
        "dev": {"ids": ["p1"], "name": "Heater"},
        "o": {"name": "firmware"},
        "cmps": {
            "relay": {"p": "switch", "stat_t": "~/relay", "cmd_t": "~/relay/set"},
            "watts": {"p": "sensor", "dev_cla": "power", "unit_of_meas": "W", "stat_t": "~/power"},
            "uptime": {"p": "sensor", "ent_cat": "diagnostic", "dev_cla": "duration", "stat_t": "~/up"},
            "x": None,
        },
        "avty": [{"t": "~/online"}],
    }
    relay, watts = read(said, "homeassistant/device/p1/config")
    assert (relay.identity, relay.type, watts.type) == (watts.identity, "switch", "meter.power")
    assert relay.commands == ["plug/relay/set"]
    assert relay.listens[0].topic == "plug/relay"
    assert relay.presence[0].topic == "plug/online"


@pytest.mark.parametrize(
    ("component", "said", "payloads", "actions"),
    [
        ("binary_sensor", {"device_class": "window"}, ["ON", "OFF"], ["open", "closed"]),
        ("binary_sensor", {"device_class": "motion"}, ["ON", "OFF"], ["on", "off"]),
        ("binary_sensor", {"device_class": "lock"}, ["ON", "OFF"], ["unlocked", "locked"]),
        ("binary_sensor", {"payload_on": True, "payload_off": False, "value_template": "{{ value_json.a }}"},
         ['{"a": true}', '{"a": false}'], ["on", "off"]),
        ("binary_sensor",
         {"payload_on": "True", "payload_off": "False", "value_template": "{{value_json['a']['b c']}}"},
         ['{"a": {"b c": true}}'], ["on"]),
        ("binary_sensor", {"payload_on": 1, "payload_off": 0, "value_template": '{{ value_json["a"] | int }}'},
         ['{"a": 1}', '{"a": 0}'], ["on", "off"]),
        ("binary_sensor", {"value_template": "{{ value }}"}, ["ON"], ["on"]),
        ("switch", {}, ["ON", "OFF"], ["on", "off"]),
        ("switch", {"state_on": "1", "state_off": "0", "payload_on": "x"}, ["1", "0", "x"], ["on", "off"]),
        ("light", {"schema": "json"}, ['{"state": "ON", "brightness": 3}', '{"state": "OFF"}'], ["on", "off"]),
        ("lock", {}, ["LOCKED", "UNLOCKED", "JAMMED"], ["locked", "unlocked", "jammed"]),
        ("lock", {"state_locked": "zu", "state_unlocked": "auf"}, ["zu", "auf"], ["locked", "unlocked"]),
        ("cover", {"state_open": "up"}, ["up", "closing", "closed"], ["open", "closing", "closed"]),
        ("alarm_control_panel", {}, ["armed_away", "triggered", "disarmed", "dance"],
         ["armed_away", "triggered", "disarmed"]),
        ("device_tracker", {}, ["home", "not_home", "Mia's house"], ["home", "away"]),
        ("event", {"device_class": "doorbell"}, ['{"event_type": "press"}'] * 2, ["press", "press"]),
        ("sensor", {"device_class": "temperature"}, ["20", "20.2", "20.6"], ["reading", "reading"]),
        ("vacuum", {}, ['{"state": "cleaning"}', '{"state": "docked"}'], ["cleaning", "docked"]),
    ],
)  # fmt: skip
def test_what_each_kind_of_entity_says_is_an_action(
    component: str, said: dict[str, Any], payloads: list[str], actions: list[str]
) -> None:
    assert told(component, {"state_topic": "gate/state"} | said, *payloads) == actions


def test_states_have_their_topic_where_the_component_has_it() -> None:
    climate = {"mode_state_topic": "c/mode", "mode_state_template": "{{ value_json.mode }}"}
    assert told("climate", climate, '{"mode": "heat"}') == ["heat"]
    assert told("lawn_mower", {"activity_state_topic": "m/a"}, "mowing") == ["mowing"]


@pytest.mark.parametrize(
    "template",
    [
        "{% if value_json.a %}ON{% endif %}", "{{ value_json.a * 2 }}", "{{ states('sensor.x') }}",
        "{{ value_json }}",
        "{{ value_json.__class__ }} {{ x }}", "{{ ''.__class__.__mro__ }}", "{{ value_json.a }}" * 1_000, 7, [], "",
        "{{ value_json.a | default(states.x) }}",
    ],
)  # fmt: skip
def test_a_template_is_never_run(template: object) -> None:
    with pytest.raises(Refused, match="template"):
        entity("sensor", {"device_class": "power", "state_topic": "a", "value_template": template})


def test_a_template_takes_a_value_and_an_attribute_of_python_is_only_a_key() -> None:
    said = {"state_topic": "a", "device_class": "power", "value_template": "{{ value_json.__class__ }}"}
    assert told("sensor", said, '{"a": 1}') == []
    assert told("sensor", said, '{"__class__": 1}') == ["reading"]


@pytest.mark.parametrize("topic", ["#", "a/+", "$SYS/x", "homeward/home/status", "", 7, ["a"], "{device}", "x" * 999])
def test_what_is_not_one_topic_is_refused(topic: object) -> None:
    with pytest.raises(Refused, match="topic"):
        entity("switch", {"state_topic": topic})


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("homeassistant/sensor/homeward/score/config", {"state_topic": "x", "device": {"ids": ["homeward_home"]}}),
        ("homeassistant/button/x/config", {"command_topic": "x/press"}),
        ("homeassistant/sensor/x/config", {"state_topic": "x/uptime"}),
        ("homeassistant/switch/x/config", {"state_topic": "x/led", "entity_category": "config"}),
        ("homeassistant/device_automation/x/config", {"topic": "x/action", "type": "button_short_press"}),
        ("homeassistant/update/x/config", {"state_topic": "x/update"}),
    ],
)
def test_our_own_and_what_tells_nothing_of_a_home_are_none(topic: str, said: dict[str, Any]) -> None:
    assert read(said, topic) == []


def test_a_withdrawn_entity_makes_the_guard_not_deaf() -> None:
    assert list(HomeAssistantDiscovery().read("homeassistant/switch/x/config", b"")) == []


def test_availability_by_list_mode_and_template() -> None:
    said = {
        "state_topic": "a",
        "availability_mode": "all",
        "availability": [
            {"topic": "bridge/state", "value_template": "{{ value_json.state }}"},
            {"topic": "a/up", "payload_available": "1", "payload_not_available": "0"},
            {"topic": "b", "value_template": "{{ now() }}"},
            {"topic": "#"},
            None,
        ],
    }
    found = entity("switch", said)
    assert found.every == "all"
    assert [(one.topic, one.online, one.key) for one in found.presence] == [
        ("bridge/state", "online", "state"), ("a/up", "1", "state"),
    ]  # fmt: skip


def test_without_a_device_the_entity_is_one() -> None:
    (found,) = read({"name": "Porch", "state_topic": "porch"}, "homeassistant/light/node/porch/config")
    assert (found.name, found.identity, found.type) == ("Porch", "home_assistant:light/node/porch", "light")


@pytest.mark.parametrize(
    "odd",
    [
        {"device": 7}, {"device": {"identifiers": {}}}, {"device": {"connections": [1, ["mac"], ["mac", 7]]}},
        {"device_class": []}, {"name": {}}, {"availability": "x"}, {"~": 7}, {"payload_on": None}, {"payload_on": []},
        {"entity_category": []}, {"availability_mode": []}, {"schema": []},
    ],
)  # fmt: skip
def test_nonsense_in_a_field_is_survived(odd: dict[str, Any]) -> None:
    for component in ("binary_sensor", "switch", "light", "sensor", "lock", "vacuum", "event"):
        read({"state_topic": "a"} | odd, f"homeassistant/{component}/gate/config")


def test_of_a_thousand_entities_only_some_are_looked_at() -> None:
    many = {str(number): {"p": "switch", "stat_t": f"x/{number}"} for number in range(1_000)}
    assert len(read({"dev": DEVICE, "cmps": many}, "homeassistant/device/x/config")) == COMPONENTS
