"""The connection to Home Assistant, and servers that are none, are hostile or are too old."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.mosquitto import (
    Certificates,
    certificates_fixture,  # noqa: F401 - a fixture
)
from websockets.asyncio.server import ServerConnection, serve

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources import home_assistant_connection
from homeward.sources.home_assistant import HomeAssistantError, HomeAssistantSettings, HomeAssistantSource
from homeward.sources.home_assistant_connection import LostError, TokenError, TooLargeError, demand_private

TOKEN = "the.secret-token_itself"
Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(script: Script, *, trust: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A WebSocket server on a loopback port that follows a script; yields its address."""
    async with serve(script, "127.0.0.1", 0, ssl=trust, close_timeout=0.1) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"{'http' if trust is None else 'https'}://localhost:{port}"


async def first(url: str, **settings: Any) -> Event | Health:
    source = HomeAssistantSource(HomeAssistantSettings(url=url, token=TOKEN, **settings))
    async with asyncio.timeout(20):
        return await anext(aiter(source.events()))


def saying(*messages: object) -> Script:
    """Says these, one after each thing it hears; the first at once."""

    async def script(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            await socket.recv()

    return script


GREETING = {"type": "auth_required", "ha_version": "2025.4.4"}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (["hello"], "did not let us in"),
        ([b"\xff\xfe"], "did not let us in"),
        (["[" * 1000], "did not let us in"),
        ([{"type": "welcome"}], "no Home Assistant"),
        ([{"type": "auth_required", "ha_version": {"a": 1}}], "no Home Assistant"),
        ([{"type": "auth_required", "ha_version": "0.118.5"}], "0.118.5 is too old; update it"),
        ([GREETING, "?"], "did not let us in"),
        ([GREETING, {"type": "auth_ok"}, '"x"'], "no JSON object"),
        ([GREETING, {"type": "auth_ok"}, {"id": 1, "type": "result", "success": False, "error": 5}], "was refused"),
        ([GREETING, {"type": "auth_ok"}], "connection is lost"),
    ],
)
async def test_what_is_no_home_assistant_is_said_in_one_line(messages: list[object], said: str) -> None:
    async with server(saying(*messages)) as url:
        with pytest.raises(HomeAssistantError, match=rf"^[^\n]*{said}[^\n]*$") as caught:
            await first(url)
    assert TOKEN not in str(caught.value)


async def test_an_unaccepted_token_is_said_with_what_to_do() -> None:
    async with server(saying(GREETING, {"type": "auth_invalid", "message": f"no {TOKEN}\n!"})) as url:
        with pytest.raises(TokenError, match="make a new long-lived token") as caught:
            await first(url)
    assert TOKEN not in str(caught.value)


async def test_nobody_there() -> None:
    with pytest.raises(HomeAssistantError, match=r"^http://127\.0\.0\.1:9: cannot be reached \([^\n]+\)$"):
        await first("http://127.0.0.1:9")


async def test_a_message_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_assistant_connection, "MESSAGE_LIMIT", 1 << 20)
    async with server(saying(GREETING, {"type": "auth_ok"}, "x" * (1 << 20) + "x")) as url:
        with pytest.raises(TooLargeError, match="longer than 1 MiB"):
            await first(url)


async def test_events_that_nobody_asked_for_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_assistant_connection, "WAITING_LIMIT", 100)

    async def flood(socket: ServerConnection) -> None:
        await saying(GREETING, {"type": "auth_ok"})(socket)
        while True:
            await socket.send(json.dumps({"id": 1, "type": "event", "event": {}}))

    async with server(flood) as url:
        with pytest.raises(LostError, match="more than 100 events wait"):
            await first(url)


async def test_no_answer_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_assistant_connection, "ANSWER_SECONDS", 0.05)

    async def silent(socket: ServerConnection) -> None:
        await saying(GREETING, {"type": "auth_ok"})(socket)
        await socket.wait_closed()

    async with server(silent) as url:
        with pytest.raises(LostError, match=r"no answer to get_config within 0\.05 seconds"):
            await first(url)


