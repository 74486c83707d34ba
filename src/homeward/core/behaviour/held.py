"""What is kept back: too surprising to be learned unasked."""

from __future__ import annotations

from dataclasses import dataclass

from homeward.core.behaviour.observation import Observation


@dataclass(slots=True)
class Held:
    """An observation kept back until somebody confirms it or it has come back often enough."""

    observation: Observation
    incident: str
    habit: int
    day: int
    harmless: bool
    """Whether it is learned without an answer if it comes back: it is not guarded, nor did it follow on what is."""


def speaks_for(answered_by: str, person: str) -> bool:
    """Whether an answer by somebody (a person, or the household) is about what a person did."""
    return person in {"", answered_by} or not answered_by.startswith("person:")


def alike(item: Held) -> tuple[str, str, int]:
    """What makes observations alike: device, action and the habit that was surprised."""
    return item.observation.device, item.observation.action, item.habit
