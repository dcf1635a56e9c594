"""The command in a process of its own that is watched: it may hang, die or eat up memory without harm.

    with Watched(folder) as command:
        ended = command.run("sync", "cut.otio", "-o", "out.otio")

The process is used again for the next command, since a new one would take seconds, until it hangs or dies.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
"""A command that works longer on a film of seconds, or does nothing at all for long, hangs."""
MEMORY = 4 << 30
"""Bytes that the process may take; the plugin and its networks need less than a third."""
ANSWERS = (0, 1, 2, 3)
"""Exit codes that say something: done, failed, wrong usage, looked and stands for nothing."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    how: str
    """ended, hung or died."""
    code: int | None = None
    said: str = ""
    """On stderr."""
    printed: str = ""
    """On stdout."""
    traceback: str = ""
    seconds: float = 0.0
    rss_mb: float = 0.0
    """Memory of the process after it."""
    files: int = 0
    """Open files after it."""
    threads: int = 0

    @property
    def reason(self) -> str:
        """The last line that the plugin said in its own name."""
        lines = [line for line in self.said.splitlines() if line.startswith("avassist: ")]
        return lines[-1].removeprefix("avassist: ") if lines else ""

    def trouble(self, codes: Collection[int] = ANSWERS, naming: str = "") -> str:
        """What is wrong with such an end, empty where nothing is.

        Args:
            codes: those that it may end with.
            naming: what the reason of a failure must name.
        """
        if self.how != "ended":
            return f"{self.how} after {self.seconds:.1f} s: {self.said[-300:]}"
        if self.traceback or "Traceback (most recent call last)" in self.said:
            return f"a traceback: {(self.traceback or self.said)[-1500:]}"
        if self.code not in codes:
            return f"ended with {self.code}, wanted one of {tuple(codes)}: {self.said[-300:]}"
        if self.code == 1 and not self.reason:
            return f"failed without a reason: {self.said[-300:]}"
        if naming and naming not in self.said:
            return f"doesn't name {naming}: {self.said[-300:]}"
        return ""


class Watched:
    """See the top of this file."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_s: float = LIMIT_S,
        memory: int = MEMORY,
        environment: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        """
        Args:
            folder: where it runs and keeps its log, its cache and what it takes for the user's home.
            memory: bytes of address space; 0: as many as there are.
            environment: set besides.
            prefix: words before the command: another that runs it.
        """
        self.folder, self.limit_s = folder, limit_s
        self._memory, self._prefix = memory, prefix
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AVASSIST_", "OTIO_"))},
            "OTIO_AVASSIST_CACHE": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "home"),
            "HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(CHECKOUT),
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; the next command gets a new one."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def begin(self, *words: str) -> None:
        """Hand a command over without waiting for its end."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(words).encode() + b"\n")
        process.stdin.flush()

    def end(self) -> Ended:
        """Wait for the end of what was begun."""
        process, began = self._process, time.monotonic()
        assert process is not None
        assert process.stdout is not None
        spent_s = moved_s = _cpu_s(process.pid)
        moved = began
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([process.stdout], [], [], 1.0)[0]:
                now, now_s = time.monotonic(), _cpu_s(process.pid)
                if now_s > moved_s:
                    moved, moved_s = now, now_s
                # On a busy machine it may have to wait long for its turn.
                idle = now - began > self.limit_s and now - moved > self.limit_s / 3
                if idle or now_s - spent_s > self.limit_s:
                    self.stop()
                    return Ended("hung", seconds=now - began, said=self._log())
                continue
            more = os.read(process.stdout.fileno(), 1 << 20)
            if not more:
                code = process.wait()
                self.stop()
                name = signal.Signals(-code).name if code < 0 else f"code {code}"
                return Ended(f"died ({name})", seconds=time.monotonic() - began, said=self._log())
            line += more
        return Ended("ended", seconds=time.monotonic() - began, **json.loads(line))

    def answered(self) -> bool:
        """Whether what was begun is over."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        return bool(select.select([process.stdout], [], [], 0)[0])

    def run(self, *words: str | Path) -> Ended:
        """Run `avassist WORDS…` and wait for its end."""
        self.begin(*map(str, words))
        return self.end()

    def _start(self) -> subprocess.Popen[bytes]:
        def limited() -> None:
            if self._memory:
                resource.setrlimit(resource.RLIMIT_AS, (self._memory, self._memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "bench.torture.watched"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, cwd=self.folder,
                env=self._environment, preexec_fn=limited,
            )  # fmt: skip

    def _log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")[-2000:]


def _cpu_s(process: int) -> float:
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """The watched side: a line of words comes in, a line about the command's end goes out."""
    import contextlib
    import faulthandler
    import io
    import traceback

    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what C code prints must not stand among the answers
    from otio_avassist.__main__ import main as avassist

    for line in sys.stdin.buffer:
        sys.argv = ["avassist", *json.loads(line)]
        said, printed = io.StringIO(), io.StringIO()
        held: dict[str, Any] = {"code": 0, "traceback": ""}
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
            try:
                avassist()
            except SystemExit as end:
                held["code"] = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                held |= {"code": None, "traceback": traceback.format_exc()}
        answer = {**held, "said": said.getvalue(), "printed": printed.getvalue(), **_usage()}
        answers.write(json.dumps(answer).encode() + b"\n")


def _usage() -> dict[str, float | int]:
    """Memory, open files and threads of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss_mb": pages * resource.getpagesize() / 1e6,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


if __name__ == "__main__":
    main()
