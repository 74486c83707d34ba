"""The guard is no worse than it was: alarms and detections in a small fixed slice, against those that are kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from tests.bench.baseline import (
    HOUSEHOLDS,
    SEED,
    TRIED,
    UNTRIED,
    fewer_than_noise,
    kept,
    measure,
    more_than_noise,
    worse,
)

from homeward.bench.methods import Homeward, Interruption
from homeward.bench.report import BENIGN
from homeward.core.event import Event


class Deaf:
    """A guard that never says a word."""

    def event(self, event: Event) -> Sequence[Interruption]:
        return ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:
        return ()

    def ready_after_days(self) -> float | None:
        return None

    def copy(self) -> Deaf:
        return self


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return kept()


def test_the_guard_is_no_worse_than_it_was(before: dict[str, Any]) -> None:
    assert worse(measure(), before) == []


def test_what_is_kept_is_worth_comparing_with(before: dict[str, Any]) -> None:
    assert SEED < 1000, "published seeds are not for tuning"
    assert len(before) == len(HOUSEHOLDS)
    assert all(set(home["alarms"]) == {f"{TRIED:g}", f"{UNTRIED:g}"} for home in before.values())
    caught = [hits for home in before.values() for name, (_, hits) in home["scenarios"].items() if name != BENIGN]
    assert sum(caught) > 100, "where nothing is caught nothing can be lost"


def test_a_guard_that_is_silent_is_found_out(before: dict[str, Any]) -> None:
    found = worse(measure(lambda home, budget: Deaf(), HOUSEHOLDS[-1:]), before)
    assert any(line.startswith("all scenarios: 0 of ") for line in found)
    assert not any("alarms at" in line for line in found)


def test_a_guard_that_alarms_at_everything_is_found_out(before: dict[str, Any]) -> None:
    found = worse(measure(lambda home, budget: Homeward(home, 20 * budget), HOUSEHOLDS[-1:]), before)
    assert any("alarms at 1 a week" in line for line in found)


def test_a_slice_that_was_changed_is_not_compared(before: dict[str, Any]) -> None:
    changed = copy.deepcopy(before)
    next(iter(changed.values()))["events"] += 1
    (told,) = worse(changed, before)
    assert "python -m tests.bench.baseline" in told
    assert worse(before, before) == []


@pytest.mark.parametrize(("then", "now"), [(0, 7), (10, 26), (100, 140), (1000, 1108)])
def test_more_alarms_than_noise_makes_are_worse(then: int, now: int) -> None:
    assert more_than_noise(then, now)
    assert not more_than_noise(now, then)


@pytest.mark.parametrize(("then", "now"), [(0, 0), (0, 3), (10, 18), (100, 120), (1000, 1050), (1000, 10)])
def test_noise_and_fewer_alarms_are_not(then: int, now: int) -> None:
    assert not more_than_noise(then, now)


def home(**detected: int) -> dict[str, Any]:
    """One home with a hundred trials of each scenario."""
    tried = {name: (100, count) for name, count in detected.items()}
    return {"home": {"events": 1, "weeks": 1.0, "alarms": {}, "scenarios": tried}}


def test_a_fall_in_one_scenario_is_seen_and_noise_is_not() -> None:
    then = home(decoy=95, flood=100)
    assert worse(home(decoy=91, flood=98), then) == []
    assert worse(home(decoy=100, flood=100), then) == []
    assert [line.split(":")[0] for line in worse(home(decoy=80, flood=100), then)] == ["decoy", "all scenarios"]


def test_a_fall_too_small_for_any_scenario_is_seen_in_all_together() -> None:
    names = [f"s{n}" for n in range(9)]
    then, now = home(**dict.fromkeys(names, 80)), home(**dict.fromkeys(names, 74))
    assert [line.split(":")[0] for line in worse(now, then)] == ["all scenarios"]


def test_more_false_alarms_at_homecomings_are_worse() -> None:
    then = home(homecoming=1, flood=100)
    assert worse(home(homecoming=12, flood=100), then) == ["homecoming: 12 of 100, where there were 1"]
    assert worse(home(homecoming=0, flood=100), then) == []


def test_fishers_exact_test_against_its_own_example() -> None:
    """The lady who tasted tea: of eight cups four of each kind, all told right, has the probability 1/70."""
    assert not fewer_than_noise(4, 0, 4)
    assert fewer_than_noise(5, 0, 5)  # 1/252
