"""The figures that the README gives, each by a command: `python -m bench` runs them all."""
