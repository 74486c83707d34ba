"""Whom a claim is about, whom none may ever be about, and with whom a restricted device may still speak. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOME_NETWORKS: Final = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""Addresses that a home gives itself (RFC 1918, 3927, 4193, 4291)."""

NOWHERE: Final = tuple(map(ip_network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8")))
"""No device's address: none at all, loopback, multicast and reserved, broadcast."""

ADDRESSES_LIMIT: Final = 32
"""Addresses of one device. With IPv6 a device has a handful."""

ALLOW_LIMIT: Final = 512
"""Lines of a list that are read: as many as a MUD file has needs."""

NAMES_LIMIT: Final = 128
NAME_ADDRESSES_LIMIT: Final = 16
REACH_LIMIT: Final = 512
"""Peers of one device in the kernel, each way; beyond it they stay closed."""

ANY_PORT: Final = (0, 65_535)
ANY_PROTOCOL: Final = (0, 255)
_PROTOCOLS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "sctp": 132,
}  # fmt: skip
_PORTED: Final = frozenset({6, 17})
_HERE: Final = frozenset(
    {
        "mud:local-networks",
        "mud:controller=urn:ietf:params:mud:dns",
        "mud:controller=urn:ietf:params:mud:ntp",
    }
)
"""Classes of peers (RFC 8520) that are within the home."""

_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)
_NUMERIC: Final = re.compile(r"[0-9a-fA-F.:/-]*[.:/][0-9a-fA-F.:/-]*", re.ASCII)
_DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The addresses of a device, in their usual spelling; at least one."""

    mac: tuple[str, ...] = ()
    ip4: tuple[str, ...] = ()
    ip6: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Every address."""
        return self.mac + self.ip4 + self.ip6


class Permit(NamedTuple):
    """One line of what a device may still do: protocols and ports from … to, the peer, and who asks whom."""

    protocol: tuple[int, int]
    ports: tuple[int, int]
    peer: str
    inbound: bool

    @property
    def name(self) -> str | None:
        """The domain name to look up, where the peer is one."""
        return None if self.peer in _HERE or _network(self.peer) is not None else self.peer


class Peer(NamedTuple):
    """Whom a device may speak with: a network, protocols and ports from … to."""

    network: Network
    protocol: tuple[int, int]
    ports: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reach:
    """With whom a restricted device may speak: whom it may ask, and who may ask it."""

    asks: tuple[Peer, ...] = ()
    asked: tuple[Peer, ...] = ()


def target(device: str, addresses: Iterable[str]) -> Target:
    """A device's addresses, checked.

    Raises:
        ValueError: one of them is no address that a device can have, or there are too many.
    """
    found: dict[str, None] = {}
    for count, text in enumerate(addresses):
        if count >= ADDRESSES_LIMIT:
            raise ValueError(f"{device} has more than {ADDRESSES_LIMIT} addresses")
        found[_device_address(device, text)] = None
    return Target(
        mac=tuple(one for one in found if _MAC.fullmatch(one)),
        ip4=tuple(one for one in found if "." in one),
        ip6=tuple(one for one in found if ":" in one and not _MAC.fullmatch(one)),
    )


def mac(text: str) -> str | None:
    """A hardware address in its usual spelling, ``None`` if it is none."""
    spelled = text.strip().lower().replace("-", ":")
    return spelled if _MAC.fullmatch(spelled) else None


def is_address(text: str) -> bool:
    """Whether it is an address or a hardware address."""
    try:
        return mac(text) is not None or bool(_address(text))
    except ValueError:
        return False


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks, checked; each may be named by an address in it. Raises `ValueError`."""
    found = tuple(ip_network(text, strict=False) for text in texts)
    if any(one.prefixlen == 0 for one in found):
        raise ValueError("a home's network is not the whole world: name it, such as 192.168.1.0/24")
    return found


class Never:
    """Addresses, networks, hardware addresses and names of devices that no claim is ever made on.

    Raises:
        ValueError: an entry looks like an address and is none.
    """

    def __init__(self, entries: Collection[str]) -> None:
        self.devices: set[str] = set()
        self._macs: set[str] = set()
        self._networks: list[Network] = []
        for entry in entries:
            hardware, network = mac(entry), _network(entry, strict=False)
            if hardware is not None:
                self._macs.add(hardware)
            elif network is not None:
                self._networks.append(network)
            elif _NUMERIC.fullmatch(entry):
                raise ValueError(f"{entry!r} is no address; write such as 192.168.1.1, or the name of a device")
            else:
                self.devices.add(entry)

    def covers(self, device: str, target: Target) -> str:
        """What of the device is never touched; empty when nothing is."""
        if device in self.devices:
            return device
        for one in target.mac:
            if one in self._macs:
                return one
        for text in target.ip4 + target.ip6:
            if any(ip_address(text) in network for network in self._networks):
                return text
        return ""


def broadcast(target: Target, local: Iterable[Network]) -> str:
    """An address of the device that is a local network's own, or its broadcast address; empty when there is none."""
    ends = {str(end) for one in local if one.version == 4 for end in (one.network_address, one.broadcast_address)}
    return next((one for one in target.ip4 if one in ends), "")


