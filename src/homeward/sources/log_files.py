"""Growing log files, line by line: through rotation, truncation and a restart, nothing lost and nothing told twice.

`Follower` reads a log that another program writes. `Bookmarks` name, in each event's delivery, how far the log had
been read for that event's kind; the journal keeps those names in the commit that holds the event. So the place to go
on from and what was told before it are on disk in one transaction: there is no second file that could be older or
newer than the journal after a power cut.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

LINE_LIMIT: Final = 64 * 1024
"""The longest line that is read, in bytes."""

CHUNK: Final = 256 * 1024
"""How much is read at once, in bytes: a few dozen milliseconds of decoding."""

HEAD: Final = 256
"""How many of a file's first bytes tell it from another that got its inode number, or was written over it."""

HEADER_LIMIT: Final = 16 * 1024
"""Where header lines (``#``) are looked for when reading begins in the middle of a file."""

SIBLINGS_LIMIT: Final = 4_096
"""How many names of a folder are looked at for what a log was renamed to."""


class LogError(OSError):
    """A log cannot be read. The message is one line: which file, what is wrong, what to do."""


class Mark(NamedTuple):
    """A place in a log: which file (see `Follower.file`), and how many of its bytes were read."""

    file: str
    offset: int


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a finished log (also ``.gz``), once, without their ends. Longer ones come in pieces of 64 KiB.

    Raises:
        LogError: it cannot be read to its end.
    """
    try:
        with cast(BinaryIO, gzip.open(path)) if path.name.endswith(".gz") else path.open("rb") as file:
            while line := file.readline(LINE_LIMIT):
                yield line.rstrip(b"\r\n")
    except (OSError, EOFError) as error:
        raise LogError(f"{path}: cannot be read to its end ({error}); is it complete?") from None


class Follower:
    """The complete lines of a log, as they are written. Polled: it needs nothing but a file that can be read.

    A log that is renamed and made anew is read to its end, then whatever lies between, then the new one. The old one
    is left only once somebody has written into the new one, for until then the writer may still have it open. A log
    that is cut short or written over begins anew. Half a line waits for its other half; what is left of one when its
    file ends for good is counted as ``malformed``, a line above `LINE_LIMIT` as ``too long``.

    It begins at the end of the log, or ``before`` bytes earlier; or, by `resume`, where an earlier process stopped.
    """

    def __init__(self, path: Path, refused: Counter[str], *, before: int = 0) -> None:
        self.path = path
        self.start = 0
        """The offset at which what the last `read` returned begins."""
        self.file = ""
        """The file that the last lines came from: its inode number and a digest of how it began."""
        self._refused = refused
        self._before: int | None = before
        self._descriptor = -1
        self._status = os.stat_result((0,) * 10)
        self._head = b""
        self._position = 0
        self._partial = b""
        self._skipping = False
        self._header_due = True
        self._next: list[Path] = []
        pattern = rf"{re.escape(path.stem)}[-_.:T\d]*{re.escape(path.suffix)}[-_.:T\d]*"
        self._sibling = re.compile(pattern)

    @property
    def is_open(self) -> bool:
        """Whether there is something to read from."""
        return self._descriptor >= 0

    @property
    def is_missing(self) -> bool:
        """Whether the log is not where it should be, as it is for a moment while it is rotated."""
        try:
            self.path.stat()
        except OSError:
            return True
        return False

    def read_whole(self) -> None:
        """The log is not there yet: once it is, all of it is new."""
        self._before = None

    def resume(self, mark: Mark) -> bool:
        """Go on from a mark of an earlier process. Where its file is not there any more, from the beginning of the
        log; then ``False``: what was written in between is not seen."""
        self._before = None
        for path in (self.path, *(path for _, path in self._siblings())):
            if not self._open(path):
                continue
            _, _, begin = mark.file.partition("-")
            head = os.pread(self._descriptor, int(begin.partition("-")[0]), 0)
            if _identity(self._status.st_ino, head) == mark.file and mark.offset <= self._status.st_size:
                self.file, self._head, self._position = mark.file, head, mark.offset
                return True
            self.close()
        self._refused["rotated away"] += 1
        return False

    def open(self) -> bool:
        """Open the log, or what comes next; whether there is one.

        Raises:
            LogError: it cannot be read.
        """
        before, self._before = self._before, None
        if not self._open(self._next.pop(0) if self._next else self.path):
            return False
        if before is not None:
            self._begin(before)
        return True

    def read(self) -> list[tuple[int, bytes]]:
        """The next lines, each with the offset behind it, all of one `file`; nothing where there are none yet.

        Header lines (``#``) come first where reading begins behind them, with the offset of the beginning.

        Raises:
            LogError: the file cannot be read.
        """
        if not self.is_open and not self.open():
            return []
        self._check_head()
        if self._header_due:
            self._header_due = False
            if header := self._header():
                return header
        self.start = self._position - len(self._partial)
        try:
            data = os.pread(self._descriptor, CHUNK, self._position)
        except OSError as error:
            raise LogError(f"{self.path}: cannot be read ({error.strerror})") from None
        if data:
            return self._split(data)
        self._leave_if_rotated()
        return []

    def close(self) -> None:
        """Close the file; the next `read` opens the log anew, from its beginning."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self.file, self._head = "", b""
        self._position, self._partial, self._skipping = 0, b"", False
        self._header_due = True

    def _open(self, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror}); let the guard's user read it") from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise LogError(f"{path}: is no plain file")
        self._descriptor, self._status = descriptor, status
        return True

    def _begin(self, before: int) -> None:
        """On the very first look: at the end, or before it, at the beginning of a line."""
        begin = self._status.st_size - before
        if begin <= 0:
            return
        behind = os.pread(self._descriptor, min(begin, LINE_LIMIT), max(0, begin - LINE_LIMIT))
        newline = behind.rfind(b"\n")
        self._position = begin - len(behind) + newline + 1
        self._skipping = newline < 0 and self._position > 0

    def _header(self) -> list[tuple[int, bytes]]:
        """The header that was written before where reading begins; nothing at the beginning of a file."""
        lines = os.pread(self._descriptor, min(self._position, HEADER_LIMIT), 0).split(b"\n")[:-1]
        found = itertools.takewhile(lambda line: line.lstrip().startswith(b"#"), lines)
        return [(self._position, line.rstrip(b"\r")) for line in found]

    def _check_head(self) -> None:
        """A log that is cut short, or cut short and written on, is another log under the same inode."""
        shorter = os.fstat(self._descriptor).st_size < self._position
        if shorter or os.pread(self._descriptor, len(self._head), 0) != self._head:
            self._drop_partial()
            self.file, self._head = "", b""
            self._position, self._skipping = 0, False

    def _split(self, data: bytes) -> list[tuple[int, bytes]]:
        if not self.file and b"\n" in data:
            self._head = os.pread(self._descriptor, min(HEAD, self._position + len(data)), 0)
            self.file = _identity(self._status.st_ino, self._head)
        offset = self._position - len(self._partial)
        self._position += len(data)
        pieces = (self._partial + data).split(b"\n")
        self._partial = pieces.pop()
        lines = []
        for line in pieces:
            offset += len(line) + 1
            if self._skipping:
                self._skipping = False
            elif len(line) > LINE_LIMIT:
                self._refused["too long"] += 1
            else:
                lines.append((offset, line.rstrip(b"\r")))
        if len(self._partial) > LINE_LIMIT:
            if not self._skipping:
                self._refused["too long"] += 1
            self._partial, self._skipping = b"", True
        return lines

    def _drop_partial(self) -> None:
        if self._partial:
            self._refused["malformed"] += 1
        self._partial = b""

    def _leave_if_rotated(self) -> None:
        if not self._next:
            try:
                there = self.path.stat()
            except OSError:  # between two files: the writer may still have this one open
                return
            if (there.st_dev, there.st_ino) == (self._status.st_dev, self._status.st_ino) or there.st_size == 0:
                return
        finished = os.fstat(self._descriptor)
        if finished.st_size > self._position:
            return
        if not self._next:
            self._next = [path for age, path in self._siblings() if age > _age(finished)]
        self._drop_partial()
        self.close()

    def _siblings(self) -> list[tuple[tuple[int, int, int], Path]]:
        """What the log was renamed to, oldest first, each with its `_age`."""
        found = []
        with suppress(OSError), os.scandir(self.path.parent) as entries:
            for entry in itertools.islice(entries, SIBLINGS_LIMIT):
                if entry.name != self.path.name and self._sibling.fullmatch(entry.name):
                    with suppress(OSError):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            found.append((_age(status), Path(entry.path)))
        return sorted(found)


