"""What it hears and what it tells: stories in, alarms out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenarios.story import HOME, SIREN, Story, acts, alarms, records

from homeward.core.behaviour.calibration import MIN_DAYS
from homeward.core.inputs import Answer, Health
from homeward.core.rules import ENTRY_DELAY_MS
from homeward.core.settings import Device, Response


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


def test_a_device_that_changes_more_than_thirty_times_a_minute_breaks_a_rule_from_the_first_minute() -> None:
    story = Story(Response(name="dark", device="siren", command="on", when=("rule:flood",), restore="off"))
    said = story.floods("kitchen light")
    (alarm,) = alarms(said)
    assert (alarm.kind, alarm.habit, alarm.bits, alarm.p_value) == ("rule", "flood", None, None)
    assert alarm.reason == "kitchen light changed more than 30 times within a minute"
    assert acts(said) == [("siren", "on")]
    assert story.incident.events > 1, "what follows is counted, and seen, but does not interrupt again"


ENTRY_TIME = timedelta(milliseconds=ENTRY_DELAY_MS)
WITH_WINDOW = replace(HOME, devices=(*HOME.devices, Device(name="window", type="contact.window", role="entrance")))


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


def test_a_window_that_opens_while_armed_breaks_the_rule_at_once_for_nobody_comes_home_that_way() -> None:
    story = Story(SIREN, home=WITH_WINDOW)
    story.commands("arm")
    said = story.sees("window", "open")
    (alarm,) = alarms(said)
    assert (alarm.kind, alarm.habit, alarm.device) == ("rule", "entrance while armed", "window")
    assert acts(said) == [("siren", "on")]
    assert alarms(story.later(hours=2)) == [], "and is told once"


@pytest.mark.parametrize("by", ["panel", "page"])
def test_whoever_comes_home_and_disarms_in_time_is_welcome(by: str) -> None:
    story = Story(SIREN)
    story.commands("arm")
    story.sees("front door", "open")
    story.later(seconds=20)
    said = story.commands("disarm") if by == "page" else story.sees("panel", "disarmed")
    assert said + story.later(hours=2) == []
    assert alarms(story.sees("front door", "open") + story.later(hours=2)) == []


def comes_in(story: Story, *, arm: str) -> str:
    """The alarm is armed, somebody comes in, and nobody disarms it. Returns the incident."""
    story.sees("panel", "armed_away") if arm == "panel" else story.commands("arm")
    said = story.sees("front door", "open") + story.later(minutes=1)
    (alarm,) = alarms(said)
    assert alarm.habit == "entrance while armed"
    return alarm.incident


@pytest.mark.parametrize("arm", ["panel", "page"])
def test_whoever_says_that_it_was_them_has_disarmed_the_alarm(arm: str) -> None:
    """The panel's word was lost: or the same family would be told of each time that it opens its door."""
    story = Story(SIREN)
    incident = comes_in(story, arm=arm)
    story.answers(incident, "yes")
    assert not story.engine.armed
    story.later(hours=3)
    assert alarms(story.sees("front door", "open") + story.later(hours=1)) == []
    comes_in(story, arm=arm)


@pytest.mark.parametrize("arm", ["panel", "page"])
def test_not_me_leaves_the_alarm_armed(arm: str) -> None:
    story = Story(SIREN)
    story.answers(comes_in(story, arm=arm), "no")
    assert story.engine.armed
    story.later(hours=3)
    assert len(alarms(story.sees("front door", "open") + story.later(minutes=1))) == 1


@pytest.mark.parametrize("disarmed", [True, False])
@pytest.mark.parametrize("arm", ["panel", "page"])
def test_a_late_yes_does_not_disarm_what_was_armed_anew(arm: str, disarmed: bool) -> None:
    story = Story(SIREN)
    incident = comes_in(story, arm=arm)
    story.later(hours=9)
    if disarmed:
        story.sees("panel", "disarmed") if arm == "panel" else story.commands("disarm")
    story.sees("panel", "armed_away") if arm == "panel" else story.commands("arm")
    story.answers(incident, "yes")
    assert story.engine.armed
    assert len(alarms(story.sees("front door", "open") + story.later(minutes=1))) == 1


def test_a_yes_to_something_else_leaves_the_alarm_armed(home: Story) -> None:
    home.commands("arm")
    home.at("03:00")
    (alarm,) = alarms(home.sees("cellar motion", "on"))
    home.answers(alarm.incident, "yes")
    assert home.engine.armed


@pytest.mark.parametrize("entrance", ["front door", "window"])
def test_an_entrance_that_opened_while_armed_in_history_causes_no_effect(entrance: str) -> None:
    story = Story(SIREN, home=WITH_WINDOW)
    story.commands("backfill_begin")
    story.sees("panel", "armed_away")
    assert story.sees(entrance, "open") == []
    assert story.later(hours=2) == []
    assert story.commands("backfill_end") + story.later(hours=2) == []
    assert not story.engine.incidents


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


# New devices

ATTIC = Device(name="attic motion", type="motion", role="motion", room="attic")
GATE = Device(name="gate", type="contact.door", role="entrance", room="garden")
MORE = replace(HOME, devices=(*HOME.devices, ATTIC, GATE))


def by_night(story: Story, device: Device, days: int = 1) -> list[int]:
    """How often a device is told that speaks three times each night between three and half past four."""
    told = []
    for _ in range(days):
        said = story.at("03:00")
        for _ in range(3):
            said += story.sees(device.name, "open" if device is GATE else "on") + story.later(minutes=40)
        told.append(len([alarm for alarm in alarms(said) if alarm.device == device.name]))
        story.ordinary_days(1)
    return told


def test_a_new_device_is_told_once_and_has_a_week_to_become_known(home: Story) -> None:
    home.settles(home=MORE)
    assert by_night(home, ATTIC, 7) == [1, 0, 0, 0, 0, 0, 0]
    assert by_night(home, ATTIC, 3) == [0, 0, 0], "by then it is usual"
    assert home.engine.state.profile.newcomers == {}


def test_after_its_week_a_new_device_is_judged_like_any_other(home: Story) -> None:
    home.settles(home=MORE)
    for _ in range(9):
        home.at("12:30")
        home.sees("attic motion", "on")
        home.ordinary_days(1)
    home.at("03:00")
    said = alarms(home.sees("attic motion", "on"))
    assert [(alarm.device, alarm.incident != "i1") for alarm in said] == [("attic motion", True)]


def test_not_me_ends_the_week_of_a_new_device(home: Story) -> None:
    home.settles(home=MORE)
    home.at("03:00")
    (alarm,) = alarms(home.sees("attic motion", "on"))
    home.answers(alarm.incident, "no")
    home.later(minutes=31)
    assert [alarm.device for alarm in alarms(home.sees("attic motion", "on"))] == ["attic motion"]


def test_a_new_guarded_device_has_no_such_week(home: Story) -> None:
    home.settles(home=MORE)
    assert min(by_night(home, GATE, 7)) >= 1


def test_the_rules_watch_a_new_device_from_its_first_minute(home: Story) -> None:
    home.sees("attic light", "on")
    home.settles(
        home=replace(HOME, devices=(*HOME.devices, Device(name="attic light", type="light", role="actuator")))
    )
    assert [alarm.habit for alarm in alarms(home.floods("attic light"))] == ["flood"]


def test_the_house_is_watched_as_ever_while_a_new_device_becomes_known(home: Story) -> None:
    home.settles(home=MORE)
    home.at("02:00")
    home.sees("attic motion", "on")
    home.later(minutes=45)
    assert "front door" in {alarm.device for alarm in alarms(home.intruder())}
