"""Everything the engine can ask for. Effects are journaled before they are done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

IncidentKind = Literal["unusual", "rule", "silent", "blind", "network", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A claim on a device, with an end.

    ``ends`` is ``None`` for a one-shot act. ``restore`` is the command that takes the action back, or ``None``
    when nothing is to be restored. ``id`` is the lease's id and the idempotency key for responders.

    A command to the network or the broker about a device (`homeward.core.vocabulary.CLAIMS`) is restored by
    ``release``; for ``restrict``, ``allow`` lists what the device may still do, each as ``PROTOCOL PORT PEER`` or
    ``PROTOCOL PORT PEER in`` (it is asked), ``PEER`` being a name, an address or ``mud:local-networks``. A message
    to a person (`homeward.core.vocabulary.MESSAGES`) has the listener's name for ``device`` and ``text``.
    """

    id: str
    incident: str
    responder: str
    device: str
    command: str
    restore: str | None
    ends: datetime | None
    allow: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Carry the action out."""

    at: datetime
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """Take the action back. ``attempt`` counts from 1; it is asked for again until an `Outcome` says ok."""

    at: datetime
    action: Action
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell the owner. ``interrupts`` marks an alarm: what the budget counts.

    ``habit`` is the habit (or the rule's name) that gave the reason; ``bits`` and ``p_value`` are ``None`` for
    a rule and for blindness. ``p_value`` is the share of past visits that were at least as strange.
    """

    at: datetime
    incident: str
    kind: IncidentKind
    device: str
    habit: str
    bits: float | None
    p_value: float | None
    reason: str
    interrupts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line for the log: what was decided and why (``held``, ``refused``, ``lease_ended``, ``bad_clock`` …)."""

    at: datetime
    kind: str
    subject: str
    detail: str = ""


Effect = Apply | Revert | Notify | Record
