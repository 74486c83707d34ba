"""The command histories that `bench masquerade` reads: ``*.commands.csv.gz``."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from homeward.sources.files import FileError

SUFFIX: Final = ".commands.csv.gz"
COLUMNS: Final = ("user", "block", "position", "command", "label")
TEACHING: Final = 5_000
"""So many commands of each user teach, rounded up to whole blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What was typed in a row, judged and learned or held as a whole; ``masquerade`` is ``None`` without a label."""

    commands: tuple[str, ...]
    masquerade: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account's history in its order: the blocks that teach, and those that come after them."""

    name: str
    teaching: tuple[Block, ...]
    later: tuple[Block, ...]

    @property
    def labelled(self) -> bool:
        """Whether anything is known of who typed the later blocks."""
        return any(block.masquerade is not None for block in self.later)


def find_sets(data: Path) -> dict[str, Path]:
    """The files of a folder that hold command histories, by name, sorted."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(data.glob(f"*{SUFFIX}"))}


def load(path: Path) -> list[User]:
    """Read a set: its users, in the file's order.

    Raises:
        FileError: the file cannot be read, or a row breaks the format; the message names the line.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return list(_users(path.name, csv.DictReader(file, strict=True)))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise FileError(f"{path}: cannot be read as command histories ({error})") from error


def _users(name: str, reader: csv.DictReader[str]) -> Iterator[User]:
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise FileError(f"{name}: no column {', '.join(missing)}; it needs {','.join(COLUMNS)}")
    finished: set[str] = set()
    lines = ((reader.line_num, line) for line in reader)
    for user, of_user in groupby(lines, key=lambda row: row[1]["user"]):
        if user in finished:
            raise FileError(f"{name}: user {user} comes twice; a user's rows must stand together")
        finished.add(user)
        blocks = []
        for number, (block, rows) in enumerate(groupby(of_user, key=lambda row: row[1]["block"])):
            if block != str(number):
                raise FileError(f"{name}: user {user}: block {block!r}, expected {number}")
            blocks.append(_block(name, list(rows)))
        yield _split(name, user, blocks)


def _block(name: str, rows: Sequence[tuple[int, dict[str, str]]]) -> Block:
    label = rows[0][1]["label"]
    for position, (line, row) in enumerate(rows):
        if row["position"] != str(position):
            raise FileError(f"{name}: line {line}: position {row['position']!r}, expected {position}")
        if row["label"] != label or label not in {"", "0", "1"}:
            raise FileError(f"{name}: line {line}: label {row['label']!r}, expected 0, 1 or none for the whole block")
        if not row["command"]:
            raise FileError(f"{name}: line {line}: no command")
    return Block(commands=tuple(row["command"] for _, row in rows), masquerade=label == "1" if label else None)


def _split(name: str, user: str, blocks: Sequence[Block]) -> User:
    typed = count = 0
    while count < len(blocks) and typed < TEACHING:
        typed += len(blocks[count].commands)
        count += 1
    teaching = tuple(blocks[:count])
    if any(block.masquerade for block in teaching):
        raise FileError(f"{name}: user {user}: a masquerade among the first {TEACHING:,} commands, which teach")
    return User(name=user, teaching=teaching, later=tuple(blocks[count:]))
