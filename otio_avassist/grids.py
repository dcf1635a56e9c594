"""Decoded frames in, pictures and samples on a regular grid out: the one place where time stamps are
believed.

A picture stands until the next one's stamp; the first stands for all before it, the last for all after.
Sound is counted from sample to sample; where its stamps leap, a hole is silence. Grids give blocks of
about a second, so that memory doesn't grow with what passes through. They know neither files nor seeking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from math import ceil

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.video.frame import VideoFrame

STAMP_S = 0.002
"""Time stamps may be off by so much: Matroska's are rounded to a millisecond, and so is the file's zero."""
HOLE_S = 0.005
"""Time stamps of sound that leap by more are a hole (or an overlap); less is rounding."""
SETTLE_S = 1.0
"""Time stamps of so much sound say where it stands."""
TURNS = {
    90: ("transpose", "cclock"),
    270: ("transpose", "clock"),
    180: ("transpose", "clock", "transpose", "clock"),
}
"""Degrees of a display matrix, counter-clockwise, and the filters that turn the picture upright."""

Block = tuple[float, np.ndarray]
"""Seconds from the grid's start to the block's, and the block."""


class PictureGrid:
    """Pictures, uint8 (T, H, W, 3) RGB, at `fps` from `start_s` on the file's own clock."""

    def __init__(
        self,
        start_s: float,
        duration_s: float,
        *,
        fps: float,
        side: int,
        pixel_aspect: Fraction | None = None,
    ) -> None:
        self._start_s, self._fps = start_s, fps
        self._count = round(duration_s * fps)
        self._next = 0
        self._scale = _Scaler(side, pixel_aspect or Fraction(1))
        self._held: VideoFrame | None = None
        self._scaled: np.ndarray | None = None
        self._block: np.ndarray | None = None
        self._size = max(1, round(fps))
        self.ends_s = start_s
        """Where the last picture so far ends, on the file's own clock."""

    @property
    def full(self) -> bool:
        return self._next >= self._count

    @property
    def empty(self) -> bool:
        """Whether no picture has come yet."""
        return self._held is None

    @property
    def reached_s(self) -> float:
        """How far the grid is filled, on the file's own clock."""
        return self._start_s + self._next / self._fps

    def take(self, frame: VideoFrame) -> Iterator[Block]:
        """One more decoded frame; frames come in the order in which they are shown."""
        at_s = time_s(frame)
        if at_s is None:
            at_s = self.ends_s
        if self._held is not None:
            yield from self._show(self._places_before(at_s))
        self._held, self._scaled = frame, None
        self.ends_s = at_s + float((frame.duration or 0) * (frame.time_base or 0))

    def fill(self) -> Iterator[Block]:
        """Let the last picture stand to the end of the grid."""
        yield from self._show(self._count)

    def stop(self) -> Iterator[Block]:
        """Give what there is up to the end of the last picture."""
        yield from self._show(self._places_before(self.ends_s))
        yield from self._give()

    def _places_before(self, at_s: float) -> int:
        return min(self._count, ceil((at_s - self._start_s - STAMP_S) * self._fps))

    def _show(self, until: int) -> Iterator[Block]:
        """The held picture at every place of the grid before `until`."""
        while self._held is not None and self._next < until:
            # Only pictures that the grid shows are ever scaled.
            if self._scaled is None:
                self._scaled = self._scale(self._held)
            if self._block is None:
                length = min(self._size, self._count - self._next)
                self._block = np.empty((length, *self._scaled.shape), np.uint8)
            self._block[self._next % self._size] = self._scaled
            self._next += 1
            if self._next % self._size == 0 or self.full:
                yield from self._give()

    def _give(self) -> Iterator[Block]:
        if self._block is not None:
            first = (self._next - 1) // self._size * self._size
            block, self._block = self._block[: self._next - first], None
            yield first / self._fps, block


