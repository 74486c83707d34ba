"""The parts of the documentation that the code itself writes, so that they cannot grow old.

They stand between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``. ``python -m tests.generated_docs`` writes
them anew; tests/test_docs.py fails where they are not what the code says.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests import network_docs
from tests.network_docs import rows

from homeward.cli.parser import parser
from homeward.core import engine, incident, lease, network, rules
from homeward.core.behaviour import calibration, evidence, habits, past, profile, silence, table
from homeward.core.behaviour.assessment import Assessment
from homeward.core.behaviour.habits import HABITS, PARENT, PLANS, WHEN
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.profile import Profile, ProfileState
from homeward.core.behaviour.reason import reason
from homeward.core.decision import guardrails, ladder
from homeward.core.effects import Notify
from homeward.core.settings import Device
from homeward.core.vocabulary import (
    DIAGNOSTIC,
    GUARDED_TYPES,
    LIFE_SAFETY_TYPES,
    ONE_SHOT,
    REFUSED,
    ROLES,
    TYPES,
)
from homeward.journal.chain import SCHEMA
from homeward.replay import alarm_line, replay
from homeward.sources.topics import REASONS, zigbee2mqtt

REPOSITORY = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: ([a-z0-9 ]+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pages() -> list[Path]:
    """Every page of the documentation, the README among them."""
    top = (REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))
    return sorted((*(path for path in top if path.exists()), *(REPOSITORY / "docs").rglob("*.md")))


def words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, by the words it is called with."""

    def below(name: str, one: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        yield name, one
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, command in action.choices.items():
                    yield from below(f"{name} {word}", command)

    yield from below("homeward", parser())


def command_line() -> str:
    os.environ["COLUMNS"] = "100"  # argparse folds its lines to the terminal's width
    parts = []
    for name, command in commands():
        parts.append(f"## {name}\n\n```text\n{command.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def guardrail_table() -> str:
    return rows(("guardrail", "why"), ((rail.name, rail.why) for rail in guardrails.GUARDRAILS))


def vocabulary() -> str:
    listed = (
        ("types", TYPES),
        ("roles", ROLES),
        ("guarded types (and every device of role `entrance`)", GUARDED_TYPES),
        ("life-safety types, never acted upon", LIFE_SAFETY_TYPES),
        ("commands that end by themselves", ONE_SHOT),
        ("commands that are refused", REFUSED),
        ("properties that are no habit", DIAGNOSTIC),
    )
    return rows(("", "words"), ((what, words(names)) for what, names in listed))


def rule_limits() -> str:
    return rows(
        ("limit", "value"),
        (
            ("changes of one device that are a flood, if more come", f"{rules.FLOOD_CHANGES}"),
            ("within", f"{rules.FLOOD_WINDOW_MS // 1000} s"),
            ("an entrance may be open until the alarm is disarmed", f"{rules.ENTRY_DELAY_MS // 1000} s"),
            ("devices watched for a flood at once", f"{rules.WATCHED_LIMIT:,}"),
            ("clients of the broker remembered", f"{rules.CLIENT_LIMIT:,}"),
        ),
    )


def limits() -> str:
    return rows(
        ("limit", "value"),
        (
            ("acts at once", f"{guardrails.ACTING_LIMIT}"),
            ("acts within an hour", f"{guardrails.HOURLY_LIMIT}"),
            ("longest lease", f"{guardrails.LONGEST_MINUTES // 60} h"),
            ("an incident closes after its last unusual event", f"{incident.QUIET // timedelta(minutes=1)} min"),
            ("and at the latest after its first", f"{incident.LONGEST // timedelta(hours=1)} h"),
            ("incidents kept", f"{incident.INCIDENT_LIMIT}"),
            ("leases kept", f"{lease.LEASE_LIMIT}"),
            ("longest pause between two tries to take something back", f"{lease.SLOWEST_RETRY.seconds // 60} min"),
        ),
    )


def ladder_table() -> str:
    return rows(
        ("rung", "it", "OpenC2", "earned at", "lasts", "needs", "taken back"),
        (
            (
                f"*{step.rung.replace('_', ' ')}*",
                step.does,
                f"`{step.verb}`" if step.verb else "",
                _earned(step),
                "" if step.minutes is None else f"{step.minutes:g} min",
                step.needs,
                step.taken_back,
            )
            for step in ladder.LADDER
        ),
    )


def _earned(step: ladder.Step) -> str:
    if step.earned == ladder.ALWAYS:
        return "always"
    bits = "above the threshold" if step.earned == 1 else f"{step.earned >> 8} bits above"
    return f"{bits}, or guarded" if step.guarded else bits


def habit_table() -> str:
    said = {
        "in company": "which activity comes",
        "when": "in which half-hour of the local day",
        "how soon": "how long after the last event of any device",
        "how long": "how long after this device's last event",
        "who is home": "who is home, and in what mode the alarm panel is",
        "who": "the person or automation that did it",
        "from where": "the client, app or zone that asked",
        "how much": "the value, in half-octaves",
    }
    return rows(
        ("habit", "it predicts", "given, from general to particular"),
        (
            (
                habit.name,
                said[habit.name],
                " → ".join(" + ".join(level).replace("_", " ") or "nothing" for level in habit.given),
            )
            for habit in HABITS
        ),
    )


def learning_limits() -> str:
    ages = (calibration.MIN_DAYS << doubled for doubled in range(3))
    return rows(
        ("what", "value"),
        (
            ("weight of one event", f"{table.WEIGHT}"),
            ("weight of the coarser context, `a`", f"{PARENT}"),
            ("most bits of one habit for one event", f"{table.BITS_CAP >> 8}"),
            ("cells in the table of counts", f"{table.CAPACITY:,}"),
            ("counts are halved every", f"{profile.HALF_LIFE // past.DAY // 7} weeks"),
            ("events that make a day an active one", f"{past.ACTIVE_DAY}"),
            (
                "active days and visits before a rate is promised",
                f"{calibration.MIN_DAYS} and {calibration.MIN_VISITS}",
            ),
            ("active days at which the past is lived again", f"{', '.join(map(str, ages))} …"),
            ("observations remembered for that", f"{past.MEMORY_LIMIT:,}"),
            (
                "a visit ends after a pause of, and at the latest after",
                f"{profile.VISIT_PAUSE // profile.MINUTE} min, {profile.VISIT_LONGEST // profile.MINUTE // 60} h",
            ),
            ("bits of strangeness above which an event is evidence", f"{evidence.USUAL >> 8}"),
            ("different activities that are company", f"{habits.COMPANY}"),
            (
                "a yes counts for the budget beside",
                f"{evidence.SOME >> 8} that are no more than chance",
            ),
            (
                "bits of rarity of a guarded device's hour, person or origin that teach nothing, tell nothing",
                f"{profile.ODD >> 8}, {profile.TELLING >> 8}",
            ),
            ("a new device is given time for", f"{profile.NEWCOMER // past.DAY} days"),
            ("share of the budget that is for unusual visits", f"{engine.VISITS_SHARE:.0%}"),
            (
                "a silence is told after, of a device that speaks on its days at least",
                f"{silence.LEAST // 3_600_000} h, {silence.OFTEN} times",
            ),
            ("share of the budget that is for devices that fall silent", f"{engine.SILENCE_SHARE:.0%}"),
            ("share of the budget that is for devices on the network", f"{network.NETWORK_SHARE:.0%}"),
            ("times the budget's alarms that are put on record without a sound", f"{profile.NOTABLE}"),
            ("observations held back at most", f"{profile.HELD_LIMIT:,}, for {past.HELD_DAYS} days"),
            ("separate days on which something harmless must come back", f"{profile.COME_BACK_DAYS}"),
            ("devices known at once", f"{profile.DEVICE_LIMIT:,}, and {silence.LIMIT:,} of which silence is told"),
        ),
    )


def zigbee_properties() -> str:
    rule = zigbee2mqtt()
    known = {"value": "a number: `reading`", "moment": "a button: the action itself", "text": "the word itself"}
    lines = []
    for name, meaning in rule.properties.items():
        if isinstance(meaning, str):
            said = known[meaning]
        else:
            said = ", ".join(f"{word} → `{action}`" for word, action in meaning.items() if action)
        lines.append((f"`{name}`", said, f"{rule.steps[name]:g}" if name in rule.steps else ""))
    return rows(("property", "what it becomes", "least change"), lines)


def refusals() -> str:
    return rows(("reason",), ((reason_,) for reason_ in REASONS))


def journal_schema() -> str:
    return f"```sql\n{SCHEMA.strip()}\n```\n"


class SmallHome:
    """A made-up person who leaves at eight and is back at half past five, for four weeks; then one night."""

    DEVICES = (
        Device(name="front_door", type="contact.door", role="entrance", room="hall"),
        Device(name="hall_motion", type="motion", role="motion", room="hall"),
        Device(name="kitchen_motion", type="motion", role="motion", room="kitchen"),
        Device(name="kitchen_light", type="light", role="actuator", room="kitchen"),
    )
    DAY = (
        (7, 0, "kitchen_motion on, kitchen_light on, kitchen_motion off"),
        (8, 0, "hall_motion on, kitchen_light off, hall_motion off, front_door open, front_door closed"),
        (17, 20, "front_door open, front_door closed, hall_motion on, hall_motion off"),
        (19, 0, "kitchen_motion on, kitchen_light on, kitchen_light off, kitchen_motion off"),
    )
    NIGHT = ("front_door open", "hall_motion on", "kitchen_motion on")
    WEEKS = 4

    def __init__(self) -> None:
        self.profile = Profile(ProfileState(), self.DEVICES, 1.0)
        self.start = datetime(2026, 3, 2, tzinfo=UTC)
        random = Random("the small home")
        for day in range(7 * self.WEEKS):
            for hour, minute, activities in self.DAY:
                at = self.start + timedelta(days=day, hours=hour, minutes=minute + random.uniform(-15, 15))
                for activity in activities.split(", "):
                    at += timedelta(seconds=random.uniform(5, 60))
                    self.see(at, activity)

    def see(self, at: datetime, activity: str) -> tuple[Observation, Assessment]:
        """What the profile makes of an event; the home's clock is UTC."""
        ms = (at - EPOCH) // timedelta(milliseconds=1)
        self.profile.pass_time(ms)
        device, action = activity.split(" ")
        seen = self.profile.observe(device, action, ms, ms)
        assessed = self.profile.assess(seen)
        self.profile.note_visit(seen, assessed, ms // past.DAY)
        self.profile.note_presence(next(one for one in self.DEVICES if one.name == device), action, ms)
        if not assessed.unusual:
            self.profile.learn(seen)
        return seen, assessed

    def night(self) -> list[tuple[Observation, Assessment]]:
        """The front door opens at ten past three, and somebody walks to the kitchen."""
        begin = self.start + timedelta(weeks=self.WEEKS, hours=3, minutes=10)
        return [self.see(begin + timedelta(seconds=10 * step), what) for step, what in enumerate(self.NIGHT)]


def bits(value: int) -> str:
    return f"{value / 256:.1f}"


def worked_bits() -> str:
    home = SmallHome()
    ((seen, _), *_) = home.night()
    counts = home.profile.state.table
    keys, half_hour, root = seen.contexts[WHEN], seen.symbols[WHEN], PLANS[WHEN].root
    known = [fields for fields in HABITS[WHEN].given if "person" not in fields]  # nobody says who it was
    levels = [("any of 48 half-hours", "", "", bits(root))]
    for depth, (fields, key) in enumerate(zip(known, keys, strict=True), 1):
        name = " + ".join(fields).replace("_", " ") or "nothing"
        here = f"{counts.weight(key, half_hour) / table.WEIGHT:g}"
        so_far = counts.surprise(keys[:depth], half_hour, root, PARENT)
        levels.append((name, f"{counts.weight(key) / table.WEIGHT:g}", here, bits(so_far)))
    return (
        f"{rows(('context', 'events counted', 'of them at 03:00', 'bits so far'), levels)}\n"
        f"> {reason(counts, seen, WHEN)}\n"
    )


def worked_rarities() -> str:
    home = SmallHome()
    ((seen, assessed), *_) = home.night()
    lines = []
    for place, (habit, own, rarity) in enumerate(zip(HABITS, assessed.bits, assessed.rarities, strict=True)):
        if own:
            alone = tuple(rarity if other == place else 0 for other in range(len(HABITS)))
            nothing = evidence.Scored((0,) * len(HABITS), seen.kind)
            counted = home.profile.state.evidence.weigh(nothing, alone).strangeness
            lines.append((habit.name, bits(own), bits(rarity), bits(counted) if counted or not rarity else "apart"))
    total = ("**strangeness**", "", "", f"**{bits(assessed.standing.strangeness)}**")
    return rows(("habit", "bits", "how rare, in bits", "adds to strangeness"), [*lines, total])


def worked_visit() -> str:
    home = SmallHome()
    tails = home.profile.state.evidence
    lines = []
    for seen, assessed in home.night():
        standing = assessed.standing
        own = tails.parts[seen.kind].rarity(standing.strangeness)
        together = tails.parts[evidence.GATHERED].rarity(standing.gathered)
        parts = (standing.strangeness, own, standing.gathered, together, standing.score)
        lines.append((f"{seen.device} {seen.action}", *map(bits, parts)))
    assert assessed.threshold is not None
    lines.append(("threshold", "", "", "", "", bits(assessed.threshold)))
    return rows(("event", "strangeness", "how rare", "evidence", "how rare", "score"), lines)


def tutorial_home(folder: Path) -> Path:
    """The recording that the tutorial's own script writes, with the tutorial's table of devices beside it."""
    page = (REPOSITORY / "docs" / "tutorial" / "teach-it-from-history.md").read_text("utf-8")
    script = re.search(r'```python title="make_home.py"\n(.*?)```', page, re.DOTALL)
    devices = re.search(r'```csv title="home.devices.csv"\n(.*?)```', page, re.DOTALL)
    assert script is not None
    assert devices is not None
    (folder / "make_home.py").write_text(script[1], "utf-8")
    (folder / "home.devices.csv").write_text(devices[1], "utf-8")
    subprocess.run([sys.executable, "make_home.py"], cwd=folder, check=True, timeout=60)
    return folder / "home.events.csv"


def replay_example() -> str:
    alarms: list[Notify] = []
    with TemporaryDirectory() as folder:
        summary = replay([tutorial_home(Path(folder))], on_alarm=alarms.append).line()
    summary["events_per_s"] = 10_000  # the only figure that differs from run to run
    night = max(alarms, key=lambda alarm: alarm.bits or 0)
    lines = (json.dumps(line, ensure_ascii=False) for line in (alarm_line(night), summary))
    return "```json\n{}\n{}\n```\n".format(*lines)


PARTS: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "guardrails": guardrail_table,
    "habits": habit_table,
    "journal schema": journal_schema,
    "learning limits": learning_limits,
    "limits": limits,
    "network habits": network_docs.habits,
    "network limits": network_docs.limits,
    "worked flows": network_docs.worked_flows,
    "refusals": refusals,
    "ladder": ladder_table,
    "replay example": replay_example,
    "rule limits": rule_limits,
    "vocabulary": vocabulary,
    "worked bits": worked_bits,
    "worked rarities": worked_rarities,
    "worked visit": worked_visit,
    "zigbee2mqtt": zigbee_properties,
}


def write() -> None:
    """Write every part anew, wherever it stands."""
    for path in pages():
        text = path.read_text("utf-8")
        new = PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}{found[4]}", text)
        if new != text:
            path.write_text(new, "utf-8")
            print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    write()
