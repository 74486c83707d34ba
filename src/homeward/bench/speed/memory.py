"""How much memory does `homeward up` take, with its page open?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from homeward.bench.homes import Household
from homeward.bench.neighbourhood.files import write
from homeward.bench.speed.processes import broker, guard
from homeward.core.event import Event
from homeward.sources.mqtt_settings import MqttSettings

LIVE: Final = 1_000
"""So many messages after the history."""

WEEK: Final = timedelta(days=7)
CONFIRM_SECONDS: Final = 30.0
CONFIGURATION: Final = """\
[home]
name = "speed"
timezone = "{zone}"
state = "state"
devices = "{devices}"

[page]
port = @PAGE@

[mqtt]
host = "127.0.0.1"
port = {port}

[[mqtt.topic]]
pattern = "speed/{{device}}"
properties = {{ state = "text" }}

[history]
files = ["{history}"]
"""


def measure(home: Household, folder: Path, *, history: int, live: int = LIVE) -> dict[str, Any]:
    """``rss_mib`` of a guard that has learned so many events of ``history`` and then heard ``live`` messages, whose
    page was opened; and ``rss_events``, how many events these were.

    Raises:
        ProcessError: there is no broker, or a process does not start.
    """
    recent = _of_late(home.events[: history + live])
    past, now = recent[:history], recent[history:]
    file = write(replace(home, events=past), folder)
    with broker(folder) as port:
        text = CONFIGURATION.format(
            zone=home.timezone, devices=f"{home.name}.devices.csv", port=port, history=file.name
        )
        with guard(folder, text) as running:
            running.wait_until_listening(port, "speed")
            _say(port, now)
            running.wait_for_events(_changes(now))
            running.show()
            return {"rss_mib": running.resident(), "rss_events": len(past) + _changes(now)}


def _of_late(events: list[Event]) -> list[Event]:
    """The same events, as many whole weeks later as there is time: else what was learned would have faded."""
    weeks = (datetime.now(UTC) - events[-1].at) // WEEK
    return [replace(event, at=event.at + weeks * WEEK, happened=event.at + weeks * WEEK) for event in events]


def _say(port: int, events: list[Event]) -> None:
    settings = MqttSettings(host="127.0.0.1", port=port, protocol=311)
    client = settings.new_client("speed-devices", clean_session=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        said = [client.publish(f"speed/{e.device}", json.dumps({"state": e.action}), qos=1) for e in events]
        for message in said:
            message.wait_for_publish(CONFIRM_SECONDS)
    finally:
        client.disconnect()
        client.loop_stop()


def _changes(events: list[Event]) -> int:
    """How many of these messages are events: those that change what their device said before."""
    last: dict[str, str] = {}
    changes = 0
    for event in events:
        changes += last.get(event.device, event.action) != event.action
        last[event.device] = event.action
    return changes
