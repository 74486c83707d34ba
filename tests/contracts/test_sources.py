"""Every source keeps the contract of `homeward.testing`, with a real place: each goes through every check."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import captures
from tests.contracts.cable import Cable
from tests.contracts.places import Broker, Household, Wire, hurry, lower_limits, suricata_place, zeek_place
from tests.home_assistant import home_assistant_fixture  # noqa: F401 - a fixture
from tests.mosquitto import certificates_fixture, mosquitto_fixture  # noqa: F401 - fixtures

from homeward.testing import CHECKS, Check, Subject, name_of

PULSE = captures.frame("192.168.1.99", "203.0.113.250", 17, captures.udp(0, 123, b"x"))


@pytest.fixture
def cable(tmp_path: Path, need_program: Callable[[str, str], str]) -> Iterator[Cable]:
    need_program("ip", "iproute2")
    if importlib.util.find_spec("nfstream") is None:
        pytest.skip("nfstream is not installed (homeward[packets])")
    try:
        cable = Cable(tmp_path, PULSE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"namespaces of the network cannot be made here ({error.stderr!r})")
    try:
        yield cable
    finally:
        cable.close()


@pytest.fixture(params=["mqtt", "home_assistant", "zeek", "suricata", "packets"])
def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Subject:
    lower_limits(monkeypatch)
    hurry(monkeypatch)
    if request.param == "home_assistant":
        return Household(request.getfixturevalue("home_assistant")).subject()
    if request.param == "mqtt":
        return Broker(request.getfixturevalue("mosquitto")).subject()
    if request.param == "packets":
        return Wire(request.getfixturevalue("cable")).subject()
    place = {"zeek": zeek_place, "suricata": suricata_place}[request.param]
    return place(request.getfixturevalue("tmp_path"))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_it_keeps_the_contract_of_every_source(check: Check, subject: Subject) -> None:
    await check(subject)
