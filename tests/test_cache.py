"""What is kept of earlier runs: by content, whole or not at all, and never in the way."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import cache
from otio_avassist.attention import Looks
from otio_avassist.errors import MediaError
from otio_avassist.findings import Evidence, SyncFinding
from otio_avassist.tasks import sync
from otio_avassist.watching import Watched, Word
from tests.material import film
from tests.tasks.test_sync import a_shot


@pytest.fixture
def store(tmp_path: Path) -> cache.Store:
    return cache.Store(tmp_path / "kept")


def same(value):
    return value


def test_what_is_kept_is_not_made_again(store: cache.Store) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"answer": 42}

    name = cache.name_of("heard", "this")
    for opened in (store, store, cache.Store(store.folder)):
        assert opened.kept(name, make, same, same) == {"answer": 42}
    assert len(made) == 1
    assert (store.hits, store.misses) == (1, 1)


def test_a_failure_is_not_kept(store: cache.Store) -> None:
    def fail() -> int:
        raise MediaError("gone")

    name = cache.name_of("heard", "this")
    with pytest.raises(MediaError):
        store.kept(name, fail, same, same)
    assert not store.has(name)
    assert store.kept(name, lambda: 1, same, same) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b'x\n{"answer": 1}'], ids=["empty", "half", "changed"])
def test_what_is_damaged_is_made_anew(store: cache.Store, damage: bytes) -> None:
    name = cache.name_of("heard", "this")
    store.write(name, {"answer": 1})
    [path] = store.folder.glob("??/heard-*.json")
    path.write_bytes(damage)
    assert store.read(name) is None
    assert cache.Store(store.folder).kept(name, lambda: {"answer": 2}, same, same) == {"answer": 2}
    assert cache.Store(store.folder).read(name) == {"answer": 2}


def test_what_cannot_be_built_is_made_anew(store: cache.Store) -> None:
    name = cache.name_of("heard", "this")
    store.write(name, {"type": "os.system"})
    assert store.kept(name, lambda: 7, same, lambda held: cache.from_plain(held, {})) == 7
    assert cache.Store(store.folder).read(name) == 7


def test_a_store_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = cache.Store(tmp_path / "file" / "kept")
    name = cache.name_of("heard", "this")
    assert store.kept(name, lambda: 1, same, same) == 1
    assert store.trouble
    assert store.stats().files == 0
    store.took("sync", 10, 1)
    assert store.speed("sync").ratio is None


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []
    together = threading.Barrier(2)
    got: list[int] = []

    def make() -> int:
        made.append(1)
        time.sleep(0.2)
        return 5

    def ask() -> None:
        # Each with a store of its own, as processes have them.
        store = cache.Store(tmp_path / "kept")
        together.wait()
        got.append(store.kept(cache.name_of("heard", "this"), make, same, same))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [5, 5]
    assert len(made) == 1


def test_pruning_lets_go_what_was_asked_for_longest_ago(store: cache.Store) -> None:
    names = [cache.name_of("heard", number) for number in range(4)]
    for age, name in enumerate(names):
        store.write(name, {"number": age})
        path = store.folder / name.partition("-")[2][:2] / f"{name}.json"
        os.utime(path, (time.time() - 1000 * (age + 1),) * 2)
    stats = store.stats()
    assert (stats.files, stats.kinds) == (4, {"heard": 4})
    assert stats.oldest_s == pytest.approx(4000, abs=60)
    store.read(names[3])
    gone = store.prune(stats.bytes // 2)
    assert gone.files == 2
    assert [store.has(name) for name in names] == [True, False, False, True]
    assert store.prune(older_than_s=500).files == 1
    assert store.has(names[3])


def test_a_store_keeps_to_its_bound_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LOOK_EVERY", 5)
    store = cache.Store(tmp_path / "kept", most_bytes=3000)
    for number in range(20):
        store.write(cache.name_of("heard", number), "x" * 900)
    assert store.stats().bytes <= 3000


def test_what_a_killed_process_left_goes_with_pruning(store: cache.Store) -> None:
    store.write(cache.name_of("heard", 1), 1)
    [folder] = [each for each in store.folder.iterdir() if len(each.name) == 2]
    left = folder / ".half.json"
    left.write_text("{")
    os.utime(left, (1, 1))
    store.prune()
    assert not left.exists()
    assert store.stats().files == 1


def test_names_depend_on_all_they_are_told_and_not_on_what_is_less_than_a_microsecond() -> None:
    assert cache.name_of("heard", 1.0, {"a": 0.1 + 0.2}) == cache.name_of("heard", 1.0, {"a": 0.3})
    assert cache.name_of("heard", 1.0) != cache.name_of("heard", 1.00001)
    assert cache.name_of("heard", "a", "b") != cache.name_of("heard", "a,b")
    assert cache.name_of("heard", None) != cache.name_of("place", None)


def test_media_is_known_by_its_content(tmp_path: Path) -> None:
    content = bytearray(os.urandom(3_000_000))
    one, other = tmp_path / "a.mov", tmp_path / "deeper" / "b.mov"
    other.parent.mkdir()
    for path in (one, other):
        path.write_bytes(content)
    key = cache.media_key(one)
    assert cache.media_key(other) == key
    for at in (10, 1_500_000 - 1_500_000 % (3_000_000 // 63) + 5, len(content) - 1):
        changed = bytearray(content)
        changed[at] ^= 1
        other.write_bytes(changed)
        os.utime(other, ns=(at, at))
        assert cache.media_key(other) != key, at
    with pytest.raises(MediaError, match="no such file"):
        cache.media_key(tmp_path / "none.mov")


def test_a_sequence_is_known_by_its_pictures(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"x.{number:04d}.png").write_bytes(b"picture %d" % number)
    key = cache.media_key(tmp_path / "x.%04d.png")
    (tmp_path / "x.0003.png").write_bytes(b"picture 3")
    longer = cache.media_key(tmp_path / "x.%04d.png")
    (tmp_path / "x.0000.png").write_bytes(b"Picture 0")
    assert len({key, longer, cache.media_key(tmp_path / "x.%04d.png")}) == 3


def test_values_come_back_as_they_were() -> None:
    watched = Watched(
        20.0, 25.0, np.random.default_rng(1).random((7, 2), np.float32), np.zeros((7, 3), np.float32),
        (Word(20.0, 5.0, np.array([0.25, 0.75], np.float32)),),
    )  # fmt: skip
    held = json.loads(json.dumps(cache.to_plain(watched), allow_nan=False))
    again = cache.from_plain(held, sync.HELD)
    np.testing.assert_array_equal(again.motion, watched.motion)
    np.testing.assert_array_equal(again.words[0].probabilities, watched.words[0].probabilities)
    assert again.motion.dtype == np.float32
    assert (again.start_s, again.fps, len(again.words)) == (20.0, 25.0, 1)
    odd = {"a": float("inf"), 3: (Path("x"), None, True)}
    assert cache.from_plain(json.loads(json.dumps(cache.to_plain(odd))), {}) == odd


def test_arrays_of_objects_are_never_built() -> None:
    held = cache.to_plain(np.zeros(2)) | {"of": "|O"}
    with pytest.raises(ValueError, match="numbers"):
        cache.from_plain(held, {})


def test_speeds_are_remembered(store: cache.Store) -> None:
    assert store.speed("sync").ratio is None
    store.took("sync", 100, 10)
    store.took("sync", 100, 10)
    assert cache.Store(store.folder).speed("sync").ratio == pytest.approx(10)


def test_a_store_goes_to_other_processes(store: cache.Store) -> None:
    store.write(cache.name_of("heard", 1), 1)
    other = pickle.loads(pickle.dumps(store))
    assert other.read(cache.name_of("heard", 1)) == 1


def test_off_means_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.opened() is None
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    found = cache.opened()
    assert found is not None
    assert found.folder == tmp_path


# Findings of sync


@pytest.fixture
def shot(tmp_path: Path):
    """Picture and sound of one short file."""
    film(tmp_path / "cam.mov", seconds=6, early_s=0.2)
    made = a_shot(0.5, 0.5, 4.0)
    both = (replace(each, path=tmp_path / "cam.mov", media_end_s=6.0) for each in (made.picture, made.sound))
    picture, sound = both
    return replace(made, picture=picture, sound=sound)


def look(shot, store: cache.Store | None) -> SyncFinding:
    [found] = sync.analyse([shot], None, sync.Options(rungs=("clap", "sound-to-picture")), store=store)
    assert isinstance(found, SyncFinding)
    return found


def test_findings_that_were_kept_are_those_that_are_found(shot, store: cache.Store, monkeypatch) -> None:
    plain, first = look(shot, None), look(shot, store)
    assert first == plain

    def decode(*args, **more):
        raise AssertionError("looked again")

    monkeypatch.setattr(sync.Watcher, "watch", decode)
    assert look(shot, cache.Store(store.folder)) == plain
    moved = replace(
        shot,
        picture=replace(shot.picture, start_s=1.0, record_start_s=100.0),
        sound=replace(shot.sound, start_s=1.0, record_start_s=100.0),
    )
    assert look(moved, cache.Store(store.folder)).audio_early_s == plain.audio_early_s


def test_other_media_under_the_old_name_is_looked_at(shot, store: cache.Store) -> None:
    look(shot, store)
    film(shot.picture.path, seconds=6, early_s=-0.3)
    assert look(shot, store) == look(shot, None)


def test_looks_are_kept(store: cache.Store) -> None:
    looks = Looks()
    looks.add(0.0, 5.0, np.full((1, 1, 1, 5, 2, 2), 0.05), np.full((1, 1, 1, 2, 5), 0.1), (1.0, 1.0))
    heard = sync.Heard((Evidence("network", 0.1, 0.9),), looks=looks)
    again = sync._heard_of(json.loads(json.dumps(sync._heard_held(heard))))
    assert again.looks is not None
    assert again.looks.within(0, 5) == looks.within(0, 5)
    assert replace(again, looks=None) == replace(heard, looks=None)
