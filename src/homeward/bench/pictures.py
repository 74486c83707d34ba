"""What each benchmark shows as pictures, from its JSON alone.

Every function takes a result and gives the pictures by what tells them apart: the first has no name of its own, the
others are called after what they show. Real and simulated homes stand side by side, never in one figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homeward.bench.chart import Axis, Panel, Plane, Point, Words, dots, lines
from homeward.bench.report import BENIGN, named, pooled, seen
from homeward.bench.targets import DECOY_COSTS, LEAST, MOST

Result = Mapping[str, Any]

PERCENT = Axis(ticks=(0, 0.25, 0.5, 0.75, 1), shares=True)
ALARMS = (0, 0.1, 0.25, 1, 7, 50, 350, 2500)
ALL_USERS = "all users together"
HALVES = Axis(ticks=(0, 0.5, 1), shares=True)
AREA = Axis(ticks=(0, 0.25, 0.5, 0.75, 1), name="area under the ROC curve")
DAILY = Axis(ticks=(0, 1, 10, 100), logarithmic=True)
FLOWS = Axis(ticks=(1, 10, 100, 1000, 10_000), name="malicious flows until it", logarithmic=True)
NAMES = {
    "half_space_trees": "half-space trees",
    "isolation_forest": "isolation forest",
    "loda": "LODA",
    "lof": "local outlier factor",
    "ocsvm": "one-class SVM",
    "markov": "Markov chain",
    "rules": "plain rules",
    "naive_bayes": "naive Bayes",
    "never_seen": "never seen",
    "homeward": "Homeward",
}


def quiet(result: Result) -> dict[str, str]:
    """Alarms a week against the budget, and what was caught at one alarm a week."""
    pools = {f"{kind} homes": kind for kind in ("real", "simulated") if result["pooled"].get(kind)}
    return {"": _alarms(result, pools), "caught": _caught(result, pools)}


def _alarms(result: Result, pools: Mapping[str, str]) -> str:
    planes = []
    for name, kind in pools.items():
        drawn = {
            method: [(float(b), f["alarms_per_week"] or 0.0) for b, f in budgets.items()]
            for method, budgets in _pools(result, kind).items()
        }
        planes.append(Plane(name=name, lines=drawn, below=((0.25, 0.25), (7, 7))))
    across = Axis(ticks=(0.25, 1, 7), name="budget: alarms a week that the owner will hear", logarithmic=True)
    most = max((y for plane in planes for drawn in plane.lines.values() for _, y in drawn), default=0)
    ticks = [tick for n, tick in enumerate(ALARMS) if n < 5 or ALARMS[n - 1] < most]
    words = Words(
        title="Alarms a week, and the budget",
        below="Every false alarm of a home that just lives. In the shaded part the budget is kept.",
        description="Lines of alarms a week by budget, one for each method. " + _spoken(planes, "budget"),
    )
    return lines(words, _series(result), planes, across, Axis(ticks=ticks, name="alarms a week", logarithmic=True))


def _caught(result: Result, pools: Mapping[str, str]) -> str:
    found = {
        kind: {method: of["1"]["scenarios"] for method, of in _pools(result, kind).items() if "1" in of}
        for kind in pools.values()
    }
    every = [rates for methods in found.values() for rates in methods.values()]
    tried = dict.fromkeys(name for rates in every for name, rate in rates.items() if rate)
    panels = []
    for name, kind in pools.items():
        rows = {
            named(scenario): {m: _point(rate) for m, rates in found[kind].items() if (rate := rates.get(scenario))}
            for scenario in sorted(tried, key=lambda one: one == BENIGN)  # the benign one is told last
        }
        targets = _targets(result["pooled"][kind].get("1"))
        panels.append(Panel(name=name, axis=PERCENT, rows=rows, targets=targets))
    words = Words(
        title="What is caught at one alarm a week",
        below="Share of the injected scenarios that interrupted the owner in time, with its 95 % interval.",
        description="Detection rates by scenario and method. " + _told(panels),
        notes=("The upright stroke in a row is the target. Of false alarms less is better.", *_partly(result)),
    )
    return dots(words, _series(result), panels)


def _targets(figures: Mapping[str, Any] | None) -> dict[str, float]:
    """The rates to be reached, by row; a decoy may cost two points of what a night entry reaches."""
    targets = {named(scenario): target for scenario, target in (LEAST | MOST).items()}
    if figures and (night := figures["scenarios"].get("night_entry")):
        targets[named("decoy")] = max(0.0, night["rate"] - DECOY_COSTS)
    return targets


GENERATIONS = {"personal": "personal", "one_size": "one size for all", "rules": "rules"}


def generations(result: Result) -> dict[str, str]:
    """What each generation of guards catches at one alarm a week, and what it costs to catch nearly all."""
    homes = {f"all {kind} homes": pool for kind, pool in result["pooled"].items() if pool}
    homes |= {name: home["generations"] for name, home in result["homes"].items() if home["real"]}
    caught = {name: _by_generation(found, "detection_at_budget_1") for name, found in homes.items()}
    alarms = {name: _by_generation(found, "alarms_per_week_at_95") for name, found in homes.items()}
    most = max((point.value for row in alarms.values() for point in row.values()), default=0)
    costs = Axis(ticks=_decades(most), logarithmic=True)
    panels = [
        Panel(name="caught at one alarm a week", axis=PERCENT, rows=caught),
        Panel(name="alarms a week to catch 95 %", axis=costs, rows=alarms, said=dict.fromkeys(homes, "no figure")),
    ]
    words = Words(
        title="Three generations of guards",
        below="Left: mean over homes and scenarios. Right: to catch 95 % of those who enter at an odd hour.",
        description="Detection and alarms by home and generation. " + _told(panels),
        notes=("Left, more is better; right, less. No mark: no threshold catches so many.",),
    )
    return {"": dots(words, list(GENERATIONS.values()), panels)}


def _by_generation(found: Mapping[str, Any], figure: str) -> dict[str, Point]:
    points = {}
    for generation, said in GENERATIONS.items():
        figures = found.get(generation, {})
        if figures.get(figure) is not None:
            interval = (figures.get("caught_at_budget_1") or {}) if figure == "detection_at_budget_1" else {}
            points[said] = Point(figures[figure], interval.get("low"), interval.get("high"))
    return points


def _decades(most: float) -> list[float]:
    """Ticks of a logarithmic scale from nothing to at least so much."""
    ticks = [0.0, 0.1, 1.0, 10.0]
    while ticks[-1] < most:
        ticks.append(10 * ticks[-1])
    return ticks


def sequences(result: Result) -> dict[str, str]:
    """The mean AUC of every method on every set."""
    rows: dict[str, dict[str, Point]] = {}
    names: dict[str, None] = {}
    for name, of_set in result["sets"].items():
        for method, figures in of_set["methods"].items():
            areas = [found["auc"] for found in figures.values() if isinstance(found, Mapping)]
            if areas:
                names.setdefault(_method(method))
                point = Point(sum(areas) / len(areas), min(areas), max(areas))
                rows.setdefault(name, {})[_method(method)] = point
    panel = Panel(name="", axis=AREA, rows=rows)
    words = Words(
        title="Strange sequences told from usual ones",
        below="Area under the ROC curve: mean over the categories of attack, from the least to the greatest.",
        description="Mean AUC by set and method. " + _told([panel]),
        notes=("A coin that is tossed has 0.5. The figures at the right are those of Homeward.",),
    )
    return {"": dots(words, list(names), [panel], decimals=4)}


def masquerade(result: Result, most: int = 20) -> dict[str, str]:
    """Every method on the blocks of all users, and the guard on each user's, the lowest first."""
    area: dict[str, dict[str, Point]] = {}
    hits: dict[str, dict[str, Point]] = {}
    for row, kind in ((ALL_USERS, "methods"), ("spliced", "spliced")):
        for method, found in result.get(kind, {}).items():
            if found["auc"] is not None:
                area.setdefault(row, {})[_method(method)] = Point(found["auc"], found["auc_low"], found["auc_high"])
                caught = Point(found["hits_at_5pct"], found["hits_low"], found["hits_high"])
                hits.setdefault(row, {})[_method(method)] = caught
    users = sorted(result["users"].items(), key=lambda user: (user[1]["auc"], user[0]))
    for name, user in users[:most]:
        area[name] = {_method("homeward"): Point(user["auc"])}
        hits[name] = {_method("homeward"): Point(user["hits_at_5pct"])}
    panels = [
        Panel(name="told apart", axis=AREA, rows=area, targets={ALL_USERS: 0.97}),
        Panel(name="caught at 5 % false alarms", axis=PERCENT, rows=hits, targets={ALL_USERS: 0.80}),
    ]
    words = Words(
        title="Is it still the same person?",
        below="Blocks of commands: all users under one threshold, with 95 % intervals; then each user alone.",
        description="AUC and share caught by user and method. " + _told(panels),
        notes=(f"{len(users) - most} users with higher AUC are in the table.",) if len(users) > most else (),
    )
    return {"": dots(words, [_method(method) for method in result.get("methods", {})], panels, decimals=3)}


