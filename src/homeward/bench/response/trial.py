"""One owner's thousand incidents under one policy: answers come hours later, and only then does it learn."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from homeward.bench.response.incidents import Incident, allowed
from homeward.bench.response.owners import Life, Owner
from homeward.core.decision.ladder import ACTS, Rung
from homeward.core.decision.off_policy import Logged
from homeward.core.decision.policy import Choice, Evidence, Policy
from homeward.core.decision.reward import Verdict, cost


@dataclass(slots=True)
class Trial:
    """What came of it: what each incident cost, and after how many ``answers`` it was; ``log`` are the decisions of
    which the guard saw the cost. ``through`` counts attacks, ``through_if_added`` if measures added up."""

    costs: list[float] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    log: list[Logged] = field(default_factory=list)
    through: int = 0
    through_if_added: int = 0
    breaches: int = 0

    def after(self, first: int) -> float:
        """The sum of costs from the ``first`` incident on."""
        return sum(self.costs[first:])

    def answered(self, times: int) -> int:
        """The number of the incident before which the owner had answered so often."""
        return next((number for number, count in enumerate(self.answers) if count >= times), len(self.answers))


def run(owner: Owner, course: Sequence[Incident], policy: Policy) -> Trial:
    """Let an owner live with a policy."""
    trial, life = Trial(), Life(owner)
    due: list[tuple[float, int, Evidence, Choice, Verdict]] = []
    answers = 0
    for number, incident in enumerate(course):
        while due and due[0][0] <= incident.hours:
            _, _, evidence, choice, verdict = heapq.heappop(due)
            answers += verdict.answer is not None
            policy.learn(evidence, choice, verdict)
        choice = policy.choose(incident.evidence, incident.options, incident.chance.draw)
        outcome = life.meet(incident, choice.rung)
        trial.costs.append(outcome.cost)
        trial.answers.append(answers)
        trial.through += outcome.through
        trial.through_if_added += outcome.through_if_added
        trial.breaches += breaks(incident, choice.rung)
        hours, verdict = owner.answer(incident, choice.rung, minded=outcome.minded)
        heapq.heappush(due, (incident.hours + hours, number, incident.evidence, choice, verdict))
        seen = cost(choice.rung, verdict)
        if seen is not None:
            trial.log.append(Logged(incident.evidence, choice, seen))
    return trial


def breaks(incident: Incident, rung: Rung) -> bool:
    """Whether a choice breaks a guardrail, or is none of what was offered."""
    return rung not in incident.options or (rung in ACTS and not allowed(rung, incident.device, incident.evidence))
