"""The engine's promises, whatever comes in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import HOME, START, any_settings, any_time, home_days, inputs

from homeward.core.behaviour.profile import DEVICE_LIMIT
from homeward.core.behaviour.table import CAPACITY
from homeward.core.effects import Apply, Effect, Notify, Record, Revert
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.core.inputs import Change, Health, Input, Outcome, Tick
from homeward.core.settings import Device, Settings
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, REFUSED


def restarted(engine: Engine) -> Engine:
    """What a restart makes of the engine: its state written down and read back."""
    return Engine(msgspec.msgpack.decode(msgspec.msgpack.encode(engine.state), type=EngineState))


def begun(place: Settings = HOME, at: datetime = START) -> Engine:
    engine = Engine()
    engine.handle(Change(at=at, version="0.1.0", settings=place))
    return engine


def at_their_times(day: Sequence[tuple[float, Input]], start: datetime = START) -> list[Input]:
    found = []
    for gap, item in day:
        start += timedelta(seconds=gap)
        found.append(replace(item, at=start))
    return found


def folded(engine: Engine, items: Iterable[Input]) -> list[Effect]:
    return [effect for item in items for effect in engine.handle(item)]


# Nothing raises


@given(st.lists(inputs(), max_size=25))
@settings(max_examples=250)
def test_no_input_whatever_raises_out_of_handle(items: list[Input]) -> None:
    engine = Engine()
    for item in items:
        engine.handle(item)
        engine.readiness()
        deadline = engine.next_deadline()
        assert deadline is None or deadline.tzinfo is not None


@given(any_settings, st.lists(inputs(), max_size=15))
@settings(max_examples=150)
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
@settings(max_examples=150)
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
@settings(max_examples=120)
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
@settings(max_examples=120)
def test_the_same_inputs_give_the_same_effects_with_restarts_or_without(
    day: Sequence[tuple[float, Input]], restarts: set[int]
) -> None:
    without, with_restarts = begun(), begun()
    for number, item in enumerate([*at_their_times(day), Tick(at=START + timedelta(days=3))]):
        if number in restarts:
            with_restarts = restarted(with_restarts)
        assert with_restarts.handle(item) == without.handle(item)
    assert with_restarts.state == without.state


# What must never be done


def check_harmless(engine: Engine, effects: list[Effect]) -> None:
    types = {device.name: device.type for device in engine.settings.devices}
    for effect in effects:
        if isinstance(effect, Apply):
            assert types.get(effect.action.device) not in LIFE_SAFETY_TYPES
        if isinstance(effect, Apply | Revert):
            for command in (effect.action.command, effect.action.restore or ""):
                assert command.strip().casefold() not in REFUSED


@given(any_settings, home_days)
@settings(max_examples=150)
def test_nothing_is_ever_unlocked_opened_toggled_and_nothing_of_life_safety_touched(
    place: Settings, day: Sequence[tuple[float, Input]]
) -> None:
    known = replace(place, devices=(*HOME.devices, *place.devices), responses=(*place.responses, *HOME.responses))
    engine = begun(known)
    engine.handle(Change(at=START, version="0.1.0", command="arm"))
    for item in [*at_their_times(day), Tick(at=START + timedelta(days=2))]:
        check_harmless(engine, engine.handle(item))


# Every lease ends


class Responder:
    """A responder that works, fails, answers late, or never answers; it knows what was last asked of each device."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.healthy = False
        self.late: list[tuple[datetime, Outcome]] = []
        self.reverted: set[str] = set()
        self.applied: set[str] = set()

    def ask(self, effect: Apply | Revert) -> None:
        step: Literal["apply", "revert"] = "apply" if isinstance(effect, Apply) else "revert"
        fate = "works" if self.healthy else self.random.choice(["works", "fails", "late", "mute", "works late"])
        if fate == "mute":
            return
        ok = fate in ("works", "works late")
        delay = timedelta(seconds=self.random.uniform(30, 4000) if "late" in fate else self.random.uniform(0, 5))
        said = "" if ok else "no route to the siren"
        outcome = Outcome(at=effect.at, action=effect.action.id, step=step, ok=ok, detail=said)
        self.late.append((effect.at + delay, outcome))

    def due(self, until: datetime) -> list[Outcome]:
        now = sorted((pair for pair in self.late if pair[0] <= until), key=lambda pair: pair[0])
        self.late = [pair for pair in self.late if pair[0] > until]
        return [replace(outcome, at=at) for at, outcome in now]

    def forget(self) -> None:
        """A restart: what was on its way is lost."""
        self.late = []


