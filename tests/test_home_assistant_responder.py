"""Commands to devices of a real Home Assistant: obeyed, or said in one line why not; and nothing is ever opened."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.home_assistant_demo import (
    DemoHome,
    demo_home_fixture,  # noqa: F401 - a fixture
)
from tests.service_twins import SETTINGS, running, stranger, until

from homeward.core.effects import Action
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import REFUSED
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.responders.home_assistant import EntityCommand, HomeAssistantResponder, Watch
from homeward.service import Service
from homeward.sources.home_assistant import HomeAssistantSource
from homeward.sources.home_assistant_connection import Connection, HomeAssistantSettings

ONE_LINE = r"^[^\n]*{}[^\n]*$"
LATER = datetime(2030, 1, 1, tzinfo=UTC)

ENTITIES = {
    "Front Door": EntityCommand(device="Front Door", entity="lock.front_door"),
    "front door": EntityCommand(device="front door", entity="lock.front_door"),
    "poor door": EntityCommand(device="poor door", entity="lock.poorly_installed_door"),
    "lamp": EntityCommand(device="lamp", entity="light.bed_light"),
    "television": EntityCommand(
        device="television",
        entity="media_player.bedroom",
        services={"paused": "media_player.media_pause", "playing": "media_player.media_play"},
    ),
    "alarm": EntityCommand(device="alarm", entity="alarm_control_panel.house"),
    "coded alarm": EntityCommand(device="coded alarm", entity="alarm_control_panel.security"),
    "window": EntityCommand(device="window", entity="cover.hall_window", services={"closed": "cover.close_cover"}),
    "nowhere": EntityCommand(device="nowhere", entity="light.nowhere"),
}


def act(device: str, command: str, restore: str | None = None) -> Action:
    return Action(
        id="i1-1",
        incident="i1",
        responder="home_assistant",
        device=device,
        command=command,
        restore=restore,
        ends=None if restore is None else LATER,
    )


@pytest.fixture(name="responder")
def responder_fixture(demo_home: DemoHome) -> HomeAssistantResponder:
    return HomeAssistantResponder(demo_home.dial, list(ENTITIES.values()))


class Home:
    """The home, asked and told without holding up the responder."""

    def __init__(self, demo_home: DemoHome) -> None:
        self._home = demo_home

    async def is_(self, entity: str) -> str:
        return await asyncio.to_thread(self._home.state, entity)

    async def call(self, service: str, entity: str, **data: Any) -> None:
        await asyncio.to_thread(self._home.call, service, entity_id=entity, **data)

    async def set(self, entity: str, state: str) -> None:
        """Have Home Assistant believe a state, as an integration would report it."""
        await asyncio.to_thread(self._home.post, f"/api/states/{entity}", {"state": state})

    async def told(self, entity: str) -> str:
        """When the entity's state was last written."""
        said = await asyncio.to_thread(self._home.get, f"/api/states/{entity}")
        return f"{said['last_reported']} {said['context']['id']}"


@pytest.fixture(name="home")
def home_fixture(demo_home: DemoHome) -> Home:
    return Home(demo_home)


async def test_a_lock_that_somebody_unlocked_is_locked_and_never_unlocked_again(
    responder: HomeAssistantResponder, home: Home
) -> None:
    await home.call("lock.unlock", "lock.front_door")
    assert await home.is_("lock.front_door") == "unlocked"
    await responder.apply(act("front door", "lock"))
    assert await home.is_("lock.front_door") == "locked"
    await responder.revert(act("front door", "lock"))
    assert await home.is_("lock.front_door") == "locked"
    with pytest.raises(ValueError, match=ONE_LINE.format("unlock of lock.front_door is refused")):
        await responder.revert(act("front door", "lock", restore="unlock"))
    assert await home.is_("lock.front_door") == "locked"


async def test_a_light_is_switched_and_restored(responder: HomeAssistantResponder, home: Home) -> None:
    await home.call("light.turn_on", "light.bed_light")
    await responder.apply(act("lamp", "off", "on"))
    assert await home.is_("light.bed_light") == "off"
    await responder.revert(act("lamp", "off", "on"))
    assert await home.is_("light.bed_light") == "on"


