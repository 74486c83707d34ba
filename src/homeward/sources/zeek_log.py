"""Zeek's logs: a line in, the wanted columns out, for TSV and JSON alike. Pure: no file, no clock.

TSV is described by header lines (``#separator``, ``#set_separator``, ``#empty_field``, ``#unset_field``,
``#fields``), which may come again in the middle of a file, in another order or with other columns. A JSON line
describes itself. A line that cannot be read is counted by reason and passed over, never raised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from homeward.core.flow import Flow
from homeward.sources.log_values import (
    read_address,
    read_count,
    read_duration,
    read_port,
    read_protocol,
    read_seconds,
    read_state,
)
from homeward.sources.payloads import Refused, read_json

FIELD_LIMIT: Final = 1_024
"""How many columns a header may name."""

Row = tuple[Any, ...]
"""The wanted columns in order: text from TSV, numbers, text or lists from JSON, ``None`` where unset or missing."""

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


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
            self._separator = unescape(text[len("#separator") :].strip()) or "\t"
            return
        name, _, rest = text.partition(self._separator)
        if name == "#set_separator":
            self.set_separator = unescape(rest) or ","
        elif name == "#empty_field":
            self._empty = unescape(rest)
        elif name == "#unset_field":
            self._unset = unescape(rest)
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


def unescape(text: str) -> str:
    r"""The text as it was before Zeek wrote bytes of it as ``\x09``."""
    if "\\x" not in text:
        return text
    said = text.encode("utf-8", "replace")
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), said).decode("utf-8", "replace")


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
            read_port(type_ if protocol == "icmp" and type_ is not None else port),
            read_protocol(protocol),
            False,
            read_count(sent if packets_sent is None else packets_sent),
            read_count(received if packets_received is None else packets_received),
            0.0 if seconds is None else read_duration(seconds),
            "" if state is None else read_state(state),
        ),
        *[cell if isinstance(cell, str) and len(cell) <= 64 else None for cell in row[12:15]],
    )
