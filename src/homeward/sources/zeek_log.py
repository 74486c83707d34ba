"""Zeek's logs: a line in, the wanted columns out, for TSV and JSON alike. Pure: no file, no clock.

TSV is described by header lines (``#separator``, ``#set_separator``, ``#empty_field``, ``#unset_field``,
``#fields``), which may come again in the middle of a file, in another order or with other columns. A JSON line
describes itself. A line that cannot be read is counted by reason and passed over, never raised.
"""

from __future__ import annotations

import functools
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from homeward.core.flow import BYTES_LIMIT, SECONDS_LIMIT, Flow
from homeward.sources.payloads import Refused, clean_name, read_json

TIME_LIMIT: Final = 253_402_300_799.0
"""The last second of the year 9999; no record is of later."""

FIELD_LIMIT: Final = 1_024
"""How many columns a header may name."""

Row = tuple[Any, ...]
"""The wanted columns in order: text from TSV, numbers, text or lists from JSON, ``None`` where unset or missing."""

_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")


class Columns(NamedTuple):
    """Which columns are wanted: without the first ``required`` ones a record says nothing."""

    names: tuple[str, ...]
    required: int


CONN: Final = Columns(
    (
        "ts", "id.orig_h", "id.resp_h", "id.resp_p", "proto", "id.orig_p", "duration", "orig_bytes", "resp_bytes",
        "orig_ip_bytes", "resp_ip_bytes", "conn_state", "uid", "orig_l2_addr", "resp_l2_addr",
    ),
    required=5,
)  # fmt: skip
LABELLED_CONN: Final = Columns((*CONN.names, "label", "detailed-label", "detailedlabel"), CONN.required)
"""With what a person wrote beside the record: for benchmarks alone, never for the guard."""


class Conn(NamedTuple):
    """A connection: when it began (epoch seconds), between whom, and the flow as its originator sees it."""

    ts: float
    orig: str
    resp: str
    flow: Flow
    uid: str | None = None
    orig_mac: str | None = None
    resp_mac: str | None = None


class Table:
    """Reads the lines of one log, header lines among them.

    ``refused`` counts by reason: ``no header``, ``missing columns``, ``malformed``.
    """

    def __init__(self, columns: Columns, refused: Counter[str]) -> None:
        self._columns = columns
        self._refused = refused
        self._separator = "\t"
        self.set_separator = ","
        self._empty, self._unset = "(empty)", "-"
        self._width = 0
        self._pick: Callable[[Sequence[str]], Row] | None = None
        self._fault = "no header"

    def read(self, line: bytes) -> Row | None:
        """The wanted columns of a record; ``None`` for a header line, or what cannot be read. Never raises."""
        if line.startswith(b"{"):
            return self._json(line)
        text = line.decode("utf-8", "replace")
        if text.startswith("#") or text.lstrip().startswith("#"):
            self._header(text.strip())
            return None
        if self._pick is None:
            if text:
                self._refused[self._fault] += 1
            return None
        cells = text.split(self._separator)
        if len(cells) != self._width:
            if text:
                self._refused["malformed"] += 1
            return None
        unset, empty = self._unset, self._empty
        cells.append(unset)  # what the columns that are missing are read from
        return tuple([None if cell in (unset, empty) else cell for cell in self._pick(cells)])

    def _json(self, line: bytes) -> Row | None:
        try:
            said = read_json(line)
        except Refused:
            self._refused["malformed"] += 1
            return None
        row = tuple([said.get(name) for name in self._columns.names])
        if None in row[: self._columns.required]:
            self._refused["missing columns"] += 1
            return None
        return row

    def _header(self, text: str) -> None:
        if text.startswith("#separator"):  # the only header line with a space in it
            self._separator = _unescape(text[len("#separator") :].strip()) or "\t"
            return
        name, _, rest = text.partition(self._separator)
        if name == "#set_separator":
            self.set_separator = _unescape(rest) or ","
        elif name == "#empty_field":
            self._empty = _unescape(rest)
        elif name == "#unset_field":
            self._unset = _unescape(rest)
        elif name == "#fields":
            self._fields(rest.split(self._separator))

    def _fields(self, fields: list[str]) -> None:
        names, required = self._columns
        where = {field: number for number, field in enumerate(fields)}
        self._pick = None
        if len(fields) > FIELD_LIMIT or any(name not in where for name in names[:required]):
            self._fault = "missing columns"
            return
        self._width = len(fields)
        self._pick = itemgetter(*(where.get(name, -1) for name in names))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def conn_of(row: Row) -> Conn:
    """The connection of a row of `CONN`. Bytes are those of IP packets where Zeek counted them, else of the payload:
    the payload's are guessed from sequence numbers, and a reset can make them gigabytes.

    Raises:
        ValueError, TypeError, OverflowError: the row is none.
    """
    (ts, orig, resp, port, protocol, type_, seconds, sent, received, packets_sent, packets_received, state) = row[:12]
    return Conn(
        read_seconds(ts),
        read_address(orig),
        peer := read_address(resp),
        Flow(
            peer,
            _port(type_ if protocol == "icmp" and type_ is not None else port),
            read_protocol(protocol),
            False,
            read_count(sent if packets_sent is None else packets_sent),
            read_count(received if packets_received is None else packets_received),
            0.0 if seconds is None else min(max(_finite(seconds), 0.0), SECONDS_LIMIT),
            "" if state is None else read_state(state),
        ),
        *row[12:15],
    )


def read_seconds(said: object) -> float:
    """A point in time as epoch seconds, from epoch seconds or milliseconds or ISO 8601 with an offset."""
    if isinstance(said, str) and len(said) > 10 and said[4] == "-":
        moment = datetime.fromisoformat(said)
        if moment.tzinfo is None:
            raise ValueError("a time without an offset")
        return _in_time(moment.timestamp())
    seconds = _finite(said)
    return _in_time(seconds / 1000 if seconds >= 1e11 else seconds)


def _in_time(seconds: float) -> float:
    if not 0.0 <= seconds <= TIME_LIMIT:
        raise ValueError("no time of an event")
    return seconds


def _finite(said: Any) -> float:
    number = float(said)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def read_count(said: Any) -> int:
    """A number of bytes; nothing where unset, never more than `BYTES_LIMIT`."""
    return 0 if said is None else min(max(int(said), 0), BYTES_LIMIT)


def _port(said: Any) -> int:
    number = int(said)
    if not 0 <= number < 65_536:
        raise ValueError("no port")
    return number


@functools.lru_cache(65_536)
def read_address(said: str) -> str:
    """An IPv4 or IPv6 address in its one canonical spelling, without a zone."""
    return str(ipaddress.ip_address(said.partition("%")[0]))


@functools.lru_cache(256)
def read_protocol(said: str) -> str:
    """A protocol as a lower-case word."""
    word = clean_name(said.lower())
    if word is None:
        raise ValueError("no protocol")
    return word


@functools.lru_cache(256)
def read_state(said: str) -> str:
    """Zeek's ``conn_state``, at most 16 letters and digits; nothing where it is something else."""
    return said if len(said) <= 16 and said.isascii() and said.isalnum() else ""
