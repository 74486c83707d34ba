"""The simulated neighbourhood: the same from the same seed, of all kinds, alive by plans, silent in an outage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from homeward.bench.homes import Household, load
from homeward.bench.methods import Homeward
from homeward.bench.neighbourhood import KINDS, household, kind_of, neighbourhood
from homeward.bench.neighbourhood.almanac import almanac
from homeward.bench.neighbourhood.files import write
from homeward.bench.neighbourhood.plans import OUT, plan, together
from homeward.bench.neighbourhood.portrait import FIGURES, portrait
from homeward.bench.neighbourhood.portrait import table as compared
from homeward.bench.neighbourhood.ranges import table
from homeward.bench.neighbourhood.scene import scene

SEED = 7
DAYS = 40
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def homes() -> list[Household]:
    """The first ten households, 40 days each."""
    return list(neighbourhood(SEED, 10, DAYS))


def test_the_same_seed_gives_the_same_household(homes: list[Household]) -> None:
    assert household(SEED, 3, DAYS) == homes[3]


def test_another_seed_gives_another_household(homes: list[Household]) -> None:
    other = household(SEED + 1, 3, DAYS)
    assert other.name == homes[3].name
    assert (other.devices, other.events) != (homes[3].devices, homes[3].events)


def test_all_kinds_are_among_the_first_ten(homes: list[Household]) -> None:
    assert [home.name for home in homes] == [f"sim-{kind_of(number)}-{number:03}" for number in range(10)]
    assert len({kind_of(number) for number in range(10)}) == len(KINDS)


def test_no_two_households_are_alike(homes: list[Household]) -> None:
    sets = {tuple(sorted((d.name, d.type, d.room) for d in home.devices.values())) for home in homes}
    assert len(sets) == len(homes)
    assert len({home.timezone for home in homes}) >= 5


def test_events_are_in_order_of_time_and_change_states(homes: list[Household]) -> None:
    for home in homes:
        assert not home.real
        assert home.at == [event.at for event in home.events]
        assert all(a <= b for a, b in pairwise(home.at))
        assert all(event.at.tzinfo is UTC and event.at.microsecond % 1000 == 0 for event in home.events)
        last: dict[str, tuple[str, float | None]] = {}
        for event in home.events:
            assert event.device in home.devices
            assert event.action in ("active", "pressed", "ring") or last.get(event.device) != (
                event.action,
                event.value,
            )
            last[event.device] = (event.action, event.value)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no household"):
        household(SEED, -1)


def test_scenarios_find_the_roles_they_need(homes: list[Household]) -> None:
    for home in homes:
        assert home.roles("entrance")
        assert home.roles("actuator")
        assert len({device.room for device in home.roles("motion", "presence", "use")}) >= 3
        assert 5 <= len(home.devices) <= 45


def test_the_rate_of_events_is_moderate(homes: list[Household]) -> None:
    rates = [median(Counter(home.dates).values()) for home in homes]
    assert 60 <= median(rates) <= 200
    assert max(rates) <= 400


def indoors_first(home: Household) -> list[str]:
    """The room of the first movement after an opening that ends an hour of silence."""
    entrance = {device.name for device in home.roles("entrance") if device.type == "contact.door"}
    found = []
    for number, (before, event) in enumerate(pairwise(home.events[:-40]), 1):
        if event.at - before.at < HOUR or event.device not in entrance:
            continue
        following = home.events[number + 1 : number + 40]
        seen = [home.devices[e.device].room for e in following if home.devices[e.device].role == "motion"]
        found += seen[:1]
    return found


def test_who_comes_home_is_seen_in_the_hall_first(homes: list[Household]) -> None:
    rooms = [room for home in homes for room in indoors_first(home)]
    assert len(rooms) > 50
    assert rooms.count("hall") / len(rooms) > 0.85


def test_lights_follow_darkness_and_people(homes: list[Household]) -> None:
    windowless = {"bathroom", "toilet", "laundry"}
    checked = 0
    for number, home in enumerate(homes):
        happens = scene(SEED, number, DAYS)
        for event in home.events:
            device = home.devices[event.device]
            if device.type != "light" or event.action != "on" or device.room in windowless or event.actor:
                continue
            at = event.at.timestamp()
            assert list(happens.almanac.darkness(at - 5, at + 5)), (home.name, event)
            assert any(s.begin <= at <= s.end for s in happens.stays_in(device.room)), (home.name, event)
            checked += 1
    assert checked > 200


def test_people_are_named_by_what_knows_them_and_by_no_motion_sensor(homes: list[Household]) -> None:
    named = [event for home in homes for event in home.events if event.actor]
    people = [event for event in named if event.actor and event.actor.startswith("person:")]
    assert all(home.devices[e.device].role != "motion" for home in homes for e in home.events if e.actor)
    assert all((e.actor or "").startswith(("person:", "automation:")) for e in named)
    origins = {(event.origin or "").split(":")[0] for event in people}
    assert origins <= {"app", "keypad", "remote", "voice", "panel"}
    assert len(origins) >= 4
    assert all(e.origin in (None, f"app:{(e.actor or '')[7:]}-phone") for e in people if "app" in (e.origin or ""))
    by_home = [{e.actor for e in home.events if (e.actor or "").startswith("person:")} for home in homes]
    assert sum(len(actors) >= 2 for actors in by_home) >= 3
    assert any(not actors for actors in by_home)


def test_some_homes_have_a_lock_and_some_only_a_contact(homes: list[Household]) -> None:
    locks = [any(device.type == "lock" for device in home.devices.values()) for home in homes]
    assert any(locks)
    assert not all(locks)


def test_an_outage_is_silent() -> None:
    outages = 0
    for number in range(4):
        home, happens = household(SEED, number, 90), scene(SEED, number, 90)
        for begin, end in happens.almanac.outages:
            assert not any(begin <= at.timestamp() < end for at in home.at)
            outages += any(at.timestamp() >= end for at in home.at)
    assert outages > 0


def test_a_schedule_stays_on_the_clock_when_daylight_saving_begins_or_ends() -> None:
    """A commuter leaves at the same local time before and after the switch: by UTC an hour apart."""
    for number in range(1, 100, 10):
        happens = scene(SEED, number, 120)
        midnights = happens.almanac.midnights
        switch = next((day for day in range(120) if midnights[day + 1] - midnights[day] != 86_400), None)
        if switch is not None and 35 <= switch <= 85:
            break
    else:
        pytest.fail("no switch in the middle of a record")
    assert switch is not None
    person = happens.home.residents[0]
    plain = replace(person, job=None, drift=0.0)
    shared = together(happens.key, happens.home, happens.almanac)
    leaves: dict[bool, list[float]] = {False: [], True: []}
    for block in plan(happens.key, plain, happens.almanac, shared):
        day = int(block.begin // 86_400)
        works = 0 <= day < 120 and not happens.almanac.is_free(day)
        if block.kind == OUT and works and abs(block.begin / 3600 - 24 * day - plain.leave) < 1:
            at = datetime.fromtimestamp(happens.almanac.true(block.begin), ZoneInfo(happens.almanac.city.timezone))
            leaves[day > switch].append(at.hour * 60 + at.minute)
    assert min(map(len, leaves.values())) >= 10
    assert abs(median(leaves[True]) - median(leaves[False])) < 15


def test_the_night_of_the_switch_keeps_order() -> None:
    for number in range(20):
        times = almanac(SEED, number, 180)
        walls = [quarter * 900.0 for quarter in range(180 * 96)]
        assert all(times.true(a) < times.true(b) for a, b in pairwise(walls))
        assert times.true(179 * 86_400.0) == times.midnights[179]


def test_the_guard_streams_a_household(homes: list[Household]) -> None:
    guard = Homeward(homes[5], budget=1.0)
    for event in homes[5].events[:2_000]:
        guard.event(event)
    guard.wait(homes[5].events[2_000].at)


def test_a_household_as_files_is_the_same_household(homes: list[Household], tmp_path: Path) -> None:
    home = homes[2]
    again = load(home.name, write(home, tmp_path))
    assert (again.name, again.real, again.timezone) == (home.name, False, home.timezone)
    assert (again.at, again.hours, again.dates, again.days) == (home.at, home.hours, home.dates, home.days)
    assert again.devices == home.devices
    told = [(e.device, e.action, e.value, e.actor) for e in home.events]
    assert [(e.device, e.action, e.value, e.actor) for e in again.events] == told
    first = write(home, tmp_path).read_bytes()
    assert write(home, tmp_path).read_bytes() == first


def test_the_documentation_lists_every_range_with_its_source(repository: Path) -> None:
    page = (repository / "docs" / "explanation" / "neighbourhood.md").read_text("utf-8")
    listed = [
        line
        for line in page.split("<!-- ranges -->")[1].split("<!-- /ranges -->")[0].splitlines()
        if line.startswith("|")
    ][2:]
    assert listed == [f"| {' | '.join(row)} |" for row in table()]


def test_a_portrait_counts_what_the_household_tells(homes: list[Household]) -> None:
    home = homes[1]
    figures = dict(zip(FIGURES, portrait(home), strict=True))
    door = next(device.name for device in home.roles("entrance") if device.type == "contact.door")
    openings = sum(event.device == door and event.action == "open" for event in home.events)
    assert figures["devices"] == len(home.devices)
    assert figures["openings a day"] >= openings / DAYS
    assert 0 < figures["share from 01:00 to 05:00"] < 0.2
    text = compared([("recorded", portrait(homes[0]))], [portrait(home), portrait(homes[2])])
    assert len({line.count("|") for line in text.splitlines()}) == 1
