"""Credit that arrives late: a choice waits for its answer, for an act that is taken back, or for silence."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import START

from homeward.core.decision.credit import PENDING_LIMIT, SILENCE, Credit
from homeward.core.decision.policy import Choice, Evidence
from homeward.core.decision.reward import Verdict

ODD = Evidence(above=1_000, rule=False, guarded=False)
WORSE = Evidence(above=4_000, rule=False, guarded=False)
ASK = Choice(rung="ask", propensity=1.0, options=("record", "notify", "ask"))
MINUTE = timedelta(minutes=1)


def test_an_answer_settles_the_choice_once() -> None:
    credit = Credit()
    credit.chosen("i1", ODD, ASK, START)
    settled = credit.settle("i1", Verdict(answer="yes"))
    assert settled is not None
    pending, verdict = settled
    assert (pending.evidence, pending.choice, verdict) == (ODD, ASK, Verdict(answer="yes"))
    assert credit.settle("i1", Verdict(answer="yes")) is None
    assert credit.settle("i2", Verdict(answer="yes")) is None


def test_what_was_taken_back_is_remembered_until_the_answer() -> None:
    credit = Credit()
    credit.chosen("i1", ODD, ASK, START)
    credit.undone("i1")
    credit.undone("unknown")
    settled = credit.settle("i1", Verdict(answer="yes"))
    assert settled is not None
    assert settled[1] == Verdict(answer="yes", undone=True)


def test_silence_is_over_after_a_day_and_not_before() -> None:
    credit = Credit()
    credit.chosen("i1", ODD, ASK, START)
    credit.chosen("i2", ODD, ASK, START + MINUTE)
    credit.undone("i2")
    assert credit.next_deadline() == START + SILENCE
    assert credit.silent(START + SILENCE - MINUTE) == []
    assert [(name, verdict) for name, _, verdict in credit.silent(START + SILENCE)] == [("i1", Verdict())]
    assert [(name, verdict) for name, _, verdict in credit.silent(START + SILENCE + MINUTE)] == [
        ("i2", Verdict(undone=True))
    ]
    assert credit.next_deadline() is None


def test_a_later_choice_about_an_incident_takes_the_place_of_the_earlier_one_and_waits_anew() -> None:
    credit = Credit()
    credit.chosen("i1", ODD, ASK, START)
    credit.chosen("i1", WORSE, ASK, START + MINUTE)
    assert [one.evidence for one in credit.pending.values()] == [WORSE]
    assert credit.next_deadline() == START + MINUTE + SILENCE


def test_of_too_many_the_oldest_is_let_go() -> None:
    credit = Credit()
    for number in range(PENDING_LIMIT + 10):
        credit.chosen(f"i{number}", ODD, ASK, START)
    assert len(credit.pending) == PENDING_LIMIT
    assert "i9" not in credit.pending
    assert "i10" in credit.pending


steps = st.lists(
    st.tuples(st.sampled_from(["chosen", "undone", "settle", "silent"]), st.integers(0, 5), st.integers(0, 40)),
    max_size=40,
)


@given(steps)
def test_every_choice_is_settled_once_at_most_and_a_fork_leaves_the_first_alone(
    story: list[tuple[str, int, int]],
) -> None:
    credit, now = Credit(), START
    chosen = settled = 0
    for what, which, hours in story:
        now += timedelta(hours=hours)
        before, fork = msgspec.msgpack.encode(credit), credit.fork()
        fork.undone(f"i{which}")
        fork.chosen("another", ODD, ASK, now)
        assert msgspec.msgpack.encode(credit) == before
        match what:
            case "chosen":
                settled += f"i{which}" in credit.pending
                credit.chosen(f"i{which}", ODD, ASK, now)
                chosen += 1
            case "undone":
                credit.undone(f"i{which}")
            case "settle":
                settled += credit.settle(f"i{which}", Verdict(answer="no")) is not None
            case _:
                settled += len(credit.silent(now))
                assert all(now < one.at + SILENCE for one in credit.pending.values())
    assert chosen == settled + len(credit.pending)
