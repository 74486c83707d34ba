"""The systemd unit gives the guard as little right as it can work with."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from ipaddress import ip_network
from pathlib import Path

import pytest

# systemd's own score: 0 is closed, 10 is open. What is left is what a guard on a network cannot do without.
HIGHEST_EXPOSURE = 1.5
PRIVATE_WORDS = {"localhost", "link-local"}


@pytest.fixture(scope="module")
def unit(repository: Path) -> Path:
    return repository / "deploy" / "homeward.service"


@pytest.fixture(scope="module")
def settings(unit: Path) -> dict[str, list[str]]:
    """Each directive with its values in order; systemd lets a directive come several times."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


@pytest.fixture
def installed_unit(unit: Path, tmp_path: Path) -> Path:
    """The unit as it would be installed, with a program that is there on every machine."""
    copy = tmp_path / unit.name
    text = unit.read_text(encoding="utf-8").replace("/opt/homeward/.venv/bin/homeward", "/bin/true")
    copy.write_text(text, encoding="utf-8")
    return copy


@pytest.fixture
def systemd_analyze() -> str:
    """Skips, also in CI, where there is no systemd: it is an init system, no test may install one."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("this machine has no systemd-analyze")
    return found


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("StateDirectory", "homeward"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("NoNewPrivileges", "yes"),
        ("PrivateDevices", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("MemoryDenyWriteExecute", "yes"),
        ("Restart", "on-failure"),
    ],
)
def test_the_sandbox_is_closed(settings: dict[str, list[str]], directive: str, value: str) -> None:
    assert settings[directive] == [value]


def test_only_the_system_calls_of_a_plain_service_are_allowed(settings: dict[str, list[str]]) -> None:
    assert settings["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]


def test_memory_and_tasks_have_a_ceiling(settings: dict[str, list[str]]) -> None:
    assert settings["MemoryMax"]
    assert settings["TasksMax"]


def test_the_kernel_keeps_every_packet_in_the_home(settings: dict[str, list[str]]) -> None:
    assert settings["IPAddressDeny"] == ["any"]
    allowed = set(" ".join(settings["IPAddressAllow"]).split())
    assert allowed, "a guard that reaches no address reaches no broker"
    assert all(word in PRIVATE_WORDS or ip_network(word).is_private for word in allowed)


def test_no_secret_is_in_the_unit_and_the_password_comes_as_a_credential(settings: dict[str, list[str]]) -> None:
    assert settings["LoadCredential"] == ["mqtt-password:/etc/homeward/mqtt-password"]
    assert not any("password" in value.lower() for value in settings["Environment"] + settings["ExecStart"])


def test_a_broken_configuration_is_not_tried_again(settings: dict[str, list[str]]) -> None:
    assert settings["RestartPreventExitStatus"], "the same wrong line would be logged every five seconds"


def test_systemd_finds_no_fault_in_the_unit(installed_unit: Path, systemd_analyze: str) -> None:
    command = [systemd_analyze, "verify", "--man=no", str(installed_unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_systemd_counts_little_exposure(installed_unit: Path, systemd_analyze: str) -> None:
    command = [systemd_analyze, "security", "--offline=true", "--no-pager"]
    command += [f"--threshold={HIGHEST_EXPOSURE * 10:.0f}", str(installed_unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
