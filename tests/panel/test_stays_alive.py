"""The window answers while slow work goes on, loses nothing when it is killed, and needs no mouse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QFileDialog, QPushButton, QWidget

from otio_avassist import files, pipeline, windows
from otio_avassist.panel import theme
from otio_avassist.panel.loader import wait_for
from otio_avassist.panel.plots import Against
from otio_avassist.panel.session import Session
from otio_avassist.panel.viewer import Choice
from otio_avassist.panel.window import Window
from tests.panel import scene

KEY, SHIFT, CTRL = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
SLOW_S = 1.0
FEW = 3
"""Times that a window answers in that second, however busy the machine is; one that waits answers never."""


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return scene.write_cut(tmp_path)


@pytest.fixture
def window(qtbot, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("AVASSIST_CACHE", str(tmp_path / "cache"))
    made = Window(scene.SETTINGS)
    made.ask = lambda title, question, answers: answers.split("|")[-1]  # type: ignore[method-assign]
    qtbot.addWidget(made, before_close_func=lambda window: setattr(window, "session", None))
    made.show()
    made.open(scene.filled(cut), look=False)
    qtbot.waitExposed(made)
    qtbot.waitUntil(lambda: made.close_up is not None, timeout=20_000)
    made.list.table.setFocus()
    return made


@contextmanager
def beating() -> Iterator[list[int]]:
    """A window that answers counts on; what is slow notes how far it has come meanwhile (see `slowly`)."""
    timer = QTimer()
    timer.timeout.connect(lambda: BEATS.append(1))
    timer.start(5)
    MEANWHILE.clear()
    yield MEANWHILE
    timer.stop()


BEATS: list[int] = []
MEANWHILE: list[int] = []


def slowly(monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> list[str]:
    """From now on it takes a second; -> the calls."""
    does, calls = getattr(where, name), []

    def slow(*given, **more):
        before = len(BEATS)
        time.sleep(SLOW_S)
        MEANWHILE.append(len(BEATS) - before)
        calls.append(name)
        return does(*given, **more)

    monkeypatch.setattr(where, name, slow)
    return calls


def press(qtbot, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    qtbot.keyClick(QApplication.focusWidget(), key, modifier)


# It answers


def test_a_slow_disk_stops_nobody_from_deciding(qtbot, window: Window, cut: Path, monkeypatch) -> None:
    calls = slowly(monkeypatch, files, "write_text")
    with beating() as meanwhile:
        press(qtbot, KEY.Key_R)
        qtbot.waitUntil(lambda: bool(calls), timeout=10_000)
        assert min(meanwhile) >= FEW
    qtbot.waitUntil(lambda: window._kept)
    assert "rejected" in cut.with_suffix(".avassist-review.json").read_text()


@pytest.mark.parametrize("where", ["sidecar", "timeline"])
def test_saving_draws_the_window_meanwhile(qtbot, window: Window, tmp_path, monkeypatch, where: str) -> None:
    press(qtbot, KEY.Key_A)
    if where == "timeline":
        window.session.output = str(tmp_path / "out.otio")
    calls = slowly(monkeypatch, pipeline, "settle")
    with beating() as meanwhile:
        press(qtbot, KEY.Key_S, CTRL)
        assert calls == ["settle"]
        assert min(meanwhile) >= FEW
    assert not window.isWindowModified()


def test_the_window_stays_open_until_it_is_written(qtbot, window: Window, monkeypatch) -> None:
    press(qtbot, KEY.Key_A)
    closed = []
    window.ask = lambda *_: "Discard"  # type: ignore[method-assign]
    slowly(monkeypatch, pipeline, "settle")
    QTimer.singleShot(200, lambda: closed.append(window.close()))
    press(qtbot, KEY.Key_S, CTRL)
    assert closed == [False]
    assert window.isVisible()
    assert window.session.said


def test_media_that_is_slow_to_open_stops_nothing(qtbot, window: Window, tmp_path, monkeypatch) -> None:
    (tmp_path / "other").mkdir()
    other = scene.write_cut(tmp_path / "other")
    monkeypatch.setattr(window, "start_look", lambda: None)
    # Pictures and sounds of the strip are fetched beside it, and ask the same.
    monkeypatch.setattr(window, "_fetch_overviews", lambda: None)
    qtbot.waitUntil(lambda: window.loader._patient.activeThreadCount() == 0, timeout=20_000)
    calls = slowly(monkeypatch, windows, "probe")
    with beating() as meanwhile:
        assert window.open_path(str(other))
        assert calls
        assert min(meanwhile) >= FEW
    assert window.session.path == str(other)


def test_a_look_that_is_deep_in_its_work_keeps_no_other_timeline_waiting(
    qtbot, window: Window, cut: Path, monkeypatch
) -> None:
    steps, go = [], threading.Event()

    def deep(root, settings, *, sidecar, progress, found, shared):
        steps.append("in")
        steps.append("let go" if go.wait(20) else "waited for")
        progress(1, 2, "cut")
        steps.append("unheard")

    monkeypatch.setattr(pipeline, "look", deep)
    window.start_look()
    qtbot.waitUntil(lambda: steps == ["in"])
    window.open(Session(str(cut), scene.SETTINGS), look=False)
    assert len(window._leaving) == 1
    assert steps == ["in"]
    go.set()
    qtbot.waitUntil(lambda: not window._leaving, timeout=10_000)
    assert steps == ["in", "let go"]


def test_what_is_waited_for_tells_its_answer_or_its_error(qtbot) -> None:
    assert wait_for(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 / 0)


def test_painting_ends_though_something_keeps_what_painted(qtbot, qtlog, window: Window) -> None:
    """As the traceback of an error does: a painter that lives on ends the process at the next drawing."""
    kept = []

    def keep(frame, event, _arg) -> None:
        if event == "call" and frame.f_code.co_name == "paintEvent":
            kept.append(frame)

    choice = next(each for each in window.viewer.findChildren(Choice) if each.isVisible())
    choice.setCheckable(True)
    choice.setChecked(True)
    drawn = (window.strip.viewport(), window.viewer.screen_.frame, window.viewer.screen_.stills, choice)
    sys.setprofile(keep)
    try:
        for widget in drawn:
            widget.repaint()
    finally:
        sys.setprofile(None)
    assert {type(frame.f_locals["self"]).__name__ for frame in kept} >= {"Strip", "Frame", "Stills", "Choice"}
    assert not [each.message for each in qtlog.records if "active painter" in each.message]


def test_plots_follow_a_system_that_turns_dark(qtbot, window: Window) -> None:
    """Also those that were drawn before."""
    app = QApplication.instance()
    before = app.palette()
    window.list.select(next(each.id for each in window.session.entries.values() if each.task == "sync"))
    qtbot.waitUntil(lambda: any(each.isVisible() for each in window.findChildren(Against)))
    plot = next(each for each in window.findChildren(Against) if each.isVisible())
    try:
        for palette in (theme.light_palette(), theme.dark_palette()):
            app.setPalette(palette)
            qtbot.wait(50)
            corner = plot.grab().toImage().pixelColor(2, 2)
            assert theme.is_dark(palette) == (corner.lightness() < 128)
            assert plot._motion.opts["pen"].color() == theme.pick(theme.MOTION, palette)
    finally:
        app.setPalette(before)


# It loses nothing

CRASHES = """
import sys
from pathlib import Path
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from otio_avassist.panel.window import Window
from tests.panel import scene

