"""A real guard in its own process joins a real Home Assistant: it learns the past, then follows what happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.home import Home, events, eventually, free_port, journaled
from tests.home_assistant import (
    HomeAssistant,
    home_assistant_fixture,  # noqa: F401 - a fixture
)

from homeward.core.event import Event
from homeward.core.inputs import Change

CONFIGURATION = """\
[home]
timezone = "Europe/Berlin"
state = "state"

[page]
port = {page}

[home_assistant]
url = "{url}"
token_file = "token"
history_days = 1
"""


class Joined(Home):
    """A home that is heard by its Home Assistant alone."""

    def __init__(self, folder: Path, home_assistant: HomeAssistant, token: str) -> None:
        self.folder, self.page_port = folder, free_port()
        self.file, self.state, self.said = folder / "homeward.toml", folder / "state", folder / "guard.log"
        self._guard = None
        (folder / "token").touch(0o600)
        (folder / "token").write_text(token)
        self.file.write_text(CONFIGURATION.format(page=self.page_port, url=home_assistant.url))

    def lights(self) -> list[Event]:
        return [event for event in events(self.state) if event.device == "Kitchen" and event.action in {"on", "off"}]

    def learned(self) -> int:
        """How many events were learned from the past, before the first that happened now."""
        entries = journaled(self.state)
        ends = [n for n, one in enumerate(entries) if isinstance(one, Change) and one.command == "backfill_end"]
        return sum(isinstance(one, Event) for one in entries[: ends[0]]) if ends else 0


@pytest.fixture(name="joined")
def joined_fixture(tmp_path: Path, home_assistant: HomeAssistant) -> Iterator[Joined]:
    home = Joined(tmp_path, home_assistant, home_assistant.person("Homeward").token)
    try:
        yield home
    finally:
        home.close()


def test_it_learns_the_past_follows_who_does_what_and_loses_nothing_over_its_own_restart(
    joined: Joined, home_assistant: HomeAssistant
) -> None:
    anna = home_assistant.person("Anna")
    if not any(one["name"] == "Anna" for one in home_assistant.command("person/list")["storage"]):
        home_assistant.command("person/create", name="Anna", user_id=anna.user_id, device_trackers=[])
    for service in ("turn_on", "turn_off"):
        home_assistant.call(f"light.{service}", token=anna.token, entity_id="light.kitchen")
    before = ["on", "off"]
    joined.start()
    eventually(lambda: joined.learned() > 0, "it has learned from the recorder")
    # What the recorder had not written yet when the past was read comes with what happens now.
    eventually(lambda: [event.action for event in joined.lights()][-2:] == before, "it knows of the light")

    already = len(joined.lights())
    home_assistant.call("light.turn_on", token=anna.token, entity_id="light.kitchen")
    eventually(lambda: len(joined.lights()) == already + 1, "it hears the light")
    assert joined.lights()[-1].actor == "person:anna"

    joined.kill()
    home_assistant.call("light.turn_off", token=anna.token, entity_id="light.kitchen")
    joined.start()
    eventually(lambda: len(joined.lights()) == already + 2, "it hears what happened while it was gone")
    assert [event.action for event in joined.lights()][-2:] == ["on", "off"]
    joined.stop()
    assert len(joined.lights()) == already + 2
