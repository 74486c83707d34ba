"""Shoot a running page: ``python tests/dashboard/screenshot.py URL FILE [--width 1200] [--height 800] [--dark]``.

``URL`` is the link that the guard printed. ``FILE`` is a PNG.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str | None:
    """Where this machine has its browser, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def shoot(
    url: str, file: Path, *, width: int = 1200, height: int = 800, dark: bool = False, full: bool = False
) -> None:
    """The page behind ``url`` as a PNG. Raises what playwright raises."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        page.goto(url)
        page.wait_for_selector("#events")
        page.screenshot(path=file, full_page=full)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not only what fits")
    given = parser.parse_args()
    shoot(given.url, given.file, width=given.width, height=given.height, dark=given.dark, full=given.full)


if __name__ == "__main__":
    main()
