"""Devices that tell what they are: what of it is believed, and under which name each goes."""

from __future__ import annotations

import pytest
from tests.discovering import STATES, Home, said
from tests.test_dialect_tasmota import CONFIG
from tests.test_dialect_zigbee2mqtt import device

from homeward.sources.topics import TopicRule

# What is announced --------------------------------------------------------------------------------------------------


def test_a_device_announces_itself_once_and_again_when_it_is_something_else() -> None:
    home = Home()
    (news,) = home.bridge(device("front door", "contact"))
    assert (news.device, news.action) == ("front door", "announced")
    assert news.attributes == {
        "identity": "zigbee:00:15:8d:00:01:02:03:04", "type": "contact.door", "role": "entrance",
        "maker": "Aqara", "model": "MCCGQ11LM", "address": "00:15:8d:00:01:02:03:04",
    }  # fmt: skip
    assert home.bridge(device("front door", "contact")) == []
    (changed,) = home.bridge(device("front door", "contact", "smoke"))
    assert changed.attributes["type"] == "smoke"
    assert said(home.says("zigbee2mqtt/front door", {"contact": False})) == [("front door", "open")]


def test_what_was_announced_before_a_restart_is_no_news_after_it() -> None:
    home = Home()
    home.bridge(device("front door", "contact"))
    home.entity("Heater", "h1", "heater/state")
    again = home.restarted()
    assert again.bridge(device("front door", "contact")) == []
    assert again.entity("Heater", "h1", "heater/state") == []
    assert said(again.says("heater/state", "ON")) == [("Heater", "on")]
    assert [change.attributes["type"] for change in again.bridge(device("front door", "smoke"))] == ["smoke"]


def test_a_renamed_device_is_the_same_one_by_its_new_name() -> None:
    home = Home()
    home.bridge(device("lamp", "state"))
    (renamed,) = home.bridge(device("kitchen/lamp", "state"))
    assert renamed.device == "kitchen/lamp"
    assert (renamed.attributes["formerly"], renamed.attributes["room"]) == ("lamp", "kitchen")
    assert said(home.says("zigbee2mqtt/kitchen/lamp", {"state": "ON"})) == [("kitchen/lamp", "on")]
    (back,) = home.bridge(device("hall/lamp", "state"))
    assert back.attributes["formerly"] == "kitchen/lamp"
    assert home.says("zigbee2mqtt/kitchen/lamp", {"state": "OFF"}) == []
    assert said(home.says("zigbee2mqtt/hall/lamp", {"state": "ON"})) == [("hall/lamp", "on")]


def test_a_device_that_was_renamed_while_the_guard_was_away_is_the_same_one() -> None:
    home = Home()
    home.bridge(device("lamp", "state"))
    (renamed,) = home.restarted().bridge(device("light", "state"))
    assert (renamed.device, renamed.attributes["formerly"]) == ("light", "lamp")


def test_two_devices_may_exchange_their_names() -> None:
    home = Home()
    one, other = STATES
    home.bridge(device("a", "contact", address=one), device("b", "smoke", address=other))
    news = home.bridge(device("b", "contact", address=one), device("a", "smoke", address=other))
    assert {change.device: change.attributes["type"] for change in news} == {"b": "contact.other", "a": "smoke"}


def test_the_parts_of_a_device_are_one_device_of_the_foremost_type() -> None:
    home = Home()
    home.entity("Plug", "p1", "plug/relay")
    home.entity("Plug", "p1", "plug/power", "sensor", device_class="power")
    home.entity("Plug", "p1", "plug/smoke", "binary_sensor", device_class="smoke")
    assert [(one.device, one.attributes["type"]) for one in home.told] == [
        ("Plug", "switch"), ("Plug", "plug"), ("Plug", "smoke"),
    ]  # fmt: skip


def test_entities_that_share_a_topic_each_have_their_value_of_it() -> None:
    home = Home()
    for key, device_class in (("t", "temperature"), ("h", "humidity")):
        about = {
            "device": {"identifiers": ["w1"], "name": "Weather"},
            "state_topic": "weather",
            "device_class": device_class,
            "value_template": f"{{{{ value_json.{key} }}}}",
        }  # fmt: skip
        home.says(f"homeassistant/sensor/w1/{key}/config", about)
    changes = home.says("weather", {"t": 20, "h": 55})
    assert [(change.value, change.attributes["property"]) for change in changes] == [(20.0, "w1.t"), (55.0, "w1.h")]


