"""Packets as events: captures of every kind, an interface between two namespaces, and what cannot be read."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import captures
from tests.captures import ACK, BEGIN, DEVICE, OTHER, PSH, ROUTER, SYN, conversation, frame, tcp, udp, write_pcap

from homeward.core.event import Event
from homeward.core.flow import Flow, read_flow
from homeward.core.inputs import Health
from homeward.sources.packet_meter import FLOW_LIMIT
from homeward.sources.packets import PacketsError, PacketsSource

pytest.importorskip("nfstream", reason="nfstream is not installed (homeward[packets])")

DEADLINE = 60.0
HOME, CLOUD = "192.168.7.11", "203.0.113.5"


async def everything(source: PacketsSource) -> list[Event | Health]:
    async with asyncio.timeout(DEADLINE), aclosing(source.events()) as items:  # type: ignore[type-var]
        return [item async for item in items]


async def listen(source: PacketsSource, hear: Callable[[Event | Health], object]) -> None:
    async with aclosing(source.events()) as items:  # type: ignore[type-var]
        async for item in items:
            hear(item)


async def flows_of(frames: Iterable[bytes], folder: Path, **more: object) -> list[tuple[str, Flow]]:
    source = PacketsSource(write_pcap(folder / "one.pcap", frames), **more)  # type: ignore[arg-type]
    found = [item for item in await everything(source) if isinstance(item, Event) and item.action == "flow"]
    return [(event.device, flow) for event in found if (flow := read_flow(event)) is not None]


# Captures -----------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_one_flow_of_the_device_that_asked(tmp_path: Path) -> None:
    frames = conversation(HOME, CLOUD, 8883, asks=b"a" * 100, answers=b"b" * 1000)
    path = write_pcap(tmp_path / "one.pcap", frames, every=0.5)
    up, announced, event = await everything(PacketsSource(path, name="net", place="cabin"))

    assert isinstance(up, Health)
    assert (up.up, up.subject) == (True, "source:net")
    assert isinstance(announced, Event)
    assert (announced.device, announced.action, announced.attributes["address"]) == (DEVICE, "announced", DEVICE)
    assert isinstance(event, Event)
    assert (event.device, event.source, event.place, event.actor, event.origin) == (
        DEVICE,
        "net",
        "cabin",
        None,
        None,
    )
    assert event.happened == datetime.fromtimestamp(BEGIN + 3, UTC)
    flow = read_flow(event)
    assert flow is not None
    assert (flow.peer, flow.port, flow.protocol, flow.inbound) == (CLOUD, 8883, "tcp", False)
    assert (flow.state, flow.times, round(flow.seconds, 3)) == ("SF", 1, 3.0)
    assert (flow.sent, flow.received) == (4 * 54 + 100, 3 * 54 + 1000)


async def test_between_two_devices_it_is_a_flow_of_each(tmp_path: Path) -> None:
    asked = frame(HOME, "192.168.7.22", 17, udp(50_000, 5683, b"ask"), macs=(DEVICE, OTHER))
    answered = frame("192.168.7.22", HOME, 17, udp(5683, 50_000, b"answer"), macs=(OTHER, DEVICE))
    one, other = await flows_of([asked, answered], tmp_path, names={DEVICE: "hub", OTHER: "lamp"})
    assert one == ("hub", Flow("lamp", 5683, "udp", False, 45, 48, one[1].seconds, "SF"))
    assert other == ("lamp", Flow("hub", 5683, "udp", True, 48, 45, one[1].seconds, "SF"))


async def test_a_device_goes_by_the_name_that_it_gave_to_the_dhcp_server(tmp_path: Path) -> None:
    frames = [captures.dhcp_request("kitchen-tv"), *conversation(HOME, CLOUD, 443, asks=b"a", answers=b"b")]
    assert {device for device, _ in await flows_of(frames, tmp_path)} == {"kitchen-tv"}


async def test_a_peer_goes_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    asks = b"GET / HTTP/1.1\r\nHost: updates.example.com\r\nUser-Agent: lamp\r\n\r\n"
    frames = conversation(HOME, CLOUD, 80, asks=asks, answers=b"HTTP/1.1 204 No Content\r\n\r\n")
    ((_, flow),) = await flows_of(frames, tmp_path)
    assert flow.peer == "updates.example.com"


async def test_icmp_ipv6_and_vlans_are_flows_as_well(tmp_path: Path) -> None:
    ping = bytes((8, 0, 0, 0, 0, 1, 0, 1)) + b"x" * 32
    frames = [
        frame(HOME, CLOUD, 1, ping),
        frame(CLOUD, HOME, 1, bytes((0,)) + ping[1:], macs=(ROUTER, DEVICE)),
        frame("fd00::11", "2001:db8::5", 17, udp(50_001, 123, b"t" * 48)),
        frame(HOME, CLOUD, 17, udp(50_002, 123, b"t" * 48), vlan=20),
    ]
    found = Counter((flow.peer, flow.port, flow.protocol) for _, flow in await flows_of(frames, tmp_path))
    assert found == {(CLOUD, 0, "icmp"): 1, ("2001:db8::5", 123, "udp"): 1, (CLOUD, 123, "udp"): 1}


@pytest.mark.parametrize(
    ("device_port", "service", "flags"),
    [(51_000, 8883, ACK | PSH), (5_001, 9_999, SYN | ACK), (2_000, 443, ACK)],
    ids=["a high port is the asker's own", "who answers a SYN was asked", "a port below 1024 is a service"],
)
async def test_a_service_that_is_seen_first_is_still_the_one_that_was_asked(
    tmp_path: Path, device_port: int, service: int, flags: int
) -> None:
    frames = [frame(CLOUD, HOME, 6, tcp(service, device_port, flags, b"ping"), macs=(ROUTER, DEVICE))]
    frames += [frame(HOME, CLOUD, 6, tcp(device_port, service, ACK, b"answer"))]
    ((device, flow),) = await flows_of(frames, tmp_path)
    assert (device, flow.port, flow.inbound, flow.sent, flow.received) == (DEVICE, service, False, 60, 58)


async def test_a_service_that_was_asked_before_needs_no_low_port(tmp_path: Path) -> None:
    frames = conversation(HOME, CLOUD, 9_999, own=5_001, asks=b"a", answers=b"b")
    later = frame(CLOUD, HOME, 6, tcp(9_999, 5_001, ACK | PSH, b"ping"), macs=(ROUTER, DEVICE))
    source = PacketsSource(write_pcap(tmp_path / "one.pcap", [*frames, later], every=30.0), idle_seconds=20)
    flows = [
        read_flow(item) for item in await everything(source) if isinstance(item, Event) and item.action == "flow"
    ]
    assert {(flow.port, flow.inbound) for flow in flows if flow is not None} == {(9_999, False)}


async def test_a_scan_is_a_handful_of_events(tmp_path: Path) -> None:
    ports = range(1, 2_001)
    found = await flows_of((frame(HOME, CLOUD, 6, tcp(40_000, port, SYN)) for port in ports), tmp_path)
    assert len(found) <= 300
    assert sum(flow.times for _, flow in found) == len(ports)
    assert {flow.state for _, flow in found} == {"S0"}


async def test_a_flood_of_flows_is_bounded_and_counted(tmp_path: Path) -> None:
    more = 1_000
    peers = (f"203.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(FLOW_LIMIT + more))
    frames = (frame(HOME, peer, 6, tcp(40_000, 23, SYN)) for peer in peers)
    source = PacketsSource(write_pcap(tmp_path / "one.pcap", frames, every=0.000_1))
    flows = [read_flow(item) for item in await everything(source) if isinstance(item, Event)]
    assert sum(flow.times for flow in flows if flow is not None) == FLOW_LIMIT
    assert source.refused == {"too many flows": more}
    assert len(flows) < 300


async def test_of_other_peoples_networks_nothing_is_told(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "one.pcap", conversation("198.51.100.7", CLOUD, 443, asks=b"a", answers=b"b"))
    source = PacketsSource(path)
    assert len(await everything(source)) == 1
    assert source.refused == {"no local end": 1}
    assert len(await everything(PacketsSource(path, local=["198.51.100.0/24"]))) == 3


async def test_an_empty_capture_has_no_events_and_is_no_error(tmp_path: Path) -> None:
    source = PacketsSource(write_pcap(tmp_path / "empty.pcap", []))
    (up,) = await everything(source)
    assert isinstance(up, Health)
    assert up.up
    assert not source.refused


async def test_a_truncated_capture_is_read_to_its_end_and_counted(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "one.pcap", conversation(HOME, CLOUD, 443, asks=b"a", answers=b"b" * 900))
    path.write_bytes(path.read_bytes()[:-30])
    source = PacketsSource(path)
    assert [item.action for item in await everything(source) if isinstance(item, Event)] == ["announced", "flow"]
    assert source.refused == {"truncated": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"", "no capture"), (b"Date: today\n" * 40, "no capture")],
    ids=["absent", "nothing", "text"],
)
async def test_what_is_no_capture_is_said_in_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "one.pcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PacketsError, match=said) as caught:
        await everything(PacketsSource(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


async def test_recorded_captures_are_read_whole(data_folder: Path) -> None:
    told = {}
    for path in sorted((data_folder / "fixtures" / "pcaps").glob("*.pcap")):
        source = PacketsSource(path, local=["147.32.80.0/24"])
        events = [item for item in await everything(source) if isinstance(item, Event)]
        assert all(event.action == "announced" or read_flow(event) is not None for event in events)
        assert not {"truncated", "malformed"} & set(source.refused)
        told[path.name] = {event.device for event in events}
    assert told, "there are no captures"
    assert any("esp-eb59c4" in devices for devices in told.values())  # as it called itself to the DHCP server


# What may go wrong --------------------------------------------------------------------------------------------------


async def test_an_interface_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(PacketsError, match=r"no interface 'nosuch0' here; there are .*lo"):
        await everything(PacketsSource("nosuch0"))


@pytest.mark.parametrize("name", ["", "-i", "../x", "eth0; true", "a" * 16, "eth0\n"])
def test_what_cannot_name_an_interface_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an interface"):
        PacketsSource(name)


def script(path: Path, *command: str) -> str:
    """An interpreter that runs Python through another program."""
    path.write_text(f'#!/bin/sh\n{" ".join(command)} {sys.executable} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def test_without_the_right_to_listen_that_is_said_in_one_line(tmp_path: Path) -> None:
    interpreter = sys.executable
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed (apt-get install util-linux)")
        interpreter = script(tmp_path / "python", "exec", "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    with pytest.raises(PacketsError, match=r"^lo: no right to listen .*CAP_NET_RAW$"):
        await everything(PacketsSource("lo", interpreter=interpreter))


async def test_an_interpreter_that_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PacketsError, match="cannot be started"):
        await everything(PacketsSource("lo", interpreter=str(tmp_path / "python")))


async def test_a_process_that_says_nothing_and_ends_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PacketsError, match=r"died \(status 7\)"):
        await everything(PacketsSource("lo", interpreter=script(tmp_path / "python", "exit 7;")))


async def test_whatever_the_process_says_is_survived_and_counted(tmp_path: Path) -> None:
    good = (
        f'["{HOME}","{DEVICE}",50000,"{CLOUD}","{ROUTER}",443,6,1700000000000,1700000001000,10,20,true,"SF","TLS",""]'
    )
    bad = [
        b"\xff\xfe",
        b"[" * 2_000,
        b"x" * 20_000,
        b"17",
        b'{"truncated": "many"}',
        good.replace("50000", "500000").encode(),
        good.replace(HOME, "nowhere").encode(),
        good.replace("1700000001000", "99999999999999999").encode(),
        good.replace("1700000000000", "1800000000000").encode(),
    ]
    lines = [b"{}", b'{"anything": 5, "no memory": 3, "truncated": -1}', *bad, good.encode()]
    path = tmp_path / "meter"

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\n".join(lines) + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(speak, path):
        source = PacketsSource("eth0", meter=path)
        said: list[Event | Health] = []
        with pytest.raises(PacketsError, match="eth0: the process that reads packets ended"):
            await listen(source, said.append)
    assert [item.action if isinstance(item, Event) else item.up for item in said] == [True, "announced", "flow"]
    assert source.refused["no memory"] == 3
    assert source.refused["malformed"] >= len(bad) - 1  # of the longest line the pieces or none
    assert set(source.refused) == {"no memory", "malformed"}


async def test_a_socket_at_which_nobody_reads_packets_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PacketsError, match="nobody reads packets there"):
        await everything(PacketsSource("eth0", meter=tmp_path / "meter"))


# Live, between two namespaces ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    """Two namespaces of the network and a cable between them."""

    guard: str
    device: str
    folder: Path

    @property
    def interpreter(self) -> str:
        return script(self.folder / "python", "exec", "ip", "netns", "exec", self.guard)

    def run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE)

    def speak(self, code: str) -> None:
        """Run Python in the device's namespace."""
        self.run("ip", "netns", "exec", self.device, sys.executable, "-c", code)


