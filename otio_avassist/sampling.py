"""The word loop and the code loop: sentences and sounds out of networks that give one token at a time.

A `Step` is asked for the next word of every row, with what it remembered of the words before; what is asked
and remembered is its own business. Rows that have ended leave the batch. Words are chosen, codes are drawn:
chance comes in by the caller's generators alone. numpy only: knows no bundle, no vocabulary and no media.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

State = dict[str, np.ndarray]
"""What a step remembers: arrays whose axis 0 counts rows. Empty before the first word."""

Step = Callable[[np.ndarray, int, Mapping[str, np.ndarray]], tuple[np.ndarray, State]]
"""(token (B,) int64, position, state) -> log-probabilities of the next token (B, V), and the state after it.

An array that comes back as the very object that went in (the memory of what is described) is taken to be the
same for all beams of a row, and isn't copied when beams change places.
"""


@dataclass(frozen=True)
class Sentence:
    """Tokens without start and end, and how likely the network found each."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    """Natural logarithms, one a token."""
    end_log_prob: float = 0.0
    """Of ending there; 0 where the sentence was cut off."""

    @property
    def total(self) -> float:
        """Log-probability of the sentence as a whole."""
        return sum(self.log_probs) + self.end_log_prob

    @property
    def score(self) -> float:
        """Mean log-probability of what was decided, the end included: long sentences aren't punished."""
        count = len(self.tokens) + (self.end_log_prob != 0.0)
        return self.total / max(1, count)


def decode(
    step: Step,
    batch: int,
    *,
    start: int,
    end: int,
    max_words: int,
    beam: int = 1,
    forbidden: Sequence[Collection[int]] | None = None,
) -> list[Sentence]:
    """The likeliest sentence of each row: word by word (`beam` 1), or by beam search.

    Args:
        step: the network.
        batch: how many rows.
        start, end: tokens that begin and end a sentence.
        max_words: no sentence gets more tokens, its end counted.
        beam: how many beginnings of each row are kept; the best ended one by `Sentence.score` is given.
        forbidden: for each row, tokens that it must not say.
    """
    if not batch:
        return []
    if beam <= 1:
        return _greedy(step, batch, start, end, max_words, forbidden)

    def settled(kept: Sequence[_Beginning], ended: Sequence[Sentence]) -> bool:
        # Nothing that goes on can still beat the best that has ended: every word costs, or is free.
        best = max((each.score for each in ended), default=-np.inf)
        return all(each.total / max_words <= best for each in kept)

    found = _beams(step, batch, start, end, max_words, beam, forbidden, settled)
    return [max(row, key=lambda each: each.score, default=Sentence((), ())) for row in found]


def hypotheses(
    step: Step,
    batch: int,
    *,
    start: int,
    end: int,
    max_words: int,
    beam: int,
    forbidden: Sequence[Collection[int]] | None = None,
) -> list[list[Sentence]]:
    """All that each row may well say, the likeliest first; arguments as those of `decode`."""

    def settled(kept: Sequence[_Beginning], ended: Sequence[Sentence]) -> bool:
        best = max((each.total for each in ended), default=-np.inf)
        return all(each.total < best - HARDLY for each in kept)

    if not batch:
        return []
    found = _beams(step, batch, start, end, max_words, beam, forbidden, settled)
    return [sorted(row, key=lambda each: -each.total) for row in found]


HARDLY = 5.0
"""A sentence e^5 times less likely than another hardly counts."""


@dataclass(frozen=True)
class Belief:
    """A sentence chosen among many, and how sure the network is of what it says, however it is worded."""

    sentence: Sentence
    tokens: tuple[float, ...]
    """For each token the share of all that the network may say which has it."""


def careful(
    said: Sequence[Sentence],
    names: Collection[int],
    sure: float,
    implied: Mapping[int, Collection[int]] | None = None,
) -> Belief | None:
    """Of all that a row may say, the sentence that names the most of what it is sure of, and nothing else.

    The probability of a word behind others tells little: much is said in ten ways, and after "we see an"
    there is no saying "dog". A name counts by all sentences that have it, or a name that says it more
    precisely: the network is sure of it when they hold at least `sure` of all probability. Sentences with a
    name that it isn't sure of aren't said; of the others, the one that says most, or the likeliest of these.

    Args:
        said: as `hypotheses` gives them.
        names: tokens that name something.
        sure: share of the probability, 0 to 1.
        implied: the names that a name says, too, less precisely: what is a dog is an animal.
    """
    implied = implied or {}
    if not said:
        return None
    weights = np.exp(np.array([each.total for each in said]) - said[0].total)
    weights /= weights.sum()
    shares: dict[int, float] = {}
    for each, weight in zip(said, weights, strict=True):
        for token in set(each.tokens).union(*(implied.get(one, ()) for one in each.tokens)):
            shares[token] = shares.get(token, 0.0) + float(weight)
    certain = {token for token in names if shares.get(token, 0.0) >= sure}
    allowed = [each for each in said if certain.issuperset(set(each.tokens) & set(names))]
    if not allowed:
        return None
    best = max(allowed, key=lambda each: (_worth(set(each.tokens) & certain, implied), each.total))
    return Belief(best, tuple(min(1.0, shares[token]) for token in best.tokens))


