"""A relay between the guard and its broker that reads along: which messages came, and which PUBACKs were really sent.

It ends TLS on both sides, with the broker's own certificate, and passes on every byte as it came. When one side goes,
what it had sent is still passed on, and then the other side is closed, as a network would do.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from tests.mosquitto import Mosquitto

CONNECT, PUBLISH, PUBACK = 1, 3, 4


class Packets:
    """Cuts a stream into MQTT control packets (section 2.1 of version 5, 2.2 of 3.1.1): type, flags, body."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        self._bytes += data
        while (found := self._length()) is not None:
            start, end = found
            first = self._bytes[0]
            body = bytes(self._bytes[start:end])
            del self._bytes[:end]
            yield first >> 4, first & 15, body

    def _length(self) -> tuple[int, int] | None:
        """Where the first packet's body begins and ends; ``None`` while it is not all here."""
        length = 0
        for number, byte in enumerate(self._bytes[1:5]):
            length |= (byte & 127) << 7 * number
            if byte < 128:
                start = number + 2
                return (start, start + length) if len(self._bytes) >= start + length else None
        return None


class Relay:
    """``delivered`` and ``acknowledged`` are the QoS 1 messages (packet id, topic, payload) to the guard's source and
    those whose PUBACK came back from it, in order; ``redelivered`` those that had the DUP flag. While ``swallow`` is
    set, nothing that the guard says reaches the broker."""

    def __init__(self, broker: Mosquitto, source: str = "homeward") -> None:
        self.delivered: list[tuple[int, str, bytes]] = []
        self.redelivered: list[tuple[int, str, bytes]] = []
        self.acknowledged: list[tuple[int, str, bytes]] = []
        self.swallow = False
        self.port = 0
        self._broker = broker
        self._source = source.encode()
        self._lines: list[_Line] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    @contextmanager
    def running(self) -> Iterator[Relay]:
        """Listen on a free port, in a thread of its own, while the block runs."""
        ready: Future[None] = Future()
        thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(ready)), name="relay")
        thread.start()
        try:
            ready.result(10.0)
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(10.0)
            assert not thread.is_alive()
            self._loop.close()

    def payloads(self) -> set[bytes]:
        """The payloads of the messages whose PUBACK the guard sent."""
        return {payload for _, _, payload in self.acknowledged}

    def cut(self) -> None:
        """The network fails: nothing more comes through, on either side, of what is under way."""
        done: Future[None] = Future()

        def abort() -> None:
            for line in self._lines:
                line.abort()
            done.set_result(None)

        self._loop.call_soon_threadsafe(abort)
        done.result(10.0)

    async def _serve(self, ready: Future[None]) -> None:
        certificates = self._broker.certificates
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificates.certificate, certificates.key)
        try:
            server = await self._loop.create_server(self._line, "127.0.0.1", 0, ssl=own)
        except BaseException as error:
            ready.set_exception(error)
            raise
        self.port = server.sockets[0].getsockname()[1]
        ready.set_result(None)
        await self._stop.wait()
        server.close()
        for line in self._lines:
            line.abort()
        await asyncio.gather(*(line.dialling for line in self._lines if line.dialling), return_exceptions=True)
        await asyncio.gather(*(end for line in self._lines for end in line.ends))

    def _line(self) -> asyncio.Protocol:
        line = _Line(self, self._broker)
        self._lines.append(line)
        return _Side(line, from_guard=True)

    # What goes by

    def from_guard(self, line: _Line, kind: int, body: bytes) -> None:
        if kind == CONNECT:
            level_at = 2 + int.from_bytes(body[:2], "big")
            line.has_properties = body[level_at] == 5
            rest = line.without_properties(body[level_at + 4 :])
            line.is_source = _text(rest, 0) == self._source
        elif kind == PUBACK and line.is_source:
            self.acknowledged.append(line.under_way.pop(int.from_bytes(body[:2], "big")))

    def from_broker(self, line: _Line, kind: int, flags: int, body: bytes) -> None:
        if kind != PUBLISH or not line.is_source or not flags & 0b0110:
            return
        topic = _text(body, 0)
        rest = body[2 + len(topic) :]
        message = (int.from_bytes(rest[:2], "big"), topic.decode(), line.without_properties(rest[2:]))
        line.under_way[message[0]] = message
        self.delivered.append(message)
        if flags & 0b1000:
            self.redelivered.append(message)


def _text(body: bytes, at: int) -> bytes:
    """A length-prefixed string (section 1.5.3)."""
    return body[at + 2 : at + 2 + int.from_bytes(body[at : at + 2], "big")]


class _Line:
    """One connection of the guard, and the one to the broker that stands for it."""

    def __init__(self, relay: Relay, broker: Mosquitto) -> None:
        self.relay = relay
        self.is_source = False
        self.has_properties = False
        self.under_way: dict[int, tuple[int, str, bytes]] = {}
        self.dialling: asyncio.Task[Any] | None = None
        self.ends: list[asyncio.Future[None]] = []
        self._guard: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._packets = {True: Packets(), False: Packets()}
        self._broker = broker

    def without_properties(self, rest: bytes) -> bytes:
        """What follows the properties of a packet, which MQTT 5 has (section 2.2.2)."""
        length = 0
        for number, byte in enumerate(rest[:4] if self.has_properties else b""):
            length |= (byte & 127) << 7 * number
            if byte < 128:
                return rest[number + 1 + length :]
        return rest

    def made(self, transport: asyncio.Transport, *, from_guard: bool) -> None:
        if from_guard:
            self._guard = transport
            self.dialling = asyncio.ensure_future(self._dial())
            return
        self._far = transport
        transport.writelines(self._early)
        self._early.clear()

    async def _dial(self) -> None:
        trust = ssl.create_default_context(cafile=self._broker.certificates.ca)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _Side(self, from_guard=False), "127.0.0.1", self._broker.port, ssl=trust
            )
        except OSError:  # the broker is away: so are we
            self.abort()

    def passed(self, data: bytes, *, from_guard: bool) -> None:
        for kind, flags, body in self._packets[from_guard].feed(data):
            if from_guard:
                self.relay.from_guard(self, kind, body)
            else:
                self.relay.from_broker(self, kind, flags, body)
        if from_guard and self.relay.swallow:
            return
        to = self._far if from_guard else self._guard
        if to is None:
            self._early.append(data)
        else:
            to.write(data)

    def lost(self, *, from_guard: bool) -> None:
        other = self._far if from_guard else self._guard
        if other is not None:
            other.close()

    def abort(self) -> None:
        for side in (self._guard, self._far):
            if side is not None:
                side.abort()


class _Side(asyncio.Protocol):
    """Reads whole chunks as they come: what was received before a connection broke is never dropped."""

    def __init__(self, line: _Line, *, from_guard: bool) -> None:
        self._line, self._from_guard = line, from_guard
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._line.ends.append(self._end)
        self._line.made(transport, from_guard=self._from_guard)

    def data_received(self, data: bytes) -> None:
        self._line.passed(data, from_guard=self._from_guard)

    def connection_lost(self, _error: Exception | None) -> None:
        self._line.lost(from_guard=self._from_guard)
        self._end.set_result(None)
