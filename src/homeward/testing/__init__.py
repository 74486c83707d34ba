"""What every source promises, as checks: for the sources of this package, and for one of your own.

A `Subject` is a source and what drives the place that it listens to. `CHECKS` are coroutine functions that take one;
each wants a subject of its own, made for it. With pytest (and pytest-asyncio) a plug-in's tests are::

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    async def test_the_source_keeps_its_contract(check: Check) -> None:
        await check(my_subject())

A check that cannot apply to a place is skipped by the reason that the subject declares (`unittest.SkipTest`, which
pytest knows); one that is neither driven nor declared fails. Nothing else is needed: the checks are plain asserts.

The promises are those of `homeward.sources.Source` and of the law *Messages are not events*: a changed property is
one event; repeated, retained and initial states are none; what is not written down comes again, and what is written
down does not.
"""

from __future__ import annotations

from homeward.testing.checks import CHECKS, Check, name_of
from homeward.testing.subject import Driver, Kept, Subject

__all__ = ["CHECKS", "Check", "Driver", "Kept", "Subject", "name_of"]
