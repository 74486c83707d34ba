from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import log2

import pytest

from homeward.bench.alarmed import Alarmed
from homeward.bench.homes import Household
from homeward.bench.peers import LEVELS, MarkovChain, Peer, Rules, Seen, Strictness
from homeward.core.event import Event
from homeward.core.settings import Device

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
DEVICES = {
    "door": Device(name="door", type="contact.door", role="entrance"),
    "lamp": Device(name="lamp", type="light", role="actuator"),
    "hall": Device(name="hall", type="motion", role="motion"),
}


def event(at: timedelta, device: str = "hall", action: str = "on") -> Event:
    return Event(id="1", source="file", at=MIDNIGHT + at, device=device, action=action)


def household(days: int = 60) -> Household:
    """A home that is on record as active on every one of its days."""
    first = event(timedelta())
    return Household(
        name="x",
        real=True,
        timezone="UTC",
        devices=DEVICES,
        rows=1,
        events=[first],
        at=[first.at],
        hours=[0],
        dates=[date(2024, 1, 1)],
        days=[date(2024, 1, 1) + timedelta(days=n) for n in range(days)],
        bin=None,
    )


class Loudness:
    """A peer whose score is the event's value."""

    def __init__(self) -> None:
        self.learned: list[int] = []

    def look(self, event: Event) -> tuple[float, Seen]:
        return event.value or 0.0, (None, (event.device, event.action))

    def learn(self, seen: Seen, weight: int) -> None:
        self.learned.append(weight)

    def copy(self) -> Loudness:
        twin = Loudness()
        twin.learned = self.learned.copy()
        return twin


def loud(day: float, value: float, device: str = "hall") -> Event:
    at = MIDNIGHT + timedelta(days=day)
    return Event(id="1", source="file", at=at, device=device, action="on", value=value)


def test_a_markov_chain_scores_before_it_learns() -> None:
    chain = MarkovChain()
    first, seen = chain.look(event(timedelta()))
    assert first == 0  # one symbol, never seen: nothing else could have come
    chain.learn(seen, 1)
    score, seen = chain.look(event(timedelta(seconds=1), action="off"))
    assert score == 1  # two symbols are possible after what never was followed by anything
    chain.learn(seen, 3)
    chain.look(event(timedelta(seconds=2)))
    score, _ = chain.look(event(timedelta(seconds=3), action="off"))
    assert score == pytest.approx(log2((3 + 3) / (3 + 1)))


def test_a_copy_of_a_peer_teaches_the_original_nothing() -> None:
    for peer in (MarkovChain(), Rules(household(), LEVELS[0])):
        original: Peer = peer
        twin = original.copy()
        for second in range(100):
            _, seen = twin.look(event(timedelta(milliseconds=second), "lamp"))
            twin.learn(seen, 1)
        fresh: Peer = MarkovChain() if isinstance(peer, MarkovChain) else Rules(household(), LEVELS[0])
        probe = event(timedelta(seconds=30), "lamp")
        assert original.look(probe) == fresh.look(probe)


@pytest.mark.parametrize(
    ("level", "hours"),
    [(0, [0, 1, 2, 3, 4]), (1, [0, 1, 2, 3, 4, 5, 23]), (2, [0, 1, 2, 3, 4, 5, 6, 22, 23])],
    ids=[level.name for level in LEVELS],
)
def test_an_entrance_that_opens_in_the_armed_hours_fires_a_rule(level: int, hours: Sequence[int]) -> None:
    rules = Rules(household(), LEVELS[level])
    fired = [hour for hour in range(24) if rules.look(event(timedelta(hours=hour), "door", "open"))[0]]
    assert fired == hours
    assert not any(rules.look(event(timedelta(hours=24 + hour), "door", "closed"))[0] for hour in range(24))


def test_an_activity_never_seen_of_an_actuator_fires_once() -> None:
    rules = Rules(household(), LEVELS[0])
    score, seen = rules.look(event(timedelta(hours=12), "lamp"))
    assert score == 1
    rules.learn(seen, 1)
    assert rules.look(event(timedelta(hours=13), "lamp"))[0] == 0
    assert rules.look(event(timedelta(hours=14), "hall"))[0] == 0


@pytest.mark.parametrize("level", LEVELS, ids=[level.name for level in LEVELS])
def test_more_events_a_minute_than_allowed_fire(level: Strictness) -> None:
    rules = Rules(household(), level)
    scores = [rules.look(event(timedelta(milliseconds=900 * n)))[0] for n in range(66)]
    assert scores.index(1.0) == level.most_per_minute


def test_the_threshold_is_the_lowest_that_kept_the_budget_on_the_stream_so_far() -> None:
    alarmed = Alarmed(household(), Loudness(), 1.0)
    told = [alarmed.event(loud(day, value)) for day, value in enumerate([5, 9, 7, 3, *[1] * 10], start=0)]
    assert not any(told)  # fourteen days of silence
    assert not alarmed.event(loud(14, 5))  # two weeks, two alarms: only 9 and 7 may lie above
    assert alarmed.event(loud(15, 5.1))


def test_an_answer_gives_an_incidents_unusual_events_weight() -> None:
    peer = Loudness()
    alarmed = Alarmed(household(), peer, None)
    (told,) = alarmed.event(loud(0, 1))
    assert alarmed.event(loud(0.01, 1)) == ()  # the same incident
    alarmed.answer(told.at + timedelta(hours=8), told.incident)
    alarmed.answer(told.at + timedelta(hours=8), "unknown")
    assert peer.learned == [1, 1, 10, 10]


def test_an_incident_interrupts_again_only_for_a_guarded_device_new_to_it() -> None:
    alarmed = Alarmed(household(), Loudness(), None)
    minutes = [0, 5, 10, 15, 20, 51]
    devices = ["hall", "lamp", "door", "door", "hall", "hall"]
    told = [bool(alarmed.event(loud(m / 1440, 1, d))) for m, d in zip(minutes, devices, strict=True)]
    assert told == [True, False, True, False, False, True]


def test_an_incident_closes_six_hours_after_it_opened() -> None:
    alarmed = Alarmed(household(), Loudness(), None)
    told = [minute for minute in range(0, 400, 20) if alarmed.event(loud(minute / 1440, 1))]
    assert told == [0, 380]
