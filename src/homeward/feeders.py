"""What brings inputs to the service: each is a task that runs until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from homeward import __version__, inbox
from homeward.clock import Clock, ClockWatch, GuardClock
from homeward.core.blindness import DEVICE
from homeward.core.effects import Action, Apply, Effect, Revert
from homeward.core.event import Event
from homeward.core.incident import Incident
from homeward.core.inputs import Answer, Change, Feedback, Health, Input
from homeward.inbox import ADMISSIONS, InboxError, Note
from homeward.responding import one_line
from homeward.sources import Source

log = logging.getLogger(__name__)

RESTART_FIRST, RESTART_LAST = 1.0, 60.0
STEADY_SECONDS: Final = 60.0
"""A source that ran for so long begins again with the shortest pause."""

SOURCE: Final = "source:"
"""Begins the subject of a source that cannot be seen."""

LOOK_SECONDS: Final = 5.0
NOTES_SECONDS: Final = 2.0
ORPHAN_SECONDS: Final = 60.0


async def supervise(
    source: Source, receive: Callable[[Event | Health], Awaitable[None]], counters: Counter[str]
) -> None:
    """Run a source; tell when it fails, and start it again after 1 to 60 s, each time after a longer pause."""
    subject = f"{SOURCE}{source.name}"
    pause, told = RESTART_FIRST, ""
    while True:
        began = time.monotonic()
        events = source.events()
        try:
            async for item in events:
                if isinstance(item, Health) and not item.subject.startswith(DEVICE):
                    told = "" if item.up else item.detail
                    item = Health(at=item.at, subject=subject, up=item.up, detail=item.detail)
                await receive(item)
            detail = "it ended by itself"
        except Exception as error:
            detail = one_line(error)
        finally:
            await _close(events)
        if time.monotonic() - began >= STEADY_SECONDS:
            pause = RESTART_FIRST
        counters["source_restarts"] += 1
        if detail != told:
            log.warning("%s: %s", subject, detail)
            told = detail
            await receive(Health(at=datetime.now(UTC), subject=subject, up=False, detail=detail))
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 (spreads restarts, guards no secret)
        pause = min(2 * pause, RESTART_LAST)


async def keep_on(talk: Callable[[], Awaitable[None]], lost: type[Exception], what: str, log: logging.Logger) -> None:
    """Talk over one connection after another, until cancelled; again after 1 to 60 s when one is lost.

    ``lost`` is raised by ``talk`` when that is nobody's fault of ours; it is told once. Whatever else ``talk`` raises
    is logged: a way to show or to answer must not end the guard.
    """
    pause, told = RESTART_FIRST, ""
    while True:
        began = time.monotonic()
        try:
            await talk()
        except lost as error:
            if str(error) != told:
                told = str(error)
                log.warning("%s: %s", what, told)
        except Exception:
            log.exception(what)
        if time.monotonic() - began >= STEADY_SECONDS:
            pause, told = RESTART_FIRST, ""
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 (spreads retries, guards no secret)
        pause = min(2 * pause, RESTART_LAST)


async def _close(events: AsyncIterator[Event | Health]) -> None:
    """Let a generator clean up now, not when it is collected as garbage."""
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


async def watch_clock(
    clock: Clock, send: Callable[[Input], Awaitable[None]], look_again: Callable[[], object]
) -> None:
    """Tell when the wall clock jumps, and that it has stood still again.

    ``look_again`` is called at every look: deadlines are slept towards by the system's timers, which stand still
    while the machine sleeps (the guard's clock does not), and know nothing of a clock that changes its pace.
    """
    watch = ClockWatch(clock) if isinstance(clock, GuardClock) else None
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        look_again()
        news = None if watch is None else watch.look()
        if news is not None:
            up, detail, offset_ms = news
            await send(Health(at=clock.now(), subject="clock", up=up, detail=detail, offset_ms=offset_ms))


async def collect_notes(
    folder: Path,
    submit: Callable[[Input], Awaitable[list[Effect]]],
    incidents: Mapping[str, Incident],
    counters: Counter[str],
) -> None:
    """Read what was left in the inbox, at once and every two seconds. Bad notes are put aside and counted."""
    while True:
        for path, note in await asyncio.to_thread(lambda: list(inbox.collect(folder))):
            if isinstance(note, InboxError):
                log.warning("refused: %s", note)
                await asyncio.to_thread(inbox.refuse, path)
                counters["notes_refused"] += 1
                continue
            try:
                for item in _meant(note, incidents.values()):
                    await submit(item)
            except Exception as error:
                log.warning("%s waits: %s", path, one_line(error))
                continue
            await asyncio.to_thread(path.unlink, missing_ok=True)
            counters["notes"] += 1
        await asyncio.sleep(NOTES_SECONDS)


def _meant(note: Note, incidents: Iterable[Incident]) -> list[Input]:
    at, person, channel = datetime.now(UTC), note.person, note.channel
    if note.says == "answer":
        assert note.incident is not None
        assert note.answer is not None
        return [
            Feedback(
                at=at,
                incident=note.incident,
                answer=note.answer,
                person=person,
                channel=channel,
                too_much=note.too_much,
            )
        ]
    command = Change(
        at=at, version=__version__, command=note.says, target=note.device or "", person=person, channel=channel
    )
    return [command, *answers_in(command, incidents)]


def answers_in(command: Change, incidents: Iterable[Incident]) -> list[Feedback]:
    """Who approves, restricts or refuses a device has answered the incident that asks about it; other commands
    answer nothing."""
    if command.command not in ADMISSIONS:
        return []
    answer: Answer = "no" if command.command == "refuse" else "yes"
    asking = (one.id for one in incidents if (one.kind, one.device, one.answer) == ("new", command.target, None))
    return [
        Feedback(at=command.at, incident=name, answer=answer, person=command.person, channel=command.channel)
        for name in asking
    ]


async def end_orphans(orphans: Mapping[str, Action], hand_over: Callable[[Apply | Revert], str]) -> None:
    """Take back acts of an earlier version that this one knows nothing of, again and again until each is gone."""
    attempt = 0
    while True:
        attempt += 1
        for action in list(orphans.values()):
            why = hand_over(Revert(at=datetime.now(UTC), action=action, attempt=attempt))
            if why:
                log.error("%s on %s is not taken back: %s", action.command, action.device, why)
        await asyncio.sleep(ORPHAN_SECONDS)
