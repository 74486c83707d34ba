"""The guard's own clock goes forwards, whatever the wall clock does; a jump is told, and no lease moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.service_twins import SETTINGS, START, TwinResponder, event, running, stranger, until

from homeward import feeders
from homeward.clock import ClockWatch, GuardClock
from homeward.core.inputs import Change
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service


class Hands:
    """The hands of the wall clock and of the clock that nobody can set."""

    def __init__(self) -> None:
        self.wall, self.seconds = START, 0.0

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds

    def clock(self, last_at: datetime | None = None) -> GuardClock:
        return GuardClock(last_at, wall=lambda: self.wall, seconds=lambda: self.seconds)


def test_it_starts_with_the_wall_clock() -> None:
    assert Hands().clock().now() == START


def test_it_goes_on_from_the_journal_where_the_wall_clock_is_behind() -> None:
    hands = Hands()
    clock = hands.clock(START + timedelta(days=365))
    hands.pass_time(10)
    assert clock.now() == START + timedelta(days=365, seconds=10)


@pytest.mark.parametrize("jump", [timedelta(days=365), timedelta(days=-365)])
def test_a_jump_of_the_wall_clock_does_not_move_it(jump: timedelta) -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += jump
    hands.pass_time(60)
    assert clock.now() == START + timedelta(seconds=60)
    assert clock.seconds_until(START + timedelta(minutes=10)) == 540
    assert clock.offset() == jump


def test_a_jump_is_told_once_and_so_is_its_end() -> None:
    hands = Hands()
    watch = ClockWatch(hands.clock())
    hands.pass_time(5)
    assert watch.look() is None
    hands.wall += timedelta(hours=1)
    told = watch.look()
    assert told is not None
    assert (told[0], told[2]) == (False, 3_600_000)
    assert "forwards by 3600 s" in told[1]
    assert watch.look() == (True, "", 3_600_000)
    assert watch.look() is None


def test_less_than_five_seconds_are_no_news() -> None:
    hands = Hands()
    watch = ClockWatch(hands.clock())
    hands.wall += timedelta(seconds=4)
    assert watch.look() is None


async def test_a_jump_of_a_year_is_shown_and_ends_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeders, "LOOK_SECONDS", 0.02)
    ahead = timedelta(0)

    def wall() -> datetime:
        return datetime.now(UTC) + ahead

    with Journal(tmp_path / "state") as journal:
        lamps = TwinResponder()
        clock = GuardClock(wall=wall)
        async with running(Service(Guard(journal), SETTINGS, responders=[lamps], clock=clock)) as up:
            await up.submit(stranger())
            await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
            ahead = timedelta(days=365)
            await until(lambda: any(i.device == "clock" for i in up.guard.engine.incidents.values()))
            await up.submit(event())
            await until(lambda: up.guard.engine.incidents["i2"].closed is not None)
            assert "went forwards" in up.guard.engine.incidents["i2"].reason
            assert up.guard.engine.state.offset == pytest.approx(365 * 86_400_000, abs=100)
            assert lamps.steps == ["apply"]
            await up.submit(Change(at=START, version="test", command="stand_down"))
            await until(lambda: lamps.steps == ["apply", "revert"])


async def test_a_restart_with_the_clock_behind_the_journal_says_so_and_goes_on(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        guard = Guard(journal)
        guard.process([Change(at=datetime.now(UTC) + timedelta(days=400), version="test", settings=SETTINGS)])
        async with running(Service(Guard.resume(journal), SETTINGS)) as up:
            await up.submit(event())
            reasons = [i.reason for i in up.guard.engine.incidents.values() if i.device == "clock"]
            assert any("behind the journal's last entry" in reason for reason in reasons)
            assert up.guard.engine.state.offset == pytest.approx(-400 * 86_400_000, abs=5_000)
        times = [entry.at for _, entry in journal.entries()]
        assert times == sorted(times)
