"""The documentation keeps its word: its commands parse, its links lead somewhere, its examples work."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from tests.generated_docs import PART, PARTS, REPOSITORY, commands, pages, tutorial_home
from tests.mosquitto import DEADLINE, Certificates, Mosquitto, Peer

from homeward.cli import main
from homeward.cli.parser import parser
from homeward.config import Config, load, tables
from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.mqtt import MqttSource
from homeward.sources.topics import zigbee2mqtt
from homeward.testing import CHECKS, Check, name_of

BLOCK = re.compile(r"^ *```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
HOMEWARD = re.compile(r"^(?:\S*/)?homeward +")

PAGES = [str(path.relative_to(REPOSITORY)) for path in pages()]
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "[home]": tables.HomeSection,
    "[page]": tables.PageSection,
    "[mqtt]": tables.MqttSection,
    "[[mqtt.topic]]": tables.TopicSection,
    "[home_assistant]": tables.HomeAssistantSection,
    "[zeek]": tables.ZeekSection,
    "[suricata]": tables.SuricataSection,
    "[packets]": tables.PacketsSection,
    "[network]": tables.NetworkSection,
    "[[person]]": tables.PersonSection,
    "[[device]]": tables.DeviceSection,
    "[[response]]": tables.ResponseSection,
    "[nftables]": tables.FirewallSection,
    "[mosquitto]": tables.MosquittoSection,
    "[channel.NAME]": tables.ChannelSection,
    "[[listener]]": tables.ListenerSection,
    "[policy]": tables.PolicySection,
    "[history]": tables.HistorySection,
}


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text("utf-8")


def blocks(page: str, language: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a language: title and text, without the indent of a list."""
    for kind, title, body in BLOCK.findall(text_of(page)):
        if kind == language:
            yield title, inspect.cleandoc(body) + "\n"


def block(page: str, language: str, title: str) -> str:
    return next(body for named, body in blocks(page, language) if named == title)


