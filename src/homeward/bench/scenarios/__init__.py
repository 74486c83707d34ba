"""The injected scenarios: made from the home's own devices, by a seed alone, the same for every method.

A trial lies on one of the home's judged days. Trials are spread evenly over those days: three a week, and more
where that gives fewer than thirty. Where a day has no room for it (no pause, say), another day of the same week is
taken, and where that leaves fewer than thirty, any other. All spacings are drawn uniformly:

* an entrance, opened, is closed again after 2 to 8 s; the walk goes on 5 to 20 s later;
* from room to room it takes 5 to 60 s; a device that showed somebody ends doing so after 2 to 15 s;
* the entrance opens once more 5 to 30 s after the last room, and closes after 2 to 8 s;
* a flood's forty events are spread over 30 to 58 s.

No end (``off``, ``closed``) is made up for a device that never showed one. Everybody is known to be away from
when that was told (see `homeward.bench.presence`) to the next sign of anybody, an entrance or an indoor device.
"""

from homeward.bench.scenarios.planning import LEAST_TRIALS, SCENARIOS, plan
from homeward.bench.scenarios.replays import shares_a_kind
from homeward.bench.scenarios.trial import Plan, Trial

__all__ = ["LEAST_TRIALS", "SCENARIOS", "Plan", "Trial", "plan", "shares_a_kind"]
