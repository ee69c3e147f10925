"""Entry point of the `adqhw` script: signals and closed pipes end it in one line, imports included.

Nothing but the standard library is imported before `main` guards it: `app` takes half a second.
"""

import os
import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED, CLOSED_PIPE = 128 + signal.SIGINT, 128 + signal.SIGPIPE


def __getattr__(name: str) -> Any:
    """The commands, imported at their first use."""
    if name == "app":
        from .app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run a command; 128 and the signal's number when one ended it, as in a shell."""
    _terminate_in_one_line()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # callbacks inside an import swallow exceptions; nothing is begun, nothing to undo
        signal.signal(signal.SIGINT, _leave)
    try:
        from .app import app

        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app()
        code: Any = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
        _say("interrupted")
    except BrokenPipeError:
        code = CLOSED_PIPE
    except SystemExit as stop:
        # typer and rich end with 1, a failed check, when the reader has closed the pipe
        code = CLOSED_PIPE if isinstance(stop.__context__, BrokenPipeError) else stop.code
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_flushed(code))


def _terminate_in_one_line() -> None:
    """SIGTERM unwinds like an error, so that unfinished files go; forked processes just end."""
    own = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        _say("terminated")
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _leave(number: int, frame: FrameType | None) -> None:
    _say("interrupted")
    os._exit(INTERRUPTED)


def _flushed(code: Any) -> Any:
    """Flush the streams; a closed reader gets nothing, and nothing is reported at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or CLOSED_PIPE
    return code


def _say(text: str) -> None:
    print(f"adqhw: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
