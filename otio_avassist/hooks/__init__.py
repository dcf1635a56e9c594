"""Hooks of OpenTimelineIO: a file each, loaded by its path, and what they share."""
