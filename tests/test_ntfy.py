"""Told by ntfy, and answered by its buttons: what is sent, what a phone can do with it, and what the guard takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dashboard.twin import TwinService
from tests.ntfy_server import (
    NtfyServer,
    ntfy_fixture,  # noqa: F401 - a fixture
    ntfy_server,
)
from tests.running_entities import KEY
from tests.service_twins import SETTINGS, Clock, TwinResponder, running, stranger, until

from homeward.answers.ntfy import NtfyAnswers
from homeward.core.effects import Action
from homeward.core.inputs import Feedback
from homeward.core.settings import Listener
from homeward.dashboard.view import Watched
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.presses import REASONS, Says, new_press
from homeward.responders.http_request import Address, HttpError, post, request, tls_context
from homeward.responders.ntfy import BODY_LIMIT, NtfyChannel, fitted
from homeward.service import Service

TOPIC, ANSWERS = "alerts-x7Kq2", "answers-p9Wm4"
TLS = tls_context()

ASK = Action(
    id="i7-2",
    incident="i7",
    responder="ntfy",
    device="person:anna",
    command="ask",
    restore=None,
    ends=None,
    text="front door open at 01:05: never between 00:30 and 05:30. Was this you?",
)


def written(says: Says, incident: str, person: str, channel: str = "ntfy") -> str:
    return new_press(KEY, says, incident, person, channel).written()


def channel(server: NtfyServer, **others: Any) -> NtfyChannel:
    known: dict[str, Any] = {"answers_topic": ANSWERS, "press": written}
    return NtfyChannel(server.url, TOPIC, **(known | others))


@dataclass
class Phone:
    """What a person has: the topic's messages, and a finger. ``token`` is shown by the app, never by a button."""

    server: NtfyServer
    topic: str = TOPIC
    token: str | None = None

    async def messages(self) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        address = Address.read(f"{self.server.url}/{self.topic}/json?poll=1")
        async with request("GET", address, headers, tls=TLS, seconds=5) as response:
            assert response.status == 200
            return [json.loads(line) async for line in response.lines(100_000) if line]

    async def press(self, label: str) -> None:
        """Press a button of the last message: the app sends what the message says, with nothing of its own."""
        (button,) = [one for one in (await self.messages())[-1]["actions"] if one["label"] == label]
        assert button["action"] == "http"
        assert button["method"] == "POST"
        await post(Address.read(button["url"]), button.get("headers", {}), button["body"].encode(), tls=TLS)


@asynccontextmanager
async def listening(service: Watched, server: NtfyServer, **others: Any) -> AsyncIterator[NtfyAnswers]:
    """Answers are heard while the block runs."""
    answers = NtfyAnswers(service, server.url, ANSWERS, KEY, **others)
    task = asyncio.create_task(answers.run())
    try:
        yield answers
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def service() -> TwinService:
    made = TwinService()
    for name in ("i1", "i2", "i3"):
        made.incident(name, "front door open")
    return made


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.feeders.RESTART_FIRST", 0.02)
    monkeypatch.setattr("homeward.feeders.RESTART_LAST", 0.05)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["message", "keepalive", "open"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries({"event": inner}, optional=dict.fromkeys(("id", "time", "message", "topic"), inner))
    ),
    max_leaves=8,
)
"""What a server might say, and what it never would."""


# What is sent


async def test_a_question_has_two_buttons_that_post_and_no_other_address(ntfy: NtfyServer) -> None:
    await channel(ntfy).apply(ASK)
    (message,) = await Phone(ntfy).messages()
    assert message["message"] == ASK.text
    assert (message["title"], message["priority"]) == ("Homeward: was this you?", 4)
    assert [one["label"] for one in message["actions"]] == ["That was me", "Not me"]
    assert [one["body"] for one in message["actions"]] == [
        new_press(KEY, "yes", "i7", "person:anna", "ntfy").written(),
        new_press(KEY, "no", "i7", "person:anna", "ntfy").written(),
    ]
    for button in message["actions"]:
        assert (button["url"], button["method"], button["clear"]) == (f"{ntfy.url}/{ANSWERS}", "POST", True)
    assert "click" not in message


