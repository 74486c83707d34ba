"""Metrics: nothing that is dropped, refused or late goes uncounted, and no label tells who or where."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tests.core.engines import siren_howling
from tests.strategies import hostile_text

from homeward.core.effects import Action
from homeward.core.incident import Incident
from homeward.core.lease import Lease
from homeward.exchange.metrics import METRICS, SAMPLES_LIMIT, Snapshot, render

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
QUIET = Snapshot(
    version="0.1.0", counters={}, incidents=(), leases=(), sources={}, ready=False, budget=1.0, unwritten=0
)
Labels = tuple[tuple[str, str], ...]


def scraped(snapshot: Snapshot) -> dict[str, dict[Labels, float]]:
    """What Prometheus' own parser makes of it: values by name and labels."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(render(snapshot).decode()):
        assert family.type in {"counter", "gauge"}
        assert family.documentation
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), "a series is told twice"
            found[sample.name][labels] = sample.value
    return found


def counted(counters: Mapping[str, int], metric: str) -> dict[Labels, float]:
    return scraped(replace(QUIET, counters=counters)).get(f"homeward_{metric}_total", {})


def test_a_guard_that_has_just_begun_says_so() -> None:
    found = scraped(QUIET)
    assert found["homeward_info"] == {(("version", "0.1.0"),): 1}
    assert found["homeward_ready"] == {(): 0}
    assert found["homeward_budget_alarms_per_week"] == {(): 1}
    assert found["homeward_unwritten_entries"] == {(): 0}
    assert set(found["homeward_incidents_open"].values()) == {0}
    assert set(found["homeward_leases_open"].values()) == {0}
    assert "homeward_refused_total" not in found


def test_a_real_engine_in_the_middle_of_an_alarm() -> None:
    engine, _ = siren_howling()
    found = scraped(replace(QUIET, incidents=engine.incidents.values(), leases=engine.leases.values()))
    assert found["homeward_incidents_open"][(("kind", "rule"),)] == 1
    assert found["homeward_incidents_unanswered"] == {(): 1}
    assert found["homeward_leases_open"][(("status", "active"),)] == 1


def test_what_is_over_or_answered_is_not_open() -> None:
    over = Incident(id="i1", kind="unusual", opened=NOW, updated=NOW, closed=NOW, alarms=1, answer="yes")
    action = Action(id="l1", incident="i1", responder="dry_run", device="lamp", command="on", restore=None, ends=None)
    ended = Lease(action=action, opened=NOW, status="ended")
    found = scraped(replace(QUIET, incidents=[over], leases=[ended]))
    assert sum(found["homeward_incidents_open"].values()) == 0
    assert found["homeward_incidents_unanswered"] == {(): 0}
    assert sum(found["homeward_leases_open"].values()) == 0


def test_blindness_waits_for_no_answer() -> None:
    blind = Incident(id="i1", kind="blind", opened=NOW, updated=NOW, alarms=1)
    assert scraped(replace(QUIET, incidents=[blind]))["homeward_incidents_unanswered"] == {(): 0}


def test_what_a_source_refused_is_counted_by_source_and_reason() -> None:
    found = counted(
        {"refused: mqtt: not a number": 3, "refused: zeek: malformed": 2, "refused: malformed": 1}, "refused"
    )
    assert found == {
        (("reason", "not a number"), ("source", "mqtt")): 3,
        (("reason", "malformed"), ("source", "zeek")): 2,
        (("reason", "malformed"), ("source", "other")): 1,
    }


def test_each_thing_of_the_guards_own_has_its_place() -> None:
    assert counted({"held_dropped": 4, "dropped_while_full": 2}, "dropped") == {
        (("kind", "held"),): 4,
        (("kind", "while full"),): 2,
    }
    assert counted({"bad_clock": 7}, "late") == {(("kind", "bad clock"),): 7}
    assert counted({"commits_failed": 1}, "failed") == {(("kind", "commit"),): 1}
    assert counted({"refused_name": 5}, "refused") == {(("reason", "name"), ("source", "guard")): 5}
    assert counted({"alarm: silent": 2}, "alarms") == {(("kind", "silent"),): 2}


