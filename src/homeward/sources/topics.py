"""What a message on a topic means: topic patterns and payloads in, changed properties out. Pure: no socket, no clock.

A message is not an event. `Decoder.decode` makes one `Change` for each property that changed. Retained, repeated and
initial-by-retain states are only noted. A payload that cannot be read is refused and counted by reason, never raised:
whoever may write to the broker may write anything.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from homeward.core.event import NAME_LIMIT, Event
from homeward.sources.payloads import Meaning, Refused, Words, clean_name, read_json, read_state, read_text, read_time

BROKER: Final = "broker"
"""The device that the broker's own log tells of."""

PAYLOAD_LIMIT: Final = 64 * 1024
"""The longest payload that is read, in bytes."""

DEVICE_LIMIT: Final = 16_384
"""How many different device names are accepted, beside those that the owner configured."""

REASONS: Final = (
    "payload too large", "unknown topic", "device name", "too many devices", "malformed", "unknown value",
    "action name", "not a number", "not finite", "bad time",
    "template", "topic", "too many topics", "too many changes", "subscription refused",
)  # fmt: skip
"""Everything that `Decoder.refused` can count; the last line is of discovery (`homeward.sources.discovery`)."""

ANNOUNCED: Final = "announced"
"""The action of an event in which a device tells what it is."""

Unfold = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Finds a rule's properties in a JSON object where they do not stand at its top."""

