"""What the owner wants, beside answers: each command, and what ends by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.core.engines import begun, siren_howling
from tests.strategies import START

from homeward import __version__
from homeward.core.effects import Effect, Record, Revert
from homeward.core.engine import Engine
from homeward.core.inputs import Change, Command, Tick
from homeward.core.local_time import milliseconds
from homeward.core.standing import StandingRule

HOUR = timedelta(hours=1)
ADA = "person:ada"


def say(
    engine: Engine, command: Command, target: str = "", *, at: datetime = START, person: str = ADA,
    until: datetime | None = None, rule: StandingRule | None = None,
) -> list[Effect]:  # fmt: skip
    return engine.handle(
        Change(at=at, version=__version__, command=command, target=target, person=person, until=until, rule=rule)
    )


def recorded(effects: list[Effect], kind: str) -> list[str]:
    return [f"{one.subject}: {one.detail}" for one in effects if isinstance(one, Record) and one.kind == kind]


def asked_for_a_code(engine: Engine, person: str = ADA) -> None:
    engine.state.step_up.demand(person, milliseconds(START), 60)


# Acts taken back


@pytest.mark.parametrize("command", ["undo", "stand_down"])
def test_what_is_done_is_taken_back_and_that_it_was_minded_is_remembered(command: Command) -> None:
    engine, lease = siren_howling()
    incident = engine.leases[lease].action.incident
    assert not engine.state.credit.pending[incident].undone
    effects = say(engine, command, lease if command == "undo" else "")
    assert [one.action.id for one in effects if isinstance(one, Revert)] == [lease]
    assert engine.state.credit.pending[incident].undone


def test_what_ends_by_itself_was_not_taken_back_by_somebody_who_presses_late() -> None:
    engine, lease = siren_howling()
    late = START + timedelta(minutes=10, seconds=1)
    assert say(engine, "undo", lease, at=late)[-1:] != []
    assert not engine.state.credit.pending[engine.leases[lease].action.incident].undone


def test_who_must_step_up_may_stop_what_is_done_but_teaches_nothing() -> None:
    engine, lease = siren_howling()
    asked_for_a_code(engine)
    effects = say(engine, "stand_down")
    assert [one.action.id for one in effects if isinstance(one, Revert)] == [lease]
    assert not engine.state.credit.pending[engine.leases[lease].action.incident].undone


# Modes


@pytest.mark.parametrize(("mode", "armed"), [("home", False), ("away", True), ("night", True), ("holiday", True)])
def test_a_mode_arms_or_disarms(mode: str, armed: bool) -> None:
    engine = begun()
    say(engine, "arm" if not armed else "disarm")
    say(engine, "mode", mode)
    assert engine.armed is armed
    assert engine.state.modes.current.name == mode
    assert engine.state.modes.current.by == ADA


@pytest.mark.parametrize("armed", [True, False])
def test_maintenance_leaves_the_alarm_as_it_is_and_ends_in_the_mode_before_it(armed: bool) -> None:
    engine = begun()
    say(engine, "arm" if armed else "disarm")
    say(engine, "mode", "maintenance", until=START + HOUR)
    assert engine.armed is armed
    effects = engine.handle(Tick(at=START + HOUR))
    before = "away" if armed else "home"
    assert recorded(effects, "mode_ended") == [f"maintenance: ended; {before} from now on"]
    assert engine.armed is armed


def test_a_mode_that_is_over_ends_at_its_time_and_the_alarm_follows() -> None:
    engine = begun()
    say(engine, "mode", "night", until=START + 8 * HOUR)
    assert engine.next_deadline() == START + 8 * HOUR
    (effect,) = engine.handle(Tick(at=START + 9 * HOUR))
    assert effect == Record(at=START + 8 * HOUR, kind="mode_ended", subject="night", detail="ended; home from now on")
    assert not engine.armed


def test_a_holiday_that_is_over_leaves_the_alarm_armed() -> None:
    engine = begun()
    say(engine, "mode", "holiday", until=START + 24 * HOUR)
    engine.handle(Tick(at=START + 25 * HOUR))
    assert (engine.state.modes.current.name, engine.armed) == ("away", True)


def test_what_can_be_no_mode_is_refused_in_words_and_changes_nothing() -> None:
    engine = begun()
    say(engine, "arm")
    effects = say(engine, "mode", "party")
    effects += say(engine, "mode", "maintenance")
    effects += say(engine, "mode", "night", until=START - HOUR)
    assert [line.partition(":")[0] for line in recorded(effects, "refused")] == ["party", "maintenance", "night"]
    assert (engine.state.modes.current.name, engine.armed) == ("away", True)


# Rules


def rule(number: int = 1, **about: object) -> StandingRule:
    made = milliseconds(START)
    found = StandingRule(id=f"s{number}", verdict="never_fine", device="lamp", made_at=made)
    return StandingRule(**{name: getattr(found, name) for name in StandingRule.__slots__} | about)


def test_a_rule_is_added_replaced_and_removed() -> None:
    engine = begun()
    assert say(engine, "rule_add", rule=rule()) == []
    assert say(engine, "rule_add", rule=rule(action="on")) == []
    assert [one.action for one in engine.state.standing.rules.values()] == ["on"]
    assert say(engine, "rule_remove", "s1") == []
    assert engine.state.standing.rules == {}


def test_what_can_be_no_rule_is_refused_in_words() -> None:
    engine = begun()
    effects = say(engine, "rule_add")
    effects += say(engine, "rule_add", rule=rule(7))
    effects += say(engine, "rule_add", rule=rule(verdict="snooze"))
    effects += say(engine, "rule_add", rule=rule(verdict="always_fine", device="smoke"))
    effects += say(engine, "rule_remove", "s9")
    assert recorded(effects, "refused") == [
        ": no rule was given",
        "lamp: there is no such rule",
        "lamp: a snooze must have an end, within seven days",
        "smoke: it may save a life, and is never silenced",
        "s9: there is no such rule",
    ]


def test_a_rule_that_has_an_end_ends_then() -> None:
    engine = begun()
    say(engine, "rule_add", rule=rule(until=milliseconds(START + HOUR)))
    assert engine.next_deadline() == START + HOUR
    (effect,) = engine.handle(Tick(at=START + 2 * HOUR))
    assert effect == Record(at=START + HOUR, kind="rule_ended", subject="s1", detail="never_fine lamp")


# Codes


def test_a_right_code_lifts_the_demand_and_is_put_on_record() -> None:
    engine = begun()
    asked_for_a_code(engine)
    assert recorded(say(engine, "verified"), "verified") == [f"{ADA}: gave a right code by page"]
    assert not engine.state.step_up.must(ADA, milliseconds(START))


@pytest.mark.parametrize("command", ["mode", "disarm", "rule_add", "rule_remove", "approve", "confirm_young"])
def test_what_could_make_the_guard_less_watchful_is_refused_to_who_must_step_up(command: Command) -> None:
    engine = begun()
    say(engine, "arm", person="household")
    asked_for_a_code(engine)
    state = engine.state.standing.rules, engine.state.modes, engine.state.arrivals, engine.armed
    effects = say(engine, command, "home", rule=rule(verdict="always_fine"))
    assert recorded(effects, "refused") == [f"{ADA}: was asked for a code and has not given it"]
    assert (engine.state.standing.rules, engine.state.modes, engine.state.arrivals, engine.armed) == state
    say(engine, "verified")
    effects = say(engine, command, "home", rule=rule(verdict="always_fine"))
    assert f"{ADA}: was asked for a code and has not given it" not in recorded(effects, "refused")


@pytest.mark.parametrize("command", ["arm", "refuse", "restrict"])
def test_what_makes_it_more_watchful_is_not(command: Command) -> None:
    engine = begun()
    asked_for_a_code(engine)
    assert say(engine, command, "camera") == []


def test_a_demand_that_nobody_met_is_put_on_record_when_it_ends() -> None:
    engine = begun()
    asked_for_a_code(engine)
    say(engine, "arm")
    (effect,) = engine.handle(Tick(at=START + HOUR))
    assert effect == Record(at=START + HOUR, kind="not_verified", subject=ADA, detail="no code was given in time")


# Devices


def test_a_device_is_refused_restricted_or_let_in_the_last_word_counts() -> None:
    engine = begun()
    arrivals = engine.state.arrivals
    say(engine, "refuse", "camera")
    assert set(arrivals.refused) == {"camera"}
    say(engine, "restrict", "camera")
    assert (set(arrivals.refused), set(arrivals.restricted)) == (set(), {"camera"})
    say(engine, "approve", "camera")
    assert (set(arrivals.refused), set(arrivals.restricted)) == (set(), set())
