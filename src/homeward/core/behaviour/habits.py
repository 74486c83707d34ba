"""The habits we keep: each is one question about an event, with contexts from general to particular."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from homeward.core.behaviour.table import LOG2, WEIGHT, log2

HALF_HOURS: Final = 48
PAUSES: Final = 48
KEY_BITS: Final = 60
NEW: Final = 0
"""The symbol *new here* of an open alphabet: counted each time something is seen for the first time."""


class Habit(NamedTuple):
    """``given`` lists contexts, coarse to fine, each a combination of fields. ``alphabet`` 0 means open."""

    name: str
    predicts: str
    alphabet: int
    given: tuple[tuple[str, ...], ...]


HABITS: Final = (
    Habit("what next", "activity", 0, ((), ("previous",), ("previous", "before"))),
    Habit("when", "half_hour", HALF_HOURS, ((), ("type",), ("device",), ("activity",), ("activity", "day_kind"))),
    Habit("how soon", "pause", PAUSES, ((), ("activity",), ("previous", "activity"))),
    Habit("how long", "silence", PAUSES, ((), ("activity",), ("state", "activity"))),
)

FIELDS: Final = ("activity", "device", "type", "previous", "before", "state", "day_kind")

PARENT: Final = WEIGHT
"""``a`` of the kernel: a coarser context counts as much as one event."""


def name_key(*words: str) -> int:
    """A 60-bit key for a name, the same on every machine (BLAKE2b). What is no text has a key too."""
    name = "\x1f".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") >> (64 - KEY_BITS)


def _ring(centre: int) -> tuple[tuple[int, int], ...]:
    return tuple(((centre + step) % HALF_HOURS, weight) for step, weight in zip(range(-2, 3), _RING, strict=True))


def _line(centre: int) -> tuple[tuple[int, int], ...]:
    return tuple(
        (min(max(centre + step, 0), PAUSES - 1), weight) for step, weight in zip(range(-1, 2), _LINE, strict=True)
    )


_RING: Final = (26, 51, 102, 51, 26)
_LINE: Final = (64, 128, 64)
RING_CELLS: Final = tuple(_ring(centre) for centre in range(HALF_HOURS))
LINE_CELLS: Final = tuple(_line(centre) for centre in range(PAUSES))

_OFFSET: Final = {name: number for number, name in enumerate(FIELDS)}


def _plan(habit: Habit) -> tuple[tuple[int, int, int], ...]:
    """A context as (base key, first field, second field); -1 where there is no field."""
    plan = []
    for level, fields in enumerate(habit.given):
        first, second = (*(_OFFSET[name] for name in fields), -1, -1)[:2]
        plan.append((name_key("habit", habit.name, str(level)), first, second))
    return tuple(plan)


PLANS: Final = tuple(_plan(habit) for habit in HABITS)
ROOTS: Final = tuple(LOG2[habit.alphabet] if habit.alphabet else -1 for habit in HABITS)
_MASK: Final = (1 << KEY_BITS) - 1


def contexts(fields: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The context keys of every habit, from the fields in the order of `FIELDS`."""
    found = []
    for plan in PLANS:
        keys = []
        for base, first, second in plan:
            if second >= 0:
                # A rotation tells (a, b) from (b, a).
                turned = fields[second]
                base ^= fields[first] ^ ((turned << 7 & _MASK) | (turned >> (KEY_BITS - 7)))
            elif first >= 0:
                base ^= fields[first]
            keys.append(base)
        found.append(tuple(keys))
    return tuple(found)


def pause_bucket(milliseconds: int) -> int:
    """Half-octaves of a pause: 0 up to a quarter of a second, 47 from about a month on."""
    quarters = milliseconds // 250
    return 0 if quarters <= 0 else min((log2(quarters) >> 7) + 1, PAUSES - 1)
