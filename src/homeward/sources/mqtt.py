"""Events from an MQTT broker (5 or 3.1.1): TLS, password, QoS 1, persistent session, acknowledgement by the commit.

The session outlives the connection (a stable client id, and no expiry), so that the broker keeps what
was published while the guard was away. A message is acknowledged only when the journal has committed what it said.
While the guard is there ``homeward/PLACE/status`` says ``online`` (retained); the broker, by the will it was given,
says ``offline`` when the guard is gone.

Devices that tell what they are (``presets``) are announced, and their topics read, as they are found: see
`homeward.sources.discovery`.

Two things only the broker can do. MQTT 3.1.1 cannot decline a large message before it is here (up to 256 MB are
read and dropped; MQTT 5 can): set the broker's own limit (Mosquitto's ``message_size_limit``). And Mosquitto with an
``acl_file`` grants every subscription and then withholds the messages: there a missing right looks like silence.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.acknowledgement import Ledger, Receipt
from homeward.sources.discovery import PRESETS, Discovery, Preset
from homeward.sources.mqtt_connection import Connection, Message, Subscribed
from homeward.sources.mqtt_settings import (
    LoginError,
    LostError,
    MqttError,
    MqttSettings,
    SubscriptionError,
    Version,
)
from homeward.sources.topics import Change, Decoder, TopicRule

EARLY_LIMIT: Final = 1_024
"""How many messages are kept that came before the devices they are of had told of themselves."""

FILTERS_AT_ONCE: Final = 100
"""Topics of devices in one SUBSCRIBE."""

SETTLE_SECONDS: Final = 2.0
"""How long after the subscription devices have told of themselves: what is retained comes at once."""

__all__ = ["LoginError", "LostError", "MqttError", "MqttSettings", "MqttSource", "SubscriptionError"]


class MqttSource:
    """A `Source` that reads a broker's messages by topic rules.

    ``last`` and ``pending`` come from the journal: the last states (`topics.last_state`) and the deliveries that were
    journaled and may come again. ``known`` names the configured devices, ``own`` the guard's own other connections
    (see `Decoder`); ``presets`` say in which dialects devices may tell of themselves. Of a message's events the last
    one carries the delivery: when that is committed, all are.
    """

    def __init__(
        self,
        settings: MqttSettings,
        rules: Sequence[TopicRule],
        *,
        name: str = "mqtt",
        place: str = "home",
        pending: Iterable[str] = (),
        last: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
        own: Collection[tuple[str, str]] = (),
        presets: Collection[Preset] = (),
    ) -> None:
        if not place or any(sign in place for sign in "+#/"):
            raise ValueError(f"place {place!r}: it is a level of a topic, so it must be without '+', '#' and '/'")
        self.name = name
        self._place = place
        self._settings = settings
        dialects = [make() for name, make in PRESETS.items() if name in presets]
        native = (rule for dialect in dialects for rule in dialect.rules if rule not in rules)
        known = tuple(known)
        self._decoder = Decoder((*rules, *native), last=last, known=known, own=own)
        self._discovery = Discovery(dialects, self._decoder, known=known, refused=self._decoder.refused)
        self._filters = tuple(dict.fromkeys((*self._decoder.filters, *self._discovery.filters)))
        self._early: dict[str, list[tuple[Message, Receipt]]] = {}  # by topic
        self._settles: float | None = None  # in the event loop's time; from then on who is unknown stays so
        self._ledger = Ledger(pending)
        self._connection: Connection | None = None
        self._version: Version | None = None
        self._session = secrets.token_hex(6)
        self._count = 0

    @property
    def refused(self) -> Counter[str]:
        """How many messages or properties could not be used, by reason (`topics.REASONS`)."""
        return self._decoder.refused

    async def events(self) -> AsyncIterator[Event | Health]:
        """Connect, say so, and yield events until cancelled.

        Raises:
            MqttError: the broker cannot be reached or used, or the connection is lost. What was received before is
                yielded first.
        """
        connection = await self._connect()
        try:
            self._begin(connection)
            while True:
                if connection.idle:
                    for event in self._announced():
                        yield event
                item = await self._next(connection)
                if isinstance(item, Message):
                    for told in self._receive(item, connection):
                        yield told
                elif item is not None:
                    for health in self._subscribed(connection, item):
                        yield health
                else:
                    for told in self._catch_up(list(self._early)):
                        yield told
        finally:
            self._connection = None
            await connection.close()

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        """Acknowledge what the journal holds, in the order of receipt; returns the names that will not come again.

        Those are deliveries of earlier, also of an earlier process, that the broker has done with (see `Ledger`).
        """
        for name in deliveries:
            self._ledger.commit(name)
        self._acknowledge()
        return self._ledger.take_settled()

    async def _connect(self) -> Connection:
        """In the version of MQTT that went well before, as long as it does."""
        settled, self._version = self._version, None
        versions = self._settings.versions if settled is None else (settled,)
        connection = await Connection.opened(
            self._settings, f"homeward/{self._place}/status", versions=versions, limit=self._discovery.limit
        )
        self._version = connection.version
        return connection

    def _begin(self, connection: Connection) -> None:
        self._ledger.connected(session_present=connection.session_present)
        self._connection = connection
        self._early.clear()  # not acknowledged, so they come again
        self._settles = None
        connection.subscribe(self._filters)
        self._discovery.take_fresh()
        self._subscribe(connection, self._discovery.topics)

    def _subscribe(self, connection: Connection, topics: Sequence[str]) -> None:
        """In several packets: a broker may limit how long one is."""
        for first in range(0, len(topics), FILTERS_AT_ONCE):
            connection.subscribe(topics[first : first + FILTERS_AT_ONCE])

    async def _next(self, connection: Connection) -> Message | Subscribed | None:
        """What came next; ``None`` when what came early need not wait any longer."""
        try:
            async with asyncio.timeout_at(self._settles if self._early else None):
                return await connection.next()
        except TimeoutError:
            return None

    def _subscribed(self, connection: Connection, answer: Subscribed) -> Iterator[Health]:
        refused = answer.refused
        if not set(answer.asked) <= set(self._filters):  # topics of devices that were found
            if refused:
                self.refused["subscription refused"] += len(refused)
            return
        self._settles = asyncio.get_running_loop().time() + SETTLE_SECONDS
        if not refused:
            connection.tell(b"online")
            yield self._health(up=True)
            return
        detail = (
            f"{connection.where}: subscription refused to {', '.join(refused)}; "
            f"let the user {self._settings.username or '(none)'} read them in the broker's ACL"
        )
        if len(refused) == len(self._filters):
            raise SubscriptionError(detail)
        yield self._health(up=False, detail=detail)

    def _health(self, *, up: bool, detail: str = "") -> Health:
        return Health(at=datetime.now(UTC), subject=f"source:{self.name}", up=up, detail=detail)

    def _receive(self, message: Message, connection: Connection) -> Iterator[Event | Health]:
        for device, up, detail in self._discovery.read(message.topic, message.payload):
            yield Health(at=datetime.now(UTC), subject=f"device:{device}", up=up, detail=detail)
        if fresh := self._discovery.take_fresh():
            self._subscribe(connection, fresh)
            yield from self._catch_up([topic for topic in fresh if topic in self._early])
        if message.qos == 0:
            yield from self._decode(message, None)
            return
        receipt = self._ledger.received(message.mid, message.name, dup=message.dup)
        if receipt is None:
            self._acknowledge()
        elif self._is_early(message):
            self._early.setdefault(message.topic, []).append((message, receipt))
        else:
            yield from self._hand_over(message, receipt)

    def _is_early(self, message: Message) -> bool:
        """Whether it may be of a device that is still to tell of itself: the session kept it while we were away."""
        return (
            (self._settles is None or asyncio.get_running_loop().time() < self._settles)
            and bool(self._discovery.filters)
            and not self._decoder.reads(message.topic)
            and not self._discovery.expects(message.topic)
            and sum(map(len, self._early.values())) < EARLY_LIMIT
        )

    def _catch_up(self, topics: Iterable[str]) -> Iterator[Event]:
        for topic in topics:
            for message, receipt in self._early.pop(topic):
                yield from self._hand_over(message, receipt)

    def _hand_over(self, message: Message, receipt: Receipt) -> Iterator[Event]:
        events = list(self._decode(message, message.name))
        if any("delivery" in event.attributes for event in events):
            self._ledger.handed_over(receipt, message.name)
            yield from events
            return
        receipt.ready = True
        self._acknowledge()
        yield from events

    def _acknowledge(self) -> None:
        connection = self._connection
        if connection is not None and connection.up:
            connection.acknowledge(self._ledger.due())

    def _decode(self, message: Message, delivery: str | None) -> Iterator[Event]:
        if not self._decoder.reads(message.topic) and self._discovery.expects(message.topic):
            return
        changes = self._decoder.decode(message.topic, message.payload, retained=message.retained)
        if any(self._discovery.awaits(change.device) for change in changes):
            yield from self._announced()  # what it is comes before what it did
        for number, change in enumerate(changes, 1):
            yield self._event(change, delivery if number == len(changes) else None)

    def _announced(self) -> Iterator[Event]:
        """Not to be acknowledged: what devices tell of themselves is retained, or told again."""
        return (self._event(change, None) for change in self._discovery.announcements())

    def _event(self, change: Change, delivery: str | None) -> Event:
        self._count += 1
        return Event(
            id=f"{self._session}-{self._count}",
            source=self.name,
            at=datetime.now(UTC),
            happened=change.happened,
            place=self._place,
            device=change.device,
            action=change.action,
            actor=change.actor,
            origin=change.origin,
            value=change.value,
            attributes=dict(change.attributes) | ({} if delivery is None else {"delivery": delivery}),
        )
