"""One responder's queue: what hangs, breaks or comes late stays in it, and is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.service_twins import until

from homeward.core.effects import Action, Apply, Revert
from homeward.core.engine import Engine
from homeward.core.inputs import Input, Outcome
from homeward.responders import Responder
from homeward.responding import HANGING_LIMIT, QUEUE_LIMIT, THREAD_LIMIT, Acting, ResponderQueue, one_line

AT = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)
SIREN = Action(id="i1-1", incident="i1", responder="sirens", device="siren", command="on", restore="off", ends=AT)

SHORT = 0.1
"""How long a call may take in tests of what hangs, in seconds."""

Told = list[tuple[str, str, bool, str]]
"""What was reported: the step, the act's id, whether it went well, and the line about it."""


def apply(number: int = 1) -> Apply:
    return Apply(at=AT, action=replace(SIREN, id=f"i1-{number}"))


def revert(number: int = 1, restore: str | None = "off") -> Revert:
    return Revert(at=AT, action=replace(SIREN, id=f"i1-{number}", restore=restore), attempt=1)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs, hangs here; it is opened at the end, so that no thread outlives its test."""
    gate = threading.Event()
    yield gate
    gate.set()


class Siren:
    """Does what it is told at once, but for what a test puts into ``before``: that comes first."""

    name = "sirens"

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str | None]] = []
        self.asked = 0
        self.before: Callable[[str, Action], object] = lambda _step, _action: None

    async def apply(self, action: Action) -> None:
        await self._do("apply", action, action.command)

    async def revert(self, action: Action) -> None:
        await self._do("revert", action, action.restore)

    async def _do(self, step: str, action: Action, word: str | None) -> None:
        self.asked += 1
        await asyncio.to_thread(self.before, step, action)
        self.heard.append((step, action.id, word))


class BlocksItsLoop(Siren):
    """Breaks its contract: it blocks where it should await."""

    async def _do(self, step: str, action: Action, word: str | None) -> None:
        self.asked += 1
        self.before(step, action)
        self.heard.append((step, action.id, word))


class WillNotBeCancelled(Siren):
    async def _do(self, step: str, action: Action, word: str | None) -> None:
        self.asked += 1
        waiting = asyncio.ensure_future(asyncio.to_thread(self.before, step, action))
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                continue
        self.heard.append((step, action.id, word))


@asynccontextmanager
async def working(responder: Responder, *, seconds: float = 10.0) -> AsyncIterator[tuple[ResponderQueue, Told]]:
    """A queue at work, and what it reports."""
    told: Told = []
    queue = ResponderQueue(
        responder,
        lambda _name, effect, ok, detail: told.append(
            ("apply" if isinstance(effect, Apply) else "revert", effect.action.id, ok, detail)
        ),
        seconds=seconds,
    )
    task = asyncio.create_task(queue.run())
    try:
        yield queue, told
    finally:
        assert not task.done(), "nothing that a responder does ends its queue"
        task.cancel()
        await asyncio.wait({task})


def hang_on(gate: threading.Event, *which: tuple[str, str]) -> Callable[[str, Action], object]:
    """Hang on these steps, of acts by their ids."""
    return lambda step, action: gate.wait() if (step, action.id) in which else None


@pytest.mark.parametrize("kind", [Siren, BlocksItsLoop, WillNotBeCancelled])
async def test_what_hangs_has_failed_in_time_and_the_next_call_is_made(
    kind: type[Siren], gate: threading.Event
) -> None:
    siren = kind()
    siren.before = hang_on(gate, ("apply", "i1-1"))
    async with working(siren, seconds=SHORT) as (queue, told):
        assert queue.put(apply(1))
        assert queue.put(apply(2))
        await queue.finished()
        assert told == [("apply", "i1-1", False, "no answer within 0.1 s"), ("apply", "i1-2", True, "")]


@pytest.mark.parametrize("kind", [Siren, BlocksItsLoop, WillNotBeCancelled])
async def test_what_hangs_does_not_keep_its_queue_from_being_stopped(
    kind: type[Siren], gate: threading.Event
) -> None:
    siren = kind()
    siren.before = hang_on(gate, ("apply", "i1-1"))
    async with working(siren) as (queue, _):
        queue.put(apply())
        await until(lambda: siren.asked == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 5.0, "it is left behind after a moment of grace"
    assert not gate.is_set()
    ours = [one for one in threading.enumerate() if one.name in {"responder sirens", "responder's call"}]
    assert ours, "it hangs still"
    assert all(one.daemon for one in ours), "so the process can end"


async def test_calls_that_hang_are_bounded_and_half_of_the_room_is_kept_for_reverts(gate: threading.Event) -> None:
    siren = Siren()
    siren.before = lambda _step, _action: gate.wait()
    async with working(siren, seconds=0.01) as (queue, told):
        for number in range(HANGING_LIMIT):
            queue.put(apply(number))
        await queue.finished()
        assert siren.asked == HANGING_LIMIT // 2
        assert told[-1][2:] == (False, "8 earlier calls still hang")
        for number in range(100, 100 + HANGING_LIMIT):
            queue.put(revert(number))
        await queue.finished()
        assert siren.asked == HANGING_LIMIT
        assert told[-1][2:] == (False, "16 earlier calls still hang")
        gate.set()
        await until(lambda: len(queue._hanging) == 0)
        queue.put(revert(200))
        await queue.finished()
        assert told[-1][2:] == (True, "")


async def test_an_act_that_is_done_after_it_was_taken_back_is_taken_back_again(gate: threading.Event) -> None:
    """The siren goes on when its revert was already answered. Nobody would ever switch it off again."""
    siren = Siren()

    def late(step: str, action: Action) -> None:
        if step == "apply":
            gate.wait()
            siren.heard.append((step, action.id, "on"))  # in the thread, which nobody can cancel

    siren.before = late
    async with working(siren, seconds=SHORT) as (queue, told):
        queue.put(apply())
        await until(lambda: siren.asked == 1)
        queue.put(revert())
        await queue.finished()
        assert siren.heard == [("revert", "i1-1", "off")], "it is taken back on time all the same"
        assert told[-1] == (
            "revert", "i1-1", False, "taken back, but an earlier call to do it hangs and may yet succeed"
        )  # fmt: skip
        gate.set()
        await until(lambda: told[-1] == ("revert", "i1-1", True, ""))
        assert [word for _, _, word in siren.heard] == ["off", "on", "off"]


async def test_an_act_that_is_done_while_it_is_taken_back_is_taken_back_again(gate: threading.Event) -> None:
    """The revert is answered last, but the siren went on after it had been switched off."""
    queues: list[ResponderQueue] = []

    class Crossing(Siren):
        async def _do(self, step: str, action: Action, word: str | None) -> None:
            self.asked += 1
            if step == "apply":
                await asyncio.to_thread(self._late, action)
                return
            self.heard.append((step, action.id, word))
            gate.set()
            await until(lambda: all(isinstance(call.effect, Revert) for call in queues[0]._hanging))

        def _late(self, action: Action) -> None:
            gate.wait()
            self.heard.append(("apply", action.id, "on"))

    siren = Crossing()
    async with working(siren, seconds=1.0) as (queue, told):
        queues.append(queue)
        queue.put(apply())
        await until(lambda: siren.asked == 1)
        queue.put(revert())
        await queue.finished()
    assert [word for _, _, word in siren.heard] == ["off", "on", "off"]
    assert told == [("apply", "i1-1", False, "no answer within 1 s"), ("revert", "i1-1", True, "")]


async def test_an_act_that_was_only_slow_is_not_in_doubt() -> None:
    siren = Siren()
    siren.before = lambda _step, _action: time.sleep(0.02)
    async with working(siren) as (queue, told):
        queue.put(apply())
        await queue.finished()
        queue.put(revert())
        await queue.finished()
    assert told == [("apply", "i1-1", True, ""), ("revert", "i1-1", True, "")]


async def test_an_act_that_still_waits_when_it_is_taken_back_is_not_begun(gate: threading.Event) -> None:
    siren = Siren()
    siren.before = hang_on(gate, ("apply", "i1-1"))
    async with working(siren) as (queue, told):
        queue.put(apply(1))
        await until(lambda: siren.asked == 1)
        queue.put(apply(2))
        queue.put(apply(3))
        queue.put(revert(3))
        gate.set()
        await queue.finished()
    assert [(step, name) for step, name, _, _ in told] == [
        ("apply", "i1-1"),
        ("revert", "i1-3"),
        ("apply", "i1-2"),
    ], "and what is taken back comes first"


async def test_an_act_that_is_under_way_when_it_is_taken_back_is_taken_back_after_it(gate: threading.Event) -> None:
    siren = Siren()
    siren.before = hang_on(gate, ("apply", "i1-1"))
    async with working(siren) as (queue, told):
        queue.put(apply())
        await until(lambda: siren.asked == 1)
        queue.put(revert())
        gate.set()
        await queue.finished()
    assert siren.heard == [("apply", "i1-1", "on"), ("revert", "i1-1", "off")]
    assert all(ok for _, _, ok, _ in told)


async def test_of_two_reverts_that_wait_the_newer_one_counts(gate: threading.Event) -> None:
    """Somebody changed the device in between: it is left as it is."""
    siren = Siren()
    siren.before = hang_on(gate, ("apply", "i1-1"))
    async with working(siren) as (queue, _):
        queue.put(apply(1))
        await until(lambda: siren.asked == 1)
        queue.put(revert(2, restore="off"))
        queue.put(revert(2, restore=None))
        gate.set()
        await queue.finished()
    assert siren.heard[1:] == [("revert", "i1-2", None)]


async def test_too_many_acts_leave_room_for_reverts(gate: threading.Event) -> None:
    siren = Siren()
    siren.before = hang_on(gate, ("apply", "i1-0"))
    async with working(siren) as (queue, told):
        queue.put(apply(0))
        await until(lambda: siren.asked == 1)
        assert [queue.put(apply(number)) for number in range(1, QUEUE_LIMIT + 2)] == [*[True] * QUEUE_LIMIT, False]
        assert queue.put(apply(1)), "what already waits needs no room"
        assert queue.put(revert(1))
        gate.set()
        await queue.finished()
    assert told[1] == ("revert", "i1-1", True, "")


@pytest.mark.parametrize(
    ("error", "told_as"),
    [
        (ConnectionError("the siren\nis gone"), "the siren is gone"),
        (LookupError(), "LookupError"),
        (TimeoutError("the siren was slow"), "the siren was slow"),
        (asyncio.CancelledError(), "it broke off"),
        (SystemExit(1), "it gave up (SystemExit)"),
        (KeyboardInterrupt(), "it gave up (KeyboardInterrupt)"),
        (ValueError("x" * 500), "x" * 199 + "…"),
    ],
)
async def test_however_a_responder_breaks_it_has_failed_in_one_line(error: BaseException, told_as: str) -> None:
    class Broken(Siren):
        async def _do(self, step: str, action: Action, word: str | None) -> None:
            if step == "apply":
                raise error

    async with working(Broken()) as (queue, told):
        queue.put(apply())
        await queue.finished()
        queue.put(revert())
        await queue.finished()
    assert told == [("apply", "i1-1", False, told_as), ("revert", "i1-1", True, "")]


async def test_a_responder_that_begins_threads_without_end_is_told_so(gate: threading.Event) -> None:
    class Greedy(Siren):
        async def _do(self, step: str, action: Action, word: str | None) -> None:
            await asyncio.gather(*(asyncio.to_thread(gate.wait) for _ in range(THREAD_LIMIT + 1)))

    before = threading.active_count()
    async with working(Greedy()) as (queue, told):
        queue.put(apply())
        await queue.finished()
        assert told == [("apply", "i1-1", False, f"{THREAD_LIMIT} of its threads are still running")]
        assert threading.active_count() <= before + THREAD_LIMIT + 1


async def test_a_responder_may_run_a_program_and_is_rid_of_it_when_its_time_is_over() -> None:
    """As the firewall's does. What an event loop needs for that does not work in every thread by itself."""

    class Runs(Siren):
        async def _do(self, step: str, action: Action, word: str | None) -> None:
            seconds = "60" if step == "apply" else "0"
            program = await asyncio.create_subprocess_exec("sleep", seconds)
            try:
                await program.wait()
            finally:
                if program.returncode is None:
                    program.kill()
                    await program.wait()
                self.heard.append((step, action.id, str(program.returncode)))

    siren = Runs()
    async with working(siren, seconds=1.0) as (queue, told):
        queue.put(apply())
        await queue.finished()
        queue.put(revert())
        await queue.finished()
        assert not queue._hanging
    assert siren.heard == [("apply", "i1-1", "-9"), ("revert", "i1-1", "0")]
    assert [ok for _, _, ok, _ in told] == [False, True]


