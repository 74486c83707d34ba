"""People are told and asked through a real Home Assistant, and a press on a phone there answers the guard, once."""

from __future__ import annotations

import asyncio
import secrets
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from tests.home_assistant_demo import (
    CONFIGURATION,
    DemoHome,
    Phone,
    demo_home_fixture,  # noqa: F401 - a fixture
    phone_fixture,  # noqa: F401 - a fixture
)
from tests.service_twins import SETTINGS, Clock, TwinResponder, running, stranger, until

from homeward.answers import home_assistant
from homeward.answers.home_assistant import HomeAssistantAnswers
from homeward.core.effects import Action
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.presses import Says, new_press
from homeward.responders.home_assistant import ACTION_PREFIX, HomeAssistantChannel
from homeward.service import Service
from homeward.sources.home_assistant_connection import Connection, HomeAssistantSettings

KEY: Final = "k" * 43
ANNA: Final = "person:anna"
PHONE: Final = "anna's phone"
"""The channel's name: a press may carry any."""

SECONDS: Final = 30.0
ONE_LINE: Final = r"^[^\n]*{}[^\n]*$"


def press(says: Says, about: str, person: str = ANNA, *, channel: str = PHONE, key: str = KEY) -> str:
    return new_press(key, says, about, person, channel).written()


def message(text: str, command: str = "ask", *, incident: str = "i1", number: int = 1) -> Action:
    return Action(
        id=f"{incident}-{number}", incident=incident, responder=PHONE, device=ANNA, command=command, restore=None,
        ends=None, text=text,
    )  # fmt: skip


def channel(home: DemoHome, service: str, **more: Any) -> HomeAssistantChannel:
    return HomeAssistantChannel(home.dial, service, press=press, name=PHONE, **more)


# ------------------------------------------------------------------------------------------------------- to tell


async def test_the_pages_of_home_assistant_show_one_message_for_an_incident(demo_home: DemoHome) -> None:
    page = channel(demo_home, "persistent_notification.create")
    await page.apply(message("Front door: opened at night.", incident="i7"))
    await page.apply(message("Front door: opened at night.", incident="i7"))
    shown = await asyncio.to_thread(demo_home.shown)
    assert shown["homeward-i7"]["message"] == r"Front door\: opened at night\."
    before = len(shown)
    await page.apply(message("Front door: locked again.", "notify", incident="i7", number=2))
    shown = await asyncio.to_thread(demo_home.shown)
    assert (len(shown), shown["homeward-i7"]["title"]) == (before, "Homeward")
    assert "locked again" in shown["homeward-i7"]["message"]
    await page.revert(message("Front door: opened at night.", incident="i7"))
    assert "homeward-i7" in await asyncio.to_thread(demo_home.shown)


async def test_a_devices_name_is_no_markup(demo_home: DemoHome) -> None:
    text = "[Pay](https://evil.example) <img src=x> **now**: opened at night"
    await channel(demo_home, "persistent_notification.create").apply(message(text, incident="i8"))
    shown = await asyncio.to_thread(demo_home.shown)
    assert "](" not in shown["homeward-i8"]["message"].replace(r"\]", "")
    assert shown["homeward-i8"]["message"].replace("\\", "") == text


async def test_a_phone_shows_a_question_with_its_buttons_and_a_follow_up_takes_its_place(
    demo_home: DemoHome, phone: Phone
) -> None:
    to_phone = channel(demo_home, phone.service)
    async with phone.on():
        await to_phone.apply(message("<b>Front door</b>: opened at night."))
        await until(lambda: phone.got == 1, SECONDS)
        shown = phone.shown["homeward-i1"]
        assert shown["title"] == "Homeward"
        assert "<" not in shown["message"]
        assert [one["title"] for one in shown["data"]["actions"]] == ["That was me", "Not me"]
        said = [one["action"] for one in shown["data"]["actions"]]
        assert said == [ACTION_PREFIX + press("yes", "i1"), ACTION_PREFIX + press("no", "i1")]
        assert shown["data"]["priority"] == "high"

        await to_phone.apply(message("Front door: opened at night."))
        await until(lambda: phone.got == 2, SECONDS)
        await to_phone.apply(message("Front door: locked again.", "notify", number=2))
        await until(lambda: phone.got == 3, SECONDS)
        assert list(phone.shown) == ["homeward-i1"]
        assert phone.shown["homeward-i1"]["data"] == {"tag": "homeward-i1"}, "nothing to press, and nobody is woken"


