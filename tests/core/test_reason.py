"""Reasons: true sentences that a person understands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.behaviour.habits import HABITS
from homeward.core.behaviour.profile import DAY, MINUTE, WHAT_NEXT, WHEN, Observation, Profile, ProfileState
from homeward.core.behaviour.reason import reason

BEGIN = 20_000 * DAY


def taught(times: list[tuple[str, str, int]]) -> Profile:
    profile = Profile(ProfileState(), (), 1.0)
    for device, action, minute in times:
        profile.learn(see(profile, device, action, minute))
    return profile


def see(profile: Profile, device: str, action: str, minute: int) -> Observation:
    at = BEGIN + minute * MINUTE
    return profile.observe(device, action, at, at)


MORNINGS = [("door", "open", day * 1440 + 8 * 60) for day in range(30)]


def test_when_names_the_hours_in_which_it_never_was() -> None:
    profile = taught(MORNINGS)
    seen = see(profile, "door", "open", 30 * 1440 + 3 * 60 + 12)
    assert reason(profile.state.table, seen, WHEN) == "door open at 03:12: never between 09:30 and 07:00 in 30 times"


def test_when_says_seldom_where_it_was_before() -> None:
    profile = taught(MORNINGS)
    seen = see(profile, "door", "open", 30 * 1440 + 8 * 60)
    assert reason(profile.state.table, seen, WHEN) == "door open at 08:00: seldom at this hour (30 times in all)"


def test_when_does_not_say_never_of_what_was_seen_once_at_that_very_hour() -> None:
    profile = taught(MORNINGS[:1])
    seen = see(profile, "door", "open", 1440 + 8 * 60)
    said = reason(profile.state.table, seen, WHEN)
    assert said == "door open at 08:00: seen only one time, never often enough at one hour to be usual"


def test_when_tells_a_new_device_from_a_new_thing_to_do() -> None:
    profile = taught(MORNINGS)
    new = see(profile, "cat flap", "open", 30 * 1440)
    assert reason(profile.state.table, new, WHEN) == "cat flap open at 00:00: this device is new here"
    other = see(profile, "door", "jammed", 30 * 1440)
    assert reason(profile.state.table, other, WHEN) == "door jammed at 00:00: this device has never done this before"


def test_what_next_says_what_it_never_followed() -> None:
    profile = taught([("hall", "on", 1), ("door", "open", 2)] * 5 + [("lamp", "off", 3)])
    seen = see(profile, "door", "open", 4)
    assert reason(profile.state.table, seen, WHAT_NEXT) == "door open: never straight after lamp off (5 times in all)"
    unseen = see(profile, "door", "shut", 5)
    assert reason(profile.state.table, unseen, WHAT_NEXT) == "door shut: never seen here before"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.integers(0, 1439)), max_size=20),
    st.integers(0, 1439),
    st.integers(0, len(HABITS) - 1),
)
def test_every_habit_always_has_a_reason_in_one_line(
    times: list[tuple[str, str, int]], minute: int, habit: int
) -> None:
    profile = taught(sorted(times, key=lambda each: each[2]))
    said = reason(profile.state.table, see(profile, "a", "c", 1440 + minute), habit)
    assert said.startswith("a c")
    assert "\n" not in said


def test_a_habit_that_is_none_has_no_reason() -> None:
    profile = taught([])
    with pytest.raises(ValueError, match="no habit 99"):
        reason(profile.state.table, see(profile, "a", "c", 0), 99)
