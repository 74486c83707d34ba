"""What a contact is on, and whether that is a way in."""

from __future__ import annotations

import pytest

from homeward.core.vocabulary import ROLES, TYPES, role_of
from homeward.sources.placing import placed


@pytest.mark.parametrize(
    ("type_", "name", "room", "expected"),
    [
        ("contact.other", "front door", "", ("contact.door", "entrance")),
        ("contact.other", "Front_Door", "hall", ("contact.door", "entrance")),
        ("contact.other", "Haustür", "", ("contact.door", "entrance")),
        ("contact.door", "Tür", "Garten", ("contact.door", "entrance")),
        ("contact.door", "bathroom door", "", ("contact.door", "use")),
        ("contact.other", "garage door", "", ("contact.garage", "entrance")),
        ("contact.other", "fridge door", "kitchen", ("contact.fridge", "use")),
        ("contact.other", "front window", "", ("contact.window", "use")),
        ("contact.other", "wardrobe 2", "", ("contact.cupboard", "use")),
        ("contact.other", "0x00158d0001020304", "", ("contact.other", "use")),
        ("contact.other", "main", "", ("contact.other", "entrance")),
        ("light", "front door", "garden", ("light", "actuator")),
        ("lock", "x", "", ("lock", "actuator")),
        ("other", "", "", ("other", "other")),
    ],
)
def test_a_contact_is_what_people_call_it(type_: str, name: str, room: str, expected: tuple[str, str]) -> None:
    assert placed(type_, name, room) == expected


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_a_name_never_makes_a_device_less_guarded(type_: str) -> None:
    for name in ("fridge", "front door", "main entrance", "window", "x"):
        placed_type, role = placed(type_, name)
        assert placed_type in TYPES
        assert role in ROLES
        assert role in ("entrance", role_of(type_))
