"""Sets of foley: where their files lie, what is read of them, and what is refused."""

from __future__ import annotations

import pickle
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

from models import pickled  # noqa: E402
from models.foley import data, prepare  # noqa: E402
from models.foley.data import DataError, Size, read_clips  # noqa: E402
from tests.material import film, sound_s  # noqa: E402
from tests.parity import entry_of  # noqa: E402

RGB, FLOW = data.FEATURES["bninception"]
SMALL = Size(frames=20, crop=17, rows=9, rows_crop=6)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(pickle.dumps(array))


def counted(rows: int, columns: int) -> np.ndarray:
    """Row k is k."""
    return np.repeat(np.arange(rows, dtype=np.float32)[:, None], columns, 1)


@pytest.fixture
def vas(tmp_path: Path) -> Path:
    for kind in ("dog", "baby"):
        for name in ("video_00001", "video_00002"):
            place = tmp_path / "vas" / "features" / kind
            write(place / data.MELS / f"{name}_mel.npy", counted(20, 80).T / 20)
            write(place / RGB / f"{name}.pkl", counted(9, 3))
            write(place / FLOW / f"{name}.npy", counted(9, 2) + 100)
    (tmp_path / "vas_train.txt").write_text("dog/video_00001\nbaby/video_00001\n")
    return tmp_path


@pytest.fixture
def vggsound(tmp_path: Path) -> Path:
    table = [
        ("-1pRmoJIGQc", "dog barking", "train"),
        ("3HgbEKrbA9s", "playing cello", "train"),
        ("53UdZyM9MyE", "playing cello", "train"),
        ("7tMPoaU2oL4", "playing cello", "test"),
    ]
    lines = [f'{video},10,"{sound}",{part}\n' for video, sound, part in table]
    (tmp_path / "vggsound.csv").write_text("".join(lines))
    for video, *_ in table:
        # VGGSound's spectrograms are stored in 64 bits.
        write(tmp_path / "vggsound" / data.MELS / f"{video}_10000_20000_mel.npy", np.full((80, 20), 0.25))
        write(
            tmp_path / "vggsound" / data.FEATURES["resnet50"][0] / f"{video}_10000_20000.pkl", counted(7, 4)
        )
    return tmp_path


def test_vas_is_read_as_it_lies(vas):
    clips = read_clips(vas, "vas", "train", extractor="bninception", size=SMALL)
    assert clips.classes == ("baby", "dog")
    assert clips.targets([0, 1]).tolist() == [1, 0]
    mels = clips.mels([0, 1])
    assert mels.shape == (2, 1, 80, 17)
    # 17 of 20 in the middle begin with the second.
    assert mels[0, 0, 0, 0] == pytest.approx(1 / 20)


def test_pictures_and_flow_are_rows_side_by_side(vas):
    clips = read_clips(vas, "vas", "train", extractor="bninception", size=SMALL)
    assert clips.width() == 5
    features = clips.features([1], 3, width=5)
    assert features.shape == (1, 5, 3)
    # Six of nine in the middle are 1 to 6; of these three, each one later than its share begins.
    assert features[0, :, 0].tolist() == [2, 2, 2, 102, 102]
    assert features[0, 0].tolist() == [2, 4, 6]


