"""What the owner decided once and for all, as rules that can be read, edited and deleted.

======================  ==========================================================================================
the owner said          and so, whenever it happens
======================  ==========================================================================================
``never_fine``          it is an alarm, marked as a rule, however usual it has become
``always_fine``         it is learned, and opens no incident
``snooze``              it is put on record and interrupts nobody, until the rule's end
======================  ==========================================================================================

Where several rules fit, the first line of this table wins, then the rule that says more. So an exception to *never
fine* is made by narrowing it, and no later *always fine* can undo it. The built-in rules (`homeward.core.rules`) are
silenced by none.

Who has got hold of the page could ask for silence before coming in. Therefore a rule that silences says little about
a guarded device, and nothing about one that saves lives: see `refusal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from homeward.core.behaviour.words import clock as in_words
from homeward.core.event import is_name
from homeward.core.local_time import LAST_MS, LocalClock, moment
from homeward.core.quiet_hours import DAY_MINUTES, minute_of, spans
from homeward.core.settings import Device
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, is_guarded

Verdict = Literal["never_fine", "always_fine", "snooze"]

RULES_LIMIT: Final = 256
DEVICE_LIMIT: Final = 32
"""How many rules there may be, and how many of them about one device. More are refused, and none is dropped."""

SNOOZE_MS: Final = 7 * 86_400_000
"""The longest that anything may be snoozed."""

GUARDED_SNOOZE_MS: Final = 8 * 3_600_000
"""The longest that a guarded device may be snoozed: a night, or a working day."""

ANYBODY_MINUTES: Final = 4 * 60
"""The longest hours in which a guarded device may let in anybody without being told."""

_CLOSES: Final = frozenset(
    {"lock", "locked", "locking", "close", "closed", "closing", "arm", "armed", "arming", "armed_home", "armed_away",
     "armed_night", "armed_vacation"}
)  # fmt: skip
"""What of a guarded device lets nobody in. Every other word may."""

_LONG: Final = "it is guarded: say for whom, or name at most four hours of the day"

_ORDER: Final = {verdict: rank for rank, verdict in enumerate(get_args(Verdict))}

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRule:
    """``device`` is a name; ``action`` and ``person`` (an actor: ``person:anna``) mean any where they are empty.

    ``begin`` and ``end`` are minutes of the local day, from the one to before the other, over midnight if it begins
    later than it ends; ``None`` is all day. ``until`` is the rule's own end, ``made_at`` when ``by`` made it or
    changed it last (ms of the guard's clock).
    """

    id: str
    verdict: Verdict
    device: str
    action: str = ""
    person: str = ""
    begin: int | None = None
    end: int | None = None
    until: int | None = None
    by: str = "household"
    made_at: int = 0

    def fits(self, action: str, person: str, local_minute: int, at: int) -> bool:
        """Whether the rule is about what somebody did to its device at this time."""
        return (
            self.action in ("", action)
            and self.person in ("", person)
            and (self.until is None or at < self.until)
            and (self.begin is None or self.end is None or spans(self.begin, self.end, local_minute))
        )


@dataclass(slots=True)
class Standing:
    """The rules by their device's name, each device's in the order in which they win. ``made`` counts the rules ever
    made, so that no id is given twice."""

    by_device: dict[str, tuple[StandingRule, ...]] = field(default_factory=dict)
    made: int = 0

    @property
    def rules(self) -> dict[str, StandingRule]:
        """All rules by id, the oldest first."""
        every = [rule for rules in self.by_device.values() for rule in rules]
        return {rule.id: rule for rule in sorted(every, key=_age)}

    def fork(self) -> Standing:
        """A copy that can go on by itself."""
        return Standing(self.by_device.copy(), self.made)

    def next_id(self) -> str:
        """The id that a new rule must have."""
        return f"s{self.made + 1}"

    def judge(self, device: Device, action: str, person: str, local_minute: int, at: int) -> StandingRule | None:
        """The rule that decides about what happened, if there is one; rules of other devices cost nothing.

        ``device`` is asked anew whether it may be silenced: it may have become a guarded one since the rule was made.
        """
        for rule in self.by_device.get(device.name, ()):
            if rule.fits(action, person, local_minute, at) and not _too_silent(rule, device):
                return rule
        return None

    def add(self, rule: StandingRule, device: Device) -> str:
        """Take in a new rule (its id is `next_id`) or a changed one (its id is that of the rule it replaces).

        ``device`` is the device it names; ``rule.made_at`` is now. Returns why it is refused, or nothing.
        """
        before = self.rules
        new = rule.id == self.next_id()
        others = [one for one in self.by_device.get(rule.device, ()) if one.id != rule.id]
        if not new and rule.id not in before:
            return "there is no such rule"
        if new and len(before) >= RULES_LIMIT:
            return f"there are {RULES_LIMIT} rules already; delete one first"
        if len(others) >= DEVICE_LIMIT:
            return f"there are {DEVICE_LIMIT} rules about this device already; delete one first"
        if why := refusal(rule, device) or _together_too_silent(rule, others, device):
            return why
        self.remove(rule.id)
        self.made += new
        self.by_device[rule.device] = tuple(sorted([*others, rule], key=_rank))
        return ""

    def remove(self, rule_id: str) -> StandingRule | None:
        """Delete a rule, and return it if there was one."""
        rule = self.rules.get(rule_id)
        if rule is not None:
            left = tuple(one for one in self.by_device.pop(rule.device) if one is not rule)
            if left:
                self.by_device[rule.device] = left
        return rule

    def expire(self, at: int) -> list[StandingRule]:
        """Delete the rules that have ended, and return them."""
        ended = [rule for rule in self.rules.values() if rule.until is not None and rule.until <= at]
        for rule in ended:
            self.remove(rule.id)
        return ended

    def next_deadline(self) -> int | None:
        """When the next rule ends (ms)."""
        every = (rule.until for rules in self.by_device.values() for rule in rules)
        return min((until for until in every if until is not None), default=None)


def refusal(rule: StandingRule, device: Device) -> str:
    """Why there may be no such rule about this device, in words for the owner; nothing if there may.

    *Never fine* may be said of everything. A device that saves lives is never silenced. What silences a guarded one
    must name an action; a snooze of it lasts eight hours at most; and what may let somebody in is *always fine* only
    for one person, or within four hours of the day (all such rules together: `Standing.add`). The owner who comes and
    goes fits into that, and a rule for anybody at any hour would be the burglar's.
    """
    if rule.verdict not in _ORDER:
        return "a rule says never fine, always fine or snooze"
    named = (rule.device, rule.by, *(name for name in (rule.action, rule.person) if name))
    if not all(is_name(name) and name.isprintable() for name in named):
        return "a name in it is empty, too long, or cannot be printed"
    if rule.device != device.name:
        return "it names another device"
    if (rule.begin is None) is not (rule.end is None):
        return "hours need a beginning and an end"
    if rule.begin is not None and not (0 <= rule.begin < DAY_MINUTES and 0 <= (rule.end or 0) < DAY_MINUTES):
        return "hours are from 00:00 to 23:59"
    if rule.begin is not None and rule.begin == rule.end:
        return "hours must end at another time than they begin; leave them out for all day"
    if not 0 <= rule.made_at < LAST_MS:
        return "it was made at no time of the calendar"
    if rule.until is not None and not rule.made_at < rule.until < LAST_MS:
        return "it must end later than now"
    return _endless(rule) or _too_silent(rule, device)


def _endless(rule: StandingRule) -> str:
    if rule.verdict == "snooze" and (rule.until is None or rule.until - rule.made_at > SNOOZE_MS):
        return "a snooze must have an end, within seven days"
    return ""


def _too_silent(rule: StandingRule, device: Device) -> str:
    """What must not be silenced of this device, whatever it was when the rule was made."""
    if rule.verdict == "never_fine":
        return ""
    if device.type in LIFE_SAFETY_TYPES:
        return "it may save a life, and is never silenced"
    if not is_guarded(device.type, device.role):
        return ""
    if not rule.action:
        return "it is guarded: say which action"
    if rule.verdict == "snooze":
        short = rule.until is not None and rule.until - rule.made_at <= GUARDED_SNOOZE_MS
        return "" if short else "it is guarded: a snooze may last eight hours"
    return _LONG if _anybody_minutes(rule) > ANYBODY_MINUTES else ""


def _together_too_silent(rule: StandingRule, others: list[StandingRule], device: Device) -> str:
    """Short hours one after the other are long ones."""
    if not is_guarded(device.type, device.role) or not _anybody_minutes(rule):
        return ""
    together = sum(_anybody_minutes(one) for one in (rule, *others) if one.action == rule.action)
    return _LONG if together > ANYBODY_MINUTES else ""


def _anybody_minutes(rule: StandingRule) -> int:
    """How much of the day the rule says that anybody may come in, were it about a guarded device."""
    if rule.verdict != "always_fine" or rule.person or rule.action in _CLOSES:
        return 0
    if rule.begin is None or rule.end is None:
        return DAY_MINUTES
    return (rule.end - rule.begin) % DAY_MINUTES


def _rank(rule: StandingRule) -> tuple[int, int, int, str]:
    """The order in which rules of one device win: by the table, then the one that says more, then the older."""
    said = bool(rule.action) + bool(rule.person) + (rule.begin is not None)
    return _ORDER[rule.verdict], -said, *_age(rule)


def _age(rule: StandingRule) -> tuple[int, str]:
    """The order in which rules were made: their ids count."""
    return len(rule.id), rule.id


def sentence(rule: StandingRule, clock: LocalClock) -> str:
    """The rule as its owner reads it: ``“back door open” is always fine between 06:00 and 07:00, whoever it is. You
    said so on 3 March 2026.``"""
    what = f"“{rule.device} {rule.action}”" if rule.action else f"whatever “{rule.device}” does"
    verb = "interrupts nobody" if rule.verdict == "snooze" else f"is {rule.verdict.replace('_', ' ')}"
    hours = ""
    if rule.begin is not None and rule.end is not None:
        hours = f" between {in_words(rule.begin)} and {in_words(rule.end)}"
    who = f", if it is {_called(rule.person)}" if rule.person else ", whoever it is"
    until = "" if rule.until is None else f", until {_date(rule.until, clock, hour=True)}"
    record = "; it is still put on record" if rule.verdict == "snooze" else ""
    said = "You" if rule.by == "household" else _called(rule.by)
    text = f"{what} {verb}{hours}{who}{until}{record}."
    return f"{text[:1].upper()}{text[1:]} {said} said so on {_date(rule.made_at, clock)}."


def _called(actor: str) -> str:
    return actor.removeprefix("person:") or actor


def _date(at: int, clock: LocalClock, *, hour: bool = False) -> str:
    local = clock.local(max(0, min(at, LAST_MS)))
    day = moment(local)
    text = f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return f"{text}, {in_words(minute_of(local))}" if hour else text
