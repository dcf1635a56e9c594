"""Render a small project that is out of step by known amounts, and check what became of it.

Comes out: a folder with media, a timeline as DaVinci Resolve would write it (25 fps, 01:00:00:00, linked
picture and sound), and `truth.json`: clip -> `audio_early_s`, null where nothing can be known. Everything is
drawn and sounded here from fixed seeds; no file is needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio

FPS = 25
RATE = 48000
WIDTH, HEIGHT = 480, 270
HANDLE_S = 1.0
"""What each media file holds before and after the stretch that is used."""
MARGIN_S = 1.0
"""Scenes sound this long before their first and after their last picture, so that sound can be shifted."""
MOUTH_LEADS_S = 0.1
"""A mouth opens 0.1 to 0.3 s before it sounds (Chandrasekaran et al. 2009)."""
START_S = 3600
TIMECODE_S = 10 * 3600 + 20 * 60
"""The embedded timecode of the shot that has one: 10:20:00:00."""


@dataclass(frozen=True)
class Scene:
    """Something that happens, to be seen and heard."""

    draw: Callable[[float], np.ndarray]
    """Scene seconds -> float32 (H, W, 3), 0 to 255."""
    sound: np.ndarray
    """float32 mono; the first sample is at -MARGIN_S."""

    def heard(self, from_s: float, duration_s: float) -> np.ndarray:
        first = round((from_s + MARGIN_S) * RATE)
        return self.sound[first : first + round(duration_s * RATE)]


@dataclass(frozen=True)
class Take:
    """One shot of the demo, and what is wrong with it."""

    media: str
    scene: Callable[[np.random.Generator, float], Scene]
    used_s: float
    audio_early_s: float | None
    """The truth; None: nobody could tell."""
    handle_s: float = HANDLE_S
    """Before the stretch that is used."""
    recorder: str | None = None
    """The sound comes from this file, recorded apart; its offset lies in the timeline."""
    recorder_lead_s: float = 0.0
    """The recorder ran this long before the camera."""
    has_timecode: bool = False
    """Camera and recorder carry the same clock; the camera hears nothing."""

    @property
    def length_s(self) -> float:
        return self.handle_s + self.used_s + HANDLE_S

    @property
    def early_in_file_s(self) -> float:
        """How much earlier than its picture the sound stands in the camera's own file."""
        return 0.0 if self.recorder else self.audio_early_s or 0.0


def make_demo(folder: Path, progress: Callable[[str], object]) -> Path:
    """Render the project into `folder` and return its timeline; files of the same names are replaced."""
    media = folder / "media"
    media.mkdir(parents=True, exist_ok=True)
    for number, take in enumerate(TAKES):
        progress(f"rendering {take.media} ({number + 1} of {len(TAKES)})")
        _render(take, np.random.default_rng(number), media)
    timeline = folder / "demo.otio"
    otio.adapters.write_to_file(_timeline(media.resolve()), str(timeline))
    truth = {take.media: take.audio_early_s for take in TAKES}
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", "utf-8")
    return timeline


def verify(mended: Path) -> int:
    """Show by OpenTimelineIO's own tools that `mended` is sound, then hold the report beside it to the truth.

    Returns 0, or 1 where a tool finds a fault.
    """
    faults = [_otiotool(mended, what) for what in ("--verify-ranges", "--verify-media", "--stats")]
    print(f"\n{_score(mended.parent)}\nsee {mended.parent / 'report.html'}")
    return 1 if any(faults) else 0


def _otiotool(timeline: Path, what: str) -> bool:
    """Run it, print what it prints, and tell whether it found a fault."""
    print(f"\n$ otiotool -i {timeline} {what}")
    # Its script may not be on the path; run as a module it warns of itself.
    start = "import sys; from opentimelineio.console import otiotool; sys.exit(otiotool.main())"
    command = [sys.executable, "-c", start, "-i", str(timeline), what]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="", flush=True)
    return done.returncode != 0 or "OUT OF BOUNDS" in done.stdout


