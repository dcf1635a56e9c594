"""The benchmark's rules, held against the authors' figures and against pycocoevalcap."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models.captions import evaluate, metrics
from models.captions.metrics import bleu, captioning, detection, matches, plain_meteor, plain_tools

PRINTED = {"bmt": (4.63, 1.99, 10.90), "mdvc": (4.52, 1.98, 11.07)}
"""BLEU@3, BLEU@4 and METEOR on ground-truth segments, from BMT's table."""


def published(shared: Path, system: str) -> tuple[list[Path], list[Path]]:
    """The authors' captions of both validation sets, and what people wrote of the same segments."""
    folder = shared / "captions"
    results = sorted(
        path for path in (folder / f"{system}_results").glob("*.json") if "results_val" in path.name
    )
    references = sorted(folder.glob("val_*.csv"))
    if len(results) != 2 or len(references) != 2:
        pytest.skip(f"no published captions of {system} in {folder}")
    return results, references


def published_tools():
    if lacking := metrics.missing():
        pytest.skip(lacking)
    return metrics.best_tools()


@pytest.mark.parity
def test_proposals_are_counted_as_the_authors_count_them(shared):
    folder = shared / "parity" / "bmt_detection_metrics"
    expected = json.loads((folder / "expected.json").read_text())
    said = evaluate.read_results(folder / "pred.json")
    references = [evaluate.read_references(path) for path in sorted(folder.glob("val_*.json"))]
    for most, figures in expected["results_by_max_proposals"].items():
        found = detection(said, references, tious=expected["tious"], max_proposals=int(most))
        np.testing.assert_allclose(found.precision, figures["Precision"], atol=1e-12)
        np.testing.assert_allclose(found.recall, figures["Recall"], atol=1e-12)
        mean = np.mean(figures["Precision"]), np.mean(figures["Recall"])
        assert found.f1 == pytest.approx(2 * mean[0] * mean[1] / sum(mean))


