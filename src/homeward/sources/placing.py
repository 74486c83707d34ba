"""What a contact is on, and whether that is a way in, as far as its name and room say so. Pure.

A contact says *open* and *closed*, whatever it is on. People name it after that: *front door*, *Haustür*, *fridge*. A
name can only make a device more guarded than its type does, never less; what the owner configures wins over both.
"""

from __future__ import annotations

import re
from typing import Final

from homeward.core.vocabulary import role_of

_FRIDGE: Final = "fridge freezer refrigerator kühlschrank kuehlschrank gefrierschrank frigo nevera koelkast"
_CUPBOARD: Final = (
    "cupboard cabinet drawer wardrobe closet mailbox schrank schublade briefkasten placard armoire tiroir"
)
_WINDOW: Final = "window skylight fenster fenêtre fenetre ventana raam velux"
_DOOR: Final = (
    "door gate tür tuer haustür haustuer wohnungstür eingangstür hintertür terrassentür balkontür tor porte portail "
    "puerta deur voordeur achterdeur poort"
)
_OPENS: Final = tuple(
    (type_, frozenset(words.split()))
    for type_, words in (
        ("contact.fridge", _FRIDGE),
        ("contact.cupboard", _CUPBOARD),
        ("contact.window", _WINDOW),
        ("contact.garage", "garage"),
        ("contact.door", _DOOR),
    )
)
"""What a contact may be on, by words of its name; the first line that has one of them."""

_OUTSIDE: Final = (
    "front back main entrance entry outside outer street garden gate patio porch terrace balcony haustür haustuer "
    "wohnungstür eingang eingangstür hintertür terrassentür balkontür aussen außen garten tor entrée entree dehors "
    "jardin terrasse portail entrada calle voordeur achterdeur buiten tuin"
)
_WAYS_IN: Final = frozenset(_OUTSIDE.split())
"""Words that say of a door that it leads outside."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_CONTACTS: Final = frozenset({"contact.other", "contact.door", "contact.garage"})


def placed(type_: str, name: str, room: str = "") -> tuple[str, str]:
    """Type and role of a device of this type, by this name, in this room."""
    if type_ not in _CONTACTS:
        return type_, role_of(type_)
    words = set(_WORD.findall(name.lower())) | {word for word in _WORD.findall(room.lower()) if word in _WAYS_IN}
    if type_ == "contact.other":
        type_ = next((kind for kind, known in _OPENS if not words.isdisjoint(known)), type_)
    entrance = type_ in _CONTACTS and not words.isdisjoint(_WAYS_IN)
    return type_, "entrance" if entrance else role_of(type_)
