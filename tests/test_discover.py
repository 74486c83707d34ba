"""What `homeward discover` sees at a broker, says of it and writes down."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.mosquitto import (
    PASSWORDS,
    Certificates,
    Mosquitto,
    Peer,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.test_dialect_tasmota import CONFIG
from tests.test_dialect_zigbee2mqtt import device

from homeward.config import load
from homeward.discover import (
    BrokerFileError,
    Found,
    FoundDevice,
    look,
    render_configuration,
    report,
    write_configuration,
)
from homeward.sources.broker_rights import EVERYBODY, Reach
from homeward.sources.discovery import PRESETS
from homeward.sources.mqtt import LoginError, MqttSettings

SECONDS = 1.0
"""How long these tests look: what is retained comes at once."""

LOCK, LAMP = "0x00158d0000000001", "0x00158d0000000002"


def furnish(mosquitto: Mosquitto) -> None:
    """A home on the broker."""
    peer = mosquitto.peer()
    rows = [
        device("front door", "contact"),
        device("hall/lock", "lock_state", address=LOCK),
        device("lamp", "state", address=LAMP),
    ]
    peer.publish("zigbee2mqtt/bridge/devices", json.dumps(rows), retain=True)
    peer.publish("zigbee2mqtt/lamp/availability", "offline", retain=True)
    peer.publish("tasmota/discovery/A4CF1201AB23/config", json.dumps(CONFIG), retain=True)


async def test_devices_are_listed_with_how_each_would_be_guarded(mosquitto: Mosquitto, tmp_path: Path) -> None:
    furnish(mosquitto)
    onlooker = mosquitto.peer("guard", client_id="onlooker")
    onlooker.listen("zigbee2mqtt/+/set")
    onlooker.listen("homeward/#")
    found = await look(mosquitto.settings(), seconds=SECONDS)
    listed = [(one.name, one.type, one.role, one.room, one.guarding, one.heard) for one in found.devices]
    assert listed == [
        ("Washing machine", "switch", "actuator", "", "devices that are switched", True),
        ("front door", "contact.door", "entrance", "", "guarded devices", True),
        ("hall/lock", "lock", "actuator", "hall", "guarded devices", True),
        ("lamp", "switch", "actuator", "", "devices that are switched", False),
    ]
    assert found.presets == ("zigbee2mqtt", "tasmota")
    assert (found.version, found.anonymous, found.rights) == (5, False, "")
    assert onlooker.received.empty(), "it publishes nothing"
    assert found.broker.startswith("mosquitto version 2")
    assert "clients connected" in found.broker
    said = "\n".join(report(found))
    assert "hall/lock: lock, actuator in hall [guarded devices]" in said
    assert "it cannot be heard now" in said
    assert "Who may write what cannot be seen from here" in said
    assert PASSWORDS["guard"] not in said
    mosquitto.stop()
    sessions = (tmp_path / "mosquitto" / "mosquitto.db").read_bytes()
    assert b"homeward-look" not in sessions, "it leaves nothing behind"


async def test_what_is_written_is_a_configuration_and_never_overwrites_one(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    furnish(mosquitto)
    found = await look(mosquitto.settings(), seconds=SECONDS)
    file = tmp_path / "homeward.toml"
    write_configuration(file, render_configuration(found, timezone="Europe/Berlin", name="summer house"))
    config = load(file, environment={})
    assert config.mqtt is not None
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.username) == ("127.0.0.1", mosquitto.port, "guard")
    assert {one.name: (one.type, one.role, one.room) for one in config.settings.devices} == {
        "Washing machine": ("switch", "actuator", "unknown"),
        "front door": ("contact.door", "entrance", "unknown"),
        "hall/lock": ("lock", "actuator", "hall"),
        "lamp": ("switch", "actuator", "unknown"),
    }
    assert config.presets == ("zigbee2mqtt", "tasmota")
    assert (config.settings.place, config.settings.timezone) == ("summer house", "Europe/Berlin")
    with pytest.raises(FileExistsError):
        write_configuration(file, render_configuration(found))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "]]\\n[page]", "ключ", "'", "#", "a = b", "🚪"])
def test_no_name_can_write_anything_else_into_the_configuration(name: str, tmp_path: Path) -> None:
    one = FoundDevice(
        name=name, type="lock", role="actuator", room=name, preset="zigbee2mqtt", maker=f"{name}\n[page]\nport = 1"
    )
    found = Found(settings=MqttSettings(port=1883), version=5, devices=(one,), refused=Counter())
    (tmp_path / "homeward.toml").write_text(render_configuration(found), "utf-8")
    config = load(tmp_path / "homeward.toml", environment={})
    assert [(device.name, device.room) for device in config.settings.devices] == [(name, name)]
    assert config.page_port == 8480


async def test_who_may_write_too_much_is_read_from_the_brokers_files(mosquitto: Mosquitto, tmp_path: Path) -> None:
    furnish(mosquitto)
    acl = tmp_path / "acl"
    acl.write_text(
        "user guard\ntopic readwrite #\nuser sensor\ntopic readwrite #\nuser lamp\ntopic write zigbee2mqtt/#\n"
        "user front_door\ntopic write zigbee2mqtt/front door\n"
    )
    (tmp_path / "conf.d").mkdir()
    conf = tmp_path / "copy.conf"
    passwords = tmp_path / "mosquitto" / "passwords"
    conf.write_text(f"listener 1883\nallow_anonymous false\ninclude_dir {tmp_path / 'conf.d'}\n")
    (tmp_path / "conf.d" / "homeward.conf").write_text(f"acl_file {acl}\npassword_file {passwords}\n")
    found = await look(mosquitto.settings(), seconds=SECONDS, configuration=conf)
    others = ("front door", "hall/lock")
    bridge = ("zigbee2mqtt/bridge/devices", "zigbee2mqtt/bridge/request/permit_join")
    assert found.reaches[0] == Reach(user="lamp", device="lamp", commands=others, states=others, discovery=bridge)
    assert [reach.user for reach in found.reaches] == ["lamp", "sensor"], "neither the guard nor who keeps to its own"
    assert found.open_listeners == ("1883",)
    said = "\n".join(report(found))
    assert "lamp (the user of lamp) may command front door, hall/lock, pretend to be front door, hall/lock, " in said
    assert "permit_join: give it its own topics only." in said
    assert "sensor may command" in said
    assert "right for a hub or a bridge" in said
    with pytest.raises(BrokerFileError, match=r"^[^\n]+$"):
        await look(mosquitto.settings(), seconds=SECONDS, acl_file=tmp_path / "missing")


async def test_a_broker_without_a_list_of_rights_lets_everybody_write(mosquitto: Mosquitto, tmp_path: Path) -> None:
    furnish(mosquitto)
    (tmp_path / "open.conf").write_text("listener 1883 127.0.0.1\n")
    found = await look(mosquitto.settings(), seconds=SECONDS, configuration=tmp_path / "open.conf")
    (reach,) = found.reaches
    assert (reach.user, len(reach.commands), reach.excess) == (EVERYBODY, 4, True)


@pytest.fixture(name="dynamic")
def dynamic_fixture(
    tmp_path: Path, certificates: Certificates, need_program: Callable[[str, str], str]
) -> Iterator[Mosquitto]:
    """A broker whose rights are in Mosquitto's dynamic security; the guard may do everything, ask for rights too."""
    plugins = [*Path("/usr/lib").glob("**/mosquitto_dynamic_security.so")]
    if not plugins:
        pytest.skip("Mosquitto's dynamic security plug-in is not installed")
    rules = tmp_path / "dynamic-security.json"
    control = need_program("mosquitto_ctrl", "mosquitto")
    subprocess.run(
        [control, "dynsec", "init", str(rules), "guard", PASSWORDS["guard"]], check=True, capture_output=True
    )
    said = json.loads(rules.read_text())
    said["roles"][0]["acls"] += [{"acltype": "publishClientSend", "topic": "#", "allow": True}]
    said["roles"] += [
        {"rolename": "bulb", "acls": [{"acltype": "publishClientSend", "topic": "zigbee2mqtt/+/set", "allow": True}]}
    ]
    said["clients"] += [
        said["clients"][0] | {"username": "lamp", "roles": [{"rolename": "bulb"}]},
        said["clients"][0] | {"username": "sensor", "roles": [{"rolename": "admin"}]},
    ]
    rules.write_text(json.dumps(said))
    broker = Mosquitto(
        need_program("mosquitto", "mosquitto"),
        tmp_path,
        certificates,
        [f"plugin {plugins[0]}", f"plugin_opt_config_file {rules}"],
    )
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


