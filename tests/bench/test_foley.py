"""The foley bench measures what it says: EBU's test signals, sounds anybody can name, graphs as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.foley import meters
from bench.foley.ear import Ear
from otio_avassist.bundles import Card, Graph, open_bundle

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
