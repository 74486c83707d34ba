"""Users of a Mosquitto broker cut off, or narrowed, by its dynamic-security plugin; and let in again as they were.

A claim is a role at the broker, named after guard and action, which says in its own description what it is for and
whether the user was enabled before (`homeward.responders.broker_claims`). So nothing needs to be remembered here, and
the broker, which keeps its roles on disk, holds the claim over its own restart and over ours. Each act asks for all
users, groups and roles, commands what is not yet as it must be, and asks again: it has succeeded when nothing is left
to command, not when the broker says so.

What the plugin of Mosquitto 2.0 cannot do:

- **It has no time-outs.** Unlike a firewall's, a claim ends only when the guard is there to end it.
- **It knows users, not connections.** Whoever logs in as the user is meant, and who came without a name cannot be
  cut off. Which client ids are connected as which user it does not tell: only the broker's log does, at the login.
- **It ends a user's connections whenever its roles change.** A restricted device, too, is disconnected when the claim
  begins and when it ends, without its last will, and comes back by itself.

https://mosquitto.org/documentation/dynamic-security/
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal, Protocol, Self, TypeVar, cast

import msgspec
from paho.mqtt.client import Client, MQTTMessage, error_string
from paho.mqtt.enums import MQTTErrorCode

from homeward.core.effects import Action
from homeward.core.vocabulary import CLAIMS, RELEASE
from homeward.responders.broker_claims import (
    COMMAND_TOPICS,
    CONTROL,
    PRIORITY,
    Command,
    Group,
    Note,
    Picture,
    Role,
    User,
    claiming,
    is_filter,
    note_of,
    read_claim,
    read_right,
    releasing,
    was_enabled,
)

CLIENT_SUFFIX: Final = "-broker"
"""What this responder's client id has more than the source's."""

TIMEOUT_SECONDS: Final = 8.0
"""For one act in all; the service waits for ten."""

ANSWER_SECONDS: Final = 3.0
ANSWER_LIMIT: Final = 4 << 20
"""The longest answer that is read, in bytes: thousands of users."""

_ROUNDS: Final = 2
_LISTS: Final[list[Command]] = [
    *({"command": command, "verbose": True, "count": -1, "offset": 0} for command in ("listClients", "listGroups")),
    {"command": "listRoles", "verbose": True, "count": -1, "offset": 0},
    {"command": "getDefaultACLAccess"},
]  # fmt: skip


class Broker(Protocol):
    """What the responder needs to know of the broker (`homeward.sources.mqtt.MqttSettings` has it)."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def client_id(self) -> str: ...
    @property
    def username(self) -> str | None: ...
    @property
    def keepalive(self) -> int: ...

    def new_client(self, client_id: str, *, clean_session: bool) -> Client: ...


class DynamicSecurityError(ConnectionError):
    """The broker was not reached, did not answer, or did not do it. It may be asked again."""


class NeverTouchedError(PermissionError):
    """The user is the guard itself, administers the broker, or is excepted by the owner."""


class _Users(msgspec.Struct):
    clients: tuple[User, ...]


class _Groups(msgspec.Struct):
    groups: tuple[Group, ...]


class _Roles(msgspec.Struct):
    roles: tuple[Role, ...]


class _Default(msgspec.Struct):
    acltype: str
    allow: bool = False


class _Defaults(msgspec.Struct):
    acls: tuple[_Default, ...]


class Row(msgspec.Struct, rename="camel"):
    """The answer to one command."""

    command: str = ""
    error: str = ""
    correlation_data: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Answer(msgspec.Struct):
    responses: tuple[Row, ...] = ()


_Listed = TypeVar("_Listed", _Users, _Groups, _Roles, _Defaults)


