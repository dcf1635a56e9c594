"""Puts sound back in step with its picture on an OpenTimelineIO timeline.

OpenTimelineIO imports this package in every process that reads a timeline: nothing is imported here.
"""


def plugin_manifest():
    """What OpenTimelineIO asks of a plugin package: our hooks, and where their files are."""
    from otio_avassist.plugin import manifest

    return manifest()
