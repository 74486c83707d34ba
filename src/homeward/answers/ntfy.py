"""Answers from the buttons of ntfy's messages: the guard follows a topic of the server, nothing dials the guard.

The stream is https://docs.ntfy.sh/subscribe/api/ as JSON lines. The server sends ``open``, then what it has kept
since, then what is new, and ``keepalive`` in between; a message that comes while that begins may come twice, or
before an older one. So the guard starts again from the last ``keepalive`` that it heard, with an overlap, and knows
the messages that it has read by their ids. After its own start it reads all that the server still keeps (twelve hours
by default): an answer that was given while it was away is taken then, one that was taken before is too late.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Final

from homeward.dashboard.view import Watched
from homeward.feeders import keep_on
from homeward.presses import NOT_TAKEN_IN, read_press, take
from homeward.responders.http_request import HttpError, refusal, request, tls_context
from homeward.responders.ntfy import authorization, checked_topic, server_address
from homeward.sources.payloads import Refused, read_json

CONNECT_SECONDS: Final = 10.0

SILENCE_SECONDS: Final = 150.0
"""A stream in which nothing came for so long is dead: the server says ``keepalive`` every 45 s by default."""

OVERLAP_SECONDS: Final = 60
"""How much before the last ``keepalive`` is read again: a server may write down a little later what it has sent."""

LINE_LIMIT: Final = 64 * 1024
"""The longest line of the stream that is read, in bytes; a press is much shorter."""

SEEN_LIMIT: Final = 4_096
"""How many messages are remembered as read."""

log = logging.getLogger(__name__)


class NtfyAnswers:
    """Takes presses from a topic, until cancelled; whatever the server does, the guard goes on.

    ``key`` is the installation's (`homeward.dashboard.security.load_or_create_key`), ``channel`` the name of the
    channel whose presses are taken. ``refused`` counts messages that were not taken, by reason
    (`homeward.presses.REASONS`). A press that could not be written down is taken up again a little later.

    Raises:
        ValueError: the server's address, the topic or the token is none; they are not repeated.
    """

    def __init__(
        self,
        service: Watched,
        server: str,
        topic: str,
        key: str,
        *,
        channel: str = "ntfy",
        token: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._service = service
        self._address = server_address(server)
        self._topic = checked_topic(topic)
        self._key = key
        self._channel = channel
        self._headers = {"accept": "application/x-ndjson"} | authorization(token)
        self._tls = tls_context(ca_file)
        self._heard: int | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._missed = False

    async def run(self) -> None:
        """Connect and listen; again after 1 to 60 s when that fails. Never ends by itself."""
        await keep_on(self._follow, HttpError, "answers", log)

    async def _follow(self) -> None:
        """Over one connection. Raises `HttpError` when that is lost or of no use."""
        since = "all" if self._heard is None else str(max(1, self._heard - OVERLAP_SECONDS))
        address = self._address.at(f"/{self._topic}/json?since={since}")
        self._missed = False
        async with request("GET", address, self._headers, tls=self._tls, seconds=CONNECT_SECONDS) as response:
            lines = response.lines(LINE_LIMIT)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    if response.status != 200:
                        raise HttpError(await refusal(address, response))
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        line = await anext(lines)
                    await self._hear(line)
            except StopAsyncIteration:
                raise HttpError(f"{address.where}: ended the stream of answers") from None
            except TimeoutError:
                raise HttpError(f"{address.where}: says nothing any more") from None

    async def _hear(self, line: bytes | None) -> None:
        """One line of the stream; ``None`` is one that was too long."""
        try:
            if line is None:
                raise Refused("too large")
            said = read_json(line)
            match said:
                case {"event": "keepalive", "time": int(at)} if at > 0:
                    self._kept_alive(at)
                case {"event": "message", "id": str(name), "message": str(text)} if len(name) <= 64:
                    if name not in self._seen:
                        self._remember(name)
                        await self._take(name, text)
                case {"event": "message"}:
                    raise Refused("malformed")
        except Refused as refused:
            self.refused[str(refused)] += 1

    def _kept_alive(self, at: int) -> None:
        """All that the server had kept has been read: from here on it need not be asked for again."""
        if self._missed:
            raise HttpError(f"{self._address.where}: an answer could not be taken in; it is read again")
        self._heard = max(at, self._heard or 0)

    def _remember(self, name: str) -> None:
        self._seen[name] = None
        if len(self._seen) > SEEN_LIMIT:
            self._seen.popitem(last=False)

    async def _take(self, name: str, text: str) -> None:
        """Take one message in. One that could not be written down does not count as read."""
        press = read_press(text.encode("utf-8", "replace"), self._key, channel=self._channel)
        try:
            await take(press, self._service)
        except Refused as refused:
            if str(refused) == NOT_TAKEN_IN:
                self._missed = True
                self._seen.pop(name, None)
            raise
