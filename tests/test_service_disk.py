"""A full disk: nothing is claimed that is not written, no lease outlasts its end, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service_twins import (
    BRIEFLY,
    SETTINGS,
    START,
    Clock,
    TwinResponder,
    TwinSource,
    entries,
    event,
    running,
    stranger,
    until,
)

from homeward import service
from homeward.core.effects import Apply
from homeward.core.event import Event
from homeward.core.inputs import Change, Health
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of sixteen megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RETRY_FIRST", 0.05)
    monkeypatch.setattr(service, "RETRY_LAST", 0.1)


async def test_while_the_disk_is_full_nothing_is_acknowledged_and_afterwards_nothing_is_missing(
    small_disk: Path,
) -> None:
    with Journal(small_disk / "state") as journal:
        source = TwinSource()
        async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())) as up:
            await up.submit(event())
            ballast = fill(small_disk)
            for number in range(5_000):
                source.queue.put_nowait(
                    event(
                        "cupboard",
                        ("open", "closed")[number % 2],
                        number=number,
                        attributes={"delivery": f"{number}"},
                    )
                )
            await until(lambda: up.counters["commits_failed"] > 2)
            on_disk = {e.attributes.get("delivery") for e in entries(journal.path.parent) if isinstance(e, Event)}
            assert set(source.done) <= on_disk
            assert len(source.done) < 5_000
            assert len(up.guard.unwritten) <= 2 * service.COMMIT_LIMIT
            (blind,) = [i for i in up.guard.engine.incidents.values() if i.kind == "blind"]
            assert blind.device == "disk"
            assert blind.closed is None
            ballast.unlink()
            await until(lambda: len(source.done) == 5_000, 30)
            await until(lambda: blind.closed is not None)
        assert source.done == [f"{number}" for number in range(5_000)]
        written = entries(journal.path.parent)
        assert [e.id for e in written if isinstance(e, Event)][1:] == [f"{number}" for number in range(5_000)]
        assert [e.up for e in written if isinstance(e, Health) and e.subject == "disk"] == [False, True]
        assert journal.verify().ok


async def test_a_lease_ends_on_time_although_the_disk_is_full(small_disk: Path) -> None:
    with Journal(small_disk / "state") as journal:
        lamps = TwinResponder()
        clock = Clock()
        async with running(Service(Guard(journal), BRIEFLY, responders=[lamps], clock=clock)) as up:
            await up.submit(stranger())
            await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
            ballast = fill(small_disk)
            await until(lambda: lamps.steps == ["apply", "revert"])
            late = clock.now() - up.guard.engine.leases["i1-1"].action.ends  # type: ignore[operator]
            assert late.total_seconds() < 1
            await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
            assert up.counters["commits_failed"] > 0
            ballast.unlink()
            await until(lambda: not up.guard.unwritten)
        assert journal.verify().ok


async def test_standing_down_works_while_the_disk_is_full(small_disk: Path) -> None:
    with Journal(small_disk / "state") as journal:
        lamps = TwinResponder()
        async with running(Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())) as up:
            await up.submit(stranger())
            await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
            ballast = fill(small_disk)
            await up.submit(Change(at=START, version="test", command="stand_down"))
            await until(lambda: lamps.steps == ["apply", "revert"])
            ballast.unlink()
            await until(lambda: not up.guard.unwritten)
        commands = [e.command for e in entries(journal.path.parent) if isinstance(e, Change)]
        assert commands == [None, "stand_down"]


async def test_no_new_act_is_begun_that_cannot_be_written_down(small_disk: Path) -> None:
    with Journal(small_disk / "state") as journal:
        lamps, source = TwinResponder(), TwinSource()
        service_ = Service(Guard(journal), SETTINGS, sources=[source], responders=[lamps], clock=Clock(rate=30))
        async with running(service_) as up:
            await up.submit(event())
            ballast = fill(small_disk)
            source.queue.put_nowait(stranger())
            await until(lambda: "i1-1" in up.guard.engine.leases)
            await until(lambda: "cannot be written down" in up.guard.engine.leases["i1-1"].error)
            assert lamps.steps == []
            ballast.unlink()
            await until(lambda: lamps.steps == ["apply"])
            assert any(isinstance(e, Apply) for e in entries(journal.path.parent)), "written before it was done"


async def test_an_act_that_was_never_begun_is_not_taken_back(small_disk: Path) -> None:
    with Journal(small_disk / "state") as journal:
        lamps, source = TwinResponder(), TwinSource()
        service_ = Service(Guard(journal), SETTINGS, sources=[source], responders=[lamps], clock=Clock())
        async with running(service_) as up:
            await up.submit(event())
            ballast = fill(small_disk)
            source.queue.put_nowait(stranger())
            await until(lambda: "i1-1" in up.guard.engine.leases)
            await up.submit(Change(at=START, version="test", command="stand_down"))
            await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
            assert lamps.steps == []
            ballast.unlink()
            await until(lambda: not up.guard.unwritten)


async def test_after_a_full_disk_the_journal_still_folds_to_the_state_that_was_lived(small_disk: Path) -> None:
    with Journal(small_disk / "state") as journal:
        lamps, source = TwinResponder(failures={"revert": 2}), TwinSource()
        service_ = Service(Guard(journal), SETTINGS, sources=[source], responders=[lamps], clock=Clock(rate=60))
        async with running(service_) as up:
            await up.submit(stranger())
            await until(lambda: lamps.steps == ["apply"])
            ballast = fill(small_disk)
            source.queue.put_nowait(event())
            await up.submit(Change(at=START, version="test", command="stand_down"))
            await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
            ballast.unlink()
            await until(lambda: not up.guard.unwritten)
            lived = up.guard
        folded = Guard(journal)
        for _, entry in journal.inputs():
            folded.engine.handle(entry)
        assert folded.engine.state == lived.engine.state
