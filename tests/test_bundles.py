"""Bundles: what a card must say, what is refused, and which device really runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from otio_avassist import bundles
from otio_avassist.errors import BundleError, DeviceError, UsageError

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

DOUBLE = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 3] logits) { logits = Add(x, x) }
"""


def make_bundle(
    folder: Path, text: str = DOUBLE, *, fp16: str | None = None, int8: str | None = None, **changes
) -> Path:
    """A bundle around a graph written as text, whose card is right unless `changes` say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    half = write_graph(folder / "half.onnx", fp16) if fp16 else None
    eight = write_graph(folder / "eight.onnx", int8.replace("Add(x, x)", "Sum(x, x)")) if int8 else None
    graph = dataclasses.replace(write_graph(folder / "double.onnx", text), fp16=half, int8=eight)
    card = bundles.Card(
        task="sync",
        network="doubler",
        version="1",
        graphs={"main": graph},
        preprocessing={"fps": 25},
        classes=(-1.0, 0.0, 1.0),
        batch=4,
    )
    dataclasses.replace(card, **changes).write(folder)
    return folder


def write_graph(path: Path, text: str) -> bundles.Graph:
    model = onnx.parser.parse_model(text)
    path.write_bytes(model.SerializeToString())
    shapes = [
        {value.name: shape_of(value) for value in values}
        for values in (model.graph.input, model.graph.output)
    ]
    return bundles.Graph(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), *shapes)


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim)


def card_json(folder: Path) -> dict:
    return json.loads((folder / "card.json").read_text())


def rewrite(folder: Path, change) -> Path:
    data = card_json(folder)
    change(data)
    (folder / "card.json").write_text(json.dumps(data))
    return folder


def test_a_card_comes_back_from_json_as_it_was(tmp_path):
    card = bundles.Card.read(make_bundle(tmp_path, fp16=DOUBLE))
    assert bundles.Card.from_json(json.loads(json.dumps(card.to_json()))) == card
    assert card.graphs["main"].fp16 is not None
    assert card.classes == (-1.0, 0.0, 1.0)


def test_every_missing_field_of_a_card_is_named(tmp_path):
    folder = make_bundle(tmp_path)
    rewrite(folder, lambda data: (data.pop("task"), data.pop("preprocessing")))
    with pytest.raises(BundleError, match=r"card\.json: missing: preprocessing, task"):
        bundles.Card.read(folder)


def test_a_missing_field_of_a_graph_is_named(tmp_path):
    folder = rewrite(make_bundle(tmp_path), lambda data: data["graphs"]["main"].pop("sha256"))
    with pytest.raises(BundleError, match="main: missing: sha256"):
        bundles.Card.read(folder)


def test_an_unknown_field_is_named_beside_the_known_ones(tmp_path):
    folder = rewrite(make_bundle(tmp_path), lambda data: data.update(clases=[1]))
    with pytest.raises(BundleError, match=r"unknown: clases; known: .*classes"):
        bundles.Card.read(folder)


def test_a_card_of_another_schema_is_refused(tmp_path):
    folder = rewrite(make_bundle(tmp_path), lambda data: data.update(schema="avassist-bundle.9"))
    with pytest.raises(BundleError, match=r"wanted .*bundle\.1, there is avassist-bundle\.9"):
        bundles.Card.read(folder)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"schema": "avassist-bundle.1", "graphs": []}'],
    ids=["broken", "list", "graphs without names"],
)
def test_a_card_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(BundleError, match=r"card\.json"):
        bundles.Card.read(tmp_path)


def test_a_folder_without_a_card_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="no bundle here"):
        bundles.load(tmp_path)


def test_a_loaded_bundle_answers_by_the_names_of_its_graph(tmp_path):
    model = bundles.load(make_bundle(tmp_path), device="cpu")
    x = np.arange(6, dtype=np.float64).reshape(2, 3)
    answer = model(x=x)
    assert list(answer) == ["logits"]
    assert answer["logits"].dtype == np.float32
    np.testing.assert_array_equal(answer["logits"], x + x)


def test_inputs_that_the_graph_does_not_take_are_named(tmp_path):
    model = bundles.load(make_bundle(tmp_path), device="cpu")
    with pytest.raises(BundleError, match="wanted inputs x, got y"):
        model(y=np.zeros((1, 3)))
    with pytest.raises(BundleError, match="doubler on cpu"):
        model(x=np.zeros((1, 4)))


TWICE = DOUBLE.replace("logits) {", "logits, float[batch, 3] looked) {").replace(
    "Add(x, x)", "Add(x, x) looked = Sub(x, x)"
)


@pytest.mark.parametrize("bind", [False, True], ids=["plain", "bound"])
def test_only_the_outputs_that_were_asked_for_come_back(tmp_path, bind):
    model = bundles.load(make_bundle(tmp_path, TWICE), device="cpu", bind=bind)
    x = np.ones((2, 3))
    assert model.outputs == ("logits", "looked")
    for asked in (("logits",), ("looked",), ("looked", "logits")):
        answer = model(*asked, x=x)
        assert tuple(answer) == asked
        for name in asked:
            np.testing.assert_array_equal(answer[name], {"logits": 2 * x, "looked": 0 * x}[name])
    assert list(model(x=x)) == ["logits", "looked"]


def test_an_output_that_the_graph_does_not_give_is_named(tmp_path):
    model = bundles.load(make_bundle(tmp_path), device="cpu")
    with pytest.raises(BundleError, match="asked for looked, there is logits"):
        model("looked", x=np.zeros((1, 3)))


def test_bound_memory_gives_what_a_plain_run_gives(tmp_path):
    folder = make_bundle(tmp_path)
    plain, bound = bundles.load(folder, device="cpu"), bundles.load(folder, device="cpu", bind=True)
    generator = np.random.default_rng(0)
    for rows in (2, 2, 5):  # the same memory again, then another size
        x = generator.normal(size=(rows, 3))
        np.testing.assert_array_equal(bound(x=x)["logits"], plain(x=x)["logits"])


def test_a_bound_answer_outlives_the_next_question(tmp_path):
    model = bundles.load(make_bundle(tmp_path), device="cpu", bind=True)
    first = model(x=np.ones((1, 3)))["logits"]
    model(x=np.zeros((1, 3)))
    np.testing.assert_array_equal(first, 2 * np.ones((1, 3)))


@pytest.mark.parametrize("bind", [False, True], ids=["plain", "bound"])
def test_a_half_precision_graph_takes_and_gives_float32(tmp_path, bind):
    folder = make_bundle(tmp_path, DOUBLE.replace("float[", "float16["))
    answer = bundles.load(folder, device="cpu", bind=bind)(x=np.full((1, 3), 1.5, np.float32))["logits"]
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, [[3, 3, 3]])


def test_the_half_precision_variant_is_asked_only_where_cuda_works(tmp_path, monkeypatch):
    folder = make_bundle(tmp_path, fp16=DOUBLE.replace("float[", "float16["))
    main = bundles.Card.read(folder).graphs["main"]
    monkeypatch.setattr(bundles, "_available", lambda: [CUDA, CPU])
    for works, expected in ((False, main), (True, main.fp16)):
        monkeypatch.setattr(bundles, "_works_on_cuda", lambda works=works: works)
        assert bundles.load(folder).sha256 == expected.sha256


def test_the_8_bit_variant_is_asked_only_on_a_cpu(tmp_path, monkeypatch):
    folder = make_bundle(tmp_path, int8=DOUBLE)
    main = bundles.Card.read(folder).graphs["main"]
    assert main.int8.sha256 != main.sha256
    assert bundles.load(folder, device="cpu").sha256 == main.int8.sha256
    monkeypatch.setattr(bundles, "_available", lambda: [CUDA, CPU])
    for works, expected in ((False, main.int8), (True, main)):
        monkeypatch.setattr(bundles, "_works_on_cuda", lambda works=works: works)
        assert bundles.load(folder).sha256 == expected.sha256


def test_where_onnxruntime_does_not_know_what_a_variant_is_made_of_the_graph_itself_is_asked(tmp_path):
    unheard_of = DOUBLE.replace("Add(x, x)", "com.microsoft.Doubled (x, x)").replace(
        '"" : 17', '"" : 17, "com.microsoft" : 1'
    )
    folder = make_bundle(tmp_path, int8=unheard_of)
    model = bundles.load(folder, device="cpu")
    assert model.sha256 == bundles.Card.read(folder).graphs["main"].sha256
    np.testing.assert_array_equal(model(x=np.ones((1, 3)))["logits"], [[2, 2, 2]])
    # A file that isn't the card's is something else.
    (folder / "eight.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="eight"):
        bundles.load(folder, device="cpu")


def test_a_card_without_an_8_bit_variant_does_not_speak_of_it(tmp_path):
    assert "int8" not in card_json(make_bundle(tmp_path))["graphs"]["main"]
    folder = make_bundle(tmp_path, int8=DOUBLE)
    assert bundles.Card.from_json(card_json(folder)) == bundles.Card.read(folder)
    assert card_json(folder)["graphs"]["main"]["int8"]["file"] == "eight.onnx"


@pytest.mark.parametrize("lean", [False, True])
def test_a_lean_graph_gives_memory_back(tmp_path, lean):
    folder = make_bundle(tmp_path)
    card = bundles.Card.read(folder)
    dataclasses.replace(card, graphs={"main": dataclasses.replace(card.graphs["main"], lean=lean)}).write(
        folder
    )
    assert card_json(folder)["graphs"]["main"].get("lean", False) == lean
    model = bundles.load(folder, device="cpu")
    assert model.card.graphs["main"].lean == lean
    assert model._session.get_session_options().enable_cpu_mem_arena != lean
    np.testing.assert_array_equal(model(x=np.ones((1, 3)))["logits"], [[2, 2, 2]])


GROWN_MB = 256
GROWING = f"""
<ir_version: 8, opset_import: ["" : 17]>
g (float[1, 1] x) => (float[1, 1] logits) <int64[2] shape = {{1, {GROWN_MB << 18}}}>
{{ grown = Expand(x, shape)  logits = ReduceMax<axes = [1]>(grown) }}
"""
ASKING = f"""
import sys
from pathlib import Path
import numpy as np
from otio_avassist import bundles
from otio_avassist.errors import BundleError

