"""What many habits and events come to: one score, in which no habit drowns the rest and small oddities add up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.core.behaviour.calibration import Tail
from homeward.core.behaviour.evidence import ABSENT, GATHERED, GUARDED, REST, Evidence, Scored, lived
from homeward.core.behaviour.habits import HABITS, WHAT_NEXT, WHEN, WHO, WHO_IS_HOME
from homeward.core.behaviour.table import WEIGHT

BITS = st.tuples(*(st.one_of(st.just(0), st.integers(0, 40 << 8)) for _ in HABITS))
VISITS = st.lists(
    st.lists(st.builds(Scored, BITS, st.booleans(), st.booleans(), st.just("")), min_size=1, max_size=5), max_size=8
)


def bits(**by_habit: float) -> tuple[int, ...]:
    """The surprise of an event: bits by the name of the habit, with underscores; none of what is not named."""
    named = {name.replace("_", " "): value for name, value in by_habit.items()}
    assert named.keys() <= {habit.name for habit in HABITS}
    return tuple(int(named.get(habit.name, 0) * 256) for habit in HABITS)


def live_through(evidence: Evidence, visit: list[Scored]) -> Evidence:
    """Let a visit happen, event by event, as it does in a running guard."""
    for one in visit:
        evidence.note(one, evidence.weigh(one.bits, evidence.rarities(one.bits, one.guarded), one.guarded))
    return evidence


def end(evidence: Evidence) -> None:
    """The visit is over, and was the owner's."""
    evidence.count(*evidence.close())
    evidence.settle()


