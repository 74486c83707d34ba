"""Lay a simulated neighbourhood beside recorded homes: ``python -m homeward.bench.neighbourhood --data DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

from homeward.bench.homes import find_homes, load
from homeward.bench.neighbourhood import HOUSEHOLDS, neighbourhood
from homeward.bench.neighbourhood.portrait import portrait, table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m homeward.bench.neighbourhood", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with recorded homes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--households", type=int, default=HOUSEHOLDS)
    chosen = parser.parse_args()
    homes = find_homes(chosen.data) if chosen.data else {}
    recorded = [
        (name, portrait(home)) for name, file in homes.items() if (home := load(name, file)).roles("entrance")
    ]
    print(table(recorded, map(portrait, neighbourhood(chosen.seed, chosen.households))))


if __name__ == "__main__":
    main()
