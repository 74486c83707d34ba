"""The source against a real Home Assistant: who did what, what was missed, and a token that is revoked."""

from __future__ import annotations

import asyncio

import pytest
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.home_assistant_listening import (
    DOOR,
    HOUSE,
    LAMP,
    MOTION,
    Users,
    does,
    listening,
    settings_fixture,  # noqa: F401 - a fixture
    users_fixture,  # noqa: F401 - a fixture
)

from homeward.core.event import Event
from homeward.sources.home_assistant import (
    HomeAssistantError,
    HomeAssistantSettings,
    HomeAssistantSource,
    LostError,
    TokenError,
)


async def test_a_person_an_automation_the_guard_and_nobody(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, users: Users
) -> None:
    async with listening(HomeAssistantSource(settings)) as heard:
        lamp = {"entity_id": LAMP}
        await does(home_assistant.call, "light.turn_on", token=users.anna.token, **lamp)
        on = await heard.until_told("Kitchen", "on")
        assert (on.actor, on.origin, on.source) == ("person:anna", "home_assistant", "home_assistant")
        assert on.happened is not None
        assert on.happened <= on.at
        await does(home_assistant.call, "light.turn_off", token=users.homeward.token, **lamp)
        assert (await heard.until_told("Kitchen", "off")).actor == "homeward"

        heard.items.clear()
        await does(home_assistant.call, "input_boolean.turn_on", token=users.ben.token, entity_id=MOTION)
        assert (await heard.until_told("Kitchen", "on")).actor == "automation:Night light"
        moved = await heard.until_told("Hall motion", "on")
        assert (moved.actor, moved.origin) == (None, "home_assistant")  # Ben is no person here: his name is not told
        await does(
            home_assistant.call, "alarm_control_panel.alarm_arm_night", token=users.anna.token, entity_id=HOUSE
        )
        assert (await heard.until_told("House", "armed_night")).actor == "person:anna"
        assert heard.source.refused.total() == 0


async def test_what_a_device_is_is_announced_once(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings
) -> None:
    source = HomeAssistantSource(settings)

    async def announced(state: str) -> dict[str, str]:
        async with listening(source) as heard:
            await does(home_assistant.call, f"light.turn_{state}", entity_id=LAMP)
            await heard.until_told("Kitchen", state)
        events = [item for item in heard.items if isinstance(item, Event) and item.action == "announced"]
        return {event.device: event.attributes["type"] for event in events}

    told = await announced("on")
    expected = {"Kitchen": "light", "Front door": "contact.door", "Hall motion": "motion", "House": "alarm"}
    assert {**expected, "anna": "person"}.items() <= told.items()
    assert await announced("off") == {}


async def test_nothing_is_lost_and_nothing_told_twice_when_home_assistant_restarts(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, users: Users
) -> None:
    source = HomeAssistantSource(settings)
    with pytest.raises(LostError):  # noqa: PT012 - it is lost while we listen
        async with listening(source) as before:
            await does(home_assistant.call, "input_boolean.turn_on", entity_id=DOOR)
            await before.until_told("Front door", "open")
            stopped = asyncio.create_task(does(home_assistant.stop))
            await before.until(lambda item: False)
    await stopped
    await does(home_assistant.start)
    for state, token in (("off", users.anna.token), ("on", users.anna.token), ("off", None)):
        await does(home_assistant.call, f"input_boolean.turn_{state}", token=token, entity_id=DOOR)
    await does(home_assistant.call, "input_button.press", entity_id="input_button.bell")
    async with listening(source) as after:
        await does(home_assistant.call, "light.turn_on", entity_id=LAMP)
        await after.until_told("Kitchen", "on")
        assert before.told("Front door") == ["Front door open"]
        missed = ["Front door closed", "Front door open", "Front door closed", "input_button.bell pressed"]
        assert after.told("Front door", "input_button.bell") == missed
        moved = [item for item in after.items if isinstance(item, Event) and item.device == "Front door"]
        events = [event for event in moved if event.action != "announced"]
        assert [event.actor for event in events] == ["person:anna", "person:anna", "person:owner"]
        times = [event.happened for event in events if event.happened is not None]
        assert times == sorted(times)


async def test_another_process_goes_on_where_the_journal_stopped(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings
) -> None:
    async with listening(HomeAssistantSource(settings)) as first:
        await does(home_assistant.call, "input_boolean.turn_on", entity_id=DOOR)
        await first.until_told("Front door", "open")
    assert len(first.pending) == 1
    for state in ("off", "on", "off"):
        await does(home_assistant.call, f"input_boolean.turn_{state}", entity_id=DOOR)
    source = HomeAssistantSource(settings, last=first.last, pending=first.pending)
    async with listening(source, commits=False) as second:
        await does(home_assistant.call, "light.turn_on", entity_id=LAMP)
        await second.until_told("Kitchen", "on")
        assert second.told("Front door") == ["Front door closed", "Front door open", "Front door closed"]
    # It was killed before any of that was on disk: the next one tells it again.
    source = HomeAssistantSource(settings, last=first.last, pending=first.pending)
    async with listening(source) as third:
        await third.until_told("Kitchen", "on")
        assert third.told("Front door", "Kitchen")[:3] == second.told("Front door")


async def test_after_a_power_cut_it_goes_on_with_what_home_assistant_still_knows(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings
) -> None:
    source = HomeAssistantSource(settings)
    async with listening(source) as before:
        await does(home_assistant.call, "light.turn_on", entity_id=LAMP)
        await before.until_told("Kitchen", "on")
    await does(home_assistant.kill)
    with pytest.raises(HomeAssistantError, match="cannot be reached"):
        async with listening(source):
            pass
    await does(home_assistant.start)
    await does(home_assistant.call, "input_boolean.turn_on", entity_id=DOOR)
    async with listening(source) as after:
        await after.until_told("Front door", "open")
        await does(home_assistant.call, "input_boolean.turn_off", entity_id=DOOR)
        await after.until_told("Front door", "closed")
        assert after.told("Front door") == ["Front door open", "Front door closed"]


async def test_a_revoked_token_is_said_in_one_line_that_does_not_tell_it(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    guest = await does(home_assistant.add_user, "Guest")
    settings = HomeAssistantSettings(url=home_assistant.url, token=guest.token)
    source = HomeAssistantSource(settings)
    with pytest.raises(LostError, match=r"^[^\n]+$"):  # noqa: PT012 - it is lost while we listen
        async with listening(source) as heard:
            await does(home_assistant.revoke, guest.token)
            await heard.until(lambda item: False)
    with pytest.raises(TokenError, match=r"^[^\n]*make a new long-lived token[^\n]*$") as caught:
        await anext(aiter(source.events()))
    assert guest.token not in str(caught.value)
    assert guest.token not in repr(settings)
    assert guest.token not in caplog.text
