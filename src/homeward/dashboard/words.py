"""The page's small phrases: times, spans and acts as people say them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_ACTS = {
    "on": "switched on",
    "off": "switched off",
    "lock": "locked",
    "arm": "armed",
    "close": "closed",
    "block": "blocked",
    "restrict": "restricted to what it needs",
    "quarantine": "put in quarantine",
}

_RUNGS = {
    "record": "noted", "notify": "alarm", "ask": "alarm", "step_up": "code wanted", "undo": "alarm and put back",
    "command": "alarm and act", "restrict": "restricted", "quarantine": "cut off", "escalate": "told others too",
}  # fmt: skip

_KINDS = {"rule": "rule", "silent": "silence", "blind": "blind", "network": "network", "new": "new here"}

_ANSWERS = {None: "", "yes": "That was me", "no": "Not me"}

_ADMITTED = {None: "", "yes": "Approved", "no": "Refused"}

_VERDICTS = {"always_fine": "Always fine", "never_fine": "Never fine", "snooze": "Snooze"}

_MODES = {
    "home": "somebody is in, or comes and goes",
    "away": "nobody is in",
    "night": "everybody sleeps",
    "holiday": "nobody is in, for days",
    "maintenance": "somebody works on the devices: nothing is done and nobody is told, unless it may save a life",
}

_FOR_GOOD = ("", "until I say so")

MODE_ENDS: Final = {
    "home": (),
    "away": (_FOR_GOOD, ("PT4H", "for 4 hours"), ("PT12H", "for 12 hours"), ("P1D", "for a day")),
    "night": (("07:00", "until 07:00"), ("09:00", "until 09:00"), ("PT8H", "for 8 hours"), _FOR_GOOD),
    "holiday": (
        ("P3D", "for 3 days"), ("P7D", "for a week"), ("P14D", "for 2 weeks"), ("P28D", "for 4 weeks"), _FOR_GOOD,
    ),
    "maintenance": (
        ("PT1H", "for an hour"), ("PT30M", "for half an hour"), ("PT2H", "for 2 hours"), ("PT4H", "for 4 hours"),
        ("PT8H", "for 8 hours"),
    ),
}  # fmt: skip
"""By mode, the ends that the page offers (`homeward.dashboard.forms.read_until`), and each in words."""

_SHORT: Final = (("PT1H", "for an hour"), ("PT4H", "for 4 hours"), ("PT8H", "for 8 hours"))
_SNOOZES: Final = (("08:00", "until 08:00"), *_SHORT, ("P1D", "for a day"), ("P7D", "for a week"))

_POLICIES = {
    "ladder": "How it answers is chosen by the fixed ladder.",
    "trial": "How it answers is chosen by the fixed ladder; once in ten it tries another rung that may stand in.",
    "learned": "How it answers is chosen by what it learned from your answers, never far from the fixed ladder.",
}

_TOLD = {"notify": "told", "ask": "asked", "escalate": "told as well"}

_DELIVERED = {
    "delivered": "{}", "sending": "is being {}", "waiting": "will be {}", "failing": "not reached",
    "failed": "was not reached", "dropped": "was not {}: it was not needed any more",
}  # fmt: skip

_JOINED = {"network": "Unusual flows in it", "new": "Newcomers in it"}

_COUNTERS = {
    "bad_clock": "timestamps not believed",
    "commits": "commits to the journal",
    "commits_failed": "commits that failed",
    "diagnostic": "readings that are no habit",
    "dropped_while_full": "events dropped while the disk was full",
    "echo": "echoes of its own acts",
    "own": "its own acts, told by others",
    "events": "events",
    "flow_held": "flows held, not learned",
    "flow_learned": "flows learned",
    "flow_snoozed": "flows snoozed",
    "flow_malformed": "refused: flows that cannot be",
    "flow_unusual": "unusual flows",
    "flows_merged": "flows told together with others of their minute",
    "held": "held, not learned",
    "held_dropped": "held, then dropped",
    "notes": "notes taken in",
    "notes_refused": "refused: notes",
    "outcome_unknown": "outcomes of nothing it did",
    "refused_name": "refused: name too long or empty",
    "source_restarts": "restarts of a source",
    "told_twice": "told by two sources, counted once",
    "unwritable": "refused: could not be written down",
}

_COUNTED = {"alarm": "alarms: {}", "events": "events from {}", "late": "too late: {}", "failed": "failed: {}"}
"""Counters of one kind each: ``events: zeek``."""


def act(command: str) -> str:
    """What a command does, in the past tense: ``on`` → ``switched on``."""
    return _ACTS.get(command, f"told “{command}”")


def rung(name: str) -> str:
    return _RUNGS.get(name, name)


def kind(name: str) -> str:
    """What an incident is marked as; nothing for what is unusual by habit, as most are."""
    return _KINDS.get(name, "")


def answer(given: str | None, kind: str = "") -> str:
    """What was said to an incident; of a newcomer it is told what the answer came to."""
    return (_ADMITTED if kind == "new" else _ANSWERS).get(given, "")


def admitted(given: str | None, standing: str) -> str:
    """What was said about a newcomer, and how it may go on now: ``homeward refuse`` can change that later."""
    said = answer(given, "new")
    if (given, standing) in {("yes", ""), ("no", "refused")}:
        return said
    if (given, standing) == ("yes", "restricted"):
        return "Restricted to what it was seen to need"
    return f"{said}, and {standing or 'approved'} since"


def verdict(name: str) -> str:
    """What a rule says of what it is about."""
    return _VERDICTS.get(name, name)


def snoozes(guarded: bool) -> tuple[tuple[str, str], ...]:
    """The ends that the page offers for a snooze, and each in words; of a guarded device only short ones."""
    return _SHORT if guarded else _SNOOZES


def mode(name: str) -> str:
    """What a mode is for."""
    return _MODES.get(name, "")


def policy(name: str) -> str:
    """Which policy chooses, in one sentence."""
    return _POLICIES.get(name, "")


def told(how: str, delivery: str) -> str:
    """What became of a message, after the name of whom it is for: ``asked``, ``is being told``, ``not reached``."""
    return _DELIVERED.get(delivery, "{}").format(_TOLD.get(how, how))


def called(person: str) -> str:
    """A person as people call them: ``person:anna`` → ``anna``."""
    return person.removeprefix("person:") or person


def joined(kind: str) -> str:
    """What an incident's number of events counts."""
    return _JOINED.get(kind, "Unusual events in it")


