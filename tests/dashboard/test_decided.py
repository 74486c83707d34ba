"""What the page says of messages, of the owner's rules and modes, and of codes, before any markup."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.dashboard.twin import SETTINGS, START, TwinService

from homeward.core.effects import Action, IncidentKind
from homeward.core.lease import Lease
from homeward.core.local_time import milliseconds
from homeward.core.modes import NAMES
from homeward.core.settings import Device, Listener, Person
from homeward.core.standing import StandingRule
from homeward.dashboard import words
from homeward.dashboard.decided import ASKED_SHOWN, MADE_SHOWN
from homeward.dashboard.told import MESSAGES_SHOWN
from homeward.dashboard.view import ENDED_SHOWN, IncidentView, look

AT = milliseconds(START)


def send(service: TwinService, number: int = 1, **lease: Any) -> Lease:
    """A message to anna's phone about the incident ``i1``."""
    action = Action(
        id=f"i1-{number}", incident="i1", responder="phone", device="person:anna", command="ask",
        restore=None, ends=None, text="Front door open",
    )  # fmt: skip
    made = service.guard.engine.leases[action.id] = Lease(action=action, opened=START, **lease)
    service.guard.engine.incidents["i1"].leases.append(action.id)
    return made


def told(service: TwinService) -> IncidentView:
    return next(one for one in look(service).incidents if one.id == "i1")


@pytest.fixture
def service() -> TwinService:
    service = TwinService()
    service.incident("i1", "front door open")
    return service


@pytest.mark.parametrize(
    ("lease", "delivery", "said"),
    [
        ({"attempts": 1}, "sending", "is being asked"),
        ({"next_attempt": START + timedelta(hours=6)}, "waiting", "will be asked"),
        ({"attempts": 3, "error": "refused"}, "failing", "not reached"),
        ({"status": "ended", "outcome": "done; ends by itself"}, "delivered", "asked"),
        ({"status": "ended", "outcome": "failed: refused", "error": "refused"}, "failed", "was not reached"),
        ({"status": "ended", "outcome": "it was answered"}, "dropped", "was not asked: it was not needed any more"),
    ],
)
def test_who_was_told_is_told_with_whether_it_arrived(
    service: TwinService, lease: dict[str, Any], delivery: str, said: str
) -> None:
    send(service, **lease)
    (message,) = told(service).told
    assert (message.listener, message.channel, message.delivery) == ("person:anna", "phone", delivery)
    assert words.told(message.how, message.delivery) == said
    assert not told(service).acted, "to tell somebody is no act upon a device"


def test_a_message_that_waits_says_until_when_and_one_that_fails_how_often_it_was_tried(service: TwinService) -> None:
    send(service, 1, next_attempt=START + timedelta(hours=6))
    send(service, 2, attempts=3, error="the server\u202e refused", next_attempt=START + timedelta(seconds=8))
    failing, waiting = told(service).told
    assert (waiting.after, waiting.tries) == (START + timedelta(hours=6), 0)
    assert (failing.after, failing.tries, failing.error) == (None, 3, "the server\ufffd refused")


def test_open_leases_show_messages_only_until_they_arrive(service: TwinService) -> None:
    message = send(service, attempts=2, error="refused")
    (shown,) = look(service).leases
    assert shown.message is not None
    assert shown.message.troubled
    message.status, message.outcome, message.error = "ended", "done; ends by itself", ""
    assert look(service).leases == look(service).ended == ()
    message.outcome, message.error = "failed: refused", "refused"
    assert [one.id for one in look(service).ended] == ["i1-1"], "what never arrived is not passed over"


def test_what_is_told_of_messages_is_bounded_and_the_newest_first(service: TwinService) -> None:
    for number in range(50):
        send(service, number, status="ended", outcome="failed: refused", error="refused")
    assert [one.id for one in told(service).told] == [f"i1-{49 - number}" for number in range(MESSAGES_SHOWN)]
    assert len(look(service).ended) == ENDED_SHOWN


def test_too_much_is_offered_where_something_was_done_or_would_have_been(service: TwinService) -> None:
    assert not told(service).acted
    service.lease("l1", "siren", "on", incident="i1", responder="dry_run")
    assert (told(service).acted, told(service).rehearsed) == (True, True)
    service.lease("l2", "hall light", "on", incident="i1")
    assert (told(service).acted, told(service).rehearsed) == (True, False)


