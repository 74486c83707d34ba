"""Events from files: ``events.csv[.gz]``, ``rooms5min.csv[.gz]`` and JSON Lines, with their devices and home tables.

One home per file. Beside ``NAME.events.csv.gz`` may lie ``NAME.devices.csv`` (``device,type,room,role``) and
``NAME.home.json`` (``home``, ``timezone``, ``clock``, ``residents``, ``real``). Without them every device is of
type and role ``other`` (a room is of type and role ``motion``) and the clock is the home's local one.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from homeward.core.event import Event, is_name
from homeward.core.settings import Device
from homeward.core.vocabulary import ROLES, TYPES
from homeward.sources.payloads import Refused, read_json

SUFFIXES = (".events.csv.gz", ".events.csv", ".rooms5min.csv.gz", ".rooms5min.csv", ".jsonl.gz", ".jsonl")

MOMENTARY = frozenset({"active", "pressed", "ring", "client_connected", "client_disconnected"})
"""Actions that are no state: said twice, they happened twice."""

DEVICE_LIMIT = 65_536


class FileError(Exception):
    """A file cannot be read as events. The message is one line: which file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What lies beside an events file. ``timezone`` is ``UTC`` for a local clock: its times are taken as written."""

    name: str
    timezone: str = "UTC"
    real: bool | None = None
    residents: int | None = None
    devices: tuple[Device, ...] = ()


class LastStates:
    """Which state every device was last in, so that a repeated state is no event. Holds at most 65,536 devices."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[str, float | None]] = OrderedDict()

    def changed(self, event: Event) -> bool:
        """Whether the event changes the state its device is in; takes note of the state."""
        if event.action in MOMENTARY:
            return True
        state = (event.action, event.value)
        last = self._last
        if last.get(event.device) == state:
            return False
        last[event.device] = state
        if len(last) > DEVICE_LIMIT:
            last.popitem(last=False)
        return True


def home_name(path: Path) -> str:
    """The file's name without its ending."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.stem


def read_home(path: Path) -> Home:
    """The home that the events file belongs to, from the tables beside it.

    Raises:
        FileError: a table exists and cannot be read.
    """
    name = home_name(path)
    about: dict[str, Any] = {}
    table = path.with_name(f"{name}.home.json")
    if table.exists():
        try:
            about = json.loads(table.read_text("utf-8"))
            about["home"], about.get("clock")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(
                f"{table}: not a home table ({error}); expected a JSON object with home and clock"
            ) from None
    utc = about.get("clock") == "utc" and about.get("timezone")
    return Home(
        name=str(about.get("home", name)),
        timezone=str(about["timezone"]) if utc else "UTC",
        real=about.get("real"),
        residents=about.get("residents"),
        devices=_read_devices(path.with_name(f"{name}.devices.csv")) or _rooms(path),
    )


def _read_devices(table: Path) -> tuple[Device, ...]:
    if not table.exists():
        return ()
    with table.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"device", "type", "role"} <= set(rows.fieldnames or ()):
            raise FileError(f"{table}: header must be device,type,room,role")
        return tuple(
            Device(
                name=row["device"],
                type=row["type"] if row["type"] in TYPES else "other",
                role=row["role"] if row["role"] in ROLES else "other",
                room=row.get("room") or "unknown",
            )
            for row in rows
        )


def _rooms(path: Path) -> tuple[Device, ...]:
    if ".rooms5min.csv" not in path.name:
        return ()
    rooms = sorted({event.device for event in read_events(path)})
    return tuple(Device(name=room, type="motion", role="motion", room=room) for room in rooms)


def read_events(path: Path, *, refused: Counter[str] | None = None) -> Iterator[Event]:
    """Every row as an event, repeated states included, with ``at`` = max(``happened``, the last ``at``).

    Rows that are no events (a broken date, a value that is not finite, a name too long) are left out and counted
    in ``refused`` by reason.

    Raises:
        FileError: the file is missing, is not of a known kind, or has no usable header.
    """
    if not path.is_file():
        raise FileError(f"{path}: no such file; give an events.csv[.gz], rooms5min.csv[.gz] or .jsonl[.gz] file")
    try:
        with _open(path) as lines:
            yield from _in_order(_parse(path, lines), Counter() if refused is None else refused)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read to its end ({error}); is it complete?") from None


def _open(path: Path) -> TextIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


_Row = tuple[str, str, str, str, str, str]


def _parse(path: Path, lines: TextIO) -> Iterator[_Row | None]:
    """Rows as (at, home, device, actor, action, value); ``None`` for a row that cannot be read."""
    if ".jsonl" in path.name:
        yield from map(_json_row, lines)
        return
    rows = csv.reader(lines)
    header = next(rows, [])
    if ".rooms5min.csv" in path.name:
        wanted, build = ["at", "home", "room", "count"], _room_row
    else:
        wanted, build = ["at", "home", "device", "actor", "action", "value"], _event_row
    if header[: len(wanted)] != wanted:
        raise FileError(f"{path}: header must begin with {','.join(wanted)}")
    width = len(wanted)
    for row in rows:
        yield build(row) if len(row) >= width else None


def _event_row(row: list[str]) -> _Row:
    at, home, device, actor, action, value = row[:6]
    return at, home, device, actor, action, value


def _room_row(row: list[str]) -> _Row:
    return row[0], row[1], row[2], "", "active", ""


def _json_row(line: str) -> _Row | None:
    try:
        item = read_json(line.encode())
        value = item.get("value")
        return (
            str(item["at"]),
            str(item.get("home") or ""),
            str(item["device"]),
            str(item.get("actor") or ""),
            str(item["action"]),
            "" if value is None else str(value),
        )
    except (Refused, KeyError):
        return None


def _in_order(rows: Iterable[_Row | None], refused: Counter[str]) -> Iterator[Event]:
    last = datetime.min.replace(tzinfo=UTC)
    parse: Callable[[str], datetime] = datetime.fromisoformat
    for number, row in enumerate(rows, 1):
        if row is None:
            refused["malformed"] += 1
            continue
        written, home, device, actor, action, text = row
        try:
            happened = parse(written)
            value = float(text) if text else None
        except ValueError:
            refused["malformed"] += 1
            continue
        if happened.tzinfo is not UTC:
            happened = happened.replace(tzinfo=UTC) if happened.tzinfo is None else happened.astimezone(UTC)
        if not (is_name(device) and is_name(action) and (not actor or is_name(actor))):
            refused["name"] += 1
            continue
        if value is not None and not math.isfinite(value):
            refused["not finite"] += 1
            continue
        if happened > last:
            last = happened
        yield Event(
            id=str(number),
            source="file",
            at=last,
            happened=happened,
            place=home,
            device=device,
            action=action,
            actor=actor or None,
            value=value,
        )
