"""The whole recipe of foley in small: from invented clips to checkpoints and figures, stopped and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from models import checkpoints, training  # noqa: E402
from models.foley import (  # noqa: E402
    data,
    evaluate,
    experiments,
    generate,
    invented,
    train_classifier,
    train_codebook,
    train_sampler,
    train_vocoder,
    trained,
)
from models.foley.codebook import Codebook  # noqa: E402
from models.foley.lpaps import LPAPS  # noqa: E402
from models.training import Learning, Processes, Progress, SettingsError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("hum", "knock", "hiss")
SIZE = invented.settings()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Six clips to learn from, three held out."""
    folder = tmp_path_factory.mktemp("set")
    invented.render(folder, kinds=KINDS, train=2, valid=1)
    return folder


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    torch.manual_seed(0)
    numbers = experiments.CODEBOOK["codebook"]
    return Codebook(train_codebook.CodebookConfig(resolution=SIZE["crop"], **numbers)).eval()


Train = Callable[..., Progress]


@dataclass(frozen=True)
class Script:
    """A training, as tests ask for it."""

    train: Callable[[Path, Codebook, dict[str, Any]], Train]
    """Root, a codebook, settings -> what is called with the run's folder."""
    leaves: str


def _classifier(root: Path, codebook: Codebook, others: dict[str, Any]) -> Train:
    settings = train_classifier.Settings.of(
        "vggishish", **{**experiments.VGGISHISH, "batch": 4, "epochs": 2, **others}
    )
    return lambda folder, **how: train_classifier.train(settings, sets(root), folder, quiet=True, **how)


def _codebook(root: Path, codebook: Codebook, others: dict[str, Any]) -> Train:
    numbers = {**experiments.CODEBOOK, "batch": 4, "epochs": 2, "judge_from": 1, **others}
    settings = train_codebook.Settings(**numbers)
    return lambda folder, **how: train_codebook.train(settings, sets(root), folder, quiet=True, **how)


def _sampler(root: Path, codebook: Codebook, others: dict[str, Any]) -> Train:
    small = {**experiments.SAMPLER["sampler"], "dropout": 0.1}
    shown = {"features": 5, "class_token": True, "sampler": small}
    settings = train_sampler.Settings(**{**experiments.SAMPLER, **shown, "batch": 4, "epochs": 2, **others})
    held = sets(root, None if settings.extractor == "noise" else settings.extractor)
    return lambda folder, **how: train_sampler.train(settings, held, codebook, folder, quiet=True, **how)


def _vocoder(root: Path, codebook: Codebook, others: dict[str, Any]) -> Train:
    settings = train_vocoder.Settings(
        **{**experiments.VOCODER, "segment": 4096, "batch": 4, "epochs": 2, **others}
    )
    files = train_vocoder.read_sounds(root, "vas", None)
    return lambda folder, **how: train_vocoder.train(settings, files, folder, quiet=True, **how)


SCRIPTS = {
    "classifier": Script(_classifier, "classifier.pt"),
    "codebook": Script(_codebook, "codebook.pt"),
    "sampler": Script(_sampler, "sampler.pt"),
    "vocoder": Script(_vocoder, "vocoder.pt"),
}
each_script = pytest.mark.parametrize("name", SCRIPTS)


def sets(root: Path, extractor: str | None = None) -> tuple[data.Clips, data.Clips]:
    return data.read_sets(root, "vas", extractor=extractor, size=invented.SIZE)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def looks(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "epoch" in line]


