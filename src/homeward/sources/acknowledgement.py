"""Which messages are still to be acknowledged, and in which order. Pure: no broker, no clock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Final

REMEMBERED: Final = 8_192
"""Packet identifiers whose last message is recognised when it comes again.

Far more than are ever committed and not yet acknowledged, so only acknowledged ones are given up. Far fewer than the
65,535 there are: a broker that counts them up uses one anew only when the earlier message under it is given up.
"""


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
    message.

    A PUBACK that was sent may be lost on its way. So a name is settled only when it cannot come again: the broker
    sends another message under its packet identifier [MQTT-2.3.1-4], or has lost the session; or when 8,192 other
    packet identifiers were used since.
    """

    def __init__(self, pending: Iterable[str] = ()) -> None:
        self._journaled: OrderedDict[int, set[str]] = OrderedDict()  # the broker may send them again; oldest first
        self._open: dict[str, list[Receipt]] = {}  # handed over, and not yet committed
        self._order: deque[Receipt] = deque()  # of this connection
        self._settled: dict[str, None] = {}
        self._session = 0  # how many connections there were
        self._kept_since = 0  # the first connection of the session that the broker knows
        for name in pending:
            number = name.partition(":")[0]
            if number.isascii() and number.isdigit():
                self._remember(int(number), name)
            else:
                self._settle([name])

    def connected(self, *, session_present: bool) -> None:
        """A new connection begins. Without a session nothing of before comes again."""
        for receipt in self._order:  # committed, but behind one that was not
            if receipt.ready and receipt.name:
                self._remember(receipt.packet_id, receipt.name)
        self._order.clear()
        self._session += 1
        if not session_present:
            self._kept_since = self._session
            for names in self._journaled.values():
                self._settle(names)
            self._journaled.clear()

    def received(self, packet_id: int, name: str, *, dup: bool) -> Receipt | None:
        """Take note of a message. ``None`` when its events were handed over before."""
        receipt = Receipt(packet_id, self._session)
        self._order.append(receipt)
        journaled = self._journaled.pop(packet_id, set())
        if dup and name in journaled:
            self._settle(journaled - {name})
            receipt.name = name
            receipt.ready = True
            return None
        self._settle(journaled)
        if dup and name in self._open:
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
        self._settled.pop(name, None)  # an earlier message of this name; the journal's row will be the new one's

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
            self._remember(receipt.packet_id, name)
        elif not receipts:
            self._settle([name])

    def due(self) -> Iterator[int]:
        """The packet identifiers to acknowledge now, in order."""
        while self._order and self._order[0].ready:
            receipt = self._order.popleft()
            if receipt.name:
                self._remember(receipt.packet_id, receipt.name)
            yield receipt.packet_id

    def take_settled(self) -> list[str]:
        """The names that will not come again, as is known since the last call."""
        settled = list(self._settled)
        self._settled.clear()
        return settled

    def _remember(self, packet_id: int, name: str) -> None:
        self._journaled.setdefault(packet_id, set()).add(name)
        self._journaled.move_to_end(packet_id)
        if len(self._journaled) > REMEMBERED:
            self._settle(self._journaled.popitem(last=False)[1])

    def _settle(self, names: Iterable[str]) -> None:
        self._settled.update(dict.fromkeys(sorted(names)))
