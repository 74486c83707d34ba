"""What is said about the house and its people: the mode, and a code that proves who somebody is."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.routing import Route

from homeward.core.inputs import Command
from homeward.core.local_time import milliseconds
from homeward.core.modes import NAMES
from homeward.dashboard import security
from homeward.dashboard.forms import Desk, Form
from homeward.dashboard.security import Refused
from homeward.one_time import CodeCheck, CodeRefused, KeysError

_ARMING: Final[dict[str, Command]] = {"arm": "arm", "disarm": "disarm"}

log = logging.getLogger(__name__)


class House:
    """Modes, and stepping up."""

    def __init__(self, desk: Desk, key: str, codes: CodeCheck) -> None:
        self._desk, self._key, self._codes = desk, key, codes
        self._checking = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [self._desk.route("/mode", self.mode), self._desk.route("/step-up", self.step_up)]

    async def mode(self, form: Form) -> str:
        """``mode``, for which `security.mode_token` is: ``arm`` or ``disarm``, or one of the house's modes, which may
        have an end (``until``: `forms.read_until`). To arm what is armed is no command."""
        mode = form.get("mode")
        form.must_carry(security.mode_token(self._key, mode, form.person, form.channel))
        if mode not in _ARMING and mode not in NAMES:
            raise Refused(400, f"The mode is arm or disarm, or one of: {', '.join(NAMES)}.")
        async with self._desk.settling:
            if mode in NAMES:
                await self._desk.command(form, "mode", target=mode, until=self._desk.until(form))
            elif self._desk.service.guard.engine.armed != (mode == "arm"):
                await self._desk.command(form, _ARMING[mode])
        return "/"

    async def step_up(self, form: Form) -> str:
        """``code`` of ``person``, and `security.step_up_token`. It is asked for when the guard asks, and then only;
        how often it may be wrong, `CodeCheck` says. One is checked at a time, so that many hold up one thread."""
        person = form.person
        form.must_carry(security.step_up_token(self._key, person, form.channel))
        async with self._checking:
            now = milliseconds(self._desk.service.clock.now())
            state = self._desk.service.guard.engine.state
            if not (state.step_up.must(person, now) or person in state.unproven()):
                raise Refused(409, "Nobody asks for this code (any more).")
            try:
                await asyncio.to_thread(self._codes.check, person, form.get("code"))
            except CodeRefused as refusal:
                raise Refused(403, f"{str(refusal).capitalize()}.") from None
            except KeysError as error:
                log.error("a code cannot be checked: %s", error)
                raise Refused(503, "The codes cannot be read; the guard's log says why.") from None
            await self._desk.command(form, "verified")
        return "/#incidents"
