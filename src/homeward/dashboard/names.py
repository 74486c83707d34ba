"""Names and texts from outside, as they may stand on a page. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"  # Persian, Indic scripts and emoji cannot be written without them


def safe(text: str) -> str:
    """``text`` with everything that could hide or reorder it made visible as ``\ufffd``.

    Names come from the network. Markup is the template's affair (it escapes everything); this is about control
    characters, lone surrogates and the bidirectional overrides of Unicode (UAX #9), which would let a device name
    turn round the sentence that it stands in.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in _INVISIBLE and c not in _JOINERS else c for c in text)