def _worth(names: Collection[int], implied: Mapping[int, Collection[int]]) -> int:
    """How much names say: one precise name more than several vague ones, and what they imply nothing more."""
    known = {other for name in names for other in implied.get(name, ())}
    return sum((1 + len(implied.get(name, ()))) ** 2 for name in names if name not in known)


def log_probs(step: Step, sentences: Sequence[Sequence[int]], *, start: int) -> list[tuple[float, ...]]:
    """How likely the network finds each token of given sentences; row k is asked about sentence k."""
    found: list[list[float]] = [[] for _ in sentences]
    rows = np.array([row for row, tokens in enumerate(sentences) if len(tokens)], np.int64)
    said = np.full(len(rows), start, np.int64)
    state: State = {}
    for position in range(max((len(tokens) for tokens in sentences), default=0)):
        if not position and len(rows) < len(sentences):
            # The first step makes the state of all rows; those with nothing to say leave after it.
            logits, state = step(np.full(len(sentences), start, np.int64), 0, state)
            logits, state = logits[rows], _rows(state, rows)
        else:
            logits, state = step(said, position, state)
        said = np.array([sentences[row][position] for row in rows], np.int64)
        for row, value in zip(rows, logits[np.arange(len(rows)), said], strict=True):
            found[row].append(float(value))
        stays = np.flatnonzero([len(sentences[row]) > position + 1 for row in rows])
        if len(stays) < len(rows):
            rows, said, state = rows[stays], said[stays], _rows(state, stays)
    return [tuple(values) for values in found]


def draw_codes(
    ask: Callable[..., np.ndarray],
    count: int,
    *,
    prefix: np.ndarray,
    primed: np.ndarray,
    randoms: Sequence[np.random.Generator],
    temperature: float = 1.0,
    top_k: int = 0,
) -> np.ndarray:
    """Codes drawn one by one, each from what the network finds likely after those before; all rows at once.

    Args:
        ask: (prefix (B, m, d), codes (B, t)) -> scores of the next code (B, V), natural logarithms; it
            remembers what it was given before.
        count: how many codes to draw.
        prefix: (B, p, d), what the codes are for.
        primed: (B, t) int64, codes that are there already.
        randoms: one a row, so that a row's draws depend on nothing but its own.
        temperature: above 1 more daring, below 1 more careful.
        top_k: only so many of the likeliest are drawn from, with all as likely as the last of them; 0: all.

    Returns:
        (B, count) int64, without the primed ones.
    """
    drawn = np.zeros((len(prefix), count), np.int64)
    nothing = prefix[:, :0]
    given = {"prefix": prefix, "codes": primed}
    for place in range(count):
        scores = ask(**given)
        drawn[:, place] = [
            _draw(row, random.random(), temperature, top_k)
            for row, random in zip(scores, randoms, strict=True)
        ]
        given = {"prefix": nothing, "codes": drawn[:, place : place + 1]}
    return drawn


def _draw(scores: np.ndarray, chance: float, temperature: float, top_k: int) -> int:
    """The code at which `chance`, 0 up to 1, falls when all are laid side by side, as wide as likely."""
    scores = scores.astype(np.float64) / temperature
    weights = np.exp(scores - scores.max())
    if 0 < top_k < len(scores):
        # As published: those that tie with the last one stay.
        weights[scores < np.partition(scores, -top_k)[-top_k]] = 0
    ends = np.cumsum(weights)
    # The first that ends behind it, so that what has no width is never met.
    return int(np.searchsorted(ends, chance * ends[-1], side="right"))


