"""Captures made packet by packet, for tests of what reads packets: Ethernet, VLAN, IPv4, IPv6, TCP, UDP, ICMP."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path

SYN, ACK, FIN, RST, PSH = 2, 16, 1, 4, 8
BEGIN = 1_700_000_000.0
"""When the captures begin: epoch seconds."""

DEVICE = "00:17:88:00:00:11"
OTHER = "00:17:88:00:00:22"
ROUTER = "00:17:88:00:00:01"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def frame(
    src: str, dst: str, protocol: int, body: bytes, *, macs: tuple[str, str] = (DEVICE, ROUTER), vlan: int = 0
) -> bytes:
    """An Ethernet frame with an IP packet; the version follows the addresses."""
    one, other = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if one.version == 4:
        kind, head = 0x0800, struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
    else:
        kind, head = 0x86DD, struct.pack(">IHBB", 6 << 28, len(body), protocol, 64)
    tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
    return mac(macs[1]) + mac(macs[0]) + tag + struct.pack(">H", kind) + head + one.packed + other.packed + body


def udp(src_port: int, dst_port: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def tcp(src_port: int, dst_port: int, flags: int, payload: bytes = b"", seq: int = 1) -> bytes:
    return struct.pack(">HHIIBBHHH", src_port, dst_port, seq, 1, 5 << 4, flags, 65_535, 0, 0) + payload


def conversation(src: str, dst: str, port: int, *, asks: bytes, answers: bytes, own: int = 40_000) -> list[bytes]:
    """A whole TCP conversation, from the first SYN to the last FIN."""
    there, back = (DEVICE, ROUTER), (ROUTER, DEVICE)
    return [
        frame(src, dst, 6, tcp(own, port, SYN), macs=there),
        frame(dst, src, 6, tcp(port, own, SYN | ACK), macs=back),
        frame(src, dst, 6, tcp(own, port, ACK, seq=2), macs=there),
        frame(src, dst, 6, tcp(own, port, ACK | PSH, asks, seq=2), macs=there),
        frame(dst, src, 6, tcp(port, own, ACK | PSH, answers, seq=2), macs=back),
        frame(src, dst, 6, tcp(own, port, ACK | FIN, seq=2 + len(asks)), macs=there),
        frame(dst, src, 6, tcp(port, own, ACK | FIN, seq=2 + len(answers)), macs=back),
    ]


def dhcp_request(host_name: str, hardware: str = DEVICE) -> bytes:
    """What a device sends to get an address (RFC 2131), with its name in option 12."""
    head = struct.pack(">BBBBIHH16x", 1, 1, 6, 0, 7, 0, 0) + mac(hardware) + bytes(10 + 64 + 128)
    options = bytes((53, 1, 3, 12, len(host_name))) + host_name.encode() + bytes((255,))
    body = udp(68, 67, head + b"\x63\x82\x53\x63" + options)
    return frame("0.0.0.0", "255.255.255.255", 17, body, macs=(hardware, "ff:ff:ff:ff:ff:ff"))


def write_pcap(path: Path, frames: Iterable[bytes], *, every: float = 0.01) -> Path:
    """A capture file (microseconds, Ethernet) of these frames, one each so many seconds."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for n, one in enumerate(frames):
            at = BEGIN + n * every
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1_000_000), len(one), len(one)) + one)
    return path