def _score(folder: Path) -> str:
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    report = json.loads((folder / "report.json").read_text("utf-8"))
    found = {each["clip"]: each["audio_early_s"] for each in report["findings"]}
    others = [clip for clip, early_s in truth.items() if not _agree(early_s, found.get(clip))]
    unanswered = [clip for clip in others if found.get(clip) is None]
    wrong = [clip for clip in others if clip not in unanswered]
    score = f"{len(truth) - len(others)} of {len(truth)} shots agree with the truth within one frame"
    for words, clips in (("no answer", unanswered), ("wrong", wrong)):
        score += f"; {words}: {', '.join(clips)}" if clips else ""
    return score


def _agree(true_s: float | None, found_s: float | None) -> bool:
    if true_s is None or found_s is None:
        return true_s is found_s
    return abs(true_s - found_s) <= 1 / FPS


# Scenes: each draws and sounds the same events.


def ball(rng: np.random.Generator, length_s: float) -> Scene:
    """A ball that never bounces twice to the same height."""
    backdrop = _backdrop(rng, (96, 112, 104))
    backdrop[228:] *= 0.7
    hits = _times(rng, length_s, 0.45, 1.05)

    def draw(t: float) -> np.ndarray:
        since, through, gap_s = _phase(hits, t)
        height = 4 * through * (1 - through) * min(190.0, 170 * gap_s**2)
        x = WIDTH / 2 + 150 * np.sin(0.9 * t)
        squash = 0.3 * np.exp(-((min(since, gap_s - since) / 0.035) ** 2))
        frame = backdrop.copy()
        _ellipse(frame, x, 232, 26 - height / 16, 4, (40, 44, 42))
        _ellipse(frame, x, 208 - height, 22 * (1 + squash), 22 * (1 - squash), (214, 84, 60))
        _ellipse(frame, x - 7, 200 - height, 6, 5, (244, 164, 140))
        return frame

    return Scene(draw, _sound(rng, length_s, [(hit, _thud(rng)) for hit in hits]))


def hammer(rng: np.random.Generator, length_s: float) -> Scene:
    """A hammer on an anvil, with sparks."""
    backdrop = _backdrop(rng, (70, 62, 66))
    _box(backdrop, 250, 186, 380, 208, (52, 56, 64))
    _box(backdrop, 286, 208, 344, 250, (44, 48, 56))
    hits = _times(rng, length_s, 0.55, 1.25)

    def draw(t: float) -> np.ndarray:
        since, through, _ = _phase(hits, t)
        angle = 1.25 * np.sin(np.pi * through**2.4)  # slow up, fast down
        tip_x, tip_y = 130 + 180 * np.cos(angle), 176 - 180 * np.sin(angle)
        frame = backdrop.copy()
        _stick(frame, 130, 176, tip_x, tip_y, 5, (134, 96, 58))
        across_x, across_y = 22 * np.sin(angle), 22 * np.cos(angle)
        _stick(frame, tip_x - across_x, tip_y - across_y, tip_x + across_x / 3, tip_y + across_y / 3, 12,
               (150, 154, 162))  # fmt: skip
        if since < 0.12:
            for k in range(7):
                reach = 24 + 420 * since
                _ellipse(frame, 316 + reach * np.cos(k), 182 - reach * abs(np.sin(k)), 3, 3, (255, 214, 120))
        return frame

    return Scene(draw, _sound(rng, length_s, [(hit, _clank(rng)) for hit in hits]))


def talker(rng: np.random.Generator, length_s: float, *, from_s: float = -MARGIN_S) -> Scene:
    """A face that speaks from `from_s` on, in phrases with pauses."""
    backdrop = _backdrop(rng, (116, 124, 142))
    clock = np.arange(round((length_s + 2 * MARGIN_S) * 1000)) / 1000 - MARGIN_S
    openness = _syllables(rng, clock)
    openness[clock < from_s] = 0

    def draw(t: float) -> np.ndarray:
        opened = float(np.interp(t, clock, openness))
        sway = 4 * np.sin(1.1 * t)
        frame = backdrop.copy()
        _ellipse(frame, 240 + sway, 300, 120, 80, (58, 78, 116))
        _ellipse(frame, 240 + sway, 130, 76, 96, (222, 178, 148))
        blink = 2 if t % 3.1 < 0.12 else 8
        for x in (210, 270):
            _ellipse(frame, x + sway, 108, 9, blink, (40, 34, 36))
        _ellipse(frame, 240 + sway, 178, 26 - 6 * opened, 3 + 20 * opened, (112, 36, 44))
        return frame

    return Scene(draw, _room(rng, _voice(rng, clock, openness)))


