"""The whole path of foley: learnt in small, exported, and heard on a timeline by every road."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.__main__ import cli  # noqa: E402
from models.foley import (  # noqa: E402
    data,
    experiments,
    invented,
    train_classifier,
    train_codebook,
    train_sampler,
    train_vocoder,
    trained,
)
from otio_avassist import bundles, features, places, sampling, sounds  # noqa: E402
from otio_avassist.__main__ import main  # noqa: E402
from otio_avassist.generator import Generator, Rows  # noqa: E402
from tests.cuts import time_range  # noqa: E402
from tests.pretend import BLACK, paint  # noqa: E402

pytestmark = pytest.mark.slow

KINDS = ("chirp", "hiss", "knock")
CODES, SHOWN = 24, 3
"""Of the codebook; and rows of features before the codes."""
STEP_S = 1 / invented.ROWS_A_SECOND
LENGTH_S = 2.4
"""Of the shot: longer than the network sees at once."""


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs, with the set in it, each by its command."""
    runs = tmp_path_factory.mktemp("learnt")
    invented.render(runs / "set", kinds=KINDS, train=4, valid=2)
    small = {"size": invented.settings(), "batch": 4}
    book = {
        "codebook": {**experiments.CODEBOOK["codebook"], "codes": CODES},
        "judge_from": 20,
        "base_lr": 1e-3,
    }
    shown = {"features": SHOWN, "class_token": True, "base_lr": 5e-4}
    settings: dict[str, dict[str, Any]] = {
        "classifier": {**experiments.VGGISHISH, **small, "epochs": 2},
        "codebook": {**experiments.CODEBOOK, **small, **book, "epochs": 8},
        "sampler": {**experiments.SAMPLER, **small, **shown, "epochs": 20},
        "vocoder": {**experiments.VOCODER, "segment": 4096, "epochs": 1},
    }
    of_set = ["--data", runs / "set", "--layout", "vas"]
    commands = {
        "classifier": (train_classifier.main, ["--network", "vggishish"]),
        "codebook": (train_codebook.main, ["--lpaps", runs / "classifier" / "classifier.pt"]),
        "sampler": (train_sampler.main, ["--codebook", runs / "codebook" / "codebook.pt"]),
        "vocoder": (train_vocoder.main, []),
    }
    for name, (command, own) in commands.items():
        (runs / f"{name}.json").write_text(json.dumps(settings[name]))
        where = ["--out", runs / name, "--settings", runs / f"{name}.json", "--seed", "1", "--threads", "1"]
        ran = CliRunner().invoke(command, [*map(str, [*of_set, *own, *where])])
        assert ran.exit_code == 0, ran.output
    return runs


