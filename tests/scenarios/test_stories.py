"""Stories in, effects out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from tests.scenarios.story import HOME, LOCK, SIREN, Story, acts, alarms, records

from homeward.core.behaviour.calibration import MIN_DAYS
from homeward.core.effects import Effect
from homeward.core.engine import Engine, EngineState
from homeward.core.inputs import Answer, Health
from homeward.core.rules import ENTRY_DELAY_MS
from homeward.core.settings import Response

MINUTES = timedelta(minutes=1)


@pytest.fixture(scope="module")
def four_weeks() -> Story:
    story = Story(SIREN, LOCK)
    story.history(weeks=4)
    return story


@pytest.fixture
def home(four_weeks: Story) -> Story:
    """A home that the guard has known for four weeks, with a siren and a lock it may use. It is midnight."""
    return four_weeks.twin()


def test_a_newcomer_learns_for_some_days_says_so_and_then_watches() -> None:
    story = Story(SIREN)
    assert story.engine.readiness().note == "learning, nothing seen yet"
    to_go = []
    for _ in range(14):
        assert alarms(story.ordinary_days(1)) == [], "nobody is disturbed while the guard is learning"
        to_go.append(story.engine.readiness().days_to_go)
        if story.engine.readiness().ready:
            break
    assert to_go[0] == MIN_DAYS - 1
    assert to_go == sorted(to_go, key=lambda days: -(days or 0))
    ready = story.engine.readiness()
    assert (ready.ready, ready.note) == (True, "watching, at most 1 alarm a week")
    assert "front door open" in story.engine.young, "what was learned young is listed, to be confirmed"
    story.commands("confirm_young")
    assert story.engine.young == {}


def test_an_intruder_at_night_starts_the_siren_and_that_was_me_stops_it(home: Story) -> None:
    said = home.intruder()
    (alarm,) = alarms(said)
    assert alarm.device == "front door"
    assert alarm.habit == "when"
    assert alarm.reason.startswith("front door open at 03:10: never between ")
    assert acts(said) == [("siren", "on"), ("front lock", "lock")]
    assert home.lease.action.incident == home.incident.id

    said = home.answers(home.incident.id, "yes")
    assert acts(said) == [("siren", "off")], "the lock is never unlocked"
    assert records(said, "lease_ended") == ["i1-1: the owner said: that was me"]
    assert acts(home.later(hours=24)) == []


def test_not_me_lets_the_siren_howl_to_the_end_of_its_lease(home: Story) -> None:
    home.intruder()
    begun = home.engine.leases["i1-1"].opened
    assert acts(home.answers("i1", "no")) == []
    assert acts(home.give_until(begun + 9 * MINUTES)) == []
    said = home.give_until(begun + 10 * MINUTES)
    assert acts(said) == [("siren", "off")]
    assert records(said, "lease_ended") == ["i1-1: its time was over"]
    assert home.engine.state.profile.held == [], "what an intruder did is not learned, now or later"


def test_after_not_me_the_same_walk_alarms_every_night_again(home: Story) -> None:
    for _ in range(5):
        assert "front door" in {alarm.device for alarm in alarms(home.intruder())}
        home.answers(home.incident.id, "no")
        home.ordinary_days(1)


def test_after_that_was_me_the_same_walk_on_the_next_night_is_less_than_half_as_strange(home: Story) -> None:
    home.intruder()
    home.answers("i1", "yes")
    home.ordinary_days(1)
    home.intruder()
    assert home.incident.id != "i1"
    assert home.incident.score < home.engine.incidents["i1"].score / 2


def test_standing_down_takes_everything_back_at_once(home: Story) -> None:
    home.intruder()
    said = home.commands("stand_down")
    assert acts(said) == [("siren", "off")]
    assert records(said, "lease_ended") == ["i1-1: ada took it back"]


def test_an_undo_takes_one_lease_back_and_an_unknown_one_is_refused_in_words(home: Story) -> None:
    home.intruder()
    assert acts(home.commands("undo", "i1-1")) == [("siren", "off")]
    assert records(home.commands("undo", "i1-1"), "refused") == ["i1-1: no such open lease"]


def test_a_decoy_buys_no_silence_for_the_front_door(home: Story) -> None:
    home.at("03:00")
    decoy = home.sees("cellar motion", "on")
    assert [alarm.device for alarm in alarms(decoy)] == ["cellar motion"]
    assert alarms(home.sees("cellar motion", "on")) == [], "more of the same is bundled"
    entry = home.sees("front door", "open")
    assert [alarm.device for alarm in alarms(entry)] == ["front door"]
    assert ("siren", "on") in acts(entry)
    assert alarms(home.sees("back door", "open")) == [], "an entry is told once"
    assert len(home.engine.incidents) == 1
    assert (home.incident.alarms, home.incident.guarded) == (2, ["front door", "back door"])


def flood(story: Story, device: str) -> list[Effect]:
    """A device changes forty times in forty seconds."""
    said = []
    for number in range(40):
        said += story.sees(device, "off" if number % 2 else "on")
        story.now -= timedelta(seconds=1)
    return said


def test_a_device_that_changes_more_than_thirty_times_a_minute_breaks_a_rule_from_the_first_minute() -> None:
    story = Story(Response(name="dark", device="siren", command="on", when=("rule:flood",), restore="off"))
    said = flood(story, "kitchen light")
    (alarm,) = alarms(said)
    assert (alarm.kind, alarm.habit, alarm.bits, alarm.p_value) == ("rule", "flood", None, None)
    assert alarm.reason == "kitchen light changed more than 30 times within a minute"
    assert acts(said) == [("siren", "on")]
    assert story.incident.events > 1, "what follows is counted, and seen, but does not interrupt again"


ENTRY_TIME = timedelta(milliseconds=ENTRY_DELAY_MS)


def test_an_entrance_that_opens_while_the_panel_is_armed_breaks_a_rule_from_the_first_minute() -> None:
    story = Story(SIREN)
    assert alarms(story.sees("front door", "open")) == []
    story.sees("panel", "armed_away")
    assert alarms(story.sees("front door", "open")) == []
    opened = story.now
    assert story.give_until(opened + ENTRY_TIME - timedelta(seconds=1)) == []
    said = story.later(minutes=1)
    (alarm,) = alarms(said)
    assert (alarm.habit, alarm.device, alarm.at) == ("entrance while armed", "front door", opened + ENTRY_TIME)
    assert acts(said) == [("siren", "on")]


@pytest.mark.parametrize("by", ["panel", "page"])
def test_whoever_comes_home_and_disarms_in_time_is_welcome(by: str) -> None:
    story = Story(SIREN)
    story.commands("arm")
    story.sees("front door", "open")
    story.later(seconds=20)
    said = story.commands("disarm") if by == "page" else story.sees("panel", "disarmed")
    assert said + story.later(hours=2) == []
    assert alarms(story.sees("front door", "open") + story.later(hours=2)) == []


def test_an_entrance_that_opened_while_armed_in_history_causes_no_effect() -> None:
    story = Story(SIREN)
    story.commands("backfill_begin")
    story.sees("panel", "armed_away")
    story.sees("front door", "open")
    assert story.later(hours=2) == []


def test_a_new_client_on_the_broker_interrupts_once_and_is_known_from_then_on() -> None:
    story = Story()
    (alarm,) = alarms(story.sees("broker", "client_connected", origin="laptop"))
    assert alarm.habit == "new client"
    assert alarm.reason.endswith("connected to the broker: laptop")
    story.later(hours=1)
    assert alarms(story.sees("broker", "client_connected", origin="laptop")) == []
    assert [alarm.device for alarm in alarms(story.sees("broker", "client_connected", origin="toaster"))] == [
        "broker"
    ]


def test_a_client_that_history_knows_is_not_new() -> None:
    story = Story()
    story.commands("backfill_begin")
    assert story.sees("broker", "client_connected", origin="laptop") == []
    story.commands("backfill_end")
    story.later(hours=1)
    assert alarms(story.sees("broker", "client_connected", origin="laptop")) == []


def test_history_teaches_and_causes_no_effect() -> None:
    story = Story(SIREN)
    assert story.history(weeks=4) == []
    assert story.engine.readiness().ready
    assert not story.engine.incidents
    assert [alarm.device for alarm in alarms(story.intruder())] == ["front door"]


def test_blindness_interrupts_once_and_says_when_it_sees_again(home: Story) -> None:
    home.at("10:00")
    (alarm,) = alarms(home.fails("source:mqtt", "connection refused"))
    assert (alarm.kind, alarm.device) == ("blind", "source:mqtt")
    assert alarm.reason == "blind: nothing is heard from mqtt: connection refused"
    assert home.incident.closed is None
    home.later(minutes=20)
    assert alarms(home.fails("source:mqtt")) == []
    home.later(hours=9)
    assert home.incident.closed is None, "blindness does not close by itself"
    (line,) = records(home.works_again("source:mqtt"), "sees_again")
    assert line.endswith("it came back")
    assert home.incident.closed == home.now


def test_a_source_that_flaps_within_the_hour_does_not_interrupt_again(home: Story) -> None:
    assert len(alarms(home.fails("source:mqtt"))) == 1
    for _ in range(5):
        home.works_again("source:mqtt")
        home.later(minutes=50)
        assert alarms(home.fails("source:mqtt")) == []
    assert len(home.engine.incidents) == 1
    home.works_again("source:mqtt")
    home.later(minutes=70)
    assert len(alarms(home.fails("source:mqtt"))) == 1


def test_a_restart_of_the_guard_is_put_on_record_without_an_interruption(home: Story) -> None:
    said = home.fails("guard", "it was not running from 03:00 to 03:05")
    assert alarms(said) == []
    assert records(said, "blind") == ["guard: blind: guard: it was not running from 03:00 to 03:05"]
    home.works_again("guard")
    assert home.incident.closed is not None


def test_the_echo_of_our_own_act_is_not_learned_and_opens_nothing(home: Story) -> None:
    home.intruder()
    profile = msgspec.msgpack.encode(home.engine.state.profile.table)
    assert home.engine.counters["echo"] == 2, "siren on, and front lock lock"
    home.give_until(home.now + 11 * MINUTES)
    assert home.engine.counters["echo"] == 3, "siren off"
    assert "siren" not in home.engine.state.profile.last
    assert msgspec.msgpack.encode(home.engine.state.profile.table) == profile
    assert len(home.engine.incidents) == 1


def test_a_device_that_somebody_changed_since_is_left_as_it_is_and_that_is_said(home: Story) -> None:
    home.intruder()
    home.later(minutes=3)
    home.sees("siren", "off")
    said = home.give_until(home.now + 10 * MINUTES)
    assert acts(said) == [("siren", None)]
    assert records(said, "lease_ended") == [
        "i1-1: its time was over; left as it is, because somebody changed it since"
    ]


def test_a_device_that_somebody_changes_while_the_revert_fails_is_left_as_it_is_too(home: Story) -> None:
    home.intruder()
    home.responder = "fails"
    said = home.give_until(home.now + 11 * MINUTES)
    assert set(acts(said)) == {("siren", "off")}
    home.sees("siren", "quiet")
    home.responder = "works"
    said = home.later(minutes=10)
    assert acts(said) == [("siren", None)]
    assert records(said, "lease_ended")[0].endswith("because somebody changed it since")


def test_another_property_of_the_device_does_not_keep_it_from_being_restored(home: Story) -> None:
    home.at("03:10")
    home.responder, home.echoes = "works", False
    home.sees("front door", "open")
    home.sees("siren", "on", property="state")
    home.sees("siren", "tampered", property="tamper")
    assert acts(home.give_until(home.now + 11 * MINUTES)) == [("siren", "off")]


def test_a_device_that_tells_nothing_is_restored_every_time() -> None:
    """The event that called for the act, or a lost echo, must not pass for somebody's change."""
    story = Story(Response(name="quiet", device="siren", command="off", when=("rule:flood",), restore="on"))
    story.echoes = False
    for _ in range(2):
        said = flood(story, "siren")
        assert acts(said + story.later(minutes=11)) == [("siren", "off"), ("siren", "on")]
        story.later(hours=8)


