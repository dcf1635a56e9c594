"""A folder with `card.json` and its `.onnx` graphs -> a network that can be asked.

The only file that meets onnxruntime. A graph that isn't the one its card describes is refused before it is
asked anything. What device really runs is read back from the session, never assumed. Nothing is downloaded,
and nothing here knows what a network is for.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otio_avassist import vetting
from otio_avassist.catalogue import CATALOGUE
from otio_avassist.errors import BundleError, DeviceError, UsageError, first_line

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

log = logging.getLogger(__name__)

SCHEMA = "avassist-bundle.1"
CARD = "card.json"
VARIABLE = "OTIO_AVASSIST_BUNDLES"
SHIPPED = Path(__file__).parent / "shipped"

DEVICES = {
    "CUDAExecutionProvider": "cuda",
    "CoreMLExecutionProvider": "coreml",
    "DmlExecutionProvider": "directml",
    "CPUExecutionProvider": "cpu",
}
"""Our word for each provider, best first. No TensorRT: it compiles for minutes and prints on stdout."""

_PLATFORMS = {
    "CUDAExecutionProvider": ("linux", "win32"),
    "CoreMLExecutionProvider": ("darwin",),
    "DmlExecutionProvider": ("win32",),
}
_SPIN_US = "100"
"""How long a thread that has nothing to do waits awake, in a graph of small parts."""
LENGTH = "past_length"
"""The input by which a graph is told how much it remembers."""
_FATAL = 4
"""Of onnxruntime's severities. What goes wrong is raised as well; a fallback, we report ourselves."""

LARGEST = 2 << 30
"""Bytes of a graph: no more fits into the format."""
MOST_AT_WORK = 8 << 30
"""Bytes that the networks of a process take on the CPU, weights and all; the published ones need a quarter.
A few bytes of a graph can ask for any number, and a machine without that much ends whatever it likes."""
_FOLDED = "optimization.constant_folding_max_output_size_in_bytes"
_LARGEST_FOLDED = 64 << 20
"""Bytes of a constant that is worked out in advance, while a graph is loaded: no weight has so many."""
_MOST_FOLDED = LARGEST
"""Bytes of all of them: what the largest graph could have brought along."""

VARIANTS = ("fp16", "int8")
"""Of one graph, for one device each."""


class _UnknownError(BundleError):
    """This onnxruntime can't make anything of a graph."""


Shape = tuple[int | str, ...]
"""A number where the graph fixes one, a name where it takes any."""


@dataclass(frozen=True)
class Graph:
    """One `.onnx` file of a bundle, as its card describes it."""

    file: str
    """Name inside the bundle's folder."""
    sha256: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    fp16: Graph | None = None
    """The same network in half precision, asked instead on CUDA."""
    int8: Graph | None = None
    """The same network with weights of 8 bits, asked instead on the CPU."""
    lean: bool = False
    """Memory goes back after each use instead of being kept for the next: of few large steps, much is saved
    and no time lost."""

    @classmethod
    def from_json(cls, data: Any, where: str) -> Graph:
        """Raises BundleError naming `where` and each field that is missing or unknown."""
        _check_fields(cls, data, where)
        return cls(
            file=str(data["file"]),
            sha256=str(data["sha256"]).lower(),
            inputs=_shapes(data["inputs"], f"{where}: inputs"),
            outputs=_shapes(data["outputs"], f"{where}: outputs"),
            lean=bool(data.get("lean", False)),
            **{kind: cls.from_json(data[kind], f"{where}: {kind}") for kind in VARIANTS if data.get(kind)},
        )


