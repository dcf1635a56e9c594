"""Drawings are parsed as XML; what is seen of media is compared with films made here."""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from otio_avassist import figures
from otio_avassist.findings import Attention, CaptionFinding, FoleyFinding, Posterior, SyncFinding, Take
from otio_avassist.spans import Address, MediaSpan, Shot
from tests.material import film, picture_s

FPS, RATE = 25, 16000


def drawing(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in root if each.get("class") == name]


def beats(*at_s: float, length_s: float = 8.0) -> np.ndarray:
    curve = np.zeros(round(length_s * FPS))
    for second in at_s:
        curve[round(second * FPS)] = 1.0
    return curve


def test_dashes_stand_where_the_movement_is():
    pictures = figures.Pictures(0.0, 8.0, (), beats(2.0, 6.0), beats(1.6, 5.6), beats(2.0, 6.0))
    marks = of_class(drawing(figures.curves_svg(pictures, mended=False)), "mark")
    at_s = [float(mark.get("x1", "nan")) / figures.WIDTH * 8.0 for mark in marks]
    assert at_s == pytest.approx([2.0, 6.0], abs=1 / FPS)


def test_as_proposed_draws_the_other_sound_under_the_same_movement():
    pictures = figures.Pictures(0.0, 8.0, (), beats(2.0), beats(1.6), beats(2.0))
    as_is = drawing(figures.curves_svg(pictures, mended=False))
    proposed = drawing(figures.curves_svg(pictures, mended=True))
    assert of_class(as_is, "motion")[0].get("d") == of_class(proposed, "motion")[0].get("d")
    assert of_class(as_is, "sound")[0].get("d") != of_class(proposed, "sound")[0].get("d")


@pytest.mark.parametrize(
    "curve",
    [np.zeros(200), np.full(200, 3.0), np.full(200, np.nan), np.zeros(1)],
    ids=["silent", "constant", "unknown", "one frame"],
)
def test_a_curve_with_nothing_in_it_is_still_a_drawing(curve):
    svg = figures.curves_svg(figures.Pictures(0.0, 8.0, (), curve, curve, None), mended=False)
    assert "nan" not in svg
    assert drawing(svg) is not None


def test_grain_and_hiss_do_not_look_like_events():
    rng = np.random.default_rng(0)
    grain, hiss = rng.uniform(0, 1e-5, 200), rng.uniform(0, 1e-4, 200)
    root = drawing(figures.curves_svg(figures.Pictures(0.0, 8.0, (), grain, hiss, None), mended=False))
    assert of_class(root, "mark") == []
    corners = (of_class(root, "motion")[0].get("d") or "").removesuffix("Z").split()
    assert min(float(y) for y in corners[3:-2:2]) > 0.8 * figures.HALF


ATTENTION = Attention(
    seen=((4.5, 0.25, 0.75, 9.0), (1.5, 0.5, 0.5, 6.0), (30.0, 0.5, 0.5, 5.0), (1.5, 0.9, 0.5, 1.5)),
    heard=((4.25, 4.0),),
    seen_curve=((1.0, 1.0), (4.5, 8.0), (9.0, 0.5)),
    heard_curve=((1.0, 1.0), (4.5, 0.5), (9.0, 4.0)),
)


def test_rings_stand_on_the_thumbnail_and_the_place_that_was_looked_at():
    pictures = figures.Pictures(1.0, 4.0, (b"",) * 4, beats(2.0), beats(2.0), None, aspect=2.0)
    svgs = figures.looked_svgs(ATTENTION, pictures)
    assert [bool(svg) for svg in svgs] == [True, False, False, True]  # what is elsewhere or faint isn't drawn
    [ring] = drawing(svgs[3])
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == (150.0, 25.0)
    assert drawing(svgs[3]).get("viewBox") == "0 0 200.0 100"
    assert len(list(drawing(svgs[0]))) == 1


