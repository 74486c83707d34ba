"""The journal's place on disk: its folder, its lock, how it comes to be, copies of it and their way back."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from homeward import __version__
from homeward.journal import chain
from homeward.journal.chain import JournalError, JournalFull, Progress, Verdict

NAME: Final = "journal.db"
_LOCK: Final = "journal.lock"
_PAGES: Final = 1_024


def missing(folder: Path) -> str:
    """What to say where there is no journal."""
    return f"{folder / NAME}: there is no journal here; `homeward up` begins one, `homeward restore` brings one back"


def take_lock(folder: Path, *, create: bool) -> int:
    """The descriptor that holds the writer's lock until it is closed; the kernel frees it when the process dies.

    The folder is made (0700) when ``create``; one that others may write to is refused, for they could put another
    journal in place of this one.
    """
    try:
        if create and not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            _sync(folder.parent)
        elif not folder.is_dir():
            raise JournalError(missing(folder))
        if folder.stat().st_mode & 0o022:
            raise JournalError(f"{folder}: others may write to this folder; say `chmod 700 {folder}`")
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}; choose a folder that the guard may write to") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # the number is a courtesy; a full disk must not keep the guard from starting
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise JournalError(
            f"{folder / NAME}: another guard writes to it (process {holder}); stop that one first"
        ) from error
    return descriptor


def prepare(path: Path, *, create: bool) -> None:
    """Make sure a journal with the right mode is there. The caller holds the lock."""
    if not path.exists():
        if not create:
            raise JournalError(missing(path.parent))
        _begin(path)
    try:
        path.chmod(0o600)  # by name: closing a descriptor of it would drop SQLite's own locks
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; make it the guard's own file") from error


def _begin(path: Path) -> None:
    """An empty journal, made beside its place and renamed: it is there whole or not at all."""
    new = path.with_name(NAME + ".new")
    try:
        new.unlink(missing_ok=True)  # of a start that was cut short
        _reserve(new)
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN; {chain.SCHEMA}")
            about = [("format", str(chain.FORMAT)), ("created_by", f"homeward {__version__}")]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", about)
            connection.execute("INSERT INTO head VALUES (1, 0, NULL, ?)", (chain.GENESIS,))
            connection.execute("COMMIT")
        _take_place(new, path)
    except sqlite3.Error as error:
        raise _failed(path, error) from error
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; choose a folder that the guard may write to") from error


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Set up the writer's connection: a write-ahead log, fsynced with every commit, of bounded size."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"{path}: this file system allows no write-ahead log; keep the journal on a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 8388608")


def copy(path: Path, to: Path, progress: Progress | None) -> Verdict:
    """Copy one moment of the journal at ``path`` into the new file ``to``, and verify the copy.

    The copy is one single file without a log, so that it can be read from a disk that is read-only.
    """
    if to.exists():
        raise JournalError(f"{to}: exists already; choose another name")
    part = to.with_name(to.name + ".part")
    try:
        _reserve(part)
    except FileExistsError as error:
        raise JournalError(f"{part}: left by a backup that was cut short, or one is running; remove it") from error
    except OSError as error:
        raise JournalError(f"{to}: {error.strerror}; choose a place that can be written to") from error
    try:
        _pour(path, part, progress)
        verdict = chain.check(part, progress)
        if not verdict.ok:
            raise JournalError(f"{path}: not copied, entry {verdict.seq} is broken: {verdict.what}")
        if to.exists():
            raise JournalError(f"{to}: exists already; choose another name")
        part.rename(to)
        _sync(to.parent)
    except sqlite3.Error as error:
        raise _failed(to, error) from error
    except OSError as error:
        raise JournalError(f"{to}: {error.strerror}; choose another place") from error
    finally:
        part.unlink(missing_ok=True)
    return verdict


def restore(backup: Path, folder: Path, *, replace: bool, progress: Progress | None) -> Verdict:
    """Verify ``backup`` and make a copy of it the journal of ``folder``."""
    if not backup.is_file():
        raise JournalError(f"{backup}: there is no such backup")
    verdict = chain.check(backup, progress)
    if not verdict.ok:
        raise JournalError(f"{backup}: not restored, entry {verdict.seq} is broken: {verdict.what}")
    lock = take_lock(folder, create=True)
    try:
        path = folder / NAME
        if path.exists() and not replace:
            raise JournalError(f"{path}: there is a journal already; say so if it is to be replaced for good")
        new = path.with_name(NAME + ".new")
        for cut_short in (new, new.with_name(new.name + ".part")):
            cut_short.unlink(missing_ok=True)
        copied = copy(backup, new, progress)
        if os.geteuid() == 0:  # the guard's own user has to be able to open it
            owner = folder.stat()
            os.chown(new, owner.st_uid, owner.st_gid)
        if path.exists():
            # What its log still holds goes into the old file first: if we are cut short now, it is still whole.
            with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _take_place(new, path)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}; nothing was restored") from error
    finally:
        os.close(lock)
    return copied


def _pour(source: Path, to: Path, progress: Progress | None) -> None:
    def pages(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    # The open view holds the copy to one moment: without it, every commit of the guard would start the copy anew.
    with chain.one_view(source) as old, closing(sqlite3.connect(to, isolation_level=None)) as new:
        old.backup(new, pages=_PAGES, progress=pages)
        new.execute("PRAGMA journal_mode = DELETE")
    _sync(to)


def _take_place(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``, durably. The log of another file must never be replayed into this one."""
    for leftover in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    _sync(path.parent)
    new.rename(path)
    _sync(path.parent)


def _reserve(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, error: sqlite3.Error) -> JournalError:
    if chain.no_room(error, path.parent):
        return JournalFull(f"{path}: the disk is full; free some space")
    return JournalError(f"{path}: {error}; choose another place, or check the disk")
