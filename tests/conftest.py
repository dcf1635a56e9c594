"""Fixtures of every test: where the shared material lies, and how its absence is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from otio_avassist import bundles

CHECKOUT = Path(__file__).resolve().parent.parent
FETCHED = bundles.user_folder(), CHECKOUT / ".fetched"
"""Where fetched networks may stand already; the second is filled by the first test that needs one."""


@pytest.fixture(autouse=True)
def _nothing_of_this_user(tmp_path_factory, monkeypatch):
    """What somebody has fetched on this machine, or looked at before, changes no test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "nobody"))
    monkeypatch.setenv("OTIO_AVASSIST_CACHE", "off")


@pytest.fixture
def fetched(monkeypatch) -> Callable[..., Path]:
    """Makes networks of the catalogue findable, fetching them once; skips where they can't be had."""

    def ensure(*names: str) -> Path:
        for place in FETCHED:
            if all((place / name / bundles.CARD).is_file() for name in names):
                break
        else:
            _fetch(place, names)
        monkeypatch.setenv(bundles.VARIABLE, str(place))
        return place

    return ensure


def _fetch(place: Path, names: tuple[str, ...]) -> None:
    place.mkdir(exist_ok=True)
    with FileLock(place / ".lock"):
        missing = [name for name in names if not (place / name / bundles.CARD).is_file()]
        command = [sys.executable, "-m", "export", "fetch", *missing, "--out", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT) if missing else None
    if done is not None and done.returncode:
        pytest.skip(f"{', '.join(missing)} can't be fetched: {done.stderr.strip().splitlines()[-1]}")


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
