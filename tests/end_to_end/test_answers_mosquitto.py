"""A real guard in its own process cuts a rogue's user off a real broker, and the owner lets it in again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.dynamic_security import (
    USERS,
    DynamicSecurity,
    dynamic_security_fixture,  # noqa: F401 - a fixture
    rules,
)
from tests.end_to_end.home import Installation, acts, done, events, eventually, journaled
from tests.mosquitto import (
    certificates_fixture,  # noqa: F401 - a fixture
)

from homeward.core.inputs import Health
from homeward.dashboard import security

CONFIGURATION = """\
[home]
state = "state"

[page]
port = {page}

[mqtt]
host = "localhost"
port = {broker}
ca_file = "{ca}"
username = "guard"
password_file = "mqtt-password"

[[mqtt.topic]]
pattern = "$SYS/broker/log/N"
format = "mosquitto_log"
device = "broker"

[[mqtt.topic]]
pattern = "home/{{device}}"
[mqtt.topic.properties]
state = "text"

[mosquitto]
never = ["admin"]

[[response]]
device = "*"
command = "quarantine"
when = ["rule:new client"]
minutes = {minutes}
responder = "mosquitto"
"""

LISTENER = rules(
    "publishClientReceive allow $SYS/broker/log/N",
    "subscribeLiteral allow $SYS/broker/log/N",
    "publishClientReceive allow home/#",
    "subscribePattern allow home/#",
    "publishClientSend allow homeward/#",
)
"""What the guard may beside keeping the broker's users."""


class Brokered(Installation):
    """A home whose broker keeps its users by the dynamic-security plugin."""

    def __init__(self, folder: Path, broker: DynamicSecurity) -> None:
        super().__init__(folder)
        self.keep_secret("mqtt-password", USERS["guard"])
        self._broker = broker
        self.configure(minutes=60)

    def configure(self, minutes: float) -> None:
        """Write homeward.toml; ``minutes`` is how long a rogue is cut off."""
        broker, ca = self._broker.port, self._broker.certificates.ca
        self.file.write_text(CONFIGURATION.format(page=self.page_port, broker=broker, ca=ca, minutes=minutes))

    def undo_on_the_page(self, lease: str) -> None:
        status, said = self.press(
            f"/leases/{lease}/undo", lambda key, person, channel: security.undo_token(key, lease, person, channel)
        )
        assert status == HTTPStatus.SEE_OTHER, said

    def stand_down(self, _lease: str) -> None:
        done = self.command("stand-down")
        assert done.returncode == 0, done.stderr

    def listens(self) -> bool:
        return any(isinstance(entry, Health) and entry.up for entry in journaled(self.state))

    def heard(self, device: str, action: str) -> bool:
        return any((event.device, event.action) == (device, action) for event in events(self.state))


@pytest.fixture(name="brokered")
def brokered_fixture(tmp_path: Path, dynamic_security: DynamicSecurity) -> Iterator[Brokered]:
    answers = dynamic_security.tell(
        {"command": "createRole", "rolename": "listener", "acls": LISTENER},
        {"command": "addClientRole", "username": "guard", "rolename": "listener"},
    )
    assert not [answer for answer in answers if "error" in answer]
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    home = Brokered(folder, dynamic_security)
    try:
        yield home
    finally:
        home.close()


@pytest.mark.parametrize("take_back", [Brokered.undo_on_the_page, Brokered.stand_down])
def test_a_rogue_is_cut_off_and_nobody_else_is_until_the_owner_takes_it_back(
    brokered: Brokered, dynamic_security: DynamicSecurity, take_back: Callable[[Brokered, str], None]
) -> None:
    hub = dynamic_security.device("hub")
    hub.listen("#")
    brokered.start()
    eventually(brokered.listens, "the guard has subscribed")
    hub.publish("home/lamp", '{"state": "off"}')
    hub.publish("home/lamp", '{"state": "on"}')
    eventually(lambda: brokered.heard("lamp", "on"), "the guard hears the lamp")

    rogue = dynamic_security.device("plug", "never-seen-before")
    eventually(lambda: done(brokered.state) == ["apply"], "the rogue's user is cut off")
    assert dynamic_security.log_in("plug") == "Not authorized"
    eventually(lambda: not rogue.connected, "its connection is ended")
    claims = acts(brokered.state)
    assert {name: (claim.command, claim.restore) for name, claim in claims.items()} == {
        "plug": ("quarantine", "release")
    }
    hub.publish("home/lamp", '{"state": "off"}')
    eventually(lambda: events(brokered.state)[-1].action == "off", "the guard and the hub speak as before")

    (lease,) = brokered.api_state()["leases"]
    take_back(brokered, lease["id"])
    eventually(lambda: done(brokered.state) == ["apply", "revert"], "it is let in again")
    rogue.come_back()
    rogue.publish("plug/says", "I am back")
    while hub.next()[:2] != ("plug/says", b"I am back"):
        pass
    assert brokered.api_state()["leases"] == []
    assert list(acts(brokered.state)) == ["plug"]


def test_the_broker_has_no_time_outs_so_a_guard_that_was_dead_lets_in_whom_it_should_have_let_in_meanwhile(
    brokered: Brokered, dynamic_security: DynamicSecurity
) -> None:
    brokered.configure(minutes=0.1)
    before = dynamic_security.user("plug")
    brokered.start()
    eventually(brokered.listens, "the guard has subscribed")
    rogue = dynamic_security.device("plug", "never-seen-before")
    eventually(lambda: done(brokered.state) == ["apply"], "the rogue's user is cut off")
    brokered.kill()
    ends = acts(brokered.state)["plug"].ends
    assert ends is not None
    eventually(lambda: datetime.now(UTC) > ends, "its time is over")
    assert dynamic_security.log_in("plug") == "Not authorized"

    brokered.start()
    eventually(lambda: done(brokered.state)[-1] == "revert", "the guard that is back lets it in")
    rogue.come_back()
    assert dynamic_security.user("plug") == before
