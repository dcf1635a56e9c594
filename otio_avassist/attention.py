"""Maps of where a network looked and listened, window by window -> what stands out in a shot.

In: maps as the sync network's graph gives them (`watching.LOOKED`). Out: `findings.Attention`, a few peaks
and two coarse curves; and of these again arrays to draw. Windows overlap; what several of them say of one
moment is averaged. Knows no timeline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from otio_avassist.findings import STANDS_OUT, Attention

STEP_S = 0.2
"""Moments are told apart this finely."""
MOST_SEEN, MOST_HEARD = 8, 5
MOST_POINTS = 60
"""Of a curve."""
APART_S = 0.5
"""Two peaks nearer than this are one, of pictures only where they are neighbours in the frame too."""
CANDIDATES = 1000


ROWS, COLUMNS = 9, 16
"""Of what is laid over a picture."""


@dataclass(frozen=True)
class Lit:
    """Attention of some seconds of a shot, as arrays to draw; seconds count from the first of them."""

    seen_s: np.ndarray
    """(n,) ascending: when the places that stand out were looked at."""
    seen: np.ndarray
    """(n, ROWS, COLUMNS): where, brightest in the middle of the place."""
    heard_s: np.ndarray
    """(m,) ascending."""
    heard: np.ndarray
    """(m,) weights; 1: no more than any other moment."""


def lit(attention: Attention, from_s: float, duration_s: float, *, sound_later_s: float = 0.0) -> Lit:
    """What to draw over `duration_s` of a shot from `from_s` on; nothing where nothing stands out.

    Args:
        attention: of the shot.
        from_s: seconds from the start of the shot.
        duration_s: of what is drawn.
        sound_later_s: the sound is drawn so much later than the shot plays it.
    """
    nothing = attention.is_even
    places = sorted(
        each
        for each in attention.seen
        if not nothing and each[3] >= STANDS_OUT and 0 <= each[0] - from_s < duration_s
    )
    rows, columns = (np.arange(ROWS)[:, None] + 0.5) / ROWS, (np.arange(COLUMNS) + 0.5) / COLUMNS
    seen = [
        weight * np.exp(-(((rows - row) * ROWS) ** 2 + ((columns - column) * COLUMNS) ** 2) / 4)
        for _, row, column, weight in places
    ]
    curve = np.array(() if nothing else attention.heard_curve, float).reshape(-1, 2)
    heard_s = curve[:, 0] + sound_later_s - from_s
    inside = (heard_s >= 0) & (heard_s < duration_s)
    return Lit(
        np.array([at_s - from_s for at_s, *_ in places]),
        np.array(seen).reshape(-1, ROWS, COLUMNS),
        heard_s[inside],
        curve[inside, 1],
    )


class Looks:
    """What is kept while windows stream by: for each moment the sum of what was said, and by how many."""

    def __init__(self) -> None:
        self._seen: dict[int, np.ndarray] = {}
        self._heard: dict[int, float] = {}
        self._times: dict[int, int] = {}
        self._view = (1.0, 1.0)

    def add(
        self, start_s: float, length_s: float, seen: np.ndarray, heard: np.ndarray, view: tuple[float, float]
    ) -> None:
        """What was said of one window.

        Args:
            start_s: of the window; any zero will do, if it is the same for all.
            length_s: of the window.
            seen: (layers, heads, k, t, h, w), summing to 1 over what is seen.
            heard: (layers, heads, k, f, t), the same over what is heard.
            view: how much of the frame's height and width the network was shown, around its middle.
        """
        self._view = view
        # As multiples of what each would get if all got the same.
        places = seen.mean((0, 1, 2)) * math.prod(seen.shape[3:])
        moments = heard.mean((0, 1, 2, 3)) * math.prod(heard.shape[3:])
        first, last = math.ceil(start_s / STEP_S - 0.5), math.ceil((start_s + length_s) / STEP_S - 0.5)
        for cell in range(first, last):
            along = ((cell + 0.5) * STEP_S - start_s) / length_s
            place = places[min(len(places) - 1, int(along * len(places)))]
            moment = float(moments[min(len(moments) - 1, int(along * len(moments)))])
            self._seen[cell] = self._seen[cell] + place if cell in self._seen else place
            self._heard[cell] = self._heard.get(cell, 0.0) + moment
            self._times[cell] = self._times.get(cell, 0) + 1

    def include(self, other: Looks) -> None:
        """What other windows of the same media said, too."""
        self._view = other._view if other._times else self._view
        for cell, times in other._times.items():
            place = other._seen[cell]
            self._seen[cell] = self._seen[cell] + place if cell in self._seen else place
            self._heard[cell] = self._heard.get(cell, 0.0) + other._heard[cell]
            self._times[cell] = self._times.get(cell, 0) + times

    def held(self) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
        """All that is kept, as arrays, from which `of` makes the same again: cells with what was listened to
        and by how many windows, (n, 3); what was looked at, (n, h, w); and the view."""
        cells = sorted(self._times)
        numbers = np.array([(cell, self._heard[cell], self._times[cell]) for cell in cells], np.float64)
        seen = np.stack([self._seen[cell] for cell in cells]) if cells else np.zeros((0, 1, 1), np.float32)
        return numbers.reshape(-1, 3), seen, self._view

    @classmethod
    def of(cls, held: tuple[np.ndarray, np.ndarray, tuple[float, float]]) -> Looks:
        """What `held` told of."""
        numbers, seen, view = held
        looks = cls()
        looks._view = (float(view[0]), float(view[1]))
        for (cell, heard, times), place in zip(numbers.tolist(), seen, strict=True):
            looks._seen[int(cell)], looks._heard[int(cell)], looks._times[int(cell)] = (
                place,
                heard,
                int(times),
            )
        return looks

    def within(self, start_s: float, end_s: float, *, sound_later_s: float = 0.0) -> Attention | None:
        """What stands out between two moments; None: no window reached it.

        Args:
            start_s: of the shot, from the zero that windows count from.
            end_s: of the shot.
            sound_later_s: sound that was heard under a picture is heard so much later in this shot.
        """
        seen = [each for each in sorted(self._times) if start_s <= (each + 0.5) * STEP_S < end_s]
        heard = [
            each for each in sorted(self._times) if start_s <= (each + 0.5) * STEP_S + sound_later_s < end_s
        ]
        if not seen:
            return None
        places = np.stack([self._seen[each] / self._times[each] for each in seen])
        moments = np.array([self._heard[each] / self._times[each] for each in heard])
        seen_s = (np.array(seen) + 0.5) * STEP_S - start_s
        heard_s = (np.array(heard) + 0.5) * STEP_S - start_s + sound_later_s
        return Attention(
            seen=tuple(self._peaks_seen(seen_s, places)),
            heard=tuple(
                (_plain(heard_s[at]), _plain(moments[at]))
                for at, _, _ in _peaks(heard_s, moments[:, None, None], MOST_HEARD)
            ),
            seen_curve=_curve(seen_s, places.mean((1, 2))),
            heard_curve=_curve(heard_s, moments),
        )

    def _peaks_seen(
        self, times_s: np.ndarray, places: np.ndarray
    ) -> Iterator[tuple[float, float, float, float]]:
        for at, row, column in _peaks(times_s, places, MOST_SEEN):
            shares = (
                0.5 + ((each + 0.5) / count - 0.5) * view
                for each, count, view in zip((row, column), places.shape[1:], self._view, strict=True)
            )
            down, across = map(_plain, shares)
            yield _plain(times_s[at]), down, across, _plain(places[at, row, column])


def _peaks(times_s: np.ndarray, weights: np.ndarray, most: int) -> Iterator[tuple[int, int, int]]:
    """Where (n, rows, columns) weights are highest, the highest first."""
    chosen: list[tuple[int, int, int]] = []
    for flat in np.argsort(weights, axis=None, kind="stable")[::-1][:CANDIDATES]:
        at, row, column = map(int, np.unravel_index(flat, weights.shape))
        if len(chosen) == most:
            return
        if not any(
            abs(times_s[at] - times_s[other]) < APART_S and max(abs(row - down), abs(column - across)) <= 1
            for other, down, across in chosen
        ):
            chosen.append((at, row, column))
            yield at, row, column


def _curve(times_s: np.ndarray, weights: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Seconds and weights, as many neighbours put together as leave few enough."""
    if not len(times_s):
        return ()
    pieces = min(MOST_POINTS, len(times_s))
    # As even as numpy's array_split makes them, but all at once.
    sizes = np.full(pieces, len(times_s) // pieces)
    sizes[: len(times_s) % pieces] += 1
    starts = np.cumsum(sizes) - sizes
    at_s, weight = (np.add.reduceat(each, starts) / sizes for each in (times_s, weights))
    return tuple(zip(map(_plain, at_s), map(_plain, weight), strict=True))


def _plain(number: float) -> float:
    return round(float(number), 4)
