"""Devices that tell what they are: what a flood of it can do, and nonsense."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.discovering import STATES, Home, said
from tests.test_dialect_tasmota import CONFIG
from tests.test_dialect_zigbee2mqtt import device

from homeward.sources.discovery import CHANGE_LIMIT, FOUND_LIMIT, NAMES_LIMIT, TOPIC_LIMIT
from homeward.sources.payloads import clean_name
from homeward.sources.topics import REASONS


def test_a_flood_of_devices_fills_no_memory_and_keeps_no_configured_device_out() -> None:
    home = Home(known=["Lock"])
    for number in range(2 * FOUND_LIMIT):
        home.entity(f"x{number}", f"id{number}", f"x/{number}")
    assert len(home.discovery._devices) == FOUND_LIMIT
    assert home.decoder.refused == {"too many devices": FOUND_LIMIT}
    assert [change.device for change in home.entity("Lock", "l1", "lock/state", "lock")] == ["Lock"]
    assert said(home.says("lock/state", "LOCKED")) == [("Lock", "locked")]


def test_a_flood_of_topics_and_of_changes_is_limited() -> None:
    home = Home()
    for number in range(TOPIC_LIMIT // 64 + 10):
        parts = {str(part): {"p": "switch", "stat_t": f"x/{number}/{part}"} for part in range(64)}
        home.says(
            "homeassistant/device/x/config", {"dev": {"ids": [f"d{number}"], "name": f"d{number}"}, "cmps": parts}
        )
    assert len(home.discovery.topics) == TOPIC_LIMIT
    assert home.decoder.refused["too many topics"] == 640
    for number in range(CHANGE_LIMIT + 10):
        home.says("shellies/announce", {"id": "shelly1-AABBCC", "model": f"m{number}"})
    assert home.names().count("shelly1-AABBCC") == CHANGE_LIMIT
    assert home.decoder.refused["too many changes"] == 10


def test_a_device_that_is_renamed_all_the_time_stays_what_it_was() -> None:
    home = Home()
    for number in range(1_000):
        home.entity(f"x{number}", "id", "x/state")
    assert len(set(home.names())) == NAMES_LIMIT
    assert len(home.decoder._known) == NAMES_LIMIT
    assert len(home.discovery._told) <= NAMES_LIMIT
    assert said(home.says("x/state", "ON")) == [(f"x{NAMES_LIMIT - 1}", "on")]


def test_an_address_is_the_first_ones_that_tells_it() -> None:
    home = Home()
    home.bridge(device("lock", "lock_state"))
    claim = {"identifiers": ["evil"], "name": "Lamp", "connections": [["mac", "00158d0001020304"]]}
    home.entity("Lamp", "evil", "evil/state", device=claim)
    assert [change.attributes.get("address") for change in home.told] == ["00:15:8d:00:01:02:03:04", None]
    again = home.restarted()
    again.entity("Lamp", "evil", "evil/state", device=claim)
    assert again.told == []


def test_states_that_no_discovery_wrote_are_no_names() -> None:
    assert Home(last={"announced/x": "", "announced/y": "\n", "contact/z": "open"}).names() == []


def test_a_device_of_many_parts_is_limited() -> None:
    home = Home()
    for number in range(1_000):
        home.entity("Big", "b1", f"big/{number}")
    assert len(home.discovery._devices["home_assistant:b1"].parts) == 128


def test_what_is_too_long_is_refused_but_a_long_list_of_devices_is_read() -> None:
    home = Home()
    home.says("homeassistant/switch/x/config", b" " * 70_000 + b"{}")
    assert home.decoder.refused == {"payload too large": 1}
    many = [device(f"lamp {number}", *"abcdefgh", address=f"0x{number:016x}") for number in range(400)]
    assert len(json.dumps(many)) > 200_000
    assert len(home.bridge(*many)) == 400


WORDS = (
    "friendly_name ieee_address type definition exposes features name data dev ids name cmps p stat_t val_tpl avty t "
    "~ dev_cla schema id src params events switch:0 output event component rl ft tp state sn dn cns ent_cat pl_on "
    "input:0 ts ENERGY Power"
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("x/y")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(WORDS.split()),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=16,
)  # fmt: skip
TOPICS = (
    "zigbee2mqtt/bridge/devices zigbee2mqtt/bridge/event zigbee2mqtt/bridge/groups zigbee2mqtt/bridge/state "
    "homeassistant/switch/x/config homeassistant/light/n/x/config homeassistant/device/x/config "
    "homeassistant/event/x/config homeassistant/vacuum/x/config homeassistant/sensor/x/config "
    "tasmota/discovery/A4CF1201AB23/config tasmota/discovery/A4CF1201AB23/sensors shellies/announce "
    "shellies/shelly1-aabbcc/relay/0 shellies/shelly1-aabbcc/input_event/0 shellies/x shelly1-aabbcc/online "
    "shelly1-aabbcc/events/rpc shelly1-aabbcc/status/switch:0 x/y a zigbee2mqtt/a stat/a/RESULT tele/a/SENSOR"
)
topics_ = st.sampled_from(TOPICS.split())
payloads_ = st.one_of(st.binary(max_size=16), json_values.map(lambda value: json.dumps(value).encode()))
PLAUSIBLE: list[tuple[str, bytes]] = [
    ("zigbee2mqtt/bridge/devices", json.dumps([device("a", "state"), device("k/a", address=STATES[0])]).encode()),
    ("tasmota/discovery/A4CF1201AB23/config", json.dumps(CONFIG | {"t": "a"}).encode()),
    ("homeassistant/switch/x/config", b'{"stat_t": "x/y", "name": "a", "avty_t": "a"}'),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.tuples(topics_, payloads_), st.sampled_from(PLAUSIBLE)), max_size=12))
def test_no_message_whatever_raises_and_every_name_is_one(messages: list[tuple[str, bytes]]) -> None:
    home = Home(known=["a"])
    for topic, payload in messages:
        for change in home.says(topic, payload):
            assert clean_name(change.device) == change.device
    for change in home.told:
        assert clean_name(change.device) == change.device
        "".join(change.attributes.values()).encode()
    names = [one.name for one in home.discovery.devices]
    assert len(names) == len(set(names))
    assert set(home.decoder.refused) <= set(REASONS)
