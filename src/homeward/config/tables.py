"""``homeward.toml`` as it is written: its tables, and every fault of form as one line that says what to write."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

FILE_NAME: Final = "homeward.toml"
SIZE_LIMIT: Final = 1 << 20
PAGE_PORT: Final = 8480


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line: ``FILE: KEY: what is wrong — what to write``."""


class HomeSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The place. ``budget`` is alarms per week. ``devices`` names a file ``device,type,room,role``."""

    name: str = "home"
    timezone: str = "UTC"
    budget: float = 1.0
    state: str = ""
    devices: str = ""


class PageSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the page listens. ``allowed_hosts`` are the names (``host:port``) under which it may be opened."""

    host: str = "127.0.0.1"
    port: int = PAGE_PORT
    allowed_hosts: list[str] = []


class TopicSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One pattern of topics; see `homeward.sources.topics.TopicRule`."""

    pattern: str
    format: Literal["json", "text", "mosquitto_log"] = "json"
    properties: dict[str, str | dict[str, str]] = {}
    device: str = ""
    happened: str = ""
    steps: dict[str, float] = {}
    ignore: list[str] = []


class MqttSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The broker. The password comes from ``password_file`` or from the environment variable ``password_env``."""

    host: str = "localhost"
    port: int | None = None
    ca_file: str = ""
    username: str = ""
    password_file: str = ""
    password_env: str = ""
    client_id: str = "homeward"
    protocol: Literal["auto", 5, 311] = "auto"
    presets: list[Literal["zigbee2mqtt", "home_assistant", "tasmota", "shelly"]] = []
    topic: list[TopicSection] = []
    home_assistant: bool = False


class HomeAssistantSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A Home Assistant. The long-lived token comes from ``token_file`` or from the environment (``token_env``)."""

    url: str
    token_file: str = ""
    token_env: str = ""
    ca_file: str = ""
    history_days: float = 90.0
    answer_entity: str = "sensor.homeward_answer"


class ZeekSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The folder in which Zeek writes its current logs."""

    directory: str


class SuricataSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The file to which Suricata writes its events (EVE JSON)."""

    file: str


class PacketsSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A network interface to listen on; see `homeward.sources.packets.PacketsSource`."""

    interface: str
    meter: str = ""
    interpreter: str = ""


class NetworkSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which networks are the home's own, and what the owner calls an address or a hardware address."""

    local: list[str] = []
    names: dict[str, str] = {}


class DeviceSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A device that the guard knows by type and role."""

    name: str
    type: str = "other"
    role: str = "other"
    room: str = "unknown"


class PersonSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Somebody with a budget of their own (alarms per week); ``name`` is as sources name them, ``person:anna``."""

    name: str
    budget: float


class ResponseSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A command that may be given; see `homeward.core.settings.Response`. ``topic`` is where the device listens."""

    device: str
    command: str
    when: list[str]
    name: str = ""
    minutes: float | None = None
    restore: str | None = None
    responder: str = "dry_run"
    topic: str = ""
    payloads: dict[str, str] = {}
    entity: str = ""
    services: dict[str, str] = {}


class MosquittoSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Mosquitto's dynamic security: the user behind a device, what a restricted one may still do, whom to let be."""

    users: dict[str, str] = {}
    own_topics: dict[str, list[str]] = {}
    never: list[str] = []


class FirewallSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """nftables on this machine: devices' addresses beside those that are known, and whom to let be."""

    addresses: dict[str, list[str]] = {}
    never: list[str] = []
    resolvers: list[str] = []
    nft: str = "nft"


class ChannelSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A way to tell people; see `homeward.config.answering` for what each kind needs."""

    kind: Literal["ntfy", "apprise", "webhook", "home_assistant"]
    server: str = ""
    topic: str = ""
    answers_topic: str = ""
    phone_server: str = ""
    click: str = ""
    token_file: str = ""
    ca_file: str = ""
    urls_file: str = ""
    url: str = ""
    secret_file: str = ""
    service: str = ""


class ListenerSection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who is told through which channel; ``second`` when nobody else has answered."""

    channel: str
    person: str = "household"
    quiet_hours: str = ""
    second: bool = False


class PolicySection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What chooses among the rungs that guardrails leave (`homeward.core.settings.Settings`)."""

    use: Literal["ladder", "trial", "learned"] = "ladder"


class HistorySection(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Files from which a new guard learns before its first day."""

    files: list[str] = []


