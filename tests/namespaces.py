"""A small home of network namespaces: two devices behind a router, and a world beyond it. All packets are real.

A test module imports ``home_fixture`` (a routed home) or ``bridged_home_fixture`` (one network), and its tests ask
for ``home`` or ``bridged_home``. All sockets are in the test's own process: a thread that enters a namespace makes
them, and there they stay.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, TypeVar

import pytest
from tests.conftest import IN_CI

DEADLINE: Final = 10.0
"""How long a test waits for what must come, in seconds; only a failing test waits so long."""

PATIENCE: Final = 0.2
"""How long a test waits for what must not come. What does come takes a hundredth of it."""

CLONE_NEWNET: Final = 0x40000000

T = TypeVar("T")

DEVICE, OTHER, WORLD = "10.77.1.2", "10.77.2.2", "198.51.100.1"
DEVICE6, OTHER6, WORLD6 = "fd77:1::2", "fd77:2::2", "2001:db8:77::1"
ROUTER, ROUTER6 = "10.77.1.1", "fd77:1::1"
DEVICE_MAC, OTHER_MAC, WORLD_MAC = "02:00:00:00:77:02", "02:00:00:00:77:03", "02:00:00:00:77:01"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition of the kernel."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"


class Place:
    """A network namespace, and what stands in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[tuple[str, int]] = []
        """Who began to speak to a service here, and to which port."""
        self._closing = ExitStack()

    def inside(self, act: Callable[[], T]) -> T:
        """Do something in this namespace."""

        def enter() -> T:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/run/netns/{self.name}").open("rb") as there:
                if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return act()

        with ThreadPoolExecutor(1) as one:  # the thread stays in the namespace, and ends here
            return one.submit(enter).result()

    def make(self, family: socket.AddressFamily, kind: int, protocol: int = 0) -> socket.socket:
        """A socket in this namespace."""
        return self.inside(lambda: socket.socket(family, kind, protocol))

    def sysctl(self, name: str, value: int) -> None:
        """Set something in this namespace's kernel."""
        path = Path("/proc/sys/net") / name
        self.inside(lambda: path.write_text(f"{value}\n", "ascii"))

    def ip(self, *lines: str) -> None:
        """Configure this namespace: each line is what follows `ip`."""
        _ip("-n", self.name, lines=lines)

    def serve(self, *ports: int, udp: bool = False) -> None:
        """Echo whatever comes to the ports."""
        for port in ports:
            end = self.make(socket.AF_INET6, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
            end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.bind(("::", port))
            if not udp:
                end.listen()
            thread = threading.Thread(target=self._echo_datagrams if udp else self._accept, args=(end, port))
            thread.start()
            self._closing.callback(thread.join, DEADLINE)
            self._closing.callback(_shut, end)

    def connect(self, peer: str, port: int, *, seconds: float = DEADLINE) -> socket.socket:
        """A conversation with a service; raises `TimeoutError` where nothing comes back."""
        end = self.make(_family(peer), socket.SOCK_STREAM)
        end.settimeout(seconds)
        try:
            end.connect((peer, port))
        except BaseException:
            end.close()
            raise
        return end

    def tcp(self, peer: str, port: int, *, seconds: float = DEADLINE) -> bool:
        """Whether a service can be reached and answers."""
        with suppress(TimeoutError), self.connect(peer, port, seconds=seconds) as end:
            return says(end, seconds=seconds)
        return False

    def udp(self, peer: str, port: int, *, seconds: float = DEADLINE, size: int = 5, own_port: int = 0) -> bool:
        """Whether a datagram is answered."""
        with self.make(_family(peer), socket.SOCK_DGRAM) as end:
            end.settimeout(seconds)
            end.bind(("", own_port))
            end.sendto(b"x" * size, (peer, port))
            with suppress(TimeoutError):
                return end.recv(1 << 16) == b"x" * size
        return False

    def flood(self, peer: str, port: int, number: int) -> None:
        """Send many small datagrams, and hear no answer."""
        with self.make(_family(peer), socket.SOCK_DGRAM) as end:
            for _ in range(number):
                end.sendto(b"x", (peer, port))

    def ping(self, peer: str, *, seconds: float = DEADLINE) -> bool:
        """Whether an echo comes back."""
        six = ":" in peer
        asks, answers, head = (128, 129, 0) if six else (8, 0, 20)
        number = secrets.randbelow(1 << 16)
        # For IPv6 the kernel writes the checksum.
        check = 0 if six else 0xFFFF ^ ((asks << 8) + number + 1) % 0xFFFF
        protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
        ends = time.monotonic() + seconds
        with self.make(_family(peer), socket.SOCK_RAW, protocol) as end, suppress(TimeoutError):
            end.sendto(struct.pack("!BBHHH", asks, 0, check, number, 1), (peer, 0))
            while (left := ends - time.monotonic()) > 0:
                end.settimeout(left)
                type_, _, _, echoed, _ = struct.unpack("!BBHHH", end.recv(1 << 16)[head : head + 8])
                if (type_, echoed) == (answers, number):
                    return True
        return False

    def close(self) -> None:
        self._closing.close()

    def _accept(self, end: socket.socket, port: int) -> None:
        while True:
            try:
                one, who = end.accept()
            except OSError:  # closed
                return
            self.heard.append((who[0].removeprefix("::ffff:"), port))
            thread = threading.Thread(target=_echo, args=(one,))
            thread.start()
            self._closing.callback(thread.join, DEADLINE)
            self._closing.callback(_shut, one)

    def _echo_datagrams(self, end: socket.socket, port: int) -> None:
        while True:
            try:
                said, who = end.recvfrom(1 << 16)
            except OSError:
                return
            if not said:  # shut down
                return
            self.heard.append((who[0].removeprefix("::ffff:"), port))
            end.sendto(said, who)


def says(end: socket.socket, *, seconds: float = DEADLINE) -> bool:
    """Whether a conversation that was begun goes on."""
    end.settimeout(seconds)
    word = secrets.token_bytes(8)
    end.sendall(word)
    with suppress(TimeoutError):
        heard = b""
        while not heard.endswith(word):
            part = end.recv(4096)
            if not part:
                return False
            heard += part
        return True
    return False


class Home:
    """``device`` and ``other`` behind ``router``, each on its own cable or both on a bridge; and the ``world``.

    Raises:
        OSError, subprocess.CalledProcessError: namespaces cannot be made here.
    """

    def __init__(self, *, bridged: bool = False) -> None:
        tag = f"hw{os.getpid() % 100_000}{secrets.token_hex(2)}"
        self.router, self.device, self.other, self.world = (Place(f"{tag}{end}") for end in "rdow")
        self.places = (self.router, self.device, self.other, self.world)
        self.other_address = "10.77.1.3" if bridged else OTHER
        try:
            _ip(lines=[f"netns add {place.name}" for place in self.places])
            for place in self.places:
                place.sysctl("ipv6/conf/default/accept_dad", 0)
                place.ip("link set lo up")
            (self._bridge if bridged else self._route)()
        except BaseException:
            self.close()
            raise

    def nft(self, *arguments: str) -> str:
        """What `nft` says in the router."""
        command = ["ip", "netns", "exec", self.router.name, "nft", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=DEADLINE).stdout

    def seconds_left(self) -> list[int]:
        """How long each element of the router's sets still holds."""
        entries = json.loads(self.nft("-j", "list", "ruleset"))["nftables"]
        sets = [entry["set"] for entry in entries if "set" in entry]
        return [one["elem"]["expires"] for each in sets for one in each.get("elem", ())]

    def remove_router(self) -> None:
        """Put the router's firewall out of reach."""
        _ip(lines=[f"netns delete {self.router.name}"])

    def close(self) -> None:
        for place in self.places:
            place.close()
        command = ["ip", "-force", "-batch", "-"]
        gone = "\n".join(f"netns delete {place.name}" for place in self.places)
        subprocess.run(command, input=gone, text=True, check=False, capture_output=True)

    def _route(self) -> None:
        self._cable(self.device, "v1", DEVICE_MAC, (ROUTER, ROUTER6), (DEVICE, DEVICE6))
        self._cable(self.other, "v2", OTHER_MAC, ("10.77.2.1", "fd77:2::1"), (OTHER, OTHER6))
        self.device.ip(f"route add default via {ROUTER}", f"route add default via {ROUTER6}")
        self.other.ip("route add default via 10.77.2.1", "route add default via fd77:2::1")
        self._beyond()

    def _bridge(self) -> None:
        self.router.ip("link add br0 type bridge", f"addr add {ROUTER}/24 dev br0", "link set br0 up")
        self._cable(self.device, "v1", DEVICE_MAC, (), (DEVICE,))
        self._cable(self.other, "v2", OTHER_MAC, (), (self.other_address,))
        self.router.ip("link set v1 master br0", "link set v2 master br0")
        for place in (self.device, self.other):
            place.ip(f"route add default via {ROUTER}")
        self._beyond()

    def _beyond(self) -> None:
        near = "198.51.100.254", "2001:db8:77::fe"
        self._cable(self.world, "v0", WORLD_MAC, near, (WORLD, "198.51.100.2", WORLD6))
        self.router.ip(*(f"route add default via {one}" for one in (WORLD, WORLD6)))
        self.world.ip(*(f"route add default via {one}" for one in near))
        self.router.sysctl("ipv4/ip_forward", 1)
        self.router.sysctl("ipv6/conf/all/forwarding", 1)

    def _cable(self, place: Place, port: str, mac: str, near: Sequence[str], far: Sequence[str]) -> None:
        self.router.ip(f"link add {port} type veth peer name eth0 address {mac} netns {place.name}")
        for one, link, addresses in ((self.router, port, near), (place, "eth0", far)):
            lengths = ((address, 64 if ":" in address else 24) for address in addresses)
            one.ip(*(f"addr add {address}/{length} dev {link}" for address, length in lengths), f"link set {link} up")


@pytest.fixture(name="home")
def home_fixture(need_program: Callable[[str, str], str]) -> Iterator[Home]:
    """A routed home."""
    yield from _home(need_program, bridged=False)


@pytest.fixture(name="bridged_home")
def bridged_home_fixture(need_program: Callable[[str, str], str]) -> Iterator[Home]:
    """A home whose router is a bridge between its devices, with the kernel's firewall in between."""
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        pytest.skip("this kernel has no br_netfilter")
    yield from _home(need_program, bridged=True)


def _home(need_program: Callable[[str, str], str], *, bridged: bool) -> Iterator[Home]:
    need_program("nft", "nftables")
    need_program("ip", "iproute2")
    if os.geteuid() != 0:
        _absent("network namespaces can be made by root only")
    try:
        home = Home(bridged=bridged)
    except (OSError, subprocess.CalledProcessError) as error:
        _absent(f"network namespaces cannot be made here ({getattr(error, 'stderr', error)!r})")
    try:
        yield home
    finally:
        home.close()


def _absent(reason: str) -> None:
    """Fails when CI=true, so that CI never skips in silence."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def _echo(end: socket.socket) -> None:
    with end, suppress(OSError):
        while said := end.recv(1 << 16):
            end.sendall(said)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _family(peer: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in peer else socket.AF_INET


def _ip(*arguments: str, lines: Iterable[str]) -> None:
    batch = "\n".join(lines)
    command = ["ip", *arguments, "-batch", "-"]
    subprocess.run(command, input=batch, text=True, check=True, capture_output=True, timeout=DEADLINE)
