"""Made-up captures of a network, as Zeek writes them, for the tests of `bench network`."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

START = 1_700_000_000.0
HOUR = 3600.0

FIELDS = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "orig_ip_bytes", "resp_ip_bytes", "label", "detailed-label",
)  # fmt: skip

DEVICE, ROUTER = "192.168.7.5", "192.168.7.1"
CLOUD, CLOCK, MASTER = "198.51.100.20", "203.0.113.9", "203.0.113.66"


class Conn(NamedTuple):
    """One line of a conn.log; ``at`` is in seconds after the start."""

    at: float
    orig: str
    resp: str
    port: int
    proto: str = "tcp"
    seconds: float = 0.2
    sent: int = 300
    received: int = 900
    state: str = "SF"
    label: str | None = "Benign"


def write_capture(data: Path, name: str, conns: Iterable[Conn], *, labelled: bool = True) -> Path:
    """A capture in its place below the folder; lines are in the order given, as Zeek's are that of their end."""
    path = data / "network" / name / "conn.log.labeled.gz"
    path.parent.mkdir(parents=True)
    fields = FIELDS if labelled else FIELDS[:-2]
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn"]
    lines.append("\t".join(["#fields", *fields]))
    for number, conn in enumerate(conns):
        cells = (
            f"{START + conn.at:.6f}", f"C{number}", conn.orig, 40_000 + number % 20_000, conn.resp, conn.port,
            conn.proto, "-", f"{conn.seconds:.6f}", conn.sent, conn.received, conn.state, conn.sent + 60,
            conn.received + 60 if conn.received else 0, conn.label, "-",
        )  # fmt: skip
        lines.append("\t".join(map(str, cells[: len(fields)])))
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


def own_life(hours: float = 20, device: str = DEVICE, seed: int = 1) -> Iterator[Conn]:
    """A thermostat: every five minutes it asks for a name and reports; every hour it sets its clock."""
    random = Random(f"thermostat {seed}")
    for step in range(int(hours * 12)):
        at = 300 * step + random.uniform(0, 20)
        yield Conn(at, device, ROUTER, 53, "udp", 0.01, 40 + random.randrange(4), 90)
        yield Conn(at + 1, device, CLOUD, 443, "tcp", random.uniform(0.5, 1.5), random.randrange(900, 1100), 4000)
        if step % 12 == 0:
            yield Conn(at + 2, device, CLOCK, 123, "udp", 0.02, 48, 48)


def commanded(since: float = 3, until: float = 19, device: str = DEVICE) -> Iterator[Conn]:
    """Every ten minutes the malware reports to who commands it."""
    for step in range(int((until - since) * 6)):
        at = since * HOUR + 600 * step + 77
        yield Conn(at, device, MASTER, 6667, "tcp", 30.0, 200, 120, "S3", "Malicious")


def scanning(since: float = 15, device: str = DEVICE, count: int = 300) -> Iterator[Conn]:
    """It looks for others to infect, many a second, and hardly anybody answers."""
    for step in range(count):
        victim = f"100.64.{step // 250}.{step % 250 + 1}"
        yield Conn(since * HOUR + 0.2 * step, device, victim, 23, "tcp", 0, 0, 0, "S0", "Malicious")


def infected() -> list[Conn]:
    """The thermostat with malware on it, in the order in which its connections ended."""
    background = [Conn(HOUR * n, DEVICE, "198.51.100.77", 8080, label="Background") for n in range(5)]
    conns = [*own_life(), *commanded(), *scanning(), *background]
    return sorted(conns, key=lambda conn: conn.at + conn.seconds)


def attacked_from_outside() -> list[Conn]:
    """A computer with a public address, as a university has them; strangers knock at it."""
    random = Random("public")
    device = "198.51.100.9"
    own = [
        Conn(60 * n + random.uniform(0, 20), device, f"203.0.113.{random.randrange(100, 106)}", 443)
        for n in range(900)
    ]
    knocks = [
        Conn(300 * n + 11, f"100.65.{n % 200}.1", device, 1000 + 7 * n, "tcp", 0, 0, 0, "S0", "Malicious")
        for n in range(150)
    ]
    return sorted([*own, *knocks], key=lambda conn: conn.at)
