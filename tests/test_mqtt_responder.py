"""Commands by MQTT against a real Mosquitto, and the dry run beside it."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders.dry_run import DryRun
from homeward.responders.mqtt import CommandTopic, MqttResponder, NotConfirmedError
from homeward.sources.mqtt import MqttSettings

TOPICS = [
    CommandTopic(device="lamp", topic="home/lamp/set", payloads={"on": '{"state": "ON"}', "off": '{"state": "OFF"}'}),
    CommandTopic(device="lock", topic="home/lock/set"),
]


def action(device: str = "lamp", command: str = "on", restore: str | None = "off") -> Action:
    return Action(
        id="a1",
        incident="i1",
        responder="mqtt",
        device=device,
        command=command,
        restore=restore,
        ends=datetime(2026, 1, 1, tzinfo=UTC) if restore else None,
    )


async def test_a_command_and_its_undoing_reach_the_device(mosquitto: Mosquitto) -> None:
    lamp = mosquitto.peer()
    lamp.listen("home/+/set")
    responder = MqttResponder(mosquitto.settings(), TOPICS)
    await responder.apply(action())
    assert lamp.next() == ("home/lamp/set", b'{"state": "ON"}', False)
    await responder.revert(action())
    assert lamp.next() == ("home/lamp/set", b'{"state": "OFF"}', False)


async def test_a_command_without_a_payload_of_its_own_is_published_by_its_name(mosquitto: Mosquitto) -> None:
    lock = mosquitto.peer()
    lock.listen("home/+/set")
    responder = MqttResponder(mosquitto.settings(), TOPICS)
    await responder.apply(action("lock", "lock", None))
    assert lock.next() == ("home/lock/set", b"lock", False)


async def test_what_has_nothing_to_restore_publishes_nothing(mosquitto: Mosquitto) -> None:
    lock = mosquitto.peer()
    lock.listen("home/+/set")
    responder = MqttResponder(mosquitto.settings(), TOPICS)
    await responder.revert(action("lock", "lock", None))
    await responder.apply(action())
    assert lock.next()[0] == "home/lamp/set", "this is the first that was published"


async def test_commands_given_at_once_all_arrive(mosquitto: Mosquitto) -> None:
    lamp = mosquitto.peer()
    lamp.listen("home/+/set")
    responder = MqttResponder(mosquitto.settings(), TOPICS)
    await asyncio.gather(*(responder.apply(action()) for _ in range(5)))
    assert [lamp.next()[0] for _ in range(5)] == ["home/lamp/set"] * 5


async def test_a_broker_that_is_gone_is_told_in_time(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with pytest.raises(NotConfirmedError, match="is the broker running"):
        await MqttResponder(mosquitto.settings(), TOPICS).apply(action())


async def test_a_broker_that_answers_no_more_is_told_in_time(mosquitto: Mosquitto) -> None:
    mosquitto.freeze()
    began = time.monotonic()
    with pytest.raises(NotConfirmedError):
        await MqttResponder(mosquitto.settings(), TOPICS, timeout=0.5).apply(action())
    assert time.monotonic() - began < 5
    mosquitto.thaw()


async def test_a_server_that_takes_the_connection_and_says_nothing_is_told_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        settings = MqttSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        with pytest.raises(NotConfirmedError, match="no answer in time"):
            await MqttResponder(settings, TOPICS, timeout=0.3).apply(action())


async def test_a_wrong_password_is_told(mosquitto: Mosquitto) -> None:
    with pytest.raises(NotConfirmedError, match=r"not logged in \(Not authorized\)"):
        await MqttResponder(mosquitto.settings(password="wrong"), TOPICS).apply(action())


async def test_a_missing_ca_file_is_told(mosquitto: Mosquitto) -> None:
    with pytest.raises(ConnectionError, match="set ca_file"):
        await MqttResponder(mosquitto.settings(ca_file=Path("missing.crt")), TOPICS).apply(action())


async def test_a_device_without_a_command_topic_is_told() -> None:
    with pytest.raises(LookupError, match="no command topic for the device oven"):
        await MqttResponder(MqttSettings(), TOPICS).apply(action("oven"))


@pytest.mark.parametrize("topic", ["", "home/+/set", "home/#", "$SYS/x", "a\0b"])
def test_a_topic_that_nothing_can_be_published_to_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="name one topic"):
        CommandTopic(device="lamp", topic=topic)


async def test_the_dry_run_says_what_would_have_been_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "homeward.responders.dry_run")
    dry = DryRun()
    await dry.apply(action())
    await dry.revert(action())
    await dry.apply(action("lock", "lock", None))
    await dry.revert(action("lock", "lock", None))
    assert list(dry.done) == [
        "would tell lamp: on until 2026-01-01T00:00:00+00:00",
        "would tell lamp: off, taking back on",
        "would tell lock: lock",
        "would end lock of lock, with nothing to restore",
    ]
    assert caplog.messages == list(dry.done)


async def test_the_dry_run_keeps_a_bounded_list() -> None:
    dry = DryRun()
    for _ in range(2000):
        await dry.apply(action())
    assert len(dry.done) == 1000