def leader(rng: np.random.Generator, length_s: float) -> Scene:
    """A countdown, one white frame with one frame of 1 kHz (the 2-pop), black, then somebody speaks."""
    pop_s = HANDLE_S + 1.6
    speaks_s = pop_s + 2
    speaking = talker(rng, length_s, from_s=speaks_s + 0.3)
    card = _backdrop(rng, (128, 126, 118))
    for reach in (104, 96):
        _ellipse(card, 240, 135, reach, reach, (40, 40, 38) if reach == 104 else (148, 146, 138))

    def draw(t: float) -> np.ndarray:
        if t >= speaks_s:
            return speaking.draw(t)
        frames_to_pop = round((pop_s - t) * FPS)
        if frames_to_pop <= 0:
            return np.full((HEIGHT, WIDTH, 3), 235 if frames_to_pop == 0 else 14, np.float32)
        frame = card.copy()
        turn = 2 * np.pi * (t % 1)
        _stick(frame, 240, 135, 240 + 94 * np.sin(turn), 135 - 94 * np.cos(turn), 3, (40, 40, 38))
        return frame

    popped = speaking.sound.copy()
    _add(popped, pop_s, _beep(1 / FPS, hz=1000))
    return Scene(draw, popped)


def beacon(rng: np.random.Generator, length_s: float) -> Scene:
    """A lamp that flashes and beeps at no regular time."""
    backdrop = _backdrop(rng, (38, 46, 72))
    _box(backdrop, 224, 120, 256, 260, (30, 32, 40))
    flashes = [(at_s, float(rng.uniform(0.14, 0.3))) for at_s in _times(rng, length_s, 0.6, 1.3)]
    lit_backdrop = backdrop * 1.35 + 24

    def draw(t: float) -> np.ndarray:
        lit = any(at_s <= t < at_s + lasts_s for at_s, lasts_s in flashes)
        frame = (lit_backdrop if lit else backdrop).copy()
        _ellipse(frame, 240, 100, 30, 30, (255, 236, 170) if lit else (92, 60, 52))
        return frame

    return Scene(draw, _sound(rng, length_s, [(at_s, _beep(lasts_s)) for at_s, lasts_s in flashes]))


def fog(rng: np.random.Generator, length_s: float) -> Scene:
    """Nothing moves and nothing sounds."""
    backdrop = _backdrop(rng, (150, 156, 160))
    return Scene(lambda t: backdrop.copy(), np.zeros(round((length_s + 2 * MARGIN_S) * RATE), np.float32))


TAKES = (
    Take("ball.mp4", ball, 8, audio_early_s=0.0),
    Take("forge.mp4", hammer, 8, audio_early_s=0.40),
    Take("speech.mp4", talker, 8, audio_early_s=-0.28),
    Take("beacon.mp4", beacon, 7, audio_early_s=0.12),
    Take("interview.mp4", talker, 9, audio_early_s=0.52,
         recorder="interview_recorder.wav", recorder_lead_s=1.48),
    Take("leader.mp4", leader, 8, audio_early_s=-0.20),
    Take("court.mov", ball, 7, audio_early_s=0.36,
         recorder="court_recorder.wav", recorder_lead_s=2.0, has_timecode=True),
    Take("fog.mp4", fog, 6, audio_early_s=None),
    Take("anvil.mp4", hammer, 7, audio_early_s=0.32, handle_s=0.12),
)  # fmt: skip


def _times(rng: np.random.Generator, length_s: float, shortest_s: float, longest_s: float) -> np.ndarray:
    """Irregular times from before the scene's first picture to after its last."""
    gaps = rng.uniform(shortest_s, longest_s, size=round((length_s + 2 * MARGIN_S) / shortest_s) + 2)
    return np.cumsum(gaps) - MARGIN_S - longest_s


def _phase(times: np.ndarray, t: float) -> tuple[float, float, float]:
    """Seconds since the last of `times`, the part of the way to the next (0 to 1), and that way's length."""
    k = int(np.searchsorted(times, t, side="right"))
    gap_s = float(times[k] - times[k - 1])
    since = float(t - times[k - 1])
    return since, since / gap_s, gap_s


