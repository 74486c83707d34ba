"""What a person is told about an incident beyond its reason: plain sentences, made when it is described.

The counts go on changing; what was said about them then is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homeward.core.rules import ENTRY_DELAY_MS, FLOOD_CHANGES

SENTENCE_LIMIT: Final = 1_200
"""No part of an explanation is longer (characters): six names of the greatest length, and the words between."""

BECAUSE_LIMIT: Final = 4
"""No more habits are told than so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """One habit that spoke against an event: how rare that is among events, and what is usual instead."""

    habit: str
    usual: str
    rarity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whole sentences, or nothing where there is nothing to say; the rarest habit first.

    ``evidence`` tells what made the visit strange besides this event, ``rare`` how often a visit is as strange here,
    and ``remedy`` what would have made it usual. Of persons only the one who acted is named.
    """

    happened: str = ""
    because: tuple[Because, ...] = ()
    evidence: str = ""
    rare: str = ""
    remedy: str = ""


_RULE: Final = "This is a rule and no habit: it watches from the first minute, and nothing makes it usual."
_RULES: Final = {
    "entrance while armed": f"Disarmed within {ENTRY_DELAY_MS // 1000} seconds, it would have been no alarm.",
    "flood": f"At most {FLOOD_CHANGES} changes within a minute would have been no alarm.",
    "new client": "A client is told once: from now on it is known, also without an answer.",
    "intrusion alert": "It is told once for each device. If it is mistaken, switch that signature off at its source.",
    "refused device": "You refused this device. Approve it, and it is given time to become known.",
}
_NEWCOMER: Final = (
    "Answer yes and it is one of yours, and is given a week to become known. Answer no and whatever it does is told."
)
_SILENT: Final = (
    "It ends when the device speaks again. If it is meant to be silent, answer yes: "
    "then only a longer silence is told."
)
_BLIND: Final = "Nothing makes it usual: it ends when sight comes back."


def of_rule(name: str, why: str) -> Explanation:
    """Why a built-in rule was broken."""
    return Explanation(happened=sentence(why), rare=_RULE, remedy=_RULES.get(name, ""))


def of_newcomer(who: str, wants: str) -> Explanation:
    """Why a device that was never met is told, and what it is seen to want."""
    return Explanation(happened=sentence(who), evidence=sentence(wants), remedy=_NEWCOMER)


def of_silence(why: str) -> Explanation:
    """Why a device that says nothing is told."""
    return Explanation(happened=sentence(why), remedy=_SILENT)


def of_blindness(why: str) -> Explanation:
    """Why it is told that something cannot be seen."""
    return Explanation(happened=sentence(why), remedy=_BLIND)


def sentence(words: str) -> str:
    """Words with a full stop, and not too many of them; nothing stays nothing."""
    if len(words) >= SENTENCE_LIMIT:
        words = f"{words[: SENTENCE_LIMIT - 2]}…"
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."
