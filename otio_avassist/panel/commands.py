"""What can be undone: each thing that a person says of a finding. Needs QtGui alone."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QUndoCommand

from otio_avassist.panel.session import Session
from otio_avassist.review import Decision

Changed = Callable[[str], None]


class Say(QUndoCommand):
    """Do `say` to a finding, and on undo put back the decision that stood before.

    Nudges in a row are one step back: a person who holds a key down has said one thing.
    """

    NUDGE = 1

    def __init__(
        self,
        words: str,
        session: Session,
        id_: str,
        say: Callable[[], Decision],
        changed: Changed,
        *,
        kind: int = -1,
    ) -> None:
        super().__init__(words)
        self._session, self.finding, self._say, self._changed, self._kind = session, id_, say, changed, kind
        self._before: Decision | None = None
        self._after: Decision | None = None

    def id(self) -> int:
        return self._kind

    def redo(self) -> None:
        if self._after is None:
            self._before = self._say()
            self._after = self._session.entries[self.finding].decision
        else:
            self._session.restore(self.finding, self._after)
        self._changed(self.finding)

    def undo(self) -> None:
        assert self._before is not None
        self._session.restore(self.finding, self._before)
        self._changed(self.finding)

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, Say) or other.finding != self.finding:
            return False
        self._after = other._after
        return True