def test_readings_may_be_told_before_the_device_tells_its_name() -> None:
    home = Home()
    home.says("tasmota/discovery/A4CF1201AB23/sensors", {"sn": {"ENERGY": {"Power": 3}}})
    assert home.told == []
    home.says("tasmota/discovery/A4CF1201AB23/config", CONFIG)
    (news,) = home.told
    assert (news.device, news.attributes["type"]) == ("Washing machine", "plug")


# One device, told twice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native_first", [True, False])
@pytest.mark.parametrize("name", ["front door", "hall/front door"])
def test_a_zigbee_device_that_home_assistant_is_told_of_too_is_one_device(native_first: bool, name: str) -> None:
    home = Home()

    def native() -> None:
        home.bridge(device(name, "contact"))

    def foreign() -> None:
        home.entity(
            name, "zigbee2mqtt_0x00158d0001020304", f"zigbee2mqtt/{name}", "binary_sensor", device_class="door",
            value_template="{{ value_json.contact }}", payload_on=False, payload_off=True,
        )  # fmt: skip

    for tell in (native, foreign) if native_first else (foreign, native):
        tell()
    assert home.names() == [name]
    assert home.told[0].attributes["identity"].startswith("zigbee:")
    assert said(home.says(f"zigbee2mqtt/{name}", {"contact": False})) == [(name, "open")]


def test_without_the_bridges_own_preset_its_entities_are_the_devices() -> None:
    home = Home(["home_assistant"])
    home.entity("lamp", "zigbee2mqtt_0x00158d0001020304", "zigbee2mqtt/lamp", "light", schema="json")
    assert home.names() == ["lamp"]
    assert said(home.says("zigbee2mqtt/lamp", {"state": "ON"})) == [("lamp", "on")]


def test_what_the_owners_rules_read_is_not_told_again() -> None:
    home = Home(rules=[TopicRule(pattern="sensors/{device}", format="text")])
    assert home.entity("Door", "d1", "sensors/door", "binary_sensor") == []
    assert said(home.says("sensors/door", "open")) == [("door", "open")]


def test_groups_are_no_devices_and_a_device_cannot_be_hidden_as_one() -> None:
    home = Home(known=["gate"])
    home.bridge(device("lamp", "state"))
    groups = [{"friendly_name": name} for name in ("all lights", "lamp", "gate")]
    home.says("zigbee2mqtt/bridge/groups", groups, retained=True)
    assert home.says("zigbee2mqtt/all lights", {"state": "ON"}) == []
    assert said(home.says("zigbee2mqtt/lamp", {"state": "ON"})) == [("lamp", "on")]
    assert said(home.says("zigbee2mqtt/gate", {"contact": False})) == [("gate", "open")]
    assert not home.decoder.refused


# Whose name it is ---------------------------------------------------------------------------------------------------


def test_nobody_gets_the_name_of_another_device() -> None:
    home = Home()
    home.bridge(device("front door", "contact"))
    home.entity("front door", "evil-1", "evil/state")
    home.entity("Heater", "h1", "heater/state")
    home.entity("Heater", "evil-2", "evil/other")
    assert home.names() == ["front door", "front door evil1", "Heater", "Heater evil2"]
    assert said(home.says("evil/state", "ON")) == [("front door evil1", "on")]
    assert said(home.says("evil/other", "ON")) == [("Heater evil2", "on")]


def test_nor_after_a_restart_when_it_is_quicker() -> None:
    home = Home()
    home.entity("Heater", "h1", "heater/state")
    again = home.restarted()
    again.entity("Heater", "evil-2", "evil/other")
    assert again.names() == ["Heater evil2"]
    assert again.entity("Heater", "h1", "heater/state") == []
    assert said(again.says("heater/state", "ON")) == [("Heater", "on")]


def test_nor_the_name_of_one_that_the_owners_rules_read() -> None:
    rule = TopicRule(pattern="sensors/{device}", format="text")
    home = Home(rules=[rule], known=["gate"])
    home.says("sensors/gate", "open")
    home.entity("gate", "evil-1", "evil/state")
    assert home.names() == ["gate evil1"]


