"""The one window: timeline above, list and finding below; keys, undo, work beside it, and what is asked.

It calls `Session` and shows what comes of it; it decides nothing by itself.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QKeySequence, QShortcut, QUndoStack
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from otio_avassist import attention, pipeline, review
from otio_avassist.errors import AvAssistError
from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding
from otio_avassist.panel import keys, plots, preview
from otio_avassist.panel.commands import Say
from otio_avassist.panel.entries import Entry
from otio_avassist.panel.findings_model import FindingsModel
from otio_avassist.panel.findings_view import FindingsView
from otio_avassist.panel.loader import Loader, Look, wait_for
from otio_avassist.panel.player import Player
from otio_avassist.panel.session import Session
from otio_avassist.panel.strip import Strip
from otio_avassist.panel.strip_model import StripModel
from otio_avassist.panel.viewer import Viewer
from otio_avassist.spans import MediaSpan

AUTOSAVE_MS = 1500
"""After the last decision; a person who goes on deciding isn't interrupted by the disk."""
MARKS_MS = 120
"""Marks are drawn anew at most so often while findings come in."""
CLOSE, OVERVIEW, KEEP = "close", "overview:", "keep:"
Answer = TypeVar("Answer")


class Window(QMainWindow):
    """Opens sessions, one at a time."""

    def __init__(self, settings: pipeline.Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.session: Session | None = None
        self.look: Look | None = None
        self.close_up: preview.Close | None = None
        self.ask: Callable[[str, str, str], str] = self._ask
        """(title, question, answers separated by |) -> the answer; tests put their own here."""
        self.playing = 1
        self._leaving: list[Look] = []
        """Stopped, and on their way to the next step at which they see it."""
        self._kept = True
        """Whether all that was said and found is kept beside the timeline."""
        self._waits = False
        self._overviews: dict[str, preview.Overview] = {}
        self.undo_stack = QUndoStack(self)
        self.player, self.loader = Player(self), Loader(self)
        self.model = FindingsModel(self)
        self.list, self.strip, self.viewer = FindingsView(self.model), Strip(), Viewer()
        self._build()
        self._bind()
        self._connect()
        self.setAcceptDrops(True)
        self._titled()

    # Sessions

    def open(self, session: Session, *, look: bool = True) -> None:
        """Show a session; what isn't known of it yet is looked for."""
        self._stop_look()
        self._autosave_soon.stop()
        self._kept = True
        self.session, self.settings = session, session.settings
        self.undo_stack.clear()
        self._overviews.clear()
        self.strip.set_overviews({})
        self._show_timeline()
        self.model.set_entries(session.entries.values())
        self.strip.set_entries(session.entries.values())
        if not session.entries:
            self.viewer.show_nothing("Nothing has been found yet.")
        self._show_missing()
        if session.recovered:
            self._offer_recovered(session)
        self._fetch_overviews()
        self._titled()
        _set_aside()
        if look and session.report is None:
            self.start_look()

    def open_path(self, path: str) -> bool:
        """Read a timeline and show it; False: it couldn't be read, or the open one is kept."""
        if not self.may_leave():
            return False
        output_dir = Path(path).resolve().parent
        foley = self.settings.foley
        if foley.folder is None or self.session is not None:
            foley = replace(foley, folder=output_dir / f"{Path(path).stem}.foley", dry_run=False)
        settings = replace(self.settings, base_dir=output_dir, output_dir=output_dir, foley=foley)
        try:
            session = self._wait(partial(Session, path, settings))
        except AvAssistError as error:
            self.say(str(error), is_error=True)
            return False
        self.open(session)
        return True

    def may_leave(self) -> bool:
        """Whether the session may go: it is saved, or a person has said that it needn't be."""
        if self.session is None or not self.session.dirty:
            self._keep_now()
            return True
        count = sum(1 for id_ in self.session.said if id_ in self.session.entries)
        answer = self.ask(
            "Not saved", f"{count} decision{'' if count == 1 else 's'} not saved yet.", "Save|Discard|Cancel"
        )
        if answer == "Save":
            return self.save()
        if answer == "Discard":
            self.session.forget()
            self._kept = False
            self._keep_now()
        return answer == "Discard"

    # Looking

    def start_look(self) -> None:
        """Look at the timeline, beside the window."""
        if self.session is None or self.look is not None:
            return
        self.look = look = Look(self.session, self)
        look.progressed.connect(self._progress)
        look.found.connect(self._found)
        look.ended.connect(self._ended)
        look.failed.connect(self._failed)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.cancel.show()
        self.say("Looking …")
        look.start()

    def cancel_look(self) -> None:
        """Ask it to stop; it says so itself when it has."""
        if self.look is not None:
            self.look.stop()

    def _stop_look(self) -> None:
        if self.look is not None:
            look, self.look = self.look, None
            look.stop()
            for signal in (look.progressed, look.found, look.ended, look.failed):
                with contextlib.suppress(RuntimeError):
                    signal.disconnect()
            self._leaving.append(look)
            look.finished.connect(self._left)
            self._idle()

    def _left(self) -> None:
        self._leaving = [look for look in self._leaving if not look.isFinished()]

    def _progress(self, done_s: float, total_s: float, what: str) -> None:
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * done_s / max(total_s, 1e-9)))
        self.bar.setFormat(f"{what} %p %")

    def _found(self, line: pipeline.Line) -> None:
        if self.session is None:
            return
        self.model.add_entry(self.session.add(line))
        self.list.refresh_count()
        if not self._marks.isActive():
            self._marks.start(MARKS_MS)
        if not self.list.current:
            self.list.step(1)

    def _ended(self, report: pipeline.Report) -> None:
        if self.session is None:
            return
        self.look = None
        self._idle()
        self.session.finish(report)
        self._keep_soon(0)
        self.model.set_entries(self.session.entries.values())
        self._draw_marks()
        _set_aside()
        skipped = len([each for each in report.skipped if not each.on_purpose])
        left = f", {skipped} clips skipped" if skipped else ""
        if not self.session.entries:
            self.viewer.show_nothing("Nothing was found.")
        self.say(f"{len(report.findings)} found in {report.seconds:.0f} s{left}")

    def _failed(self, why: str) -> None:
        self.look = None
        self._idle()
        self.say(why or "Stopped: what was found until then is here.", is_error=bool(why))

    def _idle(self) -> None:
        self.bar.hide()
        self.cancel.hide()

    # Saying

    def decide(self, state: str, *, go_on: bool = False) -> None:
        """Accept, reject, or take back what is said of the current finding."""
        entry = self.entry
        if entry is None or self.session is None:
            return
        if entry.state != state:
            words = {"accepted": "accept", "rejected": "reject", "proposed": "undecide"}[state]
            self._push(f"{words} {entry.what}", partial(self.session.decide, entry.id, state))
        if go_on and not self.list.step(1, undecided=True):
            self.say("That was the last one.")

    def nudge(self, frames: int) -> None:
        """Hear the sound so many frames later (> 0) or earlier."""
        entry = self.entry
        if entry is None or self.session is None or not isinstance(entry.finding, SyncFinding):
            return
        if entry.finding.shot.sound is None:
            return
        self._push("nudge", partial(self.session.nudge, entry.id, frames), kind=Say.NUDGE)
        self.playing = 1

    def edit_text(self, text: str) -> None:
        entry = self.entry
        if entry is not None and self.session is not None and isinstance(entry.finding, CaptionFinding):
            self._push("edit the sentence", partial(self.session.edit_text, entry.id, text))

    def choose_take(self, name: str) -> None:
        entry = self.entry
        if entry is not None and self.session is not None and entry.take != name:
            self._push(f"choose {name}", partial(self.session.choose_take, entry.id, name))

    def choose_take_number(self, number: int) -> None:
        """1 is the first."""
        entry = self.entry
        if entry is None or not isinstance(entry.finding, FoleyFinding):
            return
        if number <= len(entry.finding.takes):
            self.choose_take(entry.finding.takes[number - 1].name)
        else:
            self.say(f"There are {len(entry.finding.takes)} takes.")

    def _push(self, words: str, say: Callable[[], review.Decision], *, kind: int = -1) -> None:
        assert self.session is not None
        self.undo_stack.push(Say(words, self.session, self.list.current, say, self._changed, kind=kind))

    def _changed(self, id_: str) -> None:
        """A decision is another one now: said, undone, or done again."""
        assert self.session is not None
        self._titled()
        self._keep_soon(AUTOSAVE_MS)
        entry = self.session.entries.get(id_)
        if entry is None:
            self.say("What that was said of isn't found any more.")
            return
        self.model.update_entry(entry)
        self.list.refresh_count()
        if not self._marks.isActive():
            self._marks.start(0)
        if id_ == self.list.current:
            self._show_current()
        else:
            self.list.select(id_)

    # Files

    def save(self) -> bool:
        """Ctrl+S; False: it couldn't be written."""
        if self.session is None:
            return True
        return self._written(self.session.save)

    def apply(self) -> bool:
        """Write the timeline with what was accepted, where a person says."""
        if self.session is None:
            return False
        path = Path(self.session.path)
        suggested = self.session.output or str(path.with_name(f"{path.stem} assisted{path.suffix}"))
        output, _ = QFileDialog.getSaveFileName(self, "Apply what is accepted", suggested)
        return bool(output) and self._written(partial(self.session.apply, output))

    def _written(self, write: Callable[[], str]) -> bool:
        try:
            self.say(f"Written: {self._wait(write)}")
        except AvAssistError as error:
            self.say(str(error), is_error=True)
            return False
        finally:
            self._titled()
        return True

    def _keep_soon(self, wait_ms: int) -> None:
        self._kept = False
        self._autosave_soon.start(wait_ms)

    def _autosave(self) -> None:
        if self.session is not None:
            keep = self.session.keeping()
            self.loader.ask(f"{KEEP}{self.session.path}", lambda _stale: keep())

    def _keep_now(self) -> None:
        """Before the session goes."""
        self._autosave_soon.stop()
        if self.session is not None and not self._kept:
            try:
                self._wait(self.session.keeping())
                self._kept = True
            except AvAssistError as error:
                self._is_not_kept(error)

    def _is_not_kept(self, why: Exception) -> None:
        self.say(f"decisions can't be kept beside the timeline: {why}", is_error=True)

    def _wait(self, work: Callable[[], Answer]) -> Answer:
        """Do what takes a while; the window can't be closed meanwhile, and nothing dropped on it."""
        self._waits = True
        try:
            return wait_for(work)
        finally:
            self._waits = False

    def relink(self) -> None:
        """Search a folder that a person names for missing media."""
        if self.session is None:
            return
        folder = QFileDialog.getExistingDirectory(
            self, "Where is the media?", str(Path(self.session.path).parent)
        )
        if folder:
            self.relink_to(Path(folder))

    def relink_to(self, folder: Path) -> None:
        assert self.session is not None
        found = self._wait(partial(self.session.relink, folder))
        self.settings = self.session.settings
        self.say(f"{found} clips found in {folder.name}" if found else f"nothing of it in {folder.name}")
        self._show_timeline()
        self._show_missing()
        self._fetch_overviews()
        if found:
            self._stop_look()
            self.start_look()

    # Showing

    @property
    def entry(self) -> Entry | None:
        """Under the cursor."""
        return self.session.entries.get(self.list.current) if self.session is not None else None

    def say(self, words: str, *, is_error: bool = False) -> None:
        """A line at the bottom; errors stay until there is another line."""
        self.statusBar().showMessage(f"⚠ {words}" if is_error else words, 0 if is_error else 8000)

    def _show_current(self) -> None:
        entry = self.entry
        self.strip.set_current(self.list.current)
        if entry is None:
            self.player.stop()
            self.loader.drop(CLOSE)
            self.viewer.show_nothing("Nothing is selected.")
            return
        self.viewer.show_entry(entry)
        self.loader.ask(CLOSE, lambda _stale: (entry, preview.close(entry)))

    def _current_changed(self, _id: str) -> None:
        self.player.stop()
        self.player.at_s = 0.0
        self.playing = 1
        self.close_up = None
        entry = self.entry
        if entry is not None:
            self.strip.show_moment(entry.start_s)
            self.strip.set_playhead(entry.start_s)
            self.viewer.screen_.show_frames(self.viewer.screen_._frames[:0], 1.0, "…")
        self._show_current()

    def _loaded(self, name: str, answer: object) -> None:
        if name.startswith(KEEP):
            if isinstance(answer, Exception):
                self._is_not_kept(answer)
            elif not self._autosave_soon.isActive():
                self._kept = True
            return
        if self.session is None:
            return  # of a timeline that is closed
        if name.startswith(OVERVIEW):
            if isinstance(answer, preview.Overview):
                self._overviews[name.removeprefix(OVERVIEW)] = answer
                self._show_overviews()
            why = answer.why if isinstance(answer, preview.Overview) else str(answer or "")
            if why:
                self.say(why, is_error=True)
            return
        if isinstance(answer, Exception):
            self.viewer.screen_.show_frames(self.viewer.screen_._frames[:0], 1.0, str(answer))
            return
        assert isinstance(answer, tuple)
        entry, close = answer
        if entry.id != self.list.current:
            return
        self.close_up = close
        self._show_close()

    def _show_close(self) -> None:
        entry, close = self.entry, self.close_up
        if entry is None or close is None:
            return
        number = self._sound_number(entry, close)
        self.viewer.show_close(entry, close, number)
        self._show_attention(entry, close, number)
        samples = close.sounds[number].samples if close.sounds else np.zeros(0, np.float32)
        self.player.load(samples, preview.RATE, close.duration_s)
        self.viewer.show_at(self.player.at_s)

    def _show_attention(self, entry: Entry, close: preview.Close, number: int) -> None:
        """Which input decided, where the sync network tells, over what is seen and the sound that plays."""
        finding = entry.finding
        if not isinstance(finding, SyncFinding) or finding.attention is None:
            return
        drawn = attention.lit(
            finding.attention,
            close.start_s - finding.shot.lead.record_start_s,
            close.duration_s,
            sound_later_s=(entry.early_s or 0.0) if number else 0.0,
        )
        plots.show_attention(
            self.viewer.screen_,
            self.viewer.sync.spectrogram,
            seen_s=drawn.seen_s,
            seen=drawn.seen,
            heard_s=drawn.heard_s,
            heard=drawn.heard,
        )

    def _sound_number(self, entry: Entry, close: preview.Close) -> int:
        """Which of its sounds plays."""
        if isinstance(entry.finding, FoleyFinding):
            names = [each.label for each in close.sounds]
            return names.index(entry.take) if entry.take in names else 0
        return max(0, min(self.playing, len(close.sounds) - 1))

    def _moved(self, at_s: float) -> None:
        self.viewer.show_at(at_s)
        if self.close_up is not None:
            self.strip.set_playhead(self.close_up.start_s + at_s)

    def _seeked(self, at_s: float) -> None:
        """A moment of the timeline was clicked."""
        self.strip.set_playhead(at_s)
        if self.close_up is not None:
            inside_s = at_s - self.close_up.start_s
            if 0 <= inside_s <= self.close_up.duration_s:
                self.player.seek(inside_s)

    def _frame(self, step: int) -> None:
        self.player.stop()
        self.player.seek(self.player.at_s + step / preview.FPS)

    def _pick_sound(self, number: int) -> None:
        self.playing = number
        self._show_close()
        if not self.player.plays:
            self.player.play()

    def _toggle_sound(self) -> None:
        if self.close_up is not None and len(self.close_up.sounds) > 1:
            self._pick_sound(1 - self.playing)

    def _pick(self, id_: str) -> None:
        if not self.list.select(id_):
            self.say("The filters hide it.")

    def _show_timeline(self) -> None:
        assert self.session is not None
        why = {(each.track_index, each.clip_index): each.reason for each in self.session.missing}
        model = StripModel(self.session.root, why)
        self.strip.set_model(model, self.session.rate, self.session.start_timecode_s)
        self._draw_marks()

    def _draw_marks(self) -> None:
        if self.session is not None:
            self.strip.set_entries(self.session.entries.values())

    def _show_missing(self) -> None:
        assert self.session is not None
        missing = self.session.missing
        self.missing_bar.setVisible(bool(missing))
        if missing:
            names = list(dict.fromkeys(f"{each.clip} ({each.reason})" for each in missing))
            self.missing.setText(f"{len(missing)} clips can't be looked at: {', '.join(names[:3])}"
                                 + (f" and {len(names) - 3} more" if len(names) > 3 else ""))  # fmt: skip
            self.missing.setToolTip("\n".join(names))

    def _fetch_overviews(self) -> None:
        """Each file once, however many clips play it."""
        assert self.session is not None
        for path in dict.fromkeys(span.path for span in self._spans()):
            self.loader.ask(f"{OVERVIEW}{path}", partial(_overview, path), in_the_background=True)

    def _show_overviews(self) -> None:
        known = {
            span.address.clip: (self._overviews[str(span.path)], span.start_s)
            for span in self._spans()
            if str(span.path) in self._overviews
        }
        self.strip.set_overviews(known)

    def _spans(self) -> list[MediaSpan]:
        assert self.session is not None
        clips = [clip for clips in self.session.spans.clips.values() for clip in clips]
        return [clip.span for clip in clips if clip.span is not None]

    def _titled(self) -> None:
        name = Path(self.session.path).name if self.session is not None else "no timeline"
        is_dirty = self.session is not None and self.session.dirty
        self.setWindowTitle(f"{name}[*] — avassist review")
        self.setWindowModified(is_dirty)

    def _offer_recovered(self, session: Session) -> None:
        answer = self.ask(
            "Recovered",
            f"{session.recovered} decisions of a session that ended before it was saved are here again.",
            "Keep|Discard",
        )
        if answer == "Discard":
            session.forget()
            self.model.set_entries(session.entries.values())
            self._draw_marks()
            self._keep_soon(0)

    def _ask(self, title: str, question: str, answers: str) -> str:
        box = QMessageBox(QMessageBox.Icon.Question, title, question, parent=self)
        roles = QMessageBox.ButtonRole
        known = {"Save": roles.AcceptRole, "Keep": roles.AcceptRole, "Discard": roles.DestructiveRole}
        buttons = {
            box.addButton(each, known.get(each, roles.RejectRole)): each for each in answers.split("|")
        }
        box.exec()
        return buttons.get(box.clickedButton(), answers.split("|")[-1])  # type: ignore[call-overload]

    # Building

    def _build(self) -> None:
        self.bar, self.cancel = QProgressBar(), QPushButton("Stop")
        self.bar.setAccessibleName("Progress")
        self.bar.setMaximumWidth(320)
        self.cancel.clicked.connect(self.cancel_look)
        self.sound_words = QLabel(self.player.silent_because)
        self.statusBar().addPermanentWidget(self.sound_words)
        self.statusBar().addPermanentWidget(self.bar)
        self.statusBar().addPermanentWidget(self.cancel)
        self._idle()
        self.missing, relink = QLabel(), QPushButton("Search a folder …")
        self.missing.setAccessibleName("Missing media")
        relink.clicked.connect(self.relink)
        self.missing_bar = QToolBar("Missing media")
        self.missing_bar.addWidget(self.missing)
        self.missing_bar.addWidget(relink)
        self.missing_bar.setMovable(False)
        self.missing_bar.hide()
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(self.list)
        below.addWidget(self.viewer)
        below.setStretchFactor(0, 5)
        below.setStretchFactor(1, 4)
        all_ = QSplitter(Qt.Orientation.Vertical)
        all_.addWidget(self.strip)
        all_.addWidget(below)
        all_.setStretchFactor(0, 0)
        all_.setStretchFactor(1, 1)
        middle = QWidget()
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(6, 6, 6, 2)
        layout.addWidget(all_)
        self.setCentralWidget(middle)
        self.addToolBar(self.missing_bar)
        self.resize(1280, 860)
        self._marks, self._autosave_soon = QTimer(self), QTimer(self)
        for timer, then in ((self._marks, self._draw_marks), (self._autosave_soon, self._autosave)):
            timer.setSingleShot(True)
            timer.timeout.connect(then)

    def _bind(self) -> None:
        """Every key of the table; letters type where there is something to type into."""
        does: dict[str, Callable[[], Any]] = {
            "accept": partial(self.decide, "accepted", go_on=True),
            "reject": partial(self.decide, "rejected", go_on=True),
            "undecide": partial(self.decide, "proposed"),
            "next": partial(self.list.step, 1),
            "previous": partial(self.list.step, -1),
            "later": partial(self.nudge, 1),
            "earlier": partial(self.nudge, -1),
            "later_ten": partial(self.nudge, 10),
            "earlier_ten": partial(self.nudge, -10),
            **{f"take_{number}": partial(self.choose_take_number, number) for number in range(1, 10)},
            "play": self.player.toggle,
            "backward": self.player.backward,
            "stop": self.player.stop,
            "forward": self.player.forward,
            "frame_back": partial(self._frame, -1),
            "frame_on": partial(self._frame, 1),
            "before_after": self._toggle_sound,
            "edit": self._edit,
            "undo": self.undo_stack.undo,
            "redo": self.undo_stack.redo,
            "save": self.save,
            "apply": self.apply,
            "look": self.start_look,
            "cancel": self.cancel_look,
            "open": self._open_asked,
            "relink": self.relink,
            "find": self.list.search.setFocus,
            "zoom_in": partial(self.strip.zoom, 1.5),
            "zoom_out": partial(self.strip.zoom, 1 / 1.5),
            "fit": self.strip.fit,
            "help": self.show_keys,
        }
        menu = self.menuBar().addMenu("&Review")
        self.actions_: dict[str, QAction] = {}
        for key in keys.KEYS:
            action = QAction(key.words, self)
            action.setShortcuts([QKeySequence(each) for each in (*key.keys, *key.also)])
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
            # A signal's argument (checked) is none of theirs.
            action.triggered.connect(lambda _=False, do=does[key.action]: do())
            self.actions_[key.action] = action
            self.addAction(action)
            if not key.action.startswith("take_"):
                menu.addAction(action)
        QShortcut(QKeySequence("Escape"), self, self.list.table.setFocus)
        QApplication.instance().focusChanged.connect(self._focus_changed)  # type: ignore[union-attr]

    def _focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        """In a field, letters are letters and arrows are its own; a button is pressed by Space."""
        types = isinstance(now, QLineEdit | QAbstractSpinBox | QComboBox)
        for key in keys.KEYS:
            if not any("Ctrl" in each or each.startswith("F2") for each in key.keys):
                self.actions_[key.action].setEnabled(not types)
        if isinstance(now, QAbstractButton):
            self.actions_["play"].setEnabled(False)

    def _connect(self) -> None:
        self.list.current_changed.connect(self._current_changed)
        self.strip.picked.connect(self._pick)
        self.strip.seeked.connect(self._seeked)
        self.viewer.decided.connect(self.decide)
        self.viewer.text_edited.connect(self.edit_text)
        self.viewer.take_chosen.connect(self.choose_take)
        self.viewer.nudged.connect(self.nudge)
        self.viewer.seeked.connect(self.player.seek)
        self.viewer.sound_picked.connect(self._pick_sound)
        self.player.moved.connect(self._moved)
        self.loader.loaded.connect(self._loaded)

    def _edit(self) -> None:
        entry = self.entry
        if entry is not None and isinstance(entry.finding, CaptionFinding):
            self.viewer.caption.sentence.setFocus()
            self.viewer.caption.sentence.selectAll()

    def _open_asked(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a timeline")
        if path:
            self.open_path(path)

    def show_keys(self) -> None:
        """The page on `?`."""
        page = QTextBrowser()
        page.setWindowTitle("Keys")
        page.setAccessibleName("Keys")
        page.setHtml(keys.page())
        page.resize(520, 640)
        self.keys_page = page
        page.show()

    # What Qt asks

    def dragEnterEvent(self, event: Any) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        if self._waits:
            return
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        for path in files[:1]:
            if Path(path).is_dir() and self.session is not None:
                self.relink_to(Path(path))
            else:
                self.open_path(path)

    def closeEvent(self, event: Any) -> None:
        if self._waits or not self.may_leave():
            event.ignore()
            return
        self._stop_look()
        self.player.stop()
        self.hide()  # a look sees at its next step that it is to end, and nobody need watch that
        for look in self._leaving:
            look.wait()
        self.loader.close()
        event.accept()


def _set_aside() -> None:
    """What stands now stays: the garbage collector needn't stop the window for a tenth of a second to search
    thousands of findings once more."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _overview(path: Path, stopped: preview.Stopped) -> preview.Overview | None:
    return preview.overview(path, stopped=stopped)
