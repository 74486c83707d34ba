"""A guard that is gone: the broker says so for it, and the guard itself says afterwards how long it was blind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.end_to_end.home import (
    STATUS,
    Home,
    Neighbour,
    eventually,
    home_fixture,  # noqa: F401 - a fixture
    journaled,
)
from tests.mosquitto import (
    Mosquitto,
    certificates_fixture,  # noqa: F401 - a fixture
    mosquitto_fixture,  # noqa: F401 - a fixture
)

from homeward.core.inputs import Health


@pytest.fixture
def neighbour(mosquitto: Mosquitto) -> Iterator[Neighbour]:
    neighbour = Neighbour(mosquitto, "neighbour")
    neighbour.listen(STATUS)
    yield neighbour
    neighbour.close()


def test_the_broker_says_that_a_killed_guard_is_gone_and_the_guard_how_long_it_was_blind(
    home: Home, neighbour: Neighbour
) -> None:
    home.configure({})
    home.start()
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard says that it is there")
    neighbour.publish("home/meter", '{"power": 1}')
    eventually(lambda: home.count("events") == 1, "it hears")
    last = journaled(home.state)[-1].at
    home.kill()
    eventually(lambda: neighbour.said(STATUS) == ["online", "offline"], "the broker says that it is gone")

    home.start()
    eventually(lambda: neighbour.said(STATUS) == ["online", "offline", "online"], "it is there again")
    gone = [one for one in home.api_state()["incidents"] if one["device"] == "guard"]
    assert len(gone) == 1
    assert not gone[0]["open"], "it is over when it is told"
    assert gone[0]["kind"] == "blind"
    since = f"{last.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S}"
    assert gone[0]["reason"].startswith(f"blind: guard: from {since} to ")
    assert gone[0]["reason"].endswith("it had stopped without a word; it came back")
    told = [one for one in journaled(home.state) if isinstance(one, Health) and one.subject == "guard"]
    assert [one.up for one in told] == [False, True]

    home.stop()
    eventually(lambda: neighbour.said(STATUS)[-1] == "offline", "a guard that is stopped takes its leave itself")
    home.start()
    eventually(lambda: neighbour.said(STATUS)[-1] == "online", "it is there again")
    gone = [one for one in home.api_state()["incidents"] if one["device"] == "guard"]
    assert len(gone) == 1, "a quick restart in good order is not worth telling"


def test_a_broker_that_is_away_is_blindness_until_it_is_back(
    home: Home, neighbour: Neighbour, mosquitto: Mosquitto
) -> None:
    home.configure({})
    home.start()
    eventually(lambda: neighbour.said(STATUS) == ["online"], "the guard says that it is there")
    began = datetime.now(ZoneInfo("Europe/Berlin"))
    mosquitto.stop()
    eventually(lambda: home.api_state()["state"] == "blind", "the page says that it is blind")
    (incident,) = [one for one in home.api_state()["incidents"] if one["device"] == "source:mqtt"]
    assert datetime.fromisoformat(incident["opened"]) >= began
    assert "connection lost" in incident["reason"] or "cannot connect" in incident["reason"]
    mosquitto.start()
    eventually(lambda: home.api_state()["state"] != "blind", "it sees again")
    eventually(neighbour.is_connected, "the sensor, too, is back")
    neighbour.publish("home/meter", '{"power": 1}')
    eventually(lambda: home.count("events") == 1, "it hears")
    home.stop()
