"""The table of docs/reference/attack.md, as the code has it. ``python -m tests.exchange.attack_page`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from homeward.exchange.attack import NO_TECHNIQUE, SIGNS, TABLE, VERSION, Technique

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "attack.md"
PART = re.compile(r"(<!-- written by tests\.exchange\.attack_page -->\n)(.*)(<!-- /written -->)", re.DOTALL)


def rendered() -> str:
    """What stands between the marks."""
    told = (
        (
            ", ".join(f"*{sign}*" for sign in SIGNS if sign in row.signs),
            f"[{row.technique.uid}]({row.technique.url}) {_name(row.technique)}",
            row.technique.matrix,
            row.technique.tactic.name,
            row.why,
        )
        for row in TABLE
    )
    return (
        f"The identifiers are those of ATT&CK v{VERSION}.\n\n"
        f"{_table(('sign', 'technique', 'matrix', 'tactic', 'why'), told)}\n"
        "## What the signs are\n\n"
        f"{_table(('sign', 'what it is'), SIGNS.items())}\n"
        "## What gets no technique\n\n"
        f"{_table(('what', 'why none'), NO_TECHNIQUE.items())}"
    )


def _name(technique: Technique) -> str:
    return f"{technique.parent}: {technique.name}" if technique.parent else technique.name


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}\n"


def write() -> None:
    PAGE.write_text(PART.sub(lambda found: found[1] + rendered() + found[3], PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
