"""What the journal promises: one writer, whole transactions, a chain that shows where it was broken, safe copies."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from tests.journals import START, State, change, event, events, one_line

from homeward.core.effects import Record
from homeward.core.inputs import Health, Tick
from homeward.journal import Journal, JournalError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "guard"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with Journal(folder) as opened:
        yield opened


# --- its place ---------------------------------------------------------------------------------------------------


def test_nobody_else_can_read_it_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        with Journal(folder) as journal:
            journal.append(events(3))
            journal.backup(folder / "copy.db")
            modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) >= {"journal.db", "journal.db-wal", "journal.lock", "copy.db"}
    assert set(modes.values()) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_can_read_is_closed_to_them(folder: Path) -> None:
    Journal(folder).close()
    (folder / "journal.db").chmod(0o644)
    Journal(folder).close()
    assert (folder / "journal.db").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_can_write_to_is_refused_with_the_remedy(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(JournalError, match="chmod 700") as error:
        Journal(folder)
    one_line(error)


def test_a_second_writer_is_told_who_writes_and_a_reader_may_look(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(events(3))
        with pytest.raises(JournalError, match=f"another guard writes to it .process {os.getpid()}.") as error:
            Journal(folder)
        one_line(error)
        with Journal(folder, read_only=True) as reader:
            assert reader.last_seq == 3
            assert [item for _, item in reader.inputs()] == events(3)
            with pytest.raises(JournalError, match="for reading only"):
                reader.append(events(1))
    with Journal(folder) as journal:
        assert journal.last_seq == 3


def test_without_create_a_missing_journal_is_an_error_and_nothing_is_made(folder: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(JournalError, match="there is no journal here") as error:
            Journal(folder, **options)
        assert str(folder) in one_line(error)
        assert not folder.exists()


def test_a_journal_of_a_newer_format_is_refused_and_so_left_alone(folder: Path) -> None:
    Journal(folder).close()
    change(folder, "UPDATE meta SET value = '2' WHERE key = 'format'")
    for options in ({}, {"read_only": True}):
        with pytest.raises(
            JournalError, match=r"written by a newer Homeward \(format 2.* install that version"
        ) as error:
            Journal(folder, **options)
        one_line(error)


@pytest.mark.parametrize("content", [b"", b"not a database " * 400])
def test_a_file_that_is_no_journal_is_refused_and_never_overwritten(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "journal.db").write_bytes(content)
    with pytest.raises(JournalError, match=r"not a readable journal .* restore a backup") as error:
        Journal(folder)
    one_line(error)
    assert (folder / "journal.db").read_bytes() == content


def test_a_journal_that_lost_its_end_is_refused_for_writing_and_verify_says_where(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(events(5))
    change(folder, "DELETE FROM entries WHERE seq = 5")
    with pytest.raises(JournalError, match="homeward verify") as error:
        Journal(folder)
    one_line(error)
    with Journal(folder, read_only=True) as reader:
        verdict = reader.verify()
    assert (verdict.ok, verdict.seq, verdict.verified) == (False, 5, 4)
    assert verdict.what == "the entry is missing (the journal ended at 5)"


# --- entries -----------------------------------------------------------------------------------------------------


def test_it_goes_on_where_it_ended(folder: Path) -> None:
    with Journal(folder) as journal:
        assert (journal.last_seq, journal.last_at, journal.head) == (0, None, bytes(32))
        journal.append(events(3))
        end = (journal.last_seq, journal.last_at, journal.head)
    with Journal(folder) as journal:
        assert (journal.last_seq, journal.last_at, journal.head) == end == (3, event(2).at, end[2])
        journal.append([Tick(at=START)])
        assert journal.last_at == event(2).at, "an effect of an earlier deadline does not turn the clock back"
        assert journal.head != end[2]
        assert journal.verify().ok


def test_inputs_leave_the_effects_out_and_entries_do_not(journal: Journal) -> None:
    record = Record(at=START, kind="held", subject="lamp")
    health = Health(at=START, subject="disk", up=False)
    journal.append([event(0), record, health])
    assert list(journal.inputs()) == [(1, event(0)), (3, health)]
    assert list(journal.entries(after=1)) == [(2, record), (3, health)]


def test_reading_takes_what_was_there_when_it_began_while_writing_goes_on(journal: Journal) -> None:
    journal.append(events(1_234))
    seen = []
    for seq, item in journal.inputs():
        seen.append(item)
        if seq % 500 == 0:
            journal.append(events(10))
    assert seen == events(1_234)


@pytest.mark.parametrize(
    "bad",
    [
        event(1, device="\ud800"),
        Tick(at=datetime(2026, 3, 1)),  # noqa: DTZ001 - a naive time is the mistake
        Health(at=START, subject="clock", up=True, offset_ms=2**70),
        "an event",
    ],
)
def test_an_entry_that_cannot_be_written_is_named_and_nothing_of_its_batch_is_kept(
    journal: Journal, bad: Tick
) -> None:
    journal.append([event(0)])
    with pytest.raises(ValueError, match=f"a {type(bad).__name__} cannot be written"):
        journal.append([event(1), bad], deliveries=[("mqtt", "1")], last={("mqtt", "lamp"): "on"})
    assert journal.last_seq == 1
    assert journal.unacknowledged("mqtt") == []
    assert journal.last_states("mqtt") == {}
    journal.append([event(1)])
    assert journal.verify().verified == 2


def test_a_state_that_cannot_be_written_takes_its_whole_batch_with_it(journal: Journal) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        journal.append(events(2), last={("mqtt", "\ud800"): "on"})
    journal.append(events(1))
    assert journal.verify().verified == 1


def test_what_cannot_be_read_back_is_named(folder: Path, journal: Journal) -> None:
    journal.append(events(3))
    change(folder, "UPDATE payloads SET body = x'c1' WHERE seq = 2")
    with pytest.raises(JournalError, match=r"entry 2 \(Event\) cannot be read") as error:
        list(journal.inputs())
    one_line(error)


# --- deliveries and last states --------------------------------------------------------------------------------


def test_a_delivery_is_listed_from_its_commit_until_its_acknowledgement(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(events(1), deliveries=[("mqtt", "1"), ("mqtt", "2"), ("other", "1")])
        journal.acknowledged([("mqtt", "1")])
        assert journal.unacknowledged("mqtt") == ["2"]
        assert journal.unacknowledged("other") == ["1"]
    with Journal(folder) as journal:
        assert journal.unacknowledged("mqtt") == ["2"]


def test_a_packet_id_may_be_used_again_once_it_was_acknowledged(journal: Journal) -> None:
    journal.append(events(1), deliveries=[("mqtt", "1")])
    journal.acknowledged([("mqtt", "1")])
    journal.append(events(1), deliveries=[("mqtt", "1")])
    assert journal.unacknowledged("mqtt") == ["1"]


def test_many_acknowledgements_are_written_without_waiting_for_an_entry(folder: Path, journal: Journal) -> None:
    names = [("mqtt", str(number)) for number in range(5_000)]
    journal.append((), deliveries=names)
    journal.acknowledged(names)
    with closing(sqlite3.connect(folder / "journal.db")) as database:
        assert database.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)


def test_an_acknowledgement_never_moves_the_journal_s_end(folder: Path) -> None:
    """An interrupt between a commit and what follows it leaves the object behind the file: nothing may come of it."""
    with Journal(folder) as journal:
        journal.append(events(2), deliveries=[("mqtt", "1")])
        behind = (journal._seq, journal._link)
        journal.append(events(1))
        journal._seq, journal._link = behind
        with pytest.raises(JournalError, match="nothing was written"):
            journal.append(events(1))
        journal.acknowledged([("mqtt", "1")])
    with Journal(folder) as journal:
        assert journal.last_seq == 3
        assert journal.verify().ok
        assert journal.unacknowledged("mqtt") == []


def test_the_newest_65536_deliveries_are_kept(journal: Journal) -> None:
    journal.append((), deliveries=[("mqtt", str(number)) for number in range(65_536)])
    journal.append((), deliveries=[("mqtt", "more"), ("mqtt", "and more")])
    kept = journal.unacknowledged("mqtt")
    assert len(kept) == 65_536
    assert (kept[0], kept[-1]) == ("2", "and more")


def test_last_states_are_what_was_said_last(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(events(1), last={("mqtt", "lamp"): "on", ("mqtt", "door"): "open", ("ha", "lamp"): "off"})
        journal.append((), last={("mqtt", "lamp"): "off"})
    with Journal(folder) as journal:
        assert journal.last_states("mqtt") == {"lamp": "off", "door": "open"}
        assert journal.last_states("ha") == {"lamp": "off"}


def test_of_last_states_the_65536_most_recently_written_are_kept(journal: Journal) -> None:
    journal.append((), last={("mqtt", str(number)): "on" for number in range(65_536)})
    journal.append((), last={("mqtt", "0"): "off"})  # the oldest speaks again
    journal.append((), last={("mqtt", "more"): "on", ("mqtt", "and more"): "on"})
    kept = journal.last_states("mqtt")
    assert len(kept) == 65_536
    assert kept["0"] == "off"
    assert "1" not in kept
    assert "2" not in kept
    assert "3" in kept


# --- snapshots ---------------------------------------------------------------------------------------------------


def test_the_newest_snapshot_comes_back_with_its_place_in_history(folder: Path) -> None:
    with Journal(folder) as journal:
        assert journal.load_snapshot(State) is None
        for number in range(1, 5):
            journal.append(events(1))
            journal.save_snapshot(State(number, {"lamp": [number]}, START))
    with Journal(folder) as journal:
        assert journal.load_snapshot(State) == (4, State(4, {"lamp": [4]}, START))
    with closing(sqlite3.connect(folder / "journal.db")) as database:
        assert database.execute("SELECT seq FROM snapshots ORDER BY seq").fetchall() == [(3,), (4,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET state = x'80' WHERE seq = 2",
        "UPDATE snapshots SET version = '99.0' WHERE seq = 2",
        "UPDATE entries SET link = zeroblob(32) WHERE seq = 2",
    ],
)
def test_a_snapshot_that_was_changed_or_is_of_another_version_or_history_is_not_used(
    folder: Path, journal: Journal, statement: str
) -> None:
    for number in (1, 2):
        journal.append(events(1))
        journal.save_snapshot(State(number))
    change(folder, statement)
    assert journal.load_snapshot(State) == (1, State(1))


def test_a_snapshot_of_another_version_means_a_full_fold(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.journal.journal.__version__", "0.0.9")
    journal.append(events(1))
    journal.save_snapshot(State(1))
    monkeypatch.undo()
    assert journal.load_snapshot(State) is None


def test_a_snapshot_of_another_shape_is_not_used(journal: Journal) -> None:
    journal.save_snapshot({"seen": "many"})
    assert journal.load_snapshot(State) is None
