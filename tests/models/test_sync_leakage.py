"""The leak probe: it finds a trace that is there, none that isn't, and mixes up no sources."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from models.sync import leakage, leakage_data  # noqa: E402
from models.sync.leakage import CLASSES, Crops, Settings, StartTime  # noqa: E402
from models.sync.leakage_data import Material  # noqa: E402
from models.training import SettingsError  # noqa: E402
from tests.material import film  # noqa: E402

SMALL = Settings(
    steps=60, batch=16, lr=4e-3, precision="full", test_starts=5, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1)
)
SIDE = 8


def flicker(seed: int, *, tells: bool) -> np.ndarray:
    """Pictures of noise; where it tells, every 25th is dark, so that two starts in 50 look alike."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(60, 200, (70, SIDE, SIDE), np.uint8)
    if tells:
        frames[::25] //= 4
    return frames


def material(count: int, *, tells: bool) -> Material:
    return Material("picture", 10, tuple(flicker(seed, tells=tells) for seed in range(count)))


def test_the_published_network_is_a_resnet_18():
    network = StartTime("sound")
    # torchvision's ResNet-18 with one channel in and 50 classes: 11,689,512 - 6,272 - 513,000 + 25,650.
    assert sum(each.numel() for each in network.parameters()) == 11_195_890


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_every_weight_learns(kind):
    network = StartTime(kind, SMALL, 20)
    shape = (2, 1, 128, 40) if kind == "sound" else (2, 20, 2, SIDE, SIDE)
    logits = network(torch.randn(shape))
    assert logits.shape == (2, CLASSES)
    logits.square().sum().backward()
    assert [name for name, each in network.named_parameters() if not each.grad.abs().sum()] == []


def test_a_trace_that_is_there_is_found():
    found = leakage.probe(material(24, tells=True), SMALL)
    # 25 phases, two starts each: 50 % is all there is to find at 1.
    assert found.at_1.low > 0.1
    assert found.leaks
    assert (found.sources, found.crops) == (6, 30)


def test_nothing_is_found_where_nothing_is():
    found = leakage.probe(material(24, tells=False), replace(SMALL, steps=20))
    assert found.at_1.low <= found.at_1.chance
    assert found.at_5.low <= found.at_5.chance


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_a_tiny_set_can_be_learnt_by_heart(kind):
    torch.manual_seed(0)
    network = StartTime(kind, SMALL, 20)
    x = torch.randn((10, 1, 64, 32) if kind == "sound" else (10, 20, 2, SIDE, SIDE))
    labels = torch.arange(0, CLASSES, 5)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    assert (network(x).argmax(1) == labels).all()


def test_the_same_seed_finds_the_same():
    held = material(8, tells=True)
    first, second = (leakage.probe(held, replace(SMALL, steps=3)) for _ in range(2))
    assert (first.at_1, first.at_5) == (second.at_1, second.at_5)


def test_no_origin_stands_on_both_sides():
    held = replace(material(12, tells=False), groups=(0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5))
    learnt_from, tested = leakage.split(held, SMALL)
    groups = np.array(held.groups)
    assert not set(groups[learnt_from]) & set(groups[tested])
    assert sorted([*learnt_from, *tested]) == list(range(12))


@pytest.mark.parametrize(
    ("held", "word"),
    [
        pytest.param(material(7, tells=False), "8 sources", id="too few"),
        pytest.param(replace(material(8, tells=False), groups=(0,) * 8), "of 1 origins", id="one origin"),
        pytest.param(
            Material("sound", 1000, tuple(np.zeros(5000, np.float32) for _ in range(8))), "5.9 s", id="short"
        ),
    ],
)
def test_what_cant_be_probed_is_refused(held: Material, word: str):
    with pytest.raises(SettingsError, match=word):
        leakage.probe(held, SMALL)


def test_crops_begin_where_their_class_says():
    times = np.arange(12_000, dtype=np.float32)
    crops = Crops(Material("sound", 1000, (times,)))
    assert [crops.starts[label] for label in (0, 1, 49)] == [0, 100, 4900]
    assert crops.length == 5000


