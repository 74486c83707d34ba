"""Homeward as a device in a real Home Assistant: it is found, it shows, its buttons answer the guard."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import REPOSITORY
from tests.home_assistant import (
    HomeAssistant,
    RefusedError,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    PASSWORDS,
    Certificates,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
)
from tests.running_entities import shown
from tests.service_twins import SETTINGS, Clock, TwinResponder, event, running, stranger, until

from homeward.guard import Guard
from homeward.journal import Journal
from homeward.service import Service
from homeward.sources.home_assistant_home import OWN_MAKER
from homeward.sources.mqtt import MqttSettings

GUARD, HOME_ASSISTANT = "the guard's password", "home assistant's password"
SECONDS = 60.0
"""How long Home Assistant may take; usually it takes none."""

HOW_TO = REPOSITORY / "docs" / "how-to" / "homeward-in-home-assistant.md"

BUTTONS = ("button.homeward_that_was_me", "button.homeward_not_me", "button.homeward_undo")


def shown_in_the_how_to(language: str, number: int = 0) -> str:
    """A block of code of the how-to."""
    found: list[str] = re.findall(
        rf"^```{language}\b.*?\n(.*?)^```", HOW_TO.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return found[number]


@pytest.fixture(name="broker")
def broker_fixture(
    tmp_path: Path,
    certificates: Certificates,
    need_program: Callable[[str, str], str],
    home_assistant: HomeAssistant,
) -> Iterator[tuple[Mosquitto, int]]:
    """A broker with the rights of the how-to, and the port where Home Assistant reaches it."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch(0o600)
    for user, password in {**PASSWORDS, "homeward": GUARD, "homeassistant": HOME_ASSISTANT}.items():
        command = [need_program("mosquitto_passwd", "mosquitto"), "-b", str(passwords), user, password]
        subprocess.run(command, check=True, capture_output=True)
    (folder / "acl").touch(0o600)
    (folder / "acl").write_text(shown_in_the_how_to("conf") + "\nuser sensor\ntopic readwrite #\n")
    with socket.socket() as probe:
        probe.bind((home_assistant.gateway, 0))
        port: int = probe.getsockname()[1]
    rights = [f"listener {port} {home_assistant.gateway}", f"password_file {passwords}", f"acl_file {folder / 'acl'}"]
    broker = Mosquitto(need_program("mosquitto", "mosquitto"), folder, certificates, rights)
    try:
        broker.start()
        yield broker, port
    finally:
        broker.close()


