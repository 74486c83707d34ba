"""The protocol of `bench masquerade`: block by block, learning on as the guard would; and the figures."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Final

from homeward.bench.masquerade.commands import Block
from homeward.bench.masquerade.peers import Method
from homeward.bench.statistics import wilson

RECENT: Final = 20
HELD_MOST: Final = 4
"""Of so many blocks in a row at most so many are held. Somebody who seems to be somebody else most of the time has
changed: a guard that went on holding would never know this person again."""

WARM: Final = 10
"""The first blocks are strange to an empty model whatever they hold, and set no limit."""

LIMIT_PERCENT: Final = 95
FALSE_ALARMS: Final = 0.05
RESAMPLES: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The scores of one user's labelled blocks, and how many of these were held."""

    own: tuple[float, ...] = ()
    masquerades: tuple[float, ...] = ()
    own_held: int = 0
    masquerades_held: int = 0

    def and_then(self, other: Judged) -> Judged:
        """Two trials of the same user together."""
        return Judged(
            own=self.own + other.own,
            masquerades=self.masquerades + other.masquerades,
            own_held=self.own_held + other.own_held,
            masquerades_held=self.masquerades_held + other.masquerades_held,
        )


def follow(method: Method, teaching: Sequence[Block], later: Sequence[Block], limit: float | None) -> Judged:
    """Let a method learn, then judge block by block; a score comes before the block is learned, if it is at all.

    A block above ``limit`` would alarm, and is held: not learned, ever, because nobody answers. ``None`` sets the
    limit to the 95th percentile of the scores of the teaching blocks as they came.
    """
    past: list[float] = []
    for block in teaching:
        past.append(method.score(block.commands))
        method.learn(block.commands)
    if limit is None:
        warm = sorted(past[WARM:] or past)
        limit = warm[-(-LIMIT_PERCENT * len(warm) // 100) - 1] if warm else math.inf
    recent = deque(past[WARM:], maxlen=RECENT)
    scores: dict[bool, list[float]] = {False: [], True: []}
    held = {False: 0, True: 0}
    for block in later:
        score = method.score(block.commands)
        recent.append(score)
        holds = score > limit and sum(other >= score for other in recent) <= HELD_MOST
        if not holds:
            method.learn(block.commands)
        if block.masquerade is not None:
            scores[block.masquerade].append(score)
            held[block.masquerade] += holds
    return Judged(
        own=tuple(scores[False]), masquerades=tuple(scores[True]), own_held=held[False], masquerades_held=held[True]
    )


def area(masquerades: Sequence[float], own: Sequence[float]) -> float:
    """The area under the ROC curve: how often a masquerade scores above an own block; a tie counts half."""
    return _area(masquerades, sorted(own), [1] * len(own))


def _area(masquerades: Sequence[float], own: Sequence[float], weights: Sequence[int]) -> float:
    below = [0, *accumulate(weights)]
    wins = sum(below[bisect_left(own, score)] + below[bisect_right(own, score)] for score in masquerades)
    return wins / (2 * below[-1] * len(masquerades))


def area_interval(users: Sequence[Judged], random: Random) -> tuple[float, float]:
    """The 95 % interval of the pooled area: bootstrap, users first, then the blocks of each (percentiles).

    Users differ more than blocks do; an interval over blocks alone would promise too much about the next user.
    """
    order = sorted(score for user in users for score in user.own)
    places = [[bisect_left(order, score) for score in user.own] for user in users]
    found: list[float] = []
    while len(found) < RESAMPLES:
        weights = [0] * len(order)
        masquerades: list[float] = []
        for number in random.choices(range(len(users)), k=len(users)):
            for place in random.choices(places[number], k=len(places[number])):
                weights[place] += 1
            some = users[number].masquerades
            masquerades += random.choices(some, k=len(some))
        found.append(_area(masquerades, order, weights))
    found.sort()
    return found[RESAMPLES * 25 // 1000], found[RESAMPLES * 975 // 1000 - 1]


def threshold(own: Sequence[float]) -> float:
    """The lowest own score with at most one in twenty of the own blocks above it."""
    return sorted(own, reverse=True)[int(FALSE_ALARMS * len(own))]


def figures(users: Mapping[str, Judged], random: Random) -> dict[str, Any]:
    """The figures of one method. A user without own blocks or without masquerades tells nothing, and is left out.

    ``hits_at_5pct``: the share of masquerades above the threshold that one in twenty of all own blocks exceed. The
    threshold is set on the very blocks that it judges, as in the literature; ``held`` is what the guard, which does
    not know them, made of the same blocks.
    """
    told = {name: user for name, user in users.items() if user.own and user.masquerades}
    if not told:
        return {"auc": None, "auc_low": None, "auc_high": None, "hits_at_5pct": None, "users": {}}
    own = [score for user in told.values() for score in user.own]
    masquerades = [score for user in told.values() for score in user.masquerades]
    limit = threshold(own)
    low, high = area_interval(list(told.values()), random)
    hits = sum(score > limit for score in masquerades)
    hits_low, hits_high = wilson(hits, len(masquerades))
    found = {
        "auc": area(masquerades, own),
        "auc_low": low,
        "auc_high": high,
        "hits_at_5pct": hits / len(masquerades),
        "hits_low": hits_low,
        "hits_high": hits_high,
        "held": {
            "own": sum(user.own_held for user in told.values()) / len(own),
            "masquerades": sum(user.masquerades_held for user in told.values()) / len(masquerades),
        },
    }
    return {**_rounded(found), "users": {name: _of_user(user, limit) for name, user in told.items()}}


def _of_user(user: Judged, limit: float) -> dict[str, Any]:
    own, masquerades = len(user.own), len(user.masquerades)
    return {
        "own": own,
        "masquerades": masquerades,
        **_rounded(
            {
                "auc": area(user.masquerades, user.own),
                "hits_at_5pct": sum(score > limit for score in user.masquerades) / masquerades,
                "false_alarms": sum(score > limit for score in user.own) / own,
                "held": {"own": user.own_held / own, "masquerades": user.masquerades_held / masquerades},
            }
        ),
    }


def _rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) if isinstance(value, Mapping) else round(value, 6) for name, value in found.items()}
