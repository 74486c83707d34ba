"""Homeward learns what is usual in a place, notices what is not, and answers in proportion."""

__version__ = "0.1.0"
