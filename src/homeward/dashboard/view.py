"""What the page shows, as plain values: no markup, no secrets, nothing that a hostile name can use.

The same values are the answer of ``/api/state``. Times are aware and in the home's time zone; durations are in
seconds of the guard's clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from homeward import __version__
from homeward.core.decision.ladder import Rung
from homeward.core.effects import Effect, IncidentKind
from homeward.core.event import Event
from homeward.core.incident import Incident
from homeward.core.inputs import Answer, Input
from homeward.core.lease import Lease, LeaseStatus
from homeward.core.settings import DRY_RUN, Device, PolicyName, Settings
from homeward.core.state import EngineState
from homeward.dashboard import decided, told, words
from homeward.dashboard.decided import ModeView, RuleOffer, RuleView, StepUpView
from homeward.dashboard.names import safe as safe
from homeward.dashboard.told import MessageView
from homeward.exchange.metrics import Snapshot

INCIDENTS_SHOWN = 60
UNFOLDED = 10
NOTED_SHOWN = 20
YOUNG_SHOWN = 100
LEASES_SHOWN = 60
ENDED_SHOWN = 10
EVENTS_SHOWN = 30
COUNTERS_SHOWN = 96
WANTS_SHOWN = 6


class Readiness(Protocol):
    @property
    def ready(self) -> bool: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def note(self) -> str: ...


class Engine(Protocol):
    @property
    def state(self) -> EngineState: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def incidents(self) -> Mapping[str, Incident]: ...
    @property
    def leases(self) -> Mapping[str, Lease]: ...
    @property
    def counters(self) -> Mapping[str, int]: ...
    @property
    def young(self) -> Mapping[str, int]: ...
    @property
    def armed(self) -> bool: ...
    def readiness(self) -> Readiness: ...


class Guard(Protocol):
    @property
    def engine(self) -> Engine: ...


class Clock(Protocol):
    def now(self) -> datetime: ...


class Watched(Protocol):
    """What the page needs of the running guard (`homeward.service.Service` is one)."""

    @property
    def guard(self) -> Guard: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def recent(self) -> Iterable[Event]: ...
    @property
    def counters(self) -> Mapping[str, int]: ...
    @property
    def sources(self) -> Mapping[str, bool]: ...
    @property
    def unwritten(self) -> int: ...
    async def submit(self, item: Input) -> list[Effect]: ...
    def changes(self) -> AsyncIterator[int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """``wants`` and ``standing`` are told of a device that is new here: the most frequent of its conversations, until
    it is answered, and how it may go on. ``told`` is who was told of it; ``acted`` says that the guard did something
    about it, or in a dry run would have (``rehearsed``), ``rules`` which rules of the owner's can be made of it.
    """

    id: str
    kind: IncidentKind
    rung: Rung
    reason: str
    device: str
    action: str
    opened: datetime
    updated: datetime
    open: bool
    habit: str
    bits: float | None
    p_value: float | None
    events: int
    alarms: int
    answer: Answer | None
    answered_by: str
    leases: tuple[str, ...]
    wants: tuple[str, ...]
    standing: Literal["", "restricted", "refused"]
    told: tuple[MessageView, ...]
    acted: bool
    rehearsed: bool
    rules: RuleOffer | None

    @property
    def waits(self) -> bool:
        """Whether an answer is wanted: of an alarm, not of blindness or of what was only noted."""
        return self.answer is None and self.kind != "blind" and self.rung != "record"

    @property
    def noted(self) -> bool:
        """Whether it is on record only: below the owner's threshold, nobody was interrupted, nothing is asked."""
        return self.rung == "record" and self.answer is None and not (self.kind == "blind" and self.open)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """``left`` is the time to its end, and ``retry`` the time to the next attempt to end it, both in seconds.

    A message that is on its way is a lease too, and tells more in ``message``.
    """

    id: str
    incident: str
    why: str
    device: str
    command: str
    dry_run: bool
    one_shot: bool
    status: LeaseStatus
    opened: datetime
    ends: datetime | None
    left: float | None
    attempts: int
    retry: float | None
    error: str
    outcome: str
    message: MessageView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    at: datetime
    device: str
    action: str
    value: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """``state`` is the guard's in one word, ``words`` the same for people. Newest first, everywhere.

    ``incidents_left_out`` counts those that told or ask something, not what was only noted. ``young`` is what was
    learned in the first days and is not yet confirmed, most frequent first: empty until the guard is ready.
    ``armed`` is None where the home has no entrance that could be watched. ``ended`` leaves out messages, but for
    those that never arrived. ``asked`` are the people who have to give a code, ``people`` those whom a rule may name.
    """

    place: str
    version: str
    now: datetime
    state: Literal["blind", "learning", "watching"]
    words: str
    note: str
    dry_run: bool
    simulated: str
    waiting: int
    incidents: tuple[IncidentView, ...]
    incidents_left_out: int
    leases: tuple[LeaseView, ...]
    leases_left_out: int
    ended: tuple[LeaseView, ...]
    events: tuple[EventView, ...]
    counters: Mapping[str, int]
    armed: bool | None
    young: Mapping[str, int]
    young_left_out: int
    mode: ModeView
    rules: tuple[RuleView, ...]
    policy: PolicyName
    asked: tuple[StepUpView, ...]
    people: tuple[str, ...]

    def recent(self) -> list[IncidentView]:
        """What stays unfolded: the newest, and whatever is still going on."""
        told = self._told()
        return told[:UNFOLDED] + [one for one in told[UNFOLDED:] if one.open]

    def older(self) -> list[IncidentView]:
        return [one for one in self._told()[UNFOLDED:] if not one.open]

    def noted(self) -> list[IncidentView]:
        return [one for one in self.incidents if one.noted]

    def _told(self) -> list[IncidentView]:
        return [one for one in self.incidents if not one.noted]

    def by_lease(self) -> Mapping[str, LeaseView]:
        """The leases shown, by id."""
        return {lease.id: lease for lease in (*self.leases, *self.ended)}


