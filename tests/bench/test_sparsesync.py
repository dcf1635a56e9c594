"""The bench of the published size: what it makes of what its processes say."""

from __future__ import annotations

import json

import pytest

from bench import sparsesync
from bench.sparsesync import EIGHT, PLUGIN, PYTORCH, WHOLE


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What each way says in two rounds; the second on a busier machine."""
    first = {
        PYTORCH: (4.0, 1900.0, [0.5, -1.0]),
        WHOLE: (2.0, 2400.0, [0.5, -1.0]),
        PLUGIN: (1.6, 700.0, [0.5, -1.0002]),
        EIGHT: (1.5, 800.0, [0.6, -1.0]),
    }
    for way, size in ((WHOLE, 30), (PLUGIN, 30), (EIGHT, 50)):
        (tmp_path / way).mkdir()
        (tmp_path / way / "sync.onnx").write_bytes(bytes(size))
    asked = []

    def run(words, threads):
        assert threads == 2
        way = words[1]
        seconds, peak, logits = first[way]
        slower = 1 + 2 * (way in asked)
        asked.append(way)
        return json.dumps({"seconds": seconds * slower, "peak_mb": peak + slower, "logits": logits})

    monkeypatch.setattr(sparsesync, "_run", run)
    return asked


def test_ways_take_turns_and_the_quickest_and_the_most_count(said, tmp_path):
    figures = sparsesync.measure(tmp_path, rounds=2, threads=2)
    assert said == [*sparsesync.WAYS] * 2
    assert figures["faster"] == pytest.approx(4.0 / 1.6)
    assert figures["memory"] == pytest.approx(703 / 1903)
    assert figures["ways"][PLUGIN]["apart"] == pytest.approx(2e-4)
    assert figures["ways"][EIGHT]["megabytes"] == pytest.approx(20e-6)
    assert not sparsesync.missed(figures)
    table = sparsesync.table({**figures, "threads": 2})
    assert "2.50 times as fast as PyTorch (goal 2.3), 0.37 of its memory (goal 0.5)" in table


@pytest.mark.parametrize(
    "worse", [{"faster": 2.2}, {"memory": 0.6}, {"apart": 2e-3}, {"apart": float("nan")}], ids=str
)
def test_each_goal_can_be_missed(said, tmp_path, worse):
    figures = sparsesync.measure(tmp_path, rounds=1, threads=2)
    if "apart" in worse:
        figures["ways"][PLUGIN].update(worse)
    else:
        figures.update(worse)
    assert sparsesync.missed(figures)
