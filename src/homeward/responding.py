"""Carrying effects out: each responder on its own, so that none waits for another, or without end.

A responder is called in a thread with an event loop of its own, and what it hands to a thread (`asyncio.to_thread`)
gets one of its own too. Whatever blocks or hangs there hangs alone: the guard, its journal and the other responders
go on, and none of these threads keeps the guard from stopping. A thread cannot be cancelled, though: a call that was
given up may still do its work later. So a revert counts only once no call to apply the same act is under way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any, Final, Literal

from homeward.core.effects import Apply, Revert
from homeward.core.engine import Engine
from homeward.core.inputs import Health, Input, Outcome
from homeward.responders import Responder

ANSWER_SECONDS: Final = 10.0
"""How long a call may take."""

GRACE_SECONDS: Final = 1.0
"""How long a call that was cancelled may take to be over."""

QUEUE_LIMIT: Final = 64
"""Acts that may wait for a responder; as many reverts may wait besides."""

HANGING_LIMIT: Final = 16
"""Calls of one responder that may hang at once. Half of these are kept for reverts."""

THREAD_LIMIT: Final = 64
"""Threads that the calls of one responder may have at once."""

LINE_LIMIT: Final = 200

Step = Literal["apply", "revert"]
Report = Callable[[str, Apply | Revert, bool, str], None]
"""Takes the responder's name, the effect, whether it went well, and one line about it."""


def one_line(error: BaseException) -> str:
    """An exception as one short line for the owner."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LINE_LIMIT else f"{text[: LINE_LIMIT - 1]}…"


def step_of(effect: Apply | Revert) -> Step:
    """Which of a responder's two calls the effect asks for."""
    return "apply" if isinstance(effect, Apply) else "revert"


class ResponderQueue:
    """Calls one responder, one effect after the other, each within ten seconds, and reports what became of it.

    What is to be taken back comes first; an act that still waits when it is to be taken back is not begun any more.
    """

    def __init__(self, responder: Responder, report: Report, *, seconds: float = ANSWER_SECONDS) -> None:
        self._responder, self._report, self._seconds = responder, report, seconds
        self._applies: dict[str, Apply] = {}
        self._reverts: dict[str, Revert] = {}
        self._asked: Apply | Revert | None = None
        self._hanging: set[_Call] = set()
        self._unsure: dict[str, Revert] = {}
        """Reverts that do not count yet, by the act's id: a call to apply it is still under way."""
        self._lane: _Lane | None = None
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, effect: Apply | Revert) -> bool:
        """Hand an effect over; what already waits is not asked for twice. False when too much waits."""
        name, asked = effect.action.id, self._asked
        if asked is not None and (step_of(asked), asked.action.id) == (step_of(effect), name):
            return True
        waiting = len(self._applies if isinstance(effect, Apply) else self._reverts)
        if waiting >= QUEUE_LIMIT and name not in self._applies and name not in self._reverts:
            return False
        if isinstance(effect, Apply):
            self._applies[name] = effect
        else:
            self._reverts[name] = effect  # the newer one knows what somebody did to the device since
            self._applies.pop(name, None)
        self._idle.clear()
        self._more.set()
        return True

    async def finished(self) -> None:
        """Wait until nothing waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        with suppress(OSError, RuntimeError):  # else it is tried again with the first call
            self._lane = self._lane or _Lane(self._responder.name)
        try:
            while True:
                while effect := self._next():
                    self._asked = effect
                    ok, detail = await self._ask(effect)
                    self._asked = None
                    self._report(self._responder.name, effect, ok, detail)
                self._idle.set()
                self._more.clear()
                await self._more.wait()
        finally:
            if self._lane is not None:
                await self._lane.close(GRACE_SECONDS)

    def _next(self) -> Apply | Revert | None:
        for waiting in (self._reverts, self._applies):
            for name in waiting:
                return waiting.pop(name)
        return None

    async def _ask(self, effect: Apply | Revert) -> tuple[bool, str]:
        """Call the responder, again where a late act came in between: whether it went well, and a line about it."""
        name, hang = effect.action.id, len(self._hanging)
        if hang >= (HANGING_LIMIT // 2 if isinstance(effect, Apply) else HANGING_LIMIT):
            return False, f"{hang} earlier calls still hang"
        while True:
            doubtful = isinstance(effect, Revert) and self._is_being_applied(name)
            failure = await self._call(effect)
            if failure is not None or not isinstance(effect, Revert) or not doubtful:
                return failure is None, failure or ""
            if self._is_being_applied(name):
                self._unsure[name] = effect
                return False, "taken back, but an earlier call to do it hangs and may yet succeed"
            # It ended meanwhile, and nobody knows which of the two was first.

    async def _call(self, effect: Apply | Revert) -> str | None:
        """What went wrong, or nothing."""
        call = _Call(effect, asyncio.get_running_loop(), self._forget)
        try:
            lane = self._lane = self._lane or _Lane(self._responder.name)
            lane.begin(call, self._responder)
        except (OSError, RuntimeError) as error:  # no thread or no file is to be had now
            self._lane = None
            return one_line(error)
        self._hanging.add(call)
        try:
            async with asyncio.timeout(self._seconds):
                await call.answered.wait()
        except TimeoutError:
            lane.cancel(call)
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await call.answered.wait()
            if not call.answered.is_set():  # it blocks its loop, or will not be cancelled
                lane.leave()
                self._lane = None  # the next call has another
            return f"no answer within {self._seconds:g} s"
        except asyncio.CancelledError:
            lane.cancel(call)
            raise
        return call.failure

    def _is_being_applied(self, name: str) -> bool:
        return any(isinstance(one.effect, Apply) and one.effect.action.id == name for one in self._hanging)

    def _forget(self, call: _Call) -> None:
        """All of a call is over. Where an act may have been done after it was taken back, it is taken back again."""
        self._hanging.discard(call)
        name = call.effect.action.id
        if name in self._unsure and not self._is_being_applied(name):
            self.put(self._unsure.pop(name))


class _Call:
    """One call of a responder.

    It is ``answered`` when its coroutine has ended, and over (``on_over``) when every thread that this began has too.
    """

    def __init__(
        self, effect: Apply | Revert, loop: asyncio.AbstractEventLoop, on_over: Callable[[_Call], object]
    ) -> None:
        self.effect = effect
        self.answered = asyncio.Event()
        self.failure: str | None = None
        self.task: asyncio.Task[None] | None = None
        self._loop, self._on_over = loop, on_over
        self._parts, self._counting = 1, threading.Lock()

    def answer(self, task: asyncio.Task[None]) -> None:
        """The coroutine has ended. Called in the responder's own loop."""
        if task.cancelled():
            self.failure = "it broke off"
        elif (error := task.exception()) is not None:
            self.failure = one_line(error)
        self.part_ended()
        _call_soon(self._loop, self.answered.set)

    def part_begins(self) -> None:
        with self._counting:
            self._parts += 1

    def part_ended(self) -> None:
        with self._counting:
            self._parts -= 1
            over = self._parts == 0
        if over:
            _call_soon(self._loop, self._on_over, self)


