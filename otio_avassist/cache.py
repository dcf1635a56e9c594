"""What was looked at once isn't looked at again: answers kept by content, in files that processes can share.

A name is a digest of all that an answer depends on: the media's content, the stretches of it that are used,
the network, the options, and this program. So nothing kept is ever wrong, only no longer asked for, and goes
when the store outgrows its bound, what was asked for longest ago first. Values are plain JSON, written whole
or not at all. A store that can't be written or is damaged costs time, never the run. Knows no timeline.

The contract: `Store.kept(name_of(kind, …), make, plain, built)` gives what is kept, or makes it while no
other process does, keeps it, and gives that.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import math
import os
import re
import sys
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from otio_avassist.errors import AvAssistError, MediaError
from otio_avassist.whole import is_left_over, replacing

VARIABLE = "OTIO_AVASSIST_CACHE"
OFF = ("off", "none", "no", "0")
MOST_BYTES = 2 << 30
"""A store is pruned to this; a place of 20 s takes some 20 kB, where a network tells where it looked more."""
PRUNED_TO = 0.9
"""Of the bound, so that not every new answer prunes."""
LOOK_EVERY = 200
"""After so many new answers the store's size is looked at."""
LOCKS = 64
"""Of each kind: answers whose names are alike wait for each other now and then, and no lock is left over."""
REMEMBERED = 4096
"""Answers that are kept in memory too."""
ENDS, SPREAD, PLACES = 1 << 16, 1 << 13, 62
"""Bytes of a file's two ends that tell what is in it, and of each of so many places spread between them."""

T = TypeVar("T")


def folder() -> Path | None:
    """Where answers are kept: `$OTIO_AVASSIST_CACHE`, else this user's cache; None where that says `off`."""
    said = os.environ.get(VARIABLE, "")
    if said.lower() in OFF:
        return None
    if said:
        return Path(said).expanduser()
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return home / "otio-avassist" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "otio-avassist"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otio-avassist"


def opened() -> Store | None:
    """The store of this user; None where none is wanted."""
    where = folder()
    return Store(where) if where is not None else None


@dataclass(frozen=True)
class Stats:
    """How much is kept."""

    files: int
    bytes: int
    kinds: Mapping[str, int]
    """How many answers of each kind."""
    oldest_s: float = 0.0
    """Since the longest ago that one was asked for."""


@dataclass(frozen=True)
class Speed:
    """What earlier runs took, so that the next can be foretold."""

    media_s: float = 0.0
    took_s: float = 0.0

    @property
    def ratio(self) -> float | None:
        """Seconds of media looked at in a second; None: nothing was measured yet."""
        return self.media_s / self.took_s if self.took_s > 0 else None


