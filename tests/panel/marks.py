"""Captions at given moments, for tests of the strip that they stand on."""

from __future__ import annotations

import opentimelineio as otio

from otio_avassist.panel.entries import Entry
from otio_avassist.review import Decision
from tests import cuts
from tests.panel import scene


def captions(
    root: otio.core.SerializableObject,
    *stretches: tuple[float, float],
    picture: tuple[int, ...] = (0, 0),
    states: tuple[str, ...] = (),
) -> dict[str, Entry]:
    """One for each (start, end) in timeline seconds, by id; to decide unless `states` say otherwise."""
    made = {}
    for number, (start_s, end_s) in enumerate(stretches):
        line = scene.line(cuts.caption(root, start_s, end_s, picture=picture))
        state = states[number] if number < len(states) else "proposed"
        entry = Entry(line, Decision(state), 25.0, 3600.0, scene.SETTINGS)
        made[entry.id] = entry
    return made
