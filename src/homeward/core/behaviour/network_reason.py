"""Why a flow is unusual, in plain words: what the device did, and what it usually does instead."""

from __future__ import annotations

from typing import Final

from homeward.core.behaviour.conversation import (
    HOW_BUSY,
    HOW_ENDED,
    HOW_OFTEN,
    HOW_REGULAR,
    NAMES,
    RECEIVED,
    SENT,
    WHICH_PEER,
    WHICH_SERVICE,
    WHICH_WAY,
)
from homeward.core.behaviour.habits import pause_bucket
from homeward.core.behaviour.traffic import USUAL, Reading, Traffic, scope_of
from homeward.core.behaviour.words import every, listed, once_in, pauses, times
from homeward.core.explanation import BECAUSE_LIMIT, Because, Explanation, sentence
from homeward.core.flow import Flow

ODD: Final = 4 << 8
"""A habit is told if it is as surprised as by one flow in sixteen, or more (Q8)."""
BEACON: Final = 3
"""So many equal pauses in a row are told as a beat."""
_TOLD_SERVICES: Final = 3
_FAILED: Final = {
    "S0": "nobody answered",
    "REJ": "it was rejected",
    "RSTO": "it was broken off",
    "RSTR": "it was reset",
}
_REMEDY: Final = (
    "Answer yes and it is learned at once. What comes back on three separate days without an alarm is learned too."
)


def service(flow: Flow) -> str:
    """``tcp/443``."""
    return f"{flow.protocol}/{flow.port}"


def flow_reason(
    traffic: Traffic, device: str, flow: Flow, reading: Reading, *, refused: bool = False, restricted: bool = False
) -> str:
    """One sentence that a person understands."""
    what = _what(device, flow)
    if restricted and not traffic.needs_it(device, flow):
        return f"{what}: you allowed this device only what it needed before"
    if refused:
        return f"{what}: you refused this device"
    return f"{what}: {_why(traffic, device, flow, reading, reading.habit)}"


def explain_flow(traffic: Traffic, device: str, flow: Flow, reading: Reading) -> Explanation:
    """The explanation of a flow that was just judged."""
    order = sorted(range(len(NAMES)), key=lambda habit: (-reading.rarities[habit], habit))
    odd = [habit for habit in order if reading.rarities[habit] >= ODD][:BECAUSE_LIMIT] or order[:1]
    because = tuple(
        Because(
            habit=NAMES[habit],
            usual=sentence(_why(traffic, device, flow, reading, habit)),
            rarity=f"{once_in(reading.rarities[habit])} of its flows",
        )
        for habit in odd
    )
    own = max(0, reading.score - USUAL)
    others = reading.evidence - own
    evidence = "What else it did within half an hour was unusual too." if others > 0 else ""
    seen = traffic.visits
    share = seen.p_value(reading.evidence) if seen.n else 1.0
    weeks = seen.days / 256 / 7 / max(share * seen.n / 256, 1e-9)
    rare = f"A half-hour on the network as unusual comes {every(weeks)} here." if seen.ready() else ""
    return Explanation(
        happened=sentence(_what(device, flow)), because=because, evidence=evidence, rare=rare, remedy=_REMEDY
    )


def _what(device: str, flow: Flow) -> str:
    failed = f" ({_FAILED[flow.state]})" if flow.state in _FAILED else ""
    often = f" {times(flow.times)}" if flow.times > 1 else ""
    if flow.inbound:
        return f"{device} was asked by {flow.peer} on {service(flow)}{often}{failed}"
    return f"{device} talked to {flow.peer} on {service(flow)}{often}{failed}"


def _why(traffic: Traffic, device: str, flow: Flow, reading: Reading, habit: int) -> str:
    line = traffic.lines.get(device)
    flows = times(line.flows) if line is not None else "no time"
    if habit == WHICH_WAY:
        where = {"outside": "from outside", "local": "from within", "group": "by a group"}[scope_of(flow.peer)]
        return (
            f"it is hardly ever asked {where} ({flows} seen)"
            if flow.inbound
            else f"it hardly ever asks in that direction ({flows} seen)"
        )
    if habit == WHICH_SERVICE:
        return f"usually it uses {_services(traffic, device)}"
    if habit == WHICH_PEER:
        return f"it hardly ever meets anybody new for {service(flow)}"
    if habit in (SENT, RECEIVED):
        which, size = ("sent", flow.sent) if habit == SENT else ("received", flow.received)
        return f"it {which} {_bytes(size)}, which is unusual for {service(flow)}"
    if habit == HOW_ENDED:
        return f"it ended in an unusual way for {service(flow)} ({_FAILED.get(flow.state, flow.state or 'unknown')})"
    if habit == HOW_BUSY:
        return "it has unusually many flows within a minute"
    return _rhythm(traffic, device, flow, reading, habit)


def _rhythm(traffic: Traffic, device: str, flow: Flow, reading: Reading, habit: int) -> str:
    bucket, run = reading.seen.symbols[HOW_OFTEN], reading.seen.symbols[HOW_REGULAR]
    line = traffic.lines.get(device)
    talk = (flow.peer, flow.port, flow.protocol, flow.inbound)
    if habit == HOW_REGULAR and run >= BEACON:
        return f"it comes back at an even beat, every {pauses(bucket, bucket)}"
    if line is None or talk not in line.last or bucket == pause_bucket(1 << 62):
        return "it never did so with this peer before"
    return f"it came back after {pauses(bucket, bucket)}, which is unusual"


def _services(traffic: Traffic, device: str) -> str:
    """The services that a device uses most."""
    by: dict[str, int] = {}
    for (_, port, protocol, inbound), need in traffic.needs(device):
        name = f"{protocol}/{port}{' (asked)' if inbound else ''}"
        by[name] = by.get(name, 0) + need.count
    most = sorted(by, key=lambda name: (-by[name], name))[:_TOLD_SERVICES]
    return listed(most) if most else "nothing yet"


def _bytes(size: int) -> str:
    """``1.2 MB``."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
