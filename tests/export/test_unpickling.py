"""Released checkpoints: their data comes out, and nothing that they name is run."""

from __future__ import annotations

import collections
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from export.__main__ import cli  # noqa: E402
from export.unpickling import Settings, read  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402

ZIP_OR_OLD = pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "before PyTorch 1.6"])


def written(path: Path, held: Any, as_zip: bool) -> Path:
    torch.save(held, path, _use_new_zipfile_serialization=as_zip)
    return path


@pytest.fixture
def settings_of_theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An object of a class that only the writer has."""
    module = types.ModuleType("utilities.config_constructor")
    module.Config = type("Config", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "utilities", types.ModuleType("utilities"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings = module.Config()
    settings.H, settings.word, settings.nothing, settings.several = 4, "glove", None, {"audio": [1, 3]}
    return settings


@ZIP_OR_OLD
def test_data_comes_out_as_it_went_in(
    tmp_path: Path, as_zip: bool, settings_of_theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = torch.nn.Linear(3, 2)
    path = written(
        tmp_path / "best.pt",
        {
            "config": settings_of_theirs,
            "weights": layer.state_dict(),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "half": torch.arange(3).half(),
            "numbers": {"METEOR": np.float64(0.1), "epoch": 3, "anchors": np.arange(3.0, dtype=np.float32)},
            "containers": [(1, "a"), {2, 3}, b"bytes", None, True],
        },
        as_zip,
    )
    monkeypatch.delitem(sys.modules, "utilities.config_constructor")
    held = read(path)
    assert isinstance(held["config"], Settings)
    assert vars(held["config"]) == {
        "H": 4,
        "word": "glove",
        "nothing": None,
        "several": {"audio": [1, 3]},
    }
    assert isinstance(held["weights"], collections.OrderedDict)
    assert torch.equal(held["weights"]["weight"], layer.weight)
    assert torch.equal(held["parameter"], torch.ones(2))
    assert held["half"].dtype == torch.float16
    assert held["numbers"]["METEOR"] == 0.1
    np.testing.assert_array_equal(held["numbers"]["anchors"], np.arange(3, dtype=np.float32))
    assert held["containers"] == [(1, "a"), {2, 3}, b"bytes", None, True]


class Calls:
    """Has something called when it is unpickled in the ordinary way."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@ZIP_OR_OLD
@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch WAS_HERE",), f"{os.name}.system"),
        (eval, ("open('WAS_HERE', 'w')",), "builtins.eval"),
        (getattr, (os, "getcwd"), "builtins.getattr"),
        (torch.load, ("WAS_HERE",), "torch.serialization.load"),
        (np.load, ("WAS_HERE",), r"numpy.*load"),
    ],
    ids=["system", "eval", "getattr", "torch.load", "numpy.load"],
)
def test_what_is_not_data_is_refused_by_name_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_zip: bool, function: Any, args: tuple, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if function is getattr:
        args = ("text", "upper")
    path = written(tmp_path / "best.pt", {"config": Calls(function, *args)}, as_zip)
    with pytest.raises(CheckpointError, match=rf"best\.pt: holds {name}, which isn't data"):
        read(path)
    assert not (tmp_path / "WAS_HERE").exists()


FILES = {
    "bmt": ("captioner",),
    "mdvc": ("checkpoint", "speech-vocabulary", "vocabulary"),
    "specvqgan": ("transformer",),
    "sparsesync": ("checkpoint",),
}


@ZIP_OR_OLD
@pytest.mark.parametrize("name", FILES)
def test_no_import_runs_what_a_checkpoint_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_zip: bool, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "best.pt", {"model": Calls(os.mkdir, "WAS_HERE")}, as_zip)
    files = [word for file in FILES[name] for word in (f"--{file}", str(path))]
    done = CliRunner().invoke(cli, ["import", name, *files, "--out", str(tmp_path / "bundle")])
    assert isinstance(done.exception, CheckpointError)
    assert f"best.pt: holds {os.name}.mkdir, which isn't data" in str(done.exception)
    assert {each.name for each in tmp_path.iterdir()} == {"best.pt"}


class Numbers:
    """An array of numpy whose type is described by the file itself."""

    def __init__(self, name: str, state: tuple, numbers: Any) -> None:
        self.type, self.numbers = Called(np.dtype, (name, False, True), state), numbers

    def __reduce__(self) -> Any:
        make = np.arange(1).__reduce__()[0]
        return make, (np.ndarray, (0,), b"b"), (1, (1,), self.type, False, self.numbers)


class Called:
    """The result of a call, with a state of its own."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


FAR = Called(np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 0))


@pytest.mark.parametrize(
    ("name", "state", "numbers"),
    [
        ("V8", (3, "|", None, ("far",), {"far": (FAR, 1 << 33)}, 8, 1, 0), bytes(8)),
        ("V8", (3, "|", None, None, None, 8, 1, 63), ["an object"]),
        ("O8", (3, "|", None, None, None, -1, -1, 63), ["an object"]),
    ],
    ids=["a field outside", "flags of objects", "objects"],
)
def test_a_numpy_type_that_would_reach_beyond_its_numbers_is_refused(
    tmp_path: Path, name: str, state: tuple, numbers: Any
) -> None:
    path = written(tmp_path / "best.pt", {"anchors": Numbers(name, state, numbers)}, True)
    with pytest.raises(CheckpointError, match=rf"holds numpy's {name}, which isn't data"):
        read(path)


def test_a_files_own_word_of_sizes_is_not_taken(tmp_path: Path) -> None:
    state = (3, ">", None, ("far",), {"far": (FAR, 1 << 33)}, 1 << 20, 1, 63)
    numbers = Numbers("f8", state, np.array(5.0, ">f8").tobytes())
    held = read(written(tmp_path / "best.pt", {"anchors": numbers}, True))
    assert held["anchors"].tolist() == [5.0]


@ZIP_OR_OLD
@pytest.mark.parametrize("place", [(0, (9,), (1,)), (8, (1,), (1,)), (-1, (1,), (1,)), (0, (2,), (8,))])
def test_a_tensor_never_reaches_beyond_its_storage(tmp_path: Path, as_zip: bool, place: tuple) -> None:
    storage = torch.ones(4).storage()
    tensor = Called(torch._utils._rebuild_tensor_v2, (storage, *place, False, collections.OrderedDict()))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read(written(tmp_path / "best.pt", {"weight": tensor}, as_zip))


def test_a_network_pickled_whole_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    path = written(tmp_path / "best.pt", torch.nn.Linear(2, 2), True)
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read(path)


def test_a_program_of_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="a program of TorchScript"):
        read(tmp_path / "best.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x02}q\x00."])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"best\.pt: not a checkpoint"):
        read(tmp_path / "best.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read(tmp_path / "best.pt")
