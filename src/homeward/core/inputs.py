"""Everything that can reach the engine. Each has ``at``, the guard's own clock (aware, UTC, never decreasing)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from homeward.core.event import Event
from homeward.core.settings import Settings
from homeward.core.standing import StandingRule

Answer = Literal["yes", "no"]
Command = Literal[
    "stand_down", "undo", "arm", "disarm", "backfill_begin", "backfill_end", "confirm_young", "approve", "restrict",
    "refuse", "mode", "rule_add", "rule_remove", "verified",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """An owner's answer to an incident: ``yes`` is "that was me", ``no`` is "not me".

    ``too_much`` says that what the guard did about it was more than they wanted.
    """

    at: datetime
    incident: str
    answer: Answer
    person: str = "household"
    channel: str = "page"
    too_much: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an effect: ``action`` is the id of the `Action` that was applied or reverted."""

    at: datetime
    action: str
    step: Literal["apply", "revert"]
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New settings, or a command of the owner.

    ``target`` is a lease's id for ``undo``, a device's name for ``approve``, ``restrict`` and ``refuse``, a mode's
    for ``mode`` (which ends at ``until``), a rule's id for ``rule_remove``; ``rule`` is what ``rule_add`` adds (its
    id empty) or replaces. ``verified`` says that the shell has checked a code of ``person``.
    """

    at: datetime
    version: str
    settings: Settings | None = None
    command: Command | None = None
    target: str = ""
    person: str = "household"
    channel: str = "page"
    until: datetime | None = None
    rule: StandingRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Something the guard depends on failed (``up=False``) or came back.

    ``subject`` is ``source:NAME``, ``responder:NAME``, ``disk``, ``clock`` or ``guard``. For ``clock``,
    ``offset_ms`` is how far the wall clock now is ahead of the guard's own: habits follow it, leases never do.
    """

    at: datetime
    subject: str
    up: bool
    detail: str = ""
    offset_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Journal entries were deleted; state is folded again without them (the journal's tables allow for it)."""

    at: datetime
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passes; nothing else. A replay needs none."""

    at: datetime


Input = Event | Feedback | Outcome | Change | Health | Forgotten | Tick
