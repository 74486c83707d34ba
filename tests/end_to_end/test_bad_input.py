"""Whoever may write to the broker may write anything: each is counted, shown and survived, and costs nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.end_to_end.home import (
    STATUS,
    Home,
    Neighbour,
    acts,
    events,
    eventually,
    home_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    DEADLINE,
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.core.behaviour.profile import HALF_LIFE
from homeward.core.engine import Engine
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.sources.topics import DEVICE_LIMIT

GROWTH, RESIDENT = 150.0, 250.0
"""What the guard's memory may grow by, and come to, in MiB."""

LONG = 4 * DEADLINE
"""How long a hundred thousand messages are waited for, on a slow machine."""

LATE = timedelta(seconds=2.5)
"""How late a lease may end on a machine that is busy with other things."""

YEAR = timedelta(days=365)

# `homeward up`, with a wall clock that is wrong by as many seconds as a file says, and looked at more often.
WRONG_CLOCK = """
import functools, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from homeward import cli, feeders, up
from homeward.clock import GuardClock

def wall():
    return datetime.now(UTC) + timedelta(seconds=float(Path(sys.argv[1]).read_text()))

feeders.LOOK_SECONDS = 0.2
up.run = functools.partial(up.run, make_clock=functools.partial(GuardClock, wall=wall))
sys.exit(cli.main(sys.argv[2:]))
"""

SCRIPTS = ["Küchentür", "台所のドア", "باب المطبخ", "रसोई का दरवाज़ा", "Дверь на кухню", "ประตูห้องครัว", "🚪🍳"]


class Sensor:
    """An honest meter: each reading it tells has to be in the journal, whatever was sent before it."""

    def __init__(self, home: Home, neighbour: Neighbour) -> None:
        self._home, self._neighbour = home, neighbour
        self._told = 0

    def tell(self) -> None:
        """Tell the next reading; returns when it is in the journal."""
        self._told += 1
        after = self._home.entries()
        self._neighbour.publish("home/meter", json.dumps({"power": self._told}))
        eventually(lambda: self._told in self.heard(after), f"reading {self._told} is in the journal", seconds=LONG)

    def heard(self, after: int = 0) -> list[float | None]:
        return [one.value for one in events(self._home.state, after) if one.device == "meter"]

    def assert_nothing_is_lost(self) -> None:
        assert self.heard() == list(range(1, self._told + 1))


@pytest.fixture
def neighbour(mosquitto: Mosquitto) -> Iterator[Neighbour]:
    neighbour = Neighbour(mosquitto, "neighbour")
    neighbour.listen("home/+/set")
    neighbour.listen(STATUS)
    yield neighbour
    neighbour.close()


@pytest.fixture
def shift_wall_clock(home: Home) -> Callable[[timedelta], object]:
    """Make the guard's wall clock wrong by so much."""
    new = home.folder / "shift.new"

    def shift(by: timedelta) -> None:
        new.write_text(str(by.total_seconds()))
        new.replace(home.folder / "shift")

    shift(timedelta(0))
    return shift


@pytest.fixture
def sensor(home: Home, neighbour: Neighbour, shift_wall_clock: object) -> Sensor:
    """Of a home whose guard is up."""
    home.configure({"hall_light": 6.0})
    home.start(program=("-c", WRONG_CLOCK, str(home.folder / "shift"), "up"))
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard listens")
    sensor = Sensor(home, neighbour)
    sensor.tell()
    return sensor


def let_an_intruder_in(home: Home, neighbour: Neighbour) -> datetime:
    """Opens a lease; returns when it has to end."""
    for topic, payload in (
        ("home/panel", {"alarm": "armed_away"}),
        ("home/hall_window", {"contact": True}),
        ("home/hall_window", {"contact": False}),
    ):
        neighbour.publish(topic, json.dumps(payload))
    eventually(lambda: bool(neighbour.when("home/hall_light/set", "on")), "the hall is lit")
    ends = acts(home.state)["hall_light"].ends
    assert ends is not None
    return ends


