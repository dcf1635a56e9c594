"""`avassist review`: the application around the window."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from otio_avassist.panel.session import Session
from otio_avassist.panel.window import Window
from otio_avassist.pipeline import Settings


def open_panel(
    path: str | None, settings: Settings, *, output: str | None = None, sidecar: Path | None = None
) -> int:
    """Show the window until it is closed; the exit code of the command.

    Raises:
        TimelineError: the timeline can't be read: said in the terminal, where it was named.
    """
    session = Session(path, settings, output=output, sidecar=sidecar) if path else None
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("avassist")
    app.setStyle("Fusion")
    window = Window(settings)
    window.show()
    if session is not None:
        window.open(session)
    return app.exec()
