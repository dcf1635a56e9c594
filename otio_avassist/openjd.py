"""A run as an Open Job Description template, the language of farms: a task for each timeline.

Each task is the command that the run would have been for its timeline alone. Names of timelines and of what
comes out are paths of tasks, which a farm's own rules of path mapping change; others are named in full.
https://github.com/OpenJobDescription/openjd-specifications, 2023-09.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from otio_avassist.errors import UsageError

VERSION = "jobtemplate-2023-09"
MOST = 1024
"""Values that a parameter of tasks may have; more timelines make more steps."""


def template(
    path: Path,
    timelines: Sequence[str],
    output: str | None,
    words: Sequence[str],
    tasks: Sequence[str],
    *,
    below: Path | None = None,
) -> str:
    """The template as JSON, which is YAML, too.

    Args:
        path: of the file it is for.
        output: folder or file that comes out; None where `words` say it.
        words: all other options of `avassist run`.
        below: timelines keep the folders that they lie in below this one.

    Raises:
        UsageError: the file isn't called .json or .yaml, or a name can't be said in a template.
    """
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        raise UsageError(f"{path}: a template is written as .json or .yaml")
    names = [str(Path(each).absolute()) for each in timelines]
    to = str(Path(output).absolute()) if output is not None else None
    root = str(below.absolute()) if below is not None else None
    for each in (*names, *words, to or "", root or ""):
        if "{{" in each:
            raise UsageError(f"{each}: a template would take {{{{ for a name of its own")
    arguments = ["run", "{{Task.Param.Timeline}}", *words]
    # The job's own paths would have to lie below the template; those of tasks may lie anywhere.
    shared: list[dict[str, Any]] = []
    for name, option, value in (("Output", "-o", to), ("Below", "--below", root)):
        if value is not None:
            shared.append({"name": name, "type": "PATH", "range": [value]})
            arguments += [option, f"{{{{Task.Param.{name}}}}}"]
    parts = [names[first : first + MOST] for first in range(0, len(names), MOST)]
    held = {
        "specificationVersion": VERSION,
        "name": f"avassist {', '.join(tasks)}",
        "parameterDefinitions": [
            {
                "name": "Avassist",
                "type": "STRING",
                "default": "avassist",
                "description": "What the command is called where the tasks run.",
            }
        ],
        "steps": [
            {
                "name": f"Timelines{number}",
                "parameterSpace": {
                    "taskParameterDefinitions": [{"name": "Timeline", "type": "PATH", "range": part}, *shared]
                },
                "script": {"actions": {"onRun": {"command": "{{Param.Avassist}}", "args": arguments}}},
            }
            for number, part in enumerate(parts, 1)
        ],
    }
    return json.dumps(held, indent=1) + "\n"