async def test_the_same_act_twice_is_one_call(responder: HomeAssistantResponder, home: Home) -> None:
    await home.call("light.turn_off", "light.bed_light")
    await responder.apply(act("lamp", "on", "off"))
    told = await home.told("light.bed_light")
    await responder.apply(act("lamp", "on", "off"))
    assert await home.told("light.bed_light") == told
    await responder.revert(act("lamp", "on", "off"))
    told = await home.told("light.bed_light")
    await responder.revert(act("lamp", "on", "off"))
    assert await home.told("light.bed_light") == told


async def test_what_somebody_changed_since_is_left_as_it_is(responder: HomeAssistantResponder, home: Home) -> None:
    await home.call("media_player.media_play", "media_player.bedroom")
    pause = act("television", "paused", "playing")
    await responder.apply(pause)
    assert await home.is_("media_player.bedroom") == "paused"
    await responder.revert(pause)
    assert await home.is_("media_player.bedroom") == "playing"
    await responder.apply(pause)
    await home.call("media_player.turn_off", "media_player.bedroom")
    await responder.revert(pause)
    assert await home.is_("media_player.bedroom") == "off"
    await responder.apply(act("television", "on"))
    assert await home.is_("media_player.bedroom") != "off", "a player that is on is idle, or plays"


async def test_an_alarm_is_armed_while_its_exit_delay_runs_and_one_that_goes_off_is_not_silenced(
    responder: HomeAssistantResponder, home: Home
) -> None:
    panel = "alarm_control_panel.house"
    await home.call("alarm_control_panel.alarm_disarm", panel)
    await responder.apply(act("alarm", "arm"))
    assert await home.is_(panel) == "arming"
    await home.call("alarm_control_panel.alarm_trigger", panel)
    assert await home.is_(panel) in ("pending", "triggered")
    told = await home.told(panel)
    await responder.apply(act("alarm", "arm"))
    assert await home.told(panel) == told
    await home.call("alarm_control_panel.alarm_disarm", panel)


async def test_a_slow_device_is_waited_for(responder: HomeAssistantResponder, home: Home) -> None:
    """The service has ended, and the cover still moves."""
    entity = "cover.hall_window"
    assert await home.is_(entity) == "open"
    await responder.apply(act("window", "closed"))
    assert await home.is_(entity) == "closed"


async def test_a_service_that_succeeded_is_not_yet_a_device_that_obeyed(
    responder: HomeAssistantResponder, home: Home
) -> None:
    await home.call("lock.unlock", "lock.poorly_installed_door")
    with pytest.raises(OSError, match=ONE_LINE.format("lock.lock was called, but it is jammed")):
        await responder.apply(act("poor door", "lock"))
    with pytest.raises(OSError, match=ONE_LINE.format("jammed")):  # and again
        await responder.apply(act("poor door", "lock"))


async def test_what_does_not_obey_in_time_is_a_failure(
    demo_home: DemoHome, responder: HomeAssistantResponder, home: Home
) -> None:
    await home.call("lock.unlock", "lock.front_door")
    hasty = HomeAssistantResponder(demo_home.dial, list(ENTITIES.values()), timeout=0.8)
    with pytest.raises(OSError, match=ONE_LINE.format("lock.lock was called and did not end within 0.8 seconds")):
        await hasty.apply(act("front door", "lock"))
    await responder.apply(act("front door", "lock"))
    assert await home.is_("lock.front_door") == "locked"


async def test_the_guard_locks_a_real_lock_hears_that_it_was_itself_and_leaves_it_locked(
    demo_home: DemoHome, responder: HomeAssistantResponder, home: Home, tmp_path: Path
) -> None:
    """From a rule that was broken to the end of the lease, with Home Assistant as the source too."""
    lock_up = Response(
        name="lock up", device="Front Door", command="lock", when=("rule:new client",), minutes=None,
        responder="home_assistant",
    )  # fmt: skip
    door = Device(name="Front Door", type="lock", role="entrance")
    settings = replace(SETTINGS, devices=(*SETTINGS.devices, door), responses=(lock_up,))
    await home.call("lock.unlock", "lock.front_door")
    source = HomeAssistantSource(demo_home.settings)
    with Journal(tmp_path / "state") as journal:
        service = Service(Guard(journal), settings, sources=[source], responders=[responder])
        async with running(service):
            await until(lambda: _heard(service, "announced"), 30)
            await service.submit(stranger())
            await until(lambda: _ended(service), 30)
            await until(lambda: _heard(service, "locked"), 30)
        (echo,) = [one for one in service.recent if (one.device, one.action) == ("Front Door", "locked")]
        (lease,) = service.guard.engine.leases.values()
        assert (lease.action.command, lease.action.restore, lease.error) == ("lock", None, "")
        assert echo.actor == "homeward"
        assert list(service.guard.engine.incidents) == ["i1"]
    assert await home.is_("lock.front_door") == "locked"


