"""A claim on a device as commands for nftables, and what nftables tells read back. Pure.

Each claim has base chains and sets of its own, named after its id. A packet passes only if no claim drops it, so
that the stricter of two holds and each ends alone. The chains do nothing but look a device up in the sets, and
every element has a time-out in the kernel: when it is over the claim is without effect, whoever is alive by then.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import collapse_addresses, ip_address, ip_network
from typing import Any, Final

from homeward.responders.nftables_addresses import Network, Peer, Reach, Target

FAMILY: Final = "inet"
TABLE: Final = "homeward"

PRIORITY: Final = -10
"""Before the usual filter (0) and after the translation of destinations (-100): addresses are the home's own."""

PACKETS_A_SECOND, PACKETS_AT_ONCE = 50, 100
"""What a device that is restricted to a rate sends and receives together. The messages of a lock, a lamp or a sensor
are one or two a second, and the page with its settings is some fifty at once. A scan or a flood has thousands."""

KILOBYTES_A_SECOND, KILOBYTES_AT_ONCE = 32, 128
"""Enough for messages, too little for a picture that moves; a gigabyte takes nine hours. The kernel may join packets
into one of 64 kB before they come here, and what is larger than the burst would never pass."""

_KINDS: Final = {"mac": ("ether", "ether_addr"), "ip4": ("ip", "ipv4_addr"), "ip6": ("ip6", "ipv6_addr")}
"""By what a device is known: the header that says it, and nftables' type."""

_PEERS: Final = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
_NEIGHBOURS: Final = ["nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-solicit"]
"""With what IPv6 finds each other on one link, as with ARP; IPv4's is not seen here."""

_NOT_IN_A_COMMENT: Final = re.compile(r"[^A-Za-z0-9 ._:-]")
_COMMENT_LIMIT: Final = 64
_NAME: Final = re.compile(r"(c[0-9a-f]{16})_[a-z0-9]{1,8}", re.ASCII)

