"""What is said to the page: a small form, checked, and handed to the guard. Every act takes this way."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from homeward import __version__
from homeward.core.effects import Effect, Record
from homeward.core.event import NAME_LIMIT
from homeward.core.inputs import Change, Command, Feedback
from homeward.core.standing import StandingRule
from homeward.dashboard.security import Refused, same
from homeward.dashboard.view import Watched, zone_of
from homeward.feeders import answers_in

BODY_LIMIT: Final = 4096
BODY_SECONDS: Final = 10.0
FIELDS_LIMIT: Final = 16

PERSON: Final = "household"
CHANNEL: Final = "page"
"""Who speaks through the page. Persons of their own come with persons that sign in."""

_MINUTE: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DURATION: Final = re.compile(r"P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?)?")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """``about`` is the id in the address (nothing where there is none). ``person`` says it, through ``channel``."""

    about: str
    fields: Mapping[str, str]
    person: str
    channel: str

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def must_carry(self, token: str) -> None:
        """Raises `Refused` unless the form has this token."""
        if not same(self.get("token"), token):
            raise Refused(403, "The form was not this page's, or too old. Reload the page and try again.")


Act = Callable[[Form], Awaitable[str]]
"""What a route does with a form: it returns the place on the page to go on at, or raises `Refused`."""


class Desk:
    """Takes in forms and hands to the guard what they mean. ``settling`` is held while an act is looked into and
    submitted, so that two at the same moment are one after the other."""

    def __init__(self, service: Watched) -> None:
        self._service = service
        self.settling = asyncio.Lock()

    @property
    def service(self) -> Watched:
        return self._service

    def route(self, path: str, act: Act) -> Route:
        """Nothing changes but by POST."""

        async def endpoint(request: Request) -> Response:
            fields = await _read_form(request)
            person, channel = fields.get("person", PERSON), fields.get("channel", CHANNEL)
            if not 0 < len(person) <= NAME_LIMIT or not 0 < len(channel) <= NAME_LIMIT:
                raise Refused(400, f"A name has 1 to {NAME_LIMIT} characters.")
            about = request.path_params.get("id", "")
            return RedirectResponse(await act(Form(about=about, fields=fields, person=person, channel=channel)), 303)

        return Route(path, endpoint, methods=["POST"])

    async def command(
        self,
        form: Form,
        command: Command,
        *,
        target: str = "",
        until: datetime | None = None,
        rule: StandingRule | None = None,
    ) -> None:
        """Submit a command, and the answers that it comes to. Raises `Refused` with the guard's own words."""
        item = Change(
            at=self._service.clock.now(),
            version=__version__,
            command=command,
            target=target,
            person=form.person,
            channel=form.channel,
            until=until,
            rule=rule,
        )
        effects = await self.submit(item)
        if (refused := refusal(effects, form.person, rule.device if rule else target)) is not None:
            raise refused
        for answer in answers_in(item, self._service.guard.engine.incidents.values()):
            await self.submit(answer)

    async def submit(self, item: Feedback | Change) -> list[Effect]:
        """Raises `Refused` if the guard cannot take it in."""
        try:
            return await self._service.submit(item)
        except Exception as error:
            log.exception("the page could not submit %s", type(item).__name__)
            raise Refused(503, "The guard could not write this down, so nothing was changed. Try again.") from error

    def until(self, form: Form) -> datetime | None:
        """The field ``until`` (`read_until`), by the home's clock."""
        service = self._service
        return read_until(form.get("until"), service.clock.now(), zone_of(service.guard.engine.settings.timezone))


def refusal(effects: list[Effect], person: str, about: str) -> Refused | None:
    """The guard's own words if it refused. That is the last effect then; what comes before it was due anyway."""
    last = effects[-1] if effects else None
    if not isinstance(last, Record) or last.kind != "refused" or last.subject not in {person, about}:
        return None
    who = person.removeprefix("person:")
    return Refused(409, f"{who} {last.detail}." if last.subject == person else f"Refused: {last.detail}.")


def read_until(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    """An end, as ISO 8601: ``PT8H`` or ``P3D`` from now, ``07:00`` when it is next so late, ``2026-03-05T08:00``.

    Nothing is no end. Raises `Refused` for what is none of these.
    """
    if not text:
        return None
    try:
        if (span := _DURATION.fullmatch(text)) and any(span.groups()):
            days, hours, minutes = (int(digits or 0) for digits in span.groups())
            return now + timedelta(days=days, hours=hours, minutes=minutes)
        if _MINUTE.fullmatch(text):
            return _next(time.fromisoformat(text), now, zone)
        local = datetime.fromisoformat(text)
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        why = "An end is a time (07:00), a date and a time (2026-03-05T08:00) or a duration (PT8H)."
        raise Refused(400, why) from None


def _next(at: time, now: datetime, zone: tzinfo) -> datetime:
    today: date = now.astimezone(zone).date()
    first = datetime.combine(today, at, zone).astimezone(UTC)
    return first if first > now else datetime.combine(today + timedelta(days=1), at, zone).astimezone(UTC)


def read_minute(text: str) -> int | None:
    """A minute of the day, from ``06:30``; nothing is none. Raises `Refused` for anything else."""
    if not text:
        return None
    found = _MINUTE.fullmatch(text)
    if found is None:
        raise Refused(400, "An hour of the day looks like 06:30.")
    return int(found[1]) * 60 + int(found[2])


async def _read_form(request: Request) -> dict[str, str]:
    """A small urlencoded form, the last of each field. Raises `Refused` for anything else, larger, or too slow."""
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/x-www-form-urlencoded"
    ):
        raise Refused(415, "Only plain forms are understood here.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Refused(413, f"A form has at most {BODY_LIMIT} bytes.")
        fields = parse_qs(
            body.decode("ascii"), max_num_fields=FIELDS_LIMIT, strict_parsing=bool(body), errors="strict"
        )
    except TimeoutError as error:
        raise Refused(408, "The form took too long to arrive.") from error
    except (ClientDisconnect, ValueError) as error:
        raise Refused(400, "The form could not be read.") from error
    return {name: values[-1] for name, values in fields.items()}
