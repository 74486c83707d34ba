"""Answers that come back by channels which the guard itself dials: one file for each."""
