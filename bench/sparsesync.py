"""SparseSync of the published size on the CPU: seconds and memory by the plugin's road, against PyTorch.

    python -m bench.sparsesync [--rounds 3] [--threads N] [--json FILE]

Weights are seeded, and come in as released ones do. Each way is asked in a process of its own, in turn, so
that a busy machine slows all; of several rounds the quickest counts. Logits are held against PyTorch's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
FASTER_GOAL, APART_GOAL, LESS_GOAL = 2.3, 1e-3, 0.5
ASKED = 2
"""Times that each process asks, after a first one."""
PYTORCH, PLUGIN, WHOLE, EIGHT = "PyTorch", "plugin", "plugin, whole", "plugin, 8 bits"
WAYS = {
    PYTORCH: "eager, as trained",
    WHOLE: "onnxruntime, the graph as other sync networks are exported",
    PLUGIN: "onnxruntime, as imported: in pieces, and memory given back",
    EIGHT: "the same with convolutions in 8 bits (--int8)",
}


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.make:
        make(asked.make)
        return 0
    if asked.ask:
        print(json.dumps(ask(asked.ask, asked.folder, asked.threads)))
        return 0
    if importlib.util.find_spec("torch") is None:
        print("not measured: PyTorch isn't here, which the network is compared with (pip: the extra train)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _run(["--make", folder], asked.threads)
        figures = measure(Path(folder), asked.rounds, asked.threads)
    figures |= {"threads": asked.threads, "load_average": os.getloadavg()}
    print(table(figures))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if missed(figures) else 0


def make(folder: Path) -> None:
    """Seeded weights in a released file, and the bundles of them."""
    import torch

    from export.sparsesync import import_sparsesync
    from export.sync import write_bundle
    from models.sync.config import SyncConfig
    from models.sync.sparsesync import SparseSync
    from otio_avassist.bundles import Card

    network = seeded(SyncConfig().network)
    torch.save({"args": {}, "model": network.state_dict()}, folder / "released.pt")
    words: dict[str, Any] = {"network": "SparseSync", "version": "seeded", "training": {}, "figures": {}}
    whole = SparseSync(SyncConfig().network).eval()
    whole.load_state_dict(network.state_dict())
    write_bundle(whole, SyncConfig(), words, folder / WHOLE, batch=1, sizes=(1,))
    card = import_sparsesync(folder / "released.pt", folder / EIGHT, int8=True).card
    # Where there are 8 bits the CPU is asked those.
    (folder / PLUGIN).mkdir()
    main_graph = card.graphs["main"]
    os.link(folder / EIGHT / main_graph.file, folder / PLUGIN / main_graph.file)
    plain: Card = replace(card, graphs={"main": replace(main_graph, int8=None)})
    plain.write(folder / PLUGIN)


def seeded(config: Any) -> Any:
    """A network of drawn weights, with norms that count."""
    import torch

    from models.sync.sparsesync import SparseSync

    torch.manual_seed(0)
    network = SparseSync(config).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            assert module.running_var is not None
            assert module.running_mean is not None
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
    return network


def ask(way: str, folder: Path, threads: int) -> dict[str, Any]:
    """In a process of its own: seconds of the quickest answer, the most memory, and the logits."""
    draw = np.random.default_rng(0)
    inputs = {
        "vis": draw.standard_normal((1, 125, 3, 224, 224), np.float32),
        "aud": draw.standard_normal((1, 1, 257, 626), np.float32),
    }
    answer = _pytorch(folder, threads) if way == PYTORCH else _bundle(folder / way, threads)
    logits = answer(inputs)
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        answer(inputs)
        took.append(time.perf_counter() - began)
    # In KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return {"seconds": min(took), "peak_mb": peak, "logits": logits.ravel().tolist()}


def _pytorch(folder: Path, threads: int) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    import torch

    from models.sync.config import NetworkConfig
    from models.sync.sparsesync import SparseSync

    torch.set_num_threads(threads)
    network = SparseSync(NetworkConfig()).eval()
    network.load_state_dict(torch.load(folder / "released.pt", weights_only=True)["model"])

    def answer(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return network(*map(torch.from_numpy, inputs.values())).numpy()

    return answer


def _bundle(folder: Path, threads: int) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    from otio_avassist import bundles

    model = bundles.load(folder, device="cpu", threads=threads)
    return lambda inputs: model("logits", **inputs)["logits"]


def measure(folder: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Figures by way: the quickest and the most of all rounds, and how far logits are from PyTorch's."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            print(f"round {number + 1} of {rounds}: {way}", file=sys.stderr, flush=True)
            found[way].append(json.loads(_run(["--ask", way, "--folder", str(folder)], threads)))
    theirs = np.array(found[PYTORCH][0]["logits"])
    ways = {
        way: {
            "seconds": min(each["seconds"] for each in said),
            "peak_mb": max(each["peak_mb"] for each in said),
            "apart": float(np.abs(np.array(said[0]["logits"]) - theirs).max()),
            "megabytes": sum(path.stat().st_size for path in (folder / way).glob("*.onnx")) / 1e6,
        }
        for way, said in found.items()
    }
    ways[EIGHT]["megabytes"] -= ways[PLUGIN]["megabytes"]
    return {
        "ways": ways,
        "reach": float(np.abs(theirs).max()),
        "faster": ways[PYTORCH]["seconds"] / ways[PLUGIN]["seconds"],
        "memory": ways[PLUGIN]["peak_mb"] / ways[PYTORCH]["peak_mb"],
    }


def missed(figures: dict[str, Any]) -> bool:
    """Whether the plugin is too slow, too large or too far off."""
    apart = figures["ways"][PLUGIN]["apart"]
    return figures["faster"] < FASTER_GOAL or figures["memory"] > LESS_GOAL or not apart <= APART_GOAL


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'':16} {'a window':>9} {'memory':>9} {'logits apart':>13}"]
    for way, each in figures["ways"].items():
        lines.append(
            f"{way:16} {each['seconds']:7.2f} s {each['peak_mb']:6.0f} MB {each['apart']:13.2g}   {WAYS[way]}"
        )
    lines.append(
        f"{figures['faster']:.2f} times as fast as PyTorch (goal {FASTER_GOAL}), "
        f"{figures['memory']:.2f} of its memory (goal {LESS_GOAL}); logits reach {figures['reach']:.2g} "
        f"(goal apart {APART_GOAL}); {figures['threads']} threads"
    )
    return "\n".join(lines)


def _run(words: list[str], threads: int) -> str:
    command = [sys.executable, "-m", "bench.sparsesync", "--threads", str(threads), *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    return done.stdout


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.sparsesync",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="of all ways; default: 3")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    # What the processes of their own are told.
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ask", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
