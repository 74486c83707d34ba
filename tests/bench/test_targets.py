from __future__ import annotations

from typing import Any

import pytest

from homeward.bench.statistics import wilson
from homeward.bench.targets import LEAST, quiet_targets

SCENARIOS = (*LEAST, "decoy", "away_entry_by_door", "homecoming")


def rate(detected: int, trials: int = 100) -> dict[str, Any]:
    low, high = wilson(detected, trials)
    return {"trials": trials, "detected": detected, "rate": detected / trials, "low": low, "high": high}


def home(alarms: int = 5, weeks: float = 10.0, **detected: int) -> dict[str, Any]:
    """A home that detects all and has no false alarm at a homecoming, but for what is named."""
    of_all = {**dict.fromkeys(SCENARIOS, 100), "homecoming": 0, **detected}
    figures = {
        "alarms": alarms,
        "weeks": weeks,
        "alarms_per_week": alarms / weeks,
        "worst_week": 1,
        "scenarios": {name: rate(hits) if hits >= 0 else None for name, hits in of_all.items()},
    }
    return {"real": True, "weeks": weeks, "budgets": dict.fromkeys(("0.25", "1", "7"), figures)}


def targets(mine: dict[str, Any], **peers: dict[str, Any]) -> dict[str, Any]:
    result = {
        "homes": {"x": mine},
        "pooled": {"real": mine["budgets"], "simulated": None},
        "peers": {name: {"x": peer} for name, peer in peers.items()},
    }
    return quiet_targets(result)


def test_a_home_that_catches_all_meets_every_target() -> None:
    judged = targets(home(alarms=2), chain=home(night_entry=50))
    assert judged["simulated"] is None
    assert {name for name, target in judged["real"].items() if target["met"] is not True} == set()
    assert {name for name, target in judged["homes"]["x"].items() if target["met"] is not True} == set()
    assert {"alarms_at_0.25", "alarms_at_1", "alarms_at_7"} <= set(judged["real"])
    assert "alarms_at_0.25" not in judged["homes"]["x"]


def test_a_pool_may_have_no_alarm_more_than_its_budget() -> None:
    assert targets(home(alarms=10))["real"]["alarms_at_1"] == {"met": True, "figure": 10, "at_most": 10.0}
    assert targets(home(alarms=3, weeks=0.428571))["real"]["alarms_at_7"]["met"] is True  # of three days
    judged = targets(home(alarms=11))
    assert judged["real"]["alarms_at_1"]["met"] is False
    assert judged["homes"]["x"]["alarms_at_1"]["met"] is True  # chance alone gives 11 for 10 often enough
    assert targets(home(alarms=20))["homes"]["x"]["alarms_at_1"]["met"] is False


def test_a_home_of_less_than_four_weeks_is_not_judged_by_its_alarms() -> None:
    assert targets(home(alarms=30, weeks=3.9))["homes"]["x"]["alarms_at_1"]["met"] is None


@pytest.mark.parametrize(
    ("scenario", "detected", "met"),
    [
        ("night_entry", 98, True), ("night_entry", 96, False), ("odd_hour_entry", 73, True),
        ("odd_hour_entry", 70, False), ("flood", 100, True), ("flood", 99, False), ("homecoming", 2, True),
        ("homecoming", 4, False), ("decoy", 96, True), ("decoy", 95, False),
    ],
)  # fmt: skip
def test_a_rate_misses_only_if_its_interval_lies_wholly_on_the_wrong_side(
    scenario: str, detected: int, met: bool
) -> None:
    judged = targets(home(5, 10.0, **{scenario: detected}))
    for target in (judged["real"][scenario], judged["homes"]["x"][scenario]):
        assert target["met"] is met
        assert target["figure"] == detected / 100


def test_what_was_not_tried_is_not_judged() -> None:
    judged = targets(home(night_entry=-1, stranger=-1))
    assert judged["real"]["stranger"] == {"met": None, "figure": None, "low": None, "high": None, "at_least": 0.99}
    assert judged["real"]["night_entry"]["met"] is None
    assert "decoy" not in judged["real"]  # which is measured by the night entry
    assert judged["real"]["below_no_peer"]["met"] is None


def test_a_peer_that_is_better_by_more_than_the_interval_is_named() -> None:
    judged = targets(
        home(odd_hour_entry=60, homecoming=50), chain=home(), rules=home(odd_hour_entry=65, homecoming=60)
    )
    below = judged["real"]["below_no_peer"]
    assert below["met"] is False
    assert [(one["peer"], one["scenario"]) for one in below["below"]] == [
        ("chain", "odd_hour_entry"),
        ("chain", "homecoming"),
    ]
    assert judged["real"]["ahead_in_the_mean"]["met"] is False
    assert targets(home(flood=97), chain=home(flood=98))["real"]["below_no_peer"]["met"] is True


def test_a_peer_is_compared_on_the_homes_that_it_saw() -> None:
    good, bad, none = home(), home(night_entry=0), {**home(), "budgets": {}}
    result = {
        "homes": {"good": good, "bad": bad},
        "pooled": {"real": good["budgets"], "simulated": None},
        "peers": {"slow": {"bad": home(night_entry=10), "good": none}},
    }
    mean = quiet_targets(result)["real"]["ahead_in_the_mean"]["peers"]["slow"]
    assert mean["homes"] == 1
    assert mean["ours"] == pytest.approx(9 / 10, abs=1e-6)
    assert mean["figure"] == pytest.approx(9.1 / 10, abs=1e-6)
    assert quiet_targets(result)["homes"]["good"]["ahead_in_the_mean"]["met"] is None
