"""The watch over the network: stories of devices that do what they always did, and then something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from homeward.core.arrival import ANNOUNCED, TOLD_A_DAY
from homeward.core.behaviour.traffic import HELD, LINES, NEEDS, PAST_ALL, PEERS, Traffic
from homeward.core.effects import Effect, Notify
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.flow import FLOW, Flow, flow_attributes, read_flow
from homeward.core.inputs import Change, Feedback, Health
from homeward.core.settings import Device, Settings
from homeward.core.state import EngineState

START = datetime(2026, 3, 2, tzinfo=UTC)
CLOUD = Flow("cloud.example", 443, "tcp", sent=900, received=4_000, seconds=0.4, state="SF")
TIME = Flow("192.168.1.1", 123, "udp", sent=48, received=48, seconds=0.01, state="SF")
RELAY = Flow("203.0.113.9", 6667, "tcp", sent=0, received=0, seconds=3.1, state="S0")
LOGIN = Flow("198.51.100.7", 23, "tcp", inbound=True, sent=0, received=40, seconds=1.0, state="S0")


class Home:
    """A home with a camera on its network, and a clock of its own."""

    def __init__(self, *devices: Device) -> None:
        self.engine = Engine()
        self.now = START
        self.number = 0
        self.engine.handle(Change(at=START, version="1", settings=Settings(devices=devices)))

    def say(self, device: str, action: str, attributes: dict[str, str], *, source: str = "zeek") -> list[Effect]:
        self.number += 1
        return self.engine.handle(
            Event(
                id=str(self.number), source=source, at=self.now, device=device, action=action, attributes=attributes
            )
        )

    def flow(self, flow: Flow, device: str = "camera") -> list[Effect]:
        return self.say(device, FLOW, flow_attributes(flow))

    def live(self, days: float, device: str = "camera") -> list[Effect]:
        """Days as they always are: a word with the cloud every ten minutes, the time every hour."""
        effects: list[Effect] = []
        for number in range(int(days * 144)):
            self.now += timedelta(minutes=10)
            effects += self.flow(CLOUD._replace(received=4_000 + number % 7 * 50), device)
            if number % 6 == 0:
                effects += self.flow(TIME, device)
        return effects


def alarms(effects: list[Effect]) -> list[Notify]:
    return [effect for effect in effects if isinstance(effect, Notify) and effect.interrupts]


def test_a_device_that_does_as_always_is_never_told() -> None:
    home = Home()
    assert alarms(home.live(30)) == []


def test_a_camera_that_calls_a_stranger_is_told_within_five_flows() -> None:
    home = Home()
    home.live(3)
    told: list[Notify] = []
    for _ in range(5):
        home.now += timedelta(seconds=30)
        told += alarms(home.flow(RELAY))
    assert [one.kind for one in told] == ["network"]
    reason = told[0].reason
    assert "camera talked to 203.0.113.9 on tcp/6667" in reason
    explained = home.engine.incidents[told[0].incident].explained()
    assert explained.because
    assert explained.happened


def test_a_camera_that_is_asked_from_outside_is_told() -> None:
    home = Home()
    home.live(3)
    told = [alarm for _ in range(5) for alarm in alarms(home.flow(LOGIN))]
    assert [one.kind for one in told] == ["network"]
    assert "camera was asked by 198.51.100.7 on tcp/23" in told[0].reason


def test_what_was_told_and_not_answered_is_told_once() -> None:
    home = Home()
    home.live(3)
    told = []
    for _ in range(4):
        for _ in range(6):
            told += alarms(home.flow(RELAY))
        told += alarms(home.live(1))
    assert len(told) == 1


def test_an_attacker_who_goes_on_teaches_nothing() -> None:
    home = Home()
    home.live(3)
    for _ in range(10):
        for _ in range(20):
            home.flow(RELAY)
        home.live(1)
    assert all(peer != RELAY.peer for (peer, *_), _ in home.engine.state.traffic.needs("camera"))


def test_yes_makes_it_usual() -> None:
    home = Home()
    home.live(3)
    told = [alarm for _ in range(5) for alarm in alarms(home.flow(RELAY))]
    home.now += timedelta(minutes=1)
    home.engine.handle(Feedback(at=home.now, incident=told[0].incident, answer="yes"))
    assert RELAY.peer in [peer for (peer, *_), _ in home.engine.state.traffic.needs("camera")]
    home.live(1)
    assert [alarm for _ in range(5) for alarm in alarms(home.flow(RELAY))] == []


def test_what_comes_back_on_three_days_without_an_alarm_is_learned_at_last() -> None:
    home = Home()
    home.live(3)
    other = CLOUD._replace(peer="update.example")  # a usual service with another peer: held, and no alarm
    learned = []
    for _ in range(4):
        assert alarms(home.flow(other)) == []
        learned.append(other.peer in [peer for (peer, *_), _ in home.engine.state.traffic.needs("camera")])
        home.live(1)
    assert learned == [False, False, True, True]


def test_back_fill_teaches_and_tells_nothing() -> None:
    home = Home()
    home.engine.handle(Change(at=home.now, version="1", command="backfill_begin"))
    effects = [*home.live(2), *home.flow(RELAY), *home.flow(LOGIN)]
    home.engine.handle(Change(at=home.now, version="1", command="backfill_end"))
    assert effects == []


def test_a_refused_device_is_told_whatever_it_does_and_an_approved_one_is_not() -> None:
    home = Home()
    home.live(3)
    home.engine.handle(Change(at=home.now, version="1", command="refuse", target="camera"))
    told = alarms(home.flow(CLOUD))
    assert "you refused this device" in told[0].reason
    home.now += timedelta(hours=7)
    home.engine.handle(Change(at=home.now, version="1", command="approve", target="camera"))
    assert alarms(home.live(1)) == []


def test_a_restricted_device_may_do_only_what_it_was_seen_to_need() -> None:
    home = Home()
    home.live(3)
    home.engine.handle(Change(at=home.now, version="1", command="restrict", target="camera"))
    assert alarms(home.live(1)) == []
    assert len(alarms(home.flow(RELAY))) == 1  # at the first flow, not the second


def test_a_newcomer_may_be_restricted_on_its_first_day() -> None:
    home = Home()
    home.live(2)
    for _ in range(3):
        home.flow(CLOUD, "stranger")
    home.engine.handle(Change(at=home.now, version="1", command="restrict", target="stranger"))
    assert alarms(home.flow(CLOUD, "stranger")) == []
    told = alarms(home.flow(RELAY, "stranger"))
    assert "you allowed this device only what it needed before" in told[0].reason
    assert [peer for (peer, *_), _ in home.engine.state.traffic.needs("stranger")] == [CLOUD.peer]


def announce(home: Home, device: str, *, by: str = "mqtt", **about: str) -> list[Effect]:
    return home.say(device, ANNOUNCED, dict(about), source=by)


def test_who_is_there_when_the_guard_comes_is_not_new_and_who_comes_later_is() -> None:
    home = Home()
    assert alarms(announce(home, "lamp", type="light", address="02:00:00:00:00:01")) == []
    home.live(2)
    told = alarms(announce(home, "plug", type="plug", maker="Acme", model="P1", address="02:00:00:00:00:02"))
    assert [one.kind for one in told] == ["new"]
    assert told[0].reason == "plug was never met here before: Acme P1, address 02:00:00:00:00:02"
    assert alarms(announce(home, "plug", type="plug", maker="Acme", model="P1", address="02:00:00:00:00:02")) == []


def test_a_device_that_was_renamed_is_not_new() -> None:
    home = Home()
    announce(home, "lamp", type="light", address="02:00:00:00:00:01")
    home.live(2)
    assert alarms(announce(home, "hall lamp", type="light", address="02:00:00:00:00:01")) == []
    assert "lamp" not in home.engine.state.arrivals.known


def test_no_other_source_and_no_other_type_can_take_a_guarded_device_away_by_its_address() -> None:
    home = Home()
    announce(home, "front lock", type="lock", address="02:00:00:00:00:01")
    announce(home, "esp-3f21", by="zeek", address="02:00:00:00:00:01")
    announce(home, "lamp", type="light", address="02:00:00:00:00:01")
    assert home.engine.state.arrivals.known["front lock"].type == "lock"


def test_a_stranger_on_the_network_is_new_and_says_what_it_wants() -> None:
    home = Home()
    home.live(2)
    told = alarms(home.flow(RELAY, "02:99:00:00:00:09"))
    assert [one.kind for one in told] == ["new"]
    explained = home.engine.incidents[told[0].incident].explained()
    assert explained.evidence == "It talks to 203.0.113.9 (tcp/6667)."


def test_no_to_a_newcomer_refuses_it() -> None:
    home = Home()
    home.live(2)
    told = alarms(home.flow(CLOUD, "stranger"))
    home.engine.handle(Feedback(at=home.now, incident=told[0].incident, answer="no"))
    assert "you refused this device" in alarms(home.flow(CLOUD, "stranger"))[0].reason


def test_whoever_makes_up_names_cannot_ring_all_day() -> None:
    home = Home()
    home.live(2)
    told = []
    for number in range(500):
        home.now += timedelta(minutes=2)
        told += alarms(announce(home, f"made up {number}", type="light"))
    assert 1 <= len(told) <= 2 * TOLD_A_DAY


def test_a_device_cannot_make_itself_less_guarded() -> None:
    home = Home()
    announce(home, "back door", type="lock")
    announce(home, "back door", type="light")
    assert home.engine.state.arrivals.known["back door"].type == "lock"


def test_what_one_source_leaves_out_another_may_have_said() -> None:
    home = Home()
    announce(home, "hall", type="motion", room="hall", address="02:00:00:00:00:01")
    announce(home, "hall", maker="Acme")
    known = home.engine.state.arrivals.known["hall"]
    assert (known.type, known.room, known.maker, known.address) == ("motion", "hall", "Acme", "02:00:00:00:00:01")


def test_what_the_owner_configured_wins_over_what_a_device_says() -> None:
    home = Home(Device(name="front door", type="lock", role="actuator"))
    announce(home, "front door", type="light")
    assert home.engine.state.arrivals.devices({"front door": Device(name="front door", type="lock")})[
        "front door"
    ].type == ("lock")


def test_what_a_device_does_on_the_network_does_not_say_what_it_is() -> None:
    home = Home()
    home.live(2, "hall")
    for number in range(128):
        home.now += timedelta(minutes=30, seconds=number % 2 * 5)
        home.say("hall", ("locked", "unlocked")[number % 2], {}, source="mqtt")
    assert home.engine.state.arrivals.known["hall"].type == "lock"


def test_the_worst_alerts_of_an_intrusion_detection_system_are_told_once_for_each_device() -> None:
    home = Home()
    home.live(2)
    about = {"signature": "ET TROJAN Beacon", "category": "Trojan", "severity": "1", "peer": "203.0.113.9"}
    told = alarms([*home.say("camera", "alert", about), *home.say("camera", "alert", about)])
    assert [one.habit for one in told] == ["intrusion alert"]
    assert alarms(home.say("camera", "alert", {**about, "signature": "ET INFO", "severity": "3"})) == []


def test_a_device_that_cannot_be_reached_is_blind_and_interrupts_only_where_it_guards() -> None:
    home = Home(Device(name="front door", type="lock"), Device(name="lamp", type="light"))
    for device, interrupts in (("lamp", 0), ("front door", 1), ("nobody", 0)):
        effects = home.engine.handle(Health(at=home.now, subject=f"device:{device}", up=False, detail="offline"))
        assert len(alarms(effects)) == interrupts, device
    blind = {one.device for one in home.engine.incidents.values() if one.kind == "blind"}
    assert blind == {"device:lamp", "device:front door"}
    home.engine.handle(Health(at=home.now, subject="device:lamp", up=True))
    assert [one.device for one in home.engine.incidents.values() if one.closed is None] == ["device:front door"]


@pytest.mark.parametrize(
    "broken",
    [{"port": "70000"}, {"sent": "-1"}, {"peer": ""}, {"count": "0"}, {"seconds": "nan"}, {"direction": "x"}],
)
def test_a_flow_that_cannot_be_is_counted_and_teaches_nothing(broken: dict[str, str]) -> None:
    home = Home()
    home.say("camera", FLOW, {**flow_attributes(CLOUD), **broken})
    assert home.engine.counters["flow_malformed"] == 1
    assert not home.engine.state.traffic.lines


def test_a_flow_survives_its_way_through_an_event() -> None:
    for flow in (CLOUD, TIME, RELAY, LOGIN):
        event = Event(id="1", source="zeek", at=START, device="camera", action=FLOW, attributes=flow_attributes(flow))
        assert read_flow(event) == flow


def test_memory_is_bounded_whatever_comes() -> None:
    traffic = Traffic()
    for number in range(3 * PEERS):
        flow = CLOUD._replace(peer=f"peer-{number}.example", port=number % 65_536)
        for device in ("one", f"device-{number}"):
            reading = traffic.assess(device, flow, 1_000 * number)
            traffic.note(device, flow, reading)
            (traffic.hold if reading.held else traffic.learn)(device, flow, reading.seen)
    assert len(traffic.lines) <= LINES
    assert len(traffic.held) <= HELD
    assert sum(len(line.past) for line in traffic.lines.values()) <= PAST_ALL
    assert all(len(line.last) <= PEERS and len(line.needs) <= NEEDS for line in traffic.lines.values())


def test_what_the_network_taught_is_saved_and_read_back_to_the_last_bit() -> None:
    home = Home()
    home.live(3)
    for _ in range(5):
        home.flow(RELAY)
    written = msgspec.msgpack.encode(home.engine.state)
    again = Engine(msgspec.msgpack.decode(written, type=EngineState))
    flow = CLOUD._replace(peer="other.example")
    at = 1_000 * int(home.now.timestamp())
    assert again.state.traffic.assess("camera", flow, at) == home.engine.state.traffic.assess("camera", flow, at)
    assert msgspec.msgpack.encode(again.state) == written


def test_a_fork_leaves_the_original_as_it_was() -> None:
    home = Home()
    home.live(2)
    before = msgspec.msgpack.encode(home.engine.state)
    twin = home.engine.fork()
    for _ in range(5):
        twin.handle(
            Event(id="x", source="zeek", at=home.now, device="camera", action=FLOW, attributes=flow_attributes(RELAY))
        )
    assert msgspec.msgpack.encode(home.engine.state) == before
