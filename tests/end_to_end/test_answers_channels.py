"""A real guard tells a phone by Home Assistant, a mailbox by Apprise, and has a webhook act; the phone answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.home import NetworkHome, done, eventually, journaled
from tests.home_assistant_demo import (
    DemoHome,
    Phone,
    demo_home_fixture,  # noqa: F401 - a fixture
    phone_fixture,  # noqa: F401 - a fixture
)
from tests.http_peer import (
    HttpPeer,
    peer_fixture,  # noqa: F401 - a fixture
)
from tests.network_logs import CAMERA
from tests.test_webhook_responder import SECRET

from homeward.core.inputs import Feedback
from homeward.responders.webhook import verify

CONFIGURATION = """\
[home]
state = "state"

[page]
port = {page}

[zeek]
directory = "zeek"

[suricata]
file = "eve.json"

[network.names]
"{camera}" = "hallway camera"

[home_assistant]
url = "{home_assistant}"
token_file = "home-assistant-token"
history_days = 0

[channel.phone]
kind = "home_assistant"
service = "{phone}"

[channel.mail]
kind = "apprise"
urls_file = "mail"

[channel.gateway]
kind = "webhook"
url = "{peer}/gateway"
secret_file = "gateway-secret"

[[listener]]
channel = "phone"

[[listener]]
channel = "mail"

[[device]]
name = "siren"
type = "siren"
role = "actuator"

[[response]]
device = "siren"
command = "on"
restore = "off"
when = ["rule:intrusion alert"]
responder = "gateway"
"""


@pytest.fixture(name="told")
def told_fixture(tmp_path: Path, demo_home: DemoHome, phone: Phone, peer: HttpPeer) -> Iterator[NetworkHome]:
    pytest.importorskip("apprise", reason="needs the package apprise")
    home = NetworkHome(tmp_path)
    home.keep_secret("home-assistant-token", demo_home.person("Homeward").token)
    home.keep_secret("mail", f"json://127.0.0.1:{peer.port}/mail")
    home.keep_secret("gateway-secret", SECRET)
    home.file.write_text(
        CONFIGURATION.format(
            page=home.page_port, camera=CAMERA, home_assistant=demo_home.url, phone=phone.service, peer=peer.url
        )
    )
    try:
        yield home
    finally:
        home.close()


async def comes(condition: Callable[[], bool], what: str) -> None:
    """Wait in a thread: the phone and the HTTP server live in this one."""
    await asyncio.to_thread(eventually, condition, what)


async def test_everybody_is_told_by_their_channel_and_a_press_on_the_phone_ends_what_was_done(
    told: NetworkHome, phone: Phone, peer: HttpPeer
) -> None:
    def at_the_gateway() -> list[dict[str, Any]]:
        asked = [one for one in peer.asked if one.path == "/gateway"]
        return [verify(one.body, one.headers, SECRET) for one in asked]

    before = phone.got
    async with phone.on():
        await asyncio.to_thread(told.start)
        await comes(told.listens, "the guard listens")
        told.warn(CAMERA)
        await comes(lambda: phone.got > before, "the phone shows it")
        await comes(lambda: any(one.path == "/mail" for one in peer.asked), "the mail comes")
        await comes(lambda: bool(at_the_gateway()), "the siren is to sound")
        (act,) = at_the_gateway()
        assert (act["type"], act["data"]["device"], act["data"]["command"]) == ("homeward.apply", "siren", "on")
        tag = f"homeward-{act['data']['incident']}"
        assert "hallway camera" in phone.shown[tag]["message"]
        (mail,) = [one for one in peer.asked if one.path == "/mail"]
        assert b"hallway camera" in mail.body
        await comes(lambda: len(done(told.state)) == 3, "all three are done")

        await asyncio.to_thread(phone.press, tag, "That was me")
        await comes(lambda: len(at_the_gateway()) == 2, "the siren is to be silent")
        assert at_the_gateway()[-1]["type"] == "homeward.revert"
        await comes(lambda: phone.got == before + 2, "a follow-up takes the question's place")
        await asyncio.to_thread(told.stop)
    answers = [one for one in journaled(told.state) if isinstance(one, Feedback)]
    assert [(one.answer, one.person, one.channel) for one in answers] == [("yes", "household", "phone")]
