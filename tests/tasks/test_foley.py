"""Foley from shot to WAV file, by a bundle whose answers can be worked out and films of plain colours."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import sounds
from otio_avassist.errors import CancelledError, OutputError, UsageError
from otio_avassist.findings import FoleyFinding, PassedOver, SyncFinding
from otio_avassist.spans import Address, MediaSpan, Shot
from otio_avassist.tasks.foley import Network, Options, analyse
from otio_avassist.windows import Stretch
from tests.pretend import COLUMN, COLUMNS, GREEN, HUM_HZ, RED, WHISTLE_HZ, paint, pretended_foley

BLUE = (0, 0, 200)
FPS = 25.0
PART_S = COLUMN * COLUMNS / 22050


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Red up to 3 s, green up to 6 s, blue up to 8 s."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return paint(path, [(RED, 3), (GREEN, 3), (BLUE, 2)], fps=int(FPS))


def a_span(path: Path, duration_s: float, start_s: float = 0.0, record_s: float = 0.0, rate: float = FPS):
    where = Address((0, 0), "V1", 0, "clip", 0)
    return MediaSpan(where, "picture", path.name, path, start_s, duration_s, record_s, rate)


def a_shot(*args, **kwargs) -> Shot:
    return Shot(a_span(*args, **kwargs), None, "alone")


def make(shots, folder: Path | None, *, bundle=None, in_step=None, progress=None, **options) -> list:
    network = Network(bundle or pretended_foley(), in_step)
    told = {} if progress is None else {"progress": progress}
    return list(analyse(shots, network, Options(folder=folder, **options), **told))


def pitch_hz(path: Path) -> float:
    """Where most of a sound's power lies."""
    samples = sounds.read(path)
    return float(np.abs(np.fft.rfft(samples)).argmax() * sounds.RATE / len(samples))


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


# What is made


def test_a_picture_gets_the_sound_that_it_asks_for(film, tmp_path):
    red, green = make([a_shot(film, 2.0), a_shot(film, 2.0, 3.5, record_s=2.0)], tmp_path)
    assert (red.sound, green.sound) == ("whistle", "hum")
    assert (green.start_s, green.end_s, green.media_start_s) == (2.0, 4.0, 3.5)
    assert pitch_hz(red.takes[0].path) > 2500
    assert pitch_hz(green.takes[0].path) < 1500
    assert red.takes[0].relevance > 0.9
    assert red.doubts == green.doubts == ()


