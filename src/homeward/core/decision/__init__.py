"""What may be done at all, and what is chosen."""
