"""One connection to an MQTT 3.1.1 broker, driven by asyncio: settings, errors, messages."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from homeward.sources.topics import PAYLOAD_LIMIT

HELD_MESSAGES: Final = 1000
HELD_BYTES: Final = 4 * 1024 * 1024
"""How much is read from the broker and not yet handled, at most; then reading stops until half of it is handled."""

ANSWER_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
_LOGIN_CODES: Final = frozenset({134, 135})  # MQTT 5's numbers, into which paho translates those of 3.1.1


class MqttError(ConnectionError):
    """The broker cannot be used as configured; the message is one line and says what to change."""


class LoginError(MqttError):
    """The broker does not accept the user name, the password or the client id."""


class SubscriptionError(MqttError):
    """The broker lets us in, but refuses every subscription."""


class LostError(MqttError):
    """The connection was there and is gone."""


class _TlsContext(ssl.SSLContext):
    """Shakes hands at once, and closes the socket when that fails: paho would leave it open."""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(sock, *arguments, **options)
        try:
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Where the broker is and who we are to it. With ``ca_file`` the connection is TLS (at least 1.2), else plain.

    ``client_id`` names the session: one guard, one name, always the same. ``keepalive`` is in seconds.
    """

    host: str = "localhost"
    port: int = 8883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_id: str = "homeward"
    keepalive: int = 60

    def new_client(self, client_id: str, *, clean_session: bool) -> mqtt.Client:
        """A client for this broker, not yet connected, that never reconnects by itself.

        Raises:
            MqttError: ``ca_file`` cannot be read.
        """
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.ca_file is not None:
            trust = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate, and the host's name in it
            trust.minimum_version = ssl.TLSVersion.TLSv1_2
            try:
                trust.load_verify_locations(self.ca_file)
                client.tls_set_context(trust)
            except OSError as error:  # SSLError is one
                raise MqttError(f"{self.ca_file}: not a readable CA certificate ({error}); set ca_file") from None
        return client


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
    """The broker's answer to our subscription: which filters it ``refused``."""

    refused: tuple[str, ...]


class Connection:
    """One connection, driven by the running event loop: no thread, and messages stay in the order of receipt."""

    def __init__(self, settings: MqttSettings, status_topic: str) -> None:
        self.where = f"{settings.host}:{settings.port}"
        self._settings = settings
        self._status_topic = status_topic
        self._loop = asyncio.get_running_loop()
        self._client = client = settings.new_client(settings.client_id, clean_session=False)
        client.manual_ack_set(True)
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
        self._asked: tuple[str, ...] | None = None  # the filters of a subscription that is not answered yet
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> bool:
        """Connect and log in. Returns whether the broker still has our session. Raises `MqttError`."""
        await self._dial()
        await self._answer(lambda: self._session_present is not None, "the login")
        return bool(self._session_present)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for QoS 1. `next` returns the answer in its turn: a session brings all that is under way before it."""
        if not filters:
            self._inbox.append(Subscribed(()))
            return
        self._asked = tuple(filters)
        self._client.subscribe([(name, 1) for name in filters])

    def tell(self, status: bytes) -> mqtt.MQTTMessageInfo:
        """Publish our status, retained, at once. Returns what tells whether the broker has confirmed it."""
        said = self._client.publish(self._status_topic, status, qos=1, retain=True)
        self._write()
        return said

    async def next(self) -> Message | Subscribed:
        """What came next.

        Raises:
            LostError: the connection is gone, and everything that was received has been returned.
            MqttError: the broker says nothing at all, not even what became of the subscription.
        """
        if self._asked is None:
            await self._until(lambda: bool(self._inbox))
        else:
            await self._answer(lambda: bool(self._inbox), "the subscription")
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
                said = self.tell(b"offline")
                async with asyncio.timeout(CLOSE_SECONDS):
                    if not self._paused:
                        await self._until(said.is_published)
                    self._client.disconnect()
                    await self._until(lambda: not self._attached)
        except (MqttError, TimeoutError):
            pass  # then the will says it
        finally:
            self._drop()

    async def _dial(self) -> None:
        settings = self._settings
        # Name resolution and the TLS handshake block, so they have a thread. CONNECT is only queued there.
        dialling = self._loop.run_in_executor(
            None, self._client.connect, settings.host, settings.port, settings.keepalive
        )
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

    def _dialled_for_nothing(self, dialling: asyncio.Future[Any]) -> None:
        if not dialling.cancelled():
            dialling.exception()  # nobody waits for it any more
        self._drop()

    async def _answer(self, ready: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._until(ready)
        except TimeoutError:
            raise MqttError(f"{self.where}: did not answer {what} in {ANSWER_SECONDS:.0f} s; is it MQTT?") from None

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
            self._fail(LostError(f"{self.where}: sent what is not MQTT ({error!r})"))
            self._drop()

    def _write(self) -> None:
        self._client.loop_write()

    def _keep_alive(self) -> None:
        if self._attached:
            self._client.loop_misc()
            self._timer = self._loop.call_later(1.0, self._keep_alive)

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
        elif code.value in _LOGIN_CODES:
            self._fail(LoginError(f"{self.where}: login refused ({code}); check username and password"))
        else:
            self._fail(MqttError(f"{self.where}: connection refused ({code}); check client_id and the broker's log"))
        self._news.set()

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        refused = tuple(name for name, code in zip(self._asked or (), codes, strict=False) if code.is_failure)
        self._asked = None
        self._inbox.append(Subscribed(refused))
        self._news.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # refused as unknown
        # One byte too many is enough to be refused; ten megabytes need not wait in the queue for it.
        payload = bytes(message.payload[: PAYLOAD_LIMIT + 1])
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
            LostError(f"{self.where}: connection lost ({code}); is the broker up, and the client_id used once?")
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
