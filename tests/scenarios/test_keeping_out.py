"""What the owner does not want, and what goes on after its act has ended."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.story import Story, acts, alarms
from tests.scenarios.test_ladder import (
    CLOUD,
    FULL,
    NO_STRANGERS,
    ONCE,
    QUARANTINE,
    RESTRICT,
    applied,
    client,
    network_fixture,  # noqa: F401 - a fixture
    night,
    three_days_fixture,  # noqa: F401 - a fixture
)


def test_a_refused_device_is_cut_off_again_each_time_it_speaks_and_nobody_is_told_twice(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    network.commands("refuse", "camera")
    (alarm,) = alarms(network.flows("camera", CLOUD))
    assert alarm.device == "camera"
    network.later(minutes=61)
    said = network.flows("camera", CLOUD)
    assert applied(said, "quarantine")
    assert alarms(said) == []
    assert (network.incident.rung, network.incident.alarms) == ("quarantine", 0)
    assert applied(network.flows("camera", CLOUD), "quarantine") == [], "it is held already"


def test_a_refused_device_that_goes_on_all_day_is_held_nearly_all_day(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    network.commands("refuse", "camera")
    said, held = network.flows("camera", CLOUD), 0
    for _ in range(96):
        network.later(minutes=5)
        held += any(lease.action.command == "quarantine" for lease in network.engine._leases.acting())
        said += network.flows("camera", CLOUD)
    assert held >= 80, "each time its hour is over it is cut off again as soon as it speaks"
    assert len(alarms(said)) == 1


def test_a_device_that_is_approved_is_let_in_at_once(network: Story) -> None:
    network.settles(QUARANTINE, home=FULL)
    network.commands("refuse", "camera")
    network.flows("camera", CLOUD)
    assert acts(network.commands("approve", "camera")) == [("camera", "release")]


def test_a_restricted_device_that_does_more_than_it_needs_may_be_narrowed_for_that_alone(network: Story) -> None:
    more = ONCE._replace(peer="elsewhere.example")
    network.settles(replace(RESTRICT, when=("rule:restricted device",)), home=FULL)
    assert applied(network.twin().flows("camera", more), "restrict") == [], "nobody restricted it"
    network.commands("restrict", "camera")
    (narrowed,) = applied(network.flows("camera", more), "restrict")
    assert narrowed.action.allow[0] == "tcp 443 cloud.example"
    network.later(minutes=61)
    assert applied(network.flows("camera", more), "restrict"), "it does it again, and so does the guard"


def test_a_second_stranger_on_the_broker_is_thrown_out_too_and_nobody_is_told_twice(home: Story) -> None:
    night(home, NO_STRANGERS)
    said = client(home, "mallory", name="sensor-1")
    said += client(home, "eve", name="sensor-2")
    assert acts(said) == [("mallory", "quarantine"), ("eve", "quarantine")]
    assert len(alarms(said)) == 1
    assert acts(client(home, "eve", name="sensor-3")) == [], "held already"
