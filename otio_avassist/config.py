"""What the caller of a hook asks for: the argument `avassist`, else the environment, else `avassist.toml`.

Imported in every process that reads a timeline: heavy things only where something is asked.

The three say the same keys:

    tasks           which, separated by commas; nothing happens unless they are said
    when            "write" (as written) or "read"
    base_dir        where relative media lies; else the folder of the file being written, else
                    $AVASSIST_BASE_DIR, else the working directory
    media_root      folders to search for media that isn't where the timeline says
    map             {OLD: NEW} beginnings of media paths
    bundle, device, propose, detach, fix, min_confidence, max_offset, thorough
                    as the options of `avassist sync`
    per_minute, levels, beam, on, speech, say_speech, speech_model, proposals
                    as the options of `avassist captions`
    takes, seed, sound, library, which, track, clip, marker, prime, loudness, sync_check, foley_dir
                    as the options of `avassist foley`; sounds stand in NAME.foley beside the file being
                    written, and in `foley_dir` where there is none
    report          files to write the report to, .json, .csv or .html
    strict          fail rather than hand back the timeline as it was given

    otioconvert -H avassist="{'tasks': 'sync', 'device': 'cpu'}" …
    AVASSIST_HOOKS="sync,device=cpu" otiotool …         "off" silences avassist.toml

Relative paths in avassist.toml start at its folder, all others at the working directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from otio_avassist.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from otio_avassist.pipeline import Settings
    from otio_avassist.tasks import captions, foley, sync
    from otio_avassist.wanted import Wish

ARGUMENT = "avassist"
VARIABLE = "AVASSIST_HOOKS"
BASE_DIR_VARIABLE = "AVASSIST_BASE_DIR"
FILE_VARIABLE = "AVASSIST_CONFIG"
FILE = "avassist.toml"

_OFF = ("", "off", "none", "false", "0")


def asked(argument_map: Mapping[str, Any] | None) -> bool:
    """Whether anybody says anything to avassist; costs no import."""
    return ARGUMENT in (argument_map or {}) or VARIABLE in os.environ or _file() is not None


def said(argument_map: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values of all the keys that were said, converted; `tasks` is empty where the last word is "off".

    Raises:
        UsageError: an unknown key or an unusable value; the message says where it stands and what is known.
    """
    values: dict[str, Any] = {}
    for where, read in _layers(argument_map).items():
        values |= converted(read(), where)
    return values


def strict(argument_map: Mapping[str, Any] | None) -> bool:
    """Whether `strict` is asked for, even where something else that was said can't be understood."""
    answer = False
    for where, read in _layers(argument_map).items():
        with contextlib.suppress(UsageError):
            answer = _yes(read().get("strict", answer), where)
    return answer


def settings(values: Mapping[str, Any], filepath: str | None) -> Settings:
    """Settings of the pipeline, its own defaults where nothing was said.

    Args:
        values: of `said`.
        filepath: of the timeline being written, where OpenTimelineIO tells it.
    """
    from dataclasses import fields
    from pathlib import Path

    from otio_avassist import files, pipeline

    same = {field.name for field in fields(pipeline.Settings)}
    given = {key: value for key, value in values.items() if key in same}
    if "base_dir" not in given:
        beside = Path(filepath).resolve().parent if filepath else None
        given["base_dir"] = beside or Path(os.environ.get(BASE_DIR_VARIABLE) or Path.cwd())
    if "map" in values:
        given["path_map"] = values["map"]
    given["sync"] = sync_options(values)
    given["captions"] = caption_options(values)
    given["foley"] = foley_options(values, files.foley_folder_of(filepath) if filepath else None)
    given["wish"] = wish(values)
    given["output_dir"] = Path(filepath).resolve().parent if filepath else None
    return pipeline.Settings(**given)


def sync_options(values: Mapping[str, Any]) -> sync.Options:
    """What was said of sync, the task's own defaults where nothing was."""
    from otio_avassist.tasks import sync

    return sync.Options(**_given(values, {"max_offset_s": "max_offset", "thorough": "thorough"}))


def caption_options(values: Mapping[str, Any]) -> captions.Options:
    """What was said of captions, the task's own defaults where nothing was."""
    from dataclasses import fields

    from otio_avassist.tasks import captions

    keys = {field.name: field.name for field in fields(captions.Options)} | {"proposals_file": "proposals"}
    return captions.Options(**_given(values, keys))


def foley_options(values: Mapping[str, Any], folder: Path | None, *, dry_run: bool = False) -> foley.Options:
    """What was said of foley; `folder` is where its sounds stand if nobody says anything else."""
    from otio_avassist.tasks import foley

    keys = {name: name for name in ("takes", "seed", "sound", "library", "loudness")}
    given = _given(values, keys | {"check_sync": "sync_check", "folder": "foley_dir"})
    if (named := given.pop("folder", folder)) is not None:
        given["folder"] = named.absolute()
    return foley.Options(dry_run=dry_run, **given)


