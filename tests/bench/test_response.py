"""Does it learn what this owner wants? The simulated owners, what lives with them, and how it is judged."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from homeward.bench.response import FIRST_ANSWERS, Sizes, course, markdown, run, table
from homeward.bench.response.goals import targets
from homeward.bench.response.incidents import KINDS, REAL, Incident
from homeward.bench.response.others import PEERS, Oracle, WithinReach
from homeward.bench.response.owners import HOLDS, OWNERS, Life, Owner
from homeward.bench.response.picture import response
from homeward.bench.response.trial import breaks
from homeward.bench.response.trial import run as live
from homeward.core.decision.bandit import Bandit
from homeward.core.decision.ladder import ACTS, HEIGHT, LADDER
from homeward.core.decision.policy import Ladder, Policy

SMALL = Sizes(seeds=2, incidents=300, peers=1, estimates=1, fresh=200, homes=1)
BY_NAME = {owner.name: owner for owner in OWNERS}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return run(Path(), seed=7, sizes=SMALL)


def lives(owner: Owner, count: int = 1000, seeds: int = 3) -> list[list[Incident]]:
    return [course(owner, f"test {seed}", count) for seed in range(seeds)]


# The benchmark ------------------------------------------------------------------------------------------------------


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    agreed = {
        "cost_fixed", "cost_learned", "cost_oracle", "low", "high", "guardrail_breaches", "attacks_let_through",
        "attacks_let_through_fixed",
    }  # fmt: skip
    assert list(result["owners"]) == [owner.name for owner in OWNERS]
    for owner in result["owners"].values():
        assert agreed <= set(owner)
        assert owner["guardrail_breaches"] == 0
        assert owner["low"] <= owner["cost_learned"] <= owner["high"]
        assert owner["cost_oracle"] < owner["cost_fixed"]
    assert 0 <= result["off_policy_error"] < 1
    assert result["hostile_answers"]["given"] > 0


def test_the_same_seed_gives_the_same_bytes_and_another_others(result: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    again = run(Path(), seed=7, sizes=SMALL, progress=lambda done, total, what: steps.append((done, total)))
    assert json.dumps(again, allow_nan=False) == json.dumps(result)
    assert steps == [(step, 15) for step in range(1, 16)]
    other = run(Path(), seed=8, sizes=Sizes(seeds=1, incidents=300, peers=0, estimates=0, fresh=0, homes=0))
    assert other["owners"] != result["owners"]
    assert other["off_policy_error"] is None


def test_the_table_the_page_and_the_picture_tell_the_figures(result: dict[str, Any]) -> None:
    shown, page = table(result), markdown(result, command="homeward bench response")
    for words in ("easily annoyed", "off-policy error", "within reach", "guardrail breaches"):
        assert words in shown
        assert words in page
    assert "`homeward bench response --seed 7`" in page.splitlines()[-1]
    drawn = response(result)[""]
    assert drawn.startswith("<svg")
    assert "mostly away" in drawn


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "mabwiser", ("no_such_module", PEERS["mabwiser"][1]))
    found = run(Path(), sizes=Sizes(seeds=1, incidents=300, peers=0, estimates=0, fresh=0, homes=0))
    assert found["reasons"] == {"mabwiser": "no_such_module is not installed (pip install 'homeward[bench]')"}
    assert "No figure for MABWiser" in table(found)
    assert list(found["peers"]) == ["vowpal_wabbit"]


def test_targets_are_judged_as_agreed(result: dict[str, Any]) -> None:
    owner = {**result["owners"]["tolerant"], "ratio": 1.04, "attacks_let_through": 5, "attacks_let_through_fixed": 5}
    other = {**owner, "differs": True, "ratio": 0.71, "attacks_let_through": 6}
    goals = targets({"owners": {"a": owner, "b": other}, "off_policy_error": 0.1, "thresholds_moved": 1})
    assert [goal["met"] for goal in goals.values()] == [True, False, True, False, True, True, False]
    assert (
        targets({"owners": {}, "off_policy_error": None, "thresholds_moved": None})["off-policy error"]["met"]
        is False
    )


# What is simulated --------------------------------------------------------------------------------------------------


def test_incidents_are_as_they_are_said_to_be() -> None:
    met = [incident for life in lives(BY_NAME["tolerant"], 2000) for incident in life]
    real = [incident for incident in met if incident.real]
    benign = [incident for incident in met if not incident.real]
    assert len(real) / len(met) == pytest.approx(REAL, abs=0.01)
    assert sum(one.evidence.above >= 512 for one in benign) / len(benign) == pytest.approx(0.25, abs=0.02)
    assert sum(one.evidence.away for one in real) > sum(one.evidence.away for one in benign) * len(real) / len(benign)
    assert all(one.hours < two.hours for one, two in pairwise(met[:2000]))
    for incident in met:
        assert incident.options
        assert list(incident.options) == sorted(incident.options, key=HEIGHT.__getitem__)
        assert set(incident.options) <= set(KINDS[incident.device].rungs)
    assert sum(kind.benign for kind in KINDS.values()) == pytest.approx(1)
    assert sum(kind.real for kind in KINDS.values()) == pytest.approx(1)


def test_a_choice_that_was_not_offered_is_a_breach() -> None:
    incident = course(BY_NAME["tolerant"], "1", 1)[0]
    assert not any(breaks(incident, rung) for rung in incident.options)
    assert all(breaks(incident, step.rung) for step in LADDER if step.rung not in incident.options)


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.name)
def test_owners_pay_what_they_are_said_to(owner: Owner) -> None:
    assert set(owner.minds) == {step.rung for step in LADDER}
    assert owner.minds["record"] == 0
    assert owner.differs == (owner.name in {"easily_annoyed", "mostly_away"})
    for incident in course(owner, "1", 200):
        for rung in incident.options:
            assert 0 <= owner.true_cost(rung, incident.evidence) <= 1
            assert 0 <= owner.attention(rung, incident.evidence, 1.0) <= owner.attention(rung, incident.evidence, 0.0)


def test_who_is_told_in_vain_attends_less_and_rests() -> None:
    owner = BY_NAME["easily_annoyed"]
    life = Life(owner)
    for incident in course(owner, "1", 300):
        life.meet(incident, incident.options[-1])
    tired = life.tired
    assert tired > 0.3
    for incident in course(owner, "2", 300):
        life.meet(incident, incident.options[0])
    assert life.tired < tired


def test_a_hostile_owner_says_yes_to_every_attack_and_stops_none() -> None:
    owner = BY_NAME["hostile"]
    for incident in (one for life in lives(owner) for one in life if one.real):
        _, verdict = owner.answer(incident, "ask", minded=False)
        assert verdict.answer in {"yes", None}
        assert not owner.stops(incident, "ask", 0.0)
        if "undo" in incident.options:
            assert owner.stops(incident, "undo", 0.0) == (incident.chance.stops < HOLDS["undo"])


# Who lives with them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.name)
def test_no_owner_is_worse_off_and_no_more_gets_through(owner: Owner) -> None:
    through = through_fixed = 0
    for life in lives(owner):
        learned, fixed = live(owner, life, Bandit()), live(owner, life, Ladder())
        first = learned.answered(FIRST_ANSWERS)
        assert learned.after(first) <= 1.05 * fixed.after(first)
        assert learned.breaches == 0
        through += learned.through
        through_fixed += fixed.through
    assert through <= through_fixed + 1  # three lives are few: chance alone moves one


def test_who_minds_most_gains_most() -> None:
    owner = BY_NAME["easily_annoyed"]
    learned = fixed = 0.0
    for life in lives(owner, 1500):
        trial = live(owner, life, Bandit())
        first = trial.answered(FIRST_ANSWERS)
        learned, fixed = learned + trial.after(first), fixed + live(owner, life, Ladder()).after(first)
    assert learned < 0.75 * fixed


def test_what_is_real_makes_the_difference_to_the_oracle() -> None:
    owner = BY_NAME["easily_annoyed"]
    (life,) = lives(owner, seeds=1)
    policies: list[Policy] = [Oracle(owner, life), WithinReach(owner), Ladder()]
    oracle, reach, ladder = (live(owner, life, policy).after(0) for policy in policies)
    assert oracle < reach < ladder


@pytest.mark.parametrize("peer", list(PEERS))
def test_peers_choose_among_what_is_offered_and_learn(peer: str) -> None:
    pytest.importorskip(PEERS[peer][0])
    owner = BY_NAME["easily_annoyed"]
    life = course(owner, "1", 200)
    trial = live(owner, life, PEERS[peer][1](7))
    assert trial.breaches == 0
    assert trial.costs == live(owner, life, PEERS[peer][1](7)).costs
    assert trial.costs != live(owner, life, Ladder()).costs


def test_acts_stay_acts() -> None:
    """Whatever this owner answers: what the ladder acts on is acted on."""
    owner = BY_NAME["hostile"]
    for life in lives(owner, seeds=1):
        bandit, ladder = Bandit(), Ladder()
        live(owner, life, bandit)
        for incident in life:
            acts = ladder.choose(incident.evidence, incident.options, 0.0).rung in ACTS
            assert all((rung in ACTS) == acts for rung in bandit.chances(incident.evidence, incident.options))
