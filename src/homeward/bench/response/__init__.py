"""`homeward bench response`: does it learn what this owner wants?

Simulated owners, each with true costs of every rung, meet a thousand incidents, one in twenty of them real, under
the fixed ladder, under the bandit, and under others. Answers come hours later or never. Nothing is read; everything
is a pure function of the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from homeward.bench.catalogue import SEED
from homeward.bench.response.goals import targets
from homeward.bench.response.incidents import REAL, Incident, incidents
from homeward.bench.response.others import PEERS, Oracle, WithinReach, missing
from homeward.bench.response.owners import OWNERS, Owner
from homeward.bench.response.shown import markdown, table
from homeward.bench.response.thresholds import HOMES, moved
from homeward.bench.response.trial import Trial
from homeward.bench.response.trial import run as live
from homeward.core.decision.bandit import Bandit, BanditState
from homeward.core.decision.ladder import Rung
from homeward.core.decision.off_policy import Chances, estimate
from homeward.core.decision.policy import Ladder
from homeward.core.decision.reward import cost
from homeward.core.decision.trial import Learning

__all__ = ["Sizes", "markdown", "run", "table"]

FIRST_ANSWERS: Final = 100
"""Costs count from when the owner has answered so often: then something can have been learned."""

RESAMPLED: Final = 1000
DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is simulated: ``seeds`` lives of so many ``incidents`` for each owner; on the first of these, peers
    (``peers``) and the off-policy estimate (``estimates``) are measured, the latter against ``fresh`` incidents. In
    so many ``homes`` a real engine lives some weeks with a hostile owner."""

    seeds: int = 50
    incidents: int = 1000
    peers: int = 10
    estimates: int = 10
    fresh: int = 10_000
    homes: int = HOMES


WHOLE: Final = Sizes()


def run(
    data: Path,  # noqa: ARG001  # nothing recorded is read
    *,
    seed: int = SEED,
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,  # noqa: ARG001  # minutes on one core
    sizes: Sizes = WHOLE,
) -> dict[str, Any]:
    """Every owner under every policy.

    Beside ``owners`` there are ``peers``, each with the ladder and the bandit on the same lives, ``off_policy`` by
    owner, ``off_policy_error``, their mean, ``thresholds_moved`` by a hostile owner's answers in a real engine
    (``hostile_answers``: how many, and how many were refused), and ``targets``.
    """
    lacking = {peer: why for peer in PEERS if (why := missing(peer))}
    found: dict[str, Any] = {"owners": {}, "peers": {peer: {} for peer in PEERS if peer not in lacking}}
    estimates: dict[str, Any] = {}
    steps = len(OWNERS) * (sizes.seeds + 1)
    for number, owner in enumerate(OWNERS):
        lives: list[_Lives] = []
        for step in range(sizes.seeds):
            lives.append(_Lives(owner, seed + step, sizes, found["peers"] if step < sizes.peers else ()))
            if progress is not None:
                progress(number * (sizes.seeds + 1) + step + 1, steps, owner.name)
        random = Random(f"response bootstrap {owner.name} {seed}")  # noqa: S311  # resampling, not secrets
        found["owners"][owner.name] = _figures(owner, lives, random)
        for peer, by_owner in found["peers"].items():
            by_owner[owner.name] = _beside(peer, lives[: sizes.peers])
        estimates[owner.name] = _off_policy(owner, seed, sizes)
        if progress is not None:
            progress((number + 1) * (sizes.seeds + 1), steps, f"{owner.name}: off-policy")
    engine = moved(seed, sizes.homes) if sizes.homes else None
    errors = [one["error"] for one in estimates.values() if one["error"] is not None]
    found |= {
        "off_policy": estimates,
        "off_policy_error": round(sum(errors) / len(errors), DIGITS) if errors else None,
        "thresholds_moved": None if engine is None else engine.thresholds,
        "hostile_answers": None if engine is None else {"given": engine.answers, "refused": engine.refused},
        "reasons": lacking,
        "seed": seed,
    }
    return {**found, "targets": targets(found)}


class _Lives:
    """One owner's life at one seed, lived again under each policy; ``first`` is the incident that counts first."""

    def __init__(self, owner: Owner, seed: int, sizes: Sizes, peers: Sequence[str] | Mapping[str, Any]) -> None:
        self.course = course(owner, f"{seed}", sizes.incidents)
        self.trials: dict[str, Trial] = {
            "learned": live(owner, self.course, Bandit()),
            "fixed": live(owner, self.course, Ladder()),
            "oracle": live(owner, self.course, Oracle(owner, self.course)),
            "within_reach": live(owner, self.course, WithinReach(owner)),
            **{peer: live(owner, self.course, PEERS[peer][1](seed)) for peer in peers},
        }
        self.first = self.trials["learned"].answered(FIRST_ANSWERS)

    @property
    def counted(self) -> int:
        """How many incidents count."""
        return len(self.course) - self.first

    def cost(self, policy: str) -> float:
        """The sum over those."""
        return self.trials[policy].after(self.first)


def course(owner: Owner, seed: str, count: int) -> list[Incident]:
    """The incidents of one owner's life."""
    random = Random(f"response {owner.name} {seed}")  # noqa: S311  # an experiment, not a secret
    return list(incidents(random, count, owner.away))


