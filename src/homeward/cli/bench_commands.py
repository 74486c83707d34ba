"""``homeward bench NAME``: measure once, then tell it: on the terminal, in documents, in pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from homeward.bench.catalogue import Benchmark
from homeward.bench.report import measured
from homeward.cli import progress
from homeward.sources.files import FileError

OK = 0


def bench(chosen: argparse.Namespace) -> int:
    """Run the chosen benchmark. What can go wrong with its files is said before it takes its time."""
    benchmark: Benchmark = chosen.benchmark
    benchmark.check(chosen.data)
    places = [_Place(path, *_marks_of(benchmark)) for path in chosen.write]
    albums = [_Album(path) for path in chosen.picture]
    result = _measure(benchmark, chosen)
    for place in places:
        options = {"brief": True} if place.name.endswith("in brief") else {}
        figures = benchmark.module().markdown(result, **options).rstrip()
        place.write(f"{figures}\n\n{measured(_command(benchmark, chosen))}")
    for album in albums:
        album.write(benchmark.pictures(result))
    if chosen.json:
        print(json.dumps(result, sort_keys=True, allow_nan=False))
    else:
        print(benchmark.module().table(result).rstrip())
    return OK


def _measure(benchmark: Benchmark, chosen: argparse.Namespace) -> dict[str, Any]:
    options = {} if benchmark.households is None else {"households": chosen.households}
    with (
        redirect_stdout(sys.stderr),  # standard output is for the result alone, whatever a peer's library prints
        progress.share(f"bench {benchmark.name}", "runs") as show,
    ):
        return benchmark.module().run(
            chosen.data, seed=chosen.seed, progress=lambda done, all_, _what: show(done, all_), **options
        )


def _command(benchmark: Benchmark, chosen: argparse.Namespace) -> str:
    """How these figures are had again, anywhere."""
    homes = f" --households {chosen.households}" if benchmark.households is not None else ""
    data = " --data DIR" if benchmark.reads else ""
    return f"homeward bench {benchmark.name}{data} --seed {chosen.seed}{homes}"


def _marks_of(benchmark: Benchmark) -> list[str]:
    whole = f"bench {benchmark.name}"
    return [whole, f"{whole} in brief"] if benchmark.brief else [whole]


class _Place:
    """The place for figures in a document, between two marks, so that no number in it was typed by hand.

    ``name`` is the one of ``names`` whose marks the document has.

    Raises:
        FileError: there is no such document or place.
    """

    def __init__(self, path: Path, *names: str) -> None:
        self._path = path
        self.name = next((name for name in names if _marks(name)[0] in self._read()), names[0])
        self._parts()

    def write(self, figures: str) -> None:
        before, after = self._parts()
        begin, end = _marks(self.name)
        self._path.write_text(f"{before}{begin}\n{figures.rstrip()}\n{end}{after}", "utf-8")

    def _read(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except OSError as error:
            raise FileError(f"{self._path}: {error.strerror}") from None

    def _parts(self) -> tuple[str, str]:
        begin, end = _marks(self.name)
        before, _, rest = self._read().partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise FileError(f"{self._path}: has no place for the figures; write {begin} and {end} there")
        return before, after


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


class _Album:
    """Where the pictures go: the first into ``FILE.svg``, what shows something more into ``FILE-WHAT.svg`` beside it.

    Raises:
        FileError: the name is not that of an SVG, or its folder is not there.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != ".svg":
            raise FileError(f"{path}: a picture is an SVG; name it {path.with_suffix('.svg')}")
        if not path.parent.is_dir():
            raise FileError(f"{path.parent}: no such folder; make it, or name another: --picture FILE.svg")
        self._path = path

    def write(self, pictures: Mapping[str, str]) -> None:
        for what, drawn in pictures.items():
            path = self._path.with_stem(f"{self._path.stem}-{what}") if what else self._path
            try:
                path.write_text(drawn, "utf-8")
            except OSError as error:
                raise FileError(f"{path}: {error.strerror}") from None
