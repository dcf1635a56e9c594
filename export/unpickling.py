"""Released checkpoints that pickle objects beside their tensors -> tensors, numbers, strings and containers.

A pickle may name any function and have it called. Here nothing is called but what builds tensors and numpy's
numbers; an object that only carries settings becomes a `Settings` with its attributes; whatever else a file
names is refused by that name. No code of the file, nor any module that it names, is ever run.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from models import pickled
from models.checkpoints import CheckpointError
from models.pickled import RefusedError

WRAPPERS = ("module.",)
"""What is put in front of each name by training on several cards."""
NOT_WEIGHTS = ("pproc.",)
"""Of VGGish's file: the further reduction that captions don't take."""
SETTINGS = ("Config", "Namespace")
"""Classes that carry the settings of a training, whatever module has them: those end in one of these."""
OMEGACONF = "omegaconf."
"""Where classes are that keep settings with what kind each has to be of."""
_PLAIN_KINDS = ("dict", "list", "tuple", "int", "long", "float", "str", "unicode", "bool", "bytes")
KINDS = {("typing", "Any"), *(("builtins", kind) for kind in _PLAIN_KINDS)}
"""What OmegaConf calls kinds, some by their names of Python 2; here they stand for nothing."""

CALLBACKS = "pytorch_lightning.callbacks."
"""Where classes are by which Lightning calls what it remembers of early stopping and the like."""


class Settings:
    """What a pickled object of settings held: attributes (`vars`), and nothing that can be done with it."""


def _tensor(*args: Any) -> Any:
    return torch._utils._rebuild_tensor_v2(*args)


def _parameter(data: torch.Tensor, *_: Any) -> torch.Tensor:
    return data


# What a file may name, and what is called instead; of our own, so that a file can't reach the original.
_BUILDERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    ("torch", "device"): str,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("collections", "defaultdict"): lambda *_: {},
    **pickled.BUILDERS,
}
_OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class _Unpickler(pickle.Unpickler):
    """Torch's own reader of storages is laid over this one."""

    def find_class(self, module: str, name: str) -> Any:
        module = _OLD_NAMES.get(module, module)
        if (module, name) in _BUILDERS:
            builder = _BUILDERS[module, name]
            # A function can be given attributes by a pickle: it gets one that is thrown away.
            return builder if isinstance(builder, type) else lambda *args: builder(*args)
        if module == "torch" and isinstance(found := getattr(torch, name, None), torch.dtype):
            return found
        if name.endswith(SETTINGS) or module.startswith((CALLBACKS, OMEGACONF)) or (module, name) in KINDS:
            return type(name, (Settings,), {})
        raise RefusedError(f"{module}.{name}")


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


# What torch.load takes for the module `pickle`.
_PICKLE: Any = SimpleNamespace(
    __name__="export.unpickling",
    Unpickler=_Unpickler,
    load=_load,
    loads=lambda data, **options: _load(io.BytesIO(data), **options),
)


def read(path: Path) -> Any:
    """What a released checkpoint holds, on the CPU.

    Raises:
        CheckpointError: no such file, not a checkpoint, or one that names what isn't data; by its name.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") or "/code/" in name for name in archive.namelist()):
                raise CheckpointError(f"{path}: a program of TorchScript, not weights: refused")
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PICKLE)
    except RefusedError as error:
        raise CheckpointError(f"{path}: holds {error}, which isn't data: refused") from error
    except Exception as error:  # a broken pickle may raise anything
        raise CheckpointError(f"{path}: not a checkpoint: {error or type(error).__name__}") from error


def plain(held: Any) -> Any:
    """Settings as numbers, words, lists and dictionaries; those of OmegaConf are boxes within boxes.

    References such as `${data.classes}` stay words.
    """
    if isinstance(held, Settings):
        inner = vars(held)
        # A box has what it holds under one of these names, and beside it what its own kind is.
        for name in ("_content", "_val"):
            if name in inner:
                return plain(inner[name])
        return plain(inner)
    if isinstance(held, Mapping):
        return {str(name): plain(each) for name, each in held.items()}
    if isinstance(held, list | tuple):
        return [plain(each) for each in held]
    return held


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A file of weights alone, as those of I3D and VGGish are."""
    held = read(path)
    inner = held.get("state_dict", held) if isinstance(held, dict) else held
    found = weights_in(inner, path)
    return {name: weight for name, weight in found.items() if not name.startswith(NOT_WEIGHTS)}


def weights_in(held: Any, path: Path) -> dict[str, torch.Tensor]:
    """Under our names.

    Raises:
        CheckpointError: something in it isn't a weight.
    """
    if not isinstance(held, Mapping):
        raise CheckpointError(f"{path}: wanted weights by name, there is {type(held).__name__}")
    strange = [str(name) for name, weight in held.items() if not isinstance(weight, torch.Tensor)]
    if strange:
        raise CheckpointError(f"{path}: not weights: {', '.join(strange[:6])}")
    found: dict[str, torch.Tensor] = {}
    for name, weight in held.items():
        for wrapper in WRAPPERS:
            name = str(name).removeprefix(wrapper)
        if name in found:
            raise CheckpointError(
                f"{path}: {name} is there twice, with a wrapper's name in front and without"
            )
        found[name] = weight
    return found
