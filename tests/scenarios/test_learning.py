"""The policy learns from answers, and what it does is the same whenever the same happens again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from tests.scenarios.story import LOCK, SIREN, Story, acts, records
from tests.scenarios.test_ladder import FULL

from homeward.core.decision.off_policy import gather, read
from homeward.core.effects import Effect, Record
from homeward.core.engine import Engine, EngineState
from homeward.core.settings import PolicyName, Response, Settings

POLICIES: tuple[PolicyName, ...] = ("ladder", "trial", "learned")
LIGHTS = Response(
    name="lights", device="kitchen light", command="on", when=("motion",), restore="off", responder="mqtt"
)
UP = replace(LOCK, name="lock up", when=("motion",))


def place(policy: PolicyName, seed: int = 7) -> Settings:
    return replace(FULL, policy=policy, seed=seed)


def nights(home: Story, count: int, restarted: Callable[[Story], Story] = lambda home: home) -> list[Effect]:
    """Every night something else happens; now and then that is answered, now and then not. The days are ordinary."""
    said: list[Effect] = []
    for number in range(count):
        home = restarted(home)
        said += home.at("03:10")
        match number % 3:
            case 0:
                said += home.floods("kitchen light")
            case 1:
                said += home.sees("front door", "open")
            case _:
                said += home.sees("cellar motion", f"oddity {home.now.date()}")
        asked = [one for one in home.engine.incidents.values() if one.alarms and one.answer is None]
        if asked and number % 4:
            said += home.answers(asked[-1].id, "no" if number % 3 == 1 else "yes", too_much=number % 2 == 0)
        said += home.ordinary_days(1)
    return said


def decisions(said: list[Effect]) -> list[str]:
    return records(said, "choice")


@pytest.mark.parametrize("policy", POLICIES)
def test_what_it_chooses_is_the_same_after_restarts(home: Story, policy: PolicyName) -> None:
    home.settles(LIGHTS, UP, home=place(policy))
    other = home.twin()
    said = nights(home, 8)
    assert len(decisions(said)) >= 8
    state = {}

    def restarted(story: Story) -> Story:
        story.engine = Engine(msgspec.msgpack.decode(msgspec.msgpack.encode(story.engine.state), type=EngineState))
        state["last"] = story.engine.state
        return story

    assert nights(other, 8, restarted) == said
    assert msgspec.msgpack.encode(other.engine.state) == msgspec.msgpack.encode(home.engine.state)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fork_chooses_as_the_engine_will_and_leaves_what_it_learned_alone(home: Story, policy: PolicyName) -> None:
    home.settles(LIGHTS, UP, home=place(policy))
    nights(home, 3)
    before = msgspec.msgpack.encode(home.engine.state)
    fork = home.twin()
    fork.engine = home.engine.fork()
    said = nights(fork, 5)
    assert msgspec.msgpack.encode(home.engine.state) == before
    assert nights(home, 5) == said


def test_a_fork_that_is_answered_leaves_a_closed_incident_of_the_engine_alone(home: Story) -> None:
    home.settles(home=FULL)
    home.at("03:10")
    home.sees("front door", "open")
    home.later(hours=1)
    before = msgspec.msgpack.encode(home.engine.state)
    fork = home.twin()
    fork.engine = home.engine.fork()
    fork.answers("i1", "yes")
    assert msgspec.msgpack.encode(home.engine.state) == before


def test_a_trial_takes_another_rung_now_and_then_by_its_seed_alone(home: Story) -> None:
    chosen: dict[int, str] = {}
    for seed in range(60):
        story = home.twin()
        story.settles(LIGHTS, UP, home=place("trial", seed))
        story.at("03:10")
        (line,) = decisions(story.sees("hall motion", "on"))
        decision = read(line.partition(": ")[2])
        assert decision is not None
        evidence, choice = decision
        assert choice.propensity == pytest.approx(0.9 if choice.rung == "command" else 0.1)
        assert evidence.above > 0
        chosen[seed] = choice.rung
        again = home.twin()
        again.settles(LIGHTS, UP, home=place("trial", seed))
        again.at("03:10")
        assert decisions(again.sees("hall motion", "on")) == [line]
    assert 40 <= list(chosen.values()).count("command") <= 60
    assert set(chosen.values()) == {"command", "undo"}, "an act is never made a message"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_journal_of_it_can_be_read_to_compare_policies(home: Story, policy: PolicyName) -> None:
    home.settles(LIGHTS, UP, home=place(policy))
    said = nights(home, 10) + home.later(days=2)
    log = gather([effect for effect in said if isinstance(effect, Record)])
    assert len(log) >= 8
    for evidence, choice, cost in log:
        assert choice.rung in choice.options
        assert 0 < choice.propensity <= 1
        assert cost >= 0
        assert not evidence.guarded or choice.rung != "record"
    assert home.engine.state.credit.pending == {}, "silence ends what nobody answered"
    assert home.engine.state.bandit.answers > 0


def test_whoever_chooses_the_bandit_learns_the_same_from_the_same_answers(home: Story) -> None:
    """So it is ready when it is let loose."""
    learned = []
    for policy in ("ladder", "trial"):
        story = home.twin()
        story.settles(home=place(policy))
        story.at("03:10")
        story.sees("front door", "open")
        story.answers("i1", "yes", too_much=True)
        learned.append(msgspec.msgpack.encode(story.engine.state.bandit))
    assert learned[0] == learned[1]


def test_what_was_learned_does_not_act_beyond_the_guardrails_nor_spare_a_guarded_device(home: Story) -> None:
    home.settles(SIREN, home=place("learned"))
    for _ in range(6):
        home.at("03:10")
        said = home.sees("front lock", "unlocked") + home.sees("front door", "open")
        for line in decisions(said):
            decision = read(line.partition(": ")[2])
            assert decision is not None
            assert decision[1].rung in {"command", "step_up", "undo", "ask", "escalate", "notify"}
        if decisions(said):
            assert acts(said) == [("siren", "on")], "however often somebody says that it was too much"
            home.commands("stand_down")
            home.answers(home.incident.id, "no")
        home.later(hours=4)
