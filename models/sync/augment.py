"""What training does to a window so that the network doesn't learn it by heart: the published augmentations.

In: frames uint8 (T, H, W, 3) and float32 samples of one window. Out: what the network eats. Of a window all
frames get the same. Nothing moves in time but the jitter, which `crops.draw` knows.

The authors called sox for reverberation and pitch. Here the reverberation is Freeverb's (J. Wakefield, public
domain), of which sox's is a port, all of it wet; the pitch is raised by a phase vocoder, which keeps sounds
where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.sync.config import Clip
from otio_avassist import signals

Rng = np.random.Generator
PITCH_CENTS = 1000
LOW_PASS_HZ, LOW_PASS_Q = 100, 0.707
GAIN = 2.0
NOISE = 0.01
MASK_ROWS, MASK_COLUMNS = 64, 200
"""The widest bands that are masked, of 257 frequencies and 626 columns."""
UPSCALE = 192 / 224
"""A crop that is enlarged has so much of the usual one's side."""
JITTER = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}


@dataclass(frozen=True)
class Augmentation:
    """How often each is done; 0: never."""

    flip: float = 0.5
    """Left and right."""
    jitter_s: float = 0.05
    """The sound, not how often but how far at most either way."""
    upscale: float = 0.0
    colour: float = 0.0
    gray: float = 0.0
    sound: float = 0.0
    """Each of reverberation, gain, pitch, low pass, noise and the masks by itself."""


DENSE = Augmentation()
"""For talking heads."""
SPARSE = Augmentation(upscale=0.5, colour=0.2, gray=0.2, sound=0.2)
"""For the fine-tuning, which has few clips."""


# Pictures


def pictures(frames: np.ndarray, clip: Clip, rng: Rng, how: Augmentation) -> Tensor:
    """A crop from anywhere, normalised. Shape: uint8 (T, H, W, 3) -> float32 (T, 3, S, S)."""
    seen = _cropped(frames, clip.crop, rng, how)
    if rng.random() < how.flip:
        seen = seen.flip(-1)
    # Published order.
    jitter, gray = rng.random() < how.colour, rng.random() < how.gray
    if jitter:
        seen = jittered(seen, rng)
    if gray:
        seen = _luma(seen).expand_as(seen)
    mean, std = (
        torch.from_numpy(each)[:, None, None] for each in (signals.IMAGENET_MEAN, signals.IMAGENET_STD)
    )
    return ((seen - mean) / std).contiguous()


def _cropped(frames: np.ndarray, side: int, rng: Rng, how: Augmentation) -> Tensor:
    """Float32 (T, 3, side, side) in [0, 1]."""
    cut = round(side * UPSCALE) if rng.random() < how.upscale else side
    top, left = (int(rng.integers(0, size - cut + 1)) for size in frames.shape[1:3])
    taken = np.ascontiguousarray(frames[:, top : top + cut, left : left + cut])
    seen = torch.from_numpy(taken).permute(0, 3, 1, 2).float() / 255
    if cut == side:
        return seen
    return F.interpolate(seen, size=(side, side), mode="bilinear", align_corners=False)


def jittered(seen: Tensor, rng: Rng) -> Tensor:
    """Brightness, contrast, saturation and hue changed by chance, in an order of chance.

    Shape: (T, 3, H, W) in [0, 1] -> the same.
    """
    factors = {
        name: rng.uniform(max(0.0, 1 - reach), 1 + reach) if name != "hue" else rng.uniform(-reach, reach)
        for name, reach in JITTER.items()
    }
    for name in rng.permutation(list(JITTER)):
        seen = CHANGES[str(name)](seen, float(factors[str(name)]))
    return seen


def _brightness(seen: Tensor, factor: float) -> Tensor:
    return (seen * factor).clamp(0, 1)


def _contrast(seen: Tensor, factor: float) -> Tensor:
    # Of each frame by itself, as published.
    grey = _luma(seen).mean(dim=(-3, -2, -1), keepdim=True)
    return (grey + factor * (seen - grey)).clamp(0, 1)


