"""The ranges that the simulated neighbourhood draws from, with where each comes from.

A household (or a person, a device) draws its own value uniformly from a range once; how it then varies from day to
day has ranges of its own. ``table()`` lists them all; the documentation's table is that list. Finer numbers (how
likely each room is, when guests ring, what a student does on Thursdays) stand where they are used: all invented.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

HETUS: Final = "Spanish Time Use Survey 2009-10 (INE; Harmonised European Time Use Surveys)"
ATUS: Final = "American Time Use Survey 2022 (Bureau of Labor Statistics)"
SLEEP_SPAIN: Final = "sleep habits of 9,947 people in Spain (PMC11543482, 2024)"
SLEEP_UK: Final = "Kelly et al. 2022, UK Biobank, 79,161 people (Clocks & Sleep 4:50)"
SLEEP_US: Final = "in-bed intervals of 11,951 people, NHANES 2003-06 (PMC5862775)"
COMMUTE_US: Final = "US Census Bureau, Journey to Work 2000 and American Community Survey 2019, 2022"
NOCTURIA: Final = "NHANES 2005-16, nights with a visit to the toilet by age (Soysal et al. 2023)"
WINDOWS: Final = "Jeong et al. 2016, 20 dwellings (Energy and Buildings 127:206)"
FRIDGE: Final = "Electrolux, a family of five for a month: 55 openings a day (Los Angeles Times, 2001-05-13)"
TRIPS: Final = "Eurostat, tourism trips 2016-17: 5.1 nights on average, over half of at most three nights"
CARE: Final = "NICE guidance on home care 2015: at least half an hour"
HOLD: Final = "keep times offered by motion sensors (Zigbee2MQTT: 30, 60, 120 s; Swidget: 300 s); a real home: 30 s"
FAULTS: Final = "Munir and Stankovic, FailureSense: one sensor seldom fails, hundreds fail weekly; made harder here"
MEASURED: Final = "measured on the real homes of the benchmark"
INVENTED: Final = "invented"


class Range(NamedTuple):
    """From ``low`` to ``high`` in ``unit``: ``what`` it says, and the ``source`` it rests on."""

    low: float
    high: float
    unit: str
    what: str
    source: str

    def draw(self, chance: Random) -> float:
        """A value, uniformly."""
        return chance.uniform(self.low, self.high)


def chance_of(*key: object) -> Random:
    """A stream of chance that depends on its key alone."""
    return Random(" ".join(map(str, key)))  # noqa: S311  # a simulation, no secret


# Sleep and the hours of the day

WAKE = Range(6.0, 7.75, "h", "an adult gets up on a workday (mean there: 07:10)", SLEEP_SPAIN)
WAKE_LATER = Range(0.5, 2.1, "h", "later on free days (36 min on average there; 2 h in Spain)", SLEEP_UK)
BED = Range(
    22.25, 24.0, "h", "an adult goes to bed before a workday (mean there: 23:46), for 7.3 h at the least", SLEEP_SPAIN
)
BED_LATER = Range(0.4, 1.2, "h", "later before a free day (57 to 69 min there)", SLEEP_US)
WAKE_SPREAD = Range(
    5, 20, "min", "standard deviation of getting up on workdays; 2.5 times that on free days", INVENTED
)
BED_SPREAD = Range(12, 35, "min", "standard deviation of going to bed", INVENTED)
STUDENT_WAKE = Range(8.0, 9.75, "h", "a student gets up", INVENTED)
STUDENT_BED = Range(23.75, 25.5, "h", "a student goes to bed (young adults late: mid-sleep 03:50 to 04:19)", SLEEP_US)
OLD_WAKE = Range(6.25, 8.0, "h", "a retired person gets up", INVENTED)
OLD_IN_BED = Range(8.3, 9.4, "h", "a retired person lies in bed (all adults: 8 h 41 min asleep)", HETUS)
CHILD_BED = Range(19.5, 21.0, "h", "a child goes to bed", INVENTED)
TEEN_BED = Range(21.5, 23.0, "h", "a teenager goes to bed", INVENTED)
NIGHT_VISITS = Range(0.1, 0.9, "a night", "visits to the bathroom (57 to 74 % of those under 60 have one)", NOCTURIA)
OLD_NIGHT_VISITS = Range(
    0.7, 2.0, "a night", "the same from 60 on (83 to 85 % have one, half of men over 75 two)", NOCTURIA
)

# Work, school, outings

LEAVE = Range(6.0, 9.25, "h", "leaves for work (53 % leave from 06:30 to 08:29, 20 % before)", COMMUTE_US)
WORK = Range(7.0, 8.4, "h", "works on a day worked (7 h 39 min; men 8 h 15, women 6 h 52)", HETUS)
COMMUTE = Range(0.2, 0.8, "h", "one way to work (27 min on average)", COMMUTE_US)
LEAVE_SPREAD = Range(4, 15, "min", "standard deviation of leaving", INVENTED)
BACK_SPREAD = Range(12, 40, "min", "standard deviation of coming back", INVENTED)
SCHOOL_OUT = Range(6.0, 8.0, "h", "a child is out on a school day (classes and homework: 6 h 02 min)", HETUS)
EARLY = Range(5.5, 6.25, "h", "an early shift begins", INVENTED)
SHIFT_LENGTH = Range(7.75, 8.5, "h", "a shift lasts", INVENTED)
FREE_OUTING = Range(0.35, 0.8, "a day", "outings of a free day", INVENTED)
OLD_OUTING = Range(
    0.3, 0.85, "a day", "outings of a retired person (fewer trips from 65 on: US travel survey 2001)", INVENTED
)
EVENING_OUT = Range(
    0.05, 0.25, "a day", "evenings out on Friday and Saturday; students twice that, on Thursdays too", INVENTED
)
SICK = Range(0.01, 0.03, "a day", "workdays spent ill at home", INVENTED)

# Meals, bathroom, television

DINNER = Range(17.75, 20.75, "h", "dinner", INVENTED)
DINNER_SPREAD = Range(8, 30, "min", "standard deviation of dinner", INVENTED)
MEAL = Range(15, 35, "min", "a meal lasts (1 h 58 min a day in all)", HETUS)
COOK = Range(12, 40, "min", "cooking before dinner (household and family: 3 h 38 min a day)", HETUS)
WASH = Range(8, 20, "min", "in the bathroom in the morning (washing and dressing: 50 min a day)", HETUS)
STAY_SITTING = Range(40, 90, "min", "median stay in the living room (television: 2 h 47 min a day)", ATUS)
FRIDGE_OPENINGS = Range(2, 6, "a day", "openings of the fridge by a person (11 there)", FRIDGE)
WINDOW_OPENINGS = Range(0.5, 1.8, "a day", "openings of windows in a home", WINDOWS)
WINDOW_OPEN = Range(12, 45, "min", "a window is open below 12.7 °C (24 to 36 min a day there); longer above", WINDOWS)

# Who comes, who goes away

DAY_GUESTS = Range(0.5, 5, "a month", "guests for some hours", INVENTED)
WEEK_GUESTS = Range(0, 2, "a half-year", "guests who stay for two to seven nights", INVENTED)
SHORT_TRIPS = Range(0, 2, "a half-year", "trips of one to three nights", TRIPS)
LONG_TRIPS = Range(0, 1.6, "a half-year", "trips of seven to fourteen nights", TRIPS)
CARE_VISIT = Range(30, 60, "min", "a carer stays", CARE)
CLEANING = Range(1.5, 3.0, "h", "a cleaner stays, once a week", INVENTED)
PARCELS = Range(0.3, 2.5, "a week", "rings at the door while somebody is at home", INVENTED)
HOLIDAY_WEEKENDS = Range(0.25, 0.55, "a weekend", "weekends spent in a holiday home", INVENTED)

# Devices

HOLDS: Final = (30.0, 60.0, 90.0, 120.0, 120.0, 180.0, 240.0, 300.0)
"""Seconds that a motion sensor says *on* after the last movement, one for each home. Source: `HOLD`."""
MOVE_STILL = Range(40, 110, "min", "between two movements of somebody who sits, as a sensor sees them", INVENTED)
MOVE_BUSY = Range(8, 18, "min", "the same of somebody who is busy", INVENTED)
MOVE_ASLEEP = Range(2, 12, "h", "the same of somebody asleep", INVENTED)
DOOR_OPEN = Range(3, 12, "s", "median of how long the entrance is open (four homes: 3, 4, 12, 21)", MEASURED)
MISSED = Range(
    0.0005, 0.012, "an event", "lost on the radio (30 doubled states in 61,578 rows of a home; harder here)", MEASURED
)
MISSED_OFF = Range(0.0, 0.02, "an event", "ends of a movement that are lost besides", INVENTED)
BOUNCE = Range(0.0, 0.01, "an opening", "a contact tells twice", INVENTED)
BURSTS = Range(0, 3, "a half-year", "a sensor flutters for some minutes", INVENTED)
WEAK_BATTERY = Range(8, 25, "days", "a battery fails, losing ever more", FAULTS)
OUTAGES = Range(
    0, 3, "a half-year", "the whole system is silent (real: 2 silences of over a day in a year)", MEASURED
)
OUTAGE_HOURS = Range(1.5, 60, "h", "an outage lasts (drawn evenly in the logarithm)", MEASURED)
NEW_JOB = Range(-2.0, 2.5, "h", "working hours shift with a new job", INVENTED)
DRIFT = Range(-0.6, 0.6, "h", "hours drift over a half-year", INVENTED)

# Shares

SHARES: Final[dict[str, tuple[float, str]]] = {
    "lock": (0.6, "homes with a lock that tells"),
    "names": (0.8, "homes that tell who did it, where that is known"),
    "panel": (0.42, "homes with a lock that have an alarm panel too, which the lock's code disarms"),
    "panel alone": (0.1, "homes without a lock that have an alarm panel, its keypad inside"),
    "automations": (0.55, "homes with automations: lights by the sun or by movement, heating, shutters, the lock"),
    "pet": (0.12, "homes with a cat that motion sensors see"),
    "battery": (0.35, "homes with a battery that fails"),
    "change": (0.3, "homes with a device that is added, replaced or moved"),
    "job": (0.12, "adults with a new job"),
    "drift": (0.25, "people whose hours drift"),
    "cleaner": (0.2, "homes with a cleaner who has a code"),
    "momentary": (0.35, "homes whose motion sensors tell of a movement, not of its end"),
    "contacts": (0.06, "homes with contacts only, no motion sensor"),
}
"""What share of homes or people has what. All invented."""


def table() -> list[tuple[str, str, str]]:
    """Every range as (what, from and to, source), in the order above; the shares last."""
    ranges = [value for value in globals().values() if isinstance(value, Range)]
    rows = [(one.what, f"{one.low:g} to {one.high:g} {one.unit}", one.source) for one in ranges]
    rows.append(("a motion sensor holds, by home", f"{min(HOLDS):g} to {max(HOLDS):g} s", HOLD))
    rows += [(what, f"{100 * share:g} %", INVENTED) for share, what in SHARES.values()]
    return rows
