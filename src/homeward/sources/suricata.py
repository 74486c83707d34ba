"""Suricata's ``eve.json`` as events: its flows and alerts, with the names that its other records give.

An alert is an event of its own; the rules that raised it are Suricata's and the owner's. What Suricata tells of MQTT
makes none: the broker tells more, and the connection is a flow like any other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from homeward.core.event import NAME_LIMIT, Event
from homeward.core.flow import SECONDS_LIMIT, Flow
from homeward.core.inputs import Health
from homeward.sources.flow_events import FlowEvents
from homeward.sources.flows import Sighting
from homeward.sources.log_files import Follower, LogError
from homeward.sources.log_values import (
    FAULTS,
    as_address,
    read_address,
    read_count,
    read_port,
    read_protocol,
    read_seconds,
)
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.payloads import Refused, clean_name, read_json

ALERT: Final = "alert"
"""The action of an event that carries an alert."""

WORST: Final = 1
MILDEST: Final = 4
"""The severities that are told; Suricata's own rules use 1 to 3, and 255 are possible."""

UNNAMED: Final = "unnamed"
"""The signature or category that cannot be read."""

_PROTOCOLS: Final = {"ipv6-icmp": "icmp", "icmpv6": "icmp"}
_NO_EVENT: Final = frozenset({"mqtt"})


