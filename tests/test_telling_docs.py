"""What the how-to on being told says, works: its configuration, its server's rights, its receiver."""

from __future__ import annotations

import base64
import http.client
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.test_docs import block, blocks, text_of
from tests.test_ntfy import ASK

from homeward.config import load
from homeward.responders.http_request import HttpError
from homeward.responders.ntfy import NtfyChannel, checked_topic
from homeward.responders.webhook import Webhook

PAGE = "docs/how-to/be-told-and-answer.md"
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    """The files that the page has its reader write."""
    (tmp_path / "ca.crt").touch()
    (tmp_path / "mqtt-password").write_text("secret\n")
    (tmp_path / "ntfy-token").write_text("tk_guard\n")
    (tmp_path / "webhook-secret").write_text(SECRET + "\n")
    (tmp_path / "apprise-urls").write_text(block(PAGE, "text", "apprise-urls"))
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    return tmp_path


def test_the_channels_can_be_made_as_they_are_configured(folder: Path) -> None:
    path = folder / "homeward.toml"
    written = "\n".join(body for _, body in blocks(PAGE, "toml"))
    path.write_text(written.replace("…", "0123456789abcdef"))
    config = load(path, environment={})
    channels = {one.name: one for one in config.answering.channels}
    assert list(channels) == ["phone", "anna", "mail", "siren_program"]
    for name in ("phone", "anna"):
        one = channels[name]
        NtfyChannel(one.section.server, one.section.topic, token=one.token)
        checked_topic(one.section.answers_topic)
    hook = channels["siren_program"]
    Webhook(hook.section.url, *hook.secrets)
    assert [(one.name, one.channel, one.second) for one in config.settings.listeners] == [
        ("household", "phone", False),
        ("person:anna", "anna", False),
        ("household", "mail", True),
        ("household", "siren_program", False),
    ]


def test_nobody_shares_a_topic_with_the_readers_of_the_page() -> None:
    """What stands for a topic is refused until it is replaced."""
    topics = re.findall(r'topic = "(.*)"', text_of(PAGE))
    assert set(topics) == {"alerts-…", "answers-…"}
    for topic in topics:
        with pytest.raises(ValueError, match="letters, digits"):
            checked_topic(topic)


def test_the_rights_are_those_with_which_buttons_work() -> None:
    """`tests/test_ntfy.py` answers with these rights, and no more."""
    rights = re.findall(r"^ntfy access (\S+) (\S+) (\S+)$", text_of(PAGE), re.MULTILINE)
    assert sorted(rights) == [
        ("anna", "alerts-…", "read-only"),
        ("everyone", "answers-…", "write-only"),
        ("guard", "alerts-…", "write-only"),
        ("guard", "answers-…", "read-only"),
    ]


@pytest.fixture(name="receiver")
def receiver_fixture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """The program of the page, on a free port."""
    monkeypatch.chdir(folder)
    module = ModuleType("receiver")
    exec(compile(block(PAGE, "python", "receiver.py"), "receiver.py", "exec", dont_inherit=True), module.__dict__)
    handler: Any = module.__dict__["Receiver"]
    monkeypatch.setattr(handler, "log_message", lambda *_: None)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_the_receiver_believes_what_is_signed_and_does_it_once(
    receiver: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/homeward"
    for _ in range(2):
        await Webhook(url, SECRET).apply(replace(ASK, device="household"))
    assert capsys.readouterr().out == f"homeward.apply household ask {ASK.text}\n"
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    with pytest.raises(HttpError, match="status 401"):
        await Webhook(url, other).apply(replace(ASK, id="i8-1"))
    connection = http.client.HTTPConnection("127.0.0.1", receiver.server_port, timeout=5)
    connection.request("POST", "/homeward", body=b"{}")
    assert connection.getresponse().status == 401
    connection.close()
    assert capsys.readouterr().out == ""
