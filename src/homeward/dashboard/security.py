"""Who may look at the page and who may act through it.

There is one secret: a random key for each installation, in ``page.key``. Everything else is derived from it with
HMAC-SHA256 (RFC 2104) and nothing is stored: the session cookie, and one token for each act. The functions are
pure, so that the command line can post to the same routes as the page.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homeward.private_file import PrivateFileError, read_private

KEY_FILE: Final = "page.key"
METRICS_FILE: Final = "metrics.token"
METRICS_PATH: Final = "/metrics"
SESSION_DAYS: Final = 90

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
    # Not "no-referrer": under that policy browsers send "Origin: null" with our own forms, and no form would pass.
    "referrer-policy": "same-origin",
}
"""Sent with every answer, whatever its status."""

_KEY_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class KeyFileError(Exception):
    """The key file cannot be used. The message is one line that says what to change."""


def load_or_create_key(folder: Path) -> str:
    """The installation's key, from ``page.key`` in ``folder``; made (32 random bytes, urlsafe) if there is none.

    Raises `KeyFileError` if the file may be read by others, is not ours, is no plain file or holds no key.
    """
    path = folder / KEY_FILE
    try:
        return _create_key(path)
    except FileExistsError:
        return _read_key(path)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror}); check the folder and its owner") from error


def _create_key(path: Path) -> str:
    key = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def _read_key(path: Path) -> str:
    try:
        key = read_private(path, 256).decode("ascii", "replace").strip()
    except (FileNotFoundError, PrivateFileError) as error:
        raise KeyFileError(str(error)) from error
    if not _KEY_SHAPE.fullmatch(key):
        raise KeyFileError(f"{path}: holds no key; delete it and start again (a new link will be made)")
    return key


def write_metrics_token(folder: Path, key: str) -> Path:
    """Write `metrics_token` into ``metrics.token`` in ``folder``, for its owner alone; all of it or nothing.

    Raises `KeyFileError` if it cannot be written.
    """
    path = folder / METRICS_FILE
    hidden = folder / f".{METRICS_FILE}.{secrets.token_hex(8)}"
    try:
        try:
            descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(metrics_token(key) + "\n")
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror}); check the folder and its owner") from error
    return path


def enter_path(key: str) -> str:
    """The path of the link that lets a browser in: ``http://HOST:PORT`` + this."""
    return f"/enter?key={quote(key, safe='')}"


def session_cookie(key: str) -> tuple[str, str]:
    """Name and value of the cookie that opens the page. Neither tells the key.

    The name differs by installation, because cookies do not tell ports apart: two guards on one host must not
    overwrite each other's.
    """
    return f"homeward-{_derive(key, 'cookie name')[:8]}", _derive(key, "session")


def answer_token(key: str, incident: str, person: str, channel: str) -> str:
    """Allows ``person`` to answer ``incident`` through ``channel``; of use once, as an incident is answered once."""
    return _derive(key, "answer", incident, person, channel)


def undo_token(key: str, lease: str, person: str, channel: str) -> str:
    """Allows ``person`` to undo one lease through ``channel``."""
    return _derive(key, "undo", lease, person, channel)


def stand_down_token(key: str, person: str, channel: str) -> str:
    """Allows ``person`` to undo everything through ``channel``."""
    return _derive(key, "stand down", person, channel)


def mode_token(key: str, mode: str, person: str, channel: str) -> str:
    """Allows ``person`` to ``arm``, to ``disarm`` or to enter a mode (one of them: ``mode``) through ``channel``."""
    return _derive(key, "mode", mode, person, channel)


def rule_token(key: str, how: str, about: str, person: str, channel: str) -> str:
    """Allows ``person`` to ``add`` a rule about a device, or to ``change`` or ``delete`` the rule of an id."""
    return _derive(key, "rule", how, about, person, channel)


def step_up_token(key: str, person: str, channel: str) -> str:
    """Allows ``person`` to give their code through ``channel``."""
    return _derive(key, "step up", person, channel)


def young_token(key: str, person: str, channel: str) -> str:
    """Allows ``person`` to confirm, through ``channel``, what was learned in the first days."""
    return _derive(key, "confirm young", person, channel)


def admit_token(key: str, device: str, how: str, person: str, channel: str) -> str:
    """Allows ``person`` to ``approve``, ``restrict`` or ``refuse`` (one of them: ``how``) a device."""
    return _derive(key, "admit", device, how, person, channel)


def metrics_token(key: str) -> str:
    """Opens ``/metrics``, and nothing else: for a program that can send a header but cannot sign in."""
    return _derive(key, "metrics")


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def _derive(key: str, *parts: str) -> str:
    message = json.dumps(parts).encode()  # a list, so that no two different acts make the same bytes
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


class Refused(Exception):  # noqa: N818  (it is an answer, not an error of ours)
    """A request that is not served: ``status``, the reason in plain words, and more headers of the answer."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = headers


class Gate:
    """ASGI middleware: every request passes here first; every answer leaves with `HEADERS`.

    In this order: the Host must be one of ``allowed_hosts`` (else 421: DNS rebinding); a page of another site or
    port may link here but not embed or fetch (else 403); a POST must come from our own origin (else 403); the
    session cookie must be right (else 401) for everything but ``/enter`` and the stylesheet, script and icon,
    which are the same in every copy of Homeward. ``/metrics`` wants its own token instead (RFC 6750), whoever asks.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        key: str,
        allowed_hosts: Sequence[str],
        refuse: Callable[[Request, Refused], Response],
    ) -> None:
        self._app, self._refuse = app, refuse
        self._cookie, self._session = session_cookie(key)
        self._metrics = metrics_token(key)
        self._hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        try:
            self._check(request)
        except Refused as refusal:
            await self._refuse(request, refusal)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _check(self, request: Request) -> None:
        headers = request.headers
        host = headers.get("host", "").lower()
        if len(headers.getlist("host")) != 1 or host not in self._hosts:
            raise Refused(421, "This guard does not answer to that name. Open the link that it printed.")
        if _embedded_elsewhere(headers):
            raise Refused(403, "Another page may link to this one, but not read or embed it.")
        if request.method not in ("GET", "HEAD"):
            origins = headers.getlist("origin")
            # Either scheme: behind a proxy that ends TLS we cannot see which one the browser used.
            if len(origins) != 1 or origins[0].lower() not in (f"http://{host}", f"https://{host}"):
                raise Refused(403, "That did not come from this page, so nothing was changed.")
        if request.scope["path"] == METRICS_PATH:
            self._check_bearer(headers)
            return
        if request.url.path == "/enter" or request.url.path.startswith("/static/"):
            return
        if not same(request.cookies.get(self._cookie, ""), self._session):
            raise Refused(401, "This browser has not been let in yet. Open the link that the guard printed at start.")

    def _check_bearer(self, headers: Headers) -> None:
        given = headers.getlist("authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not same(token.strip(), self._metrics):
            why = f"This address wants the token in {METRICS_FILE}, as “Authorization: Bearer …”."
            raise Refused(401, why, {"www-authenticate": 'Bearer realm="homeward metrics"'})


def _embedded_elsewhere(headers: Headers) -> bool:
    """Fetch metadata (W3C): from another site or port only a link that a person follows is welcome.

    A cookie does not tell ports apart, so that a page on another port of this host counts as foreign here.
    """
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") != "document"
