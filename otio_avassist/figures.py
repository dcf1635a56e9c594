"""Shot -> thumbnails and energy curves -> SVG: what a person looks at to believe a finding.

Of sound and picture only a few seconds of a shot are drawn, those with the sharpest sounds: half a second is
nothing on a minute and plain to see on ten seconds. Of captions each has a still, and all have a time line;
of sounds that were made, each take is drawn below the movements that it is for.
Knows findings and arrays; pages are made by `adapters`.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from otio_avassist import signals, windows
from otio_avassist.errors import MediaError
from otio_avassist.findings import STANDS_OUT

if TYPE_CHECKING:
    from otio_avassist.findings import (
        Attention,
        CaptionFinding,
        CarriedBy,
        FoleyFinding,
        Posterior,
        SyncFinding,
    )
    from otio_avassist.spans import MediaSpan

FPS = 25
RATE = 16000
SIDE = 112
FRAME = RATE // FPS
SHORTEST_S, LONGEST_S = 0.2, 10.0
SEARCHED_S = 120.0
"""Of a long shot only this much is searched for a telling stretch."""
THUMBNAILS = 8
MOST_SHOTS = 40
"""A page with pictures of hundreds of shots is too large to be mailed and too long to be read."""

LEAST_MOTION, LEAST_SOUND = 0.001, 0.005
"""Of `signals.CHANGE`, and of a root mean square: below them nothing happens that a person would notice."""

MOST_STILLS = 300
STILL_SIDE = 144

WIDTH = 1000
HALF = 56
AXIS = 18


@dataclass(frozen=True)
class Pictures:
    """What was seen and heard in a stretch of one shot."""

    start_s: float
    """Seconds from the start of the shot."""
    duration_s: float
    thumbnails: tuple[bytes, ...]
    """JPEGs, evenly spread over the stretch; none where the picture can't be decoded."""
    motion: np.ndarray
    """(T,) at FPS."""
    sound: np.ndarray
    """(T,) at FPS, as the timeline plays it now."""
    mended: np.ndarray | None
    """(T,) the sound as it would play with the finding applied; None where there is nothing to apply."""
    aspect: float = 16 / 9
    """Of the thumbnails: width over height."""


def gather(findings: Iterable[SyncFinding], *, most: int = MOST_SHOTS) -> dict[str, Pictures]:
    """Finding id -> pictures; shots that can't be drawn (no picture, no sound, media gone) are left out."""
    gathered: dict[str, Pictures] = {}
    # Nobody has to be convinced that what is in step is in step: the others come first.
    for finding in sorted(findings, key=lambda each: not each.audio_early_s):
        if len(gathered) == most:
            break
        picture, sound = finding.shot.picture, finding.shot.sound
        if picture is None or sound is None or min(picture.duration_s, sound.duration_s) < SHORTEST_S:
            continue
        with contextlib.suppress(MediaError, OSError):
            gathered[finding.id] = _look(finding, picture, sound)
    return gathered


def stills(findings: Iterable[CaptionFinding], *, most: int = MOST_STILLS) -> dict[str, bytes]:
    """Finding id -> JPEG of the middle of what it speaks of; the surest ones where there are too many.

    What has no picture, or none that can be decoded, is left out.
    """
    shown: dict[str, bytes] = {}
    for finding in sorted(findings, key=lambda each: -each.confidence):
        if len(shown) == most:
            break
        picture = finding.shot.picture
        if picture is None or finding.id in shown:
            continue
        from_s = (finding.start_s + finding.end_s) / 2 - picture.record_start_s
        with contextlib.suppress(MediaError, OSError, StopIteration, IndexError):
            window = next(
                windows.pictures(stretch_of(picture, max(0.0, from_s), 1 / FPS), fps=FPS, side=STILL_SIDE)
            )
            if window.frames is not None:
                shown[finding.id] = windows.to_jpeg(window.frames[0])
    return shown


def takes(findings: Iterable[FoleyFinding], *, most: int = MOST_SHOTS) -> dict[str, tuple[Pictures, ...]]:
    """Finding id -> what was seen and each take under it; where a file can't be read it is left out."""
    gathered: dict[str, tuple[Pictures, ...]] = {}
    for finding in findings:
        if len(gathered) == most:
            break
        if finding.takes and finding.duration_s >= SHORTEST_S:
            with contextlib.suppress(MediaError, OSError):
                gathered[finding.id] = _listen(finding)
    return gathered


