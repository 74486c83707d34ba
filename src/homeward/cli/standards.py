"""What the guard knows, for other programs: ``homeward mud`` (RFC 8520) and ``homeward incidents`` (OCSF)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo

from homeward import __version__
from homeward.cli.reading import journaled, resumed
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.incident import Incident
from homeward.core.local_time import milliseconds, moment
from homeward.dashboard import told, words
from homeward.dashboard.view import safe
from homeward.exchange import attack, mud, ocsf
from homeward.exchange.needs import MudError, Seen, is_domain, local_address
from homeward.journal import Journal

OK, PROBLEM = 0, 1
NEAR: Final = 5
"""So many names are told that are like one that nobody has."""

_SINCE: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_SEEN_IN_EVENTS: Final = frozenset({"network", "rule"})
"""Kinds of incidents whose first event can tell more about a technique than the incident itself."""


# What a device needs of the network


def usage_description(chosen: argparse.Namespace) -> int:
    """Print the MUD file of a device, and on standard error what is not in it; without a device, list them."""
    engine = resumed(chosen)
    lines = engine.state.traffic.lines
    if chosen.device is None:
        return _list_devices(engine)
    name: str = chosen.device
    if name not in lines:
        print(f"homeward: {_not_seen(name, lines)}", file=sys.stderr)
        return PROBLEM
    found = mud.learned(seen_of(engine, name), is_local=local_to(engine), min_days=chosen.min_days)
    said = engine.state.arrivals.known.get(name)
    try:
        file = mud.profile(
            name,
            found.needs,
            last_update=engine.now or datetime.now(UTC),
            maker="" if said is None else said.maker,
            model="" if said is None else said.model,
        )
    except MudError as error:
        print(f"homeward: {safe(str(error))}", file=sys.stderr)
        return PROBLEM
    for one in found.left_out:
        print(f"homeward: left out: {_left_out(one, chosen.min_days)}", file=sys.stderr)
    print(mud.write(file).decode(), end="")
    return OK


def seen_of(engine: Engine, device: str) -> Iterator[Seen]:
    """The conversations that a device was learned to have, with the home's own days."""
    zone = ZoneInfo(engine.settings.timezone)
    for (peer, port, protocol, inbound), need in engine.state.traffic.needs(device):
        first, last = (_local_day(at, engine.state.offset, zone) for at in (need.first, need.last))
        yield Seen(mud.Need(peer, port, protocol, inbound), need.count, first, last)


def local_to(engine: Engine) -> Callable[[str], bool]:
    """Whether a peer is at home: an address of a home's network, or one of the devices.

    Sources name what is elsewhere by its domain name. A device may call itself as it likes; so a name with a dot is
    a device's only if its owner wrote it down.
    """
    state = engine.state
    known = state.arrivals.known
    said = {*known, *state.traffic.lines, *(one.address for one in known.values() if one.address)}
    at_home = {name for name in said if "." not in name or not is_domain(name.lower())}
    at_home |= {device.name for device in engine.settings.devices}
    return lambda peer: peer in at_home or local_address(peer)


def _local_day(at: int, offset: int, zone: tzinfo) -> date:
    return moment(at + offset).astimezone(zone).date()


def _left_out(one: Seen, min_days: int) -> str:
    need = one.need
    where = f"{'asked by' if need.inbound else 'to'} {need.peer or 'nobody'}"
    what = f"{need.protocol}/{need.port} {where}, {words.many(one.flows, 'flow')}"
    short = one.last - one.first < timedelta(days=min_days - 1)
    why = f"seen on fewer than {min_days} days" if short else "no such file can say it"
    return safe(f"{what}: {why}")


def _list_devices(engine: Engine) -> int:
    state = engine.state
    if not state.traffic.lines:
        print("homeward: no device was seen on the network; this needs a source that sees it", file=sys.stderr)
        return OK
    rows = []
    for name, line in sorted(state.traffic.lines.items()):
        said = state.arrivals.known.get(name)
        what = "" if said is None else " ".join(word for word in (said.maker, said.model) if word)
        peers = len({talk[0] for talk in line.needs})
        rows.append((safe(name), words.many(peers, "peer"), words.many(line.flows, "flow"), safe(what)))
    _print_table(rows)
    return OK


