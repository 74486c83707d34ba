"""Claims on the users of a Mosquitto broker: what its dynamic security says, and what it must be told. Pure.

A claim is a role at the broker (a `Note` in its description says what it is for) that goes before all other roles of
one user. `claiming` and `releasing` compare what the broker says with what must be, and return the commands that are
still missing, in an order in which any first part of them leaves a state that the rest can be found from; none, when
all is done.

https://mosquitto.org/documentation/dynamic-security/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, Literal

import msgspec

CONTROL: Final = "$CONTROL/dynamic-security/v1"
"""Where dynamic security takes commands; it answers one level below."""

PRIORITY: Final[Mapping[str, int]] = {"quarantine": 100_000, "restrict": 99_999}
"""A user's roles are asked in this order, highest first."""

RIGHTS_LIMIT: Final = 1_000
"""How many rules one restriction may come to."""

FILTER_LIMIT: Final = 1_024
"""How long a topic filter may be, in characters."""

COMMAND_TOPICS: Final = (
    "+/set/#", "+/+/set/#", "+/+/+/set/#", "+/+/+/+/set/#", "zigbee2mqtt/bridge/request/#",
    "cmnd/#", "+/cmnd/#", "+/command/#", "+/+/command/#", "+/+/+/command/#", "+/+/+/+/command/#", "+/rpc/#",
    "homeassistant/#", "tasmota/discovery/#",
)  # fmt: skip
"""Where devices of the usual makes take commands, and where they are made known to hubs."""

_SENDS, _RECEIVES = "publishClientSend", "publishClientReceive"
_EVERYTHING: Final = ("#", "$SYS/#", "$CONTROL/#", "$share/#")  # '#' means no topic that begins with '$'
_RIGHT: Final = re.compile(r"(publish|subscribe) (\S.*)")


class Acl(msgspec.Struct, frozen=True):
    """A rule of a role. The first that fits a topic decides: roles in a user's order, rules in a role's."""

    acltype: str
    topic: str
    allow: bool = False
    priority: int = 0


class Membership(msgspec.Struct, frozen=True):
    """That a user has a role or is in a group, or that a group has a role."""

    rolename: str = ""
    groupname: str = ""
    priority: int = -1


class User(msgspec.Struct, frozen=True):
    """What the plugin calls a client: whoever logs in by this name. ``clientid``: only under this client id."""

    username: str
    clientid: str = ""
    disabled: bool = False
    roles: tuple[Membership, ...] = ()
    groups: tuple[Membership, ...] = ()


class Group(msgspec.Struct, frozen=True):
    groupname: str
    roles: tuple[Membership, ...] = ()


class Role(msgspec.Struct, frozen=True):
    rolename: str
    textdescription: str = ""
    acls: tuple[Acl, ...] = ()


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a claim's role says of itself. ``enabled``: the user was, before the first of the claims that hold."""

    homeward: Literal["quarantine", "restrict"]
    user: str
    until: str
    allow: tuple[str, ...] = ()
    enabled: bool = True

    @property
    def cuts_off(self) -> bool:
        return self.homeward == "quarantine"


Command = dict[str, Any]


def note_of(role: Role) -> Note | None:
    """The note in a role's description, if the role is a claim."""
    try:
        return msgspec.json.decode(role.textdescription, type=Note)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that dynamic security says of users, groups and roles. ``defaults`` is what holds without a rule."""

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    roles: Mapping[str, Role]
    defaults: Mapping[str, bool]

    def claims(self, user: str) -> dict[str, Note]:
        """The claims that hold on a user, by the names of their roles."""
        found = {}
        for one in self.users[user].roles:
            role = self.roles.get(one.rolename)
            note = None if role is None else note_of(role)
            if note is not None and note.user == user:
                found[one.rolename] = note
        return found

    def rules(self, user: str, acltype: str) -> Iterator[Acl]:
        """The user's own rules in the order in which the broker asks them, claims left out."""
        groups = (self.groups[one.groupname] for one in self.users[user].groups if one.groupname in self.groups)
        for roles in (self.users[user].roles, *(group.roles for group in groups)):
            for one in roles:
                role = self.roles.get(one.rolename)
                if role is not None and note_of(role) is None:
                    yield from (acl for acl in role.acls if acl.acltype == acltype)

    def administers(self, user: str) -> bool:
        """Whether a role lets the user command dynamic security."""
        deciding = (acl for acl in self.rules(user, _SENDS) if common(acl.topic, CONTROL) is not None)
        first = next(deciding, None)
        return first is not None and first.allow


