"""The foley bench measures what it says: EBU's test signals, sounds anybody can name, graphs as text."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.foley import distances, heard, levels, meters, roundtrip, takes
from bench.foley.ear import Ear, Heard
from otio_avassist.bundles import Card, Graph, open_bundle
from otio_avassist.generator import Generator
from tests.pretend import pretended_foley

RATE = meters.RATE


def sine(hertz: float, seconds: float, dbfs: float, phase: float = 0.0) -> np.ndarray:
    at_s = np.arange(round(seconds * RATE)) / RATE
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * at_s + phase)


def test_loudness_is_that_of_ebu_tech_3341_also_where_quiet_parts_are_gated_out():
    tone = sine(1000, 20, -23)
    assert meters.loudness_lufs(np.stack([tone, tone], axis=1)) == pytest.approx(-23.0, abs=0.1)
    steps = np.concatenate([sine(1000, seconds, dbfs) for seconds, dbfs in ((10, -36), (60, -23), (10, -36))])
    assert meters.loudness_lufs(np.stack([steps, steps], axis=1)) == pytest.approx(-23.0, abs=0.1)


def test_silence_and_less_than_a_block_have_no_loudness():
    assert meters.loudness_lufs(np.zeros(RATE)) is None
    assert meters.loudness_lufs(sine(1000, 0.3, -20)) is None


def test_a_peak_between_samples_is_seen_wherever_it_is():
    """A quarter of the rate, 45 degrees off: no sample is higher than -9 dB of a wave of -6."""
    for start in (0, 16_000, 50_001):
        wave = np.zeros(3 * RATE)
        burst = sine(RATE / 4, 0.5, -6, np.pi / 4)
        wave[start : start + len(burst)] = burst * np.hanning(len(burst))
        assert 20 * np.log10(np.abs(wave).max()) == pytest.approx(-9.03, abs=0.02)
        assert meters.true_peak_dbtp(wave) == pytest.approx(-6.02, abs=0.05)


def test_a_broken_wave_clicks_and_a_whole_one_does_not():
    whole = sine(220, 4, -12) * np.sin(np.linspace(0, np.pi, 4 * RATE))
    assert meters.clicks_s(whole, RATE, [2.0]) == []
    broken = whole.copy()
    broken[2 * RATE + 100 :] *= -1
    assert meters.clicks_s(broken, RATE, [2.0]) == [2.0]
    cut = whole[RATE // 2 + 60 : round(1.502 * RATE)]
    assert meters.clicks_s(cut, RATE) == [0.0, pytest.approx(len(cut) / RATE)]


def test_the_ear_names_what_anybody_would(fetched):
    fetched("yamnet")
    ear = Ear(threads=1)
    rng = np.random.default_rng(0)
    assert ear.hear(sine(1000, 2, -12), RATE).rank(["Sine wave"]) <= 5
    assert ear.hear(rng.normal(size=2 * RATE), RATE).rank(["White noise", "Static"]) <= 5
    assert ear.hear(sine(1000, 0.3, -60), RATE).labels == ear.hear(sine(1000, 0.3, -20), RATE).labels


def test_an_untrained_copy_has_the_graphs_and_other_weights(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper, parser

    from bench.foley import untrained

    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (float[n, 3] x) => (float[n, 4] y)'
        " { h = MatMul(x, w) y = Add(h, b) }"
    )
    weight = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    shift = np.arange(4, dtype=np.float32)
    model.graph.initializer.extend(
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(shift, "b")]
    )
    onnx.save(model, tmp_path / "main.onnx")
    sha256 = untrained.sha256(tmp_path / "main.onnx")
    graph = Graph("main.onnx", sha256, {"x": ("n", 3)}, {"y": ("n", 4)})
    Card("foley", "small", "1", {"main": graph}, {}).write(tmp_path)
    copy = open_bundle(untrained.copy(tmp_path, tmp_path / "copy"), device="cpu")
    unit = np.eye(3, dtype=np.float32)
    theirs = open_bundle(tmp_path, device="cpu")["main"](x=unit)["y"] - shift
    ours = copy["main"](x=unit)["y"] - shift
    assert theirs == pytest.approx(weight, abs=1e-6)
    assert ours.shape == weight.shape
    assert np.abs(ours - weight).min() > 1e-4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[takes.Made]:
    """Takes of a frame, of a few, and of several parts."""
    generator, place = Generator(pretended_foley()), tmp_path_factory.mktemp("takes")
    return [
        take
        for seconds in (0.04, 0.2, 4.0)
        for take in takes.make(generator, "whistle", place, seconds=seconds, seeds=[1, 2])
    ]


def test_takes_as_the_plugin_writes_them_have_no_faults(made):
    assert [len(take.joins_s) for take in made] == [0, 0, 0, 0, 4, 4]
    assert [levels.level(take).faults for take in made] == [()] * len(made)


def test_what_is_wrong_with_a_take_is_said(made, tmp_path: Path):
    take = made[-1]
    rate, _, samples = levels.read(take.path)
    join = round(take.joins_s[1] * rate)

    def faults(changed: np.ndarray) -> str:
        path = tmp_path / "changed.wav"
        whole = np.round(np.clip(changed, -1, 1) * (2**15 - 1)).astype("<i2")
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(whole.tobytes())
        return "; ".join(levels.level(replace(take, path=path)).faults)

    assert faults(samples) == ""
    assert "191999 samples, not 192000" in faults(samples[:-1])
    assert "LUFS, not -23" in faults(samples / 4)
    assert "dBTP" in faults(samples * 20)
    assert "silent" in faults(samples * 0)
    assert "clicks at" in faults(np.concatenate([samples[:join], samples[join:] + 0.3]))


def test_each_take_is_held_against_the_next_sound_when_pairs_are_shuffled():
    pairs = ["dog/0", "dog/1", "rain/0", "door/0"]
    assert distances.shuffled(pairs) == ["rain/0", "rain/1", "door/0", "dog/0"]


def test_a_take_counts_where_one_of_its_labels_is_among_the_five_likeliest():
    labels = {"dog": ["Bark"], "cat": ["Meow"], "rain": ["Rain"], "hail": ["Rain"]}
    order = ("Bark", "Rain", "A", "B", "Meow", "C")
    found = [("dog", Heard(order, np.zeros(1))), ("cat", Heard((*order[:4], "C", "Meow"), np.zeros(1)))]
    assert heard.share(found, labels) == 0.5
    # As a cat and as rain or hail; as a dog and as rain or hail.
    assert heard.wrong_share(found, labels) == 1.0
    assert heard.wrong_share([("rain", found[0][1])], labels) == 1.0


def test_a_sound_that_comes_back_as_it_was_keeps_its_label(fetched, tmp_path: Path):
    fetched("yamnet")
    rng = np.random.default_rng(0)
    network = pretended_foley()
    noise = (0.1 * rng.normal(size=22_050)).astype(np.float32)
    ways = roundtrip.copies(network, noise)
    assert list(ways)[-1] == "codes, vocoder"
    assert all(len(copy) == len(noise) for copy in ways.values())
    ear = Ear(threads=1)
    label = ear.hear(noise, 22_050).labels[0]
    assert ear.hear(ways["Griffin-Lim"], 22_050).rank([label]) <= 5
    # Which codes there are says what can come back: nothing but tones.
    assert ear.hear(ways["codes, vocoder"], 22_050).rank([label]) > 5
