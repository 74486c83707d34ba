"""`homeward bench speed`: what does an event cost?

Everything is streamed from a simulated household, so no recording is needed; the broker, the disk, the journal and
the guards are real. The streams are a pure function of the seed. The figures are not: they are of this machine, at
this hour, which is why the machine and the day stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from homeward.bench.catalogue import SEED
from homeward.bench.homes import Household
from homeward.bench.peers import DETECTORS
from homeward.bench.report import NONE, bullets, figure, markdown_table, measured, text_table
from homeward.bench.speed import growth, latency, memory, rates
from homeward.bench.speed.goals import goal_rows, targets
from homeward.bench.speed.places import file_system
from homeward.bench.speed.processes import ProcessError
from homeward.bench.speed.streams import of_ten_devices, whole

__all__ = ["Sizes", "markdown", "run", "table"]

NOT_YET: Final = "there is no compiled kernel yet; the figure beside is the one in Python"
MORE_DAYS: Final = 60
"""The household lives so much longer than the days before the last piece, which takes some weeks of events."""

UNMEASURED: Final = {"rss_mib": None, "rss_events": None, "latency_ms": latency.Taken().told(), "broker": None}
"""What stands where a process could not be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured. ``events`` of a household for the rates, ``piece`` events for each figure of growth,
    after ``days`` or with ``devices``; ``guards`` give commands; ``history`` events are learned by the guard whose
    memory is told, which then hears ``live`` messages. Rates are the median of so many ``rounds``."""

    events: int = 10_000
    piece: int = 5_000
    days: int = 365
    devices: int = 10_000
    guards: int = latency.GUARDS
    history: int = 30_000
    live: int = memory.LIVE
    rounds: int = rates.ROUNDS

    @property
    def steps(self) -> int:
        """How many steps there are, for whoever watches: rounds of every method, the kernel and each figure of
        growth; the states that two of these begin with; the memory; and the guards."""
        return self.rounds * (len(rates.METHODS) + 1 + len(growth.FIGURES)) + 2 + 1 + self.guards


def run(
    data: Path,  # noqa: ARG001  # nothing recorded is read
    *,
    seed: int = SEED,
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,  # noqa: ARG001  # what runs at the same time would be measured together
    sizes: Sizes = Sizes(),
) -> dict[str, Any]:
    """Rates, growth, memory and latencies of this machine, in some minutes.

    What cannot be had here (a broker, a peer's library) is ``None`` or left out, and ``reasons`` says why.
    """
    reasons = {"compiled_kernel_events_per_s": NOT_YET}
    steps = 0

    def done(what: str = "") -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(min(steps, sizes.steps), sizes.steps, what)

    home = of_ten_devices(seed, sizes.days + MORE_DAYS)
    with TemporaryDirectory(prefix="homeward-speed-") as name:
        folder = Path(name)
        result = {
            "seed": seed,
            "measured": measured(f"homeward bench speed --seed {seed}"),
            "file_system": file_system(folder),
            "sizes": asdict(sizes),
            **_rates(home, folder, seed, sizes, reasons, done),
            **growth.measure(
                home, folder, events=sizes.piece, days=sizes.days, devices=sizes.devices, rounds=sizes.rounds,
                done=done,
            ),
            **UNMEASURED,
        }  # fmt: skip
        try:
            result |= memory.measure(home, folder, history=sizes.history, live=sizes.live)
        except (ProcessError, OSError) as error:
            reasons["rss_mib"] = str(error)
        done("memory")
        try:
            result |= latency.measure(folder, guards=sizes.guards, done=done)
        except (ProcessError, OSError) as error:
            reasons["latency_ms"] = str(error)
    return {**result, "targets": targets(result), "reasons": reasons}


def _rates(
    home: Household, folder: Path, seed: int, sizes: Sizes, reasons: dict[str, str], done: Callable[[str], object]
) -> dict[str, Any]:
    """Events a second of every method that can be had."""
    stream = whole(home, sizes.events)
    reasons |= {name: why for name, library in DETECTORS.items() if (why := library.missing)}
    seconds = rates.in_turns(
        {
            "homeward": rates.whole_path(stream.events, partial(rates.told, stream), folder),
            "kernel": rates.kernel(stream),
            **{name: rates.peer(name, stream, seed) for name in rates.METHODS[1:] if name not in reasons},
        },
        sizes.rounds,
        done,
    )
    per_s = {name: round(len(stream.events) / taken) for name, taken in seconds.items()}
    return {
        "kernel_events_per_s": per_s.pop("kernel"),
        "compiled_kernel_events_per_s": None,
        "events_per_s": per_s,
    }


def table(result: Mapping[str, Any]) -> str:
    """Rates, latencies, growth and the targets, for the terminal."""
    told = [text_table(head, rows) for head, rows in _tables(result)]
    return "\n".join([*told, bullets([*_notes(result), result["measured"]])])


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds when, where and by which command the figures were measured."""
    told = [markdown_table(head, rows) for head, rows in _tables(result)]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*told, bullets([*_notes(result), *line])])


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[Sequence[str], list[list[str]]]]:
    yield ("method", "events a second", "µs an event"), list(_rate_rows(result))
    yield ("way", "p50, ms", "p99, ms"), list(_latency_rows(result["latency_ms"]))
    yield ("home", "events a second", "of the start", "memory of its state, MiB"), list(_growth_rows(result))
    yield ("target", "figure", "wanted", "it is"), list(goal_rows(result["targets"]))


