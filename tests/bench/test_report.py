"""Tables that line up, Markdown that is one table, and real and simulated homes that never meet in a figure."""

from __future__ import annotations

import copy
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


def names_of_rows(told: str) -> list[str]:
    first, *_ = told.split("\n\n")
    return [line.split("  ")[0] for line in first.splitlines()[2:]]


def test_the_table_holds_pools_real_homes_and_kinds_but_no_row_for_each_simulated_one(result: dict[str, Any]) -> None:
    names, methods = names_of_rows(table(result)), 1 + len(QUIET_PEERS)
    assert names.count("all real (3)") == 3 * methods
    assert names.count(ODD_NAME) == names.count("home 1") == methods
    assert names.count("simulated: shift worker (4)") == names.count("simulated: student (4)") == 1
    assert not any(name.startswith("sim ") for name in names)


def test_a_peer_that_saw_some_homes_only_stands_beside_the_guard_in_just_these(result: dict[str, Any]) -> None:
    rows = [cells(line) for line in markdown(result, brief=True).splitlines() if line.startswith("| all simulated")]
    assert [row[1] for row in rows if row[0] == "all simulated (11)"] == ["homeward", "loda"]
    assert [row[1] for row in rows if row[0] == "all simulated (12)"] == ["homeward", *set_order(result, "loda")]
    weeks = {row[1]: row[3] for row in rows if row[0] == "all simulated (11)"}
    names = [name for name in result["peers"]["loda"] if name.startswith("sim ")]
    assert weeks["homeward"] == f"{sum(result['homes'][name]['weeks'] for name in names):.1f}"


def set_order(result: dict[str, Any], without: str) -> list[str]:
    return [peer for peer in result["peers"] if peer != without]


def test_the_pool_of_the_guard_is_the_one_of_the_result(result: dict[str, Any]) -> None:
    for budget, figures in result["pooled"]["real"].items():
        row = next(
            cells(line)
            for line in markdown(result).splitlines()
            if line.startswith(f"| all real (3) | homeward | {budget} |")
        )
        assert row[4].removesuffix(" !") == str(figures["alarms"])
        assert row[8] == share(figures["scenarios"]["night_entry"])


def test_a_hundred_simulated_homes_make_no_longer_table() -> None:
    few, many = (len(table(quiet_result(simulated=n)).splitlines()) for n in (12, 108))
    assert few == many


def test_the_page_has_every_real_home_at_every_budget(result: dict[str, Any]) -> None:
    first, *_ = markdown(result).split("\n\n")
    rows = [cells(line) for line in first.splitlines()[2:]]
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
    assert len(rows) == 2 * (1 + len(QUIET_PEERS)) + 1 + 3


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
    before, after = (markdown(one).partition("\n\n")[0].splitlines() for one in (result, mixed))
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
        "peers": {"loda": "not installed", "markov": "not installed"},
        "budgets": {"simulated": "at one alarm a week only"},
    }
    told = table(result)
    assert told.count("No figure for flood: no actuator.") == 1
    assert "No figure for decoy: no entrance." in told
    assert "No figure for simulated homes: none asked for." in told
    assert "- loda, markov: not installed." in told
    assert "- At one alarm a week only." in told


def test_every_target_is_told_with_what_was_wanted_and_what_came(result: dict[str, Any]) -> None:
    rows = {row[0]: row for line in table(result).split("\n\n")[1].splitlines()[2:] if (row := re.split("  +", line))}
    night = result["targets"]["real"]["night_entry"]
    came = f"{night['figure']:.2f} ({night['low']:.2f}-{night['high']:.2f})"
    assert rows["night entry"][1] == f"{came}, at least 0.99: {'met' if night['met'] else 'missed'}"
    judged = [result["targets"]["homes"][f"home {n}"]["night_entry"]["met"] for n in (1, 2)]
    judged.append(result["targets"]["homes"][ODD_NAME]["night_entry"]["met"])
    assert rows["night entry"][2] == f"{sum(judged)} of 3"
    assert rows["alarms at 7"][1].endswith(f"at most {result['targets']['real']['alarms_at_7']['at_most']:g}: met")
    assert set(rows) >= {"below no peer", "ahead in the mean", "decoy", "homecoming (false alarms)"}


def test_where_a_peer_is_better_is_told(result: dict[str, Any]) -> None:
    better = copy.deepcopy(result)
    better["targets"]["real"]["below_no_peer"]["below"] = [
        {"peer": "loda", "scenario": "night_entry", "figure": 1.0, "ours": 0.5},
        {"peer": "loda", "scenario": "flood", "figure": 1.0, "ours": 0.5},
    ]
    said = "- Better than the guard by more than its interval, on real homes: loda in night entry, flood.\n"
    assert said in table(better)
    assert said not in table(result)


def test_in_brief_the_targets_that_are_missed_are_named(result: dict[str, Any]) -> None:
    missed = [name for name, target in result["targets"]["real"].items() if target["met"] is False]
    assert missed
    told = ", ".join(name.replace("_", " ") for name in missed)
    assert f"- Targets missed by all real homes together: {told}.\n" in markdown(result, brief=True)
