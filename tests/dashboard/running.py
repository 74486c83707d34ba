"""A page that is being served, and requests to it over plain HTTP."""

from __future__ import annotations

import asyncio
import http.client
import threading
import urllib.parse
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from homeward.dashboard import security
from homeward.dashboard.app import PageServer

DEADLINE = 20.0


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Running:
    """A page that is being served. Requests carry what a browser that was let in would send, or what is said."""

    service: Any  # mostly the twin, which tests reach into
    key: str
    port: int
    loop: asyncio.AbstractEventLoop
    server: PageServer
    thread: threading.Thread = field(repr=False)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def link(self) -> str:
        return self.url + security.enter_path(self.key)

    @property
    def cookie(self) -> str:
        return "=".join(security.session_cookie(self.key))

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs it where the server runs."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def get(self, path: str, **headers: str | None) -> Reply:
        return self._request("GET", path, None, {"Cookie": self.cookie, **_dashed(headers)})

    def post(self, path: str, fields: Mapping[str, str] | bytes, **headers: str | None) -> Reply:
        body = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
        usual = {
            "Cookie": self.cookie,
            "Origin": self.url,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
        return self._request("POST", path, body, {**usual, **_dashed(headers)})

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str | None]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": self.host, **headers}.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()


def _dashed(headers: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}
