"""What the owner decided: rules of their own, the mode, who chooses, who has to give a code. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from homeward.core.behaviour.words import clock as in_words
from homeward.core.effects import IncidentKind
from homeward.core.flow import FLOW
from homeward.core.incident import Incident
from homeward.core.local_time import LocalClock, milliseconds, moment
from homeward.core.modes import Mode
from homeward.core.quiet_hours import DAY_MINUTES
from homeward.core.settings import Device, Settings
from homeward.core.standing import StandingRule, Verdict, sentence
from homeward.core.state import EngineState
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, is_guarded
from homeward.dashboard.names import safe

PEOPLE_SHOWN: Final = 64
ASKED_SHOWN: Final = 8
MADE_SHOWN: Final = 3

_AROUND: Final = 60
_STEP: Final = 15
"""The hours that are proposed: so many minutes before and after, on the quarter of an hour."""

_OFFERED: Final[Mapping[IncidentKind, tuple[Verdict, ...]]] = {
    "unusual": ("always_fine", "never_fine", "snooze"),
    "network": ("always_fine", "never_fine", "snooze"),
    "rule": ("never_fine",),
}
"""What of an incident a rule can decide. A built-in rule is silenced by none; about a newcomer its own three answers
decide; and no rule is about silence or blindness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule of the owner's. ``begin`` and ``end`` are ``06:00``, or nothing for all day."""

    id: str
    verdict: Verdict
    device: str
    action: str
    person: str
    begin: str
    end: str
    until: datetime | None
    by: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOffer:
    """The rules that an incident may lead to, about its device and this action, and the hours and the person that are
    proposed for *always fine*.

    ``guarded`` says that the guard takes short silences only of this device; ``made`` are rules that there are about
    it (ids), the newest first.
    """

    verdicts: tuple[Verdict, ...]
    made: tuple[str, ...]
    action: str
    guarded: bool
    begin: str
    end: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeView:
    """``left`` is the time to its end in seconds of the guard's clock."""

    name: str
    arms: bool
    since: datetime | None
    until: datetime | None
    left: float | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpView:
    """Somebody who was asked for a code and has not given it, and until when their acts count as nobody's: ``None``
    where that is over, and only their answers still do."""

    person: str
    until: datetime | None


def rules(state: EngineState, timezone: str, zone: tzinfo) -> tuple[RuleView, ...]:
    """Every rule (there are 256 at most), the newest first."""
    clock = LocalClock(timezone, 0)
    return tuple(_rule(one, clock, zone) for one in reversed(state.standing.rules.values()))


def _rule(one: StandingRule, clock: LocalClock, zone: tzinfo) -> RuleView:
    return RuleView(
        id=one.id,
        verdict=one.verdict,
        device=safe(one.device),
        action=safe(one.action),
        person=safe(one.person),
        begin="" if one.begin is None else in_words(one.begin),
        end="" if one.end is None else in_words(one.end),
        until=None if one.until is None else moment(one.until).astimezone(zone),
        by=safe(one.by),
        sentence=safe(sentence(one, clock)),
    )


def offer(one: Incident, state: EngineState, configured: Mapping[str, Device], zone: tzinfo) -> RuleOffer | None:
    """The rules that can be made of an incident, if any: none about a name that cannot be shown as it is."""
    action = FLOW if one.kind == "network" else one.action
    if one.kind not in _OFFERED or not one.device or not (one.device + action).isprintable():
        return None
    type_, role = _what(one.device, state, configured)
    verdicts = _OFFERED[one.kind] if one.habit != "never fine" else ()
    if type_ in LIFE_SAFETY_TYPES:
        verdicts = tuple(verdict for verdict in verdicts if verdict == "never_fine")
    guarded = is_guarded(type_, role)
    begin, end = _around(one.opened.astimezone(zone)) if guarded else ("", "")
    about = state.standing.by_device.get(one.device, ())
    made = sorted((rule for rule in about if rule.action in ("", action)), key=lambda rule: -rule.made_at)
    return RuleOffer(
        verdicts=verdicts,
        made=tuple(rule.id for rule in made[:MADE_SHOWN]),
        action=action,
        guarded=guarded,
        begin=begin,
        end=end,
        person=one.person if guarded and one.person.isprintable() else "",
    )


def _what(device: str, state: EngineState, configured: Mapping[str, Device]) -> tuple[str, str]:
    """Type and role: what the owner configured wins over what the device says."""
    about = configured.get(device) or state.arrivals.known.get(device)
    return ("other", "other") if about is None else (about.type, about.role)


def _around(at: datetime) -> tuple[str, str]:
    """An hour before and after, on the quarter of an hour."""
    minute = at.hour * 60 + at.minute
    begin, end = minute - _AROUND, minute + _AROUND
    return in_words(begin // _STEP * _STEP % DAY_MINUTES), in_words(-(-end // _STEP) * _STEP % DAY_MINUTES)


def people(state: EngineState, settings: Settings) -> tuple[str, ...]:
    """The people whom a rule may name: those who are configured, and those whom rules name already."""
    named = sorted({name for name in _people(state, settings) if name.startswith("person:") and name.isprintable()})
    return tuple(named[:PEOPLE_SHOWN])


def _people(state: EngineState, settings: Settings) -> Iterator[str]:
    yield from (one.name for one in settings.people)
    yield from settings.verifiers
    yield from (one.name for one in settings.listeners)
    yield from (one.person for one in state.standing.rules.values())


def mode(state: EngineState, now: datetime, zone: tzinfo) -> ModeView:
    """The mode that holds."""
    current: Mode = state.modes.current
    until = None if current.until is None else moment(current.until)
    return ModeView(
        name=current.name,
        arms=state.modes.arms,
        since=moment(current.since).astimezone(zone) if current.since else None,
        until=None if until is None else until.astimezone(zone),
        left=None if until is None else max(0.0, (until - now) / timedelta(seconds=1)),
        by=safe(current.by),
    )


def asked(state: EngineState, now: datetime, zone: tzinfo) -> tuple[StepUpView, ...]:
    """Who has to give a code, the soonest to end first, then those who let the time pass."""
    at = milliseconds(now)
    must = sorted((ends, person) for person, ends in state.step_up.until.items() if at < ends)
    acting = [StepUpView(person=safe(person), until=moment(ends).astimezone(zone)) for ends, person in must]
    late = sorted(state.unproven() - {person for _, person in must})
    return tuple((acting + [StepUpView(person=safe(person), until=None) for person in late])[:ASKED_SHOWN])
