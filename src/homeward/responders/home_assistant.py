"""Home Assistant as a way to act and to tell: service calls over its WebSocket API, and notifications with buttons.

Each act has a connection of its own, which ends with it, and needs no administrator's rights. Nothing is ever opened,
unlocked, disarmed or toggled: such a command or service is refused when it is configured, and again when it is given.

That a service was called does not say that the device obeyed: a lock can jam, a plug be out of reach. So the entity
is watched until its state is what was asked for, and anything else is a failure. What is so already is not asked for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from homeward.core.effects import Action
from homeward.core.vocabulary import MESSAGES, REFUSED, home_assistant_type, obeys, role_of

TIMEOUT_SECONDS: Final = 8.0
"""How long one act may take by default, connecting and being obeyed included; the service gives up after ten."""

ACTION_PREFIX: Final = "homeward "
"""What the action of a button begins with, before the press: other automations' buttons are not ours."""

ACTION_LIMIT: Final = 255
"""The longest action, in characters: it becomes a state of Home Assistant (`homeward.answers.home_assistant`)."""

REACHED_ROLES: Final = frozenset({"actuator", "entrance"})
"""What may be commanded. Scripts, scenes, automations and buttons may not: they can do anything."""

SWITCHED: Final = frozenset(
    {"climate", "fan", "humidifier", "input_boolean", "light", "media_player", "siren", "switch", "water_heater"}
)  # fmt: skip
"""Domains with the services ``turn_on`` and ``turn_off``."""

_DEFAULTS: Final = {
    ("lock", "lock"): "lock.lock",
    ("alarm_control_panel", "arm"): "alarm_control_panel.alarm_arm_away",
}

FORBIDDEN: Final = frozenset({"disarm", "open", "toggle", "unlock"})
"""Words of which no service that is called may have one (``lock.unlock``, ``cover.open_cover``) …"""

TOGGLES: Final = frozenset({"media_play_pause", "start_pause"})
"""… and the toggles that are not named so."""

OFF: Final = frozenset({"off", "standby"})
ARMED: Final = frozenset({"arming", "pending", "triggered"})
"""An armed alarm's states beside ``armed_…``: leaving, entering, going off. To arm it then would silence it."""

UNREACHED: Final = frozenset({"unavailable", "unknown"})
FAILED: Final = frozenset({"jammed", "unavailable"})

_ENTITY: Final = re.compile(r"[a-z0-9_]{1,64}\.[a-z0-9_]{1,190}")
_SERVICE: Final = re.compile(r"[a-z0-9_]{1,64}\.[a-z0-9_]{1,190}")
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+.!|~&:-])")


class Line(Protocol):
    """A connection that has been let in (`homeward.sources.home_assistant_connection.Connection` is one)."""

    async def command(self, type_: str, /, **fields: Any) -> Any: ...
    async def next(self) -> tuple[int, dict[str, Any]]: ...
    async def close(self) -> None: ...


Dial = Callable[[], Awaitable[Line]]
"""Opens a new connection. Raises an `OSError` in one line when that cannot be done."""

WritePress = Callable[[Literal["yes", "no"], str, str], str]
"""Writes a press (`homeward.presses`): what it says, the incident's id, the listener."""


