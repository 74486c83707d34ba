"""The async shell: one task per source, one for the engine, one queue per responder.

Inputs are folded in the event loop, by one task; only the commit runs in a thread, so that the page stays alive
while the disk is slow: in a thread of its own, as others might use up asyncio's. Nothing is acknowledged and nothing
is done before its commit, with one exception: a lease ends on time whatever fails, so reverts are carried out also
while the journal cannot be written.

While it cannot be written (a full disk): the batch is kept and tried again; sources wait; no new act is done, and
the engine is told so by an `Outcome`, so that it asks again when there is space; outcomes, answers, commands and
time itself go on in memory and are written, in their order, before anything else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from homeward import __version__
from homeward.clock import NOTABLE, Clock, GuardClock
from homeward.core.effects import Apply, Effect, Notify, Revert
from homeward.core.event import Event
from homeward.core.inputs import Change, Health, Input, Outcome, Tick
from homeward.core.settings import Settings
from homeward.core.vocabulary import CLAIMS
from homeward.feeders import SOURCE, collect_notes, end_orphans, supervise, watch_clock
from homeward.guard import Guard
from homeward.journal import JournalError
from homeward.responders import Responder
from homeward.responding import Acting, one_line
from homeward.sources import Source
from homeward.sources.topics import last_state

log = logging.getLogger(__name__)

COMMIT_LIMIT: Final = 512
"""Inputs in one commit."""

EVENT_LIMIT: Final = 2_048
"""Events that may wait for the engine; beyond it sources wait."""

URGENT_LIMIT: Final = 1_024
"""Outcomes, answers, commands and news of failures that may wait."""

UNWRITTEN_LIMIT: Final = 20_000
"""Entries kept in memory while the disk is full; beyond it only time passes, and leases still end."""

RECENT: Final = 200
SNAPSHOT_INPUTS: Final = 10_000
SNAPSHOT_SECONDS: Final = 6 * 3_600.0
GAP: Final = timedelta(seconds=60)
"""A clean restart that took less is not worth telling."""

CHANGES_SECONDS: Final = 0.2
RETRY_FIRST, RETRY_LAST = 0.5, 30.0
STOP_SECONDS: Final = 3.0


@runtime_checkable
class Refuses(Protocol):
    """A part that counts by reason what it could not use."""

    name: str
    refused: Counter[str]


@dataclass(slots=True)
class _Waiting:
    """An input on its way to the engine: where it came from, and who waits for what comes of it."""

    item: Input
    source: Source | None = None
    done: asyncio.Future[list[Effect]] | None = None


class Service:
    """Brings inputs to the guard and carries its effects out, until cancelled.

    ``recent`` holds the last 200 events, newest last. The ``at`` of every input is set here, from the clock.
    ``inbox`` is the folder of notes that are left while the guard is down.
    """

    def __init__(
        self,
        guard: Guard,
        settings: Settings,
        *,
        sources: Sequence[Source] = (),
        responders: Sequence[Responder] = (),
        clock: Clock | None = None,
        inbox: Path | None = None,
    ) -> None:
        self.guard = guard
        self.clock: Clock = clock or GuardClock(guard.journal.last_at)
        self.recent: deque[Event] = deque(maxlen=RECENT)
        self.started = self.clock.now()
        self.refusals: dict[str, Mapping[str, int]] = {
            part.name: part.refused for part in (*sources, *responders) if isinstance(part, Refuses)
        }
        """What parts refused, by reason; whoever runs a part beside the service adds it."""
        self._counts: Counter[str] = Counter()
        self._settings = settings
        self._sources = tuple(sources)
        self._inbox = inbox
        self._events: asyncio.Queue[_Waiting] = asyncio.Queue(EVENT_LIMIT)
        self._urgent: asyncio.Queue[_Waiting] = asyncio.Queue(URGENT_LIMIT)
        self._soon: deque[Input] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._acting = Acting(responders, guard.engine, guard.before.phantoms, self._tell)
        self._orphans = {action.id: action for action in guard.before.orphans}
        self._uncommitted: list[tuple[_Waiting, list[Effect]]] = []
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._retry_delay, self._retry_at = 0.0, 0.0
        self._inputs_since, self._snapshot_at = 0, time.monotonic()
        self._version = 0
        self._changed = asyncio.Condition()

    # What the outside may do --------------------------------------------------------------------------------------

    @property
    def counters(self) -> Counter[str]:
        """What the shell saw since it started, and what its parts refused.

        Beside names of one word (``commits``, ``source_restarts`` …) there are ``events: SOURCE``, ``alarm: KIND``
        and ``refused: NAME: REASON``. ``flows_merged`` are those that a source told together with others.
        """
        counted = Counter(self._counts)
        for source in self._sources:
            merged = sum(getattr(source, "merged", {}).values())
            if merged:
                counted["flows_merged"] += merged
        for name, refused in self.refusals.items():
            for reason, times in refused.items():
                counted[f"refused: {name}: {reason}"] += times
        return counted

    @property
    def sources(self) -> dict[str, bool]:
        """Each source by name, and whether it can be seen."""
        blind = {
            one.device for one in self.guard.engine.incidents.values() if one.kind == "blind" and one.closed is None
        }
        return {source.name: f"{SOURCE}{source.name}" not in blind for source in self._sources}

    @property
    def unwritten(self) -> int:
        """How many entries wait for space on the disk."""
        return len(self.guard.unwritten)

    async def submit(self, item: Input) -> list[Effect]:
        """Hand an input to the guard; returns its effects after the commit that holds them.

        While the journal cannot be written an event waits; anything else takes effect at once (reverts are carried
        out, nothing new is done) and is written when there is space again.

        Raises:
            JournalError: too much waits to be written, or the guard is stopping; the input was not taken in.
            ValueError: the input cannot be written down at all; it was not taken in.
        """
        if self._stopping:
            raise JournalError("the guard is stopping; say it again when it is back")
        if not isinstance(item, Event) and len(self.guard.unwritten) > UNWRITTEN_LIMIT:
            raise JournalError("the journal cannot be written, and too much waits for it; make space on the disk")
        done: asyncio.Future[list[Effect]] = asyncio.get_running_loop().create_future()
        await self._put(_Waiting(item, done=done))
        return await done

    async def changes(self) -> AsyncIterator[int]:
        """A growing number whenever state may have changed. What changes within 0.2 s is told once."""
        seen = self._version
        while True:
            async with self._changed:
                while self._version == seen:
                    await self._changed.wait()
            seen = self._version
            yield seen
            await asyncio.sleep(CHANGES_SECONDS)

    async def run(self) -> None:
        """Run until cancelled; then stop the sources, finish what has come in, and save a snapshot.

        Raises:
            Exception: a part of the shell itself failed. No source, responder or full disk ever ends it.
        """
        self._soon.extend(self._first_inputs())
        await self._turn(())
        self._take_up_leases()
        engine = asyncio.create_task(self._run_engine(), name="engine")
        feeders = self._start_feeders()
        workers = [asyncio.create_task(queue.run(), name=name) for name, queue in self._acting.queues.items()]
        try:
            ended, _ = await asyncio.wait({engine, *feeders, *workers}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await _cancelled(feeders)
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._acting.finished()
            await _cancelled(workers)
            self._stopping = True
            self._wake.set()
            await asyncio.wait({engine})
            await self._save_snapshot()
            self._disk.shutdown(wait=False)

    def _start_feeders(self) -> list[asyncio.Task[None]]:
        """Everything that brings inputs; none of these ever ends by itself."""

        async def send(item: Input) -> None:
            await self._put(_Waiting(item))

        feeders = []
        for source in self._sources:

            async def receive(item: Event | Health, source: Source = source) -> None:
                await self._put(_Waiting(item, source), self._events)

            feeders.append(supervise(source, receive, self._counts))
        feeders.append(watch_clock(self.clock, send, self._wake.set))
        if self._inbox is not None:
            feeders.append(collect_notes(self._inbox, self.submit, self.guard.engine.incidents, self._counts))
        if self._orphans:
            feeders.append(end_orphans(self._orphans, self._acting.hand_over))
        return [asyncio.create_task(feeder) for feeder in feeders]

    async def _put(self, waiting: _Waiting, queue: asyncio.Queue[_Waiting] | None = None) -> None:
        if queue is None:
            queue = self._events if isinstance(waiting.item, Event) else self._urgent
        await queue.put(waiting)
        self._wake.set()

    # Start --------------------------------------------------------------------------------------------------------

    def _first_inputs(self) -> Iterator[Input]:
        """What a guard that was just (re)started has to be told."""
        now, before, state = self.clock.now(), self.guard.before, self.guard.engine.state
        yield Change(at=now, version=__version__, settings=self._settings)
        if state.backfill:
            yield Change(at=now, version=__version__, command="backfill_end")
        for name in sorted(before.phantoms):
            yield Change(at=now, version=__version__, command="undo", target=name, channel="restart")
        if before.stopped_at is not None and (not before.clean or now - before.stopped_at > GAP):
            how = "it was not running" if before.clean else "it had stopped without a word"
            zone = ZoneInfo(self._settings.timezone)
            since, until = (f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for at in (before.stopped_at, now))
            yield Health(at=now, subject="guard", up=False, detail=f"from {since} to {until} {how}")
            yield Health(at=now, subject="guard", up=True)
        if isinstance(self.clock, GuardClock):
            offset = self.clock.offset()
            if abs(offset - timedelta(milliseconds=state.offset)) > NOTABLE or abs(offset) > NOTABLE:
                detail = "" if abs(offset) <= NOTABLE else "the wall clock is behind the journal's last entry"
                milliseconds = offset // timedelta(milliseconds=1)
                yield Health(at=now, subject="clock", up=not detail, detail=detail, offset_ms=milliseconds)

    def _take_up_leases(self) -> None:
        """Hand out again what was asked for before the restart and has no outcome. Responders are idempotent."""
        now = self.clock.now()
        for name, lease in self.guard.engine.leases.items():
            if name in self.guard.before.phantoms or lease.error:
                continue
            asked = lease.status == "applying" and lease.attempts > 0  # what waits for its time goes on waiting
            claimed = lease.status == "active" and lease.action.command in CLAIMS  # a reboot may have ended it
            if asked or claimed:
                self._acting.carry_out(Apply(at=now, action=lease.action))
            elif lease.status == "reverting":
                self._acting.carry_out(Revert(at=now, action=lease.action, attempt=lease.attempts))

    # The engine's task --------------------------------------------------------------------------------------------

    async def _run_engine(self) -> None:
        while not self._stopping:
            await self._turn(await self._next_batch())
        self._soon.append(Tick(at=self.clock.now()))
        while (batch := self._take()) or self._soon:
            await self._turn(batch)
        for waiting, _ in self._uncommitted:
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(JournalError("the guard stopped before this could be written"))

    async def _next_batch(self) -> list[_Waiting]:
        """Wait until there is something to do: inputs, a deadline, or time to try the disk again."""
        while True:
            self._wake.clear()
            batch = self._take()
            if batch or self._soon or self._stopping:
                return batch
            deadline = self.guard.engine.next_deadline()
            due = inf if deadline is None else self.clock.seconds_until(deadline)
            if due <= 0:
                self._soon.append(Tick(at=self.clock.now()))
                return batch
            retry = self._retry_at - time.monotonic() if self._retry_delay else inf
            if retry <= 0:
                return batch
            wait = min(due, retry)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait == inf else wait):
                    await self._wake.wait()

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        queues = (self._urgent,) if self._retry_delay else (self._urgent, self._events)
        for queue in queues:
            while len(batch) < COMMIT_LIMIT and not queue.empty():
                batch.append(queue.get_nowait())
        return batch

    async def _turn(self, batch: Sequence[_Waiting]) -> None:
        """Fold a batch, commit it, and carry out what came of it."""
        effects = [effect for waiting in batch for effect in self._fold_waiting(waiting)]
        while self._soon:
            effects.extend(self._fold(self._soon.popleft()))
        written = await self._commit()
        for effect in effects:
            if isinstance(effect, Apply | Revert):
                self._acting.carry_out(effect, written=written)
        self._settle(written)
        self._version += 1
        async with self._changed:
            self._changed.notify_all()
        if written and self._snapshot_is_due():
            await self._save_snapshot()

    def _fold_waiting(self, waiting: _Waiting) -> list[Effect]:
        try:
            effects = self._fold(waiting.item)
        except ValueError as error:
            self._counts["unwritable"] += 1
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(error)
            return []
        self._uncommitted.append((waiting, effects))
        return effects

    def _fold(self, item: Input) -> list[Effect]:
        now = self.clock.now()
        item = replace(item, at=now.replace(microsecond=now.microsecond // 1000 * 1000))  # as the engine counts
        self._inputs_since += 1
        crowded = len(self.guard.unwritten) > UNWRITTEN_LIMIT
        if crowded and isinstance(item, Outcome | Health):
            self._counts["dropped_while_full"] += 1  # a revert is asked for again until its outcome is known
            return []
        effects = self.guard.handle(item, keep=not (crowded and isinstance(item, Tick)))
        for effect in effects:
            if isinstance(effect, Notify) and effect.interrupts:
                self._counts[f"alarm: {effect.kind}"] += 1
        if isinstance(item, Event):
            self.recent.append(item)
            self._counts["events"] += 1
            self._counts[f"events: {item.source}"] += 1
            state = last_state(item)
            delivery = item.attributes.get("delivery")
            self.guard.note(
                [] if delivery is None else [(item.source, delivery)],
                {} if state is None else {(item.source, state[0]): state[1]},
            )
        elif isinstance(item, Outcome) and item.step == "revert" and item.ok:
            self._orphans.pop(item.action, None)
        return effects

    async def _commit(self) -> bool:
        """Whether everything folded so far is on disk."""
        if self._retry_delay and time.monotonic() < self._retry_at:
            return False
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self.guard.commit)
        except JournalError as error:
            self._counts["commits_failed"] += 1
            if not self._retry_delay:
                log.error("%s", error)
                self._soon.append(Health(at=self.clock.now(), subject="disk", up=False, detail=one_line(error)))
            self._retry_delay = min(max(2 * self._retry_delay, RETRY_FIRST), RETRY_LAST)
            self._retry_at = time.monotonic() + self._retry_delay
            return False
        self._counts["commits"] += 1
        if self._retry_delay:
            self._retry_delay = 0.0
            self._soon.append(Health(at=self.clock.now(), subject="disk", up=True))
        return True

    def _settle(self, written: bool) -> None:
        """Tell those who wait; acknowledge what is on disk. An event that is not written goes on waiting."""
        waiting_on: list[tuple[_Waiting, list[Effect]]] = []
        deliveries: dict[str, tuple[Source, list[str]]] = {}
        for waiting, effects in self._uncommitted:
            item = waiting.item
            if not written and isinstance(item, Event):
                waiting_on.append((waiting, effects))
                continue
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(effects)
            if waiting.source is not None and isinstance(item, Event) and "delivery" in item.attributes:
                deliveries.setdefault(item.source, (waiting.source, []))[1].append(item.attributes["delivery"])
        self._uncommitted = waiting_on
        for source, names in deliveries.values():
            try:
                done = source.committed(names)
                self.guard.journal.acknowledged([(source.name, name) for name in done])
            except Exception:  # the source will bring them again, and they will be recognised
                log.exception("%s could not acknowledge", source.name)

    def _tell(self, item: Input) -> None:
        """Have the engine hear of something, at once and whatever waits."""
        self._soon.append(item)
        self._wake.set()

    # Snapshots ----------------------------------------------------------------------------------------------------

    def _snapshot_is_due(self) -> bool:
        waited = time.monotonic() - self._snapshot_at
        return self._inputs_since >= SNAPSHOT_INPUTS or (self._inputs_since > 0 and waited >= SNAPSHOT_SECONDS)

    async def _save_snapshot(self) -> None:
        """Keep the present state: the next start is quick. Without one the journal is folded from further back."""
        self._inputs_since, self._snapshot_at = 0, time.monotonic()
        if self.guard.unwritten or self._orphans:
            return
        try:
            save, state = self.guard.journal.save_snapshot, self.guard.engine.state
            await asyncio.get_running_loop().run_in_executor(self._disk, save, state)
        except JournalError as error:
            log.warning("no snapshot: %s", error)


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they are over; what they raise while stopping is logged, not raised."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("while stopping: %s", one_line(result))
