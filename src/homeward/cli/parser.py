"""The commands and their help: it tells a short story, with examples."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from homeward import __version__
from homeward.bench.catalogue import BENCHMARKS, SEED
from homeward.cli import bench_commands, commands, deciding, discovering, explain, standards
from homeward.config import FILE_NAME, PAGE_PORT
from homeward.core.event import is_name
from homeward.discover import LOOK_SECONDS
from homeward.exchange.needs import MIN_DAYS

STORY: Final = """\
Homeward learns what is usual in a home, notices what is not, and answers in
proportion: gently, reversibly, and within the number of alarms you are
willing to hear. Everything is learned and kept at home.

  homeward up              no configuration? a simulated home, live, with an intruder
  homeward init            write homeward.toml, every key explained
  homeward check           is it right? one line says what to change
  homeward up              the guard of your home; it prints the link to its page
"""

AFTER: Final = """\
The guard is quiet while it learns, and says for how long. When something is
far out of the ordinary it tells you once, with the reason; you answer on the
page or here ("homeward answer i7 yes": that was me). Whatever it did ends by
itself, and "homeward stand-down" takes everything back now.

Exit status: 0 all is well, 1 a problem was found, 2 called or configured wrongly.
"""

_WHERE: Final = "the folder of the journal (default: as the configuration says)"


def parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    top = _Parser(prog="homeward", description=STORY, epilog=AFTER)
    top.add_argument("--version", action="version", version=f"homeward {__version__}")
    group = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_running(group)
    _add_looking(group)
    _add_answering(group)
    _add_telling(group)
    _add_deciding(group)
    _add_keeping(group)
    _add_measuring(group)
    _add_benchmarks(group)
    return top


class _Parser(argparse.ArgumentParser):
    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **given)


def _add(group: Any, name: str, run: Callable[[argparse.Namespace], int], help_: str, story: str) -> Any:
    command = group.add_parser(name, help=help_, description=story)
    command.set_defaults(run=run)
    return command


def _add_config(command: Any) -> None:
    command.add_argument(
        "--config", type=Path, default=Path(FILE_NAME), metavar="FILE", help=f"default: {FILE_NAME} in this folder"
    )


def _add_running(group: Any) -> None:
    one = _add(
        group, "init", commands.init, "write a commented homeward.toml",
        "Write a configuration with every key explained. Every act in it is a dry run:\n"
        "the guard says what it would do, until you say that it may.\n\n"
        "  homeward init\n  homeward init /etc/homeward/homeward.toml",
    )  # fmt: skip
    one.add_argument("file", type=Path, nargs="?", default=Path(FILE_NAME), metavar="FILE")
    one = _add(
        group, "check", commands.check, "read the configuration and say what to change",
        "Read the configuration as the guard would and say, in one line, what to change:\n"
        "file, key, what is wrong, what to write. Nothing is connected to.\n\n"
        "  homeward check\n  homeward.toml: mqtt.port: expected int, got str — write a number such as 8883",
    )  # fmt: skip
    one.add_argument("file", type=Path, nargs="?", default=Path(FILE_NAME), metavar="FILE")
    one = _add(
        group, "up", commands.up, "run the guard; without a configuration, the demonstration",
        "Run the guard until you stop it (Ctrl-C). It prints a link: open it to see the home\n"
        "live, what is unusual and why, and to answer. Without homeward.toml it runs a\n"
        "simulated home, so that you can see all of that within two minutes.\n\n"
        "  homeward up\n  homeward up --config /etc/homeward/homeward.toml",
    )  # fmt: skip
    one.add_argument("--config", type=Path, metavar="FILE", help=f"default: {FILE_NAME} in this folder, if any")
    one.add_argument("--port", type=int, default=PAGE_PORT, help="the demonstration's page (default: %(default)s)")


def _add_looking(group: Any) -> None:
    one = _add(
        group, "discover", discovering.look, "what is there, how would it be guarded, who may write too much?",
        "Look at a broker, a Home Assistant or a network interface for a few seconds: which\n"
        "devices tell what they are, how each would be guarded, and who may write topics that\n"
        "are not its own. Nothing is published to a device. Without options it looks where\n"
        "homeward.toml says; --write makes a new one of what was found.\n\n"
        "  homeward discover --broker hub.local --write homeward.toml\n"
        "  homeward discover --home-assistant http://homeassistant.local:8123 --token-file token\n"
        "  homeward discover --interface eth0 --seconds 60",
    )  # fmt: skip
    one.add_argument("--broker", default="", metavar="HOST", help="an MQTT broker")
    one.add_argument("--port", type=int, metavar="N", help="its port (default: 8883 with --ca-file, else 1883)")
    one.add_argument("--ca-file", type=Path, metavar="FILE", help="the CA that signed the certificate: turns TLS on")
    one.add_argument("--user", default="", metavar="NAME", help="the guard's user at the broker")
    one.add_argument("--password-file", type=Path, metavar="FILE", help="a file with the password, on one line")
    one.add_argument("--mosquitto", type=Path, metavar="FILE", help="the broker's mosquitto.conf: who may write what")
    one.add_argument("--acl", type=Path, metavar="FILE", help="or only its acl_file")
    one.add_argument("--home-assistant", default="", metavar="URL", help="a Home Assistant")
    one.add_argument("--token-file", type=Path, metavar="FILE", help="a file with a long-lived token, on one line")
    one.add_argument("--interface", default="", metavar="NAME", help="a network interface (needs homeward[packets])")
    one.add_argument(
        "--seconds", type=_seconds, default=LOOK_SECONDS, metavar="N", help="how long (default: %(default)g)"
    )
    one.add_argument("--write", type=Path, metavar="FILE", help="write a configuration; no file is overwritten")
    _add_config(one)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3_600:
        raise argparse.ArgumentTypeError("between 0 and 3600 seconds")
    return seconds


def _add_answering(group: Any) -> None:
    one = _add(
        group, "explain", explain.explain, "why was this told? what is usual instead, and how rare is it?",
        "Tell one incident at length, as it was explained when it happened: what\n"
        "happened, what is usual instead, which habit says so, how rare it is, and what would\n"
        "have made it usual. It is read from the journal; the guard may run meanwhile.\n\n"
        "  homeward explain i7\n  homeward explain i7 --json",
    )  # fmt: skip
    one.add_argument("incident", metavar="INCIDENT", help="its name, as the page and the alarm tell it: i7")
    one.add_argument("--json", action="store_true", help="one JSON object")
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)
    one = _add(
        group, "answer", commands.answer, "answer an incident: was that you?",
        "Tell the guard whether an incident was you. It learns from a yes, ends what it did\n"
        "about it, and keeps nothing of a no. If the guard is down, it reads your answer\n"
        "when it is back.\n\n"
        "  homeward answer i7 yes     that was me\n  homeward answer i7 no      not me",
    )  # fmt: skip
    one.add_argument("incident", metavar="INCIDENT", help="its name, as the page and the alarm tell it: i7")
    one.add_argument("answer", choices=("yes", "no"))
    one.add_argument("--too-much", action="store_true", help="what the guard did about it was more than you want")
    one.add_argument(
        "--person", type=_person, default="household", metavar="NAME", help="who says so (default: the household)"
    )
    _add_config(one)
    one = _add(
        group, "stand-down", commands.stand_down, "take back everything that the guard is doing, now",
        "Everything that the guard did and that has not ended yet is taken back now. It goes\n"
        "on watching.\n\n  homeward stand-down",
    )  # fmt: skip
    _add_config(one)
    _add_admitting(group)


_ADMITTING: Final = {
    "approve": (
        "this device is ours",
        (
            "A device that is new here is one of yours, and is given a week to become known. It\n"
            "takes back what was said of the device before: refused, or restricted."
        ),
    ),
    "restrict": (
        "this device may do what it was seen to need, and no more",
        (
            "A device is one of yours, but whatever it does on the network beyond what it was\n"
            "seen to need is told at once. It is blocked if you have a response to\n"
            "rule:restricted device."
        ),
    ),
    "refuse": (
        "this device is not ours: tell whatever it does",
        (
            "A device is not one of yours: whatever it does is told, and nothing of it becomes\n"
            "usual. It is cut off if you have a response to rule:refused device."
        ),
    ),
}


def _add_admitting(group: Any) -> None:
    """A command for each way to let a device in."""
    for how, (help_, story) in _ADMITTING.items():
        down = "If the guard is down, it reads this when it is back."
        one = _add(group, how, commands.admit, help_, f'{story}\n{down}\n\n  homeward {how} "hall camera"')
        one.set_defaults(how=how)
        one.add_argument("device", type=_device, metavar="DEVICE", help="its name, as the page tells it")
        one.add_argument(
            "--person", type=_person, default="household", metavar="NAME", help="who says so (default: the household)"
        )
        _add_config(one)


def _device(name: str) -> str:
    if not is_name(name):
        raise argparse.ArgumentTypeError('write a device\'s name, such as "hall camera"')
    return name


def _add_telling(group: Any) -> None:
    one = _add(
        group, "incidents", standards.incidents, "what was told, as a table or for a SIEM",
        "List the incidents that are kept, oldest first. With --ocsf each is one line of JSON:\n"
        "a Detection Finding of OCSF 1.5, with the techniques of ATT&CK that may be behind it.\n"
        "They are read from the journal; the guard may run meanwhile.\n\n"
        "  homeward incidents --since 7d\n  homeward incidents --ocsf > incidents.ndjson",
    )  # fmt: skip
    one.add_argument("--ocsf", action="store_true", help="one JSON object in each line")
    one.add_argument(
        "--since", type=standards.moment_or_span, metavar="WHEN",
        help="what changed since a day (2026-03-02), a moment (2026-03-02T21:00) or 7d, 12h, 30m ago",
    )  # fmt: skip
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)
    one = _add(
        group, "mud", standards.usage_description, "what does a device need of the network? as a MUD file",
        "Print what a device has been seen to need of the network as a MUD file (RFC 8520),\n"
        "which a router or firewall can enforce. What is not in it, and why, is told on\n"
        "standard error. Without a device, list those that were seen on the network.\n\n"
        "  homeward mud\n  homeward mud \"hall camera\" > hall-camera.json",
    )  # fmt: skip
    one.add_argument("device", nargs="?", metavar="DEVICE", help="its name, as the page tells it")
    one.add_argument(
        "--min-days", type=_days, default=MIN_DAYS, metavar="N",
        help="from how many days on something is a need (default: %(default)s)",
    )  # fmt: skip
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)


def _add_deciding(group: Any) -> None:
    top = group.add_parser("policy", help="what chooses how far to go, and would another choose better?")
    policies = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    one = _add(
        policies, "compare", deciding.policy_compare, "what would other policies have cost, by the journal?",
        "Estimate, from the choices in the journal and what came back about them, what the\n"
        "ladder, a trial of it and what was learned would have cost: doubly robust, with a 95 %\n"
        "interval. It says so where the journal cannot tell. The guard may run meanwhile.\n\n"
        "  homeward policy compare\n  homeward policy compare --json",
    )  # fmt: skip
    one.add_argument("--json", action="store_true", help="one JSON object")
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)
    one = _add(
        group, "step-up", deciding.step_up, "give a person a code or a PIN, for when the guard doubts who it is",
        "Give a person a one-time code on their telephone (RFC 6238) or a PIN. When an act in\n"
        "their name is odd, what is done in their name at doors and locks does not count as\n"
        "theirs until they have given it on the page. Without a person, list who has one.\n\n"
        "  homeward step-up person:anna\n  homeward step-up person:anna --pin\n  homeward step-up",
    )  # fmt: skip
    one.add_argument(
        "person", type=_person, nargs="?", metavar="PERSON", help="as the sources name them: person:anna"
    )
    one.add_argument("--pin", action="store_true", help="a PIN, asked for (or read from standard input)")
    one.add_argument("--withdraw", action="store_true", help="take it from them")
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)


def _person(name: str) -> str:
    if not is_name(name):
        raise argparse.ArgumentTypeError("write a name such as person:anna")
    return name


def _add_keeping(group: Any) -> None:
    one = _add(
        group, "verify", commands.verify, "walk the journal and say where it breaks",
        "Every entry of the journal holds everything before it. Walk the chain and say\n"
        "whether each entry is as it was written, or which is the first that is not.\n"
        "The guard may run meanwhile.\n\n  homeward verify",
    )  # fmt: skip
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)
    one = _add(
        group, "backup", commands.backup, "copy the journal, while the guard runs",
        "Copy one moment of the journal into a new file and verify the copy. What was\n"
        "learned is in it: state is a fold over the journal.\n\n  homeward backup 2025-01-31.journal",
    )  # fmt: skip
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)
    one = _add(
        group, "restore", commands.restore, "make a backup the journal",
        "Verify a backup and make it the journal. A journal that is there is given up only\n"
        "if you say so; the guard must be stopped.\n\n  homeward restore 2025-01-31.journal",
    )  # fmt: skip
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--replace", action="store_true", help="give up the journal that is there")
    one.add_argument("--state", type=Path, metavar="DIR", help=_WHERE)
    _add_config(one)


def _add_measuring(group: Any) -> None:
    one = _add(
        group, "replay", commands.replay_files, "what would the guard have said about a recorded home?",
        "Stream the files of one home through a new guard, journal and all, and show every\n"
        "alarm with its reason. Nobody answers. Alarms are counted from the 15th active day on.\n\n"
        "  homeward replay home.events.csv.gz\n  homeward replay home.events.csv.gz --json | head",
    )  # fmt: skip
    one.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="events.csv[.gz], rooms5min.csv[.gz] or .jsonl"
    )
    one.add_argument("--json", action="store_true", help="JSON Lines: each alarm, at the end a summary")
    one.add_argument("--budget", type=_budget, default=1.0, metavar="N", help="alarms a week (default: 1)")
    one.add_argument("--state", type=Path, metavar="DIR", help="keep the journal in this new folder")


def _add_benchmarks(group: Any) -> None:
    one = group.add_parser("bench", help="how good is it, side by side with others, on recorded homes?")
    benches = one.add_subparsers(title="benchmarks", metavar="NAME", required=True, parser_class=_Parser)
    for benchmark in BENCHMARKS.values():
        example = f"homeward bench {benchmark.name}{' --data recordings' if benchmark.reads else ''}"
        story = f"{benchmark.story}\n\n  {example}"
        one = _add(benches, benchmark.name, bench_commands.bench, benchmark.question, story)
        one.set_defaults(benchmark=benchmark)
        one.add_argument(
            "--data", type=Path, default=Path(), metavar="DIR",
            help=f"a folder with {' or '.join(benchmark.reads)} files (default: this one)"
            if benchmark.reads
            else "not read: it needs no recordings",
        )  # fmt: skip
        one.add_argument("--json", action="store_true", help="one JSON object")
        one.add_argument(
            "--seed", type=int, default=SEED, metavar="N", help="of all that is drawn (default: %(default)s)"
        )
        if benchmark.households is not None:
            one.add_argument(
                "--households", type=_households, default=benchmark.households, metavar="N",
                help="simulated homes beside the recorded ones (default: %(default)s)",
            )  # fmt: skip
        one.add_argument(
            "--write", type=Path, metavar="FILE", action="append", default=[],
            help="also write the figures between their marks there (may be given twice)",
        )  # fmt: skip
        one.add_argument(
            "--picture", type=Path, metavar="FILE.svg", action="append", default=[],
            help="also draw them there; what shows something more goes to FILE-WHAT.svg",
        )  # fmt: skip


def _budget(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of alarms a week above 0")
    return value


def _days(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be a number of days, 1 or more")
    return value


def _households(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be a number of homes, 0 or more")
    return value
