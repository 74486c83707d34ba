"""Suricata's eve.json becomes events: flows as Zeek's, and its alerts."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network_logs import CAMERA, LAPTOP, OUTSIDE, START, eve, eve_flow, stamp

from homeward.core.event import Event
from homeward.core.flow import Flow, read_flow
from homeward.core.inputs import Health
from homeward.sources import flow_events
from homeward.sources.flows import Merger, Sighting, merge
from homeward.sources.log_files import LogError
from homeward.sources.neighbourhood import Neighbourhood
from homeward.sources.suricata import Eve, SuricataSource

MAC = "02:00:5e:10:00:01"
SIGNATURE = {"action": "allowed", "signature_id": 1, "signature": "ET SCAN Telnet", "category": "Scan", "severity": 2}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_events, "POLL", 0.005)


class Reader:
    """Lines in, sightings out."""

    def __init__(self, **names: str) -> None:
        self.refused: Counter[str] = Counter()
        self.house = Neighbourhood(names=names)
        self.eve = Eve(self.house, self.refused)

    def read(self, *lines: str) -> list[Sighting]:
        return [seen for line in lines for seen in self.eve.sightings(line.strip("\n").encode("utf-8", "replace"))]

    def flows(self, *lines: str) -> list[tuple[str, Flow]]:
        return [(seen.device, seen.flow) for seen in self.read(*lines)]


# Records -----------------------------------------------------------------------------------------------------------


def test_a_flow_is_told_with_its_end_and_its_bytes_on_the_wire() -> None:
    (seen,) = Reader().read(eve_flow(10.5, sent=360, received=40))
    assert seen == Sighting(CAMERA, Flow(OUTSIDE, 443, "tcp", False, 360, 40, 2.5), START + 10.5)


def test_a_flow_from_outside_and_one_within_the_house() -> None:
    reader = Reader()
    assert reader.flows(eve_flow(src_ip=OUTSIDE, dest_ip=CAMERA, dest_port=23)) == [
        (CAMERA, Flow(OUTSIDE, 23, "tcp", True, 200, 100, 2.5)),
    ]
    assert reader.flows(eve_flow(src_ip=LAPTOP, dest_ip=CAMERA, dest_port=554)) == [
        (LAPTOP, Flow(CAMERA, 554, "tcp", False, 100, 200, 2.5)),
        (CAMERA, Flow(LAPTOP, 554, "tcp", True, 200, 100, 2.5)),
    ]


@pytest.mark.parametrize(
    ("proto", "protocol"), [("UDP", "udp"), ("ICMP", "icmp"), ("IPv6-ICMP", "icmp"), ("SCTP", "sctp")]
)
def test_a_protocol_is_a_word_and_the_same_as_zeeks(proto: str, protocol: str) -> None:
    ((_, flow),) = Reader().flows(eve_flow(proto=proto, dest_port=None, icmp_type=8))
    assert (flow.protocol, flow.port) == (protocol, 8)


def test_answers_of_name_servers_name_the_peer_in_all_three_versions_of_the_record() -> None:
    first = {"type": "answer", "rrname": "one.example", "rrtype": "A", "rdata": OUTSIDE}
    second = {
        "type": "answer", "rrname": "two.example",
        "answers": [{"rrtype": "CNAME", "rdata": "alias.example"}, {"rrtype": "A", "rdata": OUTSIDE}],
    }  # fmt: skip
    grouped = {"type": "answer", "rrname": "grouped.example", "grouped": {"AAAA": ["2001:db8::1"], "A": [OUTSIDE]}}
    third = {
        "type": "response", "queries": [{"rrname": "three.example"}], "answers": [{"rdata": OUTSIDE}], "version": 3,
    }  # fmt: skip
    for about, name in ((first, "one"), (second, "two"), (grouped, "grouped"), (third, "three")):
        reader = Reader()
        reader.read(eve("dns", about, src_ip="192.168.1.1", src_port=53, dest_ip=CAMERA, dest_port=40_000))
        assert reader.flows(eve_flow())[0][1].peer == f"{name}.example"
    asked = Reader()
    asked.read(eve("dns", {"type": "query", "rrname": "asked.example"}), eve("dns", second, dest_port=53))
    assert asked.flows(eve_flow())[0][1].peer == "two.example"


def test_tls_and_http_name_the_peer_where_no_name_server_did() -> None:
    for line in (eve("tls", {"sni": "cloud.example"}), eve("http", {"hostname": "cloud.example"})):
        reader = Reader()
        reader.read(line)
        assert reader.flows(eve_flow())[0][1].peer == "cloud.example"


def test_dhcp_and_the_hardware_address_name_the_device() -> None:
    reader = Reader()
    reader.read(
        eve("dhcp", {"type": "request", "client_mac": MAC, "hostname": "hall-camera", "dhcp_type": "request"})
    )
    reader.read(eve("dhcp", {"type": "reply", "client_mac": MAC, "assigned_ip": CAMERA, "dhcp_type": "ack"}))
    assert reader.flows(eve_flow())[0][0] == "hall-camera"
    other = Reader(**{MAC: "phone"})
    assert other.flows(eve_flow(ether={"src_macs": [MAC], "dest_macs": ["02:00:5e:10:00:ff"]}))[0][0] == "phone"
    assert other.flows(eve_flow(src_ip=LAPTOP, ether={"src_macs": [MAC, "x"], "dest_macs": 7}))[0][0] == LAPTOP


def test_an_alert_is_an_event_of_the_device_that_asked_else_of_the_one_that_was_asked() -> None:
    reader = Reader(**{CAMERA: "camera"})
    (seen,) = reader.read(eve("alert", SIGNATURE, 3.0, dest_port=23))
    assert (seen.device, seen.action, seen.happened) == ("camera", "alert", START + 3.0)
    assert seen.attributes == {
        "signature": "ET SCAN Telnet", "category": "Scan", "severity": "2", "peer": OUTSIDE, "port": "23",
        "protocol": "tcp", "direction": "out", "count": "1",
    }  # fmt: skip
    (seen,) = reader.read(eve("alert", SIGNATURE, src_ip=OUTSIDE, dest_ip=LAPTOP, dest_port=23))
    assert (seen.device, seen.flow.peer, seen.flow.inbound) == (LAPTOP, OUTSIDE, True)
    (seen,) = reader.read(eve("alert", SIGNATURE, src_ip=LAPTOP, dest_ip=CAMERA, dest_port=23))
    assert (seen.device, seen.flow.peer) == (LAPTOP, "camera")
    assert reader.read(eve("alert", SIGNATURE, src_ip=OUTSIDE, dest_ip="198.51.100.1")) == []


def test_an_alert_about_an_answer_names_the_port_that_was_asked() -> None:
    flow = {"src_ip": CAMERA, "src_port": 50_000, "dest_ip": OUTSIDE, "dest_port": 80, "bytes_toclient": 9}
    answer = eve("alert", SIGNATURE, src_ip=OUTSIDE, src_port=80, dest_ip=CAMERA, dest_port=50_000, flow=flow)
    (seen,) = Reader().read(answer)
    assert (seen.device, seen.flow.port, seen.flow.inbound) == (CAMERA, 80, False)


@pytest.mark.parametrize(("severity", "told"), [(1, "1"), (3, "3"), (0, "1"), (-5, "1"), (255, "4"), (None, "4")])
def test_the_severity_is_one_to_four(severity: int | None, told: str) -> None:
    about = {name: value for name, value in (SIGNATURE | {"severity": severity}).items() if value is not None}
    assert Reader().read(eve("alert", about))[0].attributes["severity"] == told


def test_a_hostile_signature_is_cut_or_left_unnamed() -> None:
    for signature, told in (("x" * 500, "x" * 128), ("\u202eevil", "unnamed"), ("", "unnamed"), (7, "unnamed")):
        assert Reader().read(eve("alert", SIGNATURE | {"signature": signature}))[0].attributes["signature"] == told


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "malformed"), ("half a li", "malformed"), ("[]", "malformed"), ("\x00\x01", "malformed"),
        ("{" + '"a":[' * 900 + "]" * 900 + "}", "malformed"), (eve("flow", {}, src_ip="camera"), "malformed"),
        (eve_flow(dest_port=70_000), "malformed"), (eve_flow(timestamp="noon", flow={}), "malformed"),
        (json.dumps({"event_type": "flow"}), "malformed"),
        (eve("dns", {"type": "answer", "answers": [1]}), "malformed"),
        (eve("stats", {}), "unknown kind"), (eve("anomaly", {}), "unknown kind"), ("{}", "unknown kind"),
        (json.dumps({"event_type": ["flow"]}), "malformed"),
    ],
)  # fmt: skip
def test_a_line_that_says_nothing_is_counted_and_passed_over(line: str, reason: str) -> None:
    reader = Reader()
    assert reader.read(line) == []
    assert reader.refused == {reason: 1}


def test_mqtt_records_are_known_and_make_no_event() -> None:
    reader = Reader()
    publish = {"publish": {"qos": 1, "topic": "zigbee2mqtt/lock", "message": "x" * 99}}
    assert reader.read(eve("mqtt", publish), eve("mqtt", {"connect": {"client_id": "7"}})) == []
    assert not reader.refused


any_value: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(stamp(1)), st.just(CAMERA)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from([
        "src_ip", "rrname", "type", "answers", "queries", "bytes_toserver", "start", "end", "severity", "client_mac",
    ]), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip
records = st.dictionaries(
    st.sampled_from(
        ["timestamp", "src_ip", "dest_ip", "src_port", "dest_port", "proto", "flow", "alert", "dns", "ether"]
    ),
    any_value,
)


@settings(deadline=None)
@given(st.sampled_from(["flow", "alert", "dns", "tls", "http", "dhcp", "mqtt", "?"]), records)
def test_no_record_makes_the_decoder_raise(kind: str, record: dict[str, Any]) -> None:
    about = {"type": "answer", "rrname": "a.example"}
    for seen in Reader().read(json.dumps(json.loads(eve(kind, about)) | record)):
        event = Event(id="1", source="s", at=None, device="x", action="flow", attributes=seen.attributes)  # type: ignore[arg-type]
        assert seen.action == "alert" or read_flow(event) is not None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_decoder_raise(line: bytes) -> None:
    assert Reader().eve.sightings(line) == ()


# Following ---------------------------------------------------------------------------------------------------------


async def test_flows_and_alerts_are_told_as_they_are_written_and_once_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "eve.json"
    log.write_text(eve_flow(dest_ip="198.51.100.99"), "utf-8")
    source = SuricataSource(log, names={CAMERA: "camera"})
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        health = await anext(items)
        assert isinstance(health, Health)
        assert health.up
        with log.open("a", encoding="utf-8") as file:
            file.write(eve_flow(1) + eve_flow(2) + eve("alert", SIGNATURE, 3) + eve("alert", SIGNATURE, 4))
        events = [item for item in [await anext(items) for _ in range(3)] if isinstance(item, Event)]
    assert [event.action for event in events] == ["announced", "flow", "alert"]
    assert {event.device for event in events} == {"camera"}
    pending = [event.attributes["delivery"] for event in events[1:]]
    assert source.committed(pending) == []
    log.rename(tmp_path / "eve.json-20260528")
    log.write_text(eve_flow(70, dest_port=80), "utf-8")
    items = SuricataSource(log, names={CAMERA: "camera"}, pending=pending).events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        events = [item for item in [await anext(items) for _ in range(5)] if isinstance(item, Event)]
    told = [(event.action, event.attributes["port"], event.attributes["count"]) for event in events[1:]]
    assert told == [("flow", "443", "1"), ("alert", "443", "1"), ("flow", "80", "1")]  # the rest, and what is new


async def test_a_file_or_folder_that_is_not_there_is_said_before_it_is_up(tmp_path: Path) -> None:
    source = SuricataSource(tmp_path / "suricata" / "eve.json")
    for missing in (None, tmp_path / "suricata"):
        if missing is not None:
            missing.mkdir()
        async with aclosing(source.events()) as items:  # type: ignore[type-var]
            with pytest.raises(LogError, match=r"^[^\n]+$"):
                await anext(items)


# Real records ------------------------------------------------------------------------------------------------------


def test_the_recorded_eve_is_read_whole(data_folder: Path) -> None:
    path = data_folder / "fixtures" / "suricata" / "eve.json.gz"
    if not path.exists():
        pytest.skip("fixtures/suricata/eve.json.gz is not among the recorded data")
    reader, kinds = Reader(), Counter[str]()
    seen: list[Sighting] = []
    with gzip.open(path) as lines:
        for line in lines:
            with suppress(ValueError):
                kinds[json.loads(line)["event_type"]] += 1
            seen += reader.eve.sightings(line.rstrip())
    assert reader.refused == {"unknown kind": kinds["fileinfo"] + kinds["anomaly"]}
    assert sum(each.action == "alert" for each in seen) == kinds["alert"] > 700
    assert len({each.flow.peer for each in seen if each.flow.peer.endswith(".com")}) >= 2
    told = list(merge(seen, Merger()))
    assert sum(each.flow.times for each in told) == len(seen)
    assert sum(each.flow.sent for each in told) == sum(each.flow.sent for each in seen)
