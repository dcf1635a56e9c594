"""Fixtures of every test: where the shared material lies, and how its absence is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path | None:
    """The folder of test material, or None; missing material is a failure where it is required."""
    folder = Path(os.environ.get("AVASSIST_SHARED") or CHECKOUT.parent / "shared")
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that AVASSIST_SHARED names; skips where there is none."""
    folder = shared_folder()
    if folder is None:
        message = "no test material: AVASSIST_SHARED names no folder and ../shared isn't there"
        if os.environ.get("AVASSIST_REQUIRE_SHARED") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder
