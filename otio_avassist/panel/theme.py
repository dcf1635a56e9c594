"""Colours for light and dark, by name; and of what the system says, which of the two it is."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

TASKS = {
    "sync": ("#b35c00", "#ffb454"),
    "captions": ("#1f6feb", "#79b8ff"),
    "foley": ("#8250df", "#c297ff"),
}
STATES = {
    "proposed": ("#6e7781", "#8b949e"),
    "accepted": ("#1a7f37", "#56d364"),
    "rejected": ("#cf222e", "#ff7b72"),
}
MOTION, SOUND = ("#1a7f37", "#56d364"), ("#0969da", "#58a6ff")
PLAYHEAD = ("#cf222e", "#ff7b72")
CHOSEN = ("#0969da", "#58a6ff")
"""Under the one of several buttons that holds."""
PICTURES, SOUNDS = ("#c8d7e8", "#2f4257"), ("#cfe3d4", "#2c4a39")
OURS = ("#dccff2", "#46366a")
MISSING = ("#f3c9c9", "#5c2b2b")


def is_dark(palette: QPalette | None = None) -> bool:
    palette = palette or QApplication.palette()
    return palette.color(QPalette.ColorRole.Window).lightness() < 128


def pick(pair: tuple[str, str], palette: QPalette | None = None) -> QColor:
    """The colour of a (light, dark) pair for a palette, or for the application's."""
    return QColor(pair[is_dark(palette)])


def dark_palette() -> QPalette:
    palette = QPalette(QColor("#262a30"))
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Base, "#1c1f24"), (roles.AlternateBase, "#22262c"), (roles.Text, "#e6e8eb"),
        (roles.WindowText, "#e6e8eb"), (roles.ButtonText, "#e6e8eb"), (roles.Highlight, "#2f5f9e"),
        (roles.HighlightedText, "#ffffff"), (roles.PlaceholderText, "#8b949e"), (roles.Link, "#79b8ff"),
        (roles.ToolTipBase, "#30363d"), (roles.ToolTipText, "#e6e8eb"),
    ):  # fmt: skip
        palette.setColor(role, QColor(colour))
    return palette


def light_palette() -> QPalette:
    palette = QPalette(QColor("#f0f1f3"))
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Base, "#ffffff"), (roles.AlternateBase, "#f6f7f9"), (roles.Text, "#1f2328"),
        (roles.WindowText, "#1f2328"), (roles.ButtonText, "#1f2328"), (roles.Highlight, "#0969da"),
        (roles.HighlightedText, "#ffffff"), (roles.PlaceholderText, "#6e7781"),
    ):  # fmt: skip
        palette.setColor(role, QColor(colour))
    return palette
