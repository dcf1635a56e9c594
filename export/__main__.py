"""`python -m export TASK …`: from a checkpoint to the bundle that the plugin loads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otio_avassist.errors import AvAssistError

if TYPE_CHECKING:
    from otio_avassist.bundles import Card

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
out_option = click.option(
    "--out", type=FOLDER, required=True,
    help="The bundle's folder. What stands there is replaced when the new one has been checked.",
)  # fmt: skip
figures_option = click.option(
    "--figures", type=click.Path(dir_okay=False, path_type=Path),
    help="What training measured, for the card.  [default: figures.json beside the checkpoint]",
)  # fmt: skip
i3d_option = click.option("--i3d", type=FILE, help="Weights of I3D on colour, which sees.")
vggish_option = click.option("--vggish", type=FILE, help="Weights of VGGish, which hears.")
resnet50_option = click.option(
    "--resnet50", type=FILE,
    help="Weights of ResNet-50, which sees; without, features stand beside the media: NAME_features.npy.",
)  # fmt: skip
int8_option = click.option(
    "--int8/--no-int8", default=True, show_default=True,
    help="Also write the sampler in 8 bits, which the CPU is asked: quicker, and nearly the same.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Turn what training left behind into bundles: graphs, checked against PyTorch, and a card."""


@cli.command()
@click.option("--checkpoint", type=FILE, required=True, help="What training left behind: config and weights.")
@out_option
@figures_option
@click.option("--fp16", is_flag=True, help="Also write the graph in half precision, for GPUs.")
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many windows a GPU should get at once.",
)
def sync(checkpoint: Path, out: Path, figures: Path | None, fp16: bool, batch: int) -> None:
    """Export a sync network."""
    from export.sync import export_sync  # PyTorch takes seconds: not paid by --help

    done = export_sync(checkpoint, out, figures=figures, fp16=fp16, batch=batch)
    click.echo(f"{done.folder}: {done.card.network} {done.card.version}, parity {done.card.parity}")


@cli.command()
@click.option("--checkpoint", type=FILE, required=True, help="captions.pt of `models.captions.train`.")
@out_option
@figures_option
@i3d_option
@vggish_option
def captions(
    checkpoint: Path, out: Path, figures: Path | None, i3d: Path | None, vggish: Path | None
) -> None:
    """Export a captioner and its proposal network, with the words they know."""
    from export.captions import export_checkpoint

    card = export_checkpoint(checkpoint, out, figures=figures, i3d=i3d, vggish=vggish)
    _tell(out, card)


@cli.command()
@click.option("--checkpoint", type=FILE, required=True, help="sampler.pt of `models.foley.train_sampler`.")
@out_option
@figures_option
@click.option(
    "--vocoder", type=FILE, help="vocoder.pt of `train_vocoder`; without, sound is made by Griffin-Lim."
)
@click.option("--classifier", type=FILE, help="classifier.pt of `train_classifier`, which ranks takes.")
@resnet50_option
@int8_option
def foley(
    checkpoint: Path,
    out: Path,
    figures: Path | None,
    vocoder: Path | None,
    classifier: Path | None,
    resnet50: Path | None,
    int8: bool,
) -> None:
    """Export a sampler with its codebook, which make sounds for pictures."""
    from export.foley import export_checkpoint

    card = export_checkpoint(
        checkpoint, out, vocoder=vocoder, classifier=classifier, resnet50=resnet50, figures=figures, int8=int8
    )
    _tell_foley(out, card)


@cli.command()
@click.option(
    "--run",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of a run of `models.captions.compact.train`.",
)
@out_option
def compact(run: Path, out: Path) -> None:
    """Export the compact captions bundle, which comes with the plugin."""
    from export.compact import export_compact  # PyTorch takes seconds: not paid by --help

    card = export_compact(run, out)
    click.echo(
        f"{out}: {card.network} {card.version}, {len(card.classes)} words, sure {card.preprocessing['sure']}"
    )


