"""Visits that the owner was asked about: they count after "yes", never after "no", and in the end by their score."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.behaviour.calibration import MIN_DAYS
from homeward.core.behaviour.evidence import Evidence, Scored, Standing
from homeward.core.behaviour.habits import HABITS
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.past import ACTIVE_DAY, DAY, HELD_DAYS, QUESTIONED_LIMIT, Past
from homeward.core.behaviour.table import WEIGHT
from homeward.core.vocabulary import GUARDED, LIVED

SCORE = 5_000
THRESHOLD = SCORE
END = 100 * DAY


def moment(device: str = "door", *, at: int = END, guarded: bool = True) -> Observation:
    return Observation(device, "on", at, GUARDED if guarded else LIVED, (), (), 0, "", -1, -1)


def visit(past: Past, evidence: Evidence, *incidents: str, ended: int = END, guarded: bool = True) -> bool:
    """A visit of one event for each incident that the owner is asked about ("" for none), and its end."""
    for incident in incidents:
        happen(past, evidence, incident, guarded=guarded)
    return past.end(evidence, ended, THRESHOLD)


def happen(past: Past, evidence: Evidence, incident: str, *, guarded: bool = True) -> None:
    seen = moment(guarded=guarded)
    past.note(seen, 0)
    standing = Standing(700, 600, 500, 400, SCORE)
    evidence.note(Scored((0,) * len(HABITS), seen.kind, bool(incident)), standing)
    if incident:
        past.hold(seen, incident)


def counted(evidence: Evidence) -> tuple[int, int]:
    """How many visits say what the parts, and what the score, of a visit usually are."""
    assert len({part.n for part in evidence.parts}) == 1
    return evidence.parts[0].n // WEIGHT, evidence.visits.n // WEIGHT


def test_a_visit_about_which_nobody_was_asked_counts_when_it_ends() -> None:
    past, evidence = Past(), Evidence()
    assert not visit(past, evidence, "")
    assert counted(evidence) == (1, 1)
    assert past.questioned == []


def test_with_a_guarded_device_held_back_it_counts_once_the_owner_says_yes_and_once_only() -> None:
    past, evidence = Past(), Evidence()
    assert visit(past, evidence, "i1", "i2"), "something was held back in it"
    assert counted(evidence) == (0, 0)
    past.confirm("i3", evidence)
    assert counted(evidence) == (0, 0), "an answer to something else"
    past.confirm("i1", evidence)
    assert counted(evidence) == (1, 1)
    assert evidence.visits.counts == {SCORE >> 6: WEIGHT}
    assert evidence.visits.rarities, "it is judged by at once"
    past.confirm("i2", evidence)
    visit(past, evidence, "", ended=END + 31 * DAY)
    assert counted(evidence) == (2, 2)


def test_after_no_it_never_counts() -> None:
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1")
    past.deny("i1", evidence)
    past.confirm("i1", evidence)
    for days in range(1, 40):
        visit(past, evidence, "", ended=END + days * DAY)
    assert counted(evidence) == (39, 39)
    assert (len(past.memory), past.remembered) == (39, 39), "nor is it lived again"


def test_after_thirty_days_without_an_answer_its_score_counts_and_its_parts_never_do() -> None:
    """Or no budget could be kept for an owner who never answers."""
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1")
    visit(past, evidence, "", ended=END + HELD_DAYS * DAY)
    assert counted(evidence) == (1, 1)
    visit(past, evidence, "", ended=END + HELD_DAYS * DAY + 1)
    assert counted(evidence) == (2, 3)
    past.confirm("i1", evidence)
    past.deny("i1", evidence)
    assert counted(evidence) == (2, 3), "an answer that comes too late changes nothing"


@pytest.mark.parametrize(
    ("threshold", "counts_as"), [(SCORE - 3_000, SCORE - 3_000 + 256), (SCORE - 256, SCORE), (SCORE + 1, SCORE)]
)
def test_what_nobody_answered_raises_the_bar_to_a_bit_above_the_threshold_at_most(
    threshold: int, counts_as: int
) -> None:
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1")
    past.note(moment(), 0)
    past.end(evidence, END + HELD_DAYS * DAY + 1, threshold)
    assert evidence.visits.counts == {0: WEIGHT, counts_as >> 6: WEIGHT}


def test_what_the_owner_said_yes_to_counts_for_what_it_was() -> None:
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1")
    past.confirm("i1", evidence)
    past.note(moment(), 0)
    past.end(evidence, END + HELD_DAYS * DAY + 1, 0)
    assert evidence.visits.counts == {0: WEIGHT, SCORE >> 6: WEIGHT}


def test_what_nobody_answered_is_never_lived_again() -> None:
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1")
    visit(past, evidence, "i2", guarded=False)
    visit(past, evidence, "", ended=END + HELD_DAYS * DAY + 1)
    assert [one.incidents for one in past.memory] == [["i2"], []]
    assert past.remembered == 2


def test_what_is_harmless_counts_at_once_and_no_longer_after_no() -> None:
    past, evidence = Past(), Evidence()
    visit(past, evidence, "i1", guarded=False)
    visit(past, evidence, "i2", guarded=False)
    assert counted(evidence) == (2, 2)
    past.confirm("i1", evidence)
    assert counted(evidence) == (2, 2), "yes does not count it twice"
    past.deny("i2", evidence)
    assert counted(evidence) == (1, 1)
    visit(past, evidence, "", ended=END + 31 * DAY)
    assert counted(evidence) == (2, 2)


@pytest.mark.parametrize(("answer", "counts"), [("yes", 1), ("no", 0)])
def test_an_answer_while_the_visit_lasts_settles_it_when_it_ends(answer: str, counts: int) -> None:
    past, evidence = Past(), Evidence()
    happen(past, evidence, "i1")
    (past.confirm if answer == "yes" else past.deny)("i1", evidence)
    assert counted(evidence) == (0, 0), "it is not over"
    past.end(evidence, END, THRESHOLD)
    assert counted(evidence) == (counts, counts)
    assert (len(past.memory), past.remembered) == (counts, counts)
    visit(past, evidence, "", ended=END + 31 * DAY)
    assert counted(evidence) == (counts + 1, counts + 1)


def test_what_is_held_after_yes_in_the_same_visit_needs_an_answer_of_its_own() -> None:
    past, evidence = Past(), Evidence()
    happen(past, evidence, "i1")
    past.confirm("i1", evidence)
    happen(past, evidence, "i2")
    past.end(evidence, END, THRESHOLD)
    assert counted(evidence) == (0, 0)


def test_at_most_64_are_kept_and_the_score_of_the_oldest_counts() -> None:
    past, evidence = Past(), Evidence()
    for number in range(QUESTIONED_LIMIT):
        visit(past, evidence, f"i{number}")
    assert counted(evidence) == (0, 0)
    visit(past, evidence, "i64")
    assert [one.incidents for one in past.questioned] == [[f"i{number}"] for number in range(1, 65)]
    assert counted(evidence) == (0, 1)


@pytest.mark.parametrize(("answer", "again"), [("", [""]), ("yes", ["", "i1"]), ("no", [""])])
def test_a_visit_is_lived_again_only_once_the_owner_said_yes(answer: str, again: list[str]) -> None:
    past, evidence = Past(), Evidence()
    for day in range(MIN_DAYS):
        for _ in range(ACTIVE_DAY):
            past.note(moment(), day)
        past.end(evidence, END, THRESHOLD)
    visit(past, evidence, "i1")
    if answer:
        (past.confirm if answer == "yes" else past.deny)("i1", evidence)
    found = past.to_live_again(MIN_DAYS)
    assert found is not None
    visits, days = found
    assert (sorted({"".join(one.incidents) for one in visits}), days) == (again, MIN_DAYS)


def test_what_nobody_was_asked_about_is_marked_as_held_and_questions_nothing() -> None:
    past, evidence = Past(), Evidence()
    seen = moment()
    past.note(seen, 0)
    past.hold(seen, "")
    assert (past.memory[0].held, past.memory[0].asked, past.memory[0].incidents) == ([0], [], [])
    assert not past.end(evidence, END, THRESHOLD)
    assert past.questioned == []
    assert counted(evidence) == (1, 1)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["note", "hold", "end", "yes", "no", "again"]),
        st.sampled_from(["i1", "i2", "i3", ""]),
        st.booleans(),
        st.integers(0, 20),
    ),
    max_size=25,
)


def carry_out(past: Past, evidence: Evidence, operations: list[tuple[str, str, bool, int]], at: int = END) -> None:
    for what, incident, guarded, days in operations:
        at += days * DAY
        seen = moment(at=at, guarded=guarded)
        match what:
            case "note":
                past.note(seen, at // DAY)
            case "hold":
                past.note(seen, at // DAY)
                past.hold(seen, incident)
            case "end" if past.running:
                past.end(evidence, at, THRESHOLD)
            case "yes":
                past.confirm(incident, evidence)
            case "no":
                past.deny(incident, evidence)
            case "again" if not past.running:
                past.to_live_again(MIN_DAYS)


@given(OPERATIONS, OPERATIONS)
def test_a_fork_goes_on_as_it_would_and_never_touches_it(
    before: list[tuple[str, str, bool, int]], after: list[tuple[str, str, bool, int]]
) -> None:
    past, evidence = Past(), Evidence()
    carry_out(past, evidence, before)
    twin, alike = past.fork(), deepcopy(past)
    carry_out(twin, evidence.fork(), after, END + 500 * DAY)
    assert past == alike
    carry_out(past, evidence, after, END + 500 * DAY)
    assert past == twin
    assert past.remembered == sum(len(one.seen) for one in past.memory)


@given(OPERATIONS)
def test_whatever_is_answered_no_visit_counts_less_than_not_at_all(
    operations: list[tuple[str, str, bool, int]],
) -> None:
    past, evidence = Past(), Evidence()
    carry_out(past, evidence, operations)
    ends = sum(what == "end" for what, *_ in operations)
    parts, scores = counted(evidence)
    assert 0 <= parts <= scores <= ends
    assert len(past.questioned) <= ends
