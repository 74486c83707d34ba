"""Hypothesis strategies for everything that can reach the engine, from well-behaved to hostile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from homeward.core.event import Event
from homeward.core.inputs import Change, Command, Feedback, Forgotten, Health, Input, Outcome, Tick
from homeward.core.settings import Device, Response, Settings
from homeward.core.vocabulary import REFUSED, ROLES, TYPES

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""A Monday morning."""

COMMANDS: tuple[Command, ...] = (
    "stand_down", "undo", "arm", "disarm", "backfill_begin", "backfill_end", "confirm_young",
)  # fmt: skip
DEVICE_NAMES = ("front door", "lock", "siren", "lamp", "motion", "panel", "broker", "smoke", "stranger")
ACTIONS = ("on", "off", "open", "closed", "lock", "unlock", "reading", "armed_away", "disarmed", "client_connected")

hostile_text = st.one_of(
    st.sampled_from(
        [
            "", " ", "\0", "a\x1fb", "\ud800", "\U0001f513" * 40, "x" * 128, "x" * 129, "x" * 10_000, "‮cod",
            "'; DROP TABLE entries; --", "<script>alert(1)</script>", "../../etc", "rule:flood", "entrance", "NaN",
        ]
    ),
    st.text(max_size=140),
    st.text(st.characters(codec=None, categories=["Cs", "Cc", "Lo", "So"]), max_size=8),
)  # fmt: skip
names = st.one_of(st.sampled_from(DEVICE_NAMES), hostile_text)
actions = st.one_of(st.sampled_from(ACTIONS), hostile_text)

zones = st.builds(timezone, st.integers(-1439, 1439).map(lambda minutes: timedelta(minutes=minutes)))
any_time = st.one_of(
    st.datetimes(timezones=st.one_of(st.just(UTC), zones)),
    st.sampled_from(
        [
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2030, 1, 1, tzinfo=UTC),
        ]
    ),
    st.floats(0, 10 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds)),
)
odd_numbers = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, -1.0, 1e-9, 0.001, 10.0, 1440.0, 1440.1, 1e300, float("nan")])
)

devices = st.builds(
    Device,
    name=names,
    type=st.one_of(st.sampled_from(sorted(TYPES)), hostile_text),
    role=st.one_of(st.sampled_from(sorted(ROLES)), hostile_text),
    room=hostile_text,
)
responses = st.builds(
    Response,
    name=hostile_text,
    device=names,
    command=st.one_of(
        st.sampled_from(["on", "off", "lock", "arm", "UNLOCK", " open", *sorted(REFUSED)]), hostile_text
    ),
    when=st.lists(
        st.one_of(st.sampled_from(["entrance", "lock", "other", "motion", "rule:flood", *DEVICE_NAMES]), names),
        max_size=3,
    ).map(tuple),
    minutes=st.one_of(st.none(), odd_numbers),
    restore=st.one_of(st.none(), st.sampled_from(["on", "off", "closed", *sorted(REFUSED), "Unlock"]), hostile_text),
    responder=st.sampled_from(["dry_run", "mqtt", ""]),
)
any_settings = st.builds(
    Settings,
    place=hostile_text,
    timezone=st.one_of(
        st.sampled_from(["UTC", "Europe/Amsterdam", "Australia/Lord_Howe", "", "..", "/etc", "No/Such"]),
        hostile_text,
    ),
    budget=st.one_of(st.just(1.0), odd_numbers),
    devices=st.lists(devices, max_size=5).map(tuple),
    responses=st.lists(responses, max_size=5).map(tuple),
    happened_delay_minutes=st.one_of(st.just(10.0), odd_numbers),
)

ids = st.one_of(st.sampled_from(["i1", "i2", "i3", "i1-1", "i2-1", "i3-1"]), hostile_text)


def events(at: st.SearchStrategy[datetime]) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        id=hostile_text,
        source=st.sampled_from(["mqtt", "files"]),
        at=at,
        happened=st.one_of(st.none(), any_time),
        place=st.just("home"),
        device=names,
        action=actions,
        actor=st.one_of(st.none(), st.sampled_from(["homeward", "person:ada", "automation:night"]), hostile_text),
        origin=st.one_of(st.none(), hostile_text),
        value=st.one_of(st.none(), st.floats()),
        attributes=st.dictionaries(st.sampled_from(["property", "room", "delivery"]), hostile_text, max_size=2),
    )


