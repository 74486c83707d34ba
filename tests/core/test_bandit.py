"""The bandit: it learns what an owner minds, and is never far from the ladder."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.decision.bandit import CREDIT, MARGIN, MOST, Bandit, BanditState
from homeward.core.decision.ladder import ACTS, LADDER, STEPS, Rung
from homeward.core.decision.policy import Choice, Evidence, Ladder
from homeward.core.decision.reward import DAMAGE, SILENCE, Verdict, cost

LOCK: tuple[Rung, ...] = ("record", "notify", "ask", "undo", "command")
SENSOR: tuple[Rung, ...] = ("record", "notify", "ask")
WEAK: tuple[Rung, ...] = ("record", "notify")

flags = st.booleans()
evidences = st.builds(
    Evidence, above=st.integers(0, 16 << 8), rule=flags, guarded=flags, away=flags, night=flags,
    kind=st.sampled_from(["unusual", "rule", "silent", "network"]),
)  # fmt: skip
options = st.sets(st.sampled_from([step.rung for step in LADDER]), min_size=1).map(
    lambda chosen: tuple(step.rung for step in LADDER if step.rung in chosen or step.rung == "record")
)
verdicts = st.builds(Verdict, answer=st.sampled_from(["yes", "no", None]), undone=flags, too_much=flags)
draws = st.floats(0, 1, exclude_max=True)
lives = st.lists(st.tuples(evidences, options, draws, verdicts), max_size=60)


def odd(above: float = 3.0, *, guarded: bool = False, rule: bool = False, night: bool = False) -> Evidence:
    return Evidence(above=round(256 * above), rule=rule, guarded=guarded, night=night)


def live(bandit: Bandit, life: Sequence[tuple[Evidence, tuple[Rung, ...], float, Verdict]]) -> list[Choice]:
    """Choices in order; each verdict comes three decisions late, the last ones after all."""
    waiting, choices = [], []
    for evidence, rungs, draw, verdict in life:
        choices.append(bandit.choose(evidence, rungs, draw))
        waiting.append((evidence, choices[-1], verdict))
        if len(waiting) > 3:
            bandit.learn(*waiting.pop(0))
    for late in reversed(waiting):
        bandit.learn(*late)
    return choices


def answered(
    times: int, rung: Rung, rungs: tuple[Rung, ...], evidence: Evidence, verdict: Verdict, bandit: Bandit
) -> None:
    for _ in range(times):
        bandit.learn(evidence, Choice(rung=rung, propensity=1.0, options=rungs), verdict)


# What holds whatever comes ------------------------------------------------------------------------------------------


@given(lives, evidences, options)
def test_probabilities_add_up_and_name_only_what_is_offered(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]], evidence: Evidence, rungs: tuple[Rung, ...]
) -> None:
    bandit = Bandit()
    live(bandit, life)
    chances = bandit.chances(evidence, rungs)
    assert set(chances) <= set(rungs)
    assert sum(chances.values()) == pytest.approx(1)
    assert all(0 < chance <= 1 + 1e-9 or rung == base(evidence, rungs) for rung, chance in chances.items())


def base(evidence: Evidence, rungs: tuple[Rung, ...]) -> Rung:
    return Ladder().choose(evidence, rungs, 0.0).rung


@given(lives, evidences, options, draws)
def test_the_probability_that_is_told_is_the_one_with_which_it_was_drawn(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]],
    evidence: Evidence,
    rungs: tuple[Rung, ...],
    draw: float,
) -> None:
    bandit = Bandit()
    live(bandit, life)
    chances = bandit.chances(evidence, rungs)
    choice = bandit.choose(evidence, rungs, draw)
    assert choice.propensity == chances[choice.rung]
    assert choice.options == rungs
    below = sum(chance for rung, chance in chances.items() if rungs.index(rung) < rungs.index(choice.rung))
    assert below - 1e-9 <= draw <= below + choice.propensity + 1e-9


@given(lives)
def test_it_is_never_expected_to_cost_or_let_through_more_than_the_margin(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]],
) -> None:
    """For any owner, any order of incidents, and any answers: the accounts are never overdrawn."""
    bandit = Bandit()
    for step in range(len(life)):
        live(bandit, life[step : step + 1])
        state = bandit.state
        assert state.allowed - CREDIT - 1e-9 <= state.spent <= state.allowed + 1e-9
        assert state.let_allowed - CREDIT / DAMAGE - 1e-9 <= state.let <= state.let_allowed + 1e-9
        assert state.allowed <= MARGIN * (step + 1) * (1 + DAMAGE)


@given(lives, evidences, options)
def test_no_answer_turns_an_act_into_a_message_or_a_message_into_nothing(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]], evidence: Evidence, rungs: tuple[Rung, ...]
) -> None:
    bandit = Bandit()
    live(bandit, life)
    wanted = base(evidence, rungs)
    for rung in bandit.chances(evidence, rungs):
        assert (rung in ACTS) == (wanted in ACTS)
        assert (rung in {"record", "escalate"}) <= (rung == wanted)
        if evidence.guarded:
            assert STEPS[rung].stops >= STEPS[wanted].stops
        if evidence.rule:
            assert rung == wanted


@given(lives)
def test_the_same_life_gives_the_same_choices_and_a_fork_goes_its_own_way(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]],
) -> None:
    one, other = Bandit(), Bandit()
    assert live(one, life) == live(other, life)
    assert one.state == other.state
    fork = one.state.fork()
    live(one, [(odd(), SENSOR, 0.5, Verdict("yes", too_much=True))] * 5)
    assert fork == other.state
    assert one.state != fork


@given(lives)
def test_what_was_learned_is_plain_values_that_can_be_kept(
    life: list[tuple[Evidence, tuple[Rung, ...], float, Verdict]],
) -> None:
    bandit = Bandit()
    live(bandit, life)
    kept = msgspec.msgpack.encode(bandit.state)
    again = msgspec.msgpack.decode(kept, type=BanditState)
    assert again == bandit.state
    evidence = odd()
    assert Bandit(again).chances(evidence, SENSOR) == bandit.chances(evidence, SENSOR)


def test_what_was_learned_is_bounded() -> None:
    bandit = Bandit()
    for number in range(2000):
        evidence = Evidence(
            above=number << 4,
            rule=number % 7 == 0,
            guarded=number % 2 == 0,
            away=number % 3 == 0,
            night=number % 5 == 0,
        )
        rung = LADDER[number % len(LADDER)].rung
        choice = Choice(rung=rung, propensity=1.0, options=(rung,))
        bandit.learn(evidence, choice, Verdict("yes", too_much=number % 4 == 0))
    assert len(bandit.state.minds) <= 5 * len(LADDER)
    assert len(bandit.state.real) <= 64
    counts = [weight for weight, _ in [*bandit.state.minds.values(), *bandit.state.real.values()]]
    assert max(counts) <= MOST + 1
    assert len(msgspec.msgpack.encode(bandit.state)) < 8192


# What it learns -----------------------------------------------------------------------------------------------------


def test_before_any_answer_it_does_nearly_always_what_the_ladder_does() -> None:
    bandit = Bandit()
    assert bandit.chances(odd(), SENSOR) == {"ask": 1.0}
    assert bandit.chances(odd(guarded=True), LOCK)["command"] > 0.9


def test_an_owner_who_hates_questions_is_told_instead() -> None:
    bandit = Bandit()
    answered(20, "ask", SENSOR, odd(), Verdict("yes", too_much=True), bandit)
    answered(20, "notify", WEAK, odd(1), Verdict("yes"), bandit)
    live(bandit, [(odd(1), WEAK, 0.5, Verdict())] * 200)  # what lets more through has to be earned first
    assert bandit.chances(odd(), SENSOR)["notify"] > 0.9
    assert bandit.chances(odd(guarded=True), SENSOR) == {"ask": 1.0}
    assert bandit.chances(odd(rule=True), SENSOR) == {"ask": 1.0}


def test_an_owner_who_hates_the_siren_has_the_door_locked_again_without_it() -> None:
    bandit = Bandit()
    answered(25, "command", LOCK, odd(guarded=True), Verdict("yes", undone=True), bandit)
    assert bandit.chances(odd(guarded=True), LOCK)["undo"] > 0.9
    answered(120, "undo", LOCK, odd(guarded=True), Verdict("yes", too_much=True), bandit)
    answered(120, "command", LOCK, odd(guarded=True), Verdict("yes"), bandit)
    assert bandit.chances(odd(guarded=True), LOCK)["command"] > 0.9  # they changed their mind


def test_nights_are_learned_apart() -> None:
    bandit = Bandit()
    answered(60, "ask", SENSOR, odd(night=True), Verdict("yes", too_much=True), bandit)
    answered(60, "ask", SENSOR, odd(), Verdict("yes"), bandit)
    assert bandit.minds("ask", odd(night=True))[0] > 0.8
    assert bandit.minds("ask", odd())[0] < 0.2


def test_one_answer_moves_little() -> None:
    bandit = Bandit()
    before = bandit.minds("command", odd())[0]
    answered(1, "command", LOCK, odd(), Verdict("yes", too_much=True), bandit)
    assert bandit.minds("command", odd())[0] - before < 0.15


def test_yes_to_everything_makes_nothing_of_a_guarded_device_less_suspect() -> None:
    bandit = Bandit()
    before = bandit.believed_real(odd(guarded=True)), bandit.believed_real(odd())
    for evidence in (odd(guarded=True), odd()):
        answered(500, "ask", SENSOR, evidence, Verdict("yes"), bandit)
    assert bandit.believed_real(odd(guarded=True)) == before[0]
    assert bandit.believed_real(odd()) == before[1] / 4
    answered(20, "ask", SENSOR, odd(guarded=True), Verdict("no"), bandit)
    assert bandit.believed_real(odd(guarded=True)) > before[0]


def test_silence_teaches_little_and_a_frozen_one_learns_nothing() -> None:
    bandit = Bandit()
    answered(10, "ask", SENSOR, odd(), Verdict(), bandit)
    assert STEPS["ask"].intrusiveness * SILENCE < bandit.minds("ask", odd())[0] < STEPS["ask"].intrusiveness
    assert bandit.state.answers == 0
    frozen = Bandit(bandit.state.fork(), frozen=True)
    answered(10, "ask", SENSOR, odd(), Verdict("yes"), frozen)
    frozen.choose(odd(), SENSOR, 0.5)
    assert frozen.state == bandit.state


# What an answer says about a choice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "verdict", "costs"),
    [
        ("ask", Verdict("yes"), 0.0),
        ("ask", Verdict("yes", too_much=True), 1.0),
        ("undo", Verdict(None, undone=True), 1.0),
        ("undo", Verdict("no", undone=True), (1 - 0.80) * DAMAGE),
        ("notify", Verdict("no"), (1 - 0.50) * DAMAGE),
        ("notify", Verdict(), 0.10 * SILENCE),
        ("record", Verdict(), None),
        ("record", Verdict("no"), DAMAGE),
    ],
)  # fmt: skip
def test_a_verdict_has_its_cost(rung: Rung, verdict: Verdict, costs: float | None) -> None:
    assert cost(rung, verdict) == (None if costs is None else pytest.approx(costs))
