"""A media file -> what its encoding would tell a network that learns from it (thesis, section 5.3).

Codecs work in frames and groups of pictures, whose traces stay in what is decoded. A network that is to find
how sound and picture lie to one another, and learns from such material, can learn the traces instead. Only
packets are read, nothing is decoded. Knows no timeline and no network; `models.sync.leakage` measures.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from otio_avassist.errors import AvAssistError
from otio_avassist.media import opened, packets, picture_stream

Risk = Literal["none", "low", "high"]

MOST_PACKETS = 20_000
"""Of each stream: a quarter of an hour of pictures tells a period as well as a day."""
STEP_S = 0.1
"""Between two starts that a network is to tell apart, as measured in the thesis."""

LOSSLESS_SOUND = {"flac", "alac", "wavpack", "tta", "ape"}
LOSSLESS_PICTURES = {"ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"}
SPARES_BITS = 3.0
"""Of an encoded sample. Measured on noise (docs/leakage.md): at 3.1 a probe found 5 % of starts, of which it
guesses 2, at 2.0 14 %, and at 4.3 nothing."""
SAME_PERIOD = 0.9
"""So many of the pictures a period apart are key frames where there is a period, and more may be between."""
LEAST_PERIODS = 3
LONGEST_PERIOD = 600


@dataclass(frozen=True)
class PictureTraces:
    """How pictures are encoded."""

    codec: str
    profile: str | None
    fps: float | None
    bit_rate: int | None
    """Bits a second, as measured from the packets."""
    pictures: int
    """Looked at."""
    key_frames: int
    """Among them."""
    period: int | None
    """Pictures from one key frame to the next, where they come regularly; 1: there is nothing else."""
    pattern: str
    """In words: `every 12`, `each`, `37 to 250 apart`, `one`."""
    reordered: bool
    """Whether pictures come in another order than they are shown in: there are B-frames."""
    risk: Risk
    words: str


@dataclass(frozen=True)
class SoundTraces:
    """How sound is encoded."""

    codec: str
    profile: str | None
    rate: int
    channels: int
    bit_rate: int | None
    """Bits a second, as measured from the packets."""
    frame: int | None
    """Samples a packet, where it is a codec with frames."""
    priming: int
    """Samples that the encoder put in front and a decoder takes off."""
    phases: int | None
    """How many of the starts, 0.1 s apart, fall on different places of a frame: at most so many can be told
    apart."""
    risk: Risk
    words: str


@dataclass(frozen=True)
class Traces:
    """What a file's encoding would tell."""

    path: Path
    picture: PictureTraces | None
    sound: SoundTraces | None

    @property
    def leaks(self) -> bool:
        """Whether anything in it is likely to tell."""
        return any(each is not None and each.risk == "high" for each in (self.picture, self.sound))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "path": str(self.path), "leaks": self.leaks}

    def lines(self) -> list[str]:
        """What a person reads."""
        found = [f"{name}: {each.words}" for name, each in self._parts()]
        return [str(self.path), *(f"  {line}" for line in found)]

    def _parts(self) -> list[tuple[str, PictureTraces | SoundTraces]]:
        parts = (("picture", self.picture), ("sound", self.sound))
        return [(name, each) for name, each in parts if each is not None]


def traces(path: Path) -> Traces:
    """Look at a file's packets.

    Raises:
        MediaMissingError: no such file.
        MediaError: nothing that can be read as media.
    """
    with opened(Path(path)) as container:
        video = picture_stream(container)
        # A stream that sets in late, or that nobody can decode, has no rate.
        audio = next((each for each in container.streams.audio if each.codec_context and each.rate), None)
        packets = _packets(container, video, audio)
        return Traces(
            Path(path),
            _picture(video, packets.get(video.index, [])) if video is not None else None,
            _sound(audio, packets.get(audio.index, [])) if audio is not None else None,
        )


@dataclass(frozen=True)
class _Packet:
    pts: int | None
    dts: int | None
    duration: int | None
    size: int
    key: bool