class Store:
    """A folder of answers. Several processes may use one, and one process from several threads."""

    def __init__(self, where: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = where
        self.most_bytes = most_bytes
        self.hits = self.misses = 0
        self.trouble = ""
        """Why it can't be written; empty where it can, or nobody tried."""
        self._written = 0
        self._facts: dict[str, Any] = {}
        self._memory: OrderedDict[str, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"where": self.folder, "most_bytes": self.most_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["where"], most_bytes=state["most_bytes"])  # type: ignore[misc]

    def kept(
        self, name: str, make: Callable[[], T], plain: Callable[[T], Any], built: Callable[[Any], T]
    ) -> T:
        """What is kept under this name, else what `make` makes, which is kept from now on.

        Args:
            name: of `name_of`.
            make: may raise; nothing is kept then. Called with this name's lock held, so it may ask for other
                kinds of answers, never for its own.
            plain, built: to JSON and back; what is back must be as good as what was made.
        """
        found = self._find(name, built)
        if found is not None:
            self.hits += 1
            return found
        with self.locked(name):
            # Another process may just have made it.
            found = self._find(name, built)
            if found is not None:
                self.hits += 1
                return found
            self.misses += 1
            value = make()
            self.write(name, plain(value))
        self._remember(name, value)
        return value

    def _find(self, name: str, built: Callable[[Any], T]) -> T | None:
        with contextlib.suppress(KeyError):
            self._memory.move_to_end(name)
            return self._memory[name]
        held = self.read(name)
        if held is None:
            return None
        try:
            value = built(held)
        except (KeyError, TypeError, ValueError, AttributeError):
            # Of another make: as good as nothing.
            self._drop(name)
            return None
        self._remember(name, value)
        return value

    def _remember(self, name: str, value: Any) -> None:
        self._memory[name] = value
        while len(self._memory) > REMEMBERED:
            with contextlib.suppress(KeyError):
                self._memory.popitem(last=False)

    def fact(self, name: str, find: Callable[[], T]) -> T:
        """What takes a while to find out and stays the same while this store is open; kept in memory only."""
        if name not in self._facts:
            self._facts[name] = find()
        found: T = self._facts[name]
        return found

    def has(self, name: str) -> bool:
        """Whether an answer is kept; nothing is read."""
        return name in self._memory or self._path(name).is_file()

    def read(self, name: str) -> Any | None:
        """What is kept under this name, as plain JSON; None: nothing, or nothing whole."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            head, _, body = data.partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != head:
                raise ValueError("not what was written")
            held = json.loads(body)
        except (ValueError, RecursionError):
            self._drop(name)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what is asked for stays longest
        return held

    def write(self, name: str, value: Any) -> bool:
        """Keep plain JSON under a name; False where the store can't be written."""
        path = self._path(name)
        try:
            body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except (OSError, AvAssistError) as error:
            self.trouble = str(error)
            return False
        self._written += 1
        if self._written % LOOK_EVERY == 0:
            self.prune()
        return True

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """While this holds, no other process makes the same; where nothing can be locked, it goes on."""
        from filelock import FileLock

        kind, _, digest = name.partition("-")
        lock = None
        try:
            where = self.folder / "locks"
            where.mkdir(parents=True, exist_ok=True)
            lock = FileLock(where / f"{kind}-{int(digest[:8], 16) % LOCKS:02d}.lock")
            lock.acquire()
        except (OSError, NotImplementedError):
            lock = None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    # How much there is

    def stats(self) -> Stats:
        """How much is kept."""
        kinds: dict[str, int] = {}
        total, oldest = 0, math.inf
        for path, size, used in self._files():
            kind = path.name.partition("-")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            total += size
            oldest = min(oldest, used)
        since_s = max(0.0, time.time() - oldest) if kinds else 0.0
        return Stats(sum(kinds.values()), total, kinds, since_s)

    def prune(self, most_bytes: int | None = None, *, older_than_s: float | None = None) -> Stats:
        """Let go what was asked for longest ago, until no more is kept than the bound; says what went.

        Args:
            most_bytes: None: the store's own bound, and then to a little less.
            older_than_s: also what nobody asked for in so long.
        """
        files = sorted(self._files(), key=lambda each: each[2])
        total = sum(size for _, size, _ in files)
        keep = most_bytes
        if keep is None:
            keep = round(self.most_bytes * PRUNED_TO) if total > self.most_bytes else total
        before = time.time() - older_than_s if older_than_s is not None else -math.inf
        gone: dict[str, int] = {}
        gone_bytes = 0
        for path, size, used in files:
            if total - gone_bytes <= keep and used >= before:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                gone_bytes += size
                kind = path.name.partition("-")[0]
                gone[kind] = gone.get(kind, 0) + 1
        for path in self.folder.glob("??/.*"):
            with contextlib.suppress(OSError):
                if is_left_over(path):
                    path.unlink()
        return Stats(sum(gone.values()), gone_bytes, gone)

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """(file, bytes, when it was last asked for) of each answer."""
        for path in self.folder.glob("??/*-*.json"):
            with contextlib.suppress(OSError):
                state = path.stat()
                yield path, state.st_size, state.st_mtime

    def _path(self, name: str) -> Path:
        digest = name.partition("-")[2]
        return self.folder / digest[:2] / f"{name}.json"

    def _drop(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    # How fast it went

    def speed(self, task: str) -> Speed:
        """What earlier runs on this machine took for a task."""
        held = _speeds(self.folder).get(task)
        numbers = held if isinstance(held, list) and len(held) == 2 else [0.0, 0.0]
        return Speed(*(float(each) for each in numbers))

    def took(self, task: str, media_s: float, took_s: float) -> None:
        """Remember how long so much media took; what was long ago counts less and less."""
        if media_s <= 0 or took_s <= 0:
            return
        with self.locked("speed-00000000"), contextlib.suppress(OSError, AvAssistError):
            held = _speeds(self.folder)
            before = self.speed(task)
            held[task] = [before.media_s * 0.9 + media_s, before.took_s * 0.9 + took_s]
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / "speeds.json") as temporary:
                temporary.write_text(json.dumps(held), encoding="utf-8")


def _speeds(where: Path) -> dict[str, Any]:
    try:
        held = json.loads((where / "speeds.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


# Names


def name_of(kind: str, *parts: Any) -> str:
    """What an answer is kept as: its kind, and a digest of all that it depends on, this program included.

    Args:
        parts: plain JSON; numbers count to the microsecond.
    """
    said = json.dumps([program(), kind, *map(_rounded, parts)], sort_keys=True)
    return f"{kind}-{hashlib.sha256(said.encode()).hexdigest()[:40]}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # -0.0 is 0.
        return round(value, 6) + 0.0 if math.isfinite(value) else repr(value)
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _rounded(each) for key, each in value.items()}
    return value if isinstance(value, str | int | None) else str(value)


@functools.cache
def program() -> str:
    """What tells this program from one that might answer otherwise: its code, what decodes, what computes."""
    digest = hashlib.sha256(code().encode())
    for package in ("otio-avassist", "av", "numpy", "onnxruntime", "onnxruntime-gpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{package} {metadata.version(package)}".encode())
    return digest.hexdigest()[:16]


@functools.cache
def code() -> str:
    """What tells this program's own code from another's that calls itself the same version."""
    digest = hashlib.sha256()
    home = Path(__file__).parent
    for path in sorted([*home.glob("*.py"), *(home / "tasks").glob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def media_key(path: Path) -> str:
    """What tells a media file from others, wherever it lies: its size, its ends, and some of all between.

    Half a megabyte of it is read, however large it is. Of a sequence of pictures: the names and sizes of all,
    and the content of the first, the middle and the last one.

    Raises:
        MediaError: it can't be read.
    """
    if path.is_file():
        return _file_key(path)
    found = re.fullmatch(r"((?:%%|[^%])*)%0?\d*d((?:%%|[^%])*)", path.name)
    if found is None:
        raise MediaError(f"{path.name}: no such file ({path})")
    head, tail = (part.replace("%%", "%") for part in found.groups())
    try:
        names = sorted(
            each.name
            for each in path.parent.iterdir()
            if each.name.startswith(head) and each.name.endswith(tail)
        )
        names = [name for name in names if name[len(head) : len(name) - len(tail)].isdigit()]
        sizes = [(name, (path.parent / name).stat().st_size) for name in names]
    except OSError as error:
        raise MediaError(f"{path.name}: can't be read: {error.strerror or error}") from error
    some = [names[at] for at in sorted({0, len(names) // 2, len(names) - 1})] if names else []
    parts = [sizes, [_file_key(path.parent / name) for name in some]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _file_key(path: Path) -> str:
    try:
        state = path.stat()
        return _content_key(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise MediaError(f"{path.name}: can't be read: {error.strerror or error}") from error


@functools.lru_cache(maxsize=10_000)
def _content_key(path: Path, size: int, changed_ns: int) -> str:
    """A timeline names the same file hundreds of times."""
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(ENDS))
        for number in range(1, PLACES + 1):
            if (at := size * number // (PLACES + 1)) >= ENDS:
                file.seek(at)
                digest.update(file.read(SPREAD))
        file.seek(max(0, size - ENDS))
        digest.update(file.read(ENDS))
    return digest.hexdigest()[:32]


# Values to plain JSON and back

TYPE = "type"
ARRAY, PATH, NUMBER, PAIRS = "array", "Path", "float", "pairs"


def to_plain(value: Any) -> Any:
    """Dataclasses, arrays, and what they hold, as strict JSON without loss; sequences come back as tuples."""
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: to_plain(getattr(value, each.name)) for each in fields(value) if each.init}
        return {TYPE: type(value).__name__, **held}
    if isinstance(value, np.ndarray):
        data = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 1)).decode()
        return {TYPE: ARRAY, "of": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, Path):
        return {TYPE: PATH, "path": str(value)}
    if isinstance(value, Mapping):
        return {TYPE: PAIRS, "pairs": [[to_plain(key), to_plain(each)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)  # numpy's, too
    return number if math.isfinite(number) else {TYPE: NUMBER, "number": repr(number)}


def from_plain(value: Any, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    """What `to_plain` made; of dataclasses only those that are named here are ever built.

    Raises:
        KeyError, TypeError, ValueError: it isn't what `to_plain` makes of these.
    """
    if isinstance(value, list):
        return tuple(from_plain(each, kinds) for each in value)
    if not isinstance(value, dict):
        return value
    match value[TYPE]:
        case "array":
            shape = tuple(int(each) for each in value["shape"])
            of = np.dtype(str(value["of"]))
            if of.hasobject:
                raise ValueError("wanted an array of numbers")
            data = zlib.decompress(base64.b64decode(value["data"]))
            return np.frombuffer(data, of).reshape(shape).copy()
        case "Path":
            return Path(value["path"])
        case "float":
            return float(value["number"])
        case "pairs":
            return {from_plain(key, kinds): from_plain(each, kinds) for key, each in value["pairs"]}
        case kind:
            return kinds[kind](**{key: from_plain(each, kinds) for key, each in value.items() if key != TYPE})