@each_script
@pytest.mark.parametrize("until", [2, 3], ids=["at an epoch's end", "in an epoch"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(root, codebook, tmp_path, name, until):
    # It keeps itself after every step, and so goes on in the middle of an epoch.
    run = SCRIPTS[name].train(root, codebook, {"save_minutes": 0})
    run(tmp_path / "unbroken")
    run(tmp_path / "stopped", until=until)
    assert torch.load(tmp_path / "stopped" / "state.pt", weights_only=True)["step"] == until
    run(tmp_path / "stopped")
    unbroken, stopped = (tmp_path / folder for folder in ("unbroken", "stopped"))
    files = [checkpoints.load(folder / SCRIPTS[name].leaves) for folder in (unbroken, stopped)]
    assert same(*(each.state_dict for each in files))
    assert files[0].config == files[1].config
    scores = [[look["score"] for look in looks(folder)] for folder in (unbroken, stopped)]
    assert scores[0] == scores[1]
    assert len(scores[0]) == 2


def test_what_is_lost_since_it_was_kept_is_learnt_again(root, codebook, tmp_path):
    run = SCRIPTS["sampler"].train(root, codebook, {"save_minutes": 60})
    run(tmp_path / "unbroken")
    # Killed in the second epoch: only the end of the first was kept.
    run(tmp_path / "killed", until=3)
    assert torch.load(tmp_path / "killed" / "state.pt", weights_only=True)["step"] == 2
    run(tmp_path / "killed")
    files = [checkpoints.load(tmp_path / folder / "sampler.pt") for folder in ("unbroken", "killed")]
    assert same(*(each.state_dict for each in files))
    assert not list((tmp_path / "killed").glob("*.part"))


def test_what_goes_on_is_what_was_begun(root, codebook, tmp_path):
    SCRIPTS["sampler"].train(root, codebook, {"epochs": 1})(tmp_path)
    with pytest.raises(SettingsError, match=r"state\.pt: of a training of another kind or size"):
        SCRIPTS["sampler"].train(root, codebook, {"epochs": 1, "features": 1})(tmp_path)
    with pytest.raises(SettingsError, match="another kind"):
        SCRIPTS["vocoder"].train(root, codebook, {"epochs": 1})(tmp_path)


def test_training_stops_when_nothing_gets_better(root, codebook, tmp_path):
    SCRIPTS["sampler"].train(root, codebook, {"epochs": 50, "patience": 2, "base_lr": 0.0})(tmp_path)
    assert [look["epoch"] for look in looks(tmp_path)] == [1, 2, 3]


@each_script
def test_mixed_precision_learns_nearly_the_same(root, codebook, tmp_path, name):
    full, mixed = (
        SCRIPTS[name].train(root, codebook, {"precision": precision, "epochs": 1})(tmp_path / precision)
        for precision in ("full", "bfloat16")
    )
    assert mixed.best == pytest.approx(full.best, rel=0.1)
    files = (tmp_path / folder / SCRIPTS[name].leaves for folder in ("full", "bfloat16"))
    one, other = (checkpoints.load(path).state_dict for path in files)
    assert not same(one, other)
    assert all(weight.dtype != torch.bfloat16 for weight in other.values())


# The recipe


@pytest.fixture(scope="module")
def recipe(root, tmp_path_factory) -> Path:
    """Everything by the commands, one after the other."""
    runs = tmp_path_factory.mktemp("runs")
    of_set = ["--data", str(root), "--layout", "vas"]
    small = {"size": SIZE, "epochs": 2}
    settings = {
        "melception": {**experiments.MELCEPTION, **small, "batch": 4},
        "vggishish": {**experiments.VGGISHISH, **small, "batch": 4},
        "codebook": {**experiments.CODEBOOK, **small, "judge_from": 2, "batch": 4},
        "sampler": {**experiments.SAMPLER, **small, "features": 5, "class_token": True},
        "vocoder": {**experiments.VOCODER, "epochs": 1, "segment": 4096},
    }
    for name, numbers in settings.items():
        (runs / f"{name}.json").write_text(json.dumps(numbers))

    def run(command: Any, name: str, *asked: object) -> None:
        out = ["--out", str(runs / name), "--settings", str(runs / f"{name}.json"), "--seed", "1"]
        ran = CliRunner().invoke(command, [*map(str, asked), *out])
        assert ran.exit_code == 0, ran.output

    for network in ("melception", "vggishish"):
        run(train_classifier.main, network, *of_set, "--network", network)
    run(train_codebook.main, "codebook", *of_set, "--lpaps", runs / "vggishish" / "classifier.pt")
    run(train_sampler.main, "sampler", *of_set, "--codebook", runs / "codebook" / "codebook.pt")
    run(train_vocoder.main, "vocoder", *of_set)
    return runs


def test_the_recipe_leaves_checkpoints_that_say_what_they_are(recipe, root):
    config, network = trained.read_classifier(recipe / "melception" / "classifier.pt")
    assert (config["network"], config["classes"]) == ("melception", sorted(KINDS))
    assert np.shape(config["statistics"]) == (80, 2)
    np.testing.assert_allclose(config["statistics"], data.statistics(sets(root)[0]), atol=1e-7)
    assert not network.training

    config, codebook = trained.read_codebook(recipe / "codebook" / "codebook.pt")
    assert config["size"] == SIZE
    config, sampler, its_own = trained.read_sampler(recipe / "sampler" / "sampler.pt")
    assert same(codebook.state_dict(), its_own.state_dict())
    assert config["classes"] == sorted(KINDS)
    assert config["features"] == {
        "extractor": "resnet50",
        "step_s": pytest.approx(1 / 21.5),
        "count": 5,
        "width": invented.WIDTH,
        "rows": 24,
    }
    assert (sampler.config.rows, sampler.config.columns, sampler.config.positions) == (5, 6, 36)
    _, vocoder = trained.read_vocoder(recipe / "vocoder" / "vocoder.pt")
    with torch.inference_mode():
        made = vocoder(torch.rand(1, 80, 12))
    assert made.shape == (1, 1, 12 * 256)
    for name in ("melception", "codebook", "sampler", "vocoder"):
        figures = json.loads((recipe / name / "figures.json").read_text())
        assert figures["training"]["settings"]["seed"] == 1
        assert figures["figures"]["validation"]["score"] > -10


def test_what_was_trained_is_generated_and_measured(recipe, root, tmp_path):
    asked = ["--data", str(root), "--layout", "vas"]
    sampler = str(recipe / "sampler" / "sampler.pt")
    made = ["--checkpoint", sampler, "--out", str(tmp_path / "takes"), "--takes", "2", "--top-k", "8"]
    ran = CliRunner().invoke(generate.main, [*asked, *made])
    assert ran.exit_code == 0, ran.output
    paths = sorted((tmp_path / "takes").rglob("*.npy"))
    names = [str(path.relative_to(tmp_path / "takes")) for path in paths]
    assert names == [f"{kind}/video_00002_sample_{take}.npy" for kind in sorted(KINDS) for take in (0, 1)]
    takes = [np.load(path) for path in paths]
    assert {take.shape for take in takes} == {(80, SIZE["crop"])}
    assert not np.array_equal(takes[0], takes[1])

    melception = str(recipe / "melception" / "classifier.pt")
    judged = ["--takes", str(tmp_path / "takes"), "--classifier", melception]
    ran = CliRunner().invoke(evaluate.main, [*asked, *judged, "--json", str(tmp_path / "figures.json")])
    assert ran.exit_code == 0, ran.output
    figures = json.loads((tmp_path / "figures.json").read_text())["takes"]
    assert (figures["takes"], figures["clips"], figures["clips with takes"]) == (6, 3, 3)
    assert figures["kid subset"] == 3
    assert figures["fid"] >= 0
    # Beneath zero by the 1e-6 that is added to every chance, at most.
    assert figures["mkl"] >= -1e-5

    wrong = str(recipe / "vggishish" / "classifier.pt")
    ran = CliRunner().invoke(evaluate.main, [*asked, *judged[:3], wrong])
    assert ran.exit_code == 1
    assert "Melception judges takes, not vggishish" in ran.output


def test_takes_follow_from_the_seed(recipe, root, tmp_path):
    sampler = recipe / "sampler" / "sampler.pt"
    _, clips = sets(root, "resnet50")
    for folder, seed in (("one", 0), ("again", 0), ("other", 1)):
        generate.generate(sampler, clips, tmp_path / folder, seed=seed)
    one, again, other = (
        [np.load(path) for path in sorted((tmp_path / folder).rglob("*.npy"))]
        for folder in ("one", "again", "other")
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_half_of_the_codes_can_be_given(recipe, root):
    _, sampler, codebook = trained.read_sampler(recipe / "sampler" / "sampler.pt")
    _, clips = sets(root, "resnet50")
    codes = train_sampler.Codes(codebook, clips, torch.device("cpu"))
    drawn = []
    sample = sampler.sample
    sampler.sample = lambda *args, **how: drawn.append(sample(*args, **how)) or drawn[-1]
    generate.take(sampler, codebook, clips, [0, 1], half=True)
    # Three of six columns, of five codes each.
    assert torch.equal(drawn[0][:, :15], codes([0, 1])[:, :15])
    assert drawn[0].shape == (2, 30)


def test_there_and_back_is_what_the_codebook_makes(recipe, root, tmp_path):
    path = recipe / "codebook" / "codebook.pt"
    _, clips = sets(root)
    generate.generate(path, clips, tmp_path)
    _, codebook = trained.read_codebook(path)
    with torch.inference_mode():
        made, _ = codebook(2 * clips.mels([1]) - 1)
    np.testing.assert_allclose(
        np.load(generate.path_of(tmp_path, clips, 1, 0)), (made[0, 0] + 1) / 2, atol=1e-5
    )


def test_every_checkpoint_of_something_else_is_named(recipe):
    for read, path in (
        (trained.read_classifier, recipe / "codebook" / "codebook.pt"),
        (trained.read_codebook, recipe / "vocoder" / "vocoder.pt"),
        (trained.read_sampler, recipe / "codebook" / "codebook.pt"),
        (trained.read_vocoder, recipe / "sampler" / "sampler.pt"),
    ):
        with pytest.raises(checkpoints.CheckpointError, match=str(path)):
            read(path)
    with pytest.raises(checkpoints.CheckpointError, match="not by melception"):
        train_codebook.read_lpaps(recipe / "melception" / "classifier.pt")


# Pieces


def test_two_processes_learn_what_one_does(root, recipe, tmp_path):
    small = {"size": SIZE, "epochs": 2, "batch": 4}
    (tmp_path / "sampler.json").write_text(json.dumps({**experiments.SAMPLER, **small, "features": 5}))
    (tmp_path / "codebook.json").write_text(json.dumps({**experiments.CODEBOOK, **small, "judge_from": 1}))
    of_set = ["--data", str(root), "--layout", "vas"]
    asked = {
        name: [*of_set, "--settings", str(tmp_path / f"{name}.json")] for name in ("sampler", "codebook")
    }
    asked["sampler"] += ["--codebook", str(recipe / "codebook" / "codebook.pt")]
    # Both in one start: most of the time of such a test is PyTorch's own beginning.
    both = "".join(
        f"train_{name}.main({[*words, '--out', str(tmp_path / 'two' / name)]}, standalone_mode=False)\n"
        for name, words in asked.items()
    )
    script = tmp_path / "both.py"
    # They take leave of one another once, at the very end: a group can't be made again from the same start.
    once = "from models.foley import options, train_codebook, train_sampler\noptions.leave = int\n"
    script.write_text(f"{once}{both}from models.training import leave\nleave()\n")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*torchrun, script],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    for name, command in (("sampler", train_sampler.main), ("codebook", train_codebook.main)):
        alone = CliRunner().invoke(command, [*asked[name], "--out", str(tmp_path / "one" / name)])
        assert alone.exit_code == 0, alone.output
    one, two = (
        checkpoints.load(tmp_path / folder / "sampler" / "sampler.pt").state_dict for folder in ("one", "two")
    )
    # A key's bias changes no answer: its gradient is rounding, which Adam makes into steps of full size.
    for name in one:
        if not name.endswith("key.bias"):
            torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4, msg=name)
    scores = {
        (folder, name): [look["score"] for look in looks(tmp_path / folder / name)]
        for folder in ("one", "two")
        for name in asked
    }
    assert scores["two", "sampler"] == pytest.approx(scores["one", "sampler"], rel=1e-4)
    # The judge has batch norms, which on CPUs are each process's own: near, not the same.
    assert scores["two", "codebook"] == pytest.approx(scores["one", "codebook"], rel=0.1)


def test_judge_and_codebook_learn_apart(root):
    held = train_codebook.Settings(**{**experiments.CODEBOOK, "judge_from": 3, "perceptual": 0})
    clips, _ = sets(root)
    codebook = Codebook(train_codebook.configure(held, clips))
    losses = train_codebook.losses_of(held, None)
    processes = Processes()
    steps = tuple(
        Learning(torch.optim.Adam(each.parameters(), lr=1e-3), processes)
        for each in (codebook, losses.discriminator)
    )
    x = 2 * clips.mels([0, 1]) - 1

    def moved(step: int) -> tuple[bool, bool]:
        before = [
            {name: value.clone() for name, value in each.named_parameters()}
            for each in (codebook, losses.discriminator)
        ]
        train_codebook.learn(codebook, losses, steps, x, step)
        after = [dict(each.named_parameters()) for each in (codebook, losses.discriminator)]
        one, other = (not same(*pair) for pair in zip(before, after, strict=True))
        return one, other

    # Before it sets in the judge neither counts nor learns.
    assert moved(2) == (True, False)
    assert moved(3) == (True, True)


def test_lpaps_as_published_is_a_random_network_on_the_bands_of_the_set():
    statistics = torch.tensor([[0.5, 0.1]] * 80)
    torch.manual_seed(3)
    one = train_codebook.random_lpaps(statistics, 32)
    torch.manual_seed(3)
    again = LPAPS(divisor=32)
    # Spectrograms are in [-1, 1] there.
    assert one.scaling_layer.shift.unique().item() == pytest.approx(0)
    assert one.scaling_layer.scale.unique().item() == pytest.approx(0.2)
    assert same(one.net.state_dict(), again.net.state_dict())
    assert not one.training
    assert not any(weight.requires_grad for weight in one.parameters())


def test_only_linear_layers_shrink(root, codebook):
    settings = train_sampler.Settings(**experiments.SAMPLER)
    config = train_sampler.configure(settings, sets(root, "resnet50")[0], codebook)
    network = train_sampler.Sampler(config)
    optimizer = train_sampler.optimizer(network, settings)
    names = {id(weight): name for name, weight in network.named_parameters()}
    shrunk, kept = ([names[id(weight)] for weight in group["params"]] for group in optimizer.param_groups)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    assert sorted(shrunk + kept) == sorted(names.values())
    assert all(name.endswith("weight") and ("blocks" in name or "head" in name) for name in shrunk)
    assert {"pos_emb", "tok_emb.weight", "embedder.weight", "ln_f.weight"} <= set(kept)
    assert not [name for name in shrunk if "ln" in name or "emb" in name]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(settings.base_lr * settings.batch)


def test_a_segment_has_the_columns_of_its_own_sound():
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, 22_050).astype(np.float32)
    whole = train_vocoder.signals.foley_log_mel(samples)
    mel, heard = train_vocoder.cut(samples, 20 * 256, 4096)
    np.testing.assert_array_equal(heard, samples[20 * 256 : 20 * 256 + 4096])
    np.testing.assert_allclose(mel, whole[:, 20:36], atol=1e-5)
    # Beyond the end is silence.
    mel, heard = train_vocoder.cut(samples[:300], 0, 4096)
    assert (mel.shape, heard.shape) == ((80, 16), (4096,))
    assert not heard[300:].any()
    assert not mel[:, 4:].any()


