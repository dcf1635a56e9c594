"""A file is known by what is in it."""

from __future__ import annotations

import pytest

from otio_avassist.media import content_key

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
