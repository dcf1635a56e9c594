"""Draw the road from a timeline to a report: `python docs/draw_architecture.py`, as images/architecture.svg.

Boxes are rooms with the modules in them, arrows what goes from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "images" / "architecture.svg"

WIDTH, HEIGHT = 1140, 600
LINE = 15
"""Pixels from one line of modules to the next."""
COLOURS = {
    "time": ("#fff3e0", "#a65e00"),
    "media": ("#e3f2fd", "#1259a0"),
    "network": ("#ede7f6", "#553a9e"),
    "judging": ("#e8f5e9", "#1f6b2d"),
    "people": ("#f5f5f5", "#555555"),
}
"""What a room knows -> (fill, line)."""


@dataclass(frozen=True)
class Room:
    """A box: where it stands, in pixels, and the modules of `otio_avassist` in it."""

    title: str
    kind: str
    x: int
    y: int
    width: int
    modules: tuple[str, ...]
    """One line each; names are separated by blanks."""

    @property
    def height(self) -> int:
        return 30 + LINE * len(self.modules)

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


ROOMS = {
    room.title: room
    for room in (
        Room("a person's way in", "people", 20, 20, 180, ("cli console demo", "panel resolve", "diagnosis")),
        Room("many timelines", "people", 290, 20, 170, ("batch cache", "farm openjd")),
        Room("the road itself", "people", 550, 20, 170, ("pipeline recall",)),
        Room("OpenTimelineIO's way in", "people", 820, 20, 190, ("hooks plugin", "config")),
        Room("timelines, whole or not", "time", 20, 160, 200, ("files whole vetting",)),
        Room("shots, in seconds", "time", 20, 280, 200, ("spans places pairing", "urls timecodes wanted")),
        Room(
            "pictures and sound",
            "media",
            20,
            430,
            200,
            ("media windows grids", "features speech", "watching speakers", "probe"),
        ),
        Room(
            "numbers",
            "media",
            340,
            480,
            180,
            ("signals alignment", "energies lips faces", "course moments", "laying"),
        ),
        Room(
            "networks",
            "network",
            340,
            280,
            180,
            ("bundles sampling", "catalogue fetch", "captioner generator", "wordpiece"),
        ),
        Room(
            "tasks", "judging", 640, 350, 180, ("tasks", "choice wording", "library ranking", "sounds takes")
        ),
        Room("findings", "judging", 940, 350, 180, ("findings verdicts", "attention")),
        Room("what a person decided", "people", 940, 490, 180, ("review",)),
        Room("used everywhere", "people", 640, 520, 180, ("errors progress",)),
        Room("changes of a copy", "time", 640, 160, 180, ("remedies edits", "marks traces")),
        Room("reports and markers", "people", 940, 160, 180, ("adapters figures", "check")),
    )
}

ARROWS = (
    ("a person's way in", "many timelines", ""),
    ("many timelines", "the road itself", "each"),
    ("OpenTimelineIO's way in", "the road itself", ""),
    ("the road itself", "timelines, whole or not", "walks"),
    ("timelines, whole or not", "shots, in seconds", "a timeline"),
    ("shots, in seconds", "pictures and sound", "stretches of files"),
    ("pictures and sound", "numbers", "true to time"),
    ("numbers", "tasks", "evidence"),
    ("networks", "tasks", "answers"),
    ("tasks", "findings", "how sure, why"),
    ("what a person decided", "findings", "yes, no"),
    ("findings", "changes of a copy", "what to change"),
    ("findings", "reports and markers", "what was found"),
    ("changes of a copy", "timelines, whole or not", "a copy, changed"),
)


def draw() -> str:
    """The picture, as SVG; the same each time."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>From a timeline to a timeline and a report</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#333"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *(_arrow(ROOMS[one], ROOMS[other], words) for one, other, words in ARROWS),
        *(_room(room) for room in ROOMS.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _room(room: Room) -> str:
    fill, line = COLOURS[room.kind]
    lines = [
        f'<rect x="{room.x}" y="{room.y}" width="{room.width}" height="{room.height}" rx="6" '
        f'fill="{fill}" stroke="{line}"/>',
        f'<text x="{room.x + 10}" y="{room.y + 18}" font-weight="bold" fill="{line}">'
        f"{escape(room.title)}</text>",
    ]
    for row, modules in enumerate(room.modules):
        y = room.y + 36 + LINE * row
        lines.append(
            f'<text x="{room.x + 10}" y="{y}" font-family="monospace" fill="#222">{escape(modules)}</text>'
        )
    return "\n".join(lines)


def _arrow(one: Room, other: Room, words: str) -> str:
    (x1, y1), (x2, y2) = _edge(one, other), _edge(other, one)
    # Beside an upright arrow, above a level one.
    upright = abs(x2 - x1) < abs(y2 - y1)
    x, y, anchor = (x1 + x2) / 2, (y1 + y2) / 2, "middle"
    if upright:
        x, anchor = x + 8, "start"
    else:
        y -= 6
    return (
        f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#333" '
        f'marker-end="url(#tip)"/>\n'
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#333" font-style="italic" '
        f'stroke="#ffffff" stroke-width="4" paint-order="stroke">'
        f"{escape(words)}</text>"
    )


def _edge(room: Room, towards: Room) -> tuple[float, float]:
    """Where the line between the middles of two rooms leaves the first."""
    (x, y), (other_x, other_y) = room.middle, towards.middle
    dx, dy = other_x - x, other_y - y
    share = min(
        room.width / 2 / abs(dx) if dx else float("inf"),
        room.height / 2 / abs(dy) if dy else float("inf"),
    )
    return x + dx * share, y + dy * share


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)
