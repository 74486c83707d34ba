"""A broken configuration stops at start with one line that says what to change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from homeward.config import ConfigError, load, tables, write_starter
from homeward.config.starter import starter
from homeward.core.settings import Device, Response

MQTT = '[mqtt]\nport = 1883\npresets = ["zigbee2mqtt"]\n'
LAMP = '[[device]]\nname = "lamp"\ntype = "light"\nrole = "actuator"\n'
RESPONSE = '[[response]]\ndevice = "lamp"\ncommand = "on"\nrestore = "off"\nwhen = ["entrance"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "homeward.toml"


def fault(file: Path, text: str, environment: dict[str, str] | None = None) -> str:
    """The one line that the configuration is refused with, without the file's name."""
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file, environment=environment or {})
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"{file}: ")
    assert " — " in line, "every fault has its remedy"
    return line.removeprefix(f"{file}: ")


def test_an_empty_file_is_a_home_that_is_only_shown(file: Path) -> None:
    file.write_text("")
    config = load(file, environment={})
    assert (config.page_host, config.page_port) == ("127.0.0.1", 8480)
    assert config.mqtt is None
    assert config.state == file.parent / "state"


def test_everything_that_is_written_arrives(file: Path) -> None:
    (file.parent / "pw").write_text("s3cret\n")
    (file.parent / "pw").chmod(0o600)
    (file.parent / "token").write_text("abc.def\n")
    (file.parent / "token").chmod(0o600)
    (file.parent / "ca.crt").write_text("a certificate")
    (file.parent / "old.events.csv").write_text("at,home,device,actor,action,value\n")
    file.write_text(
        """
        [home]
        name = "Haus am See"
        timezone = "Europe/Berlin"
        budget = 0.5
        state = "/var/lib/homeward"
        [page]
        port = 9000
        [mqtt]
        host = "hub.local"
        ca_file = "ca.crt"
        username = "homeward"
        password_file = "pw"
        presets = ["zigbee2mqtt", "shelly"]
        home_assistant = true
        [[mqtt.topic]]
        pattern = "home/{room}/{device}/state"
        device = "{device}"
        properties = { contact = { true = "closed", false = "open" }, power = "value" }
        steps = { power = 5.0 }
        [home_assistant]
        url = "http://127.0.0.1:8123"
        token_file = "token"
        history_days = 30
        [zeek]
        directory = "logs"
        [suricata]
        file = "/var/log/suricata/eve.json"
        [packets]
        interface = "eth0"
        [network]
        local = ["203.0.113.0/24"]
        names = { "203.0.113.9" = "camera" }
        [[device]]
        name = "lamp"
        type = "light"
        role = "actuator"
        room = "hall"
        [[device]]
        name = "door"
        type = "lock"
        role = "entrance"
        [[response]]
        device = "lamp"
        command = "on"
        restore = "off"
        minutes = 5
        when = ["entrance", "rule:flood", "door"]
        responder = "mqtt"
        topic = "zigbee2mqtt/lamp/set"
        payloads = { on = '{"state": "ON"}' }
        [[response]]
        device = "door"
        command = "lock"
        when = ["lock"]
        [history]
        files = ["old.events.csv"]
        """
    )
    config = load(file, environment={})
    settings = config.settings
    assert (settings.place, settings.timezone, settings.budget) == ("Haus am See", "Europe/Berlin", 0.5)
    assert settings.devices[0] == Device(name="lamp", type="light", role="actuator", room="hall")
    assert settings.responses[0] == Response(
        name="lamp on", device="lamp", command="on", when=("entrance", "rule:flood", "door"), minutes=5.0,
        restore="off", responder="mqtt",
    )  # fmt: skip
    assert (settings.responses[1].minutes, settings.responses[1].responder) == (None, "dry_run")
    assert config.mqtt is not None
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.password) == ("hub.local", 8883, "s3cret")
    assert "s3cret" not in repr(config)
    assert [rule.filter for rule in config.topics] == ["home/+/+/state"]
    assert (config.presets, config.in_home_assistant) == (("zigbee2mqtt", "shelly"), True)
    assert config.home_assistant is not None
    assert (config.home_assistant.url, config.home_assistant.token) == ("http://127.0.0.1:8123", "abc.def")
    assert config.home_assistant_days == 30.0
    assert "abc.def" not in repr(config)
    networks = config.networks
    assert (networks.zeek, networks.suricata) == (file.parent / "logs", Path("/var/log/suricata/eve.json"))
    assert networks.packets is not None
    assert networks.packets.interface == "eth0"
    assert (networks.local, networks.names) == (("203.0.113.0/24",), {"203.0.113.9": "camera"})
    assert config.commands[0].payload("on") == b'{"state": "ON"}'
    assert config.history == (file.parent / "old.events.csv",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[network]\nlocal = ["my house"]', "network.local: "),
        ('[network]\nnames = { "camera" = "192.168.1.20" }', "network.names: "),
        ('[packets]\ninterface = "eth0; rm"', "packets.interface: "),
        ('[home_assistant]\nurl = "http://127.0.0.1:8123"', "home_assistant.token_file: is missing"),
        (
            '[home_assistant]\nurl = "http://127.0.0.1:8123"\ntoken = "x"',
            "home_assistant.token: secrets do not belong",
        ),
        ('[home_assistant]\nurl = "127.0.0.1"\ntoken_env = "TOKEN"', "home_assistant.token_env: the environment has"),
        ('[mqtt]\nport = "8883"', "mqtt.port: expected int, got str — write a number such as 8883"),
        ("[home]\nbudget = true", "home.budget: expected float, got bool — write alarms per week"),
        ("[home]\nnaem = 1", "home.naem: is not a known key — did you mean name?"),
        (
            "[kitchen]",
            "kitchen: is not a known key — known here: home, page, mqtt, home_assistant, zeek, suricata, packets",
        ),
        (
            '[[person]]\nname = "anna"\nbudget = 1.0',
            "person[0].name: 'anna' names no person — write it as the sources",
        ),
        (
            '[[person]]\nname = "person:anna"\nbudget = 0.0',
            "person[0].budget: 0 alarms a week — write a number above 0",
        ),
        ("[[device]]", "device[0].name: is missing — add it below [[device]]"),
        ("[home]\nname = home", "is not TOML: Invalid value (at line 2"),
        ("[home]\ntimezone = 'Europe/Bärlin'", "home.timezone: no time zone is called 'Europe/Bärlin'"),
        ("[home]\ntimezone = '../../etc/passwd'", "home.timezone: no time zone"),
        ("[home]\nbudget = 0", "home.budget: 0 alarms a week — write a number above 0"),
        ("[home]\nbudget = nan", "home.budget: nan alarms a week"),
        ("[home]\nname = ''", "home.name: is no name"),
        (f"[home]\nname = 'a/b'\n{MQTT}", "home.name: becomes a part of a topic — write it without '+', '#' and '/'"),
        ("[home]\ndevices = 'none.csv'", "home.devices: there is no file"),
        ("[page]\nport = 0", "page.port: 0 is no port"),
        ("[page]\nhost = '0.0.0.0'", "page.host: 0.0.0.0 lets other machines in — add the name you open it by"),
        ("[mqtt]\nhost = 'hub'", "mqtt: reads no topic — add presets"),
        (f"{MQTT}ca_file = 'ca.crt'", "mqtt.ca_file: there is no file"),
        (
            f"{MQTT}password = 'x'",
            "mqtt.password: secrets do not belong in this file — put it into a file of its own",
        ),
        ("[page]\napi_key = 'x'", "page.api_key: secrets do not belong in this file"),
        ("[mqtt]\npresets = ['zwave']", "mqtt.presets[0]: invalid enum value 'zwave'"),
        ("[[mqtt.topic]]\npattern = 'home/#'", "mqtt.topic[0]: topic pattern 'home/#'"),
        (
            "[[device]]\nname = 'lamp'\ntype = 'lihgt'",
            "device[0].type: no type of device is called 'lihgt' — did you mean light?",
        ),
        (
            "[[device]]\nname = 'lamp'\nrole = 'butler'",
            "device[0].role: no role is called 'butler' — known: actuator",
        ),
        (LAMP + LAMP, "device[1].name: 'lamp' is there twice"),
        (RESPONSE, "response[0].device: no device here is called 'lamp' — known: none; add a table [[device]]"),
        (
            LAMP + RESPONSE.replace('"on"', '"toggle"'),
            "response[0]: toggle on lamp is refused: the guard never unlocks",
        ),
        (LAMP + RESPONSE.replace('restore = "off"\n', ""), "response[0]: on on lamp is refused: an act needs an end"),
        (LAMP + RESPONSE + "minutes = 0", "response[0]: on on lamp is refused: a lease lasts more than nothing"),
        (LAMP + RESPONSE.replace('"off"', '"unlock"'), "response[0]: on on lamp is refused: the guard never unlocks"),
        (LAMP.replace("light", "smoke") + RESPONSE, "response[0]: on on lamp is refused: life-safety"),
        (LAMP + RESPONSE.replace('["entrance"]', "[]"), "response[0].when: says nothing"),
        (
            LAMP + RESPONSE.replace("entrance", "entrace"),
            "response[0].when: no device, type, role or rule is called 'entrace' — did you mean entrance?",
        ),
        (
            LAMP + RESPONSE.replace("entrance", "rule:fire"),
            "response[0].when: no device, type, role or rule is called",
        ),
        (
            LAMP + RESPONSE.replace('"on"', '"lock"'),
            "response[0].minutes: lock ends by itself — leave minutes and restore out",
        ),
        (LAMP + RESPONSE + "responder = 'mqtt'", "response[0].responder: there is no broker — add a table [mqtt]"),
        (MQTT + LAMP + RESPONSE + "responder = 'mqtt'", "response[0].topic: is missing — name where lamp listens"),
        (
            MQTT + LAMP + RESPONSE + "responder = 'mqtt'\ntopic = 'x/+/set'",
            "response[0].topic: command topic 'x/+/set'",
        ),
        (LAMP + RESPONSE + "responder = 'ghost'", "response[0].responder: no responder is called 'ghost'"),
        ("[history]\nfiles = ['old.csv']", "history.files[0]: there is no file"),
    ],
)
def test_every_fault_is_one_line_with_its_key_and_its_remedy(file: Path, text: str, line: str) -> None:
    assert fault(file, text).startswith(line)


