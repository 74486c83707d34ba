"""An in-memory twin of the running guard: real incidents and leases, no journal, no engine behind them.

It does what the page can see of the real service: answers are taken once, a lease is undone, everything is undone,
modes, rules and codes are as the engine's own part takes them, and every change moves the version on.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from homeward.core.behaviour.traffic import Line, Need
from homeward.core.commands import Commands
from homeward.core.decision.ladder import Rung
from homeward.core.effects import Action, Effect, IncidentKind
from homeward.core.event import Event
from homeward.core.incident import Incident
from homeward.core.inputs import Change, Feedback, Input
from homeward.core.lease import Lease, LeaseBook, LeaseStatus
from homeward.core.local_time import milliseconds
from homeward.core.settings import Device, Response, Settings
from homeward.core.state import EngineState

START = datetime(2026, 3, 4, 1, 17, 9, tzinfo=UTC)


@dataclass
class TwinReadiness:
    ready: bool = True
    since: datetime | None = datetime(2026, 1, 19, 4, tzinfo=UTC)
    note: str = "watching, at most 1 alarm a week"


@dataclass
class TwinEngine:
    settings: Settings
    state: EngineState = field(default_factory=EngineState)
    incidents: dict[str, Incident] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    young: dict[str, int] = field(default_factory=dict)
    state_of_learning: TwinReadiness = field(default_factory=TwinReadiness)

    @property
    def armed(self) -> bool:
        return self.state.rules.armed

    def readiness(self) -> TwinReadiness:
        return self.state_of_learning


@dataclass
class TwinGuard:
    engine: TwinEngine


class TwinClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


SETTINGS = Settings(
    place="14 Linden Road",
    timezone="Europe/London",
    devices=(Device(name="front door", type="contact.door", role="entrance", room="hall"),),
    responses=(
        Response(name="light", device="hall light", command="on", when=("entrance",), responder="mqtt"),
        Response(name="lock", device="front door lock", command="lock", when=("entrance",), minutes=None),
    ),
)


class TwinService:
    """Implements `homeward.dashboard.view.Watched`. ``said`` keeps what was submitted, in order."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.guard = TwinGuard(TwinEngine(settings))
        self.clock = TwinClock()
        self.recent: deque[Event] = deque(maxlen=200)
        self.counters: Counter[str] = Counter()
        self.sources: dict[str, bool] = {"mqtt": True}
        self.unwritten = 0
        self.said: list[Input] = []
        self.broken = False
        self._version = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Nothing goes on by itself."""

    async def submit(self, item: Input) -> list[Effect]:
        if self.broken:
            raise OSError("No space left on device")
        self.said.append(item)
        engine, effects = self.guard.engine, list[Effect]()
        engine.state.at = milliseconds(self.clock.at)
        if isinstance(item, Feedback):
            incident = engine.incidents[item.incident]
            incident.answer, incident.answered_by = item.answer, f"{item.person} by {item.channel}"
            if item.answer == "no" and incident.kind == "new":
                engine.state.arrivals.admit(incident.device, "refuse", 1)
            if item.answer == "yes":
                self._end(*incident.leases)
        elif isinstance(item, Change) and item.command == "undo":
            self._end(item.target)
        elif isinstance(item, Change) and item.command == "stand_down":
            self._end(*engine.leases)
        elif isinstance(item, Change) and item.command == "confirm_young":
            engine.young = {}
        elif isinstance(item, Change):
            devices = {device.name: device for device in engine.settings.devices}
            effects = Commands(engine.state, LeaseBook(engine.state.leases), devices).carry_out(item)
        await self.changed()
        return effects

    def _end(self, *names: str) -> None:
        for name in names:
            lease = self.guard.engine.leases[name]
            if lease.status != "ended":
                lease.status, lease.outcome = "ended", "taken back by the household"

    async def changed(self) -> None:
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def changes(self) -> AsyncIterator[int]:
        seen = self._version
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._version != seen)  # noqa: B023  (awaited at once)
                seen = self._version
            yield seen

    # What a story is told with

    def event(
        self, device: str, action: str, *, ago: float = 0, actor: str | None = None, value: float | None = None
    ) -> None:
        at = self.clock.at - timedelta(seconds=ago)
        number = str(len(self.recent))
        self.recent.append(
            Event(id=number, source="mqtt", at=at, device=device, action=action, actor=actor, value=value)
        )

    def incident(
        self,
        name: str,
        reason: str,
        *,
        device: str = "front door",
        action: str = "open",
        kind: IncidentKind = "unusual",
        rung: Rung = "notify",
        ago: float = 60,
        closed: bool = False,
        habit: str = "when",
        bits: float | None = 13.4,
        p_value: float | None = 0.00048,
        events: int = 1,
    ) -> Incident:
        at = self.clock.at - timedelta(seconds=ago)
        made = Incident(
            id=name,
            kind=kind,
            opened=at,
            updated=at,
            closed=at + timedelta(minutes=30) if closed else None,
            rung=rung,
            device=device,
            action=action,
            habit=habit,
            bits=bits,
            p_value=p_value,
            reason=reason,
            events=events,
            alarms=int(rung != "record"),
        )
        self.guard.engine.incidents[name] = made
        return made

    def lease(
        self,
        name: str,
        device: str,
        command: str,
        *,
        incident: str = "",
        left: float | None = 560,
        responder: str = "mqtt",
        status: LeaseStatus = "active",
        ago: float = 40,
    ) -> Lease:
        action = Action(
            id=name,
            incident=incident,
            responder=responder,
            device=device,
            command=command,
            restore="off",
            ends=None if left is None else self.clock.at + timedelta(seconds=left),
        )
        made = Lease(action=action, opened=self.clock.at - timedelta(seconds=ago), status=status)
        self.guard.engine.leases[name] = made
        if incident:
            self.guard.engine.incidents[incident].leases.append(name)
        return made


def an_evening(service: TwinService) -> None:
    """A night as a household may meet it: an intruder, an act, a revert that is retried, and older stories."""
    service.incident(
        "i-1",
        "fridge open after this device was quiet for 29 hours: unusual for it",
        device="fridge",
        action="open",
        rung="record",
        ago=93_000,
        closed=True,
        habit="how long",
        bits=9.1,
        p_value=0.013,
    )
    lost = service.incident(
        "i-2",
        "blind: source:mqtt: the broker does not answer",
        device="source:mqtt",
        action="",
        kind="blind",
        ago=52_000,
        closed=True,
        habit="",
        bits=None,
        p_value=None,
        events=0,
    )
    lost.updated += timedelta(minutes=4)
    party = service.incident(
        "i-3",
        "living room light on: never in the company of what came shortly before (412 times in all)",
        device="living room light",
        action="on",
        ago=8_900,
        closed=True,
        habit="in company",
        bits=11.8,
        p_value=0.0021,
        events=4,
    )
    party.answer, party.answered_by, party.updated = "yes", "household by page", party.opened + timedelta(minutes=26)
    service.lease(
        "l-1", "siren", "on", incident="i-3", status="ended", ago=8_890
    ).outcome = "taken back: the household said “That was me”"
    night = service.incident(
        "i-4",
        "front door open at 01:05: never between 00:30 and 05:30 in 1,204 times",
        rung="command",
        ago=690,
        events=3,
    )
    night.updated = service.clock.at - timedelta(seconds=55)
    stuck = service.lease("l-3", "porch camera", "on", incident="i-4", left=0, status="reverting", ago=685)
    stuck.attempts, stuck.error = 3, "no answer from the device within 10 s"
    stuck.next_attempt = service.clock.at + timedelta(seconds=38)
    service.lease("l-4", "front door lock", "lock", incident="i-4", left=None, responder="dry_run", status="applying")
    service.lease("l-2", "hall light", "on", incident="i-4", left=543, ago=57)
    story: list[tuple[str, str, float, str | None, float | None]] = [
        ("bedroom motion", "motion", 5210, None, None),
        ("bathroom light", "on", 5180, "person:Ada", None),
        ("toilet", "flush", 5102, None, None),
        ("bathroom light", "off", 5090, "person:Ada", None),
        ("thermostat", "set", 4000, "automation:night", 16.5),
        ("power meter", "reading", 900, None, 214.0),
        ("front door", "open", 690, None, None),
        ("hall motion", "motion", 58, None, None),
        ("hall light", "on", 57, "homeward", None),
        ("front door", "close", 31, None, None),
        ("kitchen motion", "motion", 12, None, None),
    ]
    for device, action, ago, actor, value in story:
        service.event(device, action, ago=ago, actor=actor, value=value)
    service.guard.engine.young.update({"hall motion on": 1204, "kettle on": 31, "garden gate open": 1})
    service.guard.engine.counters.update(learned=48211, held=37, bad_clock=2)
    service.counters.update({"refused: mqtt: malformed": 3, "refused: mqtt: too long": 1, "events: mqtt": 91})


def a_newcomer(service: TwinService) -> None:
    """A device that was never met, and what it was seen to talk to."""
    service.incident(
        "i-9",
        "02:00:5e:00:00:07 was never met here before: Acme Eye 2",
        device="02:00:5e:00:00:07",
        action="flow",
        kind="new",
        habit="new here",
        bits=None,
        p_value=None,
    )
    state = service.guard.engine.state
    state.arrivals.met["02:00:5e:00:00:07"] = 1
    needs = {
        ("cloud.example", 443, "tcp", False): Need(40, 1, 0, 1),
        ("192.168.1.5", 554, "tcp", True): Need(3, 1, 0, 1),
    }
    state.traffic.lines["02:00:5e:00:00:07"] = Line(flows=43, needs=needs)
