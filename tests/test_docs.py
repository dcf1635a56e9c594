"""What the documentation says: commands run on a small demo or are held against their parsers; links hold."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import click
import pytest

from otio_avassist import demo
from otio_avassist.__main__ import main
from tests import commands
from tests.commands import CHECKOUT, Command

DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
NAMES = [str(page.relative_to(CHECKOUT)) for page in PAGES]
SHORT_S = 4.0

NOT_RUN = {
    "review": "opens a window",
    "resolve": "puts files where an editor looks for them",
}
RUN = {"avassist", "otioconvert", "otiotool", "cd", "mkdir"}


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_is_one_that_its_program_takes(name):
    for command in commands.commands(text_of(name), name):
        commands.check(command)


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_sentences_name_what_there_is(name):
    for command in commands.said_inline(text_of(name), name):
        commands.check(command, whole=False)


@pytest.mark.parametrize("name", NAMES)
def test_options_in_sentences_are_options_of_some_command(name):
    assert commands.options_said(text_of(name)) - known_options() == set()


def known_options() -> set[str]:
    """Long options of the commands, of exports, and of benches and trainings by their sources."""
    from export.__main__ import cli as exporting
    from otio_avassist.cli import avassist

    found = {"--help", "--version"}
    waiting: list[click.Command] = [avassist, exporting]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= {each for each in (*parameter.opts, *parameter.secondary_opts) if each.startswith("--")}
    for name in ("scheduler", "worker"):
        with contextlib.suppress(ImportError):  # without the extra `farm` its page isn't known to be right
            program = import_module(f"distributed.cli.dask_{name}").main
            found |= {each for parameter in program.params for each in parameter.opts}
    for room in ("bench", "models"):
        for path in (CHECKOUT / room).rglob("*.py"):
            found |= set(re.findall(r'"(--[a-z][a-z0-9-]*)["/]', path.read_text(encoding="utf-8")))
    return found


def test_every_key_of_the_hooks_is_on_their_page():
    from otio_avassist.config import _CONVERTERS

    rows = [line.split("|")[1] for line in text_of("docs/hooks.md").splitlines() if line.startswith("|")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(_CONVERTERS)


def test_a_command_that_is_wrong_is_told():
    def told(block: str) -> None:
        for command in commands.commands(f"text\n\n    {block}\n", "page.md"):
            commands.check(command)

    told("avassist sync cut.otio -o mended.otio")
    for wrong in (
        "avassist sink cut.otio",
        "avassist sync cut.otio --outputs mended.otio",
        "avassist sync cut.otio --min-confidence 80",
        "avassist strip cut.otio",
        "AVASSIST_HOOKS=sync otiotool -i cut.otio --nowhere mended.otio",
        "python -m export imports bmt",
        "python -m bench.sounds",
        "python -m bench.sound --jsons figures.json",
        "make tests",
        'make bench-panel ARGS="--nothing"',
        "pip install 'otio-avassist[panels]'",
        "dask worker tcp://10.0.0.1:8786 --resource avassist=1",
        "openjd check",
        "avassist doctor\n    something else",
    ):
        with pytest.raises(AssertionError):
            told(wrong)


def test_drawings_and_settings_are_not_taken_for_commands():
    text = 'so:\n\n    media ──► features\n\nand\n\n    tasks = "sync"\n\n```python\nimport av\n```\n'
    assert commands.commands(text, "page.md") == []


# On a small demo.


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    """Three short shots of the demo, out of step."""
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "TAKES", short_takes())
        demo.make_demo(folder, lambda words: None)
    return folder


def short_takes() -> tuple[demo.Take, ...]:
    wanted = ("interview.mp4", "court.mov", "fog.mp4")
    return tuple(replace(take, used_s=SHORT_S) for take in demo.TAKES if take.media in wanted)


@pytest.fixture
def desk(small_demo, tmp_path, monkeypatch):
    """A folder to work in, with the demo's timeline as the pages call it."""
    shutil.copytree(small_demo, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "demo.otio", tmp_path / "cut.otio")
    (tmp_path / "show").mkdir()
    for name in ("one", "two"):
        text = (tmp_path / "demo.otio").read_text("utf-8").replace('"media/', '"../media/')
        (tmp_path / "show" / f"{name}.otio").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_a_page_run_one_after_the_other(name, desk, monkeypatch, fetched):
    told = [each for each in commands.commands(text_of(name), name) if each.program in RUN]
    if any(needs_networks(each) for each in told):
        fetched("yamnet", "efficientnet-lite0")
    monkeypatch.setattr(demo, "TAKES", short_takes())
    done = set()
    for command in told:
        if command not in done and can_run(command):
            run(command, monkeypatch)
            done.add(command)