def test_a_counter_that_nobody_thought_of_is_told_all_the_same() -> None:
    assert counted({"flows_dropped": 3}, "dropped") == {(("kind", "flows dropped"),): 3}
    assert counted({"late: beacon": 3}, "late") == {(("kind", "beacon"),): 3}
    assert counted({"echo": 3}, "counted") == {(("kind", "echo"),): 3}


def test_events_are_counted_once() -> None:
    assert counted({"events": 9}, "events") == {(("source", "other"),): 9}
    assert counted({"events": 9, "events: mqtt": 5, "events: zeek": 4}, "events") == {
        (("source", "mqtt"),): 5,
        (("source", "zeek"),): 4,
    }


def test_the_page_describes_every_metric(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "metrics.md").read_text("utf-8")
    told = re.findall(r"^\| `(homeward_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", page, re.MULTILINE)
    assert told == [
        (one.name, one.type, ", ".join(f"`{label}`" for label in one.labels), one.help) for one in METRICS
    ]


def test_every_counter_of_the_code_is_one_that_is_told(repository: Path) -> None:
    """Names are found where they are counted; each must come out under some metric with its number."""
    pattern = re.compile(r"(?:_count\(|_counts\[|counters\[)\"([a-z_]+)\"")
    sources = [path for path in (repository / "src").rglob("*.py") if "bench" not in path.parts]
    names = {name for path in sources for name in pattern.findall(path.read_text("utf-8"))}
    assert {"held_dropped", "refused_name", "commits", "source_restarts"} <= names
    for name in names:
        found = scraped(replace(QUIET, counters={name: 41}))
        assert 41 in {value for metric in found.values() for value in metric.values()}, name


def test_a_source_that_cannot_be_seen_is_down() -> None:
    found = scraped(replace(QUIET, sources={"mqtt": True, "zeek": False}))
    assert found["homeward_source_up"] == {(("source", "mqtt"),): 1, (("source", "zeek"),): 0}


def test_of_two_sources_whose_names_are_not_told_the_one_that_is_down_is_seen() -> None:
    found = scraped(replace(QUIET, sources={"/var/log/x": False, "Küche": True}))
    assert found["homeward_source_up"] == {(("source", "other"),): 0}


def test_what_is_no_plain_word_is_told_as_other() -> None:
    found = counted(
        {"refused: mqtt: zigbee2mqtt/Annas Zimmer/set": 1, "refused: 192.168.1.7: malformed": 2}, "refused"
    )
    assert (("reason", "other"), ("source", "mqtt")) in found


def test_there_are_never_more_series_than_one_can_keep() -> None:
    found = counted({f"refused: mqtt: reason {number}": 1 for number in range(1_000)}, "refused")
    assert len(found) == SAMPLES_LIMIT
    assert sum(found.values()) == 1_000


@settings(deadline=None, max_examples=60, derandomize=os.environ.get("CI") == "true")
@given(
    counters=st.dictionaries(
        st.one_of(hostile_text, hostile_text.map("refused: mqtt: ".__add__), hostile_text.map("late: ".__add__)),
        st.integers(0, 2**53),
        max_size=12,
    ),
    sources=st.dictionaries(hostile_text, st.booleans(), max_size=5),
    version=hostile_text,
)
def test_no_name_can_break_the_format(counters: dict[str, int], sources: dict[str, bool], version: str) -> None:
    found = scraped(replace(QUIET, counters=counters, sources=sources, version=version))
    told = sum(sum(found.get(name, {}).values()) for name in found if name.endswith("_total"))
    assert told == float(sum(counters.values())) or sum(counters.values()) > 2**53
