"""Events from an MQTT 3.1.1 broker: TLS, password, QoS 1, persistent session, acknowledgement after the commit.

The session outlives the connection (``clean_session=False`` and a stable client id), so that the broker keeps what
was published while the guard was away. A message is acknowledged only when the journal has committed what it said.
While the guard is there ``homeward/PLACE/status`` says ``online`` (retained); the broker, by the will it was given,
says ``offline`` when the guard is gone.

Two things only the broker can do. MQTT 3.1.1 cannot decline a large message before it is here (up to 256 MB are
read and dropped): set the broker's own limit (Mosquitto's ``message_size_limit``). And Mosquitto with an
``acl_file`` grants every subscription and then withholds the messages: there a missing right looks like silence.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.acknowledgement import Ledger
from homeward.sources.mqtt_connection import Connection, Message, Subscribed
from homeward.sources.mqtt_settings import (
    LoginError,
    LostError,
    MqttError,
    MqttSettings,
    SubscriptionError,
    Version,
)
from homeward.sources.topics import Decoder, TopicRule

__all__ = ["LoginError", "LostError", "MqttError", "MqttSettings", "MqttSource", "SubscriptionError"]


class MqttSource:
    """A `Source` that reads a broker's messages by topic rules.

    ``last`` and ``pending`` come from the journal: the last states (`topics.last_state`) and the deliveries that were
    journaled and may come again. ``known`` names the configured devices, ``own`` the guard's own other connections
    (see `Decoder`). Of a message's events the last one carries the delivery: when that is committed, all are.
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
    ) -> None:
        if not place or any(sign in place for sign in "+#/"):
            raise ValueError(f"place {place!r}: it is a level of a topic, so it must be without '+', '#' and '/'")
        self.name = name
        self._place = place
        self._settings = settings
        self._decoder = Decoder(rules, last=last, known=known, own=own)
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
                item = await connection.next()
                if isinstance(item, Subscribed):
                    yield self._subscribed(connection, item.refused)
                    continue
                for event in self._receive(item):
                    yield event
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
        connection = await Connection.opened(self._settings, f"homeward/{self._place}/status", versions=versions)
        self._version = connection.version
        return connection

    def _begin(self, connection: Connection) -> None:
        self._ledger.connected(session_present=connection.session_present)
        self._connection = connection
        connection.subscribe(self._decoder.filters)

    def _subscribed(self, connection: Connection, refused: Sequence[str]) -> Health:
        if refused:
            detail = (
                f"{connection.where}: subscription refused to {', '.join(refused)}; "
                f"let the user {self._settings.username or '(none)'} read them in the broker's ACL"
            )
            if len(refused) == len(self._decoder.filters):
                raise SubscriptionError(detail)
            return self._health(up=False, detail=detail)
        connection.tell(b"online")
        return self._health(up=True)

    def _health(self, *, up: bool, detail: str = "") -> Health:
        return Health(at=datetime.now(UTC), subject=f"source:{self.name}", up=up, detail=detail)

    def _receive(self, message: Message) -> Iterator[Event]:
        if message.qos == 0:
            yield from self._decode(message, None)
            return
        name = message.name
        receipt = self._ledger.received(message.mid, name, dup=message.dup)
        if receipt is not None:
            events = list(self._decode(message, name))
            if events:
                self._ledger.handed_over(receipt, name)
                yield from events
                return
            receipt.ready = True
        self._acknowledge()

    def _acknowledge(self) -> None:
        connection = self._connection
        if connection is not None and connection.up:
            connection.acknowledge(self._ledger.due())

    def _decode(self, message: Message, delivery: str | None) -> Iterator[Event]:
        changes = self._decoder.decode(message.topic, message.payload, retained=message.retained)
        for number, change in enumerate(changes, 1):
            about = dict(change.attributes)
            if delivery is not None and number == len(changes):
                about["delivery"] = delivery
            self._count += 1
            yield Event(
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
                attributes=about,
            )
