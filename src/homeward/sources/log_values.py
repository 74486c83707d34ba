"""The values in a network monitor's records: text or numbers in, addresses, ports, counts and times out. Pure.

What cannot be one raises one of `FAULTS`; the decoders count that and go on.
"""

from __future__ import annotations

import functools
import ipaddress
import math
from datetime import datetime
from typing import Any, Final

from homeward.core.flow import BYTES_LIMIT, SECONDS_LIMIT
from homeward.sources.payloads import clean_name

FAULTS: Final = (ValueError, TypeError, OverflowError)
"""What reading a value raises that cannot be one."""

TIME_LIMIT: Final = 253_402_300_799.0
"""The last second of the year 9999; no record is of later."""


def read_seconds(said: object) -> float:
    """A point in time as epoch seconds, from epoch seconds or milliseconds or ISO 8601 with an offset."""
    if isinstance(said, str) and len(said) > 10 and said[4] == "-":
        moment = datetime.fromisoformat(said)
        if moment.tzinfo is None:
            raise ValueError("a time without an offset")
        return _in_time(moment.timestamp())
    seconds = _finite(said)
    return _in_time(seconds / 1000 if seconds >= 1e11 else seconds)


def read_duration(said: object) -> float:
    """How long something took, in seconds, at most `SECONDS_LIMIT`."""
    return min(max(_finite(said), 0.0), SECONDS_LIMIT)


def _in_time(seconds: float) -> float:
    if not 0.0 <= seconds <= TIME_LIMIT:
        raise ValueError("no time of an event")
    return seconds


def _finite(said: Any) -> float:
    number = float(said)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def read_count(said: Any) -> int:
    """A number of bytes; nothing where unset, never more than `BYTES_LIMIT`."""
    return 0 if said is None else min(max(int(said), 0), BYTES_LIMIT)


def read_port(said: Any) -> int:
    """A port, or a type of ICMP."""
    number = int(said)
    if not 0 <= number < 65_536:
        raise ValueError("no port")
    return number


@functools.lru_cache(65_536)
def read_address(said: object) -> str:
    """An IPv4 or IPv6 address in its one canonical spelling, without a zone."""
    if not isinstance(said, str):
        raise TypeError("no address")
    return str(ipaddress.ip_address(said.partition("%")[0]))


def as_address(said: object) -> str | None:
    """The address; ``None`` for what is none, as the name that another name stands for."""
    try:
        return read_address(said)
    except FAULTS:
        return None


@functools.lru_cache(256)
def read_protocol(said: object) -> str:
    """A protocol as a lower-case word."""
    word = clean_name(said.lower()) if isinstance(said, str) else None
    if word is None:
        raise ValueError("no protocol")
    return word


@functools.lru_cache(256)
def read_state(said: object) -> str:
    """Zeek's ``conn_state``, at most 16 letters and digits; nothing where it is something else."""
    return said if isinstance(said, str) and len(said) <= 16 and said.isascii() and said.isalnum() else ""
