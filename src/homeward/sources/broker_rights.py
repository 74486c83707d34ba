"""Who may write what on a broker: Mosquitto's files and its dynamic security, read and judged. Pure: text in.

https://mosquitto.org/man/mosquitto-conf-5.html, https://mosquitto.org/documentation/dynamic-security/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeward.sources.dialects import table, text
from homeward.sources.payloads import Refused, read_json
from homeward.sources.topics import matches

ANONYMOUS: Final = "(without a name)"
"""Whoever connects without a user name."""

EVERYBODY: Final = "(everybody)"
"""Every user, where nothing tells them apart."""

USER_LIMIT: Final = 10_000
"""How many users, and how many rules of one, are looked at."""

_LINE_LIMIT: Final = 4_096


@dataclass(frozen=True, slots=True)
class Right:
    """Whether publishing to the topics of a filter is allowed. ``%u`` is the user's name, ``%c`` any client id."""

    filter: str
    allow: bool = True


@dataclass(frozen=True, slots=True)
class Writer:
    """A user of the broker. The first of its rights that matches a topic decides; ``otherwise`` where none does."""

    name: str
    rights: tuple[Right, ...] = ()
    otherwise: bool = False

    def may_write(self, topic: str) -> bool:
        """Whether it may publish to the topic."""
        for right in self.rights:
            if matches(right.filter.replace("%u", self.name).replace("%c", "+"), topic):
                return right.allow
        return self.otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFile:
    """What Mosquitto's configuration says of who may come in: its files, and each listener that others can reach."""

    anonymous: bool = False
    acl_file: str = ""
    password_file: str = ""
    include_dir: str = ""
    plugins: tuple[str, ...] = ()
    open_listeners: tuple[str, ...] = ()
    """Listeners without TLS that are not bound to this machine alone: ``port`` or ``port address``."""


def read_configuration(written: str) -> BrokerFile:
    """Read ``mosquitto.conf``. What is not known is passed over; the last of several values counts."""
    anonymous, files, plugins = False, {"acl_file": "", "password_file": "", "include_dir": ""}, []
    listeners: list[tuple[str, bool]] = []  # each with whether it has TLS
    for key, value in _lines(written):
        if key == "allow_anonymous":
            anonymous = value == "true"
        elif key in files:
            files[key] = value
        elif key in ("plugin", "auth_plugin"):
            plugins.append(value)
        elif key in ("listener", "port"):
            listeners.append((value, False))
        elif key in ("certfile", "psk_hint") and listeners:
            listeners[-1] = (listeners[-1][0], True)
    return BrokerFile(
        anonymous=anonymous,
        **files,
        plugins=tuple(plugins),
        open_listeners=tuple(where for where, tls in listeners if not tls and not _is_local(where)),
    )


def read_acl(written: str, users: Iterable[str] = ()) -> list[Writer]:
    """Read an ``acl_file``. ``users`` are those of the password file; who is named in neither is not known.

    A *deny* that matches goes before every permission. ``pattern`` holds for every user.
    """
    own: dict[str, list[Right]] = {ANONYMOUS: [], **{user: [] for user in users}}
    patterns: list[Right] = []
    user = ANONYMOUS
    for key, value in _lines(written):
        if key == "user":
            if len(own) < USER_LIMIT:
                user = value
                own.setdefault(user, [])
        elif key in ("topic", "pattern"):
            access, _, filter_ = value.partition(" ")
            if access not in ("read", "write", "readwrite", "deny") or not filter_:
                access, filter_ = "readwrite", value
            rights = patterns if key == "pattern" else own[user]
            if access != "read" and len(rights) < USER_LIMIT:
                rights.append(Right(filter_.strip(), access != "deny"))
    nameless = [right for right in patterns if "%u" not in right.filter]
    return [
        Writer(name, _denials_first((*rights, *(nameless if name == ANONYMOUS else patterns))))
        for name, rights in own.items()
    ]


def read_users(written: str) -> list[str]:
    """The names in a ``password_file``; nothing else of it is kept."""
    names = (line.partition(":")[0].strip() for line in written.splitlines() if ":" in line)
    return [name for name in names if name and not name.startswith("#")][:USER_LIMIT]


