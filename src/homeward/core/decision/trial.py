"""Which policy chooses: the ladder, the ladder that tries something else now and then, or what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeward.core.decision.bandit import Bandit, BanditState, may_replace
from homeward.core.decision.ladder import Rung
from homeward.core.decision.policy import Choice, Evidence, Ladder, Policy
from homeward.core.decision.reward import Verdict
from homeward.core.settings import PolicyName

TRIED: Final = 0.1
"""How often a trial takes another rung than the ladder's."""


class Trial:
    """The ladder; but once in ten it takes another rung that may stand in for the ladder's, each as likely.

    A log of that, and no log of the ladder alone, tells what another policy would have cost.
    """

    def __init__(self) -> None:
        self._ladder = Ladder()

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        """One of the options, with its exact probability."""
        chances = self.chances(evidence, options)
        left = draw
        for rung, chance in chances.items():  # noqa: B007 (used after the loop)
            left -= chance
            if left < 0:
                break
        else:  # rounding
            rung = max(chances, key=chances.__getitem__)
        return Choice(rung=rung, propensity=chances[rung], options=tuple(options))

    def chances(self, evidence: Evidence, options: Sequence[Rung]) -> dict[Rung, float]:
        """With which probability each rung is taken."""
        base = self._ladder.choose(evidence, options, 0.0).rung
        others = [rung for rung in options if rung != base and may_replace(rung, base, evidence)]
        if not others:
            return {base: 1.0}
        return {base: 1.0 - TRIED} | {rung: TRIED / len(others) for rung in others}

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Nothing."""


class Learning:
    """Chooses as one policy does; the bandit learns from it whichever that is, so that it is ready when it is let."""

    def __init__(self, name: PolicyName, state: BanditState) -> None:
        self._bandit = Bandit(state)
        policies: dict[PolicyName, Policy] = {"ladder": Ladder(), "trial": Trial(), "learned": self._bandit}
        self._policy = policies[name]

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        """As the policy does."""
        return self._policy.choose(evidence, options, draw)

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """What came back about a choice."""
        self._bandit.learn(evidence, choice, verdict)
