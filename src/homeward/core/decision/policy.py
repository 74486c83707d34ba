"""What a policy is asked, what it answers, and the fixed ladder, which chooses by evidence alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from homeward.core.decision.ladder import HEIGHT, STEPS, Rung
from homeward.core.decision.reward import Verdict
from homeward.core.effects import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How far the score lies above an alarm's threshold (Q8 bits), what kind of thing it is, and when.

    ``rule`` is whether a built-in rule was broken, ``guarded`` whether a guarded device is in it, ``away`` whether
    nobody is home as far as known, ``night`` whether it is between 23 and 6 o'clock.
    """

    above: int
    rule: bool
    guarded: bool
    kind: IncidentKind = "unusual"
    away: bool = False
    night: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The rung, with which probability it was chosen, and among which (the rungs that guardrails left, in order)."""

    rung: Rung
    propensity: float
    options: tuple[Rung, ...]


class Policy(Protocol):
    """Chooses a rung. Pure: what it learned is plain state, chance comes in as ``draw``."""

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        """One of ``options`` (never empty, in the ladder's order); ``draw`` is uniform in [0, 1)."""

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """What became of a choice, perhaps hours later."""


def earned(rung: Rung, evidence: Evidence) -> bool:
    """Whether the evidence is enough for the rung."""
    step = STEPS[rung]
    if evidence.above <= 0 and not evidence.rule:
        return rung == "record"
    return evidence.above >= step.earned or evidence.rule or (evidence.guarded and step.guarded)


class Ladder:
    """The fixed policy: the highest rung that the evidence has earned. It learns nothing."""

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:  # noqa: ARG002
        """Always the same for the same evidence and options: its propensity is 1."""
        rung = max((one for one in options if one != "escalate"), key=HEIGHT.__getitem__, default=options[0])
        return Choice(rung=rung, propensity=1.0, options=tuple(options))

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Nothing."""
