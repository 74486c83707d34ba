"""Homeward in Home Assistant, and on any MQTT dashboard: the guard's state, and buttons that answer it.

Everything that is said is retained on the broker; while the guard is away the broker says ``offline`` for it, by the
will. Presses are answers like those of the page: each names its incident or lease, and is taken once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from paho.mqtt.client import MQTTMessageInfo

from homeward.dashboard.view import Watched, look
from homeward.entities.messages import Topics, messages
from homeward.entities.offers import CHANNEL, Offers
from homeward.feeders import keep_on
from homeward.presses import read_press, take
from homeward.sources.mqtt_connection import Connection, Message, MqttError, MqttSettings, Subscribed
from homeward.sources.payloads import Refused

CLIENT_SUFFIX: Final = "-entities"
"""What the client id of these entities has more than the source's."""

SAY_SECONDS: Final = 0.2
"""What changes within so many seconds is said once."""

LOOK_SHARE: Final = 0.02
"""How much of the time may go into looking at the guard, however much changes …"""

SAY_LATEST: Final = 2.0
"""… but what changes is said within so many seconds."""

LOOK_SECONDS: Final = 60.0
"""How often is looked although nothing was told: an alarm may be a week old by now."""

BIRTH_SECONDS: Final = 5.0
"""Everything is said anew to a Home Assistant that has started, but not more often than this."""

CONFIRM_SECONDS: Final = 10.0
"""How long the broker may take to confirm what it was told."""

log = logging.getLogger(__name__)


class Entities:
    """Shows a guard on the broker and takes presses, until cancelled; whatever the broker does, the guard goes on.

    ``key`` is the installation's (`homeward.dashboard.security.load_or_create_key`), ``prefix`` where Home Assistant
    looks for discovery. ``refused`` counts presses that were not taken, by reason (`homeward.presses.REASONS`).

    Raises:
        ValueError: ``place`` or ``prefix`` cannot be a part of a topic.
    """

    def __init__(
        self, service: Watched, settings: MqttSettings, *, place: str, key: str, prefix: str = "homeassistant"
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._service = service
        self._settings = replace(settings, client_id=settings.client_id + CLIENT_SUFFIX)
        self._topics = Topics(place, prefix)
        self._key = key
        self._offers = Offers()
        self._said: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._born = time.monotonic() - BIRTH_SECONDS

    async def run(self) -> None:
        """Connect, show and listen; again after 1 to 60 s when that fails. Never ends by itself."""
        await keep_on(self._present, MqttError, "entities", log)

    async def _present(self) -> None:
        """Over one connection. Raises `MqttError` when that is lost."""
        link = _Link(self._settings, self._topics.online, version=self._settings.versions[-1])
        tasks: list[asyncio.Task[None]] = []
        try:
            await link.open()
            link.subscribe((self._topics.answer, self._topics.birth))
            self._said.clear()
            tasks = [asyncio.create_task(part) for part in (self._watch(), self._show(link), self._listen(link))]
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await link.close()

    async def _watch(self) -> None:
        async for _ in self._service.changes():
            self._news.set()

    # What is shown

    async def _show(self, link: _Link) -> None:
        while True:
            self._news.clear()
            began = time.thread_time()
            view, engine = look(self._service), self._service.guard.engine
            self._offers.move(view, time.monotonic())
            said = messages(view, engine, self._topics, self._key)
            spent = time.thread_time() - began
            news = {topic: text for topic, text in said.items() if self._said.get(topic) != text}
            self._said |= news
            await link.say(news)  # until the broker has it: what that is slow to take is not piled up here
            await asyncio.sleep(min(max(SAY_SECONDS, spent / LOOK_SHARE), SAY_LATEST))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()

    # What is pressed

    async def _listen(self, link: _Link) -> None:
        while True:
            item = await link.next()
            if isinstance(item, Subscribed):
                if item.refused:
                    log.warning("entities: %s: subscription refused to %s", link.where, ", ".join(item.refused))
                continue
            if item.topic == self._topics.answer:
                await self._take(item)
            elif item.topic == self._topics.birth:
                self._greet(item)
            if item.qos > 0:
                link.acknowledge([item.mid])

    def _greet(self, message: Message) -> None:
        now = time.monotonic()
        if message.payload == b"online" and not message.retained and now - self._born >= BIRTH_SECONDS:
            self._born = now
            self._said.clear()
            self._news.set()

    async def _take(self, message: Message) -> None:
        try:
            press = read_press(message.payload, self._key, channel=CHANNEL, retained=message.retained)
            if self._offers.too_soon(press, time.monotonic()):
                raise Refused("too soon")
            await take(press, self._service)
        except Refused as refusal:
            self.refused[str(refusal)] += 1


class _Link(Connection):
    """A connection that says what is to be retained, and waits until that is so."""

    async def say(self, messages: Mapping[str, bytes]) -> None:
        """Publish in order, and return when the broker has confirmed everything. Raises `MqttError`."""
        said = [self.publish(topic, payload, retain=True) for topic, payload in messages.items()]
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self._until(lambda: _confirmed(said))
        except TimeoutError:
            raise MqttError(f"{self.where}: did not confirm what it was told in {CONFIRM_SECONDS:g} s") from None


def _confirmed(said: Iterable[MQTTMessageInfo]) -> bool:
    try:
        return all(one.is_published() for one in said)
    except (RuntimeError, ValueError):  # it could not even be sent: the connection is lost, and will say so
        return False