def _listen(finding: FoleyFinding) -> tuple[Pictures, ...]:
    lead = finding.shot.lead
    from_s, duration_s = finding.start_s - lead.record_start_s, min(LONGEST_S, finding.duration_s)
    thumbnails: tuple[bytes, ...] = ()
    motion = np.zeros(1)
    with contextlib.suppress(MediaError, OSError, ValueError):
        frames = _frames(stretch_of(lead, from_s, duration_s))
        thumbnails, motion = _thumbnails(frames), motion_of(frames)
    sounds = [_loudness(windows.Stretch(take.path, 0.0, duration_s)) for take in finding.takes]
    return tuple(Pictures(from_s, duration_s, thumbnails, motion, sound, None) for sound in sounds)


def _thumbnails(frames: np.ndarray) -> tuple[bytes, ...]:
    shown = ((np.arange(THUMBNAILS) + 0.5) * len(frames) / THUMBNAILS).astype(int)
    return tuple(windows.to_jpeg(frame) for frame in frames[shown])


def motion_of(frames: np.ndarray) -> np.ndarray:
    """Nobody knows what was before the first picture."""
    return np.nan_to_num(signals.MotionEnergy()(frames)[:, signals.CHANGE])


def _look(finding: SyncFinding, picture: MediaSpan, sound: MediaSpan) -> Pictures:
    start_s = telling_start_s(sound)
    duration_s = min(LONGEST_S, sound.duration_s - start_s)
    frames = _frames(stretch_of(picture, start_s, duration_s))
    early_s = finding.audio_early_s
    return Pictures(
        start_s=start_s,
        duration_s=duration_s,
        thumbnails=_thumbnails(frames),
        motion=motion_of(frames),
        sound=_loudness(stretch_of(sound, start_s, duration_s)),
        mended=_loudness(stretch_of(sound, start_s - early_s, duration_s)) if early_s else None,
        aspect=frames.shape[2] / frames.shape[1],
    )


def telling_start_s(sound: MediaSpan) -> float:
    """Where the stretch with the sharpest sounds begins, in seconds from the start of the shot."""
    searched_s = min(sound.duration_s, SEARCHED_S)
    if searched_s <= LONGEST_S:
        return 0.0
    onsets = _onsets(stretch_of(sound, 0.0, searched_s)) ** 2
    told = np.convolve(onsets, np.ones(round(LONGEST_S * FPS)), "valid")
    # Of the stretches that tell as much, the middle one: what tells it isn't at the edge of the drawing.
    return float(np.median(np.flatnonzero(told >= 0.95 * told.max()))) / FPS


def stretch_of(span: MediaSpan, from_s: float, duration_s: float) -> windows.Stretch:
    """`from_s` counts from the start of the shot."""
    return windows.Stretch(
        path=span.path,
        start_s=span.start_s + from_s,
        duration_s=duration_s,
        stream=span.stream,
        channel=span.channel,
        start_number=span.start_number,
        sequence_fps=span.sequence_fps,
    )


def _frames(stretch: windows.Stretch) -> np.ndarray:
    """(T, H, W, 3), small: some ten seconds of them fit into memory."""
    pieces = (window.frames for window in windows.pictures(stretch, fps=FPS, side=SIDE))
    return np.concatenate([piece for piece in pieces if piece is not None])


def _loudness(stretch: windows.Stretch) -> np.ndarray:
    """Root mean square of each frame's sound."""
    samples = windows.read_sound(stretch, rate=RATE)
    whole = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.sqrt((whole**2).mean(axis=1)) if len(whole) else np.zeros(1)


def _onsets(stretch: windows.Stretch) -> np.ndarray:
    energy = signals.SoundEnergy(RATE, FPS)
    pieces = (window.samples for window in windows.sounds(stretch, rate=RATE))
    return np.concatenate([energy(piece) for piece in pieces if piece is not None])[:, signals.ONSET]


# SVG. Colours are classes: the page that holds the drawing gives them, for light and for dark.


