"""Findings that are kept come back whole, and only what was kept is built."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from otio_avassist import edits, pipeline, recall, review
from otio_avassist.errors import TimelineError
from otio_avassist.findings import Attention, Evidence, Jump, Posterior
from otio_avassist.spans import Skipped
from tests import cuts

SETTINGS = pipeline.Settings(tasks=("sync", "captions", "foley"))


@pytest.fixture
def report() -> pipeline.Report:
    root = cuts.simple()
    sync = replace(
        cuts.finding(root, 0.2),
        doubts=("hardly",),
        evidence=(Evidence("network", None, 0.1, "dark"), Evidence("clap", 0.2, 0.4)),
        posterior=Posterior((-0.2, 0.0, 0.2), (0.1, 0.2, 0.7)),
        jumps=(Jump(1.5, 0.1),),
        residual_s=math.inf,
        attention=Attention(((0.5, 0.25, 0.75, 3.0),), ((0.6, 2.5),), ((0.5, 1.2),), ((0.5, 1.1),)),
    )
    found = (sync, cuts.caption(root), cuts.foley(root))
    lines = [
        pipeline.under(
            pipeline.Line(each, edits.Outcome("abstained", (), ""), review.PROPOSED, {"version": "1"}),
            review.Decision(review.PROPOSED),
            SETTINGS,
        )
        for each in found
    ]
    skipped = (Skipped("V1", 0, "a", 1, "is dark", "a.mov"),)
    return pipeline.Report(
        tuple(lines), skipped, ({"name": "n", "sha256": "0"},), "cpu", 1.5, 25.0, 3600.0, "cut.otio"
    )


def test_a_report_comes_back_as_it_was(report: pipeline.Report) -> None:
    text = json.dumps(recall.to_json(report), allow_nan=False)
    assert recall.from_json(json.loads(text), "kept.json", SETTINGS) == report


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held: held.update(schema="other"), "wanted kept findings .* there is 'other'"),
        (lambda held: held["lines"][0]["finding"].update(type="Popen"), "aren't whole.*Popen"),
        (lambda held: held["lines"][0]["finding"].pop("shot"), "aren't whole.*shot"),
        (lambda held: held["report"].update(more=1), "aren't whole.*more"),
    ],
)
def test_what_isnt_kept_findings_is_refused_by_name(report: pipeline.Report, change, words: str) -> None:
    held = json.loads(json.dumps(recall.to_json(report)))
    change(held)
    with pytest.raises(TimelineError, match=f"kept.json: .*{words}"):
        recall.from_json(held, "kept.json", SETTINGS)


def test_a_fingerprint_changes_with_the_cut_and_with_what_was_asked(tmp_path: Path) -> None:
    root = cuts.simple()
    first = recall.fingerprint(root, SETTINGS)
    assert first == recall.fingerprint(root.deepcopy(), SETTINGS)
    decided = review.decide(root, "some finding", "rejected")
    assert first == recall.fingerprint(decided, SETTINGS)
    assert first != recall.fingerprint(root, replace(SETTINGS, tasks=("sync",)))
    root.tracks[0][0].source_range = cuts.time_range(3, 20)
    assert first != recall.fingerprint(root, SETTINGS)


def test_a_fingerprint_changes_with_the_bundles_that_would_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"sync": tmp_path / "sync", "foley": tmp_path / "foley", "named": tmp_path / "named"}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "card.json").write_text(name)
    monkeypatch.setattr(recall.bundles, "find", lambda task, named=None: named or folders[task])
    settings = pipeline.Settings(tasks=("foley",), bundle=folders["named"])
    # Foley asks the sync network about its takes.
    for folder in folders.values():
        before = recall.fingerprint(cuts.simple(), settings)
        (folder / "card.json").write_text("trained longer")
        assert recall.fingerprint(cuts.simple(), settings) != before
