"""One connection to an MQTT broker (5 or 3.1.1), driven by asyncio."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from homeward.sources.dialects import LIST_LIMIT
from homeward.sources.mqtt_settings import LoginError, LostError, MqttError, MqttSettings, Version, VersionError
from homeward.sources.topics import PAYLOAD_LIMIT

__all__ = ["Connection", "LoginError", "LostError", "Message", "MqttError", "MqttSettings", "Subscribed"]

HELD_MESSAGES: Final = 1000
HELD_BYTES: Final = 4 * 1024 * 1024
"""How much is read from the broker and not yet handled, at most; then reading stops until half of it is handled."""

PACKET_LIMIT: Final = LIST_LIMIT + 4096
"""The longest packet that an MQTT 5 broker may send, in bytes: a bridge's list of a few hundred devices fits."""

UNACKNOWLEDGED: Final = 8_192
"""How many messages an MQTT 5 broker may send that are not acknowledged yet (Receive Maximum).

A commit of the journal holds 512 at most, and `acknowledgement.REMEMBERED` recognises as many."""

ANSWER_SECONDS: Final = 10.0
VERSION_SECONDS: Final = 3.0
"""How long a broker may take to answer a login in MQTT 5, while 3.1.1 is still to be tried."""

CLOSE_SECONDS: Final = 2.0
_LOGIN_CODES: Final = frozenset({134, 135})  # MQTT 5's numbers, into which paho translates those of 3.1.1
_VERSION_CODE: Final = 132
_NEVER: Final = 0xFFFFFFFF  # a session that does not expire [MQTT-3.1.2-23]: what a persistent one is in 3.1.1


@dataclass(frozen=True, slots=True)
class Message:
    mid: int
    topic: str
    payload: bytes
    qos: int
    dup: bool
    retained: bool

    @property
    def name(self) -> str:
        """What tells a redelivery: packet identifier and content."""
        content = hashlib.sha256(self.topic.encode("utf-8", "surrogatepass") + self.payload)
        return f"{self.mid}:{content.hexdigest()[:24]}"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker's answer to our subscription: which filters it ``refused`` of those we ``asked`` for."""

    refused: tuple[str, ...]
    asked: tuple[str, ...] = ()


