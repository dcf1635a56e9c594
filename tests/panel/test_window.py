"""The window: keys are pressed, and what comes of it is looked at."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog

from otio_avassist import pipeline
from otio_avassist.panel import keys
from otio_avassist.panel.session import Session
from otio_avassist.panel.window import Window
from tests.panel import scene

KEY, SHIFT, CTRL = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene.write_cut(tmp_path_factory.mktemp("project"))


@pytest.fixture
def window(qtbot, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    """Open on five findings; what it asks is answered with the last answer, which changes nothing."""
    monkeypatch.setenv("AVASSIST_CACHE", str(tmp_path / "cache"))
    made = Window(scene.SETTINGS)
    made.asked = []  # type: ignore[attr-defined]
    made.ask = lambda title, question, answers: (  # type: ignore[method-assign]
        made.asked.append((title, question)), answers.split("|")[-1]  # type: ignore[attr-defined]
    )[1]  # fmt: skip
    qtbot.addWidget(made, before_close_func=lambda window: setattr(window, "session", None))
    made.show()
    cut.with_suffix(".avassist-review.json").unlink(missing_ok=True)
    cut.with_suffix(".avassist.json").unlink(missing_ok=True)
    made.open(scene.filled(cut), look=False)
    made.list.table.setFocus()
    qtbot.waitExposed(made)
    return made


def press(qtbot, window: Window, *strokes: Any) -> None:
    for stroke in strokes:
        key, modifier = stroke if isinstance(stroke, tuple) else (stroke, Qt.KeyboardModifier.NoModifier)
        target = QApplication.focusWidget() or window
        qtbot.keyClick(target, key, modifier)


def go_to(window: Window, task: str, number: int = 0) -> str:
    id_ = [entry.id for entry in window.session.entries.values() if entry.task == task][number]
    assert window.list.select(id_)
    return id_


def states(window: Window) -> list[str]:
    return [window.model.entry(row).state for row in range(window.model.rowCount())]


def test_a_and_r_decide_and_go_on_to_the_next_that_is_undecided(qtbot, window: Window) -> None:
    window.list.table.selectRow(0)
    press(qtbot, window, KEY.Key_A, KEY.Key_R, KEY.Key_A)
    assert states(window) == ["accepted", "rejected", "accepted", "proposed", "proposed"]
    assert window.model.row_of(window.list.current) == 3
    assert window.isWindowModified()
    press(qtbot, window, KEY.Key_P, KEY.Key_P, KEY.Key_U)
    assert states(window)[1] == "proposed"


def test_n_p_and_the_arrows_go_from_row_to_row(qtbot, window: Window) -> None:
    window.list.table.selectRow(0)
    rows = []
    for key in (KEY.Key_N, KEY.Key_Down, KEY.Key_P, KEY.Key_Up, KEY.Key_P):
        press(qtbot, window, key)
        rows.append(window.model.row_of(window.list.current))
    assert rows == [1, 2, 1, 0, 0]


def test_brackets_nudge_and_z_takes_back_all_of_a_row_of_nudges(qtbot, window: Window) -> None:
    id_ = go_to(window, "sync")
    bare = window.session.entries[id_]
    press(qtbot, window, KEY.Key_BracketRight, KEY.Key_BracketRight, KEY.Key_BracketLeft)
    assert window.session.entries[id_].early_s == pytest.approx(0.4 + 1 / 25)
    assert window.session.entries[id_].state == "accepted"
    press(qtbot, window, (KEY.Key_BraceRight, SHIFT))
    assert window.session.entries[id_].early_s == pytest.approx(0.4 + 11 / 25)
    assert "440 ms" not in window.viewer.head.text()
    assert "840 ms" in window.viewer.head.text()
    press(qtbot, window, KEY.Key_Z)
    assert window.session.entries[id_] == bare
    press(qtbot, window, (KEY.Key_Z, SHIFT))
    assert window.session.entries[id_].early_s == pytest.approx(0.4 + 11 / 25)


def test_digits_choose_a_take(qtbot, window: Window) -> None:
    id_ = go_to(window, "foley")
    names = [take.name for take in window.session.entries[id_].finding.takes]
    press(qtbot, window, KEY.Key_3)
    assert window.session.entries[id_].take == names[2]
    assert window.viewer.foley.heads[2].isChecked()
    press(qtbot, window, KEY.Key_9)
    assert window.session.entries[id_].take == names[2]
    assert "3 takes" in window.statusBar().currentMessage()
    press(qtbot, window, KEY.Key_1)
    assert window.session.entries[id_].take == names[0]


def test_a_sentence_is_typed_over_and_letters_are_letters_meanwhile(qtbot, window: Window) -> None:
    id_ = go_to(window, "captions")
    press(qtbot, window, KEY.Key_E)
    qtbot.waitUntil(lambda: window.viewer.caption.sentence.hasFocus())
    qtbot.keyClicks(window.viewer.caption.sentence, "A rare bazaar.")
    qtbot.keyClick(window.viewer.caption.sentence, KEY.Key_Return)
    assert window.session.entries[id_].text == "A rare bazaar."
    assert window.session.entries[id_].state == "accepted"
    assert [each for each in states(window) if each != "proposed"] == ["accepted"]
    press(qtbot, window, KEY.Key_Escape)
    qtbot.waitUntil(lambda: window.list.table.hasFocus())
    press(qtbot, window, KEY.Key_Z)
    assert window.session.entries[id_].text == "Something happens, 0."


def test_undo_and_redo_go_through_everything_in_order(qtbot, window: Window) -> None:
    before = dict(window.session.entries)
    sync, caption, foley = (go_to(window, task) for task in ("sync", "captions", "foley"))
    press(qtbot, window, KEY.Key_2)
    go_to(window, "captions")
    window.edit_text("A door.")
    go_to(window, "sync")
    press(qtbot, window, KEY.Key_R)
    after = dict(window.session.entries)
    for _ in range(5):
        press(qtbot, window, KEY.Key_Z)
    assert window.session.entries == before
    assert not window.session.dirty
    for _ in range(5):
        press(qtbot, window, (KEY.Key_Y, CTRL))
    assert window.session.entries == after
    assert {sync, caption, foley} == {id_ for id_ in after if after[id_].state != "proposed"}


def test_ctrl_s_saves_decisions_and_the_title_says_so(qtbot, window: Window, cut: Path) -> None:
    go_to(window, "sync")
    press(qtbot, window, KEY.Key_R)
    press(qtbot, window, (KEY.Key_S, CTRL))
    assert not window.isWindowModified()
    assert "rejected" in cut.with_suffix(".avassist.json").read_text()


def test_ctrl_return_applies_what_is_accepted(qtbot, window: Window, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out.otio"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    go_to(window, "captions")
    press(qtbot, window, KEY.Key_A)
    press(qtbot, window, (KEY.Key_Return, CTRL))
    written = otio.adapters.read_from_file(str(out))
    assert [marker.name for marker in written.tracks.markers] == ["something"]
    assert "1 of 5 applied" in window.statusBar().currentMessage()


def test_space_j_k_l_and_the_arrows_move_the_playhead(qtbot, window: Window) -> None:
    go_to(window, "sync")
    qtbot.waitUntil(lambda: window.close_up is not None, timeout=10_000)
    player = window.player
    press(qtbot, window, KEY.Key_Space)
    qtbot.waitUntil(lambda: player.at_s > 0.1)
    press(qtbot, window, KEY.Key_K)
    assert not player.plays
    stood = player.at_s
    press(qtbot, window, KEY.Key_Right)
    assert player.at_s == pytest.approx(stood + 1 / 25)
    press(qtbot, window, KEY.Key_Left, KEY.Key_Left)
    assert player.at_s == pytest.approx(max(0.0, stood - 1 / 25))
    press(qtbot, window, KEY.Key_L, KEY.Key_L)
    assert player.speed == 2
    press(qtbot, window, KEY.Key_J)
    assert player.speed == -1
    press(qtbot, window, KEY.Key_Space)
    assert not player.plays


def test_b_changes_over_between_before_and_after(qtbot, window: Window) -> None:
    go_to(window, "sync")
    qtbot.waitUntil(lambda: window.close_up is not None, timeout=10_000)
    assert [each.label for each in window.close_up.sounds] == ["as it is", "as proposed"]
    assert window.viewer.sync.heads[1].isChecked()
    press(qtbot, window, KEY.Key_B)
    assert window.viewer.sync.heads[0].isChecked()
    assert window.player.plays
    press(qtbot, window, KEY.Key_B)
    assert window.viewer.sync.heads[1].isChecked()


def test_question_mark_shows_every_key(qtbot, window: Window) -> None:
    press(qtbot, window, (KEY.Key_Question, SHIFT))
    text = window.keys_page.toPlainText()
    window.keys_page.close()
    for key in keys.KEYS:
        if not key.action.startswith("take_"):
            assert key.words in text
    assert "1 – 9" in text


def test_the_documentation_lists_the_same_keys() -> None:
    text = (Path(__file__).parents[2] / "docs" / "panel.md").read_text(encoding="utf-8")
    for key in keys.KEYS:
        if not key.action.startswith("take_"):
            shown = ", ".join(f"**{each}**" for each in key.keys)
            assert f"| {shown} | {key.words} |" in text


def test_every_key_of_the_table_does_something(window: Window) -> None:
    assert set(window.actions_) == {key.action for key in keys.KEYS}
    strokes = [stroke for key in keys.KEYS for stroke in (*key.keys, *key.also)]
    assert len(set(strokes)) == len(strokes)


def test_filters_keep_the_current_finding_where_they_can(qtbot, window: Window) -> None:
    id_ = go_to(window, "foley")
    window.list.tasks.setCurrentText("foley")
    assert window.list.current == id_
    window.list.tasks.setCurrentText("captions")
    assert window.entry.task == "captions"
    press(qtbot, window, KEY.Key_Slash)
    qtbot.waitUntil(lambda: window.list.search.hasFocus())
    qtbot.keyClicks(window.list.search, "nowhere")
    assert window.list.current == ""
    assert "0 of 5" in window.list.count.text()


def test_closing_with_unsaved_decisions_asks(qtbot, window: Window, cut: Path) -> None:
    window.close()
    assert window.asked == []
    window.show()
    go_to(window, "sync")
    window.decide("rejected")
    assert not window.close()
    [(title, question)] = window.asked
    assert (title, question) == ("Not saved", "1 decision not saved yet.")
    assert window.isVisible()
    window.ask = lambda *_: "Save"
    assert window.close()
    assert "rejected" in cut.with_suffix(".avassist.json").read_text()


def test_a_crash_loses_no_decision(qtbot, window: Window, cut: Path) -> None:
    id_ = go_to(window, "sync")
    press(qtbot, window, KEY.Key_R)
    kept = cut.with_suffix(".avassist-review.json")
    qtbot.waitUntil(kept.exists, timeout=5000)
    after = Window(scene.SETTINGS)
    qtbot.addWidget(after, before_close_func=lambda window: setattr(window, "session", None))
    asked: list = []
    after.ask = lambda title, question, answers: (asked.append(question), answers.split("|")[0])[1]
    session = scene.filled(cut)
    after.open(session, look=False)
    assert asked == ["1 decisions of a session that ended before it was saved are here again."]
    assert session.entries[id_].state == "rejected"
    assert after.isWindowModified()


def test_a_timeline_is_dropped_and_a_broken_one_is_said(qtbot, window: Window, tmp_path: Path) -> None:
    other = scene.write_cut(tmp_path, media=False)
    broken = tmp_path / "broken.otio"
    broken.write_text("{")
    drop(window, broken)
    assert "broken.otio" in window.statusBar().currentMessage()
    assert Path(window.session.path).name == "cut.otio"
    drop(window, other)
    assert window.session.path == str(other)
    assert window.missing_bar.isVisible()
    assert "4 clips can't be looked at" in window.missing.text()
    window._stop_look()


def drop(window: Window, path: Path) -> None:
    held = QMimeData()
    held.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, held, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    window.dropEvent(event)


def test_media_that_is_missing_leaves_a_placeholder_and_is_found_again(
    qtbot, window: Window, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = scene.write_cut(tmp_path)
    session = scene.filled(path)
    for name in ("media.mp4", "media.wav"):
        (tmp_path / name).rename(elsewhere / name)
    window.open(session, look=False)
    go_to(window, "captions")
    qtbot.waitUntil(lambda: "media.mp4" in window.viewer.screen_.frame._words, timeout=5000)
    window.open(Session(str(path), scene.SETTINGS), look=False)
    assert window.missing_bar.isVisible()
    window.start_look = lambda: None  # type: ignore[method-assign]
    window.relink_to(elsewhere)
    assert not window.missing_bar.isVisible()
    assert "4 clips found" in window.statusBar().currentMessage()


def test_work_runs_beside_the_window_and_findings_come_as_they_are_found(
    qtbot, window: Window, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = scene.found(window.session)
    go = []

    def look(root, settings, *, sidecar, progress, found, shared):
        for number, line in enumerate(lines):
            while number >= len(go):
                progress(number, len(lines), "cut")
                time.sleep(0.005)
            found(line)
        return pipeline.Report(tuple(lines), (), (), "cpu", 1.0, 25.0, 0.0, str(cut))

    monkeypatch.setattr(pipeline, "look", look)
    window.open(Session(str(cut), replace(scene.SETTINGS, base_dir=cut.parent)))
    assert window.bar.isVisible()
    assert window.model.rowCount() == 0
    go += [1, 2]
    qtbot.waitUntil(lambda: window.model.rowCount() == 2)
    window.list.table.selectRow(0)
    window.list.table.setFocus()
    press(qtbot, window, KEY.Key_A)  # while it goes on
    go += [3, 4, 5]
    qtbot.waitUntil(lambda: window.look is None)
    assert states(window).count("accepted") == 1
    assert window.model.rowCount() == 5
    assert not window.bar.isVisible()
    assert "5 found" in window.statusBar().currentMessage()


def test_a_look_is_stopped_and_one_that_fails_says_why(
    qtbot, window: Window, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forever(root, settings, *, sidecar, progress, found, shared):
        while True:
            progress(1, 2, "cut")
            time.sleep(0.005)

    monkeypatch.setattr(pipeline, "look", forever)
    window.open(Session(str(cut), scene.SETTINGS))
    qtbot.mouseClick(window.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.look is None)
    assert "Stopped" in window.statusBar().currentMessage()

    def fails(*_args, **_kwargs):
        raise ValueError("a wire is loose")

    monkeypatch.setattr(pipeline, "look", fails)
    window.start_look()
    qtbot.waitUntil(lambda: window.look is None)
    assert "a wire is loose" in window.statusBar().currentMessage()


def test_a_click_on_the_strip_picks_the_finding_there(qtbot, window: Window) -> None:
    id_ = go_to(window, "foley")
    go_to(window, "sync", 1)
    strip = window.strip
    qtbot.waitUntil(lambda: strip._model is not None and bool(strip._model._marks))
    lane = next(number for number, marks in strip._model._marks.items() for mark in marks if mark.id == id_)
    mark = next(mark for mark in strip._model._marks[lane] if mark.id == id_)
    x = strip.x_of((mark.start_s + mark.end_s) / 2)
    point = QPointF(x, strip.y_of(lane) + 30).toPoint()
    found = strip.mark_at(point)
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert window.list.current == found.id
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=QPointF(x, 5).toPoint())
    assert strip._playhead_s == pytest.approx((mark.start_s + mark.end_s) / 2, abs=0.05)


def test_zoom_keeps_what_is_under_the_playhead_where_it_is(qtbot, window: Window) -> None:
    strip = window.strip
    strip.set_playhead(3.0)
    x = strip.x_of(3.0)
    press(qtbot, window, KEY.Key_Plus)
    assert strip.shown_s < 1.02 * strip._model.duration_s / 1.4
    assert strip.x_of(3.0) == pytest.approx(x, abs=2)
    press(qtbot, window, KEY.Key_Minus, KEY.Key_F)
    assert strip.from_s == 0


def test_everything_a_person_uses_has_a_name_for_a_screen_reader(window: Window) -> None:
    viewer = window.viewer
    used = (window.strip, window.list.table, window.list.search, window.bar, viewer.screen_.frame)
    for widget in (*used, viewer.caption.sentence, viewer.sync.belief, viewer.foley.heads[0]):
        assert widget.accessibleName()


def test_the_real_road_from_media_to_a_mended_timeline(qtbot, cut: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AVASSIST_CACHE", str(tmp_path / "cache"))
    cut.with_suffix(".avassist-review.json").unlink(missing_ok=True)
    cut.with_suffix(".avassist.json").unlink(missing_ok=True)
    window = Window(pipeline.Settings())
    qtbot.addWidget(window)
    window.show()
    assert window.open_path(str(cut))
    qtbot.waitUntil(lambda: window.look is None, timeout=60_000)
    assert window.model.rowCount() >= 1
    window.list.table.setFocus()
    window.list.table.selectRow(0)
    early_s = window.entry.early_s
    press(qtbot, window, KEY.Key_A)
    assert window._written(lambda: window.session.apply(str(tmp_path / "out.otio")))
    written = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    was = otio.adapters.read_from_file(str(cut))
    first = window.model.entry(0).finding.shot.sound.address.clip_index
    moved = was.tracks[1][first].source_range.start_time - written.tracks[1][first].source_range.start_time
    assert moved.value == round(early_s * 25)
    # And the next start has it all at once, without looking anew.
    again = Session(str(cut), window.session.settings)
    assert [entry.state for entry in again.entries.values()] == states(window)
