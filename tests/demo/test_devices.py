"""The broker in the box and the devices on it, over real MQTT."""

from __future__ import annotations

import asyncio
import json
import queue
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.demo.onlooker import Onlooker

from homeward.demo.broker import BrokerInTheBox, broker_in_the_box
from homeward.demo.demonstration import RIGHTS
from homeward.demo.devices import LiveDevices, States, events, live_devices
from homeward.demo.household import DEVICES, Moment
from homeward.sources.mqtt import MqttError
from homeward.sources.topics import zigbee2mqtt

NIGHT = datetime(2026, 5, 7, 2, 40, tzinfo=UTC)


@asynccontextmanager
async def client(broker: BrokerInTheBox, user: str) -> AsyncIterator[Onlooker]:
    one = await asyncio.to_thread(Onlooker, broker.settings(user, f"test-{user}"))
    try:
        yield one
    finally:
        await asyncio.to_thread(one.close)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[BrokerInTheBox]:
    async with broker_in_the_box(tmp_path, RIGHTS) as running:
        yield running


@pytest.fixture
async def devices(broker: BrokerInTheBox) -> AsyncIterator[LiveDevices]:
    past = [Moment(NIGHT, "kitchen light", "state", "ON")]
    async with live_devices(broker.settings("devices", "devices"), past) as live:
        yield live


async def test_passwords_are_random_hashed_and_for_the_owner_only(broker: BrokerInTheBox, tmp_path: Path) -> None:
    file = tmp_path / "broker-passwords"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert text.count("$argon2id$") == len(RIGHTS)
    assert not [password for password in broker.passwords.values() if password in text or len(password) < 32]


async def test_nobody_gets_in_without_a_name_or_with_a_wrong_password(broker: BrokerInTheBox) -> None:
    right = broker.settings("guard", "somebody")
    for wrong in (
        replace(right, password="guess"),
        replace(right, username="stranger"),
        replace(right, username=None, password=None),
    ):
        one = await asyncio.to_thread(Onlooker, wrong)
        await asyncio.to_thread(one.close)
        assert one.let_in is False


async def test_each_user_reads_and_writes_what_it_needs_and_nothing_else(broker: BrokerInTheBox) -> None:
    async with (
        client(broker, "guard") as guard,
        client(broker, "devices") as devices,
        client(broker, "onlooker") as on,
    ):
        assert await asyncio.to_thread(guard.listen, "home/+")
        assert await asyncio.to_thread(on.listen, "cmd/#")
        for one, forbidden in ((guard, "cmd/+"), (guard, "#"), (devices, "home/#"), (devices, "#"), (on, "+/+")):
            assert not await asyncio.to_thread(one.listen, forbidden), forbidden
        await asyncio.to_thread(guard.say, "home/siren", "forged")  # confirmed and dropped: MQTT 3.1.1 has no refusal
        await asyncio.to_thread(devices.say, "cmd/siren", "forged")
        await asyncio.to_thread(on.say, "cmd/siren", "forged")
        await asyncio.to_thread(devices.say, "home/siren", "true")
        await asyncio.to_thread(guard.say, "cmd/siren", "right")
        assert (await asyncio.to_thread(guard.next))[:2] == ("home/siren", b"true")
        assert (await asyncio.to_thread(on.next))[:2] == ("cmd/siren", b"right")


async def test_who_comes_later_is_told_every_state_as_retained(broker: BrokerInTheBox, devices: LiveDevices) -> None:
    async with client(broker, "onlooker") as on:
        await asyncio.to_thread(on.listen, "home/+")
        states: dict[str, dict[str, str | bool]] = {}
        while states.keys() != {device.name for device in DEVICES}:
            # The broker may confirm a message before it hands it on: that one comes as live, and then once more.
            topic, payload, _ = await asyncio.to_thread(on.next)
            states[topic.removeprefix("home/")] = json.loads(payload)
    assert states["kitchen light"] == {"state": "ON"}
    assert states["front door"] == {"contact": True}
    assert states["front door lock"] == {"lock_state": "locked"}
    assert devices.held == set()


async def test_a_device_obeys_and_says_so(broker: BrokerInTheBox, devices: LiveDevices) -> None:
    async with client(broker, "guard") as guard:
        await asyncio.to_thread(guard.listen, "home/siren")
        await asyncio.to_thread(guard.next)
        for command in ("ON", "OFF"):
            await asyncio.to_thread(guard.say, "cmd/siren", json.dumps({"state": command}))
            heard = await asyncio.to_thread(guard.next)
            assert heard == ("home/siren", json.dumps({"state": command}).encode(), False)
            assert devices.commanded.is_set()
            assert devices.held == ({"siren"} if command == "ON" else set())


async def test_nonsense_is_not_obeyed(broker: BrokerInTheBox, devices: LiveDevices) -> None:
    async with client(broker, "guard") as guard:
        await asyncio.to_thread(guard.listen, "home/siren")
        await asyncio.to_thread(guard.next)
        for payload in ("", "ON", "[]", "[" * 5000, '{"state": "MAYBE"}', '{"state": ["ON"]}', "\x00"):
            await asyncio.to_thread(guard.say, "cmd/siren", payload)
        for device in ("front door lock", "no such thing", "hall motion"):
            await asyncio.to_thread(guard.say, f"cmd/{device}", '{"state": "ON"}')
        with pytest.raises(queue.Empty):
            guard.received.get_nowait()
        await asyncio.to_thread(guard.say, "cmd/siren", '{"state": "ON"}')
        assert (await asyncio.to_thread(guard.next))[1] == b'{"state": "ON"}'
    assert devices.held == {"siren"}


async def test_devices_with_a_wrong_password_say_so(broker: BrokerInTheBox) -> None:
    wrong = replace(broker.settings("devices", "devices"), password="wrong")
    with pytest.raises(MqttError, match="not let in"):
        async with live_devices(wrong, patience=1.0):
            pass


def test_the_past_is_told_by_the_same_rules_as_the_present() -> None:
    moments = [
        Moment(NIGHT, "front door", "contact", False),
        Moment(NIGHT, "front door lock", "lock_state", "unlocked", "person:anna"),
        Moment(NIGHT, "front door", "contact", False),
        Moment(NIGHT, "siren", "state", "ON"),
    ]
    told = list(events(moments, [zigbee2mqtt("home")], "mqtt", "home"))
    assert [(one.device, one.action, one.actor) for one in told] == [
        ("front door", "open", None),
        ("front door lock", "unlocked", "person:anna"),
        ("siren", "on", None),
    ]
    assert {one.at for one in told} == {NIGHT}


def test_what_a_state_says_is_what_was_changed() -> None:
    states = States()
    assert states.change("fridge", "contact", False) == ("home/fridge", b'{"contact": false}')
    assert states.obey("fridge", b'{"state": "ON"}') is None
    assert len(dict(states.all())) == len(DEVICES)
