"""What the owner decided once and for all: always fine, never fine, and let me be until then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenarios.story import SIREN, Story, acts, alarms, records, told
from tests.scenarios.test_ladder import (
    ADA,
    CLOUD,
    FULL,
    QUARANTINE,
    RELAY,
    RESTRICT,
    network_fixture,  # noqa: F401 - a fixture
    night,
    three_days_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Effect
from homeward.core.local_time import milliseconds
from homeward.core.standing import StandingRule, Verdict


def rules(home: Story, verdict: Verdict, device: str, action: str = "", **said: object) -> list[Effect]:
    """The owner makes a rule."""
    known = home.engine.state.standing
    rule = StandingRule(
        id=str(said.pop("id", known.next_id())), verdict=verdict, device=device, action=action,
        made_at=milliseconds(home.now),
    )  # fmt: skip
    hours = said.pop("hours", None)
    if isinstance(hours, timedelta):
        rule = replace(rule, until=milliseconds(home.now + hours))
    return home.commands("rule_add", rule=replace(rule, **said))  # type: ignore[arg-type]


# Always fine


def test_what_is_always_fine_opens_nothing_and_is_learned(home: Story) -> None:
    night(home)
    assert rules(home, "always_fine", "cellar motion") == []
    assert home.sees("cellar motion", "on") == []
    assert home.engine.incidents == {}
    assert "cellar motion" in home.engine.state.profile.last
    home.commands("rule_remove", "s1")
    home.later(hours=3)
    assert alarms(home.sees("cellar motion", "on")) == [], "it has become usual"


def test_a_guarded_device_is_always_fine_within_four_hours_or_for_one_person_and_not_beyond(home: Story) -> None:
    night(home)
    (refused,) = records(rules(home, "always_fine", "back door", "open"), "refused")
    assert refused == "back door: it is guarded: say for whom, or name at most four hours of the day"
    assert rules(home, "always_fine", "back door", "open", begin=180, end=240) == []
    assert home.sees("back door", "open") == []
    home.at("04:00")
    assert alarms(home.sees("back door", "open"))
    assert rules(home, "always_fine", "front lock", "unlocked", person=ADA) == []
    home.later(hours=7)
    assert alarms(home.sees("front lock", "unlocked", actor="person:bob"))
    home.later(hours=1)
    assert alarms(home.sees("front lock", "unlocked", actor=ADA)) == []


def test_what_is_always_fine_for_somebody_is_not_while_they_must_step_up(home: Story) -> None:
    night(home)
    rules(home, "always_fine", "front door", "open", person=ADA)
    home.sees("front lock", "unlocked", actor=ADA)
    assert [alarm.habit for alarm in alarms(home.sees("front door", "open", actor=ADA))] == ["step up"]


def test_a_second_source_that_names_who_it_was_does_not_make_an_alarm_of_what_is_fine(home: Story) -> None:
    night(home)
    rules(home, "always_fine", "cellar motion")
    said = home.sees("cellar motion", "on")
    said += home.sees("cellar motion", "on", source="home_assistant", actor=ADA, origin="app")
    assert home.engine.counters["told_twice"] == 1
    assert said == []


# Never fine


def test_what_is_never_fine_is_told_as_a_rule_however_usual_it_is(home: Story) -> None:
    night(home, replace(SIREN, when=("rule:never fine",)))
    home.at("07:05")
    assert alarms(home.twin().sees("kitchen motion", "on")) == []
    rules(home, "never_fine", "kitchen motion", "on")
    said = home.sees("kitchen motion", "on")
    assert [alarm.reason for alarm in alarms(said)] == ["kitchen motion on: you said that this is never fine"]
    assert acts(said) == [("siren", "on")], "a response may listen to it"
    assert told(said) == [("household", "ask")]


def test_what_is_never_fine_for_somebody_is_told_when_a_second_source_says_who_it_was(home: Story) -> None:
    night(home)
    home.at("07:05")
    rules(home, "never_fine", "kitchen motion", "on", person="person:guest")
    said = home.sees("kitchen motion", "on")
    assert alarms(said) == []
    said = home.sees("kitchen motion", "on", source="home_assistant", actor="person:guest")
    assert [alarm.habit for alarm in alarms(said)] == ["never fine"]


def test_the_stricter_rule_wins_and_then_the_one_that_says_more(home: Story) -> None:
    night(home)
    rules(home, "always_fine", "cellar motion", "on")
    rules(home, "never_fine", "cellar motion")
    assert [alarm.habit for alarm in alarms(home.sees("cellar motion", "on"))] == ["never fine"]
    home.commands("rule_remove", "s2")
    home.later(hours=1)
    assert alarms(home.sees("cellar motion", "on")) == []
    rules(home, "snooze", "cellar motion", hours=timedelta(hours=5))
    assert home.sees("cellar motion", "on") == []


# Snooze


def test_a_snooze_is_put_on_record_interrupts_nobody_and_ends(home: Story) -> None:
    night(home)
    rules(home, "snooze", "front door", "open", hours=timedelta(hours=1))
    said = home.sees("front door", "open")
    assert (alarms(said), told(said)) == ([], [])
    assert (home.incident.rung, home.incident.device) == ("record", "front door")
    assert len(home.engine.state.profile.held) == 1, "nor is it learned"
    said = home.later(minutes=60)
    assert records(said, "rule_ended") == ["s1: snooze front door"]
    assert alarms(home.sees("front door", "open"))


def test_a_snooze_needs_an_end_and_of_a_guarded_device_one_within_eight_hours(home: Story) -> None:
    night(home)
    said = rules(home, "snooze", "cellar motion")
    said += rules(home, "snooze", "front door", "open", hours=timedelta(hours=9))
    assert records(said, "refused") == [
        "cellar motion: a snooze must have an end, within seven days",
        "front door: it is guarded: a snooze may last eight hours",
    ]


# Read, edited, deleted


def test_a_rule_is_edited_under_its_id_and_deleted_by_it(home: Story) -> None:
    night(home)
    rules(home, "never_fine", "kitchen light", "on")
    rules(home, "never_fine", "kitchen light", "off", id="s1")
    assert [rule.action for rule in home.engine.state.standing.rules.values()] == ["off"]
    assert alarms(home.sees("kitchen light", "off"))
    home.commands("rule_remove", "s1")
    assert home.engine.state.standing.rules == {}
    assert records(home.commands("rule_remove", "s1"), "refused") == ["s1: there is no such rule"]
    assert records(rules(home, "never_fine", "kitchen light", id="s7"), "refused") == [
        "kitchen light: there is no such rule"
    ]


def test_rules_outlive_a_restart(home: Story) -> None:
    night(home)
    rules(home, "always_fine", "cellar motion")
    assert home.twin().sees("cellar motion", "on") == []


# The built-in rules are silenced by none


@pytest.mark.parametrize("verdict", ["always_fine", "snooze"])
def test_no_rule_of_the_owner_silences_a_built_in_one(home: Story, verdict: Verdict) -> None:
    night(home)
    hours = timedelta(hours=5) if verdict == "snooze" else None
    for device in ("kitchen light", "broker"):
        assert rules(home, verdict, device, hours=hours) == []
    rules(home, verdict, "front door", "open", begin=150, end=270, hours=hours)
    home.commands("arm")
    said = home.floods("kitchen light")
    said += home.sees("broker", "client_connected", origin="mallory")
    said += home.sees("front door", "open") + home.later(minutes=1)
    home.commands("refuse", "cellar motion")
    rules(home, verdict, "cellar motion", hours=hours)
    said += home.sees("cellar motion", "on")
    said += home.sees("kitchen light", "alert", severity="1", signature="a worm")
    assert {alarm.habit for alarm in alarms(said)} == {
        "flood", "new client", "entrance while armed", "refused device", "intrusion alert",
    }  # fmt: skip


# On the network


def test_flows_that_are_always_fine_are_learned(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    rules(network, "always_fine", "camera", "flow")
    assert network.flows("camera", RELAY, 10) == []
    assert RELAY.peer in [peer for (peer, *_), _ in network.engine.state.traffic.needs("camera")]


def test_a_snoozed_device_may_speak_with_strangers_for_a_while_and_none_of_it_is_learned(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    rules(network, "snooze", "camera", "flow", hours=timedelta(hours=2))
    said = network.flows("camera", RELAY, 10)
    assert (alarms(said), acts(said), told(said)) == ([], [], [])
    assert records(said, "snoozed")[-1] == f"camera: {RELAY.peer}"
    assert network.engine.state.traffic.held.keys() <= {("camera", (RELAY.peer, 6667, "tcp", False))}
    network.later(hours=2)
    said = network.flows("camera", RELAY, 10)
    assert len(alarms(said)) == 1, "and afterwards it is told"
    assert RELAY.peer not in [peer for (peer, *_), _ in network.engine.state.traffic.needs("camera")]


def test_flows_that_are_never_fine_are_told_as_a_rule_once(network: Story) -> None:
    network.settles(RESTRICT, home=FULL)
    rules(network, "never_fine", "camera", "flow", begin=0, end=1439)
    said = network.flows("camera", CLOUD, 3)
    assert [(alarm.kind, alarm.reason) for alarm in alarms(said)] == [
        ("rule", "camera talked to cloud.example on tcp/443: you said that this is never fine")
    ]
    assert acts(said) == [("camera", "restrict")]


def test_what_is_always_fine_of_a_device_that_was_refused_is_not(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    rules(network, "always_fine", "camera")
    network.commands("refuse", "camera")
    assert acts(network.flows("camera", CLOUD)) == [("camera", "quarantine")]


def test_what_a_device_does_after_an_answer_needs_an_answer_of_its_own(network: Story) -> None:
    """That was me, said of one stranger, is not said of the next."""
    network.settles(home=FULL)
    assert len(alarms(network.flows("camera", RELAY, 6))) == 1
    network.answers(network.incident.id, "yes")
    said = network.flows("camera", RELAY._replace(peer="198.51.100.7", port=23), 10)
    assert len(alarms(said)) == 1
    assert network.incident.answer is None
