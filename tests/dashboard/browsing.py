"""A tab of a real browser, and what it complained of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Page
from tests.dashboard.running import Running


@dataclass
class Seen:
    """What the browser complained of, and where it went."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, tab: Page) -> Page:
        tab.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        tab.on("request", lambda request: self.requests.append(request.url))
        return tab


def opened(page: Running, context: BrowserContext, seen: Seen) -> Page:
    """The page, opened by its link, and already listening."""
    tab = seen.watch(context.new_page())
    with tab.expect_response("**/events"):
        tab.goto(page.link)
    return tab


async def tell(page: Running, change: Callable[[], None]) -> None:
    change()
    await page.service.changed()
