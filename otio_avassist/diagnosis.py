"""What `avassist doctor` looks at: versions, the plugin as OTIO sees it, bundles, the device that runs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

Rows = list[tuple[str, str]]

PACKAGES = (
    "otio-avassist",
    "opentimelineio",
    "opentimelineio-plugins",
    "av",
    "numpy",
    "onnxruntime-gpu",
    "onnxruntime",
)


def examine() -> list[tuple[str, Rows]]:
    """(heading, rows of name and value) in the order in which trouble is usually found."""
    return [("Versions", _versions()), ("Plugin", _plugin()), ("Bundles", _bundles()), ("Device", _device())]


def _versions() -> Rows:
    rows = [("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    for name in PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    return rows


def _plugin() -> Rows:
    import opentimelineio as otio

    from otio_avassist import plugin

    manifest = otio.plugins.ActiveManifest()
    ours = [script.name for script in manifest.hook_scripts if script.name.startswith("avassist_")]
    attached = [
        f"{name} on {trigger}" for trigger, names in manifest.hooks.items() for name in names if name in ours
    ]
    rows = [
        ("hooks", ", ".join(ours) or "none"),
        ("attached", ", ".join(attached) or "none"),
        ("formats", ", ".join(sorted(otio.adapters.suffixes_with_defined_adapters(read=True)))),
    ]
    return rows + [("problem", problem) for problem in plugin.problems()]


def _bundles() -> Rows:
    from otio_avassist import bundles

    rows = []
    for each in bundles.listing():
        card = each.card
        rows.append(
            (card.task, f"{card.network} {card.version} in {each.folder}")
            if card
            else ("unusable", each.problem)
        )
    return rows or [
        ("none", f"neither in ${bundles.VARIABLE} nor in the plugin: sync works without, by cheaper evidence")
    ]


def _device() -> Rows:
    from otio_avassist import bundles

    report = bundles.device_report()
    rows = [("runs on", report.device), ("built for", ", ".join(report.built_for))]
    if report.cuda_missing:
        rows.append(("no CUDA", report.cuda_missing))
    return rows + [("warning", warning) for warning in report.warnings]
