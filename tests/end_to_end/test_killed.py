"""SIGKILL in the middle of 10,000 messages: nothing acknowledged is lost, nothing comes twice, the lease ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from tests.end_to_end.home import (
    STATUS,
    Home,
    Neighbour,
    acts,
    copied,
    events,
    eventually,
    home_fixture,  # noqa: F401 - a fixture
)
from tests.end_to_end.relay import Relay
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.test_journal_crash import shim  # noqa: F401 - a fixture

from homeward.journal import Journal

MESSAGES = 10_000
METERS = 8
EARLY = 1_500
"""So many messages come before the intruder."""

SHORT, LONG = 3.0, 9.0
"""How long the two lamps shine, in seconds."""

LATE = timedelta(seconds=2.5)
"""How late a lease may end on a machine that is busy with other things."""


def reading(number: int) -> tuple[str, str]:
    """A message whose content no other has."""
    return f"home/meter{number % METERS}", json.dumps({"power": float(number)})


def the_evening() -> Iterator[tuple[str, str]]:
    """The alarm is set, meters tell their readings, somebody comes in by the hall window, meters go on."""
    yield "home/panel", '{"alarm": "armed_away"}'
    yield "home/hall_window", '{"contact": true}'
    yield from map(reading, range(EARLY))
    yield "home/hall_window", '{"contact": false}'
    yield from map(reading, range(EARLY, MESSAGES))


def readings(folder: Path) -> Counter[bytes]:
    """How often the journal holds each meter's message."""
    return Counter(reading(int(one.value))[1].encode() for one in events(folder) if one.value is not None)


@pytest.fixture
def relay(mosquitto: Mosquitto) -> Iterator[Relay]:
    with Relay(mosquitto).running() as relay:
        yield relay


@pytest.fixture
def neighbour(mosquitto: Mosquitto) -> Iterator[Neighbour]:
    neighbour = Neighbour(mosquitto, "neighbour")
    neighbour.listen("home/+/set")
    neighbour.listen(STATUS)
    yield neighbour
    neighbour.close()


class Disk:
    """What a disk would hold of the guard's state without anything that was not fsynced (see tests/fsync_shim.c)."""

    def __init__(self, state: Path, library: Path, to: Path) -> None:
        self._to = to
        state.mkdir(mode=0o700)
        for below in ("content", "names"):
            (to / below).mkdir(parents=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FSYNC_SHIM_FROM": str(state.resolve()),
            "FSYNC_SHIM_TO": str(to),
        }

    def after_the_power_cut(self) -> Path:
        """The folder as it is found when the power is back."""
        folder = self._to / "found"
        folder.mkdir(mode=0o700)
        for name in (self._to / "names").iterdir():
            (folder / name.name).write_bytes(name.read_bytes() if name.exists() else b"")
        return folder


@pytest.fixture
def disk(home: Home, shim: Path, tmp_path: Path) -> Disk:  # noqa: F811 - the fixture
    return Disk(home.state, shim, tmp_path / "disk")


def meters_of(relay: Relay) -> Counter[bytes]:
    """The meters' messages whose PUBACK the guard sent, and how often it sent it."""
    return Counter(payload for _, topic, payload in relay.acknowledged if topic.startswith("home/meter"))


def assert_holds_once(folder: Path, acknowledged: Counter[bytes]) -> Counter[bytes]:
    """The journal in the folder opens, verifies, and holds each acknowledged message once, and nothing twice."""
    with Journal(folder, create=False) as journal:
        verdict = journal.verify()
        assert verdict.ok, verdict
    found = readings(folder)
    assert acknowledged.keys() <= found.keys(), "the guard acknowledged what it had not written"
    assert set(found.values()) <= {1}
    return found


