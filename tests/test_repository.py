"""The repository keeps its own rules: a hashed lock, no data, no machine's paths, files that one can read."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LONGEST_FILE = 450  # lines
MAY_BE_LONGER = {
    "command-line.md": "written by a program",
    "requirements.lock": "written by a program",
    "LICENSE": "the licence's own words",
    "CHANGELOG.md": "grows by design",
}
TEXT = {".cfg", ".css", ".html", ".js", ".lock", ".md", ".py", ".service", ".sh", ".svg", ".toml", ".txt", ".yml"}
DATA = {
    ".arrow",
    ".csv",
    ".db",
    ".gz",
    ".npz",
    ".parquet",
    ".pcap",
    ".pcapng",
    ".pkl",
    ".sqlite",
    ".tsv",
    ".xz",
    ".zip",
}
# Written so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|root|Users)/\w")
VAGUE_NAMES = re.compile(r"^(Base[A-Z]\w*|\w*(Manager|Helper|Utils?))$")
VAGUE_FILES = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py", "base.py"}


@pytest.fixture(scope="module")
def files(repository: Path) -> list[Path]:
    """Every file that is, or is about to be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(done.stderr)
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return [path for name in done.stdout.split("\0") if name and (path := repository / name).is_file()]


@pytest.fixture(scope="module")
def lock(repository: Path) -> str:
    return (repository / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def locked(lock: str) -> dict[str, list[str]]:
    """Versions by package; more than one where they differ by Python's version."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, flags=re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(version)
    return pins


def text_files(files: list[Path]) -> Iterator[Path]:
    return (path for path in files if path.suffix in TEXT or path.name in {"Makefile", "run", ".gitignore"})


def test_every_locked_package_has_a_version_and_hashes(lock: str) -> None:
    entries = re.findall(r"^[^\s#].*(?:\n +--.*)*", lock, flags=re.MULTILINE)
    assert entries
    loose = [entry for entry in entries if not re.match(r"[\w.-]+==[^\n]+\n +--hash=sha256:[0-9a-f]{64}", entry)]
    assert loose == []


def test_the_lock_names_no_address(lock: str) -> None:
    assert "://" not in lock
    assert not re.search(r"^\s*-(-index-url|-extra-index-url|-find-links|i|f)\b", lock, flags=re.MULTILINE)


def test_the_lock_answers_to_what_pyproject_asks_for(repository: Path, locked: dict[str, list[str]]) -> None:
    asked = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    project = asked["project"]
    wanted = [*asked["build-system"]["requires"], *project["dependencies"]]
    wanted += [each for extra in ("demo", "dev") for each in project["optional-dependencies"][extra]]
    requirements = [each for each in map(Requirement, wanted) if each.name != project["name"]]
    versions = [locked.get(canonicalize_name(each.name), ["missing"]) for each in requirements]
    stale = [
        f"{requirement} is locked as {version}"
        for requirement, pins in zip(requirements, versions, strict=True)
        for version in pins
        if version == "missing" or not requirement.specifier.contains(version, prereleases=True)
    ]
    assert stale == [], "run: make lock"


def test_no_file_holds_data(repository: Path, files: list[Path]) -> None:
    assert [str(path.relative_to(repository)) for path in files if path.suffix.lower() in DATA] == []


def test_no_file_names_a_path_of_somebodys_machine(repository: Path, files: list[Path]) -> None:
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()}"
        for path in text_files(files)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_file_is_too_long_to_read(repository: Path, files: list[Path]) -> None:
    lengths = {
        str(path.relative_to(repository)): len(path.read_text(encoding="utf-8").splitlines())
        for path in text_files(files)
        if path.name not in MAY_BE_LONGER
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_module_says_what_it_is_for(repository: Path) -> None:
    sources = sorted((repository / "src").rglob("*.py"))
    assert sources
    silent = [path for path in sources if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [str(path.relative_to(repository)) for path in silent] == []


def test_no_name_is_vague(repository: Path) -> None:
    sources = sorted((repository / "src").rglob("*.py"))
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources}
    classes = [node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [path.name for path in sources if path.name in VAGUE_FILES] == []
    assert [name for name in classes if VAGUE_NAMES.match(name)] == []


def test_continuous_integration_can_be_started(repository: Path) -> None:
    run = repository / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert "make test" in run.read_text(encoding="utf-8")


def test_the_changelog_names_this_version(repository: Path) -> None:
    changelog = repository / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("there is no CHANGELOG.md yet")
    version = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert version in changelog.read_text(encoding="utf-8")
