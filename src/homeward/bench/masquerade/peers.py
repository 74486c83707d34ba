"""What others do with blocks of commands: a rule, a Markov chain, and the naive Bayes of the literature."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Protocol


class Method(Protocol):
    """A model of one person that is asked about a block before it learns it."""

    def score(self, commands: Sequence[str]) -> float:
        """How strange a block is; higher is stranger. Changes nothing."""

    def learn(self, commands: Sequence[str]) -> None:
        """Take a block as the person's own."""


class NeverSeen:
    """The share of a block's commands that the person never typed before."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def score(self, commands: Sequence[str]) -> float:
        return sum(command not in self._known for command in commands) / len(commands)

    def learn(self, commands: Sequence[str]) -> None:
        self._known.update(commands)


class MarkovChain:
    """Mean surprise of a command given the one before it, in bits, with one added to every count (Laplace)."""

    def __init__(self) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._totals: Counter[str] = Counter()
        self._known: set[str] = set()

    def score(self, commands: Sequence[str]) -> float:
        symbols = len(self._known) + 1
        steps = pairwise(commands)
        bits = (math.log2((self._totals[a] + symbols) / (self._pairs[a, b] + 1)) for a, b in steps)
        return math.fsum(bits) / max(1, len(commands) - 1)

    def learn(self, commands: Sequence[str]) -> None:
        self._pairs.update(pairwise(commands))
        self._totals.update(commands[:-1])
        self._known.update(commands)


class NaiveBayes:
    """How much likelier a block is from others than from the person, in bits a command (Maxion and Townsend 2002).

    Commands are drawn one by one; 0.01 is added to every count, as there. Others are the people of ``others``.
    """

    PSEUDOCOUNT: Final = 0.01

    def __init__(self, others: Iterable[Iterable[Sequence[str]]]) -> None:
        self._others: Counter[str] = Counter()
        for blocks in others:
            for commands in blocks:
                self._others.update(commands)
        self._own: Counter[str] = Counter()
        self._of_others = self._others.total()
        self._of_own = 0

    def score(self, commands: Sequence[str]) -> float:
        alphabet = self.PSEUDOCOUNT * (len(self._others.keys() | self._own.keys() | set(commands)))
        scale = math.log2((self._of_own + alphabet) / (self._of_others + alphabet))
        ratio = (
            math.log2((self._others[command] + self.PSEUDOCOUNT) / (self._own[command] + self.PSEUDOCOUNT))
            for command in commands
        )
        return math.fsum(ratio) / len(commands) + scale

    def learn(self, commands: Sequence[str]) -> None:
        self._own.update(commands)
        self._of_own += len(commands)
