"""Networks that aren't what their card says, or that would do harm: each is refused by name.

The graphs are written by hand, byte by byte, so that no package is needed that would refuse to make them.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.torture.outcome import Asked, Outcome
from bench.torture.watched import CHECKOUT, Watched

TEN_GB = 10 << 30
FLOATS_OF_TEN_GB = TEN_GB // 4
GROWING = "grows-when-asked"
"""Nothing is wrong with it until it is asked, which a check doesn't do: loading mustn't take the memory."""
ENOUGH_MB = 1500.0
"""Memory that a process has after such a check."""


def run(asked: Asked) -> Outcome:
    """Have the command check one after the other."""
    (asked.folder / "work").mkdir()
    cases = list(_cases(asked.folder))[: asked.count]
    outcome = Outcome("bundles", len(cases))
    with Watched(asked.folder / "work") as command:
        for number, (name, make, naming) in asked.in_time(list(enumerate(cases))):
            if asked.case not in (None, number):
                continue
            folder = asked.folder / name
            folder.mkdir()
            make(folder)
            ended = command.run("bundles", "check", folder)
            if name == GROWING:
                grown = f"takes {ended.rss_mb:.0f} MB" if ended.rss_mb > ENOUGH_MB else ""
                outcome.judge(f"case {number} ({name})", ended.trouble((0, 1)) or grown)
                continue
            refused = f"{ended.said}{ended.printed}"
            trouble = ended.trouble((0, 1) if ended.code == 1 else (1,)) if ended.reason else _quietly(ended)
            if not trouble and (name not in refused or naming not in refused):
                trouble = f"doesn't name {name} and {naming!r}: {refused[-300:]}"
            outcome.judge(f"case {number} ({name})", trouble)
            outcome.count("refused by name" if not trouble else "let pass, or not named")
            if (asked.folder / "touched").exists():
                outcome.failed.append(f"{name}: ran code of the bundle")
    if asked.case is None and asked.count is None:
        outcome.wanted += 1
        outcome.judge("a pickle as a checkpoint", _imported(asked.folder))
    return outcome


def _imported(around: Path) -> str:
    """What is wrong with the refusal of a checkpoint that has a function called; importing wants PyTorch."""
    checkpoint = around / "released.pt"
    checkpoint.write_bytes(pickle.dumps({"model": _Touch(around / "touched")}))
    words = ["import", "sparsesync", "--checkpoint", str(checkpoint), "--out", str(around / "imported")]
    done = subprocess.run(
        [sys.executable, "-m", "export", *words], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    if "No module named 'torch'" in done.stderr:
        return ""
    if (around / "touched").exists() or (around / "imported").exists():
        return "was run, or imported"
    if done.returncode != 1 or f"{checkpoint}: holds {os.name}.mkdir" not in done.stderr:
        return f"isn't refused by its name and that of the function: {done.stderr[-300:]}"
    return ""


def _quietly(ended: Any) -> str:
    """What is wrong with an end whose reason stands on stdout, where the list of bundles is."""
    if ended.how != "ended" or ended.traceback:
        return str(ended.trouble((1,)))
    return "" if ended.code == 1 else f"let pass, ended with {ended.code}"


Case = tuple[str, Callable[[Path], object], str]
"""A name, what makes the bundle, and what its refusal must say besides."""


def _cases(around: Path) -> Iterator[Case]:
    same = _graph([_node("Identity", ["x"], ["logits"])])
    yield "wrong-hash", lambda folder: _bundle(folder, same, sha256="0" * 64), "sha256"
    yield "outside", lambda folder: _outside(folder, same), "outside"
    yield "another-shape", lambda folder: _bundle(folder, same, outputs={"logits": [1, 5]}), "outputs"
    yield "another-class-count", lambda folder: _bundle(folder, same, classes=[0.0, 1.0]), "classes"
    yield "external-data", lambda folder: _external(folder, around), "load"
    yield (
        "custom-op",
        lambda folder: _bundle(folder, _graph([_node("Evil", ["x"], ["logits"], "evil.org")])),
        "load",
    )
    yield "sparse-10-gb", _sparse, "MB"
    yield GROWING, lambda folder: _bundle(folder, _growing()), ""
    yield "pickle", lambda folder: _bundle(folder, _pickled(around)), "ONNX"
    yield "nothing", lambda folder: _bundle(folder, b""), "load"
    yield "noise", lambda folder: _bundle(folder, bytes(range(256)) * 40), "ONNX"
    yield "cut", lambda folder: _bundle(folder, same[:-9]), "ONNX"
    yield "no-card", lambda folder: None, "card.json"
    yield "card-is-noise", lambda folder: (folder / "card.json").write_bytes(bytes(range(256))), "card"
    yield "card-is-deep", lambda folder: (folder / "card.json").write_text("[" * 100_000), "card"
    yield "card-is-a-list", lambda folder: (folder / "card.json").write_text("[]"), "card"
    yield "card-has-numbers", lambda folder: _card(folder, graphs={"main": 7}), "card"
    yield "card-has-no-graph", lambda folder: _card(folder, graphs=None), "card"
    yield "card-is-a-pipe", lambda folder: os.mkfifo(folder / "card.json"), "card"
    yield "graph-is-a-pipe", _piped, "main.onnx"


def _card(folder: Path, **changes: Any) -> None:
    card = {
        "schema": "avassist-bundle.1", "task": "sync", "network": "hostile", "version": "1",
        "preprocessing": {}, "graphs": {}, **changes,
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


def _bundle(
    folder: Path,
    graph: bytes,
    *,
    sha256: str = "",
    file: str = "main.onnx",
    outputs: Any = None,
    classes: Any = (),
) -> None:
    """A card and the graph that it is of."""
    (folder / file).write_bytes(graph)
    main = {
        "file": file, "sha256": sha256 or hashlib.sha256(graph).hexdigest(), "inputs": {"x": [1, 4]},
        "outputs": outputs or {"logits": [1, 4]},
    }  # fmt: skip
    _card(folder, graphs={"main": main}, classes=list(classes))


def _outside(folder: Path, graph: bytes) -> None:
    _bundle(folder, graph)
    (folder / "main.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "main.onnx").symlink_to(folder.parent / "elsewhere.onnx")


def _external(folder: Path, around: Path) -> None:
    """Weights in a file outside of the bundle."""
    (around / "weights.bin").write_bytes(bytes(16))
    where = b"".join(
        _field(13, _field(1, key) + _field(2, value))
        for key, value in ((b"location", b"../weights.bin"), (b"offset", b"0"), (b"length", b"16"))
    )
    weights = _field(8, b"w") + _number(1, 1) + _number(1, 4) + _number(2, 1) + where + _number(14, 1)
    _bundle(folder, _graph([_node("Add", ["x", "w"], ["logits"])], _field(5, weights)))


def _sparse(folder: Path) -> None:
    _bundle(folder, b"x")
    with (folder / "main.onnx").open("wb") as file:
        file.truncate(TEN_GB)


def _piped(folder: Path) -> None:
    _bundle(folder, b"x")
    (folder / "main.onnx").unlink()
    os.mkfifo(folder / "main.onnx")


def _growing() -> bytes:
    """A few bytes that ask for ten gigabytes as soon as constants are worked out."""
    size = _field(8, b"n") + _number(1, 1) + _number(2, 7) + _field(9, FLOATS_OF_TEN_GB.to_bytes(8, "little"))
    nodes = [
        _node("ConstantOfShape", ["n"], ["zeros"]),
        _node("ReduceSum", ["zeros"], ["none"]),
        _node("Add", ["x", "none"], ["logits"]),
    ]
    return _graph(nodes, _field(5, size))


class _Touch:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def _pickled(around: Path) -> bytes:
    return pickle.dumps(_Touch(around / "touched"))


# Protocol buffers, by hand: a field is its number and kind, then its length and bytes, or a number.


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _node(op: str, takes: list[str], gives: list[str], domain: str = "") -> bytes:
    names = [_field(1, each.encode()) for each in takes] + [_field(2, each.encode()) for each in gives]
    return _field(1, b"".join(names) + _field(4, op.encode()) + _field(7, domain.encode()))


def _value(name: str) -> bytes:
    """A tensor of floats, 1 by 4."""
    shape = b"".join(_field(1, _number(1, size)) for size in (1, 4))
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))


def _graph(nodes: list[bytes], more: bytes = b"") -> bytes:
    graph = b"".join(nodes) + _field(2, b"g") + more + _field(11, _value("x")) + _field(12, _value("logits"))
    sets = [
        _field(8, _field(1, domain) + _number(2, version))
        for domain, version in ((b"", 13), (b"evil.org", 1))
    ]
    return _number(1, 8) + _field(7, graph) + b"".join(sets)