@pytest.fixture
def wire(tmp_path: Path, need_program: Callable[[str, str], str]) -> Iterator[Wire]:
    need_program("ip", "iproute2")
    if os.geteuid() != 0:
        pytest.skip("only root makes namespaces of the network")
    tag = f"{os.getpid() % 100_000}"
    wire = Wire(f"hwg{tag}", f"hwd{tag}", tmp_path)
    try:
        wire.run("ip", "netns", "add", wire.guard)
    except subprocess.CalledProcessError:
        pytest.skip("namespaces of the network are not allowed here")
    try:
        wire.run("ip", "netns", "add", wire.device)
        peer = ("peer", "name", "eth0", "netns", wire.device, "address", DEVICE)
        wire.run("ip", "link", "add", "v1", "netns", wire.guard, "type", "veth", *peer)
        for namespace, name, host in ((wire.guard, "v1", 1), (wire.device, "eth0", 2)):
            wire.run("ip", "-n", namespace, "address", "add", f"10.77.1.{host}/24", "dev", name)
            wire.run("ip", "-n", namespace, "-6", "address", "add", f"fd77::{host}/64", "dev", name, "nodad")
            wire.run("ip", "-n", namespace, "link", "set", name, "up")
        yield wire
    finally:
        for namespace in (wire.guard, wire.device):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