def read_dynamic_security(answers: Sequence[bytes]) -> list[Writer]:
    """Read what dynamic security answered to `QUESTIONS`; nothing where it answered nothing of use.

    Rights are ordered by their priority within a role, roles by theirs, and a user's own roles stand before groups'.
    """
    said: dict[str, Mapping[str, Any]] = {}
    for answer in answers:
        try:
            rows = read_json(answer).get("responses")
        except Refused:
            continue
        for row in map(table, rows if isinstance(rows, list) else []):
            said[text(row.get("command"))] = table(row.get("data"))
    clients, roles = _rows(said, "listClients", "clients"), _rows(said, "listRoles", "roles")
    granted = {text(role.get("rolename")): _granted(role) for role in roles}
    groups = {text(group.get("groupname")): group for group in _rows(said, "listGroups", "groups")}
    defaults = _rows(said, "getDefaultACLAccess", "acls")
    otherwise = any(row.get("acltype") == "publishClientSend" and row.get("allow") is True for row in defaults)
    writers = []
    for client in clients:
        if client.get("disabled") is not True and (name := text(client.get("username"))):
            member = [groups.get(text(one.get("groupname")), {}) for one in _prior(client.get("groups"))]
            names = [text(one.get("rolename")) for one in _prior(client.get("roles"))]
            names += [text(one.get("rolename")) for group in member for one in _prior(group.get("roles"))]
            rights = tuple(right for role in names for right in granted.get(role, ()))
            writers.append(Writer(name, rights[:USER_LIMIT], otherwise))
    nameless = text(table(table(said.get("getAnonymousGroup")).get("group")).get("groupname"))
    if nameless:
        names = [text(one.get("rolename")) for one in _prior(groups.get(nameless, {}).get("roles"))]
        rights = tuple(right for role in names for right in granted.get(role, ()))
        writers.append(Writer(ANONYMOUS, rights[:USER_LIMIT], otherwise))
    return writers


QUESTIONS: Final = (
    b'{"commands": [{"command": "listClients", "verbose": true, "count": -1, "offset": 0},'
    b' {"command": "listGroups", "verbose": true, "count": -1, "offset": 0},'
    b' {"command": "listRoles", "verbose": true, "count": -1, "offset": 0},'
    b' {"command": "getDefaultACLAccess"}, {"command": "getAnonymousGroup"}]}'
)
"""What dynamic security is asked; nothing of it changes anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a user of the broker may write: ``commands`` and ``states`` of which devices, and ``discovery`` topics.

    ``device`` is the device whose user it seems to be, by its name; of that it may write everything. A bridge or a
    hub must write what a device must not: ``device`` is empty, and whether it is right is for the owner to say.
    """

    user: str
    device: str = ""
    commands: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    discovery: tuple[str, ...] = ()

    @property
    def excess(self) -> bool:
        """Whether it is more than a device needs, or nobody's in particular."""
        nobody = self.user in (ANONYMOUS, EVERYBODY)
        return bool(self.commands or self.states or self.discovery) and (nobody or bool(self.device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Where a device is commanded and where it tells its states. ``names`` are what its user may be called."""

    device: str
    names: frozenset[str] = field(default_factory=frozenset)
    commands: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


def reaches(writers: Iterable[Writer], devices: Sequence[Topics], discovery: Iterable[str]) -> list[Reach]:
    """Who may write topics that are not its own, of all that may write something; the farthest first."""
    probes, found = tuple(discovery), []
    for writer in writers:
        own = next((one.device for one in devices if writer.name.lower() in one.names), "")
        others = [one for one in devices if one.device != own]
        reach = Reach(
            user=writer.name,
            device=own,
            commands=tuple(one.device for one in others if any(map(writer.may_write, one.commands))),
            states=tuple(one.device for one in others if any(map(writer.may_write, one.states))),
            discovery=tuple(topic for topic in probes if writer.may_write(topic)),
        )
        if reach.commands or reach.states or reach.discovery:
            found.append(reach)
    return sorted(found, key=lambda one: (not one.excess, -len(one.commands), -len(one.states), one.user))


def _lines(written: str) -> Iterable[tuple[str, str]]:
    for line in written.splitlines():
        if line and line[0] != "#" and len(line) <= _LINE_LIMIT:
            key, _, value = line.strip().partition(" ")
            yield key, value.strip()


def _is_local(listener: str) -> bool:
    port, _, address = listener.partition(" ")
    return address.strip() in ("127.0.0.1", "::1", "localhost") or port == "0"  # 0: a socket file


def _denials_first(rights: Iterable[Right]) -> tuple[Right, ...]:
    return tuple(sorted(rights, key=lambda right: right.allow))


def _rows(said: Mapping[str, Mapping[str, Any]], command: str, key: str) -> list[dict[str, Any]]:
    rows = said.get(command, {}).get(key)
    return [table(row) for row in rows[:USER_LIMIT]] if isinstance(rows, list) else []


def _prior(rows: object) -> list[dict[str, Any]]:
    """Rows by their priority, highest first."""
    listed = [table(row) for row in rows[:USER_LIMIT]] if isinstance(rows, list) else []
    return sorted(listed, key=lambda row: -_priority(row))


def _priority(row: Mapping[str, Any]) -> int:
    said = row.get("priority", 0)
    return said if isinstance(said, int) else 0


def _granted(role: Mapping[str, Any]) -> list[Right]:
    rights = [row for row in _prior(role.get("acls")) if row.get("acltype") == "publishClientSend"]
    return [Right(row["topic"], row.get("allow") is True) for row in rights if isinstance(row.get("topic"), str)]
