"""Leases: an action with an end, as a state machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from tests.strategies import START

from homeward.core.effects import Apply, Record, Revert
from homeward.core.event import Event
from homeward.core.inputs import Outcome
from homeward.core.lease import (
    LEASE_LIMIT,
    ONE_SHOT_ATTEMPTS,
    PATIENCE,
    SLOWEST_RETRY,
    Lease,
    LeaseBook,
    LeaseState,
)
from homeward.core.settings import Response

HOWL = Response(name="howl", device="siren", command="on", when=(), restore="off")
LOCK_UP = Response(name="lock up", device="lock", command="lock", when=(), minutes=None)
SECOND = timedelta(seconds=1)


def book(*responses: Response) -> LeaseBook:
    leases = LeaseBook(LeaseState())
    leases.adopt(responses or (HOWL, LOCK_UP))
    return leases


def tells(leases: LeaseBook, action: str, at: datetime, device: str = "siren", **about: str) -> bool:
    event = Event(id="", source="mqtt", at=at, device=device, action=action, attributes=about)
    return leases.note(event, at)


def outcome(lease: Lease, step: Literal["apply", "revert"], ok: bool, detail: str = "") -> Outcome:
    return Outcome(at=START, action=lease.action.id, step=step, ok=ok, detail=detail)


def howling(leases: LeaseBook) -> Lease:
    lease, _ = leases.take(HOWL, "i1", 1, START)
    leases.outcome(outcome(lease, "apply", True), START)
    return lease


def test_a_lease_goes_from_applying_to_active_to_reverting_to_ended() -> None:
    leases = book()
    lease, effect = leases.take(HOWL, "i1", 1, START)
    assert effect == Apply(at=START, action=lease.action)
    assert (lease.status, lease.action.id, lease.action.ends) == ("applying", "i1-1", START + timedelta(minutes=10))
    assert leases.outcome(outcome(lease, "apply", True), START) == []
    assert leases.next_deadline() == lease.action.ends
    ends = START + timedelta(minutes=10)
    assert leases.run_due(ends) == [Revert(at=ends, action=lease.action, attempt=1)]
    (ended,) = leases.outcome(outcome(lease, "revert", True), ends)
    assert isinstance(ended, Record)
    assert (lease.status, lease.outcome, leases.next_deadline()) == ("ended", "its time was over", None)


@pytest.mark.parametrize("minutes", [1 / 3, 0.7, 3.3, 1e-9])
def test_a_lease_ends_on_a_millisecond_of_the_guards_clock(minutes: float) -> None:
    lease, _ = book().take(replace(HOWL, minutes=minutes), "i1", 1, START)
    assert lease.action.ends is not None
    assert lease.action.ends.microsecond % 1000 == 0
    assert abs(lease.action.ends - START - timedelta(minutes=minutes)) <= timedelta(milliseconds=0.5)


def test_a_one_shot_act_ends_by_its_own_success() -> None:
    leases = book()
    lease, _ = leases.take(LOCK_UP, "i1", 1, START)
    leases.outcome(outcome(lease, "apply", True), START)
    assert (lease.status, lease.outcome) == ("ended", "done; ends by itself")


def test_a_one_shot_act_ends_by_failing_often_enough() -> None:
    leases, now = book(), START
    lease, _ = leases.take(LOCK_UP, "i1", 1, now)
    for attempt in range(1, ONE_SHOT_ATTEMPTS + 1):
        assert (lease.status, lease.attempts) == ("applying", attempt)
        leases.outcome(outcome(lease, "apply", False, "jammed"), now)
        now = leases.next_deadline() or now
        leases.run_due(now)
    assert (lease.status, lease.outcome, lease.error) == ("ended", "failed: jammed", "jammed")


def test_no_outcome_means_asking_again_and_a_failure_means_asking_sooner_then_more_slowly() -> None:
    leases = book()
    lease = howling(leases)
    now = START + timedelta(minutes=10)
    leases.run_due(now)
    assert lease.next_attempt == now + PATIENCE
    waits = []
    for _ in range(14):
        leases.outcome(outcome(lease, "revert", False), now)
        due = leases.next_deadline()
        assert due is not None
        waits.append(due - now)
        now = due
        assert [type(effect) for effect in leases.run_due(now)] == [Revert]
    assert waits[0] == 2 * SECOND
    assert waits == sorted(waits)
    assert waits[-1] == SLOWEST_RETRY


def test_what_never_could_be_applied_is_reverted_on_time_all_the_same() -> None:
    leases, now = book(), START
    lease, _ = leases.take(HOWL, "i1", 1, START)
    ends = START + timedelta(minutes=10)
    while lease.status == "applying":
        leases.outcome(outcome(lease, "apply", False, "no route"), now)
        due = leases.next_deadline()
        assert due is not None
        assert due <= ends
        now = due
        effects = leases.run_due(now)
    assert now == ends
    assert [type(effect) for effect in effects] == [Revert]


def test_an_outcome_of_a_step_that_nobody_waits_for_changes_nothing() -> None:
    leases = book()
    lease = howling(leases)
    for step, ok in (("revert", True), ("revert", False), ("apply", False), ("apply", True)):
        assert leases.outcome(outcome(lease, step, ok), START) == []  # type: ignore[arg-type]
        assert (lease.status, lease.error) == ("active", "")
    leases.run_due(START + timedelta(minutes=10))
    assert leases.outcome(outcome(lease, "apply", True), START) == []
    assert lease.status == "reverting"
    unknown = Outcome(at=START, action="i9-9", step="apply", ok=True)
    assert leases.outcome(unknown, START) == []


def test_taking_back_twice_asks_once() -> None:
    leases = book()
    lease = howling(leases)
    assert len(leases.take_back(lease, START, "undo")) == 1
    assert leases.take_back(lease, START, "undo") == []
    leases.outcome(outcome(lease, "revert", True), START)
    assert leases.take_back(lease, START, "undo") == []


def test_the_echo_of_our_own_act_is_told_from_what_somebody_does() -> None:
    leases = book()
    lease = howling(leases)
    assert tells(leases, "on", START + SECOND)
    assert not tells(leases, "on", START + SECOND), "an echo comes once"
    changed = [lease.changed]
    for action in ("off", "on"):
        assert not tells(leases, action, START + SECOND)
        changed.append(lease.changed)
    assert changed == [False, True, False], "in the end it is as we set it again"


def test_an_echo_that_comes_after_a_minute_is_somebody() -> None:
    leases = book()
    howling(leases)
    assert not tells(leases, "on", START + 61 * SECOND)


def test_an_echo_in_somebody_elses_name_is_theirs() -> None:
    leases = book()
    howling(leases)
    event = Event(id="", source="mqtt", at=START, device="siren", action="on", actor="person:ada")
    assert not leases.note(event, START)


def test_what_somebody_changed_is_left_as_it_is() -> None:
    leases = book()
    lease = howling(leases)
    tells(leases, "on", START + SECOND)
    tells(leases, "off", START + 2 * SECOND)
    (revert,) = leases.run_due(START + timedelta(minutes=10))
    assert isinstance(revert, Revert)
    assert revert.action.restore is None
    assert lease.outcome == "its time was over; left as it is, because somebody changed it since"


def test_the_state_before_the_lease_is_nobodys_change_even_if_told_in_the_same_moment() -> None:
    leases = book()
    tells(leases, "off", START)
    lease = howling(leases)
    (revert,) = leases.run_due(START + timedelta(minutes=10))
    assert isinstance(revert, Revert)
    assert (revert.action.restore, lease.changed) == ("off", False)


def test_readings_and_other_properties_are_no_change_of_the_state() -> None:
    leases = book()
    tells(leases, "off", START, property="state")
    lease = howling(leases)
    tells(leases, "on", START + SECOND, property="state")
    tells(leases, "reading", START + SECOND, property="power")
    tells(leases, "tampered", START + SECOND, property="tamper")
    changed = [lease.changed]
    tells(leases, "quiet", START + SECOND, property="state")
    assert [*changed, lease.changed] == [False, True]


def test_what_was_so_before_is_not_restored() -> None:
    leases = book()
    tells(leases, "on", START)
    assert howling(leases).action.restore is None


def test_a_lost_echo_does_not_make_our_own_act_the_earlier_state() -> None:
    leases = book()
    lease = howling(leases)
    tells(leases, "on", START + SECOND)
    leases.run_due(START + timedelta(minutes=10))
    leases.outcome(outcome(lease, "revert", True), START)
    again, _ = leases.take(HOWL, "i2", 1, START + timedelta(hours=1))
    assert again.action.restore == "off"


def test_new_responses_forget_devices_but_not_those_of_open_leases() -> None:
    leases = book()
    tells(leases, "locked", START, device="lock")
    lease = howling(leases)
    tells(leases, "on", START)
    leases.adopt(())
    assert set(leases.state.words) == set(leases.state.targets) == {"siren"}
    tells(leases, "off", START)
    assert lease.changed
    leases.run_due(START + timedelta(minutes=10))
    leases.outcome(outcome(lease, "revert", True), START)
    leases.adopt(())
    assert not leases.state.words
    assert not leases.state.targets


def test_when_something_comes_back_only_what_failed_is_asked_for_again() -> None:
    leases = book()
    lease = howling(leases)
    assert leases.retry(START) == []
    leases.take_back(lease, START, "undo")
    assert leases.retry(START) == []
    leases.outcome(outcome(lease, "revert", False, "no route"), START)
    assert [type(effect) for effect in leases.retry(START + SECOND)] == [Revert]


def test_ended_leases_are_dropped_above_the_limit_and_open_ones_never() -> None:
    leases = book()
    first = howling(leases)
    for number in range(LEASE_LIMIT + 20):
        lease, _ = leases.take(LOCK_UP, f"i{number + 2}", 1, START)
        leases.outcome(outcome(lease, "apply", True), START)
    assert len(leases.state.leases) == LEASE_LIMIT
    assert leases.open() == (first,)


@pytest.mark.parametrize(("minutes", "count"), [(0, 3), (59, 3), (60, 0)])
def test_leases_of_the_last_hour_are_counted(minutes: int, count: int) -> None:
    leases = book()
    for number in range(3):
        leases.take(replace(HOWL, responder="mqtt"), "i1", number, START)
        leases.take(HOWL, "i2", number, START)  # a rehearsal is no act
    assert leases.opened_last_hour(START + timedelta(minutes=minutes)) == count


def test_leases_come_back_as_they_were() -> None:
    leases = book()
    tells(leases, "off", START, property="state")
    howling(leases)
    written = msgspec.msgpack.encode(leases.state)
    assert msgspec.msgpack.decode(written, type=LeaseState) == leases.state


def test_a_lock_that_says_locked_is_the_echo_of_our_own_lock() -> None:
    leases = book()
    leases.take(LOCK_UP, "i1", 1, START)
    assert tells(leases, "locked", START, device="lock")


def test_what_is_asked_for_already_is_not_asked_for_again_because_something_came_back() -> None:
    leases = book()
    lease, _ = leases.take(HOWL, "i1", 1, START)
    leases.outcome(outcome(lease, "apply", False, "no route"), START)
    assert [type(effect) for effect in leases.retry(START)] == [Apply]
    assert leases.retry(START) == [], "what became of it is not known yet"
    leases.outcome(outcome(lease, "apply", False, "no route"), START)
    assert [type(effect) for effect in leases.retry(START)] == [Apply]
