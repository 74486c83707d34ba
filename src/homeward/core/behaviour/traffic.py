"""Traffic: what is usual for each device on the network, and when it no longer is.

Every flow is judged by nine habits (see `conversation`), each by its own empirical tail among the device's past
flows, which are *lived again* now and then: scored as if each had not been and came today. What they say falls into
five parts: which way, which service, which peer, how it went, and its rhythm. The last two have three habits each
that say the same thing in three ways, so each such part is as rare as its rarest habit. Their sum is the flow's score
(Fisher, 1925). If the parts were independent, a usual flow would score above `USUAL` once in 4,000; what flows of one
device within half an hour score above that adds up (Page, 1954), and beyond `ENOUGH` it is unusual: one flow of 40
bits, which chance alone would bring once in 40 million, or several that are less so. As soon as a week of such
half-hours was seen, they say what the owner's budget takes; `ENOUGH` stays the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple

from homeward.core.behaviour import conversation
from homeward.core.behaviour.calibration import Calibration, Tail
from homeward.core.behaviour.conversation import (
    HOW_BUSY,
    HOW_ENDED,
    HOW_OFTEN,
    HOW_REGULAR,
    NAMES,
    RECEIVED,
    RUNS,
    SENT,
    WHICH_PEER,
    WHICH_SERVICE,
    WHICH_WAY,
    Sighting,
    sighting,
)
from homeward.core.behaviour.habits import PAUSES, pause_bucket
from homeward.core.behaviour.past import DAY, HELD_DAYS
from homeward.core.behaviour.table import Table
from homeward.core.flow import Flow

USUAL: Final = 24 << 8
"""What a flow may score without being evidence (Q8)."""
ENOUGH: Final = 16 << 8
"""The least evidence (Q8) that is unusual, whatever the budget."""
RAREST: Final = 20 << 8
"""No habit is rarer than one in a million (Q8): no home has told us enough to claim more."""
HOLD: Final = 7 << 8
"""What is rarer among the device's flows than one in 128 (Q8) is held back, and not learned."""

VISIT: Final = 30 * 60_000
"""How long (ms) what a device does on the network belongs together."""

YOUNG: Final = 32
"""So many flows of a device are learned before any is judged."""
PAST: Final = 2_048
PAST_ALL: Final = 65_536
"""How many past flows of a device, and of all, are kept to be lived again."""
PAST_LEAST: Final = 128
RELIVE: Final = frozenset({YOUNG, 64, 256, 1_024})
"""After so many flows of a device its past is lived again; and then once a day."""
LINES: Final = 1_024
PEERS: Final = 512
NEEDS: Final = 256
HELD: Final = 1_024
SAMPLES: Final = 4
EVIDENCE: Final = 256
TABLE: Final = 1 << 18
COME_BACK_DAYS: Final = 3

_NEVER: Final = PAUSES - 1

Conversation = tuple[str, int, str, bool]
"""With whom, and what: peer, port, protocol, inbound."""


class Reading(NamedTuple):
    """What a flow comes to. ``bits`` and ``rarities`` by habit, ``score`` and ``evidence`` in Q8 bits.

    ``score`` is the flow's own and what its conversation was above usual within the last half-hour. ``evidence`` is
    all of the device's within it, this flow included; ``unusual`` whether that is too much. ``held`` tells that the
    flow must not be learned yet. ``habit`` is the rarest: the reason.
    """

    seen: Sighting
    bits: tuple[int, ...]
    rarities: tuple[int, ...]
    score: int
    evidence: int
    unusual: bool
    held: bool

    @property
    def habit(self) -> int:
        """The habit whose bits are the rarest."""
        return max(range(len(NAMES)), key=self.rarities.__getitem__)


@dataclass(slots=True)
class Need:
    """How often a conversation was learned, on how many days, and when first and last (ms)."""

    count: int
    days: int
    first: int
    last: int


