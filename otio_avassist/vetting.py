"""Whether a file may be given to a parser at all. Knows no timeline, and of formats only what could do harm.

Parsers written in C end the whole process where brackets stand too deep, and archives of a few kilobytes
unpack to what no machine holds. Both are refused here, by name and before anything is made of them.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from otio_avassist.errors import TimelineError, first_line

DEEPEST = 300
"""Brackets of JSON in one another. A compound clip takes four, so that is dozens of them inside each other;
OpenTimelineIO's own reader survives some thousand on a small stack."""
LARGEST = 512 << 20
"""Bytes of a timeline, unpacked where it was packed. One of 20,000 clips takes 60 million."""
PLAYLIST = "content.otio"
"""The timeline in an .otioz or .otiod."""

_UNVERSIONED = re.compile(rb'"OTIO_SCHEMA"\s*:\s*"([^"]*\.(?:-\d*|0+))"')
_STRING = re.compile(rb'"[^"]*(?:"|\Z)')
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))


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
