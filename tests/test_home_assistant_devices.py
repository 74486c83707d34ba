"""Devices and persons that come to a real Home Assistant while the source listens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.home_assistant_listening import (
    LAMP,
    does,
    listening,
    settings_fixture,  # noqa: F401 - a fixture
    users_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    Certificates,
    Mosquitto,
    Peer,
    certificates_fixture,  # noqa: F401 - a fixture
)

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource


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
