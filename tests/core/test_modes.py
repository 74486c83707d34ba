"""Modes: one at a time, each with the end that its table allows, and silence that cannot be forgotten."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import hostile_text

from homeward.core import modes as module
from homeward.core.local_time import LAST_MS
from homeward.core.modes import NAMES, Mode, Modes
from homeward.core.settings import Device

HOUR = 3_600_000
LAMP = Device(name="lamp", type="light", role="actuator")
SMOKE = Device(name="smoke", type="smoke")
NOW = 1_000_000 * HOUR


def entered(name: str, until: int | None = None, modes: Modes | None = None, at: int = NOW) -> Modes:
    modes = modes or Modes()
    assert modes.enter(name, at, until, "person:anna") == ""
    return modes


def test_the_table_in_the_documentation_is_the_table_of_the_code() -> None:
    spans = {None: "no limit", 0: "no end", 24 * HOUR: "24 hours", 90 * 24 * HOUR: "90 days", 8 * HOUR: "8 hours"}
    rows = [line for line in (module.__doc__ or "").splitlines() if line.startswith("``")]
    assert len(rows) == len(NAMES)
    for name, line in zip(NAMES, rows, strict=True):
        row = module._TABLE[name]
        arms = "as was" if row.arms is None else "yes" if row.arms else "no"
        columns = [column.strip("` ") for column in line.replace("has no", "no").split("  ") if column.strip()]
        after = "—" if row.longest == 0 else row.after or "the mode before it"
        assert columns[:5] == [name, arms, "yes" if row.mutes else "no", spans[row.longest], after]


@pytest.mark.parametrize(("name", "arms"), [("home", False), ("away", True), ("night", True), ("holiday", True)])
def test_away_night_and_holiday_arm_and_mute_nothing(name: str, arms: bool) -> None:
    modes = entered(name)
    assert modes.arms is arms
    assert not modes.mutes(LAMP)
    assert modes.current == Mode(name, NOW, None, "person:anna")
    assert modes.next_deadline() is None


def test_maintenance_mutes_all_but_what_saves_lives_and_leaves_the_house_as_armed_as_it_was() -> None:
    modes = entered("maintenance", NOW + HOUR)
    assert (modes.mutes(LAMP), modes.mutes(SMOKE), modes.arms) == (True, False, False)
    modes = entered("maintenance", NOW + HOUR, entered("away"))
    assert (modes.mutes(LAMP), modes.mutes(SMOKE), modes.arms) == (True, False, True)


def test_after_maintenance_it_is_as_before_however_often_it_was_made_longer() -> None:
    modes = entered("maintenance", NOW + HOUR, entered("night", NOW + 9 * HOUR))
    entered("maintenance", NOW + 2 * HOUR, modes, NOW + HOUR // 2)
    assert modes.expire(NOW + HOUR) is None
    ended = modes.expire(NOW + 2 * HOUR)
    assert ended is not None
    assert ended.name == "maintenance"
    assert modes.current == Mode("night", NOW, NOW + 9 * HOUR, "person:anna")
    assert modes.before is None
    assert modes.next_deadline() == NOW + 9 * HOUR


def test_what_maintenance_interrupted_may_be_over_too() -> None:
    modes = entered("maintenance", NOW + 3 * HOUR, entered("night", NOW + HOUR))
    over = NOW + 4 * HOUR
    assert [mode and mode.name for mode in (modes.expire(over), modes.expire(over), modes.expire(over))] == [
        "maintenance",
        "night",
        None,
    ]
    assert modes.current == Mode("home", NOW + HOUR, None, "person:anna")


def test_a_night_ends_at_home_and_a_holiday_leaves_the_house_armed() -> None:
    modes = entered("night", NOW + HOUR)
    assert modes.expire(NOW + HOUR - 1) is None
    assert modes.expire(NOW + HOUR) == Mode("night", NOW, NOW + HOUR, "person:anna")
    assert modes.current.name == "home"
    modes = entered("holiday", NOW + HOUR)
    modes.expire(NOW + 5 * HOUR)
    assert modes.current == Mode("away", NOW + HOUR, None, "person:anna")
    assert modes.arms


def test_a_mode_is_left_for_home_and_maintenance_for_what_was_before() -> None:
    modes = entered("maintenance", NOW + HOUR, entered("away"))
    assert modes.leave(NOW + 1, "person:ben").name == "maintenance"
    assert modes.current == Mode("away", NOW, None, "person:anna")
    assert modes.leave(NOW + 2, "person:ben").name == "away"
    assert modes == Modes(Mode("home", NOW + 2, None, "person:ben"))
    modes.leave(NOW + 3, "\ud800")
    assert modes.current.by == "household", "half a character cannot be kept"


def test_another_mode_ends_maintenance_for_good() -> None:
    modes = entered("home", None, entered("maintenance", NOW + HOUR, entered("away")))
    assert modes.before is None
    assert not modes.arms


@pytest.mark.parametrize(("name", "hours"), [("night", 24), ("holiday", 90 * 24), ("maintenance", 8)])
def test_a_mode_may_last_as_long_as_its_table_says(name: str, hours: int) -> None:
    assert entered(name, NOW + hours * HOUR).next_deadline() == NOW + hours * HOUR


@pytest.mark.parametrize(
    ("name", "until", "by", "why"),
    [
        ("party", None, "person:anna", "a mode is one of: home, away, night, holiday, maintenance"),
        ("home", NOW + 1, "person:anna", "home has no end"),
        ("away", NOW, "person:anna", "later than now"),
        ("away", LAST_MS, "person:anna", "later than now"),
        ("night", NOW + 24 * HOUR + 1, "person:anna", "24 hours"),
        ("holiday", NOW + 90 * 24 * HOUR + 1, "person:anna", "2160 hours"),
        ("maintenance", None, "person:anna", "must have an end"),
        ("maintenance", NOW + 8 * HOUR + 1, "person:anna", "8 hours"),
        ("away", None, "", "no name"),
        ("away", None, "a\nb", "no name"),
    ],
)
def test_what_is_no_mode_is_refused_with_the_reason(name: str, until: int | None, by: str, why: str) -> None:
    modes = entered("away")
    before = modes.fork()
    assert why in modes.enter(name, NOW, until, by)
    assert modes == before


Step = tuple[Literal["enter", "leave", "expire"], str, int, int | None, str]
steps = st.tuples(
    st.sampled_from(["enter", "enter", "leave", "expire"]),
    st.one_of(st.sampled_from(NAMES), hostile_text),
    st.integers(0, 10 * HOUR),
    st.one_of(st.none(), st.integers(1, 8 * HOUR), st.integers()),
    st.one_of(st.just("household"), hostile_text),
)


@given(st.lists(steps, max_size=30))
def test_whatever_is_asked_for_no_silence_is_longer_than_eight_hours(asked: list[Step]) -> None:
    modes, at, calm = Modes(), NOW, NOW
    for what, name, passed, length, by in asked:
        at += passed
        while modes.expire(at):
            assert modes.before is None or modes.current.name == "maintenance"
        twin, before = modes.fork(), msgspec.msgpack.encode(modes)
        if what == "enter":
            if refused := modes.enter(name, at, None if length is None else at + length, by):
                assert msgspec.msgpack.encode(modes) == before, refused
            elif name == "maintenance":
                calm = at
        elif what == "leave":
            modes.leave(at, by)
        assert msgspec.msgpack.encode(twin) == before, "a fork is left alone"
        assert (modes.next_deadline() or at + 1) > at
        if modes.mutes(LAMP):
            assert at - calm < 8 * HOUR
        assert not modes.mutes(SMOKE)
        assert (modes.before is not None) == (modes.current.name == "maintenance")
        assert modes.before is None or modes.before.name != "maintenance"
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(modes), type=Modes) == modes
