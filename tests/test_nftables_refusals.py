"""Whom a firewall's responder never cuts off, and how it fails: in one line, with nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.namespaces import (
    DEADLINE,
    DEVICE,
    DEVICE_MAC,
    OTHER_MAC,
    PATIENCE,
    ROUTER,
    WORLD,
    WORLD_MAC,
    Home,
    home_fixture,  # noqa: F401 - a fixture
)
from tests.nftables_home import acting, claim, responder

from homeward.responders.nftables import NftError


@pytest.mark.parametrize(
    ("device", "error", "line"),
    [
        ("stranger", LookupError, "no address of stranger is known; add one to [network] names"),
        ("phone", NftError, f"phone: {OTHER_MAC} is among what is never cut off"),
        ("router", NftError, f"router: {ROUTER} is this machine or its router; it is never cut off"),
        ("way out", NftError, f"way out: {WORLD_MAC} is this machine or its router; it is never cut off"),
        ("everybody", NftError, "everybody: 10.255.255.255 is no address of a single device"),
        ("loud", NftError, "loud: 224.0.0.251 is no address of a single device"),
        ("broken", NftError, "broken: '192.168.1.300' is neither an address nor a hardware address"),
    ],
)
async def test_whom_nobody_may_cut_off_is_not_cut_off(
    home: Home, device: str, error: type[Exception], line: str
) -> None:
    home.world.serve(443)
    assert home.device.tcp(WORLD, 443)  # so that the router knows its own router
    never = [OTHER_MAC]
    with pytest.raises(error) as told:
        await responder(home, never=never).apply(claim(device=device))
    assert str(told.value) == line
    assert home.nft("list", "ruleset") == ""


@pytest.mark.parametrize("never", [DEVICE_MAC, DEVICE, "fd77:1::/64", "camera", "by address"])
async def test_never_is_said_by_address_by_network_or_by_name(home: Home, never: str) -> None:
    one = responder(home, never=[never])
    with pytest.raises(NftError, match="never cut off"):
        await one.apply(claim())
    assert one.refused == {"never": 1}
    assert home.device.ping(WORLD)


async def test_only_claims_with_an_end_are_made(home: Home) -> None:
    for act in (replace(claim(), ends=None), claim(command="reboot")):
        with pytest.raises(NftError):
            await responder(home).apply(act)
    assert home.nft("list", "ruleset") == ""


async def test_too_many_claims_at_once_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.responders.nftables.CLAIMS_LIMIT", 2)
    for number in range(2):
        await responder(home).apply(claim(lease=str(number)))
    with pytest.raises(NftError, match="2 claims hold already"):
        await responder(home).apply(claim(lease="more"))
    await responder(home).apply(claim(lease="1"))


NFT = 'nft "$@"'


async def test_one_capability_is_all_that_it_needs(home: Home, program: Callable[[str], str]) -> None:
    nft = program(f"exec setpriv --inh-caps -all,+net_admin --bounding-set -all,+net_admin {NFT}")
    await responder(home, nft=nft).apply(claim())
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    await responder(home, nft=nft).revert(claim())
    assert home.device.ping(WORLD)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (f"exec setpriv --inh-caps -all --bounding-set -all {NFT}", "CAP_NET_ADMIN"),
        ("exec sleep 60", "did not answer within"),
        ("exec yes", "did not answer within"),
        ("echo hello", "something else than JSON"),
        (f'[ "$2" = -f ] && exit 0; exec {NFT}', "does not hold the claim (nothing of it)"),
        (f'[ "$2" = -f ] || exec {NFT}; echo "Error: Operation not supported" >&2; exit 1', "need Linux 5.6"),
    ],
    ids=["no right", "hangs", "says too much", "not nft", "does half", "too old"],
)
async def test_a_failure_is_told_in_one_line(
    home: Home, program: Callable[[str], str], script: str, line: str
) -> None:
    one = responder(home, nft=program(script), timeout=1.0 if "exec y" in script or "sleep" in script else DEADLINE)
    with pytest.raises(NftError, match=r"\A[^\n]{10,250}\Z") as told:
        await one.apply(claim())
    assert line in str(told.value)
    assert home.device.ping(WORLD)


@pytest.mark.parametrize("namespace", [True, False])
async def test_without_the_program_nothing_is_said_to_have_been_done(home: Home, namespace: bool) -> None:
    one = responder(home, nft="/no/such/nft", namespace=home.router.name if namespace else None)
    for act in (one.apply, one.revert):
        with pytest.raises(NftError, match=r"\A[^\n]*/no/such/nft[^\n]*\Z"):
            await act(claim())


async def test_out_of_reach_it_fails_in_one_line(home: Home) -> None:
    one, act, state, fail = acting(home)
    await one.apply(act)
    assert state(1) == "quarantine"
    fail()
    for step in (one.apply, one.revert):
        with pytest.raises(NftError, match=r"\A[^\n]+\Z"):
            await step(act)


@pytest.fixture
def program(tmp_path: Path, need_program: Callable[[str, str], str]) -> Callable[[str], str]:
    """A program instead of nft, from the lines of a shell."""
    need_program("setpriv", "util-linux")

    def write(script: str) -> str:
        path = tmp_path / "nft"
        path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        path.chmod(0o755)
        tmp_path.chmod(0o755)
        return str(path)

    return write
