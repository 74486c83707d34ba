"""Growing log files, line by line."""

from __future__ import annotations

from typing import Final

LINE_LIMIT: Final = 64 * 1024
"""The longest line that is read, in bytes."""


class LogError(OSError):
    """A log cannot be read. The message is one line: which file, what is wrong, what to do."""