def test_a_folder_of_sounds_holds_out_every_twentieth(tmp_path):
    for number in range(41):
        (tmp_path / f"{number:02d}.wav").touch()
    learnt, held_out = train_vocoder.read_sounds(None, "vas", tmp_path)
    assert [path.stem for path in held_out] == ["00", "20", "40"]
    assert len(learnt) == 38
    assert not set(learnt) & set(held_out)


def test_the_shares_of_processes_make_the_whole():
    processes = Processes()
    processes.world = 2
    for items in ([0, 3, 5, 9, 2], [4]):
        total = 0.0
        for processes.rank in (0, 1):
            mine, weight = processes.share(items)
            total += weight * float(np.mean(mine)) / 2
        assert total == pytest.approx(np.mean(items))
    chunks = []
    for processes.rank in (0, 1):
        chunks += [item for chunk in processes.chunks(7, 2) for item in chunk]
    assert sorted(chunks) == list(range(7))


def test_settings_that_there_are_not_are_refused(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"bach": 3}')
    with pytest.raises(SettingsError, match=r"settings\.json: not settings of this training.*bach"):
        training.read_settings(train_sampler.Settings, path)
    path.write_text("batch = 3")
    with pytest.raises(SettingsError, match="not settings"):
        training.read_settings(train_sampler.Settings, path)
    path.write_text('{"batch": 3}')
    held = training.read_settings(train_sampler.Settings, path, seed=7, threads=None)
    assert (held.batch, held.seed, held.threads) == (3, 7, 1)


