"""`homeward mud` and `homeward incidents` as they are run, on the journal that a guard left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homeward import __version__
from homeward.cli import main
from homeward.core.arrival import ANNOUNCED
from homeward.core.event import Event
from homeward.core.flow import FLOW, Flow, flow_attributes
from homeward.core.inputs import Change, Feedback, Input
from homeward.core.network import ALERT
from homeward.core.settings import Device, Settings
from homeward.exchange import mud
from homeward.exchange.needs import DNS, LOCAL, NTP, Need
from homeward.guard import Guard
from homeward.journal import Journal

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 4
HOME = Settings(
    place="home",
    timezone="Europe/Berlin",
    devices=(Device(name="hall camera", type="camera"), Device(name="nas.lan", type="computer")),
)
CLOUD = Flow("cloud.example", 443, "tcp", sent=900, received=4_000, seconds=0.4, state="SF")
TIME = Flow("192.168.1.1", 123, "udp", sent=48, received=48, seconds=0.01, state="SF")
NAMES = Flow("192.168.1.1", 53, "udp", sent=40, received=120, seconds=0.01, state="SF")
KEEPER = Flow("nas.lan", 445, "tcp", sent=90_000, received=900, seconds=2.0, state="SF")
PRINTER = Flow("printer", 9100, "tcp", sent=50, received=10, seconds=0.2, state="SF")
FAMOUS = Flow("famous.example", 443, "tcp", sent=50, received=10, seconds=0.2, state="SF")
UPDATE = Flow("update.example", 443, "tcp", sent=50, received=10, seconds=0.2, state="SF")
MANY = Flow("many", 0, "mixed", sent=50, received=10, seconds=0.2, times=70)
LOGIN = Flow("198.51.100.7", 23, "tcp", inbound=True, sent=0, received=40, seconds=1.0, state="S0")
SIGNATURE = {"signature": "ET SCAN telnet", "category": "Detection of a Network Scan", "severity": "1"}


class Story:
    """What a camera does in four days, and one night in which it is not alone."""

    def __init__(self) -> None:
        self.at = START

    def say(self, action: str, attributes: dict[str, str], device: str = "hall camera") -> Event:
        about = {"id": str(self.at), "source": "zeek", "at": self.at, "device": device, "action": action}
        return Event(**about, attributes=attributes)  # type: ignore[arg-type]

    def flow(self, flow: Flow, device: str = "hall camera") -> Event:
        return self.say(FLOW, flow_attributes(flow), device)

    def days(self) -> Iterator[Input]:
        yield self.say(ANNOUNCED, {"type": "camera", "maker": "Acme", "model": "Eye 2", "address": "192.168.1.20"})
        yield self.say(ANNOUNCED, {"type": "printer", "address": "192.168.1.30"}, "printer")
        yield self.say(ANNOUNCED, {"type": "other", "address": "192.168.1.66"}, "famous.example")
        for number in range(DAYS * 144):
            self.at += timedelta(minutes=10)
            yield self.flow(CLOUD._replace(received=4_000 + number % 7 * 50))
            if number % 6 == 0:
                yield from (self.flow(flow) for flow in (TIME, NAMES, KEEPER, PRINTER, FAMOUS, MANY))
            if number == 5:
                yield self.flow(UPDATE)

    def night(self) -> Iterator[Input]:
        for _ in range(30):
            self.at += timedelta(seconds=20)
            yield self.flow(LOGIN)
        self.at += timedelta(hours=8)
        yield self.say(ALERT, {**SIGNATURE, "peer": "198.51.100.7"})
        yield self.say(FLOW, flow_attributes(CLOUD), "ring\u202edoor")


@pytest.fixture(scope="module", name="lived")
def lived_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived")
    (folder / "homeward.toml").write_text("")
    story = Story()
    with Journal(folder / "state") as journal:
        guard = Guard(journal)
        guard.process([Change(at=START, version=__version__, settings=HOME), *story.days()])
        guard.process(story.night())
        (network,) = [one.id for one in guard.engine.incidents.values() if one.kind == "network"]
        guard.process([Feedback(at=story.at, incident=network, answer="no")])
    return folder


@pytest.fixture(name="home")
def home_fixture(lived: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(lived)
    return lived


def file_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], list[str]]:
    """The MUD file, and the lines that tell what is not in it."""
    assert main(["mud", *words]) == 0
    told = capsys.readouterr()
    return json.loads(told.out), told.err.splitlines()


# MUD


def test_a_devices_needs_are_a_file_that_reads_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = file_of(capsys, "hall camera")
    about = file["ietf-mud:mud"]
    assert about["systeminfo"] == "As learned by Homeward: hall camera"
    assert (about["mfg-name"], about["model-name"]) == ("Acme", "Eye 2")
    assert about["last-update"] == "2026-03-06T08:10:00Z", "as of the journal's last word"
    assert list(mud.read(mud.write(file))[1]) == [
        Need("cloud.example", 443, "tcp"),
        Need("famous.example", 443, "tcp"),
        Need(DNS, 53, "udp"),
        Need(NTP, 123, "udp"),
        Need(LOCAL, 445, "tcp"),
        Need(LOCAL, 9100, "tcp"),
    ]


def test_a_device_that_calls_itself_like_a_server_opens_nothing_at_home(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody may tell the DHCP server any name; only what the owner wrote down may have a dot and be at home."""
    file, _ = file_of(capsys, "hall camera")
    assert '"ietf-acldns:dst-dnsname": "famous.example"' in json.dumps(file)


