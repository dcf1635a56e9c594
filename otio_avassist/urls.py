"""A media url as some editor spelt it -> the file on this machine. Knows no timeline.

Editors write bare paths, `file://` urls encoded or not, Windows paths that are read on Linux, and names that
are relative to who knows what. OpenTimelineIO's own `url_utils` loses drive letters and cuts names at `#`,
hence this file.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=//)")
"""Two letters at least: `C:` is a drive."""
_FILE = re.compile(r"file:", re.IGNORECASE)
_HOST = re.compile(r"file://(localhost(?=/))?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/]|$)")
_SLASHED_DRIVE = re.compile(r"/+(?=[A-Za-z]:([\\/]|$))")


@dataclass(frozen=True)
class Found:
    """Where a url's file is, or in words why it wasn't found."""

    path: Path | None
    words: str = ""


@dataclass(frozen=True)
class Locator:
    """How urls become files of this machine."""

    base_dir: Path | None = None
    """Where relative urls start from; the working directory comes after it."""
    media_root: tuple[Path, ...] = ()
    """Folders that are searched, with all below them, for files that aren't where the timeline says."""
    path_map: tuple[tuple[str, str], ...] = ()
    """(old, new) prefixes of paths, in either system's spelling."""

    def find(self, url: str) -> Path | None:
        """The file of this url, or None."""
        return self.locate(url).path

    def locate(self, url: str) -> Found:
        """The file of this url: as written, then through `path_map`, then below `media_root`.

        Below the media roots the file of the same name counts whose folders agree furthest with the url's;
        where several agree equally, none is guessed.
        """
        if not url:
            return Found(None, "its media reference names no file")
        if scheme := remote_scheme(url):
            return Found(None, f"its media is on the network ({scheme}), not a file here: {url}")
        for candidate in self._candidates(url):
            if _is_file(candidate):
                return Found(candidate)
        return self._search(url)

    def _candidates(self, url: str) -> Iterator[Path]:
        for path in spellings(url):
            if not _is_relative(path):
                yield Path(path)
            for old, new in self.path_map:
                if (mapped := swap_prefix(path, path_from_url(old), path_from_url(new))) is not None:
                    yield Path(mapped)
            if _is_relative(path):
                # A relative path written on Windows has backslashes.
                for start in (self.base_dir, Path.cwd()):
                    if start is not None:
                        yield start / path
                        yield start.joinpath(*_parts(path))

    def _search(self, url: str) -> Found:
        wanted = [_parts(path) for path in spellings(url)]
        agreeing: dict[Path, int] = {}
        for parts in wanted:
            for found in self._files_by_name.get(parts[-1].casefold() if parts else "", ()):
                agreeing[found] = max(agreeing.get(found, 0), _common_tail(parts, found.parts))
        most = max(agreeing.values(), default=0)
        best = [found for found, count in agreeing.items() if count == most]
        if len(best) == 1:
            return Found(best[0])
        if best:
            named = ", ".join(map(str, sorted(best)[:4])) + (" …" if len(best) > 4 else "")
            return Found(None, f"{len(best)} files fit {url} equally well: {named}; --map says which one")
        return Found(None, f"media not found: {url}{self._looked(url)}")

    def _looked(self, url: str) -> str:
        """Where else than as written it was looked for, and what would help."""
        path = path_from_url(url)
        starts = (self.base_dir, Path.cwd()) if _is_relative(path) else ()
        places = [f"in {start}" for start in starts if start is not None]
        if self.path_map:
            places.append("through --map")
        places += [f"below {root}" for root in self.media_root]
        looked = f" (looked {', '.join(dict.fromkeys(places))})" if places else ""
        unpack = "; media inside an .otioz has to be unpacked first" if path.startswith("media/") else ""
        return looked + unpack

    @cached_property
    def _files_by_name(self) -> dict[str, list[Path]]:
        """Every file below the media roots by its name in lower case; one walk, only when it is needed."""
        files = defaultdict(set)
        for root in self.media_root:
            for folder, _, names in os.walk(root.expanduser().absolute()):
                for name in names:
                    files[name.casefold()].add(Path(folder, name))
        return {name: sorted(paths) for name, paths in files.items()}


def remote_scheme(url: str) -> str | None:
    """`http`, `s3` and so on where the url is none of a file."""
    match = _SCHEME.match(url)
    return match[1] if match and match[1].lower() != "file" else None