@pytest.mark.parametrize(("command", "priority", "buttons"), [("notify", 3, 0), ("ask", 4, 2), ("escalate", 5, 2)])
async def test_what_is_more_urgent_is_louder(ntfy: NtfyServer, command: str, priority: int, buttons: int) -> None:
    await channel(ntfy, click="https://homeward.example/").apply(replace(ASK, command=command))
    (message,) = ntfy.messages(TOPIC)
    assert message["priority"] == priority
    assert len(message.get("actions", [])) == buttons
    assert message["click"] == "https://homeward.example/"


async def test_without_a_topic_for_answers_there_are_no_buttons(ntfy: NtfyServer) -> None:
    await NtfyChannel(ntfy.url, TOPIC).apply(ASK)
    assert "actions" not in ntfy.messages(TOPIC)[0]


async def test_buttons_post_to_the_server_as_phones_know_it(ntfy: NtfyServer) -> None:
    await channel(ntfy, phone_server="https://ntfy.example").apply(ASK)
    assert ntfy.messages(TOPIC)[0]["actions"][0]["url"] == f"https://ntfy.example:443/{ANSWERS}"


async def test_a_message_is_sent_once_and_taken_back_never(ntfy: NtfyServer) -> None:
    told = channel(ntfy)
    for _ in range(3):
        await told.apply(ASK)
    await told.revert(ASK)
    await told.apply(replace(ASK, id="i7-3"))
    assert len(ntfy.messages(TOPIC)) == 2


async def test_only_messages_are_carried(ntfy: NtfyServer) -> None:
    with pytest.raises(LookupError, match="carries messages only"):
        await channel(ntfy).apply(replace(ASK, device="lamp", command="on"))
    assert ntfy.asked == []


async def test_a_server_that_refuses_or_is_gone_is_a_failure_that_tells_no_secret(ntfy: NtfyServer) -> None:
    told = channel(ntfy, token="tk_secret")
    ntfy.access = {None: {}}
    with pytest.raises(HttpError, match="status 401") as refused:
        await told.apply(ASK)
    ntfy.access = {"tk_secret": {}}
    with pytest.raises(HttpError, match="status 403"):
        await told.apply(ASK)
    ntfy.access = {"tk_secret": {TOPIC: "wo"}}
    await told.apply(ASK)
    ntfy.peer.refuse()
    with pytest.raises(HttpError, match="not reached") as gone:
        await told.apply(replace(ASK, id="i7-3"))
    for error in (refused, gone):
        assert not any(secret in str(error.value) for secret in ("tk_secret", TOPIC, ANSWERS))


@given(st.text(max_size=1_000), st.text(st.sampled_from("a家\U0001f6aa"), min_size=1, max_size=100))
def test_a_message_is_never_longer_than_any_server_takes(text: str, name: str) -> None:
    press = new_press(KEY, "yes", "i" * 64, name, "家" * 100).written()
    body = fitted({"topic": "t", "message": text or "x", "actions": [{"body": press}] * 2})
    assert len(body) <= BODY_LIMIT
    said = json.loads(body)["message"]
    assert said == (text or "x") or (said.endswith("…") and (text or "x").startswith(said[:-1]))


