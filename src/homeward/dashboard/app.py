"""The web application: it shows the guard, and posts what its owner says. Nothing changes by GET."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

import jinja2
import msgspec
import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from homeward import __version__
from homeward.core.event import NAME_LIMIT
from homeward.core.inputs import Answer, Change, Command, Feedback
from homeward.dashboard import security, words
from homeward.dashboard.security import HEADERS, SESSION_DAYS, Gate, Refused, same
from homeward.dashboard.view import Watched, counted, is_known, look
from homeward.exchange import metrics
from homeward.feeders import answers_in

BODY_LIMIT: Final = 4096
BODY_SECONDS: Final = 10.0
STREAMS: Final = 16
SEND_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 15.0
CONNECTIONS: Final = 64

PERSON: Final = "household"
CHANNEL: Final = "page"
"""Who speaks through the page. Persons of their own come with persons that sign in."""

_ANSWERS: Final[dict[str, Answer]] = {"yes": "yes", "no": "no"}
_RESTRICT: Final = "restrict"
"""The third answer about a device that is new here: it may do what it was seen to need, and no more."""

_ADMISSIONS: Final[dict[str, Command]] = {"approve": "approve", "restrict": "restrict", "refuse": "refuse"}
_MODES: Final[dict[str, Command]] = {"arm": "arm", "disarm": "disarm"}
_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_TITLES: Final = {
    400: "That was not understood",
    401: "Not let in yet",
    403: "Not from here",
    404: "Nothing here",
    409: "Already settled",
    421: "Wrong address",
    503: "Not just now",
}

log = logging.getLogger(__name__)


def create_app(service: Watched, *, key: str, allowed_hosts: Sequence[str], simulated: str = "") -> Starlette:
    """The page for one guard.

    ``key`` is the installation's key (`security.load_or_create_key`). ``allowed_hosts`` lists the Host headers
    that are answered, with the port: ``127.0.0.1:8742``. ``simulated`` is a sentence that marks a demonstration.
    """
    page = _Page(service, key, simulated)
    app = Starlette(
        routes=[
            Route("/", page.home),
            Route("/fragment", page.fragment),
            Route("/api/state", page.state),
            Route("/events", page.events),
            Route(security.METRICS_PATH, page.metrics),
            Route("/enter", page.enter),
            Route("/static/{name}", _static),
            Route("/incidents/{id}/answer", page.answer, methods=["POST"]),
            Route("/leases/{id}/undo", page.undo, methods=["POST"]),
            Route("/stand-down", page.stand_down, methods=["POST"]),
            Route("/admit", page.admit, methods=["POST"]),
            Route("/mode", page.mode, methods=["POST"]),
            Route("/young/confirm", page.confirm_young, methods=["POST"]),
        ],
        middleware=[Middleware(Gate, key=key, allowed_hosts=allowed_hosts, refuse=page.refuse)],
        exception_handlers={Refused: page.refused, HTTPException: page.unserved, Exception: page.failed},
    )
    app.state.closing = page.closing
    return app


class PageServer(uvicorn.Server):
    """uvicorn, with limits for a small machine, no access log (it would hold the key) and no wait for open streams.

    ``should_exit = True`` ends ``serve()`` within two seconds.
    """

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=2,
                h11_max_incomplete_event_size=16 * 1024,
            )
        )
        # access_log=False alone only takes its handlers away: one that somebody adds would write the key down.
        logging.getLogger("uvicorn.access").disabled = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.closing.set()
        await super().shutdown(sockets)


class _Page:
    """The routes. `Gate` has checked Host, origin and session before any of them runs."""

    def __init__(self, service: Watched, key: str, simulated: str) -> None:
        self._service, self._key, self._simulated = service, key, simulated
        self._templates = _templates(key)
        self._settling = asyncio.Lock()
        self._streams = 0
        self.closing = asyncio.Event()

    # What is shown

    def _render(self, template: str) -> HTMLResponse:
        view = look(self._service, simulated=self._simulated)
        return HTMLResponse(self._templates.get_template(template).render(view=view))

    async def home(self, _request: Request) -> Response:
        return self._render("page.html")

    async def fragment(self, _request: Request) -> Response:
        return self._render("live.html")

    async def state(self, _request: Request) -> Response:
        body = msgspec.json.encode(look(self._service, simulated=self._simulated))
        return Response(body, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        return Response(metrics.render(counted(self._service)), headers={"content-type": metrics.CONTENT_TYPE})

    async def enter(self, request: Request) -> Response:
        if not same(request.query_params.get("key", ""), self._key):
            raise Refused(401, "This link is not (or no longer) the guard's. Open the one that it printed at start.")
        name, value = security.session_cookie(self._key)
        response = RedirectResponse("/", 303, headers={"referrer-policy": "no-referrer"})
        response.set_cookie(
            name,
            value,
            max_age=SESSION_DAYS * 86_400,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def events(self, _request: Request) -> Response:
        if self._streams >= STREAMS:
            raise Refused(503, "Too many pages are open; close one.")
        self._streams += 1
        return _Stream(self._stream(), ended=self._stream_ended)

    def _stream_ended(self) -> None:
        self._streams -= 1

    async def _stream(self) -> AsyncIterator[ServerSentEvent]:
        """Says ``changed`` when there is something new to fetch and ``alive`` when there is not."""
        changes = self._service.changes()
        closing = asyncio.ensure_future(self.closing.wait())
        change = asyncio.ensure_future(anext(changes))
        try:
            yield ServerSentEvent(event="alive", data="", retry=3000)
            while not closing.done():
                await asyncio.wait({change, closing}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if closing.done():
                    return
                if not change.done():
                    yield ServerSentEvent(event="alive", data="")
                    continue
                yield ServerSentEvent(event="changed", data=str(change.result()))
                change = asyncio.ensure_future(anext(changes))
        except StopAsyncIteration:
            return
        finally:
            closing.cancel()
            change.cancel()

    # What is said

    async def answer(self, request: Request) -> Response:
        """``answer=yes|no``, ``person``, ``channel``, ``token`` (`security.answer_token`). Once only.

        Of a device that is new here the answer may be ``restrict`` too: a yes with a reservation.
        """
        name = request.path_params["id"]
        form = await _read_form(request)
        person, channel = _who(form)
        self._check_token(form, security.answer_token(self._key, name, person, channel))
        said = form.get("answer", "")
        if said not in _ANSWERS and said != _RESTRICT:
            raise Refused(400, "An answer is yes or no.")
        async with self._settling:
            incident = self._service.guard.engine.incidents.get(name)
            if incident is None:
                raise Refused(404, "The guard does not know this incident (any more).")
            if incident.kind == "blind":
                raise Refused(409, "There is nothing to answer: this incident ends when what failed comes back.")
            if incident.answer is not None:
                raise Refused(409, f"This was answered already: “{words.answer(incident.answer)}”.")
            if said == _RESTRICT:
                if incident.kind != "new":
                    raise Refused(400, "Only a device that is new here can be restricted.")
                await self._command("restrict", person, channel, target=incident.device)
            else:
                now = self._service.clock.now()
                await self._submit(
                    Feedback(at=now, incident=name, answer=_ANSWERS[said], person=person, channel=channel)
                )
        return RedirectResponse(f"/#incident-{name}", 303)

    async def undo(self, request: Request) -> Response:
        """``person``, ``channel``, ``token`` (`security.undo_token`). Asks for the lease's end now."""
        name = request.path_params["id"]
        form = await _read_form(request)
        person, channel = _who(form)
        self._check_token(form, security.undo_token(self._key, name, person, channel))
        async with self._settling:
            lease = self._service.guard.engine.leases.get(name)
            if lease is None:
                raise Refused(404, "The guard does not know this act (any more).")
            if lease.status == "ended":
                raise Refused(409, "This act has ended already.")
            if lease.status == "reverting":
                raise Refused(409, "This act is being taken back already; that is tried until it succeeds.")
            if lease.action.ends is None:
                raise Refused(409, "This act ends by itself and is never taken back.")
            await self._command("undo", person, channel, target=name)
        return RedirectResponse("/#leases", 303)

    async def stand_down(self, request: Request) -> Response:
        """``person``, ``channel``, ``token`` (`security.stand_down_token`). Undoes everything now."""
        form = await _read_form(request)
        person, channel = _who(form)
        self._check_token(form, security.stand_down_token(self._key, person, channel))
        await self._command("stand_down", person, channel)
        return RedirectResponse("/#leases", 303)

    async def admit(self, request: Request) -> Response:
        """``device``, ``how=approve|restrict|refuse``, ``person``, ``channel``, and `security.admit_token`."""
        form = await _read_form(request)
        person, channel = _who(form)
        device, how = form.get("device", ""), form.get("how", "")
        self._check_token(form, security.admit_token(self._key, device, how, person, channel))
        if how not in _ADMISSIONS:
            raise Refused(400, "A device is approved, restricted or refused.")
        async with self._settling:
            if not is_known(self._service.guard.engine, device):
                raise Refused(404, "The guard never met a device of that name.")
            await self._command(_ADMISSIONS[how], person, channel, target=device)
        return RedirectResponse("/", 303)

    async def mode(self, request: Request) -> Response:
        """``mode=arm|disarm``, ``person``, ``channel``, ``token`` (`security.mode_token`). No change: no command."""
        form = await _read_form(request)
        person, channel = _who(form)
        mode = form.get("mode", "")
        self._check_token(form, security.mode_token(self._key, mode, person, channel))
        if mode not in _MODES:
            raise Refused(400, "The mode is arm or disarm.")
        async with self._settling:
            if self._service.guard.engine.armed != (mode == "arm"):
                await self._command(_MODES[mode], person, channel)
        return RedirectResponse("/", 303)

    async def confirm_young(self, request: Request) -> Response:
        """``person``, ``channel``, ``token`` (`security.young_token`). What was learned while young is usual here."""
        form = await _read_form(request)
        person, channel = _who(form)
        self._check_token(form, security.young_token(self._key, person, channel))
        async with self._settling:
            if not self._service.guard.engine.young:
                raise Refused(409, "There is nothing (any more) to be confirmed.")
            await self._command("confirm_young", person, channel)
        return RedirectResponse("/", 303)

    def _check_token(self, form: dict[str, str], expected: str) -> None:
        if not same(form.get("token", ""), expected):
            raise Refused(403, "The form was not this page's, or too old. Reload the page and try again.")

    async def _command(self, command: Command, person: str, channel: str, *, target: str = "") -> None:
        now = self._service.clock.now()
        item = Change(at=now, version=__version__, command=command, target=target, person=person, channel=channel)
        await self._submit(item)
        for answer in answers_in(item, self._service.guard.engine.incidents.values()):
            await self._submit(answer)

    async def _submit(self, item: Feedback | Change) -> None:
        try:
            await self._service.submit(item)
        except Exception as error:
            log.exception("the page could not submit %s", type(item).__name__)
            raise Refused(503, "The guard could not write this down, so nothing was changed. Try again.") from error

    # What went wrong

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """The refusal as a page for people, and as one line for programs (which do not accept HTML)."""
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(refusal.words + "\n", refusal.status, headers={**HEADERS, **refusal.headers})
        title = _TITLES.get(refusal.status, "That did not work")
        text = self._templates.get_template("message.html").render(title=title, words=refusal.words)
        return HTMLResponse(text, refusal.status, headers={**HEADERS, **refusal.headers})

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return self.refuse(request, error)

    async def unserved(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reasons = {404: "There is no such page here.", 405: "That is not how this address is used."}
        response = self.refuse(request, Refused(error.status_code, reasons.get(error.status_code, error.detail)))
        response.headers.update(error.headers or {})
        return response

    async def failed(self, request: Request, _error: Exception) -> Response:
        return self.refuse(
            request, Refused(500, "Something in the page failed. The guard itself goes on; see its log.")
        )


class _Stream(EventSourceResponse):
    """A stream that says when it is over, however it ended; a client too slow to read is let go."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], *, ended: Callable[[], None]) -> None:
        super().__init__(content, ping=0, send_timeout=SEND_SECONDS)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with suppress(SendTimeoutError):
                await super().__call__(scope, receive, send)
        finally:
            self._ended()


def _templates(key: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("homeward.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        words=words,
        person=PERSON,
        channel=CHANNEL,
        answer_token=lambda incident: security.answer_token(key, incident, PERSON, CHANNEL),
        undo_token=lambda lease: security.undo_token(key, lease, PERSON, CHANNEL),
        stand_down_token=lambda: security.stand_down_token(key, PERSON, CHANNEL),
        mode_token=lambda mode: security.mode_token(key, mode, PERSON, CHANNEL),
        young_token=lambda: security.young_token(key, PERSON, CHANNEL),
    )
    return environment


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    content = (files("homeward.dashboard") / "static" / name).read_bytes()
    return Response(content, media_type=_STATIC[name])


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
        fields = parse_qs(body.decode("ascii"), max_num_fields=16, strict_parsing=bool(body), errors="strict")
    except TimeoutError as error:
        raise Refused(408, "The form took too long to arrive.") from error
    except (ClientDisconnect, ValueError) as error:
        raise Refused(400, "The form could not be read.") from error
    return {name: values[-1] for name, values in fields.items()}


def _who(form: dict[str, str]) -> tuple[str, str]:
    """Who answers, and through what; the token binds both."""
    person, channel = form.get("person", PERSON), form.get("channel", CHANNEL)
    if not 0 < len(person) <= NAME_LIMIT or not 0 < len(channel) <= NAME_LIMIT:
        raise Refused(400, f"A name has 1 to {NAME_LIMIT} characters.")
    return person, channel
