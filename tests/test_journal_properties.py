"""Whatever goes into the journal comes out equal, and whatever is changed in it is found."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.core.effects import Effect
from homeward.core.event import Event
from homeward.core.inputs import Input, Tick
from homeward.journal import Journal
from homeward.journal.journal import Entry

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=13)), timezone(timedelta(hours=-3, minutes=-30))])
TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - bounds are naive


def anything(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of the type hints that the core's dataclasses use, so that a field added later is tested too."""
    plain = {
        str: TEXTS,
        datetime: TIMES,
        bool: st.booleans(),
        type(None): st.none(),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    if hint in plain:
        return plain[hint]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: anything(hints[field.name]) for field in dataclasses.fields(hint)})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([anything(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is not ...:
        return st.tuples(*map(anything, arguments))
    if origin is tuple:
        return st.lists(anything(arguments[0]), max_size=4).map(tuple)
    if origin is Mapping:
        return st.dictionaries(anything(arguments[0]), anything(arguments[1]), max_size=4)
    raise NotImplementedError(f"no strategy for {hint}")


ENTRIES = st.one_of([anything(cls) for cls in (*typing.get_args(Input), *typing.get_args(Effect))])


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    with Journal(tmp_path_factory.mktemp("properties") / "guard") as opened:
        yield opened


@settings(max_examples=150, deadline=None)
@given(batches=st.lists(st.lists(ENTRIES, max_size=8), max_size=4))
def test_any_sequence_of_inputs_and_effects_comes_back_equal(journal: Journal, batches: list[list[Entry]]) -> None:
    before = journal.last_seq
    for batch in batches:
        journal.append(batch)
    written = [item for batch in batches for item in batch]
    assert [item for _, item in journal.entries(before)] == written
    assert [seq for seq, _ in journal.entries(before)] == list(range(before + 1, journal.last_seq + 1))
    assert [item for _, item in journal.inputs(before)] == [
        item for item in written if isinstance(item, typing.get_args(Input))
    ]
    verdict = journal.verify()
    assert verdict.ok
    assert verdict.verified == journal.last_seq


COUNT = 30


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal of thirty entries, the seventh of them forgotten."""
    folder = tmp_path_factory.mktemp("written") / "guard"
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with Journal(folder) as journal:
        for n in range(COUNT // 2):
            at = start + timedelta(minutes=n)
            journal.append([Event(id=str(n), source="test", at=at, device="lamp", action="on"), Tick(at=at)])
    with closing(sqlite3.connect(folder / "journal.db")) as database, database:
        database.execute("DELETE FROM payloads WHERE seq = 7")
    return folder / "journal.db"


def broken_at(written: Path, change: str, *parameters: object) -> tuple[int | None, str]:
    """Where verify finds a copy of the journal broken after one SQL statement; and what it says."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        shutil.copyfile(written, path)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            assert database.execute(change, parameters).rowcount >= 1
        with Journal(Path(folder), read_only=True) as journal:
            verdict = journal.verify()
    assert not verdict.ok
    assert verdict.seq is not None
    if verdict.seq <= COUNT:
        assert verdict.verified + verdict.forgotten == verdict.seq - 1
        assert verdict.forgotten == (verdict.seq > 7)
    return verdict.seq, verdict.what


def flipped(written: Path, query: str, seq: int, place: int, bits: int) -> bytes:
    with closing(sqlite3.connect(f"{written.as_uri()}?mode=ro", uri=True)) as database:
        value: bytes = database.execute(query, (seq,)).fetchone()[0]
    at = place % len(value)
    return value[:at] + bytes([value[at] ^ bits]) + value[at + 1 :]


COLUMNS = {
    "body": ("SELECT body FROM payloads WHERE seq = ?", "UPDATE payloads SET body = ? WHERE seq = ?"),
    "salt": ("SELECT salt FROM payloads WHERE seq = ?", "UPDATE payloads SET salt = ? WHERE seq = ?"),
    "commitment": ("SELECT commitment FROM entries WHERE seq = ?", "UPDATE entries SET commitment = ? WHERE seq = ?"),
    "link": ("SELECT link FROM entries WHERE seq = ?", "UPDATE entries SET link = ? WHERE seq = ?"),
    "kind": (
        "SELECT CAST(kind AS BLOB) FROM entries WHERE seq = ?",
        "UPDATE entries SET kind = CAST(? AS TEXT) WHERE seq = ?",
    ),
}
SEQS = st.integers(1, COUNT)


@settings(max_examples=250, deadline=None)
@given(column=st.sampled_from(sorted(COLUMNS)), seq=SEQS, place=st.integers(0, 500), bits=st.integers(1, 255))
def test_a_changed_byte_in_any_column_is_found_in_its_entry(
    written: Path, column: str, seq: int, place: int, bits: int
) -> None:
    if seq == 7 and column in ("body", "salt"):
        seq = 8  # the seventh is forgotten: it has none
    query, change = COLUMNS[column]
    assert broken_at(written, change, flipped(written, query, seq, place, bits), seq)[0] == seq


@settings(max_examples=60, deadline=None)
@given(seq=SEQS, bit=st.integers(0, 62))
def test_a_changed_time_is_found_in_its_entry(written: Path, seq: int, bit: int) -> None:
    change = "UPDATE entries SET at = (at | ?1) - (at & ?1) WHERE seq = ?2"
    assert broken_at(written, change, 1 << bit, seq)[0] == seq


@settings(max_examples=60, deadline=None)
@given(seq=SEQS, moved_to=st.one_of(st.integers(-(2**63), 0), st.integers(COUNT + 1, 2**63 - 1)))
def test_a_renumbered_entry_is_found(written: Path, seq: int, moved_to: int) -> None:
    found, _ = broken_at(written, "UPDATE entries SET seq = ? WHERE seq = ?", moved_to, seq)
    assert found == (seq if moved_to > 0 else 1)


@settings(max_examples=60, deadline=None)
@given(seq=SEQS)
def test_a_removed_entry_is_found_also_the_last(written: Path, seq: int) -> None:
    found, what = broken_at(written, "DELETE FROM entries WHERE seq = ?", seq)
    assert found == seq
    assert "missing" in what
