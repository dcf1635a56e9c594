"""Sync: how early a sound is against its picture (thesis 5.2)."""
