"""Who, from where, how much, and while nobody is home: stories of people and amounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenarios.story import HOME, Story, alarms

from homeward.core.effects import Effect
from homeward.core.settings import Device

ADA, BOB, EVE = "person:ada", "person:bob", "person:eve"
PHONE, TABLET = "ada's phone", "bob's tablet"


def evening(story: Story, who: str | None, origin: str | None) -> list[Effect]:
    """Somebody unlocks the front door at twenty to six, and locks it from within."""
    said = story.at("17:40")
    said += story.sees("front lock", "unlock", actor=who, origin=origin)
    return said + story.sees("front lock", "lock", actor=who, origin=origin) + story.later(hours=1)


@pytest.fixture(scope="module")
def three_weeks() -> Story:
    """Ada and Bob take turns, each with a phone or tablet of their own."""
    story = Story()
    story.commands("backfill_begin")
    for day in range(21):
        evening(story, *((ADA, PHONE) if day % 2 else (BOB, TABLET)))
        story.at("00:00")
        story.ordinary_days(1)
    story.commands("backfill_end")
    return story


@pytest.fixture
def home(three_weeks: Story) -> Story:
    return three_weeks.twin()


@pytest.mark.parametrize(("who", "origin"), [(ADA, PHONE), (BOB, TABLET), (None, None)])
def test_whoever_is_usual_here_never_alarms_at_a_usual_hour(home: Story, who: str, origin: str) -> None:
    assert alarms(evening(home, who, origin)) == []


@pytest.mark.parametrize(
    ("who", "origin", "reason"),
    [
        (EVE, PHONE, "front lock unlock by person:eve: never seen here before"),
        (ADA, "laptop", "front lock unlock from laptop: never seen here before"),
    ],
)
def test_a_stranger_at_a_usual_hour_alarms_and_so_does_a_new_client(
    home: Story, who: str, origin: str, reason: str
) -> None:
    (alarm,) = alarms(evening(home, who, origin))
    assert (alarm.device, alarm.reason) == ("front lock", reason)


def test_after_that_was_me_a_new_person_is_known_after_some_days(home: Story) -> None:
    heard = []
    for _ in range(6):
        said = alarms(evening(home, EVE, PHONE))
        heard.append(len(said))
        if said:
            home.answers(said[0].incident, "yes")
        home.at("00:00")
        home.ordinary_days(1)
    assert heard[0] == 1
    assert heard[-3:] == [0, 0, 0]


# Who is home

MORNING = (
    ("07:00", "bedroom motion", "on"), ("07:02", "kitchen motion", "on"), ("08:20", "hall motion", "on"),
    ("08:22", "front door", "open"), ("08:24", "front door", "closed"), ("08:30", "family", "away"),
)  # fmt: skip
LUNCH = (
    ("12:25", "family", "home"), ("12:30", "front door", "open"), ("12:32", "front door", "closed"),
    ("12:34", "hall motion", "on"), ("12:36", "kitchen motion", "on"), ("13:18", "hall motion", "on"),
    ("13:20", "front door", "open"), ("13:22", "front door", "closed"), ("13:30", "family", "away"),
)  # fmt: skip
EVENING = (
    ("17:40", "family", "home"), ("17:45", "front door", "open"), ("17:47", "front door", "closed"),
    ("17:50", "kitchen motion", "on"), ("20:00", "kitchen motion", "on"), ("20:10", "hall motion", "on"),
    ("22:40", "bedroom motion", "on"),
)  # fmt: skip


def lived(story: Story, *part: tuple[str, str, str]) -> list[Effect]:
    """What happens at its times, give or take a minute."""
    said = []
    for clock, device, action in part:
        said += story.at(clock)
        story.now += timedelta(seconds=story.random.uniform(0, 50))
        said += story.sees(device, action)
    return said


@pytest.fixture(scope="module")
def told_who_is_home() -> Story:
    """Three weeks of a home that tells who is in: somebody comes home for lunch."""
    story = Story(home=replace(HOME, devices=(*HOME.devices, Device(name="family", type="residents"))))
    story.commands("backfill_begin")
    for _ in range(21):
        lived(story, *MORNING, *LUNCH, *EVENING)
        story.at("00:00")
    story.commands("backfill_end")
    return story


def test_who_comes_home_is_no_stranger(told_who_is_home: Story) -> None:
    assert alarms(lived(told_who_is_home.twin(), *MORNING, *LUNCH, *EVENING)) == []


def test_the_usual_way_at_the_usual_hour_is_an_alarm_while_everybody_is_away(told_who_is_home: Story) -> None:
    """A burglar by the front door at lunchtime looks like coming home, but for who is home."""
    story = told_who_is_home.twin()
    quiet = [event for event in LUNCH if event[1] != "family"]
    (alarm,) = alarms(lived(story, *MORNING, *quiet[:4]))
    assert (alarm.device, alarm.habit) == ("hall motion", "who is home")
    assert alarm.reason == "hall motion on while the house is away: unusual for it"


def test_who_is_home_is_no_event_and_no_habit(told_who_is_home: Story) -> None:
    story = told_who_is_home.twin()
    before = story.engine.state.profile.day_events
    assert story.sees("family", "holiday") == []
    assert story.engine.state.profile.day_events == before
    assert "family" not in story.engine.state.profile.last


# How much


def test_an_amount_that_never_was_alarms_and_a_usual_one_does_not() -> None:
    story = Story()
    story.commands("backfill_begin")
    for _ in range(21):
        for clock in ("07:10", "12:40", "18:50"):
            story.at(clock)
            story.sees("meter", "reading", value=story.random.uniform(180, 240))
        story.at("00:00")
        story.ordinary_days(1)
    story.commands("backfill_end")
    story.at("07:10")
    assert alarms(story.twin().sees("meter", "reading", value=200.0)) == []
    (alarm,) = alarms(story.sees("meter", "reading", value=40_000.0))
    assert (alarm.device, alarm.habit) == ("meter", "how much")
