"""Messages that come again after a lost connection or a killed guard, from a real broker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest
from tests.mosquitto import (
    DEADLINE,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.test_mqtt_source import (
    SENSORS,
    Reader,
    delivery,
    press,
    unacknowledged,
    version,  # noqa: F401 - a fixture: every test is run in both versions of MQTT
)

from homeward.sources.mqtt import LostError, MqttSettings, MqttSource
from homeward.sources.mqtt_connection import HELD_MESSAGES


async def test_more_than_is_held_may_be_under_way_when_the_connection_is_lost_and_all_of_it_comes_again(
    mosquitto: Mosquitto,
) -> None:
    """The broker sends everything again before it answers the subscription."""
    peer = mosquitto.peer()
    number = 2 * HELD_MESSAGES
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
        await asyncio.to_thread(peer.publish_all, "sensors/door", [press(str(count)) for count in range(number)])
        assert await reader.actions(number) == [str(count) for count in range(number)]  # and none is acknowledged
    source = MqttSource(mosquitto.settings(), SENSORS)
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        again = [await reader.event() for _ in range(number)]
        assert [one.action for one in again] == [str(count) for count in range(number)]
        source.committed([delivery(one) for one in again])
    assert await unacknowledged(mosquitto) == []


async def test_only_what_was_committed_is_acknowledged_and_in_the_order_of_receipt(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    source = MqttSource(mosquitto.settings(), SENSORS)
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        for name in ("a", "b", "c"):
            peer.publish("sensors/door", press(name))
        a, b, c = [await reader.event() for _ in range(3)]
        source.committed([delivery(c)])
    assert await unacknowledged(mosquitto) == ["a", "b", "c"]
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        source.committed([delivery(a)])
    assert await unacknowledged(mosquitto) == ["b", "c"]
    again = MqttSource(mosquitto.settings(), SENSORS, pending=[delivery(c)])
    async with aclosing(Reader(again)) as reader:
        await reader.up()
        redelivered = await reader.event()
        assert (redelivered.action, delivery(redelivered)) == ("b", delivery(b))
        peer.publish("sensors/door", press("d"))
        d = await reader.event()
        assert d.action == "d", "c was journaled by the earlier process: acknowledged without an event"
        again.committed([delivery(b), delivery(d)])
    assert await unacknowledged(mosquitto) == []


async def test_a_restarted_broker_costs_no_message_and_doubles_none(mosquitto: Mosquitto) -> None:
    source = MqttSource(mosquitto.settings(), SENSORS)
    peer = mosquitto.peer()
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        for name in ("a", "b", "c", "d"):
            peer.publish("sensors/door", press(name))
        a, b = await reader.event(), await reader.event()
        mosquitto.stop()
        c, d = await reader.event(), await reader.event()
        with pytest.raises(LostError, match="connection lost"):
            await reader.next()
    source.committed([delivery(a), delivery(b), delivery(c)])  # there is nobody to tell
    mosquitto.start()
    mosquitto.peer(client_id="second").publish("sensors/door", press("e"))
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        e = await reader.event()
        assert e.action == "e"
        source.committed([delivery(d), delivery(e)])
    assert await unacknowledged(mosquitto) == []


async def test_what_is_published_while_the_guard_is_away_waits_for_it(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    settings = mosquitto.settings()
    async with aclosing(Reader(MqttSource(settings, SENSORS))) as reader:
        await reader.up()
    for name in ("a", "b"):
        peer.publish("sensors/door", press(name))
    async with aclosing(Reader(MqttSource(settings, SENSORS))) as reader:
        await reader.up()
        assert await reader.actions(2) == ["a", "b"]


GUARD = """
import asyncio, pathlib, sys
from homeward.core.inputs import Health
from homeward.sources.mqtt import MqttSettings, MqttSource
from homeward.sources.topics import TopicRule

async def main(port, ca_file):
    settings = MqttSettings(
        host="127.0.0.1", port=int(port), username="guard", password=sys.stdin.readline().strip(),
        ca_file=pathlib.Path(ca_file),
    )
    rule = TopicRule(pattern="sensors/{device}", properties={"action": "moment"})
    async for item in MqttSource(settings, [rule]).events():
        print("up" if isinstance(item, Health) else item.attributes["delivery"], flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def guard_process(settings: MqttSettings) -> Iterator[subprocess.Popen[str]]:
    """A guard of its own process, which prints what it hears and commits nothing."""
    process: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-c", GUARD, str(settings.port), str(settings.ca_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{settings.password}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE)
        process.stdin.close()
        process.stdout.close()


async def test_when_the_guard_is_killed_the_broker_says_it_is_gone_and_keeps_what_was_not_committed(
    mosquitto: Mosquitto,
) -> None:
    peer = mosquitto.peer()
    peer.listen("homeward/#")
    with guard_process(mosquitto.settings()) as guard:
        assert guard.stdout is not None
        assert peer.next() == ("homeward/home/status", b"online", False)
        peer.publish("sensors/door", press("a"))
        peer.publish("sensors/door", press("b"))
        a, b = guard.stdout.readline().strip(), guard.stdout.readline().strip()
        guard.kill()
        assert peer.next() == ("homeward/home/status", b"offline", False)
    source = MqttSource(mosquitto.settings(), SENSORS, pending=[a])
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        event = await reader.event()
        assert (event.action, delivery(event)) == ("b", b), "a was journaled; b comes again, with the DUP flag"
        source.committed([b])
    assert await unacknowledged(mosquitto) == []
