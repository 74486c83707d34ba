"""The source against a real Home Assistant: who did what, what was missed, the past, and a token that is revoked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.home_assistant import (
    HomeAssistant,
    Person,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    Certificates,
    Mosquitto,
    Peer,
    certificates_fixture,  # noqa: F401 - a fixture
)

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.core.settings import Settings
from homeward.guard import Guard, backfill
from homeward.journal import Journal
from homeward.sources import home_assistant_connection, home_assistant_history
from homeward.sources.home_assistant import (
    HomeAssistantError,
    HomeAssistantSettings,
    HomeAssistantSource,
    LostError,
    TokenError,
    history,
)
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


@pytest.fixture(scope="module", name="users")
def users_fixture(home_assistant: HomeAssistant) -> Users:
    users = Users(*(home_assistant.add_user(name) for name in ("Homeward", "Anna", "Ben")))
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


@pytest.fixture(name="zigbee")
def zigbee_fixture(
    home_assistant: HomeAssistant, tmp_path: Path, certificates: Certificates, need_program: Callable[[str, str], str]
) -> Iterator[Peer]:
    """A bridge that shows its devices to Home Assistant through a broker, as Zigbee2MQTT does."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    rights = ["allow_anonymous true", f"listener 18830 {home_assistant.gateway}"]
    broker = Mosquitto(need_program("mosquitto", "mosquitto"), folder, certificates, rights)
    try:
        broker.start()
        home_assistant.add_mqtt(home_assistant.gateway, 18830)
        yield broker.peer("guard")
    finally:
        home_assistant.remove_mqtt()
        broker.close()


def show(bridge: Peer, domain: str, name: str, **about: Any) -> None:
    described = {
        "unique_id": f"0x1_{name}",
        "name": name,
        "state_topic": f"z/{name}",
        "availability_topic": "z/there",
        "device": {"identifiers": ["0x1"], "name": "Cellar door", "manufacturer": "Aqara", "model": "T1"},
        **about,
    }
    bridge.publish(f"homeassistant/{domain}/0x1/{name}/config", json.dumps(described), retain=True)


async def test_a_device_keeps_its_name_when_its_entities_get_other_ids_and_is_blind_when_it_is_away(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, zigbee: Peer
) -> None:
    async with listening(HomeAssistantSource(settings)) as heard:
        await does(show, zigbee, "binary_sensor", "contact", device_class="door", payload_on="o", payload_off="c")
        await does(show, zigbee, "sensor", "linkquality", entity_category="diagnostic")
        await does(zigbee.publish, "z/there", "online", retain=True)
        await does(home_assistant.wait_for, "binary_sensor.cellar_door_contact", "unknown")
        await does(zigbee.publish, "z/contact", "c")
        announced = await heard.until_told("Cellar door", "announced")
        about = {"type": "contact.door", "maker": "Aqara", "model": "T1"}
        assert announced.attributes == about
        await does(zigbee.publish, "z/contact", "o")
        assert (await heard.until_told("Cellar door", "open")).actor is None

        await does(
            home_assistant.command, "config/entity_registry/update",
            entity_id="binary_sensor.cellar_door_contact", new_entity_id="binary_sensor.way_to_the_wine",
        )  # fmt: skip
        await does(home_assistant.wait_for, "binary_sensor.way_to_the_wine", "on")
        await does(zigbee.publish, "z/contact", "c")
        await heard.until_told("Cellar door", "closed")

        await does(zigbee.publish, "z/there", "offline", retain=True)
        subject = "device:Cellar door"
        await heard.until(lambda item: isinstance(item, Health) and item.subject == subject and not item.up)
        await does(zigbee.publish, "z/there", "online", retain=True)
        await heard.until(lambda item: isinstance(item, Health) and item.subject == subject and item.up)
        await does(zigbee.publish, "z/contact", "o")
        await does(home_assistant.wait_for, "binary_sensor.way_to_the_wine", "on")
        await does(home_assistant.call, "light.turn_on", entity_id=LAMP)
        await heard.until_told("Kitchen", "on")
        assert heard.told("Cellar door") == ["Cellar door open", "Cellar door closed", "Cellar door open"]
        known = {item.device for item in heard.items if isinstance(item, Event)}
        assert not {each for each in known if "wine" in each or "contact" in each}


async def test_persons_come_and_go_and_where_they_are_is_told_to_nobody(
    home_assistant: HomeAssistant, settings: HomeAssistantSettings, zigbee: Peer
) -> None:
    (anna,) = [each for each in home_assistant.command("person/list")["storage"] if each["name"] == "Anna"]
    phone = {"state_topic": "phone", "json_attributes_topic": "phone/where", "device": {"identifiers": ["0x2"]}}
    async with listening(HomeAssistantSource(settings)) as heard:
        await does(show, zigbee, "device_tracker", "phone", **phone)
        await does(zigbee.publish, "z/there", "online", retain=True)
        await does(zigbee.publish, "phone/where", '{"gps_accuracy": 3}')
        await does(zigbee.publish, "phone", "home", retain=True)
        tracker = await does(tracker_of, home_assistant)
        await does(
            home_assistant.command, "person/update", person_id=anna["id"], user_id=anna["user_id"],
            device_trackers=[tracker],
        )  # fmt: skip
        await does(home_assistant.wait_for, "person.anna", "home")
        await does(zigbee.publish, "phone", "not_home")
        await heard.until_told("residents", "away")
        await does(zigbee.publish, "phone/where", '{"latitude": 48.13713, "longitude": 11.57539, "gps_accuracy": 3}')
        await does(zigbee.publish, "phone", "home")
        home = await heard.until_told("residents", "home")
        assert home.attributes["property"] == "presence"
        told = ["anna away", "residents away", "anna home", "residents home"]
        assert heard.told("anna", "residents", "phone") == told
        assert (await heard.until_told("anna", "away")).actor == "person:anna"
        assert "48.13713" in json.dumps(await does(home_assistant.get, f"/api/states/{tracker}"))
        assert not any("48.13" in repr(item) or "11.57" in repr(item) for item in heard.items)


def tracker_of(home_assistant: HomeAssistant) -> str:
    """The tracker's entity id, once it is there."""
    home_assistant.wait_until(lambda: bool(trackers(home_assistant)), "there is a tracker")
    return trackers(home_assistant)[0]


def trackers(home_assistant: HomeAssistant) -> list[str]:
    states = home_assistant.get("/api/states")
    return [each["entity_id"] for each in states if each["entity_id"].startswith("device_tracker.")]
