"""Learning from answers: a contextual bandit over the rungs that the guardrails leave, never far from the ladder.

What it learns is what this owner minds; what it minimises is what an answer is expected to cost them, damage
included. It plays by inverse gap weighting (SquareCB: Foster and Rakhlin 2020), so that every propensity is known
exactly, and leaves the ladder only as far as two budgets reach: a conservative bandit (Wu and others 2016; Kazerouni
and others 2017), once for costs and once for protection. The second is in terms of beliefs that no answer lowers
where a device is guarded: an owner who presses "that was me" for an attacker cannot make the guard weaker there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from homeward.core.decision.ladder import ACTS, STEPS, Rung
from homeward.core.decision.policy import Choice, Evidence, Ladder
from homeward.core.decision.reward import DAMAGE, SILENCE, Verdict, minded

MARGIN: Final = 0.05
"""The bandit may be expected to cost at most so much more than the ladder, over all that was decided so far."""

LETS_THROUGH: Final = 0.05
"""It may be believed to let through at most so much more than the ladder. Owners who are told and asked less often
in vain attend more, which no belief here counts: measured, it lets through fewer."""

WORTH: Final = 8.0
"""The ladder's figure of what a rung costs counts as so many answers."""

WORTH_HERE: Final = 4.0
"""What is known of a rung at any hour counts as so many answers about it by night, or while nobody is home."""

MOST: Final = 128.0
"""When a count has come to so much it is halved: who changes their mind is heard within some dozens of answers."""

SILENT: Final = 0.25
"""Silence counts as so much of an answer."""

SURE: Final = 1.645
"""Bounds lie so many standard deviations away (95 % on one side)."""

GREED: Final = 20.0
"""Inverse gap weighting's learning rate at the start; it grows with the square root of the answers."""

GREED_GROWS: Final = 20.0
"""After so many answers it has grown by the square root of two."""

CREDIT: Final = 2.0
"""What was saved so far pays for trying something out up to this cost, and no further."""

REAL: Final = 0.05
"""One alarm in twenty is real: the more favourable end of what police are called to (Sampson 2007: 2 to 6 %)."""

SPREAD: Final = 12.0
"""An attack's score is believed to lie anywhere in so many bits above the threshold of an alarm, while half as many
benign ones lie above it for each bit, since a score is -log2 of its own tail."""

TEMPTING: Final = 2.0
"""An empty home, and a sleeping one, is believed to be attacked so many times as often."""

BROKEN: Final = 0.2
"""A broken rule is real so often."""

HEARD: Final = 20.0
"""These beliefs count as so many answers about incidents of the same kind."""

DOUBT: Final = 0.25
"""However many answers say that all is well, an incident is believed to be real at least so many times as often as
before any; of a guarded device, at least as often."""

WEAK: Final = 4 << 8
"""Below so many bits above the threshold (Q8), the guard may do less than the ladder, as far as its budgets reach."""


@dataclass(slots=True)
class BanditState:
    """All that was learned: plain values, bounded, and a copy with `fork`.

    ``minds`` has for each rung, and for each rung at night or away, the weight of what was heard and how much of it
    said that the owner minds; ``real`` the same for each kind of incident, of those that were real. ``spent`` is how
    much more than the ladder all choices so far were at most expected to cost, ``allowed`` how much more they may;
    ``let`` and ``let_allowed`` are the same for attacks let through. ``answers`` counts answers.
    """

    minds: dict[str, tuple[float, float]] = field(default_factory=dict)
    real: dict[str, tuple[float, float]] = field(default_factory=dict)
    spent: float = 0.0
    allowed: float = 0.0
    let: float = 0.0
    let_allowed: float = 0.0
    answers: int = 0

    def fork(self) -> BanditState:
        """A state that goes on from here alone."""
        return BanditState(
            dict(self.minds), dict(self.real), self.spent, self.allowed, self.let, self.let_allowed, self.answers
        )


