"""How often a sync network is right: on fresh rendered scenes, on controls without a clue, and on real clips.

In: a scorer, `(vis, aud) -> logits` in numpy, whether PyTorch's or a bundle's. Out: plain figures with their
intervals. From a checkout: `python -m models.sync.evaluate SYNC [--scenes N] [--media DIR]`, where SYNC is a
checkpoint or a bundle, prints them as JSON. Windows that hold the answer and windows that can't (blanked,
noise, another scene) are made the same way: a network above chance on those knows what it shouldn't.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from models.data.offsets import OFFSETS_S, cut, draw_start_s
from models.data.scenes import FPS, FULL, Recipe, Scene, render
from models.sync.config import Clip
from otio_avassist import bundles
from otio_avassist.signals import crop_centre, imagenet_floats, log_spectrogram
from otio_avassist.windows import Stretch, pictures, probe, read_sound

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(B, T, 3, H, W), (B, 1, F, Ta) -> logits (B, K)."""

FRESH_SEED = 50_000_000
"""First seed of the scenes that figures are measured on; training draws from far below."""

CONTROLS = ("blank picture", "blank sound", "noise picture", "noise sound", "sound of another scene")


@dataclass(frozen=True)
class Share:
    """A share of right answers, with its 95 % Wilson interval."""

    right: int
    of: int

    def to_dict(self) -> dict[str, float | int | list[float]]:
        """Plain figures, rounded to a thousandth."""
        low, high = wilson(self.right, self.of)
        return {
            "share": round(self.right / self.of, 3),
            "interval_95": [round(low, 3), round(high, 3)],
            "of": self.of,
        }


def wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, right / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - reach) / (1 + z * z / of), (middle + reach) / (1 + z * z / of)


def within_a_class(wanted: np.ndarray, answered: np.ndarray) -> Share:
    """How many answers lie at most one class, 0.2 s, beside the truth (N,)."""
    return Share(int((np.abs(wanted - answered) <= 1).sum()), len(wanted))


def exact(wanted: np.ndarray, answered: np.ndarray) -> Share:
    """How many answers are the very class (N,)."""
    return Share(int((wanted == answered).sum()), len(wanted))


def chance(classes: int) -> float:
    """What guessing gets within a class: 3 of `classes`, but 2 at either end of the grid."""
    return (3 * classes - 2) / classes**2


@dataclass(frozen=True)
class Windows:
    """Windows with a known offset each."""

    frames: np.ndarray
    """uint8 (N, T, H, W, 3)."""
    samples: np.ndarray
    """float32 (N, samples)."""
    wanted: np.ndarray
    """int (N,): the class."""


