"""Answers from buttons of notifications, heard in Home Assistant: the guard dials it, nothing dials the guard.

A press on a phone is the event ``mobile_app_notification_action``. Home Assistant lets only an administrator's token
subscribe to that event, or to a trigger of it (`SUBSCRIBE_ALLOWLIST` in its auth/permissions/events.py; its command
subscribe_trigger is marked require_admin). A token without such rights, which is what a guard should have, may hear
of entities; so its owner adds one that says what was pressed, in configuration.yaml::

    template:
      - trigger:
          - platform: event
            event_type: mobile_app_notification_action
        condition:
          - condition: template
            value_template: "{{ trigger.event.data.action.startswith('homeward ') }}"
        sensor:
          - name: Homeward answer
            unique_id: homeward_answer
            state: "{{ trigger.event.data.action }}"

Any other entity will do whose state becomes the action (a text helper that an automation sets). Whoever can read it
reads an answer that was given, and can at most give the same answer again. An answer given while the guard was away
is still in that entity when it comes back, and is taken then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from typing import Final, TypeGuard

from homeward.dashboard.view import Watched
from homeward.feeders import keep_on
from homeward.presses import read_press, take
from homeward.responders.home_assistant import ACTION_PREFIX, Watch
from homeward.sources.home_assistant_connection import Connection, HomeAssistantError, HomeAssistantSettings
from homeward.sources.payloads import Refused

EVENT: Final = "mobile_app_notification_action"

START_SECONDS: Final = 0.5
"""How often a Home Assistant that is starting is asked whether it has."""

log = logging.getLogger(__name__)


class HomeAssistantAnswers:
    """Takes presses that come through Home Assistant, until cancelled; whatever it does, the guard goes on.

    ``key`` is the installation's (`homeward.dashboard.security.load_or_create_key`), ``channels`` the names of the
    channels whose presses are taken, ``entity`` where a token without administrator's rights hears of them.
    ``refused`` counts presses that were not taken, by reason (`homeward.presses.REASONS`).
    """

    def __init__(
        self,
        service: Watched,
        settings: HomeAssistantSettings,
        *,
        key: str,
        channels: Collection[str],
        entity: str = "sensor.homeward_answer",
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._service = service
        self._settings = settings
        self._key = key
        self._channels = frozenset(channels)
        self._entity = entity
        self._heard = ""

    async def run(self) -> None:
        """Connect and listen; again after 1 to 60 s when that fails. Never ends by itself."""
        await keep_on(self._listen, HomeAssistantError, "answers", log)

    async def _listen(self) -> None:
        """Over one connection. Raises `HomeAssistantError` when that is lost or of no use."""
        connection = await Connection.open(self._settings)
        try:
            user = await connection.command("auth/current_user")
            if isinstance(user, dict) and user.get("is_admin") is True:
                await self._hear_events(connection)
            else:
                await self._hear_entity(connection)
        finally:
            await connection.close()

    async def _hear_events(self, connection: Connection) -> None:
        await connection.subscribe(EVENT)
        while True:
            _, event = await connection.next()
            data = event.get("data")
            await self._take(data.get("action") if isinstance(data, dict) else None)

    async def _hear_entity(self, connection: Connection) -> None:
        await _until_running(connection)
        watch = Watch(connection, self._entity)
        await watch.begin()
        if watch.state is None:
            raise HomeAssistantError(
                f"{self._settings.url}: the token's user is no administrator and cannot hear what is pressed; add "
                f"the entity {self._entity} that says it, as the how-to shows, or name another"
            )
        await self._take_state(watch.state, again=True)
        while True:
            await watch.hear()
            await self._take_state(watch.state)

    async def _take_state(self, state: str | None, *, again: bool = False) -> None:
        """Take in what the entity says now; it says it until the next press, also when it is made anew."""
        if _is_ours(state) and state != self._heard:
            self._heard = state
            await self._take(state, again=again)

    async def _take(self, said: object, *, again: bool = False) -> None:
        """Take in what was pressed; other automations' buttons are passed over.

        What may have been heard before (``again``) is not counted when it is refused.
        """
        if not _is_ours(said):
            return
        try:
            press = read_press(said.removeprefix(ACTION_PREFIX).encode(), self._key)
            if press.channel not in self._channels:
                raise Refused("channel")
            await take(press, self._service)
        except Refused as refusal:
            if not again:
                self.refused[str(refusal)] += 1


def _is_ours(said: object) -> TypeGuard[str]:
    return isinstance(said, str) and said.startswith(ACTION_PREFIX)


async def _until_running(connection: Connection) -> None:
    """Wait until all of Home Assistant has started: before, the entity may not be there yet."""
    while True:
        config = await connection.command("get_config")
        if not isinstance(config, dict) or config.get("state", "RUNNING") == "RUNNING":
            return
        await asyncio.sleep(START_SECONDS)