def _not_seen(name: str, devices: Iterable[str]) -> str:
    near = get_close_matches(name, list(devices), n=NEAR, cutoff=0.5)
    there = f"there is {', '.join(map(safe, near))}" if near else "`homeward mud` lists those that were"
    return f"no device {safe(name)} was seen on the network; {there}"


# Incidents


def incidents(chosen: argparse.Namespace) -> int:
    """Print the incidents that are kept, oldest first: as a table, or each as an OCSF Detection Finding in a line."""
    with journaled(chosen) as (engine, journal):
        zone = ZoneInfo(engine.settings.timezone)
        since = None if chosen.since is None else _moment(chosen.since, zone)
        wanted = [one for one in engine.incidents.values() if since is None or _changed(one) >= since]
        if chosen.ocsf:
            for line in ocsf.ndjson(_findings(engine, journal, wanted)):
                print(line.decode(), end="")
            return OK
    if wanted:
        _print_table([_row(one, engine, zone) for one in wanted])
    else:
        print(f"homeward: no incident{'' if since is None else ' since then'}", file=sys.stderr)
    return OK


def moment_or_span(text: str) -> datetime | timedelta:
    """``2026-03-02``, ``2026-03-02T21:00`` (in the home's time zone), or how long ago: ``7d``, ``12h``, ``30m``."""
    number, unit = text[:-1], text[-1:]
    if unit in _SINCE and number.isascii() and number.isdigit() and len(number) <= 5:
        return int(number) * _SINCE[unit]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "write a day (2026-03-02), a moment (2026-03-02T21:00) or how long ago (7d, 12h, 30m)"
        ) from None


def _moment(since: datetime | timedelta, zone: tzinfo) -> datetime:
    if isinstance(since, timedelta):
        return datetime.now(UTC) - since
    return since if since.tzinfo is not None else since.replace(tzinfo=zone)


def _changed(one: Incident) -> datetime:
    """When something last happened in it; what is still open may change at any time."""
    return datetime.max.replace(tzinfo=UTC) if one.closed is None else max(one.updated, one.closed)


def _findings(engine: Engine, journal: Journal, wanted: Iterable[Incident]) -> Iterator[dict[str, object]]:
    devices = engine.state.arrivals.devices({device.name: device for device in engine.settings.devices})
    for one in wanted:
        device = devices.get(one.device.removeprefix("device:"))
        event = _first_event(journal, one) if one.kind in _SEEN_IN_EVENTS else None
        signs = attack.signs_of(one, device, event)
        yield ocsf.detection_finding(one, device, place=engine.settings.place, version=__version__, signs=signs)


def _first_event(journal: Journal, incident: Incident) -> Event | None:
    """The event that opened an incident, if the journal still has it: found by halving, as its times only grow."""
    opened, low, high = milliseconds(incident.opened), 0, journal.last_seq
    while low < high:
        middle = (low + high) // 2
        _, entry = next(journal.inputs(middle), (0, None))
        if entry is None or milliseconds(entry.at) >= opened:
            high = middle
        else:
            low = middle + 1
    for _, entry in journal.inputs(low):
        if milliseconds(entry.at) > opened:
            return None
        if isinstance(entry, Event) and entry.device == incident.device and entry.action == incident.action:
            return entry
    return None


def _row(one: Incident, engine: Engine, zone: tzinfo) -> tuple[str, ...]:
    opened = f"{one.opened.astimezone(zone):%Y-%m-%d %H:%M}"
    kind = words.kind(one.kind) or "habit"
    said = words.answer(one.answer, one.kind) or ("" if one.closed is not None else "going on")
    how = f"{words.rung(one.rung)}{', in a dry run' if told.rehearsed(one, engine.leases) else ''}"
    return one.id, opened, how, kind, said, safe(one.reason)


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they have to be, the last as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