def live(wire: Wire) -> PacketsSource:
    return PacketsSource("v1", interpreter=wire.interpreter, names=GUARD, idle_seconds=1, active_seconds=5)


@asynccontextmanager
async def heard(source: PacketsSource) -> AsyncIterator[asyncio.Queue[Event | Health | Exception]]:
    """What the source tells, and in the end why it stopped."""
    queue: asyncio.Queue[Event | Health | Exception] = asyncio.Queue()

    async def hear() -> None:
        try:
            await listen(source, queue.put_nowait)
        except PacketsError as error:
            queue.put_nowait(error)

    task = asyncio.create_task(hear())
    try:
        async with asyncio.timeout(DEADLINE):
            yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


GUARD = {"10.77.1.1": "guard (IPv4)", "fd77::1": "guard (IPv6)"}
ASK = """
import socket
for family, host in ((socket.AF_INET, "10.77.1.1"), (socket.AF_INET6, "fd77::1")):
    for _ in range(3):
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.sendto(b"x" * 100, (host, 7777))
"""


async def spoken(wire: Wire, queue: asyncio.Queue[Event | Health | Exception]) -> dict[str, Event]:
    """Speak in the device's namespace; the events in which that was told, by peer."""
    await asyncio.to_thread(wire.speak, ASK)
    seen: dict[str, Event] = {}
    while len(seen) < 2:
        item = await queue.get()
        assert not isinstance(item, Exception), item
        flow = read_flow(item) if isinstance(item, Event) else None
        if flow is not None and flow.port == 7777 and not flow.inbound:
            assert isinstance(item, Event)
            seen[flow.peer] = item
    return seen


