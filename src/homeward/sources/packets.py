"""Flows from packets: a capture file (pcap, pcapng), or an interface that is listened on, by nfstream.

The packets are read by a process of its own (`packet_meter`). Either this source starts it, and it ends with the
source; or it is somebody else's, with the right to listen that the guard does not have, and its lines come through a
Unix socket (systemd starts it for each connection: see the how-to).
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec

from homeward.core.event import Event
from homeward.core.flow import BYTES_LIMIT, Flow
from homeward.core.inputs import Health
from homeward.sources.flows import WINDOW, Merger, Sighting
from homeward.sources.makers import maker_of
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.packet_meter import LINE_LIMIT, Metered

__all__ = ["PacketsError", "PacketsSource"]

SERVICE_LIMIT: Final = 4_096
"""How many ends that were seen to be asked (address, port) are remembered, the last ones."""

EPHEMERAL: Final = 32_768
"""Ports from here on are whoever asks's own (Linux; RFC 6335 says 49152): the other one is the service."""

CHUNK: Final = 64 * 1024
"""How many bytes are read at once; never more than twice as many are waiting."""

PAUSE_SECONDS: Final = 1.0
TIME_LIMIT: Final = 253_402_300_800_000
"""The end of the year 9999 in epoch milliseconds; no packet is of later."""

_REASONS: Final = frozenset({"truncated", "too many flows", "no memory", "dropped by the kernel"})
_DHCP_ANSWER: Final = (67, 68)
_PROTOCOLS: Final = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp", 132: "sctp"}
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}")
_NAMERS: Final = frozenset({"DNS", "MDNS", "LLMNR", "NetBIOS", "DHCP", "DHCPV6", "SSDP"})
"""Protocols in which a name is what was asked for, or the device's own, and not the peer's."""

_LINE: Final = msgspec.json.Decoder(Metered | dict[str, int] | str)


class PacketsError(OSError):
    """Packets cannot be read. The message is one line: what is wrong, and what to change."""


