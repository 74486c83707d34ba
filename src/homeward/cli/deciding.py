"""``homeward policy compare`` and ``homeward step-up``: what chooses, and who can prove who they are."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Final

import msgspec

from homeward import one_time
from homeward.cli.reading import journaled
from homeward.config import load
from homeward.core.decision.bandit import Bandit
from homeward.core.decision.off_policy import HEAD, Chances, Logged, compare, estimate, gather
from homeward.core.decision.policy import Ladder
from homeward.core.decision.trial import Trial
from homeward.core.effects import Record

OK, PROBLEM = 0, 1

LEAST_DECISIONS: Final = 30
"""Of fewer nothing can be said; the command says so in words beside the table."""


def policy_compare(chosen: argparse.Namespace) -> int:
    """Print what each policy would have cost on the journal's decisions."""
    with journaled(chosen) as (engine, journal):
        records = (entry for _, entry in journal.entries() if isinstance(entry, Record))
        log = gather(record for record in records if record.kind in {"choice", "reward"})
    policies = _policies(Bandit(engine.state.bandit.fork(), frozen=True))
    if chosen.json:
        found = {name: estimate(log, policy)._asdict() for name, policy in policies.items()}
        print(msgspec.json.encode({"now": engine.settings.policy, "policies": found}).decode())
        return OK
    rows = [HEAD, *compare(log, policies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(_advice(log, engine.settings.policy))
    return OK


def _policies(learned: Bandit) -> dict[str, Chances]:
    ladder = Ladder()
    return {
        "ladder": lambda evidence, options: {ladder.choose(evidence, options, 0.0).rung: 1.0},
        "trial": Trial().chances,
        "learned": learned.chances,
    }


def _advice(log: list[Logged], policy: str) -> str:
    if policy == "ladder":
        return (
            "The ladder chooses now, always the same: its log tells nothing of other policies. To find out, write\n"
            '[policy] use = "trial", and compare again after some weeks.'
        )
    if len(log) < LEAST_DECISIONS:
        return f"{len(log)} decisions are known so far, fewer than {LEAST_DECISIONS}: compare again later."
    return 'If "learned" costs less, interval and all, write [policy] use = "learned".'


def step_up(chosen: argparse.Namespace) -> int:
    """Give a person a code on their telephone or a PIN, or take it from them; without a person, list who has one."""
    folder: Path = chosen.state if chosen.state is not None else load(chosen.config).state
    if not folder.is_dir():
        print(f"homeward: {folder}: no guard has run here; start one first: homeward up", file=sys.stderr)
        return PROBLEM
    try:
        return _step_up(folder, chosen)
    except (one_time.KeysError, ValueError) as error:
        print(f"homeward: {error}", file=sys.stderr)
        return PROBLEM


def _step_up(folder: Path, chosen: argparse.Namespace) -> int:
    if chosen.person is None:
        for person, way in sorted(one_time.read_keys(folder).items()):
            print(f"{person}  {'PIN' if isinstance(way, one_time.Pin) else 'code from a telephone'}")
        return OK
    if chosen.withdraw:
        gone = one_time.withdraw(folder, chosen.person)
        print("Withdrawn." if gone else f"{chosen.person} has no code.")
        return OK if gone else PROBLEM
    if chosen.pin:
        pin = getpass.getpass("PIN: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        one_time.enrol_pin(folder, chosen.person, pin)
        print(f"{chosen.person} has a PIN. Restart the guard, so that it asks for it.")
        return OK
    print(one_time.enrol_telephone(folder, chosen.person))
    print("Show this address as a QR code to an authenticator, and keep it nowhere. Then restart the guard.")
    return OK
