"""What Home Assistant's states mean: a conversation of states in and events out, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.vocabulary import ACTIONS
from homeward.sources.home_assistant_reading import Reading
from homeward.sources.home_assistant_states import State
from homeward.sources.payloads import Refused
from homeward.sources.topics import Change

EVENING = 1_790_000_000.0
ANNA, OWN = "a" * 32, "b" * 32


class House:
    """One Home Assistant, told of state by state; a second passes with each."""

    def __init__(
        self,
        *,
        entities: list[dict[str, Any]] | None = None,
        devices: list[dict[str, Any]] | None = None,
        areas: list[dict[str, Any]] | None = None,
        last: Mapping[str, str] | None = None,
    ) -> None:
        self.reading = Reading("home_assistant", "home", last, ())
        self.reading.home.load(entities or [], devices or [], areas or [])
        self.now = EVENING

    def hears(
        self, entity_id: str, state: str, context: Mapping[str, Any] | None = None, **attributes: Any
    ) -> list[Change]:
        """The changes that a state tells of."""
        self.now += 1
        when = datetime.fromtimestamp(self.now, UTC).isoformat()
        said = {
            "entity_id": entity_id,
            "state": state,
            "attributes": attributes,
            "last_changed": when,
            "last_updated": when,
            "context": context or {"id": f"c{self.now}", "parent_id": None, "user_id": None},
        }
        found = State.read(said)
        self.reading.note(found)
        entity = self.reading.entity(found)
        if entity is None:
            return []
        changes = self.reading.changes(entity, found, since=0.0)
        if entity.domain == "person":
            changes += self.reading.decoder.residents(found.changed)
        return changes

    def told(self, entity_id: str, *states: str, **attributes: Any) -> list[str]:
        """The same in words, of several states one after the other."""
        changes = [change for state in states for change in self.hears(entity_id, state, **attributes)]
        return [
            f"{change.device} {change.action}" + ("" if change.value is None else f" {change.value:g}")
            for change in changes
        ]


def test_a_first_state_a_repeat_and_no_state_are_no_events() -> None:
    house = House()
    assert house.told("lock.door", "locked") == []
    assert house.told("lock.door", "locked", "unknown", "unavailable", "locked") == []
    assert house.told("lock.door", "unlocked") == ["lock.door unlocked"]


def test_what_changed_while_the_guard_was_away_is_an_event() -> None:
    house = House(last={"lock/Front door": "locked"})
    assert house.told("lock.door", "unlocked", friendly_name="Front door") == ["Front door unlocked"]


@pytest.mark.parametrize(
    ("entity_id", "device_class", "states", "events"),
    [
        ("binary_sensor.x", "door", ["off", "on", "off"], ["open", "closed"]),
        ("binary_sensor.x", "window", ["on", "off"], ["closed"]),
        ("binary_sensor.x", "motion", ["off", "on", "off"], ["on", "off"]),
        ("binary_sensor.x", "lock", ["off", "on"], ["unlocked"]),
        ("binary_sensor.x", "smoke", ["off", "on"], ["on"]),
        ("binary_sensor.x", "battery", ["off", "on"], []),
        ("binary_sensor.x", "connectivity", ["off", "on"], []),
        ("lock.x", None, ["locked", "unlocking", "unlocked", "jammed"], ["unlocked", "jammed"]),
        ("cover.x", "garage", ["closed", "opening", "open", "closing", "closed"], ["open", "closed"]),
        ("alarm_control_panel.x", None,
         ["disarmed", "arming", "armed_night", "pending", "triggered", "disarmed"],
         ["armed_night", "triggered", "disarmed"]),
        ("light.x", None, ["off", "on"], ["on"]),
        ("media_player.x", None, ["off", "buffering", "playing", "paused"], ["playing", "paused"]),
        ("vacuum.x", None, ["docked", "cleaning", "returning", "docked"], ["cleaning", "returning", "docked"]),
        ("camera.x", None, ["idle", "recording"], ["recording"]),
        ("device_tracker.x", None, ["home", "not_home", "Allotment"], ["away", "Allotment"]),
    ],
)  # fmt: skip
def test_every_domain_speaks_the_vocabulary(
    entity_id: str, device_class: str | None, states: list[str], events: list[str]
) -> None:
    house = House()
    about = {"friendly_name": "X"} | ({} if device_class is None else {"device_class": device_class})
    assert house.told(entity_id, *states, **about) == [f"X {event}" for event in events]
    assert all(event in ACTIONS for event in events if event != "Allotment")


def test_noise_of_a_reading_is_no_event_and_units_are_brought_to_one() -> None:
    house = House()
    about = {"device_class": "temperature", "state_class": "measurement", "friendly_name": "Hall"}
    celsius, fahrenheit = about | {"unit_of_measurement": "°C"}, about | {"unit_of_measurement": "°F"}
    assert house.told("sensor.hall", "20.0", "20.3", "19.8", "20.6", **celsius) == ["Hall reading 20.6"]
    assert house.told("sensor.hall", "70", **fahrenheit) == ["Hall reading 21.1111"]
    power = {"device_class": "power", "unit_of_measurement": "kW", "friendly_name": "Oven"}
    assert house.told("sensor.oven", "0", "0.004", "2.1", **power) == ["Oven reading 2100"]


def test_free_text_forecasts_and_settings_are_not_read() -> None:
    house = House()
    assert house.told("sensor.phone_geocoded_location", "1 Main Street", "2 Main Street") == []
    assert house.told("sensor.count", "1", "2", "300", state_class="measurement") == []
    for entity_id in ("weather.home", "sun.sun", "update.core", "number.delay", "automation.night", "zone.home"):
        assert house.told(entity_id, "a", "b") == []


def test_a_text_of_fixed_options_is_an_action() -> None:
    house = House()
    about = {"device_class": "enum", "options": ["idle", "washing", "done"], "friendly_name": "Washer"}
    assert house.told("sensor.washer", "idle", "washing", **about) == ["Washer washing"]


def test_a_thermostat_has_a_mode_and_a_set_point() -> None:
    house = House()
    assert house.told("climate.hall", "heat", friendly_name="Hall", temperature=20.0) == []
    assert house.told("climate.hall", "heat", friendly_name="Hall", temperature=22.5) == ["Hall set 22.5"]
    assert house.told("climate.hall", "off", friendly_name="Hall", temperature=None) == ["Hall off"]


def test_a_doorbell_rings_each_time_and_not_because_home_assistant_restarted() -> None:
    house = House()
    about: dict[str, Any] = {"device_class": "doorbell", "friendly_name": "Door", "event_type": "ring"}
    long_ago, before = (datetime.fromtimestamp(EVENING - ago, UTC).isoformat() for ago in (5000, 100))
    assert house.told("event.door", "unknown", before, **about) == []
    now, then = (datetime.fromtimestamp(EVENING + ahead, UTC).isoformat() for ahead in (3, 6))
    (rang,) = house.hears("event.door", now, **about)
    assert (rang.device, rang.action, rang.attributes["moment"]) == ("Door", "ring", "yes")
    assert house.told("event.door", "unavailable", now, **about) == []
    assert house.told("event.door", then, **about) == ["Door ring"]
    assert house.told("input_button.bell", "unknown", long_ago) == []
    pressed = datetime.fromtimestamp(house.now + 1, UTC).isoformat()
    assert house.told("input_button.bell", pressed, friendly_name="Bell") == ["Bell pressed"]


def test_persons_come_and_go_by_zone_and_the_residents_are_home_while_anybody_is() -> None:
    house = House()
    for person in ("Anna", "Ben"):
        house.told(f"person.{person}", "home", friendly_name=person)
    assert house.told("person.Anna", "not_home", friendly_name="Anna") == ["anna away"]
    assert house.told("person.Ben", "School", friendly_name="Ben") == ["ben School", "residents away"]
    anna, residents = house.hears("person.Anna", "home", friendly_name="Anna")
    assert (anna.action, anna.actor) == ("home", "person:anna")
    assert (residents.device, residents.action, residents.actor) == ("residents", "home", None)
    assert house.told("person.Owner", "unknown", friendly_name="Owner") == []


def test_where_somebody_is_is_dropped_at_once() -> None:
    said = {
        "entity_id": "device_tracker.phone", "state": "not_home", "last_updated": "2026-11-28T11:42:02+00:00",
        "last_changed": "2026-11-28T11:42:02+00:00",
        "attributes": {"latitude": 48.137, "longitude": 11.575, "gps_accuracy": 5, "friendly_name": "Phone"},
    }  # fmt: skip
    assert State.read(said).attributes == {"friendly_name": "Phone"}


def test_a_person_an_automation_the_guard_and_the_device_itself() -> None:
    house = House()
    house.told("person.anna", "home", friendly_name="Anna", user_id=ANNA)
    house.reading.actors.note_self({"id": OWN, "name": "Homeward", "is_owner": False})
    light = "light.hall"
    house.hears(light, "off")

    def who(state: str, **context: str | None) -> tuple[str | None, str | None]:
        (change,) = house.hears(light, state, {"id": "x", "parent_id": None, "user_id": None, **context})
        return change.actor, change.origin

    assert who("on", user_id=ANNA) == ("person:anna", "home_assistant")
    assert who("off", user_id=OWN) == ("homeward", "home_assistant")
    assert who("on", user_id="c" * 32) == (None, "home_assistant")
    assert who("off") == (None, None)
    house.hears("automation.night", "on", {"id": "run", "parent_id": "motion"}, friendly_name="Night light")
    assert who("on", id="run", parent_id="motion") == ("automation:Night light", "home_assistant")
    assert who("off", id="child", parent_id="run") == ("automation:Night light", "home_assistant")
    assert who("on", id="child", parent_id="of whom?") == (None, "home_assistant")
    house.reading.actors.note_users([{"id": "c" * 32, "name": "Kiosk"}, {"id": "d", "system_generated": True}])
    assert who("off", user_id="c" * 32) == ("person:kiosk", "home_assistant")


def test_the_owners_own_token_does_not_make_the_owners_acts_the_guards() -> None:
    house = House()
    house.told("person.anna", "home", friendly_name="Anna", user_id=ANNA)
    house.reading.actors.note_self({"id": ANNA, "name": "Anna", "is_owner": True})
    house.hears("light.hall", "off")
    (change,) = house.hears("light.hall", "on", {"id": "x", "user_id": ANNA})
    assert change.actor == "person:anna"


def test_a_slow_lock_is_worked_by_whoever_called_the_service() -> None:
    house = House()
    house.told("person.anna", "home", friendly_name="Anna", user_id=ANNA)
    house.told("lock.door", "locked")
    call = {"data": {"service_data": {"entity_id": ["lock.door"]}}, "context": {"id": "y", "user_id": ANNA}}
    house.reading.actors.note_call(call, house.now)
    house.now += 20
    (unlocked,) = house.hears("lock.door", "unlocked")
    assert (unlocked.actor, unlocked.origin) == ("person:anna", "home_assistant")
    house.now += 60
    (locked,) = house.hears("lock.door", "locked")
    assert (locked.actor, locked.origin) == (None, None)


def test_a_keypad_says_whose_code_it_was() -> None:
    house = House()
    house.told("person.anna", "home", friendly_name="Anna", user_id=ANNA)
    house.told("lock.door", "locked")
    (by_anna,) = house.hears("lock.door", "unlocked", changed_by="Anna")
    (by_code,) = house.hears("lock.door", "locked", changed_by="Code slot 3")
    assert (by_anna.actor, by_anna.origin) == ("person:anna", None)
    assert (by_code.actor, by_code.origin) == (None, "Code slot 3")


def test_a_device_is_blind_when_nothing_of_it_can_be_reached() -> None:
    strip = [{"entity_id": f"{domain}.x", "id": domain, "device_id": "d"} for domain in ("lock", "sensor")]
    house = House(entities=strip, devices=[{"id": "d", "name": "Door"}])
    names: dict[str, dict[str, Any]] = {"lock.x": {}, "sensor.x": {"device_class": "temperature"}}

    def says(entity_id: str, state: str) -> bool | None:
        house.hears(entity_id, state, **names[entity_id])
        entity = house.reading.home.recalled(entity_id)
        assert entity is not None
        at = "2026-11-28T11:42:02+00:00"
        said = {"entity_id": entity_id, "state": state, "last_changed": at, "last_updated": at}
        return house.reading.decoder.availability(entity, State.read(said))

    assert says("lock.x", "locked") is None
    assert says("sensor.x", "20") is None
    assert says("lock.x", "unavailable") is None
    assert says("sensor.x", "unavailable") is False
    assert says("lock.x", "locked") is True
    assert house.told("lock.x", "locked") == []


@pytest.mark.parametrize(
    "said",
    [None, [], "on", {}, {"entity_id": "light.x"}, {"entity_id": "light", "state": "on"},
     {"entity_id": "light.x", "state": "x" * 256, "last_updated": "2026-11-28T11:42:02+00:00"},
     {"entity_id": "light.x", "state": "on", "last_updated": "soon", "last_changed": 3},
     {"entity_id": "light.x", "state": "on", "last_updated": "2026-11-28T11:42:02", "last_changed": 1}],
)  # fmt: skip
def test_what_is_no_state_is_refused(said: object) -> None:
    with pytest.raises(Refused):
        State.read(said)


_nonsense = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)
_ATTRIBUTES = (
    "changed_by", "device_class", "device_trackers", "event_type", "friendly_name", "humidity", "options",
    "state_class", "temperature", "unit_of_measurement", "user_id",
)  # fmt: skip


@given(
    domain=st.sampled_from(["sensor", "binary_sensor", "climate", "event", "person", "lock", "automation", "switch"]),
    states=st.lists(st.text(max_size=255) | st.sampled_from(["on", "20.5", "nan", "1e999", "home"]), max_size=4),
    attributes=st.dictionaries(st.sampled_from(_ATTRIBUTES), _nonsense),
)
def test_nonsense_is_refused_or_clean_and_never_raised(
    domain: str, states: list[str], attributes: dict[str, Any]
) -> None:
    house = House()
    for state in states:
        for change in house.hears(f"{domain}.x", state, **attributes):
            assert 0 < len(change.device) <= 128
            assert 0 < len(change.action) <= 128
            assert change.action.isprintable()
            assert all(isinstance(text, str) for text in change.attributes.values())
