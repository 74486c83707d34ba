"""Users of a real Mosquitto cut off, narrowed and let in again by its dynamic-security plugin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.dynamic_security import (
    DynamicSecurity,
    dynamic_security_fixture,  # noqa: F401 - a fixture
    wait_until_back,
)
from tests.mosquitto import certificates_fixture  # noqa: F401 - a fixture

from homeward.core.effects import Action
from homeward.responders.mosquitto import MosquittoResponder

CUT_OFF = Action(
    id="i1-1",
    incident="i1",
    responder="mosquitto",
    device="plug",
    command="quarantine",
    restore="release",
    ends=datetime(2026, 1, 1, 12, tzinfo=UTC),
)
NARROW = replace(CUT_OFF, id="i1-2", command="restrict")


async def test_a_rogue_that_floods_is_cut_off_within_the_call_and_let_in_again_as_it_was(
    dynamic_security: DynamicSecurity,
) -> None:
    before = dynamic_security.all_users_and_roles()
    hub, rogue = dynamic_security.device("hub"), dynamic_security.device("plug")
    hub.listen("#")
    rogue.listen("news/#")
    for _ in range(100):
        rogue.shout("flood")
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Not authorized"
    assert not rogue.connected
    hub.publish("mark", "1")
    while hub.next()[0] != "mark":
        pass
    await responder.revert(CUT_OFF)
    assert dynamic_security.all_users_and_roles() == before
    wait_until_back(rogue)
    rogue.publish("tea", "ready")
    assert hub.next()[:2] == ("tea", b"ready")
