"""One home's guard, put together from its configuration: journal, sources, responders, page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from homeward.clock import Clock, GuardClock
from homeward.config import Config, ConfigError
from homeward.core.event import Event
from homeward.dashboard.app import PageServer, create_app
from homeward.dashboard.security import enter_path, load_or_create_key
from homeward.guard import Guard, backfill
from homeward.journal import Journal
from homeward.replay import in_order
from homeward.responders import Responder
from homeward.responders.dry_run import DryRun
from homeward.responders.mqtt import CLIENT_SUFFIX, MqttResponder
from homeward.service import Service
from homeward.sources import Source
from homeward.sources.files import LastStates
from homeward.sources.mqtt import MqttSource

INBOX: Final = "inbox"
MQTT: Final = "mqtt"
"""The name of the source and of the responder that speak to the broker."""


def nothing(_what: str) -> None:
    """No progress is shown."""


async def run(
    config: Config,
    *,
    on_ready: Callable[[str], object],
    on_progress: Callable[[str], object] = nothing,
    history: Iterable[Event] | None = None,
    make_clock: Callable[[datetime | None], Clock] = GuardClock,
    simulated: str = "",
) -> None:
    """Run the guard of one home until cancelled.

    A new journal is taught first: from ``history``, by default from the files that the configuration names.
    ``on_progress`` is called with ``"journal"`` or ``"history"`` for each entry or event read at the start,
    ``on_ready`` with the page's link. ``make_clock`` (given the journal's last time) and ``simulated`` are for the
    demonstration: another pace, and the sentence that says so on the page.

    Raises:
        ConfigError: the page's port is taken.
        JournalError: the journal cannot be opened.
        KeyFileError: the page's key cannot be used.
        FileError: a history file cannot be read.
    """
    listening = _listen(config)
    with listening, Journal(config.state) as journal:
        key = load_or_create_key(config.state)
        clock = make_clock(journal.last_at)
        guard = await asyncio.to_thread(Guard.resume, journal, lambda: on_progress("journal"))
        if journal.last_at is None or guard.engine.state.backfill:
            events = _history(config.history) if history is None else history
            await asyncio.to_thread(
                backfill,
                guard,
                events,
                config.settings,
                until=clock.now(),
                on_event=lambda: on_progress("history"),
            )
        service = Service(
            guard,
            config.settings,
            sources=_sources(config, journal),
            responders=_responders(config),
            clock=clock,
            inbox=config.state / INBOX,
        )
        app = create_app(service, key=key, allowed_hosts=config.allowed_hosts, simulated=simulated)
        server = PageServer(app, host=config.page_host, port=config.page_port)
        on_ready(f"http://{_host(config)}:{config.page_port}{enter_path(key)}")
        await _together(service, server, listening)


async def _together(service: Service, server: PageServer, listening: socket.socket) -> None:
    """Run both until one fails or we are cancelled; then stop the page first, so that nothing is lost in between."""
    running = asyncio.create_task(service.run(), name="service")
    page = asyncio.create_task(server.serve(sockets=[listening]), name="page")
    try:
        await asyncio.wait({running, page}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        await asyncio.wait({page})
        running.cancel()
        await asyncio.wait({running})
    for task in (running, page):
        with suppress(asyncio.CancelledError):
            task.result()


def _listen(config: Config) -> socket.socket:
    """The page's socket, taken before anything else is done: two guards of one home would tell two stories."""
    family = socket.AF_INET6 if ":" in config.page_host else socket.AF_INET
    try:
        return socket.create_server((config.page_host, config.page_port), family=family)
    except OSError as error:
        raise ConfigError(
            f"{config.file}: page.port: {config.page_host}:{config.page_port} cannot be listened on "
            f"({error.strerror}) — stop what uses it, or write another port"
        ) from None


def _host(config: Config) -> str:
    return f"[{config.page_host}]" if ":" in config.page_host else config.page_host


def _sources(config: Config, journal: Journal) -> list[Source]:
    if config.mqtt is None:
        return []
    user = config.mqtt.username or ""
    return [
        MqttSource(
            config.mqtt,
            config.topics,
            name=MQTT,
            place=config.settings.place,
            pending=journal.unacknowledged(MQTT),
            last=journal.last_states(MQTT),
            known=[device.name for device in config.settings.devices],
            own=[(config.mqtt.client_id, user), (config.mqtt.client_id + CLIENT_SUFFIX, user)],
        )
    ]


def _responders(config: Config) -> list[Responder]:
    responders: list[Responder] = [DryRun()]
    if config.mqtt is not None and config.commands:
        responders.append(MqttResponder(config.mqtt, config.commands, name=MQTT))
    return responders


def _history(files: Iterable[Path]) -> Iterable[Event]:
    return filter(LastStates().changed, in_order(tuple(files)))
