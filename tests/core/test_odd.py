"""The slow teacher: what is odd at a guarded device, and what follows on it, teaches nothing without an answer."""

from __future__ import annotations

import pytest
from tests.scenarios.story import Story, alarms

from homeward.core.behaviour.assessment import Assessment
from homeward.core.behaviour.calibration import Calibration
from homeward.core.behaviour.habits import FIELDS, WHEN
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.profile import COME_BACK_DAYS, MINUTE, VISIT_PAUSE, Profile, ProfileState
from homeward.core.settings import Device

DEVICES = (
    Device(name="lock", type="lock", role="entrance"),
    Device(name="lamp", type="light", role="actuator"),
)
NOON = 20_000 * DAY + 12 * 60 * MINUTE
NEVER = 1 << 40
"""No score is as high: nothing alarms."""
DAYS = 60


def see(
    guard: Profile, at: int, device: str = "lock", person: str = "ada", origin: str = "phone"
) -> tuple[Observation, Assessment]:
    guard.pass_time(at)
    seen = guard.observe(device, "on", at, at, person=person, origin=origin)
    assessed = guard.assess(seen)
    guard.note_visit(seen, assessed, at // DAY)
    return seen, assessed


@pytest.fixture
def guard() -> Profile:
    """Sixty days in which Ada unlocked and switched on the lamp at noon. Nothing that comes now is an alarm."""
    found = Profile(ProfileState(), DEVICES, 1.0)
    for day in range(DAYS):
        for place, device in enumerate(["lock", "lamp"]):
            seen, _ = see(found, NOON + day * DAY + place * MINUTE, device)
            found.learn(seen)
    return found


def today(guard: Profile, minutes: int) -> int:
    """So many minutes from noon, when nothing is running and nothing is an alarm."""
    at = NOON + DAYS * DAY + minutes * MINUTE
    guard.pass_time(at)
    guard.state.threshold = guard.state.notable = NEVER
    return at


@pytest.mark.parametrize(
    ("minutes", "person", "origin", "odd"),
    [(0, "ada", "phone", False), (-540, "ada", "phone", True), (0, "eve", "phone", True), (0, "ada", "laptop", True)],
)
@pytest.mark.parametrize("device", ["lock", "lamp"])
def test_an_odd_hour_person_or_origin_is_held_back_at_a_guarded_device_only(
    guard: Profile, device: str, minutes: int, person: str, origin: str, odd: bool
) -> None:
    _, assessed = see(guard, today(guard, minutes), device, person, origin)
    assert not assessed.unusual
    assert assessed.held is (odd and device == "lock")


def test_who_is_too_young_to_alarm_learns_everything(guard: Profile) -> None:
    at = today(guard, -540)
    guard.state.threshold = guard.state.notable = None
    _, assessed = see(guard, at)
    assert not assessed.held
    assert guard.state.suspected_until == 0


def test_what_follows_within_half_an_hour_is_held_back_too_and_nothing_after_it(guard: Profile) -> None:
    begin = today(guard, -540)
    see(guard, begin)
    assert guard.state.suspected_until == begin + VISIT_PAUSE == begin + 30 * MINUTE
    held = []
    for at in (begin + 1, begin + 20 * MINUTE, begin + 30 * MINUTE - 1, begin + 30 * MINUTE):
        guard.state.threshold = NEVER
        held.append(see(guard, at, "lamp")[1].held)
    assert held == [True, True, True, False]


def test_only_what_alarms_at_a_guarded_device_makes_the_half_hour_longer(guard: Profile) -> None:
    begin = today(guard, -540)
    see(guard, begin)
    see(guard, begin + 10 * MINUTE)
    assert guard.state.suspected_until == begin + 30 * MINUTE, "or a door that keeps moving would never end it"
    guard.state.threshold = 0
    assert see(guard, begin + 20 * MINUTE)[1].unusual
    assert guard.state.suspected_until == begin + 50 * MINUTE
    assert see(guard, begin + 21 * MINUTE, "lamp", "eve")[1].unusual
    assert guard.state.suspected_until == begin + 50 * MINUTE, "the lamp is not guarded"


def come_back(guard: Profile, days: range, *, suspected: bool) -> None:
    """The lamp is held back on these days."""
    for day in days:
        at = NOON + (DAYS + day) * DAY
        seen, _ = see(guard, at, "lamp")
        guard.state.suspected_until = at + MINUTE if suspected else 0
        guard.hold(seen, WHEN, f"i{day}", day, asked=False)


def test_what_followed_on_something_odd_is_not_released_by_coming_back_and_the_rest_is(guard: Profile) -> None:
    come_back(guard, range(10), suspected=True)
    assert [item.day for item in guard.state.held] == list(range(10))
    come_back(guard, range(10, 9 + COME_BACK_DAYS), suspected=False)
    assert len(guard.state.held) == 9 + COME_BACK_DAYS
    come_back(guard, range(9 + COME_BACK_DAYS, 10 + COME_BACK_DAYS), suspected=False)
    assert [item.day for item in guard.state.held] == list(range(10)), "an answer is still wanted for those"
    assert guard.release("i0") == 10


def test_what_alarms_does_not_tell_how_rare_bits_are(guard: Profile) -> None:
    at = today(guard, -540)
    before = guard.state.evidence.fork()
    guard.state.threshold = 0
    assert see(guard, at)[1].unusual
    assert guard.state.evidence.habits == before.habits
    guard.state.threshold = NEVER
    assert not see(guard, at + MINUTE, "lamp")[1].unusual
    assert guard.state.evidence.habits != before.habits, "what does not alarm tells"


def test_to_live_again_what_alarmed_does_not_tell_either_and_what_was_only_held_does(guard: Profile) -> None:
    at = today(guard, -540)
    (asked, _), (passed, _) = see(guard, at), see(guard, at + MINUTE)
    guard.hold(passed, WHEN, "i1", 0, asked=False)
    assert guard.state.past.memory[-1].seen == [asked, passed]
    guard.state.past.memory[-1].asked = [0]
    assert [one.held for one in guard._lived_again(guard.state.past.memory[-1])] == [True, False]


@pytest.mark.parametrize(("incident", "previous"), [("i1", ""), ("", "lock on")])
def test_a_visit_with_incidents_is_no_context_for_the_next(guard: Profile, incident: str, previous: str) -> None:
    """What somebody else may have done says nothing about what the owner does next."""
    at = today(guard, -540)
    seen, _ = see(guard, at)
    guard.pass_over(seen, incident)
    again, _ = see(guard, at + VISIT_PAUSE, "lamp")
    assert (again.previous, bool(again.fields[FIELDS.index("previous")])) == (previous, bool(previous))


@pytest.mark.parametrize(("incident", "company"), [("i1", 0), ("", 1)])
def test_a_visit_with_incidents_is_no_company_for_the_next(guard: Profile, incident: str, company: int) -> None:
    at = today(guard, -540)
    seen, _ = see(guard, at)
    guard.pass_over(seen, incident)
    again, _ = see(guard, at + VISIT_PAUSE, "lamp")
    assert len(again.company) == company


# As the engine does it


@pytest.fixture(scope="module")
def four_weeks() -> Story:
    story = Story()
    story.history(weeks=4)
    return story


@pytest.fixture
def quiet(four_weeks: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A home in which nothing is an alarm, and nothing is put on record."""
    monkeypatch.setattr(Calibration, "threshold", lambda *_: NEVER)
    story = four_weeks.twin()
    story.settles()
    return story


def learns(story: Story, device: str, action: str) -> bool:
    """Whether an event is counted in any of its own contexts."""
    before = story.twin().engine.state.profile
    story.sees(device, action)
    after = story.engine.state.profile
    seen = after.past.memory[-1].seen[-1]
    assert (seen.device, seen.action) == (device, action)
    counted = [(keys[-1], symbol) for keys, symbol in zip(seen.contexts, seen.symbols, strict=True) if keys]
    return [before.table.weight(*cell) for cell in counted] != [after.table.weight(*cell) for cell in counted]


def test_a_door_at_night_is_not_learned_nor_is_what_follows_and_a_lamp_after_it_is(quiet: Story) -> None:
    quiet.at("03:10")
    assert not learns(quiet, "front door", "open")
    assert not learns(quiet, "hall motion", "on")
    quiet.later(minutes=25)
    assert not learns(quiet, "kitchen motion", "on")
    quiet.later(minutes=6)
    assert learns(quiet, "kitchen motion", "on")
    assert not quiet.engine.incidents, "nobody was asked, and nothing was told"


@pytest.mark.parametrize(("clock", "device"), [("17:40", "front door"), ("03:10", "hall motion")])
def test_a_door_at_its_usual_hour_and_a_walk_by_night_are_learned(quiet: Story, clock: str, device: str) -> None:
    quiet.at(clock)
    assert learns(quiet, device, "open" if device == "front door" else "on")


def test_fifteen_nights_that_nobody_noticed_do_not_make_a_door_usual_at_night(quiet: Story) -> None:
    def bits() -> int:
        quiet.at("03:00")
        twin = quiet.twin()
        twin.sees("front door", "open")
        seen = twin.engine.state.profile.past.memory[-1].seen[-1]
        return twin.engine._profile.assess(seen).bits[WHEN]

    before = bits()
    for _ in range(15):
        quiet.at("03:00")
        assert alarms(quiet.sees("front door", "open")) == []
        quiet.at("05:00")
        quiet.ordinary_days(1)
    assert bits() >= before
