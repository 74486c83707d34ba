"""What the peers from libraries see of a flow: one row of numbers in [0, 1], the same for all of them.

As in `homeward.bench.peers.features`, the choice was made once, and nothing of it was selected by a score. They are
given all that a `Flow` tells, and what a device has had so far. With *n* flows learned and *c* of them alike, a share
is told as its surprise ``log2((n + k) / (c + 1))`` over 16 bits, cut off at 1, where *k* is one more than the kinds
met. Bytes, seconds and pauses are told as logarithms, cut off at a gigabyte, a day and a day.

======  =====================================================================================
0, 1    time of day (UTC), as sine and cosine
2, 3    bytes sent, bytes received
4       how long it took
5, 6    pause since the device's last flow, and since its last with this peer (1 if it had none)
7       how rare the peer is among the device's flows so far
8       how rare the port, protocol and direction are
9       how rare peer, port, protocol and direction are together
10-12   whether the device was asked; TCP; UDP
13-16   four bits of the CRC-32 of protocol and port
17-20   four bits of the CRC-32 of how the flow ended (Zeek's ``conn_state``)
======  =====================================================================================
"""

from __future__ import annotations

from collections import Counter
from math import cos, log1p, log2, pi, sin
from typing import Any, Final
from zlib import crc32

from homeward.bench.network.course import DAY_MS
from homeward.core.flow import Flow

Row = tuple[float, ...]

HASHED_BITS: Final = 4
MOST_BITS: Final = 16.0
MOST_BYTES: Final = log1p(1e9)
LONGEST: Final = log1p(DAY_MS / 1000)


class Features:
    """Turns the flows of one device into rows. Only what is learned is counted."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._kinds = [1, 1, 1]
        self._flows = 0
        self._last: dict[str, int] = {}
        self._last_of_all: int | None = None

    def row(self, flow: Flow, at_ms: int) -> Row:
        """A flow as it looks from before it."""
        angle = 2 * pi * (at_ms % DAY_MS) / DAY_MS
        return (
            0.5 + sin(angle) / 2,
            0.5 + cos(angle) / 2,
            _part(flow.sent, MOST_BYTES),
            _part(flow.received, MOST_BYTES),
            _part(flow.seconds, LONGEST),
            self._pause(self._last_of_all, at_ms),
            self._pause(self._last.get(flow.peer), at_ms),
            *(self._rarity(key, kinds) for key, kinds in zip(_keys(flow), self._kinds, strict=True)),
            float(flow.inbound),
            float(flow.protocol == "tcp"),
            float(flow.protocol == "udp"),
            *_bits(f"{flow.protocol} {flow.port}"),
            *_bits(flow.state),
        )

    def count(self, flow: Flow, at_ms: int) -> None:
        """The flow is learned."""
        for place, key in enumerate(_keys(flow)):
            self._kinds[place] += key not in self._counts
            self._counts[key] += 1
        self._flows += 1
        self._last[flow.peer] = self._last_of_all = at_ms

    @staticmethod
    def _pause(since: int | None, at_ms: int) -> float:
        return 1.0 if since is None else _part((at_ms - since) / 1000, LONGEST)

    def _rarity(self, key: Any, kinds: int) -> float:
        return min(1.0, log2((self._flows + kinds) / (self._counts[key] + 1)) / MOST_BITS)


def _keys(flow: Flow) -> tuple[Any, ...]:
    service = (flow.port, flow.protocol, flow.inbound)
    return flow.peer, service, (flow.peer, *service)


def _part(value: float, most: float) -> float:
    return min(1.0, log1p(max(0.0, value)) / most)


def _bits(text: str) -> Row:
    code = crc32(text.encode())
    return tuple(float(code >> bit & 1) for bit in range(HASHED_BITS))
