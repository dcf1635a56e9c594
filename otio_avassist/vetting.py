"""Whether a file may be given to a parser at all. Knows no timeline, and of formats only what could do harm.

Parsers written in C end the whole process where brackets stand too deep, and archives of a few kilobytes
unpack to what no machine holds. Networks of a few kilobytes do so as well. All are refused here, by name and
before anything is made of them.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from otio_avassist.errors import BundleError, TimelineError, first_line

DEEPEST = 300
"""Brackets of JSON in one another. A compound clip takes four, so that is dozens of them inside each other;
OpenTimelineIO's own reader survives some thousand on a small stack."""
LARGEST = 512 << 20
"""Bytes of a timeline, unpacked where it was packed. One of 20,000 clips takes 60 million."""
PLAYLIST = "content.otio"
"""The timeline in an .otioz or .otiod."""
MOST_NODES = 100_000
"""Of a network, those of its loops and branches too; the published ones have a thousand."""

_UNVERSIONED = re.compile(rb'"OTIO_SCHEMA"\s*:\s*"([^"]*\.(?:-\d*|0+))"')
_STRING = re.compile(rb'"[^"]*(?:"|\Z)')
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))

_WITHIN = {
    "model": {7: "graph", 25: "functions of its own"},
    "graph": {1: "node", 15: "sparse weights"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph", 22: "sparse weights", 23: "sparse weights"},
}
"""By which field of onnx.proto (https://onnx.ai) one leads to the next. Weights as such aren't looked into:
a parser refuses those of which the file doesn't hold every number."""
_REFUSED = ("functions of its own", "sparse weights")
"""Onnxruntime writes both out in full: functions that call others twice double with each, and of sparse
weights a size is enough."""
_NUMBER, _SIZED = 0, 2
"""Kinds of fields of Protocol Buffers: of as many bytes as the number takes, or as are said before them."""
_SIZES = {1: 8, 5: 4}
"""Bytes of the other kinds. Nobody writes those that are left."""


def check(path: Path) -> None:
    """Refuse what would end the process that reads it, or would never be read to its end.

    Raises:
        TimelineError: it is nested too deep, larger than any timeline, no file at all, or an archive that
            isn't what it should be; or it can't be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".otiod" and path.is_dir():
            check(path / PLAYLIST)
            return
        if not path.is_file():
            raise TimelineError(f"{path}: wanted a file, there is {'a folder' if path.is_dir() else 'none'}")
        if suffix == ".otioz":
            _check_archive(path)
            return
        if path.stat().st_size > LARGEST:
            raise TimelineError(f"{path}: has more than {LARGEST >> 20} MB, which no timeline has")
        if suffix in (".otio", ".json"):
            check_json(path.read_bytes(), str(path))
    except OSError as error:
        raise TimelineError(f"{path}: can't be read: {error.strerror or error}") from error


def check_json(text: bytes, name: str) -> None:
    """Refuse JSON whose brackets stand more than `DEEPEST` in one another, or whose schemas have no version.

    Raises:
        TimelineError: it is such a one.
    """
    # OpenTimelineIO would upgrade the one to the other, and ends the process.
    if unversioned := _UNVERSIONED.search(text):
        raise TimelineError(f"{name}: has an object of {unversioned[1].decode(errors='replace')[:80]!r}")
    # All by whole passes over the text: a timeline of a film has fifty million bytes.
    unescaped = text.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = unescaped.translate(_ALIKE, _OTHERS).replace(b'""', b"")
    brackets = _STRING.sub(b"", brackets)
    depth = 0
    while brackets != (outer := brackets.replace(b"[]", b"")):
        brackets, depth = outer, depth + 1
        if depth > DEEPEST:
            break
    # What is left has no partner: that JSON is broken, but a parser goes down it until it knows.
    if depth + brackets.count(b"[") > DEEPEST:
        raise TimelineError(f"{name}: is nested more than {DEEPEST} levels deep, which no timeline is")


def _check_archive(path: Path) -> None:
    """Refuse a zip file that climbs out of its folder, or whose timeline is a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            for each in archive.infolist():
                if _climbs(each.filename):
                    raise TimelineError(
                        f"{path}: names a file outside of the archive: {each.filename[:80]!r}"
                    )
            with archive.open(PLAYLIST) as file:
                check_json(_unpacked(file, path), str(path))
    except KeyError as error:
        raise TimelineError(f"{path}: wanted an archive with {PLAYLIST} in it, there is none") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
        raise TimelineError(f"{path}: not an archive that can be unpacked: {first_line(error)}") from error


def _climbs(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0] or "\0" in name


def _unpacked(file: IO[bytes], path: Path) -> bytes:
    """What is really there, whatever the archive says of it."""
    content = bytearray()
    while more := file.read(1 << 20):
        content += more
        if len(content) > LARGEST:
            raise TimelineError(f"{path}: its {PLAYLIST} unpacks to more than {LARGEST >> 20} MB")
    return bytes(content)


def count_nodes(graph: bytes, name: str) -> int:
    """How many nodes an ONNX file has, without making anything of them.

    Raises:
        BundleError: more than any network has, functions or sparse weights, or it is no ONNX file.
    """
    count = 0
    within = [("model", _inner(graph, 0, len(graph)))]
    try:
        while within:
            kind, fields = within[-1]
            number, start, end = next(fields, (0, 0, 0))
            inner = _WITHIN[kind].get(number)
            if inner in _REFUSED:
                raise BundleError(f"{name}: has {inner}; wanted a graph with everything in its place")
            if inner:
                within.append((inner, _inner(graph, start, end)))
            elif not number:
                within.pop()
            count += inner == "node"
            if count > MOST_NODES or len(within) > DEEPEST:
                raise BundleError(
                    f"{name}: has more than {MOST_NODES} nodes, or is nested more than {DEEPEST} levels deep"
                )
    except (LookupError, ValueError) as error:
        raise BundleError(f"{name}: isn't an ONNX file that can be read") from error
    return count


def _inner(content: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Of a message of Protocol Buffers, the fields that may be messages: number, first byte, end."""
    while at < end:
        tag, at = _varint(content, at)
        number, kind = tag >> 3, tag & 7
        size = 0
        if kind == _NUMBER:
            _, at = _varint(content, at)
        elif kind == _SIZED:
            size, at = _varint(content, at)
        else:
            size = _SIZES[kind]
        if not 0 < number < 1 << 29 or at + size > end:
            raise ValueError(tag)
        if kind == _SIZED:
            yield number, at, at + size
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next thing begins."""
    value = 0
    for place in range(10):
        byte = content[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError(at)
