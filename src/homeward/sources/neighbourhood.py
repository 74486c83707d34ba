"""Who is who on the network: which address is a device of the house, what it is called, and what its peers are.

Pure: no file, no socket, no clock. A device is called what the owner calls its address or its hardware address; else
by the first host name that it gave to the DHCP server; else by its hardware address; else by its address.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from homeward.core.flow import Flow
from homeward.sources.payloads import clean_name

DEVICE_LIMIT: Final = 16_384
"""How many addresses of the house are accepted, beside those that the owner named."""

HOST_NAME_LIMIT: Final = 4_096
"""How many host names are learned from DHCP."""

ASKER_LIMIT: Final = 256
"""For how many devices the names of their peers are kept, each apart."""

PEER_NAME_LIMIT: Final = 1_024
"""How many peers are kept by name for each of them."""

LEASE_LIMIT: Final = 16_384
"""How many times it is told which host name has which address."""

CACHED: Final = 65_536
"""How many addresses are remembered as of the house or not."""

HOUSE: Final = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""What is a house's own wherever it is: RFC 1918, RFC 3927, RFC 4193, RFC 4291."""

LEASE: Final = "lease"
"""How the identity in an ``announced`` event begins that tells which host name a hardware address goes by."""

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,126}[a-z0-9_])?")

