"""A cable between two namespaces of the network: what is sent at one end can be listened to at the other."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

DEADLINE: Final = 60.0
_SEND: Final = """
import contextlib, select, socket, sys
pulse, port = bytearray.fromhex(sys.argv[1]), 0
def send(frame):
    with contextlib.suppress(OSError):  # the other end is down
        end.send(frame)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as end:
    end.bind(("eth0", 0))
    while True:
        while not select.select([sys.stdin], [], [], 0.02)[0]:
            port = (port + 1) % 60_000
            pulse[34:36] = (port + 1024).to_bytes(2, "big")
            send(pulse)
        line = sys.stdin.readline()
        if not line:
            break
        for frame in line.split():
            send(bytes.fromhex(frame))
        for _ in range(400):
            send(pulse + bytes(1_400))
        print(flush=True)
"""
"""Sends what is asked for, and in between one UDP packet after the other, each from another port: nfstream has no
clock but the packets' own. The kernel hands packets over by the block, once that is full or a second old: so it is
filled up."""


class Cable:
    """Two namespaces, an interface ``v1`` in the one and its other end in the other, which sends raw frames.

    ``pulse`` is a frame with a UDP packet over IPv4.

    Raises:
        OSError, subprocess.CalledProcessError: namespaces cannot be made here.
    """

    interface: Final = "v1"

    def __init__(self, folder: Path, pulse: bytes) -> None:
        self.near, self.far = (f"hw{end}{os.getpid() % 100_000}" for end in "nf")
        self.interpreter = str(folder / "python")
        Path(self.interpreter).write_text(
            f'#!/bin/sh\nexec ip netns exec {self.near} {shlex.quote(sys.executable)} "$@"\n', "utf-8"
        )
        Path(self.interpreter).chmod(0o755)
        try:
            for end in (self.near, self.far):
                _ip("netns", "add", end)
            _ip("link", "add", "v1", "netns", self.near, "type", "veth", "peer", "name", "eth0", "netns", self.far)
            for end, name in ((self.near, "v1"), (self.far, "eth0")):
                _ip("netns", "exec", end, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
                _ip("-n", end, "link", "set", name, "up")
            self._sender = subprocess.Popen(
                ["ip", "netns", "exec", self.far, sys.executable, "-c", _SEND, pulse.hex()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        except BaseException:
            self._cut()
            raise

    def send(self, frames: Iterable[bytes]) -> None:
        """Send frames, in order; returns when all are on the wire."""
        assert self._sender.stdin is not None
        assert self._sender.stdout is not None
        self._sender.stdin.write(" ".join(frame.hex() for frame in frames) + "\n")
        self._sender.stdin.flush()
        assert self._sender.stdout.readline()

    def turn(self, how: str) -> None:
        """Turn the near end ``up`` or ``down``."""
        _ip("-n", self.near, "link", "set", "v1", how)

    def close(self) -> None:
        self._sender.communicate(timeout=DEADLINE)
        self._cut()

    def _cut(self) -> None:
        for end in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", end], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=DEADLINE)
