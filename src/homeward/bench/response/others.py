"""What the bandit is measured beside: the oracle, the best within its own bounds, and two libraries' bandits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Final

from homeward.bench.response.incidents import Incident
from homeward.bench.response.owners import HOLDS, Owner
from homeward.core.decision.bandit import may_replace
from homeward.core.decision.ladder import HEIGHT, LADDER, Rung
from homeward.core.decision.policy import Choice, Evidence, Ladder, Policy
from homeward.core.decision.reward import Verdict, cost

BATCH: Final = 10
"""MABWiser is told of so many verdicts at a time: each call takes it as long as ten decisions."""


class Oracle:
    """Knows what is real and what everything costs, and takes the cheapest of what is offered."""

    def __init__(self, owner: Owner, course: Sequence[Incident]) -> None:
        self._owner = owner
        self._course = iter(course)

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:  # noqa: ARG002
        incident = next(self._course)

        def costs(rung: Rung) -> tuple[float, int]:
            if not incident.real:
                return self._owner.true_cost(rung, evidence), HEIGHT[rung]
            return -max(HOLDS[one] for one in options if HEIGHT[one] <= HEIGHT[rung]), -HEIGHT[rung]

        return Choice(rung=min(options, key=costs), propensity=1.0, options=tuple(options))

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Nothing: it knows."""


class WithinReach:
    """Knows what this owner minds, and takes the cheapest rung with which the bandit may replace the ladder's."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._ladder = Ladder()

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        base = self._ladder.choose(evidence, options, draw).rung
        left = [rung for rung in options if rung == base or may_replace(rung, base, evidence)]
        best = min(left, key=lambda rung: self._owner.true_cost(rung, evidence))
        return Choice(rung=best, propensity=1.0, options=tuple(options))

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Nothing: it knows."""


class VowpalWabbit:
    """``cb_explore_adf`` with SquareCB, all else at its defaults."""

    def __init__(self, seed: int) -> None:
        from vowpalwabbit import Workspace  # type: ignore[import-untyped]  # it ships no type information

        self._model = Workspace(f"--cb_explore_adf --squarecb --quiet --random_seed {seed}")

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        chances = self._model.predict(_lines(evidence, options))
        left = draw * sum(chances)
        for rung, chance in zip(options, chances, strict=True):
            left -= chance
            if left < 0:
                return Choice(rung=rung, propensity=chance, options=tuple(options))
        return Choice(rung=options[-1], propensity=chances[-1], options=tuple(options))

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        seen = cost(choice.rung, verdict)
        if seen is not None:
            self._model.learn(_lines(evidence, choice.options, choice, seen))


def _lines(evidence: Evidence, options: Sequence[Rung], choice: Choice | None = None, seen: float = 0.0) -> list[str]:
    """An example as Vowpal Wabbit reads it."""
    flags = " ".join(f"{name}={value:.0f}" for name, value in zip(_NAMES, _features(evidence), strict=True))
    lines = [f"shared |incident {flags} kind={evidence.kind}"]
    for number, rung in enumerate(options):
        label = f"{number}:{seen}:{choice.propensity} " if choice is not None and rung == choice.rung else ""
        lines.append(f"{label}|rung {rung}")
    return lines


class MabWiser:
    """LinUCB at its defaults; of its arms the best that is offered is taken."""

    def __init__(self, seed: int) -> None:
        import numpy
        from mabwiser.mab import MAB, LearningPolicy  # type: ignore[import-untyped]  # neither does it

        self._array = numpy.array
        arms = [step.rung for step in LADDER if step.rung != "escalate"]
        self._model: Any = MAB(arms, LearningPolicy.LinUCB(), seed=seed)
        self._waiting: list[tuple[Rung, float, list[float]]] = []
        self._fitted = False

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        if not self._fitted:
            rung = options[int(draw * len(options))]
        else:
            expected = self._model.predict_expectations(self._array([_features(evidence)]))
            rung = max(options, key=expected.__getitem__)
        return Choice(rung=rung, propensity=1.0, options=tuple(options))

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        seen = cost(choice.rung, verdict)
        if seen is not None:
            self._waiting.append((choice.rung, -seen, _features(evidence)))
        if len(self._waiting) >= BATCH:
            arms, rewards, features = zip(*self._waiting, strict=True)
            learn = self._model.partial_fit if self._fitted else self._model.fit
            learn(list(arms), list(rewards), self._array(features))
            self._fitted, self._waiting = True, []


_NAMES: Final = ("one", "bits", "guarded", "rule", "away", "night")


def _features(evidence: Evidence) -> list[float]:
    """The incident in numbers; whole bits, at most 12."""
    flags = (evidence.guarded, evidence.rule, evidence.away, evidence.night)
    return [1.0, float(min(evidence.above >> 8, 12)), *map(float, flags)]


PEERS: Final[dict[str, tuple[str, Callable[[int], Policy]]]] = {
    "vowpal_wabbit": ("vowpalwabbit", VowpalWabbit),
    "mabwiser": ("mabwiser", MabWiser),
}


def missing(peer: str) -> str:
    """Why a peer cannot be had here; empty if it can."""
    return "" if find_spec(PEERS[peer][0]) else f"{PEERS[peer][0]} is not installed (pip install 'homeward[bench]')"