def permit(line: str) -> Permit:
    """Read ``PROTOCOL PORT PEER`` or ``PROTOCOL PORT PEER in``; ``*`` stands for any protocol or port.

    The type of an ICMP message is read and not kept: whom a device may ask for an echo it may send errors too.

    Raises:
        ValueError: it is no such line.
    """
    words = line.split()
    inbound = len(words) == 4 and words[3] == "in"
    if len(words) != 3 and not inbound:
        raise ValueError("a line is PROTOCOL PORT PEER, or that and 'in'")
    word, port, peer = words[:3]
    protocol = ANY_PROTOCOL if word == "*" else (number := _protocol(word), number)
    if port != "*" and not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= ANY_PORT[1]):
        raise ValueError("a port is a number up to 65535, or *")
    ported = protocol[0] in _PORTED and port != "*"
    peer = peer.lower().removesuffix(".")
    if peer not in _HERE and _network(peer) is None and not _is_name(peer):
        raise ValueError("a peer is a name, an address or mud:local-networks")
    return Permit(protocol, (int(port), int(port)) if ported else ANY_PORT, peer, inbound)


def outside(addresses: Iterable[str], local: Sequence[Network]) -> tuple[Address, ...]:
    """The addresses that a name may lead to: not into the home, as who owns a name says where it leads."""
    found: dict[Address, None] = {}
    for text in addresses:
        try:
            one = _address(text)
        except ValueError:
            continue
        if not _is_in(one, (*local, *NOWHERE)) and len(found) < NAME_ADDRESSES_LIMIT:
            found[one] = None
    return tuple(found)


def reach(
    permits: Iterable[Permit],
    found: Mapping[str, Sequence[Address]],
    local: Sequence[Network],
    resolvers: Sequence[Network] = (),
) -> Reach:
    """With whom a device may speak: ``found`` are the addresses of names, ``resolvers`` always answer it."""
    asks = [Peer(one, (number, number), (53, 53)) for one in resolvers for number in sorted(_PORTED, reverse=True)]
    asked: list[Peer] = []
    for one in permits:
        if one.peer in _HERE:
            where: Sequence[Network] = local
        elif (network := _network(one.peer)) is not None:
            where = (network,)
        else:
            where = [_network_of(address) for address in found.get(one.peer, ())]
        (asked if one.inbound else asks).extend(Peer(network, one.protocol, one.ports) for network in where)
    return Reach(_apart(asks), _apart(asked))


def _apart(peers: Iterable[Peer]) -> tuple[Peer, ...]:
    """Those that no other one contains: the kernel refuses an interval within another."""
    every = dict.fromkeys(peers)
    lengths = {(one.network.version, one.network.prefixlen) for one in every}
    return tuple(one for one in every if not any(wider in every for wider in _wider(one, lengths)))[:REACH_LIMIT]


def _wider(peer: Peer, lengths: Collection[tuple[int, int]]) -> Iterator[Peer]:
    """What would contain the peer, of networks as long as these."""
    for version, length in lengths:
        if version == peer.network.version and length <= peer.network.prefixlen:
            network = peer.network.supernet(new_prefix=length)
            for protocol in {peer.protocol, ANY_PROTOCOL}:
                for ports in {peer.ports, ANY_PORT}:
                    if (wider := Peer(network, protocol, ports)) != peer:
                        yield wider


def _device_address(device: str, text: str) -> str:
    hardware = mac(text)
    if hardware is not None:
        if int(hardware[:2], 16) & 1 or hardware == "00:00:00:00:00:00":
            raise ValueError(f"{device}: {hardware} is no hardware address of a single device")
        return hardware
    try:
        address = _address(text)
    except ValueError:
        raise ValueError(f"{device}: {text[:64]!r} is neither an address nor a hardware address") from None
    if _is_in(address, NOWHERE):
        raise ValueError(f"{device}: {address} is no address of a single device")
    return str(address)


def _address(text: str) -> Address:
    """Without the interface (``%eth0``), and as the IPv4 that it may stand for. Raises `ValueError`."""
    address = ip_address(text.strip().partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def _network(text: str, *, strict: bool = True) -> Network | None:
    try:
        return ip_network(text, strict=strict)
    except ValueError:
        return None


def _network_of(address: Address) -> Network:
    return ip_network((address, address.max_prefixlen))


def _is_in(address: Address, where: Iterable[Network]) -> bool:
    return any(address in network for network in where)


def _is_name(peer: str) -> bool:
    """Whether it is a domain name, and no address that was written oddly."""
    return bool(_DOMAIN.fullmatch(peer)) and not peer.isdigit() and not _NUMERIC.fullmatch(peer)


def _protocol(word: str) -> int:
    if word in _PROTOCOLS:
        return _PROTOCOLS[word]
    if word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= ANY_PROTOCOL[1]:
        return int(word)
    raise ValueError("a protocol is a word such as tcp, a number up to 255, or *")
