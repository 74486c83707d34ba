"""A real guard in its own process joins a real Home Assistant: it learns the past, then follows what happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.end_to_end.home import Installation, events, eventually, journaled
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


class Joined(Installation):
    """A home that is heard by its Home Assistant alone."""

    def __init__(self, folder: Path, home_assistant: HomeAssistant, token: str) -> None:
        super().__init__(folder)
        self.keep_secret("token", token)
        self.file.write_text(CONFIGURATION.format(page=self.page_port, url=home_assistant.url))

    def lights(self, since: datetime) -> list[str]:
        """What the kitchen's light did since then, by Home Assistant's own clock: others switched it before."""
        return [one.action for one in self._lights(since)]

    def who_did_last(self, since: datetime) -> str | None:
        return self._lights(since)[-1].actor

    def _lights(self, since: datetime) -> list[Event]:
        kitchen = (
            event for event in events(self.state) if event.device == "Kitchen" and event.action in {"on", "off"}
        )
        return [event for event in kitchen if event.happened and event.happened >= since]

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

    def switch(how: str) -> None:
        home_assistant.call(f"light.turn_{how}", token=anna.token, entity_id="light.kitchen")

    switch("off")
    since = datetime.now(UTC)
    switch("on")
    switch("off")
    joined.start()
    eventually(lambda: joined.learned() > 0, "it has learned from the recorder")
    # What the recorder had not written yet when the past was read comes with what happens now.
    eventually(lambda: joined.lights(since) == ["on", "off"], "it knows of the light")

    switch("on")
    eventually(lambda: joined.lights(since) == ["on", "off", "on"], "it hears the light")
    assert joined.who_did_last(since) == "person:anna"

    joined.kill()
    switch("off")
    joined.start()
    eventually(lambda: joined.lights(since) == ["on", "off", "on", "off"], "it hears what happened while it was gone")
    joined.stop()
    assert joined.lights(since) == ["on", "off", "on", "off"]
