"""The ladder: what is chosen among what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homeward.core.incident import Rung
from homeward.core.settings import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How far the score lies above an alarm's threshold (Q8 bits), and what kind of thing it is."""

    above: int
    rule: bool
    guarded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The rung, the responses taken on it, and the probability with which the policy took them."""

    rung: Rung
    responses: tuple[Response, ...]
    propensity: float


EARNED_ABOVE = 6 << 8
"""An unguarded oddity earns a command only when it is this many bits above the threshold of an alarm."""


class Ladder:
    """Record, notify, command: the fixed policy. An alarm notifies; a command has to be earned by evidence."""

    def choose(self, evidence: Evidence, options: Sequence[Response]) -> Choice:
        """The rung and the responses for the evidence, among those that the guardrails left."""
        if evidence.above <= 0 and not evidence.rule:
            return Choice(rung="record", responses=(), propensity=1.0)
        earned = evidence.rule or evidence.guarded or evidence.above >= EARNED_ABOVE
        if earned and options:
            return Choice(rung="command", responses=tuple(options), propensity=1.0)
        return Choice(rung="notify", responses=(), propensity=1.0)
