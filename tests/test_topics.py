"""What a message on a topic means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.event import NAME_LIMIT, Event
from homeward.sources.payloads import NESTING_LIMIT, clean_name
from homeward.sources.topics import (
    DEVICE_LIMIT,
    PAYLOAD_LIMIT,
    REASONS,
    Change,
    Decoder,
    TopicRule,
    last_state,
    matches,
    zigbee2mqtt,
)

DOOR = TopicRule(
    pattern="sensors/{device}",
    properties={"contact": {"true": "closed", "false": "open"}, "temperature": "value"},
    steps={"temperature": 0.5},
    happened="last_seen",
)
TEXT = TopicRule(pattern="home/{room}/{device}/state", format="text")
LOG = TopicRule(pattern="$SYS/broker/log/N", format="mosquitto_log")


def said(changes: list[Change]) -> list[tuple[str, str, float | None]]:
    return [(change.device, change.action, change.value) for change in changes]


def test_a_changed_property_is_an_event_and_a_repeated_one_is_not() -> None:
    decoder = Decoder([DOOR])
    assert said(decoder.decode("sensors/door", b'{"contact": false}')) == [("door", "open", None)]
    assert decoder.decode("sensors/door", b'{"contact": false}') == []
    assert said(decoder.decode("sensors/door", b'{"contact": true}')) == [("door", "closed", None)]
    assert not decoder.refused


def test_each_changed_property_of_one_message_is_an_event() -> None:
    decoder = Decoder([DOOR])
    changes = decoder.decode("sensors/door", b'{"temperature": 20.5, "contact": false, "battery": 90}')
    assert said(changes) == [("door", "open", None), ("door", "reading", 20.5)]
    assert [change.attributes["property"] for change in changes] == ["contact", "temperature"]


def test_what_is_nested_too_deeply_is_refused_before_it_is_decoded() -> None:
    decoder = Decoder([DOOR])
    brackets = json.dumps({"contact": False, "note": '\\"[{' * NESTING_LIMIT, "list": [{}] * 2 * NESTING_LIMIT})
    assert said(decoder.decode("sensors/door", brackets.encode())) == [("door", "open", None)]
    within, beyond = (b"[" * (depth - 1) + b"]" * (depth - 1) for depth in (NESTING_LIMIT, NESTING_LIMIT + 1))
    assert said(decoder.decode("sensors/door", b'{"contact": true, "x": %s}' % within)) == [("door", "closed", None)]
    assert decoder.decode("sensors/door", b'{"contact": false, "x": %s}' % beyond) == []
    assert decoder.decode("sensors/door", b'{"contact": false, "x": "' + b"[" * 5_000) == []
    assert decoder.refused == {"malformed": 2}


def test_a_retained_state_is_noted_and_makes_no_event() -> None:
    decoder = Decoder([DOOR])
    assert decoder.decode("sensors/door", b'{"contact": true}', retained=True) == []
    assert decoder.decode("sensors/door", b'{"contact": true}') == []
    assert said(decoder.decode("sensors/door", b'{"contact": false}')) == [("door", "open", None)]


def test_the_first_live_message_of_a_device_is_an_event() -> None:
    assert said(Decoder([DOOR]).decode("sensors/door", b'{"contact": false}')) == [("door", "open", None)]


def test_after_a_restart_the_journaled_states_decide_what_has_changed() -> None:
    first = Decoder([DOOR])
    events = [as_event(change) for change in first.decode("sensors/door", b'{"contact": false, "temperature": 20}')]
    states = dict(state for event in events if (state := last_state(event)) is not None)
    second = Decoder([DOOR], last=states)
    assert second.decode("sensors/door", b'{"contact": false, "temperature": 20.1}') == []
    assert said(second.decode("sensors/door", b'{"contact": true}')) == [("door", "closed", None)]


def test_a_reading_counts_when_it_has_moved_by_its_step_since_the_last_that_counted() -> None:
    decoder = Decoder([DOOR])
    values = [20.0, 20.3, 20.4, 20.5, 20.6, 20.1, 20.0]
    changes = [decoder.decode("sensors/a", json.dumps({"temperature": value}).encode()) for value in values]
    assert [change[0].value for change in changes if change] == [20.0, 20.5, 20.0]


def test_a_text_payload_is_the_action_and_the_room_is_an_attribute() -> None:
    decoder = Decoder([TEXT])
    (change,) = decoder.decode("home/kitchen/lamp/state", b" on\n")
    assert (change.device, change.action, change.attributes["room"]) == ("kitchen/lamp", "on", "kitchen")


def test_lamps_of_two_rooms_are_two_devices_unless_the_owner_says_otherwise() -> None:
    decoder = Decoder([TEXT])
    assert len(decoder.decode("home/kitchen/lamp/state", b"on")) == 1
    assert len(decoder.decode("home/hall/lamp/state", b"on")) == 1
    named = TopicRule(pattern="home/{room}/{device}/state", format="text", device="{device}")
    assert said(Decoder([named]).decode("home/hall/lamp/state", b"on")) == [("lamp", "on", None)]
    fixed = TopicRule(pattern="garage/door", format="text", device="garage door", properties={"x": {"1": "open"}})
    assert said(Decoder([fixed]).decode("garage/door", b"1")) == [("garage door", "open", None)]


def test_zigbee2mqtt_states_become_events_and_its_bridge_is_left_alone() -> None:
    decoder = Decoder([zigbee2mqtt()])
    message = {"contact": False, "battery": 97, "linkquality": 120, "last_seen": "2026-01-02T03:04:05+01:00"}
    (change,) = decoder.decode("zigbee2mqtt/front door", json.dumps(message).encode())
    assert (change.device, change.action) == ("front door", "open")
    assert change.happened == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    lock = {"state": "LOCK", "lock_state": "locked"}
    assert said(decoder.decode("zigbee2mqtt/lock", json.dumps(lock).encode())) == [("lock", "locked", None)]
    leak = {"water_leak": True, "smoke": None}
    assert said(decoder.decode("zigbee2mqtt/cellar", json.dumps(leak).encode())) == [("cellar", "wet", None)]
    assert decoder.decode("zigbee2mqtt/bridge/state", b'{"state":"online"}') == []
    assert decoder.decode("zigbee2mqtt/bridge/devices", b"[]") == []
    assert not decoder.refused


def test_a_button_pressed_twice_is_two_events_and_an_empty_action_is_none() -> None:
    decoder = Decoder([zigbee2mqtt()])
    actions = [
        decoder.decode("zigbee2mqtt/button", f'{{"action": "{a}"}}'.encode()) for a in ("single", "", "single")
    ]
    assert [said(a) for a in actions] == [[("button", "single", None)], [], [("button", "single", None)]]
    assert decoder.decode("zigbee2mqtt/button", b'{"action": "single"}', retained=True) == []
    assert last_state(as_event(actions[0][0])) is None


def test_a_client_of_the_broker_comes_and_goes() -> None:
    decoder = Decoder([LOG], own=[("homeward-act", "guard")])
    line = "1700000000: New client connected from 10.0.0.9:5000 as {} (p2, c1, k60, u'{}')."
    (come,) = decoder.decode(LOG.pattern, line.format("intruder", "sensor").encode())
    assert (come.device, come.action, come.origin, come.actor) == ("broker", "client_connected", "intruder", None)
    assert come.attributes["username"] == "sensor"
    assert decoder.decode(LOG.pattern, line.format("intruder", "sensor").encode()), "each connection is an event"
    (gone,) = decoder.decode(LOG.pattern, b"1700000001: Client intruder disconnected.")
    assert (gone.action, gone.origin) == ("client_disconnected", "intruder")
    assert decoder.decode(LOG.pattern, b"1700000001: Saving in-memory database to disk") == []
    assert not decoder.refused


def test_only_our_client_id_with_our_user_name_is_our_own_doing() -> None:
    decoder = Decoder([LOG], own=[("homeward-act", "guard")])
    line = "New client connected from 10.0.0.9:5000 as {} (p2, c1, k60, u'{}')."
    ours, forged, tricky = (
        decoder.decode(LOG.pattern, line.format(client, user).encode())[0]
        for client, user in (
            ("homeward-act", "guard"),
            ("homeward-act", "sensor"),
            ("homeward-act (p2, c1, k60, u'guard').", "sensor"),
        )
    )
    assert ours.actor == "homeward"
    assert forged.actor is None
    assert tricky.actor is None
    assert tricky.attributes["username"] == "sensor"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("sensors/a", b"x" * (PAYLOAD_LIMIT + 1), "payload too large"),
        ("sensors/a/b", b"{}", "unknown topic"),
        ("elsewhere", b"{}", "unknown topic"),
        ("sensors/", b'{"contact": true}', "device name"),
        ("sensors/" + "x" * 10_000, b'{"contact": true}', "device name"),
        ("sensors/a\x07b", b'{"contact": true}', "device name"),
        ("sensors/door\u202egpj", b'{"contact": true}', "device name"),
        ("sensors/a", b"\xff\xfe", "malformed"),
        ("sensors/a", b'{"contact": tru', "malformed"),
        ("sensors/a", b'{"contact": true} {}', "malformed"),
        ("sensors/a", b"[1]", "malformed"),
        ("sensors/a", b"", "malformed"),
        ("sensors/a", b'{"temperature": NaN}', "malformed"),
        ("sensors/a", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "malformed"),
        ("sensors/a", b"[" * 60_000, "malformed"),
        ("sensors/a", b'{"temperature": "-Infinity"}', "not finite"),
        ("sensors/a", b'{"temperature": "nan"}', "not finite"),
        ("sensors/a", b'{"temperature": "warm"}', "not a number"),
        ("sensors/a", b'{"temperature": true}', "not a number"),
        ("sensors/a", b'{"contact": "maybe"}', "unknown value"),
        ("sensors/a", b'{"contact": {"deep": []}}', "unknown value"),
        ("home/hall/lamp/state", b"x" * 200, "action name"),
        ("home/hall/lamp/state", b"o\x00n", "action name"),
    ],
)
def test_what_cannot_be_used_is_refused_and_counted(topic: str, payload: bytes, reason: str) -> None:
    decoder = Decoder([DOOR, TEXT])
    assert decoder.decode(topic, payload) == []
    assert dict(decoder.refused) == {reason: 1}


def test_a_number_too_large_for_any_reading_is_refused() -> None:
    decoder = Decoder([DOOR])
    assert decoder.decode("sensors/a", b'{"temperature": 1e999}') == []
    assert decoder.decode("sensors/a", b'{"temperature": ' + b"9" * 400 + b"}") == []
    assert sum(decoder.refused.values()) == 2


def test_one_bad_property_does_not_hide_the_others() -> None:
    decoder = Decoder([DOOR])
    assert said(decoder.decode("sensors/a", b'{"contact": "?", "temperature": 3}')) == [("a", "reading", 3.0)]
    assert dict(decoder.refused) == {"unknown value": 1}


@pytest.mark.parametrize("name", ["Küchenlicht", "кухня", "玄関のドア", "درب‌ورودی", "🚪", "ห้องครัว", "x" * NAME_LIMIT])
def test_a_name_may_be_in_any_script(name: str) -> None:
    assert said(Decoder([DOOR]).decode(f"sensors/{name}", b'{"contact": false}')) == [(name, "open", None)]


def test_two_spellings_of_one_name_are_one_device() -> None:
    decoder = Decoder([DOOR])
    assert decoder.decode("sensors/Ku\u0308che", b'{"contact": false}')[0].device == "K\u00fcche"
    assert decoder.decode("sensors/K\u00fcche", b'{"contact": false}') == []


def test_a_hundred_thousand_device_names_fill_no_memory_and_keep_no_configured_device_out() -> None:
    decoder = Decoder([TEXT], known=["hall/door"])
    for number in range(100_000):
        decoder.decode(f"home/x/{number}/state", b"on")
    assert decoder.refused == {"too many devices": 100_000 - DEVICE_LIMIT}
    assert len(decoder._last) == DEVICE_LIMIT
    assert said(decoder.decode("home/hall/door/state", b"open")) == [("hall/door", "open", None)]


@pytest.mark.parametrize(
    ("claim", "happened"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045000, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045.5, datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)),
    ],
)
def test_the_sources_claim_of_when_is_passed_on(claim: object, happened: datetime) -> None:
    (change,) = Decoder([DOOR]).decode("sensors/a", json.dumps({"contact": True, "last_seen": claim}).encode())
    assert change.happened == happened


@pytest.mark.parametrize("claim", ["yesterday", "2026-01-02T03:04:05", 1e300, -1e25, [], True, "9999-99-99"])
def test_a_claim_that_is_no_time_is_ignored_and_counted(claim: object) -> None:
    decoder = Decoder([DOOR])
    (change,) = decoder.decode("sensors/a", json.dumps({"contact": True, "last_seen": claim}).encode())
    assert change.happened is None
    assert dict(decoder.refused) == {"bad time": 1}


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"pattern": "a/#", "device": "x", "properties": {"p": "value"}}, "level '#'"),
        ({"pattern": "a/x{device}", "properties": {"p": "value"}}, "level 'x{device}'"),
        ({"pattern": "a/{device}"}, "no properties"),
        ({"pattern": "a/b", "properties": {"p": "value"}}, "names no device"),
        ({"pattern": "a/{room}", "device": "{device}", "properties": {"p": "value"}}, "does not capture"),
        ({"pattern": "a/{room}", "device": "{", "properties": {"p": "value"}}, "no template"),
        ({"pattern": "{x}/{x}", "properties": {"p": "value"}}, "captured twice"),
        ({"pattern": "a/{device}", "properties": {"p": "number"}}, "use value, text, moment"),
        ({"pattern": "a/{device}", "properties": {"p/q": "value"}}, "without '/'"),
        ({"pattern": "a/{device}", "properties": {"p": {"1": "a\nb"}}}, "is no name"),
        ({"pattern": "a/{device}", "properties": {"p": "value"}, "steps": {"p": float("nan")}}, "step"),
        ({"pattern": "a/{device}", "format": "text", "properties": {"p": "value", "q": "value"}}, "one property"),
    ],
)
def test_a_rule_that_cannot_work_says_what_to_change(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TopicRule(**rule)


def test_the_filter_of_a_pattern_subscribes_to_all_its_topics() -> None:
    assert TEXT.filter == "home/+/+/state"
    assert Decoder([TEXT, TEXT, LOG]).filters == ("home/+/+/state", "$SYS/broker/log/N")


@pytest.mark.parametrize(
    ("topic_filter", "topic", "yes"),
    [
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b", True), ("a/+", "a", False), ("+", "$SYS", False),
        ("#", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("a/b", "a/b/c", False),
    ],
)  # fmt: skip
def test_filters_match_as_mqtt_says(topic_filter: str, topic: str, yes: bool) -> None:
    assert matches(topic_filter, topic) is yes


def test_a_rule_may_be_learned_and_unlearned_and_those_from_the_start_go_before_it() -> None:
    decoder = Decoder([DOOR])
    learned = TopicRule(
        pattern="porch/lamp", device="porch {lamp}".replace("{", "{{").replace("}", "}}"), format="text"
    )
    decoder.learn(learned)
    decoder.learn(TopicRule(pattern="sensors/door", device="impostor", format="text"))
    assert said(decoder.decode("porch/lamp", b"on")) == [("porch {lamp}", "on", None)]
    assert said(decoder.decode("sensors/door", b'{"contact": false}')) == [("door", "open", None)]
    assert decoder.reads("porch/lamp")
    assert not decoder.knows("porch/lamp")
    decoder.unlearn("porch/lamp")
    assert decoder.decode("porch/lamp", b"off") == []
    assert decoder.refused == {"unknown topic": 1}


def test_properties_may_stand_elsewhere_in_the_object() -> None:
    rule = TopicRule(
        pattern="x", device="x", properties={"t": "value"}, unfold=lambda found: {"t": found.get("deep")}
    )
    assert said(Decoder([rule]).decode("x", b'{"deep": 3, "t": 1}')) == [("x", "reading", 3.0)]


def test_a_topic_that_is_set_apart_is_no_device_unless_that_is_known() -> None:
    decoder = Decoder([DOOR], known=["door"])
    decoder.set_apart(["sensors/all", "sensors/door"])
    assert decoder.decode("sensors/all", b'{"contact": false}') == []
    assert said(decoder.decode("sensors/door", b'{"contact": false}')) == [("door", "open", None)]
    assert not decoder.refused


def test_what_a_device_told_of_itself_is_kept_over_a_restart_with_its_identity_first() -> None:
    about = {"identity": "zigbee:1", "type": "lock", "address": "a"}
    state = last_state(as_event(Change(device="front/door", action="announced", attributes=about)))
    assert state == ("announced/front/door", "zigbee:1\nlock\n\n\n\na")
    assert not Decoder([], last=dict([state])).is_new("front/door")


ANY_RULES = [DOOR, TEXT, LOG, TopicRule(pattern="+/{a}/{b}", properties={"p": "text", "q": "value"}, happened="p")]
topics = st.one_of(
    st.text(),
    st.sampled_from(["sensors/{}", "home/{}/{}/state", "$SYS/broker/log/N", "x/{}/{}"]).flatmap(
        lambda shape: st.text().map(lambda name: shape.replace("{}", name))
    ),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
names = st.sampled_from(["contact", "temperature", "last_seen", "p", "q"])
payloads = st.one_of(st.binary(), st.dictionaries(names, json_values).map(lambda said: json.dumps(said).encode()))


@given(st.lists(st.tuples(topics, payloads, st.booleans())))
def test_no_message_whatever_raises_and_a_message_repeated_at_once_says_nothing_new(
    messages: list[tuple[str, bytes, bool]],
) -> None:
    decoder = Decoder(ANY_RULES)
    for topic, payload, retained in messages:
        changes = decoder.decode(topic, payload, retained=retained)
        for change in changes:
            assert clean_name(change.device) == change.device
            assert clean_name(change.action) == change.action
            "".join([change.device, change.action, *change.attributes.values()]).encode()
        if not topic.startswith("$SYS"):
            assert decoder.decode(topic, payload) == []
    assert set(decoder.refused) <= set(REASONS)


@given(st.text(), st.text())
def test_any_line_of_the_brokers_log_is_survived(before: str, after: str) -> None:
    decoder = Decoder([LOG])
    line = f"{before}New client connected from {after} as {before} (p2, c1, k60, u'{after}')."
    for change in decoder.decode(LOG.pattern, line.encode()):
        assert change.origin is not None
        assert clean_name(change.origin) == change.origin


def as_event(change: Change) -> Event:
    return Event(
        id="1",
        source="mqtt",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        device=change.device,
        action=change.action,
        value=change.value,
        attributes=change.attributes,
    )
