"""The peers that come from libraries, which are there only with the optional extra ``bench``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from homeward.bench.peers.featured import Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where a detector comes from. ``make`` makes one from a seed, which all its randomness comes from; it raises
    ImportError where the library is `missing`."""

    name: str
    needs: tuple[str, ...]
    make: Callable[[int], Detector]

    @property
    def missing(self) -> str:
        """Why the detector cannot be had here; empty if it can."""
        if all(find_spec(module) for module in self.needs):
            return ""
        return f"{self.name} is not installed (pip install 'homeward[bench]')"


def _half_space_trees(seed: int) -> Detector:
    from homeward.bench.peers.half_space_trees import HalfSpaceTrees  # only here is the library needed

    return HalfSpaceTrees(seed)


def _isolation_forest(seed: int) -> Detector:
    from homeward.bench.peers.isolation_forest import IsolationForest

    return IsolationForest(seed)


def _loda(seed: int) -> Detector:
    from homeward.bench.peers.loda import Loda

    return Loda(seed)


DETECTORS = {
    "half_space_trees": Library(name="River", needs=("river",), make=_half_space_trees),
    "isolation_forest": Library(name="scikit-learn", needs=("numpy", "sklearn"), make=_isolation_forest),
    "loda": Library(name="PySAD", needs=("numpy", "pysad"), make=_loda),
}
