"""Stepping up: a PIN or a one-time code, asked for before the next sensitive command counts as the person's.

Whoever has to step up and has not is suspected: somebody else may be using the name. Such answers teach nothing, and
such commands do not count as the person's. Before its time that is lifted by a code alone, which the shell checks
(`homeward.one_time`), and by no answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from homeward.core.event import is_name

PEOPLE_LIMIT: Final = 64
"""So many people are kept; of more, the one whose time ends first is let go."""

LONGEST_MINUTES: Final = 24 * 60

VERIFIED_MS: Final = 10 * 60_000
"""How long after a right code commands count as the person's."""


@dataclass(slots=True)
class StepUp:
    """``until`` is when (ms) a person no longer has to step up, ``since`` when one did; nobody is in both."""

    until: dict[str, int] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)

    def fork(self) -> StepUp:
        """A copy that can go on by itself."""
        return StepUp(self.until.copy(), self.since.copy())

    def demand(self, person: str, at: int, minutes: int) -> int | None:
        """For so many minutes (1 to 1,440) the person counts only after stepping up.

        Returns when that ends (ms): not before an earlier demand does. ``None`` for what cannot name a person.
        """
        if not is_name(person):
            return None
        ends = max(at + 60_000 * max(1, min(minutes, LONGEST_MINUTES)), self.until.get(person, 0))
        self.since.pop(person, None)
        _put(self.until, person, ends)
        return ends

    def verified(self, person: str, at: int) -> bool:
        """The person gave a right code. Returns whether one was asked for."""
        asked = self.must(person, at)
        self.until.pop(person, None)
        if is_name(person):
            _put(self.since, person, at)
        return asked

    def must(self, person: str, at: int) -> bool:
        """Whether the person has to step up, and has not."""
        return at < self.until.get(person, at)

    def suspected(self, person: str, at: int) -> bool:
        """Whether somebody else may be acting in the person's name."""
        return self.must(person, at)

    def counts(self, person: str, at: int) -> bool:
        """Whether the person gave a right code not long ago, and nothing has made it doubtful since."""
        return person in self.since and at - self.since[person] < VERIFIED_MS

    def expire(self, at: int) -> list[str]:
        """Forget what has ended; returns who was asked to step up and did not."""
        missed = sorted(person for person, ends in self.until.items() if ends <= at)
        for person in missed:
            del self.until[person]
        for person in [person for person, since in self.since.items() if since + VERIFIED_MS <= at]:
            del self.since[person]
        return missed

    def next_deadline(self) -> int | None:
        """When the next demand or the next proof ends (ms)."""
        return min((*self.until.values(), *(since + VERIFIED_MS for since in self.since.values())), default=None)


def _put(times: dict[str, int], person: str, at: int) -> None:
    """Keep a person's time, and the latest of others' that there is room for."""
    times[person] = at
    if len(times) > PEOPLE_LIMIT:
        del times[min((each for each in times if each != person), key=lambda each: (times[each], each))]