def test_a_short_message_is_left_as_it_is() -> None:
    assert json.loads(fitted({"message": "a" * 1_000}))["message"] == "a" * 1_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "ftp://home"}, {"server": "https://user:tk@home"}, {"server": "https://home/secret-topic"},
        {"topic": ""}, {"topic": "secret topic"}, {"topic": "x" * 65}, {"topic": "a/b"}, {"token": "tk secret"},
        {"token": "tk\r\nsecret"}, {"answers_topic": TOPIC, "press": written}, {"answers_topic": ANSWERS},
        {"press": written}, {"click": "javascript:alert(1)"}, {"phone_server": "https://home/x"},
    ],
)  # fmt: skip
def test_what_ntfy_would_not_take_is_refused_at_once_and_not_repeated(wrong: dict[str, Any]) -> None:
    known: dict[str, Any] = {"server": "https://ntfy.example", "topic": TOPIC}
    with pytest.raises(ValueError, match=r"write|need") as error:
        NtfyChannel(**(known | wrong))
    assert "secret" not in str(error.value)


# What comes back


async def test_a_button_answers_once_for_the_person_who_was_asked(ntfy: NtfyServer, service: TwinService) -> None:
    phone = Phone(ntfy)
    async with listening(service, ntfy) as answers:
        await channel(ntfy).apply(replace(ASK, incident="i1"))
        await phone.press("Not me")
        await until(lambda: len(service.said) == 1)
        (answer,) = service.said
        assert isinstance(answer, Feedback)
        assert (answer.incident, answer.answer) == ("i1", "no")
        assert (answer.person, answer.channel) == ("person:anna", "ntfy")
        await phone.press("That was me")
        await until(lambda: answers.refused["too late"] == 1)
        assert len(service.said) == 1


async def test_looking_ahead_at_every_address_answers_nothing(ntfy: NtfyServer, service: TwinService) -> None:
    await channel(ntfy, click=f"{ntfy.url}/page").apply(replace(ASK, incident="i1"))
    (message,) = await Phone(ntfy).messages()
    async with listening(service, ntfy) as answers:
        seen = [one["url"] for one in message["actions"]] + [message["click"]]
        assert not any(one["body"].split()[-1] in url for one in message["actions"] for url in seen)
        for url in [*seen, *[url + "/json?poll=1" for url in seen]]:
            async with request("GET", Address.read(url), {}, tls=TLS, seconds=5) as response:
                assert response.status in (200, 404)
        ntfy.publish(ANSWERS, written("yes", "i2", "household"))
        await until(lambda: len(service.said) == 1)
        assert [one.incident for one in service.said if isinstance(one, Feedback)] == ["i2"]
        assert answers.refused.total() == 0


async def test_an_answer_while_the_guard_was_away_is_taken_and_one_that_was_taken_is_not(
    ntfy: NtfyServer, service: TwinService
) -> None:
    ntfy.publish(ANSWERS, written("yes", "i1", "household"))
    for _ in range(2):  # the guard, and the guard after a restart
        async with listening(service, ntfy):
            await until(lambda: service.guard.engine.incidents["i1"].answer == "yes")
    async with listening(service, ntfy) as answers:
        await until(lambda: answers.refused["too late"] == 1)
    assert len(service.said) == 1


async def test_no_answer_is_lost_when_the_connection_is_and_none_is_taken_twice(
    ntfy: NtfyServer, service: TwinService, caplog: pytest.LogCaptureFixture
) -> None:
    ntfy.keepalive = 0.02
    async with listening(service, ntfy) as answers:
        for number, name in enumerate(("i1", "i2", "i3"), 1):
            await until(lambda: bool(ntfy.listeners.get(ANSWERS)))
            await ntfy.stop()
            ntfy.publish(ANSWERS, written("no", name, "household"))
            await ntfy.start()
            await until(lambda: len(service.said) == number)  # noqa: B023 (awaited at once)
        ntfy.publish(ANSWERS, written("yes", "i3", "household"))
        await until(lambda: answers.refused["too late"] == 1)
    assert [one.incident for one in service.said if isinstance(one, Feedback)] == ["i1", "i2", "i3"]
    assert answers.refused == {"too late": 1}
    asked = [urlsplit(one.path).query for one in ntfy.asked if one.path.startswith(f"/{ANSWERS}/json")]
    assert asked[0] == "since=all"
    assert all(one.removeprefix("since=").isdigit() for one in asked if one != "since=all")
    assert not any(secret in caplog.text for secret in (ANSWERS, KEY))


