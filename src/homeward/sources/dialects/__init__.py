"""How each kind of device on a broker tells what it is: one file for each dialect. Pure: no socket, no clock.

A dialect reads messages and says what they tell, in the terms of this file. What may be believed of that, under which
name a device goes, and how much is kept is `homeward.sources.discovery`'s to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from homeward.core.event import NAME_LIMIT
from homeward.sources.payloads import Meaning, clean_name
from homeward.sources.topics import TopicRule, Unfold

LIST_LIMIT: Final = 4 * 1024 * 1024
"""The longest list of devices that is read, in bytes: some hundreds of devices with all their features."""

STEPS: Final[Mapping[str, float]] = {
    "sensor.temperature": 0.5, "sensor.humidity": 2.0, "sensor.brightness": 50.0, "sensor.air_quality": 25.0,
    "meter.power": 5.0,
}  # fmt: skip
"""The least change of a reading that counts, by type, in the units that these devices use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """A topic on which a device tells its states, as a `TopicRule` without its name. ``topic`` is one topic."""

    topic: str
    format: Literal["json", "text"] = "json"
    properties: Mapping[str, Meaning]
    unfold: Unfold | None = None
    happened: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A topic that says whether a device can be heard; in a JSON object it is the value at ``key``."""

    topic: str
    online: str = "online"
    offline: str = "offline"
    key: str = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device tells what it is.

    ``identity`` stays when its name changes. ``part`` names what of the device this message tells of; the parts of
    one identity are one device, whose ``name`` any of them may tell. ``type`` is empty where the message does not
    say. ``owned`` means that the name is a level of the device's own topics, so that it is nobody else's.
    ``commands`` are the topics on which it obeys, for `homeward discover`.
    """

    identity: str
    name: str
    part: str = ""
    owned: bool = False
    type: str = ""
    room: str = ""
    maker: str = ""
    model: str = ""
    address: str = ""
    listens: Sequence[Listen] = ()
    presence: Sequence[Presence] = ()
    every: Literal["all", "any", "latest"] = "all"
    commands: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A device cannot be heard any more (``up=False``), or can again, without a topic of its own that says so."""

    identity: str
    up: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Topics below a dialect's own filters that are no device's, such as a group's."""

    names: tuple[str, ...]


Said = Found | Away | Apart


class Dialect(Protocol):
    """One kind of device on a broker. ``read`` raises `homeward.sources.payloads.Refused` and nothing else.

    ``filters`` is what to subscribe to. ``rules`` are topic rules that hold for all its devices. ``reads`` says
    whether a topic is one that ``read`` understands; every other one below ``filters`` is the `Decoder`'s, or none.
    ``large`` are topics whose messages may be up to `LIST_LIMIT` long.
    """

    @property
    def name(self) -> str: ...
    @property
    def filters(self) -> tuple[str, ...]: ...
    @property
    def rules(self) -> tuple[TopicRule, ...]: ...
    @property
    def large(self) -> frozenset[str]: ...

    def reads(self, topic: str) -> bool: ...

    def read(self, topic: str, payload: bytes) -> Iterable[Said]: ...


@dataclass(frozen=True, slots=True)
class Paths:
    """An `Unfold`: where in a JSON object each property is found, key by key."""

    paths: tuple[tuple[str, tuple[str, ...]], ...]

    def __call__(self, said: Mapping[str, Any]) -> dict[str, Any]:
        return {name: at(said, path) for name, path in self.paths}


def at(said: object, path: Sequence[str]) -> Any:
    """What a JSON value holds at a path of keys; ``None`` if nothing."""
    for key in path:
        said = said.get(key) if isinstance(said, dict) else None
    return said


def text(said: object) -> str:
    """What was said as a name; nothing for what is none."""
    return (clean_name(said) or "") if isinstance(said, str) else ""


def texts(said: object) -> list[str]:
    """A text, or a list of them."""
    items = said if isinstance(said, list) else [said]
    return [name for item in items[:16] if (name := text(item))]


def table(said: object) -> dict[str, Any]:
    """A JSON object; an empty one for everything else."""
    return said if isinstance(said, dict) else {}


def is_topic(topic: object) -> bool:
    """Whether it can be subscribed to as one topic: no wildcard, nothing of the broker's own, nothing of ours."""
    return (
        isinstance(topic, str)
        and 0 < len(topic) <= 2 * NAME_LIMIT
        and topic.isprintable()
        and not any(sign in topic for sign in "+#{}")
        and not topic.startswith(("$", "homeward/"))
    )


def mac(said: object) -> str:
    """A MAC address or EUI-64 as ``00:15:8d:…``; nothing for what is none."""
    digits = (
        said.lower().removeprefix("0x").translate(_SEPARATORS) if isinstance(said, str) and len(said) < 32 else ""
    )
    if len(digits) not in (12, 16) or not set(digits) <= set("0123456789abcdef"):
        return ""
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


_SEPARATORS: Final = str.maketrans("", "", ":-.")
