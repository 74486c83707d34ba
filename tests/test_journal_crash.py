"""What is on disk when the process dies, the power goes or the disk fills up."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homeward.core.event import Event
from homeward.journal import Journal, JournalFull

SHIM = Path(__file__).parent / "fsync_shim.c"
START = datetime(2026, 3, 1, tzinfo=UTC)

# Appends batches without end; says of each, once it is committed, its number and its last entry's.
WRITER = """
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from homeward.core.event import Event
from homeward.journal import Journal

folder, size = Path(sys.argv[1]), int(sys.argv[2])
with Journal(folder) as journal:
    journal._connection.execute(os.environ.get("WRITER_PRAGMA", "PRAGMA synchronous"))
    at = journal.last_at or datetime(2026, 3, 1, tzinfo=UTC)
    batch = journal.last_seq // size
    while True:
        events = []
        for number in range(size):
            at += timedelta(seconds=1)
            events.append(Event(id=f"{batch}.{number}", source="test", at=at, device="lamp", action="on"))
        name = ("test", str(batch))
        journal.append(events, deliveries=[name], last={("test", "lamp"): str(batch)})
        print(batch, journal.last_seq, flush=True)
        batch += 1
"""


def write_until_killed(
    folder: Path, size: int, kill_after: int | None = None, environment: dict[str, str] | None = None
) -> int:
    """Run the writer; SIGKILL it while it goes on after so many batches. The last batch committed, or -1."""
    command = [sys.executable, "-c", WRITER, str(folder), str(size)]
    committed = -1
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for seen, line in enumerate(child.stdout, start=1):
            if not line.endswith("\n"):
                break
            committed = int(line.split()[0])
            if seen == kill_after:
                child.send_signal(signal.SIGKILL)
        errors = child.stderr.read()
    assert child.returncode == -signal.SIGKILL, errors
    return committed


def assert_holds_whole_batches(folder: Path, size: int, committed: int) -> None:
    """Opens, verifies, holds every batch up to ``committed`` and no part of another."""
    with Journal(folder, create=False) as journal:
        assert journal.verify().ok
        assert journal.last_seq % size == 0
        batches = journal.last_seq // size
        assert batches > committed
        ids = [item.id for _, item in journal.inputs() if isinstance(item, Event)]
        assert ids == [f"{batch}.{number}" for batch in range(batches) for number in range(size)]
        assert journal.unacknowledged("test") == [str(batch) for batch in range(batches)]
        assert journal.last_states("test") == ({"lamp": str(batches - 1)} if batches else {})


def test_a_journal_whose_writer_was_killed_mid_append_holds_whole_batches_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    for kill_after in (1, 7, 40):  # each time on top of what the kill before has left
        committed = write_until_killed(folder, 200, kill_after)
        assert_holds_whole_batches(folder, 200, committed)


def test_a_reader_that_opens_while_the_guard_writes_never_finds_damage(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), "1"], stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            for _ in range(1_000):
                with Journal(folder, read_only=True) as reader:
                    assert next(reader.entries(), None) is not None
        finally:
            child.kill()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory, need_program: Callable[[str, str], str]) -> Path:
    library = tmp_path_factory.mktemp("shim") / "fsync_shim.so"
    compiler = need_program("cc", "gcc libc6-dev")
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(SHIM), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return library


def cut_the_power(
    tmp_path: Path,
    shim: Path,
    size: int,
    kill_after: int | None = None,
    die_after: int | None = None,
    environment: dict[str, str] | None = None,
) -> tuple[Path, int]:
    """The folder as a disk without its unsynced writes would hold it, and the last batch said to be committed."""
    folder, kept, shadow = tmp_path / "guard", tmp_path / "kept", tmp_path / "shadow"
    folder.mkdir(mode=0o700)
    for below in ("content", "names"):
        (kept / below).mkdir(parents=True)
    shimmed = {"LD_PRELOAD": str(shim), "FSYNC_SHIM_FROM": str(folder), "FSYNC_SHIM_TO": str(kept)}
    if die_after is not None:
        shimmed["FSYNC_SHIM_DIE_AFTER"] = str(die_after)
    committed = write_until_killed(folder, size, kill_after, shimmed | (environment or {}))
    shadow.mkdir(mode=0o700)
    for name in (kept / "names").iterdir():
        (shadow / name.name).write_bytes(name.read_bytes() if name.exists() else b"")
    return shadow, committed


@pytest.mark.parametrize("kill_after", [3, 60])
def test_after_a_power_cut_every_batch_that_was_reported_committed_is_there(
    tmp_path: Path, shim: Path, kill_after: int
) -> None:
    """Sixty batches of 500 take the log through more than one checkpoint."""
    shadow, committed = cut_the_power(tmp_path, shim, 500, kill_after=kill_after)
    assert committed >= kill_after - 1
    assert_holds_whole_batches(shadow, 500, committed)


@pytest.mark.parametrize("die_after", [*range(1, 13), 40, 41, 42, 43, 44])
def test_after_a_power_cut_at_any_sync_the_journal_is_whole_or_was_never_begun(
    tmp_path: Path, shim: Path, die_after: int
) -> None:
    """The first dozen syncs make the journal; the first checkpoint of batches of 500 falls into the forties."""
    shadow, committed = cut_the_power(tmp_path, shim, 500, die_after=die_after)
    if (shadow / "journal.db").exists():
        assert_holds_whole_batches(shadow, 500, committed)
    else:
        assert committed == -1


def test_without_its_syncs_the_journal_would_lose_batches_so_the_cut_is_a_cut(tmp_path: Path, shim: Path) -> None:
    """The tests above would also pass with a shim that kept everything; this one would not."""
    careless = {"WRITER_PRAGMA": "PRAGMA synchronous = OFF"}
    shadow, committed = cut_the_power(tmp_path, shim, 500, kill_after=10, environment=careless)
    with Journal(shadow) as journal:
        assert journal.last_seq // 500 <= committed


def some_events(count: int, text: str = "") -> list[Event]:
    return [
        Event(id=str(n), source="test", at=START + timedelta(seconds=n), device="lamp", action="on", origin=text)
        for n in range(count)
    ]


def fill(journal: Journal) -> int:
    """Append until the disk is full; how many entries were committed."""
    batch = some_events(50, "x" * 100)
    for _ in range(10_000):
        try:
            journal.append(batch, deliveries=[("test", "1")], last={("test", "lamp"): "on"})
        except JournalFull:
            return journal.last_seq
    pytest.fail("the disk never became full")


def assert_same_before_and_after(journal: Journal, committed: int) -> None:
    verdict = journal.verify()
    assert verdict.ok
    assert verdict.verified == committed == journal.last_seq
    assert committed % 50 == 0


def test_a_journal_at_its_limit_refuses_whole_batches_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with Journal(tmp_path / "guard") as journal:
        journal._connection.execute("PRAGMA max_page_count = 100")
        committed = fill(journal)
        assert_same_before_and_after(journal, committed)
        journal._connection.execute("PRAGMA max_page_count = 1000")
        journal.append(some_events(50))
        assert_same_before_and_after(journal, committed + 50)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of two MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; the limit above stands in for it")
    libc = ctypes.CDLL(None, use_errno=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    if libc.mount(b"homeward-test", os.fsencode(disk), b"tmpfs", 0, b"size=2m") != 0:
        pytest.skip(f"no small disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield disk
    finally:
        libc.umount2(os.fsencode(disk), 2)  # MNT_DETACH


def test_a_full_disk_refuses_whole_batches_and_the_journal_goes_on_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    with Journal(small_disk / "guard") as journal:
        fill(journal)
        committed = fill(journal)  # still full, and still in one piece
        with pytest.raises(JournalFull):
            journal.save_snapshot({"state": "x" * 500_000})
        assert_same_before_and_after(journal, committed)
        ballast.unlink()
        journal.append(some_events(50))
        assert_same_before_and_after(journal, committed + 50)
    with Journal(small_disk / "guard", create=False) as journal:
        assert_same_before_and_after(journal, committed + 50)


def test_a_guard_stopped_on_a_full_disk_opens_again_there(small_disk: Path) -> None:
    with Journal(small_disk / "guard") as journal:
        committed = fill(journal)
        journal.acknowledged([("test", "1")])
    with Journal(small_disk / "guard") as journal:
        assert_same_before_and_after(journal, committed)


def test_a_backup_that_does_not_fit_leaves_nothing_behind(small_disk: Path, tmp_path: Path) -> None:
    with Journal(tmp_path / "guard") as journal:
        journal.append(some_events(9_000, "x" * 100))
        with pytest.raises(JournalFull, match="disk is full"):
            journal.backup(small_disk / "backup.db")
        assert list(small_disk.iterdir()) == []
        assert shutil.disk_usage(small_disk).used < 100_000
