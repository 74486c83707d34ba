"""What journals are tested with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homeward.core.event import Event
from homeward.journal import JournalError

START = datetime(2026, 3, 1, tzinfo=UTC)


def event(number: int, device: str = "lamp") -> Event:
    at = START + timedelta(seconds=number)
    return Event(id=str(number), source="test", at=at, device=device, action="on", value=float(number))


def events(count: int) -> list[Event]:
    return [event(number) for number in range(count)]


def change(folder: Path, statement: str, *parameters: object) -> None:
    """What somebody with the file in hand can do to it."""
    with closing(sqlite3.connect(folder / "journal.db")) as database, database:
        database.execute(statement, parameters)


def one_line(error: pytest.ExceptionInfo[JournalError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@dataclass(slots=True)
class State:
    seen: int = 0
    devices: dict[str, list[int]] = field(default_factory=dict)
    since: datetime | None = None
