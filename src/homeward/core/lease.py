"""Leases: an action with an end, as a small state machine over plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from homeward.core.effects import Action, Apply, Revert

LeaseStatus = Literal["applying", "active", "reverting", "ended"]

LEASE_LIMIT: Final = 256
PATIENCE: Final = timedelta(seconds=30)
"""How long an outcome may take before the step is asked for again (responders are idempotent)."""

SLOWEST_RETRY: Final = timedelta(minutes=5)
ONE_SHOT_ATTEMPTS: Final = 8


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


def deadline(lease: Lease) -> datetime | None:
    """When the lease next needs attention."""
    if lease.status == "ended":
        return None
    if lease.status == "reverting":
        return lease.next_attempt
    moments = [at for at in (lease.action.ends, lease.next_attempt) if at is not None]
    return min(moments, default=None)


def apply(lease: Lease, at: datetime) -> Apply:
    """Ask for the act, for the first time or again."""
    lease.attempts += 1
    lease.next_attempt = at + max(PATIENCE, _backoff(lease.attempts))
    return Apply(at=at, action=lease.action)


def revert(lease: Lease, at: datetime, *, still_as_set: bool = True, why: str = "") -> Revert:
    """Withdraw the claim: ask for the revert, for the first time or again.

    The earlier state is restored only if the device still is as the guard set it; otherwise the guard stops
    enforcing and says so.
    """
    if lease.status != "reverting":
        lease.status, lease.attempts, lease.error, lease.outcome = "reverting", 0, "", why
        if not still_as_set:
            lease.action = replace(lease.action, restore=None)
            lease.outcome = f"{why}; left as it is, because somebody changed it since"
    lease.attempts += 1
    lease.next_attempt = at + max(PATIENCE, _backoff(lease.attempts))
    return Revert(at=at, action=lease.action, attempt=lease.attempts)


def settle(lease: Lease, at: datetime, step: Literal["apply", "revert"], ok: bool, detail: str) -> None:
    """Take note of what became of a step. An outcome of a step that is no longer asked for changes nothing."""
    if step == "apply" and lease.status == "applying":
        if ok:
            lease.status, lease.attempts, lease.next_attempt, lease.error = "active", 0, None, ""
            if lease.action.ends is None:
                lease.status, lease.outcome = "ended", "done; ends by itself"
        else:
            _failed(lease, at, detail)
            if lease.action.ends is None and lease.attempts >= ONE_SHOT_ATTEMPTS:
                lease.status, lease.next_attempt, lease.outcome = "ended", None, f"failed: {detail}"
    elif step == "revert" and lease.status == "reverting":
        if ok:
            lease.status, lease.next_attempt, lease.error = "ended", None, ""
        else:
            _failed(lease, at, detail)


def _failed(lease: Lease, at: datetime, detail: str) -> None:
    lease.error = detail or "failed"
    lease.next_attempt = at + _backoff(lease.attempts)


def _backoff(attempts: int) -> timedelta:
    return min(timedelta(seconds=2.0 ** min(attempts, 10)), SLOWEST_RETRY)


def open_leases(leases: Mapping[str, Lease]) -> tuple[Lease, ...]:
    """The leases that are not ended, oldest first."""
    return tuple(lease for lease in leases.values() if lease.status != "ended")


def make_room(leases: dict[str, Lease]) -> None:
    """Drop the oldest ended leases above the limit; an open one never."""
    if len(leases) > LEASE_LIMIT:
        ended = [name for name, lease in leases.items() if lease.status == "ended"]
        for name in ended[: len(leases) - LEASE_LIMIT]:
            del leases[name]
