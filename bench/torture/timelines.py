"""Timelines with things wrong in them: fields dropped, types changed, numbers that are none, huge or
negative, nesting without end, names and references in circles, hostile urls, bytes flipped.

The command must answer each by an exit code and words, in time; and where only what stands around one shot
is spoilt and OpenTimelineIO still reads the file, the other shots must be mended as ever.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.torture.material import HEALTHY, a_rich_cut, findings, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.watched import Ended, Watched
from otio_avassist import files
from otio_avassist.errors import AvAssistError

COUNT = 2000
OPTIONS = ("--max-offset", "0.6", "-q")
SPOILT_AROUND = ("victim", "compound", "title", "frames", "dissolve", "fast", "offline", "look", "blur")
"""Names of what may be spoilt without the shots beside it taking harm."""

NUMBERS = (
    float("nan"),
    float("inf"),
    float("-inf"),
    0,
    -0.0,
    -1,
    -1e9,
    1e-320,
    1e18,
    1e308,
    2**31,
    2**63,
    2**64,
    -(2**63),
)
THINGS: tuple[Any, ...] = (
    None,
    True,
    0,
    1.5,
    "",
    "word",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    {"OTIO_SCHEMA": "Clip.2"},
)
SCHEMAS = ("Clip.99", "Clip.0", "Nonsense.1", "Track.1", "Timeline.1", "Clip", "", ".", "Clip.-1", "Gap.1")
TEXTS = (
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e\u0000\uffff",
    "é" * 300,
    "x" * 300,
    "x" * 100_000,
    "\n\r\t",
    "[red]",
    "%s%n{0}",
    "../" * 40,
    "<script>alert(1)</script>",
    "=1+1",
    "'; DROP TABLE",
    "\x1b[2J\x1b]0;x\x07",
    "🎬" * 80,
    "CON",
    "-o",
    "|",
)
URLS = (
    "file:///dev/zero",
    "/dev/zero",
    "/dev/random",
    "/dev/stdin",
    "file:///proc/self/mem",
    "/proc/self/fd/0",
    "/",
    ".",
    "..",
    "file://",
    "file:",
    "file:///%00",
    "a%00b.mov",
    "\0",
    "http://127.0.0.1:9/a.mp4",
    "https://[::1",
    "ftp://x/y.wav",
    "concat:/etc/passwd|/etc/hosts",
    "subfile:,start,0,end,9,:/etc/passwd",
    "data:video/mp4;base64,AAAA",
    "pipe:0",
    "crypto:file:/etc/passwd",
    "tee:/tmp/x",
    "rtsp://127.0.0.1/x",
    "//server/share/a.mov",
    "\\\\server\\share\\a.mov",
    "C:\\a.mov",
    "file:///C:/a.mov",
    "../" * 60 + "etc/passwd",
    "~/a.mov",
    "$HOME/a.mov",
    "x" * 300,
    "é" * 300 + ".wav",
    "x/" * 3000,
    "%" * 300,
    "%d",
    "%9999999999d.png",
    "%0d%0d",
    "file://%5Bx",
    "\ud800.wav",
    "a\nb.wav",
    "-i",
    "*.mp4",
)


def run(asked: Asked) -> Outcome:
    """Spoil timelines one after the other, and see what the command makes of each."""
    media = make_media(asked.folder / "media")
    base = asked.folder / "base.otio"
    files.write(a_rich_cut(media), str(base))
    (asked.folder / "work").mkdir(exist_ok=True)
    outcome = Outcome("timelines", len(asked.cases(COUNT)))
    with Watched(asked.folder / "work") as command:
        spoil = Spoiler(base, asked.seed)
        healthy = _mended(_ask(command, base, asked.folder / "work"), asked.folder / "work")
        for number in asked.in_time(asked.cases(COUNT)):
            path, words, around = spoil(number)
            ended = _ask(command, path, asked.folder / "work")
            outcome.judge(f"case {number} ({words})", _trouble(ended, path, healthy, outcome, around=around))
    return outcome


def _ask(command: Watched, path: Path, folder: Path) -> Ended:
    for each in (folder / "out.otio", folder / "out.json", folder / "out.avassist.json"):
        each.unlink(missing_ok=True)
    return command.run(
        "sync", path, "-o", folder / "out.otio", "--report", folder / "out.json", *OPTIONS
    )  # fmt: skip


def _mended(ended: Ended, folder: Path) -> dict[str, Any]:
    """What was found of the healthy shots."""
    if trouble := ended.trouble((0,)):
        raise RuntimeError(f"the timeline that nothing was done to isn't mended: {trouble}")
    return {name: each for name, each in findings(folder / "out.json").items() if name in HEALTHY}


def _trouble(ended: Ended, path: Path, healthy: dict[str, Any], outcome: Outcome, *, around: bool) -> str:
    """What is wrong with the answer; empty where nothing is."""
    out, report = (path.with_name(name) for name in ("out.otio", "out.json"))
    if trouble := ended.trouble((0, 1, 3)):
        return trouble
    if ended.code == 1:
        outcome.count("refused by name" if path.name in ended.reason else "refused otherwise")
        if out.exists():
            return f"refused, and yet there is an output: {ended.reason}"
        return (
            "" if path.name in ended.reason or out.name in ended.reason else f"names no file: {ended.reason}"
        )
    try:
        files.read(str(out))
        found = findings(report)
    except (AvAssistError, ValueError, OSError, KeyError) as error:
        return f"what it wrote can't be read: {error}"
    outcome.count("answered")
    if around:
        outcome.count("healthy shots looked for")
        missing = [name for name, each in healthy.items() if found.get(name) != each]
        if missing:
            return f"healthy shots weren't mended as ever: {', '.join(missing)}: {found}"
    return ""


class Spoiler:
    """Makes case n of a seed: (a file with something wrong in it, what, whether only around a shot)."""

    def __init__(self, base: Path, seed: int) -> None:
        self._text, self._seed = base.read_text(encoding="utf-8"), seed
        self._path = base.parent / "work" / "spoilt.otio"

    def __call__(self, number: int) -> tuple[Path, str, bool]:
        rng = random.Random(f"{self._seed}/timelines/{number}")
        if rng.random() < 0.15:
            data, words = spoilt_bytes(self._text.encode(), rng)
            self._path.write_bytes(data)
            return self._path, words, False
        tree = json.loads(self._text)
        around = rng.random() < 0.5
        said = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            held = rng.choice(_named(tree, SPOILT_AROUND) or [tree]) if around else tree
            said.append(_spoil(held, rng))
        # Lone surrogates stay escaped, as JSON may have them.
        self._path.write_text(_dumped(tree), encoding="utf-8")
        return self._path, "; ".join(said), around


def spoilt_bytes(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """(the same with some of it cut off, flipped, doubled or put in, what was done)"""
    at = rng.randrange(len(data) or 1)
    match rng.choice(("cut", "flip", "double", "insert", "empty", "order mark", "zeros")):
        case "cut":
            return data[:at], f"cut after {at} bytes"
        case "flip":
            flipped = bytearray(data)
            places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 8, 200)))]
            for place in places:
                flipped[place] ^= 1 << rng.randrange(8)
            return bytes(flipped), f"{len(places)} bits flipped"
        case "double":
            to = min(len(data), at + rng.choice((1, 100, 5000)))
            return data[:to] + data[at:], f"bytes {at} to {to} doubled"
        case "insert":
            more = rng.choice(
                (b"\xff\xfe", b"\0" * 9, b"[" * 200_000, b'{"a":' * 200_000, b'"', b"}", b"1e999")
            )
            return data[:at] + more + data[at:], f"{more[:5]!r} × {len(more)} put in at {at}"
        case "order mark":
            return rng.choice(
                (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
            ) + data, "a byte order mark before it"
        case "zeros":
            return data[:at] + b"\0" * (len(data) - at), f"zeros from {at}"
    return b"", "empty"


Slot = tuple[Any, Any]
"""A dict or list, and the key or index of something in it."""


def _slots(tree: Any) -> Iterator[Slot]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _slots(tree[key])


def _named(tree: Any, names: tuple[str, ...]) -> list[dict]:
    """The objects whose name begins with one of these."""
    found = [holder[key] for holder, key in _slots(tree)]
    return [
        each
        for each in found
        if isinstance(each, dict) and str(each.get("name", "")).startswith(names) and each["name"]
    ]


def _spoil(tree: Any, rng: random.Random) -> str:
    """Do one thing to something in `tree`, and say what."""
    # OpenTimelineIO refuses most of what isn't a number, a text or a name any more: those get further.
    how = rng.choice([*WAYS, *GETS_FAR])
    slots = [each for each in _slots(tree) if WAYS[how][0](*each)]
    if not slots:
        return f"{how}: nothing there"
    holder, key = rng.choice(slots)
    WAYS[how][1](holder, key, rng)
    return f"{how} at {key!r}"


def _drop(holder: Any, key: Any, rng: random.Random) -> None:
    del holder[key]


def _put(choices: tuple[Any, ...]) -> Callable[[Any, Any, random.Random], None]:
    def put(holder: Any, key: Any, rng: random.Random) -> None:
        holder[key] = rng.choice(choices)

    return put


def _nest(holder: Any, key: Any, rng: random.Random) -> None:
    """Many stacks around something, or many lists in it; `_dumped` writes them, as `json` would give up."""
    holder[key] = _Deep(
        rng.choice(("stack", "list", "object")), rng.choice((50, 500, 5000, 100_000)), holder[key]
    )


def _circle(holder: Any, key: Any, rng: random.Random) -> None:
    """OpenTimelineIO's reference to an object that has this one in it."""
    for number, (where, inner) in enumerate(
        [each for each in _slots(holder) if isinstance(each[0][each[1]], dict)][:3]
    ):
        where[inner]["OTIO_REF_ID"] = f"ref-{number}"
    holder[key] = {"OTIO_SCHEMA": "SerializableObjectRef.1", "id": f"ref-{rng.randrange(4)}"}