def test_a_lost_echo_of_a_revert_does_not_leave_the_siren_howling_the_next_time(home: Story) -> None:
    for _ in range(2):
        home.at("03:10")
        home.echoes = True
        assert ("siren", "on") in acts(home.sees("front door", "open"))
        home.echoes = False
        assert acts(home.later(minutes=11)) == [("siren", "off")]
        home.answers(home.incident.id, "no")
        home.later(hours=8)


def test_what_was_already_so_needs_no_way_back(home: Story) -> None:
    home.sees("siren", "on")
    assert ("siren", "on") in acts(home.intruder())
    assert acts(home.give_until(home.now + 11 * MINUTES)) == [("siren", None)]


@pytest.mark.parametrize("way", ["time", "yes", "stand_down"])
def test_a_lock_that_the_guard_locked_is_never_unlocked(home: Story, way: str) -> None:
    home.responder = "mute"
    said = home.intruder()
    if way == "yes":
        said += home.answers("i1", "yes")
    if way == "stand_down":
        said += home.commands("stand_down")
    said += home.later(minutes=1)
    home.responder = "works"
    said += home.later(hours=12)
    assert {command for device, command in acts(said) if device == "front lock"} <= {"lock", None}
    assert all(lease.status == "ended" for lease in home.engine.leases.values())