def _syllables(rng: np.random.Generator, clock: np.ndarray) -> np.ndarray:
    """How far a mouth is open at each moment of `clock`, 0 to 1."""
    openness = np.zeros(len(clock))
    at_s = clock[0] + 0.2
    while at_s < clock[-1]:
        for _ in range(rng.integers(3, 8)):
            lasts_s = rng.uniform(0.14, 0.26)
            within = (clock - at_s) / lasts_s
            shape = np.where((within > 0) & (within < 1), np.sin(np.pi * np.clip(within, 0, 1)) ** 2, 0)
            openness = np.maximum(openness, rng.uniform(0.5, 1) * shape)
            at_s += lasts_s + rng.uniform(0.0, 0.08)
        at_s += rng.uniform(0.4, 0.9)
    return openness


# Sounds


def _voice(rng: np.random.Generator, clock: np.ndarray, openness: np.ndarray) -> np.ndarray:
    """A buzz through two resonances that open with the mouth, and a breath of noise."""
    n = round(len(clock) * RATE / 1000)
    loud = np.interp(np.arange(n) / RATE + clock[0] - MOUTH_LEADS_S, clock, openness)
    pitch_hz = 118 + 14 * np.sin(np.arange(n) / RATE * 2.3) + 10 * loud
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    sound = np.zeros(n)
    for harmonic in range(1, 16):
        hz = harmonic * pitch_hz
        tone = np.exp(-(((hz - 350 - 350 * loud) / 180) ** 2)) + 0.5 * np.exp(-(((hz - 1400) / 300) ** 2))
        sound += (tone + 0.03) * np.sin(harmonic * phase)
    breath = 0.06 * rng.standard_normal(n)
    return (0.2 * loud * (sound + breath)).astype(np.float32)


