"""The protocol of `bench network`: flow by flow, learning on as the guard would; alarms; and the figures."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from homeward.bench.network.course import Course, Seen
from homeward.bench.rates import rate
from homeward.core.flow import Flow
from homeward.core.incident import LONGEST, QUIET

QUIET_MS: Final = int(QUIET.total_seconds() * 1000)
LONGEST_MS: Final = int(LONGEST.total_seconds() * 1000)
BLOCK_MS: Final = 3_600_000
RESAMPLES: Final = 2_000


class Verdict(NamedTuple):
    """How strange a flow is (higher is stranger), and whether that is too strange."""

    score: float
    unusual: bool


class Method(Protocol):
    """A way to guard the devices of a place. Time never goes back."""

    def teach(self, device: str, flow: Flow, at_ms: int) -> None:
        """Learn a flow that is known to be benign."""

    def judge(self, device: str, flow: Flow, at_ms: int) -> Verdict:
        """Judge a flow, told before it is learned; then learn it, or not, as the method would."""


class Judged(NamedTuple):
    """A flow, and what was made of it."""

    seen: Seen
    verdict: Verdict


def follow(method: Method, course: Course) -> list[Judged]:
    """What a method makes of the judged flows, in their order."""
    judged = []
    for at_ms, teaches, seen in course.steps:
        if teaches:
            method.teach(seen.device, seen.flow, at_ms)
        else:
            judged.append(Judged(seen, method.judge(seen.device, seen.flow, at_ms)))
    return judged


def openings(times: Iterable[int]) -> Iterator[int]:
    """Which of the unusual flows, by their place, open an incident; the others join the one that is open.

    An incident closes 30 minutes after its last unusual flow and at the latest six hours after its first.
    """
    first = last = None
    for place, at_ms in enumerate(times):
        if first is None or last is None or at_ms - last > QUIET_MS or at_ms - first > LONGEST_MS:
            first = at_ms
            yield place
        last = at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The alarms of a method in a capture: how many false ones, and how many malicious flows had come when the
    first true one did, the worst device's; ``None`` where there is none, or a device that is never caught."""

    false: int
    first_after: int | None


def alarms(judged: Sequence[Judged], benign: Sequence[Judged]) -> Alarms:
    """Every device has its own incidents, and each that opens is an alarm.

    False ones are counted where no attack was (``benign``), so that an attack cannot hide them. A true one is an
    incident opened by a malicious flow: a flow that joins an incident already open alarms nobody.
    """
    false = sum(len(list(openings(one.seen.at_ms for one in flagged))) for flagged in _by_device(_unusual(benign)))
    after = [_first_after(of_device) for of_device in _by_device(judged) if any(j.seen.malicious for j in of_device)]
    caught = [count for count in after if count is not None]
    return Alarms(false=false, first_after=max(caught) if caught and len(caught) == len(after) else None)


def _unusual(judged: Iterable[Judged]) -> list[Judged]:
    return [one for one in judged if one.verdict.unusual]


def _by_device(judged: Iterable[Judged]) -> Iterator[list[Judged]]:
    ordered = sorted(judged, key=lambda one: one.seen.device)
    for _, of_device in groupby(ordered, key=lambda one: one.seen.device):
        yield list(of_device)


def _first_after(of_device: Sequence[Judged]) -> int | None:
    """How many malicious flows of a device had come, the one that alarmed included."""
    flagged = _unusual(of_device)
    alarming = (flagged[place] for place in openings(one.seen.at_ms for one in flagged))
    first = next((one for one in alarming if one.seen.malicious), None)
    if first is None:
        return None
    until = next(place for place, one in enumerate(of_device) if one is first)
    return sum(one.seen.malicious for one in of_device[: until + 1])


# The area under the ROC curve ---------------------------------------------------------------------------------------

Scored = Sequence[tuple[int, float]]
"""When, and how strange."""


def area(malicious: Scored, benign: Scored, random: Random) -> tuple[float, float, float]:
    """The area under the ROC curve (a tie counts half) with its 95 % interval (bootstrap over hours, percentiles).

    Flows come in bursts that are nearly the same flow many times over; drawn one by one they would promise far too
    much. So whole hours are drawn, those of malicious and of benign flows apart.

    Raises:
        ValueError: one of the two is empty.
    """
    if not malicious or not benign:
        raise ValueError("an area needs malicious and benign flows")
    theirs, ours = _hours(malicious), _hours(benign)
    sizes = [len(hour) for hour in theirs], [len(hour) for hour in ours]
    wins = [_wins(Counter(hour), ours) for hour in theirs]
    value = sum(map(sum, wins)) / (len(malicious) * len(benign))
    found = []
    for _ in range(RESAMPLES):
        drawn = Counter(random.choices(range(len(theirs)), k=len(theirs)))
        against = Counter(random.choices(range(len(ours)), k=len(ours)))
        won = sum(n * sum(m * wins[row][column] for column, m in against.items()) for row, n in drawn.items())
        pairs = sum(n * sizes[0][row] for row, n in drawn.items()) * sum(m * sizes[1][c] for c, m in against.items())
        found.append(won / pairs)
    found.sort()
    return value, found[RESAMPLES * 25 // 1000], found[RESAMPLES * 975 // 1000 - 1]


def _hours(scored: Scored) -> list[list[float]]:
    """The scores by the hour, each hour's in order."""
    ordered = sorted(scored)
    return [sorted(score for _, score in hour) for _, hour in groupby(ordered, key=lambda one: one[0] // BLOCK_MS)]


def _wins(scores: Counter[float], hours: Sequence[Sequence[float]]) -> list[float]:
    """In each of the hours, how often one of the scores lies above one of that hour's."""
    return [
        sum(n * (bisect_left(hour, score) + bisect_right(hour, score)) / 2 for score, n in scores.items())
        for hour in hours
    ]


def figures(judged: Sequence[Judged], benign: Sequence[Judged], days: float, random: Random) -> dict[str, Any]:
    """The figures of a method in a capture; ``benign`` is what it made of the same without the attacks."""
    found = alarms(judged, benign)
    attacks = [one for one in judged if one.seen.malicious]
    scored = {
        malicious: [(one.seen.at_ms, one.verdict.score) for one in judged if one.seen.malicious == malicious]
        for malicious in (True, False)
    }
    areas = area(scored[True], scored[False], random) if all(scored.values()) else (None, None, None)
    return {
        "benign_alarms": found.false,
        "benign_alarms_per_day": round(found.false / days, 6) if days else None,
        **rate("flows_caught", [one.verdict.unusual for one in attacks]),
        "first_alarm_after_flows": found.first_after,
        **{
            name: None if value is None else round(value, 6)
            for name, value in zip(("auc", "auc_low", "auc_high"), areas, strict=True)
        },
    }
