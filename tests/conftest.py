"""What several tests share: where the recorded homes lie, and the programs that may or may not be installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

# Debian keeps daemons outside a user's PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout, absolute."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The recorded homes: HOMEWARD_DATA, else ../shared/data beside the checkout; skips where neither is there.

    HOMEWARD_DATA that names no folder is an error, never a skip: somebody meant it.
    """
    named = os.environ.get("HOMEWARD_DATA")
    if named:
        assert Path(named).is_dir(), f"HOMEWARD_DATA names no folder: {named}"
        return Path(named).resolve()
    beside = REPOSITORY.parent / "shared" / "data"
    if not beside.is_dir():
        pytest.skip("the recorded homes are not here: set HOMEWARD_DATA, or put them into ../shared/data")
    return beside


@pytest.fixture(scope="session")
def need_program() -> Callable[[str, str], str]:
    """`need_program("mosquitto", "mosquitto")`: the path of a program, given its name and its apt package.

    Skips with a reason where it is not installed; fails when CI=true, so that CI never skips in silence.
    """

    def find(name: str, apt_package: str) -> str:
        found = shutil.which(name, path=SEARCH_PATH)
        if found is not None:
            return found
        reason = f"{name} is not installed (apt-get install {apt_package})"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)

    return find
