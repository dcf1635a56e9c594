"""Files that are written whole or not at all. Knows no format.

What is only there for a while says in its name who makes it, so that what a killed process has left is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from otio_avassist.errors import OutputError

LEFT_OVER_S = 3600.0
"""What is temporary and this old was left by a process that was killed, whoever it was."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when all went well, and goes away when not."""
    temporary = None
    try:
        # The suffix stays at the end: adapters go by it.
        prefix = f".{_short(path.stem)}.{mark()}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if not temporary.is_dir():
            _take_mode(path, temporary)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            _remove(temporary)


def sweep(path: Path) -> None:
    """Take away what killed processes have left of writing this very file; looks through its whole folder."""
    name = re.compile(rf"\.{re.escape(_short(path.stem))}\.[0-9a-f]{{6}}-\d+\.\w+{re.escape(path.suffix)}")
    for left in path.parent.glob(".*"):
        with contextlib.suppress(FileNotFoundError):  # another process sweeps, too
            if name.fullmatch(left.name) and is_left_over(left):
                _remove(left)


def _remove(path: Path) -> None:
    """Whatever it is: some formats are folders."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _short(stem: str) -> str:
    """So much of a name that all that is put around it fits into the 255 bytes that file systems allow."""
    return os.fsencode(stem)[:100].decode("utf-8", errors="ignore")


def mark() -> str:
    """What tells this process from others, on this machine and others: for the names of temporary files."""
    return f"{_machine()}-{os.getpid()}"


def is_left_over(path: Path) -> bool:
    """Whether something temporary is nobody's any more: its process is gone, or it is old.

    Of processes on another machine that share the folder, and on Windows, only the age is known.
    """
    if time.time() - path.stat().st_mtime > LEFT_OVER_S:
        return True
    marked = re.search(rf"\.{_machine()}-(\d+)\.", path.name)
    return marked is not None and not _runs(int(marked[1]))


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _runs(process: int) -> bool:
    """False only where it surely doesn't."""
    if os.name == "nt":
        return True  # where to ask would be to stop it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # somebody else's
    return True


def _take_mode(old: Path, new: Path) -> None:
    """mkstemp makes files for the owner only; a timeline is shared as the old one was, or as umask says."""
    if old.exists():
        mode = old.stat().st_mode
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    new.chmod(mode)
