"""Who is home: told, or else inferred from doors and what stirs indoors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.behaviour.presence import AWAY_AFTER, Presence, nobody_home
from homeward.core.settings import Device

FAMILY = Device(name="family", type="residents")
DOOR = Device(name="front door", type="contact.door", role="entrance")
HALL = Device(name="hall", type="motion", role="motion")
PANEL = Device(name="panel", type="alarm")
METER = Device(name="meter", type="meter", role="meter")
START = 1_800_000_000_000


def after(*events: tuple[Device, str, int]) -> Presence:
    """Presence after events, each so many milliseconds after the start."""
    presence = Presence()
    for device, action, at in events:
        presence.now(START + at)
        presence.note(device, action, START + at)
    return presence


def test_nobody_knows_at_first() -> None:
    assert Presence().now(START) == ""
    assert after((HALL, "on", 0), (METER, "reading", 1)).now(START + 10 * AWAY_AFTER) == ""


def test_what_says_who_is_home_is_believed() -> None:
    presence = after((FAMILY, "away", 0))
    assert presence.now(START + 1) == "away"
    presence.note(FAMILY, "holiday", START + 2)
    assert presence.now(START + 3) == "holiday"


def test_once_told_no_door_is_asked() -> None:
    presence = after((FAMILY, "home", 0), (DOOR, "open", 1), (DOOR, "closed", 2))
    assert presence.now(START + 10 * AWAY_AFTER) == "home"
    away = after((FAMILY, "away", 0), (DOOR, "open", 1))
    assert away.now(START + 2) == "away", "a burglar at the door does not come home"


def test_a_door_that_closes_on_a_silent_house_leaves_it_empty_after_half_an_hour() -> None:
    presence = after((DOOR, "open", 0), (DOOR, "closed", 1_000))
    assert presence.now(START + 999 + AWAY_AFTER) == "home"
    assert presence.now(START + 1_000 + AWAY_AFTER) == "away"
    presence.note(HALL, "on", START + 2 * AWAY_AFTER)
    assert presence.now(START + 2 * AWAY_AFTER + 1) == "away", "who stirs in an empty house has not come by the door"
    presence.note(DOOR, "open", START + 2 * AWAY_AFTER + 2)
    assert presence.now(START + 2 * AWAY_AFTER + 2) == "home"


def test_where_somebody_stirs_for_half_an_hour_the_rule_was_wrong() -> None:
    presence = after((DOOR, "open", 0), (DOOR, "closed", 1_000))
    assert presence.now(START + 2 * AWAY_AFTER) == "away"
    presence.note(HALL, "on", START + 2 * AWAY_AFTER)
    presence.note(HALL, "on", START + 3 * AWAY_AFTER - 1)
    assert presence.now(START + 3 * AWAY_AFTER - 1) == "away"
    assert presence.now(START + 3 * AWAY_AFTER) == "home"
    told = after((FAMILY, "away", 0))
    told.note(HALL, "on", START + 1)
    assert told.now(START + 2 * AWAY_AFTER) == "away", "who said so is believed"


def test_what_stirs_indoors_after_the_door_closed_stays_home() -> None:
    presence = after((DOOR, "open", 0), (DOOR, "closed", 1_000), (HALL, "on", 2_000))
    assert presence.now(START + 10 * AWAY_AFTER) == "home"


def test_what_ends_or_is_no_sign_of_life_stirs_nothing() -> None:
    presence = after((DOOR, "open", 0), (DOOR, "closed", 1_000), (HALL, "off", 2_000), (METER, "reading", 3_000))
    assert presence.now(START + 10 * AWAY_AFTER) == "away"


def test_an_open_door_leaves_nobody_away() -> None:
    assert after((DOOR, "closed", 0), (DOOR, "open", 1)).now(START + 10 * AWAY_AFTER) == "home"


def test_the_panel_adds_its_mode() -> None:
    assert after((PANEL, "armed_night", 0)).now(START + 1) == "armed_night"
    assert after((FAMILY, "home", 0), (PANEL, "armed_night", 1)).now(START + 2) == "home armed_night"


@pytest.mark.parametrize(
    ("presence", "nobody"),
    [
        ("", False), ("home", False), ("away", True), ("holiday", True), ("vacation", True), ("armed_away", True),
        ("armed_night", False), ("disarmed", False), ("away armed_away", True), ("away disarmed", True),
        ("home armed_away", False), ("home armed_night", False), ("guests", False), ("awayish", False),
    ],
)  # fmt: skip
def test_nobody_is_home_by_what_says_who_is_and_by_the_panel_only_where_nothing_does(
    presence: str, nobody: bool
) -> None:
    """Whoever has just come in has not disarmed yet."""
    assert nobody_home(presence) is nobody


WHAT = st.tuples(
    st.sampled_from([DOOR, HALL, PANEL, METER]),
    st.sampled_from(["open", "closed", "on", "off", "armed_away", "disarmed"]),
    st.integers(0, 3 * AWAY_AFTER),
)


@given(st.lists(WHAT, max_size=20), st.lists(st.integers(0, 3 * AWAY_AFTER), max_size=8))
def test_it_makes_no_difference_when_anybody_asked(events: list[tuple[Device, str, int]], asked: list[int]) -> None:
    at, one, other = START, Presence(), Presence()
    for device, action, pause in events:
        for moment in sorted(asked):
            if moment < pause:
                other.now(at + moment)
        at += pause
        assert one.now(at) == other.now(at)
        one.note(device, action, at)
        other.note(device, action, at)
