"""Home Assistant's states as events: what each means in this home and who caused it. Pure but for asking.

Live events and the back-fill read the same way, so that what was learned from the past is what is seen today.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from homeward.core.event import Event
from homeward.sources.home_assistant_actors import Actors
from homeward.sources.home_assistant_connection import Connection
from homeward.sources.home_assistant_home import Entity, Home
from homeward.sources.home_assistant_states import RESIDENTS, Decoder, State
from homeward.sources.payloads import Refused
from homeward.sources.topics import Change

SAME: Final = 2e-6
"""Times that are no further apart are one: the API tells microseconds, the recorder a little more."""


class Reading:
    """What states mean in this home, and who caused them: shared by the live source and the back-fill."""

    def __init__(self, name: str, place: str, last: Mapping[str, str] | None, known: Iterable[str]) -> None:
        self.name = name
        self.home = Home(known)
        self.actors = Actors()
        self.decoder = Decoder(last)
        self._place = place
        self._begun = False
        """Whether the past is beyond the states that were the case when it began."""
        self._session = secrets.token_hex(6)
        self._count = 0

    async def load(self, connection: Connection) -> None:
        """Read the registries. A device that has another name by now keeps its last states."""
        lists = [await connection.command(f"config/{each}_registry/list") for each in ("entity", "device", "area")]
        before = {entity.key: entity for entity in self.home.entities()}
        self.home.load(*lists)
        for entity in self.home.entities():
            if entity.key in before:
                self.decoder.rename(before[entity.key], entity)

    async def snapshot(self, connection: Connection) -> dict[str, State]:
        """All states as they are now, by entity id; and what follows from them about names and persons."""
        states: dict[str, State] = {}
        said = await connection.command("get_states")
        for each in said if isinstance(said, list) else ():
            with self.counting():
                state = State.read(each)
                self.entity(state)
                states[state.entity_id] = state
        for state in states.values():
            self.note(state)
        return states

    async def introduce(self, connection: Connection) -> bool:
        """Learn whose token we use and, if that is an administrator's (which is returned), what users there are."""
        user = await connection.command("auth/current_user")
        self.actors.note_self(user)
        if not isinstance(user, dict) or user.get("is_admin") is not True:
            return False
        self.actors.note_users(await connection.command("config/auth/list"))
        return True

    def counting(self) -> Counting:
        """What is refused within is counted, and it goes on."""
        return Counting(self.decoder.refused)

    def entity(self, state: State) -> Entity | None:
        """Raises `Refused`."""
        try:
            return self.home.entity(state.entity_id, state.attributes)
        except OverflowError:
            raise Refused("too many devices") from None

    def note(self, state: State) -> None:
        """What a state says about who acts: persons and their users, automations and their runs."""
        if state.entity_id.startswith("automation."):
            self.actors.note_automation(state.entity_id, state.attributes, state.context)
        elif state.entity_id.startswith("person."):
            with self.counting():
                entity = self.entity(state)
                if entity is not None:
                    self.actors.note_person(entity.device, state.attributes)

    def changes(self, entity: Entity, state: State, *, since: float | None) -> list[Change]:
        """The changes that a state tells of, with who caused them."""
        found = self.decoder.decode(entity, state, since=since)
        if not found:
            return []
        actor, origin = self.actors.who(entity.entity_id, state.context, state.updated)
        if origin is None and entity.domain in ("lock", "alarm_control_panel"):
            actor, origin = self.actors.named(state.attributes.get("changed_by"))
        return [replace(each, actor=each.actor or actor, origin=origin) for each in found]

    def recall(self, state: State, *, since: float) -> list[Change]:
        """The changes that a recorded state tells of. Of a bell that rang before ``since`` there are none."""
        entity = self.home.recalled(state.entity_id)
        if entity is None:
            return []
        later = state.updated > since + SAME
        before = self.decoder.residents(since) if later and not self._begun else []
        self._begun = later
        changes = self.changes(entity, state, since=since if later else None)
        if later and entity.domain == "person":
            changes += self.decoder.residents(state.changed)
        return before + changes

    def announced(self) -> list[Change]:
        """What every device is."""
        announced = self.home.announced()
        if any(entity.domain == "person" for entity in self.home.entities()):
            announced[RESIDENTS] = {"type": "residents"}
        return [Change(device=device, action="announced", attributes=about) for device, about in announced.items()]

    def event(self, change: Change, at: datetime, delivery: str | None = None) -> Event:
        self._count += 1
        about = dict(change.attributes)
        if delivery is not None:
            about["delivery"] = delivery
        return Event(
            id=f"{self._session}-{self._count}",
            source=self.name,
            at=at,
            happened=change.happened,
            place=self._place,
            device=change.device,
            action=change.action,
            actor=change.actor,
            origin=change.origin,
            value=change.value,
            attributes=about,
        )


class Counting:
    """Counts what is refused, and goes on."""

    def __init__(self, refused: Counter[str]) -> None:
        self._refused = refused

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Refused):
            self._refused[str(error)] += 1
            return True
        return False