def test_a_picture_that_asks_for_what_cannot_be_made_gets_nothing_and_is_told_so(film, tmp_path):
    [blue] = make([a_shot(film, 1.5, 6.2)], tmp_path)
    assert blue.takes == ()
    assert not blue.planned
    assert blue.doubts == (
        "the picture shows sky, as far as can be told, and asks for none of the sounds that can be made: "
        "whistle, hum",
    )
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_made_no_folder_is_left(film, tmp_path):
    make([a_shot(film, 1.5, 6.2)], tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_sound_that_is_named_is_made_whatever_the_picture_shows(film, tmp_path):
    [named] = make([a_shot(film, 1.5, 6.2)], tmp_path, sound="Drone")
    assert named.sound == "hum"
    assert pitch_hz(named.takes[0].path) < 1500
    with pytest.raises(UsageError, match=r"no such sound: thunder; pretended foley makes: whistle, hum"):
        make([a_shot(film, 1.5)], tmp_path, sound="thunder")


def test_takes_have_seeds_of_their_own_and_come_best_first(film, tmp_path):
    [found] = make([a_shot(film, 3.0)], tmp_path, takes=3, seed=5)
    assert sorted(take.seed for take in found.takes) == [5, 6, 7]
    assert len(set(hashes(tmp_path).values())) == 3
    assert [take.relevance for take in found.takes] == sorted(
        (take.relevance for take in found.takes), reverse=True
    )


def test_two_shots_of_one_film_do_not_get_the_same_sound(film, tmp_path):
    make([a_shot(film, 1.0), a_shot(film, 1.0, 1.5)], tmp_path)
    assert len(set(hashes(tmp_path).values())) == 2


def test_a_sound_longer_than_the_network_sees_goes_on_from_its_last_codes(film, tmp_path, monkeypatch):
    bundle = pretended_foley()
    told = []
    loop = bundle.graphs["step"]

    class Listening(loop):
        def __call__(self, *, prefix, codes):
            if not self.length:
                told.append((prefix.copy(), codes.copy()))
            return super().__call__(prefix=prefix, codes=codes)

    bundle.graphs["step"] = Listening
    made = []
    decode = bundle.graphs["decode"]
    bundle.graphs["decode"] = lambda codes: made.append(codes.copy()) or decode(codes)
    [found] = make([a_shot(film, 5.0, 0.5)], tmp_path, bundle=bundle, sound="whistle")
    assert len(made) == 1 + int(np.ceil((5.0 / (PART_S / COLUMNS) - COLUMNS) / (COLUMNS / 2)))
    for (_, primed), before in zip(told[1:], made, strict=False):
        np.testing.assert_array_equal(primed, before[:, -COLUMNS // 2 :].reshape(1, -1))
    # Each part sees the pictures of its own time: red at first, green from 2.5 s of the shot on.
    red = [prefix[0, :2, 0] > prefix[0, :2, 1] for prefix, _ in told]
    assert red[0].all()
    assert not red[-1].any()
    assert abs(found.takes[0].duration_s - 5.0) < 1e-9


def test_more_of_a_real_sound_goes_on_from_it_and_is_what_it_is(film, tmp_path):
    real = paint(tmp_path / "real.wav", sounds=[(WHISTLE_HZ, 2)])
    bundle = pretended_foley()
    primed = []
    loop = bundle.graphs["step"]

    class Listening(loop):
        def __call__(self, *, prefix, codes):
            primed.append(codes.shape[1])
            return super().__call__(prefix=prefix, codes=codes)

    bundle.graphs["step"] = Listening
    prime = Stretch(real, 0.0, 2.0)
    [found] = make(
        [a_shot(film, 1.0, 4.0)], tmp_path / "out", bundle=bundle, prime=prime, primed_by="real.wav"
    )
    assert found.sound == "whistle", "the picture is green, which hums"
    assert found.primed_by == "real.wav"
    assert primed[0] == COLUMNS // 2 * 2, "half of what the network sees, two codes a column"
    assert found.takes[0].duration_s == pytest.approx(1.0)
    with pytest.raises(UsageError, match=r"can't go on from real\.wav: .*0\.19 s or longer"):
        make([a_shot(film, 1.0)], tmp_path / "out", prime=Stretch(real, 0.0, 0.1))


# What a file is


@pytest.mark.parametrize("rate", [24.0, 25.0, 30000 / 1001, 60000 / 1001])
@pytest.mark.parametrize("frames", [1, 5, 37])
def test_a_file_is_as_long_as_the_frames_of_its_shot_to_the_sample(film, tmp_path, rate, frames):
    [found] = make([a_shot(film, frames / rate, rate=rate)], tmp_path)
    with wave.open(str(found.takes[0].path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 3)
        assert 0 <= file.getnframes() - frames / rate * 48000 < 1


def test_a_file_has_letters_that_editors_take_and_no_time_code(film, tmp_path):
    [found] = make([a_shot(film, 1.0)], tmp_path)
    name = found.takes[0].path.name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert b"bext" not in found.takes[0].path.read_bytes()


def test_sounds_are_as_loud_as_what_is_heard_around_them(film, tmp_path):
    loud = paint(tmp_path / "loud.wav", sounds=[(1000.0, 6)])  # 0.3 of full scale: -13.5 LUFS, about
    quiet = [0.0]
    around = replace(a_span(loud, 3.0, record_s=2.0), kind="sound")
    [found] = make([a_shot(film, 2.0)], tmp_path / "a", around=(around,))
    assert found.loudness_target_lufs == pytest.approx(sounds.level(loud).loudness_lufs, abs=0.6)
    far = replace(around, record_start_s=500.0)
    [alone] = make([a_shot(film, 2.0)], tmp_path / "b", around=(far,))
    assert alone.loudness_target_lufs == -23.0
    [asked] = make([a_shot(film, 2.0)], tmp_path / "c", around=(around,), loudness=-30.0)
    assert asked.takes[0].loudness_lufs == pytest.approx(-30.0, abs=0.1)
    assert sounds.level(asked.takes[0].path).loudness_lufs == pytest.approx(-30.0, abs=0.1)
    assert quiet


def test_the_same_seed_gives_the_same_bytes(film, tmp_path):
    for folder in ("one", "other"):
        make([a_shot(film, 4.0)], tmp_path / folder, takes=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "other")
    make([a_shot(film, 4.0)], tmp_path / "third", takes=2, seed=7)
    assert hashes(tmp_path / "third").keys().isdisjoint(hashes(tmp_path / "one"))


# In step


def step_finding(shot: Shot, early_s: float | None, confidence: float) -> SyncFinding:
    return SyncFinding(shot, early_s, confidence, "network")


def test_a_take_that_is_surely_early_is_moved_and_says_so(film, tmp_path):
    heard = []

    def in_step(shot):
        heard.append(sounds.read(shot.sound.path))
        return step_finding(shot, 0.2, 0.95)

    [found] = make([a_shot(film, 2.0)], tmp_path, in_step=in_step)
    [take] = found.takes
    assert (take.audio_early_s, take.sync_confidence, take.shifted_s) == (0.2, 0.95, 0.2)
    samples = sounds.read(take.path)
    assert len(samples) == 96000
    assert not samples[: round(0.2 * 48000)].any()
    np.testing.assert_array_less(0.01, np.abs(samples[12000:12500]).max())
    # What was asked about is what is heard, unmoved, at full length.
    assert len(heard[0]) == 96000
    assert np.abs(heard[0][:2400]).max() > 0.01
    assert [path.name for path in tmp_path.iterdir()] == [take.path.name]


def test_a_take_in_step_is_ranked_first_and_one_that_sync_is_unsure_of_stays(film, tmp_path):
    answers = iter([(0.3, 0.5), (0.0, 0.9)])
    [found] = make(
        [a_shot(film, 2.0)], tmp_path, takes=2, in_step=lambda shot: step_finding(shot, *next(answers))
    )
    assert [take.seed for take in found.takes] == [1, 0]
    assert [take.shifted_s for take in found.takes] == [0.0, 0.0]


def test_a_sound_that_nobody_is_asked_about_is_written_once_only(film, tmp_path, monkeypatch):
    written = []
    write = sounds.write

    def told(path, *given, **options):
        written.append(path.parent)
        return write(path, *given, **options)

    monkeypatch.setattr(sounds, "write", told)
    make([a_shot(film, 2.0)], tmp_path, takes=2, check_sync=False, in_step=pytest.fail)
    make([a_shot(film, 1.0)], tmp_path)
    assert written == [tmp_path] * 3


# From a library


@pytest.fixture
def library(tmp_path, monkeypatch) -> Path:
    """A whistle of a second, and a piano."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "library"
    folder.mkdir()
    paint(folder / "Whistle_short.wav", sounds=[(WHISTLE_HZ, 1), (None, 0.5)])
    paint(folder / "Piano.wav", sounds=[(HUM_HZ, 2)])
    return folder


def test_a_library_gives_what_the_picture_asks_for_in_different_takes(film, library, tmp_path):
    bundle = pretended_foley()
    [red] = make([a_shot(film, 2.4)], tmp_path / "out", bundle=bundle, library=library, takes=2)
    assert (red.made_by, red.sound) == ("library", "whistle")
    assert [take.source for take in red.takes] == ["Whistle_short.wav"] * 2
    assert len(hashes(tmp_path / "out")) == 2
    for take in red.takes:
        assert take.seed is None
        assert take.duration_s == pytest.approx(2.4)
        assert take.relevance > 0.5
        assert pitch_hz(take.path) == pytest.approx(WHISTLE_HZ, rel=0.01)
    assert "step" not in bundle.asked
    assert make([a_shot(film, 2.4)], tmp_path / "out", library=library, takes=2) == [red]


def test_a_library_without_the_sound_gives_nothing_and_says_so(film, library, tmp_path):
    (library / "broken.wav").write_bytes(b"no sound")
    [green] = make([a_shot(film, 2.0, 3.5)], tmp_path / "out", library=library)
    assert green.takes == ()
    assert green.doubts == (f"{library} has no sound that is hum; 1 of its files can't be read",)


def test_a_library_is_asked_for_words_that_no_generator_knows(film, library, tmp_path):
    [named] = make([a_shot(film, 1.0)], tmp_path / "out", library=library, sound="piano")
    assert named.sound == "piano"
    assert pitch_hz(named.takes[0].path) == pytest.approx(HUM_HZ, rel=0.01)
    [planned] = make([a_shot(film, 1.0)], None, library=library, sound="piano", dry_run=True)
    assert planned.planned
    assert planned.takes == ()


# Again


def test_what_is_there_is_taken_and_nobody_is_asked_again(film, tmp_path):
    def in_step(shot):
        return step_finding(shot, 0.2, 0.95)

    first = make([a_shot(film, 2.0)], tmp_path, takes=2, in_step=in_step)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    bundle = pretended_foley()
    again = make([a_shot(film, 2.0)], tmp_path, takes=2, bundle=bundle, in_step=pytest.fail)
    assert again == first
    assert "step" not in bundle.asked
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_what_is_missing_is_made_as_it_was(film, tmp_path):
    [first] = make([a_shot(film, 2.0)], tmp_path, takes=2)
    before = hashes(tmp_path)
    first.takes[0].path.unlink()
    first.takes[1].path.write_bytes(b"RIFF, cut off")
    assert make([a_shot(film, 2.0)], tmp_path, takes=2) == [first]
    assert hashes(tmp_path) == before


def test_a_run_can_be_stopped_and_goes_on_with_the_shot_it_was_at(film, tmp_path):
    shots = [a_shot(film, 2.0), a_shot(film, 2.0, 3.5, record_s=2.0)]
    seen = []

    def stop(done_s, total_s, what):
        seen.append((done_s, total_s))
        if done_s > 3.0:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        make(shots, tmp_path, progress=stop)
    assert len(list(tmp_path.iterdir())) == 1, "the first shot's, whole"
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    bundle = pretended_foley()
    assert len(make(shots, tmp_path, bundle=bundle)) == 2
    assert bundle.asked.count("step") == 1


KILLED = """
import sys
from pathlib import Path
from otio_avassist import sounds
from tests.tasks.test_foley import a_shot, make

write = sounds._add_comment
def killed(path, text):
    print("writing", flush=True)
    sys.stdin.read()
sounds._add_comment = killed
make([a_shot(Path(sys.argv[1]), 2.0)], Path(sys.argv[2]))
"""


def test_a_killed_run_leaves_nothing_half_written(film, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(film), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.stdout.readline() == b"writing\n"
    run.kill()
    run.communicate()
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert list(tmp_path.iterdir())
    [found] = make([a_shot(film, 2.0)], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [found.takes[0].path.name]


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(film, tmp_path):
    bundle = pretended_foley()
    shots = [a_shot(film, 2.0), a_shot(film, 1.5, 6.2)]
    red, blue = make(shots, None, bundle=bundle, dry_run=True)
    assert (red.sound, red.planned, red.takes, red.doubts) == ("whistle", True, (), ())
    assert not blue.planned
    assert blue.doubts
    assert "step" not in bundle.asked


# What can be wrong


def test_a_shot_without_a_picture_is_passed_over_unless_a_sound_is_named(tmp_path):
    tone = paint(tmp_path / "tone.wav", sounds=[(HUM_HZ, 2)])
    alone = Shot(None, replace(a_span(tone, 1.0), kind="sound"), "alone")
    [passed] = make([alone], tmp_path / "out")
    assert isinstance(passed, PassedOver)
    assert "no picture" in passed.reason
    [named] = make([alone], tmp_path / "out", sound="hum")
    assert len(named.takes) == 1


def test_a_file_without_pictures_or_that_is_gone_is_passed_over_and_the_others_go_on(film, tmp_path):
    tone = paint(tmp_path / "tone.wav", sounds=[(HUM_HZ, 2)])
    found = make([a_shot(tone, 1.0), a_shot(tmp_path / "gone.mp4", 1.0), a_shot(film, 1.0)], tmp_path / "out")
    assert [type(each) for each in found] == [PassedOver, PassedOver, FoleyFinding]
    assert "no such file" in found[1].reason


@pytest.mark.parametrize("duration_s", [1 / FPS, 0.2])
def test_a_single_frame_and_a_very_short_shot_get_a_sound_of_their_length(film, tmp_path, duration_s):
    [found] = make([a_shot(film, duration_s)], tmp_path)
    assert found.sound == "whistle"
    samples = sounds.read(found.takes[0].path)
    assert len(samples) == round(duration_s * 48000)
    assert abs(samples[0]) < 1e-4
    assert abs(samples[-1]) < 1e-4
    assert sounds.level(found.takes[0].path).true_peak_dbtp <= -1.0


def test_a_still_gets_a_sound(tmp_path):
    picture = paint(tmp_path / "still.mp4", [(GREEN, 1 / 25)], fps=25)
    [found] = make([a_shot(picture, 2.0)], tmp_path / "out")
    assert found.sound == "hum"
    assert found.takes[0].duration_s == pytest.approx(2.0)


def test_pictures_of_8k_are_looked_at(tmp_path):
    large = paint(tmp_path / "large.mp4", [(RED, 0.25)], fps=4, size=(7680, 4320))
    [found] = make([a_shot(large, 0.25)], tmp_path / "out")
    assert found.sound == "whistle"


def test_without_the_network_that_looks_a_named_sound_is_made_with_a_doubt(film, tmp_path):
    blind = replace(pretended_foley(), needs={})
    [passed] = make([a_shot(film, 1.0)], tmp_path, bundle=blind)
    assert isinstance(passed, PassedOver)
    assert "efficientnet-lite0" in passed.reason
    [named] = make([a_shot(film, 1.0)], tmp_path, bundle=blind, sound="hum")
    assert pitch_hz(named.takes[0].path) < 1500
    assert any("wasn't looked at" in doubt for doubt in named.doubts)
    [seen] = make([a_shot(film, 1.0)], tmp_path, sound="hum")
    assert seen.takes[0].path != named.takes[0].path, "another sound, since pictures count"


def test_without_a_vocoder_the_phases_are_found(film, tmp_path):
    bundle = pretended_foley(graphs=("condition", "step", "decode"))
    [found] = make([a_shot(film, 2.0)], tmp_path, bundle=bundle)
    assert pitch_hz(found.takes[0].path) > 2500
    assert found.takes[0].relevance is None


def test_features_may_come_from_a_file_beside_the_media(film, tmp_path):
    rows = {"extractor": "file", "output": "", "step_s": 0.5, "count": 2, "width": 3}
    bundle = pretended_foley(features=rows, class_token=False, sees={})
    graphs = dict(bundle.card.graphs)
    graphs["condition"] = replace(graphs["condition"], inputs={"features": ("batch", "n", 3)})
    bundle.card = replace(bundle.card, classes=(), graphs=graphs)
    here = tmp_path / film.name
    here.write_bytes(film.read_bytes())
    told = []
    condition = bundle.graphs["condition"]

    def watching(features):
        told.append(features)
        return condition(features=features, **{"class": np.zeros(1)})

    bundle.graphs["condition"] = watching
    [blind] = make([a_shot(here, 1.0)], tmp_path / "out", bundle=bundle)
    assert any("film_features.npy" in doubt for doubt in blind.doubts)
    rows = np.zeros((16, 3), np.float32)
    rows[8:, 1] = 1  # from 4 s on green
    np.save(tmp_path / "film_features.npy", rows)
    told.clear()
    make([a_shot(here, 1.0, 1.0), a_shot(here, 1.0, 5.0)], tmp_path / "out", bundle=bundle)
    assert [float(each[0, 0, 1]) for each in told] == [0.0, 1.0]


def test_a_full_disk_is_said_and_leaves_nothing(film, tmp_path, monkeypatch):
    def full(file, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sounds, "_add_comment", full)
    with pytest.raises(OutputError, match=r"foley_whistle_.*\.wav: can't be written: No space left"):
        make([a_shot(film, 1.0)], tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        make([a_shot(film, 1.0)], tmp_path / "file" / "foley")


@pytest.mark.parametrize("options", [{"takes": 0}, {"seed": -1}, {"loudness": 3.0}])
def test_options_that_cannot_be_meant_are_refused(options):
    with pytest.raises(UsageError, match="foley wants"):
        Options(**options)


def test_a_long_shot_costs_no_more_memory_than_its_samples(tmp_path):
    lengths_s = (30.0, 130.0)
    film = paint(tmp_path / "long.mp4", [(RED, lengths_s[1])], fps=1)
    peaks = []
    make([a_shot(film, 5.0)], tmp_path / "out")
    for length_s in lengths_s:
        tracemalloc.start()
        make([a_shot(film, length_s)], tmp_path / "out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < (lengths_s[1] - lengths_s[0]) * sounds.RATE * 4