def ordinary(seed: int = 1, visits: int = 300, noisy: float = 0.0) -> Evidence:
    """The past of a home in which *when* and *how long* say little, and *what next* is noisy if told so."""
    random = Random(seed)
    past = [
        [
            Scored(
                bits(what_next=random.uniform(1, 3) + noisy * random.random(), when=random.uniform(1, 4),
                     how_soon=random.uniform(0, 5), how_long=random.expovariate(1)),
                place == 0,
            )
            for place in range(random.randint(2, 8))
        ]
        for _ in range(visits)
    ]  # fmt: skip
    return lived(past, visits // 8, 0)


SMALL = bits(what_next=2.65, when=3.5, how_soon=4.1, how_long=1.7)
"""An event in whose every habit about one of six is as high."""


# The past counted anew


@given(VISITS, st.integers(0, 400), st.integers(0, 400))
def test_a_past_lived_again_is_what_a_fresh_count_gives(visits: list[list[Scored]], days: int, epoch: int) -> None:
    found = lived(visits, days, epoch)
    counted = Evidence()
    for visit in visits:  # the bits of every event, by habit and kind
        for surprise, guarded, held, _ in visit:
            for tail, bit in zip(counted.habits[guarded], surprise, strict=True):
                if not held:
                    tail.add(bit)
    counted.settle()
    parts = [live_through(counted.fork(), visit).most for visit in visits]
    for most in parts:  # then what they come to, by the parts of a visit
        for part, value in zip(counted.parts, most, strict=True):
            part.add(value)
    counted.settle()
    for visit in visits:  # then the visits
        counted.visits.add(live_through(counted.fork(), visit).score)
    counted.visits.add_day(days)
    counted.settle()
    counted.fade(0)
    for tail in counted.tails():
        tail.epoch = epoch
    assert found == counted


@given(VISITS, st.lists(st.builds(Scored, BITS, st.booleans(), st.booleans(), st.just("")), max_size=5))
def test_to_live_through_a_visit_in_thought_counts_nothing(visits: list[list[Scored]], visit: list[Scored]) -> None:
    evidence, alike = lived(visits, 3, 0), lived(visits, 3, 0)
    most, score, _ = evidence.live(visit)
    assert evidence == alike
    happened = live_through(evidence, visit)
    assert (happened.most, happened.score) == (most, score)


def test_no_past_is_no_evidence() -> None:
    assert lived([], 0, 0) == Evidence()
    assert Evidence().weigh(bits(when=40), (0,) * len(HABITS), True).score == 0


# Each by its own tail


@given(VISITS, BITS, st.booleans())
def test_to_weigh_an_event_changes_nothing(visits: list[list[Scored]], event: tuple[int, ...], guarded: bool) -> None:
    evidence, alike = lived(visits, 3, 0), lived(visits, 3, 0)
    evidence.weigh(event, evidence.rarities(event, guarded), guarded)
    assert evidence == alike


@given(VISITS, BITS, st.booleans(), st.sampled_from(range(len(HABITS))), st.integers(1, 20 << 8))
def test_more_bits_in_any_habit_never_make_an_event_less_strange(
    visits: list[list[Scored]], event: tuple[int, ...], guarded: bool, habit: int, more: int
) -> None:
    evidence = lived(visits, 3, 0)
    stranger = tuple(bit + more if number == habit else bit for number, bit in enumerate(event))
    one = evidence.weigh(event, evidence.rarities(event, guarded), guarded)
    other = evidence.weigh(stranger, evidence.rarities(stranger, guarded), guarded)
    assert all(before <= after for before, after in zip(one, other, strict=True))


@given(VISITS, st.booleans(), BITS)
def test_a_habit_that_says_nothing_is_not_rare(
    visits: list[list[Scored]], guarded: bool, event: tuple[int, ...]
) -> None:
    rarities = lived(visits, 3, 0).rarities(event, guarded)
    assert all(rarity >= 0 for rarity in rarities)
    assert [rarity for rarity, bit in zip(rarities, event, strict=True) if not bit] == [0] * event.count(0)


def test_a_habit_that_is_always_surprised_does_not_drown_the_rest() -> None:
    """Twenty bits of a habit that often has twenty weigh less than eight of one that never has more than four."""
    evidence = ordinary(noisy=30.0)
    noise, signal = bits(what_next=20, when=2), bits(what_next=2, when=8)
    assert sum(noise) > sum(signal)
    of_noise, of_signal = evidence.rarities(noise, False), evidence.rarities(signal, False)
    assert of_noise[WHAT_NEXT] < of_signal[WHEN]
    assert evidence.weigh(noise, of_noise, False).score < evidence.weigh(signal, of_signal, False).score


def test_what_is_rare_for_a_door_may_be_usual_for_the_rest() -> None:
    evidence = Evidence()
    for _ in range(200):
        live_through(evidence, [Scored(bits(when=10), False), Scored(bits(when=2), True)])
        end(evidence)
    event = bits(when=10)
    assert evidence.rarities(event, False)[WHEN] < evidence.rarities(event, True)[WHEN]


# Evidence within a visit


def test_many_small_oddities_make_one() -> None:
    evidence = ordinary()
    standings = []
    for _ in range(12):
        standing = evidence.weigh(SMALL, evidence.rarities(SMALL, False), False)
        evidence.note(Scored(SMALL, False), standing)
        standings.append(standing)
    assert len({standing.strangeness for standing in standings}) == 1, "none is stranger than another"
    assert standings[0].score < (evidence.visits.threshold(1.0) or 0) < standings[-1].score
    assert [one.gathered for one in standings] == sorted({one.gathered for one in standings})


def test_what_is_usual_wears_evidence_down_but_never_below_nothing() -> None:
    evidence = ordinary()
    gathered = []
    for event in [SMALL] * 8 + [bits(what_next=2.5, when=3.3, how_soon=3.5, how_long=1)] * 2 + [bits(when=1.5)] * 20:
        live_through(evidence, [Scored(event, False)])
        gathered.append(evidence.gathered)
    assert gathered[7] > gathered[8] > gathered[9] > gathered[-1] == 0


def test_a_visit_begins_without_evidence() -> None:
    evidence = live_through(ordinary(), [Scored(bits(when=30, who_is_home=9), False)])
    assert evidence.gathered > 0 < evidence.absent
    before = evidence.visits.n
    end(evidence)
    assert (evidence.gathered, evidence.absent, evidence.score) == (0, 0, 0)
    assert set(evidence.most) == {0}
    assert evidence.visits.n == before + WEIGHT


def test_who_stirs_while_nobody_is_home_is_evidence_apart_and_doors_say_nothing_about_it() -> None:
    evidence = Evidence()
    for _ in range(100):
        live_through(
            evidence, [Scored(bits(when=2, who_is_home=0.5), False), Scored(bits(when=2, who_is_home=0.5), True)]
        )
        end(evidence)
    event = bits(when=2, who_is_home=6)
    of_rest = evidence.weigh(event, evidence.rarities(event, False), False)
    of_door = evidence.weigh(event, evidence.rarities(event, True), True)
    usual = evidence.weigh(bits(when=2), evidence.rarities(bits(when=2), False), False)
    assert of_rest.absent > 0 == of_door.absent
    assert of_rest.strangeness == usual.strangeness, "it is counted once"
    assert of_rest.score > usual.score


def test_a_visit_is_what_its_highest_event_is() -> None:
    evidence = ordinary()
    live_through(evidence, [Scored(bits(when=20), True), Scored(bits(when=2), False)])
    assert evidence.most[GUARDED] > evidence.most[REST]
    assert evidence.score >= evidence.parts[GUARDED].rarity(evidence.most[GUARDED])
    assert evidence.most[ABSENT] == 0 < evidence.most[GATHERED]


def test_what_was_held_back_does_not_tell_how_rare_bits_are() -> None:
    """Or the burglar's hour would be half as rare the next time."""
    evidence, alike = ordinary(), ordinary()
    live_through(evidence, [Scored(bits(when=30), True, held=True)])
    assert evidence.habits == alike.habits
    assert evidence.score > 0


@given(VISITS, st.lists(st.builds(Scored, BITS, st.booleans(), st.booleans(), st.just("")), min_size=1, max_size=5))
def test_a_visit_that_was_not_the_owners_can_be_taken_back(visits: list[list[Scored]], visit: list[Scored]) -> None:
    evidence = lived(visits, 3, 0)
    live_through(evidence, visit)
    before = [dict(tail.counts) for tail in evidence.tails()]
    ended = evidence.close()
    evidence.count(*ended)
    evidence.discount(*ended)
    assert [tail.counts for tail in evidence.tails()] == before
    assert all(tail.n == sum(tail.counts.values()) for tail in evidence.tails())


# What if


@given(VISITS, st.lists(st.builds(Scored, BITS, st.booleans(), st.booleans(), st.just("")), min_size=1, max_size=5))
@settings(max_examples=40)
def test_a_fork_goes_on_as_it_would_and_never_touches_it(visits: list[list[Scored]], visit: list[Scored]) -> None:
    evidence, alike = lived(visits, 3, 0), lived(visits, 3, 0)
    twin = live_through(evidence.fork(), visit)
    end(twin)
    twin.fade(2)
    assert evidence == alike
    live_through(evidence, visit)
    end(evidence)
    evidence.fade(2)
    assert twin == evidence


@pytest.mark.parametrize("habit", [WHO, WHO_IS_HOME])
def test_a_habit_counts_also_where_it_says_nothing(habit: int) -> None:
    """In a home where hardly anybody is named, a name is news."""
    evidence = Evidence()
    for number in range(100):
        surprise = tuple(2 << 8 if name == habit and number % 50 == 0 else 0 for name in range(len(HABITS)))
        live_through(evidence, [Scored(surprise, False)])
        end(evidence)
    assert evidence.habits[REST][habit].n == 100 * WEIGHT
    assert evidence.rarities(tuple(2 << 8 for _ in HABITS), False)[habit] > 4 << 8


def test_every_habit_has_a_tail_for_each_kind_of_device() -> None:
    evidence = Evidence()
    assert [len(tails) for tails in evidence.habits] == [len(HABITS), len(HABITS)]
    assert all(isinstance(tail, Tail) for tail in evidence.tails())
    assert len(evidence.tails()) == 2 * len(HABITS) + len(evidence.parts) + 1
