"""What Home Assistant's entities are: devices by registry id, their names, types and rooms."""

from __future__ import annotations

from typing import Any

import pytest

from homeward.sources import home_assistant_home
from homeward.sources.home_assistant_home import Home
from homeward.sources.home_assistant_reading import Reading
from homeward.sources.home_assistant_states import State

AREAS = [{"area_id": "hall", "name": "Hall"}, {"area_id": "kitchen", "name": "Kitchen"}]


def device(key: str, name: str | None = "Plug", **about: Any) -> dict[str, Any]:
    return {"id": key, "name": name, "name_by_user": None, "area_id": None, **about}


def entry(entity_id: str, device_id: str | None = "d1", **about: Any) -> dict[str, Any]:
    return {"entity_id": entity_id, "id": f"r-{entity_id}", "device_id": device_id, **about}


def name_of(home: Home, entity_id: str, **attributes: Any) -> str | None:
    entity = home.entity(entity_id, attributes)
    return None if entity is None else entity.device


def test_a_device_is_named_as_its_owner_named_it() -> None:
    home = Home()
    home.load([entry("switch.a")], [device("d1", "0x00158d", name_by_user="Coffee maker")], [])
    assert name_of(home, "switch.a") == "Coffee maker"


def test_another_entity_id_makes_no_other_device() -> None:
    reading = Reading("home_assistant", "home", None, ())

    def says(entity_id: str, state: str, at: int) -> list[tuple[str, str]]:
        when = f"2026-11-28T11:42:{at:02}+00:00"
        said = State.read({"entity_id": entity_id, "state": state, "last_changed": when, "last_updated": when})
        entity = reading.entity(said)
        assert entity is not None
        return [(change.device, change.action) for change in reading.changes(entity, said, since=0.0)]

    reading.home.load([entry("switch.a", id="r1")], [device("d1")], [])
    says("switch.a", "off", 1)
    reading.home.load([entry("switch.coffee", id="r1")], [device("d1")], [])
    assert list(reading.home.entities()) == []  # until its state comes under the new id
    assert says("switch.coffee", "off", 2) == []
    assert says("switch.coffee", "on", 3) == [("Plug", "on")]


def test_several_alike_in_one_device_are_devices_of_their_own() -> None:
    home = Home()
    sockets = [entry(f"switch.s{number}", original_name=f"Plug socket {number}") for number in (1, 2)]
    meter = entry("sensor.power", original_name="Power")
    home.load([*sockets, meter], [device("d1", "Plug", area_id="hall")], AREAS)
    for each in ("switch.s1", "switch.s2"):
        home.entity(each, {})
    home.entity("sensor.power", {"device_class": "power"})
    assert [name_of(home, each) for each in ("switch.s1", "switch.s2")] == ["Plug socket 1", "Plug socket 2"]
    assert name_of(home, "sensor.power", device_class="power") == "Plug"
    assert home.announced()["Plug socket 1"] == {"type": "switch", "room": "Hall"}


def test_two_devices_of_one_name_are_told_apart_and_the_first_keeps_it() -> None:
    home = Home()
    plugs = [device("d1"), device("d2", area_id="kitchen"), device("d3" * 10)]
    home.load([entry(f"switch.{each['id']}", each["id"]) for each in plugs], plugs, AREAS)
    assert [name_of(home, f"switch.{each['id']}") for each in plugs] == ["Plug", "Plug (Kitchen)", "Plug d3d3d3"]


def test_two_helpers_of_one_name_do_not_speak_for_each_other() -> None:
    home = Home()
    assert name_of(home, "light.a", friendly_name="Lamp") == "Lamp"
    assert name_of(home, "light.b", friendly_name="Lamp") == "light.b"
    assert name_of(home, "light.a", friendly_name="Lamp") == "Lamp"


