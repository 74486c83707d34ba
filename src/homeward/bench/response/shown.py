"""The figures of ``bench response`` for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from homeward.bench.report import NONE, bullets, figure, markdown_table, measured, text_table
from homeward.bench.response.owners import OWNERS

Result = Mapping[str, Any]
Table = tuple[Sequence[str], list[list[str]]]

NAMES: Final = {"vowpal_wabbit": "Vowpal Wabbit", "mabwiser": "MABWiser"}


def table(result: Result) -> str:
    """Every owner, the peers, the estimates and the targets, for the terminal."""
    told = [text_table(head, rows) for head, rows in _tables(result)]
    return "\n".join([*told, bullets(_notes(result))])


def markdown(result: Result, *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds when, where and by which command the figures were measured."""
    told = [markdown_table(head, rows) for head, rows in _tables(result)]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*told, bullets([*_notes(result), *line])])


def _tables(result: Result) -> Iterator[Table]:
    yield _owners(result["owners"])
    if result["peers"]:
        yield _peers(result["peers"])
    yield _estimates(result["off_policy"])
    yield _targets(result["targets"])


def _owners(owners: Result) -> Table:
    head = (
        "owner", "ladder", "learned", "beside the ladder's", "within reach", "oracle", "attacks let through",
        "by the ladder", "breaches",
    )  # fmt: skip
    rows = []
    for name, one in owners.items():
        learned = f"{figure(one['cost_learned'], 3)} ({figure(one['low'], 3)}-{figure(one['high'], 3)})"
        beside = f"{figure(one['ratio'])} ({figure(one['ratio_low'])}-{figure(one['ratio_high'])})"
        costs = [figure(one["cost_fixed"], 3), learned, beside]
        ends = [figure(one["cost_within_reach"], 3), figure(one["cost_oracle"], 3)]
        through = [f"{one['attacks_let_through']} of {one['attacks']}", str(one["attacks_let_through_fixed"])]
        rows.append([_said(name), *costs, *ends, *through, str(one["guardrail_breaches"])])
    return head, rows


def _peers(peers: Result) -> Table:
    """Peers on the lives that they lived, with the bandit and the ladder on the same."""
    head = ("owner", "policy", "cost", "attacks let through", "breaches")
    rows = []
    for name in next(iter(peers.values())):
        same = next(iter(peers.values()))[name]
        rows.append(
            [_said(name), "ladder", figure(same["cost_fixed"], 3), str(same["attacks_let_through_fixed"]), NONE]
        )
        rows.append(
            [_said(name), "learned", figure(same["cost_learned"], 3), str(same["attacks_let_through_learned"]), NONE]
        )
        for peer, by_owner in peers.items():
            one = by_owner[name]
            through, breaches = str(one["attacks_let_through"]), str(one["guardrail_breaches"])
            rows.append([_said(name), NAMES[peer], figure(one["cost"], 3), through, breaches])
    return head, rows


def _estimates(estimates: Result) -> Table:
    head = ("owner", "off-policy error", "bias", "truth within the interval", "estimates", "refused")
    rows = [
        [
            _said(name),
            figure(one["error"], 3),
            figure(one["bias"], 3),
            str(one["within"]),
            str(one["estimates"]),
            str(one["refused"]),
        ]
        for name, one in estimates.items()
    ]
    return head, rows


def _targets(goals: Result) -> Table:
    rows = []
    for name, goal in goals.items():
        met = NONE if goal["met"] is None else "met" if goal["met"] else "missed"
        whole = isinstance(goal["figure"], int)
        rows.append(
            [name.replace("_", " "), figure(goal["figure"], 0 if whole else 3), f"at most {goal['at_most']:g}", met]
        )
    return ("target", "figure", "wanted", "it is"), rows


def _said(name: str) -> str:
    return name.replace("_", " ")


def _notes(result: Result) -> Iterator[str]:
    yield (
        "Costs are per incident, from the owner's hundredth answer on; 1 is what somebody minds who did nothing "
        "wrong, and an attack that gets through costs 10. Intervals are 95 %, by bootstrap over lives."
    )
    yield (
        "“Oracle” knows what is real and what this owner minds, and takes the cheapest of what is offered. “Within "
        "reach” does not know what is real: it is what the bandit would come to if it knew from the start what this "
        "owner minds and gave up protection wherever its own rules let it."
    )
    added = [
        f"{_said(name)} {one['attacks_let_through_if_added']} beside {one['attacks_let_through_fixed_if_added']}"
        for name, one in result["owners"].items()
    ]
    yield (
        "Measures that are taken together stop what the strongest of them stops. If instead each had a chance of its "
        "own, so that a siren added to a door that is locked again, so many attacks would get through, beside the "
        f"ladder's: {'; '.join(added)}."
    )
    yield from (f"{_said(owner.name)}: {owner.about}" for owner in OWNERS)
    given = result["hostile_answers"]
    if given:
        yield (
            "Thresholds: in real engines a resident unlocked the front door in fourteen nights, gave no code, and "
            f"answered “that was me” {given['given']} times, of which {given['refused']} were refused."
        )
    for peer, reason in result["reasons"].items():
        yield f"No figure for {NAMES[peer]}: {reason}."
