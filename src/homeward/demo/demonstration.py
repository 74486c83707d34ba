"""The demonstration: a simulated home, a broker in the box, and the guard as in earnest.

Everything that guards is the product's own code path: a ``homeward.toml`` is written, read, and run as any other.
Only what stands in it differs: its responses act.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from homeward import hands, up
from homeward.config import FILE_NAME, PAGE_PORT, load
from homeward.demo.broker import BrokerInTheBox, broker_in_the_box
from homeward.demo.clock import DemoClock
from homeward.demo.devices import COMMANDS, STATES, WATCHED, events, live_devices
from homeward.demo.household import DEVICES, Moment, simulate
from homeward.demo.story import Story

SEED: Final = 7
START: Final = datetime(2026, 5, 6, 20, 30, tzinfo=UTC)
"""The home's own time at the beginning: always the same Wednesday evening, so that everybody sees the same story."""

WEEK: Final = timedelta(weeks=1)
WEEKS: Final = 8
INTRUDER_AFTER: Final = timedelta(hours=6, minutes=10)
"""Until 02:40."""

SIREN_SECONDS, LIGHT_SECONDS = 45, 90

SIMULATED: Final = (
    "This home is simulated: Anna, Ben and Mia do not exist, and their time goes fast. "
    "The broker, the messages, the guard and its answers are real."
)

ONLOOKER: Final = "onlooker"
"""For whoever wants to listen in: it may read everything and write nothing."""

RIGHTS: Final = {
    "guard": {"read": [f"{STATES}/#"], "write": [f"{COMMANDS}/#", "homeward/#"]},
    "devices": {"read": [f"{COMMANDS}/#", WATCHED], "write": [f"{STATES}/#"]},
    ONLOOKER: {"read": [f"{STATES}/#", f"{COMMANDS}/#", "homeward/#"], "write": list[str]()},
}
"""Who may do what at the broker. The passwords lie in the folder, as ``USER-password``."""


def what_was() -> list[Moment]:
    """The weeks before the start."""
    return list(itertools.takewhile(lambda one: one.at <= START, simulate(START - WEEKS * WEEK, None, SEED)))


async def run(
    folder: Path,
    *,
    port: int = PAGE_PORT,
    rate: float = 120.0,
    intruder_after: timedelta | None = None,
    open_link: Callable[[str], object] = print,
) -> None:
    """Run the demonstration until cancelled. All that it keeps lies in ``folder``, which the caller removes.

    ``port`` is the page's; where it is not free another one is taken (0: any). ``rate`` is how many seconds at home
    pass in one, while nothing is wrong. The intruder comes so long after the start (in the home's own time), by
    default at 02:40 of the first night. ``open_link`` is given the page's link.

    Raises:
        BrokerError: the broker in the box cannot be started.
        OSError: the folder cannot be written.
    """
    intruder = START + (INTRUDER_AFTER if intruder_after is None else intruder_after)
    clock = DemoClock(START)
    past = what_was()
    print(f"Anna, Ben and Mia live in a simulated home. The guard learns {WEEKS} weeks of their days …", flush=True)
    async with broker_in_the_box(folder, RIGHTS) as broker:
        config = load(_write_configuration(folder, broker, _page_port(port)))
        async with live_devices(broker.settings("devices", "devices"), past) as devices:
            story = Story(clock, devices, start=START, intruder=intruder, rate=rate, seed=SEED)
            ready = asyncio.Event()

            def greet(link: str) -> None:
                print(_welcome(len(past), intruder, story.seconds_until_intruder, broker), flush=True)
                open_link(link)
                ready.set()

            async def tell() -> None:
                await ready.wait()
                await devices.watched.wait()
                await story.tell()

            guard = up.run(
                config,
                on_ready=greet,
                history=events(past, config.topics, hands.MQTT, config.settings.place),
                make_clock=lambda _: clock,
                simulated=SIMULATED,
            )
            await _first_of(guard, tell())


async def _first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends or fails, or we are cancelled; then stop the others, the last one first."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait({task})


def _page_port(wanted: int) -> int:
    """The port that is wanted, or else a free one."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            free: int = probe.getsockname()[1]
            return free
    raise OSError("no port is free on 127.0.0.1")


def _welcome(past: int, intruder: datetime, seconds: float, broker: BrokerInTheBox) -> str:
    password = broker.passwords[ONLOOKER]
    return f"""\
It has learned from {past:,} changes. From now on everything is live, over a real MQTT broker in this process.

What you will see on the page:
  at once    the end of an evening at home; time there goes much faster than yours
  in {seconds:3.0f} s   it is {intruder:%H:%M} there, and somebody comes in by the front door. Time slows down,
             the guard says why that is unusual, and switches on the siren and the light in the hall
  then       take it back with “That was me” or “Undo now”, or wait: the siren ends by itself after {SIREN_SECONDS} s,
             the light after {LIGHT_SECONDS} s
  later      the days go on, and every few nights something else is wrong

To listen in: mosquitto_sub -p {broker.port} -u {ONLOOKER} -P {password} -v -t 'home/#' -t 'cmd/#'
Nothing of it is kept: it ends with Ctrl-C. For your own home: homeward init
Open this link (it holds the key of this page):
"""


def _write_configuration(folder: Path, broker: BrokerInTheBox, port: int) -> Path:
    for user, password in broker.passwords.items():
        _write_secret(folder / f"{user}-password", password)
    file = folder / FILE_NAME
    file.write_text(configuration(broker.port, port), encoding="utf-8")
    return file


def _write_secret(path: Path, secret: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret)


def configuration(broker_port: int, page_port: int) -> str:
    """The demonstration's own ``homeward.toml``. Beside it lies ``guard-password``."""
    return "\n".join(_configuration(broker_port, page_port)) + "\n"


def _configuration(broker_port: int, page_port: int) -> Iterator[str]:
    """Part by part. A JSON text without escapes is a TOML text."""
    yield f"""\
[home]
name = "14 Linden Road"
timezone = "UTC"
budget = 1.0

[page]
port = {page_port}

[mqtt]
host = "127.0.0.1"
port = {broker_port}
username = "guard"
password_file = "guard-password"
protocol = 311

[[mqtt.topic]]
pattern = "{STATES}/{{device}}"
[mqtt.topic.properties]
contact = {{ true = "closed", false = "open" }}
occupancy = {{ true = "on", false = "off" }}
lock_state = {{ locked = "locked", unlocked = "unlocked" }}
state = {{ ON = "on", OFF = "off" }}"""
    for device, seconds in (("siren", SIREN_SECONDS), ("hall light", LIGHT_SECONDS)):
        yield f"""
[[response]]
device = "{device}"
command = "on"
restore = "off"
minutes = {seconds / 60}
when = ["entrance"]
responder = "mqtt"
topic = "{COMMANDS}/{device}"
payloads = {{ on = '{{"state": "ON"}}', off = '{{"state": "OFF"}}' }}"""
    for one in DEVICES:
        yield "\n[[device]]"
        yield from (f"{key} = {json.dumps(getattr(one, key))}" for key in ("name", "type", "role", "room"))
