"""Commands as documentation gives them: found in Markdown, and held against the parsers of what they call.

Nothing is run here. A command that its own parser refuses is an AssertionError that names it.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = ("avassist", "python", "pip", "make", "otioconvert", "otiotool", "torchrun", "dask", "openjd")
ELSEWHERE = ("cd", "mkdir")
"""Other people's, and the shell's own: nothing to hold them against."""
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
WANT_TORCH = ("models.", "bench.captions", "bench.foley", "bench.sync", "bench.sparsesync")


@dataclass(frozen=True)
class Command:
    """One command of a page."""

    words: tuple[str, ...]
    page: str
    line: int
    environment: dict[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {shlex.join(self.words)}"

    @property
    def program(self) -> str:
        return re.sub(r"^python[\d.]*$", "python", self.words[0].rpartition("/")[2])


class ParsedError(Exception):
    """Raised in place of going on, once a program's parser has taken what it was given."""


def blocks(text: str) -> Iterator[tuple[int, list[str], str]]:
    """(number of the first line, lines, language) of each block of code; "" where it is only indented."""
    lines = text.splitlines()
    row = 0
    while row < len(lines):
        fence = re.match(r"\s*```+(\S*)", lines[row])
        if fence:
            end = next(at for at in range(row + 1, len(lines)) if lines[at].strip() == "```")
            yield row + 2, lines[row + 1 : end], fence[1]
            row = end + 1
        elif lines[row].startswith("    ") and (row == 0 or not lines[row - 1].strip()):
            end = row
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield row + 1, [line.strip() for line in lines[row:end]], ""
            row = end
        else:
            row += 1


def commands(text: str, page: str) -> list[Command]:
    """All commands of the blocks that begin with one; in such a block nothing else may stand."""
    found: list[Command] = []
    for first, lines, language in blocks(text):
        if language not in ("", "sh", "bash", "console"):
            continue
        told = [(first + at, line.strip()) for at, line in enumerate(lines) if line.strip()]
        told = [(number, line) for number, line in told if not line.startswith("#")]
        if not told or not _is_command(told[0][1]):
            continue
        joined: list[tuple[int, str]] = []
        for number, line in told:
            if joined and joined[-1][1].endswith("\\"):
                joined[-1] = (joined[-1][0], joined[-1][1][:-1] + line)
            else:
                joined.append((number, line))
        for number, line in joined:
            assert _is_command(line), f"{page}:{number}: not a command that is known here: {line}"
            found += [_command(part, page, number) for part in _parts(line)]
    return found


def said_inline(text: str, page: str) -> list[Command]:
    """Commands in backquotes within sentences, of which options alone can be wrong: they may be cut short."""
    found = []
    prose = re.sub(r"(?ms)^\s*```.*?^\s*```$", lambda fenced: "\n" * fenced[0].count("\n"), text)
    for number, line in enumerate(prose.splitlines(), 1):
        if line.startswith("    ") and not line.lstrip().startswith(("*", "-")):
            continue
        for code in re.findall(r"`([^`]+)`", line):
            if re.match(r"(\.venv/bin/)?(avassist|python -m|make) ", code) and "…" not in code:
                found.append(_command(shlex.split(code.split("[")[0]), page, number))
    return found


def options_said(text: str) -> set[str]:
    """Long options in backquotes, by themselves or before a value."""
    return set(re.findall(r"`(--[a-z][a-z0-9-]*)[ `=]", text))


def _is_command(line: str) -> bool:
    words = [word for word in line.split() if not re.match(r"[A-Z_]+=", word)]
    name = re.sub(r"[\d.]+$", "", words[0].rpartition("/")[2]) if words else ""
    return name in (*PROGRAMS, *ELSEWHERE)


