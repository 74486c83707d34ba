"""A home whose network Zeek and Suricata watch: real log files, a real guard in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.home import NetworkHome, events, eventually
from tests.network_logs import CAMERA, OUTSIDE, conn, header

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


class Watched(NetworkHome):
    """A home that is heard by its network alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file.write_text(CONFIGURATION.format(page=self.page_port, camera=CAMERA))
        self.minute = 0

    def write(self, number: int, **record: object) -> None:
        """So many flows, one a minute by Zeek's clock, so that none are merged."""
        first, self.minute = self.minute + 1, self.minute + number
        self.hear(*(conn(60.0 * n, uid=f"C{n}", **record) for n in range(first, self.minute + 1)))


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
    for _ in range(3):
        watched.warn(CAMERA)
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
