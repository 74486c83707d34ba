"""The past months of a real Home Assistant, to learn from on the first evening."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.home_assistant_listening import (
    DEADLINE,
    DOOR,
    LAMP,
    MOTION,
    Users,
    does,
    listening,
    settings_fixture,  # noqa: F401 - a fixture
    users_fixture,  # noqa: F401 - a fixture
)

from homeward.core.event import Event
from homeward.core.settings import Settings
from homeward.guard import Guard, backfill
from homeward.journal import Journal
from homeward.sources import home_assistant_connection, home_assistant_history
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource, history


async def test_the_past_is_read_as_it_was_and_the_guard_learns_from_it(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, users: Users, tmp_path: Path
) -> None:
    began = datetime.now(UTC)
    async with listening(HomeAssistantSource(settings)) as live:
        for state in ("on", "off"):
            await does(home_assistant.call, f"light.turn_{state}", token=users.anna.token, entity_id=LAMP)
        await does(home_assistant.call, "input_boolean.turn_on", entity_id=MOTION)
        await live.until_told("Hall motion", "on")
        await does(home_assistant.call, "input_button.press", entity_id="input_button.bell")
        await live.until_told("input_button.bell", "pressed")
    seen = [item for item in live.items if isinstance(item, Event) and item.action != "announced"]

    def read() -> list[Event]:
        return list(history(settings, until=datetime.now(UTC), days=1))

    async with asyncio.timeout(DEADLINE):
        while True:  # the recorder writes down what happened within two seconds
            past = await asyncio.to_thread(read)
            after = [event for event in past if event.at > began and event.action != "announced"]
            if len(after) >= len(seen):
                break
            await asyncio.sleep(0.5)
    assert [(e.device, e.action, e.actor, e.origin) for e in after[-len(seen) :]] == [
        (e.device, e.action, e.actor, e.origin) for e in seen
    ]
    assert [event.at for event in past] == sorted(event.at for event in past)
    first = {event.device: event.attributes["type"] for event in past if event.action == "announced"}
    assert first["Front door"] == "contact.door"
    assert past[0].action == "announced"

    def learn() -> int:
        with Journal(tmp_path / "state") as journal:
            guard = Guard(journal)
            return backfill(guard, history(settings, until=datetime.now(UTC)), Settings(), until=datetime.now(UTC))

    assert await asyncio.to_thread(learn) >= len(past)


async def test_a_past_that_is_too_long_for_a_message_is_read_in_parts(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC)

    def toggle() -> None:
        for number in range(300):
            home_assistant.call(f"input_boolean.turn_{'off' if number % 2 else 'on'}", entity_id=DOOR)

    def read() -> list[tuple[datetime, str, str]]:
        past = history(settings, until=datetime.now(UTC), days=1)
        return [(e.at, e.device, e.action) for e in past if e.at > began and e.action != "announced"]

    await asyncio.to_thread(toggle)
    # The helper, and the door that follows it, once the recorder has written all of that down.
    await asyncio.to_thread(home_assistant.wait_until, lambda: len(read()) >= 600, "it is recorded")
    whole = await asyncio.to_thread(read)
    monkeypatch.setattr(home_assistant_connection, "MESSAGE_LIMIT", 12_000)  # more than what there is now takes
    monkeypatch.setattr(home_assistant_history, "ROWS_LIMIT", 400)
    monkeypatch.setattr(home_assistant_history, "SHORTEST_SECONDS", 0.01)
    assert await asyncio.to_thread(read) == whole