class NotDoneError(OSError):
    """What was asked for is not known to be done; it may be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCommand:
    """The entity that a device is in Home Assistant, and which service gives it a command.

    By default ``lock`` is ``lock.lock``, ``arm`` is ``alarm_control_panel.alarm_arm_away`` and ``on`` and ``off`` are
    the domain's ``turn_on`` and ``turn_off``. ``services`` names others (or others for these): a command is the state
    that its service leads to (``{"closed": "cover.close_cover"}``). Services get no other data than the entity, so an
    alarm or a lock that wants a code cannot be commanded.

    Raises:
        ValueError: the entity is none that may be commanded, or a service is none, or opens a way in.
    """

    device: str
    entity: str
    services: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ENTITY.fullmatch(self.entity):
            raise ValueError(f"entity {self.entity!r} of {self.device}: write it as domain.name (lock.front_door)")
        if role_of(home_assistant_type(self.domain, None)) not in REACHED_ROLES:
            raise ValueError(
                f"entity {self.entity!r} of {self.device}: name the device itself (a lock, a light, a switch), "
                f"not a {self.domain}"
            )
        for command, service in self.services.items():
            self._check(command, service)

    @property
    def domain(self) -> str:
        return self.entity.partition(".")[0]

    def service(self, command: str) -> str:
        """The service that gives the command.

        Raises:
            ValueError: it would open a way in, or is a toggle.
            LookupError: there is none.
        """
        service = self.services.get(command) or self._default(command)
        if service is None:
            if command in REFUSED:
                raise ValueError(_never(command, self.entity))
            raise LookupError(f"no service gives {self.entity} the command {command}; name one in services")
        self._check(command, service)
        return service

    def _default(self, command: str) -> str | None:
        if command in ("on", "off") and self.domain in SWITCHED:
            return f"{self.domain}.turn_{command}"
        return _DEFAULTS.get((self.domain, command))

    def _check(self, command: str, service: str) -> None:
        if not _SERVICE.fullmatch(service) or service.partition(".")[0] != self.domain:
            raise ValueError(
                f"service {service!r} of {self.device}: write one of the entity's own domain ({self.domain}.…)"
            )
        name = service.partition(".")[2]
        if command in REFUSED or name in TOGGLES or not FORBIDDEN.isdisjoint(name.split("_")):
            raise ValueError(_never(service, self.entity))


def _never(what: str, entity: str) -> str:
    return f"{what} of {entity} is refused: nothing is ever opened, unlocked, disarmed or toggled; name another"


class Watch:
    """One entity's state, followed over a connection that has no other subscription.

    ``state`` is ``None`` where Home Assistant has no such entity, or does not show it to the token's user.
    """

    def __init__(self, line: Line, entity: str) -> None:
        self.entity = entity
        self.state: str | None = None
        self.attributes: Mapping[str, Any] = {}
        self._line = line

    async def begin(self) -> None:
        """Learn the present state. Raises as the connection does."""
        await self._line.command("subscribe_entities", entity_ids=[self.entity])
        await self.hear()

    async def hear(self) -> None:
        """Wait for the next word of it (`state` may be the same: an attribute has changed)."""
        _, event = await self._line.next()
        added, changed, removed = (event.get(key) for key in ("a", "c", "r"))
        if isinstance(removed, list) and self.entity in removed:
            self.state = None
        for said in (_part(added, self.entity), _part(_part(changed, self.entity), "+")):
            if isinstance(said.get("s"), str):
                self.state = said["s"]
            if isinstance(said.get("a"), dict):
                self.attributes = {**self.attributes, **said["a"]}


def _part(said: object, key: str) -> dict[str, Any]:
    part = said.get(key) if isinstance(said, dict) else None
    return part if isinstance(part, dict) else {}


def _is_as(state: str | None, command: str) -> bool:
    """Whether the state is what the command wants."""
    if state is None:
        return False
    if command == "arm":
        return state.startswith("armed_") or state in ARMED
    if command == "on":
        return state not in OFF | UNREACHED
    return obeys(state, command) or (command == "off" and state in OFF)


@dataclass(slots=True)
class _Stage:
    """How far an act has come, in words that go on with ``within 8 seconds``."""

    words: str


@asynccontextmanager
async def _dialled(dial: Dial, seconds: float, stage: _Stage) -> AsyncIterator[Line]:
    """A connection for one act. Raises `NotDoneError` at the time limit, and says how far it had come."""
    try:
        async with asyncio.timeout(seconds):
            line = await dial()
            try:
                yield line
            finally:
                await line.close()
    except TimeoutError:
        raise NotDoneError(f"{stage.words} within {seconds:g} seconds") from None


class HomeAssistantResponder:
    """A `Responder` that gives devices commands by service calls, and sees to it that they obey.

    ``dial`` opens a connection (``partial(Connection.open, settings)``). To arm an alarm is to have it leave time:
    ``arming`` is enough.
    """

    def __init__(
        self,
        dial: Dial,
        entities: Sequence[EntityCommand],
        *,
        name: str = "home_assistant",
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = name
        self._dial = dial
        self._entities = {entity.device: entity for entity in entities}
        self._timeout = timeout

    async def apply(self, action: Action) -> None:
        """Give the command, unless the device is as it wants already; return when it has obeyed.

        Raises:
            LookupError: no entity is configured for the device, or no service for the command.
            ValueError: the command would open a way in, or is a toggle.
            OSError: Home Assistant was not reached or refused, or the device did not obey in time.
        """
        await self._bring(action.device, action.command, only_from=None)

    async def revert(self, action: Action) -> None:
        """Give the command ``action.restore``, if there is one and the device still is as we set it. Raises as
        `apply`."""
        if action.restore is not None:
            await self._bring(action.device, action.restore, only_from=action.command)

    async def _bring(self, device: str, command: str, *, only_from: str | None) -> None:
        entity = self._entities.get(device)
        if entity is None:
            raise LookupError(f"no entity of Home Assistant for the device {device}; add one to the configuration")
        service = entity.service(command)
        stage = _Stage(f"{entity.entity}: Home Assistant did not answer")
        async with _dialled(self._dial, self._timeout, stage) as line:
            watch = Watch(line, entity.entity)
            await watch.begin()
            _demand_reached(watch)
            if _is_as(watch.state, command) or (only_from is not None and not _is_as(watch.state, only_from)):
                return
            _demand_no_code(watch)
            stage.words = f"{entity.entity}: {service} was called and did not end"
            await _call(line, service, {"entity_id": entity.entity})
            while not _is_as(watch.state, command):
                stage.words = f"{entity.entity}: {service} was called, but it is {watch.state} and not {command}"
                await watch.hear()
                if watch.state is None or watch.state in FAILED:
                    raise NotDoneError(f"{entity.entity}: {service} was called, but it is {watch.state or 'gone'}")


def _demand_reached(watch: Watch) -> None:
    if watch.state is None:
        raise NotDoneError(f"{watch.entity}: Home Assistant has no such entity, or its user may not see it")
    if watch.state == "unavailable":
        raise NotDoneError(f"{watch.entity}: Home Assistant cannot reach it")


def _demand_no_code(watch: Watch) -> None:
    if watch.attributes.get("code_arm_required") is True and watch.attributes.get("code_format") is not None:
        raise NotDoneError(f"{watch.entity}: it wants a code to be armed, and codes are not supported; set it not to")


async def _call(line: Line, service: str, data: Mapping[str, Any]) -> None:
    domain, _, name = service.partition(".")
    await line.command("call_service", domain=domain, service=name, service_data=dict(data))


class HomeAssistantChannel:
    """A `Responder` that tells a person: ``notify.mobile_app_…`` on a phone, ``persistent_notification.create`` on
    Home Assistant's own pages.

    What is told of one incident stands in one place: the same message again, or a follow-up, replaces what was there.
    On a phone a question has the buttons *That was me* and *Not me*; their action is `ACTION_PREFIX` and what
    ``press`` writes. Home Assistant says that it has handed a message on, not that a phone has shown it; and whoever
    administers it sees these actions on their way, and so could answer for those who are asked through it.

    Raises:
        ValueError: ``service`` is not one of these.
    """

    def __init__(
        self,
        dial: Dial,
        service: str,
        *,
        press: WritePress,
        name: str = "home_assistant_phone",
        title: str = "Homeward",
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        domain, _, target = service.partition(".")
        phone = domain == "notify" and target not in ("send_message", "persistent_notification")
        if not _SERVICE.fullmatch(service) or not (phone or service == "persistent_notification.create"):
            raise ValueError(
                f"service {service!r}: write notify.mobile_app_NAME, another notify.NAME that takes data, or "
                "persistent_notification.create"
            )
        self.name = name
        self._dial = dial
        self._service = service
        self._is_phone = phone
        self._press = press
        self._title = title
        self._timeout = timeout

    async def apply(self, action: Action) -> None:
        """Send the message.

        Raises:
            LookupError: the command is no message.
            ValueError: there is nothing to tell, or the names in a press are too long.
            OSError: Home Assistant was not reached, refused, or did not take it in time.
        """
        if action.command not in MESSAGES:
            raise LookupError(f"{self._service} tells people and cannot {action.command}; name another responder")
        if not action.text:
            raise ValueError(f"{action.id}: a message without a text")
        data = self._to_phone(action) if self._is_phone else self._to_page(action)
        stage = _Stage(f"{self._service}: Home Assistant did not take it")
        async with _dialled(self._dial, self._timeout, stage) as line:
            await _call(line, self._service, data)

    async def revert(self, action: Action) -> None:
        """Nothing: what was said is said."""

    def _to_page(self, action: Action) -> dict[str, Any]:
        text = _MARKDOWN.sub(r"\\\1", action.text)  # a device's name must not become a link
        return {"title": self._title, "message": text, "notification_id": _tag(action)}

    def _to_phone(self, action: Action) -> dict[str, Any]:
        data: dict[str, Any] = {"tag": _tag(action)}
        if action.command != "notify":  # wakes a phone that sleeps, and passes a focus that lets urgent things pass
            data |= {"ttl": 0, "priority": "high", "push": {"interruption-level": "time-sensitive"}}
        if action.command == "ask":
            yes, no = (self._action(says, action) for says in ("yes", "no"))
            data["actions"] = [
                # A phone that lies about locked must not stand in for its owner.
                {"action": yes, "title": "That was me", "authenticationRequired": True},
                {"action": no, "title": "Not me", "destructive": True},
            ]
        text = action.text.replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")  # Android reads HTML
        return {"title": self._title, "message": text, "data": data}

    def _action(self, says: Literal["yes", "no"], action: Action) -> str:
        written = ACTION_PREFIX + self._press(says, action.incident, action.device)
        if len(written) > ACTION_LIMIT:
            raise ValueError(f"a button's action takes {ACTION_LIMIT} characters; give {self.name} a shorter name")
        return written


def _tag(action: Action) -> str:
    return f"homeward-{action.incident}"
