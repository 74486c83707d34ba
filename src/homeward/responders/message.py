"""What channels that carry messages only have in common: what they take, and how it is titled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from homeward.core.effects import Action
from homeward.core.vocabulary import MESSAGES

TITLES: Final[Mapping[str, str]] = {
    "notify": "Homeward",
    "ask": "Homeward: was this you?",
    "escalate": "Homeward: somebody should look",
}
"""By the command of the message (`homeward.core.vocabulary.MESSAGES`)."""


def check_message(action: Action, channel: str) -> None:
    """Raises `LookupError` for what is no message."""
    if action.command not in MESSAGES:
        raise LookupError(f"{channel} carries messages only; name another responder for {action.device}")
