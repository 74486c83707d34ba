"""What may be done at all: a table that reads like a policy. It is asked before any policy chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from homeward.core.lease import Lease
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, ONE_SHOT, REFUSED

ACTING_LIMIT: Final = 3
"""Leases that may act at once."""

HOURLY_LIMIT: Final = 6
"""Leases that may be opened within an hour."""

LONGEST_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a guardrail looks at. ``opened_last_hour`` counts leases; ``acting`` are the ones still open."""

    response: Response
    target: Device
    acting: tuple[Lease, ...]
    opened_last_hour: int


@dataclass(frozen=True, slots=True)
class Guardrail:
    """``allows`` says yes or no; ``why`` is what the owner reads when it says no."""

    name: str
    why: str
    allows: Callable[[Situation], bool]


def _plain(word: str) -> str:
    """A command as it may be meant: neither case nor blanks make another word of it."""
    return word.strip().casefold()


GUARDRAILS: Final = (
    Guardrail(
        "life safety",
        "life-safety and medical devices are never acted upon",
        lambda s: s.target.type not in LIFE_SAFETY_TYPES,
    ),
    Guardrail(
        "never a way in",
        "the guard never unlocks, opens or disarms, and never toggles",
        lambda s: not any(_plain(word) in REFUSED for word in (s.response.command, s.response.restore or "")),
    ),
    Guardrail(
        "the owner's way in",
        "a door or lock may only be locked, an alarm panel only armed, and stays so",
        lambda s: (
            (s.response.command == ("arm" if s.target.type == "alarm" else "lock") and s.response.restore is None)
            or (s.target.type not in {"lock", "alarm", "garage_door"} and s.target.role != "entrance")
        ),
    ),
    Guardrail(
        "reversible",
        "an act needs an end and a way back, or must be one that ends by itself",
        lambda s: (
            (s.response.minutes is None and s.response.command in ONE_SHOT and s.response.restore is None)
            or (s.response.minutes is not None and s.response.restore is not None)
        ),
    ),
    Guardrail(
        "bounded",
        "a lease lasts more than nothing and at most a day",
        lambda s: s.response.minutes is None or 0 < s.response.minutes <= LONGEST_MINUTES,
    ),
    Guardrail(
        "one claim on a device",
        "this device is already held by an earlier act",
        lambda s: all(lease.action.device != s.response.device for lease in s.acting),
    ),
    Guardrail(
        "few at once",
        f"at most {ACTING_LIMIT} acts at once",
        lambda s: len(s.acting) < ACTING_LIMIT,
    ),
    Guardrail(
        "few an hour",
        f"at most {HOURLY_LIMIT} acts an hour",
        lambda s: s.opened_last_hour < HOURLY_LIMIT,
    ),
)


def refusal(situation: Situation, guardrails: Iterable[Guardrail] = GUARDRAILS) -> Guardrail | None:
    """The first guardrail that forbids the response, or ``None`` when it may be done."""
    return next((rail for rail in guardrails if not rail.allows(situation)), None)
