"""The guard without its clock and its wires: the engine and the journal, kept in step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from homeward import __version__
from homeward.core.effects import Action, Apply, Effect, Revert
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback, Forgotten, Health, Input, Outcome, Tick
from homeward.core.lease import Lease
from homeward.core.settings import Settings
from homeward.journal import Journal
from homeward.journal.chain import encode

BATCH: Final = 1_000
"""Inputs in one transaction when history is read."""

_INPUTS: Final = (Event, Feedback, Outcome, Change, Health, Forgotten, Tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the journal tells of the guard that ran before this one.

    ``stopped_at`` is the time of its last word, ``None`` for a new journal or one that holds only history; ``clean``
    whether it said goodbye. Under another version than the one that wrote the journal the fold is a what-if:
    ``phantoms`` are leases that only the what-if opened (nothing was ever done), ``orphans`` are acts that were
    done and that the what-if does not know (they have to be taken back).
    """

    stopped_at: datetime | None = None
    clean: bool = True
    phantoms: frozenset[str] = frozenset()
    orphans: tuple[Action, ...] = ()


class Guard:
    """Inputs go through the engine, then into the journal together with their effects; then the effects may be done.

    ``handle`` folds one input in memory; ``commit`` writes everything folded so far in one transaction, in the
    order input, its effects, input, its effects. What could not be written is kept in ``unwritten`` and written by
    the next ``commit`` that succeeds, so that the journal and the engine never tell different stories. Whoever
    calls ``handle`` does no act before ``commit`` has returned.
    """

    def __init__(self, journal: Journal, engine: Engine | None = None) -> None:
        self.journal = journal
        self.engine = Engine() if engine is None else engine
        self.unwritten: list[Input | Effect] = []
        self.before = Before()
        self._deliveries: list[tuple[str, str]] = []
        self._last: dict[tuple[str, str], str] = {}

    @classmethod
    def resume(cls, journal: Journal, on_entry: Callable[[], object] = lambda: None) -> Guard:
        """The guard as the journal tells it: the last snapshot, and a fold of what came after.

        ``on_entry`` is called for each entry that is read.

        Raises:
            JournalError: the journal cannot be read.
        """
        snapshot = journal.load_snapshot(EngineState)
        after, engine = (snapshot[0], Engine(snapshot[1])) if snapshot else (0, Engine())
        done = {name: lease.action for name, lease in engine.leases.items() if lease.status != "ended"}
        entry: Input | Effect | None = None
        for _, entry in journal.entries(after):
            if isinstance(entry, _INPUTS):
                engine.handle(entry)
            if isinstance(entry, Apply | Revert):
                done[entry.action.id] = entry.action
            elif isinstance(entry, Outcome) and entry.ok and _ends(entry, done):
                del done[entry.action]
            on_entry()
        guard = cls(journal, engine)
        opened = {name: lease.action for name, lease in engine.leases.items() if _was_asked_for(lease)}
        held = {name for name, action in opened.items() if name in done and done[name].device == action.device}
        taught = isinstance(entry, Change) and entry.command == "backfill_end"
        guard.before = Before(
            stopped_at=None if taught else journal.last_at,
            clean=entry is None,
            phantoms=frozenset(opened.keys() - held),
            orphans=tuple(done[name] for name in sorted(done.keys() - held) if done[name].ends is not None),
        )
        return guard

    def process(
        self,
        inputs: Iterable[Input],
        *,
        deliveries: Sequence[tuple[str, str]] = (),
        last: Mapping[tuple[str, str], str] | None = None,
    ) -> list[Effect]:
        """Fold a batch and commit it. The effects that are returned are on record and may be done.

        Raises:
            JournalError: nothing of the batch was written; nothing may be done or acknowledged. The engine has
                moved on and the batch is kept: ``commit`` tries again.
        """
        entries, effects, handle = self.unwritten, list[Effect](), self.engine.handle
        for item in inputs:
            entries.append(item)
            done = handle(item)
            if done:
                entries.extend(done)
                effects.extend(done)
        self.note(deliveries, last or {})
        self.commit()
        return effects

    def handle(self, item: Input, *, keep: bool = True) -> list[Effect]:
        """Fold one input in memory. ``keep=False`` leaves a `Tick`, which teaches nothing, out of the journal.

        Raises:
            ValueError: the journal could not hold it (a lone surrogate, say); it was not taken in.
        """
        try:
            encode(item)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a {type(item).__name__} that cannot be written down ({error})") from None
        effects = self.engine.handle(item)
        if keep:
            self.unwritten.append(item)
            self.unwritten.extend(effects)
        return effects

    def note(self, deliveries: Sequence[tuple[str, str]], last: Mapping[tuple[str, str], str]) -> None:
        """What the next commit writes beside the entries: deliveries (source, name) and last states."""
        self._deliveries.extend(deliveries)
        self._last.update(last)

    def commit(self) -> None:
        """Write what is unwritten, in one transaction, fsynced. Touches the journal only: it may run in a thread.

        Raises:
            JournalError: it could not be written and is kept.
        """
        if not self.unwritten:
            return
        self.journal.append(self.unwritten, deliveries=self._deliveries, last=self._last)
        self.unwritten.clear()
        self._deliveries.clear()
        self._last.clear()


def _was_asked_for(lease: Lease) -> bool:
    """Whether it is open, and no message that still waits for the end of quiet hours."""
    return lease.status != "ended" and (lease.status != "applying" or lease.attempts > 0)


def _ends(outcome: Outcome, done: Mapping[str, Action]) -> bool:
    """Whether this outcome was the last of an act: a revert, or a one-shot act itself."""
    action = done.get(outcome.action)
    return action is not None and (outcome.step == "revert" or action.ends is None)


def backfill(
    guard: Guard,
    events: Iterable[Event],
    settings: Settings,
    *,
    until: datetime,
    on_event: Callable[[], object] = lambda: None,
) -> int:
    """Teach the guard from history, before its first live input; returns how many events it learned from.

    It causes no effect and opens no lease. Events of a later time than ``until`` (now) are left out, and so are
    those not later than the journal's last entry: a back-fill that was interrupted goes on where it stopped.

    Raises:
        JournalError: the journal cannot be written.
    """
    seen = guard.engine.now
    wanted = (event for event in events if event.at <= until and (seen is None or event.at > seen))
    first = next(wanted, None)
    if first is None and not guard.engine.state.backfill:
        return 0
    began = first.at if first is not None else (seen or until)
    _teach(guard, [Change(at=began, version=__version__, settings=settings)])
    _teach(guard, [Change(at=began, version=__version__, command="backfill_begin")])
    count, batch = 0, [first] if first is not None else []
    while batch:
        _teach(guard, batch)
        count += len(batch)
        for _ in batch:
            on_event()
        batch = list(islice(wanted, BATCH))
    ended = guard.engine.now or began
    _teach(guard, [Change(at=ended, version=__version__, command="backfill_end")])
    return count


def _teach(guard: Guard, inputs: Sequence[Input]) -> None:
    for item in inputs:
        guard.unwritten.append(item)
        guard.engine.handle(item)  # what a history brings about is dropped: it is over
    guard.commit()
