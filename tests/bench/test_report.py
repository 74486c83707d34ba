"""Tables that line up, Markdown that is one table, and real and simulated homes that never meet in a figure."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.bench.results import ODD_NAME, QUIET_PEERS, quiet_result

from homeward.bench.report import (
    bullets,
    figure,
    markdown,
    markdown_table,
    mean_caught,
    measured,
    pooled,
    share,
    table,
    text_table,
)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return quiet_result()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_columns_line_up() -> None:
    told = text_table(("name", "n"), [("a", "1"), ("a long one", "22")]).splitlines()
    assert told == ["name        n", "--------------", "a           1", "a long one  22"]


def test_a_name_from_a_file_cannot_break_a_table() -> None:
    told = markdown_table(("name", "n"), [("a|b\nc", "1")])
    assert told == "| name | n |\n| --- | --- |\n| a\\|b c | 1 |\n"
    assert text_table(("name", "n"), [("a\nb", "1")]).count("\n") == 3


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError):
        text_table(("name", "n"), [("a",)])


def test_what_is_not_known_is_told_as_such() -> None:
    assert (figure(None), share(None)) == ("-", "-")
    assert (figure(1.005, 1), share({"rate": 0.5, "low": 0.25, "high": 0.75})) == ("1.0", "0.50 (0.25-0.75)")
    assert (bullets([]), bullets(["a", "b"])) == ("", "- a\n- b\n")


def test_the_line_below_the_figures_names_date_machine_and_command() -> None:
    assert re.fullmatch(
        r"Measured on \d{4}-\d\d-\d\d on \d+ cores \(.+\), .+, Python [\d.]+ by `homeward x`\.",
        measured("homeward x"),
    )


# Quiet --------------------------------------------------------------------------------------------------------------


def test_the_table_holds_pools_real_homes_and_kinds_but_no_row_for_each_simulated_one(result: dict[str, Any]) -> None:
    names = [line.split("  ")[0] for line in table(result).splitlines()[2:] if line and not line.startswith("- ")]
    methods = 1 + len(QUIET_PEERS)
    assert names.count("all real") == names.count("all simulated") == 3 * methods
    assert names.count(ODD_NAME) == names.count("home 1") == methods
    assert names.count("simulated: family (4)") == names.count("simulated: student (4)") == methods
    assert len(names) == (3 * 2 + 3 + 3) * methods


def test_a_hundred_simulated_homes_make_no_longer_table() -> None:
    few, many = (len(table(quiet_result(simulated=n)).splitlines()) for n in (12, 108))
    assert few == many


def test_the_page_has_every_real_home_at_every_budget(result: dict[str, Any]) -> None:
    rows = [cells(line) for line in markdown(result).splitlines()[2:] if line.startswith("|")]
    of_home = [row[2] for row in rows if row[0] == "home 1" and row[1] == "homeward"]
    assert of_home == ["0.25", "1", "7"]
    assert len({len(row) for row in rows}) == 1
    assert {row[1] for row in rows if row[0] == "home 1"} >= {"rules (strict)", "loda"}


def test_in_brief_it_is_the_pools_and_each_real_home_at_one_alarm_a_week(result: dict[str, Any]) -> None:
    rows = [cells(line) for line in markdown(result, brief=True).splitlines()[2:] if line.startswith("|")]
    assert {row[2] for row in rows} == {"1"}
    assert [row[0] for row in rows if not row[0].startswith("all ")] == [
        ODD_NAME.replace("|", "\\|"),
        "home 1",
        "home 2",
    ]
    assert len(rows) == 2 * (1 + len(QUIET_PEERS)) + 3


def test_simulated_homes_change_no_figure_of_the_real_ones(result: dict[str, Any]) -> None:
    """All that is told of real homes is the same beside other simulated ones."""
    other = quiet_result("2")
    mixed: dict[str, Any] = {
        **result,
        "homes": {**result["homes"], **{n: h for n, h in other["homes"].items() if not h["real"]}},
        "peers": {
            peer: {**homes, **{n: h for n, h in other["peers"][peer].items() if not h["real"]}}
            for peer, homes in result["peers"].items()
        },
        "pooled": {**result["pooled"], "simulated": other["pooled"]["simulated"]},
    }
    before, after = markdown(result).splitlines(), markdown(mixed).splitlines()
    real = [line for line in before if line.startswith("|") and "simulated" not in line]
    assert real == [line for line in after if line.startswith("|") and "simulated" not in line]
    assert before != after


def test_a_pool_is_the_sum_of_its_homes() -> None:
    homes = [home for home in quiet_result()["homes"].values() if home["real"]]
    pool, figures = pooled(homes, "1"), [home["budgets"]["1"] for home in homes]
    assert pool["alarms"] == sum(f["alarms"] for f in figures)
    assert pool["alarms_per_week"] == pytest.approx(pool["alarms"] / sum(f["weeks"] for f in figures))
    flood = [f["scenarios"]["flood"] for f in figures]
    assert pool["scenarios"]["flood"]["rate"] == sum(f["detected"] for f in flood) / sum(f["trials"] for f in flood)
    assert pooled([], "1")["alarms_per_week"] is None


def test_a_homecoming_is_no_catch() -> None:
    scenarios = {"flood": {"rate": 1.0}, "decoy": {"rate": 0.5}, "sabotage": None, "homecoming": {"rate": 0.0}}
    assert mean_caught(scenarios) == 0.75
    assert mean_caught({"homecoming": {"rate": 0.0}, "flood": None}) is None


def test_more_alarms_than_chance_allows_are_marked(result: dict[str, Any]) -> None:
    home = result["homes"]["home 1"]
    loud = {**home["budgets"]["1"], "alarms": 1000}
    changed = {**result, "homes": {**result["homes"], "home 1": {**home, "budgets": {**home["budgets"], "1": loud}}}}
    row = next(line for line in markdown(changed, brief=True).splitlines() if line.startswith("| home 1 |"))
    assert "| 1000 ! |" in row


def test_reasons_are_told_once() -> None:
    result = quiet_result()
    result["reasons"] = {
        "homes": {"home 1": {"flood": "no actuator", "decoy": "no entrance"}, "home 2": {"flood": "no actuator"}},
        "pooled": {"simulated": "none asked for"},
    }
    told = table(result)
    assert told.count("No figure for flood: no actuator.") == 1
    assert "No figure for decoy: no entrance." in told
    assert "No figure for simulated homes: none asked for." in told
