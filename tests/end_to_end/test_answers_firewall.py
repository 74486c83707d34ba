"""A real guard on a home's gateway: it cuts a device off, the kernel lets it in again, and what it needs it keeps."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.end_to_end.home import NetworkHome, acts, done, events, eventually, journaled
from tests.namespaces import (
    DEVICE,
    OTHER,
    PATIENCE,
    WORLD,
    Home,
    home_fixture,  # noqa: F401 - a fixture
)
from tests.network_logs import conn

from homeward.config import load
from homeward.core.effects import Record
from homeward.core.event import Event
from homeward.core.flow import FLOW, Flow, flow_attributes
from homeward.guard import Guard, backfill
from homeward.journal import Journal

CAMERA = "hallway camera"

CONFIGURATION = """\
[home]
state = "state"

[page]
port = {page}

[zeek]
directory = "zeek"

[suricata]
file = "eve.json"

[network.names]
"{device}" = "{camera}"

[nftables]

[[response]]
device = "*"
command = "quarantine"
when = ["rule:refused device", "rule:new here"]
minutes = {minutes}
responder = "nftables"

[[response]]
device = "*"
command = "restrict"
when = ["rule:intrusion alert", "rule:restricted device"]
responder = "nftables"
"""

SECONDS = 9.0
"""How long a device is cut off."""

OFTEN, ONCE = (Flow(WORLD, port, "tcp", sent=1_000, received=5_000, state="SF") for port in (443, 80))


class Gateway(NetworkHome):
    """A guard that runs on the home's router, beside Zeek and Suricata."""

    def __init__(self, folder: Path, home: Home) -> None:
        super().__init__(folder, within=("ip", "netns", "exec", home.router.name))
        self._home = home
        self.file.write_text(
            CONFIGURATION.format(page=self.page_port, device=DEVICE, camera=CAMERA, minutes=SECONDS / 60)
        )

    def _dial(self) -> socket.socket:
        return self._home.router.connect("127.0.0.1", self.page_port)

    def live_through(self, *days: list[Flow]) -> None:
        """What the camera did on each of the days before today, about noon, as a guard that was taught heard it."""
        noon = datetime.now(UTC).replace(hour=12) - timedelta(days=len(days))
        lived = (
            Event(
                id=f"past-{day}-{number}",
                source="zeek",
                at=noon + timedelta(days=day, minutes=number),
                place="home",
                device=CAMERA,
                action=FLOW,
                attributes=flow_attributes(flow),
            )
            for day, flows in enumerate(days)
            for number, flow in enumerate(flows)
        )
        with Journal(self.state) as journal:
            backfill(Guard(journal), lived, load(self.file).settings, until=datetime.now(UTC))

    def speak(self, port: int, device: str = DEVICE) -> None:
        """Zeek heard a device speak to the world."""
        self.hear(conn(ts=time.time(), uid=f"C{port}", orig=device, resp=WORLD, port=port))


@pytest.fixture(name="gateway")
def gateway_fixture(tmp_path: Path, home: Home) -> Iterator[Gateway]:
    home.world.serve(80, 443)
    home.other.serve(80)
    gateway = Gateway(tmp_path, home)
    try:
        yield gateway
    finally:
        gateway.close()


