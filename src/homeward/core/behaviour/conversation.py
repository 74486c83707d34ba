"""What is seen of a flow: its habits, their symbols and contexts. The network's half of `habits`."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from homeward.core.behaviour.habits import KEY_BITS, LINE_CELLS, NEW, PARENT, PAUSES, name_key
from homeward.core.behaviour.table import LOG2, Table
from homeward.core.flow import Flow

SIZES: Final = 48
"""Octaves of bytes: up to 128 TiB in one flow."""
RUNS: Final = 8
CROWDS: Final = 24

NAMES: Final = (
    "which way", "which service", "which peer", "how much sent", "how much received", "how often", "how regular",
    "how it ended", "how busy",
)  # fmt: skip
"""The habits of a device on the network, as they are named to its owner."""

WHICH_WAY, WHICH_SERVICE, WHICH_PEER, SENT, RECEIVED, HOW_OFTEN, HOW_REGULAR, HOW_ENDED, HOW_BUSY = range(len(NAMES))

_ALPHABET: Final = {SENT: SIZES, RECEIVED: SIZES, HOW_OFTEN: PAUSES, HOW_REGULAR: RUNS, HOW_BUSY: CROWDS}
_BASE: Final = tuple(name_key("flow", name) for name in NAMES)
_FINE: Final = name_key("finer")
_MASK: Final = (1 << KEY_BITS) - 1


def _line(length: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """What one observation of each symbol weighs on a line: half on itself, a quarter on each neighbour."""
    return tuple(((max(place - 1, 0), 64), (place, 128), (min(place + 1, length - 1), 64)) for place in range(length))


_CELLS: Final = {
    SENT: _line(SIZES), RECEIVED: _line(SIZES), HOW_OFTEN: LINE_CELLS, HOW_REGULAR: _line(RUNS),
    HOW_BUSY: _line(CROWDS),
}  # fmt: skip
_ROOT: Final = tuple(LOG2[_ALPHABET[habit]] if habit in _ALPHABET else -1 for habit in range(len(NAMES)))
_WEIGHTS: Final = tuple(_CELLS.get(habit) for habit in range(len(NAMES)))
"""What one observation of each symbol weighs, by habit; ``None`` where it weighs on itself alone."""


Contexts = tuple[tuple[int, ...], ...]
"""The context keys of every habit, coarse to fine."""


class Sighting(NamedTuple):
    """One flow as it is counted: its symbols, and the keys that its contexts are made of."""

    at: int
    symbols: tuple[int, ...]
    here: int
    """The device."""
    along: int
    """The device and the way."""
    doing: int
    """The device and the service."""
    with_peer: int
    """The device, the service and the peer: what a flow is told apart by."""

    @property
    def contexts(self) -> Contexts:
        """The context keys of every habit, coarse to fine."""
        return _contexts(self.here, self.along, self.doing, self.with_peer)


def _joined(first: int, second: int) -> int:
    """One key for two, in their order."""
    return first ^ ((second << 7 & _MASK) | (second >> (KEY_BITS - 7)))


@lru_cache(65_536)
def _keys(
    device: str, peer: str, port: int, protocol: str, inbound: bool, scope: str
) -> tuple[int, int, int, int, int, int, int]:
    """Keys of way, service and peer, and those that contexts are made of: the same few conversations come all day."""
    direction = "in" if inbound else "out"
    way, here = name_key("way", direction, scope), name_key("device", device)
    service, other = name_key("service", str(port), protocol, direction), name_key("peer", peer)
    doing = _joined(here, service)
    return way, service, other, here, _joined(here, way), doing, _joined(doing, other) ^ _FINE


@lru_cache(1_024)
def _state(state: str) -> int:
    return name_key("state", state)


def sighting(device: str, flow: Flow, scope: str, at: int, pause: int, run: int, crowd: int) -> Sighting:
    """A flow as it is counted.

    ``scope`` is where the peer is (see `traffic.scope_of`), ``pause`` the bucket of the time since this device last
    spoke so with this peer, ``run`` how often in a row that pause was the same, ``crowd`` how many flows the device
    had this way within a minute.
    """
    way, service, peer, here, along, doing, with_peer = _keys(
        device, flow.peer, flow.port, flow.protocol, flow.inbound, scope
    )
    symbols = (
        way,
        service,
        peer,
        min(flow.sent.bit_length(), SIZES - 1),
        min(flow.received.bit_length(), SIZES - 1),
        pause,
        run,
        _state(flow.state),
        min(crowd.bit_length(), CROWDS - 1),
    )
    return Sighting(at, symbols, here, along, doing, with_peer)


@lru_cache(65_536)
def _contexts(here: int, along: int, doing: int, with_peer: int) -> Contexts:
    b = _BASE
    return (
        (b[0] ^ here,),
        (b[1] ^ here, b[1] ^ along),
        (b[2] ^ here, b[2] ^ doing),
        (b[3] ^ doing, b[3] ^ with_peer),
        (b[4] ^ doing, b[4] ^ with_peer),
        (b[5] ^ doing, b[5] ^ with_peer),
        (b[6] ^ doing, b[6] ^ with_peer),
        (b[7] ^ doing, b[7] ^ with_peer),
        (b[8] ^ along,),
    )


def surprise(table: Table, seen: Sighting, contexts: Contexts) -> tuple[int, ...]:
    """The bits of every habit (Q8); ``contexts`` are those of the sighting."""
    asked = [
        table.novel(keys, symbol, NEW) if root < 0 else (keys, symbol, root)
        for keys, symbol, root in zip(contexts, seen.symbols, _ROOT, strict=True)
    ]
    return tuple(table.surprises(asked, PARENT))


def learn(table: Table, seen: Sighting, contexts: Contexts) -> None:
    """Count a sighting in its contexts."""
    for keys, symbol, cells in zip(contexts, seen.symbols, _WEIGHTS, strict=True):
        if cells is None:
            table.learn_novelty(keys, symbol, NEW)
        else:
            table.learn(keys, cells[symbol])


def unlearn(table: Table, seen: Sighting, contexts: Contexts) -> None:
    """Take back what `learn` counted."""
    for keys, symbol, cells in zip(contexts, seen.symbols, _WEIGHTS, strict=True):
        if cells is None:
            table.unlearn_novelty(keys, symbol, NEW)
        else:
            table.unlearn(keys, cells[symbol])
