"""What each command does. Each returns its exit status."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from homeward import hands
from homeward.cli import progress
from homeward.config import FILE_NAME, Config, load, write_starter
from homeward.core.effects import Notify
from homeward.inbox import Note
from homeward.journal import Journal, JournalError
from homeward.replay import Summary, alarm_line, replay
from homeward.say import say

OK, PROBLEM, USAGE = 0, 1, 2
JOURNAL = "journal.db"


def init(chosen: argparse.Namespace) -> int:
    write_starter(chosen.file)
    print(f"Wrote {chosen.file}: every act in it is a dry run. Say where your devices speak, then:")
    print(f"  homeward check {chosen.file}\n  homeward up --config {chosen.file}")
    return OK


def check(chosen: argparse.Namespace) -> int:
    config = load(chosen.file)
    hands.responders(config, {}, "", partial(datetime.now, UTC))  # made as the guard would, and used for nothing
    settings = config.settings
    print(f"{chosen.file}: fine")
    print(f"  {settings.place} in {settings.timezone}, budget of alarms: {settings.budget:g} a week")
    print(f"  {_many(len(settings.devices), 'device')}, {_many(len(settings.responses), 'response')}")
    for response in settings.responses:
        ends = "ends by itself" if response.minutes is None else f"for {response.minutes:g} minutes"
        print(f"    {response.name}: {response.command} {response.device} {ends} ({response.responder})")
    for listener in settings.listeners:
        print(f"    {listener.name} is told through {listener.channel}{', second' if listener.second else ''}")
    for line in list(_reads(config)) or ["no source of events: add a table [mqtt], or run homeward discover"]:
        print(f"  {line}")
    return OK


def _reads(config: Config) -> Iterator[str]:
    """Where events come from, a line each."""
    if config.mqtt is not None:
        tls = "TLS" if config.mqtt.ca_file else "without TLS"
        patterns = [_many(len(config.topics), "topic pattern")] if config.topics else []
        yield f"reads {config.mqtt.host}:{config.mqtt.port}, {tls}: {', '.join([*config.presets, *patterns])}"
    if config.in_home_assistant:
        yield "shows itself in Home Assistant, by the broker"
    if config.home_assistant is not None:
        past = f", and {config.home_assistant_days:g} days of its past at first" if config.home_assistant_days else ""
        yield f"reads {config.home_assistant.url}{past}"
    networks = config.networks
    packets = None if networks.packets is None else networks.packets.interface
    for what in (networks.zeek, networks.suricata, packets):
        if what is not None:
            yield f"reads {what}"


def up(chosen: argparse.Namespace) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("paho", "uvicorn", "amqtt", "transitions", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    path = chosen.config or Path(FILE_NAME)
    if chosen.config is None and not path.exists():
        return _demonstrate(chosen)
    from homeward.up import run

    config = load(path)
    with progress.stages() as on_progress:
        return asyncio.run(_until_signal(run(config, on_ready=_greet, on_progress=on_progress)))


def _demonstrate(chosen: argparse.Namespace) -> int:
    """No configuration: a simulated home, in a folder that is gone afterwards."""
    from homeward import demo

    print(f"No {FILE_NAME} here: this is the demonstration. (homeward init writes one for your home.)", flush=True)
    with TemporaryDirectory(prefix="homeward-demo-") as folder:
        return asyncio.run(_until_signal(demo.run(Path(folder), port=chosen.port)))


def _greet(link: str) -> None:
    print(f"The guard is up. Open this link (it holds the key of this installation):\n  {link}", flush=True)


async def _until_signal(work: Coroutine[Any, Any, None]) -> int:
    """Run until the work ends or SIGINT or SIGTERM asks it to stop; it then cleans up, and all is well."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    task, asked = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if stop.is_set():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return OK


def replay_files(chosen: argparse.Namespace) -> int:
    with progress.bar("replay", "rows") as more:
        tell = _print_line if chosen.json else _print_alarm
        summary = replay(
            chosen.files,
            budget=chosen.budget,
            state=chosen.state,
            on_alarm=tell,
            on_rows=more,
        )
    if chosen.json:
        print(json.dumps(summary.line(), ensure_ascii=False))
    else:
        print(_summed_up(summary, chosen.budget))
    return OK


def _print_line(alarm: Notify) -> None:
    print(json.dumps(alarm_line(alarm), ensure_ascii=False))


def _print_alarm(alarm: Notify) -> None:
    line = alarm_line(alarm)
    how = "rule" if alarm.bits is None else f"{alarm.bits:.1f} bits"
    text = f"{line['at'][:19].replace('T', ' ')}  {alarm.incident:>6}  {alarm.habit:<12} {how:>10}  {alarm.reason}"
    tqdm.write("".join(sign if sign.isprintable() else "�" for sign in text), file=sys.stdout)


def _summed_up(summary: Summary, budget: float) -> str:
    if summary.alarms_per_week is None:
        said = "fewer than 15 active days: no rate can be told yet"
    else:
        said = (
            f"{_many(summary.alarms, 'alarm')} in {summary.weeks:g} weeks from the 15th active day on: "
            f"{summary.alarms_per_week:g} a week (budget {budget:g})"
        )
    ready = summary.ready_after_days
    when = "was never ready to keep it" if ready is None else f"was ready to keep it after {ready:g} days"
    return f"{summary.events} events at {summary.events_per_s} a second. {said}. The guard {when}."


def answer(chosen: argparse.Namespace) -> int:
    note = Note(
        says="answer",
        incident=chosen.incident,
        answer=chosen.answer,
        too_much=chosen.too_much,
        person=chosen.person,
    )
    return _tell(chosen, note)


def stand_down(chosen: argparse.Namespace) -> int:
    return _tell(chosen, Note(says="stand_down"))


def admit(chosen: argparse.Namespace) -> int:
    """``approve``, ``restrict`` or ``refuse`` a device."""
    return _tell(chosen, Note(says=chosen.how, device=chosen.device, person=chosen.person))


def _tell(chosen: argparse.Namespace, note: Note) -> int:
    left = say(load(chosen.config), note)
    print("Told." if left is None else f"The guard is not up: left as {left}, to be read when it is.")
    return OK


def verify(chosen: argparse.Namespace) -> int:
    state = _state(chosen)
    try:
        with Journal(state, read_only=True) as journal, progress.share("verify", "entries") as show:
            verdict = journal.verify(show)
    except JournalError as error:
        if not (state / JOURNAL).exists():
            raise
        print(f"BROKEN: {error}")
        return PROBLEM
    if not verdict.ok:
        print(f"BROKEN at entry {verdict.seq}: {verdict.what}. {verdict.verified} entries before it are as written.")
        return PROBLEM
    forgotten = f", {verdict.forgotten} forgotten" if verdict.forgotten else ""
    print(f"{journal.path}: {verdict.verified} entries are as they were written{forgotten}.")
    return OK


def backup(chosen: argparse.Namespace) -> int:
    with Journal(_state(chosen), read_only=True) as journal, progress.share("backup", "pages") as show:
        verdict = journal.backup(chosen.file, show)
    print(f"{chosen.file}: {verdict.verified} entries, verified. Keep it as safe as the journal itself.")
    return OK


def restore(chosen: argparse.Namespace) -> int:
    with progress.share("restore", "entries") as show:
        verdict = Journal.restore(chosen.file, _state(chosen), replace=chosen.replace, progress=show)
    print(f"{verdict.verified} entries restored and verified. Start the guard again: homeward up")
    return OK


def _state(chosen: argparse.Namespace) -> Path:
    state: Path = chosen.state if chosen.state is not None else load(chosen.config).state
    return state


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
