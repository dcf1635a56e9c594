"""The word loop against every sentence there is, and the code loop against odds, on small tables."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from otio_avassist.sampling import Sentence, careful, decode, draw_codes, hypotheses, log_probs

START, END, WORDS = 0, 1, 5
NOT_SAID = [(START,)]


def table(rows: int, seed: int) -> np.ndarray:
    """Log-probabilities of the next token after each token. Shape: (rows, WORDS, WORDS)."""
    logits = np.random.default_rng(seed).normal(scale=1.5, size=(rows, WORDS, WORDS))
    logits[:, :, START] = -30
    return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))


class Table:
    """A network that remembers its row's table, and the two tokens before, by the state alone."""

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = tables
        self.batches: list[int] = []

    def __call__(self, token, position, state):
        self.batches.append(len(token))
        if not state:
            state = {"memory": self.tables, "past": np.zeros((len(token), 0), np.int64)}
        assert state["past"].shape == (len(token), position)
        past = np.concatenate([state["past"], token[:, None]], axis=1)
        rows = np.arange(len(token))
        logits = state["memory"][rows, token]
        if position:
            # The word before the last counts a little, so that beams that change places must not mix.
            logits = logits + 0.3 * state["memory"][rows, past[:, -2]]
            logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits, {"memory": state["memory"], "past": past}


def said(tables: np.ndarray, row: int, tokens: tuple[int, ...]) -> tuple[float, ...]:
    """The log-probabilities of a sentence, one step after the other without any state."""
    values, before = [], [START]
    for token in tokens:
        logits = tables[row, before[-1]]
        if len(before) > 1:
            logits = logits + 0.3 * tables[row, before[-2]]
            logits = logits - np.log(np.exp(logits).sum())
        values.append(float(logits[token]))
        before.append(token)
    return tuple(values)


def all_sentences(tables: np.ndarray, row: int, max_words: int):
    """(score, tokens) of every sentence that ends in time, or is cut off."""
    words = [each for each in range(WORDS) if each not in (START, END)]
    for length in range(max_words + 1):
        for tokens in product(words, repeat=length):
            whole = (*tokens, END) if length < max_words else tokens
            values = said(tables, row, whole)
            yield sum(values) / max(1, len(whole)), tokens


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_wide_enough_finds_the_best_of_all_sentences(seed: int) -> None:
    tables = table(4, seed)
    found = decode(Table(tables), 4, start=START, end=END, max_words=4, beam=WORDS**4, forbidden=NOT_SAID * 4)
    for row, sentence in enumerate(found):
        score, tokens = max(all_sentences(tables, row, 4))
        assert sentence.tokens == tokens
        assert sentence.score == pytest.approx(score)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("beam", [2, 3])
def test_beams_that_change_places_keep_their_own_past(seed: int, beam: int) -> None:
    tables = table(5, seed)
    for row, sentence in enumerate(decode(Table(tables), 5, start=START, end=END, max_words=9, beam=beam)):
        assert sentence.log_probs == pytest.approx(said(tables, row, sentence.tokens))
        if sentence.end_log_prob:
            [*_, last] = said(tables, row, (*sentence.tokens, END))
            assert sentence.end_log_prob == pytest.approx(last)


@pytest.mark.parametrize("seed", range(8))
def test_greedy_takes_the_likeliest_word_each_time(seed: int) -> None:
    tables = table(6, seed)
    for row, sentence in enumerate(decode(Table(tables), 6, start=START, end=END, max_words=7)):
        before: tuple[int, ...] = ()
        while len(before) < 7 and (not before or before[-1] != END):
            before += (max(range(WORDS), key=lambda word: said(tables, row, (*before, word))[-1]),)
        assert sentence.tokens == tuple(word for word in before if word != END)
        assert sentence.log_probs == pytest.approx(said(tables, row, sentence.tokens))


@pytest.mark.parametrize("beam", [1, 3])
def test_a_row_says_the_same_alone_as_among_others(beam: int) -> None:
    tables = table(6, 3)
    together = decode(Table(tables), 6, start=START, end=END, max_words=8, beam=beam)
    for row in range(6):
        [alone] = decode(Table(tables[row : row + 1]), 1, start=START, end=END, max_words=8, beam=beam)
        assert alone.tokens == together[row].tokens


def test_rows_that_have_ended_leave_the_batch() -> None:
    tables = table(4, 0)
    tables[:2, :, END] = 5.0
    network = Table(tables)
    decode(network, 4, start=START, end=END, max_words=6)
    assert network.batches[0] == 4
    assert max(network.batches[1:]) <= 2


def test_what_is_forbidden_is_said_by_the_other_rows_only() -> None:
    tables = np.repeat(table(1, 1), 2, axis=0)
    tables[:, :, 3] = 4.0
    free, bound = decode(Table(tables), 2, start=START, end=END, max_words=5, forbidden=[(), (3,)])
    assert 3 in free.tokens
    assert 3 not in bound.tokens


