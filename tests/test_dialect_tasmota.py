"""What Tasmota's devices tell of themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeward.sources.dialects import Found
from homeward.sources.dialects.tasmota import Tasmota
from homeward.sources.discovered import rule_of
from homeward.sources.payloads import Refused
from homeward.sources.topics import Decoder

CONFIG: dict[str, Any] = {
    "ip": "10.0.0.7",
    "dn": "Washing machine",
    "fn": ["Washing machine", None],
    "hn": "tasmota-01AB23-0291",
    "mac": "A4CF1201AB23",
    "md": "Smart Plug",
    "ofln": "Offline",
    "onln": "Online",
    "state": ["OFF", "ON", "TOGGLE", "HOLD"],
    "sw": "13.4.0",
    "t": "tasmota_01AB23",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
    "rl": [1, 0, 0, 0, 0, 0, 0, 0],
    "ver": 1,
}


def found(payload: object, what: str = "config", address: str = "A4CF1201AB23") -> Found:
    (said,) = Tasmota().read(f"tasmota/discovery/{address}/{what}", json.dumps(payload).encode())
    assert isinstance(said, Found)
    return said


def told(config: dict[str, Any], topic: str, payload: str) -> list[tuple[str, str, float | None]]:
    device = found(config)
    decoder = Decoder([rule for listen in device.listens if (rule := rule_of(device.name, [listen])) is not None])
    return [
        (change.device, change.action, change.value)
        for change in decoder.decode(topic, payload.encode())
    ]  # fmt: skip


def test_a_device_is_named_and_its_topics_and_words_are_known() -> None:
    device = found(CONFIG)
    assert (device.name, device.type, device.model) == ("Washing machine", "switch", "Smart Plug")
    assert (device.identity, device.address) == ("tasmota:a4:cf:12:01:ab:23", "a4:cf:12:01:ab:23")
    assert [listen.topic for listen in device.listens] == [
        "stat/tasmota_01AB23/POWER", "tele/tasmota_01AB23/STATE", "stat/tasmota_01AB23/RESULT",
        "tele/tasmota_01AB23/SENSOR",
    ]  # fmt: skip
    (presence,) = device.presence
    assert (presence.topic, presence.online, presence.offline) == ("tele/tasmota_01AB23/LWT", "Online", "Offline")
    assert device.commands == ["cmnd/tasmota_01AB23/POWER"]


def test_its_states_readings_and_buttons_are_events() -> None:
    assert told(CONFIG, "stat/tasmota_01AB23/POWER", "ON") == [("Washing machine", "on", None)]
    assert told(CONFIG, "tele/tasmota_01AB23/STATE", '{"Time": "2026-01-01T00:00:00", "POWER": "OFF"}') == [
        ("Washing machine", "off", None)
    ]
    sensor = {
        "Time": "x",
        "ENERGY": {"Power": 412, "Voltage": 230, "Current": [1, 2]},
        "AM2301": {"Temperature": 21.5},
    }
    assert sorted(told(CONFIG, "tele/tasmota_01AB23/SENSOR", json.dumps(sensor))) == [
        ("Washing machine", "reading", 21.5),
        ("Washing machine", "reading", 412.0),
    ]
    pressed = '{"Button1": {"Action": "SINGLE"}, "Button2": {"Action": "DANCE"}, "Button3": 1}'
    assert told(CONFIG, "stat/tasmota_01AB23/RESULT", pressed) == [("Washing machine", "single", None)]


def test_several_relays_own_words_and_another_full_topic() -> None:
    two = CONFIG | {
        "rl": [2, 2],
        "state": ["aus", "an", "x", "y"],
        "ft": "haus/%topic%/%prefix%/",
        "tp": ["c", "s", "t"],
    }
    assert found(two).type == "light"
    assert told(two, "haus/tasmota_01AB23/s/POWER2", "an") == [("Washing machine", "on", None)]
    assert found(CONFIG | {"rl": [3, 3]}).type == "cover"


def test_the_default_name_is_none() -> None:
    assert found(CONFIG | {"dn": "Tasmota"}).name == "tasmota_01AB23"


def test_what_is_measured_types_the_device() -> None:
    assert found({"sn": {"Time": "x", "ENERGY": {"Power": 0}}, "ver": 1}, "sensors").type == "meter.power"
    assert found({"sn": {"DS18B20": {"Id": "0", "Temperature": 20}}}, "sensors").type == "sensor.temperature"
    assert found({"sn": []}, "sensors").type == ""


@pytest.mark.parametrize(
    "broken",
    [
        {"t": None}, {"t": "a/#"}, {"t": "+"}, {"ft": "$SYS/%topic%"}, {"ft": "homeward/%topic%"}, {"t": "x" * 400},
        {"t": "{device}"},
    ],
)  # fmt: skip
def test_topics_that_are_none_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="topic"):
        found(CONFIG | broken)


@pytest.mark.parametrize(
    "odd",
    [
        {"state": 7}, {"state": []}, {"state": [1, 2]}, {"tp": "x"}, {"tp": [1, 2, 3]}, {"rl": "x"}, {"rl": [[], {}]},
        {"dn": ["x"]}, {"onln": 5}, {"md": {}},
    ],
)  # fmt: skip
def test_nonsense_in_a_field_is_survived(odd: dict[str, Any]) -> None:
    assert found(CONFIG | odd).name


def test_a_device_that_was_reset_changes_nothing_and_no_address_is_refused() -> None:
    assert list(Tasmota().read("tasmota/discovery/A4CF1201AB23/config", b"")) == []
    with pytest.raises(Refused, match="device name"):
        found(CONFIG, address="nobody")
