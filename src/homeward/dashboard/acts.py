"""What is said about incidents, acts and devices. The token of each form is for exactly that."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from homeward.core.inputs import Answer, Command, Feedback
from homeward.dashboard import security, words
from homeward.dashboard.forms import Desk, Form, refusal
from homeward.dashboard.security import Refused
from homeward.dashboard.view import is_known

_ANSWERS: Final[dict[str, Answer]] = {"yes": "yes", "no": "no", "too_much": "yes"}
_RESTRICT: Final = "restrict"
"""The third answer about a device that is new here: it may do what it was seen to need, and no more."""

_ADMISSIONS: Final[dict[str, Command]] = {"approve": "approve", "restrict": "restrict", "refuse": "refuse"}


class Acts:
    """Answers, undoing, standing down, letting devices in, confirming what was learned."""

    def __init__(self, desk: Desk, key: str) -> None:
        self._desk, self._key = desk, key

    def routes(self) -> list[Route]:
        route = self._desk.route
        return [
            route("/incidents/{id}/answer", self.answer),
            route("/leases/{id}/undo", self.undo),
            route("/stand-down", self.stand_down),
            route("/admit", self.admit),
            route("/young/confirm", self.confirm_young),
        ]

    async def answer(self, form: Form) -> str:
        """``answer=yes|no|too_much`` and `security.answer_token`. Once only.

        Of a device that is new here the answer may be ``restrict`` too: a yes with a reservation.
        """
        name, said = form.about, form.get("answer")
        form.must_carry(security.answer_token(self._key, name, form.person, form.channel))
        if said not in _ANSWERS and said != _RESTRICT:
            raise Refused(400, "An answer is yes or no.")
        async with self._desk.settling:
            incident = self._desk.service.guard.engine.incidents.get(name)
            if incident is None:
                raise Refused(404, "The guard does not know this incident (any more).")
            if incident.kind == "blind":
                raise Refused(409, "There is nothing to answer: this incident ends when what failed comes back.")
            if incident.answer is not None:
                raise Refused(409, f"This was answered already: “{words.answer(incident.answer)}”.")
            if said == _RESTRICT:
                if incident.kind != "new":
                    raise Refused(400, "Only a device that is new here can be restricted.")
                await self._desk.command(form, "restrict", target=incident.device)
            else:
                feedback = Feedback(
                    at=self._desk.service.clock.now(),
                    incident=name,
                    answer=_ANSWERS[said],
                    person=form.person,
                    channel=form.channel,
                    too_much=said == "too_much",
                )
                effects = await self._desk.submit(feedback)
                if incident.answer is None:  # it is no evidence, and can be said again
                    raise refusal(effects, form.person, name) or Refused(409, "The guard did not take this answer.")
        return f"/#incident-{name}"

    async def undo(self, form: Form) -> str:
        """`security.undo_token`. Asks for the lease's end now."""
        name = form.about
        form.must_carry(security.undo_token(self._key, name, form.person, form.channel))
        async with self._desk.settling:
            lease = self._desk.service.guard.engine.leases.get(name)
            if lease is None:
                raise Refused(404, "The guard does not know this act (any more).")
            if lease.status == "ended":
                raise Refused(409, "This act has ended already.")
            if lease.status == "reverting":
                raise Refused(409, "This act is being taken back already; that is tried until it succeeds.")
            if lease.action.ends is None:
                raise Refused(409, "This act ends by itself and is never taken back.")
            await self._desk.command(form, "undo", target=name)
        return "/#leases"

    async def stand_down(self, form: Form) -> str:
        """`security.stand_down_token`. Undoes everything now."""
        form.must_carry(security.stand_down_token(self._key, form.person, form.channel))
        await self._desk.command(form, "stand_down")
        return "/#leases"

    async def admit(self, form: Form) -> str:
        """``device``, ``how=approve|restrict|refuse``, and `security.admit_token`."""
        device, how = form.get("device"), form.get("how")
        form.must_carry(security.admit_token(self._key, device, how, form.person, form.channel))
        if how not in _ADMISSIONS:
            raise Refused(400, "A device is approved, restricted or refused.")
        async with self._desk.settling:
            if not is_known(self._desk.service.guard.engine, device):
                raise Refused(404, "The guard never met a device of that name.")
            await self._desk.command(form, _ADMISSIONS[how], target=device)
        return "/"

    async def confirm_young(self, form: Form) -> str:
        """`security.young_token`. What was learned while young is usual here."""
        form.must_carry(security.young_token(self._key, form.person, form.channel))
        async with self._desk.settling:
            if not self._desk.service.guard.engine.young:
                raise Refused(409, "There is nothing (any more) to be confirmed.")
            await self._desk.command(form, "confirm_young")
        return "/"
