"""The parts of the documentation about the network that the code itself writes (see `tests.generated_docs`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from homeward.core import arrival
from homeward.core.behaviour import conversation, past, traffic
from homeward.core.behaviour.network_reason import flow_reason
from homeward.core.behaviour.profile import HALF_LIFE
from homeward.core.behaviour.traffic import Reading, Traffic
from homeward.core.flow import Flow


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}\n"


def limits() -> str:
    return rows(
        ("what", "value"),
        (
            ("bits that a flow may come to without being evidence", f"{traffic.USUAL >> 8}"),
            ("the least evidence, in bits, that is told", f"{traffic.ENOUGH >> 8}"),
            ("evidence adds up over", f"{traffic.VISIT // 60_000} min"),
            ("most bits of rarity of one habit", f"{traffic.RAREST >> 8}"),
            ("a flow is held if among the device's flows it is rarer than one in", f"{1 << (traffic.HOLD >> 8)}"),
            ("separate days on which what is held must come back", f"{traffic.COME_BACK_DAYS}"),
            ("flows of a device that are learned before any is judged", f"{traffic.YOUNG}"),
            (
                "past flows kept to be lived again, of a device at most and at least, and of all",
                f"{traffic.PAST:,}, {traffic.PAST_LEAST:,}, {traffic.PAST_ALL:,}",
            ),
            ("devices on the network known at once; the one longest quiet goes", f"{traffic.LINES:,}"),
            ("peers and services of a device remembered, and as its needs", f"{traffic.PEERS}, {traffic.NEEDS}"),
            ("peers and services held back, of all devices", f"{traffic.HELD:,}, for {past.HELD_DAYS} days"),
            ("cells in the network's table of counts", f"{traffic.TABLE:,}"),
            ("a guard is given, before anybody is new here", f"{arrival.SETTLING_MS // 3_600_000} h"),
            ("newcomers that interrupt in a day", f"{arrival.TOLD_A_DAY}"),
            ("devices remembered as met", f"{arrival.MET_LIMIT:,}"),
            ("devices that may be restricted, and refused", f"{arrival.KNOWN_LIMIT:,} each"),
            ("alerts of an intrusion detection system remembered", f"{arrival.ALERTS_LIMIT:,}"),
        ),
    )


def habits() -> str:
    way, service, peer = "device → device + way", "device + service", "device + service → device + service + peer"
    said = (
        ("which way", "who asks, and whether the peer is at home, outside, or a group", "device", "which way"),
        ("which service", "port, protocol, and who asks", way, "which service"),
        ("which peer", "its name or address", f"device → {service}", "which peer"),
        ("how much sent", "bytes, in octaves", peer, "how it went"),
        ("how much received", "bytes, in octaves", peer, "how it went"),
        ("how often", "how long after the last of the same", peer, "its rhythm"),
        ("how regular", "how often in a row that pause was the same", peer, "its rhythm"),
        ("how it ended", "answered, rejected, broken off … (Zeek's `conn_state`)", peer, "how it went"),
        ("how busy", "flows of this way within a minute, in octaves", "device + way", "its rhythm"),
    )
    assert tuple(name for name, *_ in said) == conversation.NAMES
    return rows(("habit", "it predicts", "given, from general to particular", "part"), said)


class Camera:
    """A made-up camera that sends to its cloud every ten minutes, for two weeks."""

    NAME = "hall camera"
    CLOUD, BEAT = "cloud.example", 10 * 60_000

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.at = 20_514 * past.DAY
        random = Random("the hall camera")
        for beat in range(14 * past.DAY // self.BEAT):
            self.at += self.BEAT
            sent, received = random.randint(2_000, 9_000), random.randint(1_000, 4_000)
            self.see(
                Flow(self.CLOUD, 443, "tcp", sent=sent, received=received, state="SF"), random.randint(0, 60_000)
            )
            if beat % 6 == 0:
                self.see(Flow("router", 53, "udp", sent=60, received=120, state="SF"), 61_000)

    def see(self, flow: Flow, late: int) -> None:
        at = self.at + late
        self.traffic.pass_time(at, 1.0, HALF_LIFE)
        reading = self.traffic.assess(self.NAME, flow, at)
        self.traffic.note(self.NAME, flow, reading)
        keep = self.traffic.hold if reading.held else self.traffic.learn
        keep(self.NAME, flow, reading.seen)

    def asked(self, flow: Flow) -> Reading:
        """What a flow would come to ten minutes later."""
        return self.traffic.assess(self.NAME, flow, self.at + self.BEAT + 30_000)


def worked_flows() -> str:
    camera = Camera()
    flows = {
        "as usual": Flow(Camera.CLOUD, 443, "tcp", sent=4_000, received=3_000, state="SF"),
        "400 MB to its cloud": Flow(Camera.CLOUD, 443, "tcp", sent=400_000_000, received=3_000, state="SF"),
        "a server never met": Flow("203.0.113.9", 443, "tcp", sent=4_000, received=3_000, state="SF"),
        "asked by a stranger": Flow("198.51.100.7", 23, "tcp", inbound=True, received=60, state="S0"),
    }
    readings = {name: camera.asked(flow) for name, flow in flows.items()}
    lines: list[Sequence[str]] = [
        (habit, *(f"{one.rarities[place] / 256:.1f}" for one in readings.values()))
        for place, habit in enumerate(conversation.NAMES)
    ]
    lines.append(("**score**", *(f"**{one.score / 256:.1f}**" for one in readings.values())))
    lines.append(("evidence", *(f"{one.evidence / 256:.1f}" for one in readings.values())))
    lines.append(("told", *("yes" if one.unusual else "no" for one in readings.values())))
    said = [
        f"> {flow_reason(camera.traffic, Camera.NAME, flows[name], reading)}\n"
        for name, reading in readings.items()
        if reading.unusual
    ]
    told = ">\n".join(said)
    return f"{rows(('habit', *readings), lines)}\n{told}"
