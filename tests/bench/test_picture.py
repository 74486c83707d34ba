"""Pictures that any reader of SVG accepts, that can be read out, and that say what the figures say."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.bench.results import ODD_NAME, QUIET_PEERS, RESULTS, quiet_result

from homeward.bench import pictures
from homeward.bench.catalogue import BENCHMARKS
from homeward.bench.chart import Axis, Panel, Plane, Point, Words, dots, lines
from homeward.bench.picture import cut, document, mark, number, tag, text, width

SVG = "{http://www.w3.org/2000/svg}"
WORDS = Words(title="Title", below="Below", description="Description")
UNIT = Axis(ticks=(0, 0.5, 1))


def drawn(name: str, result: Any = None) -> dict[str, str]:
    return dict(BENCHMARKS[name].pictures(RESULTS[name] if result is None else result))


EVERY = [(name, what) for name in BENCHMARKS for what in drawn(name)]


def marks(svg: str) -> list[tuple[str, float]]:
    """What each mark says and where it stands, from left to right; those of the legend left out."""
    return [(said, x) for said, x, _ in _marks(svg) if ": " in said]


def _marks(svg: str) -> Iterator[tuple[str, float, float]]:
    for element in ElementTree.fromstring(svg).iter():
        said = element.find(f"{SVG}title")
        if said is None or element.tag not in (f"{SVG}circle", f"{SVG}path"):
            continue
        if element.tag == f"{SVG}circle":
            yield said.text or "", float(element.attrib["cx"]), float(element.attrib["cy"])
        else:
            places = [float(n) for n in re.findall(r"-?[\d.]+", element.attrib["d"])]
            xs, ys = places[::2], places[1::2]
            yield said.text or "", (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


# The writer ---------------------------------------------------------------------------------------------------------


def test_text_is_escaped_wherever_it_stands() -> None:
    hostile = '<script>alert("1")</script> & \x00 ]]>'
    svg = document(10, 10, hostile, hostile, [text(1, 2, hostile), mark(0, 1, 1, hostile), tag("g", "", id=hostile)])
    root = ElementTree.fromstring(svg)
    plain = hostile.replace("\x00", "�")
    assert [element.text for element in root.iter(f"{SVG}text")] == [plain]
    assert root.findtext(f"{SVG}title") == root.findtext(f"{SVG}desc") == plain
    assert next(root.iter(f"{SVG}g")).attrib["id"] == plain
    assert "script" not in {element.tag.removeprefix(SVG) for element in root.iter()}


def test_a_coordinate_is_short_and_finite() -> None:
    assert [number(n) for n in (1.0, 1.5, 1.006, -0.001, 100, 1e-9)] == ["1", "1.5", "1.01", "0", "100", "0"]
    for wrong in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(ValueError, match="no coordinate"):
            number(wrong)


def test_what_has_no_room_is_cut_and_told_in_full() -> None:
    long = "a home with a very long name indeed"
    shown = cut(long, 100)
    assert shown.endswith("…")
    assert long.startswith(shown[:-1].rstrip())
    assert width(shown) <= 100
    assert cut("short", 100) == "short"
    element = ElementTree.fromstring(text(0, 0, long, room=100))
    assert (element.text, element.findtext("title")) == (shown, long)


# The charts ---------------------------------------------------------------------------------------------------------


def test_a_scale_places_its_ends_and_what_lies_beyond() -> None:
    assert [UNIT.place(value) for value in (-1, 0, 0.25, 1, 7)] == [0, 0, 0.25, 1, 1]
    log = Axis(ticks=(0.25, 1, 4), logarithmic=True)
    assert [log.place(value) for value in (0.25, 1, 4)] == pytest.approx([0, 0.5, 1])
    from_zero = Axis(ticks=(0, 0.1, 1, 10), logarithmic=True)
    assert [from_zero.place(value) for value in (0, 0.1, 1, 10)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("most", [0.003, 0.5, 1, 3, 5, 7, 13, 99, 100, 1234])
def test_a_scale_reaches_what_it_has_to_in_few_round_steps(most: float) -> None:
    ticks = Axis.up_to(most).ticks
    assert ticks[0] == 0
    assert ticks[-2] < most <= ticks[-1]
    assert 2 <= len(ticks) <= 6


def test_a_greater_value_stands_further_right() -> None:
    rows = {f"row {n}": {"one": Point(n / 10)} for n in range(11)}
    places = [x for _, x in marks(dots(WORDS, ["one"], [Panel(name="", axis=UNIT, rows=rows)]))]
    assert places == sorted(places)
    steps = [b - a for a, b in pairwise(places)]
    assert max(steps) - min(steps) < 0.1


def test_a_row_without_a_figure_says_why() -> None:
    panel = Panel(name="", axis=UNIT, rows={"a": {"one": Point(1)}, "b": {}}, said={"a": "never", "b": "none tried"})
    svg = dots(WORDS, ["one"], [panel])
    assert "none tried" in svg
    assert "never" not in svg


def test_lines_meet_their_points() -> None:
    plane = Plane(name="", lines={"one": [(0, 0), (0.5, 1), (1, 0.5)]})
    svg = lines(WORDS, ["one"], [plane], UNIT, UNIT)
    way = re.search(r'class="l0" d="M([^"]*)"', svg)
    assert way is not None
    corners = [tuple(map(float, corner.split())) for corner in way[1].split("L")]
    places = [(x, y) for said, x, y in _marks(svg) if ": " in said]
    assert list(chain(*places)) == pytest.approx(list(chain(*corners)), abs=0.02)
    assert corners[1][1] < corners[2][1] < corners[0][1], "a greater value stands higher"


# Every picture of every benchmark -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "what"), EVERY)
def test_every_picture_can_be_read_by_everybody(name: str, what: str) -> None:
    svg = drawn(name)[what]
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    for named in root.attrib["aria-labelledby"].split():
        assert next(element for element in root.iter() if element.attrib.get("id") == named).text
    assert "@media (prefers-color-scheme: dark)" in svg
    assert not re.search(r"\b20\d\d-\d\d", svg), "a picture has no date"
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(("name", "what"), EVERY)
def test_every_picture_is_drawn_from_its_json_alone_and_always_alike(name: str, what: str) -> None:
    told = json.loads(json.dumps(RESULTS[name]))
    before = copy.deepcopy(told)
    assert drawn(name, told)[what] == drawn(name)[what]
    assert told == before


@pytest.mark.parametrize(("name", "what"), EVERY)
def test_nothing_is_drawn_outside_of_the_card(name: str, what: str) -> None:
    svg = drawn(name)[what]
    root = ElementTree.fromstring(svg)
    _, _, right, bottom = map(float, root.attrib["viewBox"].split())
    places = [(x, y) for _, x, y in _marks(svg)]
    for line in root.iter(f"{SVG}text"):
        wide, x = width(line.text or "", 12), float(line.attrib["x"])
        start = {"start": 0.0, "middle": 0.5, "end": 1.0}[line.attrib.get("text-anchor", "start")]
        places += [(x - start * wide, float(line.attrib["y"])), (x + (1 - start) * wide, float(line.attrib["y"]))]
    assert places
    outside = [place for place in places if not (0 <= place[0] <= right and 0 <= place[1] <= bottom)]
    assert outside == []


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_a_page_shows_every_picture_of_its_benchmark(name: str, repository: Path) -> None:
    shown = {f"bench-{name}-{what}" if what else f"bench-{name}" for what in drawn(name)}
    page = (repository / "docs" / "reference" / f"bench-{name}.md").read_text("utf-8")
    assert set(re.findall(r"\(\.\./images/([a-z-]+)\.svg\)", page)) == shown
    assert {path.stem for path in (repository / "docs" / "images").glob(f"bench-{name}*.svg")} == shown


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_a_name_from_a_file_is_told_as_it_is(name: str) -> None:
    told = {element.text for svg in drawn(name).values() for element in ElementTree.fromstring(svg).iter()}
    if name != "quiet" and BENCHMARKS[name].reads:  # quiet shows pools only, and who reads no file no name from it
        assert any((text or "").startswith(ODD_NAME[:12]) for text in told)


# What the pictures say ----------------------------------------------------------------------------------------------


def test_what_was_caught_is_drawn_for_every_method_and_scenario_of_both_pools() -> None:
    result = RESULTS["quiet"]
    said = [said for said, _ in marks(drawn("quiet")["caught"])]
    assert len(said) == 2 * 10 * (1 + len(QUIET_PEERS))
    for pool in result["pooled"].values():
        flood = pool["1"]["scenarios"]["flood"]["rate"]
        assert any(one.startswith(f"Homeward: {100 * round(flood, 4):g} %") for one in said)


def test_a_simulated_home_adds_to_no_figure_of_the_real_ones() -> None:
    result = quiet_result()

    def real(homes: dict[str, Any]) -> dict[str, Any]:
        return {name: home for name, home in homes.items() if home["real"]}

    alone = {
        **result,
        "homes": real(result["homes"]),
        "peers": {peer: real(homes) for peer, homes in result["peers"].items()},
        "pooled": {**result["pooled"], "simulated": None},
    }
    for what, svg in drawn("quiet", result).items():
        told = [said for said, _ in marks(drawn("quiet", alone)[what])]
        assert told == [said for said, _ in marks(svg)][: len(told)]


def test_the_share_that_keeps_the_budget_is_the_shaded_part() -> None:
    """A method exactly at its budget is drawn on the border of what is allowed."""
    result = quiet_result(simulated=0)
    for budget, figures in result["pooled"]["real"].items():
        figures["alarms_per_week"] = float(budget)
    svg = drawn("quiet", result)[""]
    border = re.search(r'class="allowed" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L', svg)
    assert border is not None
    at = [(x, y) for said, x, y in _marks(svg) if said.startswith("Homeward: ")]
    assert [*min(at), *max(at)] == pytest.approx([float(border[n]) for n in range(1, 5)], abs=0.02)


def test_a_method_without_an_alarm_stands_at_zero() -> None:
    result = quiet_result(simulated=0)
    result["pooled"]["real"]["1"]["alarms_per_week"] = 0.0
    assert ("Homeward: 0", 1) in [(said, round(x, 0) > 0) for said, x in marks(drawn("quiet", result)[""])]


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_nothing_measured_is_a_picture_too(name: str) -> None:
    empty = {key: {} if isinstance(value, dict) else value for key, value in RESULTS[name].items()}
    for key in ("real", "simulated"):
        if "pooled" in empty:
            empty["pooled"] = {**empty["pooled"], key: None}
    for svg in drawn(name, empty).values():
        assert marks(svg) == []
        assert "nothing was measured" in svg


def test_a_home_that_is_never_quiet_again_is_said_to_be() -> None:
    assert "not quiet again" in drawn("change")["homes"]


def test_a_home_without_an_attacker_is_not_drawn() -> None:
    assert "no entrance" not in drawn("poison")[""]


def test_every_method_has_its_own_name() -> None:
    assert len(set(pictures.NAMES.values())) == len(pictures.NAMES)
