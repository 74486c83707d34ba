"""The service brings inputs to the guard and carries its effects out, whatever fails around it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from datetime import timedelta
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
    kinds,
    running,
    stranger,
    until,
)

from homeward import feeders, service
from homeward.core.effects import Action, Apply, Effect
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback, Health, Input
from homeward.core.settings import Response, Settings
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.responding import ResponderQueue
from homeward.service import Service


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


def stand_down() -> Change:
    return Change(at=START, version="test", command="stand_down")


async def test_a_delivery_is_acknowledged_only_after_the_commit_that_holds_it(journal: Journal) -> None:
    found_before_acknowledgement = []

    def on_committed(names: Sequence[str]) -> None:
        journaled = {
            entry.attributes.get("delivery") for entry in entries(journal.path.parent) if isinstance(entry, Event)
        }
        found_before_acknowledgement.append(set(names) <= journaled)

    source = TwinSource(on_committed=on_committed)
    async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())):
        for number in range(50):
            source.queue.put_nowait(
                event(action=("open", "closed")[number % 2], attributes={"delivery": f"{number}"})
            )
        await until(lambda: len(source.done) == 50)
    assert source.done == [f"{number}" for number in range(50)]
    assert all(found_before_acknowledgement)
    assert journal.unacknowledged("twin") == []


async def test_the_time_of_an_input_is_the_guards_own_and_never_goes_back(journal: Journal) -> None:
    source = TwinSource()
    liar = event(happened=START + timedelta(days=2000))
    async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())) as up:
        source.queue.put_nowait(liar)
        await until(lambda: len(up.recent) == 1)
    times = [entry.at for entry in entries(journal.path.parent)]
    assert times == sorted(times)
    assert times[-1] < START + timedelta(minutes=1)


async def test_an_act_is_done_once_and_taken_back_when_its_time_is_over(journal: Journal) -> None:
    lamps = TwinResponder()
    async with running(Service(Guard(journal), BRIEFLY, responders=[lamps], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: lamps.steps == ["apply", "revert"])
        await until(lambda: all(lease.status == "ended" for lease in up.guard.engine.leases.values()))
    (_, action), _ = lamps.asked
    assert (action.device, action.command, action.restore) == ("lamp", "on", "off")
    written = kinds(entries(journal.path.parent))
    assert written.index("Apply") < written.index("Outcome") < written.index("Revert")


async def test_a_revert_that_fails_is_asked_for_until_it_succeeds(journal: Journal) -> None:
    lamps = TwinResponder(failures={"revert": 3})
    async with running(Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock(rate=20))) as up:
        await up.submit(stranger())
        await until(lambda: lamps.steps == ["apply"])
        await up.submit(stand_down())
        await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
    assert lamps.steps == ["apply", *["revert"] * 4]
    assert any(isinstance(e, Health) and e.subject == "responder:lamps" and not e.up for e in entries_of(journal))


def entries_of(journal: Journal) -> list[Input | Effect]:
    return [entry for _, entry in journal.entries()]


async def test_no_responder_waits_for_another(journal: Journal) -> None:
    second = Response(
        name="ring", device="door", command="lock", when=("rule:new client",), minutes=None, responder="stuck"
    )
    settings = Settings(place="home", devices=SETTINGS.devices, responses=(second, *SETTINGS.responses))
    stuck, lamps = TwinResponder("stuck", hang=True), TwinResponder()
    async with running(Service(Guard(journal), settings, responders=[stuck, lamps], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: stuck.steps == ["apply"] and lamps.steps == ["apply"])
        await until(lambda: up.guard.engine.leases["i1-2"].status == "active")


async def test_a_responder_that_does_not_answer_in_time_has_failed() -> None:
    reports: list[tuple[bool, str]] = []
    queue = ResponderQueue(
        TwinResponder(hang=True), lambda _name, _effect, ok, detail: reports.append((ok, detail)), seconds=0.05
    )
    action = Apply(at=START, action=_an_action())
    assert queue.put(action)
    assert queue.put(action), "what already waits is not asked for twice"
    task = asyncio.create_task(queue.run())
    await queue.finished()
    task.cancel()
    assert reports == [(False, "no answer within 0.05 s")]


def _an_action() -> Action:
    return Action(id="i1-1", incident="i1", responder="lamps", device="lamp", command="on", restore="off", ends=START)


async def test_a_source_that_fails_is_told_as_blindness_and_started_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeders, "RESTART_FIRST", 0.01)
    source = TwinSource()
    async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())) as up:
        source.queue.put_nowait(ConnectionError("the broker\nis gone"))
        await until(lambda: source.starts == 2)
        source.queue.put_nowait(event())
        await until(lambda: len(up.recent) == 1)
        (incident,) = up.guard.engine.incidents.values()
        assert (incident.kind, incident.device) == ("blind", "source:twin")
        assert incident.closed is not None
        assert "the broker is gone" in incident.reason
        assert up.counters["source_restarts"] == 1


async def test_a_source_that_goes_on_failing_is_told_once_and_tried_ever_less_often(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(TwinSource):
        async def events(self):  # type: ignore[no-untyped-def]
            self.starts += 1
            if self.starts:
                raise ConnectionError("no route to the broker")
            yield

    monkeypatch.setattr(feeders, "RESTART_FIRST", 0.01)
    source = Broken()
    async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())):
        await until(lambda: source.starts >= 5)
    told = [entry for entry in entries_of(journal) if isinstance(entry, Health)]
    assert [(health.subject, health.up) for health in told] == [("source:twin", False)]


async def test_sources_wait_when_the_engine_is_behind(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    yielded = 0

    class Endless(TwinSource):
        async def events(self):  # type: ignore[no-untyped-def]
            nonlocal yielded
            while yielded < 20_000:
                yielded += 1
                yield event(action=("open", "closed")[yielded % 2], number=yielded)
            await asyncio.Event().wait()

    most = 0
    async with running(Service(Guard(journal), SETTINGS, sources=[Endless()], clock=Clock())) as up:

        def all_in() -> bool:
            nonlocal most
            most = max(most, yielded - up.counters["events"])
            return up.counters["events"] == 20_000

        await until(all_in, 60)
    assert most <= service.EVENT_LIMIT + service.COMMIT_LIMIT + 1
    ids = [entry.id for entry in entries_of(journal) if isinstance(entry, Event)]
    assert ids == [str(number) for number in range(1, 20_001)]


async def test_what_cannot_be_written_down_is_refused_and_nothing_else_is_lost(journal: Journal) -> None:
    async with running(Service(Guard(journal), SETTINGS, clock=Clock())) as up:
        with pytest.raises(ValueError, match="cannot be written down"):
            await up.submit(Feedback(at=START, incident="\ud800", answer="yes"))
        await up.submit(event())
        assert up.counters["unwritable"] == 1
    assert "Event" in kinds(entries_of(journal))


async def test_changes_are_told_with_growing_numbers_and_not_one_by_one(journal: Journal) -> None:
    async with running(Service(Guard(journal), SETTINGS, clock=Clock())) as up:
        changes = up.changes()
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        await up.submit(event())
        numbers = [await first]
        for number in range(20):
            await up.submit(event(action=("open", "closed")[number % 2]))
        numbers.append(await anext(changes))
        assert numbers[1] >= numbers[0] + 20


async def test_stopping_keeps_what_came_in_and_the_next_start_is_quick_and_silent(journal: Journal) -> None:
    source = TwinSource()
    async with running(Service(Guard(journal), SETTINGS, sources=[source], clock=Clock())) as up:
        for number in range(600):
            source.queue.put_nowait(event(action=("open", "closed")[number % 2], number=number))
        await until(lambda: up.counters["events"] > 0)
    written = sum(isinstance(entry, Event) for entry in entries_of(journal))
    assert written == up.counters["events"]
    again = Guard.resume(journal)
    assert again.before.clean
    async with running(Service(again, SETTINGS, clock=Clock(again.before.stopped_at or START))) as up:
        await up.submit(event())
        assert not any(incident.kind == "blind" for incident in up.guard.engine.incidents.values())


async def test_a_guard_that_was_killed_says_from_when_to_when_it_was_blind(journal: Journal, tmp_path: Path) -> None:
    async with running(Service(Guard(journal), SETTINGS, clock=Clock())) as up:
        await up.submit(event())
        shutil.copytree(journal.path.parent, tmp_path / "crash")
    with Journal(tmp_path / "crash") as left:
        guard = Guard.resume(left)
        assert not guard.before.clean
        async with running(Service(guard, SETTINGS, clock=Clock(START + timedelta(hours=3)))) as up:
            await up.submit(event())
            (incident,) = guard.engine.incidents.values()
        assert (incident.kind, incident.device) == ("blind", "guard")
        assert "from 2025-03-03 12:00:00 to 2025-03-03 15:00:00" in incident.reason
        assert incident.closed is not None


async def test_a_lease_that_was_open_at_a_crash_is_ended_after_it(journal: Journal, tmp_path: Path) -> None:
    lamps = TwinResponder()
    async with running(Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
        shutil.copytree(journal.path.parent, tmp_path / "crash")
    with Journal(tmp_path / "crash") as left:
        after = TwinResponder()
        clock = Clock(START + timedelta(minutes=10, seconds=10))
        async with running(Service(Guard.resume(left), SETTINGS, responders=[after], clock=clock)) as up:
            await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
        assert after.steps == ["revert"]


async def test_an_act_without_an_outcome_at_a_crash_is_asked_for_again(journal: Journal, tmp_path: Path) -> None:
    stuck = TwinResponder(hang=True)
    async with running(Service(Guard(journal), SETTINGS, responders=[stuck], clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: stuck.steps == ["apply"])
        shutil.copytree(journal.path.parent, tmp_path / "crash")
    with Journal(tmp_path / "crash") as left:
        after = TwinResponder()
        clock = Clock(START + timedelta(seconds=5))
        async with running(Service(Guard.resume(left), SETTINGS, responders=[after], clock=clock)) as up:
            await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
        assert after.steps == ["apply"]
        assert after.asked == stuck.asked


async def test_an_act_without_a_responder_is_never_done_and_says_so(journal: Journal) -> None:
    async with running(Service(Guard(journal), SETTINGS, clock=Clock())) as up:
        await up.submit(stranger())
        await until(lambda: "no responder is called lamps" in up.guard.engine.leases["i1-1"].error)
        await up.submit(stand_down())
        await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
