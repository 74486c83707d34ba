"""Which messages are still to be acknowledged, and in which order. Pure: no broker, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator


class Receipt:
    """A QoS 1 message of one connection. ``ready`` once it may be acknowledged."""

    __slots__ = ("name", "packet_id", "ready", "session")

    def __init__(self, packet_id: int, session: int) -> None:
        self.packet_id = packet_id
        self.session = session
        self.ready = False
        self.name = ""


class Ledger:
    """PUBACKs in the order of receipt [MQTT-4.6.0-2], and each redelivery recognised.

    A delivery is named by packet identifier and content. A redelivery (the DUP flag) of one that was handed over, in
    this process or, as ``pending`` says, in an earlier one, makes no second event. Without the flag it is another
    message, and tells that the broker has done with the packet identifier [MQTT-2.3.1-4].
    """

    def __init__(self, pending: Iterable[str] = ()) -> None:
        self._pending: dict[int, set[str]] = {}  # journaled, and the broker may send them again
        self._open: dict[str, list[Receipt]] = {}  # handed over, and not yet committed
        self._order: deque[Receipt] = deque()  # of this connection
        self._settled: list[str] = []
        self._session = 0  # how many connections there were
        self._kept_since = 0  # the first connection of the session that the broker knows
        for name in pending:
            number = name.partition(":")[0]
            if number.isascii() and number.isdigit():
                self._pending.setdefault(int(number), set()).add(name)
            else:
                self._settled.append(name)

    def connected(self, *, session_present: bool) -> None:
        """A new connection begins. Without a session nothing of before comes again."""
        for receipt in self._order:  # committed, but behind one that was not
            if receipt.ready and receipt.name:
                self._pending.setdefault(receipt.packet_id, set()).add(receipt.name)
        self._order.clear()
        self._session += 1
        if not session_present:
            self._kept_since = self._session
            for names in self._pending.values():
                self._settled += sorted(names)
            self._pending.clear()

    def received(self, packet_id: int, name: str, *, dup: bool) -> Receipt | None:
        """Take note of a message. ``None`` when its events were handed over before."""
        receipt = Receipt(packet_id, self._session)
        self._order.append(receipt)
        if not dup:
            self._settled += sorted(self._pending.pop(packet_id, ()))
            return receipt
        if name in self._pending.get(packet_id, ()):
            self._pending[packet_id].discard(name)
            receipt.name = name
            receipt.ready = True
            return None
        if name in self._open:
            last = self._open[name][-1]
            if last.session == self._session:  # sent twice on one connection: the first one answers for both
                receipt.ready = True
            else:
                receipt.name = name
                self._open[name][-1] = receipt
            return None
        return receipt

    def handed_over(self, receipt: Receipt, name: str) -> None:
        """The message's events are with the service; `commit` will be called with the name."""
        receipt.name = name
        self._open.setdefault(name, []).append(receipt)

    def commit(self, name: str) -> None:
        """The journal holds the events. A name that was not handed over is passed over."""
        receipts = self._open.get(name)
        if not receipts:
            return
        receipt = receipts.pop(0)
        if not receipts:
            del self._open[name]
        if receipt.session == self._session:
            receipt.ready = True
        elif receipt.session >= self._kept_since:
            self._pending.setdefault(receipt.packet_id, set()).add(name)
        else:
            self._settled.append(name)

    def due(self) -> Iterator[int]:
        """The packet identifiers to acknowledge now, in order."""
        while self._order and self._order[0].ready:
            receipt = self._order.popleft()
            if receipt.name:
                self._settled.append(receipt.name)
            yield receipt.packet_id

    def take_settled(self) -> list[str]:
        """The names that were acknowledged, or will never come again, since the last call."""
        settled, self._settled = self._settled, []
        return settled