def test_defaults_are_the_published_ones():
    codebook = train_codebook.Settings()
    assert (codebook.base_lr * codebook.batch, codebook.betas) == (pytest.approx(1.35e-5), (0.5, 0.9))
    assert (codebook.judge_from, codebook.judge, codebook.balance) == (30_001, 0.8, (1.0, 1.0))
    sampler = train_sampler.Settings()
    assert (sampler.base_lr, sampler.betas, sampler.patience) == (5e-6, (0.9, 0.95), 2)
    vocoder = train_vocoder.Settings()
    assert (vocoder.lr, vocoder.betas, vocoder.segment, vocoder.batch) == (1e-4, (0.5, 0.9), 8192, 64)
    melception, vggishish = (train_classifier.Settings.of(name) for name in ("melception", "vggishish"))
    assert (melception.lr, melception.batch, melception.patience) == (3e-4, 8, 3)
    assert (vggishish.lr, vggishish.batch, vggishish.weight_decay) == (3e-4, 32, 1e-4)
    # Published sizes follow from a set of published clips.
    clips = data.Clips(Path(), "vggsound", (), tuple(map(str, range(309))))
    assert train_codebook.configure(codebook, clips) == train_codebook.CodebookConfig()
    assert train_classifier.configure(melception, clips) == train_classifier.ClassifierConfig()