@pytest.fixture(name="journal")
def journal_fixture(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


@asynccontextmanager
async def joined(home_assistant: HomeAssistant, broker: tuple[Mosquitto, int]) -> AsyncIterator[None]:
    """Home Assistant with its MQTT integration at the broker."""
    await asyncio.to_thread(
        home_assistant.add_mqtt, home_assistant.gateway, broker[1], "homeassistant", HOME_ASSISTANT
    )
    try:
        yield
    finally:
        await asyncio.to_thread(home_assistant.remove_mqtt)


def as_guard(broker: Mosquitto) -> MqttSettings:
    """The guard's own user, with the rights of the how-to."""
    return broker.settings("homeward", password=GUARD)


class Shown:
    """What Home Assistant shows of Homeward, asked without holding up the guard."""

    def __init__(self, home_assistant: HomeAssistant) -> None:
        self._home_assistant = home_assistant

    async def entity(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await asyncio.to_thread(self._home_assistant.get, f"/api/states/{name}")
        except (RefusedError, OSError):
            return {}
        return found

    async def about(self, name: str) -> dict[str, Any]:
        attributes: dict[str, Any] = (await self.entity(name)).get("attributes", {})
        return attributes

    async def becomes(self, name: str, state: str) -> None:
        async def so() -> bool:
            return bool((await self.entity(name)).get("state") == state)

        try:
            await until(so, SECONDS)
        except TimeoutError:
            raise AssertionError(f"{name} is {await self.entity(name)}, not {state}") from None

    async def offers(self, button: str, incident: str) -> None:
        async def so() -> bool:
            return (await self.about(button)).get("incident") == incident

        await until(so, SECONDS)

    async def press(self, button: str) -> None:
        await asyncio.to_thread(self._home_assistant.call, "button.press", entity_id=button)

    async def publish(self, topic: str, payload: str) -> None:
        await asyncio.to_thread(self._home_assistant.call, "mqtt.publish", topic=topic, payload=payload)


async def test_homeward_is_a_device_in_home_assistant_and_its_buttons_answer(
    home_assistant: HomeAssistant, broker: tuple[Mosquitto, int], journal: Journal
) -> None:
    seen, lamps = Shown(home_assistant), TwinResponder()
    service = Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())
    incidents = service.guard.engine.incidents
    async with joined(home_assistant, broker), running(service), shown(service, as_guard(broker[0])) as entities:
        await seen.becomes("sensor.homeward_state", "learning")
        assert (await seen.about("sensor.homeward_state"))["options"] == ["learning", "watching", "alarm", "blind"]
        await seen.becomes("sensor.homeward_last_incident", "unknown")
        await seen.becomes("sensor.homeward_budget", "1.0")
        await seen.becomes("sensor.homeward_alarms_in_seven_days", "0")
        await seen.becomes("sensor.homeward_open_leases", "0")
        for button in BUTTONS:
            await seen.becomes(button, "unavailable")
        devices = await asyncio.to_thread(home_assistant.command, "config/device_registry/list")
        (device,) = [one for one in devices if one["name"] == "Homeward"]
        assert device["identifiers"] == [["mqtt", "homeward_home"]]
        assert device["manufacturer"] == OWN_MAKER, "or the guard would learn from itself"
        listed = await asyncio.to_thread(home_assistant.command, "config/entity_registry/list")
        assert len([one for one in listed if one["device_id"] == device["id"]]) == 9

        await service.submit(stranger())
        await seen.becomes("sensor.homeward_state", "alarm")
        await seen.becomes("sensor.homeward_last_incident", incidents["i1"].reason)
        assert (await seen.about("sensor.homeward_last_incident"))["reason"] == incidents["i1"].reason
        await seen.becomes("sensor.homeward_open_leases", "1")
        await seen.becomes("sensor.homeward_alarms_in_seven_days", "1")
        assert (await seen.about("sensor.homeward_open_leases"))["list"][0]["device"] == "lamp"

        await seen.becomes("button.homeward_undo", "unknown")  # what a button that can be pressed is
        await seen.press("button.homeward_undo")
        await until(lambda: lamps.steps == ["apply", "revert"], SECONDS)
        await seen.becomes("sensor.homeward_open_leases", "0")
        await seen.becomes("button.homeward_undo", "unavailable")
        assert incidents["i1"].answer is None

        await seen.offers("button.homeward_that_was_me", "i1")
        await seen.press("button.homeward_that_was_me")
        await until(lambda: incidents["i1"].answer == "yes", SECONDS)
        assert incidents["i1"].answered_by == "household by mqtt"
        await seen.becomes("sensor.homeward_state", "learning")
        await seen.becomes("button.homeward_not_me", "unavailable")
        assert entities.refused.total() == 0
    complaints = [line for line in home_assistant.log().splitlines() if "mqtt" in line and "homeward" in line]
    assert complaints == []


async def test_an_old_notification_answers_what_it_told_of_and_home_assistant_may_restart(
    home_assistant: HomeAssistant, broker: tuple[Mosquitto, int], journal: Journal
) -> None:
    """An automation keeps a button's ``press`` with the notification that it sends, as the how-to shows."""
    seen = Shown(home_assistant)
    service = Service(Guard(journal), SETTINGS, responders=[TwinResponder()], clock=Clock())
    incidents = service.guard.engine.incidents
    async with joined(home_assistant, broker), running(service):
        async with shown(service, as_guard(broker[0])) as entities:
            await service.submit(stranger())
            await seen.offers("button.homeward_that_was_me", "i1")
            kept = (await seen.about("button.homeward_that_was_me"))["press"]
            for number in range(31):
                await service.submit(event(action=("open", "closed")[number % 2]))
            await seen.offers("button.homeward_that_was_me", "i2")
            await seen.publish("homeward/home/answer", kept)
            await until(lambda: incidents["i1"].answer == "yes", SECONDS)
            assert incidents["i2"].answer is None

            await asyncio.to_thread(home_assistant.restart)
            await seen.becomes("sensor.homeward_last_incident", incidents["i2"].reason)
            await seen.becomes("sensor.homeward_state", "alarm")
            await seen.offers("button.homeward_not_me", "i2")
            await seen.press("button.homeward_not_me")
            await until(lambda: incidents["i2"].answer == "no", SECONDS)
            assert entities.refused.total() == 0
        await seen.becomes("sensor.homeward_state", "unavailable")
        async with shown(service, as_guard(broker[0])):
            await seen.becomes("sensor.homeward_last_incident", incidents["i2"].reason)


async def test_the_automations_of_the_how_to_tell_and_answer(
    home_assistant: HomeAssistant, broker: tuple[Mosquitto, int], journal: Journal
) -> None:
    """Their templates are rendered and their answer is run in Home Assistant; only the phone is missing."""
    templates = re.findall(r'"\{\{ (.*?) \}\}"', shown_in_the_how_to("yaml", 1))
    tells, message, *presses, answers, payload = templates
    assert len(presses) == 2
    seen = Shown(home_assistant)
    service = Service(Guard(journal), SETTINGS, responders=[TwinResponder()], clock=Clock())
    incidents = service.guard.engine.incidents

    async def rendered(template: str) -> Any:
        asked = {"template": f"{{{{ ({template}) | tojson }}}}"}
        return await asyncio.to_thread(home_assistant.post, "/api/template", asked)

    async def tapped(action: str) -> None:
        publish = {"topic": "homeward/home/answer", "qos": 1, "payload": f"{{{{ {payload} }}}}"}
        await asyncio.to_thread(
            home_assistant.command,
            "execute_script",
            sequence=[
                {"condition": "template", "value_template": f"{{{{ {answers} }}}}"},
                {"action": "mqtt.publish", "data": publish},
            ],
            variables={"trigger": {"event": {"data": {"action": action}}}},
        )

    async with joined(home_assistant, broker), running(service), shown(service, as_guard(broker[0])) as entities:
        await seen.becomes("button.homeward_that_was_me", "unavailable")
        assert await rendered(tells) is False
        await service.submit(stranger())
        await seen.offers("button.homeward_that_was_me", "i1")
        await seen.becomes("button.homeward_that_was_me", "unknown")
        assert await rendered(tells) is True
        assert await rendered(message) == incidents["i1"].reason
        yes, no = [await rendered(press) for press in presses]
        await tapped("something else")
        await tapped(no)
        await until(lambda: incidents["i1"].answer == "no", SECONDS)
        await tapped(yes)
        await until(lambda: entities.refused == {"too late": 1}, SECONDS)
        assert incidents["i1"].answer == "no", "an incident is answered once"


async def test_what_the_how_to_says_takes_homeward_out_of_home_assistant(
    home_assistant: HomeAssistant,
    broker: tuple[Mosquitto, int],
    journal: Journal,
    need_program: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    need_program("mosquitto_pub", "mosquitto-clients")
    seen = Shown(home_assistant)
    service = Service(Guard(journal), SETTINGS, clock=Clock())
    script = shown_in_the_how_to("sh").replace("hub.local", "localhost").replace("8883", str(broker[0].port))
    (tmp_path / "mqtt-password").write_text(GUARD)
    (tmp_path / "ca.crt").write_bytes(broker[0].certificates.ca.read_bytes())
    async with joined(home_assistant, broker):
        async with running(service), shown(service, as_guard(broker[0])):
            await seen.becomes("sensor.homeward_state", "learning")
        await seen.becomes("sensor.homeward_state", "unavailable")
        await asyncio.to_thread(subprocess.run, ["sh", "-ec", script], cwd=tmp_path, check=True)

        async def gone() -> bool:
            devices = await asyncio.to_thread(home_assistant.command, "config/device_registry/list")
            return not any(one["name"] == "Homeward" for one in devices)

        await until(gone, SECONDS)
        assert await seen.entity("sensor.homeward_state") == {}
        kept = broker[0].peer("sensor", "what is kept")
        kept.listen("#")
        kept.publish("the/end", "x")
        assert kept.next()[0] == "the/end"
