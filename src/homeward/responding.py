"""Carrying effects out: one queue for each responder, so that none waits for another, or without end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

from homeward.core.effects import Apply, Revert
from homeward.core.engine import Engine
from homeward.core.inputs import Health, Input, Outcome
from homeward.responders import Responder

ANSWER_SECONDS: Final = 10.0
QUEUE_LIMIT: Final = 64
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
    """Calls one responder, effect by effect in order, each within ten seconds, and reports what became of it."""

    def __init__(self, responder: Responder, report: Report, *, seconds: float = ANSWER_SECONDS) -> None:
        self._responder, self._report, self._seconds = responder, report, seconds
        self._waiting: deque[Apply | Revert] = deque()
        self._asked: set[tuple[Step, str]] = set()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, effect: Apply | Revert) -> bool:
        """Hand an effect over; what already waits is not asked for twice. False when too much waits."""
        key = step_of(effect), effect.action.id
        if key in self._asked:
            return True
        if len(self._waiting) >= QUEUE_LIMIT:
            return False
        self._asked.add(key)
        self._waiting.append(effect)
        self._idle.clear()
        self._more.set()
        return True

    async def finished(self) -> None:
        """Wait until nothing waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            while self._waiting:
                effect = self._waiting.popleft()
                ok, detail = await self._call(effect)
                self._asked.discard((step_of(effect), effect.action.id))
                self._report(self._responder.name, effect, ok, detail)
            self._idle.set()
            self._more.clear()
            await self._more.wait()

    async def _call(self, effect: Apply | Revert) -> tuple[bool, str]:
        call = self._responder.apply if isinstance(effect, Apply) else self._responder.revert
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await call(effect.action)
        except TimeoutError as error:
            return False, f"no answer within {self._seconds:g} s" if limit.expired() else one_line(error)
        except Exception as error:
            return False, one_line(error)
        return True, ""


class Acting:
    """Hands effects to responders, and tells the engine what became of each.

    An act that was never handed over needs no taking back. ``phantoms`` are leases that were opened by a what-if.
    """

    def __init__(
        self,
        responders: Sequence[Responder],
        engine: Engine,
        phantoms: frozenset[str],
        tell: Callable[[Input], None],
    ) -> None:
        self.queues = {one.name: ResponderQueue(one, self._report) for one in responders}
        self._engine, self._phantoms, self._tell = engine, phantoms, tell
        self._handed = {name for name, lease in engine.leases.items() if lease.status != "ended"} - phantoms
        self._failing: set[str] = set()

    def carry_out(self, effect: Apply | Revert, *, written: bool = True) -> None:
        """Hand an effect over, or say why nothing is done.

        What is not ``written`` in the journal is not begun; what was begun is always taken back.
        """
        action = effect.action
        if isinstance(effect, Revert) and action.id not in self._handed:
            self._answer(effect, True, "it was never carried out")
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
        self._answer(effect, ok, detail)
        if ok == (responder in self._failing):
            (self._failing.discard if ok else self._failing.add)(responder)
            self._tell(Health(at=effect.at, subject=f"responder:{responder}", up=ok, detail=detail))

    def _answer(self, effect: Apply | Revert, ok: bool, detail: str) -> None:
        self._tell(Outcome(at=effect.at, action=effect.action.id, step=step_of(effect), ok=ok, detail=detail))
