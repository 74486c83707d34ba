"""The web application: it shows the guard, and posts what its owner says. Nothing changes by GET."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Final

import jinja2
import msgspec
import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from homeward.dashboard import security, words
from homeward.dashboard.acts import Acts
from homeward.dashboard.forms import CHANNEL, PERSON, Desk
from homeward.dashboard.house import House
from homeward.dashboard.rules import Rules
from homeward.dashboard.security import HEADERS, SESSION_DAYS, Gate, Refused, same
from homeward.dashboard.view import Watched, counted, look
from homeward.exchange import metrics
from homeward.one_time import CodeCheck

STREAMS: Final = 16
SEND_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 15.0
CONNECTIONS: Final = 64

_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_TITLES: Final = {
    400: "That was not understood",
    401: "Not let in yet",
    403: "Not let through",
    404: "Nothing here",
    409: "Not possible",
    421: "Wrong address",
    503: "Not just now",
}


def create_app(
    service: Watched, *, key: str, allowed_hosts: Sequence[str], codes: CodeCheck, simulated: str = ""
) -> Starlette:
    """The page for one guard.

    ``key`` is the installation's key (`security.load_or_create_key`). ``allowed_hosts`` lists the Host headers
    that are answered, with the port: ``127.0.0.1:8742``. ``codes`` checks the codes of who has to step up.
    ``simulated`` is a sentence that marks a demonstration.
    """
    page, desk = _Page(service, key, simulated), Desk(service)
    app = Starlette(
        routes=[
            Route("/", page.home),
            Route("/fragment", page.fragment),
            Route("/api/state", page.state),
            Route("/events", page.events),
            Route(security.METRICS_PATH, page.metrics),
            Route("/enter", page.enter),
            Route("/static/{name}", _static),
            *Acts(desk, key).routes(),
            *Rules(desk, key).routes(),
            *House(desk, key, codes).routes(),
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
        rule_token=lambda how, about: security.rule_token(key, how, about, PERSON, CHANNEL),
        step_up_token=lambda person: security.step_up_token(key, person, CHANNEL),
    )
    return environment


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    content = (files("homeward.dashboard") / "static" / name).read_bytes()
    return Response(content, media_type=_STATIC[name])
