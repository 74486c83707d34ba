"""What every responder promises the service; each plug-in goes through every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pytest
from tests import nftables_home, test_mosquitto_responder
from tests.dynamic_security import (
    DynamicSecurity,
    dynamic_security_fixture,  # noqa: F401 - a fixture
)
from tests.home_assistant_demo import (
    DemoHome,
    demo_home_fixture,  # noqa: F401 - a fixture
    lamp,
)
from tests.http_peer import (
    HttpPeer,
    peer_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.namespaces import (
    Home,
    home_fixture,  # noqa: F401 - a fixture
)
from tests.test_webhook_responder import Lamp as Receiver
from tests.test_webhook_responder import hook

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
    """A responder and an act for it.

    ``state`` is how the device is after so many commands; it is ``applied`` or ``reverted``. ``fail`` puts the device
    out of reach. Neither is there where nothing is done.
    """

    responder: Responder
    action: Action = ON
    state: Callable[[int], str] | None = None
    fail: Callable[[], None] | None = None
    applied: str = "on"
    reverted: str = "off"


def mqtt(broker: Mosquitto) -> Subject:
    responder = MqttResponder(broker.settings(), [CommandTopic(device="lamp", topic="lamp/set")])
    return Subject(responder, ON, Lamp(broker).state, broker.stop)


def mosquitto(broker: DynamicSecurity) -> Subject:
    responder, action, state, fail = test_mosquitto_responder.contract(broker)
    return Subject(responder, action, lambda _number: state(), fail, "out", "in")


def nftables(home: Home) -> Subject:
    return Subject(*nftables_home.acting(home), "quarantine", "release")


def home_assistant(home: DemoHome) -> Subject:
    responder, state, fail = lamp(home)
    return Subject(responder, ON, state, fail)


def webhook(peer: HttpPeer) -> Subject:
    return Subject(hook(peer), ON, Receiver(peer).state, peer.refuse)


MAKE: Final[dict[str, tuple[str, Callable[..., Subject]]]] = {
    "mqtt": ("mosquitto", mqtt),
    "mosquitto": ("dynamic_security", mosquitto),
    "nftables": ("home", nftables),
    "home_assistant": ("demo_home", home_assistant),
    "webhook": ("peer", webhook),
}
"""By responder: the fixture that its device lives in, and what makes the subject from it."""


@pytest.fixture(params=["dry_run", *MAKE])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "dry_run":
        return Subject(DryRun())
    needs, make = MAKE[request.param]
    return make(request.getfixturevalue(needs))


def test_it_has_a_name(subject: Subject) -> None:
    assert subject.responder.name


async def test_it_applies_and_takes_back(subject: Subject) -> None:
    await subject.responder.apply(subject.action)
    if subject.state is not None:
        assert subject.state(1) == subject.applied
    await subject.responder.revert(subject.action)
    if subject.state is not None:
        assert subject.state(1) == subject.reverted


async def test_the_same_act_twice_is_the_same_as_once(subject: Subject) -> None:
    await subject.responder.apply(subject.action)
    await subject.responder.apply(subject.action)
    if subject.state is not None:
        assert subject.state(2) == subject.applied
    await subject.responder.revert(subject.action)
    await subject.responder.revert(subject.action)
    if subject.state is not None:
        assert subject.state(2) == subject.reverted


async def test_what_was_never_applied_can_be_taken_back(subject: Subject) -> None:
    await subject.responder.revert(subject.action)


async def test_a_failure_is_raised_in_one_line(subject: Subject) -> None:
    if subject.fail is None:  # what does nothing cannot fail
        return
    subject.fail()
    for act in (subject.responder.apply, subject.responder.revert):
        with pytest.raises(OSError, match=r"^[^\n]+$"):
            await act(subject.action)
