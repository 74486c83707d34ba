"""Zeek's connections, with the names that its other logs give their peers."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from homeward.core.flow import Flow
from homeward.sources.log_files import LINE_LIMIT, LogError
from homeward.sources.zeek_log import LABELLED_CONN, Table, conn_of

__all__ = ["read_conn"]


def read_conn(
    path: Path, *, refused: Counter[str] | None = None
) -> Iterator[tuple[float, str, str, Flow, str | None]]:
    """Every connection of a ``conn.log`` (TSV or JSON, also ``.gz``), in the file's order: when it began (epoch
    seconds), originator, responder, the flow as the originator sees it, and what a person wrote beside it
    (``label``, with ``detailed-label`` or ``detailedlabel`` after a space; ``None`` where the file has no label).

    Lines that are no records are left out and counted in ``refused``. Labels are for benchmarks alone.

    Raises:
        LogError: the file cannot be read to its end.
    """
    counts: Counter[str] = Counter() if refused is None else refused
    table = Table(LABELLED_CONN, counts)
    try:
        with _open(path) as file:
            while line := file.readline(LINE_LIMIT):
                row = table.read(line.rstrip(b"\r\n"))
                if row is None:
                    continue
                try:
                    conn = conn_of(row)
                except (ValueError, TypeError, OverflowError):
                    counts["malformed"] += 1
                    continue
                yield conn.ts, conn.orig, conn.resp, conn.flow, _label(*row[15:18])
    except (OSError, EOFError) as error:
        raise LogError(f"{path}: cannot be read to its end ({error}); is it complete?") from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _label(label: object, hyphened: object, plain: object) -> str | None:
    if not isinstance(label, str):
        return None
    detail = hyphened or plain
    return f"{label} {detail}" if isinstance(detail, str) else label
