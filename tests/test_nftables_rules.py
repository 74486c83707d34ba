"""Whom a firewall's claim is about and what it permits, before any kernel hears of it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.responders.nftables_addresses import (
    ADDRESSES_LIMIT,
    ANY_PORT,
    ANY_PROTOCOL,
    HOME_NETWORKS,
    NAME_ADDRESSES_LIMIT,
    REACH_LIMIT,
    Never,
    Peer,
    Permit,
    Target,
    broadcast,
    is_address,
    networks,
    outside,
    permit,
    reach,
    target,
)
from homeward.responders.nftables_rules import Claim, Kept, claim_name, lacking, put, read, take

HOME = networks(HOME_NETWORKS)


def peers(*said: tuple[str, int, int]) -> set[Peer]:
    return {Peer(ip_network(where), (number, number), (port, port)) for where, number, port in said}


# Addresses ----------------------------------------------------------------------------------------------------------


def test_addresses_are_taken_in_every_usual_spelling_and_once() -> None:
    said = [
        "02-00-00-00-77-02",
        "02:00:00:00:77:02",
        "::ffff:192.168.1.4",
        "192.168.1.4",
        "FE80::1%eth0",
        "fd00:0::4",
    ]
    assert target("camera", said) == Target(
        mac=("02:00:00:00:77:02",), ip4=("192.168.1.4",), ip6=("fe80::1", "fd00::4")
    )


@pytest.mark.parametrize(
    "said",
    [
        "", "camera", "192.168.1.0/24", "192.168.1.04", "1.2.3", "0.0.0.0", "127.0.0.1", "::1", "::", "ff02::1",
        "239.255.255.250", "255.255.255.255", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "00:00:00:00:00:00",
        "02:00:00:00:77", "02:00:00:00:77:02:03", "٠٢:00:00:00:77:02", "192.168.1.4; flush ruleset",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_single_device_is_refused_in_one_line(said: str) -> None:
    with pytest.raises(ValueError, match=r"\Acamera: [^\n]+\Z"):
        target("camera", [said])


@pytest.mark.parametrize("text", ["02-00-00-00-77-02", "192.168.1.4", "fe80::1%eth0", "::", "0.0.0.0"])
def test_an_address_is_told_from_a_name(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "camera", "0x00124b001f7a2c11", "10.0.0.0/8", "1", "02:00:00:00:77"])
def test_a_name_is_told_from_an_address(text: str) -> None:
    assert not is_address(text)


def test_a_device_has_not_any_number_of_addresses() -> None:
    with pytest.raises(ValueError, match="more than"):
        target("camera", (f"192.168.1.{last + 1}" for last in range(ADDRESSES_LIMIT + 1)))


def test_a_networks_own_addresses_are_no_devices() -> None:
    local = networks(["192.168.1.0/24", "fd00::/64"])
    assert broadcast(Target(ip4=("192.168.1.4", "192.168.1.255")), local) == "192.168.1.255"
    assert broadcast(Target(ip4=("192.168.1.0",)), local) == "192.168.1.0"
    assert broadcast(Target(ip4=("192.168.1.4",), ip6=("fd00::",)), local) == ""


@pytest.mark.parametrize("entry", ["192.168.1.300", "02:00:00:00:77", "10.0.0.0/33", "1.2.3"])
def test_a_misspelt_address_among_what_is_never_touched_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Never([entry])


def test_a_home_is_a_network_and_not_the_whole_world() -> None:
    with pytest.raises(ValueError, match="not the whole world"):
        networks(["0.0.0.0/0"])
    assert networks(["192.168.1.1/24"]) == networks(["192.168.1.0/24"])


# Lists --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("tcp 443 Example.org.", Permit((6, 6), (443, 443), "example.org", False)),
        ("udp 123 mud:local-networks", Permit((17, 17), (123, 123), "mud:local-networks", False)),
        ("tcp 8080 192.168.1.4 in", Permit((6, 6), (8080, 8080), "192.168.1.4", True)),
        ("tcp * 2001:db8::1", Permit((6, 6), ANY_PORT, "2001:db8::1", False)),
        ("icmp 8 192.0.2.0/24", Permit((1, 1), ANY_PORT, "192.0.2.0/24", False)),
        ("* * example.org", Permit(ANY_PROTOCOL, ANY_PORT, "example.org", False)),
        ("89 * 10.0.0.1", Permit((89, 89), ANY_PORT, "10.0.0.1", False)),
    ],
)
def test_a_line_says_who_may_speak_with_whom(line: str, read_as: Permit) -> None:
    assert permit(line) == read_as


@pytest.mark.parametrize(
    "line",
    [
        "", "tcp", "tcp 443", "tcp 443 example.org out", "tcp 443 example.org in in", "tcp https example.org",
        "tcp 65536 example.org", "tcp -1 example.org", "tcp 1-9 example.org", "tcp ٤٤٣ example.org",
        "rtp 1 example.org", "tcp 443 3325256705",
        "256 * example.org", "tcp 443 192.168.1.300", "tcp 443 mud:same-manufacturer", "tcp 443 a..b",
        "tcp 443 -e.example", "tcp 443 " + "a" * 254, 'tcp 443 "}', "tcp 443 10.0.0.1/8", "tcp 443 @set", "tcp 443 *",
    ],
)  # fmt: skip
def test_what_is_no_line_permits_nothing(line: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        permit(line)


def test_a_list_becomes_whom_a_device_asks_and_who_asks_it() -> None:
    lines = "tcp 443 a.example", "udp 123 mud:local-networks", "tcp 80 192.168.1.9 in", "tcp 1 unknown.example"
    local = networks(["192.168.1.0/24", "fd00::/64"])
    found = {"a.example": [ip_address("198.51.100.1"), ip_address("2001:db8::1")]}
    may = reach(map(permit, lines), found, local, networks(["192.168.1.5"]))
    assert set(may.asks) == peers(
        ("198.51.100.1", 6, 443),
        ("2001:db8::1", 6, 443),
        ("192.168.1.0/24", 17, 123),
        ("fd00::/64", 17, 123),
        ("192.168.1.5", 6, 53),
        ("192.168.1.5", 17, 53),
    )
    assert set(may.asked) == peers(("192.168.1.9", 6, 80))


def test_a_name_leads_only_out_of_the_house_and_to_a_handful_of_addresses() -> None:
    said = [
        "192.168.1.4",
        "127.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "nonsense",
    ]
    assert outside([*said, "198.51.100.1", "2001:db8::1"], HOME) == (
        ip_address("198.51.100.1"),
        ip_address("2001:db8::1"),
    )
    assert len(outside((f"198.51.100.{last}" for last in range(99)), HOME)) == NAME_ADDRESSES_LIMIT


def test_a_list_without_end_has_an_end() -> None:
    many = (permit(f"tcp {port + 1} 192.168.1.4") for port in range(REACH_LIMIT + 9))
    assert len(reach(many, {}, HOME).asks) == REACH_LIMIT


def contains(outer: Peer, inner: Peer) -> bool:
    """Whether the one permits all that the other does."""
    one, other = outer.network, inner.network
    return (
        one.version == other.version
        and set(map(int, inner.protocol)) <= set(range(outer.protocol[0], outer.protocol[1] + 1))
        and outer.ports[0] <= inner.ports[0] <= inner.ports[1] <= outer.ports[1]
        and other.network_address in one
        and other.broadcast_address in one
    )


lists = st.lists(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["tcp", "udp", "icmp", "*"]),
        st.sampled_from(["*", "53", "443"]),
        st.sampled_from(["10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "fd00::1", "fd00::/64", "mud:local-networks"]),
    ),
    max_size=12,
)


@given(lists)
def test_nothing_of_a_list_is_lost_and_nothing_lies_within_another(lines: Iterable[str]) -> None:
    permits = [permit(line) for line in lines]
    may = reach(permits, {}, HOME).asks
    for one in permits:
        where = HOME if one.peer.startswith("mud:") else [ip_network(one.peer)]
        for network in where:
            assert any(contains(peer, Peer(network, one.protocol, one.ports)) for peer in may)
    assert not [(one, other) for one in may for other in may if one != other and contains(one, other)]


# Commands and what is read back -------------------------------------------------------------------------------------


def a_claim(lease: str = "lease-1") -> Claim:
    may = reach([permit("tcp 443 192.168.1.9"), permit("tcp 80 fd00::9 in")], {}, HOME)
    about = Target(mac=("02:00:00:00:77:02",), ip4=("192.168.1.4",), ip6=("fd00::4",))
    name = claim_name(lease)
    return Claim(name=name, about='restrict: "x"; é', target=about, cut=False, reach=may, seconds=60, local=HOME)


def listing(claim: Claim) -> dict[str, object]:
    return {"nftables": [{"metainfo": {}}, *(command["add"] for command in put(claim))]}


def test_every_element_has_a_time_out_and_every_object_is_in_our_table() -> None:
    for command in put(a_claim()):
        for what, about in command["add"].items():
            assert about["family"] == "inet"
            assert about.get("table", about["name"] if what == "table" else "") == "homeward"
            for element in about.get("elem", ()):
                assert element["elem"]["timeout"] == 60
            assert about.get("policy", "accept") == "accept"
            assert set(about.get("comment", "")) <= set("restrict: x ")


def test_what_was_made_is_read_back_and_taken_away_whole() -> None:
    claim = a_claim()
    kept = read(listing(claim))
    assert list(kept) == [claim.name]
    assert lacking(claim, kept[claim.name]) == ""
    commands = take(kept[claim.name])
    made = [about["name"] for one in put(claim) for what, about in one["add"].items() if what in ("set", "chain")]
    deleted = [next(iter(one["delete"].values()))["name"] for one in commands if "delete" in one]
    assert sorted(deleted) == sorted(made)


def test_what_is_not_there_is_noticed() -> None:
    claim = a_claim()
    assert lacking(claim, None) == "nothing of it"
    for name in read(listing(claim))[claim.name].sets:
        kept = read(listing(claim))[claim.name]
        kept.sets[name].popitem()
        assert lacking(claim, kept) == f"set {name.rpartition('_')[2]}"
    for name in read(listing(claim))[claim.name].chains:
        kept = read(listing(claim))[claim.name]
        kept.chains[name] -= 1
        assert lacking(claim, kept) == f"chain {name.rpartition('_')[2]}"


def test_an_element_that_somebody_made_last_for_ever_is_not_ours() -> None:
    claim = a_claim()
    entry = {"set": {"name": f"{claim.name}_mac", "elem": ["02:00:00:00:77:02"]}}
    kept = read({"nftables": [entry]})[claim.name]
    assert kept.seconds() == 0
    assert lacking(claim, kept) == "set mac"


def test_what_others_keep_in_the_table_is_passed_over() -> None:
    entries = [{"chain": {"name": "mine"}}, {"set": {"name": "c12_mac"}}, {"counter": {"name": "c"}}]
    assert read({"nftables": entries}) == {}
    assert Kept().seconds() == 0


def test_a_claim_has_a_name_of_its_own_whatever_its_lease_is_called() -> None:
    names = {claim_name(lease) for lease in ("", "one", 'x" }', "é" * 999)}
    assert len(names) == 4
    assert all(name.isalnum() and len(name) == 17 for name in names)