def test_the_curve_of_looking_is_highest_where_it_looked_most():
    pictures = figures.Pictures(1.0, 8.0, (), beats(2.0), beats(2.0), None)
    svg = drawing(figures.attention_svg(ATTENTION, pictures))

    def points(name: str) -> np.ndarray:
        tops = of_class(svg, name)[0].get("d", "").partition("L")[2].rpartition("L")[0]
        return np.array(tops.split(), float).reshape(-1, 2)

    seen, heard = points("motion"), points("sound")
    assert seen[seen[:, 1].argmin(), 0] / figures.WIDTH * 8 + 1 == pytest.approx(4.5, abs=0.1)
    assert seen[:, 1].min() == pytest.approx(0, abs=0.5)
    assert heard[heard[:, 1].argmax(), 0] == figures.WIDTH
    assert "nan" not in figures.attention_svg(Attention(), pictures)


def test_attention_is_told_in_words_and_so_is_that_there_is_none():
    words = figures.attention_words(ATTENTION)
    assert "looked most at 4.5 s, at the top on the right (9.0 times" in words
    assert "listened most at 4.2 s (4.0 times" in words
    assert "in the middle" in figures.attention_words(Attention(((1.0, 0.5, 0.5, 3.0),)))
    assert "everywhere alike" in figures.attention_words(Attention(((1.0, 0.5, 0.5, 1.9),), ((1.0, 1.2),)))


def test_belief_peaks_over_its_offset_and_late_is_on_the_left():
    posterior = Posterior((-0.4, -0.2, 0.0, 0.2, 0.4), (0.7, 0.1, 0.1, 0.05, 0.05))
    root = drawing(figures.posterior_svg(posterior, -0.4))
    corners = [corner.split(",") for corner in (of_class(root, "belief")[0].get("points") or "").split()]
    top_x = min(corners, key=lambda corner: float(corner[1]))[0]
    assert float(top_x) == pytest.approx(float(of_class(root, "chosen")[0].get("x1", "nan")))
    assert float(top_x) == min(float(x) for x, _ in corners)


def test_an_answer_from_elsewhere_than_the_belief_is_not_drawn_into_it():
    root = drawing(figures.posterior_svg(Posterior((-1.0, 0.0, 1.0), (0.2, 0.5, 0.3)), 7.5))
    assert of_class(root, "chosen") == []


