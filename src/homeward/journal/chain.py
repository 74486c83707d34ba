"""The journal's file and its hash chain: what lies where, how an entry becomes bytes, how the chain is checked.

An entry's body is the MessagePack of its dataclass. Its *commitment* is SHA-256(salt ‖ body), with 16 random bytes
of salt. Its *link* is SHA-256(previous link ‖ seq ‖ at ‖ kind ‖ commitment), where seq and at (microseconds since
1970, UTC) are big-endian signed 64-bit integers, kind is the class name in UTF-8, and the link before the first
entry is 32 zero bytes. Only kind varies in length, so no two entries share one encoding.

Salt and body lie in a table of their own. Deleting both forgets the entry: its commitment can no longer be traced
to a content, not even by guessing, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec

from homeward import __version__
from homeward.core.effects import Effect
from homeward.core.inputs import Input

FORMAT: Final = 1
SALT: Final = 16
GENESIS: Final = bytes(32)
_NEARLY_FULL: Final = 1 << 20
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

Progress = Callable[[int, int], None]
"""Called now and then with how much is done and how much there is."""

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,
    commitment BLOB NOT NULL, link BLOB NOT NULL
) STRICT;
CREATE TABLE payloads (seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, at INTEGER, link BLOB NOT NULL
) STRICT;
-- A delivery is here from the commit that holds it until its acknowledgement is recorded; then its row is deleted.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (source, name)
) STRICT;
-- A state that changes gets a new, higher id: the lowest id is the one untouched for longest.
CREATE TABLE last (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (source, key)
) STRICT;
CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY, version TEXT NOT NULL, digest BLOB NOT NULL, state BLOB NOT NULL
) STRICT;
"""


class JournalError(Exception):
    """The journal cannot do what was asked. The message is one line: the file, what is wrong, what to do."""


class JournalFull(JournalError):  # noqa: N818 - named for what it says; it is a kind of JournalError
    """The disk is full. Nothing of the batch was written; the same journal goes on when there is space again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a walk along the chain found.

    ``verified`` entries have their link and their payload as they were written; ``forgotten`` ones have their
    link, and no payload. Where the chain is broken the walk ends: ``seq`` is the first entry that is not as it
    was written, ``what`` says in words what is wrong with it.
    """

    ok: bool
    verified: int
    forgotten: int
    seq: int | None = None
    what: str = ""


def _plain(value: object) -> object:
    if isinstance(value, MappingProxyType):  # the empty attributes of an Event
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a journal")


INPUTS: Final[tuple[type, ...]] = get_args(Input)
KINDS: Final[dict[type, str]] = {cls: cls.__name__ for cls in (*INPUTS, *get_args(Effect))}
encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode
DECODE: Final[dict[str, Callable[[bytes], Any]]] = {
    name: msgspec.msgpack.Decoder(cls).decode for cls, name in KINDS.items()
}
_seq_and_at = struct.Struct(">qq").pack
_sha256 = hashlib.sha256


def commit_to(salt: bytes, body: bytes) -> bytes:
    """The commitment to a body: it proves the body while the salt is known, and tells nothing without it."""
    return _sha256(salt + body).digest()


def link_to(previous: bytes, seq: int, at: int, kind: str, commitment: bytes) -> bytes:
    """The link of an entry, which holds everything up to it."""
    return _sha256(previous + _seq_and_at(seq, at) + kind.encode() + commitment).digest()


def snapshot_digest(link: bytes, version: str, state: bytes) -> bytes:
    """Binds a snapshot to the history it was folded from."""
    return _sha256(link + version.encode() + state).digest()


def no_room(error: sqlite3.Error, folder: Path) -> bool:
    """Whether the disk of ``folder`` is what the error is about.

    SQLite calls a disk without room for its shared memory an I/O error, so less than a MiB left counts as full.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return code == sqlite3.SQLITE_FULL
    with suppress(OSError):
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize < _NEARLY_FULL
    return False


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the database (it must exist) and look at its format.

    :raises JournalError: not a journal, or one of a newer format
    """
    where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        connection = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            found = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
            _accept_format(path, found)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if no_room(error, path.parent):
            raise JournalFull(
                f"{path}: the disk is full and the journal cannot be opened; free some space"
            ) from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise JournalError(f"{path}: not a readable journal ({error}); restore a backup") from error
        raise JournalError(f"{path}: {error}; check its owner, its mode and the disk") from error
    return connection


