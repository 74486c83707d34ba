"""How the story's time goes: fast while nothing is wrong, real while the guard holds something, then fast again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.demo.onlooker import Onlooker

from homeward.demo import story
from homeward.demo.broker import broker_in_the_box
from homeward.demo.clock import DemoClock
from homeward.demo.demonstration import RIGHTS
from homeward.demo.devices import live_devices
from homeward.demo.story import Story

START = datetime(2026, 5, 6, 20, 30, tzinfo=UTC)
INTRUDER = START + timedelta(hours=6, minutes=10)
RATE = 7200.0


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (the clock has no event to wait for)
            await asyncio.sleep(0.01)
    assert condition(), what


class Told:
    """A story that is being told, and a guard that may command its devices."""

    def __init__(self, clock: DemoClock, guard: Onlooker) -> None:
        self.clock, self.guard = clock, guard

    async def command(self, state: str) -> None:
        await asyncio.to_thread(self.guard.say, "cmd/siren", f'{{"state": "{state}"}}')
        await asyncio.to_thread(self.guard.hears, "home/siren", f'{{"state": "{state}"}}'.encode())


@pytest.fixture
async def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Told]:
    monkeypatch.setattr(story, "WATCH_SECONDS", 0.5)
    clock = DemoClock(START)
    async with (
        broker_in_the_box(tmp_path, RIGHTS) as broker,
        live_devices(broker.settings("devices", "d")) as devices,
    ):
        guard = await asyncio.to_thread(Onlooker, broker.settings("guard", "guard"))
        await asyncio.to_thread(guard.listen, "home/+")
        one = Story(clock, devices, start=START, intruder=INTRUDER, rate=RATE, seed=7)
        task = asyncio.create_task(one.tell())
        try:
            yield Told(clock, guard)
        finally:
            task.cancel()
            await asyncio.wait({task})
            await asyncio.to_thread(guard.close)


async def test_time_is_real_from_the_strangers_coming_until_the_guard_lets_go(told: Told) -> None:
    await asyncio.to_thread(told.guard.hears, "home/front door", b'{"contact": false}')
    await until(lambda: told.clock.pace == 1.0, "time slows down")
    assert timedelta(0) <= told.clock.now() - INTRUDER < timedelta(seconds=5)
    await told.command("ON")
    await asyncio.sleep(1.0)  # longer than time stays slow by itself
    assert told.clock.pace == 1.0
    await told.command("OFF")
    await until(lambda: told.clock.pace >= RATE, "time goes fast again")


async def test_time_goes_fast_again_by_itself_when_nobody_acts(told: Told) -> None:
    await until(lambda: told.clock.now() >= INTRUDER and told.clock.pace == 1.0, "time slows down")
    await until(lambda: told.clock.pace >= RATE, "time goes fast again")


async def test_the_real_seconds_until_the_stranger_comes_are_foretold(tmp_path: Path) -> None:
    async with (
        broker_in_the_box(tmp_path, RIGHTS) as broker,
        live_devices(broker.settings("devices", "d")) as devices,
    ):
        usual = Story(DemoClock(START), devices, start=START, intruder=INTRUDER, rate=120, seed=7)
        assert 45 <= usual.seconds_until_intruder <= 110  # everything has to be seen within two minutes
