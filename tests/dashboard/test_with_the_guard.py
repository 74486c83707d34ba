"""The page with the real guard behind it: engine, journal, service and the dry-run responder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.running import Running

from homeward import __version__
from homeward.core.event import Event
from homeward.core.inputs import Change
from homeward.core.settings import Device, Response, Settings
from homeward.dashboard import security
from homeward.guard import Guard
from homeward.journal import Journal
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


def assert_taken_back(page: Running) -> None:
    for _ in range(500):  # each asks over HTTP: the responder and its outcome take their own short way
        seen = state(page)
        if not seen["leases"]:
            break
    assert seen["leases"] == []
    assert seen["ended"][0]["device"] == "hall light"
    assert seen["ended"][0]["outcome"]
