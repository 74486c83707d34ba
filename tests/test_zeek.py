"""Zeek's logs become events: what a record means, what names the other logs give, what cannot be read."""

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
from tests.network_logs import CAMERA, FIELDS, LAPTOP, OUTSIDE, START, ZeekFolder, as_json, conn, header, tsv

from homeward.core.event import Event
from homeward.core.flow import Flow, read_flow
from homeward.core.inputs import Health
from homeward.sources import flow_events
from homeward.sources.log_files import LogError
from homeward.sources.log_values import FAULTS
from homeward.sources.topics import last_state
from homeward.sources.zeek import ZeekSource, read_conn
from homeward.sources.zeek_log import CONN, Table, conn_of

MAC = "02:00:5e:10:00:01"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_events, "POLL", 0.005)


@pytest.fixture
def zeek(tmp_path: Path) -> ZeekFolder:
    return ZeekFolder(tmp_path / "current")


def written(tmp_path: Path, text: str, name: str = "conn.log") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8", newline="")
    return path


def flows_of(path: Path) -> list[Flow]:
    return [flow for _, _, _, flow, _ in read_conn(path)]


# Records ------------------------------------------------------------------------------------------------------------


def test_a_record_is_the_same_in_tsv_and_json(tmp_path: Path) -> None:
    record = conn(0.25, seconds=1.5, sent=360, received=40, state="RSTO")
    expected = (START + 0.25, CAMERA, OUTSIDE, Flow(OUTSIDE, 443, "tcp", False, 360, 40, 1.5, "RSTO"), None)
    plain = written(tmp_path, header() + tsv(record))
    assert list(read_conn(plain)) == [expected]
    for ts in (record["ts"], record["ts"] * 1000, "2026-05-28T20:26:00.250000Z"):
        said = written(tmp_path, as_json(record | {"ts": ts}))
        assert [found[1:] for found in read_conn(said)] == [expected[1:]]
    packed = tmp_path / "conn.log.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_conn(packed)) == [expected]


def test_bytes_are_those_on_the_wire_where_zeek_counted_them(tmp_path: Path) -> None:
    log = written(tmp_path, header() + tsv(conn(sent=None, received=None)) + tsv(conn(sent=99, received=98)))
    assert [(flow.sent, flow.received) for flow in flows_of(log)] == [(1, 2), (99, 98)]


def test_of_icmp_the_port_is_the_type(tmp_path: Path) -> None:
    log = written(tmp_path, header() + tsv(conn(proto="icmp", port=0, **{"id.orig_p": 8})))
    assert flows_of(log)[0][:3] == (OUTSIDE, 8, "icmp")


def test_what_is_unset_is_nothing(tmp_path: Path) -> None:
    record = conn(seconds=None, sent=None, received=None, orig_bytes=None, resp_bytes=None)
    log = written(tmp_path, header() + tsv(record | {"conn_state": None}))
    assert flows_of(log) == [Flow(OUTSIDE, 443, "tcp")]


def test_columns_may_come_in_any_order_be_unknown_be_missing_and_change_in_the_middle(tmp_path: Path) -> None:
    few = ("proto", "id.resp_p", "what_is_this", "id.resp_h", "id.orig_h", "ts")
    log = written(tmp_path, header() + tsv(conn()) + header(few) + tsv(conn(), few) + header() + tsv(conn()))
    assert flows_of(log) == [
        Flow(OUTSIDE, 443, "tcp", False, 100, 200, 0.0, "SF"),
        Flow(OUTSIDE, 443, "tcp"),
        Flow(OUTSIDE, 443, "tcp", False, 100, 200, 0.0, "SF"),
    ]


def test_a_log_may_have_its_own_separator_and_words_for_nothing(tmp_path: Path) -> None:
    text = header().replace("\\x09", "\\x7c").replace("\t", "|").replace("|-\n", "|\\x3f\n") + tsv(conn()).replace(
        "\t", "|"
    )
    log = written(tmp_path, text.replace("|-|", "|?|").replace("|-\n", "|?\n"))
    assert flows_of(log) == [Flow(OUTSIDE, 443, "tcp", False, 100, 200, 0.0, "SF")]