def assert_ends_on_time(neighbour: Neighbour, ends: datetime) -> None:
    eventually(lambda: bool(neighbour.when("home/hall_light/set", "off")), "the lease ends")
    ended = neighbour.when("home/hall_light/set", "off")
    assert ended is not None
    assert ends <= ended <= ends + LATE
    assert neighbour.said("home/hall_light/set") == ["on", "off"]


def epoch(at: datetime) -> int:
    """How often everything learned has faded by then."""
    return int(at.timestamp() * 1000) // HALF_LIFE


def folded(home: Home) -> Engine:
    """The guard's state, as its journal tells it."""
    with Journal(home.state, read_only=True) as journal:
        return Guard.resume(journal).engine


BAD = {
    "no JSON": ("home/meter", b'{"power": ', "refused: mqtt: malformed"),
    "no text": ("home/meter", b"\xff\xfe\x00", "refused: mqtt: malformed"),
    "no object": ("home/meter", b"[1, 2, 3]", "refused: mqtt: malformed"),
    "nested without end": ("home/meter", b'{"power":' + b"[" * 50_000, "refused: mqtt: malformed"),
    "NaN": ("home/meter", b'{"power": NaN}', "refused: mqtt: malformed"),
    "NaN as text": ("home/meter", b'{"power": "nan"}', "refused: mqtt: not finite"),
    "infinity as text": ("home/meter", b'{"power": "-inf"}', "refused: mqtt: not finite"),
    "no number": ("home/meter", b'{"power": {}}', "refused: mqtt: not a number"),
    "an unknown word": ("home/hall_window", b'{"contact": "ajar"}', "refused: mqtt: unknown value"),
    "1 MB": ("home/meter", b" " * 1_000_000, "refused: mqtt: payload too large"),
    "a name of 10,000 characters": (f"home/{'n' * 10_000}", b'{"power": 1}', "refused: mqtt: device name"),
    "a name that turns the text round": ("home/\u202erood", b'{"power": 1}', "refused: mqtt: device name"),
    "an empty name": ("home/", b'{"power": 1}', "refused: mqtt: device name"),
    "an action of 10,000 characters": (
        "home/panel",
        b'{"alarm": "%s"}' % (b"a" * 10_000),
        "refused: mqtt: action name",
    ),
    "a topic nobody configured": ("attic/meter", b'{"power": 1}', "refused: mqtt: unknown topic"),
    "dated in words": ("home/clocked", b'{"power": 1, "time": "yesterday"}', "refused: mqtt: bad time"),
    "dated 2030": ("home/clocked", b'{"power": 2, "time": "2030-01-01T00:00:00Z"}', "bad_clock"),
    "dated beyond the calendar": ("home/clocked", b'{"power": 3, "time": 1e17}', "refused: mqtt: bad time"),
}


def dated_a_year_ago() -> bytes:
    return json.dumps({"power": 4, "time": (datetime.now(UTC) - YEAR).isoformat()}).encode()


@pytest.fixture
def attic(mosquitto: Mosquitto) -> Callable[[], None]:
    """An earlier configuration subscribed to the attic; the broker's session still does."""

    def subscribe() -> None:
        client = mosquitto.settings().new_client("homeward", clean_session=False)
        granted: list[int] = []
        asked: list[object] = []
        client.on_subscribe = lambda *_: granted.append(1)
        client.connect("localhost", mosquitto.port)
        deadline = time.monotonic() + DEADLINE
        while not granted:
            assert time.monotonic() < deadline
            client.loop(0.1)
            if client.is_connected() and not asked:
                asked.append(client.subscribe("attic/#", 1))
        client.disconnect()

    return subscribe


