"""Who types here: what is usual for one person, against what is usual anywhere.

Two habits of DESIGN, *what next* and *in company*, counted in the guard's own tables. Each is one chain of contexts
from coarse to fine: a command anywhere, given another one anywhere, by this person, by this person given that other
one. Half of the chain says how surprising a command is from anybody, the whole of it how surprising from this person;
the difference is evidence, in bits. So a command that nobody knows is as strange as one that everybody uses, where
this person never used either, and what only this person uses speaks for the person.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from homeward.core.behaviour.habits import name_key
from homeward.core.behaviour.table import Table, log2

HABITS: Final[tuple[tuple[str, int], ...]] = (("what next", 1), ("in company", 10))
"""A command given any one of so many before it, averaged; their order does not matter."""

COMMAND: Final = 2
"""What one command weighs. The kernel lets a parent weigh 2,047 at most, so that a thousand commands are 2,000."""

ALPHABET: Final = 1000
"""So many commands are equally likely where nothing is known."""

ROOT: Final = log2(ALPHABET)
ANYWHERE: Final = ALPHABET * COMMAND
ANYWHERE_GIVEN: Final = 20 * COMMAND
HERE: Final = 1000 * COMMAND
HERE_GIVEN: Final = COMMAND
"""What the parent of each context weighs, from coarse to fine. What follows what anywhere counts as much as a
thousand commands of this person: somebody who does something new does it as others do."""

ALONE: Final = name_key("masquerade")
"""The context of nothing given."""


class Person:
    """One person's habits, over a table of what is usual anywhere, which is only read: others share it."""

    def __init__(self, anywhere: Table) -> None:
        self._anywhere = anywhere
        self._here = Table()

    def score(self, commands: Sequence[str]) -> float:
        """How much more the block looks like anybody's than like this person's: bits a command; changes nothing.

        Above zero it is more likely to be somebody else's. What comes again within the block tells less each time:
        n times count as much as the root of n.
        """
        if not commands:
            return 0.0
        seen: Counter[tuple[str, int, int]] = Counter()
        evidence: list[float] = []
        for habit, symbol, given in _moments(commands):
            times = (habit, given[-1] if habit == "what next" else ALONE, symbol)
            seen[times] += 1
            fresh = math.sqrt(seen[times]) - math.sqrt(seen[times] - 1)
            evidence.append(fresh * self._evidence(symbol, given))
        return math.fsum(evidence) / (len(commands) * len(HABITS))

    def learn(self, commands: Sequence[str]) -> None:
        """Count a block."""
        learn(self._here, commands)

    def _evidence(self, symbol: int, given: Sequence[int]) -> float:
        """Bits by which a command is likelier anywhere than here, averaged over what it is given."""
        anywhere, here = self._anywhere, self._here
        usual = anywhere.surprise((ALONE,), symbol, ROOT, ANYWHERE)
        likely_anywhere = likely_here = 0.0
        for key in given:
            bits = anywhere.surprise((key,), symbol, usual, ANYWHERE_GIVEN)
            likely_anywhere += 2.0 ** (-bits / 256)
            bits = here.surprise((ALONE,), symbol, bits, HERE)
            bits = here.surprise((key,), symbol, bits, HERE_GIVEN)
            likely_here += 2.0 ** (-bits / 256)
        return math.log2(likely_anywhere / likely_here)


def learn(table: Table, commands: Sequence[str]) -> None:
    """Count a block in a table: a person's, or that of what is usual anywhere."""
    for command in commands:
        table.learn((ALONE,), ((name_key(command), COMMAND),))
    for _, symbol, given in _moments(commands):
        table.learn((key for key in given if key != ALONE), ((symbol, COMMAND),))


def usual_anywhere(people: Iterable[Iterable[Sequence[str]]]) -> Table:
    """What is usual anywhere: the blocks of many people, counted together."""
    table = Table()
    for blocks in people:
        for commands in blocks:
            learn(table, commands)
    return table


def _moments(commands: Sequence[str]) -> Iterator[tuple[str, int, list[int]]]:
    """For every command and habit: the habit, the command's symbol, the contexts it is given (the latest last)."""
    symbols = {command: name_key(command) for command in commands}
    for habit, reach in HABITS:
        contexts = {command: name_key("masquerade", habit, command) for command in symbols}
        for place, command in enumerate(commands):
            before = dict.fromkeys(commands[max(0, place - reach) : place])
            yield habit, symbols[command], [contexts[other] for other in before] or [ALONE]
