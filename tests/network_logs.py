"""Zeek's and Suricata's records, written as those programs write them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CAMERA, LAPTOP, OUTSIDE = "192.168.1.20", "192.168.1.30", "203.0.113.7"
FIELDS = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes",
    "resp_pkts", "resp_ip_bytes", "tunnel_parents",
)  # fmt: skip
START = 1_780_000_000 // 60 * 60
"""The beginning of a minute."""


def header(fields: Sequence[str] = FIELDS, path: str = "conn") -> str:
    return (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        f"#path\t{path}\n#open\t2026-05-28-20-26-40\n#fields\t" + "\t".join(fields) + "\n"
    )


def conn(
    second: float = 0.0,
    *,
    orig: Any = CAMERA,
    resp: Any = OUTSIDE,
    port: Any = 443,
    proto: Any = "tcp",
    seconds: Any = 0.0,
    sent: Any = 100,
    received: Any = 200,
    state: Any = "SF",
    uid: Any = "C1",
    **more: Any,
) -> dict[str, Any]:
    """A record of ``conn.log``, by column. ``None`` is unset."""
    return {
        "ts": START + second, "uid": uid, "id.orig_h": orig, "id.orig_p": 50_000, "id.resp_h": resp,
        "id.resp_p": port, "proto": proto, "service": None, "duration": seconds, "orig_bytes": 1, "resp_bytes": 2,
        "conn_state": state, "local_orig": "T", "local_resp": "F", "missed_bytes": 0, "history": "Sh",
        "orig_pkts": 1, "orig_ip_bytes": sent, "resp_pkts": 1, "resp_ip_bytes": received, "tunnel_parents": None,
    } | more  # fmt: skip


def tsv(record: dict[str, Any], fields: Sequence[str] = FIELDS) -> str:
    return "\t".join("-" if record.get(name) is None else str(record[name]) for name in fields) + "\n"


def as_json(record: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in record.items() if value is not None}) + "\n"


def stamp(second: float) -> str:
    """A time as Suricata writes it, two hours east of Greenwich."""
    return datetime.fromtimestamp(START + second + 7_200, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0200")


def eve(kind: str, about: dict[str, Any], second: float = 0.0, **more: Any) -> str:
    """A line of ``eve.json``."""
    record = {
        "timestamp": stamp(second), "flow_id": 1, "event_type": kind, "src_ip": CAMERA, "src_port": 50_000,
        "dest_ip": OUTSIDE, "dest_port": 443, "proto": "TCP", kind: about,
    } | more  # fmt: skip
    return json.dumps(record) + "\n"


def eve_flow(second: float = 0.0, sent: int = 100, received: int = 200, **more: Any) -> str:
    about = {
        "pkts_toserver": 1, "pkts_toclient": 1, "bytes_toserver": sent, "bytes_toclient": received,
        "start": stamp(second - 2.5), "end": stamp(second), "age": 2, "state": "closed", "reason": "timeout",
    }  # fmt: skip
    return eve("flow", about, second, **more)


class ZeekFolder:
    """A folder that Zeek writes to. ``conn.log`` is TSV."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.conn = folder / "conn.log"
        self.conn.write_text(header(), "utf-8")
        self.rotations = 0

    def add(self, *records: dict[str, Any]) -> None:
        self.write("".join(map(tsv, records)))

    def write(self, text: str, log: str = "conn.log") -> None:
        with (self.folder / log).open("a", encoding="utf-8") as file:
            file.write(text)

    def rotate(self) -> None:
        """As Zeek does it: rename, then make it anew."""
        self.rotations += 1
        renamed = self.conn.rename(self.folder / f"conn-26-05-28_20.{self.rotations:02d}.00.log")
        os.utime(renamed, ns=(self.rotations, self.rotations))  # rotations are an hour apart, not a tick of the clock
        self.conn.write_text(header(), "utf-8")
