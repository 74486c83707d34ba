"""How good it is, side by side with others, on real data."""
