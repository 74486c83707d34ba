"""Who types here: what is usual for one person, against what is usual anywhere.

Two habits of DESIGN, *what next* and *in company*, counted in the guard's own tables. Each is one chain of contexts
from coarse to fine: a command anywhere, given another one anywhere, by this person, by this person given that other
one. Half of the chain says how surprising a command is from anybody, the whole of it how surprising from this person;
the difference is evidence, in bits. So a command that nobody knows is as strange as one that everybody uses, where
this person never used either, and what only this person uses speaks for the person.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
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
HERE_GIVEN: Final = 3 * COMMAND
"""What the parent of each context weighs, from coarse to fine. What follows what anywhere counts as much as a
thousand commands of this person: somebody who does something new does it as others do."""

ALONE: Final = name_key("masquerade")
"""The context of nothing given."""

Counts = dict[int, Counter[int]]
"""How often each command came, by context."""


class Names:
    """Commands as the table knows them: a symbol, and a context of each habit. Every one is hashed only once."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[int, ...]] = {}

    def moments(self, commands: Sequence[str]) -> Iterator[tuple[int, list[int], bool]]:
        """For each command and habit: its symbol, the contexts it is given, and whether the last of them alone."""
        named = [self._keys.get(command) or self._hash(command) for command in commands]
        for number, (_, reach) in enumerate(HABITS, 1):
            for place, (symbol, *_) in enumerate(named):
                before = dict.fromkeys(keys[number] for keys in named[max(0, place - reach) : place])
                yield symbol, list(before) or [ALONE], reach == 1

    def count(self, commands: Sequence[str], counts: Counts) -> None:
        """Add a block to counts."""
        for symbol, given, first in self.moments(commands):
            if first:
                counts[ALONE][symbol] += 1
            for key in given:
                if key != ALONE:
                    counts[key][symbol] += 1

    def _hash(self, command: str) -> tuple[int, ...]:
        contexts = (name_key("masquerade", habit, command) for habit, _ in HABITS)
        keys = self._keys[command] = (name_key(command), *contexts)
        return keys


def _learn(table: Table, counts: Counts) -> None:
    for key, symbols in counts.items():
        table.learn((key,), [(symbol, times * COMMAND) for symbol, times in symbols.items()])


class Anywhere:
    """What is usual anywhere: the blocks of many people, counted together. Models of people share it."""

    def __init__(self, people: Iterable[Iterable[Sequence[str]]]) -> None:
        self.names = Names()
        self.table = Table()
        counts: Counts = defaultdict(Counter)
        for blocks in people:
            for commands in blocks:
                self.names.count(commands, counts)
        _learn(self.table, counts)


class Person:
    """One person's habits, over what is usual anywhere, which is only read."""

    def __init__(self, anywhere: Anywhere) -> None:
        self._names = anywhere.names
        self._anywhere = anywhere.table
        self._here = Table()

    def score(self, commands: Sequence[str]) -> float:
        """How much more the block looks like anybody's than like this person's: bits a command; changes nothing.

        Above zero it is more likely to be somebody else's. What comes again within the block tells less each time:
        n times count as much as the root of n.
        """
        if not commands:
            return 0.0
        seen: Counter[tuple[int, int]] = Counter()
        evidence: list[float] = []
        for symbol, given, first in self._names.moments(commands):
            again = (symbol, given[-1] if first else 0)
            seen[again] += 1
            fresh = math.sqrt(seen[again]) - math.sqrt(seen[again] - 1)
            evidence.append(fresh * self._evidence(symbol, given))
        return math.fsum(evidence) / (len(commands) * len(HABITS))

    def learn(self, commands: Sequence[str]) -> None:
        """Count a block."""
        counts: Counts = defaultdict(Counter)
        self._names.count(commands, counts)
        _learn(self._here, counts)

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
