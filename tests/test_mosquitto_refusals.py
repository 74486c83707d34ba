"""What the Mosquitto responder will not do, and what it says of what it cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from tests.dynamic_security import (
    DynamicSecurity,
    dynamic_security_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.test_mosquitto_responder import CUT_OFF, NARROW

from homeward.responders.mosquitto import DynamicSecurityError, MosquittoResponder, NeverTouchedError
from homeward.sources.mqtt import MqttSettings

# -------------------------------------------------------------------------------------------- who is never touched


@pytest.mark.parametrize("user", ["guard", "admin", "hub", "second admin"])
async def test_some_users_are_never_touched(dynamic_security: DynamicSecurity, user: str) -> None:
    dynamic_security.tell(
        {"command": "createClient", "username": "second admin"},
        {"command": "createGroup", "groupname": "admins", "roles": [{"rolename": "admin"}]},
        {"command": "addGroupClient", "groupname": "admins", "username": "second admin"},
    )
    before = dynamic_security.all_users_and_roles()
    responder = MosquittoResponder(dynamic_security.settings(), clients={"gateway": user}, never={"hub"})
    for act in (CUT_OFF, NARROW):
        for device in (user, "gateway"):
            with pytest.raises(NeverTouchedError, match=rf"^{user} .*never touched[^\n]*$"):
                await responder.apply(replace(act, device=device))
    assert dynamic_security.all_users_and_roles() == before


# ------------------------------------------------------------------------------------------------------ whose user


async def test_a_device_goes_by_its_user_or_the_client_id_its_user_is_bound_to(
    dynamic_security: DynamicSecurity,
) -> None:
    dynamic_security.tell({"command": "setClientId", "username": "kettle", "clientid": "kettle-1"})
    responder = MosquittoResponder(dynamic_security.settings(), clients={"socket by the door": "plug"})
    for device, user in (("socket by the door", "plug"), ("plug", "plug"), ("kettle-1", "kettle")):
        await responder.apply(replace(CUT_OFF, device=device))
        assert dynamic_security.user(user)["disabled"] is True
        await responder.revert(replace(CUT_OFF, device=device))
        assert "disabled" not in dynamic_security.user(user)


async def test_who_is_unknown_to_the_broker_is_told_with_what_to_configure(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings(), clients={"lamp": "gone"})
    with pytest.raises(
        LookupError, match=r"no user of the broker is known for stranger; name the user it logs in as"
    ):
        await responder.apply(replace(CUT_OFF, device="stranger"))
    with pytest.raises(LookupError, match=r"the broker has no user gone; correct its name"):
        await responder.apply(replace(CUT_OFF, device="lamp"))
    await responder.revert(replace(CUT_OFF, device="stranger"))


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"own_topics": {"plug": ["plug/#"]}}, "own topic 'plug/#' of plug: write 'publish FILTER'"),
        ({"own_topics": {"plug": ["publish plug/#/x"]}}, "right 'publish plug/#/x': write 'publish FILTER'"),
        ({"own_topics": {"plug": ["publish $CONTROL/#"]}}, r"right 'publish \$CONTROL/#'"),
        ({"command_topics": ["a+/set"]}, r"command topic 'a\+/set': write a topic filter"),
    ],
)
def test_a_wrong_configuration_is_refused(arguments: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        MosquittoResponder(MqttSettings(), **arguments)


@pytest.mark.parametrize("change", [{"command": "off"}, {"restore": "on"}, {"ends": None}])
async def test_nothing_but_claims_with_an_end_is_taken(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"takes quarantine and restrict, which end"):
        await MosquittoResponder(MqttSettings()).apply(replace(CUT_OFF, **change))


# ------------------------------------------------------------------------------------------------- what goes wrong


async def fails(responder: MosquittoResponder, said: str) -> None:
    """Both acts fail with one line, in time for the service."""
    for act in (responder.apply, responder.revert):
        began = time.monotonic()
        with pytest.raises(DynamicSecurityError, match=rf"^127\.0\.0\.1:\d+: {said}[^\n]*$"):
            await act(CUT_OFF)
        assert time.monotonic() - began < 9.0


async def test_a_broker_that_is_down(dynamic_security: DynamicSecurity) -> None:
    dynamic_security.stop()
    await fails(MosquittoResponder(dynamic_security.settings()), "cannot connect .*; is the broker running")


async def test_a_broker_that_answers_nothing(dynamic_security: DynamicSecurity) -> None:
    dynamic_security.freeze()
    await fails(MosquittoResponder(dynamic_security.settings(), timeout=1.0), "cannot connect ")


async def test_a_wrong_password(dynamic_security: DynamicSecurity) -> None:
    await fails(MosquittoResponder(dynamic_security.settings(password="other")), r"not logged in \(Not authorized\)")


async def test_a_guard_without_the_right_to_command(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings("plug"), timeout=1.5)
    await fails(responder, r"no answer .*may plug publish to \$CONTROL/dynamic-security/v1")


async def test_a_broker_without_the_plugin(mosquitto: Mosquitto) -> None:
    await fails(MosquittoResponder(mosquitto.settings(), timeout=1.5), "no answer .* does Mosquitto load the plugin")
