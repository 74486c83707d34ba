"""A home whose devices tell what they are, without a broker."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from homeward.core.event import Event
from homeward.sources.discovery import PRESETS, Discovery, Preset
from homeward.sources.topics import Change, Decoder, TopicRule, last_state

ALL: tuple[Preset, ...] = tuple(PRESETS)
STATES = ("0x00158d0000000001", "0x00158d0000000002")


class Home:
    """Messages in; announcements, events and what can be heard out: as the source does it, without a broker."""

    def __init__(
        self,
        presets: Iterable[Preset] = ALL,
        *,
        known: Iterable[str] = (),
        rules: Iterable[TopicRule] = (),
        last: dict[str, str] | None = None,
    ) -> None:
        dialects = [PRESETS[name]() for name in presets]
        own = [rule for dialect in dialects for rule in dialect.rules]
        self.known = tuple(known)
        self.decoder = Decoder((*rules, *own), known=self.known, last=last)
        self.discovery = Discovery(dialects, self.decoder, known=self.known, refused=self.decoder.refused)
        self.told: list[Change] = []
        self.states: dict[str, str] = dict(last or {})

    def says(self, topic: str, payload: object, *, retained: bool = False) -> list[Change]:
        """The states that change. A text is sent as it is."""
        raw = payload if isinstance(payload, bytes) else str(payload).encode()
        if not isinstance(payload, (str, bytes)):
            raw = json.dumps(payload).encode()
        self.heard = [(one.device, one.up) for one in self.discovery.read(topic, raw)]
        changes = []
        if self.decoder.reads(topic) or not self.discovery.expects(topic):
            changes = self.decoder.decode(topic, raw, retained=retained)
        self.news = self.discovery.announcements()
        self.told += self.news
        for change in (*self.news, *changes):
            if (state := last_state(as_event(change))) is not None:
                self.states[state[0]] = state[1]
        return changes

    def bridge(self, *rows: dict[str, Any]) -> list[Change]:
        """Zigbee2MQTT lists its devices. Returns what is announced."""
        self.says("zigbee2mqtt/bridge/devices", list(rows), retained=True)
        return self.news

    def entity(self, name: str, identity: str, topic: str, component: str = "switch", **others: Any) -> list[Change]:
        """An entity tells of itself. Returns what is announced."""
        about = {"device": {"identifiers": [identity], "name": name}, "state_topic": topic} | others
        self.says(f"homeassistant/{component}/{identity}/{topic.replace('/', '_')}/config", about, retained=True)
        return self.news

    def restarted(self) -> Home:
        """The same home after a restart of the guard, with what the journal kept."""
        return Home(known=self.known, last=self.states)

    def names(self) -> list[str]:
        return [change.device for change in self.told]


def as_event(change: Change) -> Event:
    return Event(
        id="1",
        source="mqtt",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        device=change.device,
        action=change.action,
        value=change.value,
        attributes=change.attributes,
    )


def said(changes: Iterable[Change | Event]) -> list[tuple[str, str]]:
    return [(change.device, change.action) for change in changes]
