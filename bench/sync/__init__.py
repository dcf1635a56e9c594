"""How often the sync task is right on film and on rendered scenes, and how fast: `python -m bench.sync`."""
