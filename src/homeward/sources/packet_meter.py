"""The process that reads packets: nfstream's flows as JSON lines on standard output. Nothing else is done here.

It is a process of its own because what it does is the most dangerous thing in the house: a large dissector in C reads
whatever strangers send. It alone needs the right to listen (CAP_NET_RAW). Started by root it becomes *nobody* and
keeps that right only; it may use so much memory and no more; it ends when nobody reads it any more, when its
interface goes down, and when nfstream's own process (which it starts, and which ends with it) dies.

A line is one of three: a list (`Metered`: a flow), an object (counts of what was lost by reason; the first, empty,
says that it listens), or a text (why it ends).
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import importlib
import io
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

LINE_LIMIT: Final = 4_096
"""The longest line in bytes: no more than a pipe takes in one piece (PIPE_BUF), so that lines never mix."""

FLOW_LIMIT: Final = 32_768
"""Flows at once (about 160 MB). Under a flood of them the packets of all others are counted and not looked at."""

MEMORY_LIMIT: Final = 768 << 20
"""Bytes of address space for each of the two processes, beyond which they end."""

WATCH_SECONDS: Final = 1.0
OPENING_SECONDS: Final = 0.1
REPORT_SECONDS: Final = 60

NOBODY: Final = 65_534
_LATER: Final = ("heap", "popen_fork", "queues", "sharedctypes", "synchronize")
_CAP_NET_RAW: Final = 13
_CAPABILITY_VERSION: Final = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 1, 8, 38
_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1


class Metered(msgspec.Struct, array_like=True, frozen=True):
    """A flow as nfstream tells it. ``src`` sent the first packet that was seen; times are epoch milliseconds."""

    src: str
    src_mac: str
    src_port: int
    dst: str
    dst_mac: str
    dst_port: int
    protocol: int
    first_ms: int
    last_ms: int
    sent: int
    received: int
    asked: bool | None
    """Whether ``src`` was seen to open the connection (a SYN without ACK), or to answer (with ACK); else unknown."""
    state: str
    """How it went, in Zeek's words (``conn_state``); ``OTH`` for a TCP flow whose beginning was not seen."""
    application: str
    server_name: str