def _saturation(seen: Tensor, factor: float) -> Tensor:
    grey = _luma(seen)
    return (grey + factor * (seen - grey)).clamp(0, 1)


def _hue(seen: Tensor, turn: float) -> Tensor:
    """`turn` of the colour circle, value and saturation kept: through HSV, as published."""
    red, green, blue = seen.unbind(1)
    value, lowest = seen.amax(1), seen.amin(1)
    chroma = value - lowest
    least = chroma.clamp(min=1e-8)
    hue = torch.where(
        value == red,
        (green - blue) / least,
        torch.where(value == green, 2 + (blue - red) / least, 4 + (red - green) / least),
    )
    hue = (hue / 6 + turn) % 1 * 6
    # A colour is as far below the value as it is away from its place on the circle.
    places = torch.tensor([5.0, 3.0, 1.0])[:, None, None]
    away = (hue[:, None] + places) % 6
    return value[:, None] - chroma[:, None] * torch.minimum(away, 4 - away).clamp(0, 1)


CHANGES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}


def _luma(seen: Tensor) -> Tensor:
    weights = torch.from_numpy(signals.LUMA)[:, None, None]
    return (seen * weights).sum(dim=1, keepdim=True)


# Sound


def sound(samples: np.ndarray, clip: Clip, rng: Rng, how: Augmentation) -> np.ndarray:
    """What is heard, changed by chance. Shape: (N,) -> float32 (N,)."""
    changes: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
        lambda heard: reverberated(heard, clip.sample_rate),
        lambda heard: np.clip(heard * GAIN, -1, 1),
        lambda heard: raised(heard, clip.sample_rate),
        lambda heard: low_passed(heard, clip.sample_rate),
        lambda heard: heard + NOISE * rng.standard_normal(len(heard)),
    )
    for change in changes:
        if rng.random() < how.sound:
            samples = change(samples)
    return samples.astype(np.float32)


