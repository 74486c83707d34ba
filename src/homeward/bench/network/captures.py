"""The captures that `bench network` reads: ``network/*/conn.log*`` of Zeek, with labels."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from homeward.bench.network.course import Seen
from homeward.core.flow import Flow
from homeward.sources.files import FileError
from homeward.sources.log_files import LogError
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.zeek import read_conn

PATTERN: Final = "network/*/conn.log*"

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
    return Capture(list(_seen(conns)), len(conns))


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


def _seen(conns: Sequence[Conn]) -> Iterator[Seen]:
    """Each labelled connection once for each of its ends that is a device, as the guard itself tells devices."""
    house = Neighbourhood(local=_local(conns))
    for at_ms, originator, responder, flow, label in conns:
        ends = house.ends(originator, responder, flow)
        malicious = MALICIOUS.get(label.split(" ", 1)[0].lower()) if label else None
        if malicious is not None:
            for device, seen in ends:
                if not _is_link_local(device):
                    yield Seen(at_ms, device, seen, malicious)


def _local(conns: Iterable[Conn]) -> list[str]:
    """What is of the house though its address does not say so: told from addresses and traffic alone.

    Where no address of a house originates anything, the capture was taken where devices have public addresses; then
    its device is the address that takes part in the most connections (the lowest of several).
    """
    house = Neighbourhood()
    taking_part: Counter[str] = Counter()
    for conn in conns:
        if house.place(conn.originator) == "house" and not _is_link_local(conn.originator):
            return []
        taking_part.update((conn.originator, conn.responder))
    return [min(taking_part, key=lambda address: (-taking_part[address], address))] if taking_part else []


@lru_cache(65_536)
def _is_link_local(address: str) -> bool:
    """Whether it is a second address that every device gives itself: without hardware addresses, which these captures
    do not tell, nobody knows whose it is."""
    return ipaddress.ip_address(address).is_link_local