def described(page: str, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: its rows by their first cell."""
    _, _, rest = text_of(page).partition(f"\n{heading}\n")
    found = re.search(r"^\|.*\|\n\|-.*\|\n((?:\|.*\|\n)+)", rest, re.MULTILINE)
    assert found is not None, f"{page}: no table below {heading}"
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]
    return {line[0].strip("`"): line[1:] for line in lines}


# Commands, links and what the code writes ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_can_be_called(page: str) -> None:
    lines = [line.strip() for _, body in blocks(page, "sh") for line in body.splitlines()]
    for line in lines:
        if HOMEWARD.match(line):
            given, _, _ = HOMEWARD.sub("", line).partition(" > ")  # the shell's, as comments are
            assert callable(parser().parse_args(shlex.split(given, comments=True)).run)
    known = {name.removeprefix("homeward ").split()[0] for name, _ in commands()}
    for said in re.findall(r"`homeward ([a-z-]+)[^`]*`", text_of(page)):
        assert said in known, f"{page}: homeward {said}"


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_that_is_shown_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    shown = re.findall(r"(?:^|`)make (?:-C \S+ )?([a-z]+)", text_of(page), re.MULTILINE)
    assert set(shown) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    here = REPOSITORY / page
    for link in LINK.findall(text_of(page)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (here.parent / target).resolve() if target else here
        assert path.exists(), f"{page}: {link}"
        if anchor:
            titles = HEADING.findall(path.read_text("utf-8"))
            assert anchor in {_slug(title) for title in titles}, f"{page}: {link}"


def _slug(title: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


WRITTEN = [(page, part[1]) for page in PAGES for part in PART.findall(text_of(page))]


@pytest.mark.parametrize(("page", "part"), WRITTEN)
def test_what_the_code_writes_is_up_to_date(page: str, part: str) -> None:
    shown = next(found[2] for found in PART.findall(text_of(page)) if found[1] == part)
    # argparse of another Python folds its lines elsewhere.
    same = " ".join(shown.split()) == " ".join(PARTS[part]().split())
    assert same, "run: .venv/bin/python -m tests.generated_docs"


def test_every_part_that_the_code_can_write_is_shown() -> None:
    assert {part for _, part in WRITTEN} == set(PARTS)


# The configuration --------------------------------------------------------------------------------------------------


def configured(page: str, folder: Path, *replacements: tuple[str, str]) -> Config:
    """The TOML of a page, block after block, as the guard would read it, with the files that it names."""
    written = "\n".join(body for _, body in blocks(page, "toml"))
    for old, new in replacements:
        assert old in written
        written = written.replace(old, new)
    (folder / "homeward.toml").write_text(written, "utf-8")
    for name in ("ca.crt", "home.events.csv", "last-year.events.csv.gz"):
        (folder / name).touch()
    secrets = ("mqtt-password", "home-assistant-token", "ntfy-token", "webhook-secret", "apprise-urls")
    for name in secrets:
        (folder / name).touch(0o600)
        (folder / name).write_text("secret\n", "utf-8")
    (folder / "devices.csv").write_text("device,type,room,role\n", "utf-8")
    for title, body in blocks(page, "csv"):
        (folder / title).write_text(body, "utf-8")
    return load(folder / "homeward.toml", environment={})


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "toml"))])
def test_every_configuration_that_is_shown_is_accepted(page: str, tmp_path: Path) -> None:
    config = configured(page, tmp_path)
    assert config.settings.devices or config.home_assistant is not None  # which tells its devices itself


def test_every_key_of_the_configuration_is_described_with_its_default() -> None:
    for heading, section in SECTIONS.items():
        shown = {
            key: cells[0] for key, cells in described("docs/reference/configuration.md", f"## {heading}").items()
        }
        assert shown == {field.name: _default(field) for field in msgspec.structs.fields(section)}, heading
    assert {name.strip("[]").removesuffix(".NAME") for name in SECTIONS} == {
        "mqtt.topic",
        *tables.Tables.__struct_fields__,
    }


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value: Any = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "" if value is None else f"`{json.dumps(value)}`"


# The tutorial and the JSON ------------------------------------------------------------------------------------------


def test_the_home_of_the_tutorial_is_told_of_its_night(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tutorial_home(tmp_path)), "--json"]) == 0
    *alarms, summary = map(json.loads, capsys.readouterr().out.splitlines())
    (alarm,) = [alarm for alarm in alarms if alarm["at"].startswith("2026-03-31T03:1")]
    assert (alarm["device"], alarm["habit"]) == ("front door", "when")
    assert alarm["bits"] == max(other["bits"] for other in alarms)
    assert list(alarm) == list(described("docs/reference/json.md", "## homeward replay --json"))
    assert list(summary) == list(described("docs/reference/json.md", "The last line:"))


# The source of one's own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
async def test_the_source_that_one_is_told_to_add_keeps_the_contract(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, body in blocks("docs/how-to/add-a-source.md", "python"):
        module = ModuleType(title.removeprefix("src/").removesuffix(".py").replace("/", "."))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(body, title, "exec", dont_inherit=True), module.__dict__)
    await module.test_the_controller_keeps_the_contract(check)


# The broker ---------------------------------------------------------------------------------------------------------

BROKER_PAGE = "docs/how-to/connect-mqtt.md"
BROKER_PASSWORD = "a secret of this test"


@pytest.fixture(name="documented_broker")
def documented_broker_fixture(tmp_path: Path, need_program: Callable[[str, str], str]) -> Iterator[Mosquitto]:
    """A real Mosquitto, set up as the how-to says: its certificates, its configuration, its rights."""
    need_program("openssl", "openssl")
    commands = block(BROKER_PAGE, "sh", "in a folder that only you can read")
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    certificates = Certificates(tmp_path / "ca.crt", tmp_path / "broker.crt", tmp_path / "broker.key")
    for user in ("homeward", "zigbee2mqtt", "garden_gate"):
        one = [need_program("mosquitto_passwd", "mosquitto"), "-b", "passwords", user, BROKER_PASSWORD]
        (tmp_path / "passwords").touch(0o600)
        subprocess.run(one, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    (tmp_path / "acl").write_text(block(BROKER_PAGE, "conf", "/etc/mosquitto/acl"), "utf-8")
    (tmp_path / "acl").chmod(0o600)
    broker = Mosquitto(need_program("mosquitto", "mosquitto"), tmp_path, certificates, [])
    written = block(BROKER_PAGE, "conf", "/etc/mosquitto/conf.d/homeward.conf")
    written = written.replace("/etc/mosquitto/certs", str(tmp_path)).replace("/etc/mosquitto", str(tmp_path))
    written = written.replace("listener 8883", f"listener {broker.port} 127.0.0.1")
    of_debian = f"user root\npersistence true\npersistence_location {tmp_path}/\n"
    (tmp_path / "mosquitto.conf").write_text(
        of_debian + f"log_dest file {tmp_path}/mosquitto.log\n" + written, "utf-8"
    )
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def user(broker: Mosquitto, name: str) -> Peer:
    return Peer(broker.settings(name, password=BROKER_PASSWORD, host="localhost"), f"{name}-client")


async def some(items: Any, number: int) -> list[Event | Health]:
    async with asyncio.timeout(DEADLINE):
        return [await anext(items) for _ in range(number)]


def guard_of(page: str, broker: Mosquitto, folder: Path) -> Config:
    """The guard's configuration as the page shows it, for the broker of this test."""
    folder.mkdir()
    there = ('host = "hub.local"', 'host = "localhost"'), ("port = 8883", f"port = {broker.port}")
    configured(page, folder, *there)
    shutil.copy(broker.certificates.ca, folder / "ca.crt")
    (folder / "mqtt-password").write_text(BROKER_PASSWORD, "utf-8")
    return load(folder / "homeward.toml", environment={})


async def test_the_broker_of_the_how_to_lets_everybody_do_what_is_theirs_and_no_more(
    documented_broker: Mosquitto, tmp_path: Path
) -> None:
    config = guard_of(BROKER_PAGE, documented_broker, tmp_path / "guard")
    assert config.mqtt is not None
    async with aclosing(MqttSource(config.mqtt, config.topics, place=config.settings.place).events()) as items:  # type: ignore[type-var] # a generator
        (up,) = await some(items, 1)
        assert isinstance(up, Health)
        assert up.up, up.detail
        gate, bridge = user(documented_broker, "garden_gate"), user(documented_broker, "zigbee2mqtt")
        acting = user(documented_broker, "homeward")
        try:
            bridge.listen("zigbee2mqtt/+/set")
            gate.publish("zigbee2mqtt/front_door", '{"contact": false}')  # confirmed, and dropped
            gate.publish("devices/shed/state", '{"contact": false}')
            gate.publish("devices/garden_gate/state", '{"contact": false, "time": "2026-03-02T08:20:00Z"}')
            acting.publish("zigbee2mqtt/front_door_lock/set", '{"state": "UNLOCK"}')
            acting.publish("zigbee2mqtt/hall_light/set", '{"state": "ON"}')
            assert (await asyncio.to_thread(bridge.next))[0] == "zigbee2mqtt/hall_light/set"
            told = [one for one in await some(items, 4) if isinstance(one, Event)]
        finally:
            for peer in (gate, bridge, acting):
                peer.close()
    clients = {event.origin for event in told if event.device == "broker"}
    assert clients == {"garden_gate-client", "zigbee2mqtt-client", "homeward-client"}
    assert [(one.device, one.action) for one in told if one.device != "broker"] == [("garden_gate", "open")]


async def test_a_missing_right_to_read_looks_like_silence(documented_broker: Mosquitto) -> None:
    """What the how-to and the threat model warn of: the subscription is granted, and nothing comes."""
    settings = documented_broker.settings("garden_gate", password=BROKER_PASSWORD, host="localhost")
    async with aclosing(MqttSource(settings, [zigbee2mqtt()]).events()) as items:  # type: ignore[type-var] # a generator
        (up,) = await some(items, 1)
    assert isinstance(up, Health)
    assert up.up
