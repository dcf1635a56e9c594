"""Many timelines: planned, each recording looked at once, resumed, and none stopped by another."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import batch, cache, pipeline
from otio_avassist.errors import OutputError, UsageError
from otio_avassist.tasks import sync
from tests.pretend import pretended
from tests.test_cli import avassist, project  # noqa: F401 (fixtures)


@pytest.fixture
def store(tmp_path: Path) -> cache.Store:
    return cache.Store(tmp_path / "kept")


@pytest.fixture
def works(project: Path, tmp_path: Path) -> list[batch.Work]:  # noqa: F811
    """Three timelines of one recording, of which the last has it slid along by a second."""
    (tmp_path / "out").mkdir()
    made = []
    for name in ("a.otio", "b.otio", "c.otio"):
        cut = otio.adapters.read_from_file(str(project / "cut.otio"))
        if name == "c.otio":
            for track in cut.tracks:
                track.insert(0, otio.schema.Gap(duration=otio.opentime.RationalTime(25, 25)))
        otio.adapters.write_to_file(cut, str(tmp_path / name))
        settings = pipeline.Settings(base_dir=tmp_path)
        made.append(batch.Work(str(tmp_path / name), str(tmp_path / "out" / name), settings))
    return made


def run(works, store, **more) -> list[batch.Result]:
    shared = pipeline.Shared(store)
    planned = batch.plan(works, shared, resume=more.pop("resume", False))
    return batch.run(planned, batch.Here(shared), store=store, **more)


def without_times(result: batch.Result) -> str:
    report = {key: value for key, value in result["report"].items() if key not in ("seconds", "output")}
    return json.dumps(report)


def test_a_job_goes_through_json_and_back() -> None:
    settings = pipeline.Settings(
        tasks=("sync", "captions", "foley"), base_dir=Path("x"), path_map=(("a", "b"),),
        sync=sync.Options(thorough=True),
    )  # fmt: skip
    work = batch.Work("in.otio", None, settings, Path("s.json"), True, ("r.json",))
    assert batch.Work.of_job(json.loads(json.dumps(work.to_job(), allow_nan=False))) == work


@pytest.mark.parametrize(
    "job", [{}, {"schema": batch.SCHEMA}, {"schema": batch.SCHEMA, "work": {"type": "Popen"}}], ids=str
)
def test_a_job_that_is_not_whole_is_refused(job: batch.Job) -> None:
    with pytest.raises(UsageError, match="job"):
        batch.Work.of_job(job)


def test_a_recording_is_looked_at_once_however_many_timelines_use_it(works, store, monkeypatch) -> None:
    looked: list[object] = []
    climb = sync._climb
    monkeypatch.setattr(sync, "_climb", lambda *values: looked.append(values) or climb(*values))
    results = run(works, store)
    assert len(looked) == 1
    assert [each["state"] for each in results] == ["done"] * 3
    assert all(Path(work.target).is_file() for work in works)
    assert [each["report"]["findings"][0]["action"] for each in results] == ["slipped"] * 3


def test_what_is_kept_changes_no_finding(works, store) -> None:
    plain = run(works, None)
    for _ in range(2):
        assert list(map(without_times, run(works, store))) == list(map(without_times, plain))


def test_the_plan_says_what_is_new_known_and_missing(works, store, tmp_path: Path) -> None:
    shared = pipeline.Shared(store)
    planned = batch.plan(works, shared)
    assert [each.state for each in planned.timelines] == ["new"] * 3
    assert planned.about_s is None
    # 12 s of media are used by all three.
    assert planned.media_s == pytest.approx(12, abs=1)
    run(works, store)
    (tmp_path / "broken.otio").write_text("{")
    lost = otio.adapters.read_from_file(works[0].source)
    for clip in lost.find_clips():
        clip.media_reference.target_url = "/nowhere/gone.mov"
    otio.adapters.write_to_file(lost, str(tmp_path / "lost.otio"))
    more = [
        batch.Work(str(tmp_path / name), str(tmp_path / "out" / name), works[0].settings)
        for name in ("lost.otio", "broken.otio")
    ]
    planned = batch.plan([*works, *more], pipeline.Shared(store))
    assert [each.state for each in planned.timelines] == ["cached"] * 4 + ["unreadable"]
    said = "\n".join(planned.lines())
    assert "no media is new" in said
    assert "gone.mov" in said
    assert "broken.otio" in said
    assert store.speed("sync").ratio is not None


def test_the_plan_knows_what_was_told_of_media(works, store, monkeypatch) -> None:
    monkeypatch.setitem(pipeline._OPEN, "captions", lambda settings: pretended())
    works = [replace(each, settings=replace(each.settings, tasks=("captions",))) for each in works]
    new = batch.plan(works, pipeline.Shared(store))
    assert [each.state for each in new.timelines] == ["new"] * 3
    # All play the same of it.
    assert new.media_s == pytest.approx(new.timelines[0].media_s.popitem()[1])
    plain = run(works, None)
    assert list(map(without_times, run(works, store))) == list(map(without_times, plain))
    known = batch.plan(works, pipeline.Shared(store))
    assert [(each.state, each.media_s) for each in known.timelines] == [("cached", {})] * 3
    assert list(map(without_times, run(works, store))) == list(map(without_times, plain))


def test_resuming_leaves_out_what_is_finished_and_nothing_else(works, store, monkeypatch) -> None:
    first = run(works, store)
    Path(works[1].target).write_text("spoilt")
    Path(works[2].source).write_text(Path(works[2].source).read_text().replace('"cut"', '"other"'))
    done: list[str] = []
    run_one = batch.run_one
    monkeypatch.setattr(
        batch, "run_one", lambda work, *more: done.append(Path(work.source).name) or run_one(work, *more)
    )
    again = run(works, store, resume=True)
    assert done == ["b.otio", "c.otio"]
    assert again[0] == first[0]
    assert [each["state"] for each in again] == ["done"] * 3


def test_a_failure_stops_the_others_only_where_that_is_asked_for(works, store, monkeypatch) -> None:
    run_one = batch.run_one

    def surprised(work: batch.Work, *more):
        if work is not None and work.source.endswith("a.otio"):
            raise ZeroDivisionError("division by zero")
        return run_one(work, *more)

    monkeypatch.setattr(batch, "run_one", surprised)
    assert [each["state"] for each in run(works, store)] == ["failed", "done", "done"]
    results = run(works, store, keep_going=False)
    assert [each["state"] for each in results] == ["failed"]
    assert "ZeroDivisionError" in results[0]["error"]


class Frail:
    """Does jobs here, but for the first ones, whose process ends."""

    at_once = 2

    def __init__(self, here: batch.Here, ends: int) -> None:
        self._here, self._left = here, ends

    def submit(self, job: batch.Job) -> batch.Promise:
        if self._left:
            self._left -= 1
            broken: Future[batch.Result] = Future()
            broken.set_exception(BrokenProcessPool("ended"))
            return broken
        return self._here.submit(job)

    def close(self) -> None: ...


@pytest.mark.parametrize(("ends", "states"), [(2, {"done"}), (100, {"failed"})])
def test_a_process_that_ends_costs_only_time_unless_they_all_do(works, store, ends, states) -> None:
    shared = pipeline.Shared(store)
    results = batch.run(batch.plan(works, shared), Frail(batch.Here(shared), ends), store=store)
    assert {each["state"] for each in results} == states
    assert [each["input"] for each in results] == [work.source for work in works]


def test_processes_find_what_one_finds(works, store) -> None:
    plain = run(works, None)
    executor = batch.Processes(store, 2)
    try:
        results = batch.run(batch.plan(works, pipeline.Shared(store)), executor, store=store)
    finally:
        executor.close()
    assert list(map(without_times, results)) == list(map(without_times, plain))
    assert store.stats().kinds["heard"] == 1


@pytest.mark.parametrize("suffix", [".json", ".csv", ".html"])
def test_one_report_speaks_of_all(works, store, tmp_path: Path, suffix: str) -> None:
    results = [*run(works, store), batch.failed(works[0], "<it> broke", 0.0)]
    path = tmp_path / f"all{suffix}"
    batch.write_report(results, path)
    text = path.read_text(encoding="utf-8")
    assert all(Path(work.source).name in text for work in works)
    if suffix == ".json":
        held = json.loads(text)
        assert held["summary"] == {
            "timelines": 4, "failed": 1, "actions": {"slipped": 3}, "skipped": 0,
        }  # fmt: skip
        assert held["timelines"][0]["report"]["findings"][0]["audio_early_s"] == pytest.approx(0.4, abs=0.01)
    else:
        assert ("&lt;it&gt; broke" if suffix == ".html" else "<it> broke") in text


def test_a_watched_file_is_given_once_it_is_whole(tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.otio", tmp_path / "deeper" / "other.otio"
    other.parent.mkdir()
    (tmp_path / ".half.otio").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    coming = batch.arrivals(tmp_path, {".otio"}, wait=lambda seconds: None)
    assert next(coming) == []
    cut.write_text("x")
    assert next(coming) == []
    cut.write_text("x and more")
    assert next(coming) == []
    other.write_text("y")
    assert next(coming) == [str(cut)]
    assert next(coming) == [str(other)]
    assert next(coming) == []
    cut.write_text("changed")
    os.utime(cut, (time.time() + 5,) * 2)
    next(coming)
    assert next(coming) == [str(cut)]
    for each in (cut, other):
        each.unlink()
    with pytest.raises(OutputError, match="watch"):
        next(batch.arrivals(tmp_path / "none", {".otio"}, wait=lambda seconds: None))


def test_patterns_are_spelt_out_where_no_shell_does(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/one.otio", "a/b/two.otio", "a/[x].otio"):
        (tmp_path / name).write_text("x")
    assert batch.expanded(str(tmp_path / "**" / "*o.otio")) == [str(tmp_path / "a" / "b" / "two.otio")]
    assert batch.expanded(str(tmp_path / "a" / "[x].otio")) == [str(tmp_path / "a" / "[x].otio")]
    assert batch.expanded("no*where.otio") == ["no*where.otio"]


def test_timelines_that_are_called_alike_keep_their_folders(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    assert batch.targets(["a/x.otio", "b/y.otio"], out) == ["out/x.otio", "out/y.otio"]
    alike = ["show/a/x.otio", "show/b/c/x.xml", "show/y.otio"]
    kept = ["out/a/x.otio", "out/b/c/x.xml", "out/y.otio"]
    assert batch.targets(alike, out) == kept
    assert batch.targets([str(tmp_path / each) for each in alike], out) == kept
    assert batch.targets(["show/b/../a/x.otio"], out, Path("show")) == ["out/a/x.otio"]
    # In one folder they have other suffixes, or are the same.
    assert batch.targets(["a/x.otio", "a/x.xml"], out) == ["out/x.otio", "out/x.xml"]
    with pytest.raises(UsageError, match="below"):
        batch.targets(["other/x.otio"], out, Path("show"))


def test_no_output_takes_the_place_of_another_or_of_an_input(
    works, avassist, tmp_path: Path, capsys  # noqa: F811
) -> None:  # fmt: skip
    out = tmp_path / "out"
    inputs = []
    for work, reel in zip(works, ("one", "two"), strict=False):
        inputs.append(tmp_path / "show" / reel / "cut.otio")
        inputs[-1].parent.mkdir(parents=True)
        inputs[-1].write_bytes(Path(work.source).read_bytes())
    words = ("run", tmp_path / "show", "--media-root", tmp_path)
    assert avassist(*words, "-o", out, "--plan") == 0
    assert (
        f"folders are kept: {out / 'one' / 'cut.otio'}, {out / 'two' / 'cut.otio'}" in capsys.readouterr().out
    )
    assert list(out.iterdir()) == []
    before = [each.read_bytes() for each in inputs]
    assert avassist(*words, "-o", out) == 0
    made = [out / reel / name for reel in ("one", "two") for name in ("cut.otio", "cut.avassist.json")]
    assert sorted(each for each in out.rglob("*") if each.is_file()) == sorted(made)
    assert avassist(*words, "-o", tmp_path / "show") == 2
    assert avassist("run", inputs[0], "-o", inputs[0].parent) == 2
    assert "is an input itself" in capsys.readouterr().err
    assert [each.read_bytes() for each in inputs] == before
    # As a task of a farm does it, which sees one of them.
    assert avassist("run", inputs[1], "-o", out, "--below", inputs[1].parent.parent.parent) == 0
    assert (out / "show" / "two" / "cut.otio").is_file()
    assert avassist("run", inputs[1], "-o", out / "none" / "cut.otio") == 1
    assert avassist("run", inputs[1], "-o", out / "x.otio", "--below", tmp_path) == 2


def test_the_command_plans_runs_and_resumes(
    works, avassist, tmp_path: Path, monkeypatch, capsys  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    inputs, out = [work.source for work in works], tmp_path / "out"
    assert avassist("run", *inputs, "-o", out, "--plan") == 0
    assert "3 timelines: 3 new" in capsys.readouterr().out
    assert list(out.iterdir()) == []
    words = ("run", tmp_path / "*.otio", "-o", out, "--jobs", "1", "--report", tmp_path / "all.json")
    assert avassist(*words) == 0
    said = capsys.readouterr().err
    assert all(f"{name}: 1 slipped" in said for name in ("a.otio", "b.otio", "c.otio"))
    assert json.loads((tmp_path / "all.json").read_text())["summary"]["actions"] == {"slipped": 3}
    assert avassist(*words, "--resume") == 0
    assert "3 finished" in capsys.readouterr().err
    assert avassist("run", *inputs, "-o", out, "--resume", "--no-cache") == 2
    assert avassist("cache", "stats") == 0
    assert "1 heard" in capsys.readouterr().out
    assert avassist("cache", "prune", "--to", "0") == 0
    assert avassist("cache") == 0
    assert "nothing" in capsys.readouterr().out


def test_a_watched_folder_is_done_until_it_is_stopped(
    works, avassist, tmp_path: Path, monkeypatch, capsys  # noqa: F811
) -> None:  # fmt: skip
    def arrivals(folder, suffixes):
        assert ".otio" in suffixes
        (tmp_path / "broken.otio").write_text("{")
        yield [str(tmp_path / "broken.otio"), works[0].source]
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "arrivals", arrivals)
    assert avassist("run", "--watch", tmp_path, "-o", tmp_path / "out", "-q") == 2
    place = tmp_path.parent / f"{tmp_path.name} out"
    place.mkdir()
    assert avassist("run", "--watch", tmp_path, "-o", place, "-q") == 1
    assert [each.name for each in place.glob("*.otio")] == ["a.otio"]
    assert "broken.otio" in capsys.readouterr().err