def needs_networks(command: Command) -> bool:
    words = " ".join(command.words)
    return command.program == "avassist" and bool(re.search(r"\b(captions|foley)\b", words))


def can_run(command: Command) -> bool:
    """It needs nothing that isn't on the desk: no film of the reader's, no bundle of theirs, no network."""
    words = command.words
    if command.program in ("cd", "mkdir"):
        return True
    if words[1] in NOT_RUN or "fetch" in words or "--measure" in words:
        return False
    if any(word in ("--library", "--bundle", "--scheduler") for word in words):
        return False
    if any(word.startswith(("/", "~")) or "/Volumes" in word for word in words[1:]):
        return False
    return all(list(Path().glob(each)) for each in inputs(command))


def inputs(command: Command) -> list[str]:
    """What a command reads of files and folders, as far as it looks like one."""
    words = command.words[1:]
    written = {after for word, after in pairwise(words) if word in ("-o", "--report", "--manifest")}
    return [
        word
        for word in words
        if re.fullmatch(r"[\w./*-]+(/[\w.*-]*|\.(otio|xml|mp4|edl|csv|srt|json))", word)
        and word not in written
    ]


def run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it in this process; done, or looked and found little (3), is well."""
    words = [each for word in command.words[1:] for each in (spread(word) if "*" in word else [word])]
    if command.program == "cd":
        os.chdir(words[0])
        return
    if command.program == "mkdir":
        Path(words[-1]).mkdir(parents=True, exist_ok=True)
        return
    with monkeypatch.context() as patch:
        for variable, value in command.environment.items():
            patch.setenv(variable, value)
        patch.setattr(sys, "argv", [command.program, *words])
        if command.program == "avassist":
            patch.setenv("AVASSIST_HOOKS", "off")  # as the command itself sets it, and takes back here
            with pytest.raises(SystemExit) as end:
                main()
            assert end.value.code in (0, None, 3), command
        else:
            from opentimelineio.console import otioconvert, otiotool

            ended = {"otioconvert": otioconvert, "otiotool": otiotool}[command.program].main()
            assert not ended, command
    for word, after in pairwise(words):
        if word == "-o" and after != "-":
            assert Path(after).exists(), command


def spread(pattern: str) -> list[str]:
    return sorted(map(str, Path().glob(pattern)))


def test_python_in_pages_runs(desk):
    found = [
        "\n".join(lines)
        for name in NAMES
        for _, lines, language in commands.blocks(text_of(name))
        if language == "python"
    ]
    assert found
    for source in found:
        exec(compile(source, "<page>", "exec"), {})
    assert (desk / "mended.otio").is_file()


# The site.


def test_the_site_builds_without_a_warning(tmp_path, caplog):
    config = pytest.importorskip("mkdocs.config", reason="needs the extra `docs`")
    pytest.importorskip("material", reason="needs the extra `docs`")
    from mkdocs.commands.build import build

    settings = config.load_config(str(CHECKOUT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    settings.plugins.on_startup(command="build", dirty=False)
    build(settings)
    assert [each.message for each in caplog.records if each.levelname in ("WARNING", "ERROR")] == []
    for page in DOCS.glob("*.md"):
        assert (tmp_path / "site" / f"{page.stem}.html").is_file()


@pytest.mark.parametrize("name", [each for each in NAMES if not each.startswith("docs/")])
def test_links_of_pages_outside_the_site_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(name))
    assert [each for each in links if "://" not in each and not (CHECKOUT / each).exists()] == []


def architecture():
    """The script that draws it, as a module."""
    spec = spec_from_file_location("draw_architecture", DOCS / "draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    drawing = module_from_spec(spec)
    sys.modules["draw_architecture"] = drawing  # dataclasses look their module up
    spec.loader.exec_module(drawing)
    return drawing


def test_the_architecture_is_drawn_as_its_script_draws_it():
    drawing = architecture()
    assert drawing.PICTURE.read_text(encoding="utf-8") == drawing.draw()


def test_every_module_has_its_room_in_the_architecture():
    home = CHECKOUT / "otio_avassist"
    there = {path.stem for path in home.glob("*.py")} | {
        path.parent.name for path in home.glob("*/__init__.py")
    }
    there -= {"__init__", "__main__"}
    drawn = [name for room in architecture().ROOMS.values() for line in room.modules for name in line.split()]
    assert sorted(drawn) == sorted(there)
    rooms = [
        line.split("|")[1] for line in text_of("docs/architecture.md").splitlines() if line.startswith("|")
    ]
    assert there - set(re.findall(r"`(\w+)/?`", " ".join(rooms))) == set()
