"""What every training of the sync network is asked with on the command line.

In: words. Out: paths and settings. Doesn't know what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click

from models.sync.data import Layout
from models.training import leave
from otio_avassist.errors import AvAssistError


def of_a_run(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--out`, `--settings`, `--seed`, `--threads`."""
    return _all(
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("runs/sync-published") / name,
            show_default=True,
            help="The run's folder; a run that is there goes on.",
        ),
        click.option(
            "--settings", "given", type=click.Path(path_type=Path), help="JSON: what to change of Settings."
        ),
        click.option("--seed", type=int),
        click.option("--threads", type=int),
    )


def of_a_set(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data`, `--layout` and `--clips-in`."""
    return _all(
        click.option(
            "--data", "root", type=click.Path(path_type=Path), required=True, help="See models.sync.data."
        ),
        click.option(
            "--layout", type=click.Choice(get_args(Layout)), default="vggsound-sparse", show_default=True
        ),
        click.option("--clips-in", help="The folder of clips, where it isn't called as released."),
    )(command)


def _all(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong is told in a line, and the other processes are left in good order."""
    try:
        yield
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        leave()