def test_it_announces_type_room_maker_model_and_address() -> None:
    home = Home()
    about = {"manufacturer": "Aqara", "model": "E1", "area_id": "hall", "connections": [["mac", "00:15:8d:00:00:01"]]}
    home.load([entry("switch.a"), entry("sensor.a")], [device("d1", "Plug", **about)], AREAS)
    home.entity("switch.a", {})
    home.entity("sensor.a", {"device_class": "power"})
    assert home.announced() == {
        "Plug": {"type": "plug", "room": "Hall", "maker": "Aqara", "model": "E1", "address": "00:15:8d:00:00:01"}
    }


@pytest.mark.parametrize(
    ("entities", "type_"),
    [
        ({"binary_sensor.a": "motion", "sensor.a": "temperature", "sensor.b": "illuminance"}, "motion"),
        ({"event.a": "doorbell", "camera.a": None, "binary_sensor.a": "motion"}, "doorbell"),
        ({"camera.a": None, "binary_sensor.a": "motion", "siren.a": None}, "siren"),
        ({"lock.a": None, "binary_sensor.a": "door"}, "lock"),
        ({"cover.a": "garage", "light.a": None}, "garage_door"),
        ({"climate.a": None, "sensor.a": "temperature"}, "thermostat"),
    ],
)
def test_a_device_of_several_parts_is_what_must_be_guarded_most(entities: dict[str, str | None], type_: str) -> None:
    home = Home()
    home.load([entry(each) for each in entities], [device("d1", "It")], [])
    for each, device_class in entities.items():
        home.entity(each, {"device_class": device_class})
    assert home.announced()["It"]["type"] == type_


def test_the_machines_own_affairs_and_homewards_own_entities_are_left_out() -> None:
    home = Home()
    entries = [
        entry("sensor.rssi", entity_category="diagnostic"),
        entry("switch.led", entity_category="config"),
        entry("lock.off", disabled_by="user"),
        entry("sensor.state", "own"),
        entry("sensor.forecast", "service"),
        entry("device_tracker.phone", entity_category="diagnostic"),
    ]
    devices = [
        device("d1"),
        device("own", "Homeward", manufacturer="Homeward"),
        device("service", "Forecast", entry_type="service"),
    ]
    home.load(entries, devices, [])
    for each in entries[:5]:
        assert home.entity(each["entity_id"], {"device_class": "temperature"}) is None
    assert home.entity("device_tracker.phone", {}) is not None  # each tracker calls itself diagnostic


def test_what_a_person_carries_does_not_speak_for_itself() -> None:
    home = Home()
    assert name_of(home, "person.anna", friendly_name="Anna", device_trackers=[]) == "anna"
    assert name_of(home, "device_tracker.phone", friendly_name="Phone") == "Phone"
    assert name_of(home, "person.anna", friendly_name="Anna", device_trackers=["device_tracker.phone"]) == "anna"
    assert name_of(home, "device_tracker.phone", friendly_name="Phone") is None
    assert name_of(home, "person.anna", friendly_name="Anna", device_trackers=None) == "anna"
    assert name_of(home, "device_tracker.phone", friendly_name="Phone") == "Phone"


@pytest.mark.parametrize("nonsense", [None, 3, {}, ["x"], [{}], [{"entity_id": 5, "id": None, "area_id": []}]])
def test_registries_of_nonsense_are_passed_over(nonsense: object) -> None:
    home = Home()
    home.load(nonsense, nonsense, nonsense)
    assert name_of(home, "light.a", friendly_name={"a": 1}) == "light.a"


def test_there_are_no_more_entities_than_a_limit_but_for_configured_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_assistant_home, "ENTITY_LIMIT", 2)
    home = Home(known=["Front door"])
    for each in ("light.a", "light.b"):
        home.entity(each, {})
    with pytest.raises(OverflowError):
        home.entity("light.c", {})
    assert name_of(home, "lock.door", friendly_name="Front door") == "Front door"
    home.forget("light.a")
    home.forget("light.b")
    assert name_of(home, "light.c") == "light.c"
