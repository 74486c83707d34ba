"""The past months of a home, as its Home Assistant recorded them: events to learn from on the first evening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from homeward.core.event import Event
from homeward.sources.home_assistant_connection import Connection, HomeAssistantSettings
from homeward.sources.home_assistant_history import History
from homeward.sources.home_assistant_reading import Reading

DAYS: Final = 90


def history(
    settings: HomeAssistantSettings,
    *,
    until: datetime,
    days: float = DAYS,
    name: str = "home_assistant",
    place: str = "home",
    known: Iterable[str] = (),
) -> Iterator[Event]:
    """What the recorder knows of the last ``days``, as events in the order of their time (``at`` is theirs).

    First what every device is, then what changed; who caused it as far as the logbook tells. It holds two hours at a
    time. To be run in a thread that has no event loop, as `homeward.guard.backfill` is.

    Raises:
        HomeAssistantError: it cannot be reached or used, has no recorder, or the connection is lost.
    """
    with asyncio.Runner() as runner:
        past = _past(settings, until.timestamp(), days * 86_400.0, Reading(name, place, None, known))
        try:
            while (event := runner.run(_following(past))) is not None:
                yield event
        finally:
            runner.run(_ended(past))


async def _following(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


async def _ended(events: AsyncGenerator[Event, None]) -> None:
    await events.aclose()


async def _past(
    settings: HomeAssistantSettings, until: float, seconds: float, reading: Reading
) -> AsyncGenerator[Event, None]:
    connection = await Connection.open(settings)
    try:
        await reading.load(connection)
        await reading.snapshot(connection)
        await reading.introduce(connection)
    finally:
        await connection.close()
    ours = sorted(entity.entity_id for entity in reading.home.entities())
    past = History(settings, reading.actors, reading.decoder.refused)
    start, at = until - seconds, None
    try:
        async with aclosing(past.states(ours, start, until, with_start=True)) as states:
            async for state in states:
                if at is None:
                    at = state.updated
                    for change in reading.announced():
                        yield reading.event(change, datetime.fromtimestamp(at, UTC))
                at = max(at, state.updated)
                for change in reading.recall(state, since=start):
                    yield reading.event(change, datetime.fromtimestamp(at, UTC))
    finally:
        await past.aclose()
