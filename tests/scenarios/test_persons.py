"""A budget, a threshold and answers of one's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenarios.story import HOME, Story, alarms
from tests.scenarios.test_people import ADA, BOB, PHONE, TABLET, evening

from homeward.core.effects import Effect, Notify
from homeward.core.inputs import Feedback
from homeward.core.settings import Person

BOTH = replace(HOME, people=(Person(name=ADA, budget=0.01), Person(name=BOB, budget=7.0)))


def days(story: Story, number: int) -> list[Effect]:
    """Ada comes home at twenty to six, on the dot; Bob at any time of the day."""
    said: list[Effect] = []
    for day in range(number):
        said += evening(story, ADA, PHONE)
        said += story.at(f"{8 + day * 7 % 13:02}:{day * 17 % 60:02}")
        said += story.sees("front lock", "unlock", actor=BOB, origin=TABLET)
        said += story.sees("front lock", "lock", actor=BOB, origin=TABLET)
        said += story.ordinary_days(1)
    return said


@pytest.fixture(scope="module")
def nine_weeks() -> Story:
    story = Story()
    story.settles(home=BOTH)
    story.commands("backfill_begin")
    days(story, 63)
    story.commands("backfill_end")
    return story


@pytest.fixture
def home(nine_weeks: Story) -> Story:
    return nine_weeks.twin()


def test_a_person_with_a_budget_is_judged_by_a_threshold_of_their_own(home: Story) -> None:
    own, household = home.engine.state.profile.own, home.engine.state.profile.threshold
    assert set(own) == {ADA, BOB}
    assert household is not None
    assert own[BOB] < household, "seven alarms a week about Bob are fine"
    assert own[ADA] != own[BOB]


def test_what_nobody_is_named_for_is_judged_by_the_household(home: Story) -> None:
    seen: list[int | None] = []
    profile = home.engine._profile
    for person in (ADA, BOB, "", "person:eve"):
        moment = profile.observe("front lock", "unlock", home.engine.state.at, home.engine.state.at, person=person)
        seen.append(profile.assess(moment).threshold)
    state = home.engine.state.profile
    assert seen == [state.own[ADA], state.own[BOB], state.threshold, state.threshold]


def test_without_a_budget_of_their_own_people_share_the_households(home: Story) -> None:
    home.settles(home=HOME)
    home.ordinary_days(1)
    assert home.engine.state.profile.own == {}


def test_the_next_month_keeps_a_persons_budget(home: Story) -> None:
    told = [one for one in alarms(days(home, 28)) if isinstance(one, Notify)]
    about_ada = [one for one in told if ADA in one.reason]
    assert len(about_ada) <= 1


@pytest.mark.parametrize(("person", "learned"), [("household", True), (ADA, True), (BOB, False)])
def test_an_answer_teaches_only_about_who_answers_and_the_shared_device(
    home: Story, person: str, learned: bool
) -> None:
    home.settles(home=HOME)
    home.ordinary_days(1)
    home.at("03:10")
    (alarm,) = alarms(home.sees("front lock", "unlock", actor=ADA, origin=PHONE))
    home.later(hours=2)
    before, device_before = weights(home)
    home.now += timedelta(seconds=1)
    home.give(Feedback(at=home.now, incident=alarm.incident, answer="yes", person=person))
    after, device_after = weights(home)
    assert (after > before) is learned, "what Ada does"
    assert device_after > device_before, "what the lock does"


def weights(story: Story) -> tuple[int, int]:
    """What is counted at three in the morning: of this lock by Ada, and of this lock."""
    profile = story.engine._profile
    seen = profile.observe("front lock", "unlock", story.engine.state.at, 3 * 3_600_000 + 600_000, person=ADA)
    *_, of_lock, _, by_ada = seen.contexts[1]
    table, symbol = story.engine.state.profile.table, seen.symbols[1]
    return table.weight(by_ada, symbol), table.weight(of_lock, symbol)
