"""A real guard asks by ntfy: a button answers once, who only looks answers nothing, and nights are quiet."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.end_to_end.home import NetworkHome, eventually, journaled
from tests.network_logs import CAMERA, LAPTOP, OUTSIDE, conn
from tests.ntfy_server import NtfyServer

from homeward.core.effects import Apply
from homeward.core.inputs import Feedback

ALERTS, ANSWERS, TOKEN = "alerts-5f3c", "answers-9d1a", "tk_guard"
ZONE = "Europe/Berlin"

CONFIGURATION = """\
[home]
timezone = "{zone}"
state = "state"

[page]
port = {page}

[zeek]
directory = "zeek"

[suricata]
file = "eve.json"

[network.names]
"{camera}" = "hallway camera"
"{laptop}" = "laptop"

[channel.phone]
kind = "ntfy"
server = "{server}"
topic = "{alerts}"
answers_topic = "{answers}"
token_file = "ntfy-token"

[[listener]]
channel = "phone"
quiet_hours = "{quiet}"
"""


@pytest.fixture(name="ntfy")
def ntfy_fixture() -> Iterator[NtfyServer]:
    """A server in a thread of its own, which keeps both topics for the guard and for phones."""
    access = {TOKEN: {ALERTS: "wo", ANSWERS: "ro"}, None: {ALERTS: "ro", ANSWERS: "wo"}}
    server, loop = NtfyServer(access=access), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Told(NetworkHome):
    """A home whose people are told, and asked, by telephone."""

    def __init__(self, folder: Path, server: NtfyServer) -> None:
        super().__init__(folder)
        self.server = server
        self.keep_secret("ntfy-token", TOKEN)
        self.configure(quiet="")

    def configure(self, quiet: str) -> None:
        self.file.write_text(
            CONFIGURATION.format(
                zone=ZONE, page=self.page_port, camera=CAMERA, laptop=LAPTOP, server=self.server.url,
                alerts=ALERTS, answers=ANSWERS, quiet=quiet,
            )
        )  # fmt: skip

    def start_and_listen(self) -> None:
        """Start it; returns when it follows its logs and the topic of answers."""
        self.start()
        eventually(self.listens, "it follows the logs")
        eventually(lambda: bool(self.server.listeners.get(ANSWERS)), "it follows the topic of answers")

    def messages(self) -> list[dict[str, Any]]:
        """What came to the phone."""
        return self.server.messages(ALERTS)

    def asked(self, number: int) -> dict[str, Any]:
        """The message with buttons that is the so-manieth."""
        eventually(lambda: len(self._asked()) >= number, f"{number} questions came")
        return self._asked()[number - 1]

    def _asked(self) -> list[dict[str, Any]]:
        return [one for one in self.messages() if one.get("actions")]

    def answers(self) -> list[tuple[str, str, str, str]]:
        """What was answered, as the journal has it."""
        return [
            (one.incident, one.answer, one.person, one.channel)
            for one in journaled(self.state)
            if isinstance(one, Feedback)
        ]


@pytest.fixture(name="told")
def told_fixture(tmp_path: Path, ntfy: NtfyServer) -> Iterator[Told]:
    home = Told(tmp_path, ntfy)
    try:
        yield home
    finally:
        home.close()


def button(message: dict[str, Any], label: str) -> dict[str, Any]:
    (found,) = [action for action in message["actions"] if action["label"] == label]
    return dict(found)


def fetch(url: str, *, method: str = "GET", body: str | None = None) -> None:
    """What a phone, or a program that looks ahead at links, asks for. Raises `OSError` unless the server took it."""
    request = urllib.request.Request(url, None if body is None else body.encode(), method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def press(message: dict[str, Any], label: str) -> None:
    """The phone presses a button."""
    pressed = button(message, label)
    fetch(pressed["url"], method=pressed["method"], body=pressed["body"])


def test_a_button_answers_once_a_preview_answers_nothing_and_a_press_waits_for_a_guard_that_is_down(
    told: Told,
) -> None:
    told.start_and_listen()
    told.warn(CAMERA)
    first = told.asked(1)
    assert "hallway camera" in first["message"]
    for action in first["actions"]:  # links are looked at, and what is there is fetched
        fetch(action["url"])
        fetch(f"{action['url']}/publish?message=yes")
    press(first, "That was me")
    eventually(lambda: len(told.answers()) == 1, "it is answered")
    press(first, "That was me")
    press(first, "Not me")

    told.warn(LAPTOP)
    second = told.asked(2)
    told.kill()
    refusal, agreement = (button(second, label)["body"] for label in ("Not me", "That was me"))
    forged = agreement.replace("yes ", "no ", 1)
    assert forged != refusal
    fetch(button(second, "Not me")["url"], method="POST", body=forged)
    press(second, "Not me")
    told.start()
    eventually(lambda: len(told.answers()) == 2, "what was pressed meanwhile is read")
    (camera, *said), (laptop, *said_later) = told.answers()
    assert said == ["yes", "household", "phone"]
    assert said_later == ["no", "household", "phone"]
    incidents = {one["id"]: one for one in told.api_state()["incidents"]}
    assert "hallway camera" in incidents[camera]["reason"]
    assert "laptop" in incidents[laptop]["reason"]
    told.stop()
    assert len(told.answers()) == 2


def test_in_quiet_hours_what_cannot_wait_is_told_and_what_can_waits_also_over_a_restart(told: Told) -> None:
    now = datetime.now(ZoneInfo(ZONE))
    begin, end = now - timedelta(hours=1), now + timedelta(hours=2)
    told.configure(quiet=f"{begin:%H:%M}-{end:%H:%M}")
    told.start_and_listen()
    told.hear(*(conn(60.0 * minute, uid=f"C{minute}", resp=OUTSIDE, port=443) for minute in range(300)))
    strange = {"resp": "198.51.100.66", "port": 6667, "state": "S0", "received": 0}
    told.hear(*(conn(60.0 * minute, uid=f"C{minute}", **strange) for minute in range(300, 305)))
    eventually(lambda: [one.kind for one in told.told()] == ["network"], "what is odd is on the page")
    told.kill()
    told.start_and_listen()
    told.warn(LAPTOP)
    urgent = told.asked(1)
    assert "laptop" in urgent["message"]
    assert [one["message"] for one in told.messages()] == [urgent["message"]]
    begun = [one.action.text for one in journaled(told.state) if isinstance(one, Apply)]
    assert begun == [urgent["message"]]
    (odd,) = [one for one in told.api_state()["incidents"] if one["kind"] == "network"]
    (waits,) = odd["told"]
    assert (waits["delivery"], waits["listener"], waits["channel"]) == ("waiting", "household", "phone")
    assert datetime.fromisoformat(waits["after"]).strftime("%H:%M") == f"{end:%H:%M}"
