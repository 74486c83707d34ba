"""How long it takes from a message to the command that it leads to, beside the same broker's plain echo.

An armed home, a window that opens, a lock that is told to lock. Every guard is a process of its own with a home of
its own, because a guard gives at most six commands an hour: it gives these, and the next takes its place. Echo,
commit, act and answer take turns, so that whatever else the machine does meets them alike:

- **echo**: one message from one client to another.
- **commit**: one event written to a journal of the benchmark's own, on the same disk.
- **act**: the guard's responder alone gives the command, from the benchmark's own process.
- **answer**: a window's message, until the command that the guard gives arrives.
"""

from __future__ import annotations

import asyncio
import math
import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client

from homeward.bench.speed.processes import GuardProcess, broker, guard, which_broker
from homeward.core.decision.guardrails import HOURLY_LIMIT
from homeward.core.effects import Action
from homeward.core.event import Event
from homeward.journal import Journal
from homeward.responders.mqtt import CommandTopic, MqttResponder
from homeward.sources.mqtt_settings import MqttSettings

GUARDS: Final = 20
"""So many guards, one after the other, give six commands each."""

PAUSE_SECONDS: Final = 0.05
"""Between two measured messages, so that the one before is over."""

ANSWER_SECONDS: Final = 5.0
WAYS: Final = {
    "": "message to command",
    "echo_": "the broker's echo",
    "commit_": "a commit alone",
    "act_": "the act alone",
}
"""What each figure of ``latency_ms`` is called, by how its name begins."""

OPEN, CLOSED = '{"contact": "open"}', '{"contact": "closed"}'

CONFIGURATION: Final = """\
[home]
name = "speed{number}"
state = "state"

[page]
port = @PAGE@

[mqtt]
host = "127.0.0.1"
port = {port}
client_id = "speed{number}"

[[mqtt.topic]]
pattern = "speed{number}/{{device}}"
[mqtt.topic.properties]
contact = "text"
alarm = "text"

[[device]]
name = "panel"
type = "alarm"

[[device]]
name = "lock"
type = "lock"
role = "actuator"

[[response]]
device = "lock"
command = "lock"
when = ["rule:entrance while armed"]
responder = "mqtt"
topic = "speed{number}/lock/set"
"""
WINDOW: Final = """
[[device]]
name = "window{number}"
type = "contact.window"
role = "entrance"
"""


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The least value that so many percent of all do not exceed (nearest rank); ``None`` of nothing."""
    rank = math.ceil(percent * len(values) / 100)
    return sorted(values)[max(rank, 1) - 1] if values else None


@dataclass(slots=True)
class Taken:
    """Seconds that each kind of way took. ``first`` are a guard's first answers, also among ``answer``;
    ``unanswered`` counts messages that led to no command within five seconds: of that guard no more is asked."""

    echo: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    act: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    unanswered: int = 0

    def told(self) -> dict[str, Any]:
        """In milliseconds, as ``latency_ms``."""
        ways = zip(WAYS, (self.answer, self.echo, self.commit, self.act), strict=True)
        found: dict[str, Any] = {
            f"{name}p{percent}": _ms(percentile(values, percent)) for name, values in ways for percent in (50, 99)
        }
        return found | {
            "first_p50": _ms(percentile(self.first, 50)),
            "commands": len(self.answer),
            "unanswered": self.unanswered,
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def measure(
    folder: Path, *, guards: int = GUARDS, done: Callable[[str], object] = lambda _name: None
) -> dict[str, Any]:
    """``latency_ms`` and ``broker`` (which it was). ``done`` is called for each guard.

    Raises:
        ProcessError: there is no broker, or a process does not start.
    """
    taken = Taken()
    with broker(folder) as port, _Clients(port) as clients, Journal(folder / "commits") as journal:
        for number in range(guards):
            home = folder / f"home{number}"
            home.mkdir()
            windows = "".join(WINDOW.format(number=window) for window in range(HOURLY_LIMIT))
            with guard(home, CONFIGURATION.format(number=number, port=port) + windows) as running:
                running.wait_until_listening(port, f"speed{number}")
                _ask(clients, journal, running, number, taken)
            done(f"guard {number + 1}")
    return {"latency_ms": taken.told(), "broker": which_broker()}


def _ask(clients: _Clients, journal: Journal, running: GuardProcess, number: int, taken: Taken) -> None:
    """Arm a guard's home, and open its windows one by one."""
    home = f"speed{number}"
    for window in range(HOURLY_LIMIT):
        clients.send(f"{home}/window{window}", CLOSED)
    for word in ("disarmed", "armed_away"):  # what comes first is no event
        clients.send(f"{home}/panel", f'{{"alarm": "{word}"}}')
    running.wait_for_events(1)
    for window in range(HOURLY_LIMIT):
        _turn(taken.echo, partial(clients.way, "speed/echo", "speed/echo"))
        _turn(taken.commit, partial(_commit, journal))
        _turn(taken.act, clients.act)
        if not _turn(taken.answer, partial(clients.way, f"{home}/window{window}", f"{home}/lock/set")):
            taken.unanswered += 1
            return  # what comes late would be taken for the answer to the next
        if window == 0:
            taken.first.append(taken.answer[-1])