app = QApplication([])
window = Window(scene.SETTINGS)
window.show()
window.open(scene.filled(Path(sys.argv[1])), look=False)
QTest.qWaitForWindowActive(window)
window.list.table.setFocus()
window.list.table.selectRow(0)
for key in (Qt.Key.Key_R, Qt.Key.Key_A):
    QTest.keyClick(window.list.table, key)
window.list.select(next(each.id for each in window.session.entries.values() if each.text.endswith("1.")))
window.edit_text("A door, slammed.")
assert len(window.session.said) == 3 and not window._kept
timer = QTimer()
timer.timeout.connect(lambda: print("kept" if window._kept else "not yet", flush=True))
timer.start(20)
app.exec()
"""


def test_a_window_that_is_killed_leaves_its_decisions(cut: Path, tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", CRASHES, str(cut)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AVASSIST_CACHE": str(tmp_path / "cache")},
    )
    assert killed.stdout is not None
    try:
        assert any(line == "kept\n" for line in killed.stdout)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
    again = scene.filled(cut)
    assert again.recovered == 3
    assert again.dirty
    said = [entry.state for entry in again.entries.values() if entry.state != "proposed"]
    assert sorted(said) == ["accepted", "accepted", "rejected"]
    assert "A door, slammed." in [entry.text for entry in again.entries.values()]
    assert not cut.with_suffix(".avassist.json").exists()


def test_closing_keeps_what_a_look_has_just_found(qtbot, cut: Path, monkeypatch) -> None:
    """Before the moment at which it would have been kept by itself."""
    settings = replace(scene.SETTINGS, base_dir=cut.parent)
    lines = tuple(scene.found(Session(str(cut), settings)))
    report = pipeline.Report(lines, (), (), "", 1.0, 25.0, 0.0, str(cut))
    window = Window(settings)
    qtbot.addWidget(window)
    window.show()
    window.open(Session(str(cut), settings), look=False)
    window._ended(report)
    assert not window._kept
    assert window.close()
    assert len(Session(str(cut), settings).entries) == 5


# It needs no mouse


def test_a_field_has_its_arrows_and_a_button_its_space(qtbot, window: Window) -> None:
    window.list.tasks.setFocus()
    press(qtbot, KEY.Key_Down)
    assert window.list.tasks.currentText() == "sync"
    window.list.least.setFocus()
    press(qtbot, KEY.Key_Up)
    assert window.list.least.value() > 0
    pressed = []
    button = next(each for each in window.missing_bar.findChildren(QPushButton))
    button.clicked.disconnect()
    button.clicked.connect(lambda: pressed.append(button))
    window.missing_bar.show()
    button.setFocus()
    press(qtbot, KEY.Key_Space)
    assert pressed == [button]
    assert not window.player.plays
    press(qtbot, KEY.Key_Escape)
    assert window.list.table.hasFocus()
    press(qtbot, KEY.Key_Space)
    assert window.player.plays


def test_braces_nudge_by_ten_frames_earlier(qtbot, window: Window) -> None:
    id_ = next(entry.id for entry in window.session.entries.values() if entry.task == "sync")
    window.list.select(id_)
    press(qtbot, KEY.Key_BraceLeft, SHIFT)
    assert window.session.entries[id_].early_s == pytest.approx(0.4 - 10 / 25)


def test_looking_is_stopped_and_media_searched_by_keys(qtbot, window: Window, tmp_path, monkeypatch) -> None:
    def forever(root, settings, *, sidecar, progress, found, shared):
        while True:
            progress(1, 2, "cut")
            time.sleep(0.005)

    monkeypatch.setattr(pipeline, "look", forever)
    window.start_look()
    press(qtbot, KEY.Key_Period, CTRL)
    qtbot.waitUntil(lambda: window.look is None)
    asked = []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: asked.append("where") or "")
    press(qtbot, KEY.Key_M, CTRL)
    assert asked == ["where"]


def test_whatever_tab_comes_to_says_what_it_is(window: Window) -> None:
    window.missing_bar.show()
    for task in ("sync", "captions", "foley"):
        id_ = next(entry.id for entry in window.session.entries.values() if entry.task == task)
        window.list.select(id_)
        nameless = [
            each
            for each in window.findChildren(QWidget)
            if each.isVisible()
            and each.focusPolicy() & Qt.FocusPolicy.TabFocus
            and each.focusProxy() is None
            and not (each.accessibleName() or getattr(each, "text", str)())
        ]
        assert nameless == []
