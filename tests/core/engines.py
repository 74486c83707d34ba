"""Engines to test with: begun, folded, restarted, howling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from tests.strategies import HOME, START

from homeward.core.effects import Apply, Effect
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.core.inputs import Change, Input, Outcome, Tick
from homeward.core.rules import ENTRY_DELAY_MS
from homeward.core.settings import Settings


def restarted(engine: Engine) -> Engine:
    """What a restart makes of the engine: its state written down and read back."""
    return Engine(msgspec.msgpack.decode(msgspec.msgpack.encode(engine.state), type=EngineState))


def begun(place: Settings = HOME, at: datetime = START) -> Engine:
    engine = Engine()
    engine.handle(Change(at=at, version="0.1.0", settings=place))
    return engine


def at_their_times(day: Sequence[tuple[float, Input]], start: datetime = START) -> list[Input]:
    found = []
    for gap, item in day:
        start += timedelta(seconds=gap)
        found.append(replace(item, at=start))
    return found


def folded(engine: Engine, items: Iterable[Input]) -> list[Effect]:
    return [effect for item in items for effect in engine.handle(item)]


def siren_howling(at: datetime = START) -> tuple[Engine, str]:
    """An engine in which the front door, opened while armed, made the siren howl for ten minutes."""
    before = at - timedelta(milliseconds=ENTRY_DELAY_MS)
    engine = begun(at=before)
    engine.handle(Change(at=before, version="0.1.0", command="arm"))
    engine.handle(Event(id="", source="mqtt", at=before, device="front door", action="open"))
    effects = engine.handle(Tick(at=at))
    (lease,) = [
        effect.action.id for effect in effects if isinstance(effect, Apply) and effect.action.device == "siren"
    ]
    for effect in effects:
        if isinstance(effect, Apply):
            engine.handle(Outcome(at=at, action=effect.action.id, step="apply", ok=True))
    engine.handle(Event(id="", source="mqtt", at=at, device="siren", action="on"))
    return engine, lease
