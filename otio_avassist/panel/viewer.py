"""The finding under the cursor: what is seen and heard of it, and what it says, a page for each task.

The pages say what a person wants; they change nothing themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from otio_avassist.figures import attention_words
from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding
from otio_avassist.panel import theme
from otio_avassist.panel.entries import STATE_SIGNS, STATE_WORDS, Entry
from otio_avassist.panel.plots import Against, Belief, Plot, Spectrogram
from otio_avassist.panel.preview import Close, Sound
from otio_avassist.panel.screen import Screen
from otio_avassist.remedies import take_words

EVIDENCE = {
    "container": "start times", "timecode": "timecode", "clap": "a clap", "sound-to-sound": "sound to sound",
    "lips": "lips", "sound-to-picture": "movement to sound", "network": "network", "none": "nothing",
}  # fmt: skip


class Words(QLabel):
    """Sentences that wrap and can be copied."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)


class Choice(QPushButton):
    """One of several, with a bar under the one that holds: in the dark a pressed button looks like others."""

    BAR = 3

    def __init__(self, words: str = "") -> None:
        super().__init__(words)
        self.setCheckable(True)

    def paintEvent(self, event: Any) -> None:
        super().paintEvent(event)
        if self.isChecked():
            bar = QRect(3, self.height() - self.BAR - 1, self.width() - 6, self.BAR)
            with QPainter(self) as painter:
                painter.fillRect(bar, theme.pick(theme.CHOSEN, self.palette()))


class Page(QWidget):
    """What pages have in common: a head, and plots that follow the player."""

    def __init__(self) -> None:
        super().__init__()
        self.plots: list[Plot] = []
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(4)

    def show_at(self, at_s: float) -> None:
        for plot in self.plots:
            plot.show_at(at_s)

    def show_entry(self, entry: Entry) -> None:
        raise NotImplementedError

    def show_close(self, entry: Entry, close: Close, playing: int) -> None:
        """What was fetched of it; `playing` is the place of the sound that plays."""


class SyncPage(Page):
    """The sound as it is and as proposed, both against movement."""

    picked = Signal(float)
    sound_picked = Signal(int)
    nudged = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows = (
            Against("Sound as it is, against movement"),
            Against("Sound as proposed, against movement"),
        )
        self.heads = (Choice("as it is"), Choice("as proposed"))
        drawn = QGridLayout()
        for number, (plot, head) in enumerate(zip(self.rows, self.heads, strict=True)):
            head.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            head.setToolTip("Play this one (B changes over)")
            head.clicked.connect(lambda _=False, number=number: self.sound_picked.emit(number))
            drawn.addWidget(head, number, 0)
            drawn.addWidget(plot, number, 1)
            # The seconds stand below the spectrogram, for all three.
            plot.hideAxis("bottom")
            plot.picked.connect(self.picked)
            self.plots.append(plot)
        self.spectrogram = Spectrogram("What is heard, low to high")
        self.spectrogram.picked.connect(self.picked)
        self.plots.append(self.spectrogram)
        drawn.addWidget(self.spectrogram, len(self.rows), 1)
        drawn.setColumnStretch(1, 1)
        self.body.addLayout(drawn)
        below = QHBoxLayout()
        self.belief = Belief()
        self.evidence = Words("Evidence")
        below.addWidget(self.belief, 1)
        told = QScrollArea()
        told.setAccessibleName("Evidence, scrolled")
        told.setWidgetResizable(True)
        told.setFrameShape(QFrame.Shape.NoFrame)
        told.setWidget(self.evidence)
        self.evidence.setAlignment(Qt.AlignmentFlag.AlignTop)
        below.addWidget(told, 1)
        self.body.addLayout(below)
        nudges = QHBoxLayout()
        nudges.addWidget(QLabel("Nudge"))
        for frames, words in ((-10, "{ −10"), (-1, "[ −1"), (1, "+1 ]"), (10, "+10 }")):
            button = QPushButton(words)
            side = "later" if frames > 0 else "earlier"
            button.setAccessibleName(f"Hear the sound {abs(frames)} frame{'s' * (abs(frames) > 1)} {side}")
            button.clicked.connect(lambda _=False, frames=frames: self.nudged.emit(frames))
            nudges.addWidget(button)
        nudges.addStretch(1)
        self.body.addLayout(nudges)

    def show_entry(self, entry: Entry) -> None:
        finding = entry.finding
        assert isinstance(finding, SyncFinding)
        self.belief.show_posterior(finding.posterior, entry.early_s)
        lines = []
        for each in finding.evidence:
            said = "says nothing" if each.audio_early_s is None else f"{1000 * each.audio_early_s:+.0f} ms"
            sure = "" if each.audio_early_s is None else f", {each.confidence:.0%} sure"
            note = f": {each.note}" if each.note else ""
            lines.append(f"{EVIDENCE.get(each.method, each.method)}: {said}{sure}{note}")
        if finding.attention is not None:
            lines.append(attention_words(finding.attention))
        self.evidence.setText("\n".join(lines) or f"by {EVIDENCE.get(finding.method, finding.method)}")

    def show_close(self, entry: Entry, close: Close, playing: int) -> None:
        for number, (plot, head) in enumerate(zip(self.rows, self.heads, strict=True)):
            there = number < len(close.sounds)
            plot.setVisible(there)
            head.setVisible(there)
            head.setChecked(number == playing)
            if there:
                plot.show_curves(close.motion, close.sounds[number].samples, close.duration_s)
        self.spectrogram.setVisible(bool(close.sounds))
        if close.sounds:
            self.spectrogram.show_sound(close.sounds[min(playing, len(close.sounds) - 1)], close.duration_s)


