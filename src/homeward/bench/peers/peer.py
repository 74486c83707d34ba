"""What every peer can do."""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

from homeward.core.event import Event

Seen = TypeVar("Seen")
"""What a peer remembers of an event it has looked at, so that the owner's answer can teach it once more."""


class Peer(Protocol[Seen]):
    """Another way to tell the usual from the unusual. Time never goes back."""

    def look(self, event: Event) -> tuple[float, Seen]:
        """How strange the event is (higher is stranger), told before it is learned; then it is learned, once."""

    def confirm(self, seen: Seen, weight: int) -> None:
        """The owner said "that was me": count it again, so many times."""

    def copy(self) -> Self:
        """A copy to run a trial on: nothing that it sees reaches the original.

        It may share what the original has learned, so it is good only until the original goes on.
        """
