"""Zigbee2MQTT: its list of devices, its groups, and who joins and leaves (https://www.zigbee2mqtt.io).

A device is told by ``BASE/bridge/devices`` with the features that it exposes. Its states are one `TopicRule` for all
devices (`topics.zigbee2mqtt`); only a friendly name with a ``/`` in it is a topic of its own. What the device says on
``BASE/NAME/availability`` and the bridge on ``BASE/bridge/state`` tells whether it can be heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from homeward.core.vocabulary import zigbee_type
from homeward.sources.dialects import Apart, Away, Found, Listen, Presence, Said, is_topic, mac, table, text
from homeward.sources.payloads import Refused, read_json, read_list
from homeward.sources.topics import ZIGBEE2MQTT, ZIGBEE2MQTT_STEPS, zigbee2mqtt

FEATURE_LIMIT: Final = 512
"""How many features of one device are looked at."""

_NOT_A_NAME: Final = frozenset({"set", "get", "availability", "bridge"})


class Zigbee2Mqtt:
    """The `Dialect` of Zigbee2MQTT below the topic ``base``."""

    name = "zigbee2mqtt"

    def __init__(self, base: str = "zigbee2mqtt") -> None:
        self._base = base
        self.rules = (zigbee2mqtt(base),)
        self._devices, self._groups, self._event = (
            f"{base}/bridge/{what}" for what in ("devices", "groups", "event")
        )
        self.filters: tuple[str, ...] = (self._devices, self._groups, self._event)
        self.large = frozenset({self._devices, self._groups})

    def reads(self, topic: str) -> bool:
        return topic in self.filters

    def read(self, topic: str, payload: bytes) -> Iterable[Said]:
        if topic == self._event:
            return self._happened(read_json(payload))
        rows = [table(row) for row in read_list(payload)]
        if topic == self._groups:
            names = (text(row.get("friendly_name")) for row in rows)
            return [Apart(names=tuple(f"{self._base}/{name}" for name in names if name))]
        return list(self._listed(rows))

    def _listed(self, rows: Iterable[dict[str, Any]]) -> Iterator[Said]:
        for row in rows:
            if row.get("type") == "Coordinator" or row.get("disabled") is True:
                continue
            found = self._device(row, table(row.get("definition")))
            if found is not None:
                yield found

    def _happened(self, event: dict[str, Any]) -> list[Said]:
        about, kind = table(event.get("data")), event.get("type")
        identity = _identity(about)
        if kind == "device_leave" and identity:
            return [Away(identity=identity, detail="it left the Zigbee network")]
        if kind not in ("device_joined", "device_announce", "device_interview"):
            return []
        found = self._device(about, table(about.get("definition")))
        return [] if found is None else [found, Away(identity=found.identity, up=True)]

    def _device(self, about: dict[str, Any], definition: dict[str, Any]) -> Found | None:
        identity, name = _identity(about), text(about.get("friendly_name"))
        topic = f"{self._base}/{name}"
        if not identity:
            return None
        if not name or not is_topic(topic) or name.split("/")[0] in _NOT_A_NAME or name.split("/")[-1] in _NOT_A_NAME:
            raise Refused("device name")
        listens = [
            Listen(topic=topic, properties=ZIGBEE2MQTT, happened="last_seen", steps=ZIGBEE2MQTT_STEPS)
        ]  # fmt: skip
        features = _features(definition.get("exposes"))
        return Found(
            identity=identity,
            name=name,
            owned=True,
            type=zigbee_type(features) if features else "",
            room=name.rpartition("/")[0],
            maker=text(definition.get("vendor")) or text(about.get("manufacturer")),
            model=text(definition.get("model")) or text(about.get("model_id")),
            address=mac(about.get("ieee_address")),
            listens=listens if "/" in name else (),
            presence=(Presence(topic=f"{topic}/availability"), Presence(topic=f"{self._base}/bridge/state")),
            commands=(f"{topic}/set",),
        )


def _identity(about: dict[str, Any]) -> str:
    address = mac(about.get("ieee_address"))
    return f"zigbee:{address}" if address else ""


def _features(exposes: object) -> set[str]:
    """The names, and the kinds of composed features, in ``definition.exposes``."""
    found: set[str] = set()
    waiting = [exposes]
    while waiting and len(found) < FEATURE_LIMIT:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one[:FEATURE_LIMIT])
        elif isinstance(one, dict):
            words = [one.get("name"), one.get("property")]
            if isinstance(one.get("features"), list):  # the kind of a composed one; else the kind of its value
                words.append(one.get("type"))
                waiting.append(one["features"])
            found.update(word for word in words if isinstance(word, str))
    return found
