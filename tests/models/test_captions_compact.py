"""The compact captions bundle: words for all classes, the same films each time, one path to a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.compact import export_compact  # noqa: E402
from models.captions.compact import events, grammar, lexicon, mixtures, train_captioner, train_events  # noqa: E402
from models.captions.compact.bank import Bank, Clip  # noqa: E402
from models.captions.compact.captioner import CompactCaptioner  # noqa: E402
from models.captions.compact.events import EventConfig  # noqa: E402
from models.captions.compact.films import Composer  # noqa: E402
from models.captions.compact.grammar import Described, Sounding  # noqa: E402
from otio_avassist import bundles, sampling  # noqa: E402


@pytest.fixture(scope="module")
def class_names() -> list[str]:
    """YAMNet's classes; their order is the network's own business."""
    return [*(name for each in lexicon.heard().values() for name in each.classes), *lexicon.silent()]


@pytest.fixture(scope="module")
def composer(class_names: list[str]) -> Composer:
    """On a bank of noise: what matters here isn't what is in it."""
    rng = np.random.default_rng(3)

    def rows(count: int, width: int, level: float) -> np.ndarray:
        return rng.normal(level, 2, (count, width)).astype(np.float32)

    def ties(size: int) -> np.ndarray:
        made = rng.normal(0, 1, (size, size)).astype(np.float32)
        made[np.diag_indices(size)] = 8
        return made

    return Composer(
        Bank(
            clips=tuple(Clip(key, rows(12, 521, -6), (1.0, 3.0), 1) for key in ("dog", "door")),
            beds=(rows(20, 521, -8),),
            track=rows(40, 521, -8),
            plain=(rows(20, 1000, 0),),
            photos=(("cat", rows(6, 1000, 0)), ("", rows(6, 1000, 0))),
            heard_ties=ties(521),
            seen_ties=ties(1000),
        ),
        class_names,
    )


# Words


def test_every_class_of_sound_has_words_or_is_silent_on_purpose(class_names: list[str]) -> None:
    assert len(class_names) == len(set(class_names)) == lexicon.HEARD_CLASSES
    groups = lexicon.heard_groups(class_names)
    assert set(groups) == set(range(len(lexicon.heard_keys()) + len(lexicon.silent())))


def test_every_class_of_picture_belongs_to_one_thing_or_to_what_is_never_spoken_of() -> None:
    claimed = [number for each in lexicon.seen().values() for number in each.classes]
    assert len(claimed) == len(set(claimed))
    assert {*claimed} < {*range(lexicon.SEEN_CLASSES)}


def test_a_class_without_words_is_refused_by_name(class_names: list[str]) -> None:
    with pytest.raises(ValueError, match="Yodelling in space"):
        lexicon.heard_groups([*class_names[1:], "Yodelling in space"])


@pytest.mark.parametrize("things", [lexicon.heard(), lexicon.seen()], ids=["heard", "seen"])
def test_everything_falls_back_to_something_more_general_in_the_end(things: dict) -> None:
    roots = {lexicon.ancestors(key, things)[-1] for key in things}
    assert roots <= {"sound", "thing"}


def test_all_breeds_are_a_dog() -> None:
    groups = lexicon.seen_groups()
    dogs = set(groups[151:269])  # Chihuahua to Mexican hairless
    assert [lexicon.seen_keys()[group] for group in dogs] == ["dog"]


def test_what_is_heard_can_be_said_in_words_of_the_vocabulary() -> None:
    for key in lexicon.heard_keys():
        for seed in range(4):
            scene = Described((Sounding(key, seed), Sounding("speech", 1, 0.5, 3)), ("dog", "street"))
            assert grammar.tokens(grammar.sentence(scene, np.random.default_rng(seed)))


def test_what_is_seen_can_be_said_in_words_of_the_vocabulary() -> None:
    for key in lexicon.seen_keys():
        assert grammar.tokens(grammar.sentence(Described((), (key,))))


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        (
            Described((Sounding("dog", 2, 0, 4), Sounding("footsteps", 0, 1, 9))),
            "a dog barks twice while someone walks",
        ),
        (
            Described((Sounding("knock", 3, 0, 1), Sounding("door", 1, 2, 3))),
            "someone knocks three times and then a door closes",
        ),
        (Described((Sounding("dog"),), ("dog",)), "a dog barks in view"),
        (Described((Sounding("speech"),), ("stage",)), "someone speaks on a stage"),
        (Described((), ("dog", "car")), "we see a dog and a car"),
        (Described(), grammar.NOTHING),
    ],
    ids=["together", "in order", "seen and heard", "in a place", "only seen", "nothing"],
)
def test_a_scene_is_described_as_one_would(scene: Described, text: str) -> None:
    assert grammar.sentence(scene) == text