class SuricataSource:
    """A `Source` that follows ``eve.json``.

    ``local`` and ``names`` are the owner's (see `Neighbourhood`); ``pending`` and ``last`` come from the journal. It
    begins at the end of the file, or where the journal says that an earlier process stopped.

    Raises:
        ValueError: a network or an address in ``local`` or ``names`` is none.
    """

    def __init__(
        self,
        path: Path,
        *,
        local: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
        name: str = "suricata",
        place: str = "home",
        pending: Iterable[str] = (),
        last: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._path = path
        self._counts: Counter[str] = Counter()
        self._neighbourhood = Neighbourhood(local, names, last=last)
        self._eve = Eve(self._neighbourhood, self._counts)
        self._flows = FlowEvents(
            Follower(path, self._counts),
            self._eve.sightings,
            self._neighbourhood,
            name=name,
            place=place,
            absent="is Suricata running, and is eve-log switched on?",
            refused=self._counts,
            pending=pending,
            beforehand=self._look,
        )

    @property
    def refused(self) -> Counter[str]:
        """How many lines, ends of flows, devices or names could not be used, by reason."""
        return self._flows.refused

    @property
    def merged(self) -> Counter[str]:
        """How many flows and alerts were not told alone: ``same`` as another within a minute, or of ``many``."""
        return self._flows.merger.merged

    async def events(self) -> AsyncIterator[Event | Health]:
        """Say that the file can be read, then yield events as it grows, until cancelled.

        Raises:
            LogError: the file or its folder cannot be read, or the file is not there yet.
        """
        self._look()
        async for item in self._flows.events():
            yield item

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        """See `Source`; a name is settled once the journal holds what makes it needless (see `Bookmarks`)."""
        return self._flows.committed(deliveries)

    def _look(self) -> bool:
        if not os.access(self._path.parent, os.R_OK | os.X_OK):
            raise LogError(f"{self._path.parent}: cannot be read; let the guard's user read Suricata's log folder")
        return False


class Eve:
    """Decodes the lines of an ``eve.json``. ``refused`` counts by reason what says nothing: ``malformed``,
    ``unknown kind``."""

    def __init__(self, neighbourhood: Neighbourhood, refused: Counter[str]) -> None:
        self._neighbourhood = neighbourhood
        self._refused = refused

    def sightings(self, line: bytes) -> Sequence[Sighting]:
        """The flows and alerts of a line that concern devices of the house. Never raises."""
        if not line:
            return ()
        try:
            return self._read(read_json(line))
        except (*FAULTS, Refused):
            self._refused["malformed"] += 1
            return ()

    def _read(self, said: Mapping[str, Any]) -> Sequence[Sighting]:
        kind = said.get("event_type")
        about = said.get(kind) if isinstance(kind, str) else None
        if kind == "flow":
            return self._flow(said, _object(about))
        if kind == ALERT:
            return self._alert(said, _object(about))
        if kind == "dns":
            self._dns(said, _object(about))
        elif kind == "tls":
            self._claim(said, _object(about).get("sni"))
        elif kind == "http":
            self._claim(said, _object(about).get("hostname"))
        elif kind == "dhcp":
            self._lease(_object(about))
        elif kind not in _NO_EVENT:
            self._refused["unknown kind"] += 1
        return ()

    def _flow(self, said: Mapping[str, Any], about: Mapping[str, Any]) -> Sequence[Sighting]:
        orig, resp = read_address(said.get("src_ip")), read_address(said.get("dest_ip"))
        end = read_seconds(about.get("end") or said.get("timestamp"))
        begin = read_seconds(about.get("start") or about.get("end") or said.get("timestamp"))
        flow = Flow(
            resp,
            _port(said, said.get("dest_port")),
            _protocol(said),
            False,
            read_count(about.get("bytes_toserver")),
            read_count(about.get("bytes_toclient")),
            min(max(end - begin, 0.0), SECONDS_LIMIT),
        )
        ends = self._neighbourhood.ends(orig, resp, flow, *_macs(said))
        return [Sighting(device, seen, end) for device, seen in ends]

    def _alert(self, said: Mapping[str, Any], about: Mapping[str, Any]) -> Sequence[Sighting]:
        """One event: of the device that asked, else of the one that was asked."""
        flow = _object(said.get("flow", {}))
        orig, resp, port = said.get("src_ip"), said.get("dest_ip"), said.get("dest_port")
        if "src_ip" in flow:  # Suricata 7 and later; the packet may have been an answer
            orig, resp, port = flow["src_ip"], flow.get("dest_ip"), flow.get("dest_port", port)
        orig, resp = read_address(orig), read_address(resp)
        seen = Flow(resp, _port(said, port), _protocol(said), received=read_count(flow.get("bytes_toclient")))
        ends = self._neighbourhood.ends(orig, resp, seen)[:1]
        if not ends and self._neighbourhood.place(resp) == "house":  # it may be the first that is heard of it
            device = self._neighbourhood.device(resp)
            ends = [(device, seen._replace(peer=self._neighbourhood.peer(device, orig), inbound=True))]
        told = (
            ("signature", _words(about.get("signature"))),
            ("category", _words(about.get("category"))),
            ("severity", str(min(max(int(about.get("severity", MILDEST)), WORST), MILDEST))),
        )
        happened = read_seconds(said.get("timestamp"))
        return [Sighting(device, end, happened, ALERT, told) for device, end in ends]

    def _dns(self, said: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Versions 1 (an event for each answer), 2 (``answers``, ``grouped``) and 3 (``queries``)."""
        if about.get("type") not in ("answer", "response"):
            return
        asker = said.get("dest_ip") if said.get("src_port") == 53 else said.get("src_ip")
        queries = about.get("queries")
        name = about.get("rrname") or (_object(queries[0]).get("rrname") if isinstance(queries, list) else None)
        grouped = _object(about.get("grouped", {}))
        answers = [about.get("rdata"), *(_object(answer).get("rdata") for answer in _list(about.get("answers")))]
        for answer in (*answers, *_list(grouped.get("A")), *_list(grouped.get("AAAA"))):
            address = as_address(answer)
            if address is not None and isinstance(name, str):
                self._neighbourhood.named(read_address(asker), address, name, answered=True)

    def _claim(self, said: Mapping[str, Any], name: object) -> None:
        if isinstance(name, str):
            orig, resp = read_address(said.get("src_ip")), read_address(said.get("dest_ip"))
            self._neighbourhood.named(orig, resp, name, answered=False)

    def _lease(self, about: Mapping[str, Any]) -> None:
        mac, host = about.get("client_mac"), about.get("hostname")
        if isinstance(mac, str):
            given = as_address(about.get("assigned_ip")) if about.get("dhcp_type") == "ack" else None
            self._neighbourhood.lease(given, mac, host if isinstance(host, str) else None)


def _object(said: object) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise TypeError("no object")
    return said


def _list(said: object) -> list[Any]:
    return said if isinstance(said, list) else []


def _protocol(said: Mapping[str, Any]) -> str:
    word = read_protocol(said.get("proto"))
    return _PROTOCOLS.get(word, word)


def _port(said: Mapping[str, Any], port: object) -> int:
    return read_port(said.get("icmp_type", 0) if port is None else port)


def _words(said: object) -> str:
    return (clean_name(said[:NAME_LIMIT]) if isinstance(said, str) else None) or UNNAMED


def _macs(said: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The hardware addresses of a flow's ends, where ``ethernet`` is switched on: one that has several has none."""
    ether = said.get("ether")
    if not isinstance(ether, dict):
        return None, None
    ends = [_list(ether.get("src_macs")), _list(ether.get("dest_macs"))]
    orig, resp = (macs[0] if len(macs) == 1 and isinstance(macs[0], str) else None for macs in ends)
    return orig, resp
