"""Progress bars: on standard error, and only where a person sees it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


@contextmanager
def bar(name: str, unit: str) -> Iterator[Callable[[int], object]]:
    with tqdm(desc=name, unit=f" {unit}", unit_scale=True, disable=None, leave=False, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def share(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work of known size: called with what is done and what there is."""
    with tqdm(desc=name, unit=f" {unit}", unit_scale=True, disable=None, leave=False, file=sys.stderr) as bar:

        def show(done: int, all_: int) -> None:
            bar.total = all_
            bar.update(done - bar.n)

        yield show


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """A bar for each thing that is read at the start."""
    bars: dict[str, Any] = {}

    def step(name: str) -> None:
        if name not in bars:
            bars[name] = tqdm(desc=f"reading {name}", unit=" entries", disable=None, leave=False, file=sys.stderr)
        bars[name].update(1)

    try:
        yield step
    finally:
        for bar in bars.values():
            bar.close()
