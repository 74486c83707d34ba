"""What a person says on the command line: told to the running guard, or left as a note while it is down."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from homeward import inbox
from homeward.config import Config
from homeward.dashboard import security
from homeward.inbox import Note

SECONDS: Final = 10.0
REASON_LIMIT: Final = 500
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 (what a page may listen on; we connect to loopback)


class SayError(Exception):
    """The guard did not take it. The message is one line."""


def say(config: Config, note: Note) -> Path | None:
    """Tell the guard at the page's own routes; if nothing listens there, leave a note, and return where.

    Raises:
        SayError: the guard is there and refuses, or no guard ever ran here.
        KeyFileError: the page's key cannot be read.
        InboxError: the note cannot be left.
    """
    if not config.state.is_dir():
        raise SayError(f"{config.state}: no guard has run here; start one with: homeward up --config {config.file}")
    try:
        status, reason = _post(config, note)
    except (ConnectionError, TimeoutError, FileNotFoundError):
        return inbox.leave(config.state / "inbox", note)
    except (OSError, http.client.HTTPException) as error:
        raise SayError(f"{config.page_host}:{config.page_port}: {error}; is this the guard's page?") from None
    if status != http.client.SEE_OTHER:
        raise SayError(f"the guard says: {reason or http.client.responses.get(status, status)}")
    return None


def _post(config: Config, note: Note) -> tuple[int, str]:
    if not (config.state / security.KEY_FILE).exists():
        raise FileNotFoundError
    key = security.load_or_create_key(config.state)
    if note.device is not None:
        path, form = "/admit", {"device": note.device, "how": note.says}
        token = security.admit_token(key, note.device, note.says, note.person, note.channel)
    elif note.incident is not None and note.answer is not None:
        path = f"/incidents/{quote(note.incident, safe='')}/answer"
        token = security.answer_token(key, note.incident, note.person, note.channel)
        form = {"answer": "too_much" if note.too_much and note.answer == "yes" else str(note.answer)}
    else:
        path, form = "/stand-down", {}
        token = security.stand_down_token(key, note.person, note.channel)
    form |= {"person": note.person, "channel": note.channel, "token": token}
    host = "127.0.0.1" if config.page_host in _EVERYWHERE else config.page_host
    where = f"[{host}]:{config.page_port}" if ":" in host else f"{host}:{config.page_port}"
    name, session = security.session_cookie(key)
    connection = http.client.HTTPConnection(host, config.page_port, timeout=SECONDS)
    try:
        headers = {
            "Host": where,
            "Origin": f"http://{where}",
            "Cookie": f"{name}={session}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", path, urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, " ".join(answer.read(REASON_LIMIT).decode("utf-8", "replace").split())
    finally:
        connection.close()
