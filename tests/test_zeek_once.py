"""Each of Zeek's flows is told once: through kills, rotations and records that come late."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network_logs import CAMERA, LAPTOP, ZeekFolder, conn

from homeward.core.event import Event
from homeward.core.flow import read_flow
from homeward.journal import Journal
from homeward.sources import flow_events
from homeward.sources.zeek import ZeekSource


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_events, "POLL", 0.005)


@pytest.fixture
def zeek(tmp_path: Path) -> ZeekFolder:
    return ZeekFolder(tmp_path / "current")


async def told(source: ZeekSource, until: Callable[[Event], bool]) -> list[Event]:
    """What the source tells, up to an event that ends it."""
    found = []
    async with asyncio.timeout(20), aclosing(source.events()) as items:  # type: ignore[type-var]
        async for item in items:
            if isinstance(item, Event):
                found.append(item)
                if until(item):
                    break
    return found


def peer_is(peer: str) -> Callable[[Event], bool]:
    return lambda event: event.attributes.get("peer") == peer


class Journaled:
    """What is on disk: the events, and the deliveries that may come again."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pending: dict[str, None] = {}
        self.last: dict[str, str] = {}

    def commit(self, source: ZeekSource, events: list[Event]) -> None:
        self.events += events
        names = [event.attributes["delivery"] for event in events if "delivery" in event.attributes]
        self.pending.update(dict.fromkeys(names))
        for settled in source.committed(names):
            del self.pending[settled]


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 2), st.sampled_from([0, 0, 0, -90, 30, 60])), max_size=12
        ),
        st.booleans(),  # rotated before
        st.one_of(st.none(), st.integers(0, 12)),  # killed when so many events were on disk
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_each_flow_is_counted_once_however_often_the_guard_is_killed_and_the_log_rotated(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[list[tuple[int, int, int]], bool, int | None]]
) -> None:
    zeek = ZeekFolder(tmp_path_factory.mktemp("zeek") / "current")
    journal, written, second = Journaled(), Counter[str](), 0
    zeek.add(conn(resp="198.51.100.250"))

    async def live() -> None:
        nonlocal second
        source = ZeekSource(zeek.folder)
        async with aclosing(source.events()) as items:  # type: ignore[type-var]
            await anext(items)
            zeek.add(conn(0, resp="198.51.100.200"))
            written["198.51.100.200"] += 1
            first = await anext(items), await anext(items)
            journal.commit(source, [item for item in first if isinstance(item, Event)])
        for number, (records, rotated, kill_after) in enumerate([*plan, ([], False, None)]):
            if rotated:
                zeek.rotate()
            second += 60
            end = f"198.51.100.{100 + number}"
            for device, peer, later in [*records, (0, 100 + number, 120)]:
                second += max(later, 0)  # some come late
                zeek.add(conn(second + min(later, 0), orig=(CAMERA, LAPTOP)[device], resp=f"198.51.100.{peer}"))
                written[f"198.51.100.{peer}"] += 1
            source = ZeekSource(zeek.folder, pending=list(journal.pending))
            events = await told(source, peer_is(end))
            journal.commit(source, events if kill_after is None else events[:kill_after])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_events, "POLL", 0)
        asyncio.run(live())
    counted: Counter[str] = Counter()
    for event in journal.events:
        if event.action == "flow":
            counted[event.attributes["peer"]] += int(event.attributes["count"])
    assert counted == written
    assert len(journal.pending) <= 12


async def test_what_came_late_is_told_once_too(zeek: ZeekFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_events, "WINDOW", 0.01)
    journal, source = Journaled(), ZeekSource(zeek.folder)
    items, events = source.events(), []
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        zeek.add(conn(600), conn(601))
        events += [await anext(items) for _ in range(3)]  # the last one says that this window is over
        zeek.add(conn(480, port=1), conn(540, port=2))  # of minutes that are over, in a window of their own
        events += [await anext(items) for _ in range(2)]
    journal.commit(source, [item for item in events if isinstance(item, Event)])
    monkeypatch.setattr(flow_events, "WINDOW", 60.0)
    zeek.add(conn(660, resp="198.51.100.100"))
    journal.commit(
        source, await told(ZeekSource(zeek.folder, pending=list(journal.pending)), peer_is("198.51.100.100"))
    )
    counts = [event.attributes["count"] for event in journal.events if event.action == "flow"]
    assert counts == ["1"] * 5


GUARD = """
import asyncio, sys
from pathlib import Path
from homeward.core.event import Event
from homeward.journal import Journal
from homeward.sources import flow_events
from homeward.sources.zeek import ZeekSource
flow_events.POLL = 0.001

async def main(folder, data):
    journal = Journal(data)
    source = ZeekSource(folder, pending=journal.unacknowledged("zeek"))
    async for item in source.events():
        print("up" if not isinstance(item, Event) else item.attributes.get("peer", "announced"), flush=True)
        if isinstance(item, Event) and "delivery" in item.attributes:
            name = item.attributes["delivery"]
            journal.append([item], deliveries=[("zeek", name)])
            journal.acknowledged([("zeek", done) for done in source.committed([name])])

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_killed_again_and_again_while_the_log_grows_it_counts_each_flow_once(
    zeek: ZeekFolder, tmp_path: Path
) -> None:
    data, written = tmp_path / "data", 0
    data.mkdir(0o700)

    def guard() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", GUARD, str(zeek.folder), str(data)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    for life in range(5):
        with guard() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            for number in range(200):
                zeek.add(conn(life * 240 + number, resp=f"198.51.100.{number % 3}", port=number % 7))
            written += 200
            for _ in range(10 + 7 * life):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            process.stdout.read()
        if life % 2:
            zeek.rotate()
    zeek.add(conn(10_000, resp="198.51.100.100"))
    with guard() as process:
        assert process.stdout is not None
        assert "198.51.100.100\n" in iter(process.stdout.readline, "")
        process.kill()
        process.stdout.read()
    with_end = Journal(data)
    events = [item for _, item in with_end.inputs() if isinstance(item, Event)]
    with_end.close()
    flows = [flow for flow in map(read_flow, events) if flow is not None and flow.peer != "198.51.100.100"]
    assert sum(flow.times for flow in flows) == written
    assert sum(flow.sent for flow in flows) == 100 * written
    assert len(flows) < written