def _packets(
    container: InputContainer, video: VideoStream | None, audio: AudioStream | None
) -> dict[int, list[_Packet]]:
    wanted = [stream for stream in (video, audio) if stream is not None]
    found: dict[int, list[_Packet]] = {stream.index: [] for stream in wanted}
    for packet in packets(container, wanted):
        held = found[packet.stream.index]
        # The last of a stream is empty, to flush a decoder.
        if packet.size and len(held) < MOST_PACKETS:
            held.append(_Packet(packet.pts, packet.dts, packet.duration, packet.size, packet.is_keyframe))
        if all(len(each) >= MOST_PACKETS for each in found.values()):
            break
    return found


# Pictures


def _picture(stream: VideoStream, packets: Sequence[_Packet]) -> PictureTraces:
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else None
    # In the order in which they are shown; packets come in that in which they are decoded.
    shown = sorted(packets, key=lambda each: each.pts if each.pts is not None else each.dts or 0)
    keys = [number for number, packet in enumerate(shown) if packet.key]
    period, pattern = _period(keys, len(packets))
    codec = stream.codec_context.name
    risk, words = _picture_risk(codec, period, pattern, fps, len(packets))
    bits = sum(packet.size for packet in packets) * 8
    return PictureTraces(
        codec=codec,
        profile=stream.codec_context.profile or None,
        fps=fps,
        bit_rate=round(bits * fps / len(packets)) if fps and packets else None,
        pictures=len(packets),
        key_frames=len(keys),
        period=period,
        pattern=pattern,
        reordered=[each.pts for each in shown] != [each.pts for each in packets],
        risk=risk,
        words=words,
    )