def look(service: Watched, *, simulated: str = "") -> PageView:
    """The guard as it is now."""
    engine, now = service.guard.engine, service.clock.now()
    settings = engine.settings
    zone = zone_of(settings.timezone)
    configured = {one.name: one for one in settings.devices}
    incidents = [_incident(one, engine, configured, zone) for one in reversed(list(engine.incidents.values()))]
    alarms = [one.id for one in incidents if not one.noted]
    noted = [one.id for one in incidents if one.noted]
    shown = {*alarms[:INCIDENTS_SHOWN], *noted[:NOTED_SHOWN]}
    leases = list(reversed(list(engine.leases.values())))
    held = [_lease(one, engine.incidents, now, zone) for one in leases if one.status != "ended"]
    ended = [one for one in leases if one.status == "ended" and (one.error or not told.is_message(one))]
    young = _young(engine)
    state, state_words, note = _state(engine, incidents, now.astimezone(zone), zone)
    return PageView(
        place=safe(settings.place),
        version=__version__,
        now=now.astimezone(zone),
        state=state,
        words=state_words,
        note=note,
        dry_run=all(response.responder == DRY_RUN for response in settings.responses),
        simulated=safe(simulated),
        waiting=sum(one.waits for one in incidents),
        incidents=tuple(one for one in incidents if one.id in shown),
        incidents_left_out=max(0, len(alarms) - INCIDENTS_SHOWN),
        leases=tuple(held[:LEASES_SHOWN]),
        leases_left_out=max(0, len(held) - LEASES_SHOWN),
        ended=tuple(_lease(one, engine.incidents, now, zone) for one in ended[:ENDED_SHOWN]),
        events=tuple(_event(one, zone) for one in list(service.recent)[: -EVENTS_SHOWN - 1 : -1]),
        counters={safe(name): times for name, times in sorted(_counters(service).items())[:COUNTERS_SHOWN]},
        armed=engine.armed if engine.armed or any(one.role == "entrance" for one in settings.devices) else None,
        young={safe(name): times for name, times in young[:YOUNG_SHOWN]},
        young_left_out=max(0, len(young) - YOUNG_SHOWN),
        mode=decided.mode(engine.state, now, zone),
        rules=decided.rules(engine.state, settings.timezone, zone),
        policy=settings.policy,
        asked=decided.asked(engine.state, now, zone),
        people=decided.people(engine.state, settings),
    )


def _state(
    engine: Engine, incidents: list[IncidentView], now: datetime, zone: tzinfo
) -> tuple[Literal["blind", "learning", "watching"], str, str]:
    readiness = engine.readiness()
    blind = [one.reason for one in incidents if one.kind == "blind" and one.open]
    if blind:
        more = f" (and {len(blind) - 1} more)" if len(blind) > 1 else ""
        return "blind", blind[0] + more, "Until that is mended, something could happen and not be seen."
    if not readiness.ready:
        return "learning", safe(readiness.note), "Until then only its built-in rules can raise an alarm."
    since = f"Ready since {words.day(readiness.since.astimezone(zone), now)}." if readiness.since else ""
    return "watching", safe(readiness.note), since