@dataclass(frozen=True)
class Card:
    """What `card.json` says of a bundle."""

    task: str
    network: str
    version: str
    graphs: Mapping[str, Graph]
    """By what the task calls them; a network of one graph calls it "main"."""
    preprocessing: Mapping[str, Any]
    """Numbers by which windows become inputs: fps, side, sample rate …"""
    classes: tuple[float | str, ...] = ()
    """What the last axis of the output `logits` means; for sync the offsets `audio_early_s`, ascending."""
    batch: int = 1
    """How many windows a GPU should get at once."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained and on what, with licences."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Measured on named data."""
    parity: Mapping[str, Any] = field(default_factory=dict)
    """Largest difference between PyTorch and onnxruntime, by output."""
    needs: tuple[str, ...] = ()
    """Other bundles whose outputs this one takes in, by the task of their cards: yamnet …"""

    @classmethod
    def from_json(cls, data: Any, where: str = CARD) -> Card:
        """Raises BundleError naming `where` and each field that is missing or unknown."""
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            found = data.get("schema", "no schema") if isinstance(data, Mapping) else type(data).__name__
            raise BundleError(f"{where}: wanted a card of schema {SCHEMA}, there is {found}")
        _check_fields(cls, data, where)
        for name in ("classes", "needs"):
            if not isinstance(data.get(name, []), list | tuple):
                raise BundleError(f"{where}: {name}: wanted a list, there is {data[name]!r}")
        graphs = {name: Graph.from_json(graph, f"{where}: {name}") for name, graph in data["graphs"].items()}
        card = cls(
            **{
                name: value
                for name, value in data.items()
                if name not in ("schema", "graphs", "classes", "needs")
            },
            graphs=graphs,
            classes=tuple(data.get("classes", ())),
            needs=tuple(data.get("needs", ())),
        )
        for name, graph in graphs.items():
            _check_classes(card.classes, graph, f"{where}: {name}")
        return card

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives the same card back."""
        data = asdict(self)
        # What there is none of isn't said: cards from before there were such fields stay as they are.
        graphs = [*data["graphs"].values()]
        variants = [graph[kind] for graph in graphs for kind in VARIANTS if graph[kind]]
        unsaid = [(data, "needs"), *((graph, "int8") for graph in graphs)]
        for each, name in (*unsaid, *((graph, "lean") for graph in (*graphs, *variants))):
            if not each[name]:
                del each[name]
        return {"schema": SCHEMA, **data}

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card of a bundle; raises BundleError where there is none or it isn't whole."""
        path = folder / CARD
        if not path.is_file():
            raise BundleError(f"{folder}: no bundle here: wanted a {CARD} in it")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BundleError(f"{path}: not a card: {first_line(error)}") from error
        return cls.from_json(data, str(path))

    def write(self, folder: Path) -> Path:
        """Write `card.json`; an exporter does so last, when the graphs are checked."""
        path = folder / CARD
        path.write_text(
            json.dumps(self.to_json(), indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return path


def _check_fields(kind: type[Card] | type[Graph], data: Any, where: str) -> None:
    if not isinstance(data, Mapping) or not isinstance(data.get("graphs", {}), Mapping):
        raise BundleError(f"{where}: wanted an object, with graphs by name")
    known = {each.name for each in fields(kind)}
    optional = {*VARIANTS, "lean", "classes", "batch", "training", "figures", "parity", "needs"}
    missing = sorted(known - optional - data.keys())
    unknown = sorted(data.keys() - known - {"schema"})
    if missing:
        raise BundleError(f"{where}: missing: {', '.join(missing)}")
    if unknown:
        raise BundleError(f"{where}: unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _shapes(data: Any, where: str) -> dict[str, Shape]:
    if not isinstance(data, Mapping) or not all(isinstance(shape, list | tuple) for shape in data.values()):
        raise BundleError(f'{where}: wanted names with shapes, such as {{"x": ["batch", 3]}}')
    return {name: tuple(shape) for name, shape in data.items()}


def _check_classes(classes: tuple[float | str, ...], graph: Graph, where: str) -> None:
    logits = graph.outputs.get("logits")
    if classes and logits and logits[-1] != len(classes):
        raise BundleError(f"{where}: the card has {len(classes)} classes, its graph's logits {logits[-1]}")


@dataclass(frozen=True)
class Listed:
    """One folder among the installed bundles."""

    folder: Path
    card: Card | None
    problem: str = ""
    """Why it has no card that can be read."""


def listing() -> list[Listed]:
    """Every bundle of `$OTIO_AVASSIST_BUNDLES`, of this user and of the plugin itself, in search order."""
    return [_listed(folder) for folder in _folders()]


def _listed(folder: Path) -> Listed:
    try:
        return Listed(folder, Card.read(folder))
    except BundleError as error:
        return Listed(folder, None, str(error))


def user_folder() -> Path:
    """Where this user's fetched bundles stand, by the custom of the system; it need not exist yet."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Application Support"
    else:
        home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home, "otio-avassist", "bundles")


def places() -> tuple[Path, ...]:
    """Folders in which bundles and other fetched things are looked for, in search order."""
    return (*_named(), user_folder(), SHIPPED)


def writable_folder() -> Path:
    """Where to put what is fetched: the first folder of `$OTIO_AVASSIST_BUNDLES`, else this user's."""
    return next((place for place in _named() if not (place / CARD).is_file()), user_folder())


def _named() -> list[Path]:
    return [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def _folders() -> Iterator[Path]:
    for place in places():
        if (place / CARD).is_file():
            yield place
        elif place.is_dir():
            yield from sorted(inner.parent for inner in place.glob(f"*/{CARD}"))


def find(task: str, explicit: Path | None = None) -> Path:
    """A task's bundle: `explicit`, else the first in `$OTIO_AVASSIST_BUNDLES`, fetched, or shipped.

    Raises:
        BundleError: there is none; or the explicit one isn't a bundle, or is one for another task.
    """
    if explicit is not None:
        card = Card.read(explicit)
        if card.task != task:
            raise BundleError(f"{explicit}: wanted a bundle for {task}, there is one for {card.task}")
        return explicit
    installed = listing()
    for each in installed:
        if each.card is not None and each.card.task == task:
            return each.folder
    broken = "".join(f"; {each.problem}" for each in installed if each.problem)
    raise BundleError(f"no bundle for {task} in ${VARIABLE}, {user_folder()} nor in the plugin{broken}")


def choose_providers(device: str, available: Sequence[str], platform: str) -> tuple[str, ...]:
    """The providers to ask a session for, best first; the CPU is always the last.

    Args:
        device: "auto", "cpu" or "cuda".
        available: what this onnxruntime was built with; it says nothing about the machine.
        platform: as `sys.platform`.

    Raises:
        DeviceError: CUDA is asked for and this onnxruntime was built without it.
        UsageError: no such device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no such device: {device}; there is: auto, cpu, cuda")
    cpu = "CPUExecutionProvider"
    if device == "cpu":
        return (cpu,)
    if device == "cuda":
        if "CUDAExecutionProvider" not in available:
            raise DeviceError(
                f"no CUDA: this onnxruntime was built for {', '.join(available)}; {_INSTALL_CUDA}"
            )
        return ("CUDAExecutionProvider", cpu)
    better = (name for name, platforms in _PLATFORMS.items() if platform in platforms and name in available)
    return (*better, cpu)


_INSTALL_CUDA = "with an NVIDIA card: pip install 'otio-avassist[cuda]'"


class Model:
    """A network ready to be asked, `model(vis=…, aud=…)["logits"]`, and the device that really runs."""

    def __init__(
        self,
        card: Card,
        sha256: str,
        session: onnxruntime.InferenceSession,
        *,
        bind: bool,
        lean: bool = False,
    ):
        import onnxruntime as ort

        self.card = card
        self.sha256 = sha256
        """Of the graph that runs."""
        self.device = DEVICES.get(session.get_providers()[0], session.get_providers()[0])
        """What the session got: cpu, cuda, coreml or directml."""
        self._session = session
        self._types = {each.name: _NUMPY_TYPES[each.type] for each in session.get_inputs()}
        self._bound: dict[str, Any] | None = {} if bind else None
        self._how = ort.RunOptions()
        if lean and _bounded():
            self._how.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @property
    def batch(self) -> int:
        """How many windows to hand over at once: more than one only where a GPU gains by it."""
        first = self._session.get_inputs()[0].shape[0]
        return self.card.batch if self.device != "cpu" and not isinstance(first, int) else 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """What can be asked for."""
        return tuple(each.name for each in self._session.get_outputs())

    def __call__(self, *only: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Ask the network: inputs by their names in the graph, in any float type; float32 comes back.

        Args:
            only: the outputs that are wanted; no other is brought back from the device. None named: all.
            inputs: all that the graph takes.

        Raises:
            BundleError: inputs that the graph doesn't take, outputs that it doesn't give, or the device gave
                up (out of memory).
        """
        import numpy as np

        if inputs.keys() != self._types.keys():
            raise BundleError(
                f"{self.card.network}: wanted inputs {', '.join(self._types)}, got {', '.join(inputs)}"
            )
        names = only or self.outputs
        if not set(names) <= set(self.outputs):
            raise BundleError(
                f"{self.card.network}: asked for {', '.join(names)}, there is {', '.join(self.outputs)}"
            )
        arrays = {name: np.ascontiguousarray(value, self._types[name]) for name, value in inputs.items()}
        try:
            if self._bound is None:
                outputs = self._session.run(list(names), arrays, self._how)
            else:
                outputs = self._run_bound(names, arrays)
        except Exception as error:  # onnxruntime's own have no common base
            raise BundleError(f"{self.card.network} on {self.device}: {first_line(error)}") from error
        return {
            name: value.astype(np.float32) if value.dtype == np.float16 else value
            for name, value in zip(names, outputs, strict=True)
        }

    def loop(self, batch: int, capacity: int) -> Loop:
        """Ask the network step by step: what it remembers is kept from one step to the next.

        Args:
            batch: how many sequences at once.
            capacity: how many positions the longest has.
        """
        return Loop(self, self._session, batch, capacity)

    def _run_bound(self, names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Inputs go into memory of the device kept from call to call; outputs stay there until read."""
        import onnxruntime as ort

        assert self._bound is not None
        place = self.device if self.device == "cuda" else "cpu"
        binding = self._session.io_binding()
        for name, array in arrays.items():
            kept = self._bound.get(name)
            if kept is not None and tuple(kept.shape()) == array.shape:
                kept.update_inplace(array)
            else:
                self._bound[name] = ort.OrtValue.ortvalue_from_numpy(array, place, 0)
            binding.bind_ortvalue_input(name, self._bound[name])
        for name in names:
            binding.bind_output(name, place)
        binding.synchronize_inputs()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding.copy_outputs_to_cpu()


class Loop:
    """A network that is asked step by step, `loop(codes=…)`, and what it remembers of each sequence.

    Its graph takes `past_length` (1,), how many positions are remembered, and what is: arrays `past_*`
    (batch, heads, capacity, width), each of which comes back as `present_*`. Every other input has sequences
    in its first axis and positions, perhaps none, in its second; there is one other output. On a CPU what is
    remembered stays in one place and the graph writes the new positions into it: it mustn't look at more of
    it than `past_length` and what it has written.
    """

    def __init__(self, model: Model, session: onnxruntime.InferenceSession, batch: int, capacity: int):
        import numpy as np
        import onnxruntime as ort

        self.length = 0
        """How many positions are remembered. Put back to fewer, those after them are forgotten."""
        self.capacity = capacity
        self._model, self._session = model, session
        takes = {each.name: each.shape for each in session.get_inputs()}
        past = [name for name in takes if name.startswith("past_") and name != LENGTH]
        answers = [each.name for each in session.get_outputs() if not each.name.startswith("present_")]
        if LENGTH not in takes or not past or len(answers) != 1:
            raise BundleError(
                f"{model.card.network}: wanted a graph with a past and one answer, there is "
                f"{', '.join(takes)} -> {', '.join(answers)}"
            )
        self._answer = answers[0]
        self._inputs = takes.keys() - {LENGTH, *past}
        self._past = {
            name: np.zeros((batch, takes[name][1], capacity, takes[name][3]), model._types[name])
            for name in past
        }
        self._binding: ort.IOBinding | None = None
        if model.device == "cpu":
            self._binding = session.io_binding()
            self._binding.bind_output(self._answer)
            for name, array in self._past.items():
                place = ort.OrtValue.ortvalue_from_numpy(array)
                self._binding.bind_ortvalue_input(name, place)
                self._binding.bind_ortvalue_output(_present(name), place)

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """The answer after the positions that `inputs` add, which are remembered.

        Raises:
            BundleError: inputs that the graph doesn't take, more positions than there is room for, or the
                device gave up.
        """
        import numpy as np

        model = self._model
        if inputs.keys() != self._inputs:
            raise BundleError(
                f"{model.card.network}: wanted inputs {', '.join(sorted(self._inputs))}, "
                f"got {', '.join(inputs)}"
            )
        arrays = {name: np.ascontiguousarray(value, model._types[name]) for name, value in inputs.items()}
        length = self.length + sum(array.shape[1] for array in arrays.values())
        # Beyond what was set aside lies other memory.
        if length > self.capacity:
            raise BundleError(
                f"{model.card.network}: room for {self.capacity} positions, asked to remember {length}"
            )
        arrays[LENGTH] = np.array([self.length], model._types[LENGTH])
        answer = self._ask(arrays) if self._binding is None else self._ask_in_place(arrays)
        self.length = length
        return answer

    def _ask(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        outputs = self._model(**arrays, **self._past)
        self._past = {name: outputs[_present(name)] for name in self._past}
        return outputs[self._answer]

    def _ask_in_place(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        assert self._binding is not None
        for name, array in arrays.items():
            self._binding.bind_cpu_input(name, array)
        # Anew each time: the last answer may still be looked at.
        self._binding.bind_output(self._answer)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # onnxruntime's own have no common base
            raise BundleError(f"{self._model.card.network} on cpu: {first_line(error)}") from error
        return self._binding.get_outputs()[0].numpy()


def _present(name: str) -> str:
    return name.replace("past_", "present_", 1)


_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def load(
    folder: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    graph: str = "main",
    bind: bool | None = None,
) -> Model:
    """Make a bundle's graph ready to be asked.

    Args:
        folder: a bundle.
        device: "auto" takes the best that works; "cpu"; "cuda" or nothing.
        threads: of the CPU; None: $OMP_NUM_THREADS, else as many as this process may use.
        graph: which of the card's graphs.
        bind: keep inputs and outputs in the device's own memory; None: where that is a GPU's.

    Raises:
        BundleError: the card, its graph or what it says of it is wrong; both numbers are in the message.
        DeviceError: CUDA was asked for and isn't there; the message says what is missing.
    """
    card = Card.read(folder)
    if graph not in card.graphs:
        raise BundleError(f"{folder}: wanted a graph {graph!r}, there is: {', '.join(card.graphs)}")
    providers = choose_providers(device, _available(), sys.platform)
    plain = card.graphs[graph]
    wanted = _variant(plain, providers)
    try:
        session = _session_of(folder, wanted, providers, threads)
    except _UnknownError as error:
        if wanted is plain:
            raise
        # An onnxruntime of some years may not know what the variant is made of.
        log.info("%s is asked in full: %s", card.network, error)
        wanted = plain
        session = _session_of(folder, wanted, providers, threads)
    _check_got(device, session)
    _check_session(folder / wanted.file, wanted, session)
    model = Model(
        card,
        wanted.sha256,
        session,
        bind=session.get_providers()[0] == "CUDAExecutionProvider" if bind is None else bind,
        lean=wanted.lean,
    )
    log.info("%s runs on %s%s", card.network, model.device, _fallback(providers, session.get_providers()))
    return model


def _session_of(
    folder: Path, graph: Graph, providers: Sequence[str], threads: int | None
) -> onnxruntime.InferenceSession:
    content = _vouched(folder, graph)
    name, steps = str(folder / graph.file), LENGTH in graph.inputs
    return _session(content, providers, threads, name, steps, graph.lean)


def _variant(graph: Graph, providers: Sequence[str]) -> Graph:
    """Of a graph, what suits the device that will run it."""
    if graph.fp16 is None and graph.int8 is None:
        return graph
    first = providers[0]
    # Each is slower, or doesn't run, on the other's device: one small session tells whether CUDA does.
    if first == "CUDAExecutionProvider" and not _works_on_cuda():
        first = "CPUExecutionProvider"
    suits = {"CUDAExecutionProvider": graph.fp16, "CPUExecutionProvider": graph.int8}
    return suits.get(first) or graph


class Bundle:
    """A bundle ready to be asked, graph by graph: `bundle["encode"](audio=…)`; each is loaded on first use.

    `bundle.needs["yamnet"]` is the bundle that the card calls so, found when this one was opened.
    """

    def __init__(
        self, folder: Path, card: Card, device: str, threads: int | None, needs: Mapping[str, Bundle]
    ):
        self.folder = folder
        self.card = card
        self.needs = needs
        self.asked_device = device
        """What the caller asked for."""
        self._threads = threads
        self._models: dict[str, Model] = {}

    @property
    def sha256(self) -> str:
        """Of all its graphs together: of a bundle of one graph, that graph's own."""
        hashes = [self.card.graphs[name].sha256 for name in sorted(self.card.graphs)]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    @property
    def device(self) -> str:
        """What really runs: of the graphs loaded so far, else of the first one, which is loaded then."""
        model = next(iter(self._models.values()), None) or self[next(iter(self.card.graphs))]
        return model.device

    def __contains__(self, graph: str) -> bool:
        return graph in self.card.graphs

    def __getitem__(self, graph: str) -> Model:
        """A graph by the card's name for it; raises as `load` does."""
        if graph not in self._models:
            self._models[graph] = load(
                self.folder, device=self.asked_device, threads=self._threads, graph=graph
            )
        return self._models[graph]


def open_bundle(
    folder: Path, *, device: str = "auto", threads: int | None = None, lacking: bool = False
) -> Bundle:
    """Open a bundle and those it needs; graphs are read when they are first asked for.

    Args:
        folder: a bundle.
        device: "auto" takes the best that works; "cpu"; "cuda" or nothing.
        threads: of the CPU; None: $OMP_NUM_THREADS, else as many as this process may use.
        lacking: whether it will do without those that it needs and that aren't on this machine.

    Raises:
        BundleError: no card, or a bundle that it needs isn't there; the message says how to get it.
        DeviceError: CUDA was asked for and isn't there.
    """
    card = Card.read(folder)
    needs, missing = {}, []
    for name in card.needs:
        try:
            needs[name] = open_bundle(find(name), device=device, threads=threads)
        except BundleError as error:
            missing.append(_how_to_get(name, error))
    if missing and not lacking:
        raise BundleError(
            f"{card.network} for {card.task} needs what isn't on this machine:\n"
            + "\n".join(f"  {each}" for each in missing)
        )
    check_device(device)
    return Bundle(folder, card, device, threads, needs)


def _how_to_get(name: str, error: BundleError) -> str:
    entry = CATALOGUE.get(name)
    return f"{entry.describe()}; to get it: {entry.how}" if entry else str(error)


def check_device(device: str) -> None:
    """Raises DeviceError, naming what is missing, where no network can run on the device asked for."""
    if device == "cuda":
        providers = choose_providers(device, _available(), sys.platform)
        _check_got(device, _session(IDENTITY, providers, 1, "a first try"))


def _check_got(device: str, session: onnxruntime.InferenceSession) -> None:
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceError(f"no CUDA: {missing_for_cuda() or 'onnxruntime gave no reason'}")


def _vouched(folder: Path, graph: Graph) -> bytes:
    """The bytes that the card vouches for: exactly these are run, whatever happens to the file meanwhile."""
    path = folder / graph.file
    if "\0" in graph.file or not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{folder / CARD}: {graph.file} lies outside the bundle's folder")
    try:
        if path.exists() and not path.is_file():
            raise BundleError(f"{path}: the card names this graph, but it is no file")
        if (size := path.stat().st_size) > LARGEST:
            raise BundleError(f"{path}: has {size >> 20} MB; no graph has more than {LARGEST >> 20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: the card names this graph, but: {error.strerror or error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != graph.sha256:
        raise BundleError(f"{path}: the card says sha256 {graph.sha256}, the file has {found}")
    return content


def _check_session(path: Path, graph: Graph, session: onnxruntime.InferenceSession) -> None:
    _compare(f"{path}: the card says inputs", graph.inputs, session.get_inputs())
    _compare(f"{path}: the card says outputs", graph.outputs, session.get_outputs())


def _compare(what: str, says: Mapping[str, Shape], there: Sequence[Any]) -> None:
    has = {each.name: tuple(each.shape) for each in there}
    if {name: _fixed(shape) for name, shape in says.items()} != {
        name: _fixed(shape) for name, shape in has.items()
    }:
        raise BundleError(f"{what} {_words(says)}; the graph has {_words(has)}")


def _fixed(shape: Sequence[int | str | None]) -> list[int | None]:
    """Sizes that are numbers; what the free ones are called is nobody's business."""
    return [size if isinstance(size, int) else None for size in shape]


def _words(shapes: Mapping[str, Sequence[int | str | None]]) -> str:
    return ", ".join(
        f"{name} ({', '.join(str(size or '?') for size in shape)})" for name, shape in shapes.items()
    )


def _fallback(wanted: Sequence[str], got: Sequence[str]) -> str:
    """For the log: why it isn't the device that was tried first."""
    if wanted[0] in got:
        return ""
    reason = missing_for_cuda() if wanted[0] == "CUDAExecutionProvider" else ""
    return f", not on {DEVICES[wanted[0]]}" + (f": {reason}" if reason else "")


def _available() -> list[str]:
    import onnxruntime as ort  # half a second: paid by who runs a model

    return ort.get_available_providers()


def _session(
    graph: bytes,
    providers: Sequence[str],
    threads: int | None,
    name: str,
    steps: bool = False,
    lean: bool = False,
) -> onnxruntime.InferenceSession:
    """`steps`: it will be asked many times over, a little each time; `lean`: as of `Graph`."""
    import onnxruntime as ort

    nodes = vetting.count_nodes(graph, name)
    ort.set_default_logger_severity(_FATAL)
    options = ort.SessionOptions()
    # Or what begins like onnxruntime's own format would be read as that, which nobody has looked through.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # onnxruntime counts the machine's cores and pins its threads to them; a container has fewer, and refuses.
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or _usable_cpus())
    # Spinning threads steal from the decoder: twice as slow on a busy machine, no gain on a quiet one.
    # But a step has hundreds of small parts, between which sleep would take a fifth of the time.
    if steps:
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_US)
        options.add_session_config_entry("session.force_spinning_stop", "1")
    else:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights outside the hashed file are nobody's word: onnxruntime looks for them where nothing can be.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    # What onnxruntime keeps for the next answer; where it is bounded, lean graphs give it back after each.
    options.enable_cpu_mem_arena = not lean
    if _bounded():
        options.add_session_config_entry("session.use_env_allocators", "1")
    # What is larger is worked out whenever the graph is asked, in memory that ends.
    options.add_session_config_entry(_FOLDED, str(min(_LARGEST_FOLDED, _MOST_FOLDED // max(1, nodes))))
    # DirectML refuses sessions with it; planned ahead, a lean graph takes more.
    options.enable_mem_pattern = not lean and "DmlExecutionProvider" not in providers
    with _quiet_stdout():
        if "CUDAExecutionProvider" in providers:
            ort.preload_dlls()
        try:
            session = ort.InferenceSession(graph, sess_options=options, providers=list(providers))
        except Exception as error:  # onnxruntime's own have no common base
            raise _UnknownError(f"{name}: onnxruntime can't load it: {first_line(error)}") from error
    # Or a device that gives up later would be left in silence, and `Model.device` would no longer be true.
    session.disable_fallback()
    # Kept for that fallback alone, for as long as the session lives: weights would be there twice.
    session._model_bytes = None
    return session


@functools.lru_cache(maxsize=1)
def _bounded() -> bool:
    """Let all sessions of this process share memory that ends somewhere; False where that can't be had."""
    import onnxruntime as ort

    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # Grows by what is asked for: doubling would take twice what is needed.
    bound = ort.OrtArenaCfg({"max_mem": MOST_AT_WORK, "arena_extend_strategy": 1})
    try:
        ort.create_and_register_allocator(place, bound)
    except Exception as error:  # onnxruntime's own have no common base
        log.info("networks may take all memory there is: %s", first_line(error))
        return False
    return True


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    """stdout is our result, but onnxruntime prints on it, from Python and from C: that goes to stderr."""
    try:
        kept = os.dup(1)
    except OSError:  # a window program has none
        yield
        return
    sys.stdout.flush()
    _flush_c()
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_c()
        os.dup2(kept, 1)
        os.close(kept)


def _flush_c() -> None:
    """C keeps text in a buffer of its own, which would come out after stdout is ours again."""
    library = ctypes.CDLL("ucrtbase") if sys.platform == "win32" else ctypes.CDLL(None)
    library.fflush(None)


def missing_for_cuda() -> str:
    """What keeps CUDA from running here, in words; empty where nothing is known to be missing."""
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return f"onnxruntime {ort.__version__} is a build without CUDA; {_INSTALL_CUDA}"
    windows = sys.platform == "win32"
    driver = "nvcuda.dll" if windows else "libcuda.so.1"
    if not _loads(driver):
        return f"no NVIDIA driver ({driver})"
    major = str(ort.cuda_version).partition(".")[0]
    libraries = (
        (f"cublasLt64_{major}.dll", "cudnn64_9.dll")
        if windows
        else (f"libcublasLt.so.{major}", "libcudnn.so.9")
    )
    missing = [library for library in libraries if not _loads(library)]
    return f"no {' nor '.join(missing)}; {_INSTALL_CUDA}" if missing else ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


IDENTITY = (
    b'\x08\x08:C\n\x12\n\x01x\x12\x01y"\x08Identity:\x00\x12\x01gZ\x14\n\x01x\x12\x0f\n\r\x08\x01\x12\t\n\x03\x12\x01b'
    b"\n\x02\x08\x03b\x14\n\x01y\x12\x0f\n\r\x08\x01\x12\t\n\x03\x12\x01b\n\x02\x08\x03B\x04\n\x00\x10\x11"
)
"""The smallest network, y = x with shape (b, 3), to learn what device a session gets."""


def _works_on_cuda() -> bool:
    session = _session(IDENTITY, ("CUDAExecutionProvider", "CPUExecutionProvider"), 1, "a first try")
    return session.get_providers()[0] == "CUDAExecutionProvider"


@dataclass(frozen=True)
class DeviceReport:
    """What `avassist doctor` says of onnxruntime and its devices."""

    packages: Mapping[str, str]
    """Installed distributions of onnxruntime, and their versions."""
    built_for: tuple[str, ...]
    """Providers this onnxruntime was built with, whatever the machine has."""
    device: str
    """What a session really gets with `auto`."""
    cuda_missing: str
    """Why not CUDA; empty where it runs."""
    warnings: tuple[str, ...]


def device_report() -> DeviceReport:
    """Look at the packages, then make a session and read back what it got."""
    packages = _runtime_packages()
    try:
        available = _available()
        session = _session(IDENTITY, choose_providers("auto", available, sys.platform), 1, "a first try")
    except (
        ImportError,
        AttributeError,
    ) as error:  # one wheel removed from under the other leaves an empty package
        return DeviceReport(
            packages, (), "none", "", (f"onnxruntime can't be used: {error}", *_clash(packages))
        )
    device = DEVICES.get(session.get_providers()[0], session.get_providers()[0])
    missing = "" if device == "cuda" else missing_for_cuda()
    return DeviceReport(packages, tuple(available), device, missing, _clash(packages))


def _runtime_packages() -> dict[str, str]:
    names = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _clash(packages: Mapping[str, str]) -> tuple[str, ...]:
    """Each of these wheels owns the folder `onnxruntime`: the last one installed overwrote the others."""
    if len(packages) < 2:
        return ()
    names = " and ".join(packages)
    return (f"{names} are installed over each other: uninstall them all, then install one",)
