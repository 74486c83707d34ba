"""What a device needs of the network: one line for each peer and port, as a MUD file can say it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

CLASS: Final = "mud:"
"""A peer that begins so is no host but one of RFC 8520's classes of them. No domain name can begin so."""

LOCAL: Final = "mud:local-networks"
SAME_MANUFACTURER: Final = "mud:same-manufacturer"
MY_CONTROLLER: Final = "mud:my-controller"
CONTROLLER: Final = "mud:controller="
MANUFACTURER: Final = "mud:manufacturer="
MODEL: Final = "mud:model="
DNS: Final = "mud:controller=urn:ietf:params:mud:dns"
NTP: Final = "mud:controller=urn:ietf:params:mud:ntp"
"""The home's own name and time servers (the URNs that RFC 8520 registers)."""

MIN_DAYS: Final = 2
"""From how many days on something is a need. What was seen on one day only may be an update, a visitor, an accident
or a break-in; it says nothing about tomorrow. A number of flows would be no better: one afternoon holds thousands."""

NUMBERS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "sctp": 132,
}  # fmt: skip
"""IANA's numbers of the protocols that have a word here."""

WORDS: Final = {number: word for word, number in NUMBERS.items()}
PORTED: Final = frozenset({"tcp", "udp"})
"""Protocols whose ports an access list of RFC 8519 can name."""

ECHO: Final = {"icmp": (8, 0), "icmp6": (128, 129)}
"""Types of the request and of its answer."""

LAST_PORT: Final = 65_535
URI_LIMIT: Final = 512

_HOME: Final = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"))
)
"""Addresses that a home gives itself (RFC 1918, 3927, 4193, 4291)."""

_SYNONYMS: Final = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", "icmp4": "icmp", "icmpv4": "icmp"}
_DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*", re.ASCII)
_URI: Final = re.compile(r"[!-~]+", re.ASCII)


class MudError(ValueError):
    """This cannot be said in a MUD file, or is none. The message is one line."""


class Need(NamedTuple):
    """A conversation that a device must be able to have.

    ``peer`` is a domain name, an address, a network (``192.0.2.0/24``), a class (`LOCAL` and its like), or nothing
    for anybody. ``port`` is the port that is asked, for ICMP the type; ``None`` is any, and with ``through`` it is
    the first of a range. ``protocol`` is a word of `NUMBERS`, another protocol's number as text, or nothing for any.
    ``inbound`` says that the device is asked and does not ask.
    """

    peer: str
    port: int | None = None
    protocol: str = ""
    inbound: bool = False
    through: int | None = None


class Seen(NamedTuple):
    """What passed between a device and a peer: in how many flows, and on which local day first and last."""

    need: Need
    flows: int
    first: date
    last: date


class Learned(NamedTuple):
    """What a device needs, in order; and what it was seen to do that is no need, or that no MUD file can say."""

    needs: tuple[Need, ...]
    left_out: tuple[Seen, ...]


def local_address(peer: str) -> bool:
    """Whether a peer is an address of a home's network. A name is none: anybody can give a server a local name."""
    try:
        address = _address(peer)
    except ValueError:
        return False
    return any(address in network for network in _HOME if network.version == address.version)


def learned(
    seen: Iterable[Seen], *, is_local: Callable[[str], bool] = local_address, min_days: int = MIN_DAYS
) -> Learned:
    """What a device needs, of what it was seen to do.

    A peer that ``is_local`` becomes the class of local networks, or the home's name or time server if that is what
    it was asked for: addresses at home change, and a MUD file must not name them. What the first and the last day
    do not lie ``min_days - 1`` days apart for is left out.
    """
    if min_days < 1:
        raise ValueError("a need is seen on one day at least")
    groups: dict[Need, list[Seen]] = {}
    left_out: list[Seen] = []
    for one in seen:
        need = _as_need(one.need, is_local)
        if need is None:
            left_out.append(one)
        else:
            groups.setdefault(need, []).append(one)
    needs: set[Need] = set()
    for need, times in groups.items():
        if max(one.last for one in times) - min(one.first for one in times) < timedelta(days=min_days - 1):
            left_out += times
        elif need.protocol in PORTED or need.protocol in ECHO:
            needs.add(need)
        else:  # without ports nothing tells an answer from a question: both ways
            needs |= {need._replace(inbound=False), need._replace(inbound=True)}
    return Learned(tuple(in_order(needs)), tuple(sorted(left_out, key=lambda one: (order(one.need), one.first))))


def in_order(needs: Iterable[Need]) -> list[Need]:
    """The needs, each once, always in the same order."""
    return sorted(set(needs), key=order)