async def test_a_phone_that_is_off_is_a_failure_in_one_line(demo_home: DemoHome, phone: Phone) -> None:
    with pytest.raises(OSError, match=ONE_LINE.format("not connected")):
        await channel(demo_home, phone.service).apply(message("Front door: opened at night."))


@pytest.mark.parametrize(
    ("action", "error", "said"),
    [
        (message("Off.", "off"), LookupError, "tells people and cannot off"),
        (message(""), ValueError, "without a text"),
        (message("Open.", incident="i" * 200), ValueError, "plain names|shorter name"),
        (message("Open."), OSError, "Service notify.nobody not found"),
    ],
)
async def test_what_cannot_be_told_is_said_in_one_line(
    demo_home: DemoHome, action: Action, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=ONE_LINE.format(f"({said})")):
        await channel(demo_home, "notify.nobody").apply(action)


async def test_a_home_assistant_that_hangs_is_a_failure(demo_home: DemoHome) -> None:
    with demo_home.paused(), pytest.raises(OSError, match=ONE_LINE.format("did not take it within 1 seconds")):
        await channel(demo_home, "persistent_notification.create", timeout=1.0).apply(message("Open."))


@pytest.mark.parametrize(
    "service", ["notify", "notify.send_message", "notify.persistent_notification", "lock.unlock", "notify.x\n", "n.x"]
)
def test_a_channel_is_a_service_that_tells(service: str) -> None:
    async def nowhere() -> Connection:
        raise AssertionError

    with pytest.raises(ValueError, match=ONE_LINE.format("write notify.mobile_app_NAME")):
        HomeAssistantChannel(nowhere, service, press=press)


# --------------------------------------------------------------------------------------------------- to be answered


