"""`homeward explain` as it is run: an incident at length, from the journal that a guard left."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from homeward.cli import main
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback, Input
from homeward.core.settings import Device, Settings
from homeward.guard import Guard
from homeward.journal import Journal

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 14
DAY = (
    (7.0, "kitchen_motion on, kitchen_motion off"),
    (8.0, "front_door open, front_door closed"),
    (17.5, "front_door open, front_door closed, kitchen_motion on"),
    (20.0, "kitchen_motion off, kitchen_motion on, kitchen_motion off"),
)
HOME = Settings(
    place="home",
    timezone="Europe/Berlin",
    devices=(
        Device(name="front_door", type="contact.door", role="entrance"),
        Device(name="kitchen_motion", type="motion", role="motion"),
        Device(name="window", type="contact.window", role="entrance"),
    ),
)
NIGHT, ARMED = "i1", "i2"
KEYS = [
    "incident", "kind", "rung", "opened", "updated", "closed", "device", "action", "habit", "bits", "p_value",
    "reason", "happened", "because", "evidence", "rare", "remedy", "events", "alarms", "answer",
]  # fmt: skip


def event(at: datetime, words: str) -> Event:
    device, action = words.split()
    return Event(id=f"{at}", source="test", at=at, device=device, action=action)


def fortnight() -> list[Input]:
    """Days as they always are here, give or take a few minutes."""
    random = Random("a fortnight of tests")
    found: list[Input] = []
    for day in range(DAYS):
        for hour, activities in DAY:
            at = START + timedelta(days=day, hours=hour, minutes=random.uniform(-10, 10))
            for words in activities.split(", "):
                at += timedelta(seconds=random.uniform(5, 60))
                found.append(event(at, words))
    return found


@pytest.fixture(scope="module", name="lived")
def lived_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two weeks of history, and then a night: the front door opened, and later, while armed, a window."""
    folder = tmp_path_factory.mktemp("lived")
    (folder / "homeward.toml").write_text("")
    night = START + timedelta(days=DAYS, hours=2, minutes=10)
    with Journal(folder / "state") as journal:
        Guard(journal).process(
            [
                Change(at=START, version="test", settings=HOME, command="backfill_begin"),
                *fortnight(),
                Change(at=night, version="test", command="backfill_end"),
                event(night, "front_door open"),
                Feedback(at=night + timedelta(hours=2), incident=NIGHT, answer="no", person="ada", channel="page"),
                Change(at=night + timedelta(hours=2), version="test", command="arm"),
                event(night + timedelta(hours=3), "window open"),
            ]
        )
    return folder


@pytest.fixture(name="home")
def home_fixture(lived: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(lived)
    return lived


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["explain", *words]) == 0
    said = capsys.readouterr()
    assert said.err == "", "no progress bar where nobody looks"
    return said.out


def test_an_unusual_incident_is_told_at_length(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, NIGHT)
    assert text.startswith("i1  ")
    assert "Mon 2026-03-16 03:10" in text, "by the home's own clock"
    assert "front_door open at 03:10" in text
    for title in ("What happened", "What is usual instead", "How rare it is", "What would have made it usual"):
        assert f"\n\n{title}\n  " in text
    assert "You allow 1 alarm a week" in text
    assert "learns what is unusual from an answer only" in " ".join(text.split())
    assert "said ada by page." in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_json_is_one_line_with_what_the_text_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, NIGHT, "--json")
    assert line.count("\n") == 1
    found = json.loads(line)
    assert list(found) == KEYS
    assert (found["incident"], found["kind"], found["answer"]) == (NIGHT, "unusual", "no")
    assert (found["device"], found["action"]) == ("front_door", "open")
    assert found["opened"] == "2026-03-16T02:10:00.000Z"
    assert 0 < found["p_value"] < 0.05
    assert found["bits"] > 4
    assert "when" in {because["habit"] for because in found["because"]}
    text = " ".join(told(capsys, NIGHT).split())
    for part in (found["reason"], found["happened"], found["rare"], found["remedy"]):
        assert part
        assert part in text
    for because in found["because"]:
        assert f"{because['habit']}: {because['usual']}" in text


def test_a_rule_says_that_it_is_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, ARMED, "--json"))
    assert (found["kind"], found["habit"], found["device"]) == ("rule", "entrance while armed", "window")
    assert (found["bits"], found["p_value"], found["because"]) == (None, None, [])
    text = told(capsys, ARMED)
    assert "This is a rule and no habit" in text
    assert "What is usual instead" not in text, "a rule knows nothing of it"
    assert "None yet: homeward answer i2 yes (that was me), or no (not me)." in text


def test_another_journal_can_be_named(
    lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", NIGHT]) == 2, "no configuration here says where the journal is"
    assert capsys.readouterr().out == ""
    assert told(capsys, NIGHT, "--state", str(lived / "state")).startswith("i1  ")


def test_an_incident_that_nobody_knows_ends_with_status_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "i99"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "homeward: no incident i99 is kept; the newest are i2, i1\n"


def test_no_journal_is_said_in_one_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", NIGHT, "--state", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_explaining_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(home / "state", read_only=True) as journal:
        before = journal.head
    told(capsys, NIGHT)
    with Journal(home / "state", read_only=True) as journal:
        assert journal.head == before