def test_a_one_shot_act_that_nobody_answers_is_given_up_after_some_attempts(home: Story) -> None:
    home.responder = "mute"
    said = home.intruder() + home.later(hours=2)
    assert acts(said).count(("front lock", "lock")) == 8
    assert records(said, "lease_ended") == ["i1-2: failed: no answer from the responder"]


def test_a_siren_that_cannot_be_silenced_is_tried_again_and_shown_until_it_can(home: Story) -> None:
    home.intruder()
    home.responder = "fails"
    home.later(hours=3)
    lease = home.engine.leases["i1-1"]
    assert (lease.status, lease.error) == ("reverting", "no route")
    assert lease.attempts > 30, "at least every five minutes"
    home.responder = "works"
    said = home.works_again("responder:mqtt")
    assert acts(said) == [("siren", "off")], "at once, when the way to it is back"
    assert (lease.status, lease.error) == ("ended", "")


def test_a_lease_that_was_open_at_a_restart_ends_on_time_after_it(home: Story) -> None:
    home.intruder()
    ends = home.engine.leases["i1-1"].action.ends
    home.engine = Engine(msgspec.msgpack.decode(msgspec.msgpack.encode(home.engine.state), type=EngineState))
    assert home.engine.next_deadline() == ends
    assert acts(home.later(minutes=11)) == [("siren", "off")]


