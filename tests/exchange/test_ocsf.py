"""Incidents as OCSF Detection Findings: complete by the schema, the same for ever, and told twice only if changed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocsf_emitter import validate
from ocsf_emitter._models import DetectionFinding  # the schema itself; the builders would put right what we got wrong
from pydantic import BaseModel
from tests.strategies import START, hostile_text

from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.explanation import Because, Explanation
from homeward.core.incident import Incident
from homeward.core.inputs import Change, Feedback, Health, Tick
from homeward.core.settings import Device, Settings
from homeward.exchange.ocsf import detection_finding, ndjson

LOCK = Device(name="front door lock", type="lock", role="actuator", room="hall")
UNUSUAL = Incident(
    id="i7",
    kind="unusual",
    opened=START,
    updated=START + timedelta(minutes=2),
    rung="notify",
    device=LOCK.name,
    action="unlock",
    habit="from where",
    score=5_120,
    bits=13.25,
    p_value=0.0004,
    reason="the front door lock was never commanded through “guest phone”",
    explanation=Explanation(
        happened="At 03:10 the front door lock was unlocked through “guest phone”.",
        because=(
            Because(habit="from where", usual="It is commanded through the wall panel.", rarity="Once in a year."),
        ),
        rare="One visit in 2,500 is as strange.",
    ),
    events=3,
    alarms=1,
    guarded=[LOCK.name, "front door"],
    leases=["l3"],
)


def finding(incident: Incident, device: Device | None = None) -> dict[str, Any]:
    """The finding, after it went over the wire and was held to the schema."""
    (line,) = ndjson([detection_finding(incident, device, place="home", version="0.1.0")])
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    told: dict[str, Any] = json.loads(line)
    model = DetectionFinding.model_validate(told, strict=False)
    assert unknown(model) == []
    validate(model)
    return told


def unknown(value: object, where: str = "") -> list[str]:
    """Attributes that the schema does not have: its models let them pass, we do not."""
    if isinstance(value, list):
        return [name for one in value for name in unknown(one, where)]
    if not isinstance(value, BaseModel):
        return []
    extra = [f"{where}{name}" for name in value.model_extra or {}]
    return extra + [
        name for key in type(value).model_fields for name in unknown(getattr(value, key), f"{where}{key}.")
    ]


def guarded_home() -> Engine:
    engine = Engine()
    engine.handle(Change(at=START, version="0.1.0", settings=Settings(devices=(LOCK,))))
    return engine


def flooded() -> tuple[Engine, Incident]:
    """A real engine, and the incident of its rule: a lock that changes more often than anybody can make it."""
    engine = guarded_home()
    for second in range(32):
        at = START + timedelta(seconds=second)
        action = "unlock" if second % 2 else "lock"
        engine.handle(Event(id=str(second), source="mqtt", at=at, device=LOCK.name, action=action))
    (incident,) = engine.incidents.values()
    return engine, incident


def test_everything_that_is_required_or_recommended_is_there() -> None:
    told = finding(UNUSUAL, LOCK)
    assert (told["category_uid"], told["class_uid"], told["type_uid"]) == (2, 2004, 200402)
    assert told["time"] == told["start_time"] == int(START.timestamp() * 1000)
    assert told["end_time"] - told["start_time"] == 120_000
    assert told["is_alert"] is True
    assert told["metadata"]["version"] == "1.5.0"
    assert told["metadata"]["product"] == {"name": "Homeward", "vendor_name": "Homeward", "version": "0.1.0"}
    assert told["finding_info"]["title"] == UNUSUAL.reason
    assert "wall panel" in told["finding_info"]["desc"]
    assert [one["name"] for one in told["resources"]] == ["front door lock", "front door"]
    assert told["evidences"][0]["data"]["p_value"] == 0.0004
    assert told["anomaly_analyses"][0]["baselines"][0]["observations"] == [
        {"value": "It is commanded through the wall panel."}
    ]


def test_the_techniques_that_may_be_behind_it_are_named_with_their_release() -> None:
    command, account = finding(UNUSUAL, LOCK)["finding_info"]["attacks"]
    assert command["sub_technique"]["uid"] == "T1692.001"
    assert command["technique"] == {
        "uid": "T1692",
        "name": "Unauthorized Message",
        "src_url": "https://attack.mitre.org/versions/v19/techniques/T1692/",
    }
    assert command["tactic"] == {"uid": "TA0106", "name": "Impair Process Control"}
    assert (account["technique"]["uid"], account["version"]) == ("T1078", "19.1")


def test_what_is_done_by_hand_has_no_technique() -> None:
    night = replace(UNUSUAL, device="front door", habit="when", guarded=["front door"])
    assert (
        "attacks"
        not in finding(night, Device(name="front door", type="contact.door", role="entrance"))["finding_info"]
    )


def test_a_rule_that_a_real_engine_saw_broken_is_a_rule_here() -> None:
    engine, incident = flooded()
    told = finding(incident, engine.settings.devices[0])
    assert told["finding_info"]["analytic"]["type"] == "Rule"
    assert told["metadata"]["event_code"] == "flood"
    assert told["finding_info"]["attacks"][0]["technique"]["uid"] == "T0814"


def test_a_finding_keeps_its_name_and_each_of_its_states_has_one_of_its_own() -> None:
    engine, incident = flooded()
    first = finding(incident, LOCK)
    assert finding(incident, LOCK) == first
    engine.handle(Feedback(at=START + timedelta(minutes=1), incident=incident.id, answer="yes"))
    second = finding(engine.incidents[incident.id], LOCK)
    engine.handle(Tick(at=START + timedelta(hours=2)))
    third = finding(engine.incidents[incident.id], LOCK)
    assert len({one["finding_info"]["uid"] for one in (first, second, third)}) == 1
    assert len({one["metadata"]["uid"] for one in (first, second, third)}) == 3
    assert [one["activity_name"] for one in (first, second, third)] == ["Update", "Update", "Close"]
    assert [one["status"] for one in (first, second, third)] == ["New", "Suppressed", "Suppressed"]


def test_another_journal_that_counts_from_one_again_makes_another_finding() -> None:
    later = replace(UNUSUAL, opened=UNUSUAL.opened + timedelta(days=1), updated=UNUSUAL.updated + timedelta(days=1))
    assert finding(later)["finding_info"]["uid"] != finding(UNUSUAL)["finding_info"]["uid"]


@pytest.mark.parametrize(
    ("answer", "status", "verdict"),
    [(None, "New", "Suspicious"), ("yes", "Suppressed", "Benign"), ("no", "In Progress", "True Positive")],
)
def test_the_owners_answer_is_the_status(answer: Any, status: str, verdict: str) -> None:
    told = finding(replace(UNUSUAL, answer=answer, answered_by="household by page" if answer else ""), LOCK)
    assert (told["status"], told["evidences"][0]["verdict"]) == (status, verdict)
    assert told.get("comment", "").endswith("(household by page)") == (answer is not None)


def test_blindness_is_resolved_when_sight_comes_back() -> None:
    engine = guarded_home()
    engine.handle(Health(at=START, subject="source:mqtt", up=False, detail="hub.local: connection refused"))
    (incident,) = engine.incidents.values()
    told = finding(incident)
    assert told["status"] == "New"
    assert told["resources"] == [{"name": "mqtt", "type": "source"}]
    assert told["finding_info"]["attacks"][0]["technique"]["uid"] == "T0815"
    engine.handle(Health(at=START + timedelta(minutes=5), subject="source:mqtt", up=True))
    told = finding(engine.incidents[incident.id])
    assert (told["status"], told["activity_name"]) == ("Resolved", "Close")


def test_the_guards_own_affairs_have_no_technique() -> None:
    engine = guarded_home()
    engine.handle(Health(at=START, subject="disk", up=False, detail="no space"))
    (incident,) = engine.incidents.values()
    told = finding(incident)
    assert told["resources"] == [{"name": "disk", "type": "guard"}]
    assert "attacks" not in told["finding_info"]


@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        ({"rung": "record", "alarms": 0}, "Informational"),
        ({"kind": "silent", "guarded": []}, "Low"),
        ({"guarded": []}, "Medium"),
        ({"kind": "blind", "guarded": []}, "Medium"),
        ({}, "High"),
        ({"rung": "command", "guarded": []}, "High"),
        ({"kind": "rule", "habit": "entrance while armed", "guarded": []}, "High"),
    ],
)
def test_severity_is_what_it_asks_of_the_owner(changed: dict[str, Any], severity: str) -> None:
    told = finding(replace(UNUSUAL, **changed))
    assert told["severity"] == severity
    assert told["is_alert"] == (severity != "Informational")


def test_something_new_here_is_a_finding_of_low_severity() -> None:
    told = finding(replace(UNUSUAL, kind="new", device="camera", action="", habit="", guarded=[]))
    assert told["severity"] == "Low"
    assert told["finding_info"]["attacks"][0]["technique"]["uid"] == "T1200"


calm = settings(
    deadline=None,
    max_examples=40,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)


@calm
@given(
    device=hostile_text,
    reason=st.one_of(hostile_text, st.text(min_size=300, max_size=400)),
    place=hostile_text,
    kind=st.sampled_from(["unusual", "rule", "silent", "blind"]),
    opened=st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_no_name_can_break_a_line_or_the_schema(
    device: str, reason: str, place: str, kind: Any, opened: datetime
) -> None:
    incident = replace(
        UNUSUAL,
        kind=kind,
        device=device,
        reason=reason,
        habit=reason,
        opened=opened,
        updated=opened,
        answered_by=device,
    )
    (line,) = ndjson([detection_finding(incident, Device(name=device, room=place), place=place, version="0.1.0")])
    assert line.count(b"\n") == 1
    assert unknown(validate(DetectionFinding.model_validate(json.loads(line)))) == []
