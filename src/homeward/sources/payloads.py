"""What a payload says: bytes in; names, states, numbers and times out, or a refusal that names its reason. Pure."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from homeward.core.event import NAME_LIMIT

Words = Mapping[str, str]
Meaning = Words | Literal["value", "text", "moment"]
"""How a property's value becomes an action.

Words map the value as text (``true``, ``ON``, ``1``) to an action; the empty action is known and makes no event.
``value`` is a number: its change is the action ``reading``. ``text`` is the action itself. ``moment`` too, but it is
no state: said twice, it happened twice (a button).
"""

NESTING_LIMIT = 32
"""How deep a JSON payload may be nested: no device or bridge comes near it."""

# Bidirectional overrides and isolates can make one name look like another; joiners are part of many scripts.
_UNFIT = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}


class Refused(Exception):  # noqa: N818 - a way out of reading; `Decoder` counts it and it goes no further
    """What was read cannot be used; the argument is one of `homeward.sources.topics.REASONS`."""


def clean_name(text: str) -> str | None:
    """The text as a name: trimmed, NFC, of any script; ``None`` when empty, too long or with control characters."""
    if len(text) > 4 * NAME_LIMIT:
        return None
    name = text.strip()
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
        if any(c in _UNFIT or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
            return None
    elif not name.isprintable():
        return None
    return name if 0 < len(name) <= NAME_LIMIT else None


def read_text(payload: bytes) -> str:
    """The payload as UTF-8. Raises `Refused`."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("malformed") from None


def read_json(payload: bytes) -> dict[str, Any]:
    """The payload as a JSON object, nested at most `NESTING_LIMIT` deep. Raises `Refused`."""
    said = _decoded(payload)
    if not isinstance(said, dict):
        raise Refused("malformed")
    return said


def read_list(payload: bytes) -> list[Any]:
    """The payload as a JSON array, nested at most `NESTING_LIMIT` deep. Raises `Refused`."""
    said = _decoded(payload)
    if not isinstance(said, list):
        raise Refused("malformed")
    return said


def _decoded(payload: bytes) -> Any:
    if _depth(payload) > NESTING_LIMIT:
        raise Refused("malformed")
    try:
        return msgspec.json.decode(payload)
    except ValueError:  # msgspec's errors are ValueErrors; it refuses NaN and Infinity
        raise Refused("malformed") from None


def _depth(payload: bytes) -> int:
    """How deep the brackets outside strings are nested.

    Decoding to the interpreter's recursion limit is no way to find out: at the bottom of the stack the garbage
    collector may run, and then whatever it finalises, of whomever, fails with a RecursionError.
    """
    opened = payload.count(b"[") + payload.count(b"{")
    if opened <= NESTING_LIMIT:
        return opened
    signs = _JSON_STRING.sub(b"", payload)
    return max(itertools.accumulate(_BRACKETS[sign] for sign in signs if sign in _BRACKETS), default=0)


def read_state(meaning: Meaning, said: object) -> tuple[str, float | None] | None:
    """The action and the value; ``None`` for what is known and makes no event. Raises `Refused`."""
    if meaning == "value":
        return "reading", _number(said)
    if isinstance(said, bool):
        text = "true" if said else "false"
    elif isinstance(said, str):
        text = said
    elif isinstance(said, (int, float)):
        text = repr(said)
    else:
        raise Refused("unknown value")
    if not isinstance(meaning, str):
        action = meaning.get(text)
        if action is None:
            raise Refused("unknown value")
        return (action, None) if action else None
    if not text:
        return None
    name = clean_name(text)
    if name is None:
        raise Refused("action name")
    return name, None


def _number(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        raise Refused("not a number")
    try:
        number = float(said)
    except ValueError:
        raise Refused("not a number") from None
    except OverflowError:
        raise Refused("not finite") from None
    if not math.isfinite(number):
        raise Refused("not finite")
    return number + 0.0  # -0.0 and 0.0 are one reading


def read_time(claim: object) -> datetime:
    """ISO 8601 with an offset, epoch seconds or epoch milliseconds. Raises whatever the parsers raise."""
    if isinstance(claim, bool) or not isinstance(claim, (int, float, str)):
        raise TypeError
    if isinstance(claim, str):
        happened = datetime.fromisoformat(claim)
        if happened.tzinfo is None:  # local time of an unknown place is no claim
            raise ValueError
        return happened.astimezone(UTC)
    return datetime.fromtimestamp(claim / 1000 if abs(claim) >= 1e11 else claim, UTC)
