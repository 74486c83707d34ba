"""The broker in the box: amqtt in this process, on a loopback port, with passwords and rights for each user."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session
from pwdlib.hashers.argon2 import Argon2Hasher

from homeward.sources.mqtt import MqttSettings
from homeward.sources.topics import matches

log = logging.getLogger(__name__)

LOGGERS: Final = ("amqtt", "transitions")
LISTENER: Final = "default"
Rights = Mapping[str, Mapping[str, list[str]]]
"""By user: the topic filters that it may ``read`` and ``write``."""


@dataclass(frozen=True, slots=True)
class BrokerInTheBox:
    """A running broker: where it is, and the password of each user (made anew each time)."""

    port: int
    passwords: Mapping[str, str]

    def settings(self, user: str, client_id: str) -> MqttSettings:
        """How a user connects. A user that the broker does not know has no password."""
        return MqttSettings(
            host="127.0.0.1",
            port=self.port,
            username=user,
            password=self.passwords.get(user),
            client_id=client_id,
            protocol=311,  # the broker in the box speaks no other
        )


class Permissions(BaseTopicPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets each user read and write what its rights say, and nothing else.

    amqtt has such a plugin; at present it can only be configured by options that it warns of.
    """

    @dataclass
    class Config:
        rights: dict[str, dict[str, list[str]]]

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        user = session.username if session is not None else None
        rights = self.config.rights.get(user or "", {})
        allowed = rights.get("write" if action == Action.PUBLISH else "read", [])
        return bool(topic) and any(_covers(filter_, str(topic)) for filter_ in allowed)


def _covers(allowed: str, asked: str) -> bool:
    """Whether everything that is asked for (a topic, or a filter) lies within what is allowed."""
    wide, narrow = allowed.split("/"), asked.split("/")
    if "#" not in narrow and "+" not in narrow:
        return matches(allowed, asked)
    for number, level in enumerate(wide):
        if level == "#":
            return True
        if number >= len(narrow) or narrow[number] == "#" or level not in ("+", narrow[number]):
            return False
    return len(wide) == len(narrow)


@asynccontextmanager
async def broker_in_the_box(folder: Path, rights: Rights) -> AsyncIterator[BrokerInTheBox]:
    """Run a broker for the users that have rights, until the end of the block.

    Its password file lies in ``folder``, readable by its owner alone.

    Raises:
        BrokerError: it cannot be started.
    """
    passwords = {user: secrets.token_urlsafe(24) for user in rights}
    file = folder / "broker-passwords"
    _write_passwords(file, passwords)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:  # clients that come and go are its warnings; what matters is raised
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        broker = Broker(_configuration(file, rights))
        await broker.start()
        try:
            async with _listening(broker) as port:
                yield BrokerInTheBox(port, passwords)
        finally:
            await broker.shutdown()
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@asynccontextmanager
async def _listening(broker: Any) -> AsyncIterator[int]:
    """Take connections on a free loopback port; at the end all are closed, which amqtt leaves undone."""
    open_connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections[task] = writer
        try:
            await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), LISTENER)
        except asyncio.CancelledError:
            pass  # the box is being closed; asyncio would report a cancelled connection as an error
        except Exception as error:  # whatever a client did, the others are served on
            log.warning("a client of the broker in the box was let go: %r", error)
        finally:
            writer.close()
            del open_connections[task]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in list(open_connections.items()):
            task.cancel()
            await asyncio.wait({task})
            writer.transport.abort()
        await asyncio.sleep(0)  # a transport closes in the loop's next turn
        await server.wait_closed()


def _configuration(file: Path, rights: Rights) -> dict[str, Any]:
    permissions = f"{Permissions.__module__}.{Permissions.__qualname__}"
    return {
        "listeners": {LISTENER: {"type": "external"}},
        "plugins": {
            "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(file)},
            permissions: {"rights": {user: {way: list(one[way]) for way in one} for user, one in rights.items()}},
        },
    }


def _write_passwords(file: Path, passwords: Mapping[str, str]) -> None:
    # The passwords are 192 random bits: a slow hash adds nothing to them, and every command is a new connection.
    hasher = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        lines.writelines(f"{user}:{hasher.hash(password)}\n" for user, password in passwords.items())
