"""When and in which order messages are acknowledged, told without a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeward.sources.acknowledgement import Ledger


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
    assert ledger.take_settled() == ["1:a"]
    assert ledger.take_settled() == []


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
    assert ledger.take_settled() == ["1:a", "3:c"]


def test_what_an_earlier_process_journaled_is_acknowledged_without_a_second_event() -> None:
    ledger = connected(["7:x"])
    assert not hand_over(ledger, 7, "7:x", dup=True)
    assert list(ledger.due()) == [7]
    assert ledger.take_settled() == ["7:x"]


def test_the_same_words_without_the_dup_flag_are_another_message() -> None:
    ledger = connected(["7:x"])
    assert hand_over(ledger, 7, "7:x")
    assert ledger.take_settled() == ["7:x"], "the broker has done with the packet identifier"
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
    assert ledger.take_settled() == ["1:a", "2:b"]


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
    assert ledger.take_settled() == ["7:x", "1:a", "1:a"]


def test_names_that_are_no_deliveries_are_harmless() -> None:
    ledger = connected(["", "x:y", "²:y", ":"])
    ledger.commit("unheard of")
    assert list(ledger.due()) == []
    assert sorted(ledger.take_settled()) == sorted(["", "x:y", "²:y", ":"])


@given(st.lists(st.tuples(st.sampled_from(["new", "commit", "lose", "forget"]), st.integers(0, 5))))
def test_every_message_is_handed_over_once_and_acknowledged_only_once_committed(steps: list[tuple[str, int]]) -> None:
    """A broker with six packet identifiers, which may lose the connection, or the session, at any time."""
    ledger = connected()
    on_broker: dict[int, str] = {}  # unacknowledged, in the order of sending
    handed: dict[str, int] = {}
    committed: set[str] = set()
    count = 0
    for step, number in steps:
        if step == "new" and number not in on_broker:
            count += 1
            name = f"{number}:{count}"
            on_broker[number] = name
            assert hand_over(ledger, number, name)
            handed[name] = number
        elif step == "commit" and handed.keys() - committed:
            name = sorted(handed.keys() - committed)[number % len(handed.keys() - committed)]
            committed.add(name)
            ledger.commit(name)
        elif step in ("lose", "forget"):
            if step == "forget":
                on_broker.clear()
            ledger.connected(session_present=step == "lose")
            for packet_id, name in on_broker.items():
                assert not hand_over(ledger, packet_id, name, dup=True)
        acknowledged = list(ledger.due())
        assert acknowledged == list(on_broker)[: len(acknowledged)], "in the order of receipt"
        for packet_id in acknowledged:
            assert on_broker.pop(packet_id) in committed
    for name in sorted(handed.keys() - committed):
        ledger.commit(name)
    assert list(ledger.due()) == list(on_broker)
