"""Where an MQTT broker is and who we are to it, and every way in which that fails."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

Version = Literal[5, 311]
"""MQTT 5, or 3.1.1."""


class MqttError(ConnectionError):
    """The broker cannot be used as configured; the message is one line and says what to change."""


class LoginError(MqttError):
    """The broker does not accept the user name, the password or the client id."""


class SubscriptionError(MqttError):
    """The broker lets us in, but refuses every subscription."""


class LostError(MqttError):
    """The connection was there and is gone."""


class VersionError(MqttError):
    """The broker was reached, and would not speak this version of MQTT."""


class _TlsContext(ssl.SSLContext):
    """Shakes hands at once, and closes the socket when that fails: paho would leave it open."""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(sock, *arguments, **options)
        try:
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Where the broker is and who we are to it. With ``ca_file`` the connection is TLS (at least 1.2), else plain.

    ``client_id`` names the session: one guard, one name, always the same. ``keepalive`` is in seconds. ``protocol``
    is MQTT 5 or 3.1.1 (``311``); ``auto`` is MQTT 5 with brokers that speak it.
    """

    host: str = "localhost"
    port: int = 8883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_id: str = "homeward"
    keepalive: int = 60
    protocol: Literal["auto", 5, 311] = "auto"

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions of MQTT to try, in this order."""
        return (5, 311) if self.protocol == "auto" else (self.protocol,)

    def new_client(self, client_id: str, *, clean_session: bool, version: Version | None = None) -> mqtt.Client:
        """A client for this broker, not yet connected, that never reconnects by itself.

        It speaks ``version``; by default 3.1.1, which every broker does, unless ``protocol`` is 5. In MQTT 5 whether
        the session is clean is for ``connect`` to say, and ``clean_session`` is not used.

        Raises:
            MqttError: ``ca_file`` cannot be read.
        """
        newest = (version or self.versions[-1]) == 5
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if newest else clean_session,
            protocol=mqtt.MQTTv5 if newest else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.ca_file is not None:
            trust = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate, and the host's name in it
            trust.minimum_version = ssl.TLSVersion.TLSv1_2
            try:
                trust.load_verify_locations(self.ca_file)
                client.tls_set_context(trust)
            except OSError as error:  # SSLError is one
                raise MqttError(f"{self.ca_file}: not a readable CA certificate ({error}); set ca_file") from None
        return client
