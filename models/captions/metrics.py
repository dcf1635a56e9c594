"""How good proposals and captions are, by the rules of the dense-captioning benchmark.

In: what was said and when, and what people wrote: `{video: [(start_s, end_s, sentence), …]}`. Out: figures.
Knows no network, no torch, and no file.

* Proposals: a reference is found when one of the first `max_proposals` overlaps it by more than a tIoU;
  per video the better of the reference sets counts.
* Captions: each is scored against every reference it overlaps by a tIoU or more, in all reference sets; one
  that overlaps none is scored against a random string, so that it costs. Scores are of a video's pairs
  together, then averaged over videos and tIoUs.

METEOR 1.5 and the tokeniser before it are Java programs that pycocoevalcap carries (`pip install -e
'.[eval]'`, and Java). Where either is missing, `Tools` falls back to `plain_tokens` and `plain_meteor`, and
says so by name: those figures follow METEOR (see `plain_meteor`), they aren't it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import re
import shutil
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Said = tuple[float, float, str]
"""Start and end in seconds, and a sentence."""
Captions = Mapping[str, Sequence[Said]]
"""By video."""
Pair = tuple[str, str]
"""What was said, and what a person wrote."""

TIOUS = (0.3, 0.5, 0.7, 0.9)
MAX_PROPOSALS = 100


def tiou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Overlap over union of spans (n, 2) and (m, 2), start and end: (n, m)."""
    a, b = np.asarray(a, float).reshape(-1, 2)[:, None], np.asarray(b, float).reshape(-1, 2)[None]
    shared = np.maximum(0, np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]))
    reach = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    both = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0])
    return shared / (np.minimum(reach, both) + 1e-8)


# Proposals


@dataclass(frozen=True)
class Detection:
    """How well proposals cover what people marked, one figure a tIoU, 0..1."""

    tious: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]

    @property
    def f1(self) -> float:
        """Of the mean precision and the mean recall: what training is stopped by."""
        precision, recall = float(np.mean(self.precision)), float(np.mean(self.recall))
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def detection(
    said: Captions,
    references: Sequence[Captions],
    *,
    tious: Sequence[float] = TIOUS,
    max_proposals: int = MAX_PROPOSALS,
) -> Detection:
    """Precision and recall over all the videos that any reference set has."""
    videos = sorted({video for reference in references for video in reference})
    precision, recall = np.zeros((len(videos), len(tious))), np.zeros((len(videos), len(tious)))
    for row, video in enumerate(videos):
        proposals = [span[:2] for span in said.get(video, ())][:max_proposals]
        for reference in references:
            if video not in reference or not proposals:
                continue
            overlaps = tiou(np.array(proposals), np.array([span[:2] for span in reference[video]]))
            for column, least in enumerate(tious):
                met = overlaps > least
                precision[row, column] = max(precision[row, column], met.any(1).mean())
                recall[row, column] = max(recall[row, column], met.any(0).mean())
    if not videos:
        raise ValueError("no video to measure on: the references are empty")
    return Detection(tuple(tious), tuple(precision.mean(0).tolist()), tuple(recall.mean(0).tolist()))


# Captions


def matches(
    said: Captions,
    references: Sequence[Captions],
    least: float,
    *,
    max_proposals: int = MAX_PROPOSALS,
    seed: int = 0,
) -> dict[str, list[Pair]]:
    """What each sentence is held against: every reference it overlaps by `least`, or 10 to 20 random letters.

    Every video of the references is a key; one of which nothing was said has no pairs, and scores 0.
    """
    rng = random.Random(seed)
    found: dict[str, list[Pair]] = {}
    for video in dict.fromkeys(video for reference in references for video in reference):
        pairs = found[video] = []
        written = [span for reference in references for span in reference.get(video, ())]
        spoken = list(said.get(video, ()))[:max_proposals]
        if not spoken:
            continue
        overlaps = tiou(np.array([span[:2] for span in spoken]), np.array([span[:2] for span in written]))
        for (_, _, sentence), met in zip(spoken, overlaps >= least, strict=True):
            if met.any():
                pairs += [(sentence, written[at][2]) for at in np.flatnonzero(met)]
            else:
                letters = rng.choices(string.ascii_lowercase, k=rng.randint(10, 20))
                pairs.append((sentence, "".join(letters)))
    return found


