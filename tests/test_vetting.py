"""What would end the process that reads it is refused before it is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx.parser
import pytest
from onnx import helper

from otio_avassist import bundles, files, vetting
from otio_avassist.errors import BundleError, TimelineError
from tests.cuts import simple


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        pytest.param('{"OTIO_SCHEMA": "Stack.1", "children": [', "]}", id="stacks"),
        pytest.param("[", "]", id="lists"),
        pytest.param('{"a": ', "}", id="objects"),
        pytest.param("[", "", id="that never close"),
    ],
)
def test_nesting_that_would_end_the_process_is_refused_by_name(tmp_path: Path, opening, closing) -> None:
    deep = tmp_path / "deep.otio"
    deep.write_text(
        '{"OTIO_SCHEMA": "Timeline.1", "tracks": ' + opening * 100_000 + "1" + closing * 100_000 + "}"
    )
    with pytest.raises(TimelineError, match=r"deep\.otio: is nested more than"):
        files.read(str(deep))


def test_the_depth_is_counted_to_the_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, depth in (([[[]], {"a": [{}]}], 4), ({"[[[": '}"]\\'}, 1), (["\\\\", '"[', ["a"]], 2), (1, 0)):
        text = json.dumps(value).encode()
        monkeypatch.setattr(vetting, "DEEPEST", depth)
        vetting.check_json(text, "as deep as may be")
        monkeypatch.setattr(vetting, "DEEPEST", depth - 1)
        with pytest.raises(TimelineError, match="deeper: is nested"):
            vetting.check_json(text, "deeper")


@pytest.mark.parametrize("schema", ["Clip.0", "Clip.-1", "Marker.00"])
def test_a_schema_of_a_version_that_never_was_is_refused_by_name(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "old.otio"
    path.write_text(simple().to_json_string().replace("Clip.2", schema))
    with pytest.raises(TimelineError, match=rf"old\.otio: has an object of '{schema}'"):
        files.read(str(path))


def an_archive(path: Path, names: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", ["../out.mov", "/etc/out.mov", "media/../../out.mov", "..\\out.mov", "C:/x"])
def test_an_archive_that_climbs_out_is_refused_by_name(tmp_path: Path, name: str) -> None:
    text = simple().to_json_string()
    path = an_archive(tmp_path / "cut.otioz", {"content.otio": text, name: ""})
    with pytest.raises(TimelineError, match=r"cut\.otioz: names a file outside of the archive"):
        files.read(str(path))


def test_a_bomb_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vetting, "LARGEST", 1 << 20)
    path = an_archive(tmp_path / "bomb.otioz", {"content.otio": " " * (2 << 20)})
    with pytest.raises(TimelineError, match=r"bomb\.otioz: its content\.otio unpacks to more than 1 MB"):
        files.read(str(path))


def test_an_archive_without_a_timeline_is_refused_by_name(tmp_path: Path) -> None:
    path = an_archive(tmp_path / "cut.otioz", {"version.txt": "1.0.0"})
    with pytest.raises(TimelineError, match=r"cut\.otioz: wanted an archive with content\.otio"):
        files.read(str(path))


def test_a_sound_archive_is_read(tmp_path: Path) -> None:
    path = an_archive(tmp_path / "cut.otioz", {"content.otio": simple().to_json_string(), "media/a.mov": ""})
    assert len(list(files.read(str(path)).find_clips())) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this system")
def test_a_pipe_that_nobody_writes_to_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.otio")
    with pytest.raises(TimelineError, match=r"pipe\.otio: wanted a file"):
        files.read(str(tmp_path / "pipe.otio"))


def test_what_is_larger_than_any_timeline_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate(vetting.LARGEST + 1)
    with pytest.raises(TimelineError, match=r"large\.xml: has more than"):
        files.read(str(tmp_path / "large.xml"))


PLAIN = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[b] x, bool c) => (float[b] y) {
  d = Neg(x)
  y = If (c) <
    then_branch = t () => (float[b] e) { f = Neg(d) e = Abs(f) },
    else_branch = u () => (float[b] h) { h = Abs(d) }
  >
}
"""


def a_graph(text: str = PLAIN) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)


def of_one_number(size: int) -> onnx.SparseTensorProto:
    values = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    return helper.make_sparse_tensor(
        values, helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0]), [size]
    )


def with_sparse_weights() -> onnx.ModelProto:
    model = a_graph()
    model.graph.sparse_initializer.append(of_one_number(1 << 40))
    return model


