"""The devices of the simulated home: their states as Zigbee2MQTT tells them, over one real MQTT connection.

They tell their states on ``home/DEVICE`` and obey commands on ``cmd/DEVICE``; the new state that they then tell is
the echo by which the guard knows that it was done.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from homeward.core.event import Event
from homeward.demo.household import DEVICES, Moment, Value, at_rest
from homeward.sources.mqtt import MqttError, MqttSettings
from homeward.sources.payloads import Refused, read_json
from homeward.sources.topics import Decoder, TopicRule

STATES: Final = "home"
COMMANDS: Final = "cmd"
WATCHED: Final = "homeward/+/status"
CONNECT_SECONDS: Final = 10.0


class States:
    """What every device would say of itself now. It begins with everybody in bed."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Value]] = {device.name: dict([at_rest(device)]) for device in DEVICES}

    def change(self, device: str, property_: str, value: Value) -> tuple[str, bytes]:
        """Change one property; returns what the device then says: topic and payload."""
        self._states[device][property_] = value
        return self.said(device)

    def said(self, device: str) -> tuple[str, bytes]:
        """The topic and the payload that tell the device's state."""
        return f"{STATES}/{device}", json.dumps(self._states[device]).encode()

    def all(self) -> Iterator[tuple[str, bytes]]:
        """The states of all devices."""
        return map(self.said, self._states)

    def obey(self, device: str, payload: bytes) -> tuple[str, bytes] | None:
        """Do as ``{"state": "ON"}`` says; ``None`` where it is nothing that the device can do."""
        try:
            wanted = read_json(payload).get("state")
        except Refused:
            return None
        if wanted not in ("ON", "OFF") or "state" not in self._states.get(device, ()):
            return None
        return self.change(device, "state", wanted)


def events(moments: Iterable[Moment], rules: Iterable[TopicRule], source: str, place: str) -> Iterator[Event]:
    """A recorded past: the same states through the same rules, as if the guard had been there."""
    states, decoder = States(), Decoder(tuple(rules))
    for topic, payload in states.all():
        decoder.decode(topic, payload, retained=True)
    for number, moment in enumerate(moments):
        topic, payload = states.change(moment.device, moment.property, moment.value)
        for change in decoder.decode(topic, payload):
            yield Event(
                id=f"past-{number}",
                source=source,
                at=moment.at.astimezone(UTC),
                place=place,
                device=change.device,
                action=change.action,
                actor=moment.actor,
                value=change.value,
                attributes=change.attributes,
            )


class LiveDevices:
    """The devices, connected. ``held`` names those that were commanded on and not off again."""

    def __init__(self, client: Client, states: States, loop: asyncio.AbstractEventLoop) -> None:
        self.held: set[str] = set()
        self.commanded = asyncio.Event()
        """Set whenever a command was obeyed; whoever waits for it clears it."""
        self.watched = asyncio.Event()
        """Set when the guard has said that it listens: what is told before that, it never hears."""
        self._client, self._states, self._loop = client, states, loop
        client.on_message = self._on_message

    def tell(self, moment: Moment) -> None:
        """Let a moment happen: the device says its new state."""
        self._publish(self._states.change(moment.device, moment.property, moment.value))

    def tell_all(self) -> None:
        """Say every state, retained: whoever subscribes later knows how things are. Waits for the broker.

        Raises:
            MqttError: the broker has not confirmed in time.
        """
        for message in [self._publish(said) for said in self._states.all()]:
            message.wait_for_publish(CONNECT_SECONDS)
            if not message.is_published():
                raise MqttError("the broker does not take what the devices say")

    def _publish(self, said: tuple[str, bytes]) -> MQTTMessageInfo:
        return self._client.publish(*said, qos=1, retain=True)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # In paho's thread: the loop's own thread changes states.
        self._loop.call_soon_threadsafe(self._obey, message.topic, bytes(message.payload))

    def _obey(self, topic: str, payload: bytes) -> None:
        if not topic.startswith(f"{COMMANDS}/"):
            if payload == b"online":
                self.watched.set()
            return
        device = topic.partition("/")[2]
        said = self._states.obey(device, payload)
        if said is None:
            return
        if b'"ON"' in said[1]:
            self.held.add(device)
        else:
            self.held.discard(device)
        self._publish(said)
        self.commanded.set()


@asynccontextmanager
async def live_devices(
    broker: MqttSettings, past: Iterable[Moment] = (), *, patience: float = CONNECT_SECONDS
) -> AsyncIterator[LiveDevices]:
    """The devices as the past left them, connected to the broker until the end of the block.

    ``patience`` is how many seconds the broker may take to let them in.

    Raises:
        MqttError: the broker does not let them in.
    """
    states = States()
    for moment in past:
        states.change(moment.device, moment.property, moment.value)
    loop = asyncio.get_running_loop()
    client = Client(CallbackAPIVersion.VERSION2, client_id=broker.client_id)  # it reconnects by itself
    client.username_pw_set(broker.username or "", broker.password)
    client.max_queued_messages_set(1_000)
    devices = LiveDevices(client, states, loop)
    granted = asyncio.Event()

    def on_connect(*_: Any) -> None:
        client.subscribe([(f"{COMMANDS}/+", 1), (WATCHED, 1)])

    def on_subscribe(*_: Any) -> None:
        loop.call_soon_threadsafe(granted.set)

    def on_socket_open(_client: Client, _data: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_connect, client.on_subscribe, client.on_socket_open = on_connect, on_subscribe, on_socket_open
    client.connect_async(broker.host, broker.port, keepalive=broker.keepalive)
    client.loop_start()
    try:
        try:
            await asyncio.wait_for(granted.wait(), patience)
        except TimeoutError:
            raise MqttError(f"{broker.host}:{broker.port}: the devices are not let in") from None
        await asyncio.to_thread(devices.tell_all)
        yield devices
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