@dataclass(frozen=True)
class Figures:
    """Captions against references, each 0..1."""

    bleu3: float
    bleu4: float
    meteor: float

    @classmethod
    def mean(cls, several: Iterable[Figures]) -> Figures:
        """Of several: tIoUs, or validation sets."""
        rows = np.array([(each.bleu3, each.bleu4, each.meteor) for each in several])
        return cls(*rows.mean(0).tolist())


def captioning(
    said: Captions,
    references: Sequence[Captions],
    tools: Tools,
    *,
    tious: Sequence[float] = TIOUS,
    max_proposals: int = MAX_PROPOSALS,
    seed: int = 0,
) -> Figures:
    """BLEU@3, BLEU@4 and METEOR: of each video's pairs together, averaged over videos, then over tIoUs."""
    by_tiou = [matches(said, references, least, max_proposals=max_proposals, seed=seed) for least in tious]
    sentences = {
        sentence for found in by_tiou for pairs in found.values() for pair in pairs for sentence in pair
    }
    ordered = sorted(sentences)
    tokens = dict(zip(ordered, tools.tokens([ascii_only(each) for each in ordered]), strict=True))
    figures = []
    for found in by_tiou:
        rows = []
        for pairs in found.values():
            spelled = [(tokens[one], tokens[other]) for one, other in pairs]
            rows.append((*bleu(spelled)[2:4], tools.meteor(spelled)) if spelled else (0.0, 0.0, 0.0))
        figures.append(Figures(*np.mean(rows, 0).tolist()))
    return Figures.mean(figures)


def ascii_only(sentence: str) -> str:
    """Other signs become spaces, as in the benchmark."""
    return "".join(sign if ord(sign) < 128 else " " for sign in sentence)


def bleu(pairs: Sequence[Pair], longest: int = 4) -> tuple[float, ...]:
    """BLEU@1 to BLEU@`longest` of all the pairs together, one reference each.

    Tokens are parted by spaces. As in pycocoevalcap: counts are summed over the pairs, and a count of none
    becomes a very small number, so that BLEU@4 of four words that don't match isn't undefined.
    """
    small, tiny = 1e-9, 1e-15
    right, guessed = np.zeros(longest), np.zeros(longest)
    spoken_length = written_length = 0
    for said, written in pairs:
        one, other = said.split(), written.split()
        spoken_length += len(one)
        written_length += len(other)
        for n in range(longest):
            mine, theirs = _grams(one, n + 1), _grams(other, n + 1)
            guessed[n] += max(0, len(one) - n)
            right[n] += sum(min(count, theirs[gram]) for gram, count in mine.items())
    found = np.cumprod((right + tiny) / (guessed + small)) ** (1 / np.arange(1, longest + 1))
    ratio = (spoken_length + tiny) / (written_length + small)
    return tuple((found * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0)).tolist())


def _grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))


# Tools


@dataclass(frozen=True)
class Tools:
    """A tokeniser and a METEOR, and what they are called in a table."""

    name: str
    tokens: Callable[[Sequence[str]], list[str]]
    """Sentences -> the same, tokens parted by spaces, without punctuation, in small letters."""
    meteor: Callable[[Sequence[Pair]], float]
    """Tokenised pairs of a video -> their METEOR together."""

    @property
    def published(self) -> bool:
        """Whether these are the tools of the published figures."""
        return self.name == PUBLISHED


PUBLISHED = "METEOR 1.5"
PLAIN = "METEOR-like (exact and stem, without Java)"


def plain_tools() -> Tools:
    """The fallback, which needs nothing: for tests and for stopping a training."""
    return Tools(PLAIN, lambda sentences: [" ".join(plain_tokens(each)) for each in sentences], plain_meteor)


def missing() -> str | None:
    """What the published tools lack on this machine, or None."""
    try:
        import pycocoevalcap.meteor  # noqa: F401
    except ImportError:
        return "pycocoevalcap isn't installed (pip install -e '.[eval]')"
    return None if shutil.which("java") else "there is no Java on the path"


@contextlib.contextmanager
def best_tools(*, plain: bool = False):
    """The published tools where they are, else the fallback; a Java process lives as long as the block."""
    if plain or missing():
        yield plain_tools()
        return
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    def tokens(sentences: Sequence[str]) -> list[str]:
        if not sentences:
            return []
        # One line each, or its lines and ours would part company.
        held = {number: [{"caption": " ".join(each.split())}] for number, each in enumerate(sentences)}
        found = PTBTokenizer().tokenize(held)
        return [found[number][0] for number in range(len(sentences))]

    def meteor(pairs: Sequence[Pair]) -> float:
        score, _ = java.compute_score(
            {number: [written] for number, (_, written) in enumerate(pairs)},
            {number: [said] for number, (said, _) in enumerate(pairs)},
        )
        return float(score)

    java = Meteor()
    try:
        yield Tools(PUBLISHED, tokens, meteor)
    finally:
        process = java.meteor_p
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
        process.kill()
        process.wait()