def _greedy(
    step: Step,
    batch: int,
    start: int,
    end: int,
    max_words: int,
    forbidden: Sequence[Collection[int]] | None,
) -> list[Sentence]:
    tokens: list[list[int]] = [[] for _ in range(batch)]
    values: list[list[float]] = [[] for _ in range(batch)]
    ended = [0.0] * batch
    rows, said = np.arange(batch), np.full(batch, start, np.int64)
    state: State = {}
    for position in range(max_words):
        logits, state = step(said, position, state)
        said = _without(logits, rows, forbidden).argmax(axis=1)
        likely = logits[np.arange(len(rows)), said]
        for row, token, value in zip(rows, said, likely, strict=True):
            if token == end:
                ended[row] = float(value)
            else:
                tokens[row].append(int(token))
                values[row].append(float(value))
        stays = np.flatnonzero(said != end)
        if not len(stays):
            break
        if len(stays) < len(rows):
            rows, said, state = rows[stays], said[stays], _rows(state, stays)
    return [
        Sentence(tuple(row), tuple(value), last)
        for row, value, last in zip(tokens, values, ended, strict=True)
    ]


@dataclass(frozen=True)
class _Beginning:
    """Of a sentence: one beam."""

    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        return sum(self.log_probs)


def _beams(
    step: Step,
    batch: int,
    start: int,
    end: int,
    max_words: int,
    beam: int,
    forbidden: Sequence[Collection[int]] | None,
    settled: Callable[[Sequence[_Beginning], Sequence[Sentence]], bool],
) -> list[list[Sentence]]:
    """Every sentence that ends among the likeliest beginnings, until no other is worth waiting for."""
    alive: dict[int, list[_Beginning]] = {row: [_Beginning()] for row in range(batch)}
    ended: dict[int, list[Sentence]] = {row: [] for row in range(batch)}
    said = np.full(batch, start, np.int64)
    state: State = {}
    for position in range(max_words):
        logits, after = step(said, position, state)
        shared = {name for name, array in after.items() if array is state.get(name)}
        state = after
        rows = np.concatenate([np.full(len(beams), row) for row, beams in alive.items()])
        allowed = _without(logits, rows, forbidden)
        order: list[int] = []
        said_next: list[int] = []
        still: dict[int, list[_Beginning]] = {}
        at = 0
        for row, beams in alive.items():
            # Twice as many: those that end leave room for those that go on.
            best = _best(allowed[at : at + len(beams)], [each.total for each in beams], 2 * beam)
            kept: list[_Beginning] = []
            places: list[int] = []
            for which, token, value in best:
                one = beams[which]
                if token == end:
                    ended[row].append(Sentence(one.tokens, one.log_probs, value))
                elif position + 1 == max_words:
                    ended[row].append(Sentence((*one.tokens, token), (*one.log_probs, value)))
                elif len(kept) < beam:
                    kept.append(_Beginning((*one.tokens, token), (*one.log_probs, value)))
                    places.append(at + which)
            at += len(beams)
            if kept and not settled(kept, ended[row]):
                still[row] = kept
                order += places
                said_next += [each.tokens[-1] for each in kept]
        if not still:
            break
        alive, said = still, np.array(said_next, np.int64)
        state = _reordered(state, np.array(order), rows, shared)
    return [ended[row] for row in range(batch)]


def _best(logits: np.ndarray, totals: Sequence[float], count: int) -> list[tuple[int, int, float]]:
    """(beam, token, its log-probability) of the likeliest continuations of one row, best first."""
    sums = logits + np.array(totals)[:, None]
    flat = sums.ravel()
    count = min(count, int(np.isfinite(flat).sum()))
    if not count:
        return []
    best = np.argpartition(-flat, count - 1)[:count]
    best = best[np.lexsort((best, -flat[best]))]
    return [
        (int(each // logits.shape[1]), int(each % logits.shape[1]), float(logits.flat[each])) for each in best
    ]


def _without(logits: np.ndarray, rows: np.ndarray, forbidden: Sequence[Collection[int]] | None) -> np.ndarray:
    """The same with what a row must not say at minus infinity."""
    if forbidden is None:
        return logits
    allowed = logits.copy()
    for at, row in enumerate(rows):
        if len(forbidden[row]):
            allowed[at, list(forbidden[row])] = -np.inf
    return allowed


def _rows(state: Mapping[str, np.ndarray], which: np.ndarray) -> State:
    return {name: array[which] for name, array in state.items()}


def _reordered(
    state: Mapping[str, np.ndarray], order: np.ndarray, rows: np.ndarray, shared: Collection[str]
) -> State:
    """Beams change places; what all beams of a row share is copied only where their number changed."""
    same = len(order) == len(rows) and bool((rows[order] == rows).all())
    return {name: array if same and name in shared else array[order] for name, array in state.items()}
