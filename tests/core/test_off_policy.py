"""What another policy would have cost, from a log of what one did; and a decision as a line of the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.decision.bandit import Bandit
from homeward.core.decision.ladder import LADDER, Rung
from homeward.core.decision.off_policy import (
    HEAD,
    Chances,
    Logged,
    compare,
    estimate,
    gather,
    read,
    read_cost,
    written,
    written_cost,
)
from homeward.core.decision.policy import Choice, Evidence
from homeward.core.decision.reward import passes
from homeward.core.effects import Record

SENSOR: tuple[Rung, ...] = ("record", "notify", "ask")
AT = datetime(2026, 1, 1, tzinfo=UTC)

flags = st.booleans()
evidences = st.builds(
    Evidence, above=st.integers(-(1 << 20), 1 << 20), rule=flags, guarded=flags, away=flags, night=flags,
    kind=st.sampled_from(["unusual", "rule", "silent", "blind", "network", "new"]),
)  # fmt: skip


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    rungs = draw(st.sets(st.sampled_from([step.rung for step in LADDER]), min_size=1))
    options = tuple(step.rung for step in LADDER if step.rung in rungs)
    chance = draw(st.floats(0, 1, exclude_min=True))
    return Choice(rung=draw(st.sampled_from(options)), propensity=chance, options=options)


# A decision as a line -----------------------------------------------------------------------------------------------


@given(evidences, choices())
def test_what_is_written_can_be_read(evidence: Evidence, choice: Choice) -> None:
    line = written(evidence, choice)
    assert read(line) == (evidence, choice)
    assert line.isascii()
    assert "\n" not in line


def test_a_line_is_stable() -> None:
    evidence = Evidence(above=512, rule=False, guarded=False, night=True)
    line = written(evidence, Choice(rung="ask", propensity=0.9, options=("notify", "ask")))
    assert line == (
        "rung=ask propensity=0.9 options=notify,ask above=512 kind=unusual guarded=0 away=0 night=1 rule=0"
    )  # fmt: skip
    assert written_cost(0.5) == "cost=0.5"


@given(st.text(max_size=120))
def test_anything_else_is_no_decision_and_no_cost(text: str) -> None:
    assert read(text) is None
    assert read_cost(text) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rung=ask", "rung=siren"), ("rung=ask", "rung=undo"), ("propensity=0.9", "propensity=0"),
        ("propensity=0.9", "propensity=nan"), ("propensity=0.9", "propensity=1.1"), ("above=512", "above=much"),
        ("kind=unusual", "kind=odd"), ("guarded=0", "guarded=2"), ("options=notify,ask", "options=ask,notify"),
        ("options=notify,ask", "options=notify,ask,ask"), (" rule=0", ""), (" rule=0", " rule=0 rule=0"),
        (" night=1", "  night=1"),
    ],
)  # fmt: skip
def test_a_broken_line_is_no_decision(old: str, new: str) -> None:
    line = "rung=ask propensity=0.9 options=notify,ask above=512 kind=unusual guarded=0 away=0 night=1 rule=0"
    assert read(line) is not None
    assert read(line.replace(old, new)) is None


@given(st.floats(0, 100))
def test_a_cost_can_be_read(cost: float) -> None:
    assert read_cost(written_cost(cost)) == cost


def test_a_journal_gives_its_decisions_with_their_costs() -> None:
    evidence = Evidence(above=512, rule=False, guarded=False)
    first, second = (Choice(rung=rung, propensity=0.5, options=SENSOR) for rung in ("notify", "ask"))

    def record(kind: str, subject: str, detail: str) -> Record:
        return Record(at=AT, kind=kind, subject=subject, detail=detail)

    found = gather(
        [
            record("choice", "i1", "ask, propensity 1.0"),  # an older version's
            record("reward", "i1", "cost=1.0"),
            record("choice", "i2", written(evidence, first)),
            record("choice", "i3", written(evidence, second)),
            record("reward", "i3", "cost=1.0"),
            record("held", "i2", ""),
            record("reward", "i2", "cost=0.0"),
            record("choice", "i2", written(evidence, second)),  # it went on, and nobody answered since
            record("reward", "i4", "cost=0.0"),
            record("reward", "i2", "cost=inf"),
        ]
    )
    assert found == [Logged(evidence, first, 0.0), Logged(evidence, second, 1.0)]


# What a policy would have cost --------------------------------------------------------------------------------------

COSTS = {"notify": 0.2, "ask": 0.6}
"""By day; at night twice as much, at most 1."""


def costs(rung: Rung, evidence: Evidence) -> float:
    return min(1.0, COSTS[rung] * (2 if evidence.night else 1))


def always(rung: Rung, share: float = 1.0) -> Chances:
    def policy(evidence: Evidence, options: Sequence[Rung]) -> Mapping[Rung, float]:
        other: Rung = "ask" if rung == "notify" else "notify"
        return {rung: share, other: 1 - share}

    return policy


def by_night(evidence: Evidence, options: Sequence[Rung]) -> Mapping[Rung, float]:
    return {"notify" if evidence.night else "ask": 1.0}


def log(random: Random, count: int = 1000, asks: float = 0.7) -> list[Logged]:
    """Somebody asks so often, and tells otherwise."""
    found = []
    for _ in range(count):
        evidence = Evidence(above=512, rule=False, guarded=False, night=random.random() < 0.3)
        rung: Rung = "ask" if random.random() < asks else "notify"
        cost = float(random.random() < costs(rung, evidence))
        chance = asks if rung == "ask" else 1 - asks
        found.append(Logged(evidence, Choice(rung=rung, propensity=chance, options=SENSOR), cost))
    return found


@pytest.mark.parametrize(
    ("policy", "truth"),
    [
        (always("notify"), 0.7 * 0.2 + 0.3 * 0.4),
        (always("ask"), 0.7 * 0.6 + 0.3 * 1.0),
        (by_night, 0.7 * 0.6 + 0.3 * 0.4),
        (always("ask", 0.5), 0.5 * (0.26 + 0.72)),
    ],
)
def test_estimates_are_right_in_the_mean_and_the_interval_holds_the_truth(policy: Chances, truth: float) -> None:
    found = [estimate(log(Random(seed), 500), policy) for seed in range(100)]
    for name in ("ips", "snips", "dr"):
        mean = sum(getattr(one, name) for one in found) / len(found)
        assert mean == pytest.approx(truth, abs=0.02), name
    within = sum(one.low is not None and one.high is not None and one.low <= truth <= one.high for one in found)
    assert within >= 90
    spread = {name: sum((getattr(one, name) - truth) ** 2 for one in found) for name in ("ips", "dr")}
    assert spread["dr"] <= 1.15 * spread["ips"]


def test_what_was_never_tried_is_not_estimated() -> None:
    deterministic = [
        one._replace(choice=Choice(rung="ask", propensity=1.0, options=SENSOR)) for one in log(Random(1))
    ]
    found = estimate(deterministic, always("notify"))
    assert (found.dr, found.low, found.ips) == (None, None, None)
    assert found.reason == "in 100% of the decisions it would do what was never tried"
    same = estimate(deterministic, always("ask"))
    assert same.dr == pytest.approx(sum(one.cost for one in deterministic) / len(deterministic))


def test_a_log_that_is_too_thin_says_so() -> None:
    found = estimate(log(Random(1), 200, asks=0.98), always("notify"))
    assert found.dr is None
    assert found.reason.endswith("decisions would; it takes 30")
    assert estimate([], always("notify")).reason == "there is no decision whose cost is known"


def test_a_bandit_can_be_compared_with_what_was_done() -> None:
    bandit = Bandit()
    rows = compare(
        log(Random(1)), {"notify": always("notify"), "ladder": Bandit(frozen=True).chances, "b": bandit.chances}
    )
    assert all(len(row) == len(HEAD) for row in rows)
    assert [row[0] for row in rows] == ["as it was", "notify", "ladder", "b"]
    assert 0.2 < float(rows[1][1]) < 0.32
    assert rows[2][1:] == rows[3][1:]
    assert compare([], {"x": always("ask")})[1][-1]


def test_what_was_wrong_is_known_for_every_rung_without_a_weight() -> None:
    """One incident in ten was "not me"; asking and telling differ by what they are believed to let through."""
    truth = 0.1 * passes("notify") + 0.9 * 0.26
    found = []
    for seed in range(40):
        mixed = [
            one._replace(cost=passes(one.choice.rung)) if number % 10 == 0 else one
            for number, one in enumerate(log(Random(seed), 500))
        ]
        found.append(estimate(mixed, always("notify")))
    errors = {name: [getattr(one, name) - truth for one in found] for name in ("ips", "dr")}
    assert sum(errors["dr"]) / len(found) == pytest.approx(0, abs=0.02)
    spread = {name: sum(error**2 for error in them) for name, them in errors.items()}
    assert spread["dr"] < 0.3 * spread["ips"]
