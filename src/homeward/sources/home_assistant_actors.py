"""Who caused a state, by Home Assistant's contexts: a person, an automation, the guard itself or the device. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from homeward.sources.home_assistant_states import ID_LIMIT, STATE_LIMIT, read_context
from homeward.sources.payloads import clean_name

T = TypeVar("T")

ORIGIN: Final = "home_assistant"
"""The origin of everything that was asked for through Home Assistant: its pages, an app, a voice, an automation."""

OWN_USER: Final = "homeward"
CONTEXT_LIMIT: Final = 4_096
"""How many automations' runs, and called entities, are remembered."""

CALL_SECONDS: Final = 30.0
"""How long a service call explains a change of the entity that it named: slow locks take that long."""


class Actors:
    """Persons by their users, automations by the contexts of their runs, and what was asked of whom."""

    def __init__(self) -> None:
        self._own: tuple[str, bool] = ("", False)
        self._persons: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._runs: OrderedDict[str, str] = OrderedDict()
        self._calls: OrderedDict[str, tuple[float, Mapping[str, str]]] = OrderedDict()

    def note_self(self, user: object) -> None:
        """Whose token we use (`auth/current_user`). It is the guard, unless it is the owner's or another person's."""
        if isinstance(user, dict) and isinstance(user.get("id"), str):
            named = str(user.get("name")).strip().lower() == OWN_USER
            self._own = (user["id"], named) if named or user.get("is_owner") is not True else ("", False)

    def note_users(self, users: object) -> None:
        """All users (`config/auth/list`), which an administrator's token may read."""
        for user in users if isinstance(users, list) else []:
            if isinstance(user, dict) and isinstance(key := user.get("id"), str) and not user.get("system_generated"):
                name = clean_name(str(user.get("name") or ""))
                if name is not None and len(key) <= ID_LIMIT and len(self._users) < CONTEXT_LIMIT:
                    self._users[key] = _person(name)

    def note_person(self, device: str, attributes: Mapping[str, Any]) -> None:
        """A person, named as its device, and the user that is hers."""
        user = attributes.get("user_id")
        if isinstance(user, str) and len(user) <= ID_LIMIT and len(self._persons) < CONTEXT_LIMIT:
            self._persons[user] = _person(device)

    def note_automation(self, entity_id: str, attributes: Mapping[str, Any], context: Mapping[str, str]) -> None:
        """An automation's state: each run has a context of its own, in which all that it does happens."""
        run = context.get("id")
        if run is not None:
            said = attributes.get("friendly_name")
            name = (clean_name(said) if isinstance(said, str) else None) or entity_id.partition(".")[2]
            _keep(self._runs, run, self.automation(name))

    def note_call(self, event: Mapping[str, Any], at: float) -> None:
        """A service was called (the event ``call_service``, which an administrator's token may read)."""
        data, context = event.get("data"), read_context(event.get("context"))
        asked = data.get("service_data") if isinstance(data, dict) else None
        named = asked.get("entity_id") if isinstance(asked, dict) else None
        for entity_id in [named] if isinstance(named, str) else named if isinstance(named, list) else []:
            if isinstance(entity_id, str) and len(entity_id) <= STATE_LIMIT:
                _keep(self._calls, entity_id, (at, context))

    @staticmethod
    def automation(name: str) -> str:
        return f"automation:{name}"[:128].rstrip()

    def who(self, entity_id: str, context: Mapping[str, str], updated: float) -> tuple[str | None, str | None]:
        """The actor, if known, and the origin; both ``None`` where the device did it by itself."""
        actor, origin = self._who(context)
        if origin is None and entity_id in self._calls:
            at, asked = self._calls[entity_id]
            if 0 <= updated - at <= CALL_SECONDS:
                return self._who(asked)
        return actor, origin

    def _who(self, context: Mapping[str, str]) -> tuple[str | None, str | None]:
        run, parent, user = context.get("id"), context.get("parent_id"), context.get("user_id")
        for each in (run, parent):
            if each is not None and each in self._runs:
                return self._runs[each], ORIGIN
        if user is not None:
            return self.user(user), ORIGIN
        return None, (None if parent is None else ORIGIN)

    def user(self, user: str) -> str | None:
        """The actor that a user is; ``None`` for one that belongs to no person, without a right to read its name."""
        own, named = self._own
        if user == own and (named or user not in self._persons):
            return "homeward"
        return self._persons.get(user) or self._users.get(user)

    def named(self, changed_by: object) -> tuple[str | None, str | None]:
        """What a lock or an alarm panel says who worked it: a person that is known by that name, else an origin."""
        name = clean_name(changed_by) if isinstance(changed_by, str) else None
        if name is None:
            return None, None
        person = _person(name)
        return (person, None) if person in (*self._persons.values(), *self._users.values()) else (None, name)


def _person(name: str) -> str:
    return f"person:{name.lower()}"[:128].rstrip()


def _keep(entries: OrderedDict[str, T], key: str, value: T) -> None:
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > CONTEXT_LIMIT:
        entries.popitem(last=False)
