"""What `bench speed` measures, and how: never how fast it is."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.bench.homes import Household
from homeward.bench.neighbourhood import household
from homeward.bench.peers import DETECTORS, Library
from homeward.bench.speed import Sizes, growth, latency, markdown, memory, processes, rates, run, table
from homeward.bench.speed.goals import goal_rows, targets
from homeward.bench.speed.latency import WAYS, Taken, percentile
from homeward.bench.speed.places import file_system
from homeward.bench.speed.processes import ProcessError
from homeward.bench.speed.streams import FLAT, flats, of_ten_devices, whole
from homeward.core.engine import Engine
from homeward.journal import Journal, chain

SIZES = Sizes(events=300, piece=200, days=10, devices=30, guards=1, history=400, live=100, rounds=1)


@pytest.fixture(scope="module")
def home() -> Household:
    return household(1, 0, 30)


@pytest.fixture(scope="module")
def steps() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def result(steps: list[tuple[int, int]], need_program: Callable[[str, str], str]) -> dict[str, Any]:
    """The whole thing, small: a real broker, real guards, a real disk."""
    need_program("mosquitto", "mosquitto")
    return run(Path(), seed=1, sizes=SIZES, progress=lambda done, of, _what: steps.append((done, of)))


# The whole of it ----------------------------------------------------------------------------------------------------


def test_the_result_has_the_agreed_shape(result: dict[str, Any], steps: list[tuple[int, int]]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert set(result["events_per_s"]) == {"homeward", "half_space_trees", "isolation_forest", "loda", "markov"}
    assert all(rate > 0 for rate in result["events_per_s"].values())
    assert result["kernel_events_per_s"] > 0
    assert result["compiled_kernel_events_per_s"] is None
    assert list(result["growth"]) == ["day_1", "day_10", "devices_10", "devices_30"]
    assert all(rate > 0 for rate in result["growth"].values())
    assert result["bytes_per_device"] > 0
    assert result["file_system"]
    assert set(result["reasons"]) == {"compiled_kernel_events_per_s"}
    assert steps == [(done, SIZES.steps) for done in range(1, SIZES.steps + 1)]


def test_a_real_guard_gives_every_command_that_is_measured(result: dict[str, Any]) -> None:
    times = result["latency_ms"]
    assert (times["commands"], times["unanswered"]) == (6, 0)
    for way in WAYS:
        assert 0 < times[f"{way}p50"] <= times[f"{way}p99"]
    assert result["broker"].startswith("Mosquitto ")


def test_the_memory_of_a_guard_that_heard_something_is_told(result: dict[str, Any]) -> None:
    assert result["rss_mib"] > 10
    assert SIZES.history < result["rss_events"] <= SIZES.history + SIZES.live


def test_it_is_told_in_words_with_machine_and_date(result: dict[str, Any]) -> None:
    told = table(result)
    assert "homeward, whole path" in told
    assert "Measured on 20" in told
    assert "homeward bench speed --seed 1" in told
    assert "there is no compiled kernel yet" in told
    page = markdown(result)
    assert "| message to command |" in page
    assert "| 30 devices |" in page
    assert "Measured on" not in page, "the command line adds it"


def _never(_seed: int) -> Any:
    raise AssertionError("what is not installed is not made")


def test_without_a_broker_and_a_peer_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "half_space_trees", Library(name="River", needs=("no_such",), make=_never))
    monkeypatch.setattr(processes, "_mosquitto", lambda: None)
    monkeypatch.setattr(processes, "find_spec", lambda _name: None)
    assert processes.which_broker() == ""
    told = run(Path(), seed=1, sizes=SIZES)
    assert told["rss_mib"] is told["broker"] is told["latency_ms"]["p50"] is told["latency_ms"]["echo_p99"] is None
    assert told["growth"]
    why = told["reasons"]
    assert "half_space_trees" not in told["events_per_s"]
    assert why["half_space_trees"] == "River is not installed (pip install 'homeward[bench]')"
    assert why["rss_mib"] == why["latency_ms"]
    assert why["rss_mib"].startswith("no MQTT broker is installed")
    assert "No figure for latency ms: no MQTT broker" in table(told)


def test_a_message_that_leads_to_no_command_is_counted_and_that_guard_asked_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need_program: Callable[[str, str], str]
) -> None:
    need_program("mosquitto", "mosquitto")
    to_the_lock = 'responder = "mqtt"\ntopic = "speed{number}/lock/set"\n'
    assert to_the_lock in latency.CONFIGURATION
    monkeypatch.setattr(latency, "CONFIGURATION", latency.CONFIGURATION.replace(to_the_lock, ""))
    monkeypatch.setattr(latency, "ANSWER_SECONDS", 1.0)
    told = latency.measure(tmp_path, guards=1)["latency_ms"]
    assert (told["commands"], told["unanswered"], told["p50"]) == (0, 1, None)
    assert told["echo_p50"] > 0


# Percentiles --------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert found is not None
    enough = math.ceil(percent * len(values) / 100)
    assert sum(value <= found for value in values) >= enough
    assert sum(value < found for value in values) < enough


def test_a_percentile_of_a_hundred_is_its_rank() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert [percentile(hundred, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([], 99) is None


def test_nothing_taken_is_no_figure() -> None:
    told = Taken().told()
    assert told["p50"] is told["echo_p99"] is told["first_p50"] is None
    assert (told["commands"], told["unanswered"]) == (0, 0)
    assert Taken(answer=[0.0012345]).told()["p50"] == 1.234


# Streams ------------------------------------------------------------------------------------------------------------


def test_the_streams_are_a_function_of_the_seed(home: Household) -> None:
    again = household(1, 0, 30)
    assert whole(again, 500) == whole(home, 500)
    assert flats(again, 70, 2_000) == flats(home, 70, 2_000)
    assert whole(household(2, 0, 30), 500) != whole(home, 500)


@pytest.mark.parametrize("devices", [10, 34, 400])
def test_flats_have_as_many_devices_in_order_of_time(home: Household, devices: int) -> None:
    stream = flats(home, devices, 3_000)
    assert len(stream.events) == 3_000
    assert len(stream.settings.devices) == devices
    assert all(before.at <= now.at for before, now in pairwise(stream.events))
    assert {event.device for event in stream.events} <= {device.name for device in stream.settings.devices}
    assert stream.begins.at == stream.events[0].at
    assert len({event.id for event in stream.events}) == 3_000


def test_all_flats_begin_on_one_day_and_the_first_is_the_household_itself(home: Household) -> None:
    stream = flats(home, 200, 2_000)
    first_day = stream.events[0].at.timestamp() // 86_400
    assert {number for event in stream.events[:2_000] for number in [event.device.split()[-1]]} >= {"0", "19"}
    assert all(event.at.timestamp() // 86_400 - first_day <= 2 for event in stream.events)
    own = [(event.at, event.device.removesuffix(" 0")) for event in stream.events if event.device.endswith(" 0")]
    busiest = {name for _, name in own}
    lived = [(event.at, event.device) for event in home.events if event.device in busiest]
    assert own == [one for one in lived if one[0] <= own[-1][0]][-len(own) :]


def test_the_household_has_ten_devices_at_least() -> None:
    """The first of this seed has fewer."""
    assert len({event.device for event in household(1009, 0, 20).events}) < FLAT
    home = of_ten_devices(1009, 20)
    assert len({event.device for event in home.events}) >= FLAT
    assert home.name != household(1009, 0, 20).name
    assert of_ten_devices(1, 20) == household(1, 0, 20)


def test_too_short_a_household_is_said_to_be(home: Household) -> None:
    with pytest.raises(ValueError, match="too few for 1000000 of 10 devices"):
        flats(home, 10, 1_000_000)


# Rates and growth ---------------------------------------------------------------------------------------------------


def test_every_measure_takes_its_turn_and_the_median_counts() -> None:
    order: list[str] = []
    seconds = {"a": iter([3.0, 1.0, 2.0]), "b": iter([9.0, 9.0, 1.0])}

    def measure(name: str) -> Callable[[], float]:
        return lambda: next(seconds[name])

    found = rates.in_turns({name: measure(name) for name in seconds}, 3, order.append)
    assert found == {"a": 2.0, "b": 9.0}
    assert order == ["a", "b"] * 3


def test_the_whole_path_writes_everything_down(
    home: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    append = Journal.append

    def noted(journal: Any, entries: Any, **others: Any) -> None:
        append(journal, entries, **others)
        written.append(journal.last_seq)

    monkeypatch.setattr(Journal, "append", noted)
    stream = whole(home, 1_500)
    assert rates.whole_path(stream.events, lambda: rates.told(stream), tmp_path)() > 0
    assert len(written) == 2
    assert written[-1] >= 1_500
    assert list(tmp_path.iterdir()) == []


def test_the_kernel_counts_what_the_guard_sees(home: Household) -> None:
    """The observations that the kernel is given are those that the engine makes of the same events."""
    stream = whole(home, 400)
    seen = [one for one, _ in rates.observations(stream)]
    engine = rates.told(stream)
    for event in stream.events:
        engine.handle(event)
    profile = engine.state.profile
    assert (profile.company, profile.previous) == ((seen[-1].symbols[0], *seen[-1].company), _words(seen[-1]))
    assert [one.at for one in seen] == sorted(one.at for one in seen)


def _words(seen: Any) -> str:
    return f"{seen.device} {seen.action}"


def test_an_engine_goes_on_from_an_aged_state_as_if_it_had_never_stopped(home: Household) -> None:
    stream = whole(home, 2_000)
    aged, straight = growth.Aged(stream, 1_500), rates.told(stream)
    assert aged.memory > 100_000
    assert all(seconds >= growth.LONG_SECONDS for _, seconds in aged.pauses)
    resumed = aged.engine()
    for event in stream.events[:1_500]:
        straight.handle(event)
    for event in stream.events[1_500:]:
        assert resumed.handle(event) == straight.handle(event)
    assert chain.encode(resumed.state) == chain.encode(straight.state)
    assert chain.encode(aged.engine().state) != chain.encode(resumed.state), "the next one begins where this one did"


def test_the_size_of_a_thing_counts_what_it_shares_once_and_no_code() -> None:
    text = "x" * 1_000
    assert growth.deep_size([text, text]) < growth.deep_size([text]) + 100
    assert growth.deep_size([text, "y" * 1_000]) > growth.deep_size([text]) + 1_000
    assert growth.deep_size(Engine().state) < 100_000
    loop: list[Any] = []
    loop.append(loop)
    assert growth.deep_size(loop) < 200


def test_messages_that_change_nothing_are_no_events(home: Household) -> None:
    events = home.events[:300]
    doubled = [event for event in events for _ in range(2)]
    assert memory._changes(doubled) == memory._changes(events) < len(events)


# Places and targets -------------------------------------------------------------------------------------------------


def test_the_deepest_and_last_mount_tells_the_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    inside = tmp_path / "a folder" / "below"
    inside.mkdir(parents=True)
    named = str(tmp_path / "a folder").replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nx {named} xfs rw 0 0\ny {named} btrfs rw 0 0\nz {named}s tmpfs rw 0 0\n")
    assert file_system(inside, mounts) == "btrfs"
    assert file_system(tmp_path, mounts) == "ext4"
    assert file_system(tmp_path, tmp_path / "none") is None


def figures(**others: Any) -> dict[str, Any]:
    return {
        "events_per_s": {"homeward": 10_000},
        "latency_ms": {"p50": 3.0, "p99": 10.0, "echo_p50": 1.0, "echo_p99": 2.0},
        "rss_mib": 120.0,
        "growth": {"day_1": 900, "day_365": 600, "devices_10": 900, "devices_10000": 600},
        **others,
    }


def test_targets_are_met_at_their_bounds() -> None:
    judged = targets(figures())
    unknown = {"whole_path_compiled_per_s", "compiled_kernel_beside_fastest_peer"}
    assert {name for name, goal in judged.items() if goal["met"] is None} == unknown
    assert all(goal["met"] for name, goal in judged.items() if name not in unknown)


def test_targets_are_missed_beyond_them() -> None:
    slow = figures(
        events_per_s={"homeward": 9_999},
        latency_ms={"p50": 3.1, "p99": 10.1, "echo_p50": 1.0, "echo_p99": 2.0},
        rss_mib=120.1,
        growth={"day_1": 900, "day_365": 590, "devices_10": 900, "devices_10000": 590},
    )
    judged = targets(slow)
    assert not any(goal["met"] for goal in judged.values())
    told = {row[0]: row[1:] for row in goal_rows(judged)}
    assert told["whole path per s"] == ["9,999", "at least 10,000", "missed"]
    assert told["latency p50 beside echo"] == ["3.1", "at most 3", "missed"]
    assert told["compiled kernel beside fastest peer"] == ["-", "at least 5", "-"]


def test_what_was_not_measured_is_not_judged() -> None:
    judged = targets(figures(rss_mib=None, latency_ms=Taken().told()))
    assert judged["resident_mib"]["met"] is judged["latency_p50_beside_echo"]["met"] is None


# Processes ----------------------------------------------------------------------------------------------------------


def test_a_guard_that_does_not_start_says_why(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        pytest.raises(ProcessError, match=r"^guard ended: homeward: …/homeward\.toml: "),
        processes.guard(tmp_path, "[page]\nport = @PAGE@\nnonsense = 1\n"),
    ):
        raise AssertionError("it began")
    assert time.monotonic() - began < processes.START_SECONDS


def test_without_mosquitto_amqtt_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("amqtt")
    monkeypatch.setattr(processes, "_mosquitto", lambda: None)
    assert processes.which_broker().startswith("amqtt ")
    with processes.broker(tmp_path) as port:
        assert port > 0
