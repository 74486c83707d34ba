from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from homeward.bench.network.features import Features
from homeward.bench.network.judge import Verdict
from homeward.bench.network.peers import Detectors, NeverSeen, threshold
from homeward.bench.peers.featured import Detector
from homeward.core.flow import Flow

MINUTE = 60_000


class Bytes(Detector):
    """Scores a row by the bytes sent in it, and remembers what it learned."""

    def __init__(self) -> None:
        self.learned: list[float] = []
        self.nights = 0

    def score(self, row: Sequence[float]) -> float:
        return row[2]

    def score_and_learn(self, row: Sequence[float]) -> float:
        raise NotImplementedError

    def learn(self, row: Sequence[float], weight: int) -> None:
        self.learned += [row[2]] * weight

    def midnight(self) -> None:
        self.nights += 1

    def copy(self) -> Bytes:
        raise NotImplementedError


def test_a_threshold_comes_from_what_teaches_and_what_is_above_it_teaches_nothing() -> None:
    made: list[Bytes] = []

    def make() -> Bytes:
        made.append(Bytes())
        return made[-1]

    peer = Detectors(make)
    for n, sent in enumerate((10**6, 5, 20, 10)):  # the first half sets no threshold
        peer.teach("d", Flow("p", 1, "tcp", sent=sent), n * MINUTE)
    verdicts = [peer.judge("d", Flow("p", 1, "tcp", sent=sent), 10 * MINUTE) for sent in (20, 21, 3)]
    assert [verdict.unusual for verdict in verdicts] == [False, True, False]
    assert len(made[0].learned) == 4 + 2
    assert made[0].nights == 2, "fitted on half of what teaches, then on all, and never again"
    assert verdicts[1].score not in made[0].learned


def test_devices_share_no_detector_and_where_nothing_taught_nobody_alarms() -> None:
    made: list[Bytes] = []
    peer = Detectors(lambda: made.append(Bytes()) or made[-1])  # type: ignore[func-returns-value]
    assert peer.judge("d", Flow("p", 1, "tcp", sent=10**9), 0) == Verdict(0.0, False)
    peer.judge("e", Flow("p", 1, "tcp"), 0)
    assert len(made) == 2


def test_a_threshold_keeps_the_budget_and_is_the_lowest_that_does() -> None:
    hours = [n * 60 * MINUTE for n in range(49)]  # two days: two alarms
    assert threshold([(at, float(place)) for place, at in enumerate(hours)]) == 46.0
    assert threshold([(at, float(place)) for place, at in enumerate(hours[:20])]) == 19.0
    assert threshold([]) == math.inf
    burst = [(at, 1.0) for at in hours] + [(hours[-1] + n, 5.0) for n in range(100)]
    assert threshold(burst) == 1.0, "a hundred flows in a row are one alarm"


def test_whom_a_device_has_never_met_it_does_not_get_to_know() -> None:
    rule = NeverSeen()
    rule.teach("d", Flow("p", 1, "tcp"), 0)
    assert not rule.judge("d", Flow("p", 1, "udp"), 1).unusual
    for flow in (Flow("p", 2, "tcp"), Flow("q", 1, "tcp"), Flow("q", 1, "tcp")):
        assert rule.judge("d", flow, 2) == Verdict(1.0, True)
    assert rule.judge("e", Flow("p", 1, "tcp"), 3).unusual


any_flow = st.builds(
    Flow,
    peer=st.sampled_from(["a", "b", "c"]),
    port=st.integers(0, 65_535),
    protocol=st.sampled_from(["tcp", "udp", "icmp"]),
    inbound=st.booleans(),
    sent=st.integers(0, 1 << 53),
    received=st.integers(0, 1 << 53),
    seconds=st.floats(0, 1e9),
    state=st.sampled_from(["", "S0", "SF"]),
)


@given(st.lists(st.tuples(any_flow, st.booleans()), max_size=20))
def test_a_row_is_of_numbers_from_0_to_1_and_counts_only_what_was_learned(every: list[tuple[Flow, bool]]) -> None:
    features, other = Features(), Features()
    for n, (flow, learned) in enumerate(every):
        row = features.row(flow, n * 1000)
        assert len(row) == 21
        assert all(0 <= value <= 1 for value in row)
        assert row == other.row(flow, n * 1000)
        if learned:
            features.count(flow, n * 1000)
            other.count(flow, n * 1000)
        else:
            other.row(flow, n * 1000)
