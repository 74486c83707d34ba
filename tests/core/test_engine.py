"""The engine's promises, whatever comes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.engines import at_their_times, begun, folded, restarted, siren_howling
from tests.strategies import START, any_settings, any_time, home_days, inputs

from homeward.core import arrival
from homeward.core.behaviour import past, profile, silence
from homeward.core.effects import Effect, Notify, Record, Revert
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.inputs import Change, Health, Input, Outcome, Tick
from homeward.core.settings import Device, Settings

# Nothing raises


@given(st.lists(inputs(), max_size=25))
@settings(max_examples=150)
def test_no_input_whatever_raises_out_of_handle(items: list[Input]) -> None:
    engine = Engine()
    for item in items:
        engine.handle(item)
        engine.readiness()
        deadline = engine.next_deadline()
        assert deadline is None or deadline.tzinfo is not None


@given(any_settings, st.lists(inputs(), max_size=15))
@settings(max_examples=100)
def test_no_settings_whatever_stop_the_guard(place: Settings, items: list[Input]) -> None:
    engine = begun(place)
    for item in items:
        engine.handle(item)
    assert engine.next_deadline() is None or engine.now is not None


@pytest.mark.parametrize("moment", [datetime(2026, 3, 2, 7), datetime.min, datetime.max])  # noqa: DTZ001, DTZ901
def test_a_time_without_a_zone_is_survived(moment: datetime) -> None:
    engine = begun()
    engine.handle(Tick(at=moment))
    engine.handle(Event(id="", source="mqtt", at=moment, happened=moment, device="lamp", action="on"))
    assert engine.counters["bad_clock"] == 1


@given(st.lists(inputs(), max_size=20))
@settings(max_examples=100)
def test_the_state_can_always_be_written_down_and_read_back(items: list[Input]) -> None:
    engine = Engine()
    for item in items:
        try:
            msgspec.msgpack.encode(item)
        except (ValueError, OverflowError):
            continue  # what cannot be written down is refused before the engine sees it
        engine.handle(item)
    written = msgspec.msgpack.encode(engine.state)
    assert msgspec.msgpack.encode(restarted(engine).state) == written  # not the states: NaN is not itself


# Time


@given(st.lists(inputs(), max_size=25), any_settings)
@settings(max_examples=100)
def test_the_times_of_effects_never_go_back_and_never_run_ahead(items: list[Input], place: Settings) -> None:
    engine = begun(place)
    last = START
    for item in items:
        for effect in engine.handle(item):
            assert effect.at >= last
            last = effect.at
        assert engine.now is not None
        assert last <= engine.now
        assert engine.now <= max(START, item.at) or engine.now > START


@given(home_days)
def test_effects_come_in_the_order_of_their_times_and_not_after_the_input(day: Sequence[tuple[float, Input]]) -> None:
    engine = begun()
    last = START
    for item in at_their_times(day):
        for effect in engine.handle(item):
            assert last <= effect.at <= item.at
            last = effect.at


@given(home_days, st.lists(st.floats(0, 40_000), max_size=30))
@settings(max_examples=80)
def test_ticks_change_nothing_but_when_something_is_said(
    day: Sequence[tuple[float, Input]], moments: list[float]
) -> None:
    items = at_their_times(day)
    end = [Tick(at=START + timedelta(days=1))]
    ticks: list[Input] = [Tick(at=START + timedelta(seconds=moment)) for moment in moments]
    mixed = sorted([*items, *ticks], key=lambda item: item.at)  # stable: a tick never passes an input
    plain, ticked = begun(), begun()
    assert folded(plain, [*items, *end]) == folded(ticked, [*mixed, *end])
    assert plain.state == ticked.state


@given(home_days)
def test_waking_at_every_deadline_changes_nothing_but_when_something_is_said(
    day: Sequence[tuple[float, Input]],
) -> None:
    patient, punctual = begun(), begun()
    end = Tick(at=START + timedelta(days=1))
    said: list[Effect] = []
    for item in [*at_their_times(day), end]:
        while (due := punctual.next_deadline()) is not None and due <= item.at:
            said += punctual.handle(Tick(at=due))
            assert punctual.next_deadline() != due
        said += punctual.handle(item)
    assert said == folded(patient, [*at_their_times(day), end])


@given(home_days, st.sets(st.integers(0, 40)))
@settings(max_examples=80)
def test_the_same_inputs_give_the_same_effects_with_restarts_or_without(
    day: Sequence[tuple[float, Input]], restarts: set[int]
) -> None:
    without, with_restarts = begun(), begun()
    for number, item in enumerate([*at_their_times(day), Tick(at=START + timedelta(days=3))]):
        if number in restarts:
            with_restarts = restarted(with_restarts)
        assert with_restarts.handle(item) == without.handle(item)
    assert with_restarts.state == without.state


@given(st.lists(st.tuples(st.floats(0.001, 20), any_time), max_size=30))
def test_no_time_told_by_a_message_ends_a_lease_early_or_late(claims: list[tuple[float, datetime]]) -> None:
    engine, lease = siren_howling()
    now, said = START, list[Effect]()
    for gap, happened in claims:
        now += timedelta(seconds=gap)
        said += engine.handle(Event(id="", source="mqtt", at=now, happened=happened, device="motion", action="on"))
    said += engine.handle(Tick(at=START + timedelta(hours=2)))
    reverts = [effect.at for effect in said if isinstance(effect, Revert) and effect.action.id == lease]
    assert reverts[0] == START + timedelta(minutes=10)


@pytest.mark.parametrize("days", [-365, 365, 4 * 365, -1, 1])
def test_a_message_of_another_time_is_counted_and_treated_as_of_now(days: int) -> None:
    late = begun()
    on_time = begun()
    for number in range(50):
        at = START + timedelta(minutes=7 * number)
        event = Event(id="", source="mqtt", at=at, device="motion", action="on")
        on_time.handle(event)
        late.handle(replace(event, happened=at + timedelta(days=days)))
    assert late.counters["bad_clock"] == 50
    assert late.state.profile == on_time.state.profile


@pytest.mark.parametrize("seconds", [-599, -60, 0, 4.9])
def test_a_plausible_claim_is_used_by_habits(seconds: float) -> None:
    engine = begun()
    engine.handle(
        Event(
            id="", source="mqtt", at=START, happened=START + timedelta(seconds=seconds), device="motion", action="on"
        )
    )
    assert "bad_clock" not in engine.counters


@given(st.integers(-(10**13), 10**13))
def test_a_jump_of_the_wall_clock_moves_no_lease(offset: int) -> None:
    engine, lease = siren_howling()
    engine.handle(Health(at=START, subject="clock", up=False, offset_ms=offset))
    said = engine.handle(Tick(at=START + timedelta(hours=1)))
    reverts = [effect.at for effect in said if isinstance(effect, Revert) and effect.action.id == lease]
    assert reverts[0] == START + timedelta(minutes=10)


# Bounds


def test_many_more_device_names_than_fit_leave_the_state_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are a 256th of the real ones, and there are 20 times as many names as devices fit in."""
    monkeypatch.setattr(profile, "DEVICE_LIMIT", 64)
    monkeypatch.setattr(past, "MEMORY_LIMIT", 128)
    monkeypatch.setattr(silence, "LIMIT", 64)
    monkeypatch.setattr(arrival, "MET_LIMIT", 64)
    monkeypatch.setattr(arrival, "MANNERS_LIMIT", 64)
    engine = begun()
    state = engine.state
    state.profile.table.capacity = 1_024
    at = START
    for number in range(1_280):
        at += timedelta(minutes=40) if number % 64 == 0 else timedelta(seconds=1)
        engine.handle(Event(id="", source="mqtt", at=at, device=f"ghost {number}", action="on", origin=f"o{number}"))
        assert state.profile.table.size <= 1_024
        assert len(state.profile.table.rows) <= 1_024
        assert len(state.profile.last) <= 64
        assert state.profile.past.remembered <= 128 + 64
    assert len(state.silence.devices) <= 64
    assert len(state.profile.young) <= 1_024
    assert len(state.incidents.incidents) <= 256
    assert len(state.counters) < 20
    assert len(msgspec.msgpack.encode(state)) < 150_000


