"""`avassist`, and `python -m otio_avassist`: where errors become exit codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; never shows a traceback for what a person can mend."""
    from otio_avassist.cli import avassist
    from otio_avassist.errors import AvAssistError, CancelledError

    try:
        sys.exit(avassist(standalone_mode=False))
    except KeyboardInterrupt:
        _end("stopped; nothing was written", CancelledError.exit_code)
    except AvAssistError as error:
        _end(str(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # Most have become one of ours already; this is stdout on a full disk, or a name that no folder takes.
        named = f"{error.filename}: " if error.filename else ""
        _end(f"{named}can't go on: {error.strerror or error}", AvAssistError.exit_code)
    except Exception as error:
        import click

        if isinstance(error, click.exceptions.Abort):
            _end("stopped; nothing was written", CancelledError.exit_code)
        if isinstance(error, click.ClickException):
            error.show()
            sys.exit(error.exit_code)
        raise


def _end(message: str, code: int) -> None:
    print(f"avassist: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
