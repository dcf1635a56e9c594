"""Entries for Resolve's menu Workspace > Scripts: which there are, where they go, and what stands in them.

Each entry is a small file that says where avassist and its Python are; all that it does is in `menu`.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from otio_avassist.errors import OutputError
from otio_avassist.files import write_text

ENTRIES: Mapping[str, tuple[str, ...]] = {
    "avassist sync": ("sync",),
    "avassist captions": ("captions",),
    "avassist foley": ("foley",),
    "avassist review": ("review", "--tasks", "sync,captions"),
}
"""What the menu shows, and the command that it runs."""
_SIGN = "# Written by `avassist resolve --install`"
_TEMPLATE = """\
{sign}, which may write it anew: only OPTIONS is kept.
import runpy

# More words for the command; `avassist {task} --help` shows which there are. For example: {example}
OPTIONS = {options!r}

COMMAND = {command!r}
PROGRAM = {program!r}
WORK = {work!r}
MENU = {menu!r}

resolve = globals().get("resolve") or bmd.scriptapp("Resolve")
runpy.run_path(MENU)["main"](resolve, COMMAND, PROGRAM, WORK, OPTIONS)
"""
_EXAMPLES = {"sync": ["--propose"], "captions": ["--per-minute", "6"], "foley": ["--track", "V2"]}


def scripts_folder(
    platform: str = sys.platform, home: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Path:
    """Where Resolve looks for this person's scripts for all of its pages."""
    home = home or Path.home()
    if platform == "win32":
        start = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
        there = start / "Blackmagic Design" / "DaVinci Resolve" / "Support"
    elif platform == "darwin":
        there = home / "Library" / "Application Support" / "Blackmagic Design" / "DaVinci Resolve"
    else:
        there = home / ".local" / "share" / "DaVinciResolve"
    return there / "Fusion" / "Scripts" / "Utility"


def install(folder: Path, work: Path) -> list[Path]:
    """Write all entries into `folder`, which is made where it isn't there; the files written.

    Args:
        work: where exports, reports and made sounds are going to lie.

    Raises:
        OutputError: the folder can't be written to, or a file of somebody else's has such a name.
    """
    paths = {path: command for path, command in _files(folder).items() if _may_replace(path)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made: {error.strerror}") from error
    for path, command in paths.items():
        write_text(path, _entry(command, work, _options(path)))
    return list(paths)


def remove(folder: Path) -> list[Path]:
    """Delete the entries that `install` wrote, and nothing else; the files deleted."""
    ours = installed(folder)
    for path in ours:
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"{path}: can't be deleted: {error.strerror}") from error
    return ours


def installed(folder: Path) -> list[Path]:
    """The entries of ours that stand in `folder`."""
    return [path for path in _files(folder) if path.is_file() and _is_ours(path)]


def _files(folder: Path) -> dict[Path, tuple[str, ...]]:
    return {folder / f"{name}.py": command for name, command in ENTRIES.items()}


def _may_replace(path: Path) -> bool:
    if path.exists() and not _is_ours(path):
        raise OutputError(f"{path}: is there, and not of avassist; move it away first")
    return True


def _is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith(_SIGN)


def _options(path: Path) -> list[str]:
    """What a person has set in an entry that stands there; nothing where it can't be read."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (value,) = (
            ast.literal_eval(each.value)
            for each in tree.body
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "OPTIONS"
        )
    except (OSError, SyntaxError, ValueError):
        return []
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _entry(command: tuple[str, ...], work: Path, options: list[str]) -> str:
    return _TEMPLATE.format(
        sign=_SIGN,
        task=command[0],
        example=_EXAMPLES.get(command[0], ["--device", "cpu"]),
        options=options,
        command=list(command),
        program=[sys.executable, "-m", "otio_avassist"],
        work=str(work.expanduser().absolute()),
        menu=str(Path(__file__).with_name("menu.py")),
    )
