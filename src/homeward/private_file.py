"""Reading a file that holds a secret: a plain file of ours, which nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class PrivateFileError(Exception):
    """It cannot be read, or must not be used as it is. The message is one line that says what to change."""


def read_private(path: Path, limit: int) -> bytes:
    """What the file holds, at most ``limit`` bytes of it.

    Raises:
        FileNotFoundError: there is none.
        PrivateFileError: others may read it, it is not ours or no plain file, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PrivateFileError(
            f"{path}: cannot be read ({error.strerror}); it must be a plain file of ours"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or os.geteuid() not in {0, status.st_uid}:
            raise PrivateFileError(f"{path}: must be a plain file that belongs to the user who runs the guard")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise PrivateFileError(f"{path}: others may read it (mode {mode:04o}); run: chmod 600 {path}")
        return file.read(limit)