def test_vggsound_is_read_as_it_lies_and_its_lists_are_made(vggsound):
    written = data.write_lists(vggsound, "vggsound")
    assert [path.name for path in written] == [f"vggsound_{part}.txt" for part in ("train", "valid", "test")]
    names = {path.stem.removeprefix("vggsound_"): path.read_text().split() for path in written}
    assert names["test"] == ["7tMPoaU2oL4_10000_20000"]
    # As many of each class are held out of training as are in the test.
    assert len(names["valid"]) == 1
    assert names["valid"][0][:11] in ("3HgbEKrbA9s", "53UdZyM9MyE")
    assert len(names["train"]) == 2
    assert data.write_lists(vggsound, "vggsound") == []

    clips = read_clips(vggsound, "vggsound", "train", extractor="resnet50", size=SMALL)
    assert clips.classes == ("dog barking", "playing cello")
    assert clips.mels([0]).dtype == torch.float32
    # Two rows are lacking at the end; of the middle six the last is one of them.
    assert clips.features([0], 6, width=4)[0, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert clips._rows(clips.clips[0]).shape == (6, 4)


def test_what_a_short_clip_lacks_is_zero(vggsound):
    data.write_lists(vggsound, "vggsound")
    clips = read_clips(
        vggsound,
        "vggsound",
        "train",
        extractor="resnet50",
        size=Size(frames=20, crop=17, rows=12, rows_crop=12),
    )
    assert clips.features([0], 12, width=4)[0, 0].tolist() == [*range(7), 0, 0, 0, 0, 0]


def test_no_features_are_noise_that_is_another_at_every_step(vas):
    clips = read_clips(vas, "vas", "train", size=SMALL)
    here, there = (clips.features([0, 1], 1, width=8, seed=(3, step)) for step in (5, 6))
    assert torch.equal(here, clips.features([0, 1], 1, width=8, seed=(3, 5)))
    assert not torch.equal(here, there)
    assert not torch.equal(here[0], here[1])
    assert 0 <= here.min() < here.max() < 1


def test_vas_lists_hold_out_the_last_clips_of_each_class(tmp_path):
    for kind, count in (("dog", 130), ("gun", 67)):
        for number in range(count):
            write(
                tmp_path / "vas" / "features" / kind / data.MELS / f"video_{number:05d}_mel.npy", np.zeros(1)
            )
    data.write_lists(tmp_path, "vas")
    learnt, held_out = ((tmp_path / f"vas_{part}.txt").read_text().split() for part in ("train", "valid"))
    assert learnt == [*(f"dog/video_{n:05d}" for n in range(2)), *(f"gun/video_{n:05d}" for n in range(3))]
    assert len(held_out) == 128 + 64


@pytest.mark.parametrize("count", [1, 5, 53, 106, 212])
def test_rows_are_chosen_as_published(shared, count):
    wanted = entry_of(shared, "specvqgan_resample_frames").arrays("out.")
    assert data.evenly(212, count).tolist() == wanted[f"idx_{count}_1"].tolist()
    with pytest.raises(DataError, match="213 of 212"):
        data.evenly(212, 213)


def test_statistics_are_means_over_clips(vas):
    clips = read_clips(vas, "vas", "train", size=SMALL)
    found = data.statistics(clips)
    whole = np.arange(20) / 20
    np.testing.assert_allclose(found, np.tile([whole.mean(), whole.std()], (80, 1)), atol=1e-6)
    path = vas / "means_stds.txt"
    np.savetxt(path, found)
    np.testing.assert_allclose(data.read_statistics(path), found)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda root: (root / "vas_train.txt").unlink(), r"vas_train\.txt: can't be read"),
        (lambda root: (root / "vas_train.txt").write_text("\n"), "no clips"),
        (lambda root: (root / "vas_train.txt").write_text("dog\n"), "CLASS/NAME, not dog"),
        (
            lambda root: write(
                root / "vas" / "features" / "dog" / data.MELS / "video_00001_mel.npy", np.zeros((80, 16))
            ),
            "17 columns was wanted",
        ),
        (
            lambda root: (root / "vas" / "features" / "dog" / data.MELS / "video_00001_mel.npy").write_bytes(
                b"no"
            ),
            "can't be read",
        ),
    ],
    ids=["no list", "empty list", "no class", "too short", "no array"],
)
def test_what_cannot_be_used_is_named(vas, break_it, says):
    break_it(vas)
    with pytest.raises(DataError, match=says):
        read_clips(vas, "vas", "train", size=SMALL).mels([0])


def test_features_of_another_width_are_refused(vas):
    clips = read_clips(vas, "vas", "train", extractor="bninception", size=SMALL)
    with pytest.raises(DataError, match="rows of 4 numbers were wanted, not of 5"):
        clips.features([0], 1, width=4)
    with pytest.raises(DataError, match="there are resnet50, bninception"):
        read_clips(vas, "vas", "train", extractor="vgg", size=SMALL)


# Pickles


