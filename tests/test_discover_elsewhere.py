"""`homeward discover` at a real Home Assistant, on a real interface, and what it writes of both."""

from __future__ import annotations

import importlib.util
import os
import tomllib
from pathlib import Path

import pytest
from tests.end_to_end.home import homeward
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    PASSWORDS,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.config import load
from homeward.discover_elsewhere import Heard, render, report

CAMERA = Heard(
    name='the "cam"',
    type="camera",
    role="presence",
    room="hall",
    maker="Acme",
    peers={"cloud (tcp/443)": 9, "x (udp/1)": 1},
)


def test_what_is_found_is_told_with_how_it_would_be_guarded_and_whom_it_talks_to() -> None:
    assert list(report("eth0", [CAMERA])) == [
        "eth0 tells of 1 devices.",
        '  the "cam": camera, presence in hall [devices that people stir] (Acme)',
        "    talks to cloud (tcp/443), x (udp/1)",
    ]


def test_what_is_written_can_be_read_whatever_a_device_is_called(tmp_path: Path) -> None:
    text = render(
        home=[CAMERA], home_assistant="http://127.0.0.1:8123", token_file="t", interface="eth0", timezone="UTC"
    )
    tables = tomllib.loads(text)
    assert tables["device"] == [{"name": 'the "cam"', "type": "camera", "role": "presence", "room": "hall"}]
    (tmp_path / "t").touch(0o600)
    (tmp_path / "t").write_text("abc")
    (tmp_path / "homeward.toml").write_text(text)
    config = load(tmp_path / "homeward.toml", environment={})
    assert config.networks.packets is not None
    assert config.home_assistant is not None


def test_a_home_assistant_is_looked_at_and_its_configuration_written(
    tmp_path: Path, home_assistant: HomeAssistant
) -> None:
    token, written = tmp_path / "token", tmp_path / "homeward.toml"
    token.touch(0o600)
    token.write_text(home_assistant.person("Homeward").token)
    asked = ("discover", "--home-assistant", home_assistant.url, "--token-file", str(token), "--write", str(written))
    done = homeward(*asked)
    assert done.returncode == 0, done.stderr
    assert "Front door: contact.door, entrance [guarded devices]" in done.stdout
    devices = {device.name: device for device in load(written, environment={}).settings.devices}
    assert (devices["Hall motion"].type, devices["House"].type) == ("motion", "alarm")
    assert token.read_text() not in written.read_text() + done.stdout
    again = homeward(*asked)
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_a_broker_is_looked_at_from_the_command_line(tmp_path: Path, mosquitto: Mosquitto) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(PASSWORDS["guard"])
    done = homeward(
        "discover", "--broker", "localhost", "--port", str(mosquitto.port), "--user", "guard", "--seconds", "1",
        "--ca-file", str(mosquitto.certificates.ca), "--password-file", str(secret),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"localhost:{mosquitto.port}" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="an interface can be listened on by root only")
@pytest.mark.skipif(importlib.util.find_spec("nfstream") is None, reason="nfstream is not installed")
def test_an_interface_is_listened_on_for_a_while() -> None:
    done = homeward("discover", "--interface", "lo", "--seconds", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("lo tells of ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say where to look"),
        (("--home-assistant", "http://127.0.0.1:1"), "add --token-file FILE"),
        (("--broker", "127.0.0.1", "--port", "1"), "127.0.0.1:1"),
        (("--interface", "there-is-none", "--seconds", "2"), "there-is-none"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_a_line(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = homeward("discover", *arguments, "--config", str(tmp_path / "none.toml"))
    assert done.returncode in {1, 2}
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
