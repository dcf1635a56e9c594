"""Faces are found, followed and heard in files: drawn ones, whose mouths go with a voice."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from otio_avassist import bundles, cache, faces, speakers, windows
from otio_avassist.errors import BundleError
from otio_avassist.lips import LEAD_S
from otio_avassist.tasks import sync
from tests.drawn import FPS, RATE, face, openings, voice

SECONDS = 8.0


def spoken(path: Path, *, early_s: float = 0.0, seed: int = 3, faceless: bool = False) -> Path:
    """A film of a face that speaks, its voice so much early."""
    opened = openings(SECONDS + 2, seed)[FPS : FPS + round(SECONDS * FPS)]
    start = round((1 + early_s) * RATE)
    heard = voice(SECONDS + 2, seed)[start : start + round(SECONDS * RATE)]
    with av.open(path, "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "15", "preset": "ultrafast"})
        sound = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
        for mouth in opened:
            drawn = np.full((240, 320, 3), 90, np.uint8) if faceless else face(float(mouth))
            container.mux(picture.encode(av.VideoFrame.from_ndarray(drawn, format="rgb24")))
        container.mux(picture.encode(None))
        samples = (heard * 32767).clip(-32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def asked(path: Path, **how):
    def stretch(start_s: float, end_s: float) -> windows.Stretch:
        return windows.Stretch(path, start_s, end_s - start_s)

    return speakers.look([(0.0, SECONDS)], stretch, stretch, **how)


def test_a_drawn_face_is_found_and_its_mouth_measured(fetched):
    fetched(*speakers.NEEDS)
    mouths = [0.0, 0.1, 0.2, 0.3] * 3
    follow = faces.Faces(*speakers.networks()[:2])
    follow(np.stack([face(mouth, x=140 + at, y=130) for at, mouth in enumerate(mouths)]))
    (mouth,) = follow.mouths
    assert (mouth.first, mouth.end) == (0, len(mouths))
    assert np.corrcoef(mouth.opening, mouths)[0, 1] > 0.9


def test_two_faces_are_followed_apart(fetched):
    fetched(*speakers.NEEDS)
    follow = faces.Faces(*speakers.networks()[:2])
    opened = np.array([0.0, 0.1, 0.3, 0.2, 0.0, 0.3])
    left = [face(mouth, x=80, size=50)[:, :160] for mouth in opened]
    right = [face(mouth, x=240, size=50)[:, 160:] for mouth in opened[::-1]]
    follow(np.concatenate([np.stack(left), np.stack(right)], axis=2))
    assert len(follow.mouths) == 2
    fits = [
        [np.corrcoef(each.opening, wanted)[0, 1] for wanted in (opened, opened[::-1])]
        for each in follow.mouths
    ]
    assert sorted(int(np.argmax(each)) for each in fits) == [0, 1]


def test_a_face_that_goes_is_let_go(fetched):
    fetched(*speakers.NEEDS)
    follow = faces.Faces(*speakers.networks()[:2])
    follow(np.stack([face(0.1)] * 5 + [np.full((240, 320, 3), 90, np.uint8)] * 12))
    (mouth,) = follow.mouths
    assert np.isfinite(mouth.opening[:5]).all()
    assert mouth.end == 5 + faces.LOST


@pytest.mark.parametrize("early_s", [-0.6, 0.48])
def test_a_voice_is_put_to_the_lips_that_speak_it(fetched, tmp_path, early_s, monkeypatch):
    fetched(*speakers.NEEDS)
    # The voice is drawn, too.
    monkeypatch.setattr(speakers, "speaks", lambda yamnet, samples: True)
    found = asked(spoken(tmp_path / "speaker.mkv", early_s=early_s))
    # The drawn mouth doesn't lead its voice, as real ones do.
    assert found.early_s == pytest.approx(early_s + LEAD_S, abs=0.05)
    assert found.confidence > 0.8


def test_where_no_face_is_nothing_is_said(fetched, tmp_path):
    fetched(*speakers.NEEDS)
    assert asked(spoken(tmp_path / "wall.mkv", faceless=True)) is None


def test_what_was_kept_of_a_place_needs_no_media(fetched, tmp_path, monkeypatch):
    fetched(*speakers.NEEDS)
    monkeypatch.setattr(speakers, "speaks", lambda yamnet, samples: True)
    kept: dict = {}

    def keep(what, place, make):
        if (what, place) not in kept:
            kept[what, place] = json.dumps(cache.to_plain(make()))
        return cache.from_plain(json.loads(kept[what, place]), sync.HELD)

    path = spoken(tmp_path / "speaker.mkv")
    found = asked(path, keep=keep)
    assert set(kept) == {("faces", (0.0, SECONDS)), ("lips", (0.0, SECONDS))}
    path.unlink()
    assert asked(path, keep=keep) == found
    assert found.early_s is not None


def test_lips_say_nothing_where_nobody_is_heard_to_speak(fetched, tmp_path):
    fetched(*speakers.NEEDS)
    found = asked(spoken(tmp_path / "hum.mkv"))
    assert found.early_s is None
    assert "nobody is heard to speak" in found.note


def test_who_talks_is_heard_to_speak_and_noise_is_not(fetched, shared):
    fetched(*speakers.NEEDS)
    yamnet = speakers.networks()[2]
    clips = json.loads((shared / "media" / "manifest.json").read_text("utf-8"))["clips"]
    for path in (shared / "media" / clip["file"] for clip in clips if clip["talking_face"]):
        whole = windows.Stretch(path, 0.0, float(windows.probe(path).duration_s or 0))
        assert speakers.speaks(yamnet, windows.read_sound(whole, rate=RATE)), path.name
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * RATE).astype(np.float32)
    assert not speakers.speaks(yamnet, noise)
    assert not speakers.speaks(yamnet, noise[:0])


def test_without_the_networks_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv(bundles.VARIABLE, str(tmp_path))
    with pytest.raises(BundleError, match="python -m export fetch blazeface facemesh yamnet"):
        asked(tmp_path / "any.mkv")
