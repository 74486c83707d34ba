"""One connection to Home Assistant's WebSocket API: settings, errors, commands and the events that were asked for.

Follows https://developers.home-assistant.io/docs/api/websocket. The token goes nowhere but to a server that proved
its name (TLS), or to an address of this machine or of a private network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from homeward.sources.payloads import Refused, read_json

MESSAGE_LIMIT: Final = 16 * 1024 * 1024
"""The longest message that is read, in bytes: ten thousand entities' states are two thirds of it."""

WAITING_LIMIT: Final = 50_000
"""How many events may come in while the answer to a command is waited for."""

OPEN_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""How long a command may take: a day of history is read from a disk that may be an SD card."""

KEEPALIVE_SECONDS: Final = 20.0
OLDEST: Final = (2023, 1)
"""The first version that has every command we use (the least that is claimed; 2025.4 is what the tests run)."""

# At the level DEBUG the library logs every frame, and so the token.
_quiet = logging.Logger("homeward.home_assistant", logging.CRITICAL)
_quiet.addHandler(logging.NullHandler())


class HomeAssistantError(ConnectionError):
    """Home Assistant cannot be used as configured; the message is one line and says what to change."""


class TokenError(HomeAssistantError):
    """Home Assistant does not accept the token."""


class LostError(HomeAssistantError):
    """The connection was there and is gone."""


class TooLargeError(LostError):
    """It was closed because a message was longer than `MESSAGE_LIMIT`."""


class CommandError(HomeAssistantError):
    """A command was refused; ``code`` is Home Assistant's word for why (``unauthorized``, ``unknown_command``)."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantSettings:
    """Where Home Assistant is (``http://homeassistant.local:8123``) and a long-lived token of a user of it.

    With ``https`` the server's certificate is checked against ``ca_file``, or else against the system's authorities.
    Without TLS it is spoken to only when its address is this machine's or of a private network.

    Raises:
        ValueError: the address or the token cannot be one.
    """

    url: str
    token: str = field(repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username is not None or parts.query or parts.fragment:
            raise ValueError("url: write it as http://homeassistant.local:8123 or https://…, without user or query")
        if not (self.token.isascii() and self.token.isprintable() and 0 < len(self.token) <= 4_096):
            raise ValueError("token: a long-lived token is one line of letters, digits, '.', '-' and '_'")

    @property
    def address(self) -> str:
        """The WebSocket's address."""
        parts = urlsplit(self.url)
        return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}/api/websocket"

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    def trust(self) -> ssl.SSLContext | None:
        """Whose certificates are believed; ``None`` without TLS.

        Raises:
            HomeAssistantError: ``ca_file`` cannot be read.
        """
        if not self.encrypted:
            return None
        try:
            trust = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # SSLError is one
            raise HomeAssistantError(
                f"{self.ca_file}: not a readable CA certificate ({error}); set ca_file"
            ) from None
        trust.minimum_version = ssl.TLSVersion.TLSv1_2
        return trust


class Told(NamedTuple):
    """An event of a subscription: which subscription, and what it says."""

    subscription: int
    event: dict[str, Any]


