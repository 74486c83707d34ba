"""When residents are told away and home: the one rule, and what it does not see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.small_homes import write_home

from homeward.bench.homes import Household, load
from homeward.bench.presence import AWAY_AFTER, INDOORS, RESIDENTS, Presence, absences
from homeward.core.event import Event
from homeward.core.settings import Device
from homeward.core.vocabulary import TYPES

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DEVICES = (
    Device(name="door", type="contact.door", role="entrance", room="hall"),
    Device(name="lock", type="lock", role="entrance", room="hall"),
    Device(name="motion", type="motion", role="motion", room="hall"),
    Device(name="cupboard", type="contact.cupboard", role="use", room="kitchen"),
    Device(name="bed", type="pressure.bed", role="presence", room="bedroom"),
    Device(name="lamp", type="light", role="actuator", room="hall"),
    Device(name="warmth", type="sensor.temperature", role="other", room="hall"),
)


def household(*events: Event, devices: Sequence[Device] = DEVICES) -> Household:
    return Household(
        name="house", real=False, timezone="UTC", devices={device.name: device for device in devices},
        rows=len(events), events=list(events), at=[e.at for e in events], hours=[e.at.hour for e in events],
        dates=[e.at.date() for e in events], days=[], bin=None,
    )  # fmt: skip


def event(minute: float, device: str, action: str) -> Event:
    at = NOON + timedelta(minutes=minute)
    return Event(id=f"{minute} {device}", source="test", at=at, place="house", device=device, action=action)


def told(*events: Event, until: float | None = None, devices: Sequence[Device] = DEVICES) -> list[tuple[float, str]]:
    presence = Presence(household(*events, devices=devices))
    end = None if until is None else NOON + timedelta(minutes=until)
    return [
        ((e.at - NOON) / timedelta(minutes=1), e.action)
        for e in presence.told(events, end)
        if e.device == RESIDENTS.name
    ]


def test_residents_are_a_device_of_a_known_type_that_is_no_sign_of_anybody() -> None:
    assert RESIDENTS.type in TYPES
    assert RESIDENTS.role not in (*INDOORS, "entrance")


def test_away_is_told_half_an_hour_after_a_closing_and_home_at_the_next_event_of_an_entrance() -> None:
    day = [event(0, "door", "open"), event(1, "door", "closed"), event(400, "door", "open")]
    assert told(*day) == [(31, "away"), (400, "home")]


@pytest.mark.parametrize(("closing", "opening"), [("off", "on"), ("closed", "open"), ("clear", "detected")])
def test_a_closing_may_be_called_as_the_device_calls_it(closing: str, opening: str) -> None:
    assert told(event(0, "door", opening), event(1, "door", closing), event(99, "lamp", "on")) == [(31, "away")]


def test_who_shows_indoors_within_half_an_hour_is_not_away() -> None:
    for device, action in (("motion", "on"), ("cupboard", "open"), ("bed", "on"), ("motion", "active")):
        assert told(event(0, "door", "closed"), event(30, device, action), event(99, "lamp", "on")) == []


def test_an_end_a_lamp_a_meter_and_a_low_battery_are_no_sign_of_anybody() -> None:
    for device, action in (
        ("motion", "off"), ("cupboard", "closed"), ("motion", "clear"), ("lamp", "on"), ("warmth", "reading"),
        ("motion", "battery"), ("door", "battery"), ("door", "online"),
    ):  # fmt: skip
        assert told(event(0, "door", "closed"), event(9, device, action), event(99, "lamp", "on")) == [(30, "away")]


def test_locking_a_door_is_neither_coming_nor_going() -> None:
    left = [event(0, "door", "open"), event(1, "door", "closed"), event(2, "lock", "locked")]
    assert told(*left, event(55, "lock", "locked"), event(99, "lock", "unlocked")) == [(31, "away"), (99, "home")]
    assert told(event(0, "door", "closed"), event(1, "motion", "on"), event(200, "lock", "locked"), until=999) == []


def test_only_the_last_closing_counts_and_an_open_door_keeps_everybody_at_home() -> None:
    again = [event(0, "door", "closed"), event(20, "door", "open"), event(21, "door", "closed")]
    assert told(*again, event(99, "lamp", "on")) == [(51, "away")]
    assert told(event(0, "door", "closed"), event(20, "door", "open"), event(99, "lamp", "on")) == []
    assert told(event(0, "door", "open"), event(99, "door", "open"), until=999) == []


def test_what_shows_indoors_while_away_is_told_ends_nothing() -> None:
    day = [event(0, "door", "closed"), event(60, "motion", "on"), event(90, "cupboard", "open")]
    assert told(*day, event(200, "lock", "unlocked")) == [(30, "away"), (200, "home")]


def test_home_is_told_by_a_closing_too_which_may_be_a_departure() -> None:
    day = [event(0, "door", "closed"), event(60, "door", "closed"), event(99, "lamp", "on")]
    assert told(*day) == [(30, "away"), (60, "home"), (90, "away")]


def test_away_is_told_when_nothing_comes_any_more_if_there_is_time() -> None:
    assert told(event(0, "door", "closed")) == []
    assert told(event(0, "door", "closed"), until=29) == []
    assert told(event(0, "door", "closed"), until=30) == [(30, "away")]


def test_home_is_told_right_after_the_event_that_says_so_and_away_before_the_next_one() -> None:
    day = [event(0, "door", "closed"), event(30, "lamp", "on"), event(31, "lamp", "off"), event(60, "door", "open")]
    seen = [e.device for e in Presence(household(*day)).told([*day, event(60, "lamp", "on")])]
    assert seen == ["door", "lamp", RESIDENTS.name, "lamp", "door", RESIDENTS.name, "lamp"]


def test_nothing_is_told_without_an_entrance_without_an_indoor_device_or_with_a_namesake() -> None:
    day = [event(0, "door", "closed"), event(99, "door", "open")]
    for devices in (
        [device for device in DEVICES if device.role != "entrance"],
        [device for device in DEVICES if device.role not in INDOORS],
        [*DEVICES, Device(name=RESIDENTS.name, type="button", role="use")],
    ):
        assert told(*day, devices=devices, until=999) == []
        assert not Presence(household(*day, devices=devices)).possible
        assert absences(household(*day, devices=devices)) == []


def test_a_copy_goes_its_own_way() -> None:
    presence = Presence(household(event(0, "door", "closed")))
    assert len(list(presence.told([event(0, "door", "closed")]))) == 1
    twin = presence.copy()
    assert [e.device for e in twin.told([event(5, "motion", "on")], NOON + timedelta(hours=9))] == ["motion"]
    (away,) = presence.told([], NOON + timedelta(hours=9))
    assert (away.action, away.place) == ("away", "house")


def test_a_copy_taken_at_an_event_knows_nothing_of_it() -> None:
    presence = Presence(household())
    for _ in presence.told([event(0, "door", "closed")]):
        assert list(presence.copy().told([], NOON + timedelta(hours=9))) == []


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 90 * 60),
        st.sampled_from(DEVICES),
        st.sampled_from(["on", "off", "open", "closed", "locked", "battery"]),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens_away_and_home_take_turns_at_the_right_moments(
    gaps: list[tuple[int, Device, str]],
) -> None:
    now, events = 0.0, []
    for gap, device, action in gaps:
        now += gap / 60
        events.append(event(now, device.name, action))
    stream = list(Presence(household(*events)).told(events))
    assert [e for e in stream if e.device != RESIDENTS.name] == events
    assert all(a.at <= b.at for a, b in pairwise(stream))
    residents = [e for e in stream if e.device == RESIDENTS.name]
    assert [e.action for e in residents] == (["away", "home"] * len(residents))[: len(residents)]
    for place, e in enumerate(stream):
        if e.device != RESIDENTS.name:
            continue
        if e.action == "home":
            assert stream[place - 1].at == e.at
            assert stream[place - 1].device in ("door", "lock")
        else:
            since = [s for s in stream[:place] if s.at >= e.at - AWAY_AFTER]
            signs = [s for s in since if s.action in ("on", "open") and s.device in ("motion", "cupboard", "bed")]
            moved = [s for s in since if s.device in ("door", "lock") and s.action not in ("battery", "locked")]
            assert not [s for s in signs if s.at > e.at - AWAY_AFTER]
            assert moved
            assert {s.at for s in moved} == {e.at - AWAY_AFTER}


def test_an_absence_lasts_from_when_it_is_told_to_the_next_sign_of_anybody() -> None:
    home = household(
        event(0, "door", "closed"), event(100, "lamp", "on"), event(200, "door", "open"),
        event(201, "door", "closed"), event(300, "motion", "on"), event(302, "door", "open"),
        event(303, "door", "closed"), event(400, "motion", "on"), event(401, "door", "open"),
        event(402, "door", "closed"), event(500, "lamp", "off"),
    )  # fmt: skip
    minutes = [
        (
            (absence.told - NOON) / timedelta(minutes=1),
            (absence.until - NOON) / timedelta(minutes=1),
            absence.ended_by,
        )
        for absence in absences(home)
    ]
    assert minutes == [(30, 200, 2), (231, 300, None), (333, 400, 8), (432, 500, None)]


def test_a_routine_of_leaving_and_coming_home_is_told_as_it_is(tmp_path: Path) -> None:
    home = load("first", write_home(tmp_path, "first", days=21))
    found = absences(home)
    assert len(found) == 21
    assert {absence.told.hour for absence in found} <= {8}
    assert {absence.until.hour for absence in found} <= {17}
    assert all(home.events[absence.ended_by or 0].device == "door" for absence in found)
