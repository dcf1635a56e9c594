"""Pickled numpy arrays, as features are released -> arrays. Nothing but arrays is built, and no code is run.

A pickle may name any function and have it called. Here a few names lead to builders of our own; whatever else
a file names is refused by that name. `export.unpickling` reads checkpoints by the same builders.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from otio_avassist.errors import AvAssistError


class RefusedError(pickle.UnpicklingError):
    """Names something that isn't data."""


class ArrayError(AvAssistError):
    """A file holds no array, or more than one."""


def latin1(text: str, encoding: str) -> bytes:
    """Bytes, as old pickles spell them."""
    if encoding != "latin1":
        raise RefusedError(f"bytes as {encoding}")
    return text.encode("latin1")


class NumpyType:
    """What `numpy.dtype` becomes: a kind of numbers, of which a file may only say the order of bytes.

    The real one takes whatever a file says of sizes and places, and reads beyond its memory by them.
    """

    def __init__(self, name: Any, *_: Any) -> None:
        self.numbers = np.dtype(name if isinstance(name, str) else "O")
        if self.numbers.kind not in "biufc":
            raise RefusedError(f"numpy's {name}")

    def __setstate__(self, state: tuple) -> None:
        self.numbers = self.numbers.newbyteorder(state[1])


class NumpyArray(np.ndarray):
    """Is made empty; then a file says shape, type and numbers."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, of, in_columns, numbers = state
        super().__setstate__((version, shape, _known(of), in_columns, numbers))


def _known(of: Any) -> np.dtype:
    if not isinstance(of, NumpyType):
        raise RefusedError(f"numbers of type {of}")
    return of.numbers


def _scalar(of: Any, *number: bytes) -> Any:
    return np.frombuffer(number[0], _known(of))[0] if number else np.zeros((), _known(of))[()]


def _from_buffer(numbers: Any, of: Any, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(numbers, _known(of)).reshape(shape, order="F" if order == "F" else "C")


def _array(*_: Any) -> np.ndarray:
    return NumpyArray((0,), "b")


BUILDERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): latin1,
    ("numpy", "ndarray"): _array,
    ("numpy", "dtype"): NumpyType,
    **{
        (f"numpy.{core}.{name}", function): builder
        for core in ("core", "_core")
        for name, function, builder in (
            ("multiarray", "scalar", _scalar),
            ("multiarray", "_reconstruct", _array),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
"""What a file may name, and what is called instead; of our own, so that a file can't reach the original."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        builder = BUILDERS.get((module, name))
        if builder is None:
            raise RefusedError(f"{module}.{name}")
        # A function can be given attributes by a pickle: it gets one that is thrown away.
        return builder if isinstance(builder, type) else lambda *args: builder(*args)


def read_array(path: Path) -> np.ndarray:
    """The one array of a `.pkl`, of Python 2 or 3.

    Raises:
        ArrayError: no such file, not a pickle, or one that holds anything but an array of numbers.
    """
    try:
        with path.open("rb") as file:
            # Numpy's own way with the bytes of Python 2, which are text there.
            held = _Unpickler(file, encoding="latin1").load()
    except RefusedError as error:
        raise ArrayError(f"{path}: holds {error}, which isn't an array: refused") from error
    except OSError as error:
        raise ArrayError(f"{path}: can't be read: {error}") from error
    except Exception as error:  # a broken pickle may raise anything
        raise ArrayError(f"{path}: not a pickle: {error or type(error).__name__}") from error
    if not isinstance(held, np.ndarray):
        raise ArrayError(f"{path}: wanted an array, there is {type(held).__name__}")
    return held.view(np.ndarray)