class Connection:
    """An authenticated connection. One task uses it; whatever it raises, it is over."""

    def __init__(self, settings: HomeAssistantSettings, socket: ClientConnection, version: str) -> None:
        self.version = version
        self._settings = settings
        self._socket = socket
        self._number = 0
        self._waiting: deque[Told] = deque()

    @classmethod
    async def open(cls, settings: HomeAssistantSettings, *, keepalive: float | None = KEEPALIVE_SECONDS) -> Self:
        """Connect and authenticate. With ``keepalive`` the connection is lost when the server has gone quiet.

        Raises:
            TokenError: the token is not accepted.
            HomeAssistantError: it cannot be reached, is too old or is no Home Assistant.
        """
        try:
            socket = await connect(
                settings.address,
                ssl=settings.trust(),
                open_timeout=OPEN_SECONDS,
                ping_interval=keepalive,
                ping_timeout=keepalive,
                close_timeout=1.0,
                max_size=MESSAGE_LIMIT,
                compression=None,
                proxy=None,
                logger=_quiet,
            )
        except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
            raise HomeAssistantError(f"{settings.url}: cannot be reached ({_one_line(error)})") from None
        try:
            if not settings.encrypted:
                demand_private(settings.url, socket.remote_address)
            version = await _authenticate(settings, socket)
        except BaseException:
            await socket.close()
            raise
        return cls(settings, socket, version)

    async def close(self) -> None:
        await self._socket.close()

    async def command(self, type_: str, /, **fields: Any) -> Any:
        """Send a command and return its result. Events that come meanwhile wait for `next`.

        Raises:
            CommandError: it was refused.
            LostError: the connection is gone, or there was no answer.
        """
        return await self._ask(self._next_number(), type_, fields)

    async def subscribe(self, event_type: str) -> int:
        """Ask for all events of a type; returns the number that they come under. Raises as `command` does."""
        number = self._next_number()
        await self._ask(number, "subscribe_events", {"event_type": event_type})
        return number

    async def next(self) -> Told:
        """The next event of any subscription. Raises `LostError`."""
        while not self._waiting:
            await self._receive(0)
        return self._waiting.popleft()

    def drop_waiting(self) -> None:
        """Forget the events that have come and were not asked for by `next`."""
        self._waiting.clear()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _ask(self, number: int, type_: str, fields: dict[str, Any]) -> Any:
        message = msgspec.json.encode({"id": number, "type": type_, **fields}).decode()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._socket.send(message)
                while (answer := await self._receive(number)) is None:
                    pass
        except ConnectionClosed as error:
            raise self._lost(error) from None
        except TimeoutError:
            raise LostError(f"{self._settings.url}: no answer to {type_} within {ANSWER_SECONDS:g} seconds") from None
        if answer.get("success") is True:
            return answer.get("result")
        said = answer.get("error")
        why = said if isinstance(said, dict) else {}
        detail = f"{self._settings.url}: {type_} was refused ({_printable(why.get('message'))})"
        raise CommandError(detail, str(why.get("code")))

    async def _receive(self, number: int) -> dict[str, Any] | None:
        """Take in one message: the answer to command ``number`` is returned, events are kept, others passed over."""
        try:
            text = await self._socket.recv(decode=False)
        except ConnectionClosed as error:
            raise self._lost(error) from None
        try:
            said = read_json(text)
        except Refused:
            raise HomeAssistantError(f"{self._settings.url}: what it says is no JSON object") from None
        if said.get("type") == "result" and number and said.get("id") == number:
            return said
        event, subscription = said.get("event"), said.get("id")
        if said.get("type") == "event" and isinstance(event, dict) and isinstance(subscription, int):
            if len(self._waiting) >= WAITING_LIMIT:
                raise LostError(f"{self._settings.url}: more than {WAITING_LIMIT} events wait to be read")
            self._waiting.append(Told(subscription, event))
        return None

    def _lost(self, error: ConnectionClosed) -> LostError:
        if error.sent is not None and error.sent.code == 1009:
            return TooLargeError(f"{self._settings.url}: a message was longer than {MESSAGE_LIMIT >> 20} MiB")
        return LostError(f"{self._settings.url}: the connection is lost ({_one_line(error)})")


async def _authenticate(settings: HomeAssistantSettings, socket: ClientConnection) -> str:
    """Home Assistant's version, once it has accepted the token."""
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            greeting = read_json(await socket.recv(decode=False))
            version = _version(greeting.get("ha_version"))
            if greeting.get("type") != "auth_required" or version is None:
                raise HomeAssistantError(f"{settings.url}: this is no Home Assistant")
            if version < OLDEST:
                needed = ".".join(map(str, OLDEST))
                raise HomeAssistantError(
                    f"{settings.url}: Home Assistant {_printable(greeting.get('ha_version'))} is too old; "
                    f"update it to {needed} or newer"
                )
            await socket.send(msgspec.json.encode({"type": "auth", "access_token": settings.token}).decode())
            answer = read_json(await socket.recv(decode=False))
    except (ConnectionClosed, Refused, TimeoutError) as error:
        raise HomeAssistantError(f"{settings.url}: did not let us in ({_one_line(error)})") from None
    if answer.get("type") != "auth_ok":
        raise TokenError(
            f"{settings.url}: the token is not accepted: it was revoked, has expired or was mistyped; make a new "
            "long-lived token in Home Assistant (profile, Security) and put it into the token file"
        )
    return str(greeting["ha_version"])


def demand_private(url: str, peer: object) -> None:
    """Raises `HomeAssistantError` unless the peer's address is this machine's or of a private network."""
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        address = None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped is None or not (mapped.is_private or mapped.is_loopback or mapped.is_link_local):
        raise HomeAssistantError(
            f"{url}: {host} is not in a private network, and without TLS anybody on the way reads the token; "
            "write an https:// address"
        )


def _version(text: object) -> tuple[int, int] | None:
    """Year and month of a version such as ``2025.4.4``."""
    parts = text.split(".") if isinstance(text, str) else []
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1])


def _printable(said: object) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in str(said)[:120])


def _one_line(error: BaseException) -> str:
    return _printable(str(error) or type(error).__name__)
