"""What every responder promises the service; each plug-in goes through every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Action
from homeward.responders import Responder
from homeward.responders.dry_run import DryRun
from homeward.responders.mqtt import CommandTopic, MqttResponder

ON = Action(
    id="lease-1",
    incident="incident-1",
    responder="subject",
    device="lamp",
    command="on",
    restore="off",
    ends=datetime(2026, 1, 1, tzinfo=UTC),
)


class Lamp:
    """A lamp on the broker: it obeys, and remembers in which states it was."""

    def __init__(self, broker: Mosquitto) -> None:
        self._peer = broker.peer()
        self._peer.listen("lamp/set")

    def state(self, number: int) -> str:
        """The state after as many commands."""
        return [self._peer.next()[1].decode() for _ in range(number)][-1]


@dataclass(frozen=True)
class Subject:
    """A responder; how to ask the device for its state after some commands; how to put the device out of reach."""

    responder: Responder
    state: Callable[[int], str] | None
    fail: Callable[[], None] | None


@pytest.fixture(params=["dry_run", "mqtt"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "dry_run":
        return Subject(DryRun(), None, None)
    broker: Mosquitto = request.getfixturevalue("mosquitto")
    responder = MqttResponder(broker.settings(), [CommandTopic(device="lamp", topic="lamp/set")])
    return Subject(responder, Lamp(broker).state, broker.stop)


def test_it_has_a_name(subject: Subject) -> None:
    assert subject.responder.name


async def test_it_applies_and_takes_back(subject: Subject) -> None:
    await subject.responder.apply(ON)
    if subject.state is not None:
        assert subject.state(1) == "on"
    await subject.responder.revert(ON)
    if subject.state is not None:
        assert subject.state(1) == "off"


async def test_the_same_act_twice_is_the_same_as_once(subject: Subject) -> None:
    await subject.responder.apply(ON)
    await subject.responder.apply(ON)
    if subject.state is not None:
        assert subject.state(2) == "on"
    await subject.responder.revert(ON)
    await subject.responder.revert(ON)
    if subject.state is not None:
        assert subject.state(2) == "off"


async def test_what_was_never_applied_can_be_taken_back(subject: Subject) -> None:
    await subject.responder.revert(ON)


async def test_a_failure_is_raised_in_one_line(subject: Subject) -> None:
    if subject.fail is None:  # what does nothing cannot fail
        return
    subject.fail()
    for act in (subject.responder.apply, subject.responder.revert):
        with pytest.raises(OSError, match=r"^[^\n]+$"):
            await act(ON)
