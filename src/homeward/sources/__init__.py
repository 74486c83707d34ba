"""Where events come from: one file for each kind of place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from homeward.core.event import Event
from homeward.core.inputs import Health


class Source(Protocol):
    """A place that events come from.

    ``events`` connects and yields until it is cancelled; it raises to be restarted by the service (it never
    retries by itself). It yields ``Health(up=True)`` once it is connected and ``Health(up=False)`` for a failure
    it can survive. The ``at`` of what it yields is set anew by the service, from the guard's clock.

    An event whose message must be acknowledged names it in ``attributes["delivery"]``. Once the journal has
    committed every event of a delivery, the service calls ``committed`` with those names (in order); the source
    acknowledges upstream and returns the names that it did acknowledge. A later event may carry a delivery that
    an earlier process journaled but did not acknowledge: those names are given to the source as ``pending``
    when it is made.
    """

    name: str

    def events(self) -> AsyncIterator[Event | Health]: ...

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]: ...
