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
    assert [len(told) for told in heard[-10:]] == [0] * 10
    walk = alarms(home.intruder())
    assert "front door" not in {alarm.device for alarm in walk}, "but nobody ever walked through the house then"
    assert "hall motion" in {alarm.device for alarm in walk}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_owner_who_never_answers_has_the_budget_kept_from_the_sixth_week_on(seed: int) -> None:
    """Three odd nights a week: each is told, until those of a month ago count for as strange as they were."""
    story, heard = Story(seed=seed), []
    story.history(weeks=4)
    for _ in range(12):
        said = []
        odd = story.random.sample(range(7), 3)
        for day in range(7):
            said += story.ordinary_days(1)
            if day in odd:
                said += story.give_until(story.now + timedelta(minutes=story.random.uniform(60, 300)))
                said += story.sees("front door", "open") + story.sees("hall motion", "on")
        heard.append(len(alarms(said)))
    assert min(heard[:4]) >= 2, "until then nobody can say whose they were"
    assert sum(heard[5:]) <= most(len(heard[5:]) * HOME.budget)


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
