"""MUD files of others: understood as they are meant, or refused; none is read as if it permitted more."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.exchange import needs as words
from homeward.exchange.mud import NEEDS_LIMIT, Need, profile, read, write
from homeward.exchange.needs import LOCAL, MudError

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
calm = settings(deadline=None, max_examples=60, derandomize=os.environ.get("CI") == "true")


def other() -> dict[str, Any]:
    """A file in the RFC's own form, of a lamp that another maker describes."""
    return {
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": "https://lighting.example.com/lamps/bulb%202000",
            "mud-signature": "https://lighting.example.com/lamps/bulb2000.p7s",
            "last-update": "2019-01-28T11:20:51+01:00",
            "cache-validity": 48,
            "is-supported": True,
            "systeminfo": "The Example Bulb",
            "documentation": "https://lighting.example.com/help",
            "extensions": ["somebodys-extension"],
            "from-device-policy": {"access-lists": {"access-list": [{"name": "mud-76100-v6fr"}]}},
            "to-device-policy": {"access-lists": {"access-list": [{"name": "mud-76100-v6to"}]}},
        },
        "ietf-access-control-list:acls": {
            "acl": [
                {
                    "name": "mud-76100-v6to",
                    "type": "ietf-access-control-list:ipv6-acl-type",
                    "aces": {
                        "ace": [
                            {
                                "name": "cl0-todev",
                                "matches": {
                                    "ipv6": {"ietf-acldns:src-dnsname": "Test.Example.com", "protocol": 6},
                                    "tcp": {
                                        "ietf-mud:direction-initiated": "from-device",
                                        "source-port": {"operator": "eq", "port": 443},
                                    },
                                },
                                "actions": {"forwarding": "accept"},
                            },
                            {
                                "name": "loc0-todev",
                                "matches": {
                                    "ietf-mud:mud": {"local-networks": [None]},
                                    "ipv6": {"protocol": 17},
                                    "udp": {"destination-port": {"lower-port": 5000, "upper-port": 5009}},
                                },
                                "actions": {"forwarding": "ietf-access-control-list:accept"},
                            },
                        ]
                    },
                },
                {
                    "name": "mud-76100-v6fr",
                    "type": "ipv6-acl-type",
                    "aces": {
                        "ace": [
                            {
                                "name": "cl0-frdev",
                                "matches": {
                                    "ipv6": {"ietf-acldns:dst-dnsname": "test.example.com", "protocol": 6},
                                    "tcp": {
                                        "ietf-mud:direction-initiated": "from-device",
                                        "destination-port": {"operator": "eq", "port": 443},
                                    },
                                },
                                "actions": {"forwarding": "accept"},
                            },
                            {
                                "name": "myctl0-frdev",
                                "matches": {"ietf-mud:mud": {"my-controller": [None]}, "ipv6": {"protocol": 6}},
                                "actions": {"forwarding": "accept"},
                            },
                            {"name": "rest", "actions": {"forwarding": "drop"}},
                        ]
                    },
                },
            ]
        },
    }


READ = (
    Need(LOCAL, 5000, "udp", inbound=True, through=5009),
    Need(words.MY_CONTROLLER, None, "tcp"),
    Need("test.example.com", 443, "tcp"),
)


def test_another_makers_file_is_understood() -> None:
    assert read(json.dumps(other()).encode()) == ("bulb 2000", READ)


def test_the_drafts_name_for_the_lists_is_understood_too() -> None:
    file = other()
    file["ietf-access-control-list:access-lists"] = file.pop("ietf-access-control-list:acls")
    assert read(json.dumps(file).encode())[1] == READ


def test_an_echo_is_of_the_version_that_its_list_is_of() -> None:
    file = other()
    coming, leaving = file["ietf-access-control-list:acls"]["acl"]
    leaving["aces"]["ace"][1]["matches"] = {"icmp": {"type": 128}}
    coming["aces"]["ace"][1]["matches"] = {"icmp": {"type": 129}}
    found = read(json.dumps(file).encode())[1]
    assert [need for need in found if need.protocol == "icmp6"] == [Need("", 128, "icmp6")]


def test_dhcp_is_asked_at_the_servers_end() -> None:
    file = other()
    entry = file["ietf-access-control-list:acls"]["acl"][1]["aces"]["ace"][1]
    entry["matches"] = {
        "ipv6": {"protocol": 17},
        "udp": {
            "source-port": {"operator": "eq", "port": 546},
            "destination-port": {"operator": "eq", "port": 547},
        },
    }
    assert Need("", 547, "udp") in read(json.dumps(file).encode())[1]


