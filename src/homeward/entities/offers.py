"""What the buttons are about now, and since when. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final

from homeward.dashboard.view import LeaseView, PageView
from homeward.presses import Press, Says

PERSON: Final = "household"
CHANNEL: Final = "mqtt"
"""Who speaks through the broker: it tells clients apart, not the people behind them."""

SETTLE_SECONDS: Final = 2.0
"""A press that comes so soon after the offer moved on was meant for what was offered before."""


def answerable(view: PageView) -> str:
    """The newest incident that interrupted and has no answer, or ``""``."""
    return next((one.id for one in view.incidents if one.waits), "")


def undoable(view: PageView) -> tuple[LeaseView, ...]:
    """The leases that can be taken back, newest first."""
    return tuple(one for one in view.leases if one.status in {"applying", "active"} and not one.one_shot)


@dataclass(slots=True)
class Offers:
    """What each button is about now, and since when (seconds of any clock that never goes back).

    Between a finger and the guard lies a moment in which a button may have come to mean something else. Where one
    offer followed upon another, a press for the new one is believed only `SETTLE_SECONDS` later.
    """

    offered: dict[Says, tuple[str, float]] = field(default_factory=dict)

    def move(self, view: PageView, now: float) -> None:
        """Offer what there is."""
        incident, leases = answerable(view), undoable(view)
        self._offer("yes", incident, now)
        self._offer("no", incident, now)
        self._offer("undo", leases[0].id if leases else "", now)

    def _offer(self, says: Says, about: str, now: float) -> None:
        before = self.offered.get(says, ("", -inf))[0]
        if about != before:
            self.offered[says] = (about, now if before and about else -inf)

    def too_soon(self, press: Press, now: float) -> bool:
        """Whether the press may have been meant for what was offered before."""
        about, since = self.offered.get(press.says, ("", -inf))
        return press.about == about and now - since < SETTLE_SECONDS
