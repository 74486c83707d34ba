"""A home with a real guard: a written homeward.toml, `homeward up` in its own process, and what it leaves behind.

A test module imports ``home_fixture`` (and the fixtures of `tests.mosquitto`), and its tests ask for ``home``.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.mosquitto import PASSWORDS, Mosquitto, Peer
from tests.network_logs import OUTSIDE, eve, header, tsv

from homeward.core.effects import Action, Apply, Effect, Notify
from homeward.core.event import Event
from homeward.core.inputs import Health, Input, Outcome
from homeward.dashboard import security
from homeward.journal import Journal

DEADLINE = 30.0
"""How long a test waits for what must come, in seconds; only a failing test waits so long."""

STATUS = "homeward/home/status"

CONFIGURATION = """\
[home]
name = "home"
timezone = "Europe/Berlin"
state = "state"

[page]
port = {page}

[mqtt]
host = "localhost"
port = {broker}
ca_file = "{ca}"
username = "guard"
password_file = "mqtt-password"

[[mqtt.topic]]
pattern = "home/{{device}}"
happened = "time"
[mqtt.topic.properties]
contact = {{ true = "closed", false = "open" }}
alarm = "text"
power = "value"

[[device]]
name = "panel"
type = "alarm"

[[device]]
name = "hall_window"
type = "contact.window"
role = "entrance"
"""

LAMP = """
[[device]]
name = "{name}"
type = "light"
role = "actuator"

