"""Modes: what the owner says about the house for a while, and what follows from it.

===============  ======  =====  ============  ==================  =============================================
mode             arms    mutes  longest       ends in             for
===============  ======  =====  ============  ==================  =============================================
``home``         no      no     has no end    —                   somebody is in, or comes and goes
``away``         yes     no     has no limit  ``home``            nobody is in
``night``        yes     no     24 hours      ``home``            everybody sleeps
``holiday``      yes     no     90 days       ``away``            nobody is in, for days
``maintenance``  as was  yes    8 hours       the mode before it  somebody works on the devices
===============  ======  =====  ============  ==================  =============================================

*Arms*: the rule *entrance while armed* watches (`homeward.core.rules`). *Mutes*: nothing is done and nobody is told;
incidents are opened, put on record and shown all the same, and what may save a life still tells. One mode holds at a
time. Only ``maintenance`` must be given an end, so that silence cannot be forgotten. A holiday that is over leaves
the house armed, because nobody may have come home yet: whoever does says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from homeward.core.event import is_name
from homeward.core.local_time import LAST_MS
from homeward.core.settings import Device
from homeward.core.vocabulary import LIFE_SAFETY_TYPES

HOME: Final = "home"
AWAY: Final = "away"
MAINTENANCE: Final = "maintenance"

_HOUR: Final = 3_600_000


class _Row(NamedTuple):
    """A row of the module's table. ``arms`` is ``None`` for *as was*, ``after`` empty for the mode before it;
    ``longest`` (ms) is 0 where there is no end and ``None`` where there is no limit."""

    arms: bool | None
    mutes: bool
    longest: int | None
    after: str


_TABLE: Final = MappingProxyType(
    {
        HOME: _Row(arms=False, mutes=False, longest=0, after=HOME),
        AWAY: _Row(arms=True, mutes=False, longest=None, after=HOME),
        "night": _Row(arms=True, mutes=False, longest=24 * _HOUR, after=HOME),
        "holiday": _Row(arms=True, mutes=False, longest=90 * 24 * _HOUR, after=AWAY),
        MAINTENANCE: _Row(arms=None, mutes=True, longest=8 * _HOUR, after=""),
    }
)

NAMES: Final = tuple(_TABLE)


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode that ``by`` entered at ``since`` (ms), and that ends by itself at ``until`` unless that is ``None``."""

    name: str = HOME
    since: int = 0
    until: int | None = None
    by: str = "household"


@dataclass(slots=True)
class Modes:
    """``current`` holds. ``before`` is what maintenance has interrupted."""

    current: Mode = field(default_factory=Mode)
    before: Mode | None = None

    def fork(self) -> Modes:
        """A copy that can go on by itself."""
        return Modes(self.current, self.before)

    @property
    def arms(self) -> bool:
        """Whether the mode (or the one that maintenance has interrupted) arms the house."""
        row = _row(self.current)
        return bool(_row(self.before or Mode()).arms if row.arms is None else row.arms)

    def mutes(self, device: Device) -> bool:
        """Whether nothing is done and nobody is told about this device, but for the record."""
        return _row(self.current).mutes and device.type not in LIFE_SAFETY_TYPES

    def enter(self, name: str, at: int, until: int | None, by: str) -> str:
        """Go over to a mode, or give the present one another end. Returns why that is refused, or nothing."""
        if name not in _TABLE:
            return f"a mode is one of: {', '.join(NAMES)}"
        if not _has_name(by):
            return "who asks for it has no name"
        if why := _wrong_end(name, at, until):
            return why
        if name != MAINTENANCE:
            self.before = None
        elif self.current.name != MAINTENANCE:
            self.before = self.current
        self.current = Mode(name, at, until, by)
        return ""

    def leave(self, at: int, by: str) -> Mode:
        """End the present mode, and return it: after maintenance it is as before, after all others ``home``.

        That is never refused; whoever has no name that can be kept is put down as the household.
        """
        left = self.current
        back = self.before or Mode(HOME, at, None, by if _has_name(by) else "household")
        self.current, self.before = back, None
        return left

    def expire(self, at: int) -> Mode | None:
        """End the present mode if its time is over, and return it. What it ends in may be over too: ask again.

        A mode that follows by itself begins when the one before it ended, and was entered by whoever entered that.
        """
        ended = self.current
        if ended.until is None or at < ended.until:
            return None
        after = Mode(_row(ended).after or HOME, ended.until, None, ended.by)
        self.current, self.before = self.before or after, None
        return ended

    def next_deadline(self) -> int | None:
        """When the present mode ends by itself (ms)."""
        return self.current.until


def _has_name(person: str) -> bool:
    return is_name(person) and person.isprintable()


def _row(mode: Mode) -> _Row:
    return _TABLE.get(mode.name, _TABLE[HOME])


def _wrong_end(name: str, at: int, until: int | None) -> str:
    longest = _TABLE[name].longest
    if until is None:
        return "maintenance must have an end, within 8 hours" if name == MAINTENANCE else ""
    if longest == 0:
        return f"{name} has no end: it is what other modes end in"
    if not at < until < LAST_MS:
        return "a mode must end later than now"
    if longest is not None and until - at > longest:
        return f"{name} may last {longest // _HOUR} hours"
    return ""
