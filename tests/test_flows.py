"""Who is who on the network, and what is one and the same within a minute."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network_logs import CAMERA, LAPTOP, OUTSIDE, START

from homeward.core.event import Event
from homeward.core.flow import BYTES_LIMIT, Flow, read_flow
from homeward.sources import flows, neighbourhood
from homeward.sources.flows import KINDS_OF_DEVICE, MANY, Merger, Sighting, merge
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.topics import last_state

MAC = "02:00:5e:10:00:01"
OTHER_MAC = "02:00:5e:10:00:02"


def flow(peer: str = OUTSIDE, port: int = 443, **more: object) -> Flow:
    return Flow(peer, port, "tcp", sent=10, received=20)._replace(**more)  # type: ignore[arg-type]


def announced(device: str, attributes: dict[str, str], action: str = "announced") -> Event:
    now = datetime.now(UTC)
    return Event(id="1", source="zeek", at=now, device=device, action=action, attributes=attributes)


def sighting(second: float, device: str = "camera", **more: object) -> Sighting:
    return Sighting(device, flow(**more), START + second)  # type: ignore[arg-type]


# What is a device of the house -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.168.1.20", "house"), ("10.1.2.3", "house"), ("172.31.0.1", "house"), ("172.32.0.1", "outside"),
        ("169.254.1.1", "house"), ("fe80::1", "house"), ("fd00::1", "house"), ("2001:db8:1::5", "outside"),
        ("203.0.113.7", "outside"), ("224.0.0.251", "group"), ("ff02::fb", "group"), ("255.255.255.255", "group"),
        ("192.168.1.255", "group"), ("0.0.0.0", "outside"), ("::", "outside"), ("127.0.0.1", "outside"),
        ("nonsense", "outside"), ("", "outside"),
    ],
)  # fmt: skip
def test_what_is_of_the_house_is_known_without_being_told(address: str, place: str) -> None:
    assert Neighbourhood().place(address) == place


def test_the_owner_may_add_networks_and_a_public_address() -> None:
    here = Neighbourhood(["2001:db8:1::/64", "203.0.113.7", "10.0.0.0/16"])
    assert here.place("2001:db8:1::5") == here.place(OUTSIDE) == "house"
    assert here.place("10.0.3.255") == "house"  # it is not the last of the network that he named
    assert here.place("10.0.255.255") == "group"


@pytest.mark.parametrize("wrong", ["home", "192.168.1.0/33", ""])
def test_a_network_that_is_none_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+is no network[^\n]+$"):
        Neighbourhood([wrong])
    with pytest.raises(ValueError, match=r"^[^\n]+neither an address[^\n]+$"):
        Neighbourhood(names={wrong: "camera"})


def test_a_flow_is_told_as_each_end_in_the_house_sees_it() -> None:
    here = Neighbourhood(names={CAMERA: "camera"})
    assert here.ends(CAMERA, OUTSIDE, flow()) == [("camera", flow())]
    assert here.ends(OUTSIDE, CAMERA, flow(CAMERA)) == [
        ("camera", flow(OUTSIDE, inbound=True, sent=20, received=10)),
    ]
    assert here.ends(LAPTOP, CAMERA, flow(CAMERA)) == [
        (LAPTOP, flow("camera")),
        ("camera", flow(LAPTOP, inbound=True, sent=20, received=10)),
    ]
    assert here.ends(OUTSIDE, "198.51.100.1", flow()) == []
    assert here.refused == {"no local end": 1}


def test_a_broadcast_is_a_peer_and_no_device() -> None:
    here = Neighbourhood()
    for group in ("224.0.0.251", "192.168.1.255", "255.255.255.255"):
        assert here.ends(CAMERA, group, flow(group)) == [(CAMERA, flow(group))]
    assert [news.device for news in here.news()] == [CAMERA]


def test_who_scans_the_house_makes_no_devices_of_addresses_that_nobody_has() -> None:
    here = Neighbourhood()
    for number in range(1, 200):
        target = f"192.168.7.{number}"
        ends = here.ends(LAPTOP, target, flow(target, received=0))
        assert [device for device, _ in ends] == [LAPTOP]
    assert [device for device, _ in here.ends(LAPTOP, CAMERA, flow(CAMERA))] == [LAPTOP, CAMERA]
    assert [news.device for news in here.news()] == [LAPTOP, CAMERA]


# What it is called --------------------------------------------------------------------------------------------------


def test_a_device_is_called_by_the_owner_then_by_dhcp_then_by_its_hardware() -> None:
    here = Neighbourhood(names={"02-00-5E-10-00-02": "hallway camera"})
    assert here.device(LAPTOP) == LAPTOP
    here.ends(LAPTOP, OUTSIDE, flow(), MAC, None)
    assert here.device(LAPTOP) == MAC
    here.lease(LAPTOP, MAC, "annas-laptop")
    assert here.device(LAPTOP) == "annas-laptop"
    here.ends(CAMERA, OUTSIDE, flow(), OTHER_MAC, None)
    assert here.device(CAMERA) == "hallway camera"
    here.lease(CAMERA, OTHER_MAC, "IPCAM-1")
    assert here.device(CAMERA) == "hallway camera"


def test_all_addresses_of_one_piece_of_hardware_are_one_device() -> None:
    here = Neighbourhood()
    for address in (LAPTOP, "fe80::1234", "fd00::77"):
        here.ends(address, OUTSIDE, flow(), MAC, None)
    assert {here.device(address) for address in (LAPTOP, "fe80::1234", "fd00::77")} == {MAC}
    assert [news.device for news in here.news()] == [MAC]


def test_the_first_host_name_stays_and_a_name_that_is_taken_is_not_given_again() -> None:
    here = Neighbourhood(names={CAMERA: "hallway camera"})
    here.lease(LAPTOP, MAC, "laptop")
    here.lease(LAPTOP, MAC, "printer")
    assert here.device(LAPTOP) == "laptop"
    for stolen in ("Hallway Camera", "LAPTOP"):
        here.lease("192.168.1.66", OTHER_MAC, stolen)
        assert here.device("192.168.1.66") == OTHER_MAC
    assert here.refused["host name"] == 2


def test_each_device_is_announced_once_with_its_best_address() -> None:
    here = Neighbourhood()
    here.ends(LAPTOP, OUTSIDE, flow())
    here.ends(LAPTOP, OUTSIDE, flow())
    assert list(here.news()) == [(LAPTOP, {"address": LAPTOP})]
    here.lease(LAPTOP, MAC, "laptop")
    news = [(each.device, each.attributes["address"]) for each in here.news()]
    assert news == [(LAPTOP, MAC), ("laptop", MAC)]  # it is the same device, by another name
    here.ends(LAPTOP, OUTSIDE, flow(), MAC, None)
    assert list(here.news()) == []


def test_what_dhcp_told_comes_back_from_the_last_states() -> None:
    before = Neighbourhood()
    before.lease(LAPTOP, MAC, "laptop/2")
    (news,) = before.news()
    kept = last_state(announced(news.device, news.attributes))
    assert kept is not None
    after = Neighbourhood(last=dict([kept]) | {"contact/door": "open", "announced/x": "lease x y"})
    assert after.device(LAPTOP) == "laptop/2"


def test_a_peer_is_called_as_the_device_itself_asked_for_it() -> None:
    here = Neighbourhood()
    here.named(LAPTOP, OUTSIDE, "Video.Example.", answered=True)
    assert here.ends(CAMERA, OUTSIDE, flow())[0][1].peer == "video.example"  # somebody asked
    here.named(CAMERA, OUTSIDE, "cdn.example", answered=True)
    assert here.ends(CAMERA, OUTSIDE, flow())[0][1].peer == "cdn.example"
    assert here.ends(LAPTOP, OUTSIDE, flow())[0][1].peer == "video.example"


def test_a_claim_does_not_overrule_what_a_name_server_answered() -> None:
    here = Neighbourhood()
    here.named(CAMERA, OUTSIDE, "claimed.example", answered=False)
    assert here.peer(CAMERA, OUTSIDE) == "claimed.example"
    assert here.peer(LAPTOP, OUTSIDE) == OUTSIDE  # a claim is the claimant's own
    here.named(CAMERA, OUTSIDE, "evil.example", answered=True)
    here.named(CAMERA, OUTSIDE, "well-known.example", answered=False)
    assert here.peer(CAMERA, OUTSIDE) == "evil.example"


@pytest.mark.parametrize(
    "name",
    ["", "many", "198.51.100.9", "a b.example", "x" * 300 + ".example", "‮gro.example", "-", None, "camera.lan"],
)
def test_a_name_that_is_no_host_name_names_nothing(name: str | None) -> None:
    here = Neighbourhood(names={CAMERA: "Camera.lan"})
    here.named(LAPTOP, OUTSIDE, name, answered=True)
    assert here.peer(LAPTOP, OUTSIDE) == OUTSIDE


def test_no_name_is_given_to_what_is_in_the_house_and_none_is_taken_from_outside() -> None:
    here = Neighbourhood()
    here.named(LAPTOP, CAMERA, "rebinding.example", answered=True)
    here.named("198.51.100.1", OUTSIDE, "poison.example", answered=True)
    assert here.peer(LAPTOP, CAMERA) == CAMERA
    assert here.peer(LAPTOP, OUTSIDE) == OUTSIDE


def test_memory_is_bounded_whoever_forges_addresses_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("DEVICE_LIMIT", "HOST_NAME_LIMIT", "ASKER_LIMIT", "PEER_NAME_LIMIT", "LEASE_LIMIT", "CACHED"):
        monkeypatch.setattr(neighbourhood, limit, 8)
    here = Neighbourhood(names={CAMERA: "camera"})
    for number in range(1, 200):
        address, mac = f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}"
        here.ends(address, OUTSIDE, flow(), mac, None)
        here.ends("10.0.0.1", OUTSIDE, flow(), mac, None)
        here.lease(address, mac, f"host-{number}")
        here.named(address, f"198.51.100.{number}", f"n{number}.example", answered=True)
        here.named(LAPTOP, f"198.51.100.{number}", f"n{number}.example", answered=True)
    assert here.refused["too many devices"] > 100
    held = {name: len(value) for name, value in vars(here).items() if hasattr(value, "__len__")}
    assert all(size <= 30 for name, size in held.items() if name != "refused"), held
    assert here.ends(CAMERA, OUTSIDE, flow()) != []  # the owner's devices are heard all the same


# Merging ------------------------------------------------------------------------------------------------------------


def test_the_first_is_told_at_once_and_the_rest_of_the_minute_as_one() -> None:
    merger = Merger()
    assert merger.add(sighting(1)) == sighting(1)
    assert merger.add(sighting(2)) is None
    assert merger.add(sighting(3, state="S0")) is None
    assert merger.add(sighting(3, port=80)) == sighting(3, port=80)
    assert not merger.is_over(START + 59)
    assert merger.is_over(START + 60)
    ((_, rest),) = merger.close()
    assert rest == Sighting("camera", flow(sent=20, received=40, times=2), START + 3)
    assert merger.is_empty
    assert merger.merged == {"same": 2}


def test_what_differs_in_any_part_of_it_is_told_apart() -> None:
    first = sighting(0)
    others = [
        first, sighting(0, device="hub"), sighting(0, peer="198.51.100.1"), sighting(0, port=80),
        sighting(0, protocol="udp"), sighting(0, inbound=True), first._replace(about=(("login", "accepted"),)),
    ]  # fmt: skip
    merger = Merger()
    assert [merger.add(other) for other in others] == others


def test_a_log_that_is_out_of_order_does_not_end_a_window_at_each_line() -> None:
    seconds = [0, 61, 3, 62, 4, 63, 5, 121]
    told = list(merge([sighting(second) for second in seconds], Merger()))
    assert [each.flow.times for each in told] == [1, 1, 5, 1]


def test_beyond_the_limit_a_device_is_told_once_a_minute_as_many() -> None:
    scan = [sighting(number / 100, peer=f"10.{number // 250}.{number % 250}.1", state="S0") for number in range(1000)]
    merger = Merger()
    told = list(merge([*scan, sighting(11, device="hub")], merger))
    assert [each.flow.peer for each in told[KINDS_OF_DEVICE:]] == [OUTSIDE, MANY]
    assert told[-1].flow == Flow(MANY, 0, "mixed", False, 8_720, 17_440, 0.0, "S0", 1000 - KINDS_OF_DEVICE)
    assert merger.merged == {"many": 1000 - KINDS_OF_DEVICE}


def test_a_login_and_the_severity_of_an_alert_stay_visible_among_many() -> None:
    scan = [sighting(0, port=port) for port in range(KINDS_OF_DEVICE)]
    merger = Merger()
    for each in scan:
        merger.add(each)
    merger.add(sighting(1, port=22)._replace(about=(("login", "accepted"),)))
    alerts = [
        Sighting("camera", flow(), START, "alert", (("signature", f"rule {n}"), ("category", "x"), ("severity", "1")))
        for n in range(KINDS_OF_DEVICE + 3)
    ]
    assert sum(merger.add(alert) is not None for alert in alerts) == KINDS_OF_DEVICE
    told = {(each.action, each.about): each.attributes for _, each in merger.close()}
    assert told["flow", (("login", "accepted"),)]["login"] == "accepted"
    (alert,) = (attributes for (action, _), attributes in told.items() if action == "alert")
    assert alert == {
        "signature": MANY, "category": "", "severity": "1", "peer": MANY, "port": "0", "protocol": "mixed",
        "direction": "out", "count": "3",
    }  # fmt: skip


def test_memory_is_bounded_however_many_devices_are_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "DEVICES", 5)
    monkeypatch.setattr(flows, "KINDS", 20)
    merger = Merger()
    for number in range(1_000):
        merger.add(sighting(0, device=f"10.0.0.{number % 50}", port=number))
    assert merger.refused == {"too many devices": 900}
    assert len(merger.close()) <= 2 * 5


def test_the_attributes_of_a_merged_flow_are_read_back() -> None:
    seen = Sighting("camera", flow(), START, about=(("login", "refused"),))
    event = announced("camera", seen.attributes, "flow")
    assert read_flow(event) == flow()
    assert event.attributes["login"] == "refused"


sightings = st.builds(
    sighting,
    st.floats(0, 600),
    device=st.sampled_from(["a", "b", "c"]),
    peer=st.sampled_from(["x", "y"]),
    port=st.integers(0, 3),
    inbound=st.booleans(),
    sent=st.integers(0, 2**40),
    received=st.integers(0, 2**40),
    seconds=st.floats(0, 1e6),
    state=st.sampled_from(["SF", "S0", ""]),
)


@settings(deadline=None)
@given(st.lists(sightings, max_size=200), st.integers(1, 4), st.integers(1, 8))
def test_nothing_is_lost_and_nothing_counted_twice(seen: list[Sighting], of_device: int, kinds: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "KINDS_OF_DEVICE", of_device)
        patch.setattr(flows, "KINDS", kinds)
        told = list(merge(seen, Merger()))
    for direction in (True, False):
        for device in "abc":
            before, after = (
                [each.flow for each in some if each.device == device and each.flow.inbound == direction]
                for some in (seen, told)
            )
            assert sum(each.times for each in before) == sum(each.times for each in after)
            assert sum(each.sent for each in before) == sum(each.sent for each in after)
            assert sum(each.received for each in before) == sum(each.received for each in after)
            assert math.isclose(sum(each.seconds for each in before), sum(each.seconds for each in after))
    busiest = Counter((each.device, each.happened // 60) for each in told)
    assert all(count <= 4 * (of_device + 2) * 11 for count in busiest.values())


def test_a_sum_stays_within_what_a_flow_can_say() -> None:
    told = list(merge([sighting(0, sent=BYTES_LIMIT)] * 3, Merger()))
    assert told[-1].flow.sent == BYTES_LIMIT
