"""Many machines: a Dask scheduler and three workers, processes on this one, find what one process finds."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest

from bench.farm import PATIENCE_S, Farm, started, until
from otio_avassist import batch, farm, pipeline, windows
from otio_avassist.errors import FarmError, UsageError
from tests.material import film
from tests.test_cli import FPS, avassist, frames  # noqa: F401 (a fixture)

pytest.importorskip("distributed", reason="needs the extra `farm`")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", nobody(tmp_path_factory))
        with started(folder, "abc") as made:
            yield made


def nobody(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the networks of a user would stand who has fetched none, as for each test."""
    return str(tmp_path_factory.getbasetemp() / "nobody")


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six timelines over two films, whose own sound lies under them, and a recorder of the same event."""
    folder = tmp_path_factory.mktemp("show")
    film(folder / "one.mp4", seconds=8)
    film(folder / "two.mp4", seconds=8, early_s=0.2)
    film(folder / "recorder.wav", seconds=8, picture=False, early_s=0.4)
    for number, (picture, sound) in enumerate(
        [
            *(("one.mp4", "recorder.wav"), ("two.mp4", "recorder.wav"), ("one.mp4", "one.mp4")),
            *(("two.mp4", "two.mp4"), ("one.mp4", "two.mp4"), ("two.mp4", "one.mp4")),
        ]
    ):
        timeline = otio.schema.Timeline(f"cut {number}")
        for kind, name in (("Video", picture), ("Audio", sound)):
            media = otio.schema.ExternalReference(str(folder / name), frames(0, 8 * FPS))
            clip = otio.schema.Clip(name, media, frames(5 * number, 150))
            clip.metadata["Resolve_OTIO"] = {"Link Group ID": 1}
            timeline.tracks.append(otio.schema.Track(kind, [clip], kind=kind))
        timeline.to_json_file(str(folder / f"{number}.otio"))
    return folder


@pytest.fixture
def planned(show: Path, tmp_path: Path) -> batch.Plan:
    return plan_of(show, tmp_path)


def plan_of(show: Path, out: Path) -> batch.Plan:
    settings = pipeline.Settings(base_dir=show, device="cpu")
    works = [
        batch.Work(str(path), str(out / path.name), replace(settings, output_dir=out))
        for path in sorted(show.glob("*.otio"))
    ]
    return batch.plan(works, pipeline.Shared())


def on(cluster: Farm, planned: batch.Plan, **more) -> list[batch.Result]:
    executor = farm.Cluster(cluster.address, planned, **more)
    try:
        return batch.run(planned, executor)
    finally:
        executor.close()


def bytes_of(results: list[batch.Result], planned: batch.Plan) -> list[tuple[str, bytes]]:
    """All that was found and written, but how long it took, where, and on which device."""
    found = []
    for result, each in zip(results, planned.timelines, strict=True):
        assert result["state"] == "done", result
        report = {
            key: value
            for key, value in result["report"].items()
            if key not in ("seconds", "device", "output")
        }
        assert each.work.target is not None
        found.append((json.dumps(report), Path(each.work.target).read_bytes()))
    return found


@pytest.fixture(scope="module")
def alone(show: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """What one process finds, with one thread as each worker has."""
    planned = plan_of(show, tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("XDG_DATA_HOME", nobody(tmp_path_factory))
        patch.setattr(windows, "DECODER_THREADS", 1)
        return bytes_of(batch.run(planned, batch.Here(pipeline.Shared())), planned)


# On the cluster.


def test_three_workers_find_what_one_process_finds(cluster, planned, alone) -> None:
    results = on(cluster, planned, keep=False)
    assert bytes_of(results, planned) == alone
    assert len({each["worker"] for each in results}) == 3
    assert not (cluster.folder / "kept").exists()


def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, planned, alone) -> None:
    from distributed import Client

    cluster.start("victim")
    until(lambda: "victim" in cluster.there())
    address = cluster.there()["victim"]
    results: list[batch.Result] = []
    executor = farm.Cluster(cluster.address, planned)
    running = threading.Thread(target=lambda: results.extend(batch.run(planned, executor)))
    with Client(cluster.address, set_as_default=False) as client:
        # It holds still with a job in its hands, which it can't have handed back; then it is gone.
        os.kill(cluster.workers["victim"].pid, signal.SIGSTOP)
        running.start()
        until(lambda: client.processing().get(address))
        cluster.stop("victim")
        running.join(PATIENCE_S)
    executor.close()
    assert bytes_of(results, planned) == alone
    assert address not in {each["worker"] for each in results}
    assert (cluster.folder / "kept").is_dir()


def test_workers_that_differ_are_told_and_by_what(cluster, planned, tmp_path) -> None:
    (tmp_path / "otio_avassist").mkdir()
    (tmp_path / "otio_avassist" / "__init__.py").write_text("")
    shipped = Path(farm.bundles.find("sync"))
    (tmp_path / "sync").mkdir()
    card = json.loads((shipped / "card.json").read_text("utf-8")) | {"version": "0.0.7"}
    (tmp_path / "sync" / "card.json").write_text(json.dumps(card), "utf-8")
    cluster.start("old", PYTHONPATH=str(tmp_path))
    cluster.start("other", OTIO_AVASSIST_BUNDLES=str(tmp_path / "sync"))
    until(lambda: {"old", "other"} <= set(cluster.there()))
    there = cluster.there()
    try:
        with pytest.raises(FarmError) as told:
            farm.Cluster(cluster.address, planned)
    finally:
        cluster.stop("old", "other")
        until(lambda: not {"old", "other"} & set(cluster.there()))
    old, other = sorted(str(told.value).splitlines(), key=lambda line: there["old"] not in line)
    assert old.startswith(f"{there['old']}: has no otio-avassist like this one")
    assert other.startswith(f"{there['other']}: the bundle for sync is {card['network']} 0.0.7")
    assert f"wanted {card['network']} " in other


def test_what_a_worker_lacks_is_told_and_the_others_are_done(cluster, show, tmp_path) -> None:
    planned = plan_of(show, tmp_path)
    moved = tmp_path / "5.otio"
    timeline = otio.adapters.read_from_file(str(show / "5.otio"))
    [clip] = timeline.audio_tracks()[0]
    clip.media_reference.target_url = str(tmp_path / "gone.mp4")
    (tmp_path / "gone.mp4").write_bytes((show / "one.mp4").read_bytes())
    otio.adapters.write_to_file(timeline, str(moved))
    (tmp_path / "4.otio").write_bytes((show / "4.otio").read_bytes())
    settings = planned.timelines[0].work.settings
    works = [batch.Work(str(tmp_path / name), None, settings) for name in ("4.otio", "5.otio")]
    # A folder that is called otherwise there: it isn't at all here, and nothing can be written to it.
    mapped = replace(settings, path_map=(("/nowhere/show", str(show)), ("/nowhere/out", str(tmp_path))))
    works += [batch.Work("/nowhere/show/0.otio", to, mapped) for to in (None, "/nowhere/out/0.otio")]
    made = batch.plan(works[:2], pipeline.Shared())
    made = replace(made, timelines=(*made.timelines, *(batch.Planned(each, "new") for each in works[2:])))
    (tmp_path / "gone.mp4").unlink()
    (tmp_path / "4.otio").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(farm, "SEEN_WITHIN_S", 0.0)
        no_timeline, no_media, dry, nowhere = on(cluster, made)
    assert no_timeline["error"].startswith(f"{tmp_path / '4.otio'}: no such file (on tcp://")
    assert f"isn't here: {tmp_path / 'gone.mp4'}; share it, or say --map (on tcp://" in no_media["error"]
    assert dry["state"] == "done"
    assert (dry["input"], dry["report"]["input"]) == ("/nowhere/show/0.otio",) * 2
    assert dry["report"]["findings"][0]["audio_early_s"] == pytest.approx(0.4, abs=0.01)
    assert f"wrote {tmp_path / '0.otio'}, and it isn't here" in nowhere["error"]


def test_the_command_has_workers_do_it(
    cluster, show, tmp_path, monkeypatch, capfd, avassist  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.chdir(show)
    words = ("run", "0.otio", "1.otio", "-o", tmp_path, "--scheduler", cluster.address)
    assert avassist(*words, "--plan") == 0
    assert avassist(*words, "--report", tmp_path / "all.json") == 0
    held = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert [each["input"] for each in held["timelines"]] == ["0.otio", "1.otio"]
    assert all(each["worker"].startswith("tcp://") for each in held["timelines"])
    assert (tmp_path / "0.otio").is_file()
    assert avassist(*words, "--jobs", 2) == 2
    assert avassist("run", "-", "--dry-run", "--scheduler", cluster.address) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_nobody_who_would_do_it_is_an_error(cluster, planned, monkeypatch) -> None:
    executor = farm.Cluster(cluster.address, planned)
    executor.close()
    with pytest.raises(FarmError, match="the scheduler is gone"):
        executor.submit(planned.timelines[0].work.to_job())
    monkeypatch.setattr(farm, "RESOURCE", "patience")
    with pytest.raises(FarmError, match=r"no worker offers patience; start some: dask worker tcp://"):
        farm.Cluster(cluster.address, planned)


# Without one.


def test_a_scheduler_that_is_not_there_is_an_error(planned, monkeypatch) -> None:
    monkeypatch.setattr(farm, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(FarmError, match=f"127.0.0.1:{port}: no Dask scheduler answers"):
            farm.Cluster(f"tcp://127.0.0.1:{port}", planned)
    with pytest.raises(FarmError, match=f"127.0.0.1:{port}: no Dask scheduler answers"):
        farm.Cluster(f"tcp://127.0.0.1:{port}", planned)
    with pytest.raises(UsageError, match="wanted tcp://HOST:PORT"):
        farm.Cluster("nonsense", planned)


def test_what_differs_is_said_from_both_sides() -> None:
    wanted = {"av": "18", "numpy": "1", "the bundle for sync": "x 1"}
    assert farm.differing(wanted, wanted) == ""
    there = {"av": "18", "numpy": "2", "the bundle for foley": "y 1"}
    assert farm.differing(wanted, there) == (
        "numpy is 2, wanted 1; the bundle for sync is not there, wanted x 1;"
        " the bundle for foley is y 1, wanted none"
    )


def test_each_network_that_would_be_asked_is_part_of_the_equipment() -> None:
    asked = {"foley": {"foley", "sync"}, "sync": {"sync"}, "captions": {"captions"}}
    for task, wanted in asked.items():
        held = farm.equipment(pipeline.Settings(tasks=(task,)))
        there = {name.removeprefix("the bundle for ") for name in held}
        assert there & set(asked) == wanted
        assert {"the code of otio-avassist", "numpy", "onnxruntime"} <= there


def test_what_helps_a_network_where_it_is_there_is_part_of_it_too(tmp_path, monkeypatch) -> None:
    shipped = json.loads((farm.bundles.find("sync") / "card.json").read_text("utf-8"))
    (tmp_path / "card.json").write_text(json.dumps(shipped | {"task": "blazeface"}), "utf-8")
    before = farm.equipment(pipeline.Settings())
    monkeypatch.setenv(farm.bundles.VARIABLE, str(tmp_path))
    assert set(farm.equipment(pipeline.Settings())) - set(before) == {"the bundle for blazeface"}


def test_files_are_called_as_they_are_or_as_the_map_says(tmp_path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.otio").write_text("x")
    (tmp_path / "here.otio").write_text("x")
    old = "Z:\\show"
    settings = pipeline.Settings(path_map=(("/gone", "/also/gone"), (old, str(tmp_path / "there"))))
    place = farm._placer(batch.Work("x", None, settings).to_job())
    assert place(str(tmp_path / "here.otio")) == str(tmp_path / "here.otio")
    assert place("Z:\\show\\a.otio") == str(tmp_path / "there" / "a.otio")
    assert place("z:/show/new.otio") == str(tmp_path / "there" / "new.otio")
    assert place("/gone/x.otio") == "/gone/x.otio"


def test_every_path_of_a_job_is_changed() -> None:
    settings = pipeline.Settings(base_dir=Path("b"), media_root=(Path("m"),), bundle=Path("n"))
    job = batch.Work("s", "t", settings, Path("side"), False, ("r",)).to_job()
    work = batch.Work.of_job(farm._with_paths(job, lambda path: f"/x/{path}"))
    assert (work.source, work.target, work.reports) == ("/x/s", "/x/t", ("/x/r",))
    assert work.sidecar == Path("/x/side")
    assert (work.settings.base_dir, work.settings.bundle) == (Path("/x/b"), Path("/x/n"))
    assert work.settings.media_root == (Path("/x/m"),)
    assert farm._with_paths(batch.Work("s", None, settings).to_job(), str.upper)["work"]["target"] is None
