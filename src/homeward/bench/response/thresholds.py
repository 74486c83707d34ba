"""A hostile owner in a real engine: whether their answers move a threshold.

Each of a few simulated households has a lock on its front door. After some weeks somebody who lives there unlocks it
night after night, is asked for a code and gives none, and answers "that was me" to all that the guard tells about it:
at once, and again half a day later. A twin of the guard hears the same and no answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from heapq import merge
from operator import attrgetter
from typing import Final

from homeward import __version__
from homeward.bench.homes import Household
from homeward.bench.neighbourhood import household
from homeward.core.effects import Record
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback
from homeward.core.settings import Device, Settings

LOCK: Final = "front door lock"
HOST: Final = "person:host"
HOSTILE: Final = "person:guest"

WEEKS: Final = 6
HOMES: Final = 4
LATER: Final = timedelta(hours=12)
NIGHTS: Final = 14
"""The last so many nights are theirs."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How many thresholds differ from the twin's; of how many ``answers``, of which so many were ``refused``."""

    thresholds: int
    answers: int
    refused: int


def moved(seed: int, homes: int = HOMES) -> Moved:
    """Let both guards live the same weeks in each home; the one hears the hostile owner's answers."""
    found = [_moved_in(household(seed, number, 7 * WEEKS)) for number in range(homes)]
    return Moved(*(sum(each) for each in zip(*map(astuple, found), strict=True)))


def _moved_in(home: Household) -> Moved:
    devices = (*home.devices.values(), Device(name=LOCK, type="lock", role="actuator"))
    settings = Settings(timezone=home.timezone, devices=devices, verifiers=(HOSTILE,))
    events = list(merge(home.events, _usual(home), _theirs(home), key=attrgetter("at")))
    guard, twin = Engine(), Engine()
    for engine in (guard, twin):
        engine.handle(Change(at=events[0].at, version=__version__, settings=settings))
    answers = refused = 0
    later: list[datetime] = []
    for event in events:
        while later and later[0] <= event.at:
            answers, refused = _answered(guard, later.pop(0), answers, refused)
        for engine in (guard, twin):
            engine.handle(event)
        if event.actor == HOSTILE:
            answers, refused = _answered(guard, event.at, answers, refused)
            later.append(event.at + LATER)
    ours, theirs = _thresholds(guard), _thresholds(twin)
    differing = sum(ours.get(name) != theirs.get(name) for name in ours | theirs)
    return Moved(differing, answers, refused)


def _answered(guard: Engine, at: datetime, answers: int, refused: int) -> tuple[int, int]:
    """Say yes to whatever was told about the lock; how many answers there were so far, and how many were refused."""
    told = [one for one in guard.incidents.values() if one.device == LOCK and one.alarms and one.answer is None]
    for incident in told:
        effects = guard.handle(Feedback(at=at, incident=incident.id, answer="yes", person=HOSTILE))
        answers += 1
        refused += any(isinstance(effect, Record) and effect.kind == "refused" for effect in effects)
    return answers, refused


def _usual(home: Household) -> Iterator[Event]:
    """The host comes home each afternoon."""
    for number, day in enumerate(home.days):
        at = home.clock(day, 17 + number % 5 / 6)
        for action, minutes in (("unlocked", 0), ("locked", 2)):
            yield _event(f"host {number} {action}", at + timedelta(minutes=minutes), action, HOST)


def _theirs(home: Household) -> Iterator[Event]:
    for number, day in enumerate(home.days[-NIGHTS:]):
        yield _event(f"guest {number}", home.clock(day, 3 + number % 3 / 4), "unlocked", HOSTILE)


def _event(name: str, at: datetime, action: str, actor: str) -> Event:
    return Event(id=name, source="bench", at=at, happened=at, device=LOCK, action=action, actor=actor)


def _thresholds(engine: Engine) -> dict[str, int | None]:
    """Every threshold that a guarded device is judged by, and what they are made from."""
    state = engine.state.profile
    own = {f"of {person}": threshold for person, threshold in state.own.items()}
    return {"of anybody": state.threshold, "notable": state.notable, "confirmed": state.evidence.confirmed, **own}