def _thud(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(round(0.25 * RATE)) / RATE
    body = np.sin(2 * np.pi * (70 * t + 6 * (1 - np.exp(-t * 40)))) * np.exp(-t * 22)
    return rng.uniform(0.3, 0.45) * (body + 0.5 * rng.standard_normal(len(t)) * np.exp(-t * 220))


def _clank(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(round(0.5 * RATE)) / RATE
    ring = sum(
        np.sin(2 * np.pi * hz * rng.uniform(0.99, 1.01) * t) * np.exp(-t * decay)
        for hz, decay in ((640, 14), (1530, 18), (2710, 26), (4230, 34))
    )
    return 0.12 * ring + 0.2 * rng.standard_normal(len(t)) * np.exp(-t * 300)


def _beep(lasts_s: float, hz: float = 880) -> np.ndarray:
    t = np.arange(round(lasts_s * RATE)) / RATE
    ramp = np.clip(np.minimum(t, lasts_s - t) / 0.005, 0, 1)
    return 0.3 * ramp * np.sin(2 * np.pi * hz * t)


def _sound(
    rng: np.random.Generator, length_s: float, events: Sequence[tuple[float, np.ndarray]]
) -> np.ndarray:
    sound = np.zeros(round((length_s + 2 * MARGIN_S) * RATE), np.float32)
    for at_s, event in events:
        _add(sound, at_s, event)
    return _room(rng, sound)


def _add(sound: np.ndarray, at_s: float, event: np.ndarray) -> None:
    first = round((at_s + MARGIN_S) * RATE)
    if first >= 0:
        event = event[: max(0, len(sound) - first)]
        sound[first : first + len(event)] += event.astype(np.float32)


def _room(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """A room is never quite silent."""
    return sound + rng.normal(0, 0.0015, len(sound)).astype(np.float32)


def _scratch(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """The same as a camera hears it from across the room: echoes, hiss, less of the highs."""
    far = 0.5 * sound
    for delay_s, gain in ((0.011, 0.3), (0.023, 0.22), (0.041, 0.15)):
        delay = round(delay_s * RATE)
        far[delay:] += gain * sound[:-delay]
    dulled = np.convolve(far, np.ones(6, np.float32) / 6, "same")
    return dulled + rng.normal(0, 0.01, len(sound)).astype(np.float32)


# Pictures


def _backdrop(rng: np.random.Generator, colour: tuple[int, int, int]) -> np.ndarray:
    """A wall with patches and grain, lit from the left."""
    patches = _smooth(rng.normal(0, 9, (HEIGHT // 18, WIDTH // 18)))
    grain = _smooth(rng.normal(0, 5, (HEIGHT // 3, WIDTH // 3)))
    light = np.linspace(18, -18, WIDTH)
    return (np.asarray(colour, np.float32) + (patches + grain + light)[..., None]).astype(np.float32)


def _smooth(coarse: np.ndarray) -> np.ndarray:
    """A few values over the whole picture, joined by straight lines: (HEIGHT, WIDTH)."""
    rows = np.linspace(0, coarse.shape[0] - 1, HEIGHT)
    columns = np.linspace(0, coarse.shape[1] - 1, WIDTH)
    wide = np.stack([np.interp(columns, np.arange(coarse.shape[1]), row) for row in coarse])
    low, part = rows.astype(int), (rows % 1)[:, None]
    return wide[low] * (1 - part) + wide[np.minimum(low + 1, len(wide) - 1)] * part


def _box(
    frame: np.ndarray, left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]
) -> None:
    frame[max(0, round(top)) : max(0, round(bottom)), round(left) : round(right)] = colour


def _ellipse(
    frame: np.ndarray, x: float, y: float, reach_x: float, reach_y: float, colour: tuple[int, int, int]
) -> None:
    rows, columns = _around(x - reach_x, y - reach_y, x + reach_x, y + reach_y)
    far = np.hypot((columns - x) / reach_x, (rows - y) / reach_y)
    _paint(frame, rows, columns, (1 - far) * min(reach_x, reach_y) + 0.5, colour)


def _stick(
    frame: np.ndarray, x0: float, y0: float, x1: float, y1: float, half: float, colour: tuple[int, int, int]
) -> None:
    rows, columns = _around(min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
    along = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
    along = np.clip(along, 0, 1)
    far = np.hypot(columns - x0 - along * (x1 - x0), rows - y0 - along * (y1 - y0))
    _paint(frame, rows, columns, half - far + 0.5, colour)


def _around(left: float, top: float, right: float, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    """Row and column numbers of the pixels in and around a rectangle, cut to the frame."""
    rows = np.arange(max(0, int(top) - 1), min(HEIGHT, int(bottom) + 2))
    columns = np.arange(max(0, int(left) - 1), min(WIDTH, int(right) + 2))
    return rows[:, None], columns[None, :]


def _paint(
    frame: np.ndarray, rows: np.ndarray, columns: np.ndarray, cover: np.ndarray, colour: tuple[int, int, int]
) -> None:
    """Blend a colour in; `cover` is clipped to 0..1, which makes soft edges."""
    if rows.size and columns.size:
        patch = frame[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1]
        alpha = np.clip(cover, 0, 1).astype(np.float32)[..., None]
        patch += alpha * (np.asarray(colour, np.float32) - patch)


# Files


def _render(take: Take, rng: np.random.Generator, media: Path) -> None:
    scene = take.scene(rng, take.length_s)
    own: np.ndarray | None = scene.heard(take.early_in_file_s, take.length_s)
    if take.recorder:
        clean = scene.heard(0, take.length_s)
        # The recorder ran before the scene began: a room, and nothing in it.
        lead = _room(rng, np.zeros(round(take.recorder_lead_s * RATE), np.float32))
        clock_s = TIMECODE_S - take.recorder_lead_s if take.has_timecode else None
        _write_wav(media / take.recorder, np.concatenate([lead, clean]), clock_s)
        own = None if take.has_timecode else _scratch(rng, clean)
    timecode = "10:20:00:00" if take.has_timecode else None
    _write_film(media / take.media, _frames(scene, rng, take.length_s), own, timecode)


def _frames(scene: Scene, rng: np.random.Generator, length_s: float) -> Iterator[np.ndarray]:
    grains = [rng.normal(0, 2.5, (HEIGHT, WIDTH, 1)).astype(np.float32) for _ in range(4)]
    for k in range(round(length_s * FPS)):
        yield np.clip(scene.draw(k / FPS) + grains[k % 4], 0, 255).astype(np.uint8)


def _write_film(
    path: Path, frames: Iterator[np.ndarray], samples: np.ndarray | None, timecode: str | None
) -> None:
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "24"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if timecode:
            picture.metadata["timecode"] = timecode
        sound = file.add_stream("aac", rate=RATE, layout="mono") if samples is not None else None
        for k, frame in enumerate(frames):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            if sound is not None and samples is not None:
                step = RATE // FPS
                file.mux(sound.encode(_audio_frame(samples[k * step : (k + 1) * step], k * step)))
        file.mux(picture.encode())
        if sound is not None:
            file.mux(sound.encode())


def _write_wav(path: Path, samples: np.ndarray, clock_s: float | None) -> None:
    """`clock_s`: seconds since midnight of the first sample, written as broadcast WAV's time reference."""
    with av.open(str(path), "w", options={"write_bext": "1"} if clock_s is not None else {}) as file:
        if clock_s is not None:
            file.metadata["time_reference"] = str(round(clock_s * RATE))
        sound = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        file.mux(sound.encode(_audio_frame(samples, 0)))
        file.mux(sound.encode())


def _audio_frame(samples: np.ndarray, first: int) -> av.AudioFrame:
    whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = RATE, first
    return frame


# The timeline


def _timeline(media: Path) -> otio.schema.Timeline:
    """Title, the takes, and a shot whose file is gone: one after the other, sound under its picture."""
    pictures = _track("V1", otio.schema.TrackKind.Video)
    sounds = _track("A1", otio.schema.TrackKind.Audio)
    recorders = _track("A2", otio.schema.TrackKind.Audio)
    pictures.append(_title())
    sounds.append(_gap(2))
    recorders.append(_gap(2))
    for group, take in enumerate(TAKES, start=1):
        pictures.append(_picture_clip(take, media, group))
        sound = _sound_clip(take, media, group)
        sounds.append(_gap(take.used_s) if take.recorder else sound)
        recorders.append(sound if take.recorder else _gap(take.used_s))
    pictures.append(_clip(media / "lost.mp4", 0, 0, 10, 3, {"Link Group ID": len(TAKES) + 1}))
    timeline = otio.schema.Timeline("otio-avassist demo", global_start_time=_time(START_S))
    timeline.tracks.extend([pictures, sounds, recorders])
    timeline.metadata["Resolve_OTIO"] = {"Resolve OTIO Meta Version": "1.0"}
    return timeline


def _picture_clip(take: Take, media: Path, group: int) -> otio.schema.Clip:
    starts_s = TIMECODE_S if take.has_timecode else 0
    return _clip(
        media / take.media, starts_s, take.handle_s, take.length_s, take.used_s, {"Link Group ID": group}
    )


def _sound_clip(take: Take, media: Path, group: int) -> otio.schema.Clip:
    metadata = {"Link Group ID": group, "Channels": [{"Source Channel ID": 0, "Source Track ID": 0}]}
    if take.recorder is None:
        return _clip(media / take.media, 0, take.handle_s, take.length_s, take.used_s, metadata)
    starts_s = TIMECODE_S - take.recorder_lead_s if take.has_timecode else 0
    from_s = take.handle_s + take.recorder_lead_s + (take.audio_early_s or 0)
    length_s = take.recorder_lead_s + take.length_s
    return _clip(media / take.recorder, starts_s, from_s, length_s, take.used_s, metadata)


def _clip(
    path: Path, starts_s: float, from_s: float, length_s: float, used_s: float, metadata: dict
) -> otio.schema.Clip:
    """`starts_s`: the timecode of the file's first frame; `from_s`: counted from there."""
    # Resolve reads bare absolute paths, names clips after their files, and counts from the file's timecode.
    reference = otio.schema.ExternalReference(
        str(path), otio.opentime.TimeRange(_time(starts_s), _time(length_s))
    )
    used = otio.opentime.TimeRange(_time(starts_s + from_s), _time(used_s))
    return otio.schema.Clip(path.name, reference, used, {"Resolve_OTIO": metadata})


def _title() -> otio.schema.Clip:
    made = otio.schema.GeneratorReference("Title", "SolidColor")
    return otio.schema.Clip("Title", made, otio.opentime.TimeRange(_time(0), _time(2)))


def _gap(duration_s: float) -> otio.schema.Gap:
    return otio.schema.Gap(duration=_time(duration_s))


def _track(name: str, kind: str) -> otio.schema.Track:
    metadata = {"Locked": False} | ({"Audio Type": "Mono", "SoloOn": False} if name.startswith("A") else {})
    return otio.schema.Track(name, kind=kind, metadata={"Resolve_OTIO": metadata})


def _time(seconds: float) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(round(seconds * FPS), FPS)