# The fallback

_APART = re.compile(r"(?<=[a-z])(n't|'(?:s|d|m|re|ve|ll))(?![a-z])")
_TOKEN = re.compile(r"n't|'(?:s|d|m|re|ve|ll)\b|[a-z0-9$%&@#*+=_]+(?:[-/.,:'][a-z0-9]+)*")


def plain_tokens(sentence: str) -> list[str]:
    """Roughly as the Penn Treebank tokeniser, punctuation dropped: `don't` in two, `t-shirt` in one."""
    return _TOKEN.findall(_APART.sub(r" \1", sentence.lower().replace("cannot", "can not")))


_FUNCTION_WORDS = """
    a an the this that these those of to in on at by for with from into up out as and or but if than then so
    is are was were be been being am do does did has have had will would can could may it its he she they we
    i you his her their them him our your my who which what there not no n't 's
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that carry little: METEOR weighs them a third as much as the others."""


def plain_meteor(pairs: Sequence[Pair]) -> float:
    """METEOR's formula with its English weights, over words that are equal or share a stem.

    Left out: WordNet's synonyms and the paraphrase table; the stemmer, the alignment and the list of
    function words are smaller. On the authors' captions it gives less than METEOR 1.5 does, and orders
    videos nearly as it does; `python -m models.captions.evaluate --plain` shows how much less.
    """
    alpha, beta, gamma, stem_weight = 0.85, 0.2, 0.6, 0.6
    spoken = written = chunks = mean_met = 0.0
    met_spoken = met_written = 0.0
    for said, reference in pairs:
        one, other = said.split(), reference.split()
        aligned = _align(one, other)
        spoken += sum(map(_weight, one))
        written += sum(map(_weight, other))
        mean_met += len(aligned)
        for mine, theirs, exact in aligned:
            share = 1.0 if exact else stem_weight
            met_spoken += share * _weight(one[mine])
            met_written += share * _weight(other[theirs])
        whole = len(aligned) == len(one) == len(other)
        broken = sum(
            here[:2] != (before[0] + 1, before[1] + 1) for before, here in itertools.pairwise(aligned)
        )
        # One stretch that is the whole sentence isn't broken at all.
        chunks += 0 if whole and not broken else broken + bool(aligned)
    if not met_spoken or not met_written:
        return 0.0
    precision, recall = met_spoken / spoken, met_written / written
    mean = precision * recall / (alpha * precision + (1 - alpha) * recall)
    return mean * (1 - gamma * (chunks / mean_met) ** beta)


def _weight(word: str) -> float:
    return 0.25 if word in FUNCTION_WORDS else 0.75


def _align(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, bool]]:
    """Which word stands for which, (place, place, exact), each used once: equal words first, then stems.

    Of several equal ones that which goes on where the last one ended, else the nearest.
    """
    taken: dict[int, tuple[int, bool]] = {}
    free = set(range(len(other)))
    for exact in (True, False):
        spell = str if exact else _stem
        places: dict[str, list[int]] = {}
        for at in sorted(free):
            places.setdefault(spell(other[at]), []).append(at)
        for mine, word in enumerate(one):
            if mine in taken:
                continue
            choices = [at for at in places.get(spell(word), ()) if at in free]
            if choices:
                after = taken[mine - 1][0] + 1 if mine - 1 in taken else None
                at = after if after in choices else min(choices, key=lambda place: abs(place - mine))
                taken[mine] = (at, exact)
                free.discard(at)
    return [(mine, at, exact) for mine, (at, exact) in sorted(taken.items())]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """A light stem: plurals, -ing, -ed, -ly and a final e or y come off."""
    if len(word) <= 3:
        return word
    for ending, instead in (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")):
        if word.endswith(ending):
            word = word[: len(word) - len(ending)] + instead
            break
    for ending in ("ingly", "edly", "ing", "ed", "ly"):
        root = word[: len(word) - len(ending)]
        if word.endswith(ending) and len(root) >= 2 and re.search("[aeiouy]", root):
            word = root
            if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word
