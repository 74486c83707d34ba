"""A real Home Assistant with its own demonstration devices, and a phone with its app: registered, listening, pressed.

A test module imports ``demo_home_fixture``, and its tests ask for ``demo_home`` (one for the whole run).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from tests.conftest import IN_CI
from tests.home_assistant import ENVIRONMENT, PORT, HomeAssistant, _absence
from websockets.asyncio.client import ClientConnection, connect

from homeward.responders.home_assistant import EntityCommand, HomeAssistantResponder
from homeward.sources.home_assistant_connection import Connection, HomeAssistantSettings

CONFIGURATION: Final = Path(__file__).parent / "home_assistant" / "demo.yaml"

_RUNNING: Final = pytest.StashKey["DemoHome"]()


class DemoHome(HomeAssistant):
    """Home Assistant, seen as the guard does: by a user without administrator's rights."""

    @property
    def settings(self) -> HomeAssistantSettings:
        return HomeAssistantSettings(url=self.url, token=self.person("Homeward").token)

    @property
    def dial(self) -> partial[Any]:
        """Opens a connection as the guard's user."""
        return partial(Connection.open, self.settings)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It hangs: the process is stopped, the kernel still takes connections."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def fire(self, action: object) -> None:
        """A button of a notification is pressed, as an administrator can make believe."""
        self.post("/api/events/mobile_app_notification_action", {"action": action})

    def shown(self) -> dict[str, dict[str, Any]]:
        """The notifications on its own pages."""
        return {one["notification_id"]: one for one in self.command("persistent_notification/get")}


class Phone:
    """A phone with the app: what it shows, by tag, as the app does; a later message replaces one of the same tag."""

    def __init__(self, home: HomeAssistant, name: str, token: str) -> None:
        self.shown: dict[str, dict[str, Any]] = {}
        self.got = 0
        self._home, self._token = home, token
        app = {"app_id": "io.homeward.tests", "app_name": "Tests", "app_version": "1", "device_id": name}
        made = {"device_name": name, "manufacturer": "Tests", "model": "Phone", "os_name": "Tests", "os_version": "1"}
        asked = {**app, **made, "supports_encryption": False, "app_data": {"push_websocket_channel": True}}
        self._webhook = home.post("/api/mobile_app/registrations", asked, token=token)["webhook_id"]
        self.service = f"notify.mobile_app_{name}"
        home.wait_until(lambda: self.service in _services(home), f"{self.service} is there")

    @asynccontextmanager
    async def on(self) -> AsyncIterator[Phone]:
        """Listening, while the block runs."""
        async with connect(f"ws://{self._home.host}:{PORT}/api/websocket", proxy=None) as socket:
            await socket.recv()
            await socket.send(json.dumps({"type": "auth", "access_token": self._token}))
            assert json.loads(await socket.recv())["type"] == "auth_ok"
            asked = {"id": 1, "type": "mobile_app/push_notification_channel", "webhook_id": self._webhook}
            await socket.send(json.dumps(asked))
            assert json.loads(await socket.recv())["success"]
            listening = asyncio.create_task(self._listen(socket))
            try:
                yield self
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            said = json.loads(text)["event"]
            self.shown[said["data"]["tag"]] = said
            self.got += 1

    def press(self, tag: str, title: str) -> None:
        """Press a button of what is shown."""
        (action,) = [one["action"] for one in self.shown[tag]["data"]["actions"] if one["title"] == title]
        event = {"event_type": "mobile_app_notification_action", "event_data": {"action": action, "tag": tag}}
        self._home.post(f"/api/webhook/{self._webhook}", {"type": "fire_event", "data": event})


def lamp(home: DemoHome) -> tuple[HomeAssistantResponder, Callable[[int], str], Callable[[], None]]:
    """For the contract of responders: one that has a device ``lamp``, its state, and what puts it out of reach."""
    home.call("light.turn_off", entity_id="light.bed_light")
    where = [home.settings]
    responder = HomeAssistantResponder(
        lambda: Connection.open(where[-1]), [EntityCommand(device="lamp", entity="light.bed_light")]
    )
    nowhere = replace(home.settings, url="http://127.0.0.1:9")
    return responder, lambda _number: home.state("light.bed_light"), lambda: where.append(nowhere)


def _services(home: HomeAssistant) -> set[str]:
    return {f"{one['domain']}.{name}" for one in home.get("/api/services") for name in one["services"]}


def _no_phone(environment: Path) -> str:
    """Why Home Assistant cannot have a phone here; empty where it can."""
    if any(environment.glob("lib/python3*/site-packages/nacl")):
        return ""
    return "PyNaCl, which Home Assistant's mobile_app needs, is not installed (sh tools/home_assistant.sh)"


@pytest.fixture(scope="session", name="demo_home")
def demo_home_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> DemoHome:
    """A running Home Assistant with an owner and the home of ``demo.yaml``: one for the whole run."""
    _skip_for(_absence(repository))
    home = request.config.stash.get(_RUNNING, None)
    if home is None:
        folder = tmp_path_factory.mktemp("home-assistant-demo")
        shutil.copy(CONFIGURATION, folder / "configuration.yaml")
        home = request.config.stash[_RUNNING] = DemoHome(repository / ENVIRONMENT / "bin" / "hass", folder)
        request.config.add_cleanup(home.close)
        home.start()
        home.onboard()
    home.await_running()
    return home


@pytest.fixture(scope="session", name="phone")
def phone_fixture(request: pytest.FixtureRequest, demo_home: DemoHome, repository: Path) -> Phone:
    """Anna's phone, with the app: one for the whole run."""
    _skip_for(_no_phone(repository / ENVIRONMENT))
    return Phone(demo_home, "annas_phone", demo_home.person("Anna").token)


def _skip_for(reason: str) -> None:
    if reason and IN_CI:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