def test_what_runs_dry_says_so_in_its_action_and_is_otherwise_the_same_story(home: Story) -> None:
    home.settles(replace(SIREN, responder="dry_run"))
    home.echoes = False
    assert acts(home.intruder()) == [("siren", "on")]
    assert home.lease.action.responder == "dry_run"
    assert acts(home.later(minutes=11)) == [("siren", "off")]
    assert home.lease.status == "ended"


@pytest.mark.parametrize("days", [365, -365])
def test_a_wall_clock_that_jumps_a_year_moves_no_lease(home: Story, days: int) -> None:
    home.intruder()
    opened = home.engine.leases["i1-1"].opened
    home.give(Health(at=home.now, subject="clock", up=False, offset_ms=days * 86_400_000))
    home.sees("hall motion", "on")
    said = home.later(minutes=11)
    reverts = [effect for effect in said if acts([effect]) == [("siren", "off")]]
    assert [effect.at for effect in reverts] == [opened + 10 * MINUTES]
    assert home.engine.readiness().ready


@pytest.mark.parametrize(("hours", "usual"), [(5, True), (0, False)])
def test_habits_follow_the_wall_clock_when_the_guards_own_is_wrong(home: Story, hours: int, usual: bool) -> None:
    """A hub without a clock of its own believes in its journal until the network tells it the time."""
    home.give(Health(at=home.now, subject="clock", up=True, offset_ms=hours * 3_600_000))
    home.at("02:00")
    said = []
    for device, action in (("bedroom motion", "on"), ("kitchen motion", "on"), ("kitchen light", "on")):
        said += home.sees(device, action)
        home.later(seconds=30)
    assert ("when" not in {alarm.habit for alarm in alarms(said)}) is usual