def common(one: str, other: str) -> str | None:
    """The filter of all topics that fit both filters; ``None`` if there are none."""
    if (one[:1] in "#+" and other[:1] == "$") or (other[:1] in "#+" and one[:1] == "$"):
        return None  # a wildcard in front means no topic that begins with '$'
    mine, theirs = one.split("/"), other.split("/")
    shared: list[str] = []
    for level in range(max(len(mine), len(theirs))):
        a = mine[level] if level < len(mine) else None
        b = theirs[level] if level < len(theirs) else None
        if a == "#":
            return "/".join(shared + theirs[level:])
        if b == "#":
            return "/".join(shared + mine[level:])
        if a is None or b is None or (a != b and "+" not in (a, b)):
            return None
        shared.append(b if a == "+" else a)
    return "/".join(shared)


def is_filter(text: str) -> bool:
    """Whether the text is a topic filter of ordinary topics: ``#`` last, ``+`` and ``#`` alone on their level."""
    levels = text.split("/")
    return (
        0 < len(text) <= FILTER_LIMIT
        and text.isprintable()
        and not text.startswith("$")
        and "#" not in levels[:-1]
        and all(level in ("+", "#") or not set(level) & set("+#") for level in levels)
    )


def read_right(line: str) -> tuple[str, str] | None:
    """``publish FILTER`` or ``subscribe FILTER`` as its two parts; ``None`` for a line that speaks of no broker.

    Raises:
        ValueError: the filter is none.
    """
    match = _RIGHT.fullmatch(line)
    if match is None:
        return None
    if not is_filter(match[2]):
        raise ValueError(f"right {line!r}: write 'publish FILTER' or 'subscribe FILTER', such as 'publish plug/#'")
    return match[1], match[2]


def denials(note: Note, others: Iterable[Note], picture: Picture, commands: Sequence[str]) -> tuple[Acl, ...]:
    """The rules of a claim's role, while the others hold too.

    A user who is cut off may do nothing. For one who is restricted, all restrictions that hold are taken together
    (only the first role with a fitting rule is asked, and no order of two would keep to both). They take away from
    the user's own rules, and never add to them.
    """
    if note.cuts_off:
        topics = [(kind, topic, False) for kind in (_SENDS, _RECEIVES, "subscribePattern") for topic in _EVERYTHING]
        return _in_order(topics)
    held = [note, *(one for one in others if not one.cuts_off)]
    rows: list[tuple[str, str, bool]] = []
    for word, kind in (("publish", _SENDS), ("subscribe", _RECEIVES)):
        named = [[filter_ for said, filter_ in rights if said == word] for rights in map(_rights, held)]
        if word == "publish" and not all(named):
            rows += [(kind, topic, False) for topic in commands]
        if any(named):
            rows += _narrowed(picture, note.user, kind, reduce(_shared, filter(None, named)))
    return _in_order(rows)


def claiming(picture: Picture, name: str, note: Note, commands: Sequence[str]) -> list[Command]:
    """What is still to be told the broker so that the claim holds.

    Raises:
        LookupError: the user is gone.
    """
    user = picture.users.get(note.user)
    if user is None:
        raise LookupError(f"the broker has no user {note.user} any more")
    claims = {**picture.claims(note.user), name: note}
    to_do = _rewritten(picture, claims, commands)
    held = {one.rolename: one.priority for one in user.roles}
    if held.get(name) != PRIORITY[note.homeward]:
        if name in held:
            to_do.append({"command": "removeClientRole", "username": note.user, "rolename": name})
        to_do.append({"command": "addClientRole", "username": note.user, "rolename": name,
                      "priority": PRIORITY[note.homeward]})  # fmt: skip
    if note.cuts_off and not user.disabled:
        to_do.append({"command": "disableClient", "username": note.user})
    return to_do


