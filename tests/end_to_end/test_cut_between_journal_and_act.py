"""SIGKILL, and a power cut, at every point between journal and act: what was decided is done once, and ends once.

The guard dies by itself around the commit that writes a chosen word (see death_shim.c), so that no test has to meet a
moment. After a power cut it finds what was fsynced, and no more (see tests/fsync_shim.c).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.end_to_end.home import (
    STATUS,
    Home,
    Neighbour,
    eventually,
    home_fixture,  # noqa: F401 - a fixture
    journaled,
)
from tests.end_to_end.relay import CONNECT, Relay, _Line
from tests.end_to_end.test_killed import LATE, Disk, disk  # noqa: F401 - a fixture
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)
from tests.test_journal_crash import shim  # noqa: F401 - a fixture

from homeward.core.effects import Apply, Record, Revert
from homeward.core.event import Event
from homeward.core.inputs import Outcome
from homeward.journal import Journal

TOPIC = "home/hall_light/set"

When = Literal["write", "sync", "synced"]
LONG, SHORT = 10.0, 1.5
"""How long the light shines, in seconds: a restart comes in time to switch it on, or too late to switch it off."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """A point at which the guard dies: around the commit that writes ``word``. ``told`` is what the light was told
    before."""

    point: str
    word: str
    at: When
    told: tuple[str, ...] = ()
    shines: float = LONG

    def kept(self, cut: str) -> bool:
        """Whether a restart finds that commit: the system writes what a killed process left, a power cut loses it."""
        return self.at == "synced" or (self.at == "sync" and cut == "killed")

    def again(self, said: str, cut: str) -> bool:
        """Whether the light is told the same once more, as nobody wrote down that it was."""
        return self.word == {"on": "Outcome", "off": "revert"}[said] and not self.kept(cut)


BACK: dict[str, Any] = {"told": ("on", "off"), "shines": SHORT}
DEATHS = (
    Death(point="before the act is written", word="Apply", at="write"),
    Death(point="the act is written, not synced", word="Apply", at="sync"),
    Death(point="the act is on disk, not begun", word="Apply", at="synced"),
    Death(point="done, and that not written", word="Outcome", at="write", told=("on",)),
    Death(point="done, and that not synced", word="Outcome", at="sync", told=("on",)),
    Death(point="done, and that on disk", word="Outcome", at="synced", told=("on",), shines=SHORT),
    Death(point="before the revert is written", word="Revert", at="write", told=("on",), shines=SHORT),
    Death(point="the revert is written, not synced", word="Revert", at="sync", told=("on",), shines=SHORT),
    Death(point="the revert is on disk, not begun", word="Revert", at="synced", told=("on",), shines=SHORT),
    Death(point="taken back, and that not written", word="revert", at="write", **BACK),
    Death(point="taken back, and that not synced", word="revert", at="sync", **BACK),
    Death(point="taken back, and that on disk", word="revert", at="synced", **BACK),
)
CASES = [
    pytest.param(death, cut, id=f"{death.point}: {cut}")
    for death in DEATHS
    for cut in (("killed", "power") if death.at == "sync" else ("either",))
]
"""Only what is written and not synced differs; elsewhere the test shows that both cuts leave the same journal."""


@pytest.fixture(scope="session")
def death_shim(tmp_path_factory: pytest.TempPathFactory, need_program: Callable[[str, str], str]) -> Path:
    library = tmp_path_factory.mktemp("death") / "death_shim.so"
    compiler = need_program("cc", "gcc libc6-dev")
    source = Path(__file__).parent / "death_shim.c"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(source), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return library


class Light(Neighbour):
    """The light in the hall: it does what it is told, keeps count of it, and tells its state."""

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        super()._on_message(client, data, message)
        if message.topic == TOPIC:
            client.publish("home/hall_light", f'{{"alarm": "{bytes(message.payload).decode()}"}}', qos=1)

    @property
    def told(self) -> list[str]:
        return self.said(TOPIC)


@pytest.fixture
def light(mosquitto: Mosquitto) -> Iterator[Light]:
    light = Light(mosquitto, "light")
    light.listen(TOPIC)
    light.listen(STATUS)
    yield light
    light.close()


def somebody_comes_in(light: Light) -> None:
    """The alarm is set, and the window opens."""
    coming = [
        ("home/panel", '{"alarm": "armed_away"}'),
        ("home/hall_window", '{"contact": true}'),
        ("home/hall_window", '{"contact": false}'),
    ]
    eventually(light.send(coming), "the messages were sent")


def start_to_die(home: Home, disk: Disk, death_shim: Path, word: str, at: When) -> None:  # noqa: F811
    """The guard will die around the first commit that writes the word."""
    preload = f"{death_shim}:{disk.environment['LD_PRELOAD']}"
    home.start(**disk.environment | {"LD_PRELOAD": preload, "DEATH_WORD": word, "DEATH_AT": at})


def listens(light: Light) -> bool:
    return light.said(STATUS)[-1:] == ["online"]


def of_kind(folder: Path, kind: type) -> list[Any]:
    return [entry for entry in journaled(folder) if isinstance(entry, kind)]


def holds(folder: Path, word: str) -> bool:
    """Whether the journal holds an entry whose commit was waited for."""
    if word == "revert":
        return any(outcome.step == "revert" for outcome in of_kind(folder, Outcome))
    kinds: dict[str, type] = {"Apply": Apply, "Outcome": Outcome, "Revert": Revert}
    return bool(of_kind(folder, kinds[word]))


def put_back(found: Path, state: Path) -> None:
    """The state folder is what was found on the disk when the power came back."""
    shutil.rmtree(state)
    shutil.copytree(found, state)
    state.chmod(0o700)
    for file in state.iterdir():
        file.chmod(0o600)


def over(state: Path) -> bool:
    return any(record.kind == "lease_ended" for record in of_kind(state, Record))


@pytest.mark.parametrize(("death", "cut"), CASES)
def test_wherever_the_guard_dies_the_act_is_done_and_taken_back_as_if_it_had_not(
    death: Death,
    cut: str,
    home: Home,
    light: Light,
    disk: Disk,  # noqa: F811 - the fixture
    death_shim: Path,
) -> None:
    home.configure({"hall_light": death.shines})
    start_to_die(home, disk, death_shim, death.word, death.at)
    eventually(lambda: listens(light), "the guard listens")
    somebody_comes_in(light)
    home.wait_until_killed()
    eventually(lambda: not listens(light), "the broker tells that the guard is gone")
    assert light.told == list(death.told)

    if cut != "killed":
        found = disk.after_the_power_cut()
        assert (journaled(found) == journaled(home.state)) == (cut == "either")
        put_back(found, home.state)
    assert holds(home.state, death.word) == death.kept(cut)
    before = [apply.action for apply in of_kind(home.state, Apply)]
    down = datetime.now(UTC)
    home.start()
    up = datetime.now(UTC)
    eventually(lambda: over(home.state), "the lease ends")
    home.stop()

    (decided,) = of_kind(home.state, Apply)
    action = decided.action
    assert [action] == before or (not before and decided.at >= down), "what was decided is done, or decided anew"
    assert [said for said, _ in groupby(light.told)] == ["on", "off"]
    assert {said: light.told.count(said) for said in ("on", "off")} == {
        said: 1 + death.again(said, cut) for said in ("on", "off")
    }
    ended = [record.subject for record in of_kind(home.state, Record) if record.kind == "lease_ended"]
    assert ended == [action.id], "it ends once"
    last = light.when(TOPIC, "off")
    assert last is not None
    assert action.ends <= last <= max(action.ends, up) + LATE
    with Journal(home.state, create=False) as journal:
        assert journal.verify().ok


def forget_the_session(broker: Mosquitto) -> None:
    """Whatever waits for the guard at the broker is lost."""
    client = broker.settings().new_client("homeward", clean_session=True)
    client.connect(broker.settings().host, broker.port)
    client.loop_start()
    eventually(client.is_connected, "the session is taken over")
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(("at", "cut"), [("write", "killed"), ("write", "power"), ("sync", "power")])
def test_what_was_not_written_is_never_done_without_a_new_decision(
    at: When,
    cut: str,
    home: Home,
    light: Light,
    mosquitto: Mosquitto,
    disk: Disk,  # noqa: F811 - the fixture
    death_shim: Path,
) -> None:
    """The message that called for it is lost as well: nothing is left that could decide."""
    home.configure({"hall_light": LONG})
    start_to_die(home, disk, death_shim, "Apply", at)
    eventually(lambda: listens(light), "the guard listens")
    somebody_comes_in(light)
    home.wait_until_killed()
    eventually(lambda: not listens(light), "the broker tells that the guard is gone")
    if cut == "power":
        put_back(disk.after_the_power_cut(), home.state)
    forget_the_session(mosquitto)
    home.start()
    eventually(lambda: listens(light), "the guard listens again")
    eventually(light.send([("home/meter", '{"power": 7.0}')]), "something else is told")
    eventually(lambda: any(one.value == 7.0 for one in of_kind(home.state, Event)), "the guard heard of it")
    home.stop()
    assert of_kind(home.state, Apply) == []
    assert light.told == []


class Watching(Relay):
    """Notes who connects."""

    def __init__(self, broker: Mosquitto) -> None:
        super().__init__(broker)
        self.connects = 0

    def from_guard(self, line: _Line, kind: int, body: bytes) -> None:
        super().from_guard(line, kind, body)
        self.connects += kind == CONNECT


def test_a_guard_killed_while_it_takes_back_what_the_broker_does_not_pass_on_shows_it_and_goes_on_after_a_restart(
    home: Home,
    light: Light,
    mosquitto: Mosquitto,
) -> None:
    relay = Watching(mosquitto)
    with relay.running():
        home.configure({"hall_light": SHORT}, port=relay.port)
        home.start()
        eventually(lambda: listens(light), "the guard listens")
        somebody_comes_in(light)
        eventually(lambda: bool(of_kind(home.state, Outcome)), "it shines, and the guard knows")
        connects = relay.connects
        mosquitto.freeze()
        eventually(lambda: bool(of_kind(home.state, Revert)), "its time is over")
        eventually(lambda: relay.connects > connects, "the guard tells the broker so")
        eventually(lambda: bool(home.api_state()["leases"][0]["error"]), "the page says that this failed")
        (shown,) = home.api_state()["leases"]
        assert shown["status"] == "reverting"
        assert "not logged in" in shown["error"] or "not sent" in shown["error"]
        home.kill()
        assert light.told == ["on"]
        mosquitto.thaw()
        home.start()
        eventually(lambda: over(home.state), "the lease ends")
        home.stop()
    assert light.told == ["on", "off"]
    assert len([record for record in of_kind(home.state, Record) if record.kind == "lease_ended"]) == 1
