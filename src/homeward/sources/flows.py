"""Flows on their way to events: what is one and the same within a minute is told as one. Pure: no file, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from homeward.core.flow import BYTES_LIMIT, COUNT_LIMIT, FLOW, SECONDS_LIMIT, Flow, flow_attributes

WINDOW: Final = 60.0
"""How long a window is, in seconds."""

KINDS_OF_DEVICE: Final = 128
"""Different (peer, port, protocol, direction) that one device is told of in a window; a scan touches thousands."""

KINDS: Final = 8_192
"""The same of all devices together."""

DEVICES: Final = 2_048
"""Devices that are told of in a window. A house has far fewer; forged addresses can make millions."""

MANY: Final = "many"
"""The peer, or the signature, of what is beyond those limits."""

MIXED: Final = "mixed"
"""The protocol of many."""

_KEPT = frozenset({"login", "severity"})  # what of many is still told apart: a handful of words

About = tuple[tuple[str, str], ...]
Kind = tuple[str, str, str, int, str, bool, About]


class Sighting(NamedTuple):
    """A flow of a device, when it ended (epoch seconds), and what else is known ``about`` it as attributes.

    An alert is one too: its flow tells whom it was about, and ``about`` what.
    """

    device: str
    flow: Flow
    happened: float
    action: str = FLOW
    about: About = ()

    @property
    def attributes(self) -> dict[str, str]:
        """What the event carries."""
        if self.action == FLOW:
            return flow_attributes(self.flow) | dict(self.about)
        told = flow_attributes(self.flow)
        return {name: told[name] for name in ("peer", "port", "protocol", "direction", "count")} | dict(self.about)


@dataclass(slots=True)
class _Held:
    """What came after the first of a kind."""

    last: Sighting
    sent: int
    received: int
    seconds: float
    count: int
    state: str


class Merger:
    """Merges the sightings of one kind (device, peer, port, protocol, direction, about) within a window of a minute.

    The first is told at once, the others together when the window ends. Windows follow each other: one begins with
    the first sighting and ends, for all kinds at once, when one of a later minute than any before it comes (logs are
    not in the order of time), or when the caller says so.
    Beyond the limits a device's sightings are told at the end only, as one with the peer `MANY`. Sums are exact up to
    the limits of `Flow`; of states that differ nothing is told.

    ``merged`` counts the sightings that were not told alone (``same``, ``many``), ``refused`` those of more devices
    than `DEVICES`.
    """

    def __init__(self) -> None:
        self.merged: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.minute = 0
        """The latest minute since the epoch that was seen."""
        self._is_open = False
        self._kinds: set[Kind] = set()
        self._of_device: Counter[tuple[str, str]] = Counter()
        self._held: dict[Kind, _Held] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no window is open."""
        return not self._is_open

    def is_over(self, happened: float) -> bool:
        """Whether a sighting of that time begins another window; then `close` comes first."""
        return self._is_open and happened // WINDOW > self.minute

    def open(self, happened: float) -> None:
        """Begin a window with a sighting of that time."""
        self._is_open = True
        self.minute = max(self.minute, int(happened // WINDOW))

    def place(self, sighting: Sighting) -> tuple[Kind, bool] | None:
        """The kind it counts as, and whether it is the first; ``None`` where there are too many devices."""
        device, flow, _, action, about = sighting
        kind = (device, action, flow.peer, flow.port, flow.protocol, flow.inbound, about)
        if kind in self._kinds:
            return kind, False
        of_device = self._of_device
        if (device, action) not in of_device and len(of_device) >= DEVICES:
            self.refused["too many devices"] += 1
            return None
        if of_device[device, action] >= KINDS_OF_DEVICE or len(self._kinds) >= KINDS:
            of_device[device, action] += 0
            kept = tuple(pair for pair in about if pair[0] in _KEPT)
            return (device, action, MANY, 0, MIXED, flow.inbound, kept), False
        of_device[device, action] += 1
        self._kinds.add(kind)
        return kind, True

    def hold(self, kind: Kind, sighting: Sighting) -> None:
        """Keep what is not the first of its kind until the window ends."""
        flow = sighting.flow
        self.merged["many" if kind[2] == MANY else "same"] += 1
        held = self._held.get(kind)
        if held is None:
            self._held[kind] = _Held(sighting, flow.sent, flow.received, flow.seconds, flow.times, flow.state)
            return
        held.last = sighting
        held.sent += flow.sent
        held.received += flow.received
        held.seconds += flow.seconds
        held.count += flow.times
        if held.state != flow.state:
            held.state = ""

    def add(self, sighting: Sighting) -> Sighting | None:
        """`open`, `place` and `hold` in one: the sighting, where it is the first of its kind."""
        if not self._is_open:
            self.open(sighting.happened)
        placed = self.place(sighting)
        if placed is None:
            return None
        kind, first = placed
        if first:
            return sighting
        self.hold(kind, sighting)
        return None

    def close(self) -> list[tuple[Kind, Sighting]]:
        """End the window: what it held, each kind as one sighting with the time of its last."""
        told = [(kind, _as_one(kind, held)) for kind, held in self._held.items()]
        self._is_open = False
        self._kinds.clear()
        self._of_device.clear()
        self._held.clear()
        return told


def _as_one(kind: Kind, held: _Held) -> Sighting:
    device, action, peer, port, protocol, inbound, about = kind
    flow = Flow(
        peer,
        port,
        protocol,
        inbound,
        min(held.sent, BYTES_LIMIT),
        min(held.received, BYTES_LIMIT),
        min(held.seconds, SECONDS_LIMIT),
        held.state,
        min(held.count, COUNT_LIMIT),
    )
    if peer == MANY and action != FLOW:
        about = (("signature", MANY), ("category", ""), *about)
    return Sighting(device, flow, held.last.happened, action, about)


def merge(sightings: Iterable[Sighting], merger: Merger) -> Iterable[Sighting]:
    """A whole record of sightings, merged as it would have been live: for replay and benchmarks."""
    for sighting in sightings:
        if merger.is_over(sighting.happened):
            yield from (told for _, told in merger.close())
        first = merger.add(sighting)
        if first is not None:
            yield first
    yield from (told for _, told in merger.close())
