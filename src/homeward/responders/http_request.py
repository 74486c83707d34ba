"""One HTTP/1.1 request to an address of the owner's choice, bounded in size and in time (RFC 9110, RFC 9112).

TLS is verified, no redirect is followed, nothing is kept open. Plain ``http://`` is for the owner's own network only:
a name is looked up first, and only addresses that are not routed through the Internet are talked to. What is raised
names host and port, and never the rest of the address, which may be a secret.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from homeward import __version__

URL_LIMIT: Final = 2_048
"""The longest address, in characters."""

HEAD_LIMIT: Final = 16 * 1024
"""The longest head of a response, in bytes."""

PART_LIMIT: Final = 16 * 1024
"""How many bytes of a body are read at once."""

ANSWER_LIMIT: Final = 4_096
"""How much of a refusal is read, in bytes …"""

TEXT_LIMIT: Final = 120
"""… and how much of it is told, in characters."""

POST_SECONDS: Final = 8.0
"""How long a POST may take in all; the service gives up after ten."""

CLOSE_SECONDS: Final = 1.0

SECRET_LENGTH: Final = 8
"""Parts of an address that are at least so long are taken out of what a server says of it."""

_URL: Final = re.compile(rf"[!-~]{{1,{URL_LIMIT}}}")  # printable ASCII: no space, no line end that could add a header
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})( [^\r\n]*)?\r\n")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")


class HttpError(ConnectionError):
    """What was sent is not known to have been taken; it may be sent again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. ``path`` has the query in it; it is not shown (`where`), as it may be a secret."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @classmethod
    def read(cls, url: str) -> Address:
        """An address as its owner wrote it.

        Raises:
            ValueError: it is none, holds a password, or is plain http to the Internet. The url is not repeated.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if not host or not _URL.fullmatch(url) or parts.scheme not in ("http", "https") or parts.fragment:
            raise ValueError("write an address as https://HOST/PATH, in ASCII, without spaces and without '#'")
        if parts.username is not None or parts.password is not None:
            raise ValueError("write the address without a name and a password in it; a token belongs into a file")
        if parts.scheme == "http" and _literal(host) and not at_home(host):
            raise ValueError(f"http:// to {host} could be read on its way; write https://")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
        return cls(scheme, host, port or (443 if scheme == "https" else 80), path)

    def at(self, path: str) -> Address:
        """Another path of the same server."""
        return replace(self, path=path)

    @property
    def where(self) -> str:
        """Host and port: what may be shown."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.where}"

    def without_secrets(self, text: str) -> str:
        """What a server said, without the path (or long parts of it) of which it spoke."""
        for part in sorted({self.path, *re.split(r"[/?&=.,]", self.path)}, key=len, reverse=True):
            if len(part) >= SECRET_LENGTH:
                text = text.replace(part, "…")
        return text


@dataclass(slots=True)
class Response:
    """A response of which the head has been read."""

    status: int
    where: str
    _headers: http.client.HTTPMessage
    _reader: asyncio.StreamReader

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, in parts of at most 16 KiB. Raises `HttpError` when it ends too early."""
        with _in_one_line(self.where):
            async for part in self._parts():
                yield part

    async def _parts(self) -> AsyncIterator[bytes]:
        coding = self._headers.get("transfer-encoding", "").strip().lower()
        if coding == "chunked":
            while size := await self._chunk_size():
                async for part in self._exactly(size):
                    yield part
                await self._reader.readexactly(2)
        elif coding:
            raise HttpError(f"{self.where}: answered in an unknown transfer coding")
        elif length := self._headers.get("content-length"):
            if not re.fullmatch(r"[0-9]{1,18}", length):
                raise HttpError(f"{self.where}: answered with an unreadable length")
            async for part in self._exactly(int(length)):
                yield part
        else:
            while part := await self._reader.read(PART_LIMIT):
                yield part

    async def lines(self, limit: int) -> AsyncIterator[bytes | None]:
        """The body line by line, without the line ends; ``None`` for a line of more than ``limit`` bytes."""
        line, dropped = bytearray(), False
        async for part in self.parts():
            *ended, rest = part.split(b"\n")
            for piece in ended:
                line += piece
                yield None if dropped or len(line) > limit else bytes(line)
                line.clear()
                dropped = False
            if len(line) + len(rest) > limit:
                line.clear()
                dropped = True
            elif not dropped:
                line += rest

    async def _chunk_size(self) -> int:
        said = (await self._reader.readuntil(b"\r\n")).split(b";")[0].strip()
        if not _SIZE.fullmatch(said):
            raise HttpError(f"{self.where}: answered with an unreadable chunk")
        return int(said, 16)

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            part = await self._reader.read(min(size, PART_LIMIT))
            if not part:
                raise HttpError(f"{self.where}: ended in the middle of an answer")
            size -= len(part)
            yield part


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """What verifies servers: the system's authorities, or those of the file alone.

    Raises:
        ValueError: the file holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ValueError(f"{ca_file}: holds no certificates ({_why(error)}); name a file in PEM") from None


