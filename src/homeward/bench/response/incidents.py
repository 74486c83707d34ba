"""Incidents of a simulated home: evidence, what might be done, and whether somebody is breaking in.

These ranges were written before any policy was tried on them. Where a study is named they come from it; the others
are assumptions, each with its reason beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final, NamedTuple

from homeward.core.decision.guardrails import Situation, refusal
from homeward.core.decision.ladder import ACTS, STEPS, Rung
from homeward.core.decision.policy import Evidence
from homeward.core.effects import IncidentKind
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import RELEASE

REAL: Final = 0.05
"""The share of incidents in which something is wrong. Of burglar alarms' calls, 2 to 6 % are real (Sampson 2007)."""

HOURS_BETWEEN: Final = 12.0
"""Hours from one incident to the next, in the mean. An assumption: what goes on record is an incident too, so that
there are far more of them than the alarms of a budget."""


class Kind(NamedTuple):
    """A kind of device: its type, what may be tried about it, whether it is guarded, what its incidents are, and how
    often it is what an incident is about: benign, real."""

    type: str
    rungs: tuple[Rung, ...]
    guarded: bool
    incident: IncidentKind
    benign: float
    real: float


_TOLD: Final[tuple[Rung, ...]] = ("record", "notify", "ask")

KINDS: Final = {
    # A lock tells who used it, can be locked again, and owners who let the guard act have a siren or lights for it.
    "lock": Kind("lock", (*_TOLD, "step_up", "undo", "command"), True, "unusual", 0.17, 0.20),
    # An alarm can be armed again; somebody who breaks in disarms it, a household seldom does so oddly.
    "alarm": Kind("alarm", (*_TOLD, "step_up", "undo", "command"), True, "unusual", 0.04, 0.08),
    # A door's contact can only be told of, or answered by a siren: most break-ins come through a door.
    "entrance": Kind("contact.door", (*_TOLD, "command"), True, "unusual", 0.07, 0.22),
    # Motion and windows: told and asked. The most of what is odd in a home is only that somebody walks about in it.
    "sensor": Kind("motion", _TOLD, False, "unusual", 0.26, 0.12),
    # Plugs, lights, appliances, covers: what was switched is switched back.
    "actuator": Kind("plug", (*_TOLD, "undo"), False, "unusual", 0.22, 0.10),
    # A device's flows: the firewall restricts it or cuts it off.
    "network": Kind("camera", (*_TOLD, "restrict", "quarantine"), False, "network", 0.12, 0.20),
    # A device that fell silent: mostly a battery, sometimes sabotage.
    "silent": Kind("motion", _TOLD, False, "silent", 0.08, 0.05),
    # A device never seen: mostly one that was bought.
    "new": Kind("other", (*_TOLD, "restrict", "quarantine"), False, "new", 0.04, 0.03),
}  # fmt: skip
"""The shares of benign incidents and of real ones; assumptions but for their order."""

_UNDO: Final = {"lock": "lock", "alarm": "arm", "plug": "off"}

RULES: Final = {"lock": (0.04, 0.25), "alarm": (0.10, 0.40), "entrance": (0.05, 0.35), "new": (0.10, 0.30)}
"""How often such an incident breaks a built-in rule (entrance while armed, flood, a new client of the broker), benign
and real. An assumption: residents forget to disarm, a burglar cannot."""

AWAY: Final = (0.35, 0.60)
"""Nobody is home: benign, real. Of burglaries in the United States 27.6 % met somebody at home (Catalano 2010); what
attacks a home's network comes at any time."""

NIGHT: Final = (0.15, 0.40)
"""Between 23 and 6 o'clock: benign, real. An assumption: residents sleep, so that little happens."""

ABOVE_REAL: Final = 6.0
"""Bits above the threshold of a real incident, in the mean (gamma with shape 2). Benign ones need no assumption: a
score is -log2 of its own tail, so that so many lie b bits above any threshold as 2 ** -b says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What chance has in store, each uniform in [0, 1): the same for every policy that meets the incident, so that
    what differs is what they chose."""

    draw: float
    minds: float
    says: float
    hears: float
    stops: float
    answers: float
    presses: float
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident at ``hours`` since the first; ``options`` are what the guardrails leave, in the ladder's order."""

    hours: float
    device: str
    evidence: Evidence
    options: tuple[Rung, ...]
    real: bool
    chance: Chance


def allowed(rung: Rung, device: str, evidence: Evidence) -> bool:
    """Whether the guard's own guardrails leave a rung for a device of this kind."""
    target = Device(name=device, type=KINDS[device].type, role="entrance" if device == "entrance" else "other")
    situation = Situation(rung=rung, evidence=evidence)
    if rung in ACTS:
        siren = Device(name="siren", type="siren", role="actuator")
        situation = replace(
            situation, response=_response(rung, target), target=siren if rung == "command" else target
        )
    return refusal(situation) is None


def _response(rung: Rung, target: Device) -> Response:
    if rung == "undo":
        return Response(name=rung, when=(target.name,), device=target.name, command=_UNDO[target.type], minutes=None)
    if rung == "command":
        return Response(
            name=rung, when=(target.name,), device="siren", command="on", restore="off", minutes=STEPS[rung].minutes
        )
    return Response(
        name=rung, when=(target.name,), device=target.name, command=rung, restore=RELEASE, minutes=STEPS[rung].minutes
    )


def incidents(random: Random, count: int, away: tuple[float, float] = AWAY) -> Iterator[Incident]:
    """So many incidents in the order of their time; ``away`` where the owner is away more often than most."""
    hours = 0.0
    for _ in range(count):
        hours += random.expovariate(1 / HOURS_BETWEEN)
        real = random.random() < REAL
        device = random.choices(list(KINDS), [kind.real if real else kind.benign for kind in KINDS.values()])[0]
        kind = KINDS[device]
        rule = random.random() < RULES.get(device, (0.0, 0.0))[real]
        bits = random.gammavariate(2.0, ABOVE_REAL / 2) if real else random.expovariate(math.log(2))
        evidence = Evidence(
            above=max(1, round(256 * bits)),
            rule=rule,
            guarded=kind.guarded,
            kind="rule" if rule else kind.incident,
            away=random.random() < away[real],
            night=random.random() < NIGHT[real],
        )
        yield Incident(
            hours=hours,
            device=device,
            evidence=evidence,
            options=tuple(rung for rung in kind.rungs if allowed(rung, device, evidence)),
            real=real,
            chance=Chance(**{name: random.random() for name in Chance.__slots__}),
        )