def test_clients_with_endless_names_leave_the_state_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.core.rules.CLIENT_LIMIT", 256)
    engine = begun()
    for number in range(1_500):
        origin = f"{number} " + "x" * 50_000
        at = START + timedelta(seconds=number)
        engine.handle(Event(id="", source="mqtt", at=at, device="broker", action="client_connected", origin=origin))
    assert len(engine.state.rules.clients) == 256
    assert len(msgspec.msgpack.encode(engine.state)) < 600_000


@given(st.integers(1, 10_000))
def test_what_fails_may_say_as_much_as_it_likes(length: int) -> None:
    engine, lease = siren_howling()
    engine.handle(Health(at=START, subject="source:mqtt", up=False, detail="x" * length))
    engine.handle(Tick(at=START + timedelta(minutes=10)))
    engine.handle(
        Outcome(at=START + timedelta(minutes=10), action=lease, step="revert", ok=False, detail="y" * length)
    )
    assert len(engine.leases[lease].error) <= 500
    assert all(len(incident.reason) <= 600 for incident in engine.incidents.values())


def test_a_name_that_is_too_long_or_is_no_text_is_counted_and_changes_nothing_else() -> None:
    engine = begun()
    before = msgspec.msgpack.encode(engine.state.profile)
    for device, action in (("x" * 129, "on"), ("", "on"), ("lamp", ""), ("\ud800", "on"), ("lamp", "o\udfff")):
        assert engine.handle(Event(id="", source="mqtt", at=START, device=device, action=action)) == []
    assert engine.counters == {"refused_name": 5}
    assert msgspec.msgpack.encode(engine.state.profile) == before