bundles.MOST_AT_WORK = {GROWN_MB // 4} << 20
for folder in map(Path, sys.argv[1:]):
    model = bundles.load(folder, device="cpu")
    try:
        model(x=np.ones((1, int(model.card.version)), np.float32))
        print("answered")
    except BundleError as error:
        print(error)
"""


def test_a_graph_that_grows_while_it_is_asked_is_stopped_by_its_name(tmp_path):
    """In a process of its own: the bound is set once in each."""
    folders = [
        make_bundle(tmp_path / "grows", GROWING, version="1", classes=()),
        make_bundle(tmp_path / "lean", GROWING, version="1", classes=()),
        make_bundle(tmp_path / "small", version="3"),
    ]
    rewrite(folders[1], lambda card: card["graphs"]["main"].update(lean=True))
    done = subprocess.run(
        [sys.executable, "-c", ASKING, *map(str, folders)], capture_output=True, text=True, check=True
    )
    grows, lean, small = done.stdout.splitlines()
    assert grows.startswith("doubler on cpu: ")
    assert lean.startswith("doubler on cpu: ")
    assert small == "answered"


HEADS, WIDTH = 2, 8
ATTENTION = f"""
<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
g (float[batch, t, {HEADS * WIDTH}] x, int64[1] past_length,
   float[batch, {HEADS}, capacity, {WIDTH}] past_key_0, float[batch, {HEADS}, capacity, {WIDTH}] past_value_0)
  => (float[batch, n, {HEADS * WIDTH}] scores, float[batch, {HEADS}, capacity, {WIDTH}] present_key_0,
      float[batch, {HEADS}, capacity, {WIDTH}] present_value_0)
  <int64[1] one = {{1}}, float[1] two = {{2.0}}>
{{
  size = Shape <start = 1, end = 2> (x)
  batch = Shape <start = 0, end = 1> (x)
  total = Add (past_length, size)
  last = Sub (total, one)
  every = Expand (last, batch)
  lasts = Cast <to = 6> (every)
  nothing = Shape <start = 3> (x)
  alone = Reshape (total, nothing)
  totals = Cast <to = 6> (alone)
  key = Mul (x, two)
  scores, present_key_0, present_value_0 = com.microsoft.GroupQueryAttention
    <num_heads = {HEADS}, kv_num_heads = {HEADS}> (x, key, x, past_key_0, past_value_0, lasts, totals)
}}
"""


def attention(x: np.ndarray) -> np.ndarray:
    """What the graph above gives for whole sequences (batch, t, width), each looking back at what was."""
    split = x.reshape(*x.shape[:2], HEADS, WIDTH).transpose(0, 2, 1, 3)
    scores = split @ (2 * split).transpose(0, 1, 3, 2) / np.sqrt(WIDTH)
    scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    heard = weights / weights.sum(axis=-1, keepdims=True) @ split
    return heard.transpose(0, 2, 1, 3).reshape(x.shape)


@pytest.mark.parametrize("device", ["cpu", "elsewhere"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_loop_remembers_what_it_was_told_step_by_step(tmp_path, device, batch):
    model = bundles.load(make_bundle(tmp_path, ATTENTION, classes=()), device="cpu")
    model.device = device
    x = np.random.default_rng(0).normal(size=(batch, 9, HEADS * WIDTH)).astype(np.float32)
    loop = model.loop(batch, 9)
    said = [loop(x=x[:, :5]), *(loop(x=x[:, at : at + 1]) for at in range(5, 9))]
    assert loop.length == 9
    np.testing.assert_allclose(np.concatenate(said, axis=1), attention(x), atol=1e-5)


def test_a_loop_that_is_put_back_forgets_what_came_later(tmp_path):
    model = bundles.load(make_bundle(tmp_path, ATTENTION, classes=()), device="cpu")
    x = np.random.default_rng(0).normal(size=(1, 6, HEADS * WIDTH)).astype(np.float32)
    loop = model.loop(1, 6)
    first = loop(x=x[:, :4])
    wrong = loop(x=x[:, 4:5]).copy()
    loop.length = 4
    np.testing.assert_allclose(loop(x=x[:, 5:6]), attention(x[:, [0, 1, 2, 3, 5]])[:, 4:], atol=1e-5)
    np.testing.assert_allclose(wrong, attention(x)[:, 4:5], atol=1e-5)
    np.testing.assert_allclose(first, attention(x)[:, :4], atol=1e-5)


def test_a_loop_takes_no_more_than_there_is_room_for_nor_other_inputs(tmp_path):
    model = bundles.load(make_bundle(tmp_path, ATTENTION, classes=()), device="cpu")
    loop = model.loop(1, 4)
    loop(x=np.ones((1, 3, HEADS * WIDTH)))
    with pytest.raises(BundleError, match="room for 4 positions, asked to remember 5"):
        loop(x=np.ones((1, 2, HEADS * WIDTH)))
    with pytest.raises(BundleError, match="wanted inputs x, got y"):
        loop(y=np.ones((1, 1, HEADS * WIDTH)))
    assert loop.length == 3


def test_a_graph_without_a_past_makes_no_loop(tmp_path):
    with pytest.raises(BundleError, match="wanted a graph with a past and one answer, there is x -> logits"):
        bundles.load(make_bundle(tmp_path), device="cpu").loop(1, 4)


def test_windows_go_one_by_one_on_a_cpu_and_in_batches_elsewhere(tmp_path):
    model = bundles.load(make_bundle(tmp_path), device="cpu")
    assert model.batch == 1
    model.device = "cuda"
    assert model.batch == 4


def test_a_changed_graph_is_refused_with_both_hashes(tmp_path):
    folder = make_bundle(tmp_path)
    says = bundles.Card.read(folder).graphs["main"].sha256
    path = folder / "double.onnx"
    path.write_bytes(path.read_bytes() + b"\x00")
    has = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(BundleError, match=f"{says}, the file has {has}"):
        bundles.load(folder)


def test_a_graph_whose_shape_disagrees_is_refused_with_both_shapes(tmp_path):
    folder = rewrite(
        make_bundle(tmp_path), lambda data: data["graphs"]["main"]["inputs"].update(x=["batch", 4])
    )
    with pytest.raises(BundleError, match=r"card says inputs x \(batch, 4\); the graph has x \(batch, 3\)"):
        bundles.load(folder)


def test_a_graph_whose_names_disagree_is_refused_with_both_names(tmp_path):
    folder = rewrite(
        make_bundle(tmp_path), lambda data: data["graphs"]["main"].update(inputs={"vis": ["b", 3]})
    )
    with pytest.raises(BundleError, match=r"inputs vis .*has x"):
        bundles.load(folder)


def test_free_axes_may_have_any_name(tmp_path):
    folder = rewrite(make_bundle(tmp_path), lambda data: data["graphs"]["main"]["inputs"].update(x=["n", 3]))
    assert bundles.load(folder, device="cpu").device == "cpu"


def test_a_class_count_that_disagrees_is_refused_with_both_counts(tmp_path):
    folder = rewrite(make_bundle(tmp_path), lambda data: data.update(classes=[0.0, 1.0]))
    with pytest.raises(BundleError, match="2 classes, its graph's logits 3"):
        bundles.load(folder)


def test_a_graph_with_fewer_classes_than_card_and_outputs_say_is_refused(tmp_path):
    def claim_four(data):
        data["classes"] = [0.0, 1.0, 2.0, 3.0]
        data["graphs"]["main"]["outputs"] = {"logits": ["batch", 4]}

    with pytest.raises(BundleError, match=r"logits \(batch, 4\); the graph has logits \(batch, 3\)"):
        bundles.load(rewrite(make_bundle(tmp_path), claim_four))


@pytest.mark.parametrize("climbing", [False, True], ids=["absolute", "dots"])
def test_a_graph_outside_the_folder_is_refused(tmp_path, climbing):
    outside = make_bundle(tmp_path / "outside") / "double.onnx"
    name = "../outside/double.onnx" if climbing else str(outside)
    folder = rewrite(make_bundle(tmp_path / "inside"), lambda data: data["graphs"]["main"].update(file=name))
    with pytest.raises(BundleError, match="outside the bundle's folder"):
        bundles.load(folder)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    outside = make_bundle(tmp_path / "outside") / "double.onnx"
    folder = make_bundle(tmp_path / "inside")
    (folder / "double.onnx").unlink()
    (folder / "double.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="outside the bundle's folder"):
        bundles.load(folder)


@pytest.mark.parametrize("where", ["weights.bin", "../weights.bin"], ids=["beside", "outside"])
def test_weights_that_the_card_has_no_hash_for_are_refused(tmp_path, monkeypatch, where):
    folder = make_bundle(tmp_path / "bundle")
    content = graph_with_outside_weights(folder / where, where)
    (folder / "double.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    rewrite(folder, lambda data: data["graphs"]["main"].update(sha256=digest))
    monkeypatch.chdir(folder)
    with pytest.raises(BundleError, match=r"double\.onnx: onnxruntime can't load it: .*[Ee]xternal"):
        bundles.load(folder, device="cpu")


def graph_with_outside_weights(path: Path, name: str) -> bytes:
    weights = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    path.write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=name)
    x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, ["batch", 3]) for each in ("x", "logits"))
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["logits"])], "g", [x], [y], [weights])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "double.onnx").write_bytes(b"no graph")
    digest = hashlib.sha256(b"no graph").hexdigest()
    rewrite(folder, lambda data: data["graphs"]["main"].update(sha256=digest))
    with pytest.raises(BundleError, match=r"double\.onnx: isn't an ONNX file that can be read"):
        bundles.load(folder)


def test_an_absent_graph_is_named(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "double.onnx").unlink()
    with pytest.raises(BundleError, match=r"double\.onnx: the card names this graph, but: No such file"):
        bundles.load(folder)


def test_a_bundle_is_found_by_argument_before_environment_before_plugin(tmp_path, monkeypatch):
    shipped, one, holding, given = (tmp_path / name for name in ("shipped", "one", "many", "given"))
    make_bundle(shipped / "sync")
    monkeypatch.setattr(bundles, "SHIPPED", shipped)
    assert bundles.find("sync") == shipped / "sync"

    make_bundle(holding / "mine")
    make_bundle(one, task="captions")
    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", bundles.os.pathsep.join([str(one), str(holding)]))
    assert bundles.find("sync") == holding / "mine"
    assert bundles.find("captions") == one
    assert [each.folder for each in bundles.listing()] == [one, holding / "mine", shipped / "sync"]

    assert bundles.find("sync", make_bundle(given)) == given


def test_an_explicit_bundle_for_another_task_is_refused(tmp_path):
    folder = make_bundle(tmp_path, task="captions")
    with pytest.raises(BundleError, match="wanted a bundle for sync, there is one for captions"):
        bundles.find("sync", folder)


def test_a_broken_card_is_listed_with_its_problem_and_named_when_nothing_else_is_found(tmp_path, monkeypatch):
    folder = rewrite(make_bundle(tmp_path / "mine"), lambda data: data.pop("task"))
    monkeypatch.setattr(bundles, "SHIPPED", tmp_path / "nothing")
    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", str(folder))
    (listed,) = bundles.listing()
    assert listed.card is None
    assert "missing: task" in listed.problem
    with pytest.raises(BundleError, match=r"no bundle for sync.*missing: task"):
        bundles.find("sync")


@pytest.mark.parametrize(
    ("device", "available", "platform", "chosen"),
    [
        pytest.param("auto", [CPU], "linux", [CPU], id="cpu build"),
        pytest.param(
            "auto", ["TensorrtExecutionProvider", CUDA, CPU], "linux", [CUDA, CPU], id="never TensorRT"
        ),
        pytest.param("auto", [CUDA, CPU], "win32", [CUDA, CPU], id="windows with CUDA"),
        pytest.param(
            "auto", ["DmlExecutionProvider", CPU], "win32", ["DmlExecutionProvider", CPU], id="DirectML"
        ),
        pytest.param(
            "auto", ["CoreMLExecutionProvider", CPU], "darwin", ["CoreMLExecutionProvider", CPU], id="mac"
        ),
        pytest.param("auto", ["CoreMLExecutionProvider", CPU], "linux", [CPU], id="CoreML only on a mac"),
        pytest.param("cpu", [CUDA, CPU], "linux", [CPU], id="cpu asked for"),
        pytest.param("cuda", [CUDA, CPU], "linux", [CUDA, CPU], id="cuda asked for"),
    ],
)
def test_providers_are_chosen_by_platform_with_the_cpu_last(device, available, platform, chosen):
    assert list(bundles.choose_providers(device, available, platform)) == chosen


def test_cuda_asked_of_a_build_without_it_is_refused_with_exit_code_4():
    with pytest.raises(DeviceError, match=r"built for CPUExecutionProvider; .*pip install") as caught:
        bundles.choose_providers("cuda", [CPU], "linux")
    assert caught.value.exit_code == 4


def test_an_unknown_device_is_refused_by_name():
    with pytest.raises(UsageError, match="no such device: tpu; there is: auto, cpu, cuda"):
        bundles.choose_providers("tpu", [CPU], "linux")


class Session:
    """Stands in for onnxruntime's, and got what it was told."""

    def __init__(self, *got):
        self.get_providers = lambda: list(got)


def test_cuda_that_a_session_did_not_get_is_refused_naming_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "_available", lambda: [CUDA, CPU])
    monkeypatch.setattr(bundles, "_session", lambda *_: Session(CPU))
    monkeypatch.setattr(bundles, "missing_for_cuda", lambda: "no NVIDIA driver (libcuda.so.1)")
    with pytest.raises(DeviceError, match=r"no CUDA: no NVIDIA driver \(libcuda\.so\.1\)"):
        bundles.load(make_bundle(tmp_path), device="cuda")
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        bundles.check_device("cuda")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_devices_that_are_always_there_need_no_check(monkeypatch, device):
    monkeypatch.setattr(bundles, "_session", None)
    bundles.check_device(device)