def _ended(service: Service) -> bool:
    leases = service.guard.engine.leases
    return bool(leases) and all(lease.status == "ended" for lease in leases.values())


def _heard(service: Service, action: str) -> bool:
    return any((one.device, one.action) == ("Front Door", action) for one in service.recent)


@pytest.mark.parametrize(
    ("device", "command", "error", "said"),
    [
        ("nowhere", "on", OSError, "light.nowhere: Home Assistant has no such entity"),
        ("coded alarm", "arm", OSError, "alarm_control_panel.security: it wants a code"),
        ("window", "on", LookupError, "no service gives cover.hall_window the command on"),
        ("lamp", "quarantine", LookupError, "no service gives light.bed_light the command quarantine"),
        ("garden", "on", LookupError, "no entity of Home Assistant for the device garden"),
        ("front door", "unlock", ValueError, "unlock of lock.front_door is refused"),
        ("window", "open", ValueError, "refused"),
        ("alarm", "disarm", ValueError, "refused"),
        ("lamp", "toggle", ValueError, "refused"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    responder: HomeAssistantResponder, device: str, command: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=ONE_LINE.format(said)):
        await responder.apply(act(device, command))


async def test_an_entity_out_of_reach_is_a_failure_also_when_it_is_taken_back(
    responder: HomeAssistantResponder, home: Home
) -> None:
    await home.set("light.bed_light", "unavailable")
    try:
        for call in (responder.apply, responder.revert):
            with pytest.raises(OSError, match=ONE_LINE.format("light.bed_light: Home Assistant cannot reach it")):
                await call(act("lamp", "on", "off"))
    finally:
        await home.call("light.turn_off", "light.bed_light")


async def test_a_revoked_token_is_said_without_it(demo_home: DemoHome) -> None:
    token = (await asyncio.to_thread(demo_home.add_user, "Formerly")).token
    settings = HomeAssistantSettings(url=demo_home.url, token=token)
    await asyncio.to_thread(demo_home.revoke, token)
    responder = HomeAssistantResponder(partial(Connection.open, settings), list(ENTITIES.values()))
    with pytest.raises(OSError, match=ONE_LINE.format("the token is not accepted")) as caught:
        await responder.apply(act("lamp", "on"))
    assert token not in str(caught.value)


async def test_a_home_assistant_that_is_not_there_is_said_in_one_line() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = HomeAssistantSettings(url=f"http://127.0.0.1:{probe.getsockname()[1]}", token="x")
    responder = HomeAssistantResponder(partial(Connection.open, nobody), list(ENTITIES.values()))
    with pytest.raises(OSError, match=ONE_LINE.format("cannot be reached")):
        await responder.apply(act("lamp", "on"))


async def test_a_home_assistant_that_hangs_is_not_waited_for_longer_than_the_service_does(
    demo_home: DemoHome,
) -> None:
    hasty = HomeAssistantResponder(demo_home.dial, list(ENTITIES.values()), timeout=1.0)
    with demo_home.paused():
        began = time.monotonic()
        with pytest.raises(OSError, match=ONE_LINE.format("did not answer within 1 seconds")):
            await hasty.apply(act("lamp", "on"))
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("entity", "services", "said"),
    [
        ("Front door", {}, "write it as domain.name"),
        ("lock", {}, "write it as domain.name"),
        ("script.unlock_everything", {}, "name the device itself"),
        ("automation.night", {}, "name the device itself"),
        ("scene.evening", {}, "name the device itself"),
        ("button.garage", {}, "name the device itself"),
        ("lock.front", {"lock": "lock.unlock"}, "nothing is ever opened"),
        ("lock.front", {"lock": "lock.open"}, "nothing is ever opened"),
        ("lock.front", {"unlock": "lock.lock"}, "nothing is ever opened"),
        ("cover.garage", {"closed": "cover.open_cover"}, "nothing is ever opened"),
        ("cover.garage", {"closed": "cover.toggle"}, "nothing is ever opened"),
        ("cover.garage", {"closed": "cover.toggle_cover_tilt"}, "nothing is ever opened"),
        ("valve.water", {"closed": "valve.open_valve"}, "nothing is ever opened"),
        ("alarm_control_panel.house", {"arm": "alarm_control_panel.alarm_disarm"}, "nothing is ever opened"),
        ("media_player.tv", {"paused": "media_player.media_play_pause"}, "nothing is ever opened"),
        ("light.hall", {"on": "light"}, "own domain"),
        ("light.hall", {"on": "script.turn_on"}, "own domain"),
        ("light.hall", {"on": "homeassistant.stop"}, "own domain"),
        ("light.hall", {"on": "light.turn_on\n"}, "own domain"),
    ],
)  # fmt: skip
def test_what_may_not_be_commanded_cannot_be_configured(entity: str, services: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=ONE_LINE.format(said)):
        EntityCommand(device="it", entity=entity, services=services)


@pytest.mark.parametrize("command", sorted(REFUSED))
@pytest.mark.parametrize("entity", ["lock.x", "cover.x", "light.x", "alarm_control_panel.x", "valve.x"])
def test_no_default_opens_anything(entity: str, command: str) -> None:
    with pytest.raises(ValueError, match=ONE_LINE.format("nothing is ever opened")):
        EntityCommand(device="it", entity=entity).service(command)


class _Nonsense:
    """Says whatever it was made with, as no Home Assistant would."""

    def __init__(self, said: list[dict[str, Any]]) -> None:
        self._said = iter(said)

    async def command(self, type_: str, /, **fields: Any) -> Any:
        return None

    async def next(self) -> tuple[int, dict[str, Any]]:
        return 1, next(self._said)

    async def close(self) -> None: ...


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "c", "r", "s", "+", "lock.x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(said=st.lists(st.dictionaries(st.sampled_from("acr"), _anything), min_size=1, max_size=4))
async def test_nonsense_about_an_entity_is_passed_over(said: list[dict[str, Any]]) -> None:
    watch = Watch(_Nonsense([*said, {"a": {"lock.x": {"s": "locked", "a": {"friendly_name": "X"}}}}]), "lock.x")
    await watch.begin()
    for _ in said:
        await watch.hear()
        assert watch.state is None or isinstance(watch.state, str)
    assert watch.state == "locked"


_WORDS = ("alarm", "arm", "close", "disarm", "lock", "off", "on", "open", "play_pause", "toggle", "turn", "unlock")


@given(
    domain=st.sampled_from(["alarm_control_panel", "cover", "light", "lock", "media_player", "script", "valve"]),
    services=st.dictionaries(
        st.sampled_from(_WORDS), st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3), max_size=3
    ),
    elsewhere=st.sampled_from(["", "script", "homeassistant", "lock"]),
    command=st.sampled_from([*_WORDS, *sorted(REFUSED)]),
)
def test_whatever_is_configured_no_service_that_opens_is_called(
    domain: str, services: dict[str, list[str]], elsewhere: str, command: str
) -> None:
    named = {word: f"{elsewhere or domain}.{'_'.join(words)}" for word, words in services.items()}
    try:
        service = EntityCommand(device="it", entity=f"{domain}.x", services=named).service(command)
    except (ValueError, LookupError):
        return
    assert command not in REFUSED
    assert service.startswith(f"{domain}.")
    assert not re.search("disarm|open|toggle|unlock", service)


def test_the_defaults() -> None:
    def service(entity: str) -> Callable[[str], str]:
        return EntityCommand(device="it", entity=entity).service

    assert service("lock.x")("lock") == "lock.lock"
    assert service("alarm_control_panel.x")("arm") == "alarm_control_panel.alarm_arm_away"
    for domain in ("light", "switch", "fan", "siren", "input_boolean", "media_player"):
        assert service(f"{domain}.x")("on") == f"{domain}.turn_on"
        assert service(f"{domain}.x")("off") == f"{domain}.turn_off"
