"""A MUD file read: bytes in, needs out, or a refusal that names its reason. Pure.

A file permits, so that nothing in it may be overlooked: a condition that a `Need` cannot hold would make it permit
more than its maker meant. Such a file is refused. What is not about permission (signature, documentation, extensions)
is skipped. Both the RFC's list of access lists and the name that its drafts had for it are understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from homeward.exchange.needs import (
    CONTROLLER,
    ECHO,
    LOCAL,
    MANUFACTURER,
    MODEL,
    MY_CONTROLLER,
    PORTED,
    SAME_MANUFACTURER,
    MudError,
    Need,
    checked,
    in_order,
    is_domain,
    network_text,
    protocol_word,
)
from homeward.sources.payloads import Refused, clean_name, read_json

FILE_LIMIT: Final = 3 << 20
"""The longest file that is read, in bytes: as many needs as one may have, of the longest kind, take less."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_PortNumber = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
_Text = Annotated[str, msgspec.Meta(max_length=2_048)]
_Empty = list[None] | None
"""YANG's `empty`."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    """A condition: whatever else it holds is not understood, and refused."""


class _Ports(_Strict):
    operator: Literal["eq", "gte", "lte"] = "eq"
    port: _PortNumber | None = None
    lower_port: _PortNumber | None = None
    upper_port: _PortNumber | None = None

    def span(self) -> tuple[int, int | None]:
        """The first port and, of a range, the last."""
        if self.port is not None and self.lower_port is None and self.upper_port is None:
            first, last = {"eq": (self.port, self.port), "gte": (self.port, 65_535), "lte": (0, self.port)}[
                self.operator
            ]
        elif self.port is None and self.lower_port is not None:
            first, last = self.lower_port, self.lower_port if self.upper_port is None else self.upper_port
        else:
            raise MudError("ports are neither one nor a range")
        if last < first:
            raise MudError("a range of ports ends before it begins")
        return first, None if first == last else last


class _Internet(_Strict):
    protocol: _Byte | None = None
    src_name: _Text | None = msgspec.field(default=None, name="ietf-acldns:src-dnsname")
    dst_name: _Text | None = msgspec.field(default=None, name="ietf-acldns:dst-dnsname")
    source_ipv4_network: _Text | None = None
    destination_ipv4_network: _Text | None = None
    source_ipv6_network: _Text | None = None
    destination_ipv6_network: _Text | None = None


class _Tcp(_Strict):
    initiated: Literal["from-device", "to-device"] | None = msgspec.field(
        default=None, name="ietf-mud:direction-initiated"
    )
    source_port: _Ports | None = None
    destination_port: _Ports | None = None


class _Udp(_Strict):
    source_port: _Ports | None = None
    destination_port: _Ports | None = None


class _Icmp(_Strict):
    type: _Byte | None = None


class _Class(_Strict):
    local_networks: _Empty = None
    same_manufacturer: _Empty = None
    my_controller: _Empty = None
    controller: _Text | None = None
    manufacturer: _Text | None = None
    model: _Text | None = None


class _Matches(_Strict):
    ipv4: _Internet | None = None
    ipv6: _Internet | None = None
    tcp: _Tcp | None = None
    udp: _Udp | None = None
    icmp: _Icmp | None = None
    mud: _Class | None = msgspec.field(default=None, name="ietf-mud:mud")


class _Actions(msgspec.Struct):
    forwarding: str


class _Entry(msgspec.Struct, rename="kebab"):
    name: _Name
    actions: _Actions
    matches: _Matches = msgspec.field(default_factory=_Matches)


class _Entries(msgspec.Struct):
    ace: list[_Entry] = []


class _List(msgspec.Struct):
    name: _Name
    type: str = ""
    aces: _Entries = msgspec.field(default_factory=_Entries)


class _Lists(msgspec.Struct):
    acl: list[_List] = []


class _Named(msgspec.Struct):
    name: _Name


class _Names(msgspec.Struct, rename="kebab"):
    access_list: list[_Named] = []


class _Policy(msgspec.Struct, rename="kebab"):
    access_lists: _Names = msgspec.field(default_factory=_Names)


class _About(msgspec.Struct, rename="kebab"):
    mud_version: Literal[1]
    mud_url: _Text
    last_update: _Text
    is_supported: bool
    cache_validity: Annotated[int, msgspec.Meta(ge=1, le=168)] = 48
    from_device_policy: _Policy = msgspec.field(default_factory=_Policy)
    to_device_policy: _Policy = msgspec.field(default_factory=_Policy)


class _File(msgspec.Struct):
    about: _About = msgspec.field(name="ietf-mud:mud")
    lists: _Lists | None = msgspec.field(default=None, name="ietf-access-control-list:acls")
    draft: _Lists | None = msgspec.field(default=None, name="ietf-access-control-list:access-lists")


_ACCEPT: Final = frozenset({"accept", "ietf-access-control-list:accept"})
_REFUSE: Final = frozenset(
    {f"{module}{word}" for module in ("", "ietf-access-control-list:") for word in ("drop", "reject")}
)
_VERSIONS: Final = {
    f"{module}ipv{version}-acl-type": version for module in ("", "ietf-access-control-list:") for version in (4, 6)
}


def read(data: bytes) -> tuple[str, tuple[Need, ...]]:
    """What the file describes (the last part of its ``mud-url``), and everything that it permits, in order.

    Raises:
        MudError: it is no MUD file, is too long, or holds a condition that a `Need` cannot.
    """
    if len(data) > FILE_LIMIT:
        raise MudError(f"the file has more than {FILE_LIMIT >> 20} MiB")
    try:
        file = msgspec.convert(read_json(data), _File)
        datetime.fromisoformat(file.about.last_update)
    except Refused:
        raise MudError("this is no JSON object") from None
    except ValueError as error:  # msgspec's errors are ValueErrors, and name the place
        raise MudError(" ".join(str(error).split())[:200]) from None
    known: dict[str, _List] = {}
    for one in (*(file.lists or _Lists()).acl, *(file.draft or _Lists()).acl):
        if known.setdefault(one.name, one) is not one:
            raise MudError(f"two access lists are called {one.name!r}")
    leaving = _permitted(file.about.from_device_policy, known, leaving=True)
    coming = _permitted(file.about.to_device_policy, known, leaving=False)
    return _described(file.about.mud_url), tuple(in_order((*leaving, *coming)))


def _described(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise MudError("mud-url is no URL") from None
    name = clean_name(unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc)
    if parts.scheme != "https" or name is None:
        raise MudError("mud-url must be an https URL that names something")
    return name


def _permitted(policy: _Policy, known: dict[str, _List], *, leaving: bool) -> Iterator[Need]:
    for named in policy.access_lists.access_list:
        found = known.get(named.name)
        if found is None:
            raise MudError(f"there is no access list {named.name!r}")
        if found.type and found.type not in _VERSIONS:
            raise MudError(f"{named.name!r}: access lists of type {found.type!r} are not understood")
        yield from _accepted(found, _VERSIONS.get(found.type, 0), leaving=leaving)


def _accepted(found: _List, version: int, *, leaving: bool) -> Iterator[Need]:
    refused = False
    for entry in found.aces.ace:
        if entry.actions.forwarding in _REFUSE:
            refused = True  # at the end of a list that changes nothing: what is not permitted is refused anyway
            continue
        if entry.actions.forwarding not in _ACCEPT or refused:
            raise MudError(f"{entry.name!r}: only lists that permit, and refuse nothing before, are understood")
        try:
            need = _need(entry.matches, version, leaving=leaving)
            if need is not None:
                yield checked(need)
        except MudError as error:
            raise MudError(f"{entry.name!r}: {error}") from None


def _need(matches: _Matches, version: int, *, leaving: bool) -> Need | None:
    """What one entry permits; ``None`` for the answer to an echo, which goes with its request."""
    if version and getattr(matches, "ipv6" if version == 4 else "ipv4") is not None:
        raise MudError(f"this is no condition for a list of IPv{version}")
    internet = matches.ipv4 or matches.ipv6 or _Internet()
    if matches.ipv4 is not None and matches.ipv6 is not None:
        raise MudError("it asks for both versions of IP at once")
    protocol = "" if internet.protocol is None else protocol_word(str(internet.protocol)) or ""
    peer = _peer(internet, matches.mud, leaving=leaving)
    if sum(part is not None for part in (matches.tcp, matches.udp, matches.icmp)) > 1:
        raise MudError("it asks for more than one protocol at once")
    for word, part in (("tcp", matches.tcp), ("udp", matches.udp)):
        if part is not None:
            if protocol not in ("", word):
                raise MudError(f"{word} is not protocol {internet.protocol}")
            return _with_ports(peer, word, part, leaving=leaving)
    if protocol in PORTED or matches.icmp is None:
        if matches.icmp is not None:
            raise MudError(f"icmp is not protocol {internet.protocol}")
        return Need(peer, None, protocol, not leaving)
    protocol = protocol or ("icmp6" if version == 6 or matches.ipv6 is not None else "icmp")
    if protocol not in ECHO:
        raise MudError(f"icmp is not protocol {internet.protocol}")
    if matches.icmp.type == ECHO[protocol][1]:
        return None
    return Need(peer, matches.icmp.type, protocol, not leaving)


def _with_ports(peer: str, protocol: str, part: _Tcp | _Udp, *, leaving: bool) -> Need:
    """The port that is asked lies at the peer's end if the device asks; who asks is said, or told by the port.

    Where both ends have a port (68 and 67 of DHCP), the asking end's is not kept.
    """
    theirs, own = part.destination_port, part.source_port
    if not leaving:
        theirs, own = own, theirs
    initiated = part.initiated if isinstance(part, _Tcp) else None
    if theirs is None and own is None:
        inbound = not leaving if initiated is None else initiated == "to-device"
        return Need(peer, None, protocol, inbound)
    inbound = theirs is None if initiated is None else initiated == "to-device"
    asked = own if inbound else theirs
    if asked is None:
        raise MudError("it restricts only the port of the end that asks")
    first, last = asked.span()
    return Need(peer, first, protocol, inbound, last)


def _peer(internet: _Internet, mud: _Class | None, *, leaving: bool) -> str:
    """The other end, which is the destination of what leaves the device and the source of what comes to it."""
    sources = (internet.src_name, internet.source_ipv4_network, internet.source_ipv6_network)
    destinations = (internet.dst_name, internet.destination_ipv4_network, internet.destination_ipv6_network)
    theirs, own = (destinations, sources) if leaving else (sources, destinations)
    if any(one is not None for one in own):
        raise MudError("it names the device's own address")
    named = [_host(one) for one in theirs if one is not None]
    if mud is not None:
        named += _classes(mud)
    if len(named) > 1:
        raise MudError("it names its peer in more than one way")
    return named[0] if named else ""


def _host(said: str) -> str:
    """A name in lower case; an address or a network as it is usually written."""
    try:
        return network_text(ip_network(said, strict=False))
    except ValueError:
        name = said.removesuffix(".").lower()
    if not is_domain(name):
        raise MudError(f"{said[:80]!r} is neither an address nor a domain name")
    return name


def _classes(mud: _Class) -> Iterable[str]:
    for said, word in (
        (mud.local_networks, LOCAL),
        (mud.same_manufacturer, SAME_MANUFACTURER),
        (mud.my_controller, MY_CONTROLLER),
    ):
        if said is not None:
            yield word
    for text, kind in ((mud.controller, CONTROLLER), (mud.manufacturer, MANUFACTURER), (mud.model, MODEL)):
        if text is not None:
            yield kind + (text.lower() if kind == MANUFACTURER else text)