def _young(engine: Engine) -> list[tuple[str, int]]:
    """Most frequent first; nothing until the guard is ready, as until then it still grows."""
    if not engine.readiness().ready:
        return []
    return sorted(engine.young.items(), key=lambda one: (-one[1], one[0]))


def is_known(engine: Engine, device: str) -> bool:
    """Whether a device is configured, or was met, or told what it is."""
    arrivals = engine.state.arrivals
    configured = any(one.name == device for one in engine.settings.devices)
    return configured or device in arrivals.met or device in arrivals.known


def _wants(one: Incident, state: EngineState) -> tuple[str, ...]:
    """What a newcomer was seen to need of the network, or else what it did first."""
    if one.kind != "new" or one.answer is not None:
        return ()
    needs = islice(state.traffic.needs(one.device), WANTS_SHOWN)
    told = [f"{'asked by' if inbound else 'to'} {peer} ({what}/{port})" for (peer, port, what, inbound), _ in needs]
    return tuple(map(safe, told or filter(None, [one.explanation.evidence])))


def _standing(one: Incident, state: EngineState) -> Literal["", "restricted", "refused"]:
    if one.kind != "new":
        return ""
    arrivals = state.arrivals
    if one.device in arrivals.refused:
        return "refused"
    return "restricted" if one.device in arrivals.restricted else ""


def _incident(one: Incident, engine: Engine, configured: Mapping[str, Device], zone: tzinfo) -> IncidentView:
    state, leases = engine.state, engine.leases
    return IncidentView(
        id=one.id,
        kind=one.kind,
        rung=one.rung,
        reason=safe(one.reason),
        device=safe(one.device),
        action=safe(one.action),
        opened=one.opened.astimezone(zone),
        updated=one.updated.astimezone(zone),
        open=one.closed is None,
        habit=safe(one.habit),
        bits=one.bits,
        p_value=one.p_value,
        events=one.events,
        alarms=one.alarms,
        answer=one.answer,
        answered_by=safe(one.answered_by),
        leases=tuple(one.leases),
        wants=_wants(one, state),
        standing=_standing(one, state),
        told=told.messages(one, leases, zone),
        acted=bool(told.acts(one, leases)),
        rehearsed=told.rehearsed(one, leases),
        rules=decided.offer(one, state, configured, zone),
    )


def _lease(one: Lease, incidents: Mapping[str, Incident], now: datetime, zone: tzinfo) -> LeaseView:
    action = one.action
    cause = incidents.get(action.incident)
    return LeaseView(
        id=action.id,
        incident=action.incident if cause else "",
        why=safe(cause.reason) if cause else "",
        device=safe(action.device),
        command=safe(action.command),
        dry_run=action.responder == DRY_RUN,
        one_shot=action.ends is None,
        status=one.status,
        opened=one.opened.astimezone(zone),
        ends=action.ends.astimezone(zone) if action.ends else None,
        left=max(0.0, (action.ends - now).total_seconds()) if action.ends else None,
        attempts=one.attempts,
        retry=max(0.0, (one.next_attempt - now).total_seconds()) if one.next_attempt else None,
        error=safe(one.error),
        outcome=safe(one.outcome),
        message=told.message(one, zone) if told.is_message(one) else None,
    )


def _event(one: Event, zone: tzinfo) -> EventView:
    kind, _, name = (one.actor or "").partition(":")
    return EventView(
        at=one.at.astimezone(zone),
        device=safe(one.device),
        action=safe(one.action),
        value="" if one.value is None else f"{one.value:.6g}",
        actor="Homeward" if one.actor == "homeward" else safe(name if kind == "person" else f"{kind} {name}".strip()),
    )


def counted(service: Watched) -> Snapshot:
    """The guard's numbers as they are now."""
    engine = service.guard.engine
    return Snapshot(
        version=__version__,
        counters=_counters(service),
        incidents=engine.incidents.values(),
        leases=engine.leases.values(),
        sources=service.sources,
        ready=engine.readiness().ready,
        budget=engine.settings.budget,
        unwritten=service.unwritten,
    )


def _counters(service: Watched) -> Mapping[str, int]:
    return {**service.counters, **service.guard.engine.counters}  # the engine's is the journaled one, and wins


def zone_of(name: str) -> tzinfo:
    """The home's time zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown or unreadable: configuration refuses it, the page survives it
        return UTC
