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


Tables = dict[str, list[list[str]]]


def tables(told: str) -> Tables:
    """The tables of a page, each by what stands above it; the first row is its head."""
    found: Tables = {}
    about = ""
    for line in told.splitlines():
        if line.startswith(("**", "<summary>")):
            about = line.strip("*").removeprefix("<summary>").removesuffix("</summary>")
        elif line.startswith("| ---"):
            continue
        elif line.startswith("|"):
            found.setdefault(about, []).append(cells(line))
    return found


def column(rows: list[list[str]], head: str) -> dict[str, str]:
    place = rows[0].index(head)
    return {row[0]: row[place] for row in rows[1:]}


AT_ONE = "at a budget of 1 alarm a week"
EVERY_HOME = "Every method in every real home at every budget"


def test_the_terminal_and_the_page_tell_the_same(result: dict[str, Any]) -> None:
    page = tables(markdown(result))
    blocks = table(result).split("\n\n")
    told = {block.strip(): blocks[n + 1] for n, block in enumerate(blocks) if block.strip() in page}
    assert set(told) == set(page) - {EVERY_HOME}
    for about, block in told.items():
        lines = [re.split("  +", line.replace("|", "\\|").strip()) for line in block.splitlines()]
        assert [line[-1] for line in lines[2:]] == [row[-1] for row in page[about][1:]]


def test_every_method_has_a_column_in_both_pools_at_every_budget(result: dict[str, Any]) -> None:
    page = tables(markdown(result))
    for kind, budget in (
        (kind, budget) for kind in ("real", "simulated") for budget in ("0.25 alarms", "1 alarm", "7 alarms")
    ):
        head = page[f"All {kind} homes together, at a budget of {budget} a week"][0]
        assert {name.split(" (")[0] for name in head[1:]} >= {"homeward", "half space trees", "markov", "rules"}
    assert page[f"All real homes together, {AT_ONE}"][0][-1] == "rules (3)"


def test_the_pool_of_the_guard_is_the_one_of_the_result(result: dict[str, Any]) -> None:
    ours = column(tables(markdown(result))[f"All real homes together, {AT_ONE}"], "homeward (3)")
    figures = result["pooled"]["real"]["1"]
    assert ours["alarms"].removesuffix(" !") == str(figures["alarms"])
    assert ours["alarms a week"] == figure(figures["alarms_per_week"])
    for name, rate in figures["scenarios"].items():
        if name != "homecoming":
            assert ours[name.replace("_", " ")] == share(rate)


def test_a_peer_that_saw_some_homes_only_stands_beside_the_guard_in_just_these(result: dict[str, Any]) -> None:
    rows = tables(markdown(result, brief=True))[f"All simulated homes together, {AT_ONE}"]
    assert rows[0][-2:] == ["homeward (11)", "loda (11)"]
    names = [name for name in result["peers"]["loda"] if name.startswith("sim ")]
    assert column(rows, "homeward (11)")["weeks"] == f"{sum(result['homes'][name]['weeks'] for name in names):.1f}"
    assert column(rows, "homeward (11)") != column(rows, "homeward (12)")


def test_what_no_home_can_show_has_no_row() -> None:
    result = quiet_result()
    for homes in (result["homes"], *result["peers"].values()):
        for home in homes.values():
            for figures in home["budgets"].values():
                figures["scenarios"]["sabotage"] = None
    assert "sabotage" not in markdown({**result, "targets": {"homes": {}}})
    assert "sabotage" in markdown(quiet_result())


def test_real_homes_have_a_row_each_and_simulated_ones_one_for_each_kind(result: dict[str, Any]) -> None:
    rows = tables(markdown(result))[f"Homeward in each home, {AT_ONE}"]
    kinds = [f"simulated: {kind} (4)" for kind in ("family", "shift worker", "student")]
    assert [row[0] for row in rows[1:]] == [ODD_NAME.replace("|", "\\|"), "home 1", "home 2", *kinds]
    assert len({len(row) for row in rows}) == 1
    brief = tables(markdown(result, brief=True))[f"Homeward in each home, {AT_ONE}"]
    assert brief == rows[:4]


def test_a_hundred_simulated_homes_make_no_longer_table() -> None:
    few, many = (len(table(quiet_result(simulated=n)).splitlines()) for n in (12, 108))
    assert few == many


def test_every_method_in_every_real_home_at_every_budget_is_folded_away(result: dict[str, Any]) -> None:
    rows = tables(markdown(result))[EVERY_HOME]
    assert len(rows) == 1 + 3 * 3 * (1 + len(QUIET_PEERS))
    assert len({len(row) for row in rows}) == 1
    assert [row[2] for row in rows if row[:2] == ["home 1", "homeward"]] == ["0.25", "1", "7"]
    assert "rules (strict)" in {row[1] for row in rows}
    assert markdown(result).count("<details") == markdown(result).count("</details>") == 1
    assert "<details" not in markdown(result, brief=True)


def test_in_brief_it_is_one_alarm_a_week(result: dict[str, Any]) -> None:
    told = tables(markdown(result, brief=True))
    assert list(told) == [
        f"All real homes together, {AT_ONE}",
        f"All simulated homes together, {AT_ONE}",
        f"Homeward in each home, {AT_ONE}",
    ]


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
    before, after = (tables(markdown(one)) for one in (result, mixed))
    real = [about for about in before if "real homes together" in about or about == EVERY_HOME]
    assert len(real) == 4
    assert [before[about] for about in real] == [after[about] for about in real]
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
    rows = tables(markdown(changed, brief=True))[f"Homeward in each home, {AT_ONE}"]
    assert column(rows, "alarms")["home 1"] == "1000 !"


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
    rows = {row[0]: row for row in tables(markdown(result))["Targets"]}
    night = result["targets"]["real"]["night_entry"]
    came = f"{night['figure']:.2f} ({night['low']:.2f}-{night['high']:.2f})"
    assert rows["night entry"][1] == f"{came}, at least 0.99: {'met' if night['met'] else 'missed'}"
    judged = [result["targets"]["homes"][name]["night_entry"]["met"] for name in (ODD_NAME, "home 1", "home 2")]
    assert rows["night entry"][2] == f"{sum(judged)} of 3"
    assert rows["alarms at 7"][1].endswith(f"at most {result['targets']['real']['alarms_at_7']['at_most']:.4g}: met")
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
