"""The page with the real guard behind it: engine, journal, service and the dry-run responder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.running import Running

from homeward import __version__
from homeward.core.effects import Action
from homeward.core.event import Event
from homeward.core.flow import Flow, flow_attributes
from homeward.core.inputs import Change, Input
from homeward.core.settings import Device, Listener, Response, Settings
from homeward.dashboard import security
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.one_time import enrol_pin
from homeward.responders.dry_run import DryRun
from homeward.service import Service

SETTINGS = Settings(
    place="mill",
    timezone="Europe/Berlin",
    devices=(
        Device(name="hall window", type="contact.window", role="entrance"),
        Device(name="hall light", type="light", role="actuator"),
    ),
    responses=(Response(name="light", device="hall light", command="on", when=("entrance",), restore="off"),),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def guarded(journal: Journal, serve: Callable[..., Running]) -> Running:
    """A guard that is armed, and whose hall window was just opened."""
    service = Service(Guard(journal), SETTINGS, responders=[DryRun()])
    page = serve(service)
    now = service.clock.now()
    page.call(service.submit(Change(at=now, version=__version__, command="arm")))
    page.call(service.submit(Event(id="1", source="test", at=now, device="hall window", action="open")))
    return page


def state(page: Running) -> Any:
    return json.loads(page.get("/api/state").text)


def test_a_real_incident_is_shown_with_its_reason_and_its_lease(guarded: Running) -> None:
    seen = state(guarded)
    assert seen["state"] == "learning"
    assert seen["words"].startswith("learning")
    assert seen["dry_run"]
    (incident,) = seen["incidents"]
    assert incident["reason"] == "hall window open while the alarm is armed"
    (lease,) = seen["leases"]
    assert (lease["device"], lease["incident"], lease["why"]) == ("hall light", incident["id"], incident["reason"])
    assert 590 < lease["left"] <= 600
    assert seen["events"][0]["device"] == "hall window"
    assert "hall window open while the alarm is armed" in guarded.get("/").text


def test_that_was_me_ends_the_lease_for_good(guarded: Running) -> None:
    name = state(guarded)["incidents"][0]["id"]
    form = {"answer": "yes", "token": security.answer_token(guarded.key, name, "household", "page")}
    assert guarded.post(f"/incidents/{name}/answer", form).status == 303
    seen = state(guarded)
    assert seen["incidents"][0]["answer"] == "yes"
    assert_taken_back(guarded)
    assert guarded.post(f"/incidents/{name}/answer", form).status == 409


def test_undo_and_stand_down_reach_the_engine(guarded: Running) -> None:
    lease = state(guarded)["leases"][0]["id"]
    token = security.undo_token(guarded.key, lease, "household", "page")
    assert guarded.post(f"/leases/{lease}/undo", {"token": token}).status == 303
    assert_taken_back(guarded)
    token = security.stand_down_token(guarded.key, "household", "page")
    assert guarded.post("/stand-down", {"token": token}).status == 303


def test_arming_and_confirming_reach_the_engine(guarded: Running) -> None:
    engine = guarded.service.guard.engine
    assert state(guarded)["armed"]
    form = {"mode": "disarm", "token": security.mode_token(guarded.key, "disarm", "household", "page")}
    assert guarded.post("/mode", form).status == 303
    assert not state(guarded)["armed"]
    now = guarded.service.clock.now()
    guarded.call(guarded.service.submit(Event(id="2", source="test", at=now, device="kettle", action="on")))
    assert dict(engine.young) == {"kettle on": 1}
    assert state(guarded)["young"] == {}  # not before it is ready
    token = security.young_token(guarded.key, "household", "page")
    assert guarded.post("/young/confirm", {"token": token}).status == 303
    assert dict(engine.young) == {}


def test_a_rule_made_on_the_page_decides_what_happens_next(guarded: Running) -> None:
    incident = state(guarded)["incidents"][0]
    assert incident["rules"]["verdicts"] == ["never_fine"], "a built-in rule is silenced by none"
    token = security.rule_token(guarded.key, "add", "kettle", "household", "page")
    form = {"verdict": "never_fine", "device": "kettle", "action": "on", "token": token}
    assert guarded.post("/rules", form).status == 303
    now = guarded.service.clock.now()
    guarded.call(guarded.service.submit(Event(id="3", source="test", at=now, device="kettle", action="on")))
    incident = state(guarded)["incidents"][0]
    assert incident["reason"] == "kettle on: you said that this is never fine"
    assert (incident["rules"]["verdicts"], incident["rules"]["made"]) == ([], ["s1"])
    token = security.rule_token(guarded.key, "add", "hall window", "household", "page")
    form = {"verdict": "always_fine", "device": "hall window", "action": "open", "token": token}
    reply = guarded.post("/rules", form)
    assert (reply.status, "it is guarded" in reply.text) == (409, True)
    assert [one["id"] for one in state(guarded)["rules"]] == ["s1"]
    token = security.rule_token(guarded.key, "delete", "s1", "household", "page")
    assert guarded.post("/rules/s1/delete", {"token": token}).status == 303
    assert state(guarded)["rules"] == []


class Channel:
    """Takes every message, or refuses every one."""

    def __init__(self, name: str, *, takes: bool) -> None:
        self.name, self._takes = name, takes

    async def apply(self, _action: Action) -> None:
        if not self._takes:
            raise ConnectionError("the server refused")

    async def revert(self, _action: Action) -> None:
        pass


def test_the_page_says_whom_a_message_reached_and_whom_not(journal: Journal, serve: Callable[..., Running]) -> None:
    listeners = (Listener(name="household", channel="mail"), Listener(name="household", channel="phone"))
    settings = replace(SETTINGS, listeners=listeners)
    channels = [Channel("mail", takes=True), Channel("phone", takes=False)]
    page = serve(Service(Guard(journal), settings, responders=[DryRun(), *channels]))
    now = page.service.clock.now()
    page.call(page.service.submit(Change(at=now, version=__version__, command="arm")))
    page.call(page.service.submit(window(now)))
    for _ in range(500):  # each asks over HTTP
        (incident,) = [one for one in state(page)["incidents"] if one["kind"] == "rule"]
        told = {one["channel"]: one for one in incident["told"]}
        if (told["mail"]["delivery"], told["phone"]["delivery"]) == ("delivered", "failing"):
            break
    assert (told["mail"]["delivery"], told["phone"]["delivery"]) == ("delivered", "failing")
    assert (told["mail"]["how"], told["phone"]["tries"] >= 1, told["phone"]["error"]) == (
        "ask", True, "the server refused",
    )  # fmt: skip
    about = [one for one in state(page)["leases"] if one["incident"] == incident["id"]]  # mail tells of phone, too
    messages = [one["message"]["channel"] for one in about if one["message"]]
    assert messages == ["phone"]
    assert "phone</bdi>: not delivered, tried" in page.get("/").text


def test_in_maintenance_nobody_is_told(guarded: Running) -> None:
    before = len([one for one in state(guarded)["incidents"] if one["alarms"]])
    form = {"mode": "maintenance", "token": security.mode_token(guarded.key, "maintenance", "household", "page")}
    reply = guarded.post("/mode", form)
    assert (reply.status, "must have an end" in reply.text) == (409, True)
    assert guarded.post("/mode", {**form, "until": "PT1H"}).status == 303
    seen = state(guarded)
    assert (seen["mode"]["name"], seen["armed"]) == ("maintenance", True)
    assert 3500 < seen["mode"]["left"] <= 3600
    assert len([one for one in seen["incidents"] if one["alarms"]]) == before


def test_an_answer_that_is_no_evidence_is_refused_and_can_be_given_again(guarded: Running, tmp_path: Path) -> None:
    engine = guarded.service.guard.engine
    name = state(guarded)["incidents"][0]["id"]
    engine.state.step_up.demand("person:anna", engine.state.at, 60)
    token = security.answer_token(guarded.key, name, "person:anna", "page")
    form = {"answer": "yes", "person": "person:anna", "token": token}
    reply = guarded.post(f"/incidents/{name}/answer", form)
    assert (reply.status, "was asked for a code and has not given it" in reply.text) == (409, True)
    assert state(guarded)["incidents"][0]["answer"] is None
    enrol_pin(tmp_path, "person:anna", "271828")
    token = security.step_up_token(guarded.key, "person:anna", "page")
    assert guarded.post("/step-up", {"person": "person:anna", "code": "271828", "token": token}).status == 303
    assert state(guarded)["asked"] == []
    assert guarded.post(f"/incidents/{name}/answer", form).status == 303


@pytest.fixture
def visited(journal: Journal, serve: Callable[..., Running]) -> Running:
    """A guard of two days' age, to whose network a camera has just come."""
    now = datetime.now(UTC)
    guard = Guard(journal)
    before: list[Input] = [
        Change(at=now - timedelta(days=2), version=__version__, settings=SETTINGS),
        window(now - timedelta(days=2)),
    ]
    guard.process(before)
    page = serve(Service(guard, SETTINGS, responders=[DryRun()]))
    page.call(page.service.submit(camera_talks(now)))
    return page


