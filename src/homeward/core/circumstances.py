"""What it is like right now: whether anybody is home, whether it is night, whose quiet hours it is."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from homeward.core.local_time import LocalClock, milliseconds, moment
from homeward.core.quiet_hours import QuietHours, minute_of
from homeward.core.settings import Device, Listener
from homeward.core.standing import StandingRule
from homeward.core.state import EngineState
from homeward.core.vocabulary import is_guarded

HOUR_MS: Final = 3_600_000
EVENING, MORNING = 23, 6
"""It is night from 23 to 6 o'clock: a context of choices, of no habit."""


class Circumstances:
    """Asked at a moment of the guard's clock."""

    def __init__(self, state: EngineState, clock: LocalClock) -> None:
        self._state = state
        self._clock = clock

    def __call__(self, now: datetime) -> tuple[bool, bool]:
        """Whether nobody is home, as far as is known, and whether it is night."""
        hour = self._local(now) // HOUR_MS % 24
        return self._state.profile.presence.residents not in {"", "home"}, hour >= EVENING or hour < MORNING

    def quiet_until(self, listener: Listener, now: datetime) -> datetime | None:
        """When a listener's quiet hours end, if it is one now. Hours that cannot be are none."""
        try:
            quiet = None if listener.quiet is None else QuietHours(*listener.quiet)
        except ValueError:
            return None
        ends = None if quiet is None else quiet.ends_at(milliseconds(now), self._clock, self._state.offset)
        return None if ends is None else moment(ends)

    def doubtful(self, person: str, device: Device, at: int) -> str:
        """The person, if what is done to this device in their name does not count: they have to step up first."""
        return person if is_guarded(device.type, device.role) and self._state.step_up.must(person, at) else ""

    def owners_rule(self, device: Device, action: str, person: str, at: int) -> StandingRule | None:
        """The owner's rule about what somebody did; none that relaxes counts for who has to step up.

        Its hours are the guard's: a source may claim another time.
        """
        state = self._state
        if not state.standing.by_device:
            return None
        minute = minute_of(self._clock.local(at + state.offset))
        rule = state.standing.judge(device, action, person, minute, at)
        if rule is not None and rule.verdict != "never_fine" and state.step_up.suspected(person, at):
            return None
        return rule

    def mutes(self, device: Device) -> bool:
        """Whether the mode says that nobody is told about this device now."""
        return self._state.modes.mutes(device)

    def _local(self, now: datetime) -> int:
        return self._clock.local(milliseconds(now) + self._state.offset)
