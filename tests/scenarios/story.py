"""How the stories are told: a home, what happens in it, and what the guard says and does about it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal, Self
from zoneinfo import ZoneInfo

import msgspec

from homeward.core.effects import Apply, Effect, Notify, Record, Revert
from homeward.core.engine import Engine, EngineState
from homeward.core.event import Event
from homeward.core.flow import FLOW, Flow, flow_attributes
from homeward.core.incident import Incident
from homeward.core.inputs import Answer, Change, Command, Feedback, Health, Input, Outcome, Tick
from homeward.core.lease import Lease
from homeward.core.settings import Device, Response, Settings
from homeward.core.standing import StandingRule
from homeward.core.vocabulary import CLAIMS, MESSAGES

HOME = Settings(
    place="12 Canal Street",
    timezone="Europe/Amsterdam",
    devices=(
        Device(name="front door", type="contact.door", role="entrance", room="hall"),
        Device(name="back door", type="contact.door", role="entrance", room="kitchen"),
        Device(name="hall motion", type="motion", role="motion", room="hall"),
        Device(name="kitchen motion", type="motion", role="motion", room="kitchen"),
        Device(name="bedroom motion", type="motion", role="motion", room="bedroom"),
        Device(name="cellar motion", type="motion", role="motion", room="cellar"),
        Device(name="kitchen light", type="light", role="actuator", room="kitchen"),
        Device(name="front lock", type="lock", role="entrance", room="hall"),
        Device(name="siren", type="siren", role="actuator", room="hall"),
        Device(name="panel", type="alarm", room="hall"),
        Device(name="broker", type="broker"),
    ),
)
SIREN = Response(name="howl", device="siren", command="on", when=("entrance",), restore="off", responder="mqtt")
LOCK = Response(
    name="lock up", device="front lock", command="lock", when=("entrance",), minutes=None, responder="mqtt"
)

BEGIN = "2026-02-02"
"""A Monday."""

_DAY: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("07:00", (("bedroom motion", "on"), ("kitchen motion", "on"), ("kitchen light", "on"))),
    ("08:20", (("kitchen light", "off"), ("hall motion", "on"), ("front door", "open"), ("front door", "closed"))),
    ("12:30", (("front door", "open"), ("front door", "closed"), ("hall motion", "on"), ("kitchen motion", "on"))),
    ("13:20", (("hall motion", "on"), ("front door", "open"), ("front door", "closed"))),
    ("17:40", (("front door", "open"), ("front door", "closed"), ("hall motion", "on"), ("kitchen motion", "on"))),
    ("18:30", (("kitchen light", "on"), ("kitchen motion", "on"))),
    ("20:00", (("kitchen motion", "on"), ("hall motion", "on"))),
    ("22:40", (("kitchen light", "off"), ("bedroom motion", "on"))),
)


class Story:
    """A guarded home. Every call says what happens, and returns what the guard answers to it."""

    def __init__(self, *responses: Response, home: Settings = HOME, begin: str = BEGIN, seed: int = 1) -> None:
        self.zone = ZoneInfo(home.timezone)
        self.engine = Engine()
        self.random = Random(seed)
        self.now = self.local(f"{begin} 00:00")
        self.said: list[Effect] = []
        self.responder: Literal["works", "fails", "mute"] = "works"
        self.broken: frozenset[str] = frozenset()
        """Names of responders that fail whatever the others do."""
        self.echoes = True
        self.give(Change(at=self.now, version="0.1.0", settings=self.with_responses(home, *responses)))

    def twin(self) -> Self:
        """The same story until now, to be told on in another way. The guard was restarted for it."""
        found = copy(self)
        found.engine = Engine(msgspec.msgpack.decode(msgspec.msgpack.encode(self.engine.state), type=EngineState))
        found.random = Random()
        found.random.setstate(self.random.getstate())
        found.said = list(self.said)
        return found

    @staticmethod
    def with_responses(home: Settings, *responses: Response) -> Settings:
        return replace(home, responses=responses)

    def local(self, words: str) -> datetime:
        return datetime.fromisoformat(words).replace(tzinfo=self.zone).astimezone(UTC)

    def clock(self, words: str) -> datetime:
        """The next moment at which the clocks of the home show these hours and minutes."""
        today = self.now.astimezone(self.zone).date()
        found = self.local(f"{today} {words}")
        return found if found >= self.now else self.local(f"{today + timedelta(days=1)} {words}")

    def give(self, item: Input) -> list[Effect]:
        """Let something come in, with every deadline before it, and let the responder do what it is asked for."""
        said: list[Effect] = []
        while (due := self.engine.next_deadline()) is not None and due <= item.at:
            self.now = max(self.now, due)
            said += self._handled(Tick(at=self.now))
        self.now = max(self.now, item.at)
        said += self._handled(replace(item, at=self.now))
        self.said += said
        return said

    def _handled(self, item: Input) -> list[Effect]:
        said = self.engine.handle(item)
        for effect in list(said):
            if isinstance(effect, Apply | Revert):
                said += self._done(effect)
        return said

    def _done(self, effect: Apply | Revert) -> list[Effect]:
        """What the responder makes of an effect, and what the device then tells."""
        if self.responder == "mute":
            return []
        step: Literal["apply", "revert"] = "apply" if isinstance(effect, Apply) else "revert"
        word = effect.action.command if step == "apply" else effect.action.restore
        self.now += timedelta(seconds=1)
        ok = self.responder == "works" and effect.action.responder not in self.broken
        said = self.engine.handle(
            Outcome(at=self.now, action=effect.action.id, step=step, ok=ok, detail="" if ok else "no route")
        )
        if ok and self.echoes and word is not None and effect.action.command not in CLAIMS | MESSAGES:
            said += self.sees(effect.action.device, word)
        return said

    # What happens

    def at(self, words: str) -> list[Effect]:
        """Time passes until the clocks show this."""
        return self.give(Tick(at=self.clock(words)))

    def later(self, **time: float) -> list[Effect]:
        return self.give(Tick(at=self.now + timedelta(**time)))

    def give_until(self, moment: datetime) -> list[Effect]:
        return self.give(Tick(at=moment))

    def sees(
        self, device: str, action: str, *, actor: str | None = None, origin: str | None = None,
        value: float | None = None, source: str = "mqtt", **attributes: str,
    ) -> list[Effect]:  # fmt: skip
        self.now += timedelta(seconds=2)
        event = Event(
            id="", source=source, at=self.now, device=device, action=action, actor=actor, origin=origin, value=value,
            attributes=attributes,
        )  # fmt: skip
        return self.give(event)

    def ordinary_days(self, count: int) -> list[Effect]:
        """Days as they always are here, give or take a quarter of an hour."""
        said: list[Effect] = []
        for _ in range(count):
            midnight = self.local(f"{self.now.astimezone(self.zone).date()} 00:00")
            day = midnight.astimezone(self.zone).date()
            for clock, events in _DAY:
                at = self.local(f"{day} {clock}") + timedelta(minutes=self.random.uniform(-15, 15))
                for device, action in events:
                    at += timedelta(seconds=self.random.uniform(5, 60))
                    said += self.give(Event(id="", source="mqtt", at=at, device=device, action=action))
            said += self.give(Tick(at=self.local(f"{day + timedelta(days=1)} 00:00")))
        return said

    def history(self, weeks: int = 4) -> list[Effect]:
        """The guard learns from recorded weeks before its first day."""
        said = self.commands("backfill_begin") + self.ordinary_days(7 * weeks)
        return said + self.commands("backfill_end")

    def flows(
        self, device: str, flow: Flow, times: int = 1, *, every: timedelta = timedelta(seconds=30)
    ) -> list[Effect]:
        """A device speaks with somebody on the network, so often."""
        said: list[Effect] = []
        for _ in range(times):
            self.now += every
            about = flow_attributes(flow)
            said += self.give(Event(id="", source="zeek", at=self.now, device=device, action=FLOW, attributes=about))
        return said

    def answers(self, incident: str, answer: Answer, *, person: str = "ada", too_much: bool = False) -> list[Effect]:
        self.now += timedelta(seconds=1)
        return self.give(Feedback(at=self.now, incident=incident, answer=answer, person=person, too_much=too_much))

    def commands(
        self, command: Command, target: str = "", *, person: str = "ada", until: datetime | None = None,
        rule: StandingRule | None = None,
    ) -> list[Effect]:  # fmt: skip
        return self.give(
            Change(
                at=self.now, version="0.1.0", command=command, target=target, person=person, until=until, rule=rule
            )
        )

    def settles(self, *responses: Response, home: Settings = HOME) -> list[Effect]:
        """The owner changes the settings at run time."""
        return self.give(Change(at=self.now, version="0.1.0", settings=self.with_responses(home, *responses)))

    def fails(self, subject: str, detail: str = "") -> list[Effect]:
        return self.give(Health(at=self.now, subject=subject, up=False, detail=detail))

    def works_again(self, subject: str) -> list[Effect]:
        return self.give(Health(at=self.now, subject=subject, up=True))

    def intruder(self) -> list[Effect]:
        """At ten past three at night somebody opens the front door and walks through the house."""
        said = self.at("03:10")
        for device, action in (("front door", "open"), ("hall motion", "on"), ("kitchen motion", "on")):
            said += self.sees(device, action)
        return said

    def floods(self, device: str) -> list[Effect]:
        """A device changes forty times in forty seconds."""
        said: list[Effect] = []
        for number in range(40):
            said += self.sees(device, "off" if number % 2 else "on")
            self.now -= timedelta(seconds=1)
        return said

    # What is to be seen of it

    @property
    def incident(self) -> Incident:
        """The newest incident."""
        return list(self.engine.incidents.values())[-1]

    @property
    def lease(self) -> Lease:
        """The newest lease."""
        return list(self.engine.leases.values())[-1]


def alarms(effects: list[Effect]) -> list[Notify]:
    return [effect for effect in effects if isinstance(effect, Notify) and effect.interrupts]


def acts(effects: list[Effect]) -> list[tuple[str, str | None]]:
    """What is done to which device: the command of an `Apply`, what a `Revert` restores (or ``None``).

    Messages to people are none of it: see `told`.
    """
    found: list[tuple[str, str | None]] = []
    for effect in effects:
        if isinstance(effect, Apply) and effect.action.command not in MESSAGES:
            found.append((effect.action.device, effect.action.command))
        elif isinstance(effect, Revert):
            found.append((effect.action.device, effect.action.restore))
    return found


def told(effects: list[Effect]) -> list[tuple[str, str]]:
    """Who is sent which kind of message, as often as it is tried."""
    applied = [effect.action for effect in effects if isinstance(effect, Apply)]
    return [(action.device, action.command) for action in applied if action.command in MESSAGES]


def texts(effects: list[Effect]) -> list[str]:
    """What the messages say."""
    applied = [effect.action for effect in effects if isinstance(effect, Apply)]
    return [action.text for action in applied if action.command in MESSAGES]


def records(effects: list[Effect], kind: str) -> list[str]:
    """What was put on record of a kind, as "subject: detail"."""
    found = [effect for effect in effects if isinstance(effect, Record)]
    return [f"{record.subject}: {record.detail}" for record in found if record.kind == kind]
