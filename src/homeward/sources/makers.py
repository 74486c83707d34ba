"""The maker of a device, by its hardware address: the IEEE's registry of MA-L blocks, read from the package aiooui.

The registry is a file of 0.8 MB that is mapped on the first question (about 10 ms) and never fetched from anywhere.
"""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

RANDOM: Final = "random address"
"""Said of an address that its device gave to itself (IEEE 802c): it names no maker, and may change every day."""

MAKER_LIMIT: Final = 64
"""The longest name of a maker, in characters."""

_DIGITS: Final = re.compile(r"(?:0x)?([0-9a-f]{16}|[0-9a-f]{12})", re.IGNORECASE)
_SEPARATORS: Final = str.maketrans("", "", ":-.")
_NOBODY: Final = frozenset({"Private", "IEEE Registration Authority"})
"""Registered by somebody who keeps the name back, or in smaller blocks that the file does not list."""

_GROUP, _LOCAL = 1, 2
_loading: Final = threading.Lock()


def hardware_address(text: str) -> int | None:
    """The first three octets of a MAC address or EUI-64 in one of its spellings, as a number; ``None`` if it is none.

    Understood are ``00:17:88:…``, ``00-17-88-…``, ``0017.88…``, bare digits, and Zigbee's ``0x001788…``.
    """
    found = _DIGITS.fullmatch(text.translate(_SEPARATORS)) if len(text) <= 32 else None
    return int(found[1][:6], 16) if found else None


def maker_of(address: str) -> str:
    """Who made the device with this MAC address or EUI-64.

    `RANDOM` for an address that the device chose itself; nothing for one that is not registered, that names a group
    of devices, or is none, and wherever the registry is not installed. Raises nothing.
    """
    block = hardware_address(address)
    if block is None or (block >> 16) & _GROUP:
        return ""
    if (block >> 16) & _LOCAL:
        return RANDOM
    name = _registered(f"{block:06X}000000") or ""
    if name in _NOBODY:
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:MAKER_LIMIT].rstrip()


def _registered(address: str) -> str | None:
    try:
        import aiooui
    except ModuleNotFoundError:
        return None
    with _loading:
        if not aiooui.is_loaded():
            try:
                _load()
            except (OSError, RuntimeError, ValueError):  # the file is not there, or none of its kind
                return None
    return aiooui.get_vendor(address)


def _load() -> None:
    """Map the registry from wherever this is called, an event loop's own thread among them."""
    import aiooui

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, aiooui.async_load()).result()