[[response]]
device = "{name}"
command = "on"
restore = "off"
minutes = {minutes}
when = ["rule:entrance while armed"]
responder = "mqtt"
topic = "home/{name}/set"
"""


def eventually(condition: Callable[[], bool], what: str, *, seconds: float = DEADLINE) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Neighbour(Peer):
    """A client of the broker that notes when it heard what, and that can send much without waiting in between."""

    def __init__(self, broker: Mosquitto, client_id: str) -> None:
        self.heard: list[tuple[datetime, str, str]] = []
        super().__init__(broker.settings("sensor"), client_id)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        self.heard.append((datetime.now(UTC), message.topic, bytes(message.payload).decode()))
        super()._on_message(client, data, message)

    def is_connected(self) -> bool:
        return self._client.is_connected()

    def when(self, topic: str, payload: str) -> datetime | None:
        """When the message was last heard."""
        return next((at for at, *said in reversed(self.heard) if said == [topic, payload]), None)

    def said(self, topic: str) -> list[str]:
        """Everything that was heard on a topic, in order."""
        return [payload for _, where, payload in self.heard if where == topic]

    def send(self, messages: Iterable[tuple[str, str]], *, qos: int = 1) -> Callable[[], bool]:
        """Publish all, in order, without waiting; returns how to ask whether the broker has confirmed them all."""
        waiting = [self._client.publish(topic, payload, qos=qos) for topic, payload in messages]
        return lambda: all(message.is_published() for message in waiting)


class Installation:
    """One guard in a folder of its own, which may be killed and started again; and what it says and leaves behind.

    ``within`` is what its programs are started by, where they are not to run beside the test.
    """

    def __init__(self, folder: Path, *, within: Sequence[str] = ()) -> None:
        self.folder = folder
        self.page_port = free_port()
        self.file = folder / "homeward.toml"
        self.state = folder / "state"
        self.said = folder / "guard.log"
        self._within = tuple(within)
        self._guard: subprocess.Popen[bytes] | None = None

    def keep_secret(self, name: str, secret: str) -> None:
        """Write a secret into a file that nobody else may read."""
        path = self.folder / name
        path.touch(0o600)
        path.write_text(secret + "\n")

    # The guard's process

    def start(self, *, program: Sequence[str] = ("-m", "homeward", "up"), **environment: str) -> None:
        """`homeward up`, in its own process; returns when the page answers."""
        with self.said.open("ab") as log:
            self._guard = subprocess.Popen(
                [*self._within, sys.executable, *program, "--config", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        eventually(self._answers, f"the guard is up; see {self.said}")

    def _answers(self) -> bool:
        assert self._guard is not None
        assert self._guard.poll() is None, self.said.read_text()
        try:
            self.api_state()
        except (OSError, security.KeyFileError, http.client.HTTPException):
            return False
        return True

    @property
    def pid(self) -> int:
        assert self._guard is not None
        assert self._guard.poll() is None, self.said.read_text()
        return self._guard.pid

    def kill(self) -> None:
        """SIGKILL: not a word of farewell, nothing tidied up."""
        assert self._guard is not None
        self._guard.kill()
        self.wait_until_killed()

    def wait_until_killed(self) -> None:
        """Somebody or something kills it."""
        assert self._guard is not None
        assert self._guard.wait(DEADLINE) == -signal.SIGKILL, self.said.read_text()
        self._guard = None

    def stop(self) -> None:
        """As systemd would: SIGTERM, and a clean end."""
        assert self._guard is not None
        self._guard.terminate()
        assert self._guard.wait(DEADLINE) == 0, self.said.read_text()
        self._guard = None

    def close(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait(DEADLINE)

    def resident(self) -> float:
        """The guard's memory that is in use (VmRSS), in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the system does not tell VmRSS")

    # What the guard says and leaves behind

    def api_state(self) -> Any:
        """What the page shows, as `/api/state` tells it to a browser that was let in."""
        (self.state / security.KEY_FILE).stat()  # else we would be the ones to make it
        status, body = self._ask("GET", "/api/state", {})
        assert status == http.client.OK, body
        return json.loads(body)

    def press(self, path: str, token: Callable[[str, str, str], str], **fields: str) -> tuple[int, str]:
        """Send one of the page's forms; returns the status and what the page says.

        ``token`` makes the form's token from the installation's key, who says it, and the channel.
        """
        key = security.load_or_create_key(self.state)
        form = urlencode({**fields, "token": token(key, "household", "page")})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{self.page_port}",
        }
        status, body = self._ask("POST", path, headers, form)
        return status, body.decode()

    def _ask(self, method: str, path: str, headers: dict[str, str], form: str | None = None) -> tuple[int, bytes]:
        key = security.load_or_create_key(self.state)
        connection = http.client.HTTPConnection("127.0.0.1", self.page_port, timeout=DEADLINE)
        connection.sock = self._dial()
        try:
            cookie = "=".join(security.session_cookie(key))
            connection.request(method, path, form, {"Cookie": cookie, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _dial(self) -> socket.socket:
        """A connection to the page."""
        return socket.create_connection(("127.0.0.1", self.page_port), DEADLINE)

    def count(self, name: str) -> int:
        """A counter, as the page shows it."""
        counted: int = self.api_state()["counters"].get(name, 0)
        return counted

    def entries(self) -> int:
        """How many entries the journal holds, as another process sees it; 0 while there is none."""
        if not (self.state / "journal.db").exists():
            return 0
        with Journal(self.state, read_only=True) as journal:
            return journal.last_seq

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `homeward` command on this home's configuration."""
        return homeward(*arguments, "--config", str(self.file), within=self._within)


class Home(Installation):
    """A home whose guard listens to a broker."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        super().__init__(folder)
        self.broker = broker
        self.keep_secret("mqtt-password", PASSWORDS["guard"])

    def configure(self, lamps: Mapping[str, float], *, port: int | None = None) -> None:
        """Write homeward.toml; ``lamps`` are the lights that an intruder makes shine, and for how many seconds."""
        text = CONFIGURATION.format(
            page=self.page_port, broker=port or self.broker.port, ca=self.broker.certificates.ca
        )
        lights = (LAMP.format(name=name, minutes=seconds / 60) for name, seconds in lamps.items())
        self.file.write_text(text + "".join(lights), "utf-8")


class NetworkHome(Installation):
    """A home whose guard follows what Zeek and Suricata write down. The test writes it in their place."""

    def __init__(self, folder: Path, *, within: Sequence[str] = ()) -> None:
        super().__init__(folder, within=within)
        (folder / "zeek").mkdir()
        self.log, self.eve = folder / "zeek" / "conn.log", folder / "eve.json"
        self.log.write_text(header())
        self.eve.write_text("")

    def hear(self, *records: dict[str, Any]) -> None:
        """Zeek heard flows (`tests.network_logs.conn`)."""
        with self.log.open("a") as log:
            log.write("".join(map(tsv, records)))

    def warn(self, device: str, peer: str = OUTSIDE) -> None:
        """Suricata warns of the device at an address, as urgently as it can."""
        alert = {"signature": "Beacon of a botnet", "category": "Trojan", "severity": 1}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        with self.eve.open("a") as log:
            log.write(eve("alert", alert, timestamp=now, src_ip=device, dest_ip=peer))

    def listens(self) -> bool:
        """Whether the guard follows both logs."""
        up = {entry.subject for entry in journaled(self.state) if isinstance(entry, Health) and entry.up}
        return {"source:zeek", "source:suricata"} <= up

    def told(self) -> list[Notify]:
        """What interrupted somebody."""
        return [entry for entry in journaled(self.state) if isinstance(entry, Notify) and entry.interrupts]


def homeward(*arguments: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The command line, as the owner would use it."""
    command = [*within, sys.executable, "-m", "homeward", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)


def journaled(folder: Path, after: int = 0) -> list[Input | Effect]:
    """Everything in the journal of a folder, read while a guard may go on writing."""
    with Journal(folder, read_only=True) as journal:
        return [entry for _, entry in journal.entries(after)]


def events(folder: Path, after: int = 0) -> list[Event]:
    return [entry for entry in journaled(folder, after) if isinstance(entry, Event)]


def acts(folder: Path) -> dict[str, Action]:
    """The acts that the journal says were begun, by device."""
    return {entry.action.device: entry.action for entry in journaled(folder) if isinstance(entry, Apply)}


def done(folder: Path) -> list[str]:
    """The steps that succeeded, in order: each is ``apply`` or ``revert``."""
    return [entry.step for entry in journaled(folder) if isinstance(entry, Outcome) and entry.ok]


def copied(folder: Path, to: Path) -> Path:
    """The files of a guard that does not run, as they are now."""
    return Path(shutil.copytree(folder, to))


@pytest.fixture(name="home")
def home_fixture(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Home]:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    home = Home(folder, mosquitto)
    try:
        yield home
    finally:
        home.close()
