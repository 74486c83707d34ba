"""What if: a fork of the engine goes on as the engine would have, and the engine never notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from tests.core.engines import at_their_times, begun, folded
from tests.scenarios.story import LOCK, SIREN, Story
from tests.strategies import START, home_days

from homeward.core.engine import Engine
from homeward.core.inputs import Input, Tick


def written(engine: Engine) -> bytes:
    return msgspec.msgpack.encode(engine.state)


@given(home_days, home_days)
@settings(max_examples=60)
def test_a_fork_does_what_the_engine_would_have_done_and_leaves_it_alone(
    day: Sequence[tuple[float, Input]], next_day: Sequence[tuple[float, Input]]
) -> None:
    engine = begun()
    folded(engine, at_their_times(day))
    before, fork = written(engine), engine.fork()
    later = [*at_their_times(next_day, engine.now or START), Tick(at=START + timedelta(days=4))]
    said = folded(fork, later)
    assert written(engine) == before
    assert folded(engine, later) == said
    assert fork.readiness() == engine.readiness()
    assert fork.next_deadline() == engine.next_deadline()


@pytest.fixture(scope="module")
def known() -> Story:
    """Two weeks; the past was lived again twice, and will be again while a fork goes on."""
    story = Story(SIREN, LOCK)
    story.history(weeks=2)
    story.intruder()
    story.ordinary_days(1)
    return story


def retold(story: Story, engine: Engine) -> Story:
    twin = story.twin()
    twin.engine = engine
    return twin


def test_a_fork_of_a_guard_that_knows_the_home_goes_on_for_weeks_as_it_would(known: Story) -> None:
    before = written(known.engine)
    fork = retold(known, known.engine.fork())
    alike = known.twin()
    assert fork.ordinary_days(15) + fork.intruder() == alike.ordinary_days(15) + alike.intruder()
    assert fork.answers(fork.incident.id, "yes") == alike.answers(alike.incident.id, "yes")
    assert written(known.engine) == before
    assert fork.engine.state.profile.evidence == alike.engine.state.profile.evidence
    assert fork.engine.state.incidents == alike.engine.state.incidents
    assert fork.engine.state.leases == alike.engine.state.leases
    assert fork.engine.state.silence == alike.engine.state.silence


def test_many_forks_of_one_guard_know_nothing_of_each_other(known: Story) -> None:
    said = []
    for order in ((0, 1), (1, 0)):
        forks = [retold(known, known.engine.fork()) for _ in range(2)]
        for number in order:
            forks[number].sees("cellar motion", "on")
            forks[number].ordinary_days(number + 1)
        said.append([fork.said for fork in forks])
    assert said[0] == said[1]


def test_a_fork_copies_no_more_of_what_was_learned_than_it_looks_at(known: Story) -> None:
    fork = retold(known, known.engine.fork())
    fork.sees("hall motion", "on")
    rows = fork.engine.state.profile.table.rows
    assert 0 < len(rows) < len(known.engine.state.profile.table.rows) / 4
