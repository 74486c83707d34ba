"""What there is on a broker: devices that tell what they are, how each is called, and whether it can be heard.

The dialects (`homeward.sources.dialects`) say what a message tells; here it is decided what of that is believed:

- A device keeps its name as long as it is known by the same identity, also over a restart (the journal's last states
  hold both). Nobody else gets that name: who asks for it goes by another one, with the end of its identity.
- A name that is a level of a device's own topics (Zigbee2MQTT, Shelly) is that device's, whoever had it before: who
  may write those topics speaks for the device anyway.
- A device that the owner configured keeps its name, and what topic rules from the start read stays read by them.
- Devices, topics, parts and changes are limited. A configured device's first claim is never crowded out.

Whoever may write discovery topics may still invent devices, and be the first to claim a configured name that no
device has had yet: let only bridges write them (docs/how-to/connect-mqtt.md). Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal

from homeward.core.event import NAME_LIMIT
from homeward.sources.dialects import LIST_LIMIT, Apart, Away, Dialect, Found, Listen, Presence, Said, is_topic
from homeward.sources.dialects.home_assistant_discovery import HomeAssistantDiscovery
from homeward.sources.dialects.shelly import Shelly
from homeward.sources.dialects.tasmota import Tasmota
from homeward.sources.dialects.zigbee2mqtt import Zigbee2Mqtt
from homeward.sources.discovered import Discovered, Hearing, kept, rule_of
from homeward.sources.payloads import Refused, clean_name, read_json, read_text
from homeward.sources.topics import ANNOUNCED, PAYLOAD_LIMIT, Change, Decoder, announced_state, matches

Preset = Literal["zigbee2mqtt", "tasmota", "shelly", "home_assistant"]

PRESETS: Final[Mapping[Preset, Callable[[], Dialect]]] = {
    "zigbee2mqtt": Zigbee2Mqtt,
    "tasmota": Tasmota,
    "shelly": Shelly,
    "home_assistant": HomeAssistantDiscovery,
}
"""The dialects by name. What the first of them tells natively is not told again by the last."""

FOUND_LIMIT: Final = 1_024
"""How many devices are discovered, beside those that the owner configured."""

TOPIC_LIMIT: Final = 8_192
"""How many topics are read or listened to for them."""

ADDRESS_LIMIT: Final = 4 * FOUND_LIMIT
"""How many addresses are remembered; beyond it a new one is left out."""

PART_LIMIT: Final = 128
"""How many parts (entities, components) one device has."""

CHANGE_LIMIT: Final = 32
"""How often one device may tell that it is something else, until the guard is started again."""

NAMES_LIMIT: Final = 8
"""How often one device may get another name, until the guard is started again."""

APART_LIMIT: Final = 1_024
"""How many groups are told apart from devices."""


class Discovery:
    """The devices that a broker's dialects tell of; gives a `Decoder` their names and the topics to read.

    ``known`` names the configured devices. ``refused`` counts by reason what was not believed. `read` comes before
    `Decoder.decode`, for a message may tell of a device and of its state.
    """

    def __init__(
        self, dialects: Iterable[Dialect], decoder: Decoder, *, known: Iterable[str] = (), refused: Counter[str]
    ) -> None:
        self.refused = refused
        self._dialects = tuple(dialects)
        self._decoder = decoder
        self._known = frozenset(known)
        self._devices: dict[str, Discovered] = {}
        self._owner: dict[str, str] = {}  # of a name: the identity
        self._told: dict[str, str] = {}
        self._address: dict[str, str] = {}  # of an address: the identity
        for key, state in decoder.last.items():
            action, _, name = key.partition("/")
            if action == ANNOUNCED:
                said = state.split("\n")
                self._owner[name] = said[0]
                self._address[said[-1]] = said[0]
                self._told[name] = state
        self._reading: dict[str, dict[tuple[str, str], Listen]] = {}  # of a topic: by identity (one) and part
        self._listening: dict[str, dict[str, Presence]] = {}  # of a topic: by identity
        self._filters = tuple(dict.fromkeys(name for one in self._dialects for name in one.filters))
        self._fresh: dict[str, None] = {}
        self._news: dict[str, None] = {}
        self._formerly: dict[str, str] = {}
        self._displaced: list[Discovered] = []

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to from the start."""
        return self._filters

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to besides, for the devices that are known now."""
        return tuple(topic for topic in dict.fromkeys((*self._reading, *self._listening)) if not self._covered(topic))

    def take_fresh(self) -> tuple[str, ...]:
        """What has been added to `topics` since the last call."""
        fresh = tuple(self._fresh)
        self._fresh.clear()
        return fresh

    @property
    def devices(self) -> Iterator[Discovered]:
        """What was found, as far as it has a name."""
        return (device for device in self._devices.values() if device.name)

    def limit(self, topic: str) -> int:
        """How many bytes of a message on this topic are read."""
        return LIST_LIMIT if any(topic in one.large for one in self._dialects) else PAYLOAD_LIMIT

    def expects(self, topic: str) -> bool:
        """Whether a message on this topic is of discovery; one that is of no rule besides is not unknown."""
        return topic in self._listening or any(matches(filter_, topic) for filter_ in self._filters)

    def read(self, topic: str, payload: bytes) -> list[Hearing]:
        """Take in what a message tells of devices. Returns whose availability has changed. Never raises."""
        news: list[Hearing] = []
        for dialect in self._dialects:
            if dialect.reads(topic):
                try:
                    if len(payload) > self.limit(topic):
                        raise Refused("payload too large")
                    for said in dialect.read(topic, payload):
                        news.extend(self._take(dialect, said))
                except Refused as refusal:
                    self.refused[str(refusal)] += 1
        if topic in self._listening:
            news.extend(self._listen(topic, payload))
        return news

    def announcements(self) -> list[Change]:
        """What devices have told of themselves since the last call, as far as it is news."""
        changes = []
        for identity in self._news:
            device = self._devices[identity]
            about = device.attributes
            said = announced_state(about)
            if not device.name or said == device.told:
                continue
            if device.changes >= CHANGE_LIMIT:
                self.refused["too many changes"] += 1
                continue
            device.told = self._told[device.name] = said
            device.changes += 1
            if (before := self._formerly.pop(identity, "")) and before not in self._known:
                about["formerly"] = before
            changes.append(Change(device=device.name, action=ANNOUNCED, attributes=about))
        self._news.clear()
        return changes

    def awaits(self, device: str) -> bool:
        """Whether there is news of this device that is still to be told."""
        return any(self._devices[identity].name == device for identity in self._news)

    # Devices

    def _take(self, dialect: Dialect, said: Said) -> Iterator[Hearing]:
        try:
            if isinstance(said, Found):
                yield from self._found(dialect, said)
            elif isinstance(said, Away):
                device = self._devices.get(said.identity)
                if device is not None:
                    device.away = not said.up
                    yield from self._judge(device, said.detail)
            else:
                self._set_apart(said)
        except Refused as refusal:  # one bad device must not hide the others
            self.refused[str(refusal)] += 1

    def _found(self, dialect: Dialect, found: Found) -> Iterator[Hearing]:
        if self._told_natively(dialect, found):
            return
        device = self._devices.get(found.identity)
        if device is None:
            device = self._admit(dialect, found)
        elif device.dialect != dialect.name:
            raise Refused("device name")
        if found.address and not self._has_address(found):
            found = replace(found, address="")
        before = device.parts.get(found.part)
        if before == found:
            return
        if before is None and len(device.parts) >= PART_LIMIT:
            raise Refused("too many changes")
        if before is not None and not found.type:
            found = kept(found, before)
        device.parts[found.part] = found
        self._news[device.identity] = None
        renamed = self._name(device, found)
        for part in device.parts.values() if renamed else (found,):
            for listen in part.listens:
                self._counted(self._read_topic, device, part.part, listen)
            for presence in part.presence:
                self._counted(self._listen_to, device, presence)
        yield from self._judge(device, "")
        while self._displaced:
            other = self._displaced.pop()
            asking = [part for part in other.parts.values() if not part.owned]  # the others are given a new one
            for part in asking:
                del other.parts[part.part]
            for part in asking:
                yield from self._found(next(one for one in self._dialects if one.name == other.dialect), part)

    def _has_address(self, found: Found) -> bool:
        """Whether the address is the device's own. By their addresses devices are told to be the same: a second one
        that claims it is not believed."""
        if len(self._address) < ADDRESS_LIMIT:
            self._address.setdefault(found.address, found.identity)
        return self._address.get(found.address) == found.identity

    def _told_natively(self, dialect: Dialect, found: Found) -> bool:
        """Whether a rule from the start reads all that this tells of, or the device's own dialect tells it."""
        if dialect.rules:
            return False
        if found.identity.startswith("home_assistant:zigbee2mqtt_") and any(one.rules for one in self._dialects):
            return True
        topics = [listen.topic for listen in found.listens]
        return bool(topics) and all(self._decoder.knows(topic) for topic in topics)

    def _admit(self, dialect: Dialect, found: Found) -> Discovered:
        expected = found.name in self._known and found.name not in self._owner
        if len(self._devices) >= FOUND_LIMIT + len(self._known) or (
            len(self._devices) >= FOUND_LIMIT and not expected
        ):
            raise Refused("too many devices")
        device = self._devices[found.identity] = Discovered(identity=found.identity, dialect=dialect.name)
        return device

    def _name(self, device: Discovered, found: Found) -> bool:
        """Give the device the name it asks for, if it may have it. Returns whether its name changed."""
        if not found.name or (device.name and not found.owned and self._keeps(device, found)):
            return False
        name = self._free_name(device, found)
        if name == device.name:
            return False
        if device.names >= NAMES_LIMIT:
            raise Refused("too many changes")
        device.names += 1
        before = device.name or self._formerly.get(device.identity, "")
        if device.name:
            self._owner.pop(device.name, None)
            self._forget_topics(device)
        elif not before and name not in self._told:  # it was renamed while the guard was away
            before = next((old for old, identity in self._owner.items() if identity == device.identity), "")
        self._formerly[device.identity] = before
        self._owner[name] = device.identity
        device.name, device.told = name, self._told.get(name, "")
        self._decoder.accept(name)
        return True

    def _keeps(self, device: Discovered, found: Found) -> bool:
        """Whether the device keeps its name: another part of it asks for it, or the owner configured it."""
        asked = {part.name for key, part in device.parts.items() if key != found.part and part.name}
        return device.name in self._known or (bool(asked) and found.name not in asked)

    def _free_name(self, device: Discovered, found: Found) -> str:
        mine = [name for name, identity in self._owner.items() if identity == device.identity and name in self._known]
        if mine and not found.owned:
            return mine[0]
        if found.owned:
            owner = self._owner.get(found.name)
            if owner is not None and owner != device.identity:
                self._displace(owner)
            return found.name
        ending = "".join(sign for sign in device.identity.partition(":")[2] if sign.isalnum())[-6:]
        for name in (found.name, f"{found.name[: NAME_LIMIT - 7].rstrip()} {ending}"):
            owner = self._owner.get(name)
            if owner == device.identity or (
                owner is None and self._decoder.is_new(name) and clean_name(name) == name
            ):
                return name
        raise Refused("device name")

    def _displace(self, identity: str) -> None:
        """The device whose name it really is has come: who had taken it must ask for another."""
        device = self._devices.get(identity)
        if device is not None:
            self._forget_topics(device)
            self._owner.pop(device.name, None)
            self._formerly[identity] = device.name
            device.name = device.told = ""
            self._displaced.append(device)

    def _set_apart(self, said: Apart) -> None:
        if len(said.names) > APART_LIMIT:
            self.refused["too many topics"] += 1
        self._decoder.set_apart(said.names[:APART_LIMIT])

    # Topics

    def _counted(self, take: Callable[..., None], *said: object) -> None:
        """One bad topic must not hide the others."""
        try:
            take(*said)
        except Refused as refusal:
            self.refused[str(refusal)] += 1

    def _read_topic(self, device: Discovered, part: str, listen: Listen) -> None:
        if self._decoder.knows(listen.topic):
            return
        parts = dict(self._reading.get(listen.topic, {}))
        others = {identity for identity, _ in parts} - {device.identity}
        if others and not device.parts[part].owned:
            raise Refused("topic")
        if not parts or others:
            self._make_room(listen.topic)
            parts = {}
        parts[(device.identity, part)] = listen
        rule = rule_of(device.name, list(parts.values()))
        if rule is None:
            raise Refused("topic")
        self._reading[listen.topic] = parts
        if device.name:
            self._decoder.learn(rule)

    def _listen_to(self, device: Discovered, presence: Presence) -> None:
        listeners = self._listening.get(presence.topic)
        if listeners is None:
            if not is_topic(presence.topic):
                raise Refused("topic")
            self._make_room(presence.topic)
            listeners = self._listening[presence.topic] = {}
        listeners[device.identity] = presence

    def _make_room(self, topic: str) -> None:
        if topic in self._reading or topic in self._listening:
            return
        if len(self._reading) + len(self._listening) >= TOPIC_LIMIT:
            raise Refused("too many topics")
        if not self._covered(topic):
            self._fresh[topic] = None

    def _covered(self, topic: str) -> bool:
        """Whether a filter from the start brings it; asked for twice, it might come twice."""
        return any(matches(filter_, topic) for filter_ in (*self._filters, *self._decoder.filters))

    def _forget_topics(self, device: Discovered) -> None:
        """Read for it no more what was read under its old name; the broker may go on sending it."""
        for topic in [
            topic for topic, parts in self._reading.items() if device.identity in {one for one, _ in parts}
        ]:
            del self._reading[topic]
            self._decoder.unlearn(topic)
        for topic, listeners in list(self._listening.items()):
            listeners.pop(device.identity, None)
            device.heard.pop(topic, None)
            if not listeners:
                del self._listening[topic]

    # Availability

    def _listen(self, topic: str, payload: bytes) -> Iterator[Hearing]:
        try:
            said = read_text(payload[: PAYLOAD_LIMIT + 1]).strip()
            table = read_json(payload) if said.startswith("{") and len(payload) <= PAYLOAD_LIMIT else {}
        except Refused as refusal:
            self.refused[str(refusal)] += 1
            return
        for identity, presence in self._listening[topic].items():
            device = self._devices[identity]
            word = table.get(presence.key, said)
            word = str(word).lower() if isinstance(word, bool) else word
            if word not in (presence.online, presence.offline):
                self.refused["unknown value"] += 1
                continue
            device.heard.pop(topic, None)  # the latest stands last
            device.heard[topic] = word == presence.online
            yield from self._judge(device, f"{topic} says {word}")

    def _judge(self, device: Discovered, detail: str) -> Iterator[Hearing]:
        if device.name and device.heard_of != device.up:
            device.up = not device.up
            yield Hearing(device.name, device.up, detail or "it can be heard again")
