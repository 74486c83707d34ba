"""A source that is to be checked, and what drives the place it listens to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from unittest import SkipTest

from homeward.core.event import Event
from homeward.sources import Source

Driver = Callable[..., Any] | str
"""Makes something happen (an ordinary or a coroutine function); or the reason why that cannot be."""


@dataclass(slots=True)
class Kept:
    """What the journal holds of a source: its last states (`topics.last_state`), and the deliveries that `committed`
    has not returned. A new process is given both."""

    last: dict[str, str] = field(default_factory=dict)
    pending: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A source, and what drives the place it listens to.

    ``make`` makes the source as a new process would, from what the journal holds. ``happen`` lets something happen,
    each time something else than before, and returns the word for it; ``says`` finds that word in the event (`None`
    in one that tells of something else). ``fail`` takes the place away for good. ``secrets`` are what nothing that
    the source says may hold (passwords, tokens). ``forgets`` says why what happens while nobody listens is lost; it
    is empty for a place that keeps it.

    The others are drivers, or the reason why there can be none:

    ``repeat`` says again what was said last, though nothing has changed. ``retain`` leaves a state that the place
    shows to whoever connects. ``nonsense`` sends what no source can read. ``restart`` takes the place away and brings
    it back. ``flood`` tells of more new devices than the source remembers, others at each call, and returns how many
    (lower the source's limit, if that would take too long). ``announce`` lets a device tell what it is, each time
    the same, and returns the device's name. ``presence`` is given whether a device can be heard, and returns its
    name. ``flows`` lets several flows of one device, peer and port pass, ends their minute, and returns the device
    and all of them as one `Flow`. ``act`` does what the guard itself does to a device, and returns its name.
    """

    make: Callable[[Kept], Source]
    happen: Callable[[], Any]
    fail: Callable[[], Any]
    secrets: Sequence[str]
    says: Callable[[Event], str | None] = attrgetter("action")
    forgets: str = ""
    repeat: Driver = ""
    retain: Driver = ""
    nonsense: Driver = ""
    restart: Driver = ""
    flood: Driver = ""
    announce: Driver = ""
    presence: Driver = ""
    flows: Driver = "it tells of no flows"
    act: Driver = ""
    patience: float = 20.0
    """How long to wait for what must come, in seconds: only a check that fails waits so long."""

    def needs(self, *drivers: str) -> None:
        """Skip the check, with its reason, where the place has no such driver."""
        for name in drivers:
            driver = getattr(self, name)
            if isinstance(driver, str):
                assert driver, f"Subject.{name}: give a function, or the reason why there can be none"
                raise SkipTest(driver)

    def needs_a_place_that_keeps(self) -> None:
        """Skip the check where what happens while nobody listens is lost."""
        if self.forgets:
            raise SkipTest(self.forgets)
