"""Archives that climb out or unpack to more than there is, XML that grows, subtitles made to stop a reader.

Each is refused by name, or read and found to hold nothing, in time; nothing appears outside of its folder.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.torture.material import a_cut, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.timelines import OPTIONS
from bench.torture.watched import Watched
from otio_avassist import vetting

MANY = 300_000


def run(asked: Asked) -> Outcome:
    """Give the command one after the other."""
    inside = asked.folder / "a" / "b"
    inside.mkdir(parents=True)
    work = asked.folder / "work"
    work.mkdir()
    media = make_media(asked.folder / "media")
    text = a_cut(media).to_json_string()
    cases = list(_cases(text))[: asked.count]
    outcome = Outcome("archives", len(cases))
    with Watched(work) as command:
        for number, (name, make, refused) in asked.in_time(list(enumerate(cases))):
            if asked.case not in (None, number):
                continue
            path = inside / name
            make(path)
            before = _standing(asked.folder)
            ended = command.run("sync", path, "-o", work / "out.otio", *OPTIONS)
            trouble = ended.trouble((1,) if refused else (0, 1, 3), name if refused else "")
            new = _standing(asked.folder) - before
            if not trouble and new:
                trouble = f"made {', '.join(sorted(new))}"
            outcome.count(f"ended with {ended.code}")
            outcome.judge(f"case {number} ({name})", trouble)
    return outcome


def _standing(folder: Path) -> set[str]:
    work = folder / "work"
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_relative_to(work)}


Case = tuple[str, Callable[[Path], object], bool]
"""A name, what makes the file, and whether it must be refused."""


def _cases(text: str) -> Iterator[Case]:
    climbing = ("../out.txt", "/tmp/out.txt", "media/../../out.txt", "..\\out.txt", "C:/out.txt", "a\0b")
    for number, name in enumerate(climbing):
        yield f"climbs{number}.otioz", _zip({vetting.PLAYLIST: text, name: "x"}), "\0" not in name
    yield "bomb.otioz", _bomb, True
    yield "deep.otioz", _zip({vetting.PLAYLIST: "[" * MANY}), True
    yield "empty.otioz", _zip({}), True
    yield "another.otioz", _zip({"readme.txt": "x"}), True
    yield "nozip.otioz", lambda path: path.write_bytes(b"PK\3\4" + bytes(999)), True
    yield "cut.otioz", _cut_zip(text), True
    yield "folder.otiod", lambda path: path.mkdir(), True
    yield "loop.otiod", _loop, True
    yield "pipe.otio", _pipe, True
    yield "laughs.xml", _text(_laughs()), True
    yield "outside.xml", _text(_outside()), True
    yield "deep.xml", _text("<xmeml>" + "<bin>" * MANY + "</bin>" * MANY + "</xmeml>"), True
    yield "laughs.fcpxml", _text(_laughs()), True
    yield "wide.edl", _text("TITLE: x\n" + "001  AX V C " + "9" * MANY), False
    yield "lines.edl", _text("TITLE: x\n" + "* FROM CLIP NAME: x\n" * 20_000), False
    for suffix, head in (("srt", "1\n"), ("vtt", "WEBVTT\n\n")):
        times = "00:00:01.000 --> 00:00:02.000\n" if suffix == "vtt" else "00:00:01,000 --> 00:00:02,000\n"
        for name, body in _cues(times).items():
            yield f"{name}.{suffix}", _text(head + body), False


def _cues(times: str) -> dict[str, str]:
    """What subtitles may hold to keep a reader busy."""
    return {
        "open": times + "<b " * MANY,
        "brackets": times + "<" * MANY,
        "braces": times + "{\\" * MANY,
        "styles": times + "<b>" * MANY,
        "entities": times + "&amp;" * MANY,
        "arrows": "-->" * MANY,
        "digits": "9" * MANY + " --> " + "9" * MANY + "\nx\n",
        "late": times.replace("00:", "99999999999:") + "x\n",
        "backwards": times.replace("01", "59") + "x\n",
        "lines": times + "\n" * MANY,
        "spaces": times + " " * MANY + "x",
        "blanks": times + "\n \t" * MANY,
        "zeros": times + "\0" * 9999,
        "numbers": times + "1\n" * 100_000,
    }


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _zip(names: dict[str, str]) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in names.items():
                archive.writestr(name, text)

    return make


def _bomb(path: Path) -> None:
    """A few megabytes that unpack to a little more than may be."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(vetting.PLAYLIST, "w", force_zip64=True) as file,
    ):
        for _ in range((vetting.LARGEST >> 24) + 1):
            file.write(b" " * (1 << 24))


def _cut_zip(text: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        _zip({vetting.PLAYLIST: text})(path)
        path.write_bytes(path.read_bytes()[:-30])

    return make


def _loop(path: Path) -> None:
    path.mkdir()
    (path / vetting.PLAYLIST).symlink_to(vetting.PLAYLIST)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _laughs() -> str:
    """Each entity holds ten of the one before."""
    entities = ['<!ENTITY a0 "ha">']
    entities += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    return f"<?xml version='1.0'?><!DOCTYPE xmeml [{''.join(entities)}]><xmeml>&a11;</xmeml>"


def _outside() -> str:
    entity = '<!ENTITY x SYSTEM "file:///etc/passwd">'
    sequence = "<sequence><name>&x;</name></sequence>"
    return f"<?xml version='1.0'?><!DOCTYPE xmeml [{entity}]><xmeml>{sequence}</xmeml>"
