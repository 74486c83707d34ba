from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import log2

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as Scikits

from homeward.bench.alarmed import Alarmed
from homeward.bench.homes import Household
from homeward.bench.peers import DETECTORS, LEVELS, Featured, MarkovChain, Rules, Strictness
from homeward.bench.peers.features import Features, Row
from homeward.bench.peers.isolation_forest import Forest, IsolationForest
from homeward.bench.presence import RESIDENTS
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
        self.learned: list[tuple[str, int]] = []

    def look(self, event: Event) -> tuple[float, str]:
        self.learned.append((event.device, 1))
        return event.value or 0.0, event.device

    def confirm(self, seen: str, weight: int) -> None:
        self.learned.append((seen, weight))

    def copy(self) -> Loudness:
        twin = Loudness()
        twin.learned = self.learned.copy()
        return twin


def loud(day: float, value: float, device: str = "hall") -> Event:
    at = MIDNIGHT + timedelta(days=day)
    return Event(id="1", source="file", at=at, device=device, action="on", value=value)


def test_a_markov_chain_scores_before_it_learns() -> None:
    chain = MarkovChain()
    first, _ = chain.look(event(timedelta()))
    assert first == 0  # one symbol, never seen: nothing else could have come
    score, step = chain.look(event(timedelta(seconds=1), action="off"))
    assert score == 1  # two symbols are possible after what never was followed by anything
    chain.confirm(step, 2)
    chain.look(event(timedelta(seconds=2)))
    score, _ = chain.look(event(timedelta(seconds=3), action="off"))
    assert score == pytest.approx(log2((3 + 3) / (3 + 1)))


def test_a_copy_of_a_peer_teaches_the_original_nothing() -> None:
    def flicker(peer: MarkovChain | Rules) -> MarkovChain | Rules:
        for millisecond in range(200):
            peer.look(event(timedelta(milliseconds=millisecond), ("hall", "lamp")[millisecond % 2]))
        return peer

    def probe(peer: MarkovChain | Rules) -> list[float]:
        return [peer.look(event(timedelta(seconds=second), "hall"))[0] for second in (30, 31)]

    for fresh in (MarkovChain, lambda: Rules(household(), LEVELS[0])):
        original = fresh()
        flicker(original.copy())
        assert probe(original) == probe(fresh())
        assert probe(flicker(fresh())) != probe(fresh())


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
    assert rules.look(event(timedelta(hours=12), "lamp"))[0] == 1
    assert rules.look(event(timedelta(hours=13), "lamp"))[0] == 0
    assert rules.look(event(timedelta(hours=14), "hall"))[0] == 0


@pytest.mark.parametrize("level", LEVELS, ids=[level.name for level in LEVELS])
def test_a_panel_that_is_armed_while_all_are_away_fires_at_who_shows_indoors(level: Strictness) -> None:
    rules = Rules(household(), level)
    steps = [("hall", "on"), ("residents", "away"), ("hall", "off"), ("hall", "on"), ("door", "open")]
    steps += [("residents", "home"), ("hall", "on")]
    fired = [rules.look(event(timedelta(hours=12, minutes=m), *step))[0] for m, step in enumerate(steps)]
    assert fired == [0, 0, 0, float(level.armed_away), 0, 0, 0]


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
    assert peer.learned == [("hall", 1), ("hall", 1), ("hall", 10), ("hall", 10)]


def test_a_threshold_is_found_for_scores_below_zero_too() -> None:
    alarmed = Alarmed(household(), Loudness(), 1.0)
    assert not any(alarmed.event(loud(day, value)) for day, value in enumerate([-5, -2, -3, *[-9] * 11]))
    assert not alarmed.event(loud(14, -5))
    assert alarmed.event(loud(15, -4.9))


def test_a_copy_of_a_guarding_peer_holds_and_counts_on_its_own() -> None:
    peer = Loudness()
    alarmed = Alarmed(household(), peer, None)
    (told,) = alarmed.event(loud(0, 1))
    twin = alarmed.copy()
    twin.event(loud(0.001, 1, "lamp"))
    twin.answer(told.at, told.incident)
    alarmed.answer(told.at, told.incident)
    assert peer.learned == [("hall", 1), ("hall", 10)]


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


def routine(days: int) -> list[Event]:
    """The same forty events each day, some seconds apart from day to day."""
    steps = [(7 + n * 0.4, "hall", ("on", "off")[n % 2]) for n in range(32)]
    steps += [(7.1, "door", "open"), (7.11, "door", "closed"), (18.1, "door", "open"), (18.11, "door", "closed")]
    steps += [(19.1, "lamp", "on"), (20.1, "lamp", "off"), (20.3, "lamp", "on"), (22.0, "lamp", "off")]
    return [
        event(timedelta(days=day, hours=hour, seconds=day * 7 % 60), device, action)
        for day in range(days)
        for hour, device, action in sorted(steps)
    ]


def test_every_feature_lies_between_zero_and_one_and_says_what_it_should() -> None:
    features = Features("Europe/Paris")
    rows = [features.row(e) for e in routine(14)]
    assert {len(row) for row in rows} == {17}
    assert all(0 <= value <= 1 for row in rows for value in row)
    assert rows[0][3] == rows[0][4] == 1  # nothing came before it
    assert rows[0][2] == 0  # 2024-01-01 was a Monday
    assert rows[5 * 40][2] == 1
    assert rows[0][0] == pytest.approx(0.5 + 3**0.5 / 4)  # 07:00 UTC is 08:00 in Paris: the sine of 120 degrees
    usual = features.row(event(timedelta(days=14, hours=7)))
    odd = features.row(event(timedelta(days=14, hours=12), "lamp", "flicker"))
    assert all(rare > common for rare, common in zip(odd[5:8], usual[5:8], strict=True))
    assert rows[1][9:13] == rows[2][9:13]  # one device
    assert rows[1][13:] != rows[2][13:]  # two activities


