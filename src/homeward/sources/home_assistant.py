"""Events from Home Assistant: its WebSocket API, with a long-lived token of a user without administrator's rights.

What changed while the guard was away, or while Home Assistant restarted, is read from its recorder: nothing is lost
and nothing told twice. Each event's delivery names Home Assistant's own time of it, and the journal keeps the latest:
that is where an earlier process stopped. An acknowledgement is not needed upstream, so there is none.

Of persons and trackers the zone's name is read, never where it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Final

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.home_assistant_backfill import history
from homeward.sources.home_assistant_connection import (
    CommandError,
    Connection,
    HomeAssistantError,
    HomeAssistantSettings,
    LostError,
    TokenError,
    Told,
)
from homeward.sources.home_assistant_history import History
from homeward.sources.home_assistant_home import ENTITY_LIMIT
from homeward.sources.home_assistant_reading import SAME, Reading
from homeward.sources.home_assistant_states import END_OF_TIME, State, read_moment
from homeward.sources.payloads import Refused
from homeward.sources.topics import Change

__all__ = ["HomeAssistantError", "HomeAssistantSettings", "HomeAssistantSource", "LostError", "TokenError", "history"]

GAP_LIMIT: Final = 24 * 3600.0
"""How much of what happened while the guard was away is told, in seconds; of what was before only the outcome."""

START_SECONDS: Final = 300.0
"""How long Home Assistant may take to start."""

REGISTRY_SECONDS: Final = 0.5
"""Changes of the registries are waited for so long: they come by the hundred."""

NOT_ADMIN: Final = "users who are no person are not named: that takes an administrator's token"

HANDED_LIMIT: Final = 65_536
_REGISTRIES: Final = ("entity_registry_updated", "device_registry_updated", "area_registry_updated")


class HomeAssistantSource:
    """A `Source` that follows a Home Assistant.

    ``last`` are the last states that the journal holds (`topics.last_state`), ``pending`` its deliveries: they tell
    where an earlier process stopped, in Home Assistant's time. Without them ``since`` does, by our clock (the end of
    a back-fill). With neither, what is the case at the first connection is only noted. ``known`` names the
    configured devices.
    """

    def __init__(
        self,
        settings: HomeAssistantSettings,
        *,
        name: str = "home_assistant",
        place: str = "home",
        last: Mapping[str, str] | None = None,
        since: datetime | None = None,
        known: Iterable[str] = (),
        pending: Iterable[str] = (),
    ) -> None:
        self.name = name
        self._settings = settings
        self._reading = Reading(name, place, last, known)
        self._handed: dict[str, None] = {}
        self._written = {delivery: at for delivery in pending if (at := _time(delivery)) is not None}
        stopped = max(self._written.values(), default=None)
        self._position = stopped if stopped is not None else since.timestamp() if since is not None else None
        self._announced: dict[str, Mapping[str, str]] = {}

    @property
    def refused(self) -> Counter[str]:
        """How many states could not be used, by reason."""
        return self._reading.decoder.refused

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        """Note what is on disk. Returns all names but the latest: that one tells a later process where to go on."""
        for delivery in deliveries:
            at = _time(delivery)
            if delivery in self._handed and at is not None:
                del self._handed[delivery]
                self._written[delivery] = at
        if not deliveries or len(self._written) < 2:
            return []
        latest = max(self._written, key=self._written.__getitem__)
        done = [delivery for delivery in self._written if delivery != latest]
        self._written = {latest: self._written[latest]}
        return done

    async def events(self) -> AsyncIterator[Event | Health]:
        """Connect, say so, tell what was missed, then what happens, until cancelled.

        Raises:
            TokenError: the token is not accepted (any more).
            HomeAssistantError: it cannot be reached or used, or the connection is lost.
        """
        connection = await Connection.open(self._settings)
        try:
            await _until_running(connection, self._settings.url)
            admin = await self._reading.introduce(connection)
            wanted = ("state_changed", *_REGISTRIES, *(("call_service",) if admin else ()))
            subscriptions = {await connection.subscribe(each): each for each in wanted}
            await self._reading.load(connection)
            snapshot = await self._reading.snapshot(connection)
            connection.drop_waiting()  # the snapshot holds it already
            yield self._health(f"source:{self.name}", up=True, detail="" if admin else NOT_ADMIN)
            for event in self._announce():
                yield event
            parts: Sequence[AsyncGenerator[Event | Health, None]]
            parts = (self._catch_up(snapshot), self._follow(connection, subscriptions))
            for part in parts:
                async with aclosing(part):
                    async for item in part:
                        yield item
        finally:
            await connection.close()

    # What was missed ----------------------------------------------------------------------------------------------

    async def _catch_up(self, snapshot: Mapping[str, State]) -> AsyncGenerator[Event | Health, None]:
        """What changed since the position, in order, and then what is the case now."""
        since = self._position
        if since is not None:
            async with aclosing(self._recorded(snapshot, since)) as recorded:
                async for event in recorded:
                    yield event
        for state in sorted(snapshot.values(), key=lambda state: state.updated):
            with self._reading.counting():
                for item in self._take(state, since=since, whole=False):
                    yield item
        persons = [state.changed for state in snapshot.values() if state.entity_id.startswith("person.")]
        latest = max((state.updated for state in snapshot.values()), default=0.0)
        for event in self._events(self._reading.decoder.residents(max(persons, default=0.0)), latest):
            yield event
        self._position = max(latest, since or 0.0)

    async def _recorded(self, snapshot: Mapping[str, State], since: float) -> AsyncGenerator[Event, None]:
        """What the recorder knows of the time between the position and the snapshot."""
        ours = {entity.entity_id for entity in self._reading.home.entities()} & snapshot.keys()
        newest = max((snapshot[each].updated for each in ours), default=0.0)
        if newest <= since + SAME:
            return
        past = History(self._settings, self._reading.actors, self.refused)
        try:
            await past.written({each: snapshot[each] for each in ours}, since)
            start = max(since, newest - GAP_LIMIT)
            async with aclosing(past.states(sorted(ours), start, newest, with_start=True)) as states:
                async for state in states:
                    if state.updated > snapshot[state.entity_id].updated + SAME:
                        continue  # it comes live
                    for event in self._events(self._reading.recall(state, since=start), state.updated):
                        yield event
        except CommandError:
            self.refused["no history"] += 1  # its owner does not load the recorder: the outcome is what we have
        finally:
            await past.aclose()

    # What happens -------------------------------------------------------------------------------------------------

    async def _follow(
        self, connection: Connection, subscriptions: Mapping[int, str]
    ) -> AsyncGenerator[Event | Health, None]:
        """What happens from now on."""
        clock = asyncio.get_running_loop().time
        stale, read_at = True, clock()  # stale: the registries may have changed since they were read
        held: Told | None = None
        while True:
            waits = stale or self._reading.home.has_changed
            due = read_at + REGISTRY_SECONDS - clock() if waits else None
            if due is not None and due <= 0:
                if stale:
                    await self._reading.load(connection)
                stale, read_at = False, clock()
                for event in self._announce():
                    yield event
                continue
            told, held = held or await _next_within(connection, due), None
            kind = None if told is None else subscriptions.get(told.subscription)
            if told is None or kind is None:
                continue
            if kind in _REGISTRIES:
                stale = True
            elif stale and self._is_new(told):
                held = told  # the registries say what it is
                await asyncio.sleep(due or 0.0)
            else:
                with self._reading.counting():
                    for item in self._happen(kind, told.event):
                        yield item

    def _is_new(self, told: Told) -> bool:
        """Whether the event is of an entity that the registries, as they were read, do not hold."""
        data = told.event.get("data")
        entity_id = data.get("entity_id") if isinstance(data, dict) else None
        return isinstance(entity_id, str) and not self._reading.home.is_registered(entity_id)

    def _happen(self, kind: str, event: Mapping[str, Any]) -> Iterator[Event | Health]:
        """Raises `Refused`."""
        data = event.get("data")
        if not isinstance(data, dict):
            raise Refused("malformed")
        if kind == "call_service":
            self._reading.actors.note_call(event, read_moment(event.get("time_fired")))
        elif data.get("new_state") is None:
            entity_id = data.get("entity_id")
            if isinstance(entity_id, str):
                self._remove(entity_id)
        else:
            state = State.read(data.get("new_state"))
            self._reading.note(state)
            yield from self._take(state, since=0.0, whole=True)

    def _remove(self, entity_id: str) -> None:
        entity = self._reading.home.recalled(entity_id)
        if entity is not None:
            self._reading.decoder.forget(entity)
        self._reading.home.forget(entity_id)

    def _take(self, state: State, *, since: float | None, whole: bool) -> Iterator[Event | Health]:
        """What a present state tells of; ``whole`` also of the residents. Raises `Refused`."""
        entity = self._reading.entity(state)
        if entity is None:
            return
        up = self._reading.decoder.availability(entity, state)
        if up is not None:
            yield self._health(
                f"device:{entity.device}", up=up, detail="" if up else "Home Assistant cannot reach it"
            )
        changes = self._reading.changes(entity, state, since=since)
        if whole and entity.domain == "person":
            changes += self._reading.decoder.residents(state.changed)
        yield from self._events(changes, state.updated)

    # What is told -------------------------------------------------------------------------------------------------

    def _events(self, changes: Sequence[Change], updated: float) -> Iterator[Event]:
        """The events of one state; the last one carries the delivery: when that is on disk, all are."""
        self._position = max(updated, self._position or 0.0)
        for number, change in enumerate(changes, 1):
            delivery = f"{self._position:.6f}" if number == len(changes) else None
            if delivery is not None:
                self._handed[delivery] = None
                if len(self._handed) > HANDED_LIMIT:
                    del self._handed[next(iter(self._handed))]
            yield self._reading.event(change, datetime.now(UTC), delivery)

    def _announce(self) -> Iterator[Event]:
        """What devices are, where that is news."""
        announced = self._reading.announced()
        for change in announced:
            if self._announced.get(change.device) != change.attributes:
                yield self._reading.event(change, datetime.now(UTC))
                self._announced[change.device] = change.attributes
        if len(self._announced) > 2 * ENTITY_LIMIT:  # names that nobody has any more
            self._announced = {change.device: change.attributes for change in announced}

    def _health(self, subject: str, *, up: bool, detail: str = "") -> Health:
        return Health(at=datetime.now(UTC), subject=subject, up=up, detail=detail)


async def _next_within(connection: Connection, seconds: float | None) -> Told | None:
    """The next event; ``None`` if there is none in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await connection.next()
    return None


async def _until_running(connection: Connection, url: str) -> None:
    """Wait until all of Home Assistant has started: before, devices are missing that are there."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        config = await connection.command("get_config")
        if not isinstance(config, dict) or config.get("state", "RUNNING") == "RUNNING":
            return
        if asyncio.get_running_loop().time() > deadline:
            raise HomeAssistantError(f"{url}: Home Assistant has not started within {START_SECONDS:g} seconds")
        await asyncio.sleep(0.25)


def _time(delivery: str) -> float | None:
    """The time that a delivery names, on Home Assistant's clock."""
    try:
        at = float(delivery)
    except ValueError:
        return None
    return at if 0 <= at < END_OF_TIME else None