class CaptionPage(Page):
    """The sentence, to be typed over."""

    picked = Signal(float)
    text_edited = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.sentence = QLineEdit()
        self.sentence.setAccessibleName("Sentence")
        self.sentence.setPlaceholderText("Nothing is said: the marker stays empty")
        self.sentence.editingFinished.connect(self._edited)
        self.words = Words("How sure the network is of each word")
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.facts = Words("What it rests on")
        self.spectrogram = Spectrogram("What is heard, low to high")
        self.spectrogram.picked.connect(self.picked)
        self.plots.append(self.spectrogram)
        for widget in (self.sentence, self.words, self.facts, self.spectrogram):
            self.body.addWidget(widget)
        self.body.addStretch(1)
        self._shown = ""

    def show_entry(self, entry: Entry) -> None:
        finding = entry.finding
        assert isinstance(finding, CaptionFinding)
        self._shown = entry.text
        self.sentence.setText(entry.text)
        self.words.setText(_tinted(finding.words))
        self.words.setVisible(bool(finding.words))
        own = "" if entry.text == finding.text else f"; the network said: {finding.text}"
        self.facts.setText(f"{finding.level}, {finding.carried_by}{own}")

    def show_close(self, entry: Entry, close: Close, playing: int) -> None:
        self.spectrogram.setVisible(bool(close.sounds))
        if close.sounds:
            self.spectrogram.show_sound(close.sounds[0], close.duration_s)

    def _edited(self) -> None:
        text = self.sentence.text()
        if text != self._shown:
            self._shown = text
            self.text_edited.emit(text)


class FoleyPage(Page):
    """The takes, one below the other."""

    MOST = 9
    picked = Signal(float)
    take_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        inside = QWidget()
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(0, 0, 0, 0)
        area = QScrollArea()
        area.setAccessibleName("Takes")
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        self.body.addWidget(area)
        self.heads: list[Choice] = []
        self.facts: list[Words] = []
        self.pictures: list[Spectrogram] = []
        for number in range(self.MOST):
            head, facts, picture = (
                Choice(),
                Words(f"Take {number + 1}"),
                Spectrogram(f"Take {number + 1}"),
            )
            head.setAccessibleName(f"Take {number + 1}")
            head.clicked.connect(lambda _=False, number=number: self._choose(number))
            picture.picked.connect(self.picked)
            row = QHBoxLayout()
            row.addWidget(head)
            row.addWidget(facts, 1)
            self._list.addLayout(row)
            self._list.addWidget(picture)
            self.heads.append(head)
            self.facts.append(facts)
            self.pictures.append(picture)
            self.plots.append(picture)
        self._list.addStretch(1)
        self.nothing = Words("Why there is no sound")
        self.body.addWidget(self.nothing)
        self._names: list[str] = []

    def show_entry(self, entry: Entry) -> None:
        finding = entry.finding
        assert isinstance(finding, FoleyFinding)
        takes = finding.takes[: self.MOST]
        self._names = [take.name for take in takes]
        self.nothing.setVisible(not takes)
        self.nothing.setText("" if takes else entry.line.outcome.words)
        for number in range(self.MOST):
            there = number < len(takes)
            for widget in (self.heads[number], self.facts[number], self.pictures[number]):
                widget.setVisible(there)
            if there:
                take = takes[number]
                plays = take.name == entry.take
                self.heads[number].setText(f"{number + 1} {'▶' if plays else ' '}")
                self.heads[number].setChecked(plays)
                self.heads[number].setAccessibleName(f"Take {number + 1}{', chosen' if plays else ''}")
                like = "" if take.relevance is None else f", {take.relevance:.0%} like {finding.sound}"
                self.facts[number].setText(f"{take_words(take)}{like}")

    def show_close(self, entry: Entry, close: Close, playing: int) -> None:
        by_name: dict[str, Sound] = {each.label: each for each in close.sounds}
        for name, picture in zip(self._names, self.pictures, strict=False):
            picture.setVisible(name in by_name)
            if name in by_name:
                picture.show_sound(by_name[name], close.duration_s)

    def _choose(self, number: int) -> None:
        if number < len(self._names):
            self.take_chosen.emit(self._names[number])