def python_2(array: np.ndarray) -> bytes:
    """A pickle as Python 2 wrote them: its bytes are text to Python 3."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    shape = b"(" + b"".join(map(number, array.shape)) + b"t"
    kind = array.dtype.str[1:].encode()
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + b"("
        + number(0)
        + b"t"
        + text(b"b")
        + b"\x87R("
        + number(1)
        + shape
        + b"cnumpy\ndtype\n"
        + text(kind)
        + number(0)
        + number(1)
        + b"\x87R("
        + number(3)
        + text(b"<")
        + b"NNN"
        + number(-1)
        + number(-1)
        + number(0)
        + b"tb\x89"
        + text(array.tobytes())
        + b"tb."
    )


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", ["<f4", "<f8", ">i2"])
def test_pickled_arrays_come_out_as_they_went_in(tmp_path, protocol, kind):
    array = np.arange(6).reshape(2, 3).astype(kind)
    path = tmp_path / "rows.pkl"
    path.write_bytes(pickle.dumps(array, protocol))
    found = pickled.read_array(path)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, array)


def test_arrays_of_python_2_come_out_as_they_went_in(tmp_path):
    array = np.linspace(-3, 3, 8, dtype=np.float32).reshape(4, 2)
    path = tmp_path / "rows.pkl"
    path.write_bytes(python_2(array))
    # Is it a pickle as numpy itself reads them?
    np.testing.assert_array_equal(pickle.loads(path.read_bytes(), encoding="latin1"), array)
    np.testing.assert_array_equal(pickled.read_array(path), array)


class Calls:
    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (Calls(), "isn't an array: refused"),
        (np.array([Calls()], dtype=object), "refused"),
        ([1, 2], "there is list"),
    ],
    ids=["a call", "a call in an array", "no array"],
)
def test_nothing_but_arrays_is_built(tmp_path, monkeypatch, held, says):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.pkl"
    path.write_bytes(pickle.dumps(held, 2))
    with pytest.raises(pickled.ArrayError, match=says):
        pickled.read_array(path)
    assert not (tmp_path / "pwned").exists()


# Clips


class Brightness(torch.nn.Module):
    """What it says of pictures (n, 3, 224, 224): how bright each corner is."""

    def forward(self, pictures):
        return pictures[:, :2, ::223, ::223].flatten(1)


def test_clips_become_spectrograms_sounds_and_rows(tmp_path):
    clip = film(tmp_path / "video_00001.mp4", seconds=4, size=(320, 320), layout="stereo")
    prepare.prepare(clip, tmp_path / "dog", Brightness())
    place = tmp_path / "dog"
    with wave.open(str(place / data.SOUNDS / "video_00001.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 22050, 220500)
        samples = np.frombuffer(file.readframes(220500), "<i2") / 32768
    assert sound_s(samples[22050 : 3 * 22050], rate=22050) == pytest.approx(1, abs=1e-3)
    assert not samples[22050 * 5 :].any()
    mel = np.load(place / data.MELS / "video_00001_mel.npy")
    assert (mel.shape, mel.dtype) == ((80, 860), np.float32)
    assert mel[:, :300].mean() > 0.3
    assert not mel[:, 400:].any()
    rows = np.load(place / data.FEATURES["resnet50"][0] / "video_00001.npy")
    # Four seconds are 86 pictures, over and over.
    assert rows.shape == (215, 8)
    np.testing.assert_array_equal(rows[86:172], rows[:86])
    assert len(np.unique(rows[:86], axis=0)) > 1
    made = {path: path.stat().st_mtime_ns for path in place.rglob("*.*")}
    prepare.prepare(clip, place, Brightness())
    assert made == {path: path.stat().st_mtime_ns for path in place.rglob("*.*")}


def test_a_clip_that_cannot_be_decoded_is_named_and_left_out(tmp_path):
    videos = tmp_path / "vas" / "videos" / "dog"
    videos.mkdir(parents=True)
    film(videos / "good.mp4", seconds=1)
    (videos / "bad.mp4").write_bytes(b"nothing")
    ran = CliRunner().invoke(prepare.main, ["vas", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "1 of 2 clips" in ran.output
    assert "bad.mp4" in ran.output
    assert (tmp_path / "vas_valid.txt").read_text() == "dog/good\n"
    lost = CliRunner().invoke(prepare.main, ["vggsound", str(tmp_path)])
    assert lost.exit_code == 1
    assert "no clips" in lost.output
