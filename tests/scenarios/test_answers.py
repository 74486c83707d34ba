"""Who is told what and when; and what an answer is worth: it is evidence, not truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from tests.scenarios.story import HOME, SIREN, Story, acts, alarms, records, texts, told
from tests.scenarios.test_ladder import ADA, FULL, LOCK_AGAIN, QUARANTINE, night

from homeward.core.decision.off_policy import read, read_cost
from homeward.core.decision.reward import Verdict, cost
from homeward.core.effects import Apply, Effect
from homeward.core.inputs import Answer
from homeward.core.settings import Listener, Settings
from homeward.core.standing import StandingRule

QUIET = (22 * 60, 7 * 60)
BY_NIGHT = replace(FULL, listeners=(Listener(name="household", channel="page", quiet=QUIET),))


def learned(home: Story) -> bytes:
    """Everything that was learned, and every threshold."""
    state = home.engine.state
    return msgspec.msgpack.encode((state.profile, state.traffic, state.silence, state.gathering, state.bandit))


# Who is told


def test_the_person_who_did_it_is_told_and_nobody_else(home: Story) -> None:
    night(home)
    assert told(home.sees("front lock", "unlocked", actor=ADA)) == [(ADA, "ask")]


@pytest.mark.parametrize("actor", [None, "person:guest", "automation:night"])
def test_the_household_is_told_of_what_nobody_did_who_can_be_told(home: Story, actor: str | None) -> None:
    night(home)
    assert told(home.sees("front door", "open", actor=actor)) == [("household", "ask")]


def test_where_there_is_no_household_everybody_is_told_but_the_second(home: Story) -> None:
    home.settles(home=replace(FULL, listeners=FULL.listeners[1:]))
    home.at("03:10")
    assert told(home.sees("front door", "open")) == [(ADA, "ask")]


# When


def test_what_can_wait_is_told_when_quiet_hours_are_over(home: Story) -> None:
    home.settles(home=BY_NIGHT)
    home.at("03:10")
    said = home.sees("cellar motion", "on")
    assert len(alarms(said)) == 1, "the page shows it at once"
    assert told(said) == []
    assert told(home.at("06:59")) == []
    (message,) = [effect for effect in home.at("07:00") if isinstance(effect, Apply)]
    assert (message.action.device, message.at) == ("household", home.local("2026-03-02 07:00"))


def test_what_cannot_wait_is_told_at_once(home: Story) -> None:
    home.settles(home=BY_NIGHT)
    home.at("03:10")
    assert told(home.sees("front door", "open")) == [("household", "ask")]
    assert told(home.floods("kitchen light")) == [("household", "ask")]


@pytest.mark.parametrize(("night_before", "hours"), [("2026-03-29", 3), ("2026-10-25", 5)])
def test_quiet_hours_end_by_the_clock_on_the_wall_when_it_changes(night_before: str, hours: int) -> None:
    """Between half past midnight and half past four the clock goes forward, or back, by an hour."""
    story = Story(home=replace(BY_NIGHT, listeners=(replace(BY_NIGHT.listeners[0], quiet=(0, 270)),)))
    story.give_until(story.local(f"{night_before} 00:30"))
    begun = story.now
    story.fails("source:mqtt")
    said = story.later(hours=6)
    (message,) = [effect for effect in said if isinstance(effect, Apply)]
    assert message.at == story.local(f"{night_before} 04:30") == begun + timedelta(hours=hours)


def test_what_was_answered_before_quiet_hours_end_is_not_told_any_more(home: Story) -> None:
    home.settles(home=BY_NIGHT)
    home.at("03:10")
    home.sees("cellar motion", "on")
    said = home.answers("i1", "yes")
    assert records(said, "lease_ended") == ["i1-1: it was answered"]
    assert told(said + home.at("12:00")) == [], "nor how it went on: nobody was told how it began"


def test_messages_that_wait_for_the_morning_outlive_a_restart(home: Story) -> None:
    home.settles(home=BY_NIGHT)
    home.at("03:10")
    home.sees("cellar motion", "on")
    twin = home.twin()
    assert twin.at("09:00") == home.at("09:00")
    assert told(home.said)[-1] == ("household", "ask")


@pytest.mark.parametrize("restart_after", range(5))
def test_a_restart_in_the_middle_changes_nothing(home: Story, restart_after: int) -> None:
    night(home, SIREN, LOCK_AGAIN)
    steps: list[Callable[[Story], list[Effect]]] = [
        lambda home: home.sees("front lock", "unlocked", actor=ADA),
        lambda home: home.later(minutes=5),
        lambda home: home.sees("front door", "open"),
        lambda home: home.answers("i1", "no", person=ADA),
        lambda home: home.later(hours=26),
    ]
    restarted = home.twin()
    for number, step in enumerate(steps):
        if number == restart_after:
            restarted = restarted.twin()
        assert step(restarted) == step(home)


def test_a_channel_that_fails_is_tried_again_ever_more_seldom_and_given_up_after_a_day(home: Story) -> None:
    night(home)
    home.broken = frozenset({"page"})
    said = home.sees("front door", "open")
    said += home.later(minutes=20)
    tries = [effect.at for effect in said if isinstance(effect, Apply) and effect.action.device == "household"]
    pauses = [(after - before).total_seconds() for before, after in pairwise(tries)]
    assert len(pauses) > 5
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 301
    said = home.later(hours=25)
    assert "i1-1: failed: no route" in records(said, "lease_ended")
    assert told(home.later(days=2)) == []


def test_who_could_not_be_told_is_not_told_how_it_went_on(home: Story) -> None:
    night(home)
    home.broken = frozenset({"page"})
    home.sees("front door", "open")
    home.broken = frozenset()
    assert told(home.answers("i1", "yes")) == []


def test_a_follow_up_says_what_changed_to_those_who_were_told(home: Story) -> None:
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    home.later(minutes=16)
    said = home.answers("i1", "no", person="person:bob")
    assert sorted(told(said)) == [(ADA, "notify"), ("person:bob", "notify")]
    assert texts(said) == ["person:bob said: not me"] * 2


def test_in_maintenance_nobody_is_told_but_of_an_entrance_while_armed(home: Story) -> None:
    home.settles(SIREN, home=FULL)
    home.at("03:00")
    home.commands("arm")
    home.commands("mode", "maintenance", until=home.now + timedelta(hours=4))
    said = home.sees("cellar motion", "on") + home.floods("kitchen light") + home.sees("back door", "closed")
    assert (alarms(said), told(said), acts(said)) == ([], [], [])
    assert len(records(said, "muted")) >= 2
    said = home.sees("front door", "open") + home.later(minutes=1)
    assert [alarm.habit for alarm in alarms(said)] == ["entrance while armed"]
    assert ("household", "ask") in told(said)
    assert ("siren", "on") in acts(said)


def test_what_may_save_a_life_is_told_in_maintenance_too(home: Story) -> None:
    smoke = replace(FULL.devices[0], name="smoke detector", type="smoke", role="other")
    home.settles(home=replace(FULL, devices=(*FULL.devices, smoke)))
    home.at("03:10")
    home.commands("mode", "maintenance", until=home.now + timedelta(hours=4))
    assert told(home.sees("smoke detector", "smoke")) == [("household", "ask")]


# What an answer is worth


def test_more_agreement_than_people_give_teaches_nothing_and_takes_nothing_back(home: Story) -> None:
    home.settles(SIREN, home=FULL)
    home.at("03:10")
    for device in ("cellar motion", "front door", "front lock", "panel", "back door"):
        home.sees(device, "open")
    for device in ("kitchen light", "siren"):
        home.floods(device)
    for number in range(1, 8):
        rule = StandingRule(id=f"s{number}", verdict="never_fine", device=f"lamp {number}")
        home.commands("rule_add", rule=rule)
        home.sees(rule.device, "on")
    asked = [one.id for one in home.engine.incidents.values() if one.kind != "blind"]
    assert len(asked) > 7
    for incident in asked[:6]:
        assert records(home.answers(incident, "yes"), "answered")
    silent = home.twin()
    silent.now += timedelta(seconds=1)
    silent.later(seconds=0)
    assert acts(silent.said)

    said = home.answers(asked[6], "yes")
    assert records(said, "refused") == [
        f"{asked[6]}: that was me, but more than 6 answers within an hour say so: nothing is learned from it"
    ]
    assert (acts(said), told(said)) == ([], [])
    assert learned(home) == learned(silent)
    assert home.engine.state == silent.engine.state, "it is as if nobody had answered"
    assert home.later(minutes=11) == silent.later(minutes=11), "what was done stays until its end"

    home.later(hours=1)
    assert records(home.answers(asked[6], "yes"), "answered"), "an hour later it may be said again"


def test_the_answer_of_somebody_who_must_step_up_teaches_nothing_until_their_code_is_given(home: Story) -> None:
    night(home, SIREN)
    home.sees("front lock", "unlocked", actor=ADA)
    silent = home.twin()
    silent.now += timedelta(seconds=1)
    silent.later(seconds=0)
    said = home.answers("i1", "yes", person=ADA)
    assert records(said, "answered") == []
    assert (acts(said), told(said)) == ([], [])
    assert learned(home) == learned(silent)
    assert home.engine.state == silent.engine.state

    home.commands("verified", person=ADA)
    said = home.answers("i1", "yes", person=ADA)
    assert records(said, "answered") == ["i1: that was me: 1 observations learned"]
    assert acts(said) == [("siren", "off")]


def test_nor_does_it_about_anything_else(home: Story) -> None:
    """Who has got hold of the name answers what the household is asked."""
    night(home)
    home.sees("front lock", "unlocked", actor=ADA)
    home.later(minutes=40)
    home.sees("back door", "open")
    before = learned(home)
    assert records(home.answers(home.incident.id, "yes", person=ADA), "refused")
    assert learned(home) == before


def test_rules_and_modes_of_somebody_who_must_step_up_are_refused(home: Story) -> None:
    night(home)
    home.commands("arm")
    home.sees("front lock", "unlocked", actor=ADA)
    rule = StandingRule(id="s1", verdict="always_fine", device="kitchen light", made_at=1)
    until = home.now + timedelta(hours=2)
    said = home.commands("rule_add", person=ADA, rule=rule)
    said += home.commands("rule_remove", "s1", person=ADA)
    said += home.commands("mode", "maintenance", person=ADA, until=until)
    said += home.commands("disarm", person=ADA)
    said += home.commands("approve", "stranger", person=ADA)
    said += home.commands("confirm_young", person=ADA)
    assert records(said, "refused") == [f"{ADA}: was asked for a code and has not given it"] * 6
    assert home.engine.armed
    assert home.engine.state.standing.rules == {}
    assert home.engine.state.modes.current.name == "away"

    home.commands("verified", person=ADA)
    assert records(home.commands("rule_add", person=ADA, rule=rule), "refused") == []
    home.commands("disarm", person=ADA)
    assert not home.engine.armed


def test_anybody_may_stop_the_siren_and_who_must_step_up_teaches_nothing_by_it(home: Story) -> None:
    night(home, SIREN)
    home.sees("front lock", "unlocked", actor=ADA)
    home.sees("front door", "open")
    assert acts(home.commands("stand_down", person=ADA)) == [("siren", "off")]
    assert not any(one.undone for one in home.engine.state.credit.pending.values())


def test_not_me_is_heard_of_everybody_for_it_may_come_from_whose_name_it_is(home: Story) -> None:
    night(home, replace(QUARANTINE, when=("actuator",)))
    home.sees("front lock", "unlocked", actor=ADA)
    bandit = msgspec.msgpack.encode(home.engine.state.bandit)
    said = home.answers("i1", "no", person=ADA)
    assert records(said, "answered") == ["i1: not me: 1 observations discarded"]
    assert msgspec.msgpack.encode(home.engine.state.bandit) == bandit, "but no policy learns from it"
    assert home.engine.state.profile.held == []


def test_an_incident_is_answered_once(home: Story) -> None:
    night(home)
    home.sees("front door", "open")
    home.answers("i1", "no")
    before = learned(home)
    assert records(home.answers("i1", "yes"), "refused") == ["i1: cannot be answered, or was answered before"]
    assert learned(home) == before


# What the policy hears of it


def rewards(said: list[Effect]) -> list[float]:
    costs = [read_cost(line.partition(": ")[2]) for line in records(said, "reward")]
    return [one for one in costs if one is not None]


@pytest.mark.parametrize(("answer", "too_much"), [("yes", False), ("yes", True), ("no", False)])
def test_an_answer_reaches_the_policy_and_is_written_down_so_that_policies_can_be_compared(
    home: Story, answer: Answer, too_much: bool
) -> None:
    night(home, SIREN)
    said = home.sees("front door", "open")
    (line,) = records(said, "choice")
    decision = read(line.partition(": ")[2])
    assert decision is not None
    assert decision[1].rung == "command"
    assert decision[0].guarded
    assert home.engine.state.bandit.answers == 0
    assert rewards(home.answers("i1", answer, too_much=too_much)) == [
        cost("command", Verdict(answer=answer, too_much=too_much))
    ]
    assert home.engine.state.bandit.answers == 1
    weight, minded = home.engine.state.bandit.minds.get("command", (0.0, 0.0))
    assert (weight, minded) == ((1.0, float(too_much)) if answer == "yes" else (0.0, 0.0))
    assert home.engine.state.credit.pending == {}


def test_an_act_that_was_taken_back_was_too_much_whatever_is_said_later(home: Story) -> None:
    night(home, SIREN)
    home.sees("front door", "open")
    home.commands("undo", "i1-1")
    assert home.engine.state.credit.pending["i1"].undone
    assert rewards(home.answers("i1", "yes")) == [1.0]
    assert home.engine.state.bandit.minds["command"] == (1.0, 1.0)


def test_silence_for_a_day_says_something_too(home: Story) -> None:
    night(home, SIREN)
    home.sees("front door", "open")
    assert rewards(home.later(hours=23)) == []
    assert rewards(home.later(hours=2)) == [cost("command", Verdict())]
    weight, _ = home.engine.state.bandit.minds["command"]
    assert 0 < weight < 1
    assert home.engine.state.bandit.answers == 0
    assert records(home.answers("i1", "yes"), "reward") == [], "too late to count twice"


def test_a_home_without_anybody_to_tell_answers_by_the_page_alone() -> None:
    story = Story(home=Settings(devices=HOME.devices))
    story.floods("kitchen light")
    assert told(story.said) == []
    assert records(story.answers("i1", "yes"), "answered")


def test_waiting_until_nobody_asks_for_the_code_any_more_makes_no_answer_evidence(home: Story) -> None:
    home.settles(home=replace(FULL, verifiers=(ADA, "person:bob")))
    home.at("03:10")
    home.sees("front lock", "unlocked", actor=ADA)
    home.sees("back door", "open", actor="person:bob")
    home.later(minutes=5)
    home.sees("front lock", "unlocked", actor=ADA)
    asked = [one.id for one in home.engine.incidents.values()]
    assert len(asked) == 2
    home.later(hours=12)
    assert not home.engine.state.step_up.must(ADA, home.engine.state.at)
    before = learned(home)
    for incident in asked:
        assert records(home.answers(incident, "yes", person=ADA), "refused")
    assert learned(home) == before
    assert records(home.answers(asked[1], "yes", person="household"), "answered"), "somebody else may say so"
    home.commands("verified", person="person:bob")
    assert records(home.answers(asked[0], "yes", person=ADA), "refused")
    home.commands("verified", person=ADA)
    assert records(home.answers(asked[0], "yes", person=ADA), "answered")


def test_what_goes_on_in_maintenance_leads_to_nothing(home: Story) -> None:
    night(home, SIREN, LOCK_AGAIN)
    home.sees("front door", "open")
    home.commands("stand_down")
    home.commands("mode", "maintenance", until=home.now + timedelta(hours=1))
    assert home.sees("front lock", "unlocked") == []
