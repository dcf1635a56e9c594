"""What real encoders do to a scene: blocks, smears and lost highs, with no shift in time.

In: frames uint8 (T, H, W, 3) and float32 samples. Out: the same after an encoder and a decoder, laid back by
their own time stamps, because AAC puts priming samples in front and B-frames come out of order.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import cast

import av
import numpy as np


def through_codec(
    frames: np.ndarray, samples: np.ndarray, *, fps: int, rate: int, codec: str, quality: int, gop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and samples through one Matroska file in memory.

    Args:
        frames: uint8 (T, H, W, 3), H and W even.
        samples: float32 (N,) mono in [-1, 1].
        codec: `mpeg4` or `libx264` for the picture; the sound is always AAC.
        quality: quantiser for mpeg4 (2 good to 31 bad), constant rate factor for libx264 (18 good to 45 bad).
        gop: frames between two key frames; two B-frames stand between the others.
    """
    memory = io.BytesIO()
    with av.open(memory, "w", format="matroska") as container:
        options = {"crf": str(quality), "preset": "superfast", "bf": "2"}
        if codec == "mpeg4":
            options = {
                "flags": "+qscale",
                "global_quality": str(quality * 118),
                "bf": "2",
            }  # 118 is FF_QP2LAMBDA
        picture = cast(av.VideoStream, container.add_stream(codec, rate=fps, options=options))
        picture.height, picture.width, picture.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        picture.gop_size = gop
        picture.thread_count = 1
        sound = container.add_stream("aac", rate=rate, layout="mono")
        sound.bit_rate = 32_000
        for index, frame in enumerate(frames):
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            image.pts, image.time_base = index, Fraction(1, fps)
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))
        block = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        return _decoded(container, frames, samples, fps, rate)


def _decoded(
    container, frames: np.ndarray, samples: np.ndarray, fps: int, rate: int
) -> tuple[np.ndarray, np.ndarray]:
    new_frames, new_samples = frames.copy(), np.zeros_like(samples)
    container.streams.video[0].thread_count = 1
    for frame in container.decode(video=0, audio=0):
        if isinstance(frame, av.VideoFrame):
            index = round(frame.time * fps)
            if 0 <= index < len(new_frames):
                new_frames[index] = frame.to_ndarray(format="rgb24")
            continue
        block = frame.to_ndarray()[0]
        start = round(frame.time * rate)
        first, last = max(0, start), min(len(new_samples), start + len(block))
        if first < last:
            new_samples[first:last] = block[first - start : last - start]
    return new_frames, new_samples
