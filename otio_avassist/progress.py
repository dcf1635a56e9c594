"""How far a long piece of work is, told to whoever wants to know.

A `Progress` is any callable (done, total, what): seconds of media, and the name of what is looked at now. It
may raise `CancelledError` to stop the work; nothing has been written by then.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float, str], None]


def silent(done_s: float, total_s: float, what: str) -> None:
    """Tells nobody."""