def inputs(at: st.SearchStrategy[datetime] = any_time) -> st.SearchStrategy[Input]:
    """Any input at all; ``at`` says when."""
    return st.one_of(
        events(at),
        events(at),
        st.builds(
            Feedback,
            at=at,
            incident=ids,
            answer=st.sampled_from(["yes", "no"]),
            person=hostile_text,
            channel=st.just("page"),
        ),
        st.builds(
            Outcome,
            at=at,
            action=ids,
            step=st.sampled_from(["apply", "revert"]),
            ok=st.booleans(),
            detail=hostile_text,
        ),
        st.builds(
            Change,
            at=at,
            version=st.just("0.1.0"),
            settings=st.one_of(st.none(), any_settings),
            command=st.one_of(st.none(), st.sampled_from(COMMANDS)),
            target=ids,
        ),
        st.builds(
            Health,
            at=at,
            subject=st.one_of(st.sampled_from(["source:mqtt", "clock", "guard", "disk"]), hostile_text),
            up=st.booleans(),
            detail=hostile_text,
            offset_ms=st.one_of(st.none(), st.integers(), st.integers(-(10**10), 10**10)),
        ),
        st.builds(Forgotten, at=at, entries=st.lists(st.integers(), max_size=3).map(tuple)),
        st.builds(Tick, at=at),
    )


# A small, plausible home, in which rules (which need no learning) bring about incidents and leases quickly.

HOME = Settings(
    timezone="Europe/Amsterdam",
    devices=(
        Device(name="front door", type="contact.door", role="entrance", room="hall"),
        Device(name="lock", type="lock", role="entrance", room="hall"),
        Device(name="siren", type="siren", role="actuator", room="hall"),
        Device(name="lamp", type="light", role="actuator", room="hall"),
        Device(name="motion", type="motion", role="motion", room="hall"),
        Device(name="panel", type="alarm", room="hall"),
        Device(name="smoke", type="smoke", room="hall"),
        Device(name="broker", type="broker"),
    ),
    responses=(
        Response(name="howl", device="siren", command="on", when=("entrance", "rule:new client"), restore="off"),
        Response(name="lock up", device="lock", command="lock", when=("entrance",), minutes=None),
        Response(
            name="light up", device="lamp", command="on", when=("rule:new client",), minutes=10 / 3, restore="off"
        ),
        Response(name="let in", device="lock", command="unlock", when=("entrance",), minutes=5.0, restore="lock"),
        Response(name="flip", device="lamp", command="toggle", when=("entrance",), minutes=5.0, restore="toggle"),
        Response(name="hush", device="smoke", command="off", when=("entrance",), minutes=5.0, restore="on"),
    ),
)

_home_events = st.builds(
    lambda device, action, origin: (device, action, origin),
    st.sampled_from(("front door", "siren", "lamp", "lock", "motion", "panel", "broker", "stranger")),
    st.sampled_from(("open", "closed", "on", "off", "lock", "armed_away", "disarmed", "client_connected")),
    st.one_of(st.none(), st.integers(0, 50).map("client {}".format)),
)


@st.composite
def _home_inputs(draw: st.DrawFn) -> tuple[float, Input]:
    """What happens in the home, and how many seconds after what came before."""
    at = START
    item: Input
    match draw(st.sampled_from(["door", "client", "event", "event", "answer", "command", "health", "tick", "panel"])):
        case "door":
            item = Event(id="", source="mqtt", at=at, device="front door", action="open")
        case "client":
            origin = f"client {draw(st.integers(0, 10_000))}"
            item = Event(id="", source="mqtt", at=at, device="broker", action="client_connected", origin=origin)
        case "panel":
            item = Event(id="", source="mqtt", at=at, device="panel", action="armed_away")
        case "event":
            device, action, origin = draw(_home_events)
            item = Event(id="", source="mqtt", at=at, device=device, action=action, origin=origin)
        case "answer":
            incident = f"i{draw(st.integers(1, 4))}"
            item = Feedback(at=at, incident=incident, answer=draw(st.sampled_from(["yes", "no"])))
        case "command":
            command = draw(st.sampled_from([command for command in COMMANDS if "backfill" not in command]))
            target = f"i{draw(st.integers(1, 3))}-{draw(st.integers(1, 2))}"
            item = Change(at=at, version="0.1.0", command=command, target=target)
        case "health":
            item = Health(at=at, subject=draw(st.sampled_from(["source:mqtt", "disk"])), up=draw(st.booleans()))
        case _:
            item = Tick(at=at)
    gap = draw(st.one_of(st.just(0.0), st.floats(0.001, 90), st.floats(60, 7200)))
    return gap, item


home_days: st.SearchStrategy[Sequence[tuple[float, Input]]] = st.lists(_home_inputs(), max_size=40)
"""Stories of the small home: pairs of seconds since the item before, and what comes in."""
