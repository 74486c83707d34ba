"""Incidents as OCSF Detection Findings (class 2004), for any system that collects security events. Pure.

The schema is OCSF 1.5.0, without profiles and extensions. One incident is one finding, whose ``finding_info.uid``
stays the same for ever; each state of it that is exported has a ``metadata.uid`` of its own, so that what is sent
twice can be told from what has changed. Times are milliseconds since 1970, of the guard's own clock.

``confidence_id`` is recommended and left out: it would be how sure the guard is that something is *bad*, and that it
never knows. How rare the visit was is measured, and is in the evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from homeward.core.decision.ladder import ACTS
from homeward.core.incident import Incident
from homeward.core.local_time import milliseconds
from homeward.core.rules import ARMED
from homeward.core.settings import Device
from homeward.exchange import attack

SCHEMA: Final = "1.5.0"
CLASS_UID: Final = 2004
TITLE_LIMIT: Final = 250
"""A title is a brief phrase; longer reasons are cut there, and whole in ``desc`` and ``message``."""

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://homeward.invalid/incident")


class _Word(NamedTuple):
    """An OCSF enumeration's value: number and caption."""

    id: int
    caption: str


_CREATE, _UPDATE, _CLOSE = _Word(1, "Create"), _Word(2, "Update"), _Word(3, "Close")
_INFORMATIONAL, _LOW, _MEDIUM, _HIGH = (
    _Word(1, "Informational"),
    _Word(2, "Low"),
    _Word(3, "Medium"),
    _Word(4, "High"),
)
_NEW, _IN_PROGRESS, _SUPPRESSED, _RESOLVED = (
    _Word(1, "New"),
    _Word(2, "In Progress"),
    _Word(3, "Suppressed"),
    _Word(4, "Resolved"),
)
_RULE, _BEHAVIORAL, _STATISTICAL = _Word(1, "Rule"), _Word(2, "Behavioral"), _Word(3, "Statistical")
_UNKNOWN_VERDICT, _TRUE_POSITIVE = _Word(0, "Unknown"), _Word(2, "True Positive")
_SUSPICIOUS, _BENIGN = _Word(4, "Suspicious"), _Word(5, "Benign")
_MOBILE, _IOT = _Word(5, "Mobile"), _Word(7, "IOT")

_ANALYTICS: Final = {"unusual": _BEHAVIORAL, "silent": _STATISTICAL}
"""By kind of incident; the others are rules."""


def detection_finding(
    incident: Incident,
    device: Device | None = None,
    *,
    place: str,
    version: str,
    signs: Collection[str] | None = None,
) -> dict[str, Any]:
    """An incident as it stands, JSON-ready.

    ``device`` is the one that the incident names, where it is known. ``version`` is Homeward's. ``signs`` are
    `homeward.exchange.attack.SIGNS`; where none are given, what the incident itself tells.
    """
    activity, severity, status = _activity(incident), _severity(incident), _status(incident)
    opened, updated = milliseconds(incident.opened), milliseconds(incident.updated)
    finding = {
        "activity_id": activity.id,
        "activity_name": activity.caption,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity.id,
        "type_name": f"Detection Finding: {activity.caption}",
        "time": opened,
        "start_time": opened,
        "end_time": updated,
        "count": max(1, incident.events),
        "severity_id": severity.id,
        "severity": severity.caption,
        "status_id": status.id,
        "status": status.caption,
        "is_alert": incident.alarms > 0,
        "message": _text(incident.reason),
        "metadata": _metadata(incident, place, version),
        "finding_info": _finding_info(incident, device, place, version, signs),
        "resources": _resources(incident, device),
        "evidences": [_evidence(incident)],
    }
    if incident.answer is not None:
        said = "That was me" if incident.answer == "yes" else "Not me"
        finding["comment"] = _text(f"{said} ({incident.answered_by})")
    if device is not None:
        kind = _MOBILE if device.type == "phone" else _IOT
        finding["device"] = {"type_id": kind.id, "type": kind.caption, "name": _text(device.name)}
    if incident.kind == "unusual" and incident.explanation.because:
        finding["anomaly_analyses"] = [_anomaly(incident, device)]
    return finding