class Tables(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The file as it is written."""

    home: HomeSection = msgspec.field(default_factory=HomeSection)
    page: PageSection = msgspec.field(default_factory=PageSection)
    mqtt: MqttSection | None = None
    home_assistant: HomeAssistantSection | None = None
    zeek: ZeekSection | None = None
    suricata: SuricataSection | None = None
    packets: PacketsSection | None = None
    network: NetworkSection = msgspec.field(default_factory=NetworkSection)
    device: list[DeviceSection] = []
    person: list[PersonSection] = []
    response: list[ResponseSection] = []
    mosquitto: MosquittoSection | None = None
    nftables: FirewallSection | None = None
    channel: dict[str, ChannelSection] = {}
    listener: list[ListenerSection] = []
    policy: PolicySection = msgspec.field(default_factory=PolicySection)
    history: HistorySection = msgspec.field(default_factory=HistorySection)


_SECRET_KEY: Final = re.compile(r"password|passwd|secret|token|api_?key", re.IGNORECASE)
_NOT_SECRET: Final = frozenset({"password_file", "password_env", "token_file", "token_env", "secret_file"})
_WHERE: Final = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<key>.*)`)?\Z", re.DOTALL)
_EXAMPLES: Final = {
    "home.name": 'a name such as "home"',
    "home.timezone": 'an IANA name such as "Europe/Berlin"',
    "home.budget": "alarms per week, a number such as 1.0",
    "home.state": 'a folder such as "state"',
    "home.devices": 'a file such as "devices.csv"',
    "page.host": '"127.0.0.1"',
    "page.port": f"a number such as {PAGE_PORT}",
    "page.allowed_hosts": 'a list such as ["hub.local:8480"]',
    "mqtt.host": 'a name such as "localhost"',
    "mqtt.port": "a number such as 8883",
    "mqtt.protocol": "protocol = 5 or 311, or leave it out: then it is found out",
    "mqtt.presets": 'presets = ["zigbee2mqtt", "home_assistant", "tasmota", "shelly"], or some of them',
    "home_assistant.url": 'an address such as "http://homeassistant.local:8123"',
    "home_assistant.history_days": "how many days to learn from at first, a number such as 90",
    "zeek.directory": 'a folder such as "/opt/zeek/logs/current"',
    "suricata.file": 'a file such as "/var/log/suricata/eve.json"',
    "packets.interface": 'an interface such as "eth0"',
    "network.local": 'a list such as ["192.168.1.0/24"]',
    "network.names": 'a table such as { "192.168.1.20" = "hallway camera" }',
    "mqtt.topic": "[[mqtt.topic]] tables",
    "device": "[[device]] tables",
    "person": "[[person]] tables",
    "person.name": 'a name such as "person:anna"',
    "person.budget": "alarms per week, a number such as 1.0",
    "response": "[[response]] tables",
    "response.when": 'a list such as ["entrance", "rule:flood"]',
    "response.minutes": "a number such as 10",
    "mosquitto.users": 'a table such as { "hall camera" = "camera1" }',
    "nftables.addresses": 'a table such as { "hall camera" = ["192.168.1.20"] }',
    "channel": "tables such as [channel.phone]",
    "listener": "[[listener]] tables",
    "policy.use": 'use = "ladder", "trial" or "learned"',
    "history.files": 'a list such as ["2024.events.csv.gz"]',
}


def read(path: Path) -> Tables:
    """Read the file's tables; what their words mean is checked elsewhere.

    Raises:
        ConfigError: no such file, no TOML, a key that is not known or of the wrong type, or a secret in it.
    """
    try:
        with path.open("rb") as file:
            body = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror} — run: homeward init {path}") from None
    if len(body) > SIZE_LIMIT:
        raise ConfigError(f"{path}: larger than {SIZE_LIMIT} bytes — is it a configuration?")
    try:
        tables = tomllib.loads(body.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not TOML: {error} — mend that line; a text needs quotes") from None
    for key in _secrets(tables, ""):
        section, _, name = key.rpartition(".")
        section, kind = section or "mqtt", "token" if "token" in name.lower() else "password"
        raise ConfigError(
            f"{path}: {key}: secrets do not belong in this file — put it into a file of its own (chmod 600) and "
            f'write {section}.{kind}_file = "{section}-{kind}"'
        )
    try:
        return msgspec.convert(tables, Tables)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(path, str(error))) from None


def _secrets(table: Mapping[str, Any], where: str) -> Iterable[str]:
    for key, value in table.items():
        name = f"{where}{key}"
        if _SECRET_KEY.search(key) and key not in _NOT_SECRET:
            yield name
        if isinstance(value, dict):
            yield from _secrets(value, f"{name}.")


def _explain(path: Path, said: str) -> str:
    """msgspec's words in ours: ``Expected `int`, got `str` - at `$.mqtt.port```."""
    match = _WHERE.match(said)
    assert match is not None
    what, key = match["what"].replace("`", ""), match["key"] or ""
    plain = re.sub(r"\[[^]]*\]", "", key)
    if unknown := re.search(r"unknown field (\S+)", what):
        known = _keys(plain)
        near = difflib.get_close_matches(unknown[1], known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{path}: {_join(key, unknown[1])}: is not a known key — {remedy}"
    if missing := re.search(r"missing required field (\S+)", what):
        return f"{path}: {_join(key, missing[1])}: is missing — add it below [[{plain}]]"
    what = what[:1].lower() + what[1:].replace(" | null", "")
    remedy = f"write {_EXAMPLES[plain]}" if plain in _EXAMPLES else "see the comments that homeward init writes"
    return f"{path}: {key}: {what} — {remedy}"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _keys(plain: str) -> list[str]:
    tables: dict[str, type[msgspec.Struct]] = {
        "": Tables, "home": HomeSection, "page": PageSection, "mqtt": MqttSection, "mqtt.topic": TopicSection,
        "home_assistant": HomeAssistantSection, "zeek": ZeekSection, "suricata": SuricataSection,
        "packets": PacketsSection, "network": NetworkSection, "mosquitto": MosquittoSection,
        "nftables": FirewallSection, "listener": ListenerSection, "policy": PolicySection,
        "device": DeviceSection, "person": PersonSection, "response": ResponseSection, "history": HistorySection,
    }  # fmt: skip
    return list(tables[plain].__struct_fields__) if plain in tables else []
