"""What it does and takes back: stories of sirens, locks and leases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from tests.scenarios.story import HOME, SIREN, Story, acts, alarms, records

from homeward.core.engine import Engine, EngineState
from homeward.core.inputs import Health
from homeward.core.settings import Response

MINUTES = timedelta(minutes=1)


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


def test_standing_down_takes_everything_back_at_once(home: Story) -> None:
    home.intruder()
    said = home.commands("stand_down")
    assert acts(said) == [("siren", "off")]
    assert records(said, "lease_ended") == ["i1-1: ada took it back"]


def test_an_undo_takes_one_lease_back_and_an_unknown_one_is_refused_in_words(home: Story) -> None:
    home.intruder()
    assert acts(home.commands("undo", "i1-1")) == [("siren", "off")]
    assert records(home.commands("undo", "i1-1"), "refused") == ["i1-1: no such open lease"]


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
        said = story.floods("siren")
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
        (
            "lock front lock: a door or lock may only be locked, an alarm panel only armed, and stays so; "
            "phones and hubs are let be"
        ),
    ]