def path_from_url(url: str) -> str:
    """The path that a url most likely means, in the separators it was written with.

    A bare path comes back as it is: `#`, `?` and `%` are characters of names.
    """
    return spellings(url)[0]


def spellings(url: str) -> tuple[str, ...]:
    """What the url may mean as a path, likeliest first.

    Writers disagree on encoding: in a `file:` url `%20` is likely a space but may be part of the name, in
    a bare path the other way round.
    """
    if not _FILE.match(url):
        return tuple(dict.fromkeys((url, unquote(url))))
    path = _strip_host(url[len("file:") :])
    return tuple(dict.fromkeys((_strip_slash(unquote(path)), _strip_slash(path))))


def _strip_host(rest: str) -> str:
    """What follows `file:` without its host, unless the host is a Windows server."""
    if not rest.startswith("//") or rest.startswith("////"):
        return rest[2:] if rest.startswith("////") else rest
    host, slash, path = rest[2:].partition("/")
    if not host or host.lower() == "localhost":
        return slash + path
    if _DRIVE.match(unquote(host)) or host.startswith("."):
        # `file://C:/x` and `file://./x` have one slash too few.
        return host + slash + path
    return f"//{host}{slash}{path}" if slash else host


def _strip_slash(path: str) -> str:
    """`/C:/x` is `C:/x`."""
    match = _SLASHED_DRIVE.match(path)
    return path[match.end() :] if match else path


def is_windows(path: str) -> bool:
    r"""A drive, a `\\server`, or backslashes in something that doesn't start at a POSIX root."""
    return bool(_DRIVE.match(path)) or path.startswith("//") or ("\\" in path and not path.startswith("/"))


def speller(
    urls: Sequence[str], folder: Path | None = None, path_map: Sequence[tuple[str, str]] = ()
) -> Callable[[Path], str]:
    """How a timeline whose media is spelt like `urls` spells a file of this machine; bare where none tells.

    Args:
        folder: where the timeline is going to stand: relative names start there. None: nobody knows.
        path_map: as of `Locator`; a file below one of the new prefixes is named by the old one.
    """
    of_files = [url for url in urls if _FILE.match(url)]
    relative = [url for url in urls if not remote_scheme(url) and _is_relative(path_from_url(url))]
    host = next((match[0] for url in of_files if (match := _HOST.match(url))), "file://")
    encoded = not any(" " in url for url in of_files)

    def spell(path: Path) -> str:
        there = str(path.absolute())
        swapped = (swap_prefix(there, path_from_url(new), path_from_url(old)) for old, new in path_map)
        named = next(filter(None, swapped), None)
        if named is None and folder is not None and 2 * len(relative) > len(urls):
            return Path(os.path.relpath(there, folder.absolute())).as_posix()
        there = named or there
        if 2 * len(of_files) <= len(urls):
            return there
        slashed = there.replace("\\", "/") if is_windows(there) else there
        rooted = slashed if slashed.startswith("/") else f"/{slashed}"
        return host + (quote(rooted, safe="/:") if encoded else rooted)

    return spell


def swap_prefix(path: str, old: str, new: str) -> str | None:
    """`path` with its leading folders `old` replaced by `new`; None where it doesn't start with them.

    Case doesn't count in Windows paths, and either kind of slash will do.
    """
    parts, old_parts = _parts(path), _parts(old)
    head = parts[: len(old_parts)]
    if is_windows(path) or is_windows(old):
        head, old_parts = [each.casefold() for each in head], [each.casefold() for each in old_parts]
    rooted = path.startswith(("/", "\\")) == old.startswith(("/", "\\"))
    if not old_parts or not rooted or head != old_parts:
        return None
    separator = "\\" if "\\" in new else "/"
    return new.rstrip("/\\") + "".join(separator + part for part in parts[len(old_parts) :])


def _parts(path: str) -> list[str]:
    """Folders and name; a backslash separates only in what looks like Windows."""
    pieces = re.split(r"[\\/]", path) if is_windows(path) else path.split("/")
    return [piece for piece in pieces if piece not in ("", ".")]


def _common_tail(first: list[str], second: tuple[str, ...]) -> int:
    """How many last parts agree."""
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count


def _is_relative(path: str) -> bool:
    return not (path.startswith(("/", "\\")) or _DRIVE.match(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or one with a zero byte in it
        return False
