"""Work beside the window: what is slow is done in other threads, and the window is told by signals.

A `Look` is an analysis; `Loader` fetches pictures and sounds of what is in sight, the latest wish first.
`wait_for` does what a person waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QEventLoop, QObject, QRunnable, QThread, QThreadPool, Signal

from otio_avassist.errors import AvAssistError, CancelledError
from otio_avassist.panel.session import Session

Answer = TypeVar("Answer")


def wait_for(work: Callable[[], Answer]) -> Answer:
    """The answer of slow work, or its error. Windows are drawn meanwhile; keys and clicks wait their turn."""
    worker, loop = _Work(work), QEventLoop()
    worker.finished.connect(loop.quit)
    worker.start()
    # Whether it ends before or after this is called: its word comes through the loop.
    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
    worker.wait()
    if worker.error is not None:
        raise worker.error
    return worker.answer


class _Work(QThread):
    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self.answer: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answer = self._work()
        except BaseException as error:  # raised again where it is waited for
            self.error = error


class Look(QThread):
    """Looks at a session's timeline."""

    progressed = Signal(float, float, str)
    """Seconds done, seconds in all, and of what."""
    found = Signal(object)
    """A `pipeline.Line`."""
    ended = Signal(object)
    """The `pipeline.Report`."""
    failed = Signal(str)
    """Why; empty where it was stopped."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask it to end at the next step."""
        self._stop.set()

    def run(self) -> None:
        try:
            report = self._session.look(self._progress, self.found.emit)
            self._session.spell_out(report)
        except CancelledError:
            self.failed.emit("")
        except AvAssistError as error:
            self.failed.emit(str(error))
        except Exception as error:  # a thread's error would be seen by nobody
            self.failed.emit(f"unexpected: {type(error).__name__}: {error}")
        else:
            self.ended.emit(report)

    def _progress(self, done_s: float, total_s: float, what: str) -> None:
        if self._stop.is_set():
            raise CancelledError("stopped")
        self.progressed.emit(done_s, total_s, what)


class Loader(QObject):
    """Calls functions in threads; of each name only the answer to the latest call is told."""

    loaded = Signal(str, object)
    """Name, and what the function gave; an exception where it failed."""

    def __init__(self, parent: QObject | None = None, *, threads: int = 2) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self._patient = QThreadPool(self)
        self._patient.setMaxThreadCount(1)
        self._latest: dict[str, int] = {}
        self._count = 0
        self._closed = threading.Event()
        self._answered.connect(self._tell)

    _answered = Signal(str, int, object)

    def ask(
        self, name: str, make: Callable[[Callable[[], bool]], Any], *, in_the_background: bool = False
    ) -> None:
        """Call `make` with a function that says whether it may give up.

        What takes a minute belongs in the background: it has a thread of its own and keeps nothing waiting.
        """
        self._count += 1
        number = self._latest[name] = self._count

        def is_stale() -> bool:
            return self._closed.is_set() or self._latest.get(name) != number

        pool = self._patient if in_the_background else self._pool
        pool.start(_Job(self, name, number, make, is_stale), number)

    def drop(self, name: str) -> None:
        """Nobody wants it any more."""
        self._latest.pop(name, None)

    def close(self) -> None:
        """Let go of all that is under way, and wait for it."""
        self._closed.set()
        for pool in (self._pool, self._patient):
            pool.clear()
            pool.waitForDone()

    def _tell(self, name: str, number: int, answer: object) -> None:
        if self._latest.get(name) == number:
            self.loaded.emit(name, answer)


class _Job(QRunnable):
    def __init__(
        self, loader: Loader, name: str, number: int, make: Callable[..., Any], is_stale: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._loader, self._name, self._number = loader, name, number
        self._make, self._is_stale = make, is_stale

    def run(self) -> None:
        if self._is_stale():
            return
        answer: object
        try:
            answer = self._make(self._is_stale)
        except Exception as error:
            answer = error
        if not self._is_stale():
            self._loader._answered.emit(self._name, self._number, answer)
