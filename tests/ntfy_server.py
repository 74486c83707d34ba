"""A small server that speaks ntfy's protocol, on a loopback port. It is not ntfy.

The real server is a Go program that no package registry of ours carries, so that it cannot run in these tests. This
one was written after ntfy's documentation (publishing as JSON and as text, action buttons, subscribing to a JSON
stream, polling, access control) and does, as the real one does, what is hard on whoever follows a topic:

- it sends ``open``, lets new messages through at once, and only then sends what it had kept;
- it sends a message to who listens before it keeps it;
- ``since=`` is a time (inclusive, in whole seconds), an id (an unknown one means all), a duration, ``all``, ``none``;
- GET on ``/TOPIC/publish`` publishes as well; GET on ``/TOPIC`` is a page for people;
- a token that is unknown is 401, one that may not is 403; who shows none is ``everyone``.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import string
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.http_peer import Asked, HttpPeer

MESSAGE_LIMIT: Final = 4_096
_LETTERS: Final = string.ascii_letters + string.digits
_TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")

Send = Callable[[dict[str, Any]], None]


class NotTakenError(Exception):
    """A status that is no success, and why."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def _new(event: str, topic: str, **others: Any) -> dict[str, Any]:
    name = "".join(secrets.choice(_LETTERS) for _ in range(12))
    return {"id": name, "time": int(time.time()), "event": event, "topic": topic, **others}


@dataclass
class NtfyServer:
    """``kept`` is its cache, which it also has after it was stopped and started. ``asked`` are all requests.

    ``access`` maps a token (``None`` is everyone) to what it may do by topic: ``ro``, ``wo`` or ``rw``; without it
    everybody may do everything. ``hold`` is called before old messages are sent.
    """

    kept: list[dict[str, Any]] = field(default_factory=list)
    access: dict[str | None, dict[str, str]] | None = None
    keepalive: float = 45.0
    peer: HttpPeer = field(default_factory=HttpPeer)
    listeners: dict[str, list[Send]] = field(default_factory=dict)
    hold: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return self.peer.url

    @property
    def asked(self) -> list[Asked]:
        return self.peer.asked

    async def start(self) -> None:
        self.peer.answer = self._answer
        await self.peer.start()

    async def stop(self) -> None:
        await self.peer.stop()
        self.listeners.clear()

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """What was published to a topic, in order."""
        return [one for one in self.kept if one["topic"] == topic]

    def publish(self, topic: str, text: str, **others: Any) -> dict[str, Any]:
        """As if somebody had published it."""
        message = _new("message", topic, message=text.strip() or "triggered", **others)
        for send in list(self.listeners.get(topic, [])):
            send(message)
        self.kept.append(message)
        return message

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        try:
            where = urlsplit(asked.path)
            query = {name: values[0] for name, values in parse_qs(where.query).items()}
            topic, _, verb = where.path[1:].partition("/")
            if asked.method in ("POST", "PUT") and not verb:
                published = self._published(asked, topic)
                _whole(writer, 200, json.dumps(published))
            elif asked.method == "GET" and verb in ("publish", "send", "trigger"):
                self._may(asked, topic, "w")
                _whole(writer, 200, json.dumps(self.publish(topic, query.get("message", ""))))
            elif asked.method == "GET" and verb == "json":
                self._may(asked, topic, "r")
                await self._subscribed(topic, query, writer)
            elif asked.method == "GET" and not verb:
                _whole(writer, 200, "<!doctype html><title>ntfy web</title>", "text/html")
            else:
                raise NotTakenError(404, "page not found")
        except NotTakenError as refusal:
            said = {"code": refusal.status * 100 + 1, "http": refusal.status, "error": str(refusal)}
            _whole(writer, refusal.status, json.dumps(said))
        await writer.drain()

    def _may(self, asked: Asked, topic: str, what: str) -> None:
        if not _TOPIC.fullmatch(topic):
            raise NotTakenError(400, "invalid request: topic invalid")
        if self.access is None:
            return
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        who = token if scheme.lower() == "bearer" else None
        if who not in self.access:
            raise NotTakenError(401, "unauthorized")
        if what not in self.access[who].get(topic, ""):
            raise NotTakenError(403, "forbidden")

    def _published(self, asked: Asked, topic: str) -> dict[str, Any]:
        if topic:
            self._may(asked, topic, "w")
            if len(asked.body) > MESSAGE_LIMIT:
                raise NotTakenError(400, "invalid request: attachments not allowed")
            return self.publish(topic, asked.body.decode())
        if len(asked.body) > MESSAGE_LIMIT:  # of old servers; those of today take twice as much
            raise NotTakenError(400, "invalid request: request body must be message JSON")
        said = json.loads(asked.body)
        topic, text = said.pop("topic"), said.pop("message", "")
        self._may(asked, topic, "w")
        actions = said.get("actions", [])
        if len(actions) > 3:
            raise NotTakenError(400, "invalid request: actions invalid, only 3 actions allowed")
        for action in actions:
            if action["action"] not in ("view", "broadcast", "http") or not action["label"] or not action["url"]:
                raise NotTakenError(400, "invalid request: actions invalid")
            action["id"] = "".join(secrets.choice(_LETTERS) for _ in range(10))
        return self.publish(topic, text, **said)

    async def _subscribed(self, topic: str, query: dict[str, str], writer: asyncio.StreamWriter) -> None:
        poll = query.get("poll") in ("1", "true", "yes")
        since = query.get("since", "all" if poll else "none")

        def send(message: dict[str, Any]) -> None:
            line = json.dumps(message).encode() + b"\n"
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))

        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\naccess-control-allow-origin: *\r\n\r\n"
        )
        if poll:
            for message in self._since(topic, since):
                send(message)
            writer.write(b"0\r\n\r\n")
            return
        mine = self.listeners.setdefault(topic, [])
        mine.append(send)
        try:
            send(_new("open", topic))
            self.hold()
            for message in self._since(topic, since):
                send(message)
            while True:
                await writer.drain()
                await asyncio.sleep(self.keepalive)
                send(_new("keepalive", topic))
        finally:
            if send in mine:
                mine.remove(send)

    def _since(self, topic: str, since: str) -> list[dict[str, Any]]:
        every = self.messages(topic)
        if since == "none":
            return []
        if since == "all":
            return every
        if re.fullmatch(r"[A-Za-z0-9]{12}", since):
            ids = [one["id"] for one in every]
            return every[ids.index(since) + 1 :] if since in ids else every
        if re.fullmatch(r"[0-9]+", since):
            return [one for one in every if one["time"] >= int(since)]
        if ago := re.fullmatch(r"([0-9]+)([smh])", since):
            seconds = int(ago[1]) * {"s": 1, "m": 60, "h": 3600}[ago[2]]
            return [one for one in every if one["time"] >= time.time() - seconds]
        raise NotTakenError(400, "invalid request: since invalid")


def _whole(writer: asyncio.StreamWriter, status: int, text: str, kind: str = "application/json") -> None:
    body = text.encode() + b"\n"
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


@asynccontextmanager
async def ntfy_server(**settings: Any) -> AsyncIterator[NtfyServer]:
    """A server that is up while the block runs."""
    server = NtfyServer(**settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(name="ntfy")
async def ntfy_fixture() -> AsyncIterator[NtfyServer]:
    """A server on which everybody may do everything."""
    async with ntfy_server() as server:
        yield server
