"""What captions and foley found is kept by content: it costs nothing again, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from otio_avassist import cache, speech, windows
from otio_avassist.findings import CaptionFinding, FoleyFinding, PassedOver
from otio_avassist.spans import Shot
from otio_avassist.speech import Cue
from otio_avassist.tasks import captions, foley
from tests.pretend import GREEN, HUM_HZ, RED, WHISTLE_HZ, Pretended, paint, pretended, pretended_foley
from tests.tasks.test_captions import a_shot, a_span

Looked = list[tuple[float, float]]


@pytest.fixture(scope="module")
def whistle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of red, then ten of green; a whistle from 3 to 4 s, a hum from 14 to 16 s."""
    tones = [(None, 3), (WHISTLE_HZ, 1), (None, 10), (HUM_HZ, 2), (None, 4)]
    return paint(tmp_path_factory.mktemp("media") / "whistle.mkv", [(RED, 10), (GREEN, 10)], tones)


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], cache.Store]:
    """The same store as another process opens it."""
    return lambda: cache.Store(tmp_path / "kept")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Looked:
    """Stretches of media that were decoded."""
    seen: Looked = []
    plainly = windows.blocks

    def blocks(picture, sound, **how):
        lead = picture or sound
        seen.append((lead.start_s, lead.end_s))
        return plainly(picture, sound, **how)

    monkeypatch.setattr(windows, "blocks", blocks)
    return seen


def tell(
    shots: list[Shot], store: cache.Store | None, bundle: Pretended | None = None, **options
) -> list[CaptionFinding | PassedOver]:
    return list(captions.analyse(shots, bundle or pretended(), captions.Options(**options), store=store))


def two(path: Path, *, first_s: float = 1.0, record_s: float = 0.0) -> list[Shot]:
    """Two cuts of one film, far enough apart to be looked at one by one."""
    return [
        a_shot(path, path, 5.0, start_s=first_s, record_s=record_s),
        a_shot(path, path, 6.0, start_s=12.0, record_s=record_s + 5.0),
    ]


def test_what_was_told_of_media_costs_nothing_again(whistle, store, looked, tmp_path) -> None:
    plain = tell(two(whistle), None)
    assert len(plain) == 2
    assert tell(two(whistle), store()) == plain
    looked.clear()
    assert tell(two(whistle), store()) == plain
    # Wherever it lies, and wherever a timeline plays it.
    moved = tmp_path / "elsewhere.mkv"
    moved.write_bytes(whistle.read_bytes())
    elsewhere = tell(two(moved, record_s=100.0), store())
    assert looked == []
    assert elsewhere == tell(two(moved, record_s=100.0), None)


def test_of_a_moved_cut_only_its_stretch_is_looked_at(whistle, store, looked) -> None:
    tell(two(whistle), store())
    looked.clear()
    moved = two(whistle, first_s=2.0)
    found = tell(moved, store())
    assert looked == [(2.0, 7.0)]
    assert found == tell(moved, None)


@pytest.mark.parametrize(
    "options",
    [{"per_minute": 3.0}, {"levels": ("event",)}, {"beam": 2}, {"nms": 0.7}, {"max_proposals": 7}],
    ids=lambda options: next(iter(options)),
)
def test_other_options_are_asked_anew(whistle, store, looked, options) -> None:
    tell(two(whistle), store())
    looked.clear()
    assert tell(two(whistle), store(), **options) == tell(two(whistle), None, **options)
    assert len(looked) == 4


def test_another_network_is_asked_anew(whistle, store, looked) -> None:
    tell(two(whistle), store())
    other = pretended(clarity=0.4, sure=0.1)
    looked.clear()
    assert tell(two(whistle), store(), other) == tell(two(whistle), None, other)
    assert len(looked) == 4


def test_given_events_and_words_that_are_said_count(whistle, store, looked, tmp_path) -> None:
    given = tmp_path / "events.json"
    hearing = pretended(eats=("audio", "video", "speech"), speech_vocabulary=["hello"])
    for events in ([[2.5, 4.5]], [[2.0, 4.0]]):
        given.write_text(json.dumps({"whistle": events}))
        looked.clear()
        tell(two(whistle), store(), proposals_file=given)
        assert len(looked) == 2
    for cues in ((), (Cue(3.0, 4.0, "hello"),), (Cue(3.0, 4.0, "goodbye"),)):
        looked.clear()
        found = tell(two(whistle), store(), hearing, cues=cues)
        # What is said in one of the stretches is nothing to the other.
        assert len(looked) == (1 if cues else 2)
        assert found == tell(two(whistle), None, hearing, cues=cues)


