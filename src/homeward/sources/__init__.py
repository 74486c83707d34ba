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
    acknowledges upstream. It returns the names, of this or an earlier call, that will not come again: each once,
    and not as soon as it is acknowledged, for what the network lost of that makes the message come again. The
    journal keeps all others, and gives them to the source of a later process as ``pending``. A message that comes
    again makes no second event.
    """

    name: str

    def events(self) -> AsyncIterator[Event | Health]: ...

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]: ...
