"""MUD files (RFC 8520): what a device has been seen to need, as access lists that a network can enforce. Pure.

A file permits; what it does not permit is denied. Each need is written twice, for what leaves the device and for
what comes to it, and for both versions of IP where its peer is a name or a class. For TCP the file also says who
may begin (``direction-initiated``), so that an answer is let in and a stranger is not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from homeward.core.event import NAME_LIMIT, is_name
from homeward.exchange.mud_file import read as read  # the other half: what `write` wrote
from homeward.exchange.needs import (
    CLASS,
    CONTROLLER,
    ECHO,
    LOCAL,
    MANUFACTURER,
    MODEL,
    MY_CONTROLLER,
    NUMBERS,
    PORTED,
    SAME_MANUFACTURER,
    MudError,
    checked,
    in_order,
    network,
)
from homeward.exchange.needs import Learned as Learned
from homeward.exchange.needs import Need as Need
from homeward.exchange.needs import Seen as Seen
from homeward.exchange.needs import learned as learned

MEDIA_TYPE: Final = "application/mud+json"
URL: Final = "https://homeward.invalid/mud/"
"""A file must name its own address. A learned one has none: ``.invalid`` (RFC 2606) leads nowhere, by definition."""

CACHE_HOURS: Final = 48
"""RFC 8520's default: how long a manager waits before it asks whether the file is a new one."""

NEEDS_LIMIT: Final = 512
"""Needs in one file; a device that talks to more peers than that has no use for a list of them."""

_INFO_LIMIT: Final = 60
"""What ``systeminfo`` should take of a display, in characters (RFC 8520)."""

_FROM, _TO = "fr", "to"


def profile(
    device: str, needs: Iterable[Need], *, last_update: datetime, maker: str = "", model: str = ""
) -> dict[str, Any]:
    """The MUD file of a device, JSON-ready and always in the same order.

    ``needs`` are `learned`, or `read` from another file. ``is-supported`` is true: the file is written anew whenever
    it is asked for, which is what that word is about.

    Raises:
        MudError: the device has no name, a need cannot be said exactly, or there are too many.
    """
    if not is_name(device):
        raise MudError("the device needs a name")
    wanted = in_order(checked(need) for need in needs)
    if len(wanted) > NEEDS_LIMIT:
        raise MudError(
            f"{device} talks to too many peers: {len(wanted):,} needs, and a file has {NEEDS_LIMIT:,} at most"
        )
    lists = _access_lists(device, wanted)
    about: dict[str, Any] = {
        "mud-version": 1,
        "mud-url": URL + quote(device, safe=""),
        "last-update": last_update.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "cache-validity": CACHE_HOURS,
        "is-supported": True,
        "systeminfo": f"As learned by Homeward: {device}"[:_INFO_LIMIT],
        **{key: text[:NAME_LIMIT] for key, text in (("mfg-name", maker), ("model-name", model)) if text},
    }
    for way, policy in ((_FROM, "from-device-policy"), (_TO, "to-device-policy")):
        names = [{"name": one["name"]} for one in lists if one["name"].endswith(way)]
        about[policy] = {"access-lists": {"access-list": names}}
    return {"ietf-mud:mud": about, "ietf-access-control-list:acls": {"acl": lists}}


def write(file: dict[str, Any]) -> bytes:
    """The file as it is kept and served."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _access_lists(device: str, needs: list[Need]) -> list[dict[str, Any]]:
    """One list for each version of IP and each way. One that would permit nothing is left out, unless all would."""
    number = zlib.crc32(device.encode()) % 100_000
    lists: list[dict[str, Any]] = []
    for version in (4, 6):
        for way in (_FROM, _TO):
            entries = [
                entry for count, need in enumerate(needs) if (entry := _entry(f"need{count}", need, version, way))
            ]
            lists.append(
                {
                    "name": f"mud-{number:05}-v{version}{way}",
                    "type": f"ipv{version}-acl-type",
                    "aces": {"ace": entries},
                }
            )
    return [one for one in lists if one["aces"]["ace"]] or lists[:2]


def _entry(name: str, need: Need, version: int, way: str) -> dict[str, Any] | None:
    """What permits a need in one list; ``None`` where nothing of it belongs there."""
    where = network(need.peer)
    if (where is not None and where.version != version) or need.protocol == ("icmp6" if version == 4 else "icmp"):
        return None
    matches: dict[str, Any] = {}
    internet: dict[str, Any] = {}
    if where is not None:
        internet[f"{'destination' if way == _FROM else 'source'}-ipv{version}-network"] = str(where)
    elif need.peer.startswith(CLASS):
        matches["ietf-mud:mud"] = _class(need.peer)
    elif need.peer:
        internet[f"ietf-acldns:{'dst' if way == _FROM else 'src'}-dnsname"] = need.peer
    if need.protocol:
        internet["protocol"] = NUMBERS.get(need.protocol) or int(need.protocol)
    if internet:
        matches[f"ipv{version}"] = internet
    transport = _transport(need, way)
    if transport is None:
        return None
    if transport:
        matches["icmp" if need.protocol in ECHO else need.protocol] = transport
    return {
        "name": f"{name}-{way}dev",
        "matches": matches,
        "actions": {"forwarding": "accept"},
    }


def _transport(need: Need, way: str) -> dict[str, Any] | None:
    """Ports and who may begin, or the type; nothing where there is nothing to say, ``None`` if it is not this way."""
    own_way = need.inbound == (way == _TO)
    if need.protocol in ECHO:
        request, answer = ECHO[need.protocol]
        if own_way:
            return {} if need.port is None else {"type": need.port}
        return {"type": answer} if need.port == request else None
    if need.protocol not in PORTED or (need.protocol == "udp" and need.port is None):
        return {} if own_way else None
    said: dict[str, Any] = {}
    if need.protocol == "tcp":
        said["ietf-mud:direction-initiated"] = "to-device" if need.inbound else "from-device"
    if need.port is not None:
        one = {"operator": "eq", "port": need.port}
        several = {"lower-port": need.port, "upper-port": need.through}
        said["destination-port" if own_way else "source-port"] = one if need.through is None else several
    return said


def _class(peer: str) -> dict[str, Any]:
    """A class of peers; YANG's `empty` is ``[null]`` in JSON (RFC 7951)."""
    for word in (LOCAL, SAME_MANUFACTURER, MY_CONTROLLER):
        if peer == word:
            return {word.removeprefix(CLASS): [None]}
    kind = next(kind for kind in (CONTROLLER, MANUFACTURER, MODEL) if peer.startswith(kind))
    return {kind.removeprefix(CLASS).removesuffix("="): peer.removeprefix(kind)}
