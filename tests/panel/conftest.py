"""The panel is tested without a display; where PySide6 isn't installed its tests say so and are left out."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("PySide6", reason="the panel needs PySide6: pip install -e '.[panel]'")
pytest.importorskip("pyqtgraph", reason="the panel draws by pyqtgraph: pip install -e '.[panel]'")
