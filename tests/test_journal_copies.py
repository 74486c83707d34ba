"""What the journal promises of its chain and its copies: it shows where it was broken, and a backup is whole."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.journals import State, change, events, one_line

from homeward.journal import Journal, JournalError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "guard"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with Journal(folder) as opened:
        yield opened


# --- verify ------------------------------------------------------------------------------------------------------


def test_an_empty_journal_verifies(journal: Journal) -> None:
    verdict = journal.verify()
    assert (verdict.ok, verdict.verified, verdict.forgotten, verdict.seq) == (True, 0, 0, None)


def test_a_forgotten_entry_is_forgotten_and_not_broken(folder: Path, journal: Journal) -> None:
    journal.append(events(5))
    change(folder, "DELETE FROM payloads WHERE seq = 3")
    verdict = journal.verify()
    assert (verdict.ok, verdict.verified, verdict.forgotten) == (True, 4, 1)
    assert [seq for seq, _ in journal.inputs()] == [1, 2, 4, 5]
    journal.append(events(1))
    assert journal.verify().ok


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        ("DELETE FROM entries WHERE seq = 3", 3, "missing"),
        # The salt's last byte moved to the body's front: both together are the same bytes as before.
        (
            """UPDATE payloads SET salt = substr(salt, 1, 15), body = CAST(substr(salt, 16) || body AS BLOB)
            WHERE seq = 4""",
            4,
            "its payload is not what was committed to",
        ),
        ("INSERT INTO payloads VALUES (9, zeroblob(16), x'80')", 9, "there is a payload, and no entry for it"),
        ("UPDATE head SET link = zeroblob(32)", 5, "does not match its last entry"),
        ("UPDATE head SET at = at + 1", 5, "does not match its last entry"),
        ("UPDATE head SET seq = 4", 5, "does not match its last entry"),
        ("DELETE FROM head", 5, "the record of the journal's end is missing"),
        ("DROP TABLE payloads", 1, "no such table"),
    ],
)
def test_verify_says_which_entry_is_the_first_that_is_not_as_it_was_written(
    folder: Path, statement: str, seq: int, what: str
) -> None:
    with Journal(folder) as journal:
        journal.append(events(5))
    change(folder, statement)
    with Journal(folder, read_only=True) as reader:
        verdict = reader.verify()
    assert not verdict.ok
    assert verdict.seq == seq
    assert what in verdict.what


def test_exchanging_two_entries_is_found(folder: Path, journal: Journal) -> None:
    journal.append(events(5))
    for statement in (
        "UPDATE entries SET seq = 99 WHERE seq = 2",
        "UPDATE entries SET seq = 2 WHERE seq = 3",
        "UPDATE entries SET seq = 3 WHERE seq = 99",
        "UPDATE payloads SET seq = 99 WHERE seq = 2",
        "UPDATE payloads SET seq = 2 WHERE seq = 3",
        "UPDATE payloads SET seq = 3 WHERE seq = 99",
    ):
        change(folder, statement)
    verdict = journal.verify()
    assert (verdict.ok, verdict.seq) == (False, 2)


def test_a_damaged_file_is_a_verdict_and_not_a_crash(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(events(500))
    path = folder / "journal.db"
    whole = path.read_bytes()
    half = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:half] + bytes(8 * 4096) + whole[half + 8 * 4096 :])
    with Journal(folder, read_only=True) as reader:
        verdict = reader.verify()
        assert not verdict.ok
        assert verdict.seq is not None
        with pytest.raises(JournalError, match="see `homeward verify`"):
            list(reader.inputs())
    with pytest.raises(JournalError, match="see `homeward verify`") as error:
        Journal(folder)
    one_line(error)


def test_verify_tells_how_far_it_is_and_does_not_stop_the_writer(journal: Journal) -> None:
    journal.append(events(2_500))
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        journal.append(events(1))

    verdict = journal.verify(progress)
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]
    assert (verdict.ok, verdict.verified) == (True, 2_500)
    assert journal.verify().verified == 2_503


def test_verify_holds_one_entry_at_a_time(journal: Journal) -> None:
    for _ in range(20):
        journal.append(events(500))
    tracemalloc.start()
    try:
        assert journal.verify().verified == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


# --- backup and restore --------------------------------------------------------------------------------------------


def test_a_backup_is_one_moment_of_a_journal_that_goes_on(journal: Journal, tmp_path: Path) -> None:
    for _ in range(30):
        journal.append(events(1_000))
    verdict = journal.backup(tmp_path / "copy.db", lambda _done, _total: journal.append(events(1)))
    assert verdict.ok
    assert verdict.verified == 30_000
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert journal.last_seq > 30_000
    assert journal.verify().ok


def test_a_backup_overwrites_nothing(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("a letter")
    with pytest.raises(JournalError, match="exists already") as error:
        journal.backup(tmp_path / "copy.db")
    one_line(error)
    assert (tmp_path / "copy.db").read_text() == "a letter"


def test_a_backup_to_where_nothing_can_be_written_says_so(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file or directory; choose a place") as error:
        journal.backup(tmp_path / "nowhere" / "copy.db")
    one_line(error)


def test_a_broken_journal_makes_no_backup_that_looks_good(folder: Path, journal: Journal, tmp_path: Path) -> None:
    journal.append(events(5))
    change(folder, "UPDATE payloads SET body = x'80' WHERE seq = 3")
    with pytest.raises(JournalError, match="entry 3 is broken"):
        journal.backup(tmp_path / "copy.db")
    assert list(tmp_path.glob("copy*")) == []


def test_a_restored_journal_is_the_one_that_was_copied_and_goes_on(
    folder: Path, journal: Journal, tmp_path: Path
) -> None:
    journal.append(events(5), deliveries=[("mqtt", "1")], last={("mqtt", "lamp"): "on"})
    journal.save_snapshot(State(5))
    journal.backup(tmp_path / "copy.db")
    verdict = Journal.restore(tmp_path / "copy.db", tmp_path / "elsewhere")
    assert (verdict.ok, verdict.verified) == (True, 5)
    with Journal(tmp_path / "elsewhere", create=False) as restored:
        assert [item for _, item in restored.inputs()] == events(5)
        assert restored.head == journal.head
        assert restored.unacknowledged("mqtt") == ["1"]
        assert restored.last_states("mqtt") == {"lamp": "on"}
        assert restored.load_snapshot(State) == (5, State(5))
        restored.append(events(1))
        assert restored.verify().verified == 6
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "elsewhere").iterdir()}
    assert modes == {"journal.db": 0o600, "journal.lock": 0o600}


def test_restore_replaces_a_journal_only_when_told_and_never_under_a_guard(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Journal(folder) as journal:
        journal.append(events(5))
        journal.backup(copy)
        journal.append(events(20))
        with pytest.raises(JournalError, match="another guard writes to it"):
            Journal.restore(copy, folder, replace=True)
    with pytest.raises(JournalError, match="there is a journal already") as error:
        Journal.restore(copy, folder)
    one_line(error)
    with Journal(folder) as journal:
        assert journal.last_seq == 25
    Journal.restore(copy, folder, replace=True)
    with Journal(folder) as journal:
        assert journal.last_seq == 5
        assert journal.verify().ok


def test_a_broken_backup_is_not_restored(folder: Path, journal: Journal, tmp_path: Path) -> None:
    journal.append(events(5))
    copy = tmp_path / "copy.db"
    journal.backup(copy)
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute("UPDATE entries SET kind = 'Tick' WHERE seq = 2")
    with pytest.raises(JournalError, match="entry 2 is broken") as error:
        Journal.restore(copy, tmp_path / "elsewhere")
    one_line(error)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(JournalError, match="there is no such backup"):
        Journal.restore(tmp_path / "missing.db", tmp_path / "elsewhere")


def test_the_log_of_a_killed_guard_is_never_replayed_into_what_was_restored(folder: Path, tmp_path: Path) -> None:
    """A log that lies beside the file when the guard was killed belongs to the old file alone."""
    with Journal(folder) as journal:
        journal.append(events(5))
        journal.backup(tmp_path / "copy.db")
        journal.append(events(50))
        left = (folder / "journal.db").read_bytes(), (folder / "journal.db-wal").read_bytes()
    killed = tmp_path / "killed"
    killed.mkdir(mode=0o700)
    (killed / "journal.db").write_bytes(left[0])
    (killed / "journal.db-wal").write_bytes(left[1])
    Journal.restore(tmp_path / "copy.db", killed, replace=True)
    with Journal(killed) as journal:
        assert journal.last_seq == 5
        assert journal.verify().ok


def test_a_backup_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE letters (text TEXT)")
    with pytest.raises(JournalError, match=r"not a readable journal \(no such table: meta\)") as error:
        Journal.restore(tmp_path / "other.db", tmp_path / "elsewhere")
    one_line(error)


def test_closing_twice_does_no_harm(folder: Path) -> None:
    journal = Journal(folder)
    journal.close()
    journal.close()
    with Journal(folder) as again:
        assert again.last_seq == 0
