"""Libraries in C++ that write to the process's own outputs, which are a command's."""

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

OUTPUTS = (1, 2)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is written to standard output or error in the block appears."""
    sys.stdout.flush()
    sys.stderr.flush()
    _flush_c()
    kept = [os.dup(number) for number in OUTPUTS]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in OUTPUTS:
            os.dup2(nothing, number)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # and from Python
            yield
    finally:
        _flush_c()
        for number, copy in zip(OUTPUTS, kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)


def _flush_c() -> None:
    """What C has buffered; it would appear at the end of the process otherwise."""
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, AttributeError, TypeError):  # no such library on this system
        return
