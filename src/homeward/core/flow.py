"""Flow: what passed between a device and a peer on the network, and how an `Event` carries it."""

from __future__ import annotations

from typing import Final, NamedTuple

from homeward.core.event import Event, is_name

FLOW: Final = "flow"
"""The action of an event that carries a flow."""

BYTES_LIMIT: Final = 1 << 53
COUNT_LIMIT: Final = 1 << 31
SECONDS_LIMIT: Final = 1e9


class Flow(NamedTuple):
    """One conversation, as one of its ends sees it (after RFC 7011's bidirectional flow).

    ``peer`` is the other end's name where known, its address otherwise. ``port`` is the port that was asked (for
    ICMP the type), ``protocol`` a lower-case word. ``inbound`` says that the device was asked and did not ask.
    ``sent`` and ``received`` are bytes, ``seconds`` how long it took. ``state`` is Zeek's ``conn_state``, or nothing.
    ``times`` is how many such conversations within a minute it stands for.
    """

    peer: str
    port: int
    protocol: str
    inbound: bool = False
    sent: int = 0
    received: int = 0
    seconds: float = 0.0
    state: str = ""
    times: int = 1


def flow_attributes(flow: Flow) -> dict[str, str]:
    """The flow as attributes of an event."""
    return {
        "peer": flow.peer,
        "port": str(flow.port),
        "protocol": flow.protocol,
        "direction": "in" if flow.inbound else "out",
        "sent": str(flow.sent),
        "received": str(flow.received),
        "seconds": f"{flow.seconds:.3f}",
        "state": flow.state,
        "count": str(flow.times),
    }


def read_flow(event: Event) -> Flow | None:
    """The flow that an event carries; ``None`` where it carries none, or one that cannot be."""
    if event.action != FLOW:
        return None
    about = event.attributes
    try:
        flow = Flow(
            peer=about["peer"],
            port=int(about["port"]),
            protocol=about["protocol"],
            inbound=about["direction"] == "in",
            sent=int(about["sent"]),
            received=int(about["received"]),
            seconds=float(about["seconds"]),
            state=about["state"],
            times=int(about["count"]),
        )
    except (KeyError, ValueError):
        return None
    possible = (
        about["direction"] in {"in", "out"}
        and is_name(flow.peer)
        and is_name(flow.protocol)
        and len(flow.state) <= 16
        and 0 <= flow.port < 65_536
        and 0 <= flow.sent <= BYTES_LIMIT
        and 0 <= flow.received <= BYTES_LIMIT
        and 0 <= flow.seconds <= SECONDS_LIMIT
        and 1 <= flow.times <= COUNT_LIMIT
    )
    return flow if possible else None
