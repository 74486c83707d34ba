"""Does an event cost more after a year, or in a home with ten thousand devices?"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Any, Final

import msgspec

from homeward.bench.homes import Household
from homeward.bench.speed.rates import Round, in_turns, told, whole_path
from homeward.bench.speed.streams import FLAT, Stream, flats, whole
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.journal import chain

HEARD: Final = 3
"""A home of ten or ten thousand devices is measured after so many events for each device."""

START: Final = 250
"""A start is so many events, about a day of the household. One alone would be over too soon to be measured."""

LONG_SECONDS: Final = 0.1
"""An event that takes so long keeps whoever looks at the page waiting, and all other events."""

FIGURES: Final = ("day_1", "day_{days}", f"devices_{FLAT}", "devices_{devices}")
"""What is measured: each start, and what it is compared with."""

Piece = tuple[Sequence[Event], Callable[[], Engine]]
"""Events, and what makes the engine that they come to."""


class Aged:
    """The state that the first events of a stream lead to; any number of engines go on from there."""

    def __init__(self, stream: Stream, until: int) -> None:
        """Fold so many events in memory. ``pauses`` are those that took long: the day of the stream, and seconds."""
        engine = told(stream)
        self.pauses: list[tuple[int, float]] = []
        before = perf_counter()
        for event in stream.events[:until]:
            engine.handle(event)
            now = perf_counter()
            if now - before >= LONG_SECONDS:
                self.pauses.append(((event.at - stream.events[0].at).days + 1, now - before))
            before = now
        self.memory = deep_size(engine.state)
        self._snapshot = chain.encode(engine.state)

    def engine(self) -> Engine:
        """A new engine, as one is that was restarted."""
        return Engine(msgspec.msgpack.decode(self._snapshot, type=EngineState))


def measure(
    home: Household,
    folder: Path,
    *,
    events: int,
    days: int,
    devices: int,
    rounds: int,
    done: Callable[[str], object] = lambda _name: None,
) -> dict[str, Any]:
    """The whole path's events a second, each over so many ``events``: of the first day of homes (many, as a day has
    few events) and after ``days`` of one; and of homes of ten devices (many, likewise) and one of many ``devices``,
    when each was heard three times in the mean.

    ``growth``, ``bytes_per_device`` (of memory, of each more than ten) and ``pauses``, the events of those days that
    took longer than a tenth of a second.
    """
    year = whole(home)
    later = home.index(home.at[0] + timedelta(days=days))
    aged = Aged(year, later)
    done("days")
    starts = range(max(1, events // START))
    few = [flats(home, FLAT, HEARD * FLAT + START, first=number) for number in starts]
    small = [Aged(flat, HEARD * FLAT) for flat in few]
    many = flats(home, devices, HEARD * devices + events)
    large = Aged(many, HEARD * devices)
    done("devices")
    pieces: tuple[list[Piece], ...] = (
        [(stream.events, partial(told, stream)) for stream in (whole(home, START, day=day) for day in starts)],
        [(year.events[later : later + events], aged.engine)],
        [(flat.events[HEARD * FLAT :], one.engine) for flat, one in zip(few, small, strict=True)],
        [(many.events[HEARD * devices :], large.engine)],
    )
    names = [name.format(days=days, devices=devices) for name in FIGURES]
    counts = [sum(len(streamed) for streamed, _ in parts) for parts in pieces]
    paths = [_together(parts, folder) for parts in pieces]
    seconds = in_turns(dict(zip(names, paths, strict=True)), rounds, done)
    states = dict(zip(names[1:], (aged, small[0], large), strict=True))
    return {
        "growth": {name: round(count / seconds[name]) for name, count in zip(names, counts, strict=True)},
        "bytes_per_device": round((large.memory - small[0].memory) / (devices - FLAT)),
        "state_mib": {name: round(state.memory / 2**20, 1) for name, state in states.items()},
        "pauses": [{"day": day, "seconds": round(taken, 2)} for day, taken in aged.pauses],
    }


def _together(parts: Sequence[Piece], folder: Path) -> Round:
    """All parts, one after the other, each with an engine and a journal of its own."""
    paths = [whole_path(streamed, make, folder) for streamed, make in parts]
    return lambda: sum(path() for path in paths)


def named(piece: str) -> str:
    """What a figure of ``growth`` is called in a table: ``day 365``, ``10,000 devices``."""
    kind, _, number = piece.partition("_")
    return f"day {number}" if kind == "day" else f"{int(number):,} devices"


def deep_size(thing: object) -> int:
    """How many bytes of memory a thing takes with all that it refers to, each counted once, without code."""
    seen, waiting, size = set[int](), [thing], 0
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen.add(id(one))
            size += sys.getsizeof(one)
            waiting += gc.get_referents(one)
    return size
