"""Messages: who is told, through which channel, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import START, hostile_text

from homeward.core.decision.ladder import LADDER, Rung
from homeward.core.decision.policy import Evidence
from homeward.core.effects import Action, Apply, Effect, IncidentKind, Record
from homeward.core.incident import Incident
from homeward.core.inputs import Outcome
from homeward.core.lease import LeaseBook, LeaseState
from homeward.core.messages import ESCALATE, TEXT_LIMIT, WAITING_LIMIT, Messages
from homeward.core.settings import Listener

HOUSE = Listener(name="household", channel="page")
PHONE = Listener(name="household", channel="phone")
ADA = Listener(name="person:ada", channel="ada's")
BOB = Listener(name="person:bob", channel="bob's", second=True)
MORNING = START + timedelta(hours=5)
ODD = Evidence(above=1_000, rule=False, guarded=False)
GUARDED = Evidence(above=1_000, rule=False, guarded=True)


class Post:
    """Messages, and the leases that they are."""

    def __init__(self, *listeners: Listener, quiet: bool = False) -> None:
        self.leases = LeaseBook(LeaseState())
        self.quiet = quiet
        self.messages = Messages(listeners, self.leases, self.quiet_until)

    def quiet_until(self, listener: Listener, now: datetime) -> datetime | None:
        return MORNING if self.quiet and now < MORNING else None

    def tell(
        self, rung: Rung = "ask", evidence: Evidence = ODD, person: str = "", about: Incident | None = None
    ) -> list[Effect]:
        return self.messages.tell(about or incident(), rung, evidence, START, person)

    def taken(self, effects: list[Effect]) -> None:
        for action in sent(effects):
            self.leases.outcome(Outcome(at=START, action=action.id, step="apply", ok=True), START)


def incident(number: int = 1, kind: IncidentKind = "unusual", device: str = "lamp", reason: str = "odd") -> Incident:
    return Incident(id=f"i{number}", kind=kind, opened=START, updated=START, device=device, reason=reason, alarms=1)


def sent(effects: list[Effect]) -> list[Action]:
    return [effect.action for effect in effects if isinstance(effect, Apply)]


def whom(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(action.device, action.command) for action in sent(effects)]


def test_a_message_is_a_one_shot_act_of_its_channel() -> None:
    (action,) = sent(Post(HOUSE).tell())
    assert action == Action(
        id="i1-1", incident="i1", responder="page", device="household", command="ask", restore=None, ends=None,
        text="odd",
    )  # fmt: skip


def test_each_channel_of_a_listener_is_told() -> None:
    assert [action.responder for action in sent(Post(HOUSE, PHONE).tell())] == ["page", "phone"]


@pytest.mark.parametrize(
    ("listeners", "person", "told"),
    [
        ((HOUSE, ADA, BOB), "person:ada", ["person:ada"]),
        ((HOUSE, ADA, BOB), "person:bob", ["household"]),
        ((HOUSE, ADA, BOB), "", ["household"]),
        ((ADA, BOB), "", ["person:ada"]),
        ((BOB,), "", []),
        ((), "person:ada", []),
    ],
)
def test_the_person_concerned_is_told_else_the_household_else_everybody_but_the_second(
    listeners: tuple[Listener, ...], person: str, told: list[str]
) -> None:
    assert [device for device, _ in whom(Post(*listeners).tell(person=person))] == told


@pytest.mark.parametrize("rung", [step.rung for step in LADDER if step.rung not in {"record", "escalate"}])
def test_all_but_the_gentlest_rung_asks_and_blindness_never_does(rung: Rung) -> None:
    assert whom(Post(HOUSE).tell(rung)) == [("household", "notify" if rung == "notify" else "ask")]
    assert whom(Post(HOUSE).tell(rung, about=incident(kind="blind"))) == [("household", "notify")]


@pytest.mark.parametrize(
    ("rung", "evidence", "kind", "waits"),
    [
        ("ask", ODD, "unusual", True),
        ("notify", ODD, "new", True),
        ("notify", ODD, "blind", True),
        ("ask", GUARDED, "unusual", False),
        ("ask", ODD, "rule", False),
        ("restrict", ODD, "network", False),
        ("undo", ODD, "unusual", False),
    ],
)
def test_quiet_hours_hold_what_can_wait(rung: Rung, evidence: Evidence, kind: IncidentKind, waits: bool) -> None:
    post = Post(HOUSE, quiet=True)
    assert (whom(post.tell(rung, evidence, about=incident(kind=kind))) == []) is waits
    assert post.leases.next_deadline() == (MORNING if waits else START + timedelta(seconds=30))
    if waits:
        assert whom(post.leases.run_due(MORNING)) == [("household", "notify" if rung == "notify" else "ask")]


def test_what_is_asked_and_urgent_escalates_later_where_there_is_somebody_second() -> None:
    for listeners, evidence, escalates in (
        ((HOUSE, BOB), GUARDED, START + ESCALATE),
        ((HOUSE, BOB), ODD, None),
        ((HOUSE,), GUARDED, None),
    ):
        post, about = Post(*listeners), incident()
        post.messages.tell(about, "ask", evidence, START)
        assert about.escalates == escalates
    post, about = Post(HOUSE, BOB), incident()
    post.messages.tell(about, "ask", GUARDED, START)
    effects = post.messages.escalate(about, START + ESCALATE)
    assert whom(effects) == [("person:bob", "escalate")]
    assert sent(effects)[0].text == "Nobody answered for 15 minutes: odd"
    assert (about.rung, about.escalates) == ("escalate", None)


def test_a_policy_that_escalates_at_once_tells_both_at_once() -> None:
    assert whom(Post(HOUSE, BOB).tell("escalate")) == [("household", "ask"), ("person:bob", "escalate")]


def test_a_channel_that_fails_is_not_told_of_through_itself() -> None:
    effects = Post(HOUSE, PHONE).tell("notify", about=incident(kind="blind", device="responder:phone"))
    assert [action.responder for action in sent(effects)] == ["page"]


def test_who_was_told_is_followed_up_and_nobody_else() -> None:
    post, about = Post(HOUSE, PHONE, ADA), incident()
    effects = post.messages.tell(about, "ask", ODD, START)
    post.leases.outcome(Outcome(at=START, action="i1-1", step="apply", ok=True), START)
    post.leases.outcome(Outcome(at=START, action="i1-2", step="apply", ok=False, detail="no route"), START)
    assert post.messages.told(about) == [HOUSE]
    effects = post.messages.follow_up(about, post.messages.told(about), "ada said: that was me", START)
    assert [(action.responder, action.command, action.text) for action in sent(effects)] == [
        ("page", "notify", "ada said: that was me")
    ]


def test_what_waits_for_the_morning_was_not_told() -> None:
    post, about = Post(HOUSE, quiet=True), incident()
    post.messages.tell(about, "ask", ODD, START)
    assert post.messages.told(about) == []


def test_more_of_it_says_so() -> None:
    post, about = Post(HOUSE), incident()
    about.alarms = 2
    assert [action.text for action in sent(post.messages.tell(about, "ask", ODD, START))] == ["More of it: odd"]


def test_what_can_wait_leaves_room_for_what_cannot() -> None:
    post = Post(HOUSE, quiet=True)
    effects = [effect for number in range(100) for effect in post.tell(about=incident(number))]
    assert len(post.leases.open()) == WAITING_LIMIT // 2
    assert [effect.kind for effect in effects if isinstance(effect, Record)] == ["unsent"] * (
        100 - WAITING_LIMIT // 2
    )
    effects = [effect for number in range(200, 300) for effect in post.tell(evidence=GUARDED, about=incident(number))]
    assert len(post.leases.open()) == WAITING_LIMIT
    assert len(sent(effects)) == WAITING_LIMIT // 2
    post.taken(effects)
    assert whom(post.tell(evidence=GUARDED, about=incident(400))) == [("household", "ask")]


@given(hostile_text.map(lambda text: text * 20), st.integers(0, 9))
def test_a_message_says_no_more_than_its_channel_can_carry(reason: str, alarms: int) -> None:
    about = incident(reason=reason)
    about.alarms = alarms
    post = Post(HOUSE, BOB)
    effects = post.messages.tell(about, "escalate", GUARDED, START) + post.messages.escalate(about, START)
    assert all(len(action.text) <= TEXT_LIMIT for action in sent(effects))
