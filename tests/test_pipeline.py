"""Several tasks on one road: each sees what the one before has left, and replaces its own work alone."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import opentimelineio as otio
import pytest

from otio_avassist import bundles, edits, pipeline, review, spans, wanted
from otio_avassist.errors import BundleError, TimelineError
from otio_avassist.findings import CaptionFinding, FoleyFinding, PassedOver, SyncFinding
from otio_avassist.tasks import captions
from tests import pretend
from tests.cuts import clip, gap, simple, take, timeline, track
from tests.test_timelines import Everywhere, probe


def network(name: str, needs=()):
    return SimpleNamespace(
        card=SimpleNamespace(network=name),
        sha256=name * 4,
        device="cpu",
        needs={each.card.network: each for each in needs},
    )


class Teller:
    """A task of captions that says one sentence of each shot, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shots: list = []
        self.silent = False
        self.blind = False

    def analyse(self, shots, bundle, options, progress, store):
        assert bundle.card.network == "teller"
        self.shots = list(shots)
        for shot in shots:
            lead = shot.lead
            if self.blind:
                yield PassedOver(shot, "is dark")
            elif not self.silent:
                yield CaptionFinding(
                    shot, lead.record_start_s, lead.record_start_s + 1, lead.start_s,
                    "Something happens.", "something", "event", "seen", 0.5,
                )  # fmt: skip


def hear(shots, model, options, progress, store):
    for shot in shots:
        yield SyncFinding(shot, 0.4, 0.97, "sound-to-sound")


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch) -> Teller:
    """The road with media everywhere, a sync that finds all early by 0.4 s, and a teller."""
    teller = Teller()
    needed = network("teller", [network("ears"), network("eyes")])
    monkeypatch.setitem(pipeline.TASKS, "captions", teller)
    monkeypatch.setitem(pipeline.TASKS, "sync", SimpleNamespace(analyse=hear))
    monkeypatch.setitem(pipeline._OPEN, "captions", lambda settings: needed)
    monkeypatch.setitem(pipeline._OPEN, "sync", lambda settings: None)
    monkeypatch.setattr(pipeline, "_locator", lambda settings: Everywhere())
    monkeypatch.setattr(pipeline.windows, "probe", probe)
    return teller


def cut() -> otio.schema.Timeline:
    """Two pictures with a recorder's file under each; the first has too little handle for its slip."""
    made = simple(start=4)
    for number in (0, 1):
        for row in made.tracks:
            row[number].metadata["Resolve_OTIO"] = {"Link Group ID": number}
    return made


def run(root, *tasks: str, sidecar=None):
    return pipeline.assist(root, pipeline.Settings(tasks=tasks), sidecar=sidecar)


def test_two_tasks_of_one_run_do_what_two_runs_do(teller: Teller) -> None:
    both = run(cut(), "sync", "captions")
    first = run(cut(), "sync")
    second = run(first.timeline, "captions", sidecar=first.sidecar)
    assert both.timeline.to_json_string() == second.timeline.to_json_string()
    assert both.sidecar == second.sidecar
    assert [line.finding.task for line in both.report.findings] == ["sync"] * 2 + ["captions"] * 2


@pytest.mark.parametrize("tasks", [("sync",), ("captions",), ("sync", "captions"), ("captions", "sync")])
def test_a_run_over_the_result_of_both_gives_the_same_bytes(teller: Teller, tasks) -> None:
    both = run(cut(), "sync", "captions")
    again = run(both.timeline, *tasks, sidecar=both.sidecar)
    assert again.timeline.to_json_string() == both.timeline.to_json_string()
    assert again.sidecar == both.sidecar