def test_a_guard_killed_amid_10000_messages_loses_none_tells_none_twice_and_ends_its_leases_on_time(
    home: Home, relay: Relay, neighbour: Neighbour, disk: Disk, tmp_path: Path
) -> None:
    home.configure({"hall_light": SHORT, "porch_light": LONG}, port=relay.port)
    home.start(**disk.environment)
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard listens")
    all_sent = neighbour.send(the_evening())
    eventually(lambda: bool(neighbour.when("home/porch_light/set", "on")), "the intruder stands in the light")
    eventually(lambda: home.entries() > 2_000, "the guard is in the middle")
    home.kill()
    eventually(lambda: neighbour.said(STATUS)[-1] == "offline", "the broker tells that the guard is gone")
    acknowledged = meters_of(relay)
    assert EARLY < len(acknowledged) < MESSAGES - 1_000, "it was in the middle"

    at_the_kill = copied(home.state, tmp_path / "killed")
    ends = {device: action.ends for device, action in acts(at_the_kill).items()}
    assert_holds_once(at_the_kill, acknowledged)
    assert_holds_once(disk.after_the_power_cut(), acknowledged)

    hall, porch = ends["hall_light"], ends["porch_light"]
    assert hall is not None
    assert porch is not None
    eventually(lambda: datetime.now(UTC) > hall, "the first lease's time is over, and nobody there to end it")
    assert neighbour.said("home/hall_light/set") == ["on"]
    home.start()
    up = datetime.now(UTC)
    eventually(lambda: bool(neighbour.when("home/hall_light/set", "off")), "it is ended after the restart")
    assert (neighbour.when("home/hall_light/set", "off") or up) < up + LATE
    eventually(lambda: bool(neighbour.when("home/porch_light/set", "off")), "the other lease ends")
    assert porch <= (neighbour.when("home/porch_light/set", "off") or up) <= porch + LATE

    eventually(all_sent, "everything was sent")
    eventually(lambda: len(meters_of(relay)) == MESSAGES, "everything is acknowledged")
    assert relay.redelivered, "some were under way when the guard was killed"
    assert readings(home.state) == Counter(reading(number)[1].encode() for number in range(MESSAGES))
    for lamp in ("hall_light", "porch_light"):  # "on" again is right where the first one's outcome was not written
        assert [said for said, _ in groupby(neighbour.said(f"home/{lamp}/set"))] == ["on", "off"]
    verdict = home.command("verify")
    assert verdict.returncode == 0, verdict
    assert "entries are as they were written" in verdict.stdout
    home.stop()
    assert neighbour.said(STATUS) == ["online", "offline", "online", "offline"]


def test_what_was_written_and_not_acknowledged_when_the_guard_died_is_not_written_again(
    home: Home, relay: Relay, neighbour: Neighbour, disk: Disk, tmp_path: Path
) -> None:
    """The guard dies right after a sync of its journal, when the broker does not know yet."""
    number = 500
    home.configure({}, port=relay.port)
    home.start(**disk.environment, FSYNC_SHIM_DIE_AFTER="40")
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard listens")
    for first in range(0, number, 10):  # few at a time, so that it takes many commits
        eventually(neighbour.send(map(reading, range(first, first + 10))), "they were sent")
    home.wait_until_killed()
    eventually(lambda: neighbour.said(STATUS)[-1] == "offline", "the broker tells that the guard is gone")
    acknowledged = meters_of(relay)
    written = assert_holds_once(copied(home.state, tmp_path / "died"), acknowledged)
    assert len(written) > len(acknowledged) > 0, "it died between writing and acknowledging"
    found = assert_holds_once(disk.after_the_power_cut(), acknowledged)
    assert found == written

    home.start()
    eventually(lambda: len(meters_of(relay)) == number, "everything is acknowledged")
    again = {payload for _, _, payload in relay.redelivered}
    assert written.keys() - acknowledged.keys() <= again, "the broker sent them again"
    assert readings(home.state) == Counter(reading(one)[1].encode() for one in range(number))


@pytest.mark.parametrize("killed", [False, True], ids=["the network fails", "the guard is killed"])
def test_acknowledgements_that_the_network_lost_make_no_message_come_twice(
    home: Home, relay: Relay, neighbour: Neighbour, *, killed: bool
) -> None:
    """The guard has sent them, written that down and gone on; the broker never got them, and sends again."""
    number, lost, at_once = 400, 300, 50
    home.configure({}, port=relay.port)
    home.start()
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard listens")
    for first in range(0, number, at_once):  # in turns, so that one commit notes the acknowledgements of another
        relay.swallow = first >= number - lost
        eventually(neighbour.send(map(reading, range(first, first + at_once))), "they were sent")
        upto = first + at_once
        eventually(lambda upto=upto: len(meters_of(relay)) == upto, "they are acknowledged")  # type: ignore[misc]
    assert not relay.redelivered
    if killed:
        home.kill()
        eventually(lambda: neighbour.said(STATUS)[-1] == "offline", "the broker tells that the guard is gone")
    relay.cut()
    relay.swallow = False
    if killed:
        home.start()
    eventually(lambda: len(relay.redelivered) >= lost, "the broker sends again")
    eventually(neighbour.send([reading(number)]), "one more is sent")
    eventually(lambda: len(meters_of(relay)) == number + 1, "it is acknowledged")
    assert set(meters_of(relay).values()) == {1, 2}, "the lost ones once more"
    assert readings(home.state) == Counter(reading(one)[1].encode() for one in range(number + 1))