def curves_svg(pictures: Pictures, *, mended: bool) -> str:
    """Motion above a line, sound below it; dashes at the strongest movements, where a strike should sound."""
    sound = pictures.mended if mended and pictures.mended is not None else pictures.sound
    up, down = levels_of(pictures.motion, least=LEAST_MOTION), levels_of(sound, least=LEAST_SOUND)
    height = 2 * HALF + AXIS
    marks = "".join(
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{2 * HALF}"/>' for x in _peaks_x(up)
    )
    label = "Motion above, sound below, " + ("as proposed" if mended else "as it is")
    return (
        f'<svg class="curves" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f'<path class="motion" d="{_area(up, -HALF)}"/>'
        f'<path class="sound" d="{_area(down, HALF)}"/>'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HALF}" y2="{HALF}"/>'
        f"{marks}{_seconds(pictures)}</svg>"
    )


LOOKED_HALF = 28


def attention_svg(attention: Attention, pictures: Pictures) -> str:
    """When the network looked, above a line, and listened, below it, over the seconds of the curves."""
    most = max(weight for _, weight in (*attention.seen_curve, *attention.heard_curve, (0.0, STANDS_OUT)))
    drawn = "".join(
        f'<path class="{name}" d="{_looked_area(curve, pictures, reach / most)}"/>'
        for name, curve, reach in (
            ("motion", attention.seen_curve, -LOOKED_HALF),
            ("sound", attention.heard_curve, LOOKED_HALF),
        )
    )
    return (
        f'<svg class="attention" viewBox="0 0 {WIDTH} {2 * LOOKED_HALF}" role="img" '
        f'aria-label="When the network looked, above, and listened, below">{drawn}'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{LOOKED_HALF}" y2="{LOOKED_HALF}"/></svg>'
    )


def _looked_area(curve: Sequence[tuple[float, float]], pictures: Pictures, reach: float) -> str:
    """A closed path from the middle line; a curve is as high as its nearest points beyond either edge."""
    if not curve:
        return ""
    seconds, weights = np.array(curve).T
    xs = np.linspace(0, WIDTH, 101)
    heights = np.interp(pictures.start_s + xs / WIDTH * pictures.duration_s, seconds, weights)
    tops = " ".join(
        f"{x:.1f} {LOOKED_HALF + reach * height:.1f}" for x, height in zip(xs, heights, strict=True)
    )
    return f"M0 {LOOKED_HALF} L{tops} L{WIDTH} {LOOKED_HALF}Z"


def looked_svgs(attention: Attention, pictures: Pictures) -> list[str]:
    """For each thumbnail rings where the network looked most while it is shown, or nothing."""
    rings: list[list[str]] = [[] for _ in pictures.thumbnails]
    for at_s, row, column, weight in attention.seen:
        along = (at_s - pictures.start_s) / pictures.duration_s
        if rings and 0 <= along < 1 and weight >= STANDS_OUT:
            x, y = 100 * column * pictures.aspect, 100 * row
            rings[int(along * len(rings))].append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9"/>')
    # As the page fits the picture: filled, and cut off where it is too long.
    return [
        f'<svg class="looked" viewBox="0 0 {100 * pictures.aspect:.1f} 100" '
        f'preserveAspectRatio="xMidYMid slice" aria-hidden="true">{"".join(each)}</svg>'
        if each
        else ""
        for each in rings
    ]


def attention_words(attention: Attention) -> str:
    """The same as the drawings, in a sentence or two, which everyone can hear."""
    if attention.is_even:
        return "The network looked everywhere alike: it doesn't tell what decided."
    parts = []
    if attention.seen:
        at_s, row, column, weight = attention.seen[0]
        parts.append(f"looked most at {at_s:.1f} s, {_region(row, column)} ({_times(weight)})")
    if attention.heard:
        at_s, weight = attention.heard[0]
        parts.append(f"listened most at {at_s:.1f} s ({_times(weight)})")
    return f"The network {' and '.join(parts)}."


def _times(weight: float) -> str:
    return f"{weight:.1f} times an even share"


def _region(row: float, column: float) -> str:
    """A ninth of the frame, in words."""
    rows, columns = ("at the top", "", "at the bottom"), ("on the left", "", "on the right")
    words = [each[min(2, int(3 * at))] for each, at in ((rows, row), (columns, column))]
    return " ".join(filter(None, words)) or "in the middle"


