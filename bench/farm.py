"""One, two and three workers of a Dask cluster, each a process of this machine, on work that only waits.

    python -m bench.farm [--workers 1 2 3] [--jobs 30] [--each 1] [--json FILE]

What is measured is what the road costs: jobs go from `batch.run` through `farm.Cluster` to a worker, and
results come back. Efficiency is the time that waiting takes, shared out evenly, by the time that it took.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otio_avassist import batch, farm, pipeline

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120.0
"""So long a process may take until it answers."""
GOAL = 0.9
"""Of three workers' time."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.farm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--jobs", type=int, default=30, metavar="N")
    parser.add_argument("--each", type=float, default=1.0, metavar="S", help="seconds that a job waits")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    load = os.getloadavg()
    measured = [measure(count, asked.jobs, asked.each) for count in asked.workers]
    print("workers    took, s    waiting alone, s    efficiency")
    for each in measured:
        row = f"{each['workers']:7}    {each['took_s']:7.2f}    {each['ideal_s']:16.2f}"
        print(f"{row}    {each['efficiency']:10.1%}")
    if asked.json:
        held = {"jobs": asked.jobs, "each_s": asked.each, "load_average": load, "measured": measured}
        asked.json.write_text(json.dumps(held, indent=1))
    return 1 if min(each["efficiency"] for each in measured) < GOAL else 0


def measure(workers: int, jobs: int, each_s: float) -> dict[str, Any]:
    """So many jobs that wait, by so many workers that are there and know our code."""
    # A job says in its name how long it waits.
    works = [batch.Work(f"{number}/{each_s}", None, pipeline.Settings()) for number in range(jobs)]
    planned = batch.Plan(tuple(batch.Planned(work, "new", {"wait": each_s}) for work in works), None)
    first = batch.Plan(planned.timelines[:workers], None)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="avassist-farm-"))
        names = [f"worker{number}" for number in range(workers)]
        made = stack.enter_context(started(Path(folder), names))
        cluster = stack.enter_context(contextlib.closing(farm.Cluster(made.address, planned, does=wait)))
        batch.run(first, cluster)
        began = time.monotonic()
        batch.run(planned, cluster)
        took_s = time.monotonic() - began
    ideal_s = -(-jobs // workers) * each_s
    return {"workers": workers, "took_s": took_s, "ideal_s": ideal_s, "efficiency": ideal_s / took_s}


def wait(job: batch.Job, asked: Mapping[str, Any]) -> batch.Result:
    """On a worker: as long as the job says, and nothing else."""
    source = batch.Work.of_job(job).source
    each_s = float(Path(source).name)
    time.sleep(each_s)
    return {"state": "done", "input": source, "output": None, "took_s": each_s, "worker": ""}


# A cluster of processes


@dataclass
class Farm:
    """A scheduler and its workers, each a process of this machine."""

    folder: Path
    """For what they write: who the scheduler is, and what is kept."""
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """By their names."""

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def start(self, name: str, **environment: str) -> None:
        """One more worker; `there` tells when it has come."""
        known = {"OTIO_AVASSIST_CACHE": str(self.folder / "kept")}
        command = (
            *("worker", self.address, "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            *("--resources", "avassist=1", "--local-directory", str(self.folder)),
        )
        self.workers[name] = dask(*command, **known | environment)

    def there(self) -> dict[str, str]:
        """Addresses of the workers that have come, by name."""
        from distributed import Client

        with Client(self.address, timeout=PATIENCE_S, set_as_default=False) as client:
            return {held["name"]: at for at, held in client.scheduler_info(n_workers=-1)["workers"].items()}

    def stop(self, *names: str) -> None:
        """As a power cut does."""
        for each in [self.workers.pop(name) for name in names]:
            each.kill()
            each.wait()


def dask(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """A command of Dask's as a process that says nothing and knows this checkout."""
    paths = os.pathsep.join(filter(None, [environment.pop("PYTHONPATH", ""), str(CHECKOUT)]))
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths} | environment,
        cwd=tempfile.gettempdir(),  # whose modules come before all others
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def started(folder: Path, names: Iterable[str]) -> Iterator[Farm]:
    """A scheduler with workers of these names, all of them there; stopped in the end."""
    told = folder / "scheduler.json"
    words = ("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file")
    made = Farm(folder, dask(*words, str(told)))
    try:
        until(lambda: told.is_file() and told.read_text().rstrip().endswith("}"))
        for name in names:
            made.start(name)
        until(lambda: set(made.workers) <= set(made.there()))
        yield made
    finally:
        made.stop(*made.workers)
        made.scheduler.kill()
        made.scheduler.wait()


def until(there: Callable[[], object]) -> None:
    """Wait for it.

    Raises:
        TimeoutError: it didn't come.
    """
    ends = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > ends:
            raise TimeoutError(f"nothing for {PATIENCE_S:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
