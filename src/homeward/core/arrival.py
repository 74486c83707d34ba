"""Who is here: what devices say of themselves, and whether one was never met before."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from homeward.core.event import NAME_LIMIT, Event, is_name
from homeward.core.manner import Manner, settled
from homeward.core.settings import Device
from homeward.core.vocabulary import ROLES, TYPES, is_guarded, role_of

ANNOUNCED: Final = "announced"
"""The action of an event by which a device tells what it is (attributes ``type``, ``role``, ``room``, ``maker``,
``model`` and ``address``). It is no habit."""

KNOWN_LIMIT: Final = 4_096
MET_LIMIT: Final = 16_384
ALERTS_LIMIT: Final = 4_096
MANNERS_LIMIT: Final = 1_024
GUESS_EVERY: Final = 32
GUESS_LAST: Final = 128
"""After so many events of a device that nobody typed, its manner is looked at anew; and how often in all. Later its
habits are known as what they are, and another type would make them strange."""

SETTLING_MS: Final = 24 * 3_600_000
"""A guard that is younger knows nobody yet: whoever it meets was there before."""

TOLD_A_DAY: Final = 3
"""So many newcomers a day interrupt; who makes up more names than that is put on record."""


class Announcement(NamedTuple):
    """What a device said of itself."""

    type: str = "other"
    role: str = "other"
    room: str = "unknown"
    maker: str = ""
    model: str = ""
    address: str = ""
    source: str = ""
    """Who said so last."""


@dataclass(slots=True)
class Arrivals:
    """``known`` is what devices said of themselves, ``met`` when (ms) a device was first met, ``refused`` names those
    whom the owner said no to, and ``restricted`` those that may do only what they were seen to need."""

    known: dict[str, Announcement] = field(default_factory=dict)
    met: dict[str, int] = field(default_factory=dict)
    first_at: int = 0
    day: int = 0
    told: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    restricted: dict[str, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Which alerts of an intrusion detection system were told, by device and signature, and when (ms)."""
    manners: dict[str, Manner] = field(default_factory=dict)
    """How devices behave that nobody typed."""
    heard: dict[str, int] = field(default_factory=dict)
    """How many events of each of them were noted."""

    def fork(self) -> Arrivals:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.known, twin.met = self.known.copy(), self.met.copy()
        twin.refused, twin.restricted = self.refused.copy(), self.restricted.copy()
        twin.alerts, twin.manners, twin.heard = self.alerts.copy(), deepcopy(self.manners), self.heard.copy()
        return twin

    def devices(self, configured: Mapping[str, Device]) -> dict[str, Device]:
        """All devices by name: what the owner configured wins over what a device says."""
        said = {
            name: Device(name=name, type=one.type, role=one.role, room=one.room) for name, one in self.known.items()
        }
        return {**said, **configured}

    def announce(self, event: Event) -> str:
        """Take in what a device says of itself; returns ``new``, ``changed``, ``same``, ``full`` or ``refused``.

        A known address under another name, told by the same source, is that device, renamed. What would make a device
        less guarded than it was is refused: only the owner may do that.
        """
        said = read_announcement(event)
        before = self.known.get(event.device)
        if before is not None:
            said = _completed(said, before)
        if before == said:
            return "same"
        if before is not None and guarded(before) and not guarded(said):
            return "refused"
        renamed = self._same_address(event.device, said)
        if renamed and guarded(self.known[renamed]) and not guarded(said):
            return "refused"
        if renamed:
            del self.known[renamed]
            if renamed in self.met:
                self.met[event.device] = self.met[renamed]
        if before is None and len(self.known) >= KNOWN_LIMIT:
            return "full"
        self.known[event.device] = said
        return "changed" if before is not None or renamed else "new"

    def _same_address(self, device: str, said: Announcement) -> str:
        """The device that this source knew by the same address under another name."""
        same = (said.address, said.source)
        if not said.address:
            return ""
        return next(
            (name for name, one in self.known.items() if (one.address, one.source) == same and name != device), ""
        )

    def behave(self, event: Event, at: int) -> bool:
        """A device that nobody typed does something; whether its manner now tells what it is."""
        name, said = event.device, self.known.get(event.device, Announcement())
        if self.heard.get(name, 0) >= GUESS_LAST:
            return False
        manner = self.manners.get(name)
        if manner is None:
            if len(self.heard) >= MANNERS_LIMIT:
                return False
            manner, self.heard[name] = self.manners.setdefault(name, Manner()), 0
        manner.note(event.action, at, event.value)
        self.heard[name] += 1
        if self.heard[name] % GUESS_EVERY:
            return False
        if self.heard[name] >= GUESS_LAST:
            del self.manners[name]
        type_, role = settled(said.type, said.role, manner.guess())
        if (type_, role) == (said.type, said.role) or (name not in self.known and len(self.known) >= KNOWN_LIMIT):
            return False
        self.known[name] = said._replace(type=type_, role=role)
        self.manners.pop(name, None)
        self.heard[name] = GUESS_LAST
        return True

    def meet(self, device: str, at: int) -> bool:
        """Whether the device is met for the first time, by a guard that is old enough to say so."""
        if device in self.met:
            return False
        if not self.first_at:
            self.first_at = at
        if len(self.met) >= MET_LIMIT:  # an eighth at a time keeps the cost per device constant
            for name in list(islice(self.met, max(1, MET_LIMIT // 8))):
                del self.met[name]
        self.met[device] = at
        return at - self.first_at >= SETTLING_MS

    def first_alert(self, device: str, signature: str, at: int) -> bool:
        """Whether this alert is told for the first time."""
        if (device, signature) in self.alerts:
            return False
        if len(self.alerts) >= ALERTS_LIMIT:
            del self.alerts[next(iter(self.alerts))]
        self.alerts[device, signature] = at
        return True

    def admit(self, device: str, how: str, at: int) -> None:
        """What the owner decided about a device: ``approve``, ``restrict`` or ``refuse``."""
        self.refused.pop(device, None)
        self.restricted.pop(device, None)
        chosen = {"refuse": self.refused, "restrict": self.restricted}.get(how)
        if chosen is not None and len(chosen) < KNOWN_LIMIT:
            chosen[device] = at

    def may_interrupt(self, day: int) -> bool:
        """Whether one newcomer more may interrupt today."""
        if day != self.day:
            self.day, self.told = day, 0
        self.told += 1
        return self.told <= TOLD_A_DAY


def _completed(said: Announcement, before: Announcement) -> Announcement:
    """What one source does not say, another may have said."""
    if said.type == "other":
        said = said._replace(type=before.type, role=before.role)
    return said._replace(
        room=before.room if said.room == "unknown" else said.room,
        maker=said.maker or before.maker,
        model=said.model or before.model,
        address=said.address or before.address,
    )


def read_announcement(event: Event) -> Announcement:
    """What an event says of its device; words that are none of the vocabulary's are left out."""
    about = event.attributes
    type_ = about.get("type", "other")
    type_ = type_ if type_ in TYPES else "other"
    role = about.get("role") or role_of(type_)
    texts = [about.get(key, "") for key in ("room", "maker", "model", "address")]
    room, maker, model, address = (text if is_name(text) and len(text) <= NAME_LIMIT else "" for text in texts)
    role = role if role in ROLES else "other"
    return Announcement(type_, role, room or "unknown", maker, model, address.lower(), event.source)


def guarded(said: Announcement) -> bool:
    """Whether a device that says so is a guarded one."""
    return is_guarded(said.type, said.role)
