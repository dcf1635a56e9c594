"""What a person says is kept, undone, recovered, and written; without Qt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import pipeline, recall, review
from otio_avassist.errors import AvAssistError, UsageError
from otio_avassist.panel.session import Session
from tests.panel import scene


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return scene.write_cut(tmp_path)


@pytest.fixture
def session(cut: Path) -> Session:
    return scene.filled(cut)


def of(session: Session, task: str) -> list[str]:
    return [id_ for id_, entry in session.entries.items() if entry.task == task]


def test_an_edl_is_read_at_the_rate_that_was_said(tmp_path: Path) -> None:
    event = "001  AX       V     C        00:00:01:00 00:00:03:00 01:00:00:00 01:00:02:00"
    (tmp_path / "cut.edl").write_text(f"TITLE: cut\n{event}\n", encoding="utf-8")
    assert Session(str(tmp_path / "cut.edl"), pipeline.Settings(edl_rate=50)).rate == 50


def test_a_look_uses_and_keeps_what_is_found_unless_that_is_off(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stores = []
    monkeypatch.setattr(pipeline, "look", lambda *given, shared, **more: stores.append(shared.store))
    session.look()
    monkeypatch.setenv("OTIO_AVASSIST_CACHE", str(tmp_path / "kept"))
    session.look()
    assert [store and store.folder for store in stores] == [None, tmp_path / "kept"]


def test_each_change_gives_back_what_stood_before_and_can_be_undone(session: Session) -> None:
    sync, caption, foley = (of(session, task)[0] for task in ("sync", "captions", "foley"))
    changes = [
        (sync, lambda: session.decide(sync, "rejected"), lambda each: each.state == "rejected"),
        (sync, lambda: session.nudge(sync, -3), lambda each: each.early_s == pytest.approx(0.4 - 3 / 25)),
        (caption, lambda: session.edit_text(caption, "A door."), lambda each: each.what == "A door."),
        (foley, lambda: session.choose_take(foley, session.entries[foley].finding.takes[2].name),
         lambda each: each.take == each.finding.takes[2].name),
    ]  # fmt: skip
    for id_, change, is_done in changes:
        before = session.entries[id_]
        former = change()
        assert former == before.decision
        assert is_done(session.entries[id_])
        session.restore(id_, former)
        assert session.entries[id_] == before
    assert not session.dirty


def test_a_wording_is_a_yes_and_the_networks_own_is_no_wording(session: Session) -> None:
    caption = of(session, "captions")[0]
    session.edit_text(caption, "  A door.  ")
    assert (session.entries[caption].state, session.said[caption].text) == ("accepted", "A door.")
    session.edit_text(caption, "Something happens, 0.")
    assert session.said[caption].text == ""
    assert not session.entries[caption].edited


def test_what_was_accepted_is_applied_and_the_rest_is_left(session: Session, tmp_path: Path) -> None:
    sync, caption = of(session, "sync"), of(session, "captions")
    session.nudge(sync[1], -5)
    session.edit_text(caption[0], "A door.")
    session.decide(caption[1], "rejected")
    assert session.dirty
    out = tmp_path / "out.otio"
    assert session.apply(str(out)) == "out.otio: 2 of 5 applied"
    assert not session.dirty
    written = otio.adapters.read_from_file(str(out))
    before = [clip.source_range.start_time.value for clip in session.root.tracks[1]]
    after = [clip.source_range.start_time.value for clip in written.tracks[1]]
    assert [was - now for was, now in zip(before, after, strict=True)] == [0, 5]
    assert written.tracks.markers[0].comment.startswith("A door.")
    assert len(written.tracks.markers) == 1
    assert len(written.tracks) == 2


def test_the_command_and_later_sessions_honour_what_was_saved(session: Session, cut: Path) -> None:
    sync, caption = of(session, "sync")[1], of(session, "captions")[0]
    session.nudge(sync, 5)
    session.decide(caption, "rejected")
    session.save()
    sidecar = review.read_sidecar(cut.with_suffix(".avassist.json"))
    known = review.decisions(session.root, sidecar)
    assert known.of(session.entries[sync].finding).early_s == pytest.approx(0.6)
    assert known.state_of(session.entries[caption].finding) == "rejected"
    again = scene.filled(cut)
    assert again.recovered == 0
    assert again.entries[sync].early_s == pytest.approx(0.6)
    assert again.entries[caption].state == "rejected"
    assert not again.dirty


def test_a_session_that_ended_before_it_was_saved_is_here_again(session: Session, cut: Path) -> None:
    session.finish(report(session))
    caption = of(session, "captions")[0]
    session.edit_text(caption, "A door.")
    session.autosave()
    again = Session(str(cut), session.settings)
    assert again.recovered == 1
    assert again.dirty
    assert list(again.entries) == list(session.entries)
    assert again.entries[caption].what == "A door."
    again.forget()
    assert again.entries[caption].what == "Something happens, 0."
    assert not again.dirty


def test_findings_are_forgotten_when_the_cut_is_another_one_and_decisions_stay(
    session: Session, cut: Path
) -> None:
    session.finish(report(session))
    sync = of(session, "sync")[0]
    session.decide(sync, "rejected")
    session.autosave()
    root = otio.adapters.read_from_file(str(cut))
    root.tracks[0].insert(0, otio.schema.Gap(source_range=otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(10, 25))))  # fmt: skip
    root.to_json_file(str(cut))
    again = Session(str(cut), session.settings)
    assert again.report is None
    assert not again.entries
    assert again.said[sync].state == "rejected"


def test_what_is_kept_late_does_not_replace_what_was_said_since(session: Session, cut: Path) -> None:
    """Keeping goes on beside the window, and the disk may take its time."""
    first, second = of(session, "sync")
    session.decide(first, "rejected")
    late = session.keeping()
    session.decide(second, "rejected")
    session.keeping()()
    late()
    assert set(Session(str(cut), session.settings).said) == {first, second}


def test_findings_are_written_out_once_however_often_decisions_are_kept(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    told, looked = recall.to_json, recall.fingerprint
    monkeypatch.setattr(recall, "to_json", lambda *given: made.append("findings") or told(*given))
    monkeypatch.setattr(recall, "fingerprint", lambda *given: made.append("fingerprint") or looked(*given))
    session.finish(report(session))
    for id_ in session.entries:
        session.decide(id_, "accepted")
        session.autosave()
    assert sorted(made) == ["findings", "fingerprint"]


def test_half_a_review_file_is_no_reason_not_to_open(session: Session, cut: Path) -> None:
    session.autosave()
    session.review_path.write_text(session.review_path.read_text()[:40])
    assert Session(str(cut), session.settings).said == {}


def test_a_session_in_which_nothing_was_found_is_saved_as_well(cut: Path) -> None:
    session = Session(str(cut), scene.SETTINGS)
    assert session.save() == "decisions: cut.avassist.json"
    assert review.read_sidecar(cut.with_suffix(".avassist.json"))["findings"] == {}


def test_the_timeline_that_is_open_is_never_replaced(session: Session, cut: Path) -> None:
    before = cut.read_bytes()
    session.decide(of(session, "sync")[0], "accepted")
    with pytest.raises(UsageError, match="never replaced"):
        session.apply(str(cut))
    assert cut.read_bytes() == before
    assert session.dirty


def test_what_cant_be_written_stays_unsaved(session: Session, tmp_path: Path) -> None:
    session.decide(of(session, "sync")[0], "accepted")
    with pytest.raises(AvAssistError):
        session.apply(str(tmp_path / "nowhere" / "out.otio"))
    assert session.dirty


def test_missing_media_is_named_and_found_in_a_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cut = scene.write_cut(tmp_path)
    for name in ("media.mp4", "media.wav"):
        (tmp_path / name).rename(elsewhere / name)
    session = Session(str(cut), scene.SETTINGS)
    assert len(session.missing) == 4
    assert "not found" in session.missing[0].reason
    assert session.relink(elsewhere) == 4
    assert session.missing == ()


def test_decisions_kept_are_dated_and_say_who(session: Session) -> None:
    session.decide(of(session, "sync")[0], "accepted")
    session.autosave()
    [kept] = json.loads(session.review_path.read_text())["decisions"].values()
    assert kept["state"] == "accepted"
    assert kept["when"].startswith("20")


def test_a_stretch_that_is_used_twice_is_decided_once_and_mended_twice(session: Session) -> None:
    first, second = (session.entries[id_].told for id_ in of(session, "captions"))
    shot = first.finding.shot
    there = replace(shot, picture=replace(shot.picture, address=second.finding.shot.picture.address))
    session.add(replace(first, finding=replace(first.finding, shot=there)))
    assert len(session.entries) == 5
    session.decide(first.finding.id, "accepted")
    assert sum(1 for each in settled(session) if each.outcome.edits) == 2


def test_what_a_second_look_finds_again_is_done_once(session: Session, tmp_path: Path) -> None:
    """Also where it was stopped half-way."""
    session.finish(report(session))
    for id_ in session.entries:
        session.decide(id_, "accepted")
    assert session.apply(str(tmp_path / "once.otio")) == "once.otio: 5 of 5 applied"
    for line in session.lines[:3]:
        session.add(line)
    assert session.apply(str(tmp_path / "twice.otio")) == "twice.otio: 5 of 5 applied"
    once, twice = (otio.adapters.read_from_file(str(tmp_path / name)) for name in ("once.otio", "twice.otio"))
    assert once.is_equivalent_to(twice)


def test_what_was_said_of_a_finding_that_is_gone_is_undone_and_done_again(session: Session) -> None:
    id_, line = of(session, "sync")[0], session.lines[0]
    former = session.decide(id_, "rejected")
    after = session.entries[id_].decision
    rest = tuple(each for each in session.lines if each.finding.id != id_)
    session.finish(replace(report(session), findings=rest))
    assert session.restore(id_, former) == after
    assert not session.dirty
    assert session.restore(id_, after).state == "proposed"
    assert session.add(line).state == "rejected"


def settled(session: Session) -> tuple[pipeline.Line, ...]:
    return session._settled(accepted_only=True)[1].report.findings


def report(session: Session) -> pipeline.Report:
    lines = tuple(entry.line for entry in session.entries.values())
    return pipeline.Report(lines, (), (), "", 1.0, 25.0, session.start_timecode_s, session.path)
