"""The journal: everything that came in and everything that was decided, in order, on disk before it is done."""

from homeward.journal.chain import JournalError, JournalFull, Verdict
from homeward.journal.journal import Journal

__all__ = ["Journal", "JournalError", "JournalFull", "Verdict"]
