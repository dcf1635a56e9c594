"""Each kind of captioner that training makes, as it begins: exported, it says what PyTorch says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.captions import export_checkpoint  # noqa: E402
from models import checkpoints  # noqa: E402
from models.captions import experiments, metrics, train  # noqa: E402
from models.captions.experiments import STEP_S, Case  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from tests.export.test_released import greedy, spoken  # noqa: E402

FIGURES = {"network": "a small one", "version": "1", "training": {}, "figures": {}}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    experiments.render(folder, videos=4, valid=1)
    return folder


def begun(drawn: Path, folder: Path, network: str, streams: tuple[str, ...]) -> train.Run:
    """A run, and its checkpoint as if it had ended at once."""
    settings = experiments.settings_of(Case("", "", network, streams), steps=1, seed=2)
    sets = train.read_sets(
        settings,
        table=drawn / "train.csv",
        valid=[drawn / "val_1.csv"],
        folders={stream: drawn / "features" for stream in streams if stream != "speech"},
        speech=drawn / "speech.csv" if "speech" in streams else None,
        step_s=STEP_S,
    )
    run = train.Run(settings, sets, folder, metrics.plain_tools(), quiet=True)
    weights = {f"captioner.{key}": weight for key, weight in run.captioner.state_dict().items()}
    checkpoints.save(folder / "captions.pt", run.to_dict(), weights)
    (folder / "figures.json").write_text(json.dumps(FIGURES))
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "streams", "needs"),
    [
        ("bmt", ("audio",), ("vggish",)),
        ("bmt", ("video",), ("i3d",)),
        ("mdvc", ("audio", "video", "speech"), ("vggish", "i3d")),
    ],
    ids=["hears", "sees", "hears, sees and is told"],
)
def test_the_bundle_says_what_the_run_says(
    drawn: Path, tmp_path: Path, network: str, streams: tuple[str, ...], needs: tuple[str, ...]
) -> None:
    run = begun(drawn, tmp_path, network, streams)
    card = export_checkpoint(tmp_path / "captions.pt", tmp_path / "bundle")
    assert tuple(card.graphs["encode"].inputs) == streams
    assert card.needs == needs
    assert ("speech_vocabulary" in card.preprocessing) == ("speech" in streams)
    given = run.sets.train.batch(range(4)).streams
    said = [each.tokens for each in spoken(tmp_path / "bundle", given, max_words=6)]
    assert said == greedy(run.captioner.eval(), given, 6)


def test_a_network_that_only_the_comparison_has_is_refused_by_its_kind(drawn: Path, tmp_path: Path) -> None:
    begun(drawn, tmp_path, "recurrent", ("audio", "video"))
    with pytest.raises(CheckpointError, match="recurrent"):
        export_checkpoint(tmp_path / "captions.pt", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