@asynccontextmanager
async def request(
    method: Literal["GET", "POST"],
    address: Address,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    tls: ssl.SSLContext,
    seconds: float,
) -> AsyncIterator[Response]:
    """Send a request; yields the response as soon as its head is there, which may take ``seconds``.

    Raises:
        HttpError: nobody was reached, or what came back is no answer.
    """
    sent = _head(method, address, headers, body) + body
    writer: asyncio.StreamWriter | None = None
    try:
        with _in_one_line(address.where):
            try:
                async with asyncio.timeout(seconds):
                    reader, writer = await _connect(address, tls)
                    writer.write(sent)
                    await writer.drain()
                    response = await _response(address, reader)
            except TimeoutError:
                raise HttpError(f"{address.where}: no answer within {seconds:g} s") from None
        yield response
    finally:
        if writer is not None:
            await _close(writer)


async def post(
    address: Address, headers: Mapping[str, str], body: bytes, *, tls: ssl.SSLContext, seconds: float = POST_SECONDS
) -> None:
    """POST, and be content with any 2xx. Raises `HttpError` for everything else, in ``seconds`` at the latest."""
    try:
        async with (
            asyncio.timeout(seconds),
            request("POST", address, headers, body, tls=tls, seconds=seconds) as response,
        ):
            if not 200 <= response.status < 300:
                raise HttpError(await refusal(address, response))
    except TimeoutError:
        raise HttpError(f"{address.where}: no answer within {seconds:g} s") from None


async def refusal(address: Address, response: Response) -> str:
    """A status that is no success, in one line, with the beginning of what the server says about it."""
    if 300 <= response.status < 400:
        return f"{address.where}: has moved (status {response.status}); write the address that it has now"
    said = b""
    with suppress(HttpError):
        async for part in response.parts():
            said += part
            if len(said) >= ANSWER_LIMIT:
                break
    text = said[:ANSWER_LIMIT].decode("utf-8", "replace")
    text = "".join(sign if sign.isprintable() else " " for sign in address.without_secrets(text))
    text = " ".join(text.split())
    short = text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
    return f"{address.where}: refused with status {response.status}" + (f" ({short})" if short else "")


def at_home(address: str) -> bool:
    """Whether it is an IP address that is not routed through the Internet: loopback, private, link-local, shared."""
    known: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return not known.is_global and not known.is_multicast


def _literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _connect(address: Address, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.scheme == "https":
        return await asyncio.open_connection(
            address.host,
            address.port,
            ssl=tls,
            limit=HEAD_LIMIT,
            happy_eyeballs_delay=0.25,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        )
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    near = list(dict.fromkeys(where[0] for *_, where in found if isinstance(where[0], str) and at_home(where[0])))
    if not near:
        raise HttpError(f"{address.where}: is not in your own network, and http:// could be read; write https://")
    for number, one in enumerate(near, 1):
        try:
            return await asyncio.open_connection(one, address.port, limit=HEAD_LIMIT)
        except OSError:
            if number == len(near):
                raise
    raise AssertionError  # near is not empty


def _head(method: str, address: Address, headers: Mapping[str, str], body: bytes) -> bytes:
    usual = {"http": 80, "https": 443}[address.scheme]
    host = address.where if address.port != usual else address.where.rpartition(":")[0]
    fields = {
        "host": host,
        "user-agent": f"homeward/{__version__}",
        "accept-encoding": "identity",
        "connection": "close",
        **({"content-length": str(len(body))} if method == "POST" else {}),
        **headers,
    }
    if any("\r" in value or "\n" in value for value in fields.values()):
        raise ValueError("a header of two lines")
    lines = [f"{method} {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _response(address: Address, reader: asyncio.StreamReader) -> Response:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = _STATUS.match(head)
        if status is None:
            raise HttpError(f"{address.where}: what came back is no whole answer in HTTP")
        if int(status[1]) >= 200:  # what comes before the answer (RFC 9110, 15.2) is of no use here
            fields = http.client.parse_headers(io.BytesIO(head[status.end() :]))
            return Response(int(status[1]), address.where, fields, reader)


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    """Turn whatever the network raises into an `HttpError`."""
    try:
        yield
    except HttpError:
        raise
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise HttpError(f"{where}: what came back is no whole answer in HTTP") from None
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise HttpError(f"{where}: not reached ({_why(error)})") from None


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "no such host"
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    writer.transport.abort()
