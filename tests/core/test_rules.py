"""The built-in rules: they watch from the first minute, and need no more memory than they may have."""

from __future__ import annotations

import pytest
from tests.strategies import START

from homeward.core.event import NAME_LIMIT, Event
from homeward.core.rules import CLIENT_LIMIT, ENTRY_DELAY_MS, WATCHED_LIMIT, RulesState, entry_due, judge
from homeward.core.settings import Device

DOOR = Device(name="door", type="contact.door", role="entrance")
LIGHT = Device(name="light", type="light", role="actuator")
MOTION = Device(name="motion", type="motion", role="motion")
PANEL = Device(name="panel", type="alarm")
BROKER = Device(name="broker", type="broker")


def judged(state: RulesState, device: Device, action: str, at: int = 0, origin: str | None = None) -> str | None:
    event = Event(id="", source="mqtt", at=START, device=device.name, action=action, origin=origin)
    broken = judge(state, event, device, at)
    return None if broken is None else broken[0]


@pytest.mark.parametrize("action", ["open", "on", "unlock", "unlocked", "opened"])
def test_an_entrance_that_opens_while_armed_has_to_be_explained_within_the_entry_time(action: str) -> None:
    state = RulesState()
    judged(state, DOOR, action, at=1)
    assert entry_due(state) is None
    judged(state, PANEL, "armed_home", at=2)
    judged(state, DOOR, "closed", at=3)
    judged(state, MOTION, "on", at=4)
    assert entry_due(state) is None
    assert judged(state, DOOR, action, at=5) is None, "there is time to disarm"
    assert entry_due(state) == 5 + ENTRY_DELAY_MS
    judged(state, DOOR, action, at=6)
    assert entry_due(state) == 5 + ENTRY_DELAY_MS, "to open it again gives no more time"
    assert state.entered == (5, "door", action)


def test_nobody_comes_home_through_a_window() -> None:
    state = RulesState(armed=True)
    window = Device(name="window", type="contact.window", role="entrance")
    assert judged(state, window, "open") == "entrance while armed"
    assert entry_due(state) is None


@pytest.mark.parametrize("action", ["disarmed", "disarm"])
def test_whoever_disarms_in_time_is_welcome(action: str) -> None:
    state = RulesState(armed=True)
    judged(state, DOOR, "open")
    judged(state, PANEL, action)
    assert (state.armed, entry_due(state)) == (False, None)


def test_to_arm_again_does_not_excuse_who_came_in() -> None:
    state = RulesState(armed=True)
    judged(state, DOOR, "open", at=7)
    judged(state, PANEL, "armed_away", at=8)
    assert entry_due(state) == 7 + ENTRY_DELAY_MS


@pytest.mark.parametrize("action", ["armed_away", "armed_night", "arm"])
def test_since_when_it_is_armed_is_since_the_panel_said_so_last(action: str) -> None:
    state = RulesState()
    judged(state, PANEL, action, at=7)
    assert (state.armed, state.armed_at) == (True, 7)
    judged(state, PANEL, "disarmed", at=8)
    judged(state, PANEL, action, at=9)
    assert (state.armed, state.armed_at) == (True, 9)


def test_more_than_thirty_changes_within_a_minute_are_a_flood() -> None:
    state = RulesState()
    assert [judged(state, LIGHT, "on", at=2_000 * n) for n in range(31)] == [None] * 30 + ["flood"]
    slow = RulesState()
    assert {judged(slow, LIGHT, "on", at=2_001 * n) for n in range(200)} == {None}


def test_motion_may_change_as_often_as_it_likes() -> None:
    state = RulesState()
    assert {judged(state, MOTION, "on", at=n) for n in range(100)} == {None}


def test_a_client_is_new_once() -> None:
    state = RulesState()
    assert judged(state, BROKER, "client_connected", origin="a") == "new client"
    assert judged(state, BROKER, "client_connected", origin="a") is None
    assert judged(state, BROKER, "client_disconnected", origin="b") is None
    assert judged(state, BROKER, "client_connected") is None


@pytest.mark.parametrize("origin", ["x" * 10_000_000, "\ud800" * 5, "\U0001f513" * 1000])
def test_a_client_may_call_itself_whatever_it_likes(origin: str) -> None:
    state = RulesState()
    assert judged(state, BROKER, "client_connected", origin=origin) == "new client"
    (name,) = state.clients
    assert len(name) <= NAME_LIMIT
    assert name.encode()
    assert judged(state, BROKER, "client_connected", origin=origin) is None


def test_memory_is_bounded() -> None:
    state = RulesState()
    for number in range(CLIENT_LIMIT + 100):
        judged(state, BROKER, "client_connected", at=number, origin=f"c{number}")
    assert len(state.clients) == CLIENT_LIMIT
    assert "c99" not in state.clients, "the one first seen longest ago goes"
    for number in range(3 * WATCHED_LIMIT):
        judged(state, Device(name=f"d{number}", type="lock"), "on", at=number)
    for number in range(100):
        judged(state, LIGHT, "on", at=number)
    assert len(state.flood) <= WATCHED_LIMIT
    assert all(len(times) <= 31 for times in state.flood.values())
