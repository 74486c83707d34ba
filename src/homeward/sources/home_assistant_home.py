"""What Home Assistant's entities are to the guard: devices with a name, a type and a room. Pure.

An entity is one property of a device. A device is told apart by its id in the registry and named as its owner named
it, so that another entity id makes no other device. Entities without a device (helpers, templates) are devices
themselves. What says something about the machine rather than about the home is left out: diagnostic and configuration
entities, free text, and Homeward's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from homeward.core.vocabulary import home_assistant_type, role_of
from homeward.sources.payloads import clean_name
from homeward.sources.placing import placed

ENTITY_LIMIT: Final = 20_000
"""How many entities are kept; others are refused and counted."""

TRACKER_LIMIT: Final = 64

OWN_MAKER: Final = "Homeward"
"""The maker of the devices that the guard itself shows in Home Assistant: never an input."""

DOMAINS: Final = frozenset(
    {
        "alarm_control_panel", "binary_sensor", "button", "camera", "climate", "cover", "device_tracker", "event",
        "fan", "humidifier", "input_boolean", "input_button", "lawn_mower", "light", "lock", "media_player", "person",
        "remote", "sensor", "siren", "switch", "vacuum", "valve", "water_heater",
    }
)  # fmt: skip
"""Kinds of entities that tell of the home. Others are settings, forecasts or Home Assistant's own affairs."""

MACHINE: Final = frozenset({"battery", "battery_charging", "connectivity", "problem", "update"})
"""Binary sensors that tell of the machine."""

MEASURED: Final = frozenset(
    {
        "apparent_power", "aqi", "blood_glucose_concentration", "carbon_dioxide", "carbon_monoxide", "current",
        "distance", "energy", "gas", "humidity", "illuminance", "irradiance", "moisture", "nitrogen_dioxide",
        "nitrogen_monoxide", "ozone", "pm1", "pm10", "pm25", "power", "precipitation", "sound_pressure", "speed",
        "sulphur_dioxide", "temperature", "volatile_organic_compounds", "volatile_organic_compounds_parts",
        "volume_flow_rate", "water", "weight",
    }
)  # fmt: skip
"""Sensors' device classes that are readings of the home."""

# What a device is, when its entities are several things: what guards first, then what tells of people.
_RANK: Final = (
    "smoke", "carbon_monoxide", "gas", "medical", "alarm", "lock", "garage_door", "siren", "doorbell", "camera",
    "leak", "person", "phone", "wearable", "thermostat", "vacuum", "mower", "media_player", "speaker", "humidifier",
    "fan", "cover", "valve", "contact.garage", "contact.door", "contact.window", "contact.fridge", "contact.cupboard",
    "contact.other", "motion", "occupancy", "appliance", "light", "plug", "switch", "remote", "button",
    "sensor.vibration", "meter.water", "meter.gas", "meter.power", "sensor.air_quality", "sensor.humidity",
    "sensor.temperature", "sensor.brightness",
)  # fmt: skip


_OF_ENTITIES: Final = ("area_id", "device_id", "disabled_by", "entity_category", "id", "name", "original_name")
_OF_DEVICES: Final = ("area_id", "connections", "entry_type", "manufacturer", "model", "name", "name_by_user")


