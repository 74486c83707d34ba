"""Whether the budget can be promised yet, in words that can be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeward.core.event import Event
from homeward.core.local_time import moment

YOUNG_MS: Final = 14 * 86_400_000
YOUNG_LIMIT: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the budget can be promised, since when, and how many days are to go (``None``: cannot say yet)."""

    ready: bool
    since: datetime | None
    days_to_go: int | None
    note: str


def readiness(days_to_go: int | None, ready_at: int | None, budget: float) -> Readiness:
    """What a profile says of itself (``ready_at`` in milliseconds), for a budget of alarms a week."""
    if days_to_go == 0 and ready_at is not None:
        note = f"watching, at most {budget:g} alarm{'' if budget == 1 else 's'} a week"
        return Readiness(ready=True, since=moment(ready_at), days_to_go=0, note=note)
    if days_to_go is None:
        return Readiness(ready=False, since=None, days_to_go=None, note="learning, nothing seen yet")
    note = f"learning, about {days_to_go} day{'' if days_to_go == 1 else 's'} to go"
    return Readiness(ready=False, since=None, days_to_go=days_to_go, note=note)


def note_young(young: dict[str, int], first_at: int | None, event: Event, at: int) -> None:
    """Count what was learned in the first 14 days, by device and action: it is shown once, to be confirmed."""
    name = f"{event.device} {event.action}"
    if first_at is not None and at - first_at <= YOUNG_MS and (name in young or len(young) < YOUNG_LIMIT):
        young[name] = young.get(name, 0) + 1