class Viewer(QWidget):
    """Head, picture, and the page of the task."""

    seeked = Signal(float)
    """Seconds from the first picture."""
    sound_picked = Signal(int)
    text_edited = Signal(str)
    take_chosen = Signal(str)
    nudged = Signal(int)
    decided = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.screen_ = Screen()
        self.head, self.outcome, self.doubts = Words("Finding"), Words("What it leads to"), Words("Doubts")
        font = self.head.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self.head.setFont(font)
        self.sync, self.caption, self.foley = SyncPage(), CaptionPage(), FoleyPage()
        self.pages = {"sync": self.sync, "captions": self.caption, "foley": self.foley}
        self.stack = QStackedWidget()
        self.empty = Words("Nothing is selected")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack.addWidget(self.empty)
        for page in self.pages.values():
            self.stack.addWidget(page)
        self.buttons = {state: Choice(f"{STATE_SIGNS[state]} {words}") for state, words in (
            ("accepted", "Accept (A)"), ("rejected", "Reject (R)"), ("proposed", "Undecide (U)"),
        )}  # fmt: skip
        decisions = QHBoxLayout()
        for state, button in self.buttons.items():
            button.clicked.connect(lambda _=False, state=state: self.decided.emit(state))
            decisions.addWidget(button)
        facts = QFormLayout()
        facts.addRow(self.head)
        facts.addRow("Leads to", self.outcome)
        facts.addRow("Doubts", self.doubts)
        layout = QVBoxLayout(self)
        layout.addWidget(self.screen_, 5)
        layout.addLayout(facts)
        layout.addLayout(decisions)
        layout.addWidget(self.stack, 4)
        self.screen_.picked.connect(self.seeked)
        for page in (self.sync, self.caption, self.foley):
            page.picked.connect(self.seeked)
        self.sync.sound_picked.connect(self.sound_picked)
        self.sync.nudged.connect(self.nudged)
        self.caption.text_edited.connect(self.text_edited)
        self.foley.take_chosen.connect(self.take_chosen)
        self.show_nothing("Nothing is selected.")

    def show_nothing(self, words: str) -> None:
        self.empty.setText(words)
        self.stack.setCurrentWidget(self.empty)
        self.screen_.show_frames(self.screen_._frames[:0], 1.0, words)
        for label in (self.head, self.outcome, self.doubts):
            label.clear()
        for button in self.buttons.values():
            button.setEnabled(False)
            button.setChecked(False)

    def show_entry(self, entry: Entry) -> None:
        """All that needs no media."""
        sure = f"{entry.finding.confidence:.0%} sure"
        said = f", {STATE_WORDS[entry.state]}{' and edited' if entry.edited else ''}"
        self.head.setText(f"{entry.timecode}  {entry.address.clip}: {entry.what}  ({sure}{said})")
        self.outcome.setText(entry.line.outcome.words)
        self.doubts.setText(entry.doubts or "none")
        for state, button in self.buttons.items():
            button.setEnabled(True)
            button.setChecked(state == entry.state)
        page = self.pages[entry.task]
        page.show_entry(entry)
        self.stack.setCurrentWidget(page)

    def show_close(self, entry: Entry, close: Close, playing: int) -> None:
        """What was fetched of its media."""
        self.screen_.show_frames(close.frames, close.duration_s, close.why)
        self.pages[entry.task].show_close(entry, close, playing)

    def show_at(self, at_s: float) -> None:
        self.screen_.show_at(at_s)
        page = self.stack.currentWidget()
        if isinstance(page, Page):
            page.show_at(at_s)


def _tinted(words: Sequence[tuple[str, float]]) -> str:
    """Words with their probabilities, the unsure ones underlined: not by colour alone."""
    shown = []
    for word, sure in words:
        safe = word.replace("&", "&amp;").replace("<", "&lt;")
        style = "" if sure >= 0.5 else "text-decoration: underline;"
        shown.append(f"<span style='{style}' title='{sure:.0%}'>{safe}<sub>{100 * sure:.0f}</sub></span>")
    return " ".join(shown)
