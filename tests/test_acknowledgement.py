"""When and in which order messages are acknowledged, told without a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeward.sources.acknowledgement import REMEMBERED, Ledger


def hand_over(ledger: Ledger, packet_id: int, name: str, *, dup: bool = False) -> bool:
    receipt = ledger.received(packet_id, name, dup=dup)
    if receipt is None:
        return False
    ledger.handed_over(receipt, name)
    return True


def connected(pending: list[str] | None = None) -> Ledger:
    ledger = Ledger(pending or [])
    ledger.connected(session_present=True)
    return ledger


def test_nothing_is_acknowledged_before_it_is_committed() -> None:
    ledger = connected()
    hand_over(ledger, 1, "1:a")
    assert list(ledger.due()) == []
    ledger.commit("1:a")
    assert list(ledger.due()) == [1]
    assert list(ledger.due()) == []


def test_acknowledgements_keep_the_order_of_receipt() -> None:
    ledger = connected()
    hand_over(ledger, 1, "1:a")
    silent = ledger.received(2, "2:b", dup=False)
    assert silent is not None
    silent.ready = True
    hand_over(ledger, 3, "3:c")
    ledger.commit("3:c")
    assert list(ledger.due()) == []
    ledger.commit("1:a")
    assert list(ledger.due()) == [1, 2, 3]


def acknowledged() -> Ledger:
    """A ledger whose one message was handed over, committed and acknowledged."""
    ledger = connected()
    hand_over(ledger, 1, "1:a")
    ledger.commit("1:a")
    assert list(ledger.due()) == [1]
    return ledger


def test_an_acknowledgement_that_the_network_lost_is_sent_again_as_often_as_the_message_comes() -> None:
    ledger = acknowledged()
    for _ in range(3):
        ledger.connected(session_present=True)
        assert not hand_over(ledger, 1, "1:a", dup=True)
        assert list(ledger.due()) == [1]
    assert ledger.take_settled() == []


def test_what_was_acknowledged_is_settled_when_the_broker_uses_its_packet_identifier_anew() -> None:
    for dup in (False, True):  # the new one may have been lost, and come again
        ledger = acknowledged()
        hand_over(ledger, 2, "2:b")
        assert ledger.take_settled() == []
        assert hand_over(ledger, 1, "1:c", dup=dup)
        assert ledger.take_settled() == ["1:a"]
        assert ledger.take_settled() == []


def test_the_same_words_under_the_same_packet_identifier_are_settled_when_the_last_of_them_is() -> None:
    """The journal has one row for both."""
    ledger = acknowledged()
    assert hand_over(ledger, 1, "1:a")
    assert ledger.take_settled() == []
    ledger.commit("1:a")
    assert list(ledger.due()) == [1]
    assert ledger.take_settled() == []
    ledger.received(1, "1:b", dup=False)
    assert ledger.take_settled() == ["1:a"]


def test_of_what_was_acknowledged_the_oldest_are_given_up() -> None:
    ledger = connected([f"{number}:x" for number in range(1, REMEMBERED + 1)])
    hand_over(ledger, 60_000, "60000:a")
    ledger.commit("60000:a")
    assert ledger.take_settled() == []
    assert list(ledger.due()) == [60_000]
    assert ledger.take_settled() == ["1:x"]


def test_what_an_earlier_process_journaled_is_acknowledged_without_a_second_event() -> None:
    ledger = connected(["7:x"])
    assert not hand_over(ledger, 7, "7:x", dup=True)
    assert list(ledger.due()) == [7]
    ledger.received(7, "7:y", dup=False)
    assert ledger.take_settled() == ["7:x"]


def test_the_same_words_without_the_dup_flag_are_another_message() -> None:
    ledger = connected(["7:x"])
    assert hand_over(ledger, 7, "7:x")
    assert list(ledger.due()) == []


def test_a_redelivery_that_nobody_knows_is_handed_over() -> None:
    assert hand_over(connected(["7:x"]), 7, "7:other", dup=True)


def test_a_commit_while_the_connection_is_away_is_acknowledged_when_the_message_comes_again() -> None:
    ledger = connected()
    hand_over(ledger, 1, "1:a")
    hand_over(ledger, 2, "2:b")
    ledger.connected(session_present=True)
    ledger.commit("1:a")
    assert list(ledger.due()) == []
    assert ledger.take_settled() == []
    assert not hand_over(ledger, 1, "1:a", dup=True)
    assert not hand_over(ledger, 2, "2:b", dup=True)
    assert list(ledger.due()) == [1]
    ledger.commit("2:b")
    assert list(ledger.due()) == [2]


def test_what_was_committed_but_held_back_by_the_order_is_not_forgotten_with_the_connection() -> None:
    ledger = connected()
    hand_over(ledger, 1, "1:a")
    hand_over(ledger, 2, "2:b")
    ledger.commit("2:b")
    ledger.connected(session_present=True)
    assert not hand_over(ledger, 1, "1:a", dup=True)
    assert not hand_over(ledger, 2, "2:b", dup=True)
    ledger.commit("1:a")
    assert list(ledger.due()) == [1, 2]


def test_when_the_broker_has_lost_the_session_nothing_is_waited_for() -> None:
    ledger = connected(["7:x"])
    hand_over(ledger, 1, "1:a")
    ledger.connected(session_present=False)
    assert hand_over(ledger, 1, "1:a"), "a new message under a used number"
    ledger.commit("1:a")
    assert list(ledger.due()) == [], "the first commit is for the first message"
    ledger.commit("1:a")
    assert list(ledger.due()) == [1]
    assert ledger.take_settled() == ["7:x"]


def test_names_that_are_no_deliveries_are_harmless() -> None:
    ledger = connected(["", "x:y", "²:y", ":"])
    ledger.commit("unheard of")
    assert list(ledger.due()) == []
    assert sorted(ledger.take_settled()) == sorted(["", "x:y", "²:y", ":"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["new", "commit", "deafen", "lose", "forget", "restart"]), st.integers(0, 5)),
        max_size=60,
    )
)
def test_every_message_is_journaled_once_and_acknowledged_only_once_committed(steps: list[tuple[str, int]]) -> None:
    """A broker with six packet identifiers. It may miss acknowledgements, and lose the connection or the session; the
    guard may be killed, and has then what its journal has."""
    ledger = connected()
    on_broker: dict[int, str] = {}  # of which it has no acknowledgement, in the order of sending
    handed: list[str] = []  # and not yet committed
    journal: list[str] = []
    rows: dict[str, None] = {}
    hears = True
    for count, (step, number) in enumerate(steps):
        if step == "new" and number not in on_broker and hears:
            on_broker[number] = f"{number}:{count}"
            assert hand_over(ledger, number, on_broker[number])
            handed.append(on_broker[number])
        elif step == "commit" and handed:
            name = handed.pop(number % len(handed))
            journal.append(name)
            rows[name] = None
            ledger.commit(name)
        elif step == "deafen":
            hears = False
        elif step in ("lose", "forget", "restart"):
            hears = True
            if step == "restart":
                ledger = Ledger(rows)
                handed.clear()
            if step == "forget":
                on_broker.clear()
            ledger.connected(session_present=step != "forget")
            for packet_id, name in on_broker.items():
                if hand_over(ledger, packet_id, name, dup=True):
                    handed.append(name)
        acknowledged = list(ledger.due())
        if hears:
            assert acknowledged == list(on_broker)[: len(acknowledged)], "in the order of receipt"
            for packet_id in acknowledged:
                assert on_broker.pop(packet_id) in journal
        for name in ledger.take_settled():
            del rows[name]
        assert len(set(journal + handed)) == len(journal + handed), "nothing comes twice"
        assert set(on_broker.values()) <= {*rows, *handed}
        assert len(rows) <= 2 * 6
    ledger.connected(session_present=True)
    handed += [name for packet_id, name in on_broker.items() if hand_over(ledger, packet_id, name, dup=True)]
    for name in handed:
        ledger.commit(name)
    assert list(ledger.due()) == list(on_broker)
