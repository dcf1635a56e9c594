"""A folder of sounds is listened to once, searched by words and by ear, and laid as long as the shot."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from otio_avassist import library, sounds
from otio_avassist.errors import CancelledError, MediaError, UsageError
from otio_avassist.library import Library, Networks, Sound, index, worded
from tests.test_laying import knocks, rain

NOTHING = Networks()


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sounds.RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def folder(tmp_path):
    """Five sounds in two folders, a broken one, one that is silent, and things that are no sounds."""
    home = tmp_path / "Effects"
    write(home / "Animals" / "Dog_Barking-01.wav", knocks(0.2, 1.0))
    write(home / "Animals" / "rooster.wav", knocks(0.3))
    write(home / "Weather" / "HeavyRain_Roof.wav", rain(3.0))
    write(home / "Weather" / "wind in trees.wav", rain(2.5, seed=4))
    write(home / "doors" / "close 3.wav", knocks(0.1))
    write(home / "Weather" / "nothing.wav", np.zeros(4800))
    (home / "broken.wav").write_bytes(b"RIFF, but no more than that")
    (home / "readme.txt").write_text("all mine")
    (home / "._rooster.wav").write_bytes(b"what some systems leave behind")
    return home


@pytest.fixture
def indexed(folder, tmp_path):
    return index(folder, NOTHING, cache=tmp_path / "cache")


def best(found: Library, **wanted):
    return [match.sound.name for match in found.best(wanted, count=3)]


def test_what_can_be_read_is_indexed_and_the_rest_is_passed_over_with_its_reason(indexed):
    assert {each.name for each in indexed.sounds} == {
        "Dog_Barking-01", "rooster", "HeavyRain_Roof", "wind in trees", "close 3",
    }  # fmt: skip
    reasons = {path.name: why for path, why in indexed.passed_over}
    assert reasons.keys() == {"broken.wav", "nothing.wav"}
    assert "silent" in reasons["nothing.wav"]
    assert {each.kind for each in indexed.sounds if "rain" in each.text} == {"ambience"}
    assert {each.duration_s for each in indexed.sounds if each.name == "rooster"} == {3.0}


def test_a_sound_is_found_by_its_file_its_folder_and_other_forms_of_a_word(indexed):
    assert best(indexed, **{"dog barks": 1.0}) == ["Dog_Barking-01"]
    assert best(indexed, rain=1.0) == ["HeavyRain_Roof"]
    assert best(indexed, **{"a door closing": 1.0}) == ["close 3"]
    assert best(indexed, **{"cock, rooster": 0.9}) == ["rooster"]


def test_what_is_not_there_is_not_found(indexed):
    assert best(indexed, helicopter=1.0) == []
    assert best(indexed) == []


def test_of_two_things_that_are_surely_meant_a_file_that_says_both_is_better_than_one_that_says_one():
    wanted = {"dog, barking": 0.9, "street": 0.8}
    both, one = (worded(wanted, name) for name in ("dog barking in the street", "dog barking"))
    assert 1 >= both > one > 0.4


def test_of_two_files_that_say_it_the_one_that_says_less_besides_is_better():
    assert worded({"dog": 1.0}, "dog") > worded({"dog": 1.0}, "dog on a street with cars") > 0.8


def test_a_file_name_says_more_than_its_folder():
    assert worded({"dog": 1.0}, "bark", "dog") < worded({"dog": 1.0}, "dog bark")


def test_tags_are_read(tmp_path):
    path = tmp_path / "Effects" / "SFX_0042.flac"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Steam whistle"
        stream = container.add_stream("flac", rate=48000, layout="mono")
        samples = (knocks(0.1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert best(index(path.parent, NOTHING, cache=tmp_path / "cache"), whistle=1.0) == ["SFX_0042"]


def test_a_second_look_listens_to_nothing_that_was_heard_before(folder, tmp_path, monkeypatch):
    first = index(folder, NOTHING, cache=tmp_path / "cache")
    listened = []
    real = library._listen
    monkeypatch.setattr(library, "_listen", lambda path, ear: listened.append(path.name) or real(path, ear))
    (folder / "doors" / "close 3.wav").rename(folder / "shut.wav")  # the same sound by another name
    write(folder / "new.wav", knocks(0.4))
    second = index(folder, NOTHING, cache=tmp_path / "cache")
    assert set(listened) == {"new.wav", "broken.wav", "nothing.wav"}
    assert {each.name for each in second.sounds} - {each.name for each in first.sounds} == {"new", "shut"}


def test_a_file_of_other_content_is_listened_to_again(folder, tmp_path):
    index(folder, NOTHING, cache=tmp_path / "cache")
    write(folder / "Animals" / "rooster.wav", rain(3.0, seed=9))
    again = index(folder, NOTHING, cache=tmp_path / "cache")
    assert {each.kind for each in again.sounds if each.name == "rooster"} == {"ambience"}


def test_a_broken_cache_is_made_anew(folder, tmp_path):
    index(folder, NOTHING, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert len(index(folder, NOTHING, cache=tmp_path / "cache").sounds) == 5
    assert len(kept.read_bytes()) > 100


def test_a_cache_that_cannot_be_written_costs_no_answer(folder, tmp_path):
    (tmp_path / "cache").write_text("a file stands where the folder should")
    assert len(index(folder, NOTHING, cache=tmp_path / "cache").sounds) == 5


def test_what_was_learnt_before_somebody_stopped_is_kept(folder, tmp_path, monkeypatch):
    def stop(done, total, what):
        if done == 3:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        index(folder, NOTHING, cache=tmp_path / "cache", progress=stop)
    listened = []
    real = library._listen
    monkeypatch.setattr(library, "_listen", lambda path, ear: listened.append(path) or real(path, ear))
    told = []
    index(folder, NOTHING, cache=tmp_path / "cache", progress=lambda *each: told.append(each))
    assert len(listened) == 7 - 3
    assert [done for done, _, _ in told] == [*range(8)]
    assert {total for _, total, _ in told} == {7}


@pytest.mark.parametrize("name", ["nowhere", "file.wav"])
def test_what_is_no_folder_is_refused_by_name(tmp_path, name):
    (tmp_path / "file.wav").write_bytes(b"")
    with pytest.raises(UsageError, match=f"{name}: wanted a folder of sounds"):
        index(tmp_path / name, NOTHING)


def test_takes_of_one_sound_differ_by_their_seed(indexed):
    (match,) = indexed.best({"rain": 1.0})
    first, again, other = (library.lay(match, [], 4.0, seed) for seed in (7, 7, 8))
    assert len(first) == 4 * sounds.RATE
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_file_that_has_gone_since_is_named(indexed):
    (match,) = indexed.best({"rooster": 1.0})
    match.sound.path.unlink()
    with pytest.raises(MediaError, match=r"rooster\.wav"):
        library.lay(match, [], 2.0, 0)


def heard(name, *numbers):
    return Sound(Path(f"{name}.wav"), name, "", 1.0, "hits", np.array(numbers, np.float32))


def test_of_sounds_that_say_the_same_the_one_that_sounds_like_the_others_is_better():
    dogs = [
        heard("dog 1", 5, 1, 0),
        heard("dog 2", 5, 0, 1),
        heard("dog 3", 4, 1, 1),
        heard("dog 4", 0, 5, 9),
    ]
    others = [heard(f"rain {number}", 0, 9, 1 + number) for number in range(4)]
    relevance = Library(Path(), (*dogs, *others)).relevance({"dog": 1.0})
    assert relevance[:3].min() > relevance[3] > relevance[4:].max()


def test_a_file_without_a_name_is_found_by_what_it_sounds_like():
    named = [heard("dog 1", 5, 1, 0), heard("dog 2", 5, 0, 1), heard("dog 3", 4, 1, 1)]
    found = Library(Path(), (*named, heard("0042", 5, 1, 1), heard("0043", 0, 9, 9), heard("0044", 1, 8, 9)))
    relevance = found.relevance({"dog": 1.0})
    assert relevance[3] > 0.15 > relevance[4]
    assert worded({"dog": 1.0}, "0042") == 0


def test_all_is_the_same_where_nothing_was_heard():
    sounds_ = (heard("dog", 1, 2), replace(heard("rain", 1, 2), heard=None))
    assert Library(Path(), sounds_).relevance({"dog": 1.0}).tolist() == [1.0, 0.0]
