"""What the configuration means: words are looked up, paths resolved, secrets read, what may never be is refused."""

from __future__ import annotations

import csv
import difflib
import math
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homeward.config.answering import BUILT_IN, Answering, answering, listeners
from homeward.config.networks import Networks, networks
from homeward.config.tables import ConfigError, DeviceSection, ResponseSection, Tables, TopicSection, read
from homeward.core import rules
from homeward.core.behaviour.evidence import PEOPLE_LIMIT
from homeward.core.decision.guardrails import Situation, refusal
from homeward.core.decision.ladder import STEPS
from homeward.core.decision.proportion import rung_of
from homeward.core.event import NAME_LIMIT
from homeward.core.settings import CONCERNED, Device, Person, Response, Settings
from homeward.core.vocabulary import CLAIMS, ONE_SHOT, RELEASE, ROLES, TYPES
from homeward.responders.mqtt import CommandTopic
from homeward.sources.discovery import Preset
from homeward.sources.home_assistant_connection import HomeAssistantSettings
from homeward.sources.mqtt import MqttSettings
from homeward.sources.topics import BROKER, TopicRule

RULES: Final = frozenset(f"rule:{name}" for name in rules.NAMES)
"""What ``when`` of a response may say beside names, types and roles."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SECRET_LIMIT: Final = 4_096
TLS_PORT, PLAIN_PORT = 8883, 1883


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration that was checked: paths are absolute, secrets are read, words are known.

    ``mqtt`` is ``None`` without a broker; ``in_home_assistant`` is whether Homeward shows itself there by way of it.
    ``history`` holds the files that a new guard learns from first, ``home_assistant_days`` how much of its past.
    """

    file: Path
    settings: Settings
    state: Path
    page_host: str
    page_port: int
    allowed_hosts: tuple[str, ...]
    mqtt: MqttSettings | None = None
    topics: tuple[TopicRule, ...] = ()
    presets: tuple[Preset, ...] = ()
    commands: tuple[CommandTopic, ...] = ()
    in_home_assistant: bool = False
    home_assistant: HomeAssistantSettings | None = None
    home_assistant_days: float = 0.0
    networks: Networks = field(default_factory=Networks)
    answering: Answering = field(default_factory=Answering)
    history: tuple[Path, ...] = ()


