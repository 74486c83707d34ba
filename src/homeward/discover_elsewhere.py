"""What ``homeward discover`` does beside a broker: look at a Home Assistant, or listen on an interface."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from homeward.core.arrival import ANNOUNCED, read_announcement
from homeward.core.event import Event
from homeward.core.flow import FLOW, read_flow
from homeward.core.vocabulary import KINDS, kind_of
from homeward.discover import Found, quoted, render_configuration
from homeward.sources import Source
from homeward.sources.home_assistant_connection import Connection, HomeAssistantSettings
from homeward.sources.home_assistant_reading import Reading
from homeward.sources.makers import maker_of

PEERS_TOLD: Final = 5
PEERS_LIMIT: Final = 1_024
DEVICES_LIMIT: Final = 4_096
_NO_DEVICE: Final = frozenset({"person", "residents"})


@dataclass(slots=True, kw_only=True)
class Heard:
    """A device as Home Assistant or the network tells it; ``peers`` counts the flows with each peer and service."""

    name: str
    type: str = "other"
    role: str = "other"
    room: str = "unknown"
    maker: str = ""
    model: str = ""
    address: str = ""
    peers: dict[str, int] = field(default_factory=dict)

    @property
    def guarding(self) -> str:
        """The kind it would be judged among, in words."""
        return KINDS[kind_of(self.type, self.role)]


async def look_at_home_assistant(settings: HomeAssistantSettings) -> tuple[Heard, ...]:
    """The devices of a Home Assistant, by name; people are left out, for they are no devices.

    Raises:
        HomeAssistantError: it cannot be reached or used.
    """
    connection = await Connection.open(settings)
    try:
        reading = Reading("home_assistant", "home", None, ())
        await reading.load(connection)
        await reading.snapshot(connection)
    finally:
        await connection.close()
    found = (_heard(change.device, change.attributes) for change in reading.announced())
    return tuple(sorted((one for one in found if one.type not in _NO_DEVICE), key=lambda one: one.name))


async def listen_on(source: Source, seconds: float) -> tuple[Heard, ...]:
    """The devices that a source of flows tells of within so many seconds, by name, and whom they talk to.

    Raises:
        OSError: it cannot be listened to.
    """
    devices: dict[str, Heard] = {}
    try:
        async with asyncio.timeout(seconds), aclosing(source.events()) as events:  # type: ignore[type-var]
            async for item in events:
                if isinstance(item, Event) and (item.device in devices or len(devices) < DEVICES_LIMIT):
                    _take(devices.setdefault(item.device, Heard(name=item.device)), item)
    except TimeoutError:
        pass
    return tuple(devices[name] for name in sorted(devices))


def _take(device: Heard, event: Event) -> None:
    if event.action == ANNOUNCED:
        said = _heard(device.name, event.attributes)
        said.peers = device.peers
        for name in ("type", "role", "room", "maker", "model", "address"):
            setattr(device, name, getattr(said, name))
    elif event.action == FLOW and (flow := read_flow(event)) is not None:
        way = "asked by " if flow.inbound else ""
        peer = f"{way}{flow.peer} ({flow.protocol}/{flow.port})"
        if peer in device.peers or len(device.peers) < PEERS_LIMIT:
            device.peers[peer] = device.peers.get(peer, 0) + flow.times


def _heard(name: str, attributes: Mapping[str, str]) -> Heard:
    now = datetime.now(UTC)
    event = Event(id="", source="", at=now, device=name, action=ANNOUNCED, attributes=attributes)
    said = read_announcement(event)
    maker = said.maker or (maker_of(said.address) if said.address else "")
    return Heard(
        name=name, type=said.type, role=said.role, room=said.room, maker=maker, model=said.model, address=said.address
    )


def report(what: str, devices: Iterable[Heard]) -> Iterator[str]:
    """What was found, in lines for people."""
    listed = list(devices)
    yield f"{what} tells of {len(listed)} devices."
    for one in listed:
        room = "" if one.room == "unknown" else f" in {one.room}"
        made = " ".join(said for said in (one.maker, one.model) if said)
        yield f"  {one.name}: {one.type}, {one.role}{room} [{one.guarding}]{f' ({made})' if made else ''}"
        most = sorted(one.peers, key=lambda peer: (-one.peers[peer], peer))
        more = f" and {len(most) - PEERS_TOLD} more" if len(most) > PEERS_TOLD else ""
        if most:
            yield f"    talks to {', '.join(most[:PEERS_TOLD])}{more}"


def render(
    *,
    broker: Found | None = None,
    password_file: str = "",
    home_assistant: str = "",
    token_file: str = "",
    home: Collection[Heard] = (),
    interface: str = "",
    timezone: str = "UTC",
) -> str:
    """The ``homeward.toml`` of all that was found, for the owner to correct; a device is named once."""
    if broker is not None:
        text = render_configuration(broker, timezone=timezone, password_file=password_file)
    else:
        text = "# Written by homeward discover. Correct types, roles and rooms: what stands here wins.\n\n"
        text += f'[home]\nname = "home"\ntimezone = {quoted(timezone)}\n'
    known = {device.name for device in broker.devices} if broker is not None else set()
    lines: list[str] = []
    for one in home:
        if one.name not in known:
            lines += ["", f"# {one.guarding}", "[[device]]", f"name = {quoted(one.name)}"]
            lines += [f"type = {quoted(one.type)}", f"role = {quoted(one.role)}", f"room = {quoted(one.room)}"]
    if home_assistant:
        lines += ["", "[home_assistant]", f"url = {quoted(home_assistant)}"]
        lines += [f"token_file = {quoted(token_file or 'home-assistant-token')}"]
    if interface:
        lines += ["", "[packets]", f"interface = {quoted(interface)}"]
    return text + "".join(f"{line}\n" for line in lines)
