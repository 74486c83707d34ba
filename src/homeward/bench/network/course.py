"""The course of a capture: what teaches, what is judged, and in what order it comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from homeward.core.flow import Flow

DAY_MS: Final = 86_400_000


class Seen(NamedTuple):
    """A flow as one device had it, at its start; ``malicious`` is its label, which no method is ever shown."""

    at_ms: int
    device: str
    flow: Flow
    malicious: bool


class Step(NamedTuple):
    """What a method meets next: a flow that teaches, or one that is judged."""

    at_ms: int
    teaches: bool
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The steps of a capture in the order of time, and of its judged benign flows how many days they span: the time
    in which those of any device are judged, counted once."""

    steps: Sequence[Step]
    benign_days: float

    @property
    def judged(self) -> list[Seen]:
        """What is judged, in order."""
        return [step.seen for step in self.steps if not step.teaches]

    @property
    def attacked(self) -> bool:
        """Whether there is an attack in it."""
        return any(step.seen.malicious for step in self.steps)

    def without_attacks(self) -> Course:
        """The same without the malicious flows."""
        return Course(steps=[step for step in self.steps if not step.seen.malicious], benign_days=self.benign_days)


def course(seen: Iterable[Seen]) -> Course:
    """Of each device the first half of its benign flows teaches; the other half and all malicious flows are judged.

    All devices run side by side, in real time. But an attack often began before half of the benign flows had come,
    and time must not go back: then the half that teaches is told as if it had come as many whole days earlier as it
    takes, so that its hours of the day stay what they are.
    """
    steps: list[Step] = []
    spans: list[tuple[int, int]] = []
    for _, of_device in groupby(sorted(seen, key=attrgetter("device", "at_ms")), key=attrgetter("device")):
        flows = list(of_device)
        benign = [one for one in flows if not one.malicious]
        teaching, later = benign[: len(benign) // 2], benign[len(benign) // 2 :]
        judged = sorted([*later, *(one for one in flows if one.malicious)], key=attrgetter("at_ms"))
        earlier = _days_back(teaching, judged) * DAY_MS
        steps += [Step(one.at_ms - earlier, True, one) for one in teaching]
        steps += [Step(one.at_ms, False, one) for one in judged]
        if later:
            spans.append((later[0].at_ms, later[-1].at_ms))
    steps.sort(key=lambda step: (step.at_ms, not step.teaches))
    return Course(steps=steps, benign_days=_covered(spans) / DAY_MS)


def _days_back(teaching: Sequence[Seen], judged: Sequence[Seen]) -> int:
    """So many days before the first judged flow the last one that teaches has to come."""
    if not teaching or not judged:
        return 0
    return max(0, -((judged[0].at_ms - teaching[-1].at_ms) // DAY_MS))


def _covered(spans: Iterable[tuple[int, int]]) -> int:
    """How much time lies within any of the spans."""
    covered, reached = 0, None
    for start, end in sorted(spans):
        since = start if reached is None else max(start, reached)
        covered += max(0, end - since)
        reached = end if reached is None else max(end, reached)
    return covered
