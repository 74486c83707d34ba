"""Notes for a guard that is down: a small file each in ``inbox/``, read when it is back."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from homeward.core.event import is_name
from homeward.core.inputs import Answer

SIZE_LIMIT: Final = 4_096
FILE_LIMIT: Final = 256
"""Files looked at in one pass."""

REFUSED_LIMIT: Final = 256
"""Refused files kept for the owner to look at; what comes after them is deleted."""

ADMISSIONS: Final = frozenset({"approve", "restrict", "refuse"})
"""What can be said of a device; each names it."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person says to the guard: an answer to an incident, the command to stand down, or how a device that
    is new here is let in."""

    says: Literal["answer", "stand_down", "approve", "restrict", "refuse"]
    incident: Name | None = None
    answer: Answer | None = None
    too_much: bool = False
    device: Name | None = None
    person: Name = "household"
    channel: Name = "command line"

    def __post_init__(self) -> None:
        if (self.says == "answer") != (self.incident is not None and self.answer is not None):
            raise ValueError("an answer names its incident and says yes or no; standing down names nothing")
        if (self.says in ADMISSIONS) != (self.device is not None):
            raise ValueError("who approves, restricts or refuses names a device; nobody else does")
        if self.device is not None and not is_name(self.device):
            raise ValueError("a device's name is text")


class InboxError(Exception):
    """A note cannot be left or read. The message is one line."""


def leave(folder: Path, note: Note) -> Path:
    """Leave a note in ``folder`` (made if missing): all of it or nothing, readable by the folder's owner alone.

    Raises:
        InboxError: the folder or the note cannot be written.
    """
    name = f"{secrets.token_hex(8)}.json"
    hidden, path = folder / f".{name}", folder / name
    try:
        _make_folder(folder)
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(note))
            file.flush()
            _give_to_owner_of(folder, descriptor)
            os.fsync(descriptor)
        hidden.rename(path)
    except OSError as error:
        raise InboxError(f"{folder}: the note cannot be left ({error.strerror}); check the folder's owner") from None
    return path


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give_to_owner_of(folder.parent, descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    """A note that root leaves belongs to the guard's user, who else could not read it."""
    if os.geteuid() == 0:
        about = folder.stat()
        os.fchown(descriptor, about.st_uid, about.st_gid)


def collect(folder: Path) -> Iterator[tuple[Path, Note | InboxError]]:
    """The notes that wait, at most 256, oldest first. The caller deletes what it has read and puts bad ones aside."""
    try:
        names = sorted(folder.glob("[!.]*.json"), key=lambda path: (path.lstat().st_mtime_ns, path.name))
    except OSError:
        return
    for path in names[:FILE_LIMIT]:
        try:
            yield path, _read(path)
        except InboxError as error:
            yield path, error


def refuse(path: Path) -> None:
    """Put a bad note aside, into ``refused/``; delete it where too many lie there already."""
    aside = path.parent / "refused"
    try:
        aside.mkdir(mode=0o700, exist_ok=True)
        if sum(1 for _ in aside.iterdir()) < REFUSED_LIMIT:
            path.rename(aside / path.name)
        else:
            path.unlink()
    except OSError:
        path.unlink(missing_ok=True)


def _read(path: Path) -> Note:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InboxError(f"{path}: cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid not in {0, os.geteuid()}:
            raise InboxError(f"{path}: is no plain file of the guard's user")
        if about.st_mode & 0o022:
            raise InboxError(f"{path}: others may write it")
        body = file.read(SIZE_LIMIT + 1)
    if len(body) > SIZE_LIMIT:
        raise InboxError(f"{path}: is larger than {SIZE_LIMIT} bytes")
    try:
        return msgspec.json.decode(body, type=Note)
    except (msgspec.DecodeError, ValueError) as error:
        raise InboxError(f"{path}: {error}") from None
