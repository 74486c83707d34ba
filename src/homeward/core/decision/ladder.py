"""The ladder as a table: every rung of an answer, from the least intrusive to the most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Rung = Literal[
    "record", "notify", "ask", "step_up", "undo", "command", "restrict", "quarantine", "escalate"
]  # fmt: skip

ALWAYS: Final = -(1 << 20)
"""Fewer bits than there can be: a rung that needs no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung.

    ``verb`` is the action of OASIS OpenC2 1.0 that it is, ``""`` where OpenC2 has none. ``intrusiveness`` is what it
    costs somebody who did nothing wrong, ``stops`` the share of attacks that it is believed to stop: both from 0 to
    1, the guard's belief before any answer. ``minutes`` is how long it holds unless told otherwise (``None``: it
    ends by itself). ``earned`` is how far (Q8 bits) the evidence must lie above the threshold of an alarm;
    ``guarded`` whether an odd act of a guarded device earns it whatever the bits. A broken rule earns every rung: the
    owner names it in a response, or has no such response. ``needs`` and ``taken_back`` are for people.
    """

    rung: Rung
    does: str
    verb: str
    intrusiveness: float
    stops: float
    minutes: float | None
    earned: int
    guarded: bool
    needs: str
    taken_back: str


LADDER: Final = (
    Step(
        rung="record", does="put it on record, tell nobody", verb="",
        intrusiveness=0.0, stops=0.0, minutes=None, earned=ALWAYS, guarded=True,
        needs="nothing", taken_back="nothing to take back",
    ),
    Step(
        rung="notify", does="tell the person concerned", verb="",
        intrusiveness=0.10, stops=0.50, minutes=None, earned=1, guarded=True,
        needs="a channel, or somebody at the page", taken_back="a message cannot be taken back; it is followed up",
    ),
    Step(
        rung="ask", does="ask: was this you?", verb="query",
        intrusiveness=0.20, stops=0.60, minutes=None, earned=2 << 8, guarded=True,
        needs="a channel that carries answers, or the page", taken_back="any answer ends it",
    ),
    Step(
        rung="step_up", does="what a person does to a guarded device counts as theirs only after a one-time password",
        verb="", intrusiveness=0.30, stops=0.70, minutes=60.0, earned=4 << 8, guarded=True,
        needs="an act that names a person who has such a password", taken_back="the password, or its end",
    ),
    Step(
        rung="undo", does="put the device back: lock again, arm again, switch off", verb="restore",
        intrusiveness=0.40, stops=0.80, minutes=None, earned=4 << 8, guarded=True,
        needs="a response for the device that was used", taken_back="it is the safer state, and is left to people",
    ),
    Step(
        rung="command", does="give another device a command: the siren, the lights", verb="start",
        intrusiveness=0.45, stops=0.80, minutes=10.0, earned=6 << 8, guarded=True,
        needs="a response that the owner wrote", taken_back="the earlier state is restored",
    ),
    Step(
        rung="restrict", does="let the device only do what it was learned to need", verb="deny",
        intrusiveness=0.50, stops=0.85, minutes=60.0, earned=6 << 8, guarded=False,
        needs="a firewall or broker that the guard may configure", taken_back="the restriction is lifted",
    ),
    Step(
        rung="quarantine", does="cut the device off from network or broker", verb="contain",
        intrusiveness=0.70, stops=0.95, minutes=60.0, earned=12 << 8, guarded=False,
        needs="a firewall or broker that the guard may configure", taken_back="the device is let in again",
    ),
    Step(
        rung="escalate", does="tell another person as well", verb="",
        intrusiveness=0.85, stops=0.90, minutes=None, earned=12 << 8, guarded=True,
        needs="a listener who is told second", taken_back="they are told how it ended",
    ),
)  # fmt: skip
"""The fixed ladder never begins with ``escalate``: it comes with time, when nobody answered. Figures are beliefs to
begin with; answers correct them."""

STEPS: Final = {step.rung: step for step in LADDER}
HEIGHT: Final = {step.rung: height for height, step in enumerate(LADDER)}
"""Each rung's place on the ladder."""

ACTS: Final[frozenset[Rung]] = frozenset({"undo", "command", "restrict", "quarantine"})
"""Rungs on which a responder acts upon a device."""
