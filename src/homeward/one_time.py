"""Codes that prove who somebody is: one-time codes (TOTP, RFC 6238) from a telephone, or a PIN where there is none.

The secrets lie in one file, ``step-up.keys`` in the guard's own folder and for the guard alone, one line for each
person: ``person:anna = totp SECRET`` (base32, as authenticator programs want it) or ``person:ben = pin SALT HASH``
(scrypt, RFC 7914). It is read anew for every code, so that a person who is deleted from it is out at once.

A one-time code is right for the present 30 seconds, those before and those after, and once only. A PIN can be used
again by whoever has seen it: prefer the code. Guessing is slow: after five wrong codes within ten minutes a person is
refused for ten minutes, whatever is given. So at most 720 can be tried in a day, and one is right in about 460 days.
Whoever wants to can keep a person refused that way; it opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Final

from pyotp import TOTP

from homeward.core.event import is_name
from homeward.private_file import PrivateFileError, read_private

KEYS_FILE: Final = "step-up.keys"
PEOPLE_LIMIT: Final = 64
WRONG_LIMIT: Final = 5
WRONG_SECONDS: Final = 600.0
"""After so many wrong codes within so many seconds a person is refused for as long."""

STEP_SECONDS: Final = 30
WINDOW: Final = 1
"""A code counts for so many steps before and after the present one: clocks differ, and people type slowly."""

SHORTEST_SECRET: Final = 16
"""Bytes (RFC 4226, R6)."""

_FILE_LIMIT: Final = 65_536
_CODE: Final = re.compile(r"[0-9]{6,12}")
_SALT_AND_HASH: Final = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{64})")
_HEADING: Final = "# Who can step up, and how. Secret: for the user who runs the guard alone.\n"


class KeysError(Exception):
    """The file of secrets cannot be used. The message is one line that says what to change, and no secret."""


class CodeRefused(Exception):  # noqa: N818  (it is an answer, not an error of ours)
    """The code proves nothing. The message says why in plain words."""


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """A secret (base32) that a telephone shares with the guard. ``ValueError`` says what is wrong with it."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(TOTP(self.secret).byte_secret()) < SHORTEST_SECRET:
            raise ValueError(f"a secret has at least {SHORTEST_SECRET} bytes")

    def steps(self, code: str, now: int) -> list[int]:
        """The steps near the present one for which this is the code. How long that takes tells nothing of it."""
        totp = TOTP(self.secret)
        near = range(max(0, now - WINDOW), now + WINDOW + 1)
        return [step for step in near if hmac.compare_digest(totp.generate_otp(step), code)]


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN of 6 to 12 digits, as a hash that takes some tenths of a second and 16 MiB to make."""

    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    @classmethod
    def of(cls, pin: str) -> Pin:
        """``ValueError`` says what a PIN is."""
        if not _CODE.fullmatch(pin):
            raise ValueError("a PIN has 6 to 12 digits")
        salt = secrets.token_bytes(16)
        return cls(salt, _scrypt(pin, salt))

    def is_right(self, code: str) -> bool:
        """Whether this is the PIN."""
        return hmac.compare_digest(_scrypt(code, self.salt), self.hash)


def _scrypt(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=2**14, r=8, p=5, dklen=32)  # OWASP's, of 16 MiB


Way = OneTimeCode | Pin
"""How a person proves who it is."""


@dataclass(slots=True)
class _Tries:
    """``wrong`` is when (seconds) codes were wrong lately, ``refused_until`` and ``last`` step are as they say."""

    last: int
    wrong: list[float] = field(default_factory=list)
    refused_until: float = 0.0


class CodeCheck:
    """Checks codes, each used once. It may be called from several threads; a PIN takes a while, so do not call it in
    the event loop.

    What was used is remembered by the process alone. Therefore a code that was right at its start or before is taken
    for a used one: people wait for their next one, up to a minute after a restart, or until a wall's clock that was
    set back is where it was. ``wall`` is seconds since 1970 as telephones count them; ``seconds`` never goes back.
    ``refused`` counts codes by why they were refused.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wall: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._wall, self._seconds = folder, wall, seconds
        self._first = self._step() + WINDOW
        self._tries: dict[str, _Tries] = {}
        self._lock = Lock()
        self.refused: Counter[str] = Counter()

    def people(self) -> frozenset[str]:
        """Who can step up. Raises `KeysError`."""
        return frozenset(read_keys(self._folder))

    def check(self, person: str, code: str) -> None:
        """Return if the code is the person's, now and for the first time; else raise `CodeRefused`.

        Raises `KeysError` if the secrets cannot be read.
        """
        with self._lock:
            keys = read_keys(self._folder)
            if person not in keys:
                raise self._refusal("unknown", "no code is set up for this person")
            tries = self._tries_of(person, keys)
            now = self._seconds()
            if now < tries.refused_until:
                minutes = ceil((tries.refused_until - now) / 60)
                raise self._refusal("too many", f"too many wrong codes; try again in {minutes} min")
            why = self._why_wrong(keys[person], code.replace(" ", ""), tries)
            if not why:
                tries.wrong.clear()
                return
            tries.wrong = [at for at in tries.wrong if now - at < WRONG_SECONDS] + [now]
            if len(tries.wrong) >= WRONG_LIMIT:
                tries.wrong, tries.refused_until = [], now + WRONG_SECONDS
            words = "that is not the code" if why == "wrong" else "that code was used before; wait for the next one"
            raise self._refusal(why, words)

    def _tries_of(self, person: str, keys: Mapping[str, Way]) -> _Tries:
        """Kept also while a person is missing from the file, so that no code is new again after an edit."""
        if person not in self._tries and len(self._tries) >= PEOPLE_LIMIT:
            self._tries = {name: tries for name, tries in self._tries.items() if name in keys}
        return self._tries.setdefault(person, _Tries(self._first))

    def _why_wrong(self, way: Way, code: str, tries: _Tries) -> str:
        """``wrong``, ``used``, or nothing if it is right."""
        if not _CODE.fullmatch(code):
            return "wrong"
        if isinstance(way, Pin):
            return "" if way.is_right(code) else "wrong"
        steps = way.steps(code, self._step())
        fresh = [step for step in steps if step > tries.last]
        if fresh:
            tries.last = fresh[-1]
            return ""
        return "used" if steps else "wrong"

    def _step(self) -> int:
        return int(self._wall()) // STEP_SECONDS

    def _refusal(self, why: str, words: str) -> CodeRefused:
        self.refused[why] += 1
        return CodeRefused(words)


