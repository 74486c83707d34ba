"""Presses: an answer, or an undo, as one line of words that any channel can carry.

A press names what it is about (an incident, a lease), who answers and through which channel, and carries the token
for exactly that, so that a late one never answers something newer, one that was shown to a person is of no use to
another, and one that was not offered answers nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from homeward import __version__
from homeward.core.event import NAME_LIMIT
from homeward.core.inputs import Answer, Change, Feedback
from homeward.core.lease import Lease
from homeward.dashboard.security import answer_token, same, undo_token
from homeward.dashboard.view import Engine, Watched
from homeward.sources.payloads import Refused, clean_name, read_text

PRESS_LIMIT: Final = 1_280
"""The longest press, in bytes: the longest names in any script fit in."""

ABOUT_LIMIT: Final = 64
"""The longest id of an incident or a lease, in characters."""

Says = Literal["yes", "no", "too_much", "undo"]
"""*That was me*, *not me*, *that was me, and what was done was too much*, *take it back*."""

NOT_TAKEN_IN: Final = "not taken in"
"""Why a press that was right is refused: it could not be written down, and may be given again."""

REASONS: Final = (
    "retained", "too large", "malformed", "token", "channel", "too soon", "too late", NOT_TAKEN_IN
)  # fmt: skip
"""Everything that a press can be refused for."""

log = logging.getLogger(__name__)

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)]


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press. ``about`` is the incident's id, or for ``undo`` the newest lease's that is to be taken back.

    ``person`` is a listener (``household``, ``person:anna``), ``channel`` the name of what carries the press.
    """

    says: Says
    about: Annotated[str, msgspec.Meta(min_length=1, max_length=ABOUT_LIMIT)]
    person: _Name
    channel: _Name
    token: Annotated[str, msgspec.Meta(max_length=128)]

    def written(self) -> str:
        """As it is sent: five words with one space between them; in a word ``%20`` is a space and ``%25`` a ``%``.

        Not JSON, of which Home Assistant's templates would make a dictionary.
        """
        return " ".join(word.replace("%", "%25").replace(" ", "%20") for word in msgspec.structs.astuple(self))


def new_press(key: str, says: Says, about: str, person: str, channel: str) -> Press:
    """A press that will be taken. ``key`` is the installation's (`homeward.dashboard.security`).

    Raises:
        ValueError: a name could not be read back: it is not as `clean_name` makes names, or ``about`` is too long.
    """
    if len(about) > ABOUT_LIMIT or any(clean_name(name) != name for name in (about, person, channel)):
        raise ValueError("a press names what is clean: give the incident, the person and the channel plain names")
    token = _token(key, says, about, person, channel)
    return Press(says=says, about=about, person=person, channel=channel, token=token)


def read_press(payload: bytes, key: str, *, channel: str | None = None, retained: bool = False) -> Press:
    """A press as it came. With ``channel`` only one that was made for that channel is taken.

    Raises:
        Refused: one of `REASONS`. Any other spelling than `Press.written` is refused too.
    """
    if retained:  # said some time ago, to whom it may concern
        raise Refused("retained")
    if len(payload) > PRESS_LIMIT:
        raise Refused("too large")
    text = read_text(payload)
    words = [word.replace("%20", " ").replace("%25", "%") for word in text.split(" ")]
    if len(words) != len(Press.__struct_fields__):
        raise Refused("malformed")
    try:
        press = msgspec.convert(dict(zip(Press.__struct_fields__, words, strict=True)), Press)
    except msgspec.ValidationError:
        raise Refused("malformed") from None
    if press.written() != text or any(clean_name(name) != name for name in words[:-1]):
        raise Refused("malformed")
    if not same(press.token, _token(key, press.says, press.about, press.person, press.channel)):
        raise Refused("token")
    if channel is not None and press.channel != channel:
        raise Refused("channel")
    return press


def meant(press: Press, engine: Engine, now: datetime) -> Iterator[Feedback | Change]:
    """The inputs that a press means. Raises `Refused` ("too late") when what it is about is settled already."""
    person, channel = press.person, press.channel
    if press.says == "undo":
        leases = list(_up_to(press.about, engine.leases))
        if not leases:
            raise Refused("too late")
        for lease in leases:
            yield Change(at=now, version=__version__, command="undo", target=lease, person=person, channel=channel)
        return
    incident = engine.incidents.get(press.about)
    if incident is None or incident.kind == "blind" or incident.answer is not None:
        raise Refused("too late")
    answer: Answer = "no" if press.says == "no" else "yes"
    too_much = press.says == "too_much"
    yield Feedback(at=now, incident=press.about, answer=answer, person=person, channel=channel, too_much=too_much)


async def take(press: Press, service: Watched) -> None:
    """Hand the inputs that a press means to the guard.

    Raises:
        Refused: "too late", or `NOT_TAKEN_IN`.
    """
    for item in list(meant(press, service.guard.engine, service.clock.now())):
        try:
            await service.submit(item)
        except Exception as error:
            log.exception("a press was not taken in")
            raise Refused(NOT_TAKEN_IN) from error


def _token(key: str, says: Says, about: str, person: str, channel: str) -> str:
    """Allows this one word: whoever reads a *no* on its way cannot turn it into a *yes*."""
    allows = (undo_token if says == "undo" else answer_token)(key, about, person, channel)
    return hmac.new(allows.encode(), says.encode(), hashlib.sha256).hexdigest()


def _up_to(newest: str, leases: Mapping[str, Lease]) -> Iterator[str]:
    """The leases that can be taken back, oldest first, up to and with one; none when that one is not known."""
    if newest not in leases:
        return
    for name, lease in leases.items():
        if lease.status in {"applying", "active"} and lease.action.ends is not None:
            yield name
        if name == newest:
            return
