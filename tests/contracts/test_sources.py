"""What every source promises the service; each plug-in goes through every check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

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

from homeward.core.event import NAME_LIMIT, Event
from homeward.core.inputs import Health
from homeward.sources import Source
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource
from homeward.sources.mqtt import MqttSource
from homeward.sources.topics import TopicRule


@dataclass(frozen=True)
class Subject:
    """A source, and what drives the place it listens to."""

    source: Source
    happen: Callable[[str], None]
    fail: Callable[[], None]


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


@pytest.fixture(params=["mqtt", "home_assistant"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "home_assistant":
        return home_assistant_subject(request.getfixturevalue("home_assistant"))
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
    assert [event.action for event in events] == ["open", "closed"]
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
            assert event.action == said
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