def test_a_file_that_is_not_there_says_how_to_get_one(file: Path) -> None:
    with pytest.raises(ConfigError, match="homeward init"):
        load(file)


def test_a_file_of_any_size_or_kind_is_survived(file: Path) -> None:
    assert "larger than" in fault(file, "#" * (2 << 20))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(file)
    assert "is not TOML" in fault(file, "a = " + "[" * 100_000)


# Secrets

SECRET = f'{MQTT}username = "homeward"\npassword_file = "pw"\n'


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_password_that_others_may_read_is_refused_with_the_command_that_mends_it(file: Path, mode: int) -> None:
    secret = file.parent / "pw"
    secret.write_text("s3cret")
    secret.chmod(mode)
    assert fault(file, SECRET).endswith(f"— run: chmod 600 {secret}")


@pytest.mark.parametrize("body", ["", "\n", "two\nlines\n", "x" * 5_000])
def test_a_password_file_holds_one_line(file: Path, body: str) -> None:
    (file.parent / "pw").write_text(body)
    (file.parent / "pw").chmod(0o600)
    assert "holds no password" in fault(file, SECRET)


def test_a_password_can_come_from_the_environment(file: Path) -> None:
    text = f'{MQTT}username = "homeward"\npassword_env = "PW"\n'
    assert fault(file, text).startswith("mqtt.password_env: the environment has no PW — set it")
    config = load(file, environment={"PW": "s3cret"})
    assert config.mqtt is not None
    assert config.mqtt.password == "s3cret"


