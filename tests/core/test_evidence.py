"""What many habits and events come to: one score, in which no habit drowns the rest and small oddities add up."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.core.behaviour.calibration import Tail
from homeward.core.behaviour.evidence import ABSENT, BY_WHOM, GATHERED, PARTS, Evidence, Scored, Standing, lived
from homeward.core.behaviour.habits import HABITS, IN_COMPANY, WHEN, WHO, WHO_IS_HOME
from homeward.core.behaviour.table import WEIGHT
from homeward.core.vocabulary import COMMANDED, GUARDED, KINDS, LIVED, MEASURED

BITS = st.tuples(*(st.one_of(st.just(0), st.integers(0, 40 << 8)) for _ in HABITS))
OF_KIND = st.sampled_from(range(len(KINDS)))
STIRS = st.one_of(st.none(), st.integers(0, 20 << 8))
EVENTS = st.builds(Scored, BITS, OF_KIND, st.booleans(), st.just(""), st.integers(0, 3), STIRS)
VISIT = st.lists(EVENTS, min_size=1, max_size=5)
VISITS = st.lists(VISIT, max_size=8)


def bits(**by_habit: float) -> tuple[int, ...]:
    """The surprise of an event: bits by the name of the habit, with underscores; none of what is not named."""
    named = {name.replace("_", " "): value for name, value in by_habit.items()}
    assert named.keys() <= {habit.name for habit in HABITS}
    return tuple(int(named.get(habit.name, 0) * 256) for habit in HABITS)


def live_through(evidence: Evidence, visit: list[Scored]) -> Evidence:
    """Let a visit happen, event by event, as it does in a running guard."""
    for one in visit:
        evidence.note(one, weighed(evidence, one))
    return evidence


def weighed(evidence: Evidence, one: Scored) -> Standing:
    """Where the running visit would stand with an event more."""
    return evidence.weigh(one, evidence.rarities(one.bits, one.kind))


def end(evidence: Evidence) -> None:
    """The visit is over, and was the owner's."""
    evidence.count(*evidence.close())
    evidence.settle()


