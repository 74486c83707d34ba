"""A real Mosquitto on a free loopback port, with TLS, a password file and an ACL; and another client to talk to it.

A test module imports ``certificates_fixture`` and ``mosquitto_fixture``, and its tests ask for ``mosquitto``.
"""

from __future__ import annotations

import queue
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from homeward.sources.mqtt import MqttSettings

PASSWORDS = {"guard": "guard's secret", "sensor": "sensor's secret", "nobody": "nobody's secret"}

ACL = """\
user guard
topic readwrite #
topic read $SYS/#

user sensor
topic readwrite #
"""

DEADLINE = 20.0
"""How long a test waits for what must come, in seconds; only a failing test waits so long."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Certificates:
    """A CA and a server certificate for localhost, made for this test run."""

    ca: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="session", name="certificates")
def certificates_fixture(
    tmp_path_factory: pytest.TempPathFactory, need_program: Callable[[str, str], str]
) -> Certificates:
    openssl = need_program("openssl", "openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test CA", "-days", "2")
    run("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.crt", "-days", "2", "-extfile", "names",
    )  # fmt: skip
    return Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")


class Peer:
    """Another client on the broker: a sensor, a lamp, an onlooker."""

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        self.received: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self._granted: queue.Queue[int] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        self._client.username_pw_set(settings.username, settings.password)
        assert settings.ca_file is not None
        self._client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file))
        answered: queue.Queue[bool] = queue.Queue()  # it may be thrown out again before anybody looks
        self._client.on_connect = lambda _client, _data, _flags, code, _more: answered.put(not code.is_failure)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._granted.put(1)
        self._client.connect(settings.host, settings.port)
        self._client.loop_start()
        assert answered.get(timeout=DEADLINE), "the broker lets the other client in"

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.received.put((message.topic, bytes(message.payload), bool(message.retain)))

    def listen(self, topic_filter: str) -> None:
        """Subscribe; returns when the broker has confirmed."""
        self._client.subscribe(topic_filter, 1)
        self._granted.get(timeout=DEADLINE)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Publish; returns when the broker has confirmed."""
        message = self._client.publish(topic, payload, qos=qos, retain=retain)
        message.wait_for_publish(DEADLINE)
        assert message.is_published()

    def publish_all(self, topic: str, payloads: Iterable[str | bytes]) -> None:
        """Publish in order without waiting in between; returns when the broker has confirmed all of them."""
        messages = [self._client.publish(topic, payload, qos=1) for payload in payloads]
        for message in messages:
            message.wait_for_publish(DEADLINE)
            assert message.is_published()

    def next(self) -> tuple[str, bytes, bool]:
        """The next message: topic, payload, whether it was retained."""
        return self.received.get(timeout=DEADLINE)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Mosquitto:
    """The broker's process, which can be stopped and started again with its persistent sessions."""

    def __init__(self, program: str, folder: Path, certificates: Certificates, users_and_rights: list[str]) -> None:
        self._program = program
        self.certificates = certificates
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._peers = ExitStack()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        lines = [
            "user root",  # else, started by root, it could not read the test's files
            f"listener {self.port} 127.0.0.1",
            f"certfile {certificates.certificate}",
            f"keyfile {certificates.key}",
            "allow_anonymous false",
            *users_and_rights,
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 100000",
            "max_inflight_messages 0",  # as many at once as there are: the hardest case for whoever reads them
            "sys_interval 1",
            "log_dest topic",
            f"log_dest file {folder / 'mosquitto.log'}",
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._folder / "mosquitto.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, f"mosquitto answers; see {self._folder / 'mosquitto.log'}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End in order: sessions and what waits in them are written to disk."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(DEADLINE)
            self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def settings(self, username: str = "guard", **others: Any) -> MqttSettings:
        known: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": username,
            "password": PASSWORDS.get(username),
            "ca_file": self.certificates.ca,
        }
        return MqttSettings(**(known | others))

    def peer(self, username: str = "sensor", client_id: str = "other") -> Peer:
        """Another client, which is closed when the test ends."""
        peer = Peer(self.settings(username), client_id)
        self._peers.callback(peer.close)
        return peer

    def close(self) -> None:
        if self._process is not None:
            self.thaw()
        self._peers.close()
        self.stop()


@pytest.fixture(name="mosquitto")
def mosquitto_fixture(
    tmp_path: Path, certificates: Certificates, need_program: Callable[[str, str], str]
) -> Iterator[Mosquitto]:
    """A broker with users `guard` and `sensor`, who may do everything, and `nobody`, who may do nothing."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch(0o600)
    for user, password in PASSWORDS.items():
        subprocess.run(
            [need_program("mosquitto_passwd", "mosquitto"), "-b", str(passwords), user, password],
            check=True,
            capture_output=True,
        )
    (folder / "acl").write_text(ACL)
    (folder / "acl").chmod(0o600)
    rights = [f"password_file {passwords}", f"acl_file {folder / 'acl'}"]
    broker = Mosquitto(need_program("mosquitto", "mosquitto"), folder, certificates, rights)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()