def test_all_starts_of_a_film_are_its_crops():
    crops = Crops(material(2, tells=False))
    network = StartTime("picture", SMALL, crops.length).eval()
    whole, labels = crops.every([0, 1], np.random.default_rng(0))
    logits = network(whole)
    assert labels.tolist() == [*range(CLASSES)] * 2
    for start in (0, 7, 49):
        alone = network(whole[1:, start : start + crops.length])
        assert torch.allclose(logits[CLASSES + start], alone[0], atol=1e-5)


def test_rows_that_hold_nothing_stay_nothing():
    silent_above = torch.fft.rfft(torch.randn(2, 20_000))
    silent_above[:, 5_000:] = 0
    x = leakage.sound_floats(torch.fft.irfft(silent_above).numpy())
    below, above = x[:, :, : leakage.ROWS // 2 - 4], x[:, :, leakage.ROWS * 3 // 4 :]
    assert 0.7 < below.std(3).mean() < 1
    assert above.abs().max() < 0.1


def test_intervals_are_of_sources():
    # Ten sources that are wholly right or wholly wrong: no better known than ten answers.
    right = np.repeat(np.arange(10)[:, None] < 5, 40, axis=1)
    found = leakage.share(right, np.arange(10), 0.02, seed=0)
    assert found.share == 0.5
    assert found.low < 0.25
    assert found.high > 0.75


def test_what_says_nothing_stands_at_chance():
    network = StartTime("picture", SMALL, 21)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    crops = Crops(material(4, tells=False))
    ranks = leakage._ranks(network, crops, range(4), SMALL)
    assert (ranks == (CLASSES - 1) / 2).all()


# Material


@pytest.mark.parametrize("rate", [44_100, 16_000])
def test_encoded_sound_stays_in_its_place(rate: int):
    times = np.arange(2 * rate) / rate
    samples = (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    decoded = leakage_data.through_aac(samples, rate, 64_000)
    middle = slice(rate // 2, rate)
    assert np.abs(decoded[middle] - samples[middle]).max() < 0.02
    assert not np.array_equal(decoded, samples)


def test_noise_is_of_16_bits_and_no_two_alike():
    first, second = leakage_data.noise(1, 16_000), leakage_data.noise(2, 16_000)
    assert np.array_equal(first * 32768, np.round(first * 32768))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert np.array_equal(leakage_data.noise(1, 16_000), first)


def test_encoders_keep_pictures_in_their_order():
    drawn = leakage_data.moving(0)
    for codec in leakage_data.PICTURE_CODECS:
        decoded = leakage_data.through_picture_codec(drawn, codec, 10).astype(np.float32)
        for index in (0, 13, 60, len(drawn) - 1):
            apart = np.abs(decoded[index] - drawn.astype(np.float32)).mean(axis=(1, 2, 3))
            # The picture itself is nearest; one that rests may be as near.
            assert apart[index] <= apart.min() + 1, codec


def test_films_are_the_same_picture_through_each_encoder():
    held = leakage_data.films(["prores", "mpeg4"], [0, 1])
    shapes = {each.shape for one in held.values() for each in one.sources}
    assert shapes == {(100, leakage_data.HEIGHT, leakage_data.WIDTH)}
    apart = held["prores"].sources[0].astype(int) - held["mpeg4"].sources[0]
    assert 0 < np.abs(apart).mean() < 15


def test_what_is_drawn_leaves_mpeg4_its_twelve_frames():
    for frames in leakage_data.films(["mpeg4"], range(3))["mpeg4"].sources:
        tiles = np.abs(np.diff(frames.astype(float), axis=0)).reshape(-1, 12, 8, 16, 8).mean((2, 4))
        quiet = np.median(tiles.reshape(len(tiles), -1), axis=1)
        # The change to picture 12 is the eleventh.
        assert quiet[11::12].mean() > 1.2 * np.delete(quiet, np.s_[11::12]).mean()


# Files


def test_media_and_arrays_become_sources(tmp_path: Path):
    film(tmp_path / "a.mp4", seconds=9)
    film(tmp_path / "b.mp4", seconds=9)
    np.savez(tmp_path / "c.npz", frames=np.zeros((80, 60, 60, 3), np.uint8), fps=25)
    held = leakage_data.read([tmp_path])
    assert (held["picture"].rate, held["sound"].rate) == (25, 48_000)
    assert {each.shape[1:] for each in held["picture"].sources} == {(64, 96), (60, 60)}
    # A film's pieces stay together: it holds two of pictures, of which the last is shorter.
    assert held["picture"].groups[-1] == 2
    assert len(held["sound"].sources) == 2


def test_a_long_file_is_cut_into_pieces_that_begin_alike(tmp_path: Path):
    film(tmp_path / "a.m4a", seconds=24, rate=44_100, picture=False)
    held = leakage_data.read([tmp_path / "a.m4a"])["sound"]
    assert len(held.sources) == 2
    whole = leakage_data.read([tmp_path / "a.m4a"])["sound"].sources
    assert len(whole[0]) == 441_000
    assert held.groups == (0, 1)


def test_sound_that_was_cut_within_a_packet_begins_with_the_next(tmp_path: Path):
    whole, cut = tmp_path / "whole.m4a", tmp_path / "cut.m4a"
    film(whole, seconds=14, rate=44_100, picture=False)
    with av.open(str(whole)) as source, av.open(str(cut), "w", format="mp4") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(source.demux(source.streams.audio[0])):
            if packet.pts is not None and number >= 40:
                # Played from the 700th sample of the packet before packet 40 of what is heard.
                packet.pts = packet.dts = packet.pts - 39 * 1024 - 700
                packet.stream = stream
                container.mux(packet)
    with av.open(str(cut), "r") as container:
        first = next(container.decode(audio=0)).samples
    assert first < 1024
    (source,) = leakage_data.read([cut])["sound"].sources
    (reference,) = leakage_data.read([whole])["sound"].sources
    assert np.allclose(source[:9999], reference[40 * 1024 :][:9999], atol=1e-4)


def test_the_command_probes_files(tmp_path: Path):
    for seed in range(8):
        np.savez(
            tmp_path / f"{seed}.npz", frames=np.repeat(flicker(seed, tells=True)[..., None], 3, -1), fps=10
        )
    out, drawing = tmp_path / "figures.json", tmp_path / "figures.svg"
    words = ["--on", str(tmp_path), "--steps", "2", "--precision", "full"]
    done = CliRunner().invoke(leakage.main, [*words, "--json", str(out), "--plot", str(drawing)])
    assert done.exit_code == 0, done.output
    held = json.loads(out.read_text(encoding="utf-8"))
    assert held["lines"]["picture"]["at_1"]["chance"] == 0.02
    assert held["lines"]["picture"]["sources"] == 2
    assert "picture" in drawing.read_text(encoding="utf-8")


def test_the_table_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []

    def measure(case: leakage.Case, size: leakage.Size, settings: Settings, say) -> leakage.Accuracy:
        made.append(case.name)
        return leakage.Accuracy(leakage.Share(0.5, 0.4, 0.6, 0.02), leakage.Share(0.9, 0.8, 1, 0.1), 4, 40, 1)

    monkeypatch.setattr(leakage, "measure", measure)
    words = ["--json", str(tmp_path / "figures.json"), "--sources", "16"]
    CliRunner().invoke(leakage.main, [*words, "--case", "aac 44.1 kHz"])
    done = CliRunner().invoke(leakage.main, words)
    assert sorted(made) == sorted(case.name for case in leakage.CASES)
    assert "50.0 (40.0 to 60.0)" in done.output
    # Other settings, other figures.
    CliRunner().invoke(leakage.main, [*words, "--seed", "1", "--case", "aac 44.1 kHz"])
    assert made[-1] == "aac 44.1 kHz"