class MosquittoResponder:
    """A `Responder` for the broker's users: ``quarantine`` and ``restrict``, which ``release`` takes back.

    ``quarantine``: the user's connections end, and it cannot log in. If it still can (by a certificate, of which the
    plugin is not asked), it may neither publish nor receive anything.

    ``restrict``: of what the user may do by its own rights, only a part is left; nothing is ever added. The part is
    named by lines ``publish FILTER`` and ``subscribe FILTER``: those in ``action.allow``, else the device's in
    ``own_topics``. Where a line says *publish*, the user publishes only to such filters, otherwise to everything but
    ``command_topics``. Where a line says *subscribe*, it receives only what fits such a filter, otherwise all that it
    did. Its rights are taken as they are when the claim is made.

    The user behind a device is the one that ``clients`` names, else the one of that name, else the only one that is
    bound to that client id. A client id is what a stranger chose to call itself, and must never be given for a
    device: it could be that of an innocent. ``never`` names users and devices that are left alone, as are the guard's
    own user and all whose roles let them command dynamic security.

    Two claims on one user: what either takes away is gone; each ends alone.

    Raises:
        ValueError: a line of ``own_topics`` or a command topic is no such thing.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        clients: Mapping[str, str] | None = None,
        own_topics: Mapping[str, Sequence[str]] | None = None,
        command_topics: Sequence[str] = COMMAND_TOPICS,
        never: Collection[str] = (),
        name: str = "mosquitto",
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = name
        self._broker = broker
        self._clients = {} if clients is None else clients
        self._own = {} if own_topics is None else own_topics
        self._commands = command_topics
        self._never = frozenset(never)
        self._timeout = timeout
        self._one_at_a_time = threading.Lock()
        for device, lines in self._own.items():
            for line in lines:
                if read_right(line) is None:
                    raise ValueError(f"own topic {line!r} of {device}: write 'publish FILTER' or 'subscribe FILTER'")
        for topic in command_topics:
            if not is_filter(topic):
                raise ValueError(f"command topic {topic!r}: write a topic filter, such as 'plug/set'")

    async def apply(self, action: Action) -> None:
        """Make the claim.

        Raises:
            LookupError: no user of the broker is known for the device.
            NeverTouchedError: the user is one that is left alone.
            ValueError: the action is no such claim, or the user's rights cannot be narrowed.
            DynamicSecurityError: the broker was not reached, did not answer, or did not do it.
        """
        await asyncio.to_thread(self._apply, action)

    async def revert(self, action: Action) -> None:
        """Take the claim back.

        Raises:
            ValueError: the claim was altered at the broker, so that it no longer says what to restore.
            DynamicSecurityError: as `apply`.
        """
        await asyncio.to_thread(self._revert, action)

    def _apply(self, action: Action) -> None:
        if action.command not in CLAIMS or action.restore != RELEASE or action.ends is None:
            raise ValueError(
                f"{action.command} of {action.device}: this responder takes quarantine and restrict, which end "
                f"and are restored by {RELEASE}"
            )
        name = self._role(action)
        with self._talk() as broker:
            picture = broker.look()
            note = self._note(picture, self._user(picture, action.device), action)
            _check_rank(picture, note)
            begun = read_claim(picture, name)
            if begun is not None and (begun.homeward, begun.user) != (note.homeward, note.user):
                # A journal that begins anew counts actions from one again: this is what an earlier life left behind.
                broker.settle(lambda now: releasing(now, name, self._commands))
                picture, begun = broker.look(), None
            before = was_enabled(picture, name, note.user) if begun is None else begun.enabled
            note = msgspec.structs.replace(note, enabled=before)
            broker.settle(lambda now: claiming(now, name, note, self._commands))

    def _revert(self, action: Action) -> None:
        name = self._role(action)
        with self._talk() as broker:
            broker.settle(lambda now: releasing(now, name, self._commands))

    def _role(self, action: Action) -> str:
        """The claim's role. Another guard at this broker has another client id, and may have such an action too."""
        return f"{self._broker.client_id}-{action.id}"

    def _note(self, picture: Picture, user: str, action: Action) -> Note:
        if user == self._broker.username or picture.administers(user):
            raise NeverTouchedError(f"{user} administers the broker, or is the guard itself, and is never touched")
        if {user, action.device} & self._never:
            raise NeverTouchedError(f"{user} is never touched: the configuration excepts it")
        said = [line for line in action.allow if read_right(line) is not None]
        return Note(
            homeward=cast(Literal["quarantine", "restrict"], action.command),
            user=user,
            until=action.ends.isoformat(timespec="seconds") if action.ends else "",
            allow=tuple(said or self._own.get(action.device, ())) if action.command == "restrict" else (),
        )

    def _user(self, picture: Picture, device: str) -> str:
        named = self._clients.get(device)
        if named is not None:
            if named in picture.users:
                return named
            raise LookupError(f"{device}: the broker has no user {named}; correct its name in the configuration")
        if device in picture.users:
            return device
        bound = [user.username for user in picture.users.values() if user.clientid == device]
        if len(bound) == 1:
            return bound[0]
        raise LookupError(
            f"no user of the broker is known for {device}; name the user it logs in as in the configuration"
        )

    @contextmanager
    def _talk(self) -> Iterator[Conversation]:
        """One at a time: the broker would push the first of two connections of one client id out."""
        began = time.monotonic()
        if not self._one_at_a_time.acquire(timeout=self._timeout):
            raise DynamicSecurityError("the act before this one is not done yet")
        try:
            with Conversation(self._broker, self._timeout - (time.monotonic() - began)) as broker:
                yield broker
        finally:
            self._one_at_a_time.release()


