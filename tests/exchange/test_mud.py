"""MUD files: what a device has been seen to need, written by RFC 8520, and read back as it was."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeward.exchange import needs as words
from homeward.exchange.mud import Need, Seen, learned, profile, read, write
from homeward.exchange.needs import DNS, LOCAL, NTP, MudError, in_order, local_address
from homeward.sources.payloads import clean_name

calm = settings(
    deadline=None,
    max_examples=60,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)


def seen(peer: str, port: int = 443, protocol: str = "tcp", *, inbound: bool = False, days: int = 2) -> Seen:
    return Seen(Need(peer, port, protocol, inbound), 9, DAY, DAY + timedelta(days=days - 1))


# What is a need -----------------------------------------------------------------------------------------------------


def test_what_was_seen_on_one_day_only_is_no_need() -> None:
    steady, once = seen("cloud.example.com"), seen("update.example.com", days=1)
    assert learned([once, steady]) == ((Need("cloud.example.com", 443, "tcp"),), (once,))
    assert len(learned([once, steady], min_days=1).needs) == 2


def test_two_addresses_of_the_home_on_one_day_each_are_the_same_need_on_two() -> None:
    """The address changed overnight; the class did not."""
    monday = seen("192.168.1.7", 1883, days=1)
    tuesday = Seen(Need("192.168.1.9", 1883, "tcp"), 4, DAY + timedelta(days=1), DAY + timedelta(days=1))
    assert learned([monday, tuesday]).needs == (Need(LOCAL, 1883, "tcp"),)


def test_peers_at_home_become_classes_and_no_address_of_the_home_is_told() -> None:
    found = learned(
        [
            seen("192.168.1.1", 53, "udp"),
            seen("fd00::1", 53, "tcp"),
            seen("192.168.1.1", 123, "udp"),
            seen("192.168.1.20", 8080, inbound=True),
            seen("192.168.1.20", 53, "udp", inbound=True),
        ]
    ).needs
    assert found == (
        Need(DNS, 53, "tcp"),
        Need(DNS, 53, "udp"),
        Need(NTP, 123, "udp"),
        Need(LOCAL, 8080, "tcp", inbound=True),
        Need(LOCAL, 53, "udp", inbound=True),
    )
    assert b"192.168" not in write(profile("camera", found, last_update=NOW))


def test_a_server_elsewhere_stays_what_it_is() -> None:
    peers = (seen("9.9.9.9", 53, "udp"), seen("Pool.NTP.Org.", 123, "udp"), seen("224.0.0.251", 5353, "udp"))
    assert {need.peer for need in learned(peers).needs} == {"9.9.9.9", "pool.ntp.org", "224.0.0.251"}


def test_only_the_owner_says_which_names_are_at_home() -> None:
    """Whoever serves a page chooses its name. A name that sounds local must not open the local network."""
    claim = seen("nas.local")
    assert learned([claim]).needs == (Need("nas.local", 443, "tcp"),)
    assert learned([claim], is_local={"nas.local"}.__contains__).needs == (Need(LOCAL, 443, "tcp"),)


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("10.1.2.3", True), ("172.31.0.1", True), ("192.168.0.1", True), ("169.254.3.4", True), ("fd12::1", True),
        ("fe80::1%eth0", True), ("::ffff:192.168.1.1", True), ("172.32.0.1", False), ("203.0.113.9", False),
        ("100.64.0.1", False), ("127.0.0.1", False), ("224.0.0.251", False), ("ff02::fb", False),
        ("2001:db8::1", False), ("255.255.255.255", False), ("nas.local", False), ("", False),
    ],
)  # fmt: skip
def test_an_address_is_local_if_a_home_gives_it_to_itself(peer: str, local: bool) -> None:
    assert local_address(peer) == local


@pytest.mark.parametrize("peer", [LOCAL, "mud:same-manufacturer", DNS])
def test_a_peer_that_calls_itself_a_class_opens_nothing(peer: str) -> None:
    claim = seen(peer)
    assert learned([claim]) == ((), (claim,))


def test_what_no_file_can_say_is_left_out_and_told() -> None:
    odd = (seen("a name with spaces"), seen("host.example", 443, "carrier pigeon"), seen("x.example", 0, "icmp"))
    assert learned(odd) == ((), tuple(sorted(odd, key=lambda one: words.order(one.need))))


def test_icmp_is_of_the_version_that_its_peer_is_of() -> None:
    found = learned([seen("2001:db8::1", 128, "icmp"), seen("198.51.100.1", 8, "icmp")]).needs
    assert [need.protocol for need in found] == ["icmp", "icmp6"]


def test_a_protocol_without_ports_is_needed_both_ways() -> None:
    assert {need.inbound for need in learned([seen("198.51.100.1", 0, "gre")]).needs} == {False, True}


# There and back -----------------------------------------------------------------------------------------------------

label = st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,20}", fullmatch=True)
domains = st.lists(label, min_size=1, max_size=4).map(".".join).filter(words.is_domain)
addresses = st.one_of(st.ip_addresses().map(str), st.just("224.0.0.251"), st.just("255.255.255.255"))
networks = st.builds(
    lambda address, prefix: words.network_text(
        (IPv4Network if address.version == 4 else IPv6Network)((address, prefix), strict=False)
    ),
    st.ip_addresses(),
    st.integers(1, 32),
)
classes = st.one_of(
    st.sampled_from([LOCAL, words.SAME_MANUFACTURER, words.MY_CONTROLLER, DNS, NTP, ""]),
    domains.map(words.MANUFACTURER.__add__),
    st.from_regex(r"https://[a-z]{1,9}\.example/[!-~]{0,20}", fullmatch=True).map(words.MODEL.__add__),
)
peers = st.one_of(domains, addresses, networks, classes)
ports = st.integers(0, words.LAST_PORT)


@st.composite
def needs(draw: st.DrawFn) -> Need:
    peer = draw(peers)
    where = words.network(peer)
    protocol = draw(st.sampled_from(["", "tcp", "udp", "icmp", "icmp6", "gre", "sctp", "89"]))
    if where is not None and protocol in words.ECHO:
        protocol = "icmp" if where.version == 4 else "icmp6"
    first = through = None
    if protocol in words.PORTED:
        first = draw(st.none() | ports)
        if first is not None and first < words.LAST_PORT:
            through = draw(st.none() | st.integers(first + 1, words.LAST_PORT))
    elif protocol in words.ECHO:
        first = draw(st.none() | st.integers(0, 255).filter(lambda kind: kind != words.ECHO[protocol][1]))
    return Need(peer, first, protocol, draw(st.booleans()), through)


names = st.text(min_size=1, max_size=128).filter(lambda text: clean_name(text) == text)


@calm
@given(device=names, wanted=st.lists(needs(), max_size=12))
def test_what_is_written_is_read_back_as_it_was(device: str, wanted: list[Need]) -> None:
    file = profile(device, wanted, last_update=NOW, maker="Example", model="150")
    check_structure(file)
    assert read(write(file)) == (device, tuple(in_order(wanted)))


@calm
@given(st.lists(needs(), max_size=8), st.randoms())
def test_the_same_needs_make_the_same_bytes(wanted: list[Need], random: Any) -> None:
    shuffled = [*wanted, *wanted]
    random.shuffle(shuffled)
    assert write(profile("x", wanted, last_update=NOW)) == write(profile("x", shuffled, last_update=NOW))


@calm
@given(st.lists(st.builds(Seen, needs(), st.just(1), st.just(DAY), st.just(DAY)), max_size=8))
def test_whatever_was_seen_can_be_written(flows: list[Seen]) -> None:
    found = learned(flows, min_days=1)
    assert read(write(profile("x", found.needs, last_update=NOW)))[1] == found.needs


# By the RFC ---------------------------------------------------------------------------------------------------------

MATCHES = {
    "ipv4": {
        "protocol", "source-ipv4-network", "destination-ipv4-network",
        "ietf-acldns:src-dnsname", "ietf-acldns:dst-dnsname",
    },
    "ipv6": {
        "protocol", "source-ipv6-network", "destination-ipv6-network",
        "ietf-acldns:src-dnsname", "ietf-acldns:dst-dnsname",
    },
    "tcp": {"source-port", "destination-port", "ietf-mud:direction-initiated"},
    "udp": {"source-port", "destination-port"},
    "icmp": {"type"},
    "ietf-mud:mud": {
        "local-networks", "same-manufacturer", "my-controller", "controller", "manufacturer", "model"
    },
}  # fmt: skip
"""The leaves of `ietf-access-control-list` (RFC 8519) and its augmentations (RFC 8520) that are used here."""


def check_structure(file: dict[str, Any]) -> None:
    """The YANG of both RFCs, as far as it goes here: what is mandatory, types, ranges, keys and references."""
    assert set(file) == {"ietf-mud:mud", "ietf-access-control-list:acls"}
    about = file["ietf-mud:mud"]
    assert {"mud-version", "mud-url", "last-update", "is-supported", "systeminfo"} <= set(about)
    assert about["mud-version"] == 1
    assert re.fullmatch(r"https://[!-~]+", about["mud-url"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", about["last-update"])
    assert 1 <= about["cache-validity"] <= 168
    assert isinstance(about["is-supported"], bool)
    assert len(about["systeminfo"]) <= 60
    lists = file["ietf-access-control-list:acls"]["acl"]
    names = [one["name"] for one in lists]
    assert len(set(names)) == len(names)
    used = [
        one["name"]
        for policy in ("from-device-policy", "to-device-policy")
        for one in about[policy]["access-lists"]["access-list"]
    ]
    assert sorted(used) == sorted(names)
    for one in lists:
        assert re.fullmatch(r"[a-z0-9-]{1,64}", one["name"])
        assert one["type"] in {"ipv4-acl-type", "ipv6-acl-type"}
        entries = one["aces"]["ace"]
        assert len({entry["name"] for entry in entries}) == len(entries)
        for entry in entries:
            check_entry(entry, one["type"][:4])


def check_entry(entry: dict[str, Any], version: str) -> None:
    assert set(entry) == {"name", "matches", "actions"}
    assert re.fullmatch(r"[a-z0-9-]{1,64}", entry["name"])
    assert entry["actions"] == {"forwarding": "accept"}
    matches = entry["matches"]
    assert set(matches) & {"ipv4", "ipv6"} <= {version}
    assert len(set(matches) & {"tcp", "udp", "icmp"}) <= 1
    for kind, said in matches.items():
        assert set(said) <= MATCHES[kind], kind
        assert said
    numbers = {"tcp": 6, "udp": 17, "icmp": 1 if version == "ipv4" else 58}
    for transport, number in numbers.items():
        if transport in matches:
            assert matches[version]["protocol"] == number
    for end in ("source-port", "destination-port"):
        ports = {**matches.get("tcp", {}), **matches.get("udp", {})}.get(end, {"operator": "eq", "port": 0})
        assert set(ports) in ({"operator", "port"}, {"lower-port", "upper-port"})
        assert all(0 <= number <= 65_535 for number in ports.values() if number != "eq")


def test_a_light_bulb_as_the_rfc_writes_it() -> None:
    file = profile("lightbulb2000", [Need("test.example.com", 443, "tcp")], last_update=NOW, maker="Example Lighting")
    check_structure(file)
    v6to = next(one for one in file["ietf-access-control-list:acls"]["acl"] if one["name"].endswith("v6to"))
    assert v6to["aces"]["ace"] == [
        {
            "name": "need0-todev",
            "matches": {
                "ipv6": {"ietf-acldns:src-dnsname": "test.example.com", "protocol": 6},
                "tcp": {
                    "ietf-mud:direction-initiated": "from-device",
                    "source-port": {"operator": "eq", "port": 443},
                },
            },
            "actions": {"forwarding": "accept"},
        }
    ]
    assert file["ietf-mud:mud"]["mfg-name"] == "Example Lighting"
    assert "model-name" not in file["ietf-mud:mud"]


def test_a_device_that_needs_nothing_is_permitted_nothing() -> None:
    file = profile("clock", [], last_update=NOW)
    check_structure(file)
    assert file["ietf-mud:mud"]["from-device-policy"]["access-lists"]["access-list"]
    assert read(write(file)) == ("clock", ())


def test_a_ping_is_answered() -> None:
    file = profile("x", [Need("198.51.100.1", 8, "icmp")], last_update=NOW)
    types = [one["aces"]["ace"][0]["matches"]["icmp"]["type"] for one in file["ietf-access-control-list:acls"]["acl"]]
    assert types == [8, 0]


@pytest.mark.parametrize(
    "need",
    [
        Need("Upper.Example"),
        Need("two words"),
        Need("010.1.1.1"),
        Need("192.0.2.7/24"),
        Need("mud:everything"),
        Need("x.example", 443),
        Need("x.example", 70_000, "tcp"),
        Need("x.example", 9, "tcp", through=9),
        Need("x.example", 443, "https"),
        Need("x.example", 443, "6"),
        Need("2001:db8::1", 8, "icmp"),
        Need("x.example", 0, "icmp"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(need: Need) -> None:
    with pytest.raises(MudError):
        profile("x", [need], last_update=NOW)


def test_what_has_no_name_has_no_profile() -> None:
    with pytest.raises(MudError, match="name"):
        profile("", [], last_update=NOW)


def test_a_need_is_seen_on_one_day_at_least() -> None:
    with pytest.raises(ValueError, match="one day"):
        learned([], min_days=0)


def test_a_device_that_talks_to_everybody_has_no_profile() -> None:
    with pytest.raises(MudError, match="too many"):
        profile("x", (Need("x.example", port, "tcp") for port in range(513)), last_update=NOW)
