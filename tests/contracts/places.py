"""The places that our sources listen to, each driven as the contract of every source asks."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests import captures
from tests.contracts.cable import Cable
from tests.home_assistant import HomeAssistant
from tests.mosquitto import PASSWORDS, Mosquitto
from tests.network_logs import CAMERA, ZeekFolder, conn, eve_flow
from tests.test_dialect_zigbee2mqtt import device as listed

from homeward.core.effects import Action
from homeward.core.event import Event
from homeward.core.flow import Flow
from homeward.responders.mqtt import CLIENT_SUFFIX, CommandTopic, MqttResponder
from homeward.sources import flow_events, log_values, neighbourhood, packets, topics
from homeward.sources.home_assistant import HomeAssistantSettings, HomeAssistantSource
from homeward.sources.mqtt import MqttSource
from homeward.sources.packets import PacketsSource
from homeward.sources.suricata import SuricataSource
from homeward.sources.topics import TopicRule
from homeward.sources.zeek import ZeekSource
from homeward.testing import Kept, Subject

LIMIT = 60
"""To how many devices the sources' limits are lowered; a flood tells of more."""

FLOOD = 300
FLOWS_ARE_EVENTS = "each flow is an event; those of one kind within a minute are one"
FLOWS_ARE_NO_ACTS = "the guard's own flows are no acts on a device"
ACT = Action(
    id="lease-1", incident="incident-1", responder="mqtt", device="lamp", command="on", restore=None,
    ends=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


class Broker:
    """An MQTT broker with a door on it, its own log, and a Zigbee bridge."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self._peer = broker.peer()
        self._said = itertools.cycle(("open", "closed"))
        self._last = ""
        self._names = itertools.count()

    def subject(self) -> Subject:
        settings = self._broker.settings()
        rules = [
            TopicRule(pattern="sensors/{device}", format="text"),
            TopicRule(pattern="$SYS/broker/log/N", format="mosquitto_log"),
        ]

        def make(kept: Kept) -> MqttSource:
            own = [(settings.client_id + CLIENT_SUFFIX, str(settings.username))]
            last, pending = kept.last, kept.pending
            return MqttSource(settings, rules, last=last, pending=pending, own=own, presets=["zigbee2mqtt"])

        return Subject(
            make=make,
            happen=self.happen,
            says=lambda event: event.action if event.device == "door" else None,
            fail=self._broker.stop,
            secrets=list(PASSWORDS.values()),
            repeat=lambda: self._peer.publish("sensors/door", self._last),
            retain=self.retain,
            nonsense=self.nonsense,
            restart=self.restart,
            flood=self.flood,
            announce=self.announce,
            presence=self.presence,
            act=self.act,
        )

    def happen(self) -> str:
        self._last = next(self._said)
        self._peer.publish("sensors/door", self._last)
        return self._last

    def retain(self) -> None:
        self._last = next(self._said)
        self._peer.publish("sensors/door", self._last, retain=True)

    def nonsense(self) -> None:
        for topic, payload in (
            ("sensors/door", b"\xff\xfe"),
            ("sensors/door", b"x" * 200_000),
            ("sensors/\u202edoor", b"open"),
            ("zigbee2mqtt/bridge/devices", b"[" * 100_000),
            ("zigbee2mqtt/door", b'{"contact": 1e999}'),
        ):
            self._peer.publish(topic, payload)

    async def restart(self) -> None:
        await asyncio.to_thread(self._broker.stop)
        await asyncio.to_thread(self._broker.start)
        self._peer = await asyncio.to_thread(self._broker.peer, client_id="another")

    async def flood(self) -> int:
        names = [f"sensors/made up {number}" for number in itertools.islice(self._names, FLOOD)]

        def publish() -> None:
            for name in names:
                self._peer.publish(name, "open")

        await asyncio.to_thread(publish)
        return FLOOD

    def announce(self) -> str:
        rows = [listed("hall lamp", "state")]
        self._peer.publish("zigbee2mqtt/bridge/devices", json.dumps(rows), retain=True)
        return "hall lamp"

    def presence(self, up: bool) -> str:
        device = self.announce()
        state = json.dumps({"state": "online" if up else "offline"})
        self._peer.publish(f"zigbee2mqtt/{device}/availability", state, retain=True)
        return device

    async def act(self) -> str:
        """The guard's responder connects to give its command, which the broker's own log tells."""
        responder = MqttResponder(self._broker.settings(), [CommandTopic(device="lamp", topic="lamp/set")])
        await responder.apply(ACT)
        return "broker"


class Household:
    """A Home Assistant with a door of its own in it, and a user for the guard."""

    _tokens: ClassVar[dict[str, str]] = {}
    """The token of the guard's user, by the server's address, until it is revoked."""

    def __init__(self, server: HomeAssistant) -> None:
        self._server = server
        self._name = f"Contract {secrets.token_hex(3)}"
        if server.url not in self._tokens:
            self._tokens[server.url] = server.add_user("Contract").token
        self._token = self._tokens[server.url]
        self._said = itertools.cycle(("open", "closed"))
        self._last = "closed"
        self._say("closed")

    def subject(self) -> Subject:
        settings = HomeAssistantSettings(url=self._server.url, token=self._token)
        return Subject(
            make=lambda kept: HomeAssistantSource(settings, last=kept.last, pending=kept.pending),
            happen=self.happen,
            says=lambda event: event.action if event.device == self._name else None,
            fail=self.fail,
            secrets=[self._token],
            repeat=lambda: self._say(self._last, battery=str(secrets.randbelow(100))),
            retain=self.happen,
            nonsense=self.nonsense,
            restart=self.restart,
            flood="a Home Assistant of more than 20,000 entities takes minutes; `Home` is tested with as many",
            announce=self.announce,
            presence=self.presence,
            act=self.act,
            patience=60.0,
        )

    def _say(self, state: str, **about: str) -> None:
        self._post(self._name, {"open": "on", "closed": "off"}.get(state, state), **about)

    def _post(self, name: str, state: str, kind: str = "door", domain: str = "binary_sensor", **about: str) -> None:
        entity_id = f"{domain}.{name.lower().replace(' ', '_')}"
        attributes = {"device_class": kind, "friendly_name": name, **about}
        self._server.post(f"/api/states/{entity_id}", {"state": state, "attributes": attributes})

    def happen(self) -> str:
        self._last = next(self._said)
        self._say(self._last)
        return self._last

    async def fail(self) -> None:
        del self._tokens[self._server.url]
        await asyncio.to_thread(self._server.revoke, self._token)

    def nonsense(self) -> None:
        for state in ("nan", "1e999", "warm"):
            self._post(f"{self._name} nonsense", state, kind="temperature", domain="sensor")

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.kill)  # to end it in order takes ten seconds
        await asyncio.to_thread(self._server.start)

    def announce(self) -> str:
        self._say(self._last)
        return self._name

    def presence(self, up: bool) -> str:
        name = f"{self._name} far"
        self._post(name, "off" if up else "unavailable")
        return name

    async def act(self) -> str:
        toggle = {"entity_id": "light.kitchen"}
        await asyncio.to_thread(self._server.call, "light.toggle", token=self._token, **toggle)
        return "Kitchen"


class Log:
    """A log of flows: a camera asks somebody else each minute. ``write`` takes columns' values of such a flow."""

    def __init__(self, write: Callable[..., object], nonsense: Callable[[], object]) -> None:
        self._write = write
        self._nonsense = nonsense
        self._minute = 0
        self._hosts = itertools.count(1)
        self._strangers = itertools.count(1)

    def subject(self, **drivers: Any) -> Subject:
        return Subject(
            says=_asked,
            secrets=(),
            repeat=FLOWS_ARE_EVENTS,
            retain=self.happen,
            nonsense=self._nonsense,
            flood=self.flood,
            announce=self.announce,
            presence="no log says which device cannot be heard",
            flows=self.flows,
            act=FLOWS_ARE_NO_ACTS,
            happen=self.happen,
            **drivers,
        )

    def _peer(self) -> str:
        return f"203.0.113.{next(self._hosts)}"

    def happen(self) -> str:
        self._minute += 1
        peer = self._peer()
        self._write(60.0 * self._minute, peer=peer)
        return peer

    def announce(self) -> str:
        self._write(60.0 * self._minute, peer="198.51.100.1", port=123)
        return CAMERA

    def flood(self) -> int:
        log_values.read_address.cache_clear()  # a limit of its own: 65,536 addresses
        for number in itertools.islice(self._strangers, FLOOD):
            self._write(60.0 * self._minute, peer="198.51.100.1", device=f"10.1.{number >> 8}.{number & 255}")
        return FLOOD

    def flows(self) -> tuple[str, Flow]:
        self.happen()
        peer = self._peer()
        for number in range(1, 8):
            self._write(60.0 * self._minute + number, peer=peer, sent=number, received=10 * number)
        self.happen()
        return CAMERA, Flow(peer, 443, "tcp", sent=28, received=280, times=7)


def _asked(event: Event) -> str | None:
    """The peer that was asked on port 443; the end of a minute's flows tells nothing new."""
    about = event.attributes
    return about["peer"] if about.get("port") == "443" and event.device == CAMERA else None


def zeek_place(folder: Path) -> Subject:
    """Zeek's folder."""
    zeek = ZeekFolder(folder / "current")

    def write(second: float, *, peer: str, device: str = CAMERA, **more: Any) -> None:
        zeek.add(conn(second, orig=device, resp=peer, **more))

    def nonsense() -> None:
        zeek.write("\x00\xff\n" + "x\t" * 50 + "\n" + "{" * 100_000 + "\n" + '{"ts": 1}\n' + "y" * 100_000 + "\n")

    return Log(write, nonsense).subject(
        make=lambda kept: ZeekSource(zeek.folder, last=kept.last, pending=kept.pending),
        fail=lambda: shutil.rmtree(zeek.folder),
        restart=zeek.rotate,
    )


def suricata_place(folder: Path) -> Subject:
    """Suricata's folder."""
    log = folder / "suricata" / "eve.json"
    log.parent.mkdir()
    log.touch()
    rotations = itertools.count(1)

    def add(text: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(text)

    def write(second: float, *, peer: str, device: str = CAMERA, port: int = 443, **more: Any) -> None:
        add(eve_flow(second, src_ip=device, dest_ip=peer, dest_port=port, **more))

    def nonsense() -> None:
        add("\x00\n[1]\n" + "{" * 100_000 + '\n{"event_type": "flow", "flow": 7}\n{"event_type": {}}\n{"even')
        add("t_type\n")

    def rotate() -> None:
        log.rename(log.with_name(f"eve.json.{next(rotations)}"))
        log.touch()

    return Log(write, nonsense).subject(
        make=lambda kept: SuricataSource(log, last=kept.last, pending=kept.pending),
        fail=lambda: shutil.rmtree(log.parent),
        restart=rotate,
    )


class Wire:
    """A wire on which a camera speaks, listened to at the other end."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._hosts = itertools.count(1)
        self._strangers = itertools.count(1)

    def subject(self) -> Subject:
        def make(kept: Kept) -> PacketsSource:
            interpreter = self._cable.interpreter
            return PacketsSource(self._cable.interface, interpreter=interpreter, last=kept.last, idle_seconds=0)

        return Subject(
            make=make,
            happen=self.happen,
            says=lambda event: event.attributes["peer"] if event.attributes.get("port") == "443" else None,
            fail=lambda: self._cable.turn("down"),
            secrets=(),
            forgets="packets do not come again",
            repeat=FLOWS_ARE_EVENTS,
            retain="a wire shows nothing of what was before",
            nonsense=self.nonsense,
            restart=self.restart,
            flood=self.flood,
            announce=self.announce,
            presence="no packet says which device cannot be heard",
            flows=self.flows,
            act=FLOWS_ARE_NO_ACTS,
            patience=60.0,
        )

    def _peer(self) -> str:
        return f"203.0.113.{next(self._hosts)}"

    def _say(self, peer: str, *, port: int = 443, own: int = 50_000, size: int = 100) -> bytes:
        return captures.frame(CAMERA, peer, 17, captures.udp(own, port, b"x" * size))

    def happen(self) -> str:
        peer = self._peer()
        self._cable.send([self._say(peer)])
        return peer

    def announce(self) -> str:
        self._cable.send([self._say("198.51.100.1", port=123)])
        return captures.DEVICE

    def nonsense(self) -> None:
        stranger = captures.frame("198.51.100.1", "198.51.100.2", 17, captures.udp(1, 2, b"x"))
        whole = self._say("198.51.100.3")
        self._cable.send([stranger, whole[:20], whole[:14] + b"\xff" * 40, b"\xff" * 60])

    async def restart(self) -> None:
        self._cable.turn("down")
        await asyncio.sleep(1.5)  # the process that reads packets looks once a second
        self._cable.turn("up")

    def flood(self) -> int:
        packets._address.cache_clear()  # a limit of its own
        frames = []
        for number in itertools.islice(self._strangers, FLOOD):
            low, high = number & 255, number >> 8
            made_up = f"02:00:00:00:{high:02x}:{low:02x}", captures.ROUTER
            said = captures.udp(50_000, 123, b"x")
            frames.append(captures.frame(f"10.1.{high}.{low}", "198.51.100.1", 17, said, macs=made_up))
        self._cable.send(frames)
        return FLOOD

    def flows(self) -> tuple[str, Flow]:
        peer = self._peer()
        frames = [self._say(peer, own=50_000 + number, size=number) for number in range(100, 107)]
        self._cable.send(frames)
        sent = sum(map(len, frames))
        return captures.DEVICE, Flow(peer, 443, "udp", sent=sent, times=len(frames))


def lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of a thousand names is one."""
    monkeypatch.setattr(topics, "DEVICE_LIMIT", LIMIT)
    monkeypatch.setattr(neighbourhood, "DEVICE_LIMIT", LIMIT)
    monkeypatch.setattr(neighbourhood, "CACHED", LIMIT)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are looked at often, and a minute of packets is a second."""
    monkeypatch.setattr(flow_events, "POLL", 0.005)
    monkeypatch.setattr(packets, "WINDOW", 1.0)
