"""A home of everything, and stories of whatever can happen in it: hostile settings, inputs, answers and clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from hypothesis import strategies as st
from tests.scenarios.story import HOME as STORY_HOME
from tests.strategies import START, hostile_text, odd_numbers

from homeward.core.event import Event
from homeward.core.flow import Flow, flow_attributes
from homeward.core.inputs import Change, Command, Feedback, Health, Input
from homeward.core.rules import NAMES as RULE_NAMES
from homeward.core.settings import Device, Listener, Response, Settings
from homeward.core.standing import StandingRule

NEVER_TOUCHED: Final = {"smoke", "carbon_monoxide", "gas", "medical"}
OPENS: Final = {"toggle", "unlock", "unlocked", "open", "opened", "disarm", "disarmed"}

TYPES: Final = {
    "phone": "phone", "router": "router", "hub": "hub", "smoke": "smoke", "pump": "medical", "heater plug": "plug",
    "camera": "camera", "garage": "garage_door",
}  # fmt: skip
DEVICES: Final = (
    *STORY_HOME.devices,
    *(Device(name=name, type=type_, role="actuator") for name, type_ in TYPES.items()),
)
NAMES: Final = tuple(device.name for device in DEVICES)
PEOPLE: Final = ("person:ada", "person:bob", "ada", "household")
CLOUD: Final = Flow("cloud.example", 443, "tcp", sent=900, received=4_000, seconds=0.4, state="SF")
RELAY: Final = Flow("203.0.113.9", 6667, "tcp", sent=0, received=0, seconds=3.1, state="S0")


# What may come in


def _can_be_written(text: str) -> bool:
    """What cannot is refused before the engine sees it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


texts = hostile_text.filter(_can_be_written)

_commands: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(["on", "off", "lock", "arm", "restrict", "quarantine", "release", "notify", "ask", "UNLOCK "]),
    st.sampled_from(sorted(OPENS)),
    texts,
)
_words = st.sampled_from(
    ["entrance", "lock", "light", "plug", "siren", "actuator", "use", "motion", "other", "broker", "camera",
     *(f"rule:{name}" for name in RULE_NAMES)]
)  # fmt: skip
_whatever = st.builds(
    Response,
    name=st.just("r"),
    device=st.one_of(st.sampled_from([*NAMES, "*", "mallory"]), texts),
    command=_commands,
    when=st.lists(st.one_of(_words, st.sampled_from(NAMES)), min_size=1, max_size=4).map(tuple),
    minutes=st.one_of(st.none(), st.sampled_from([0.5, 10.0, 60.0, 1440.0, 1440.5]), odd_numbers),
    restore=st.one_of(st.none(), _commands),
    responder=st.sampled_from(["mqtt", "dry_run"]),
)
ALWAYS: Final = ("entrance", "actuator", "use", "motion", "other", *(f"rule:{name}" for name in RULE_NAMES))
"""What calls for it at almost every turn."""

_calls = st.one_of(st.just(ALWAYS), st.just(ALWAYS), st.tuples(_words), st.tuples(st.sampled_from(NAMES)))
_plausible = st.one_of(
    st.builds(
        lambda device, command, when, minutes: Response(
            name="r", device=device, command=command, when=when, minutes=minutes, restore="release", responder="mqtt"
        ),
        st.sampled_from(["heater plug", "camera", "*", "mallory", *NAMES]),
        st.sampled_from(["restrict", "quarantine"]),
        _calls,
        st.sampled_from([0.5, 10.0, 1440.0]),
    ),
    st.builds(
        lambda device, when, minutes: Response(
            name="r", device=device, command="on", when=when, minutes=minutes, restore="off", responder="mqtt"
        ),
        st.sampled_from(["siren", "kitchen light", *NAMES]),
        _calls,
        st.sampled_from([0.5, 10.0, 1440.0]),
    ),
    st.builds(
        lambda device, command, when: Response(
            name="r", device=device, command=command, when=when, minutes=None, responder="mqtt"
        ),
        st.sampled_from(["front lock", "panel", *NAMES]),
        st.sampled_from(["lock", "arm", "off"]),
        _calls,
    ),
    st.sampled_from(["heater plug", "camera", *NAMES]).map(
        lambda name: Response(name="r", device=name, command="off", when=(name,), minutes=None, responder="mqtt")
    ),
)
_listeners = st.builds(
    Listener,
    name=st.sampled_from(["household", "person:ada", "person:bob"]),
    channel=st.sampled_from(["page", "ntfy"]),
    quiet=st.one_of(st.none(), st.tuples(st.integers(-1, 1500), st.integers(-1, 1500)), st.just((1320, 420))),
    second=st.booleans(),
)
_types = st.sampled_from([*sorted(NEVER_TOUCHED), "plug", "lock", "phone", "camera", "light", "other", "no type"])