def test_a_stray_tab_before_the_header_is_survived(tmp_path: Path) -> None:
    assert len(flows_of(written(tmp_path, "\t" + header() + tsv(conn())))) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("half a li", "malformed"), ("\t" * (len(FIELDS) - 1), "malformed"), (tsv(conn(port=65_536)), "malformed"),
        (tsv(conn(port="http")), "malformed"), (tsv(conn(resp="printer")), "malformed"),
        (tsv(conn() | {"ts": "nan"}), "malformed"), (tsv(conn() | {"ts": "1e300"}), "malformed"),
        (tsv(conn(seconds="inf")), "malformed"), ("{", "malformed"),
        (tsv(conn()).strip("\n") + "\tmore", "malformed"),
        ('{"ts":1}', "missing columns"), (as_json(conn() | {"id.orig_h": 7}), "malformed"),
        (as_json(conn(sent=[1])), "malformed"), (as_json(conn(proto={"a": 1})), "malformed"),
        ("{" + '"a":[' * 900 + "]" * 900 + "}", "malformed"), ("\x00\x01\x02", "malformed"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_record_is_counted_and_passed_over(tmp_path: Path, line: str, reason: str) -> None:
    refused: Counter[str] = Counter()
    log = written(tmp_path, header() + line.strip("\n") + "\n" + tsv(conn()))
    assert len(list(read_conn(log, refused=refused))) == 1
    assert refused == {reason: 1}


def test_without_what_a_record_needs_each_line_is_counted(tmp_path: Path) -> None:
    refused: Counter[str] = Counter()
    fields = tuple(name for name in FIELDS if name != "id.resp_h")
    log = written(tmp_path, tsv(conn()) + header(fields) + tsv(conn(), fields) * 2)
    assert list(read_conn(log, refused=refused)) == []
    assert refused == {"no header": 1, "missing columns": 2}


@pytest.mark.parametrize(
    ("names", "values", "label"),
    [
        (("label", "detailed-label"), ("Malicious", "C&C"), "Malicious C&C"),
        (("label", "detailedlabel"), ("Benign", "(empty)"), "Benign"),
        (("label", "detailed-label"), ("Benign", "-"), "Benign"),
        (("label",), ("Background",), "Background"),
        ((), (), None),
    ],
)
def test_labels_are_read_for_benchmarks_and_never_by_the_source(
    tmp_path: Path, names: tuple[str, ...], values: tuple[str, ...], label: str | None
) -> None:
    fields = FIELDS + names
    log = written(tmp_path, header(fields) + tsv(conn() | dict(zip(names, values, strict=True)), fields))
    assert [found[4] for found in read_conn(log)] == [label]
    table = Table(CONN, Counter())
    rows = [table.read(line) for line in log.read_bytes().splitlines()]
    assert "Malicious" not in str([row for row in rows if row is not None])


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=200), st.sampled_from([b"#fields\tts\tid.orig_h", b"#separator \\x", b"#"]))
    )
)
def test_no_bytes_make_the_decoder_raise(lines: list[bytes]) -> None:
    table = Table(CONN, Counter())
    for line in [*header().encode().splitlines(), *lines]:
        row = table.read(line)
        if row is not None:
            with suppress(*FAULTS):
                conn_of(row)


any_value = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just({})
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*CONN.names, "answers", "query", "host", "mac", "host_name"]), any_value))
def test_no_record_makes_the_source_raise(record: dict[str, Any]) -> None:
    source = ZeekSource(Path("/nowhere"))
    line = json.dumps(conn() | record).encode()
    for _, table, note in source._others:
        row = table.read(line)
        if row is not None:
            source._note(note, row, table.set_separator)
    for seen in source._sightings(line):
        event = Event(id="1", source="zeek", at=None, device="x", action="flow", attributes=seen.attributes)  # type: ignore[arg-type]
        assert read_flow(event) is not None


# Following ----------------------------------------------------------------------------------------------------------


async def test_flows_are_told_as_they_are_written(zeek: ZeekFolder) -> None:
    zeek.add(conn(resp="198.51.100.99"))  # before the guard was there
    source = ZeekSource(zeek.folder, names={CAMERA: "camera"})
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        health = await anext(items)
        assert isinstance(health, Health)
        assert health.up
        zeek.add(conn(1, seconds=2.5), conn(3), conn(3, port=80), conn(61, port=123))
        events = [await anext(items) for _ in range(5)]
    assert all(isinstance(event, Event) for event in events)
    announced, *flows = [event for event in events if isinstance(event, Event)]
    assert (announced.device, announced.action, announced.attributes) == ("camera", "announced", {"address": CAMERA})
    assert [flow.device for flow in flows] == ["camera"] * 4
    read = [read_flow(event) for event in flows]
    assert read == [
        Flow(OUTSIDE, 443, "tcp", False, 100, 200, 2.5, "SF"),
        Flow(OUTSIDE, 80, "tcp", False, 100, 200, 0.0, "SF"),
        Flow(OUTSIDE, 443, "tcp", False, 100, 200, 0.0, "SF"),  # the rest of that minute
        Flow(OUTSIDE, 123, "tcp", False, 100, 200, 0.0, "SF"),
    ]
    assert flows[0].happened is not None
    assert flows[0].happened.timestamp() == START + 3.5


