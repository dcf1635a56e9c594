"""Tables, rows and batches of the training set."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from models import training
from models.captions import data
from models.captions.data import Captioned, DataError, Features, Line, Material
from models.captions.text import END, PAD, START, Vocabulary


class Held:
    """Rows that are known: row k of every stream is k."""

    widths = {"audio": 3, "video": 2}  # noqa: RUF012

    def rows(self, video, stream):
        count = {"audio": 10, "video": 5}[stream]
        return np.repeat(np.arange(count, dtype=np.float32)[:, None], self.widths[stream], 1)


TABLE = [
    Captioned("v", "a dog barks", 0.0, 10.0, 20.0),
    Captioned("v", "a cat", 16.0, 20.0, 20.0),
    Captioned("w", "a dog", 5.0, 6.0, 20.0),
]


def material(**others) -> Material:
    vocabulary = Vocabulary.of([each.caption for each in TABLE])
    return Material(TABLE, Held(), ("audio", "video"), vocabulary, **others)


def test_captions_are_read_with_their_quotes_and_cleaned(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(
        'video_id\tcaption\tstart\tend\tduration\tphase\tidx\nv_1\t"He says ""go"".\t0.5\t2\t9.25\ttrain\t0\n'
    )
    assert data.read_captions(path) == [Captioned("v_1", '"He says ""go""', 0.5, 2.0, 9.25)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id\tcaption\tstart\tend\n", "no column duration"),
        ("video_id\tcaption\tstart\tend\tduration\nv\ta\t0\tsoon\t9\n", "line 2"),
        ("video_id\tcaption\tstart\tend\tduration\n", "no captions"),
    ],
)
def test_a_table_that_cant_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as raised:
        data.read_captions(path)
    assert "odd.csv" in str(raised.value)


def test_a_line_of_speech_ends_where_the_next_begins(tmp_path):
    path = tmp_path / "speech.csv"
    path.write_text("video_id\tsub\tstart\tend\nv\tsecond line\t3\t9\nv\tfirst line\t0\t5\nw\tother\t1\t2\n")
    said = data.read_speech(path)
    assert said == {
        "v": [Line("first line", 0.0, 3.0), Line("second line", 3.0, 9.0)],
        "w": [Line("other", 1.0, 2.0)],
    }
    assert data.said_within(said["v"], 2, 3) == "first line"
    assert data.said_within(said["v"], 2, 4) == "first line second line"
    assert data.said_within(said["v"], 9, 12) == ""


def test_a_segment_takes_its_share_of_the_rows_and_the_rest_is_padding():
    batch = material().batch([0, 1])
    # 0 to 10 of 20 s are rows 0 to 4 of 10; 16 to 20 s are rows 8 and 9.
    assert batch.streams["audio"][:, :, 0].tolist() == [[0, 1, 2, 3, 4], [8, 9, 1, 1, 1]]
    assert batch.streams["video"].shape == (2, 2, 2)
    assert batch.streams["video"][1, :, 0].tolist() == [4, data.PAD_VALUE]


def test_sentences_run_from_start_to_end_and_the_rest_is_padding():
    held = material()
    captions = held.batch([0, 1]).captions
    assert captions[0].tolist() == held.vocabulary.encode("a dog barks")
    assert captions[1].tolist() == [
        START,
        held.vocabulary.numbers["a"],
        held.vocabulary.numbers["cat"],
        END,
        PAD,
    ]
    assert held.predicted([0, 1]) == int((captions[:, 1:] != PAD).sum()) == 7


def test_mdvc_takes_as_much_sound_as_picture():
    batch = material(aligned=True).batch([0])
    assert {rows.shape[1] for rows in batch.streams.values()} == {2}


def test_whole_videos_are_padded_or_cut_to_a_length_with_their_events():
    batch = material().whole([0, 1], {"audio": 12, "video": 4})
    assert batch.streams["audio"].shape == (2, 12, 3)
    assert batch.streams["audio"][0, 10:].unique().tolist() == [data.PAD_VALUE]
    assert batch.streams["video"][0, :, 0].tolist() == [0, 1, 2, 3]
    assert batch.targets.tolist() == [[0, 5, 10], [0, 18, 4], [1, 5.5, 1]]
    assert batch.durations_s.tolist() == [20, 20]


def test_speech_is_a_third_stream_of_tokens():
    words = Vocabulary.of(["woof woof says it"])
    held = material()
    batch = data.replace(
        held,
        streams=("audio", "video", "speech"),
        speech={"v": [Line("woof", 0, 5), Line("says it", 15, 20)]},
        speech_vocabulary=words,
    ).batch([0, 2])
    assert batch.streams["speech"].tolist() == [[START, words.numbers["woof"], END], [START, END, PAD]]


def test_an_epoch_takes_every_item_once_and_the_next_in_another_order():
    steps = training.steps_an_epoch(10, 4)
    epochs = [
        [item for step in range(steps) for item in training.drawn(10, 4, step + at, 0)] for at in (0, steps)
    ]
    assert steps == 3
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]
    assert training.drawn(10, 4, 4, 0) == training.drawn(10, 4, 4, 0) != training.drawn(10, 4, 4, 1)


def files(folder, name="v"):
    rng = np.random.default_rng(0)
    for end, width in (("rgb", 6), ("flow", 6), ("vggish", 4)):
        np.save(folder / f"{name}_{end}.npy", rng.random((5, width), np.float32))
    return Features({"video": folder, "audio": folder}, {"video": 6, "audio": 4})


def test_video_rows_are_picture_and_flow_added(tmp_path):
    held = files(tmp_path)
    rgb, flow = (np.load(tmp_path / f"v_{end}.npy") for end in ("rgb", "flow"))
    np.testing.assert_array_equal(held.rows("v", "video"), rgb + flow)
    np.testing.assert_array_equal(data.replace(held, flow=False).rows("v", "video"), rgb)
    np.testing.assert_array_equal(held.rows("v", "audio"), np.load(tmp_path / "v_vggish.npy"))


def test_what_is_missing_is_a_row_of_zeros_or_of_noise(tmp_path):
    held = files(tmp_path)
    assert held.rows("w", "video").tolist() == [[0] * 6]
    noisy = data.replace(held, missing="random")
    assert noisy.rows("w", "video").shape == (1, 6)
    np.testing.assert_array_equal(noisy.rows("w", "video"), noisy.rows("w", "video"))
    assert (noisy.rows("w", "video") != noisy.rows("x", "video")).all()


def test_random_features_are_as_long_as_the_real_ones(tmp_path):
    held = files(tmp_path)
    noise = data.replace(held, noise=True).rows("v", "audio")
    assert noise.shape == (5, 4)
    assert (noise != held.rows("v", "audio")).all()


def test_rows_of_another_width_are_refused_with_both_numbers(tmp_path):
    held = data.replace(files(tmp_path), widths={"video": 7, "audio": 4})
    with pytest.raises(DataError, match=r"v_rgb\.npy.*7.*\(5, 6\)"):
        held.rows("v", "video")
    assert data.width_of(tmp_path, "video") == 6
    with pytest.raises(DataError, match="no features"):
        data.width_of(tmp_path / "nowhere", "video")


def test_the_sample_of_published_features_is_read(shared):
    folder = shared / "media" / "bmt_sample"
    names = sorted(path.name.removesuffix("_rgb.npy") for path in folder.glob("*_rgb.npy"))
    if not names:
        pytest.skip(f"no features in {folder}")
    widths = {stream: data.width_of(folder, stream) for stream in ("audio", "video")}
    held = Features({"audio": folder, "video": folder}, widths)
    for name in names:
        assert held.rows(name, "video").shape[1] == np.load(folder / f"{name}_rgb.npy").shape[1]
        # One row is VGGish's 0.96 s and the other I3D's 2.56 s.
        ratio = len(held.rows(name, "audio")) / len(held.rows(name, "video"))
        assert ratio == pytest.approx(2.56 / 0.96, rel=0.1)
