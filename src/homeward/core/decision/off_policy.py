"""What another policy would have cost, from a log of what one policy did: before a new one is let loose.

A log holds for each decision what it was about, what was chosen, with which probability and among which rungs, and
what it cost. From these the cost of any policy can be estimated that chooses nothing which the first never chose: by
importance weights (IPS: Horvitz and Thompson 1952), by weights that are made to add up (SNIPS: Swaminathan and
Joachims 2015), and doubly robust (DR: Dudík, Langford and Li 2011), where a simple model of costs stands in and the
weights only correct it; the model of one half of the log serves the other. Where somebody answered "not me", what
another rung would have cost is known without any: what it is believed to let through. Where there is no overlap
nothing is estimated, and why is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, get_args

from homeward.core.decision.ladder import STEPS, Rung
from homeward.core.decision.policy import Choice, Evidence
from homeward.core.decision.reward import passes
from homeward.core.effects import IncidentKind, Record

LEAST_EFFECTIVE: Final = 30.0
"""Below so many decisions that tell something about a policy, nothing is said about it."""

LEAST_OVERLAP: Final = 0.9
"""So much of what a policy would do must have had a chance to be in the log; for the rest the model of costs stands
in."""

WORTH: Final = 5.0
"""In the model of costs, what is coarser counts as so many decisions."""

Z_95: Final = 1.959963984540054

Chances = Callable[[Evidence, Sequence[Rung]], Mapping[Rung, float]]
"""With which probability a policy takes each rung: `homeward.core.decision.bandit.Bandit.chances`."""

_KINDS: Final = frozenset(get_args(IncidentKind))

# A decision as a line of the journal


def written(evidence: Evidence, choice: Choice) -> str:
    """A decision as the journal has it: what was chosen, among what, on which evidence; see `read`."""
    return (
        f"rung={choice.rung} propensity={choice.propensity!r} options={','.join(choice.options)} "
        f"above={evidence.above} kind={evidence.kind} guarded={evidence.guarded:d} away={evidence.away:d} "
        f"night={evidence.night:d} rule={evidence.rule:d}"
    )


def read(text: str) -> tuple[Evidence, Choice] | None:
    """What `written` wrote; ``None`` where it is anything else, such as a line of an older version."""
    pairs = [part.partition("=")[::2] for part in text.split(" ")]
    said = dict(pairs)
    flags = {name: said.get(name) for name in ("guarded", "away", "night", "rule")}
    options = tuple(rung for rung in STEPS if rung in said.get("options", "").split(","))
    if len(pairs) != len(_FIELDS) or tuple(said) != _FIELDS or ",".join(options) != said["options"]:
        return None
    if said["kind"] not in _KINDS or not set(flags.values()) <= {"0", "1"} or said["rung"] not in options:
        return None
    try:
        above, propensity = int(said["above"]), float(said["propensity"])
    except ValueError:
        return None
    if not 0 < propensity <= 1:
        return None
    rung = next(one for one in options if one == said["rung"])
    kind = next(one for one in get_args(IncidentKind) if one == said["kind"])
    evidence = Evidence(above=above, kind=kind, **{name: flag == "1" for name, flag in flags.items()})
    return evidence, Choice(rung=rung, propensity=propensity, options=options)


_FIELDS: Final = ("rung", "propensity", "options", "above", "kind", "guarded", "away", "night", "rule")


def written_cost(cost: float) -> str:
    """What a decision cost, as the journal has it."""
    return f"cost={cost!r}"


def read_cost(text: str) -> float | None:
    """What `written_cost` wrote; ``None`` where it is anything else."""
    name, _, figure = text.partition("=")
    try:
        cost = float(figure) if name == "cost" else math.nan
    except ValueError:
        return None
    return cost if math.isfinite(cost) and cost >= 0 else None


class Logged(NamedTuple):
    """A decision, and what it cost."""

    evidence: Evidence
    choice: Choice
    cost: float


def gather(records: Iterable[Record]) -> list[Logged]:
    """The decisions of a journal whose cost is known, in the order in which they were taken.

    ``choice`` records hold what `written` wrote, ``reward`` records of the same subject what `written_cost` wrote; an
    incident that was decided upon again begins a new decision.
    """
    open_: dict[str, int] = {}
    decided: list[tuple[Evidence, Choice]] = []
    costs: dict[int, float] = {}
    for record in records:
        if record.kind == "choice":
            decision = read(record.detail)
            if decision is not None:
                open_[record.subject] = len(decided)
                decided.append(decision)
        elif record.kind == "reward" and record.subject in open_:
            cost = read_cost(record.detail)
            if cost is not None:
                costs[open_[record.subject]] = cost
    return [Logged(*decided[number], cost) for number, cost in sorted(costs.items())]


# What a policy would have cost


class Estimate(NamedTuple):
    """What a policy would have cost per decision. ``dr`` is the headline, ``low`` and ``high`` its 95 % interval (by
    the central limit theorem), ``effective`` how many decisions of its own the log is worth to it. Where ``reason``
    says why nothing can be said, all of these are ``None``."""

    decisions: int
    effective: float
    ips: float | None = None
    snips: float | None = None
    dr: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def estimate(log: Sequence[Logged], policy: Chances) -> Estimate:
    """What ``policy`` would have cost on the decisions of ``log``."""
    chances = [policy(one.evidence, one.choice.options) for one in log]
    weights = [
        would.get(one.choice.rung, 0.0) / one.choice.propensity for one, would in zip(log, chances, strict=True)
    ]
    total, squares = math.fsum(weights), math.fsum(weight * weight for weight in weights)
    effective = total * total / squares if squares else 0.0
    if not log:
        return Estimate(0, 0.0, reason="there is no decision whose cost is known")
    never = math.fsum(
        1 - would.get(one.choice.rung, 0.0)
        for one, would in zip(log, chances, strict=True)
        if one.choice.propensity == 1
    ) / len(log)
    if never > 1 - LEAST_OVERLAP:
        why = f"in {never:.0%} of the decisions it would do what was never tried"
        return Estimate(len(log), effective, reason=why)
    if effective < LEAST_EFFECTIVE:
        why = f"the log tells as much about it as {effective:.0f} decisions would; it takes {LEAST_EFFECTIVE:.0f}"
        return Estimate(len(log), effective, reason=why)
    paid = [weight * one.cost for weight, one in zip(weights, log, strict=True)]
    scores = _doubly_robust(log, chances, weights)
    dr = math.fsum(scores) / len(log)
    spread = math.sqrt(math.fsum((score - dr) ** 2 for score in scores) / max(1, len(log) - 1) / len(log))
    return Estimate(
        decisions=len(log),
        effective=effective,
        ips=math.fsum(paid) / len(log),
        snips=math.fsum(paid) / total,
        dr=dr,
        low=dr - Z_95 * spread,
        high=dr + Z_95 * spread,
    )


def _doubly_robust(
    log: Sequence[Logged], chances: Sequence[Mapping[Rung, float]], weights: Sequence[float]
) -> list[float]:
    """For each decision what the model says of the policy, corrected by what the decision really cost."""
    models = [_Model(log[1::2]), _Model(log[0::2])]  # neither has seen what it is used on
    scores = []
    for number, (one, would, weight) in enumerate(zip(log, chances, weights, strict=True)):
        if _was_real(one):  # whoever says "not me" would say so whatever had been done
            scores.append(math.fsum(chance * passes(rung) for rung, chance in would.items()))
            continue
        model = models[number % 2]
        direct = math.fsum(chance * model.cost(rung, one.evidence) for rung, chance in would.items())
        scores.append(direct + weight * (one.cost - model.cost(one.choice.rung, one.evidence)))
    return scores


def _was_real(one: Logged) -> bool:
    return one.cost == passes(one.choice.rung)  # no other verdict costs just that


class _Model:
    """What a rung costs where nothing is wrong, in the mean: anywhere, and where it is alike (guarded, rule, night,
    away); each shrunk to the coarser."""

    def __init__(self, log: Sequence[Logged]) -> None:
        self._sums: dict[str, tuple[float, float]] = {}
        for one in log:
            if _was_real(one):
                continue
            for key in _keys(one.choice.rung, one.evidence):
                count, total = self._sums.get(key, (0.0, 0.0))
                self._sums[key] = (count + 1, total + one.cost)

    def cost(self, rung: Rung, evidence: Evidence) -> float:
        mean = STEPS[rung].intrusiveness
        for key in _keys(rung, evidence):
            count, total = self._sums.get(key, (0.0, 0.0))
            mean = (WORTH * mean + total) / (WORTH + count)
        return mean


def _keys(rung: Rung, evidence: Evidence) -> tuple[str, str]:
    return rung, f"{rung} {evidence.guarded:d}{evidence.rule:d}{evidence.night:d}{evidence.away:d}"


HEAD: Final = ("policy", "cost per decision", "95 % interval", "IPS", "SNIPS", "decisions", "worth to it", "")
"""The columns of `compare`."""


def compare(log: Sequence[Logged], policies: Mapping[str, Chances]) -> list[tuple[str, ...]]:
    """A row below `HEAD` for what was done, then for each policy what it would have cost on the same decisions."""
    rows = [_as_it_was(log)]
    for name, policy in policies.items():
        found = estimate(log, policy)
        figures = [_figure(found.dr), _interval(found.low, found.high), _figure(found.ips), _figure(found.snips)]
        rows.append((name, *figures, str(found.decisions), f"{found.effective:.0f}", found.reason))
    return rows


def _as_it_was(log: Sequence[Logged]) -> tuple[str, ...]:
    count = len(log)
    mean = math.fsum(one.cost for one in log) / count if count else None
    half = None
    if mean is not None and count > 1:
        half = Z_95 * math.sqrt(math.fsum((one.cost - mean) ** 2 for one in log) / (count - 1) / count)
    interval = _interval(*((mean - half, mean + half) if mean is not None and half is not None else (None, None)))
    return "as it was", _figure(mean), interval, "", "", str(count), str(count), ""


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.3f}-{high:.3f}"
