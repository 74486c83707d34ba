"""What is seen of a flow: its habits, their symbols and contexts. The network's half of `habits`."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from homeward.core.behaviour.habits import KEY_BITS, LINE_CELLS, NEW, PARENT, PAUSES, name_key
from homeward.core.behaviour.table import LOG2, WEIGHT, Table, log2
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

_OPEN: Final = frozenset({WHICH_WAY, WHICH_SERVICE, WHICH_PEER, HOW_ENDED})
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
_ONE_NEW: Final = ((NEW, WEIGHT),)


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
    def contexts(self) -> tuple[tuple[int, ...], ...]:
        """The context keys of every habit, coarse to fine."""
        b = _BASE
        _, _, here, along, doing, finer = self
        return (
            (b[0] ^ here,),
            (b[1] ^ here, b[1] ^ along),
            (b[2] ^ here, b[2] ^ doing),
            (b[3] ^ doing, b[3] ^ finer),
            (b[4] ^ doing, b[4] ^ finer),
            (b[5] ^ doing, b[5] ^ finer),
            (b[6] ^ doing, b[6] ^ finer),
            (b[7] ^ doing, b[7] ^ finer),
            (b[8] ^ along,),
        )


Contexts = tuple[tuple[int, ...], ...]


def _joined(first: int, second: int) -> int:
    """One key for two, in their order."""
    return first ^ ((second << 7 & _MASK) | (second >> (KEY_BITS - 7)))


@lru_cache(65_536)
def key_of(*words: str) -> int:
    """The key of these words, remembered: the same few peers and services come all day."""
    return name_key(*words)


def sighting(device: str, flow: Flow, scope: str, at: int, pause: int, run: int, crowd: int) -> Sighting:
    """A flow as it is counted.

    ``scope`` is where the peer is (see `traffic.scope_of`), ``pause`` the bucket of the time since this device last
    spoke so with this peer, ``run`` how often in a row that pause was the same, ``crowd`` how many flows the device
    had this way within a minute.
    """
    way = key_of("way", "in" if flow.inbound else "out", scope)
    service = key_of("service", str(flow.port), flow.protocol, "in" if flow.inbound else "out")
    peer = key_of("peer", flow.peer)
    here = key_of("device", device)
    doing = _joined(here, service)
    symbols = (
        way,
        service,
        peer,
        min(flow.sent.bit_length(), SIZES - 1),
        min(flow.received.bit_length(), SIZES - 1),
        pause,
        run,
        key_of("state", flow.state),
        min(crowd.bit_length(), CROWDS - 1),
    )
    return Sighting(at, symbols, here, _joined(here, way), doing, _joined(doing, peer) ^ _FINE)


def surprise(table: Table, seen: Sighting, contexts: Contexts) -> tuple[int, ...]:
    """The bits of every habit (Q8); ``contexts`` are those of the sighting."""
    bits = []
    for keys, symbol, root in zip(contexts, seen.symbols, _ROOT, strict=True):
        if root < 0:
            if not table.seen(keys[0], symbol):
                symbol = NEW
            root = log2(table.width(keys[0]) + 1)
        bits.append(table.surprise(keys, symbol, root, PARENT))
    return tuple(bits)


def learn(table: Table, seen: Sighting, contexts: Contexts) -> None:
    """Count a sighting in its contexts. What is met for the first time in one also counts as *new here* there, until
    it is met again: how much of the next is new is told by what was met once (Good, 1953)."""
    for habit, (keys, symbol) in enumerate(zip(contexts, seen.symbols, strict=True)):
        if habit not in _OPEN:
            table.learn(keys, _CELLS[habit][symbol])
            continue
        for key in keys:
            before = table.weight(key, symbol)
            table.learn((key,), ((symbol, WEIGHT),))
            if not before:
                table.learn((key,), _ONE_NEW)
            elif before <= WEIGHT:
                table.unlearn((key,), _ONE_NEW)


def unlearn(table: Table, seen: Sighting, contexts: Contexts) -> None:
    """Take back what `learn` counted."""
    for habit, (keys, symbol) in enumerate(zip(contexts, seen.symbols, strict=True)):
        if habit not in _OPEN:
            table.unlearn(keys, _CELLS[habit][symbol])
            continue
        for key in keys:
            table.unlearn((key,), ((symbol, WEIGHT),))
            left = table.weight(key, symbol)
            if not left:
                table.unlearn((key,), _ONE_NEW)
            elif left <= WEIGHT:
                table.learn((key,), _ONE_NEW)
