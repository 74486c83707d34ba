"""What Home Assistant's recorder remembers: states of the past, in order, and who caused them.

The recorder keeps ten days unless its owner says otherwise. It is asked for two hours and some entities at a time,
so that no answer is longer than a message may be; what is longer still is asked for in smaller pieces.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from homeward.sources.home_assistant_actors import Actors
from homeward.sources.home_assistant_connection import (
    CommandError,
    Connection,
    HomeAssistantSettings,
    LostError,
    TooLargeError,
)
from homeward.sources.home_assistant_states import END_OF_TIME, STATE_LIMIT, State, kept, read_context

PIECE_SECONDS: Final = 2 * 3600.0
TOGETHER: Final = 100
"""How many entities one question asks for; of sensors, which say much, `TOGETHER_MEASURED`."""

TOGETHER_MEASURED: Final = 10
ROWS_LIMIT: Final = 100_000
"""How many states are held at once: of a time that has more, a part is asked for."""

COMMIT_SECONDS: Final = 40.0
"""How long the recorder may take to write down what is known already; by default it takes up to five seconds."""

UNRECORDED_SECONDS: Final = 7.0
"""What it then knows nothing at all of is not recorded."""

SHORTEST_SECONDS: Final = 60.0
"""What is too much even of so short a time is left out and counted."""

MICROSECOND: Final = 1e-6
"""The API cuts times to microseconds and the recorder does not: what the API told is up to one later there."""

_WITH_ATTRIBUTES: Final = ("alarm_control_panel.", "event.", "lock.")
"""Whose attributes are needed: what rang, who unlocked. Those of climate and the like come in any case."""


class History:
    """The recorder, asked through a connection of its own: an answer that is too long ends the connection.

    ``refused`` counts what could not be used. To be closed.
    """

    def __init__(self, settings: HomeAssistantSettings, actors: Actors, refused: Counter[str]) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._actors = actors
        self._refused = refused

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def states(
        self, entity_ids: Sequence[str], start: float, end: float, *, with_start: bool
    ) -> AsyncGenerator[State, None]:
        """All states between two times, in order; ``with_start`` also those at the beginning, as of that time.

        Raises `HomeAssistantError`: it has no recorder, or the connection is lost.
        """
        span = PIECE_SECONDS
        while start < end:
            until = min(start + span, end)
            piece = await self._piece(entity_ids, start, until, with_start=with_start)
            if piece is None:
                span = (until - start) / 2
                continue
            for state in piece:
                yield state
            start, with_start, span = until, False, min(2 * span, PIECE_SECONDS)

    async def written(self, snapshot: Mapping[str, State], since: float) -> None:
        """Wait until the recorder has written down the states of the snapshot that are later than ``since``.

        It writes in order: with one state it has written all that were before. Some entities it does not record.
        """
        latest = sorted((s for s in snapshot.values() if s.updated > since), key=lambda s: s.updated)[-20:]
        if not latest:
            return
        asked = {state.entity_id: state.updated for state in latest}
        start = min(asked.values()) - 1.0
        clock = asyncio.get_running_loop().time
        began = clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_SECONDS):
                while True:
                    found = await self._ask(list(asked), start, max(asked.values()) + 1.0, with_start=True)
                    recorded = {state.entity_id for state in found}
                    reached = max((state.updated for state in found), default=0.0)
                    behind = {each for each, updated in asked.items() if updated > reached + 0.001}
                    if not behind or (clock() - began > UNRECORDED_SECONDS and not behind & recorded):
                        return
                    await asyncio.sleep(0.5)

    async def _piece(
        self, entity_ids: Sequence[str], start: float, end: float, *, with_start: bool
    ) -> list[State] | None:
        """All states of a short time, in order; ``None`` if they are too many to be held."""
        states: list[State] = []
        for together in batches(entity_ids):
            states += await self._ask(together, start, end, with_start=with_start)
            if len(states) > ROWS_LIMIT:
                if end - start > SHORTEST_SECONDS:
                    return None
                self._refused["too much history"] += len(states) - ROWS_LIMIT
                del states[ROWS_LIMIT:]
        if not any(state.updated > start for state in states):
            return states
        causes = await self._causes(start, end)
        if causes:
            states = [_caused(state, causes.get((state.entity_id, _key(state.updated)))) for state in states]
        states.sort(key=lambda state: state.updated)
        return states

    async def _ask(self, entity_ids: Sequence[str], start: float, end: float, *, with_start: bool) -> list[State]:
        """The states of some entities, one after the other, each in order. Asks for less where it is too much."""
        try:
            answer = await self._command(
                "history/history_during_period",
                start_time=_text(start + MICROSECOND),
                end_time=_text(end + MICROSECOND),
                entity_ids=list(entity_ids),
                include_start_time_state=with_start,
                significant_changes_only=False,
                minimal_response=False,
                no_attributes=not entity_ids[0].startswith(_WITH_ATTRIBUTES),
            )
        except TooLargeError:
            await self.aclose()
            if len(entity_ids) > 1:
                half = len(entity_ids) // 2
                parts = [(entity_ids[:half], start, end), (entity_ids[half:], start, end)]
            elif end - start > SHORTEST_SECONDS:
                middle = (start + end) / 2
                parts = [(entity_ids, start, middle), (entity_ids, middle, end)]
            else:
                self._refused["too much history"] += 1
                return []
            return [
                state
                for some, begin, until in parts
                for state in await self._ask(some, begin, until, with_start=with_start and begin == start)
            ]
        return self._read(answer, entity_ids, start, end)

    def _read(self, answer: object, entity_ids: Sequence[str], start: float, end: float) -> list[State]:
        states: list[State] = []
        for entity_id in entity_ids:
            rows = answer.get(entity_id) if isinstance(answer, dict) else None
            for row in rows if isinstance(rows, list) else ():
                state = _state(entity_id, row, start)
                if state is None:
                    self._refused["malformed"] += 1
                elif state.updated <= end + MICROSECOND:
                    states.append(state)
        return states

    async def _command(self, type_: str, **fields: Any) -> Any:
        """Whoever takes long over an answer may find the connection closed: then another one is opened."""
        if self._connection is not None:
            try:
                return await self._connection.command(type_, **fields)
            except (CommandError, TooLargeError):
                raise
            except LostError:
                await self.aclose()
        self._connection = await Connection.open(self._settings, keepalive=None)
        return await self._connection.command(type_, **fields)

    async def _causes(self, start: float, end: float) -> dict[tuple[str, int], Mapping[str, str]]:
        """Who caused the states, as the logbook tells it; empty where there is none."""
        try:
            said = await self._command("logbook/get_events", start_time=_text(start), end_time=_text(end + 1.0))
        except CommandError:  # its owner does not load the logbook
            return {}
        except TooLargeError:
            await self.aclose()
            self._refused["too much history"] += 1
            return {}
        causes: dict[tuple[str, int], Mapping[str, str]] = {}
        for entry in said if isinstance(said, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("when"), int | float):
                causes[str(entry.get("entity_id")), _key(entry["when"])] = self._context(entry)
        return causes

    def _context(self, entry: Mapping[str, Any]) -> Mapping[str, str]:
        by, name = entry.get("context_entity_id"), entry.get("context_name")
        if entry.get("context_event_type") == "automation_triggered" and isinstance(by, str):
            # The run's own context is not told here; one that stands for the automation does as well.
            self._actors.note_automation(by, {"friendly_name": name}, {"id": f"logbook {by}"})
            return {"id": f"logbook {by}"}
        return read_context({"user_id": entry.get("context_user_id")})


def batches(entity_ids: Sequence[str]) -> list[list[str]]:
    """Entities that are asked for together: those with attributes apart, sensors few at a time."""

    def kind(entity_id: str) -> tuple[bool, bool]:
        return entity_id.startswith(_WITH_ATTRIBUTES), entity_id.startswith("sensor.")

    found: list[list[str]] = []
    for (_, measured), group in groupby(sorted(entity_ids, key=kind), key=kind):
        each, size = list(group), TOGETHER_MEASURED if measured else TOGETHER
        found += [each[first : first + size] for first in range(0, len(each), size)]
    return found


def _state(entity_id: str, row: object, start: float) -> State | None:
    """A row of the recorder's compressed states: ``s``, ``a``, ``lu``, and ``lc`` where that is another time."""
    if not isinstance(row, dict):
        return None
    state, updated = row.get("s"), row.get("lu", start)
    changed = row.get("lc", updated)
    if not isinstance(updated, int | float) or not isinstance(changed, int | float):
        return None
    if not (0 <= updated < END_OF_TIME and 0 <= changed < END_OF_TIME):
        return None
    if not isinstance(state, str) or len(state) > STATE_LIMIT:
        return None
    return State(
        entity_id=entity_id,
        state=state,
        attributes=kept(row.get("a")),
        changed=min(float(changed), float(updated)),
        updated=float(updated),
        context={},
    )


def _caused(state: State, context: Mapping[str, str] | None) -> State:
    if context is None:
        return state
    return State(state.entity_id, state.state, state.attributes, state.changed, state.updated, context)


def _key(seconds: float) -> int:
    return round(seconds * 1e5)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
