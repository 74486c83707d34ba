"""A real Home Assistant in an environment and a network namespace of its own, onboarded, with a small home in it.

A test module imports ``home_assistant_fixture``, and its tests ask for ``home_assistant`` (one for the whole run: it
takes seconds to start). It lives in a namespace because it listens for mDNS on every interface. Its only way out is a
cable to this machine: `HomeAssistant.url` from here, `HomeAssistant.gateway` is this machine as it sees it.
`tools/home_assistant.sh` makes its environment.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.conftest import IN_CI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ENVIRONMENT: Final = Path(".cache") / "home-assistant"
PORT: Final = 8123
DEADLINE: Final = 60.0
"""How long a start may take, in seconds; usually it takes five."""

CONFIGURATION: Final = Path(__file__).parent / "home_assistant" / "configuration.yaml"


_RUNNING: Final = pytest.StashKey["HomeAssistant"]()


class RefusedError(Exception):
    """Home Assistant answered, and said no."""


@dataclass(frozen=True)
class Person:
    """A user of Home Assistant with a long-lived token, and the client id that it was made with."""

    user_id: str
    token: str


class HomeAssistant:
    """The server's process, which can be stopped and started again, and what an owner does with it by its API."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._cable = _Cable()
        self.host = self._cable.inner
        self.gateway = self._cable.outer
        self.url = f"http://{self.host}:{PORT}"
        self.owner = Person("", "")
        self._people: dict[str, Person] = {}

    # The process ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until all of it is up."""
        assert self._process is None
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._cable.namespace, str(self._program)),
                    *("--config", str(self.folder), "--skip-pip", "--log-no-color"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8"},
            )
        self.wait_until(lambda: self._answers("/manifest.json"), "it listens")
        if self.owner.token:
            self.await_running()

    def await_running(self) -> None:
        """Wait until everything in it has started."""
        self.wait_until(lambda: self.get("/api/config")["state"] == "RUNNING", "it runs")

    def stop(self) -> None:
        """End it in order: the recorder writes down what it knows."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """A power cut."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(DEADLINE)
            self._process = None

    def close(self) -> None:
        self._end(signal.SIGKILL)
        self._cable.cut()

    def log(self) -> str:
        """What it printed, for a test that failed."""
        return (self.folder / "output.log").read_text("utf-8", "replace")[-4_000:]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something in it, as long as it runs."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"Home Assistant: waited in vain until {what}\n{self.log()}"
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        try:
            self.get(path)
        except OSError:
            return False
        return True

    # The API ------------------------------------------------------------------------------------------------------

    def get(self, path: str, *, token: str | None = None) -> Any:
        """GET below the address, as JSON."""
        return self._request("GET", path, None, token)

    def post(self, path: str, body: Mapping[str, Any], *, token: str | None = None) -> Any:
        """POST a JSON object; returns the JSON answer."""
        return self._request("POST", path, json.dumps(body).encode(), token)

    def _request(self, method: str, path: str, body: bytes | None, token: str | None, form: bool = False) -> Any:
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        headers = {"Content-Type": kind}
        if token or self.owner.token:
            headers["Authorization"] = f"Bearer {token or self.owner.token}"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from None
        return json.loads(text) if text else None

    def command(self, type_: str, *, token: str | None = None, **fields: Any) -> Any:
        """Send one command over a WebSocket of its own, as the owner or with a token; returns its result."""
        address = f"ws://{self.host}:{PORT}/api/websocket"
        with connect(address, max_size=2**24, compression=None, proxy=None) as socket:
            socket.recv(10)
            socket.send(json.dumps({"type": "auth", "access_token": token or self.owner.token}))
            said = json.loads(socket.recv(10))
            if said["type"] != "auth_ok":
                raise RefusedError(str(said))
            socket.send(json.dumps({"id": 1, "type": type_, **fields}))
            said = json.loads(socket.recv(20))
        if not said["success"]:
            raise RefusedError(f"{type_}: {said['error']}")
        return said["result"]

    def state(self, entity_id: str) -> str:
        """An entity's state; empty where there is no such entity."""
        try:
            return str(self.get(f"/api/states/{entity_id}")["state"])
        except RefusedError:
            return ""

    def wait_for(self, entity_id: str, state: str) -> None:
        """Wait until an entity has a state."""
        self.wait_until(lambda: self.state(entity_id) == state, f"{entity_id} is {state}")

    def call(self, service: str, *, token: str | None = None, **data: Any) -> None:
        """Call a service (``light.turn_on``); returns when it is done."""
        self.post(f"/api/services/{service.replace('.', '/')}", data, token=token)

    # What an owner sets up ----------------------------------------------------------------------------------------

    def onboard(self) -> None:
        """Make the owner, as the first page that a browser shows does."""
        user = {"name": "Owner", "username": "owner", "password": "owner's secret", "language": "en"}
        code = self.post("/api/onboarding/users", {"client_id": self._client_id, **user})["auth_code"]
        access = self._access(code)
        self.post("/api/onboarding/analytics", {}, token=access)  # "core_config" would add the weather, radio, speech
        page = {"client_id": self._client_id, "redirect_uri": self._client_id}
        self.post("/api/onboarding/integration", page, token=access)
        self.owner = self._with_token(access)

    def add_user(self, name: str, *, admin: bool = False) -> Person:
        """Another user, with a token that lives for a year."""
        groups = ["system-admin" if admin else "system-users"]
        user = self.command("config/auth/create", name=name, group_ids=groups)["user"]["id"]
        login = {"username": f"{name.lower()}-{secrets.token_hex(4)}", "password": secrets.token_hex(12)}
        self.command("config/auth_provider/homeassistant/create", user_id=user, **login)
        asked = {"client_id": self._client_id, "handler": ["homeassistant", None], "redirect_uri": self._client_id}
        flow = self.post("/auth/login_flow", asked)["flow_id"]
        code = self.post(f"/auth/login_flow/{flow}", {"client_id": self._client_id, **login})["result"]
        return self._with_token(self._access(code))

    def person(self, name: str) -> Person:
        """A user without administrator's rights, the same one whenever it is asked for."""
        if name not in self._people:
            self._people[name] = self.add_user(name)
        return self._people[name]

    def revoke(self, token: str) -> None:
        """Make a long-lived token worthless, as its user may."""
        mine = self.command("auth/refresh_tokens", token=token)
        current = next(each["id"] for each in mine if each["is_current"])
        with suppress(ConnectionClosed):  # it hangs up on the token instead of answering
            self.command("auth/delete_refresh_token", token=token, refresh_token_id=current)

    def add_mqtt(self, host: str, port: int, username: str = "", password: str = "") -> None:
        """Add the MQTT integration, with a broker at an address that it can reach (`gateway` is this machine)."""
        asked = {"handler": "mqtt", "show_advanced_options": True}
        flow = self.post("/api/config/config_entries/flow", asked)["flow_id"]
        login = {"username": username, "password": password} if username else {}
        broker = {"broker": host, "port": port, **login}
        said = self.post(f"/api/config/config_entries/flow/{flow}", broker)
        assert said["type"] == "create_entry", said

    def remove_mqtt(self) -> None:
        """Take the MQTT integration away again, and with it the devices that it brought."""
        for entry in self.get("/api/config/config_entries/entry?domain=mqtt"):
            self._request("DELETE", f"/api/config/config_entries/entry/{entry['entry_id']}", None, None)

    @property
    def _client_id(self) -> str:
        return f"{self.url}/"

    def _access(self, code: str) -> str:
        form = {"grant_type": "authorization_code", "code": code, "client_id": self._client_id}
        body = urllib.parse.urlencode(form).encode()
        return str(self._request("POST", "/auth/token", body, None, form=True)["access_token"])

    def _with_token(self, access: str) -> Person:
        token = self.command("auth/long_lived_access_token", token=access, client_name="tests", lifespan=365)
        return Person(self.command("auth/current_user", token=access)["id"], token)