@pytest.mark.parametrize("name", ["門", "дверь", "\U0001f6aa", "a" * 128, "باب", "e\u0301"])
def test_a_name_of_any_script_is_a_name(name: str) -> None:
    engine = begun()
    engine.handle(Event(id="", source="mqtt", at=START, device=name, action="on"))
    assert engine.state.profile.last == {name: ("on", int(START.timestamp() * 1000))}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_amount_is_as_none_and_cannot_hurt(value: float) -> None:
    one, other = begun(), begun()
    for number in range(20):
        at = START + timedelta(minutes=number)
        event = Event(id="", source="mqtt", at=at, device="meter", action="reading", value=value)
        assert one.handle(event) == other.handle(replace(event, value=None))
    assert one.state == other.state


def test_an_engine_that_saw_nothing_has_nothing_to_say() -> None:
    engine = Engine()
    assert engine.now is None
    assert engine.next_deadline() is None
    assert engine.readiness().days_to_go is None
    assert (len(engine.incidents), len(engine.leases), len(engine.counters)) == (0, 0, 0)


def test_time_does_not_go_back() -> None:
    engine, _ = siren_howling()
    later = START + timedelta(minutes=5)
    engine.handle(Tick(at=later))
    engine.handle(Tick(at=datetime(1, 1, 1, tzinfo=UTC)))
    assert engine.now == later
    (effect,) = engine.handle(Health(at=START, subject="disk", up=False))
    assert isinstance(effect, Notify)
    assert effect.at == later


def test_an_unknown_id_is_refused_in_words() -> None:
    engine = begun(Settings(devices=(Device(name="lamp"),)))
    (effect,) = engine.handle(Change(at=START, version="0.1.0", command="undo", target="i7-1"))
    assert isinstance(effect, Record)
    assert (effect.kind, effect.subject) == ("refused", "i7-1")
