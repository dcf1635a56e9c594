"""What is said in media, and when: from subtitles, or from a speech network where one is installed.

Cues are sentences with their times. They come from a subtitle file beside the media (`film.srt` beside
`film.mp4`), from a file that the caller names, or from faster-whisper, an optional dependency (the extra
`speech`) whose model is a folder on this machine: nothing is downloaded. Where there is neither, nothing is
known of speech, and that is no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otio_avassist.errors import MediaError, UsageError, first_line
from otio_avassist.media import content_key

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".srt", ".vtt")
"""Of subtitle files that are looked for beside media, in this order."""
MODEL = "whisper-tiny.en"
"""Name of the fetched folder that holds a model for faster-whisper."""
WEIGHTS = "model.bin"


@dataclass(frozen=True)
class Cue:
    """Something that is said."""

    start_s: float
    end_s: float
    text: str
    confidence: float = 1.0
    """0 to 1; what a person wrote down is certain."""


def beside(media: Path) -> Path | None:
    """The subtitle file of a media file: the same name, or one with a language (`film.en.srt`)."""
    for suffix in SUFFIXES:
        plain = media.with_suffix(suffix)
        if plain.is_file():
            return plain
    try:
        named = sorted(
            each
            for each in media.parent.iterdir()
            if each.suffix.lower() in SUFFIXES and re.fullmatch(r".*\.[a-zA-Z]{2,3}", each.stem)
            and each.stem.rpartition(".")[0] == media.stem
        )  # fmt: skip
    except OSError:
        return None
    return next(iter(named), None)


def read_cues(path: Path) -> tuple[Cue, ...]:
    """The cues of a subtitle file, by their start, as plain text.

    Raises:
        MediaError: it isn't there, or isn't subtitles.
    """
    import pysubs2

    try:
        # Some editors write a byte order mark, old ones Latin-1: what can't be read is replaced, never fatal.
        subtitles = pysubs2.load(str(path), encoding="utf-8-sig", errors="replace")
    except (OSError, ValueError, pysubs2.Pysubs2Error) as error:
        raise MediaError(f"{path.name}: wanted subtitles: {first_line(error)}") from error
    cues = [
        Cue(each.start / 1000, each.end / 1000, text)
        for each in subtitles
        if not each.is_comment and each.end > each.start and (text := plain(each.plaintext))
    ]
    return tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)))


def plain(text: str) -> str:
    """One line without mark-up."""
    return " ".join(re.sub(r"<[^<>]*>|\{[^{}]*\}", " ", text).split())


def without_start(cues: Sequence[Cue], duration_s: float) -> tuple[Cue, ...]:
    """Cues counted from 0: subtitles of a timeline that starts at 01:00:00:00 often start there too."""
    first_s = min((cue.start_s for cue in cues), default=0.0)
    hours_s = 3600.0 * (first_s // 3600)
    if not hours_s or first_s <= duration_s:
        return tuple(cues)
    return tuple(moved(cues, -hours_s))


def moved(cues: Iterable[Cue], by_s: float) -> list[Cue]:
    return [replace(cue, start_s=cue.start_s + by_s, end_s=cue.end_s + by_s) for cue in cues]


def within(cues: Iterable[Cue], start_s: float, end_s: float) -> list[Cue]:
    """Those that are heard in a stretch for at least a third of their own time, or for a second."""

    def heard(cue: Cue) -> bool:
        both_s = min(cue.end_s, end_s) - max(cue.start_s, start_s)
        return both_s > 0 and both_s >= min(1.0, (cue.end_s - cue.start_s) / 3, (end_s - start_s) / 3)

    return [cue for cue in cues if heard(cue)]


def words(text: str) -> list[str]:
    """Lower-case words and marks, as captioning vocabularies count them: "it's" is "it" and "'s"."""
    return re.findall(r"n't\b|'\w+|\w+?(?=n't\b)|\w+|[^\w\s]", text.lower().replace("’", "'"))


def tokens(cues: Iterable[Cue], vocabulary: Mapping[str, int], *, unknown: int) -> list[int]:
    """All that is said, in order, as a network counts words; at least one token."""
    said = [vocabulary.get(word, unknown) for cue in cues for word in words(cue.text)]
    return said or [unknown]


Listener = Callable[["np.ndarray", float], list[Cue]]
"""(samples (N,) at 16 kHz, media seconds of the first) -> what is said in them."""


def listener(model: Path | None = None) -> Listener | None:
    """A speech network, or None where none is installed or it has no model on this machine.

    Args:
        model: a folder for faster-whisper; None: the one that was fetched.

    Raises:
        UsageError: a model was named and can't be used.
    """
    folder = model or fetched()
    if folder is None:
        return None
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        if model is None:
            return None
        raise UsageError(
            "a speech model was named, but there is no faster-whisper: pip install 'otio-avassist[speech]'"
        ) from None
    if not (folder / WEIGHTS).is_file():
        raise UsageError(f"{folder}: wanted a folder with a model for faster-whisper ({WEIGHTS})")
    try:
        network = WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"{folder}: not a model for faster-whisper: {first_line(error)}") from error
    return lambda samples, start_s: _heard(network, samples, start_s)


def by(model: Path | None = None) -> list[str]:
    """What tells the speech network that `listener` gives from others, without loading it; none: nothing.

    Raises:
        MediaError: it can't be read.
    """
    folder = model or fetched()
    if folder is None or not (folder / WEIGHTS).is_file():
        return []
    try:
        versions = [metadata.version(name) for name in ("faster-whisper", "ctranslate2")]
    except metadata.PackageNotFoundError:
        return []
    return [*versions, *(content_key(each) for each in sorted(folder.iterdir()) if each.is_file())]


def fetched() -> Path | None:
    """The folder that `avassist bundles fetch` left; it is no bundle of ours, so it has no card."""
    from otio_avassist import bundles

    folders = (place / MODEL for place in bundles.places())
    return next((folder for folder in folders if (folder / WEIGHTS).is_file()), None)


NO_SPEECH = 0.6
"""Of the network's own belief that nobody speaks."""
UNLIKELY = -1.0
"""Mean log-probability of a sentence that the network would rather not have said."""
ROUND_AND_ROUND = 2.4
"""How much shorter a text may become by compression: one that says the same again and again is made up."""


def _heard(network: Any, samples: np.ndarray, start_s: float) -> list[Cue]:
    # Over music and noise a network makes up sentences: they feed on what it said before and on trying again,
    # so it does neither, and is given only what another, smaller one takes for a voice.
    segments, _ = network.transcribe(
        samples, beam_size=5, temperature=0.0, condition_on_previous_text=False, vad_filter=True
    )
    return [
        Cue(start_s + each.start, start_s + each.end, plain(each.text), min(1.0, exp(each.avg_logprob)))
        for each in segments
        if each.no_speech_prob < NO_SPEECH
        and each.avg_logprob > UNLIKELY
        and each.compression_ratio < ROUND_AND_ROUND
        and plain(each.text)
    ]