def _parts(line: str) -> Iterator[list[str]]:
    """The words of each command of a line: `a && b`, `a | b`; without comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("&|;"):
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words


def _command(words: Sequence[str], page: str, line: int) -> Command:
    environment = {}
    words = list(words)
    while words and (set_ := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
        environment[set_[1]] = set_[2]
        words.pop(0)
    return Command(tuple(words), page, line, environment)


# What a command calls, and whether that would take it.


def check(command: Command, *, whole: bool = True) -> None:
    """Hold a command against the parser of what it calls.

    Args:
        whole: it has to have all that it needs, too; else it may be cut short.
    """
    arguments = list(command.words[1:])
    match command.program:
        case "avassist":
            from otio_avassist.cli import avassist

            _check_click(avassist, arguments, command, whole=whole)
        case "python" | "torchrun":
            _check_python(arguments, command, whole=whole)
        case "make":
            _check_make(arguments, command)
        case "pip":
            _check_pip(arguments, command)
        case "dask":
            _check_dask(arguments, command)
        case "openjd":
            pytest.importorskip("openjd.cli", reason="needs the extra `dev`")
            _check_argparse("openjd.cli._create_argparser", arguments, command)
        case "otioconvert" | "otiotool":
            if whole:
                _check_argparse(f"opentimelineio.console.{command.program}", arguments, command)
        case other:
            assert other in ELSEWHERE, f"{command}: nothing is known of {other}"


def _check_click(found: click.Command, arguments: list[str], command: Command, *, whole: bool) -> None:
    context = click.Context(found, info_name=found.name)
    while isinstance(found, click.Group):
        if not arguments or arguments[0].startswith("-"):
            assert not whole or arguments, f"{command}: which command?"
            break
        name = arguments.pop(0)
        names = name.split("|")
        for each in names:
            assert found.get_command(context, each) is not None, f"{command}: there is no {each}"
        below = found.get_command(context, names[0])
        assert below is not None
        found, context = below, click.Context(below, info_name=name, parent=context)
    if "--help" in arguments:
        return
    try:
        values, _, _ = found.make_parser(context).parse_args(list(arguments))
    except click.UsageError as error:
        if not whole and isinstance(error, click.BadOptionUsage):
            return  # an option without its value
        raise AssertionError(f"{command}: {error.format_message()}") from error
    for parameter in found.params:
        value = values.get(parameter.name or "")
        is_missing = value is None or value == () or value is click.core.UNSET  # type: ignore[attr-defined]
        assert not (whole and parameter.required and is_missing), f"{command}: {parameter.name} is missing"
        if not is_missing and whole and not isinstance(parameter.type, click.Path | click.File):
            try:
                parameter.type_cast_value(context, value)
            except click.UsageError as error:
                raise AssertionError(f"{command}: {error.format_message()}") from error


def _check_python(arguments: list[str], command: Command, *, whole: bool) -> None:
    while arguments and arguments[0].startswith("-") and arguments[0] != "-m":
        arguments = arguments[2:]  # torchrun's own
    if arguments[:1] != ["-m"]:
        assert (CHECKOUT / arguments[0]).is_file(), f"{command}: there is no such file"
        return
    name, rest = arguments[1], arguments[2:]
    if name in ("venv", "pip", "pytest"):
        return
    assert _source(name) is not None, f"{command}: there is no module {name}"
    if name.startswith(WANT_TORCH):
        pytest.importorskip("torch", reason="needs the extra `train`")
    module = importlib.import_module(_module(name))
    below = getattr(module, "cli", None) or getattr(module, "main", None)
    if isinstance(below, click.Command):
        _check_click(below, rest, command, whole=whole)
    elif whole or rest:
        _check_argparse(_module(name), rest, command)


def _source(name: str) -> Path | None:
    place = CHECKOUT.joinpath(*name.split("."))
    places = (place.with_suffix(".py"), place / "__main__.py")
    return next((each for each in places if each.is_file()), None)


def _module(name: str) -> str:
    return f"{name}.__main__" if CHECKOUT.joinpath(*name.split("."), "__main__.py").is_file() else name


def _check_argparse(name: str, arguments: list[str], command: Command) -> None:
    """Let a program parse, and stop it when it has."""
    module = importlib.import_module(name)
    real = argparse.ArgumentParser.parse_args

    def parse_args(parser, args=None, namespace=None):
        real(parser, args, namespace)
        raise ParsedError

    said: list[str] = []
    ended = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        patch.setattr(
            argparse.ArgumentParser, "error", lambda parser, words: said.append(words) or sys.exit(2)
        )
        patch.setattr(sys, "argv", [name, *arguments])
        try:
            module.main()
        except ParsedError:
            return
        except SystemExit as end:
            ended = end.code
    assert not said, f"{command}: {' '.join(said)}"
    # --help ends with 0; what goes on without having read its arguments ends here, too.
    assert ended == 0, f"{command}: it read no arguments"


def _check_make(arguments: list[str], command: Command) -> None:
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    targets = [word for word in arguments if "=" not in word]
    for target in targets:
        stamp = re.search(
            rf"(?m)^([A-Z]+) = \$\(VENV\)/{re.escape(target.removeprefix('.venv/'))}$", MAKEFILE
        )
        rule = f"$({stamp[1]})" if stamp else target
        recipe = re.search(rf"(?m)^{re.escape(rule)}:.*\n((?:\t.*\n)*)", MAKEFILE)
        assert recipe, f"{command}: the Makefile has no {target}"
        called = re.findall(r"(?m)\$\(BIN\)/(.*\$\(ARGS\).*)$", recipe[1])
        if given.get("ARGS"):
            assert called, f"{command}: {target} takes no ARGS"
            words = shlex.split(called[0].replace("$(ARGS)", given["ARGS"]))
            check(Command(tuple(words), command.page, command.line))


def _check_dask(arguments: list[str], command: Command) -> None:
    """Its commands hand on what they don't know; so its options are looked for by their names."""
    pytest.importorskip("distributed", reason="needs the extra `farm`")
    assert arguments[0] in ("scheduler", "worker"), f"{command}: which command?"
    below = importlib.import_module(f"distributed.cli.dask_{arguments[0]}").main
    known = {name for each in below.params for name in (*each.opts, *each.secondary_opts)}
    unknown = {each.partition("=")[0] for each in arguments if each.startswith("--")} - known
    assert not unknown, f"{command}: there is no {', '.join(sorted(unknown))}"


def _check_pip(arguments: list[str], command: Command) -> None:
    assert arguments[0] == "install", command
    for wanted in arguments[1:]:
        extras = re.search(r"\[(.*)\]", wanted)
        for extra in extras[1].split(",") if extras else ():
            assert extra in EXTRAS, f"{command}: there is no extra {extra}"
