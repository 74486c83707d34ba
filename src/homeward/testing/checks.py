"""The checks: each takes a subject of its own, and one promise of every source."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import traceback
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Final
from unittest import SkipTest

from homeward.core.event import Event
from homeward.core.flow import Flow, read_flow
from homeward.core.inputs import Health
from homeward.core.vocabulary import ROLES, TYPES
from homeward.sources import Source
from homeward.sources.payloads import clean_name
from homeward.testing.guard import LISTENING, Guard
from homeward.testing.subject import Subject

BYTES_A_NAME: Final = 64
"""How much may grow for each name of a later flood, in bytes: a name that is remembered takes more than 100."""

FLOODS: Final = 6
"""How many floods there are: what is bounded has its size after some of them, give or take what a dictionary keeps
in reserve."""

SAID_OF_A_DEVICE: Final = frozenset({"type", "role", "room", "maker", "model", "address", "identity", "formerly"})
"""What a device may tell of itself: the attributes of an event whose action is ``announced``."""

Check = Callable[[Subject], Awaitable[None]]


def name_of(check: Check) -> str:
    """A check's name, as a test's id."""
    return str(getattr(check, "__name__", check)).removeprefix("check_")


# What a source says -------------------------------------------------------------------------------------------------


async def check_it_first_says_that_it_is_up(subject: Subject) -> None:
    """The owner is told that the guard sees again; only what waited for the guard may come before."""
    guard = Guard(subject)
    assert clean_name(guard.source.name) == guard.source.name
    async with guard.listening():
        await guard.happens()
    first = guard.told[0]
    assert isinstance(first, Health), f"first came {first}"
    assert first.subject == f"source:{guard.source.name}"


async def check_its_events_are_whole(subject: Subject) -> None:
    """Names are clean, times are UTC, ids are unique, and attributes are text."""
    guard = Guard(subject)
    async with guard.listening():
        await guard.tells(*[await guard.does("happen") for _ in range(3)])
    events = [item for item in guard.told if isinstance(item, Event)]
    assert len({event.id for event in events}) == len(events), "two events have one id"
    for event in events:
        assert event.source == guard.source.name
        for name in (event.id, event.device, event.action, event.actor, event.origin):
            assert name is None or clean_name(name) == name, f"{name!r} is no name"
        for at in (event.at, event.happened):
            assert at is None or at.utcoffset() == timedelta(0), f"{at} is not in UTC"
        assert event.value is None or math.isfinite(event.value)
        assert event.actor in (None, "homeward") or event.actor.startswith(("person:", "automation:")), event.actor
        assert all(isinstance(text, str) for pair in event.attributes.items() for text in pair)


async def check_nothing_it_says_holds_a_secret(subject: Subject) -> None:
    """No password or token is in what it tells, raises or logs, nor in how it is printed."""
    if not subject.secrets:
        raise SkipTest("it is given no secret")
    guard = Guard(subject)
    with _logged() as said:
        async with guard.listening():
            await guard.happens()
            await guard.does("fail")
            errors = [await guard.fails()]
        try:
            async with guard.listening():
                pass
        except OSError as error:
            errors.append(error)
    said += [line for error in errors for line in traceback.format_exception(error)]
    said += [repr(item) for item in guard.told]
    said += [repr(guard.source), str(guard.source)]
    for secret in subject.secrets:
        assert not any(secret in line for line in said), "a secret was told"


# Messages are not events --------------------------------------------------------------------------------------------


async def check_a_change_is_one_event(subject: Subject) -> None:
    """What changes is told once each time, in order."""
    guard = Guard(subject)
    async with guard.listening():
        await guard.tells(*[await guard.does("happen") for _ in range(4)])
        await guard.happens()


async def check_a_repeated_state_is_no_event(subject: Subject) -> None:
    """What is said again has not happened again."""
    subject.needs("repeat")
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()
        await guard.does("repeat")
        await guard.happens()


async def check_what_was_so_before_is_no_event(subject: Subject) -> None:
    """What the place shows to whoever connects (retained, initial) is only noted."""
    subject.needs("retain")
    await Guard(subject).does("retain")
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()


async def check_a_state_that_the_journal_knows_is_no_event(subject: Subject) -> None:
    """Said again to another process, it still has not happened again."""
    subject.needs("repeat")
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()
        guard.commits()
    guard.dies()
    async with guard.listening():
        await guard.does("repeat")
        await guard.happens()


async def check_the_guards_own_acts_are_told_as_its_own(subject: Subject) -> None:
    """The echo of what the guard did has the actor ``homeward``; what others did has not."""
    subject.needs("act")
    guard = Guard(subject)
    async with guard.listening():
        event = await guard.happens()
        assert event.actor != "homeward", "that was not the guard"
        device = await guard.does("act")
        while not (isinstance(item := await guard.hears(), Event) and item.device == device):
            pass
        assert item.actor == "homeward", f"that was the guard, and not {item.actor}"


# Nothing lost, and nothing told twice -------------------------------------------------------------------------------


async def check_a_delivery_is_done_with_once_and_only_when_written_down(subject: Subject) -> None:
    """``committed`` returns what it was given, at most once, and nothing else."""
    guard = Guard(subject)
    async with guard.listening():
        name = (await guard.happens()).attributes.get("delivery")
        assert list(guard.source.committed([])) == []
        if name is not None:
            assert list(guard.source.committed(["0:never heard of"])) == []
            done = [*guard.source.committed([name]), *guard.source.committed([name])]
            assert done in ([], [name])


async def check_it_can_be_stopped_and_started_again(subject: Subject) -> None:
    """One source is started as often as the service likes."""
    guard = Guard(subject)
    for _ in range(2):
        async with guard.listening():
            await guard.happens()
            guard.commits()


async def check_what_happens_while_it_is_stopped_is_told_once(subject: Subject) -> None:
    """By the same process, and by the next one."""
    subject.needs_a_place_that_keeps()
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()
        guard.commits()
    for same_process in (True, False):
        words = [await guard.does("happen") for _ in range(2)]
        if not same_process:
            guard.dies()
        async with guard.listening():
            await guard.tells(*words)
            guard.commits()
            await guard.happens()
            guard.commits()


async def check_what_was_not_written_down_comes_again(subject: Subject) -> None:
    """It is acknowledged after the commit, never before; and what was written down does not come again."""
    subject.needs_a_place_that_keeps()
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()
        guard.commits()
        lost = await guard.happens()
    guard.dies()
    async with guard.listening():
        word = subject.says(lost)
        assert word is not None
        await guard.tells(word)
        guard.commits()
    guard.dies()
    async with guard.listening():
        await guard.happens()


async def check_it_goes_on_when_its_place_was_restarted(subject: Subject) -> None:
    """It says so and is started again, or it notices nothing; either way nothing is lost and nothing told twice."""
    subject.needs("restart")
    guard = Guard(subject)
    words: list[str] = []
    try:
        async with guard.listening():
            await guard.happens()
            guard.commits()
            await guard.does("restart")
            words.append(await guard.does("happen"))
            await guard.tells(*words)
            return
    except OSError as error:
        _is_one_line(error)
    async with guard.listening():
        missed = [] if subject.forgets else words
        await guard.tells(*missed, await guard.does("happen"))


# Stopping and failing -----------------------------------------------------------------------------------------------


async def check_it_ends_when_it_is_cancelled(subject: Subject) -> None:
    """And leaves no task behind."""
    before = asyncio.all_tasks()
    guard = Guard(subject)
    async with guard.listening():
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == LISTENING)
        task.cancel()
        await asyncio.wait({task}, timeout=subject.patience)
        assert task.cancelled(), "it was cancelled, and goes on or ended otherwise"
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=subject.patience)
    assert not left, f"it left behind {left}"


async def check_it_raises_when_its_place_is_gone_and_raises_again_instead_of_retrying(subject: Subject) -> None:
    """An `OSError` of one line: the service tells it to the owner, and decides when to try again."""
    guard = Guard(subject)
    async with guard.listening():
        await guard.does("fail")
        _is_one_line(await guard.fails())
    for _ in range(2):
        try:
            async with guard.listening():
                raise AssertionError("its place is gone, and it says that it is up")
        except OSError as error:
            _is_one_line(error)


# Bad input ----------------------------------------------------------------------------------------------------------


async def check_nonsense_is_counted_and_stops_nothing(subject: Subject) -> None:
    """What cannot be read is counted by reason (``refused``), and what comes after it is told."""
    subject.needs("nonsense")
    guard = Guard(subject)
    async with guard.listening():
        await guard.happens()
        before = _refused(guard.source)
        await guard.does("nonsense")
        await guard.happens()
        assert _refused(guard.source) > before, "nonsense was not counted"


async def check_a_flood_of_names_is_bounded(subject: Subject) -> None:
    """Whoever may speak may make up names: what is not told is counted, nothing grows with their number, and a device
    that is known is still heard."""
    subject.needs("flood")
    guard = Guard(subject)
    grown: list[int] = []
    async with guard.listening():
        await guard.happens()
        tracemalloc.start()
        try:
            for _ in range(FLOODS):
                before = _refused(guard.source)
                guard.told.clear()
                names = await guard.does("flood")
                await guard.happens()
                told = len({item.device for item in guard.told if isinstance(item, Event)})
                refused = _refused(guard.source) - before
                assert told + refused >= names, f"of {names} names {told} were told and {refused} refused"
                guard.commits()
                guard.told.clear()
                gc.collect()
                grown.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    more = min(after - before for before, after in pairwise(grown))
    assert more < BYTES_A_NAME * names, f"grew by {more} bytes for {names} names more"


# Devices ------------------------------------------------------------------------------------------------------------


async def check_what_a_device_is_is_told_once(subject: Subject) -> None:
    """Not at each new connection, nor when it says the same again; a later process may tell it once more."""
    subject.needs("announce")
    guard = Guard(subject)
    await guard.does("announce")
    for _ in range(2):
        async with guard.listening():
            device = await guard.does("announce")
            while not guard.announced(device):
                await guard.hears()
            await guard.happens()
            guard.commits()
    event, *again = guard.announced(device)
    assert not again, f"{device} was announced {1 + len(again)} times"
    assert event.attributes.keys() <= SAID_OF_A_DEVICE, event.attributes
    assert event.attributes.get("type", "other") in TYPES
    assert event.attributes.get("role", "other") in ROLES
    guard.dies()
    async with guard.listening():
        await guard.does("announce")
        await guard.happens()
    assert len(guard.announced(device)) <= 2, f"{device} was announced twice by one process"


async def check_a_device_that_cannot_be_heard_makes_blind(subject: Subject) -> None:
    """A `Health` of ``device:NAME``. That it can be heard is no news at the beginning; that it cannot be is."""
    subject.needs("presence")
    guard = Guard(subject)
    device = await guard.does("presence", True)
    async with guard.listening():
        await guard.happens()
        for up in (False, True):
            await guard.does("presence", up)
            assert await guard.health(device) is up
        await guard.does("presence", False)
        assert await guard.health(device) is False
        guard.commits()
    said = [item.up for item in guard.told if isinstance(item, Health) and item.subject == f"device:{device}"]
    assert said == [False, True, False]
    guard.dies()
    async with guard.listening():
        assert await guard.health(device) is False


async def check_flows_of_a_minute_are_told_as_one_and_add_up(subject: Subject) -> None:
    """The first at once, the others of its kind together; bytes and flows are neither lost nor counted twice."""
    subject.needs("flows")
    guard = Guard(subject)
    async with guard.listening():
        device, total = await guard.does("flows")
        told: list[Flow] = []
        while sum(flow.times for flow in told) < total.times:
            item = await guard.hears()
            flow = read_flow(item) if isinstance(item, Event) and item.device == device else None
            if flow is not None and (flow.peer, flow.port) == (total.peer, total.port):
                told.append(flow)
    assert len(told) == 2, f"{total.times} flows of one kind made {len(told)} events"
    assert told[0].times == 1
    for counted in ("times", "sent", "received"):
        assert sum(getattr(flow, counted) for flow in told) == getattr(total, counted), counted


def _refused(source: Source) -> int:
    return sum(source.refused.values())  # type: ignore[attr-defined] # a promise of this contract, not of the protocol


def _is_one_line(error: Exception) -> None:
    assert isinstance(error, OSError), f"it raised {error!r}, which is no OSError"
    assert str(error).strip(), "it does not say what is wrong"
    assert "\n" not in str(error), f"more than one line: {error}"


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, by whomever and at every level."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    root, listener = logging.getLogger(), Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.setLevel(level)
        root.removeHandler(listener)


CHECKS: Final[tuple[Check, ...]] = tuple(check for name, check in globals().items() if name.startswith("check_"))
"""Every check, in the order of this file."""