@pytest.fixture(scope="module")
def knocks(tmp_path_factory) -> Path:
    """40 s, dull but for flashes at 27, 29 and 31 s, each with a click 0.4 s before it."""
    path = tmp_path_factory.mktemp("media") / "knocks.mov"
    rng = np.random.default_rng(1)
    wall = rng.integers(60, 120, (72, 128, 3), dtype=np.uint8)
    flashes_s = (27.0, 29.0, 31.0)
    sound = rng.normal(0, 0.002, 40 * RATE)
    for at_s in flashes_s:
        first = round((at_s - 0.4) * RATE)
        sound[first : first + 800] += rng.normal(0, 0.5, 800)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        picture.width, picture.height, picture.pix_fmt = 128, 72, "yuv420p"
        track = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        whole = (np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
        heard = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        heard.sample_rate, heard.pts = RATE, 0
        file.mux(track.encode(heard))
        for k in range(40 * FPS):
            frame = wall.copy()
            if any(at_s <= k / FPS < at_s + 0.2 for at_s in flashes_s):
                frame[20:50, 40:80] = 255
            file.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(picture.encode())
        file.mux(track.encode())
    return path


@pytest.fixture
def early(knocks) -> SyncFinding:
    address = Address((0, 0), "V1", 0, "knocks.mov", 0)
    picture = MediaSpan(address, "picture", str(knocks), knocks, 0.0, 40.0, 0.0, FPS)
    shot = Shot(picture, replace(picture, kind="sound"), "same media")
    return SyncFinding(shot, audio_early_s=0.4, confidence=0.9, method="network")


def peak_s(curve: np.ndarray) -> float:
    return (int(np.argmax(np.diff(curve))) + 1) / FPS


def test_the_telling_seconds_of_a_long_shot_are_drawn(early):
    (pictures,) = figures.gather([early]).values()
    assert pictures.start_s <= 26.6
    assert pictures.start_s + pictures.duration_s >= 31.2
    assert pictures.duration_s == figures.LONGEST_S
    assert len(pictures.motion) == len(pictures.sound) == round(figures.LONGEST_S * FPS)


def test_the_sound_is_drawn_early_as_it_is_and_under_its_flash_as_proposed(early):
    (pictures,) = figures.gather([early]).values()
    flashes = np.flatnonzero(pictures.motion > pictures.motion.max() / 2) / FPS + pictures.start_s
    assert np.abs(flashes - 27.0).min() < 2 / FPS
    window = slice(round((26.0 - pictures.start_s) * FPS), round((28.0 - pictures.start_s) * FPS))
    assert peak_s(pictures.sound[window]) + 26.0 == pytest.approx(26.6, abs=0.1)
    assert pictures.mended is not None
    assert peak_s(pictures.mended[window]) + 26.0 == pytest.approx(27.0, abs=0.1)


def test_thumbnails_are_jpegs_that_can_be_mailed(early):
    (pictures,) = figures.gather([early]).values()
    assert len(pictures.thumbnails) == figures.THUMBNAILS
    assert all(jpeg.startswith(b"\xff\xd8") and len(jpeg) < 20_000 for jpeg in pictures.thumbnails)


def test_what_is_out_of_step_is_shown_before_what_is_in_step(early):
    in_step = replace(early, audio_early_s=0.0)
    moved = replace(early, shot=replace(early.shot, paired_by="link group"))
    elsewhere = replace(moved, shot=Shot(replace(early.shot.lead, start_s=1.0), early.shot.sound, "overlap"))
    assert list(figures.gather([in_step, elsewhere], most=1)) == [elsewhere.id]


def test_media_that_has_gone_and_sound_without_picture_are_left_out(early):
    gone = replace(early.shot.lead, path=Path("/nowhere/gone.mov"))
    missing = replace(early, shot=Shot(gone, replace(gone, kind="sound"), "same media"))
    alone = replace(early, shot=Shot(None, early.shot.sound, "alone"))
    assert figures.gather([missing, alone]) == {}


def bar(start_s: float, end_s: float, row="heard", name="a dog barks", link="#shot-1") -> figures.Bar:
    return figures.Bar(start_s, end_s, row, name, link)


def rects(svg: str) -> list[tuple[float, float]]:
    """(left, right) of each bar as a share of the strip."""
    found = drawing(svg).iter("rect")
    edges = [(float(each.get("x", "nan")), float(each.get("width", "nan"))) for each in found]
    return [(x / figures.WIDTH, (x + width) / figures.WIDTH) for x, width in edges]


def test_a_caption_stands_on_the_time_line_where_it_is():
    (strip,) = figures.timeline_svgs([bar(3.0, 6.0), bar(15.0, 30.0, "seen")], str)
    placed = sorted(
        zip(rects(strip), (each.get("class") for each in drawing(strip).iter("rect")), strict=True)
    )
    assert [kind for _, kind in placed] == ["heard", "seen"]
    assert placed[0][0] == pytest.approx((0.1, 0.2), abs=1e-3)
    assert placed[1][0] == pytest.approx((0.5, 1.0), abs=1e-3)


def test_a_short_film_fills_its_strip():
    (strip,) = figures.timeline_svgs([bar(0.0, 2.0), bar(8.0, 9.5)], str)
    assert rects(strip) == [pytest.approx((0.0, 0.2), abs=1e-3), pytest.approx((0.8, 0.95), abs=1e-3)]


def test_a_scene_does_not_hide_the_events_in_it():
    bars = [bar(0.0, 30.0), bar(2.0, 4.0), bar(5.0, 7.0), bar(6.0, 8.0, "seen")]
    (strip,) = figures.timeline_svgs(bars, str)
    tops = [float(each.get("y", "nan")) for each in drawing(strip).iter("rect")]
    assert tops[2] == tops[3] > tops[1] > tops[0]  # seen, the scene, and its two events side by side


def test_a_long_film_has_strips_one_under_the_other_and_a_bar_may_go_on_in_the_next():
    strips = figures.timeline_svgs([bar(10.0, 20.0), bar(900.0, 1300.0), bar(7000.0, 7010.0)], str)
    assert 1 < len(strips) <= figures.MOST_STRIPS
    assert sum(len(rects(strip)) for strip in strips) >= 4
    assert all(0 <= left < right <= 1.01 for strip in strips for left, right in rects(strip))


def test_no_captions_make_no_time_line():
    assert figures.timeline_svgs([], str) == []


def test_a_name_is_never_markup():
    (strip,) = figures.timeline_svgs([bar(0.0, 30.0, name="<script>&</script>", link='#"')], str)
    assert "<script" not in strip
    assert drawing(strip) is not None


def test_a_still_is_the_picture_in_the_middle_of_its_event(tmp_path):
    path = tmp_path / "film.mp4"
    film(path, seconds=12)
    span = MediaSpan(Address((0, 0), "V1", 0, "film", 0), "picture", str(path), path, 2.0, 8.0, 10.0, 25.0)
    shot = Shot(span, None, "alone")
    found = CaptionFinding(shot, 11.0, 15.0, 3.0, "x", "x", "event", "seen", 0.5)
    unseen = CaptionFinding(Shot(None, span, "alone"), 11.0, 15.0, 3.0, "y", "y", "event", "heard", 0.5)
    gone = replace(span, path=tmp_path / "gone.mp4")
    lost = replace(found, shot=Shot(gone, None, "alone"))
    shown = figures.stills([found, unseen, lost])
    assert list(shown) == [found.id]
    with av.open(io.BytesIO(shown[found.id])) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture_s(picture) == pytest.approx(5.0, abs=1 / FPS)  # 13 s of the timeline


def test_each_take_is_drawn_below_the_movements_it_is_for(early, tmp_path):
    picture = early.shot.picture
    for number, at_s in enumerate((1.0, 3.0)):
        click(tmp_path / f"{number}.wav", at_s, 4.0)
    made = tuple(
        Take(tmp_path / f"{number}.wav", number, 4.0, "generated", loudness_lufs=-23.0, true_peak_dbtp=-3.0)
        for number in range(2)
    )
    shot = Shot(picture, None, "alone")
    start_s = picture.record_start_s + 2.0
    finding = FoleyFinding(
        shot, start_s, start_s + 4.0, picture.start_s + 2.0, "knock", "generated", made, 0.9
    )
    drawn = figures.takes([finding])[finding.id]
    assert [peak_s(each.sound) for each in drawn] == pytest.approx([1.0, 3.0], abs=1.5 / FPS)
    assert (drawn[0].start_s, drawn[0].duration_s, len(drawn[0].thumbnails)) == (2.0, 4.0, 8)
    assert len(drawn[0].motion) == pytest.approx(4 * FPS, abs=1)
    lost = replace(shot, picture=replace(picture, path=tmp_path / "gone.mov"))
    (drawn,) = figures.takes([replace(finding, shot=lost)]).values()
    assert (drawn[0].thumbnails, peak_s(drawn[0].sound)) == ((), pytest.approx(1.0, abs=1.5 / FPS))
    assert figures.takes([replace(finding, takes=(replace(made[0], path=tmp_path / "gone.wav"),))]) == {}


def click(path: Path, at_s: float, length_s: float) -> None:
    samples = np.zeros(round(length_s * 48000), np.int16)
    samples[round(at_s * 48000) : round((at_s + 0.02) * 48000)] = 20000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