def seldom(kind: str) -> str:
    """Among what an incident's p-value counts."""
    return "half-hours on the network" if kind == "network" else "visits"


def who(answered_by: str) -> str:
    """Who answered; through what only if it was not this page: ``household by page`` → ``household``."""
    return answered_by.removesuffix(" by page")


def many(count: int, one: str, more: str = "") -> str:
    """``1 time``, ``1,204 times``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def counter(name: str) -> str:
    """A counter as people say it: ``refused: zeek: too long`` → ``refused from zeek: too long``."""
    if name in _COUNTERS:
        return _COUNTERS[name]
    head, _, rest = name.partition(": ")
    if head in _COUNTED and rest:
        return _COUNTED[head].format(rest)
    source, _, reason = rest.rpartition(": ")
    if head == "refused" and source:
        return f"refused from {source}: {reason}"
    return name.replace("_", " ")


def clock(at: datetime) -> str:
    """``02:14``: the home's local time (``at`` is already in its zone)."""
    return f"{at:%H:%M}"


def clock_seconds(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def day(at: datetime, now: datetime) -> str:
    """``today``, ``yesterday``, ``tomorrow`` or ``Mon 2 Mar``, with the year if it is another one."""
    ago = (now.date() - at.date()).days
    if ago in (-1, 0, 1):
        return ("today", "yesterday", "tomorrow")[ago]
    return f"{at:%a} {at.day} {at:%b}" + (f" {at.year}" if at.year != now.year else "")


def exact(at: datetime) -> str:
    """To the second, with the offset, which tells the doubled hour of autumn apart."""
    return at.isoformat(sep=" ", timespec="seconds")


def span(seconds: float) -> str:
    """``42 s``, ``4 min 05 s`` or ``2 h 07 min``. The script on the page writes the same."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"


def odds(p_value: float) -> str:
    """A p-value as a frequency: ``about 1 in 2,100``."""
    if p_value <= 0:
        return "none so far"
    return f"about 1 in {float(f'{1 / p_value:.2g}'):,.0f}"
