"""A press means what it was made for, once, and nothing else is a press."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs
from tests.dashboard.twin import TwinService
from tests.running_entities import KEY

from homeward.core.event import NAME_LIMIT
from homeward.core.inputs import Change, Feedback
from homeward.dashboard import security
from homeward.presses import ABOUT_LIMIT, PRESS_LIMIT, REASONS, Press, Says, meant, new_press, read_press
from homeward.sources.payloads import Refused, clean_name

SAYS: tuple[Says, ...] = ("yes", "no", "too_much", "undo")

PLAIN = st.text(min_size=1, max_size=40).map(lambda text: clean_name(text) or "anna")
"""Names as the guard has them, in any script, also with spaces and per cents."""

PRESSES = st.builds(
    lambda says, about, person, channel: new_press(KEY, says, about, person, channel),
    st.sampled_from(SAYS),
    st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
    PLAIN.map(lambda name: f"person:{name}"),
    PLAIN,
)


def refusal(payload: bytes, *, channel: str | None = None, retained: bool = False) -> str:
    with pytest.raises(Refused) as refused:
        read_press(payload, KEY, channel=channel, retained=retained)
    assert str(refused.value) in REASONS
    return str(refused.value)


def sent(press: Press) -> bytes:
    return press.written().encode()


def test_a_press_is_five_words_on_one_line() -> None:
    press = new_press(KEY, "too_much", "i7", "person:Anna Maria", "100% ntfy")
    *words, token = press.written().split(" ")
    assert words == ["too_much", "i7", "person:Anna%20Maria", "100%25%20ntfy"]
    assert len(token) == 64
    assert read_press(sent(press), KEY) == press


@given(PRESSES)
def test_what_was_offered_is_taken_and_fits_on_one_line(press: Press) -> None:
    assert read_press(sent(press), KEY, channel=press.channel) == press
    assert len(sent(press)) <= PRESS_LIMIT
    assert len(press.written().splitlines()) == 1
    assert press.written().count(" ") == 4


@given(PRESSES, st.data())
def test_no_press_is_taken_that_was_changed_in_any_place(press: Press, data: st.DataObject) -> None:
    good = bytearray(sent(press))
    where = data.draw(st.integers(0, len(good)))
    kind = data.draw(st.sampled_from(["replace", "insert", "remove", "cut", "double"]))
    byte = data.draw(st.integers(0, 255))
    bad = bytes(
        {
            "replace": good[:where] + bytes([byte]) + good[where + 1 :],
            "insert": good[:where] + bytes([byte]) + good[where:],
            "remove": good[:where] + good[where + 1 :],
            "cut": good[:where],
            "double": good + b" " + good,
        }[kind]
    )
    assume(bad != good)
    assert refusal(bad) in {"malformed", "token", "too large"}


@given(PRESSES, PRESSES)
def test_a_token_is_for_one_word_one_thing_one_person_and_one_channel(press: Press, other: Press) -> None:
    """Nobody gets further by putting parts of two presses together, however the names lie next to each other."""
    token = {"token": press.token}
    swaps: tuple[dict[str, str], ...] = (
        {"says": other.says}, {"about": other.about}, {"person": other.person}, {"channel": other.channel},
        {"person": press.channel, "channel": press.person}, {"about": press.person, "person": press.about},
        structs.asdict(other) | token,
    )  # fmt: skip
    for swap in swaps:
        mixed = structs.replace(press, **swap)
        if mixed != press:
            assert refusal(sent(mixed)) in {"token", "malformed"}


@given(st.binary(max_size=2 * PRESS_LIMIT))
def test_any_bytes_are_refused_by_a_reason(payload: bytes) -> None:
    assert refusal(payload) in {"malformed", "token", "too large"}


def test_what_is_no_press_is_refused_by_its_reason() -> None:
    good = sent(new_press(KEY, "yes", "i1", "household", "mqtt"))
    assert refusal(good, retained=True) == "retained"
    assert refusal(good + b" " * PRESS_LIMIT) == "too large"
    assert refusal(good, channel="ntfy") == "channel"
    says, about, person, channel, token = good.split()
    for wrong in (
        b"", b"PRESS", b"nothing is offered", b"yes i1 " + token, good + b" more", good + b" ",
        good.replace(b" ", b"  "), good.replace(b" ", b"\n"), b"\xff" + good, b"[" * 300,
        b" ".join((b"maybe", about, person, channel, token)),
        b" ".join((says, b"", person, channel, token)),
        b" ".join((says, b"i" * 65, person, channel, token)),
        b" ".join((says, about, b"house%68old", channel, token)),
        b" ".join((says, about, b"p" * (NAME_LIMIT + 1), channel, token)),
        b" ".join((says, about, b"house\x00hold", channel, token)),
        good + b"t" * 128,
    ):  # fmt: skip
        assert refusal(wrong) == "malformed", wrong


def test_no_other_token_of_this_installation_or_of_another_opens_a_press() -> None:
    press = new_press(KEY, "yes", "i1", "household", "mqtt")
    for token in (
        "", "i1", "ü", press.token + "\n", press.token.upper(),
        new_press("z" * 43, "yes", "i1", "household", "mqtt").token,
        security.answer_token(KEY, "i1", "household", "mqtt"), security.undo_token(KEY, "i1", "household", "mqtt"),
    ):  # fmt: skip
        assert refusal(sent(structs.replace(press, token=token))) == "token"


@pytest.mark.parametrize("name", ["", " anna", "an\nna", "a\u202enna", "x" * 129])
def test_a_name_that_could_not_be_read_back_makes_no_press(name: str) -> None:
    for names in ((name, "mqtt"), ("household", name)):
        with pytest.raises(ValueError, match="names"):
            new_press(KEY, "yes", "i1", *names)


def test_the_longest_names_fit_in() -> None:
    for name in ("\U00020000" * NAME_LIMIT, "%" * NAME_LIMIT):
        press = new_press(KEY, "too_much", "i" * ABOUT_LIMIT, name, name)
        assert read_press(sent(press), KEY) == press
    with pytest.raises(ValueError, match="names"):
        new_press(KEY, "yes", "i" * (ABOUT_LIMIT + 1), "household", "mqtt")


def asked(service: TwinService, press: Press) -> Iterator[Feedback | Change]:
    return meant(press, service.guard.engine, service.clock.now())


@pytest.mark.parametrize(
    ("says", "answer", "too_much"), [("yes", "yes", False), ("no", "no", False), ("too_much", "yes", True)]
)
def test_an_answer_says_who_gave_it_and_through_what(says: Says, answer: str, too_much: bool) -> None:
    service = TwinService()
    service.incident("i1", "front door open")
    (given_,) = asked(service, new_press(KEY, says, "i1", "person:anna", "phone"))
    assert isinstance(given_, Feedback)
    assert (given_.incident, given_.answer, given_.person, given_.channel) == ("i1", answer, "person:anna", "phone")
    assert given_.too_much is too_much


def test_a_late_press_answers_what_it_names_and_only_once() -> None:
    service = TwinService()
    old, _new = service.incident("i1", "old"), service.incident("i2", "new")
    press = new_press(KEY, "yes", "i1", "household", "mqtt")
    (answer,) = asked(service, press)
    assert isinstance(answer, Feedback)
    assert answer.incident == "i1"
    old.answer = "no"
    service.incident("i3", "blind: gone", kind="blind")
    for name in ("i1", "i3", "i99"):
        with pytest.raises(Refused, match="too late"):
            list(asked(service, new_press(KEY, "yes", name, "household", "mqtt")))


def test_undo_names_who_took_back_and_nothing_newer() -> None:
    service = TwinService()
    service.lease("a", "lamp", "on", status="ended")
    service.lease("b", "siren", "on")
    service.lease("c", "lamp", "on")
    service.lease("d", "plug", "off")
    press = new_press(KEY, "undo", "c", "person:anna", "phone")
    changes = list(asked(service, press))
    assert [one.target for one in changes if isinstance(one, Change)] == ["b", "c"]
    assert {(one.person, one.channel) for one in changes} == {("person:anna", "phone")}
    for name in ("a", "unknown"):
        with pytest.raises(Refused, match="too late"):
            list(asked(service, new_press(KEY, "undo", name, "person:anna", "phone")))