@pytest.mark.parametrize(("begin", "change"), [("2026-03-01", "2026-03-29"), ("2026-09-27", "2026-10-25")])
def test_when_is_the_homes_own_time_also_after_the_clocks_have_changed(begin: str, change: str) -> None:
    story = Story(begin=begin)
    story.history(weeks=4)
    assert story.now == story.local(f"{change} 00:00")
    said = story.ordinary_days(7)
    assert not [alarm for alarm in alarms(said) if alarm.habit == "when"]
    (alarm, *_) = alarms(story.intruder())
    assert alarm.reason.startswith("front door open at 03:10: never between ")


def test_new_settings_at_run_time_count_from_the_next_event_and_open_leases_go_on(home: Story) -> None:
    home.intruder()
    home.settles()  # no responses any more
    home.later(minutes=3)
    home.sees("siren", "off")  # somebody silences it
    assert acts(home.later(minutes=10)) == [("siren", None)], "the open lease still watches its device"
    home.later(hours=20)
    assert acts(home.intruder()) == []
    home.settles(SIREN, home=replace(HOME, budget=7.0))
    assert home.engine.readiness().note == "watching, at most 7 alarms a week"


def test_a_settings_change_that_removes_a_device_leaves_its_lease_to_end_on_time(home: Story) -> None:
    home.intruder()
    home.settles(home=replace(HOME, devices=()))
    assert acts(home.later(minutes=11)) == [("siren", "off")]


def test_what_is_refused_is_said_with_the_reason(home: Story) -> None:
    home.settles(
        Response(name="let in", device="front lock", command="UNLOCK", when=("entrance",), minutes=1, restore="lock"),
        Response(name="flip", device="siren", command=" toggle", when=("entrance",), minutes=1, restore="toggle"),
        Response(name="stay", device="siren", command="on", when=("entrance",), minutes=1, restore=None),
        Response(name="ever", device="siren", command="on", when=("entrance",), minutes=1441, restore="off"),
        Response(name="free", device="front lock", command="lock", when=("entrance",), minutes=5, restore="off"),
    )
    said = home.intruder()
    assert acts(said) == []
    assert [line.partition(": ")[2] for line in records(said, "refused")] == [
        "UNLOCK front lock: the guard never unlocks, opens or disarms, and never toggles",
        " toggle siren: the guard never unlocks, opens or disarms, and never toggles",
        "on siren: an act needs an end and a way back, or must be one that ends by itself",
        "on siren: a lease lasts more than nothing and at most a day",
        "lock front lock: a door or lock may only be locked, an alarm panel only armed, and stays so",
    ]


def test_what_nobody_confirms_within_thirty_days_is_dropped_and_that_is_said(home: Story) -> None:
    home.intruder()
    held = len(home.engine.state.profile.held)
    assert held > 0
    assert records(home.later(days=29), "held_dropped") == []
    assert len(home.engine.state.profile.held) == held
    assert len(records(home.later(days=2), "held_dropped")) == held
    assert home.engine.state.profile.held == []
    assert home.engine.counters["held_dropped"] == held


def test_an_answer_is_taken_once_and_never_about_blindness(home: Story) -> None:
    home.intruder()
    home.answers("i1", "no")
    assert records(home.answers("i1", "yes"), "refused") == ["i1: cannot be answered, or was answered before"]
    home.fails("disk")
    assert records(home.answers(home.incident.id, "yes"), "refused")
    assert records(home.answers("i999", "yes"), "refused") == ["i999: no such incident"]


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_what_interrupts_after_an_answer_can_be_answered_too(home: Story, answer: Answer) -> None:
    home.intruder()
    home.answers("i1", answer)
    home.later(minutes=5)
    (alarm,) = alarms(home.sees("back door", "open"))
    assert alarm.incident != "i1"
    assert home.engine.incidents["i1"].closed is not None
    said = home.answers(alarm.incident, "yes")
    assert records(said, "answered") == [f"{alarm.incident}: that was me: 1 observations learned"]
