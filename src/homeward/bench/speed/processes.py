"""The processes that are measured: an MQTT broker on the loopback, and `homeward up`."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client

from homeward.dashboard.security import KEY_FILE, KeyFileError, load_or_create_key, session_cookie
from homeward.sources.mqtt_settings import MqttSettings

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.02
SYSTEM_PROGRAM: Final = "/usr/sbin/mosquitto"
"""Where Mosquitto lies where that folder is not on the path."""

_MOSQUITTO: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""
_AMQTT: Final = """\
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""
_FOLDERS: Final = re.compile(r"/(?:[^\s/:]+/)+")


class ProcessError(Exception):
    """A process did not do what the benchmark needs of it; one line."""


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def which_broker() -> str:
    """The broker that there is, by name and version: Mosquitto, else amqtt, else none."""
    if program := _mosquitto():
        said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        return " ".join(["Mosquitto", *said.split("\n")[0].split()[2:3]])
    return f"amqtt {version('amqtt')}" if find_spec("amqtt") else ""


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which(SYSTEM_PROGRAM)


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run the broker as it comes, open to this machine alone, until the end of the block; gives its port.

    Raises:
        ProcessError: there is none, or it does not start.
    """
    port, program, settings = free_port(), _mosquitto(), folder / "broker.conf"
    if program is not None:
        settings.write_text(_MOSQUITTO.format(port=port), "utf-8")
        command = [program, "-c", str(settings)]
    elif find_spec("amqtt"):
        settings.write_text(_AMQTT.format(port=port), "utf-8")
        command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(settings)]
    else:
        raise ProcessError("no MQTT broker is installed: neither mosquitto nor amqtt (pip install 'homeward[demo]')")
    with _running(command, folder / "broker.log") as process:
        _wait_for(lambda: _listens(port), process, folder / "broker.log")
        yield port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


class GuardProcess:
    """A running `homeward up` of the home in a folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, page: int) -> None:
        self._process, self._folder, self._page = process, folder, page

    def counters(self) -> Mapping[str, int]:
        """What the page counts; empty as long as it does not answer."""
        if not (self._folder / "state" / KEY_FILE).exists():
            return {}  # else we would be the one to make it
        try:
            key = load_or_create_key(self._folder / "state")
        except KeyFileError:  # it is being written
            return {}
        connection = http.client.HTTPConnection("127.0.0.1", self._page, timeout=START_SECONDS)
        try:
            connection.request("GET", "/api/state", headers={"Cookie": "=".join(session_cookie(key))})
            answer = connection.getresponse()
            told: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
        counted: dict[str, int] = told["counters"]
        return counted

    def show(self) -> int:
        """Open the page as a browser would; how many bytes it has."""
        key = load_or_create_key(self._folder / "state")
        connection = http.client.HTTPConnection("127.0.0.1", self._page, timeout=START_SECONDS)
        try:
            connection.request("GET", "/", headers={"Cookie": "=".join(session_cookie(key))})
            return len(connection.getresponse().read())
        finally:
            connection.close()

    def resident(self) -> float | None:
        """The memory that it has in use (VmRSS), in MiB; ``None`` where the system does not tell."""
        status = Path(f"/proc/{self._process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        told = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")]
        return round(told[0], 1) if told else None

    def wait_until_listening(self, port: int, place: str) -> None:
        """Wait until the guard has told the broker that it listens.

        Raises:
            ProcessError: it ended, or does not within two minutes.
        """
        said: list[bytes | bytearray] = []

        def ask(client: Client, *_: object) -> None:
            client.subscribe(f"homeward/{place}/status", 1)

        settings = MqttSettings(host="127.0.0.1", port=port, protocol=311)
        client = settings.new_client("speed-waits", clean_session=True)
        client.on_connect = ask
        client.on_message = lambda _client, _data, message: said.append(message.payload)
        client.connect("127.0.0.1", port)
        client.loop_start()
        try:
            _wait_for(lambda: b"online" in said, self._process, self._folder / "guard.log")
        finally:
            client.disconnect()
            client.loop_stop()

    def wait_for_events(self, events: int) -> None:
        """Wait until the guard has taken in so many live events.

        Raises:
            ProcessError: it ended, or does not within two minutes.
        """
        _wait_for(lambda: self.counters().get("events", 0) >= events, self._process, self._folder / "guard.log")


@contextmanager
def guard(folder: Path, configuration: str) -> Iterator[GuardProcess]:
    """Run `homeward up` with a configuration, which has ``@PAGE@`` for the page's port, until the end of the block.

    Its page answers when the block begins.

    Raises:
        ProcessError: it does not start.
    """
    page = free_port()
    file = folder / "homeward.toml"
    file.write_text(configuration.replace("@PAGE@", str(page)), "utf-8")
    command = [sys.executable, "-m", "homeward", "up", "--config", str(file)]
    with _running(command, folder / "guard.log") as process:
        running = GuardProcess(process, folder, page)
        _wait_for(lambda: bool(running.counters()), process, folder / "guard.log")
        yield running


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as said,
        subprocess.Popen(  # noqa: S603  # our own programs, on files that we wrote
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = "ended" if process.poll() is not None else "does not answer"
            said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            line = _FOLDERS.sub("…/", "".join(said))  # it is published, and whose machine it is is nobody's business
            raise ProcessError(f"{log.stem} {ended}: {line or 'it said nothing'}")
        time.sleep(LOOK_SECONDS)