class Conversation:
    """One connection to the plugin, for at most so many seconds. Raises `DynamicSecurityError` from every method."""

    def __init__(self, broker: Broker, seconds: float = TIMEOUT_SECONDS) -> None:
        self._broker = broker
        self._where = f"{broker.host}:{broker.port}"
        self._deadline = time.monotonic() + seconds
        self._client = broker.new_client(f"{broker.client_id}{CLIENT_SUFFIX}", clean_session=True)
        self._rows: dict[str, Row] = {}
        self._fault = ""

    def __enter__(self) -> Self:
        try:
            self._log_in()
        except BaseException as error:
            self._close()
            if isinstance(error, OSError) and not isinstance(error, DynamicSecurityError):
                raise DynamicSecurityError(
                    f"{self._where}: cannot connect ({error}); is the broker running?"
                ) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _log_in(self) -> None:
        client, said, heard = self._client, list[str](), list[int]()
        client.connect_timeout = max(0.1, self._deadline - time.monotonic())
        client.on_connect = lambda _client, _data, _flags, code, _properties: said.append(str(code))
        client.on_subscribe = lambda _client, _data, mid, *_: heard.append(mid)
        client.on_message = self._receive
        client.connect(self._broker.host, self._broker.port, self._broker.keepalive)
        sock = client.socket()
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if why := self._run(client.is_connected):
            raise DynamicSecurityError(f"{self._where}: not logged in ({said[0] if said else why})")
        client.subscribe(f"{CONTROL}/response", 1)
        if why := self._run(lambda: bool(heard)):
            raise DynamicSecurityError(f"{self._where}: {why}")

    def look(self) -> Picture:
        """All users, groups and roles."""
        rows = self.ask(_LISTS)
        if fault := next((row.error for row in rows if row.error), ""):
            raise DynamicSecurityError(f"{self._where}: dynamic security tells nothing ({fault})")
        return Picture(
            users={one.username: one for one in self._listed(rows[0], _Users).clients},
            groups={one.groupname: one for one in self._listed(rows[1], _Groups).groups},
            roles={one.rolename: one for one in self._listed(rows[2], _Roles).roles},
            defaults={one.acltype: one.allow for one in self._listed(rows[3], _Defaults).acls},
        )

    def settle(self, missing: Callable[[Picture], list[Command]]) -> None:
        """Command what is missing until nothing is."""
        fault = ""
        for _ in range(_ROUNDS):
            commands = missing(self.look())
            if not commands:
                return
            fault = next((f"{row.command}: {row.error}" for row in self.ask(commands) if row.error), "")
        if missing(self.look()):
            raise DynamicSecurityError(f"{self._where}: not done ({fault or 'though dynamic security says it is'})")

    def ask(self, commands: Sequence[Command]) -> list[Row]:
        """Give commands in one message; returns what was answered to each."""
        token = secrets.token_hex(8)
        tags = [f"{token}-{place}" for place in range(len(commands))]
        tagged = [command | {"correlationData": tag} for command, tag in zip(commands, tags, strict=True)]
        self._rows.clear()
        # The answer says that it came; a PUBACK before it would hold the answer back for a delayed ACK, 40 ms.
        self._client.publish(CONTROL, msgspec.json.encode({"commands": tagged}), qos=0)
        until = min(self._deadline, time.monotonic() + ANSWER_SECONDS)
        if why := self._run(lambda: self._rows.keys() >= set(tags), until):
            raise DynamicSecurityError(
                f"{self._where}: {why} from dynamic security; does Mosquitto load the plugin, and may "
                f"{self._broker.username or 'the guard'} publish to {CONTROL}?"
            )
        return [self._rows[tag] for tag in tags]

    def _close(self) -> None:
        self._client.disconnect()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _receive(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if len(message.payload) > ANSWER_LIMIT:
            self._fault = f"an answer of more than {ANSWER_LIMIT >> 20} MiB"
            return
        try:
            answer = msgspec.json.decode(message.payload, type=_Answer)
        except (ValueError, RecursionError):
            self._fault = "an answer that cannot be read"
            return
        self._rows.update((row.correlation_data, row) for row in answer.responses)

    def _listed(self, row: Row, kind: type[_Listed]) -> _Listed:
        try:
            return msgspec.json.decode(row.data, type=kind)
        except (ValueError, RecursionError):
            raise DynamicSecurityError(f"{self._where}: the answer to {row.command} cannot be read") from None

    def _run(self, done: Callable[[], bool], until: float = float("inf")) -> str:
        """Let the client talk until it is done; returns why it is not."""
        while not done():
            left = min(until, self._deadline) - time.monotonic()
            if self._fault or left <= 0:
                return self._fault or "no answer in time"
            code = self._client.loop(left)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return error_string(code)
        return ""


def _check_rank(picture: Picture, note: Note) -> None:
    """Raises `ValueError` where a role of the owner's would go before a restriction; cutting off needs no rank."""
    for one in () if note.cuts_off else picture.users[note.user].roles:
        role = picture.roles.get(one.rolename)
        if one.priority >= PRIORITY[note.homeward] and role is not None and note_of(role) is None:
            raise ValueError(
                f"{note.user} has the role {one.rolename} with priority {one.priority}, which goes before any "
                f"restriction; give it one below {PRIORITY[note.homeward]}"
            )
