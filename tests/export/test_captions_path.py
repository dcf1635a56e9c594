"""The whole path of a captioner: learnt in small, exported, and heard on a timeline by every road."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.__main__ import cli  # noqa: E402
from models.captions import metrics, train  # noqa: E402
from models.captions.experiments import CAPTIONS  # noqa: E402
from otio_avassist import bundles, signals  # noqa: E402
from otio_avassist.__main__ import main  # noqa: E402
from tests.pretend import GREEN, RED, WHISTLE_HZ, paint  # noqa: E402

pytestmark = pytest.mark.slow

STEP_S = 0.5
# Extractors that need no network of others: a row is one number.
ROWS = {
    "audio": {"extractor": "loudness", "step_s": STEP_S, "length_s": STEP_S},
    "video": {"extractor": "brightness", "step_s": STEP_S, "length_s": STEP_S},
}
LOUD = {"a whistle": 0.2, "silence": 0.0}
BRIGHT = {"green": float(signals.LUMA @ GREEN) / 255, "red": float(signals.LUMA @ RED) / 255}
SCENES = (("red", "a whistle"), ("green", "silence"), ("red", "silence"), ("green", "a whistle"))
SCENE_S = 5
SIZES = {
    **{f"{part}_width": 16 for part in ("audio", "video", "caption", "word", "inner")},
    **{f"{part}_hidden": 32 for part in ("audio", "video", "caption")},
    "heads": 2, "layers": 1, "longest": 64, "linear_embedder": True, "dropout": 0.0,
}  # fmt: skip
HEADS = {"kernels": (3, 9), "convolutions": (16,), "anchors": 2, "rows": 48}


def sentence(colour: str, sound: str) -> str:
    return f"{colour} is seen with {sound}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has learnt to tell two colours and two sounds, as published but small."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("learnt")
    draw = np.random.default_rng(1)
    lines = ["\t".join(CAPTIONS)]
    for number, (colour, sound) in enumerate([*product(BRIGHT, LOUD)] * 6):
        start_s, end_s = sorted(draw.choice(np.arange(1, 19), 2, replace=False))
        inside = slice(int(start_s / STEP_S), int(end_s / STEP_S))
        for name, value in (("rgb", BRIGHT[colour]), ("vggish", LOUD[sound])):
            rows = draw.uniform(0, 0.6, (int(20 / STEP_S), 1))
            rows[inside] = value * draw.uniform(0.9, 1.1, rows[inside].shape)
            np.save(folder / f"v{number}_{name}.npy", rows.astype(np.float32))
        lines.append(
            "\t".join(
                map(str, (f"v{number}", sentence(colour, sound), start_s, end_s, 20.0, "train", number))
            )
        )
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    settings = train.Settings(
        order="cap-prop", captioner=SIZES, heads={"audio": HEADS, "video": HEADS}, lr=1e-2, smoothing=0.5,
        batch=12, proposal_batch=12, epochs=60, max_words=8, max_proposals=10,
    )  # fmt: skip
    sets = train.read_sets(
        settings, table=folder / "train.csv", valid=[folder / "train.csv"],
        folders={"audio": folder, "video": folder}, flow=False, step_s={"audio": STEP_S, "video": STEP_S},
    )  # fmt: skip
    run = train.Run(settings, replace(sets, rows=ROWS), folder / "run", metrics.plain_tools(), quiet=True)
    run.train()
    run.finish()
    return folder / "run"


@pytest.fixture(scope="module")
def bundle(trained: Path) -> Path:
    """The bundle, alone in a folder of bundles."""
    out = trained.parent / "bundles" / "mine"
    done = CliRunner().invoke(
        cli, ["captions", "--checkpoint", str(trained / "captions.pt"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A timeline of one film with four scenes, from 01:00:00:00 on."""
    folder = tmp_path_factory.mktemp("cut")
    colours = {"red": RED, "green": GREEN}
    film = paint(
        folder / "film.mkv",
        [(colours[colour], SCENE_S) for colour, _ in SCENES],
        [(WHISTLE_HZ if sound == "a whistle" else None, SCENE_S) for _, sound in SCENES],
    )
    whole = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(25 * SCENE_S * len(SCENES), 25)
    )
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(90000, 25))
    for kind in ("Video", "Audio"):
        clip = otio.schema.Clip("film", otio.schema.ExternalReference(str(film), whole), whole)
        timeline.tracks.append(otio.schema.Track(kind, [clip], kind=kind))
    timeline.to_json_file(str(folder / "cut.otio"))
    return folder / "cut.otio"


def spoken(path: Path) -> list[tuple[float, str]]:
    """Where the markers of a timeline begin, in seconds, and what they say."""
    timeline = otio.adapters.read_from_file(str(path))
    return sorted(
        (marker.marked_range.start_time.to_seconds(), marker.comment.lower().partition(".")[0])
        for marker in timeline.tracks.markers
    )


TRUTH = [(SCENE_S * number, sentence(*scene)) for number, scene in enumerate(SCENES)]


def near_truth(found: list[tuple[float, str]]) -> bool:
    return [text for _, text in found] == [text for _, text in TRUTH] and np.allclose(
        [at_s for at_s, _ in found], [at_s for at_s, _ in TRUTH], rtol=0, atol=0.2
    )


ASKED = ["--levels", "scene", "--per-minute", "30", "--speech", "none", "--device", "cpu", "-q"]


@pytest.mark.parametrize("road", ["named", "variable"])
def test_the_command_says_what_was_learnt(
    road: str, bundle: Path, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ["--bundle", str(bundle)]
    if road == "variable":
        monkeypatch.setenv(bundles.VARIABLE, str(bundle.parent))
        named = []
    out = tmp_path / "out.otio"
    monkeypatch.setattr("sys.argv", ["avassist", "captions", str(cut), "-o", str(out), *named, *ASKED])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert near_truth(spoken(out)), spoken(out)


def test_the_hook_says_what_was_learnt(bundle: Path, cut: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.otio"
    words = "avassist=captions,levels=scene,per_minute=30,speech=none,device=cpu"
    done = subprocess.run(
        [Path(sys.executable).with_name("otioconvert"), "-i", cut, "-o", out, "--hook-function-arg", words],
        env={**os.environ, bundles.VARIABLE: str(bundle.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert near_truth(spoken(out)), (spoken(out), done.stderr)


def test_its_own_proposals_are_described_too(
    bundle: Path, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.otio"
    asked = ["--bundle", str(bundle), "--levels", "event", *ASKED[2:]]
    monkeypatch.setattr("sys.argv", ["avassist", "captions", str(cut), "-o", str(out), *asked])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    found = spoken(out)
    assert found
    assert {text for _, text in found} <= {text for _, text in TRUTH}
