"""The tree of errors that a person may meet.

Each message names the file, what was wanted and what there is. `exit_code` is what the command ends with.
Nothing below `__main__` ends the process.
"""


class AvAssistError(Exception):
    """Anything that otio-avassist itself reports."""

    exit_code = 1


class TimelineError(AvAssistError):
    """The timeline can't be read, or isn't one."""


class MediaError(AvAssistError):
    """A media file can't be used: unreadable, truncated, without the stream that was wanted."""


class MediaMissingError(MediaError):
    """The file isn't where the timeline says, nor where the caller pointed."""


class BundleError(AvAssistError):
    """A bundle is absent, or its card disagrees with its graphs."""


class OutputError(AvAssistError):
    """The result can't be written; what stood there before still stands."""


class FarmError(AvAssistError):
    """The cluster can't do what was asked: nobody is there, or not equipped as this machine is."""


class CancelledError(AvAssistError):
    """The person asked to stop. Nothing was written."""

    exit_code = 130


class UsageError(AvAssistError):
    """The command or an option can't be meant as given."""

    exit_code = 2


class DeviceError(AvAssistError):
    """The device that was asked for isn't there."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """What somebody else's exception says, short enough to stand in a message of ours."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