def test_what_a_speech_network_heard_is_kept_with_its_name(whistle, store, looked, monkeypatch) -> None:
    asked = []

    def listen(samples, start_s):
        asked.append(start_s)
        return [Cue(start_s + 1.0, start_s + 2.0, "hello", 0.5)]

    monkeypatch.setattr(speech, "listener", lambda model: listen)
    monkeypatch.setattr(speech, "by", lambda model: ["one"])
    plain = tell(two(whistle), None, say_speech=True)
    assert "hello" in [each.text for each in plain]
    assert tell(two(whistle), store(), say_speech=True) == plain
    asked.clear()
    assert tell(two(whistle), store(), say_speech=True) == plain
    assert asked == []
    monkeypatch.setattr(speech, "by", lambda model: ["another"])
    tell(two(whistle), store(), say_speech=True)
    assert len(asked) == 2


def test_media_that_breaks_off_is_looked_at_again(tmp_path, store, looked, monkeypatch) -> None:
    whole = paint(tmp_path / "film.mkv", [(RED, 8)], [(WHISTLE_HZ, 8)])
    plainly = windows.blocks

    def blocks(*given, **how):
        blocks = iter(plainly(*given, **how))
        yield next(blocks)
        raise windows.MediaError("film.mkv: gone while it was read")

    with monkeypatch.context() as broken:
        broken.setattr(windows, "blocks", blocks)
        first = tell([a_shot(whole, whole, 8.0)], store())
    looked.clear()
    assert tell([a_shot(whole, whole, 8.0)], store()) == tell([a_shot(whole, whole, 8.0)], None)
    assert len(looked) == 2
    assert first != tell([a_shot(whole, whole, 8.0)], store())


def test_the_names_are_those_of_what_is_kept(whistle, store) -> None:
    options = captions.Options()
    wanted = list(captions.names(two(whistle), pretended(), options, store()))
    assert [seconds for _, seconds in wanted] == [5.0, 6.0]
    assert not any(store().has(name) for name, _ in wanted)
    tell(two(whistle), store())
    assert all(store().has(name) for name, _ in wanted)


# Foley


def sound(shots: list[Shot], folder: Path, store: cache.Store | None, bundle=None, **options):
    network = foley.Network(bundle or pretended_foley())
    asked = foley.Options(folder=folder, check_sync=False, **options)
    return list(foley.analyse(shots, network, asked, store=store))


def silent(path: Path, start_s: float) -> Shot:
    return Shot(a_span(path, "picture", start_s, 2.0, 0.0), None, "alone")


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def without_folders(found: list[FoleyFinding]) -> list[FoleyFinding]:
    return [
        replace(each, takes=tuple(replace(take, path=Path(take.path.name)) for take in each.takes))
        for each in found
    ]


def test_sounds_that_were_made_are_put_beside_another_timeline(whistle, store, looked, tmp_path) -> None:
    shots = [silent(whistle, 1.0), silent(whistle, 13.0)]
    plain = sound(shots, tmp_path / "plain", None, takes=2)
    assert [each.sound for each in plain] == ["whistle", "hum"]
    first = sound(shots, tmp_path / "one", store(), takes=2)
    bundle = pretended_foley()
    looked.clear()
    again = sound(shots, tmp_path / "two", store(), bundle, takes=2)
    assert looked == []
    assert "step" not in bundle.asked
    assert files(tmp_path / "two") == files(tmp_path / "one") == files(tmp_path / "plain")
    assert without_folders(plain) == without_folders(first) == without_folders(again)


def test_sounds_are_made_anew_where_what_was_kept_is_not_whole(whistle, store, tmp_path) -> None:
    shots = [silent(whistle, 1.0)]
    sound(shots, tmp_path / "one", store())
    [path] = store().folder.glob("??/take-*.json")
    store().write(path.stem, {"wav": "AAAA"})
    sound(shots, tmp_path / "two", store())
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_another_seed_or_sound_is_another_file(whistle, store, tmp_path) -> None:
    for number, options in enumerate(({}, {"seed": 1}, {"sound": "hum"})):
        bundle = pretended_foley()
        sound([silent(whistle, 1.0)], tmp_path / str(number), store(), bundle, **options)
        assert "step" in bundle.asked


def test_a_speech_network_is_told_by_its_files(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(speech, "metadata", SimpleNamespace(version=lambda name: "1"))
    assert speech.by(tmp_path) == []
    (tmp_path / speech.WEIGHTS).write_bytes(b"one")
    one = speech.by(tmp_path)
    (tmp_path / speech.WEIGHTS).write_bytes(b"two")
    assert one
    assert one != speech.by(tmp_path)
