"""What is said while the guard is down is left as a note; whoever may not write one is not heard."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.service_twins import SETTINGS, START, Clock, TwinResponder, event, running, stranger, until

from homeward import feeders, inbox
from homeward.core.arrival import ANNOUNCED
from homeward.core.effects import IncidentKind
from homeward.core.incident import Incident
from homeward.core.inputs import Answer, Change
from homeward.guard import Guard
from homeward.inbox import InboxError, Note, collect, leave
from homeward.journal import Journal
from homeward.service import Service

YES = Note(says="answer", incident="i1", answer="yes")


def test_a_note_is_left_whole_and_for_the_guard_alone(tmp_path: Path) -> None:
    path = leave(tmp_path / "inbox", YES)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [note for _, note in collect(tmp_path / "inbox")] == [YES]
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no half note stays"


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("a file")
    with pytest.raises(InboxError, match="cannot be left"):
        leave(tmp_path / "inbox", YES)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"not json", "malformed"),
        (b'{"says": "unlock"}', "Invalid enum value"),
        (b'{"says": "answer"}', "names its incident"),
        (b'{"says": "stand_down", "incident": "i1", "answer": "no"}', "names its incident"),
        (b'{"says": "refuse"}', "names a device"),
        (b'{"says": "refuse", "device": ""}', "length"),
        (b'{"says": "stand_down", "device": "x"}', "names a device"),
        (b'{"says": "answer", "incident": "i1", "answer": "no", "device": "x"}', "names a device"),
        (b'{"says": "approve", "device": "x", "incident": "i1", "answer": "yes"}', "names its incident"),
        (b'{"says": "stand_down", "surprise": 1}', "unknown field"),
        (b'{"says": "answer", "incident": "' + b"x" * 129 + b'", "answer": "yes"}', "length"),
        (b" " * 5_000, "larger than"),
    ],
)
def test_a_note_that_is_not_one_is_refused(tmp_path: Path, body: bytes, why: str) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(body)
    path.chmod(0o600)
    ((_, refused),) = collect(tmp_path)
    assert isinstance(refused, InboxError)
    assert why in str(refused)


def test_a_note_that_others_may_write_is_refused(tmp_path: Path) -> None:
    leave(tmp_path, YES).chmod(0o622)
    ((_, refused),) = collect(tmp_path)
    assert isinstance(refused, InboxError)
    assert "others may write it" in str(refused)


def test_a_link_or_a_pipe_is_not_followed(tmp_path: Path) -> None:
    elsewhere = leave(tmp_path / "elsewhere", YES)
    box = tmp_path / "inbox"
    box.mkdir()
    (box / "link.json").symlink_to(elsewhere)
    os.mkfifo(box / "pipe.json")
    assert all(isinstance(note, InboxError) for _, note in collect(box))


def test_refused_notes_are_kept_but_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "REFUSED_LIMIT", 3)
    for number in range(5):
        path = tmp_path / f"{number}.json"
        path.write_text("nonsense")
        inbox.refuse(path)
    assert len(list((tmp_path / "refused").iterdir())) == 3
    assert not list(tmp_path.glob("*.json"))


async def test_an_answer_left_while_the_guard_was_down_is_taken_when_it_is_back(tmp_path: Path) -> None:
    box = tmp_path / "state" / "inbox"
    with Journal(tmp_path / "state") as journal:
        async with running(
            Service(Guard(journal), SETTINGS, responders=[TwinResponder()], clock=Clock(), inbox=box)
        ) as up:
            await up.submit(stranger())
            await until(lambda: up.guard.engine.leases["i1-1"].status == "active")
    leave(box, YES)
    with Journal(tmp_path / "state") as journal:
        lamps = TwinResponder()
        async with running(
            Service(Guard.resume(journal), SETTINGS, responders=[lamps], clock=Clock(), inbox=box)
        ) as up:
            await until(lambda: up.guard.engine.incidents["i1"].answer == "yes")
            await until(lambda: lamps.steps == ["revert"])
            await until(lambda: not list(box.glob("*.json")))
            assert up.guard.engine.incidents["i1"].answered_by == "household by command line"


async def test_notes_are_read_while_the_guard_runs_and_bad_ones_are_put_aside_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeders, "NOTES_SECONDS", 0.02)
    box = tmp_path / "state" / "inbox"
    with Journal(tmp_path / "state") as journal:
        async with running(Service(Guard(journal), SETTINGS, clock=Clock(), inbox=box)) as up:
            await up.submit(stranger())
            leave(box, YES)
            (box / "bad.json").write_text("{}")
            await until(lambda: up.guard.engine.incidents["i1"].answer == "yes")
            await until(lambda: up.counters["notes_refused"] == 1)
            await until(lambda: up.counters["notes"] == 1)
            assert [path.name for path in (box / "refused").iterdir()] == ["bad.json"]


@pytest.mark.parametrize(("how", "answer"), [("approve", "yes"), ("restrict", "yes"), ("refuse", "no")])
async def test_what_becomes_of_a_newcomer_is_an_answer_to_the_incident_that_asks(
    tmp_path: Path, how: str, answer: str
) -> None:
    box = tmp_path / "state" / "inbox"
    with Journal(tmp_path / "state") as journal:
        guard = Guard(journal)
        guard.process([Change(at=START, version="test", settings=SETTINGS), event()])
        clock = Clock(START + timedelta(days=2))
        async with running(Service(guard, SETTINGS, clock=clock, inbox=box)) as up:
            await up.submit(event("stranger", ANNOUNCED, attributes={"type": "camera"}))
            (asked,) = up.guard.engine.incidents.values()
            assert (asked.kind, asked.device) == ("new", "stranger")
            leave(box, Note(says=how, device="stranger", person="ada"))  # type: ignore[arg-type]
            await until(lambda: asked.answer == answer)
            assert asked.answered_by == "ada by command line"
            arrivals = up.guard.engine.state.arrivals
            assert ("stranger" in arrivals.restricted, "stranger" in arrivals.refused) == (
                how == "restrict", how == "refuse",
            )  # fmt: skip


def test_a_decision_answers_only_the_incident_that_asks_about_that_device() -> None:
    def asking(name: str, kind: IncidentKind, device: str, answer: Answer | None = None) -> Incident:
        return Incident(id=name, kind=kind, opened=START, updated=START, device=device, answer=answer)

    all_of_them = [
        asking("i1", "new", "stranger", "no"),
        asking("i2", "network", "stranger"),
        asking("i3", "new", "another"),
        asking("i4", "new", "stranger"),
    ]
    command = Change(at=START, version="test", command="approve", target="stranger", person="ada")
    (answer,) = feeders.answers_in(command, all_of_them)
    assert (answer.incident, answer.answer, answer.person) == ("i4", "yes", "ada")
    assert feeders.answers_in(replace(command, command="undo"), all_of_them) == []
