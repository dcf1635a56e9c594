"""Windows of picture and sound cut from a longer scene with a known offset, as SparseSync is trained.

An offset d > 0 means that the sound window starts d seconds later in the source than the picture window:
what is heard will be seen d later, the sound is EARLY by d. That is `audio_early_s` of the plugin. Nothing is
padded: both windows always lie inside the scene.
"""

from __future__ import annotations

import numpy as np

OFFSETS_S = np.round(np.linspace(-2.0, 2.0, 21), 2)
"""The published grid: 21 classes, 0.2 s apart, class 10 in step."""


def draw_start_s(rng: np.random.Generator, offset_s: float, *, scene_s: float, window_s: float) -> float:
    """Where the picture window may start so that the sound window stays inside the scene too, evenly drawn.

    Raises:
        ValueError: the scene is shorter than the window and the offset together.
    """
    low_s, high_s = max(0.0, -offset_s), min(scene_s - window_s, scene_s - window_s - offset_s)
    if high_s < low_s:
        raise ValueError(
            f"a scene of {scene_s} s has no room for windows of {window_s} s that are {offset_s} s apart"
        )
    return float(rng.uniform(low_s, high_s))


def cut(
    frames: np.ndarray,
    samples: np.ndarray,
    *,
    start_s: float,
    offset_s: float,
    window_s: float,
    fps: int,
    rate: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Picture window at `start_s` and sound window `offset_s` later.

    Args:
        frames: (T, H, W, 3) at `fps`.
        samples: (N,) at `rate`, from the same moment.

    Returns:
        Views of frames (window_s x fps, H, W, 3) and samples (window_s x rate,).
    """
    first_frame = int(start_s * fps)
    # The sound is cut from where the first frame really stands, so that the label is exact.
    first_sample = round((first_frame / fps + offset_s) * rate)
    frame_count, sample_count = round(window_s * fps), round(window_s * rate)
    first_sample = min(max(0, first_sample), len(samples) - sample_count)
    return frames[first_frame : first_frame + frame_count], samples[
        first_sample : first_sample + sample_count
    ]
