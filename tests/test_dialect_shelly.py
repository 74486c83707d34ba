"""What Shelly's devices of each generation tell of themselves."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from homeward.sources.dialects import Found
from homeward.sources.dialects.shelly import COMPONENTS, Shelly
from homeward.sources.discovery import Discovery
from homeward.sources.payloads import Refused
from homeward.sources.topics import Decoder

FIRST = "shellyplug-s-7A8B9C"
LATER = "shellyplus1pm-a8032ab12345"


class Home:
    """Messages in, events out, as the source does it."""

    def __init__(self) -> None:
        self.decoder = Decoder([])
        self.discovery = Discovery([Shelly()], self.decoder, refused=self.decoder.refused)

    def said(self, topic: str, payload: object) -> list[tuple[str, str, float | None]]:
        raw = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
        self.discovery.read(topic, raw)
        changes = self.decoder.decode(topic, raw) if self.decoder.reads(topic) else []
        return [(change.device, change.action, change.value) for change in changes]

    @property
    def types(self) -> dict[str, str]:
        return {device.name: device.type for device in self.discovery.devices}


@pytest.fixture
def home() -> Home:
    return Home()


def test_the_first_generation_is_known_by_its_states(home: Home) -> None:
    assert home.said("shellies/shelly1-AABBCC/relay/0", "on") == [("shelly1-AABBCC", "on", None)]
    assert home.said("shellies/shelly1-AABBCC/relay/1", "on") == [("shelly1-AABBCC", "on", None)]
    assert home.said("shellies/shelly1-AABBCC/relay/1", "overpower") == []
    assert home.said(f"shellies/{FIRST}/relay/0/power", "12.5") == [(FIRST, "reading", 12.5)]
    assert home.said(f"shellies/{FIRST}/relay/0", "off") == [(FIRST, "off", None)]
    assert home.said("shellies/shellyswitch25-1/roller/0", "open") == [("shellyswitch25-1", "opening", None)]
    assert home.said("shellies/shellydw2-1/sensor/state", "open") == [("shellydw2-1", "open", None)]
    assert home.said("shellies/shellyflood-1/sensor/flood", "true") == [("shellyflood-1", "on", None)]
    assert home.said("shellies/shellyix3-1/input_event/0", {"event": "S", "event_cnt": 2}) == [
        ("shellyix3-1", "single", None)
    ]
    assert home.types == {
        "shelly1-AABBCC": "switch", FIRST: "plug", "shellyswitch25-1": "cover", "shellydw2-1": "contact.other",
        "shellyflood-1": "leak", "shellyix3-1": "button",
    }  # fmt: skip
    assert not home.decoder.refused


def test_its_announcement_tells_model_and_address(home: Home) -> None:
    home.said(
        "shellies/announce", {"id": "shelly1-AABBCC", "model": "SHSW-1", "mac": "A4CF12AABBCC", "ip": "10.0.0.9"}
    )
    (device,) = home.discovery.devices
    assert device.attributes["model"] == "SHSW-1"
    assert device.attributes["address"] == "a4:cf:12:aa:bb:cc"
    assert device.attributes["maker"] == "Shelly"


def test_later_generations_are_known_by_notifications(home: Home) -> None:
    status = {"ts": 1767323045.5, "switch:0": {"id": 0, "output": True, "apower": 40.0, "source": "HTTP"}}
    message = {"src": LATER, "dst": f"{LATER}/events", "method": "NotifyStatus", "params": status}
    assert home.said(f"{LATER}/events/rpc", message) == [(LATER, "on", None), (LATER, "reading", 40.0)]
    assert home.said(f"{LATER}/events/rpc", message) == []
    pushed = {"ts": 1.0, "events": [{"component": "input:0", "id": 0, "event": "single_push", "ts": 1.0}]}
    message = {"src": LATER, "method": "NotifyEvent", "params": pushed}
    assert home.said(f"{LATER}/events/rpc", message) == [(LATER, "single", None)]
    assert home.said(f"{LATER}/events/rpc", message) == [(LATER, "single", None)], "pressed twice"
    assert home.types == {LATER: "switch"}
    assert next(home.discovery.devices).attributes["address"] == "a8:03:2a:b1:23:45"


def test_a_prefix_of_ones_own_is_known_by_the_notifications_source(home: Home) -> None:
    message = {"src": LATER, "params": {"cover:0": {"state": "closing"}}}
    assert home.said("blinds/events/rpc", message) == [(LATER, "closing", None)]
    assert home.said("other/events/rpc", {"src": "front_door", "params": {"cover:0": {"state": "open"}}}) == []
    assert home.types == {LATER: "cover"}


def test_a_components_status_says_the_same(home: Home) -> None:
    assert home.said(f"{LATER}/status/switch:0", {"id": 0, "output": False, "apower": 0.0}) == [
        (LATER, "off", None), (LATER, "reading", 0.0),
    ]  # fmt: skip
    assert home.said("shellyplussmoke-0123456789ab/status/smoke:0", {"alarm": True}) == [
        ("shellyplussmoke-0123456789ab", "on", None)
    ]
    assert home.types["shellyplussmoke-0123456789ab"] == "smoke"


def test_its_last_will_says_that_it_cannot_be_heard() -> None:
    discovery = Home().discovery
    assert discovery.read(f"{LATER}/online", b"true") == []
    assert [(heard.device, heard.up) for heard in discovery.read(f"{LATER}/online", b"false")] == [(LATER, False)]
    assert [(heard.device, heard.up) for heard in discovery.read(f"{LATER}/online", b"true")] == [(LATER, True)]


def test_what_is_of_somebody_else_is_left_alone(home: Home) -> None:
    for topic in ("home/online", "valetudo/status/x", "a/events/rpc", f"{LATER}/status/wifi"):
        assert home.said(topic, {"x": 1}) == []
    assert home.types == {}
    assert not home.decoder.refused


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("shellies/announce", b"[]"), ("shellies/announce", b'{"id": "a/b"}'), ("shellies/announce", b'{"id": "+"}'),
        ("shellies/a\x07/relay/0", b"on"), ("shellies/{x}/relay/0", b"on"), (f"{LATER}/events/rpc", b"\xff"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(Refused):
        list(Shelly().read(topic, payload))


def test_of_a_thousand_components_only_some_are_looked_at() -> None:
    params = {f"switch:{number}": {"output": True} for number in range(1_000)}
    found = list(Shelly().read(f"{LATER}/events/rpc", json.dumps({"src": LATER, "params": params}).encode()))
    assert len(found) <= COMPONENTS
    assert all(isinstance(one, Found) for one in found)
    odd = {"src": LATER, "params": {"switch:0": 1, "events": [1, None, {"component": []}], "ts": "x"}}
    home = Home()
    home.said(f"{LATER}/events/rpc", odd)
    assert home.decoder.refused <= Counter({"bad time": 1})