@pytest.fixture(name="journal")
def journal_fixture(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


@pytest.fixture(name="service")
def service_fixture(journal: Journal, demo_home: DemoHome) -> Service:
    """A guard in a home where nothing of another test's was pressed last."""
    forgotten = f"{ACTION_PREFIX}nothing {secrets.token_hex(8)}"
    demo_home.fire(forgotten)
    demo_home.wait_for("sensor.homeward_answer", forgotten)
    return Service(Guard(journal), SETTINGS, responders=[TwinResponder()], clock=Clock())


@asynccontextmanager
async def listening(
    service: Service, settings: HomeAssistantSettings, **more: Any
) -> AsyncIterator[HomeAssistantAnswers]:
    answers = HomeAssistantAnswers(service, settings, key=KEY, channels=[PHONE], **more)
    task = asyncio.create_task(answers.run())
    try:
        yield answers
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(name="settings", params=["administrator", "user"])
def settings_fixture(request: pytest.FixtureRequest, demo_home: DemoHome) -> HomeAssistantSettings:
    """Two ways to hear of a press: with and without an administrator's rights."""
    if request.param == "user":
        return demo_home.settings
    return HomeAssistantSettings(url=demo_home.url, token=demo_home.owner.token)


Fire = Callable[[object], Awaitable[None]]


@pytest.fixture(name="fire")
def fire_fixture(demo_home: DemoHome) -> Fire:
    """A button is pressed on some phone."""

    async def fire(action: object) -> None:
        await asyncio.to_thread(demo_home.fire, action)

    return fire


async def until_heard(answers: HomeAssistantAnswers, fire: Fire) -> None:
    """Press buttons that mean nothing until one is heard: from then on, everything is."""

    async def heard() -> bool:
        await fire(f"{ACTION_PREFIX}nothing {secrets.token_hex(8)}")
        await asyncio.sleep(0.05)
        return answers.refused["malformed"] > 0

    await until(heard, SECONDS)


def refused(answers: HomeAssistantAnswers) -> dict[str, int]:
    """What was refused beside those."""
    return {reason: times for reason, times in answers.refused.items() if reason != "malformed"}


async def test_a_press_answers_its_incident_once(
    service: Service, settings: HomeAssistantSettings, fire: Fire
) -> None:
    incidents = service.guard.engine.incidents
    async with running(service), listening(service, settings) as answers:
        await service.submit(stranger())
        assert list(incidents) == ["i1"]
        await until_heard(answers, fire)
        await fire("SOMETHING ELSE")
        await fire(f"{ACTION_PREFIX}{press('yes', 'i1', key='x' * 43)}")
        await until(lambda: refused(answers) == {"token": 1}, SECONDS)
        await fire(f"{ACTION_PREFIX}{press('yes', 'i1', channel='ntfy')}")
        await until(lambda: refused(answers) == {"token": 1, "channel": 1}, SECONDS)
        assert incidents["i1"].answer is None

        await fire(f"{ACTION_PREFIX}{press('no', 'i1')}")
        await until(lambda: incidents["i1"].answer == "no", SECONDS)
        assert incidents["i1"].answered_by == f"{ANNA} by {PHONE}"
        await fire(f"{ACTION_PREFIX}{press('yes', 'i1')}")
        await until(lambda: refused(answers) == {"token": 1, "channel": 1, "too late": 1}, SECONDS)
        await fire({"a": "dictionary"})
        await fire(f"{ACTION_PREFIX}{press('yes', 'i99')}")
        await until(lambda: answers.refused["too late"] == 2, SECONDS)
        assert incidents["i1"].answer == "no"


async def test_a_press_on_the_phone_that_was_asked(
    demo_home: DemoHome, phone: Phone, service: Service, settings: HomeAssistantSettings, fire: Fire
) -> None:
    incidents = service.guard.engine.incidents
    async with running(service), listening(service, settings) as answers, phone.on():
        await service.submit(stranger())
        await until_heard(answers, fire)
        phone.shown.clear()
        await channel(demo_home, phone.service).apply(message("A stranger is on the network."))
        await until(lambda: "homeward-i1" in phone.shown, SECONDS)
        await asyncio.to_thread(phone.press, "homeward-i1", "That was me")
        await until(lambda: incidents["i1"].answer == "yes", SECONDS)
        assert incidents["i1"].answered_by == f"{ANNA} by {PHONE}"
        assert refused(answers) == {}


async def test_an_answer_given_while_the_guard_was_away_is_taken_when_it_is_back(
    demo_home: DemoHome, service: Service, fire: Fire
) -> None:
    """By a token without an administrator's rights; and the same old answer is not counted as refused."""
    incidents = service.guard.engine.incidents
    async with running(service):
        await service.submit(stranger())
        await fire(f"{ACTION_PREFIX}{press('yes', 'i1')}")
        async with listening(service, demo_home.settings):
            await until(lambda: incidents["i1"].answer == "yes", SECONDS)
        async with listening(service, demo_home.settings) as answers:
            await until(lambda: answers._heard.endswith(press("yes", "i1")), SECONDS)
            await until_heard(answers, fire)
            assert refused(answers) == {}


async def test_it_comes_back_when_home_assistant_does(demo_home: DemoHome, service: Service, fire: Fire) -> None:
    incidents = service.guard.engine.incidents
    async with running(service), listening(service, demo_home.settings) as answers:
        await service.submit(stranger())
        await until_heard(answers, fire)
        await asyncio.to_thread(demo_home.restart)
        await until_heard(answers, fire)
        await fire(f"{ACTION_PREFIX}{press('yes', 'i1')}")
        await until(lambda: incidents["i1"].answer == "yes", SECONDS)


async def test_a_user_without_rights_and_without_the_sensor_is_told_what_to_add(
    demo_home: DemoHome, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(service), listening(service, demo_home.settings, entity="sensor.nobody_made_it"):
        await until(lambda: bool(caplog.records), SECONDS)
    (said,) = [record.getMessage() for record in caplog.records if record.name == home_assistant.__name__]
    assert "is no administrator" in said
    assert "sensor.nobody_made_it" in said
    assert "\n" not in said


def test_the_sensor_of_the_description_is_the_one_that_is_tested() -> None:
    described = textwrap.dedent(str(home_assistant.__doc__).split("::\n", 1)[1].split("\nAny other", 1)[0])
    assert described.strip()
    assert described.strip() in CONFIGURATION.read_text("utf-8")