@st.composite
def homes(draw: st.DrawFn) -> Settings:
    """The home, with some of its devices taken for something else, and any responses at all."""
    retyped = draw(st.dictionaries(st.sampled_from(NAMES), _types, max_size=2))
    left_out = draw(st.sets(st.sampled_from(NAMES), max_size=1))
    return Settings(
        timezone=STORY_HOME.timezone,
        devices=tuple(
            replace(one, type=retyped.get(one.name, one.type)) for one in DEVICES if one.name not in left_out
        ),
        responses=tuple(draw(st.lists(st.one_of(_plausible, _plausible, _whatever), min_size=1, max_size=9))),
        verifiers=tuple(draw(st.sets(st.sampled_from(PEOPLE), max_size=2))),
        listeners=tuple(draw(st.lists(_listeners, max_size=4))),
        policy=draw(st.sampled_from(["ladder", "trial", "learned"])),
        seed=draw(st.integers(0, 1 << 40)),
        budget=draw(st.sampled_from([1.0, 7.0, 0.0, 1e9])),
    )


NEWEST: Final = ("-1", "-1", "-2", "-3")
"""Stands for the newest incident or lease, the one before it, and so on."""

Step = Settings | Sequence[Input] | tuple[str, int] | timedelta | bool
"""New settings, inputs, what a responder makes of what it was asked for (how; which), time, or a restart."""

_actors = st.sampled_from([None, "person:ada", "person:bob", "ada", "homeward", "automation:night"])


def event(device: str, action: str, actor: str | None = None, **about: str) -> Event:
    return Event(id="", source="mqtt", at=START, device=device, action=action, actor=actor, attributes=about)


def said(command: Command, target: str = "", person: str = "household", until: datetime | None = None) -> Change:
    return Change(at=START, version="0.1.0", command=command, target=target, person=person, until=until)


def said_rule(rule: StandingRule, person: str = "household") -> Change:
    return Change(at=START, version="0.1.0", command="rule_add", rule=rule, person=person)


@st.composite
def _happens(draw: st.DrawFn) -> Sequence[Input]:
    """Something that leads somewhere: odd acts, broken rules, flows, alerts."""
    device, actor = draw(st.sampled_from(NAMES)), draw(_actors)
    kinds = ["odd", "odd", "flood", "client", "alert", "flows", "armed", "refused", "never", "new"]
    match draw(st.sampled_from(kinds)):
        case "odd":
            action = draw(st.sampled_from(["on", "off", "open", "unlock", "unlocked", "closed", "reading"]))
            return [event(device, action, actor)]
        case "flood":
            return [event(device, "off" if number % 2 else "on", actor) for number in range(33)]
        case "client":
            user = draw(st.one_of(st.sampled_from(["mallory", "", *NAMES]), texts))
            origin = f"client {draw(st.integers(0, 1 << 30))}"
            return [replace(event("broker", "client_connected", username=user), origin=origin)]
        case "alert":
            signature = str(draw(st.integers(0, 1 << 30)))
            return [event(draw(st.sampled_from([*NAMES, "stranger"])), "alert", severity="1", signature=signature)]
        case "flows":
            peer = f"203.0.113.{draw(st.integers(1, 250))}"
            return [event("camera", "flow", **flow_attributes(RELAY._replace(peer=peer))) for _ in range(6)]
        case "armed":
            return [said("arm"), event(draw(st.sampled_from(["front door", "back door", "garage"])), "open", actor)]
        case "refused":
            return [said("refuse", device), event(device, "on", actor)]
        case "never":
            rule = StandingRule(id=f"s{draw(st.integers(1, 4))}", verdict="never_fine", device=device)
            return [said_rule(rule), event(device, "on", actor)]
        case _:
            about = {"type": draw(_types), "room": draw(texts)}
            return [event(draw(st.one_of(st.sampled_from(NAMES), texts)), "announced", **about)]


