"""Told through Apprise: real services of Apprise's, of which some fail, and nothing said twice or given away."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from tests.http_peer import (
    Asked,
    HttpPeer,
    http_peer,
    peer_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders.apprise import LOGS, SENT_LIMIT, SERVICE_LIMIT, AppriseChannel, NotSentError

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import

PASSWORD = "a-secret-of-the-owner"
BAD = b"HTTP/1.1 500 Oops\r\ncontent-length: 21\r\n\r\n" + PASSWORD.encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

TELL = Action(
    id="i7-2",
    incident="i7",
    responder="apprise",
    device="household",
    command="notify",
    restore=None,
    ends=None,
    text="front door *open* at 01:05: <never> & so on\\n_x_",
)


@pytest.fixture(autouse=True)
def apprise(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package, with its logs as loud as they can be at the start of each test."""
    package = pytest.importorskip("apprise", reason="needs the package apprise")
    for name in LOGS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    return package


def address(peer: HttpPeer) -> str:
    """A service of Apprise's that posts JSON to the peer, with a password in its address."""
    return f"json://user:{PASSWORD}@127.0.0.1:{peer.port}/path-{PASSWORD}"


def told(peer: HttpPeer) -> list[str]:
    return [json.loads(asked.body)["message"] for asked in peer.asked]


async def three(stack: AsyncExitStack) -> list[HttpPeer]:
    return [await stack.enter_async_context(http_peer(OK)) for _ in range(3)]


@pytest.mark.parametrize(("command", "kind"), [("notify", "info"), ("ask", "warning"), ("escalate", "failure")])
async def test_every_service_is_told_word_for_word(command: str, kind: str) -> None:
    async with AsyncExitStack() as stack:
        peers = await three(stack)
        await AppriseChannel([address(peer) for peer in peers]).apply(replace(TELL, command=command))
        for peer in peers:
            (asked,) = peer.asked
            said = json.loads(asked.body)
            assert said["message"] == TELL.text
            assert said["title"].startswith("Homeward")
            assert said["type"] == kind


async def test_half_a_success_is_a_failure_and_only_that_half_is_tried_again(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncExitStack() as stack:
        first, second, third = await three(stack)
        second.answer = BAD
        third.refuse()
        channel = AppriseChannel([address(first), address(second), address(third)])
        with pytest.raises(NotSentError) as failure:
            await channel.apply(TELL)
        expected = "2 of 3 services did not take the message: JSON (number 2), JSON (number 3)"
        assert str(failure.value) == expected
        second.answer = OK
        with pytest.raises(NotSentError, match=r"1 of 3 .*: JSON \(number 3\)"):
            await channel.apply(TELL)
        await third.stop()
        await third.start()
        await channel.apply(TELL)
        await channel.apply(TELL)
        assert [len(peer.asked) for peer in (first, second, third)] == [1, 2, 1]
    written = caplog.text + "".join(capfd.readouterr())
    assert PASSWORD not in written
    assert "127.0.0.1" not in written


async def test_another_message_is_another_message(peer: HttpPeer) -> None:
    peer.answer = OK
    channel = AppriseChannel([address(peer)])
    await channel.apply(TELL)
    await channel.apply(replace(TELL, id="i7-3", text="more of it"))
    await channel.revert(TELL)
    assert told(peer) == [TELL.text, "more of it"]


async def test_after_a_restart_it_may_come_twice(peer: HttpPeer) -> None:
    peer.answer = OK
    for _ in range(2):
        await AppriseChannel([address(peer)]).apply(TELL)
    assert len(peer.asked) == 2


async def test_what_arrives_after_our_patience_is_not_sent_again(peer: HttpPeer) -> None:
    go_on = asyncio.Event()

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)
        await writer.drain()

    peer.answer = slow
    channel = AppriseChannel([address(peer)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await channel.apply(TELL)
    with pytest.raises(NotSentError):  # it is still on its way
        await channel.apply(TELL)
    go_on.set()
    async with asyncio.timeout(10):
        while True:
            try:
                await channel.apply(TELL)
                break
            except NotSentError:
                await asyncio.sleep(0.01)
    assert len(peer.asked) == 1


async def test_a_plug_in_that_fails_in_its_own_way_is_a_failure_like_another(
    peer: HttpPeer, apprise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError(address(peer))

    channel = AppriseChannel([address(peer)])
    monkeypatch.setattr(apprise.Apprise, "notify", fault)
    with pytest.raises(NotSentError) as failure:
        await channel.apply(TELL)
    assert PASSWORD not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize("answer", [None, False, "a result that is truthy and failed"])
async def test_what_is_no_success_is_a_failure_whatever_it_looks_like(
    peer: HttpPeer, apprise: Any, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    channel = AppriseChannel([address(peer)])
    monkeypatch.setattr(apprise.Apprise, "notify", lambda *_, **__: answer)
    with pytest.raises(NotSentError):
        await channel.apply(TELL)


async def test_only_messages_are_carried(peer: HttpPeer) -> None:
    with pytest.raises(LookupError, match="carries messages only"):
        await AppriseChannel([address(peer)]).apply(replace(TELL, command="on", device="lamp"))
    assert peer.asked == []


async def test_the_memory_of_what_was_sent_is_bounded(
    peer: HttpPeer, apprise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = AppriseChannel([address(peer)])
    monkeypatch.setattr(apprise.Apprise, "notify", lambda *_, **__: True)
    monkeypatch.setattr("homeward.responders.apprise.SENT_LIMIT", 3)
    assert SENT_LIMIT > 3
    for number in range(10):
        await channel.apply(replace(TELL, id=f"i{number}"))
    assert [name for name, _ in channel._sent] == ["i7", "i8", "i9"]


@pytest.mark.parametrize(
    "urls",
    [
        [], ["json://localhost"] * (SERVICE_LIMIT + 1), [""], ["nothing"], [f"unknown://{PASSWORD}"],
        ["json://localhost", f"tgram://{PASSWORD}"], ["json://localhost, json://localhost"],
    ],
)  # fmt: skip
def test_what_is_no_address_of_apprise_is_refused_and_not_repeated(
    urls: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ValueError, match="address") as error:
        AppriseChannel(urls)
    assert PASSWORD not in str(error.value) + caplog.text


def test_without_apprise_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *_: object) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"^[^\n]*pip install 'homeward\[notify\]'$"):
        AppriseChannel(["json://localhost"])