class _Ended(Exception):  # noqa: N818 (an end is not always an error)
    """Why there is nothing more to read, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Read packets until the capture ends (0) or something prevents it (1, and the last line says what)."""
    parser = argparse.ArgumentParser(prog="python -m homeward.sources.packet_meter", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--interface")
    where.add_argument("--file", type=Path)
    parser.add_argument("--idle", type=int, default=60, help="seconds without a packet that end a flow")
    parser.add_argument("--active", type=int, default=300, help="seconds after which a flow is told anyway")
    options = parser.parse_args(arguments)
    out = os.dup(1)
    os.dup2(2, 1)  # whatever else prints does not get between the lines
    try:
        _read(out, options.interface, options.file, options.idle, options.active)
    except _Ended as end:
        _put(out, str(end))
        return 1
    except BrokenPipeError:  # nobody listens any more
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def _read(out: int, interface: str | None, file: Path | None, idle: int, active: int) -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy, which nfstream brings along, would start one for each core
    NFStreamer = _nfstream()  # noqa: N806 (a class)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if interface is not None:
        _may_listen(interface)
    elif file is not None and not os.access(file, os.R_OK):
        raise _Ended(f"{file}: cannot be read; does it exist?")
    libc = ctypes.CDLL(None, use_errno=True)
    _give_up_rights(libc, keep=interface is not None)
    os.register_at_fork(after_in_child=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    sys.stdout = _Reports(out)
    meter: Any = importlib.import_module("nfstream.meter")
    meter.NFCache = _bounded(meter.NFCache, out)
    _watch(out, interface)
    try:
        streamer = NFStreamer(
            source=interface or str(file),
            decode_tunnels=False,
            idle_timeout=idle,
            active_timeout=active,
            statistical_analysis=True,
            n_meters=1,
            performance_report=REPORT_SECONDS if interface else 0,
        )
        if interface is None:
            _put(out, {})
        for flow in streamer:
            _put(out, _metered(flow))
    except ValueError as error:
        raise _Ended(_said_plainly(str(error), interface, file)) from None
    if interface is not None:
        raise _Ended(f"{interface}: the capture ended")
    if file is not None and not _is_whole(file):
        _put(out, {"truncated": 1})


def _nfstream() -> Any:
    """nfstream's streamer, with all that it would load later: *nobody* may not be able to read where it lies."""
    try:
        nfstream = importlib.import_module("nfstream")
        for name in ("nfstream.engine", *(f"multiprocessing.{part}" for part in _LATER)):
            importlib.import_module(name)
    except ImportError as error:
        raise _Ended(f"nfstream is not here ({error}); install homeward[packets]") from None
    nfstream.engine.create_engine()
    return nfstream.NFStreamer


def _bounded(unbounded: type[OrderedDict[object, Any]], out: int) -> type[OrderedDict[object, Any]]:
    """nfstream's table of flows, which has no limit of its own, with one."""

    class Ignored:
        def update(self, *_: object) -> None:
            """What nfstream does with a packet of a flow that it has."""

    class Bounded(unbounded):  # type: ignore[valid-type,misc] # nfstream has no types
        ignored, told = 0, 0.0
        looked_at: object = None

        def __getitem__(self, key: object) -> Any:
            if len(self) < FLOW_LIMIT or key in self:
                looked, self.looked_at = self.looked_at, None
                if looked is None and key in self:  # a packet of the flow came
                    self.move_to_end(key)
                return super().__getitem__(key)
            self.ignored += 1
            if time.monotonic() - self.told >= WATCH_SECONDS:
                self.tell()
            return Ignored()

        def get_lru_key(self) -> object:
            """The flow of which no packet came for the longest. nfstream looks for idle ones from it on, and stops at
            one that is not: a single long flow that stood still here would hold back the end of all others."""
            self.looked_at = super().get_lru_key()
            return self.looked_at

        def __delitem__(self, key: object) -> None:
            super().__delitem__(key)
            if self.ignored:
                self.tell()

        def tell(self) -> None:
            _put(out, {"too many flows": self.ignored})
            self.ignored, self.told = 0, time.monotonic()

    return Bounded


def _metered(flow: Any) -> Metered:
    """The flow without what nobody asks for."""
    asked = flow.src2dst_packets > flow.src2dst_ack_packets if flow.src2dst_syn_packets else None
    return Metered(
        src=flow.src_ip,
        src_mac=flow.src_mac,
        src_port=flow.src_port,
        dst=flow.dst_ip,
        dst_mac=flow.dst_mac,
        dst_port=flow.dst_port,
        protocol=flow.protocol,
        first_ms=flow.bidirectional_first_seen_ms,
        last_ms=flow.bidirectional_last_seen_ms,
        sent=flow.src2dst_bytes,
        received=flow.dst2src_bytes,
        asked=asked,
        state=_state(flow, asked),
        application=(flow.application_name or "")[:64],
        server_name=(flow.requested_server_name or "")[:256],
    )


def _state(flow: Any, asked: bool | None) -> str:
    answered = flow.dst2src_packets > 0
    if flow.protocol == socket.IPPROTO_UDP:
        return "SF" if answered else "S0"
    if flow.protocol != socket.IPPROTO_TCP or not asked:
        return "OTH"
    if not answered:
        return "S0"
    if flow.dst2src_rst_packets:
        return "RSTR" if flow.dst2src_syn_packets else "REJ"
    if flow.src2dst_rst_packets:
        return "RSTO"
    return "SF" if flow.src2dst_fin_packets and flow.dst2src_fin_packets else "S1"


def _put(out: int, said: Metered | dict[str, int] | str) -> None:
    line = msgspec.json.encode(said[:512] if isinstance(said, str) else said) + b"\n"
    while line:
        line = line[os.write(out, line) :]


class _Reports(io.TextIOBase):
    """Takes what nfstream prints: its regular report, and that it has no memory for another flow."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._dropped = 0

    def write(self, text: str) -> int:
        """Passes on the counts in it; everything else is of no use to anybody."""
        if text.startswith("WARNING: Failed to allocate"):
            _put(self._out, {"no memory": 1})
        elif text.startswith("{"):
            dropped = json.loads(text).get("packets_dropped_filtered_by_kernel", 0)
            if dropped > self._dropped:
                _put(self._out, {"dropped by the kernel": dropped - self._dropped})
                self._dropped = dropped
        return len(text)


# ------------------------------------------------------------------------------------- what may go wrong, in one line


def _may_listen(interface: str) -> None:
    known = [name for _, name in socket.if_nameindex()]
    if interface not in known:
        raise _Ended(f"no interface {interface!r} here; there are {', '.join(sorted(known))}")
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        raise _Ended(f"{interface}: no right to listen ({error.strerror}); this process needs CAP_NET_RAW") from None
    if not _is_up(interface):
        raise _Ended(f"{interface}: the interface is down")


def _is_up(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            said = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16s24x", interface.encode()))
        except OSError:
            return False
    return bool(struct.unpack_from("H", said, 16)[0] & _IFF_UP)


def _said_plainly(error: str, interface: str | None, file: Path | None) -> str:
    error = " ".join(error.split())
    if interface is not None:
        return f"{interface}: cannot be listened on ({error})"
    return f"{file}: no capture that can be read ({error})"


def _watch(out: int, interface: str | None) -> None:
    """Look every second whether there is still somebody to tell, something to hear and nfstream's process to read it.

    nfstream itself would wait for ever: it neither notices that its process died nor that its interface is gone.
    """
    reader = select.poll()
    reader.register(out, 0)  # tells of nothing but that the other end is gone
    before = _listeners(interface) if interface else frozenset()
    is_listening = interface is None

    def look(*_: object) -> None:
        nonlocal is_listening
        why = None
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            ended = None
        if ended is not None and ended.si_status != 0:
            why = f"nfstream's process died (status {ended.si_status})"
        elif interface is not None and not _is_up(interface):
            why = f"{interface}: the interface is down or gone"
        if why is not None:
            _put(out, why)
        elif interface is not None and not is_listening and _listeners(interface) - before:
            is_listening = True
            _put(out, {})
            signal.setitimer(signal.ITIMER_REAL, WATCH_SECONDS, WATCH_SECONDS)
        if why is not None or reader.poll(0):
            os._exit(1)

    first = WATCH_SECONDS if is_listening else OPENING_SECONDS
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, first, first)


def _listeners(interface: str) -> frozenset[str]:
    """The packet sockets of this user on the interface, by inode (packet(7), proc(5))."""
    mine = str(socket.if_nametoindex(interface)), "1", str(os.geteuid())  # of the columns Iface, R(unning) and User
    rows = [line.split() for line in Path("/proc/net/packet").read_text("utf-8").splitlines()[1:]]
    return frozenset(row[8] for row in rows if len(row) >= 9 and (row[4], row[5], row[7]) == mine)


# -------------------------------------------------------------------------------------------------- least privilege


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _give_up_rights(libc: ctypes.CDLL, *, keep: bool) -> None:
    """Keep the right to listen where it is needed (and there at all), and no other (capabilities(7))."""
    if keep and os.geteuid() == 0:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    sets = (_CapabilitySets * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise _Ended("the rights of this process cannot be read")
    left = sets[0].permitted & (1 << _CAP_NET_RAW) if keep else 0
    sets[0] = _CapabilitySets(left, left, 0)
    sets[1] = _CapabilitySets(0, 0, 0)
    if libc.capset(ctypes.byref(header), sets) != 0 or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _Ended("the rights of this process cannot be given up")


# -------------------------------------------------------------------------------------------- captures that end early

_PCAP: Final = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
}
"""The first bytes of a capture and the order of all others: microseconds or nanoseconds, either order."""
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"


def _is_whole(path: Path) -> bool:
    """Whether the capture ends where a packet ends: nfstream reads a truncated one to its end and says nothing."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        magic = file.read(4)
        if magic == _PCAPNG:
            return _ends_with_block(file, size)
        order = _PCAP.get(magic)
        return order is None or _ends_with_packet(file, size, order)


def _ends_with_packet(file: BinaryIO, size: int, order: str) -> bool:
    at = 24
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            return False
        at += 16 + int(struct.unpack(order + "8xI4x", head)[0])
    return at == size


def _ends_with_block(file: BinaryIO, size: int) -> bool:
    at, order = 0, "<"
    while at < size:
        file.seek(at)
        head = file.read(12)
        if len(head) < 12:
            return False
        if head[:4] == _PCAPNG:
            order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
        length = int(struct.unpack(order + "4xI4x", head)[0])
        if length < 12:
            return False
        at += length
    return at == size


if __name__ == "__main__":
    os._exit(main())  # nfstream leaves a thread behind that would wait for ever
