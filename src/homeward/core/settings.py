"""What the owner chose, as plain values. A settings object reaches the engine as an input (`Change`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

CONCERNED: Final = "*"
"""As the device of a response: the one that the incident is about."""

DRY_RUN: Final = "dry_run"
"""The responder that only says what it would have done."""

PolicyName = Literal["ladder", "trial", "learned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the place.

    ``type`` and ``role`` are words of `homeward.core.vocabulary`; an unknown device has ``other`` for both.
    """

    name: str
    type: str = "other"
    role: str = "other"
    room: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A command the guard may give when an incident reaches its rung (`homeward.core.decision.proportion.rung_of`).

    ``device`` is a device's name, or ``*`` for the one that the incident is about. ``when`` lists what calls for it:
    device names, device types (``lock``), roles (``entrance``) or rule names (``rule:flood``). ``minutes`` is the
    length of the lease; ``None`` marks a one-shot act (``lock``), which ends by itself. ``restore`` is the command
    that takes it back (``off`` for ``on``); ``None`` where nothing has to be, or may be, restored. ``responder`` is
    ``dry_run`` until the owner turns the device on.
    """

    name: str
    device: str
    command: str
    when: tuple[str, ...]
    minutes: float | None = 10.0
    restore: str | None = None
    responder: str = DRY_RUN


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a budget of their own: ``name`` as sources name them (``person:anna``), alarms per week."""

    name: str
    budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told through which channel (the name of a responder).

    ``name`` is ``household`` or a person's. ``quiet`` are minutes of the local day, from and until, in which only
    what cannot wait is told. ``second`` listeners are told when nobody else answers.
    """

    name: str
    channel: str
    quiet: tuple[int, int] | None = None
    second: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the engine needs to know about a place. ``budget`` is alarms per week; ``timezone`` is IANA.

    ``policy`` chooses among the rungs that guardrails leave: the fixed ladder, the ladder that tries something else
    now and then so that policies can be compared, or what was learned from answers. ``seed`` makes its chance.
    ``verifiers`` are the people who have a code of their own, and so can be asked to step up.
    """

    place: str = "home"
    timezone: str = "UTC"
    budget: float = 1.0
    devices: tuple[Device, ...] = ()
    responses: tuple[Response, ...] = ()
    people: tuple[Person, ...] = ()
    verifiers: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    policy: PolicyName = "ladder"
    seed: int = 0
    happened_delay_minutes: float = 10.0
