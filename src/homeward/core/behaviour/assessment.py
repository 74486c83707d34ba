"""How strange an event is, and how much it speaks for somebody being there."""

from __future__ import annotations

from typing import NamedTuple

from homeward.core.behaviour.evidence import Standing
from homeward.core.behaviour.habits import WHO_IS_HOME
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.presence import ENDED, nobody_home
from homeward.core.behaviour.table import EXP2, log2
from homeward.core.vocabulary import LIVED


class Assessment(NamedTuple):
    """How strange an event is: ``bits`` by habit and how rare each is (Q8), and where its visit stands with it.

    Above ``threshold`` it costs an alarm of the budget (``unusual``), above ``notable`` it is put on record without
    one. Both are ``None`` while the profile is too young to say.
    """

    bits: tuple[int, ...]
    rarities: tuple[int, ...]
    standing: Standing
    threshold: int | None
    notable: int | None
    unusual: bool
    held: bool
    """Whether it must not be learned yet: it is unusual, or of a guarded device and remarkable, or suspected."""

    @property
    def score(self) -> int:
        """What all of it comes to (Q8)."""
        return self.standing.score

    @property
    def habit(self) -> int:
        """The habit whose bits are the rarest: the reason. Before anything is known of rarity, the one with most.

        Who is home is one only where somebody stirs although nobody is.
        """
        by = self.rarities if any(self.rarities) else self.bits
        said = [habit for habit in range(len(by)) if habit != WHO_IS_HOME or self.standing.absent]
        return max(said, key=by.__getitem__)


def stir(seen: Observation, bits: int) -> int | None:
    """How much an observation speaks for somebody being there although nobody is home (Q8); ``None`` if somebody is.

    It is the log-ratio of its chances with somebody at home and with nobody, taken to be half the time each, less
    one bit; ``bits`` are those of *who is home*. Doors open when people come home, and lights may be on a timer: only
    devices that people stir tell of them.
    """
    if not nobody_home(seen.presence):
        return None
    if seen.kind != LIVED or seen.action in ENDED:
        return 0
    nobody = EXP2[bits & 255] >> (bits >> 8)
    return max(0, bits + log2(max(1, (1 << 16) - nobody)) - (17 << 8))
