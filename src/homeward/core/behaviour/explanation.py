"""Why an unusual event is told, at length: what happened, what is usual instead, how rare it is, what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from math import log2
from typing import Final

from homeward.core.behaviour.assessment import Assessment, stir
from homeward.core.behaviour.evidence import ABSENT, GATHERED, USUAL, Evidence, Scored, Standing
from homeward.core.behaviour.habits import HABITS, HOW_MUCH, WHO_IS_HOME, name_key
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.profile import COME_BACK_DAYS, ProfileState
from homeward.core.behaviour.table import WEIGHT
from homeward.core.behaviour.usual import NEWS, at_home, called, day_kind, usual
from homeward.core.behaviour.words import amounts, clock, duration, every, once_in, ordinal, times
from homeward.core.explanation import BECAUSE_LIMIT, Because, Explanation, sentence
from homeward.core.vocabulary import KINDS

ODD: Final = 4 << 8
"""A habit is told if it is as surprised as by one event in sixteen, or more (Q8)."""

_DEVICES: Final = 256
_ACTIONS: Final = 16
_OFTEN: Final = ("on", "off", "open", "closed", "close", "lock", "unlock")
_INSTEAD: Final = (
    "in the usual company", "at a usual hour", "after a usual pause", "after a usual silence",
    "with the usual people at home", "by who usually does it", "from where it usually is done", "with a usual amount",
)  # fmt: skip
"""What would be different if a habit were not surprised, in the order of `HABITS`."""


@dataclass(slots=True)
class Gathering:
    """What the evidence of the running visit is made of (times in ms): the events that were odd, and those that
    stirred while nobody was home. ``gathered`` and ``absent`` are the evidence before the latest event (Q8)."""

    gathered: int = 0
    absent: int = 0
    odd: int = 0
    odd_since: int = 0
    strangest: int = 0
    words: str = ""
    stirs: int = 0
    stirs_since: int = 0

    def note(self, seen: Observation, standing: Standing, evidence: Evidence) -> None:
        """Let an event take part, before the ``evidence`` has moved on to where it stands with it."""
        self.gathered, self.absent = evidence.gathered, evidence.absent
        if not standing.gathered:
            self.odd = 0
        elif standing.strangeness > USUAL:
            if not self.gathered:
                self.odd, self.odd_since, self.strangest = 0, seen.at, 0
            self.odd += 1
            if standing.strangeness > self.strangest:
                self.strangest = standing.strangeness
                self.words = f"{seen.device} {seen.action} at {clock(seen.minute)}"
        if standing.absent > self.absent:
            if not self.absent:
                self.stirs, self.stirs_since = 0, seen.at
            self.stirs += 1


def explain(
    state: ProfileState, seen: Observation, assessed: Assessment, gathering: Gathering, budget: float
) -> Explanation:
    """The explanation of an event that was just assessed. ``budget`` is the owner's, in alarms a week."""
    order = sorted(range(len(HABITS)), key=lambda habit: (habit != assessed.habit, -assessed.rarities[habit], habit))
    told: list[Because] = []
    for habit in order:
        odd = habit == assessed.habit or assessed.rarities[habit] >= ODD
        if not (odd and seen.contexts[habit]) or len(told) >= BECAUSE_LIMIT:
            continue
        words = usual(state.table, seen, habit, lambda key: activity(state, key))
        if words not in NEWS or all(one.usual not in NEWS for one in told):
            rarity = _rarity(state.evidence, seen, habit, assessed.rarities[habit])
            told.append(Because(habit=HABITS[habit].name, usual=sentence(words), rarity=rarity))
    return Explanation(
        happened=sentence(happened(seen)),
        because=tuple(told),
        evidence=sentence(_evidence(state.evidence, seen, assessed, gathering)),
        rare=sentence(_rare(state.evidence, assessed, budget)),
        remedy=sentence(_remedy(state.evidence, seen, assessed, gathering)),
    )


def happened(seen: Observation) -> str:
    """What happened, when by the owner's clock, while who was home, by whom and from where."""
    day = "At the weekend" if day_kind(seen) == "at weekends" else "On a weekday"
    parts = [f"{day} at {clock(seen.minute)}: {seen.device} {seen.action}"]
    if seen.presence:
        parts.append(f"while {at_home(seen.presence)}")
    if seen.person:
        parts.append(f"by {called(seen.person)}")
    if seen.origin:
        parts.append(f"from {seen.origin}")
    if seen.contexts[HOW_MUCH]:
        parts.append(f"with an amount {amounts(seen.symbols[HOW_MUCH], seen.symbols[HOW_MUCH])}")
    return ", ".join(parts)


