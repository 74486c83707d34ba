"""The habits we keep: each is one question about an event, with contexts from general to particular."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from homeward.core.behaviour.table import LOG2, WEIGHT, log2

HALF_HOURS: Final = 48
PAUSES: Final = 48
AMOUNTS: Final = 64
KEY_BITS: Final = 60
NEW: Final = 0
"""The symbol *new here* of an open alphabet: counted each time something is seen for the first time."""
UNKNOWN: Final = -1
"""The symbol of a habit that says nothing about an event: nobody knows who did it, say."""


class Habit(NamedTuple):
    """``given`` lists contexts, coarse to fine, each a combination of fields. ``alphabet`` 0 means open.

    A context with a field that is unknown (0) is left out. A habit whose own symbol is unknown says nothing. The
    field ``company`` is several: what else came shortly before. Each is a context of its own, and their
    probabilities are averaged, for any one of them may explain what comes, whatever their order.
    """

    name: str
    predicts: str
    alphabet: int
    given: tuple[tuple[str, ...], ...]


HABITS: Final = (
    Habit("in company", "activity", 0, ((), ("company",))),
    Habit(
        "when", "half_hour", HALF_HOURS,
        ((), ("type",), ("device",), ("activity",), ("activity", "day_kind"), ("activity", "person")),
    ),
    Habit("how soon", "pause", PAUSES, ((), ("activity",), ("previous", "activity"))),
    Habit("how long", "silence", PAUSES, ((), ("activity",), ("state", "activity"))),
    Habit("who is home", "presence", 0, ((), ("device",), ("activity",), ("activity", "part"))),
    Habit("who", "person", 0, ((), ("device",), ("activity",), ("activity", "part"))),
    Habit("from where", "origin", 0, ((), ("device",), ("person",), ("person", "device"))),
    Habit("how much", "amount", AMOUNTS, ((), ("device",), ("device", "half_hour"))),
)  # fmt: skip

IN_COMPANY, WHEN, HOW_SOON, HOW_LONG, WHO_IS_HOME, WHO, FROM_WHERE, HOW_MUCH = range(len(HABITS))

FIELDS: Final = (
    "activity", "device", "type", "previous", "state", "day_kind", "presence", "person", "origin", "part",
    "half_hour",
)  # fmt: skip

PARENT: Final = WEIGHT
"""``a`` of the kernel: a coarser context counts as much as one event."""


def name_key(*words: str) -> int:
    """A 60-bit key for a name, the same on every machine (BLAKE2b). What is no text has a key too."""
    name = "\x1f".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") >> (64 - KEY_BITS)


def _ring(centre: int) -> tuple[tuple[int, int], ...]:
    return tuple(((centre + step) % HALF_HOURS, weight) for step, weight in zip(range(-2, 3), _RING, strict=True))


def _line(centre: int, length: int) -> tuple[tuple[int, int], ...]:
    return tuple(
        (min(max(centre + step, 0), length - 1), weight) for step, weight in zip(range(-1, 2), _LINE, strict=True)
    )


_RING: Final = (26, 51, 102, 51, 26)
_LINE: Final = (64, 128, 64)
RING_CELLS: Final = tuple(_ring(centre) for centre in range(HALF_HOURS))
LINE_CELLS: Final = tuple(_line(centre, PAUSES) for centre in range(PAUSES))
AMOUNT_CELLS: Final = tuple(_line(centre, AMOUNTS) for centre in range(AMOUNTS))
CELLS: Final[dict[str, tuple[tuple[tuple[int, int], ...], ...]]] = {
    "half_hour": RING_CELLS, "pause": LINE_CELLS, "silence": LINE_CELLS, "amount": AMOUNT_CELLS,
}  # fmt: skip
"""Ordered symbols are learned with their neighbours: half-hours on a ring, buckets on a line."""

_COMPANY: Final = len(FIELDS)
_OFFSET: Final = {**{name: number for number, name in enumerate(FIELDS)}, "company": _COMPANY}


class Plan(NamedTuple):
    """A habit made ready: ``levels`` are (base key, first field, second field), -1 where there is no field."""

    levels: tuple[tuple[int, int, int], ...]
    root: int
    """Surprise under the coarsest parent (Q8), -1 for an open alphabet."""
    cells: tuple[tuple[tuple[int, int], ...], ...] | None
    """What one observation of each symbol weighs; ``None`` where it weighs on itself alone."""
    averaged: bool
    """Whether the contexts after the first stand beside each other."""


def _plan(habit: Habit) -> Plan:
    levels = []
    for level, fields in enumerate(habit.given):
        first, second = (*(_OFFSET[name] for name in fields), -1, -1)[:2]
        levels.append((name_key("habit", habit.name, str(level)), first, second))
    root = LOG2[habit.alphabet] if habit.alphabet else -1
    return Plan(tuple(levels), root, CELLS.get(habit.predicts), ("company",) in habit.given)


PLANS: Final = tuple(_plan(habit) for habit in HABITS)
_MASK: Final = (1 << KEY_BITS) - 1

COMPANY: Final = 4
"""Of so many different activities that came shortly before is a company made."""
ALONE: Final = name_key("alone")
"""Stands for the company of what comes after a pause."""


def contexts(
    fields: Sequence[int], symbols: Sequence[int], company: Sequence[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """The context keys of every habit, from the fields in the order of `FIELDS`; none where its symbol is unknown."""
    found = []
    for plan, symbol in zip(PLANS, symbols, strict=True):
        keys = []
        if symbol != UNKNOWN:
            for base, first, second in plan.levels:
                if first == _COMPANY:
                    keys += [base ^ one for one in company or (ALONE,)]
                elif second >= 0:
                    one, other = fields[first], fields[second]
                    if one and other:  # a rotation tells (a, b) from (b, a)
                        keys.append(base ^ one ^ ((other << 7 & _MASK) | (other >> (KEY_BITS - 7))))
                elif first < 0:
                    keys.append(base)
                elif fields[first]:
                    keys.append(base ^ fields[first])
        found.append(tuple(keys))
    return tuple(found)


def amount_bucket(value: float) -> int:
    """Half-octaves of an amount: 32 is nothing, above it what is positive, below it what is negative.

    From an amount of 1/64 to one of about 65,000 each half-octave has its own; the ends take in the rest.
    """
    size = min(abs(value), 1e9)
    steps = 0 if size < 1 / 64 else min((log2(int(size * 64)) + 128 >> 7), AMOUNTS // 2 - 1)
    return AMOUNTS // 2 + (steps if value >= 0 else -steps)


def pause_bucket(milliseconds: int) -> int:
    """Half-octaves of a pause: 0 up to a quarter of a second, 47 from about a month on."""
    quarters = milliseconds // 250
    return 0 if quarters <= 0 else min((log2(quarters) >> 7) + 1, PAUSES - 1)