async def test_when_the_system_gives_no_thread_it_is_a_failure_and_later_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start
    left = [3]  # the first attempts, one of them at the start, fail for the loop's own thread; a later one for a call

    def no_more(thread: threading.Thread) -> None:
        if thread.name.startswith("responder") and left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_more)
    async with working(Siren()) as (queue, told):
        for number in (1, 2):
            queue.put(apply(number))
        await queue.finished()
        queue.put(revert(3))
        await queue.finished()
        left[0] = 1
        queue.put(revert(4))
        await queue.finished()
        queue.put(revert(5))
        await queue.finished()
        assert not queue._hanging
    assert [ok for _, _, ok, _ in told] == [False, False, True, False, True]
    assert told[3][3] == "can't start new thread"


async def test_when_the_system_gives_no_event_loop_it_is_a_failure_and_later_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more() -> asyncio.AbstractEventLoop:
        raise OSError("Too many open files")

    async with working(Siren()) as (queue, told):
        with monkeypatch.context() as full:
            full.setattr(asyncio.events, "new_event_loop", no_more)
            queue.put(apply(1))
            await queue.finished()
        queue.put(apply(1))
        await queue.finished()
    assert told == [("apply", "i1-1", False, "Too many open files"), ("apply", "i1-1", True, "")]


async def test_what_was_taken_back_is_not_taken_back_again_when_the_engine_asks_before_it_heard_of_it() -> None:
    siren, told = Siren(), list[Input]()
    acting = Acting([siren], Engine(), frozenset(), told.append)
    task = asyncio.create_task(acting.queues["sirens"].run())
    for effect in (apply(), revert(), revert()):
        acting.carry_out(effect)
        await acting.finished()
    task.cancel()
    await asyncio.wait({task})
    assert siren.heard == [("apply", "i1-1", "on"), ("revert", "i1-1", "off")]
    assert [(one.step, one.ok) for one in told if isinstance(one, Outcome)] == [
        ("apply", True), ("revert", True), ("revert", True),
    ]  # fmt: skip


def test_a_long_error_is_one_short_line() -> None:
    assert one_line(ValueError("a\n b\t c")) == "a b c"
