"""Messages through Apprise (https://github.com/caronc/apprise): mail, chats and some hundred other services.

Each service is told apart from the others, so that one that failed is tried again without repeating the message to
those that took it. Its addresses hold passwords: they are in no error and in no log, Apprise's own log included.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from homeward.core.effects import Action
from homeward.responders.message import TITLES, check_message

SERVICE_LIMIT: Final = 16
"""How many services one channel may tell."""

SENT_LIMIT: Final = 4_096
"""How many deliveries (a message to a service) are remembered."""

KINDS: Final = {"notify": "info", "ask": "warning", "escalate": "failure"}
"""By Apprise's types of message, which some services show as a colour or a picture."""

LOGS: Final = ("apprise", "urllib3", "requests_oauthlib", "oauthlib")
"""The logs of Apprise and of what it sends with are shut: they name addresses and tokens."""


class NotSentError(ConnectionError):
    """Some service is not known to have taken the message; those that have are not told again."""


class AppriseChannel:
    """A `Responder` that carries messages only, to every service of ``urls`` (Apprise's addresses, one for each).

    There are no buttons: what is asked is answered on the page, or by another channel. A delivery is remembered, and
    not repeated; after a restart of the guard a message that was being sent may come twice.

    Raises:
        ImportError: Apprise is not installed.
        ValueError: an address is none of Apprise's. It is not repeated: it holds a password.
    """

    def __init__(self, urls: Sequence[str], *, name: str = "apprise") -> None:
        self.name = name
        if not 0 < len(urls) <= SERVICE_LIMIT:
            raise ValueError(f"write 1 to {SERVICE_LIMIT} addresses of Apprise, one on each line")
        self._services = _services(urls)
        self._sent: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        # Threads of its own, one for each service: a slow one holds up neither the others nor the guard.
        self._threads = ThreadPoolExecutor(len(urls), thread_name_prefix=name)

    async def apply(self, action: Action) -> None:
        """Send the message to every service that has not taken it yet, to all at the same time.

        Raises:
            LookupError: it is no message.
            NotSentError: a service did not take it.
        """
        check_message(action, self.name)
        # Apprise waits up to 4 s for a connection and 4 s for an answer. What is slower than the guard's patience
        # goes on in its thread, and is remembered when it succeeds after all.
        every = range(len(self._services))
        await asyncio.gather(*(asyncio.wrap_future(begun) for one in every if (begun := self._begin(one, action))))
        with self._lock:
            failed = [self._called(one) for one in every if (action.id, one) not in self._sent]
        if failed:
            raise NotSentError(
                f"{len(failed)} of {len(every)} services did not take the message: {', '.join(failed)}"
            )

    async def revert(self, action: Action) -> None:
        """Nothing: what was said cannot be unsaid."""

    def _begin(self, number: int, action: Action) -> Future[None] | None:
        """Let a service be told, unless it has been, or is still busy with what it was told before."""
        with self._lock:
            if number in self._busy or (action.id, number) in self._sent:
                return None
            self._busy.add(number)
        begun = self._threads.submit(self._tell, number, action)
        begun.add_done_callback(lambda _: self._free(number))
        return begun

    def _free(self, number: int) -> None:
        with self._lock:
            self._busy.discard(number)

    def _tell(self, number: int, action: Action) -> None:
        try:
            result = self._services[number].notify(
                body=action.text,
                title=TITLES[action.command],
                notify_type=KINDS[action.command],
                body_format="text",
            )
        except Exception:  # a plug-in's own fault; its text may hold the address
            return
        if _taken(result):
            with self._lock:
                self._sent[action.id, number] = None
                if len(self._sent) > SENT_LIMIT:
                    self._sent.popitem(last=False)

    def _called(self, number: int) -> str:
        """A service in words that hold no secret: its kind, and where it stands in the list."""
        kind = "".join(sign for sign in str(self._services[number][0].service_name) if sign.isprintable())
        return f"{kind} (number {number + 1})"


def _taken(result: object) -> bool:
    """Apprise 1 says ``True``, Apprise 2 a result of which only the status tells whether all went well."""
    return result is True or getattr(getattr(result, "status", None), "name", "") == "SUCCESS"


def _services(urls: Sequence[str]) -> list[Any]:
    try:
        apprise = importlib.import_module("apprise")
    except ImportError as error:
        raise ImportError(f"Apprise is not here ({error}): pip install 'homeward[notify]'") from None
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Nothing is kept on disk.
    asset = apprise.AppriseAsset(app_id="Homeward", app_desc="Homeward", storage_mode="memory", secure_logging=True)
    services = []
    for number, url in enumerate(urls, 1):
        service = apprise.Apprise(asset=asset)
        if not service.add(url) or len(service) != 1:
            raise ValueError(f"address number {number} is none that Apprise knows; see its list of services")
        services.append(service)
    return services
