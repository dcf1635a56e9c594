"""Runs the tasks of avassist that the caller asks for; without a word from the caller it does nothing.

Ask by the hook argument `avassist` (otioconvert -H avassist="{'tasks': 'sync'}"), by the environment variable
AVASSIST_HOOKS ("sync"), or by a file avassist.toml in the working directory.
"""

from otio_avassist import config


def hook_function(in_timeline, argument_map=None):
    if not config.asked(argument_map):
        return in_timeline
    from otio_avassist.hooks import run  # the analysis: paid by who asks for it

    return run.mend(in_timeline, argument_map)
