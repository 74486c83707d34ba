"""The simulated household: the same seed, the same days; and days as people live them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise

import pytest

from homeward.core.vocabulary import ROLES, TYPES
from homeward.demo.household import DEVICES, Moment, at_rest, simulate
from homeward.demo.intruder import strange_nights

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture(scope="module", params=[1, 2, 3])
def weeks(request: pytest.FixtureRequest) -> list[Moment]:
    return list(simulate(MONDAY, 56, request.param))


def test_the_same_seed_gives_the_same_days(weeks: list[Moment]) -> None:
    assert weeks in [list(simulate(MONDAY, 56, seed)) for seed in (1, 2, 3)]
    assert list(simulate(MONDAY, 7, 1)) != list(simulate(MONDAY, 7, 2))


def test_a_day_depends_on_its_date_alone_so_that_a_story_goes_on_where_the_past_ended() -> None:
    whole = list(simulate(MONDAY, 14, 5))
    parts = [*simulate(MONDAY, 6, 5), *simulate(MONDAY + timedelta(days=6), 8, 5)]
    assert whole == parts
    assert whole == list(islice(simulate(MONDAY, None, 5), len(whole)))


def test_moments_come_in_order_and_each_changes_something(weeks: list[Moment]) -> None:
    assert all(before.at <= after.at for before, after in pairwise(weeks))
    states = {device.name: at_rest(device) for device in DEVICES}
    for moment in weeks:
        assert states[moment.device] != (moment.property, moment.value), moment
        states[moment.device] = moment.property, moment.value


def test_every_night_ends_with_all_doors_closed_and_locked(weeks: list[Moment]) -> None:
    states = {device.name: at_rest(device)[1] for device in DEVICES}
    closed = [device.name for device in DEVICES if device.type.startswith(("contact", "lock"))]
    rest = {name: states[name] for name in closed}
    day = date.min
    for moment in weeks:
        today = (moment.at - timedelta(hours=4)).date()
        if today != day:
            assert {name: states[name] for name in closed} == rest
            day = today
        states[moment.device] = moment.value


def test_nobody_uses_the_front_door_between_one_and_five(weeks: list[Moment]) -> None:
    door = [moment for moment in weeks if moment.device.startswith("front door")]
    assert len(door) > 500
    assert not [moment for moment in door if time(1) <= moment.at.time() < time(5)]


def test_a_day_has_a_plausible_number_of_changes(weeks: list[Moment]) -> None:
    days = sorted(Counter((moment.at - timedelta(hours=4)).date() for moment in weeks).values())
    assert len(days) == 56
    assert days[5] >= 300
    assert 400 <= sum(days) / len(days) <= 650
    assert days[-1] <= 900


def test_every_device_lives_but_the_siren(weeks: list[Moment]) -> None:
    assert {device.name for device in DEVICES} - {moment.device for moment in weeks} == {"siren"}
    assert all(device.type in TYPES and device.role in ROLES for device in DEVICES)


def test_weekdays_and_weekends_differ(weeks: list[Moment]) -> None:
    def first_coffee(weekend: bool) -> float:
        found: dict[date, float] = {}
        for moment in weeks:
            if moment.device == "coffee machine" and (moment.at.weekday() >= 5) is weekend:
                found.setdefault(moment.at.date(), moment.at.hour + moment.at.minute / 60)
        return sum(found.values()) / len(found)

    assert first_coffee(weekend=True) > first_coffee(weekend=False) + 0.2


def test_the_stranger_comes_first_and_then_something_else_every_few_nights() -> None:
    first = datetime(2026, 5, 7, 2, 40, tzinfo=UTC)
    nights = list(islice(strange_nights(first, 7), 40))
    assert nights[0][0] == Moment(first, "front door", "contact", False)
    assert nights == list(islice(strange_nights(first, 7), 40))
    for before, after in pairwise(nights):
        assert timedelta(days=1) < after[0].at - before[0].at < timedelta(days=5)
        assert time(0, 45) < after[0].at.time() < time(4, 15)
        assert after == sorted(after, key=lambda moment: moment.at)
    assert {night[0].device for night in nights} == {
        "front door", "study window", "front door lock", "living room light", "coffee machine",
    }  # fmt: skip
