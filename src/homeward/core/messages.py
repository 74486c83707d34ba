"""Messages: who is told of an incident, through which channel, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from homeward.core.decision.ladder import ACTS, HEIGHT, Rung
from homeward.core.decision.policy import Evidence
from homeward.core.effects import Action, Effect, Record
from homeward.core.incident import Incident
from homeward.core.lease import LeaseBook
from homeward.core.settings import Listener
from homeward.core.vocabulary import MESSAGES

Kind = Literal["notify", "ask", "escalate"]

HOUSEHOLD: Final = "household"
ESCALATE: Final = timedelta(minutes=15)
"""How long the first may take to answer before somebody else is told as well."""

WAITING_LIMIT: Final = 64
"""Messages on their way; what more there is stays on the page. What can wait takes half of them at most."""

TEXT_LIMIT: Final = 1_000

QuietUntil = Callable[[Listener, datetime], datetime | None]
"""When a listener's quiet hours end, if it is one now."""


class Messages:
    """Tells listeners. A message is a lease that ends by itself: journaled, tried again, shown until it is taken."""

    def __init__(self, listeners: Iterable[Listener], leases: LeaseBook, quiet_until: QuietUntil) -> None:
        self._listeners = tuple(listeners)
        self._leases = leases
        self._quiet_until = quiet_until

    def tell(
        self, incident: Incident, rung: Rung, evidence: Evidence, now: datetime, person: str = ""
    ) -> list[Effect]:
        """Tell (or ask) the person who did it, or the household; what can wait waits for the end of quiet hours.

        A channel that fails is not told of by itself.
        """
        kind: Kind = "ask" if HEIGHT[rung] >= HEIGHT["ask"] and incident.kind != "blind" else "notify"
        urgent = evidence.guarded or incident.kind == "rule" or rung in ACTS
        text = incident.reason if incident.alarms <= 1 else f"More of it: {incident.reason}"
        effects = self._send(incident, self._concerned(person), kind, text, now, urgent=urgent)
        seconds = [one for one in self._listeners if one.second]
        if rung == "escalate":
            return effects + self._send(incident, seconds, "escalate", text, now, urgent=True)
        if kind == "ask" and urgent and seconds and incident.escalates is None:
            incident.escalates = now + ESCALATE
        return effects

    def escalate(self, incident: Incident, now: datetime) -> list[Effect]:
        """Nobody answered in time: tell those who are told second."""
        incident.escalates = None
        incident.climb("escalate")
        text = f"Nobody answered for {ESCALATE // timedelta(minutes=1)} minutes: {incident.reason}"
        seconds = [one for one in self._listeners if one.second]
        return self._send(incident, seconds, "escalate", text, now, urgent=True)

    def told(self, incident: Incident) -> list[Listener]:
        """Who was told of it, or may have been."""
        kept = [lease for name in incident.leases if (lease := self._leases.state.leases.get(name)) is not None]
        reached = {
            (lease.action.device, lease.action.responder)
            for lease in kept
            if lease.action.command in MESSAGES and lease.reached
        }
        return [one for one in self._listeners if (one.name, one.channel) in reached]

    def follow_up(self, incident: Incident, to: Iterable[Listener], text: str, now: datetime) -> list[Effect]:
        """Say what changed, without asking anything."""
        return self._send(incident, to, "notify", text, now, urgent=False)

    def _concerned(self, person: str) -> list[Listener]:
        """The person who acted, as far as they can be told anything; the household otherwise."""
        first = [one for one in self._listeners if not one.second]
        own = [one for one in first if one.name == person]
        return own or [one for one in first if one.name == HOUSEHOLD] or first

    def _send(
        self, incident: Incident, to: Iterable[Listener], kind: Kind, text: str, now: datetime, *, urgent: bool
    ) -> list[Effect]:
        effects: list[Effect] = []
        for listener in to:
            if incident.device == f"responder:{listener.channel}":
                continue
            waiting = sum(lease.action.command in MESSAGES for lease in self._leases.open())
            if waiting >= (WAITING_LIMIT if urgent else WAITING_LIMIT // 2):
                detail = f"{kind} to {listener.name}: too many messages wait for their channels"
                effects.append(Record(at=now, kind="unsent", subject=incident.id, detail=detail))
                continue
            message = Action(
                id=f"{incident.id}-{len(incident.leases) + 1}",
                incident=incident.id,
                responder=listener.channel,
                device=listener.name,
                command=kind,
                restore=None,
                ends=None,
                text=text[:TEXT_LIMIT],
            )
            incident.leases.append(message.id)
            effects += self._leases.send(message, now, None if urgent else self._quiet_until(listener, now))
        return effects