def activity(state: ProfileState, key: int) -> str:
    """The words of an activity, for counts hold no names: what was heard lately is tried. Empty where none fits."""
    recent = sorted(state.last, key=lambda name: (-state.last[name][1], name))[:_DEVICES]
    heard = Counter(state.last[device][0] for device in recent)
    actions = sorted(heard, key=lambda action: (-heard[action], action))[:_ACTIONS]
    for action in dict.fromkeys((*actions, *_OFTEN)):
        for device in recent:
            if name_key("activity", device, action) == key:
                return f"{device} {action}"
    return ""


def _rarity(evidence: Evidence, seen: Observation, habit: int, rarity: int) -> str:
    events = evidence.habits[seen.kind][habit].n // WEIGHT
    if not rarity or not events:
        return ""
    kind = f"events of {KINDS[seen.kind]}"
    if rarity > log2(events) * 256:
        return f"More surprising than any of {events:,} {kind}."
    return f"As surprising {once_in(rarity)} {kind}."


def _evidence(evidence: Evidence, seen: Observation, assessed: Assessment, gathering: Gathering) -> str:
    """What made the visit strange besides this event."""
    standing, parts, said = assessed.standing, evidence.parts, []
    if gathering.odd > 1 and parts[GATHERED].rarity(standing.gathered) >= ODD:
        first = f"It is the {ordinal(gathering.odd)} oddity within {duration(seen.at - gathering.odd_since)}"
        said.append(f"{first}; the strangest is {gathering.words}.")
    if standing.absent > gathering.absent and parts[ABSENT].rarity(standing.absent) >= ODD:
        span = f" within {duration(seen.at - gathering.stirs_since)}" if gathering.stirs > 1 else ""
        said.append(f"Although {at_home(seen.presence)}, something stirred {times(gathering.stirs)}{span}.")
    if said and assessed.unusual and assessed.threshold is not None:
        alone = _again(evidence, assessed, seen, (), 0, 0)
        if alone <= assessed.threshold:
            said.append("By itself this event would have been no alarm.")
    return " ".join(said)


def _again(
    evidence: Evidence, assessed: Assessment, seen: Observation, usual_: Collection[int], gathered: int, absent: int
) -> int:
    """The score if some habits were not surprised at all, and with other evidence before the event (Q8)."""
    twin = copy(evidence)
    twin.gathered, twin.absent = gathered, absent
    bits = tuple(0 if habit in usual_ else bits for habit, bits in enumerate(assessed.bits))
    rarities = tuple(0 if habit in usual_ else rarity for habit, rarity in enumerate(assessed.rarities))
    one = Scored(bits, seen.kind, device=seen.device_key, stir=stir(seen, bits[WHO_IS_HOME]))
    told = (one.stir or 0) - (assessed.standing.absent - absent)  # of the device, before this event
    twin.stirred = {one.device: told} if absent and told > 0 else {}
    return twin.weigh(one, rarities).score


def _rare(evidence: Evidence, assessed: Assessment, budget: float) -> str:
    """How rare a visit of this score is, by the visits counted until now."""
    visits = evidence.visits
    if not visits.n or not visits.days:
        return ""
    p_value = visits.p_value(assessed.score)
    often = every(visits.days / (7 * p_value * visits.n))
    counted = f"{visits.n // WEIGHT:,} visits on {visits.days // WEIGHT:,} active days"
    if p_value * (visits.n + WEIGHT) < WEIGHT:
        said = f"None of {counted} was as strange; reckoned from them, one as strange comes {often}."
    else:
        said = f"A visit as strange as this comes {often}, by {counted}."
    alarms = f"{budget:g} alarm{'' if budget == 1 else 's'} a week"
    return f"{said} You allow {alarms}." if assessed.unusual else f"{said} That is below the bar for {alarms}."


def _remedy(evidence: Evidence, seen: Observation, assessed: Assessment, gathering: Gathering) -> str:
    """What would have made it usual: other circumstances, an answer, or that it comes back."""
    if not assessed.unusual:
        return "It was learned as it came: what comes back is usual by itself."
    said = [_circumstances(evidence, seen, assessed, gathering), "If it was you, answer yes: it is learned at once."]
    if seen.guarded:
        said.append("A guarded device learns what is unusual from an answer only.")
    else:
        said.append(f"Without an answer it is learned when it has come back on {COME_BACK_DAYS} separate days.")
    return " ".join(one for one in said if one)


def _circumstances(evidence: Evidence, seen: Observation, assessed: Assessment, gathering: Gathering) -> str:
    """The fewest habits, the rarest first, without whose surprise there would have been no alarm."""
    said = [habit for habit, rarity in enumerate(assessed.rarities) if rarity]
    order = sorted(said, key=lambda habit: (-assessed.rarities[habit], habit))
    changed: list[int] = []
    for habit in order[:BECAUSE_LIMIT]:
        changed.append(habit)
        score = _again(evidence, assessed, seen, changed, gathering.gathered, gathering.absent)
        if score <= (assessed.threshold or 0):
            instead = " and ".join(_INSTEAD[one] for one in changed)
            return f"{instead[0].upper()}{instead[1:]}, it would have been no alarm."
    return ""
