"""A small home of network namespaces: two devices behind a router, and a world beyond it. Packets and kernel are real.

A test module imports ``home_fixture`` (a routed home) or ``bridged_home_fixture`` (one network), and its tests ask
for ``home`` or ``bridged_home``. All sockets are in the test's own process: a thread that enters a namespace makes
them, and there they stay.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
from tests.conftest import IN_CI

DEADLINE: Final = 10.0
"""How long a test waits for what must come, in seconds; only a failing test waits so long."""

PATIENCE: Final = 0.3
"""How long a test waits for what must not come. What does come takes a thousandth of it."""

CLONE_NEWNET: Final = 0x40000000

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

    def socket(self, family: socket.AddressFamily, kind: int, protocol: int = 0) -> socket.socket:
        """A socket in this namespace."""

        def make() -> socket.socket:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/run/netns/{self.name}").open("rb") as there:
                if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.socket(family, kind, protocol)

        with ThreadPoolExecutor(1) as one:  # the thread stays in the namespace, and ends here
            return one.submit(make).result()

    def serve(self, *ports: int, udp: bool = False) -> None:
        """Echo whatever comes to the ports."""
        for port in ports:
            end = self.socket(socket.AF_INET6, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
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
        end = self.socket(_family(peer), socket.SOCK_STREAM)
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
        with self.socket(_family(peer), socket.SOCK_DGRAM) as end:
            end.settimeout(seconds)
            end.bind(("", own_port))
            end.sendto(b"x" * size, (peer, port))
            with suppress(TimeoutError):
                return end.recv(1 << 16) == b"x" * size
        return False

    def ping(self, peer: str, *, seconds: float = DEADLINE) -> bool:
        """Whether an echo comes back."""
        six = ":" in peer
        asks, answers, head = (128, 129, 0) if six else (8, 0, 20)
        number = secrets.randbelow(1 << 16)
        # For IPv6 the kernel writes the checksum.
        check = 0 if six else 0xFFFF ^ ((asks << 8) + number + 1) % 0xFFFF
        protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
        ends = time.monotonic() + seconds
        with self.socket(_family(peer), socket.SOCK_RAW, protocol) as end, suppress(TimeoutError):
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
            for place in self.places:
                _ip("netns", "add", place.name)
                _ip("-n", place.name, "link", "set", "lo", "up")
                _ip("netns", "exec", place.name, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
            (self._bridge if bridged else self._route)()
        except BaseException:
            self.close()
            raise

    def sysctl(self, name: str, value: int) -> None:
        """Set something in the router's kernel."""
        path = "/proc/sys/" + name.replace(".", "/")
        _ip("netns", "exec", self.router.name, "sh", "-c", f"echo {value} > {path}")

    def nft(self, *arguments: str) -> str:
        """What `nft` says in the router."""
        command = ["ip", "netns", "exec", self.router.name, "nft", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=DEADLINE).stdout

    def close(self) -> None:
        for place in self.places:
            place.close()
            subprocess.run(["ip", "netns", "delete", place.name], check=False, capture_output=True)

    def _route(self) -> None:
        self._cable(
            self.device, "v1", DEVICE_MAC, [f"{ROUTER}/24", f"{ROUTER6}/64"], [f"{DEVICE}/24", f"{DEVICE6}/64"]
        )
        self._cable(self.other, "v2", OTHER_MAC, ["10.77.2.1/24", "fd77:2::1/64"], [f"{OTHER}/24", f"{OTHER6}/64"])
        self._beyond()
        for place, way in ((self.device, "10.77.1.1"), (self.other, "10.77.2.1")):
            _ip("-n", place.name, "route", "add", "default", "via", way)
        for place, way in ((self.device, "fd77:1::1"), (self.other, "fd77:2::1")):
            _ip("-n", place.name, "-6", "route", "add", "default", "via", way)

    def _bridge(self) -> None:
        _ip("-n", self.router.name, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        _ip("-n", self.router.name, "addr", "add", f"{ROUTER}/24", "dev", "br0")
        _ip("-n", self.router.name, "link", "set", "br0", "up")
        self._cable(self.device, "v1", DEVICE_MAC, [], [f"{DEVICE}/24"])
        self._cable(self.other, "v2", OTHER_MAC, [], [f"{self.other_address}/24"])
        for port in ("v1", "v2"):
            _ip("-n", self.router.name, "link", "set", port, "master", "br0")
        self._beyond()
        for place in (self.device, self.other):
            _ip("-n", place.name, "route", "add", "default", "via", ROUTER)

    def _beyond(self) -> None:
        near, far = ["198.51.100.254/24", "2001:db8:77::fe/64"], [f"{WORLD}/24", "198.51.100.2/24", f"{WORLD6}/64"]
        self._cable(self.world, "v0", WORLD_MAC, near, far)
        for version, here, there in (("-4", "198.51.100.254", WORLD), ("-6", "2001:db8:77::fe", WORLD6)):
            _ip("-n", self.router.name, version, "route", "add", "default", "via", there)
            _ip("-n", self.world.name, version, "route", "add", "default", "via", here)
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def _cable(self, place: Place, port: str, mac: str, near: list[str], far: list[str]) -> None:
        router = self.router.name
        peer = ["peer", "name", "eth0", "address", mac, "netns", place.name]
        _ip("link", "add", port, "netns", router, "type", "veth", *peer)
        for name, link, addresses in ((router, port, near), (place.name, "eth0", far)):
            for address in addresses:
                _ip("-n", name, "addr", "add", address, "dev", link)
            _ip("-n", name, "link", "set", link, "up")


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


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=DEADLINE)