async def test_what_comes_before_what_was_kept_hides_nothing(ntfy: NtfyServer, service: TwinService) -> None:
    """A new message may overtake the kept ones, and the connection break in between."""
    ntfy.publish(ANSWERS, written("no", "i1", "household"))

    def overtake() -> None:
        ntfy.hold = lambda: None
        ntfy.publish(ANSWERS, written("no", "i2", "household"))
        raise ConnectionResetError

    ntfy.hold = overtake
    async with listening(service, ntfy) as answers:
        await until(lambda: len(service.said) == 2)
        ntfy.publish(ANSWERS, written("no", "i3", "household"))
        await until(lambda: len(service.said) == 3)
    assert [one.incident for one in service.said if isinstance(one, Feedback)] == ["i2", "i1", "i3"]
    assert answers.refused.total() == 0


async def test_an_answer_that_cannot_be_written_down_is_taken_up_again(
    ntfy: NtfyServer, service: TwinService, caplog: pytest.LogCaptureFixture
) -> None:
    ntfy.keepalive = 0.02
    service.broken = True
    async with listening(service, ntfy) as answers:
        ntfy.publish(ANSWERS, written("yes", "i1", "household"))
        await until(lambda: answers.refused["not taken in"] >= 2)
        service.broken = False
        await until(lambda: len(service.said) == 1)
    assert "an answer could not be taken in" in caplog.text


async def test_what_is_no_answer_is_counted_and_changes_nothing(ntfy: NtfyServer, service: TwinService) -> None:
    good = written("yes", "i1", "household")
    async with listening(service, ntfy) as answers:
        await until(lambda: bool(ntfy.listeners.get(ANSWERS)))
        for text in ("hello", "", good + " more", "x" * 4_096, written("yes", "i1", "household", "mqtt"), good[:-1]):
            ntfy.publish(ANSWERS, text)
        ntfy.publish(ANSWERS, "x", title="t" * 100_000)
        nonsense: list[Any] = ["no object", [], json.loads("[" * 40 + "]" * 40), {"event": "message"}]
        unknown: list[Any] = [{"event": "keepalive"}, {"event": "keepalive", "time": "x"}, {"event": "new kind"}, {}]
        for line in [*nonsense, {"event": "message", "id": 1}, *unknown]:
            ntfy.listeners[ANSWERS][0](line)
        ntfy.publish(ANSWERS, written("no", "i2", "household"))
        await until(lambda: len(service.said) == 1)
    assert answers.refused == {"malformed": 8, "too large": 2, "channel": 1, "token": 1}


@pytest.fixture(scope="module")
def attentive() -> tuple[TwinService, NtfyAnswers]:
    """A guard and what hears its answers; made once, as a list of authorities takes long to read."""
    service = TwinService()
    service.incident("i1", "front door open")
    return service, NtfyAnswers(service, "https://ntfy.example", ANSWERS, KEY)


@given(st.binary(max_size=200) | JSON.map(lambda said: json.dumps(said).encode()))
async def test_no_line_of_a_stream_is_an_answer_by_chance(
    attentive: tuple[TwinService, NtfyAnswers], line: bytes
) -> None:
    service, answers = attentive
    answers.refused.clear()
    await answers._hear(line)
    assert service.said == []
    assert answers.refused.total() <= 1
    assert set(answers.refused) <= set(REASONS)


async def test_a_press_works_only_for_what_it_was_made_for(ntfy: NtfyServer, service: TwinService) -> None:
    good = new_press(KEY, "yes", "i1", "person:anna", "ntfy")
    async with listening(service, ntfy) as answers:
        for swap in ({"person": "household"}, {"channel": "mqtt"}, {"about": "i2"}, {"says": "no"}):
            ntfy.publish(ANSWERS, type(good)(**({one: getattr(good, one) for one in FIELDS} | swap)).written())
        await until(lambda: answers.refused.total() == 4)
        assert answers.refused == {"token": 4}
        ntfy.publish(ANSWERS, good.written())
        await until(lambda: len(service.said) == 1)


