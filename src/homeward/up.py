"""One home's guard, put together from its configuration: journal, sources, responders, page."""

from __future__ import annotations

import asyncio
import heapq
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from homeward import entities, hands
from homeward.clock import Clock, GuardClock
from homeward.config import Config, ConfigError
from homeward.config.networks import Networks
from homeward.core.event import Event
from homeward.dashboard.app import PageServer, create_app
from homeward.dashboard.security import enter_path, load_or_create_key, write_metrics_token
from homeward.entities import Entities
from homeward.guard import Guard, backfill
from homeward.hands import MQTT
from homeward.journal import Journal
from homeward.one_time import CodeCheck
from homeward.responders import mosquitto
from homeward.responders.mqtt import CLIENT_SUFFIX
from homeward.service import Service
from homeward.sources import Source
from homeward.sources.files import FileError, LastStates, read_events, read_home
from homeward.sources.home_assistant import HomeAssistantSource
from homeward.sources.home_assistant import history as home_assistant_history
from homeward.sources.mqtt import MqttSource
from homeward.sources.packets import PacketsSource
from homeward.sources.suricata import SuricataSource
from homeward.sources.zeek import ZeekSource

INBOX: Final = "inbox"
HOME_ASSISTANT, ZEEK, SURICATA, PACKETS = "home_assistant", "zeek", "suricata", "packets"
"""The names of the other sources."""

_OWN_SUFFIXES: Final = ("", CLIENT_SUFFIX, entities.CLIENT_SUFFIX, mosquitto.CLIENT_SUFFIX)
"""What the client ids of the guard's own connections end in."""

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
        KeysError: the file of people's codes cannot be used.
        FileError: a history file cannot be read.
        HomeAssistantError: its past cannot be read.
    """
    listening = _listen(config)
    with listening, Journal(config.state) as journal:
        key = load_or_create_key(config.state)
        write_metrics_token(config.state, key)
        codes = CodeCheck(config.state)
        clock = make_clock(journal.last_at)
        guard = await asyncio.to_thread(Guard.resume, journal, lambda: on_progress("journal"))
        if journal.last_at is None or guard.engine.state.backfill:
            events = _past(config, clock.now()) if history is None else history
            await asyncio.to_thread(_learn, guard, events, config, clock.now(), lambda: on_progress("history"))
        known = guard.engine.state.arrivals.known
        service = Service(
            guard,
            replace(config.settings, seed=hands.seed(key), verifiers=tuple(sorted(codes.people()))),
            sources=_sources(config, journal),
            responders=hands.responders(config, known, key, clock.now),
            clock=clock,
            inbox=config.state / INBOX,
        )
        app = create_app(service, key=key, allowed_hosts=config.allowed_hosts, codes=codes, simulated=simulated)
        server = PageServer(app, host=config.page_host, port=config.page_port)
        on_ready(f"http://{_host(config)}:{config.page_port}{enter_path(key)}")
        shown = None
        if config.mqtt is not None and config.in_home_assistant:
            shown = Entities(service, config.mqtt, place=config.settings.place, key=key)
        outward = [*hands.answers(config, service, key), *([] if shown is None else [shown])]
        service.refusals |= {type(one).__name__: one.refused for one in outward} | {"codes": codes.refused}
        await _together(service, server, listening, outward)


def _learn(guard: Guard, events: Iterable[Event], config: Config, until: datetime, on_event: Progress) -> None:
    try:
        backfill(guard, events, config.settings, until=until, on_event=on_event)
    except ValueError as error:
        raise FileError(f"{config.file}: history.files: {error}; leave that row out") from None


async def _together(
    service: Service, server: PageServer, listening: socket.socket, shown: Iterable[hands.Runs]
) -> None:
    """Run all until one fails or we are cancelled; then stop what shows first, so that nothing is lost in between."""
    running = asyncio.create_task(service.run(), name="service")
    page = asyncio.create_task(server.serve(sockets=[listening]), name="page")
    outward = {asyncio.create_task(one.run(), name=type(one).__name__) for one in shown}
    try:
        await asyncio.wait({running, page, *outward}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        for task in outward:
            task.cancel()
        await asyncio.wait({page, *outward})
        running.cancel()
        await asyncio.wait({running})
    for task in (running, page, *outward):
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
    place, known = config.settings.place, [device.name for device in config.settings.devices]
    sources: list[Source] = []
    if config.mqtt is not None and (config.topics or config.presets):
        user, own = config.mqtt.username or "", config.mqtt.client_id
        sources.append(
            MqttSource(
                config.mqtt,
                config.topics,
                name=MQTT,
                place=place,
                pending=journal.unacknowledged(MQTT),
                last=journal.last_states(MQTT),
                known=known,
                own=[(own + suffix, user) for suffix in _OWN_SUFFIXES],
                presets=config.presets,
            )
        )
    if config.home_assistant is not None:
        sources.append(
            HomeAssistantSource(
                config.home_assistant,
                name=HOME_ASSISTANT,
                place=place,
                pending=journal.unacknowledged(HOME_ASSISTANT),
                last=journal.last_states(HOME_ASSISTANT),
                since=journal.last_at,
                known=known,
            )
        )
    return [*sources, *_network_sources(config.networks, place, journal)]


def _network_sources(networks: Networks, place: str, journal: Journal) -> Iterator[Source]:
    about: dict[str, Any] = {"local": networks.local, "names": networks.names, "place": place}
    if networks.zeek is not None:
        pending, last = journal.unacknowledged(ZEEK), journal.last_states(ZEEK)
        yield ZeekSource(networks.zeek, name=ZEEK, pending=pending, last=last, **about)
    if networks.suricata is not None:
        pending, last = journal.unacknowledged(SURICATA), journal.last_states(SURICATA)
        yield SuricataSource(networks.suricata, name=SURICATA, pending=pending, last=last, **about)
    if networks.packets is not None:
        packets, last = networks.packets, journal.last_states(PACKETS)
        yield PacketsSource(
            packets.interface,
            meter=Path(packets.meter) if packets.meter else None,
            interpreter=packets.interpreter or sys.executable,
            name=PACKETS,
            last=last,
            **about,
        )


def _past(config: Config, until: datetime) -> Iterator[Event]:
    """What a new guard learns from: its files, and what its Home Assistant recorded, in the order of time."""
    past = _history(config.history, config.settings.timezone)
    if config.home_assistant is None or not config.home_assistant_days:
        return past
    recorded = home_assistant_history(
        config.home_assistant,
        until=until,
        days=config.home_assistant_days,
        name=HOME_ASSISTANT,
        place=config.settings.place,
        known=[device.name for device in config.settings.devices],
    )
    return heapq.merge(past, recorded, key=lambda event: event.at)


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