class _Scaler:
    """One decoded frame in, uint8 (H, W, 3) RGB out; the first frame's shape decides the size of all."""

    def __init__(self, side: int, pixel_aspect: Fraction) -> None:
        self._side, self._pixel_aspect = side, pixel_aspect
        self._size: tuple[int, int] | None = None
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The array is a view of the scaled frame's own memory."""
        kind = (frame.width, frame.height, frame.format.name, frame.rotation)
        if self._graph is None or kind != self._made_for:
            self._graph, self._made_for = self._make(frame), kind
        self._graph.vpush(frame)
        scaled = self._graph.vpull()
        plane = scaled.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(scaled.height, plane.line_size)
        return rows[:, : scaled.width * 3].reshape(scaled.height, scaled.width, 3)

    def _make(self, frame: VideoFrame) -> Graph:
        width, height = frame.width * self._pixel_aspect, Fraction(frame.height)
        turns = TURNS.get(frame.rotation % 360, ())
        if frame.rotation % 180:
            width, height = height, width
        if self._size is None:
            shrink = self._side / min(width, height)
            self._size = _even(width * shrink), _even(height * shrink)
        graph = Graph()
        chain = [graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )]  # fmt: skip
        chain += [graph.add(name, way) for name, way in zip(turns[::2], turns[1::2], strict=True)]
        chain.append(graph.add("scale", f"{self._size[0]}:{self._size[1]}"))
        chain += [graph.add("format", "rgb24"), graph.add("buffersink")]
        graph.link_nodes(*chain).configure()
        return graph


def _even(pixels: Fraction) -> int:
    return max(2, 2 * round(pixels / 2))


class CutFinder:
    """Where one camera angle ends and the next begins, by the filter `scdet` on small pictures.

    Fades and dissolves are no cuts. A flash is none either: the filter wants the change itself to change.
    """

    THRESHOLD = 10.0
    """Of the filter's score, 0 to 100; its own default."""
    SIDE = 90
    """Pixels of the short side: noise and small things that move count for little."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()
        self.cuts_s: list[float] = []
        """Of all pictures so far: the first picture after each cut, in seconds since the start."""

    def take(self, frame: VideoFrame, start_s: float) -> None:
        """One more decoded frame; seconds are counted from `start_s` on the file's own clock."""
        kind = (frame.width, frame.height, frame.format.name)
        if self._graph is None or kind != self._made_for:
            self._graph, self._made_for = self._make(frame), kind
        self._graph.vpush(frame)
        seen = self._graph.vpull()
        at_s = time_s(frame)
        if "lavfi.scd.time" in seen.metadata and at_s is not None and at_s > start_s:
            self.cuts_s.append(at_s - start_s)

    def _make(self, frame: VideoFrame) -> Graph:
        shrink = min(1.0, self.SIDE / min(frame.width, frame.height))
        width, height = (_even(Fraction(pixels * shrink)) for pixels in (frame.width, frame.height))
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            ),
            # Every picture passes here: single pixels stand for their neighbours, which costs little.
            graph.add("scale", f"{width}:{height}:flags=neighbor"),
            graph.add("format", "yuv420p"),
            graph.add("scdet", f"threshold={self.THRESHOLD}"),
            graph.add("buffersink"),
        ).configure()
        return graph


class SoundGrid:
    """Sound, float32 (N,) mono, at `rate` from `start_s` on the file's own clock."""

    def __init__(self, start_s: float, duration_s: float, *, rate: int, channel: int | None = None) -> None:
        self._start_s, self._rate, self._channel = start_s, rate, channel
        self._count = round(duration_s * rate)
        self._next = 0
        self._block = self._new_block()
        self._run: _Run | None = None
        self.ends_s = start_s
        """Where the sound so far ends, on the file's own clock."""

    @property
    def full(self) -> bool:
        return self._next >= self._count

    def take(self, frame: AudioFrame) -> Iterator[Block]:
        """One more decoded frame."""
        at_s = time_s(frame)
        if self._run is None or not self._run.continues(frame, at_s):
            yield from self._end_run()
            self._run = _Run(frame, self.ends_s if at_s is None else at_s, self._channel, self._rate)
        elif at_s is not None:
            self._run.see(at_s)
        self._run.push(frame)
        self.ends_s = self._run.ends_s
        if self._run.settled:
            yield from self._write_run()

    def pass_over(self, to_s: float) -> Iterator[Block]:
        """No sound before `to_s` will come any more: what isn't there yet is silence."""
        if self.ends_s < to_s or self._run is None:
            yield from self._end_run()
            yield from self._skip_to(round((to_s - self._start_s) * self._rate))

    def fill(self) -> Iterator[Block]:
        """Silence to the end of the grid."""
        yield from self._end_run()
        yield from self._skip_to(self._count)

    def stop(self) -> Iterator[Block]:
        """Give what there is up to the end of the sound."""
        yield from self._end_run()
        yield from self._give()

    def _end_run(self) -> Iterator[Block]:
        if self._run is not None:
            self._run.push(None)
            yield from self._write_run()
            self._run = None

    def _write_run(self) -> Iterator[Block]:
        assert self._run is not None
        at = round((self._run.start_s - self._start_s) * self._rate) + self._run.given
        for samples in self._run.take():
            yield from self._write(at, samples)
            at += len(samples)

    def _write(self, at: int, samples: np.ndarray) -> Iterator[Block]:
        yield from self._skip_to(at)
        samples = samples[max(0, self._next - at) :]
        while len(samples) and not self.full:
            begin = self._next % self._rate
            piece = samples[: len(self._block) - begin]
            self._block[begin : begin + len(piece)] = piece
            samples = samples[len(piece) :]
            yield from self._advance(len(piece))

    def _skip_to(self, at: int) -> Iterator[Block]:
        at = min(at, self._count)
        while self._next < at:
            yield from self._advance(min(at - self._next, len(self._block) - self._next % self._rate))

    def _advance(self, count: int) -> Iterator[Block]:
        self._next += count
        if self._next % self._rate == 0 or self.full:
            yield from self._give()

    def _give(self) -> Iterator[Block]:
        first = (self._next - 1) // self._rate * self._rate
        if self._next > first:
            block, self._block = self._block[: self._next - first], self._new_block()
            yield first / self._rate, block

    def _new_block(self) -> np.ndarray:
        return np.zeros(min(self._rate, self._count - self._next), np.float32)


