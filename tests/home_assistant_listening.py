"""A source that listens to a real Home Assistant while a test makes things happen there.

A test module imports ``users_fixture`` and ``settings_fixture`` beside the fixture of `tests.home_assistant`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from tests.home_assistant import HomeAssistant, Person

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource
from homeward.sources.topics import last_state

DEADLINE = 60.0
LAMP, DOOR, MOTION, HOUSE = (
    "light.kitchen", "input_boolean.front_door", "input_boolean.hall_motion", "alarm_control_panel.house",
)  # fmt: skip


@dataclass(frozen=True)
class Users:
    """The guard's own user, and two who live here."""

    homeward: Person
    anna: Person
    ben: Person


@pytest.fixture(name="users")
def users_fixture(home_assistant: HomeAssistant) -> Users:
    users = Users(*(home_assistant.person(name) for name in ("Homeward", "Anna", "Ben")))
    if not any(each["name"] == "Anna" for each in home_assistant.command("person/list")["storage"]):
        home_assistant.command("person/create", name="Anna", user_id=users.anna.user_id, device_trackers=[])
    return users


@pytest.fixture(name="settings")
def settings_fixture(home_assistant: HomeAssistant, users: Users) -> HomeAssistantSettings:
    for entity_id in (DOOR, MOTION):
        home_assistant.call("input_boolean.turn_off", entity_id=entity_id)
    home_assistant.call("light.turn_off", entity_id=LAMP)
    home_assistant.call("alarm_control_panel.alarm_disarm", entity_id=HOUSE)
    return HomeAssistantSettings(url=home_assistant.url, token=users.homeward.token)


class Listener:
    """Reads a source as the service does: events in order, committed as soon as they have come."""

    def __init__(self, source: HomeAssistantSource, *, commits: bool = True) -> None:
        self.source = source
        self.items: list[Event | Health] = []
        self.pending: dict[str, None] = {}
        self.last: dict[str, str] = {}
        self._commits = commits
        self._grown = asyncio.Condition()
        self._ended: Exception | None = None

    async def listen(self) -> None:
        """Until cancelled, or until the source fails."""
        try:
            await self._listen()
        except Exception as error:
            async with self._grown:
                self._ended = error
                self._grown.notify_all()

    async def _listen(self) -> None:
        async for item in self.source.events():
            if isinstance(item, Event) and "delivery" in item.attributes and self._commits:
                self.pending[item.attributes["delivery"]] = None
                for name in self.source.committed([item.attributes["delivery"]]):
                    self.pending.pop(name, None)
            if isinstance(item, Event) and (state := last_state(item)) is not None:
                self.last[state[0]] = state[1]
            async with self._grown:
                self.items.append(item)
                self._grown.notify_all()

    async def until(self, condition: Callable[[Event | Health], bool]) -> Event | Health:
        """Wait until something has come; raises what the source raised."""
        async with asyncio.timeout(DEADLINE), self._grown:
            while True:
                for item in self.items:
                    if condition(item):
                        return item
                if self._ended is not None:
                    raise self._ended
                await self._grown.wait()

    async def until_up(self) -> None:
        await self.until(lambda item: isinstance(item, Health) and item.up and item.subject.startswith("source:"))

    async def until_told(self, device: str, action: str) -> Event:
        event = await self.until(
            lambda item: isinstance(item, Event) and (item.device, item.action) == (device, action)
        )
        assert isinstance(event, Event)
        return event

    def told(self, *devices: str) -> list[str]:
        """What these devices did, in words."""
        return [
            f"{item.device} {item.action}"
            for item in self.items
            if isinstance(item, Event) and item.device in devices and item.action != "announced"
        ]


@asynccontextmanager
async def listening(source: HomeAssistantSource, *, commits: bool = True) -> AsyncIterator[Listener]:
    """A source that is up and has told what was missed, until the block ends."""
    listener = Listener(source, commits=commits)
    task = asyncio.create_task(listener.listen())
    try:
        await listener.until_up()
        yield listener
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def does(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Something at Home Assistant, without holding up the source."""
    return await asyncio.to_thread(call, *arguments, **named)
