"""The one table of keys: what a person presses, which action it is, and in words.

The window binds them, the page on `?` and the documentation list them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    action: str
    keys: tuple[str, ...]
    """As `QKeySequence` spells them."""
    words: str
    also: tuple[str, ...] = ()
    """The same keys as a keyboard sends them that has the sign on another key."""


KEYS = (
    Key("accept", ("A",), "Accept, and go to the next that is undecided"),
    Key("reject", ("R",), "Reject, and go to the next that is undecided"),
    Key("undecide", ("U",), "Take the decision back"),
    Key("next", ("N", "Down"), "Next finding"),
    Key("previous", ("P", "Up"), "Previous finding"),
    Key("later", ("]",), "Nudge: hear the sound a frame later"),
    Key("earlier", ("[",), "Nudge: hear the sound a frame earlier"),
    Key("later_ten", ("Shift+]",), "Nudge by ten frames later", ("}", "Shift+}")),
    Key("earlier_ten", ("Shift+[",), "Nudge by ten frames earlier", ("{", "Shift+{")),
    *(Key(f"take_{number}", (str(number),), f"Choose take {number}") for number in range(1, 10)),
    Key("play", ("Space",), "Play or stop"),
    Key("backward", ("J",), "Play backwards; again: faster"),
    Key("stop", ("K",), "Stop"),
    Key("forward", ("L",), "Play; again: faster"),
    Key("frame_back", ("Left",), "One frame back"),
    Key("frame_on", ("Right",), "One frame on"),
    Key("before_after", ("B",), "Before or after: hear it as it is, or as proposed"),
    Key("edit", ("E", "F2"), "Edit the sentence"),
    Key("undo", ("Z", "Ctrl+Z"), "Undo"),
    Key("redo", ("Shift+Z", "Ctrl+Shift+Z", "Ctrl+Y"), "Redo"),
    Key("save", ("Ctrl+S",), "Save decisions, and the timeline where an output is known"),
    Key("apply", ("Ctrl+Return",), "Apply what is accepted to another file"),
    Key("look", ("Ctrl+R",), "Look at the timeline (again)"),
    Key("cancel", ("Ctrl+.",), "Stop looking"),
    Key("open", ("Ctrl+O",), "Open a timeline"),
    Key("relink", ("Ctrl+M",), "Search a folder for missing media"),
    Key("find", ("/", "Ctrl+F"), "Search the list", ("Shift+/",)),
    Key("zoom_in", ("+",), "Zoom in", ("=", "Shift++", "Shift+=")),
    Key("zoom_out", ("-",), "Zoom out"),
    Key("fit", ("F",), "See the whole timeline"),
    Key("help", ("?",), "This page", ("Shift+?", "F1")),
)


def page() -> str:
    """All keys as an HTML table; the nine takes are one line."""
    rows = []
    for key in KEYS:
        if key.action.startswith("take_"):
            if key.action != "take_1":
                continue
            rows.append("<tr><td><b>1 – 9</b></td><td>Choose a take</td></tr>")
            continue
        shown = " or ".join(f"<b>{each.replace('<', '&lt;')}</b>" for each in key.keys)
        rows.append(f"<tr><td>{shown}&nbsp;&nbsp;</td><td>{key.words}</td></tr>")
    return f"<table cellspacing='4'>{''.join(rows)}</table>"