def test_a_credential_of_systemd_comes_first_and_its_mode_is_systemds_business(file: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "pw").write_text("s3cret")
    (credentials / "pw").chmod(0o440)
    file.write_text(SECRET)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials), "STATE_DIRECTORY": "/var/lib/homeward"}
    config = load(file, environment=environment)
    assert config.mqtt is not None
    assert config.mqtt.password == "s3cret"
    assert config.state == Path("/var/lib/homeward")


# Devices as a table


def test_devices_can_stand_in_a_table_beside_it(file: Path) -> None:
    (file.parent / "devices.csv").write_text(
        "device,type,room,role\ndoor,contact.door,hall,entrance\nbell,doorbell,,\n"
    )
    file.write_text('[home]\ndevices = "devices.csv"\n')
    assert load(file).settings.devices == (
        Device(name="door", type="contact.door", room="hall", role="entrance"),
        Device(name="bell", type="doorbell"),
    )


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("name,kind\n", "home.devices: "),
        ("device,type,room,role\ndoor,portal,,\n", "devices.csv line 2.type: no type of device is called 'portal'"),
        ("device,type,room,role\n,light,,\n", "devices.csv line 2.name: is no name"),
        ("device,type,room,role\na,light,,\na,light,,\n", "devices.csv line 3.name: 'a' is there twice"),
    ],
)
def test_a_fault_in_the_devices_table_names_its_line(file: Path, table: str, line: str) -> None:
    (file.parent / "devices.csv").write_text(table)
    assert fault(file, '[home]\ndevices = "devices.csv"\n').startswith(line)


