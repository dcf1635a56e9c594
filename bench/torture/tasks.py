"""All three tasks on the cut of `material`: the words for it, and the networks that they need besides.

Those are fetched by whom it concerns; where they aren't there, captions can't be had, and must say so kindly.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.torture.timelines import OPTIONS
from bench.torture.watched import Watched
from otio_avassist import bundles
from otio_avassist.errors import BundleError

FETCHED = ("yamnet", "efficientnet-lite0")
"""What captions need, and foley, where nobody names a sound."""
SOUND = "dog"
"""Named, so that one is made of pictures that ask for none."""


class AllTasks:
    """With what is fetched on this machine."""

    def __init__(self) -> None:
        try:
            self._fetched = [bundles.find(name) for name in FETCHED]
        except BundleError:
            self._fetched = []

    @property
    def environment(self) -> dict[str, str]:
        """For a process that keeps house elsewhere."""
        return {bundles.VARIABLE: os.pathsep.join(map(str, self._fetched))}

    def words(self, cut: Path, out: Path, report: Path, *clips: str) -> list[str]:
        """A command; sounds are made for these clips."""
        tasks = "sync,captions,foley" if self._fetched else "sync,foley"
        named = [word for clip in clips for word in ("--clip", clip)]
        # Of a level of its own: else what is beside a clip has a say in its sound.
        sound = ["--sound", SOUND, "--loudness", "-23", *named]
        places = [str(cut), "-o", str(out), "--report", str(report)]
        return ["run", *places, "--tasks", tasks, *sound, *OPTIONS]

    def refusal(self, command: Watched, cut: Path, out: Path) -> str:
        """What is wrong with how captions say what they lack; empty where they lack nothing."""
        if self._fetched:
            return ""
        ended = command.run("captions", cut, "-o", out, "-q")
        return ended.trouble((1,), FETCHED[0]) or ("wrote a timeline all the same" if out.exists() else "")
