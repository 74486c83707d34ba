"""Devices on a real broker: discovered, renamed, heard and missed; a flood of discovery; what waits for the guard."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

from tests.discovering import ALL, STATES, said
from tests.mosquitto import (
    DEADLINE,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
    wait_until,
)
from tests.test_dialect_tasmota import CONFIG
from tests.test_dialect_zigbee2mqtt import device
from tests.test_mqtt_source import Reader, delivery

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.discovery import FOUND_LIMIT
from homeward.sources.mqtt import MqttSource
from homeward.sources.topics import last_state


class Guard(Reader):
    """A source, with what it says sorted: announcements, events and what can be heard."""

    async def until(self, condition: Any) -> list[Event | Health]:
        """Everything up to the first item for which the condition holds."""
        items = [await self.next()]
        while not condition(items[-1]):
            items.append(await self.next())
        return items

    async def announced(self, name: str) -> Event:
        items = await self.until(
            lambda one: isinstance(one, Event) and (one.device, one.action) == (name, "announced")
        )
        found = items[-1]
        assert isinstance(found, Event)
        return found

    async def action(self, name: str) -> str:
        items = await self.until(
            lambda one: isinstance(one, Event) and one.device == name and one.action != "announced"
        )
        found = items[-1]
        assert isinstance(found, Event)
        return found.action

    async def heard(self, name: str) -> bool:
        items = await self.until(lambda one: isinstance(one, Health) and one.subject == f"device:{name}")
        found = items[-1]
        assert isinstance(found, Health)
        return found.up


def guard(mosquitto: Mosquitto, **others: Any) -> tuple[MqttSource, aclosing[Guard]]:
    source = MqttSource(mosquitto.settings(), [], presets=ALL, **others)
    return source, aclosing(Guard(source))


async def subscribed(source: MqttSource) -> None:
    """Wait until the broker has answered every subscription."""
    connection = source._connection
    assert connection is not None
    await asyncio.to_thread(wait_until, lambda: not connection._asked, "every topic is subscribed to")


async def test_devices_on_a_broker_are_discovered_heard_and_missed(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    rows = [device("hall/lock", "lock_state"), device("lamp", "state", address=STATES[0])]
    peer.publish("zigbee2mqtt/bridge/devices", json.dumps(rows), retain=True)
    peer.publish("zigbee2mqtt/lamp/availability", '{"state": "offline"}', retain=True)
    peer.publish("zigbee2mqtt/hall/lock/availability", '{"state": "online"}', retain=True)
    peer.publish("zigbee2mqtt/hall/lock", '{"lock_state": "locked"}', retain=True)
    peer.publish("tasmota/discovery/A4CF1201AB23/config", json.dumps(CONFIG), retain=True)
    peer.publish("tele/tasmota_01AB23/LWT", "Online", retain=True)
    source, reading = guard(mosquitto)
    async with reading as reader:
        first = await reader.until(lambda one: isinstance(one, Health) and one.subject == "device:lamp")
        announced = [one for one in first if isinstance(one, Event)]
        names = {one.device for one in announced}
        while names != {"hall/lock", "lamp", "Washing machine"}:
            names.add((await reader.event()).device)
        assert {one.action for one in announced} == {"announced"}, "and what is retained is no event"
        assert {one.attributes["type"] for one in announced if one.device == "hall/lock"} == {"lock"}
        assert isinstance(first[-1], Health)
        assert not first[-1].up
        await subscribed(source)
        peer.publish("zigbee2mqtt/hall/lock", '{"lock_state": "unlocked"}')
        assert await reader.action("hall/lock") == "unlocked"
        peer.publish("stat/tasmota_01AB23/POWER", "ON")
        assert await reader.action("Washing machine") == "on"
        peer.publish("tele/tasmota_01AB23/LWT", "Offline", retain=True)
        assert await reader.heard("Washing machine") is False
        peer.publish("zigbee2mqtt/lamp/availability", '{"state": "online"}', retain=True)
        assert await reader.heard("lamp") is True


async def test_a_device_renamed_on_the_broker_goes_on_under_its_new_name(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    peer.publish("zigbee2mqtt/bridge/devices", json.dumps([device("lamp", "state")]), retain=True)
    source, reading = guard(mosquitto)
    async with reading as reader:
        await reader.announced("lamp")
        peer.publish("zigbee2mqtt/bridge/devices", json.dumps([device("den/lamp", "state")]), retain=True)
        assert (await reader.announced("den/lamp")).attributes["formerly"] == "lamp"
        await subscribed(source)
        peer.publish("zigbee2mqtt/den/lamp", '{"state": "ON"}')
        assert await reader.action("den/lamp") == "on"


async def test_a_flood_of_discovery_on_a_broker_is_survived_and_the_lock_is_still_heard(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    lock = {"dev": {"ids": ["l1"], "name": "Lock"}, "stat_t": "lock/state"}
    peer.publish("homeassistant/lock/l1/lock/config", json.dumps(lock), retain=True)
    source, reading = guard(mosquitto, known=["Lock"])
    async with reading as reader:
        await reader.announced("Lock")

        def flood() -> None:
            for number in range(2 * FOUND_LIMIT):
                name = "Lock" if number % 2 else f"x{number}"
                said = {"dev": {"ids": [f"evil{number}"], "name": name}, "stat_t": f"evil/{number}"}
                peer.publish(f"homeassistant/switch/e/{number}/config", json.dumps(said), qos=0)
            peer.publish("homeassistant/switch/e/last/config", b"\xff")
            peer.publish("lock/state", "LOCKED")
            peer.publish("lock/state", "UNLOCKED")

        flooding = asyncio.create_task(asyncio.to_thread(flood))
        async with asyncio.timeout(3 * DEADLINE):
            assert await reader.action("Lock") == "locked"
            assert await reader.action("Lock") == "unlocked"
            await flooding
    assert source.refused["too many devices"] >= FOUND_LIMIT
    assert source.refused["malformed"] == 1
    assert len(source._discovery._devices) <= FOUND_LIMIT + 1


async def test_what_a_discovered_device_said_while_the_guard_was_away_waits_for_it(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    about = {"dev": {"ids": ["g1"], "name": "Gate"}, "stat_t": "gate/state", "dev_cla": "door"}
    peer.publish("homeassistant/binary_sensor/g1/gate/config", json.dumps(about), retain=True)
    source, reading = guard(mosquitto)
    async with reading as reader:
        first = await reader.announced("Gate")
        await subscribed(source)
        peer.publish("gate/state", "OFF")
        items = await reader.until(lambda one: isinstance(one, Event) and one.action == "closed")
        closed = items[-1]
        assert isinstance(closed, Event)
        source.committed([delivery(closed)])
    peer.publish("gate/state", "ON")
    peer.publish("gate/state", "OFF")
    last = dict(state for event in (first, closed) if (state := last_state(event)) is not None)
    again, reading = guard(mosquitto, pending=[delivery(closed)], last=last)
    async with reading as reader:
        events = [one for one in await reader.until(is_closed) if isinstance(one, Event)]
        assert said(events) == [("Gate", "open"), ("Gate", "closed")], "and it is not announced again"
        again.committed([delivery(event) for event in events])
    assert again.refused == {}


def is_closed(item: Event | Health) -> bool:
    return isinstance(item, Event) and item.action == "closed"


async def test_whoever_may_not_read_discovery_is_told_what_is_missing(mosquitto: Mosquitto) -> None:
    """Mosquitto's own list of rights grants every subscription: there is no error, and no device."""
    source = MqttSource(mosquitto.settings("nobody"), [], presets=ALL)
    async with aclosing(Guard(source)) as reader:
        health = await reader.next()
    assert isinstance(health, Health)
    assert health.up
