"""The windows of user behaviour that `bench sequences` reads: ``*.sequences.csv.gz``."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from homeward.sources.files import FileError

SUFFIX: Final = ".sequences.csv.gz"
SPLITS: Final = ("train", "validation", "test")
COLUMNS: Final = (
    "sequence",
    "position",
    "weekday",
    "hour_bin",
    "device",
    "action",
    "label",
    "attack",
    "category",
    "split",
)

WEEKDAYS: Final = 7
HOUR_BINS: Final = 8
"""Of three hours each."""

SHARED: Final = 5
"""So many rows in common show that two windows were cut from the same stretch of life, one sliding over the other."""


class Action(NamedTuple):
    """One row: something done to a device on a weekday (0 = Monday), in one of eight bins of three hours."""

    weekday: int
    hour_bin: int
    device: str
    action: str


class Window(NamedTuple):
    """A short sequence of actions. ``category`` is empty for a normal window."""

    name: str
    split: str
    category: str
    actions: tuple[Action, ...]


def find_sets(data: Path) -> dict[str, Path]:
    """The files of a folder that hold windows, by name, sorted."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(data.glob(f"*{SUFFIX}"))}


def load(path: Path) -> list[Window]:
    """Read a set. An attack without a category goes by the attack's own name.

    Raises:
        FileError: the file cannot be read, or a row breaks the format; the message names the line.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return list(_windows(path.name, csv.DictReader(file, strict=True)))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise FileError(f"{path}: cannot be read as windows ({error})") from error


def _windows(name: str, reader: csv.DictReader[str]) -> Iterator[Window]:
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise FileError(f"{name}: no column {', '.join(missing)}; it needs {','.join(COLUMNS)}")
    finished: set[tuple[str, str]] = set()
    lines = ((reader.line_num, line) for line in reader)
    for key, rows in groupby(lines, key=lambda row: (row[1]["sequence"], row[1]["split"])):
        if key in finished:
            raise FileError(f"{name}: window {key[0]} of split {key[1]} comes twice; its rows must stand together")
        finished.add(key)
        yield _window(name, list(rows))


def _window(name: str, rows: Sequence[tuple[int, dict[str, str]]]) -> Window:
    number, first = rows[0]
    if first["split"] not in SPLITS:
        raise FileError(f"{name}: line {number}: split {first['split']!r} is none of {', '.join(SPLITS)}")
    if first["label"] not in {"0", "1"}:
        raise FileError(f"{name}: line {number}: label {first['label']!r} is neither 0 nor 1")
    category = (first["category"] or first["attack"] or "unnamed") if first["label"] == "1" else ""
    if category and first["split"] != "test":
        raise FileError(f"{name}: line {number}: an attack outside split test")
    actions = []
    for position, (line, row) in enumerate(rows):
        if row["position"] != str(position):
            raise FileError(f"{name}: line {line}: position {row['position']!r}, expected {position}")
        if any(row[column] != first[column] for column in ("label", "attack", "category")):
            raise FileError(f"{name}: line {line}: label, attack and category must be the same in the whole window")
        if not row["device"] or not row["action"]:
            raise FileError(f"{name}: line {line}: no device or no action")
        weekday = _number(name, line, row, "weekday", WEEKDAYS)
        hour_bin = _number(name, line, row, "hour_bin", HOUR_BINS)
        actions.append(Action(weekday, hour_bin, row["device"], row["action"]))
    return Window(first["sequence"], first["split"], category, tuple(actions))


def _number(name: str, line: int, row: dict[str, str], column: str, end: int) -> int:
    text = row[column] or ""
    if not (text.isascii() and text.isdecimal()) or int(text) >= end:
        raise FileError(f"{name}: line {line}: {column} {text!r} is no number from 0 to {end - 1}")
    return int(text)


def newly_shown(windows: Sequence[Window]) -> list[list[int]]:
    """Which actions each window is the first to show: the places that lie in no run of `SHARED` rows shown before."""
    seen: set[tuple[Action, ...]] = set()
    found = []
    for window in windows:
        actions = window.actions
        width = min(SHARED, len(actions))
        runs = [actions[start : start + width] for start in range(len(actions) - width + 1)]
        known = {place for start, run in enumerate(runs) if run in seen for place in range(start, start + width)}
        found.append([place for place in range(len(actions)) if place not in known])
        seen.update(runs)
    return found