def load(path: Path, *, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the file. Paths in it are relative to its folder.

    ``STATE_DIRECTORY`` and ``CREDENTIALS_DIRECTORY`` of ``environment`` are systemd's: where state is kept when the
    file does not say, and where a password file is looked for first.

    Raises:
        ConfigError: it cannot be used; the message says what to change.
    """
    return _Check(path, read(path), environment).config()


def to_settings(config: Config) -> Settings:
    """What the engine needs to know."""
    return config.settings


class _Check:
    def __init__(self, path: Path, tables: Tables, environment: Mapping[str, str]) -> None:
        self._path, self._tables, self._environment = path, tables, environment

    def config(self) -> Config:
        tables, devices = self._tables, self._devices()
        host, port, allowed = self._page()
        return Config(
            file=self._path,
            settings=self._settings(devices),
            state=self._state(),
            page_host=host,
            page_port=port,
            allowed_hosts=allowed,
            mqtt=self._mqtt(),
            topics=self._topics(),
            presets=tuple(tables.mqtt.presets) if tables.mqtt is not None else (),
            commands=self._commands(),
            in_home_assistant=tables.mqtt is not None and tables.mqtt.home_assistant,
            home_assistant=self._home_assistant(),
            home_assistant_days=tables.home_assistant.history_days if tables.home_assistant is not None else 0.0,
            networks=networks(tables, self.resolve, self.fault),
            answering=answering(tables, self),
            history=tuple(
                self.existing(f"history.files[{number}]", name) for number, name in enumerate(tables.history.files)
            ),
        )

    def fault(self, key: str, what: str, remedy: str) -> ConfigError:
        return ConfigError(f"{self._path}: {key}: {what} — {remedy}")

    # The place

    def _settings(self, devices: Mapping[str, Device]) -> Settings:
        home = self._tables.home
        self._name("home.name", home.name)
        if self._tables.mqtt is not None and any(sign in home.name for sign in "+#/"):
            raise self.fault("home.name", "becomes a part of a topic", "write it without '+', '#' and '/'")
        self._budget("home.budget", home.budget)
        try:
            ZoneInfo(home.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remedy = 'write an IANA name such as "Europe/Berlin"'
            raise self.fault("home.timezone", f"no time zone is called {home.timezone!r}", remedy) from None
        return Settings(
            place=home.name,
            timezone=home.timezone,
            budget=home.budget,
            devices=tuple(devices.values()),
            people=self._people(),
            listeners=listeners(self._tables, self.fault),
            policy=self._tables.policy.use,
            responses=tuple(
                self._response(f"response[{number}]", one, devices)
                for number, one in enumerate(self._tables.response)
            ),
        )

    def _budget(self, key: str, budget: float) -> None:
        if not (math.isfinite(budget) and budget > 0):
            raise self.fault(key, f"{budget:g} alarms a week", "write a number above 0, such as 1.0")

    def _people(self) -> tuple[Person, ...]:
        found: dict[str, Person] = {}
        for number, one in enumerate(self._tables.person):
            key = f"person[{number}]"
            self._name(f"{key}.name", one.name)
            self._budget(f"{key}.budget", one.budget)
            if not one.name.startswith("person:"):
                remedy = f'write it as the sources do, such as "person:{one.name}"'
                raise self.fault(f"{key}.name", f"{one.name!r} names no person", remedy)
            if one.name in found:
                raise self.fault(f"{key}.name", f"{one.name!r} is there twice", "name every person once")
            found[one.name] = Person(name=one.name, budget=one.budget)
        if len(found) > PEOPLE_LIMIT:
            raise self.fault("person", f"{len(found)} people", f"name at most {PEOPLE_LIMIT}")
        return tuple(found.values())

    def _state(self) -> Path:
        named = self._tables.home.state or self._environment.get("STATE_DIRECTORY", "").split(":")[0] or "state"
        state = self.resolve(named)
        if state.exists() and not state.is_dir():
            raise self.fault("home.state", f"{state} is not a folder", "name a folder that only the guard uses")
        return state

    def _page(self) -> tuple[str, int, tuple[str, ...]]:
        page = self._tables.page
        if not 0 < page.port < 65_536:
            raise self.fault("page.port", f"{page.port} is no port", "write a number such as 8480")
        if page.host not in LOOPBACK and not page.allowed_hosts:
            remedy = f'add the name you open it by, such as allowed_hosts = ["hub.local:{page.port}"]'
            raise self.fault("page.host", f"{page.host} lets other machines in", remedy)
        own = f"[{page.host}]" if ":" in page.host else page.host
        names = dict.fromkeys(f"{name}:{page.port}" for name in ("127.0.0.1", "localhost", "[::1]", own))
        return page.host, page.port, tuple(names | dict.fromkeys(page.allowed_hosts))

    # Devices and responses

    def _devices(self) -> dict[str, Device]:
        found: dict[str, Device] = {}
        for key, one in (*self._listed(), *((f"device[{n}]", one) for n, one in enumerate(self._tables.device))):
            if one.name in found:
                raise self.fault(f"{key}.name", f"{one.name!r} is there twice", "give every device a name of its own")
            found[one.name] = self._device(key, one)
        if self._tables.mqtt is not None and any(
            topic.format == "mosquitto_log" for topic in self._tables.mqtt.topic
        ):
            found.setdefault(BROKER, Device(name=BROKER, type="broker"))
        return found

    def _listed(self) -> Iterator[tuple[str, DeviceSection]]:
        """The rows of the devices table, each with where it stands."""
        if not self._tables.home.devices:
            return
        path = self.existing("home.devices", self._tables.home.devices)
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = csv.DictReader(lines)
                if not {"device", "type", "role"} <= set(rows.fieldnames or ()):
                    raise self.fault("home.devices", f"{path} has another header", "begin with device,type,room,role")
                for row in rows:
                    about = {key: row.get(key) or "" for key in ("type", "role", "room")}
                    section = DeviceSection(name=row["device"] or "", **{k: v for k, v in about.items() if v})
                    yield f"{path.name} line {rows.line_num}", section
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self.fault("home.devices", f"{path} cannot be read ({error})", "write it as UTF-8 CSV") from None

    def _device(self, key: str, one: DeviceSection) -> Device:
        self._name(f"{key}.name", one.name)
        self._word(f"{key}.type", one.type, TYPES, "type of device")
        self._word(f"{key}.role", one.role, ROLES, "role")
        return Device(name=one.name, type=one.type, role=one.role, room=one.room)

    def _response(self, key: str, one: ResponseSection, devices: Mapping[str, Device]) -> Response:
        self._word(
            f"{key}.device", one.device, {*devices, *([CONCERNED] if one.command in CLAIMS else [])}, "device here"
        )
        self._word(f"{key}.responder", one.responder, {*BUILT_IN, *self._tables.channel}, "responder")
        if not one.when:
            raise self.fault(f"{key}.when", "says nothing", 'write a list such as ["entrance", "rule:flood"]')
        for word in one.when:
            self._word(f"{key}.when", word, {*devices, *TYPES, *ROLES, *RULES}, "device, type, role or rule")
        back_again = one.command == "off" and one.when == [one.device] and one.restore is None and one.minutes is None
        one_shot = one.command in ONE_SHOT or back_again
        if one_shot and (one.minutes is not None or one.restore is not None):
            raise self.fault(f"{key}.minutes", f"{one.command} ends by itself", "leave minutes and restore out")
        usually = STEPS[rung_of(Response(name="", device="", command=one.command, when=()))].minutes
        minutes = None if one_shot else usually if one.minutes is None else one.minutes
        response = Response(
            name=one.name or f"{one.device} {one.command}",
            device=one.device,
            command=one.command,
            when=tuple(one.when),
            minutes=minutes,
            restore=RELEASE if one.command in CLAIMS else one.restore,
            responder=one.responder,
        )
        rail = refusal(
            Situation(
                rung=rung_of(response),
                evidence=None,
                response=response,
                target=devices.get(one.device) or Device(name=CONCERNED),
            )
        )
        if rail is not None:
            what = f"{one.command} on {one.device} is refused: {rail.why}"
            raise self.fault(key, what, _REMEDIES.get(rail.name, "leave this response out"))
        return response

    def _commands(self) -> tuple[CommandTopic, ...]:
        topics: dict[str, CommandTopic] = {}
        for number, one in enumerate(self._tables.response):
            key = f"response[{number}].topic"
            if one.responder != "mqtt":
                continue
            if self._tables.mqtt is None:
                raise self.fault(f"response[{number}].responder", "there is no broker", "add a table [mqtt]")
            if not one.topic:
                remedy = f'name where {one.device} listens, such as topic = "zigbee2mqtt/{one.device}/set"'
                raise self.fault(key, "is missing", remedy)
            try:
                topic = CommandTopic(device=one.device, topic=one.topic, payloads=one.payloads)
            except ValueError as error:
                raise self.fault(key, str(error), "name one topic of one device") from None
            if topics.setdefault(one.device, topic) != topic:
                remedy = "give all responses of a device the same topic and payloads"
                raise self.fault(key, f"{one.device} has another topic already", remedy)
        return tuple(topics.values())

    # The broker

    def _mqtt(self) -> MqttSettings | None:
        mqtt = self._tables.mqtt
        if mqtt is None:
            return None
        port = mqtt.port if mqtt.port is not None else TLS_PORT if mqtt.ca_file else PLAIN_PORT
        if not 0 < port < 65_536:
            raise self.fault("mqtt.port", f"{port} is no port", f"write a number such as {TLS_PORT}")
        if not mqtt.client_id or len(mqtt.client_id) > NAME_LIMIT:
            raise self.fault("mqtt.client_id", "names no client", 'write a name such as "homeward"')
        if not (mqtt.presets or mqtt.topic or mqtt.home_assistant):
            raise self.fault("mqtt", "reads no topic", 'add presets = ["zigbee2mqtt"] or a table [[mqtt.topic]]')
        password = self._password()
        if password is not None and not mqtt.username:
            raise self.fault("mqtt.username", "is missing beside a password", "add the name the broker knows")
        return MqttSettings(
            host=mqtt.host,
            port=port,
            username=mqtt.username or None,
            password=password,
            ca_file=self.existing("mqtt.ca_file", mqtt.ca_file) if mqtt.ca_file else None,
            client_id=mqtt.client_id,
            protocol=mqtt.protocol,
        )

    def _topics(self) -> tuple[TopicRule, ...]:
        mqtt = self._tables.mqtt
        if mqtt is None:
            return ()
        return tuple(self._topic(f"mqtt.topic[{number}]", one) for number, one in enumerate(mqtt.topic))

    def _topic(self, key: str, one: TopicSection) -> TopicRule:
        try:
            return TopicRule(
                pattern=one.pattern,
                format=one.format,
                properties=one.properties,  # type: ignore[arg-type]  # TopicRule checks the words itself
                device=one.device,
                happened=one.happened,
                steps=one.steps,
                ignore=tuple(one.ignore),
            )
        except ValueError as error:
            raise self.fault(key, str(error), "see the examples that homeward init writes") from None

    # Home Assistant

    def _home_assistant(self) -> HomeAssistantSettings | None:
        section = self._tables.home_assistant
        if section is None:
            return None
        if not (math.isfinite(section.history_days) and 0 <= section.history_days <= 3_660):
            remedy = "write how many days to learn from at first, such as 90"
            raise self.fault("home_assistant.history_days", f"{section.history_days:g} days", remedy)
        token = self._given("home_assistant", "token", section.token_file, section.token_env)
        if token is None:
            remedy = 'write token_file = "home-assistant-token", a file of its own (chmod 600)'
            raise self.fault("home_assistant.token_file", "is missing", remedy)
        authority = self.existing("home_assistant.ca_file", section.ca_file) if section.ca_file else None
        try:
            return HomeAssistantSettings(url=section.url, token=token, ca_file=authority)
        except ValueError as error:
            key, _, what = str(error).partition(": ")
            raise self.fault(f"home_assistant.{key}", "cannot be used", what) from None

    # Secrets and files

    def _password(self) -> str | None:
        mqtt = self._tables.mqtt
        assert mqtt is not None
        return self._given("mqtt", "password", mqtt.password_file, mqtt.password_env)

    def _given(self, section: str, kind: str, file: str, variable: str) -> str | None:
        """A secret, from its file or from the environment."""
        if file and variable:
            raise self.fault(f"{section}.{kind}_env", f"there is a {kind}_file too", "keep one of the two")
        if variable:
            secret = self._environment.get(variable, "")
            if not secret:
                remedy = f"set it before homeward starts: export {variable}=…"
                raise self.fault(f"{section}.{kind}_env", f"the environment has no {variable}", remedy)
            return secret
        return self.secret(f"{section}.{kind}_file", file, kind) if file else None

    def secret(self, key: str, name: str, kind: str, *, lines: bool = False) -> str:
        """What a file holds that nobody else may read: one line, or with ``lines`` several."""
        credentials = self._environment.get("CREDENTIALS_DIRECTORY", "")
        given = Path(credentials) / name if credentials else None
        path = given if given is not None and given.is_file() else self.existing(key, name)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if path != given and mode & 0o077:
                    what = f"others may read {path} (mode {stat.S_IMODE(mode):04o})"
                    raise self.fault(key, what, f"run: chmod 600 {path}")
                body = file.read(SECRET_LIMIT + 1)
            secret = body.decode("utf-8").rstrip("\r\n")
        except OSError as error:
            raise self.fault(key, f"{path}: {error.strerror}", "let the guard's user read it") from None
        except UnicodeDecodeError:
            raise self.fault(key, f"{path} is not text", f"write the {kind} into it, on one line") from None
        if not secret or ("\n" in secret and not lines) or len(body) > SECRET_LIMIT:
            raise self.fault(key, f"{path} holds no {kind}", f"write the {kind} into it, on one line")
        return secret

    def resolve(self, name: str) -> Path:
        return self._path.absolute().parent / Path(name).expanduser()

    def existing(self, key: str, name: str) -> Path:
        path = self.resolve(name)
        if not path.is_file():
            raise self.fault(key, f"there is no file {path}", "paths are relative to this file's folder")
        return path

    # Words

    def _name(self, key: str, name: str) -> None:
        if not 0 < len(name) <= NAME_LIMIT or not name.isprintable() or name != name.strip():
            raise self.fault(key, "is no name", f"write 1 to {NAME_LIMIT} printable characters")

    def _word(self, key: str, word: str, known: Collection[str], what: str) -> None:
        if word in known:
            return
        near = difflib.get_close_matches(word, known, 1)
        some = ", ".join(sorted(known)[:40]) or "none; add a table [[device]]"
        raise self.fault(
            key, f"no {what} is called {word!r}", f"did you mean {near[0]}?" if near else f"known: {some}"
        )


_REMEDIES: Final = {
    "life safety": "choose another device",
    "never a way in": "choose a command that makes the place safer, such as lock, on or off",
    "the owner's way in": "use the command lock",
    "reversible": 'say how it is taken back, such as restore = "off"',
    "bounded": "write minutes above 0 and at most 1440",
}
