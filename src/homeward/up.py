"""One home's guard, put together from its configuration: journal, sources, responders, page."""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from homeward.clock import Clock, GuardClock
from homeward.config import Config, ConfigError
from homeward.core.event import Event
from homeward.dashboard.app import PageServer, create_app
from homeward.dashboard.security import enter_path, load_or_create_key
from homeward.guard import Guard, backfill
from homeward.journal import Journal
from homeward.responders import Responder
from homeward.responders.dry_run import DryRun
from homeward.responders.mqtt import CLIENT_SUFFIX, MqttResponder
from homeward.service import Service
from homeward.sources import Source
from homeward.sources.files import FileError, LastStates, read_events, read_home
from homeward.sources.mqtt import MqttSource

INBOX: Final = "inbox"
MQTT: Final = "mqtt"
"""The name of the source and of the responder that speak to the broker."""

Progress = Callable[[], object]


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
            events = _history(config.history, config.settings.timezone) if history is None else history
            await asyncio.to_thread(_learn, guard, events, config, clock.now(), lambda: on_progress("history"))
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


def _learn(guard: Guard, events: Iterable[Event], config: Config, until: datetime, on_event: Progress) -> None:
    try:
        backfill(guard, events, config.settings, until=until, on_event=on_event)
    except ValueError as error:
        raise FileError(f"{config.file}: history.files: {error}; leave that row out") from None


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


def _history(files: Sequence[Path], timezone: str) -> Iterator[Event]:
    """The changes in the files, in time order, with their times in UTC.

    A file's times are of the home's own clock, unless the table beside it names a zone (see `sources.files`).
    """
    zone, changed = ZoneInfo(timezone), LastStates().changed
    local = {path: read_home(path).timezone == "UTC" for path in files}
    streams = (_in_utc(read_events(path), zone) if local[path] else read_events(path) for path in files)
    return filter(changed, heapq.merge(*streams, key=lambda event: event.at))


def _in_utc(events: Iterable[Event], zone: ZoneInfo) -> Iterator[Event]:
    """Times that were taken as written, as what they are on the clock of a zone. They still do not go back."""
    last = datetime.min.replace(tzinfo=UTC)
    for event in events:
        happened = (event.happened or event.at).replace(tzinfo=zone).astimezone(UTC)
        last = max(last, happened)
        yield replace(event, at=last, happened=happened)
