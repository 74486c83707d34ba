"""What every source promises the service; each plug-in goes through every check."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

import pytest
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    DEADLINE,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.network_logs import ZeekFolder, conn, eve_flow

from homeward.core.event import NAME_LIMIT, Event
from homeward.core.inputs import Health
from homeward.sources import Source
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource
from homeward.sources.mqtt import MqttSource
from homeward.sources.suricata import SuricataSource
from homeward.sources.topics import TopicRule
from homeward.sources.zeek import ZeekSource


@dataclass(frozen=True)
class Subject:
    """A source, and what drives the place it listens to."""

    source: Source
    happen: Callable[[str], None]
    fail: Callable[[], None]
    tells: Callable[[Event], str] = attrgetter("action")
    """What an event says happened."""


def mqtt_subject(broker: Mosquitto) -> Subject:
    rule = TopicRule(pattern="sensors/{device}", format="text")
    peer = broker.peer()
    return Subject(
        source=MqttSource(broker.settings(), [rule]),
        happen=lambda said: peer.publish("sensors/door", said),
        fail=broker.stop,
    )


def home_assistant_subject(server: HomeAssistant) -> Subject:
    def happen(said: str) -> None:
        about = {"device_class": "door", "friendly_name": "Contract"}
        state = {"open": "on", "closed": "off"}[said]
        server.post("/api/states/binary_sensor.contract", {"state": state, "attributes": about})

    happen("closed")
    token = server.add_user("Contract").token
    return Subject(
        source=HomeAssistantSource(HomeAssistantSettings(url=server.url, token=token)),
        happen=happen,
        fail=lambda: server.revoke(token),
    )


PEERS = {"open": "198.51.100.1", "closed": "198.51.100.2"}


def who(event: Event) -> str:
    """What a flow to one of `PEERS` stands for."""
    return {address: said for said, address in PEERS.items()}[event.attributes["peer"]]


def zeek_subject(folder: Path) -> Subject:
    zeek = ZeekFolder(folder / "current")
    return Subject(
        source=ZeekSource(zeek.folder),
        happen=lambda said: zeek.add(conn(resp=PEERS[said])),
        fail=lambda: shutil.rmtree(zeek.folder),
        tells=who,
    )


def suricata_subject(folder: Path) -> Subject:
    log = folder / "suricata" / "eve.json"
    log.parent.mkdir()
    log.touch()

    def happen(said: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(eve_flow(dest_ip=PEERS[said]))

    return Subject(source=SuricataSource(log), happen=happen, fail=lambda: shutil.rmtree(log.parent), tells=who)


@pytest.fixture(params=["mqtt", "home_assistant", "zeek", "suricata"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "home_assistant":
        return home_assistant_subject(request.getfixturevalue("home_assistant"))
    if request.param == "zeek":
        return zeek_subject(request.getfixturevalue("tmp_path"))
    if request.param == "suricata":
        return suricata_subject(request.getfixturevalue("tmp_path"))
    assert request.param == "mqtt"
    return mqtt_subject(request.getfixturevalue("mosquitto"))


async def following(items: AsyncIterator[Event | Health]) -> Event | Health:
    """The next item, but for what devices are: that is told whenever it is learned."""
    async with asyncio.timeout(DEADLINE):
        while True:
            item = await anext(items)
            if not isinstance(item, Event) or item.action != "announced":
                return item


async def following_event(items: AsyncIterator[Event | Health]) -> Event:
    item = await following(items)
    assert isinstance(item, Event), item
    return item


def opened(source: Source) -> aclosing[AsyncIterator[Event | Health]]:  # type: ignore[type-var] # sources write generators
    return aclosing(source.events())  # type: ignore[type-var]


async def test_it_first_says_that_it_is_up(subject: Subject) -> None:
    async with opened(subject.source) as items:
        health = await following(items)
    assert isinstance(health, Health)
    assert health.up
    assert health.subject == f"source:{subject.source.name}"


async def test_its_events_are_whole_and_name_their_source(subject: Subject) -> None:
    async with opened(subject.source) as items:
        await following(items)
        subject.happen("open")
        subject.happen("closed")
        events = [await following_event(items), await following_event(items)]
    assert [subject.tells(event) for event in events] == ["open", "closed"]
    assert len({event.id for event in events}) == 2
    for event in events:
        assert event.source == subject.source.name
        assert event.at.utcoffset() == timedelta(0)
        assert 0 < len(event.device) <= NAME_LIMIT
        assert all(isinstance(text, str) for pair in event.attributes.items() for text in pair)


async def test_a_delivery_is_done_with_at_most_once_and_only_when_committed(subject: Subject) -> None:
    async with opened(subject.source) as items:
        await following(items)
        subject.happen("open")
        event = await following_event(items)
        name = event.attributes.get("delivery")
        assert list(subject.source.committed([])) == []
        assert list(subject.source.committed(["0:never heard of"])) == []
        if name is not None:
            done = [*subject.source.committed([name]), *subject.source.committed([name])]
            assert done in ([], [name])


async def test_it_can_be_stopped_and_started_again(subject: Subject) -> None:
    for said in ("open", "closed"):
        async with opened(subject.source) as items:
            health = await following(items)
            assert isinstance(health, Health)
            subject.happen(said)
            event = await following_event(items)
            assert subject.tells(event) == said
            subject.source.committed([event.attributes.get("delivery", "")])


async def test_it_ends_when_it_is_cancelled(subject: Subject) -> None:
    up = asyncio.Event()

    async def read() -> None:
        async with opened(subject.source) as items:
            async for _ in items:
                up.set()

    reading = asyncio.create_task(read())
    async with asyncio.timeout(DEADLINE):
        await up.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_it_raises_one_line_when_its_place_is_gone_and_raises_again_instead_of_retrying(
    subject: Subject,
) -> None:
    async with opened(subject.source) as items:
        await following(items)
        subject.fail()
        with pytest.raises(OSError, match=r"^[^\n]+$"):
            await following(items)
    async with opened(subject.source) as items:
        with pytest.raises(OSError, match=r"^[^\n]+$"):
            await following(items)
