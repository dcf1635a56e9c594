"""What training measured, `figures.json` -> the words of a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.checkpoints import CheckpointError

FIGURES = "figures.json"
"""As training calls it, beside its checkpoint."""


def read_figures(path: Path) -> dict[str, Any]:
    """What training measured, for the card; raises CheckpointError where it isn't whole."""
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: wanted what training measured, for the card: {error}") from error
    missing = {"network", "version", "training", "figures"} - set(words)
    if missing:
        raise CheckpointError(f"{path}: the card also needs {', '.join(sorted(missing))}")
    return words