@pytest.mark.parity
def test_overlaps_are_the_authors(shared):
    with np.load(shared / "parity" / "bmt_utils" / "io.npz") as held:
        sides = [held[f"in.seg_{side}_center_length"] for side in "ab"]
        spans = [np.stack([c - w / 2, c + w / 2], 1) for c, w in (side.astype(float).T for side in sides)]
        np.testing.assert_allclose(metrics.tiou(*spans), held["out.tiou"], atol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("system", PRINTED)
def test_the_authors_captions_give_the_published_bleu(shared, system):
    results, references = published(shared, system)
    _, each = evaluate.ground_truth(
        [evaluate.read_results(path) for path in results],
        [evaluate.read_references(path) for path in references],
        plain_tools(),
    )
    mean = evaluate.printed_mean(each)
    assert (round(100 * mean.bleu3, 2), round(100 * mean.bleu4, 2)) == PRINTED[system][:2]


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize("system", PRINTED)
def test_the_authors_captions_give_the_published_table(shared, tmp_path, system):
    published_tools()
    results, references = published(shared, system)
    out = tmp_path / "figures.json"
    arguments = ["--results", *results, "--references", *references, "--json", out]
    ran = CliRunner().invoke(evaluate.main, list(map(str, arguments)), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    found = json.loads(out.read_text())
    assert found["tools"] == metrics.PUBLISHED
    mean = found["ground truth"]["mean as printed"]
    assert tuple(round(100 * mean[name], 2) for name in ("bleu3", "bleu4", "meteor")) == PRINTED[system]


def test_bleu_is_pycocoevalcaps(shared):
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu", reason="pycocoevalcap isn't installed")
    rng = random.Random(0)
    for _ in range(20):
        pairs = [
            (
                " ".join(rng.choices("abcd", k=rng.randint(1, 9))),
                " ".join(rng.choices("abcd", k=rng.randint(1, 9))),
            )
            for _ in range(rng.randint(1, 6))
        ]
        expected, _ = scorer.Bleu(4).compute_score(
            {at: [other] for at, (_, other) in enumerate(pairs)},
            {at: [one] for at, (one, _) in enumerate(pairs)},
            verbose=0,
        )
        np.testing.assert_allclose(bleu(pairs), expected, rtol=1e-9)


def test_bleu_by_hand():
    # Words 3 of 4, pairs 1 of 3; the sentence is as long as the reference.
    found = bleu([("a dog barks loudly", "the dog barks loudly")])
    np.testing.assert_allclose(found[:2], (3 / 4, (3 / 4 * 2 / 3) ** 0.5), rtol=1e-6)
    # A short one pays exp(1 - 4 / 2).
    assert bleu([("dog barks", "the dog barks loudly")])[0] == pytest.approx(np.exp(-1))


def test_a_caption_that_meets_no_reference_is_held_against_random_letters():
    said = {"v": [(0.0, 10.0, "right"), (50.0, 60.0, "nothing here")], "w": []}
    references = [{"v": [(0.0, 10.0, "one")], "w": [(0.0, 1.0, "two")]}, {"v": [(2.0, 10.0, "three")]}]
    found = matches(said, references, 0.5, seed=1)
    assert found["v"][:2] == [("right", "one"), ("right", "three")]
    sentence, letters = found["v"][2]
    assert sentence == "nothing here"
    assert 10 <= len(letters) <= 20
    assert letters.isalpha()
    assert found == matches(said, references, 0.5, seed=1) != matches(said, references, 0.5, seed=2)
    # A video of which nothing was said counts with a score of none.
    assert found["w"] == []


def test_a_video_without_captions_halves_the_mean():
    reference = {"v": [(0.0, 9.0, "a dog barks at the moon")], "w": [(0.0, 9.0, "a cat sleeps all day")]}
    both = captioning(reference, [reference], plain_tools(), tious=(0.5,))
    one = captioning({"v": reference["v"]}, [reference], plain_tools(), tious=(0.5,))
    assert both.meteor == pytest.approx(1)
    assert one.meteor == pytest.approx(0.5)
    assert one.bleu4 == pytest.approx(0.5, abs=1e-3)


def test_only_the_first_proposals_count():
    reference = {"v": [(0.0, 10.0, "x")]}
    said = {"v": [(50.0, 60.0, "x"), (0.0, 10.0, "x")]}
    assert detection(said, [reference], max_proposals=1).recall == (0, 0, 0, 0)
    found = detection(said, [reference])
    assert (found.recall, found.precision) == ((1, 1, 1, 1), (0.5, 0.5, 0.5, 0.5))
    assert found.f1 == pytest.approx(2 / 3)


def test_the_fallback_orders_sentences_as_meteor_does():
    written = "a man is playing the guitar on a stage"
    said = [
        "a man is playing the guitar on a stage",
        "a man plays guitar on stage",
        "on stage a guitar",
        "two cats",
    ]
    scores = [plain_meteor([(one, written)]) for one in said]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1)
    assert scores[-1] == 0


def test_the_fallback_follows_meteor_on_the_authors_captions(shared):
    published_tools()
    results, references = published(shared, "bmt")
    written = dict(list(evaluate.read_references(references[0]).items())[:150])
    said = evaluate.read_results(results[0])
    found = [pair for pairs in matches(said, [written], 0.5).values() for pair in pairs]
    with published_tools() as tools:
        spoken, wrote = (tools.tokens(sentences) for sentences in zip(*found, strict=True))
        pairs = list(zip(spoken, wrote, strict=True))
        theirs = [tools.meteor([pair]) for pair in pairs]
    ours = [plain_meteor([pair]) for pair in pairs]
    assert np.corrcoef(theirs, ours)[0, 1] > 0.9
    assert np.mean(ours) < np.mean(theirs)


def test_the_fallback_says_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics.shutil, "which", lambda name: None)
    reference = {"v": {"duration": 9.0, "timestamps": [[0, 9]], "sentences": ["A dog barks."]}}
    written, results = tmp_path / "val.json", tmp_path / "results.json"
    written.write_text(json.dumps(reference))
    evaluate.write_results(results, {"v": [(0.0, 9.0, "A dog barks")]})
    ran = CliRunner().invoke(
        evaluate.main, ["--learned", str(results), "--references", str(written), str(written)]
    )
    assert ran.exit_code == 0, ran.output
    assert metrics.PLAIN in ran.output
    assert "not the published figures" in ran.output
    assert "100.00" in ran.output


def test_videos_without_references_are_told_of(tmp_path):
    written, results = tmp_path / "val.json", tmp_path / "results.json"
    written.write_text(json.dumps({"v": {"timestamps": [[0, 9]], "sentences": ["A dog."]}}))
    evaluate.write_results(results, {"v": [(0.0, 9.0, "A dog")], "w": [(0.0, 9.0, "A cat")]})
    asked = ["--plain", "--results", results, results, "--references", written, written]
    ran = CliRunner().invoke(evaluate.main, list(map(str, asked)))
    assert ran.output.count("1 of 2 videos aren't in its references") == 2


def test_a_file_that_is_no_result_is_named(tmp_path):
    path = tmp_path / "odd.json"
    path.write_text('{"results": [1]}')
    with pytest.raises(evaluate.EvaluationError, match=r"odd\.json"):
        evaluate.read_results(path)
