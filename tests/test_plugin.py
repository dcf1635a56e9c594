"""The plugin as OpenTimelineIO finds it: in a checkout, in a wheel, by the environment, and never twice."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import plugin

CHECKOUT = Path(__file__).resolve().parent.parent

SEEN = """
import json, opentimelineio as otio
active = otio.plugins.ActiveManifest()
scripts = [(script.name, script.module_abs_path()) for script in active.hook_scripts]
print(json.dumps({
    "scripts": [each for each in scripts if each[0].startswith("avassist_")],
    "hooks": {name: list(hooks) for name, hooks in active.hooks.items() if "avassist_assist" in list(hooks)},
}))
"""

NAMES = ["avassist_assist", "avassist_captions", "avassist_foley", "avassist_sync"]
TRIGGERS = {"post_adapter_read": ["avassist_assist"], "pre_adapter_write": ["avassist_assist"]}


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what would steer the plugin."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AVASSIST_", "OTIO_"))}
    return clean | {"OTIO_AVASSIST_CACHE": "off"} | changes


def seen(**variables: str) -> dict:
    """The hooks that OpenTimelineIO knows in a process of its own."""
    done = python(SEEN, **variables)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def python(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program where the checkout isn't the working directory, which Python would import from first."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**variables),
        cwd=Path(sys.executable).parent,
        capture_output=True,
        text=True,
        check=True,
    )


def assert_once(what: dict, folder: Path) -> None:
    """Each hook once, its file in `folder`, and each trigger fires once."""
    assert [name for name, _ in what["scripts"]] == NAMES
    for _, path in what["scripts"]:
        assert Path(path).is_file()
        assert Path(path).parent.samefile(folder / "otio_avassist" / "hooks")
    assert what["hooks"] == TRIGGERS


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The project as a wheel leaves it in site-packages, with what finds its entry point."""
    folder = tmp_path_factory.mktemp("wheel")
    # Without hatchling at hand, pip fetches it.
    at_hand = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        *at_hand,
        "-w",
        str(folder),
        str(CHECKOUT),
    ]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1]}")
    (built,) = folder.glob("*.whl")
    site = folder / "site"
    zipfile.ZipFile(built).extractall(site)
    return site


def test_a_checkout_is_found_by_its_entry_point():
    assert_once(seen(), CHECKOUT)


def test_a_wheel_is_found_by_its_entry_point(wheel):
    assert (wheel / "otio_avassist" / "plugin_manifest.json").is_file()
    assert_once(seen(PYTHONPATH=str(wheel)), wheel)


def test_a_wheel_holds_neither_training_nor_tests(wheel):
    assert {each.name for each in wheel.iterdir() if not each.name.endswith(".dist-info")} == {
        "otio_avassist"
    }


def test_the_manifest_is_found_by_the_environment_alone():
    assert_once(
        seen(
            OTIO_PLUGIN_MANIFEST_PATH=str(CHECKOUT / "plugin_manifest.json"),
            OTIO_DISABLE_ENTRYPOINTS_PLUGINS="1",
        ),
        CHECKOUT,
    )


def test_environment_and_entry_point_together_run_nothing_twice(tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(CHECKOUT / "plugin_manifest.json")
    absolute = tmp_path / "absolute.json"
    absolute.write_text(plugin.absolute_manifest())
    for manifest in (
        CHECKOUT / "plugin_manifest.json",
        CHECKOUT / "docs" / ".." / "plugin_manifest.json",
        absolute,
    ):
        assert_once(seen(OTIO_PLUGIN_MANIFEST_PATH=str(manifest)), CHECKOUT)


def test_an_absolute_manifest_works_from_anywhere_even_for_a_wheel(wheel, tmp_path):
    program = "from otio_avassist import plugin; print(plugin.absolute_manifest())"
    manifest = tmp_path / "anywhere.json"
    manifest.write_text(python(program, PYTHONPATH=str(wheel)).stdout)
    assert_once(seen(OTIO_PLUGIN_MANIFEST_PATH=str(manifest), PYTHONPATH=str(wheel)), wheel)


def test_naming_the_copy_inside_the_wheel_is_a_problem_with_a_remedy(wheel):
    program = "from otio_avassist import plugin; print(*plugin.problems(), sep='\\n')"
    named = str(wheel / "otio_avassist" / "plugin_manifest.json")
    done = python(program, PYTHONPATH=str(wheel), OTIO_PLUGIN_MANIFEST_PATH=named)
    assert "avassist_assist: no file" in done.stdout
    assert "avassist doctor --manifest FILE" in done.stdout


def test_a_users_own_manifest_that_only_attaches_a_hook_leaves_ours_in_place(tmp_path):
    own = tmp_path / "own.json"
    own.write_text(
        json.dumps({"OTIO_SCHEMA": "PluginManifest.1", "hooks": {"pre_adapter_write": ["avassist_sync"]}})
    )
    what = seen(OTIO_PLUGIN_MANIFEST_PATH=str(own))
    assert [name for name, _ in what["scripts"]] == NAMES
    assert what["hooks"]["pre_adapter_write"] == ["avassist_sync", "avassist_assist"]


def test_nothing_is_the_matter_with_this_checkout(monkeypatch):
    monkeypatch.delenv("OTIO_DISABLE_ENTRYPOINTS_PLUGINS", raising=False)
    assert plugin.problems() == []


def test_disabled_entry_points_are_a_problem_with_a_remedy(monkeypatch):
    monkeypatch.setenv("OTIO_DISABLE_ENTRYPOINTS_PLUGINS", "0")
    (problem,) = plugin.problems()
    assert "OTIO_DISABLE_ENTRYPOINTS_PLUGINS is set" in problem


def test_otiopluginfo_shows_the_hooks_and_how_to_ask_for_them():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("otiopluginfo"))],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "avassist_assist" in done.stdout
    assert all(name in done.stdout for name in NAMES)
    assert "caller asks for" in done.stdout


def test_every_registered_hook_has_a_file_and_every_attached_one_is_registered():
    data = json.loads((CHECKOUT / "plugin_manifest.json").read_text())
    names = {script["name"] for script in data["hook_scripts"]}
    assert all((CHECKOUT / script["filepath"]).is_file() for script in data["hook_scripts"])
    assert {name for hooks in data["hooks"].values() for name in hooks} <= names
    assert data["hooks"].keys() <= set(otio.hooks.names())
