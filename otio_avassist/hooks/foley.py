"""Makes sounds for pictures that have none, wherever your own manifest attaches this hook.

Takes the same settings as avassist_assist, and needs none where a file is being written.
"""


def hook_function(in_timeline, argument_map=None):
    from otio_avassist.hooks import run  # the analysis: paid by who attaches this hook

    return run.mend(in_timeline, argument_map, task="foley")