def spoiled() -> Iterator[tuple[str, Any]]:
    """Another maker's file, each time with one thing wrong."""

    def entry(file: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = file["ietf-access-control-list:acls"]["acl"][0]["aces"]["ace"][0]
        return found

    def matches(file: dict[str, Any], said: dict[str, Any]) -> None:
        entry(file)["matches"] = said

    def both(file: dict[str, Any]) -> None:
        del file["ietf-access-control-list:acls"]["acl"][0]["type"]
        matches(file, {"ipv4": tcp6, "ipv6": tcp6})

    about = "ietf-mud:mud"
    tcp6 = {"protocol": 6}
    yield "a version of tomorrow", lambda file: file[about].update({"mud-version": 2})
    yield "no address", lambda file: file[about].pop("mud-url")
    yield "an address of another kind", lambda file: file[about].update({"mud-url": "http://a.example/b"})
    yield "an address that is none", lambda file: file[about].update({"mud-url": "https://[a/b"})
    yield "no time", lambda file: file[about].update({"last-update": "yesterday"})
    yield "a long validity", lambda file: file[about].update({"cache-validity": 169})
    yield "a list that is not there", lambda file: file["ietf-access-control-list:acls"]["acl"].pop()
    yield (
        "two lists of one name",
        lambda file: file["ietf-access-control-list:acls"]["acl"].append({"name": "mud-76100-v6to"}),
    )
    yield (
        "a list of another type",
        lambda file: file["ietf-access-control-list:acls"]["acl"][0].update({"type": "eth-acl-type"}),
    )
    yield "a refusal before", lambda file: entry(file)["actions"].update({"forwarding": "reject"})
    yield "another action", lambda file: entry(file)["actions"].update({"forwarding": "mirror"})
    yield "a condition on a field", lambda file: matches(file, {"ipv6": {"protocol": 6, "dscp": 3}})
    yield "a condition on the link", lambda file: matches(file, {"eth": {"ethertype": "0x888e"}})
    yield "both versions", lambda file: matches(file, {"ipv4": tcp6, "ipv6": tcp6})
    yield "both versions in a list of no type", both
    yield "icmp that is gre", lambda file: matches(file, {"ipv6": {"protocol": 47}, "icmp": {"type": 8}})
    yield "the other version", lambda file: matches(file, {"ipv4": tcp6})
    yield "two protocols", lambda file: matches(file, {"tcp": {}, "udp": {}})
    yield "a protocol that is another", lambda file: matches(file, {"ipv6": {"protocol": 17}, "tcp": {}})
    yield "icmp that is tcp", lambda file: matches(file, {"ipv6": tcp6, "icmp": {"type": 8}})
    yield "its own address", lambda file: matches(file, {"ipv6": {"destination-ipv6-network": "2001:db8::/64"}})
    yield (
        "two peers",
        lambda file: matches(
            file, {"ipv6": {"ietf-acldns:src-dnsname": "a.example"}, "ietf-mud:mud": {"local-networks": [None]}}
        ),
    )
    yield "a name that is none", lambda file: matches(file, {"ipv6": {"ietf-acldns:src-dnsname": "a b"}})
    yield "a name that is a class", lambda file: matches(file, {"ipv6": {"ietf-acldns:src-dnsname": LOCAL}})
    yield (
        "only the asker's port",
        lambda file: matches(
            file,
            {
                "tcp": {
                    "ietf-mud:direction-initiated": "to-device",
                    "source-port": {"operator": "eq", "port": 9},
                }
            },
        ),
    )
    yield "another operator", lambda file: matches(file, {"udp": {"source-port": {"operator": "neq", "port": 9}}})
    yield "a port of none", lambda file: matches(file, {"udp": {"source-port": {"operator": "eq", "port": 65_536}}})
    yield (
        "a range backwards",
        lambda file: matches(file, {"udp": {"source-port": {"lower-port": 9, "upper-port": 8}}}),
    )
    yield "no port at all", lambda file: matches(file, {"udp": {"source-port": {}}})


@pytest.mark.parametrize(("what", "spoil"), [pytest.param(what, spoil, id=what) for what, spoil in spoiled()])
def test_a_file_that_would_permit_more_than_it_says_is_refused_in_one_line(what: str, spoil: Any) -> None:
    file = copy.deepcopy(other())
    spoil(file)
    with pytest.raises(MudError) as refused:
        read(json.dumps(file).encode())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"null", b'{"ietf-mud:mud": {}}', b"[" * 100_000])
def test_what_is_no_mud_file_is_refused(data: bytes) -> None:
    with pytest.raises(MudError):
        read(data)


def test_as_many_needs_of_the_longest_kind_as_one_may_have_are_read_back() -> None:
    longest = words.MODEL + "m" * words.URI_LIMIT
    wanted = [Need(longest, port, "tcp", through=65_535) for port in range(10_000, 10_000 + NEEDS_LIMIT)]
    assert read(write(profile("x" * 128, wanted, last_update=NOW)))[1] == tuple(wanted)


def test_a_file_that_is_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(MudError, match="MiB"):
        read(b" " * (3 << 20) + b"{}")


@calm
@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_refusal(data: bytes) -> None:
    with suppress(MudError):
        read(data)
