"""What the guard counts, in Prometheus' text format (0.0.4). Pure.

Written by hand: the format is three kinds of line, and a client library would bring a registry of its own, while
everything here is counted already, much of it in the journal. A test reads it with Prometheus' own parser.

No label ever holds the name of a device, a person, a room or a place. Whether the alarm is armed is not told either:
who reads metrics need not know that nobody is home.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from homeward.core.effects import IncidentKind
from homeward.core.incident import Incident
from homeward.core.lease import Lease, LeaseStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SAMPLES_LIMIT: Final = 128
"""Samples of one metric; what comes after them, in their order, is added up as ``other``."""

OTHER: Final = "other"

_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9 _.+-]{0,39}", re.ASCII)
"""What a label's value may be: a word or a few. A path, an address or a name in another script is none."""


class Metric(NamedTuple):
    """One metric; ``labels`` are the names of its labels, ``help`` what it is, in a line."""

    name: str
    type: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    help: str


_INFO: Final = Metric("homeward_info", "gauge", ("version",), "Which Homeward this is; always 1.")
_READY: Final = Metric("homeward_ready", "gauge", (), "Whether the alarm budget can be kept yet.")
_BUDGET: Final = Metric("homeward_budget_alarms_per_week", "gauge", (), "Alarms a week that the owner will hear.")
_UNWRITTEN: Final = Metric("homeward_unwritten_entries", "gauge", (), "Entries that wait for space on the disk.")
_SOURCE_UP: Final = Metric("homeward_source_up", "gauge", ("source",), "Whether a source can be seen.")
_OPEN: Final = Metric("homeward_incidents_open", "gauge", ("kind",), "Incidents that go on.")
_WAITING: Final = Metric("homeward_incidents_unanswered", "gauge", (), "Alarms that nobody answered yet.")
_LEASES: Final = Metric("homeward_leases_open", "gauge", ("status",), "Acts that are not taken back yet.")
_ALARMS: Final = Metric("homeward_alarms_total", "counter", ("kind",), "Interruptions of the owner.")
_EVENTS: Final = Metric("homeward_events_total", "counter", ("source",), "Events taken in.")
_REFUSED: Final = Metric(
    "homeward_refused_total", "counter", ("source", "reason"), "What could not be used, by who brought it and why."
)
_DROPPED: Final = Metric("homeward_dropped_total", "counter", ("kind",), "What was let go to keep within a limit.")
_LATE: Final = Metric("homeward_late_total", "counter", ("kind",), "What came too late, or claims an unlikely time.")
_FAILED: Final = Metric("homeward_failed_total", "counter", ("kind",), "What failed and was tried again.")
_COUNTED: Final = Metric("homeward_counted_total", "counter", ("kind",), "Everything else that is counted.")

METRICS: Final = (
    _INFO, _READY, _BUDGET, _UNWRITTEN, _SOURCE_UP, _OPEN, _WAITING, _LEASES,
    _ALARMS, _EVENTS, _REFUSED, _DROPPED, _LATE, _FAILED, _COUNTED,
)  # fmt: skip
"""All of them, in the order in which they are told."""

_BY_NAME: Final = {
    "bad_clock": (_LATE, ("bad clock",)),
    "commits_failed": (_FAILED, ("commit",)),
    "dropped_while_full": (_DROPPED, ("while full",)),
    "held_dropped": (_DROPPED, ("held",)),
    "notes_refused": (_REFUSED, ("notes", "malformed")),
    "outcome_unknown": (_REFUSED, ("responders", "unknown outcome")),
    "refused_name": (_REFUSED, ("guard", "name")),
    "source_restarts": (_FAILED, ("source",)),
    "unwritable": (_REFUSED, ("guard", "unwritable")),
}
"""The guard's own counters that have a name of their own."""

_BY_HEAD: Final = {"alarm": _ALARMS, "events": _EVENTS, "dropped": _DROPPED, "late": _LATE, "failed": _FAILED}
"""A counter ``late: beacon`` is ``homeward_late_total{kind="beacon"}``."""

_BY_WORD: Final = {"refused": _REFUSED, "dropped": _DROPPED, "late": _LATE, "failed": _FAILED}
"""A counter that has no place yet finds one by a word in it, so that none is forgotten: ``flows_dropped``."""


