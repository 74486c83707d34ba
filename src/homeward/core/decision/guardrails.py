"""What may be done at all: a table that reads like a policy. It is asked before any policy chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from homeward.core.decision.ladder import Rung
from homeward.core.decision.policy import Evidence, earned
from homeward.core.lease import Lease
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import (
    CLAIMS,
    LIFE_SAFETY_TYPES,
    MESSAGES,
    ONE_SHOT,
    REFUSED,
    RELEASE,
    WAY_IN_TYPES,
)

ACTING_LIMIT: Final = 3
"""Leases that may act at once."""

HOURLY_LIMIT: Final = 6
"""Leases that may be opened within an hour."""

LONGEST_MINUTES: Final = 24 * 60
SHORTEST_MINUTES: Final = 1 / 60_000
"""The guard's clock counts milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a guardrail looks at: a rung, and for one on which something is done the response and its target.

    ``evidence`` is ``None`` where only the configuration is read. ``after`` is what the target did that was odd
    (nothing where it was another device's). ``acting`` are the leases on devices that are still open,
    ``opened_last_hour`` counts those of the hour.
    """

    rung: Rung
    evidence: Evidence | None
    response: Response | None = None
    target: Device = Device(name="")  # noqa: RUF009 (frozen)
    after: str = ""
    acting: tuple[Lease, ...] = ()
    opened_last_hour: int = 0


@dataclass(frozen=True, slots=True)
class Guardrail:
    """``allows`` says yes or no; ``why`` is what the owner reads when it says no."""

    name: str
    why: str
    allows: Callable[[Situation], bool]


def _act(allows: Callable[[Situation, Response], bool]) -> Callable[[Situation], bool]:
    """A guardrail of what is done to devices. Telling and asking passes it."""
    return lambda s: s.response is None or allows(s, s.response)


def _plain(word: str) -> str:
    """A command as it may be meant: neither case nor blanks make another word of it."""
    return word.strip().casefold()


def _claims(response: Response) -> bool:
    return response.command in CLAIMS


def _is_way_in(device: Device) -> bool:
    return device.type in WAY_IN_TYPES or device.role == "entrance"


def _only_locks(s: Situation, response: Response) -> bool:
    """What people come in by may be locked or armed, and nothing else; a phone or a hub nothing at all."""
    if not _is_way_in(s.target):
        return True
    return response.restore is None and response.command == ("arm" if s.target.type == "alarm" else "lock")


def _has_a_way_back(s: Situation, response: Response) -> bool:
    if response.minutes is not None:
        return response.restore is not None and (not _claims(response) or response.restore == RELEASE)
    if response.restore is not None:
        return False
    return response.command in ONE_SHOT or _switches_back(s, response)


def _switches_back(s: Situation, response: Response) -> bool:
    """Off, as an answer to the same device's odd *on*: it was off before."""
    odd = s.evidence is None or s.after == "on"
    return response.command == "off" and response.when == (response.device,) and odd


GUARDRAILS: Final = (
    Guardrail(
        "life safety",
        "life-safety and medical devices are never acted upon, and never cut off",
        _act(lambda s, _: s.target.type not in LIFE_SAFETY_TYPES),
    ),
    Guardrail(
        "never a way in",
        "the guard never unlocks, opens or disarms, and never toggles",
        _act(lambda _, r: not any(_plain(word) in REFUSED for word in (r.command, r.restore or ""))),
    ),
    Guardrail(
        "no message",
        "a message to a person is no command to a device",
        _act(lambda _, r: _plain(r.command) not in MESSAGES),
    ),
    Guardrail(
        "the owner's way in",
        "a door or lock may only be locked, an alarm panel only armed, and stays so; phones and hubs are let be",
        _act(_only_locks),
    ),
    Guardrail(
        "reversible",
        "an act needs an end and a way back, or must be one that ends by itself",
        _act(_has_a_way_back),
    ),
    Guardrail(
        "bounded",
        "a lease lasts more than nothing and at most a day",
        _act(lambda _, r: r.minutes is None or SHORTEST_MINUTES <= r.minutes <= LONGEST_MINUTES),
    ),
    Guardrail(
        "earned",
        "a rung must be earned by evidence",
        lambda s: s.evidence is None or earned(s.rung, s.evidence),
    ),
    Guardrail(
        "always told",
        "what concerns a guarded device or breaks a rule is always told",
        lambda s: s.rung != "record" or s.evidence is None or not _must_be_told(s.evidence),
    ),
    Guardrail(
        "one claim on a device",
        "this device is already held by an earlier act of the kind",
        _act(
            lambda s, r: all(
                one.action.device != r.device or (one.action.command in CLAIMS) != _claims(r)
                or (_claims(r) and one.action.command != r.command)
                for one in s.acting
            )
        ),
    ),
    Guardrail(
        "few at once",
        f"at most {ACTING_LIMIT} acts at once",
        _act(lambda s, _: len(s.acting) < ACTING_LIMIT),
    ),
    Guardrail(
        "few an hour",
        f"at most {HOURLY_LIMIT} acts an hour",
        _act(lambda s, _: s.opened_last_hour < HOURLY_LIMIT),
    ),
)  # fmt: skip


OF_THE_TARGET: Final = tuple(rail for rail in GUARDRAILS if rail.name in {"life safety", "the owner's way in"})
"""Those that look at what the target is: they hold for acts that are under way, too."""


def _must_be_told(evidence: Evidence) -> bool:
    return evidence.rule or (evidence.guarded and evidence.above > 0)


def refusal(situation: Situation, guardrails: Iterable[Guardrail] = GUARDRAILS) -> Guardrail | None:
    """The first guardrail that forbids it, or ``None`` when it may be done."""
    return next((rail for rail in guardrails if not rail.allows(situation)), None)
