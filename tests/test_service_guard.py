"""The engine and the journal keep one story: after a restart, after a back-fill, under another version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.service_twins import SETTINGS, START, Clock, TwinResponder, event, running, stranger, until

from homeward import __version__, guard
from homeward.core.effects import Action, Apply, Record, Revert
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback, Input, Outcome, Tick
from homeward.guard import Guard, backfill
from homeward.journal import Journal
from homeward.service import Service

BEGIN = Change(at=START, version=__version__, settings=SETTINGS)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


def evening() -> list[Input]:
    """A stranger comes, the lamp is lit, and the owner says that it was nothing."""
    minute = timedelta(minutes=1)
    return [
        BEGIN,
        *(replace(event(number=n, action=("open", "closed")[n % 2]), at=START + n * 7 * minute) for n in range(20)),
        replace(stranger(), at=START + 200 * minute),
        Outcome(at=START + 200 * minute, action="i1-1", step="apply", ok=True),
        Feedback(at=START + 201 * minute, incident="i1", answer="yes"),
        Outcome(at=START + 201 * minute, action="i1-1", step="revert", ok=True),
        Tick(at=START + 400 * minute),
    ]


def test_inputs_and_effects_are_written_in_the_order_in_which_they_came(journal: Journal) -> None:
    effects = Guard(journal).process(evening())
    written = [entry for _, entry in journal.entries()]
    assert [entry for entry in written if entry in effects] == effects
    at = next(n for n, entry in enumerate(written) if isinstance(entry, Event) and entry.origin == "mallory")
    told = [type(entry).__name__ for entry in written[at:] if not isinstance(entry, Record)]
    assert told[:4] == ["Event", "Notify", "Apply", "Outcome"]


def test_a_restart_folds_the_journal_to_the_same_state(journal: Journal) -> None:
    lived = Guard(journal)
    lived.process(evening())
    assert Guard.resume(journal).engine.state == lived.engine.state


def test_a_restart_from_a_snapshot_folds_to_the_same_state_too(journal: Journal) -> None:
    lived, story = Guard(journal), evening()
    lived.process(story[:15])
    journal.save_snapshot(lived.engine.state)
    lived.process(story[15:])
    again = Guard.resume(journal)
    assert again.engine.state == lived.engine.state
    assert again.before.stopped_at == story[-1].at
    assert not again.before.clean


def test_batches_make_no_difference(journal: Journal, tmp_path: Path) -> None:
    whole = Guard(journal)
    whole.process(evening())
    with Journal(tmp_path / "other") as other:
        single = Guard(other)
        for item in evening():
            single.process([item])
        assert single.engine.state == whole.engine.state
        assert [e for _, e in other.entries()] == [e for _, e in journal.entries()]


# Back-fill


def history(count: int = 2_500, *, start_days: int = 30) -> list[Event]:
    begin = START - timedelta(days=start_days)
    return [
        replace(event(number=n, action=("open", "closed")[n % 2]), at=begin + n * timedelta(minutes=13))
        for n in range(count)
    ]


def test_a_back_fill_teaches_and_causes_no_effect(journal: Journal) -> None:
    taught = Guard(journal)
    events = [*history(), replace(stranger(), at=START - timedelta(minutes=1))]
    assert backfill(taught, events, SETTINGS, until=START) == 2_501
    assert not any(isinstance(entry, Apply | Revert) for _, entry in journal.entries())
    assert not taught.engine.leases
    assert not taught.engine.incidents
    assert taught.engine.readiness().ready
    assert not taught.engine.state.backfill
    assert Guard.resume(journal).engine.state == taught.engine.state


def test_a_history_that_reaches_into_the_future_is_read_until_now(journal: Journal) -> None:
    taught = Guard(journal)
    backfill(taught, history(5_000), SETTINGS, until=START)
    assert taught.engine.now is not None
    assert taught.engine.now <= START


def test_a_back_fill_that_was_cut_short_goes_on_where_it_stopped(journal: Journal) -> None:
    events = history()

    def cut_short() -> Iterator[Event]:
        yield from events[:1_700]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(Guard(journal), cut_short(), SETTINGS, until=START)
    again = Guard.resume(journal)
    assert again.engine.state.backfill
    backfill(again, events, SETTINGS, until=START)
    written = [int(entry.id) for _, entry in journal.inputs() if isinstance(entry, Event)]
    assert written == list(range(2_500))
    assert not again.engine.state.backfill


async def test_a_guard_that_was_just_taught_does_not_claim_to_have_been_blind(journal: Journal) -> None:
    backfill(Guard(journal), history(100), SETTINGS, until=START)
    async with running(Service(Guard.resume(journal), SETTINGS, clock=Clock())) as up:
        await up.submit(event())
        assert not up.guard.engine.incidents


# Another version: the fold is a what-if


def act(name: str, device: str = "lamp") -> Action:
    return Action(
        id=name, incident="i9", responder="lamps", device=device, command="on", restore="off",
        ends=START + timedelta(minutes=10),
    )  # fmt: skip


async def test_an_act_that_this_version_would_not_have_done_is_taken_back(journal: Journal) -> None:
    journal.append([BEGIN, Apply(at=START, action=act("i9-1"))])
    lamps = TwinResponder()
    resumed = Guard.resume(journal)
    assert resumed.before.orphans == (act("i9-1"),)
    async with running(Service(resumed, SETTINGS, responders=[lamps], clock=Clock())):
        await until(lambda: any(isinstance(entry, Outcome) for _, entry in journal.entries()))
    assert lamps.asked == [("revert", act("i9-1"))]
    assert Guard.resume(journal).before.orphans == ()


async def test_an_act_that_only_this_version_would_have_done_is_not_done(journal: Journal) -> None:
    journal.append([BEGIN, replace(stranger(), at=START)])  # the other version saw nothing in it
    lamps = TwinResponder()
    resumed = Guard.resume(journal)
    assert resumed.before.phantoms == {"i1-1"}
    async with running(Service(resumed, SETTINGS, responders=[lamps], clock=Clock())) as up:
        await until(lambda: up.guard.engine.leases["i1-1"].status == "ended")
    assert lamps.asked == []


def test_a_one_shot_act_that_was_done_is_no_orphan(journal: Journal) -> None:
    lock = replace(act("i9-1", "door"), command="lock", restore=None, ends=None)
    journal.append([BEGIN, Apply(at=START, action=lock), Outcome(at=START, action="i9-1", step="apply", ok=True)])
    assert Guard.resume(journal).before.orphans == ()


def test_progress_is_told_for_every_entry(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BATCH", 10)
    told = 0

    def one() -> None:
        nonlocal told
        told += 1

    backfill(Guard(journal), history(25), SETTINGS, until=START, on_event=one)
    assert told == 25
    told = 0
    Guard.resume(journal, one)
    assert told == 25 + 3
