"""Numbers of the habits in words: times of the day, spans, amounts, how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeward.core.behaviour.habits import AMOUNTS, HALF_HOURS, PAUSES

_SIZES: Final = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"))


def times(count: int) -> str:
    """``one time``, ``1,204 times``."""
    return "one time" if count == 1 else f"{count:,} times"


def clock(minute: int) -> str:
    """``03:10``, of a minute of the day."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def duration(milliseconds: int) -> str:
    """``2 days``, ``90 minutes``, ``1 second``: the largest unit of which there are two."""
    for size, word in _SIZES:
        if milliseconds >= 2 * size:
            return f"{milliseconds / size:.0f} {word}s"
    seconds = round(milliseconds / 1000)
    return "less than a second" if not seconds else "1 second" if seconds == 1 else f"{seconds} seconds"


def half_hours(start: int, length: int) -> str:
    """``between 17:30 and 19:00``: so many half-hours on the ring of the day."""
    return f"between {clock(start * 30)} and {clock((start + length) % HALF_HOURS * 30)}"


def pauses(first: int, last: int) -> str:
    """``20 to 40 seconds``: from the shortest of one bucket to the longest of another."""
    if last >= PAUSES - 1:
        return f"more than {duration(_shortest(first))}" if first else "of any length"
    longest = duration(_shortest(last + 1))
    if not first:
        return f"up to {longest}"
    shortest = duration(_shortest(first))
    one, _, unit = shortest.rpartition(" ")
    if longest.endswith(f" {unit}"):
        return longest if shortest == longest else f"{one} to {longest}"
    return f"{shortest} to {longest}"


def _shortest(bucket: int) -> int:
    """The shortest pause (ms) of a bucket: see `habits.pause_bucket`."""
    return round(250 * 2 ** ((bucket - 1) / 2)) if bucket else 0


def amounts(first: int, last: int) -> str:
    """``between 19 and 27``, in the amount's own unit: see `habits.amount_bucket`."""
    none = AMOUNTS // 2
    low = _amount(first - none, -1)
    high = _amount(last - none, 1)
    if first <= 0:
        return f"below {_figures(high)}"
    if last >= AMOUNTS - 1:
        return f"above {_figures(low)}"
    return "next to nothing" if first == last == none else f"between {_figures(low)} and {_figures(high)}"


def _amount(steps: int, end: int) -> float:
    """The lower (-1) or upper (1) end of a half-octave so many steps from nothing."""
    if not steps:
        return end / 64
    outwards = end if steps > 0 else -end
    size = 2 ** ((abs(steps) + outwards / 2) / 2) / 64
    return size if steps > 0 else -size


def once_in(rarity: int) -> str:
    """``once in 2,300``, for a rarity in bits (Q8)."""
    return f"once in {_figures(2 ** min(rarity / 256, 64))}"


def _figures(number: float) -> str:
    """Two figures that count: ``2,300``, ``0.047``."""
    return f"{float(f'{number:.2g}'):,g}"


def every(weeks: float) -> str:
    """How often: ``4 times a week``, ``once in 3 weeks``, ``once in 5 months``."""
    if weeks < 2 / 3:
        return f"{1 / weeks:.0f} times a week"
    for size, word, most in ((1.0, "weeks", 12.0), (52.18 / 12, "months", 30.0), (52.18, "years", 10.5)):
        if weeks < most * size:
            number = f"{weeks / size:.0f}"
            return f"once a {word[:-1]}" if number == "1" else f"once in {number} {word}"
    return "less than once in ten years"


def ordinal(number: int) -> str:
    """``7th``."""
    last = 0 if 10 < number % 100 < 14 else number % 10
    return f"{number:,}{('th', 'st', 'nd', 'rd')[last] if last < 4 else 'th'}"


def listed(parts: Sequence[str]) -> str:
    """``one``, ``one or two``, ``one, two or three``."""
    return " or ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)