_LINE_LIMIT = 4096
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_CONNECTED = re.compile(
    r"New client connected from (?P<address>\S+) as (?P<client>.+) \(p\d+, c\d+, k\d+(?:, u'(?P<user>.*)')?\)\.?$"
)
_DISCONNECTED = re.compile(
    r"Client (?P<client>.+?) "
    r"(?:disconnected(?:: .*|, .*|)|closed its connection|has exceeded timeout, disconnecting)\.?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRule:
    """What the messages on the topics of one pattern mean. The first rule that matches a topic decides.

    ``pattern`` is a topic with ``{names}`` or ``+`` for single levels (``home/{room}/{device}/state``). ``device`` is
    the device's name, made of the captured levels; by default all of them, joined by ``/``. A captured ``room``
    becomes an attribute. ``properties`` gives each property's `Meaning`; the format ``text`` has one (by default
    ``text``); ``mosquitto_log`` (`$SYS/broker/log/N`) has none and names the client as the origin. ``steps`` is the
    least change of a ``value`` that counts, in its own unit. ``happened`` names the property that tells when it
    happened (ISO 8601 with an offset, or epoch seconds or milliseconds). ``ignore`` lists topic filters that are no
    events and not unknown either. ``unfold`` finds the properties in a JSON object that has them elsewhere.

    Raises:
        ValueError: the rule cannot work; the message says what to change.
    """

    pattern: str
    format: Literal["json", "text", "mosquitto_log"] = "json"
    properties: Mapping[str, Meaning] = field(default_factory=dict)
    device: str = ""
    happened: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    unfold: Unfold | None = None

    def __post_init__(self) -> None:
        wrong = self._fault()
        if wrong:
            raise ValueError(f"topic pattern {self.pattern!r}: {wrong}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the captured levels, in order."""
        return tuple(_PLACEHOLDER.findall(self.pattern))

    @property
    def filter(self) -> str:
        """The MQTT topic filter that subscribes to every topic of the pattern."""
        return _PLACEHOLDER.sub("+", self.pattern)

    @property
    def template(self) -> str:
        """How the device's name is made of the captured levels."""
        if self.device:
            return self.device
        if self.format == "mosquitto_log":
            return BROKER
        return "/".join(f"{{{name}}}" for name in self.names)

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        """The properties, with the default of the format ``text``."""
        return self.properties or ({"state": "text"} if self.format == "text" else {})

    def _fault(self) -> str:
        for level in self.pattern.split("/"):
            if level != "+" and not _PLACEHOLDER.fullmatch(level) and any(sign in level for sign in "+#{}"):
                return f"level {level!r} must be plain text, '+' or a single {{name}}"
        if not self.template:
            return "names no device; capture one ({device}) or set device"
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None}
        except ValueError as error:
            return f"device {self.device!r} is no template ({error})"
        if not used <= set(self.names):
            return f"device {self.device!r} uses {sorted(used - set(self.names))}, which the pattern does not capture"
        if len(set(self.names)) != len(self.names):
            return "a name is captured twice"
        if self.format == "json" and not self.properties:
            return "lists no properties to look for"
        if self.format == "text" and len(self.meanings) != 1:
            return "a text payload is one property; list one"
        return self._fault_of_properties()

    def _fault_of_properties(self) -> str:
        for name, meaning in self.meanings.items():
            if not name or "/" in name:
                return f"property {name!r} must have a name without '/'"
            if isinstance(meaning, str):
                if meaning not in ("value", "text", "moment"):
                    return f"property {name!r} means {meaning!r}; use value, text, moment or a table of words"
            elif any(word and clean_name(word) != word for word in meaning.values()):
                return f"property {name!r} has an action that is no name (at most {NAME_LIMIT} printable characters)"
        for name, step in self.steps.items():
            if not (math.isfinite(step) and step >= 0):
                return f"the step of {name!r} must be a number that is not negative"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One property of one device changed: what becomes an `Event` once the source adds its name and the time."""

    device: str
    action: str
    value: float | None = None
    happened: datetime | None = None
    actor: str | None = None
    origin: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def last_state(event: Event) -> tuple[str, str] | None:
    """The key and the state that `Decoder` compares the next message with, or ``None`` for what is no state.

    Journaled with the event, and given back as ``last`` after a restart. What a device told of itself is one too:
    said again it is no news, and nobody else gets its name.
    """
    if event.action == ANNOUNCED:
        return f"{ANNOUNCED}/{event.device}", announced_state(event.attributes)
    name = event.attributes.get("property")
    if name is None or "moment" in event.attributes:
        return None
    return f"{name}/{event.device}", event.action if event.value is None else repr(event.value)


def announced_state(about: Mapping[str, str]) -> str:
    """What a device told of itself, in one line: first its identity, then the rest."""
    return "\n".join(about.get(key, "") for key in ("identity", "type", "room", "maker", "model", "address"))


def matches(filter_: str, topic: str) -> bool:
    """Whether an MQTT topic filter matches a topic (MQTT 3.1.1, section 4.7)."""
    wanted, levels = filter_.split("/"), topic.split("/")
    if levels[0].startswith("$") and wanted[0] != levels[0]:
        return False
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)


class Decoder:
    """Turns messages into changes, and remembers the last state of every property so that a repeat is none.

    ``last`` holds states of an earlier process (see `last_state`); ``known`` names the configured devices, which are
    accepted however many others there are; ``own`` lists the guard's own connections to the broker as (client id,
    user name): those are its own doing. ``refused`` counts by reason what could not be used. Memory is bounded by
    `DEVICE_LIMIT` and the configuration.
    """

    def __init__(
        self,
        rules: Sequence[TopicRule],
        *,
        last: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
        own: Collection[tuple[str, str]] = (),
    ) -> None:
        self.refused: Counter[str] = Counter()
        self.filters: tuple[str, ...] = tuple(dict.fromkeys(rule.filter for rule in rules))
        """What to subscribe to."""
        self._rules = [(rule, rule.pattern.split("/"), rule.meanings, rule.template) for rule in rules]
        self._learned: dict[str, TopicRule] = {}
        self._apart: frozenset[str] = frozenset()
        self._own = frozenset(own)
        self._last: dict[str, str] = dict(last or {})
        self._known = set(known)
        self._heard = {key.partition("/")[2] for key in self._last} & self._known
        self._devices = {key.partition("/")[2] for key in self._last} - self._known

    def learn(self, rule: TopicRule) -> None:
        """Read one more topic: a rule of discovery, whose pattern is a topic. The rules from the start go before it.

        It replaces the one it learned for that topic before. How many there are is for the caller to limit.
        """
        self._learned[rule.pattern] = rule

    def accept(self, device: str) -> None:
        """Hear this device however many others there are. How many of these there are is for the caller to limit."""
        self._known.add(device)

    def unlearn(self, topic: str) -> None:
        """Read a topic that was learned no more."""
        self._learned.pop(topic, None)

    def set_apart(self, topics: Collection[str]) -> None:
        """Topics that are no device's although a rule matches them, unless that device is configured or accepted."""
        self._apart = frozenset(topics)

    def reads(self, topic: str) -> bool:
        """Whether a rule, from the start or learned, decides what this topic says."""
        return topic in self._learned or self.knows(topic)

    def knows(self, topic: str) -> bool:
        """Whether a rule from the start decides what this topic says."""
        levels = topic.split("/")
        return any(_capture(pattern, levels) is not None for _, pattern, _, _ in self._rules)

    @property
    def last(self) -> Mapping[str, str]:
        """The last state of every property (see `last_state`)."""
        return self._last

    def is_new(self, device: str) -> bool:
        """Whether no message has told of this device, neither now nor in an earlier process."""
        return device not in self._devices and device not in self._heard

    def decode(self, topic: str, payload: bytes, *, retained: bool = False) -> list[Change]:
        """The changes that a message tells of, in the order of the rule's properties. Never raises."""
        try:
            return self._decode(topic, payload, retained)
        except Refused as refusal:
            self.refused[str(refusal)] += 1
            return []

    def _decode(self, topic: str, payload: bytes, retained: bool) -> list[Change]:
        found = self._rule(topic)
        if found is None:
            return []
        if len(payload) > PAYLOAD_LIMIT:
            raise Refused("payload too large")
        rule, meanings, template, captured = found
        device = clean_name(template.format_map(captured))
        room = clean_name(captured["room"]) if "room" in captured else ""
        if device is None or room is None:
            raise Refused("device name")
        if topic in self._apart and device not in self._known:
            return []
        if rule.format == "mosquitto_log":
            return [] if retained else self._log_line(device, read_text(payload))
        said: Any = (
            read_json(payload) if rule.format == "json" else {next(iter(meanings)): read_text(payload).strip()}
        )
        if rule.unfold is not None:
            said = rule.unfold(said)
        happened = self._happened(said.get(rule.happened)) if rule.happened else None
        changes = []
        for name, meaning in meanings.items():
            if said.get(name) is not None:
                try:
                    state = read_state(meaning, said[name])
                    if state and self._changed(device, name, meaning, state, rule.steps.get(name, 0.0), retained):
                        changes.append(_change(device, name, meaning, state, happened, room))
                except Refused as refusal:  # one bad property must not hide the others
                    self.refused[str(refusal)] += 1
        return changes

    def _rule(self, topic: str) -> tuple[TopicRule, Mapping[str, Meaning], str, dict[str, str]] | None:
        levels = topic.split("/")
        for rule, pattern, meanings, template in self._rules:
            if any(matches(filter_, topic) for filter_ in rule.ignore):
                return None
            captured = _capture(pattern, levels)
            if captured is not None:
                return rule, meanings, template, captured
        if (learned := self._learned.get(topic)) is not None:
            return learned, learned.meanings, learned.template, {}
        raise Refused("unknown topic")

    def _changed(
        self, device: str, name: str, meaning: Meaning, state: tuple[str, float | None], step: float, retained: bool
    ) -> bool:
        """Whether the state is news; takes note of it."""
        self._admit(device)
        if meaning == "moment":
            return not retained
        key = f"{name}/{device}"
        action, value = state
        now = action if value is None else repr(value)
        before = self._last.get(key)
        if before == now or (value is not None and before is not None and _near(before, value, step)):
            return False
        self._last[key] = now
        return not retained

    def _admit(self, device: str) -> None:
        if device in self._known:
            self._heard.add(device)
            return
        if device in self._devices:
            return
        if len(self._devices) >= DEVICE_LIMIT:
            raise Refused("too many devices")
        self._devices.add(device)

    def _happened(self, claim: object) -> datetime | None:
        if claim is None:
            return None
        try:
            return read_time(claim)
        except (ValueError, OverflowError, OSError, TypeError):
            self.refused["bad time"] += 1
            return None

    def _log_line(self, device: str, line: str) -> list[Change]:
        if len(line) > _LINE_LIMIT:
            raise Refused("payload too large")
        match = _CONNECTED.search(line) or _DISCONNECTED.search(line)
        if match is None:  # the log speaks of much else, and that is no fault
            return []
        said = match.groupdict()
        client = clean_name(said["client"])
        if client is None:
            raise Refused("device name")
        user = clean_name(said.get("user") or "") or ""
        address = clean_name(said.get("address") or "") or ""
        about = {"moment": "yes", "username": user, "address": address}
        connected = match.re is _CONNECTED
        return [
            Change(
                device=device,
                action="client_connected" if connected else "client_disconnected",
                actor="homeward" if connected and (client, user) in self._own else None,
                origin=client,
                attributes={name: text for name, text in about.items() if text},
            )
        ]


