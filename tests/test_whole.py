"""What is temporary says whose it is, so that what a killed process has left is known at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otio_avassist import files, takes, whole


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def left_by(folder: Path, process: int, monkeypatch) -> Path:
    """A temporary name as a process would have given it."""
    with monkeypatch.context() as within:
        within.setattr(os, "getpid", lambda: process)
        path = folder / f".foley_hum_0.{whole.mark()}.x.wav"
    path.touch()
    return path


@pytest.mark.skipif(os.name == "nt", reason="to ask whether a process runs would be to stop it")
def test_what_a_process_left_that_is_gone_is_left_over_at_once(tmp_path, gone, monkeypatch):
    assert whole.is_left_over(left_by(tmp_path, gone, monkeypatch))


@pytest.mark.parametrize("whose", ["its own", "another machine's", "nobody knows whose"])
def test_what_may_still_be_written_is_left_over_only_when_it_is_old(whose, tmp_path, gone, monkeypatch):
    if whose == "another machine's":
        with monkeypatch.context() as within:
            within.setattr(whole, "_machine", lambda: "abcdef")
            path = left_by(tmp_path, gone, monkeypatch)
    else:
        path = left_by(tmp_path, os.getpid(), monkeypatch)
    if whose == "nobody knows whose":
        path = path.rename(tmp_path / ".foley_abcd")
    takes.make_folder(tmp_path)
    assert path.exists()
    old = time.time() - 7200
    os.utime(path, (old, old))
    takes.make_folder(tmp_path)
    assert not path.exists()


def test_files_that_are_not_whole_yet_are_named_after_their_process(tmp_path):
    with whole.replacing(tmp_path / "cut.otio") as temporary:
        assert f".{whole.mark()}." in temporary.name


@pytest.mark.skipif(os.name == "nt", reason="to ask whether a process runs would be to stop it")
def test_what_was_left_of_writing_a_file_goes_when_it_is_written_again(tmp_path, gone, monkeypatch):
    with monkeypatch.context() as within:
        within.setattr(os, "getpid", lambda: gone)
        name = f".cut.{whole.mark()}.abc_1234.json"
    (tmp_path / name).touch()
    (tmp_path / name.replace("cut", "other")).touch()
    (tmp_path / name.replace(str(gone), str(os.getpid()))).touch()
    files.write_text(tmp_path / "cut.json", "{}")
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"cut.json", name.replace("cut", "other"), name.replace(str(gone), str(os.getpid()))}


@pytest.mark.parametrize("sign", ["a", "é", "字", "🎬"])
def test_the_longest_names_that_a_folder_takes_can_be_written(tmp_path, sign):
    stem = sign * (250 // len(sign.encode()))
    files.write_text(tmp_path / f"{stem}.json", "{}")
    assert [each.name for each in tmp_path.iterdir()] == [f"{stem}.json"]
