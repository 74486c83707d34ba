"""Credit that arrives late: choices wait here until an answer, an act that was taken back, or long silence."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from homeward.core.decision.ladder import Rung
from homeward.core.decision.policy import Choice, Evidence
from homeward.core.decision.reward import Verdict

SILENCE: Final = timedelta(hours=24)
"""Who has not answered until then does not answer."""

PENDING_LIMIT: Final = 256


@dataclass(slots=True, kw_only=True)
class Pending:
    """A choice whose worth is not known yet."""

    evidence: Evidence
    choice: Choice
    at: datetime
    undone: bool = False


@dataclass(slots=True)
class Credit:
    """Choices by incident, oldest first; an incident's later choice takes the place of its earlier one."""

    pending: dict[str, Pending] = field(default_factory=dict)

    def fork(self) -> Credit:
        """A copy that can go on by itself."""
        return Credit({name: copy(one) for name, one in self.pending.items()})

    def chosen(self, incident: str, evidence: Evidence, choice: Choice, at: datetime) -> None:
        """A choice was made."""
        self.pending.pop(incident, None)
        if len(self.pending) >= PENDING_LIMIT:
            del self.pending[next(iter(self.pending))]
        self.pending[incident] = Pending(evidence=evidence, choice=choice, at=at)

    def options(self, incident: str) -> tuple[Rung, ...] | None:
        """Among what the choice that still waits was made; ``None`` where none waits."""
        one = self.pending.get(incident)
        return None if one is None else one.choice.options

    def undone(self, incident: str) -> None:
        """The owner took back what came of it."""
        if incident in self.pending:
            self.pending[incident].undone = True

    def settle(self, incident: str, verdict: Verdict) -> tuple[Pending, Verdict] | None:
        """The answer is there; ``None`` where no choice waits for one."""
        one = self.pending.pop(incident, None)
        return None if one is None else (one, verdict._replace(undone=verdict.undone or one.undone))

    def silent(self, at: datetime) -> list[tuple[str, Pending, Verdict]]:
        """Those that nobody answered in time."""
        due = [name for name, one in self.pending.items() if one.at + SILENCE <= at]
        return [(name, one, Verdict(undone=one.undone)) for name in due if (one := self.pending.pop(name))]

    def next_deadline(self) -> datetime | None:
        """When the next silence is over."""
        return min((one.at + SILENCE for one in self.pending.values()), default=None)
