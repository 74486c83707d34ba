"""One queue for each responder: no responder waits for another, and none is waited for without end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from homeward.core.effects import Apply, Revert
from homeward.responders import Responder

ANSWER_SECONDS: Final = 10.0
QUEUE_LIMIT: Final = 64
LINE_LIMIT: Final = 200

Step = Literal["apply", "revert"]
Report = Callable[[str, str, Step, bool, str], None]
"""Takes the responder's name, the action's id, the step, whether it went well, and one line about it."""


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
                step, name = step_of(effect), effect.action.id
                self._asked.discard((step, name))
                self._report(self._responder.name, name, step, ok, detail)
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
