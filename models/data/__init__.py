"""Rendered material to train on: scenes whose sound and picture are in step by construction."""
