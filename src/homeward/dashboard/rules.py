"""Rules of the owner's own: added, changed, deleted. What may be one, the guard says (`homeward.core.standing`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

from starlette.routing import Route

from homeward.core.local_time import milliseconds
from homeward.core.standing import StandingRule, Verdict
from homeward.dashboard import security
from homeward.dashboard.forms import Desk, Form, read_minute
from homeward.dashboard.security import Refused

_VERDICTS: Final[dict[str, Verdict]] = {verdict: verdict for verdict in get_args(Verdict)}
_GONE: Final = "There is no such rule (any more)."


class Rules:
    """``begin`` and ``end`` are hours (`read_minute`), ``who`` an actor, ``until`` an end (`forms.read_until`); each
    may be left out, and then says nothing."""

    def __init__(self, desk: Desk, key: str) -> None:
        self._desk, self._key = desk, key

    def routes(self) -> list[Route]:
        route = self._desk.route
        return [
            route("/rules", self.add),
            route("/rules/{id}", self.change),
            route("/rules/{id}/delete", self.delete),
        ]

    async def add(self, form: Form) -> str:
        """``verdict``, ``device``, ``action``, and `security.rule_token` to add one about this device."""
        device = form.get("device")
        form.must_carry(security.rule_token(self._key, "add", device, form.person, form.channel))
        verdict = _VERDICTS.get(form.get("verdict"))
        if verdict is None:
            raise Refused(400, "A rule says never fine, always fine or snooze.")
        async with self._desk.settling:
            await self._put(StandingRule(id="", verdict=verdict, device=device, action=form.get("action")), form)
            newest = [*self._desk.service.guard.engine.state.standing.rules][-1]
        return f"/#rule-{newest}"

    async def change(self, form: Form) -> str:
        """`security.rule_token` to change it. What is left out is no longer said; device and verdict stay."""
        form.must_carry(security.rule_token(self._key, "change", form.about, form.person, form.channel))
        async with self._desk.settling:
            await self._put(self._find(form), form)
        return f"/#rule-{form.about}"

    async def delete(self, form: Form) -> str:
        """`security.rule_token` to delete it."""
        form.must_carry(security.rule_token(self._key, "delete", form.about, form.person, form.channel))
        async with self._desk.settling:
            self._find(form)
            await self._desk.command(form, "rule_remove", target=form.about)
        return "/#rules"

    def _find(self, form: Form) -> StandingRule:
        rule = self._desk.service.guard.engine.state.standing.rules.get(form.about)
        if rule is None:
            raise Refused(404, _GONE)
        return rule

    async def _put(self, about: StandingRule, form: Form) -> None:
        until = self._desk.until(form)
        rule = replace(
            about,
            begin=read_minute(form.get("begin")),
            end=read_minute(form.get("end")),
            person=form.get("who"),
            until=None if until is None else milliseconds(until),
            by=form.person,
            made_at=milliseconds(self._desk.service.clock.now()),
        )
        await self._desk.command(form, "rule_add", rule=rule)
