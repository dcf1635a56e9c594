"""What a foley bundle is asked and what is made of its answers, by arithmetic and the published picks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from otio_avassist import signals
from otio_avassist.errors import BundleError, MediaError
from otio_avassist.features import Rows
from otio_avassist.generator import FADE, LEAST_COLUMNS, Generator, picked, shown, turned_into
from tests.pretend import COLUMN, COLUMNS, pretended_foley

RATE = signals.FOLEY_RATE


def logits(*colours: int, times: int = 1) -> np.ndarray:
    """Rows that are surely of these colours: 0 red, 1 green, 2 blue."""
    return np.repeat(9.0 * np.eye(3, dtype=np.float32)[list(colours)], times, axis=0)


def made(generator: Generator, seconds: float, takes: int = 1, **options) -> np.ndarray:
    randoms = [np.random.default_rng(take) for take in range(takes)]
    options = {"sound": "whistle", "randoms": randoms} | options
    return np.concatenate(list(generator.make(generator.parts(seconds), None, **options)), axis=1)


def test_what_most_of_a_shot_shows_is_what_it_asks_for():
    generator = Generator(pretended_foley())
    seen = generator.look([logits(0, times=6), logits(1, times=2), logits(2)])
    assert seen.sound == "whistle"
    assert seen.confidence == pytest.approx(6 / 9, abs=0.001)
    assert [name for name, _ in seen.shows] == ["rose, red flower", "grass", "sky"]
    assert [share for _, share in seen.shows] == pytest.approx([6 / 9, 2 / 9, 1 / 9], abs=0.001)


def test_a_picture_is_told_by_its_surest_classes():
    names = ("tench", "tabby, tabby cat", "tiger cat", "lynx")
    assert shown(np.array([0.008, 0.6, 0.3, 0.092]), names) == (
        ("tabby, tabby cat", 0.6), ("tiger cat", 0.3), ("lynx", 0.092),
    )  # fmt: skip
    assert len(shown(np.full(50, 0.02), [str(at) for at in range(50)])) == 20
    assert shown(np.full(200, 0.005), ["fog", *"abc"]) == (("fog", 0.005),)


def test_what_nothing_is_sure_of_asks_for_nothing():
    generator = Generator(pretended_foley())
    assert generator.look([logits(0, 1, 2)]).sound is None
    assert generator.look([logits(2, times=5)]).sound is None
    assert generator.look([]).sound is None
    assert Generator(pretended_foley(sure=0.3)).look([logits(0, 0, 1, 2)]).sound == "whistle"


@pytest.mark.parametrize("seconds", [0.04, 1.0, 1.5, 4.0, 30.0])
@pytest.mark.parametrize("primed", [0, 1, COLUMNS // 2])
def test_parts_cover_a_sound_once_and_each_sees_half_of_the_one_before(seconds, primed):
    parts = Generator(pretended_foley()).parts(seconds, primed)
    assert sum(part.new for part in parts) * COLUMN / RATE >= seconds
    assert sum(part.new for part in parts[:-1]) < max(LEAST_COLUMNS, seconds * RATE / COLUMN)
    assert parts[0].context == primed
    assert parts[0].start_s == pytest.approx(-primed * COLUMN / RATE)
    for before, part in pairwise(parts):
        assert part.context == COLUMNS // 2
        assert part.start_s == pytest.approx(before.end_s - part.context * COLUMN / RATE)
    assert all(part.context + part.new <= COLUMNS for part in parts)


@pytest.mark.parametrize("seconds", [0.04, 1.4, 1.6, 4.0])
def test_a_sound_has_all_its_columns_however_many_parts_it_takes(seconds):
    generator = Generator(pretended_foley())
    samples = made(generator, seconds, takes=2)
    assert samples.shape == (2, COLUMN * sum(part.new for part in generator.parts(seconds)))
    assert (np.abs(samples[:, ::1000]).max(axis=1) > 0).all()


def test_takes_made_together_are_those_made_alone():
    generator = Generator(pretended_foley())
    together = made(generator, 4.0, takes=3)
    alone = [made(generator, 4.0, randoms=[np.random.default_rng(take)])[0] for take in range(3)]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert not np.array_equal(together[0], together[1])


def test_where_parts_meet_there_is_no_click():
    bundle = pretended_foley(sampling={"temperature": 1.0, "top_k": 1})
    # A vocoder that begins each part in another phase: 200 Hz, which never steps by more than 0.057.
    starts = iter(np.random.default_rng(0).uniform(0, 2 * np.pi, 100))
    bundle.graphs["vocode"] = lambda mel: {
        "samples": np.sin(
            next(starts) + 2 * np.pi * 200 * np.arange(256 * mel.shape[2]) / RATE
        )[None].astype(np.float32)
    }  # fmt: skip
    [samples] = made(Generator(bundle), 20.0)
    assert np.abs(np.diff(samples)).max() < 1.5 * 2 * np.pi * 200 / RATE


def test_a_seam_is_as_loud_as_what_is_beside_it():
    noise = np.random.default_rng(0).normal(size=(2, 20, 4 * FADE))
    for one, other in (
        (noise[0], noise[1]),
        (noise[0], noise[0]),
        (noise[0], 0.8 * noise[0] + 0.6 * noise[1]),
    ):
        joined = turned_into(one, other)
        middle = slice(2 * FADE - FADE // 8, 2 * FADE + FADE // 8)
        assert joined[:, middle].std() == pytest.approx(1.0, abs=0.03)
        np.testing.assert_array_equal(joined[:, :FADE], one[:, :FADE])
        np.testing.assert_array_equal(joined[:, -FADE:], other[:, -FADE:])


def test_parity_rows_are_picked_as_the_released_code_picks_them(shared):
    path = shared / "parity" / "specvqgan_resample_frames" / "io.npz"
    if not path.is_file():
        pytest.skip("the material has no parity entry specvqgan_resample_frames")
    with np.load(path) as held:
        # Once each; the others say every row several times.
        wanted = [held[name] for name in held.files if name.endswith("_1")]
    every = max(map(len, wanted))
    assert len(wanted) > 3
    for rows in wanted:
        np.testing.assert_array_equal(picked(every, len(rows)), rows)


def test_pictures_before_the_first_and_after_the_last_are_these():
    bundle = pretended_foley()
    told = []
    condition = bundle.graphs["condition"]
    bundle.graphs["condition"] = lambda **given: told.append(given["features"][0]) or condition(**given)
    generator = Generator(bundle)
    parts = generator.parts(1.0, primed=COLUMNS // 2)
    rows = Rows(np.arange(6, dtype=np.float32).reshape(2, 3), 0.0, 0.5, 0.5)
    list(
        generator.make(
            parts, iter([rows, rows]), sound="hum", randoms=[np.random.default_rng(0)],
            primed=np.zeros((COLUMNS // 2, 2), np.int64),
        )
    )  # fmt: skip
    # The part begins 0.74 s before the shot, and sees what there is at -0.24 and at 0.26 s.
    assert [row.tolist() for row in told[0]] == [[0, 1, 2], [3, 4, 5]]
    # The next one begins with the shot, and sees it at 0.5 and at 1 s, where there is nothing new.
    assert [row.tolist() for row in told[1]] == [[3, 4, 5], [3, 4, 5]]


def test_codes_of_a_sound_are_those_that_make_it():
    generator = Generator(pretended_foley())
    codes = np.random.default_rng(0).integers(0, 4, size=(1, 3, 2))
    bundle = pretended_foley(graphs=("condition", "step", "decode", "encode"))
    heard = []
    bundle.graphs["encode"] = lambda mel: heard.append(mel.shape) or {"codes": codes}
    samples = np.random.default_rng(0).normal(size=3 * COLUMN + 100).astype(np.float32)
    np.testing.assert_array_equal(Generator(bundle).codes_of(samples), codes[0])
    assert heard == [(1, 80, 48)]
    with pytest.raises(MediaError, match=r"0\.19 s or longer, there is 0\.05 s"):
        generator.codes_of(samples[:1000])
    with pytest.raises(BundleError, match="no graph 'encode'"):
        Generator(pretended_foley(graphs=("condition", "step", "decode"))).codes_of(samples)


def test_a_sampler_that_wants_nothing_is_shown_a_row_that_says_nothing():
    bundle = pretended_foley(graphs=("step", "decode", "vocode"), features=None, class_token=False, sees={})
    told = []

    class Listening(bundle.graphs["step"]):
        def __call__(self, *, prefix, codes):
            told.append(prefix.shape)
            return super().__call__(prefix=prefix, codes=codes)

    bundle.graphs["step"] = Listening
    made(Generator(bundle), 1.0, sound=None)
    assert told[0] == (1, 1, 4)
    assert set(told[1:]) == {(1, 0, 4)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": 1}, "2 columns"),
        ({"sampling": {"temperature": 0, "top_k": 1}}, "temperature above 0"),
        ({"sample_rate": 16000}, "22050"),
        ({"sampling": {}}, "temperature"),
        ({"features": {"extractor": "eye", "step_s": 1, "width": 3, "count": 1}}, "no such extractor: eye"),
        ({"rows": "many"}, "many"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused_by_name(changes, says):
    with pytest.raises(BundleError, match=says) as raised:
        Generator(pretended_foley(**changes))
    assert "pretended foley: preprocessing" in str(raised.value)


def test_a_bundle_without_its_graphs_or_names_is_refused():
    with pytest.raises(BundleError, match="wanted graphs decode"):
        Generator(pretended_foley(graphs=("condition", "step")))
    bundle = pretended_foley()
    bundle.card = replace(bundle.card, classes=())
    with pytest.raises(BundleError, match="names of its sounds"):
        Generator(bundle)