def test_what_names_nothing_is_no_name() -> None:
    names = {grammar.vocabulary()[token] for token in grammar.names()}
    assert names.isdisjoint(
        [
            "a",
            "something",
            "sounds",
            "someone",
            "we",
            "see",
            "hear",
            "nothing",
            "<s>",
            "twice",
            "while",
            "view",
        ]
    )
    assert names >= {"dog", "barks", "walks", "car", "cello", "waterfall", "speaks"}


# Films


def test_the_same_seed_gives_the_same_film(composer: Composer) -> None:
    one, other = composer.film([1, 2]), composer.film([1, 2])
    assert one.text == other.text
    assert one.truth == other.truth
    np.testing.assert_array_equal(one.audio, other.audio)
    np.testing.assert_array_equal(one.video, other.video)
    assert composer.film([1, 3]).audio.shape != one.audio.shape or composer.film([1, 3]).text != one.text


def test_films_say_only_what_is_there_or_something_more_general(composer: Composer) -> None:
    for seed in range(60):
        film = composer.film(seed)
        true = {each for key in film.truth[0] for each in lexicon.ancestors(key, lexicon.heard())}
        assert {each.key for each in film.scene.heard} <= true | {"sound"}
        true = {each for key in film.truth[1] for each in lexicon.ancestors(key, lexicon.seen())}
        assert set(film.scene.seen) <= true


def test_a_film_without_a_stream_has_a_row_of_zeros_and_says_nothing_of_it(composer: Composer) -> None:
    films = [composer.film(seed) for seed in range(80)]
    deaf = [film for film in films if not film.audio.any()]
    blind = [film for film in films if not film.video.any()]
    assert deaf
    assert blind
    assert all(film.audio.shape == (1, 521) and not film.scene.heard for film in deaf)
    assert all(film.video.shape == (1, 1000) and not film.scene.seen for film in blind)


# Events


def test_events_of_a_mixture_lie_within_it_and_are_louder_where_they_are() -> None:
    stock = mixtures.Stock((), ())
    for seed in range(5):
        made = mixtures.mix(np.random.default_rng(seed), stock, 6.0, snr_db=25.0)
        assert (made.events_s[:, 0] < made.events_s[:, 1]).all()
        assert made.events_s.size == 0 or made.events_s.max() <= 6.0 + 1 / 16000
        inside = np.zeros(len(made.samples), bool)
        for start_s, end_s in made.events_s:
            inside[round(start_s * 16000) : round(end_s * 16000)] = True
        if inside.any() and not inside.all():
            assert (made.samples[inside] ** 2).mean() > 4 * (made.samples[~inside] ** 2).mean()