def network(result: Result) -> dict[str, str]:
    """How well every method tells attacks from a device's own flows, its false alarms, and when it first alarms."""
    area: dict[str, dict[str, Point]] = {}
    alarms: dict[str, dict[str, Point]] = {}
    first: dict[str, dict[str, Point]] = {}
    for name, capture in result["captures"].items():
        for rows in (area, alarms, first):
            rows[name] = {}
        for method, found in capture["methods"].items():
            if found["auc"] is not None:
                area[name][_method(method)] = Point(found["auc"], found["auc_low"], found["auc_high"])
            if found["benign_alarms_per_day"] is not None:
                alarms[name][_method(method)] = Point(found["benign_alarms_per_day"])
            if found["first_alarm_after_flows"] is not None:
                first[name][_method(method)] = Point(found["first_alarm_after_flows"])
    attacked = [name for name, capture in result["captures"].items() if capture["malicious"]]
    none = {name: "no attack" for name in area if name not in attacked}
    panels = [
        Panel(name="told apart", axis=AREA, rows=area, targets=dict.fromkeys(attacked, 0.99), said=none),
        Panel(name="false alarms a day", axis=DAILY, rows=alarms, targets=dict.fromkeys(area, 1)),
        Panel(
            name="first alarm", axis=FLOWS, rows=first, targets=dict.fromkeys(attacked, 5),
            said=dict.fromkeys(attacked, "never") | none,
        ),
    ]  # fmt: skip
    words = Words(
        title="Does it notice when a device turns?",
        below="Flows of devices: attacks told from their own, with 95 % intervals; what it costs; and how soon.",
        description="AUC, false alarms a day and malicious flows until the first alarm. " + _told(panels),
        notes=(
            "The upright stroke is the target; for false alarms it is one a day over all captures together.",
            "No mark at the right: that method never alarmed.",
        ),
    )
    return {"": dots(words, [_method(method) for method in result["together"]], panels)}