def _identity(inode: int, head: bytes) -> str:
    return f"{inode:x}-{len(head)}-{hashlib.blake2b(head, digest_size=8).hexdigest()}"


def _age(status: os.stat_result) -> tuple[int, int, int]:
    """What puts the files of a log in order: last written, last renamed; no two are equal, so none is read twice."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Bookmarks:
    """Delivery names that say how far a log was read, and what of it is told.

    Events are told in windows (see `Merger`), and between two windows nothing is held back. A name holds the mark and
    the minute at which its window began, the mark up to which its kind of event (``key``) has been told, and the key.
    After a restart the log is read again from where the last window began, and what lies before the mark of its own
    kind is passed over. A name is settled when a later one makes it needless: of the same kind, or of a later window.
    """

    def __init__(self, pending: Iterable[str] = ()) -> None:
        self.begin: Mark | None = None
        """Where the last window of an earlier process began."""
        self.minute = 0
        """And at which minute."""
        self._told: dict[str, Mark] = {}
        self._passed: set[str] = set()
        self._open: dict[str, None] = {}  # handed over, in order
        self._window = ""
        self._written: dict[str, str] = {}  # of that window: the last name of each kind that is on disk
        self._settled: dict[str, None] = {}
        for name in pending:
            if _NAME.fullmatch(name) is None:
                self._settled[name] = None
            else:
                self._write(name)
        if self._window:
            file, offset, minute = self._window.split(":")
            self.begin, self.minute = Mark(file, int(offset)), int(minute)
        for key, name in self._written.items():
            *_, file, offset, _ = name.split(":")
            self._told[key] = Mark(file, int(offset))

    @property
    def resuming(self) -> bool:
        """Whether what is read may have been told by an earlier process."""
        return bool(self._told)

    def told(self, key: str, mark: Mark) -> bool:
        """Whether an earlier process told of this kind up to the mark. Ask in the order of reading."""
        self._passed.add(mark.file)
        until = self._told.get(key)
        if until is None:
            return False
        return mark.offset <= until.offset if until.file == mark.file else until.file not in self._passed

    def resumed(self) -> None:
        """The first window is over: nothing that is read from here on was told before."""
        self._told.clear()
        self._passed.clear()

    def name(self, begin: Mark, minute: int, key: str, mark: Mark) -> str:
        """The delivery of an event that is handed over now."""
        name = f"{begin.file}:{begin.offset}:{minute}:{mark.file}:{mark.offset}:{key}"
        self._open[name] = None
        return name

    def committed(self, deliveries: Sequence[str]) -> list[str]:
        """Take note of what is on disk; returns the names that are needed no more, each once."""
        for name in deliveries:
            if name in self._open:
                while next(iter(self._open)) != name:  # the journal could not hold it, and never will
                    del self._open[next(iter(self._open))]
                del self._open[name]
                self._write(name)
        settled = list(self._settled)
        self._settled.clear()
        return settled

    def _write(self, name: str) -> None:
        window, _, _, key = name.rsplit(":", 3)
        if window != self._window:
            self._settled.update(dict.fromkeys(self._written.values()))
            self._written.clear()
            self._window = window
        elif key in self._written:
            self._settled[self._written[key]] = None
        self._written[key] = name


_MARK = r"[0-9a-f]+-[0-9]{1,3}-[0-9a-f]{16}:[0-9]{1,18}"
_NAME = re.compile(rf"{_MARK}:[0-9]{{1,18}}:{_MARK}:[0-9a-f]{{16}}")
"""A delivery name: where and when the window began, up to where it is told, and the kind of event."""