def test_bad_messages_are_counted_shown_and_survived(
    home: Home, neighbour: Neighbour, attic: Callable[[], None], shift_wall_clock: object
) -> None:
    attic()
    home.configure({"hall_light": 6.0})
    home.start()
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard listens")
    sensor = Sensor(home, neighbour)
    sensor.tell()
    before, resident = datetime.now(UTC), home.resident()
    ends = let_an_intruder_in(home, neighbour)
    for what, (topic, payload, counter) in (
        BAD | {"a year": ("home/clocked", dated_a_year_ago(), "bad_clock")}
    ).items():
        counted = home.count(counter)
        neighbour.publish(topic, payload)
        sensor.tell()
        assert home.count(counter) == counted + 1, what
    clocked = [one for one in events(home.state) if one.device == "clocked"]
    assert [one.value for one in clocked] == [1, 2, 3, 4], "what they said is kept"
    assert all(before <= one.at <= datetime.now(UTC) for one in clocked), "at the guard's own time"
    assert_ends_on_time(neighbour, ends)
    sensor.assert_nothing_is_lost()
    state = folded(home).state
    assert epoch(before) <= state.profile.table.epoch <= epoch(datetime.now(UTC)), "no habit has faded"
    assert home.resident() - resident < GROWTH
    home.stop()


def test_device_names_of_any_script_are_names(home: Home, neighbour: Neighbour, sensor: Sensor) -> None:
    for name in SCRIPTS:
        neighbour.publish(f"home/{name}", '{"contact": false}')
    sensor.tell()
    assert [one.device for one in events(home.state) if one.action == "open"] == SCRIPTS
    shown = [one["device"] for one in home.api_state()["events"]]
    assert shown[1 : len(SCRIPTS) + 1] == SCRIPTS[::-1]


def test_a_wall_clock_that_jumps_ahead_and_back_a_year_is_told_and_moves_no_lease_and_fades_no_habit(
    home: Home, neighbour: Neighbour, sensor: Sensor, shift_wall_clock: Callable[[timedelta], object]
) -> None:
    before = datetime.now(UTC)
    ends = let_an_intruder_in(home, neighbour)
    for by, words in ((YEAR, "forwards"), (-YEAR, "back"), (timedelta(0), "forwards")):
        shift_wall_clock(by)
        eventually(lambda words=words: words in clock_incident(home), "the jump is told")  # type: ignore[misc]
        eventually(lambda: clock_incident(home).endswith("it came back"), "the clock stands still again")
        sensor.tell()
        assert len(home.api_state()["leases"]) == 1, "the lease goes on"
    assert datetime.now(UTC) < ends, "all that while the lease was open"
    assert_ends_on_time(neighbour, ends)
    sensor.assert_nothing_is_lost()
    assert all(before - timedelta(minutes=1) <= one.at <= datetime.now(UTC) for one in events(home.state))
    state = folded(home).state
    assert epoch(before) <= state.profile.table.epoch <= epoch(datetime.now(UTC)), "no habit has faded"
    home.stop()


def clock_incident(home: Home) -> str:
    """The latest that is said of the clock."""
    return next((str(one["reason"]) for one in home.api_state()["incidents"] if one["device"] == "clock"), "")


def test_a_hundred_thousand_device_names_leave_memory_bounded_and_nothing_else_is_lost(
    home: Home, neighbour: Neighbour, sensor: Sensor
) -> None:
    number, at_once = 100_000, 20_000
    resident = home.resident()
    ends = let_an_intruder_in(home, neighbour)
    before, told = heard_and_refused(home), 0
    for first in range(0, number, at_once):
        names = (f"home/name-{one}" for one in range(first, first + at_once))
        sent = neighbour.send(((name, '{"contact": true}') for name in names), qos=0)
        eventually(sent, "all names were sent", seconds=LONG)
        sensor.tell()
        told += 1
    assert heard_and_refused(home) == before + number + told
    assert number - DEVICE_LIMIT <= home.count("refused: mqtt: too many devices") < number
    assert_ends_on_time(neighbour, ends)
    neighbour.publish("home/hall_light", '{"power": 12}')
    heard = "a configured device is heard all the same"
    eventually(lambda: events(home.state)[-1].device == "hall_light", heard, seconds=LONG)
    sensor.assert_nothing_is_lost()
    assert home.resident() - resident < GROWTH
    assert home.resident() < RESIDENT
    home.stop()


def heard_and_refused(home: Home) -> int:
    return home.count("events") + home.count("refused: mqtt: too many devices")