def order(need: Need) -> tuple[str, str, int, int, bool]:
    """By peer, protocol and port."""
    return need.peer, need.protocol, -1 if need.port is None else need.port, need.through or 0, need.inbound


def checked(need: Need) -> Need:
    """The need as given, if it is one that a file can say exactly. Raises `MudError` otherwise."""
    if need.peer and not need.peer.startswith(CLASS) and network(need.peer) is None and not is_domain(need.peer):
        raise MudError(f"{need.peer!r} is neither an address nor a domain name in lower case")
    if need.peer.startswith(CLASS) and not _is_class(need.peer):
        raise MudError(f"{need.peer!r} is no class of peers")
    if need.protocol and protocol_word(need.protocol) != need.protocol:
        raise MudError(f"{need.protocol!r} is no protocol")
    if not _has_possible_port(need):
        raise MudError(
            f"{need.protocol or 'any protocol'} to {need.peer or 'anybody'}: there is no such port or type"
        )
    where = network(need.peer)
    if where is not None and need.protocol == ("icmp6" if where.version == 4 else "icmp"):
        raise MudError(f"{need.protocol} does not reach {need.peer}")
    return need


def network(peer: str) -> IPv4Network | IPv6Network | None:
    """The network that a peer names, if it names one in the usual spelling."""
    try:
        found = ip_network(peer)
    except ValueError:
        return None
    return found if peer == network_text(found) else None


def network_text(found: IPv4Network | IPv6Network) -> str:
    """``192.0.2.1`` for a single address, ``192.0.2.0/24`` for more."""
    return str(found.network_address) if found.prefixlen == found.max_prefixlen else str(found)


def is_domain(name: str) -> bool:
    """Whether it is a domain name in lower case (RFC 6991's `domain-name`), and no address that was written oddly."""
    return _DOMAIN.fullmatch(name) is not None and not name.replace(".", "").isdigit()


def is_uri(text: str) -> bool:
    """Printable, without spaces, and not too long; more is not asked of it."""
    return len(text) <= URI_LIMIT and _URI.fullmatch(text) is not None


def protocol_word(said: str) -> str | None:
    """A protocol's word: ``ipv6-icmp`` → ``icmp6``, ``6`` → ``tcp``, ``89`` → ``89``; ``None`` if there is none."""
    word = _SYNONYMS.get(said.lower(), said.lower())
    if word in NUMBERS:
        return word
    if not (word.isascii() and word.isdigit()) or len(word) > 3 or int(word) > 255:
        return None
    return WORDS.get(int(word), str(int(word)))


def _as_need(seen: Need, is_local: Callable[[str], bool]) -> Need | None:
    """What was seen as a file says it; ``None`` where none can."""
    peer = seen.peer.removesuffix(".").lower()
    if not peer or peer.startswith(CLASS):  # a name that a stranger chose must not widen anything
        return None
    protocol = protocol_word(seen.protocol)
    if protocol is None:
        return None
    try:
        address = _address(peer)
    except ValueError:
        if not is_domain(peer) and not is_local(seen.peer):
            return None
    else:
        peer = str(address)
        if protocol in ECHO:
            protocol = "icmp" if address.version == 4 else "icmp6"
    if is_local(seen.peer):
        asked = None if seen.inbound or protocol not in PORTED else seen.port
        peer = DNS if asked == 53 else NTP if asked == 123 and protocol == "udp" else LOCAL
    port = seen.port if protocol in PORTED or protocol in ECHO else None
    need = Need(peer, port, protocol, seen.inbound)
    if not _has_possible_port(need) or (protocol in PORTED and port is None):
        return None
    return need


def _address(text: str) -> IPv4Address | IPv6Address:
    """Without the interface (``%eth0``), and as the IPv4 that it may stand for. Raises `ValueError`."""
    address = ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def _has_possible_port(need: Need) -> bool:
    if need.port is None:
        return need.through is None
    if need.protocol in ECHO:  # an answer is no need of its own
        return 0 <= need.port < 256 and need.port != ECHO[need.protocol][1] and need.through is None
    if need.protocol not in PORTED or not 0 <= need.port <= LAST_PORT:
        return False
    return need.through is None or need.port < need.through <= LAST_PORT


def _is_class(peer: str) -> bool:
    if peer in (LOCAL, SAME_MANUFACTURER, MY_CONTROLLER):
        return True
    if peer.startswith(MANUFACTURER):
        return is_domain(peer.removeprefix(MANUFACTURER))
    return any(peer.startswith(kind) and is_uri(peer.removeprefix(kind)) for kind in (CONTROLLER, MODEL))
