"""Each rung of an answer, from the event that calls for it to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenarios.story import HOME, LOCK, SIREN, Story, acts, alarms, records, told

from homeward.core.effects import Apply, Effect
from homeward.core.flow import Flow
from homeward.core.settings import Device, Listener, Response

ADA = "person:ada"
HEATER = Device(name="heater plug", type="plug", role="actuator", room="bedroom")
CAMERA = Device(name="camera", type="camera", role="presence", room="hall")
PEOPLE = (
    Listener(name="household", channel="page"),
    Listener(name=ADA, channel="her phone"),
    Listener(name="person:bob", channel="his phone", second=True),
)
FULL = replace(HOME, devices=(*HOME.devices, HEATER, CAMERA), listeners=PEOPLE, verifiers=(ADA,))
LOCK_AGAIN = replace(LOCK, name="lock again", when=("front lock",))
SWITCH_OFF = Response(
    name="off again", device="heater plug", command="off", when=("heater plug",), minutes=None, responder="mqtt"
)
RESTRICT = Response(
    name="narrow it", device="*", command="restrict", when=("camera",), minutes=60, restore="release",
    responder="firewall",
)  # fmt: skip
QUARANTINE = replace(RESTRICT, name="cut it off", command="quarantine", when=("camera", "rule:refused device"))
NO_STRANGERS = replace(QUARANTINE, name="throw it out", when=("rule:new client",), responder="broker")

CLOUD = Flow("cloud.example", 443, "tcp", sent=900, received=4_000, seconds=0.4, state="SF")
TIME = Flow("192.168.1.1", 123, "udp", sent=48, received=48, seconds=0.01, state="SF")
ONCE = Flow("update.example", 443, "tcp", sent=900, received=4_000, seconds=0.4, state="SF")
RELAY = Flow("203.0.113.9", 6667, "tcp", sent=0, received=0, seconds=3.1, state="S0")


def night(home: Story, *responses: Response) -> Story:
    """Ten past three, in a home with people to tell."""
    home.settles(*responses, home=FULL)
    home.at("03:10")
    return home


@pytest.fixture(name="three_days_of_a_camera", scope="module")
def three_days_fixture(four_weeks: Story) -> Story:
    """A camera that speaks with its cloud and asks for the time, on two days, and once with another server."""
    story = four_weeks.twin()
    story.settles(home=FULL)
    for number in range(3 * 144):
        story.flows("camera", CLOUD._replace(received=4_000 + number % 7 * 50), every=timedelta(minutes=10))
        if number % 6 == 0:
            story.flows("camera", TIME)
        if number == 20:
            story.flows("camera", ONCE)
    return story


@pytest.fixture(name="network")
def network_fixture(three_days_of_a_camera: Story) -> Story:
    return three_days_of_a_camera.twin()


def applied(said: list[Effect], command: str) -> list[Apply]:
    return [effect for effect in said if isinstance(effect, Apply) and effect.action.command == command]


# Record


def test_what_is_remarkable_but_below_the_threshold_is_put_on_record_and_closes_by_itself(home: Story) -> None:
    night(home, SIREN)
    home.at("21:50")
    said = home.sees("bedroom motion", "on")
    assert (home.incident.rung, home.incident.events, home.incident.alarms) == ("record", 1, 0)
    said += home.later(minutes=31)
    assert home.incident.closed is not None
    assert said == []


# Notify and ask


def test_what_is_odd_in_the_cellar_is_asked_of_the_household_and_an_answer_ends_it(home: Story) -> None:
    night(home, SIREN, LOCK)
    said = home.sees("cellar motion", "on")
    assert told(said) == [("household", "ask")]
    assert home.incident.rung == "ask"
    assert acts(said) == []
    said = home.answers("i1", "yes")
    assert told(said) == [("household", "notify")]
    assert acts(home.later(days=1)) == []


def test_a_failure_is_told_and_nobody_is_asked_whether_it_was_them(home: Story) -> None:
    night(home)
    said = home.fails("source:mqtt", "connection refused")
    assert told(said) == [("household", "notify")]
    assert home.incident.rung == "notify"
    home.works_again("source:mqtt")
    assert home.incident.closed is not None


# Step up


def test_who_unlocked_the_door_at_an_odd_hour_counts_as_nobody_until_their_code_is_given(home: Story) -> None:
    night(home)
    home.at("10:00")
    home.sees("front lock", "unlocked", actor=ADA)
    assert "step_up" in str(records(home.said, "choice")[-1])
    assert home.engine.state.step_up.must(ADA, home.engine.state.at)

    said = home.sees("front lock", "unlocked", actor=ADA)
    assert [alarm.reason for alarm in alarms(said)] == [
        "front lock unlocked in the name of person:ada, who was asked for a code and has not given it"
    ]
    assert told(said) == [("household", "ask")], "not the telephone of somebody who may have lost it"

    home.commands("verified", person=ADA)
    home.answers("i1", "yes", person=ADA)
    home.later(hours=2)
    said = home.sees("front lock", "unlocked", actor=ADA)
    assert records(said, "choice") == [], "she is known, and so is what she does"


def test_a_demand_for_a_code_ends_after_an_hour_and_then_acts_count_as_before(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    said = home.later(minutes=59)
    assert records(said, "not_verified") == []
    said = home.later(minutes=2)
    assert records(said, "not_verified") == ["person:ada: no code was given in time"]
    said = home.sees("front lock", "unlocked", actor=ADA)
    assert [alarm for alarm in alarms(said) if alarm.kind == "rule"] == []


def test_only_guarded_devices_ask_who_somebody_is(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    said = home.sees("kitchen light", "on", actor=ADA)
    assert [alarm for alarm in alarms(said) if alarm.kind == "rule"] == []


def test_nobody_is_asked_for_a_code_who_has_none(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor="person:bob")
    assert home.engine.state.step_up.until == {}


def test_a_second_source_that_names_the_suspect_does_not_make_it_their_act(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    home.later(minutes=3)
    home.sees("front door", "open")
    said = home.sees("front door", "open", source="home_assistant", actor=ADA)
    assert home.engine.counters["told_twice"] == 1
    assert [alarm.reason for alarm in alarms(said) if alarm.kind == "rule"] == [
        "front door open in the name of person:ada, who was asked for a code and has not given it"
    ]


def test_not_me_about_an_act_in_somebodys_name_asks_for_their_code(home: Story) -> None:
    """Somebody else uses the name."""
    night(home)
    home.sees("kitchen light", "on", actor=ADA)
    home.engine.state.step_up.until.clear()
    home.answers("i1", "no", person=ADA)
    assert home.engine.state.step_up.must(ADA, home.engine.state.at)


# Undo


def test_a_lock_that_was_unlocked_at_an_odd_hour_is_locked_again_and_stays_so(home: Story) -> None:
    night(home, LOCK_AGAIN)
    said = home.sees("front lock", "unlocked")
    assert acts(said) == [("front lock", "lock")]
    assert home.incident.rung == "undo"
    said = home.answers("i1", "yes") + home.later(days=1)
    assert acts(said) == []


def test_a_heater_that_was_switched_on_at_an_odd_hour_is_switched_off(home: Story) -> None:
    night(home, SWITCH_OFF)
    said = home.sees("heater plug", "on")
    assert acts(said) == [("heater plug", "off")]
    assert acts(home.later(days=1)) == [], "nothing to take back: it was off before"


def test_an_odd_reading_of_the_heater_switches_nothing_off(home: Story) -> None:
    night(home, SWITCH_OFF)
    said = home.sees("heater plug", "reading", value=2_000.0)
    assert alarms(said)
    assert acts(said) == []


def test_who_unlocks_behind_a_decoy_is_asked_for_a_code_and_the_lock_is_locked_all_the_same(home: Story) -> None:
    """A stranger event came first: the incident is about that one, and the answer is to this one."""
    night(home, LOCK_AGAIN)
    for device in ("cellar motion", "bedroom motion", "cellar motion", "kitchen light"):
        home.sees(device, "on")
    assert home.incident.device != "front lock"
    home.engine.incidents["i1"].score = 1 << 20
    said = home.sees("front lock", "unlocked", actor=ADA)
    assert home.incident.device != "front lock"
    assert acts(said) == [("front lock", "lock")]
    assert told(said) == [(ADA, "ask")]
    assert home.engine.state.step_up.must(ADA, home.engine.state.at)


# Command


def test_a_siren_howls_and_is_silent_again_at_the_end(home: Story) -> None:
    night(home, SIREN)
    said = home.sees("front door", "open")
    assert acts(said) == [("siren", "on")]
    assert home.incident.rung == "command"
    assert home.lease.action.ends is None, "the newest is the message"
    assert acts(home.later(minutes=9)) == []
    assert acts(home.later(minutes=2)) == [("siren", "off")]


def test_a_siren_that_somebody_silenced_is_left_as_it_is(home: Story) -> None:
    night(home, SIREN)
    home.sees("front door", "open")
    home.sees("siren", "off")
    said = home.later(minutes=11)
    assert acts(said) == [("siren", None)]
    assert "; left as it is, because somebody changed it since" in records(said, "lease_ended")[0]


# Restrict


def restricted(network: Story, *responses: Response) -> list[Effect]:
    network.settles(*(responses or (RESTRICT,)), home=FULL)
    said: list[Effect] = []
    while not alarms(said):
        said += network.flows("camera", RELAY)
    assert network.incident.kind == "network"
    return said


def test_a_camera_that_calls_a_stranger_may_only_do_what_it_needed_on_two_days(network: Story) -> None:
    said = restricted(network)
    (apply,) = applied(said, "restrict")
    action = apply.action
    assert (action.device, action.responder, action.restore) == ("camera", "firewall", "release")
    assert action.ends == apply.at + timedelta(hours=1)
    assert action.allow == ("tcp 443 cloud.example", "udp 123 192.168.1.1"), "the most frequent first, no accident"
    assert network.incident.rung == "restrict"

    until = apply.at + timedelta(hours=1)
    said = network.give_until(until - timedelta(seconds=1))
    assert {command for _, command in acts(said)} <= {"restrict"}, "it is made again, not more"
    assert acts(network.give_until(until)) == [("camera", "release")]
    assert [lease for lease in network.engine.leases.values() if lease.status != "ended"] == []


@pytest.mark.parametrize("way", ["undo", "stand_down", "yes"])
def test_a_restriction_is_lifted_when_somebody_says_so(network: Story, way: str) -> None:
    (apply,) = applied(restricted(network), "restrict")
    if way == "yes":
        said = network.answers(apply.action.incident, "yes")
    else:
        said = network.commands("undo" if way == "undo" else "stand_down", apply.action.id)
    assert acts(said) == [("camera", "release")]
    assert acts(network.later(days=1)) == []


def test_a_claim_is_made_again_while_it_holds_and_no_longer(network: Story) -> None:
    (apply,) = applied(restricted(network), "restrict")
    said = network.later(minutes=21)
    assert acts(said) == [("camera", "restrict")] * 4
    network.commands("undo", apply.action.id)
    assert acts(network.later(hours=3)) == []


# Quarantine


def test_a_device_that_was_refused_is_cut_off_when_it_speaks_and_let_in_again(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    network.commands("refuse", "camera")
    said = network.flows("camera", CLOUD)
    assert acts(said) == [("camera", "quarantine")]
    assert network.incident.rung == "quarantine"
    said = network.later(minutes=61)
    assert acts(said)[-1] == ("camera", "release")


def test_not_me_while_it_goes_on_earns_a_quarantine_and_it_takes_the_place_of_a_restriction(network: Story) -> None:
    said = restricted(network, replace(QUARANTINE, when=("camera",)), RESTRICT)
    assert acts(said) == [("camera", "restrict")], "the evidence is enough for that"
    said = network.answers(network.incident.id, "no")
    assert acts(said) == [("camera", "quarantine")]
    assert [line.split(" ")[1] for line in records(said, "earned")] == ["rung=quarantine"]
    said = network.later(minutes=70)
    assert acts(said).count(("camera", "release")) == 2, "each ends alone"


def test_not_me_when_it_is_over_acts_no_more(network: Story) -> None:
    restricted(network, replace(QUARANTINE, when=("camera",)))
    network.later(minutes=40)
    assert network.incident.closed is not None
    assert acts(network.answers(network.incident.id, "no")) == []


def client(home: Story, user: str, name: str = "mallory's laptop") -> list[Effect]:
    return home.sees("broker", "client_connected", origin=name, username=user, address="192.168.1.66")


def test_a_new_client_of_the_broker_is_thrown_out_by_its_user_name_never_by_the_name_it_chose(home: Story) -> None:
    night(home, NO_STRANGERS)
    said = client(home, "mallory", name="front lock")
    assert acts(said) == [("mallory", "quarantine")]
    assert acts(home.later(minutes=61))[-1] == ("mallory", "release")


def test_a_new_client_without_a_user_name_is_told_and_nobody_is_thrown_out(home: Story) -> None:
    """There is nobody to throw out but the broker itself."""
    night(home, NO_STRANGERS)
    said = client(home, "")
    assert len(alarms(said)) == 1
    assert acts(said) == []
    assert records(said, "refused")[0].startswith("i1: quarantine broker: a door or lock may only be locked")


# Escalate


def test_when_nobody_answers_for_a_quarter_of_an_hour_somebody_else_is_told(home: Story) -> None:
    night(home)
    assert told(home.sees("front door", "open")) == [("household", "ask")]
    assert told(home.later(minutes=14)) == []
    said = home.later(minutes=2)
    assert told(said) == [("person:bob", "escalate")]
    assert home.incident.rung == "escalate"
    assert told(home.later(days=1)) == []
    said = home.answers("i1", "yes")
    assert sorted(told(said)) == [("household", "notify"), ("person:bob", "notify")], "all are told how it ended"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_answer_in_time_keeps_the_second_out_of_it(home: Story, answer: str) -> None:
    night(home)
    home.sees("front door", "open")
    home.answers("i1", "yes" if answer == "yes" else "no")
    assert told(home.later(hours=1)) == []


def test_the_answer_of_somebody_who_may_be_somebody_else_does_not_keep_the_second_out_of_it(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    home.answers("i1", "yes", person=ADA)
    assert told(home.later(minutes=16)) == [("person:bob", "escalate")]


def test_what_can_wait_is_not_escalated(home: Story) -> None:
    night(home)
    home.sees("cellar motion", "on")
    assert told(home.later(hours=3)) == []


# What goes on


def test_a_lock_that_is_unlocked_after_the_door_was_told_is_locked_again_without_a_second_alarm(home: Story) -> None:
    night(home, SIREN, LOCK_AGAIN)
    assert acts(home.sees("front door", "open")) == [("siren", "on")]
    said = home.sees("front lock", "unlocked")
    assert alarms(said) == []
    assert acts(said) == [("front lock", "lock")]
    assert told(said) == [("household", "notify")], "they are told what changed"
    assert acts(home.sees("front lock", "unlocked")) == [], "each act once"


def test_who_is_named_only_later_is_asked_for_a_code_then(home: Story) -> None:
    night(home)
    home.sees("front door", "open")
    assert alarms(home.sees("front lock", "unlocked", actor=ADA)) == []
    assert home.engine.state.step_up.must(ADA, home.engine.state.at)


def test_a_siren_that_the_owner_took_back_does_not_howl_again_because_it_goes_on(home: Story) -> None:
    night(home, SIREN)
    home.sees("front door", "open")
    home.commands("stand_down")
    said = home.sees("front lock", "unlocked") + home.sees("back door", "open") + home.sees("front door", "open")
    assert acts(said) == []


def test_a_camera_whose_calls_become_stranger_climbs_from_a_restriction_to_a_quarantine(network: Story) -> None:
    network.settles(RESTRICT, replace(QUARANTINE, when=("camera",)), home=FULL)
    said = network.flows("camera", RELAY, 20)
    assert len(alarms(said)) == 1
    assert list(dict.fromkeys(acts(said))) == [("camera", "restrict"), ("camera", "quarantine")]
    assert told(said) == [("household", "ask"), ("household", "notify")]
    assert [choice.split(" ")[1] for choice in records(said, "choice")] == ["rung=restrict", "rung=quarantine"]


def test_who_waits_until_no_code_is_asked_for_has_proven_nothing(home: Story) -> None:
    night(home, LOCK_AGAIN)
    home.sees("front lock", "unlocked", actor=ADA)
    asked = home.incident
    assert asked.unproven == [ADA]
    home.later(hours=2)
    said = home.answers(asked.id, "yes", person=ADA)
    assert asked.answer is None
    assert "has not given it" in records(said, "refused")[0]
    home.commands("verified", person=ADA)
    home.answers(asked.id, "yes", person=ADA)
    assert asked.answer == "yes"
