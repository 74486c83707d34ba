"""Why an event is unusual, in plain words."""

from __future__ import annotations

from homeward.core.behaviour.habits import (
    FROM_WHERE,
    HALF_HOURS,
    HOW_LONG,
    HOW_MUCH,
    HOW_SOON,
    IN_COMPANY,
    WHEN,
    WHO,
    WHO_IS_HOME,
)
from homeward.core.behaviour.profile import Observation
from homeward.core.behaviour.silence import Quiet
from homeward.core.behaviour.table import WEIGHT, Table
from homeward.core.behaviour.words import clock, duration, times


def reason(table: Table, seen: Observation, habit: int) -> str:
    """One or two sentences that a person understands: what happened, and what is usual instead."""
    subject = f"{seen.device} {seen.action}"
    if habit == WHEN:
        return f"{subject} at {clock(seen.minute)}: {_usual_hours(table, seen)}"
    if habit == IN_COMPANY:
        return f"{subject}: {_usual_company(table, seen)}"
    if habit == HOW_SOON:
        after = f"after {duration(seen.pause)} without any event" if seen.pause >= 0 else "as the first event"
        return f"{subject} {after}: unusual for it here"
    if habit == HOW_LONG:
        if seen.silence < 0:
            return f"{subject}: this device has never spoken before"
        return f"{subject} after this device was quiet for {duration(seen.silence)}: unusual for it"
    if habit == WHO_IS_HOME:
        return f"{subject} while the house is {seen.presence or 'as nobody knows'}: unusual for it"
    if habit == WHO:
        return f"{subject} by {seen.person}: {_usual_name(table, seen, WHO)}"
    if habit == FROM_WHERE:
        return f"{subject} from {seen.origin}: {_usual_name(table, seen, FROM_WHERE)}"
    if habit == HOW_MUCH:
        return f"{subject} with an amount that is unusual for it"
    raise ValueError(f"no habit {habit}")


def silent_reason(quiet: Quiet, at: int) -> str:
    """What a silence is, in words; ``at`` is now (ms)."""
    before = f"{quiet.longest} before" if quiet.longest else "none before"
    return (
        f"{quiet.device} has said nothing for {duration(at - quiet.spoke_at)}, in {quiet.slots} half-hours in which "
        f"other devices spoke (at most {before}): it may be broken, flat, covered or cut off"
    )


def _usual_name(table: Table, seen: Observation, habit: int) -> str:
    """How often this person or origin was met, here and with this device."""
    keys, symbol = seen.contexts[habit], seen.symbols[habit]
    count = table.weight(keys[0], symbol) // WEIGHT
    if not count:
        return "never seen here before"
    return f"seldom with this device ({times(table.weight(keys[1], symbol) // WEIGHT)})"


def _usual_hours(table: Table, seen: Observation) -> str:
    """The stretch of the day around the event in which this activity has hardly ever been."""
    keys, half_hour = seen.contexts[WHEN], seen.symbols[WHEN]
    activity, device = keys[3], keys[2]
    count = table.weight(activity) // WEIGHT
    if not count:
        if not table.weight(device):
            return "this device is new here"
        return "this device has never done this before"
    # Neighbouring half-hours share weight: below half an event is "not at this hour".
    rare = [table.weight(activity, hour) < WEIGHT // 2 for hour in range(HALF_HOURS)]
    if all(rare):
        return f"seen only {times(count)}, never often enough at one hour to be usual"
    if not rare[half_hour]:
        return f"seldom at this hour ({times(count)} in all)"
    start = end = half_hour
    while rare[start - 1] and (start - 1 - end) % HALF_HOURS:
        start = (start - 1) % HALF_HOURS
    while rare[(end + 1) % HALF_HOURS] and (end + 1 - start) % HALF_HOURS:
        end = (end + 1) % HALF_HOURS
    return f"never between {clock(start * 30)} and {clock(end * 30 + 30)} in {times(count)}"


def _usual_company(table: Table, seen: Observation) -> str:
    keys, activity = seen.contexts[IN_COMPANY], seen.symbols[IN_COMPANY]
    count = table.weight(keys[0], activity) // WEIGHT
    if not count:
        return "never seen here before"
    often = "seldom" if any(table.weight(key, activity) >= WEIGHT for key in keys[1:]) else "never"
    if not seen.company:
        return f"{often} the first after a pause ({times(count)} in all)"
    return f"{often} in the company of what came shortly before ({times(count)} in all)"
