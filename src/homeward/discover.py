"""What ``homeward discover`` does at a broker: look, without leaving a trace; tell what is there; write it down.

It connects under a name of its own and without a session, reads what is retained and what is said meanwhile, and
publishes nothing, but for a question to Mosquitto's dynamic security, which lists who may do what.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from homeward.core.vocabulary import KINDS, kind_of
from homeward.sources.broker_rights import (
    ANONYMOUS,
    EVERYBODY,
    QUESTIONS,
    BrokerFile,
    Reach,
    Topics,
    Writer,
    reaches,
    read_acl,
    read_configuration,
    read_dynamic_security,
    read_users,
)
from homeward.sources.dialects import text
from homeward.sources.discovered import Discovered
from homeward.sources.discovery import PRESETS, Discovery, Preset
from homeward.sources.mqtt_connection import Connection, Message
from homeward.sources.mqtt_settings import LoginError, MqttError, MqttSettings, Version
from homeward.sources.topics import Decoder

LOOK_SECONDS: Final = 5.0
"""How long it looks by itself: what is retained comes at once, others speak when they have something to say."""

RIGHTS_SECONDS: Final = 2.0
FILE_LIMIT: Final = 1 << 20
FILES_LIMIT: Final = 100

_VERSION: Final = "$SYS/broker/version"
_CLIENTS: Final = "$SYS/broker/clients/connected"
_CONTROL: Final = "$CONTROL/dynamic-security/v1"
_DISCOVERY_TOPICS: Final = (
    "zigbee2mqtt/bridge/devices", "zigbee2mqtt/bridge/request/permit_join",
    "homeassistant/binary_sensor/somebody/something/config", "tasmota/discovery/000000000000/config",
    "shellies/announce",
)  # fmt: skip
"""Topics by which devices are made up, or let in."""


class BrokerFileError(Exception):
    """A file of the broker's cannot be read; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device, as `homeward discover` lists it. ``guarding`` is the kind it would be judged among, in words."""

    name: str
    type: str
    role: str
    room: str
    preset: Preset
    maker: str = ""
    model: str = ""
    address: str = ""
    heard: bool = True

    @property
    def guarding(self) -> str:
        return KINDS[kind_of(self.type, self.role)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is at a broker.

    ``anonymous`` says whether one gets in without a user name; ``None`` where it could not be told. ``rights`` names
    where it is known from who may write what; where it is empty, ``reaches`` is too. ``unread`` lists what the broker
    does not let this user read, ``refused`` counts, by reason, what could not be understood. ``broker`` is what the
    broker says of itself, if it does.
    """

    settings: MqttSettings
    version: Version
    devices: tuple[FoundDevice, ...] = ()
    anonymous: bool | None = None
    rights: str = ""
    reaches: tuple[Reach, ...] = ()
    open_listeners: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    broker: str = ""
    refused: Counter[str]

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The dialects in which a device has told of itself."""
        spoken = {device.preset for device in self.devices}
        return tuple(preset for preset in PRESETS if preset in spoken)


async def look(
    settings: MqttSettings,
    *,
    seconds: float = LOOK_SECONDS,
    presets: Collection[Preset] = tuple(PRESETS),
    configuration: Path | None = None,
    acl_file: Path | None = None,
) -> Found:
    """Look at a broker for so long. ``configuration`` is its ``mosquitto.conf``, or ``acl_file`` its list of rights.

    Raises:
        MqttError: it cannot be reached or used.
        BrokerFileError: one of its files cannot be read.
    """
    file, listed = _files(configuration, acl_file)
    settings = replace(settings, client_id=f"homeward-look-{secrets.token_hex(4)}")
    decoder = Decoder(())
    discovery = Discovery([PRESETS[name]() for name in PRESETS if name in presets], decoder, refused=decoder.refused)
    connection = await Connection.opened(settings, limit=discovery.limit)
    try:
        unread, broker = await _listen(connection, discovery, seconds)
        asked = await _ask(connection) if listed is None else []
    finally:
        await connection.close()
    writers = asked or listed or []
    devices = sorted((one for one in discovery.devices), key=lambda one: one.name)
    return Found(
        settings=settings,
        version=connection.version,
        devices=tuple(_device(one) for one in devices),
        anonymous=await _lets_anybody_in(settings),
        rights="dynamic security" if asked else "" if listed is None else str(acl_file or configuration),
        reaches=tuple(
            reaches([one for one in writers if one.name != settings.username], _topics(devices), _DISCOVERY_TOPICS)
        ),
        open_listeners=() if file is None else file.open_listeners,
        unread=tuple(unread),
        broker=broker,
        refused=decoder.refused,
    )


def report(found: Found) -> Iterator[str]:
    """What was found, in lines for people."""
    where = f"{found.settings.host}:{found.settings.port}"
    number = len(found.devices)
    if found.broker:
        where += f" ({found.broker})"
    yield f"{where} speaks MQTT {'5' if found.version == 5 else '3.1.1'}; {number} devices told what they are."
    for device in found.devices:
        room = f" in {device.room}" if device.room else ""
        made = " ".join(said for said in (device.maker, device.model) if said)
        silent = "" if device.heard else "; it cannot be heard now"
        what = f"{device.type}, {device.role}{room}"
        yield f"  {device.name}: {what} [{device.guarding}]{f' ({made})' if made else ''}{silent}"
    if found.unread:
        yield f"This user may not read {_some(found.unread)}."
    if found.settings.ca_file is None:
        yield "The connection is not encrypted: set ca_file, and a listener with TLS."
    for listener in found.open_listeners:
        yield f"The broker listens on {listener} without TLS: bind it to 127.0.0.1, or give it a certificate."
    if found.anonymous:
        yield "Anybody gets in without a user name: set allow_anonymous false."
    if not found.rights:
        yield (
            "Who may write what cannot be seen from here: name the broker's mosquitto.conf or acl_file, or let this "
            f"user ask {_CONTROL}."
        )
    for reach in found.reaches:
        yield from _told(reach)
    for reason, count in sorted(found.refused.items()):
        yield f"Not understood: {reason} ({count})."


def render_configuration(found: Found, *, timezone: str = "UTC", name: str = "home", password_file: str = "") -> str:
    """The ``homeward.toml`` of what was found, for the owner to correct. Every name is quoted; no secret is in it."""
    mqtt = found.settings
    presets = found.presets or ("zigbee2mqtt",)
    lines = [
        "# Written by homeward discover. Correct types, roles and rooms: what stands here wins over what devices",
        "# say. A device that you take out is known all the same, by what it says of itself.",
        "",
        "[home]",
        f"name = {quoted(name)}",
        f"timezone = {quoted(timezone)}",
        "",
        "[mqtt]",
        f"host = {quoted(mqtt.host)}",
        f"port = {mqtt.port}",
        *([f"ca_file = {quoted(str(mqtt.ca_file))}"] if mqtt.ca_file is not None else []),
        *([f"username = {quoted(mqtt.username)}"] if mqtt.username else []),
        *([f"password_file = {quoted(password_file)}"] if mqtt.username and password_file else []),
        f"presets = [{', '.join(quoted(preset) for preset in presets)}]",
    ]
    for device in found.devices:
        lines += [
            "",
            f"# {device.guarding}{f'; {_plain(device.maker, device.model)}' if device.maker or device.model else ''}",
            "[[device]]",
            f"name = {quoted(device.name)}",
            f"type = {quoted(device.type)}",
            f"role = {quoted(device.role)}",
            *([f"room = {quoted(device.room)}"] if device.room else []),
        ]
    return "\n".join(lines) + "\n"


def write_configuration(path: Path, text: str) -> None:
    """Write a new file; one that exists is left as it is.

    Raises:
        FileExistsError, OSError: it is not written.
    """
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


# Looking ------------------------------------------------------------------------------------------------------------


async def _listen(connection: Connection, discovery: Discovery, seconds: float) -> tuple[list[str], str]:
    """Read for so long. Returns the filters that the broker refused, and what it says of itself."""
    unread: list[str] = []
    itself: dict[str, str] = {}
    connection.subscribe(discovery.filters)
    connection.subscribe((_VERSION, _CLIENTS))
    try:
        async with asyncio.timeout(seconds):
            while True:
                item = await connection.next()
                if isinstance(item, Message):
                    discovery.read(item.topic, item.payload)
                    _thank(connection, item)
                    if item.topic in (_VERSION, _CLIENTS):
                        itself[item.topic] = text(item.payload.decode("utf-8", "replace"))
                elif _VERSION not in item.asked:
                    unread.extend(item.refused)
                if fresh := discovery.take_fresh():
                    connection.subscribe(fresh)
    except TimeoutError:
        clients = f"{itself[_CLIENTS]} clients connected" if itself.get(_CLIENTS) else ""
        return unread, ", ".join(said for said in (itself.get(_VERSION, ""), clients) if said)


async def _ask(connection: Connection) -> list[Writer]:
    """What dynamic security tells of who may write what; nothing where it is not there or does not tell us."""
    answers: list[bytes] = []
    connection.subscribe([f"{_CONTROL}/response"])
    try:
        async with asyncio.timeout(RIGHTS_SECONDS):
            connection.publish(_CONTROL, QUESTIONS)
            while not answers:
                item = await connection.next()
                if isinstance(item, Message):
                    _thank(connection, item)
                    if item.topic == f"{_CONTROL}/response":
                        answers.append(item.payload)
    except (TimeoutError, MqttError):
        pass  # a broker may also close the connection of whoever asks without the right to
    return read_dynamic_security(answers)


def _thank(connection: Connection, message: Message) -> None:
    if message.qos == 1:
        connection.acknowledge([message.mid])


async def _lets_anybody_in(settings: MqttSettings) -> bool | None:
    if settings.username is None:
        return True
    nobody = replace(settings, username=None, password=None, client_id=f"homeward-look-{secrets.token_hex(4)}")
    try:
        connection = await Connection.opened(nobody)
    except LoginError:
        return False
    except MqttError:
        return None
    await connection.close()
    return True


def _device(one: Discovered) -> FoundDevice:
    about = one.attributes
    return FoundDevice(
        name=one.name,
        type=about["type"],
        role=about["role"],
        room=about.get("room", ""),
        preset=next(preset for preset in PRESETS if preset == one.dialect),
        maker=about.get("maker", ""),
        model=about.get("model", ""),
        address=about.get("address", ""),
        heard=one.up,
    )


# Who may write what -------------------------------------------------------------------------------------------------


def _files(configuration: Path | None, acl_file: Path | None) -> tuple[BrokerFile | None, list[Writer] | None]:
    """What the broker's files say; ``None`` for what is not given, or is in a plug-in."""
    file = None if configuration is None else _configured(configuration)
    if acl_file is None and file is not None:
        if not file.acl_file:
            return file, None if file.plugins else [Writer(EVERYBODY, (), otherwise=True)]
        acl_file = Path(file.acl_file)
    if acl_file is None:
        return file, None
    users = read_users(_text(Path(file.password_file))) if file is not None and file.password_file else []
    writers = read_acl(_text(acl_file), users)
    if file is not None and not file.anonymous:
        writers = [writer for writer in writers if writer.name != ANONYMOUS]
    return file, writers


def _configured(path: Path) -> BrokerFile:
    """A configuration with what it includes, in Mosquitto's order: ``*.conf`` by name, after the file itself."""
    written = _text(path)
    if folder := read_configuration(written).include_dir:
        try:
            included = sorted(one for one in Path(folder).iterdir() if one.suffix == ".conf")[:FILES_LIMIT]
        except OSError as error:
            raise BrokerFileError(f"{folder}: {error.strerror}; run as a user who may read it") from None
        written = "\n".join((written, *map(_text, included)))
    return read_configuration(written)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as lines:
            return lines.read(FILE_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise BrokerFileError(f"{path}: {error.strerror}; run as a user who may read it, or leave it out") from None


def _topics(devices: Iterable[Discovered]) -> list[Topics]:
    return [
        Topics(
            device=one.name,
            names=frozenset(
                {one.name.lower(), one.name.lower().replace(" ", "_"), one.name.lower().replace("/", "_")}
            ),
            commands=one.commands,
            states=one.states,
        )
        for one in devices
    ]


def _told(reach: Reach) -> Iterator[str]:
    """One user's reach in a line; a hub's or a bridge's is said to be that."""
    does = [
        f"{what} {_some(names)}"
        for what, names in (
            ("command", reach.commands),
            ("pretend to be", reach.states),
            ("write", reach.discovery),
        )
        if names
    ]
    who = f"{reach.user} (the user of {reach.device})" if reach.device else reach.user
    advice = "give it its own topics only" if reach.excess else "right for a hub or a bridge, and for nothing else"
    yield f"{who} may {', '.join(does)}: {advice}."


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


# Writing ------------------------------------------------------------------------------------------------------------


def quoted(said: str) -> str:
    """A TOML string; what JSON escapes, TOML escapes alike."""
    return json.dumps(said, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(*said: str) -> str:
    """A comment of one line."""
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(said)).strip()