class Bandit:
    """A `homeward.core.decision.policy.Policy` that learns. Deterministic: chance comes in as ``draw``."""

    def __init__(self, state: BanditState | None = None, *, frozen: bool = False) -> None:
        self.state = BanditState() if state is None else state
        self._frozen = frozen
        self._ladder = Ladder()

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        """One of the options, with its exact probability."""
        chances = self.chances(evidence, options)
        left = draw
        for rung, chance in chances.items():
            left -= chance
            if left < 0:
                break
        else:  # rounding: the probabilities may add up to a little less than 1
            rung = max(chances, key=chances.__getitem__)
        return Choice(rung=rung, propensity=chances[rung], options=tuple(options))

    def chances(self, evidence: Evidence, options: Sequence[Rung]) -> dict[Rung, float]:
        """With which probability `choose` would take each rung that it considers; the budgets are charged for it."""
        base = self._ladder.choose(evidence, options, 0.0).rung
        real = self.believed_real(evidence)
        low = self._cost(base, evidence, real, -SURE)
        state = self.state
        if not self._frozen:
            state.allowed += MARGIN * low
            state.let_allowed += LETS_THROUGH * real * (1 - STEPS[base].stops)
        considered = [
            rung
            for rung in options
            if rung == base
            or (_considers(rung, base, evidence)
            and (STEPS[rung].stops >= STEPS[base].stops or self._cost(rung, evidence, real, SURE) < low))
        ]
        if len(considered) == 1:
            return {base: 1.0}
        wanted = self._inverse_gap(considered, evidence, real)
        extra = sum(
            chance * (self._cost(rung, evidence, real, SURE) - low) for rung, chance in wanted.items() if rung != base
        )
        weaker = sum(
            chance * real * max(0.0, STEPS[base].stops - STEPS[rung].stops) for rung, chance in wanted.items()
        )
        share = min(_affords(extra, state.allowed - state.spent), _affords(weaker, state.let_allowed - state.let))
        if not self._frozen:
            state.spent = max(state.spent + share * extra, state.allowed - CREDIT)
            state.let += share * weaker
        chances = {rung: share * chance for rung, chance in wanted.items() if share > 0 or rung == base}
        chances[base] += 1.0 - share
        return chances

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Take in what came back about a choice, whenever it comes, and in any order."""
        if self._frozen:
            return
        state = self.state
        if verdict.answer is not None:
            state.answers += 1
            _count(state.real, _kind(evidence), 1.0, float(verdict.answer == "no"))
        if choice.rung == "record" or verdict.answer == "no":
            return
        known = minded(verdict)
        weight = SILENT if known is None else 1.0
        value = SILENCE * STEPS[choice.rung].intrusiveness if known is None else float(known)
        for where in (choice.rung, _here(choice.rung, evidence)):
            _count(state.minds, where, weight, weight * value)

    def minds(self, rung: Rung, evidence: Evidence) -> tuple[float, float]:
        """How likely the owner minds this rung now, and the standard deviation of that belief."""
        if rung == "record":
            return 0.0, 0.0
        weight, said = self.state.minds.get(rung, (0.0, 0.0))
        anywhere = (WORTH * STEPS[rung].intrusiveness + said) / (WORTH + weight)
        here, said_here = self.state.minds.get(_here(rung, evidence), (0.0, 0.0))
        mean = (WORTH_HERE * anywhere + said_here) / (WORTH_HERE + here)
        return mean, math.sqrt(mean * (1 - mean) / (1 + min(WORTH + weight, 2 * WORTH_HERE + here)))

    def believed_real(self, evidence: Evidence) -> float:
        """How likely something is wrong: what the score says, corrected by answers as far as `DOUBT` lets them."""
        before = _believed(evidence)
        weight, real = self.state.real.get(_kind(evidence), (0.0, 0.0))
        after = (HEARD * before + real) / (HEARD + weight)
        return max(after, before if evidence.guarded or evidence.rule else DOUBT * before)

    def _cost(self, rung: Rung, evidence: Evidence, real: float, sure: float = 0.0) -> float:
        """What the rung is expected to cost; so many standard deviations off."""
        mean, spread = self.minds(rung, evidence)
        return (1 - real) * min(1.0, max(0.0, mean + sure * spread)) + real * (1 - STEPS[rung].stops) * DAMAGE

    def _inverse_gap(self, rungs: Sequence[Rung], evidence: Evidence, real: float) -> dict[Rung, float]:
        """Each rung the less likely, the more it is expected to cost than the cheapest, which has the rest."""
        costs = {rung: self._cost(rung, evidence, real) for rung in rungs}
        best = min(costs, key=costs.__getitem__)
        greed = GREED * math.sqrt(1 + self.state.answers / GREED_GROWS)
        chances = {rung: 1 / (len(costs) + greed * (cost - costs[best])) for rung, cost in costs.items()}
        chances[best] = 1.0 - sum(chance for rung, chance in chances.items() if rung != best)
        return chances


def _considers(rung: Rung, base: Rung, evidence: Evidence) -> bool:
    """Whether a rung may stand in for the ladder's.

    Always, where it is believed to protect as well and acts where the ladder acts. Else only on weak evidence, and
    never where a rule is broken: down to a question about a guarded device, and to a message about others. That
    something is told at all is the budget's decision, not this one's.
    """
    if rung in {"record", "escalate"} or base == "record":
        return False
    if (rung in ACTS) != (base in ACTS):
        return False
    return STEPS[rung].stops >= STEPS[base].stops or not (evidence.rule or evidence.guarded)


def _affords(extra: float, left: float) -> float:
    """The largest share of a deviation that a budget pays for."""
    return 1.0 if extra <= 0 else min(1.0, max(0.0, left) / extra)


def _believed(evidence: Evidence) -> float:
    if evidence.rule:
        return BROKEN
    tempting = TEMPTING ** (evidence.away + evidence.night)
    bits = min(max(0, evidence.above) / 256, SPREAD)
    odds = REAL / (1 - REAL) * tempting * 2.0**bits / (SPREAD * math.log(2))
    return odds / (1 + odds)


def _here(rung: Rung, evidence: Evidence) -> str:
    return f"{rung}{' away' if evidence.away else ' home'}{' night' if evidence.night else ' day'}"


def _kind(evidence: Evidence) -> str:
    """Incidents that are alike: guarded or not, rule or not, how strong, away, by night."""
    strength = min(max(0, evidence.above) >> 9, 3)
    return f"{evidence.guarded:d}{evidence.rule:d}{strength}{evidence.away:d}{evidence.night:d}"


def _count(counts: dict[str, tuple[float, float]], key: str, weight: float, value: float) -> None:
    total, said = counts.get(key, (0.0, 0.0))
    if total >= MOST:
        total, said = total / 2, said / 2
    counts[key] = (total + weight, said + value)


def told(state: BanditState) -> Mapping[Rung, tuple[float, float]]:
    """For people: for each rung that was ever heard about, how much was, and how much of it was minded."""
    return {rung: state.minds[rung] for rung in STEPS if rung in state.minds}
