"""What the caller of a hook may say, where, and who has the last word."""

from __future__ import annotations

from pathlib import Path

import pytest

from otio_avassist import config
from otio_avassist.errors import UsageError


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch, tmp_path):
    """An empty working directory, and no variable of ours."""
    for name in ("AVASSIST_HOOKS", "AVASSIST_CONFIG", "AVASSIST_BASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def argument(value) -> dict:
    return {"avassist": value, "adapter_arguments": {}}


@pytest.mark.parametrize("arguments", [None, {}, {"_filepath": "x.otio"}], ids=["None", "empty", "not ours"])
def test_nothing_is_asked_by_itself(arguments):
    assert not config.asked(arguments)


def test_each_of_the_three_places_asks(monkeypatch, tmp_path):
    assert config.asked(argument("sync"))
    monkeypatch.setenv("AVASSIST_HOOKS", "sync")
    assert config.asked({})
    monkeypatch.delenv("AVASSIST_HOOKS")
    (tmp_path / "avassist.toml").write_text("tasks = 'sync'")
    assert config.asked({})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("sync", {"tasks": ("sync",)}, id="a word"),
        pytest.param("sync,captions", {"tasks": ("sync", "captions")}, id="words"),
        pytest.param(["sync", "captions"], {"tasks": ("sync", "captions")}, id="a list"),
        pytest.param({"tasks": "sync, captions"}, {"tasks": ("sync", "captions")}, id="a dictionary"),
        pytest.param("{'tasks': 'sync', 'detach': 1}", {"tasks": ("sync",), "detach": True}, id="a literal"),
        pytest.param("tasks=sync,base_dir=/x", {"tasks": ("sync",), "base_dir": Path("/x")}, id="pairs"),
        pytest.param(
            "sync,media_root=/a,/b,strict=yes",
            {"tasks": ("sync",), "media_root": (Path("/a"), Path("/b")), "strict": True},
            id="pairs with many values",
        ),
        pytest.param({"map": {"D:/x": "/x"}}, {"map": (("D:/x", "/x"),)}, id="map as a dictionary"),
        pytest.param("map=D:/x=/x", {"map": (("D:/x", "/x"),)}, id="map as a pair"),
        pytest.param({"map": ["D:/x=/x", "E:=/e"]}, {"map": (("D:/x", "/x"), ("E:", "/e"))}, id="map, pairs"),
        pytest.param({"propose": "true", "strict": 0}, {"propose": True, "strict": False}, id="truth"),
        pytest.param({"min_confidence": "0.5"}, {"min_confidence": 0.5}, id="a number in words"),
        pytest.param({"max_offset": 1}, {"max_offset": 1.0}, id="a number"),
        pytest.param({"when": "read", "device": "cpu"}, {"when": "read", "device": "cpu"}, id="words"),
        pytest.param(
            "captions,per_minute=4,levels=event,on=clip,say_speech=yes",
            {
                "tasks": ("captions",),
                "per_minute": 4.0,
                "levels": ("event",),
                "on": "clip",
                "say_speech": True,
            },
            id="captions in pairs",
        ),
        pytest.param(
            {
                "levels": "scene, event",
                "beam": "3",
                "speech": "none",
                "speech_model": "/m",
                "proposals": "p.json",
            },
            {
                "levels": ("scene", "event"),
                "beam": 3,
                "speech": "none",
                "speech_model": Path("/m"),
                "proposals": Path("p.json"),
            },
            id="captions in a dictionary",
        ),
        pytest.param({"speech": "said.srt"}, {"speech": Path("said.srt")}, id="speech of a file"),
        pytest.param(
            "foley,takes=2,seed=0,which=all,clip=a.mov,b c.mov,marker=boom,loudness=auto,sync_check=no",
            {
                "tasks": ("foley",), "takes": 2, "seed": 0, "which": "all", "clip": ("a.mov", "b c.mov"),
                "marker": ("boom",), "loudness": "auto", "sync_check": False,
            },
            id="foley in pairs",
        ),
        pytest.param(
            {"prime": "01:00:00:00 - 01:00:02:00", "loudness": "-20", "foley_dir": "/f"},
            {"prime": "01:00:00:00 - 01:00:02:00", "loudness": -20.0, "foley_dir": Path("/f")},
            id="foley in a dictionary",
        ),
        pytest.param({"prime": "a-b.wav"}, {"prime": Path("a-b.wav")}, id="more of a file"),
        pytest.param({"report": "a.json"}, {"report": (Path("a.json"),)}, id="a report"),
        *[pytest.param(off, {"tasks": ()}, id=f"off as {off!r}") for off in (None, False, "off", "None", "")],
    ],
)  # fmt: skip
def test_one_thing_may_be_said_in_many_ways(value, expected):
    assert config.said(argument(value)) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(
            {"taks": "sync"}, r"avassist: no such key: taks; there is: tasks, when, .*strict", id="unknown"
        ),
        pytest.param({"strict": "maybe"}, "strict: wanted true or false, there is 'maybe'", id="truth"),
        pytest.param({"when": "always"}, "when: wanted read or write, there is 'always'", id="when"),
        pytest.param(
            {"min_confidence": "high"}, "min_confidence: wanted a number, there is 'high'", id="number"
        ),
        pytest.param(
            {"per_minute": 0}, "per_minute: wanted a number above 0, there is 0", id="none a minute"
        ),
        pytest.param(
            {"levels": "events"}, "levels: wanted some of scene, event; there is events", id="level"
        ),
        pytest.param({"levels": ""}, "levels: wanted some of scene, event; there is none", id="no level"),
        pytest.param({"beam": 1.5}, "beam: wanted 1, 2, 3 …, there is 1.5", id="beam"),
        pytest.param({"on": "track"}, "on: wanted timeline or clip, there is 'track'", id="on"),
        pytest.param({"map": "D:/x"}, "map: wanted OLD=NEW", id="map"),
        pytest.param({"seed": -1}, "seed: wanted 0, 1, 2 …, there is -1", id="seed"),
        pytest.param({"which": "loud"}, "which: wanted silent or all, there is 'loud'", id="which"),
        pytest.param({"loudness": 3}, "loudness: wanted auto, or LUFS from -70 to 0; there is 3", id="LUFS"),
        pytest.param({"report": "r.txt"}, r"r\.txt: wanted a name ending in \.json", id="report"),
        pytest.param(
            {"base_dir": ["/a", "/b"]}, "base_dir: wanted one value, there are 2: /a, /b", id="too many"
        ),
        pytest.param("{'tasks': ", "avassist: not a dictionary", id="half a dictionary"),
        pytest.param(True, "avassist: wanted tasks such as 'sync'", id="only true"),
    ],
)
def test_what_cannot_be_meant_is_named_with_what_can(value, words):
    with pytest.raises(UsageError, match=words):
        config.said(argument(value))


