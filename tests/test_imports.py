"""Who may import what, read from the source and never by importing it; and files only in their rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

# A file or folder, and the packages that nothing in it may import.
FORBIDDEN = {
    "otio_avassist": {"torch", "torchaudio", "onnx", "onnxscript", "models", "export", "tests", "bench"},
    "otio_avassist/hooks": {"otio_avassist.panel", "PySide6"},
    "otio_avassist/adapters": {"otio_avassist.panel", "PySide6"},
    "otio_avassist/pipeline.py": {"otio_avassist.panel", "PySide6"},
    "otio_avassist/tasks": {"otio_avassist.panel", "PySide6", "otio_avassist.edits", "otio_avassist.tasks"},
    # Media and arrays know no timeline.
    **{
        f"otio_avassist/{name}.py": {"opentimelineio", "otio_avassist.spans"}
        for name in (
            "windows",
            "media",
            "grids",
            "features",
            "speech",
            "captioner",
            "generator",
            "library",
            "moments",
            "sounds",
            "speakers",
            "watching",
        )
    },
    **{
        f"otio_avassist/{name}.py": {"opentimelineio", "av"}
        for name in (
            "signals",
            "alignment",
            "attention",
            "course",
            "faces",
            "lips",
            "energies",
            "bundles",
            "fetch",
            "sampling",
            "laying",
            "wordpiece",
        )
    },
    # Timelines know neither media nor arrays.
    **{
        f"otio_avassist/{name}.py": {"numpy", "av", "onnxruntime"}
        for name in ("spans", "places", "marks", "traces", "edits", "review", "check", "wanted")
    },
    # Words and numbers know none of the three.
    **{
        f"otio_avassist/{name}.py": {"numpy", "av", "onnxruntime", "opentimelineio"}
        for name in (
            "catalogue",
            "errors",
            "findings",
            "pairing",
            "progress",
            "remedies",
            "timecodes",
            "urls",
            "verdicts",
            "vetting",
        )
    },
    "models": {"export", "opentimelineio", "PySide6", "onnxruntime"},
    "export": {"opentimelineio", "PySide6"},
}

# A package, and the only files of otio_avassist that may import it.
ONLY_IN = {
    "onnxruntime": ("bundles.py",),
    "PySide6": ("panel",),
    "av": ("windows.py", "media.py", "probe.py", "grids.py", "sounds.py", "demo.py", "panel/preview.py"),
    "pyqtgraph": ("panel",),
    "distributed": ("farm.py",),
}

ROOMS = {"otio_avassist", "models", "export", "tests", "bench", "docs", ".ci"}


def sources(room: str) -> list[Path]:
    """The Python files of a file or folder of the checkout; none where it isn't built yet."""
    place = CHECKOUT / room
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def imports(source: str, module: str = "", *, lazy: bool = True) -> Iterator[str]:
    """Full names of all that a source imports, wherever it does, but not what only annotations need.

    Args:
        module: the source's own full name, from which relative imports count.
        lazy: also what is imported only when a function runs.
    """
    tree = ast.parse(source)
    passed_over = {
        id(inner)
        for node in ast.walk(tree)
        if (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        or (isinstance(node, ast.FunctionDef) and not lazy)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in passed_over:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path, *, lazy: bool = True) -> list[str]:
    # A package's own `from . import x` counts from itself, a module's from its folder.
    name = module_name(path) + (".__init__" if path.name == "__init__.py" else "")
    return list(imports(path.read_text(encoding="utf-8"), name, lazy=lazy))


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_nothing_that_is_forbidden_to_it(room):
    found = [
        f"{path.relative_to(CHECKOUT)} imports {name}"
        for path in sources(room)
        for name in imports_of(path)
        for package in FORBIDDEN[room]
        if is_within(name, package) and not is_within(name, module_name(path))
    ]
    assert found == []


@pytest.mark.parametrize("room", [room for room in FORBIDDEN if room.endswith(".py")])
def test_a_module_brings_nothing_that_is_forbidden_to_it_by_way_of_another(room):
    brought = [name for path in reached_from(CHECKOUT / room) for name in imports_of(path, lazy=False)]
    assert [name for name in brought for package in FORBIDDEN[room] if is_within(name, package)] == []


def reached_from(path: Path) -> set[Path]:
    """A module of otio_avassist and all others that are imported with it."""
    modules = {module_name(each): each for each in sources("otio_avassist")}
    reached: set[Path] = set()
    waiting = [path] if path.is_file() else []
    while waiting:
        path = waiting.pop()
        reached.add(path)
        names = imports_of(path, lazy=False)
        # `from a import b`: b is a module, or a is the module that has it.
        met = {modules.get(name) or modules.get(name.rpartition(".")[0]) for name in names}
        waiting += [each for each in met - reached if each is not None]
    return reached


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_is_met_only_where_it_belongs(package):
    home = CHECKOUT / "otio_avassist"
    rooms = [home / room for room in ONLY_IN[package]]
    found = [
        str(path.relative_to(CHECKOUT))
        for path in sources("otio_avassist")
        if not any(path.is_relative_to(room) for room in rooms)
        and any(is_within(name, package) for name in imports_of(path))
    ]
    assert found == []


def test_the_package_itself_imports_nothing_when_it_is_imported():
    tree = ast.parse((CHECKOUT / "otio_avassist" / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_hooks_import_by_full_names_only():
    for path in sources("otio_avassist/hooks"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level], path


def test_python_files_stand_only_in_their_rooms():
    strays = [
        path.relative_to(CHECKOUT)
        for path in CHECKOUT.glob("*/*.py")
        if path.parent.name not in ROOMS and not (path.parent / "pyvenv.cfg").exists()
    ]
    assert strays == []
    assert list(CHECKOUT.glob("*.py")) == []


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for room in ("otio_avassist", "models", "export") for path in sources(room)}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_folders_of_tests_mirror_the_folders_of_the_code():
    folders = {path.parent.relative_to(CHECKOUT / "tests") for path in sources("tests")}
    homes = (CHECKOUT / "otio_avassist", CHECKOUT)
    assert [each for each in folders if not any((home / each).is_dir() for home in homes)] == []


def test_rational_time_lives_only_where_timelines_are_read_and_written():
    homes = {"spans.py", "places.py", "marks.py", "edits.py", "files.py", "demo.py", "check.py", "review.py"}
    found = [path for path in sources("otio_avassist") if names_in(path) & {"RationalTime", "TimeRange"}]
    assert {path.name for path in found} <= homes


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("import torch.nn as nn", ["torch.nn"], id="plain"),
        pytest.param("def f():\n    from torch import nn", ["torch.nn"], id="inside a function"),
        pytest.param("from otio_avassist import edits", ["otio_avassist.edits"], id="module of a package"),
        pytest.param("from .. import edits", ["otio_avassist.edits"], id="relative"),
        pytest.param("from . import sync", ["otio_avassist.tasks.sync"], id="sibling"),
        pytest.param("if TYPE_CHECKING:\n    import torch", [], id="annotations only"),
        pytest.param(
            "if TYPE_CHECKING:\n    pass\nelse:\n    import torch", ["torch"], id="not in the other branch"
        ),
    ],
)
def test_imports_are_read_wherever_they_stand(source, expected):
    assert list(imports(source, "otio_avassist.tasks.foley")) == expected


def test_what_a_function_imports_is_lazy():
    source = "import av\ndef f():\n    import numpy"
    assert list(imports(source)) == ["av", "numpy"]
    assert list(imports(source, lazy=False)) == ["av"]