class PacketsSource:
    """A `Source` of what passes on an interface, or has passed according to a capture file.

    ``capture`` is the interface's name or the file's path. With ``meter``, the path of a Unix socket, the process
    that reads packets is not started here but answers there. ``interpreter`` is what runs it here: a copy of Python
    that has the right to listen, if this one has not. ``local`` and ``names`` are the owner's (see `Neighbourhood`),
    ``last`` comes from the journal.

    A file is read once and then ends; its flows have the times of their packets. ``refused`` counts by reason.

    Raises:
        ValueError: ``capture`` names no interface; a network or an address is none.
    """

    def __init__(
        self,
        capture: str | Path,
        *,
        meter: Path | None = None,
        interpreter: str = sys.executable,
        local: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
        name: str = "packets",
        place: str = "home",
        last: Mapping[str, str] | None = None,
        idle_seconds: int = 60,
        active_seconds: int = 300,
    ) -> None:
        if isinstance(capture, str) and not _INTERFACE.fullmatch(capture):
            raise ValueError(f"{capture!r} is no name of an interface; a file is given as a path")
        self.name = name
        self._place = place
        self._capture = capture
        self._meter = meter
        where = ["--interface", capture] if isinstance(capture, str) else ["--file", str(capture.absolute())]
        self._command = [
            *(interpreter, "-P", "-m", "homeward.sources.packet_meter", *where),
            *("--idle", str(idle_seconds), "--active", str(active_seconds)),
        ]
        self._neighbourhood = Neighbourhood(local, names, last=last)
        self._merger = Merger()
        self._counts: Counter[str] = Counter()
        self._services: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._opened = 0.0
        self._session = secrets.token_hex(6)
        self._number = 0

    @property
    def refused(self) -> Counter[str]:
        """How many lines, packets, ends of flows, devices or names could not be used, by reason."""
        return self._counts + self._neighbourhood.refused + self._merger.refused  # without those that are 0

    @property
    def merged(self) -> Counter[str]:
        """How many flows were not told alone: ``same`` as another within a minute, or one of ``many``."""
        return self._merger.merged

    async def events(self) -> AsyncIterator[Event | Health]:
        """Listen, say so, and yield events until cancelled, or until the file's end.

        Raises:
            PacketsError: nothing can be read, or the process that reads packets ended.
        """
        rest = b""
        async with self._process() as stream:
            while (chunk := await _chunk(stream)) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    for item in self._read(line):
                        yield item
                if len(rest) > LINE_LIMIT:
                    self._counts["malformed"] += 1
                    rest = b""
                if not self._merger.is_empty and time.monotonic() - self._opened >= WINDOW:
                    for event in self._closed():
                        yield event
        self._counts["malformed"] += bool(rest)
        for event in self._closed():
            yield event
        if isinstance(self._capture, str):
            raise PacketsError(f"{self._capture}: the process that reads packets ended")

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 - the protocol's
        """See `Source`. Packets do not come again, so that none of its events names a delivery."""
        return ()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.StreamReader]:
        """The lines of the process that reads packets; at the end it is gone, and its own processes with it."""
        if self._meter is not None:
            try:
                lines, writer = await asyncio.open_unix_connection(self._meter, limit=CHUNK)
            except OSError as error:
                raise PacketsError(f"{self._meter}: nobody reads packets there ({error.strerror})") from None
            try:
                yield lines
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            return
        process = await self._start()
        assert process.stdout is not None
        try:
            yield process.stdout
            if await process.wait() != 0:
                raise PacketsError(f"the process that reads packets died (status {process.returncode})")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it keeps nothing, and must not outlive the guard
            while await process.stdout.read(CHUNK):
                pass
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=CHUNK,
                env={"PATH": os.environ.get("PATH", os.defpath)},  # the guard's secrets are none of its business
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise PacketsError(f"{self._command[0]}: cannot be started ({error.strerror})") from None

    def _read(self, line: bytes) -> Iterator[Event | Health]:
        """What a line of the process tells. Raises `PacketsError` where it says why it ends."""
        try:
            said = _LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._counts["malformed"] += 1
            return
        if isinstance(said, str):
            raise PacketsError(" ".join(said.split())[:LINE_LIMIT])
        if isinstance(said, Metered):
            yield from self._told(said)
        elif said:
            self._counts.update({why: n for why, n in said.items() if why in _REASONS and 0 < n < BYTES_LIMIT})
        else:
            yield Health(at=datetime.now(UTC), subject=f"source:{self.name}", up=True)

    def _told(self, metered: Metered) -> Iterator[Event]:
        """The events of a flow: what is new of its devices, and at each device's end the flow itself."""
        try:
            ends = self._ends(metered)
        except ValueError:
            self._counts["malformed"] += 1
            return
        for device, attributes in self._neighbourhood.news():
            maker = maker_of(attributes.get("address", ""))
            yield self._event(device, "announced", attributes | ({"maker": maker} if maker else {}))
        happened = metered.last_ms / 1000
        if self._merger.is_over(happened):
            yield from self._closed()
        if self._merger.is_empty:
            self._opened = time.monotonic()
        for device, flow in ends:
            first = self._merger.add(Sighting(device, flow, happened))
            if first is not None:
                yield self._flow(first)

    def _ends(self, metered: Metered) -> list[tuple[str, Flow]]:
        """The devices that took part. Raises `ValueError` where the line says what cannot be."""
        orig, resp = _address(metered.src), _address(metered.dst)
        ports = metered.src_port, metered.dst_port
        times = metered.first_ms, metered.last_ms
        if min(*ports, *times) < 0 or max(ports) >= 65_536 or times[1] >= TIME_LIMIT or times[0] > times[1]:
            raise ValueError("out of range")
        sent, received = (min(max(count, 0), BYTES_LIMIT) for count in (metered.sent, metered.received))
        application = metered.application.partition(".")[0]
        if application == "DHCP" and metered.src_port == 68 and metered.server_name:
            self._neighbourhood.lease(None if orig == "0.0.0.0" else orig, metered.src_mac, metered.server_name)  # noqa: S104
        flow = Flow(
            peer=resp,
            port=metered.dst_port,
            protocol=_PROTOCOLS.get(metered.protocol, f"ip-{metered.protocol}"),
            sent=sent,
            received=received,
            seconds=(metered.last_ms - metered.first_ms) / 1000,
            state=metered.state[:16],
        )
        if self._was_asked(metered, orig, resp):
            if metered.server_name and received and application not in _NAMERS:
                if self._neighbourhood.place(orig) == "house":
                    self._neighbourhood.heard(orig, metered.src_mac)
                self._neighbourhood.named(orig, resp, metered.server_name, answered=False)
            return self._neighbourhood.ends(orig, resp, flow, metered.src_mac, metered.dst_mac)
        flow = flow._replace(peer=orig, port=metered.src_port, sent=received, received=sent, state="OTH")
        return self._neighbourhood.ends(resp, orig, flow, metered.dst_mac, metered.src_mac)

    def _was_asked(self, metered: Metered, src: str, dst: str) -> bool:
        """Whether ``dst`` is the end that was asked.

        Usually it is, for ``src`` sent the first packet; but of a conversation that goes on after a pause, or whose
        two directions are tagged differently (VLANs) and are two flows to nfstream, the service may speak first.
        """
        one, other = (src, metered.src_port), (dst, metered.dst_port)
        if metered.asked is not None:
            if metered.received or not metered.asked:
                self._remember_service(other if metered.asked else one)
            return metered.asked
        if metered.protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) or other in self._services:
            return True
        if one in self._services or (metered.src_port, metered.dst_port) == _DHCP_ANSWER:
            return False
        return not any(metered.src_port < bound <= metered.dst_port for bound in (1024, EPHEMERAL))

    def _remember_service(self, service: tuple[str, int]) -> None:
        self._services[service] = None
        self._services.move_to_end(service)
        if len(self._services) > SERVICE_LIMIT:
            self._services.popitem(last=False)

    def _closed(self) -> Iterator[Event]:
        for _, sighting in self._merger.close():
            yield self._flow(sighting)

    def _flow(self, sighting: Sighting) -> Event:
        happened = datetime.fromtimestamp(sighting.happened, UTC)
        return self._event(sighting.device, sighting.action, sighting.attributes, happened)

    def _event(self, device: str, action: str, attributes: dict[str, str], happened: datetime | None = None) -> Event:
        self._number += 1
        return Event(
            id=f"{self._session}-{self._number}",
            source=self.name,
            at=datetime.now(UTC),
            happened=happened,
            place=self._place,
            device=device,
            action=action,
            attributes=attributes,
        )


async def _chunk(stream: asyncio.StreamReader) -> bytes | None:
    """What comes next; nothing when nothing came for a second; ``None`` at the end."""
    try:
        async with asyncio.timeout(PAUSE_SECONDS):
            return await stream.read(CHUNK) or None
    except TimeoutError:
        return b""


@lru_cache(16_384)
def _address(text: str) -> str:
    """An address in its one spelling. Raises `ValueError`."""
    return str(ip_address(text))
