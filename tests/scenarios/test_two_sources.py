"""A home that two sources tell of: what both tell happened once, and what the guard did itself is no habit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.scenarios.story import SIREN, Story, alarms

from homeward.core.behaviour.habits import WHO
from homeward.core.behaviour.table import WEIGHT
from homeward.core.effects import Effect
from homeward.core.event import Event

ADA = "person:ada"


@pytest.fixture(scope="module")
def lived_in() -> Story:
    story = Story(SIREN)
    story.history()
    return story


@pytest.fixture
def home(lived_in: Story) -> Story:
    """A morning after four weeks: next, the kitchen light goes on."""
    story = lived_in.twin()
    story.at("07:00")
    story.sees("bedroom motion", "on")
    story.sees("kitchen motion", "on")
    story.later(seconds=30)
    return story


def tells(story: Story, source: str, device: str, action: str, actor: str | None = None) -> list[Effect]:
    return story.give(Event(id="", source=source, at=story.now, device=device, action=action, actor=actor))


def bits(story: Story) -> tuple[int, ...]:
    """How surprising it is, habit by habit, that the kitchen light goes on now."""
    now = story.engine.state.at
    profile = story.engine._profile
    return profile.assess(profile.observe("kitchen light", "on", now, now)).bits


def times(story: Story, person: str) -> float:
    """How many times the person was counted."""
    now = story.engine.state.at
    seen = story.engine._profile.observe("kitchen light", "on", now, now, person=person)
    return story.engine.state.profile.table.weight(seen.contexts[WHO][0], seen.symbols[WHO]) / WEIGHT


def events(story: Story) -> int:
    """How many events there were today."""
    return story.engine.state.profile.day_events


def test_what_two_sources_tell_within_five_seconds_happened_once_and_the_second_says_by_whom(home: Story) -> None:
    other = home.twin()
    for story in (home, other):
        tells(story, "mqtt", "kitchen light", "on")
        story.now += timedelta(seconds=4.9)
    assert not tells(home, "home_assistant", "kitchen light", "on", ADA)
    for story in (home, other):
        story.later(hours=1)
    assert events(home) == events(other) == 3
    assert bits(home) == bits(other), "it was counted once"
    assert (times(home, ADA), times(other, ADA)) == (1, 0), "and by whom was counted too"


def test_what_is_told_again_later_happened_again(home: Story) -> None:
    tells(home, "mqtt", "kitchen light", "on")
    home.now += timedelta(seconds=5.1)
    tells(home, "home_assistant", "kitchen light", "on")
    assert events(home) == 4


def test_what_one_source_tells_twice_happened_twice(home: Story) -> None:
    for source in ("mqtt", "home_assistant", "mqtt"):
        tells(home, source, "kitchen light", "on")
    assert events(home) == 4


@pytest.mark.parametrize("sources", [("mqtt",), ("mqtt", "home_assistant")])
def test_the_guards_own_act_is_no_habit_whoever_tells_of_it(lived_in: Story, sources: tuple[str, ...]) -> None:
    home = lived_in.twin()
    home.echoes = False
    assert alarms(home.intruder())
    assert home.lease.status == "active"
    profile = home.engine.state.profile
    before, incidents = events(home), len(home.engine.incidents)
    for source in sources:
        home.now += timedelta(seconds=1)
        assert not tells(home, source, "siren", "on", None if source == "mqtt" else "homeward")
    assert events(home) == before
    assert "siren" not in {held.observation.device for held in profile.held}
    assert len(home.engine.incidents) == incidents