def with_a_sparse_constant() -> onnx.ModelProto:
    model = a_graph()
    branch = model.graph.node[1].attribute[0].g
    branch.node.append(helper.make_node("Constant", [], ["w"], sparse_value=of_one_number(1 << 40)))
    return model


def with_functions() -> onnx.ModelProto:
    model = a_graph()
    neg = helper.make_node("Neg", ["a"], ["b"])
    opsets = list(model.opset_import)
    model.functions.append(helper.make_function("own", "f", ["a"], ["b"], [neg], opsets))
    return model


def test_nodes_are_counted_in_branches_too() -> None:
    assert vetting.count_nodes(a_graph().SerializeToString(), "small.onnx") == 5


@pytest.mark.parametrize(
    ("model", "says"),
    [
        pytest.param(with_sparse_weights, "has sparse weights", id="sparse weights"),
        pytest.param(with_a_sparse_constant, "has sparse weights", id="a sparse constant in a branch"),
        pytest.param(with_functions, "has functions of its own", id="functions"),
    ],
)
def test_what_a_network_would_unpack_to_any_size_is_refused_by_name(model, says: str) -> None:
    with pytest.raises(BundleError, match=rf"bomb\.onnx: {says}"):
        vetting.count_nodes(model().SerializeToString(), "bomb.onnx")


def test_more_nodes_than_any_network_has_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vetting, "MOST_NODES", 4)
    with pytest.raises(BundleError, match=r"large\.onnx: has more than 4 nodes"):
        vetting.count_nodes(a_graph().SerializeToString(), "large.onnx")


def test_a_network_nested_without_end_is_refused_by_name() -> None:
    content = b""
    for _ in range(vetting.DEEPEST):  # a node of an attribute of a graph, in one another
        for tag in (0x32, 0x2A, 0x0A):
            content = bytes([tag]) + varint(len(content)) + content
    with pytest.raises(BundleError, match=r"deep\.onnx: has more than .* nested more than"):
        vetting.count_nodes(b"\x3a" + varint(len(content)) + content, "deep.onnx")


def varint(value: int) -> bytes:
    low = bytes([value & 127 | (128 if value > 127 else 0)])
    return low + varint(value >> 7) if value > 127 else low


@pytest.mark.parametrize("lost", [1, 2, 50])
def test_a_network_that_is_cut_off_is_refused_by_name(lost: int) -> None:
    content = a_graph().SerializeToString()
    with pytest.raises(BundleError, match=r"short\.onnx: isn't an ONNX file that can be read"):
        vetting.count_nodes(content[:-lost], "short.onnx")


def test_a_network_that_looks_like_another_format_is_read_as_the_one_that_was_looked_through() -> None:
    disguised = b"\x12\x08..ORTM.." + bundles.IDENTITY  # the name of its producer
    session = bundles._session(disguised, ["CPUExecutionProvider"], 1, "disguised.onnx")
    assert [each.name for each in session.get_outputs()] == ["y"]


FILLED, EACH_MB = 24, 8
CONSTANT = "c{0} = ConstantOfShape<value = float[1] {{{0}}}>(size) r{0} = ReduceMax<keepdims = 0>(c{0})"
FILLING = f"""
<ir_version: 8, opset_import: ["" : 17]>
g (float[b] x) => (float[b] y) <int64[1] size = {{{EACH_MB << 18}}}> {{
  {" ".join(CONSTANT.format(i) for i in range(FILLED))}
  y = Sum(x, {", ".join(f"r{i}" for i in range(FILLED))})
}}
"""
LOADING = """
import re, sys
from pathlib import Path
from otio_avassist import bundles

def most_kb():  # getrusage would count what the parent had before this process began
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

bundles._MOST_FOLDED = int(sys.argv[1])
bundles._session(bundles.IDENTITY, ["CPUExecutionProvider"], 1, "a first one")
before_kb = most_kb()
bundles._session(sys.stdin.buffer.read(), ["CPUExecutionProvider"], 1, "filling.onnx")
print(most_kb() - before_kb >> 10)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted as Linux counts it")
@pytest.mark.parametrize(
    ("most", "folds"),
    [pytest.param(64 << 20, False, id="more than may be"), pytest.param(1 << 30, True, id="what may be")],
)
def test_constants_of_a_network_are_bounded_together(most: int, folds: bool) -> None:
    """Loaded in a process of its own, whose memory at its fullest is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING, str(most)],
        input=a_graph(FILLING).SerializeToString(),
        capture_output=True,
        check=True,
    )
    assert (int(done.stdout) > FILLED * EACH_MB // 2) == folds
