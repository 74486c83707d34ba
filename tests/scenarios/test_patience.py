"""Weeks without an answer: a door that opens night after night, and an owner who never says whose it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core.test_profile import most
from tests.scenarios.story import HOME, Story, alarms

from homeward.core.effects import Effect, Notify
from homeward.core.inputs import Answer


def night(story: Story) -> list[Effect]:
    """Somebody opens the front door at three and closes it, and the day that follows is an ordinary one."""
    said = story.at("03:00")
    story.later(minutes=story.random.uniform(0, 15))
    said += story.sees("front door", "open") + story.sees("front door", "closed")
    story.at("05:00")
    return said


def nights(story: Story, count: int, answer: Answer | None) -> list[list[Notify]]:
    """What each night is told of the door, and answered at once (or never)."""
    heard = []
    for _ in range(count):
        heard.append([alarm for alarm in alarms(night(story)) if alarm.device == "front door"])
        if heard[-1] and answer:
            story.answers(heard[-1][0].incident, answer)
        story.ordinary_days(1)
    return heard


@pytest.mark.parametrize("answer", [None, "no"])
def test_fifteen_nights_that_nobody_said_yes_to_do_not_hide_the_sixteenth(home: Story, answer: Answer | None) -> None:
    first = home.twin()
    (at_first,) = alarms(first.intruder())
    heard = nights(home, 15, answer)
    assert [len(told) for told in heard] == [1] * 15
    at_last = next(alarm for alarm in alarms(home.intruder()) if alarm.device == "front door")
    assert (at_last.habit, at_last.bits or 0) >= ("when", 0.9 * (at_first.bits or 0)), "it is as strange as ever"
    assert home.incident.score > first.incident.score / 2


def test_fifteen_nights_that_the_owner_said_yes_to_become_usual(home: Story) -> None:
    heard = nights(home, 15, "yes")
    assert len(heard[0]) == 1
    assert [len(told) for told in heard[-9:]] == [0] * 9
    walk = alarms(home.intruder())
    assert "front door" not in {alarm.device for alarm in walk}, "but nobody ever walked through the house then"
    assert "hall motion" in {alarm.device for alarm in walk}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_owner_who_never_answers_is_told_of_every_odd_night_and_of_little_else(seed: int) -> None:
    """Three nights a week a door opens at an hour at which it never does. Nobody says whose hand that is: patience
    must not teach it, and so the budget is spent on it, week after week, until somebody answers."""
    story, heard, rest = Story(seed=seed), [], 0
    story.history(weeks=4)
    for _ in range(12):
        said = []
        nights = 0
        odd = story.random.sample(range(7), 3)
        for day in range(7):
            said += story.ordinary_days(1)
            if day in odd:
                said += story.give_until(story.now + timedelta(minutes=story.random.uniform(60, 300)))
                visit = story.sees("front door", "open") + story.sees("hall motion", "on")
                nights += bool(alarms(visit))
                said += visit
        heard.append(nights)
        rest += len(alarms(said)) - nights
    assert heard == [3] * 12, "every one of them"
    assert rest <= most(12 * HOME.budget), "and the rest stays within the budget"


@pytest.mark.xfail(
    strict=True,
    reason="visits at guarded devices do not count for 30 days unless answered: 77 alarms in 48 weeks, 71 allowed",
)
def test_ordinary_homes_keep_their_budget_for_twelve_weeks_without_an_answer() -> None:
    heard = 0
    for seed in range(1, 5):
        story = Story(seed=seed)
        story.history(weeks=4)
        heard += len(alarms(story.ordinary_days(7 * 12)))
    assert heard <= most(4 * 12 * HOME.budget)


def test_after_a_visit_that_alarmed_the_next_begins_without_a_context(home: Story) -> None:
    home.at("12:00")
    assert home.engine.state.profile.previous == "bedroom motion on", "the evening before"
    home.intruder()
    home.later(minutes=31)
    assert home.engine.state.profile.previous == ""
    home.sees("bedroom motion", "on")
    seen = home.engine.state.profile.past.memory[-1].seen
    assert [(one.device, one.previous) for one in seen] == [("bedroom motion", "")]