def test_presence_is_a_feature_from_the_event_after_it_was_told() -> None:
    features = Features("UTC")
    steps = [("hall", "on"), (RESIDENTS.name, "away"), ("hall", "on"), (RESIDENTS.name, "home"), ("hall", "on")]
    rows = [features.row(event(timedelta(minutes=m), *step)) for m, step in enumerate(steps)]
    assert [row[8] for row in rows] == [0.5, 0.5, 0, 0, 1]


def test_a_copy_of_the_features_goes_on_alike_and_adds_nothing_to_the_original() -> None:
    first, rest = routine(4)[:100], routine(4)[100:]
    one, other = Features("UTC"), Features("UTC")
    for e in first:
        one.row(e)
        other.row(e)
    twin = one.copy()
    again = twin.copy()
    seen = [twin.row(e) for e in rest]
    assert [again.row(e) for e in rest] == seen
    assert [one.row(e) for e in rest] == [other.row(e) for e in rest] == seen


def test_the_walk_through_a_forest_gives_scikit_learns_own_scores() -> None:
    chance = np.random.default_rng(7)
    for rows in (1, 2, 1000):
        values = chance.random((rows, 17)).astype(np.float32).round(2)
        fitted = Scikits(random_state=5).fit(values)
        probes = np.concatenate([values[:50], chance.random((50, 17)).astype(np.float32)])
        walked = [Forest(fitted).score(tuple(row)) for row in probes.tolist()]
        assert walked == pytest.approx((-fitted.score_samples(probes)).tolist(), abs=1e-12)


def test_the_forest_is_fitted_at_midnight_on_what_came_before() -> None:
    forest = IsolationForest(3)
    rows: list[Row] = [(0.1 * n, 0.5) for n in range(8)]
    strange = (0.9, 0.0)
    assert forest.score(strange) == 0
    assert [forest.score_and_learn(row) for row in rows] == [0] * 8
    forest.midnight()
    before = forest.score(strange)
    assert before > forest.score(rows[4])
    forest.learn(strange, 10)
    assert forest.score(strange) == before
    forest.midnight()
    assert forest.score(strange) < before


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_what_never_was_stranger_and_is_the_same_again_from_its_seed(name: str) -> None:
    stream = routine(8)

    def scores(seed: int) -> tuple[list[float], float]:
        peer = Featured(household(), DETECTORS[name].make(seed))
        usual = [peer.look(e)[0] for e in stream]
        return usual, peer.look(event(timedelta(days=8, hours=3), "lamp", "flicker"))[0]

    usual, strange = scores(1)
    assert strange > max(usual[-80:])
    assert (usual, strange) == scores(1)
    assert (usual, strange) != scores(2)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("apart", [1, 60], ids=["within minutes", "for hours"])
def test_a_copy_on_trial_teaches_the_original_nothing(name: str, apart: int) -> None:
    def taught() -> Featured:
        peer = Featured(household(), DETECTORS[name].make(1))
        for e in routine(12):
            peer.look(e)
        return peer

    night = [event(timedelta(days=12, seconds=apart * s), "door", ("open", "closed")[s % 2]) for s in range(300)]
    peer, other = taught(), taught()
    twin = peer.copy()
    for e in night:
        twin.confirm(twin.look(e)[1], 10)
    assert [peer.look(e)[0] for e in night] == [other.look(e)[0] for e in night]


@pytest.mark.parametrize("name", ["half_space_trees", "loda"])
def test_a_copy_that_lasts_a_day_learns_as_the_original_would(name: str) -> None:
    stream = routine(14)
    peer = Featured(household(), DETECTORS[name].make(1))
    for e in stream[:480]:
        peer.look(e)
    twin = peer.copy()
    scores = [twin.look(e)[0] for e in stream[480:]]
    assert scores[40:] == [peer.look(e)[0] for e in stream[480:]][40:]


def test_a_copy_of_a_forest_keeps_it_for_as_long_as_a_trial_lasts() -> None:
    forest = IsolationForest(3)
    forest.learn((0.5, 0.5), 200)
    forest.learn((0.4, 0.6), 200)
    forest.midnight()
    twin = forest.copy()
    before = twin.score((0.9, 0.9))
    twin.learn((0.9, 0.9), 400)
    twin.midnight()
    assert twin.score_and_learn((0.9, 0.9)) == before == forest.score((0.9, 0.9))


@pytest.mark.parametrize("name", DETECTORS)
def test_an_answer_makes_what_was_strange_less_so(name: str) -> None:
    peer = Featured(household(), DETECTORS[name].make(1))
    for e in routine(12):
        peer.look(e)
    before, seen = peer.copy().look(event(timedelta(days=13, hours=3), "door", "open"))
    for _ in range(30):
        peer.confirm(seen, 10)
    peer.look(event(timedelta(days=13, hours=1)))  # past midnight, when a forest learns
    assert peer.copy().look(event(timedelta(days=13, hours=3), "door", "open"))[0] < before


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {library.missing for library in DETECTORS.values()} == {""}
    monkeypatch.setattr("homeward.bench.peers.libraries.find_spec", lambda module: None)
    assert "River is not installed" in DETECTORS["half_space_trees"].missing


def test_homeward_is_imported_without_the_libraries_of_its_peers() -> None:
    libraries = "{'numpy', 'pysad', 'river', 'sklearn'}"
    code = f"import sys, homeward.cli, homeward.bench.quiet; print(sorted({libraries} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
