"""A file is known by what is in it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otio_avassist.errors import MediaError
from otio_avassist.media import content_key, packets, probe
from tests.material import film

SIZE = 1_000_000


def test_a_copy_has_the_same_key_and_what_is_no_file_its_name(tmp_path):
    (tmp_path / "a.wav").write_bytes(bytes(SIZE))
    (tmp_path / "b.wav").write_bytes(bytes(SIZE))
    assert content_key(tmp_path / "a.wav") == content_key(tmp_path / "b.wav")
    assert content_key(tmp_path / "frame.%04d.png") == "frame.%04d.png"


@pytest.mark.parametrize("at", [0, SIZE // 2, SIZE - 1, SIZE], ids=["first", "middle", "last", "one more"])
def test_a_file_that_differs_has_another_key(at, tmp_path):
    data = bytearray(SIZE)
    (tmp_path / "a.wav").write_bytes(data)
    data[at : at + 1] = b"x"
    (tmp_path / "b.wav").write_bytes(data)
    assert content_key(tmp_path / "a.wav") != content_key(tmp_path / "b.wav")


def test_sound_that_nobody_can_decode_is_said_to_be_none(tmp_path):
    wav = film(tmp_path / "a.wav", picture=False)
    data = bytearray(wav.read_bytes())
    data[20:22] = b"\xfe\xee"  # a code that no format has
    wav.write_bytes(data)
    with pytest.raises(MediaError, match=r"a\.wav: holds neither picture nor sound that can be read"):
        probe(wav)


def test_packets_of_streams_that_come_up_in_the_middle_are_left_out():
    """PyAV raises IndexError for them, and can be asked to go on."""
    parts = iter(([1, 2], [3], []))

    def demux(streams):
        yield from (part := next(parts))
        if part:
            raise IndexError

    assert list(packets(SimpleNamespace(demux=demux), [])) == [1, 2, 3]
