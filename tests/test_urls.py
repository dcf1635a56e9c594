"""urls: every spelling of a path that editors write leads to the file, and none is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from otio_avassist.urls import Locator, path_from_url, remote_scheme, speller, spellings, swap_prefix

SPELT = {
    "bare posix": ("/films/a b.mov", "/films/a b.mov"),
    "bare with hash": ("/films/take#1.mov", "/films/take#1.mov"),
    "bare with question mark": ("/films/why?.mov", "/films/why?.mov"),
    "bare with percent": ("/films/100%.mov", "/films/100%.mov"),
    "bare windows": (r"C:\films\a b.mov", r"C:\films\a b.mov"),
    "bare windows, slashes": ("C:/films/a.mov", "C:/films/a.mov"),
    "bare windows, mixed slashes": (r"C:/films\day 1/a.mov", r"C:/films\day 1/a.mov"),
    "bare unc": (r"\\server\share\a.mov", r"\\server\share\a.mov"),
    "bare unc, slashes": ("//server/share/a.mov", "//server/share/a.mov"),
    "relative": ("media/a.mov", "media/a.mov"),
    "file url": ("file:///films/a.mov", "/films/a.mov"),
    "file url, encoded space": ("file:///films/a%20b.mov", "/films/a b.mov"),
    "file url, encoded hash": ("file:///films/take%231.mov", "/films/take#1.mov"),
    "file url, bare hash": ("file:///films/take#1.mov", "/films/take#1.mov"),
    "file url, nothing encoded": ("file:///films/a b.mov", "/films/a b.mov"),
    "file url, bare percent": ("file:///films/100% a.mov", "/films/100% a.mov"),
    "file url, umlaut encoded": ("file:///films/gr%C3%BCn.mov", "/films/grün.mov"),
    "file url, localhost": ("file://localhost/films/a.mov", "/films/a.mov"),
    "file url, drive": ("file:///C:/films/a.mov", "C:/films/a.mov"),
    "file url, encoded drive": ("file://localhost/D%3a/media/a.mov", "D:/media/a.mov"),
    "file url, two slashes and a drive": ("file://C:/films/a.mov", "C:/films/a.mov"),
    "file url, backslashes": (r"file:///C:\films\a.mov", r"C:\films\a.mov"),
    "file url, server": ("file://server/share/a.mov", "//server/share/a.mov"),
    "file url, four slashes": ("file:////server/share/a.mov", "//server/share/a.mov"),
    "file url, one slash": ("file:/films/a.mov", "/films/a.mov"),
    "file url, capitals": ("FILE:///films/a.mov", "/films/a.mov"),
    "file url, relative": ("file:media/a.mov", "media/a.mov"),
    "file url, dot": ("file://./media/a.mov", "./media/a.mov"),
    "file url, only a name": ("file://a.mov", "a.mov"),
}


@pytest.mark.parametrize(("url", "path"), SPELT.values(), ids=SPELT.keys())
def test_a_url_is_read_as_the_path_its_writer_meant(url: str, path: str) -> None:
    assert path_from_url(url) == path


def test_a_percent_sign_may_also_be_part_of_the_name() -> None:
    assert spellings("file:///a%20b.mov") == ("/a b.mov", "/a%20b.mov")
    assert spellings("/a%20b.mov") == ("/a%20b.mov", "/a b.mov")


@pytest.mark.parametrize("url", ["http://x.org/a.mov", "https://x.org/a.mov", "s3://bucket/a.mov"])
def test_network_media_is_not_looked_for_on_the_disk(url: str) -> None:
    found = Locator().locate(url)
    assert found.path is None
    assert "network" in found.words
    assert remote_scheme(r"C:\a.mov") is None


@pytest.mark.parametrize(
    ("path", "old", "new", "swapped"),
    [
        ("/Volumes/Raid/a/b.mov", "/Volumes/Raid", "/mnt/raid", "/mnt/raid/a/b.mov"),
        ("/Volumes/Raid/a/b.mov", "/Volumes/Raid/", "/mnt/raid/", "/mnt/raid/a/b.mov"),
        ("/Volumes/Raid2/b.mov", "/Volumes/Raid", "/mnt/raid", None),
        ("/Volumes/raid/b.mov", "/Volumes/Raid", "/mnt/raid", None),
        (r"C:\Films\Day 1\b.mov", "c:/films", "/mnt/films", "/mnt/films/Day 1/b.mov"),
        ("C:/Films/b.mov", "C:\\", "/mnt/c", "/mnt/c/Films/b.mov"),
        (r"\\Server\share\b.mov", "//server/share", "/mnt/share", "/mnt/share/b.mov"),
        ("/mnt/films/a/b.mov", "/mnt/films", "D:\\films", r"D:\films\a\b.mov"),
        ("films/a.mov", "films", "/mnt/films", "/mnt/films/a.mov"),
        ("films/a.mov", "/films", "/mnt/films", None),
    ],
)
def test_a_prefix_is_swapped_whole_folders_at_a_time(
    path: str, old: str, new: str, swapped: str | None
) -> None:
    assert swap_prefix(path, old, new) == swapped


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("name", ["a.mov", "a b.mov", "take#1.mov", "100%.mov", "a%20b.mov", "grün.mov"])
@pytest.mark.parametrize("as_url", [str, Path.as_uri, lambda path: f"file://{path}"])
def test_a_file_that_is_where_the_timeline_says_is_found(tmp_path: Path, name: str, as_url) -> None:
    path = touch(tmp_path / name)
    assert Locator().find(as_url(path)) == path


def test_what_stands_there_as_written_comes_before_any_map(tmp_path: Path) -> None:
    path, other = touch(tmp_path / "here" / "a.mov"), touch(tmp_path / "there" / "a.mov")
    locator = Locator(path_map=((str(path.parent), str(other.parent)),))
    assert locator.find(str(path)) == path
    path.unlink()
    assert locator.find(str(path)) == other


@pytest.mark.parametrize(
    ("url", "old"),
    [
        (r"C:\Films\day 1\a b.mov", "c:/films"),
        ("file:///C:/Films/day%201/a%20b.mov", r"C:\Films"),
        (r"\\server\share\day 1\a b.mov", r"\\SERVER\share"),
        ("file://server/share/day%201/a%20b.mov", r"\\server\share"),
        ("file://localhost/D%3a/day%201/a%20b.mov", "D:"),
    ],
)
def test_a_windows_path_is_mapped_onto_a_folder_of_this_machine(tmp_path: Path, url: str, old: str) -> None:
    path = touch(tmp_path / "day 1" / "a b.mov")
    assert Locator(path_map=((old, str(tmp_path)),)).find(url) == path


def test_relative_media_is_looked_for_beside_the_timeline_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, working = touch(tmp_path / "beside/media/a.mov"), touch(tmp_path / "working/media/a.mov")
    monkeypatch.chdir(tmp_path / "working")
    locator = Locator(base_dir=tmp_path / "beside")
    assert locator.find("media/a.mov") == beside
    assert locator.find("media\\a.mov") == beside
    beside.unlink()
    assert locator.find("media/a.mov") == working


def test_below_a_media_root_the_longest_agreeing_path_wins(tmp_path: Path) -> None:
    right = touch(tmp_path / "cards/day2/CAM_A/clip1.mov")
    touch(tmp_path / "cards/day1/CAM_A/clip1.mov")
    touch(tmp_path / "clip1.mov")
    locator = Locator(media_root=(tmp_path,))
    assert locator.find("E:\\Shoot\\Day2\\cam_a\\CLIP1.MOV") == right
    assert locator.find("file:///Volumes/x/day2/CAM_A/clip1.mov") == right


def test_a_name_that_is_unique_below_the_media_roots_is_enough(tmp_path: Path) -> None:
    path = touch(tmp_path / "a/b/only.mov")
    # Roots that overlap hold one file twice, which is no ambiguity.
    assert Locator(media_root=(tmp_path, tmp_path / "a")).find("/gone/only.mov") == path


def test_two_files_that_fit_equally_are_named_and_neither_is_taken(tmp_path: Path) -> None:
    touch(tmp_path / "a/same.mov")
    touch(tmp_path / "b/same.mov")
    found = Locator(media_root=(tmp_path,)).locate("/gone/same.mov")
    assert found.path is None
    assert "2 files fit /gone/same.mov equally well" in found.words


def test_the_media_roots_are_walked_only_when_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = touch(tmp_path / "a.mov")
    walks = []
    monkeypatch.setattr("os.walk", lambda root: walks.append(root) or [])
    locator = Locator(media_root=(tmp_path,))
    locator.find(str(path))
    assert walks == []
    locator.find("/gone/a.mov")
    locator.find("/gone/b.mov")
    assert len(walks) == 1


def test_what_is_missing_says_where_it_was_looked_for(tmp_path: Path) -> None:
    words = Locator(base_dir=tmp_path, media_root=(tmp_path,)).locate("media/gone.mov").words
    assert "media/gone.mov" in words
    assert f"below {tmp_path}" in words
    assert "otioz" in words
    assert Locator().locate("").words == "its media reference names no file"


@pytest.mark.parametrize("url", ["\0", "x" * 5000, "file://", "file:", "/", ".", "..", "%", "file:///%zz"])
def test_nonsense_is_missing_and_never_an_exception(tmp_path: Path, url: str) -> None:
    assert Locator(base_dir=tmp_path, media_root=(tmp_path,)).find(url) is None


# The other way: how a timeline spells a new file


WRITTEN = {
    "nothing there": ((), "{folder}/new takes/a.wav"),
    "bare": (("/films/a b.mov",), "{folder}/new takes/a.wav"),
    "file url": (("file:///films/a%20b.mov",), "file://{folder}/new%20takes/a.wav"),
    "file url, nothing encoded": (("file:///films/a b.mov",), "file://{folder}/new takes/a.wav"),
    "localhost": (("file://localhost/films/a.mov",), "file://localhost{folder}/new%20takes/a.wav"),
    "relative": (("media/a.mov", "../b.mov"), "new takes/a.wav"),
    "mostly bare": (("/films/a.mov", "/films/b.mov", "file:///films/a.mov"), "{folder}/new takes/a.wav"),
    "network": (("s3://films/a.mov",), "{folder}/new takes/a.wav"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_new_file_is_spelt_as_the_others_are_and_found_again(name: str, tmp_path: Path) -> None:
    theirs, expected = WRITTEN[name]
    file = tmp_path / "new takes" / "a.wav"
    file.parent.mkdir()
    file.touch()
    url = speller(theirs, tmp_path)(file)
    assert url == expected.format(folder=tmp_path)
    assert Locator(base_dir=tmp_path).find(url) == file


def test_through_a_map_a_new_file_is_named_as_the_editors_machine_names_it(tmp_path: Path) -> None:
    file = tmp_path / "cuts" / "a.wav"
    file.parent.mkdir()
    file.touch()
    mapped = ((r"D:\films", str(tmp_path)),)
    bare = speller((r"D:\films\a.mov",), tmp_path, mapped)(file)
    assert bare == r"D:\films\cuts\a.wav"
    url = speller(("file:///D:/films/a.mov",), tmp_path, mapped)(file)
    assert url == "file:///D:/films/cuts/a.wav"
    locator = Locator(path_map=mapped)
    assert locator.find(bare) == locator.find(url) == file


def test_without_a_folder_to_start_from_no_name_is_relative() -> None:
    assert speller(("a.mov",))(Path("/takes/a.wav")) == "/takes/a.wav"