@cli.command(name="compact-foley")
@click.option(
    "--run",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of a run of `models.foley.compact.train`.",
)
@click.option("--vocoder", is_flag=True, help="Also its vocoder; without, sound is made by Griffin-Lim.")
@out_option
def compact_foley(run: Path, vocoder: bool, out: Path) -> None:
    """Export the compact foley bundle, which comes with the plugin."""
    from export.compact_foley import export_compact_foley

    card = export_compact_foley(run, out, vocoder=vocoder)
    click.echo(f"{out}: {card.network} {card.version}, it makes {', '.join(map(str, card.classes))}")


@cli.command(name="compact-sync")
@click.option(
    "--run",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of a run of `models.sync.compact.train`.",
)
@out_option
def compact_sync(run: Path, out: Path) -> None:
    """Export the compact sync bundle, which comes with the plugin."""
    from export.compact_sync import export_compact_sync  # PyTorch takes seconds: not paid by --help

    card = export_compact_sync(run, out)
    click.echo(f"{out}: {card.network} {card.version}, parity {card.parity}")


@cli.command()
@click.argument("names", nargs=-1)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for their bundles.  [default: where bundles of this user are looked for]",
)
def fetch(names: tuple[str, ...], out: Path | None) -> None:
    """Bring other people's networks, as far as captions need them or by NAME, and make bundles of them."""
    from export.fetch import fetch_all  # PyTorch takes seconds: not paid by --help

    for folder in fetch_all(names or ("yamnet", "efficientnet-lite0"), out, click.echo):
        click.echo(folder)


def _tell(out: Path, card: Card) -> None:
    """What was made of a captioner, and what it still lacks."""
    apart = max(each for outputs in card.parity.values() for each in outputs.values())
    click.echo(
        f"{out}: {card.network} {card.version}, {len(card.classes)} words, graphs {', '.join(card.graphs)}; "
        f"onnxruntime within {apart:.1g} of PyTorch"
    )
    if card.needs:
        weights = " and ".join(f"--{name}" for name in card.needs if name in ("vggish", "i3d"))
        click.echo(
            f"It runs where there are bundles of {' and '.join(card.needs)}"
            + (f"; {weights} would take the weights into its own" if weights else "")
        )


def _tell_foley(out: Path, card: Card) -> None:
    """What was made of a sampler."""
    features = card.preprocessing["features"]
    click.echo(
        f"{out}: {card.network} {card.version}, graphs {', '.join(card.graphs)}; "
        f"scores within {card.parity['step']['scores']:.1g} of PyTorch"
    )
    if features and features["extractor"] == "file":
        click.echo(
            f"It runs where NAME_features.npy stands beside the media, {1 / features['step_s']:.4g} rows of "
            f"{features['width']} a second; --resnet50 would take the network that makes them into the bundle"
        )


@cli.group(name="import")
def import_() -> None:
    """Turn checkpoints that the authors of a paper released into bundles."""


def _words_and_extractors(command: Callable[..., None]) -> Callable[..., None]:
    """Options that every import of a captioner has."""
    for option in (
        out_option,
        click.option(
            "--flow",
            type=click.Choice(["none", "file"]),
            default="none",
            show_default=True,
            help="Features of optical flow: NAME_flow.npy beside the media; or none, and captions say so.",
        ),
        vggish_option,
        i3d_option,
        click.option(
            "--captions", type=FILE, help="Instead of the words: the training set's captions, train.csv."
        ),
        click.option("--vocabulary", type=FILE, help="The words in order: a JSON list, or one a line."),
    ):
        command = option(command)
    return command


@import_.command()
@click.option("--captioner", type=FILE, required=True, help="best_cap_model.pt as released.")
@click.option("--proposals", type=FILE, help="best_prop_model.pt as released.")
@_words_and_extractors
def bmt(
    captioner: Path,
    proposals: Path | None,
    vocabulary: Path | None,
    captions: Path | None,
    i3d: Path | None,
    vggish: Path | None,
    flow: str,
    out: Path,
) -> None:
    """Import BMT: captioner and proposal network."""
    from export.released import import_bmt  # PyTorch takes seconds: not paid by --help

    card = import_bmt(
        captioner, proposals, out, words=vocabulary, captions=captions, i3d=i3d, vggish=vggish, flow=flow
    )
    _tell(out, card)


