"""Overviews of whole files: what they show, how they are kept, and what damage does to them."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from otio_avassist.errors import MediaError
from otio_avassist.panel import preview
from tests.material import film


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AVASSIST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "previews"


@pytest.fixture
def decoded(monkeypatch) -> list[Path]:
    """Files that were decoded, each time."""
    asked: list[Path] = []
    decode = preview._decoded

    def counted(path, stopped):
        asked.append(path)
        return decode(path, stopped)

    monkeypatch.setattr(preview, "_decoded", counted)
    return asked


def test_shows_a_film_from_end_to_end(tmp_path):
    made = preview.overview(film(tmp_path / "a.mp4", seconds=12))
    assert made is not None
    assert made.duration_s == pytest.approx(12, abs=0.1)
    assert len(made.peaks) == pytest.approx(12 * preview.PEAKS, abs=3)
    assert made.peaks.max() > 0.1
    assert made.still_s[0] == pytest.approx(0, abs=0.01)
    assert 4 <= len(made.stills) == len(made.still_s) <= 7
    assert np.diff(made.still_s).min() >= preview.THUMBNAIL_S - 1e-3
    assert all(each.startswith(b"\xff\xd8") for each in made.stills)
    assert made.why == ""


def test_counts_from_the_first_picture_where_the_clock_starts_late(tmp_path):
    made = preview.overview(film(tmp_path / "a.mkv", seconds=5, start_s=7.0))
    assert made is not None
    assert made.still_s[0] == pytest.approx(0, abs=0.01)


def test_pictures_that_need_no_other_are_left_out_as_well(tmp_path):
    made = preview.overview(film(tmp_path / "a.mp4", seconds=9, gop=1))
    assert made is not None
    assert made.still_s == pytest.approx([0, 2, 4, 6, 8], abs=0.05)


def test_a_recording_has_no_stills_and_a_mute_film_no_peaks(tmp_path):
    heard = preview.overview(film(tmp_path / "a.wav", picture=False))
    seen = preview.overview(film(tmp_path / "b.mp4", sound=False))
    assert heard is not None
    assert seen is not None
    assert (len(heard.stills), len(seen.peaks)) == (0, 0)
    assert len(heard.peaks)
    assert len(seen.stills)


def test_a_second_look_decodes_nothing_and_gives_the_same(tmp_path, decoded):
    path = film(tmp_path / "a.mp4")
    first, second = preview.overview(path), preview.overview(path)
    assert first is not None
    assert second is not None
    assert len(decoded) == 1
    assert np.array_equal(first.peaks, second.peaks)
    assert np.array_equal(first.still_s, second.still_s)
    assert (first.stills, first.duration_s) == (second.stills, second.duration_s)


def test_a_file_that_changed_is_looked_at_again(tmp_path, decoded):
    path = film(tmp_path / "a.mp4", seconds=4)
    preview.overview(path)
    os.utime(path, (1, 1))
    preview.overview(path)
    assert len(decoded) == 2
    film(path, seconds=8)
    made = preview.overview(path)
    assert made is not None
    assert made.duration_s == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("rubbish", [b"", b"nothing of ours", b"PK\x03\x04 half of it"])
def test_what_lies_damaged_in_the_cache_is_made_anew(tmp_path, cache, decoded, rubbish):
    path = film(tmp_path / "a.mp4")
    preview.overview(path)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for damaged in (rubbish, whole[: len(whole) // 2]):
        kept.write_bytes(damaged)
        made = preview.overview(path)
        assert made is not None
        assert made.stills
    assert len(decoded) == 3
    preview.overview(path)
    assert len(decoded) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, cache, decoded):
    cache.parent.write_bytes(b"a file where the folder should be")
    path = film(tmp_path / "a.mp4")
    for _ in range(2):
        made = preview.overview(path)
        assert made is not None
        assert made.stills
    assert len(decoded) == 2


def test_a_film_that_breaks_off_shows_what_there_is_and_says_why(tmp_path, cache):
    path = film(tmp_path / "a.mkv", seconds=12)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    made = preview.overview(path)
    assert made is not None
    assert made.stills
    assert 1 < len(made.peaks) / preview.PEAKS < 11
    assert "a.mkv" in made.why
    assert "truncated or damaged" in made.why
    assert not cache.exists()


def test_noise_in_the_middle_takes_nothing_else_along(tmp_path):
    path = film(tmp_path / "a.mkv", seconds=12)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(data)
    made = preview.overview(path)
    assert made is not None
    assert made.still_s[0] < 1
    assert made.still_s[-1] > 9


@pytest.mark.parametrize("content", [None, b"", b"no film at all"])
def test_what_is_no_film_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        preview.overview(path)


def test_stops_when_nobody_wants_it_and_keeps_no_half(tmp_path, cache):
    path = film(tmp_path / "a.mp4", seconds=12)
    asked = iter(range(1000))
    assert preview.overview(path, stopped=lambda: next(asked) > 3) is None
    assert next(asked) < 12
    assert not cache.exists()


def test_the_cache_keeps_what_was_looked_at_last(tmp_path, cache, monkeypatch):
    paths = [film(tmp_path / f"{name}.mp4") for name in "abc"]
    kept = []
    for age, path in zip((300, 200), paths, strict=False):
        preview.overview(path)
        (new,) = set(cache.iterdir()) - set(kept)
        os.utime(new, (time.time() - age,) * 2)
        kept.append(new)
    preview.overview(paths[0])
    left = cache / "left.part"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    monkeypatch.setattr(preview, "MOST_BYTES", int(2.5 * kept[0].stat().st_size))
    preview.overview(paths[2])
    now = set(cache.iterdir())
    assert kept[0] in now
    assert kept[1] not in now
    assert left not in now
    assert len(now) == 2


def _look(path: Path) -> int:
    made = preview.overview(path)
    return len(made.stills) if made is not None else -1


def test_two_processes_look_at_once(tmp_path, cache):
    path = film(tmp_path / "a.mp4", seconds=8)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        seen = pool.map(_look, [path] * 4, chunksize=1)
    assert len(set(seen)) == 1
    assert seen[0] > 0
    assert [each.suffix for each in cache.iterdir()] == [".npz"]
