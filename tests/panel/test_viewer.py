"""The viewer: what it shows of a finding, what it asks for when pressed, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton

from otio_avassist import findings
from otio_avassist.findings import CaptionFinding, Posterior, SyncFinding
from otio_avassist.panel import plots, preview, screen, theme
from otio_avassist.panel.entries import Entry
from otio_avassist.panel.viewer import Viewer
from otio_avassist.review import ACCEPTED, Decision
from tests.panel import scene

POSTERIOR = Posterior((-0.8, -0.4, 0.0, 0.4, 0.8), (0.05, 0.05, 0.1, 0.7, 0.1))
NO_FRAMES = np.zeros((0, 2, 2, 3), np.uint8)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Entry]:
    """One of each task; what is drawn of them is made up here."""
    session = scene.filled(scene.write_cut(tmp_path_factory.mktemp("cut")))
    return {entry.task: entry for entry in reversed(session.entries.values())}


@pytest.fixture(params=["light", "dark"])
def palette(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[QPalette]:
    before = QPalette(qapp.palette())
    qapp.setPalette(theme.dark_palette() if request.param == "dark" else theme.light_palette())
    yield qapp.palette()
    qapp.setPalette(before)


@pytest.fixture
def viewer(qtbot) -> Viewer:
    made = Viewer()
    made.resize(760, 900)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def sound(label: str, early_s: float = 0.0, seconds: float = 2.0) -> preview.Sound:
    """A click each half second."""
    samples = np.zeros(int(seconds * preview.RATE), np.float32)
    samples[int((0.45 - early_s) * preview.RATE) :: preview.RATE // 2] = 0.9
    return preview.Sound(label, samples, np.tile(np.linspace(0, 1, 80)[:, None], (1, 172)).astype(np.float32))


def close(*sounds: preview.Sound, frames: int = 50, why: str = "") -> preview.Close:
    shown = np.full((frames, 36, 64, 3), 200, np.uint8) if frames else NO_FRAMES
    motion = np.zeros(max(1, frames))
    motion[10::12] = 0.2
    return preview.Close(0.0, shown, motion, sounds, why)


def of_sync(entries: dict[str, Entry], **said) -> Entry:
    entry = entries["sync"]
    finding = entry.finding
    assert isinstance(finding, SyncFinding)
    return replace(entry, told=scene.line(replace(finding, **said)))


def shown(widget) -> QColor:
    """The colour that most of it has."""
    image = widget.grab().toImage()
    colours = [image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)]
    return QColor(max(set(colours), key=colours.count))


def test_sync_is_told_in_frames_and_milliseconds_with_its_doubts_and_evidence(viewer, entries) -> None:
    told = (findings.Evidence("timecode", None, 0.0, "there is none"), findings.Evidence("clap", 0.4, 0.9))
    viewer.show_entry(of_sync(entries, doubts=("It may drift.",), evidence=told))
    assert "early by 10.0 frames (400 ms)" in viewer.head.text()
    assert "95% sure" in viewer.head.text()
    assert viewer.doubts.text() == "It may drift."
    assert viewer.sync.evidence.text().splitlines() == [
        "timecode: says nothing: there is none",
        "a clap: +400 ms, 90% sure",
    ]


def test_sync_draws_both_sounds_against_movement(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is", 0.2), sound("as proposed")), 1)
    as_it_is, as_proposed = (row._sound.getData() for row in viewer.sync.rows)
    for row in viewer.sync.rows:
        assert row._motion.getData()[1].min() >= 0, "movement is above the line"
    # What was proposed strikes later: there its first peak is.
    first = [at[levels < -0.5][0] for at, levels in (as_it_is, as_proposed)]
    assert first[1] - first[0] == pytest.approx(0.2, abs=0.05)
    assert [head.isChecked() for head in viewer.sync.heads] == [False, True]


def test_without_a_proposal_only_the_sound_as_it_is_is_drawn(viewer, entries) -> None:
    entry = of_sync(entries, audio_early_s=None)
    viewer.show_entry(entry)
    viewer.show_close(entry, close(sound("as it is")), 0)
    assert [row.isVisible() for row in viewer.sync.rows] == [True, False]


def test_belief_is_drawn_with_a_line_where_the_person_has_set_it(viewer, entries) -> None:
    entry = of_sync(entries, posterior=POSTERIOR)
    viewer.show_entry(entry)
    belief = viewer.sync.belief
    assert belief.isVisible()
    assert belief.playhead.value() == pytest.approx(0.4)
    viewer.show_entry(replace(entry, decision=Decision(ACCEPTED, early_s=-0.2)))
    assert belief.playhead.value() == pytest.approx(-0.2)
    viewer.show_at(1.5)
    belief.show_at(1.5)
    assert belief.playhead.value() == pytest.approx(-0.2), "an offset isn't a moment"
    viewer.show_entry(of_sync(entries, posterior=None))
    assert not belief.isVisible()


def test_buttons_say_what_is_wanted_and_change_nothing(qtbot, viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is", 0.2), sound("as proposed")), 1)
    said: list[object] = []
    for signal in (viewer.decided, viewer.nudged, viewer.sound_picked):
        signal.connect(said.append)
    for button in viewer.buttons.values():
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    for button in viewer.sync.findChildren(QPushButton):
        if button not in viewer.sync.heads:
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(viewer.sync.heads[0], Qt.MouseButton.LeftButton)
    assert said == ["accepted", "rejected", "proposed", -10, -1, 1, 10, 0]
    assert entries["sync"].state == "proposed"


def test_a_sentence_is_told_once_when_it_was_typed_over(qtbot, viewer, entries) -> None:
    viewer.show_entry(entries["captions"])
    said: list[str] = []
    viewer.text_edited.connect(said.append)
    line = viewer.caption.sentence
    line.setFocus()
    line.selectAll()
    qtbot.keyClicks(line, "A dog barks.")
    assert said == [], "not at each letter"
    qtbot.keyClick(line, Qt.Key.Key_Return)
    line.clearFocus()
    assert said == ["A dog barks."]


def test_a_sentence_that_was_left_alone_is_no_edit(qtbot, viewer, entries) -> None:
    viewer.show_entry(entries["captions"])
    with qtbot.assertNotEmitted(viewer.text_edited):
        qtbot.keyClick(viewer.caption.sentence, Qt.Key.Key_Return)


def test_an_edited_sentence_stands_beside_what_the_network_said(viewer, entries) -> None:
    viewer.show_entry(replace(entries["captions"], decision=Decision(ACCEPTED, text="A dog barks.")))
    assert viewer.caption.sentence.text() == "A dog barks."
    assert "the network said: Something happens" in viewer.caption.facts.text()


def test_words_that_are_unsure_are_underlined_and_no_word_is_markup(viewer, entries) -> None:
    finding = entries["captions"].finding
    assert isinstance(finding, CaptionFinding)
    told = replace(finding, words=(("<b>", 0.9), ("dog", 0.2)))
    viewer.show_entry(replace(entries["captions"], told=scene.line(told)))
    text = viewer.caption.words.text()
    assert "&lt;b>" in text
    assert text.index("underline") > text.index("&lt;b>")


def test_takes_are_drawn_and_the_one_that_plays_is_marked(qtbot, viewer, entries) -> None:
    entry = entries["foley"]
    names = [take.name for take in entry.finding.takes]
    viewer.show_entry(replace(entry, decision=Decision(ACCEPTED, take=names[1])))
    viewer.show_close(entry, close(*map(sound, names)), 1)
    page = viewer.foley
    assert [head.isChecked() for head in page.heads[:4]] == [False, True, False, False]
    assert [head.isVisible() for head in page.heads[:4]] == [True, True, True, False]
    assert [picture.isVisible() for picture in page.pictures[:4]] == [True, True, True, False]
    assert page.heads[1].accessibleName() == "Take 2, chosen"
    assert all("LUFS" in facts.text() for facts in page.facts[:3])
    with qtbot.waitSignal(viewer.take_chosen) as chosen:
        qtbot.mouseClick(page.heads[2], Qt.MouseButton.LeftButton)
    assert chosen.args == [names[2]]


def test_missing_media_says_why_in_place_of_the_picture(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(frames=0, why="a.mov: no such file"), 0)
    frame = viewer.screen_.frame
    assert frame.accessibleDescription() == "a.mov: no such file"
    assert not any(row.isVisible() for row in viewer.sync.rows)
    assert not viewer.sync.spectrogram.isVisible()
    assert viewer.buttons["accepted"].isEnabled(), "one may decide all the same"


def test_nothing_selected_can_be_decided(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_nothing("Nothing was found.")
    assert viewer.empty.isVisible()
    assert viewer.empty.text() == "Nothing was found."
    assert not any(button.isEnabled() for button in viewer.buttons.values())
    assert viewer.head.text() == ""


def test_the_playhead_is_in_all_drawings(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is"), sound("as proposed")), 0)
    viewer.show_at(0.75)
    assert {plot.playhead.value() for plot in viewer.sync.plots} == {0.75}


@pytest.mark.parametrize("plot", ["rows", "spectrogram"])
def test_a_click_in_a_drawing_seeks(qtbot, viewer, entries, plot: str) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is"), sound("as proposed")), 0)
    QApplication.processEvents()
    drawn = viewer.sync.rows[0] if plot == "rows" else viewer.sync.spectrogram
    with qtbot.waitSignal(viewer.seeked) as sought:
        middle = drawn.viewport().rect().center()
        qtbot.mouseClick(drawn.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert sought.args[0] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("task", ["sync", "captions", "foley"])
def test_all_that_can_be_pressed_is_reached_by_tab_and_has_a_name(qtbot, viewer, entries, task: str) -> None:
    viewer.show_entry(entries[task])
    names = [take.name for take in getattr(entries[task].finding, "takes", ())] or ["as it is", "as proposed"]
    viewer.show_close(entries[task], close(*map(sound, names)), 0)
    viewer.activateWindow()
    wanted = {
        each for kind in (QPushButton, QLineEdit) for each in viewer.findChildren(kind) if each.isVisible()
    }
    assert len(wanted) >= 4
    reached = set()
    viewer.buttons["accepted"].setFocus()
    for _ in range(60):
        reached.add(QApplication.focusWidget())
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert wanted <= reached
    assert all(each.accessibleName() or each.text() for each in wanted if isinstance(each, QPushButton))
    assert all(each.accessibleName() for each in wanted if isinstance(each, QLineEdit))
    assert all(plot.accessibleName() for plot in viewer.pages[task].plots)


def test_words_and_drawings_follow_the_palette(palette, viewer, entries) -> None:
    viewer.show_entry(of_sync(entries, posterior=POSTERIOR))
    viewer.show_close(entries["sync"], close(sound("as it is"), sound("as proposed")), 0)
    dark = theme.is_dark(palette)
    for widget in (viewer, viewer.sync.belief):
        assert (shown(widget).lightness() < 128) == dark
    ink = viewer.sync.belief.getAxis("bottom").textPen().color()
    assert (ink.lightness() > 128) == dark


def test_which_button_holds_is_seen_in_light_and_dark(palette, viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    chosen = theme.pick(theme.CHOSEN, palette).rgb()
    for state, button in viewer.buttons.items():
        image = button.grab().toImage()
        held = any(image.pixel(image.width() // 2, y) == chosen for y in range(image.height()))
        assert held == (state == "proposed")


def test_attention_lights_places_of_the_picture_and_a_line_over_the_spectrogram(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is"), sound("as proposed")), 0)
    frame, spectrogram = viewer.screen_.frame, viewer.sync.spectrogram
    places = np.zeros((2, 4, 4))
    places[0, 0, 0], places[1, 3, 3] = 1.0, 2.0
    moments_s = np.array([0.0, 1.0, 2.0])
    plots.show_attention(
        viewer.screen_, spectrogram, seen_s=np.array([0.2, 1.2]), seen=places,
        heard_s=moments_s, heard=np.array([0.0, 5.0, 1.0]),
    )  # fmt: skip

    def corners() -> tuple[int, int]:
        image = frame._image
        return image.pixelColor(2, 2).lightness(), image.pixelColor(61, 33).lightness()

    viewer.show_at(0.2)
    top_left, bottom_right = corners()
    assert top_left > bottom_right
    viewer.show_at(1.2)
    top_left, bottom_right = corners()
    assert bottom_right > top_left
    at_s, heights = spectrogram.attention()
    assert at_s.tolist() == moments_s.tolist()
    assert heights.argmax() == 1
    assert 0 <= heights.min() < heights.max() <= 80
    viewer.show_close(entries["sync"], close(sound("as it is"), sound("as proposed")), 0)
    assert corners()[0] == corners()[1] == 200, "other frames aren't lit by what was known of these"
    assert not len(spectrogram.attention()[0])


def test_attention_to_nothing_leaves_the_picture_alone(viewer, entries) -> None:
    viewer.show_entry(entries["sync"])
    viewer.show_close(entries["sync"], close(sound("as it is")), 0)
    plots.show_attention(
        viewer.screen_, viewer.sync.spectrogram, seen_s=np.array([0.0]), seen=np.zeros((1, 2, 2)),
        heard_s=np.zeros(0), heard=np.zeros(0),
    )  # fmt: skip
    assert viewer.screen_.frame._image.pixelColor(5, 5).lightness() == 200
    with pytest.raises(ValueError, match="seen: wanted a weight for each of 2 times, got 1"):
        plots.show_attention(
            viewer.screen_, viewer.sync.spectrogram, seen_s=np.zeros(2), seen=np.zeros((1, 2, 2)),
            heard_s=np.zeros(0), heard=np.zeros(0),
        )  # fmt: skip


def test_lit_is_brightest_in_the_middle_of_the_cell_and_fades(viewer) -> None:
    weights = np.zeros((3, 3))
    weights[1, 1] = 1.0
    row = screen.lit(np.full((30, 60, 3), 100, np.uint8), weights)[15, :, 0].astype(int)
    assert row[30] == row.max() > 100
    assert row[0] == row[-1] == 40
    assert (np.diff(row[:30]) >= 0).all()
