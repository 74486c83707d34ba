"""The past of a young home lived again: at 7, 14, 28 … active days, as long as memory reaches back half."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scenarios.story import Story, alarms

from homeward.core.behaviour.calibration import MIN_DAYS
from homeward.core.behaviour.evidence import Evidence, lived
from homeward.core.behaviour.past import DAY, Remembered
from homeward.core.behaviour.profile import HALF_LIFE, MINUTE, Profile, ProfileState
from homeward.core.behaviour.table import Table
from homeward.core.effects import Effect
from homeward.core.inputs import Input

NOON = 20_000 * DAY + 12 * 60 * MINUTE


class Watched(Story):
    """A story that notes each time the past is lived again: the age, what was counted before, and the state then."""

    def __init__(self, seed: int = 1) -> None:
        self.relived: list[tuple[int, Evidence]] = []
        self.age = MIN_DAYS
        super().__init__(seed=seed)

    @property
    def profile(self) -> ProfileState:
        return self.engine.state.profile

    def _handled(self, item: Input) -> list[Effect]:
        before = self.profile.evidence.fork()
        said = super()._handled(item)
        if self.profile.past.relive_at != self.age:
            self.age = self.profile.past.relive_at
            self.relived.append((self.profile.active_days, before))
            self.at_once()
        return said

    def at_once(self) -> None:
        """What is to be checked when the past has just been lived again."""


def cells(table: Table) -> dict[tuple[int, int], int]:
    found = ((key, symbol) for key in list(table.rows) for symbol in list(table.rows[key].cells))
    return {cell: table.weight(*cell) for cell in found if table.weight(*cell)}


def profile() -> Profile:
    return Profile(ProfileState(), (), 1.0)


def test_the_past_is_lived_again_whenever_the_homes_age_has_doubled() -> None:
    story = Watched()
    story.ordinary_days(30)
    assert [days for days, _ in story.relived] == [7, 14, 28]
    assert story.profile.past.relive_at == 56
    assert story.profile.past.remembered == sum(len(visit.seen) for visit in story.profile.past.memory)
    assert {visit.day for visit in story.profile.past.memory} == set(
        range(story.profile.day - 29, story.profile.day + 1)
    )


def test_what_is_counted_from_then_on_is_what_the_remembered_visits_give() -> None:
    class Counted(Watched):
        def at_once(self) -> None:
            state = self.profile
            waiting = {name for visit in state.past.questioned if not visit.counted for name in visit.incidents}
            usual = [visit for visit in state.past.memory if waiting.isdisjoint(visit.incidents)]
            scored = [self.engine._profile._lived_again(visit) for visit in usual]
            found = lived(scored, state.active_days, state.table.epoch)
            for tail, now in zip(found.tails(), state.evidence.tails(), strict=True):
                assert (tail.counts, tail.n, tail.rarities, tail.slope) == (
                    now.counts,
                    now.n,
                    now.rarities,
                    now.slope,
                )
            assert found.visits.days == state.evidence.visits.days
            assert state.evidence.visits.n == len(usual) * 256
            assert (state.evidence.gathered, state.evidence.score) == (0, 0)

    story = Counted()
    story.ordinary_days(15)
    assert len(story.relived) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_days_of_an_empty_guard_do_not_set_its_threshold(seed: int) -> None:
    """To an empty guard everything is strange: lived again, the same visits are less so."""
    story = Watched(seed=seed)
    story.ordinary_days(8)
    ((_, before),) = story.relived
    before.visits.days = story.profile.evidence.visits.days
    as_it_came = before.visits.threshold(1.0)
    assert story.profile.threshold is not None
    assert as_it_came is not None
    assert story.profile.threshold < as_it_came / 2
    assert "front door" in {alarm.device for alarm in alarms(story.intruder())}, "on the ninth night"


def test_to_live_again_leaves_what_was_learned_as_it_was() -> None:
    story = Story()
    story.ordinary_days(6)
    story.later(hours=2)
    state = story.engine.state.profile
    before = cells(state.table)
    for visit in state.past.memory:
        story.engine._profile._lived_again(visit)
        assert cells(state.table) == before


VISIT = st.lists(
    st.tuples(st.sampled_from(["door", "hall", "lamp"]), st.sampled_from(["on", "off"]), st.integers(1, 10**6)),
    min_size=1,
    max_size=12,
)


@given(st.lists(VISIT, min_size=1, max_size=4), st.integers(0, 3))
def test_whatever_a_visit_held_for_the_first_time_it_is_learned_again_as_it_was(
    visits: list[list[tuple[str, str, int]]], again: int
) -> None:
    guard, at, memory = profile(), NOON, []
    for visit in visits:
        memory.append(Remembered(0))
        for device, action, pause in visit:
            at += pause
            seen = guard.observe(device, action, at, at)
            guard.learn(seen)
            memory[-1].seen.append(seen)
    before = cells(guard.state.table)
    guard._lived_again(memory[again % len(memory)])
    assert cells(guard.state.table) == before


def test_what_faded_since_does_not_come_back_when_it_is_lived_again() -> None:
    guard, seen = profile(), []
    for minute in range(20):
        at = NOON // HALF_LIFE * HALF_LIFE + minute * MINUTE
        guard.pass_time(at)
        seen.append(guard.observe("hall", "on" if minute % 2 else "off", at, at))
        guard.learn(seen[-1])
    guard.pass_time(at + 2 * HALF_LIFE)
    before = cells(guard.state.table)
    guard._lived_again(Remembered(0, seen))
    assert cells(guard.state.table) == before


def test_what_was_held_back_is_not_unlearned_nor_learned() -> None:
    guard = profile()
    usual, odd = guard.observe("hall", "on", NOON, NOON), guard.observe("door", "on", NOON + 1, NOON + 1)
    guard.learn(usual)
    before = cells(guard.state.table)
    scored = guard._lived_again(Remembered(0, [usual, odd], [1]))
    assert cells(guard.state.table) == before
    assert sum(scored[1][0]) > 0, "it is judged like the rest"


def test_engine_marks_what_it_holds_back_in_the_remembered_visit() -> None:
    story = Story()
    story.history(weeks=2)
    story.intruder()
    visit = story.engine.state.profile.past.memory[-1]
    held = {item.observation for item in story.engine.state.profile.held}
    assert {visit.seen[place] for place in visit.held} == held != set()


def test_a_memory_that_no_longer_reaches_back_half_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.core.behaviour.past.MEMORY_LIMIT", 5 * 24)
    story = Watched()
    story.ordinary_days(14)
    state = story.profile
    assert [days for days, _ in story.relived] == [7, 14], "at seven days five are more than half, at fourteen less"
    assert (state.past.memory, state.past.remembered, state.past.relive_at) == ([], 0, 0)
    assert story.relived[1][1].visits.n <= state.evidence.visits.n, "what was counted stays"
    story.ordinary_days(20)
    assert (state.past.memory, state.past.remembered, state.past.relive_at) == ([], 0, 0)


def test_no_single_visit_is_remembered_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.core.behaviour.past.VISIT_LIMIT", 60)
    story = Story()
    for number in range(200):
        story.sees("hall motion", "on" if number % 2 else "off")
    state = story.engine.state.profile
    assert state.past.remembered == sum(len(visit.seen) for visit in state.past.memory) == 60


def test_no_more_is_remembered_than_the_limit_and_a_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.core.behaviour.past.MEMORY_LIMIT", 60)
    story = Story()
    story.ordinary_days(6)
    state = story.engine.state.profile
    assert 60 - 4 <= state.past.remembered <= 60
    assert state.past.remembered == sum(len(visit.seen) for visit in state.past.memory)
    assert all(
        one.seen[0].at < other.seen[0].at
        for one, other in zip(state.past.memory, state.past.memory[1:], strict=False)
    )