def ndjson(findings: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Each finding as one line of JSON, in UTF-8, with its line feed."""
    encode = msgspec.json.Encoder().encode
    return (encode(finding) + b"\n" for finding in findings)


def _metadata(incident: Incident, place: str, version: str) -> dict[str, Any]:
    changed = milliseconds(incident.updated if incident.closed is None else incident.closed)
    state = (changed, incident.closed is None, incident.rung, incident.events, incident.alarms, incident.answer)
    return {
        "version": SCHEMA,
        "uid": str(uuid5(_NAMESPACE, f"{_uid(incident, place)} {state}")),
        "product": {"name": "Homeward", "vendor_name": "Homeward", "version": version},
        "event_code": _text(incident.habit if incident.kind == "rule" else incident.kind),
        "modified_time": changed,
        "tenant_uid": _text(place),
    }


def _finding_info(
    incident: Incident, device: Device | None, place: str, version: str, signs: Collection[str] | None
) -> dict[str, Any]:
    why = incident.explained()
    sentences = (why.happened, *(one.usual for one in why.because), why.evidence, why.rare, why.remedy)
    analytic = _ANALYTICS.get(incident.kind, _RULE)
    name = incident.habit or incident.kind
    title = _text(incident.reason or incident.kind)
    info: dict[str, Any] = {
        "uid": _uid(incident, place),
        "uid_alt": incident.id,
        "title": title if len(title) <= TITLE_LIMIT else f"{title[: TITLE_LIMIT - 1]}…",
        "desc": _text(" ".join(filter(None, sentences)) or incident.reason),
        "created_time": milliseconds(incident.opened),
        "modified_time": milliseconds(incident.updated),
        "first_seen_time": milliseconds(incident.opened),
        "last_seen_time": milliseconds(incident.updated),
        "types": [str(incident.kind)],
        "analytic": {
            "type_id": analytic.id,
            "type": analytic.caption,
            "name": _text(name),
            "uid": _text(f"homeward/{incident.kind}/{name}".replace(" ", "-")),
            "version": version,
        },
    }
    found = attack.techniques(attack.signs_of(incident, device) if signs is None else signs)
    if found:
        info["attacks"] = [_attack(technique) for technique in found]
    return info


def _attack(technique: attack.Technique) -> dict[str, Any]:
    said = {"version": attack.VERSION, "tactic": technique.tactic._asdict()}
    own = {"uid": technique.uid, "name": technique.name, "src_url": technique.url}
    if not technique.parent:
        return said | {"technique": own}
    parent = technique._replace(uid=technique.uid.partition(".")[0], name=technique.parent)
    above = {"uid": parent.uid, "name": parent.name, "src_url": parent.url}
    return said | {"technique": above, "sub_technique": own}


def _resources(incident: Incident, device: Device | None) -> list[dict[str, Any]]:
    """What it was about: the device (for blindness, what failed), then the guarded devices that joined."""
    kind, _, name = incident.device.partition(":") if incident.kind == "blind" else ("", "", incident.device)
    first: dict[str, Any] = {"name": _text(name or kind)}
    if device is not None:
        first |= {"type": _text(device.type), "labels": [f"role:{_text(device.role)}", f"room:{_text(device.room)}"]}
    elif kind:
        first["type"] = kind if name else "guard"
    others = [{"name": _text(one)} for one in incident.guarded if one != incident.device]
    return [one for one in (first, *others) if one["name"]]


def _evidence(incident: Incident) -> dict[str, Any]:
    if incident.answer is not None:
        verdict = _BENIGN if incident.answer == "yes" else _TRUE_POSITIVE
    else:
        verdict = _UNKNOWN_VERDICT if incident.kind in ("silent", "blind") else _SUSPICIOUS
    data = {
        "action": _text(incident.action),
        "habit": _text(incident.habit),
        "bits": incident.bits,
        "p_value": incident.p_value,
        "score_bits": round(incident.score / 256, 2),
        "rung": incident.rung,
        "alarms": incident.alarms,
        "leases": list(incident.leases),
    }
    return {"name": "homeward.incident", "verdict_id": verdict.id, "verdict": verdict.caption, "data": data}


def _anomaly(incident: Incident, device: Device | None) -> dict[str, Any]:
    """Each habit that spoke against it: what was seen, and what is usual instead."""
    target = {"name": _text(incident.device or "home")}
    if device is not None:
        target["type"] = _text(device.type)
    happened = _text(incident.explanation.happened or incident.reason)
    because = incident.explanation.because
    return {
        "analysis_targets": [target],
        "anomalies": [
            {"observation_parameter": one.habit, "observations": [{"value": _text(one.rarity) or happened}]}
            for one in because
        ],
        "baselines": [
            {"observation_parameter": one.habit, "observations": [{"value": _text(one.usual)}]} for one in because
        ],
    }


def _activity(incident: Incident) -> _Word:
    if incident.closed is not None:
        return _CLOSE
    return _CREATE if incident.updated == incident.opened and incident.answer is None else _UPDATE


def _severity(incident: Incident) -> _Word:
    """How much it asks of the owner: nothing, a look, soon, now."""
    if incident.rung == "record":
        return _INFORMATIONAL
    if incident.rung in ACTS or incident.rung == "escalate" or incident.guarded or incident.habit == ARMED:
        return _HIGH
    return _LOW if incident.kind in ("silent", "new") else _MEDIUM


def _status(incident: Incident) -> _Word:
    """What was said about it. Who says "not me" begins a matter whose end the guard is not told."""
    if incident.answer is not None:
        return _SUPPRESSED if incident.answer == "yes" else _IN_PROGRESS
    return _RESOLVED if incident.kind == "blind" and incident.closed is not None else _NEW


def _uid(incident: Incident, place: str) -> str:
    """Of this incident, also when another journal counts from one again."""
    return str(uuid5(_NAMESPACE, f"{milliseconds(incident.opened)} {incident.id} {_text(place)}"))


def _text(text: str) -> str:
    """Text that UTF-8 can hold: JSON can spell halves of a character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