_Found = dict[Metric, defaultdict[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The guard at one moment.

    ``counters`` are the engine's and the shell's together. Beside names of one word they may be ``events: SOURCE``,
    ``alarm: KIND``, ``dropped: KIND``, ``late: KIND``, ``failed: KIND``, and ``refused: SOURCE: REASON`` or
    ``refused: REASON``. ``sources`` tells of each whether it is up; ``unwritten`` how many entries wait for the disk.
    """

    version: str
    counters: Mapping[str, int]
    incidents: Iterable[Incident]
    leases: Iterable[Lease]
    sources: Mapping[str, bool]
    ready: bool
    budget: float
    unwritten: int


def render(snapshot: Snapshot) -> bytes:
    """The whole answer to one scrape."""
    found: _Found = {metric: defaultdict(float) for metric in METRICS}
    found[_INFO][_label(snapshot.version),] = 1
    found[_READY][()] = snapshot.ready
    found[_BUDGET][()] = snapshot.budget
    found[_UNWRITTEN][()] = snapshot.unwritten
    for source, up in snapshot.sources.items():
        label = _label(source)
        found[_SOURCE_UP][label,] = min(found[_SOURCE_UP].get((label,), 1), up)
    _count_open(snapshot, found)
    by_source = any(name.startswith("events: ") for name in snapshot.counters)
    for name, times in snapshot.counters.items():
        if name == "events" and by_source:  # their sum
            continue
        metric, labels = _placed(name)
        found[metric][tuple(map(_label, labels))] += times
    return "".join(line for metric in METRICS for line in _lines(metric, found[metric])).encode()


def _count_open(snapshot: Snapshot, found: _Found) -> None:
    """What goes on now. Every kind is told, also where there is none of it: an alert can rely on it."""
    for kind in get_args(IncidentKind):
        found[_OPEN][kind,] = 0
    for status in get_args(LeaseStatus):
        if status != "ended":
            found[_LEASES][status,] = 0
    found[_WAITING][()] = 0
    for incident in snapshot.incidents:
        if incident.closed is None:
            found[_OPEN][incident.kind,] += 1
        if incident.alarms and incident.answer is None and incident.kind != "blind":
            found[_WAITING][()] += 1
    for lease in snapshot.leases:
        if lease.status != "ended":
            found[_LEASES][lease.status,] += 1


def _placed(name: str) -> tuple[Metric, tuple[str, ...]]:
    """The metric and the labels of a counter."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name == "events":
        return _EVENTS, (OTHER,)
    head, _, rest = name.partition(": ")
    if head == "refused" and rest:
        source, _, reason = rest.rpartition(": ")
        return _REFUSED, (source or OTHER, reason)
    if head in _BY_HEAD and rest:
        return _BY_HEAD[head], (rest,)
    words = name.split("_")
    metric = next((metric for word, metric in _BY_WORD.items() if word in words), _COUNTED)
    kind = " ".join(words)
    return metric, ("guard", kind) if metric is _REFUSED else (kind,)


def _label(text: str) -> str:
    """What may stand in a label; anything else is ``other``, and so can neither tell a name nor break a line."""
    word = text.lower()
    return word if _LABEL.fullmatch(word) else OTHER


def _lines(metric: Metric, samples: Mapping[tuple[str, ...], float]) -> Iterator[str]:
    """A metric's lines, in the order of its labels. One that has nothing to say says nothing."""
    if not samples:
        return
    yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n"
    told = sorted(samples.items())
    if len(told) > SAMPLES_LIMIT:
        rest = [value for _, value in told[SAMPLES_LIMIT - 1 :]]
        together = min(rest) if metric is _SOURCE_UP else sum(rest)
        told = [*told[: SAMPLES_LIMIT - 1], ((OTHER,) * len(metric.labels), together)]
    for values, value in told:
        labels = ",".join(f'{name}="{text}"' for name, text in zip(metric.labels, values, strict=True))
        number = int(value) if value == int(value) else value
        yield f"{metric.name}{{{labels}}} {number}\n" if labels else f"{metric.name} {number}\n"