def test_cells_that_say_what_they_should_decode_to_the_events() -> None:
    true = np.array([[0.5, 0.9], [1.5, 4.0]])
    inside, spans = events.targets(true, 125)
    at = events.cells_s(125).numpy()
    raw = np.stack(
        [
            np.log(np.maximum(at - spans[:, 0], 0.003)),
            np.log(np.maximum(spans[:, 1] - at, 0.003)),
            np.where(inside, 4, -9),
        ]
    )
    made = events.decode(torch.from_numpy(raw.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(events.pick(made, 0.5, 5.0), true, atol=1e-3)
    hits, errors_s = events.score(events.pick(made, 0.5, 5.0), true)
    assert hits == 2
    assert errors_s.max() < 1e-3


def test_the_level_of_a_recording_tells_the_event_network_nothing() -> None:
    torch.manual_seed(0)
    network = events.EventNetwork(EventConfig(width=16, dilations=(1, 2), dropout=0.0)).eval()
    log_mel = torch.randn(1, 300, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(log_mel), network(log_mel + 2.0), atol=1e-4, rtol=1e-4)


# The whole path


def small_captions() -> train_captioner.CaptionSettings:
    return train_captioner.CaptionSettings(steps=4, batch=4, width=16, valid=8, check_every=2)


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, composer: Composer, class_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_captioner.Run(small_captions(), tmp_path / "whole", class_names, lambda: composer)
    whole.train()
    broken = train_captioner.Run(small_captions(), tmp_path / "broken", class_names, lambda: composer)
    save = broken._save

    def save_and_stop() -> None:
        save()
        raise KeyboardInterrupt

    monkeypatch.setattr(broken, "_save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = train_captioner.Run(small_captions(), tmp_path / "broken", class_names, lambda: composer)
    assert resumed.step == 2
    resumed.train()
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], weight)


def test_training_in_small_becomes_a_bundle_that_speaks(
    tmp_path: Path, composer: Composer, class_names: list[str]
) -> None:
    nothing = mixtures.Stock((), ())
    heard = train_events.EventSettings(
        mixtures=4, length_s=5.0, steps=2, batch=2, crop_s=3.0, check_every=2, valid=1,
        config=EventConfig(width=16, dilations=(1, 2)),
    )  # fmt: skip
    listening = train_events.Run(heard, tmp_path / "events", lambda: (nothing, nothing))
    listening.train()
    speaking = train_captioner.Run(small_captions(), tmp_path / "captioner", class_names, lambda: composer)
    speaking.train()
    words = {
        "network": "tiny", "version": "0", "sure": 0.5, "threshold": 0.3, "training": {"material": "noise"},
        "figures": {"events": listening.figures(), "films": speaking.figures()},
    }  # fmt: skip
    (tmp_path / "figures.json").write_text(json.dumps(words), encoding="utf-8")

    done = export_compact(tmp_path, tmp_path / "bundle")

    card = bundles.Card.read(tmp_path / "bundle")
    assert card == done
    assert card.needs == ("yamnet", "efficientnet-lite0")
    assert card.classes == grammar.vocabulary()
    encode, step, propose = (
        bundles.load(tmp_path / "bundle", device="cpu", graph=name) for name in ("encode", "step", "propose")
    )
    films = [composer.film(seed) for seed in range(3)]
    ours = speaking.weighed(films)
    memory = encode(**{name: rows.numpy() for name, rows in train_captioner.streams(films).items()})
    width, heads = speaking.config.network.inner_width, speaking.config.network.heads
    empty = np.zeros((3, heads, 0, width // heads), np.float32)
    past = {name: empty for name in card.graphs["step"].inputs if name.startswith("past")}

    def ask(token: np.ndarray, position: int, state: dict) -> tuple[np.ndarray, dict]:
        given = state or {**memory, **past}
        found = step(token=token, position=np.array([position]), **given)
        kept = {name: given[name] for name in given if name.startswith("memory")}
        return found["logits"], {
            **kept,
            **{k.replace("present", "past"): v for k, v in found.items() if k != "logits"},
        }

    said = sampling.hypotheses(
        ask,
        3,
        start=train_captioner.START,
        end=train_captioner.END,
        max_words=30,
        beam=train_captioner.WEIGHED,
        forbidden=[{0, train_captioner.PAD, train_captioner.START}] * 3,
    )
    assert [each[0].tokens for each in said] == [each[0].tokens for each in ours]
    assert card.preprocessing["implied"]["dog"] == ["animal"]
    proposals = propose(log_mel=np.random.default_rng(0).normal(-4, 1, (1, 333, 64)).astype(np.float32))[
        "proposals"
    ]
    assert proposals.shape == (1, 84, 3)
    assert ((proposals[..., 2] >= 0) & (proposals[..., 2] <= 1)).all()


def test_padding_and_a_missing_stream_stay_what_they_are(class_names: list[str], composer: Composer) -> None:
    config = train_captioner.captioner.config(class_names, len(grammar.vocabulary()), width=16)
    rows = CompactCaptioner(config).rows(
        {
            "audio": torch.cat([torch.full((1, 1, 521), 1.0), torch.zeros(1, 1, 521)], 1),
            "video": torch.randn(1, 2, 1000),
        }
    )
    assert (rows["audio"][0, 0] == 1).all()
    assert (rows["audio"][0, 1] == 0).all()
    assert (rows["video"][..., 0] != 1).all()


# What ships

SHIPPED = bundles.SHIPPED / "captions"


@pytest.mark.skipif(not (SHIPPED / bundles.CARD).exists(), reason="no compact bundle is shipped yet")
def test_the_shipped_bundle_is_what_its_card_says() -> None:
    card = bundles.Card.read(SHIPPED)
    assert card.task == "captions"
    for graph in card.graphs:
        bundles.load(SHIPPED, device="cpu", graph=graph)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 12e6
    assert card.classes == grammar.vocabulary()
    assert tuple(card.preprocessing["names"]) == grammar.names()
    assert "CC BY-SA" not in json.dumps(card.training["heard"])
    assert "Blender Foundation" in json.dumps(card.training)


def test_what_is_said_is_called_in_a_list_as_an_editor_would():
    labels = grammar.labels()
    assert labels["someone speaks"] == labels["speech"] == "speech"
    assert labels["a dog barks"] == "dog barking"
    assert labels["a bird sings"] == "birdsong"
    assert labels["waves break"] == "sea"
    assert labels["a waterfall rushes"] == "waterfall"
    assert not {piece for piece in labels if set(piece.split()) - set(grammar.vocabulary())}