async def test_tls_is_checked_against_the_ca_file(certificates: Certificates, tmp_path: Path) -> None:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificates.certificate, certificates.key)
    async with server(saying(GREETING, {"type": "auth_invalid"}), trust=trust) as url:
        with pytest.raises(HomeAssistantError, match=r"cannot be reached .*certificate verify failed"):
            await first(url)
        with pytest.raises(TokenError):
            await first(url, ca_file=certificates.ca)
        with pytest.raises(HomeAssistantError, match="not a readable CA certificate"):
            await first(url, ca_file=tmp_path / "missing.crt")


@pytest.mark.parametrize(
    "address", ["192.168.1.5", "10.0.0.1", "127.0.0.1", "fe80::1%eth0", "fd00::5", "::ffff:10.0.0.2"]
)
def test_without_tls_the_token_goes_to_a_private_address(address: str) -> None:
    demand_private("http://ha.local", (address, 8123))


@pytest.mark.parametrize(
    "peer", [("93.184.216.34", 80), ("2606:4700::1", 80), ("::ffff:8.8.8.8", 1), (), None, ("?", 1)]
)
def test_and_to_no_other(peer: object) -> None:
    with pytest.raises(HomeAssistantError, match="write an https:// address"):
        demand_private("http://ha.example", peer)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "homeassistant.local",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x:99999",
        "http://x/?a=1",
        "http://x/#y",
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: write it as http"):
        HomeAssistantSettings(url=url, token=TOKEN)


@pytest.mark.parametrize("token", ["", "two\nlines", "ünïcode", "x" * 5_000])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match=r"^token: ") as caught:
        HomeAssistantSettings(url="http://x", token=token)
    assert not token or token not in str(caught.value)


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(HomeAssistantSettings(url="http://x", token=TOKEN))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://homeassistant.local:8123", "ws://homeassistant.local:8123/api/websocket"),
        ("https://home.example/", "wss://home.example/api/websocket"),
        ("http://[::1]:8123/ha/", "ws://[::1]:8123/ha/api/websocket"),
    ],
)
def test_the_websocket_is_below_the_address(url: str, address: str) -> None:
    assert HomeAssistantSettings(url=url, token=TOKEN).address == address


def ending_in_nonsense(*events: object) -> Script:
    """A Home Assistant with nothing in it, that then tells these events."""

    async def script(socket: ServerConnection) -> None:
        await socket.send(json.dumps(GREETING))
        await socket.recv()
        await socket.send(json.dumps({"type": "auth_ok"}))
        subscribed = 0
        async for text in socket:
            asked = json.loads(text)
            about = {"get_config": {"state": "RUNNING"}, "get_states": [None, {"entity_id": 3}, "x"]}
            result = about.get(asked["type"])
            if asked.get("event_type") == "state_changed":
                subscribed = asked["id"]
            await socket.send(json.dumps({"id": asked["id"], "type": "result", "success": True, "result": result}))
            if asked["type"] == "get_states":
                for event in events:
                    await socket.send(json.dumps({"id": subscribed, "type": "event", "event": event}))

    return script


async def test_nonsense_in_the_stream_is_counted_and_passed_over() -> None:
    def light(state: object, at: object = "2026-11-28T11:42:02+00:00") -> dict[str, Any]:
        new = {"entity_id": "light.a", "state": state, "last_updated": at, "last_changed": at, "attributes": 7}
        return {"data": {"entity_id": "light.a", "new_state": new}}

    nonsense = [{}, {"data": []}, {"data": {"new_state": "on"}}, light("x" * 256), light("on", "soon"), light(5)]
    gone = {"data": {"entity_id": "light.z", "new_state": None}}
    async with server(ending_in_nonsense(light("off"), *nonsense, gone, light("on"))) as url:
        source = HomeAssistantSource(HomeAssistantSettings(url=url, token=TOKEN))
        told = []
        async with asyncio.timeout(20):
            items = source.events()
            async for item in items:
                if isinstance(item, Event) and item.action != "announced":
                    told.append((item.device, item.action))
                    break
            await items.aclose()  # type: ignore[attr-defined] # it is a generator
    assert told == [("light.a", "on")]
    assert source.refused == {"malformed": 8, "bad time": 1}
