"""Every source keeps the contract of `homeward.testing`, with a real place: each goes through every check."""

from __future__ import annotations

import pytest
from tests.contracts.places import Broker, Household, lower_limits, suricata_place, zeek_place
from tests.home_assistant import home_assistant_fixture  # noqa: F401 - a fixture
from tests.mosquitto import certificates_fixture, mosquitto_fixture  # noqa: F401 - fixtures

from homeward.sources import flow_events
from homeward.testing import CHECKS, Check, Subject, name_of


@pytest.fixture(params=["mqtt", "home_assistant", "zeek", "suricata"])
def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Subject:
    lower_limits(monkeypatch)
    monkeypatch.setattr(flow_events, "POLL", 0.005)
    if request.param == "home_assistant":
        return Household(request.getfixturevalue("home_assistant")).subject()
    if request.param == "mqtt":
        return Broker(request.getfixturevalue("mosquitto")).subject()
    place = {"zeek": zeek_place, "suricata": suricata_place}[request.param]
    return place(request.getfixturevalue("tmp_path"))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_it_keeps_the_contract_of_every_source(check: Check, subject: Subject) -> None:
    await check(subject)