@dataclass(slots=True)
class Line:
    """One device on the network."""

    flows: int = 0
    lived_at: int = 0
    last: dict[Conversation, tuple[int, int, int]] = field(default_factory=dict)
    """By conversation: when it last was (ms), the pause before (bucket), and how often in a row that was the same."""
    minutes: dict[bool, tuple[int, int, int]] = field(default_factory=dict)
    """By direction: the running minute, flows in it, flows in the one before."""
    tails: list[Tail] = field(default_factory=lambda: [Tail() for _ in NAMES])
    scores: Tail = field(default_factory=Tail)
    past: list[Sighting] = field(default_factory=list)
    strange: list[tuple[int, int, int]] = field(default_factory=list)
    """When (ms), by how much (Q8), and in which conversation (key) flows of the last half-hour were above usual."""
    gathered: int = 0
    talks: dict[int, int] = field(default_factory=dict)
    """What the last half-hour's evidence adds up to (Q8), in all and by conversation."""
    needs: dict[Conversation, Need] = field(default_factory=dict)

    def fork(self) -> Line:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.last, twin.minutes, twin.talks = self.last.copy(), self.minutes.copy(), self.talks.copy()
        twin.past, twin.strange = self.past.copy(), self.strange.copy()
        twin.needs = {talk: copy(need) for talk, need in self.needs.items()}
        return twin

    def rarities(self, bits: Sequence[int]) -> tuple[int, ...]:
        """How rare the bits of each habit are among the device's flows (Q8)."""
        return tuple([min(tail.rarity(bit), RAREST) for tail, bit in zip(self.tails, bits, strict=True)])

    def note_strange(self, at: int, excess: int, talk: int) -> None:
        """One more flow above what is usual."""
        self.strange.append((at, excess, talk))
        self.gathered += excess
        self.talks[talk] = self.talks.get(talk, 0) + excess
        if len(self.strange) > EVIDENCE:
            self._forget_one()

    def forget_strange(self, at: int) -> None:
        """What is more than half an hour ago is no evidence any more."""
        while self.strange and at - self.strange[0][0] > VISIT:
            self._forget_one()

    def _forget_one(self) -> None:
        _, excess, talk = self.strange.pop(0)
        self.gathered -= excess
        left = self.talks[talk] - excess
        if left:
            self.talks[talk] = left
        else:
            del self.talks[talk]


@dataclass(slots=True)
class HeldFlow:
    """A conversation that is not learned: some of its flows, the days it was on, and the incident it is part of."""

    at: int
    sample: list[Sighting]
    days: list[int]
    incident: str = ""


@lru_cache(65_536)
def scope_of(peer: str) -> str:
    """Where a peer is: ``local``, ``outside``, or ``group`` (multicast, broadcast). A name is outside, unless it ends
    as names of home networks do (RFC 6762, RFC 8375)."""
    if ":" in peer:
        lower = peer.lower()
        return "group" if lower.startswith("ff") else "local" if lower.startswith(("fe8", "fc", "fd")) else "outside"
    parts = peer.split(".")
    if len(parts) == 4 and parts[3].isdigit() and parts[0].isdigit():
        first, second = int(parts[0]), int(parts[1]) if parts[1].isdigit() else 0
        if 224 <= first <= 255 or parts[3] == "255":
            return "group"
        private = first in {0, 10, 127} or (first, second) in {(192, 168), (169, 254)}
        return "local" if private or (first == 172 and 16 <= second < 32) else "outside"
    return "local" if peer.endswith((".local", ".home.arpa", ".lan")) or "." not in peer else "outside"


