"""Homeward on an MQTT dashboard: what is said to the broker, and what a press may do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import structs
from tests.dashboard.twin import TwinService, an_evening
from tests.mosquitto import (
    Mosquitto,
    Peer,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.running_entities import KEY, shown
from tests.service_twins import SETTINGS, Clock, TwinResponder, running, stranger, until

from homeward.core.inputs import Change, Feedback
from homeward.dashboard.view import look
from homeward.entities.messages import BUTTONS, LISTED, SENSORS, TEXT_LIMIT, Topics, messages, state
from homeward.entities.offers import CHANNEL, PERSON, SETTLE_SECONDS, Offers
from homeward.guard import Guard
from homeward.journal import Journal
from homeward.presses import Press, Says, meant, new_press, read_press
from homeward.service import Service
from homeward.sources.payloads import Refused

TOPICS = Topics("home")

# What is said


def said(service: TwinService) -> dict[str, dict[str, Any]]:
    return state(look(service), service.guard.engine, KEY)


def test_the_state_is_one_of_four_words_and_an_alarm_comes_first() -> None:
    service = TwinService()
    assert said(service)["state"]["value"] == "watching"
    service.guard.engine.state_of_learning.ready = False
    assert said(service)["state"]["value"] == "learning"
    service.incident("i1", "blind: nothing is heard from mqtt: gone", kind="blind")
    assert said(service)["state"]["value"] == "blind"
    alarm = service.incident("i2", "front door open at 01:05: never before")
    assert said(service)["state"]["value"] == "alarm"
    alarm.answer = "no"
    assert said(service)["state"]["value"] == "blind", "what is answered asks nothing any more"
    assert set(SENSORS["state"]["options"]) == {"learning", "watching", "alarm", "blind"}


def test_the_last_incident_is_told_in_full_and_what_was_only_noted_is_not() -> None:
    service = TwinService()
    assert said(service)["incident"] == {"value": None, "about": {}}
    service.incident("i1", "x" * 1000, ago=100)
    service.incident("i2", "a whim", rung="record", ago=50)
    last = said(service)["incident"]
    assert len(last["value"]) == TEXT_LIMIT
    assert last["about"]["id"] == "i1"
    assert last["about"]["reason"] == "x" * 1000


def test_a_name_that_hides_or_reorders_text_is_made_visible() -> None:
    service = TwinService()
    service.incident("i1", "door \u202eevil\x00 open")
    assert said(service)["incident"]["value"] == "door \ufffdevil\ufffd open"


def test_counts_are_whole_and_lists_are_short() -> None:
    service = TwinService()
    for number in range(40):
        service.incident(f"i{number}", "y" * 600)
        service.lease(f"l{number}", "lamp", "on", incident=f"i{number}")
    told = said(service)
    for name in ("incidents", "leases"):
        assert told[name]["value"] == 40
        assert len(told[name]["about"]["list"]) == LISTED
        assert len(json.dumps(told[name]["about"])) < 16 * 1024, "Home Assistant's recorder takes no more"


def test_an_evening_is_told_as_the_page_tells_it() -> None:
    service = TwinService()
    an_evening(service)
    told = said(service)
    assert told["state"]["value"] == "alarm"
    assert told["incident"]["value"].startswith("front door open at 01:05")
    assert [one["id"] for one in told["leases"]["about"]["list"]] == ["l-2", "l-4", "l-3"]
    assert told["incidents"]["about"]["waiting"] == 1
    assert told["budget"]["value"] == 1.0


def test_alarms_are_counted_over_seven_days() -> None:
    service = TwinService()
    week = timedelta(days=7).total_seconds()
    service.incident("i1", "long ago", ago=week + 1, closed=True)
    service.incident("i2", "just a week ago", ago=week, closed=True).alarms = 2
    service.incident("i3", "noted", rung="record", ago=5)
    service.incident("i4", "now", ago=1)
    assert said(service)["alarms"]["value"] == 3


def test_the_same_moment_is_said_in_the_same_bytes_a_minute_later() -> None:
    service = TwinService()
    an_evening(service)
    before = messages(look(service), service.guard.engine, TOPICS, KEY)
    service.clock.at += timedelta(seconds=30)
    assert messages(look(service), service.guard.engine, TOPICS, KEY) == before


def test_every_entity_is_described_to_home_assistant_before_its_state_is_said() -> None:
    service = TwinService()
    an_evening(service)
    told = messages(look(service), service.guard.engine, TOPICS, KEY)
    *configs, where, online = told
    assert (where, online) == ("homeward/home/state", "homeward/home/state/status")
    assert len(configs) == len(SENSORS) + len(BUTTONS)
    described = [json.loads(told[topic]) for topic in configs]
    assert len({one["unique_id"] for one in described}) == len(configs)
    assert {json.dumps(one["device"]) for one in described} == {json.dumps(described[0]["device"])}
    legal = re.compile(r"homeassistant/(sensor|button)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config")
    assert all(legal.fullmatch(topic) for topic in configs)


@pytest.mark.parametrize("place", ["14 Linden Road", "Große Straße", "家"])
def test_any_place_has_a_device_name_that_home_assistant_takes(place: str) -> None:
    assert re.fullmatch(r"homeward_[A-Za-z0-9_-]+_[0-9a-f]{8}", Topics(place).identifier)
    assert Topics(place).identifier != Topics(place + " ").identifier
    assert Topics(place).state == f"homeward/{place}/state"


@pytest.mark.parametrize("place", ["", "a/b", "a+", "#", "$SYS", "a\0"])
def test_a_place_that_is_no_level_of_a_topic_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="a topic"):
        Topics(place)


# What is pressed


def offered(says: Says, about: str) -> Press:
    return new_press(KEY, says, about, PERSON, CHANNEL)


def pressed(press: Press) -> bytes:
    return press.written().encode()


def test_a_button_says_what_it_is_about_and_falls_back_to_the_one_before() -> None:
    service = TwinService()
    assert said(service)["yes"] == {"available": "offline", "about": {}}
    service.incident("i1", "first")
    second = service.incident("i2", "second")
    service.incident("i3", "blind: gone", kind="blind")
    service.incident("i4", "a whim", rung="record")
    about = said(service)["yes"]["about"]
    assert (about["incident"], about["text"]) == ("i2", "second")
    assert read_press(about["press"].encode(), KEY) == offered("yes", "i2")
    second.answer = "no"
    assert said(service)["no"]["about"]["incident"] == "i1"


def test_the_press_that_home_assistant_sends_is_the_one_that_is_offered() -> None:
    service = TwinService()
    service.incident("i1", "first")
    told = messages(look(service), service.guard.engine, TOPICS, KEY)
    config = json.loads(told[TOPICS.config("button", "no")])
    assert config["command_topic"] == TOPICS.answer
    press = read_press(config["payload_press"].encode(), KEY)
    (answer,) = meant(press, service.guard.engine, service.clock.now())
    assert answer == Feedback(at=service.clock.now(), incident="i1", answer="no", person="household", channel="mqtt")


def test_undo_takes_back_what_was_open_when_it_was_offered_and_nothing_newer() -> None:
    service = TwinService()
    service.lease("a", "lamp", "on", status="ended")
    service.lease("b", "siren", "on")
    service.lease("c", "lock", "lock", left=None, status="applying")
    service.lease("d", "camera", "on", status="reverting")
    service.lease("e", "lamp", "on")
    about = said(service)["undo"]["about"]
    assert about["leases"] == ["lamp on", "siren on"]
    press = read_press(about["press"].encode(), KEY)
    service.lease("f", "plug", "off")
    engine, now = service.guard.engine, service.clock.now()
    asked = list(meant(press, engine, now))
    assert [one.target for one in asked if isinstance(one, Change)] == ["b", "e"]
    assert {(one.person, one.channel) for one in asked} == {("household", "mqtt")}
    for name in ("a", "unknown"):
        with pytest.raises(Refused, match="too late"):
            list(meant(offered("undo", name), engine, now))


def test_a_finger_that_was_on_its_way_to_another_incident_answers_nothing() -> None:
    service, offers = TwinService(), Offers()
    service.incident("i1", "first")
    offers.move(look(service), 100.0)
    assert not offers.too_soon(offered("yes", "i1"), 100.0), "there was nothing else to press"
    service.incident("i2", "second")
    offers.move(look(service), 200.0)
    offers.move(look(service), 201.0)
    soon = 200.0 + SETTLE_SECONDS
    assert offers.too_soon(offered("yes", "i2"), soon - 0.1)
    assert not offers.too_soon(offered("yes", "i2"), soon)
    assert not offers.too_soon(offered("yes", "i1"), 200.0), "that is the one that it was meant for"


# With a real broker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as opened:
        yield opened


class Onlooker:
    """Knows the last that was said on every topic."""

    def __init__(self, peer: Peer, *filters: str) -> None:
        self.last: dict[str, bytes] = {}
        self.times: dict[str, int] = {}
        self._peer = peer
        for one in filters or ("homeward/#", "homeassistant/#"):
            peer.listen(one)

    def look(self) -> dict[str, bytes]:
        while not self._peer.received.empty():
            topic, payload, _ = self._peer.received.get_nowait()
            self.last[topic] = payload
            self.times[topic] = self.times.get(topic, 0) + 1
        return self.last

    def state(self) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = json.loads(self.look().get(TOPICS.state, b"{}"))
        return told

    def online(self) -> bytes:
        return self.look().get(TOPICS.online, b"")

    def press(self, says: str) -> bytes:
        """What Home Assistant would send."""
        payload: str = json.loads(self.look()[TOPICS.config("button", says)])["payload_press"]
        return payload.encode()

    def value(self, name: str) -> Any:
        return self.state().get(name, {}).get("value")


@pytest.mark.parametrize("protocol", ["auto", 5])
async def test_a_guard_is_shown_pressed_and_gone(
    mosquitto: Mosquitto, journal: Journal, protocol: Literal["auto", 5]
) -> None:
    seen, lamps = Onlooker(mosquitto.peer()), TwinResponder()
    service = Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())
    async with running(service), shown(service, mosquitto.settings(protocol=protocol)) as entities:
        await until(lambda: seen.online() == b"online")
        assert seen.value("state") == "learning"
        await service.submit(stranger())
        await until(lambda: seen.value("state") == "alarm" and seen.value("leases") == 1)
        assert seen.value("incident") == service.guard.engine.incidents["i1"].reason
        press = seen.press("yes")
        mosquitto.peer("sensor", "press").publish(TOPICS.answer, press)
        await until(lambda: service.guard.engine.incidents["i1"].answer == "yes")
        assert service.guard.engine.incidents["i1"].answered_by == "household by mqtt"
        await until(lambda: seen.value("leases") == 0 and seen.value("state") == "learning")
        await until(lambda: lamps.steps == ["apply", "revert"])
        mosquitto.peer("sensor", "again").publish(TOPICS.answer, press)
        await until(lambda: entities.refused["too late"] == 1)
        assert seen.online() == b"online"
    await until(lambda: seen.online() == b"offline")
    late = Onlooker(mosquitto.peer("sensor", "late"))
    await until(lambda: late.online() == b"offline")
    assert late.value("incident"), "what was last known stays on the broker"


async def test_undo_takes_the_lease_back(mosquitto: Mosquitto, journal: Journal) -> None:
    seen, lamps = Onlooker(mosquitto.peer()), TwinResponder()
    service = Service(Guard(journal), SETTINGS, responders=[lamps], clock=Clock())
    async with running(service), shown(service, mosquitto.settings()):
        await service.submit(stranger())
        await until(lambda: seen.state().get("undo", {}).get("available") == "online")
        mosquitto.peer("sensor", "press").publish(TOPICS.answer, seen.press("undo"))
        await until(lambda: lamps.steps == ["apply", "revert"])
        await until(lambda: seen.value("leases") == 0)
        assert service.guard.engine.incidents["i1"].answer is None, "taking back is no answer"


async def test_a_retained_press_and_nonsense_change_nothing(mosquitto: Mosquitto) -> None:
    service, other = TwinService(), mosquitto.peer("sensor", "press")
    service.incident("i1", "first")
    other.publish(TOPICS.answer, pressed(offered("yes", "i1")), retain=True)
    async with shown(service, mosquitto.settings()) as entities:
        await until(lambda: entities.refused["retained"] == 1)
        other.publish(TOPICS.answer, "PRESS")
        other.publish(TOPICS.answer, b"x" * 100_000)
        other.publish(TOPICS.answer, pressed(structs.replace(offered("yes", "i1"), token="i1")), qos=0)
        other.publish(TOPICS.answer, pressed(new_press(KEY, "yes", "i1", PERSON, "phone")), qos=0)
        await until(lambda: entities.refused.total() == 5)
        assert entities.refused == {"retained": 1, "malformed": 1, "too large": 1, "token": 1, "channel": 1}
        assert service.said == []
        other.publish(TOPICS.answer, pressed(offered("no", "i1")), qos=0)
        await until(lambda: len(service.said) == 1)


async def test_a_press_that_cannot_be_written_down_is_counted_and_may_be_repeated(mosquitto: Mosquitto) -> None:
    service, other = TwinService(), mosquitto.peer("sensor", "press")
    service.incident("i1", "first")
    service.broken = True
    seen = Onlooker(mosquitto.peer())
    async with shown(service, mosquitto.settings()) as entities:
        await until(lambda: seen.online() == b"online")
        other.publish(TOPICS.answer, seen.press("yes"))
        await until(lambda: entities.refused["not taken in"] == 1)
        service.broken = False
        other.publish(TOPICS.answer, seen.press("yes"))
        await until(lambda: len(service.said) == 1)


async def test_what_has_not_changed_is_not_said_again(mosquitto: Mosquitto) -> None:
    service, seen = TwinService(), Onlooker(mosquitto.peer())
    async with shown(service, mosquitto.settings()):
        await until(lambda: seen.online() == b"online")
        await service.changed()
        service.incident("i1", "first")
        await service.changed()
        await until(lambda: seen.value("state") == "alarm")
    assert seen.times[TOPICS.config("sensor", "state")] == 1
    assert seen.times[TOPICS.config("button", "yes")] == 2
    assert seen.times[TOPICS.state] == 2


async def test_a_home_assistant_that_starts_is_told_everything_anew_but_not_all_the_time(
    mosquitto: Mosquitto,
) -> None:
    service, seen = TwinService(), Onlooker(mosquitto.peer())
    home_assistant = mosquitto.peer("sensor", "home assistant")
    async with shown(service, mosquitto.settings()):
        await until(lambda: seen.online() == b"online")
        for _ in range(5):
            home_assistant.publish(TOPICS.birth, "online")
        await until(lambda: seen.look() is not None and seen.times[TOPICS.online] == 2)
        assert seen.times[TOPICS.config("button", "yes")] == 2
        service.incident("i1", "first")
        await service.changed()
        await until(lambda: seen.value("state") == "alarm")
    assert seen.times[TOPICS.config("sensor", "state")] == 2


async def test_a_broker_that_comes_back_is_told_again(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("homeward.feeders.RESTART_FIRST", 0.05)
    service = TwinService()
    mosquitto.stop()
    async with shown(service, mosquitto.settings()):
        await until(lambda: "is the broker running" in caplog.text)
        mosquitto.start()
        seen = Onlooker(mosquitto.peer())
        await until(lambda: seen.online() == b"online")
        service.incident("i1", "first")
        mosquitto.stop()
        await service.changed()
        mosquitto.start()
        again = Onlooker(mosquitto.peer("sensor", "again"))
        await until(lambda: again.online() == b"online" and again.value("state") == "alarm")
    assert "is the broker running" in caplog.text


async def test_a_broker_that_answers_no_more_holds_nothing_up(
    mosquitto: Mosquitto, journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("homeward.feeders.RESTART_FIRST", 0.05)
    monkeypatch.setattr("homeward.entities.CONFIRM_SECONDS", 0.3)
    seen = Onlooker(mosquitto.peer())
    service = Service(Guard(journal), SETTINGS, responders=[TwinResponder()], clock=Clock())
    async with running(service), shown(service, mosquitto.settings()):
        await until(lambda: seen.online() == b"online")
        mosquitto.freeze()
        await service.submit(stranger())
        assert service.guard.engine.incidents["i1"].alarms == 1, "the guard goes on"
        await until(lambda: "did not confirm what it was told" in caplog.text)
        monkeypatch.undo()
        mosquitto.thaw()
        await until(lambda: seen.online() == b"online" and seen.value("state") == "alarm")
