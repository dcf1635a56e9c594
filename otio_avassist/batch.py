"""Many timelines: jobs that any process or machine can do, and who does them.

A job and its result are plain JSON, so that another machine can do it: what a job names are paths, and what
comes back are the findings as `recall` keeps them. An `Executor` takes jobs and promises results; a pool of
processes here, a cluster elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Job = Mapping[str, Any]
"""What is to be done, as plain JSON."""
Result = Mapping[str, Any]
"""What came of it, as plain JSON."""


class Promise(Protocol):
    """A result that is going to be there: as much of `concurrent.futures.Future` as is needed."""

    def result(self) -> Result:
        """Waits for it; raises what went wrong."""
        ...

    def add_done_callback(self, tell: Callable[[Any], object]) -> object:
        """`tell` is called with the promise once it is kept or broken, in whichever thread."""
        ...

    def cancel(self) -> object:
        """It isn't wanted any more."""
        ...


class Executor(Protocol):
    """Does jobs, several at once, in any order."""

    at_once: int
    """How many it can work on at a time."""

    def submit(self, job: Job) -> Promise:
        """Begins as soon as there is room."""
        ...

    def close(self) -> None:
        """No more jobs; what is underway is given up."""
        ...