def _accept_format(path: Path, found: tuple[str] | None) -> None:
    if found is None or not found[0].isdecimal():
        raise JournalError(f"{path}: not a readable journal (it names no format); restore a backup")
    if int(found[0]) > FORMAT:
        raise JournalError(
            f"{path}: written by a newer Homeward (format {found[0]}; {__version__} reads up to {FORMAT}); "
            "install that version or a later one"
        )


@contextmanager
def one_view(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection that sees one moment of the journal, while its writer goes on."""
    with closing(connect(path, read_only=True)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT seq FROM head").fetchone()  # a deferred transaction starts with its first read
        yield connection


def check(path: Path, progress: Progress | None = None) -> Verdict:
    """Walk the whole chain, one entry in memory at a time. Needs no lock; the guard may go on writing.

    :raises JournalError: the file is no journal at all, or one of a newer format
    """
    walk = _Walk()
    try:
        with one_view(path) as connection:
            what = walk.run(connection, progress)
    except sqlite3.Error as error:
        walk.seq, what = walk.seq + 1, f"SQLite cannot read it: {error}"
    if what:
        return Verdict(ok=False, verified=walk.verified, forgotten=walk.forgotten, seq=walk.seq, what=what)
    return Verdict(ok=True, verified=walk.verified, forgotten=walk.forgotten)


class _Walk:
    """One walk along the chain: how far it has come, and what it has seen."""

    def __init__(self) -> None:
        self.seq = 0
        self.verified = 0
        self.forgotten = 0
        self._link = GENESIS
        self._latest: int | None = None

    def run(self, connection: sqlite3.Connection, progress: Progress | None) -> str:
        """What is wrong with entry ``seq``; empty when all is well."""
        total = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        rows = connection.execute(
            "SELECT e.seq, e.at, e.kind, e.commitment, e.link, p.salt, p.body"
            " FROM entries e LEFT JOIN payloads p ON p.seq = e.seq ORDER BY e.seq"
        )
        for row in rows:
            what = self._entry(*row)
            if what:
                return what
            if progress is not None and self.seq % 1000 == 0:
                progress(self.seq, total)
        if progress is not None:
            progress(self.seq, total)
        return self._end(connection)

    def _entry(
        self, seq: int, at: int, kind: str, commitment: bytes, link: bytes, salt: bytes | None, body: bytes | None
    ) -> str:
        expected, self.seq = self.seq + 1, self.seq + 1
        if seq != expected:
            return f"the entry is missing (the next one is {seq})" if seq > expected else "its number is out of order"
        # The salt's length is part of the promise: else a byte could move from the salt to the body unseen.
        if salt is not None and body is not None and (len(salt) != SALT or commit_to(salt, body) != commitment):
            return "its payload is not what was committed to"
        if link_to(self._link, seq, at, kind, commitment) != link:
            return "its link does not follow from the entry before it"
        self._link = link
        self._latest = at if self._latest is None else max(self._latest, at)
        if body is None:
            self.forgotten += 1
        else:
            self.verified += 1
        return ""

    def _end(self, connection: sqlite3.Connection) -> str:
        head = connection.execute("SELECT seq, at, link FROM head").fetchone()
        if head is None:
            return "the record of the journal's end is missing"
        if head[0] > self.seq:
            self.seq += 1
            return f"the entry is missing (the journal ended at {head[0]})"
        if head != (self.seq, self._latest, self._link):
            return "the record of the journal's end does not match its last entry"
        stray = connection.execute(
            "SELECT seq FROM payloads WHERE seq < 1 OR seq > ? LIMIT 1", (self.seq,)
        ).fetchone()
        if stray is not None:
            self.seq = stray[0]
            return "there is a payload, and no entry for it"
        return ""
