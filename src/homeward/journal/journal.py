"""The journal: one writer, whole transactions, on disk before anything is done about them."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from homeward import __version__
from homeward.core.effects import Effect
from homeward.core.inputs import Input
from homeward.journal import chain, files
from homeward.journal.chain import JournalError, JournalFull, Progress, Verdict

LAST_LIMIT: Final = 65_536
DELIVERY_LIMIT: Final = 65_536
SNAPSHOTS_KEPT: Final = 2
_BATCH: Final = 500
_PENDING_LIMIT: Final = 4_096

Entry = Input | Effect
Delivery = tuple[str, str]
T = TypeVar("T")
_REMEDY: Final = "see `homeward verify`, then `homeward restore` a backup"
_NO_STATES: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})
_INPUT_KINDS: Final = json.dumps([chain.KINDS[cls] for cls in chain.INPUTS])
_ALL_KINDS: Final = json.dumps(list(chain.KINDS.values()))


class Journal:
    """The journal in ``folder``: append-only, with a hash chain that `verify` walks (see `homeward.journal.chain`).

    One process writes; it holds a lock for as long as the journal is open. Any other may open it ``read_only``
    meanwhile. Calls from several threads are serialised.

    :raises JournalError: the folder holds no journal (and ``create`` is false), another process writes to it, or
        the file is damaged or of a newer format; the message names the file and the remedy
    """

    def __init__(self, folder: Path, *, create: bool = True, read_only: bool = False) -> None:
        self.path = folder / files.NAME
        self._read_only = read_only
        self._lock = threading.RLock()
        self._acknowledged: set[Delivery] = set()
        self._lock_file = -1
        if not read_only:
            self._lock_file = files.take_lock(folder, create=create)
        try:
            if not read_only:
                files.prepare(self.path, create=create)
            elif not self.path.exists():
                raise JournalError(files.missing(folder))
            self._connection = self._open()
        except BaseException:
            self._unlock()
            raise

    def _open(self) -> sqlite3.Connection:
        connection = chain.connect(self.path, read_only=self._read_only)
        self._damage = ""
        head = None
        try:
            if not self._read_only:
                files.make_durable(connection, self.path)
            # In one statement: for a reader, between two of them the guard may have written.
            row = connection.execute(
                "SELECT head.seq, head.at, head.link, entries.seq, entries.link FROM head"
                " LEFT JOIN entries ON entries.seq = (SELECT max(seq) FROM entries)"
            ).fetchone()
            head, end = (None, None) if row is None else (row[:3], row[3:])
            if head is None or (head[0], head[2]) != ((0, chain.GENESIS) if end == (None, None) else end):
                self._damage = "its last entry is not the one it ended with"
        except sqlite3.Error as error:
            if chain.no_room(error, self.path.parent):
                connection.close()
                raise self._explain(error) from error
            self._damage = str(error)
        except BaseException:
            connection.close()
            raise
        if self._damage and not self._read_only:  # a reader may open it: `verify` says what happened
            connection.close()
            raise JournalError(f"{self.path}: {self._damage}; {_REMEDY}")
        self._seq: int
        self._at: int | None
        self._link: bytes
        self._seq, self._at, self._link = head or (0, None, chain.GENESIS)
        return connection

    # --- writing ---------------------------------------------------------------------------------------------

    def append(
        self,
        entries: Sequence[Entry],
        *,
        deliveries: Sequence[Delivery] = (),
        last: Mapping[tuple[str, str], str] = _NO_STATES,
    ) -> None:
        """Write entries, the deliveries ``(source, name)`` that brought them and the last states
        ``(source, key) → value`` they left, in one transaction. On return all of it is on disk, fsynced.

        :raises JournalFull: no space; nothing was written, the same call may succeed later
        :raises JournalError: the disk failed; nothing was written
        :raises ValueError: an entry cannot be encoded (a lone surrogate, a number beyond 64 bits, a naive ``at``);
            nothing was written, and the same batch will fail again
        """
        with self._lock:
            if not (entries or deliveries or last or self._acknowledged):
                return
            seq, at, link = self._seq, self._at, self._link
            rows, payloads = self._seal(entries)
            if rows:
                seq, link = rows[-1][0], rows[-1][4]
                latest = max(rows, key=itemgetter(1))[1]
                at = latest if at is None else max(at, latest)
            with self._transaction() as write:
                if rows:
                    write.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
                    write.executemany("INSERT INTO payloads VALUES (?, ?, ?)", payloads)
                    write.execute("UPDATE head SET seq = ?, at = ?, link = ?", (seq, at, link))
                self._write_deliveries(write, deliveries)
                if last:
                    _write_last(write, last)
            self._seq, self._at, self._link = seq, at, link
            self._acknowledged.clear()

    def _seal(
        self, entries: Sequence[Entry]
    ) -> tuple[list[tuple[int, int, str, bytes, bytes]], list[tuple[int, bytes, bytes]]]:
        """Rows for the two tables. The hot path: 10,000 entries a second and more go through here."""
        seq, link = self._seq, self._link
        salts = os.urandom(chain.SALT * len(entries))
        rows: list[tuple[int, int, str, bytes, bytes]] = []
        payloads: list[tuple[int, bytes, bytes]] = []
        encode, commit_to, link_to, kinds = chain.encode, chain.commit_to, chain.link_to, chain.KINDS
        epoch, microsecond, size = chain.EPOCH, chain.MICROSECOND, chain.SALT
        start = 0
        item: Entry | None = None
        try:
            for item in entries:
                seq += 1
                kind = kinds[type(item)]
                at = (item.at - epoch) // microsecond
                body = encode(item)
                salt = salts[start : start + size]
                start += size
                commitment = commit_to(salt, body)
                link = link_to(link, seq, at, kind, commitment)
                rows.append((seq, at, kind, commitment, link))
                payloads.append((seq, salt, body))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a {type(item).__name__} cannot be written to the journal: {error}") from error
        return rows, payloads

    def _write_deliveries(self, write: sqlite3.Cursor, deliveries: Sequence[Delivery]) -> None:
        # Acknowledgements first: a name (a packet id, say) may be used anew once the earlier one is acknowledged.
        if self._acknowledged:
            write.executemany("DELETE FROM deliveries WHERE source = ? AND name = ?", self._acknowledged)
        if deliveries:
            write.executemany("INSERT OR REPLACE INTO deliveries (source, name) VALUES (?, ?)", deliveries)
            write.execute(
                "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT"
                " max(0, (SELECT count(*) FROM deliveries) - ?))",
                (DELIVERY_LIMIT,),
            )

    def acknowledged(self, deliveries: Sequence[Delivery]) -> None:
        """These deliveries are acknowledged. Written with the next append or `close`: if the guard dies before,
        they are merely still listed as `unacknowledged`."""
        with self._lock:
            self._acknowledged.update(deliveries)
            if len(self._acknowledged) > _PENDING_LIMIT:
                with suppress(JournalError):  # they wait; without space nothing new is delivered either
                    self.append(())

    def save_snapshot(self, state: object) -> None:
        """Keep the state that all entries up to `last_seq` fold to. The last two are kept.

        Whoever appends must wait meanwhile: else the state and its place in history differ.

        :raises JournalFull, JournalError: it was not kept; nothing else is lost
        """
        blob = chain.encode(state)
        with self._lock:
            digest = chain.snapshot_digest(self._link, __version__, blob)
            with self._transaction() as write:
                row = (self._seq, __version__, digest, blob)
                write.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", row)
                write.execute(
                    "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
                    (SNAPSHOTS_KEPT,),
                )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        if self._read_only:
            raise JournalError(f"{self.path}: opened for reading only")
        write = self._connection.cursor()
        try:
            write.execute("BEGIN IMMEDIATE")
            yield write
            write.execute("COMMIT")
        except BaseException as error:
            # SQLite may have rolled back by itself already; what is on disk is whole either way.
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise
        finally:
            write.close()

    def _explain(self, error: sqlite3.Error) -> JournalError:
        if chain.no_room(error, self.path.parent):
            return JournalFull(f"{self.path}: the disk is full and nothing was written; free some space")
        return JournalError(f"{self.path}: {error}; nothing was written; check the disk, then `homeward verify`")

    # --- reading ---------------------------------------------------------------------------------------------

    @property
    def last_seq(self) -> int:
        """The number of the last entry; 0 for an empty journal."""
        return self._seq

    @property
    def last_at(self) -> datetime | None:
        """The largest ``at`` of any entry: where the guard's clock goes on from."""
        return None if self._at is None else chain.EPOCH + self._at * chain.MICROSECOND

    @property
    def head(self) -> bytes:
        """The last link of the chain: 32 bytes that hold the whole history."""
        return self._link

    def inputs(self, after: int = 0) -> Iterator[tuple[int, Input]]:
        """The inputs after entry ``after``, in order, each with its number; up to the last at the time of the call.

        Forgotten entries are left out.

        :raises JournalError: an entry cannot be read back
        """
        return self._read(after, self._seq, _INPUT_KINDS)

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Inputs and effects after entry ``after``, like `inputs`."""
        return self._read(after, self._seq, _ALL_KINDS)

    def _read(self, after: int, until: int, kinds: str) -> Iterator[tuple[int, Any]]:
        if self._damage:
            raise JournalError(f"{self.path}: {self._damage}; {_REMEDY}")
        # In batches, each read to its end: a half-read cursor would not survive a rollback of the writer.
        while True:
            rows = self._rows(
                "SELECT e.seq, e.kind, p.body FROM entries e JOIN payloads p ON p.seq = e.seq"
                " WHERE e.seq > ? AND e.seq <= ? AND e.kind IN (SELECT value FROM json_each(?))"
                " ORDER BY e.seq LIMIT ?",
                (after, until, kinds, _BATCH),
            )
            for seq, kind, body in rows:
                try:
                    item = chain.DECODE[kind](body)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise JournalError(
                        f"{self.path}: entry {seq} ({kind}) cannot be read ({error}); see `homeward verify`"
                    ) from error
                yield seq, item
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]

    def unacknowledged(self, source: str) -> list[str]:
        """Deliveries of a source that are committed and not known to be acknowledged, oldest first; of all sources
        the 65,536 newest."""
        with self._lock:
            rows = self._rows("SELECT name FROM deliveries WHERE source = ? ORDER BY id", (source,))
            return [name for (name,) in rows if (source, name) not in self._acknowledged]

    def last_states(self, source: str) -> dict[str, str]:
        """The last state a source reported, by key; the 65,536 keys most recently written, of all sources."""
        return dict(self._rows("SELECT key, value FROM last WHERE source = ? ORDER BY id", (source,)))

    def load_snapshot(self, type_: type[T]) -> tuple[int, T] | None:
        """The newest snapshot that this version of the package saved of this history, with the number of its last
        entry. ``None``, when there is no such: then everything is folded from the start."""
        for seq, version, digest, blob in self._rows("SELECT * FROM snapshots ORDER BY seq DESC", ()):
            rows = self._rows("SELECT link FROM entries WHERE seq = ?", (seq,))
            link = rows[0][0] if rows else chain.GENESIS
            if version != __version__ or digest != chain.snapshot_digest(link, version, blob):
                continue
            with suppress(msgspec.MsgspecError):
                return seq, msgspec.msgpack.decode(blob, type=type_)
        return None

    def _rows(self, query: str, parameters: Sequence[object]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"{self.path}: cannot be read ({error}); see `homeward verify`") from error

    # --- keeping ---------------------------------------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> Verdict:
        """Walk the whole chain in bounded memory, while the guard may go on writing."""
        return chain.check(self.path, progress)

    def backup(self, to: Path, progress: Progress | None = None) -> Verdict:
        """Copy one moment of the journal into the new file ``to`` (0600), and verify the copy.

        ``progress`` counts pages, then entries.

        :raises JournalError: the file exists, cannot be written, or did not verify (it is removed again)
        """
        return files.copy(self.path, to, progress)

    @classmethod
    def restore(
        cls, backup: Path, folder: Path, *, replace: bool = False, progress: Progress | None = None
    ) -> Verdict:
        """Verify a backup and make it the journal of ``folder``. ``replace`` gives up the one that is there.

        :raises JournalError: the backup does not verify, a journal is there, or a guard is writing to it
        """
        return files.restore(backup, folder, replace=replace, progress=progress)

    def close(self) -> None:
        """Write what is pending, and give up the lock. A second call does nothing."""
        with self._lock:
            if self._acknowledged and not self._read_only:
                with suppress(JournalError):  # a redelivery is then recognised once more
                    self.append(())
            self._acknowledged.clear()
            self._connection.close()
            self._unlock()

    def _unlock(self) -> None:
        if self._lock_file >= 0:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)
            os.close(self._lock_file)
            self._lock_file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_last(write: sqlite3.Cursor, last: Mapping[tuple[str, str], str]) -> None:
    write.executemany(
        "INSERT OR REPLACE INTO last (source, key, value) VALUES (?, ?, ?)",
        ((source, key, value) for (source, key), value in last.items()),
    )
    write.execute(
        "DELETE FROM last WHERE id IN (SELECT id FROM last ORDER BY id LIMIT"
        " max(0, (SELECT count(*) FROM last) - ?))",
        (LAST_LIMIT,),
    )