async def test_who_may_write_too_much_is_asked_of_dynamic_security(dynamic: Mosquitto) -> None:
    publisher = dynamic.settings("sensor", password=PASSWORDS["guard"])
    rows = [device("lock", "lock_state", address=LOCK), device("lamp", "state", address=LAMP)]
    peer = Peer(publisher, "bridge")
    peer.publish("zigbee2mqtt/bridge/devices", json.dumps(rows), retain=True)
    peer.close()
    found = await look(dynamic.settings(), seconds=SECONDS)
    assert found.rights == "dynamic security"
    assert found.reaches[0] == Reach(user="lamp", device="lamp", commands=("lock",))
    assert [reach.user for reach in found.reaches] == ["lamp", "sensor"]


async def test_a_user_who_may_not_ask_is_told_so_and_sees_the_devices_all_the_same(dynamic: Mosquitto) -> None:
    found = await look(dynamic.settings("lamp", password=PASSWORDS["guard"]), seconds=SECONDS)
    assert found.rights == ""
    assert found.unread, "it may subscribe to nothing here"
    assert any("may not read" in line for line in report(found))


async def test_a_broker_that_lets_anybody_in_is_told_of(
    tmp_path: Path, certificates: Certificates, need_program: Callable[[str, str], str]
) -> None:
    broker = Mosquitto(need_program("mosquitto", "mosquitto"), tmp_path, certificates, ["allow_anonymous true"])
    broker.start()
    try:
        known = await look(broker.settings(), seconds=SECONDS)
        unknown = await look(replace(broker.settings(), username=None, password=None), seconds=SECONDS)
    finally:
        broker.close()
    assert known.anonymous
    assert unknown.anonymous
    assert any("Anybody gets in" in line for line in report(known))


async def test_a_wrong_password_is_an_error_in_one_line(mosquitto: Mosquitto) -> None:
    with pytest.raises(LoginError, match=r"^[^\n]+$"):
        await look(mosquitto.settings(password="wrong"), seconds=SECONDS)


def test_a_configuration_without_any_device_reads_something() -> None:
    found = Found(settings=MqttSettings(), version=311, refused=Counter(malformed=3))
    assert found.presets == ()
    assert 'presets = ["zigbee2mqtt"]' in render_configuration(found)
    assert any("malformed (3)" in line for line in report(found))
    assert set(PRESETS) == {"zigbee2mqtt", "tasmota", "shelly", "home_assistant"}
