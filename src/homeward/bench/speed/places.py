"""Where it is measured: the kind of file system that a folder lies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that the folder is on (``ext4``, ``tmpfs`` …); ``None`` where the system does not
    tell. Of what is mounted one upon the other, the last counts (proc(5))."""
    if not mounts.exists():
        return None
    found: tuple[int, str] | None = None
    for line in mounts.read_text("utf-8", "replace").splitlines():
        _, point, kind, *_ = line.split(" ")
        where = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), point))
        deep = len(where.parts)
        if folder.resolve().is_relative_to(where) and (found is None or deep >= found[0]):
            found = deep, kind
    return found[1] if found else None
