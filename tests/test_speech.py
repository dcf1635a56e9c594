"""What is said, from subtitles: read, found, counted and cut."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from otio_avassist import speech
from otio_avassist.errors import MediaError, UsageError
from otio_avassist.speech import Cue

SRT = """1
00:00:01,500 --> 00:00:03,000
<i>Look at</i> the dog!

2
00:00:05,000 --> 00:00:06,250
It doesn't
bite.
"""
VTT = """WEBVTT

00:01.500 --> 00:03.000
Look at the dog!

00:05.000 --> 00:06.250 align:start
It doesn't bite.
"""
CUES = (Cue(1.5, 3.0, "Look at the dog!"), Cue(5.0, 6.25, "It doesn't bite."))


@pytest.mark.parametrize(("name", "text"), [("a.srt", SRT), ("a.vtt", VTT), ("a.srt", "\ufeff" + SRT)])
def test_subtitles_are_read_as_plain_sentences_in_seconds(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert speech.read_cues(path) == CUES


def test_what_is_no_subtitles_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("hello")
    for name in ("a.srt", "b.srt"):
        with pytest.raises(MediaError, match=name):
            speech.read_cues(tmp_path / name)


def test_subtitles_are_found_beside_the_media_they_are_named_after(tmp_path: Path) -> None:
    media = tmp_path / "film.mp4"
    assert speech.beside(media) is None
    (tmp_path / "film.part2.srt").write_text(SRT)
    (tmp_path / "films.srt").write_text(SRT)
    assert speech.beside(media) is None
    (tmp_path / "film.en.vtt").write_text(VTT)
    assert speech.beside(media) == tmp_path / "film.en.vtt"
    (tmp_path / "film.srt").write_text(SRT)
    assert speech.beside(media) == tmp_path / "film.srt"
    assert speech.beside(tmp_path / "nowhere" / "film.mp4") is None


def test_subtitles_of_a_cut_that_starts_at_an_hour_count_from_nought() -> None:
    at_an_hour = tuple(speech.moved(CUES, 3600.0))
    assert speech.without_start(at_an_hour, 60.0) == CUES
    assert speech.without_start(CUES, 60.0) == CUES
    assert speech.without_start(at_an_hour, 5000.0) == at_an_hour, "a cut that is long enough for them"


def test_a_cue_is_heard_where_a_part_of_it_is() -> None:
    assert speech.within(CUES, 0.0, 10.0) == list(CUES)
    assert speech.within(CUES, 2.0, 4.0) == [CUES[0]]
    assert speech.within(CUES, 2.9, 4.0) == []
    assert speech.within([Cue(0.0, 60.0, "a speech")], 30.0, 30.5) == [Cue(0.0, 60.0, "a speech")]


def test_words_are_counted_as_vocabularies_count_them() -> None:
    assert speech.words("It's Ann’s dog, isn't it?") == [
        "it", "'s", "ann", "'s", "dog", ",", "is", "n't", "it", "?",
    ]  # fmt: skip
    vocabulary = {"look": 5, "the": 6, "dog": 7, "!": 8}
    assert speech.tokens([CUES[0]], vocabulary, unknown=0) == [5, 0, 6, 7, 8]
    assert speech.tokens([], vocabulary, unknown=0) == [0]


def test_without_a_speech_network_nothing_is_heard(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", str(tmp_path))
    assert speech.listener() is None
    with pytest.raises(UsageError, match=r"otio-avassist\[speech\]"):
        speech.listener(tmp_path)


def test_sentences_that_the_speech_network_does_not_believe_in_are_left_out(
    monkeypatch, tmp_path: Path
) -> None:
    def segment(start: float, text: str, **belief: float):
        sure = {"avg_logprob": -0.2, "no_speech_prob": 0.1, "compression_ratio": 1.2}
        return SimpleNamespace(start=start, end=start + 1, text=text, **(sure | belief))

    class WhisperModel:
        def __init__(self, folder: str, **options: object) -> None:
            assert folder == str(tmp_path)
            assert options["local_files_only"] is True, "nothing is downloaded"

        def transcribe(self, samples, **options):
            assert samples.shape == (16000,)
            made_up = [
                segment(3, "Thanks for watching", no_speech_prob=0.9),
                segment(4, "Mm", avg_logprob=-2),
                segment(5, "if it is, if it is, if it is", compression_ratio=9),
            ]
            return iter([segment(1, " Hello  there."), *made_up, segment(5, " ")]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=WhisperModel))
    with pytest.raises(UsageError, match=r"model\.bin"):
        speech.listener(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"")
    listen = speech.listener(tmp_path)
    assert listen is not None
    [cue] = listen(np.zeros(16000, np.float32), 100.0)
    assert (cue.start_s, cue.end_s, cue.text) == (101.0, 102.0, "Hello there.")
    assert cue.confidence == pytest.approx(0.8187, abs=1e-4)


def test_a_model_that_was_fetched_is_found_by_its_name(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", str(tmp_path))
    monkeypatch.setattr("otio_avassist.bundles.user_folder", lambda: tmp_path / "none")
    opened = []
    fake = SimpleNamespace(WhisperModel=lambda folder, **options: opened.append(Path(folder)))
    monkeypatch.setitem(sys.modules, "faster_whisper", fake)
    assert speech.listener() is None
    (tmp_path / "whisper-tiny.en").mkdir()
    (tmp_path / "whisper-tiny.en" / "model.bin").write_bytes(b"")
    assert speech.listener() is not None
    assert opened == [tmp_path / "whisper-tiny.en"]


@pytest.mark.parametrize("sign", ["<", "{", "<b ", "<>{"])
def test_mark_up_that_never_ends_takes_no_longer_than_words(sign):
    """Where each sign were followed to the end of the text, this would take hours."""
    assert speech.plain(sign * 1_000_000 + " word").endswith("word")
