"""The networks and their training, run from a checkout; never part of the wheel."""
