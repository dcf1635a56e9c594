"""Clips -> what `data` reads of them: `python -m models.foley.prepare vas DATA`.

In: `DATA/vas/videos/CLASS/NAME.mp4`, or `DATA/vggsound/videos/NAME.mp4` (or where `--videos` says), cut to
what is to be learnt. Out: spectrograms, sounds and features in the folders of `data`, and its lists where
there are none. Features want weights of ResNet-50 (`--resnet50 FILE`, a state dict as torchvision names it);
BN-Inception's come from elsewhere. What is there isn't made again; a clip that can't be decoded is named and
left out.

Sound: the mean of the channels at 22,050 Hz in steps of 16 bits, the first 10 s, silence behind what is
shorter. Pictures: 21.5 a second, the short side 256, the middle 224; what is shorter begins again.
"""

from __future__ import annotations

import wave
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

from models import checkpoints
from models.foley import data
from models.foley.data import Layout
from otio_avassist import signals, windows
from otio_avassist.errors import AvAssistError
from otio_avassist.whole import replacing
from otio_avassist.windows import Stretch

RATE = 22_050
LENGTH_S = 10.0
FPS = 21.5
SIDE = 256
BATCH = 32


def sound_of(path: Path) -> np.ndarray:
    """The first 10 s of a file, in steps of 16 bits. Shape: int16 (220500,).

    Raises:
        MediaError: no sound that can be decoded.
    """
    samples = windows.read_sound(Stretch(path, 0.0, LENGTH_S), rate=RATE)
    filled = np.zeros(round(LENGTH_S * RATE), np.float32)
    filled[: len(samples)] = samples[: len(filled)]
    return np.clip(np.round(filled * 32_768), -32_768, 32_767).astype(np.int16)


def mel_of(samples: np.ndarray, frames: int = 860) -> np.ndarray:
    """int16 (N,) -> float32 (80, 860) in [0, 1]."""
    return signals.foley_log_mel(samples.astype(np.float32) / 32_768)[:, :frames].astype(np.float32)


@torch.inference_mode()
def features_of(path: Path, network: nn.Module) -> np.ndarray:
    """What ResNet-50 says of the pictures. Shape: float32 (215, 2048).

    Raises:
        MediaError: no pictures that can be decoded.
    """
    duration_s = min(LENGTH_S, windows.probe(path).duration_s or LENGTH_S)
    seen = windows.pictures(Stretch(path, 0.0, duration_s), fps=FPS, side=SIDE)
    rows = []
    for window in seen:
        assert window.frames is not None
        for first in range(0, len(window.frames), BATCH):
            pictures = signals.crop_centre(window.frames[first : first + BATCH], 224)
            rows.append(network(torch.from_numpy(signals.imagenet_floats(pictures))).numpy())
    found = np.concatenate(rows)
    count = data.Size().rows
    return np.tile(found, (-(-count // len(found)), 1))[:count]


def _write_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        np.save(part, array)


def _write_sound(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())


def prepare(video: Path, place: Path, network: nn.Module | None) -> None:
    """Make what is lacking of one clip in the folder that holds a class's, or all of a set's, folders.

    Raises:
        MediaError: it can't be decoded.
    """
    sound = place / data.SOUNDS / f"{video.stem}.wav"
    mel = place / data.MELS / f"{video.stem}_mel.npy"
    rows = place / data.FEATURES["resnet50"][0] / f"{video.stem}.npy"
    if not (sound.exists() and mel.exists()):
        samples = sound_of(video)
        _write_sound(sound, samples)
        _write_array(mel, mel_of(samples))
    if network is not None and not (rows.exists() or rows.with_suffix(".pkl").exists()):
        _write_array(rows, features_of(video, network))


def resnet50(path: Path) -> nn.Module:
    """The network of a file of weights.

    Raises:
        CheckpointError: not ResNet-50's.
    """
    from models.foley.resnet import ResNet50

    network = ResNet50().eval()
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file may raise anything
        raise checkpoints.CheckpointError(f"{path}: not a file of weights: {error}") from error
    held = held.get("state_dict", held)
    # What ResNet-50 says at the end, of ImageNet's classes, isn't asked here.
    weights = {name: weight for name, weight in held.items() if not name.startswith("fc.")}
    checkpoints.fill(network, weights, source=str(path))
    return network


@click.command()
@click.argument("layout", type=click.Choice(["vas", "vggsound"]))
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--videos", type=click.Path(path_type=Path), help="Where the clips lie; VAS: in folders by class."
)
@click.option("--resnet50", "weights", type=click.Path(path_type=Path), help="Weights; without: no features.")
def main(layout: Layout, root: Path, videos: Path | None, weights: Path | None) -> None:
    """Make spectrograms, sounds and features of clips."""
    try:
        network = resnet50(weights) if weights else None
        folder = videos or root / layout / "videos"
        found = sorted(folder.glob("*/*.*" if layout == "vas" else "*.*"))
        if not found:
            raise data.DataError(f"{folder}: no clips")
        lost = 0
        for video in found:
            place = root / "vas" / "features" / video.parent.name if layout == "vas" else root / "vggsound"
            try:
                prepare(video, place, network)
            except AvAssistError as error:
                lost += 1
                click.echo(f"left out: {error}", err=True)
        written = data.write_lists(root, layout)
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{len(found) - lost} of {len(found)} clips; wrote {', '.join(map(str, written)) or 'no lists'}"
    )


if __name__ == "__main__":
    main()