def change(result: Result) -> dict[str, str]:
    """The rate of alarms after a change of context, and what a moved clock costs each home."""
    return {"": _contexts(result["sets"]), "homes": _clocks(result)}


def _contexts(sets: Mapping[str, Any], most: int = 4) -> str:
    series = ("learning on", "without learning")
    planes = []
    for name, figures in list(sets.items())[:most]:
        drawn = {
            said: [(float(n), rate["rate"]) for n, rate in enumerate(figures[key], 1)]
            for said, key in zip(series, ("rates", "rates_without_learning"), strict=True)
        }
        planes.append(Plane(name=name, lines=drawn))
    longest = max((len(points) for plane in planes for points in plane.lines.values()), default=1)
    left_out = (f"{len(sets) - most} more sets are in the table.",) if len(sets) > most else ()
    words = Words(
        title="After a change of context",
        below="Share of usual windows that alarm, by hundreds of windows since the change.",
        description="Lines of the rate of alarms by hundred windows for each set. " + _spoken(planes, "hundred"),
        notes=left_out,
    )
    across = Axis(ticks=[*range(1, max(2, longest) + 1)], name="hundreds of windows since the change")
    return lines(words, series, planes, across, PERCENT)


def _clocks(result: Result) -> str:
    homes = {f"all {kind} (median)": pool for kind, pool in result["pooled"].items() if pool}
    homes |= {name: home for name, home in result["homes"].items() if home["real"]}
    after, before = "after the clock has moved", "before"
    quiet = {name: {after: Point(h["days_to_quiet"])} for name, h in homes.items() if h["days_to_quiet"] is not None}
    alarms = {name: {after: Point(home["alarms_in_change"])} for name, home in homes.items()}
    caught = {
        name: {
            said: Point(
                home[f"night_entry_{when}"], home[f"night_entry_{when}_low"], home[f"night_entry_{when}_high"]
            )
            for said, when in ((after, "after"), (before, "before"))
            if home[f"night_entry_{when}"] is not None
        }
        for name, home in homes.items()
    }
    panels = [
        _counted("days until it is quiet", quiet, 5, dict.fromkeys(homes, "not quiet again")),
        _counted("alarms in the change", alarms, 3),
        Panel(name="night entries caught", axis=HALVES, rows=caught, targets=dict.fromkeys(homes, 0.95)),
    ]
    words = Words(
        title="When the clock moves by six hours",
        below="Everything happens six hours later from one day on. The owner answers most alarms.",
        description="Days until it is quiet, alarms and night entries caught, by home. " + _told(panels),
        notes=("The upright stroke is the target: at most so many days and alarms, at least so many entries.",),
    )
    return dots(words, (after, before), panels)


