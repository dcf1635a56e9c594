"""Entries of Resolve's menu, against an application that behaves as Resolve was measured to."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist.resolve import installing, menu
from tests.cuts import simple, time_range, timeline, track
from tests.material import film

MARKED = """
import sys, shutil
import opentimelineio as otio
words = sys.argv[1:]
if words[0] == "check":
    print("a.mov: may be dropped")
    sys.exit(3)
print("looked at", words[1], *words[words.index("-o") + 2:])
cut = otio.adapters.read_from_file(words[1])
mark = otio.schema.Marker("early", comment="[avassist sync 3f2a91bc]", metadata={"otio_avassist": {}})
cut.tracks.markers.append(mark)
otio.adapters.write_to_file(cut, words[words.index("-o") + 1])
if "--report" in words:
    open(words[words.index("--report") + 1], "w").write("<html>")
"""
"""Stands for avassist: marks whatever timeline it is given."""


class FakeTimeline:
    def __init__(self, name: str, cut: otio.schema.Timeline) -> None:
        self.name, self.cut, self.exports = name, cut, True

    def GetName(self) -> str:  # noqa: N802
        return self.name

    def Export(self, path: str, kind: str, subtype: str) -> bool:  # noqa: N802
        assert (kind, subtype) == ("otio", "none")
        if self.exports:
            self.cut.to_json_file(path)
        return self.exports


class FakeProject:
    """With what the scripting API documents of projects and media pools."""

    def __init__(self, name: str, *timelines: FakeTimeline) -> None:
        self.name, self.timelines, self.current = name, list(timelines), timelines[0] if timelines else None
        self.options: dict = {}

    def GetName(self) -> str:  # noqa: N802
        return self.name

    def GetCurrentTimeline(self) -> FakeTimeline | None:  # noqa: N802
        return self.current

    def SetCurrentTimeline(self, timeline: FakeTimeline) -> bool:  # noqa: N802
        self.current = timeline
        return True

    def GetTimelineCount(self) -> float:  # noqa: N802
        return float(len(self.timelines))  # as Lua counts

    def GetTimelineByIndex(self, index: int) -> FakeTimeline | None:  # noqa: N802
        return self.timelines[index - 1] if 1 <= index <= len(self.timelines) else None

    def GetMediaPool(self) -> FakeProject:  # noqa: N802
        return self

    def ImportTimelineFromFile(self, path: str, options: dict) -> FakeTimeline | None:  # noqa: N802
        """None, and no word, where the name is taken or a file isn't there."""
        cut = otio.adapters.read_from_file(path)
        there = all(Path(each.media_reference.target_url).exists() for each in cut.find_clips())
        if not there or options["timelineName"] in menu.names_of(self):
            return None
        self.options = options
        self.timelines.append(FakeTimeline(options["timelineName"], cut))
        return self.timelines[-1]


class FakeResolve:
    EXPORT_OTIO, EXPORT_NONE = "otio", "none"

    def __init__(self, project: FakeProject | None) -> None:
        self.project = project

    def GetProjectManager(self) -> FakeResolve:  # noqa: N802
        return self

    def GetCurrentProject(self) -> FakeProject | None:  # noqa: N802
        return self.project


