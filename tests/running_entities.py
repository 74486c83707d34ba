"""A guard's entities, shown on a broker while a test looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from homeward.dashboard.view import Watched
from homeward.entities import Entities
from homeward.sources.mqtt import MqttSettings

KEY: Final = "k" * 43


@asynccontextmanager
async def shown(service: Watched, broker: MqttSettings) -> AsyncIterator[Entities]:
    """The entities of the home ``home``, up while the block runs."""
    entities = Entities(service, broker, place="home", key=KEY)
    task = asyncio.create_task(entities.run())
    try:
        yield entities
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