# The file of secrets


def enrol_telephone(folder: Path, person: str) -> str:
    """Give a person a new secret, in the place of what was there, and return the address for its QR code
    (`provisioning`). The secret is in it: show it, and keep it nowhere.

    Raises `KeysError`.
    """
    way = OneTimeCode(b32encode(secrets.token_bytes(20)).decode())
    _put(folder, person, way)
    return provisioning(person, way)


def enrol_pin(folder: Path, person: str, pin: str) -> None:
    """Give a person a PIN, in the place of what was there. Raises `KeysError`, and `ValueError` for no PIN."""
    _put(folder, person, Pin.of(pin))


def withdraw(folder: Path, person: str) -> bool:
    """Delete a person's secret; whether there was one. Raises `KeysError`."""
    keys = read_keys(folder)
    if person not in keys:
        return False
    _write(folder, {name: way for name, way in keys.items() if name != person})
    return True


def provisioning(person: str, way: OneTimeCode) -> str:
    """The address for a QR code (the Key Uri Format of Google Authenticator, which all programs read)."""
    name = person.removeprefix("person:") or person
    return TOTP(way.secret).provisioning_uri(name=name, issuer_name="Homeward")


def read_keys(folder: Path) -> dict[str, Way]:
    """Every person's secret; nobody's if there is no file.

    Raises `KeysError` if others may read it, if it is not ours, no plain file, or not to be understood.
    """
    path = folder / KEYS_FILE
    try:
        data = read_private(path, _FILE_LIMIT + 1)
    except FileNotFoundError:
        return {}
    except PrivateFileError as error:
        raise KeysError(str(error)) from error
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(data) > _FILE_LIMIT or (data and not lines):
        raise KeysError(f"{path}: is no file of secrets")
    keys: dict[str, Way] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            person, way = _read_line(line, f"{path}, line {number}")
            if person in keys or len(keys) >= PEOPLE_LIMIT:
                raise KeysError(f"{path}, line {number}: one line for each person, and {PEOPLE_LIMIT} in all")
            keys[person] = way
    return keys


def _read_line(line: str, where: str) -> tuple[str, Way]:
    person, _, words = line.strip().rpartition(" = ")
    kind, _, value = words.partition(" ")
    try:
        if kind == "totp" and _can_be_kept(person):
            return person, OneTimeCode(value)
        if kind == "pin" and _can_be_kept(person) and (pair := _SALT_AND_HASH.fullmatch(value)):
            return person, Pin(*(bytes.fromhex(each) for each in pair.groups()))
    except ValueError:
        pass  # its message might quote the secret
    raise KeysError(f"{where}: write “person:NAME = totp SECRET”, in base32 and of {SHORTEST_SECRET} bytes at least")


def _can_be_kept(person: str) -> bool:
    return is_name(person) and person.isprintable() and person == person.strip() and not person.startswith("#")


def _put(folder: Path, person: str, way: Way) -> None:
    keys = {**read_keys(folder), person: way}
    if not _can_be_kept(person):
        raise KeysError("a person's name is up to 128 characters that can be printed, and begins with no “#”")
    if len(keys) > PEOPLE_LIMIT:
        raise KeysError(f"{folder / KEYS_FILE}: there are {PEOPLE_LIMIT} people in it already; delete one first")
    _write(folder, keys)


def _write(folder: Path, keys: Mapping[str, Way]) -> None:
    """All of it or nothing, for its owner alone."""
    path = folder / KEYS_FILE
    hidden = folder / f".{KEYS_FILE}.{secrets.token_hex(8)}"
    text = _HEADING + "".join(f"{person} = {_line(way)}\n" for person, way in keys.items())
    try:
        try:
            descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                if os.geteuid() == 0:  # for the guard, which runs as the folder's owner
                    owner = folder.stat()
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise KeysError(f"{path}: cannot be written ({error.strerror}); check the folder and its owner") from error


def _line(way: Way) -> str:
    return f"pin {way.salt.hex()} {way.hash.hex()}" if isinstance(way, Pin) else f"totp {way.secret}"
