"""The simulated neighbourhood: the same from the same seed, of all kinds, alive by plans, silent in an outage."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import pairwise
from statistics import median

import pytest

from homeward.bench.homes import Household
from homeward.bench.neighbourhood import KINDS, household, kind_of, neighbourhood

SEED = 7
DAYS = 40


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
