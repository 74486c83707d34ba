"""The guard as its journal tells it, for commands that only read: the guard may go on writing meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homeward.cli import progress
from homeward.config import load
from homeward.core.engine import Engine
from homeward.guard import Guard
from homeward.journal import Journal


@contextmanager
def journaled(chosen: argparse.Namespace) -> Iterator[tuple[Engine, Journal]]:
    """The engine, folded from the journal that ``--state`` or the configuration names; and that journal, to be read.

    Raises:
        ConfigError: there is no configuration, or it is wrong.
        JournalError: there is no journal, or it cannot be read.
    """
    state: Path = chosen.state if chosen.state is not None else load(chosen.config).state
    with Journal(state, read_only=True) as journal:
        with progress.bar("reading journal", "entries") as more:
            engine = Guard.resume(journal, lambda: more(1)).engine
        yield engine, journal


def resumed(chosen: argparse.Namespace) -> Engine:
    """The engine alone, as `journaled` finds it."""
    with journaled(chosen) as (engine, _):
        return engine
