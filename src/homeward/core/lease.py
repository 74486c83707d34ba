"""Leases: an action with an end, as a small state machine over plain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from homeward.core.effects import Action, Apply, Effect, Record, Revert
from homeward.core.event import Event
from homeward.core.inputs import Outcome
from homeward.core.settings import DRY_RUN, Response
from homeward.core.vocabulary import CLAIMS, MESSAGES, obeys

LeaseStatus = Literal["applying", "active", "reverting", "ended"]

LEASE_LIMIT: Final = 256
PATIENCE: Final = timedelta(seconds=30)
"""How long an outcome may take before the step is asked for again (responders are idempotent)."""

REFRESH: Final = timedelta(minutes=5)
"""How often a claim is made again: a firewall or broker that was restarted has forgotten it, and names move."""

SLOWEST_RETRY: Final = timedelta(minutes=5)
ONE_SHOT_ATTEMPTS: Final = 8
MESSAGE_PATIENCE: Final = timedelta(hours=24)
"""How long a message is tried again: the Internet may be away for an evening."""

ECHO: Final = timedelta(seconds=60)
DETAIL_LIMIT: Final = 500
"""How much of what a responder says of its failure is kept, in characters."""

HOUR: Final = timedelta(hours=1)
TIME_OVER: Final = "its time was over"
"""Begins the outcome of a lease that nobody took back."""
DONE: Final = "done; ends by itself"
"""How a one-shot act or a message ends that its responder has taken."""

_NO_STATES: Final = frozenset({"reading", "announced", "flow", "alert"})
"""What a device may say without being otherwise than before."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """A claim that the guard made on a device, until it is closed.

    Only a successful revert closes a lease (or, for a one-shot act, the success or failure of the act itself);
    a revert that fails is asked for again at ``next_attempt`` and shown, with ``error``, until it succeeds.
    ``outcome`` says in words how it ended; ``changed`` that the device last told another state than ours,
    ``asked`` that a step was asked for and what became of it is not known yet.
    """

    action: Action
    opened: datetime
    status: LeaseStatus = "applying"
    attempts: int = 0
    next_attempt: datetime | None = None
    error: str = ""
    outcome: str = ""
    changed: bool = False
    asked: bool = False

    @property
    def reached(self) -> bool:
        """Whether its responder has taken it, or may have: it was asked for, and did not fail."""
        return self.outcome == DONE or (self.attempts > 0 and not self.error)


@dataclass(slots=True)
class LeaseState:
    """Leases by id, oldest first; and what is known of the devices that responses act upon."""

    leases: dict[str, Lease] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By target: the states that responses set it to."""
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By target: its last state, and the property that told it."""
    expected: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """The echo of our own act: which state the target will tell, and until when that is ours."""
    opened: list[datetime] = field(default_factory=list)
    """When the leases of the last hour were opened."""


class LeaseBook:
    """The leases of a place over a `LeaseState`. At most 256 are kept; an open one is never dropped."""

    def __init__(self, state: LeaseState) -> None:
        self.state = state

    def adopt(self, responses: Collection[Response]) -> None:
        """Watch the devices that responses act upon, and those that an open lease still holds."""
        state = self.state
        words: dict[str, tuple[str, ...]] = {}
        acts: list[Action | Response] = [*(lease.action for lease in self.acting()), *responses]
        for act in acts:
            if act.command in CLAIMS:  # the device itself is told nothing
                continue
            words[act.device] = (*words.get(act.device, ()), act.command, act.restore or act.command)
        state.words = {device: tuple(dict.fromkeys(said)) for device, said in words.items()}
        state.targets = {device: told for device, told in state.targets.items() if device in words}
        state.expected = {device: echo for device, echo in state.expected.items() if device in words}

    def open(self) -> tuple[Lease, ...]:
        """The leases that are not ended, oldest first."""
        return tuple(lease for lease in self.state.leases.values() if lease.status != "ended")

    def acting(self, *, rehearsed: bool = True) -> tuple[Lease, ...]:
        """The open leases on devices, oldest first: not the messages that are on their way.

        Without those that are only ``rehearsed`` where these do not count: a dry run must not keep from acting.
        """
        return tuple(
            lease
            for lease in self.open()
            if lease.action.command not in MESSAGES and (rehearsed or lease.action.responder != DRY_RUN)
        )

    def incidents(self) -> set[str]:
        """The incidents that an open lease belongs to."""
        return {lease.action.incident for lease in self.open()}

    def opened_last_hour(self, now: datetime) -> int:
        """How many leases were opened within the hour."""
        self.state.opened = [at for at in self.state.opened if now - at < HOUR]
        return len(self.state.opened)

    def note(self, event: Event, now: datetime) -> bool:
        """Take note of a target's state; whether the event is the echo of our own act."""
        state, device, action = self.state, event.device, event.action
        about = event.attributes.get("property", "")
        told = state.targets.get(device)
        ours = any(obeys(action, word) for word in state.words[device])
        if action in _NO_STATES or (told and told[1] != about and not ours):
            return False  # of another property of the device: a low battery does not say that a siren is silent
        state.targets[device] = (action, about)
        wanted, until = state.expected.get(device, ("", now))
        echo = obeys(action, wanted) and now <= until and event.actor in {None, "homeward"}
        if echo:
            del state.expected[device]
        for lease in self.acting():
            if lease.action.device == device and lease.action.command not in CLAIMS:
                lease.changed = not echo and not obeys(action, lease.action.command)
        return echo

    def take(
        self, response: Response, incident: str, number: int, now: datetime, allow: tuple[str, ...] = ()
    ) -> tuple[Lease, Effect]:
        """Open a lease. What was already so before needs no way back."""
        state = self.state
        earlier = "" if response.command in CLAIMS else state.targets.get(response.device, ("", ""))[0]
        action = Action(
            id=f"{incident}-{number}",
            incident=incident,
            responder=response.responder,
            device=response.device,
            command=response.command,
            restore=None if obeys(earlier, response.command) else response.restore,
            # In whole milliseconds, as the guard's clock counts: a deadline between two of them could not be met.
            ends=None if response.minutes is None else now + timedelta(milliseconds=round(response.minutes * 60_000)),
            allow=allow,
        )
        if response.responder != DRY_RUN:
            state.opened.append(now)
        lease = self._open(action, now)
        return lease, self._apply(lease, now)

    def send(self, message: Action, now: datetime, not_before: datetime | None = None) -> list[Effect]:
        """Send a message, at once or when quiet hours are over; it is tried again until its channel has taken it."""
        lease = self._open(message, now)
        if not_before is not None and not_before > now:
            lease.next_attempt = not_before
            return []
        return [self._apply(lease, now)]

    def _open(self, action: Action, now: datetime) -> Lease:
        leases = self.state.leases
        lease = leases[action.id] = Lease(action=action, opened=now)
        if len(leases) > LEASE_LIMIT:
            ended = [name for name, one in leases.items() if one.status == "ended"]
            for name in ended[: len(leases) - LEASE_LIMIT]:
                del leases[name]
        return lease

    def take_back(self, lease: Lease, now: datetime, why: str) -> list[Effect]:
        """Withdraw a claim before its time, drop a message that waits; nothing when that is already under way."""
        if lease.status not in {"applying", "active"}:
            return []
        if lease.action.command in MESSAGES:
            return self._end(lease, now, why)
        return [self._revert(lease, now, why)]

    def take_back_all(self, target: str | None, now: datetime, why: str) -> list[Effect] | None:
        """Withdraw the claim of this id, or every one where none is named; ``None`` if there is no such open one."""
        chosen = [lease for lease in self.acting() if target in {None, lease.action.id}]
        if target is not None and not chosen:
            return None
        return [effect for lease in chosen for effect in self.take_back(lease, now, why)]

    def outcome(self, item: Outcome, now: datetime) -> list[Effect]:
        """Take note of what became of a step. An outcome of a step no longer asked for changes nothing."""
        lease = self.state.leases.get(item.action)
        if lease is None:
            return []
        if item.step == ("revert" if lease.status == "reverting" else "apply"):
            lease.asked = False
        if item.step == "apply" and lease.status == "applying":
            if not item.ok:
                return self._failed(lease, now, item.detail)
            claimed = lease.action.command in CLAIMS
            lease.status, lease.attempts, lease.error = "active", 0, ""
            lease.next_attempt = now + REFRESH if claimed else None
            return self._end(lease, now, DONE) if lease.action.ends is None else []
        if item.step == "apply" and lease.status == "active" and lease.action.command in CLAIMS:
            if item.ok:
                lease.attempts, lease.error = 0, ""
                return []
            return self._failed(lease, now, item.detail)
        if item.step == "revert" and lease.status == "reverting":
            if not item.ok:
                return self._failed(lease, now, item.detail)
            if lease.action.restore is not None and lease.action.device in self.state.targets:
                # Its echo may be lost; a later lease must not take our own act for the earlier state.
                about = self.state.targets[lease.action.device][1]
                self.state.targets[lease.action.device] = (lease.action.restore, about)
            return self._end(lease, now, lease.outcome)
        return []

    def retry(self, now: datetime) -> list[Effect]:
        """Something came back: what failed is asked for at once. That uses up no attempt: it may be flapping."""
        effects: list[Effect] = []
        for lease in self.open():
            if lease.error and not lease.asked:
                lease.attempts = max(0, lease.attempts - 1)
                effects += self._due(lease, now)
        return effects

    def run_due(self, at: datetime) -> list[Effect]:
        """What the leases need at this moment."""
        effects = []
        for lease in self.open():
            wanted = _deadline(lease)
            if wanted is not None and wanted <= at:
                effects += self._due(lease, at)
        return effects

    def next_deadline(self) -> datetime | None:
        """When a lease next needs attention."""
        moments = map(_deadline, self.open())
        return min((moment for moment in moments if moment is not None), default=None)

    def _due(self, lease: Lease, now: datetime) -> list[Effect]:
        ends = lease.action.ends
        if lease.status == "reverting":
            return [self._revert(lease, now, lease.outcome)]
        if ends is not None and ends <= now:
            return [self._revert(lease, now, TIME_OVER)]
        if lease.status == "active":
            lease.asked = True
            lease.attempts += 1
            lease.next_attempt = now + REFRESH
            return [Apply(at=now, action=lease.action)]
        if self._given_up(lease, now):
            return self._end(lease, now, f"failed: {lease.error or 'no answer from the responder'}")
        return [self._apply(lease, now)]

    def _apply(self, lease: Lease, now: datetime) -> Effect:
        lease.asked = True
        lease.attempts += 1
        lease.next_attempt = now + max(PATIENCE, _backoff(lease.attempts))
        if lease.action.command not in CLAIMS | MESSAGES:
            self.state.expected[lease.action.device] = (lease.action.command, now + ECHO)
        return Apply(at=now, action=lease.action)

    def _revert(self, lease: Lease, now: datetime, why: str) -> Effect:
        """Restore the earlier state only if the device still is as we set it; otherwise stop enforcing and say so."""
        if lease.status != "reverting":
            lease.status, lease.attempts, lease.error, lease.outcome = "reverting", 0, "", why
        if lease.changed and lease.action.restore is not None:
            lease.action = replace(lease.action, restore=None)
            lease.outcome += "; left as it is, because somebody changed it since"
        if lease.action.restore is not None and lease.action.command not in CLAIMS:
            self.state.expected[lease.action.device] = (lease.action.restore, now + ECHO)
        lease.asked = True
        lease.attempts += 1
        lease.next_attempt = now + max(PATIENCE, _backoff(lease.attempts))
        return Revert(at=now, action=lease.action, attempt=lease.attempts)

    def _failed(self, lease: Lease, now: datetime, detail: str) -> list[Effect]:
        lease.error = detail[:DETAIL_LIMIT] or "failed"
        lease.next_attempt = now + _backoff(lease.attempts)
        if self._given_up(lease, now):
            return self._end(lease, now, f"failed: {lease.error}")
        return []

    def _given_up(self, lease: Lease, now: datetime) -> bool:
        """Whether what ends by itself was tried for long enough."""
        if lease.action.ends is not None:
            return False
        if lease.action.command in MESSAGES:
            return now - lease.opened >= MESSAGE_PATIENCE
        return lease.attempts >= ONE_SHOT_ATTEMPTS

    def _end(self, lease: Lease, now: datetime, outcome: str) -> list[Effect]:
        lease.status, lease.next_attempt, lease.outcome = "ended", None, outcome
        if not outcome.startswith("failed"):
            lease.error = ""
        return [Record(at=now, kind="lease_ended", subject=lease.action.id, detail=outcome)]


def _deadline(lease: Lease) -> datetime | None:
    if lease.status == "ended":
        return None
    if lease.status == "reverting":
        return lease.next_attempt
    return min((at for at in (lease.action.ends, lease.next_attempt) if at is not None), default=None)


def _backoff(attempts: int) -> timedelta:
    return min(timedelta(seconds=2.0 ** min(attempts, 10)), SLOWEST_RETRY)
