"""A real Mosquitto whose users are kept by its dynamic-security plugin; and devices that come back by themselves.

A test module imports ``certificates_fixture`` and ``dynamic_security_fixture``, and its tests ask for
``dynamic_security``.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import IN_CI
from tests.mosquitto import DEADLINE, Certificates, Mosquitto, Peer, wait_until

from homeward.responders.broker_claims import CONTROL
from homeward.sources.mqtt import MqttSettings

PLUGIN = "mosquitto_dynamic_security.so"
PLUGIN_FOLDERS = ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/opt/homebrew/lib")

USERS = {
    "admin": "admin's secret",
    "guard": "guard's secret",
    "hub": "hub's secret",
    "plug": "plug's secret",
    "kettle": "kettle's secret",
}
"""`hub` reads and commands everything, `plug` and `kettle` may publish anything: too much, as in many homes."""


def rules(*lines: str) -> list[dict[str, object]]:
    """``publishClientSend allow #`` and such as the plugin's rules."""
    split = [line.split() for line in lines]
    return [{"acltype": kind, "allow": allow == "allow", "topic": topic} for kind, allow, topic in split]


ROLES = {
    "guard": rules(
        "publishClientSend allow $CONTROL/dynamic-security/v1",
        "publishClientReceive allow $CONTROL/dynamic-security/v1/response",
        "subscribeLiteral allow $CONTROL/dynamic-security/v1/response",
    ),
    "everything": rules("publishClientSend allow #", "publishClientReceive allow #", "subscribePattern allow #"),
    "device": rules(
        "publishClientSend deny secret/#",
        "publishClientSend allow #",
        "subscribePattern allow commands/#",
        "subscribePattern allow news/#",
    ),
}
ROLES["device"][0]["priority"] = 10


class Device(Peer):
    """A client on the broker that comes back by itself, as devices do."""

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        super().__init__(settings, client_id)
        self._client.reconnect_delay_set(1, 1)
        self._answered: queue.Queue[int] = queue.Queue()
        self._client.on_unsubscribe = lambda _client, _data, mid, *_: self._answered.put(mid)

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    def shout(self, topic: str) -> None:
        """Publish without waiting for anything."""
        self._client.publish(topic, "!", qos=0)

    def come_back(self) -> None:
        """Wait until the broker answers; that a connection was ended shows only when it is used."""
        wait_until(self._answers, "the device is back")

    def _answers(self) -> bool:
        _, mid = self._client.unsubscribe("nothing")
        with suppress(queue.Empty):
            return mid is not None and self._answered.get(timeout=0.5) == mid
        return False


