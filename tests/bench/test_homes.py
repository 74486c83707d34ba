from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.bench.small_homes import DAY, write_home

from homeward.bench.homes import find_homes, load
from homeward.sources.files import FileError


def test_a_home_is_read_with_its_devices_and_active_days(tmp_path: Path) -> None:
    home = load("first", write_home(tmp_path, "first", days=21))
    assert len(home.days) == 21
    assert home.judged == [date(2024, 1, 15) + timedelta(days=n) for n in range(7)]
    assert home.weeks == 1
    assert home.starts == datetime(2024, 1, 15, tzinfo=UTC)
    assert home.real
    assert [device.name for device in home.roles("entrance")] == ["door"]
    assert home.rows == len(home.events) == 21 * (len(DAY) * 2 - 2)


def test_repeated_states_are_rows_but_no_events(tmp_path: Path) -> None:
    path = tmp_path / "x.events.csv.gz"
    rows = "".join(f"2024-01-01T00:{minute:02}:00.000Z,x,door,,open,\n" for minute in range(12))
    path.write_bytes(gzip.compress(f"at,home,device,actor,action,value\n{rows}".encode()))
    home = load("x", path)
    assert (home.rows, len(home.events), len(home.days)) == (12, 1, 1)
    assert home.devices["door"].role == "other"


def test_rooms_become_motion_devices_of_a_real_home_on_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "flat.rooms5min.csv.gz"
    rows = "2024-01-01T00:00:00.000Z,flat,Kitchen,3\n2024-01-01T00:05:00.000Z,flat,Kitchen,1\n"
    path.write_bytes(gzip.compress(f"at,home,room,count\n{rows}".encode()))
    home = load("flat", path)
    assert [(event.device, event.action) for event in home.events] == [("Kitchen", "active")] * 2
    assert (home.devices["Kitchen"].type, home.devices["Kitchen"].role) == ("motion", "motion")
    assert home.real
    assert home.bin == timedelta(minutes=5)


def test_files_are_found_by_their_format_and_named_uniquely(tmp_path: Path) -> None:
    for name in ("a.events.csv.gz", "a.rooms5min.csv.gz", "b.events.csv.gz", "c.sequences.csv.gz"):
        (tmp_path / name).touch()
    assert list(find_homes(tmp_path)) == ["a.events", "a.rooms5min", "b"]


def test_a_home_in_another_zone_lives_by_its_own_clock(tmp_path: Path) -> None:
    path = write_home(tmp_path, "north", days=3, clock="utc", timezone="Europe/Helsinki")
    home = load("north", path)
    assert home.clock(date(2024, 1, 2), 1) == datetime(2024, 1, 1, 23, tzinfo=UTC)
    assert home.clock(date(2024, 1, 2), 24) == datetime(2024, 1, 2, 22, tzinfo=UTC)
    assert home.hours[0] == (home.at[0].hour + 2) % 24 == home.hour(home.at[0])
    assert home.active_before(home.clock(date(2024, 1, 3))) == 2


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    path = write_home(tmp_path, "x", days=1)
    (tmp_path / "x.home.json").write_text(json.dumps([]), "utf-8")
    with pytest.raises(FileError, match=r"x\.home\.json"):
        load("x", path)
