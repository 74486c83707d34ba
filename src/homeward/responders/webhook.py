"""A webhook: every act, its end and every message as JSON by POST, signed after Standard Webhooks.

The specification (https://www.standardwebhooks.com) says what is signed and how: ``webhook-id``,
``webhook-timestamp`` and the body, by HMAC-SHA256 in ``webhook-signature``. The id is the same however often the same
is sent, so that a receiver who has it already does nothing; `verify` is what a receiver does first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from homeward.core.effects import Action
from homeward.core.vocabulary import MESSAGES
from homeward.responders.http_request import POST_SECONDS, Address, post, tls_context

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (how a secret begins, not one)
SECRET_BYTES: Final = range(24, 65)
"""How many bytes a secret may have, by the specification."""

TOLERANCE_SECONDS: Final = 300.0
"""How far the time of a webhook may be from the receiver's: later it may be one that somebody kept."""

SIGNATURE_LIMIT: Final = 16
"""How many signatures of one webhook are looked at."""

Step = Literal["apply", "revert"]


class NotSignedError(ValueError):
    """What was received is not proven to be from whom it should be, or is too old."""


class Webhook:
    """A `Responder` that tells a program of one's own, and leaves to it what is done.

    ``url`` is ``https://…``; ``http://…`` only within the owner's network (`homeward.responders.http_request`). No
    redirect is followed. Any 2xx status is a success. ``clock`` says the time in epoch seconds.

    Raises:
        ValueError: the url or the secret is none; neither is repeated.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        name: str = "webhook",
        ca_file: Path | None = None,
        seconds: float = POST_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._address = Address.read(url)
        self._key = _key(secret)
        self._tls = tls_context(ca_file)
        self._seconds = seconds
        self._clock = clock

    async def apply(self, action: Action) -> None:
        """Tell of a command or a message. Raises `HttpError` when it was not taken."""
        await self._send("apply", action)

    async def revert(self, action: Action) -> None:
        """Tell that a claim has ended, and what restores the earlier state; what was said cannot be unsaid."""
        if action.command not in MESSAGES:
            await self._send("revert", action)

    async def _send(self, step: Step, action: Action) -> None:
        now = self._clock()
        body = msgspec.json.encode(
            {
                "type": f"homeward.{step}",
                "timestamp": datetime.fromtimestamp(int(now), UTC).isoformat(),
                "data": {
                    "id": action.id,
                    "incident": action.incident,
                    "device": action.device,
                    "command": action.command,
                    "restore": action.restore,
                    "ends": action.ends.isoformat() if action.ends else None,
                    "allow": list(action.allow),
                    "text": action.text,
                },
            }
        )
        headers = signed(webhook_id(action, step), int(now), body, self._key)
        headers["content-type"] = "application/json"
        await post(self._address, headers, body, tls=self._tls, seconds=self._seconds)


def webhook_id(action: Action, step: Step) -> str:
    """The idempotency key: letters, digits, ``_`` and ``-`` (a full stop would be ambiguous in what is signed)."""
    plain = re.sub(r"[^A-Za-z0-9_-]", lambda sign: f"_{ord(sign[0]):x}_", action.id)
    return f"{plain}-{step}"


def signed(id_: str, timestamp: int, body: bytes, key: bytes) -> dict[str, str]:
    """The three headers of a webhook."""
    signature = base64.b64encode(_signature(id_, str(timestamp), body, key)).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def verify(body: bytes, headers: Mapping[str, str], secret: str, *, now: float | None = None) -> dict[str, Any]:
    """What a receiver does first: the payload, if it is signed with the secret and not older than five minutes.

    ``body`` is what was received, byte by byte; ``now`` is in epoch seconds. The comparison takes the same time
    however much of a signature is right. A webhook can still come twice: do nothing for a ``webhook-id`` that was
    seen in the last five minutes.

    Raises:
        NotSignedError: it must not be believed.
        ValueError: the secret is none.
    """
    key = _key(secret)
    known = {name.lower(): value for name, value in headers.items()}
    try:
        id_, timestamp, signatures = (known[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
    except KeyError:
        raise NotSignedError("a header of the signature is missing") from None
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise NotSignedError("the time of the signature cannot be read")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotSignedError("the signature is too old, or of another time")
    expected = b"v1," + base64.b64encode(_signature(id_, timestamp, body, key))
    offered = [one.encode("utf-8", "replace") for one in signatures.split(" ")[:SIGNATURE_LIMIT]]
    if not any([hmac.compare_digest(one, expected) for one in offered]):  # noqa: C419 (all are compared, always)
        raise NotSignedError("no signature is right")
    payload = msgspec.json.decode(body)
    if not isinstance(payload, dict):
        raise NotSignedError("the payload is no object")
    return payload


def _signature(id_: str, timestamp: str, body: bytes, key: bytes) -> bytes:
    content = b".".join((id_.encode("utf-8", "replace"), timestamp.encode(), body))
    return hmac.new(key, content, hashlib.sha256).digest()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError('write the secret as whsec_ and 24 to 64 bytes in base64 ("openssl rand -base64 32")')
    return key
