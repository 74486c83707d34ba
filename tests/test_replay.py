"""A replay streams a recorded home through the whole guard, and says the same thing every time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homeward.core.effects import Notify
from homeward.core.event import Event
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.replay import Summary, alarm_line, replay
from homeward.sources.files import FileError

START = datetime(2025, 3, 3, tzinfo=UTC)
HEADER = "at,home,device,actor,action,value\n"

ALARM_KEYS = ["type", "at", "incident", "device", "habit", "bits", "p_value", "reason"]
SUMMARY_KEYS = ["type", "events", "alarms", "weeks", "alarms_per_week", "ready_after_days", "events_per_s"]


def rows(days: int, *, a_day: int = 12, home: str = "flat", start: datetime = START) -> Iterator[str]:
    """A quiet home: the same door and lamp at the same hours, every day."""
    for day in range(days):
        for number in range(a_day):
            at = start + timedelta(days=day, hours=7, minutes=40 * number)
            device, action = (("door", "open"), ("door", "closed"), ("lamp", "on"), ("lamp", "off"))[number % 4]
            yield f"{at.isoformat()},{home},{device},,{action},\n"


def recording(folder: Path, lines: Iterator[str], name: str = "flat") -> Path:
    path = folder / f"{name}.events.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def test_rows_are_counted_with_repeated_states_but_only_changes_are_events(tmp_path: Path) -> None:
    path = recording(tmp_path, (line for line in rows(2) for _ in range(3)))
    summary = replay([path], state=tmp_path / "state")
    assert summary.events == 2 * 12 * 3
    with Journal(tmp_path / "state") as journal:
        assert sum(isinstance(entry, Event) for _, entry in journal.inputs()) == 2 * 12
        assert journal.verify().ok


def test_weeks_are_active_days_from_the_fifteenth_on(tmp_path: Path) -> None:
    lazy = rows(20, a_day=9, start=START + timedelta(days=100))
    path = recording(tmp_path, iter([*rows(14 + 21), *lazy]))
    assert replay([path]).weeks == 3


def test_fifteen_days_are_needed_for_a_rate(tmp_path: Path) -> None:
    summary = replay([recording(tmp_path, rows(14))])
    assert (summary.weeks, summary.alarms, summary.alarms_per_week) == (0, 0, None)


def test_the_days_are_those_of_the_homes_own_clock(tmp_path: Path) -> None:
    """Half of the rows of an evening in Auckland are of the next day in UTC."""
    (tmp_path / "flat.home.json").write_text('{"home": "flat", "timezone": "Pacific/Auckland", "clock": "utc"}')
    evening = [
        f"{(START + timedelta(days=day, hours=11, minutes=5 * n)).isoformat()},flat,door,,{n % 2},\n"
        for day in range(22)
        for n in range(10)
    ]
    assert replay([recording(tmp_path, iter(evening))]).weeks == pytest.approx(8 / 7, abs=0.001)


def test_alarms_before_the_fifteenth_active_day_are_told_and_not_counted(tmp_path: Path) -> None:
    """A rule watches from the first minute."""
    (tmp_path / "flat.devices.csv").write_text("device,type,room,role\nlamp,light,hall,actuator\n")

    def flood(day: int) -> Iterator[str]:
        for number in range(40):
            at = START + timedelta(days=day, hours=20, seconds=number)
            yield f"{at.isoformat()},flat,lamp,,{('on', 'off')[number % 2]},\n"

    lines = sorted([*rows(21), *flood(3), *flood(18)])
    told: list[Notify] = []
    summary = replay([recording(tmp_path, iter(lines))], on_alarm=told.append)
    rules = [alarm for alarm in told if alarm.habit == "flood"]
    assert [alarm.at.day for alarm in rules] == [6, 21]
    assert summary.alarms == sum(alarm.at >= START + timedelta(days=14) for alarm in told)
    line = alarm_line(rules[0])
    assert list(line) == ALARM_KEYS
    assert (line["bits"], line["p_value"], line["device"]) == (None, None, "lamp")
    assert line["at"].endswith("Z")


def test_a_summary_has_the_keys_that_are_promised(tmp_path: Path) -> None:
    line = replay([recording(tmp_path, rows(30))]).line()
    assert list(line) == SUMMARY_KEYS
    assert json.loads(json.dumps(line)) == line


def test_a_home_that_is_never_learned_is_never_ready(tmp_path: Path) -> None:
    assert replay([recording(tmp_path, rows(1))]).ready_after_days is None


def test_a_home_that_was_learned_says_after_how_many_days(tmp_path: Path) -> None:
    """Ready on the seventh active day, counted from the first event: six days and a morning later."""
    ready = replay([recording(tmp_path, rows(90))]).ready_after_days
    assert ready is not None
    assert 6 <= ready < 14


def test_several_files_of_one_home_are_one_stream_in_time_order(tmp_path: Path) -> None:
    lines = list(rows(40))
    whole = replay([recording(tmp_path, iter(lines))])
    (tmp_path / "parts").mkdir()
    first = recording(tmp_path / "parts", iter(lines[1::2]), "flat")
    second = tmp_path / "parts" / "flat.events.csv.gz"
    with gzip.open(second, "wt") as file:
        file.write(HEADER + "".join(lines[::2]))
    parts = replay([first, second])
    assert _same(parts) == _same(whole)


def _same(summary: Summary) -> dict[str, object]:
    return {key: value for key, value in summary.line().items() if key != "events_per_s"}


def test_homes_are_not_mixed(tmp_path: Path) -> None:
    paths = [recording(tmp_path, rows(1), name) for name in ("one", "other")]
    with pytest.raises(FileError, match="replay one home at a time"):
        replay(paths)


def test_a_file_without_events_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no event"):
        replay([recording(tmp_path, iter(()))])


def test_a_journal_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = recording(tmp_path, rows(1))
    replay([path], state=tmp_path / "state")
    with pytest.raises(FileError, match="holds a journal already"):
        replay([path], state=tmp_path / "state")


def test_the_journal_of_a_replay_folds_to_what_the_replay_said(tmp_path: Path) -> None:
    told: list[Notify] = []
    replay([recording(tmp_path, rows(60))], state=tmp_path / "state", on_alarm=told.append)
    with Journal(tmp_path / "state") as journal:
        assert [entry for _, entry in journal.entries() if isinstance(entry, Notify) and entry.interrupts] == told
        assert Guard.resume(journal).engine.readiness().ready


def test_a_recorded_home_twice_gives_the_same_lines(data_folder: Path) -> None:
    path = data_folder / "homeassist.events.csv.gz"

    def lines() -> tuple[list[str], Summary]:
        told: list[str] = []
        summary = replay([path], on_alarm=lambda alarm: told.append(json.dumps(alarm_line(alarm))))
        return told, summary

    (first, summary), (again, second) = lines(), lines()
    assert first == again
    assert _same(summary) == _same(second)
    assert summary.events == 61_801