def test_what_is_left_out_is_told_beside_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, left_out = file_of(capsys, "hall camera")
    assert "homeward: left out: tcp/443 to update.example, 1 flow: seen on fewer than 2 days" in left_out
    assert any(line.startswith("homeward: left out: mixed/0 to many, ") for line in left_out)
    assert any(line.endswith("no such file can say it") for line in left_out)
    assert not any("cloud.example" in line for line in left_out)


def test_from_how_many_days_on_it_is_a_need_can_be_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, left_out = file_of(capsys, "hall camera", "--min-days", "1")
    assert Need("update.example", 443, "tcp") in mud.read(mud.write(file))[1]
    assert not any("update.example" in line for line in left_out)
    file, left_out = file_of(capsys, "hall camera", "--min-days", "30")
    assert mud.read(mud.write(file))[1] == ()
    assert any("cloud.example" in line and "fewer than 30 days" in line for line in left_out)


def test_without_a_device_those_on_the_network_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mud"]) == 0
    told = capsys.readouterr()
    (camera, stranger) = told.out.splitlines()
    assert camera.startswith("hall camera  ")
    assert camera.endswith("Acme Eye 2")
    assert "flows" in camera
    assert stranger.startswith("ring\ufffddoor"), "nothing turns the line round"


def test_a_device_that_nobody_saw_is_one_line_with_what_is_like_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mud", "hal camra"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "homeward: no device hal camra was seen on the network; there is hall camera\n"
    assert main(["mud", "zzz"]) == 1
    assert "`homeward mud` lists those that were" in capsys.readouterr().err


def test_a_home_without_a_network_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "state") as journal:
        Guard(journal).process([Change(at=START, version=__version__, settings=HOME)])
    assert main(["mud", "--state", str(tmp_path / "state")]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "needs a source that sees it" in told.err


@pytest.mark.parametrize("days", ["0", "-1", "two"])
def test_a_number_of_days_is_one(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["mud", "x", "--min-days", days])
    assert left.value.code == 2


# Incidents


def test_incidents_are_a_table_for_people(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incidents"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert told.err == ""
    assert [line.split()[0] for line in lines] == ["i1", "i2", "i3"], "oldest first"
    network, alert, newcomer = lines
    assert "2026-03-06 01:" in network, "by the home's own clock"
    assert "  alarm  network   Not me" in network
    assert "198.51.100.7" in network
    assert "  rule " in alert
    assert "going on" in alert
    assert "  new here" in newcomer
    assert "\u202e" not in told.out


def test_incidents_are_findings_for_a_siem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incidents", "--ocsf"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["class_uid"] for one in found] == [2004] * 3
    assert [one["finding_info"]["uid_alt"] for one in found] == ["i1", "i2", "i3"]
    assert [one["finding_info"]["types"] for one in found] == [["network"], ["rule"], ["new"]]
    network, _, newcomer = found
    assert network["comment"].startswith("Not me")
    assert network["device"]["name"] == "hall camera"
    assert {"name": "hall camera", "type": "camera"}.items() <= network["resources"][0].items()
    assert newcomer["finding_info"]["attacks"], "a device that nobody announced"


def test_techniques_are_told_by_the_event_that_opened_the_incident(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That somebody from outside asked at Telnet's port, or what class an alert has, only the event tells."""
    assert main(["incidents", "--ocsf"]) == 0
    network, alert, _ = (json.loads(line)["finding_info"] for line in capsys.readouterr().out.splitlines())
    assert {one["technique"]["name"] for one in network["attacks"]} >= {"Internet Accessible Device"}
    assert {one["technique"]["uid"] for one in alert["attacks"]} >= {"T1046"}


@pytest.mark.parametrize(
    ("since", "told"),
    [("2026-03-01", 3), ("2026-03-06T09:00", 2), ("2026-03-06T08:00:00+00:00", 2), ("20000d", 3)],
)
def test_what_changed_since_then_can_be_asked_for(
    home: Path, since: str, told: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is still open may change at any time, and is among them."""
    assert main(["incidents", "--ocsf", "--since", since]) == 0
    assert len(capsys.readouterr().out.splitlines()) == told


@pytest.mark.parametrize("since", ["yesterday", "7", "d", "-7d", "99999999d", "2026-13-01"])
def test_a_time_that_is_none_is_refused_with_what_to_write(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["incidents", f"--since={since}"])
    assert left.value.code == 2
    assert "write a day (2026-03-02)" in capsys.readouterr().err


def test_no_incident_is_said_and_no_line_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "state") as journal:
        Guard(journal).process([Change(at=START, version=__version__, settings=HOME)])
    for words in ([], ["--ocsf"]):
        assert main(["incidents", *words, "--state", str(tmp_path / "state")]) == 0
        assert capsys.readouterr().out == ""


def test_both_only_read(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(home / "state", read_only=True) as journal:
        before = journal.head
    for words in (["mud", "hall camera"], ["incidents", "--ocsf"]):
        assert main(words) == 0
    with Journal(home / "state", read_only=True) as journal:
        assert journal.head == before