def test_auto_says_what_it_fell_back_to_and_why(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(bundles, "_available", lambda: [CUDA, CPU])
    monkeypatch.setattr(bundles, "missing_for_cuda", lambda: "no NVIDIA driver")
    real = bundles._session
    monkeypatch.setattr(bundles, "_session", lambda graph, _, *rest: real(graph, (CPU,), *rest))
    with caplog.at_level("INFO", "otio_avassist.bundles"):
        model = bundles.load(make_bundle(tmp_path), device="auto")
    assert model.device == "cpu"
    assert "doubler runs on cpu, not on cuda: no NVIDIA driver" in caplog.text


@pytest.mark.parametrize(
    ("loadable", "words"),
    [
        pytest.param((), "no NVIDIA driver (libcuda.so.1)", id="driver"),
        pytest.param(("libcuda.so.1",), "no libcublasLt.so.13 nor libcudnn.so.9; ", id="libraries"),
        pytest.param(("libcuda.so.1", "libcublasLt.so.13"), "no libcudnn.so.9; ", id="cudnn"),
        pytest.param(("libcuda.so.1", "libcublasLt.so.13", "libcudnn.so.9"), "", id="nothing"),
    ],
)
def test_what_is_missing_for_cuda_is_named(monkeypatch, loadable, words):
    import onnxruntime

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(bundles, "_loads", lambda library: library in loadable)
    missing = bundles.missing_for_cuda()
    assert missing.startswith(words)
    assert bool(missing) == bool(words)


def test_loading_prints_nothing_on_stdout(tmp_path):
    folder = make_bundle(tmp_path)
    program = (
        "import sys; from pathlib import Path; from otio_avassist import bundles\n"
        "print('before'); bundles.load(Path(sys.argv[1])); print('after')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["before", "after"]


def test_what_c_code_prints_meanwhile_goes_to_stderr():
    program = (
        "import ctypes; from otio_avassist.bundles import _quiet_stdout\n"
        "with _quiet_stdout(): print('python'); ctypes.CDLL(None).puts(b'c')\n"
        "print('ours')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ours"]
    assert set(done.stderr.split()) == {"python", "c"}


def test_importing_bundles_needs_neither_onnxruntime_nor_numpy():
    program = "import sys, otio_avassist.bundles; print({'onnxruntime', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_network_for_trying_devices_is_an_identity():
    model = onnx.load_from_string(bundles.IDENTITY)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"]


def test_the_device_report_says_what_a_session_got_and_why_not_cuda():
    report = bundles.device_report()
    assert report.packages
    assert CPU in report.built_for
    assert report.device in bundles.DEVICES.values()
    assert bool(report.cuda_missing) == (report.device != "cuda")


def test_two_wheels_over_each_other_are_a_warning(monkeypatch):
    monkeypatch.setattr(
        bundles, "_runtime_packages", lambda: {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    )
    (warning,) = bundles.device_report().warnings
    assert warning.startswith("onnxruntime and onnxruntime-gpu are installed over each other")


def test_a_bundle_is_opened_without_what_it_needs_only_where_that_will_do(tmp_path, monkeypatch):
    monkeypatch.setenv(bundles.VARIABLE, str(tmp_path))
    folder = make_bundle(tmp_path / "one", needs=("ears", "eyes"))
    make_bundle(tmp_path / "other", task="ears")
    with pytest.raises(BundleError, match=r"needs what isn't on this machine:\n.*eyes"):
        bundles.open_bundle(folder)
    assert list(bundles.open_bundle(folder, lacking=True).needs) == ["ears"]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        pytest.param("[" * 100_000, "not a card", id="nested without end"),
        pytest.param({"classes": 7}, "classes: wanted a list", id="classes that are a number"),
        pytest.param({"needs": "yamnet"}, "needs: wanted a list", id="needs that are a word"),
        pytest.param({"graphs": {"main": 7}}, "wanted an object", id="a graph that is a number"),
        pytest.param({"graphs": None}, "wanted an object", id="no graphs"),
    ],
)
def test_a_card_that_nobody_could_have_meant_is_refused_by_name(tmp_path, card, says):
    folder = make_bundle(tmp_path / "odd")
    text = card if isinstance(card, str) else json.dumps(card_json(folder) | card)
    (folder / "card.json").write_text(text)
    with pytest.raises(BundleError, match=rf"odd.*{says}"):
        bundles.load(folder, device="cpu")


def test_a_graph_of_ten_gigabytes_is_refused_before_it_is_read(tmp_path):
    folder = make_bundle(tmp_path)
    with (folder / "double.onnx").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(BundleError, match=r"double\.onnx: has 10240 MB"):
        bundles.load(folder, device="cpu")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this system")
def test_pipes_in_place_of_files_are_refused_rather_than_waited_for(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "double.onnx").unlink()
    os.mkfifo(folder / "double.onnx")
    with pytest.raises(BundleError, match=r"double\.onnx: .* is no file"):
        bundles.load(folder, device="cpu")
    (folder / "card.json").unlink()
    os.mkfifo(folder / "card.json")
    with pytest.raises(BundleError, match="no bundle here"):
        bundles.load(folder, device="cpu")
