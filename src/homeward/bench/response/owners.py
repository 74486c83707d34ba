"""Simulated owners: what each minds, hears, answers, and how fast. Written before any policy was tried on them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

from homeward.bench.response.incidents import AWAY, Incident
from homeward.core.decision.ladder import ACTS, HEIGHT, STEPS, Rung
from homeward.core.decision.policy import Evidence
from homeward.core.decision.reward import DAMAGE, Verdict

HOLDS: Final[Mapping[Rung, float]] = {
    "record": 0.0, "notify": 0.0, "ask": 0.0,
    "step_up": 0.45,  # only acts that name a person; who has stolen a phone may have its one-time passwords too
    "undo": 0.70,  # locked again in a second; some try again, some are inside already
    "command": 0.50,  # half of 422 burglars would leave on finding an alarm (Blevins, Kuhns and Lee 2012); in English
    # crime surveys alarms alone showed no protection at all (Tilley and others 2015)
    "restrict": 0.75,  # what a device never needed is closed; what it needs may be misused
    "quarantine": 0.95,  # nothing more gets out; what got out before stays out
    "escalate": 0.0,
}  # fmt: skip
"""How many attacks a rung stops by itself, before anybody has read anything. A rung comes with what is below it (the
door is locked again, and the siren sounds); together they stop what the strongest of them stops, for it is the same
attacker whom neither stops. So the ladder has it too: a siren adds nothing to a door that is locked again."""

LIFTED: Final[frozenset[Rung]] = frozenset({"step_up", "command", "restrict", "quarantine"})
"""What ends when somebody says "that was me". What was undone stays undone: a door is not unlocked again."""

ANSWERED_TILL: Final = 24.0
"""Hours after which no answer is waited for."""

TIRED_OVER: Final = 20.0
"""How many incidents an owner's patience remembers."""

