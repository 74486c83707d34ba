"""Another client of the broker in the box: it listens, and tries to speak."""

from __future__ import annotations

import queue
import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from homeward.sources.mqtt import MqttSettings

DEADLINE = 20.0


class Onlooker:
    """Connected until ``close``. ``next`` gives what comes on the topics that it listens to."""

    def __init__(self, settings: MqttSettings) -> None:
        self.received: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self._connected, self._granted = threading.Event(), queue.Queue[bool]()
        self._heard: list[tuple[str, bytes]] = []
        self.let_in: bool | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=settings.client_id, reconnect_on_failure=False)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect(settings.host, settings.port)
        self._client.loop_start()
        assert self._connected.wait(DEADLINE)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.let_in = not code.is_failure
        self._connected.set()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: Any, codes: Any, _properties: Any) -> None:
        self._granted.put(not codes[0].is_failure)

    def _on_message(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        self.received.put((message.topic, bytes(message.payload), bool(message.retain)))

    def listen(self, topic_filter: str) -> bool:
        """Subscribe; whether the broker allows it."""
        self._client.subscribe(topic_filter, 1)
        return self._granted.get(timeout=DEADLINE)

    def say(self, topic: str, payload: str) -> None:
        """Publish; returns when the broker has confirmed, whatever it then does with it."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(DEADLINE)

    def next(self, seconds: float = DEADLINE) -> tuple[str, bytes, bool]:
        """The next message: topic, payload, whether it was retained. Raises `queue.Empty` when none comes."""
        return self.received.get(timeout=seconds)

    def hears(self, topic: str, payload: bytes) -> None:
        """Wait for a message among others; different topics may come in any order."""
        while (topic, payload) not in self._heard:
            self._heard.append(self.next()[:2])
        self._heard.remove((topic, payload))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
