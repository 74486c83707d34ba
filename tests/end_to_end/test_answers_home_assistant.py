"""A real guard in its own process locks the lock of a real Home Assistant again, and never unlocks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.end_to_end.home import Installation, events, eventually, journaled
from tests.home_assistant_demo import (
    DemoHome,
    demo_home_fixture,  # noqa: F401 - a fixture
)

from homeward.core.effects import Apply, Revert
from homeward.core.event import Event
from homeward.core.inputs import Outcome
from homeward.dashboard import security

DOOR, ENTITY = "Front Door", "lock.front_door"

ZONE = "Europe/Berlin"

CONFIGURATION = """\
[home]
timezone = "{zone}"
state = "state"

[page]
port = {page}

[home_assistant]
url = "{url}"
token_file = "token"
history_days = 0

[[device]]
name = "Front Door"
type = "lock"
role = "entrance"

[[response]]
device = "Front Door"
command = "lock"
when = ["rule:never fine"]
responder = "home_assistant"
entity = "lock.front_door"
"""


class Locked(Installation):
    """A home whose front door's lock the guard may lock."""

    def __init__(self, folder: Path, home_assistant: DemoHome) -> None:
        super().__init__(folder)
        self.keep_secret("token", home_assistant.person("Homeward").token)
        self.file.write_text(CONFIGURATION.format(page=self.page_port, url=home_assistant.url, zone=ZONE))

    def door(self) -> list[Event]:
        """What the guard heard of the door's lock."""
        return [event for event in events(self.state) if event.device == DOOR and event.action != "announced"]

    def steps(self) -> list[Apply | Revert | Outcome]:
        """What the guard began to do, and what became of it, in the journal's order."""
        return [entry for entry in journaled(self.state) if isinstance(entry, Apply | Revert | Outcome)]


@pytest.fixture(name="locked")
def locked_fixture(tmp_path: Path, demo_home: DemoHome) -> Iterator[Locked]:
    demo_home.call("lock.lock", entity_id=ENTITY)
    demo_home.wait_for(ENTITY, "locked")
    home = Locked(tmp_path, demo_home)
    try:
        yield home
    finally:
        home.close()


def test_a_door_that_is_unlocked_at_an_hour_that_is_never_fine_is_locked_again_and_stays_so(
    locked: Locked, demo_home: DemoHome
) -> None:
    locked.start()
    eventually(lambda: any(event.device == DOOR for event in events(locked.state)), "it knows the lock")
    now = datetime.now(ZoneInfo(ZONE))
    begin, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 2))
    status, said = locked.press(
        "/rules", lambda key, person, channel: security.rule_token(key, "add", DOOR, person, channel),
        verdict="never_fine", device=DOOR, action="unlocked", begin=begin, end=end,
    )  # fmt: skip
    assert status == HTTPStatus.SEE_OTHER, said

    demo_home.call("lock.unlock", entity_id=ENTITY)
    demo_home.wait_for(ENTITY, "locked")
    eventually(lambda: [event.action for event in locked.door()] == ["unlocked", "locked"], "it hears its own act")
    eventually(lambda: len(locked.steps()) == 2, "the act is done")
    begun, done = locked.steps()
    assert isinstance(begun, Apply)
    assert (begun.action.command, begun.action.restore, begun.action.ends) == ("lock", None, None)
    assert isinstance(done, Outcome)
    assert (done.action, done.step, done.ok) == (begun.action.id, "apply", True)
    assert locked.door()[-1].actor == "homeward"

    (told,) = locked.api_state()["incidents"]
    status, said = locked.press(
        f"/incidents/{told['id']}/answer",
        lambda key, person, channel: security.answer_token(key, told["id"], person, channel),
        answer="yes",
    )
    assert status == HTTPStatus.SEE_OTHER, said
    assert locked.command("stand-down").returncode == 0
    locked.kill()
    locked.start()
    eventually(lambda: locked.count("commits") > 0, "it is back")
    locked.stop()
    assert demo_home.state(ENTITY) == "locked"
    assert len(locked.steps()) == 2, "nothing else was done"
    assert [event.action for event in locked.door()] == ["unlocked", "locked"]
