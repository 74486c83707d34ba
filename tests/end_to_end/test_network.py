"""A home whose network Zeek and Suricata watch: real log files, a real guard in its own process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.home import Installation, events, eventually, journaled
from tests.network_logs import CAMERA, OUTSIDE, conn, header, tsv

from homeward.core.effects import Notify

CONFIGURATION = """\
[home]
timezone = "Europe/Berlin"
state = "state"

[page]
port = {page}

[zeek]
directory = "zeek"

[suricata]
file = "eve.json"

[network.names]
"{camera}" = "hallway camera"
"""


class Watched(Installation):
    """A home that is heard by its network alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "zeek").mkdir()
        self.log, self.eve = folder / "zeek" / "conn.log", folder / "eve.json"
        self.log.write_text(header())
        self.eve.write_text("")
        self.file.write_text(CONFIGURATION.format(page=self.page_port, camera=CAMERA))
        self.minute = 0

    def write(self, number: int, **record: object) -> None:
        """So many flows, one a minute by Zeek's clock, so that none are merged."""
        with self.log.open("a") as log:
            for _ in range(number):
                self.minute += 1
                log.write(tsv(conn(60.0 * self.minute, uid=f"C{self.minute}", **record)))

    def told(self) -> list[Notify]:
        return [entry for entry in journaled(self.state) if isinstance(entry, Notify) and entry.interrupts]


@pytest.fixture(name="watched")
def watched_fixture(tmp_path: Path) -> Iterator[Watched]:
    home = Watched(tmp_path)
    try:
        yield home
    finally:
        home.close()


def flows(home: Watched) -> int:
    return sum(event.action == "flow" for event in events(home.state))


def test_a_camera_that_turns_is_told_by_its_name_and_nothing_is_counted_twice_over_a_restart(
    watched: Watched,
) -> None:
    watched.start()
    eventually(lambda: watched.count("commits") > 0, "it reads")
    watched.write(300, resp=OUTSIDE, port=443)
    eventually(lambda: flows(watched) == 300, "it knows the camera")
    watched.kill()
    watched.write(5, resp="198.51.100.66", port=6667, state="S0", received=0)
    watched.start()
    eventually(lambda: flows(watched) == 305, "it has read on where it stopped")
    told = [one for one in watched.told() if one.kind == "network"]
    assert len(told) == 1
    assert told[0].device == "hallway camera"
    assert "talked to 198.51.100.66 on tcp/6667" in told[0].reason
    watched.stop()
    watched.start()
    assert flows(watched) == 305


def test_what_another_guard_sees_is_told_once(watched: Watched) -> None:
    watched.start()
    eventually(lambda: watched.count("commits") > 0, "it reads")
    alert = {
        "timestamp": "2026-05-28T20:26:40.000000+0000", "event_type": "alert", "src_ip": CAMERA, "src_port": 40_000,
        "dest_ip": OUTSIDE, "dest_port": 80, "proto": "TCP",
        "alert": {"signature": "Beacon of a botnet", "category": "Trojan", "severity": 1},
    }  # fmt: skip
    with watched.eve.open("a") as eve:
        eve.write((json.dumps(alert) + "\n") * 3)
    eventually(lambda: bool(watched.told()), "the alert is told")
    told = watched.told()
    assert [one.habit for one in told] == ["intrusion alert"]
    assert "hallway camera" in told[0].reason
    assert "Beacon of a botnet" in told[0].reason


def test_logs_that_are_not_there_yet_are_waited_for_and_said(watched: Watched) -> None:
    watched.log.unlink()
    watched.eve.unlink()
    watched.start()
    eventually(lambda: len([one for one in watched.told() if one.kind == "blind"]) == 2, "both are told as blind")
    watched.log.write_text(header())
    watched.write(3)
    eventually(lambda: flows(watched) > 0, "the log is read once it is there")
