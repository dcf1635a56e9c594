"""Files that are written whole or not at all. Knows no format."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from otio_avassist.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when all went well, and goes away when not."""
    temporary = None
    try:
        # The suffix stays at the end: adapters go by it.
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:100]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _take_mode(path, temporary)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _take_mode(old: Path, new: Path) -> None:
    """mkstemp makes files for the owner only; a timeline is shared as the old one was, or as umask says."""
    if old.exists():
        mode = old.stat().st_mode
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    new.chmod(mode)
