"""What is seen of a moment, and what a table of counts makes of it, habit by habit.

An observation holds all that is needed to learn it now or any time later, and to take it back: a pure value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from homeward.core.behaviour.habits import FIELDS, FROM_WHERE, NEW, PARENT, PLANS, UNKNOWN, WHO, contexts, name_key
from homeward.core.behaviour.table import WEIGHT, Table
from homeward.core.vocabulary import GUARDED

_DEVICE: Final = FIELDS.index("device")
AVERAGED: Final = tuple(habit for habit, plan in enumerate(PLANS) if plan.averaged)
"""The habits whose contexts after the first stand beside each other."""

Contexts = tuple[tuple[int, ...], ...]
"""The context keys of every habit, coarse to fine."""

_ONE_NEW: Final = ((NEW, WEIGHT),)
"""*New here* weighs as much as has been seen once and never again, whatever the context: how much of the next is new
is told by what was seen once (Good, 1953). What is known for long no longer tells."""


class Observation(NamedTuple):
    """The symbols and fields of one moment: enough to learn it now or any time later."""

    device: str
    action: str
    at: int
    kind: int
    """Of the device (see `vocabulary.KINDS`)."""
    symbols: tuple[int, ...]
    fields: tuple[int, ...]
    """In the order of `habits.FIELDS`."""
    minute: int
    """Of the local day."""
    previous: str
    """The activity before, in words."""
    pause: int
    """Milliseconds since any event, -1 if there was none; ``silence`` likewise since this device's last."""
    silence: int
    person: str = ""
    origin: str = ""
    presence: str = ""
    company: tuple[int, ...] = ()
    """The keys of what else came shortly before, the latest first."""

    @property
    def device_key(self) -> int:
        """The key of its device; 0 where nothing is known of it."""
        return self.fields[_DEVICE] if self.fields else 0

    @property
    def guarded(self) -> bool:
        """Whether its device is guarded."""
        return self.kind == GUARDED

    @property
    def contexts(self) -> Contexts:
        """The context keys of every habit, coarse to fine."""
        return contexts(self.fields, self.symbols, self.company)


def unnamed(seen: Observation) -> Observation:
    """The same, without who did it."""
    fields = tuple(0 if name == "person" else field for name, field in zip(FIELDS, seen.fields, strict=True))
    symbols = (*seen.symbols[:WHO], UNKNOWN, *seen.symbols[WHO + 1 :])
    return seen._replace(fields=fields, symbols=symbols, person="")


def named(seen: Observation, person: str, origin: str) -> Observation:
    """Who did what was observed, and through what, told after it: an observation that says nothing else."""
    keys = {"person": name_key("name", person) if person else 0, "origin": name_key("name", origin) if origin else 0}
    fields = tuple(keys.get(name, field) for name, field in zip(FIELDS, seen.fields, strict=True))
    symbols = [UNKNOWN] * len(seen.symbols)
    symbols[WHO], symbols[FROM_WHERE] = keys["person"] or UNKNOWN, keys["origin"] or UNKNOWN
    return seen._replace(fields=fields, symbols=tuple(symbols), person=person, origin=origin)


def surprise(table: Table, seen: Observation, contexts: Contexts) -> tuple[int, ...]:
    """The bits of every habit (Q8); 0 where it says nothing. ``contexts`` are those of the observation."""
    asked: list[tuple[Sequence[int], int, int]] = []
    for keys, symbol, plan in zip(contexts, seen.symbols, PLANS, strict=True):
        if not keys:
            asked.append(((), 0, 0))
            continue
        one = table.novel(keys, symbol, NEW) if plan.root < 0 else (keys, symbol, plan.root)
        asked.append((one[0][:1], one[1], one[2]) if plan.averaged else one)
    bits = table.surprises(asked, PARENT)
    for habit in AVERAGED:
        beside = contexts[habit][1:]
        if beside:
            bits[habit] = table.averaged(beside, asked[habit][1], bits[habit], PARENT)
    return tuple(bits)


def learn(table: Table, seen: Observation, contexts: Contexts) -> None:
    """Count the observation in its contexts."""
    for keys, symbol, plan in zip(contexts, seen.symbols, PLANS, strict=True):
        if not keys:
            continue
        if plan.cells is not None:
            table.learn(keys, plan.cells[symbol])
            continue
        before = table.weight(keys[0], symbol)
        table.learn(keys, ((symbol, WEIGHT),))
        if not before:
            table.learn(keys[:1], _ONE_NEW)
        elif before <= WEIGHT:
            table.unlearn(keys[:1], _ONE_NEW)


def unlearn(table: Table, seen: Observation, contexts: Contexts) -> None:
    """Take back what `learn` counted."""
    for keys, symbol, plan in zip(contexts, seen.symbols, PLANS, strict=True):
        if not keys:
            continue
        if plan.cells is not None:
            table.unlearn(keys, plan.cells[symbol])
            continue
        table.unlearn(keys, ((symbol, WEIGHT),))
        left = table.weight(keys[0], symbol)
        if not left:
            table.unlearn(keys[:1], _ONE_NEW)
        elif left <= WEIGHT:
            table.learn(keys[:1], _ONE_NEW)
