"""A small real HTTP server on a loopback port, with or without TLS, that answers as a test tells it to.

A test module imports ``peer_fixture``, and its tests ask for ``peer``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answers = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class HttpPeer:
    """``asked`` are the requests, in order; ``answer`` is what is said to each, or does what a test needs."""

    answer: bytes | Answers = OK
    asked: list[Asked] = field(default_factory=list)
    scheme: str = "http"
    port: int = 0
    _server: asyncio.Server | None = None
    _tls: ssl.SSLContext | None = None
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    async def start(self) -> None:
        """Listen: on the port that it had before, if it had one."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Listen no more."""
        assert self._server is not None
        self._server.close()

    async def stop(self) -> None:
        """Break off everything."""
        if self._server is not None:
            self._server.close()
            for talk in list(self._talks):
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                await self._take(reader, writer)
        finally:
            self._talks.discard(talk)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, path, headers, body)
        self.asked.append(asked)
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
            await writer.drain()
        else:
            await self.answer(asked, writer)


@asynccontextmanager
async def http_peer(answer: bytes | Answers = OK, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpPeer]:
    """A server that is up while the block runs."""
    peer = HttpPeer(answer=answer, scheme="https" if tls else "http", _tls=tls)
    await peer.start()
    try:
        yield peer
    finally:
        await peer.stop()


@pytest.fixture(name="peer")
async def peer_fixture() -> AsyncIterator[HttpPeer]:
    """A server that says 200 to everything."""
    async with http_peer() as peer:
        yield peer