class Bench:
    """A project with one timeline, a stand-in for avassist, and all that was said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.shown = folder, [], []
        cut = simple()
        for each in cut.find_clips():
            each.media_reference.target_url = str(folder / each.name)
            (folder / each.name).touch()
        self.before = cut.to_json_string()
        self.project = FakeProject("A film / part 1", FakeTimeline("cut", cut))
        self.resolve = FakeResolve(self.project)
        self.does(MARKED)

    def does(self, code: str) -> None:
        (self.folder / "stub.py").write_text(code, encoding="utf-8")

    def choose(self, *command: str, options: tuple[str, ...] = ()) -> str | None:
        program = [sys.executable, str(self.folder / "stub.py")]
        work = self.folder / "work"
        words = list(command or ("sync",))
        return menu.main(self.resolve, words, program, work, options, self.said.append, self.shown.append)

    @property
    def last(self) -> str:
        return self.said[-1]

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.project.timelines]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_comes_out_is_imported_under_a_new_name_and_opened(bench: Bench) -> None:
    assert bench.choose() == "cut avassist sync"
    assert bench.names == ["cut", "cut avassist sync"]
    assert bench.project.current is bench.project.timelines[1]
    assert [each.name for each in bench.project.current.cut.tracks.markers] == ["early"]


def test_the_timeline_that_was_open_is_as_it_was(bench: Bench) -> None:
    bench.choose()
    assert bench.project.timelines[0].cut.to_json_string() == bench.before


def test_it_says_what_it_did_and_shows_the_report(bench: Bench) -> None:
    bench.choose(options=("--propose",))
    said = "\n".join(bench.said)
    assert "--propose" in said
    assert "a.mov: may be dropped" in said
    assert "'cut' is as it was" in said
    (shown,) = bench.shown
    assert shown.endswith("cut-avassist-sync.html")


def test_a_second_run_takes_the_next_name_and_overwrites_nothing(bench: Bench) -> None:
    bench.choose()
    made = bench.folder / "work" / "A-film-part-1" / "cut-avassist-sync.otio"
    first = made.read_bytes()
    bench.project.current = bench.project.timelines[0]
    assert bench.choose() == "cut avassist sync 2"
    del bench.project.timelines[1:]
    bench.project.current = bench.project.timelines[0]
    assert bench.choose() == "cut avassist sync 3"  # whose files are still there
    assert made.read_bytes() == first


def test_a_result_that_is_looked_at_again_keeps_its_decisions_and_its_first_name(bench: Bench) -> None:
    bench.choose()
    sidecar = bench.folder / "work" / "A-film-part-1" / "cut-avassist-sync.avassist.json"
    sidecar.write_text("{}")
    assert bench.choose("captions") == "cut avassist captions"
    assert any(f"--sidecar {sidecar}" in line for line in bench.said)


def test_review_is_asked_for_no_report(bench: Bench) -> None:
    assert bench.choose("review", "--tasks", "sync") == "cut avassist review"
    assert bench.shown == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("import sys; print('reasons'); sys.exit(3)", "nothing can be said", id="abstains"),
        pytest.param("import sys; print('reasons'); sys.exit(1)", "ended with 1", id="fails"),
        pytest.param("print('closed the window')", "nothing was written", id="writes nothing"),
        pytest.param(
            "import sys, shutil; shutil.copy(sys.argv[2], sys.argv[4])", "nothing to do", id="changes nothing"
        ),
    ],
)
def test_without_a_result_nothing_is_imported(bench: Bench, code: str, words: str) -> None:
    bench.does(code)
    assert bench.choose() is None
    assert words in bench.last
    assert bench.names == ["cut"]
    assert bench.project.current is bench.project.timelines[0]


def test_a_program_that_moved_away_is_named_with_the_remedy(bench: Bench) -> None:
    said: list[str] = []
    gone = [str(bench.folder / "gone" / "python")]
    assert menu.main(bench.resolve, ["sync"], gone, bench.folder, (), said.append, said.append) is None
    assert "avassist resolve --install" in said[-1]


def test_media_that_resolve_would_refuse_without_a_word_is_named(bench: Bench) -> None:
    (bench.folder / "b.mov").unlink()
    assert bench.choose() is None
    assert "b.mov" in bench.last
    assert "a.mov" not in bench.last
    assert bench.project.current is bench.project.timelines[0]


def test_a_project_that_was_never_saved_is_told_to_be_saved(bench: Bench) -> None:
    bench.project.name = "Untitled Project"
    assert bench.choose() is None
    assert "save it" in bench.last
    assert not (bench.folder / "work").exists()


@pytest.mark.parametrize("project", [None, FakeProject("empty")])
def test_without_a_timeline_it_says_so(bench: Bench, project: FakeProject | None) -> None:
    bench.resolve.project = project
    assert bench.choose() is None
    assert "no timeline is open" in bench.last


def test_an_export_that_fails_ends_it(bench: Bench) -> None:
    bench.project.timelines[0].exports = False
    assert bench.choose() is None
    assert "did not export" in bench.last


def test_a_resolve_before_18_5_is_told_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeResolve, "EXPORT_OTIO", None)
    assert bench.choose() is None
    assert "18.5" in bench.last


def test_nothing_is_imported_into_another_project_opened_meanwhile(bench: Bench) -> None:
    other = FakeProject("other", FakeTimeline("its own", timeline(track("Video"))))
    found = iter([bench.project, other])
    bench.resolve.GetCurrentProject = lambda: next(found)  # type: ignore[method-assign]
    assert bench.choose() is None
    assert "another project" in bench.last
    assert (bench.names, len(other.timelines)) == (["cut"], 1)


def test_a_name_that_was_taken_meanwhile_is_passed_over(bench: Bench) -> None:
    bench.does(MARKED)
    names = iter([{"cut"}, {"cut", "cut avassist sync"}])
    original = menu.names_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(menu, "names_of", lambda project: next(names, None) or original(project))
        assert bench.choose() == "cut avassist sync 2"


def test_where_sounds_were_made_resolve_looks_for_them(bench: Bench) -> None:
    bench.does(MARKED + "\nimport os; os.mkdir(words[words.index('-o') + 1].replace('.otio', '.foley'))\n")
    bench.choose("foley")
    assert bench.project.options["sourceClipsPath"].endswith("cut-avassist-foley.foley")
    assert bench.project.options["importSourceClips"] is True


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Scene 5 – v2", "Scene-5-v2"),
        ("../../etc", "etc"),
        ("100% #1", "100-1"),
        ("日本", "unnamed"),
        ("a.b", "a.b"),
    ],
)
def test_names_of_files_hold_nothing_that_importers_stumble_over(name: str, expected: str) -> None:
    assert menu.safe(name) == expected


def test_resolves_own_libraries_are_kept_from_our_python() -> None:
    own = {
        "PYTHONHOME": "/opt/resolve/python",
        "LD_LIBRARY_PATH": "/opt/resolve/libs:/usr/cuda",
        "HOME": "/h",
    }
    kept = menu._environment(own)
    assert "PYTHONHOME" not in kept
    assert (kept["LD_LIBRARY_PATH"], kept["HOME"]) == ("/usr/cuda", "/h")


def test_the_menu_needs_no_more_than_an_old_python_and_its_library() -> None:
    source = Path(menu.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    assert names <= set(sys.stdlib_module_names)


def test_an_installed_entry_mends_a_real_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    film(tmp_path / "camera.mp4", seconds=12)
    film(tmp_path / "recorder.wav", seconds=12, picture=False, early_s=0.4)
    rows = []
    for kind, name in (("Video", "camera.mp4"), ("Audio", "recorder.wav")):
        media = otio.schema.ExternalReference(str(tmp_path / name), time_range(0, 300))
        noted = {"Resolve_OTIO": {"Link Group ID": 1}}
        rows.append(track(kind, otio.schema.Clip(name, media, time_range(50, 200), metadata=noted)))
    project = FakeProject("film", FakeTimeline("cut", timeline(*rows)))
    entry = installing.install(tmp_path / "Utility", tmp_path / "work")[0]
    # As Resolve runs it: without a file name, its own names among the globals.
    exec(compile(entry.read_text(encoding="utf-8"), "entry", "exec"), {"resolve": FakeResolve(project)})
    assert [each.name for each in project.timelines] == ["cut", "cut avassist sync"]
    recorder = project.timelines[1].cut.tracks[1].find_clips()[0]
    assert recorder.source_range.start_time.value == pytest.approx(40, abs=1)
    assert (tmp_path / "work" / "film" / "cut-avassist-sync.html").is_file()
    assert project.timelines[0].cut.tracks[1][0].source_range.start_time.value == 50
