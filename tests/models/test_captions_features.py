"""Networks that turn sound and pictures into rows of features, and the sound they are given."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.captions.i3d import I3D, SHORTEST  # noqa: E402
from models.captions.vggish import VGGish, resampled  # noqa: E402
from otio_avassist import signals  # noqa: E402


@pytest.mark.parametrize("kind", ["rgb", "flow"])
@torch.inference_mode()
def test_i3d_makes_one_row_of_any_stack_that_is_long_enough(kind: str) -> None:
    network = I3D(kind, divisor=16).eval()
    channels = 3 if kind == "rgb" else 2
    for pictures in (SHORTEST, 24):
        assert network(torch.zeros(2, channels, pictures, 224, 224)).shape == (2, 64)
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, channels, SHORTEST - 1, 224, 224))


@torch.inference_mode()
def test_vggish_gives_each_second_of_sound_a_rectified_row() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * 16_000)
    examples = torch.from_numpy(signals.vggish_log_mel(samples)).unsqueeze(1)
    rows = VGGish(divisor=16).eval()(examples)
    assert rows.shape == (3, 128)
    assert (rows >= 0).all()


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_is_the_same_tone_at_another_rate(rate: int) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    made = resampled(tone, rate)
    assert len(made) == 16_000
    wanted = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    # Within a kernel of the ends there is less of the tone.
    np.testing.assert_allclose(made[200:-200], wanted[200:-200], atol=2e-3)


def test_what_the_new_rate_can_not_hold_is_gone() -> None:
    tone = np.sin(2 * np.pi * 9_000 * np.arange(44_100) / 44_100)
    assert np.abs(resampled(tone, 44_100)[200:-200]).max() < 1e-3