def test_a_zigbee_device_has_its_name_whoever_took_it_before() -> None:
    home = Home()
    home.entity("front door", "evil-1", "evil/state")
    assert home.names() == ["front door"]
    home.bridge(device("front door", "contact"))
    assert home.names() == ["front door", "front door", "front door evil1"]
    assert home.told[1].attributes["identity"].startswith("zigbee:")
    assert said(home.says("zigbee2mqtt/front door", {"contact": False})) == [("front door", "open")]
    assert said(home.says("evil/state", "ON")) == [("front door evil1", "on")]


def test_a_configured_device_keeps_its_name_and_its_entities() -> None:
    home = Home(known=["Lock"])
    home.entity("Lock", "l1", "lock/state", "lock")
    home.entity("Something else", "l1", "lock/state", "lock")
    assert said(home.says("lock/state", "LOCKED")) == [("Lock", "locked")]
    again = home.restarted()
    again.entity("Something else", "l1", "lock/state", "lock")
    assert said(again.says("lock/state", "UNLOCKED")) == [("Lock", "unlocked")]


def test_a_topic_belongs_to_the_device_that_told_of_it_first() -> None:
    home = Home()
    home.entity("Lock", "l1", "lock/state", "lock")
    home.entity("Lamp", "evil", "lock/state", "light")
    assert said(home.says("lock/state", "LOCKED")) == [("Lock", "locked")]
    assert home.decoder.refused == {"topic": 1}


def test_a_configured_name_that_the_bridge_gives_to_another_is_not_told_as_a_new_name() -> None:
    home = Home(known=["front door"])
    home.bridge(device("front door", "contact"))
    (renamed,) = home.bridge(device("shed", "contact"))
    assert "formerly" not in renamed.attributes, "what the owner configured is renamed by the owner"


# What can be heard --------------------------------------------------------------------------------------------------


def test_a_device_can_be_heard_unless_it_or_its_bridge_says_otherwise() -> None:
    home = Home()
    home.bridge(device("lamp", "state"), device("door", "contact", address=STATES[0]))
    home.says("zigbee2mqtt/lamp/availability", "online", retained=True)
    assert home.heard == [], "that is what was taken for granted"
    home.says("zigbee2mqtt/lamp/availability", {"state": "offline"}, retained=True)
    assert home.heard == [("lamp", False)]
    home.says("zigbee2mqtt/lamp/availability", "offline")
    assert home.heard == [], "said again"
    home.says("zigbee2mqtt/bridge/state", "offline")
    assert home.heard == [("door", False)]
    home.says("zigbee2mqtt/lamp/availability", "online")
    assert home.heard == [], "the bridge is still away"
    home.says("zigbee2mqtt/bridge/state", {"state": "online"})
    assert sorted(home.heard) == [("door", True), ("lamp", True)]
    home.says("zigbee2mqtt/bridge/state", {"state": []})
    assert home.decoder.refused == {"unknown value": 2}, "for each of the two"


def test_who_leaves_the_network_cannot_be_heard_until_it_is_back() -> None:
    home = Home()
    home.bridge(device("lamp", "state"))
    about = {"friendly_name": "lamp", "ieee_address": "0x00158d0001020304"}
    home.says("zigbee2mqtt/bridge/event", {"type": "device_leave", "data": about})
    assert home.heard == [("lamp", False)]
    home.says("zigbee2mqtt/bridge/event", {"type": "device_joined", "data": about})
    assert home.heard == [("lamp", True)]
    assert [change.attributes["type"] for change in home.told] == ["switch"], "what it is stays known"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("all", [False, None, True]), ("any", [None, False, True]), ("latest", [False, None, True])],
)
def test_several_topics_say_together_whether_it_can_be_heard(mode: str, expected: list[bool | None]) -> None:
    home = Home()
    availability = [{"topic": "a/up"}, {"topic": "b/up"}]
    home.entity("Lamp", "l", "lamp", "light", availability=availability, availability_mode=mode)
    said = []
    home.says("a/up", "online")
    for topic, word in (("b/up", "offline"), ("a/up", "offline"), ("a/up", "online")):
        home.says(topic, word)
        said.append(home.heard[0][1] if home.heard else None)
    if mode == "all":
        expected = [False, None, None]
    assert said == expected
