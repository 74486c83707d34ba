"""A responder that does nothing and says what it would have done: where every device starts."""

from __future__ import annotations

import logging
from collections import deque

from homeward.core.effects import Action

_log = logging.getLogger(__name__)


class DryRun:
    """A `Responder` that never fails. ``done`` keeps the last 1,000 lines of what would have been done."""

    def __init__(self, name: str = "dry_run") -> None:
        self.name = name
        self.done: deque[str] = deque(maxlen=1000)

    async def apply(self, action: Action) -> None:
        """Take note of the command."""
        until = f" until {action.ends.isoformat(timespec='seconds')}" if action.ends else ""
        self._note(f"would tell {action.device}: {action.command}{until}")

    async def revert(self, action: Action) -> None:
        """Take note of what would have been restored."""
        if action.restore is None:
            self._note(f"would end {action.command} of {action.device}, with nothing to restore")
        else:
            self._note(f"would tell {action.device}: {action.restore}, taking back {action.command}")

    def _note(self, line: str) -> None:
        self.done.append(line)
        _log.info("%s", line)