@pytest.mark.parametrize(
    ("shown", "condition"),
    [
        ({"features": 212}, 212),
        ({"features": 5, "class_token": True}, 6),
        ({"extractor": "noise", "features": 1}, 1),
        ({"extractor": None, "class_token": True}, 1),
    ],
)
def test_the_published_sampler_follows_from_the_settings(monkeypatch, shown, condition):
    extractor = shown.get("extractor", "resnet50")
    clips = data.Clips(Path(), "vggsound", (), tuple(map(str, range(309))), extractor)
    monkeypatch.setattr(data.Clips, "width", lambda self: 2048)

    class Held:
        config = train_codebook.CodebookConfig()

    config = train_sampler.configure(train_sampler.Settings(**shown), clips, Held())
    assert (config.rows, config.columns, config.codes) == (5, 53, 1024)
    assert config.positions == 265 + condition
    assert config.condition == condition
    if shown == {"features": 212}:
        assert config == train_sampler.SamplerConfig()


# Figures


@pytest.mark.parametrize(
    ("path", "layout", "key"),
    [
        ("takes/dog/video_00001_sample_3.npy", "vas", "dog/video_00001"),
        ("VAS_validation/cls_1/video_00001_mel_sample_0.npy", "vas", "dog/video_00001"),
        ("VGGSound_test/cls_7/-1pRmoJIGQc_10000_20000_sample_9.npy", "vggsound", "-1pRmoJIGQc_10000_20000"),
    ],
)
def test_takes_are_paired_with_their_clips_by_name(path, layout, key):
    assert evaluate.key_of(Path(path), layout, ("baby", "dog")) == key