class DynamicSecurity(Mosquitto):
    """The broker, with `USERS` and `ROLES`, and a second listener for those who have a certificate."""

    def __init__(
        self, folder: Path, certificates: Certificates, users: Path, need_program: Callable[[str, str], str]
    ) -> None:
        self.publisher = need_program("mosquitto_pub", "mosquitto-clients")
        self.openssl = need_program("openssl", "openssl")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.certificate_port: int = probe.getsockname()[1]
        lines = [
            f"plugin {find_plugin()}",
            f"plugin_opt_config_file {users}",
            f"listener {self.certificate_port} 127.0.0.1",
            f"cafile {certificates.ca}",
            f"certfile {certificates.certificate}",
            f"keyfile {certificates.key}",
            "require_certificate true",
            "use_identity_as_username true",
        ]
        super().__init__(need_program("mosquitto", "mosquitto"), folder, certificates, lines)

    def settings(self, username: str = "guard", **others: Any) -> MqttSettings:
        return super().settings(username, **({"password": USERS.get(username)} | others))

    def device(self, username: str, client_id: str = "") -> Device:
        """A device, which is closed when the test ends."""
        device = Device(self.settings(username), client_id or f"{username}-1")
        self._peers.callback(device.close)
        return device

    def publish_by_certificate(self, username: str, topic: str) -> None:
        """Publish as who logs in by a certificate of this name, with Mosquitto's own client."""
        cert, key = self._identity(username)
        subprocess.run(
            [self.publisher, "-h", "localhost", "-p", str(self.certificate_port), "-q", "1", "-t", topic, "-m", "1",
             "--cafile", str(self.certificates.ca), "--cert", str(cert), "--key", str(key)],
            check=True, capture_output=True, timeout=DEADLINE,
        )  # fmt: skip

    def _identity(self, username: str) -> tuple[Path, Path]:
        folder = self.certificates.ca.parent
        for arguments in (
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "user.key",
             "-out", "user.csr", "-subj", f"/CN={username}"],
            ["x509", "-req", "-in", "user.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-out", "user.crt", "-days", "2"],
        ):  # fmt: skip
            subprocess.run([self.openssl, *arguments], cwd=folder, check=True, capture_output=True)
        return folder / "user.crt", folder / "user.key"

    def log_in(self, username: str, **others: Any) -> str:
        """What the broker says to one attempt to log in."""
        settings = self.settings(username, **others)
        client = settings.new_client(f"{username}-again", clean_session=True)
        said: queue.Queue[str] = queue.Queue()
        client.on_connect = lambda _client, _data, _flags, code, _properties: said.put(str(code))
        client.connect(settings.host, settings.port)
        until = time.monotonic() + DEADLINE
        while said.empty() and time.monotonic() < until:
            client.loop(0.2)
        client.disconnect()
        if (sock := client.socket()) is not None:
            sock.close()
        return said.get_nowait()

    def tell(self, *commands: dict[str, Any]) -> list[dict[str, Any]]:
        """What the plugin answers its administrator, who is the owner."""
        owner = self.peer("admin", "owner")
        owner.listen(f"{CONTROL}/response")
        owner.publish(CONTROL, json.dumps({"commands": commands}))
        answer = json.loads(owner.next()[1])["responses"]
        owner.close()
        return list(answer)

    def user(self, name: str) -> dict[str, Any]:
        """All that the plugin says of a user."""
        return dict(self.tell({"command": "getClient", "username": name})[0]["data"]["client"])

    def all_users_and_roles(self) -> list[dict[str, Any]]:
        """All that the plugin says of users, groups and roles."""
        lists = ("listClients", "listGroups", "listRoles")
        return [one["data"] for one in self.tell(*({"command": name, "verbose": True} for name in lists))]


def find_plugin() -> str:
    """The path of the plugin; skips where it is not installed, and fails when CI=true."""
    folders = [Path(folder) for folder in PLUGIN_FOLDERS if Path(folder).is_dir()]
    found = next(
        (str(path) for folder in folders for path in (*folder.glob(PLUGIN), *folder.glob(f"*/{PLUGIN}"))), ""
    )
    if not found:
        reason = f"{PLUGIN} is not installed (apt-get install mosquitto)"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(name="dynamic_security")
def dynamic_security_fixture(
    tmp_path: Path, certificates: Certificates, need_program: Callable[[str, str], str]
) -> Iterator[DynamicSecurity]:
    """A broker with `USERS`; `plug` is in a group, whose role it has, and `kettle` has the role itself."""
    folder = tmp_path / "dynamic-security"
    folder.mkdir()
    users = folder / "dynamic-security.json"
    control = need_program("mosquitto_ctrl", "mosquitto")
    subprocess.run(
        [control, "dynsec", "init", str(users), "admin", USERS["admin"]], check=True, capture_output=True,
        env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    broker = DynamicSecurity(folder, certificates, users, need_program)
    try:
        broker.start()
        answers = broker.tell(
            *({"command": "createRole", "rolename": name, "acls": acls} for name, acls in ROLES.items()),
            *(
                {"command": "createClient", "username": name, "password": password}
                for name, password in USERS.items()
                if name != "admin"
            ),
            {"command": "addClientRole", "username": "guard", "rolename": "guard"},
            {"command": "addClientRole", "username": "hub", "rolename": "everything"},
            {"command": "addClientRole", "username": "kettle", "rolename": "device", "priority": 7},
            {"command": "createGroup", "groupname": "devices"},
            {"command": "addGroupRole", "groupname": "devices", "rolename": "device"},
            {"command": "addGroupClient", "groupname": "devices", "username": "plug"},
        )
        assert not [answer for answer in answers if "error" in answer]
        yield broker
    finally:
        broker.close()
