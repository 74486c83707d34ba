"""``homeward explain``: why an incident was told, from the journal, while the guard may go on writing it."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from homeward.cli.reading import resumed
from homeward.core.engine import Engine
from homeward.core.explanation import Explanation
from homeward.core.incident import Incident
from homeward.dashboard import told, words
from homeward.dashboard.view import safe

OK, PROBLEM = 0, 1
WIDTH: Final = 100
NEWEST: Final = 5


def explain(chosen: argparse.Namespace) -> int:
    """Tell one incident, at length."""
    engine = resumed(chosen)
    incident = engine.incidents.get(chosen.incident)
    if incident is None:
        print(f"homeward: {_unknown(chosen.incident, engine)}", file=sys.stderr)
        return PROBLEM
    print(json.dumps(as_json(incident), ensure_ascii=False) if chosen.json else as_text(incident, engine))
    return OK


def as_json(incident: Incident) -> dict[str, Any]:
    """An incident and its explanation, JSON-ready; times in UTC to the millisecond."""
    return {
        "incident": incident.id,
        "kind": incident.kind,
        "rung": incident.rung,
        "opened": _utc(incident.opened),
        "updated": _utc(incident.updated),
        "closed": None if incident.closed is None else _utc(incident.closed),
        "device": incident.device,
        "action": incident.action,
        "habit": incident.habit,
        "bits": None if incident.bits is None else round(incident.bits, 2),
        "p_value": incident.p_value,
        "reason": incident.reason,
        **asdict(incident.explained()),
        "events": incident.events,
        "alarms": incident.alarms,
        "answer": incident.answer,
    }


def as_text(incident: Incident, engine: Engine) -> str:
    """An incident and its explanation for people; times are the home's own."""
    zone = ZoneInfo(engine.settings.timezone)
    how = f"{words.rung(incident.rung)}{', in a dry run' if told.rehearsed(incident, engine.leases) else ''}"
    head = f"{incident.id}  {how}, {_span(incident, zone)}"
    parts = [head, _folded(incident.reason, "")]
    for title, said in _parts(incident, incident.explained()):
        parts.append(f"{title}\n" + "\n".join(_folded(line, "  ") for line in said))
    return "\n\n".join(parts)


def _parts(incident: Incident, why: Explanation) -> list[tuple[str, list[str]]]:
    """The parts that have something to say, each with its title."""
    usual = [" ".join(filter(None, (f"{one.habit}: {one.usual}", one.rarity))) for one in why.because]
    if incident.answer is not None:
        answered = f"{words.answer(incident.answer)}, said {incident.answered_by}."
    else:
        answered = "" if incident.kind == "blind" or incident.rung == "record" else _question(incident)
    parts = (
        ("What happened", [why.happened]),
        ("What is usual instead", usual),
        ("What came together", [why.evidence]),
        ("How rare it is", [why.rare]),
        ("What would have made it usual", [why.remedy]),
        ("Answer", [answered]),
    )
    return [(title, said) for title, lines in parts if (said := [line for line in lines if line])]


def _question(incident: Incident) -> str:
    return f"None yet: homeward answer {incident.id} yes (that was me), or no (not me)."


def _span(incident: Incident, zone: tzinfo) -> str:
    opened, updated = incident.opened.astimezone(zone), incident.updated.astimezone(zone)
    until = "" if f"{opened:%H:%M}" == f"{updated:%H:%M}" else f" to {updated:%H:%M}"
    return f"{opened:%a %Y-%m-%d %H:%M}{until}{', going on' if incident.closed is None else ''}"


def _folded(line: str, before: str) -> str:
    return textwrap.fill(safe(line), WIDTH, initial_indent=before, subsequent_indent=before)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unknown(name: str, engine: Engine) -> str:
    newest = list(engine.incidents)[: -NEWEST - 1 : -1]
    there = f"the newest are {', '.join(newest)}" if newest else "there has been none yet"
    return f"no incident {safe(name)} is kept; {there}"
