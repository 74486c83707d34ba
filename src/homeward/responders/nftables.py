"""The firewall of a router or a bridge: a device is cut off the network, or may do only what it was learned to need.

All of a claim is one transaction of the kernel in a table of our own, ``inet homeward``; no other table is touched.
Every element has a time-out that is the rest of the lease, so that a guard that died locks nobody out. Only what
passes this machine is stopped: two devices on one switch or one Wi-Fi speak past it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from homeward.core.effects import Action
from homeward.core.vocabulary import CLAIMS
from homeward.responders import nftables_rules as rules
from homeward.responders.nftables_addresses import (
    ALLOW_LIMIT,
    HOME_NETWORKS,
    NAMES_LIMIT,
    Address,
    Never,
    Permit,
    Reach,
    Target,
    broadcast,
    networks,
    outside,
    permit,
    reach,
    target,
)
from homeward.responders.nftables_talk import Firewall, NftError

__all__ = ["NftError", "NftablesResponder", "SystemResolver", "remove_table"]

CLAIMS_LIMIT: Final = 32
"""Claims that hold at once. A guard that wants more has gone wrong, or somebody makes it."""

TALK_SECONDS: Final = 8.0
"""For one act with everything in it: the service waits ten."""

NAMES_SECONDS: Final = 3.0
"""For looking all names of a list up. What is not known by then stays closed, also to the device itself."""

LOOK_UPS: Final = 4

Resolve = Callable[[str], Awaitable[Sequence[str]] | Sequence[str]]
Addresses = Callable[[str], Sequence[str]]

_log = logging.getLogger(__name__)


class SystemResolver:
    """The addresses of a name, as this machine finds them, in threads of its own: a name server may be silent."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UPS, "names")

    async def __call__(self, name: str) -> Sequence[str]:
        """Raises `OSError` when there is no such name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, socket.getaddrinfo, name, None, 0, socket.SOCK_STREAM)
        return [str(one[4][0]) for one in found]


class NftablesResponder:
    """A `Responder` for ``quarantine`` and ``restrict``, each taken back by the id of its action alone.

    ``addresses`` tells a device's addresses and hardware addresses. ``never`` are addresses, networks, hardware
    addresses and names of devices on which no claim is made; this machine's own, and those of the routers that it
    sends through, are always among them. ``resolve`` looks a name of a list up. ``local`` are the home's networks,
    ``resolvers`` its name servers apart from this machine, ``now`` the clock that leases end by. ``nft`` and ``ip``
    are programs, ``namespace`` is the network namespace they work in if it is not ours. ``refused`` counts by reason
    what was asked for and not done.

    Raises:
        ValueError: an address, a network or a namespace is none.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        never: Collection[str] = (),
        resolve: Resolve | None = None,
        local: Collection[str] = HOME_NETWORKS,
        resolvers: Collection[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        nft: str = "nft",
        ip: str = "ip",
        namespace: str | None = None,
        name: str = "nftables",
        timeout: float = TALK_SECONDS,
    ) -> None:
        self.name = name
        self.refused: Counter[str] = Counter()
        self._addresses = addresses
        self._never = Never(never)
        self._resolve = resolve or SystemResolver()
        self._local, self._resolvers = networks(local), networks(resolvers)
        self._inside = (*self._local, *networks(HOME_NETWORKS))
        self._now = now
        self._firewall = Firewall(nft=nft, ip=ip, namespace=namespace)
        self._timeout = timeout
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, action: Action) -> None:
        """Make the claim, or make it anew as it should be, until ``action.ends`` and no longer.

        It is in force when this returns. Nothing is done when its time is over.

        Raises:
            LookupError: no address of the device is known.
            NftError: it must not be claimed, or the firewall did not do it.
        """
        if action.command not in CLAIMS:
            raise self._refuse("unknown command", f"a firewall can {' and '.join(sorted(CLAIMS))} a device")
        if action.ends is None:
            raise self._refuse("no end", f"{action.device}: a claim without an end is not made")
        if (action.ends - self._now()).total_seconds() <= 0:
            return
        async with self._talking():
            about = self._target(action.device)
            if not about.all():
                raise LookupError(f"no address of {action.device} is known; add one to [network] names")
            self._permit(action.device, about, await self._firewall.surroundings())
            cut = action.command == "quarantine"
            may = None if cut or not action.allow else await self._reach(action)
            await self._make(action, action.ends, about, cut, may)

    async def revert(self, action: Action) -> None:
        """Take the claim back at once; fine when its time was over or it was never made. Raises `NftError`."""
        async with self._talking():
            listing = await self._firewall.listing()
            kept = rules.read(listing).get(rules.claim_name(action.id)) if listing is not None else None
            if kept is not None:
                await self._firewall.change(rules.take(kept))

    async def _make(self, action: Action, ends: datetime, about: Target, cut: bool, may: Reach | None) -> None:
        kept = rules.read(await self._firewall.listing() or {})
        name = rules.claim_name(action.id)
        seconds = math.ceil((ends - self._now()).total_seconds())
        if seconds <= 0:  # names took their time
            return
        if name in kept and (left := kept[name].seconds()):
            seconds = min(seconds, left)
        over = [one for other, one in kept.items() if other == name or not one.seconds()]
        if len(kept) - len(over) >= CLAIMS_LIMIT:
            raise self._refuse("too many", f"{CLAIMS_LIMIT} claims hold already")
        claim = rules.Claim(
            name=name,
            about=f"{action.command}: {action.device}",
            target=about,
            cut=cut,
            reach=may,
            seconds=seconds,
            local=self._local,
        )
        await self._firewall.change([command for one in over for command in rules.take(one)] + rules.put(claim))
        lacking = rules.lacking(claim, rules.read(await self._firewall.listing() or {}).get(name))
        if lacking and self._now() < ends:
            raise NftError(f"{action.device}: the firewall does not hold the claim ({lacking})")

    def _target(self, device: str) -> Target:
        try:
            return target(device, self._addresses(device))
        except ValueError as error:
            raise self._refuse("no address", str(error)) from None

    def _permit(self, device: str, about: Target, own: Collection[str]) -> None:
        """Raises `NftError` if the device must not be claimed."""
        covered = Never(own).covers("", about)
        if covered:
            raise self._refuse("own", f"{device}: {covered} is this machine or its router; it is never cut off")
        covered = self._never.covers(device, about)
        for name in self._never.devices:
            covered = covered or Never(self._target(name).all()).covers("", about)
        if covered:
            raise self._refuse("never", f"{device}: {covered} is among what is never cut off")
        if several := broadcast(about, self._local):
            raise self._refuse("no address", f"{device}: {several} is no address of a single device")

    async def _reach(self, action: Action) -> Reach:
        """What the list permits. A line that is none permits nothing, and neither does a name that is not known."""
        permits: list[Permit] = []
        for line in action.allow[:ALLOW_LIMIT]:
            try:
                permits.append(permit(line))
            except ValueError as error:
                self.refused["line"] += 1
                _log.warning("%s: %r is not permitted: %s", action.device, line[:200], error)
        if (beyond := len(action.allow) - ALLOW_LIMIT) > 0:
            self.refused["line"] += beyond
        names = list(dict.fromkeys(one.name for one in permits if one.name is not None))
        found = await self._look_up(names[:NAMES_LIMIT])
        unknown = [name for name in names if not found.get(name)]
        if unknown:
            self.refused["name"] += len(unknown)
            _log.warning("%s: no address outside for %s; it stays closed", action.device, ", ".join(unknown[:8]))
        return reach(permits, found, self._local, self._resolvers)

    async def _look_up(self, names: Sequence[str]) -> dict[str, tuple[Address, ...]]:
        found: dict[str, tuple[Address, ...]] = {}
        turn = asyncio.Semaphore(LOOK_UPS)

        async def look_up(name: str) -> None:
            async with turn:
                with suppress(OSError, ValueError):
                    answer = self._resolve(name)
                    found[name] = outside(await answer if inspect.isawaitable(answer) else answer, self._inside)

        with suppress(TimeoutError):
            async with asyncio.timeout(NAMES_SECONDS), asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(look_up(name))
        return found

    def _refuse(self, reason: str, line: str) -> NftError:
        self.refused[reason] += 1
        return NftError(line)

    @asynccontextmanager
    async def _talking(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout), self._one_at_a_time:
                yield
        except TimeoutError:
            raise NftError(f"the firewall did not answer within {self._timeout:g} s") from None


async def remove_table(*, nft: str = "nft", namespace: str | None = None) -> bool:
    """Take all claims back at once, whoever made them, and the table with them; whether there was one.

    Raises:
        NftError: the firewall did not do it.
        ValueError: a namespace cannot be called so.
    """
    firewall = Firewall(nft=nft, namespace=namespace)
    try:
        async with asyncio.timeout(TALK_SECONDS):
            there = await firewall.listing() is not None
            if there:
                await firewall.change(rules.take_table())
            return there
    except TimeoutError:
        raise NftError(f"the firewall did not answer within {TALK_SECONDS:g} s") from None
