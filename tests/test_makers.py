"""The maker of an address: from the registry on this machine, in every spelling, and never a guess."""

from __future__ import annotations

import asyncio
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.sources.makers import MAKER_LIMIT, RANDOM, maker_of

pytest.importorskip("aiooui", reason="the registry of makers is not installed")


@pytest.mark.parametrize(
    "address",
    [
        "00:17:88:01:02:03",
        "00-17-88-01-02-03",
        "0017.8801.0203",
        "001788010203",
        "0x0017880102030405",
        "00:17:88:ff:fe:01:02:03",
    ],
)
def test_the_maker_is_found_in_every_spelling_of_an_address(address: str) -> None:
    assert maker_of(address).startswith("Philips Lighting")


@pytest.mark.parametrize("address", ["02:42:ac:11:00:02", "da:a1:19:00:00:01", "7E-01-02-03-04-05"])
def test_an_address_that_the_device_gave_itself_says_so(address: str) -> None:
    assert maker_of(address) == RANDOM


@pytest.mark.parametrize(
    "address",
    ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "33:33:00:00:00:01", "ac:de:48:00:11:22", "70:b3:d5:00:11:22"],
)
def test_groups_and_blocks_without_a_name_have_no_maker(address: str) -> None:
    assert maker_of(address) == ""


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1", "fe80::1", "living room", "00:17:88", "0x", "\u0660\u0660:17:88:01:02:03"]
)
def test_what_is_no_hardware_address_has_no_maker(text: str) -> None:
    assert maker_of(text) == ""


@given(st.one_of(st.text(max_size=60), st.integers(0, (1 << 48) - 1).map(lambda n: f"{n:012x}")))
def test_whatever_is_asked_the_answer_is_a_short_printable_name(text: str) -> None:
    name = maker_of(text)
    assert len(name) <= MAKER_LIMIT
    assert name.isprintable()


async def test_it_can_be_asked_from_within_an_event_loop() -> None:
    found = await asyncio.gather(*(asyncio.to_thread(maker_of, "00:17:88:01:02:03") for _ in range(4)))
    assert {maker_of("00:17:88:01:02:03"), *found} == {"Philips Lighting BV"}


def test_without_the_registry_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiooui", None)
    assert maker_of("00:17:88:01:02:03") == ""
    assert maker_of("02:42:ac:11:00:02") == RANDOM