def ordinary(seed: int = 1, visits: int = 300, noisy: float = 0.0) -> Evidence:
    """The past of a home in which *when* and *how long* say little, and *in company* is noisy if told so."""
    random = Random(seed)
    past = [
        [
            Scored(
                bits(in_company=random.uniform(1, 3) + noisy * random.random(), when=random.uniform(1, 4),
                     how_soon=random.uniform(0, 5), how_long=random.expovariate(1)),
                GUARDED if place == 0 else LIVED,
            )
            for place in range(random.randint(2, 8))
        ]
        for _ in range(visits)
    ]  # fmt: skip
    return lived(past, visits // 8, 0)


SMALL = bits(in_company=2.65, when=3.5, how_soon=4.1, how_long=1.7)
"""An event in whose every habit about one of six is as high."""


# The past counted anew


@given(VISITS, st.integers(0, 400), st.integers(0, 400))
def test_a_past_lived_again_is_what_a_fresh_count_gives(visits: list[list[Scored]], days: int, epoch: int) -> None:
    found = lived(visits, days, epoch)
    counted = Evidence()
    for visit in visits:  # the bits of every event, by habit and kind
        for one in visit:
            for tail, bit in zip(counted.habits[one.kind], one.bits, strict=True):
                if not one.held:
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


@given(VISITS, st.lists(EVENTS, max_size=5))
def test_to_live_through_a_visit_in_thought_counts_nothing(visits: list[list[Scored]], visit: list[Scored]) -> None:
    evidence, alike = lived(visits, 3, 0), lived(visits, 3, 0)
    most, score, _ = evidence.live(visit)
    assert evidence == alike
    happened = live_through(evidence, visit)
    assert (happened.most, happened.score) == (most, score)


def test_no_past_is_no_evidence() -> None:
    assert lived([], 0, 0) == Evidence()
    assert weighed(Evidence(), Scored(bits(when=40), GUARDED, stir=9 << 8)).score == 0


# Each by its own tail


@given(VISITS, VISIT, EVENTS)
def test_to_weigh_an_event_changes_nothing(visits: list[list[Scored]], visit: list[Scored], event: Scored) -> None:
    evidence, alike = (live_through(lived(visits, 3, 0), visit) for _ in range(2))
    weighed(evidence, event)
    assert evidence == alike


@given(VISITS, EVENTS, st.sampled_from(range(len(HABITS))), st.integers(1, 20 << 8))
def test_more_bits_in_any_habit_never_make_an_event_less_strange(
    visits: list[list[Scored]], event: Scored, habit: int, more: int
) -> None:
    evidence = lived(visits, 3, 0)
    stranger = tuple(bit + more if number == habit else bit for number, bit in enumerate(event.bits))
    one, other = weighed(evidence, event), weighed(evidence, event._replace(bits=stranger))
    assert all(before <= after for before, after in zip(one, other, strict=True))


@given(VISITS, OF_KIND, BITS)
def test_a_habit_that_says_nothing_is_not_rare(visits: list[list[Scored]], kind: int, event: tuple[int, ...]) -> None:
    rarities = lived(visits, 3, 0).rarities(event, kind)
    assert all(rarity >= 0 for rarity in rarities)
    assert [rarity for rarity, bit in zip(rarities, event, strict=True) if not bit] == [0] * event.count(0)


def test_a_habit_that_is_always_surprised_does_not_drown_the_rest() -> None:
    """Twenty bits of a habit that often has twenty weigh less than eight of one that never has more than four."""
    evidence = ordinary(noisy=30.0)
    noise, signal = bits(in_company=20, when=2), bits(in_company=2, when=8)
    assert sum(noise) > sum(signal)
    assert evidence.rarities(noise, LIVED)[IN_COMPANY] < evidence.rarities(signal, LIVED)[WHEN]
    assert weighed(evidence, Scored(noise, LIVED)).score < weighed(evidence, Scored(signal, LIVED)).score


@pytest.mark.parametrize(("noisy", "quiet"), [*permutations(range(len(KINDS)), 2)])
def test_what_is_rare_for_one_kind_of_device_may_be_usual_for_another(quiet: int, noisy: int) -> None:
    evidence = Evidence()
    for _ in range(200):
        live_through(evidence, [Scored(bits(when=10), noisy), Scored(bits(when=2), quiet)])
        end(evidence)
    event = bits(when=10)
    assert evidence.rarities(event, noisy)[WHEN] < evidence.rarities(event, quiet)[WHEN]
    assert weighed(evidence, Scored(event, noisy)).score < weighed(evidence, Scored(event, quiet)).score


# Evidence within a visit


def test_many_small_oddities_make_one() -> None:
    evidence = ordinary()
    standings = []
    for _ in range(12):
        standings.append(weighed(evidence, Scored(SMALL, LIVED)))
        live_through(evidence, [Scored(SMALL, LIVED)])
    assert len({standing.strangeness for standing in standings}) == 1, "none is stranger than another"
    assert standings[0].score < (evidence.visits.threshold(1.0) or 0) < standings[-1].score
    assert [one.gathered for one in standings] == sorted({one.gathered for one in standings})


def test_what_is_usual_wears_evidence_down_but_never_below_nothing() -> None:
    evidence = ordinary()
    gathered = []
    for event in [SMALL] * 8 + [bits(in_company=2.5, when=3.3, how_soon=3.5, how_long=1)] * 2 + [bits(when=1.5)] * 20:
        live_through(evidence, [Scored(event, LIVED)])
        gathered.append(evidence.gathered)
    assert gathered[7] > gathered[8] > gathered[9] > gathered[-1] == 0


def test_a_visit_begins_without_evidence() -> None:
    evidence = live_through(ordinary(), [Scored(bits(when=30), LIVED, device=1, stir=9 << 8)])
    assert evidence.gathered > 0 < evidence.absent
    assert evidence.stirred == {1: 9 << 8}
    before = evidence.visits.n
    end(evidence)
    assert (evidence.gathered, evidence.absent, evidence.score, evidence.stirred) == (0, 0, 0, {})
    assert evidence.most == [0] * PARTS
    assert evidence.visits.n == before + WEIGHT


def test_who_stirs_while_nobody_is_home_is_evidence_apart() -> None:
    evidence = Evidence()
    for _ in range(100):
        live_through(evidence, [Scored(bits(when=2, who_is_home=0.5), LIVED, stir=0)])
        end(evidence)
    usual, stirs = Scored(bits(when=2), LIVED, stir=0), Scored(bits(when=2, who_is_home=6), LIVED, stir=5 << 8)
    assert weighed(evidence, stirs).absent == 5 << 8
    assert weighed(evidence, stirs).strangeness == weighed(evidence, usual).strangeness, "it is counted once"
    assert weighed(evidence, stirs).score > weighed(evidence, usual).score
    assert weighed(evidence, stirs._replace(stir=0)).score == weighed(evidence, usual).score, (
        "it is the stir that tells"
    )


def stirs(*by_device: tuple[int, int | None]) -> list[int]:
    """What the evidence that somebody is there comes to, event by event: (device, how much it speaks for it)."""
    evidence, found = Evidence(), []
    for device, stir in by_device:
        live_through(evidence, [Scored(bits(when=2), LIVED, device=device, stir=stir)])
        found.append(evidence.absent)
    return found


def test_a_device_that_stirs_again_and_again_counts_once_by_its_largest_and_devices_add_up() -> None:
    assert stirs((1, 500), (1, 500), (1, 300), (1, 700), (1, 700)) == [500, 500, 500, 700, 700]
    assert stirs((1, 500), (2, 300), (1, 600), (3, 0), (2, 300)) == [500, 800, 900, 900, 900]


def test_once_somebody_is_home_the_evidence_that_nobody_is_begins_anew() -> None:
    assert stirs((1, 500), (2, 300), (4, None), (1, 500), (2, 300)) == [500, 800, 0, 500, 800]


@given(st.lists(st.tuples(st.integers(0, 3), STIRS), max_size=20))
def test_the_evidence_of_who_stirs_is_the_sum_of_each_devices_largest_since_anybody_was_home(
    by_device: list[tuple[int, int | None]],
) -> None:
    largest: dict[int, int] = {}
    expected = []
    for device, stir in by_device:
        if stir is None:
            largest = {}
        else:
            largest[device] = max(largest.get(device, 0), stir)
        expected.append(sum(largest.values()))
    assert stirs(*by_device) == expected


def test_the_most_that_anybody_stirred_stays_with_the_visit_when_somebody_comes_home() -> None:
    evidence = live_through(Evidence(), [Scored(bits(), LIVED, stir=500), Scored(bits(), GUARDED)])
    assert (evidence.absent, evidence.most[ABSENT]) == (0, 500)


def test_a_visit_is_what_its_highest_event_is() -> None:
    evidence = ordinary()
    live_through(evidence, [Scored(bits(when=20), GUARDED), Scored(bits(when=2), LIVED)])
    assert evidence.most[GUARDED] > evidence.most[LIVED] > evidence.most[COMMANDED] == evidence.most[MEASURED] == 0
    assert evidence.score >= evidence.parts[GUARDED].rarity(evidence.most[GUARDED])
    assert evidence.most[ABSENT] == evidence.most[BY_WHOM] == 0 < evidence.most[GATHERED]


def test_what_was_held_back_does_not_tell_how_rare_bits_are() -> None:
    """Or the burglar's hour would be half as rare the next time."""
    evidence, alike = ordinary(), ordinary()
    live_through(evidence, [Scored(bits(when=30), GUARDED, held=True)])
    assert evidence.habits == alike.habits
    assert evidence.score > 0


@given(VISITS, VISIT)
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


@given(VISITS, VISIT)
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
        live_through(evidence, [Scored(surprise, LIVED)])
        end(evidence)
    assert evidence.habits[LIVED][habit].n == 100 * WEIGHT
    assert evidence.rarities(tuple(2 << 8 for _ in HABITS), LIVED)[habit] > 4 << 8


def test_every_habit_has_a_tail_for_each_kind_of_device() -> None:
    evidence = Evidence()
    assert [len(tails) for tails in evidence.habits] == [len(HABITS)] * len(KINDS)
    assert len(evidence.parts) == PARTS == len(KINDS) + len({GATHERED, ABSENT, BY_WHOM})
    assert all(isinstance(tail, Tail) for tail in evidence.tails())
    assert len(evidence.tails()) == len(KINDS) * len(HABITS) + PARTS + 2
