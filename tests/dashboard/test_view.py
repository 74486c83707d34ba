"""What the page says, before any markup."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.dashboard.twin import SETTINGS, TwinReadiness, TwinService, a_newcomer, an_evening

from homeward.core.behaviour.traffic import Need
from homeward.core.explanation import Explanation
from homeward.core.settings import Response, Settings
from homeward.dashboard import words
from homeward.dashboard.view import (
    COUNTERS_SHOWN,
    EVENTS_SHOWN,
    INCIDENTS_SHOWN,
    LEASES_SHOWN,
    NOTED_SHOWN,
    UNFOLDED,
    WANTS_SHOWN,
    YOUNG_SHOWN,
    Watched,
    look,
    safe,
)
from homeward.service import Service


def fits(service: Service | TwinService) -> Watched:
    """Checked by mypy: the running service, and the twin, are what the page needs."""
    return service


def test_the_state_is_said_in_words() -> None:
    service = TwinService()
    assert (look(service).state, look(service).words) == ("watching", "watching, at most 1 alarm a week")
    service.guard.engine.state_of_learning = TwinReadiness(
        ready=False, since=None, note="learning, about 9 days to go"
    )
    assert (look(service).state, look(service).words) == ("learning", "learning, about 9 days to go")


def test_blindness_comes_before_everything_else_until_it_ends() -> None:
    service = TwinService()
    blind = service.incident("i1", "blind: the broker does not answer", kind="blind", device="source:mqtt")
    service.incident("i2", "blind: the disk is full", kind="blind", device="disk")
    assert look(service).state == "blind"
    assert look(service).words == "blind: the disk is full (and 1 more)"
    blind.closed = service.clock.now()
    assert look(service).words == "blind: the disk is full"


def test_times_are_the_homes_own() -> None:
    service = TwinService(dataclasses.replace(SETTINGS, timezone="Asia/Kolkata"))
    service.event("door", "open")
    view = look(service)
    assert words.clock_seconds(view.events[0].at) == "06:47:09"
    assert view.events[0].at == service.clock.now()


def test_an_unknown_time_zone_is_survived() -> None:
    for name in ("Mars/Olympus", "../../etc/passwd", "", "\0"):
        assert look(TwinService(Settings(timezone=name))).now.utcoffset() == timedelta(0)


def test_time_left_runs_on_the_guards_clock_and_never_below_zero() -> None:
    service = TwinService()
    service.lease("l1", "hall light", "on", left=90)
    service.clock.at += timedelta(seconds=60)
    assert look(service).leases[0].left == 30
    service.clock.at += timedelta(seconds=60)
    assert look(service).leases[0].left == 0


def test_a_one_shot_act_has_no_time_left() -> None:
    service = TwinService()
    service.lease("l1", "front door lock", "lock", left=None)
    assert look(service).leases[0].one_shot
    assert look(service).leases[0].left is None


def test_dry_run_is_said_until_one_response_is_real() -> None:
    dry = Response(name="a", device="siren", command="on", when=("entrance",))
    real = dataclasses.replace(dry, name="b", responder="mqtt")
    assert look(TwinService(Settings(responses=(dry,)))).dry_run
    assert look(TwinService(Settings())).dry_run
    assert not look(TwinService(Settings(responses=(dry, real)))).dry_run


def test_what_is_shown_is_bounded_and_newest_first() -> None:
    service = TwinService()
    for number in range(500):
        service.incident(f"i{number}", f"reason {number}", ago=1000 - number)
        service.lease(f"l{number}", "light", "on")
        service.event(f"device {number}", "on")
        service.counters[f"counter {number}"] = 1
    view = look(service)
    assert len(view.incidents) == INCIDENTS_SHOWN
    assert view.incidents_left_out == 500 - INCIDENTS_SHOWN
    assert view.incidents[0].id == "i499"
    assert len(view.leases) == LEASES_SHOWN
    assert view.leases_left_out == 500 - LEASES_SHOWN
    assert len(view.events) == EVENTS_SHOWN
    assert view.events[0].device == "device 499"
    assert len(view.counters) == COUNTERS_SHOWN


def test_only_alarms_without_an_answer_wait() -> None:
    service = TwinService()
    an_evening(service)
    view = look(service)
    assert view.waiting == 1
    assert {one.id for one in view.incidents if one.waits} == {"i-4"}


def test_what_was_only_noted_asks_nothing_and_moves_up_when_it_becomes_an_alarm() -> None:
    service = TwinService()
    noted = service.incident("i1", "desk on: seldom at this hour", rung="record")
    assert [one.id for one in look(service).noted()] == ["i1"]
    assert (look(service).recent(), look(service).waiting) == ([], 0)
    noted.rung = "notify"
    assert look(service).noted() == []
    assert ([one.id for one in look(service).recent()], look(service).waiting) == (["i1"], 1)


def test_a_restart_is_noted_and_blindness_that_lasts_is_told() -> None:
    service = TwinService()
    blind = service.incident("i1", "blind: the clock jumped", kind="blind", rung="record", device="clock")
    assert [one.id for one in look(service).recent()] == ["i1"]
    blind.closed = service.clock.now()
    assert [one.id for one in look(service).noted()] == ["i1"]
    assert look(service).waiting == 0


def test_many_notes_are_bounded_and_push_no_alarm_away() -> None:
    service = TwinService()
    service.incident("alarm", "front door open", ago=2000)
    for number in range(200):
        service.incident(f"i{number}", f"reason {number}", rung="record", ago=1000 - number)
    view = look(service)
    assert [one.id for one in view.noted()] == [f"i{number}" for number in range(199, 199 - NOTED_SHOWN, -1)]
    assert [one.id for one in view.recent()] == ["alarm"]
    assert view.incidents_left_out == 0


def test_old_alarms_fold_unless_they_still_go_on() -> None:
    service = TwinService()
    service.incident("going", "blind: nothing is heard from mqtt", kind="blind", ago=3000)
    for number in range(15):
        service.incident(f"i{number}", f"reason {number}", ago=1000 - number, closed=True)
    view = look(service)
    assert [one.id for one in view.recent()] == [*(f"i{number}" for number in range(14, 14 - UNFOLDED, -1)), "going"]
    assert [one.id for one in view.older()] == ["i4", "i3", "i2", "i1", "i0"]


def test_what_was_learned_while_young_is_shown_once_the_guard_is_ready() -> None:
    service = TwinService()
    service.guard.engine.young = {f"device {number} on": number // 2 for number in range(1, 131)}
    service.guard.engine.state_of_learning = TwinReadiness(ready=False, since=None, note="learning")
    assert look(service).young == {}
    service.guard.engine.state_of_learning = TwinReadiness()
    view = look(service)
    assert len(view.young) == YOUNG_SHOWN
    assert list(view.young.items())[:2] == [("device 130 on", 65), ("device 128 on", 64)]
    assert view.young_left_out == 30


def test_a_home_without_an_entrance_has_nothing_to_arm() -> None:
    assert look(TwinService()).armed is False
    service = TwinService(Settings())
    assert look(service).armed is None
    service.guard.engine.state.rules.armed = True
    assert look(service).armed is True


def test_a_newcomer_is_told_with_what_it_needs_until_it_is_answered() -> None:
    service = TwinService()
    a_newcomer(service)
    (seen,) = look(service).incidents
    assert (seen.kind, seen.waits, seen.standing) == ("new", True, "")
    assert seen.wants == ("to cloud.example (tcp/443)", "asked by 192.168.1.5 (tcp/554)")
    service.guard.engine.incidents["i-9"].answer = "no"
    service.guard.engine.state.arrivals.admit(seen.device, "refuse", 1)
    (seen,) = look(service).incidents
    assert (seen.wants, seen.standing) == ((), "refused")


def test_what_a_newcomer_wants_is_bounded_and_without_needs_what_it_did_first() -> None:
    service = TwinService()
    a_newcomer(service)
    line = service.guard.engine.state.traffic.lines["02:00:5e:00:00:07"]
    line.needs |= {("\u202e" * 128, port, "tcp", False): Need(99, 1, 0, 1) for port in range(200)}
    (seen,) = look(service).incidents
    assert len(seen.wants) == WANTS_SHOWN
    assert not any("\u202e" in want for want in seen.wants)
    line.needs.clear()
    explained = Explanation(evidence="It talks to cloud.example (tcp/443).")
    service.guard.engine.incidents["i-9"].explanation = explained
    (seen,) = look(service).incidents
    assert seen.wants == ("It talks to cloud.example (tcp/443).",)


def test_what_became_of_a_newcomer_reads_well_also_when_it_was_changed_later() -> None:
    told = [(given, standing) for given in ("yes", "no") for standing in ("", "restricted", "refused")]
    assert [words.admitted(*one) for one in told] == [
        "Approved", "Restricted to what it was seen to need", "Approved, and refused since",
        "Refused, and approved since", "Refused, and restricted since", "Refused",
    ]  # fmt: skip


def test_counters_read_well() -> None:
    told = {
        "events: zeek": "events from zeek",
        "alarm: network": "alarms: network",
        "refused: zeek: too long": "refused from zeek: too long",
        "refused: malformed": "refused: malformed",
        "late: beacon": "too late: beacon",
        "dropped: flows": "dropped: flows",
        "told_twice": "told by two sources, counted once",
        "nobody_thought_of_it": "nobody thought of it",
    }
    assert {name: words.counter(name) for name in told} == told


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("front\u202egpj.door", "front\ufffdgpj.door"),
        ("a\u2066b\u2069", "a\ufffdb\ufffd"),
        ("line\nbreak\x00\x1b[31m", "line\ufffdbreak\ufffd\ufffd[31m"),
        ("half \ud800 of a letter", "half \ufffd of a letter"),
        ("zero\u200bwidth\ufeff", "zero\ufffdwidth\ufffd"),
    ],
)
def test_what_could_hide_or_turn_round_a_name_is_made_visible(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


@pytest.mark.parametrize("name", ["Küche", "居間の灯", "דלת כניסה", "क्\u200dष", "👩\u200d🔬 lab", "<b>bold</b>"])
def test_honest_names_in_any_script_stay_as_they_are(name: str) -> None:
    assert safe(name) == name


def test_the_view_is_plain_json_whatever_the_names() -> None:
    service = TwinService()
    an_evening(service)
    service.event("\ud800" * 128, "\u202e", actor="person:\x00", value=float("1e300"))
    state = msgspec.json.decode(msgspec.json.encode(look(service)))
    assert state["words"] == "watching, at most 1 alarm a week"
    assert state["incidents"][0]["reason"].startswith("front door open at 01:05")


def test_spans_days_and_odds_read_well() -> None:
    assert [words.span(s) for s in (-3, 0, 59.9, 60, 545, 3600, 7625)] == [
        "0 s", "0 s", "59 s", "1 min 00 s", "9 min 05 s", "1 h 00 min", "2 h 07 min",
    ]  # fmt: skip
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert [words.day(now - timedelta(days=d), now) for d in (0, 1, 2, 100)] == [
        "today", "yesterday", "Mon 2 Mar", "Mon 24 Nov 2025",
    ]  # fmt: skip
    assert words.odds(0.00048) == "about 1 in 2,100"
    assert words.odds(0) == "none so far"
    assert [words.many(n, "time") for n in (0, 1, 2, 1204)] == ["0 times", "1 time", "2 times", "1,204 times"]
    assert words.many(1, "waits", "wait") == "1 waits"
    assert [words.who(by) for by in ("household by page", "ada by cli")] == ["household", "ada by cli"]
    assert words.act("on") == "switched on"
    assert words.act("play “x”") == "told “play “x””"