@import_.command()
@click.option("--checkpoint", type=FILE, required=True, help="best_model.pt as released.")
@click.option("--speech-vocabulary", type=FILE, required=True, help="Words of what is said, in order.")
@_words_and_extractors
def mdvc(
    checkpoint: Path,
    speech_vocabulary: Path,
    vocabulary: Path | None,
    captions: Path | None,
    i3d: Path | None,
    vggish: Path | None,
    flow: str,
    out: Path,
) -> None:
    """Import MDVC, whose proposals come from a file."""
    from export.released import import_mdvc

    card = import_mdvc(
        checkpoint, out, words=vocabulary, captions=captions, speech_words=speech_vocabulary,
        i3d=i3d, vggish=vggish, flow=flow,
    )  # fmt: skip
    _tell(out, card)


@import_.command()
@click.option("--transformer", type=FILE, required=True, help="The sampler's checkpoint as released.")
@click.option(
    "--codebook", type=FILE,
    help="The codebook's checkpoint as released; without, the one in the sampler's file.",
)  # fmt: skip
@click.option("--vocoder", type=FILE, help="best_netG.pt of MelGAN; without, sound is made by Griffin-Lim.")
@click.option("--melception", type=FILE, help="The classifier that ranks takes.")
@click.option("--vggishish", type=FILE, help="Instead of Melception.")
@resnet50_option
@click.option("--classes", type=FILE, help="Names of sounds in order: a JSON list, or one a line.")
@click.option(
    "--statistics", type=FILE,
    help="Mean and deviation of each band, for a classifier; without, as the codebook's file has them.",
)  # fmt: skip
@click.option(
    "--heads", type=click.IntRange(min=1), default=16, show_default=True,
    help="Of the sampler's attention: its file doesn't say.",
)  # fmt: skip
@click.option(
    "--no-pictures", is_flag=True, help="Its features were noise in training: it is shown no pictures."
)
@int8_option
@out_option
def specvqgan(out: Path, heads: int, no_pictures: bool, int8: bool, **files: Path | None) -> None:
    """Import Spectrogram VQGAN: sampler, codebook and vocoder."""
    from export.specvqgan import Files, import_specvqgan

    card = import_specvqgan(Files(**files), out, heads=heads, pictures=not no_pictures, int8=int8)
    _tell_foley(out, card)


@import_.command()
@click.option("--checkpoint", type=FILE, required=True, help="A whole network as released: NAME.pt.")
@click.option(
    "--variant",
    type=click.Choice(
        ["auto", "lrs3", "lrs3-3", "vggsound-sparse", "vggsound-sparse-3", "vggsound", "audioset"]
    ),
    default="auto",
    show_default=True,
    help="Which training it is of, for the card; auto: by the file's name or its settings.",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Also write the graph with its convolutions in 8 bits, which the CPU is asked: a smaller file.",
)
@out_option
def sparsesync(checkpoint: Path, variant: str, int8: bool, out: Path) -> None:
    """Import SparseSync, which hears how early a sound is."""
    from export.sparsesync import import_sparsesync

    card = import_sparsesync(checkpoint, out, variant=variant, int8=int8).card
    click.echo(
        f"{out}: {card.network} {card.version}, {len(card.classes)} offsets from {card.classes[0]:+g} to "
        f"{card.classes[-1]:+g} s, windows of {card.preprocessing['window_s']:g} s; "
        f"logits within {card.parity['logits']:.1g} of PyTorch"
    )


def main() -> None:
    """Run the command; a failure is one line on stderr and the error's own exit code."""
    try:
        cli(prog_name="python -m export")
    except (AvAssistError, OSError) as error:
        click.echo(f"export: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, AvAssistError) else 1)


if __name__ == "__main__":
    main()
