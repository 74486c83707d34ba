"""Where the homes of a benchmark come from, recorded or simulated, and how several processes share them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from homeward.bench.homes import Household, find_homes, load
from homeward.bench.neighbourhood import household

Progress = Callable[[int, int, str], None]
Job = TypeVar("Job")
Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """A home that can be had by its address alone: a recording's file, or a household of a seed's neighbourhood."""

    name: str
    file: Path | None = None
    seed: int = 0
    number: int = 0

    def household(self) -> Household:
        """Its whole stream.

        Raises:
            FileError: the file or a table beside it cannot be read.
        """
        return load(self.name, self.file) if self.file else household(self.seed, self.number)


def recorded(data: Path, suits: Callable[[Household], bool]) -> Iterator[Residence]:
    """The homes of a folder that suit, by name.

    Raises:
        FileError: a file of the folder cannot be read.
    """
    for name, file in find_homes(data).items():
        if suits(load(name, file)):
            yield Residence(name=name, file=file)


def simulated(seed: int, households: int) -> Iterator[Residence]:
    """The first households of a seed's neighbourhood; each is made only when its stream is asked for."""
    for number in range(households):
        yield Residence(name=f"household {number}", seed=seed, number=number)


def _collect_seldom() -> None:
    """A home's tables are millions of objects in no cycle: to look through them again and again takes a fifth of the
    time."""
    gc.set_threshold(200_000, 20, 100)


def in_parallel(
    measure: Callable[[Job], Measured],
    jobs: Sequence[tuple[str, Job]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Measured]:
    """What ``measure`` (of a module's top level) makes of every job, in the order of the jobs.

    Jobs come with a name for ``progress``; ``workers`` are processes, by default one for each core.
    """
    workers = workers or os.cpu_count() or 1
    done: dict[int, Measured] = {}

    def note(number: int, measured: Measured) -> None:
        done[number] = measured
        if progress:
            progress(len(done), len(jobs), jobs[number][0])

    if workers == 1 or len(jobs) < 2:
        for number, (_, job) in enumerate(jobs):
            note(number, measure(job))
    else:
        with ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), _collect_seldom) as pool:
            running = {pool.submit(measure, job): number for number, (_, job) in enumerate(jobs)}
            for future in as_completed(running):
                note(running[future], future.result())
    return [done[number] for number in range(len(jobs))]
