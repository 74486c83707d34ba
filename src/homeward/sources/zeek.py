"""Zeek's connections as events, with the names that its other logs give to devices and peers.

``conn.log`` tells of flows. ``dns.log``, ``ssl.log`` and ``http.log`` name their peers, ``dhcp.log`` the devices, and
``ssh.log`` says of a flow whether somebody was let in (the attribute ``login``: ``accepted`` or ``refused``). Those
make no events of their own, and their last 4 MB are read again at each start.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from homeward.core.event import Event
from homeward.core.flow import Flow
from homeward.core.inputs import Health
from homeward.sources.flow_events import FlowEvents
from homeward.sources.flows import Sighting
from homeward.sources.log_files import Follower, LogError, read_lines
from homeward.sources.log_values import FAULTS, TIME_LIMIT, as_address, read_address
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.zeek_log import CONN, LABELLED_CONN, Columns, Row, Table, conn_of, unescape

__all__ = ["ZeekSource", "read_conn"]

NAMES_BEFORE: Final = 4 * 1024 * 1024
"""How much of the other logs is read at the start, in bytes."""

LOGIN_LIMIT: Final = 4_096
"""How many connections are remembered as let in or not until their flow is told."""

_DNS: Final = Columns(("id.orig_h", "query", "answers"), required=1)
_SSL: Final = Columns(("id.orig_h", "id.resp_h", "server_name", "established"), required=2)
_HTTP: Final = Columns(("id.orig_h", "id.resp_h", "host"), required=2)
_SSH: Final = Columns(("uid", "auth_success"), required=1)
_DHCP: Final = Columns(("mac", "assigned_addr", "host_name", "client_fqdn"), required=1)


class ZeekSource:
    """A `Source` that follows the logs in the folder that Zeek writes to.

    ``local`` and ``names`` are the owner's (see `Neighbourhood`); ``pending`` and ``last`` come from the journal. It
    begins at the end of ``conn.log``, or where the journal says that an earlier process stopped.

    Raises:
        ValueError: a network or an address in ``local`` or ``names`` is none.
    """

    def __init__(
        self,
        directory: Path,
        *,
        local: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
        name: str = "zeek",
        place: str = "home",
        pending: Iterable[str] = (),
        last: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._directory = directory
        self._counts: Counter[str] = Counter()
        self._neighbourhood = Neighbourhood(local, names, last=last)
        self._logins: OrderedDict[str, str] = OrderedDict()
        self._conn = Table(CONN, self._counts)
        kinds: tuple[tuple[str, Columns, Callable[[Row, str], None]], ...] = (
            ("dhcp.log", _DHCP, self._lease),
            ("dns.log", _DNS, self._answer),
            ("ssl.log", _SSL, self._claim),
            ("http.log", _HTTP, self._claim),
            ("ssh.log", _SSH, self._login),
        )
        self._others = [
            (Follower(directory / log, self._counts, before=NAMES_BEFORE), Table(columns, self._counts), note)
            for log, columns, note in kinds
        ]
        self._flows = FlowEvents(
            Follower(directory / "conn.log", self._counts),
            self._sightings,
            self._neighbourhood,
            name=name,
            place=place,
            absent="is Zeek running, and is this where it writes?",
            refused=self._counts,
            pending=pending,
            beforehand=self._read_others,
        )

    @property
    def refused(self) -> Counter[str]:
        """How many lines, ends of flows, devices or names could not be used, by reason."""
        return self._flows.refused

    @property
    def merged(self) -> Counter[str]:
        """How many flows were not told alone: ``same`` as another within a minute, or one of ``many``."""
        return self._flows.merger.merged

    async def events(self) -> AsyncIterator[Event | Health]:
        """Say that ``conn.log`` can be read, then yield events as it grows, until cancelled.

        Raises:
            LogError: the folder or a log cannot be read, or there is no ``conn.log`` yet.
        """
        self._look()
        async for item in self._flows.events():
            yield item

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        """See `Source`; a name is settled once the journal holds what makes it needless (see `Bookmarks`)."""
        return self._flows.committed(deliveries)

    def _look(self) -> None:
        try:
            with os.scandir(self._directory):
                return
        except OSError as error:
            raise LogError(
                f"{self._directory}: cannot be read ({error.strerror}); let the guard's user read Zeek's folder"
            ) from None

    def _read_others(self) -> bool:
        self._look()
        busy = False
        for follower, table, note in self._others:
            for _, line in follower.read():
                busy = True
                row = table.read(line)
                if row is not None:
                    self._note(note, row, table.set_separator)
        return busy

    def _note(self, note: Callable[[Row, str], None], row: Row, separator: str) -> None:
        try:
            note(row, separator)
        except FAULTS:
            self._counts["malformed"] += 1

    def _sightings(self, line: bytes) -> Sequence[Sighting]:
        row = self._conn.read(line)
        if row is None:
            return ()
        try:
            ts, orig, resp, flow, uid, orig_mac, resp_mac = conn_of(row)
        except FAULTS:
            self._counts["malformed"] += 1
            return ()
        happened = min(ts + flow.seconds, TIME_LIMIT)
        ends = self._neighbourhood.ends(orig, resp, flow, orig_mac, resp_mac)
        if uid is not None and uid in self._logins:
            about = (("login", self._logins.pop(uid)),)
            return [Sighting(device, seen, happened, about=about) for device, seen in ends]
        return [Sighting(device, seen, happened) for device, seen in ends]

    def _answer(self, row: Row, separator: str) -> None:
        asker, query, answers = row
        if answers is None or not isinstance(query, str):
            return
        asker = read_address(asker)
        for answer in answers.split(separator) if isinstance(answers, str) else list(answers):
            address = as_address(answer)
            if address is not None:
                self._neighbourhood.named(asker, address, query, answered=True)

    def _claim(self, row: Row, _: str) -> None:
        orig, resp, name = row[:3]
        if isinstance(name, str) and row[3:] not in (("F",), (False,)):
            host = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
            self._neighbourhood.named(read_address(orig), read_address(resp), host, answered=False)

    def _login(self, row: Row, _: str) -> None:
        uid, success = row
        if isinstance(uid, str) and len(uid) <= 64 and success in ("T", "F", True, False):
            self._logins[uid] = "accepted" if success in ("T", True) else "refused"
            if len(self._logins) > LOGIN_LIMIT:
                self._logins.popitem(last=False)

    def _lease(self, row: Row, _: str) -> None:
        mac, address, host, full_name = row
        if not isinstance(mac, str):
            raise TypeError("no hardware address")
        called = host or full_name
        name = unescape(called) if isinstance(called, str) else None
        self._neighbourhood.lease(None if address is None else read_address(address), mac, name)


def read_conn(
    path: Path, *, refused: Counter[str] | None = None
) -> Iterator[tuple[float, str, str, Flow, str | None]]:
    """Every connection of a ``conn.log`` (TSV or JSON, also ``.gz``), in the file's order: when it began (epoch
    seconds), originator, responder, the flow as the originator sees it, and what a person wrote beside it
    (``label``, with ``detailed-label`` or ``detailedlabel`` after a space; ``None`` where the file has no label).

    Lines that are no records are left out and counted in ``refused``. Labels are for benchmarks alone.

    Raises:
        LogError: the file cannot be read to its end.
    """
    counts: Counter[str] = Counter() if refused is None else refused
    table = Table(LABELLED_CONN, counts)
    for line in read_lines(path):
        row = table.read(line)
        if row is None:
            continue
        try:
            conn = conn_of(row)
        except FAULTS:
            counts["malformed"] += 1
            continue
        yield conn.ts, conn.orig, conn.resp, conn.flow, _label(*row[15:18])


def _label(label: object, hyphened: object, plain: object) -> str | None:
    if not isinstance(label, str):
        return None
    detail = hyphened or plain
    return f"{label} {detail}" if isinstance(detail, str) else label