MISTAKEN: Final = 0.1
"""How often an honest owner takes an attack for their own, or a child's, doing: an assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """``minds`` is the true cost of each rung where nothing is wrong: the chance that they mind it by day; at night a
    message costs ``night`` times as much, capped at 1.

    ``hears`` is the chance to act on a message in time (by day, at night, while away), ``asked`` by how much that
    changes where it is a question, ``tires`` how far it falls if all of late was minded. ``answers`` is the share of
    messages that they answer at all, ``hours`` the median until then, ``says`` how often they tell that they minded.
    """

    name: str
    about: str
    minds: Mapping[Rung, float]
    night: float = 1.0
    away: tuple[float, float] = AWAY
    hears: tuple[float, float, float] = (0.60, 0.30, 0.45)
    asked: float = 1.2
    tires: float = 0.3
    answers: float = 0.75
    hours: float = 2.0
    says: float = 0.8
    presses: Literal["truth", "anything", "yes"] = "truth"

    @property
    def differs(self) -> bool:
        """Whether their costs are not what the ladder takes them to be."""
        return (dict(self.minds), self.night) != (USUAL, 1.0)

    def true_cost(self, rung: Rung, evidence: Evidence) -> float:
        """What the rung costs them where nothing is wrong: from 0 to 1."""
        woken = rung in {"notify", "ask"} and evidence.night
        return min(1.0, self.minds[rung] * (self.night if woken else 1.0))

    def stops(self, incident: Incident, rung: Rung, tired: float, *, added: bool = False) -> bool:
        """Whether the rung stops the attack; ``tired`` is how much of late was minded, from 0 to 1. ``added``: what
        is done together stops more than the strongest of it, each measure having a chance of its own."""
        reacts = incident.chance.hears < self.attention(rung, incident.evidence, tired)
        presses_yes = reacts and self._pressed(incident) == "yes"
        taken = [one for one in incident.options if HEIGHT[one] <= HEIGHT[rung]]
        holds = [HOLDS[one] for one in taken if not (presses_yes and one in LIFTED)]
        held = 1 - math.prod(1 - one for one in holds) if added else max(holds, default=0.0)
        return incident.chance.stops < held or (reacts and not presses_yes)

    def attention(self, rung: Rung, evidence: Evidence, tired: float) -> float:
        """The chance that they hear of it and react in time."""
        if rung == "record":
            return 0.0
        base = self.hears[2 if evidence.away else 1 if evidence.night else 0]
        return min(1.0, base * (1.0 if rung == "notify" else self.asked) * (1 - self.tires * tired))

    def answer(self, incident: Incident, rung: Rung, *, minded: bool) -> tuple[float, Verdict]:
        """After how many hours what comes back."""
        chance = incident.chance
        delay = self.hours * math.exp(1.2 * NormalDist().inv_cdf(min(max(chance.delay, 1e-6), 1 - 1e-6)))
        complains = minded and chance.says < self.says
        undone = complains and rung in ACTS and chance.says < self.says / 2
        answers = self.answers + (1 - self.answers) * 0.5 * complains  # who is cross answers sooner than who is not
        if rung == "record" or chance.answers >= answers or delay >= ANSWERED_TILL:
            return ANSWERED_TILL, Verdict()
        if self.presses == "truth":
            return delay, Verdict(self._pressed(incident), undone=undone, too_much=complains and not undone)
        if self.presses == "yes":
            return delay, Verdict("yes", too_much=rung in ACTS)  # would have the guard act less
        return delay, Verdict(self._pressed(incident), too_much=chance.says < 0.2)

    def _pressed(self, incident: Incident) -> Literal["yes", "no"]:
        presses = incident.chance.presses
        if self.presses == "yes":
            return "yes"
        if self.presses == "anything":
            return "yes" if presses < 0.75 else "no"
        return "no" if incident.real and presses >= MISTAKEN else "yes"


USUAL: Final[Mapping[Rung, float]] = {rung: step.intrusiveness for rung, step in STEPS.items()}

OWNERS: Final = (
    Owner(
        name="tolerant",
        about="Minds things as the ladder takes it, which was written for somebody like this.",
        minds=USUAL,
        tires=0.2,  # the least; that everybody tires is published (Breznitz 1984; Bliss and others 1995)
    ),
    Owner(
        name="easily_annoyed",
        about="Turns sound off, hates questions and codes, and a siren for nothing most of all.",
        minds={
            **USUAL,
            "notify": 0.15,  # a line to read: half as bad again as for most
            "ask": 0.50,  # wants an answer; of questions of this kind 49 to 96 % are waved off (van der Sijs 2006)
            "step_up": 0.80,  # a code, at one's own door
            "undo": 0.20,  # locks that lock themselves are bought: a door that is shut again is hardly noticed
            "command": 0.95,  # a siren that wakes the children
            "restrict": 0.40,  # the television has no films tonight
            "quarantine": 0.80,  # and tomorrow none at all
        },
        night=2.0,  # woken
        tires=0.6,  # most people answer as often as alarms are true (Bliss and others 1995: nine in ten did so)
        asked=0.9,  # waves questions off unread
        answers=0.60,
        hours=3.0,
    ),
    Owner(
        name="mostly_away",
        about="Works shifts and travels; the phone is in a locker, the home is empty.",
        minds={
            **USUAL,
            "notify": 0.15,  # one more thing to read in the break
            "ask": 0.35,  # has to be looked into from afar
            "step_up": 0.30,
            "undo": 0.10,  # nobody is there to be locked out
            "command": 0.60,  # the neighbours telephone
            "restrict": 0.20,  # the few devices that are used from afar
            "quarantine": 0.60,  # the camera cannot be looked through any more
        },
        away=(0.85, 0.90),
        hears=(0.45, 0.25, 0.20),  # what is no message of a person's: 15 to 25 % (Pielot and others 2018)
        answers=0.55,
        hours=6.0,
    ),
    Owner(
        name="presses_anything",
        about="Presses whatever makes it go away: three times in four “that was me”, once in five “too much”.",
        minds=USUAL,
        answers=0.90,
        hours=0.5,
        presses="anything",
    ),
    Owner(
        name="hostile",
        about="Lives here and lets an attacker in: presses “that was me” each time, and calls every act too much.",
        minds=USUAL,
        hears=(0.90, 0.90, 0.90),
        answers=0.95,
        hours=0.2,
        presses="yes",
    ),
)  # fmt: skip


class Outcome(NamedTuple):
    """What a rung came to: what it cost (expected, where nothing is wrong), whether an attack got through, whether
    it would have if measures added up, and whether the owner minded."""

    cost: float
    through: bool
    through_if_added: bool
    minded: bool


class Life:
    """What an owner goes through under one policy; ``tired`` is how much of late they minded, from 0 to 1."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.tired = 0.0

    def meet(self, incident: Incident, rung: Rung) -> Outcome:
        """An incident, and what the guard did."""
        tired = self.tired
        if incident.real:
            self.tired -= tired / TIRED_OVER
            stopped = self.owner.stops(incident, rung, tired)
            added = self.owner.stops(incident, rung, tired, added=True)
            return Outcome(0.0 if stopped else DAMAGE, not stopped, not added, minded=False)
        costs = self.owner.true_cost(rung, incident.evidence)
        minded = incident.chance.minds < costs
        self.tired += (minded - tired) / TIRED_OVER
        return Outcome(costs, through=False, through_if_added=False, minded=minded)
