"""Messages to phones by ntfy (https://docs.ntfy.sh/publish/), with two buttons where something is asked.

A button makes the phone POST a press to another topic, which the guard follows (`homeward.answers.ntfy`). The press
is in the body, and there is no address in a message that answers by being fetched: whatever looks ahead at links (a
preview, a virus scanner) answers nothing. Whoever can read the topic can read the messages and press the buttons.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from homeward.core.effects import Action
from homeward.responders.http_request import POST_SECONDS, Address, post, tls_context
from homeward.responders.message import TITLES, check_message

BODY_LIMIT: Final = 4_096
"""The longest message with all that belongs to it, in bytes: what every ntfy server takes."""

SENT_LIMIT: Final = 1_024
"""How many messages are remembered as sent."""

PRIORITIES: Final[Mapping[str, int]] = {"notify": 3, "ask": 4, "escalate": 5}
"""By ntfy's scale: 3 is the default, 5 the most urgent."""

TAGS: Final[Mapping[str, str]] = {"notify": "bell", "ask": "question", "escalate": "rotating_light"}
"""Shown as emoji."""

ASKING: Final = frozenset({"ask", "escalate"})
"""Messages with buttons: who is told because nobody answered may answer."""

LABELS: Final[Mapping[Literal["yes", "no"], str]] = {"yes": "That was me", "no": "Not me"}

WritePress = Callable[[Literal["yes", "no"], str, str], str]
"""Writes a press (`homeward.presses`): what it says, the incident's id, the listener."""

_TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")
_TOKEN: Final = re.compile(r"[!-~]{1,256}")


class NtfyChannel:
    """A `Responder` that carries messages only, to one topic of one server.

    ``answers_topic`` is where buttons post what ``press`` writes; without both there are no buttons. ``phone_server``
    is the server's address as phones know it, by default ``server``; ``click`` what a tap on the message opens.

    A message that was sent is remembered, and not sent again; after a restart of the guard it may come twice.

    Raises:
        ValueError: something is not as ntfy wants it; addresses, topics and the token are not repeated.
    """

    def __init__(
        self,
        server: str,
        topic: str,
        *,
        name: str = "ntfy",
        token: str | None = None,
        answers_topic: str | None = None,
        press: WritePress | None = None,
        phone_server: str | None = None,
        click: str | None = None,
        ca_file: Path | None = None,
        seconds: float = POST_SECONDS,
    ) -> None:
        self.name = name
        self._address = server_address(server)
        self._topic = checked_topic(topic)
        self._headers = {"content-type": "application/json"} | authorization(token)
        if (answers_topic is None) != (press is None):
            raise ValueError("buttons need both a topic for answers and what writes presses")
        if answers_topic == topic:
            raise ValueError("answers need a topic of their own; write another answers_topic")
        self._answers = server_address(phone_server or server).origin + "/" + checked_topic(answers_topic or "-")
        self._press = press
        if click is not None:
            Address.read(click)
        self._click = click
        self._tls = tls_context(ca_file)
        self._seconds = seconds
        self._sent: deque[str] = deque(maxlen=SENT_LIMIT)

    async def apply(self, action: Action) -> None:
        """Send the message.

        Raises:
            LookupError: it is no message.
            HttpError: the server was not reached, or did not take it.
        """
        check_message(action, self.name)
        if action.id in self._sent:
            return
        body = fitted(self._message(action))
        await post(self._address, self._headers, body, tls=self._tls, seconds=self._seconds)
        self._sent.append(action.id)

    async def revert(self, action: Action) -> None:
        """Nothing: what was said cannot be unsaid."""

    def _message(self, action: Action) -> dict[str, Any]:
        message: dict[str, Any] = {
            "topic": self._topic,
            "title": TITLES[action.command],
            "message": action.text,
            "priority": PRIORITIES[action.command],
            "tags": [TAGS[action.command]],
        }
        if self._click is not None:
            message["click"] = self._click
        if self._press is not None and action.command in ASKING:
            message["actions"] = [
                {
                    "action": "http",
                    "label": label,
                    "url": self._answers,
                    "method": "POST",
                    "body": self._press(says, action.incident, action.device),
                    "clear": True,
                }
                for says, label in LABELS.items()
            ]
        return message


def server_address(server: str) -> Address:
    """Where an ntfy server is. Raises `ValueError`."""
    address = Address.read(server)
    if address.path != "/":
        raise ValueError("write the ntfy server without a path (https://ntfy.example); the topic is a key of its own")
    return address


def checked_topic(topic: str) -> str:
    """The topic, if ntfy would take it. Raises `ValueError`, which does not repeat it."""
    if not _TOPIC.fullmatch(topic):
        raise ValueError("an ntfy topic has 1 to 64 letters, digits, '-' and '_'; write it so")
    return topic


def authorization(token: str | None) -> dict[str, str]:
    """The header that shows an access token, if there is one. Raises `ValueError`, which does not repeat it."""
    if token is None:
        return {}
    if not _TOKEN.fullmatch(token):
        raise ValueError("an ntfy access token is one word of ASCII (tk_…); write it so")
    return {"authorization": f"Bearer {token}"}


def fitted(message: dict[str, Any]) -> bytes:
    """The message in JSON, its text cut where the whole would be more than `BODY_LIMIT` bytes."""
    body, text = msgspec.json.encode(message), message["message"]
    while len(body) > BODY_LIMIT and text:
        text = text[: -1 - (len(body) - BODY_LIMIT) // 4]  # a character takes at most four bytes
        body = msgspec.json.encode(message | {"message": text + "…"})
    return body
