"""Silence: a device that speaks often is told once it has said nothing for a day and a night, and no other is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from homeward.core.behaviour import silence
from homeward.core.behaviour.calibration import BUCKET_SHIFT, MIN_DAYS
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.silence import LEAST, OFTEN, SLOT, SLOTS_A_DAY, Quiet, Silence
from homeward.core.behaviour.table import Table

BEGIN = 20_000 * DAY
WAKING = range(14, 46)
"""The half-hours from seven in the morning to eleven at night, in which what is lived with speaks."""


class House:
    """A hub that speaks in every half-hour, and what else speaks so often a day, spread over the waking hours."""

    def __init__(self) -> None:
        self.table, self.silence = Table(), Silence()
        self.day = 0
        self.told: list[tuple[int, Quiet]] = []

    def lives(self, days: int, *, often: Mapping[str, int], speaks: Callable[[int], bool] = lambda _: True) -> None:
        """Days of it; ``speaks`` tells on which days the devices do."""
        for _ in range(days):
            self.silence.pass_day(self.day, 0, 1.0)
            moments = [(slot * SLOT, "hub") for slot in range(SLOTS_A_DAY)]
            for device, times in often.items() if speaks(self.day) else ():
                for number in range(times):
                    slot = WAKING[(number * len(WAKING) // times + 3 * self.day) % len(WAKING)]
                    moments.append((slot * SLOT + 60_000, device))
            for after, device in sorted(moments):
                at = BEGIN + self.day * DAY + after
                self.told += [(at, quiet) for quiet in self.silence.hear(self.table, device, "mqtt", at, at)]
            self.day += 1


OTHERS = {"radio": 24, "stove": 16}


@pytest.fixture
def house() -> House:
    """Four weeks with two devices that speak often."""
    found = House()
    found.lives(28, often=OTHERS)
    assert found.told == []
    assert found.silence.threshold is not None
    return found


def told(house: House) -> list[str]:
    return [quiet.device for _, quiet in house.told]


def test_a_device_that_speaks_often_is_told_once_and_after_twenty_hours_at_the_earliest(house: House) -> None:
    house.lives(4, often={"stove": 16})
    ((at, quiet),) = house.told
    assert quiet.device == "radio"
    assert LEAST == 20 * 3_600_000 <= at - quiet.spoke_at < DAY + 8 * SLOT


def test_it_is_the_twenty_hours_that_it_waits_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its bits alone it would be told within the day."""
    monkeypatch.setattr(silence, "LEAST", 0)
    house.lives(4, often={"stove": 16})
    (at, quiet) = house.told[0]
    assert (quiet.device, at - quiet.spoke_at < LEAST) == ("radio", True)


@pytest.mark.parametrize("missing", [0.5, 0.75])
def test_half_a_day_without_a_word_is_not_told(house: House, missing: float) -> None:
    at = BEGIN + house.day * DAY
    for slot in range(int(SLOTS_A_DAY * missing)):
        now = at + slot * SLOT
        assert house.silence.hear(house.table, "hub", "mqtt", now, now) == []


@pytest.mark.parametrize(("times", "is_told"), [(OFTEN, True), (OFTEN + 5, True), (OFTEN - 1, False), (2, False)])
def test_only_a_device_that_speaks_ten_times_on_its_days_is_told(times: int, is_told: bool) -> None:
    house = House()
    house.lives(28, often={**OTHERS, "kettle": times})
    house.told = []
    house.lives(8, often=OTHERS)
    assert told(house) == ["kettle"] * is_told


@pytest.mark.parametrize(("of_eight", "is_told"), [(8, True), (7, True), (5, False), (4, False)])
def test_only_a_device_that_speaks_on_three_of_four_days_is_told(of_eight: int, is_told: bool) -> None:
    house = House()
    for _ in range(7):
        house.lives(of_eight, often={**OTHERS, "kettle": 20})
        house.lives(8 - of_eight, often=OTHERS)
    house.told = []
    house.lives(5, often=OTHERS)
    assert told(house) == ["kettle"] * is_told


@pytest.mark.parametrize(("days", "is_told"), [(MIN_DAYS - 2, False), (MIN_DAYS + 3, True)])
def test_only_a_device_that_has_been_known_for_a_week_is_told(house: House, days: int, is_told: bool) -> None:
    house.lives(days, often={**OTHERS, "kettle": 20})
    house.lives(8, often=OTHERS)
    assert told(house) == ["kettle"] * is_told


def test_a_silence_that_was_told_raises_the_bar_to_a_bit_above_the_threshold_at_most(house: House) -> None:
    before = dict(house.silence.records.counts)
    house.lives(6, often={"stove": 16})
    assert told(house) == ["radio"]
    heard = house.silence.devices["radio"]
    assert heard.bits - heard.record > (house.silence.threshold or 0) + 256
    record, threshold = heard.record, house.silence.threshold or 0
    house.lives(1, often=OTHERS)
    counts = house.silence.records.counts
    added = {bucket for bucket in counts if counts[bucket] > before.get(bucket, 0)}
    assert max(added) == threshold + 256 >> BUCKET_SHIFT
    assert heard.record == record, "nor is it the longest that it has been silent"


def test_what_falls_silent_for_less_than_a_day_and_a_night_raises_no_bar(house: House) -> None:
    at = BEGIN + house.day * DAY
    for slot in range(SLOTS_A_DAY * 3 // 4):
        house.silence.hear(house.table, "hub", "mqtt", at + slot * SLOT, at + slot * SLOT)
    heard = house.silence.devices["radio"]
    assert heard.bits - heard.record > 256, "it is news"
    house.lives(1, often=OTHERS)
    assert set(house.silence.records.counts) == {0}
