"""How the guard answers: devices in Home Assistant, the broker's users, the firewall, and channels to people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from homeward.config.tables import ChannelSection, ConfigError, FirewallSection, Tables
from homeward.core.quiet_hours import QuietHours
from homeward.core.settings import Listener
from homeward.core.vocabulary import CLAIMS
from homeward.responders.home_assistant import EntityCommand
from homeward.responders.nftables_addresses import Never, networks, target

BUILT_IN: Final = ("dry_run", "mqtt", "home_assistant", "mosquitto", "nftables")
"""The responders that are not channels."""

CLAIMING: Final = frozenset({"dry_run", "mosquitto", "nftables"})
"""Those that can restrict and quarantine; a webhook may too."""

CHANNEL_LIMIT: Final = 16


class Faults(Protocol):
    """What the checks of a configuration have for all of its tables."""

    def fault(self, key: str, what: str, remedy: str) -> ConfigError: ...
    def resolve(self, name: str) -> Path: ...
    def existing(self, key: str, name: str) -> Path: ...
    def secret(self, key: str, name: str, kind: str, *, lines: bool = False) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to tell people, checked: ``secrets`` are what was read from its files."""

    name: str
    section: ChannelSection
    ca_file: Path | None = None
    token: str | None = None
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What responders are made from. ``broker_users`` is the user behind a device, ``own_topics`` what a restricted
    one may still do; ``never_users`` are left alone."""

    entities: tuple[EntityCommand, ...] = ()
    broker_users: dict[str, str] = field(default_factory=dict)
    own_topics: dict[str, list[str]] = field(default_factory=dict)
    never_users: tuple[str, ...] = ()
    dynamic_security: bool = False
    firewall: FirewallSection | None = None
    channels: tuple[Channel, ...] = ()
    answer_entity: str = ""


def answering(tables: Tables, has: Faults) -> Answering:
    """What the tables say of it.

    Raises:
        ConfigError: something cannot be used, or what it needs is not configured.
    """
    channels = tuple(_channel(name, one, tables, has) for name, one in tables.channel.items())
    if len(channels) > CHANNEL_LIMIT:
        raise has.fault("channel", f"{len(channels)} channels", f"write at most {CHANNEL_LIMIT}")
    _needed(tables, has)
    dynamic, firewall = tables.mosquitto, tables.nftables
    if firewall is not None:
        _firewall(firewall, has)
    return Answering(
        entities=_entities(tables, has),
        broker_users=dict(dynamic.users) if dynamic else {},
        own_topics=dict(dynamic.own_topics) if dynamic else {},
        never_users=tuple(dynamic.never) if dynamic else (),
        dynamic_security=dynamic is not None,
        firewall=firewall,
        channels=channels,
        answer_entity=tables.home_assistant.answer_entity if tables.home_assistant else "",
    )


def listeners(tables: Tables, fault: Callable[[str, str, str], ConfigError]) -> tuple[Listener, ...]:
    """Who is told what, through which channel.

    Raises:
        ConfigError: a channel or hours are none.
    """
    found = []
    for number, one in enumerate(tables.listener):
        key = f"listener[{number}]"
        if one.channel not in tables.channel:
            known = ", ".join(tables.channel) or "none; add a table [channel.NAME]"
            raise fault(f"{key}.channel", f"no channel is called {one.channel!r}", f"known: {known}")
        if one.person != "household" and not one.person.startswith("person:"):
            remedy = f'write "household", or a person as the sources do, such as "person:{one.person}"'
            raise fault(f"{key}.person", f"{one.person!r} names nobody", remedy)
        try:
            quiet = QuietHours.parse(one.quiet_hours) if one.quiet_hours else None
        except ValueError as error:
            raise fault(f"{key}.quiet_hours", str(error), 'write quiet_hours = "22:00-07:00"') from None
        hours = None if quiet is None else (quiet.begin, quiet.end)
        found.append(Listener(name=one.person, channel=one.channel, quiet=hours, second=one.second))
    if found and all(one.second for one in found):
        raise fault("listener", "everybody is told second", "write second = false for who is told first")
    return tuple(found)


def _needed(tables: Tables, has: Faults) -> None:
    """Each response's responder is there, and can do what it is asked for."""
    parts = {
        "mqtt": tables.mqtt,
        "mosquitto": tables.mosquitto,
        "nftables": tables.nftables,
        "home_assistant": tables.home_assistant,
    }
    for number, one in enumerate(tables.response):
        key = f"response[{number}].responder"
        if one.responder in parts and parts[one.responder] is None:
            raise has.fault(key, f"there is no {one.responder}", f"add a table [{one.responder}]")
        claims = one.command in CLAIMS
        kind = tables.channel[one.responder].kind if one.responder in tables.channel else ""
        if one.responder in tables.channel and kind != "webhook":
            raise has.fault(key, f"{one.responder} carries messages only", "name a responder, or a webhook")
        if claims and one.responder not in CLAIMING and kind != "webhook":
            raise has.fault(key, f"{one.responder} cannot {one.command} a device", "name nftables or mosquitto")
        if not claims and one.responder in {"mosquitto", "nftables"}:
            raise has.fault(key, f"{one.responder} can restrict and quarantine only", "name another responder")
    if tables.mosquitto is not None and tables.mqtt is None:
        raise has.fault("mosquitto", "there is no broker", "add a table [mqtt]")


