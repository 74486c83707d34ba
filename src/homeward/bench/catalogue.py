"""The benchmarks that there are: what each asks, what it reads, and where it is. None is loaded before it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from homeward.bench import pictures
from homeward.sources.files import FileError

Result = Mapping[str, Any]

SEED = 1000
"""Figures are published from this seed on; what is tuned is tuned at seeds below."""

HOMES = ("*.events.csv.gz", "*.rooms5min.csv.gz")
SEQUENCES = "*.sequences.csv.gz"


class Module(Protocol):
    """What the module of every benchmark offers."""

    def run(
        self, data: Path, *, seed: int, progress: Callable[[int, int, str], None] | None, **options: Any
    ) -> dict[str, Any]:
        """Measure: a pure function of the data, the seed and the options."""

    def table(self, result: Result) -> str:
        """The figures for a terminal."""

    def markdown(self, result: Result, **options: Any) -> str:
        """The figures as the body of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark. ``reads`` are the patterns of the files that it can measure, of which it needs one at least
    (none: it needs no recording); ``households`` is how many simulated homes it adds unless told otherwise
    (``None``: it knows none); ``brief`` says whether its figures also come in brief; ``pictures`` draws its result.
    """

    name: str
    question: str
    story: str
    reads: tuple[str, ...]
    households: int | None = None
    brief: bool = False
    pictures: Callable[[Result], Mapping[str, str]]

    def module(self) -> Module:
        """Its module, loaded now."""
        return cast(Module, import_module(f"homeward.bench.{self.name}"))

    def check(self, data: Path) -> None:
        """See to it that there is something to measure.

        Raises:
            FileError: there is no such folder, or no file in it that this benchmark reads.
        """
        if not self.reads:
            return
        if not data.is_dir():
            raise FileError(f"{data}: no such folder; name the one that holds the recordings: --data DIR")
        if not any(path.is_file() for pattern in self.reads for path in data.glob(pattern)):
            here, wanted = "this folder" if data == Path() else str(data), " or ".join(self.reads)
            raise FileError(f"{here} holds no {wanted}; name the folder that holds the recordings: --data DIR")


def _speed(result: Result) -> Mapping[str, str]:
    """Drawn beside what is measured, which is not loaded before it is run."""
    from homeward.bench.speed.picture import speed

    return speed(result)


def _response(result: Result) -> Mapping[str, str]:
    from homeward.bench.response.picture import response

    return response(result)


_ALL = (
    Benchmark(
        name="quiet",
        question="does it stay silent, and does it still catch them?",
        story="Stream every home of a folder, and simulated ones, into an empty guard, inject\n"
        "intruders, and count alarms and catches, beside simpler methods.",
        reads=HOMES,
        households=100,
        brief=True,
        pictures=pictures.quiet,
    ),
    Benchmark(
        name="generations",
        question="what is a guard worth that learns your home, beside one for all, and rules?",
        story="The same homes and intruders as in quiet, for three generations of guards: rules,\n"
        "one model for all homes, and one that learns at home.",
        reads=HOMES,
        households=10,
        pictures=pictures.generations,
    ),
    Benchmark(
        name="sequences",
        question="is a sequence of acts this user's? (the published test)",
        story="Learn from what a published set marks as train, judge what it marks as test, beside\nsimpler methods.",
        reads=(SEQUENCES,),
        pictures=pictures.sequences,
    ),
    Benchmark(
        name="change",
        question="habits change: is it quiet again soon, and does it still catch them?",
        story="A new context, or a clock that moves by six hours: count the days and alarms until\n"
        "it is quiet, and what is caught after it.",
        reads=(*HOMES, SEQUENCES),
        households=30,
        pictures=pictures.change,
    ),
    Benchmark(
        name="poison",
        question="can it be taught, slowly, that a break-in is usual?",
        story="For thirty nights somebody acts out a growing part of a break-in, and nobody\n"
        "answers. Is the whole of it still caught?",
        reads=HOMES,
        households=10,
        pictures=pictures.poison,
    ),
    Benchmark(
        name="masquerade",
        question="is it still the same person?",
        story="Learn the first commands of each user, then judge block by block, beside simpler\n"
        "methods: which are somebody else's?",
        reads=("*.commands.csv.gz",),
        pictures=pictures.masquerade,
    ),
    Benchmark(
        name="network",
        question="does it notice when a device turns?",
        story="Learn what each device of a recorded network has to do with others, then judge flow by\n"
        "flow, beside simpler methods: which are an attack's?",
        reads=("network/*/conn.log*",),
        pictures=pictures.network,
    ),
    Benchmark(
        name="speed",
        question="what does an event cost?",
        story="Stream a simulated household through the guard and simpler methods, and let real guards\n"
        "answer real messages: events a second, milliseconds, memory. It needs no recording.",
        reads=(),
        pictures=_speed,
    ),
    Benchmark(
        name="response",
        question="does it learn what this owner wants?",
        story="Simulated owners, each with costs of their own, answer a thousand incidents, or do not:\n"
        "what does it cost them, and what gets through, beside the fixed ladder? It needs no\nrecording.",
        reads=(),
        pictures=_response,
    ),
)

BENCHMARKS = {benchmark.name: benchmark for benchmark in _ALL}
