"""The strip: clicked, dragged, zoomed, scrolled and looked at."""

from __future__ import annotations

from collections.abc import Mapping

import opentimelineio as otio
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QPalette, QWheelEvent
from PySide6.QtWidgets import QApplication

from otio_avassist.panel import theme
from otio_avassist.panel.entries import Entry
from otio_avassist.panel.strip import GAP, HEAD, LANE, MARK, RULER, Strip
from otio_avassist.panel.strip_model import StripModel
from tests import cuts
from tests.panel.marks import captions

LEFT, NOTHING = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def shown(
    qtbot, root: otio.schema.Timeline, entries: Mapping[str, Entry] | None = None, **missing: dict
) -> Strip:
    strip = Strip()
    qtbot.addWidget(strip)
    strip.setPalette(theme.light_palette())
    strip.resize(900, 260)
    strip.set_model(StripModel(root, missing.get("missing", {})), 25.0, 3600.0)
    strip.set_entries((entries or {}).values())
    # As the window does it.
    strip.seeked.connect(strip.set_playhead)
    strip.picked.connect(strip.set_current)
    strip.show()
    return strip


@pytest.fixture
def root() -> otio.schema.Timeline:
    """Two pictures of four seconds, each with its sound under it."""
    return cuts.simple()


def at(strip: Strip, lane: int, at_s: float, above: int = LANE // 2) -> QPoint:
    """A point on a lane, so many pixels above its lower end."""
    return QPoint(round(strip.x_of(at_s)), strip.y_of(lane) + LANE - above)


def on_mark(strip: Strip, at_s: float, level: int = 0) -> QPoint:
    return at(strip, 0, at_s, level * MARK + MARK // 2)


def picture(strip: Strip) -> QImage:
    return strip.viewport().grab().toImage()


def heard(signal) -> list:
    got: list = []
    signal.connect(got.append)
    return got


def turn(strip: Strip, x: float, steps: int, modifier: Qt.KeyboardModifier = NOTHING) -> None:
    where = QPointF(x, 60)
    event = QWheelEvent(
        where, strip.mapToGlobal(where), QPoint(), QPoint(0, 120 * steps), Qt.MouseButton.NoButton, modifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(strip.viewport(), event)


def test_a_click_on_a_mark_picks_it_and_moves_nothing(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(root, (0.5, 1.5), (2.0, 3.0)))
    picked, seeked = heard(strip.picked), heard(strip.seeked)
    qtbot.mouseClick(strip.viewport(), LEFT, pos=on_mark(strip, 2.5))
    assert picked == [list(strip._entries)[1]]
    assert seeked == []


def test_of_marks_over_one_another_the_one_under_the_pointer_is_picked(qtbot, root) -> None:
    entries = captions(root, (0.5, 3.5), (1.0, 2.0))
    strip = shown(qtbot, root, entries)
    picked = heard(strip.picked)
    for level in (0, 1):
        qtbot.mouseClick(strip.viewport(), LEFT, pos=on_mark(strip, 1.5, level))
    assert picked == list(entries)


def test_a_mark_too_thin_to_see_can_still_be_hit_beside(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(root, (2.0, 2.0001)))
    assert strip.mark_at(on_mark(strip, 2.0) + QPoint(3, 0)) is not None
    assert strip.mark_at(on_mark(strip, 2.0) + QPoint(12, 0)) is None


def test_a_click_on_a_clip_or_on_the_ruler_moves_the_playhead(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(root, (0.5, 3.5)))
    picked, seeked = heard(strip.picked), heard(strip.seeked)
    qtbot.mouseClick(strip.viewport(), LEFT, pos=at(strip, 0, 2.0, above=LANE - 4))
    qtbot.mouseClick(strip.viewport(), LEFT, pos=QPoint(round(strip.x_of(3.0)), 5))
    assert seeked == [pytest.approx(2.0, abs=0.02), pytest.approx(3.0, abs=0.02)]
    assert picked == []


def test_a_click_on_a_track_head_does_nothing(qtbot, root) -> None:
    strip = shown(qtbot, root)
    seeked = heard(strip.seeked)
    qtbot.mouseClick(strip.viewport(), LEFT, pos=QPoint(HEAD // 2, strip.y_of(0) + 5))
    assert seeked == []


def test_the_playhead_is_dragged_and_stays_within_the_timeline(qtbot, root) -> None:
    strip = shown(qtbot, root)
    seeked = heard(strip.seeked)
    qtbot.mousePress(strip.viewport(), LEFT, pos=QPoint(round(strip.x_of(1.0)), 5))
    for x in (strip.x_of(4.0), 5000, -50):
        qtbot.mouseMove(strip.viewport(), QPoint(round(x), 5))
    qtbot.mouseRelease(strip.viewport(), LEFT, pos=QPoint(0, 5))
    assert seeked[1] == pytest.approx(4.0, abs=0.02)
    assert seeked[2] == 8.0
    assert seeked[3] == pytest.approx(0.0, abs=0.02)


def test_a_drag_that_began_on_a_mark_moves_nothing(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(root, (0.5, 3.5)))
    seeked = heard(strip.seeked)
    qtbot.mousePress(strip.viewport(), LEFT, pos=on_mark(strip, 1.0))
    qtbot.mouseMove(strip.viewport(), on_mark(strip, 1.2))
    assert seeked == []


def test_the_wheel_with_ctrl_zooms_around_the_pointer(qtbot, root) -> None:
    strip = shown(qtbot, root)
    whole_s, x = strip.shown_s, strip.x_of(6.0)
    turn(strip, x, 3, Qt.KeyboardModifier.ControlModifier)
    assert strip.shown_s == pytest.approx(whole_s / 1.25**3)
    assert strip.x_of(6.0) == pytest.approx(x, abs=2)
    turn(strip, x, -30, Qt.KeyboardModifier.ControlModifier)
    assert strip.shown_s == pytest.approx(whole_s)


def test_the_wheel_scrolls_along_the_time_and_over_the_heads_from_track_to_track(qtbot) -> None:
    strip = shown(qtbot, cuts.timeline(*(cuts.track("Video", cuts.clip(f"{k}")) for k in range(9))))
    strip.zoom(4, 0.0)
    turn(strip, 400, -2)
    assert strip.from_s == pytest.approx(0.2 * strip.shown_s, abs=0.01)
    assert strip.y_of(0) == RULER
    turn(strip, HEAD / 2, -2)
    assert strip.y_of(0) == RULER - 2 * (LANE + GAP)
    assert strip.from_s == pytest.approx(0.2 * strip.shown_s, abs=0.01)


def test_what_is_hit_is_what_is_seen_after_zoom_and_scroll(qtbot) -> None:
    root = cuts.timeline(*(cuts.track("Video", cuts.clip(f"{k}")) for k in range(9)))
    entries = captions(root, (3.0, 3.2), picture=(0, 0))
    strip = shown(qtbot, root, entries)
    strip.zoom(3, 3.0)
    strip.verticalScrollBar().setValue(strip.verticalScrollBar().maximum())
    picked = heard(strip.picked)
    qtbot.mouseClick(strip.viewport(), LEFT, pos=at(strip, 8, 3.1, MARK // 2))
    assert picked == list(entries)


def test_a_mark_scrolled_under_the_ruler_is_not_hit_through_it(qtbot) -> None:
    root = cuts.timeline(*(cuts.track("Video", cuts.clip(f"{k}")) for k in range(9)))
    strip = shown(qtbot, root, captions(root, (1.0, 3.0), picture=(8, 0)))
    strip.verticalScrollBar().setValue(LANE - 2)
    assert strip.mark_at(QPoint(round(strip.x_of(2.0)), RULER - 4)) is None


@pytest.mark.parametrize(
    ("key", "goes_to"),
    [("Home", 0.0), ("End", 8.0), ("PageUp", 2.0), ("PageDown", 4.0)],
)
def test_keys_move_the_playhead_and_keep_it_in_sight(qtbot, root, key: str, goes_to: float) -> None:
    strip = shown(qtbot, root)
    strip.set_playhead(3.0)
    strip.zoom(strip.shown_s / 2, 3.0)
    qtbot.keyClick(strip, getattr(Qt.Key, f"Key_{key}"))
    assert strip._playhead_s == pytest.approx(goes_to)
    assert strip.from_s <= goes_to <= strip.from_s + strip.shown_s


def test_tab_reaches_the_strip_and_other_keys_are_left_to_the_window(qtbot, root) -> None:
    strip = shown(qtbot, root)
    assert strip.focusPolicy() & Qt.FocusPolicy.TabFocus
    seeked = heard(strip.seeked)
    qtbot.keyClick(strip, Qt.Key.Key_A)
    assert seeked == []


def test_a_screen_reader_hears_what_is_on_it(qtbot, root) -> None:
    entries = captions(root, (0.5, 1.5), (2.0, 3.0), states=("accepted", "proposed"))
    strip = shown(qtbot, root, entries)
    assert strip.accessibleName() == "Timeline"
    assert strip.accessibleDescription() == "2 tracks, 4 clips; 2 findings: 1 to decide, 1 accepted"
    strip.set_current(next(iter(entries)))
    assert "picked: 01:00:00:13 captions: A dog barks twice. (accepted)" in strip.accessibleDescription()


def test_the_pointer_is_told_what_is_under_it(qtbot, root) -> None:
    root.tracks[0][1].enabled = False
    strip = shown(qtbot, root, captions(root, (0.5, 1.5)), missing={(1, 1): "isn't there"})
    assert strip.words_at(on_mark(strip, 1.0)) == "01:00:00:13 captions: A dog barks twice. (to decide)"
    assert strip.words_at(at(strip, 0, 3.0)) == "a.mov"
    assert strip.words_at(at(strip, 0, 6.0)) == "b.mov (disabled)"
    assert strip.words_at(at(strip, 1, 6.0)) == "b.wav: isn't there"
    assert strip.words_at(QPoint(10, strip.y_of(1) + 10)) == "Audio 1"
    assert strip.words_at(QPoint(300, 250)) == ""


def test_states_differ_by_shape_and_not_by_colour_alone(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(
        root, (0.2, 1.2), (1.4, 2.4), (2.6, 3.6), states=("accepted", "proposed", "rejected")
    ))  # fmt: skip
    seen = picture(strip)
    task = theme.pick(theme.TASKS["captions"], strip.palette()).rgb()

    def filled(at_s: float) -> list[bool]:
        """From the mark's upper to its lower end, right of any sign."""
        x, bottom = round(strip.x_of(at_s)) + 30, strip.y_of(0) + LANE
        return [seen.pixel(x, y) == task for y in range(bottom - MARK, bottom - 1)]

    accepted, proposed, rejected = (filled(at_s) for at_s in (0.6, 1.8, 3.0))
    assert all(accepted)
    assert (proposed[0], any(proposed[1:-1]), proposed[-1]) == (True, False, True)
    assert not any(rejected[: MARK // 2])
    assert rejected[-1]


def test_a_decision_is_drawn_at_once(qtbot, root) -> None:
    strip = shown(qtbot, root, captions(root, (0.5, 3.5)))
    before = picture(strip)
    strip.set_entries(captions(root, (0.5, 3.5), states=("accepted",)).values())
    assert picture(strip) != before


def test_disabled_and_missing_clips_are_drawn_otherwise(qtbot, root) -> None:
    def clip_alone(**missing: dict) -> QImage:
        strip = shown(qtbot, root, **missing)
        return picture(strip).copy(round(strip.x_of(4.2)), strip.y_of(0) + 20, 200, 15)

    plain, missing = clip_alone(), clip_alone(missing={(0, 1): "isn't there"})
    root.tracks[0][1].enabled = False
    off = clip_alone()
    colours = [{image.pixel(x, 5) for x in range(200)} for image in (plain, missing, off)]
    assert len(colours[0]) == len(colours[2]) == 1
    assert len(colours[1]) > 1  # hatched
    assert colours[0] != colours[2]


def test_names_stay_in_sight_when_their_clip_began_before(qtbot, root) -> None:
    strip = shown(qtbot, root)
    strip.zoom(4, 4.0)
    strip.horizontalScrollBar().setValue(1500)
    text = strip.palette().color(QPalette.ColorRole.WindowText)
    name = picture(strip).copy(HEAD + 2, strip.y_of(0), 60, 16)
    darkest = min(name.pixelColor(x, y).lightness() for x in range(60) for y in range(16))
    assert darkest < text.lightness() + 40


def test_the_playhead_moves_without_anything_else_being_drawn_anew(qtbot, root, monkeypatch) -> None:
    strip = shown(qtbot, root, captions(root, (0.5, 3.5)))
    strip.set_playhead(1.0)
    first = picture(strip)
    monkeypatch.setattr(strip, "_paint_still", lambda _painter: pytest.fail("drawn anew"))
    strip.set_playhead(2.0)
    assert picture(strip) != first
    strip.set_playhead(1.0)
    assert picture(strip) == first


def test_it_follows_the_palette(qtbot, root) -> None:
    strip = shown(qtbot, root)
    light = picture(strip).pixelColor(600, 200).lightness()
    strip.setPalette(theme.dark_palette())
    assert picture(strip).pixelColor(600, 200).lightness() < 100 < light


def test_it_can_be_shown_without_a_timeline(qtbot) -> None:
    strip = Strip()
    qtbot.addWidget(strip)
    strip.show()
    picture(strip)
    qtbot.keyClick(strip, Qt.Key.Key_End)
    qtbot.mouseClick(strip.viewport(), LEFT, pos=QPoint(200, 40))
    assert strip.mark_at(QPoint(200, 40)) is None
    assert strip.words_at(QPoint(200, 40)) == ""