# The page


def test_another_address_is_served_under_the_names_that_are_listed(file: Path) -> None:
    file.write_text("[page]\nhost = '192.168.1.2'\nallowed_hosts = ['hub.local:8480']\n")
    allowed = load(file).allowed_hosts
    assert {"hub.local:8480", "192.168.1.2:8480", "127.0.0.1:8480", "localhost:8480"} <= set(allowed)


# The file that init writes


def test_init_writes_a_file_that_is_fine_and_never_overwrites_one(file: Path) -> None:
    write_starter(file)
    assert load(file).settings.place == "home"
    with pytest.raises(ConfigError, match="exists already"):
        write_starter(file)


def test_every_example_in_the_written_file_works_once_its_comment_sign_is_removed(file: Path) -> None:
    lines = [re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in starter().splitlines()]
    for name, body in (("devices.csv", "device,type,role\n"), ("ca.crt", "x"), ("mqtt-password", "s3cret")):
        (file.parent / name).write_text(body)
    (file.parent / "home-assistant-token").write_text("abc.def")
    (file.parent / "ntfy-token").write_text("tk_example")
    (file.parent / "apprise-urls").write_text("json://localhost\nxml://localhost\n")
    (file.parent / "webhook-secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for secret in ("mqtt-password", "home-assistant-token", "ntfy-token", "apprise-urls", "webhook-secret"):
        (file.parent / secret).chmod(0o600)
    (file.parent / "2024.events.csv.gz").write_text("")
    file.write_text("\n".join(lines))
    config = load(file, environment={"HOMEWARD_MQTT_PASSWORD": "x"})
    assert config.settings.responses[0].responder == "dry_run"
    assert len(config.topics) == 2
    assert config.home_assistant is not None
    assert config.networks.zeek is not None
    assert [listener.second for listener in config.settings.listeners] == [False, True]
    assert {channel.section.kind for channel in config.answering.channels} == {
        "ntfy", "apprise", "webhook", "home_assistant"
    }  # fmt: skip
    assert config.settings.responses[1].restore == "release"


def test_every_key_is_explained_in_the_written_file() -> None:
    text = starter()
    sections = (
        tables.HomeSection, tables.PageSection, tables.MqttSection, tables.TopicSection, tables.DeviceSection,
        tables.ResponseSection, tables.HistorySection, tables.HomeAssistantSection, tables.ZeekSection,
        tables.SuricataSection, tables.PacketsSection, tables.NetworkSection, tables.MosquittoSection,
        tables.FirewallSection, tables.ChannelSection, tables.ListenerSection, tables.PolicySection,
    )  # fmt: skip
    keys = {key for section in sections for key in section.__struct_fields__}
    assert {key for key in keys if not re.search(rf"\b{key}\b", text)} == set()
