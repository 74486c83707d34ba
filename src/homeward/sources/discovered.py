"""One device, as it has told of itself, and the topic rules that follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from homeward.sources.dialects import Found, Listen, Paths
from homeward.sources.placing import placed
from homeward.sources.topics import TopicRule

_FIRST: Final = (
    "smoke", "carbon_monoxide", "gas", "medical", "lock", "alarm", "garage_door", "siren", "leak", "doorbell",
    "camera", "contact.door", "contact.garage", "contact.window", "contact.cupboard", "contact.fridge",
    "contact.other", "thermostat", "occupancy", "motion", "valve", "cover", "vacuum", "mower", "fan", "humidifier",
    "media_player", "speaker", "light", "plug", "switch", "appliance", "float.toilet", "pressure.bed",
    "pressure.chair", "phone", "person", "remote", "button", "sensor.vibration", "meter.power", "meter.water",
    "meter.gas", "sensor.air_quality", "sensor.temperature", "sensor.humidity", "sensor.brightness",
)  # fmt: skip
"""What a device is whose parts are of several types: the first of these among them."""


class Hearing(NamedTuple):
    """Whether a device can be heard has changed."""

    device: str
    up: bool
    detail: str


@dataclass(slots=True)
class Discovered:
    """One device, as it has told of itself. ``name`` is empty until it has told one."""

    identity: str
    dialect: str
    name: str = ""
    parts: dict[str, Found] = field(default_factory=dict)
    told: str = ""
    changes: int = 0
    names: int = 0
    away: bool = False
    up: bool = True
    heard: dict[str, bool] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """What it is: the foremost of its parts' types; what is switched and measures its power is a plug."""
        types = {part.type for part in self.parts.values()} - {""}
        if {"switch", "meter.power"} <= types:
            types.add("plug")
        return next((type_ for type_ in _FIRST if type_ in types), "other")

    def about(self, what: Literal["room", "maker", "model", "address"]) -> str:
        """What its parts say of it: the first that says something."""
        return next((said for part in self.parts.values() if (said := getattr(part, what))), "")

    @property
    def commands(self) -> tuple[str, ...]:
        """The topics on which it obeys."""
        return tuple(dict.fromkeys(topic for part in self.parts.values() for topic in part.commands))

    @property
    def states(self) -> tuple[str, ...]:
        """The topics on which it tells its states."""
        heard = (listen.topic for part in self.parts.values() for listen in part.listens)
        native = (topic.removesuffix("/set") for topic in self.commands if topic.endswith("/set"))
        return tuple(dict.fromkeys((*heard, *native)))

    @property
    def heard_of(self) -> bool:
        """Whether it can be heard, by what its availability topics say together (its latest part says how)."""
        said = list(self.heard.values())
        every = next(reversed(self.parts.values())).every if self.parts else "all"
        together = {"all": all(said), "any": any(said) or not said, "latest": not said or said[-1]}
        return together[every] and not self.away

    @property
    def attributes(self) -> dict[str, str]:
        """What is announced of it."""
        room = self.about("room")
        type_, role = placed(self.type, self.name, room)
        about = {
            "identity": self.identity, "type": type_, "role": role, "room": room,
            "maker": self.about("maker"), "model": self.about("model"), "address": self.about("address"),
        }  # fmt: skip
        return {key: said for key, said in about.items() if said}


def kept(found: Found, before: Found) -> Found:
    """What a shorter message does not say stays as it was (Zigbee2MQTT's events tell less than its list)."""
    return replace(
        found,
        type=found.type or before.type,
        room=found.room or before.room,
        maker=found.maker or before.maker,
        model=found.model or before.model,
        address=found.address or before.address,
    )


def rule_of(device: str, listens: Sequence[Listen]) -> TopicRule | None:
    """One rule for all that a device's parts say of a topic; ``None`` if they contradict each other."""
    first = listens[0]
    properties = {name: meaning for one in listens for name, meaning in one.properties.items()}
    unfold = first.unfold
    if isinstance(first.unfold, Paths):
        paths = [one.unfold for one in listens if isinstance(one.unfold, Paths)]
        if len(paths) != len(listens):
            return None
        unfold = Paths(tuple(path for one in paths for path in one.paths))
    elif any(one.unfold != first.unfold for one in listens):
        return None
    try:
        return TopicRule(
            pattern=first.topic,
            format=first.format,
            properties=properties,
            device=(device or "?").replace("{", "{{").replace("}", "}}"),
            happened=first.happened,
            steps={name: step for one in listens for name, step in one.steps.items()},
            unfold=unfold,
        )
    except ValueError:
        return None
