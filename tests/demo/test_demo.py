"""The whole demonstration in a real browser: a home lives, a stranger comes, the guard answers, and takes it back."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.dashboard.screenshot import CHROMIUM_ARGUMENTS
from tests.demo.onlooker import DEADLINE, Onlooker

from homeward import demo
from homeward.config import FILE_NAME, load

REAL_PACE = 60_000
"""How long a browser waits for what takes real seconds (ms); only a failing test waits so long."""


@dataclass
class Demonstration:
    """One that runs in a thread of its own. Its evening takes seconds."""

    folder: Path
    links: queue.Queue[str] = field(default_factory=queue.Queue)
    failures: list[BaseException] = field(default_factory=list)
    _stop: Callable[[], object] = lambda: None

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="demonstration")
        self._thread.start()

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            await demo.run(self.folder, port=0, rate=3600.0, open_link=self.links.put)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failures.append(error)
            self.links.put("")

    def onlooker(self) -> Onlooker:
        """Another user of its broker, who may only listen."""
        broker = load(self.folder / FILE_NAME).mqtt
        assert broker is not None
        password = (self.folder / "onlooker-password").read_text()
        settings = type(broker)(
            host=broker.host, port=broker.port, username="onlooker", password=password, client_id="onlooker"
        )
        return Onlooker(settings)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        assert self.failures == []


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Demonstration]:
    one = Demonstration(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def tab(need_program: Callable[[str, str], str]) -> Iterator[Page]:
    program = need_program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield browser.new_page()
        browser.close()


def test_a_stranger_at_night_is_told_answered_and_taken_back(
    tab: Page, demonstration: Demonstration, capsys: pytest.CaptureFixture[str]
) -> None:
    link = demonstration.links.get(timeout=REAL_PACE / 1000)
    onlooker = demonstration.onlooker()
    try:
        assert onlooker.listen("home/siren")
        assert onlooker.listen("cmd/#")
        assert onlooker.listen("homeward/#")
        tab.goto(link)
        expect(tab.locator("body")).to_contain_text("This home is simulated")
        onlooker.hears("homeward/14 Linden Road/status", b"online")
        expect(tab.locator("#event-rows tr").nth(3)).to_be_visible(timeout=REAL_PACE)

        incident = tab.locator(".card.command", has_text="front door open at 02:40")
        expect(incident).to_contain_text("never between", timeout=REAL_PACE)
        siren = tab.locator(".card.lease", has_text="siren")
        expect(siren.locator(".count-down")).to_be_visible()
        onlooker.hears("cmd/siren", b'{"state": "ON"}')
        onlooker.hears("home/siren", b'{"state": "ON"}')

        incident.get_by_role("button", name="That was me", exact=True).click()
        expect(incident).to_contain_text("That was me")
        onlooker.hears("cmd/siren", b'{"state": "OFF"}')
        onlooker.hears("home/siren", b'{"state": "OFF"}')
        expect(siren).to_have_count(0)
        tab.get_by_text("Ended lately").click()
        expect(tab.locator("#leases")).to_contain_text("that was me")
    finally:
        onlooker.close()
    said = capsys.readouterr().out
    assert "homeward init" in said
    assert "simulated" in said
