"""What is usual instead: a sentence for each habit, with the numbers of the counts.

Counts fade and ordered symbols share weight with their neighbours, so a number of times is what an event weighs now,
put back on the symbols it came from. No person and no origin is named but those of the event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from homeward.core.behaviour.habits import (
    AMOUNT_CELLS,
    FIELDS,
    FROM_WHERE,
    HALF_HOURS,
    HOW_LONG,
    HOW_MUCH,
    HOW_SOON,
    IN_COMPANY,
    LINE_CELLS,
    RING_CELLS,
    WHEN,
    WHO,
    WHO_IS_HOME,
    name_key,
)
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.table import WEIGHT, Table
from homeward.core.behaviour.tally import Tally, count, stretches, tally
from homeward.core.behaviour.words import amounts, duration, half_hours, listed, pauses, times

ENOUGH: Final = 5
"""Fewer times say nothing about what is usual."""

_TOO_LITTLE: Final = "Too little is known yet to say what is usual."
_NEW_DEVICE: Final = "This device is new here."
_NEW_ACTION: Final = "This device has never done this before."
_OF_ACTIVITIES: Final = frozenset({WHEN, IN_COMPANY, HOW_SOON, HOW_LONG, WHO_IS_HOME})
NEWS: Final = frozenset({_NEW_DEVICE, _NEW_ACTION})
"""What is said once, and not by every habit."""

_STRETCHES: Final = 3
_HOURS_LONGEST: Final = HALF_HOURS // 2
_HOURS_APART: Final = 3
_BUCKETS_APART: Final = 2
_HOME: Final = name_key("name", "home")
_DAY_KIND: Final = FIELDS.index("day_kind")

Choice = tuple[int, str]
"""A context, and how it is called."""


def usual(table: Table, seen: Observation, habit: int, named: Callable[[int], str]) -> str:
    """What is usual instead of an observation, by one habit that says something about it.

    ``named`` finds the words of an activity by its key; empty where they are not known any more.
    """
    if (habit in _OF_ACTIVITIES) and (new := _new(table, seen)):
        return new
    if habit == WHEN:
        return _when(table, seen)
    if habit == IN_COMPANY:
        return _in_company(table, seen, named)
    if habit == HOW_SOON:
        return _how_soon(table, seen)
    if habit == HOW_LONG:
        return _how_long(table, seen)
    if habit == WHO_IS_HOME:
        return _who_is_home(table, seen)
    if habit == WHO:
        return _who(table, seen)
    if habit == FROM_WHERE:
        return _from_where(table, seen)
    if habit == HOW_MUCH:
        return _how_much(table, seen)
    raise ValueError(f"no habit {habit}")


def day_kind(seen: Observation) -> str:
    """``on weekdays`` or ``at weekends``, by the kind of day that the habit keeps."""
    return "at weekends" if seen.fields[_DAY_KIND] == 1 else "on weekdays"


def called(person: str) -> str:
    """Somebody in words: ``person:ada`` → ``ada``."""
    kind, _, name = person.partition(":")
    return (name if kind == "person" else f"the automation {name}" if kind == "automation" else person) or person


def at_home(presence: str) -> str:
    """Who is home, as a clause."""
    return {"home": "somebody is home", "away": "nobody is home"}.get(presence, f"the house is in mode “{presence}”")


def _new(table: Table, seen: Observation) -> str:
    """What is said of an activity without a past; empty if it has one."""
    _, _, device, activity, *_ = seen.contexts[WHEN]
    return "" if table.weight(activity) else _NEW_ACTION if table.weight(device) else _NEW_DEVICE


def _when(table: Table, seen: Observation) -> str:
    keys, place = seen.contexts[WHEN], seen.symbols[WHEN]
    by = [(keys[5], f" for {called(seen.person)}")] if len(keys) > 5 else []
    chosen = _rarest(table, [(keys[4], f" {day_kind(seen)}"), *by, (keys[3], "")], place)
    if chosen is None:
        return _too_few(table, keys[3])
    key, label = chosen
    events = tally(table, key, RING_CELLS)
    near = count(events, [(place + step) % HALF_HOURS for step in (-1, 0, 1)])
    here = half_hours((place - 1) % HALF_HOURS, 3)
    found = stretches(events, _HOURS_APART, HALF_HOURS)
    if len(found) > _STRETCHES or sum(length for _, length in found) > _HOURS_LONGEST:
        was = f"{near:,} of them {here}" if near else f"never {here}"
        return f"This has no hours of its own{label}: it was seen {times(count(events))}, {was}."
    usually = listed([half_hours(start, length) for start, length in found])
    inside = [(start + step) % HALF_HOURS for start, length in found for step in range(length)]
    was = f"was {times(near)}" if near else "never was"
    return f"This is usual {usually}{label} ({count(events, inside):,} of {times(count(events))}); {here} it {was}."


def _in_company(table: Table, seen: Observation, named: Callable[[int], str]) -> str:
    keys, activity = seen.contexts[IN_COMPANY], seen.symbols[IN_COMPANY]
    before = seen.previous if seen.company else "a pause"
    events = tally(table, keys[1])
    total = count(events)
    if total < ENOUGH:
        return f"What comes shortly after {before} was seen only {times(total)}." if total else _nothing_after(before)
    came = count(events, [activity])
    this = f"this was so {times(came)}" if came else "this never was so"
    first = max(events, key=lambda one: (events[one], -one))
    name = named(first) if first != activity else ""
    if not name:
        return f"Shortly after {before}, followed by something {times(total)}, something else usually comes; {this}."
    often = "usually comes" if events[first] * 2 >= total else "most often comes"
    return f"Shortly after {before} {often} {name} ({count(events, [first]):,} of {times(total)}); {this}."


def _nothing_after(before: str) -> str:
    return f"It was never seen what comes shortly after {before}."


def _how_soon(table: Table, seen: Observation) -> str:
    if seen.pause < 0:
        return "Nothing had come before it."
    keys, bucket = seen.contexts[HOW_SOON], seen.symbols[HOW_SOON]
    after = [(keys[2], seen.previous)] if len(keys) > 2 else []
    chosen = _rarest(table, [*after, (keys[1], "the event before it, whatever that is")], bucket)
    if chosen is None:
        return _too_few(table, keys[1])
    usually, share = _buckets(tally(table, chosen[0], LINE_CELLS), pauses)
    return f"It usually comes {usually} after {chosen[1]} ({share}); this time {duration(seen.pause)}."


def _how_long(table: Table, seen: Observation) -> str:
    if seen.silence < 0:
        return "It is not known when this device spoke last."
    keys, bucket = seen.contexts[HOW_LONG], seen.symbols[HOW_LONG]
    chosen = _rarest(table, [(key, "") for key in keys[:0:-1]], bucket)
    if chosen is None:
        return _too_few(table, keys[1])
    usually, share = _buckets(tally(table, chosen[0], LINE_CELLS), pauses)
    this = duration(seen.silence)
    return f"Before it the device is usually quiet for {usually} ({share}); this time for {this}."


def _who_is_home(table: Table, seen: Observation) -> str:
    keys, presence = seen.contexts[WHO_IS_HOME], seen.symbols[WHO_IS_HOME]
    chosen = _first(table, [(keys[2], "This"), (keys[1], "This device")])
    if chosen is None:
        return _TOO_LITTLE
    events = tally(table, chosen[0])
    here, home = count(events, [presence]), count(events, [_HOME])
    was = f"only {times(here)}" if here else "never"
    somebody = f", {times(home)} while somebody is" if presence != _HOME and home else ""
    return f"{chosen[1]} was seen {was} while {at_home(seen.presence)}, in {times(count(events))}{somebody}."


def _who(table: Table, seen: Observation) -> str:
    keys, person = seen.contexts[WHO], seen.symbols[WHO]
    who = called(seen.person)
    if not table.weight(keys[0], person):
        return f"{who} was never seen here before."
    chosen = _first(table, [(keys[2], "this was done"), (keys[1], "this device was used")])
    if chosen is None:
        return _TOO_LITTLE
    return _shares(tally(table, chosen[0]), person, chosen[1], f"by {who}", "by one and the same other")


def _from_where(table: Table, seen: Observation) -> str:
    keys, origin = seen.contexts[FROM_WHERE], seen.symbols[FROM_WHERE]
    if not table.weight(keys[0], origin):
        return f"{seen.origin} was never met here before."
    asked: list[Choice] = [(keys[1], "this device was used")]
    if len(keys) > 3:
        who = called(seen.person)
        asked = [(keys[3], f"{who} used this device"), (keys[2], f"{who} used any device"), *asked]
    chosen = _first(table, asked)
    if chosen is None:
        return _TOO_LITTLE
    return _shares(tally(table, chosen[0]), origin, chosen[1], f"from {seen.origin}", "from one other place")


def _shares(events: Tally, symbol: int, done: str, this: str, other: str) -> str:
    """How often it was this, and what it mostly is instead."""
    total, this_often = count(events), count(events, [symbol])
    most = max((events[one] for one in sorted(events) if one != symbol), default=0.0)
    instead = f", {int(most + 0.5):,} {other}" if most * 2 >= total else ""
    was = f"{this_often:,} were" if this_often > 1 else f"{this_often or 'none'} was"
    return f"Of {times(total)} that {done}, {was} {this}{instead}."


def _how_much(table: Table, seen: Observation) -> str:
    keys, bucket = seen.contexts[HOW_MUCH], seen.symbols[HOW_MUCH]
    chosen = _rarest(table, [(keys[1], ""), (keys[2], " at this time of the day")], bucket)
    if chosen is None:
        return _TOO_LITTLE
    usually, share = _buckets(tally(table, chosen[0], AMOUNT_CELLS), amounts)
    return f"Its amount is usually {usually}{chosen[1]} ({share}); this time {amounts(bucket, bucket)}."


def _buckets(events: Tally, worded: Callable[[int, int], str]) -> tuple[str, str]:
    """Where most of the times lie in words, and how many of them."""
    found = stretches(events, _BUCKETS_APART)
    if len(found) > _STRETCHES:  # nothing in particular: from the first to the last
        found = [(found[0][0], sum(found[-1]) - found[0][0])]
    inside = [first + step for first, length in found for step in range(length)]
    usually = listed([worded(first, first + length - 1) for first, length in found])
    return usually, f"{count(events, inside):,} of {times(count(events))}"


def _too_few(table: Table, key: int) -> str:
    return (
        f"This was seen only {times((table.weight(key) + WEIGHT // 2) // WEIGHT)}, too seldom to say what is usual."
    )


def _rarest(table: Table, asked: Sequence[Choice], symbol: int) -> Choice | None:
    """The context with something to say in which the symbol is rarest; the first of equals."""
    enough = [one for one in asked if table.weight(one[0]) >= ENOUGH * WEIGHT]
    return min(enough, key=lambda one: table.weight(one[0], symbol) / table.weight(one[0]), default=None)


def _first(table: Table, asked: Sequence[Choice]) -> Choice | None:
    """The first context of an open alphabet that has something to say."""
    return next((one for one in asked if count(tally(table, one[0])) >= ENOUGH), None)
