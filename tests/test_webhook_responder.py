"""A webhook: signed so that its receiver can believe it, the same however often it is sent."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http_peer import (
    Asked,
    HttpPeer,
    peer_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders.http_request import HttpError
from homeward.responders.webhook import NotSignedError, Webhook, signed, verify, webhook_id

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
NOW = 1_772_586_000.5

ON = Action(
    id="i7-1",
    incident="i7",
    responder="webhook",
    device="lamp",
    command="on",
    restore="off",
    ends=datetime(2026, 3, 4, 2, 0, tzinfo=UTC),
)


class Lamp:
    """A receiver who believes only what is signed, and does the same thing once."""

    def __init__(self, peer: HttpPeer) -> None:
        self.done: dict[str, str] = {}
        self._peer = peer
        self._read = 0

    def state(self, number: int) -> str:
        """The state after as many more webhooks."""
        news = self._peer.asked[self._read :]
        assert len(news) == number
        self._read += number
        for asked in news:
            told = verify(asked.body, asked.headers, SECRET)
            wanted = "command" if told["type"] == "homeward.apply" else "restore"
            self.done[asked.headers["webhook-id"]] = told["data"][wanted]
        return list(self.done.values())[-1]


def hook(peer: HttpPeer, **others: Any) -> Webhook:
    return Webhook(f"{peer.url}/hook", SECRET, **others)


def read(asked: Asked, now: float = NOW) -> dict[str, Any]:
    return verify(asked.body, asked.headers, SECRET, now=now)


async def test_an_act_and_its_end_are_told_in_full(peer: HttpPeer) -> None:
    responder = hook(peer, clock=lambda: NOW)
    narrow = replace(ON, command="restrict", restore="release", allow=("tcp 443 cloud.example",))
    await responder.apply(narrow)
    await responder.revert(narrow)
    first, second = peer.asked
    assert read(first) == {
        "type": "homeward.apply",
        "timestamp": "2026-03-04T01:00:00+00:00",
        "data": {
            "id": "i7-1",
            "incident": "i7",
            "device": "lamp",
            "command": "restrict",
            "restore": "release",
            "ends": "2026-03-04T02:00:00+00:00",
            "allow": ["tcp 443 cloud.example"],
            "text": "",
        },
    }
    assert read(second)["type"] == "homeward.revert"
    assert first.headers["webhook-id"] == "i7-1-apply"
    assert second.headers["webhook-id"] == "i7-1-revert"
    assert first.headers["content-type"] == "application/json"


async def test_a_message_is_told_and_never_unsaid(peer: HttpPeer) -> None:
    responder = hook(peer, clock=lambda: NOW)
    ask = replace(ON, device="household", command="ask", restore=None, ends=None, text="Door open. Was this you?")
    await responder.apply(ask)
    await responder.revert(ask)
    (asked,) = peer.asked
    assert read(asked)["data"]["text"] == "Door open. Was this you?"
    assert read(asked)["data"]["ends"] is None


async def test_a_receiver_does_the_same_thing_once(peer: HttpPeer) -> None:
    responder, lamp = hook(peer), Lamp(peer)
    await responder.apply(ON)
    await hook(peer).apply(ON)  # as after a restart: nothing of the first is known
    assert lamp.state(2) == "on"
    assert len(lamp.done) == 1
    await responder.revert(ON)
    assert lamp.state(1) == "off"


async def test_the_reference_implementation_believes_us(peer: HttpPeer) -> None:
    standard = pytest.importorskip("standardwebhooks", reason="needs the package standardwebhooks")
    await hook(peer).apply(ON)
    (asked,) = peer.asked
    assert standard.Webhook(SECRET).verify(asked.body.decode(), asked.headers)["type"] == "homeward.apply"


def test_we_believe_the_specification() -> None:
    """The example of the specification's own test."""
    body = b'{"test": 2432232314}'
    headers = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify(body, headers, secret, now=1614265330) == {"test": 2432232314}


@pytest.mark.parametrize("late", [-301, 301, 86_400])
async def test_what_is_old_or_of_the_future_is_not_believed(peer: HttpPeer, late: float) -> None:
    await hook(peer, clock=lambda: NOW).apply(ON)
    assert read(peer.asked[0], NOW + 299)
    with pytest.raises(NotSignedError, match="too old"):
        read(peer.asked[0], NOW + late)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_nothing_that_was_changed_is_believed(where: int, byte: int) -> None:
    body, key = b'{"type":"homeward.apply"}', b"k" * 32
    headers = signed("i7-1-apply", int(NOW), body, key)
    parts = [headers["webhook-id"].encode(), str(int(NOW)).encode(), headers["webhook-signature"].encode(), body]
    index, place = where % 4, where // 4
    part = parts[index]
    changed = part[: place % len(part)] + bytes([byte]) + part[place % len(part) + 1 :]
    if changed == part:
        return
    parts[index] = changed
    told = {
        "webhook-id": parts[0].decode("latin-1"),
        "webhook-timestamp": parts[1].decode("latin-1"),
        "webhook-signature": parts[2].decode("latin-1"),
    }
    with pytest.raises(NotSignedError):
        verify(parts[3], told, SECRET, now=NOW)


def test_a_missing_header_or_another_secret_proves_nothing() -> None:
    body = b"{}"
    headers = signed("a", int(NOW), body, b"k" * 32)
    for name in headers:
        with pytest.raises(NotSignedError, match="missing"):
            verify(body, {key: value for key, value in headers.items() if key != name}, SECRET, now=NOW)
    other = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with pytest.raises(NotSignedError, match="no signature is right"):
        verify(body, headers, other, now=NOW)
    assert verify(body, headers, SECRET, now=NOW) == {}


def test_ids_of_any_kind_become_one_word_without_a_full_stop() -> None:
    ids = [webhook_id(replace(ON, id=name), "apply") for name in ("i7-1", "i7.1", "i7 1", "ü\r\nx: y")]
    assert ids == ["i7-1-apply", "i7_2e_1-apply", "i7_20_1-apply", "_fc__d__a_x_3a__20_y-apply"]


@pytest.mark.parametrize(
    "secret", ["", "wh", "whsec_", "whsec_%%%", "whsec_" + base64.b64encode(b"short").decode(), SECRET[6:]]
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="write the secret as whsec_") as error:
        Webhook("https://home.example/hook", secret)
    assert len(secret) <= 6 or secret not in str(error.value)


async def test_a_receiver_who_refuses_is_a_failure_without_the_address(peer: HttpPeer) -> None:
    peer.answer = b"HTTP/1.1 410 Gone\r\ncontent-length: 4\r\n\r\ngone"
    with pytest.raises(HttpError, match=r"refused with status 410 \(gone\)") as error:
        await hook(peer).apply(ON)
    assert "/hook" not in str(error.value)


async def test_the_time_is_the_clocks_unless_told_otherwise(peer: HttpPeer) -> None:
    await hook(peer).apply(ON)
    assert abs(int(peer.asked[0].headers["webhook-timestamp"]) - time.time()) < 60