_CALL: Final[ContextVar[_Call]] = ContextVar("homeward_call")
"""The call that a coroutine or a thread belongs to."""


class _Lane:
    """A daemon thread with an event loop, for the calls of one responder.

    Raises:
        OSError, RuntimeError: the system gives no file or no thread for it.
    """

    def __init__(self, name: str) -> None:
        self._made: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._ended: Future[None] = Future()
        threading.Thread(target=self._live, name=f"responder {name}", daemon=True).start()
        self._loop, self._stop = self._made.result()

    def _live(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._until_left())
        except BaseException as error:
            if self._made.done():
                raise
            self._made.set_exception(error)
        finally:
            self._ended.set_result(None)

    async def _until_left(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_default_executor(_OwnThreads())
        self._made.set_result((loop, stop))
        await stop.wait()

    def begin(self, call: _Call, responder: Responder) -> None:
        def begin() -> None:
            context = copy_context()
            context.run(_CALL.set, call)
            call.task = self._loop.create_task(_carry_out(call.effect, responder), context=context)
            call.task.add_done_callback(call.answer)

        self._loop.call_soon_threadsafe(begin)

    def cancel(self, call: _Call) -> None:
        def cancel() -> None:
            if call.task is not None:
                call.task.cancel()

        _call_soon(self._loop, cancel)

    def leave(self) -> None:
        """End the loop as soon as it comes to that; nobody waits for it."""
        _call_soon(self._loop, self._stop.set)

    async def close(self, seconds: float) -> None:
        """End the loop, and wait a moment for it."""
        here, ended = asyncio.get_running_loop(), asyncio.Event()
        self._ended.add_done_callback(lambda _: _call_soon(here, ended.set))
        self.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()


async def _carry_out(effect: Apply | Revert, responder: Responder) -> None:
    try:
        await (responder.apply if isinstance(effect, Apply) else responder.revert)(effect.action)
    except (SystemExit, KeyboardInterrupt) as error:  # would end the loop, and nobody would hear of it
        raise RuntimeError(f"it gave up ({type(error).__name__})") from error


class _OwnThreads(ThreadPoolExecutor):
    """No pool at all: each call has a daemon thread of its own, so that none waits for one that hangs.

    It is a `ThreadPoolExecutor` because an event loop takes nothing else for its default.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._room = threading.BoundedSemaphore(THREAD_LIMIT)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin at once.

        Raises:
            RuntimeError: too many of its threads are still running, or the system gives no more.
        """
        if not self._room.acquire(blocking=False):
            raise RuntimeError(f"{THREAD_LIMIT} of its threads are still running")
        call, future = _CALL.get(None), Future[Any]()
        future.set_running_or_notify_cancel()

        def over() -> None:
            self._room.release()
            if call is not None:
                call.part_ended()

        def work() -> None:
            told: Callable[[Any], None] = future.set_result
            try:
                answer = fn(*args, **kwargs)
            except BaseException as error:
                told, answer = future.set_exception, error
            over()  # before it is told: what a coroutine waited for is over when it is
            told(answer)

        if call is not None:
            call.part_begins()
        try:
            threading.Thread(target=work, name="responder's call", daemon=True).start()
        except RuntimeError:
            over()
            raise
        return future


def _call_soon(loop: asyncio.AbstractEventLoop, act: Callable[..., object], *arguments: object) -> None:
    """Have another thread's loop do something, unless it has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act, *arguments)


class Acting:
    """Hands effects to responders, and tells the engine what became of each.

    An act that was never handed over, or was taken back already, needs no taking back. ``phantoms`` are leases that
    were opened by a what-if.
    """

    def __init__(
        self,
        responders: Sequence[Responder],
        engine: Engine,
        phantoms: frozenset[str],
        tell: Callable[[Input], None],
    ) -> None:
        self.queues = {one.name: ResponderQueue(one, self._report, seconds=ANSWER_SECONDS) for one in responders}
        self._engine, self._phantoms, self._tell = engine, phantoms, tell
        self._handed = {name for name, lease in engine.leases.items() if lease.status != "ended"} - phantoms
        self._failing: set[str] = set()

    def carry_out(self, effect: Apply | Revert, *, written: bool = True) -> None:
        """Hand an effect over, or say why nothing is done.

        What is not ``written`` in the journal is not begun; what was begun is always taken back.
        """
        action = effect.action
        if isinstance(effect, Revert) and action.id not in self._handed:
            self._answer(effect, True, "there is nothing to take back")
        elif isinstance(effect, Apply) and action.id in self._phantoms:
            self._answer(effect, False, "only a replay by another version wanted it")
        elif isinstance(effect, Apply) and not written:
            self._answer(effect, False, "nothing new is done that cannot be written down")
        elif why := self.hand_over(effect):
            self._answer(effect, False, why)

    def hand_over(self, effect: Apply | Revert) -> str:
        """Put an effect into its responder's queue; returns why that was not possible, or nothing."""
        action = effect.action
        queue = self.queues.get(action.responder)
        if queue is None:
            return f"no responder is called {action.responder}; add it to the configuration"
        if not queue.put(effect):
            return f"too much waits for {action.responder}"
        leases = self._engine.leases
        if len(self._handed) > 2 * len(leases) + QUEUE_LIMIT:
            self._handed = {name for name in self._handed if name in leases}
        self._handed.add(action.id)
        return ""

    async def finished(self) -> None:
        """Wait until nothing waits for any responder."""
        for queue in self.queues.values():
            await queue.finished()

    def _report(self, responder: str, effect: Apply | Revert, ok: bool, detail: str) -> None:
        """What became of an effect; and news, when a responder begins to fail or works again."""
        if ok and isinstance(effect, Revert):
            self._handed.discard(effect.action.id)  # the engine may ask once more before it hears of this
        self._answer(effect, ok, detail)
        if ok == (responder in self._failing):
            (self._failing.discard if ok else self._failing.add)(responder)
            self._tell(Health(at=effect.at, subject=f"responder:{responder}", up=ok, detail=detail))

    def _answer(self, effect: Apply | Revert, ok: bool, detail: str) -> None:
        self._tell(Outcome(at=effect.at, action=effect.action.id, step=step_of(effect), ok=ok, detail=detail))
