"""The strange nights: what the guard is there for. Each is a few moments within a minute. Pure, and seeded.

The first is always a stranger who comes in by the front door at 02:40. Those after it are of another kind each night,
two to four nights apart, at some time between 00:50 and 04:10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from homeward.demo.household import Moment, Value

Step = tuple[float, str, str, Value]
"""Seconds from the beginning, device, property, value."""


def front_door(rng: Random) -> list[Step]:
    """Somebody comes in, looks around, and leaves the door open for a while."""
    return [
        (0, "front door", "contact", False),
        (rng.uniform(3, 5), "hall motion", "occupancy", True),
        (rng.uniform(14, 18), "living room motion", "occupancy", True),
        (rng.uniform(30, 34), "front door", "contact", True),
        (130, "hall motion", "occupancy", False),
        (140, "living room motion", "occupancy", False),
    ]


def study_window(rng: Random) -> list[Step]:
    """Somebody climbs in by the window of the study."""
    return [
        (0, "study window", "contact", False),
        (rng.uniform(6, 12), "study motion", "occupancy", True),
        (rng.uniform(35, 50), "study window", "contact", True),
        (135, "study motion", "occupancy", False),
    ]


def remote_unlock(rng: Random) -> list[Step]:
    """Somebody far away tells the lock to open, with nobody near it."""
    return [
        (0, "front door lock", "lock_state", "unlocked"),
        (rng.uniform(60, 90), "front door lock", "lock_state", "locked"),
    ]


def flicker(rng: Random) -> list[Step]:
    """Somebody plays with a lamp, faster than any hand."""
    steps: list[Step] = []
    at = 0.0
    for number in range(44):
        steps.append((at, "living room light", "state", "OFF" if number % 2 else "ON"))
        at += rng.uniform(0.6, 1.0)
    return steps


def night_coffee(rng: Random) -> list[Step]:
    """A plug that somebody else commands."""
    return [(0, "coffee machine", "state", "ON"), (rng.uniform(50, 80), "coffee machine", "state", "OFF")]


LATER: Final[tuple[Callable[[Random], list[Step]], ...]] = (study_window, remote_unlock, flicker, night_coffee)


def strange_nights(first: datetime, seed: int) -> Iterator[list[Moment]]:
    """One list of moments for each strange night, without end. ``first`` is when the stranger comes."""
    rng = Random(f"{seed} strange")  # noqa: S311 (a story, no secret)
    yield _moments(first, front_door(rng))
    night, number = first, 0
    while True:
        night += timedelta(days=rng.randint(2, 4))
        begins = night.replace(hour=0, minute=50) + timedelta(seconds=rng.randrange(200 * 60))
        yield _moments(begins, LATER[number % len(LATER)](rng))
        number += 1


def _moments(begins: datetime, steps: list[Step]) -> list[Moment]:
    return [
        Moment(begins + timedelta(milliseconds=round(after * 1000)), device, property_, value)
        for after, device, property_, value in steps
    ]
