"""Manner: how a device behaves, from which is told what it is while nobody has said so.

The words it speaks say most (a lock says *locked*); where it only says *on* and *off*, how long and how often says
whether it is a motion sensor, something that is opened, or something that is switched; and where it only tells
values, their range and their steps. What cannot be told apart stays ``other``: a front door looks like a cupboard,
so that an entrance is never guessed.

The thresholds come from what such devices do (a motion sensor holds for at most two minutes and fires at every step;
nobody opens a door twenty times on every day), are the same for every home, and were fitted to none. With all types
hidden, on 60,000 events of each of the eight recorded homes, 265 devices of known type: 188 are guessed; of these are
right 97 by type, 150 if light, plug and switch count as one and so do all contacts, 166 by role and 180 by kind. All
7 locks are guessed to be locks and nothing else is; 2 hubs that arm and disarm are taken for alarm panels
(``pytest -s tests/core/test_manner.py`` prints the table). The wrong ones are mostly appliances' doors, taken for
contacts; cameras that say only *motion*; a thermostat's thermometer, taken for a thermometer; quiet motion sensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeward.core.vocabulary import DIAGNOSTIC, GUARDED_TYPES, is_guarded, role_of

WORD_LIMIT: Final = 16
"""Different actions of one device that are counted; words that tell of a type are never crowded out by others."""

COUNT_LIMIT: Final = 1 << 20
"""No count grows beyond it: then all counts of its sort are halved."""

ENOUGH: Final = 8
"""Pulses or steps before anything is told from them."""

BRIEF_MS: Final = 120_000
"""The longest that a motion sensor holds after one movement, and that somebody stands at an open cupboard."""

LONG_MS: Final = 300_000
"""What stays on longer was switched on to be used."""

OFTEN: Final = 20
"""Pulses on a day on which it speaks at all, from which only movement explains them."""

_DAY_MS: Final = 86_400_000

_WORDS: Final[tuple[tuple[str, str], ...]] = (
    # the first line of which a word was said; guarded types stand first
    ("lock", "lock locked unlock unlocked not_fully_locked locking unlocking jammed"),
    ("alarm", "arm armed armed_home armed_away armed_night armed_vacation arming disarm disarmed triggered"),
    ("smoke", "smoke"),
    ("carbon_monoxide", "carbon_monoxide"),
    ("gas", "gas"),
    ("doorbell", "ring"),
    ("camera", "record recording streaming person person_start sound sound_start"),
    ("motion", "motion motion_start motion_detected"),
    ("leak", "leak wet water_start"),
    ("sensor.vibration", "vibration"),
    ("vacuum", "cleaning docked returning"),
    ("mower", "mowing"),
    ("media_player", "playing buffering standby"),
    ("thermostat", "heat cool heat_cool fan_only"),
    ("phone", "home away"),
    ("button", "pressed single double hold"),
    ("cover", "opening closing stopped"),
    ("contact.other", "open opened closed"),
    ("broker", "client_connected client_disconnected"),
)  # fmt: skip

_TELLING: Final[Mapping[str, str]] = {word: type_ for type_, words in _WORDS for word in words.split()}
_ON: Final = frozenset({"on", "active"})
_OFF: Final = frozenset({"off", "inactive"})


class Guess(NamedTuple):
    """What a device seems to be. ``confidence`` is how many of a hundred signs say so, 50 to 99."""

    type: str
    confidence: int


@dataclass(slots=True)
class Manner:
    """How one device behaves: counts and last values, integers of bounded size. Times are milliseconds."""

    words: dict[str, int] = field(default_factory=dict)
    day: int = -1
    days: int = 0
    on_since: int = -1
    pulses: list[int] = field(default_factory=lambda: [0, 0, 0])
    """How many were at most `BRIEF_MS`, at most `LONG_MS`, longer."""
    last: int | None = None
    """The last value, and the lowest and highest, in thousandths."""
    low: int = 0
    high: int = 0
    steps: list[int] = field(default_factory=lambda: [0, 0, 0])
    """How many of its values' changes were upwards, downwards, and small (at most `_SMALL`)."""

    def note(self, action: str, at: int, value: float | None = None) -> None:
        """Take note of what the device did at this time. What it says of itself (`DIAGNOSTIC`) says nothing."""
        if action in DIAGNOSTIC:
            return
        if at // _DAY_MS > self.day:
            self.day = at // _DAY_MS
            self.days = min(self.days + 1, COUNT_LIMIT)
        self._word(action)
        if action in _ON:
            self.on_since = at if self.on_since < 0 else self.on_since
        elif action in _OFF and self.on_since >= 0:
            held, self.on_since = at - self.on_since, -1
            _count(self.pulses, 0 if held <= BRIEF_MS else 1 if held <= LONG_MS else 2)
        if value is not None and -_VALUE_LIMIT < value < _VALUE_LIMIT:
            self._value(round(value * 1000))

    def guess(self) -> Guess | None:
        """What it seems to be; ``None`` while that cannot be told."""
        return self._by_words() or self._by_pulses() or self._by_values()

    def _word(self, action: str) -> None:
        words = self.words
        if action not in words and len(words) >= WORD_LIMIT:
            if action not in _TELLING:
                return
            del words[min(words, key=lambda word: (_rank(word), words[word], word))]
        words[action] = words.get(action, 0) + 1
        if words[action] >= COUNT_LIMIT:
            for word, count in words.items():
                words[word] = max(1, count >> 1)

    def _value(self, value: int) -> None:
        if self.last is None:
            self.low = self.high = value
        elif value != self.last:
            _count(self.steps, 0 if value > self.last else 1)
            self.steps[2] += abs(value - self.last) <= _SMALL
        self.last, self.low, self.high = value, min(self.low, value), max(self.high, value)

    def _by_words(self) -> Guess | None:
        said = {_TELLING[word] for word in self.words if word in _TELLING}
        for type_, words in _WORDS:
            if type_ in said:
                count = sum(self.words.get(word, 0) for word in words.split())
                return Guess(type_, min(99, 100 * count // (count + 1)))
        return None

    def _by_pulses(self) -> Guess | None:
        brief, middling, long = self.pulses
        all_ = brief + middling + long
        if all_ < ENOUGH:
            return None
        if brief * 4 >= all_ * 3 and all_ >= OFTEN * self.days:
            return _weighed("motion", brief, all_)
        if "reading" in self.words and long * 2 >= all_:
            return _weighed("plug", long, all_)
        if long * 2 >= all_:
            return _weighed("switch", long, all_)
        return _weighed("contact.other", brief, all_) if brief * 4 >= all_ * 3 else None

    def _by_values(self) -> Guess | None:
        up, down, small = self.steps
        all_ = up + down
        if all_ < ENOUGH:
            return None
        if down * 50 <= all_ and self.low >= 0:
            return _weighed("meter.power", up, all_)  # it only ever counts
        if small * 4 < all_ * 3:
            return None
        if self.low >= -40_000 and self.high <= 45_000:
            return _weighed("sensor.temperature", small, all_)
        if self.low >= 5_000 and self.high <= 100_000:
            return _weighed("sensor.humidity", small, all_)
        return None


_VALUE_LIMIT: Final = 1e12
_SMALL: Final = 3_000
"""Thousandths of a degree or of a percent of humidity: rooms change by no more between two reports."""


def settled(type_: str, role: str, guess: Guess | None) -> tuple[str, str]:
    """Type and role of a device that its owner or its source calls so, when it seems to be what was guessed.

    Whatever is said is believed before any guess: only ``other`` is replaced. A device that is guarded as it is stays
    so, and one that seems guarded is.
    """
    if guess is None or type_ != "other":
        return type_, role
    guessed = guess.type, role if role != "other" else role_of(guess.type)
    return (type_, role) if is_guarded(type_, role) and not is_guarded(*guessed) else guessed


def _rank(word: str) -> int:
    """How much a word tells: nothing, a type, or a guarded type."""
    type_ = _TELLING.get(word)
    return 0 if type_ is None else 2 if type_ in GUARDED_TYPES else 1


def _count(counts: list[int], index: int) -> None:
    counts[index] += 1
    if counts[index] >= COUNT_LIMIT:
        counts[:] = [count >> 1 for count in counts]


def _weighed(type_: str, agree: int, all_: int) -> Guess | None:
    """The guess, if more than half the signs say so; two more against it (Laplace), so that few signs say little."""
    confidence = 100 * agree // (all_ + 2)
    return Guess(type_, min(99, confidence)) if confidence >= 50 else None