class _Run:
    """Sound without a hole. All time stamps of its first second say where it stands, not the first alone.

    Matroska rounds stamps to the millisecond, 16 samples at 16 kHz: each stamp leaves the run's start an
    interval of one tick, and where all of them overlap is far narrower than that.
    """

    def __init__(self, frame: AudioFrame, at_s: float, channel: int | None, rate: int) -> None:
        self._kind = _sound_kind(frame)
        self._rate = frame.sample_rate
        self._count = 0
        self._half_tick_s = float(frame.time_base or 0) / 2
        self._low_s, self._high_s = at_s - self._half_tick_s, at_s + self._half_tick_s
        self._pending: list[np.ndarray] = []
        self._ended = False
        self._graph = _mono(frame, channel, rate)
        self.given = 0
        """Samples taken so far."""

    @property
    def start_s(self) -> float:
        return (self._low_s + self._high_s) / 2

    @property
    def ends_s(self) -> float:
        return self.start_s + self._count / self._rate

    @property
    def settled(self) -> bool:
        return self._ended or self._count >= SETTLE_S * self._rate

    def continues(self, frame: AudioFrame, at_s: float | None) -> bool:
        """Whether a frame goes on where the run ends, in the same format."""
        return _sound_kind(frame) == self._kind and (at_s is None or abs(at_s - self.ends_s) <= HOLE_S)

    def see(self, at_s: float) -> None:
        """Narrow down where the run starts by the stamp of what comes next."""
        implied_s = at_s - self._count / self._rate
        low_s = max(self._low_s, implied_s - self._half_tick_s)
        high_s = min(self._high_s, implied_s + self._half_tick_s)
        if not self.settled and low_s <= high_s:
            self._low_s, self._high_s = low_s, high_s

    def push(self, frame: AudioFrame | None) -> None:
        """One more frame, or None at the end of the run."""
        self._ended = frame is None
        self._count += frame.samples if frame is not None else 0
        self._graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                self._pending.append(self._graph.pull().to_ndarray()[0])

    def take(self) -> list[np.ndarray]:
        """What came out of the resampler since the last time."""
        taken, self._pending = self._pending, []
        self.given += sum(len(samples) for samples in taken)
        return taken


def time_s(frame: VideoFrame | AudioFrame) -> float | None:
    """A decoded frame's time stamp on the file's own clock, or None where it has none."""
    return float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None


def _sound_kind(frame: AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _mono(frame: AudioFrame, channel: int | None, rate: int) -> Graph:
    """A graph from frames like this one to one channel of floats at `rate`."""
    graph = Graph()
    chain = [graph.add_abuffer(
        sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=frame.time_base
    )]  # fmt: skip
    if channel is not None:
        chain.append(graph.add("pan", f"mono|c0=c{channel}"))
    elif re.fullmatch(r"\d+ channels", frame.layout.name):
        # Poly-WAV: nobody says where the microphones stood, so each counts the same.
        count = frame.layout.nb_channels
        chain.append(graph.add("pan", "mono|c0=" + "+".join(f"{1 / count}*c{each}" for each in range(count))))
    # Floats are mixed without a bound unless told: the front three of 5.1 would sum to twice full scale.
    chain.append(graph.add("aresample", f"{rate}:osf=flt:out_chlayout=mono:rematrix_maxval=1"))
    chain.append(graph.add("aformat", f"sample_fmts=flt:sample_rates={rate}:channel_layouts=mono"))
    chain.append(graph.add("abuffersink"))
    graph.link_nodes(*chain).configure()
    return graph