def window(at: datetime) -> Event:
    return Event(id="1", source="test", at=at, device="hall window", action="open")


def camera_talks(at: datetime) -> Event:
    flow = flow_attributes(Flow("cloud.example", 443, "tcp", sent=900, received=4_000))
    return Event(id="2", source="zeek", at=at, device="02:00:5e:00:00:07", action="flow", attributes=flow)


def test_a_newcomer_is_met_and_told_with_what_it_wants(visited: Running) -> None:
    (incident,) = state(visited)["incidents"]
    assert (incident["kind"], incident["device"]) == ("new", "02:00:5e:00:00:07")
    assert incident["wants"] == ["to cloud.example (tcp/443)"]
    text = visited.get("/").text
    assert "was never met here before" in text
    assert "Only what it needs now" in text
    assert "That was me" not in text


@pytest.mark.parametrize(
    ("said", "answer", "standing"), [("yes", "yes", ""), ("no", "no", "refused"), ("restrict", "yes", "restricted")]
)
def test_what_is_said_of_a_newcomer_reaches_the_engine(
    visited: Running, said: str, answer: str, standing: str
) -> None:
    name = state(visited)["incidents"][0]["id"]
    form = {"answer": said, "token": security.answer_token(visited.key, name, "household", "page")}
    assert visited.post(f"/incidents/{name}/answer", form).status == 303
    (incident,) = state(visited)["incidents"]
    assert (incident["answer"], incident["standing"]) == (answer, standing)
    token = security.admit_token(visited.key, incident["device"], "approve", "household", "page")
    form = {"device": incident["device"], "how": "approve", "token": token}
    assert visited.post("/admit", form).status == 303
    assert state(visited)["incidents"][0]["standing"] == ""


def assert_taken_back(page: Running) -> None:
    for _ in range(500):  # each asks over HTTP: the responder and its outcome take their own short way
        seen = state(page)
        if not seen["leases"]:
            break
    assert seen["leases"] == []
    assert seen["ended"][0]["device"] == "hall light"
    assert seen["ended"][0]["outcome"]
