"""What an attempt to break something came to, and how long it may go on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Case = TypeVar("Case")


@dataclass
class Outcome:
    """Of one kind of torture."""

    name: str
    wanted: int
    """Cases that were asked for."""
    tried: int = 0
    failed: list[str] = field(default_factory=list)
    """A line for each case that went wrong: which, and how."""
    figures: dict[str, float | int | str] = field(default_factory=dict)
    """What was measured, and how often the plugin answered what."""
    seconds: float = 0.0

    def count(self, what: str) -> None:
        """One more of `what`."""
        self.figures[what] = int(self.figures.get(what, 0)) + 1

    def judge(self, case: str, trouble: str) -> None:
        """A case is over; no trouble, no line."""
        self.tried += 1
        if trouble:
            self.failed.append(f"{case}: {trouble}")

    @property
    def passed(self) -> bool:
        """Nothing went wrong, in all the cases that there was time for."""
        return not self.failed and self.tried > 0


@dataclass(frozen=True)
class Asked:
    """What the caller wants of one kind of torture."""

    folder: Path
    """An empty one, for all that is made."""
    seed: int = 0
    count: int | None = None
    """Cases; None: as many as are usual."""
    seconds: float = 900.0
    """No new case is begun after that."""
    case: int | None = None
    """Only this one, by its number."""

    def cases(self, usual: int) -> range:
        """Their numbers."""
        wanted = range(usual if self.count is None else self.count)
        return wanted if self.case is None else range(self.case, self.case + 1)

    def in_time(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Those for which there is time."""
        began = time.monotonic()
        for each in cases:
            if time.monotonic() - began > self.seconds:
                return
            yield each
