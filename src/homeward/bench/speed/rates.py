"""Events a second: the guard's whole path, its kernel alone, and the peers, each learning on every event."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from homeward.bench.peers import DETECTORS, MarkovChain
from homeward.bench.peers.features import Features, Row
from homeward.bench.speed.streams import Stream
from homeward.core.behaviour.observation import Contexts, Observation, learn, surprise
from homeward.core.behaviour.profile import Profile, ProfileState
from homeward.core.behaviour.table import Table
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.local_time import LocalClock, milliseconds
from homeward.guard import BATCH, Guard
from homeward.journal import Journal

METHODS: Final = ("homeward", *DETECTORS, "markov")
ROUNDS: Final = 3
"""Everything is measured so often, in turns; the median counts."""

Round = Callable[[], float]
"""One measurement: makes what it needs, and returns the seconds that the events alone took."""


def in_turns(
    rounds: Mapping[str, Round], times: int = ROUNDS, done: Callable[[str], object] = lambda _name: None
) -> dict[str, float]:
    """Seconds by name: the median of so many rounds, in which all take turns. ``done`` is called for each."""
    taken: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(times):
        for name, measured in rounds.items():
            with _clean():
                taken[name].append(measured())
            done(name)
    return {name: median(seconds) for name, seconds in taken.items()}


@contextmanager
def _clean() -> Iterator[None]:
    """What was there before is not looked through by the collector; what is made from here on is, as in a guard."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def whole_path(events: Sequence[Event], make: Callable[[], Engine], folder: Path) -> Round:
    """An engine, and a new journal on disk: fold, write down and fsync, a thousand events in one commit as when
    history is read."""

    def measured() -> float:
        with TemporaryDirectory(dir=folder) as state, Journal(Path(state)) as journal:
            guard = Guard(journal, make())
            began = perf_counter()
            for first in range(0, len(events), BATCH):
                guard.process(events[first : first + BATCH])
            return perf_counter() - began

    return measured


def told(stream: Stream) -> Engine:
    """A new engine that knows the settings."""
    engine = Engine()
    engine.handle(stream.begins)
    return engine


def kernel(stream: Stream) -> Round:
    """The counts with back-off alone: the surprise of every habit, and then counting it. What is seen of each event
    (symbols, and the keys of contexts) is ready before."""
    seen = list(observations(stream))

    def measured() -> float:
        table = Table()
        began = perf_counter()
        for one, contexts in seen:
            surprise(table, one, contexts)
            learn(table, one, contexts)
        return perf_counter() - began

    return measured


def observations(stream: Stream) -> Iterator[tuple[Observation, Contexts]]:
    """What the guard sees of each event, and in which contexts."""
    settings = stream.settings
    profile = Profile(ProfileState(), settings.devices, settings.budget)
    local = LocalClock(settings.timezone, settings.happened_delay_minutes)
    for event in stream.events:
        at = milliseconds(event.at)
        seen = profile.observe(
            event.device, event.action, at, local.local(at), person=event.actor or "", origin=event.origin or "",
            value=event.value,
        )  # fmt: skip
        yield seen, seen.contexts


def peer(name: str, stream: Stream, seed: int) -> Round:
    """A peer that scores and then learns every event. A detector's rows of features are ready before; the isolation
    forest, which cannot learn on, is fitted anew each night."""
    events = stream.events
    if name == "markov":
        return lambda: _markov(events)
    features = Features(stream.settings.timezone)
    nights = [now.at.date() != before.at.date() for before, now in pairwise(events)]
    rows = list(zip([False, *nights], map(features.row, events), strict=True))
    return lambda: _detector(name, seed, rows)


def _markov(events: Sequence[Event]) -> float:
    chain = MarkovChain()
    began = perf_counter()
    for event in events:
        chain.look(event)
    return perf_counter() - began


def _detector(name: str, seed: int, rows: Sequence[tuple[bool, Row]]) -> float:
    detector = DETECTORS[name].make(seed)
    began = perf_counter()
    for new_day, row in rows:
        if new_day:
            detector.midnight()
        detector.score_and_learn(row)
    return perf_counter() - began
