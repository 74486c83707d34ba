"""What the engine may do, and that all it does ends: whatever comes in, fails or restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.engines import at_their_times, begun, restarted, siren_howling
from tests.strategies import HOME, START, any_settings, home_days

from homeward.core.effects import Apply, Effect, Revert
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.inputs import Change, Input, Outcome, Tick
from homeward.core.rules import ENTRY_DELAY_MS
from homeward.core.settings import Settings
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, REFUSED

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
    for item in [opened, door, *at_their_times(day, START + timedelta(milliseconds=ENTRY_DELAY_MS))]:
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
