"""Checkpoint -> bundle: graphs, parity, card. Run from a checkout; never part of the wheel."""
