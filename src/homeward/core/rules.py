"""A few built-in rules that watch from the first minute. Their alarms are marked as rules, inside the budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from homeward.core.event import NAME_LIMIT, Event
from homeward.core.settings import Device
from homeward.core.standing import StandingRule
from homeward.core.vocabulary import is_guarded

ARMED: Final = "entrance while armed"
NAMES: Final = (
    ARMED, "flood", "new client", "intrusion alert", "refused device", "restricted device", "new here", "silent",
    "never fine", "step up",
)  # fmt: skip

ENTRY_DELAY_MS: Final = 45_000
"""How long an entrance may be open before the alarm is disarmed (the longest entry time of EN 50131-1)."""

FLOOD_CHANGES: Final = 30
FLOOD_WINDOW_MS: Final = 60_000
CLIENT_LIMIT: Final = 4_096
WATCHED_LIMIT: Final = 1_024

_OPENING: Final = frozenset({"open", "on", "unlock", "unlocked", "opened"})


@dataclass(slots=True)
class RulesState:
    """``clients`` are the broker's clients seen so far; ``flood`` is by device when it changed last (at most 31),
    ``entered`` tells when (ms) which entrance did what while armed, ``armed_at`` since when
    (ms) it is."""

    armed: bool = False
    armed_at: int = 0
    entered: tuple[int, str, str] | None = None
    clients: dict[str, int] = field(default_factory=dict)
    flood: dict[str, list[int]] = field(default_factory=dict)


def judge(state: RulesState, event: Event, device: Device, at: int) -> tuple[str, str] | None:
    """The rule an event breaks, as (name, reason in words); takes note of what rules need to remember."""
    broken = None
    if device.type == "alarm":
        _note_alarm_panel(state, event.action, at)
    elif device.type == "broker":
        broken = _new_client(state, event, at)
    elif device.role == "actuator" or is_guarded(device.type, device.role):
        broken = _flood(state, event, at)
        if state.armed and device.role == "entrance" and event.action in _OPENING:
            if device.type == "contact.window":  # nobody comes home that way
                return ARMED, f"{event.device} {event.action} while the alarm is armed"
            state.entered = state.entered or (at, event.device, event.action)
    return broken


def of_the_owner(event: Event, rule: StandingRule | None, *, doubtful: str) -> tuple[str, str] | None:
    """The rule that the owner made which an event breaks; ``doubtful`` is a person who has not given their code."""
    what = f"{event.device} {event.action}"
    if rule is not None and rule.verdict == "never_fine":
        return "never fine", f"{what}: you said that this is never fine"
    if doubtful:
        return "step up", f"{what} in the name of {doubtful}, who was asked for a code and has not given it"
    return None


def entry_due(state: RulesState) -> int | None:
    """When an entrance that opened while the alarm was armed becomes an alarm, if nobody disarms it."""
    return None if state.entered is None else state.entered[0] + ENTRY_DELAY_MS


def _note_alarm_panel(state: RulesState, action: str, at: int) -> None:
    if action.startswith("armed") or action == "arm":
        arm(state, at)
    elif action in {"disarmed", "disarm"}:
        disarm(state)


def arm(state: RulesState, at: int) -> None:
    """The alarm is armed."""
    state.armed, state.armed_at = True, at


def disarm(state: RulesState) -> None:
    """The alarm is disarmed, and who came in is welcome."""
    state.armed, state.entered = False, None


def _new_client(state: RulesState, event: Event, at: int) -> tuple[str, str] | None:
    # The client chose its own name: it may be of any length, and no text at all.
    client = (event.origin or "")[:NAME_LIMIT].encode("utf-8", "replace").decode()
    if event.action != "client_connected" or not client or client in state.clients:
        return None
    if len(state.clients) >= CLIENT_LIMIT:
        del state.clients[min(state.clients, key=lambda name: (state.clients[name], name))]
    state.clients[client] = at
    if event.actor == "homeward":
        return None
    return "new client", f"a client that was never seen before connected to the broker: {client}"


def _flood(state: RulesState, event: Event, at: int) -> tuple[str, str] | None:
    """More changes of one device within a minute than a person makes."""
    if event.device not in state.flood and len(state.flood) >= WATCHED_LIMIT:
        state.flood = {name: times for name, times in state.flood.items() if at - times[-1] <= FLOOD_WINDOW_MS}
        if len(state.flood) >= WATCHED_LIMIT:
            state.flood.clear()
    times = state.flood.setdefault(event.device, [])
    times.append(at)
    if len(times) <= FLOOD_CHANGES:
        return None
    if at - times.pop(0) > FLOOD_WINDOW_MS:
        return None
    return "flood", f"{event.device} changed more than {FLOOD_CHANGES} times within a minute"