def wish(values: Mapping[str, Any]) -> Wish:
    """Which pictures foley is to make sounds for."""
    from otio_avassist.wanted import Wish

    keys = {"which": "which", "tracks": "track", "clips": "clip", "markers": "marker"}
    return Wish(**_given(values, keys))


def _given(values: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """Of what was said, the fields of some options, by the keys that say them."""
    return {name: values[key] for name, key in keys.items() if values.get(key) is not None}


def _layers(argument_map: Mapping[str, Any] | None) -> dict[str, Callable[[], dict[str, Any]]]:
    """Where something is said -> how to read it; who comes later has the last word."""
    layers: dict[str, Callable[[], dict[str, Any]]] = {}
    file = _file()
    if file is not None:
        layers[file] = lambda: _read_file(file)
    if VARIABLE in os.environ:
        layers[VARIABLE] = lambda: _parsed(os.environ[VARIABLE], VARIABLE)
    if ARGUMENT in (argument_map or {}):
        layers[ARGUMENT] = lambda: _parsed((argument_map or {})[ARGUMENT], ARGUMENT)
    return layers


def _file() -> str | None:
    named = os.environ.get(FILE_VARIABLE)
    return named or (FILE if os.path.isfile(FILE) else None)  # noqa: PTH113 - for each read of each process


def _read_file(name: str) -> dict[str, Any]:
    import tomllib
    from pathlib import Path

    try:
        values = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{name}: not a configuration: {getattr(error, 'strerror', None) or error}"
        ) from error
    folder = Path(name).resolve().parent
    for key in _PATHS:
        if key in values and not _is_a_word(key, values[key]):
            values[key] = [str(folder / path) for path in _many(values[key])]
    return values


_PATHS = (
    "base_dir", "media_root", "bundle", "report", "speech", "speech_model", "proposals", "library", "prime",
    "foley_dir",
)  # fmt: skip
"""Keys of files and folders."""


def _is_a_word(key: str, value: Any) -> bool:
    """A key of files may say something else: where spoken words come from, a stretch of the timeline."""
    return (key == "speech" and value in _SPEECH) or (key == "prime" and is_stretch(str(value)))


def is_stretch(text: str) -> bool:
    """START-END in seconds or as timecode, and no name of a file."""
    import re

    return re.fullmatch(r"[\d.:;]+\s*-\s*[\d.:;]+", text.strip()) is not None


def _parsed(value: Any, where: str) -> dict[str, Any]:
    """Keys and raw values of an argument or an environment variable."""
    if isinstance(value, Mapping):
        return dict(value)
    if value is None or value is False or (isinstance(value, str) and value.strip().lower() in _OFF):
        return {"tasks": ()}
    if isinstance(value, list | tuple):
        return {"tasks": value}
    if isinstance(value, str):
        return _literal(value, where) if value.lstrip().startswith("{") else _pairs(value)
    raise UsageError(f"{where}: wanted tasks such as 'sync', or {{'tasks': 'sync'}}; there is {value!r}")


def _literal(text: str, where: str) -> dict[str, Any]:
    import ast

    try:
        return dict(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError) as error:
        raise UsageError(f"{where}: not a dictionary: {text}") from error


def _pairs(text: str) -> dict[str, Any]:
    """`sync,strict=yes` -> tasks and strict; what has no "=" belongs to the key before it."""
    values: dict[str, Any] = {}
    key = "tasks"
    for part in text.split(","):
        head, equals, tail = part.partition("=")
        if equals:
            key, part = head.strip(), tail
        values.setdefault(key, []).append(part.strip())
    return values


