"""One size for all: the guard's own model, learned from other homes by types of devices, and frozen.

Devices go by type, role and room, actions by whether they begin or end something, actors by no name at all: two homes
then speak the same words. The other homes are learned as one stream, week by week in turn, so that all of them fade
alike; their clocks and weekdays stay. At home nothing is learned: neither counts nor what is rare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from math import inf
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from homeward import __version__
from homeward.bench.homes import Household
from homeward.bench.methods import Interruption
from homeward.bench.past import ENDINGS, ENDS
from homeward.bench.presence import RESIDENTS, Presence
from homeward.bench.scored import Listening, Mark
from homeward.core import rules
from homeward.core.behaviour.evidence import Evidence
from homeward.core.behaviour.past import Past
from homeward.core.behaviour.profile import Observation, ProfileState
from homeward.core.behaviour.table import Table
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.core.inputs import Change, Tick
from homeward.core.local_time import milliseconds
from homeward.core.settings import Device, Settings

WEEKS: Final = 26
"""Of other homes' lives so many are learned, in all."""

FIRST_MONDAY: Final = date(2001, 1, 1)
BEGINS, ENDED = "begins", "ends"

ONE_SIZE_LEVELS: Final = tuple(4 * 2 ** (step / 8) for step in range(60))
"""Thresholds, in bits of a score."""


class Words:
    """How a home's devices and their actions are called in every home."""

    def __init__(self, home: Household) -> None:
        self._devices = {name: _by_type(device) for name, device in home.devices.items()}
        if Presence(home).possible:
            self._devices[RESIDENTS.name] = RESIDENTS

    def devices(self) -> list[Device]:
        """All devices, each once, by name."""
        return sorted(set(self._devices.values()), key=lambda device: device.name)

    def said(self, event: Event) -> Event:
        """The same event in the words of every home."""
        device = self._devices.get(event.device) or _by_type(Device(name=event.device))
        action = event.action
        if device != RESIDENTS:
            action = BEGINS if action in ENDS else ENDED if action in ENDINGS else action
        return replace(event, device=device.name, action=action, actor=None, origin=None)


def _by_type(device: Device) -> Device:
    return replace(device, name=f"{device.type} {device.role} {device.room}")


def learn(homes: Sequence[Household]) -> bytes:
    """What other homes teach, to be given to `OneSize`."""
    devices = {device for home in homes for device in Words(home).devices()}
    began = datetime.combine(FIRST_MONDAY, datetime.min.time(), UTC)
    engine = _set_up(EngineState(), began, "UTC", devices)
    engine.handle(Change(at=began, version=__version__, command="backfill_begin"))
    last = began
    for event in in_turn(homes):
        engine.handle(event)
        last = event.at
    engine.handle(Tick(at=last + timedelta(days=1)))  # the last visit is over, and counts
    profile = engine.state.profile
    return msgspec.msgpack.encode((profile.table, profile.evidence))


def _set_up(state: EngineState, at: datetime, timezone: str, devices: Iterable[Device]) -> Engine:
    engine = Engine(state)
    named = tuple(sorted(devices, key=lambda device: device.name))
    engine.handle(Change(at=at, version=__version__, settings=Settings(timezone=timezone, devices=named)))
    return engine


def in_turn(homes: Sequence[Household]) -> Iterator[Event]:
    """One stream of the homes' weeks, a first of each, then a second, at most `WEEKS` in all; each week as it was
    on its home's own clock, but told in every home's words and of another date."""
    each = max(1, WEEKS // max(1, len(homes)))
    weeks = [_weeks(home, each) for home in homes]
    number = 0
    for turn in zip_longest(*weeks):
        for monday, week in filter(None, turn):
            if number >= WEEKS:
                return
            moves = FIRST_MONDAY + timedelta(weeks=number) - monday
            for event in week:
                at = event.at + moves
                yield replace(event, at=at, happened=at)
            number += 1


def _weeks(home: Household, most: int) -> Iterator[tuple[date, list[Event]]]:
    """The first weeks of a home, from Monday to Sunday on its own clock, in every home's words."""
    words, zone = Words(home), ZoneInfo(home.timezone)
    found: dict[date, list[Event]] = {}
    latest = datetime.min.replace(tzinfo=UTC)
    for event in Presence(home).told(home.events):
        local = event.at.astimezone(zone).replace(tzinfo=UTC)
        latest = max(latest, local)  # when clocks go back, time stands still
        monday = latest.date() - timedelta(days=latest.weekday())
        if monday not in found and len(found) == most:
            break
        found.setdefault(monday, []).append(replace(words.said(event), at=latest))
    yield from found.items()


class Frozen(Listening):
    """A profile that assesses and learns nothing, neither habits nor what is rare; nothing is held and none fades."""

    def keep(self, rare: Evidence) -> None:
        """What is rare, for good; no visit may be running in it."""
        self._rare = rare

    def learn(self, seen: Observation) -> None:
        pass

    def hold(self, *_: object, **__: object) -> list[Observation]:
        return []

    def calibrate(self) -> None:
        pass

    def pass_time(self, at: int) -> None:
        if self.state.visit_ends is not None and at >= self.state.visit_ends:
            self.state.evidence, self.state.visit_ends = self._rare.fork(), None


class OneSize:
    """The model that other homes taught, in a home that teaches it nothing. The level of an event is its score, in
    bits; what breaks a built-in rule, which needs no learning, alarms at every threshold. Nobody is told, so nobody
    answers."""

    def __init__(self, home: Household, learned: bytes) -> None:
        table, self._rare = msgspec.msgpack.decode(learned, type=tuple[Table, Evidence])
        profile = ProfileState(table=table, evidence=self._rare.fork(), past=Past(relive_at=0))
        self._words, self._devices, self._rules = Words(home), home.devices, rules.RulesState()
        self._marks: list[Mark] = []
        self._engine = _set_up(EngineState(profile=profile), home.at[0], home.timezone, self._words.devices())
        profile.threshold = profile.notable = None  # its alarms are read off, not sent
        self._freeze()

    @property
    def marks(self) -> Sequence[Mark]:
        return self._marks

    def event(self, event: Event) -> Sequence[Interruption]:
        self._engine.handle(self._words.said(event))
        score = self._profile.heard()
        if score is not None and score >= ONE_SIZE_LEVELS[0] * 256:
            self._marks.append(Mark(event.at, event.device, score / 256))
        at = milliseconds(event.at)
        if rules.judge(self._rules, event, self._devices.get(event.device) or Device(name=event.device), at):
            self._marks.append(Mark(event.at, event.device, inf))
        return ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:  # noqa: ARG002
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:
        self._engine.handle(Tick(at=until))
        return ()

    def ready_after_days(self) -> float | None:
        return 0.0

    def copy(self) -> OneSize:
        twin = object.__new__(OneSize)
        twin.__dict__.update(self.__dict__)
        twin._marks, twin._engine, twin._rules = [], self._engine.fork(), deepcopy(self._rules)
        twin._freeze()
        return twin

    def _freeze(self) -> None:
        self._profile = Frozen.in_place_of(self._engine)
        self._profile.keep(self._rare)
