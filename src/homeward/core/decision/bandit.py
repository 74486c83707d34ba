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
from itertools import accumulate
from typing import Final, NamedTuple

from homeward.core.decision.ladder import ACTS, STEPS, Rung
from homeward.core.decision.policy import Choice, Evidence, Ladder
from homeward.core.decision.reward import DAMAGE, SILENCE, Verdict, minded, passes

MARGIN: Final = 0.05
"""The bandit may be expected to cost at most so much more than the ladder, over all that was decided so far; and it
may be believed to let through at most so much more."""

CREDIT: Final = 2.0
"""What was saved or not used so far pays for trying something out up to this cost, or up to an attack of this damage,
and no further: years of savings buy no bad week, and no flood of answers buys much."""

SURE: Final = 1.0
"""The bounds of a belief lie so many standard deviations away (five in six on one side)."""

WORTH: Final = 4.0
"""The ladder's figure of what a rung costs counts as so many answers."""

WORTH_HERE: Final = 24.0
"""What is known of a rung at any hour counts as so many answers about it by night, or while nobody is home."""

DIFFERS: Final = 1.5
"""Protection is given up only for an owner who for sure minds the ladder's rung so many times as much as the ladder
takes it: for anybody else its trade of annoyance for protection stands."""

MOST: Final = 128.0
"""When a count has come to so much it is halved: who changes their mind is heard within some dozens of answers."""

SILENT: Final = 0.1
"""Silence counts as so much of an answer."""

GREED: Final = 100.0
"""The learning rate of inverse gap weighting before the first answer: how seldom a rung is tried that seems to cost
more."""

GREED_GROWS: Final = 20.0
"""After so many answers the rate has grown by the square root of two: it grows as theory wants, with their root."""

REAL: Final = 0.05
"""One incident in twenty is real (of burglar alarms 2 to 6 %: Sampson 2007)."""

SPREAD: Final = 12.0
"""An attack's score may lie anywhere in so many bits above the threshold of an alarm. Of benign ones half as many lie
above it for each bit, since a score is -log2 of its own tail."""

TEMPTING: Final = 1.0
"""That a home is empty, or asleep, counts as so many bits more: it is believed to be attacked twice as often."""

BROKEN: Final = 0.2
"""A broken rule is believed to be real so often."""

HEARD: Final = 20.0
"""The belief that something is real counts as so many answers about incidents of the same kind."""

DOUBT: Final = 0.25
"""However many answers say that all is well, an incident is believed to be real at least so many times as often as
before any; one about a guarded device or a broken rule, at least as often."""


