"""The homes that the benchmarks read: any folder with files of the canonical formats."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from homeward.core.event import Event
from homeward.core.settings import Device
from homeward.sources.files import LastStates, home_name, read_events, read_home

ROOMS = ".rooms5min.csv.gz"
KINDS = (".events.csv.gz", ROOMS)

ACTIVE_EVENTS = 10
"""A day with at least so many rows is active."""

LEARNING_DAYS = 14
"""Active days before figures start; a home with fewer is left out."""

DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One home's whole stream, in time order.

    ``events`` holds no repeated states; ``at`` their times (aware, UTC), ``hours`` and ``dates`` the same on the
    home's own clock. ``rows`` counts repeated states too, and so do ``days``, the active days in order. ``bin``
    is the grid that the times lie on, for a home counted by bins.
    """

    name: str
    real: bool
    timezone: str
    devices: dict[str, Device]
    rows: int
    events: list[Event]
    at: list[datetime]
    hours: list[int]
    dates: list[date]
    days: list[date]
    bin: timedelta | None

    @property
    def judged(self) -> list[date]:
        """The active days that figures are made of: from the 15th on."""
        return self.days[LEARNING_DAYS:]

    @property
    def weeks(self) -> float:
        """How many weeks (of seven active days) figures are made of."""
        return len(self.judged) / DAYS_A_WEEK

    @property
    def starts(self) -> datetime | None:
        """Midnight of the 15th active day, from which figures count; ``None`` where there is none."""
        return self.clock(self.judged[0]) if self.judged else None

    def clock(self, day: date, hour: float = 0.0) -> datetime:
        """The moment (UTC) at which this home's clock shows the given hour of a day; 24 is the next midnight."""
        days, rest = divmod(hour, 24)
        shown = datetime.combine(day, time()) + timedelta(days=days, hours=rest)
        return shown.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def hour(self, at: datetime) -> int:
        """The hour that this home's clock shows."""
        return at.hour if self.timezone == "UTC" else at.astimezone(ZoneInfo(self.timezone)).hour

    def active_before(self, at: datetime) -> int:
        """How many active days were over at that moment."""
        local = at.astimezone(ZoneInfo(self.timezone)).date()
        return bisect_left(self.days, local)

    def index(self, at: datetime) -> int:
        """The first event later than that moment, by its place in ``events``."""
        return bisect_right(self.at, at)

    def roles(self, *roles: str) -> list[Device]:
        """The devices of these roles, by name."""
        return [device for _, device in sorted(self.devices.items()) if device.role in roles]


def find_homes(data: Path) -> dict[str, Path]:
    """The files of a folder that can hold a home, by a name that is unique in the folder, sorted."""
    files = sorted(path for kind in KINDS for path in data.glob(f"*{kind}"))
    stems = Counter(home_name(path) for path in files)
    named = {
        path.name.removesuffix(".csv.gz") if stems[home_name(path)] > 1 else home_name(path): path for path in files
    }
    return dict(sorted(named.items()))


def load(name: str, path: Path) -> Household:
    """Read a home.

    Raises:
        FileError: the file or a table beside it cannot be read.
    """
    about = read_home(path)
    zone = ZoneInfo(about.timezone)
    is_utc = about.timezone == "UTC"
    events: list[Event] = []
    hours: list[int] = []
    dates: list[date] = []
    rows: Counter[date] = Counter()
    states = LastStates()
    today, midnight_passed = date.min, datetime.min.replace(tzinfo=UTC)
    for event in read_events(path):
        local = event.at if is_utc else event.at.astimezone(zone)
        if not midnight_passed <= local < midnight_passed + timedelta(days=1):
            midnight_passed, today = local.replace(hour=0, minute=0, second=0, microsecond=0), local.date()
        rows[today] += 1
        if states.changed(event):
            events.append(event)
            hours.append(local.hour)
            dates.append(today)
    devices = {device.name: device for device in about.devices}
    for event in events:
        if event.device not in devices:
            devices[event.device] = Device(name=event.device)
    return Household(
        name=name,
        real=about.real is not False,
        timezone=about.timezone,
        devices=devices,
        rows=rows.total(),
        events=events,
        at=[event.at for event in events],
        hours=hours,
        dates=dates,
        days=sorted(day for day, count in rows.items() if count >= ACTIVE_EVENTS),
        bin=timedelta(minutes=5) if path.name.endswith(ROOMS) else None,
    )
