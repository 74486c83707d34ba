"""Ways to act, and to take it back: one file for each."""

from __future__ import annotations

from typing import Protocol

from homeward.core.effects import Action


class Responder(Protocol):
    """A way to act. Both calls are idempotent by ``action.id``.

    Failure is raised, and the service turns it into an `Outcome`. Called in a thread and an event loop of the
    responder's own, never in the service's: share no asyncio object with a source or the page.
    """

    name: str

    async def apply(self, action: Action) -> None: ...

    async def revert(self, action: Action) -> None: ...