@pytest.fixture(scope="module")
def bundle(learnt: Path) -> Path:
    """The bundle, alone in a folder of bundles."""
    out = learnt / "bundles" / "mine"
    names = {"checkpoint": "sampler", "vocoder": "vocoder", "classifier": "classifier"}
    words = [
        str(each) for option, name in names.items() for each in (f"--{option}", learnt / name / f"{name}.pt")
    ]
    done = CliRunner().invoke(cli, ["foley", *words, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "NAME_features.npy stands beside the media, 21.5 rows of 24 a second" in done.output
    return out


@pytest.fixture(scope="module")
def in_32_bits(bundle: Path) -> bundles.Bundle:
    """The same, asked in 32 bits on the CPU, too."""
    folder = bundle.parent.parent / "exact"
    folder.mkdir()
    for graph in bundle.glob("*.onnx"):
        (folder / graph.name).hardlink_to(graph)
    card = bundles.Card.read(bundle)
    step = replace(card.graphs["step"], int8=None)
    replace(card, graphs={**card.graphs, "step": step}).write(folder)
    return bundles.open_bundle(folder, device="cpu")


@pytest.fixture(scope="module")
def held_out(learnt: Path) -> data.Clips:
    return data.read_sets(learnt / "set", "vas", extractor="resnet50", size=invented.SIZE)[1]


def test_the_card_says_what_was_trained_and_how_near_the_graphs_are(bundle: Path, learnt: Path) -> None:
    card = bundles.Card.read(bundle)
    assert card.graphs.keys() == {"condition", "step", "decode", "encode", "vocode", "hear"}
    numbers = card.preprocessing
    assert card.classes == KINDS
    assert (numbers["codes"], numbers["rows"], numbers["columns"]) == (CODES, 5, 6)
    assert (numbers["features"]["count"], numbers["features"]["width"]) == (SHOWN, invented.WIDTH)
    assert (numbers["features"]["extractor"], numbers["features"]["made_by"]) == ("file", "resnet50")
    # Three rows of pictures and a class stand before the codes.
    assert numbers["capacity"] == SHOWN + 1 + 5 * 6
    assert numbers["sampling"]["top_k"] == CODES
    said = json.loads((learnt / "sampler" / "figures.json").read_text())
    assert (card.training, card.figures) == (said["training"], said["figures"])
    assert card.training["settings"]["features"] == SHOWN

    of_scores = card.parity["step"].pop("int8")["scores"]
    apart = [figure for outputs in card.parity.values() for figure in outputs.values()]
    assert card.parity.keys() == card.graphs.keys()
    assert len(apart) == 7
    assert all(0 <= figure < 1e-4 for figure in apart)
    assert 0 < of_scores < 1


@torch.inference_mode()
def test_the_cards_parity_figure_is_what_comes_of_comparing_again(
    in_32_bits: bundles.Bundle, learnt: Path
) -> None:
    """A figure of another network, or of none, would be another order of magnitude."""
    _, vocoder = trained.read_vocoder(learnt / "vocoder" / "vocoder.pt")
    mel = torch.rand(2, 80, 40)
    apart = np.abs(in_32_bits["vocode"](mel=mel.numpy())["samples"] - vocoder(mel)[:, 0].numpy()).max()
    assert apart < 10 * in_32_bits.card.parity["vocode"]["samples"] + 1e-7


def test_the_bundle_finds_held_out_sounds_as_likely_as_training_did(
    in_32_bits: bundles.Bundle, held_out: data.Clips
) -> None:
    """Sounds to codes, pictures and class to a condition, codes to scores: all by the graphs."""
    items = range(len(held_out))
    codes = in_32_bits["encode"](mel=held_out.mels(items)[:, 0].numpy())["codes"].reshape(len(items), -1)
    rows = held_out.features(items, SHOWN, width=invented.WIDTH).mT.numpy()
    classes = held_out.targets(items).numpy()
    found = nats(in_32_bits, codes, {"features": rows, "class": classes})
    assert found == pytest.approx(in_32_bits.card.figures["validation"]["score"], abs=1e-4)
    # And it has learnt something: better than by chance, and worse of what isn't shown.
    assert found < np.log(CODES) - 0.5
    other = {"features": np.roll(rows, 2, axis=0), "class": np.roll(classes, 2)}
    assert nats(in_32_bits, codes, other) > found + 0.1


def nats(bundle: bundles.Bundle, codes: np.ndarray, told: dict[str, np.ndarray]) -> float:
    """Mean cross-entropy of codes (B, t)."""
    prefix = bundle["condition"](**told)["prefix"]
    loop = bundle["step"].loop(len(codes), prefix.shape[1] + codes.shape[1])
    total, given = 0.0, {"prefix": prefix, "codes": codes[:, :0]}
    for at in range(codes.shape[1]):
        likely = torch.from_numpy(loop(**given)).log_softmax(-1)
        total -= float(likely[range(len(codes)), codes[:, at]].sum())
        given = {"prefix": prefix[:, :0], "codes": codes[:, at : at + 1]}
    return total / codes.size


@torch.inference_mode()
def test_a_take_is_what_the_networks_make_in_pytorch(
    in_32_bits: bundles.Bundle, learnt: Path, held_out: data.Clips
) -> None:
    item, seed = 3, 5
    made = Generator(in_32_bits)
    [part] = made.parts(1.1)
    # Of 26 rows training takes the 24 in the middle.
    values = np.load(held_out.path(held_out.clips[item], data.FEATURES["resnet50"][0], ".npy"))[1:25]
    kind = held_out.clips[item].sound
    [take] = np.concatenate(
        [
            *made.make(
                [part], iter([Rows(values, 0.0, STEP_S, STEP_S)]), sound=kind,
                randoms=[np.random.default_rng(seed)],
            )
        ],
        axis=1,
    )  # fmt: skip

    _, sampler, codebook = trained.read_sampler(learnt / "sampler" / "sampler.pt")
    _, vocoder = trained.read_vocoder(learnt / "vocoder" / "vocoder.pt")
    told = {
        "features": held_out.features([item], SHOWN, width=invented.WIDTH),
        "classes": torch.tensor([[KINDS.index(kind)]]),
    }
    so_far = torch.zeros(1, 0, dtype=torch.long)

    def ask(prefix: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The whole sequence anew at each step."""
        nonlocal so_far
        so_far = torch.cat([so_far, torch.from_numpy(codes)], dim=1)
        return sampler(so_far, **told)[:, -1].numpy()

    drawn = sampling.draw_codes(
        ask, 30, prefix=np.zeros((1, 1, 1)), primed=np.zeros((1, 0), np.int64),
        randoms=[np.random.default_rng(seed)], top_k=100,
    )  # fmt: skip
    mel = codebook.decode_codes(torch.from_numpy(drawn).view(1, 6, 5).mT)[:, 0] / 2 + 0.5
    wanted = vocoder(mel.clamp(0, 1))[0, 0].numpy()
    assert take.shape == wanted.shape == (6 * 16 * 256,)
    np.testing.assert_allclose(take, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert len(set(drawn[0])) > 3
    assert made.relevance(take, kind) == pytest.approx(heard(learnt, take, kind), abs=1e-4)


def heard(learnt: Path, samples: np.ndarray, kind: str) -> float:
    """How surely the classifier hears a sound as a kind."""
    config, ear = trained.read_classifier(learnt / "classifier" / "classifier.pt")
    again = np.resize(samples, 6 * 16 * 256)
    mel = torch.from_numpy(features.signals.foley_log_mel(again)[None, None, :, :96])
    likely = ear(trained.standardised(mel, torch.tensor(config["statistics"]))).softmax(-1)
    return float(likely[0, KINDS.index(kind)])


# On a timeline


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A timeline of one silent film, what its pictures show beside it, from 01:00:00:00 on."""
    folder = tmp_path_factory.mktemp("cut")
    film = paint(folder / "film.mp4", [(BLACK, 4)], fps=25)
    rng = np.random.default_rng(2)
    rows = invented.looks(2, invented.moments_s(rng), rng, rows=round(4 * invented.ROWS_A_SECOND))
    np.save(features.rows_file(film), rows)
    media = otio.schema.ExternalReference(str(film), time_range(0, 100))
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(90000, 25))
    clip = otio.schema.Clip("film", media, time_range(20, LENGTH_S * 25))
    timeline.tracks.append(otio.schema.Track("V1", [clip], kind="Video"))
    timeline.to_json_file(str(folder / "cut.otio"))
    return folder / "cut.otio"


def laid(path: Path) -> list[bytes]:
    """The takes that a timeline has of us, the one that plays first; checked to be whole and to fit."""
    [clip] = [
        each.clip
        for each in places.walk(otio.adapters.read_from_file(str(path)))
        if each.address.track.startswith("avassist foley")
    ]
    assert clip.name == "hiss"
    assert clip.source_range == time_range(0, LENGTH_S * 25)
    found = [Path(each.target_url) for each in clip.media_references().values()]
    assert all(each.name.startswith("foley_hiss_") for each in found)
    for each in found:
        assert sounds.duration_s(each) == pytest.approx(LENGTH_S, abs=1e-6)
        assert sounds.measure([sounds.read(each)]).true_peak_dbtp <= -1
    return [each.read_bytes() for each in found]


@pytest.fixture(scope="module")
def by_name(bundle: Path, cut: Path) -> tuple[Path, list[bytes]]:
    """What the command lays with the bundle named."""
    out = cut.parent / "named" / "out.otio"
    out.parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        command(patch, cut, out, "--bundle", bundle)
    return out, laid(out)


def command(monkeypatch: pytest.MonkeyPatch, cut: Path, out: Path, *words: object) -> None:
    asked = ["--sound", "hiss", "--takes", 2, "--no-sync-check", "--device", "cpu", "-q", "--report"]
    words = ("avassist", "foley", cut, "-o", out, *asked, out.with_suffix(".json"), *words)
    monkeypatch.setattr("sys.argv", [*map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code


def test_the_command_lays_takes_of_a_bundle_that_is_named(
    by_name: tuple[Path, list[bytes]], bundle: Path
) -> None:
    out, takes = by_name
    assert len(set(takes)) == 2
    report = json.loads(out.with_suffix(".json").read_text())
    [used] = report["bundles"]
    assert used["sha256"] == bundles.open_bundle(bundle, device="cpu").sha256
    [finding] = report["findings"]
    # Heard by its own classifier, and the better one plays.
    heard_as = [take["relevance"] for take in finding["takes"]]
    assert heard_as == sorted(heard_as, reverse=True)
    assert all(0 < each < 1 for each in heard_as)


def test_without_its_file_of_features_it_says_so_and_takes_are_others(
    by_name: tuple[Path, list[bytes]],
    bundle: Path,
    cut: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = ["--bundle", bundle, "--foley-dir", tmp_path / "takes"]
    features.rows_file(cut.with_name("film.mp4")).rename(tmp_path / "kept.npy")
    try:
        command(monkeypatch, cut, tmp_path / "unseen.otio", *named)
    finally:
        (tmp_path / "kept.npy").rename(features.rows_file(cut.with_name("film.mp4")))
    [finding] = json.loads((tmp_path / "unseen.json").read_text())["findings"]
    assert any("film_features.npy with its features isn't there" in doubt for doubt in finding["doubts"])
    assert not set(laid(tmp_path / "unseen.otio")) & set(by_name[1])


def test_the_variable_and_the_hook_lay_the_same_bytes(
    by_name: tuple[Path, list[bytes]],
    bundle: Path,
    cut: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(bundles.VARIABLE, str(bundle.parent))
    command(monkeypatch, cut, tmp_path / "out.otio")
    # The command silences hooks for its whole process.
    monkeypatch.delenv("AVASSIST_HOOKS")
    assert laid(tmp_path / "out.otio") == by_name[1]

    own = {"OTIO_SCHEMA": "PluginManifest.1", "hooks": {"pre_adapter_write": ["avassist_foley"]}}
    (tmp_path / "own.json").write_text(json.dumps(own))
    words = "avassist={'sound': 'hiss', 'takes': 2, 'sync_check': False, 'device': 'cpu', 'strict': True}"
    done = subprocess.run(
        [
            Path(sys.executable).with_name("otioconvert"), "-i", cut, "-o", tmp_path / "hooked.otio",
            "--hook-function-arg", words,
        ],
        env={**os.environ, "OTIO_PLUGIN_MANIFEST_PATH": str(tmp_path / "own.json")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert laid(tmp_path / "hooked.otio") == by_name[1]