def draw_window(
    scene: Scene, label: int, rng: np.random.Generator, clip: Clip
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and samples of a window from anywhere in the scene, with the offset of class `label`."""
    start_s = draw_start_s(rng, OFFSETS_S[label], scene_s=len(scene.frames) / FPS, window_s=clip.window_s)
    return cut(
        scene.frames,
        scene.samples,
        start_s=start_s,
        offset_s=OFFSETS_S[label],
        window_s=clip.window_s,
        fps=clip.fps,
        rate=clip.sample_rate,
    )


def fresh_windows(count: int, clip: Clip, recipe: Recipe = FULL, *, first_seed: int = FRESH_SEED) -> Windows:
    """One window of each of `count` scenes, the classes in turn so that each comes equally often."""
    frames, samples, wanted = [], [], []
    for number in range(count):
        rng = np.random.default_rng([first_seed, number])
        scene = render(first_seed + number, recipe)
        label = number % len(OFFSETS_S)
        seen, heard = draw_window(scene, label, rng, clip)
        frames.append(crop_centre(seen, clip.crop))
        samples.append(heard)
        wanted.append(label)
    return Windows(np.stack(frames), np.stack(samples), np.array(wanted))


def without_a_clue(windows: Windows, control: str, seed: int = 0) -> Windows:
    """The same windows with what could tell the offset taken away; `control` is one of `CONTROLS`."""
    rng = np.random.default_rng(seed)
    frames, samples = windows.frames, windows.samples
    if control == "blank picture":
        frames = np.zeros_like(frames)
    elif control == "noise picture":
        frames = rng.integers(0, 256, frames.shape, dtype=np.uint8)
    elif control == "blank sound":
        samples = np.zeros_like(samples)
    elif control == "noise sound":
        samples = rng.normal(0, 0.1, samples.shape).astype(np.float32)
    elif control == "sound of another scene":
        samples = np.roll(samples, 1, axis=0)
    else:
        raise ValueError(f"no control {control!r}; there are {', '.join(CONTROLS)}")
    return Windows(frames, samples, windows.wanted)


def inputs(frames: np.ndarray, samples: np.ndarray, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """What the network eats of one window: (T, 3, H, W) and (1, F, Ta)."""
    return imagenet_floats(frames), log_spectrogram(samples, n_fft=clip.n_fft, hop=clip.hop)[None]


def answers(scorer: Scorer, windows: Windows, clip: Clip, *, batch: int = 16) -> np.ndarray:
    """Logits (N, K) of all windows."""
    return np.concatenate([scorer(vis, aud) for vis, aud in _batches(windows, clip, batch)])


def _batches(windows: Windows, clip: Clip, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for first in range(0, len(windows.wanted), batch):
        pairs = [
            inputs(frames, samples, clip)
            for frames, samples in zip(
                windows.frames[first : first + batch], windows.samples[first : first + batch], strict=True
            )
        ]
        yield np.stack([vis for vis, _ in pairs]), np.stack([aud for _, aud in pairs])


def accuracy(scorer: Scorer, clip: Clip, windows: Windows) -> Share:
    """How often a scorer is within a class."""
    return within_a_class(windows.wanted, answers(scorer, windows, clip).argmax(1))


def measure(scorer: Scorer, clip: Clip, windows: Windows) -> dict[str, object]:
    """The figures on fresh windows: accuracy, its controls, and how far off the wrong ones were."""
    answered = answers(scorer, windows, clip).argmax(1)
    return {
        "within 0.2 s": within_a_class(windows.wanted, answered).to_dict(),
        "exact class": exact(windows.wanted, answered).to_dict(),
        "chance within 0.2 s": round(chance(len(OFFSETS_S)), 3),
        "controls within 0.2 s": {
            control: accuracy(scorer, clip, without_a_clue(windows, control)).to_dict()
            for control in CONTROLS
        },
        "by offset": _by_offset(windows.wanted, answered),
        "confusion": _confusion(windows.wanted, answered),
        "scenes": len(windows.wanted),
        "first seed": FRESH_SEED,
    }


def _by_offset(wanted: np.ndarray, answered: np.ndarray) -> dict[str, float]:
    return {
        f"{offset_s:+.1f}": round(float((np.abs(answered[wanted == label] - label) <= 1).mean()), 3)
        for label, offset_s in enumerate(OFFSETS_S)
        if (wanted == label).any()
    }


def _confusion(wanted: np.ndarray, answered: np.ndarray) -> list[list[int]]:
    """Rows: what was true; columns: what was answered; both from -2 s to +2 s."""
    table = np.zeros((len(OFFSETS_S), len(OFFSETS_S)), int)
    np.add.at(table, (wanted, answered), 1)
    return table.tolist()


# Real clips


def _read(path: Path, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """All frames, cropped, and all samples of a file, at the network's rates."""
    stretch = Stretch(path, 0.0, probe(path).duration_s or 0.0)
    chunks = [
        crop_centre(chunk.frames, clip.crop)
        for chunk in pictures(stretch, fps=clip.fps, side=clip.side)
        if chunk.frames is not None
    ]
    return np.concatenate(chunks), read_sound(stretch, rate=clip.sample_rate)


def clip_windows(
    frames: np.ndarray, samples: np.ndarray, true_s: float, clip: Clip
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Frames, samples and class of every shift of the grid that a clip has room for.

    The shifts are spread over the clip and never padded; `true_s` is how early its sound is as it came.
    """
    length_s = min(len(frames) / clip.fps, len(samples) / clip.sample_rate)
    for label, offset_s in enumerate(OFFSETS_S):
        shift_s = float(offset_s) - true_s
        low_s = max(0.0, -shift_s)
        high_s = min(length_s - clip.window_s, length_s - clip.window_s - shift_s)
        if high_s < low_s:
            continue
        seen, heard = cut(
            frames,
            samples,
            start_s=(low_s + high_s) / 2,
            offset_s=shift_s,
            window_s=clip.window_s,
            fps=clip.fps,
            rate=clip.sample_rate,
        )
        yield seen, heard, label


def measure_media(scorer: Scorer, clip: Clip, folder: Path) -> dict[str, object]:
    """Single windows of the clips that `folder`'s manifest calls synchronisable by eye, at every shift."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    by_clip: dict[str, Share] = {}
    for entry in manifest["clips"]:
        if not entry["synchronizable_by_eye"]:
            continue
        frames, samples = _read(folder / entry["file"], clip)
        cuts = list(clip_windows(frames, samples, entry["audio_early_s"], clip))
        if not cuts:
            continue
        windows = Windows(*(np.stack(part) for part in zip(*cuts, strict=True)))
        answered = answers(scorer, windows, clip).argmax(1)
        by_clip[entry["file"]] = within_a_class(windows.wanted, answered)
    shares = np.array([share.right / share.of for share in by_clip.values()])
    draws = np.random.default_rng(0).choice(shares, (2000, len(shares))).mean(1)
    return {
        # Each clip counts as much as another, however many shifts it has room for.
        "within 0.2 s, mean over clips": round(float(shares.mean()), 3),
        # The shifts of one clip are no independent samples: drawn anew are whole clips.
        "interval_95 by clip": [round(float(end), 3) for end in np.percentile(draws, [2.5, 97.5])],
        "chance within 0.2 s": round(chance(len(OFFSETS_S)), 3),
        "clips": len(shares),
        "windows": sum(share.of for share in by_clip.values()),
        "windows within 0.2 s": sum(share.right for share in by_clip.values()),
        "by clip": {name: share.to_dict()["share"] for name, share in by_clip.items()},
    }


# The command


def checkpoint_scorer(path: Path) -> tuple[Scorer, Clip]:
    """A training's checkpoint, and what it wants to be fed."""
    import torch

    from models import checkpoints
    from models.sync.config import SyncConfig
    from models.sync.sparsesync import SparseSync

    held = checkpoints.load(path)
    config = SyncConfig.from_dict(held.config)
    network = SparseSync(config.network).eval()
    checkpoints.fill(network, held.state_dict, source=str(path))

    @torch.inference_mode()
    def score(vis: np.ndarray, aud: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(vis), torch.from_numpy(aud)).numpy()

    return score, config.clip


def bundle_scorer(folder: Path) -> tuple[Scorer, Clip]:
    """A bundle as the plugin runs it, on the CPU."""
    model = bundles.load(folder, device="cpu")
    return lambda vis, aud: model("logits", vis=vis, aud=aud)["logits"], Clip(**model.card.preprocessing)


def _without_names(figure: dict[str, object]) -> dict[str, object]:
    """A card tells how clips fared, not what they are called."""
    return {what: value for what, value in figure.items() if what != "by clip"}


@click.command()
@click.argument("network", type=click.Path(exists=True, path_type=Path))
@click.option("--scenes", default=0, help="How many fresh rendered scenes.")
@click.option(
    "--media", type=click.Path(exists=True, path_type=Path), help="A folder of clips with manifest.json."
)
@click.option("--figures", type=click.Path(path_type=Path), help="A figures.json that also gets them.")
def main(network: Path, scenes: int, media: Path | None, figures: Path | None) -> None:
    """Measure NETWORK, a checkpoint or a bundle, and print figures as JSON."""
    scorer, clip = bundle_scorer(network) if network.is_dir() else checkpoint_scorer(network)
    found: dict[str, dict[str, object]] = {}
    if scenes:
        found["fresh rendered scenes"] = measure(scorer, clip, fresh_windows(scenes, clip))
    if media:
        found["real clips, single windows"] = measure_media(scorer, clip, media)
    if figures:
        words = json.loads(figures.read_text(encoding="utf-8"))
        words["figures"].update({what: _without_names(figure) for what, figure in found.items()})
        figures.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
