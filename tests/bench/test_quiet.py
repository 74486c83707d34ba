from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.small_homes import write_folder, write_home

from homeward.bench.homes import load
from homeward.bench.methods import Homeward
from homeward.bench.quiet import Tally, best_level, markdown, run, table
from homeward.bench.scenarios import LATER, SCENARIOS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("homes"))


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return run(folder, workers=1)


def check_figures(figures: dict[str, Any]) -> None:
    assert {"alarms", "alarms_per_week", "worst_week", "scenarios"} <= set(figures)
    assert list(figures["scenarios"]) == list(SCENARIOS)
    for scenario in figures["scenarios"].values():
        if scenario is None:
            continue
        assert set(scenario) == {"trials", "detected", "rate", "low", "high", "median_delay_s"}
        assert 0 <= scenario["low"] <= scenario["rate"] <= scenario["high"] <= 1
        assert (scenario["median_delay_s"] is None) == (scenario["detected"] == 0)


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    assert {"homes", "pooled", "peers"} <= set(result)
    assert set(result["homes"]) == {"first", "second"}  # the third is too young
    assert set(result["peers"]) == {"markov", "rules"}
    for homes in (result["homes"], *result["peers"].values()):
        assert set(homes) == {"first", "second"}
        for home in homes.values():
            assert set(home) == {"real", "active_days", "events", "weeks", "ready_after_days", "budgets"}
            assert (home["real"], home["active_days"], home["weeks"]) == (True, 21, 1)
            assert set(home["budgets"]) == {"0.25", "1", "7"}
            for figures in home["budgets"].values():
                check_figures(figures)
    assert set(result["pooled"]) == {"real", "simulated"}
    assert set(result["pooled"]["real"]) == {"0.25", "1", "7"}
    for budget, figures in result["pooled"]["real"].items():
        check_figures(figures)
        homes = [home["budgets"][budget] for home in result["homes"].values()]
        assert figures["weeks"] == 2
        assert figures["alarms"] == sum(home["alarms"] for home in homes)
        assert figures["scenarios"]["flood"]["trials"] == 60


def test_what_cannot_be_measured_is_null_with_its_reason(result: dict[str, Any]) -> None:
    for name, home in result["homes"].items():
        assert set(result["reasons"]["homes"][name]) == set(LATER)
        assert all(figures["scenarios"][later] is None for figures in home["budgets"].values() for later in LATER)
    assert result["pooled"]["simulated"] is None
    assert result["reasons"]["pooled"]["simulated"]


def test_the_guard_catches_a_flood_and_a_night_entry_in_a_regular_home(result: dict[str, Any]) -> None:
    scenarios = result["pooled"]["real"]["7"]["scenarios"]
    assert scenarios["flood"]["rate"] == 1
    assert scenarios["night_entry"]["rate"] > 0.5


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_processes(folder: Path, result: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    again = run(folder, workers=2, progress=lambda done, total, what: steps.append((done, total)))
    assert json.dumps(again) == json.dumps(result)
    assert steps == [(n, 6) for n in range(1, 7)]


def test_another_seed_gives_other_trials(folder: Path, result: dict[str, Any]) -> None:
    other = run(folder, seed=1001, homes=["first"], budgets=[1], workers=1)
    assert set(other["homes"]) == {"first"}
    assert list(other["pooled"]["real"]) == ["1"]
    assert other["homes"]["first"]["budgets"]["1"] != result["homes"]["first"]["budgets"]["1"]


def test_a_home_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="no home young"):
        run(folder, homes=["young"])


def test_a_folder_without_homes_gives_an_empty_result(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result["homes"] == {}
    assert result["pooled"] == {"real": None, "simulated": None}
    assert table(result)


def test_a_simulated_home_is_pooled_apart(tmp_path: Path) -> None:
    write_home(tmp_path, "house", days=16, real=False)
    result = run(tmp_path, budgets=[1], workers=1)
    assert result["pooled"]["real"] is None
    assert result["pooled"]["simulated"]["1"]["weeks"] == pytest.approx(2 / 7, abs=1e-6)
    assert result["homes"]["house"]["budgets"]["1"]["scenarios"]["other_home"] is None


def test_a_home_of_just_fourteen_active_days_has_no_figures_yet(tmp_path: Path) -> None:
    write_home(tmp_path, "house", days=14)
    figures = run(tmp_path, budgets=[1], workers=1)["homes"]["house"]["budgets"]["1"]
    assert (figures["alarms"], figures["alarms_per_week"]) == (0, None)
    assert set(figures["scenarios"].values()) == {None}


def test_the_table_names_every_home_and_what_is_missing(result: dict[str, Any]) -> None:
    shown = table(result)
    for word in ("all real", "first", "second", "homeward", "markov", "rules (", "night entry", "0.25", "sabotage"):
        assert word in shown
    assert "NaN" not in shown


def test_the_markdown_states_machine_date_and_command(result: dict[str, Any]) -> None:
    lines = markdown(result, command="homeward bench quiet").splitlines()
    assert "| --- |" in "".join(lines)
    assert "`homeward bench quiet --seed 1000`" in lines[-1]
    assert "Python" in lines[-1]


def test_the_level_shown_is_the_best_that_keeps_the_budget() -> None:
    def tally(alarms: int, found: int) -> Tally:
        return Tally(weeks=4, alarms=alarms, delays={"flood": [1.0] * found + [None] * (10 - found)})

    levels = {"lax": tally(0, 2), "medium": tally(3, 6), "strict": tally(9, 9)}
    assert best_level(levels, 4) == "medium"
    assert best_level(levels, 40) == "strict"
    assert best_level({"medium": tally(7, 6), "strict": tally(9, 9)}, 4) == "medium"


def test_a_copy_of_the_guard_goes_on_alike_and_teaches_the_original_nothing(folder: Path) -> None:
    home = load("first", folder / "first.events.csv.gz")
    guard = Homeward(home, 7)
    half = len(home.events) // 2
    for event in home.events[:half]:
        guard.event(event)
    twin, other = guard.copy(), guard.copy()
    for _ in range(3):
        for event in home.events[half:]:
            other.event(event)
    assert [guard.event(e) for e in home.events[half:]] == [twin.event(e) for e in home.events[half:]]


def test_a_recorded_home_is_measured_over_thirty_night_entries(data_folder: Path) -> None:
    result = run(data_folder, homes=["kasteren-a"], budgets=[1], workers=1)
    home = result["homes"]["kasteren-a"]
    assert (home["active_days"], home["real"]) == (24, True)
    assert home["budgets"]["1"]["scenarios"]["night_entry"]["trials"] == 30