def _entities(tables: Tables, has: Faults) -> tuple[EntityCommand, ...]:
    entities: dict[str, EntityCommand] = {}
    for number, one in enumerate(tables.response):
        if one.responder != "home_assistant":
            continue
        key = f"response[{number}].entity"
        if not one.entity:
            remedy = f'name what {one.device} is in Home Assistant, such as entity = "lock.front_door"'
            raise has.fault(key, "is missing", remedy)
        try:
            entity = EntityCommand(device=one.device, entity=one.entity, services=one.services)
            entity.service(one.command)
        except (ValueError, LookupError, OSError) as error:
            raise has.fault(key, str(error), "name an entity and services that Home Assistant has") from None
        if entities.setdefault(one.device, entity) != entity:
            raise has.fault(key, f"{one.device} has another entity already", "give all its responses the same one")
    return tuple(entities.values())


def _firewall(section: FirewallSection, has: Faults) -> None:
    try:
        Never(section.never)
        networks(section.resolvers)
        for device, addresses in section.addresses.items():
            target(device, addresses)
    except ValueError as error:
        raise has.fault(
            "nftables", str(error), 'write addresses such as "192.168.1.20" or a hardware address'
        ) from None


_WANTED: Final = {
    "ntfy": ("server", "topic"),
    "apprise": ("urls_file",),
    "webhook": ("url", "secret_file"),
    "home_assistant": ("service",),
}
_MAY: Final = {
    "ntfy": ("answers_topic", "token_file", "phone_server", "click", "ca_file"),
    "webhook": ("ca_file",),
}


def _channel(name: str, one: ChannelSection, tables: Tables, has: Faults) -> Channel:
    key = f"channel.{name}"
    if name in BUILT_IN or not name.isidentifier():
        raise has.fault(
            key, f"{name!r} is no name for a channel", "write a word of your own, such as [channel.phone]"
        )
    wanted, may = _WANTED[one.kind], _MAY.get(one.kind, ())
    for field_ in ChannelSection.__struct_fields__[1:]:
        given = bool(getattr(one, field_))
        if field_ in wanted and not given:
            raise has.fault(
                f"{key}.{field_}", "is missing", f"a channel of kind {one.kind} needs {', '.join(wanted)}"
            )
        if given and field_ not in wanted + may:
            raise has.fault(f"{key}.{field_}", f"is nothing of kind {one.kind}", f"it has {', '.join(wanted + may)}")
    if one.kind == "home_assistant" and tables.home_assistant is None:
        raise has.fault(key, "there is no Home Assistant", "add a table [home_assistant]")
    if one.kind in {"ntfy", "webhook"} and not urlsplit(one.server or one.url).hostname:
        raise has.fault(f"{key}.{wanted[0]}", "is no address", 'write one such as "https://ntfy.example.org"')
    secrets: tuple[str, ...] = ()
    if one.kind == "apprise":
        secrets = tuple(has.secret(f"{key}.urls_file", one.urls_file, "address", lines=True).split("\n"))
    elif one.kind == "webhook":
        secrets = (has.secret(f"{key}.secret_file", one.secret_file, "secret"),)
    return Channel(
        name=name,
        section=one,
        ca_file=has.existing(f"{key}.ca_file", one.ca_file) if one.ca_file else None,
        token=has.secret(f"{key}.token_file", one.token_file, "token") if one.token_file else None,
        secrets=secrets,
    )