def test_a_sentence_without_end_is_cut_off() -> None:
    tables = table(1, 2)
    tables[:, :, END] = -50
    for beam in (1, 2):
        [sentence] = decode(Table(tables), 1, start=START, end=END, max_words=5, beam=beam)
        assert len(sentence.tokens) == 5
        assert sentence.end_log_prob == 0.0


def test_sentences_that_are_given_are_judged_word_by_word() -> None:
    tables = table(4, 5)
    given = [(2, 3), (), (4,), (3, 3, 2)]
    for row, (tokens, values) in enumerate(
        zip(given, log_probs(Table(tables), given, start=START), strict=True)
    ):
        assert values == pytest.approx(said(tables, row, tokens))


def test_nothing_to_say_needs_no_step() -> None:
    assert decode(Table(table(0, 0)), 0, start=START, end=END, max_words=5) == []
    assert log_probs(Table(table(2, 0)), [(), ()], start=START) == [(), ()]


def test_the_score_counts_the_end_as_a_word() -> None:
    assert Sentence((4,), (-1.0,), -3.0).score == -2.0
    assert Sentence((4,), (-1.0,)).score == -1.0


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_wide_enough_holds_the_probability_of_all_sentences(seed: int) -> None:
    tables = table(3, seed)
    found = hypotheses(
        Table(tables), 3, start=START, end=END, max_words=4, beam=WORDS**4, forbidden=NOT_SAID * 3
    )
    for row, said_all in enumerate(found):
        totals = [each.total for each in said_all]
        assert totals == sorted(totals, reverse=True)
        everything = {}
        for _, tokens in all_sentences(tables, row, 4):
            whole = (*tokens, END) if len(tokens) < 4 else tokens
            everything[tokens] = sum(said(tables, row, whole))
        hardly = max(everything.values()) - 5
        held = {each.tokens: each.total for each in said_all}
        assert held.keys() <= everything.keys()
        assert all(held[tokens] == pytest.approx(everything[tokens]) for tokens in held)
        assert {tokens for tokens, total in everything.items() if total > hardly} <= held.keys()


A, DOG, BARKS, WHINES, IS, HEARD, SOMETHING, SOUNDS, AND, CAT = range(10, 20)


def sentence(probability: float, *tokens: int) -> Sentence:
    return Sentence(tokens, (0.0,) * len(tokens), float(np.log(probability)))


def test_a_name_counts_by_all_sentences_that_have_it() -> None:
    said_all = [
        sentence(0.4, A, DOG, BARKS),
        sentence(0.25, A, DOG, WHINES),
        sentence(0.2, A, DOG, IS, HEARD),
        sentence(0.15, SOMETHING, SOUNDS),
    ]
    names = {DOG, BARKS, WHINES, CAT}
    found = careful(said_all, names, 0.5)
    assert found is not None
    assert found.sentence.tokens == (A, DOG, IS, HEARD), "sure of the dog, not of what it does"
    assert found.tokens == pytest.approx((0.85, 0.85, 0.2, 0.2))
    bold, shy = careful(said_all, names, 0.3), careful(said_all, names, 0.9)
    assert bold is not None
    assert shy is not None
    assert bold.sentence.tokens == (A, DOG, BARKS)
    assert shy.sentence.tokens == (SOMETHING, SOUNDS)


def test_names_that_say_the_same_more_precisely_count_for_the_vaguer_one() -> None:
    animal = 30
    said_all = [
        sentence(0.35, A, DOG, BARKS),
        sentence(0.35, A, CAT, IS, HEARD),
        sentence(0.2, SOMETHING, SOUNDS),
        sentence(0.1, A, animal, IS, HEARD),
    ]
    names, implied = {DOG, BARKS, CAT, animal}, {DOG: {animal}, CAT: {animal}}
    found = careful(said_all, names, 0.6, implied)
    assert found is not None
    assert found.sentence.tokens == (A, animal, IS, HEARD)
    assert found.tokens[1] == pytest.approx(0.8)
    alone = careful(said_all, names, 0.6)
    assert alone is not None
    assert alone.sentence.tokens == (SOMETHING, SOUNDS)


def test_a_precise_name_is_said_before_a_vague_one_it_implies() -> None:
    animal = 30
    said_all = [sentence(0.4, A, animal, SOUNDS), sentence(0.35, A, DOG, IS, HEARD), sentence(0.25, A, DOG)]
    found = careful(said_all, {DOG, animal, SOUNDS}, 0.3, {DOG: {animal}})
    assert found is not None
    assert found.sentence.tokens == (A, DOG, IS, HEARD)


