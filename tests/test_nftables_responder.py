"""By a real kernel's firewall a device is cut off or narrowed to what it needs, and it comes back by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from tests.namespaces import (
    DEVICE,
    DEVICE6,
    OTHER,
    OTHER6,
    PATIENCE,
    ROUTER,
    ROUTER6,
    WORLD,
    WORLD6,
    Home,
    bridged_home_fixture,  # noqa: F401 - a fixture
    home_fixture,  # noqa: F401 - a fixture
    says,
    wait_until,
)
from tests.nftables_home import NAMES, can_speak, claim, look_up, responder

from homeward.responders.nftables import SystemResolver, remove_table
from homeward.responders.nftables_rules import (
    KILOBYTES_A_SECOND,
    KILOBYTES_AT_ONCE,
    PACKETS_A_SECOND,
    PACKETS_AT_ONCE,
    claim_name,
)

GUARD = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from homeward.core.effects import Action
from homeward.responders.nftables import NftablesResponder
async def main():
    namespace, seconds, *addresses = sys.argv[1:]
    ends = datetime.now(UTC) + timedelta(seconds=float(seconds))
    act = Action(id="one", incident="i", responder="nftables", device="camera", command="quarantine",
                 restore="release", ends=ends)
    await NftablesResponder(lambda name: addresses, namespace=namespace).apply(act)
    print(ends.isoformat(), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def killed_guard(home: Home, seconds: float) -> datetime:
    """A guard cut the camera off for some seconds, and was killed at once; returns when its lease ends."""
    command = [sys.executable, "-c", GUARD, home.router.name, str(seconds), *NAMES["camera"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guard:
        assert guard.stdout is not None
        ends = datetime.fromisoformat(guard.stdout.readline().strip())
        guard.kill()
    return ends


# Quarantine ---------------------------------------------------------------------------------------------------------


async def test_a_device_is_cut_off_within_the_call_and_nobody_else_is(home: Home) -> None:
    home.world.serve(443)
    home.router.serve(1883)
    home.device.serve(80)
    home.device.serve(5683, udp=True)
    for peer in (WORLD, WORLD6):
        assert home.device.ping(peer)
        assert home.device.tcp(peer, 443)
    with home.device.connect(WORLD, 443) as running:
        assert says(running)
        await responder(home).apply(claim())
        assert not says(running, seconds=PATIENCE)
        for peer in (WORLD, WORLD6):
            assert not home.device.ping(peer, seconds=PATIENCE)
            assert not can_speak(home, peer)
        assert not can_speak(home, ROUTER, 1883)
        for peer in (DEVICE, DEVICE6):
            assert not home.other.tcp(peer, 80, seconds=PATIENCE)
            assert not home.world.udp(peer, 5683, seconds=PATIENCE)
        assert home.device.heard == []
        assert home.other.tcp(WORLD, 443)
        assert home.other.tcp(ROUTER, 1883)
        await responder(home).revert(claim())
        assert says(running)
    assert home.device.tcp(WORLD6, 443)
    assert home.other.tcp(DEVICE, 80)


async def test_a_device_that_is_cut_off_keeps_its_address(home: Home) -> None:
    home.router.serve(67, 547, 69, udp=True)
    await responder(home).apply(claim())
    assert home.device.udp(ROUTER, 67, own_port=68)
    assert home.device.udp(ROUTER6, 547, own_port=546)
    assert not home.device.udp(ROUTER, 69, own_port=68, seconds=PATIENCE)
    assert not home.device.udp(ROUTER, 67, own_port=69, seconds=PATIENCE)


async def test_no_way_out_is_left_by_the_ports_of_dhcp(home: Home) -> None:
    home.world.serve(67, udp=True)
    assert home.device.udp(WORLD, 67, own_port=68)
    await responder(home).apply(claim())
    assert not home.device.udp(WORLD, 67, own_port=68, seconds=PATIENCE)


@pytest.mark.parametrize("device", ["by mac", "by address"])
async def test_one_address_is_enough(home: Home, device: str) -> None:
    home.world.serve(443)
    await responder(home).apply(claim(device=device))
    assert not can_speak(home)
    await responder(home).revert(claim(device=device))
    assert home.device.tcp(WORLD, 443)


# Time ---------------------------------------------------------------------------------------------------------------


async def test_the_kernel_releases_the_device_while_the_guard_is_dead(home: Home) -> None:
    home.world.serve(443)
    ends = killed_guard(home, 2)
    assert not can_speak(home)
    wait_until(lambda: can_speak(home), "the lease is over")
    assert datetime.now(UTC) >= ends
    assert home.device.tcp(WORLD6, 443)
    await responder(home).revert(claim())
    assert home.nft("list", "ruleset").count("chain") == 0


async def test_another_guard_takes_back_what_a_killed_one_did(home: Home) -> None:
    home.world.serve(443)
    killed_guard(home, 600)
    assert not can_speak(home)
    await responder(home).revert(claim())
    assert home.device.tcp(WORLD, 443)


async def test_the_same_act_again_changes_nothing_and_lengthens_nothing(home: Home) -> None:
    act, longer = claim(seconds=60), claim(seconds=6000)
    await responder(home).apply(act)
    before = home.nft("-s", "list", "ruleset")
    for again in (act, longer):
        await responder(home).apply(again)
    assert home.nft("-s", "list", "ruleset") == before
    assert not [left for left in home.seconds_left() if left > 61]
    await responder(home).apply(claim(seconds=5))
    assert not [left for left in home.seconds_left() if left > 5]
    for _ in range(2):
        await responder(home).revert(act)
    assert home.device.ping(WORLD)


async def test_a_claim_whose_time_is_over_is_not_made(home: Home) -> None:
    await responder(home).apply(claim(seconds=-1))
    assert home.nft("list", "ruleset") == ""
    act = claim(seconds=60)
    late = responder(home, now=lambda: datetime.now(UTC) + timedelta(seconds=61))
    await late.apply(act)
    assert home.nft("list", "ruleset") == ""


async def test_what_is_over_is_cleared_away_by_the_next_act(home: Home) -> None:
    await responder(home).apply(claim(seconds=1.5, lease="old"))
    wait_until(lambda: not home.seconds_left(), "the claim is over")
    assert claim_name("old") in home.nft("list", "ruleset")
    await responder(home).apply(claim(lease="new"))
    assert claim_name("old") not in home.nft("list", "ruleset")


# A list of what is needed -------------------------------------------------------------------------------------------


async def test_only_what_is_on_the_list_passes(home: Home) -> None:
    home.world.serve(443, 80, 53)
    home.world.serve(123, udp=True)
    home.router.serve(53, 80, 8883)
    home.router.serve(53, udp=True)
    home.other.serve(8883, 22)
    ours = "tcp 443 cloud.example", "tcp 8883 mud:local-networks", f"udp 123 {WORLD}", f"icmp 8 {OTHER}"
    await responder(home).apply(claim(*ours))
    for peer in (WORLD, WORLD6):
        assert home.device.tcp(peer, 443)
    for peer in (ROUTER, OTHER, OTHER6):
        assert home.device.tcp(peer, 8883)
    assert home.device.udp(WORLD, 123)
    assert home.device.ping(OTHER)
    assert home.device.tcp(ROUTER, 53)
    assert home.device.udp(ROUTER, 53)
    for peer, port in ((WORLD, 80), (WORLD, 53), ("198.51.100.2", 443), (ROUTER, 80), (OTHER, 22)):
        assert not can_speak(home, peer, port), f"{peer} {port}"
    assert not home.device.udp(WORLD6, 123, seconds=PATIENCE)
    assert not home.device.ping(WORLD, seconds=PATIENCE)
    assert home.other.tcp(WORLD, 80)
    await responder(home).revert(claim())
    assert home.device.tcp(WORLD, 80)


async def test_answers_pass_and_questions_from_the_same_peer_do_not(home: Home) -> None:
    home.device.serve(80, 443)
    home.device.serve(123, 5683, udp=True)
    home.world.serve(123, 443)
    await responder(home).apply(claim("tcp 443 cloud.example", f"udp 123 {WORLD}"))
    for port in (80, 443):
        assert not home.world.tcp(DEVICE, port, seconds=PATIENCE)
    assert not home.world.udp(DEVICE, 5683, own_port=123, seconds=PATIENCE)
    assert home.device.heard == []
    assert home.device.tcp(WORLD, 443)


async def test_who_may_ask_the_device_is_answered_and_cannot_be_asked(home: Home) -> None:
    home.device.serve(8080, 80)
    home.other.serve(8080)
    home.world.serve(8080)
    await responder(home).apply(claim(f"tcp 8080 {OTHER} in"))
    assert home.other.tcp(DEVICE, 8080)
    assert not home.other.tcp(DEVICE, 80, seconds=PATIENCE)
    assert not home.world.tcp(DEVICE, 8080, seconds=PATIENCE)
    assert not can_speak(home, OTHER, 8080)


async def test_the_router_itself_may_still_ask_a_restricted_device(home: Home) -> None:
    home.device.serve(80)
    await responder(home).apply(claim("tcp 443 cloud.example"))
    assert home.router.tcp(DEVICE, 80)


async def test_a_running_conversation_goes_on_only_if_it_is_on_the_list(home: Home) -> None:
    home.world.serve(443, 6667)
    with home.device.connect(WORLD, 443) as needed, home.device.connect(WORLD, 6667) as other:
        assert says(needed)
        assert says(other)
        await responder(home).apply(claim("tcp 443 cloud.example"))
        assert says(needed)
        assert not says(other, seconds=PATIENCE)


@pytest.mark.parametrize("device", ["by mac", "by address"])
async def test_a_list_needs_one_address_only(home: Home, device: str) -> None:
    home.world.serve(443, 80)
    await responder(home).apply(claim("tcp 443 cloud.example", device=device))
    assert home.device.tcp(WORLD, 443)
    assert not can_speak(home, WORLD, 80)


async def test_what_a_list_says_wrongly_or_of_unknown_names_stays_closed(home: Home) -> None:
    home.world.serve(443)
    home.other.serve(443)
    lines = "tcp 443 gone.example", "tcp 443 inside.example", "tcp https cloud.example", "tcp 443", "tcp 443 a;b"
    one = responder(home, local=["10.77.1.0/24"])
    await one.apply(claim(*lines))
    for peer in (WORLD, OTHER):
        assert not can_speak(home, peer)
    assert one.refused == {"line": 3, "name": 2}


async def test_a_silent_name_server_delays_nothing_for_long(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(name: str) -> Sequence[str]:
        if name == "silent.example":
            await asyncio.Event().wait()
        return look_up(name)

    monkeypatch.setattr("homeward.responders.nftables.NAMES_SECONDS", 0.2)
    home.world.serve(443, 80)
    await responder(home, resolve=silent).apply(claim("tcp 443 cloud.example", "tcp 80 silent.example"))
    assert home.device.tcp(WORLD, 443)
    assert not can_speak(home, WORLD, 80)


async def test_this_machine_can_tell_the_addresses_of_a_name() -> None:
    assert {"127.0.0.1", "::1"} & set(await SystemResolver()("localhost"))
    with pytest.raises(OSError):
        await SystemResolver()("no-such-name.invalid")


# A rate -------------------------------------------------------------------------------------------------------------


async def test_without_a_list_messages_pass_and_a_flood_does_not(home: Home) -> None:
    home.world.serve(9, udp=True)
    home.world.serve(443)
    await responder(home).apply(claim(command="restrict"))
    assert home.device.tcp(WORLD, 443)
    began = time.monotonic()
    home.device.flood(WORLD, 9, 1000)
    assert not home.device.tcp(WORLD, 443, seconds=PATIENCE / 10)
    passed = len(home.world.heard)
    assert 1 <= passed <= PACKETS_AT_ONCE + PACKETS_A_SECOND * (time.monotonic() - began)
    wait_until(lambda: home.device.ping(WORLD, seconds=PATIENCE), "the rate is kept again")


async def test_without_a_list_much_is_not_carried_away(home: Home) -> None:
    home.world.serve(443)
    await responder(home).apply(claim(command="restrict"))
    with home.device.connect(WORLD, 443) as end:
        began, heard = time.monotonic(), 0
        end.setblocking(False)
        while time.monotonic() - began < 1:
            with suppress(BlockingIOError):
                end.send(bytes(1 << 16))
            with suppress(BlockingIOError):
                heard += len(end.recv(1 << 16))
        seconds = time.monotonic() - began
    assert 0 < heard <= 1000 * (KILOBYTES_AT_ONCE + KILOBYTES_A_SECOND * seconds) * 1.1


# Several claims, other hands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_back", ["list", "cut"])
async def test_of_two_claims_the_stricter_holds_and_each_ends_alone(home: Home, first_back: str) -> None:
    home.world.serve(443, 80)
    acts = {"list": claim("tcp 443 cloud.example", lease="list"), "cut": claim(lease="cut")}
    for act in acts.values():
        await responder(home).apply(act)
    assert not can_speak(home)
    await responder(home).revert(acts.pop(first_back))
    assert home.device.tcp(WORLD, 443) if first_back == "cut" else not can_speak(home)
    assert not can_speak(home, WORLD, 80)
    for act in acts.values():
        await responder(home).revert(act)
    assert home.device.tcp(WORLD, 80)


async def test_of_two_lists_only_what_both_say_passes(home: Home) -> None:
    home.world.serve(443, 80, 8080)
    await responder(home).apply(claim("tcp 443 cloud.example", "tcp 80 cloud.example", lease="one"))
    await responder(home).apply(claim("tcp 80 cloud.example", "tcp 8080 cloud.example", lease="two"))
    assert home.device.tcp(WORLD, 80)
    assert not can_speak(home, WORLD, 443)
    assert not can_speak(home, WORLD, 8080)
    await responder(home).revert(claim(lease="one"))
    assert home.device.tcp(WORLD, 8080)
    assert not can_speak(home, WORLD, 443)


@pytest.mark.parametrize(
    "harm", ["flush ruleset", "flush set inet homeward {}_mac", "flush chain inet homeward {}_from"]
)
async def test_what_somebody_else_took_away_is_there_again_after_the_next_act(home: Home, harm: str) -> None:
    home.world.serve(443, 80)
    act = claim("tcp 443 cloud.example")
    await responder(home).apply(act)
    whole = home.nft("-s", "list", "ruleset")
    home.nft(*harm.format(claim_name(act.id)).split())
    assert home.nft("-s", "list", "ruleset") != whole
    await responder(home).apply(act)
    assert home.nft("-s", "list", "ruleset") == whole
    assert home.device.tcp(WORLD, 443)
    assert not can_speak(home, WORLD, 80)


async def test_other_tables_are_never_touched(home: Home) -> None:
    home.nft("add table inet fw; add chain inet fw forward { type filter hook forward priority 0; policy accept; }")
    home.nft("add table ip homeward; add chain ip homeward mine")
    before = home.nft("list", "ruleset")
    await responder(home).apply(claim())
    await responder(home).revert(claim())
    await responder(home).apply(claim())
    assert await remove_table(namespace=home.router.name)
    assert home.nft("list", "ruleset") == before
    assert home.device.ping(WORLD)
    assert not await remove_table(namespace=home.router.name)


async def test_also_between_two_devices_on_the_routers_bridge(bridged_home: Home) -> None:
    home, other = bridged_home, bridged_home.other_address
    home.other.serve(80, 8883)
    home.router.sysctl("bridge/bridge-nf-call-iptables", 1)
    assert home.device.tcp(other, 80)
    await responder(home).apply(claim(device="by mac"))
    assert not can_speak(home, other, 80)
    await responder(home).revert(claim())
    await responder(home).apply(claim("tcp 8883 mud:local-networks"))
    assert home.device.tcp(other, 8883)
    assert not can_speak(home, other, 80)
