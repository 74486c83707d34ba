"""Who is home, by what says so, or else by a rule: a context of habits, never a reason to relax.

A device of type ``residents`` (``home``, ``away``, ``holiday`` …) is believed once it has spoken. Before that, and
where there is none, all count as away when an entrance closed and nothing spoke indoors for half an hour, until
an entrance speaks again, or somebody has stirred indoors for half an hour. The rule is wrong about people who go to
bed as soon as they are in: how often that is, is learned like any habit. An alarm panel adds its mode
(``armed_night``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homeward.core.settings import Device

AWAY_AFTER: Final = 30 * 60_000
ENDED: Final = frozenset({"off", "closed"})
INDOORS: Final = frozenset({"motion", "presence", "use"})
NOBODY: Final = frozenset({"away", "holiday", "vacation", "armed_away"})
"""Words that say that nobody is home."""


def nobody_home(presence: str) -> bool:
    """Whether who is home, in words (see `Presence.now`), is nobody. Whoever just came in has not disarmed yet."""
    return presence.split(" ", 1)[0] in NOBODY


@dataclass(slots=True)
class Presence:
    """``residents`` is who is home, empty while unknown; ``mode`` is the alarm panel's. Times in milliseconds."""

    residents: str = ""
    mode: str = ""
    told: bool = False
    closed_at: int | None = None
    stirred_at: int | None = None
    """Since when somebody stirs although all count as away."""

    def now(self, at: int) -> str:
        """Who is home and in what mode, in a word; empty if unknown."""
        if not self.told and self.closed_at is not None and at - self.closed_at >= AWAY_AFTER:
            self.residents, self.closed_at, self.stirred_at = "away", None, None
        if self.stirred_at is not None and at - self.stirred_at >= AWAY_AFTER:
            self.residents, self.stirred_at = "home", None
        return f"{self.residents} {self.mode}".strip()

    def note(self, device: Device, action: str, at: int) -> None:
        """What an event says about it, for the events after it."""
        if device.type == "residents":
            self.residents, self.told, self.stirred_at = action, True, None
        elif device.type == "alarm":
            self.mode = action
        elif device.role == "entrance":
            if not self.told:
                self.residents, self.stirred_at = "home", None
                self.closed_at = at if action in ENDED else None
        elif device.role in INDOORS and action not in ENDED:
            self.closed_at = None
            if not self.told and self.residents == "away" and self.stirred_at is None:
                self.stirred_at = at
