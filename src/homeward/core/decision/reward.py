"""What came back about a choice, and what it says about how good the choice was.

Costs are in one unit: 1 is the worst that an answer can do to somebody who did nothing wrong, which is that they mind
it. An attack that gets through costs `DAMAGE` of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from homeward.core.decision.ladder import STEPS, Rung
from homeward.core.inputs import Answer

DAMAGE: Final = 10.0
"""What an attack costs that gets through. A preference, stated: rather be bothered in the worst way ten times than
broken into once. With the ladder's figures an act (0.2 more annoyance for 0.2 more protection than a question) then
pays from where one incident in eleven is real; of ordinary alarms 2 to 6 % are (Sampson 2007)."""

SILENCE: Final = 0.5
"""Silence counts as so much of what the ladder takes a rung to cost: who minds says so more often than others."""


class Verdict(NamedTuple):
    """What came back about one choice.

    ``answer`` is the owner's, ``None`` for silence until the deadline. ``undone`` says that the owner took an act
    back before its end, ``too_much`` that they said so.
    """

    answer: Answer | None = None
    undone: bool = False
    too_much: bool = False


def minded(verdict: Verdict) -> bool | None:
    """Whether the owner minded what was done although nothing was wrong; ``None`` where that is not known: something
    was wrong, or nobody answered."""
    if verdict.answer == "no":
        return None
    if verdict.undone or verdict.too_much:
        return True
    return None if verdict.answer is None else False


def passes(rung: Rung) -> float:
    """What a rung costs where something is wrong: what it is believed to let through, times `DAMAGE`."""
    return (1.0 - STEPS[rung].stops) * DAMAGE


def cost(rung: Rung, verdict: Verdict) -> float | None:
    """What the choice cost, as far as the guard can see; ``None`` where the verdict teaches nothing.

    Something was wrong: what the rung `passes`. Nothing was wrong: 1 if the owner minded, else 0. Silence: `SILENCE`
    of what the rung is believed to cost; of what was only put on record nobody could say anything, and silence
    teaches nothing.
    """
    if verdict.answer == "no":
        return passes(rung)
    known = minded(verdict)
    if known is not None:
        return float(known)
    return None if rung == "record" else SILENCE * STEPS[rung].intrusiveness
