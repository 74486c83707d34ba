"""“I am blind”: something the guard depends on failed, or came back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from homeward.core.effects import Effect, Record
from homeward.core.incident import Incident, IncidentBook
from homeward.core.inputs import Health
from homeward.core.lease import DETAIL_LIMIT, LeaseBook

FLAPPING: Final = timedelta(hours=1)
"""What fails again within an hour is the same incident: it does not interrupt again."""

SILENT_SUBJECTS: Final = frozenset({"guard", "clock"})
"""Blindness that is put on record without an interruption: it is over when it is told."""


DEVICE: Final = "device:"
"""Begins the subject of a device that its source says it cannot reach."""


def note_health(
    item: Health, now: datetime, incidents: IncidentBook, leases: LeaseBook, *, quietly: bool = False
) -> list[Effect]:
    """Open, join or close the incident of a failure; ask again at once for what failed while it lasted.

    ``quietly`` puts it on record without an interruption: a lamp without power is no alarm.
    """
    incident = incidents.find_open("blind", device=item.subject)
    if item.up:
        effects = leases.retry(now)
        if incident is not None:
            incident.closed = incident.updated = now
            incident.reason += "; it came back"
            effects.append(Record(at=now, kind="sees_again", subject=item.subject, detail=incident.reason))
        return effects
    incident = incident or _within_the_hour(incidents, item.subject, now)
    if incident is None:
        incident = incidents.open("blind", now, item.subject, leases.incidents())
    incident.habit, incident.reason = "blind", _words(item)
    news = incidents.join(incident, now)
    if quietly or item.subject in SILENT_SUBJECTS:
        return [Record(at=now, kind="blind", subject=item.subject, detail=incident.reason)]
    return [incidents.alarm(incident, item.subject, now)] if news else []


def _within_the_hour(incidents: IncidentBook, subject: str, now: datetime) -> Incident | None:
    """The incident of the same failure not long ago, open again."""
    for incident in reversed(incidents.state.incidents.values()):
        if incident.kind == "blind" and incident.device == subject:
            if incident.closed is None or now - incident.closed > FLAPPING:
                return None
            incident.closed = None
            return incident
    return None


def _words(item: Health) -> str:
    kind, _, name = item.subject.partition(":")
    what = {
        "source": f"nothing is heard from {name}",
        "responder": f"{name} does not act",
        "device": f"{name} cannot be reached",
    }.get(kind, item.subject)
    return f"blind: {what}: {item.detail[:DETAIL_LIMIT] or 'failed'}"