def _figures(owner: Owner, lives: Sequence[_Lives], random: Random) -> dict[str, Any]:
    low, high, low_ratio, high_ratio = _intervals(lives, random)
    fixed, learned = (sum(life.cost(policy) for life in lives) for policy in ("fixed", "learned"))
    return {
        **{f"cost_{policy}": _mean(policy, lives) for policy in ("fixed", "learned", "oracle", "within_reach")},
        "low": low,
        "high": high,
        "ratio": _rounded(learned, fixed),
        "ratio_low": low_ratio,
        "ratio_high": high_ratio,
        "differs": owner.differs,
        "incidents": sum(life.counted for life in lives),
        "guardrail_breaches": sum(life.trials["learned"].breaches for life in lives),
        "attacks": sum(incident.real for life in lives for incident in life.course),
        "attacks_let_through": sum(life.trials["learned"].through for life in lives),
        "attacks_let_through_fixed": sum(life.trials["fixed"].through for life in lives),
        "attacks_let_through_if_added": sum(life.trials["learned"].through_if_added for life in lives),
        "attacks_let_through_fixed_if_added": sum(life.trials["fixed"].through_if_added for life in lives),
    }


def _mean(policy: str, lives: Sequence[_Lives]) -> float | None:
    return _rounded(sum(life.cost(policy) for life in lives), sum(life.counted for life in lives))


def _rounded(part: float, whole: float) -> float | None:
    return round(part / whole, DIGITS) if whole else None


def _intervals(
    lives: Sequence[_Lives], random: Random
) -> tuple[float | None, float | None, float | None, float | None]:
    """95 % intervals of the bandit's cost and of its ratio to the ladder's, over lives."""
    sums = [(life.cost("learned"), life.cost("fixed"), life.counted) for life in lives]
    costs, ratios = [], []
    for _ in range(RESAMPLED):
        learned, fixed, counted = (sum(column) for column in zip(*random.choices(sums, k=len(sums)), strict=True))
        if counted and fixed:
            costs.append(learned / counted)
            ratios.append(learned / fixed)
    if not costs:
        return None, None, None, None
    ends = [sorted(values)[int(share * len(values))] for values in (costs, ratios) for share in (0.025, 0.975)]
    return round(ends[0], DIGITS), round(ends[1], DIGITS), round(ends[2], DIGITS), round(ends[3], DIGITS)


def _beside(peer: str, lives: Sequence[_Lives]) -> dict[str, Any]:
    """A peer's figures, and on the same lives the ladder's and the bandit's."""
    return {
        "cost": _mean(peer, lives),
        "cost_fixed": _mean("fixed", lives),
        "cost_learned": _mean("learned", lives),
        "guardrail_breaches": sum(life.trials[peer].breaches for life in lives),
        "attacks_let_through": sum(life.trials[peer].through for life in lives),
        "attacks_let_through_fixed": sum(life.trials["fixed"].through for life in lives),
        "attacks_let_through_learned": sum(life.trials["learned"].through for life in lives),
    }


def _off_policy(owner: Owner, seed: int, sizes: Sizes) -> dict[str, Any]:
    """How far what is estimated from the log of a trial, of the policy that was learned in it, lies from what that
    policy really costs: in the guard's own terms, on incidents that it never met."""
    fresh = [(incident, _seen(owner, incident)) for incident in course(owner, f"{seed} fresh", sizes.fresh)]
    told = [  # each kind with its true share, so that chance does not move it
        (REAL, [one for one in fresh if one[0].real]),
        (1 - REAL, [one for one in fresh if not one[0].real]),
    ]
    errors, biases, within, refused = [], [], 0, 0
    for step in range(sizes.estimates):
        state = BanditState()
        trial = live(owner, course(owner, f"{seed + step}", sizes.incidents), Learning("trial", state))
        policy = Bandit(state, frozen=True).chances
        found = estimate(trial.log, policy)
        if found.dr is None or found.low is None or found.high is None:
            refused += 1
            continue
        truth = sum(share * _mean_cost(policy, kind) for share, kind in told)
        errors.append(abs(found.dr - truth) / truth)
        biases.append((found.dr - truth) / truth)
        within += found.low <= truth <= found.high
    count = len(errors)
    return {
        "error": round(sum(errors) / count, DIGITS) if count else None,
        "bias": round(sum(biases) / count, DIGITS) if count else None,
        "within": within,
        "estimates": count,
        "refused": refused,
    }


def _mean_cost(policy: Chances, met: Sequence[tuple[Incident, Mapping[Rung, float]]]) -> float:
    chosen = (
        chance * seen[rung]
        for incident, seen in met
        for rung, chance in policy(incident.evidence, incident.options).items()
    )
    return sum(chosen) / len(met) if met else 0.0


def _seen(owner: Owner, incident: Incident) -> dict[Rung, float]:
    """What the guard would see each rung cost."""
    found: dict[Rung, float] = {}
    for rung in incident.options:
        minded = not incident.real and incident.chance.minds < owner.true_cost(rung, incident.evidence)
        found[rung] = cost(rung, owner.answer(incident, rung, minded=minded)[1]) or 0.0
    return found
