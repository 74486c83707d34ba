"""The devices of the home of namespaces, claims on them, and a firewall's responder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.namespaces import (
    DEVICE,
    DEVICE6,
    DEVICE_MAC,
    OTHER,
    OTHER6,
    OTHER_MAC,
    PATIENCE,
    ROUTER,
    WORLD,
    WORLD6,
    WORLD_MAC,
    Home,
)

from homeward.core.effects import Action
from homeward.responders.nftables import NftablesResponder

NAMES: dict[str, Sequence[str]] = {
    "camera": [DEVICE_MAC.upper(), DEVICE, DEVICE6],
    "by mac": [DEVICE_MAC],
    "by address": [DEVICE],
    "phone": [OTHER_MAC, OTHER, OTHER6],
    "router": [ROUTER],
    "way out": [WORLD_MAC],
    "everybody": ["10.255.255.255"],
    "loud": ["224.0.0.251"],
    "broken": ["192.168.1.300"],
}
CLOUD = {"cloud.example": [WORLD, WORLD6], "inside.example": [OTHER, "127.0.0.1"]}


def look_up(name: str) -> Sequence[str]:
    if name not in CLOUD:
        raise OSError("no such name")
    return CLOUD[name]


def responder(home: Home, **more: Any) -> NftablesResponder:
    """A responder without any memory, as after a restart."""
    more = {"namespace": home.router.name, "resolve": look_up, **more}
    return NftablesResponder(lambda name: NAMES.get(name, ()), **more)


def claim(*allow: str, device: str = "camera", seconds: float = 600, lease: str = "one", command: str = "") -> Action:
    """A quarantine, or a restriction to what is allowed."""
    return Action(
        id=lease,
        incident="i",
        responder="nftables",
        device=device,
        command=command or ("restrict" if allow else "quarantine"),
        restore="release",
        ends=datetime.now(UTC) + timedelta(seconds=seconds),
        allow=allow,
    )


def acting(home: Home) -> tuple[NftablesResponder, Action, Callable[[int], str], Callable[[], None]]:
    """For the contract of all responders: a responder, an act, what holds after some acts, how to make it fail."""
    home.world.serve(443)

    def state(number: int) -> str:
        return "release" if home.device.tcp(WORLD, 443, seconds=1) else "quarantine"

    return responder(home), claim(), state, home.remove_router


def can_speak(home: Home, peer: str = WORLD, port: int = 443) -> bool:
    """For what should not be so: it is not waited for."""
    return home.device.tcp(peer, port, seconds=PATIENCE)
