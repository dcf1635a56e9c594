"""Rows of features: the same whatever pieces the media comes in, where it is, and flat in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import features, signals
from otio_avassist.errors import BundleError, MediaError
from otio_avassist.features import PLAIN, Extraction, Rows, Stream, chapter_ends, chapters
from otio_avassist.windows import Window

RATE = features.SOUND_RATE
YAMNET = Stream("yamnet", 0.48, 0.96, 96 * 64, "logits")
VGGISH = Stream("vggish", 0.96, 0.96, 96 * 64, "embedding")
LITE = Stream("efficientnet-lite0", 0.5, 0.5, 3, "logits")
I3D = Stream("i3d", 2.56, 2.56, 3, "embedding")


def flat(log_mel: np.ndarray) -> dict[str, np.ndarray]:
    """A graph that gives back what it was asked."""
    return {"logits": log_mel.reshape(len(log_mel), -1), "embedding": log_mel.reshape(len(log_mel), -1)}


def mean(frames: np.ndarray) -> dict[str, np.ndarray]:
    """A graph that gives the mean of each colour."""
    colours = frames.mean(axis=tuple(range(2, frames.ndim)))
    return {"logits": colours, "embedding": colours}


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=round(seconds * RATE)).astype(np.float32)


def grey(count: int, side: int = 224) -> np.ndarray:
    """Pictures that say their own number: uint8 (T, side, side + 16, 3)."""
    return np.full((count, side, side + 16, 3), np.arange(count, dtype=np.uint8)[:, None, None, None])


def in_pieces(stream: Stream, ask, units: np.ndarray, sizes: Iterator[int]) -> np.ndarray:
    running = Extraction(stream, ask)
    at = 0
    while at < len(units):
        size = next(sizes)
        running.see(units[at : at + size])
        at += size
    running.end()
    return running.rows.values


def uneven(seed: int, most: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(1, most))


@pytest.mark.parametrize(
    ("stream", "ask"),
    [
        (YAMNET, flat),
        (VGGISH, flat),
        (PLAIN["log-mel"], None),
        (PLAIN["loudness"], None),
        (PLAIN["samples"], None),
    ],
    ids=lambda value: getattr(value, "extractor", ""),
)
def test_rows_of_sound_are_the_same_in_any_pieces(stream: Stream, ask) -> None:
    samples = noise(70.33)
    once = in_pieces(stream, ask, samples, iter([len(samples)]))
    for seed in range(3):
        pieces = in_pieces(stream, ask, samples, uneven(seed, 40_000))
        assert pieces.shape == once.shape
        assert np.abs(pieces - once).max() < 1e-5


def test_vggish_is_asked_about_the_examples_of_its_own_spectrogram() -> None:
    samples = noise(9.7)
    rows = in_pieces(VGGISH, flat, samples, uneven(0, 9000))
    assert rows == pytest.approx(signals.vggish_log_mel(samples).reshape(10, -1), abs=1e-5)


def test_yamnet_is_asked_about_patches_that_overlap_by_half() -> None:
    samples = noise(3.2)
    rows = in_pieces(YAMNET, flat, samples, uneven(0, 9000)).reshape(-1, 96, 64)
    log_mel = signals.yamnet_log_mel(samples)
    assert len(rows) == 6  # 0, 0.48 … 1.92 are whole, and one at 2.4 is filled up with silence
    for number in range(5):
        assert rows[number] == pytest.approx(log_mel[48 * number : 48 * number + 96], abs=1e-5)
    assert rows[5, -1] == pytest.approx(np.full(64, np.log(0.001)), abs=1e-5)


@pytest.mark.parametrize(("stream", "ask"), [(YAMNET, flat), (VGGISH, flat), (PLAIN["log-mel"], None)])
def test_sound_too_short_for_a_window_still_gives_a_row(stream: Stream, ask) -> None:
    assert len(in_pieces(stream, ask, noise(0.02), iter([320]))) == 1
    assert len(in_pieces(stream, ask, noise(0), iter([]))) == 0


@pytest.mark.parametrize(("pictures", "rows"), [(1, 1), (64, 1), (64 + 12, 1), (64 + 13, 2), (128, 2)])
def test_the_last_stack_is_played_again_where_it_is_a_fifth_or_the_only_one(pictures: int, rows: int) -> None:
    found = in_pieces(I3D, mean, grey(pictures, 256), uneven(0, 30))
    assert len(found) == rows
    left = np.resize(np.arange(64 * (rows - 1), pictures), 64)
    assert found[-1] == pytest.approx(2 * left.mean() / 255 - 1, abs=1e-5)


def test_a_picture_is_a_row_of_what_the_eye_network_says_of_its_middle() -> None:
    found = in_pieces(LITE, mean, grey(21), uneven(0, 6))
    assert found[:, 0] == pytest.approx((np.arange(21) - 127) / 128, abs=1e-5)
    [one] = features.efficientnet_floats(np.arange(225 * 300 * 3, dtype=np.uint32).reshape(1, 225, 300, 3))
    assert one.shape == (3, 224, 224)


def test_an_output_of_another_width_is_refused_with_both_numbers() -> None:
    with pytest.raises(BundleError, match=r"521.*6144"):
        in_pieces(Stream("yamnet", 0.48, 0.96, 521, "logits"), flat, noise(2), uneven(0, 9000))
    with pytest.raises(BundleError, match="wanted words"):
        in_pieces(Stream("yamnet", 0.48, 0.96, 521, "words"), flat, noise(2), uneven(0, 9000))


def test_outputs_stand_side_by_side() -> None:
    both = Stream("efficientnet-lite0", 0.5, 0.5, 6, "logits+embedding")
    assert in_pieces(both, mean, grey(3), uneven(0, 6)).shape == (3, 6)


def test_crops_are_counted_as_the_published_networks_count_them() -> None:
    rows = Rows(np.arange(36, dtype=np.float32)[:, None], 0.0, 0.96, 0.96)
    for from_s, to_s in [(0.0, 34.56), (3.2, 12.9), (7.7, 7.8), (33.0, 40.0)]:
        first, end = int(36 * from_s / 34.56), int(36 * to_s / 34.56)
        wanted = list(range(first, min(36, max(first + 1, end))))
        assert rows.crop(from_s, to_s).ravel().tolist() == wanted
    assert rows.crop(99.0, 101.0).ravel().tolist() == [35]


def test_nothing_to_crop_is_one_row_of_zeros() -> None:
    assert (Rows(np.zeros((0, 5), np.float32), 0.0, 1.0, 1.0).crop(0, 9) == np.zeros((1, 5))).all()


def test_chapters_overlap_and_cover_a_stretch() -> None:
    assert chapter_ends(5, 60, 120, 20) == [(5, 60)]
    ends = chapter_ends(5, 305, 120, 20)
    assert ends == [(5, 125), (105, 225), (185, 305)]


def media(seconds: float, *, pictures: bool = True, sound: bool = True) -> Iterator[Window]:
    """Blocks of a second; picture k says k modulo 256, sample n of second s is s / 1000."""
    for second in range(round(seconds)):
        if pictures:
            numbers = np.arange(2 * second, 2 * second + 2) % 256
            frames = np.broadcast_to(numbers.astype(np.uint8)[:, None, None, None], (2, 224, 240, 3))
            yield Window(float(second), frames=frames, samples=None)
        if sound:
            samples = np.full(RATE, second / 1000, np.float32)
            yield Window(float(second), frames=None, samples=samples)


STREAMS = {"video": LITE, "loudness": PLAIN["loudness"], "brightness": PLAIN["brightness"]}


def test_chapters_hold_the_rows_of_their_own_stretch() -> None:
    ends = chapter_ends(100.0, 400.0, 120, 20)
    found = list(chapters(media(300), STREAMS, {"video": mean}, ends))
    assert [(each.start_s, each.end_s) for each in found] == ends
    assert [(each.answers_from_s, each.answers_to_s) for each in found] == [
        (100, 210),
        (210, 300),
        (300, 400),
    ]
    for each in found:
        video, loud = each.rows["video"], each.rows["loudness"]
        assert video.start_s == each.start_s
        assert len(video.values) == 240
        assert video.values[0, 0] == pytest.approx((2 * (each.start_s - 100) % 256 - 127) / 128, abs=1e-5)
        assert loud.values[:, 0] == pytest.approx(
            np.repeat(np.arange(each.start_s - 100, each.end_s - 100), 10) / 1000, abs=1e-5
        )


def test_what_breaks_off_is_given_with_the_reason() -> None:
    def broken() -> Iterator[Window]:
        yield from media(7)
        raise MediaError("film.mp4: there is none after 7 s")

    [only] = chapters(broken(), STREAMS, {"video": mean}, [(0.0, 60.0)])
    assert "after 7 s" in only.problem
    assert len(only.rows["video"].values) == 14


def test_a_stream_that_is_not_there_has_no_rows() -> None:
    [only] = chapters(media(5, pictures=False), STREAMS, {"video": mean}, [(0.0, 5.0)])
    assert only.rows["video"].values.shape == (0, 3)
    assert len(only.rows["loudness"].values) == 50


def test_memory_does_not_grow_over_three_hours() -> None:
    resource = pytest.importorskip("resource")
    hours = 3
    ends = chapter_ends(0.0, 3600.0 * hours, 120, 20)
    streams = {"video": LITE, "audio": PLAIN["loudness"], "brightness": PLAIN["brightness"]}
    peaks = []
    tiny = {"video": lambda frames: {"logits": np.zeros((len(frames), 3), np.float32)}}
    for number, each in enumerate(chapters(media(3600.0 * hours), streams, tiny, ends)):
        assert len(each.rows["video"].values) == 240
        if number in (5, len(ends) - 1):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert number == len(ends) - 1
    assert peaks[1] < peaks[0] + 4000, "kilobytes"


def test_streams_that_share_no_grid_of_pictures_are_refused() -> None:
    assert features.picture_grid({"a": LITE, "b": Stream("brightness", 0.25, 0.25, 1)}) == (4.0, 224)
    with pytest.raises(BundleError, match="share a grid"):
        features.picture_grid({"a": LITE, "b": Stream("brightness", 0.3, 0.3, 1)})


@pytest.mark.parametrize(
    "data",
    [
        {},
        None,
        {"extractor": "c3d", "step_s": 1, "length_s": 1, "width": 9},
        {"extractor": "yamnet", "step_s": 0, "length_s": 1, "width": 9},
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(data: object) -> None:
    with pytest.raises(BundleError, match="net: audio"):
        Stream.from_card(data, "net: audio")


def test_flow_beside_the_media_is_added_where_it_is(tmp_path: Path) -> None:
    path = features.flow_file(tmp_path / "film.mp4")
    assert path.name == "film_flow.npy"
    np.save(path, np.full((6, 2), [[1.0, 2.0]]))
    rows = Rows(np.zeros((4, 2), np.float32), 4 * 2.56, 2.56, 2.56)
    summed = features.add_flow(rows, features.read_rows(path, 2, "flow features"))
    assert summed.values.tolist() == [[1, 2], [1, 2], [0, 0], [0, 0]]
    with pytest.raises(MediaError, match="1024"):
        features.read_rows(path, 1024, "flow features")
    path.write_bytes(b"no array")
    with pytest.raises(MediaError, match="film_flow"):
        features.read_rows(path, 2, "flow features")


def test_resnet_sees_the_middle_of_each_picture_as_imagenet_wants_it() -> None:
    seen: list[np.ndarray] = []

    def ask(frames: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(frames)
        return {"features": frames[:, :, 0, 0]}

    stream = Stream("resnet50", 0.5, 0.5, 3, output="features")
    assert features.picture_grid({"eyes": stream}) == (2.0, 256)
    frames = np.zeros((3, 256, 340, 3), np.uint8)
    frames[:, 16:, 58:] = (124, 116, 104)  # ImageNet's mean, from the corner of the middle on
    running = Extraction(stream, ask, 1.0)
    running.see(frames)
    running.end()
    assert seen[0].shape == (3, 3, 224, 224)
    np.testing.assert_allclose(running.rows.values, 0, atol=0.02)
    assert running.rows.start_s == 1.0


def test_rows_of_a_file_are_an_extractor_only_for_who_has_it() -> None:
    data = {"extractor": features.FILE, "step_s": 0.5, "length_s": 0.5, "width": 3}
    assert Stream.from_card(data, "net", (features.FILE,)).extractor == features.FILE
    with pytest.raises(BundleError, match="no such extractor: file"):
        Stream.from_card(data, "net")