def _capture(pattern: Sequence[str], levels: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(levels) or (levels[0].startswith("$") and pattern[0] != levels[0]):
        return None
    captured = {}
    for wanted, level in zip(pattern, levels, strict=True):
        if wanted.startswith("{"):
            captured[wanted[1:-1]] = level
        elif wanted not in (level, "+"):
            return None
    return captured


def _change(
    device: str, name: str, meaning: Meaning, state: tuple[str, float | None], happened: datetime | None, room: str
) -> Change:
    about = {"property": name}
    if room:
        about["room"] = room
    if meaning == "moment":
        about["moment"] = "yes"
    return Change(device=device, action=state[0], value=state[1], happened=happened, attributes=about)


def _near(before: str, value: float, step: float) -> bool:
    """Whether the value has moved less than ``step`` away from the last one that counted."""
    try:
        return abs(float(before) - value) < step
    except ValueError:  # the property meant something else in an earlier configuration
        return False


_ON_OFF: Final[Words] = {"true": "on", "false": "off"}

ZIGBEE2MQTT: Final[Mapping[str, Meaning]] = {
    "contact": {"true": "closed", "false": "open"},
    "occupancy": _ON_OFF,
    "presence": _ON_OFF,
    **{
        f"state_{end}": {"ON": "on", "OFF": "off"}
        for end in ("left", "right", "center", "top", "bottom", *(f"l{number}" for number in range(1, 9)))
    },
    "system_mode": "text",
    # A lock says LOCK here and, more exactly, in lock_state.
    "state": {
        "ON": "on", "OFF": "off", "OPEN": "open", "CLOSE": "closed", "CLOSED": "closed", "STOP": "stopped",
        "LOCK": "", "UNLOCK": "",
    },
    "lock_state": {"locked": "locked", "unlocked": "unlocked", "not_fully_locked": "not_fully_locked"},
    "garage_door_contact": {"true": "closed", "false": "open"},
    "water_leak": {"true": "wet", "false": "dry"},
    "smoke": {"true": "smoke", "false": "clear"},
    "carbon_monoxide": _ON_OFF,
    "gas": _ON_OFF,
    "vibration": {"true": "vibration", "false": "still"},
    "action": "moment",
    "temperature": "value",
    "humidity": "value",
    "illuminance": "value",
    "power": "value",
}  # fmt: skip
"""The properties of Zigbee2MQTT's JSON states that say something about habits (https://www.zigbee2mqtt.io)."""


ZIGBEE2MQTT_STEPS: Final = {"temperature": 0.5, "humidity": 2.0, "illuminance": 50.0, "power": 5.0}


def zigbee2mqtt(base: str = "zigbee2mqtt") -> TopicRule:
    """The rule for Zigbee2MQTT's states below the topic ``base``, its own ``bridge`` topics left out."""
    return TopicRule(
        pattern=f"{base}/{{device}}",
        properties=ZIGBEE2MQTT,
        happened="last_seen",
        steps=ZIGBEE2MQTT_STEPS,
        ignore=(f"{base}/bridge", f"{base}/bridge/#"),
    )