def _enclose(holder: Any, key: Any, rng: random.Random) -> None:
    """A compound clip that has the name of what is in it, three times over."""
    name = holder[key].get("name") or "same"
    for _ in range(3):
        track = {"OTIO_SCHEMA": "Track.1", "name": name, "kind": "Video", "children": [holder[key]]}
        holder[key] = {"OTIO_SCHEMA": "Stack.1", "name": name, "children": [track]}


def _swap(holder: Any, key: Any, rng: random.Random) -> None:
    """Something else of the same object in its place."""
    holder[key] = json.loads(
        _dumped(holder[rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))])
    )


def _double(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = holder[key] * rng.choice((2, 50))


def _is(*kinds: type) -> Callable[[Any, Any], bool]:
    return lambda holder, key: isinstance(holder[key], kinds) and not isinstance(holder[key], bool)


def _is_url(holder: Any, key: Any) -> bool:
    return str(key).startswith(("target_url", "name_")) and isinstance(holder[key], str)


def _is_object(holder: Any, key: Any) -> bool:
    return isinstance(holder[key], dict) and "children" not in holder and "OTIO_SCHEMA" in holder[key]


def _is_child(holder: Any, key: Any) -> bool:
    return isinstance(holder, list) and isinstance(holder[key], dict)


WAYS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[Any, Any, random.Random], None]]] = {
    "dropped": (lambda holder, key: True, _drop),
    "another type": (lambda holder, key: True, _put(THINGS)),
    "another number": (_is(int, float), _put(NUMBERS)),
    "another text": (_is(str), _put(TEXTS)),
    "hostile url": (_is_url, _put(URLS)),
    "another schema": (lambda holder, key: key == "OTIO_SCHEMA", _put(SCHEMAS)),
    "nested deep": (_is(dict, list), _nest),
    "in a circle": (_is_object, _circle),
    "named like what is in it": (_is_child, _enclose),
    "something else of it": (_is(dict, list, str, float), _swap),
    "doubled": (_is(list), _double),
}
"""What may be done, and to what."""
GETS_FAR = (
    "another number",
    "another text",
    "hostile url",
    "dropped",
    "named like what is in it",
    "doubled",
) * 2
"""Oftener than the rest."""


class _Deep:
    """Something with much around it."""

    def __init__(self, kind: str, depth: int, inner: Any) -> None:
        self.kind, self.depth, self.inner = kind, depth, inner

    def text(self) -> str:
        opening, closing = {
            "stack": ('{"OTIO_SCHEMA": "Stack.1", "name": "deep", "children": [', "]}"),
            "list": ("[", "]"),
            "object": ('{"a": ', "}"),
        }[self.kind]
        return opening * self.depth + _dumped(self.inner) + closing * self.depth


def _dumped(tree: Any) -> str:
    """JSON, with NaN where it is; what is too deep for `json` by hand."""
    deep: list[str] = []

    def stand_in(value: Any) -> str:
        if not isinstance(value, _Deep):
            raise TypeError(type(value).__name__)
        deep.append(value.text())
        return f"@deep{len(deep) - 1}@"

    text = json.dumps(tree, default=stand_in)
    for number, each in enumerate(deep):
        text = text.replace(f'"@deep{number}@"', each)
    return text
