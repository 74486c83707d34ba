"""The checks of `homeward.testing` find what they are for: a good source passes, one with a fault does not."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest import SkipTest

import pytest

from homeward.core.event import Event
from homeward.core.flow import Flow, flow_attributes
from homeward.core.inputs import Health
from homeward.testing import CHECKS, Check, Kept, Subject, name_of

SECRET = "swordfish"
LIMIT, FLOOD = 50, 1_000

FAULTS = [
    ("is up last", "it_first_says_that_it_is_up"),
    ("unclean names", "its_events_are_whole"),
    ("one id", "its_events_are_whole"),
    ("tells the secret", "nothing_it_says_holds_a_secret"),
    ("an event twice", "a_change_is_one_event"),
    ("repeats", "a_repeated_state_is_no_event"),
    ("tells what is shown", "what_was_so_before_is_no_event"),
    ("forgets the last state", "a_state_that_the_journal_knows_is_no_event"),
    ("no actor", "the_guards_own_acts_are_told_as_its_own"),
    ("everybody is the guard", "the_guards_own_acts_are_told_as_its_own"),
    ("done with twice", "a_delivery_is_done_with_once_and_only_when_written_down"),
    ("starts once", "it_can_be_stopped_and_started_again"),
    ("begins with the present", "what_happens_while_it_is_stopped_is_told_once"),
    ("begins with the present", "it_goes_on_when_its_place_was_restarted"),
    ("acknowledges at once", "what_was_not_written_down_comes_again"),
    ("retries", "it_raises_when_its_place_is_gone_and_raises_again_instead_of_retrying"),
    ("many lines", "it_raises_when_its_place_is_gone_and_raises_again_instead_of_retrying"),
    ("another error", "it_raises_when_its_place_is_gone_and_raises_again_instead_of_retrying"),
    ("stays", "it_ends_when_it_is_cancelled"),
    ("leaves a task", "it_ends_when_it_is_cancelled"),
    ("dies of nonsense", "nonsense_is_counted_and_stops_nothing"),
    ("counts no nonsense", "nonsense_is_counted_and_stops_nothing"),
    ("remembers every name", "a_flood_of_names_is_bounded"),
    ("drops in silence", "a_flood_of_names_is_bounded"),
    ("announces each time", "what_a_device_is_is_told_once"),
    ("invents a type", "what_a_device_is_is_told_once"),
    ("online is news", "a_device_that_cannot_be_heard_makes_blind"),
    ("tells every flow", "flows_of_a_minute_are_told_as_one_and_add_up"),
    ("counts the first again", "flows_of_a_minute_are_told_as_one_and_add_up"),
]
"""What may be wrong with a source, and the check that must find it."""


class Place:
    """Messages with a number, which it keeps until they are acknowledged; and what it shows to whoever connects."""

    def __init__(self) -> None:
        self.there = True
        self.unread: dict[int, dict[str, Any]] = {}
        self.shown: dict[str, dict[str, Any]] = {}
        self.link: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.last = "closed"
        self._numbers = itertools.count(1)
        self._words = itertools.cycle(("open", "closed"))
        self._names = itertools.count()

    def connect(self) -> None:
        self.link = asyncio.Queue()
        for message in (*self.shown.values(), *self.unread.values()):
            self.link.put_nowait(message)

    def say(self, device: str, word: str, **more: Any) -> None:
        message = {"number": next(self._numbers), "device": device, "word": word, **more}
        self.unread[message["number"]] = message
        self.link.put_nowait(message)

    def show(self, device: str, word: str, **more: Any) -> str:
        self.shown[more.get("kind", "state") + device] = message = {"device": device, "word": word, **more}
        self.link.put_nowait(message)
        return device

    def happen(self) -> str:
        self.last = next(self._words)
        self.say("door", self.last)
        return self.last

    def retain(self) -> None:
        self.last = next(self._words)
        self.show("door", self.last)

    def leave(self) -> None:
        self.there = False
        self.link.put_nowait({"kind": "end"})

    def flood(self) -> int:
        for name in itertools.islice(self._names, FLOOD):
            self.say(f"made up {name}", "on")
        return FLOOD

    def flows(self) -> tuple[str, Flow]:
        for size in (1, 2, 3):
            self.say("camera", "flow", sent=size)
        self.say("camera", "minute")
        return "camera", Flow("cloud", 443, "tcp", sent=6, times=3)

    def act(self) -> str:
        self.say("lamp", "on", by="homeward")
        return "lamp"


class Listener:
    """A `Source` of a `Place`, with one fault or none."""

    name = "listener"

    def __init__(self, place: Place, kept: Kept, fault: str) -> None:
        self.refused: Counter[str] = Counter()
        self._place, self._fault = place, fault
        self._last = {} if fault == "forgets the last state" else dict(kept.last)
        self._pending = dict(kept.pending)
        self._open: set[str] = set()
        self._names: set[str] = set()
        self._told: dict[str, str] = {}
        self._count = self._starts = self._cancelled = 0
        self._flows: list[int] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def events(self) -> AsyncIterator[Event | Health]:
        self._starts += 1
        while not self._place.there:
            if self._fault != "retries":
                raise self._gone()
            await asyncio.sleep(0.01)
        if self._fault == "begins with the present":
            self._place.unread.clear()
        self._place.connect()
        if self._fault == "leaves a task":
            self._tasks.append(asyncio.create_task(asyncio.sleep(60)))
        up = Health(at=datetime.now(UTC), subject=f"source:{self.name}", up=True)
        if self._fault != "is up last":
            yield up
        while True:
            try:
                message = await self._place.link.get()
            except asyncio.CancelledError:
                self._cancelled += 1
                if self._fault != "stays" or self._cancelled == 3:
                    raise
                continue
            if message.get("kind") == "end":
                raise self._gone()
            if self._fault == "starts once" and self._starts > 1:
                continue
            items = list(self._read(message))
            if not items and message.get("number") is not None:
                self._acknowledge(str(message["number"]))
            for item in items:
                yield item
            if self._fault == "is up last":
                yield up

    def _gone(self) -> Exception:
        if self._fault == "another error":
            return ValueError("gone")
        text = {"many lines": "gone\nfor good", "tells the secret": f"{SECRET} was refused"}.get(self._fault, "gone")
        return ConnectionError(text)

    def _read(self, message: dict[str, Any]) -> Iterator[Event | Health]:
        device, word, number = message["device"], message["word"], message.get("number")
        name = None if number is None else str(number)
        if name in self._open or name in self._pending:
            return
        if self._fault == "acknowledges at once":
            self._place.unread.pop(number or 0, None)
        if message.get("kind") == "presence":
            yield from self._presence(device, word == "online")
        elif message.get("kind") == "type":
            yield from self._announced(device, word)
        elif not word.isprintable():
            if self._fault == "dies of nonsense":
                raise ConnectionError("nonsense")
            self.refused["malformed"] += self._fault != "counts no nonsense"
        elif device == "camera":
            yield from self._flow(word, message.get("sent", 0), name)
        elif self._is_known(device):
            yield from self._change(message, name)

    def _is_known(self, device: str) -> bool:
        if device in self._names or len(self._names) < LIMIT or self._fault == "remembers every name":
            self._names.add(device)
            return True
        self.refused["too many devices"] += self._fault != "drops in silence"
        return False

    def _change(self, message: dict[str, Any], name: str | None) -> Iterator[Event]:
        device, word = message["device"], message["word"]
        key = f"state/{device}"
        same, self._last[key] = self._last.get(key) == word, word
        if (same and self._fault != "repeats") or (name is None and self._fault != "tells what is shown"):
            return
        actor = "homeward" if self._fault == "everybody is the guard" else message.get("by")
        times = 2 if self._fault == "an event twice" else 1
        for _ in range(times):
            yield self._event(device, word, name, {"property": "state"}, None if self._fault == "no actor" else actor)

    def _presence(self, device: str, up: bool) -> Iterator[Health]:
        before = self._told.get(f"presence {device}", "" if self._fault == "online is news" else "True")
        self._told[f"presence {device}"] = str(up)
        if before != str(up):
            yield Health(at=datetime.now(UTC), subject=f"device:{device}", up=up)

    def _announced(self, device: str, type_: str) -> Iterator[Event]:
        if self._told.get(device) != type_ or self._fault == "announces each time":
            self._told[device] = type_
            yield self._event(
                device, "announced", None, {"type": "gizmo" if self._fault == "invents a type" else type_}
            )

    def _flow(self, word: str, sent: int, name: str | None) -> Iterator[Event]:
        if word == "flow":
            self._flows.append(sent)
            if len(self._flows) == 1 or self._fault == "tells every flow":
                yield self._event("camera", "flow", name, flow_attributes(Flow("cloud", 443, "tcp", sent=sent)))
            return
        rest = self._flows if self._fault == "counts the first again" else self._flows[1:]
        told = Flow("cloud", 443, "tcp", sent=sum(rest), times=len(self._flows) - 1)
        yield self._event("camera", "flow", name, flow_attributes(told))
        self._flows = []

    def _event(
        self, device: str, action: str, name: str | None, about: dict[str, str], actor: str | None = None
    ) -> Event:
        self._count += self._fault != "one id"
        if name is not None:
            self._open.add(name)
            about = about | {"delivery": name}
        called = f"{device}\n" if self._fault == "unclean names" else device
        return Event(
            id=str(self._count), source=self.name, at=datetime.now(UTC), device=called, action=action, actor=actor,
            attributes=about,
        )  # fmt: skip

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        if self._fault == "done with twice":
            return deliveries
        for name in self._open.intersection(deliveries):
            self._open.discard(name)
            self._acknowledge(name)
        return []

    def _acknowledge(self, name: str) -> None:
        self._place.unread.pop(int(name), None)


def subject_of(fault: str, place: Place) -> Subject:
    return Subject(
        make=lambda kept: Listener(place, kept, fault),
        happen=place.happen,
        says=lambda event: event.action if event.device.strip() == "door" else None,
        fail=place.leave,
        secrets=[SECRET],
        repeat=lambda: place.say("door", place.last),
        retain=place.retain,
        nonsense=lambda: place.say("door", "\x00"),
        restart=lambda: place.link.put_nowait({"kind": "end"}),
        flood=place.flood,
        announce=lambda: place.show("lamp", "light", kind="type"),
        presence=lambda up: place.show("lamp", "online" if up else "offline", kind="presence"),
        flows=place.flows,
        act=place.act,
        patience=0.2 if fault else 20.0,
    )


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_a_source_that_keeps_its_word_passes(check: Check) -> None:
    await check(subject_of("", Place()))


@pytest.mark.parametrize(("fault", "name"), FAULTS)
async def test_a_fault_is_found_by_the_check_that_is_for_it(fault: str, name: str) -> None:
    (check,) = (check for check in CHECKS if name_of(check) == name)
    with pytest.raises((AssertionError, OSError)):
        await check(subject_of(fault, Place()))
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def test_for_every_check_there_is_a_fault_that_it_finds() -> None:
    assert {name_of(check) for check in CHECKS} == {name for _, name in FAULTS}


async def test_what_is_neither_driven_nor_excused_fails_and_what_is_excused_is_skipped() -> None:
    place = Place()
    for reason, expected in (("", AssertionError), ("it holds no state", SkipTest)):
        subject = Subject(
            make=lambda kept: Listener(place, kept, ""),
            happen=place.happen,
            fail=place.leave,
            secrets=(),
            repeat=reason,
        )
        (check,) = (check for check in CHECKS if name_of(check) == "a_repeated_state_is_no_event")
        with pytest.raises(expected, match=reason or "Subject.repeat"):
            await check(subject)
