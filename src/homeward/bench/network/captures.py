"""The captures that `bench network` reads: ``network/*/conn.log*`` of Zeek, with labels."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from homeward.bench.network.course import Seen
from homeward.core.flow import Flow
from homeward.sources.files import FileError
from homeward.sources.log_files import LogError
from homeward.sources.zeek import read_conn

PATTERN: Final = "network/*/conn.log*"

HOME: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""Addresses that only a home's own devices have (RFC 1918, RFC 4193)."""

MALICIOUS: Final = {"malicious": True, "benign": False}
"""By the first word of a label. Whatever else there is, background say, is left out."""


class Conn(NamedTuple):
    """A connection between two addresses, as its originator sees it."""

    at_ms: int
    originator: str
    responder: str
    flow: Flow
    label: str | None


class Capture(NamedTuple):
    """A folder of a network's connections: what each device had, and how many there were in all."""

    seen: Sequence[Seen]
    connections: int


def find_captures(data: Path) -> dict[str, list[Path]]:
    """The captures of a folder by name, each with its files."""
    found: dict[str, list[Path]] = {}
    for path in sorted(data.glob(PATTERN)):
        if path.is_file():
            found.setdefault(path.parent.name, []).append(path)
    return found


def load(paths: Iterable[Path]) -> Capture:
    """Read a capture, in the order in which its connections began.

    Raises:
        FileError: a file cannot be read, or holds no connection.
    """
    conns: list[Conn] = []
    for path in paths:
        conns += _read(path)
    conns.sort(key=lambda conn: conn.at_ms)
    return Capture(list(_seen(conns, devices(conns))), len(conns))


def _read(path: Path) -> list[Conn]:
    refused: Counter[str] = Counter()
    try:
        found = [
            Conn(round(1000 * ts), originator, responder, flow, label)
            for ts, originator, responder, flow, label in read_conn(path, refused=refused)
        ]
    except LogError as error:
        raise FileError(str(error)) from None
    if not found and refused:
        raise FileError(f"{path}: holds no connection that can be read ({', '.join(sorted(refused))})")
    return found


def devices(conns: Sequence[Conn]) -> Collection[str]:
    """Which addresses are devices, told from the addresses and the traffic alone.

    Those that only a home's own devices have, and that ever sent anything: a broadcast address never does, nor one
    that is scanned and that nobody has. Where there is none, the capture was taken where devices have public
    addresses; then it is the one that takes part in the most connections (the lowest of several).
    """
    taking_part: Counter[str] = Counter()
    sending: dict[str, None] = {}
    for conn in conns:
        taking_part.update((conn.originator, conn.responder))
        sending.setdefault(conn.originator)
        if conn.flow.received:
            sending.setdefault(conn.responder)
    found = [address for address in sending if _of_home(address)]
    if found or not taking_part:
        return frozenset(found)
    return frozenset({min(taking_part, key=lambda address: (-taking_part[address], address))})


@lru_cache(65_536)
def _of_home(address: str) -> bool:
    there = ipaddress.ip_address(address)
    return any(there.version == network.version and there in network for network in HOME)


def _seen(conns: Iterable[Conn], ours: Collection[str]) -> Iterator[Seen]:
    """Each labelled connection once for each of its ends that is a device."""
    for at_ms, originator, responder, flow, label in conns:
        malicious = MALICIOUS.get(label.split(" ", 1)[0].lower()) if label else None
        if malicious is None:
            continue
        if originator in ours:
            yield Seen(at_ms, originator, flow, malicious)
        if responder in ours and responder != originator:
            turned = flow._replace(peer=originator, inbound=True, sent=flow.received, received=flow.sent)
            yield Seen(at_ms, responder, turned, malicious)