def posterior_svg(posterior: Posterior, chosen_s: float | None) -> str:
    """Belief over offsets: late on the left, early on the right, a line where the finding stands."""
    offsets = np.asarray(posterior.offsets_s)
    belief = np.asarray(posterior.probabilities)
    low, high = float(offsets.min()), float(offsets.max())
    width, height = 340, 110

    def x_of(offset_s: float) -> float:
        return 10 + (width - 20) * (offset_s - low) / max(high - low, 1e-9)

    peak = max(float(belief.max()), 1e-9)
    points = " ".join(
        f"{x_of(offset_s):.1f},{height - height * 0.88 * each / peak:.1f}"
        for offset_s, each in zip(offsets, belief, strict=True)
    )
    ticks = "".join(
        f'<line class="tick" x1="{x_of(each):.1f}" x2="{x_of(each):.1f}" y1="{height}" y2="{height + 4}"/>'
        f'<text x="{x_of(each):.1f}" y="{height + 17}" text-anchor="middle">{_signed(each)}</text>'
        for each in _round_ticks(low, high)
    )
    chosen = ""
    if chosen_s is not None and low <= chosen_s <= high:
        x = x_of(chosen_s)
        chosen = f'<line class="chosen" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>'
    return (
        f'<svg class="posterior" viewBox="0 0 {width} {height + 38}" role="img" '
        f'aria-label="Belief over offsets">'
        f'<polygon class="belief" points="{x_of(low):.1f},{height} {points} {x_of(high):.1f},{height}"/>'
        f'<line class="axis" x1="0" x2="{width}" y1="{height}" y2="{height}"/>{ticks}{chosen}'
        f'<text x="2" y="{height + 34}">← sound late</text>'
        f'<text x="{width - 2}" y="{height + 34}" text-anchor="end">sound early →</text></svg>'
    )


ROWS: Mapping[CarriedBy, str] = {
    "seen": "seen",
    "seen and heard": "both",
    "heard": "heard",
    "said": "said",
}
"""What carried a caption -> the class of its bar, from the top row to the bottom one."""
ROW, ROW_GAP = 20, 4
STRIP_S = (30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0)
MOST_STRIPS = 12
LETTER = 7.0
"""About the width of one, in drawing units."""


@dataclass(frozen=True)
class Bar:
    """A caption on the time line."""

    start_s: float
    end_s: float
    row: CarriedBy
    name: str
    link: str
    """Of the page's own: #id."""


