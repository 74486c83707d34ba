"""Leases: an action with an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from homeward.core.effects import Action

LeaseStatus = Literal["applying", "active", "reverting", "ended"]


@dataclass(slots=True, kw_only=True)
class Lease:
    """A claim that the guard made on a device, until it is closed.

    Only a successful revert closes a lease (or, for a one-shot act, the success or failure of the act itself);
    a revert that fails is asked for again at ``next_attempt`` and shown, with ``error``, until it succeeds.
    ``outcome`` says in words how it ended.
    """

    action: Action
    opened: datetime
    status: LeaseStatus = "applying"
    attempts: int = 0
    next_attempt: datetime | None = None
    error: str = ""
    outcome: str = ""