def seen(rng, count: int, shift: float = 0.0) -> evaluate.Seen:
    return {
        "2048": rng.normal(shift, 1, (count, 8)),
        "logits": rng.normal(0, 1, (count, 5)),
        "logits_unbiased": rng.normal(0, 1, (count, 5)),
    }


def test_takes_that_are_the_real_sounds_are_no_distance_away():
    real = seen(np.random.default_rng(0), 30)
    names = [f"clip{number}" for number in range(30)]
    backwards = {name: rows[::-1] for name, rows in real.items()}
    found = evaluate.measure(backwards, names[::-1], real, names)
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert found["mkl"] == pytest.approx(0, abs=1e-4)
    unpaired = evaluate.measure(backwards, names, real, names)
    assert unpaired["mkl"] > 0.5
    assert unpaired["fid"] == found["fid"]
    far = {**real, "2048": real["2048"] + 3}
    assert evaluate.measure(far, names, real, names)["fid"] == pytest.approx(8 * 9)


def test_a_take_of_no_clip_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(data.DataError, match="takes of x and 0 more"):
        evaluate.measure(seen(rng, 2), ["a", "x"], seen(rng, 2), ["a", "b"])


def test_the_experiments_print_a_table_and_write_it(tmp_path):
    asked = ["--table", "features", "--steps", "2", "--clips", "2", "--json", str(tmp_path / "tables.json")]
    ran = CliRunner().invoke(experiments.main, asked)
    assert ran.exit_code == 0, ran.output
    found = json.loads((tmp_path / "tables.json").read_text())["tables"]
    assert list(found["features"]) == ["no features", "1", "5", "all 24 (212)", "class"]
    assert all({"loss", "fid", "mkl"} <= figures.keys() for figures in found["features"].values())
    assert "class" in ran.output


def test_more_features_say_when_something_happens(tmp_path):
    """The question of table 4.2 has an answer on the invented set: what is shown can be learnt."""
    invented.render(tmp_path, kinds=("knock", "hiss"), train=8, valid=1)
    clips, _ = data.read_sets(tmp_path, "vas", extractor="resnet50", size=invented.SIZE)
    rows = clips.features(list(range(16)), 24, width=invented.WIDTH)
    mels = clips.mels(list(range(16)))
    # Motion in the rows goes with loudness in the columns of the same time, not with another clip's.
    moving = rows.transpose(1, 2) @ torch.from_numpy(invented.directions()[-1]).float()
    loud = mels[:, 0].mean(1).unflatten(1, (24, 4)).mean(2)

    def together(one: torch.Tensor, other: torch.Tensor) -> float:
        return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(one, other, strict=True)]))

    assert together(moving, loud) > 0.25
    assert abs(together(moving, loud.roll(1, 0))) < 0.15