def test_a_refused_device_is_cut_off_and_the_kernel_lets_it_in_again_while_the_guard_is_dead(
    gateway: Gateway, home: Home
) -> None:
    gateway.start()
    eventually(gateway.listens, "it follows the logs")
    gateway.speak(port=443)
    eventually(lambda: any(event.device == CAMERA for event in events(gateway.state)), "it met the camera")
    refused = gateway.command("refuse", CAMERA)
    assert refused.returncode == 0, refused.stderr
    assert home.device.ping(WORLD)

    gateway.speak(port=6667)
    eventually(lambda: done(gateway.state) == ["apply"], "the camera is cut off")
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    assert home.other.ping(WORLD)
    gateway.kill()
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    ends = acts(gateway.state)[CAMERA].ends
    assert ends is not None
    eventually(lambda: home.device.ping(WORLD, seconds=PATIENCE), "the kernel lets it in again")
    assert datetime.now(UTC) >= ends
    assert done(gateway.state) == ["apply"]

    gateway.start()
    eventually(lambda: done(gateway.state)[-1] == "revert", "the lease is closed")
    (told,) = gateway.told()
    assert CAMERA in told.reason
    said = {entry.kind: entry.detail for entry in journaled(gateway.state) if isinstance(entry, Record)}
    assert "it had stopped without a word" in said["blind"]
    assert said["lease_ended"] == "its time was over"
    assert home.device.ping(WORLD)
    assert home.seconds_left() == []

    gateway.speak(port=7000)
    eventually(lambda: done(gateway.state)[-1] == "apply", "it is cut off again, since it goes on")
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    assert gateway.told() == [told]


def another_guard_warns(gateway: Gateway) -> None:
    gateway.warn(DEVICE, WORLD)


def it_was_restricted_and_strays(gateway: Gateway) -> None:
    restricted = gateway.command("restrict", CAMERA)
    assert restricted.returncode == 0, restricted.stderr
    gateway.speak(6667)


@pytest.mark.parametrize("happens", [another_guard_warns, it_was_restricted_and_strays])
def test_a_device_keeps_what_it_was_learned_to_need_and_nothing_else(
    gateway: Gateway, home: Home, happens: Callable[[Gateway], None]
) -> None:
    gateway.live_through([OFTEN] * 40, [OFTEN] * 40 + [ONCE])
    gateway.start()
    eventually(gateway.listens, "it follows the logs")
    assert home.device.tcp(WORLD, 80)
    assert home.device.tcp(OTHER, 80)

    happens(gateway)
    eventually(lambda: done(gateway.state) == ["apply"], "the camera is restricted")
    claim = acts(gateway.state)[CAMERA]
    assert (claim.command, claim.allow) == ("restrict", (f"tcp 443 {WORLD}",))
    assert home.device.tcp(WORLD, 443)
    assert not home.device.tcp(WORLD, 80, seconds=PATIENCE)
    assert not home.device.tcp(OTHER, 80, seconds=PATIENCE)
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    assert home.other.tcp(WORLD, 80)

    gateway.kill()
    home.nft("flush", "ruleset")  # the router was restarted too, and has forgotten everything
    assert home.device.tcp(WORLD, 80)
    gateway.start()
    eventually(lambda: not home.device.tcp(WORLD, 80, seconds=PATIENCE), "the claim is made again")
    assert home.device.tcp(WORLD, 443)

    stood_down = gateway.command("stand-down")
    assert stood_down.returncode == 0, stood_down.stderr
    eventually(lambda: done(gateway.state)[-1] == "revert", "it is taken back")
    assert home.device.tcp(WORLD, 80)
    assert home.device.tcp(OTHER, 80)


def test_who_is_new_here_is_cut_off_once_the_owner_says_that_it_is_nobodys(gateway: Gateway, home: Home) -> None:
    gateway.live_through([OFTEN] * 40, [OFTEN] * 40)
    gateway.start()
    eventually(gateway.listens, "it follows the logs")
    gateway.speak(443, OTHER)
    eventually(lambda: [one.kind for one in gateway.told()] == ["new"], "it asks who that is")
    (told,) = gateway.told()
    assert OTHER in told.reason
    assert acts(gateway.state) == {}, "nothing is done about who is only new"
    assert home.other.ping(WORLD)

    answered = gateway.command("answer", told.incident, "no")
    assert answered.returncode == 0, answered.stderr
    eventually(lambda: done(gateway.state) == ["apply"], "it is cut off")
    assert not home.other.ping(WORLD, seconds=PATIENCE)
    assert home.device.ping(WORLD)