class World:
    """A guard with its responder, in which anything may fail or restart."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.engine = begun()
        self.responder = Responder(random)
        self.said: list[Effect] = []

    def give(self, item: Input) -> None:
        """Let an input in, with every outcome and every deadline before it, and carry its effects out."""
        while True:
            # Outcomes and deadlines take turns: a revert may be answered before the next deadline.
            moments = [at for at, _ in self.responder.late]
            if (due := self.engine.next_deadline()) is not None:
                moments.append(due + timedelta(milliseconds=1))
            nearest = min(moments, default=None)
            if nearest is None or nearest > item.at:
                break
            for outcome in self.responder.due(nearest):
                self._take(outcome)
            self._take(Tick(at=nearest))
        self._take(item)

    def _take(self, item: Input) -> None:
        if isinstance(item, Outcome) and item.ok:
            lease = self.engine.leases.get(item.action)
            if item.step == "revert" and lease is not None and lease.status == "reverting":
                self.responder.reverted.add(item.action)
            if item.step == "apply" and lease is not None:
                self.responder.applied.add(item.action)
        effects = self.engine.handle(item)
        self.said += effects
        for effect in effects:
            if isinstance(effect, Apply | Revert):
                self.responder.ask(effect)
        if self.random.random() < 0.1 and not self.responder.healthy:
            self.engine = restarted(self.engine)
            self.responder.forget()
        for lease in self.engine.leases.values():
            if lease.status != "ended":
                assert lease.action.ends is None or lease.next_attempt is not None or lease.status == "active"
                assert lease.status != "reverting" or lease.attempts > 0


@given(home_days, st.randoms(use_true_random=False))
@settings(max_examples=120)
def test_every_lease_ends_by_a_successful_revert_or_by_itself_whatever_fails(
    day: Sequence[tuple[float, Input]], random: Random
) -> None:
    world = World(random)
    opened = Change(at=START, version="0.1.0", command="arm")
    door = Event(id="", source="mqtt", at=START, device="front door", action="open")
    for item in [opened, door, *at_their_times(day)]:
        world.give(item)
    world.responder.healthy = True
    end = world.engine.now or START
    for hours in (1, 2, 26):
        world.give(Tick(at=end + timedelta(hours=hours)))
    leases = world.engine.leases
    assert leases
    assert all(lease.status == "ended" for lease in leases.values())
    for name, lease in leases.items():
        if lease.action.ends is not None:
            assert name in world.responder.reverted, "closed without a successful revert"
        elif lease.outcome.startswith("done"):
            assert name in world.responder.applied
    check_harmless(world.engine, world.said)


@given(st.integers(1, 40), st.booleans())
def test_a_revert_that_fails_is_asked_for_again_and_shown_until_it_succeeds(failures: int, restart: bool) -> None:
    engine, lease = siren_howling()
    ends = engine.leases[lease].action.ends
    assert ends is not None
    asked = [effect for effect in engine.handle(Tick(at=ends)) if isinstance(effect, Revert)]
    now = ends
    for failure in range(1, failures + 1):
        assert [revert.attempt for revert in asked] == [failure]
        engine.handle(Outcome(at=now, action=lease, step="revert", ok=False, detail="no route"))
        if restart:
            engine = restarted(engine)
        shown = engine.leases[lease]
        assert (shown.status, shown.error) == ("reverting", "no route")
        due = shown.next_attempt
        assert due is not None
        assert due - now <= timedelta(minutes=5)
        now = due
        asked = [effect for effect in engine.handle(Tick(at=now)) if isinstance(effect, Revert)]
    engine.handle(Outcome(at=now, action=lease, step="revert", ok=True))
    assert (engine.leases[lease].status, engine.leases[lease].error) == ("ended", "")
    assert not [e for e in engine.handle(Tick(at=now + timedelta(days=1))) if isinstance(e, Apply | Revert)]


def siren_howling(at: datetime = START) -> tuple[Engine, str]:
    """An engine in which the front door, opened while armed, made the siren howl for ten minutes."""
    engine = begun(at=at)
    engine.handle(Change(at=at, version="0.1.0", command="arm"))
    effects = engine.handle(Event(id="", source="mqtt", at=at, device="front door", action="open"))
    (lease,) = [
        effect.action.id for effect in effects if isinstance(effect, Apply) and effect.action.device == "siren"
    ]
    for effect in effects:
        if isinstance(effect, Apply):
            engine.handle(Outcome(at=at, action=effect.action.id, step="apply", ok=True))
    engine.handle(Event(id="", source="mqtt", at=at, device="siren", action="on"))
    return engine, lease


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
    """The limits are a 64th of the real ones, and there are 20 times as many names as devices fit in."""
    monkeypatch.setattr("homeward.core.behaviour.profile.DEVICE_LIMIT", DEVICE_LIMIT // 64)
    engine = begun()
    state = engine.state
    state.profile.table.capacity = CAPACITY // 64
    for number in range(5_120):
        at = START + timedelta(seconds=number)
        engine.handle(Event(id="", source="mqtt", at=at, device=f"ghost {number}", action="on", origin=f"o{number}"))
        if number % 128 == 0:
            assert state.profile.table.size <= CAPACITY // 64
    assert state.profile.table.size <= CAPACITY // 64
    assert len(state.profile.table.rows) <= CAPACITY // 64
    assert len(state.profile.last) <= DEVICE_LIMIT // 64
    assert len(state.profile.young) <= 1_024
    assert len(state.incidents.incidents) <= 256
    assert len(state.counters) < 20
    assert len(msgspec.msgpack.encode(state)) < 500_000


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


def test_values_are_never_looked_at_so_nan_cannot_hurt() -> None:
    one, other = begun(), begun()
    event = Event(id="", source="mqtt", at=START, device="meter", action="reading", value=1.0)
    one.handle(event)
    other.handle(replace(event, value=math.nan))
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