def test_nothing_is_said_twice_in_other_words() -> None:
    animal = 30
    said_all = [sentence(0.6, A, DOG, BARKS), sentence(0.4, A, DOG, BARKS, AND, animal)]
    found = careful(said_all, {DOG, BARKS, animal}, 0.3, {DOG: {animal}})
    assert found is not None
    assert found.sentence.tokens == (A, DOG, BARKS)


def test_what_names_more_that_is_sure_is_said_before_what_is_likelier() -> None:
    said_all = [
        sentence(0.5, A, DOG, BARKS),
        sentence(0.4, A, DOG, BARKS, AND, A, CAT),
        sentence(0.1, A, CAT),
    ]
    found = careful(said_all, {DOG, BARKS, CAT}, 0.5)
    assert found is not None
    assert found.sentence.tokens == (A, DOG, BARKS, AND, A, CAT)


def test_who_is_sure_of_nothing_that_can_be_said_says_nothing() -> None:
    assert careful([sentence(0.5, DOG), sentence(0.5, CAT)], {DOG, CAT}, 0.6) is None
    assert careful([], {DOG}, 0.6) is None


# The code loop


class Chain:
    """Scores of the next code by the last one alone; remembers all that it was given."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores
        self.given: list[tuple[tuple[int, ...], np.ndarray]] = []

    def __call__(self, *, prefix: np.ndarray, codes: np.ndarray) -> np.ndarray:
        self.given.append((prefix.shape, codes.copy()))
        return self.scores[codes[:, -1] if codes.shape[1] else np.zeros(len(codes), np.int64)]


def draws(chain: Chain, count: int, seeds: list[int], **options: float) -> np.ndarray:
    prefix = np.zeros((len(seeds), 2, 3), np.float32)
    primed = np.zeros((len(seeds), 0), np.int64)
    randoms = [np.random.default_rng(seed) for seed in seeds]
    return draw_codes(chain, count, prefix=prefix, primed=primed, randoms=randoms, **options)


def test_codes_are_drawn_as_often_as_they_are_likely() -> None:
    likely = np.array([0.5, 0.3, 0.15, 0.05])
    drawn = draws(Chain(np.tile(np.log(likely), (4, 1)).astype(np.float32)), 3000, [0, 1])
    shares = np.bincount(drawn.ravel(), minlength=4) / drawn.size
    # Three standard deviations of a share among 6000 draws.
    np.testing.assert_allclose(shares, likely, atol=3 * np.sqrt(0.25 / 6000))


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 0.8), (1.0, 2 / 3), (2.0, 0.586)])
def test_a_temperature_makes_draws_more_careful_or_more_daring(temperature: float, expected: float) -> None:
    # Odds of 2 to 1, to the power of 1 / temperature.
    chain = Chain(np.log(np.array([[2.0, 1.0]])).repeat(2, axis=0))
    drawn = draws(chain, 4000, [3], temperature=temperature)
    assert (drawn == 0).mean() == pytest.approx(expected, abs=0.03)


def test_only_the_likeliest_are_drawn_with_all_that_tie_with_the_last_of_them() -> None:
    scores = np.array([[3.0, 1.0, 2.0, 2.0, -1.0]]).repeat(5, axis=0)
    assert set(draws(Chain(scores), 300, [0], top_k=1).ravel()) == {0}
    assert set(draws(Chain(scores), 300, [0], top_k=2).ravel()) == {0, 2, 3}
    assert set(draws(Chain(scores), 3000, [0], top_k=0).ravel()) == {0, 1, 2, 3, 4}
    assert set(draws(Chain(scores), 3000, [0], top_k=9).ravel()) == {0, 1, 2, 3, 4}


def test_each_code_is_told_to_the_network_once_after_what_comes_first() -> None:
    chain = Chain(np.eye(4)[[1, 2, 3, 0]] * 50)
    primed = np.array([[2, 1], [0, 3]])
    randoms = [np.random.default_rng(seed) for seed in (0, 1)]
    drawn = draw_codes(chain, 3, prefix=np.zeros((2, 5, 7)), primed=primed, randoms=randoms)
    assert drawn.tolist() == [[2, 3, 0], [0, 1, 2]]
    assert [shape for shape, _ in chain.given] == [(2, 5, 7), (2, 0, 7), (2, 0, 7)]
    assert [codes.tolist() for _, codes in chain.given] == [primed.tolist(), [[2], [0]], [[3], [1]]]


def test_a_take_does_not_depend_on_those_that_are_drawn_beside_it() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 6))
    together = draws(Chain(scores), 40, [4, 5, 6])
    alone = [draws(Chain(scores), 40, [seed])[0] for seed in (4, 5, 6)]
    np.testing.assert_array_equal(together, alone)
    assert len({tuple(row) for row in together}) == 3