Place = Literal["house", "group", "outside"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class News(NamedTuple):
    """A device that was not known before, or is known by more than before."""

    device: str
    attributes: dict[str, str]


class Neighbourhood:
    """Names the two ends of a flow.

    ``local`` lists networks of the house beside `HOUSE` (``2001:db8:1::/64``, a public address); ``names`` are the
    owner's, by address or hardware address. ``last`` are the last states from the journal: they bring back what was
    learned from DHCP. ``refused`` counts by reason.

    Raises:
        ValueError: a network or an address is none. The message is one line.
    """

    def __init__(
        self,
        local: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
        *,
        last: Mapping[str, str] | None = None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._own: list[Network] = [_network(text) for text in local]
        self._usual: list[Network] = [_network(text) for text in HOUSE]
        self._owner = {_key(address): name for address, name in (names or {}).items()}
        self._taken = {name.casefold() for name in self._owner.values()}
        self._places: dict[str, Place] = {}
        self._devices: dict[str, str] = {}  # of addresses that have spoken
        self._macs: dict[str, str] = {}
        self._hosts: dict[str, str] = {}  # by hardware address
        self._told: dict[str, dict[str, str]] = {}
        self._leases = 0
        self._news: list[News] = []
        self._peers: OrderedDict[str, OrderedDict[str, tuple[int, str]]] = OrderedDict()
        for key, state in (last or {}).items():
            self._remember(key, state)

    def place(self, address: str) -> Place:
        """Whether an address is of the ``house``, of a ``group`` (broadcast, multicast), or ``outside``."""
        place = self._places.get(address)
        if place is None:
            if len(self._places) >= CACHED:
                self._places.clear()
            place = self._places[address] = self._find_place(address)
        return place

    def ends(
        self, orig: str, resp: str, flow: Flow, orig_mac: str | None = None, resp_mac: str | None = None
    ) -> list[tuple[str, Flow]]:
        """The devices of the house that a flow concerns, each with the flow as it sees it (``flow`` is the
        originator's view). A responder that has never said anything is no device: whoever scans the house speaks to
        addresses that nobody has.
        """
        devices = self._devices
        inside, beyond = self.place(orig) == "house", self.place(resp)
        if inside and (orig not in devices or (orig_mac and self._macs.get(orig) != orig_mac)):
            self.heard(orig, orig_mac)
        if (
            beyond == "house"
            and flow.received
            and (resp not in devices or (resp_mac and self._macs.get(resp) != resp_mac))
        ):
            self.heard(resp, resp_mac)
        ends = []
        if inside and orig in devices:
            peer = self.peer(devices[orig], resp) if beyond == "outside" else self.device(resp)
            ends.append((devices[orig], flow if peer == flow.peer else flow._replace(peer=peer)))
        if beyond == "house" and (resp in devices or resp in self._owner):
            name = self.device(resp)
            peer = self.device(orig) if inside else self.peer(name, orig)
            seen = flow._replace(peer=peer, inbound=True, sent=flow.received, received=flow.sent)
            ends.append((name, seen))
        if not ends:
            self.refused["no local end"] += 1
        return ends

    def heard(self, address: str, mac: str | None = None) -> None:
        """An address of the house speaks: it is a device, and ``mac`` is its hardware address where it is known."""
        if max(len(self._devices), len(self._told)) >= DEVICE_LIMIT and address not in self._owner:
            self.refused["too many devices"] += 1
            return
        if mac and (clean := _mac(mac)):
            self._macs[address] = clean
        before = self._devices.get(address)
        name = self._devices[address] = self.device(address)
        where = self._macs.get(address, address)
        if before == address != where:  # who knows it by its address learns that this is the same device
            self._tell(before, address)
        told = self._told.get(name)
        if told is None or where not in (told["address"], address):
            self._tell(name, address)

    def lease(self, address: str | None, mac: str, host_name: str | None) -> None:
        """The DHCP server gave an address to a hardware address, whose device calls itself ``host_name``.

        Anybody may call himself anything: a name that the owner or another device has already is not given again.
        """
        clean = _mac(mac)
        if not clean:
            self.refused["hardware address"] += 1
            return
        if clean not in self._hosts and host_name:
            self._name_host(clean, host_name)
        if not address or self.place(address) != "house" or self._macs.get(address) == clean:
            return
        if address not in self._macs and len(self._macs) >= DEVICE_LIMIT:
            self.refused["too many devices"] += 1
            return
        self._macs[address] = clean
        if address in self._devices:
            self.heard(address)
        if self._hosts.get(clean) == self.device(address) and self._leases < LEASE_LIMIT:
            self._leases += 1
            self._tell(self.device(address), address)

    def device(self, address: str) -> str:
        """What an address of the house is called."""
        mac = self._macs.get(address, "")
        return self._owner.get(address) or self._owner.get(mac) or self._hosts.get(mac) or mac or address

    def named(self, asker: str, address: str, name: str | None, *, answered: bool) -> None:
        """``asker`` was answered that ``name`` is at ``address``, or claims so itself (in TLS or HTTP).

        What a name server answered comes before a claim: malware that writes a well-known name into its TLS hello
        must not pass for it. What was answered to others helps where nothing better is known.
        """
        host = _host(name or "")
        if not host or host in self._taken or self.place(address) != "outside" or self.place(asker) != "house":
            return
        self._learn(self.device(asker), address, 2 if answered else 1, host)
        if answered:
            self._learn("", address, 2, host)

    def peer(self, device: str, address: str) -> str:
        """What an address outside is called, from the device's point of view; the address where nobody knows."""
        for asker in (device, ""):
            known = self._peers.get(asker)
            if known is not None:
                found = known.get(address)
                if found is not None:
                    return found[1]
        return address

    def news(self) -> Iterator[News]:
        """The devices that have become known since the last call."""
        while self._news:
            yield self._news.pop(0)

    def _find_place(self, address: str) -> Place:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return "outside"
        if ip.is_multicast or address == "255.255.255.255":
            return "group"
        if ip.is_unspecified or ip.is_loopback:
            return "outside"
        for network in self._own:
            if ip in network:
                last = network.num_addresses > 2 and ip.version == 4 and ip == network.broadcast_address
                return "group" if last else "house"
        if any(ip in network for network in self._usual):
            # A part of them is in use, nobody has said which: in most houses the last of 256 addresses is for all.
            return "group" if ip.version == 4 and int(ip) & 0xFF == 0xFF else "house"
        return "outside"

    def _learn(self, asker: str, address: str, rank: int, name: str) -> None:
        known = self._peers.get(asker)
        if known is None:
            known = self._peers[asker] = OrderedDict()
            if len(self._peers) > ASKER_LIMIT:
                self._peers.popitem(last=False)
        elif rank < known.get(address, (0, ""))[0]:
            return
        self._peers.move_to_end(asker)
        known[address] = rank, name
        known.move_to_end(address)
        if len(known) > PEER_NAME_LIMIT:
            known.popitem(last=False)

    def _name_host(self, mac: str, host_name: str) -> None:
        name = clean_name(host_name)
        if name is None or len(self._hosts) >= HOST_NAME_LIMIT or name.casefold() in self._taken:
            self.refused["host name"] += 1
            return
        self._hosts[mac] = name
        self._taken.add(name.casefold())
        for address in [address for address in self._devices if self._macs.get(address) == mac]:
            self.heard(address)

    def _tell(self, device: str, address: str) -> None:
        mac = self._macs.get(address, "")
        about = {"address": mac or address}
        if mac and self._hosts.get(mac) == device:
            about["identity"] = f"{LEASE} {address} {mac}"
        if self._told.get(device) != about:
            self._told[device] = about
            self._news.append(News(device, about))

    def _remember(self, key: str, state: str) -> None:
        """Take up again what `topics.last_state` kept of an announcement."""
        about, _, name = key.partition("/")
        words = state.partition("\n")[0].split(" ")
        if about == "announced" and len(words) == 3 and words[0] == LEASE and _MAC.fullmatch(words[2]):
            if words[2] not in self._hosts:
                self._name_host(words[2], name)
            if self.place(words[1]) == "house" and len(self._macs) < DEVICE_LIMIT:
                self._macs[words[1]] = words[2]


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network; write 192.168.1.0/24 or 2001:db8:1::/64") from None


def _key(text: str) -> str:
    mac = _mac(text)
    if mac:
        return mac
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a hardware address (00:17:88:01:02:03)") from None


def _mac(text: str) -> str:
    """A hardware address in lower case with colons; nothing for what is none, or is a group's or nobody's."""
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        return ""
    return mac


def _host(text: str) -> str:
    """A name server's name in lower case; nothing for an address, or what a name server would not know."""
    name = text.strip().rstrip(".").lower()
    if "." not in name or not _HOST.fullmatch(name) or name.rpartition(".")[2].isdigit():
        return ""
    return name
