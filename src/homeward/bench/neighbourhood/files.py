"""A simulated household as files of the canonical formats: events, devices, home; marked as not real."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

from homeward.bench.homes import Household


def write(home: Household, folder: Path) -> Path:
    """Write ``NAME.events.csv.gz`` and its two tables; the events file's path.

    Times are true UTC, and the home table says so. The format holds no origin, so that is lost; the same household
    gives the same bytes.

    Raises:
        OSError: the folder cannot be written to.
    """
    rows = io.StringIO(newline="")
    lines = csv.writer(rows)
    lines.writerow(["at", "home", "device", "actor", "action", "value"])
    for event in home.events:
        at = event.at.replace(tzinfo=None).isoformat(timespec="milliseconds")
        value = "" if event.value is None else f"{event.value:g}"
        lines.writerow([f"{at}Z", home.name, event.device, event.actor or "", event.action, value])
    path = folder / f"{home.name}.events.csv.gz"
    path.write_bytes(gzip.compress(rows.getvalue().encode(), mtime=0))
    with (folder / f"{home.name}.devices.csv").open("w", encoding="utf-8", newline="") as table:
        lines = csv.writer(table)
        lines.writerow(["device", "type", "room", "role"])
        lines.writerows([d.name, d.type, d.room, d.role] for _, d in sorted(home.devices.items()))
    about = {
        "home": home.name,
        "timezone": home.timezone,
        "clock": "utc",
        "residents": None,
        "real": False,
        "source": "homeward.bench.neighbourhood",
    }
    (folder / f"{home.name}.home.json").write_text(json.dumps(about), "utf-8")
    return path