def test_captions_see_the_sound_where_sync_has_put_it_and_sync_sees_it_as_it_was(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = run(cut(), "sync").timeline
    second = mended.tracks[1][-1]
    assert second.source_range.start_time.value == 90
    run(mended, "captions")
    assert [shot.sound.start_s for shot in teller.shots if shot.sound][-1] == pytest.approx(90 / 25)
    heard: list = []
    monkeypatch.setitem(
        pipeline.TASKS, "sync", SimpleNamespace(analyse=lambda shots, *rest: iter(heard.extend(shots) or ()))
    )
    run(run(mended, "captions").timeline, "sync")
    assert [shot.sound.start_s for shot in heard] == pytest.approx([4 / 25, 100 / 25])


def test_without_what_it_found_before_a_task_leaves_nothing_of_it(teller: Teller) -> None:
    both = run(cut(), "sync", "captions")
    teller.silent = True
    silent = run(both.timeline, "captions", sidecar=both.sidecar)
    assert silent.timeline.to_json_string() == run(cut(), "sync").timeline.to_json_string()
    assert edits.strip(both.timeline).timeline.to_json_string() == cut().to_json_string()


def test_the_report_names_each_network_that_was_asked(teller: Teller) -> None:
    done = run(cut(), "captions")
    assert [each["name"] for each in done.report.bundles] == ["teller", "ears", "eyes"]
    ours = done.timeline.tracks.markers[0].metadata["otio_avassist"]
    assert (ours["bundle"], ours["task"]) == ("teller", "captions")


def test_to_look_and_have_nothing_to_say_is_told_from_not_having_looked(teller: Teller) -> None:
    assert not run(cut(), "captions").report.all_abstained
    teller.silent = True
    silent = run(cut(), "captions").report
    assert silent.all_abstained
    assert silent.looked_at == 2
    # Sync has an answer: the run as a whole says something.
    assert not run(cut(), "sync", "captions").report.all_abstained
    teller.silent, teller.blind = False, True
    blind = run(cut(), "captions").report
    assert not blind.all_abstained
    assert {each.reason for each in blind.skipped} == {"is dark"}


def test_a_caption_with_a_doubt_should_be_looked_at(teller: Teller) -> None:
    report = run(cut(), "captions").report
    assert not report.doubtful
    line = report.findings[0]
    unsure = replace(line, finding=replace(line.finding, doubts=("faint",)))
    assert replace(report, findings=(unsure,)).doubtful


def test_a_bundle_that_is_named_is_that_of_the_task_it_was_made_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def card(task: str) -> Path:
        folder = tmp_path / task
        folder.mkdir(exist_ok=True)
        bundles.Card(task, "net", "1", {}, {}).write(folder)
        return folder

    named = card("captions")
    both = pipeline.Settings(tasks=("sync", "captions"), bundle=named)
    assert pipeline._named_bundle("captions", both) == named
    assert pipeline._named_bundle("sync", both) is None
    alone = pipeline.Settings(tasks=("sync",), bundle=named)
    assert pipeline._named_bundle("sync", alone) == named
    foreign = pipeline.Settings(tasks=("sync", "captions"), bundle=card("foley"))
    assert pipeline._named_bundle("sync", foreign) == foreign.bundle


def test_captions_without_a_network_are_an_error_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", str(tmp_path))
    monkeypatch.setattr(bundles, "SHIPPED", tmp_path)
    monkeypatch.setitem(pipeline.TASKS, "sync", SimpleNamespace(analyse=lambda *all: pytest.fail("worked")))
    with pytest.raises(BundleError, match="captions"):
        pipeline.assist(clip("a.mov"), pipeline.Settings(tasks=("sync", "captions")))


def test_subtitles_that_stand_on_the_timeline_are_heard_where_they_stand(
    teller: Teller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "cues" not in {each.name for each in fields(captions.Options)}:
        pytest.skip("captions can't be told of cues yet")
    path = tmp_path / "said.srt"
    path.write_text(
        "1\n00:00:00,500 --> 00:00:01,000\nBefore\n\n2\n00:00:02,000 --> 00:00:03,500\nHello\n\n"
        "3\n00:00:09,000 --> 00:00:10,000\nAfter\n"
    )
    monkeypatch.setattr(pipeline, "_locator", lambda settings: spans.Locator())
    made = cut()
    words = clip("said.srt", 25, 100)
    words.media_reference.target_url = str(path)
    # Read from its first second on, four seconds into the timeline.
    made.tracks.append(otio.schema.Track("Subtitles", [gap(100), words], kind="Subtitle"))
    got: list = []
    teller.analyse = lambda shots, bundle, options, *rest: iter(got.append(options) or ())  # type: ignore[method-assign]
    for said in ("auto", "none"):
        asked = pipeline.Settings(tasks=("captions",), captions=captions.Options(speech=said))
        pipeline.assist(made, asked)
    assert [[(cue.start_s, cue.end_s, cue.text) for cue in each.cues] for each in got] == [
        [(5.0, 6.5, "Hello")], [],
    ]  # fmt: skip


def test_the_options_of_captions_reach_the_task(teller: Teller) -> None:
    got: list = []
    teller.analyse = lambda shots, bundle, options, *rest: iter(got.append(options) or ())  # type: ignore[method-assign]
    options = captions.Options(per_minute=3.0, on="clip")
    pipeline.assist(cut(), pipeline.Settings(tasks=("captions",), captions=options))
    assert got == [options]


# With the real task and a network that tests make up


def test_a_whistle_is_marked_where_it_sounds_on_a_cut_that_starts_at_one_hour(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    film = pretend.paint(
        tmp_path / "film.mkv",
        [(pretend.RED, 10), (pretend.GREEN, 10)],
        [(None, 5), (pretend.WHISTLE_HZ, 1), (None, 14)],
        fps=25,
    )
    monkeypatch.setitem(pipeline._OPEN, "captions", lambda settings: pretend.pretended())
    # From the third second of the film on, after four seconds of nothing.
    shot = clip("film.mkv", 75, 375, available=(0, 500))
    shot.media_reference.target_url = str(film)
    made = timeline(track("Video", gap(100), shot))
    done = pipeline.assist(made, pipeline.Settings(tasks=("captions",)))
    found = [line.finding for line in done.report.findings]
    whistles = [each for each in found if "whistle" in each.text and each.level == "event"]
    assert ["heard" in each.carried_by for each in whistles] == [True]
    # It sounds at 5 s of the film: 2 s into the shot, 6 s into the cut.
    marked = {
        marker.metadata["otio_avassist"]["finding"]: marker.marked_range.start_time.value
        for marker in done.timeline.tracks.markers
    }
    assert marked[whistles[0].id] == pytest.approx(150, abs=0.3 * 25)
    assert len(marked) == len(found)
    again = pipeline.assist(done.timeline, pipeline.Settings(tasks=("captions",)), sidecar=done.sidecar)
    assert again.timeline.to_json_string() == done.timeline.to_json_string()
    assert edits.strip(again.timeline).timeline.to_json_string() == made.to_json_string()


def settled(root, report, *, state="accepted", tasks=("sync", "captions"), **others):
    decided = {line.finding.id: review.Decision(state) for line in report.findings}
    return pipeline.settle(root, report, decided, pipeline.Settings(tasks=tasks), **others)


@pytest.mark.parametrize("tasks", [("sync",), ("captions",), ("sync", "captions")])
@pytest.mark.parametrize("state", review.STATES)
def test_what_was_looked_at_and_decided_is_what_a_run_does_with_these_decisions(
    teller: Teller, tasks: tuple[str, ...], state: str
) -> None:
    root = cut()
    # With handle enough: a slip that trims the shot moves what captions speak of, too.
    root.tracks[1][0].source_range = root.tracks[1][1].source_range
    report = pipeline.look(root, pipeline.Settings(tasks=tasks))
    after = settled(root, report, tasks=tasks, state=state)
    decided = {line.finding.id: review.Decision(state) for line in report.findings}
    at_once = run(review.decide_all(root, decided), *tasks)
    assert after.timeline.to_json_string() == at_once.timeline.to_json_string()
    assert after.sidecar == at_once.sidecar


def make_takes(shots, network, options, progress, store):
    for shot in shots:
        lead = shot.lead
        yield FoleyFinding(
            shot, lead.record_start_s, lead.record_start_s + lead.duration_s, lead.start_s,
            "rain", "generated", (take(1, lead.duration_s), take(2, lead.duration_s)), 0.8,
        )  # fmt: skip


def test_a_take_that_was_chosen_after_a_look_is_laid_as_a_run_lays_it(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipeline.TASKS, "foley", SimpleNamespace(analyse=make_takes))
    monkeypatch.setitem(pipeline._OPEN, "foley", lambda settings: None)
    silent = timeline(track("Video", clip("a.mov"), clip("b.mov")))
    settings = pipeline.Settings(tasks=("foley",), wish=wanted.Wish("all"))
    report = pipeline.look(silent, settings)
    first, second = (line.finding.id for line in report.findings)
    decided = {
        first: review.Decision("accepted", take=take(2).name),
        second: review.Decision("rejected"),
    }
    done = pipeline.settle(silent, report, decided, settings)
    [laid] = [each for each in done.timeline.audio_tracks()[0] if isinstance(each, otio.schema.Clip)]
    assert laid.media_reference.target_url.endswith(take(2).name)
    at_once = pipeline.assist(review.decide_all(silent, decided), settings)
    assert done.timeline.to_json_string() == at_once.timeline.to_json_string()
    again = pipeline.assist(done.timeline, settings, sidecar=done.sidecar)
    assert again.timeline.to_json_string() == done.timeline.to_json_string()


def test_to_look_moves_nothing_whatever_was_decided_before(teller: Teller) -> None:
    before = settled(cut(), pipeline.look(cut(), pipeline.Settings(tasks=("sync", "captions"))))
    assert [line.outcome.action for line in before.report.findings[:2]] == ["slipped"] * 2
    settings = pipeline.Settings(tasks=("sync", "captions"))
    again = pipeline.look(before.timeline, settings, sidecar=before.sidecar)
    assert [line.outcome.action for line in again.findings] == ["marked"] * 2 + ["captioned"] * 2
    # And the earlier decisions still stand where nobody has said anything since.
    after = pipeline.settle(before.timeline, again, {}, settings, sidecar=before.sidecar)
    assert after.timeline.to_json_string() == before.timeline.to_json_string()


def test_only_what_was_accepted_is_done_where_that_is_asked_for(teller: Teller) -> None:
    settings = pipeline.Settings(tasks=("sync", "captions"))
    report = pipeline.look(cut(), settings)
    first = report.findings[0].finding.id
    done = pipeline.settle(cut(), report, {first: review.Decision("accepted")}, settings, accepted_only=True)
    assert [line.outcome.action for line in done.report.findings] == ["slipped"] + ["waiting"] * 3
    only_first = settled(cut(), replace(report, findings=report.findings[:1]), tasks=("sync",))
    assert done.timeline.to_json_string() == only_first.timeline.to_json_string()


def test_each_finding_is_told_as_soon_as_it_is_there(teller: Teller) -> None:
    told: list = []

    def found(line: pipeline.Line) -> None:
        told.append((line.finding.task, len(teller.shots)))

    report = pipeline.look(cut(), pipeline.Settings(tasks=("sync", "captions")), found=found)
    assert [task for task, _ in told] == [line.finding.task for line in report.findings]
    assert [shots for _, shots in told] == [0, 0, 2, 2]  # of sync, before captions have begun


def test_an_offset_that_a_person_set_is_the_one_that_is_mended(teller: Teller) -> None:
    settings = pipeline.Settings()
    report = pipeline.look(cut(), settings)
    second = report.findings[1].finding
    said = {second.id: review.Decision("accepted", early_s=0.2)}
    done = pipeline.settle(cut(), report, said, settings)
    assert done.timeline.tracks[1][-1].source_range.start_time.value == 100 - 5
    assert done.report.findings[1].outcome.slip_frames == 5
    # It outlives an editor that drops all metadata.
    again = run(done.timeline, "sync", sidecar=done.sidecar)
    assert again.timeline.to_json_string() == done.timeline.to_json_string()
    assert pipeline.under(report.findings[1], said[second.id], settings).outcome.slip_frames == 5
    rejected = review.Decision("rejected", early_s=0.2)
    assert pipeline.under(report.findings[1], rejected, settings).outcome.edits == ()


def test_a_timeline_that_has_changed_since_is_not_edited(teller: Teller) -> None:
    report = pipeline.look(cut(), pipeline.Settings(tasks=("captions",)))
    other = cut()
    other.tracks[0].insert(0, gap(10))
    with pytest.raises(TimelineError, match=r"has changed since it was looked at: wanted .* there is"):
        settled(other, report, tasks=("captions",))