def _turn(seconds: list[float], way: Callable[[], float | None]) -> bool:
    """Let one take its turn; whether it came to an end."""
    time.sleep(PAUSE_SECONDS)
    took = way()
    if took is not None:
        seconds.append(took)
    return took is not None


def _commit(journal: Journal) -> float:
    at = datetime.now(UTC)
    event = Event(id="0", source="mqtt", at=at, place="speed", device="window", action="open")
    began = time.perf_counter()
    journal.append([event])
    return time.perf_counter() - began


class _Clients:
    """One client that sends and another that listens: on one connection a broker that does not turn Nagle's
    algorithm off would hold back what it sends until the client has acknowledged what came before."""

    def __init__(self, port: int) -> None:
        settings = MqttSettings(host="127.0.0.1", port=port, client_id="speed-act", protocol=311)
        self._heard: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._sends, self._hears = (settings.new_client(f"speed-{way}", clean_session=True) for way in ("in", "out"))
        self._hears.on_message = lambda _client, _data, message: self._heard.put((time.perf_counter(), message.topic))
        self._port = port
        self._loop = asyncio.Runner()
        self._responder = MqttResponder(settings, [CommandTopic(device="lock", topic="speed/act")])

    def __enter__(self) -> _Clients:
        granted: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._hears.on_subscribe = lambda *_: granted.put(1)
        for client in (self._sends, self._hears):
            client.connect("127.0.0.1", self._port)
            _without_delay(client)
            client.loop_start()
        self._hears.subscribe([("speed/echo", 1), ("speed/act", 1), ("+/lock/set", 1)])
        granted.get(timeout=ANSWER_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self._sends, self._hears):
            client.disconnect()
            client.loop_stop()
        self._loop.close()

    def send(self, topic: str, payload: str) -> None:
        """Publish; returns when the broker has confirmed."""
        self._sends.publish(topic, payload, qos=1).wait_for_publish(ANSWER_SECONDS)

    def way(self, there: str, back: str) -> float | None:
        """How long it takes from a message on one topic until there is one on the other."""
        return self._until_heard(back, lambda: self._sends.publish(there, OPEN, qos=1))

    def _until_heard(self, topic: str, begin: Callable[[], object]) -> float | None:
        """How long it takes from then until something comes on a topic; ``None`` if nothing does."""
        began = time.perf_counter()
        begin()
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                at, heard = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if heard == topic:
                return at - began

    def act(self) -> float | None:
        """How long it takes the responder from its being asked until its command comes."""
        end = datetime.now(UTC) + timedelta(minutes=1)
        action = Action(
            id="speed-1", incident="speed", responder="mqtt", device="lock", command="lock", restore=None, ends=end
        )
        return self._until_heard("speed/act", lambda: self._loop.run(self._responder.apply(action)))


def _without_delay(client: Client) -> None:
    sock = client.socket()
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