async def test_a_quiet_network_is_told_the_rest_of_a_minute_all_the_same(
    zeek: ZeekFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_events, "WINDOW", 0.05)
    source = ZeekSource(zeek.folder)
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        zeek.add(conn(1), conn(2), conn(3))
        counts = [
            item.attributes.get("count") for item in [await anext(items) for _ in range(3)] if isinstance(item, Event)
        ]
    assert counts == [None, "1", "2"]


async def test_peers_and_devices_go_by_the_names_of_the_other_logs(zeek: ZeekFolder) -> None:
    dns, ssl, http = (
        ("ts", "id.orig_h", "query", "answers"),
        ("ts", "id.orig_h", "id.resp_h", "server_name"),
        "http.log",
    )
    zeek.write(header(dns, "dns") + f"1\t{CAMERA}\tcloud.example\talias.example,{OUTSIDE}\n", "dns.log")
    zeek.write(header(ssl, "ssl") + f"1\t{CAMERA}\t198.51.100.1\ttls.example\n", "ssl.log")
    zeek.write(
        json.dumps({"id.orig_h": CAMERA, "id.resp_h": "198.51.100.2", "host": "web.example:8080"}) + "\n", http
    )
    zeek.write(
        json.dumps({"mac": MAC, "assigned_addr": LAPTOP, "host_name": "annas-laptop"}) + "\n"
        + json.dumps({"mac": "02:00:5e:10:00:09", "host_name": "\u202eevil"}) + "\n",
        "dhcp.log",
    )  # fmt: skip
    source = ZeekSource(zeek.folder)
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        for resp in (OUTSIDE, "198.51.100.1", "198.51.100.2", "198.51.100.3"):
            zeek.add(conn(resp=resp))
        zeek.add(conn(orig=LAPTOP), conn(orig=LAPTOP, resp=CAMERA, port=554))
        events = [item for item in [await anext(items) for _ in range(9)] if isinstance(item, Event)]
    flows = [(event.device, event.attributes["peer"]) for event in events if event.action == "flow"]
    assert flows == [
        (CAMERA, "cloud.example"), (CAMERA, "tls.example"), (CAMERA, "web.example"), (CAMERA, "198.51.100.3"),
        ("annas-laptop", "cloud.example"), ("annas-laptop", CAMERA), (CAMERA, "annas-laptop"),
    ]  # fmt: skip
    announced = {event.device: event for event in events if event.action == "announced"}
    assert set(announced) == {CAMERA, "annas-laptop"}
    kept = last_state(announced["annas-laptop"])
    assert kept is not None
    assert ZeekSource(zeek.folder, last=dict([kept]))._neighbourhood.device(LAPTOP) == "annas-laptop"
    assert source.refused == {"host name": 1}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"Anna\xe2\x80\x99s phone", "Anna\u2019s phone"), (r"50\x09", "50"), (r"a\x00b", MAC), (r"\xff", "\ufffd"),
        (r"\xzz", r"\xzz"), ("x" * 129, MAC), ("-", MAC),
    ],
)  # fmt: skip
async def test_a_host_name_is_what_it_was_before_zeek_wrote_it(zeek: ZeekFolder, written: str, name: str) -> None:
    zeek.write(header(("mac", "assigned_addr", "host_name"), "dhcp") + f"{MAC}\t{LAPTOP}\t{written}\n", "dhcp.log")
    async with asyncio.timeout(20), aclosing(ZeekSource(zeek.folder).events()) as items:  # type: ignore[type-var]
        await anext(items)
        zeek.add(conn(orig=LAPTOP))
        events = [await anext(items) for _ in range(2)]
    assert {item.device for item in events if isinstance(item, Event)} == {name}


async def test_whether_ssh_let_somebody_in_is_told_with_the_flow(zeek: ZeekFolder) -> None:
    zeek.write(header(("uid", "auth_success"), "ssh") + "C7\tT\nC8\tF\nC9\t-\n", "ssh.log")
    source = ZeekSource(zeek.folder)
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        zeek.add(*(conn(port=22, uid=uid) for uid in ("C7", "C8", "C9")))
        events = [item for item in [await anext(items) for _ in range(4)] if isinstance(item, Event)]
    assert [event.attributes.get("login") for event in events[1:]] == ["accepted", "refused", None]


async def test_hardware_addresses_of_conn_log_keep_one_device_together(zeek: ZeekFolder) -> None:
    fields = (*FIELDS, "orig_l2_addr", "resp_l2_addr")
    source = ZeekSource(zeek.folder, names={MAC: "phone"}, local=["2001:db8:1::/64"])
    items = source.events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        zeek.write(header(fields))
        for number, orig in enumerate((LAPTOP, "2001:db8:1::aaaa", "fe80::1")):
            zeek.write(tsv(conn(orig=orig, port=number) | {"orig_l2_addr": MAC}, fields))
        events = [item for item in [await anext(items) for _ in range(4)] if isinstance(item, Event)]
    assert [event.device for event in events] == ["phone"] * 4


