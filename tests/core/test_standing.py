"""Standing rules: what the owner decided once and for all wins as the table says, and never silences what guards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import actions, hostile_text, names

from homeward.core.local_time import LAST_MS, LocalClock, milliseconds
from homeward.core.settings import Device
from homeward.core.standing import (
    ANYBODY_MINUTES,
    DEVICE_LIMIT,
    GUARDED_SNOOZE_MS,
    RULES_LIMIT,
    SNOOZE_MS,
    Standing,
    StandingRule,
    Verdict,
    refusal,
    sentence,
)

NOW = milliseconds(datetime(2026, 3, 3, 12, 0, tzinfo=UTC))
HOUR = 3_600_000
LAMP = Device(name="lamp", type="light", role="actuator")
DOOR = Device(name="back door", type="contact.door", role="entrance")
SMOKE = Device(name="smoke", type="smoke")
BERLIN = LocalClock("Europe/Berlin", 10.0)


def rule(verdict: Verdict = "always_fine", device: str = "lamp", **about: Any) -> StandingRule:
    return StandingRule(**{"id": "", "verdict": verdict, "device": device, "made_at": NOW, **about})


def added(standing: Standing, one: StandingRule, device: Device = LAMP) -> str:
    return standing.add(replace(one, id=standing.next_id()), device)


def judged(standing: Standing, action: str = "on", *, person: str = "", minute: int = 720, at: int = NOW) -> str:
    found = standing.judge(LAMP, action, person, minute, at)
    return "" if found is None else found.verdict


@pytest.mark.parametrize(
    ("about", "happens", "fits"),
    [
        ({}, {}, True),
        ({"action": "on"}, {}, True),
        ({"action": "off"}, {}, False),
        ({"person": "person:anna"}, {"person": "person:anna"}, True),
        ({"person": "person:anna"}, {"person": ""}, False),
        ({"begin": 360, "end": 420}, {"minute": 360}, True),
        ({"begin": 360, "end": 420}, {"minute": 420}, False),
        ({"begin": 1380, "end": 60}, {"minute": 0}, True),
        ({"begin": 1380, "end": 60}, {"minute": 60}, False),
        ({"until": NOW + HOUR}, {"at": NOW + HOUR - 1}, True),
        ({"until": NOW + HOUR}, {"at": NOW + HOUR}, False),
    ],
)
def test_a_rule_is_about_what_it_names(about: dict[str, Any], happens: dict[str, Any], fits: bool) -> None:
    standing = Standing()
    assert added(standing, rule(**about)) == ""
    assert judged(standing, **happens) == ("always_fine" if fits else "")
    assert standing.judge(DOOR, "on", "", 720, NOW) is None, "it is about another device"


def test_never_fine_wins_over_always_fine_and_that_over_a_snooze() -> None:
    standing = Standing()
    added(standing, rule("snooze", action="on", person="person:anna", until=NOW + HOUR))
    assert judged(standing, person="person:anna") == "snooze"
    added(standing, rule("always_fine", action="on"))
    assert judged(standing, person="person:anna") == "always_fine"
    added(standing, rule("never_fine"))
    assert judged(standing, person="person:anna") == "never_fine"


def test_among_rules_that_say_the_same_the_one_that_says_more_is_named() -> None:
    standing = Standing()
    for about in ({}, {"action": "on", "begin": 0, "end": 60}, {"action": "on"}):
        added(standing, rule("never_fine", **about))
    found = standing.judge(LAMP, "on", "", 30, NOW)
    assert found is not None
    assert found.begin == 0


def test_a_rule_is_changed_under_its_id_and_deleted_by_it() -> None:
    standing = Standing()
    added(standing, rule(action="on"))
    assert list(standing.rules) == ["s1"]
    assert standing.add(rule(id="s1", action="off", made_at=NOW + 1), LAMP) == ""
    assert (judged(standing, "on"), judged(standing, "off")) == ("", "always_fine")
    kept = standing.rules["s1"]
    assert standing.add(rule(id="s1", action="", device="lamp", until=NOW - 1), LAMP) != ""
    assert standing.rules == {"s1": kept}, "a change that is refused changes nothing"
    assert standing.remove("s1") == kept
    assert standing.remove("s1") is None
    assert standing.add(kept, LAMP) == "there is no such rule"
    assert standing == Standing(made=1)
    assert standing.next_id() == "s2", "an id is never given twice"


def test_a_changed_rule_may_be_about_another_device() -> None:
    standing = Standing()
    added(standing, rule("never_fine"))
    assert standing.add(rule("never_fine", id="s1", device="back door"), DOOR) == ""
    assert judged(standing) == ""
    assert standing.judge(DOOR, "open", "", 0, NOW) == standing.rules["s1"]


def test_a_rule_ends_by_itself() -> None:
    standing = Standing()
    assert standing.next_deadline() is None
    added(standing, rule("never_fine"))
    assert standing.next_deadline() is None
    added(standing, rule("snooze", until=NOW + 2 * HOUR))
    added(standing, rule("snooze", until=NOW + HOUR))
    assert standing.next_deadline() == NOW + HOUR
    assert standing.expire(NOW + HOUR - 1) == []
    assert [one.id for one in standing.expire(NOW + HOUR)] == ["s3"]
    assert [one.id for one in standing.expire(NOW + 9 * HOUR)] == ["s2"]
    assert list(standing.rules) == ["s1"]


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"verdict": "perhaps"}, "always fine or snooze"),
        ({"device": ""}, "a name in it"),
        ({"by": ""}, "a name in it"),
        ({"action": "x" * 129}, "a name in it"),
        ({"person": "person:\u202eanna"}, "a name in it"),
        ({"device": "lamp 2"}, "another device"),
        ({"begin": 5}, "a beginning and an end"),
        ({"end": 5}, "a beginning and an end"),
        ({"begin": 5, "end": 1440}, "from 00:00 to 23:59"),
        ({"begin": -1, "end": 5}, "from 00:00 to 23:59"),
        ({"begin": 1440, "end": 5}, "from 00:00 to 23:59"),
        ({"begin": 5, "end": 5}, "another time than they begin"),
        ({"until": NOW}, "later than now"),
        ({"until": LAST_MS}, "later than now"),
        ({"made_at": -1}, "no time of the calendar"),
        ({"verdict": "snooze"}, "within seven days"),
        ({"verdict": "snooze", "until": NOW + SNOOZE_MS + 1}, "within seven days"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_the_reason(about: dict[str, Any], why: str) -> None:
    standing = Standing()
    assert why in added(standing, rule(**about))
    assert standing == Standing()


def test_the_longest_snooze_and_the_first_moment_are_allowed() -> None:
    assert refusal(rule("snooze", until=NOW + SNOOZE_MS), LAMP) == ""
    assert refusal(rule("never_fine", begin=0, end=1439, made_at=0), LAMP) == ""


@pytest.mark.parametrize(
    ("verdict", "about", "why"),
    [
        ("never_fine", {}, ""),
        ("always_fine", {}, "say which action"),
        ("always_fine", {"begin": 360, "end": 420}, "say which action"),
        ("always_fine", {"action": "open"}, "for whom"),
        ("always_fine", {"action": "open", "begin": 0, "end": ANYBODY_MINUTES + 1}, "for whom"),
        ("always_fine", {"action": "any word", "begin": 1439, "end": 1438}, "for whom"),
        ("always_fine", {"action": "open", "begin": 1438, "end": ANYBODY_MINUTES - 2}, ""),
        ("always_fine", {"action": "open", "person": "person:anna"}, ""),
        ("always_fine", {"action": "closed"}, ""),
        ("snooze", {"until": NOW + HOUR}, "say which action"),
        ("snooze", {"action": "open", "until": NOW + GUARDED_SNOOZE_MS + 1}, "eight hours"),
        ("snooze", {"action": "open", "until": NOW + GUARDED_SNOOZE_MS}, ""),
    ],
)
def test_little_may_be_silenced_of_a_guarded_device(verdict: Verdict, about: dict[str, Any], why: str) -> None:
    said = refusal(rule(verdict, "back door", **about), DOOR)
    assert why in said
    assert bool(said) is bool(why)


def test_short_hours_one_after_the_other_do_not_make_a_long_day_for_anybody() -> None:
    standing = Standing()
    hours = [rule(device="back door", action="open", begin=60 * n, end=60 * n + 60) for n in range(6)]
    assert [added(standing, one, DOOR)[:13] for one in hours] == ["", "", "", "", "it is guarded", "it is guarded"]
    assert (
        added(standing, rule(device="back door", action="open", begin=600, end=660, person="person:anna"), DOOR) == ""
    )


def test_what_saves_lives_is_never_silenced() -> None:
    about: dict[str, Any] = {
        "device": "smoke",
        "action": "clear",
        "person": "person:anna",
        "begin": 0,
        "end": 1,
        "until": NOW + 1,
    }
    assert "save a life" in refusal(rule(**about), SMOKE)
    assert "save a life" in refusal(rule(**{**about, "verdict": "snooze"}), SMOKE)
    assert refusal(rule(**{**about, "verdict": "never_fine"}), SMOKE) == ""


def test_a_device_that_became_guarded_is_no_longer_silenced() -> None:
    standing = Standing()
    unknown = Device(name="thing")
    added(standing, rule("never_fine", "thing", action="off"), unknown)
    added(standing, rule("always_fine", "thing"), unknown)
    assert standing.judge(unknown, "unlock", "", 0, NOW) == standing.rules["s2"]
    lock = Device(name="thing", type="lock")
    assert standing.judge(lock, "unlock", "", 0, NOW) is None
    assert standing.judge(lock, "off", "", 0, NOW) == standing.rules["s1"]


def test_rules_are_bounded_and_none_is_dropped() -> None:
    standing = Standing()
    for n in range(RULES_LIMIT):
        device = Device(name=f"lamp {n // DEVICE_LIMIT}")
        if n == DEVICE_LIMIT:
            assert "about this device already" in added(standing, rule("never_fine", "lamp 0"), Device(name="lamp 0"))
        assert added(standing, rule("never_fine", device.name), device) == ""
    assert "already; delete one" in added(standing, rule("never_fine"))
    assert standing.add(rule("never_fine", "lamp 0", id="s1", action="on"), Device(name="lamp 0")) == ""
    assert len(standing.rules) == RULES_LIMIT
    assert list(standing.rules) == [f"s{n + 1}" for n in range(RULES_LIMIT)]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            {"device": "back door", "action": "open", "begin": 360, "end": 420},
            "“back door open” is always fine between 06:00 and 07:00, whoever it is. You said so on 3 March 2026.",
        ),
        (
            {"verdict": "never_fine", "person": "person:anna", "by": "person:ben"},
            "Whatever “lamp” does is never fine, if it is anna. ben said so on 3 March 2026.",
        ),
        (
            {"verdict": "snooze", "action": "on", "until": NOW + 24 * HOUR},
            (
                "“lamp on” interrupts nobody, whoever it is, until 4 March 2026, 13:00; it is still put on record. "
                "You said so on 3 March 2026."
            ),
        ),
    ],
)
def test_a_rule_can_be_read(about: dict[str, Any], words: str) -> None:
    assert sentence(rule(**about), BERLIN) == words


# Whatever comes

some_times = st.one_of(st.integers(0, 10), st.integers(), st.integers(NOW - HOUR, NOW + 8 * 24 * HOUR))
some_minutes = st.one_of(st.integers(0, 1439), st.integers())
some_people = st.one_of(st.sampled_from(["", "", "person:anna", "person:ben"]), hostile_text)
some_devices = st.sampled_from([LAMP, DOOR, SMOKE, Device(name="lock", type="lock"), Device(name="")])
some_rules = st.builds(
    StandingRule,
    id=st.sampled_from(["", "s1", "s2", "s3", "s9"]),
    verdict=st.sampled_from(["never_fine", "always_fine", "snooze"]),
    device=st.one_of(some_devices.map(lambda device: device.name), names),
    action=st.one_of(st.just(""), actions),
    person=some_people,
    begin=st.one_of(st.none(), some_minutes),
    end=st.one_of(st.none(), some_minutes),
    until=st.one_of(st.none(), some_times),
    by=st.one_of(st.just("household"), hostile_text),
    made_at=st.one_of(st.just(NOW), some_times),
)
plausible_rules = st.builds(
    lambda verdict, device, action, person, hours, until: rule(
        verdict, device, action=action, person=person, begin=hours and hours[0], end=hours and hours[1], until=until
    ),
    st.sampled_from(["never_fine", "always_fine", "snooze"]),
    some_devices.map(lambda device: device.name),
    st.sampled_from(["", "open", "on", "closed"]),
    st.sampled_from(["", "person:anna"]),
    st.one_of(st.none(), st.tuples(st.integers(0, 1439), st.integers(0, 1439))),
    st.one_of(st.none(), st.integers(NOW, NOW + 10 * HOUR)),
)
moments = st.tuples(
    some_devices,
    st.sampled_from(["open", "on", "closed", "off"]),
    st.sampled_from(["", "person:anna", "person:ben"]),
    st.integers(0, 1439),
    st.integers(NOW, NOW + 10 * HOUR),
)


def naive(kept: list[StandingRule], device: Device, action: str, person: str, minute: int, at: int) -> str | None:
    """The same by reading every rule there is, hour by hour."""

    def hours(one: StandingRule) -> set[int]:
        if one.begin is None or one.end is None:
            return set(range(1440))
        until = one.end if one.end > one.begin else one.end + 1440
        return {each % 1440 for each in range(one.begin, until)}

    fitting = [
        one
        for one in kept
        if one.device == device.name
        and not (one.action and one.action != action)
        and not (one.person and one.person != person)
        and minute in hours(one)
        and not (one.until is not None and at >= one.until)
    ]
    for verdict in ("never_fine", "always_fine", "snooze"):
        same = [one for one in fitting if one.verdict == verdict]
        for said in (3, 2, 1, 0):
            for one in same:
                if [one.action != "", one.person != "", one.begin is not None].count(True) == said:
                    return one.id
    return None


@given(st.lists(plausible_rules, max_size=12), st.lists(moments, min_size=1, max_size=12))
def test_what_is_judged_is_what_reading_all_rules_says(
    made: list[StandingRule], happened: list[tuple[Device, str, str, int, int]]
) -> None:
    standing, kept = Standing(), []
    devices = {device.name: device for device in (LAMP, DOOR, SMOKE, Device(name="lock", type="lock"))}
    for one in made:
        one = replace(one, id=standing.next_id())
        if not standing.add(one, devices.get(one.device, Device(name=one.device))):
            kept.append(one)
    assert list(standing.rules.values()) == kept
    for moment in happened:
        found = standing.judge(*moment)
        assert (found and found.id) == naive(kept, *moment)


@given(st.lists(st.tuples(st.sampled_from(["add", "new", "remove", "expire"]), some_rules, some_devices, some_times)))
def test_whatever_is_asked_for_the_rules_stay_whole_and_can_be_saved(
    asked: list[tuple[str, StandingRule, Device, int]],
) -> None:
    standing = Standing()
    for what, one, device, at in asked:
        twin, before = standing.fork(), msgspec.msgpack.encode(standing)
        match what:
            case "add" | "new":
                one = replace(one, id=standing.next_id()) if what == "new" else one
                if refused := standing.add(one, device):
                    assert len(refused) < 100
                    assert msgspec.msgpack.encode(standing) == before
                else:
                    assert standing.rules[one.id] == one
            case "remove":
                standing.remove(one.id)
            case _:
                standing.expire(at)
                assert (standing.next_deadline() or at + 1) > at
        assert msgspec.msgpack.encode(twin) == before, "a fork is left alone"
        standing.judge(device, one.action, one.person, one.begin or 0, at)
        assert (
            sentence(one, BERLIN).isprintable()
            or not "".join([one.device, one.action, one.person, one.by]).isprintable()
        )
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(standing), type=Standing)
        assert saved == standing
        assert all(standing.by_device.values()), "a device without a rule is none of its devices"
    for one in standing.rules.values():
        if one.verdict != "never_fine":
            assert one.device != SMOKE.name
            assert one.device != "lock" or one.action


@given(some_rules)
def test_any_rule_has_a_reason_or_a_place(one: StandingRule) -> None:
    for device in (LAMP, DOOR, SMOKE, Device(name=one.device)):
        assert isinstance(refusal(one, device), str)
