"""The compact sync bundle: the scenes it learns from, its network, its training."""
