"""The command line teaches, says in one line what to change, and runs and stops the guard in good order."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeward.bench.catalogue import BENCHMARKS
from homeward.cli import main
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback
from homeward.core.settings import Settings
from homeward.guard import Guard
from homeward.inbox import Note, collect
from homeward.journal import Journal

COMMANDS = (
    "init", "check", "up", "explain", "answer", "stand-down", "approve", "restrict", "refuse", "incidents", "mud",
    "verify", "backup", "restore", "replay", "bench",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration whose page has a port that is free."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeward.toml").write_text(f"[page]\nport = {free_port()}\n")
    return tmp_path


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def journal_folder(home: Path) -> Path:
    """What a guard left: a few entries."""
    at = datetime(2025, 3, 3, tzinfo=UTC)
    with Journal(home / "state") as journal:
        Guard(journal).process(
            [
                Change(at=at, version="test", settings=Settings()),
                *(Feedback(at=at, incident=f"i{n}", answer="no") for n in range(9)),
            ]
        )
    return home / "state"


# Help


def test_help_tells_the_story_and_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "within the number of alarms" in told
    assert all(re.search(rf"^    {name}\b", told, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS[:-1], *(f"bench {name}" for name in BENCHMARKS)])
def test_the_help_of_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert re.search(rf"^  homeward {command}\b", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["guard"],
        ["answer", "i1", "maybe"],
        ["replay", "x", "--budget", "0"],
        ["refuse"],
        ["refuse", "x" * 129],
        ["approve", "\udcff"],
    ],
)
def test_a_wrong_call_ends_with_status_two(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(wrong)
    assert left.value.code == 2
    assert "usage: homeward" in capsys.readouterr().err


# Configuration


def test_init_then_check_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "homeward.toml"
    assert main(["init", str(file)]) == 0
    assert main(["check", str(file)]) == 0
    assert f"{file}: fine" in capsys.readouterr().out
    assert main(["init", str(file)]) == 2
    assert "left as it is" in capsys.readouterr().err


def test_check_says_in_one_line_what_to_change(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("homeward.toml").write_text('[mqtt]\nport = "8883"\n')
    assert main(["check"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "homeward: homeward.toml: mqtt.port: expected int, got str — write a number such as 8883\n"


def test_check_shows_what_may_be_done(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("homeward.toml").write_text(
        '[[device]]\nname = "lamp"\n'
        '[[response]]\ndevice = "lamp"\ncommand = "on"\nrestore = "off"\nwhen = ["entrance"]\n'
    )
    assert main(["check"]) == 0
    assert "lamp on: on lamp for 10 minutes (dry_run)" in capsys.readouterr().out


# The journal


def test_verify_says_that_every_entry_is_as_it_was_written(
    journal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify"]) == 0
    assert "entries are as they were written" in capsys.readouterr().out


def test_verify_names_the_entry_where_the_chain_breaks(
    journal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(journal_folder / "journal.db")) as tampered:
        tampered.execute("UPDATE payloads SET body = x'80' WHERE seq = 4")
        tampered.commit()
    assert main(["verify", "--state", str(journal_folder)]) == 1
    assert "BROKEN at entry 4" in capsys.readouterr().out


def test_verify_without_a_journal_says_where_it_looked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 2
    assert "there is no journal here" in capsys.readouterr().err


def test_verify_of_what_is_no_journal_has_found_a_problem(
    journal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (journal_folder / "journal.db").write_bytes(b"garbage" * 10_000)
    assert main(["verify"]) == 1


def test_a_backup_can_be_restored(journal_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "kept.journal"]) == 0
    assert main(["backup", "kept.journal"]) == 2
    assert main(["restore", "kept.journal"]) == 2, "a journal is there"
    assert main(["restore", "kept.journal", "--replace"]) == 0
    assert main(["restore", "kept.journal", "--state", "elsewhere"]) == 0
    assert main(["verify", "--state", "elsewhere"]) == 0
    assert capsys.readouterr().err.count("homeward: ") == 2


# Answers while nobody listens


def test_an_answer_is_left_in_the_inbox_while_the_guard_is_down(
    journal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["answer", "i7", "yes"]) == 0
    assert main(["stand-down"]) == 0
    assert "The guard is not up" in capsys.readouterr().out
    said = [note.says for _, note in collect(journal_folder / "inbox") if not isinstance(note, Exception)]
    assert sorted(said) == ["answer", "stand_down"]


@pytest.mark.parametrize("how", ["approve", "restrict", "refuse"])
def test_what_becomes_of_a_device_is_left_in_the_inbox_while_the_guard_is_down(
    journal_folder: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([how, "hall camera", "--person", "person:ada"]) == 0
    assert "The guard is not up" in capsys.readouterr().out
    ((_, note),) = collect(journal_folder / "inbox")
    assert note == Note(says=how, device="hall camera", person="person:ada")  # type: ignore[arg-type]


def test_an_answer_where_no_guard_ever_ran_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["answer", "i7", "yes"]) == 1
    assert "no guard has run here" in capsys.readouterr().err


# Replay


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "flat.events.csv"
    lines = [
        f"2025-03-{day:02}T{hour:02}:00:00,flat,door,,{('open', 'closed')[hour % 2]},\n"
        for day in range(1, 31)
        for hour in range(6, 20)
    ]
    path.write_text("at,home,device,actor,action,value\n" + "".join(lines))
    return path


def test_replay_prints_json_lines_and_the_summary_last(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording), "--json"]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["type"] for line in lines][-1] == "summary"
    assert {line["type"] for line in lines[:-1]} <= {"alarm"}
    assert lines[-1]["events"] == 30 * 14
    assert told.err == "", "no progress bar where nobody looks"


def test_replay_without_json_is_for_people(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording), "--budget", "2"]) == 0
    assert "from the 15th active day on" in capsys.readouterr().out


def test_replay_of_what_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nothing.events.csv"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# The guard itself, as a process


@contextmanager
def guard(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`homeward up` in the folder, and the link that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "homeward", "up", "--config", "homeward.toml"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    try:
        yield process, _link(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _link(process: subprocess.Popen[str]) -> str:
    """The link that it prints, within half a minute."""
    assert process.stdout is not None
    too_late = threading.Timer(30, process.kill)
    too_late.start()
    try:
        for line in process.stdout:
            if "http://" in line:
                return line.strip()
    finally:
        too_late.cancel()
    raise AssertionError(f"no link: {process.communicate()}")


def _stopped(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    return process.returncode, told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_guard_stops_in_good_order(home: Path, number: int) -> None:
    with guard(home) as (process, _):
        assert _stopped(process, number) == (0, "")
    with Journal(home / "state") as journal:
        assert Guard.resume(journal).before.clean


def test_the_link_opens_the_page_and_the_key_is_for_the_guard_alone(home: Path) -> None:
    with guard(home) as (_, link):
        host, path = re.fullmatch(r"http://([^/]+)(/.*)", link).groups()  # type: ignore[union-attr]
        page = http.client.HTTPConnection(host, timeout=10)
        page.request("GET", path)
        entered = page.getresponse()
        assert entered.status == 303
        assert "HttpOnly" in (entered.getheader("set-cookie") or "")
        page.close()
    assert (home / "state").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in (home / "state").iterdir())


def test_two_guards_of_one_home_do_not_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with guard(home):
        assert main(["up"]) == 2
        assert "cannot be listened on" in capsys.readouterr().err
        (home / "other.toml").write_text(f"[page]\nport = {free_port()}\n")
        assert main(["up", "--config", "other.toml"]) == 2
        assert "another guard writes to it" in capsys.readouterr().err


def test_the_command_line_talks_to_the_running_guard(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with guard(home) as (process, _):
        assert main(["stand-down"]) == 0
        assert capsys.readouterr().out == "Told.\n"
        assert main(["answer", "i99", "no"]) == 1
        assert "does not know this incident" in capsys.readouterr().err
        assert main(["refuse", "nobody"]) == 1
        assert "never met a device of that name" in capsys.readouterr().err
        assert main(["verify"]) == 0
        assert main(["backup", "while-it-runs.journal"]) == 0
        _stopped(process, signal.SIGTERM)
    with Journal(home / "state") as journal:
        commands = [(e.command, e.channel) for _, e in journal.inputs() if isinstance(e, Change) and e.command]
    assert commands == [("stand_down", "command line")]


def test_a_guard_that_is_killed_starts_again_with_the_same_key(home: Path) -> None:
    with guard(home) as (process, link):
        process.kill()
        process.wait()
    with guard(home) as (process, again):
        assert again == link
        assert _stopped(process, signal.SIGTERM)[0] == 0


def test_a_broken_configuration_stops_at_start_without_a_traceback(home: Path) -> None:
    (home / "homeward.toml").write_text("[home]\nbudget = 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "homeward", "up"], cwd=home, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("homeward: homeward.toml: home.budget: ")


def test_a_new_guard_learns_from_recorded_history_first_and_only_once(home: Path, recording: Path) -> None:
    """Times in a recording are of the home's own clock: 06:00 in Berlin is 05:00 in UTC, in summer 04:00."""
    with (home / "homeward.toml").open("a") as file:
        file.write(f'[home]\ntimezone = "Europe/Berlin"\n[history]\nfiles = ["{recording.name}"]\n')
    for _ in range(2):
        with guard(home) as (process, _link):
            assert _stopped(process, signal.SIGTERM) == (0, "")
    with Journal(home / "state") as journal:
        learned = [entry for _, entry in journal.inputs() if isinstance(entry, Event)]
        assert len(learned) == 30 * 14
        assert [(one.at.day, one.at.hour) for one in (learned[0], learned[-14])] == [(1, 5), (30, 4)]
        assert Guard.resume(journal).engine.readiness().ready
