"""Who was told of an incident, through which channel, and whether it arrived. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal

from homeward.core.effects import Action
from homeward.core.incident import Incident
from homeward.core.lease import Lease
from homeward.core.settings import DRY_RUN
from homeward.core.vocabulary import MESSAGES
from homeward.dashboard.names import safe

MESSAGES_SHOWN: Final = 8
"""Of one incident, the newest."""

Delivery = Literal["delivered", "sending", "waiting", "failing", "failed", "dropped"]
"""*Waiting*: for the end of quiet hours. *Failing*: tried again until it succeeds or is *failed*. *Dropped*: it was
not needed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message to ``listener`` through ``channel``. ``at`` is when it was decided, ``after`` the end of quiet hours
    that it waits for; ``tries`` counts those that failed.
    """

    id: str
    incident: str
    how: Literal["notify", "ask", "escalate"]
    listener: str
    channel: str
    delivery: Delivery
    at: datetime
    after: datetime | None
    tries: int
    error: str

    @property
    def troubled(self) -> bool:
        """Whether somebody should know that it did not arrive."""
        return self.delivery in {"failing", "failed"}


def is_message(lease: Lease) -> bool:
    """Whether a lease is a message to a person, and no act on a device."""
    return lease.action.command in MESSAGES


def messages(incident: Incident, leases: Mapping[str, Lease], zone: tzinfo) -> tuple[MessageView, ...]:
    """What was said of an incident, the newest first."""
    sent = [leases[name] for name in reversed(incident.leases) if name in leases and is_message(leases[name])]
    return tuple(message(one, zone) for one in sent[:MESSAGES_SHOWN])


def message(lease: Lease, zone: tzinfo) -> MessageView:
    """One message, from its lease."""
    action, delivery = lease.action, _delivery(lease)
    after = lease.next_attempt.astimezone(zone) if delivery == "waiting" and lease.next_attempt else None
    return MessageView(
        id=action.id,
        incident=action.incident,
        how="ask" if action.command == "ask" else "escalate" if action.command == "escalate" else "notify",
        listener=safe(action.device),
        channel=safe(action.responder),
        delivery=delivery,
        at=lease.opened.astimezone(zone),
        after=after,
        tries=lease.attempts if lease.error else 0,
        error=safe(lease.error),
    )


def _delivery(lease: Lease) -> Delivery:
    if lease.status == "ended":
        if lease.outcome.startswith("done"):
            return "delivered"
        return "failed" if lease.outcome.startswith("failed") else "dropped"
    if lease.error:
        return "failing"
    return "sending" if lease.attempts else "waiting"


def acts(one: Incident, leases: Mapping[str, Lease]) -> list[Action]:
    """What was done to devices about an incident."""
    return [leases[name].action for name in one.leases if name in leases and not is_message(leases[name])]


def rehearsed(one: Incident, leases: Mapping[str, Lease]) -> bool:
    """Whether something would have been done about it, and it all was a dry run."""
    done = acts(one, leases)
    return bool(done) and all(act.responder == DRY_RUN for act in done)
