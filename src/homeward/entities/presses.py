"""What may be pressed, and what a press means. Pure.

A press names what it is about (an incident, a lease) and carries the token for it, so that a late one never answers
something newer, and one that was not offered answers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Annotated, Final, Literal

import msgspec

from homeward import __version__
from homeward.core.inputs import Answer, Change, Feedback
from homeward.core.lease import Lease
from homeward.dashboard.security import answer_token, same, undo_token
from homeward.dashboard.view import Engine, LeaseView, PageView
from homeward.sources.payloads import Refused, read_text

PERSON: Final = "household"
CHANNEL: Final = "mqtt"
"""Who speaks through the broker: it tells clients apart, not the people behind them."""

PRESS_LIMIT: Final = 512
"""The longest press that is read, in bytes."""

SETTLE_SECONDS: Final = 2.0
"""A press that comes so soon after the offer moved on was meant for what was offered before."""

Says = Literal["yes", "no", "undo"]

ANSWERS: Final[Mapping[str, Answer]] = {"yes": "yes", "no": "no"}

REASONS: Final = ("retained", "too large", "malformed", "token", "too soon", "too late", "not taken in")
"""Everything that a press can be refused for."""


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press. ``about`` is the incident's id, or for ``undo`` the newest lease's that is to be taken back."""

    says: Says
    about: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    token: Annotated[str, msgspec.Meta(max_length=128)]

    def written(self) -> str:
        """As it is published: the three words. Home Assistant's templates would make a dictionary of JSON."""
        return f"{self.says} {self.about} {self.token}"


def new_press(key: str, says: Says, about: str) -> Press:
    """A press that will be accepted. ``key`` is the installation's (`homeward.dashboard.security`)."""
    token = undo_token if says == "undo" else answer_token
    return Press(says=says, about=about, token=token(key, about, PERSON, CHANNEL))


def read_press(payload: bytes, key: str, *, retained: bool) -> Press:
    """A press as it came. Raises `Refused` (one of `REASONS`)."""
    if retained:  # said some time ago, to whom it may concern
        raise Refused("retained")
    if len(payload) > PRESS_LIMIT:
        raise Refused("too large")
    words = read_text(payload).split(" ")
    if len(words) != len(Press.__struct_fields__):
        raise Refused("malformed")
    try:
        press = msgspec.convert(dict(zip(Press.__struct_fields__, words, strict=True)), Press)
    except msgspec.ValidationError:
        raise Refused("malformed") from None
    if not same(press.token, new_press(key, press.says, press.about).token):
        raise Refused("token")
    return press


def meant(press: Press, engine: Engine, now: datetime) -> Iterator[Feedback | Change]:
    """The inputs that a press means. Raises `Refused` when what it is about is settled already."""
    if press.says == "undo":
        leases = list(_up_to(press.about, engine.leases))
        if not leases:
            raise Refused("too late")
        for lease in leases:
            yield Change(at=now, version=__version__, command="undo", target=lease, person=PERSON, channel=CHANNEL)
        return
    incident = engine.incidents.get(press.about)
    if incident is None or incident.kind == "blind" or incident.answer is not None:
        raise Refused("too late")
    yield Feedback(at=now, incident=press.about, answer=ANSWERS[press.says], person=PERSON, channel=CHANNEL)


def _up_to(newest: str, leases: Mapping[str, Lease]) -> Iterator[str]:
    """The leases that can be taken back, oldest first, up to and with one; none when that one is not known."""
    if newest not in leases:
        return
    for name, lease in leases.items():
        if lease.status in {"applying", "active"} and lease.action.ends is not None:
            yield name
        if name == newest:
            return


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