@dataclass(slots=True)
class Traffic:
    """The network of one place, as plain values. Times are in ms of the guard's clock. ``assess`` changes
    nothing, but that evidence which is over is forgotten.

    ``held`` is by device and conversation. ``visits`` count the highest evidence of half-hours; ``threshold`` is what
    they say that the budget takes (Q8). ``highest`` is of the running half-hour, whose number is ``visit``.

    Memory is bounded: `LINES` devices (the one that was longest quiet goes), `PAST` flows, `PEERS` conversations and
    `NEEDS` of each, `HELD` held ones, a table of `TABLE` cells.
    """

    table: Table = field(default_factory=lambda: Table(capacity=TABLE))
    lines: dict[str, Line] = field(default_factory=dict)
    held: dict[tuple[str, Conversation], HeldFlow] = field(default_factory=dict)
    visits: Calibration = field(default_factory=Calibration)
    threshold: int = ENOUGH
    highest: int = 0
    visit: int = 0
    day: int = 0

    # What a flow comes to

    def assess(self, device: str, flow: Flow, at: int) -> Reading:
        """What a flow that comes at this moment comes to."""
        line = self.lines.get(device) or Line()
        seen = self._see(line, device, flow, at)
        bits = conversation.surprise(self.table, seen, seen.contexts)
        if line.lived_at == 0:
            return Reading(seen, bits, (0,) * len(NAMES), 0, 0, unusual=False, held=False)
        rarities = line.rarities(bits)
        score = _score(rarities)
        held = line.scores.rarity(score) >= HOLD
        if score <= USUAL:
            return Reading(seen, bits, rarities, score, 0, unusual=False, held=held)
        line.forget_strange(at)
        evidence = line.gathered + score - USUAL
        score += line.talks.get(seen.with_peer, 0)
        return Reading(seen, bits, rarities, score, evidence, evidence >= self.threshold, held)

    def _see(self, line: Line, device: str, flow: Flow, at: int) -> Sighting:
        before = line.last.get((flow.peer, flow.port, flow.protocol, flow.inbound))
        pause, run = _NEVER, 0
        if before is not None:
            pause = pause_bucket(max(0, at - before[0]))
            run = min(before[2] + 1, RUNS - 1) if abs(pause - before[1]) <= 1 else 0
        _, now, last = _minute(line, flow.inbound, at)
        crowd = now + flow.times + last * (60_000 - at % 60_000) // 60_000
        return sighting(device, flow, scope_of(flow.peer), at, pause, run, crowd)

    # What comes of it

    def note(self, device: str, flow: Flow, reading: Reading) -> None:
        """The flow was: it is the last of its conversation, and its evidence stands for half an hour."""
        at = reading.seen.at
        line = self.lines.pop(device, None)
        if line is None:
            line = Line()
            if len(self.lines) >= LINES:
                del self.lines[next(iter(self.lines))]
        self.lines[device] = line
        talk = (flow.peer, flow.port, flow.protocol, flow.inbound)
        line.last.pop(talk, None)
        if len(line.last) >= PEERS:
            del line.last[next(iter(line.last))]
        line.last[talk] = at, reading.seen.symbols[HOW_OFTEN], reading.seen.symbols[HOW_REGULAR]
        minute, now, last = _minute(line, flow.inbound, at)
        line.minutes[flow.inbound] = minute, now + flow.times, last
        if reading.evidence:
            line.note_strange(at, reading.evidence - line.gathered, reading.seen.with_peer)
        self.highest = max(self.highest, reading.evidence)

    def learn(self, device: str, flow: Flow, seen: Sighting) -> None:
        """Count the flow: from now on it is a little more usual."""
        line = self.lines[device]
        conversation.learn(self.table, seen, seen.contexts)
        self._remember(line, seen)
        line.flows += 1
        self._note_need(line, (flow.peer, flow.port, flow.protocol, flow.inbound), seen.at)
        n = line.flows
        if n in RELIVE or (n >= YOUNG and seen.at - line.lived_at >= DAY):
            self.live_again(device)

    def hold(self, device: str, flow: Flow, seen: Sighting, incident: str = "") -> bool:
        """Keep the flow back. What comes back on three separate days, and was no part of an incident, is learned at
        last; whether it was."""
        talk = (flow.peer, flow.port, flow.protocol, flow.inbound)
        kept = self.held.pop((device, talk), None) or HeldFlow(seen.at, [], [])
        kept.at, kept.incident = seen.at, kept.incident or incident
        if len(kept.sample) < SAMPLES:
            kept.sample.append(seen)
        day = seen.at // DAY
        if day not in kept.days:
            kept.days.append(day)
        if not kept.incident and len(kept.days) >= COME_BACK_DAYS:
            self._release(device, talk, kept)
            return True
        if len(self.held) >= HELD:
            del self.held[next(iter(self.held))]
        self.held[(device, talk)] = kept
        return False

    def is_told(self, device: str, flow: Flow) -> bool:
        """Whether this conversation is part of an incident that was told already."""
        kept = self.held.get((device, (flow.peer, flow.port, flow.protocol, flow.inbound)))
        return kept is not None and bool(kept.incident)

    def release(self, incident: str) -> int:
        """Learn what was held of an incident; returns how many conversations."""
        found = [(key, kept) for key, kept in self.held.items() if kept.incident == incident]
        for (device, talk), kept in found:
            del self.held[(device, talk)]
            self._release(device, talk, kept)
        return len(found)

    def discard(self, incident: str) -> int:
        """It was not the owner: what was held of the incident stays strange; returns how many conversations."""
        return sum(kept.incident == incident for kept in self.held.values())

    def _release(self, device: str, talk: Conversation, kept: HeldFlow) -> None:
        line = self.lines.get(device)
        if line is None:
            return
        for seen in kept.sample:
            conversation.learn(self.table, seen, seen.contexts)
            self._remember(line, seen)
            self._note_need(line, talk, seen.at)
        line.strange.clear()
        line.talks.clear()
        line.gathered = 0
        if line.lived_at:
            self.live_again(device)

    def _remember(self, line: Line, seen: Sighting) -> None:
        line.past.append(seen)
        limit = max(PAST_LEAST, min(PAST, PAST_ALL // len(self.lines)))
        while len(line.past) > limit:
            line.past.pop(0)

    def _note_need(self, line: Line, talk: Conversation, at: int) -> None:
        need = line.needs.pop(talk, None)
        if need is None:
            if len(line.needs) >= NEEDS:
                del line.needs[next(iter(line.needs))]  # the one that was longest not needed
            need = Need(0, 1, at, at)
        need.count += 1
        need.days += at // DAY != need.last // DAY
        need.last = at
        line.needs[talk] = need

    # Time

    def live_again(self, device: str) -> None:
        """Score the device's past flows as if each had not been and came today (leave-one-out), and judge by that."""
        line = self.lines[device]
        past, table = line.past, self.table
        tails, scores = [Tail() for _ in NAMES], Tail()
        all_bits = []
        for seen in past:
            keys = seen.contexts
            conversation.unlearn(table, seen, keys)
            bits = conversation.surprise(table, seen, keys)
            conversation.learn(table, seen, keys)
            all_bits.append(bits)
            for tail, bit in zip(tails, bits, strict=True):
                tail.add(bit)
        for tail in tails:
            tail.settle()
        line.tails = tails
        for bits in all_bits:
            scores.add(_score(line.rarities(bits)))
        scores.settle()
        line.scores, line.lived_at = scores, past[-1].at if past else 0

    def pass_time(self, at: int, per_week: float, half_life: int) -> None:
        """Half-hours and days pass, with what is then usual; ``per_week`` is the budget's share for the network."""
        self.table.epoch = at // half_life
        visit = at // VISIT
        if visit == self.visit:
            return
        if self.visit:
            self.visits.add(self.highest)
        self.visit, self.highest = visit, 0
        day = at // DAY
        if day != self.day:
            self.visits.add_day(1 if self.day else 0)
            self.day = day
            self.visits.fade(at // half_life)
            measured = self.visits.threshold(per_week)
            self.threshold = ENOUGH if measured is None else max(ENOUGH, measured)
            self._drop_old(at)

    def _drop_old(self, at: int) -> None:
        for key in [key for key, kept in self.held.items() if at - kept.at > HELD_DAYS * DAY]:
            del self.held[key]

    def fork(self) -> Traffic:
        """A copy that can go on by itself; valid only as long as this one does not change."""
        twin = copy(self)
        twin.table = self.table.fork()
        twin.lines = {name: line.fork() for name, line in self.lines.items()}
        twin.held = {
            key: replace(kept, sample=kept.sample.copy(), days=kept.days.copy()) for key, kept in self.held.items()
        }
        twin.visits = self.visits.fork()
        return twin

    def needs_it(self, device: str, flow: Flow) -> bool:
        """Whether the device was learned to have this conversation."""
        line = self.lines.get(device)
        return line is not None and (flow.peer, flow.port, flow.protocol, flow.inbound) in line.needs

    def needs(self, device: str) -> Iterator[tuple[Conversation, Need]]:
        """The conversations that the device was learned to have, the most frequent first."""
        line = self.lines.get(device)
        if line is not None:
            yield from sorted(line.needs.items(), key=lambda item: (-item[1].count, item[0]))


def _score(rarities: tuple[int, ...]) -> int:
    """The five parts together (Q8)."""
    r = rarities
    return (
        r[WHICH_WAY] + r[WHICH_SERVICE] + r[WHICH_PEER]
        + max(r[SENT], r[RECEIVED], r[HOW_ENDED]) + max(r[HOW_OFTEN], r[HOW_REGULAR], r[HOW_BUSY])
    )  # fmt: skip


def _minute(line: Line, inbound: bool, at: int) -> tuple[int, int, int]:
    """The running minute of a direction, flows in it until now, and in the one before."""
    minute = at // 60_000
    before, now, last = line.minutes.get(inbound, (minute, 0, 0))
    if before == minute:
        return minute, now, last
    return minute, 0, now if minute - before == 1 else 0