FIELDS = ("says", "about", "person", "channel", "token")


async def test_a_server_that_keeps_silent_or_refuses_is_tried_again(
    ntfy: NtfyServer, service: TwinService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("homeward.answers.ntfy.SILENCE_SECONDS", 0.1)
    ntfy.access = {None: {ANSWERS: "wo"}, "tk_guard": {ANSWERS: "ro"}}
    async with listening(service, ntfy):
        await until(lambda: "refused with status 403" in caplog.text)
    async with listening(service, ntfy, token="tk_guard"):
        await until(lambda: "says nothing any more" in caplog.text)
        ntfy.publish(ANSWERS, written("yes", "i1", "household"))
        await until(lambda: len(service.said) == 1)
    assert "tk_guard" not in caplog.text
    assert ANSWERS not in caplog.text


async def test_who_only_may_write_answers_and_reads_none(service: TwinService) -> None:
    """As the how-to sets a server of one's own up: phones show no token when a button is pressed."""
    access: dict[str | None, dict[str, str]] = {
        None: {ANSWERS: "wo"},
        "tk_guard": {TOPIC: "wo", ANSWERS: "ro"},
        "tk_phone": {TOPIC: "ro"},
    }
    async with ntfy_server(access=access) as server, listening(service, server, token="tk_guard"):
        await channel(server, token="tk_guard").apply(replace(ASK, incident="i1"))
        await Phone(server, token="tk_phone").press("That was me")
        await until(lambda: len(service.said) == 1)


async def test_the_memory_of_what_was_read_is_bounded(
    ntfy: NtfyServer, service: TwinService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeward.answers.ntfy.SEEN_LIMIT", 4)
    for _ in range(20):
        ntfy.publish(ANSWERS, "spam")
    async with listening(service, ntfy) as answers:
        await until(lambda: answers.refused["malformed"] == 20)
        assert len(answers._seen) == 4


async def test_a_fault_of_our_own_ends_neither_the_guard_nor_the_listening(
    ntfy: NtfyServer, service: TwinService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults = iter([RuntimeError("a fault")])
    keep_alive = NtfyAnswers._kept_alive

    def faulty(answers: NtfyAnswers, at: int) -> None:
        for fault in faults:
            raise fault
        keep_alive(answers, at)

    monkeypatch.setattr(NtfyAnswers, "_kept_alive", faulty)
    ntfy.keepalive = 0.02
    async with listening(service, ntfy):
        await until(lambda: "a fault" in caplog.text)
        ntfy.publish(ANSWERS, written("yes", "i1", "household"))
        await until(lambda: len(service.said) == 1)


async def test_a_guard_asks_is_answered_and_takes_back_what_it_did(ntfy: NtfyServer, tmp_path: Path) -> None:
    home = replace(SETTINGS, listeners=(Listener(name="household", channel="ntfy"),))
    lamps, phone = TwinResponder(), Phone(ntfy)
    asks: Callable[[], bool] = lambda: any("actions" in one for one in ntfy.messages(TOPIC))  # noqa: E731
    with Journal(tmp_path / "state") as journal:
        guarding = Service(Guard(journal), home, responders=[lamps, channel(ntfy)], clock=Clock())
        async with running(guarding), listening(guarding, ntfy):
            await guarding.submit(stranger())
            await until(lambda: lamps.steps == ["apply"])
            await until(asks)
            await phone.press("That was me")
            await until(lambda: lamps.steps == ["apply", "revert"])
            incident = guarding.guard.engine.incidents["i1"]
            assert (incident.answer, incident.answered_by) == ("yes", "household by ntfy")