def spectrogram(samples: np.ndarray, clip: Clip, rng: Rng, how: Augmentation) -> Tensor:
    """The published log spectrogram with masks of chance. Shape: (N,) -> float32 (1, F, Ta)."""
    power = signals.power_spectrogram(samples, n_fft=clip.n_fft, hop=clip.hop)
    log = signals.log_power(power)
    for axis, widest in ((0, MASK_ROWS), (1, MASK_COLUMNS)):
        if rng.random() < how.sound:
            # Published sizes are of 257 frequencies and 626 columns; shorter windows keep the shares.
            widest = min(widest, log.shape[axis] // 3)
            width = int(rng.uniform(0, widest))
            first = int(rng.uniform(0, log.shape[axis] - width))
            # 0 is a power of 1, as published, and not silence.
            log[(slice(None),) * axis + (slice(first, first + width),)] = 0
    return torch.from_numpy(signals.standardise_rows(log).astype(np.float32))[None]


def raised(samples: np.ndarray, rate: int) -> np.ndarray:
    """As long as before and 1,000 cents higher. Shape: (N,) -> (N,).

    A phase vocoder: made longer at the same pitch, then played faster. Sounds stay where they are to a few
    milliseconds; methods that move pieces about, as sox's and FFmpeg's, shift them by up to 70 ms.
    """
    ratio = 2 ** (PITCH_CENTS / 1200)
    size, hop = (1 << (round(part * rate) - 1).bit_length() for part in (0.032, 0.008))
    longer = _stretched(np.asarray(samples, np.float64), ratio, size, hop)
    # Fewer samples of the same spectrum, which ends where the new rate does.
    count = len(samples)
    return np.fft.irfft(np.fft.rfft(longer)[: count // 2 + 1], count) * (count / len(longer))


def _stretched(samples: np.ndarray, ratio: float, size: int, hop: int) -> np.ndarray:
    """`ratio` times as long at the same pitch, windows of `size` samples laid `hop` apart."""
    total = round(len(samples) * ratio)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    steps = np.arange(-(-total // hop) + 1)
    padded = np.pad(samples, (size // 2 + hop, size + hop))
    # Each window is read from where it sounded, and a second time a hop before it to tell how phases move.
    at = hop + np.round(steps * hop / ratio).astype(int)
    at = np.minimum(at, len(padded) - size)
    views = np.lib.stride_tricks.sliding_window_view(padded, size)
    now, before = (np.fft.rfft(views[each] * window) for each in (at, at - hop))
    turns = np.angle(now) - np.angle(before)
    # Where a sound sets in, all phases start anew: else it would be smeared.
    loud, was = (np.square(np.abs(each)).sum(axis=1) for each in (now, before))
    anew = loud > 4 * was
    phases = np.empty_like(turns)
    phase = np.angle(now[0])
    for step in steps:
        phase = np.angle(now[step]) if anew[step] else phase + turns[step]
        phases[step] = phase
    laid = np.zeros(len(steps) * hop + size)
    weight = np.zeros_like(laid)
    pieces = np.fft.irfft(np.abs(now) * np.exp(1j * phases), size) * window
    for step in steps:
        laid[step * hop :][:size] += pieces[step]
        weight[step * hop :][:size] += window**2
    return (laid / np.maximum(weight, 1e-3))[size // 2 :][:total]


def low_passed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Without what lies well above 100 Hz, by two poles. Shape: (N,) -> (N,).

    The usual biquad (R. Bristow-Johnson's cookbook), multiplied in the spectrum: it has died away long before
    what is padded ends.
    """
    turn = 2 * np.pi * LOW_PASS_HZ / rate
    slope, cosine = np.sin(turn) / (2 * LOW_PASS_Q), np.cos(turn)
    size = 1 << (len(samples) + rate - 1).bit_length()
    back = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    above = (1 - cosine) / 2 * (1 + back) ** 2
    below = 1 + slope - 2 * cosine * back + (1 - slope) * back**2
    return np.fft.irfft(np.fft.rfft(samples, size) * above / below, size)[: len(samples)]


COMBS = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)
ALL_PASSES = (556, 441, 341, 225)
"""Freeverb's delays in samples at 44.1 kHz."""
FEEDBACK, DAMPING = 0.84, 0.2
"""Of a room of half its size and half its damping, which are Freeverb's defaults."""
REVERB_S = 4.0
"""After so long the rest is below a ten-thousandth."""


def reverberated(samples: np.ndarray, rate: int) -> np.ndarray:
    """The echoes of a room without what they echo, as loud as that. Shape: (N,) -> (N,)."""
    answer = room(rate)
    size = len(samples) + len(answer) - 1
    size = 1 << (size - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(answer, size), size)[: len(samples)]
    loud, dry = np.sqrt(np.mean(wet**2)), np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return wet * (dry / loud) if loud > 0 else wet


@cache
def room(rate: int) -> np.ndarray:
    """Freeverb's answer to a click: eight damped combs side by side, four all-passes one after another.

    Its transfer function, read on a circle a little outside the unit circle, so that what would wrap round
    from behind the end is nothing; then the growth of that circle is taken back.
    """
    count = 1 << (2 * round(REVERB_S * rate) - 1).bit_length()
    radius = 10 ** (4 / count)
    back = np.exp(2j * np.pi * np.fft.rfftfreq(count)) * radius
    back = 1 / back  # one sample's delay

    def delayed(samples: int) -> np.ndarray:
        return back ** round(samples * rate / 44_100)

    damped = (1 - DAMPING) / (1 - DAMPING * back)
    combs = [delayed(each) / (1 - FEEDBACK * damped * delayed(each)) for each in COMBS]
    answer = np.sum(combs, axis=0)
    for each in ALL_PASSES:
        echo = delayed(each)
        # Freeverb's own, which isn't quite an all-pass.
        answer = answer * (1.5 * echo - 1) / (1 - 0.5 * echo)
    click = np.fft.irfft(answer, count) * radius ** np.arange(count)
    return click[: round(REVERB_S * rate)]