def processes(wire: Wire) -> set[str]:
    """Those in the guard's namespace, by number."""
    said = subprocess.run(["ip", "netns", "pids", wire.guard], check=True, capture_output=True, text=True)
    return set(said.stdout.split())


async def test_what_passes_on_an_interface_is_told_while_it_passes(wire: Wire) -> None:
    async with heard(live(wire)) as queue:
        up = await queue.get()
        assert isinstance(up, Health)
        assert up.up
        seen = await spoken(wire, queue)
        rights = {(Path("/proc") / pid / "status").read_text("utf-8") for pid in processes(wire)}
    assert set(seen) == set(GUARD.values())
    for event in seen.values():
        assert event.device == DEVICE
        assert event.happened is not None
        assert abs((event.at - event.happened).total_seconds()) < 30
    assert len(rights) == 2  # the process that reads packets, and nfstream's own: nobody, with one right
    for status in rights:
        assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
        assert "\nCapEff:\t0000000000002000\n" in status
    assert not processes(wire)


async def test_an_interface_that_goes_down_is_no_silence(wire: Wire) -> None:
    async with heard(live(wire)) as queue:
        assert isinstance(await queue.get(), Health)
        wire.run("ip", "-n", wire.guard, "link", "set", "v1", "down")
        while not isinstance(said := await queue.get(), Exception):
            pass
    assert str(said) == "v1: the interface is down or gone"
    assert not processes(wire)


async def test_when_nfstreams_process_dies_that_is_said(wire: Wire) -> None:
    async with heard(live(wire)) as queue:
        assert isinstance(await queue.get(), Health)
        os.kill(max(map(int, processes(wire))), signal.SIGKILL)
        while not isinstance(said := await queue.get(), Exception):
            pass
    assert str(said) == f"nfstream's process died (status {int(signal.SIGKILL)})"
    assert not processes(wire)


async def test_somebody_elses_process_is_read_through_a_socket(wire: Wire, tmp_path: Path) -> None:
    """As systemd starts it: for each connection one, whose standard input and output are the connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "meter"))
        listener.listen()

        def serve() -> subprocess.Popen[bytes]:
            connection, _ = listener.accept()
            with connection:
                command = (wire.interpreter, "-m", "homeward.sources.packet_meter", "--interface", "v1", "--idle=1")
                return subprocess.Popen(command, stdin=connection.fileno(), stdout=connection.fileno())

        serving = asyncio.create_task(asyncio.to_thread(serve))
        async with heard(PacketsSource("v1", names=GUARD, meter=tmp_path / "meter")) as queue:
            assert isinstance(await queue.get(), Health)
            assert set(await spoken(wire, queue)) == set(GUARD.values())
        process = await serving
        assert await asyncio.to_thread(process.wait, DEADLINE) == 1  # nobody reads it any more
    assert not processes(wire)
