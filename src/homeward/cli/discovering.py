"""``homeward discover``: look at what is there, say how it would be guarded, write the configuration."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from homeward import discover, discover_elsewhere
from homeward.config import ConfigError, load
from homeward.config.starter import local_zone
from homeward.dashboard.view import safe
from homeward.discover import BrokerFileError, Found
from homeward.discover_elsewhere import Heard
from homeward.sources.home_assistant_connection import HomeAssistantSettings
from homeward.sources.mqtt import MqttSettings
from homeward.sources.packets import PacketsSource

OK, PROBLEM, MISUSED = 0, 1, 2
TLS_PORT, PLAIN_PORT = 8883, 1883


class _Misused(Exception):  # noqa: N818 - a way out of reading what was asked
    """The command was called wrongly; the message is one line."""


def look(chosen: argparse.Namespace) -> int:
    """Look where the options say, or else where the configuration does."""
    try:
        broker, home, interface = _asked(chosen)
        found, devices, heard = asyncio.run(_look(chosen, broker, home, interface))
    except (_Misused, ConfigError) as error:
        print(f"homeward: {safe(str(error))}", file=sys.stderr)
        return MISUSED
    except (OSError, BrokerFileError, ValueError) as error:
        print(f"homeward: {safe(str(error))}", file=sys.stderr)
        return PROBLEM
    lines = [] if found is None else list(discover.report(found))
    if home is not None:
        lines += discover_elsewhere.report(home.url, devices)
    if interface:
        lines += discover_elsewhere.report(interface, heard)
    print("\n".join(map(safe, lines)))
    return OK if chosen.write is None else _write(chosen, found, home, devices, interface)


async def _look(
    chosen: argparse.Namespace, broker: MqttSettings | None, home: HomeAssistantSettings | None, interface: str
) -> tuple[Found | None, tuple[Heard, ...], tuple[Heard, ...]]:
    found: Found | None = None
    devices: tuple[Heard, ...] = ()
    heard: tuple[Heard, ...] = ()
    if broker is not None:
        found = await discover.look(
            broker, seconds=chosen.seconds, configuration=chosen.mosquitto, acl_file=chosen.acl
        )
    if home is not None:
        devices = await discover_elsewhere.look_at_home_assistant(home)
    if interface:
        source = PacketsSource(interface, idle_seconds=1, active_seconds=2)
        heard = await discover_elsewhere.listen_on(source, chosen.seconds)
    return found, devices, heard


def _asked(chosen: argparse.Namespace) -> tuple[MqttSettings | None, HomeAssistantSettings | None, str]:
    named = chosen.broker or chosen.home_assistant or chosen.interface
    if not named:
        if not chosen.config.exists():
            raise _Misused(
                f"say where to look (--broker HOST, --home-assistant URL, --interface NAME): no {chosen.config}"
            )
        config = load(chosen.config)
        packets = config.networks.packets
        if config.mqtt is None and config.home_assistant is None and packets is None:
            raise _Misused(f"{chosen.config} names no broker, no Home Assistant and no interface")
        return config.mqtt, config.home_assistant, "" if packets is None else packets.interface
    broker = home = None
    if chosen.broker:
        broker = MqttSettings(
            host=chosen.broker,
            port=chosen.port or (TLS_PORT if chosen.ca_file else PLAIN_PORT),
            username=chosen.user or None,
            password=_secret(chosen.password_file),
            ca_file=chosen.ca_file,
        )
    if chosen.home_assistant:
        token = _secret(chosen.token_file)
        if token is None:
            raise _Misused("a Home Assistant is asked with a long-lived token: add --token-file FILE")
        home = HomeAssistantSettings(url=chosen.home_assistant, token=token, ca_file=chosen.ca_file)
    return broker, home, chosen.interface or ""


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    secret = path.read_text("utf-8").strip()
    if not secret or "\n" in secret:
        raise _Misused(f"{path} holds no secret: write it on one line")
    return secret


def _write(
    chosen: argparse.Namespace,
    found: Found | None,
    home: HomeAssistantSettings | None,
    devices: tuple[Heard, ...],
    interface: str,
) -> int:
    text = discover_elsewhere.render(
        broker=found,
        password_file="" if chosen.password_file is None else str(chosen.password_file.absolute()),
        home_assistant="" if home is None else home.url,
        token_file="" if chosen.token_file is None else str(chosen.token_file.absolute()),
        home=devices,
        interface=interface,
        timezone=local_zone(),
    )
    try:
        discover.write_configuration(chosen.write, text)
    except FileExistsError:
        print(f"homeward: {chosen.write}: exists already and is left as it is; name another file", file=sys.stderr)
        return PROBLEM
    except OSError as error:
        print(f"homeward: {chosen.write}: {error.strerror}", file=sys.stderr)
        return PROBLEM
    print(f"Wrote {chosen.write}. Correct it, then: homeward check {chosen.write}")
    return OK