class About(NamedTuple):
    """What an entity's attributes say it is; everything else in them is left alone, where it is above all."""

    device_class: str
    name: str
    unit: str
    measured: bool
    options: bool
    trackers: tuple[str, ...]
    """What a person carries."""

    @classmethod
    def read(cls, attributes: Mapping[str, Any]) -> About:
        trackers = attributes.get("device_trackers")
        return cls(
            device_class=_word(attributes.get("device_class")),
            name=_word(attributes.get("friendly_name")),
            unit=_word(attributes.get("unit_of_measurement")),
            measured=attributes.get("state_class") is not None,
            options=isinstance(attributes.get("options"), list),
            trackers=tuple(each for each in trackers[:TRACKER_LIMIT] if isinstance(each, str) and len(each) < 256)
            if isinstance(trackers, list)
            else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One property of one device. ``key`` is what it is told apart by: its registry id, or else its entity id."""

    key: str
    entity_id: str
    device: str
    property_name: str
    domain: str
    device_class: str
    unit: str
    room: str

    @property
    def type(self) -> str:
        return home_assistant_type(self.domain, self.device_class or None)


class Home:
    """The registries' entities, devices and areas, and what each entity is.

    ``known`` names the owner's configured devices. They are found however many others there are.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = frozenset(known)
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._devices: dict[str, Mapping[str, Any]] = {}
        self._rooms: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._groups: dict[str, list[str]] = {}
        self._about: dict[str, About] = {}
        self._found: dict[str, Entity | None] = {}
        self._claims: dict[tuple[str, str], str] = {}
        self._carried: dict[str, tuple[str, ...]] = {}
        self.has_changed = False
        """Whether what is `announced` may be another by now."""

    def load(self, entities: object, devices: object, areas: object) -> None:
        """Take the lists of the three registries as they are now. What is no entry is passed over."""
        before = self._entries.keys()
        self._entries = dict(_entries(entities, "entity_id", _OF_ENTITIES))
        self._devices = dict(_entries(devices, "id", _OF_DEVICES))
        self._rooms = {key: _word(area.get("name")) for key, area in _entries(areas, "area_id", ("name",))}
        self._names = self._name_devices()
        self._groups = {}
        for entity_id, entry in self._entries.items():
            if isinstance(entry.get("device_id"), str):
                self._groups.setdefault(entry["device_id"], []).append(entity_id)
        for gone in before - self._entries.keys():  # another entity id by now, or no more
            self._about.pop(gone, None)
            self._carried.pop(gone, None)
        self._found.clear()
        self._claims.clear()
        self.has_changed = True

    def is_registered(self, entity_id: str) -> bool:
        return entity_id in self._entries

    def entity(self, entity_id: str, attributes: Mapping[str, Any]) -> Entity | None:
        """What this entity is, by the registries and its attributes; ``None`` for one that tells nothing of the home.

        Raises:
            OverflowError: there are `ENTITY_LIMIT` others.
        """
        if entity_id.partition(".")[0] not in DOMAINS:
            return None
        about, before = About.read(attributes), self._about.get(entity_id)
        if before != about:
            self._note(entity_id, about)
        found = self.recalled(entity_id)
        if before is None and len(self._about) > ENTITY_LIMIT and (found is None or found.device not in self._known):
            self.forget(entity_id)
            raise OverflowError
        return found

    def recalled(self, entity_id: str) -> Entity | None:
        """What an entity is that was asked for before."""
        if entity_id in self._about and entity_id not in self._found:
            self._find(entity_id)
        return self._found.get(entity_id)

    def forget(self, entity_id: str) -> None:
        """The entity is gone."""
        self._about.pop(entity_id, None)
        self._carried.pop(entity_id, None)
        self._lose(entity_id)

    def entities(self) -> Iterator[Entity]:
        """Every entity that was asked for and that tells of the home."""
        found = (self.recalled(entity_id) for entity_id in list(self._about))
        return (entity for entity in found if entity is not None)

    def announced(self) -> dict[str, dict[str, str]]:
        """What is known of each device: ``type``, ``room``, ``maker``, ``model``, ``address``."""
        self.has_changed = False
        parts: dict[str, list[Entity]] = {}
        for entity in self.entities():
            parts.setdefault(entity.device, []).append(entity)
        return {device: _placed(device, self._describe(entities)) for device, entities in parts.items()}

    def _note(self, entity_id: str, about: About) -> None:
        self._about[entity_id] = about
        if entity_id.startswith("person."):
            before = self._carried.get(entity_id, ())
            self._carried[entity_id] = about.trackers
            for each in {*before, *about.trackers}:
                self._lose(each)
        self._lose(entity_id)

    def _lose(self, entity_id: str) -> None:
        """What it is must be found out anew, and of its siblings too: they may have become alike."""
        self.has_changed = True
        entry = self._entries.get(entity_id, {})
        for each in (*self._groups.get(str(entry.get("device_id")), ()), entity_id):
            found = self._found.pop(each, None)
            if found is not None:
                self._claims.pop((found.device, found.property_name), None)

    def _find(self, entity_id: str) -> None:
        entry = self._entries.get(entity_id, {})
        group = [each for each in self._groups.get(str(entry.get("device_id")), []) if each in self._about]
        properties = {each: self._property(each) for each in group or [entity_id]}
        said = [each for each in properties.values() if each]
        for each, property_ in properties.items():
            alone = len(group) == 0 or said.count(property_) == 1
            self._found[each] = self._make(each, property_, alone=alone) if property_ else None

    def _property(self, entity_id: str) -> str:
        """The property's name within its device; empty if it tells nothing of the home."""
        entry, about = self._entries.get(entity_id, {}), self._about[entity_id]
        domain = entity_id.partition(".")[0]
        if entry.get("disabled_by") is not None:
            return ""
        if entry.get("entity_category") is not None and domain != "device_tracker":  # every tracker is "diagnostic"
            return ""
        device = self._devices.get(str(entry.get("device_id")), {})
        if device.get("manufacturer") == OWN_MAKER:
            return ""
        if device.get("entry_type") == "service" and domain in ("binary_sensor", "sensor"):
            return ""  # a forecast, a backup: nothing in the home
        if domain == "device_tracker":
            return "" if any(entity_id in carried for carried in self._carried.values()) else "presence"
        if domain == "person":
            return "presence"
        if domain == "binary_sensor" and about.device_class in MACHINE:
            return ""
        if domain == "sensor" and not (about.device_class in MEASURED or (about.options and not about.measured)):
            return ""
        if domain in ("binary_sensor", "sensor", "event"):
            own = _word(entry.get("original_name")) if device else ""
            class_ = about.device_class if about.device_class != "enum" else ""
            return (class_ or own or domain).replace("/", " ")
        return domain

    def _make(self, entity_id: str, property_: str, *, alone: bool) -> Entity | None:
        entry, about = self._entries.get(entity_id, {}), self._about[entity_id]
        domain = entity_id.partition(".")[0]
        key = str(entry.get("id") or entity_id)
        base = self._names.get(str(entry.get("device_id")), "")
        own = _word(entry.get("name")) or _word(entry.get("original_name"))
        if base and not alone:  # four sockets of one strip are four devices
            own = own.removeprefix(base).strip() or entity_id.partition(".")[2]
            base = _word(f"{base} {own}")
        name = base or own or about.name or entity_id
        if domain == "person":
            name = (about.name or own or entity_id.partition(".")[2]).lower()
        if self._claims.setdefault((name, property_), entity_id) != entity_id:
            name = entity_id  # another entity has this name, and tells the same
            self._claims[name, property_] = entity_id
        area = entry.get("area_id") or self._devices.get(str(entry.get("device_id")), {}).get("area_id")
        return Entity(
            key=key,
            entity_id=entity_id,
            device=name,
            property_name=property_,
            domain=domain,
            device_class=about.device_class,
            unit=about.unit,
            room=self._rooms.get(str(area), ""),
        )

    def _name_devices(self) -> dict[str, str]:
        """Every device's name. Of several with one name the one that was there first keeps it."""
        names: dict[str, str] = {}
        taken: set[str] = set()
        for key, device in self._devices.items():
            name = _word(device.get("name_by_user")) or _word(device.get("name"))
            if not name:
                continue
            room = self._rooms.get(str(device.get("area_id")), "")
            tries = (name, _word(f"{name} ({room})") if room else "", _word(f"{name} {key[:6]}"), key)
            names[key] = next(each for each in tries if each and each not in taken)
            taken.add(names[key])
        return names

    def _describe(self, entities: list[Entity]) -> dict[str, str]:
        types = {entity.type for entity in entities}
        type_ = next((each for each in _RANK if each in types), "other")
        if type_ == "switch" and "meter.power" in types:
            type_ = "plug"
        entry = self._entries.get(entities[0].entity_id, {})
        device = self._devices.get(str(entry.get("device_id")), {})
        connections = device.get("connections")
        address = next(
            (
                _word(pair[1])
                for pair in (connections if isinstance(connections, list) else [])
                if isinstance(pair, list) and len(pair) == 2 and pair[0] == "mac"
            ),
            "",
        )
        said = {
            "type": type_,
            "room": next((entity.room for entity in entities if entity.room), ""),
            "maker": _word(device.get("manufacturer")),
            "model": _word(device.get("model")),
            "address": address,
        }
        return {name: text for name, text in said.items() if text}


def _entries(entries: object, key: str, fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A registry's entries by their key, and of each the fields that we need."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(name := entry.get(key), str) and len(name) < 256:
            yield name, {field: entry[field] for field in fields if entry.get(field) is not None}


def _word(said: object) -> str:
    return (clean_name(said) or "") if isinstance(said, str) else ""


def _placed(device: str, about: dict[str, str]) -> dict[str, str]:
    """With the role, where the name or the area says that a contact is on a way in."""
    type_, role = placed(about.get("type", "other"), device, about.get("room", ""))
    more = {"type": type_, "role": role} if type_ != about.get("type", "other") or role != role_of(type_) else {}
    return {**about, **more}