@pytest.mark.parametrize(
    ("kind", "verdicts"),
    [
        ("unusual", ("always_fine", "never_fine", "snooze")),
        ("network", ("always_fine", "never_fine", "snooze")),
        ("rule", ("never_fine",)),
        ("silent", None),
        ("blind", None),
        ("new", None),
    ],
)
def test_only_what_a_rule_can_decide_is_offered(kind: IncidentKind, verdicts: tuple[str, ...] | None) -> None:
    service = TwinService()
    service.incident("i1", "front door open", kind=kind, action="open")
    offer = told(service).rules
    assert (offer and offer.verdicts) == verdicts


def test_a_rule_about_the_network_is_about_what_a_device_says_there() -> None:
    service = TwinService()
    service.incident("i1", "camera talks to cloud.example", kind="network", device="camera", action="flow")
    offer = told(service).rules
    assert offer is not None
    assert (offer.action, offer.begin, offer.guarded) == ("flow", "", False)


def test_an_hour_before_and_after_is_proposed_for_a_guarded_device_and_whoever_it_was(service: TwinService) -> None:
    service.guard.engine.incidents["i1"].person = "person:anna"
    offer = told(service).rules
    assert offer is not None
    assert (offer.guarded, offer.begin, offer.end, offer.person) == (True, "00:15", "02:30", "person:anna")
    service.guard.engine.incidents["i1"].opened = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
    offer = told(service).rules
    assert offer is not None
    assert (offer.begin, offer.end) == ("22:30", "00:30")
    service.incident("i1", "fridge open", device="fridge")
    offer = told(service).rules
    assert offer is not None
    assert (offer.guarded, offer.begin, offer.end, offer.person) == (False, "", "", "")


def test_nothing_is_offered_that_would_silence_what_saves_lives_or_cannot_be_named() -> None:
    smoke = Device(name="smoke", type="smoke", role="other")
    service = TwinService(dataclasses.replace(SETTINGS, devices=(smoke,)))
    service.incident("i1", "smoke clear", device="smoke")
    offer = told(service).rules
    assert offer is not None
    assert offer.verdicts == ("never_fine",)
    service.incident("i1", "door\u202e open", device="door\u202e")
    assert told(service).rules is None


def test_the_rules_that_there_are_about_it_are_named(service: TwinService) -> None:
    standing, device = service.guard.engine.state.standing, Device(name="front door", role="entrance")
    for number in range(1, 6):
        rule = StandingRule(
            id=f"s{number}", verdict="never_fine", device="front door", action="open", made_at=AT + number
        )
        assert not standing.add(rule, device)
    assert not standing.add(StandingRule(id="s6", verdict="never_fine", device="front door", action="close"), device)
    offer = told(service).rules
    assert offer is not None
    assert offer.made == ("s5", "s4", "s3")[:MADE_SHOWN]
    assert [one.id for one in look(service).rules] == [f"s{number}" for number in range(6, 0, -1)]
    service.guard.engine.incidents["i1"].habit = "never fine"
    offer = told(service).rules
    assert offer is not None
    assert offer.verdicts == (), "that it is never fine was said already"


def test_a_rule_may_name_the_people_that_are_known() -> None:
    service = TwinService(
        dataclasses.replace(
            SETTINGS,
            people=(Person(name="person:ben", budget=1.0),),
            verifiers=("person:anna",),
            listeners=(Listener(name="household", channel="phone"), Listener(name="person:cleo", channel="phone")),
        )
    )
    assert look(service).people == ("person:anna", "person:ben", "person:cleo")


def test_who_has_to_give_a_code_is_bounded_and_told_until_it_ends() -> None:
    service = TwinService()
    for number in range(20):
        service.guard.engine.state.step_up.demand(f"person:{number:02}", AT, 20 - number)
    asked = look(service).asked
    assert [one.person for one in asked] == [f"person:{number:02}" for number in range(19, 19 - ASKED_SHOWN, -1)]
    assert asked[0].until == START + timedelta(minutes=1)
    service.clock.at += timedelta(minutes=20)
    assert look(service).asked == ()


def test_every_mode_and_policy_has_its_words() -> None:
    assert tuple(words.MODE_ENDS) == NAMES
    assert all(words.mode(name) for name in NAMES)
    assert all(words.policy(name) for name in ("ladder", "trial", "learned"))
    assert look(TwinService()).policy == "ladder"
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert words.day(now + timedelta(days=1), now) == "tomorrow"
