"""Entries go where Resolve looks for them, keep what a person set, and touch nothing of others."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner

from otio_avassist.cli import avassist
from otio_avassist.errors import OutputError
from otio_avassist.resolve.installing import ENTRIES, install, installed, remove, scripts_folder


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        pytest.param("linux", {}, "home/.local/share/DaVinciResolve/Fusion/Scripts/Utility", id="Linux"),
        pytest.param(
            "darwin", {},
            "home/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts/Utility",
            id="macOS",
        ),
        pytest.param(
            "win32", {"APPDATA": "roaming"},
            "roaming/Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts/Utility", id="Windows",
        ),
        pytest.param(
            "win32", {},
            "home/AppData/Roaming/Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts/Utility",
            id="Windows without APPDATA",
        ),
    ],
)  # fmt: skip
def test_each_system_has_its_place(platform: str, environ: dict[str, str], expected: str) -> None:
    assert scripts_folder(platform, Path("home"), environ) == Path(expected)


def test_every_entry_is_a_script_that_calls_its_command(tmp_path: Path) -> None:
    paths = install(tmp_path / "Utility", tmp_path / "work")
    assert sorted(path.stem for path in paths) == sorted(ENTRIES)
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
        said = {
            ast.unparse(each.targets[0]): each.value for each in tree.body if isinstance(each, ast.Assign)
        }
        assert tuple(ast.literal_eval(said["COMMAND"])) == ENTRIES[path.stem]
        assert Path(ast.literal_eval(said["PROGRAM"])[0]).is_file()
        assert Path(ast.literal_eval(said["MENU"])).is_file()
        assert ast.literal_eval(said["OPTIONS"]) == []


def test_options_that_a_person_set_outlive_another_installation(tmp_path: Path) -> None:
    path = install(tmp_path, tmp_path / "work")[0]
    path.write_text(path.read_text().replace("OPTIONS = []", 'OPTIONS = ["--propose"]'))
    install(tmp_path, tmp_path / "elsewhere")
    assert "OPTIONS = ['--propose']" in path.read_text()
    assert "elsewhere" in path.read_text()


def test_a_broken_entry_is_written_anew(tmp_path: Path) -> None:
    path = install(tmp_path, tmp_path / "work")[0]
    path.write_text(path.read_text() + "\n(")
    install(tmp_path, tmp_path / "work")
    ast.parse(path.read_text())


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "avassist sync.py"
    theirs.write_text("print('mine')")
    with pytest.raises(OutputError, match=r"avassist sync\.py"):
        install(tmp_path, tmp_path / "work")
    assert [each.name for each in tmp_path.iterdir()] == ["avassist sync.py"]
    assert remove(tmp_path) == []
    assert theirs.read_text() == "print('mine')"


def test_removing_takes_away_ours_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, tmp_path / "work")
    (tmp_path / "other.py").write_text("")
    assert len(remove(tmp_path)) == len(ENTRIES)
    assert [each.name for each in tmp_path.iterdir()] == ["other.py"]


def test_the_command_installs_says_so_and_removes(tmp_path: Path) -> None:
    def call(*words: str) -> str:
        done = CliRunner().invoke(avassist, ["resolve", "--to", str(tmp_path), *words])
        assert done.exit_code == 0
        return done.output

    assert "--install" in call()
    assert "Workspace > Scripts" in call("--install", "--work", str(tmp_path / "work"))
    assert len(installed(tmp_path)) == len(ENTRIES)
    assert "avassist sync.py" in call()
    assert "removed" in call("--remove")
    assert installed(tmp_path) == []
