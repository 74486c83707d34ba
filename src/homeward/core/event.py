"""Event: what happened, to which device, by whom, through what, when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

NAME_LIMIT = 128
"""The longest name (device, action, actor, origin) that the guard accepts, in characters."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


def is_name(name: str) -> bool:
    """Whether it can name something: some text, and not too much of it (JSON can spell halves of a character)."""
    if not 0 < len(name) <= NAME_LIMIT:
        return False
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one property of one device.

    ``at`` is the guard's own clock on arrival (aware, UTC, never decreasing); leases, budgets, deadlines and
    fading run on it alone. ``happened`` is the source's claim, which only habits use, and only when it is
    plausible. ``actor`` is ``person:…``, ``automation:…``, ``homeward`` or ``None`` for unknown. ``value`` is
    finite or ``None``. ``id`` names the event within its source.
    """

    id: str
    source: str
    at: datetime
    happened: datetime | None = None
    place: str = "home"
    device: str
    action: str
    actor: str | None = None
    origin: str | None = None
    value: float | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


def symbol(name: str | None) -> str:
    """An actor or origin as a symbol; what names nothing is unknown."""
    return name if name is not None and is_name(name) else ""
