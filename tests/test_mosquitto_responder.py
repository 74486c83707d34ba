"""Users of a real Mosquitto cut off, narrowed and let in again by its dynamic-security plugin."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.dynamic_security import (
    Device,
    DynamicSecurity,
    dynamic_security_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders.broker_claims import COMMAND_TOPICS, Note, claiming, releasing
from homeward.responders.mosquitto import Conversation, MosquittoResponder

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
NOTES = {
    "quarantine": Note(homeward="quarantine", user="plug", until="2026-01-01T12:00:00+00:00"),
    "restrict": Note(homeward="restrict", user="plug", until="2026-01-01T12:00:00+00:00"),
}


def contract(broker: DynamicSecurity) -> tuple[MosquittoResponder, Action, Callable[[], str], Callable[[], None]]:
    """For the contract of every responder: it, an action, what became of the user, and how to put it out of reach."""

    def state() -> str:
        return "out" if broker.log_in(CUT_OFF.device) == "Not authorized" else "in"

    return MosquittoResponder(broker.settings()), CUT_OFF, state, broker.stop


def heard_until(hub: Device, mark: str) -> list[str]:
    """The topics that an onlooker heard before its own mark."""
    hub.publish(mark, "")
    heard = []
    while (topic := hub.next()[0]) != mark:
        heard.append(topic)
    return heard


def published(hub: Device, device: Device, *topics: str) -> list[str]:
    """Which of these topics a device can still publish to."""
    device.come_back()
    for topic in topics:
        device.publish(topic, "1")
    return heard_until(hub, "mark")


# ------------------------------------------------------------------------------------------------------ quarantine


async def test_a_rogue_that_floods_is_cut_off_within_the_call_and_let_in_again_as_it_was(
    dynamic_security: DynamicSecurity,
) -> None:
    before = dynamic_security.all_users_and_roles()
    hub, rogue = dynamic_security.device("hub"), dynamic_security.device("plug")
    hub.listen("#")
    rogue.listen("news/#")
    for _ in range(1_000):
        rogue.shout("flood")
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    heard_until(hub, "it is done")
    for _ in range(1_000):
        rogue.shout("flood")
    assert not rogue.connected
    assert dynamic_security.log_in("plug") == "Not authorized"
    assert heard_until(hub, "and stays done") == []
    await responder.revert(CUT_OFF)
    assert dynamic_security.all_users_and_roles() == before
    assert dynamic_security.log_in("plug") == "Success"
    rogue.come_back()
    rogue.publish("tea", "ready")
    while hub.next()[:2] != ("tea", b"ready"):  # what it had queued itself comes first
        pass


async def test_who_was_disabled_by_the_owner_stays_disabled(dynamic_security: DynamicSecurity) -> None:
    dynamic_security.tell({"command": "disableClient", "username": "plug"})
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    await responder.apply(replace(CUT_OFF, id="i1-5"))
    await responder.revert(CUT_OFF)
    await responder.revert(replace(CUT_OFF, id="i1-5"))
    assert dynamic_security.user("plug")["disabled"] is True
    assert dynamic_security.user("plug")["roles"] == []


async def test_whoever_comes_in_by_a_certificate_may_do_nothing(dynamic_security: DynamicSecurity) -> None:
    # Mosquitto does not ask the plugin about a certificate's user, who gets in, disabled or not.
    hub = dynamic_security.device("hub")
    hub.listen("#")
    responder = MosquittoResponder(dynamic_security.settings())
    dynamic_security.tell({"command": "disableClient", "username": "plug"})
    dynamic_security.publish_by_certificate("plug", "flood")
    assert heard_until(hub, "mark") == ["flood"]
    await responder.apply(CUT_OFF)
    dynamic_security.publish_by_certificate("plug", "flood")
    assert heard_until(hub, "mark") == []


# -------------------------------------------------------------------------------------------------------- restrict


async def test_a_restricted_user_publishes_only_to_its_own_topics(dynamic_security: DynamicSecurity) -> None:
    before = dynamic_security.all_users_and_roles()
    hub, plug = dynamic_security.device("hub"), dynamic_security.device("plug")
    hub.listen("#")
    plug.listen("news/#")
    own = {"plug": ["publish zigbee2mqtt/plug/#", "publish secret/#"]}
    responder = MosquittoResponder(dynamic_security.settings(), own_topics=own)
    await responder.apply(NARROW)
    tried = ("zigbee2mqtt/plug/state", "zigbee2mqtt/lamp/set", "secret/code", "zigbee2mqtt/plug")
    assert published(hub, plug, *tried) == ["zigbee2mqtt/plug/state", "zigbee2mqtt/plug"]  # and no right is added
    plug.listen("news/#")
    hub.publish("news/1", "as before")
    assert plug.next()[:2] == ("news/1", b"as before")
    assert heard_until(hub, "mark") == ["news/1"]
    await responder.revert(NARROW)
    assert dynamic_security.all_users_and_roles() == before
    assert published(hub, plug, "zigbee2mqtt/lamp/set") == ["zigbee2mqtt/lamp/set"]


async def test_without_topics_of_its_own_a_restricted_user_gives_no_commands(
    dynamic_security: DynamicSecurity,
) -> None:
    hub, plug = dynamic_security.device("hub"), dynamic_security.device("plug")
    hub.listen("#")
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(replace(NARROW, allow=("tcp 443 example.com",)))  # which is the firewall's
    commands = ("zigbee2mqtt/lamp/set", "zigbee2mqtt/kitchen/lamp/set/state", "cmnd/lamp/POWER", "shelly-1/rpc")
    assert published(hub, plug, "plug/state", *commands) == ["plug/state"]


async def test_the_actions_own_list_goes_before_the_configured_one(dynamic_security: DynamicSecurity) -> None:
    hub, plug = dynamic_security.device("hub"), dynamic_security.device("kettle")
    hub.listen("#")
    plug.listen("news/#")
    plug.listen("commands/#")
    responder = MosquittoResponder(dynamic_security.settings(), own_topics={"kettle": ["publish a/#"]})
    await responder.apply(replace(NARROW, device="kettle", allow=("publish b/#", "subscribe news/kettle")))
    assert published(hub, plug, "a/1", "b/1") == ["b/1"]
    plug.listen("news/#")
    plug.listen("commands/#")
    for topic in ("commands/1", "news/other", "news/kettle"):
        hub.publish(topic, "1")
    assert plug.next()[0] == "news/kettle"


async def test_a_role_that_goes_before_a_restriction_is_told(dynamic_security: DynamicSecurity) -> None:
    dynamic_security.tell(
        {"command": "addClientRole", "username": "plug", "rolename": "everything", "priority": 100_000}
    )
    with pytest.raises(ValueError, match=r"the role everything with priority 100000"):
        await MosquittoResponder(dynamic_security.settings()).apply(NARROW)


# ------------------------------------------------------------------------------------------------------ two claims


async def test_of_two_claims_the_stricter_holds_and_each_ends_alone(dynamic_security: DynamicSecurity) -> None:
    before = dynamic_security.all_users_and_roles()
    plug = dynamic_security.device("plug")
    responder = MosquittoResponder(dynamic_security.settings())
    second = replace(CUT_OFF, id="i2-1")
    for act in (NARROW, CUT_OFF, second):
        await responder.apply(act)
    await responder.revert(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Not authorized"
    await responder.revert(second)
    hub = dynamic_security.device("hub")
    hub.listen("#")
    assert published(hub, plug, "lamp/set", "plug/state") == ["plug/state"]
    await responder.revert(NARROW)
    assert dynamic_security.all_users_and_roles() == before


async def test_of_two_restrictions_what_both_allow_is_left(dynamic_security: DynamicSecurity) -> None:
    before = dynamic_security.all_users_and_roles()
    hub, plug = dynamic_security.device("hub"), dynamic_security.device("plug")
    hub.listen("#")
    responder = MosquittoResponder(dynamic_security.settings())
    first, second = (replace(NARROW, id=name, allow=allow) for name, allow in (
        ("i1-1", ("publish plug/#", "publish x/+")), ("i2-1", ("publish +/1", "publish y/#")),
    ))  # fmt: skip
    await responder.apply(first)
    await responder.apply(second)
    tried = ("plug/1", "plug/2", "x/1", "x/2", "y/2", "z/1")
    assert published(hub, plug, *tried) == ["plug/1", "x/1"]
    await responder.revert(first)
    assert published(hub, plug, *tried) == ["plug/1", "x/1", "y/2", "z/1"]
    await responder.revert(second)
    assert dynamic_security.all_users_and_roles() == before


# -------------------------------------------------------------------------------------- again, and after a failure


@pytest.mark.parametrize("act", [CUT_OFF, NARROW], ids=["quarantine", "restrict"])
async def test_the_same_act_twice_is_the_same_as_once(dynamic_security: DynamicSecurity, act: Action) -> None:
    before = dynamic_security.all_users_and_roles()
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(act)
    once = dynamic_security.all_users_and_roles()
    await responder.apply(act)
    assert dynamic_security.all_users_and_roles() == once
    await responder.revert(act)
    await responder.revert(act)
    assert dynamic_security.all_users_and_roles() == before


async def test_a_guard_that_was_killed_finds_its_claim_again(dynamic_security: DynamicSecurity) -> None:
    before = dynamic_security.all_users_and_roles()
    settings = dynamic_security.settings()
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.test_mosquitto_responder import CUT_OFF\n"
        "from homeward.responders.mosquitto import MosquittoResponder\n"
        "from homeward.sources.mqtt import MqttSettings\n"
        "settings = MqttSettings(host='127.0.0.1', port=int(sys.argv[1]), ca_file=Path(sys.argv[2]),\n"
        "                        username='guard', password=os.environ['GUARD'])\n"
        "asyncio.run(MosquittoResponder(settings).apply(CUT_OFF))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(settings.port), str(settings.ca_file)],
        env={**os.environ, "GUARD": str(settings.password), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert dynamic_security.log_in("plug") == "Not authorized"
    await MosquittoResponder(settings).revert(CUT_OFF)
    assert dynamic_security.all_users_and_roles() == before


@pytest.mark.parametrize("act", [CUT_OFF, NARROW], ids=["quarantine", "restrict"])
async def test_whatever_was_done_of_an_act_the_rest_is_found(dynamic_security: DynamicSecurity, act: Action) -> None:
    before = dynamic_security.all_users_and_roles()
    settings, name, note = dynamic_security.settings(), f"homeward-{act.id}", NOTES[act.command]
    await MosquittoResponder(settings).apply(act)
    done = dynamic_security.all_users_and_roles()
    with Conversation(settings) as broker:
        there = broker.look()
        back = releasing(there, name, COMMAND_TOPICS)
    await MosquittoResponder(settings).revert(act)
    with Conversation(settings) as broker:
        forth = claiming(broker.look(), name, note, COMMAND_TOPICS)
    assert len(forth) == len(back) == {"quarantine": 3, "restrict": 2}[act.command]
    for said in range(1, len(forth)):
        dynamic_security.tell(*forth[:said])
        await MosquittoResponder(settings).apply(act)
        assert dynamic_security.all_users_and_roles() == done
        dynamic_security.tell(*back[:said])
        await MosquittoResponder(settings).revert(act)
        assert dynamic_security.all_users_and_roles() == before
        dynamic_security.tell(*forth[:said])
        await MosquittoResponder(settings).revert(act)
        assert dynamic_security.all_users_and_roles() == before


async def test_the_broker_holds_the_claim_over_its_own_restart(dynamic_security: DynamicSecurity) -> None:
    before = dynamic_security.all_users_and_roles()
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    await responder.apply(NARROW)
    dynamic_security.stop()
    dynamic_security.start()
    assert dynamic_security.log_in("plug") == "Not authorized"
    await responder.revert(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Success"
    await responder.revert(NARROW)
    assert dynamic_security.all_users_and_roles() == before


async def test_a_claim_left_by_an_earlier_life_of_the_guard_gives_way(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(replace(CUT_OFF, device="kettle"))
    await responder.apply(CUT_OFF)  # of the same id: a new journal counts from one again
    assert dynamic_security.log_in("kettle") == "Success"
    assert dynamic_security.log_in("plug") == "Not authorized"
    await responder.apply(replace(CUT_OFF, command="restrict"))
    assert dynamic_security.log_in("plug") == "Success"


async def test_two_guards_at_one_broker_do_not_end_each_others_claims(dynamic_security: DynamicSecurity) -> None:
    ours = MosquittoResponder(dynamic_security.settings())
    theirs = MosquittoResponder(dynamic_security.settings(client_id="workshop"))
    await ours.apply(CUT_OFF)
    await theirs.apply(CUT_OFF)
    await theirs.apply(replace(CUT_OFF, device="kettle", id="i1-9"))
    await ours.revert(replace(CUT_OFF, id="i1-9"))
    await ours.revert(CUT_OFF)
    assert dynamic_security.log_in("plug") == dynamic_security.log_in("kettle") == "Not authorized"
    await theirs.revert(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Success"


async def test_a_user_that_the_owner_deleted_is_no_hindrance(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    dynamic_security.tell({"command": "deleteClient", "username": "plug"})
    await responder.revert(CUT_OFF)
    assert all("error" in one for one in dynamic_security.tell({"command": "getRole", "rolename": "homeward-i1-1"}))


async def test_a_claim_that_no_longer_says_what_it_is_for_is_told(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    dynamic_security.tell({"command": "modifyRole", "rolename": "homeward-i1-1", "textdescription": "mine now"})
    with pytest.raises(ValueError, match=r"the role homeward-i1-1 no longer says what it was for"):
        await responder.revert(CUT_OFF)


async def test_asked_again_it_sees_what_somebody_undid(dynamic_security: DynamicSecurity) -> None:
    responder = MosquittoResponder(dynamic_security.settings())
    await responder.apply(CUT_OFF)
    dynamic_security.tell({"command": "enableClient", "username": "plug"})
    await responder.apply(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Not authorized"
    await responder.revert(CUT_OFF)
    assert dynamic_security.log_in("plug") == "Success"
