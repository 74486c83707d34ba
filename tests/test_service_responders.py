"""A responder that hangs, fails or half-succeeds is asked again and shown, and no other waits for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
from tests.test_service_disk import fill, quick_retries, small_disk  # noqa: F401 - fixtures

from homeward import responding
from homeward.core.decision.guardrails import ACTING_LIMIT
from homeward.core.effects import Action
from homeward.core.inputs import Change
from homeward.core.lease import Lease
from homeward.core.settings import Device, Listener, Response, Settings
from homeward.dashboard.view import LeaseView, look
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import STOP_SECONDS, Service

PROMPTLY = 3.0
"""How soon what waits for nobody is done, in seconds, on a machine that is busy with other things."""


@pytest.fixture(name="journal")
def journal_fixture(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


@pytest.fixture(name="gate")
def gate_fixture() -> Iterator[threading.Event]:
    """What hangs, hangs here; it is opened at the end, so that no thread outlives its test."""
    gate = threading.Event()
    yield gate
    gate.set()


class Light:
    """Works in threads, as real responders do. ``before`` and ``after`` the switch a test may put a fault."""

    def __init__(
        self,
        name: str,
        *,
        before: Callable[[str], object] = lambda _step: None,
        after: Callable[[str], object] = lambda _step: None,
    ) -> None:
        self.name = name
        self.before, self.after = before, after
        self.states: list[str] = []
        self.asked: list[str] = []

    async def apply(self, action: Action) -> None:
        self.asked.append("apply")
        await asyncio.to_thread(self._switch, "apply", action.command)

    async def revert(self, action: Action) -> None:
        self.asked.append("revert")
        await asyncio.to_thread(self._switch, "revert", action.restore or "as it is")

    def _switch(self, step: str, word: str) -> None:
        self.before(step)
        self.states.append(word)
        self.after(step)


def failing(times: int, *, step: str = "apply") -> Callable[[str], object]:
    """Fail so often on a step."""
    left = [times]

    def fail(asked: str) -> None:
        if asked == step and left[0]:
            left[0] -= 1
            raise ConnectionError("the light does not answer")

    return fail


def hanging(gate: threading.Event, *steps: str) -> Callable[[str], object]:
    return lambda step: gate.wait() if step in steps else None


def home(
    *names: str, minutes: float = 10.0, when: str = "rule:new client", listeners: tuple[str, ...] = ()
) -> Settings:
    """A home whose lights of these names answer a stranger, each through a responder of its own name."""
    return Settings(
        place="home",
        devices=(Device(name="broker", type="broker"), *(Device(name=name, type="light") for name in names)),
        responses=tuple(
            Response(
                name=name, device=name, command="on", when=(when,), minutes=minutes, restore="off", responder=name
            )
            for name in names
        ),
        listeners=tuple(Listener(name="household", channel=channel) for channel in listeners),
    )


def lease_of(up: Service, responder: str) -> Lease:
    return next(one for one in up.guard.engine.leases.values() if one.action.responder == responder)


def shown(up: Service) -> dict[str, LeaseView]:
    """What the page shows of the leases, by device."""
    page = look(up)
    return {one.device: one for one in (*page.leases, *page.ended)}


def stand_down() -> Change:
    return Change(at=START, version="test", command="stand_down", person="person:anna")


def undo(name: str) -> Change:
    return Change(at=START, version="test", command="undo", target=name, person="person:anna")


def written(journal: Journal) -> list[object]:
    return list(entries(journal.path.parent))


async def test_one_hangs_one_fails_one_half_succeeds_and_the_one_that_works_waits_for_none_of_them(
    journal: Journal, gate: threading.Event
) -> None:
    stuck = Light("stuck", before=hanging(gate, "apply"))
    half = Light("half", after=failing(2))
    phone = Light("phone", before=failing(3))
    works = Light("works")
    settings = home("stuck", "half", "works", listeners=("phone",))
    assert len(settings.responses) == ACTING_LIMIT
    async with running(
        Service(Guard(journal), settings, responders=[stuck, half, phone, works], clock=Clock())
    ) as up:
        began = time.monotonic()
        await up.submit(stranger())
        await until(lambda: lease_of(up, "works").status == "active")
        assert time.monotonic() - began < PROMPTLY
        assert works.states == ["on"]
        await until(lambda: bool(shown(up)["half"].error and shown(up)["household"].error))
        assert shown(up)["half"].error == shown(up)["household"].error == "the light does not answer"
        assert (shown(up)["half"].status, shown(up)["stuck"].status) == ("applying", "applying")
        await until(lambda: lease_of(up, "half").status == "active", 20)  # after 2 and 4 seconds
        assert half.states == ["on", "on", "on"], "done although it said no, and again, which changes nothing"
        await until(lambda: lease_of(up, "phone").status == "ended", 30)  # after 2, 4 and 8 seconds
        assert phone.states.count("ask") == 1, "it asks once"
        await until(lambda: shown(up)["stuck"].error == "no answer within 10 s", 20)
        await up.submit(stand_down())
        await until(lambda: works.states == ["on", "off"] and half.states[-1] == "off")


async def test_calls_that_hang_keep_neither_the_journal_nor_the_page_nor_other_responders_waiting(
    journal: Journal, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than asyncio's own pool has threads: those would be gone for good, and with them every commit."""
    monkeypatch.setattr(responding, "ANSWER_SECONDS", 0.05)
    threads = min(32, (os.cpu_count() or 1) + 4)
    stuck, works = Light("stuck", before=hanging(gate, "apply", "revert")), Light("works")
    settings = home("stuck", "works", minutes=0.1)
    service = Service(Guard(journal), settings, responders=[stuck, works], clock=Clock(rate=30))
    async with running(service) as up:
        await up.submit(stranger())
        await until(lambda: len(stuck.asked) > threads, 30)
        began = time.monotonic()
        await up.submit(event())
        assert time.monotonic() - began < PROMPTLY
        await until(lambda: works.states == ["on", "off"])
        assert lease_of(up, "stuck").status == "reverting", "shown until it works"
        gate.set()
        await until(lambda: lease_of(up, "stuck").status == "ended", 30)
        assert stuck.states[-1] == "off"


