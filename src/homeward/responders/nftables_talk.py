"""Talking to the kernel's firewall and network: two programs, `nft` and `ip`, with JSON both ways."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from homeward.responders.nftables_addresses import is_address
from homeward.responders.nftables_rules import FAMILY, TABLE, Json

LIMITS: Final = {1: 8 << 20, 2: 16 << 10}
"""Bytes that are kept of what a program says, and of its complaints. As many claims as there can be, each as large as
it can be, are 6 MB to list; usual ones are a few thousand bytes."""

KILL_SECONDS: Final = 0.5
LINE_LIMIT: Final = 160

_T = TypeVar("_T")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class NftError(OSError):
    """The firewall did not take, give back or show what was asked; or it must not be asked. One line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """Where the firewall is: the programs, and the network namespace, ``None`` for the one we are in.

    Raises:
        ValueError: a namespace cannot be called so.
    """

    nft: str = "nft"
    ip: str = "ip"
    namespace: str | None = None

    def __post_init__(self) -> None:
        if self.namespace is not None and not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(f"{self.namespace!r} is no network namespace; write a name that `ip netns list` shows")

    async def change(self, commands: Sequence[Json]) -> None:
        """Do all of the commands, or none. Raises `NftError`."""
        code, _, errors = await self._run([self.nft, "-j", "-f", "-"], msgspec.json.encode({"nftables": commands}))
        if code:
            raise NftError(_why(errors))

    async def listing(self) -> Json | None:
        """What is in our table; ``None`` where there is none. Raises `NftError`."""
        code, output, errors = await self._run([self.nft, "-j", "list", "table", FAMILY, TABLE])
        if code and errors.startswith(b"Error: No such file or directory"):  # not: no such program, no such namespace
            return None
        if code:
            raise NftError(_why(errors))
        return _decode(output, "nft", dict[str, Any])

    async def surroundings(self) -> frozenset[str]:
        """The addresses and hardware addresses of this machine and of the routers that it sends through.

        Raises `NftError`, as none must be forgotten.
        """
        links = await self._ip("address", "show")
        routes = [
            *await self._ip("-4", "route", "show", "default"),
            *await self._ip("-6", "route", "show", "default"),
        ]
        hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
        gateways = {str(way) for hop in hops if (way := hop.get("gateway") or hop.get("via", {}).get("host"))}
        neighbours = await self._ip("neighbour", "show") if gateways else []
        found = {str(link["address"]) for link in links if "address" in link}
        found |= {str(one["local"]) for link in links for one in link.get("addr_info", ()) if "local" in one}
        found |= {str(one["lladdr"]) for one in neighbours if "lladdr" in one and one.get("dst") in gateways}
        return frozenset(one for one in found | gateways if is_address(one))

    async def _ip(self, *arguments: str) -> list[Any]:
        code, output, errors = await self._run([self.ip, "-j", *arguments])
        if code:
            raise NftError(f"cannot tell the guard's own addresses: {_first_line(errors)}")
        return _decode(output or b"[]", "ip", list[Any])

    async def _run(self, command: list[str], said: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a program without a shell; it does not outlive us. Raises `NftError`."""
        arguments = [*((self.ip, "netns", "exec", self.namespace) if self.namespace else ()), *command]
        loop = asyncio.get_running_loop()
        try:
            transport, program = await loop.subprocess_exec(_Program, *arguments, env=_ENVIRONMENT)
        except OSError as error:
            reason = "not installed here" if isinstance(error, FileNotFoundError) else error.strerror
            raise NftError(f"{arguments[0]}: {reason}; it comes with nftables and iproute2") from None
        try:
            stdin = transport.get_pipe_transport(0)
            assert isinstance(stdin, asyncio.WriteTransport)
            stdin.write(said)
            stdin.write_eof()
            await asyncio.shield(program.ended)
            return transport.get_returncode() or 0, bytes(program.kept[1]), bytes(program.kept[2])
        finally:
            transport.close()  # and kills it
            with suppress(TimeoutError):
                async with asyncio.timeout(KILL_SECONDS):
                    await asyncio.shield(program.ended)


class _Program(asyncio.SubprocessProtocol):
    """A running program. ``kept`` is what it wrote, no more than the limits; ``ended`` is done when it is gone."""

    def __init__(self) -> None:
        self.kept: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.kept[fd]
        kept += data[: max(0, LIMITS[fd] - len(kept))]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.ended.done():
            self.ended.set_result(None)


def _decode(output: bytes, program: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(output, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        raise NftError(f"{program} answered with something else than JSON; does it know -j?") from None


def _why(errors: bytes) -> str:
    """Why nft refused, with what can be done about it."""
    line = _first_line(errors)
    if "not permitted" in line:
        return "no right to change the firewall: the guard needs CAP_NET_ADMIN"
    if "Address family" in line:
        return "no way to the firewall: the guard's service needs AF_NETLINK"
    if "not supported" in line.lower() or "JSON" in line:
        return f"this firewall is too old ({line}): claims need Linux 5.6 and nftables 0.9.8 with JSON"
    return f"nft refused: {line}"


def _first_line(errors: bytes) -> str:
    lines = [" ".join(line.split()) for line in errors.decode("utf-8", "replace").splitlines()]
    found = next((line for line in lines if line), "it does not say why")
    return "".join(sign for sign in found if sign.isprintable())[:LINE_LIMIT]
