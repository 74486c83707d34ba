"""Small homes, written as files: a routine with seeded jitter, in the canonical formats."""

from __future__ import annotations

import csv
import gzip
import json
import random
from datetime import datetime, timedelta
from pathlib import Path

DEVICES = [
    ("door", "contact.door", "entrance", "entrance"),
    ("hall", "motion", "entrance", "motion"),
    ("kitchen", "motion", "kitchen", "motion"),
    ("bedroom", "motion", "bedroom", "motion"),
    ("living", "motion", "living", "motion"),
    ("cupboard", "contact.cupboard", "kitchen", "use"),
    ("lamp", "light", "living", "actuator"),
]

DAY = [
    (6.5, "bedroom", "on", "off"),
    (6.7, "kitchen", "on", "off"),
    (6.8, "cupboard", "open", "closed"),
    (7.4, "hall", "on", "off"),
    (7.5, "door", "open", "closed"),
    (17.2, "door", "open", "closed"),
    (17.3, "hall", "on", "off"),
    (17.6, "kitchen", "on", "off"),
    (18.0, "cupboard", "open", "closed"),
    (18.8, "living", "on", "off"),
    (19.0, "lamp", "on", ""),
    (22.4, "lamp", "off", ""),
    (22.5, "living", "on", "off"),
    (22.8, "bedroom", "on", "off"),
]


def write_home(folder: Path, name: str, *, days: int, seed: int = 1, **about: object) -> Path:
    """A home of one resident with a routine, as `NAME.events.csv.gz` with its two tables."""
    chance = random.Random(seed)
    rows: list[tuple[datetime, str, str]] = []
    for day in range(days):
        midnight = datetime(2024, 1, 1) + timedelta(days=day)  # noqa: DTZ001  # the home's own clock
        for hour, device, action, end in DAY:
            at = midnight + timedelta(hours=hour, minutes=chance.uniform(0, 5))
            rows.append((at, device, action))
            if end:
                rows.append((at + timedelta(seconds=chance.uniform(1, 40)), device, end))
    with gzip.open(folder / f"{name}.events.csv.gz", "wt", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["at", "home", "device", "actor", "action", "value"])
        lines.writerows(
            [f"{at.isoformat(timespec='milliseconds')}Z", name, device, "", action, ""]
            for at, device, action in sorted(rows)
        )
    with (folder / f"{name}.devices.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([["device", "type", "room", "role"], *DEVICES])
    home = {"home": name, "timezone": None, "clock": "local", "residents": 1, "real": True, **about}
    (folder / f"{name}.home.json").write_text(json.dumps(home), "utf-8")
    return folder / f"{name}.events.csv.gz"


def write_folder(folder: Path) -> Path:
    """Two homes of three weeks, and one that is too young."""
    write_home(folder, "first", days=21)
    write_home(folder, "second", days=21, seed=2)
    write_home(folder, "young", days=6, seed=3)
    return folder
