"""A device is cut off the network or narrowed to what it needs by a real kernel's firewall, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.namespaces import (
    DEVICE,
    DEVICE6,
    DEVICE_MAC,
    OTHER,
    PATIENCE,
    ROUTER,
    WORLD,
    WORLD6,
    Home,
    home_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders.nftables import NftablesResponder, NftError

NAMES: dict[str, Sequence[str]] = {
    "camera": [DEVICE_MAC, DEVICE, DEVICE6],
    "by-mac": [DEVICE_MAC],
    "by-address": [DEVICE],
    "phone": [OTHER],
}


def responder(home: Home, **more: Any) -> NftablesResponder:
    return NftablesResponder(lambda name: NAMES.get(name, ()), namespace=home.router.name, **more)


def claim(
    command: str = "quarantine", *allow: str, device: str = "camera", seconds: float = 60, id: str = "one"
) -> Action:
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    return Action(
        id=id,
        incident="i",
        responder="nftables",
        device=device,
        command=command,
        restore="release",
        ends=ends,
        allow=allow,
    )


async def test_a_device_is_cut_off_within_the_call_and_comes_back_when_it_is_taken_back(home: Home) -> None:
    home.world.serve(443)
    home.other.serve(80)
    assert home.device.ping(WORLD)
    assert home.device.tcp(WORLD, 443)
    act = claim()
    await responder(home).apply(act)
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    assert not home.device.tcp(WORLD, 443, seconds=PATIENCE)
    assert not home.device.tcp(OTHER, 80, seconds=PATIENCE)
    assert home.other.tcp(WORLD, 443)
    await responder(home).revert(act)
    assert home.device.tcp(WORLD, 443)


async def test_list(home: Home) -> None:
    home.world.serve(443, 80)
    act = claim("restrict", "tcp 443 cloud.example", "udp 123 mud:local-networks", "* * 198.51.100.2")
    await responder(home, resolve=lambda name: [WORLD, WORLD6]).apply(act)
    assert home.device.tcp(WORLD, 443)
    assert home.device.tcp(WORLD6, 443)
    assert not home.device.tcp(WORLD, 80, seconds=PATIENCE)
