"""The command line: ``homeward --help`` tells the story; these files only call the parts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from homeward.cli.commands import OK, PROBLEM, USAGE
from homeward.cli.parser import parser
from homeward.config import ConfigError
from homeward.dashboard.security import KeyFileError
from homeward.inbox import InboxError
from homeward.journal import JournalError, JournalFull
from homeward.one_time import KeysError
from homeward.say import SayError
from homeward.sources.files import FileError

__all__ = ["main"]

EXPECTED: Final = (ConfigError, FileError, InboxError, JournalError, KeyFileError, KeysError)
"""Told in one line, without a traceback: something outside has to be changed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: all is well; 1: it found a problem; 2: it could not start as it was called or configured."""
    chosen = parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
        sys.stdout.flush()
    except (SayError, JournalFull) as error:  # a disk may have space again: a restart may help
        print(f"homeward: {error}", file=sys.stderr)
        return PROBLEM
    except EXPECTED as error:
        print(f"homeward: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return status