class _Cable:
    """A network namespace and a veth pair into it, with the addresses of a network that nobody else has."""

    def __init__(self) -> None:
        self.namespace = f"hw-ha-{os.getpid()}-{secrets.token_hex(2)}"
        name = f"hwha{secrets.token_hex(3)}"
        taken = subprocess.run(["ip", "-brief", "address"], check=True, capture_output=True, text=True).stdout
        free = next(number for _ in range(10_000) if f"10.77.{(number := secrets.randbelow(200) + 50)}." not in taken)
        self.outer, self.inner = f"10.77.{free}.1", f"10.77.{free}.2"
        _ip("netns", "add", self.namespace)
        try:
            _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
            _ip("address", "add", f"{self.outer}/30", "dev", name)
            _ip("link", "set", name, "up")
            _ip("-n", self.namespace, "address", "add", f"{self.inner}/30", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", self.namespace, "link", "set", interface, "up")
            _ip("-n", self.namespace, "route", "add", "default", "via", self.outer)
        except BaseException:
            self.cut()
            raise

    def cut(self) -> None:
        """Take the namespace away, and with it both ends of the cable."""
        _ip("netns", "delete", self.namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _absence(repository: Path) -> str:
    """Why no Home Assistant can be run here; empty where it can."""
    if os.geteuid() != 0:
        return "a network namespace for Home Assistant can be made by root only"
    if shutil.which("ip") is None:
        return "ip is not installed (apt-get install iproute2)"
    if not (repository / ENVIRONMENT / "bin" / "hass").is_file():
        return "Home Assistant is not installed (sh tools/home_assistant.sh)"
    done = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True)
    return f"network namespaces cannot be used here ({done.stderr.strip()})" if done.returncode else ""


@pytest.fixture(scope="session", name="home_assistant")
def home_assistant_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> HomeAssistant:
    """A running Home Assistant with an owner, and the home of ``configuration.yaml`` in it: one for the whole run.

    To pytest a fixture is another one in each module that imports it; so the server is kept with the run.
    """
    reason = _absence(repository)
    if reason:
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    server = request.config.stash.get(_RUNNING, None)
    if server is None:
        folder = tmp_path_factory.mktemp("home-assistant")
        shutil.copy(CONFIGURATION, folder / "configuration.yaml")
        server = request.config.stash[_RUNNING] = HomeAssistant(repository / ENVIRONMENT / "bin" / "hass", folder)
        request.config.add_cleanup(server.close)
        server.start()
        server.onboard()
    server.await_running()
    return server
