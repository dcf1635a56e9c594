"""plugin_manifest.json, wherever it lies, -> the manifest that OpenTimelineIO gets.

The file stands at the top of a checkout and, in a wheel, beside the code it names. Its paths are relative to
the checkout in both; what leaves this module has absolute ones. Imported wherever OpenTimelineIO reads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
NAME = "plugin_manifest.json"
VARIABLE = "OTIO_PLUGIN_MANIFEST_PATH"
_KINDS = ("adapters", "hook_scripts")
"""What OpenTimelineIO finds by a file of ours."""
ABSOLUTE = "avassist doctor --manifest FILE"
"""The command that writes a manifest that `OTIO_PLUGIN_MANIFEST_PATH` may name from anywhere."""


def manifest_file() -> Path:
    """The copy in the package, as a wheel has it, else the one above it, as a checkout has it."""
    inside = PACKAGE / NAME
    return inside if inside.is_file() else PACKAGE.parent / NAME


def manifest() -> Any:
    """Our `Manifest` with absolute paths, without what `OTIO_PLUGIN_MANIFEST_PATH` has registered before us.

    OpenTimelineIO compares manifests by their spelling, and would run each hook twice.
    """
    from opentimelineio.plugins.manifest import manifest_from_file

    ours = manifest_from_file(str(manifest_file()))
    registered = _registered_by_environment()
    for kind in _KINDS:
        kept = [each for each in getattr(ours, kind) if each.name not in registered]
        for each in kept:
            each.filepath = _absolute(each.filepath)
        setattr(ours, kind, kept)
    names = {script.name for script in ours.hook_scripts}
    ours.hooks = {trigger: [name for name in hooks if name in names] for trigger, hooks in ours.hooks.items()}
    return ours


def _absolute(path: str) -> str:
    return str(PACKAGE.parent / path)


def _registered_by_environment() -> set[str]:
    """Names of the hooks and adapters in the manifests that the environment variable names."""
    names: set[str] = set()
    for path in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        if Path(path).is_file():
            data = _read(Path(path))
            names |= {each.get("name") for kind in _KINDS for each in data.get(kind, ())}
    return names


def _read(path: Path) -> dict[str, Any]:
    import json

    return json.loads(path.read_text(encoding="utf-8"))


def absolute_manifest() -> str:
    """The manifest as JSON with absolute paths, for `OTIO_PLUGIN_MANIFEST_PATH` to name from anywhere."""
    import json

    data = _read(manifest_file())
    for each in (each for kind in _KINDS for each in data.get(kind, ())):
        each["filepath"] = _absolute(each["filepath"])
    return json.dumps(data, indent=4) + "\n"


def problems() -> list[str]:
    """What keeps OpenTimelineIO from running our hooks here, each with its remedy; for `avassist doctor`."""
    from opentimelineio.plugins import ActiveManifest

    active = ActiveManifest()
    ours = [script for script in active.hook_scripts if script.name.startswith("avassist_")]
    found = []
    if os.environ.get("OTIO_DISABLE_ENTRYPOINTS_PLUGINS"):
        found.append(
            "OTIO_DISABLE_ENTRYPOINTS_PLUGINS is set (to anything, 0 too): unset it, or no plugin is found"
        )
    elif not ours:
        found.append("OpenTimelineIO knows no avassist hook: install otio-avassist where OpenTimelineIO is")
    found += [
        f"{script.name}: no file {script.module_abs_path()}: {VARIABLE} names a copy made for a checkout;"
        f" write one that works from anywhere: {ABSOLUTE}"
        for script in ours
        if not Path(script.module_abs_path()).is_file()
    ]
    return found