async def test_a_part_that_uses_up_asyncios_own_threads_does_not_stop_the_journal(
    journal: Journal, gate: threading.Event
) -> None:
    class Hanging(TwinSource):
        async def events(self):  # type: ignore[no-untyped-def]
            await asyncio.gather(*(asyncio.to_thread(gate.wait) for _ in range(64)))
            yield

    lamps = TwinResponder()
    async with running(
        Service(Guard(journal), SETTINGS, sources=[Hanging()], responders=[lamps], clock=Clock())
    ) as up:
        try:
            async with asyncio.timeout(10):
                await up.submit(stranger())
                await until(lambda: lamps.steps == ["apply"])
                await up.submit(stand_down())
                await until(lambda: lamps.steps == ["apply", "revert"])
        finally:
            gate.set()  # or stopping would wait for it, too


async def test_a_revert_that_hangs_is_asked_for_until_it_works_also_after_a_restart(
    journal: Journal, tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responding, "ANSWER_SECONDS", 0.05)
    stuck = Light("lamps", before=hanging(gate, "revert"))
    async with running(Service(Guard(journal), SETTINGS, responders=[stuck], clock=Clock(rate=20))) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "lamps").status == "active")
        await up.submit(stand_down())
        await until(lambda: stuck.asked.count("revert") >= 3)
        await until(lambda: shown(up)["lamp"].error == "no answer within 0.05 s")
        assert shown(up)["lamp"].status == "reverting"
        shutil.copytree(journal.path.parent, tmp_path / "crash")
        gate.set()
        await until(lambda: lease_of(up, "lamps").status == "ended")
    with Journal(tmp_path / "crash") as left:
        after = Light("lamps", before=failing(2, step="revert"))
        clock = Clock(left.last_at or START, rate=20)
        async with running(Service(Guard.resume(left), SETTINGS, responders=[after], clock=clock)) as up:
            await until(lambda: lease_of(up, "lamps").status == "ended")
        assert after.asked == ["revert"] * 3
        assert after.states == ["off"]


async def test_what_was_half_done_and_never_said_yes_is_taken_back_at_its_end(journal: Journal) -> None:
    half = Light("lamps", after=failing(1_000))
    async with running(Service(Guard(journal), BRIEFLY, responders=[half], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: lease_of(up, "lamps").status == "ended")
    assert half.states[0] == "on"
    assert half.states[-1] == "off"
    assert "off" not in half.states[:-1], "once"


async def test_a_responder_that_hangs_does_not_keep_the_guard_from_stopping(
    journal: Journal, gate: threading.Event
) -> None:
    stuck = Light("lamps", before=hanging(gate, "apply"))
    async with running(Service(Guard(journal), SETTINGS, responders=[stuck], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: stuck.asked == ["apply"])
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS + PROMPTLY
    assert Guard.resume(journal).before.clean


STOPPED_WHILE_ONE_HANGS = """
import asyncio, signal, sys, threading
from pathlib import Path
from tests.service_twins import SETTINGS, Clock, running, stranger
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service

class Stuck:
    name = "lamps"
    async def apply(self, action):
        print("asked", flush=True)
        await asyncio.to_thread(threading.Event().wait)
    revert = apply

async def main():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    with Journal(Path(sys.argv[1])) as journal:
        async with running(Service(Guard(journal), SETTINGS, responders=[Stuck()], clock=Clock())) as up:
            await up.submit(stranger())
            await told.wait()

asyncio.run(main())
"""


def test_a_process_whose_responder_hangs_for_ever_ends_when_it_is_told_to(tmp_path: Path, repository: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED_WHILE_ONE_HANGS, str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=repository,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