def _counted(
    name: str, rows: Mapping[str, Mapping[str, Point]], target: float, said: Mapping[str, str] | None = None
) -> Panel:
    """A panel of counts from 0 on, with a target for every row."""
    most = max([target, *(point.value for points in rows.values() for point in points.values())])
    return Panel(name=name, axis=Axis.up_to(most), rows=rows, targets=dict.fromkeys(rows, target), said=said or {})


LEARNERS = {"guard": "the guard", "always_learn": "the same, learning whatever it sees"}


def poison(result: Result) -> dict[str, str]:
    """Whole night entries caught after thirty nights of teaching, by the door and by motion alone."""
    homes = {f"all {kind} homes": pool for kind, pool in result["pooled"].items() if pool}
    homes |= {name: home for name, home in result["homes"].items() if home["real"] and home["trials"]}
    by_door = {name: _learners(home) for name, home in homes.items()}
    by_motion = {name: points for name, home in homes.items() if (points := _learners(home["motion_only"]))}
    panels = [
        Panel(name="through the entrance", axis=PERCENT, rows=by_door, targets=dict.fromkeys(by_door, 0.95)),
        Panel(name="by motion alone", axis=PERCENT, rows=by_motion),
    ]
    words = Words(
        title="After thirty nights of teaching, is the break-in caught?",
        below="Share of attackers caught when they come for good, with its 95 % interval.",
        description="Shares caught by home and learner. " + _told(panels),
        notes=("The upright stroke is the target; by motion alone there is none.",),
    )
    return {"": dots(words, list(LEARNERS.values()), panels)}


def _learners(figures: Mapping[str, Any]) -> dict[str, Point]:
    return {
        said: Point(figures[name], figures[f"{name}_low"], figures[f"{name}_high"])
        for name, said in LEARNERS.items()
        if figures[name] is not None
    }


def _pools(result: Result, kind: str) -> dict[str, dict[str, Any]]:
    """The figures of a pool by method and budget, for the budgets at which the method was measured."""
    found = {_method("homeward"): dict(result["pooled"][kind])}
    for peer, homes in result["peers"].items():
        met = {budget: seen(homes, budget, real=kind == "real") for budget in result["pooled"][kind]}
        found[_method(peer)] = {b: pooled([homes[name] for name in names], b) for b, names in met.items() if names}
    return found


def _partly(result: Result) -> Iterator[str]:
    """Which peers saw only some of the homes that the guard saw."""
    for real in (True, False):
        every = len(seen(result["homes"], "1", real=real))
        few = [peer for peer, homes in result["peers"].items() if 0 < len(seen(homes, "1", real=real)) < every]
        if few:
            kind = "real" if real else "simulated"
            yield f"Of the {every} {kind} homes {', '.join(map(_method, few))} saw some only: see the table."


def _series(result: Result) -> list[str]:
    return [_method(name) for name in ("homeward", *result["peers"])]


def _method(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))


def _point(rate: Mapping[str, Any]) -> Point:
    return Point(rate["rate"], rate["low"], rate["high"])


def _told(panels: Sequence[Panel], most: int = 40) -> str:
    """The figures of the first series in words."""

    def said() -> Iterator[str]:
        for panel in panels:
            for row, points in panel.rows.items():
                if points:
                    name, point = next(iter(points.items()))
                    yield f"{panel.name}, {row}: {name} {point.value:.2f}"

    return "; ".join(list(said())[:most]) + "."


def _spoken(planes: Sequence[Plane], across: str) -> str:
    told = []
    for plane in planes:
        name, points = next(iter(plane.lines.items()))
        told.append(f"{plane.name}: {name} " + ", ".join(f"{y:.2f} at {across} {x:g}" for x, y in points))
    return "; ".join(told) + "."
