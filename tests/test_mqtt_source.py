"""The MQTT source against a real Mosquitto: TLS, password, ACL, persistent session."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import pytest
from tests.mosquitto import (
    DEADLINE,
    PASSWORDS,
    Certificates,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
    wait_until,
)

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.mqtt import LoginError, LostError, MqttError, MqttSettings, MqttSource, SubscriptionError
from homeward.sources.mqtt_connection import HELD_MESSAGES
from homeward.sources.mqtt_settings import Version
from homeward.sources.topics import PAYLOAD_LIMIT, TopicRule

RULES = [
    TopicRule(
        pattern="sensors/{device}",
        properties={"contact": {"true": "closed", "false": "open"}, "action": "moment", "temperature": "value"},
    ),
    TopicRule(pattern="$SYS/broker/log/N", format="mosquitto_log"),
]
SENSORS = RULES[:1]


@pytest.fixture(autouse=True, params=[5, 311], ids=["5", "3.1.1"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Every test is run in both versions of MQTT."""
    speaking: Version = request.param
    monkeypatch.setattr(Mosquitto, "settings", partialmethod(Mosquitto.settings, protocol=speaking))
    return speaking


class Reader:
    """Reads a source as the service does, with a deadline."""

    def __init__(self, source: MqttSource) -> None:
        self._items = source.events()
        self._early: deque[Event] = deque()

    async def next(self) -> Event | Health:
        return self._early.popleft() if self._early else await self._next()

    async def _next(self) -> Event | Health:
        async with asyncio.timeout(DEADLINE):
            return await anext(self._items)

    async def event(self) -> Event:
        item = await self.next()
        assert isinstance(item, Event), item
        return item

    async def up(self) -> None:
        """Wait until it listens; what was under way before comes first, and is kept for `next`."""
        while isinstance(item := await self._next(), Event):
            self._early.append(item)
        assert item.up, item.detail

    async def actions(self, number: int) -> list[str]:
        return [(await self.event()).action for _ in range(number)]

    async def aclose(self) -> None:
        await self._items.aclose()  # type: ignore[attr-defined] # an asynchronous generator, which the protocol does not ask for


async def unacknowledged(mosquitto: Mosquitto) -> list[str]:
    """The actions that the broker sends again to whoever comes as the guard."""
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
        return [event.action for event in reader._early]


def press(name: str) -> str:
    return json.dumps({"action": name})


def delivery(event: Event) -> str:
    return event.attributes["delivery"]


async def first_error(settings: MqttSettings, rules: Sequence[TopicRule] = SENSORS) -> BaseException:
    async with aclosing(Reader(MqttSource(settings, rules))) as reader:
        with pytest.raises(MqttError) as raised:
            await reader.next()
    return raised.value


