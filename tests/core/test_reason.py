"""Reasons: true sentences that a person understands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.behaviour.habits import FROM_WHERE, HABITS, IN_COMPANY, WHEN, WHO, WHO_IS_HOME
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.profile import MINUTE, Profile, ProfileState
from homeward.core.behaviour.reason import reason
from homeward.core.settings import Device

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


COMING_HOME = [(device, action, day * 1440 + minute) for day in range(5) for device, action, minute in (
    ("hall", "on", 1), ("door", "open", 2)
)]  # fmt: skip


def test_in_company_says_that_it_was_never_in_this_company() -> None:
    profile = taught([*COMING_HOME, ("lamp", "off", 5 * 1440)])
    seen = see(profile, "door", "open", 5 * 1440 + 1)
    said = "door open: never in the company of what came shortly before (5 times in all)"
    assert reason(profile.state.table, seen, IN_COMPANY) == said
    unseen = see(profile, "door", "shut", 5 * 1440 + 2)
    assert reason(profile.state.table, unseen, IN_COMPANY) == "door shut: never seen here before"


def test_in_company_says_seldom_where_any_one_of_the_company_came_before_it_once() -> None:
    profile = taught([*COMING_HOME, ("hall", "on", 5 * 1440), ("lamp", "off", 5 * 1440 + 1)])
    seen = see(profile, "door", "open", 5 * 1440 + 2)
    said = "door open: seldom in the company of what came shortly before (5 times in all)"
    assert reason(profile.state.table, seen, IN_COMPANY) == said


def test_in_company_says_that_it_was_never_the_first_after_a_pause() -> None:
    profile = taught(COMING_HOME)
    seen = see(profile, "door", "open", 5 * 1440)
    said = "door open: never the first after a pause (5 times in all)"
    assert reason(profile.state.table, seen, IN_COMPANY) == said
    hall = see(profile, "hall", "on", 6 * 1440)
    said = "hall on: seldom the first after a pause (5 times in all)"
    assert reason(profile.state.table, hall, IN_COMPANY) == said


def told(
    profile: Profile, minute: int, person: str = "", origin: str = "", value: float | None = None
) -> Observation:
    at = BEGIN + minute * MINUTE
    return profile.observe("lock", "unlock", at, at, person=person, origin=origin, value=value)


def test_who_and_from_where_tell_a_stranger_from_somebody_who_seldom_does_this() -> None:
    profile = taught([])
    for minute in range(3):
        profile.learn(told(profile, minute, person="person:ada", origin="phone"))
    known, stranger = told(profile, 4, "person:ada", "phone"), told(profile, 5, "person:eve", "laptop")
    table = profile.state.table
    assert reason(table, known, WHO) == "lock unlock by person:ada: seldom with this device (3 times)"
    assert reason(table, stranger, WHO) == "lock unlock by person:eve: never seen here before"
    assert reason(table, known, FROM_WHERE) == "lock unlock from phone: seldom with this device (3 times)"
    assert reason(table, stranger, FROM_WHERE) == "lock unlock from laptop: never seen here before"


def test_who_is_home_says_who() -> None:
    profile = taught([])
    profile.note_presence(Device(name="family", type="residents"), "away", BEGIN)
    seen = see(profile, "hall", "on", 1)
    assert reason(profile.state.table, seen, WHO_IS_HOME) == "hall on while the house is away: unusual for it"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.integers(0, 1439)), max_size=20),
    st.integers(0, 1439),
    st.sampled_from([(), ("person:ada", "phone", 21.5)]),
)
def test_every_habit_that_says_something_has_a_reason_in_one_line(
    times: list[tuple[str, str, int]], minute: int, about: tuple[str, str, float] | tuple[()]
) -> None:
    profile = taught(sorted(times, key=lambda each: each[2]))
    if about:
        profile.note_presence(Device(name="family", type="residents"), "away", BEGIN)
    seen = told(profile, 1440 + minute, *about)
    asked = [habit for habit, keys in enumerate(seen.contexts) if keys]
    assert len(asked) == (len(HABITS) if about else 4)
    for habit in asked:
        said = reason(profile.state.table, seen, habit)
        assert said.startswith("lock unlock")
        assert "\n" not in said


def test_a_habit_that_is_none_has_no_reason() -> None:
    profile = taught([])
    with pytest.raises(ValueError, match="no habit 99"):
        reason(profile.state.table, see(profile, "a", "c", 0), 99)