def converted(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keys with values of the kinds that they have in Settings and in the tasks' options.

    Raises:
        UsageError: an unknown key or an unusable value; `where` is where it stands.
    """
    unknown = [str(key) for key in raw if key not in _CONVERTERS]
    if unknown:
        raise UsageError(f"{where}: no such key: {', '.join(unknown)}; there is: {', '.join(_CONVERTERS)}")
    return {key: _CONVERTERS[key](value, f"{where}: {key}") for key, value in raw.items()}


def _many(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _one(value: Any, where: str) -> str:
    values = _many(value)
    if len(values) != 1:
        raise UsageError(f"{where}: wanted one value, there are {len(values)}: {', '.join(values)}")
    return values[0]


def _words(value: Any, where: str) -> tuple[str, ...]:
    return tuple(word for each in _many(value) for word in each.replace(",", " ").split())


def _path(value: Any, where: str) -> Any:
    from pathlib import Path

    return Path(_one(value, where)).expanduser()


def _paths(value: Any, where: str) -> tuple[Any, ...]:
    return tuple(_path(each, where) for each in _many(value))


def _reports(value: Any, where: str) -> tuple[Any, ...]:
    from otio_avassist.adapters.report import check_name

    paths = _paths(value, where)
    for path in paths:
        check_name(path)
    return paths


def _mapping(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        return tuple((str(old), str(new)) for old, new in value.items())
    pairs = [each.partition("=") for each in _many(value)]
    if not all(equals for _, equals, _ in pairs):
        raise UsageError(f"{where}: wanted OLD=NEW or {{OLD: NEW}}, there is {value!r}")
    return tuple((old, new) for old, _, new in pairs)


def _number(value: Any, where: str) -> float:
    text = _one(value, where)
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: wanted a number, there is {text!r}") from None


def _above_zero(value: Any, where: str) -> float:
    number = _number(value, where)
    if not number > 0:
        raise UsageError(f"{where}: wanted a number above 0, there is {number:g}")
    return number


def _whole(value: Any, where: str) -> int:
    number = _number(value, where)
    if number < 1 or number != round(number):
        raise UsageError(f"{where}: wanted 1, 2, 3 …, there is {number:g}")
    return round(number)


def _seed(value: Any, where: str) -> int:
    number = _number(value, where)
    if number < 0 or number != round(number):
        raise UsageError(f"{where}: wanted 0, 1, 2 …, there is {number:g}")
    return round(number)


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_many(value))


def _which(value: Any, where: str) -> str:
    text = _one(value, where)
    if text not in ("silent", "all"):
        raise UsageError(f"{where}: wanted silent or all, there is {text!r}")
    return text


def _prime(value: Any, where: str) -> Any:
    """A stretch of the timeline, or the file of a path."""
    text = _one(value, where)
    return text if is_stretch(text) else _path(text, where)


def _loudness(value: Any, where: str) -> Any:
    """A number of LUFS, or the word that lets the surroundings tell."""
    text = _one(value, where)
    if text == "auto":
        return text
    number = _number(value, where)
    if not -70 < number <= 0:
        raise UsageError(f"{where}: wanted auto, or LUFS from -70 to 0; there is {number:g}")
    return number


def _fix(value: Any, where: str) -> tuple[str, ...]:
    words = _words(value, where)
    if not set(words) <= set(_FIXES):
        raise UsageError(f"{where}: wanted some of {', '.join(_FIXES)}; there is {', '.join(words)}")
    return words


def _levels(value: Any, where: str) -> tuple[str, ...]:
    words = _words(value, where)
    if not words or not set(words) <= set(_LEVELS):
        raise UsageError(
            f"{where}: wanted some of {', '.join(_LEVELS)}; there is {', '.join(words) or 'none'}"
        )
    return words


def _on(value: Any, where: str) -> str:
    text = _one(value, where)
    if text not in ("timeline", "clip"):
        raise UsageError(f"{where}: wanted timeline or clip, there is {text!r}")
    return text


def _speech(value: Any, where: str) -> Any:
    """A word, or the file of a path."""
    text = _one(value, where)
    return text if text in _SPEECH else _path(text, where)


def _path_if_any(value: Any, where: str) -> Any:
    return None if value is None else _path(value, where)


def _yes(value: Any, where: str) -> bool:
    text = _one(value, where).lower()
    if text not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise UsageError(f"{where}: wanted true or false, there is {text!r}")
    return text in ("true", "yes", "on", "1")


def _when(value: Any, where: str) -> str:
    text = _one(value, where)
    if text not in ("read", "write"):
        raise UsageError(f"{where}: wanted read or write, there is {text!r}")
    return text


_LEVELS = ("scene", "event")
_FIXES = ("drift", "jumps")
_SPEECH = ("auto", "none")

_CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "tasks": _words,
    "when": _when,
    "base_dir": _path,
    "media_root": _paths,
    "map": _mapping,
    "bundle": _path,
    "device": _one,
    "propose": _yes,
    "detach": _yes,
    "fix": _fix,
    "min_confidence": _number,
    "max_offset": _number,
    "thorough": _yes,
    "per_minute": _above_zero,
    "levels": _levels,
    "beam": _whole,
    "on": _on,
    "speech": _speech,
    "say_speech": _yes,
    "speech_model": _path_if_any,
    "proposals": _path_if_any,
    "takes": _whole,
    "seed": _seed,
    "sound": _one,
    "library": _path,
    "which": _which,
    "track": _names,
    "clip": _names,
    "marker": _names,
    "prime": _prime,
    "loudness": _loudness,
    "sync_check": _yes,
    "foley_dir": _path,
    "report": _reports,
    "strict": _yes,
}
