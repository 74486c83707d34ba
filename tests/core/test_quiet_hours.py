"""Quiet hours: written as people write them, and over when the clock on the wall says so, in summer and in winter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.strategies import hostile_text

from homeward.core.local_time import EPOCH, MILLISECOND, LocalClock, milliseconds
from homeward.core.quiet_hours import MINUTE, QuietHours, minute_of, spans

DAY = 1440 * MINUTE
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
}
minutes = st.integers(0, 1439)
quiet_hours = st.tuples(minutes, minutes).filter(lambda two: two[0] != two[1]).map(lambda two: QuietHours(*two))


def wall(zone: str, *when: int, fold: int = 0) -> int:
    return milliseconds(datetime(*when, tzinfo=ZoneInfo(zone), fold=fold))  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("22:00-07:00", 1320, 420),
        ("22:00\u201307:00", 1320, 420),
        (" 0:30 - 6:05 ", 30, 365),
        ("13:00-24:00", 780, 0),
        ("24:00-06:00", 0, 360),
    ],
)
def test_quiet_hours_are_read_as_they_are_written(text: str, begin: int, end: int) -> None:
    assert QuietHours.parse(text) == QuietHours(begin, end)


@pytest.mark.parametrize(
    "text", ["", "22-7", "22:00", "22:60-07:00", "25:00-07:00", "24:01-07:00", "22:00-07:00-08:00"]
)
def test_what_is_no_quiet_hours_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r'"22:00-07:00"'):
        QuietHours.parse(text)


def test_all_day_is_never_quiet() -> None:
    for text in ("07:00-07:00", "00:00-24:00"):
        with pytest.raises(ValueError, match="another time than they begin"):
            QuietHours.parse(text)
    with pytest.raises(ValueError, match="from 0 to 1439"):
        QuietHours(0, 1440)


@given(quiet_hours)
def test_quiet_hours_are_written_as_they_are_read_and_can_be_saved(quiet: QuietHours) -> None:
    assert QuietHours.parse(str(quiet)) == quiet
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(quiet), type=QuietHours) == quiet


@given(hostile_text)
def test_no_text_is_taken_for_quiet_hours_that_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        QuietHours.parse(text)


@given(quiet_hours, minutes)
def test_the_hours_are_the_minutes_from_the_beginning_to_the_end(quiet: QuietHours, minute: int) -> None:
    length = (quiet.end - quiet.begin) % 1440
    inside = {(quiet.begin + passed) % 1440 for passed in range(length)}
    assert spans(quiet.begin, quiet.end, minute) == (minute in inside)
    assert quiet.contains(minute * MINUTE + MINUTE - 1) == (minute in inside)


def test_on_an_ordinary_night_they_end_in_the_morning() -> None:
    quiet, clock = QuietHours.parse("22:00-07:00"), LocalClock("Europe/Berlin", 10.0)
    evening = wall("Europe/Berlin", 2026, 6, 1, 23, 30)
    assert quiet.ends_at(evening, clock) == wall("Europe/Berlin", 2026, 6, 2, 7)
    assert quiet.ends_at(wall("Europe/Berlin", 2026, 6, 2, 6, 59), clock) == wall("Europe/Berlin", 2026, 6, 2, 7)
    assert quiet.ends_at(wall("Europe/Berlin", 2026, 6, 2, 7), clock) is None
    assert quiet.ends_at(wall("Europe/Berlin", 2026, 6, 2, 22) - 1, clock) is None


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 28), 8),
        ("Europe/Berlin", (2026, 10, 24), 10),
        ("America/New_York", (2026, 3, 7), 8),
        ("America/New_York", (2026, 10, 31), 10),
    ],
)
def test_a_night_in_which_the_clock_is_changed_ends_at_seven_all_the_same(
    zone: str, evening: tuple[int, int, int], hours: int
) -> None:
    begins = wall(zone, *evening, 22)
    ends = QuietHours.parse("22:00-07:00").ends_at(begins, LocalClock(zone, 10.0))
    assert ends == begins + hours * 60 * MINUTE


def test_an_end_that_summer_time_leaves_out_is_the_change_itself() -> None:
    ends = QuietHours.parse("22:00-02:30").ends_at(
        wall("Europe/Berlin", 2026, 3, 28, 23), LocalClock("Europe/Berlin", 10.0)
    )
    assert ends == wall("Europe/Berlin", 2026, 3, 29, 3)


def test_an_end_that_comes_twice_is_its_first_coming_and_then_it_is_quiet_once_more() -> None:
    quiet, clock = QuietHours.parse("22:00-02:30"), LocalClock("Europe/Berlin", 10.0)
    first = wall("Europe/Berlin", 2026, 10, 25, 2, 30)
    assert quiet.ends_at(wall("Europe/Berlin", 2026, 10, 24, 23), clock) == first
    assert quiet.ends_at(first, clock) is None
    assert quiet.ends_at(first + 30 * MINUTE, clock) == wall("Europe/Berlin", 2026, 10, 25, 2, 30, fold=1)


def test_they_are_the_walls_hours_also_where_the_guards_clock_is_behind() -> None:
    quiet, clock, behind = QuietHours.parse("22:00-07:00"), LocalClock("UTC", 10.0), 5 * 60 * MINUTE
    evening = wall("UTC", 2026, 6, 1, 23)
    assert quiet.ends_at(evening - behind, clock, behind) == wall("UTC", 2026, 6, 2, 7) - behind
    assert quiet.ends_at(evening, clock, behind) == wall("UTC", 2026, 6, 2, 7) - behind
    assert quiet.ends_at(wall("UTC", 2026, 6, 2, 3), clock, behind) is None


def test_the_clock_is_left_where_it_was() -> None:
    clock, evening = LocalClock("Europe/Berlin", 10.0), wall("Europe/Berlin", 2026, 3, 28, 23)
    clock.local(evening)
    before = clock.offset
    QuietHours.parse("22:00-07:00").ends_at(evening, clock)
    assert clock.offset == before == 60 * MINUTE


@given(
    st.sampled_from([(zone, change) for zone, changes in CHANGES.items() for change in changes]),
    st.integers(-DAY, DAY),
    quiet_hours,
)
@example(("Europe/Berlin", CHANGES["Europe/Berlin"][1]), -MINUTE, QuietHours(0, 1439))
def test_around_a_change_every_moment_until_the_end_is_quiet_and_then_it_is_not(
    place: tuple[str, datetime], away: int, quiet: QuietHours
) -> None:
    """Minute by minute, by the calendar of `zoneinfo` alone."""
    zone, at = ZoneInfo(place[0]), milliseconds(place[1]) + away
    ends = quiet.ends_at(at, LocalClock(place[0], 10.0))

    def is_quiet(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        return spans(quiet.begin, quiet.end, 60 * local.hour + local.minute)

    now = EPOCH + at * MILLISECOND
    assert is_quiet(now) == (ends is not None)
    if ends is not None:
        last = EPOCH + ends * MILLISECOND
        assert not is_quiet(last)
        assert is_quiet(last - MILLISECOND)
        step = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while step < last:
            assert is_quiet(step)
            step += timedelta(minutes=1)


@given(
    quiet_hours, st.integers(), st.integers(), st.sampled_from(["UTC", "No/Such", "Pacific/Apia", "Asia/Kathmandu"])
)
def test_at_any_time_at_all_there_is_an_end(quiet: QuietHours, at: int, offset: int, zone: str) -> None:
    ends = quiet.ends_at(at, LocalClock(zone, 10.0), offset)
    assert ends is None or 0 < ends - at <= 2 * DAY
    assert 0 <= minute_of(at) < 1440