class Connection:
    """One connection, driven by the running event loop: no thread, and messages stay in the order of receipt.

    With a ``status_topic`` its session outlives it, and the topic says whether it is there. Without one it leaves
    nothing behind. Of a message on a topic at most ``limit(topic)`` bytes are kept, and one more.
    """

    def __init__(
        self,
        settings: MqttSettings,
        status_topic: str = "",
        *,
        version: Version = 311,
        limit: Callable[[str], int] = lambda _topic: PAYLOAD_LIMIT,
    ) -> None:
        self.where = f"{settings.host}:{settings.port}"
        self.version: Version = version
        self._settings = settings
        self._status_topic = status_topic
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._client = client = settings.new_client(
            settings.client_id, clean_session=not status_topic, version=version
        )
        client.manual_ack_set(True)
        if status_topic:
            client.will_set(status_topic, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        self._attached = False
        self._paused = False
        self._inbox: deque[Message | Subscribed] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._lost: MqttError | None = None
        self._session_present: bool | None = None
        self._asked: dict[int, tuple[str, ...]] = {}  # the filters of subscriptions that are not answered yet
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def opened(
        cls,
        settings: MqttSettings,
        status_topic: str = "",
        *,
        versions: Sequence[Version] = (),
        limit: Callable[[str], int] = lambda _topic: PAYLOAD_LIMIT,
    ) -> Connection:
        """Connect and log in, in the first of ``versions`` that the broker speaks (by default those of the settings).

        A broker of 3.1.1 may answer MQTT 5 by a refusal, by closing the connection, or, waiting for more of what it
        takes for a name (amqtt), not at all. Raises `MqttError`.
        """
        tried = versions or settings.versions
        for version in tried:
            connection = cls(settings, status_topic, version=version, limit=limit)
            try:
                await connection.open(ANSWER_SECONDS if version == tried[-1] else VERSION_SECONDS)
            except BaseException as error:
                await connection.close()
                if not isinstance(error, VersionError) or version == tried[-1]:
                    raise
            else:
                return connection
        raise AssertionError("the last version is opened or raises")

    @property
    def session_present(self) -> bool:
        """Whether the broker still had our session."""
        return bool(self._session_present)

    @property
    def idle(self) -> bool:
        """Whether everything that was received has been returned."""
        return not self._inbox

    async def open(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Connect and log in. Returns whether the broker still has our session. Raises `MqttError`."""
        await self._dial()
        await self._answer(lambda: self._session_present is not None, "the login", seconds)
        return bool(self._session_present)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for QoS 1. `next` returns the answer in its turn: a session brings all that is under way before it.

        Several may be under way; they are answered in order.
        """
        if not filters:
            self._inbox.append(Subscribed(()))
            return
        asked: list[Any] = [(name, SubscribeOptions(qos=1) if self.version == 5 else 1) for name in filters]
        _, mid = self._client.subscribe(asked)
        if mid is not None:
            self._asked[mid] = tuple(filters)
        if self._attached:
            self._write()

    def tell(self, status: bytes) -> mqtt.MQTTMessageInfo:
        """Publish our status, retained, at once. Returns what tells whether the broker has confirmed it."""
        return self.publish(self._status_topic, status, retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> mqtt.MQTTMessageInfo:
        """Publish at once, with QoS 1. Returns what tells whether the broker has confirmed it."""
        said = self._client.publish(topic, payload, qos=1, retain=retain)
        self._write()
        return said

    async def next(self) -> Message | Subscribed:
        """What came next.

        Raises:
            LostError: the connection is gone, and everything that was received has been returned.
            MqttError: the broker says nothing at all, not even what became of the subscription.
        """
        if self._asked:
            await self._answer(lambda: bool(self._inbox), "the subscription")
        else:
            await self._until(lambda: bool(self._inbox))
        item = self._inbox.popleft()
        if isinstance(item, Message):
            self._held -= len(item.payload)
        if self._paused and len(self._inbox) <= HELD_MESSAGES // 2 and self._held <= HELD_BYTES // 2:
            self._paused = False
            if self._attached:
                self._loop.add_reader(self._socket(), self._read)
                self._loop.call_soon(self._read)  # what TLS has decrypted does not make the socket readable
        return item

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Send PUBACKs at once, so that they are with the system before the journal notes them."""
        sent = False
        for mid in packet_ids:
            self._client.ack(mid, 1)
            sent = True
        if sent and self._attached:
            self._write()

    @property
    def up(self) -> bool:
        return self._lost is None and self._attached

    async def close(self) -> None:
        """Leave in order: ``offline``, then DISCONNECT.

        A socket that is closed with something unread in it resets the connection, and the broker may lose what it
        has not read yet: the last acknowledgements. That it confirms ``offline`` says that it has read them all.
        Where it does not, it publishes the will.
        """
        try:
            if self.up and self._session_present is not None:
                said = self.tell(b"offline") if self._status_topic else None
                async with asyncio.timeout(CLOSE_SECONDS):
                    if said is not None and not self._paused:
                        await self._until(said.is_published)
                    self._client.disconnect()
                    await self._until(lambda: not self._attached)
        except (MqttError, TimeoutError):
            pass  # then the will says it
        finally:
            self._drop()

    async def _dial(self) -> None:
        # Name resolution and the TLS handshake block, so they have a thread. CONNECT is only queued there.
        dialling = self._loop.run_in_executor(None, self._connect)
        try:
            await asyncio.shield(dialling)
        except asyncio.CancelledError:
            dialling.add_done_callback(self._dialled_for_nothing)
            raise
        except ssl.SSLCertVerificationError as error:
            raise MqttError(
                f"{self.where}: its certificate is not trusted ({error.verify_message}); set ca_file to the CA that "
                "signed it, and host to the name in it"
            ) from None
        except (OSError, ValueError) as error:
            raise MqttError(
                f"{self.where}: cannot connect ({error}); is the broker running, and are host, port and ca_file so?"
            ) from None
        sock = self._socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._attached = True
        self._loop.add_reader(sock, self._read)
        self._loop.add_writer(sock, self._write)
        self._timer = self._loop.call_later(1.0, self._keep_alive)

    def _connect(self) -> None:
        settings = self._settings
        if self.version == 311:
            self._client.connect(settings.host, settings.port, settings.keepalive)
            return
        ours = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho types it not
        ours.SessionExpiryInterval = _NEVER if self._status_topic else 0
        ours.ReceiveMaximum = UNACKNOWLEDGED
        ours.MaximumPacketSize = PACKET_LIMIT
        clean = not self._status_topic
        self._client.connect(settings.host, settings.port, settings.keepalive, clean_start=clean, properties=ours)

    def _dialled_for_nothing(self, dialling: asyncio.Future[Any]) -> None:
        if not dialling.cancelled():
            dialling.exception()  # nobody waits for it any more
        self._drop()

    async def _answer(self, ready: Callable[[], bool], what: str, seconds: float = ANSWER_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._until(ready)
        except TimeoutError:
            raise self._gone(f"did not answer {what} in {seconds:.0f} s", MqttError, "is it MQTT?") from None

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self._lost is not None:
                raise self._lost
            self._news.clear()
            await self._news.wait()

    def _socket(self) -> socket.socket:
        sock: Any = self._client.socket()
        if sock is None:
            raise self._lost or LostError(f"{self.where}: connection lost")
        assert isinstance(sock, socket.socket)
        return sock

    def _read(self) -> None:
        try:
            while self._attached and not self._paused:
                self._client.loop_read()
                sock = self._client.socket()
                if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                    return
        except Exception as error:  # a packet that paho cannot parse; the stream cannot be trusted after it
            self._fail(self._gone(f"sent what is not MQTT ({error!r})", LostError, "is it a broker?"))
            self._drop()

    def _write(self) -> None:
        self._client.loop_write()

    def _keep_alive(self) -> None:
        if self._attached:
            self._client.loop_misc()
            self._timer = self._loop.call_later(1.0, self._keep_alive)

    def _gone(self, why: str, kind: type[MqttError], check: str) -> MqttError:
        """Why the connection is of no use; before the login, perhaps because the broker speaks another version."""
        if self._session_present is None and self.version == 5:
            return VersionError(f"{self.where}: {why}; does the broker speak MQTT 5? If not, set protocol = 311")
        return kind(f"{self.where}: {why}; {check}")

    def _fail(self, error: MqttError) -> None:
        if self._lost is None:
            self._lost = error
        self._news.set()

    def _drop(self) -> None:
        """Leave at once. Without a DISCONNECT, the broker publishes the will."""
        sock: Any = self._client.socket()
        if sock is not None:
            self._on_socket_close(self._client, None, sock)
            sock.close()
        self._attached = False
        if self._timer is not None:
            self._timer.cancel()

    def _on_connect(self, _client: mqtt.Client, _data: Any, flags: Any, code: ReasonCode, _properties: Any) -> None:
        if not code.is_failure:
            self._session_present = bool(flags.session_present)
        elif code.value == _VERSION_CODE:
            self._fail(VersionError(f"{self.where}: connection refused ({code}); set protocol to another version"))
        elif code.value in _LOGIN_CODES:
            self._fail(LoginError(f"{self.where}: login refused ({code}); check username and password"))
        else:
            self._fail(MqttError(f"{self.where}: connection refused ({code}); check client_id and the broker's log"))
        self._news.set()

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        asked = self._asked.pop(mid, ())
        refused = tuple(name for name, code in zip(asked, codes, strict=False) if code.is_failure)
        self._inbox.append(Subscribed(refused, asked))
        self._news.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # refused as unknown
        # One byte too many is enough to be refused; ten megabytes need not wait in the queue for it.
        payload = bytes(message.payload[: self._limit(topic) + 1])
        self._inbox.append(Message(message.mid, topic, payload, message.qos, bool(message.dup), bool(message.retain)))
        self._held += len(payload)
        if not self._paused and (len(self._inbox) >= HELD_MESSAGES or self._held >= HELD_BYTES):
            self._paused = True
            self._loop.remove_reader(self._socket())
        self._news.set()

    def _on_publish(self, _client: mqtt.Client, _data: Any, _mid: int, _code: ReasonCode, _properties: Any) -> None:
        self._news.set()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        self._fail(
            self._gone(f"connection lost ({code})", LostError, "is the broker up, and the client_id used once?")
        )

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if self._attached:
            self._attached = False
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            self._news.set()

    def _on_want_write(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if self._attached:
            self._loop.add_writer(sock, self._write)

    def _on_written(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if self._attached:
            self._loop.remove_writer(sock)
