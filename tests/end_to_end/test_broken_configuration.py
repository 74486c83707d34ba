"""A broken configuration stops the guard at its start, with one line that says what to change."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from tests.end_to_end.home import homeward

SECRET = "hunter2"

FINE = """\
[home]
name = "home"

[page]
port = 8480

[mqtt]
username = "guard"
password_file = "mqtt-password"
presets = ["zigbee2mqtt"]

[[device]]
name = "hall_light"
type = "light"
role = "actuator"

[[response]]
device = "hall_light"
command = "on"
restore = "off"
minutes = 10
when = ["rule:flood"]
"""

BROKEN = {
    "no TOML": ('name = "home"', "name = home", "is not TOML", "mend that line"),
    "an unknown key": ("port = 8480", "prot = 8480", "page.prot: is not a known key", "did you mean port?"),
    "a secret in the file": (
        'password_file = "mqtt-password"',
        f'password = "{SECRET}"',
        "mqtt.password: secrets do not belong",
        "password_file",
    ),
    "no such password": ("mqtt-password", "elsewhere", "mqtt.password_file: there is no file", "relative"),
    "a device nobody knows": ('device = "hall_light"', 'device = "hall_lamp"', "response[0].device", "hall_light?"),
    "a way in": ('command = "on"', 'command = "unlock"', "response[0]: unlock on hall_light is refused", "safer"),
}


def written(folder: Path, text: str) -> Path:
    secret = folder / "mqtt-password"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    file = folder / "homeward.toml"
    file.write_text(text)
    return file


def assert_stopped_with_one_line(done: subprocess.CompletedProcess[str], file: Path, *words: str) -> None:
    assert done.returncode == 2, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"homeward: {file}: ")
    for word in words:
        assert word in line
    assert SECRET not in line, "a secret is never repeated"


@pytest.mark.parametrize(("right", "wrong", "what", "remedy"), BROKEN.values(), ids=BROKEN.keys())
def test_up_stops_with_one_line_that_says_what_to_change(
    tmp_path: Path, right: str, wrong: str, what: str, remedy: str
) -> None:
    assert right in FINE
    file = written(tmp_path, FINE.replace(right, wrong))
    assert_stopped_with_one_line(homeward("up", "--config", str(file)), file, what, remedy)
    assert not (tmp_path / "state").exists(), "nothing was begun"


def test_a_password_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    file = written(tmp_path, FINE)
    (tmp_path / "mqtt-password").chmod(0o644)
    assert_stopped_with_one_line(homeward("up", "--config", str(file)), file, "mqtt.password_file", "chmod 600")


def test_a_page_whose_port_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file = written(tmp_path, FINE.replace("8480", str(port)))
        assert_stopped_with_one_line(homeward("up", "--config", str(file)), file, "page.port", "another port")


def test_a_configuration_that_is_not_there_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "homeward.toml"
    assert_stopped_with_one_line(homeward("up", "--config", str(file)), file, f"homeward init {file}")