def _period(keys: Sequence[int], pictures: int) -> tuple[int | None, str]:
    """After how many pictures key frames come again, and their pattern in words."""
    if len(keys) == pictures and pictures > 1:
        return 1, "each"
    if len(keys) < 2:
        return None, "one" if keys else "none"
    there = set(keys)
    for period in range(2, min(LONGEST_PERIOD, (pictures - 1 - keys[0]) // LEAST_PERIODS) + 1):
        # Cuts bring key frames beside those of the period.
        due = range(keys[0], pictures, period)
        met = sum(number in there for number in due)
        if met >= SAME_PERIOD * len(due):
            others = ", and others between" if len(keys) > met else ""
            return period, f"every {period}{others}"
    gaps = [after - before for before, after in pairwise(keys)]
    apart = f"{min(gaps)} to {max(gaps)}" if min(gaps) < max(gaps) else f"{gaps[0]}"
    return None, f"{apart} apart"


def _picture_risk(
    codec: str, period: int | None, pattern: str, fps: float | None, pictures: int
) -> tuple[Risk, str]:
    start = f"{codec}, key frames: {pattern}"
    if codec in LOSSLESS_PICTURES:
        return "none", f"{start}. Without loss: there are no traces, unless it was compressed before."
    if period == 1:
        return "low", f"{start}. Every picture is encoded for itself: nothing in it tells when it was."
    if period is not None:
        every = f", {period / fps:.2f} s" if fps else ""
        return "high", (
            f"{start}{every}. The encoder begins anew each {period} pictures, and what it leaves changes "
            f"with it: where in these {period} a crop begins can be learnt. Take a codec without groups of "
            "pictures, from sources that were never compressed."
        )
    if pattern in ("one", "none"):
        few = " Too short to show a period." if pictures < 250 else ""
        return "low", f"{start} in {pictures} pictures.{few} Where it stands can be told, elsewhere hardly."
    return "low", f"{start}. Without a period they tell little of the time."


# Sound


def _sound(stream: AudioStream, packets: Sequence[_Packet]) -> SoundTraces:
    codec, rate = stream.codec_context.name, stream.rate
    base = stream.time_base or Fraction(1, rate)
    lossless = codec in LOSSLESS_SOUND or codec.startswith("pcm_")
    lengths = Counter(round(each.duration * base * rate) for each in packets if each.duration)
    frame = None if lossless else stream.codec_context.frame_size or _commonest(lengths)
    length_s = sum(each.duration or 0 for each in packets) * float(base)
    bit_rate = round(sum(each.size for each in packets) * 8 / length_s) if length_s else None
    first = packets[0].pts if packets else None
    before = -round(first * base * rate) if first is not None and first < 0 else 0
    priming = max(before, getattr(stream.codec_context, "delay", 0) or 0)
    phases = _phases(rate, frame) if frame else None
    risk, words = _sound_risk(codec, rate, stream.channels, frame, phases, bit_rate, priming)
    return SoundTraces(
        codec=codec,
        profile=stream.codec_context.profile or None,
        rate=rate,
        channels=stream.channels,
        bit_rate=bit_rate,
        frame=frame,
        priming=priming,
        phases=phases,
        risk=risk,
        words=words,
    )


def _commonest(lengths: Counter[int]) -> int | None:
    return lengths.most_common(1)[0][0] if lengths else None


def _phases(rate: int, frame: int) -> int:
    """How many places of a frame the starts of a grid of 0.1 s fall on."""
    step = round(STEP_S * rate)
    return frame // math.gcd(step, frame)


def _sound_risk(
    codec: str,
    rate: int,
    channels: int,
    frame: int | None,
    phases: int | None,
    bit_rate: int | None,
    priming: int,
) -> tuple[Risk, str]:
    start = f"{codec}, {rate / 1000:g} kHz"
    if frame is None:
        return "none", f"{start}. Without loss: there are no traces, unless it was compressed before."
    bits = bit_rate / rate / channels if bit_rate else None
    spent = f", {bit_rate / 1000:.0f} kb/s ({bits:.1f} bits a sample)" if bit_rate and bits else ""
    primed = f" The encoder put {priming} samples in front." if priming else ""
    starts = f"starts 0.1 s apart fall on {phases} different places of one"
    begin = f"{start}{spent}, frames of {frame} samples, {1000 * frame / rate:.1f} ms: {starts}.{primed}"
    if bits is not None and bits >= SPARES_BITS:
        return "low", f"{begin} So many bits leave little that could be learnt."
    return "high", (
        f"{begin} Each frame is quantised for itself, and where in a frame a crop begins can be learnt. Take "
        "sound that was never compressed, or at the least a lower sampling rate at the same bit rate."
    )


# Files, and what is measured on them


def files(media: Iterable[Path]) -> Iterator[Path]:
    """Files as they are named, and what may be media in folders."""
    for path in media:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file())
            yield from (each for each in inside if each.suffix.lower() not in NO_MEDIA)
        else:
            yield path


NO_MEDIA = {".json", ".txt", ".md", ".csv", ".otio", ".npz", ".py", ".srt", ".vtt"}
"""What may lie beside media."""


def measuring(media: Sequence[Path]) -> list[str]:
    """The command that measures, run from a checkout in a process of its own: nothing here knows PyTorch.

    Raises:
        AvAssistError: PyTorch or the checkout isn't there.
    """
    if importlib.util.find_spec("torch") is None:
        raise AvAssistError(
            "to measure, a network is trained, which takes PyTorch: pip install 'otio-avassist[train]'"
        )
    if importlib.util.find_spec("models") is None:
        raise AvAssistError(
            "to measure, a network is trained, which is done from a checkout of otio-avassist: "
            "python -m models.sync.leakage FILES"
        )
    return [sys.executable, "-m", "models.sync.leakage", *(str(path) for path in media)]


def measure(words: Sequence[str]) -> dict[str, Any]:
    """Run the command; the figures by kind. Its progress goes to stderr.

    Raises:
        AvAssistError: it couldn't measure; what it says is on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        done = subprocess.run([*words, "--json", str(figures)], stdout=subprocess.DEVNULL, check=False)
        if done.returncode or not figures.exists():
            raise AvAssistError("this media could not be measured; the reason stands above")
        lines: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))["lines"]
        return lines


def measured_lines(lines: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [_in_words(kind, held) for kind, held in lines.items()]


def _in_words(kind: str, held: dict[str, Any]) -> str:
    shares = "; ".join(
        f"among its {most} likeliest {100 * each['share']:.0f} % ({100 * each['low']:.0f} to "
        f"{100 * each['high']:.0f}, by chance {100 * each['chance']:.0f})"
        for most, each in ((1, held["at_1"]), (5, held["at_5"]))
    )
    verdict = "its encoding tells the time" if held["leaks"] else "nothing above chance was found"
    return f"measured, {kind}: {verdict}. Of 50 starts the right one was {shares}; {held['sources']} tested."