def test_the_argument_wins_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "avassist.toml").write_text(
        "tasks = 'sync'\ndevice = 'cpu'\nmin_confidence = 0.3\ndetach = true"
    )
    monkeypatch.setenv("AVASSIST_HOOKS", "min_confidence=0.6,device=cuda")
    assert config.said(argument({"device": "auto"})) == {
        "tasks": ("sync",),
        "device": "auto",
        "min_confidence": 0.6,
        "detach": True,
    }


def test_off_silences_what_says_less(monkeypatch, tmp_path):
    (tmp_path / "avassist.toml").write_text("tasks = 'sync'")
    monkeypatch.setenv("AVASSIST_HOOKS", "off")
    assert config.said({})["tasks"] == ()


def test_paths_in_the_file_start_at_its_folder(monkeypatch, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "our.toml").write_text("tasks = ['sync']\nbase_dir = '.'\nmedia_root = ['a', '/b']")
    monkeypatch.setenv("AVASSIST_CONFIG", str(folder / "our.toml"))
    assert config.said({}) == {
        "tasks": ("sync",),
        "base_dir": folder,
        "media_root": (folder / "a", Path("/b")),
    }


@pytest.mark.parametrize("content", [None, "tasks = "], ids=["absent", "broken"])
def test_a_file_that_cannot_be_read_is_named(monkeypatch, tmp_path, content):
    if content:
        (tmp_path / "our.toml").write_text(content)
    monkeypatch.setenv("AVASSIST_CONFIG", "our.toml")
    assert config.asked({})
    with pytest.raises(UsageError, match=r"our\.toml: not a configuration"):
        config.said({})


def test_strict_is_heard_beside_what_cannot_be_understood(monkeypatch):
    assert config.strict(argument({"strict": "true", "taks": "sync"}))
    monkeypatch.setenv("AVASSIST_CONFIG", "absent.toml")
    assert config.strict(argument({"strict": True}))
    assert not config.strict(argument("sync"))


def test_relative_media_is_looked_for_where_the_documentation_says(monkeypatch, tmp_path):
    written = str(tmp_path / "out" / "cut.otio")
    assert config.settings({"base_dir": Path("/said")}, written).base_dir == Path("/said")
    monkeypatch.setenv("AVASSIST_BASE_DIR", "/everywhere")
    assert config.settings({}, written).base_dir == tmp_path / "out"
    assert config.settings({}, None).base_dir == Path("/everywhere")
    monkeypatch.delenv("AVASSIST_BASE_DIR")
    assert config.settings({}, None).base_dir == tmp_path


def test_what_is_not_said_stays_as_the_pipeline_has_it():
    from otio_avassist.pipeline import Settings

    said = config.settings({"base_dir": Path("/x"), "map": (("a", "b"),), "max_offset": 1.0}, None)
    assert said.path_map == (("a", "b"),)
    assert said.sync.max_offset_s == 1.0
    assert (said.device, said.min_confidence) == (Settings().device, Settings().min_confidence)


def test_what_is_said_of_captions_reaches_their_task():
    from otio_avassist.tasks.captions import Options

    values = config.said(
        argument({"tasks": "captions", "per_minute": 4, "proposals": "/p.json", "on": "clip"})
    )
    said = config.settings(values, None).captions
    assert (said.per_minute, said.proposals_file, said.on) == (4.0, Path("/p.json"), "clip")
    assert said.levels == Options().levels
    assert config.settings({}, None).captions == Options()


def test_files_of_speech_in_the_configuration_lie_beside_it(monkeypatch, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for speech, expected in (("auto", "auto"), ("said.srt", folder / "said.srt")):
        (folder / "our.toml").write_text(f"speech = '{speech}'\nproposals = 'p.json'")
        monkeypatch.setenv("AVASSIST_CONFIG", str(folder / "our.toml"))
        assert config.said({}) == {"speech": expected, "proposals": folder / "p.json"}


def test_in_a_file_a_stretch_of_the_timeline_is_no_path(tmp_path):
    (tmp_path / "avassist.toml").write_text("tasks = 'foley'\nprime = '1.5-3'\nfoley_dir = 'takes'")
    assert config.said({}) == {"tasks": ("foley",), "prime": "1.5-3", "foley_dir": tmp_path / "takes"}
