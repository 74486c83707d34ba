"""ATT&CK: a technique is named only where it applies, each with its reason, and the page says what the code does."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.exchange.attack_page import PAGE, PART, rendered

from homeward.core.event import Event
from homeward.core.flow import Flow, flow_attributes
from homeward.core.incident import Incident
from homeward.core.settings import Device
from homeward.exchange.attack import SIGNS, TABLE, signs_of, techniques

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
QUIET = Incident(id="i1", kind="unusual", opened=NOW, updated=NOW)


def identifiers(*signs: str) -> list[str]:
    return [technique.uid for technique in techniques(signs)]


def event_of(flow: Flow) -> Event:
    return Event(id="1", source="zeek", at=NOW, device="camera", action="flow", attributes=flow_attributes(flow))


def test_the_page_is_what_the_code_says() -> None:
    found = PART.search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[2] == rendered(), "run: .venv/bin/python -m tests.exchange.attack_page"


def test_every_row_is_complete_and_of_a_known_shape() -> None:
    for row in TABLE:
        assert row.signs <= set(SIGNS)
        assert re.fullmatch(r"T[01]\d{3}(\.\d{3})?", row.technique.uid)
        assert re.fullmatch(r"TA0\d{3}", row.technique.tactic.uid)
        assert ("." in row.technique.uid) == bool(row.technique.parent)
        # Tactics TA0100 to TA0111 are the ICS matrix's.
        assert (row.technique.tactic.uid >= "TA0100") == (row.technique.matrix == "ICS")
        assert row.why.endswith(".")
    assert set().union(*(row.signs for row in TABLE)) == set(SIGNS)


def test_no_row_stands_twice() -> None:
    assert len({(row.signs, row.technique) for row in TABLE}) == len(TABLE)


def test_two_signs_together_tell_more_than_each_alone() -> None:
    assert "T1041" not in identifiers("heavy sent")
    assert "T1041" not in identifiers("beacon")
    assert set(identifiers("heavy sent", "beacon")) == {"T1041", "T1048", "T1071"}


def test_a_technique_that_two_signs_share_is_named_once() -> None:
    assert identifiers("unusual asker", "unusual origin") == ["T1692.001", "T1078"]


@pytest.mark.parametrize("role", ["entrance", "motion", "use", "presence", "meter"])
@pytest.mark.parametrize("habit", ["when", "what next", "how soon", "who", "from where", "how much", "who is home"])
def test_what_people_do_with_their_hands_is_no_technique(role: str, habit: str) -> None:
    device = Device(name="x", type="contact.door", role=role)
    assert techniques(signs_of(replace(QUIET, habit=habit, device="x"), device)) == ()


def test_the_entrance_while_armed_is_no_technique() -> None:
    assert signs_of(replace(QUIET, kind="rule", habit="entrance while armed")) == frozenset()


@pytest.mark.parametrize(
    ("changed", "device", "sign"),
    [
        ({"kind": "rule", "habit": "flood"}, None, "flood"),
        ({"kind": "rule", "habit": "new client"}, None, "new client"),
        ({"kind": "silent"}, None, "silent"),
        ({"kind": "blind", "device": "source:mqtt"}, None, "blind"),
        ({"kind": "blind", "device": "device:camera"}, None, "blind"),
        ({"kind": "new", "device": "camera"}, None, "new device"),
        ({"kind": "new", "action": "client_connected"}, None, "new client"),
        ({"habit": "who"}, Device(name="lamp", type="light", role="actuator"), "unusual asker"),
        ({"habit": "from where"}, Device(name="door", type="lock", role="entrance"), "unusual origin"),
    ],
)
def test_an_incident_tells_its_own_sign(changed: dict[str, Any], device: Device | None, sign: str) -> None:
    assert signs_of(replace(QUIET, **changed), device) == {sign}


@pytest.mark.parametrize("subject", ["disk", "clock", "guard", "responder:mqtt"])
def test_the_guards_own_failures_are_no_sign(subject: str) -> None:
    assert signs_of(replace(QUIET, kind="blind", device=subject)) == frozenset()


@pytest.mark.parametrize(
    ("flow", "signs"),
    [
        (Flow("203.0.113.9", 80, "tcp", inbound=True), {"asked from outside"}),
        (Flow("scanner.example", 23, "tcp", inbound=True), {"remote access from outside"}),
        (Flow("192.168.1.4", 22, "tcp", inbound=True), set()),
        (Flow("203.0.113.9", 443, "tcp"), set()),
    ],
)
def test_only_who_asks_from_outside_is_a_sign(flow: Flow, signs: set[str]) -> None:
    assert signs_of(replace(QUIET, habit="which peer", action="flow"), event=event_of(flow)) == signs


def test_a_flow_that_cannot_be_is_no_sign() -> None:
    broken = replace(event_of(Flow("203.0.113.9", 80, "tcp", inbound=True)), attributes={"peer": "203.0.113.9"})
    assert signs_of(QUIET, event=broken) == frozenset()


@pytest.mark.parametrize(
    ("habit", "sent", "signs"),
    [("how much sent", 9_000, {"heavy sent"}), ("how much sent", 10, set()), ("when", 9_000, set())],
)
def test_what_is_heavy_is_a_sign_only_on_its_way_out(habit: str, sent: int, signs: set[str]) -> None:
    event = event_of(Flow("cloud.example", 443, "tcp", sent=sent, received=500))
    assert signs_of(replace(QUIET, habit=habit, action="flow"), event=event) == signs


def test_an_alert_is_a_sign_by_its_class() -> None:
    alert = Event(
        id="1",
        source="suricata",
        at=NOW,
        device="camera",
        action="alert",
        attributes={"category": "Detection of a Network Scan", "signature": "x", "severity": "3"},
    )
    assert signs_of(QUIET, event=alert) == {"scan"}
    assert identifiers("scan") == ["T1046", "T0846"]
    assert signs_of(QUIET, event=replace(alert, attributes={"category": "Not Suspicious Traffic"})) == frozenset()