@dataclass(slots=True)
class BanditState:
    """All that was learned: plain values, bounded, and a copy with `fork`.

    ``minds`` has for each rung, and for each rung at night or away, the weight of what was heard and how much of it
    said that the owner minds; ``real`` the same for each kind of incident, of those that were real. ``spent`` is how
    much more than the ladder all choices so far were at most expected to cost, ``allowed`` how much more they may;
    ``let`` and ``let_allowed`` are the same for attacks believed to be let through. ``answers`` counts answers.
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
    """A `homeward.core.decision.policy.Policy` that learns. Deterministic: chance comes in as ``draw``.

    ``frozen``: it learns nothing more and keeps no accounts; it does what it would come to do in the long run, once
    both accounts pay for it.
    """

    def __init__(self, state: BanditState | None = None, *, frozen: bool = False) -> None:
        self.state = BanditState() if state is None else state
        self._frozen = frozen
        self._ladder = Ladder()

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        """One of the options, with its exact probability; what it may cost is put on the account."""
        plan = self._plan(evidence, options)
        if not self._frozen:
            self.state.allowed, self.state.let_allowed = plan.allowed, plan.let_allowed
            self.state.spent = max(self.state.spent + plan.extra, plan.allowed - CREDIT)
            self.state.let = max(self.state.let + plan.weaker, plan.let_allowed - CREDIT / DAMAGE)
        reached = accumulate(plan.chances.values())
        drawn = (rung for rung, until in zip(plan.chances, reached, strict=True) if draw < until)
        rung = next(drawn, max(plan.chances, key=plan.chances.__getitem__))  # they may add up to a little below 1
        return Choice(rung=rung, propensity=plan.chances[rung], options=tuple(options))

    def chances(self, evidence: Evidence, options: Sequence[Rung]) -> dict[Rung, float]:
        """With which probability `choose` would take each rung that it considers. Changes nothing."""
        return self._plan(evidence, options).chances

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
        heard = min(WORTH + weight, 2 * WORTH_HERE + here)  # of what is known elsewhere so much counts here at most
        return mean, math.sqrt(mean * (1 - mean) / (1 + heard))

    def believed_real(self, evidence: Evidence) -> float:
        """How likely something is wrong: what the score says, corrected by answers as far as `DOUBT` lets them."""
        before = _believed(evidence)
        weight, real = self.state.real.get(_kind(evidence), (0.0, 0.0))
        after = (HEARD * before + real) / (HEARD + weight)
        return max(after, before if evidence.guarded or evidence.rule else DOUBT * before)

    def _plan(self, evidence: Evidence, options: Sequence[Rung]) -> _Plan:
        """The ladder's rung, mixed with what seems best in the largest share that both accounts pay for."""
        state = self.state
        base = self._ladder.choose(evidence, options, 0.0).rung
        real = self.believed_real(evidence)
        mean, spread = self.minds(base, evidence)
        allowed = state.allowed + MARGIN * ((1 - real) * max(0.0, mean - SURE * spread) + real * passes(base))
        let_allowed = state.let_allowed + MARGIN * real * (1 - STEPS[base].stops)
        differs = mean - SURE * spread > DIFFERS * STEPS[base].intrusiveness
        extra: dict[Rung, float] = {}
        weaker: dict[Rung, float] = {}
        for rung in options:
            if rung == base or may_replace(rung, base, evidence):
                more = 0.0 if rung == base else self._at_most_more(rung, base, evidence, real)
                fewer = real * max(0.0, STEPS[base].stops - STEPS[rung].stops)
                if fewer == 0 or (differs and more < 0):  # what protects less is not tried out
                    extra[rung], weaker[rung] = more, fewer
        greed = GREED * math.sqrt(1 + state.answers / GREED_GROWS)
        wanted = _inverse_gap({rung: self._cost(rung, evidence, real) for rung in extra}, greed)
        costs_more = sum(chance * extra[rung] for rung, chance in wanted.items())
        lets_more = sum(chance * weaker[rung] for rung, chance in wanted.items())
        share = min(_affords(costs_more, allowed - state.spent), _affords(lets_more, let_allowed - state.let))
        share = 1.0 if self._frozen else share
        chances = {rung: share * chance for rung, chance in wanted.items() if share > 0 or rung == base}
        chances[base] += 1.0 - share
        return _Plan(chances, allowed, share * costs_more, let_allowed, share * lets_more)

    def _at_most_more(self, rung: Rung, base: Rung, evidence: Evidence, real: float) -> float:
        """How much more than the ladder's a rung costs at most."""
        (mean, spread), (mean_base, spread_base) = self.minds(rung, evidence), self.minds(base, evidence)
        minds = min(1.0, mean - mean_base + SURE * math.hypot(spread, spread_base))
        return (1 - real) * minds + real * (passes(rung) - passes(base))

    def _cost(self, rung: Rung, evidence: Evidence, real: float) -> float:
        """What the rung is expected to cost."""
        return (1 - real) * self.minds(rung, evidence)[0] + real * passes(rung)


class _Plan(NamedTuple):
    """Probabilities, and both accounts after them."""

    chances: dict[Rung, float]
    allowed: float
    extra: float
    let_allowed: float
    weaker: float


def _inverse_gap(costs: Mapping[Rung, float], greed: float) -> dict[Rung, float]:
    """Each rung the less likely, the more it is expected to cost than the cheapest, which has the rest."""
    best = min(costs, key=costs.__getitem__)
    chances = {rung: 1 / (len(costs) + greed * (cost - costs[best])) for rung, cost in costs.items()}
    chances[best] = 1.0 - sum(chance for rung, chance in chances.items() if rung != best)
    return chances


def may_replace(rung: Rung, base: Rung, evidence: Evidence) -> bool:
    """Whether a rung may stand in for the ladder's.

    What the ladder would act on is acted on, and what it would tell is told: no answer turns an act into a message,
    or a message into a line on record (whether something is told at all is the budget's decision). Where a rule is
    broken the ladder decides alone; about a guarded device only what is believed to protect as well may stand in.
    """
    if evidence.rule or rung in {"record", "escalate"} or base == "record" or (rung in ACTS) != (base in ACTS):
        return False
    return STEPS[rung].stops >= STEPS[base].stops or not evidence.guarded


def _affords(extra: float, left: float) -> float:
    """The largest share of a deviation that a budget pays for."""
    return 1.0 if extra <= 0 else min(1.0, max(0.0, left) / extra)


def _believed(evidence: Evidence) -> float:
    if evidence.rule:
        return BROKEN
    bits = min(max(0, evidence.above) / 256, SPREAD) + TEMPTING * (evidence.away + evidence.night)
    odds = REAL / (1 - REAL) * math.exp2(bits) / (SPREAD * math.log(2))
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