async def test_events_come_from_the_broker_over_tls_with_a_password(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    source = MqttSource(mosquitto.settings(), SENSORS, place="home")
    async with aclosing(Reader(source)) as reader:
        health = await reader.next()
        assert isinstance(health, Health)
        assert (health.subject, health.up) == ("source:mqtt", True)
        peer.publish("sensors/front door", '{"contact": false, "temperature": 12.5}')
        first, second = await reader.event(), await reader.event()
        assert (first.device, first.action, second.action, second.value) == ("front door", "open", "reading", 12.5)
        assert (first.source, first.place) == ("mqtt", "home")
        assert first.id != second.id
        assert "delivery" not in first.attributes, "the last event of a message stands for all"
        source.committed([delivery(second)])
    assert await unacknowledged(mosquitto) == []


async def test_a_wrong_password_says_what_to_check(mosquitto: Mosquitto) -> None:
    error = await first_error(mosquitto.settings(password="wrong"))
    assert isinstance(error, LoginError)
    assert "check username and password" in str(error)
    assert "\n" not in str(error)


async def test_a_broker_that_is_not_there_says_what_to_check(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    error = await first_error(mosquitto.settings())
    assert "is the broker running" in str(error)


@pytest.fixture
def other_ca(tmp_path: Path, need_program: Callable[[str, str], str]) -> Path:
    """A CA that has signed nothing here."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "other.key")
    subprocess.run(
        [need_program("openssl", "openssl"), "req", "-x509", *new_key, "-subj", "/CN=Other", "-out", "other.crt"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path / "other.crt"


async def test_a_certificate_of_another_ca_is_not_trusted(mosquitto: Mosquitto, other_ca: Path) -> None:
    assert "not trusted" in str(await first_error(mosquitto.settings(ca_file=other_ca)))
    assert "set ca_file" in str(await first_error(mosquitto.settings(ca_file=other_ca.with_name("missing.crt"))))


async def test_what_is_no_broker_is_told_apart() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await first_error(MqttSettings(host="127.0.0.1", port=port))
    assert isinstance(error, MqttError)


@contextmanager
def allowing_only(
    folder: Path, certificates: Certificates, need_program: Callable[[str, str], str], filters: Sequence[str]
) -> Iterator[Mosquitto]:
    """A broker that grants only the named subscriptions; for that Mosquitto needs its dynamic security plug-in."""
    plugins = [*Path("/usr/lib").glob("**/mosquitto_dynamic_security.so")]
    if not plugins:
        pytest.skip("Mosquitto's dynamic security plug-in is not installed")
    rules = folder / "dynamic-security.json"
    subprocess.run(
        [need_program("mosquitto_ctrl", "mosquitto"), "dynsec", "init", str(rules), "guard", PASSWORDS["guard"]],
        check=True,
        capture_output=True,
    )
    said = json.loads(rules.read_text())
    (role,) = said["roles"]
    role["acls"] = [
        {"acltype": "subscribeLiteral", "topic": name, "priority": 0, "allow": True} for name in filters
    ] + [{"acltype": "publishClientSend", "topic": "#", "priority": 0, "allow": True}]
    rules.write_text(json.dumps(said))
    broker = Mosquitto(
        need_program("mosquitto", "mosquitto"),
        folder,
        certificates,
        [f"plugin {plugins[0]}", f"plugin_opt_config_file {rules}"],
    )
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


async def test_refused_subscriptions_are_an_error_that_names_them(
    certificates: Certificates, tmp_path: Path, need_program: Callable[[str, str], str]
) -> None:
    with allowing_only(tmp_path, certificates, need_program, []) as strict:
        error = await first_error(strict.settings())
    assert isinstance(error, SubscriptionError)
    assert "sensors/+" in str(error)
    assert "guard" in str(error)


async def test_when_only_some_subscriptions_are_refused_the_guard_says_it_is_partly_blind(
    certificates: Certificates, tmp_path: Path, need_program: Callable[[str, str], str]
) -> None:
    with allowing_only(tmp_path, certificates, need_program, ["sensors/+"]) as strict:
        async with aclosing(Reader(MqttSource(strict.settings(), RULES))) as reader:
            health = await reader.next()
    assert isinstance(health, Health)
    assert not health.up
    assert "$SYS/broker/log/N" in health.detail
    assert "sensors/+" not in health.detail


async def test_a_retained_state_is_no_event(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    peer.publish("sensors/door", '{"contact": false}', retain=True)
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
        peer.publish("sensors/door", '{"contact": false}')
        peer.publish("sensors/door", '{"contact": true}')
        assert await reader.actions(1) == ["closed"]


async def test_a_message_of_ten_megabytes_is_declined_or_counted_and_survived(
    mosquitto: Mosquitto, version: Version
) -> None:
    peer = mosquitto.peer()
    source = MqttSource(mosquitto.settings(), SENSORS)
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        peer.publish("sensors/door", b"{" + b" " * 10_000_000)
        peer.publish("sensors/door", b"\xff" * PAYLOAD_LIMIT)
        peer.publish("sensors/door", press("bell"))
        assert await reader.actions(1) == ["bell"]
    assert source.refused == ({"malformed": 1} if version == 5 else {"payload too large": 1, "malformed": 1})
    assert await unacknowledged(mosquitto) == ["bell"], "the broker has forgotten what it may not send"


async def test_messages_without_quality_of_service_are_events_that_need_no_acknowledgement(
    mosquitto: Mosquitto,
) -> None:
    peer = mosquitto.peer()
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
        peer.publish("sensors/door", press("bell"), qos=0)
        assert "delivery" not in (await reader.event()).attributes


async def test_a_flood_is_not_read_faster_than_it_is_handled_and_nothing_of_it_is_lost(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    source = MqttSource(mosquitto.settings(), SENSORS)
    number = 3 * HELD_MESSAGES
    async with aclosing(Reader(source)) as reader:
        await reader.up()
        for count in range(number):
            peer.publish("sensors/door", press(str(count)), qos=0)
        connection = source._connection
        assert connection is not None
        await asyncio.to_thread(wait_until, lambda: connection._paused, "reading has stopped")
        assert len(connection._inbox) == HELD_MESSAGES
        assert await reader.actions(number) == [str(count) for count in range(number)]


async def test_a_second_guard_of_the_same_name_is_told_of(mosquitto: Mosquitto) -> None:
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as first:
        await first.up()
        async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as second:
            await second.up()
            with pytest.raises(LostError, match="client_id used once"):
                await first.next()


async def test_a_broker_that_answers_no_more_is_noticed(mosquitto: Mosquitto) -> None:
    settings = replace(mosquitto.settings(), keepalive=1)
    async with aclosing(Reader(MqttSource(settings, SENSORS))) as reader:
        await reader.up()
        mosquitto.freeze()
        with pytest.raises(LostError):
            await reader.next()
        mosquitto.thaw()


async def test_stopping_while_the_connection_is_being_made_leaves_nothing_behind(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    peer.listen("homeward/#")
    mosquitto.freeze()
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        reading = asyncio.create_task(reader.next())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reading, 0.2)
    mosquitto.thaw()
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
        assert peer.next()[:2] == ("homeward/home/status", b"online")


async def test_the_status_topic_says_online_and_on_a_clean_stop_offline(mosquitto: Mosquitto) -> None:
    peer = mosquitto.peer()
    peer.listen("homeward/+/status")
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS, place="summer house"))) as reader:
        await reader.up()
        assert peer.next() == ("homeward/summer house/status", b"online", False)
    assert peer.next() == ("homeward/summer house/status", b"offline", False)
    late = mosquitto.peer(client_id="late")
    late.listen("homeward/+/status")
    assert late.next() == ("homeward/summer house/status", b"offline", True), "retained, for whoever asks later"


def test_a_place_that_is_no_level_of_a_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="level of a topic"):
        MqttSource(MqttSettings(), SENSORS, place="a/#")


def test_the_password_is_in_no_printed_settings() -> None:
    assert "secret" not in repr(MqttSettings(password="secret"))


async def test_a_new_client_on_the_broker_is_an_event(mosquitto: Mosquitto) -> None:
    async with aclosing(Reader(MqttSource(mosquitto.settings(), RULES))) as reader:
        await reader.up()
        mosquitto.peer("sensor", client_id="never seen").close()
        come, gone = await reader.event(), await reader.event()
    assert (come.device, come.action, come.origin) == ("broker", "client_connected", "never seen")
    assert come.attributes["username"] == "sensor"
    assert (gone.action, gone.origin) == ("client_disconnected", "never seen")


async def test_a_broker_that_speaks_no_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    """amqtt closes the connection of whoever comes with MQTT 5."""
    box = pytest.importorskip("homeward.demo.broker", reason="amqtt, the demonstration's broker, is not installed")
    rights = {"guard": {"read": ["sensors/#"], "write": ["homeward/#"]}}
    async with box.broker_in_the_box(tmp_path, rights) as broker:
        settings = replace(broker.settings("guard", "homeward"), protocol="auto")
        source = MqttSource(settings, SENSORS)
        for _ in range(2):
            async with aclosing(Reader(source)) as reader:
                await reader.up()
            assert source._version == 311, "and the next time at once"
        with pytest.raises(MqttError, match="does the broker speak MQTT 5"):
            await Reader(MqttSource(replace(settings, protocol=5), SENSORS)).next()


async def test_a_broker_that_speaks_mqtt_5_is_spoken_to_in_it(mosquitto: Mosquitto) -> None:
    source = MqttSource(mosquitto.settings(protocol="auto"), SENSORS)
    async with aclosing(Reader(source)) as reader:
        await reader.up()
    assert source._version == 5


async def test_a_session_is_kept_when_the_version_changes(mosquitto: Mosquitto, version: Version) -> None:
    peer = mosquitto.peer()
    async with aclosing(Reader(MqttSource(mosquitto.settings(), SENSORS))) as reader:
        await reader.up()
    peer.publish("sensors/door", press("a"))
    other: Version = 311 if version == 5 else 5
    async with aclosing(Reader(MqttSource(mosquitto.settings(protocol=other), SENSORS))) as reader:
        await reader.up()
        assert await reader.actions(1) == ["a"]