@st.composite
def _rules(draw: st.DrawFn) -> Sequence[Input]:
    rule = StandingRule(
        id=f"s{draw(st.integers(1, 4))}",
        verdict=draw(st.sampled_from(["never_fine", "always_fine", "snooze"])),
        device=draw(st.sampled_from(NAMES)),
        action=draw(st.sampled_from(["", "on", "open", "unlock", "flow"])),
        person=draw(st.sampled_from(["", "person:ada"])),
        begin=draw(st.sampled_from([None, 0, 120])),
        end=draw(st.sampled_from([None, 300])),
        until=draw(st.sampled_from([None, 1 << 41, 1 << 45])),
        made_at=draw(st.sampled_from([0, 1_770_000_000_000])),
    )
    return [said_rule(rule, draw(st.sampled_from(PEOPLE)))]


@st.composite
def _wishes(draw: st.DrawFn) -> Sequence[Input]:
    """An answer or a command, of anybody."""
    person, incident = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(NEWEST))
    match draw(st.sampled_from(["yes", "no", "no", "command", "mode"])):
        case "command":
            command: Command = draw(
                st.sampled_from(
                    ["stand_down", "undo", "arm", "disarm", "confirm_young", "approve", "restrict", "refuse",
                     "rule_remove", "verified", "backfill_begin", "backfill_end"]
                )
            )  # fmt: skip
            target = draw(st.sampled_from([*NAMES, incident, incident, "s1", ""]))
            return [said(command, target, person=person)]
        case "mode":
            until = draw(st.sampled_from([None, timedelta(hours=7), timedelta(days=80)]))
            name = draw(st.sampled_from(["home", "away", "night", "holiday", "maintenance", "??"]))
            return [said("mode", name, person=person, until=None if until is None else START + until)]
        case answer:
            too_much = draw(st.booleans())
            return [
                Feedback(
                    at=START, incident=incident, answer="no" if answer == "no" else "yes", person=person,
                    too_much=too_much,
                )
            ]  # fmt: skip


@st.composite
def _failures(draw: st.DrawFn) -> Sequence[Input]:
    subject = draw(st.sampled_from(["source:mqtt", "responder:mqtt", "device:front lock", "disk", "clock"]))
    offset = draw(st.one_of(st.none(), st.integers(-(10**11), 10**11)))
    return [Health(at=START, subject=subject, up=draw(st.booleans()), offset_ms=offset)]


steps: st.SearchStrategy[Step] = st.one_of(
    _happens(),
    _happens(),
    _happens(),
    _wishes(),
    _rules(),
    _failures(),
    homes(),
    st.tuples(st.sampled_from(["ok", "ok", "failed", "twice", "lost"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["ok", "ok", "failed", "twice", "lost"]), st.integers(0, 5)),
    st.sampled_from([timedelta(seconds=s) for s in (1, 46, 61, 300, 1_000, 3_600, 30_000, 86_400, 2 * 86_400)]),
    st.just(True),
)