def _rate_rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    per_s = result["events_per_s"]
    rows = {
        "homeward, whole path": per_s["homeward"],
        "homeward, kernel in Python": result["kernel_events_per_s"],
        "homeward, compiled kernel": result["compiled_kernel_events_per_s"],
        **{name.replace("_", " "): rate for name, rate in per_s.items() if name != "homeward"},
    }
    for name, rate in rows.items():
        yield [name, *((f"{rate:,}", figure(1e6 / rate, 1)) if rate else (NONE, NONE))]


def _latency_rows(times: Mapping[str, Any]) -> Iterator[list[str]]:
    for way, said in latency.WAYS.items():
        yield [said, figure(times[f"{way}p50"]), figure(times[f"{way}p99"])]


def _growth_rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    grown, sizes = result["growth"], result["state_mib"]
    names = list(grown)
    starts = dict(zip(names[1::2], names[::2], strict=True))
    for name, rate in grown.items():
        of_the_start = rate / grown[starts[name]] if name in starts else None
        yield [growth.named(name), f"{rate:,}", figure(of_the_start), figure(sizes.get(name), 1)]


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    sizes, times = result["sizes"], result["latency_ms"]
    disk = result["file_system"] or "an unknown file system"
    yield (
        f"Rates: {sizes['events']:,} events of a simulated household, from its first day on; medians of "
        f"{sizes['rounds']} rounds, in turns. The whole path is engine, effects and journal, a thousand events in a "
        f"commit, as in a replay, each commit fsynced ({disk}). The kernel alone tells the surprise of every habit "
        "and then counts it; its contexts are made outside the clock, as the peers' features are."
    )
    beside = [
        f"{result['kernel_events_per_s'] / rate:.3g} times {name.replace('_', ' ')}"
        for name, rate in result["events_per_s"].items()
        if name != "homeward"
    ]
    yield f"The kernel in Python beside the peers: {', '.join(beside)}."
    if times["commands"]:
        yield (
            f"Latency: {times['commands']} commands of {sizes['guards']} guards, one guard after the other, each its "
            f"own process on the broker {result['broker']}; {times['unanswered']} messages led to no command within "
            f"{latency.ANSWER_SECONDS:g} s. A guard's first command took {figure(times['first_p50'])} ms (median)."
        )
        least = times["echo_p50"] + times["commit_p50"]
        yield (
            f"An echo and one commit together take {figure(least)} ms (p50), {figure(least / times['echo_p50'], 1)} "
            "times the echo: who writes down what is to be done before it is done cannot be nearer on this disk."
        )
    if result["rss_mib"] is not None:
        yield (
            f"Memory: {figure(result['rss_mib'], 1)} MiB resident with the page open, after "
            f"{result['rss_events']:,} events. Each device more than ten takes {result['bytes_per_device']:,} bytes."
        )
    long = max(result["pauses"], key=lambda pause: pause["seconds"], default=None)
    if long is not None:
        days = ", ".join(dict.fromkeys(str(pause["day"]) for pause in result["pauses"]))
        yield (
            f"In {sizes['days']} days {len(result['pauses'])} events took longer than a tenth of a second, "
            f"{long['seconds']:.1f} s at most (days {days}): past visits are then judged anew."
        )
    for name, reason in result["reasons"].items():
        yield f"No figure for {name.replace('_', ' ')}: {reason}."
