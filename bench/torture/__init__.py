"""Attempts to break the plugin, each with a fixed seed and a bounded time."""
