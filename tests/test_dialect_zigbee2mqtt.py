"""What Zigbee2MQTT's bridge tells of devices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeward.sources.dialects import Apart, Away, Found, Presence, Said
from homeward.sources.dialects.zigbee2mqtt import FEATURE_LIMIT, Zigbee2Mqtt
from homeward.sources.payloads import Refused


def exposed(*features: str) -> list[dict[str, Any]]:
    return [{"type": "binary", "name": feature, "property": feature, "access": 1} for feature in features]


def device(name: str, *features: str, address: str | None = "0x00158d0001020304", **others: Any) -> dict[str, Any]:
    about = {
        "friendly_name": name,
        "ieee_address": address,
        "type": "EndDevice",
        "disabled": False,
        "interview_completed": True,
        "manufacturer": "LUMI",
        "model_id": "lumi.x",
        "definition": {"model": "MCCGQ11LM", "vendor": "Aqara", "exposes": exposed(*features)},
    }
    return about | others


def read(what: str, said: object) -> list[Said]:
    return list(Zigbee2Mqtt().read(f"zigbee2mqtt/bridge/{what}", json.dumps(said).encode()))


def one(said: dict[str, Any]) -> Found:
    (found,) = read("devices", [said])
    assert isinstance(found, Found)
    return found


def test_a_device_is_typed_and_named_by_what_the_bridge_lists() -> None:
    found = one(device("front door", "contact", "battery"))
    assert (found.name, found.type, found.maker, found.model) == ("front door", "contact.other", "Aqara", "MCCGQ11LM")
    assert found.identity == "zigbee:00:15:8d:00:01:02:03:04"
    assert found.address == "00:15:8d:00:01:02:03:04"
    assert found.owned
    assert found.commands == ("zigbee2mqtt/front door/set",)
    assert [presence.topic for presence in found.presence] == [
        "zigbee2mqtt/front door/availability",
        "zigbee2mqtt/bridge/state",
    ]
    assert found.listens == (), "the rule of all devices reads it"


@pytest.mark.parametrize(
    ("exposes", "type_"),
    [
        ([{"type": "light", "features": exposed("state", "brightness", "color_temp")}], "light"),
        ([{"type": "lock", "features": exposed("state", "lock_state")}], "lock"),
        ([{"type": "cover", "features": exposed("state", "position")}], "cover"),
        ([{"type": "climate", "features": exposed("system_mode", "local_temperature")}], "thermostat"),
        ([{"type": "switch", "features": exposed("state")}, *exposed("power", "energy")], "plug"),
        ([{"type": "switch", "endpoint": "l1", "features": [{"name": "state", "property": "state_l1"}]}], "switch"),
        (exposed("smoke", "battery"), "smoke"),
        (exposed("occupancy", "illuminance"), "motion"),
        (exposed("action"), "button"),
        (exposed("linkquality"), "other"),
    ],
)
def test_the_type_follows_from_the_features(exposes: list[dict[str, Any]], type_: str) -> None:
    assert one(device("x", definition={"exposes": exposes})).type == type_


def test_a_name_with_a_slash_has_a_topic_of_its_own_and_its_first_part_is_the_room() -> None:
    found = one(device("kitchen/lamp", "state"))
    assert (found.name, found.room) == ("kitchen/lamp", "kitchen")
    assert [listen.topic for listen in found.listens] == ["zigbee2mqtt/kitchen/lamp"]
    assert found.presence[0] == Presence(topic="zigbee2mqtt/kitchen/lamp/availability")


def test_the_coordinator_and_disabled_devices_are_none() -> None:
    assert read("devices", [device("Coordinator", type="Coordinator"), device("old", disabled=True)]) == []


def test_a_device_that_is_not_supported_or_still_interviewed_has_no_type_yet() -> None:
    found = one(device("0x00158d0001020304", definition=None, interview_completed=False))
    assert (found.type, found.maker, found.model) == ("", "LUMI", "lumi.x")


def test_who_joins_is_found_and_who_leaves_cannot_be_heard() -> None:
    about = {"friendly_name": "new one", "ieee_address": "0x00158d0001020304"}
    joined, back = read("event", {"type": "device_joined", "data": about})
    assert isinstance(joined, Found)
    assert joined.name == "new one"
    assert back == Away(identity=joined.identity, up=True)
    interviewed = read("event", {"type": "device_interview", "data": about | device("new one", "smoke")})[0]
    assert isinstance(interviewed, Found)
    assert interviewed.type == "smoke"
    (left,) = read("event", {"type": "device_leave", "data": about})
    assert isinstance(left, Away)
    assert (left.identity, left.up) == (joined.identity, False)
    assert read("event", {"type": "permit_join", "data": None}) == []


def test_groups_are_told_apart() -> None:
    groups = [{"id": 1, "friendly_name": "all lights", "members": []}, {"id": 2}, "x"]
    assert read("groups", groups) == [Apart(names=("zigbee2mqtt/all lights",))]


@pytest.mark.parametrize(
    "name", ["bridge", "bridge/x", "lamp/set", "lamp/availability", "a+b", "#", "", 7, "x" * 300]
)
def test_a_name_that_is_no_topic_of_a_device_is_refused(name: Any) -> None:
    with pytest.raises(Refused, match="device name"):
        one(device(name, "state"))


@pytest.mark.parametrize("rows", [[None, 1, "x", [], {}], [device("a", address="0x1")], [device("a", address=None)]])
def test_a_row_that_names_no_device_is_none(rows: list[Any]) -> None:
    assert read("devices", rows) == []


@pytest.mark.parametrize(
    "exposes", [None, 1, "x", {"features": {"a": 1}}, [[[["x"]]]], [{"name": ["a"]}, {"name": 1}]]
)
def test_features_that_are_none_are_passed_over(exposes: object) -> None:
    assert one(device("a", definition={"exposes": exposes})).type == ""


def test_of_a_million_features_only_some_are_looked_at() -> None:
    found = one(device("a", definition={"exposes": exposed(*map(str, range(100 * FEATURE_LIMIT)), "smoke")}))
    assert found.type == "other"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[", b"\xff", b"[" * 10_000, b"null", b'"x"'])
def test_what_is_no_list_is_refused(payload: bytes) -> None:
    with pytest.raises(Refused, match="malformed"):
        list(Zigbee2Mqtt().read("zigbee2mqtt/bridge/devices", payload))