Json = dict[str, Any]
_ACCEPT: Final[Json] = {"accept": None}
_DROP: Final[list[Json]] = [{"counter": None}, {"drop": None}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is to hold for a device, for whole ``seconds``, at least one.

    With ``cut`` nothing passes. Otherwise what is in ``reach`` does; where that is ``None``, all up to a rate.
    ``local`` are the home's networks, in which a DHCP server may be.
    """

    name: str
    about: str
    target: Target
    cut: bool
    reach: Reach | None
    seconds: int
    local: tuple[Network, ...]


@dataclass(slots=True)
class Kept:
    """What the kernel holds of one claim: rules by chain, and by set the elements with the seconds they have left."""

    chains: dict[str, int] = field(default_factory=dict)
    sets: dict[str, dict[str, int]] = field(default_factory=dict)

    def seconds(self) -> int:
        """How long it still holds, rounded up; 0 when its time is over."""
        left = [one for name, elements in self.sets.items() if _kind(name) in _KINDS for one in elements.values()]
        return max(left) + 1 if left else 0


def claim_name(action_id: str) -> str:
    """What all objects of an action's claim begin with."""
    return f"c{hashlib.sha256(action_id.encode()).hexdigest()[:16]}"


# ------------------------------------------------------------------------------------------------------- commands


def put(claim: Claim) -> list[Json]:
    """The commands that make a claim where nothing of its name is there."""
    chains = _chains(claim)
    commands: list[Json] = [{"add": {"table": {"family": FAMILY, "name": TABLE}}}, *_sets(claim)]
    for chain in chains:
        about: Json = {"name": f"{claim.name}_{chain}"}
        if chain in ("forward", "input"):
            about |= {"type": "filter", "hook": chain, "prio": PRIORITY, "policy": "accept"}
        commands.append(_add("chain", about))
    comment = _NOT_IN_A_COMMENT.sub("", claim.about)[:_COMMENT_LIMIT]
    return commands + [
        _add("rule", {"chain": f"{claim.name}_{chain}", "comment": comment, "expr": rule})
        for chain, rules in chains.items()
        for rule in rules
    ]


def take(kept: Kept) -> list[Json]:
    """The commands that take away what is there of a claim."""
    return [
        *({"flush": {"chain": _of_table({"name": name})}} for name in kept.chains),
        *({"delete": {"chain": _of_table({"name": name})}} for name in kept.chains),
        *({"delete": {"set": _of_table({"name": name})}} for name in kept.sets),
    ]


def take_table() -> list[Json]:
    """The commands that take everything away."""
    return [{"delete": {"table": {"family": FAMILY, "name": TABLE}}}]


def _add(what: str, about: Json) -> Json:
    return {"add": {what: _of_table(about)}}


def _of_table(about: Json) -> Json:
    return {"family": FAMILY, "table": TABLE, **about}


# ----------------------------------------------------------------------------------------------------------- sets


def _sets(claim: Claim) -> list[Json]:
    sets = [
        _set(claim, kind, [type_], [], list(known))
        for kind, (_, type_) in _KINDS.items()
        if (known := _known(claim.target, kind))
    ]
    for way, peers in _ways(claim.reach):
        for version, (_, type_) in _PEERS.items():
            elements = [_peer(one) for one in peers if one.network.version == version]
            if elements:
                types = [type_, "inet_proto", "inet_service"]
                sets.append(_set(claim, f"{way}{version}", types, ["interval"], elements))
    return sets


def _set(claim: Claim, name: str, types: list[str], flags: list[str], elements: Sequence[Any]) -> Json:
    about = {
        "name": f"{claim.name}_{name}",
        "type": types[0] if len(types) == 1 else types,
        "flags": [*flags, "timeout"],
        "elem": [{"elem": {"val": one, "timeout": claim.seconds}} for one in elements],
    }
    return _add("set", about)


def _known(target: Target, kind: str) -> tuple[str, ...]:
    return {"mac": target.mac, "ip4": target.ip4, "ip6": target.ip6}[kind]


def _ways(reach: Reach | None) -> list[tuple[str, tuple[Peer, ...]]]:
    return [] if reach is None else [("asks", reach.asks), ("asked", reach.asked)]


def _peer(peer: Peer) -> Json:
    network = peer.network
    single = network.prefixlen == network.max_prefixlen
    where = (
        str(network.network_address)
        if single
        else {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
    )
    return {"concat": [where, _interval(peer.protocol), _interval(peer.ports)]}


def _interval(ends: tuple[int, int]) -> Any:
    return ends[0] if ends[0] == ends[1] else {"range": list(ends)}


# ---------------------------------------------------------------------------------------------------------- rules


def _chains(claim: Claim) -> dict[str, list[list[Json]]]:
    """The rules of each chain; a chain comes before those that jump to it.

    DHCP always passes, so that the device keeps its address: nobody else gets it while the claim lasts. Within
    ``forward`` it passes to and from the home's networks only. What the router itself sends is never touched.
    """
    ask, answer = _dhcp(claim.local, asks=True), _dhcp(claim.local, asks=False)
    if claim.cut:
        by = to = _DROP
        inner: dict[str, list[list[Json]]] = {}
        known: list[list[Json]] = []
        here: list[list[Json]] = []
    elif claim.reach is None:
        by = to = [{"jump": {"target": f"{claim.name}_rate"}}]
        inner, known, here = {"rate": _rate()}, [_neighbours()], []
    else:
        by, to = ([{"jump": {"target": f"{claim.name}_{chain}"}}] for chain in ("from", "to"))
        inner, known, here = _lists(claim), [_neighbours()], [_names(), [*_reply(), _ACCEPT]]
    return {
        **inner,
        "forward": [*ask, *known, *_device(claim, "saddr", by), *answer, *_device(claim, "daddr", to)],
        "input": [*ask, _neighbours(), *here, *_device(claim, "saddr", by)],
    }


def _device(claim: Claim, end: str, verdict: list[Json]) -> list[list[Json]]:
    """What is done with packets of the device (``saddr``) or to it (``daddr``)."""
    return [
        [_match(_field(header, end), f"@{claim.name}_{kind}"), *verdict]
        for kind, (header, _) in _KINDS.items()
        if _known(claim.target, kind)
    ]


def _lists(claim: Claim) -> dict[str, list[list[Json]]]:
    """What passes of a device with a list, from it and to it: a question to a peer that it may ask, its answer, and
    the same the other way round. An answer belongs to a conversation that was begun so: what was begun otherwise
    before the claim, or by the peer, is cut."""
    ways: dict[str, list[list[Json]]] = {"from": [], "to": []}
    for way, peers in _ways(claim.reach):
        for version, (header, _) in _PEERS.items():
            if any(one.network.version == version for one in peers):
                where = f"@{claim.name}_{way}{version}"
                question, answer = ("from", "to") if way == "asks" else ("to", "from")
                peer = {"from": "daddr", "to": "saddr"}
                ways[question].append([_match(_service(header, peer[question], "dport"), where), _ACCEPT])
                ways[answer].append([*_reply(), _match(_service(header, peer[answer], "sport"), where), _ACCEPT])
    errors = [_is("related"), _match(_meta("l4proto"), {"set": ["icmp", "ipv6-icmp"]}), _ACCEPT]
    return {"from": [*ways["from"], _DROP], "to": [*ways["to"], errors, _DROP]}


def _rate() -> list[list[Json]]:
    packets = {"rate": PACKETS_A_SECOND, "burst": PACKETS_AT_ONCE}
    kilobytes = {
        "rate": KILOBYTES_A_SECOND, "rate_unit": "kbytes", "burst": KILOBYTES_AT_ONCE, "burst_unit": "kbytes",
    }  # fmt: skip
    beyond = [[{"limit": {**each, "per": "second", "inv": True}}, *_DROP] for each in (packets, kilobytes)]
    return [*beyond, [_ACCEPT]]  # not only back: a device that is known by two addresses would be counted twice


def _dhcp(local: tuple[Network, ...], *, asks: bool) -> list[list[Json]]:
    """A device asks for its address (RFC 2131, 8415), or is answered; the other end is in the home."""
    rules = []
    for version, ports, link in ((4, (68, 67), ["255.255.255.255"]), (6, (546, 547), ["ff02::1:2", "fe80::/10"])):
        home = [one for one in (*local, *map(ip_network, link)) if one.version == version]
        where = [
            {"prefix": {"addr": str(one.network_address), "len": one.prefixlen}}
            for one in collapse_addresses(home)  # type: ignore[type-var]
        ]
        sport, dport = ports if asks else reversed(ports)
        rules.append(
            [
                _match(_field(_PEERS[version][0], "daddr" if asks else "saddr"), {"set": where}),
                _match(_field("udp", "sport"), sport),
                _match(_field("udp", "dport"), dport),
                _ACCEPT,
            ]
        )
    return rules


def _neighbours() -> list[Json]:
    return [_match(_field("icmpv6", "type"), {"set": _NEIGHBOURS}), _ACCEPT]


def _names() -> list[Json]:
    """Questions for names, to this machine."""
    return [_match(_meta("l4proto"), {"set": ["tcp", "udp"]}), _match(_field("th", "dport"), 53), _ACCEPT]


def _reply() -> list[Json]:
    return [_match({"ct": {"key": "direction"}}, "reply"), _is("established")]


def _is(state: str) -> Json:
    return _match({"ct": {"key": "state"}}, state, "in")


def _service(header: str, end: str, port: str) -> Json:
    return {"concat": [_field(header, end), _meta("l4proto"), _field("th", port)]}


def _match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _field(header: str, name: str) -> Json:
    return {"payload": {"protocol": header, "field": name}}


def _meta(key: str) -> Json:
    return {"meta": {"key": key}}


# ------------------------------------------------------------------------------------------------------ read back


def read(listing: Mapping[str, Any]) -> dict[str, Kept]:
    """The claims in a listing of our table, by name; what is not ours is passed over."""
    claims: dict[str, Kept] = {}
    for entry in listing.get("nftables", ()):
        for what, about in entry.items():
            if what not in ("chain", "set", "rule"):
                continue
            name = about["chain" if what == "rule" else "name"]
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            kept = claims.setdefault(found[1], Kept())
            if what == "set":
                kept.sets[name] = _elements(about.get("elem", ()))
            else:
                kept.chains[name] = kept.chains.get(name, 0) + (what == "rule")
    return claims


def lacking(claim: Claim, kept: Kept | None) -> str:
    """What of a claim the kernel does not hold; empty when all of it is there."""
    wanted = read({"nftables": [entry["add"] for entry in put(claim)]})[claim.name]
    if kept is None:
        return "nothing of it"
    for name, elements in wanted.sets.items():
        there = kept.sets.get(name, {})
        whole = set(there) == set(elements) if _kind(name) in _KINDS else len(there) == len(elements)
        if not whole:
            return f"set {_kind(name)}"
    return next(
        (f"chain {_kind(name)}" for name, rules in wanted.chains.items() if kept.chains.get(name) != rules), ""
    )


def _elements(elements: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in elements:
        element = one["elem"] if isinstance(one, dict) and "elem" in one else {"val": one}
        ends = "timeout" in element  # what would hold for ever is not what we asked for
        key = _key(element["val"]) if ends else f"for ever: {element['val']}"
        found[key] = int(element.get("expires", 0)) if ends else -1
    return found


def _key(value: Any) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        return str(value)


def _kind(name: str) -> str:
    return name.rpartition("_")[2]
