"""Commands by MQTT: one published message for each, confirmed by the broker.

Each act has a connection of its own, which ends with it: acts are rare, and a connection that is not there cannot be
found dead when it is needed. The broker confirms that it has the message (PUBACK), not that the device obeyed, and
under MQTT 3.1.1 it confirms what its ACL then drops: only the device's own next state says that it was done.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from paho.mqtt.client import Client, error_string
from paho.mqtt.enums import MQTTErrorCode

from homeward.core.effects import Action

CLIENT_SUFFIX = "-act"
"""What the responder's client id has more than the source's."""

TURN_SECONDS = 1.0


class Broker(Protocol):
    """What the responder needs to know of the broker (`homeward.sources.mqtt.MqttSettings` has it)."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def client_id(self) -> str: ...
    @property
    def keepalive(self) -> int: ...

    def new_client(self, client_id: str, *, clean_session: bool) -> Client: ...


class NotConfirmedError(ConnectionError):
    """The command is not known to have reached the broker; it may be given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTopic:
    """Where a device takes its commands. ``payloads`` maps a command to what is published, by default its own name.

    Raises:
        ValueError: the topic is not one that can be published to.
    """

    device: str
    topic: str
    payloads: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.topic or any(sign in self.topic for sign in "+#\0") or self.topic.startswith("$"):
            raise ValueError(
                f"command topic {self.topic!r} of {self.device}: name one topic, without '+', '#' and '$'"
            )

    def payload(self, command: str) -> bytes:
        """What is published for the command."""
        return self.payloads.get(command, command).encode()


class MqttResponder:
    """A `Responder` that publishes commands with QoS 1, not retained, and waits ``timeout`` seconds for the PUBACK.

    Commands set a state, so the same act twice is the same act once.
    """

    def __init__(
        self, broker: Broker, topics: Sequence[CommandTopic], *, name: str = "mqtt", timeout: float = 5.0
    ) -> None:
        self.name = name
        self._broker = broker
        self._topics = {topic.device: topic for topic in topics}
        self._timeout = timeout
        self._one_at_a_time = threading.Lock()

    async def apply(self, action: Action) -> None:
        """Publish the command.

        Raises:
            LookupError: no command topic is configured for the device.
            NotConfirmedError: the broker was not reached, or did not confirm in time.
        """
        await self._publish(action.device, action.command)

    async def revert(self, action: Action) -> None:
        """Publish ``action.restore``, if there is something to restore. Raises as `apply`."""
        if action.restore is not None:
            await self._publish(action.device, action.restore)

    async def _publish(self, device: str, command: str) -> None:
        topic = self._topics.get(device)
        if topic is None:
            raise LookupError(f"no command topic for the device {device}; add one to the configuration")
        # It blocks the responder's own loop: handing it to a thread would take longer than the broker's answer.
        self._confirmed(topic.topic, topic.payload(command))

    def _confirmed(self, topic: str, payload: bytes) -> None:
        deadline = time.monotonic() + self._timeout
        where = f"{self._broker.host}:{self._broker.port}"
        # One client id, so one connection at a time: a second would push the first one out.
        if not self._one_at_a_time.acquire(timeout=self._timeout):
            raise NotConfirmedError(f"{where}: the command before this one is still on its way")
        try:
            self._talk(where, topic, payload, deadline)
        except OSError as error:
            if isinstance(error, NotConfirmedError):
                raise
            raise NotConfirmedError(f"{where}: command not sent ({error}); is the broker running?") from None
        finally:
            self._one_at_a_time.release()

    def _talk(self, where: str, topic: str, payload: bytes, deadline: float) -> None:
        client = self._broker.new_client(f"{self._broker.client_id}{CLIENT_SUFFIX}", clean_session=True)
        client.connect_timeout = max(0.1, deadline - time.monotonic())
        answer: list[str] = []
        client.on_connect = lambda _client, _data, _flags, code, _properties: answer.append(str(code))
        try:
            client.connect(self._broker.host, self._broker.port, self._broker.keepalive)
            sock = client.socket()
            if isinstance(sock, socket.socket):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                _run(client, client.is_connected, deadline)
            except NotConfirmedError as error:
                raise NotConfirmedError(f"{where}: not logged in ({answer[0] if answer else error})") from None
            try:
                _run(client, client.publish(topic, payload, qos=1).is_published, deadline)
            except (NotConfirmedError, RuntimeError) as error:
                raise NotConfirmedError(f"{where}: command to {topic} not confirmed ({error})") from None
            _wait_for_turn(client, topic, deadline)
        finally:
            client.disconnect()
            sock = client.socket()
            if sock is not None:
                sock.close()


def _wait_for_turn(client: Client, topic: str, deadline: float) -> None:
    """Ask the broker something harmless, and let it answer, before we go.

    A broker may confirm a message first and hand it on later; amqtt drops what it has not handed on when the client
    goes. It answers in turn, so that its answer means that our command is on its way.
    """
    answered: list[int] = []
    client.on_unsubscribe = lambda _client, _data, mid, *_: answered.append(mid)
    with suppress(NotConfirmedError, RuntimeError):  # the command itself was confirmed
        client.unsubscribe(topic)
        _run(client, lambda: bool(answered), min(deadline, time.monotonic() + TURN_SECONDS))


def _run(client: Client, done: Callable[[], bool], deadline: float) -> None:
    """Let the client talk until it is done. Raises `NotConfirmedError` when it cannot, or at the deadline."""
    while not done():
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotConfirmedError("no answer in time")
        code = client.loop(left)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NotConfirmedError(error_string(code))