def timeline_svgs(bars: Sequence[Bar], label: Callable[[float], str]) -> list[str]:
    """Captions as bars over time, in strips one under the other, a row for each way to know of them.

    Args:
        label: 0-based timeline seconds -> what the axis says there.
    """
    if not bars:
        return []
    first, last = min(bar.start_s for bar in bars), max(bar.end_s for bar in bars)
    length_s = next(
        (each for each in STRIP_S if np.ceil((last - first // each * each) / each) <= MOST_STRIPS),
        STRIP_S[-1],
    )
    if last <= length_s:
        length_s = max(5.0, float(np.ceil(last / 5)) * 5)
    lanes = _lanes(bars)
    drawn = []
    for number in range(int(first // length_s), max(1, int(np.ceil(last / length_s)))):
        start_s = number * length_s
        here = [
            (bar, lane) for bar, lane in lanes if bar.end_s > start_s and bar.start_s < start_s + length_s
        ]
        if here:
            height = 1 + max(lane for _, lane in lanes)
            drawn.append(_strip(here, height, start_s, length_s, label))
    return drawn


def _lanes(bars: Sequence[Bar]) -> list[tuple[Bar, int]]:
    """Each bar and its line from the top: its row's first one that is free, so that none hides another."""
    placed: list[tuple[Bar, int]] = []
    first = 0
    for row in ROWS:
        free_s: list[float] = []
        for bar in sorted(bars, key=lambda each: (each.start_s, -each.end_s)):
            if bar.row != row:
                continue
            lane = next((k for k, end_s in enumerate(free_s) if end_s <= bar.start_s), len(free_s))
            free_s[lane : lane + 1] = [bar.end_s]
            placed.append((bar, first + lane))
        first += len(free_s)
    return placed


def _strip(
    bars: Sequence[tuple[Bar, int]],
    lanes: int,
    start_s: float,
    length_s: float,
    label: Callable[[float], str],
) -> str:
    height = lanes * (ROW + ROW_GAP)
    drawn = []
    for bar, lane in bars:
        x = max(0.0, WIDTH * (bar.start_s - start_s) / length_s)
        end = min(float(WIDTH), WIDTH * (bar.end_s - start_s) / length_s)
        y = lane * (ROW + ROW_GAP)
        width = max(2.0, end - x)
        room = int(width / LETTER) - 1
        words = bar.name if len(bar.name) <= room else bar.name[: room - 1] + "…" if room > 3 else ""
        drawn.append(
            f'<a href="{html.escape(bar.link)}"><title>{_plain(bar.name)}</title>'
            f'<rect class="{ROWS[bar.row]}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" rx="3"/>'
            f'<text class="on" x="{x + 4:.1f}" y="{y + 14}">{_plain(words)}</text></a>'
        )
    ticks = []
    for tenth in range(0, 11, 2):
        x = WIDTH * tenth / 10
        anchor = "start" if tenth == 0 else "end" if tenth == 10 else "middle"
        ticks.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{height}" y2="{height + 4}"/>'
            f'<text x="{x:.1f}" y="{height + 17}" text-anchor="{anchor}">'
            f"{_plain(label(start_s + length_s * tenth / 10))}</text>"
        )
    return (
        f'<svg class="events" viewBox="0 0 {WIDTH} {height + 22}" role="img" '
        f'aria-label="Captions over time">'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{height}" y2="{height}"/>'
        f"{''.join(drawn)}{''.join(ticks)}</svg>"
    )


def _plain(words: str) -> str:
    return html.escape(words.encode("utf-8", "replace").decode())


def levels_of(curve: np.ndarray, *, least: float) -> np.ndarray:
    """0 to 1, with the quiet parts lifted so that they can be seen at all.

    Args:
        least: a curve that never rises this far stays low, so that grain and hiss don't look like events.
    """
    if not len(curve) or not np.isfinite(curve).all():
        return np.zeros(1)
    floor = float(np.percentile(curve, 10))
    span = max(float(np.percentile(curve, 99.5)) - floor, least)
    return np.sqrt(np.clip((curve - floor) / span, 0, 1))


def _area(levels: np.ndarray, reach: float) -> str:
    """A closed path from the middle line; `reach` < 0 goes up."""
    step = WIDTH / len(levels)
    tops = " ".join(f"{(k + 0.5) * step:.1f} {HALF + reach * level:.1f}" for k, level in enumerate(levels))
    return f"M0 {HALF} L{tops} L{WIDTH} {HALF}Z"


def _peaks_x(levels: np.ndarray, most: int = 8, apart_s: float = 0.5) -> list[float]:
    """Where the strongest movements are, in drawing units."""
    chosen: list[int] = []
    for k in np.argsort(levels)[::-1]:
        if levels[k] < 0.6 or len(chosen) == most:
            break
        if all(abs(int(k) - other) >= apart_s * FPS for other in chosen):
            chosen.append(int(k))
    return [(k + 0.5) * WIDTH / len(levels) for k in sorted(chosen)]


def _seconds(pictures: Pictures) -> str:
    """A tick each second, counted from the start of the clip."""
    first = int(np.ceil(pictures.start_s))
    last = int(np.floor(pictures.start_s + pictures.duration_s))
    ticks = []
    for second in range(first, last + 1):
        x = WIDTH * (second - pictures.start_s) / pictures.duration_s
        anchor = "start" if x < 20 else "end" if x > WIDTH - 20 else "middle"
        ticks.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{2 * HALF}" y2="{2 * HALF + 4}"/>'
            f'<text x="{x:.1f}" y="{2 * HALF + 16}" text-anchor="{anchor}">{second} s</text>'
        )
    return "".join(ticks)


def _round_ticks(low: float, high: float) -> list[float]:
    step = next((each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10) if (high - low) / each <= 5), 30)
    return [k * step for k in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def _signed(seconds: float) -> str:
    return "0" if abs(seconds) < 1e-9 else f"{seconds:+g} s".replace("-", "−")
