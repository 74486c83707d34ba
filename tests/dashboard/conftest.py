"""A real server on a free loopback port, with the twin behind it, and a real Chromium."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.dashboard.browsing import Seen, opened
from tests.dashboard.running import DEADLINE, Running
from tests.dashboard.screenshot import CHROMIUM_ARGUMENTS
from tests.dashboard.twin import TwinService, an_evening

from homeward.dashboard.app import PageServer, create_app
from homeward.one_time import CodeCheck
from homeward.service import Service


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """``serve()`` starts a page of its own on a free port; all are stopped at the end of the test. The codes of who
    has to step up lie in ``tmp_path``."""
    started: list[Running] = []

    def start(service: TwinService | Service | None = None, *, key: str = "k" * 43, simulated: str = "") -> Running:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        ready: threading.Event = threading.Event()
        made: list[Running] = []

        async def run() -> None:
            twin = service or TwinService()
            hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
            codes = CodeCheck(tmp_path)
            app = create_app(twin, key=key, allowed_hosts=hosts, codes=codes, simulated=simulated)
            server = PageServer(app, host="127.0.0.1", port=port)
            made.append(Running(twin, key, port, asyncio.get_running_loop(), server, thread))
            ready.set()
            guard = asyncio.create_task(twin.run())
            await server.serve(sockets=[listening])
            guard.cancel()
            await asyncio.wait({guard})

        thread = threading.Thread(target=lambda: asyncio.run(run()), name=f"page {port}")
        thread.start()
        assert ready.wait(DEADLINE)
        started.append(made[0])
        return made[0]

    yield start
    for running in started:
        running.server.should_exit = True
    for running in started:
        running.thread.join(DEADLINE)
        assert not running.thread.is_alive()


@pytest.fixture
def page(serve: Callable[..., Running]) -> Running:
    """One page with a night's story on it."""
    running = serve()
    running.call(_tell(running.service))
    return running


async def _tell(service: TwinService) -> None:
    an_evening(service)
    await service.changed()


@pytest.fixture(scope="module")
def browser(need_program: Callable[[str, str], str]) -> Iterator[Browser]:
    program = need_program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def tab(page: Running, context: BrowserContext, seen: Seen) -> Page:
    """The page of the night, opened by its link, and already listening."""
    return opened(page, context, seen)