async def test_a_folder_or_log_that_is_not_there_or_may_not_be_read_is_said_before_it_is_up(tmp_path: Path) -> None:
    source = ZeekSource(tmp_path / "current")
    for missing in (None, tmp_path / "current", tmp_path / "current" / "conn.log"):
        if missing is not None:
            missing.mkdir()
        async with aclosing(source.events()) as items:  # type: ignore[type-var]
            with pytest.raises(LogError, match=r"^[^\n]+$"):
                await anext(items)


async def test_what_was_packed_away_while_the_guard_was_down_is_said(zeek: ZeekFolder) -> None:
    source = ZeekSource(zeek.folder)
    async with asyncio.timeout(20), aclosing(source.events()) as items:  # type: ignore[type-var]
        await anext(items)
        zeek.add(conn())
        events = [await anext(items) for _ in range(2)]
    pending = [item.attributes["delivery"] for item in events if isinstance(item, Event) and item.action == "flow"]
    zeek.conn.rename(zeek.folder.parent / "conn.log")
    zeek.write(header() + tsv(conn(port=80)))
    after = ZeekSource(zeek.folder, pending=pending)
    async with asyncio.timeout(20), aclosing(after.events()) as items:  # type: ignore[type-var]
        blind, up, _, flow = [await anext(items) for _ in range(4)]
    assert isinstance(blind, Health)
    assert isinstance(up, Health)
    assert (blind.up, up.up) == (False, True)
    assert blind.detail.endswith("was rotated away while the guard was not running; its end is not seen")
    assert isinstance(flow, Event)
    assert flow.attributes["port"] == "80"
    assert after.refused == {"rotated away": 1}


async def test_a_log_that_stays_away_makes_the_guard_blind_until_it_is_back(
    zeek: ZeekFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_events, "MISSING", 0.01)
    items = ZeekSource(zeek.folder).events()
    async with asyncio.timeout(20), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        kept = zeek.conn.rename(zeek.folder / "aside")
        gone = await anext(items)
        kept.rename(zeek.conn)
        back = await anext(items)
    assert isinstance(gone, Health)
    assert isinstance(back, Health)
    assert (gone.up, gone.detail.endswith("conn.log: is missing"), back.up) == (False, True, True)


# Real records -------------------------------------------------------------------------------------------------------


def recorded(data_folder: Path, pattern: str) -> list[Path]:
    paths = sorted(data_folder.glob(pattern))
    if not paths:
        pytest.skip(f"{pattern} is not among the recorded data")
    return paths


def test_the_recorded_connections_are_all_read(data_folder: Path) -> None:
    for path in [
        *recorded(data_folder, "network/*/conn.log.labeled.gz"),
        *recorded(data_folder, "fixtures/zeek-*/conn.log.gz"),
    ]:
        refused: Counter[str] = Counter()
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records = sum(1 for line in lines if not line.lstrip().startswith("#"))
        found = list(read_conn(path, refused=refused))
        assert len(found) == records > 100
        assert not refused
        assert {label is not None for *_, label in found} == {"network" in path.parts}


@pytest.mark.parametrize("kind", ["zeek-tab", "zeek-json"])
async def test_the_recorded_logs_are_followed_with_all_names(data_folder: Path, tmp_path: Path, kind: str) -> None:
    recorded(data_folder, f"fixtures/{kind}/conn.log.gz")
    folder = tmp_path / "current"
    folder.mkdir()
    for log in ("dns", "ssl", "http", "dhcp"):
        packed = data_folder / "fixtures" / kind / f"{log}.log.gz"
        if packed.exists():
            (folder / f"{log}.log").write_bytes(gzip.decompress(packed.read_bytes()))
    (folder / "conn.log").touch()
    text = gzip.decompress((data_folder / "fixtures" / kind / "conn.log.gz").read_bytes())
    source = ZeekSource(folder, local=["147.32.83.0/24", "2001:718:2:1663::/64"])
    items, flows = source.events(), []
    async with asyncio.timeout(60), aclosing(items):  # type: ignore[type-var]
        await anext(items)
        (folder / "conn.log").write_bytes(text)
        with (folder / "conn.log").open("ab") as log_file:
            log_file.write(as_json(conn(orig="192.168.200.200", resp="198.51.100.250")).encode())
        async for item in items:
            flow = read_flow(item) if isinstance(item, Event) else None
            if flow is not None:
                flows.append(flow)
                if flow.peer == "198.51.100.250":
                    break
    assert source.refused.keys() <= {"no local end"}
    named = [flow for flow in flows if flow.peer.rpartition(".")[2].isalpha()]
    assert len(named) >= 20