def read_claim(picture: Picture, name: str) -> Note | None:
    """What the claim of this name is; ``None`` if there is none.

    Raises:
        ValueError: it no longer says so.
    """
    role = picture.roles.get(name)
    note = None if role is None else note_of(role)
    if role is not None and note is None:
        raise ValueError(f"the role {name} no longer says what it was for; delete it, and enable its user if need be")
    return note


def releasing(picture: Picture, name: str, commands: Sequence[str]) -> list[Command]:
    """What is still to be told the broker so that the claim is gone, and all else is as it was.

    Raises as `read_claim`.
    """
    note = read_claim(picture, name)
    if note is None:
        return []
    to_do: list[Command] = []
    user = picture.users.get(note.user)
    if user is not None:
        others = {role: one for role, one in picture.claims(note.user).items() if role != name}
        last = not any(one.cuts_off for one in others.values())
        if note.cuts_off and note.enabled and last and user.disabled:
            to_do.append({"command": "enableClient", "username": note.user})
        to_do += _rewritten(picture, others, commands)
    for bearer in picture.users.values():
        if any(one.rolename == name for one in bearer.roles):
            to_do.append({"command": "removeClientRole", "username": bearer.username, "rolename": name})
    return [*to_do, {"command": "deleteRole", "rolename": name}]


def was_enabled(picture: Picture, name: str, user: str) -> bool:
    """Whether the user was enabled before it was cut off: as the claims that hold already say, else as it is."""
    before = [one.enabled for role, one in picture.claims(user).items() if one.cuts_off and role != name]
    return any(before) if before else not picture.users[user].disabled


def _rewritten(picture: Picture, claims: Mapping[str, Note], commands: Sequence[str]) -> list[Command]:
    """The roles of claims that are not there yet, or whose rules are to change."""
    to_do: list[Command] = []
    for name, note in claims.items():
        others = [one for role, one in claims.items() if role != name]
        acls = denials(note, others, picture, commands)
        role = picture.roles.get(name)
        if role is None or note_of(role) != note or set(role.acls) != set(acls):
            to_do.append({
                "command": "createRole" if role is None else "modifyRole",
                "rolename": name,
                "textname": f"Homeward: {note.homeward} {note.user} until {note.until}",
                "textdescription": msgspec.json.encode(note).decode(),
                "acls": [msgspec.to_builtins(acl) for acl in acls],
            })  # fmt: skip
    return to_do


def _rights(note: Note) -> list[tuple[str, str]]:
    return [right for right in map(read_right, note.allow) if right is not None]


def _shared(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """The topics that fit one filter of each, as filters."""
    both = (common(one, other) for one in some for other in others)
    return list(dict.fromkeys(filter_ for filter_ in both if filter_ is not None))


def _narrowed(picture: Picture, user: str, kind: str, own: Sequence[str]) -> list[tuple[str, str, bool]]:
    """The user's own rules, of which only what is ``own`` is still allowed."""
    rows: list[tuple[str, str, bool]] = []
    for acl in picture.rules(user, kind):
        topics = _shared([acl.topic], own) if acl.allow else [acl.topic]
        rows += [(kind, topic, acl.allow) for topic in topics]
    if picture.defaults.get(kind):
        rows += [(kind, topic, True) for topic in own]
    return [*rows, *((kind, topic, False) for topic in _EVERYTHING)]


def _in_order(rows: Sequence[tuple[str, str, bool]]) -> tuple[Acl, ...]:
    """Rules that are asked in this order. A role has one rule of a kind for a topic: the first, which would decide.

    Raises:
        ValueError: there are too many.
    """
    first: dict[tuple[str, str], bool] = {}
    for kind, topic, allow in rows:
        first.setdefault((kind, topic), allow)
    if len(first) > RIGHTS_LIMIT:
        raise ValueError(
            f"the user has too many rights to narrow ({len(first)} rules, {RIGHTS_LIMIT} at most); "
            "give it fewer, or answer with quarantine"
        )
    return tuple(
        Acl(kind, topic, allow, len(first) - place) for place, ((kind, topic), allow) in enumerate(first.items())
    )
