"""The guard, as a source sees it: it listens, writes down, says what it has written, and is started again."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from homeward.core.arrival import ANNOUNCED
from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.topics import last_state
from homeward.testing.subject import Kept, Subject

LISTENING: Final = "listening to the source that is checked"
"""The name of the task that does."""


class Guard:
    """Does with a source what the service does, and keeps of it what the journal keeps.

    Whatever waits raises ``AssertionError`` when the subject's patience is at an end.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.kept = Kept()
        self.told: list[Event | Health] = []
        """Everything that was heard, by this process and those before."""
        self.source = subject.make(Kept())
        self._uncommitted: list[Event] = []
        self._coming: asyncio.Queue[Event | Health | Exception] = asyncio.Queue()
        self._waited: deque[Event | Health] = deque()  # for the guard, and came before the source said that it is up

    def dies(self) -> None:
        """The process ends without another word; the next one knows what the journal holds."""
        self._uncommitted.clear()
        self.source = self.subject.make(Kept(dict(self.kept.last), dict(self.kept.pending)))

    def commits(self) -> None:
        """Write down what was heard, and say so to the source."""
        names = [name for event in self._uncommitted if (name := event.attributes.get("delivery")) is not None]
        self.kept.last.update(state for event in self._uncommitted if (state := last_state(event)) is not None)
        self.kept.pending.update(dict.fromkeys(names))
        self._uncommitted.clear()
        for name in self.source.committed(names):
            assert name in self.kept.pending, f"committed returned {name!r}: it is not written down, or was done with"
            del self.kept.pending[name]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen until the block ends; it begins when the source says that it is up."""
        self._coming = asyncio.Queue()
        task = asyncio.create_task(self._listen(self._coming), name=LISTENING)
        try:
            await self._comes_up()
            yield
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=self.subject.patience)
            self._waited.clear()
        assert task.done(), "it was cancelled, and goes on"

    async def _listen(self, coming: asyncio.Queue[Event | Health | Exception]) -> None:
        events = self.source.events()
        try:
            async for item in events:
                coming.put_nowait(item)
            coming.put_nowait(EOFError("it ended by itself"))
        except Exception as error:  # whoever hears it knows whether it should have failed
            coming.put_nowait(error)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _comes_up(self) -> None:
        """What waited for the guard may come before."""
        while not isinstance(item := await self._comes(), Health) or item.subject.startswith("device:"):
            self._waited.append(item)
        assert item.subject == f"source:{self.source.name}", item.subject
        assert item.up, item.detail
        self.told.append(item)

    async def _comes(self) -> Event | Health:
        if self._coming.empty():
            try:
                async with asyncio.timeout(self.subject.patience):
                    item = await self._coming.get()
            except TimeoutError:  # which is an OSError, as the source's own errors are
                raise AssertionError(f"nothing came for {self.subject.patience:g} s") from None
        else:
            item = self._coming.get_nowait()
        if isinstance(item, Exception):
            raise item
        return item

    async def hears(self) -> Event | Health:
        """What comes next. Raises what the source raises."""
        item = self._waited.popleft() if self._waited else await self._comes()
        self.told.append(item)
        if isinstance(item, Event):
            self._uncommitted.append(item)
        return item

    async def fails(self) -> Exception:
        """Listen on until the source fails; returns its error."""
        try:
            while True:
                await self.hears()
        except AssertionError:
            raise AssertionError("its place is gone, and it has not said so") from None
        except Exception as error:
            return error

    async def does(self, driver: str, *arguments: Any) -> Any:
        """Let something happen at the place."""
        done = getattr(self.subject, driver)(*arguments)
        return await done if inspect.isawaitable(done) else done

    async def happens(self) -> Event:
        """Something happens: the next event tells of it, and nothing comes before."""
        return (await self.tells(await self.does("happen")))[0]

    async def tells(self, *words: str) -> list[Event]:
        """The next events say these words, in this order."""
        found: list[Event] = []
        while len(found) < len(words):
            item = await self.hears()
            if isinstance(item, Event) and item.action != ANNOUNCED and self.subject.says(item) is not None:
                found.append(item)
                said = [self.subject.says(event) for event in found]
                assert said == list(words[: len(found)]), f"told {said}, but what happened is {list(words)}"
        return found

    async def health(self, device: str) -> bool:
        """Whether the device can be heard, as soon as that is told."""
        while True:
            item = await self.hears()
            if isinstance(item, Health) and item.subject == f"device:{device}":
                return item.up

    def announced(self, device: str) -> list[Event]:
        """What the device has told of itself so far."""
        events = (item for item in self.told if isinstance(item, Event))
        return [event for event in events if (event.device, event.action) == (device, ANNOUNCED)]
